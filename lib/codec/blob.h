/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A coded tensor as one run of bytes: a header that says what it was and how it is coded, then its arrays, each at a
 * multiple of 64 from the start. docs/compression.md gives the layout. What is read may come from anybody: a blob is
 * believed when every array lies inside of it and is as long as its numbers ask for.
 */
#ifndef PINPOOL_CODEC_BLOB_H
#define PINPOOL_CODEC_BLOB_H

#include <pinpool/catalog.h>
#include <pinpool/coded.h>

/* Where blobs and their arrays begin, and what their lengths are multiples of. */
#define BLOB_ALIGN 64u

/* Arrays of a matrix, in the order of the header. */
enum blob_array {
	BLOB_CODES,
	BLOB_DICTIONARY,
	BLOB_STARTS,
	BLOB_COLUMNS,
	BLOB_VALUES,
	BLOB_BITS,
	BLOB_EXPONENTS,
	BLOB_ESCAPES,
	BLOB_ARRAYS
};

/**
 * struct blob - a coded tensor
 * @dtype: type of an element before
 * @ndim: number of dimensions, at least 2
 * @shape: extents, outermost first
 * @n: rows of the matrix: the first extent
 * @k: columns: the product of the others
 * @error: ||W - C|| / ||W||; 0 if every bit comes back
 * @coded: the matrix, in place
 * @bytes: of all of it
 * @content: XXH3-64 of what is behind the header
 */
struct blob {
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t shape[PINPOOL_NDIM_MAX];
	uint64_t n;
	uint64_t k;
	double error;
	struct pinpool_coded coded;
	uint64_t bytes;
	uint64_t content;
};

/* Rows and columns of a shape; false if it is none of a matrix or has no elements. */
bool blob_matrix(uint32_t ndim, const uint64_t *shape, uint64_t *n, uint64_t *k);

/* Bytes of a blob whose numbers are set; PINPOOL_UNKNOWN if they are impossible. */
uint64_t blob_bytes(const struct blob *blob);

/*
 * Memory for a blob whose numbers are set, zeroed, at a multiple of BLOB_ALIGN, for free(); @blob->coded has its arrays
 * and @blob->bytes its length then. NULL: no memory.
 */
void *blob_new(struct blob *blob);
/* The header over what is there, which is complete. */
void blob_seal(struct blob *blob, void *data);

/*
 * Reads the header of @bytes at @data, which live as long as @blob is used. Returns 0, -EBADMSG (no blob, damaged, an
 * array out of place), -EOPNOTSUPP (a newer version, kind or type); @object is for @diag.
 */
int blob_read(struct blob *blob, const void *data, uint64_t bytes, const char *object, struct pinpool_diag *diag);
/* Whether what is behind the header is what was written. */
bool blob_is_whole(const struct blob *blob, const void *data);

/* "dictionary", "sparse", ...; NULL for a value that is no kind. */
const char *blob_kind_name(enum pinpool_coded_kind kind);
enum pinpool_coded_kind blob_kind_from_name(const char *name, size_t length);

#endif
