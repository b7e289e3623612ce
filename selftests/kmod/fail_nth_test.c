// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Every allocation of every call fails once, and every copy from and to user memory: the first, then the second, until
 * the call gets through before its turn comes. A call that fails says ENOMEM, or EFAULT for a copy, and leaves every
 * count as it was; one that the kernel lets through in spite of the failure has done its work. Needs a kernel with fault
 * injection, the debug kernel: others do not run it.
 */
#include "harness.h"
#include "kmod_test.h"
#include "uring_cmd.h"
#include "modules/pinpool_importer.h"

#include <poll.h>

#define CAPACITY (2 * HUGE)
#define MOST_NTH 5000
#define DEBUGFS	 "/sys/kernel/debug"
#define NODE_RESERVE "/sys/class/pinpool/control/node0/reserve"

struct target {
	int control;
	/* Of the pool "nth", -1 unless the call needs it open. */
	int fd;
	/* -1 or the end to write to of a pipe. */
	int pipe[2];
	/* Of the pool, and a file of the importer; -1 or open. */
	int dmabuf;
	int importer;
	/* -1 or a file to read from. */
	int source;
	bool has_ring;
	struct io_uring ring;
	/* CAPACITY bytes, resident. */
	unsigned char *buffer;
	void *mapping;
};

/**
 * struct call - one call under test
 * @name: for messages
 * @prepare: brings the pool into the state that the call needs; nothing fails here
 * @run: the call: >= 0 or -errno
 * @done: what must hold once the call has succeeded, or NULL; 0 or -errno
 * @never_fails: it succeeds whatever allocation fails below it
 * @least: so many allocations it has at least, so that a sweep of nothing is seen
 */
struct call {
	const char *name;
	int (*prepare)(struct target *t);
	long (*run)(struct target *t);
	int (*done)(struct target *t);
	bool never_fails;
	int least;
};

static int prepare_none(struct target *t)
{
	return 0;
}

static int prepare_empty(struct target *t)
{
	return pool_create("nth", CAPACITY);
}

static int prepare_open(struct target *t)
{
	int ret = prepare_empty(t);

	if (ret)
		return ret;
	t->fd = pool_open("nth", O_RDWR);
	return t->fd < 0 ? t->fd : 0;
}

static int prepare_demand(struct target *t)
{
	int ret = pool_create_flags("nth", CAPACITY, PINPOOL_CREATE_ON_DEMAND);

	if (ret)
		return ret;
	t->fd = pool_open_loading("nth");
	return t->fd < 0 ? t->fd : 0;
}

static int prepare_loading(struct target *t)
{
	int ret = prepare_open(t);

	return ret ? ret : pool_begin(t->fd);
}

static int prepare_mapped(struct target *t)
{
	int ret = prepare_loading(t);

	if (ret)
		return ret;
	t->mapping = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	return t->mapping == MAP_FAILED ? -errno : 0;
}

static int prepare_ready(struct target *t)
{
	int ret = prepare_loading(t);

	if (!ret && pwrite(t->fd, t->buffer, CAPACITY, 0) != (ssize_t)CAPACITY)
		return -EIO;
	ret = ret ? ret : pool_commit(t->fd, CAPACITY);
	if (!ret && pipe(t->pipe))
		return -errno;
	return ret;
}

static int prepare_ready_mapped(struct target *t)
{
	int ret = prepare_ready(t);

	if (ret)
		return ret;
	t->mapping = mmap(NULL, CAPACITY, PROT_READ, MAP_SHARED, t->fd, 0);
	return t->mapping == MAP_FAILED ? -errno : 0;
}

static long run_create(struct target *t)
{
	struct pinpool_create c;

	create_init(&c, "nth", CAPACITY);
	return ioctl_create(t->control, &c);
}

static long run_create_demand(struct target *t)
{
	struct pinpool_create c;

	create_init(&c, "nth", CAPACITY);
	c.flags = PINPOOL_CREATE_ON_DEMAND;
	return ioctl_create(t->control, &c);
}

/* The core swallows what goes wrong with a node. */
static int has_node(struct target *t)
{
	t->fd = pool_open("nth", O_RDWR);
	return t->fd < 0 ? t->fd : 0;
}

static int has_no_node(struct target *t)
{
	return access("/dev/pinpool/nth", F_OK) && errno == ENOENT ? 0 : -EEXIST;
}

static long run_destroy(struct target *t)
{
	return ioctl_destroy(t->control, "nth");
}

static long run_open(struct target *t)
{
	t->fd = pool_open("nth", O_RDWR);
	return t->fd;
}

static long run_begin(struct target *t)
{
	return pool_begin(t->fd);
}

static long run_mmap(struct target *t)
{
	t->mapping = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	return t->mapping == MAP_FAILED ? -errno : 0;
}

/* The core tries a fault again that had no memory for a page table. */
static long run_touch(struct target *t)
{
	volatile unsigned char *bytes = t->mapping;

	bytes[0] = 1;
	bytes[HUGE] = 2;
	return bytes[0] + bytes[HUGE] == 3 ? 0 : -EIO;
}

static long run_look(struct target *t)
{
	volatile unsigned char *bytes = t->mapping;

	return bytes[0] == 0xa5 && bytes[HUGE] == 0xa5 ? 0 : -EIO;
}

static long run_populate(struct target *t)
{
	return result(madvise(t->mapping, CAPACITY, MADV_POPULATE_WRITE));
}

static long run_write(struct target *t)
{
	return result(pwrite(t->fd, t->buffer, CAPACITY, 0));
}

static long run_read(struct target *t)
{
	return result(pread(t->fd, t->buffer, CAPACITY, 0));
}

static long run_splice(struct target *t)
{
	loff_t offset = 0;

	return result(splice(t->fd, &offset, t->pipe[1], NULL, 16 * PAGE, 0));
}

static long run_poll(struct target *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	return result(poll(&p, 1, 0));
}

static long run_commit(struct target *t)
{
	return pool_commit(t->fd, CAPACITY);
}

static long run_abort(struct target *t)
{
	return pool_abort(t->fd);
}

static long run_info(struct target *t)
{
	struct pinpool_pool_info info;

	return pool_info(t->fd, &info);
}

static long run_grow(struct target *t)
{
	return pool_resize(t->fd, 2 * CAPACITY);
}

static int has_grown(struct target *t)
{
	struct pinpool_pool_info info;
	int ret = pool_info(t->fd, &info);

	return ret ? ret : info.out_capacity == 2 * CAPACITY ? 0 : -ERANGE;
}

static long run_shrink(struct target *t)
{
	return pool_resize(t->fd, HUGE);
}

static long run_eviction(struct target *t)
{
	return pool_set_eviction(t->fd, true, 1);
}

static long run_reserve(struct target *t)
{
	return file_write(NODE_RESERVE, "4M");
}

static int has_reserve(struct target *t)
{
	char buf[32];
	int ret = file_read(NODE_RESERVE, buf, sizeof(buf));

	return ret < 0 ? ret : strcmp(buf, "4194304") ? -ERANGE : 0;
}

static long run_export(struct target *t)
{
	t->dmabuf = pool_export(t->fd, 0, CAPACITY, O_RDONLY);
	return t->dmabuf;
}

static int prepare_exported(struct target *t)
{
	int ret = prepare_ready(t);

	return ret ? ret : run_export(t) < 0 ? t->dmabuf : 0;
}

static long run_import(struct target *t)
{
	struct importer_map map = { .fd = t->dmabuf, .direction = IMPORTER_TO_DEVICE };

	t->importer = result(open("/dev/pinpool_importer", O_RDWR | O_CLOEXEC));
	return t->importer < 0 ? t->importer : result(ioctl(t->importer, IMPORTER_MAP, &map));
}

/* So much as a disk does in one request, into a page that is there: more would be handed to a worker. */
#define URING_BYTES (256UL << 10)
#define URING_SEED  5

static int prepare_uring(struct target *t)
{
	int ret = prepare_loading(t);

	if (ret)
		return ret;
	t->source = source_open(URING_BYTES, URING_SEED);
	if (t->source < 0 || pwrite(t->fd, "", 1, 0) != 1)
		return -EIO;
	ret = ring_init(&t->ring, 4, 0);
	t->has_ring = !ret;
	return ret;
}

static long run_uring(struct target *t)
{
	int ret, err;

	queue_read(&t->ring, t->fd, t->source, 0, 0, URING_BYTES, 0);
	ret = io_uring_submit(&t->ring);
	/* The core has no request for it. */
	if (ret == -EAGAIN)
		return -ENOMEM;
	ret = ret == 1 ? ring_result(&t->ring) : -EIO;
	/* However it ends, it has ended: the load can. That call is not under test, its copy may be the one that fails. */
	do {
		err = pool_commit(t->fd, CAPACITY);
	} while (err == -EFAULT);
	return err ? -EBUSY : ret;
}

static int has_read(struct target *t)
{
	if (pread(t->fd, t->buffer, URING_BYTES, 0) != (ssize_t)URING_BYTES)
		return -EIO;
	return pattern_differs(t->buffer, URING_BYTES, URING_SEED, 0) == -1 ? 0 : -EILSEQ;
}

static const struct call calls[] = {
	{ "create", prepare_none, run_create, has_node, false, 20 },
	{ "create on demand", prepare_none, run_create_demand, has_node, false, 20 },
	{ "destroy", prepare_empty, run_destroy, has_no_node, true, 1 },
	{ "open", prepare_empty, run_open, NULL, false, 1 },
	{ "begin", prepare_open, run_begin, NULL, true, 0 },
	{ "mmap", prepare_loading, run_mmap, NULL, false, 1 },
	{ "touch", prepare_mapped, run_touch, NULL, true, 0 },
	{ "look", prepare_ready_mapped, run_look, NULL, true, 0 },
	{ "populate", prepare_mapped, run_populate, NULL, false, 0 },
	{ "write", prepare_loading, run_write, NULL, true, 0 },
	{ "uring read", prepare_uring, run_uring, has_read, false, 1 },
	{ "read", prepare_ready, run_read, NULL, true, 0 },
	{ "splice", prepare_ready, run_splice, NULL, false, 1 },
	{ "poll", prepare_ready, run_poll, NULL, true, 0 },
	{ "commit", prepare_loading, run_commit, NULL, true, 0 },
	{ "abort", prepare_mapped, run_abort, NULL, true, 0 },
	{ "write on demand", prepare_demand, run_write, NULL, false, 2 },
	{ "grow", prepare_open, run_grow, has_grown, false, 3 },
	{ "shrink", prepare_open, run_shrink, NULL, false, 1 },
	{ "eviction", prepare_ready, run_eviction, NULL, true, 0 },
	{ "reserve", prepare_none, run_reserve, has_reserve, false, 2 },
	{ "info", prepare_ready, run_info, NULL, true, 0 },
	{ "export", prepare_ready, run_export, NULL, false, 4 },
	{ "export on demand", prepare_demand, run_export, NULL, false, 6 },
	{ "import", prepare_exported, run_import, NULL, false, 4 },
};

static void put(const char *file, const char *value, struct __test_metadata *_metadata)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd) {
		TH_LOG("%s: %s", path, strerror(errno));
	}
	ASSERT_EQ((ssize_t)strlen(value), write(fd, value, strlen(value)));
	close(fd);
}

/* Undoes prepare() and run(), whatever became of them. */
static void undo(struct target *t)
{
	if (t->mapping != MAP_FAILED)
		munmap(t->mapping, CAPACITY);
	t->mapping = MAP_FAILED;
	if (t->has_ring)
		io_uring_queue_exit(&t->ring);
	t->has_ring = false;
	if (t->source >= 0)
		close(t->source);
	t->source = -1;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	for (int i = 0; i < 2; i++) {
		if (t->pipe[i] >= 0)
			close(t->pipe[i]);
		t->pipe[i] = -1;
	}
	if (t->importer >= 0)
		close(t->importer);
	t->importer = -1;
	if (t->dmabuf >= 0)
		close(t->dmabuf);
	t->dmabuf = -1;
	ioctl_destroy(t->control, "nth");
	file_write(NODE_RESERVE, "0");
}

FIXTURE(fail_nth) {
	struct target t;
	int nth;
};

FIXTURE_SETUP(fail_nth)
{
	self->t = (struct target){
		.fd = -1,
		.pipe = { -1, -1 },
		.dmabuf = -1,
		.importer = -1,
		.source = -1,
		.mapping = MAP_FAILED,
	};
	ASSERT_EQ(0, importer_load());
	put("failslab/ignore-gfp-wait", "N", _metadata);
	put("failslab/verbose", "0", _metadata);
	put("fail_page_alloc/ignore-gfp-wait", "N", _metadata);
	put("fail_page_alloc/ignore-gfp-highmem", "N", _metadata);
	put("fail_page_alloc/min-order", "0", _metadata);
	put("fail_page_alloc/verbose", "0", _metadata);
	put("fail_usercopy/verbose", "0", _metadata);
	self->t.control = control_open(O_RDWR);
	ASSERT_LE(0, self->t.control);
	self->t.buffer = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->t.buffer);
	memset(self->t.buffer, 0xa5, CAPACITY);
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
}

FIXTURE_TEARDOWN(fail_nth)
{
	undo(&self->t);
	EXPECT_EQ(0, importer_unload());
	close(self->nth);
	close(self->t.control);
	munmap(self->t.buffer, CAPACITY);
}

/* Runs @call with its @n th allocation failing. False if the call had fewer. */
static bool fails_nth(FIXTURE_DATA(fail_nth) * self, const struct call *call, int n, long *ret)
{
	char text[16];
	ssize_t length;

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(self->nth, text, strlen(text), 0) < 0)
		abort();
	*ret = call->run(&self->t);
	/* Reading and writing this are copies as well, and may be the one that fails: then the call had too few. */
	length = result(pread(self->nth, text, sizeof(text) - 1, 0));
	while (pwrite(self->nth, "0", 1, 0) != 1)
		if (errno != EFAULT)
			abort();
	if (length == -EFAULT)
		return false;
	if (length <= 0)
		abort();
	text[length] = 0;
	return !atoi(text);
}

/* What there is. What has happened is no part of it. */
static int counts(struct pinpool_module_info *info)
{
	int ret = module_info(info);

	info->out_pages_scrubbed = 0;
	return ret;
}

static void sweep(struct __test_metadata *_metadata, FIXTURE_DATA(fail_nth) * self, const struct call *call)
{
	struct pinpool_module_info before, after;
	int n, failed = 0;
	bool hit = true;

	ASSERT_EQ(0, counts(&before));
	for (n = 1; hit && n < MOST_NTH; n++) {
		long ret;

		ASSERT_EQ(0, call->prepare(&self->t)) {
			TH_LOG("%s: before allocation %d", call->name, n);
		}
		hit = fails_nth(self, call, n, &ret);
		if (ret < 0) {
			failed++;
			EXPECT_TRUE(hit && (ret == -EFAULT || (!call->never_fails && ret == -ENOMEM))) {
				TH_LOG("%s: allocation %d: %ld", call->name, n, ret);
			}
		}
		if (ret >= 0 && call->done) {
			EXPECT_EQ(0, call->done(&self->t)) {
				TH_LOG("%s: allocation %d", call->name, n);
			}
		}
		undo(&self->t);
		ASSERT_EQ(0, counts(&after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before))) {
			TH_LOG("%s: allocation %d: %llu bytes used, %u pools", call->name, n,
			       (unsigned long long)after.out_used_bytes, after.out_pools);
		}
	}
	EXPECT_FALSE(hit);
	TH_LOG("%s: %d allocations, %d failures", call->name, n - 2, failed);
	EXPECT_LE(call->least, n - 2);
}

TEST_F_TIMEOUT(fail_nth, every_allocation_of_every_call, 1200)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		sweep(_metadata, self, &calls[i]);
}

TEST_HARNESS_MAIN
