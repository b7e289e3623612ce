// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * dma-bufs of a pool: who gets one and what it lets an importer do, in every state of the pool; that its bytes are the
 * pool's in each way there is to reach them; and that nothing goes, loads or commits under an importer.
 */
#include <linux/dma-buf.h>
#include <pthread.h>

#include "harness.h"
#include "kmod_test.h"
#include "modules/pinpool_importer.h"

#define PAGES	4UL
#define BYTES	(PAGES * HUGE)
#define SEED	51
#define IN_BITS ((uint32_t)(O_RDWR | O_CLOEXEC))

FIXTURE(export) {
	char *buffer; /* BYTES */
};

FIXTURE_SETUP(export)
{
	ASSERT_EQ(0, importer_load());
	self->buffer = malloc(BYTES);
	ASSERT_NE(NULL, self->buffer);
}

FIXTURE_TEARDOWN(export)
{
	struct pinpool_module_info info;

	pool_destroy("e");
	free(self->buffer);
	EXPECT_EQ(0, importer_unload());
	EXPECT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	/* Every descriptor is closed, so every dma-buf is gone. */
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
}

/* A file of a READY pool "e" full of pattern SEED, open for reading. */
static int ready(void)
{
	int ret = pool_create_ready("e", BYTES, SEED);

	return ret ? ret : pool_open("e", O_RDONLY);
}

static int exports(int fd)
{
	struct pinpool_pool_info info;
	int ret = pool_info(fd, &info);

	return ret ? ret : (int)info.out_exports;
}

static uint64_t pool_faults(int fd)
{
	struct pinpool_pool_info info;

	return pool_info(fd, &info) ? UINT64_MAX : info.out_faults;
}

/* A file of the importer which holds @dmabuf as @how says, or -errno. */
static int import(unsigned int how, int dmabuf)
{
	int fd = result(open("/dev/pinpool_importer", O_RDWR | O_CLOEXEC)), ret;

	if (fd < 0)
		return fd;
	ret = result(ioctl(fd, how, dmabuf));
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

/* The same, mapped for a device. What there is to know is in @map. */
static int import_map_info(int dmabuf, uint32_t direction, uint32_t max_segment, struct importer_map *map)
{
	int fd = result(open("/dev/pinpool_importer", O_RDWR | O_CLOEXEC)), ret;

	if (fd < 0)
		return fd;
	*map = (struct importer_map){ .fd = dmabuf, .direction = direction, .max_segment = max_segment };
	ret = result(ioctl(fd, IMPORTER_MAP, map));
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

static int import_map(int dmabuf, uint32_t direction)
{
	struct importer_map map;

	return import_map_info(dmabuf, direction, 0, &map);
}

/* What an importer sees: index of the first byte that is not of pattern @seed at @offset, or -1, or less on an error. */
static long import_differs(FIXTURE_DATA(export) * self, int fd, size_t bytes, uint64_t seed, uint64_t offset)
{
	ssize_t got = pread(fd, self->buffer, BYTES, 0);

	if (got != (ssize_t)bytes)
		return got < 0 ? -1000 - errno : -500;
	return pattern_differs(self->buffer, bytes, seed, offset);
}

/* Maps all @bytes of @fd at an address that is congruent to @offset in the pool. */
static char *map_congruent(int fd, size_t bytes, uint64_t offset, int prot)
{
	char *room = mmap(NULL, bytes + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *p;

	if (room == MAP_FAILED)
		return MAP_FAILED;
	p = (char *)(((unsigned long)room + HUGE - 1) / HUGE * HUGE) + offset % HUGE;
	return mmap(p, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0);
}

/* The lowest descriptor that is free; one that is reserved for a file that never comes is not. */
static int descriptor_free(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

TEST_F(export, of_a_ready_pool_is_read_only)
{
	struct pinpool_module_info info;
	char text[32];
	int fd = ready(), other, dmabuf;

	ASSERT_LE(0, fd);
	other = pool_open("e", O_RDWR);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, module_info(&info));
	EXPECT_TRUE(info.out_features & PINPOOL_FEATURE_EXPORT);
	EXPECT_EQ(-EACCES, pool_export(fd, 0, BYTES, O_RDWR));
	EXPECT_EQ(-EACCES, pool_export(other, 0, BYTES, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(0, exports(fd));

	dmabuf = pool_export(fd, 0, BYTES, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(FD_CLOEXEC, fcntl(dmabuf, F_GETFD));
	EXPECT_EQ(O_RDONLY, fcntl(dmabuf, F_GETFL) & O_ACCMODE);
	EXPECT_EQ((off_t)BYTES, lseek(dmabuf, 0, SEEK_END));
	EXPECT_EQ(1, exports(fd));
	EXPECT_LT(0, file_read("/sys/class/pinpool/e/exports", text, sizeof(text)));
	EXPECT_STREQ("1", text);
	close(dmabuf);
	EXPECT_EQ(0, exports(fd));

	dmabuf = pool_export(other, HUGE, PAGE, 0);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, fcntl(dmabuf, F_GETFD));
	EXPECT_EQ((off_t)PAGE, lseek(dmabuf, 0, SEEK_END));
	close(dmabuf);
	close(other);
	close(fd);
}

TEST_F(export, malformed)
{
	static const uint64_t bad[][2] = {
		{ 0, 0 },
		{ 0, 1 },
		{ 0, PAGE - 1 },
		{ 0, PAGE + 1 },
		{ 1, PAGE },
		{ 2048, PAGE },
		{ 0, BYTES + PAGE },
		{ PAGE, BYTES },
		{ BYTES, PAGE },
		{ BYTES + PAGE, PAGE },
		{ 1ULL << 63, PAGE },
		{ 0, 1ULL << 63 },
		{ -PAGE, PAGE },
		{ -PAGE, 2 * PAGE },
		{ PAGE, -PAGE },
		{ -PAGE, -PAGE },
	};
	int fd = ready(), before;

	ASSERT_LE(0, fd);
	before = descriptor_free();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, pool_export(fd, bad[i][0], bad[i][1], 0))
			TH_LOG("%llx %llx", (unsigned long long)bad[i][0], (unsigned long long)bad[i][1]);
	}
	for (int bit = 0; bit < 32; bit++) {
		if (!(IN_BITS & 1U << bit)) {
			EXPECT_EQ(-EOPNOTSUPP, pool_export(fd, 0, PAGE, 1U << bit)) TH_LOG("fd_flags bit %d", bit);
		}
	}
	EXPECT_EQ(before, descriptor_free());
	EXPECT_EQ(0, exports(fd));
	close(fd);
}

TEST_F(export, who_may_in_which_state)
{
	int writer, other, reader, blind, dmabuf;

	ASSERT_EQ(0, pool_create("e", BYTES));
	writer = pool_open("e", O_RDWR);
	other = pool_open("e", O_RDWR);
	reader = pool_open("e", O_RDONLY);
	blind = pool_open("e", O_WRONLY);
	EXPECT_EQ(-EBADF, pool_export(blind, 0, BYTES, 0));
	for (int flags = 0; flags <= O_RDWR; flags += O_RDWR) {
		EXPECT_EQ(-ENODATA, pool_export(writer, 0, BYTES, flags));
		EXPECT_EQ(-ENODATA, pool_export(reader, 0, BYTES, flags));
	}
	ASSERT_EQ(0, pool_begin(writer));
	for (int flags = 0; flags <= O_RDWR; flags += O_RDWR) {
		EXPECT_EQ(-ENODATA, pool_export(other, 0, BYTES, flags));
		EXPECT_EQ(-ENODATA, pool_export(reader, 0, BYTES, flags));
		EXPECT_EQ(-EBADF, pool_export(blind, 0, BYTES, flags));
		dmabuf = pool_export(writer, 0, BYTES, flags);
		ASSERT_LE(0, dmabuf);
		EXPECT_EQ(flags, fcntl(dmabuf, F_GETFL) & O_ACCMODE);
		EXPECT_EQ(1, exports(reader));
		close(dmabuf);
	}
	EXPECT_EQ(0, exports(reader));
	ASSERT_EQ(0, pool_commit(writer, BYTES));
	EXPECT_EQ(-EACCES, pool_export(writer, 0, BYTES, O_RDWR));
	EXPECT_EQ(-EBADF, pool_export(blind, 0, BYTES, 0));
	dmabuf = pool_export(other, 0, BYTES, 0);
	EXPECT_LE(0, dmabuf);
	close(dmabuf);
	close(blind);
	close(reader);
	close(other);
	close(writer);
}

/* The descriptor and its number become the caller's together, or neither does. */
TEST_F(export, nothing_is_left_when_the_number_cannot_be_told)
{
	struct pinpool_export *e = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = ready(), before = descriptor_free();

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, (void *)e);
	*e = (struct pinpool_export){ .size = sizeof(*e), .length = BYTES };
	ASSERT_EQ(0, mprotect(e, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, result(ioctl(fd, PINPOOL_IOC_EXPORT, e)));
	EXPECT_EQ(before, descriptor_free());
	EXPECT_EQ(0, exports(fd));
	munmap(e, PAGE);
	close(fd);
}

TEST_F(export, without_a_free_descriptor)
{
	struct rlimit limit, none;
	int fd = ready(), ret;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = pool_export(fd, 0, BYTES, 0);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(0, exports(fd));
	close(fd);
}

TEST_F(export, a_mapping_shows_the_pool_with_one_fault_per_huge_page)
{
	int fd = ready(), dmabuf;
	uint64_t before;
	char *p;

	ASSERT_LE(0, fd);
	dmabuf = pool_export(fd, HUGE, 3 * HUGE, 0);
	ASSERT_LE(0, dmabuf);
	p = map_congruent(dmabuf, 3 * HUGE, 0, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	before = pool_faults(fd);
	EXPECT_EQ(-1, pattern_differs(p, 3 * HUGE, SEED, HUGE));
	EXPECT_EQ(3, pool_faults(fd) - before);
	/* It keeps the dma-buf. */
	close(dmabuf);
	EXPECT_EQ(1, exports(fd));
	munmap(p, 3 * HUGE);
	EXPECT_EQ(0, exports(fd));
	close(fd);
}

/* Ranges that begin and end anywhere, at addresses that are congruent and at whatever comes. */
TEST_F(export, a_mapping_of_any_range_shows_that_range)
{
	static const uint64_t ranges[][2] = {
		{ 0, PAGE },
		{ PAGE, PAGE },
		{ HUGE - PAGE, 2 * PAGE },
		{ 3 * PAGE, 2 * HUGE },
		{ HUGE + 7 * PAGE, 3 * HUGE - 7 * PAGE },
		{ BYTES - PAGE, PAGE },
	};
	int fd = ready();

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint64_t offset = ranges[i][0], length = ranges[i][1];
		int dmabuf = pool_export(fd, offset, length, O_CLOEXEC);
		char *p;

		ASSERT_LE(0, dmabuf);
		p = map_congruent(dmabuf, length, offset, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, length, SEED, offset)) TH_LOG("range %zu", i);
		munmap(p, length);
		p = pool_map(dmabuf, length, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, length, SEED, offset)) TH_LOG("range %zu", i);
		munmap(p, length);
		/* Its last page alone, and not one more. */
		p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dmabuf, length - PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, PAGE, SEED, offset + length - PAGE)) TH_LOG("range %zu", i);
		munmap(p, PAGE);
		EXPECT_EQ(MAP_FAILED, pool_map(dmabuf, length + PAGE, PROT_READ));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dmabuf, length));
		EXPECT_EQ(EINVAL, errno);
		close(dmabuf);
	}
	close(fd);
}

/* Of a dma-buf of @fd itself, and of the same in the place of an importer's file, which is open for writing. */
static void expect_no_writable_mapping(struct __test_metadata *_metadata, int fd, uint64_t seed)
{
	int dmabuf = pool_export(fd, 0, BYTES, 0), importer;

	ASSERT_LE(0, dmabuf);
	importer = import(IMPORTER_HOLD, dmabuf);
	ASSERT_LE(0, importer);
	for (int i = 0; i < 2; i++) {
		int of = i ? importer : dmabuf;
		char *p;

		EXPECT_EQ(MAP_FAILED, pool_map(of, BYTES, PROT_READ | PROT_WRITE));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, of, 0));
		EXPECT_EQ(EACCES, errno);
		/* Newer kernels have dma-bufs on a mount without execution, and say EPERM before we are asked. */
		EXPECT_EQ(MAP_FAILED, pool_map(of, BYTES, PROT_READ | PROT_EXEC));
		EXPECT_TRUE(errno == EACCES || errno == EPERM);
		p = pool_map(of, BYTES, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-EACCES, result(mprotect(p, BYTES, PROT_READ | PROT_WRITE)));
		EXPECT_EQ(-EACCES, result(mprotect(p, BYTES, PROT_READ | PROT_EXEC)));
		EXPECT_EQ(-1, pattern_differs(p, BYTES, seed, 0));
		munmap(p, BYTES);
	}
	close(importer);
	close(dmabuf);
}

TEST_F(export, what_is_read_only_is_never_mapped_writable)
{
	int fd = ready(), writer;

	ASSERT_LE(0, fd);
	expect_no_writable_mapping(_metadata, fd, SEED);
	close(fd);
	ASSERT_EQ(0, pool_destroy("e"));
	/* The writer may write, but not through this. */
	writer = pool_create_loading("e", BYTES);
	ASSERT_LE(0, writer);
	ASSERT_EQ(0, pool_write_pattern(writer, 3, 0, BYTES));
	expect_no_writable_mapping(_metadata, writer, 3);
	close(writer);
}

TEST_F(export, a_device_reads_and_only_reads_a_ready_pool)
{
	struct importer_map map;
	int fd = ready(), dmabuf, importer;

	ASSERT_LE(0, fd);
	dmabuf = pool_export(fd, 0, BYTES, 0);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(-EACCES, import_map(dmabuf, IMPORTER_FROM_DEVICE));
	EXPECT_EQ(-EACCES, import_map(dmabuf, IMPORTER_BIDIRECTIONAL));
	importer = import_map_info(dmabuf, IMPORTER_TO_DEVICE, 0, &map);
	ASSERT_LE(0, importer);
	EXPECT_EQ(PAGES, map.out_pieces);
	EXPECT_EQ(HUGE, map.out_largest);
	EXPECT_EQ(-1, import_differs(self, importer, BYTES, SEED, 0));
	close(importer);
	close(dmabuf);
	EXPECT_EQ(0, exports(fd));
	close(fd);
}

/* No piece crosses a huge page or is longer than the device takes, and together they are the range. */
TEST_F(export, a_device_gets_pieces_that_it_can_take)
{
	static const struct {
		uint64_t offset, length;
		uint32_t max_segment, pieces, largest;
	} cases[] = {
		{ 0, BYTES, 0, PAGES, HUGE },
		{ 0, PAGE, 0, 1, PAGE },
		{ HUGE - PAGE, 2 * PAGE, 0, 2, PAGE },
		{ 3 * PAGE, 2 * HUGE, 0, 3, HUGE },
		{ 0, HUGE, 65536, 32, 65536 },
		{ 0, HUGE, 65535, 64, 32768 },
		{ 60 * 1024, 8192, 65536, 2, PAGE },
		{ 0, HUGE, PAGE, 512, PAGE },
		{ 0, HUGE, 512, 512, PAGE },
	};
	int fd = ready();

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int dmabuf = pool_export(fd, cases[i].offset, cases[i].length, 0), importer;
		struct importer_map map;

		ASSERT_LE(0, dmabuf);
		importer = import_map_info(dmabuf, IMPORTER_TO_DEVICE, cases[i].max_segment, &map);
		ASSERT_LE(0, importer);
		EXPECT_EQ(cases[i].pieces, map.out_pieces) TH_LOG("case %zu", i);
		EXPECT_EQ(cases[i].largest, map.out_largest) TH_LOG("case %zu", i);
		EXPECT_EQ(-1, import_differs(self, importer, cases[i].length, SEED, cases[i].offset))
			TH_LOG("case %zu", i);
		close(importer);
		close(dmabuf);
	}
	close(fd);
}

TEST_F(export, the_kernel_maps_a_ready_pool_read_only)
{
	static const uint64_t ranges[][2] = { { 0, BYTES }, { HUGE - PAGE, HUGE + 2 * PAGE } };
	int fd = ready();

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		int dmabuf = pool_export(fd, ranges[i][0], ranges[i][1], 0), importer;

		ASSERT_LE(0, dmabuf);
		importer = import(IMPORTER_VMAP, dmabuf);
		ASSERT_LE(0, importer);
		EXPECT_EQ(-1, import_differs(self, importer, ranges[i][1], SEED, ranges[i][0]));
		EXPECT_EQ(-EROFS, result(pwrite(importer, "x", 1, 0)));
		EXPECT_EQ(-EROFS, result(pwrite(importer, "x", 1, ranges[i][1] - 1)));
		close(importer);
		close(dmabuf);
	}
	close(fd);
}

TEST_F(export, several_import_the_same)
{
	int fd = ready(), dmabuf[2], importer[4];
	char *p;

	ASSERT_LE(0, fd);
	dmabuf[0] = pool_export(fd, 0, BYTES, 0);
	dmabuf[1] = pool_export(fd, HUGE, HUGE, 0);
	ASSERT_LE(0, dmabuf[0]);
	ASSERT_LE(0, dmabuf[1]);
	EXPECT_EQ(2, exports(fd));
	importer[0] = import_map(dmabuf[0], IMPORTER_TO_DEVICE);
	importer[1] = import_map(dmabuf[0], IMPORTER_TO_DEVICE);
	importer[2] = import_map(dmabuf[1], IMPORTER_TO_DEVICE);
	importer[3] = import(IMPORTER_VMAP, dmabuf[0]);
	p = pool_map(dmabuf[1], HUGE, PROT_READ);
	for (int i = 0; i < 4; i++) {
		ASSERT_LE(0, importer[i]);
		EXPECT_EQ(-1, import_differs(self, importer[i], i == 2 ? HUGE : BYTES, SEED, i == 2 ? HUGE : 0));
	}
	ASSERT_NE(MAP_FAILED, p);
	/* One that goes takes nothing from the others. */
	close(importer[0]);
	close(dmabuf[0]);
	EXPECT_EQ(2, exports(fd));
	EXPECT_EQ(-1, import_differs(self, importer[1], BYTES, SEED, 0));
	EXPECT_EQ(-1, pattern_differs(p, HUGE, SEED, HUGE));
	for (int i = 1; i < 4; i++)
		close(importer[i]);
	munmap(p, HUGE);
	close(dmabuf[1]);
	EXPECT_EQ(0, exports(fd));
	close(fd);
}

static int dmabuf_sync(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return result(ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &sync));
}

TEST_F(export, cpu_access_is_bracketed)
{
	int writer = pool_create_loading("e", BYTES), dmabuf, importer;

	ASSERT_LE(0, writer);
	for (int mapped = 0; mapped < 2; mapped++) {
		dmabuf = pool_export(writer, 0, BYTES, O_RDWR);
		ASSERT_LE(0, dmabuf);
		importer = mapped ? import_map(dmabuf, IMPORTER_BIDIRECTIONAL) : import(IMPORTER_HOLD, dmabuf);
		ASSERT_LE(0, importer);
		EXPECT_EQ(0, dmabuf_sync(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
		EXPECT_EQ(0, dmabuf_sync(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
		close(importer);
		close(dmabuf);
	}
	close(writer);
}

/* Every way to write there is: the pool has it, and cannot be committed before the way is closed. */
TEST_F(export, a_writable_one_writes_and_forbids_commit)
{
	int writer = pool_create_loading("e", BYTES), reader, dmabuf, importer;
	char *p;

	ASSERT_LE(0, writer);
	for (int way = 0; way < 4; way++) {
		dmabuf = pool_export(writer, way * HUGE, HUGE, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, dmabuf);
		EXPECT_EQ(-EBUSY, pool_commit(writer, BYTES));
		pattern_fill(self->buffer, HUGE, SEED, way * HUGE);
		importer = way == 0 ? import_map(dmabuf, IMPORTER_FROM_DEVICE) :
			   way == 1 ? import_map(dmabuf, IMPORTER_BIDIRECTIONAL) :
			   way == 2 ? import(IMPORTER_VMAP, dmabuf) :
				      import(IMPORTER_HOLD, dmabuf);
		ASSERT_LE(0, importer);
		close(dmabuf);
		if (way < 3) {
			EXPECT_EQ((ssize_t)HUGE, pwrite(importer, self->buffer, HUGE, 0)) TH_LOG("way %d", way);
		} else {
			p = pool_map(importer, HUGE, PROT_READ | PROT_WRITE);
			ASSERT_NE(MAP_FAILED, p);
			memcpy(p, self->buffer, HUGE);
			munmap(p, HUGE);
		}
		EXPECT_EQ(1, exports(writer));
		EXPECT_EQ(-EBUSY, pool_commit(writer, BYTES));
		close(importer);
		EXPECT_EQ(0, exports(writer));
	}
	ASSERT_EQ(0, pool_commit(writer, BYTES));
	reader = pool_open("e", O_RDONLY);
	ASSERT_EQ((ssize_t)BYTES, pread(reader, self->buffer, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buffer, BYTES, SEED, 0));
	close(reader);
	close(writer);
}

/* A mapping through a writable one is writable for good, and forbids commit as any such does. */
TEST_F(export, a_writable_mapping_keeps_the_export)
{
	int writer = pool_create_loading("e", BYTES), dmabuf;
	char *p;

	ASSERT_LE(0, writer);
	dmabuf = pool_export(writer, 0, BYTES, O_RDWR);
	ASSERT_LE(0, dmabuf);
	p = map_congruent(dmabuf, BYTES, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	close(dmabuf);
	pattern_fill(p, BYTES, SEED, 0);
	EXPECT_EQ(-EBUSY, pool_commit(writer, BYTES));
	ASSERT_EQ(0, mprotect(p, BYTES, PROT_READ));
	EXPECT_EQ(-EBUSY, pool_commit(writer, BYTES));
	ASSERT_EQ(0, mprotect(p, BYTES, PROT_READ | PROT_WRITE));
	munmap(p, BYTES);
	EXPECT_EQ(0, exports(writer));
	EXPECT_EQ(0, pool_commit(writer, BYTES));
	close(writer);
}

/* What only looks stands in nobody's way, and goes on looking. */
TEST_F(export, a_read_only_one_lives_through_commit)
{
	int writer = pool_create_loading("e", BYTES), dmabuf, importer, kernel;
	char *p;

	ASSERT_LE(0, writer);
	dmabuf = pool_export(writer, 0, BYTES, O_RDONLY);
	ASSERT_LE(0, dmabuf);
	importer = import_map(dmabuf, IMPORTER_TO_DEVICE);
	kernel = import(IMPORTER_VMAP, dmabuf);
	ASSERT_LE(0, importer);
	ASSERT_LE(0, kernel);
	EXPECT_EQ(-EROFS, result(pwrite(kernel, "x", 1, 0)));
	p = pool_map(dmabuf, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	ASSERT_EQ(0, pool_write_pattern(writer, SEED, 0, BYTES));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	ASSERT_EQ(0, pool_commit(writer, BYTES));
	close(writer);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	EXPECT_EQ(-1, import_differs(self, importer, BYTES, SEED, 0));
	EXPECT_EQ(-1, import_differs(self, kernel, BYTES, SEED, 0));
	munmap(p, BYTES);
	close(kernel);
	close(importer);
	close(dmabuf);
}

/*
 * A load ends of which there is an export, by its writer's will if @ask, else with his file: mappings are empty, and
 * nobody loads before the export is closed.
 */
static void aborted(struct __test_metadata *_metadata, FIXTURE_DATA(export) * self, bool write, bool ask)
{
	int writer = pool_create_loading("e", BYTES), next, dmabuf, importer;
	char *p;

	ASSERT_LE(0, writer);
	next = pool_open("e", O_RDWR);
	ASSERT_LE(0, next);
	ASSERT_EQ(0, pool_write_pattern(writer, SEED, 0, BYTES));
	dmabuf = pool_export(writer, 0, BYTES, write ? O_RDWR : O_RDONLY);
	ASSERT_LE(0, dmabuf);
	importer = import_map(dmabuf, write ? IMPORTER_BIDIRECTIONAL : IMPORTER_TO_DEVICE);
	ASSERT_LE(0, importer);
	p = pool_map(dmabuf, BYTES, PROT_READ | (write ? PROT_WRITE : 0));
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));

	if (ask) {
		EXPECT_EQ(0, pool_abort(writer));
	}
	close(writer);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(next));
	EXPECT_TRUE(bus_at(p, write));
	EXPECT_TRUE(bus_at(p + BYTES - 1, false));
	EXPECT_EQ(MAP_FAILED, pool_map(dmabuf, BYTES, PROT_READ));
	EXPECT_EQ(ENODATA, errno);
	EXPECT_EQ(-ENODATA, pool_export(next, 0, BYTES, 0));
	/* Nobody takes from a device what it has. */
	EXPECT_EQ(-1, import_differs(self, importer, BYTES, SEED, 0));
	if (write) {
		EXPECT_EQ(3, pwrite(importer, "old", 3, 0));
	}

	EXPECT_EQ(-EBUSY, pool_begin(next));
	close(importer);
	EXPECT_EQ(-EBUSY, pool_begin(next));
	close(dmabuf);
	/* The mapping holds the dma-buf. */
	EXPECT_EQ(-EBUSY, pool_begin(next));
	munmap(p, BYTES);
	EXPECT_EQ(0, exports(next));
	ASSERT_EQ(0, pool_begin(next));
	p = pool_map(next, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	munmap(p, BYTES);
	close(next);
	ASSERT_EQ(0, pool_destroy("e"));
}

TEST_F(export, a_read_only_one_of_a_load_that_was_given_up)
{
	aborted(_metadata, self, false, true);
}

TEST_F(export, a_writable_one_of_a_load_that_was_given_up)
{
	aborted(_metadata, self, true, true);
}

TEST_F(export, a_read_only_one_of_a_writer_who_is_gone)
{
	aborted(_metadata, self, false, false);
}

TEST_F(export, a_writable_one_of_a_writer_who_is_gone)
{
	aborted(_metadata, self, true, false);
}

struct committer {
	int fd, ret;
};

static void *commit_thread(void *arg)
{
	struct committer *c = arg;

	c->ret = pool_commit(c->fd, BYTES);
	return NULL;
}

/* A pinned page makes commit wait for a tenth of a second before it gives up. */
TEST_F(export, none_that_is_writable_while_a_commit_is_under_way)
{
	struct committer c = { .fd = pool_create_loading("e", BYTES) };
	int pipe_fd[2], busy = 0, fine = 0;
	struct iovec iov;
	pthread_t thread;
	char *p;

	ASSERT_LE(0, c.fd);
	ASSERT_EQ(0, pipe(pipe_fd));
	p = pool_map(c.fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	*p = 1;
	iov = (struct iovec){ p, PAGE };
	ASSERT_EQ((ssize_t)PAGE, vmsplice(pipe_fd[1], &iov, 1, 0));
	munmap(p, BYTES);
	for (int round = 0; round < 50 && !busy; round++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, commit_thread, &c));
		for (int i = 0; i < 100 && !busy; i++) {
			int dmabuf = pool_export(c.fd, 0, PAGE, O_RDWR);

			busy += dmabuf == -EBUSY;
			EXPECT_TRUE(dmabuf >= 0 || dmabuf == -EBUSY);
			close(dmabuf);
			if (busy) {
				dmabuf = pool_export(c.fd, 0, PAGE, O_RDONLY);
				fine += dmabuf >= 0;
				close(dmabuf);
			}
			sleep_us(1000);
		}
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(-EBUSY, c.ret);
	}
	EXPECT_EQ(1, busy);
	EXPECT_EQ(1, fine);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	EXPECT_EQ(0, pool_commit(c.fd, BYTES));
	close(c.fd);
}

TEST_F(export, the_pool_grows_but_does_not_shrink_under_it)
{
	int writer = pool_create_loading("e", BYTES), dmabuf, importer;

	ASSERT_LE(0, writer);
	ASSERT_EQ(0, pool_write_pattern(writer, SEED, 0, BYTES));
	dmabuf = pool_export(writer, 0, HUGE, O_RDONLY);
	ASSERT_LE(0, dmabuf);
	importer = import_map(dmabuf, IMPORTER_TO_DEVICE);
	ASSERT_LE(0, importer);
	EXPECT_EQ(-EBUSY, pool_resize(writer, BYTES - HUGE));
	EXPECT_EQ(0, pool_resize(writer, 2 * BYTES));
	EXPECT_EQ(-1, import_differs(self, importer, HUGE, SEED, 0));
	close(importer);
	close(dmabuf);
	EXPECT_EQ(0, pool_resize(writer, HUGE));
	EXPECT_EQ(-EINVAL, pool_export(writer, HUGE, HUGE, O_RDONLY));
	close(writer);
}

TEST_F(export, a_pool_that_is_exported_does_not_give_way)
{
	int fd = ready(), dmabuf;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_set_eviction(fd, true, 0));
	dmabuf = pool_export(fd, 0, PAGE, 0);
	ASSERT_LE(0, dmabuf);
	close(fd);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "8"));
	EXPECT_EQ(-ENOSPC, pool_create("f", HUGE));
	EXPECT_EQ(0, access("/dev/pinpool/e", F_OK));
	close(dmabuf);
	EXPECT_EQ(0, pool_create("f", HUGE));
	EXPECT_EQ(-1, access("/dev/pinpool/e", F_OK));
	EXPECT_EQ(0, pool_destroy("f"));
}

/* Passes a dma-buf of "e" through a socket and waits to be killed. */
static void export_and_wait(int socket, bool load)
{
	int fd = load ? pool_open_loading("e") : pool_open("e", O_RDONLY);
	int dmabuf = pool_export(fd, 0, BYTES, load ? O_RDWR : O_RDONLY);

	if (fd < 0 || dmabuf < 0 || send_fd(socket, dmabuf))
		_exit(1);
	close(dmabuf);
	for (;;)
		pause();
}

TEST_F(export, outlives_its_maker_and_the_name)
{
	struct pinpool_module_info info;
	int socket[2], dmabuf, importer, status;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, pool_create_ready("e", BYTES, SEED));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socket));
	pid = fork();
	if (pid == 0)
		export_and_wait(socket[1], false);
	dmabuf = receive_fd(socket[0]);
	ASSERT_LE(0, dmabuf);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, pool_destroy("e"));
	/* The name is free for another. */
	ASSERT_EQ(0, pool_create_ready("e", HUGE, SEED + 1));
	ASSERT_EQ(0, pool_destroy("e"));

	importer = import_map(dmabuf, IMPORTER_TO_DEVICE);
	ASSERT_LE(0, importer);
	p = map_congruent(dmabuf, BYTES, 0, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	close(dmabuf);
	EXPECT_EQ(-1, import_differs(self, importer, BYTES, SEED, 0));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(BYTES, info.out_used_bytes);
	EXPECT_EQ(0, info.out_pools);
	munmap(p, BYTES);
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(BYTES, info.out_used_bytes);
	close(importer);
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
	close(socket[0]);
	close(socket[1]);
}

TEST_F(export, a_writer_that_is_killed_leaves_it_behind)
{
	int socket[2], fd, dmabuf, importer, status;
	pid_t pid;

	ASSERT_EQ(0, pool_create("e", BYTES));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socket));
	pid = fork();
	if (pid == 0)
		export_and_wait(socket[1], true);
	dmabuf = receive_fd(socket[0]);
	ASSERT_LE(0, dmabuf);
	importer = import_map(dmabuf, IMPORTER_BIDIRECTIONAL);
	ASSERT_LE(0, importer);
	fd = pool_open("e", O_RDWR);
	ASSERT_LE(0, fd);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(fd));
	EXPECT_EQ(4, pwrite(importer, "late", 4, HUGE));
	EXPECT_EQ(-EBUSY, pool_begin(fd));
	close(dmabuf);
	close(importer);
	ASSERT_EQ(0, pool_begin(fd));
	ASSERT_EQ((ssize_t)BYTES, pread(fd, self->buffer, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buffer, BYTES));
	close(fd);
	close(socket[0]);
	close(socket[1]);
}

/* An unused export holds back the unloading of the module like a pool. */
TEST_F(export, the_module_stays_while_there_is_one)
{
	int fd = ready(), dmabuf;

	ASSERT_LE(0, fd);
	dmabuf = pool_export(fd, 0, BYTES, 0);
	ASSERT_LE(0, dmabuf);
	close(fd);
	ASSERT_EQ(0, pool_destroy("e"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	close(dmabuf);
	EXPECT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load(""));
}

static uint64_t huge_pages(int fd)
{
	struct pinpool_pool_info info;

	return pool_info(fd, &info) ? UINT64_MAX : info.out_huge_pages;
}

TEST_F(export, of_a_pool_on_demand_has_its_pages)
{
	int fd, dmabuf, importer;

	ASSERT_EQ(0, pool_create_flags("e", BYTES, PINPOOL_CREATE_ON_DEMAND));
	fd = pool_open_loading("e");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_write_pattern(fd, SEED, 0, HUGE));
	ASSERT_EQ(0, pool_commit(fd, BYTES));
	EXPECT_EQ(1, huge_pages(fd));
	dmabuf = pool_export(fd, HUGE - PAGE, 2 * PAGE, 0);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(2, huge_pages(fd));
	importer = import_map(dmabuf, IMPORTER_TO_DEVICE);
	ASSERT_LE(0, importer);
	ASSERT_EQ((ssize_t)(2 * PAGE), pread(importer, self->buffer, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buffer, PAGE, SEED, HUGE - PAGE));
	EXPECT_EQ(-1, nonzero_at(self->buffer + PAGE, PAGE));
	close(importer);
	close(dmabuf);
	close(fd);
}

/* All or nothing is the dma-buf; the pages it got are there as after a touch. */
TEST_F(export, of_a_pool_on_demand_without_room)
{
	struct pinpool_pool_info info;
	int fd, dmabuf;

	ASSERT_EQ(0, pool_create_flags("e", BYTES, PINPOOL_CREATE_ON_DEMAND));
	fd = pool_open_loading("e");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "4"));
	EXPECT_EQ(-ENOSPC, pool_export(fd, 0, BYTES, O_RDWR));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(2, info.out_huge_pages);
	EXPECT_EQ(1, info.out_failed_allocs);
	EXPECT_EQ(0, info.out_exports);
	/* Nothing of it forbids commit. */
	EXPECT_EQ(0, pool_commit(fd, BYTES));
	dmabuf = pool_export(fd, 0, 2 * HUGE, 0);
	EXPECT_LE(0, dmabuf);
	close(dmabuf);
	close(fd);
}

TEST_HARNESS_MAIN
