/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: matrix products on weights where they lie
 *
 * Y[M,N] = X[M,K] * W[N,K]^T, all row-major: W as a checkpoint stores a linear layer, [out, in]. Activations and
 * results are f32, bf16 or f16; weights are f32, bf16, f16, fp8 (E4M3, E5M2) or of the block types Q8_0, Q4_0,
 * Q4_K and Q6_K. Accumulation is f32.
 */
#ifndef PINPOOL_MATH_H
#define PINPOOL_MATH_H

#include <pinpool/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum pinpool_isa - instruction set of the kernels
 * @PINPOOL_ISA_AUTO: the best this processor has
 * @PINPOOL_ISA_PORTABLE: C, every processor
 * @PINPOOL_ISA_AVX2: AVX2, FMA, F16C
 * @PINPOOL_ISA_AVX512: AVX-512 F, BW, DQ, VL
 * @PINPOOL_ISA_AVX512_VNNI: the same and VNNI
 * @PINPOOL_ISA_NEON: AArch64 with dot products (ASIMDDP)
 * @PINPOOL_ISA_AVX512_BF16: AVX512_VNNI, BF16 and VBMI2
 */
enum pinpool_isa {
	PINPOOL_ISA_AUTO = 0,
	PINPOOL_ISA_PORTABLE = 1,
	PINPOOL_ISA_AVX2 = 2,
	PINPOOL_ISA_AVX512 = 3,
	PINPOOL_ISA_AVX512_VNNI = 4,
	PINPOOL_ISA_NEON = 5,
	PINPOOL_ISA_AVX512_BF16 = 6,
	PINPOOL_ISA_COUNT
};

/* "portable", "avx2", "avx512", "avx512-vnni", "neon", "avx512-bf16", "auto"; NULL for a value that is none of them. */
PINPOOL_API const char *pinpool_isa_name(enum pinpool_isa isa);
/* True if this library has kernels for it and this processor and system can run them. */
PINPOOL_API bool pinpool_isa_available(enum pinpool_isa isa);

struct pinpool_math;
struct pinpool_packing;
struct pinpool_coded;

/* Most threads of one context. */
#define PINPOOL_MATH_THREADS_MAX 1024u

/**
 * enum pinpool_pin - whether each worker of a context keeps to a core of its own
 * @PINPOOL_PIN_AUTO: if there is a thread for each core that the calling thread may run on, and no more than processors
 * @PINPOOL_PIN_OFF: no; they run where the calling thread may
 * @PINPOOL_PIN_ON: yes, an error if it cannot be; with more threads than processors several share one
 */
enum pinpool_pin {
	PINPOOL_PIN_AUTO = 0,
	PINPOOL_PIN_OFF = 1,
	PINPOOL_PIN_ON = 2
};

/**
 * struct pinpool_math_opts - threads and kernels of a context
 * @size: sizeof(struct pinpool_math_opts)
 * @threads: threads in all, the caller's included; 0 for one per core that the calling thread may run on, but no more than
 *     its cgroups have processors' worth of time, rounded up
 * @isa: kernels to use; AUTO takes the environment variable PINPOOL_ISA if it is set, else the best
 * @pin: whether workers keep to their cores. Threads of the program are never moved
 * @joiners: room for threads that pinpool_math_join(), at a time. With @threads at most PINPOOL_MATH_THREADS_MAX
 */
struct pinpool_math_opts {
	size_t size;
	uint32_t threads;
	enum pinpool_isa isa;
	enum pinpool_pin pin;
	uint32_t joiners;
};

/**
 * pinpool_math_new - start the threads of a context
 * @out: receives the context, given back with pinpool_math_free()
 *
 * Contexts share nothing; several may live in one process. Between products the threads sleep. After fork() a context
 * that was idle works in the child on the calling thread alone and is given back there as well. Return: 0, -EOPNOTSUPP
 * (that ISA cannot run here), -EINVAL, -E2BIG, -ENOMEM, -EAGAIN; with PINPOOL_PIN_ON whatever forbids to pin. Since 0.1.
 */
PINPOOL_API int pinpool_math_new(struct pinpool_math **out, const struct pinpool_math_opts *opts, struct pinpool_diag *diag);
/* Lets threads that joined go and waits for them; no thread may join or make a product any more. */
PINPOOL_API void pinpool_math_free(struct pinpool_math *math);
PINPOOL_API enum pinpool_isa pinpool_math_isa(const struct pinpool_math *math);
/* Threads that the context counts on: the caller's and the workers, without those that joined. */
PINPOOL_API uint32_t pinpool_math_threads(const struct pinpool_math *math);

/**
 * pinpool_math_join - lend the calling thread as one more worker
 * @math: a context with room: pinpool_math_opts.joiners
 *
 * Takes part in products, by whichever thread they are asked for, and sleeps between them, until pinpool_math_release().
 * After that, and until pinpool_math_admit(), it returns at once: a thread that comes late does not stay. Signals,
 * affinity and floating-point environment stay the thread's own; a signal handler that takes long holds up a product.
 * Return: 0 (released), -ENOSPC (as many threads as there is room for have joined), -ECHILD (a context from before
 * fork()), -EINVAL. Since 0.1.
 */
PINPOOL_API int pinpool_math_join(struct pinpool_math *math, struct pinpool_diag *diag);

/**
 * pinpool_math_release - let all threads that joined return
 *
 * Does not wait for them: one in the midst of a product first finishes the step at hand. Any thread may call this, at any
 * time, during a product too. Since 0.1.
 */
PINPOOL_API void pinpool_math_release(struct pinpool_math *math);

/**
 * pinpool_math_admit - take threads again
 *
 * A new context does so from the start. Call it when those released have returned: one that has not may stay. Since 0.1.
 */
PINPOOL_API void pinpool_math_admit(struct pinpool_math *math);

/* True if there are kernels for weights of that type. Since 0.1. */
PINPOOL_API bool pinpool_matmul_takes(enum pinpool_dtype dtype);

/**
 * pinpool_matmul_weights - what products take a row of weights for
 * @dtype: a type that pinpool_matmul_takes()
 * @row: weights; any alignment
 * @values: receives @k values
 * @k: how many; whole blocks
 *
 * Return: 0, -EOPNOTSUPP, -EINVAL. Since 0.1.
 */
PINPOOL_API int pinpool_matmul_weights(enum pinpool_dtype dtype, const void *row, float *values, uint64_t k);

/*
 * Activations that share a scale where they meet weights of that type as integers (see PINPOOL_MATMUL_QUANT); 0 for types
 * that meet activations as they are. Since 0.1.
 */
PINPOOL_API uint64_t pinpool_matmul_run(enum pinpool_dtype dtype);

/**
 * struct pinpool_matmul_args - one product
 * @size: sizeof(struct pinpool_matmul_args)
 * @m: rows of X and Y, at least 1
 * @n: rows of W, columns of Y, at least 1
 * @k: columns of X and W, at least 1
 * @x: activations, of @x_dtype, aligned to the size of one
 * @ldx: elements from one row of X to the next, at least @k; 0 for @k
 * @w: weights; any alignment
 * @w_dtype: PINPOOL_DTYPE_F32, _BF16, _F16, _F8_E4M3, _F8_E5M2, _I8 (times @w_scales), or _Q8_0, _Q4_0, _Q4_K or _Q6_K, for which @k is a
 *     multiple of the values in a block
 * @ldw: elements from one row of W to the next, at least @k; 0 for @k. Whole blocks
 * @y: results, of @y_dtype, aligned to the size of one; what it held before does not matter, elements between @n and
 *     @ldy are left alone. From its first to its last byte it must not overlap @x, @w or @bias
 * @ldy: elements from one row of Y to the next, at least @n; 0 for @n
 * @x_dtype: PINPOOL_DTYPE_F32, _BF16 or _F16; 0 for f32
 * @y_dtype: the same. Results are rounded to it from f32, to the nearest, ties to even
 * @bias: @n values, f32, aligned to 4 bytes, added to each row of Y before it is rounded; NULL for none
 * @w_scales: for PINPOOL_DTYPE_I8, the scale of each of the @n rows of W, f32, aligned to 4 bytes; NULL for other types
 * @packing: W as a packing for the kernels of the context (<pinpool/packing.h>), which has the same @w_dtype, @n and @k; then
 *     @w, @w_scales and @ldw are NULL and 0. NULL for weights as they lie in a checkpoint
 * @w_coded: W as codes or as what it has besides zeros (<pinpool/coded.h>), of @n rows and @k columns; then @w,
 *     @w_dtype, @w_scales, @ldw and @packing are NULL and 0, and @y must not overlap what it names either. NULL for
 *     other weights
 */
struct pinpool_matmul_args {
	size_t size;
	uint64_t m;
	uint64_t n;
	uint64_t k;
	const void *x;
	uint64_t ldx;
	const void *w;
	enum pinpool_dtype w_dtype;
	uint64_t ldw;
	void *y;
	uint64_t ldy;
	enum pinpool_dtype x_dtype;
	enum pinpool_dtype y_dtype;
	const float *bias;
	const float *w_scales;
	const struct pinpool_packing *packing;
	const struct pinpool_coded *w_coded;
};

/**
 * pinpool_matmul - Y = X * W^T with the context's threads and kernels
 *
 * One call at a time per context. On one machine with one ISA the result has the same bits whatever the number of
 * threads and the caller's rounding mode. NaN and infinities follow IEEE arithmetic, subnormals are exact (but for bf16
 * with activations of bf16, where PINPOOL_ISA_AVX512_BF16 takes factors and sums below 2^-126 for zero). Each element
 * differs from the exact sum by at most PINPOOL_MATMUL_BUDGET(k) times the sum of the products' magnitudes and the
 * bias's, and k times 2^-149 where products underflow, as long as no partial sum overflows; bf16 and f16 then by half a
 * step of theirs more. What sparse weights do not store is not multiplied: its activations do not count, be they NaN or
 * infinite, and a row of W without any gives 0, or the bias. Return: 0, -EINVAL (dimension, stride, null,
 * misaligned, overlap, overflow; coded weights as pinpool_coded_check()), -E2BIG, -EOPNOTSUPP (no kernel for the type;
 * @diag names it), -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_matmul(struct pinpool_math *math, const struct pinpool_matmul_args *args, struct pinpool_diag *diag);

/**
 * pinpool_matmul_many - several products in one call
 * @args: @count products, which must not overlap in what they write
 *
 * Results are those of pinpool_matmul() on each. Those with the same X (address, stride, type, m and k), as the queries,
 * keys and values of a layer have, prepare it once; all are shared out among the threads together. Return: as
 * pinpool_matmul(), nothing computed if any of them is refused. Since 0.1.
 */
PINPOOL_API int pinpool_matmul_many(struct pinpool_math *math, const struct pinpool_matmul_args *const *args, size_t count,
				    struct pinpool_diag *diag);

/* The same, one thread, portable, accumulating in double: what the kernels are tested against. */
PINPOOL_API int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag);

/*
 * Error budget of f32 accumulation: (k + 2) rounding errors of 2^-24 bounds any order of summation (Higham, Accuracy
 * and Stability of Numerical Algorithms, 2nd ed., section 3.1).
 */
#define PINPOOL_MATMUL_BUDGET(k) (((double)(k) + 2.0) * 0x1p-24)

/*
 * Block types may meet activations that are integers: of each run of as many as a block has values, multiples of 1/127
 * of the largest magnitude in it, to the nearest. So PINPOOL_MATMUL_QUANT is added to the budget, and the sum of
 * magnitudes is taken with each activation as large as the largest in its run. A run with a value that is not finite makes
 * its row of results NaN; one with no value of 2^-100 or more counts as zeros. Codes of 4 bits (<pinpool/coded.h>) meet them
 * in runs of 32; their values lose some bits as well, for which each weight counts as larger by 1/64 of the largest magnitude
 * in its dictionary.
 */
#define PINPOOL_MATMUL_QUANT (1.0 / 254)

#ifdef __cplusplus
}
#endif
#endif
