// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The page cache: a file that is all there is read out of it, any other past it, and what was not there before is not
 * there afterwards.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool/ctx.h"
#include "stream/stream.h"

#include <fcntl.h>
#include <sys/mman.h>

/* What is worth a look, and not a multiple of anything. */
#define FILE_BYTES ((16u << 20) + 4096u * 3 + 5)
#define MEMORY	   (FILE_BYTES / 4096u * 4096u + 4096u)

FIXTURE(cache)
{
	char folder[PATH_MAX];
	const char *path;
	uint8_t *content;
	uint8_t *memory;
	struct pinpool_ctx ctx;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct stream_result result;
};

FIXTURE_SETUP(cache)
{
	memset(&self->ctx, 0, sizeof(self->ctx));
	self->opts = (struct pinpool_load_opts){ .size = sizeof(self->opts), .no_digest = true };
	make_folder(self->folder);
	self->path = strdup(in_folder(self->folder, "file"));
	self->content = make_pattern(1, 0, FILE_BYTES);
	write_file(self->path, self->content, FILE_BYTES);
	self->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(cache)
{
	munmap(self->memory, MEMORY);
	free(self->content);
	free((void *)self->path);
	remove_folder(self->folder);
}

/* Writes the file to the disk and takes all of it out of the page cache. False: it does not leave. */
static bool drop(const char *path)
{
	struct source source;
	int fd = open(path, O_RDONLY);
	bool gone;

	if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		abort();
	close(fd);
	if (source_open(&source, path, NULL))
		abort();
	gone = source.cache == SOURCE_CACHE_NONE;
	source_close(&source);
	return gone;
}

static enum source_cache there(const char *path)
{
	enum source_cache cache;
	struct source source;

	if (source_open(&source, path, NULL))
		abort();
	cache = source.cache;
	source.keep_cache = true;
	source_close(&source);
	return cache;
}

/* Brings [@from, @to) there. */
static void bring(const char *path, uint64_t from, uint64_t to)
{
	int fd = open(path, O_RDONLY);
	char *buf = malloc(to - from);

	if (fd < 0 || !buf || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) ||
	    pread(fd, buf, to - from, (off_t)from) != (ssize_t)(to - from))
		abort();
	free(buf);
	close(fd);
}

/* Streams the file into memory. Returns what the engine does. */
static int stream(struct __test_metadata *_metadata, FIXTURE_DATA(cache) *self)
{
	struct source source;
	struct stream_file file = { .source = &source };
	struct stream_job job = {
		.ctx = &self->ctx,
		.base = self->memory,
		.pool = -1,
		.capacity = MEMORY,
		.files = &file,
		.count = 1,
		.opts = &self->opts,
	};
	int err;

	memset(self->memory, 0, MEMORY);
	ASSERT_EQ(0, source_open(&source, self->path, NULL));
	err = stream_run(&job, &self->result, &self->diag);
	EXPECT_EQ(0, memcmp(self->memory, self->content, FILE_BYTES));
	source_close(&source);
	return err;
}

TEST_F(cache, all_of_a_file_there_is_copied_from_there)
{
	ASSERT_EQ(SOURCE_CACHE_ALL, there(self->path));
	ASSERT_EQ(0, stream(_metadata, self));
	EXPECT_FALSE(self->result.direct);
	EXPECT_EQ(SOURCE_CACHE_ALL, there(self->path));
}

TEST_F(cache, a_file_not_there_is_read_past_it_and_leaves_nothing_there)
{
	if (!drop(self->path))
		SKIP(return, "pages of the file stay in the page cache");
	ASSERT_EQ(0, stream(_metadata, self));
	EXPECT_TRUE(self->result.direct);
	EXPECT_EQ(SOURCE_CACHE_NONE, there(self->path));
}

TEST_F(cache, some_of_a_file_there_is_not_enough_and_stays)
{
	if (!drop(self->path))
		SKIP(return, "pages of the file stay in the page cache");
	bring(self->path, 0, FILE_BYTES / 2);
	ASSERT_EQ(SOURCE_CACHE_SOME, there(self->path));
	ASSERT_EQ(0, stream(_metadata, self));
	EXPECT_TRUE(self->result.direct);
	EXPECT_EQ(SOURCE_CACHE_SOME, there(self->path));
}

TEST_F(cache, what_was_read_through_it_leaves)
{
	struct source source;

	if (!drop(self->path))
		SKIP(return, "pages of the file stay in the page cache");
	ASSERT_EQ(0, source_open(&source, self->path, NULL));
	bring(self->path, 0, FILE_BYTES);
	EXPECT_EQ(SOURCE_CACHE_ALL, source_look_at_cache(&source));
	source_close(&source);
	EXPECT_EQ(SOURCE_CACHE_NONE, there(self->path));
}

TEST_F(cache, who_asks_for_it_finds_the_file_there)
{
	if (!drop(self->path))
		SKIP(return, "pages of the file stay in the page cache");
	self->opts.buffered = true;
	ASSERT_EQ(0, stream(_metadata, self));
	EXPECT_FALSE(self->result.direct);
	EXPECT_EQ(SOURCE_CACHE_ALL, there(self->path));
}

TEST_F(cache, a_small_file_there_is_read_from_the_disk)
{
	if (!drop(self->path))
		SKIP(return, "pages of the file stay in the page cache");
	write_file(self->path, self->content, 4096);
	ASSERT_EQ(SOURCE_CACHE_ALL, there(self->path));
	memset(self->content + 4096, 0, FILE_BYTES - 4096);
	ASSERT_EQ(0, stream(_metadata, self));
	EXPECT_TRUE(self->result.direct);
}

/* Nobody who may not know is told that all is there. */
TEST_F(cache, others_than_the_owner_do_not_know)
{
	int status;
	pid_t child;

	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	ASSERT_EQ(0, chmod(self->path, 0644));
	child = fork();
	if (!child) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(there(self->path) != SOURCE_CACHE_UNKNOWN);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
