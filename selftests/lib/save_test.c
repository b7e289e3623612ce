// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Saving by the library: what a file says that is made anew, what is told on the way, what is refused and leaves nothing. */
#define ENV_PAGES 40
#include "checkpoints.h"
#include "format/safetensors_writer.h"
#include "harness.h"
#include "npy_case.h"
#include "pool_env.h"
#include "stand_in.h"

#include <dirent.h>
#include <errno.h>
#include <pinpool/save.h>
#include <stdarg.h>
#include <sys/resource.h>

#define POOL "save-test"

/* A file system on which every file has a name. */
static bool no_unnamed_files;

int open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (no_unnamed_files && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return NEXT(open64)(path, flags, mode);
}

FIXTURE(save)
{
	struct pool_env env;
	struct pinpool_diag diag;
	struct pinpool_pool *pool;
	char folder[PATH_MAX];
};

FIXTURE_VARIANT(save)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(save, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(save, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);

FIXTURE_SETUP(save)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
}

FIXTURE_TEARDOWN_PARENT(save)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define T(name, dtype, shape, begin, end)                                                                              \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

/* Loads the file @name of the folder and opens the pool. */
#define LOAD(name)                                                                                                     \
	do {                                                                                                           \
		ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, in_folder(self->folder, name), NULL, NULL, &self->diag)) \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));            \
	} while (0)

#define EXPECT_SAVE(err, name, opts, report, text)                                                                     \
	do {                                                                                                           \
		memset(&self->diag, 0, sizeof(self->diag));                                                            \
		EXPECT_EQ(err,                                                                                         \
			  pinpool_save(self->pool, in_folder(self->folder, name), opts, report, &self->diag));         \
		EXPECT_TRUE(strstr(self->diag.object, text) || strstr(self->diag.cause, text))                         \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
	} while (0)

static int entries(const char *folder)
{
	DIR *dir = opendir(folder);
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static uint8_t *read_whole(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0 || fstat(fd, &st))
		exit(1);
	data = calloc(1, (size_t)st.st_size + 1);
	*bytes = (size_t)read(fd, data, (size_t)st.st_size);
	close(fd);
	return data;
}

/* What is in @folder that is called as a file in the making is. */
static int temporaries(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *at;
	int count = 0;

	while ((at = readdir(dir)))
		count += !strncmp(at->d_name, ".pinpool-save.", 14);
	closedir(dir);
	return count;
}

struct watch {
	const char *folder; /* to look into, or NULL */
	int temporaries; /* most there were */
	unsigned int calls;
	uint64_t done;
	uint64_t total;
	unsigned int cancel_at;
};

static int watch(void *arg, const struct pinpool_progress *progress)
{
	struct watch *seen = arg;

	seen->done = progress->done;
	seen->total = progress->total;
	if (seen->folder && temporaries(seen->folder) > seen->temporaries)
		seen->temporaries = temporaries(seen->folder);
	return ++seen->calls == seen->cancel_at;
}

#define BIG 40000000

TEST_F(save, a_large_file_comes_back_in_steps_that_are_told)
{
	struct pinpool_save_report report = {.size = sizeof(report)};
	struct watch seen = {0};
	PINPOOL_OPTS(pinpool_save_opts, opts, .progress = watch, .progress_arg = &seen);
	uint8_t *in, *out;
	size_t a, b;

	/* Its header is not what this library would write. */
	write_safetensors(in_folder(self->folder, "m"), "{" T("z", "U8", "[40000000]", 0, 40000000) " ,\"__metadata__\":{} }",
			  BIG);
	LOAD("m");
	EXPECT_SAVE(0, "out", &opts, &report, "");
	in = read_whole(in_folder(self->folder, "m"), &a);
	out = read_whole(in_folder(self->folder, "out"), &b);
	ASSERT_EQ(a, b);
	EXPECT_EQ(0, memcmp(in, out, a));
	EXPECT_TRUE(report.identical);
	EXPECT_EQ(a, report.bytes);
	EXPECT_EQ(1, report.files);
	EXPECT_EQ(1, report.tensors);
	EXPECT_GT(report.elapsed_ns, 0);
	/* Before each of three writes and at the end. */
	EXPECT_EQ(4, seen.calls);
	EXPECT_EQ(a, seen.done);
	EXPECT_EQ(a, seen.total);
	free(in);
	free(out);

	/* Cancelled at any of them, nothing is left. */
	for (unsigned int at = 1; at <= 4; at++) {
		seen = (struct watch){.cancel_at = at};
		EXPECT_SAVE(-ECANCELED, "cancelled", &opts, NULL, "cancelled");
		EXPECT_EQ(2, entries(self->folder));
	}
	{
		const volatile int cancel = 1;

		opts.cancel = &cancel;
		EXPECT_SAVE(-ECANCELED, "cancelled", &opts, NULL, "cancelled");
		EXPECT_EQ(2, entries(self->folder));
	}
	pinpool_pool_close(self->pool);
}

/* A file has no name until it is whole, where that is possible; else one of its own. Either way it gets the right one. */
TEST_F(save, a_file_in_the_making_has_no_name)
{
	struct watch seen = {.folder = self->folder};
	PINPOOL_OPTS(pinpool_save_opts, opts, .progress = watch, .progress_arg = &seen);
	struct rlimit limit;
	uint8_t *out;
	size_t n;
	int fd;

	fd = open(self->folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		SKIP(return, "no files without a name where tests have theirs");
	close(fd);
	write_safetensors(in_folder(self->folder, "m"), "{" T("a", "U8", "[3]", 0, 3) "}", 3);
	LOAD("m");
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	/* Without a name; by one, on another file system; by one, since one more file would be too many. */
	for (int way = 0; way < 3; way++) {
		/* The next that is open is in the upper half. */
		struct rlimit low = {.rlim_cur = 2 * (rlim_t)fd, .rlim_max = limit.rlim_max};

		no_unnamed_files = way == 1;
		for (int force = 0; force < 2; force++) {
			write_file(in_folder(self->folder, "out"), "other", 5);
			if (!force)
				EXPECT_EQ(0, unlink(in_folder(self->folder, "out")));
			opts.force = force;
			seen.temporaries = 0;
			if (way == 2)
				ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &low));
			EXPECT_SAVE(0, "out", &opts, NULL, "");
			ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
			EXPECT_EQ(way ? 1 : 0, seen.temporaries);
			EXPECT_EQ(0, temporaries(self->folder));
			out = read_whole(in_folder(self->folder, "out"), &n);
			EXPECT_EQ(8 + strlen("{" T("a", "U8", "[3]", 0, 3) "}") + 3, n);
			free(out);
		}
		opts.force = false;
		EXPECT_SAVE(-EEXIST, "out", &opts, NULL, "is there already");
		EXPECT_EQ(2, entries(self->folder));
	}
	no_unnamed_files = false;
	pinpool_pool_close(self->pool);
}

TEST_F(save, metadata_is_kept_where_all_files_agree_and_never_invented)
{
	static const char *const a[] = {"a"}, *const both[] = {"a", "b"};
	static const char index[] = "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\"}}";
	PINPOOL_OPTS(pinpool_save_opts, opts, .tensors = a, .tensor_count = 1, .force = true);
	uint8_t *out;
	size_t n;

	write_safetensors(in_folder(self->folder, "1.safetensors"), "{\"__metadata__\":{\"k\":\"1\"}," T("a", "U8", "[1]", 0, 1) "}", 1);
	write_safetensors(in_folder(self->folder, "2.safetensors"),
			  "{\"__metadata__\":{\"k\":\"2\"}," T("b", "U8", "[1]", 0, 1) "," T("c", "U8", "[1]", 1, 2) "}", 2);
	write_file(in_folder(self->folder, "i.json"), index, strlen(index));
	LOAD("i.json");
	EXPECT_SAVE(0, "out", &opts, NULL, "");
	out = read_whole(in_folder(self->folder, "out"), &n);
	EXPECT_NE(NULL, strstr((char *)out + 8, "{\"__metadata__\":{\"k\":\"1\"},\"a\":{"));
	free(out);
	opts.tensors = both;
	opts.tensor_count = 2;
	EXPECT_SAVE(0, "out", &opts, NULL, "");
	out = read_whole(in_folder(self->folder, "out"), &n);
	EXPECT_EQ(NULL, strstr((char *)out + 8, "metadata"));
	EXPECT_NE(NULL, strstr((char *)out + 8, "\"b\":{"));
	free(out);
	pinpool_pool_close(self->pool);
}

TEST_F(save, names_and_types_that_the_format_does_not_have_are_refused)
{
	uint8_t npy[256];

	write_file(in_folder(self->folder, "__metadata__.npy"), npy, make_npy(npy, 1, NPY_HEADER("'<f4'", "False", "(2,)"), 8));
	LOAD("__metadata__.npy");
	EXPECT_SAVE(-EOPNOTSUPP, "out", NULL, NULL, "tensor __metadata__");
	EXPECT_EQ(1, entries(self->folder));
	pinpool_pool_close(self->pool);
}

TEST_F(save, pools_that_hold_no_checkpoint_are_refused)
{
	ASSERT_EQ(0, env_make_ready(&self->env, POOL, 1, 7));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));
	EXPECT_SAVE(-ENOENT, "out", NULL, NULL, "without a catalog");
	pinpool_pool_close(self->pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	ASSERT_EQ(0, env_create(&self->env, POOL, 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));
	EXPECT_SAVE(-ENODATA, "out", NULL, NULL, POOL);
	EXPECT_EQ(0, entries(self->folder));
	pinpool_pool_close(self->pool);
}

TEST(a_file_is_known_by_its_header)
{
	static const char good[] = "{" T("a", "U8", "[3]", 0, 3) "," T("b", "U8", "[2]", 3, 5) "}";
	const size_t length = sizeof(good) - 1;
	char file[256] = {(char)length};
	struct pinpool_source source = {.format = "safetensors", .offset = 4096, .bytes = 8 + length + 5};
	struct pinpool_tensor tensors[] = {{.offset = 4104 + length, .bytes = 3}, {.offset = 4107 + length, .bytes = 2}};
	json_t *header;

	memcpy(file + 8, good, length);
	header = safetensors_find_header(&source, file, tensors, 2);
	EXPECT_NE(NULL, header);
	json_decref(header);

#define EXPECT_NO_HEADER(change, back)                                                                                 \
	do {                                                                                                           \
		change;                                                                                                \
		EXPECT_EQ(NULL, safetensors_find_header(&source, file, tensors, 2));                                   \
		back;                                                                                                  \
	} while (0)
	EXPECT_NO_HEADER(source.format = "npy", source.format = "safetensors");
	/* Bytes that no tensor has, at the end, between and in the length. */
	EXPECT_NO_HEADER(source.bytes++, source.bytes--);
	EXPECT_NO_HEADER(tensors[1].offset++, tensors[1].offset--);
	EXPECT_NO_HEADER(file[0]--, file[0]++);
	EXPECT_NO_HEADER(file[7] = 1, file[7] = 0);
	EXPECT_NO_HEADER(source.bytes = 7, source.bytes = 8 + length + 5);
	EXPECT_NO_HEADER(file[8] = '[', file[8] = '{');
	/* It tells of others than the catalog. */
	tensors[0].bytes = 5;
	EXPECT_EQ(NULL, safetensors_find_header(&source, file, tensors, 1));
}

TEST_F(save, options_and_reports_of_other_sizes_are_refused)
{
	struct pinpool_save_report report = {0};
	struct {
		struct pinpool_save_opts opts;
		uint64_t newer;
	} newer = {{.size = sizeof(newer)}, 1};

	write_safetensors(in_folder(self->folder, "m"), "{}", 0);
	LOAD("m");
	EXPECT_SAVE(-E2BIG, "out", &newer.opts, NULL, "does not know");
	EXPECT_SAVE(-EINVAL, "out", NULL, &report, "size is not set");
	EXPECT_EQ(1, entries(self->folder));
	/* A file without tensors is one, too. */
	EXPECT_SAVE(0, "out", NULL, NULL, "");
	EXPECT_EQ(2, entries(self->folder));
	pinpool_pool_close(self->pool);
}

TEST_HARNESS_MAIN
