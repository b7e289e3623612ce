/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: packings kept in pools
 *
 * A READY pool never changes, so the packings of its tensors for one set of kernels lie in a pool of their own, called
 * as the first, a dot and the kernels: llama.avx512 beside llama. They are made once, shared by every process, and say
 * of which weights they are: packings of weights that were replaced by others are refused, never used.
 */
#ifndef PINPOOL_PACK_H
#define PINPOOL_PACK_H

#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pinpool/packing.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * pinpool_packings_name - the pool in which packings lie
 * @base: name of the pool that holds the weights
 * @isa: kernels; not PINPOOL_ISA_AUTO
 * @name: receives it
 *
 * Return: 0, -EINVAL, -ENAMETOOLONG (@base leaves no room for it). Since 0.1.
 */
PINPOOL_API int pinpool_packings_name(const char *base, enum pinpool_isa isa, char name[PINPOOL_NAME_MAX + 1],
				      struct pinpool_diag *diag);

/**
 * struct pinpool_pack_opts - what to pack, and with what
 * @size: sizeof(struct pinpool_pack_opts)
 * @math: whose kernels and threads; NULL for a context that lives as long as the call
 * @tensors: names, or patterns as fnmatch(3) takes them. What a pattern matches and cannot be packed is left out
 * @tensor_count: number of @tensors; 0 for every tensor that can be packed: those of two dimensions, not empty, of a type
 *	that pinpool_matmul_takes(), save PINPOOL_DTYPE_I8, whose scales lie elsewhere
 * @progress: receives progress, or NULL; its file is the tensor in work
 * @progress_arg: first argument of @progress
 * @cancel: as in struct pinpool_load_opts
 */
struct pinpool_pack_opts {
	size_t size;
	struct pinpool_math *math;
	const char *const *tensors;
	size_t tensor_count;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
};

/**
 * struct pinpool_pack_report - what was made
 * @size: sizeof(struct pinpool_pack_report), set by the caller
 * @name: pool that holds the packings
 * @isa: kernels that they are for
 * @tensors: how many
 * @bytes: bytes of the tensors
 * @packed_bytes: bytes of the packings
 * @create_ns: time to make the pool, 0 if it existed
 * @elapsed_ns: from the first row to the commit
 */
struct pinpool_pack_report {
	size_t size;
	char name[PINPOOL_NAME_MAX + 1];
	enum pinpool_isa isa;
	uint32_t tensors;
	uint64_t bytes;
	uint64_t packed_bytes;
	uint64_t create_ns;
	uint64_t elapsed_ns;
};

/**
 * pinpool_pack - pack tensors of a READY pool
 * @name: the pool
 * @opts: options or NULL
 * @report: receives what was made, or NULL
 *
 * The new pool has the owner, group, NUMA policy and eviction of @name, and its mode, save that only the owner may write.
 * Packings of weights that are no longer in @name, or of an older version, are replaced, and so is an EMPTY pool of
 * their name, which one who was killed left. On failure nothing is published, and a pool that this call made is removed.
 *
 * Return: 0; -ENODATA (not READY), -EEXIST (there are packings of these weights for these kernels, or something else has
 * the name), -EBUSY (somebody is packing it), -ENOENT (no such pool, or it was removed meanwhile; a name or pattern that matches nothing),
 * -EOPNOTSUPP (a tensor that was named cannot be packed), -ENAMETOOLONG, -ECANCELED, and what creating and opening
 * give. Since 0.1.
 */
PINPOOL_API int pinpool_pack(struct pinpool_ctx *ctx, const char *name, const struct pinpool_pack_opts *opts,
			     struct pinpool_pack_report *report, struct pinpool_diag *diag);

/**
 * pinpool_load_packed - load a checkpoint and pack it while it streams
 * @load_opts: as for pinpool_load(), whose progress and cancel are those that count; digests are needed
 * @pack_opts: as for pinpool_pack()
 * @load_report: as for pinpool_load(), or NULL
 * @pack_report: as for pinpool_pack(), or NULL
 *
 * Rows are packed as soon as they are there, by a thread beside the stream. Both pools are published when both are
 * whole, packings first, so that whoever sees the weights finds them; on failure neither is. Return: as pinpool_load()
 * and pinpool_pack(); -EINVAL (no digests). Since 0.1.
 */
PINPOOL_API int pinpool_load_packed(struct pinpool_ctx *ctx, const char *name, const char *path,
				    const struct pinpool_load_opts *load_opts, const struct pinpool_pack_opts *pack_opts,
				    struct pinpool_load_report *load_report, struct pinpool_pack_report *pack_report,
				    struct pinpool_diag *diag);

struct pinpool_packings;

/**
 * pinpool_packings_open - packings of a pool for the kernels of a context
 * @pool: the pool that holds the weights; must outlive the packings
 * @math: the context; must outlive the packings
 * @out: receives them, given back with pinpool_packings_close()
 *
 * May be used from several threads at once. Return: 0, -ENOENT (none), -EOPNOTSUPP (only for other kernels, or of another
 * version; @diag says which), -ESTALE (of weights that were in @pool before), -ENODATA (@pool or its packings are not
 * READY), -EPERM (made by a user who owns neither @pool nor the host), -EBADMSG, -EACCES, -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_packings_open(struct pinpool_pool *pool, const struct pinpool_math *math,
				      struct pinpool_packings **out, struct pinpool_diag *diag);
PINPOOL_API void pinpool_packings_close(struct pinpool_packings *packings);

/**
 * pinpool_packings_find - the packing of a tensor
 * @tensor: its name
 * @packing: receives it, for struct pinpool_matmul_args; lives as long as @packings
 *
 * Return: 0, -ENOENT (that tensor was not packed), -ESTALE (the pool's tensor is another), -EBADMSG, -EOPNOTSUPP, -EINVAL
 * (size). Since 0.1.
 */
PINPOOL_API int pinpool_packings_find(const struct pinpool_packings *packings, const char *tensor,
				      struct pinpool_packing *packing, struct pinpool_diag *diag);

/**
 * pinpool_packings_list - pools that hold packings
 * @base: of this pool, whatever it holds now; NULL for those of all
 * @names: receives an array of @count strings in one allocation, freed by the caller with free()
 *
 * Those that are READY and that the caller may open. Return: 0, -ENOMEM, or what listing gives. Since 0.1.
 */
PINPOOL_API int pinpool_packings_list(struct pinpool_ctx *ctx, const char *base, char ***names, size_t *count);

/**
 * pinpool_packings_check - are packings of the weights that their pool holds now?
 * @name: the pool of packings
 *
 * Return: 0; -ESTALE (no: other weights), -ENOENT (that pool is gone; or @name is, or holds no packings), -ENODATA (one of
 * both is not READY), -EOPNOTSUPP (another version), -EPERM and others as pinpool_packings_open(). Since 0.1.
 */
PINPOOL_API int pinpool_packings_check(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag);

/**
 * pinpool_packings_drop - remove packings of a pool for one set of kernels
 * @base: the pool, which need not be there any more
 * @isa: the kernels
 *
 * Also removes what a killed pinpool_pack() left, an EMPTY pool. Who uses the packings keeps them. Return: 0, -ENOENT
 * (none; or what has the name holds something else), -EBUSY (they are being made), -EPERM, and what opening gives.
 * Since 0.1.
 */
PINPOOL_API int pinpool_packings_drop(struct pinpool_ctx *ctx, const char *base, enum pinpool_isa isa,
				      struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
