/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * An open catalog, for the files that read it: its copy and the known sections in it. A file checks what it reads
 * before pinpool_catalog_open() ends, and relies on that from then on.
 */
#ifndef PINPOOL_POOL_CATALOG_INTERNAL_H
#define PINPOOL_POOL_CATALOG_INTERNAL_H

#include <pinpool/catalog.h>

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "pool/catalog_layout.h"
#include "pool/catalog_rules.h"

/* One known section in the copy. Entries may be longer than this version knows, never shorter. */
struct section {
	const char *at;
	size_t stride;
	size_t count;
};

struct pinpool_catalog {
	const char *content; /* the pool, mapped */
	uint64_t length;
	char *bytes; /* the copy */
	size_t size;
	struct section sections[CATALOG_SECTION_TYPES]; /* by type; the first is unused */
};

static inline int refuse(struct pinpool_diag *diag, const char *pool, const char *cause)
{
	return diag_set(diag, -EBADMSG, pool, "load the checkpoint again", "damaged catalog: %s", cause);
}

static inline int newer(struct pinpool_diag *diag, const char *pool)
{
	return diag_set(diag, -EOPNOTSUPP, pool, "use a newer pinpool", "its catalog has a newer layout");
}

static inline const void *entry(const struct pinpool_catalog *catalog, enum catalog_section_type type, size_t index)
{
	const struct section *section = &catalog->sections[type];

	return section->at + index * section->stride;
}

static inline const char *string(const struct pinpool_catalog *catalog, const struct catalog_string *at)
{
	return catalog->sections[CATALOG_STRINGS].at + at->offset;
}

/* Inside the strings, with a NUL behind it and none in it. */
static inline bool string_is_good(const struct pinpool_catalog *catalog, const struct catalog_string *at)
{
	const struct section *strings = &catalog->sections[CATALOG_STRINGS];

	return catalog_range_within(at->offset, (uint64_t)at->bytes + 1, strings->count) &&
	       strnlen(strings->at + at->offset, (size_t)at->bytes + 1) == at->bytes;
}

/*
 * The entry about @number of a section in the order of such numbers, with which its entries begin; NULL if there is
 * none.
 */
const void *catalog_entry_about(const struct pinpool_catalog *catalog, enum catalog_section_type type, size_t number);
/* Every slice; tensors were checked before. Returns 0, -EBADMSG. */
int catalog_check_slices(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag);
/* What of the tensor in the file number @index is, if it is a slice. */
void catalog_read_slice(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor);

/* Every code; tensors and slices were checked before. Returns 0, -EBADMSG, -EOPNOTSUPP. */
int catalog_check_codes(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag);
/* What is said of tensor @index before it was coded, if it is. */
void catalog_read_code(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor);

/* Every entry of metadata; sources were checked before. Returns 0, -EBADMSG, -EOPNOTSUPP. */
int catalog_check_metadata(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag);

#endif
