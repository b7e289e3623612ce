/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Dot products of quantised activations with codes of 4 bits, in integers. A part of kernel_template.h.
 *
 * A dictionary becomes integers of 14 bits, 8192 too high so that they have no sign, in two halves of 7 bits: a look-up
 * for each half is one shuffle of bytes, and i_dot() takes either. Its largest value is 8191, so that each one is off by
 * 2^-14 of that at most, a sixtieth of what activations lose. A dictionary that is not like that, with a value that is
 * not finite or none of QUANTISED_LEAST, is met in f32.
 *
 * A kernel file defines before
 *
 *   i_look_up(table, codes)    32 of the 16 bytes of a table
 *   i_dot_halves(sums, upper, lower, s)    128 times sums and those of the upper halves with s, and those of the lower
 */

/* The even ones of 32 codes first. */
INLINE void even_first(int8_t *codes)
{
	const codes32 order = { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
				1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 };
	codes32 halves = __builtin_shuffle(codes32_load(codes), order);

	memcpy(codes, &halves, sizeof(halves));
}

struct codebook {
	const float *values; /* NULL: none yet */
	codes16 upper;
	codes16 lower;
	float scale; /* 0: in f32 */
};

static void codebook_start(struct codebook *book, const struct coded *w, const float *values)
{
	float largest = 0, all = 0, inverse;

	book->values = values;
	book->scale = 0;
	for (size_t i = 0; i < w->dictionary_values; i++) {
		/* A NaN or an infinity makes this one NaN. */
		all += values[i] * 0;
		largest = fabsf(values[i]) > largest ? fabsf(values[i]) : largest;
	}
	if (!(largest >= QUANTISED_LEAST) || all != 0)
		return;
	book->scale = largest / 8191;
	inverse = 8191 / largest;
	for (size_t i = 0; i < 16; i++) {
		float value = i < w->dictionary_values ? values[i] * inverse : 0;
		int32_t code = (int32_t)(f32_to_bits(value + ROUNDER) - f32_to_bits(ROUNDER)) + 8192;

		book->upper[i] = (uint8_t)(code >> 7);
		book->lower[i] = code & 127;
	}
}

/* m rows of X times r rows of W that lie apart, as dot_body(). */
INLINE void codebook_body(const struct dot_coded_args *a, struct codebook *books, size_t first, size_t apart, size_t m,
			  size_t r)
{
	const struct coded *w = a->w;
	const unsigned char *codes[4];
	size_t runs = a->k / CODEBOOK_RUN;
	floats8 acc[4][4];

	UNROLL
	for (size_t j = 0; j < r; j++) {
		size_t row = a->first + first + j * apart;

		codes[j] = w->codes + row * w->ld;
		if (books[j].values != coded_dictionaries(w, row))
			codebook_start(&books[j], w, coded_dictionaries(w, row));
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			acc[i][j] = (floats8){ 0 };
	}
	for (size_t run = 0; run < runs; run++) {
		const int8_t *x = a->q.codes + run * CODEBOOK_RUN;
		codes32 upper[4], lower[4];

		UNROLL
		for (size_t j = 0; j < r; j++) {
			codes32 each = i_halves(codes16_load(codes[j] + run * CODEBOOK_RUN / 2));

			upper[j] = i_look_up(books[j].upper, each);
			lower[j] = i_look_up(books[j].lower, each);
			__builtin_prefetch(codes[j] + run * CODEBOOK_RUN / 2 + PREFETCH_BYTES);
		}
		UNROLL
		for (size_t i = 0; i < m; i++) {
			codes32 activations = codes32_load(x + i * a->k);
			/* What 8192 too high adds is the same for all rows of W. */
			sums8 less = -i_dot((codes32){ 0 } + 64, activations, ALL16(1));
			floats8 scale = ALL8(a->q.scales[i * runs + run]);

			UNROLL
			for (size_t j = 0; j < r; j++) {
				sums8 sum = i_dot_halves(less, upper[j], lower[j], activations);

				acc[i][j] = f_fma(scale, floats8_of(sum), acc[i][j]);
			}
		}
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			a->y[i * a->ldy + first + j * apart] = floats8_sum(acc[i][j]) * books[j].scale;
	}
}

INLINE void codebook_rows(const struct dot_coded_args *a, size_t m, size_t r)
{
	struct codebook books[4] = { 0 };
	size_t run = a->rows / r;

	for (size_t i = 0; i < run; i++)
		codebook_body(a, books, i, run, m, r);
	for (size_t i = run * r; i < a->rows; i++)
		codebook_body(a, books, i, 0, m, 1);
}

/* Rows whose dictionary has no scale, again, in f32. */
static void NAME(codebook_others)(const struct dot_coded_args *a)
{
	struct codebook book = { 0 };

	for (size_t j = 0; j < a->rows; j++) {
		const float *values = coded_dictionaries(a->w, a->first + j);
		struct dot_coded_args one = *a;

		if (book.values != values)
			codebook_start(&book, a->w, values);
		if (book.scale > 0)
			continue;
		one.first += j;
		one.rows = 1;
		one.y += j;
		NAME(dot_decoded)(&one);
	}
}

static void NAME(dot_codebook)(const struct dot_coded_args *a)
{
	switch (a->m) {
	case 1:
		codebook_rows(a, 1, 4);
		break;
	case 2:
		codebook_rows(a, 2, 2);
		break;
	case 3:
		codebook_rows(a, 3, 2);
		break;
	case 4:
		codebook_rows(a, 4, 2);
		break;
	}
	NAME(codebook_others)(a);
}

/* As quantise() in runs of CODEBOOK_RUN, whose even columns come first, as i_halves() has them. */
static void NAME(quantise_halves)(const struct quantised *dst, const float *x, size_t k)
{
	NAME(quantise)(dst, x, k, CODEBOOK_RUN);
	for (size_t p = 0; p < k; p += CODEBOOK_RUN)
		even_first(dst->codes + p);
}
