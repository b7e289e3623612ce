// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What it costs to load a file into a pool of the module by each path of the library (pinpool_load_opts.io). In
 * instructions, see counter.h. For bench/paths.py.
 *
 * usage: paths FILE    on a file system that takes O_DIRECT, of which nothing is in the page cache
 *
 * Counted is all that the machine executes from the call of pinpool_load() to its end: the process, workers of
 * io_uring, interrupts and the kernel's threads, and neither digests nor the making of the pool. What must not count is
 * waiting for the disk. While a CPU idles the clock jumps ahead, by as much as the disk takes and not by what is
 * executed. So it never idles: the idler, a process of the lowest priority, goes round a loop in all the time that is
 * left, and notes each turn in memory. What a turn takes, the timer's ticks meanwhile included, is found out before,
 * while nothing else happens; the turns made during a load are subtracted.
 *
 * CPU time of the process would leave out what interrupts and threads of the kernel do for it.
 *
 * Prints an array of one object for each path that works here, with requests as the library chooses them and of another
 * size: the cost of a load (the median of REPEATS, in turns with those by the other paths), the least and the most.
 */
#include "counter.h"

#include <errno.h>
#include <math.h>
#include <pinpool/pinpool.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REPEATS	     5
/* More than the catalog of the checkpoint here. */
#define CATALOG_ROOM (2u << 20)
#define POOL	     "paths"

struct path {
	enum pinpool_io io;
	uint32_t chunk; /* 0: as the library likes */
	uint32_t depth;
	bool works;
	struct pinpool_load_report report;
	uint64_t costs[REPEATS];
};

/* Turns of the idler so far, and the instructions of one. */
static volatile uint64_t *turns;
static double turn_cost;

static void wait_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static void idle(void)
{
	const struct sched_param lowest = {0};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || sched_setscheduler(0, SCHED_IDLE, &lowest))
		_exit(1);
	__asm__ volatile("1: incq (%0)\n\tjmp 1b" ::"r"(turns) : "memory");
}

static double spent(uint64_t instructions_before, uint64_t turns_before)
{
	return (double)(instructions() - instructions_before) - (double)(*turns - turns_before) * turn_cost;
}

/* What a turn takes where nothing else happens: the least of some periods, since what happens once makes one longer. */
static double turn_cost_measure(void)
{
	double least = HUGE_VAL;

	for (int i = 0; i < 8; i++) {
		uint64_t instructions_before = instructions(), turns_before = *turns;
		double cost;

		wait_ms(100);
		if (*turns == turns_before)
			die("the idler", "does not run");
		cost = (double)(instructions() - instructions_before) / (double)(*turns - turns_before);
		least = fmin(least, cost);
	}
	return least;
}

static void start_idler(void)
{
	uint64_t instructions_before, turns_before;

	turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turns == MAP_FAILED)
		die("mmap", strerror(errno));
	switch (fork()) {
	case -1:
		die("fork", strerror(errno));
	case 0:
		idle();
	}
	wait_ms(50);
	turn_cost = turn_cost_measure();
	if (turn_cost < 2 || turn_cost > 2.1)
		die("the idler", "is not all that runs");

	instructions_before = instructions();
	turns_before = *turns;
	wait_ms(100);
	if (spent(instructions_before, turns_before) > 100000)
		die("the idler", "does not tell waiting from work");
}

/* Returns false if this kernel does not have the path. */
static bool load(struct pinpool_ctx *ctx, const char *file, uint64_t capacity, struct path *path, uint64_t *cost)
{
	struct pinpool_load_opts opts = {
		.size = sizeof(opts),
		.io = path->io,
		.chunk_bytes = path->chunk,
		.queue_depth = path->depth,
		.no_digest = true,
	};
	struct pinpool_create_opts create = {.size = sizeof(create), .capacity = capacity};
	uint64_t instructions_before, turns_before;
	struct pinpool_diag diag = {0};
	double left;
	int err;

	path->report.size = sizeof(path->report);
	err = pinpool_pool_create(ctx, POOL, &create, &diag);
	if (err)
		die(POOL, diag.cause);
	turns_before = *turns;
	instructions_before = instructions();
	err = pinpool_load(ctx, POOL, file, &opts, &path->report, &diag);
	left = spent(instructions_before, turns_before);
	if (left <= 0)
		die(pinpool_io_name(path->io), "the idler took more turns than there was time for");
	*cost = (uint64_t)left;
	if (err && err != -EOPNOTSUPP)
		die(pinpool_io_name(path->io), *diag.cause ? diag.cause : strerror(-err));
	if (!err && (path->report.io != path->io || !path->report.direct))
		die(pinpool_io_name(path->io), "the load went another way");
	if (pinpool_pool_destroy(ctx, POOL, &diag))
		die(POOL, diag.cause);
	return !err;
}

static void print(struct path *path, const char *before)
{
	uint64_t cost = median(path->costs, REPEATS);

	printf("%s{\"io\":\"%s\",\"chunk\":%u,\"depth\":%u,\"cost\":%ju,\"least\":%ju,\"most\":%ju}", before,
	       pinpool_io_name(path->io), path->report.chunk_bytes, path->report.queue_depth, (uintmax_t)cost,
	       (uintmax_t)path->costs[0], (uintmax_t)path->costs[REPEATS - 1]);
}

int main(int argc, char **argv)
{
	struct pinpool_ctx_opts opts = {.size = sizeof(opts), .backend = PINPOOL_BACKEND_MODULE};
	struct path paths[] = {
		{.io = PINPOOL_IO_URING_CMD},	{.io = PINPOOL_IO_URING_CMD, .chunk = 1 << 20, .depth = 32},
		{.io = PINPOOL_IO_URING_FIXED}, {.io = PINPOOL_IO_URING_FIXED, .chunk = 2 << 20, .depth = 16},
		{.io = PINPOOL_IO_URING},	{.io = PINPOOL_IO_URING, .chunk = 2 << 20, .depth = 16},
		{.io = PINPOOL_IO_PREAD},
	};
	const size_t count = sizeof(paths) / sizeof(paths[0]);
	struct pinpool_diag diag = {0};
	const char *separator = "[";
	struct pinpool_ctx *ctx;
	struct stat st;

	if (argc != 2 || stat(argv[1], &st)) {
		fprintf(stderr, "usage: paths FILE\n");
		return 2;
	}
	counter_check();
	start_idler();
	if (pinpool_ctx_new(&ctx, &opts, &diag))
		die("module", diag.cause);

	/* The first load is not counted: code and the file's metadata come in. */
	for (size_t i = 0; i < count; i++)
		paths[i].works = load(ctx, argv[1], (uint64_t)st.st_size + CATALOG_ROOM, &paths[i], &paths[i].costs[0]);
	for (int turn = 0; turn < REPEATS; turn++)
		for (size_t i = 0; i < count; i++)
			if (paths[i].works)
				load(ctx, argv[1], (uint64_t)st.st_size + CATALOG_ROOM, &paths[i],
				     &paths[i].costs[turn]);
	pinpool_ctx_unref(ctx);

	for (size_t i = 0; i < count; i++) {
		if (!paths[i].works)
			continue;
		print(&paths[i], separator);
		separator = ",";
	}
	printf("]\n");
	return 0;
}
