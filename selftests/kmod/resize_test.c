// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * PINPOOL_IOC_RESIZE: who may and when, all or nothing, what is added is zero, what is kept stays, what is cut off goes
 * back, and nothing that anybody uses is ever cut off.
 */
#include <liburing.h>
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "kmod_test.h"

FIXTURE(resize) {
	int fd;
};

FIXTURE_VARIANT(resize) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(resize, reserved) { .flags = 0 };
FIXTURE_VARIANT_ADD(resize, on_demand) { .flags = PINPOOL_CREATE_ON_DEMAND };

FIXTURE_SETUP(resize)
{
	ASSERT_EQ(0, pool_create_flags("r", 4 * HUGE, variant->flags));
	self->fd = pool_open("r", O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(resize)
{
	struct pinpool_module_info info;

	file_write(MODULE_SYSFS "/parameters/limit_mb", "0");
	close(self->fd);
	pool_destroy("r");
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
}

/* @held: pages, if they are on demand. */
#define EXPECT_CAPACITY(_pages, _held)                                                                                 \
	do {                                                                                                           \
		unsigned long _want = variant->flags ? (_held) : (_pages);                                             \
		struct pinpool_module_info _module;                                                                    \
		struct pinpool_pool_info _info;                                                                        \
		ASSERT_EQ(0, pool_info(self->fd, &_info));                                                             \
		ASSERT_EQ(0, module_info(&_module));                                                                   \
		EXPECT_EQ((_pages) * HUGE, _info.out_capacity);                                                        \
		EXPECT_EQ(_want, _info.out_huge_pages);                                                                \
		EXPECT_EQ(_want * HUGE, _module.out_used_bytes);                                                       \
	} while (0)

TEST_F(resize, grows_and_shrinks_while_empty)
{
	EXPECT_CAPACITY(4, 0);
	ASSERT_EQ(0, pool_resize(self->fd, 9 * HUGE));
	EXPECT_CAPACITY(9, 0);
	ASSERT_EQ(0, pool_resize(self->fd, 9 * HUGE));
	ASSERT_EQ(0, pool_resize(self->fd, HUGE));
	EXPECT_CAPACITY(1, 0);
}

TEST_F(resize, the_writer_goes_on_with_more)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, 4 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, 4 * HUGE, 1, 0);
	EXPECT_EQ(-ENOSPC, result(pwrite(self->fd, "x", 1, 4 * HUGE)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, PROT_READ, MAP_SHARED, self->fd, 4 * HUGE));
	/* Growing does not mind mappings. */
	ASSERT_EQ(0, pool_resize(self->fd, 6 * HUGE));
	EXPECT_CAPACITY(6, 4);
	EXPECT_EQ(-1, pattern_differs(p, 4 * HUGE, 1, 0));
	munmap(p, 4 * HUGE);
	ASSERT_EQ(0, pool_write_pattern(self->fd, 1, 4 * HUGE, HUGE));
	ASSERT_EQ(0, pool_commit(self->fd, 6 * HUGE));
	p = pool_map(self->fd, 6 * HUGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, 5 * HUGE, 1, 0));
	EXPECT_EQ(-1, nonzero_at(p + 5 * HUGE, HUGE));
	munmap(p, 6 * HUGE);
}

/* A page added by growth is mapped by one entry like any other: the file's size has grown too. */
TEST_F(resize, what_is_added_is_mapped_whole)
{
	struct pinpool_pool_info info;
	volatile char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_resize(self->fd, 8 * HUGE));
	p = pool_map(self->fd, 8 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)p);
	for (size_t i = 0; i < 8 * HUGE; i += PAGE)
		p[i] = 1;
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(8, info.out_faults);
	munmap((void *)p, 8 * HUGE);
}

/* Cut off and added again, a page holds nothing of what it held. */
TEST_F(resize, what_was_cut_off_is_forgotten)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_write_pattern(self->fd, 7, 0, 4 * HUGE));
	ASSERT_EQ(0, pool_resize(self->fd, 2 * HUGE));
	EXPECT_CAPACITY(2, 2);
	ASSERT_EQ(0, pool_resize(self->fd, 4 * HUGE));
	EXPECT_CAPACITY(4, 2);
	ASSERT_EQ(0, pool_commit(self->fd, 4 * HUGE));
	p = pool_map(self->fd, 4 * HUGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, 2 * HUGE, 7, 0));
	EXPECT_EQ(-1, nonzero_at(p + 2 * HUGE, 2 * HUGE));
	munmap(p, 4 * HUGE);
}

TEST_F(resize, shrinking_under_a_mapping_is_refused)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, HUGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-EBUSY, pool_resize(self->fd, 2 * HUGE));
	EXPECT_CAPACITY(4, 0);
	munmap(p, HUGE);
	EXPECT_EQ(0, pool_resize(self->fd, 2 * HUGE));
}

/* A pin outlives the mapping it was made through; only pages that would go matter. */
TEST_F(resize, shrinking_under_a_pin_is_refused)
{
	struct io_uring ring;
	struct iovec iov = { .iov_len = HUGE };
	char *p;
	int ret;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, 4 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	memset(p, 1, 4 * HUGE);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	iov.iov_base = p + 2 * HUGE;
	ret = io_uring_register_buffers(&ring, &iov, 1);
	munmap(p, 4 * HUGE);
	if (ret == -EOPNOTSUPP) {
		io_uring_queue_exit(&ring);
		SKIP(return, "this kernel does not register buffers of device files");
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-EBUSY, pool_resize(self->fd, 2 * HUGE));
	EXPECT_CAPACITY(4, 4);
	EXPECT_EQ(0, pool_resize(self->fd, 3 * HUGE));
	EXPECT_EQ(0, pool_resize(self->fd, 4 * HUGE));
	io_uring_unregister_buffers(&ring);
	io_uring_queue_exit(&ring);
	EXPECT_EQ(0, pool_resize(self->fd, 2 * HUGE));
}

TEST_F(resize, who_and_when)
{
	int reader = pool_open("r", O_RDONLY), other = pool_open("r", O_RDWR);

	ASSERT_LE(0, reader);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBADF, pool_resize(reader, HUGE));
	EXPECT_EQ(0, pool_resize(other, 5 * HUGE));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(-EBUSY, pool_resize(other, HUGE));
	EXPECT_EQ(0, pool_resize(self->fd, 4 * HUGE));
	ASSERT_EQ(0, pool_commit(self->fd, 1));
	EXPECT_EQ(-EROFS, pool_resize(self->fd, HUGE));
	EXPECT_EQ(-EROFS, pool_resize(other, 8 * HUGE));
	EXPECT_EQ(-EBADF, pool_resize(reader, HUGE));
	close(reader);
	close(other);
	EXPECT_CAPACITY(4, 0);
}

TEST_F(resize, sizes)
{
	static const uint64_t bad[] = { 0, 1, PAGE, HUGE - 1, HUGE + 1, HUGE + PAGE, (1ULL << 63) + 1, UINT64_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(-EINVAL, pool_resize(self->fd, bad[i])) TH_LOG("%llx", (unsigned long long)bad[i]);
	}
	EXPECT_EQ(-ENOMEM, pool_resize(self->fd, 1ULL << 40));
	EXPECT_EQ(-ENOMEM, pool_resize(self->fd, 1ULL << 63));
	EXPECT_EQ(-ENOMEM, pool_resize(self->fd, -HUGE));
	EXPECT_CAPACITY(4, 0);
}

/* A length is checked against the capacity of that moment. */
TEST_F(resize, commit_ends_with_the_capacity)
{
	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_resize(self->fd, 2 * HUGE));
	EXPECT_EQ(-EINVAL, pool_commit(self->fd, 2 * HUGE + 1));
	EXPECT_EQ(0, pool_commit(self->fd, 2 * HUGE));
	EXPECT_EQ(2 * (off_t)HUGE, lseek(self->fd, 0, SEEK_END));
}

TEST_F(resize, growth_beyond_the_limit_changes_nothing)
{
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "12"));
	if (variant->flags) {
		/* Only the room grows; pages are refused when they are wanted. */
		EXPECT_EQ(0, pool_resize(self->fd, 7 * HUGE));
		EXPECT_CAPACITY(7, 0);
	} else {
		EXPECT_EQ(-ENOSPC, pool_resize(self->fd, 7 * HUGE));
		EXPECT_CAPACITY(4, 0);
		EXPECT_EQ(0, pool_resize(self->fd, 6 * HUGE));
	}
}

struct racer {
	int fd;
	volatile bool stop;
	long grown;
};

static void *resize_for_ever(void *arg)
{
	struct racer *racer = arg;

	while (!racer->stop)
		for (unsigned long pages = 4; pages <= 12; pages += 4)
			racer->grown += pool_resize(racer->fd, pages * HUGE) == 0;
	return NULL;
}

/* Writes, reads, mappings and touches beside a thread that resizes all the time: each works or is refused whole. */
TEST_F_TIMEOUT(resize, beside_everything_else, 120)
{
	struct racer racer = { .fd = self->fd };
	static char buf[PAGE] __attribute__((aligned(8)));
	int errors = 0;
	pthread_t thread;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pthread_create(&thread, NULL, resize_for_ever, &racer));
	for (int i = 0; i < 2000; i++) {
		uint64_t at = (uint64_t)i % 12 * HUGE;
		ssize_t n;
		char *p;

		pattern_fill(buf, PAGE, 5, at);
		n = result(pwrite(self->fd, buf, PAGE, at));
		errors += n != (ssize_t)PAGE && n != -ENOSPC && n != -EBUSY;
		n = result(pread(self->fd, buf, PAGE, at));
		errors += n != (ssize_t)PAGE && n != 0 && n != -EBUSY;
		if (n == (ssize_t)PAGE)
			errors += nonzero_at(buf, PAGE) >= 0 && pattern_differs(buf, PAGE, 5, at) >= 0;
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, at);
		if (p != MAP_FAILED) {
			/* It does not shrink under us. */
			pattern_fill(p, PAGE, 5, at);
			munmap(p, PAGE);
		}
	}
	racer.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, errors);
	EXPECT_LT(0, racer.grown);
}

struct asker {
	int fd;
	bool stop;
	unsigned int wrong; /* answers of two moments */
};

static void *ask_for_ever(void *arg)
{
	struct asker *asker = arg;
	struct pinpool_pool_info info;

	while (!__atomic_load_n(&asker->stop, __ATOMIC_RELAXED)) {
		asker->wrong += pool_info(asker->fd, &info) != 0;
		asker->wrong += info.out_huge_pages * HUGE > info.out_capacity - HUGE;
	}
	return NULL;
}

/*
 * The first page is never written, the second is there only while the capacity has room for it. Askers share a CPU with
 * who changes that, so one of them is on its way often enough.
 */
TEST_F_TIMEOUT(resize, info_is_of_one_moment, 120)
{
	struct asker askers[4];
	pthread_t threads[4];
	cpu_set_t one;
	int fd;

	ASSERT_EQ(0, pool_create_flags("o", 2 * HUGE, PINPOOL_CREATE_ON_DEMAND));
	fd = pool_open_loading("o");
	ASSERT_LE(0, fd);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	for (int i = 0; i < 4; i++) {
		askers[i] = (struct asker){ .fd = fd };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, ask_for_ever, &askers[i]));
	}
	for (int i = 0; i < 150; i++) {
		EXPECT_EQ(1, pwrite(fd, "x", 1, HUGE));
		EXPECT_EQ(0, pool_resize(fd, HUGE));
		EXPECT_EQ(0, pool_resize(fd, 2 * HUGE));
	}
	for (int i = 0; i < 4; i++) {
		__atomic_store_n(&askers[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, askers[i].wrong);
	}
	close(fd);
	EXPECT_EQ(0, pool_destroy("o"));
}

TEST_HARNESS_MAIN
