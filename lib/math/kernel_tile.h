/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The loops of products of panels whose sums are f32, and the making of panels of X. A part of kernel_float.h and of files
 * of one product alone, which define vec, VL, MR, NV, TILE_PANELS and the operations on vec as kernel_template.h says, and
 *
 *   TILE_FMA(x, w, sum)    @sum and the products of words of 32 bits: one of X in all lanes and one of each row of W
 *   TILE_ALONE             rows of X up to which the processor runs ahead by itself; measured
 */
#include "math/kernel_common.h"

/*
 * A step of a tile along k takes MR cycles where two fused multiplications start in a cycle. Packed W comes from the
 * second cache, Y from anywhere. Its rows are fetched one a step and not sooner: a stride that is a power of two puts
 * all of them into the same few sets of the first cache, where they push out what is in use.
 */
#define PREFETCH_W (256 / MR)
#define PREFETCH_Y (400 / MR)
/* Bytes ahead, where W is read once for few rows of X and comes from memory. */
#define PREFETCH_PANEL 2048

/* Words that hold the next @count values of a row of X, which are no more than fit. */
typedef vec (*words_fn)(const float *row, size_t count);

/* Rows from @first on of a panel, at most VL of them: words from number @p on, of so many @values each. */
INLINE void pack_x_rows(float *dst, const float *x, size_t ldx, size_t rows, size_t height, size_t k, size_t first, size_t p,
			size_t values, words_fn words)
{
	size_t all = (k + values - 1) / values, total = height * all;
	size_t left = all - p < VL ? all - p : VL, count = k - p * values;
	vec r[VL];

	if (count > VL * values)
		count = VL * values;
	UNROLL
	for (size_t i = 0; i < VL; i++)
		r[i] = first + i >= rows ? v_zero() : words(x + (first + i) * ldx + p * values, count);
	v_transpose(r);
	/* A whole vector spills over into the next column, which is written after it; the last must not spill. */
	for (size_t i = 0; i < left; i++) {
		size_t at = (p + i) * height + first;

		if (height - first >= VL || at + VL <= total)
			v_store(dst + at, r[i]);
		else
			v_store_part(dst + at, r[i], height - first);
	}
}

INLINE void pack_x_words(float *dst, const float *x, size_t ldx, size_t rows, size_t height, size_t k, size_t values,
			 words_fn words)
{
	/* The last rows of a column go first: what they spill over is the first rows of the next one. */
	for (size_t p = 0; p * values < k; p += VL)
		for (size_t first = (height + VL - 1) / VL * VL; first; first -= VL)
			pack_x_rows(dst, x, ldx, rows, height, k, first - VL, p, values, words);
}

/* The NV vectors of k number @at of a unit. */
typedef void (*unit_fn)(vec b[NV], const unsigned char *w, size_t at);

/* What a product of panels is made of, all known when it is compiled. */
struct tile_shape {
	size_t m;
	size_t panels;
	/* Values of k in a unit, and its bytes. */
	size_t values;
	size_t bytes;
	unit_fn unit;
};

INLINE void tile_step(vec *acc, const float *x, const unsigned char *const w[], struct tile_shape s, size_t at)
{
	UNROLL
	for (size_t p = 0; p < s.panels; p++) {
		vec b[NV];

		s.unit(b, w[p], at);
		UNROLL
		for (size_t i = 0; i < s.m; i++) {
			vec a = v_set1(x[i]);

			UNROLL
			for (size_t v = 0; v < NV; v++)
				acc[(i * s.panels + p) * NV + v] = TILE_FMA(a, b[v], acc[(i * s.panels + p) * NV + v]);
		}
	}
}

INLINE void tile_unit(vec *acc, const float *x, const unsigned char *const w[], struct tile_shape s)
{
	/* Where a number of k must be known to the compiler, there are two. */
	if (s.values == 2) {
		tile_step(acc, x, w, s, 0);
		tile_step(acc, x + s.m, w, s, 1);
	} else {
		for (size_t at = 0; at < s.values; at++)
			tile_step(acc, x + at * s.m, w, s, at);
	}
	/* The processor does it better where it can: see fetch() of kernel_panel.h. */
	if (s.m <= TILE_ALONE)
		return;
	UNROLL
	for (size_t p = 0; p < s.panels; p++) {
		UNROLL
		for (size_t line = 0; line < s.bytes; line += 64)
			__builtin_prefetch(w[p] + line + (s.panels > 1 ? PREFETCH_PANEL : PREFETCH_W * NR * sizeof(float)));
	}
}

INLINE void tile_store(const struct tile_args *a, const vec *acc, size_t column, size_t height, size_t panels)
{
	UNROLL
	for (size_t i = 0; i < height; i++) {
		if (i == a->m)
			break;
		UNROLL
		for (size_t v = 0; v < panels * NV; v++) {
			size_t at = column + v * VL;
			float *y = a->y + i * a->ldy + at;
			vec sum = acc[i * panels * NV + v];

			if (at + VL <= a->n)
				v_store(y, a->add ? v_add(v_load(y), sum) : sum);
			else if (at < a->n)
				v_store_part(y, a->add ? v_add(v_load_part(y, a->n - at), sum) : sum, a->n - at);
		}
	}
}

INLINE void tile_body(const struct tile_args *a, size_t column, struct tile_shape s)
{
	vec acc[MR * NV > TILE_MOST ? MR * NV : TILE_MOST];
	const unsigned char *w[TILE_MOST];
	const float *x = a->x;
	size_t k = a->k;
	/* Units until it fetches for all calls; never, if there is nothing to. */
	size_t until_turn = a->far ? a->far_call : SIZE_MAX;

	UNROLL
	for (size_t p = 0; p < s.panels; p++)
		w[p] = a->w + (column / NR + p) * a->w_stride;
	UNROLL
	for (size_t i = 0; i < s.m * s.panels * NV; i++)
		acc[i] = v_zero();
	for (size_t row = 0; k >= s.values; k -= s.values, x += s.values * s.m) {
		if (s.panels == 1 && until_turn-- == 0) {
			until_turn = a->far_calls - 1;
			UNROLL
			for (size_t line = 0; line < s.bytes; line += 64)
				__builtin_prefetch(w[0] + line + a->far, 0, 2);
		}
		if (k <= PREFETCH_Y && row < a->m) {
			__builtin_prefetch(a->y + row * a->ldy + column, 1);
			__builtin_prefetch(a->y + row * a->ldy + column + s.panels * NR - 1, 1);
			row++;
		}
		tile_unit(acc, x, w, s);
		UNROLL
		for (size_t p = 0; p < s.panels; p++)
			w[p] += s.bytes;
	}
	for (size_t at = 0; at < k; at++)
		tile_step(acc, x + at * s.m, w, s, at);
	tile_store(a, acc, column, s.m, s.panels);
}

INLINE void tile_columns(const struct tile_args *a, size_t m, size_t values, size_t bytes, unit_fn unit)
{
	const size_t panels = TILE_PANELS(m);
	size_t column = 0;

	for (; column + (panels - 1) * NR < a->n; column += panels * NR)
		tile_body(a, column, (struct tile_shape){ m, panels, values, bytes, unit });
	for (; column < a->n; column += NR)
		tile_body(a, column, (struct tile_shape){ m, 1, values, bytes, unit });
}

#define TILE_CASE(rows, type, values, bytes)                            \
	case rows:                                                      \
		tile_columns(a, rows, values, bytes, unit_##type);      \
		break;
#if MR >= 6
#define TILE_CASES_6(...) TILE_CASE(6, __VA_ARGS__)
#else
#define TILE_CASES_6(...)
#endif
#if MR >= 8
#define TILE_CASES_8(...) TILE_CASE(8, __VA_ARGS__)
#else
#define TILE_CASES_8(...)
#endif
#if MR >= 14
#define TILE_CASES_14(...) \
	TILE_CASE(10, __VA_ARGS__) TILE_CASE(12, __VA_ARGS__) TILE_CASE(14, __VA_ARGS__)
#else
#define TILE_CASES_14(...)
#endif

#define TILE_OF(type, values, bytes)                                            \
	static void NAME(tile_##type)(const struct tile_args *a)                \
	{                                                                       \
		switch (a->height) {                                            \
			TILE_CASE(1, type, values, bytes)                       \
			TILE_CASE(2, type, values, bytes)                       \
			TILE_CASE(3, type, values, bytes)                       \
			TILE_CASE(4, type, values, bytes)                       \
			TILE_CASES_6(type, values, bytes)                       \
			TILE_CASES_8(type, values, bytes)                       \
			TILE_CASES_14(type, values, bytes)                      \
		}                                                               \
	}

/* A unit of a packing is a word of 32 bits of each row. */
#define UNIT_BYTES (NR * sizeof(float))
