// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Every call in every state, from every kind of file: one table of errnos. Every ioctl on files that are none of ours.
 * And every ioctl while another thread changes, moves and takes away the struct that it was given.
 */
#include "harness.h"
#include "kmod_test.h"
#include "uring_cmd.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#define NAME	 "command"
#define CAPACITY (2 * HUGE)

/* Files of one pool, and what the pool is meanwhile. */
enum whose {
	EMPTY_RW,
	EMPTY_RO,
	LOADING_WRITER,
	LOADING_RW,
	LOADING_RO,
	READY_RW,
	READY_RO,
	/* The name is gone. */
	GONE_EMPTY,
	GONE_LOADING,
	GONE_READY,
	NR_WHOSE
};

static const char *const whose_names[NR_WHOSE] = {
	"empty rw", "empty ro", "loading writer", "loading rw",	       "loading ro",
	"ready rw", "ready ro", "gone empty rw",  "gone loading writer", "gone ready rw",
};

FIXTURE(command) {
	struct io_uring ring;
	int source;
	/* The writer while LOADING, else -1; and the file under test, which may be the same. */
	int writer;
	int fd;
};

FIXTURE_SETUP(command)
{
	self->writer = -1;
	self->fd = -1;
	ASSERT_EQ(0, ring_init(&self->ring, 4, 0));
	self->source = source_open(PAGE, 1);
	ASSERT_LE(0, self->source);
}

static void undo(FIXTURE_DATA(command) * self)
{
	if (self->writer >= 0 && self->writer != self->fd)
		close(self->writer);
	if (self->fd >= 0)
		close(self->fd);
	self->writer = -1;
	self->fd = -1;
	pool_destroy(NAME);
}

FIXTURE_TEARDOWN(command)
{
	undo(self);
	close(self->source);
	io_uring_queue_exit(&self->ring);
}

static int bring_about(FIXTURE_DATA(command) * self, enum whose whose)
{
	static const bool loading[NR_WHOSE] = {
		[LOADING_WRITER] = true, [LOADING_RW] = true, [LOADING_RO] = true, [GONE_LOADING] = true,
	};
	static const bool ready[NR_WHOSE] = { [READY_RW] = true, [READY_RO] = true, [GONE_READY] = true };
	bool ro = whose == EMPTY_RO || whose == LOADING_RO || whose == READY_RO;
	int ret = ready[whose] ? pool_create_ready(NAME, CAPACITY, 1) : pool_create(NAME, CAPACITY);

	if (!ret && loading[whose]) {
		self->writer = pool_open_loading(NAME);
		ret = self->writer < 0 ? self->writer : 0;
	}
	if (ret)
		return ret;
	self->fd = whose == LOADING_WRITER || whose == GONE_LOADING ? self->writer : pool_open(NAME, ro ? O_RDONLY : O_RDWR);
	if (self->fd < 0)
		return self->fd;
	return whose >= GONE_EMPTY ? pool_destroy(NAME) : 0;
}

static long do_info(FIXTURE_DATA(command) * self)
{
	struct pinpool_pool_info info;

	return pool_info(self->fd, &info);
}

static long do_begin(FIXTURE_DATA(command) * self)
{
	return pool_begin(self->fd);
}

static long do_commit(FIXTURE_DATA(command) * self)
{
	return pool_commit(self->fd, CAPACITY);
}

static long do_abort(FIXTURE_DATA(command) * self)
{
	return pool_abort(self->fd);
}

static long do_grow(FIXTURE_DATA(command) * self)
{
	return pool_resize(self->fd, CAPACITY + HUGE);
}

static long do_shrink(FIXTURE_DATA(command) * self)
{
	return pool_resize(self->fd, HUGE);
}

static long do_eviction(FIXTURE_DATA(command) * self)
{
	return pool_set_eviction(self->fd, true, 7);
}

static long export_and_close(int fd, uint32_t flags)
{
	int dmabuf = pool_export(fd, 0, HUGE, flags);

	return dmabuf < 0 ? dmabuf : result(close(dmabuf));
}

static long do_export(FIXTURE_DATA(command) * self)
{
	return export_and_close(self->fd, O_RDONLY);
}

static long do_export_writable(FIXTURE_DATA(command) * self)
{
	return export_and_close(self->fd, O_RDWR);
}

static long do_read(FIXTURE_DATA(command) * self)
{
	char byte;

	return result(pread(self->fd, &byte, 1, 0));
}

static long do_write(FIXTURE_DATA(command) * self)
{
	return result(pwrite(self->fd, "x", 1, 0));
}

static long map_and_unmap(int fd, int prot)
{
	void *map = pool_map(fd, HUGE, prot);

	return map == MAP_FAILED ? -errno : result(munmap(map, HUGE));
}

static long do_map(FIXTURE_DATA(command) * self)
{
	return map_and_unmap(self->fd, PROT_READ);
}

static long do_map_writable(FIXTURE_DATA(command) * self)
{
	return map_and_unmap(self->fd, PROT_READ | PROT_WRITE);
}

static long do_uring_read(FIXTURE_DATA(command) * self)
{
	return read_one(&self->ring, self->fd, self->source, 0, 0, PAGE);
}

static long do_seek_end(FIXTURE_DATA(command) * self)
{
	return result(lseek(self->fd, 0, SEEK_END));
}

/* What each call says, in the order of enum whose. What succeeds gives 0, bytes or an offset. */
static const struct {
	const char *name;
	long (*call)(FIXTURE_DATA(command) * self);
	long want[NR_WHOSE];
} rows[] = {
/*				EMPTY_RW  EMPTY_RO  WRITER    LOADING_RW LOADING_RO READY_RW READY_RO  gone: EMPTY, LOADING, READY */
{ "info",	do_info,	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },
{ "begin",	do_begin,	{ 0, -EBADF, -EBUSY, -EBUSY, -EBADF, -EROFS, -EBADF, 0, -EBUSY, -EROFS } },
{ "commit",	do_commit,	{ -EBADF, -EBADF, 0, -EBADF, -EBADF, -EROFS, -EROFS, -EBADF, 0, -EROFS } },
{ "abort",	do_abort,	{ -EBADF, -EBADF, 0, -EBADF, -EBADF, -EROFS, -EROFS, -EBADF, 0, -EROFS } },
{ "grow",	do_grow,	{ 0, -EBADF, 0, -EBUSY, -EBADF, -EROFS, -EBADF, 0, 0, -EROFS } },
{ "shrink",	do_shrink,	{ 0, -EBADF, 0, -EBUSY, -EBADF, -EROFS, -EBADF, 0, 0, -EROFS } },
{ "eviction",	do_eviction,	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },
{ "export",	do_export,	{ -ENODATA, -ENODATA, 0, -ENODATA, -ENODATA, 0, 0, -ENODATA, 0, 0 } },
{ "export writable", do_export_writable,
				{ -ENODATA, -ENODATA, 0, -ENODATA, -ENODATA, -EACCES, -EACCES, -ENODATA, 0, -EACCES } },
{ "read",	do_read,	{ -ENODATA, -ENODATA, 1, -ENODATA, -ENODATA, 1, 1, -ENODATA, 1, 1 } },
{ "write",	do_write,	{ -EBADF, -EBADF, 1, -EBADF, -EBADF, -EROFS, -EBADF, -EBADF, 1, -EROFS } },
{ "mmap",	do_map,		{ -ENODATA, -ENODATA, 0, -ENODATA, -ENODATA, 0, 0, -ENODATA, 0, 0 } },
{ "mmap writable", do_map_writable,
				{ -EACCES, -EACCES, 0, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, 0, -EACCES } },
{ "uring read",	do_uring_read,	{ -EBADF, -EBADF, PAGE, -EBADF, -EBADF, -EROFS, -EROFS, -EBADF, PAGE, -EROFS } },
{ "seek to the end", do_seek_end,
				{ -ENODATA, -ENODATA, CAPACITY, -ENODATA, -ENODATA, CAPACITY, CAPACITY, -ENODATA, CAPACITY,
				  CAPACITY } },
};

TEST_F_TIMEOUT(command, every_call_in_every_state, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (enum whose whose = 0; whose < NR_WHOSE; whose++) {
			ASSERT_EQ(0, bring_about(self, whose));
			EXPECT_EQ(rows[i].want[whose], rows[i].call(self)) {
				TH_LOG("%s: %s", whose_names[whose], rows[i].name);
			}
			undo(self);
		}
	}
}

static const unsigned long ioctls[] = {
	PINPOOL_IOC_MODULE_INFO, PINPOOL_IOC_CREATE, PINPOOL_IOC_DESTROY, PINPOOL_IOC_POOL_INFO, PINPOOL_IOC_BEGIN,
	PINPOOL_IOC_COMMIT, PINPOOL_IOC_ABORT, PINPOOL_IOC_RESIZE, PINPOOL_IOC_EVICTION, PINPOOL_IOC_EXPORT,
};

TEST_F(command, files_that_are_none_of_ours)
{
	unsigned char arg[512];
	int fds[10], n = 0, pipes[2];

	ASSERT_EQ(0, bring_about(self, READY_RW));
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	fds[n++] = pipes[0];
	fds[n++] = pipes[1];
	fds[n++] = self->source;
	fds[n++] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[n++] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[n++] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[n++] = eventfd(0, EFD_CLOEXEC);
	fds[n++] = memfd_create("none", MFD_CLOEXEC);
	fds[n++] = pool_export(self->fd, 0, HUGE, O_RDONLY | O_CLOEXEC);
	fds[n++] = self->ring.ring_fd;
	for (int i = 0; i < n; i++) {
		ASSERT_LE(0, fds[i]) TH_LOG("file %d", i);
		for (size_t k = 0; k < ARRAY_SIZE(ioctls); k++) {
			memset(arg, 0, sizeof(arg));
			*(uint32_t *)arg = sizeof(arg);
			EXPECT_EQ(-ENOTTY, result(ioctl(fds[i], ioctls[k], arg))) TH_LOG("file %d, 0x%lx", i, ioctls[k]);
		}
		if (fds[i] != self->source && fds[i] != self->ring.ring_fd)
			close(fds[i]);
	}
	/* A path is no way to a pool. */
	fds[0] = result(open("/dev/pinpool/" NAME, O_PATH | O_CLOEXEC));
	ASSERT_LE(0, fds[0]);
	for (size_t k = 0; k < ARRAY_SIZE(ioctls); k++) {
		EXPECT_EQ(-EBADF, result(ioctl(fds[0], ioctls[k], arg)));
		EXPECT_EQ(-EBADF, result(ioctl(-1, ioctls[k], arg)));
	}
	close(fds[0]);
	EXPECT_EQ(PINPOOL_STATE_READY, pool_state(self->fd));
}

/* Calls of each ioctl: some fail and some do not, while the debug kernel takes a minute for them. */
#define TURNS 100

/* One ioctl, and a struct with which it succeeds; the pool is LOADING or EMPTY before. */
struct op {
	unsigned long ioc;
	size_t size;
	bool on_control;
	bool loading;
	union {
		uint32_t size;
		unsigned char bytes[256];
		struct pinpool_create create;
		struct pinpool_destroy destroy;
		struct pinpool_commit commit;
		struct pinpool_resize resize;
		struct pinpool_eviction eviction;
		struct pinpool_export export;
	} arg;
};

/* The struct lies across two pages, and a thread does to both what it likes. */
struct race {
	const struct op *op;
	unsigned char *pages;
	unsigned char *arg;
	bool stop;
};

static void *change_struct(void *arg)
{
	static const uint32_t sizes[] = { 0, 3, 8, 64, 255, 256, PAGE, PAGE + 1, UINT32_MAX };
	struct race *race = arg;
	unsigned int seed = 1;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		const int x = rand_r(&seed);
		unsigned char *page = race->pages + (x & 1) * PAGE;

		switch (x >> 8 & 7) {
		case 0:
			mprotect(page, PAGE, PROT_READ);
			sched_yield();
			mprotect(page, PAGE, PROT_READ | PROT_WRITE);
			break;
		case 1:
			munmap(page, PAGE);
			sched_yield();
			if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			    MAP_FAILED)
				abort();
			break;
		case 2:
			madvise(page, PAGE, MADV_DONTNEED);
			break;
		case 3:
			memcpy(race->arg, &sizes[(x >> 16) % ARRAY_SIZE(sizes)], 4);
			break;
		case 4:
			race->arg[(x >> 16) % race->op->size] = x >> 4;
			break;
		default:
			memcpy(race->arg, &race->op->arg, race->op->size);
			break;
		}
	}
	return NULL;
}

static bool in_the_contract(int ret)
{
	static const int errnos[] = { EFAULT, EINVAL, E2BIG, EOPNOTSUPP, ENOENT, EEXIST, EPERM, EACCES, ENOMEM, ENOSPC,
				      EBUSY, ENODATA, EBADF };

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (ret == -errnos[i])
			return true;
	return ret == 0;
}

/* Destroys whatever pools there are. */
static void destroy_all(void)
{
	DIR *dir = opendir("/dev/pinpool");
	struct dirent *entry;

	if (!dir)
		abort();
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, "control"))
			pool_destroy(entry->d_name);
	closedir(dir);
}

static int lowest_free_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

#define SIZED(_type, _member) .size = sizeof(struct _type), .arg._member.size = sizeof(struct _type)

static const struct op ops[] = {
	{ PINPOOL_IOC_MODULE_INFO, .on_control = true, .size = sizeof(struct pinpool_module_info),
	  .arg.size = sizeof(struct pinpool_module_info) },
	{ PINPOOL_IOC_CREATE, .on_control = true, SIZED(pinpool_create, create),
	  .arg.create.name = "abi2", .arg.create.capacity = HUGE, .arg.create.numa_node = PINPOOL_NUMA_ANY,
	  .arg.create.uid = PINPOOL_ID_CALLER, .arg.create.gid = PINPOOL_ID_CALLER },
	{ PINPOOL_IOC_DESTROY, .on_control = true, SIZED(pinpool_destroy, destroy), .arg.destroy.name = NAME },
	{ PINPOOL_IOC_POOL_INFO, .size = sizeof(struct pinpool_pool_info), .arg.size = sizeof(struct pinpool_pool_info) },
	{ PINPOOL_IOC_BEGIN, .size = sizeof(struct pinpool_begin), .arg.size = sizeof(struct pinpool_begin) },
	{ PINPOOL_IOC_COMMIT, .loading = true, SIZED(pinpool_commit, commit), .arg.commit.length = 1 },
	{ PINPOOL_IOC_ABORT, .loading = true, .size = sizeof(struct pinpool_abort), .arg.size = sizeof(struct pinpool_abort) },
	{ PINPOOL_IOC_RESIZE, SIZED(pinpool_resize, resize), .arg.resize.capacity = HUGE },
	{ PINPOOL_IOC_EVICTION, SIZED(pinpool_eviction, eviction), .arg.eviction.evictable = 1 },
	{ PINPOOL_IOC_EXPORT, .loading = true, SIZED(pinpool_export, export), .arg.export.length = HUGE,
	  .arg.export.fd_flags = O_RDWR },
};

/* What an ioctl says is in the contract, and it is done or not: no descriptor, pool or byte is left over. */
TEST_F_TIMEOUT(command, a_struct_that_changes_meanwhile, 240)
{
	struct pinpool_module_info info;
	struct race race;
	pthread_t thread;
	int control = control_open(O_RDWR), lowest;

	ASSERT_LE(0, control);
	race.pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)race.pages);
	lowest = lowest_free_descriptor();
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		unsigned int done = 0, failed = 0;

		race.op = &ops[i];
		race.arg = race.pages + PAGE - ops[i].size / 2;
		race.stop = false;
		ASSERT_EQ(0, pthread_create(&thread, NULL, change_struct, &race));
		for (int n = 0; n < TURNS; n++) {
			int ret;

			ASSERT_EQ(0, bring_about(self, ops[i].loading ? LOADING_WRITER : EMPTY_RW));
			ret = result(ioctl(ops[i].on_control ? control : self->fd, ops[i].ioc, race.arg));
			EXPECT_TRUE(in_the_contract(ret)) TH_LOG("0x%lx: %d", ops[i].ioc, ret);
			*(ret ? &failed : &done) += 1;
			if (!ret && ops[i].ioc == PINPOOL_IOC_EXPORT)
				/* The pool's file has the lowest, so this the next. */
				EXPECT_EQ(0, close(lowest + 1));
			undo(self);
			destroy_all();
		}
		__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		TH_LOG("0x%lx: %u done, %u refused", ops[i].ioc, done, failed);
		EXPECT_LT(0, done);
		EXPECT_LT(0, failed);
		EXPECT_EQ(lowest, lowest_free_descriptor());
		ASSERT_EQ(0, module_info(&info));
		EXPECT_EQ(0, info.out_pools);
		EXPECT_EQ(0, info.out_used_bytes);
	}
	munmap(race.pages, 2 * PAGE);
	close(control);
}

TEST_HARNESS_MAIN
