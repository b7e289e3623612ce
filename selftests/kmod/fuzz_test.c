// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The fuzzer of the ABI (fuzz.h): starts its processes, kills some, starts those again that died, watches that all get
 * on, and judges what is left at the end: nothing.
 *
 * Environment: PINPOOL_FUZZ_SEED (a number; another one each time by default), PINPOOL_FUZZ_CALLS.
 */
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "fuzz_calls.h"
#include "harness.h"

#define DEFAULT_CALLS  50000 /* as many make every call of the table with success */
#define STUCK_SECONDS  100 /* a call takes seconds at most */
#define SETTLE_SECONDS 30
#define PAUSE_US       3000
#define REPORT_CALLS   100000

struct fuzz_shared *fuzz;

struct worker {
	pid_t pid;
	uint64_t life;
};

FIXTURE(fuzz) {
	struct worker workers[FUZZ_PROCS];
	uint64_t seen[FUZZ_ACTORS]; /* number and life of the last call that was seen to run */
	time_t seen_at[FUZZ_ACTORS];
	uint64_t kills;
	uint64_t next_kill; /* in calls */
	uint64_t next_report; /* in calls */
	time_t begun;
	unsigned int deaths;
};

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

FIXTURE_SETUP(fuzz)
{
	uint32_t random = 1;

	ASSERT_EQ(sizeof(random), getrandom(&random, sizeof(random), 0));
	fuzz = shared_memory(sizeof(*fuzz));
	fuzz->seed = environment("PINPOOL_FUZZ_SEED", random);
	fuzz->limit = environment("PINPOOL_FUZZ_CALLS", DEFAULT_CALLS);
	fuzz->max_ids = 2 * fuzz->limit + 4096;
	fuzz->writes = shared_memory(fuzz->max_ids * sizeof(fuzz->writes[0]));
	fuzz->loads = shared_memory(fuzz->max_ids * sizeof(fuzz->loads[0]));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fuzz->mailbox));
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	/* So that everybody creates; what all pools hold has to fit into the machine. */
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "64"));
	printf("# fuzz: PINPOOL_FUZZ_SEED=%llu PINPOOL_FUZZ_CALLS=%llu\n", (unsigned long long)fuzz->seed,
	       (unsigned long long)fuzz->limit);
	fflush(stdout);
}

FIXTURE_TEARDOWN(fuzz)
{
	chmod("/dev/pinpool/control", 0664);
	file_write(MODULE_SYSFS "/parameters/limit_mb", "0");
	file_write(MODULE_SYSFS "/parameters/limit_uid_mb", "0");
}

static void entry_print(const struct fuzz_entry *e)
{
	printf("#   %6llu %-14s %llx %llx %llx %llx", (unsigned long long)e->number, fuzz_calls[e->row].name,
	       (unsigned long long)e->arg[0], (unsigned long long)e->arg[1], (unsigned long long)e->arg[2],
	       (unsigned long long)e->arg[3]);
	if (!e->done)
		printf(" ...\n");
	else if (e->ret == FUZZ_SKIP)
		printf(" not made\n");
	else
		printf(" = %lld\n", (long long)e->ret);
}

/* The last calls of an actor, oldest first. */
static void actor_print(unsigned int id, unsigned int nr)
{
	const struct fuzz_record *record = &fuzz->actors[id];

	printf("# actor %u, life %llx:\n", id, (unsigned long long)record->life);
	for (unsigned int i = FUZZ_LOG - nr; i < FUZZ_LOG; i++) {
		const struct fuzz_entry *e = &record->log[(record->number + 1 + i) % FUZZ_LOG];

		if (e->number)
			entry_print(e);
	}
}

/* Where the threads of a process are in the kernel. */
static void stacks_print(pid_t pid)
{
	char command[256];

	fflush(stdout);
	snprintf(command, sizeof(command),
		 "for t in /proc/%d/task/*; do echo \"# $t $(cat $t/wchan)\"; sed 's/^/#   /' $t/stack; done", pid);
	if (system(command))
		printf("# no stacks\n");
}

static void failure_print(void)
{
	unsigned int failed = fuzz->failed - 1;

	printf("# fuzz: PINPOOL_FUZZ_SEED=%llu: after %llu calls, actor %u: %s\n", (unsigned long long)fuzz->seed,
	       (unsigned long long)fuzz->calls, failed, fuzz->failure);
	actor_print(failed, FUZZ_LOG);
	for (unsigned int id = 0; id < FUZZ_ACTORS; id++)
		if (id != failed)
			actor_print(id, 3);
}

/* How often a call was made, and with what success. */
static uint64_t row_print(unsigned int row)
{
	uint64_t sum = fuzz->row_ok[row];

	printf("# %-16s %7llu done", fuzz_calls[row].name, (unsigned long long)sum);
	for (int error = 1; error < FUZZ_MAX_ERRNO; error++)
		if (fuzz->row_errors[row][error]) {
			printf(", %llu %s", (unsigned long long)fuzz->row_errors[row][error], strerrorname_np(error));
			sum += fuzz->row_errors[row][error];
		}
	if (fuzz_calls[row].never)
		printf(" (never done: %s)", fuzz_calls[row].never);
	printf("\n");
	return sum;
}

/* Whether a call has said that the kernel has no such thing. */
static bool kernel_lacks(int64_t (*execute)(struct fuzz_actor *a))
{
	for (unsigned int row = 0; row < fuzz_nr_calls; row++)
		if (fuzz_calls[row].execute == execute)
			return fuzz->row_errors[row][ENOSYS] || fuzz->row_errors[row][EOPNOTSUPP];
	return false;
}

/* What many calls have left out of a row, or NULL. @sum: how often it was made. */
static const char *row_gap(unsigned int row, uint64_t sum)
{
	const struct fuzz_call *call = &fuzz_calls[row];

	if (call->never && fuzz->row_ok[row])
		return "was done, and should never be";
	if (call->if_can && kernel_lacks(call->if_can))
		return NULL;
	if (!sum)
		return "was never made";
	return call->never || fuzz->row_ok[row] ? NULL : "was never done";
}

/* A failure that no actor has found itself. */
static void fail_for(unsigned int process, const char *what, int value)
{
	struct fuzz_actor a = { .id = process * (FUZZ_THREADS + 1) };

	fuzz_fail(&a, "process %u %s (%d)", process, what, value);
}

static void worker_start(struct worker *w, unsigned int i)
{
	w->life++;
	/* A child that is forked must not have what is in these, or it comes out twice. */
	fflush(stdout);
	fflush(stderr);
	w->pid = fork();
	if (w->pid < 0)
		abort();
	if (!w->pid)
		fuzz_process_run(i, w->life);
	setpgid(w->pid, w->pid);
}

/* A worker is gone; so must be what it forked. */
static void worker_buried(FIXTURE_DATA(fuzz) * self, unsigned int i, int status)
{
	struct worker *w = &self->workers[i];
	time_t deadline = now() + STUCK_SECONDS;
	char path[64];

	self->deaths++;
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status))
		fail_for(i, "ended with status", status);
	kill(-w->pid, SIGKILL);
	for (;;) {
		pid_t pid = waitpid(-w->pid, NULL, WNOHANG);

		if (pid < 0)
			break;
		if (now() > deadline) {
			fail_for(i, "has a child that does not end though it was killed", 0);
			break;
		}
		if (!pid)
			sleep_us(PAUSE_US);
	}
	for (unsigned int id = i * (FUZZ_THREADS + 1); id < (i + 1) * (FUZZ_THREADS + 1); id++)
		fuzz_reaped(id);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/fuzz%u", i);
	rmdir(path);
	w->pid = 0;
}

static void watch(FIXTURE_DATA(fuzz) * self)
{
	for (unsigned int id = 0; id < FUZZ_ACTORS; id++) {
		uint64_t at = fuzz_mix(fuzz->actors[id].life, fuzz->actors[id].number);
		unsigned int process = id / (FUZZ_THREADS + 1);

		/* Children come and go. */
		if (at != self->seen[id] || id % (FUZZ_THREADS + 1) == FUZZ_THREADS) {
			self->seen[id] = at;
			self->seen_at[id] = now();
		} else if (now() - self->seen_at[id] > STUCK_SECONDS && !fuzz->failed) {
			struct fuzz_actor a = { .id = id };

			fuzz_fail(&a, "no progress for %d seconds", STUCK_SECONDS);
			stacks_print(self->workers[process].pid);
		}
	}
}

/* Until all calls are made. Whoever dies is started again. */
static void run(FIXTURE_DATA(fuzz) * self)
{
	while (!fuzz->stop && fuzz->calls < fuzz->limit) {
		for (unsigned int i = 0; i < FUZZ_PROCS; i++) {
			struct worker *w = &self->workers[i];
			int status;

			if (w->pid && waitpid(w->pid, &status, WNOHANG) == w->pid)
				worker_buried(self, i, status);
			if (!w->pid)
				worker_start(w, i);
		}
		if (fuzz->calls >= self->next_kill) {
			uint64_t random = fuzz_mix(fuzz->seed, self->kills++);

			kill(self->workers[random % FUZZ_PROCS].pid, SIGKILL);
			self->next_kill += 300 + (random >> 8) % 1500;
		}
		if (fuzz->calls >= self->next_report) {
			printf("# fuzz: %llu calls in %ld s\n", (unsigned long long)fuzz->calls,
			       (long)(now() - self->begun));
			fflush(stdout);
			self->next_report += REPORT_CALLS;
		}
		watch(self);
		sleep_us(PAUSE_US);
	}
}

static void finish(FIXTURE_DATA(fuzz) * self)
{
	time_t deadline = now() + STUCK_SECONDS;

	fuzz->stop = true;
	for (unsigned int i = 0; i < FUZZ_PROCS; i++) {
		pid_t pid = self->workers[i].pid;
		int status = 0;

		while (pid && !waitpid(pid, &status, WNOHANG)) {
			if (now() > deadline) {
				fail_for(i, "does not end", 0);
				stacks_print(pid);
				kill(pid, SIGKILL);
				deadline = now() + STUCK_SECONDS;
			}
			sleep_us(PAUSE_US);
		}
		if (pid)
			worker_buried(self, i, status);
	}
}

/* What pools hold, or what waits for pins. */
static int held(struct pinpool_module_info *info)
{
	int ret = module_info(info);

	if (ret)
		return ret;
	return info->out_pools || info->out_used_bytes || info->out_quarantine_bytes ||
	       info->out_free_bytes != info->out_reserve_bytes;
}

TEST_F_TIMEOUT(fuzz, all_calls_by_many, 36000)
{
	struct pinpool_module_info info;
	uint64_t calls = 0;
	time_t deadline;

	self->next_kill = 300;
	self->next_report = REPORT_CALLS;
	self->begun = now();
	run(self);
	finish(self);
	if (fuzz->failed)
		failure_print();
	EXPECT_EQ(0, fuzz->failed);

	for (unsigned int i = 0; i < fuzz_nr_calls; i++) {
		uint64_t sum = row_print(i);
		const char *gap = row_gap(i, sum);

		calls += sum;
		/* Fewer calls may leave out rows by chance. */
		if (fuzz->calls >= DEFAULT_CALLS)
			EXPECT_EQ(NULL, gap) TH_LOG("%s %s", fuzz_calls[i].name, gap);
	}
	printf("# fuzz: PINPOOL_FUZZ_SEED=%llu: %llu calls in %ld s, %u deaths, %llu loads, %llu writes, %llu MiB judged\n",
	       (unsigned long long)fuzz->seed, (unsigned long long)calls, (long)(now() - self->begun), self->deaths,
	       (unsigned long long)fuzz->nr_loads, (unsigned long long)fuzz->nr_writes,
	       (unsigned long long)fuzz->words_verified >> 17);
	/* Those that died in theirs are not counted. */
	EXPECT_LE(fuzz->limit, fuzz->calls);

	/* Files that lie in the mailbox still have their pools open. */
	close(fuzz->mailbox[0]);
	close(fuzz->mailbox[1]);
	for (unsigned int i = 0; i < FUZZ_NAMES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "fz%u", i);
		pool_destroy(name);
	}
	EXPECT_EQ(0, file_write("/sys/class/pinpool/control/node0/reserve", "0"));
	EXPECT_EQ(0, file_write("/sys/class/pinpool/control/node1/reserve", "0"));
	for (deadline = now() + SETTLE_SECONDS; held(&info) && now() < deadline;)
		sleep_us(PAUSE_US);
	EXPECT_EQ(0, held(&info));
	EXPECT_EQ(0, info.out_pools);
	EXPECT_EQ(0, info.out_used_bytes);
	EXPECT_EQ(0, info.out_quarantine_bytes);
	EXPECT_EQ(0, info.out_reserve_bytes);
	EXPECT_EQ(0, info.out_free_bytes);
}

TEST_HARNESS_MAIN
