/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The catalog's bytes, as docs/catalog.md describes them: what the writer writes and the reader checks. All numbers are
 * little-endian; offsets count from the start of the catalog unless they say otherwise.
 */
#ifndef PINPOOL_POOL_CATALOG_LAYOUT_H
#define PINPOOL_POOL_CATALOG_LAYOUT_H

#include <pinpool/common.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the catalog is read in place: this needs a little-endian host"
#endif

#define CATALOG_MAGIC	     "PINPCAT\n"
#define CATALOG_FOOTER_MAGIC "PINPEND\n"
#define CATALOG_VERSION	     1
/* Sections begin at multiples of this. */
#define CATALOG_ALIGN	     64
/* The footer has the last bytes of the capacity to itself. */
#define CATALOG_FOOTER_BYTES 4096

/* Most bytes of a catalog: some ten million tensors. Bounds what a damaged one can make a reader allocate. */
#define CATALOG_BYTES_MAX (1ULL << 30)

/* Values begin at multiples of this in their section, so that an array of numbers can be read in place. */
#define CATALOG_VALUE_ALIGN 8

/* A reader that does not know a section skips it, unless this is set. */
#define CATALOG_SECTION_REQUIRED 1U

enum catalog_section_type {
	CATALOG_TENSORS = 1, /* struct catalog_tensor, in order of offset */
	CATALOG_NAME_ORDER = 2, /* uint32_t numbers of tensors, in strict order of the bytes of their names */
	CATALOG_EXTENTS = 3, /* uint64_t, the shapes of all tensors, and ranges of fused slices */
	CATALOG_SOURCES = 4, /* struct catalog_source */
	CATALOG_STRINGS = 5, /* bytes, each string with a NUL behind it */
	CATALOG_PACKINGS = 6, /* struct catalog_packing, in strict order of the bytes of their names; may be absent */
	CATALOG_METADATA = 7, /* struct catalog_metadata, in strict order of key, then source; may be absent */
	CATALOG_VALUES = 8, /* bytes, what metadata says; there if CATALOG_METADATA is */
	CATALOG_SHA256 = 9, /* struct catalog_sha256, of every tensor in order, then of every source; may be absent */
	CATALOG_RESTS = 10, /* struct catalog_rest, of every source; may be absent */
	CATALOG_SLICES = 11, /* struct catalog_slice, in strict order of their tensors; not required, may be absent */
	CATALOG_PARTS = 12, /* struct catalog_part, in strict order of their sources; not required, may be absent */
	CATALOG_FUSED = 13, /* struct catalog_fused, in strict order of their tensors; not required, may be absent */
	CATALOG_CODES = 14, /* struct catalog_code, in strict order of their tensors; not required, may be absent */
	CATALOG_SECTION_TYPES /* one more than the last one known */
};

struct catalog_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes; /* of this struct; the section table follows */
	uint64_t bytes; /* of the whole catalog */
	uint64_t content_bytes; /* length of the pool that it describes */
	uint32_t section_count;
	uint32_t section_bytes; /* of one entry of the section table */
	uint64_t reserved;
};

struct catalog_section {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t bytes;
	uint32_t entry_bytes;
	uint32_t entry_count;
};

struct catalog_string {
	uint32_t offset; /* in CATALOG_STRINGS */
	uint32_t bytes; /* without the NUL */
};

/* In the flags of tensors, sources, packings, and of what is said of them elsewhere. */
#define CATALOG_HAS_DIGEST 1U

struct catalog_tensor {
	struct catalog_string name; /* UTF-8 */
	uint32_t dtype; /* enum pinpool_dtype */
	uint32_t ndim;
	uint64_t extents; /* index of the first in CATALOG_EXTENTS */
	uint64_t offset; /* from the start of the pool */
	uint64_t bytes;
	uint32_t source;
	uint32_t flags;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

struct catalog_source {
	struct catalog_string path; /* any bytes but NUL */
	struct catalog_string format;
	uint64_t offset; /* from the start of the pool */
	uint64_t bytes;
	uint64_t inode;
	uint64_t mtime_ns;
	uint32_t flags;
	uint32_t reserved;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

struct catalog_packing {
	struct catalog_string tensor; /* UTF-8 */
	struct catalog_string base; /* name of the pool that holds the tensor */
	struct catalog_string isa;
	uint32_t dtype; /* enum pinpool_dtype */
	uint32_t version;
	uint64_t n;
	uint64_t k;
	uint64_t panel_rows;
	uint64_t offset; /* from the start of the pool */
	uint64_t bytes;
	uint64_t base_length;
	uint64_t base_committed_ns; /* 0 if it was not known */
	uint32_t flags; /* CATALOG_HAS_DIGEST is about the tensor's */
	uint32_t base_digest_kind; /* enum pinpool_digest_kind */
	uint8_t digest[PINPOOL_DIGEST_BYTES]; /* of the tensor */
	uint8_t base_digest[PINPOOL_DIGEST_BYTES];
};

struct catalog_metadata {
	struct catalog_string key; /* UTF-8 */
	uint32_t type; /* enum pinpool_value_type */
	uint32_t element; /* of the elements of an array, else type */
	uint64_t count; /* of the elements of an array, else 1 */
	uint64_t offset; /* in CATALOG_VALUES, a multiple of CATALOG_VALUE_ALIGN */
	uint64_t bytes;
	uint32_t source;
	uint32_t reserved;
};

struct catalog_sha256 {
	uint32_t flags;
	uint32_t reserved;
	uint8_t digest[PINPOOL_SHA256_BYTES];
};

/* Of what belongs to no tensor of a source: its header, gaps. One after the other, in the order of offset. */
struct catalog_rest {
	uint32_t flags;
	uint32_t reserved;
	uint8_t digest[PINPOOL_DIGEST_BYTES]; /* XXH3-128 */
};

/* A tensor that is a part of one in the file; its shape is that of the part. */
struct catalog_slice {
	uint32_t tensor; /* number of the tensor */
	uint32_t dim;
	uint64_t begin; /* in that dimension */
	uint64_t extent; /* of the tensor in the file */
};

/* A tensor that is several parts of one in the file, one behind the other; its shape is that of all of them. */
struct catalog_fused {
	uint32_t tensor; /* number of the tensor */
	uint32_t dim;
	uint64_t extent; /* of the tensor in the file */
	uint64_t ranges; /* first entry in CATALOG_EXTENTS; each range is two, begin and places */
	uint32_t count; /* of ranges, at least 2 */
	uint32_t reserved;
};

/* A source of which not all is there, or not in its order. */
struct catalog_part {
	uint32_t source; /* number of the source */
	uint32_t reserved;
	uint64_t bytes; /* of the file */
};

/* A tensor whose bytes are a code of a matrix; what that was before. */
struct catalog_code {
	uint32_t tensor; /* number of the tensor */
	uint32_t kind; /* enum pinpool_coded_kind */
	uint32_t dtype; /* enum pinpool_dtype */
	uint32_t ndim;
	uint64_t extents; /* index of the first in CATALOG_EXTENTS */
	uint64_t bytes;
	double error; /* ||W - C|| / ||W||; 0 if every bit comes back */
};

/* At capacity - CATALOG_FOOTER_BYTES; the rest of those bytes is zero. */
struct catalog_footer {
	char magic[8];
	uint32_t version;
	uint32_t footer_bytes; /* of this struct */
	uint64_t catalog_offset; /* from the start of the pool */
	uint64_t catalog_bytes;
	uint8_t digest[PINPOOL_DIGEST_BYTES]; /* XXH3-128 of the catalog, canonical byte order */
	uint64_t checksum; /* XXH3-64 of the footer before it */
};

_Static_assert(sizeof(struct catalog_header) == 48, "no holes");
_Static_assert(sizeof(struct catalog_section) == 32, "no holes");
_Static_assert(sizeof(struct catalog_tensor) == 64, "no holes");
_Static_assert(sizeof(struct catalog_source) == 72, "no holes");
_Static_assert(sizeof(struct catalog_packing) == 128, "no holes");
_Static_assert(sizeof(struct catalog_metadata) == 48, "no holes");
_Static_assert(sizeof(struct catalog_sha256) == 40, "no holes");
_Static_assert(sizeof(struct catalog_rest) == 24, "no holes");
_Static_assert(sizeof(struct catalog_slice) == 24, "no holes");
_Static_assert(sizeof(struct catalog_fused) == 32, "no holes");
_Static_assert(sizeof(struct catalog_part) == 16, "no holes");
_Static_assert(sizeof(struct catalog_code) == 40, "no holes");
_Static_assert(sizeof(struct catalog_footer) == 56, "no holes");

#endif
