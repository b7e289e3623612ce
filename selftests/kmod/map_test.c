// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Mappings: one fault and one PMD entry per huge page, never executable, never writable once READY, never in a core
 * dump; and whatever mm calls are made on them, the bytes stay those of the pool.
 */
#include <sys/uio.h>

#include "harness.h"
#include "kmod_test.h"

/* Linux 6.1, younger than the C library here. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGES 8
#define BYTES (PAGES * HUGE)
#define SEED 11

FIXTURE(map) {
	int fd; /* of a READY pool full of pattern SEED, open for reading and writing */
	int writer; /* of pool "w", LOADING */
};

FIXTURE_SETUP(map)
{
	ASSERT_EQ(0, pool_create_ready("m", BYTES, SEED));
	self->fd = pool_open("m", O_RDWR);
	ASSERT_LE(0, self->fd);
	self->writer = pool_create_loading("w", BYTES);
	ASSERT_LE(0, self->writer);
}

FIXTURE_TEARDOWN(map)
{
	close(self->fd);
	close(self->writer);
	pool_destroy("m");
	pool_destroy("w");
}

/* One byte of every small page, so that a missing PMD entry would cost a fault each. */
static __attribute__((noinline)) unsigned touch_pages(const volatile char *p, size_t bytes)
{
	unsigned sum = 0;

	for (size_t i = 0; i < bytes; i += PAGE)
		sum += p[i];
	return sum;
}

static long minor_faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

static uint64_t pool_faults(int fd)
{
	struct pinpool_pool_info info;

	return pool_info(fd, &info) ? UINT64_MAX : info.out_faults;
}

static uint64_t pool_mappings(int fd)
{
	struct pinpool_pool_info info;

	return pool_info(fd, &info) ? UINT64_MAX : info.out_mappings;
}

/* Value in kB of @key in the smaps of the mapping that begins at @addr, or -1; its VmFlags line in @flags if not NULL. */
static long smaps(const void *addr, const char *key, char flags[256])
{
	unsigned long start, end;
	bool here = false;
	char line[512], name[64];
	long kb, value = -1;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			here = start == (unsigned long)addr;
		} else if (here && flags && !strncmp(line, "VmFlags:", 8)) {
			snprintf(flags, 256, "%.255s", line + 8);
		} else if (here && sscanf(line, "%63[^:]: %ld kB", name, &kb) == 2 && !strcmp(name, key)) {
			value = kb;
		}
	}
	fclose(f);
	return value;
}

TEST_F(map, one_fault_and_one_entry_per_huge_page)
{
	static char warm[2 * PAGE];
	char *p = pool_map(self->fd, BYTES, PROT_READ);
	uint64_t pool_before = pool_faults(self->fd);
	long before;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, (unsigned long)p % HUGE);
	touch_pages(warm, sizeof(warm));
	minor_faults();
	before = minor_faults();
	touch_pages(p, BYTES);
	EXPECT_EQ(PAGES, minor_faults() - before);
	EXPECT_EQ(PAGES, pool_faults(self->fd) - pool_before);
	EXPECT_EQ(BYTES / 1024, smaps(p, "FilePmdMapped", NULL));
	EXPECT_EQ(BYTES / 1024, smaps(p, "Rss", NULL));

	before = minor_faults();
	touch_pages(p, BYTES);
	EXPECT_EQ(0, minor_faults() - before);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
}

TEST_F(map, populate_maps_everything_at_once)
{
	/* The first time round the process faults in code and stack of its own. */
	for (int round = 0; round < 2; round++) {
		uint64_t pool_before = pool_faults(self->fd);
		long before = minor_faults();
		char *p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, self->fd, 0);
		long taken = minor_faults() - before;

		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(PAGES, pool_faults(self->fd) - pool_before);
		before = minor_faults();
		touch_pages(p, BYTES);
		if (round == 1) {
			EXPECT_EQ(PAGES, taken);
			EXPECT_EQ(0, minor_faults() - before);
		}
		EXPECT_EQ(PAGES, pool_faults(self->fd) - pool_before);
		EXPECT_EQ(BYTES / 1024, smaps(p, "FilePmdMapped", NULL));
		munmap(p, BYTES);
	}
}

TEST_F(map, the_writer_pays_one_fault_per_huge_page_too)
{
	char *p = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	uint64_t before = pool_faults(self->writer);

	ASSERT_NE(MAP_FAILED, p);
	for (size_t i = 0; i < BYTES; i += PAGE)
		p[i] = 1;
	EXPECT_EQ(PAGES, pool_faults(self->writer) - before);
	EXPECT_EQ(BYTES / 1024, smaps(p, "FilePmdMapped", NULL));
	munmap(p, BYTES);
}

TEST_F(map, executable_is_refused)
{
	static const int prots[] = { PROT_EXEC, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC };
	char *p;

	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
			EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, prots[i], flags, self->fd, 0));
			EXPECT_EQ(EACCES, errno);
			EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, prots[i], flags, self->writer, 0));
			EXPECT_EQ(EACCES, errno);
		}
	}
	for (int i = 0; i < 2; i++) {
		p = pool_map(i ? self->writer : self->fd, HUGE, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-EACCES, result(mprotect(p, HUGE, PROT_READ | PROT_EXEC)));
		munmap(p, HUGE);
	}
}

TEST_F(map, private_writable_is_refused)
{
	char *p;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, PROT_WRITE, MAP_PRIVATE, self->writer, 0));
	EXPECT_EQ(EACCES, errno);
	/* numpy.memmap(mode="r") and friends map private and read-only. */
	p = mmap(NULL, HUGE, PROT_READ, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
	EXPECT_EQ(-EACCES, result(mprotect(p, HUGE, PROT_READ | PROT_WRITE)));
	munmap(p, HUGE);
}

TEST_F(map, ready_is_never_writable)
{
	int read_only = pool_open("m", O_RDONLY), mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	struct iovec from = { "x", 1 }, to;
	char *p;

	ASSERT_LE(0, read_only);
	ASSERT_LE(0, mem);
	EXPECT_EQ(MAP_FAILED, pool_map(self->fd, HUGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, pool_map(self->fd, HUGE, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	for (int i = 0; i < 4; i++) {
		p = mmap(NULL, HUGE, PROT_READ, i & 1 ? MAP_PRIVATE : MAP_SHARED, i & 2 ? read_only : self->fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-EACCES, result(mprotect(p, HUGE, PROT_READ | PROT_WRITE)));
		/* A debugger's way to write to memory. */
		EXPECT_EQ(-1, pwrite(mem, "x", 1, (off_t)p));
		to = (struct iovec){ p, 1 };
		EXPECT_EQ(-1, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
		/* The kernel as the one that writes. */
		EXPECT_EQ(-EFAULT, result(pread(mem, p, 1, (off_t)&from)));
		EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
		munmap(p, HUGE);
	}
	close(mem);
	close(read_only);
}

TEST_F(map, a_reader_of_a_loading_pool_gets_no_mapping)
{
	int fd = pool_open("w", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, pool_map(fd, HUGE, PROT_READ));
	EXPECT_EQ(ENODATA, errno);
	close(fd);
}

/* Left out of core dumps; ordinary pages, which other drivers and io_uring can pin. */
TEST_F(map, vm_flags)
{
	char flags[256] = "";
	char *p = pool_map(self->fd, HUGE, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	smaps(p, "", flags);
	EXPECT_NE(NULL, strstr(flags, " dd")) TH_LOG("VmFlags:%s", flags);
	EXPECT_EQ(NULL, strstr(flags, " io")) TH_LOG("VmFlags:%s", flags);
	EXPECT_EQ(NULL, strstr(flags, " pf")) TH_LOG("VmFlags:%s", flags);
	EXPECT_EQ(NULL, strstr(flags, " mw")) TH_LOG("VmFlags:%s", flags);
	EXPECT_EQ(NULL, strstr(flags, " me")) TH_LOG("VmFlags:%s", flags);
	/* Left out of core dumps for good. */
	EXPECT_EQ(-EINVAL, result(madvise(p, HUGE, MADV_DODUMP)));
	munmap(p, HUGE);
}

static int touch(void *arg)
{
	return *(volatile char *)arg & 0;
}

TEST_F(map, nothing_is_mapped_beyond_the_capacity)
{
	char *p = pool_map(self->fd, BYTES + HUGE, PROT_READ);

	if (p != MAP_FAILED) {
		EXPECT_EQ(0, in_child(touch, p + BYTES - 1));
		EXPECT_EQ(128 + SIGBUS, in_child(touch, p + BYTES));
		munmap(p, BYTES + HUGE);
	} else {
		EXPECT_EQ(EINVAL, errno);
	}
	p = mmap(NULL, HUGE, PROT_READ, MAP_SHARED, self->fd, BYTES);
	if (p != MAP_FAILED) {
		EXPECT_EQ(128 + SIGBUS, in_child(touch, p));
		munmap(p, HUGE);
	} else {
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(INT64_MAX & ~(HUGE - 1))));
}

TEST_F(map, growing_a_mapping_shows_nothing_new)
{
	char *p = pool_map(self->fd, BYTES, PROT_READ), *q;

	ASSERT_NE(MAP_FAILED, p);
	q = mremap(p, BYTES, BYTES + HUGE, MREMAP_MAYMOVE);
	if (q != MAP_FAILED) {
		EXPECT_EQ(128 + SIGBUS, in_child(touch, q + BYTES));
		EXPECT_EQ(-1, pattern_differs(q, BYTES, SEED, 0));
		munmap(q, BYTES + HUGE);
	} else {
		munmap(p, BYTES);
	}
}

TEST_F(map, moved_shrunk_and_duplicated_by_mremap)
{
	char *p = pool_map(self->fd, BYTES, PROT_READ), *q, *room;

	ASSERT_NE(MAP_FAILED, p);
	touch_pages(p, BYTES);
	/* To an address that PMD entries cannot use. */
	room = mmap(NULL, BYTES + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	q = (char *)(((unsigned long)room + HUGE) & ~(HUGE - 1)) + PAGE;
	ASSERT_EQ(q, mremap(p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, q));
	EXPECT_EQ(-1, pattern_differs(q, BYTES, SEED, 0));
	ASSERT_EQ(q, mremap(q, BYTES, HUGE, 0));
	EXPECT_EQ(-1, pattern_differs(q, HUGE, SEED, 0));
	/* Old size 0: a second mapping of the same. */
	p = mremap(q, 0, HUGE, MREMAP_MAYMOVE);
	if (p != MAP_FAILED) {
		EXPECT_EQ(2, pool_mappings(self->fd));
		EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
		munmap(p, HUGE);
	}
	munmap(room, BYTES + 2 * HUGE);
	EXPECT_EQ(0, pool_mappings(self->fd));
}

TEST_F(map, holes_are_cut_anywhere)
{
	char *p = pool_map(self->fd, BYTES, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(1, pool_mappings(self->fd));
	touch_pages(p, BYTES);
	ASSERT_EQ(0, munmap(p + HUGE + 5 * PAGE, PAGE));
	EXPECT_EQ(2, pool_mappings(self->fd));
	EXPECT_EQ(128 + SIGSEGV, in_child(touch, p + HUGE + 5 * PAGE));
	EXPECT_EQ(-1, pattern_differs(p, HUGE + 5 * PAGE, SEED, 0));
	EXPECT_EQ(-1, pattern_differs(p + HUGE + 6 * PAGE, BYTES - HUGE - 6 * PAGE, SEED, HUGE + 6 * PAGE));
	ASSERT_EQ(0, munmap(p, PAGE));
	ASSERT_EQ(0, munmap(p + BYTES - 3 * PAGE, 3 * PAGE));
	EXPECT_EQ(-1, pattern_differs(p + PAGE, HUGE, SEED, PAGE));
	munmap(p, BYTES);
	EXPECT_EQ(0, pool_mappings(self->fd));
}

TEST_F(map, parts_are_protected_and_forgotten)
{
	char *p = pool_map(self->fd, BYTES, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	touch_pages(p, BYTES);
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(128 + SIGSEGV, in_child(touch, p + PAGE));
	EXPECT_EQ(0, in_child(touch, p + 2 * PAGE));
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, madvise(p, BYTES, MADV_DONTNEED));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	ASSERT_EQ(0, madvise(p + 3 * HUGE + PAGE, 7 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
}

/* Advice that would take pages out of the file must not. */
TEST_F(map, no_advice_takes_bytes_away)
{
	static const int advice[] = { MADV_REMOVE, MADV_FREE, MADV_PAGEOUT, MADV_COLD, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				      MADV_COLLAPSE, MADV_MERGEABLE, MADV_SEQUENTIAL, MADV_WILLNEED };
	char *p = pool_map(self->fd, BYTES, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	touch_pages(p, BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(p, BYTES, advice[i]);
		EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0)) TH_LOG("advice %d", advice[i]);
		/* A part of a huge page is where the core would like to split it. */
		madvise(p + HUGE + 3 * PAGE, 5 * PAGE, advice[i]);
		EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0)) TH_LOG("advice %d, part", advice[i]);
	}
	EXPECT_NE(0, madvise(p, HUGE, MADV_POPULATE_WRITE));
	EXPECT_NE(0, ftruncate(self->fd, HUGE));
	EXPECT_NE(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
}

/* As many references as the page cache has to a huge page of its own. The core must not take it for one and split it. */
TEST_F(map, a_page_with_pins_is_not_split)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT };
	char *p = pool_map(self->fd, HUGE, PROT_READ);
	struct iovec pages = { p, HUGE - PAGE };
	int ends[2];

	ASSERT_NE(MAP_FAILED, p);
	touch_pages(p, HUGE);
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(HUGE, fcntl(ends[1], F_SETPIPE_SZ, HUGE));
	ASSERT_EQ(HUGE - PAGE, vmsplice(ends[1], &pages, 1, 0));
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		EXPECT_EQ(0, madvise(p + 3 * PAGE, 5 * PAGE, advice[i]));
		EXPECT_EQ(HUGE / 1024, smaps(p, "FilePmdMapped", NULL)) TH_LOG("advice %d", advice[i]);
	}
	close(ends[0]);
	close(ends[1]);
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
	munmap(p, HUGE);
}

/* Mapped in small pages, an abort finds them all the same, and nothing is left that would keep a load from beginning. */
TEST_F(map, small_pages_on_request)
{
	char *p = pool_map(self->fd, HUGE, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, madvise(p, HUGE, MADV_NOHUGEPAGE));
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
	EXPECT_EQ(HUGE / 1024, smaps(p, "Rss", NULL));
	munmap(p, HUGE);

	p = pool_map(self->writer, HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, madvise(p, HUGE, MADV_NOHUGEPAGE));
	pattern_fill(p, HUGE, SEED, 0);
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
	ASSERT_EQ(0, pool_abort(self->writer));
	EXPECT_EQ(128 + SIGBUS, in_child(touch, p + 5 * PAGE));
	EXPECT_EQ(-EBUSY, pool_begin(self->writer));
	munmap(p, HUGE);
	EXPECT_EQ(0, pool_begin(self->writer));
}

/* Far from all else, so that there is no table of any level yet, and the core asks for the largest size first. */
#define ALONE ((char *)0x200000000000UL)

static char *map_alone(int fd, size_t within, size_t bytes, off_t offset)
{
	return mmap(ALONE + within, bytes, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, offset);
}

TEST_F(map, where_nothing_has_been_mapped)
{
	ASSERT_EQ(ALONE, map_alone(self->fd, 0, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(ALONE, BYTES, SEED, 0));
	EXPECT_EQ(PAGES, pool_faults(self->fd));
	munmap(ALONE, BYTES);
}

/* What lies around it, in the process that has mapped the part. */
static int touch_behind(void *arg)
{
	return touch(arg) | touch((char *)arg + HUGE / 2);
}

static int touch_before(void *arg)
{
	return touch(arg) | touch((char *)arg - PAGE);
}

/* A mapping that has room for a part of a huge page shows that part, though the rest could be mapped with it. */
TEST_F(map, parts_of_huge_pages_that_are_aligned)
{
	static const size_t withins[] = { 0, PAGE, HUGE / 2 };

	for (size_t i = 0; i < ARRAY_SIZE(withins); i++) {
		char *p = ALONE + withins[i];

		ASSERT_EQ(p, map_alone(self->fd, withins[i], HUGE / 2, 3 * HUGE + withins[i]));
		EXPECT_EQ(-1, pattern_differs(p, HUGE / 2, SEED, 3 * HUGE + withins[i]));
		EXPECT_EQ(128 + SIGSEGV, in_child(touch_before, p));
		EXPECT_EQ(128 + SIGSEGV, in_child(touch_behind, p));
		munmap(p, HUGE / 2);
	}
}

TEST_F(map, offsets_that_are_not_huge_page_aligned)
{
	static const size_t offsets[] = { PAGE, HUGE - PAGE, HUGE + 3 * PAGE, 5 * HUGE + PAGE };

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		size_t bytes = 2 * HUGE - PAGE;
		char *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, self->fd, offsets[i]);

		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, bytes, SEED, offsets[i]));
		munmap(p, bytes);
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 8));
}

TEST_F(map, what_was_not_written_is_zero)
{
	char *p;
	int fd;

	ASSERT_EQ(3, write(self->writer, "abc", 3));
	ASSERT_EQ(0, pool_commit(self->writer, 3));
	fd = pool_open("w", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, memcmp(p, "abc\0\0\0\0", 8));
	EXPECT_EQ(-1, nonzero_at(p + 8, BYTES - 8));
	munmap(p, BYTES);
	close(fd);
}

static int verify_inherited(void *arg)
{
	return pattern_differs(arg, BYTES, SEED, 0) == -1 ? 0 : 1;
}

TEST_F(map, a_child_inherits_it)
{
	char *p = pool_map(self->fd, BYTES, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	touch_pages(p, 3 * HUGE);
	EXPECT_EQ(0, in_child(verify_inherited, p));
	EXPECT_EQ(1, pool_mappings(self->fd));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
}

TEST_F(map, locked_memory_and_mincore)
{
	unsigned char vec[HUGE / PAGE];
	char *p = pool_map(self->fd, HUGE, PROT_READ);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, mlock(p, HUGE));
	EXPECT_EQ(HUGE / 1024, smaps(p, "FilePmdMapped", NULL));
	EXPECT_EQ(0, mincore(p, HUGE, vec));
	EXPECT_EQ(0, munlock(p, HUGE));
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, 0));
	munmap(p, HUGE);
}

TEST_HARNESS_MAIN
