/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of f32 with coded weights that are decoded. A part of kernel_template.h.
 *
 * From memory, a run of a row of W becomes f32 once for up to four rows of X. Runs begin at the same values of a row
 * whatever else is asked for, and lanes are summed in the same order, so an element is the same sum in every grouping.
 * For more rows of X rows are decoded into panels of f32.
 */

/* Sums of an element, which are added at the end: one alone would wait for itself. */
#define CODED_SUMS 2

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

/* Runs of a row of any other kind; long ones, so that the first values are there when the last have been made. */
INLINE void run_rows(const struct dot_coded_args *a, size_t m)
{
	enum { RUN = 4 * CODED_RUN };
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;

	for (size_t j = 0; j < a->rows; j++) {
		size_t at = w->starts ? w->starts[a->first + j] : 0;
		vec acc[4][CODED_SUMS];

		coded_begin(acc, m);
		for (size_t first = 0; first < a->k; first += RUN) {
			size_t end = a->k - first < RUN ? a->k : first + RUN;
			_Alignas(64) float run[RUN];

			NAME(decode_step)(run, &lookup, w, a->first + j, a->k, first, end, &at);
			coded_add(acc, a->x + first, a->ldx, run, end - first, m);
		}
		coded_end(a, j, acc, m);
	}
}

#if EXPONENTS_FUSED
/* bf16 with its exponents apart, which stays in registers. X is as order_x() leaves it. */
INLINE E_TARGET void exponent_rows(const struct dot_coded_args *a, size_t m)
{
	const struct coded *w = a->w;
	const unsigned char *end = w->escapes + w->count, *own = NULL;
	e_table table = { 0 };

	for (size_t j = 0; j < a->rows; j++) {
		const unsigned char *codes = w->codes + (a->first + j) * w->ld;
		const unsigned char *escapes = w->escapes + w->starts[a->first + j];
		const uint64_t *planes = w->bits + (a->first + j) * w->words;
		vec acc[4][CODED_SUMS], values[CODED_STEP / VL];
		size_t p = 0;

		e_start_row(&table, &own, w, a->first + j);
		coded_begin(acc, m);
		for (; p + CODED_STEP <= a->k; p += CODED_STEP, planes += 3) {
			__builtin_prefetch(codes + p + 2 * PREFETCH_BYTES);
			__builtin_prefetch((const unsigned char *)planes + PREFETCH_BYTES);
			escapes += e_decode_all(values, &table, planes, codes + p, escapes, end);
			vectors_add(acc, a->x + p, a->ldx, values, CODED_STEP / VL, m);
		}
		if (p < a->k) {
			/* Not @values, which would not be registers then. */
			vec last[CODED_STEP / VL];
			float rest[CODED_STEP];

			e_decode_all(last, &table, planes, codes + p, escapes, end);
			memcpy(rest, last, sizeof(rest));
			/* Codes behind the last column are 0: where that is the exponent of infinities, these are some. */
			for (size_t i = a->k - p; i < CODED_STEP; i++)
				rest[e_place(i)] = 0;
			memcpy(last, rest, sizeof(rest));
			vectors_add(acc, a->x + p, a->ldx, last, CODED_STEP / VL, m);
		}
		coded_end(a, j, acc, m);
	}
}

static void NAME(order_x)(float *dst, const float *x, size_t k)
{
	const bool fused = E_FUSES;

	for (size_t p = 0; p < k; p += CODED_STEP) {
		float rest[CODED_STEP] = { 0 };
		const float *from = x + p;

		if (k - p < CODED_STEP)
			from = memcpy(rest, from, (k - p) * sizeof(float));
		for (size_t i = 0; i < CODED_STEP; i += E_TOGETHER)
			memcpy(dst + p + (fused ? e_place(i) : i), from + i, E_TOGETHER * sizeof(float));
	}
}

static E_TARGET void NAME(dot_exponents)(const struct dot_coded_args *a)
{
	FOR_ROWS(exponent_rows, a);
}
#endif

INLINE void decoded_rows(const struct dot_coded_args *a, size_t m)
{
	if (a->w->kind == PINPOOL_CODED_DICTIONARY)
		dictionary_rows(a, m);
#if EXPONENTS_FUSED
	else if (a->w->kind == PINPOOL_CODED_EXPONENTS && E_FUSES)
		NAME(dot_exponents)(a);
#endif
	else
		run_rows(a, m);
}

#define CODED_OF(kind)                                               \
	static void NAME(dot_##kind)(const struct dot_coded_args *a) \
	{                                                            \
		FOR_ROWS(kind##_rows, a);                            \
	}

CODED_OF(decoded)

/*
 * Rows of W from @row on and columns from @first on, a multiple of CODED_STEP, to a panel of f32, as pack_w() of struct
 * panel_type. What a row has next is fetched to the second cache: rows at a stride of a page, which is common, share a
 * few lines of the first.
 */
static void NAME(pack_decoded)(unsigned char *dst, const struct coded *w, size_t row, size_t rows, size_t all, size_t first,
			       size_t k)
{
	enum { RUN = CODED_RUN / 2 };
	struct lookup lookup = { .values = NULL };
	const size_t bits = w->code_bits ? w->code_bits : 8, run_bytes = RUN * bits / 8 / w->block_columns;
	float values[NR * RUN];
	size_t stored[NR];

	for (size_t i = 0; i < rows; i++)
		stored[i] = w->bits ? coded_stored_before(w, row + i, first) : 0;
	for (size_t p = 0; p < k; p += RUN) {
		size_t n = k - p < RUN ? k - p : RUN;

		for (size_t i = 0; i < rows; i++) {
			if (w->codes) {
				size_t at = (row + i) * w->ld + (first + p) * bits / 8 / w->block_columns;

				for (size_t ahead = run_bytes; ahead < 2 * run_bytes; ahead += 64)
					__builtin_prefetch(w->codes + at + ahead, 0, 2);
			}
			NAME(decode_step)(values + i * RUN, &lookup, w, row + i, all, first + p, first + p + n, &stored[i]);
		}
		NAME(pack_f32)(dst + p * NR * sizeof(float), (const unsigned char *)values, RUN * sizeof(float), rows,
			       n);
	}
}
