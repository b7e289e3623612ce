/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Block pools: each block to one owner at a time, whatever the threads do; over plain memory and over a pool's pages.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "harness.h"
#include "pool_env.h"

#define BLOCK 128

static void *range(size_t blocks)
{
	return aligned_alloc(64, blocks * BLOCK + BLOCK);
}

TEST(every_block_is_given_once_until_none_is_left)
{
	struct pinpool_blocks *blocks;
	char *base = range(100), seen[100] = {0};
	void *block;

	/* A tail of half a block is not used. */
	ASSERT_EQ(0, pinpool_blocks_new(&blocks, base, 100 * BLOCK + BLOCK / 2, BLOCK));
	EXPECT_EQ(100, pinpool_blocks_count(blocks));
	EXPECT_EQ(100, pinpool_blocks_available(blocks));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, pinpool_blocks_alloc(blocks, &block));
		ASSERT_EQ(0, ((char *)block - base) % BLOCK);
		ASSERT_LT(((char *)block - base) / BLOCK, 100);
		ASSERT_EQ(0, seen[((char *)block - base) / BLOCK]++);
		ASSERT_EQ(99 - i, pinpool_blocks_available(blocks));
	}
	block = &block;
	EXPECT_EQ(-ENOMEM, pinpool_blocks_alloc(blocks, &block));
	EXPECT_EQ((void *)&block, block);
	EXPECT_EQ(0, pinpool_blocks_release(blocks, base + 42 * BLOCK));
	EXPECT_EQ(1, pinpool_blocks_available(blocks));
	ASSERT_EQ(0, pinpool_blocks_alloc(blocks, &block));
	EXPECT_EQ(base + 42 * BLOCK, block);
	EXPECT_EQ(-ENOMEM, pinpool_blocks_alloc(blocks, &block));
	pinpool_blocks_free(blocks);
	free(base);
}

TEST(double_and_foreign_releases_are_refused)
{
	struct pinpool_blocks *blocks;
	char *base = range(8);
	void *block;

	ASSERT_EQ(0, pinpool_blocks_new(&blocks, base, 8 * BLOCK, BLOCK));
	EXPECT_EQ(-EALREADY, pinpool_blocks_release(blocks, base));
	ASSERT_EQ(0, pinpool_blocks_alloc(blocks, &block));
	EXPECT_EQ(-EINVAL, pinpool_blocks_release(blocks, (char *)block + 1));
	EXPECT_EQ(-EINVAL, pinpool_blocks_release(blocks, (char *)block + 64));
	EXPECT_EQ(-EINVAL, pinpool_blocks_release(blocks, base - BLOCK));
	EXPECT_EQ(-EINVAL, pinpool_blocks_release(blocks, base + 8 * BLOCK));
	EXPECT_EQ(-EINVAL, pinpool_blocks_release(blocks, NULL));
	EXPECT_EQ(0, pinpool_blocks_release(blocks, block));
	EXPECT_EQ(-EALREADY, pinpool_blocks_release(blocks, block));
	EXPECT_EQ(8, pinpool_blocks_available(blocks));
	/* None of it has put a block on the list twice. */
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, pinpool_blocks_alloc(blocks, &block));
	EXPECT_EQ(-ENOMEM, pinpool_blocks_alloc(blocks, &block));
	pinpool_blocks_free(blocks);
	free(base);
}

TEST(bad_ranges_are_refused)
{
	struct pinpool_blocks *blocks;
	char *base = range(8);

	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, NULL, 8 * BLOCK, BLOCK));
	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, base + 8, 8 * BLOCK, BLOCK));
	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, base, 8 * BLOCK, 0));
	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, base, 8 * BLOCK, 100));
	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, base, BLOCK - 1, BLOCK));
	EXPECT_EQ(-EINVAL, pinpool_blocks_new(&blocks, base, SIZE_MAX, 64));
	pinpool_blocks_free(NULL);
	free(base);
}

#define THREADS 4
#define HELD	6
#define ROUNDS	200000

struct crew {
	struct pinpool_blocks *blocks;
	char *base;
	atomic_int owner[THREADS * HELD]; /* by block: number of the thread that has it, or 0 */
	atomic_int wrong;
};

struct worker {
	struct crew *crew;
	int number;
};

static void take(struct worker *worker, void **held, int *count)
{
	struct crew *crew = worker->crew;
	int none = 0;
	size_t index;
	void *block;

	if (pinpool_blocks_alloc(crew->blocks, &block))
		return;
	index = (size_t)((char *)block - crew->base) / BLOCK;
	if (!atomic_compare_exchange_strong(&crew->owner[index], &none, worker->number))
		crew->wrong++;
	/* Plain writes: a second owner, or missing ordering between owners, is a data race. */
	memset(block, worker->number, BLOCK);
	held[(*count)++] = block;
}

static void give(struct worker *worker, void **held, int *count, unsigned int *seed)
{
	struct crew *crew = worker->crew;
	int which = rand_r(seed) % *count, mine = worker->number;
	void *block = held[which];

	if (!env_all_bytes(block, BLOCK, worker->number))
		crew->wrong++;
	if (!atomic_compare_exchange_strong(&crew->owner[((char *)block - crew->base) / BLOCK], &mine, 0))
		crew->wrong++;
	if (pinpool_blocks_release(crew->blocks, block))
		crew->wrong++;
	held[which] = held[--*count];
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	unsigned int seed = (unsigned int)worker->number;
	void *held[HELD + 2];
	int count = 0;

	for (int i = 0; i < ROUNDS; i++) {
		/* Together they want more than there is. */
		if (count < HELD + 2 && (!count || rand_r(&seed) % 3))
			take(worker, held, &count);
		else
			give(worker, held, &count, &seed);
	}
	while (count)
		give(worker, held, &count, &seed);
	return NULL;
}

static void run_crew(struct crew *crew, char *base)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	crew->base = base;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){crew, i + 1};
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST(threads_never_share_a_block)
{
	struct crew crew = {0};
	char *base = range(THREADS * HELD);

	ASSERT_EQ(0, pinpool_blocks_new(&crew.blocks, base, THREADS * HELD * BLOCK, BLOCK));
	run_crew(&crew, base);
	EXPECT_EQ(0, crew.wrong);
	EXPECT_EQ(THREADS * HELD, pinpool_blocks_available(crew.blocks));
	pinpool_blocks_free(crew.blocks);
	free(base);
}

/*
 * What goes wrong without a tag: somebody reads the top and what is below, others pop both and push the top back, and
 * he makes the block below, which is in use, the top. Here a signal handler is the others, so that it happens between
 * any two instructions thousands of times.
 */
static struct {
	struct pinpool_blocks *blocks;
	void *kept; /* by the handler, from one signal to the next */
	volatile int interrupted;
	volatile int wrong;
} aba;

static void pop_two_push_one(int signal)
{
	void *first, *second;

	aba.interrupted++;
	if (aba.kept) {
		aba.wrong += pinpool_blocks_release(aba.blocks, aba.kept) != 0;
		aba.kept = NULL;
		return;
	}
	if (pinpool_blocks_alloc(aba.blocks, &first))
		return;
	if (!pinpool_blocks_alloc(aba.blocks, &second))
		aba.kept = second;
	aba.wrong += pinpool_blocks_release(aba.blocks, first) != 0;
}

TEST(stale_look_at_the_free_list_is_noticed)
{
	struct itimerval timer = {.it_interval.tv_usec = 20, .it_value.tv_usec = 20};
	struct sigaction action = {.sa_handler = pop_two_push_one};
	int64_t end = env_now_ms() + 3000;
	char *base = range(4);
	void *block;

	ASSERT_EQ(0, pinpool_blocks_new(&aba.blocks, base, 4 * BLOCK, BLOCK));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (aba.interrupted < 40000 && env_now_ms() < end) {
		/* Most of the time goes to the two calls, where it has to be interrupted. */
		for (int i = 0; i < 100; i++) {
			if (pinpool_blocks_alloc(aba.blocks, &block))
				continue;
			aba.wrong += block == *(void *volatile *)&aba.kept;
			aba.wrong += pinpool_blocks_release(aba.blocks, block) != 0;
		}
	}
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT_EQ(0, aba.wrong);
	if (aba.kept)
		EXPECT_EQ(0, pinpool_blocks_release(aba.blocks, aba.kept));
	EXPECT_EQ(4, pinpool_blocks_available(aba.blocks));
	pinpool_blocks_free(aba.blocks);
	free(base);
}

struct releaser {
	struct pinpool_blocks *blocks;
	void **block; /* array of one per round */
	pthread_barrier_t *barrier;
	int released;
	int refused;
};

#define DOUBLES 20000

static void *release_same(void *arg)
{
	struct releaser *releaser = arg;

	for (int i = 0; i < DOUBLES; i++) {
		int err;

		pthread_barrier_wait(releaser->barrier);
		err = pinpool_blocks_release(releaser->blocks, releaser->block[i % 2]);
		releaser->released += !err;
		releaser->refused += err == -EALREADY;
		pthread_barrier_wait(releaser->barrier);
		/* One of them fetches the next. */
		if (pthread_barrier_wait(releaser->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			pinpool_blocks_alloc(releaser->blocks, &releaser->block[(i + 1) % 2]);
	}
	return NULL;
}

TEST(one_of_two_releases_at_once_is_refused)
{
	struct pinpool_blocks *blocks;
	pthread_barrier_t barrier;
	struct releaser two[2];
	pthread_t threads[2];
	char *base = range(2);
	void *block[2];

	ASSERT_EQ(0, pinpool_blocks_new(&blocks, base, 2 * BLOCK, BLOCK));
	ASSERT_EQ(0, pinpool_blocks_alloc(blocks, &block[0]));
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++) {
		two[i] = (struct releaser){.blocks = blocks, .block = block, .barrier = &barrier};
		pthread_create(&threads[i], NULL, release_same, &two[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(DOUBLES, two[0].released + two[1].released);
	EXPECT_EQ(DOUBLES, two[0].refused + two[1].refused);
	EXPECT_EQ(1, pinpool_blocks_available(blocks));
	pinpool_blocks_free(blocks);
	free(base);
}

POOL_FIXTURE_ALL(block);

TEST_F(block, divides_the_pages_of_a_pool)
{
	struct crew crew = {0};
	struct pinpool_pool *pool;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "scratch", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "scratch", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
	ASSERT_LE(THREADS * HELD * BLOCK, bytes);
	ASSERT_EQ(0, pinpool_blocks_new(&crew.blocks, addr, THREADS * HELD * BLOCK, BLOCK));
	run_crew(&crew, addr);
	EXPECT_EQ(0, crew.wrong);
	EXPECT_EQ(THREADS * HELD, pinpool_blocks_available(crew.blocks));
	pinpool_blocks_free(crew.blocks);
	pinpool_pool_close(pool);
}

TEST_HARNESS_MAIN
