// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What a load costs beside its pool, by each path: less memory than 64 MiB for a model of several times as much, by the
 * kernel's counts of this process; and of the file's bytes none goes through a call that copies them elsewhere than into
 * the pool, and none twice.
 */
/* The model, its header and the catalog. */
#define ENV_PAGES 136
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/pinpool.h>
#include <stdatomic.h>

#define POOL "load-budget"

/* Half of that where the module is, since all is emulated there. */
#define TENSORS 256
#define TENSOR	(1ul << 20)
#define HEADER	(32ul << 10)
#define BUDGET	(64ul << 20)
/* What may be read and written besides: the header, the catalog, states of pools, and /proc by this test itself. */
#define BESIDES (4ul << 20)

FIXTURE(budget)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	unsigned long bytes; /* of the file */
};

FIXTURE_VARIANT(budget)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(budget, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(budget, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(budget, module, PINPOOL_BACKEND_MODULE);

/* Data without blocks on the disk: what matters is where bytes go. */
static unsigned long write_model(const char *path, unsigned long tensors)
{
	unsigned long bytes = HEADER + tensors * TENSOR;
	char *header = malloc(HEADER);
	size_t at = 8;

	for (unsigned long i = 0; i < tensors; i++)
		at += (size_t)sprintf(header + at, "%c\"t%lu\":{\"dtype\":\"U8\",\"shape\":[%lu],\"data_offsets\":[%lu,%lu]}",
				      i ? ',' : '{', i, TENSOR, i * TENSOR, (i + 1) * TENSOR);
	header[at++] = '}';
	memset(header + at, ' ', HEADER - at);
	for (int i = 0; i < 8; i++)
		header[i] = (char)((HEADER - 8) >> (8 * i));
	write_file(path, header, HEADER);
	free(header);
	if (truncate(path, (off_t)bytes)) {
		perror(path);
		exit(1);
	}
	return bytes;
}

FIXTURE_SETUP(budget)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	self->bytes = write_model(self->file, variant->backend == PINPOOL_BACKEND_MODULE ? TENSORS / 2 : TENSORS);
	alarm(120);
}

FIXTURE_TEARDOWN_PARENT(budget)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

/* The number behind @name in a file of /proc, 0 if it is not there. */
static unsigned long number_in(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	unsigned long number = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			number = strtoul(line + strlen(name), NULL, 10);
	if (file)
		fclose(file);
	return number;
}

static unsigned long memory(const char *name)
{
	return number_in("/proc/self/status", name) << 10;
}

static unsigned long moved(const char *name)
{
	return number_in("/proc/self/io", name);
}

/* The most memory of its own that the process had as a tensor landed. */
static void look(void *arg, const struct pinpool_tensor *tensor)
{
	_Atomic unsigned long *most = arg;
	unsigned long now = memory("RssAnon:");

	(void)tensor;
	if (now > *most)
		*most = now;
}

TEST_F(budget, no_path_needs_memory_for_the_model_or_copies_it)
{
	for (int io = PINPOOL_IO_AUTO; io <= PINPOOL_IO_URING_CMD; io++) {
		struct pinpool_load_report report = {.size = sizeof(report)};
		unsigned long own = memory("RssAnon:"), all = memory("VmRSS:"), read = moved("rchar:");
		unsigned long written = moved("wchar:"), of_pool, data;
		_Atomic unsigned long most = 0;
		PINPOOL_OPTS(pinpool_load_opts, opts, .io = (enum pinpool_io)io, .landed = look, .landed_arg = &most);
		int err;

		/* Digests once; SHA-256 takes long where the module is. */
		opts.no_digest = io != PINPOOL_IO_AUTO;
		if (!opts.no_digest && variant->backend != PINPOOL_BACKEND_MODULE)
			opts.sha256 = PINPOOL_SHA256_ALL;
		err = pinpool_load(self->env.ctx, POOL, self->file, &opts, &report, &self->diag);
		/* Where the kernel refuses it. */
		if (err == -EOPNOTSUPP && io != PINPOOL_IO_AUTO && io != PINPOOL_IO_PREAD)
			continue;
		ASSERT_EQ(0, err);
		ASSERT_NE(0, most);
		EXPECT_LT(most, own + BUDGET);
		/* Pages of hugetlbfs are not in it, nor are pages of the module on 6.1. */
		of_pool = variant->backend == PINPOOL_BACKEND_HUGETLBFS ? 0 : self->bytes;
		EXPECT_LT(memory("VmHWM:"), all + of_pool + BUDGET);

		/* Where the kernel counts. What a ring reads is not in the first. */
		if (!access("/proc/self/io", R_OK)) {
			read = moved("rchar:") - read;
			ASSERT_NE(0, read);
			data = report.io == PINPOOL_IO_PREAD ? self->bytes : 0;
			EXPECT_GE(read, data);
			EXPECT_LT(read, data + BESIDES);
			EXPECT_LT(moved("wchar:") - written, BESIDES);
		}
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_HARNESS_MAIN
