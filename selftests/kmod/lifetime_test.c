// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * How long things live: a destroyed pool lives for those who have it open or mapped, the module for its pools, and no
 * byte lives longer than its pool.
 */
#include <elf.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 4
#define BYTES (PAGES * HUGE)
#define SEED 61

FIXTURE(lifetime) {
	struct pinpool_module_info before;
};

FIXTURE_SETUP(lifetime)
{
	ASSERT_EQ(0, module_info(&self->before));
}

static uint64_t used_bytes(void)
{
	struct pinpool_module_info info;

	return module_info(&info) ? UINT64_MAX : info.out_used_bytes;
}

static uint32_t pools(void)
{
	struct pinpool_module_info info;

	return module_info(&info) ? UINT32_MAX : info.out_pools;
}

FIXTURE_TEARDOWN(lifetime)
{
	pool_destroy("l");
	EXPECT_EQ(self->before.out_used_bytes, used_bytes());
	EXPECT_EQ(self->before.out_pools, pools());
}

TEST_F(lifetime, destroyed_while_open_and_mapped)
{
	int fd, again;
	char *p, *buf = malloc(BYTES);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, pool_create_ready("l", BYTES, SEED));
	fd = pool_open("l", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	/* Half of it is mapped already, half is faulted in afterwards. */
	EXPECT_EQ(-1, pattern_differs(p, BYTES / 2, SEED, 0));
	ASSERT_EQ(0, pool_destroy("l"));
	EXPECT_EQ(-ENOENT, pool_open("l", O_RDONLY));
	EXPECT_EQ(-ENOENT, pool_destroy("l"));
	EXPECT_EQ(-1, access("/sys/class/pinpool/l", F_OK));
	EXPECT_EQ(0, pools());
	EXPECT_EQ(BYTES, used_bytes());

	/* Another pool of that name is another pool. */
	ASSERT_EQ(0, pool_create_ready("l", BYTES, SEED + 1));
	again = pool_open("l", O_RDONLY);
	ASSERT_LE(0, again);
	EXPECT_EQ(BYTES, pread(again, buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(buf, BYTES, SEED + 1, 0));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	EXPECT_EQ(BYTES, pread(fd, buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(buf, BYTES, SEED, 0));
	close(again);
	ASSERT_EQ(0, pool_destroy("l"));

	close(fd);
	EXPECT_EQ(BYTES, used_bytes());
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
	EXPECT_EQ(0, used_bytes());
	free(buf);
}

TEST_F(lifetime, destroyed_while_loading)
{
	int fd = pool_create_loading("l", BYTES);
	char *p;

	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, BYTES / 2, SEED, 0);
	ASSERT_EQ(0, pool_destroy("l"));
	/* The writer does not crash; it learns of it when it looks. */
	pattern_fill(p + BYTES / 2, BYTES / 2, SEED, BYTES / 2);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
	close(fd);
	EXPECT_EQ(0, used_bytes());
}

TEST_F(lifetime, the_module_stays_while_pools_exist)
{
	char *p;
	int fd;

	ASSERT_EQ(0, pool_create_ready("l", BYTES, SEED));
	EXPECT_GT(0, module_unload());
	fd = pool_open("l", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	ASSERT_EQ(0, pool_destroy("l"));
	EXPECT_GT(0, module_unload());
	close(fd);
	EXPECT_GT(0, module_unload());
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

TEST_F(lifetime, the_module_stays_while_the_control_node_is_open)
{
	int control = control_open(O_RDONLY);

	ASSERT_LE(0, control);
	EXPECT_GT(0, module_unload());
	close(control);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

/*
 * The page allocator likes to give out what was freed last, and the VM does not zero what it gives out, so that the
 * pages of one pool come round in the next.
 */
TEST_F_TIMEOUT(lifetime, no_byte_of_a_pool_is_seen_in_a_later_one, 120)
{
	for (int round = 0; round < 12; round++) {
		uint64_t seed = SEED + round;
		int fd = pool_create_loading("l", BYTES);
		char *p;

		ASSERT_LE(0, fd);
		p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, nonzero_at(p, BYTES)) TH_LOG("round %d", round);
		pattern_fill(p, BYTES, seed, 0);
		munmap(p, BYTES);
		/* READY, EMPTY or LOADING: whatever it was when it went. */
		if (round % 3 == 0) {
			ASSERT_EQ(0, pool_commit(fd, BYTES));
		} else if (round % 3 == 1) {
			ASSERT_EQ(0, pool_abort(fd));
		}
		close(fd);
		ASSERT_EQ(0, pool_destroy("l"));
	}
}

/* Fills memory and leaves it to the kernel. */
static int dirty_memory(void *arg)
{
	size_t bytes = *(size_t *)arg;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	pattern_fill(p, bytes, SEED, 0);
	return 0;
}

/* Pools are made of memory that was somebody's, and this kernel does not zero it for them. */
TEST_F_TIMEOUT(lifetime, no_byte_of_a_process_is_seen_in_a_pool, 120)
{
	size_t bytes = 256 * HUGE;
	char *p;
	int fd;

	ASSERT_EQ(0, in_child(dirty_memory, &bytes));
	fd = pool_create_loading("l", bytes);
	ASSERT_LE(0, fd);
	p = pool_map(fd, bytes, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p, bytes));
	munmap(p, bytes);
	close(fd);
}

/* Offset in /proc/kcore of physical address @paddr, or -1. */
static off_t kcore_offset(int kcore, uint64_t paddr)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread(kcore, &eh, sizeof(eh), 0) != sizeof(eh))
		return -1;
	for (int i = 0; i < eh.e_phnum; i++) {
		if (pread(kcore, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			return -1;
		/* The kernel's own segments have no physical address: (u64)-1 or 0. */
		if (ph.p_type == PT_LOAD && ph.p_paddr + 1 > 1 && paddr >= ph.p_paddr &&
		    paddr - ph.p_paddr < ph.p_memsz) {
			return ph.p_offset + (paddr - ph.p_paddr);
		}
	}
	return -1;
}

/* Number of the PAGE-sized pieces that still hold pattern @seed at these places in /proc/kcore. */
static int count_pattern(int kcore, const off_t *at, size_t pieces, uint64_t seed)
{
	static char page[PAGE] __attribute__((aligned(8)));
	int found = 0;

	for (size_t i = 0; i < pieces; i++)
		found += pread(kcore, page, PAGE, at[i]) == PAGE && pattern_differs(page, PAGE, seed, i * PAGE) == -1;
	return found;
}

/* Looks at the physical memory of a pool that is gone: the kernel gave it out as it is, had it not been scrubbed. */
TEST_F_TIMEOUT(lifetime, memory_of_a_destroyed_pool_is_scrubbed, 60)
{
	const size_t pieces = BYTES / PAGE;
	int kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t *at = calloc(pieces, sizeof(*at));
	char *p;
	int fd;

	ASSERT_LE(0, kcore);
	ASSERT_LE(0, pagemap);
	ASSERT_EQ(0, pool_create_ready("l", BYTES, SEED));
	fd = pool_open("l", O_RDONLY);
	ASSERT_LE(0, fd);
	p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (size_t i = 0; i < pieces; i++) {
		uint64_t entry;

		ASSERT_EQ(8, pread(pagemap, &entry, 8, ((uint64_t)p / PAGE + i) * 8));
		/* Bits 0 to 54: the page frame number. */
		at[i] = kcore_offset(kcore, (entry & ((1ULL << 55) - 1)) * PAGE);
		ASSERT_LE(0, at[i]);
	}
	EXPECT_EQ(pieces, count_pattern(kcore, at, pieces, SEED));
	munmap(p, BYTES);
	close(fd);
	EXPECT_EQ(pieces, count_pattern(kcore, at, pieces, SEED));
	ASSERT_EQ(0, pool_destroy("l"));
	EXPECT_EQ(0, count_pattern(kcore, at, pieces, SEED));
	close(pagemap);
	close(kcore);
	free(at);
}

/* read() of the writer and of readers of a pool that was only partly written, likewise. */
TEST_F(lifetime, untouched_parts_read_as_zero)
{
	char *buf = malloc(BYTES);
	int fd;

	ASSERT_NE(NULL, buf);
	for (int round = 0; round < 4; round++) {
		fd = pool_create_loading("l", BYTES);
		ASSERT_LE(0, fd);
		ASSERT_EQ(8, pwrite(fd, "12345678", 8, HUGE + 8));
		if (round & 1) {
			EXPECT_EQ(BYTES, pread(fd, buf, BYTES, 0));
			EXPECT_EQ(-1, nonzero_at(buf, HUGE + 8));
			EXPECT_EQ(-1, nonzero_at(buf + HUGE + 16, BYTES - HUGE - 16));
		}
		ASSERT_EQ(0, pool_commit(fd, BYTES));
		EXPECT_EQ(BYTES, pread(fd, buf, BYTES, 0));
		EXPECT_EQ(-1, nonzero_at(buf, HUGE + 8));
		EXPECT_EQ(0, memcmp(buf + HUGE + 8, "12345678", 8));
		EXPECT_EQ(-1, nonzero_at(buf + HUGE + 16, BYTES - HUGE - 16));
		close(fd);
		ASSERT_EQ(0, pool_destroy("l"));
		ASSERT_EQ(0, pool_create_ready("l", BYTES, SEED + round));
		ASSERT_EQ(0, pool_destroy("l"));
	}
	free(buf);
}

/*
 * One of several processes that create, load, read and destroy the same names, each for itself. 0, or where it saw
 * wrong.
 */
static int worker(int id, double seconds)
{
	static const char *const names[] = { "l", "l2" };
	struct timespec start, now;
	unsigned round = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		const char *name = names[(round + id) % 2];
		struct pinpool_pool_info info;
		uint64_t first;
		char *p;
		int fd, ret;

		switch ((round++ * 7 + id) % 4) {
		case 0:
			ret = pool_create(name, HUGE);
			if (ret && ret != -EEXIST)
				return 1;
			break;
		case 1:
			fd = pool_open(name, O_RDWR);
			if (fd < 0) {
				/* ENXIO: between finding the node and opening it the pool went. */
				if (fd != -ENOENT && fd != -ENXIO)
					return 2;
				break;
			}
			ret = pool_begin(fd);
			if (ret == 0) {
				p = pool_map(fd, HUGE, PROT_READ | PROT_WRITE);
				if (p == MAP_FAILED || nonzero_at(p, HUGE) != -1)
					return 3;
				pattern_fill(p, HUGE, id * 1000 + round, 0);
				munmap(p, HUGE);
				if (round & 1) {
					ret = pool_commit(fd, HUGE);
					if (ret && ret != -EBUSY)
						return 4;
				}
			} else if (ret != -EBUSY && ret != -EROFS) {
				return 5;
			}
			close(fd);
			break;
		case 2:
			fd = pool_open(name, O_RDONLY);
			if (fd < 0)
				break;
			if (pool_info(fd, &info) || strcmp((char *)info.out_name, name) || info.out_capacity != HUGE)
				return 6;
			p = pool_map(fd, HUGE, PROT_READ);
			if (p != MAP_FAILED) {
				/* Whose ever it is, it is one pattern from end to end. */
				uint64_t seed;

				first = *(volatile uint64_t *)p;
				for (seed = 0; seed < 10000 && pattern_word(seed, 0) != first; seed++)
					;
				if (seed == 10000 || pattern_differs(p, HUGE, seed, 0) != -1)
					return 7;
				munmap(p, HUGE);
			} else if (errno != ENODATA) {
				return 8;
			}
			close(fd);
			break;
		case 3:
			ret = pool_destroy(name);
			if (ret && ret != -ENOENT)
				return 9;
			break;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) + (now.tv_nsec - start.tv_nsec) / 1e9 < seconds && round < 900);
	return 0;
}

TEST_F_TIMEOUT(lifetime, many_processes_with_the_same_names, 120)
{
	pid_t pid[6];

	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(worker(i, 5));
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		int status;

		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
	pool_destroy("l");
	pool_destroy("l2");
}

/* Anybody reading sysfs and the node folder meanwhile. */
static void look_around(void)
{
	char buf[256];

	for (;;) {
		file_read("/sys/class/pinpool/l/state", buf, sizeof(buf));
		file_read("/sys/class/pinpool/l/mappings", buf, sizeof(buf));
		file_read("/sys/class/pinpool/control/used", buf, sizeof(buf));
		access("/dev/pinpool/l", F_OK);
	}
}

TEST_F_TIMEOUT(lifetime, looked_at_while_it_comes_and_goes, 60)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		look_around();
	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, pool_create("l", HUGE));
		ASSERT_EQ(0, pool_destroy("l"));
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
}

TEST_F_TIMEOUT(lifetime, hundreds_of_pools, 60)
{
	char name[16];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		ASSERT_EQ(0, pool_create(name, HUGE));
	}
	EXPECT_EQ(200, pools());
	EXPECT_EQ(200 * HUGE, used_bytes());
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		EXPECT_EQ(0, pool_destroy(name));
	}
}

TEST_HARNESS_MAIN
