/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: compressed checkpoints
 *
 * A checkpoint, or what a READY pool holds, as a safetensors file, or another pool, in which matrices are coded: bit for
 * bit by default, or with an error that the caller allows. Products read the codes in place (<pinpool/coded.h>).
 * docs/compression.md says what a coded tensor is.
 */
#ifndef PINPOOL_COMPRESS_H
#define PINPOOL_COMPRESS_H

#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pinpool/math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "dictionary", "sparse", ...; NULL for a value that is no kind. Since 0.1. */
PINPOOL_API const char *pinpool_coded_kind_name(enum pinpool_coded_kind kind);

/**
 * pinpool_coded_open - a coded tensor as products take it
 * @tensor: of a catalog that is open, and coded
 * @coded: receives the matrix, which points into the pool
 * @n: receives its rows: the first of @tensor->plain_shape
 * @k: receives its columns: the product of the others
 *
 * Its header and the places of its arrays are checked, not what is in them: products do that each time, unless
 * pinpool_coded_check() took it once and PINPOOL_CODED_CHECKED is set.
 *
 * Return: 0, -EINVAL (not coded, null), -EBADMSG (damaged), -EOPNOTSUPP (a newer code). Since 0.1.
 */
PINPOOL_API int pinpool_coded_open(const struct pinpool_tensor *tensor, struct pinpool_coded *coded, uint64_t *n,
				   uint64_t *k, struct pinpool_diag *diag);

/**
 * struct pinpool_compress_opts - what to compress and how
 * @size: sizeof(struct pinpool_compress_opts)
 * @max_error: most that a matrix C may differ from the weights W: ||W - C|| / ||W||, the root of the sum of squares
 *	of all of its elements. 0: every bit comes back
 * @tensors: names or patterns (fnmatch) of the tensors to code; each must match one. Others are kept
 * @tensor_count: number of @tensors, 0 for all that can be
 * @code: the only one to take, by its name in docs/compression.md, or NULL for the smallest
 * @decompress: the way back: coded tensors become what they were, or what they stand for if bits were lost
 * @force: replace a file that exists
 * @create: how to make the pool if it does not exist; capacity 0 means as much as is needed; NULL for defaults
 * @math: whose threads work, meanwhile not to be used otherwise; NULL makes a context of its own
 * @progress: receives progress, in bytes of the source, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: checked between rows; the call ends with -ECANCELED once it is not 0 (a signal handler may set it)
 */
struct pinpool_compress_opts {
	size_t size;
	double max_error;
	const char *const *tensors;
	size_t tensor_count;
	const char *code;
	bool decompress;
	bool force;
	const struct pinpool_create_opts *create;
	struct pinpool_math *math;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
};

struct pinpool_compression;

/**
 * pinpool_compress_plan - look at all tensors and choose codes
 * @from: a READY pool, else the path of a checkpoint, as for pinpool_load(). With a '/' in it, it is a path
 * @to: a file if it has a '/' in it or ends in ".safetensors", else a pool
 * @opts: options or NULL; what they point to must live as long as the plan
 * @out: receives the plan, given back with pinpool_compress_free()
 *
 * Every matrix of f32, bf16 or f16 is read once; codes that lose bits are tried, and their error measured. Nothing is
 * written. Return: 0; -EEXIST (@to is there, and no file to replace or no EMPTY pool), -ENOENT (no such pool or
 * checkpoint, or a pattern matches no tensor), -EINVAL (an option), -EOPNOTSUPP (a type or name that safetensors has
 * not), -EBADMSG, -ENOMEM, -ECANCELED, and what opening and reading give. Since 0.1.
 */
PINPOOL_API int pinpool_compress_plan(struct pinpool_ctx *ctx, const char *from, const char *to,
				      const struct pinpool_compress_opts *opts, struct pinpool_compression **out,
				      struct pinpool_diag *diag);
/* NULL is fine. */
PINPOOL_API void pinpool_compress_free(struct pinpool_compression *compression);

/* Characters of a code's name and of a note, with the NUL. */
#define PINPOOL_COMPRESS_TEXT_MAX 64

/**
 * struct pinpool_compress_tensor - what is planned for one tensor
 * @size: sizeof(struct pinpool_compress_tensor), set by the caller
 * @name: its name
 * @dtype: type of an element, of values
 * @ndim: number of dimensions
 * @shape: extents
 * @bytes: as it is in the source
 * @bytes_after: as it will be
 * @code: name of the code, or empty: it is kept, or decoded
 * @coded: kind of it, 0: values
 * @error: of the code; 0 if every bit comes back
 * @analysed: the next three are known
 * @density: part of its values that are not 0
 * @distinct: values that differ, up to 256; 257 for more
 * @entropy: bits of information in an exponent of bf16, or what would be that
 * @note: why it is kept, or empty
 *
 * Pointers live as long as the plan.
 */
struct pinpool_compress_tensor {
	size_t size;
	const char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	const uint64_t *shape;
	uint64_t bytes;
	uint64_t bytes_after;
	char code[PINPOOL_COMPRESS_TEXT_MAX];
	enum pinpool_coded_kind coded;
	double error;
	bool analysed;
	double density;
	uint32_t distinct;
	double entropy;
	char note[PINPOOL_COMPRESS_TEXT_MAX];
};

PINPOOL_API size_t pinpool_compress_count(const struct pinpool_compression *compression);
/* In the order of the source. Return: 0, -ENOENT (no such index), -EINVAL (size). Since 0.1. */
PINPOOL_API int pinpool_compress_tensor(const struct pinpool_compression *compression, size_t index,
					struct pinpool_compress_tensor *tensor);

/**
 * struct pinpool_compress_report - what was done
 * @size: sizeof(struct pinpool_compress_report), set by the caller
 * @bytes: of all tensors before
 * @bytes_after: of all tensors after
 * @written: of the file, or of the pool's content
 * @elapsed_ns: of this call
 * @tensors: number of tensors
 * @coded: how many of them are coded
 */
struct pinpool_compress_report {
	size_t size;
	uint64_t bytes;
	uint64_t bytes_after;
	uint64_t written;
	uint64_t elapsed_ns;
	uint32_t tensors;
	uint32_t coded;
};

/**
 * pinpool_compress - do what is planned
 * @compression: the plan, once
 * @report: receives what was done, or NULL
 *
 * Each matrix is coded, decoded again by what products read it with and compared with the weights before it is written:
 * one that is further from them than planned fails the call. One tensor is in memory at a time, with its code. A file
 * appears whole under its name or not at all; a pool is published or, if this call made it, removed.
 *
 * Return: 0; -ESTALE (the source changed), -ENOSPC (the pool is too small, @diag says what is needed; or the disk is
 * full), -EEXIST, -EBUSY (the pool is being loaded), -EIO, -ENOMEM, -ECANCELED, and what creating, opening, reading and
 * writing give. Since 0.1.
 */
PINPOOL_API int pinpool_compress(struct pinpool_compression *compression, struct pinpool_compress_report *report,
				 struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
