// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Where threads run: those that a load, a verification, a packing and a window make on the processors of the pool's node,
 * their caller where he was. What a node has is told by a file of the test's, which comes in the place of the kernel's:
 * hosts of one node would not show it.
 */
#define ENV_PAGES 40
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"
#include "stand_in.h"
#include "stream/place.h"

#include <liburing.h>
#include <pinpool/pack.h>
#include <pinpool/window.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>

#define POOL   "place"
#define HEADER "{\"a\":{\"dtype\":\"U8\",\"shape\":[3000000],\"data_offsets\":[0,3000000]}}"

/* Read instead of the list of processors of any node, unless empty. */
static char cpulist[PATH_MAX];
/* Reads that there were; how often workers were placed, where, how often that was undone, and the reads before each. */
static int reads, reads_placed, reads_freed;
static int workers_placed, workers_freed;
static cpu_set_t workers;

/* Threads that were made, and those of them that began on @only. */
static atomic_int threads_made, threads_there;
static int only;

struct beginning {
	void *(*main)(void *);
	void *arg;
};

static void *begin_thread(void *arg)
{
	struct beginning beginning = *(struct beginning *)arg;
	cpu_set_t here;

	free(arg);
	if (!sched_getaffinity(0, sizeof(here), &here) && CPU_COUNT(&here) == 1 && CPU_ISSET(only, &here))
		threads_there++;
	threads_made++;
	return beginning.main(beginning.arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
	struct beginning *beginning = malloc(sizeof(*beginning));

	*beginning = (struct beginning){ main, arg };
	return NEXT(pthread_create)(thread, attr, begin_thread, beginning);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (*cpulist && strstr(path, "/cpulist"))
		path = cpulist;
	return NEXT(open64)(path, flags, mode);
}

int io_uring_register_iowq_aff(struct io_uring *ring, size_t bytes, const cpu_set_t *set)
{

	workers_placed++;
	reads_placed = reads;
	workers = *set;
	return NEXT(io_uring_register_iowq_aff)(ring, bytes, set);
}

int io_uring_unregister_iowq_aff(struct io_uring *ring)
{

	workers_freed++;
	reads_freed = reads;
	return NEXT(io_uring_unregister_iowq_aff)(ring);
}

FIXTURE(place)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	cpu_set_t all; /* that the test may use */
	int last; /* of them */
	/* Where events of each kind came from: sets of processors that their threads may use, and those threads. */
	int events[3];
	cpu_set_t allowed[3];
	pthread_t threads[3];
};

FIXTURE_VARIANT(place)
{
	enum pinpool_backend backend;
};

FIXTURE_VARIANT_ADD(place, shm)
{
	.backend = PINPOOL_BACKEND_SHM,
};

FIXTURE_VARIANT_ADD(place, hugetlbfs)
{
	.backend = PINPOOL_BACKEND_HUGETLBFS,
};

FIXTURE_VARIANT_ADD(place, module)
{
	.backend = PINPOOL_BACKEND_MODULE,
};

FIXTURE_SETUP(place)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(self->all), &self->all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &self->all))
			self->last = cpu;
	make_folder(self->folder);
	strcpy(self->file, in_folder(self->folder, "m.safetensors"));
	write_safetensors(self->file, HEADER, 3000000);
	memset(&self->diag, 0, sizeof(self->diag));
	memset(self->events, 0, sizeof(self->events));
	cpulist[0] = '\0';
	workers_placed = workers_freed = reads = 0;
	alarm(60);
}

FIXTURE_TEARDOWN_PARENT(place)
{
	remove_folder(self->folder);
	env_clean(&self->env);
}

static void trace(void *arg, const struct pinpool_trace_event *event)
{
	FIXTURE_DATA(place) *self = arg;
	cpu_set_t *allowed = &self->allowed[event->kind];
	cpu_set_t here;

	sched_getaffinity(0, sizeof(here), &here);
	if (self->events[event->kind]++)
		CPU_OR(allowed, allowed, &here);
	else
		*allowed = here;
	self->threads[event->kind] = pthread_self();
	reads += event->kind == PINPOOL_TRACE_READ;
}

/* The node has, by what is told, @list. */
static void tell_list(FIXTURE_DATA(place) * self, const char *list)
{
	const char *path = in_folder(self->folder, "cpulist");

	write_file(path, list, strlen(list));
	strcpy(cpulist, path);
}

static void tell_processor(FIXTURE_DATA(place) * self, int cpu)
{
	char list[32];

	snprintf(list, sizeof(list), "%d\n", cpu);
	tell_list(self, list);
}

#define OPTS(...)                                                                                                      \
	((struct pinpool_load_opts){ .size = sizeof(struct pinpool_load_opts),                                         \
				     .trace = trace,                                                                   \
				     .trace_arg = self,                                                                \
				     .sha256 = PINPOOL_SHA256_ALL,                                                     \
				     .chunk_bytes = 64 << 10,                                                          \
				     ##__VA_ARGS__ })

static int load(FIXTURE_DATA(place) * self, enum pinpool_io io, uint32_t node, enum pinpool_numa_policy policy)
{
	struct pinpool_create_opts create = {
		.size = sizeof(create),
		.numa_node = node,
		.numa_policy = policy,
	};
	struct pinpool_load_opts opts = OPTS(.create = &create, .io = io);
	int err;

	memset(self->events, 0, sizeof(self->events));
	err = pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, &self->diag);
	if (!err)
		err = pinpool_pool_destroy(self->env.ctx, POOL, NULL);
	return err;
}

static bool is_only(const cpu_set_t *set, int cpu)
{
	return CPU_COUNT(set) == 1 && CPU_ISSET(cpu, set);
}

static bool caller_is_free(const FIXTURE_DATA(place) * self)
{
	cpu_set_t now;

	return !sched_getaffinity(0, sizeof(now), &now) && CPU_EQUAL(&now, &self->all);
}

TEST_F(place, threads_run_on_the_node_of_the_pool)
{
	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	for (enum pinpool_numa_policy policy = PINPOOL_NUMA_BIND; policy <= PINPOOL_NUMA_PREFER; policy++) {
		tell_processor(self, self->last);
		ASSERT_EQ(0, load(self, PINPOOL_IO_PREAD, 1, policy))
		{
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);
		}
		for (int kind = PINPOOL_TRACE_READ; kind <= PINPOOL_TRACE_SHA256; kind++) {
			EXPECT_LT(0, self->events[kind]);
			EXPECT_TRUE(is_only(&self->allowed[kind], self->last));
		}
		EXPECT_TRUE(caller_is_free(self));
	}
}

/* With io_uring the caller's thread reads, and workers where that would block. */
TEST_F(place, the_caller_stays_and_workers_of_the_ring_move)
{
	int err;

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	tell_processor(self, self->last);
	err = load(self, PINPOOL_IO_URING, 1, PINPOOL_NUMA_BIND);
	if (err == -EOPNOTSUPP)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	EXPECT_TRUE(pthread_equal(pthread_self(), self->threads[PINPOOL_TRACE_READ]));
	EXPECT_TRUE(CPU_EQUAL(&self->all, &self->allowed[PINPOOL_TRACE_READ]));
	EXPECT_TRUE(is_only(&self->allowed[PINPOOL_TRACE_DIGEST], self->last));
	EXPECT_TRUE(caller_is_free(self));
	EXPECT_EQ(1, workers_placed);
	EXPECT_TRUE(is_only(&workers, self->last));
	EXPECT_EQ(1, workers_freed);
	EXPECT_EQ(0, reads_placed);
	EXPECT_EQ(self->events[PINPOOL_TRACE_READ], reads_freed);
}

TEST_F(place, pools_of_no_node_leave_threads_alone)
{
	tell_processor(self, self->last);
	ASSERT_EQ(0, load(self, PINPOOL_IO_PREAD, 0, PINPOOL_NUMA_BIND));
	for (int kind = PINPOOL_TRACE_READ; kind <= PINPOOL_TRACE_SHA256; kind++)
		EXPECT_TRUE(CPU_EQUAL(&self->all, &self->allowed[kind]));
	ASSERT_EQ(0, load(self, PINPOOL_IO_AUTO, 0, PINPOOL_NUMA_INTERLEAVE));
	EXPECT_TRUE(CPU_EQUAL(&self->all, &self->allowed[PINPOOL_TRACE_DIGEST]));
	EXPECT_EQ(0, workers_placed);
	EXPECT_EQ(0, workers_freed);
}

/* Nothing of the node may be used by the caller, or nobody says what it has. */
TEST_F(place, a_node_out_of_reach_leaves_threads_alone)
{
	static const char *const lists[] = { "", "\n", "1023\n", "many\n" };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		tell_list(self, lists[i]);
		ASSERT_EQ(0, load(self, PINPOOL_IO_PREAD, 1, PINPOOL_NUMA_BIND));
		EXPECT_TRUE(CPU_EQUAL(&self->all, &self->allowed[PINPOOL_TRACE_DIGEST]))
		{
			TH_LOG("list %zu", i);
		}
	}
	strcpy(cpulist, "/does/not/exist");
	ASSERT_EQ(0, load(self, PINPOOL_IO_PREAD, 1, PINPOOL_NUMA_BIND));
	EXPECT_TRUE(CPU_EQUAL(&self->all, &self->allowed[PINPOOL_TRACE_DIGEST]));
}

/* What the kernel says of the first node. */
TEST_F(place, what_a_node_has_is_asked_of_the_kernel)
{
	struct place place;

	if (access("/sys/devices/system/node/node0/cpulist", F_OK))
		SKIP(return, "the kernel tells of no nodes");
	ASSERT_EQ(0, place_begin(&place, 1));
	EXPECT_TRUE(place.bound);
	EXPECT_LT(0, CPU_COUNT(&place.processors));
	for (int cpu = 0; cpu < 64; cpu++) {
		char path[96];

		snprintf(path, sizeof(path), "/sys/devices/system/node/node0/cpu%d", cpu);
		EXPECT_EQ(CPU_ISSET(cpu, &self->all) && !access(path, F_OK), !!CPU_ISSET(cpu, &place.processors));
	}
	EXPECT_EQ((size_t)CPU_COUNT(&place.processors), place_size(&place));
	place_end(&place);
}

/* A load that was started has a thread of its own, which moves. */
TEST_F(place, the_thread_of_a_load_that_was_started_moves)
{
	struct pinpool_create_opts create = { .size = sizeof(create), .numa_node = 1 };
	struct pinpool_load_opts opts = OPTS(.create = &create);
	struct pinpool_loading *loading;

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	tell_processor(self, self->last);
	ASSERT_EQ(0, pinpool_load_start(self->env.ctx, POOL, self->file, &opts, &loading, NULL));
	ASSERT_EQ(0, pinpool_load_finish(loading, NULL, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	for (int kind = PINPOOL_TRACE_READ; kind <= PINPOOL_TRACE_SHA256; kind++)
		EXPECT_TRUE(is_only(&self->allowed[kind], self->last));
	EXPECT_TRUE(caller_is_free(self));
}

/* A pool on the node that has but the last processor by what is told. */
static int make_pool(FIXTURE_DATA(place) * self, enum pinpool_numa_policy policy)
{
	struct pinpool_create_opts create = {
		.size = sizeof(create),
		.numa_node = policy != PINPOOL_NUMA_INTERLEAVE,
		.numa_policy = policy,
	};
	struct pinpool_load_opts opts = { .size = sizeof(opts), .create = &create };

	tell_processor(self, self->last);
	only = self->last;
	return pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, &self->diag);
}

#define EXPECT_THREADS_ON_THE_NODE(made)                                                                               \
	do {                                                                                                           \
		EXPECT_LE(made, threads_made);                                                                         \
		EXPECT_EQ(threads_made, threads_there);                                                                \
		EXPECT_TRUE(caller_is_free(self));                                                                     \
		threads_made = threads_there = 0;                                                                      \
	} while (0)

TEST_F(place, a_verification_runs_on_the_node_of_the_pool)
{
	struct pinpool_pool *pool;

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	ASSERT_EQ(0, make_pool(self, PINPOOL_NUMA_BIND));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	threads_made = threads_there = 0;
	ASSERT_EQ(0, pinpool_verify(pool, NULL, NULL, &self->diag));
	EXPECT_THREADS_ON_THE_NODE(1);
	pinpool_pool_close(pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	/* Of no node. */
	ASSERT_EQ(0, make_pool(self, PINPOOL_NUMA_INTERLEAVE));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	threads_made = threads_there = 0;
	ASSERT_EQ(0, pinpool_verify(pool, NULL, NULL, &self->diag));
	EXPECT_LE(1, threads_made);
	EXPECT_EQ(0, threads_there);
	pinpool_pool_close(pool);
}

TEST_F(place, a_packing_runs_on_the_node_of_the_weights)
{
	struct pinpool_create_opts create = { .size = sizeof(create), .numa_node = 1 };
	struct pinpool_load_opts opts = { .size = sizeof(opts), .create = &create };
	struct pinpool_pack_report report = { .size = sizeof(report) };

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	write_safetensors(self->file, "{\"a\":{\"dtype\":\"F32\",\"shape\":[96,64],\"data_offsets\":[0,24576]}}", 24576);
	ASSERT_EQ(0, make_pool(self, PINPOOL_NUMA_BIND));
	threads_made = threads_there = 0;
	/* One is there to make the others, which are as many as the node has processors, the caller among them. */
	ASSERT_EQ(0, pinpool_pack(self->env.ctx, POOL, NULL, &report, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_THREADS_ON_THE_NODE(1);
	ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, report.isa, &self->diag));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));

	/* While it is loaded: the node is that of the pool that will be made. */
	ASSERT_EQ(0, pinpool_load_packed(self->env.ctx, POOL, self->file, &opts, NULL, NULL, NULL, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_THREADS_ON_THE_NODE(3);
	ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, report.isa, &self->diag));
}

TEST_F(place, a_window_is_filled_from_its_node)
{
	struct pinpool_create_opts create = { .size = sizeof(create), .numa_node = 1 };
	struct pinpool_window_opts opts = { .size = sizeof(opts), .create = &create, .bytes = 8 << 20, .digest = true };
	struct pinpool_window_block block = { .size = sizeof(block) };
	struct pinpool_window *window;

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "one processor");
	tell_processor(self, self->last);
	only = self->last;
	threads_made = threads_there = 0;
	ASSERT_EQ(0, pinpool_window_open(self->env.ctx, self->file, &opts, &window, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	while (pinpool_window_next(window, &block, &self->diag) == 1)
		ASSERT_EQ(0, pinpool_window_release(window, &block));
	pinpool_window_close(window);
	/* The one that reads, and the one that digests. */
	EXPECT_THREADS_ON_THE_NODE(2);
}

TEST_HARNESS_MAIN
