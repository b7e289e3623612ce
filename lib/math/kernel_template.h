/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The kernels of kernel.h written once over a vector type. A kernel_*.c file defines the vector, includes this file
 * once and so makes one table. It defines before:
 *
 *   NAME(op)            op with the instruction set's name appended
 *   KERNELS_ISA         enum pinpool_isa
 *   VL, vec             lanes of a vector of f32, a power of two
 *   MR, NV              rows of a tile and vectors in one of its rows; MR at most 14
 *   DOT_M               rows of X that dot() keeps at once, at most 4
 *   DOT_ROWS(m)         rows of W that dot() reads side by side for m rows of X
 *   v_zero v_set1 v_add v_mul v_fma(a, b, c) = a * b + c, v_sum (any fixed order)
 *   v_load_i8           VL integers of 8 bits at any address
 *   v_load v_store      VL floats at any address
 *   v_load_part v_store_part    the first n lanes, n < VL; other lanes read as zero and memory past n is untouched
 *   v_load_TYPE v_load_TYPE_part    the same for every type of element.h
 *   v_store_TYPE v_store_TYPE_part    the same for those of activations
 *   v_transpose(vec r[VL])
 *
 * and includes kernel_integer.h, whose functions are in the table as well.
 *
 * A sum of VL or fewer products of padding is exactly zero because both factors of a padded lane are zero, so padding
 * along k cannot make a NaN of an infinity. Padded columns of a tile may hold anything: they are not stored.
 */
#define NR (NV * VL)
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

/* Bytes ahead of the dot product's reads. Far enough for DRAM latency at the rate of one core's share of the bus. */
#define PREFETCH_BYTES 1024

/*
 * A step of a tile along k takes MR cycles where two fused multiplications start in a cycle. Packed W comes from the
 * second cache, Y from anywhere. Its rows are fetched one a step and not sooner: a stride that is a power of two puts
 * all of them into the same few sets of the first cache, where they push out what is in use.
 */
#define PREFETCH_W (256 / MR)
#define PREFETCH_Y (400 / MR)

/* Rows from @first on of a panel, at most VL of them. */
INLINE void pack_x_rows(float *dst, const float *x, size_t ldx, size_t rows, size_t k, size_t first, size_t p)
{
	size_t total = rows * k;
	size_t left = k - p < VL ? k - p : VL;
	vec r[VL];

	UNROLL
	for (size_t i = 0; i < VL; i++) {
		const float *src = x + (first + i) * ldx + p;

		r[i] = first + i >= rows ? v_zero() : left == VL ? v_load(src) : v_load_part(src, left);
	}
	v_transpose(r);
	/* A whole vector spills over into the next column, which is written after it; the last must not spill. */
	for (size_t i = 0; i < left; i++) {
		size_t at = (p + i) * rows + first;

		if (rows - first >= VL || at + VL <= total)
			v_store(dst + at, r[i]);
		else
			v_store_part(dst + at, r[i], rows - first);
	}
}

static void NAME(pack_x)(float *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
	/* The last rows of a column go first: what they spill over is the first rows of the next one. */
	for (size_t p = 0; p < k; p += VL)
		for (size_t first = (rows + VL - 1) / VL * VL; first; first -= VL)
			pack_x_rows(dst, x, ldx, rows, k, first - VL, p);
}

INLINE void pack_w_body(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t size,
			vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	for (size_t v = 0; v < NV; v++) {
		size_t first = v * VL;
		size_t have = rows > first ? rows - first : 0;

		for (size_t p = 0; p < k; p += VL) {
			size_t left = k - p < VL ? k - p : VL;
			float *out = dst + p * NR + first;
			vec r[VL];

			UNROLL
			for (size_t i = 0; i < VL; i++) {
				const unsigned char *src = w + (first + i) * ldw + p * size;

				r[i] = i >= have ? v_zero() : left == VL ? load(src) : load_part(src, left);
			}
			v_transpose(r);
			for (size_t i = 0; i < left; i++)
				v_store(out + i * NR, r[i]);
		}
	}
}

INLINE void tile_step(vec acc[MR][NV], const float *x, const float *w, size_t m)
{
	vec b[NV];

	UNROLL
	for (size_t v = 0; v < NV; v++)
		b[v] = v_load(w + v * VL);
	UNROLL
	for (size_t i = 0; i < m; i++) {
		vec a = v_set1(x[i]);

		UNROLL
		for (size_t v = 0; v < NV; v++)
			acc[i][v] = v_fma(a, b[v], acc[i][v]);
	}
	UNROLL
	for (size_t line = 0; line < NR; line += 64 / sizeof(float))
		__builtin_prefetch(w + PREFETCH_W * NR + line);
}

INLINE void tile_body(size_t k, const float *x, const float *w, float *y, size_t ldy, size_t m, size_t n, bool add)
{
	vec acc[MR][NV];

	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t v = 0; v < NV; v++)
			acc[i][v] = v_zero();
	}
	for (; k > PREFETCH_Y; k--, x += m, w += NR)
		tile_step(acc, x, w, m);
	for (size_t row = 0; k; k--, row++, x += m, w += NR) {
		if (row < m) {
			__builtin_prefetch(y + row * ldy, 1);
			__builtin_prefetch(y + row * ldy + NR - 1, 1);
		}
		tile_step(acc, x, w, m);
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t v = 0; v < NV; v++) {
			size_t have = n > v * VL ? n - v * VL : 0;
			float *out = y + i * ldy + v * VL;

			if (have >= VL)
				v_store(out, add ? v_add(v_load(out), acc[i][v]) : acc[i][v]);
			else if (have)
				v_store_part(out, add ? v_add(v_load_part(out, have), acc[i][v]) : acc[i][v], have);
		}
	}
}

static void NAME(tile)(size_t k, const float *x, const float *w, float *y, size_t ldy, size_t m, size_t n, bool add)
{
	switch (m) {
#define CASE(rows)                                            \
	case rows:                                            \
		tile_body(k, x, w, y, ldy, rows, n, add);     \
		break;
	CASE(1)
	CASE(2)
	CASE(3)
	CASE(4)
#if MR > 4
	CASE(5)
	CASE(6)
#endif
#if MR > 6
	CASE(7)
	CASE(8)
#endif
#if MR > 8
	CASE(9)
	CASE(10)
	CASE(11)
	CASE(12)
	CASE(13)
	CASE(14)
#endif
#undef CASE
	}
}

/*
 * m rows of X times r rows of W that lie stride bytes apart. One accumulator for each element of Y, whatever m and r
 * are, keeps its sum the same in every grouping. A step takes one cache line from each row of W.
 */
INLINE void dot_body(const struct dot_args *a, size_t first, size_t apart, size_t m, size_t r, size_t size,
		     vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	const unsigned char *w[8];
	vec acc[4][8], part[8];
	size_t p = 0;

	UNROLL
	for (size_t j = 0; j < r; j++)
		w[j] = a->w + (first + j * apart) * a->ldw;
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			acc[i][j] = v_zero();
	}
	for (; p + VL <= a->k; p += VL) {
		vec x[4];

		if (m <= r) {
			UNROLL
			for (size_t i = 0; i < m; i++)
				x[i] = v_load(a->x + i * a->ldx + p);
			UNROLL
			for (size_t j = 0; j < r; j++) {
				vec b = load(w[j] + p * size);

				if (r > 1)
					__builtin_prefetch(w[j] + p * size + PREFETCH_BYTES);
				UNROLL
				for (size_t i = 0; i < m; i++)
					acc[i][j] = v_fma(x[i], b, acc[i][j]);
			}
		} else {
			UNROLL
			for (size_t j = 0; j < r; j++) {
				part[j] = load(w[j] + p * size);
				if (r > 1)
					__builtin_prefetch(w[j] + p * size + PREFETCH_BYTES);
			}
			UNROLL
			for (size_t i = 0; i < m; i++) {
				vec one = v_load(a->x + i * a->ldx + p);

				UNROLL
				for (size_t j = 0; j < r; j++)
					acc[i][j] = v_fma(one, part[j], acc[i][j]);
			}
		}
	}
	if (p < a->k) {
		size_t left = a->k - p;

		UNROLL
		for (size_t j = 0; j < r; j++)
			part[j] = load_part(w[j] + p * size, left);
		UNROLL
		for (size_t i = 0; i < m; i++) {
			vec x = v_load_part(a->x + i * a->ldx + p, left);

			UNROLL
			for (size_t j = 0; j < r; j++)
				acc[i][j] = v_fma(x, part[j], acc[i][j]);
		}
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			a->y[i * a->ldy + first + j * apart] = v_sum(acc[i][j]);
	}
}

/* Each of the rows read side by side is a run of consecutive rows, so that short rows make long streams too. */
INLINE void dot_rows(const struct dot_args *a, size_t m, size_t r, size_t size, vec (*load)(const void *),
		     vec (*load_part)(const void *, size_t))
{
	size_t run = a->rows / r;

	for (size_t i = 0; i < run; i++)
		dot_body(a, i, run, m, r, size, load, load_part);
	for (size_t i = run * r; i < a->rows; i++)
		dot_body(a, i, 0, m, 1, size, load, load_part);
}

#define KERNELS_OF(type, size)                                                                                  \
	static void NAME(pack_w_##type)(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)  \
	{                                                                                                       \
		pack_w_body(dst, w, ldw, rows, k, size, v_load_##type, v_load_##type##_part);                   \
	}                                                                                                       \
	static void NAME(dot_##type)(const struct dot_args *a)                                                  \
	{                                                                                                       \
		switch (a->m) {                                                                                 \
		case 1:                                                                                         \
			dot_rows(a, 1, DOT_ROWS(1), size, v_load_##type, v_load_##type##_part);                 \
			break;                                                                                  \
		case 2:                                                                                         \
			dot_rows(a, 2, DOT_ROWS(2), size, v_load_##type, v_load_##type##_part);                 \
			break;                                                                                  \
		case 3:                                                                                         \
			dot_rows(a, 3, DOT_ROWS(3), size, v_load_##type, v_load_##type##_part);                 \
			break;                                                                                  \
		case 4:                                                                                         \
			dot_rows(a, 4, DOT_ROWS(4), size, v_load_##type, v_load_##type##_part);                 \
			break;                                                                                  \
		}                                                                                               \
	}

/*
 * Block types: a group of 32 values as vectors, whose bytes come from byte vectors of the compiler. A kernel of these
 * calls one of the functions below for every group.
 */
#define GROUP_VECS (GROUP / VL)

INLINE void group_scale(vec q[GROUP_VECS], const uint8_t *codes, float scale)
{
	UNROLL
	for (size_t i = 0; i < GROUP_VECS; i++)
		q[i] = v_mul(v_set1(scale), v_load_i8(codes + i * VL));
}

INLINE void group_q8_0(vec q[GROUP_VECS], const unsigned char *block, size_t group)
{
	group_scale(q, block + Q8_0_CODES, f16_load(block));
}

INLINE void group_q4_0(vec q[GROUP_VECS], const unsigned char *block, size_t group)
{
	codes16 pairs = codes16_load(block + Q4_0_CODES);
	codes16 codes[2] = { (pairs & 15) - 8, (pairs >> 4) - 8 };

	group_scale(q, (const uint8_t *)codes, f16_load(block));
}

INLINE void group_q4_k(vec q[GROUP_VECS], const unsigned char *block, size_t group)
{
	codes16 codes[2];
	float scale, minimum;

	q4_k_scales(block, group, &scale, &minimum);
	UNROLL
	for (size_t i = 0; i < 2; i++) {
		codes16 pairs = codes16_load(block + Q4_K_CODES + group / 2 * GROUP + i * 16);

		codes[i] = group % 2 ? pairs >> 4 : pairs & 15;
	}
	UNROLL
	for (size_t i = 0; i < GROUP_VECS; i++)
		q[i] = v_fma(v_set1(scale), v_load_i8((const uint8_t *)codes + i * VL), v_set1(-minimum));
}

INLINE void group_q6_k(vec q[GROUP_VECS], const unsigned char *block, size_t group)
{
	size_t half = group / 4, part = group % 4;
	codes16 codes[2];

	UNROLL
	for (size_t i = 0; i < 2; i++) {
		codes16 pairs = codes16_load(block + half * 64 + part % 2 * GROUP + i * 16);
		codes16 high = codes16_load(block + Q6_K_HIGH + half * GROUP + i * 16) >> (uint8_t)(2 * part) & 3;

		codes[i] = ((part < 2 ? pairs & 15 : pairs >> 4) | high << 4) - 32;
	}
	UNROLL
	for (size_t i = 0; i < GROUP_VECS; i++) {
		float scale = q6_k_scale(block, group * GROUP + i * VL);

		q[i] = v_mul(v_set1(scale), v_load_i8((const uint8_t *)codes + i * VL));
	}
}

typedef void (*group_fn)(vec q[GROUP_VECS], const unsigned char *block, size_t group);

INLINE void pack_w_groups(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t values,
			  size_t bytes, group_fn group)
{
	for (size_t v = 0; v < NV; v++) {
		size_t first = v * VL;
		size_t have = rows > first ? rows - first : 0;

		for (size_t p = 0; p < k; p += GROUP) {
			vec q[VL][GROUP_VECS];

			for (size_t i = 0; i < VL && i < have; i++)
				group(q[i], w + (first + i) * ldw + p / values * bytes, p % values / GROUP);
			for (size_t c = 0; c < GROUP_VECS; c++) {
				vec r[VL];

				UNROLL
				for (size_t i = 0; i < VL; i++)
					r[i] = i < have ? q[i][c] : v_zero();
				v_transpose(r);
				for (size_t i = 0; i < VL; i++)
					v_store(dst + (p + c * VL + i) * NR + first, r[i]);
			}
		}
	}
}

#define BLOCK_KERNELS_OF(type, values, bytes)                                                                   \
	static void NAME(pack_w_##type)(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)  \
	{                                                                                                       \
		pack_w_groups(dst, w, ldw, rows, k, values, bytes, group_##type);                               \
	}

#define CONVERSIONS_OF(type, size)                                                                              \
	static void NAME(widen_##type)(float *dst, const void *src, size_t n)                                   \
	{                                                                                                       \
		const unsigned char *from = src;                                                                \
		size_t i = 0;                                                                                   \
                                                                                                                \
		for (; i + VL <= n; i += VL)                                                                    \
			v_store(dst + i, v_load_##type(from + i * (size)));                                     \
		if (i < n)                                                                                      \
			v_store_part(dst + i, v_load_##type##_part(from + i * (size), n - i), n - i);           \
	}                                                                                                       \
	static void NAME(narrow_##type)(void *dst, const float *src, const float *bias, size_t n)               \
	{                                                                                                       \
		unsigned char *to = dst;                                                                        \
		size_t i = 0;                                                                                   \
                                                                                                                \
		for (; i + VL <= n; i += VL) {                                                                  \
			vec v = v_load(src + i);                                                                \
                                                                                                                \
			v_store_##type(to + i * (size), bias ? v_add(v, v_load(bias + i)) : v);                 \
		}                                                                                               \
		if (i < n) {                                                                                    \
			vec v = v_load_part(src + i, n - i);                                                    \
                                                                                                                \
			v_store_##type##_part(to + i * (size), bias ? v_add(v, v_load_part(bias + i, n - i)) : v, \
					      n - i);                                                           \
		}                                                                                               \
	}

#include "math/kernel_integer.h"

KERNELS_OF(f32, 4)
KERNELS_OF(bf16, 2)
KERNELS_OF(f16, 2)
KERNELS_OF(f8_e4m3, 1)
KERNELS_OF(f8_e5m2, 1)
BLOCK_KERNELS_OF(q8_0, 32, 34)
BLOCK_KERNELS_OF(q4_0, 32, 18)
BLOCK_KERNELS_OF(q4_k, 256, 144)
BLOCK_KERNELS_OF(q6_k, 256, 210)
CONVERSIONS_OF(f32, 4)
CONVERSIONS_OF(bf16, 2)
CONVERSIONS_OF(f16, 2)

const struct math_kernels NAME(kernels) = {
	.isa = KERNELS_ISA,
	.mr = MR,
	.nr = NR,
	.dot_m = 4,
	.dot_rows = DOT_ROWS(1),
	.pack_x = NAME(pack_x),
	.pack_w = { NAME(pack_w_f32), NAME(pack_w_bf16), NAME(pack_w_f16), NAME(pack_w_f8_e4m3), NAME(pack_w_f8_e5m2),
		    NAME(pack_w_q8_0), NAME(pack_w_q4_0), NAME(pack_w_q4_k), NAME(pack_w_q6_k) },
	.tile = NAME(tile),
	.dot = { NAME(dot_f32), NAME(dot_bf16), NAME(dot_f16), NAME(dot_f8_e4m3), NAME(dot_f8_e5m2) },
	.quantise = NAME(quantise),
	.dot_blocks = { [ELEMENT_Q8_0] = NAME(dot_q8_0), [ELEMENT_Q4_0] = NAME(dot_q4_0),
			[ELEMENT_Q4_K] = NAME(dot_q4_k), [ELEMENT_Q6_K] = NAME(dot_q6_k) },
	.widen = { NAME(widen_f32), NAME(widen_bf16), NAME(widen_f16) },
	.narrow = { NAME(narrow_f32), NAME(narrow_bf16), NAME(narrow_f16) },
};
