/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What the tests of the module share: the ABI's calls as functions that return a value >= 0 or -errno, patterns that
 * tell every byte of every pool apart, and children that run a function. Pools here are small: HUGE bytes or a few.
 */
#ifndef SELFTESTS_KMOD_TEST_H
#define SELFTESTS_KMOD_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/pinpool.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUGE (2UL << 20)
#define PAGE 4096UL
#define MODULE_SYSFS "/sys/module/pinpool"

static inline long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static inline int control_open(int flags)
{
	return result(open("/dev/pinpool/control", flags | O_CLOEXEC));
}

static inline int pool_open(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/dev/pinpool/%s", name);
	return result(open(path, flags | O_CLOEXEC));
}

/* As much of @name as the field takes: a name too long comes out without NUL. */
static inline void name_set(__u8 field[PINPOOL_NAME_MAX + 1], const char *name)
{
	size_t n = strlen(name);

	memset(field, 0, PINPOOL_NAME_MAX + 1);
	memcpy(field, name, n < PINPOOL_NAME_MAX + 1 ? n : PINPOOL_NAME_MAX + 1);
}

static inline void create_init(struct pinpool_create *c, const char *name, uint64_t capacity)
{
	memset(c, 0, sizeof(*c));
	c->size = sizeof(*c);
	name_set(c->name, name);
	c->capacity = capacity;
	c->numa_node = PINPOOL_NUMA_ANY;
	c->uid = PINPOOL_ID_CALLER;
	c->gid = PINPOOL_ID_CALLER;
}

static inline int ioctl_create(int control, struct pinpool_create *c)
{
	return result(ioctl(control, PINPOOL_IOC_CREATE, c));
}

static inline int ioctl_destroy(int control, const char *name)
{
	struct pinpool_destroy d = { .size = sizeof(d) };

	name_set(d.name, name);
	return result(ioctl(control, PINPOOL_IOC_DESTROY, &d));
}

/* With the caller's own control file. */
static inline int create_as(struct pinpool_create *c)
{
	int control = control_open(O_RDWR), ret;

	if (control < 0)
		return control;
	ret = ioctl_create(control, c);
	close(control);
	return ret;
}

static inline int pool_create(const char *name, uint64_t capacity)
{
	struct pinpool_create c;

	create_init(&c, name, capacity);
	return create_as(&c);
}

static inline int pool_destroy(const char *name)
{
	int control = control_open(O_RDWR), ret;

	if (control < 0)
		return control;
	ret = ioctl_destroy(control, name);
	close(control);
	return ret;
}

static inline int module_info(struct pinpool_module_info *info)
{
	int control = control_open(O_RDONLY), ret;

	if (control < 0)
		return control;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	ret = result(ioctl(control, PINPOOL_IOC_MODULE_INFO, info));
	close(control);
	return ret;
}

static inline int pool_info(int fd, struct pinpool_pool_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return result(ioctl(fd, PINPOOL_IOC_POOL_INFO, info));
}

/* enum pinpool_state or -errno. */
static inline int pool_state(int fd)
{
	struct pinpool_pool_info info;
	int ret = pool_info(fd, &info);

	return ret < 0 ? ret : (int)info.out_state;
}

static inline int pool_begin(int fd)
{
	struct pinpool_begin b = { .size = sizeof(b) };

	return result(ioctl(fd, PINPOOL_IOC_BEGIN, &b));
}

static inline int pool_commit(int fd, uint64_t length)
{
	struct pinpool_commit c = { .size = sizeof(c), .length = length };

	return result(ioctl(fd, PINPOOL_IOC_COMMIT, &c));
}

static inline int pool_abort(int fd)
{
	struct pinpool_abort a = { .size = sizeof(a) };

	return result(ioctl(fd, PINPOOL_IOC_ABORT, &a));
}

static inline int pool_resize(int fd, uint64_t capacity)
{
	struct pinpool_resize r = { .size = sizeof(r), .capacity = capacity };

	return result(ioctl(fd, PINPOOL_IOC_RESIZE, &r));
}

static inline int pool_set_eviction(int fd, bool evictable, int priority)
{
	struct pinpool_eviction e = { .size = sizeof(e), .evictable = evictable, .priority = priority };

	return result(ioctl(fd, PINPOOL_IOC_EVICTION, &e));
}

/* The descriptor of a dma-buf, or -errno. */
static inline int pool_export(int fd, uint64_t offset, uint64_t length, uint32_t fd_flags)
{
	struct pinpool_export e = {
		.size = sizeof(e), .offset = offset, .length = length, .fd_flags = fd_flags, .out_fd = -1,
	};
	int ret = result(ioctl(fd, PINPOOL_IOC_EXPORT, &e));

	return ret < 0 ? ret : e.out_fd;
}

/* With flags of struct pinpool_create. */
static inline int pool_create_flags(const char *name, uint64_t capacity, uint32_t flags)
{
	struct pinpool_create c;

	create_init(&c, name, capacity);
	c.flags = flags;
	return create_as(&c);
}

/* A new file of a pool, which begins to load it. */
static inline int pool_open_loading(const char *name)
{
	int fd = pool_open(name, O_RDWR), ret;

	if (fd < 0)
		return fd;
	ret = pool_begin(fd);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

/* A writer's file of a new pool, LOADING. */
static inline int pool_create_loading(const char *name, uint64_t capacity)
{
	int ret = pool_create(name, capacity);

	return ret ? ret : pool_open_loading(name);
}

/* Shared mapping from offset 0, or MAP_FAILED. */
static inline void *pool_map(int fd, size_t bytes, int prot)
{
	return mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
}

/* The 64-bit word at index @i of pattern @seed: never zero, different for each seed and place. */
static inline uint64_t pattern_word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed << 40) + i + 1;

	x *= 0x9e3779b97f4a7c15ULL;
	return (x ^ x >> 29) | 1;
}

/* Bytes [offset, offset + bytes) of a file that holds pattern @seed. Both multiples of 8. */
static inline void pattern_fill(void *p, size_t bytes, uint64_t seed, uint64_t offset)
{
	uint64_t *w = p;

	for (size_t i = 0; i < bytes / 8; i++)
		w[i] = pattern_word(seed, offset / 8 + i);
}

/* A file of @bytes of pattern @seed on a real file system, without a name, for O_DIRECT: a descriptor or -errno. */
static inline int source_open(size_t bytes, unsigned int seed)
{
	char path[] = "/mnt/source.XXXXXX";
	int fd = mkstemp(path), ret = -EIO;
	char *buf = malloc(bytes);

	if (fd < 0 || !buf)
		abort();
	pattern_fill(buf, bytes, seed, 0);
	if (write(fd, buf, bytes) == (ssize_t)bytes && !fsync(fd))
		ret = result(open(path, O_RDONLY | O_DIRECT | O_CLOEXEC));
	unlink(path);
	close(fd);
	free(buf);
	return ret;
}

/* Index of the first byte of @p that is not the pattern's, or -1. */
static inline long pattern_differs(const void *p, size_t bytes, uint64_t seed, uint64_t offset)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < bytes / 8; i++)
		if (w[i] != pattern_word(seed, offset / 8 + i))
			return i * 8;
	return -1;
}

/* Index of the first word that is not zero, or -1. */
static inline long nonzero_at(const void *p, size_t bytes)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < bytes / 8; i++)
		if (w[i])
			return i * 8;
	return -1;
}

/* Writes pattern @seed to [offset, offset + bytes) with pwrite(). 0 or -errno. */
static inline int pool_write_pattern(int fd, uint64_t seed, uint64_t offset, size_t bytes)
{
	static char buf[256 << 10] __attribute__((aligned(8)));

	while (bytes) {
		size_t n = bytes < sizeof(buf) ? bytes : sizeof(buf);
		ssize_t ret;

		pattern_fill(buf, n, seed, offset);
		ret = pwrite(fd, buf, n, offset);
		if (ret != (ssize_t)n)
			return ret < 0 ? -errno : -EIO;
		offset += n;
		bytes -= n;
	}
	return 0;
}

/* A READY pool full of pattern @seed. */
static inline int pool_create_ready(const char *name, uint64_t capacity, uint64_t seed)
{
	int fd = pool_create_loading(name, capacity), ret;

	if (fd < 0)
		return fd;
	ret = pool_write_pattern(fd, seed, 0, capacity);
	if (!ret)
		ret = pool_commit(fd, capacity);
	close(fd);
	return ret;
}

/* Reads @path into @buf as a string without its last newline. Length or -errno. */
static inline int file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = result(read(fd, buf, size - 1));
	close(fd);
	if (n < 0)
		return n;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

/* 0 or -errno. */
static inline int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline int module_unload(void)
{
	return result(syscall(SYS_delete_module, "pinpool", O_NONBLOCK));
}

static inline int module_load_file(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(syscall(SYS_finit_module, fd, params, 0));
	close(fd);
	return ret;
}

static inline int module_load(const char *params)
{
	return module_load_file(getenv("PINPOOL_KO") ?: "/pinpool.ko", params);
}

/* The importer of dma-bufs, see modules/pinpool_importer.h. */
static inline int importer_load(void)
{
	return module_load_file("/modules/pinpool_importer.ko", "");
}

static inline int importer_unload(void)
{
	return result(syscall(SYS_delete_module, "pinpool_importer", O_NONBLOCK));
}

static sigjmp_buf bus;

static inline void on_bus(int sig)
{
	siglongjmp(bus, 1);
}

/* Whether touching @p is SIGBUS. */
static inline bool bus_at(volatile char *p, bool write)
{
	struct sigaction act = { .sa_handler = on_bus }, old;
	bool hit = false;

	sigaction(SIGBUS, &act, &old);
	if (sigsetjmp(bus, 1))
		hit = true;
	else if (write)
		*p = 1;
	else
		(void)*p;
	sigaction(SIGBUS, &old, NULL);
	return hit;
}

/* Passes a descriptor through a socket. 0 or -errno. */
static inline int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "f", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

/* A descriptor that was passed, or -errno. */
static inline int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* Exit status of @fn(arg) in a child: what it returned, or 128 + the signal that ended it. */
static inline int in_child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Becomes an ordinary user, for good and without further groups. 0 if it did. */
static inline int become(int uid)
{
	return setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid);
}

static inline void sleep_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

#endif
