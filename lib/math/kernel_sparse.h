/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of f32 with what sparse rows and blocks store. A part of kernel_template.h.
 *
 * For few rows of X values that stand alone meet activations one by one; those of blocks meet them side by side; of blocks
 * of 8 rows, the rows are the lanes. For more they meet X in panels: each value that is stored meets SPARSE_ROWS
 * activations side by side.
 */

/*
 * Fetches what is stored PREFETCH_BYTES behind @n columns, or blocks, from number @first on; it may be of later rows.
 * Loads of X, from all over it, keep the processor from doing so by itself.
 */
INLINE void stored_ahead(const struct coded *w, size_t first, size_t n)
{
	const size_t each = w->code_bits ? 1 : elements[w->element].size * w->block_rows * w->block_columns;
	const unsigned char *columns = (const unsigned char *)(w->columns + first) + PREFETCH_BYTES;
	const unsigned char *values = (w->code_bits ? w->codes : w->values) + first * each + PREFETCH_BYTES;

	for (size_t i = 0; i < n * sizeof(uint32_t); i += 64)
		__builtin_prefetch(columns + i);
	for (size_t i = 0; i < n * each; i += 64)
		__builtin_prefetch(values + i);
}

/* @n stored values from number @first on, in @buffer or where they lie. */
INLINE const void *stored_values(float *buffer, const struct coded *w, size_t first, size_t n)
{
	switch (w->element) {
	case ELEMENT_BF16:
		NAME(widen_bf16)(buffer, w->values + first * 2, n);
		return buffer;
	case ELEMENT_F16:
		NAME(widen_f16)(buffer, w->values + first * 2, n);
		return buffer;
	default:
		return w->values + first * 4;
	}
}

/* The same of a row whose values may be codes. */
INLINE const void *sparse_values(float *buffer, struct lookup *lookup, const struct coded *w, size_t row, size_t first,
				 size_t n)
{
	if (!w->code_bits)
		return stored_values(buffer, w, first, n);
	lookup_start(lookup, w, coded_dictionaries(w, row));
	look_up_8(buffer, lookup, w->codes + first, n);
	return buffer;
}

/* Activations of @n stored columns, or blocks of @columns, from number @first on. */
INLINE void gather_columns(float *dst, const float *x, const struct coded *w, size_t first, size_t n, size_t columns)
{
	const uint32_t *at = w->columns + first;

	_Pragma("GCC unroll 8") for (size_t l = 0; l < n; l++)
		memcpy(dst + l * columns, x + at[l] * columns, columns * sizeof(float));
}

static __attribute__((noinline)) void NAME(gather)(float *dst, const float *x, const struct coded *w, size_t first,
						   size_t n)
{
	switch (w->block_columns) {
	case 4:
		gather_columns(dst, x, w, first, n, 4);
		break;
	case 8:
		gather_columns(dst, x, w, first, n, 8);
		break;
	default:
		gather_columns(dst, x, w, first, n, 16);
	}
}

/* Sums of a row of single values: as many as hide how long a fused multiplication takes, where two start in a cycle. */
#define SINGLE_SUMS 8
/* Bytes ahead of its reads, and into the first cache: of 1 to 8 KiB, to the first or the second, the fastest. */
#define SINGLE_AHEAD 2048

/* Adds the products of @n stored values, at most SINGLE_SUMS, each with one activation of each row of X. */
INLINE void single_add(float acc[4][SINGLE_SUMS], const float *x, size_t ldx, const uint32_t *columns,
		       const unsigned char *values, size_t n, size_t m)
{
	UNROLL
	for (size_t l = 0; l < SINGLE_SUMS; l++) {
		float value;

		if (l == n)
			break;
		memcpy(&value, values + l * sizeof(value), sizeof(value));
		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i][l] += x[i * ldx + columns[l]] * value;
	}
}

/*
 * Rows of values that stand alone. One multiplication each, from where both factors lie: to bring activations side by side
 * takes longer than what vectors then save.
 */
INLINE void single_rows(const struct dot_coded_args *a, size_t m)
{
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;
	const size_t each = w->code_bits ? 1 : elements[w->element].size;
	const unsigned char *stored = w->code_bits ? w->codes : w->values;

	for (size_t j = 0; j < a->rows; j++) {
		size_t end = w->starts[a->first + j + 1];
		float acc[4][SINGLE_SUMS] = { 0 }, weights[CODED_RUN];

		for (size_t p = w->starts[a->first + j], n; p < end; p += n) {
			const uint32_t *columns = w->columns + p;
			const unsigned char *values;
			size_t l = 0;

			n = end - p < CODED_RUN ? end - p : CODED_RUN;
			values = sparse_values(weights, &lookup, w, a->first + j, p, n);
			for (; l + SINGLE_SUMS <= n; l += SINGLE_SUMS, values += SINGLE_SUMS * sizeof(float)) {
				/* Each second time it is the line from before. */
				__builtin_prefetch((const char *)(columns + l) + SINGLE_AHEAD, 0, 3);
				__builtin_prefetch(stored + (p + l) * each + SINGLE_AHEAD, 0, 3);
				single_add(acc, a->x, a->ldx, columns + l, values, SINGLE_SUMS, m);
			}
			single_add(acc, a->x, a->ldx, columns + l, values, n - l, m);
		}
		UNROLL
		for (size_t i = 0; i < m; i++) {
			UNROLL
			for (size_t half = SINGLE_SUMS / 2; half; half /= 2)
				for (size_t s = 0; s < half; s++)
					acc[i][s] += acc[i][s + half];
			a->y[i * a->ldy + j] = acc[i][0];
		}
	}
}

INLINE void stored_rows(const struct dot_coded_args *a, size_t m)
{
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;
	const size_t columns = w->block_columns, most = CODED_RUN / columns;

	for (size_t j = 0; j < a->rows; j++) {
		size_t end = w->starts[a->first + j + 1];
		float weights[CODED_RUN], x[4 * CODED_RUN];
		vec acc[4][CODED_SUMS];

		coded_begin(acc, m);
		for (size_t p = w->starts[a->first + j], n; p < end; p += n) {
			const void *values;

			n = end - p < most ? end - p : most;
			values = sparse_values(weights, &lookup, w, a->first + j, p * columns, n * columns);
			for (size_t i = 0; i < m; i++)
				NAME(gather)(x + i * CODED_RUN, a->x + i * a->ldx, w, p, n);
			coded_add(acc, x, CODED_RUN, values, n * columns, m);
		}
		coded_end(a, j, acc, m);
	}
}

/* Adds the products of one column of a block of 8 rows. */
INLINE void tall_add(floats8 acc[4][CODED_SUMS], size_t sum, const float *x, size_t ldx, const unsigned char *values,
		     size_t m)
{
	floats8 column = floats8_load(values);

	UNROLL
	for (size_t i = 0; i < m; i++)
		acc[i][sum] = f_fma(column, (floats8){ 0 } + x[i * ldx], acc[i][sum]);
}

/* Blocks of 8 rows, which are the lanes. */
INLINE void tall_rows(const struct dot_coded_args *a, size_t m)
{
	const struct coded *w = a->w;
	const size_t columns = w->block_columns, most = CODED_RUN / 8 / columns;

	for (size_t j = 0; j < a->rows; j += 8) {
		size_t row = (a->first + j) / 8, end = w->starts[row + 1];
		floats8 acc[4][CODED_SUMS] = { 0 };
		float buffer[CODED_RUN];

		for (size_t p = w->starts[row], n; p < end; p += n) {
			const unsigned char *values;

			n = end - p < most ? end - p : most;
			values = stored_values(buffer, w, p * 8 * columns, n * 8 * columns);
			for (size_t l = 0; l < n; l++) {
				const float *x = a->x + w->columns[p + l] * columns;
				size_t c = 0;

				for (; c + 2 <= columns; c += 2, values += 2 * sizeof(floats8)) {
					tall_add(acc, 0, x + c, a->ldx, values, m);
					tall_add(acc, 1, x + c + 1, a->ldx, values + sizeof(floats8), m);
				}
				for (; c < columns; c++, values += sizeof(floats8))
					tall_add(acc, 0, x + c, a->ldx, values, m);
			}
		}
		UNROLL
		for (size_t i = 0; i < m; i++) {
			floats8 sum = acc[i][0] + acc[i][1];

			memcpy(a->y + i * a->ldy + j, &sum, sizeof(sum));
		}
	}
}

INLINE void sparse_rows(const struct dot_coded_args *a, size_t m)
{
	if (a->w->block_rows > 1)
		tall_rows(a, m);
	else if (a->w->block_columns == 1)
		single_rows(a, m);
	else
		stored_rows(a, m);
}

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

INLINE void panel_store(const struct dot_coded_args *a, size_t row, const vec acc[SPARSE_ROWS / VL])
{
	float y[SPARSE_ROWS];

	UNROLL
	for (size_t v = 0; v < SPARSE_ROWS / VL; v++)
		v_store(y + v * VL, acc[v]);
	for (size_t i = 0; i < a->m; i++)
		a->y[i * a->ldy + row] = y[i];
}

/* The same of @n stored columns, or blocks of @columns, from number @first on. */
INLINE void panel_add_stored(vec acc[CODED_SUMS][SPARSE_ROWS / VL], const float *x, const struct coded *w, size_t first,
			     const unsigned char *values, size_t n, size_t columns)
{
	UNROLL
	for (size_t l = 0; l < n; l++) {
		const float *from = x + (size_t)w->columns[first + l] * columns * SPARSE_ROWS;

		UNROLL
		for (size_t c = 0; c < columns; c++, values += sizeof(float))
			panel_add(acc[(l * columns + c) % CODED_SUMS], from + c * SPARSE_ROWS, values);
	}
}

INLINE void stored_panel(const struct dot_coded_args *a, size_t columns)
{
	enum { VECTORS = SPARSE_ROWS / VL, STEP = 16 };
	struct lookup lookup = { .values = NULL };
	const struct coded *w = a->w;

	for (size_t j = 0; j < a->rows; j++) {
		size_t end = w->starts[a->first + j + 1];
		vec acc[CODED_SUMS][VECTORS];
		float weights[CODED_RUN];

		UNROLL
		for (size_t v = 0; v < VECTORS; v++)
			acc[0][v] = acc[1][v] = v_zero();
		for (size_t p = w->starts[a->first + j], n; p < end; p += n) {
			const unsigned char *values;
			size_t l = 0;

			n = end - p < CODED_RUN / columns ? end - p : CODED_RUN / columns;
			values = sparse_values(weights, &lookup, w, a->first + j, p * columns, n * columns);
			for (; l + STEP / columns <= n; l += STEP / columns, values += STEP * sizeof(float)) {
				stored_ahead(w, p + l, STEP / columns);
				panel_add_stored(acc, a->x, w, p + l, values, STEP / columns, columns);
			}
			for (; l < n; l++, values += columns * sizeof(float))
				panel_add_stored(acc, a->x, w, p + l, values, 1, columns);
		}
		UNROLL
		for (size_t v = 0; v < VECTORS; v++)
			acc[0][v] = v_add(acc[0][v], acc[1][v]);
		panel_store(a, j, acc[0]);
	}
}

/* Rows of blocks of 8, some of them at a time, as many as registers hold the sums of: an activation is loaded for all. */
INLINE void tall_panel(const struct dot_coded_args *a)
{
	enum { VECTORS = SPARSE_ROWS / VL, ROWS = VECTORS > 1 ? 4 : 8 };
	const struct coded *w = a->w;
	const size_t columns = w->block_columns, most = CODED_RUN / 8 / columns;

	for (size_t j = 0; j < a->rows; j += ROWS) {
		size_t row = (a->first + j) / 8, end = w->starts[row + 1];
		float buffer[CODED_RUN];
		vec acc[ROWS][VECTORS];

		UNROLL
		for (size_t i = 0; i < ROWS * VECTORS; i++)
			acc[i / VECTORS][i % VECTORS] = v_zero();
		for (size_t p = w->starts[row], n; p < end; p += n) {
			const unsigned char *values;

			n = end - p < most ? end - p : most;
			values = stored_values(buffer, w, p * 8 * columns, n * 8 * columns);
			values += j % 8 * sizeof(float);
			for (size_t l = 0; l < n; l++) {
				const float *x = a->x + (size_t)w->columns[p + l] * columns * SPARSE_ROWS;

				stored_ahead(w, p + l, 1);
				for (size_t c = 0; c < columns; c++, values += 8 * sizeof(float)) {
					UNROLL
					for (size_t i = 0; i < ROWS; i++)
						panel_add(acc[i], x + c * SPARSE_ROWS, values + i * sizeof(float));
				}
			}
		}
		UNROLL
		for (size_t i = 0; i < ROWS; i++)
			panel_store(a, j + i, acc[i]);
	}
}

static void NAME(dot_sparse_panel)(const struct dot_coded_args *a)
{
	if (a->w->block_rows > 1)
		tall_panel(a);
	else if (a->w->block_columns == 1)
		stored_panel(a, 1);
	else
		stored_panel(a, a->w->block_columns);
}

/* X[rows, k], rows at most SPARSE_ROWS, to a panel for dot_sparse_panel(): of each k, SPARSE_ROWS activations. */
static void NAME(pack_sparse_x)(float *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
	NAME(pack_x)(dst, x, ldx, rows, SPARSE_ROWS, k);
}
