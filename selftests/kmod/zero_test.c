// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * No byte of a former pool is ever seen, and no page is cleared more often than that takes: each first touch is proven
 * to give zeros on memory that was full of a pattern, and the counts of clearings are exact.
 */
#include <pthread.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 8UL
#define BYTES (PAGES * HUGE)

FIXTURE(zero) {
	unsigned char *buf;
};

FIXTURE_VARIANT(zero) {
	bool reserve;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(zero, reserve) { .reserve = true };
FIXTURE_VARIANT_ADD(zero, page_allocator) { .reserve = false };
/* clang-format on */

FIXTURE_SETUP(zero)
{
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load(variant->reserve ? "reserve_mb=16" : ""));
	self->buf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buf);
}

FIXTURE_TEARDOWN(zero)
{
	munmap(self->buf, BYTES);
	pool_destroy("z");
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

/* Pages cleared since its creation because pool @fd touched them, or ~0. */
static uint64_t zeroed(int fd)
{
	struct pinpool_pool_info info;

	return pool_info(fd, &info) ? ~0ULL : info.out_pages_zeroed;
}

static uint64_t scrubbed(void)
{
	struct pinpool_module_info info;

	return module_info(&info) ? ~0ULL : info.out_pages_scrubbed;
}

/*
 * A page of the reserve that has been in a pool is known to be zero, so its next life begins without clearing. One of the
 * page allocator never is: the VM's kernel does not zero what it allocates.
 */
static uint64_t first_touch_costs(bool reserve, int life)
{
	return reserve && life > 0 ? 0 : 1;
}

/* Every page of every life is cleared once: at its first touch or when the life before ended. */
TEST_F(zero, once_for_each_life)
{
	for (int life = 0; life < 3; life++) {
		uint64_t before = scrubbed(), cost = first_touch_costs(variant->reserve, life);
		int fd = pool_create_loading("z", BYTES);
		unsigned char *p;

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, zeroed(fd));
		p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, (void *)p);
		/* Many touches, by several ways. */
		EXPECT_EQ(-1, nonzero_at(p, BYTES));
		pattern_fill(p, BYTES, life + 1, 0);
		ASSERT_EQ(0, madvise(p, BYTES, MADV_DONTNEED));
		EXPECT_EQ(-1, pattern_differs(p, BYTES, life + 1, 0));
		munmap(p, BYTES);
		ASSERT_EQ(8, pwrite(fd, self->buf, 8, 0));
		ASSERT_EQ((ssize_t)BYTES, pread(fd, self->buf, BYTES, 0));
		ASSERT_EQ(0, pool_commit(fd, BYTES));
		EXPECT_EQ(PAGES * cost, zeroed(fd)) TH_LOG("life %d", life);
		close(fd);
		EXPECT_EQ(before, scrubbed());
		ASSERT_EQ(0, pool_destroy("z"));
		EXPECT_EQ(before + PAGES, scrubbed()) TH_LOG("life %d", life);
	}
}

/* Pages that nobody touched cost nothing, neither at creation nor when the pool goes. */
TEST_F(zero, not_at_all_if_never_touched)
{
	uint64_t before = scrubbed();
	int fd;

	ASSERT_EQ(0, pool_create("z", BYTES));
	fd = pool_open("z", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, zeroed(fd));
	ASSERT_EQ(0, pool_begin(fd));
	ASSERT_EQ((ssize_t)BYTES, pread(fd, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));
	EXPECT_EQ(0, zeroed(fd));
	close(fd);
	ASSERT_EQ(0, pool_destroy("z"));
	EXPECT_EQ(before, scrubbed());
}

/* Untouched pages are cleared at commit: from then on all of it can be read. */
TEST_F(zero, the_rest_before_anything_is_readable)
{
	int fd = pool_create_loading("z", BYTES);

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pwrite(fd, "x", 1, HUGE));
	EXPECT_EQ(1, zeroed(fd));
	ASSERT_EQ(0, pool_commit(fd, 1));
	EXPECT_EQ(PAGES, zeroed(fd));
	close(fd);
}

/* A write that covers a page whole does not clear it first; what was there before is gone all the same. */
TEST_F(zero, not_what_is_overwritten_whole)
{
	uint64_t before;
	int fd = pool_create_loading("z", BYTES);
	char *p;

	ASSERT_LE(0, fd);
	pattern_fill(self->buf, BYTES, 5, 0);
	/* All but the first and last page are whole. */
	ASSERT_EQ((ssize_t)(BYTES - 16), pwrite(fd, self->buf + 8, BYTES - 16, 8));
	EXPECT_EQ(2, zeroed(fd));
	ASSERT_EQ(8, pwrite(fd, self->buf, 8, 0));
	ASSERT_EQ(8, pwrite(fd, self->buf + BYTES - 8, 8, BYTES - 8));
	EXPECT_EQ(2, zeroed(fd));
	ASSERT_EQ(0, pool_commit(fd, BYTES));
	EXPECT_EQ(2, zeroed(fd));
	p = pool_map(fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 5, 0));
	munmap(p, BYTES);
	close(fd);
	before = scrubbed();
	ASSERT_EQ(0, pool_destroy("z"));
	EXPECT_EQ(before + PAGES, scrubbed());
}

/* Fills all pages that the next pool will get with a pattern, by an aborted load of the same pool. */
static int dirty_pool(const void *buf)
{
	int fd = pool_create_loading("z", BYTES), ret;

	if (fd < 0)
		return fd;
	if (pwrite(fd, buf, BYTES, 0) != (ssize_t)BYTES)
		return -EIO;
	ret = pool_abort(fd);
	if (!ret)
		ret = pool_begin(fd);
	return ret ? ret : fd;
}

/* A source that ends in the middle of a page: the rest of the page is zero, and the write says how far it came. */
TEST_F(zero, user_memory_that_ends_within_a_page)
{
	const size_t some = HUGE / 2 + 5 * PAGE;
	unsigned char *p;
	int fd;

	pattern_fill(self->buf, BYTES, 9, 0);
	fd = dirty_pool(self->buf);
	ASSERT_LE(0, fd);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x55, some);
	ASSERT_EQ(0, munmap(p + some, HUGE - some));
	EXPECT_EQ((ssize_t)some, pwrite(fd, p, HUGE, 0));
	EXPECT_EQ(-EFAULT, result(pwrite(fd, p + some, HUGE, HUGE)));
	ASSERT_EQ((ssize_t)(2 * HUGE), pread(fd, self->buf, 2 * HUGE, 0));
	for (size_t i = 0; i < some; i++)
		if (self->buf[i] != 0x55) {
			ASSERT_EQ(some, i);
		}
	EXPECT_EQ(-1, nonzero_at(self->buf + some, 2 * HUGE - some));
	munmap(p, some);
	close(fd);
}

/* The source is a mapping of the very page that is written, and nothing of it is there yet: no deadlock, zeros. */
TEST_F(zero, a_page_written_from_itself)
{
	char *p;
	int fd;

	pattern_fill(self->buf, BYTES, 9, 0);
	fd = dirty_pool(self->buf);
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ((ssize_t)(2 * HUGE), pwrite(fd, p, 2 * HUGE, 0));
	EXPECT_EQ((ssize_t)(2 * HUGE), pwrite(fd, p + 4 * HUGE, 2 * HUGE, 2 * HUGE));
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	munmap(p, BYTES);
	close(fd);
}

struct looker {
	int fd;
	volatile bool stop;
	uint64_t seed;
	long bad;
	long looks;
};

/* Whether a byte of @word is neither zero nor @want's: a copy may go byte by byte, and show a word in parts. */
static bool foreign(uint64_t word, uint64_t want)
{
	for (int i = 0; i < 64; i += 8) {
		uint8_t byte = word >> i;

		if (byte && byte != (uint8_t)(want >> i))
			return true;
	}
	return false;
}

/* Reads words all the time: each byte is zero or of this load. */
static void *look(void *arg)
{
	struct looker *looker = arg;
	volatile uint64_t *p = pool_map(looker->fd, BYTES, PROT_READ);

	if ((void *)p == MAP_FAILED)
		return NULL;
	while (!looker->stop)
		for (size_t i = 0; i < BYTES / 8; i += 1009) {
			uint64_t word = p[i];

			looker->bad += foreign(word, pattern_word(looker->seed, i));
			looker->looks++;
		}
	munmap((void *)p, BYTES);
	return NULL;
}

/* While whole pages are overwritten, a mapping shows old bytes at no moment. */
TEST_F_TIMEOUT(zero, nobody_sees_a_page_before_it_is_whole, 120)
{
	for (int round = 0; round < 10; round++) {
		struct looker looker = { .seed = 20 + round };
		pthread_t thread;
		int fd;

		pattern_fill(self->buf, BYTES, 9, 0);
		fd = dirty_pool(self->buf);
		ASSERT_LE(0, fd);
		looker.fd = fd;
		pattern_fill(self->buf, BYTES, looker.seed, 0);
		ASSERT_EQ(0, pthread_create(&thread, NULL, look, &looker));
		ASSERT_EQ((ssize_t)BYTES, pwrite(fd, self->buf, BYTES, 0));
		looker.stop = true;
		pthread_join(thread, NULL);
		EXPECT_EQ(0, looker.bad);
		close(fd);
		ASSERT_EQ(0, pool_destroy("z"));
	}
}

/* Memory of a pool that has gone shows in no process: what the page allocator gives on has been scrubbed. */
TEST_F_TIMEOUT(zero, scrubbed_before_it_serves_others, 120)
{
	for (int round = 0; round < 3; round++) {
		const size_t bytes = 128UL << 20;
		unsigned char *p;

		ASSERT_EQ(0, pool_create_ready("z", bytes, 77));
		ASSERT_EQ(0, pool_destroy("z"));
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, (void *)p);
		madvise(p, bytes, MADV_HUGEPAGE);
		for (size_t i = 0; i < bytes; i += PAGE)
			p[i] = 0;
		EXPECT_EQ(-1, nonzero_at(p, bytes));
		munmap(p, bytes);
	}
}

TEST_HARNESS_MAIN
