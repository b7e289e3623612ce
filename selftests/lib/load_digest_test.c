// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * SHA-256 that a load makes on request, and lists of digests that it is held to: what is right is published with it,
 * what differs is named and nothing is published.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool/catalog_layout.h"
#include "pool_env.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pinpool/catalog.h>
#include <sys/mman.h>
#include <xxhash.h>

#define POOL "load-digest"

/* Tensors that meet, an empty one, one of several requests, and a header of odd length. */
#define HEADER(a, b)                                                                                                   \
	"{\"" a "\":{\"dtype\":\"U8\",\"shape\":[300001],\"data_offsets\":[0,300001]},"                                \
	"\"" a ".none\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[300001,300001]},"                           \
	"\"" b "\":{\"dtype\":\"U8\",\"shape\":[199999],\"data_offsets\":[300001,500000]}}"
#define DATA	500000
#define DATA_AT (8 + sizeof(HEADER("one", "two")) - 1)

FIXTURE(digest)
{
	struct pool_env env;
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
	struct pinpool_info info;
	struct pinpool_load_opts opts;
	struct pinpool_load_report report;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	char list[PATH_MAX];
};

FIXTURE_VARIANT(digest)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(digest, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(digest, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(digest)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	self->info.size = sizeof(self->info);
	self->report.size = sizeof(self->report);
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts), .chunk_bytes = 65536};
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	snprintf(self->list, sizeof(self->list), "%s", in_folder(self->folder, "list"));
	write_safetensors(self->file, HEADER("one", "two"), DATA);
}

FIXTURE_TEARDOWN_PARENT(digest)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

static const char *hex(const uint8_t *digest, size_t bytes)
{
	static char texts[8][2 * PINPOOL_SHA256_BYTES + 1];
	static unsigned int next;
	char *text = texts[next++ % 8];

	for (size_t i = 0; i < bytes; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	return text;
}

static const char *sha256_of(const void *data, size_t bytes)
{
	uint8_t digest[PINPOOL_SHA256_BYTES];

	return EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL) ? hex(digest, sizeof(digest)) : "";
}

static const char *xxh3_of(const void *data, size_t bytes)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return hex(canonical.digest, sizeof(canonical.digest));
}

static uint8_t *read_all(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data = malloc(1 << 20);

	*bytes = (size_t)read(fd, data, 1 << 20);
	close(fd);
	return data;
}

static int load(FIXTURE_DATA(digest) * self, const char *path)
{
	memset(&self->diag, 0, sizeof(self->diag));
	return pinpool_load(self->env.ctx, POOL, path, &self->opts, &self->report, &self->diag);
}

static int open_pool(FIXTURE_DATA(digest) * self)
{
	int err = pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, &self->diag);

	if (!err)
		err = pinpool_pool_get_info(self->pool, &self->info);
	return err ? err : pinpool_catalog_open(self->pool, &self->catalog, &self->diag);
}

static void close_pool(FIXTURE_DATA(digest) * self)
{
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	pinpool_pool_destroy(self->env.ctx, POOL, NULL);
}

TEST_F(digest, sha256_is_made_of_what_was_asked_for)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	uint8_t *file;
	size_t bytes;

	file = read_all(self->file, &bytes);
	for (enum pinpool_sha256 what = PINPOOL_SHA256_NONE; what <= PINPOOL_SHA256_FILES; what++) {
		for (int digests = 0; digests < 2; digests++) {
			self->opts.sha256 = what;
			self->opts.no_digest = !digests;
			ASSERT_EQ(0, load(self, self->file))
			{
				TH_LOG("%s: %s", self->diag.object, self->diag.cause);
			}
			ASSERT_EQ(0, open_pool(self));
			ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
			EXPECT_EQ(what == PINPOOL_SHA256_ALL || what == PINPOOL_SHA256_FILES, source.has_sha256);
			if (source.has_sha256)
				EXPECT_STREQ(sha256_of(file, bytes), hex(source.sha256, sizeof(source.sha256)));
			EXPECT_EQ(digests, source.has_digest);
			EXPECT_EQ(digests, source.has_rest_digest);
			if (digests)
				EXPECT_STREQ(xxh3_of(file, DATA_AT), hex(source.rest_digest, PINPOOL_DIGEST_BYTES));
			for (size_t i = 0; !pinpool_catalog_tensor(self->catalog, i, &tensor); i++) {
				EXPECT_EQ(what == PINPOOL_SHA256_ALL || what == PINPOOL_SHA256_TENSORS,
					  tensor.has_sha256);
				if (tensor.has_sha256)
					EXPECT_STREQ(sha256_of(file + tensor.offset, tensor.bytes),
						     hex(tensor.sha256, sizeof(tensor.sha256)));
			}
			close_pool(self);
		}
	}
	self->opts.sha256 = PINPOOL_SHA256_FILES + 1;
	EXPECT_EQ(-EINVAL, load(self, self->file));
	free(file);
}

TEST_F(digest, sha256_of_shards)
{
	static const char index[] = "{\"weight_map\":{\"a\":\"1.safetensors\",\"a.none\":\"1.safetensors\","
				    "\"b\":\"1.safetensors\",\"c\":\"2.safetensors\",\"c.none\":\"2.safetensors\","
				    "\"d\":\"2.safetensors\"}}";
	PINPOOL_OPTS(pinpool_verify_opts, opts, .sha256 = true);
	struct pinpool_verify_report report = {.size = sizeof(report)};
	struct pinpool_source source = {.size = sizeof(source)};
	uint8_t *file;
	size_t bytes;

	unlink(self->file);
	write_safetensors(in_folder(self->folder, "1.safetensors"), HEADER("a", "b"), DATA);
	write_safetensors(in_folder(self->folder, "2.safetensors"), HEADER("c", "d"), DATA);
	write_file(in_folder(self->folder, "model.safetensors.index.json"), index, sizeof(index) - 1);
	self->opts.sha256 = PINPOOL_SHA256_ALL;
	for (self->opts.io = PINPOOL_IO_AUTO; self->opts.io <= PINPOOL_IO_PREAD; self->opts.io += PINPOOL_IO_PREAD) {
		ASSERT_EQ(0, load(self, self->folder));
		ASSERT_EQ(0, open_pool(self));
		for (size_t i = 0; i < 2; i++) {
			ASSERT_EQ(0, pinpool_catalog_source(self->catalog, i, &source));
			file = read_all(source.path, &bytes);
			EXPECT_STREQ(sha256_of(file, bytes), hex(source.sha256, sizeof(source.sha256)));
			free(file);
		}
		EXPECT_EQ(0, pinpool_verify(self->pool, &opts, &report, &self->diag));
		EXPECT_EQ(8, report.sha256);
		close_pool(self);
	}
}

/* A READY pool's file from behind, writable, and what is to be changed there. */
struct behind {
	char *base;
	struct catalog_footer *footer;
	struct catalog_header *header;
};

static int look_behind(FIXTURE_DATA(digest) * self, struct behind *behind)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pinpool_pool_fd(self->pool));
	chmod(path, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	behind->base = mmap(NULL, self->info.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (behind->base == MAP_FAILED)
		return -1;
	behind->footer = (struct catalog_footer *)(behind->base + self->info.capacity - CATALOG_FOOTER_BYTES);
	behind->header = (struct catalog_header *)(behind->base + behind->footer->catalog_offset);
	return 0;
}

static void *section_of(const struct behind *behind, enum catalog_section_type type)
{
	char *at = (char *)behind->header;
	struct catalog_section *section = (struct catalog_section *)(at + behind->header->header_bytes);

	for (uint32_t i = 0; i < behind->header->section_count; i++)
		if (section[i].type == type)
			return at + section[i].offset;
	return NULL;
}

static void store_xxh3(const void *data, size_t bytes, uint8_t out[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	memcpy(out, canonical.digest, sizeof(canonical.digest));
}

static void sum(const struct behind *behind)
{
	struct catalog_footer *footer = behind->footer;

	store_xxh3(behind->header, footer->catalog_bytes, footer->digest);
	footer->checksum = XXH3_64bits(footer, offsetof(struct catalog_footer, checksum));
}

/* Content and catalog agree, with each other and not with what was committed. */
TEST_F(digest, a_catalog_of_other_content_is_not_believed)
{
	struct pinpool_verify_report report = {.size = sizeof(report)};
	struct catalog_tensor *tensors;
	struct catalog_source *sources;
	struct behind behind;

	ASSERT_EQ(0, load(self, self->file));
	ASSERT_EQ(0, open_pool(self));
	if (self->env.backend == PINPOOL_BACKEND_MODULE)
		SKIP(return, "nobody can write to a READY pool of the module");
	ASSERT_EQ(0, look_behind(self, &behind));
	tensors = section_of(&behind, CATALOG_TENSORS);
	sources = section_of(&behind, CATALOG_SOURCES);
	behind.base[self->info.length - 1] ^= 1;
	EXPECT_EQ(-EBADMSG, pinpool_verify(self->pool, NULL, &report, &self->diag));
	EXPECT_TRUE(strstr(self->diag.object, "tensor two"));
	store_xxh3(behind.base + tensors[2].offset, tensors[2].bytes, tensors[2].digest);
	store_xxh3(behind.base, self->info.length, sources[0].digest);
	sum(&behind);
	EXPECT_EQ(-EBADMSG, pinpool_verify(self->pool, NULL, &report, &self->diag));
	EXPECT_EQ(0, memcmp(sources[0].digest, report.digest, sizeof(report.digest)));
	/* The catalog is wrong, the content is what was committed. */
	behind.base[self->info.length - 1] ^= 1;
	EXPECT_EQ(0, pinpool_verify(self->pool, NULL, &report, &self->diag));
	EXPECT_EQ(0, memcmp(self->info.digest, report.digest, sizeof(report.digest)));
}

/* A wrong SHA-256 in a catalog with right sums, beside right XXH3-128. */
TEST_F(digest, verification_compares_sha256_if_asked_to)
{
	PINPOOL_OPTS(pinpool_verify_opts, opts, .sha256 = true);
	struct pinpool_verify_report report = {.size = sizeof(report)};
	struct catalog_sha256 *sha256;
	struct behind behind;

	ASSERT_EQ(0, load(self, self->file));
	ASSERT_EQ(0, open_pool(self));
	EXPECT_EQ(-ENODATA, pinpool_verify(self->pool, &opts, &report, &self->diag));
	close_pool(self);
	self->opts.sha256 = PINPOOL_SHA256_TENSORS;
	ASSERT_EQ(0, load(self, self->file));
	ASSERT_EQ(0, open_pool(self));
	EXPECT_EQ(0, pinpool_verify(self->pool, &opts, &report, &self->diag));
	EXPECT_EQ(3, report.sha256);
	EXPECT_EQ(self->info.length, report.bytes);
	if (self->env.backend == PINPOOL_BACKEND_MODULE)
		SKIP(return, "nobody can write to a READY pool of the module");

	ASSERT_EQ(0, look_behind(self, &behind));
	sha256 = section_of(&behind, CATALOG_SHA256);
	sha256[2].digest[31] ^= 1;
	sum(&behind);
	EXPECT_EQ(-EBADMSG, pinpool_verify(self->pool, &opts, &report, &self->diag));
	EXPECT_TRUE(strstr(self->diag.object, "model.safetensors: tensor two"))
	{
		TH_LOG("%s", self->diag.object);
	}
	EXPECT_TRUE(strstr(self->diag.cause, "SHA-256"));
	EXPECT_EQ(0, pinpool_verify(self->pool, NULL, &report, &self->diag));
	EXPECT_EQ(0, report.sha256);
}

static int load_with(FIXTURE_DATA(digest) * self, const char *text)
{
	write_file(self->list, text, strlen(text));
	self->opts.digests = self->list;
	return load(self, self->file);
}

TEST_F(digest, a_list_of_right_digests_is_counted)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	char text[2048];
	uint8_t *file;
	size_t bytes;

	file = read_all(self->file, &bytes);
	/* The last line without an end; upper case; a star for binary; a folder before the name; a name with escapes. */
	snprintf(text, sizeof(text), "%s  model.safetensors\n%s *elsewhere/model.safetensors\n%s  two\n\\%s  one\n%s  one.none",
		 xxh3_of(file, bytes), sha256_of(file, bytes), sha256_of(file + DATA_AT + 300001, 199999),
		 xxh3_of(file + DATA_AT, 300001), xxh3_of("", 0));
	for (char *c = text; *c != ' '; c++)
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
	ASSERT_EQ(0, load_with(self, text))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(5, self->report.digests_equal);
	/* What had to be made of SHA-256 is kept, and no more was made. */
	ASSERT_EQ(0, open_pool(self));
	ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
	EXPECT_TRUE(source.has_sha256);
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "two", &tensor));
	EXPECT_STREQ(sha256_of(file + DATA_AT + 300001, 199999), hex(tensor.sha256, sizeof(tensor.sha256)));
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "one", &tensor));
	EXPECT_FALSE(tensor.has_sha256);
	close_pool(self);

	self->opts.no_digest = true;
	snprintf(text, sizeof(text), "%s  two\n", sha256_of(file + DATA_AT + 300001, 199999));
	EXPECT_EQ(0, load_with(self, text));
	EXPECT_EQ(1, self->report.digests_equal);
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	snprintf(text, sizeof(text), "%s  two\n", xxh3_of(file + DATA_AT + 300001, 199999));
	EXPECT_EQ(-EINVAL, load_with(self, text));
	free(file);
}

/* Names with a line's end, as sha256sum writes them. */
TEST_F(digest, escaped_names_are_read)
{
	char text[256];
	uint8_t *file;
	size_t bytes;

	write_safetensors(self->file, HEADER("a\\nb\\\\c", "d\\re"), DATA);
	file = read_all(self->file, &bytes);
	snprintf(text, sizeof(text), "\\%s  a\\nb\\\\c\n\\%s  d\\re\n", xxh3_of(file + bytes - DATA, 300001),
		 xxh3_of(file + bytes - 199999, 199999));
	EXPECT_EQ(0, load_with(self, text))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(2, self->report.digests_equal);
	free(file);
}

#define EXPECT_REFUSED(err, text, object_, cause_)                                                                     \
	do {                                                                                                           \
		struct pinpool_info info_ = {.size = sizeof(info_)};                                                   \
                                                                                                                       \
		EXPECT_EQ(err, load_with(self, text));                                                                 \
		EXPECT_TRUE(strstr(self->diag.object, object_) && strstr(self->diag.cause, cause_))                    \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_EQ(-ENOENT, pinpool_pool_stat(self->env.ctx, POOL, &info_, NULL));                              \
	} while (0)

#define XXH "0123456789abcdef0123456789abcdef"

TEST_F(digest, a_digest_that_differs_is_named_and_nothing_is_published)
{
	uint8_t *file;
	size_t bytes;
	char text[512];

	file = read_all(self->file, &bytes);
	EXPECT_REFUSED(-EBADMSG, XXH "  two\n", "model.safetensors: tensor two", XXH);
	EXPECT_TRUE(strstr(self->diag.cause, xxh3_of(file + bytes - 199999, 199999)));
	EXPECT_REFUSED(-EBADMSG, XXH XXH "  one\n", "model.safetensors: tensor one", "SHA-256");
	EXPECT_REFUSED(-EBADMSG, XXH "  model.safetensors\n", "model.safetensors", "XXH3-128");
	EXPECT_FALSE(strstr(self->diag.object, "tensor one"));
	EXPECT_REFUSED(-EBADMSG, XXH XXH "  model.safetensors\n", "model.safetensors", "SHA-256");
	/* The tensor says more than the file. */
	EXPECT_REFUSED(-EBADMSG, XXH "  model.safetensors\n" XXH "  two\n", "tensor two", XXH);
	/* One bit of the last digit. */
	snprintf(text, sizeof(text), "%s  two\n", sha256_of(file + bytes - 199999, 199999));
	text[63] ^= 1;
	if (text[63] == 'g' || text[63] == '`' || text[63] == ':')
		text[63] = '0';
	EXPECT_REFUSED(-EBADMSG, text, "tensor two", "SHA-256");
	free(file);
}

TEST_F(digest, lists_that_are_none_are_refused_with_the_line)
{
	char *line = malloc(100000);

	EXPECT_REFUSED(-EBADMSG, "", self->list, "lists no digest");
	EXPECT_REFUSED(-EBADMSG, XXH "  one\n\n", "list: line 2", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH "0  one\n", "list: line 1", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH XXH "00  one\n", "list: line 1", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH "g  one\n", "list: line 1", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH " one\n", "list: line 1", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH "  \n", "list: line 1", "is no digest");
	EXPECT_REFUSED(-EBADMSG, XXH "  one\n" XXH "  one\n", "list: line 2", "earlier line");
	EXPECT_REFUSED(-EBADMSG, XXH "  three\n", "list: line 1", "no tensor three");
	EXPECT_REFUSED(-EBADMSG, XXH "  folder/two\n", "list: line 1", "no tensor folder/two");
	memset(line, 'x', 99999);
	line[99999] = '\0';
	memcpy(line, XXH "  ", 34);
	EXPECT_REFUSED(-EBADMSG, line, "list: line 1", "too long");
	free(line);
	unlink(self->list);
	ASSERT_EQ(0, mkfifo(self->list, 0600));
	self->opts.digests = self->list;
	EXPECT_EQ(-EINVAL, load(self, self->file));
	self->opts.digests = in_folder(self->folder, "missing");
	EXPECT_EQ(-ENOENT, load(self, self->file));
	write_safetensors(self->file, HEADER("model.safetensors", "two"), DATA);
	unlink(self->list);
	EXPECT_REFUSED(-EBADMSG, XXH "  model.safetensors\n", "list: line 1", "a file and a tensor model.safetensors");
}

TEST_HARNESS_MAIN
