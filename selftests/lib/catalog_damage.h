/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A catalog that is changed behind the library's back: where its file is mapped, its parts, and sums that fit again. */
#ifndef SELFTESTS_CATALOG_DAMAGE_H
#define SELFTESTS_CATALOG_DAMAGE_H

#include "harness.h"
#include "pool/catalog_layout.h"
#include "pool/catalog_writer.h"
#include "pool_env.h"

#include <sys/stat.h>
#include <xxhash.h>

/* A READY pool "model" of @length bytes of content with the catalog of @writer, which is freed, opened for reading. */
static inline struct pinpool_pool *pool_of(struct pool_env *env, struct catalog_writer *writer, uint64_t length)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = length + 2 * CATALOG_FOOTER_BYTES);
	struct pinpool_pool *pool = NULL;
	size_t bytes;
	void *addr;

	if (!writer || pinpool_pool_create(env->ctx, "model", &opts, NULL) ||
	    pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL) || pinpool_pool_begin(pool, NULL) ||
	    pinpool_pool_map_writable(pool, &addr, &bytes) || catalog_writer_write(writer, addr, bytes, length) ||
	    env_commit(pool, length))
		return NULL;
	catalog_writer_free(writer);
	pinpool_pool_close(pool);
	return pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL) ? NULL : pool;
}

/* The file of the pool "model", writable whatever its mode was. */
static inline char *map_behind(const struct pool_env *env, uint64_t *capacity)
{
	char path[192], *base;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/model", env->huge[0] ? env->huge : env->state);
	if (chmod(path, 0600))
		return NULL;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	*capacity = (uint64_t)st.st_size;
	return base == MAP_FAILED ? NULL : base;
}

static inline struct catalog_footer *footer_of(char *base, uint64_t capacity)
{
	return (struct catalog_footer *)(base + capacity - CATALOG_FOOTER_BYTES);
}

static inline struct catalog_section *section_of(char *catalog, enum catalog_section_type type)
{
	struct catalog_header *header = (struct catalog_header *)catalog;
	struct catalog_section *sections = (struct catalog_section *)(catalog + header->header_bytes);

	for (uint32_t i = 0; i < header->section_count; i++)
		if (sections[i].type == type)
			return &sections[i];
	return NULL;
}

/* What somebody does who wants the reader to believe it. */
static inline void sum(char *base, uint64_t capacity)
{
	struct catalog_footer *footer = footer_of(base, capacity);
	XXH128_canonical_t digest;

	XXH128_canonicalFromHash(&digest, XXH3_128bits(base + footer->catalog_offset, footer->catalog_bytes));
	memcpy(footer->digest, digest.digest, sizeof(footer->digest));
	footer->checksum = XXH3_64bits(footer, offsetof(struct catalog_footer, checksum));
}

#endif
