/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Limits; see limits.h. Threads meet before they work, and the time ends when the last of them has done, so starting
 * and joining them costs nothing. Reading takes one word of each cache line, from as many long streams side by side as
 * turned out best: memory likes other numbers on other machines, and one row at a time is far from the best on some.
 */
#include "bench/limits.h"
#include "bench/figures.h"
#include "bench/loops.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Loops in registers are called for so long. */
#define LOOP_SECONDS 2e-3

enum {
	LINE_BYTES = 64,
	/* Ahead of what is read. */
	AHEAD = 1024,
	/* Of one measurement: enough to leave the caches, little enough to be near the product in time. */
	READ_BYTES = 128 << 20,
	FIND_ROUNDS = 5,
};

typedef double (*read_fn)(const unsigned char *data, size_t bytes);

#define READ(streams)                                                                                                  \
	static double read_##streams(const unsigned char *data, size_t bytes)                                          \
	{                                                                                                              \
		size_t run = bytes / streams / LINE_BYTES * LINE_BYTES;                                                \
		uint64_t sum = 0;                                                                                      \
                                                                                                                       \
		for (size_t i = 0; i < run; i += LINE_BYTES) {                                                         \
			_Pragma("GCC unroll 12") for (size_t s = 0; s < streams; s++)                                  \
			{                                                                                              \
				if (streams > 1)                                                                       \
					__builtin_prefetch(data + s * run + i + AHEAD);                                \
				sum += *(const uint64_t *)(data + s * run + i);                                        \
			}                                                                                              \
		}                                                                                                      \
		__asm__ volatile("" : : "r"(sum));                                                                     \
		return (double)streams * (double)run;                                                                  \
	}

READ(1)
READ(4)
READ(6)
READ(12)

static const struct {
	size_t streams;
	read_fn read;
} readers[] = {{1, read_1}, {4, read_4}, {6, read_6}, {12, read_12}};

enum {
	READERS = sizeof(readers) / sizeof(readers[0]),
};

static read_fn reader(size_t streams)
{
	size_t i;

	for (i = 0; i + 1 < READERS && readers[i].streams != streams; i++)
		;
	return readers[i].read;
}

static const struct bench_loops *loops(enum pinpool_isa isa)
{
	const struct bench_loops *found = bench_loops_x86(isa);

	if (!found)
		found = bench_loops_neon(isa);
	return found ? found : bench_loops_portable(PINPOOL_ISA_PORTABLE);
}

const char *bench_limit_name(enum bench_limit limit)
{
	static const char *const names[] = {"fma", "int8", "bf16", "bandwidth"};

	return names[limit];
}

struct meeting {
	const struct bench_machine *machine;
	enum bench_limit limit;
	size_t bytes; /* to be read by each thread */
	atomic_uint ready;
};

struct worker {
	struct meeting *meeting;
	unsigned int index;
	double amount;
	double end; /* when it had done */
	pthread_t id;
};

/* Bytes or operations. */
static double work(const struct meeting *meeting, unsigned int index)
{
	const struct bench_machine *machine = meeting->machine;
	const struct bench_loops *these = loops(machine->isa);
	double (*loop)(void) = meeting->limit == BENCH_INT8   ? these->int8
			       : meeting->limit == BENCH_BF16 ? these->bf16
							      : these->fma;
	double amount = 0, end;

	if (meeting->limit == BENCH_READ)
		return reader(machine->streams)(machine->data + index * meeting->bytes, meeting->bytes);
	end = bench_now() + LOOP_SECONDS;
	do
		amount += loop();
	while (bench_now() < end);
	return amount;
}

/* A wait that lets others on where there are more threads than processors. */
static void wait_for(const atomic_uint *ready, unsigned int count)
{
	unsigned int turns;

	for (turns = 0; atomic_load(ready) < count; turns++)
		if (turns > 10000)
			sched_yield();
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct meeting *meeting = worker->meeting;

	atomic_fetch_add(&meeting->ready, 1);
	wait_for(&meeting->ready, meeting->machine->threads);
	worker->amount = work(meeting, worker->index);
	worker->end = bench_now();
	return NULL;
}

int bench_limit_measure(const struct bench_machine *machine, enum bench_limit limit, double *rate)
{
	struct worker *workers = calloc(machine->threads, sizeof(*workers));
	size_t read = machine->bytes < READ_BYTES ? machine->bytes : READ_BYTES;
	struct meeting meeting = {machine, limit, read / machine->threads / LINE_BYTES * LINE_BYTES, 0};
	unsigned int i, started;
	double amount = 0, start, end;

	if (!workers)
		return -EAGAIN;
	for (started = 1; started < machine->threads; started++) {
		workers[started] = (struct worker){.meeting = &meeting, .index = started};
		if (pthread_create(&workers[started].id, NULL, run_worker, &workers[started]))
			break;
	}
	/* Those that are there must not wait for those that could not be had. */
	if (started < machine->threads)
		atomic_store(&meeting.ready, machine->threads);
	wait_for(&meeting.ready, machine->threads - 1);
	workers[0] = (struct worker){.meeting = &meeting};
	start = bench_now();
	run_worker(&workers[0]);
	for (i = 1; i < started; i++)
		pthread_join(workers[i].id, NULL);
	for (i = 0, end = start + 1e-9; i < started; i++) {
		amount += workers[i].amount;
		end = fmax(end, workers[i].end);
	}
	free(workers);
	*rate = amount / (end - start) * 1e-9;
	return started < machine->threads ? -EAGAIN : 0;
}

int bench_limits_find_streams(struct bench_machine *machine)
{
	double rates[READERS][FIND_ROUNDS], best = 0;
	size_t i, found = 0;
	int round, err;

	for (round = 0; round < FIND_ROUNDS; round++) {
		for (i = 0; i < READERS; i++) {
			machine->streams = readers[i].streams;
			err = bench_limit_measure(machine, BENCH_READ, &rates[i][round]);
			if (err)
				return err;
		}
	}
	for (i = 0; i < READERS; i++) {
		double rate = bench_median(rates[i], FIND_ROUNDS);

		if (rate > best) {
			best = rate;
			found = i;
		}
	}
	machine->streams = readers[found].streams;
	return 0;
}
