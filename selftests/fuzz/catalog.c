/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The reader of catalogs: the input lies where the catalog of a READY pool is, with right checksums, as if its owner had
 * put it there. It is refused, or all that it leads to lies within the pool.
 */
#include "../lib/checkpoints.h"
#include "pool/catalog_layout.h"

#include <errno.h>
#include <pinpool/catalog.h>
#include <stddef.h>
#include <sys/mman.h>
#include <xxhash.h>

#define LENGTH	 4096
#define CAPACITY (1 << 20)
/* Right behind the content, up to the footer. */
#define ROOM	 (CAPACITY - CATALOG_FOOTER_BYTES - LENGTH)

static char folder[PATH_MAX];
static struct pinpool_ctx *ctx;
static struct pinpool_pool *pool;
static char *base; /* the pool from behind, writable */

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static void leave(void)
{
	pinpool_pool_close(pool);
	pinpool_ctx_unref(ctx);
	remove_folder(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM);
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = CAPACITY);
	PINPOOL_OPTS(pinpool_commit_opts, commit, .length = LENGTH);
	int fd;

	(void)argc;
	(void)argv;
	/* In TMPDIR, which is to be in memory. */
	make_folder(folder);
	setenv("PINPOOL_STATE_DIR", folder, 1);
	must(!pinpool_ctx_new(&ctx, &opts, NULL) && !pinpool_pool_create(ctx, "p", &create, NULL) &&
		     !pinpool_pool_open(ctx, "p", PINPOOL_OPEN_WRITE, &pool, NULL) && !pinpool_pool_begin(pool, NULL) &&
		     !pinpool_pool_commit(pool, &commit, NULL),
	     "no pool to test with");
	pinpool_pool_close(pool);
	must(!pinpool_pool_open(ctx, "p", PINPOOL_OPEN_READ, &pool, NULL), "no READY pool");
	chmod(in_folder(folder, "p"), 0600);
	fd = open(in_folder(folder, "p"), O_RDWR | O_CLOEXEC);
	base = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(base != MAP_FAILED, "no mapping of its file");
	close(fd);
	atexit(leave);
	return 0;
}

static void put(const uint8_t *data, size_t size)
{
	struct catalog_footer footer = {
		.version = CATALOG_VERSION,
		.footer_bytes = sizeof(footer),
		.catalog_offset = LENGTH,
		.catalog_bytes = size,
	};
	XXH128_canonical_t digest;

	memcpy(base + LENGTH, data, size);
	memcpy(footer.magic, CATALOG_FOOTER_MAGIC, sizeof(footer.magic));
	XXH128_canonicalFromHash(&digest, XXH3_128bits(data, size));
	memcpy(footer.digest, digest.digest, sizeof(footer.digest));
	footer.checksum = XXH3_64bits(&footer, offsetof(struct catalog_footer, checksum));
	memcpy(base + CAPACITY - CATALOG_FOOTER_BYTES, &footer, sizeof(footer));
}

static bool within(uint64_t offset, uint64_t bytes)
{
	return offset <= LENGTH && bytes <= LENGTH - offset;
}

static void use(const struct pinpool_catalog *catalog)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)}, found = tensor;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	uint64_t read = 0;

	for (size_t i = 0; i < pinpool_catalog_tensor_count(catalog); i++) {
		must(!pinpool_catalog_tensor(catalog, i, &tensor) && within(tensor.offset, tensor.bytes) &&
			     tensor.ndim <= PINPOOL_NDIM_MAX && pinpool_dtype_name(tensor.dtype),
		     "a tensor");
		must(!pinpool_catalog_find(catalog, tensor.name, &found) && found.name == tensor.name,
		     "a tensor that is not found");
		must(!pinpool_catalog_source(catalog, tensor.source, &source), "a tensor without a source");
		for (uint32_t dim = 0; dim < tensor.ndim; dim++)
			read += tensor.shape[dim];
		must(!tensor.coded || (tensor.plain_ndim >= 2 && tensor.plain_ndim <= PINPOOL_NDIM_MAX &&
				       pinpool_dtype_name(tensor.plain_dtype)),
		     "a code of no matrix");
		for (uint32_t dim = 0; dim < tensor.plain_ndim; dim++)
			read += tensor.plain_shape[dim];
	}
	for (size_t i = 0; i < pinpool_catalog_source_count(catalog); i++) {
		must(!pinpool_catalog_source(catalog, i, &source) && within(source.offset, source.bytes), "a source");
		read += strlen(source.path) + strlen(source.format);
	}
	for (size_t i = 0; i < pinpool_catalog_packing_count(catalog); i++) {
		must(!pinpool_catalog_packing(catalog, i, &packed) && within(packed.offset, packed.bytes), "a packing");
		must(!pinpool_catalog_find_packing(catalog, packed.tensor, &packed), "a packing that is not found");
		read += strlen(packed.base) + strlen(packed.isa);
	}
	/* Keeps the reads. */
	__asm__ volatile("" : : "r"(read));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pinpool_catalog *catalog;
	int err;

	if (size > ROOM)
		return 0;
	put(data, size);
	err = pinpool_catalog_open(pool, &catalog, NULL);
	must(!err || err == -EBADMSG || err == -EOPNOTSUPP, "as another error");
	if (err)
		return 0;
	use(catalog);
	pinpool_catalog_close(catalog);
	return 0;
}
