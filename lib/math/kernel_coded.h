/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of f32 with coded weights. A part of kernel_template.h.
 *
 * From memory, a run of a row of W becomes f32 once for up to four rows of X. Runs begin at the same values of a row
 * whatever else is asked for, and lanes are summed in the same order, so an element is the same sum in every grouping.
 * For more rows of X dictionary-coded rows are decoded into panels of f32, and sparse ones meet X in panels: each value
 * that is stored meets SPARSE_ROWS activations side by side.
 *
 * A kernel file defines before
 *
 *   LOOKUP_4, LOOKUP_8        codes of 4 and 8 bits that are looked up at once, the first even; 0: one at a time
 *   l4_table, l8_table        a dictionary in registers, or near them
 *   l4_start(table, values)   takes 16 values, l8_start() 256
 *   l4_look_up(vec *dst, table, codes), l8_look_up()    vectors of that many values
 *
 * Gathers are in none of them: they measured slower than loads one by one (Zen 4: 0.37 and 0.27 ns a value).
 */

/* Values of a run: few enough to stay in the first cache beside X, enough to pay for finding their dictionary. */
#define CODED_RUN 256
/* Sums of an element, which are added at the end: one alone would wait for itself. */
#define CODED_SUMS 2

/* What codes are looked up in. */
struct lookup {
	const float *values; /* NULL: none yet */
#if LOOKUP_4
	l4_table by_4;
#endif
#if LOOKUP_8
	l8_table by_8;
#endif
};

/* A dictionary with as many values as there are codes. */
INLINE void lookup_fill(struct lookup *lookup, const struct coded *w, const float *values)
{
#if LOOKUP_4
	if (w->code_bits == 4)
		l4_start(&lookup->by_4, values);
#endif
#if LOOKUP_8
	if (w->code_bits == 8)
		l8_start(&lookup->by_8, values);
#endif
}

/* Codes without a value are given one: nothing behind the dictionary is read. */
static __attribute__((noinline)) void NAME(lookup_fill_short)(struct lookup *lookup, const struct coded *w,
							      const float *values)
{
	float all[PINPOOL_CODED_VALUES_MAX] = { 0 };

	memcpy(all, values, w->dictionary_values * sizeof(float));
	lookup_fill(lookup, w, all);
}

/* Prepares a dictionary, unless it is the one from before. */
INLINE void lookup_start(struct lookup *lookup, const struct coded *w, const float *values)
{
	if (lookup->values == values)
		return;
	lookup->values = values;
	if (!(LOOKUP_4 || LOOKUP_8))
		return;
	if (w->dictionary_values >> w->code_bits)
		lookup_fill(lookup, w, values);
	else
		NAME(lookup_fill_short)(lookup, w, values);
}

/* Values of @n codes of 4 bits, from number @first on. */
INLINE void look_up_4(float *dst, const struct lookup *lookup, const unsigned char *codes, size_t first, size_t n)
{
	const float *values = lookup->values;

	codes += first / 2;
	if (first % 2) {
		*dst++ = values[*codes++ >> 4];
		n--;
	}
#if LOOKUP_4
	for (; n >= LOOKUP_4; n -= LOOKUP_4, dst += LOOKUP_4, codes += LOOKUP_4 / 2) {
		vec v[LOOKUP_4 / VL];

		l4_look_up(v, &lookup->by_4, codes);
		UNROLL
		for (size_t i = 0; i < LOOKUP_4 / VL; i++)
			v_store(dst + i * VL, v[i]);
	}
#endif
	_Pragma("GCC unroll 8") for (; n >= 2; n -= 2, dst += 2)
	{
		unsigned char pair = *codes++;

		dst[0] = values[pair & 15];
		dst[1] = values[pair >> 4];
	}
	if (n)
		*dst = values[*codes & 15];
}

INLINE void look_up_8(float *dst, const struct lookup *lookup, const unsigned char *codes, size_t n)
{
	const float *values = lookup->values;

#if LOOKUP_8
	for (const l8_table table = lookup->by_8; n >= LOOKUP_8; n -= LOOKUP_8, dst += LOOKUP_8, codes += LOOKUP_8) {
		vec v[LOOKUP_8 / VL];

		l8_look_up(v, &table, codes);
		UNROLL
		for (size_t i = 0; i < LOOKUP_8 / VL; i++)
			v_store(dst + i * VL, v[i]);
	}
#endif
	_Pragma("GCC unroll 16") for (size_t i = 0; i < n; i++)
		dst[i] = values[codes[i]];
}

/* Values of @n codes, from number @first on. */
INLINE void look_up(float *dst, const struct lookup *lookup, const struct coded *w, const unsigned char *codes, size_t first,
		    size_t n)
{
	if (w->code_bits == 4)
		look_up_4(dst, lookup, codes, first, n);
	else
		look_up_8(dst, lookup, codes + first, n);
}

/* Values of columns @first to @end of a row, not including @end, whichever dictionaries they have. */
INLINE void decode(float *dst, struct lookup *lookup, const struct coded *w, size_t row, size_t first, size_t end)
{
	const unsigned char *codes = w->codes + row * w->ld;
	size_t group = w->groups > 1 ? first / w->group_columns : 0;

	for (const float *values = coded_dictionaries(w, row) + group * w->dictionary_values; first < end;
	     values += w->dictionary_values) {
		size_t stop = ++group < w->groups ? group * w->group_columns : end;

		stop = stop < end ? stop : end;
		lookup_start(lookup, w, values);
		look_up(dst, lookup, w, codes, first, stop - first);
		dst += stop - first;
		first = stop;
	}
}

/* Adds the products of values with as many of each row of X. */
INLINE void vectors_add(vec acc[4][CODED_SUMS], const float *x, size_t ldx, const vec *values, size_t vectors, size_t m)
{
	UNROLL
	for (size_t v = 0; v < vectors; v++) {
		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i][v % CODED_SUMS] = v_fma(v_load(x + i * ldx + v * VL), values[v], acc[i][v % CODED_SUMS]);
	}
}

/* Adds the products of @n values with as many of each row of X. */
INLINE void coded_add(vec acc[4][CODED_SUMS], const float *x, size_t ldx, const void *w, size_t n, size_t m)
{
	const unsigned char *weights = w;
	size_t p = 0;

	for (; p + CODED_SUMS * VL <= n; p += CODED_SUMS * VL) {
		vec values[CODED_SUMS];

		UNROLL
		for (size_t s = 0; s < CODED_SUMS; s++)
			values[s] = v_load(weights + (p + s * VL) * sizeof(float));
		vectors_add(acc, x + p, ldx, values, CODED_SUMS, m);
	}
	for (; p + VL <= n; p += VL) {
		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i][0] = v_fma(v_load(x + i * ldx + p), v_load(weights + p * sizeof(float)), acc[i][0]);
	}
	if (p < n) {
		vec values = v_load_part(weights + p * sizeof(float), n - p);

		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i][0] = v_fma(v_load_part(x + i * ldx + p, n - p), values, acc[i][0]);
	}
}

INLINE void coded_begin(vec acc[4][CODED_SUMS], size_t m)
{
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t s = 0; s < CODED_SUMS; s++)
			acc[i][s] = v_zero();
	}
}

INLINE void coded_end(const struct dot_coded_args *a, size_t row, vec acc[4][CODED_SUMS], size_t m)
{
	UNROLL
	for (size_t i = 0; i < m; i++)
		a->y[i * a->ldy + row] = v_sum(v_add(acc[i][0], acc[i][1]));
}

/* As many of @n columns of one dictionary as are looked up at once, whose values stay in registers. Returns how many. */
INLINE size_t looked_up_add(vec acc[4][CODED_SUMS], const struct dot_coded_args *a, const struct lookup *lookup,
			    const unsigned char *codes, size_t first, size_t n, size_t m)
{
	size_t p = 0;

#if LOOKUP_8
	if (a->w->code_bits == 8) {
		const l8_table table = lookup->by_8;

		for (; p + LOOKUP_8 <= n; p += LOOKUP_8) {
			vec values[LOOKUP_8 / VL];

			l8_look_up(values, &table, codes + first + p);
			vectors_add(acc, a->x + first + p, a->ldx, values, LOOKUP_8 / VL, m);
		}
	}
#endif
#if LOOKUP_4
	if (a->w->code_bits == 4 && first % 2 == 0) {
		const l4_table table = lookup->by_4;

		for (; p + LOOKUP_4 <= n; p += LOOKUP_4) {
			vec values[LOOKUP_4 / VL];

			l4_look_up(values, &table, codes + (first + p) / 2);
			vectors_add(acc, a->x + first + p, a->ldx, values, LOOKUP_4 / VL, m);
		}
	}
#endif
	return p;
}

INLINE void dictionary_rows(const struct dot_coded_args *a, size_t m)
{
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;

	for (size_t j = 0; j < a->rows; j++) {
		const float *values = coded_dictionaries(w, a->first + j);
		const unsigned char *codes = w->codes + (a->first + j) * w->ld;
		vec acc[4][CODED_SUMS];

		coded_begin(acc, m);
		for (size_t first = 0, n; first < a->k; first += n, values += w->dictionary_values) {
			n = a->k - first < w->group_columns ? a->k - first : w->group_columns;
			lookup_start(&lookup, w, values);
			for (size_t p = looked_up_add(acc, a, &lookup, codes, first, n, m); p < n; p += CODED_RUN) {
				size_t some = n - p < CODED_RUN ? n - p : CODED_RUN;
				float run[CODED_RUN];

				look_up(run, &lookup, w, codes, first + p, some);
				coded_add(acc, a->x + first + p, a->ldx, run, some, m);
			}
		}
		coded_end(a, j, acc, m);
	}
}

/* @n values that a row stores from @first on, in @buffer or where they lie. */
INLINE const void *sparse_values(float *buffer, struct lookup *lookup, const struct coded *w, size_t row, size_t first,
				 size_t n)
{
	const unsigned char *values = w->values;

	if (w->code_bits) {
		lookup_start(lookup, w, coded_dictionaries(w, row));
		look_up_8(buffer, lookup, w->codes + first, n);
		return buffer;
	}
	switch (w->element) {
	case ELEMENT_BF16:
		NAME(widen_bf16)(buffer, values + first * 2, n);
		return buffer;
	case ELEMENT_F16:
		NAME(widen_f16)(buffer, values + first * 2, n);
		return buffer;
	default:
		return values + first * 4;
	}
}

INLINE void sparse_rows(const struct dot_coded_args *a, size_t m)
{
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;

	for (size_t j = 0; j < a->rows; j++) {
		size_t end = w->starts[a->first + j + 1];
		float weights[CODED_RUN], x[4 * CODED_RUN];
		vec acc[4][CODED_SUMS];

		coded_begin(acc, m);
		for (size_t p = w->starts[a->first + j]; p < end; p += CODED_RUN) {
			size_t n = end - p < CODED_RUN ? end - p : CODED_RUN;
			const void *values = sparse_values(weights, &lookup, w, a->first + j, p, n);

			for (size_t i = 0; i < m; i++) {
				_Pragma("GCC unroll 8") for (size_t l = 0; l < n; l++)
					x[i * CODED_RUN + l] = a->x[i * a->ldx + w->columns[p + l]];
			}
			coded_add(acc, x, CODED_RUN, values, n, m);
		}
		coded_end(a, j, acc, m);
	}
}

#define CODED_OF(kind)                                               \
	static void NAME(dot_##kind)(const struct dot_coded_args *a) \
	{                                                            \
		switch (a->m) {                                      \
		case 1:                                              \
			kind##_rows(a, 1);                           \
			break;                                       \
		case 2:                                              \
			kind##_rows(a, 2);                           \
			break;                                       \
		case 3:                                              \
			kind##_rows(a, 3);                           \
			break;                                       \
		case 4:                                              \
			kind##_rows(a, 4);                           \
			break;                                       \
		}                                                    \
	}

CODED_OF(dictionary)
CODED_OF(sparse)

/* Adds the products of one value with SPARSE_ROWS activations side by side. */
INLINE void panel_add(vec acc[SPARSE_ROWS / VL], const float *x, const unsigned char *at)
{
	float value;

	memcpy(&value, at, sizeof(value));
	UNROLL
	for (size_t v = 0; v < SPARSE_ROWS / VL; v++)
		acc[v] = v_fma(v_load(x + v * VL), v_set1(value), acc[v]);
}

static void NAME(dot_sparse_panel)(const struct dot_coded_args *a)
{
	enum { VECTORS = SPARSE_ROWS / VL };
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;

	for (size_t j = 0; j < a->rows; j++) {
		size_t end = w->starts[a->first + j + 1];
		float weights[CODED_RUN], y[SPARSE_ROWS];
		vec acc[CODED_SUMS][VECTORS];

		UNROLL
		for (size_t v = 0; v < VECTORS; v++)
			acc[0][v] = acc[1][v] = v_zero();
		for (size_t p = w->starts[a->first + j]; p < end; p += CODED_RUN) {
			size_t n = end - p < CODED_RUN ? end - p : CODED_RUN;
			const unsigned char *values = sparse_values(weights, &lookup, w, a->first + j, p, n);
			const uint32_t *columns = w->columns + p;
			size_t l = 0;

			for (; l + 2 <= n; l += 2, columns += 2, values += 2 * sizeof(float)) {
				panel_add(acc[0], a->x + (size_t)columns[0] * SPARSE_ROWS, values);
				panel_add(acc[1], a->x + (size_t)columns[1] * SPARSE_ROWS, values + sizeof(float));
			}
			if (l < n)
				panel_add(acc[0], a->x + (size_t)columns[0] * SPARSE_ROWS, values);
		}
		UNROLL
		for (size_t v = 0; v < VECTORS; v++)
			v_store(y + v * VL, v_add(acc[0][v], acc[1][v]));
		for (size_t i = 0; i < a->m; i++)
			a->y[i * a->ldy + j] = y[i];
	}
}

/*
 * Rows of W from @row on and columns from @first on to a panel of f32, as pack_w() of struct panel_type. What a row has
 * next is fetched to the second cache: rows at a stride of a page, which is common, share a few lines of the first.
 */
static void NAME(pack_dictionary)(unsigned char *dst, const struct coded *w, size_t row, size_t rows, size_t first,
				  size_t k)
{
	enum { RUN = CODED_RUN / 2 };
	struct lookup lookup = { .values = NULL };
	const size_t run_bytes = RUN * w->code_bits / 8;
	float values[NR * RUN];

	for (size_t p = 0; p < k; p += RUN) {
		size_t n = k - p < RUN ? k - p : RUN;

		for (size_t i = 0; i < rows; i++) {
			size_t at = (row + i) * w->ld + (first + p) * w->code_bits / 8;

			for (size_t ahead = run_bytes; ahead < 2 * run_bytes; ahead += 64)
				__builtin_prefetch(w->codes + at + ahead, 0, 2);
			decode(values + i * RUN, &lookup, w, row + i, first + p, first + p + n);
		}
		NAME(pack_f32)(dst + p * NR * sizeof(float), (const unsigned char *)values, RUN * sizeof(float), rows,
			       n);
	}
}

/* X[rows, k], rows at most SPARSE_ROWS, to a panel for dot_sparse_panel(): of each k, SPARSE_ROWS activations. */
static void NAME(pack_sparse_x)(float *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
	NAME(pack_x)(dst, x, ldx, rows, SPARSE_ROWS, k);
}
