/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Coded weights as f32, kind by kind. A part of kernel_template.h. Each has one decoder, which products of few rows of X
 * and panels share: coded_contents.c says what values are, here they are made fast.
 *
 * A kernel file defines before
 *
 *   LOOKUP_4, LOOKUP_8        codes of 4 and 8 bits that are looked up at once, the first even; 0: one at a time
 *   l4_table, l8_table        a dictionary in registers, or near them
 *   l4_start(table, values)   takes 16 values, l8_start() 256
 *   l4_look_up(vec *dst, table, codes), l8_look_up()    vectors of that many values
 *   v_expand(v, mask)         the first lanes of v to those with a bit in mask, in order; zeros to the others
 *   EXPONENTS_AT_ONCE         1 if there are
 *   e_table, e_start(table, exponents)    8 exponents in registers, the last for values whose own is put in afterwards
 *   e_decode(float *dst, table, planes, codes)    64 values
 *   EXPONENTS_FUSED           1 if, where E_FUSES is true, functions that are E_TARGET can do
 *   e_decode_all(vec *dst, table, planes, codes, escapes, end)    the same with the exponents that have no code, which
 *                             are read as far as @end, whether of these values or not; value i comes as e_place(i),
 *                             E_TOGETHER side by side
 *   e_start_row(table, own, w, row)    e_start() with a row's exponents, unless *own, NULL at first, says it has them
 *
 * Gathers are in none of them: they measured slower than loads one by one (Zen 4: 0.37 and 0.27 ns a value).
 */

/* Values of a run: few enough to stay in the first cache beside X, enough to pay for finding their dictionary. */
#define CODED_RUN 256

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

	for (const float *values = coded_dictionaries(w, row) + group * w->dictionary_size; first < end;
	     values += w->dictionary_size) {
		size_t stop = ++group < w->groups ? group * w->group_columns : end;

		stop = stop < end ? stop : end;
		lookup_start(lookup, w, values);
		look_up(dst, lookup, w, codes, first, stop - first);
		dst += stop - first;
		first = stop;
	}
}

/* Values of @n codes, each of @d. */
INLINE void look_up_entries(float *dst, const float *values, const unsigned char *codes, size_t n, size_t d)
{
	_Pragma("GCC unroll 8") for (size_t i = 0; i < n; i++)
		memcpy(dst + i * d, values + codes[i] * d, d * sizeof(float));
}

/* As decode(), of codes that stand for several values; whole codes. */
INLINE void decode_product(float *dst, const struct coded *w, size_t row, size_t first, size_t end)
{
	const unsigned char *codes = w->codes + row * w->ld;
	const size_t d = w->block_columns;
	size_t group = w->groups > 1 ? first / w->group_columns : 0;

	for (const float *values = coded_dictionaries(w, row) + group * w->dictionary_size; first < end;
	     values += w->dictionary_size) {
		size_t stop = ++group < w->groups ? group * w->group_columns : end;

		stop = stop < end ? stop : end;
		if (d == 2)
			look_up_entries(dst, values, codes + first / 2, (stop - first) / 2, 2);
		else if (d == 4)
			look_up_entries(dst, values, codes + first / 4, (stop - first) / 4, 4);
		else
			look_up_entries(dst, values, codes + first / 8, (stop - first) / 8, 8);
		dst += stop - first;
		first = stop;
	}
}

/* 64 columns, of which those in @mask are at @values, one after the other; @left of them may be read. */
INLINE void expand_group(float *dst, const unsigned char *values, size_t left, uint64_t mask, size_t size,
			 vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	UNROLL
	for (size_t i = 0; i < CODED_STEP / VL; i++) {
		uint32_t some = (uint32_t)(mask >> i * VL) & ((1u << VL) - 1);
		size_t n = (size_t)__builtin_popcount(some);
		vec v = left >= VL ? load(values) : load_part(values, n);

		v_store(dst + i * VL, v_expand(v, some));
		values += n * size;
		left -= n;
	}
}

/* Of the stored value number @at on. */
INLINE void decode_mask(float *dst, const struct coded *w, size_t at, uint64_t mask)
{
	switch (w->element) {
	case ELEMENT_BF16:
		expand_group(dst, w->values + at * 2, w->count - at, mask, 2, v_load_bf16, v_load_bf16_part);
		break;
	case ELEMENT_F16:
		expand_group(dst, w->values + at * 2, w->count - at, mask, 2, v_load_f16, v_load_f16_part);
		break;
	default:
		expand_group(dst, w->values + at * 4, w->count - at, mask, 4, v_load, v_load_part);
	}
}

INLINE void decode_bitmask(float *dst, const struct coded *w, size_t row, size_t first, size_t end, size_t *at)
{
	for (const uint64_t *bits = w->bits + row * w->words + first / CODED_STEP; first < end;
	     first += CODED_STEP, bits++, dst += CODED_STEP) {
		decode_mask(dst, w, *at, *bits);
		*at += (size_t)__builtin_popcountll(*bits);
	}
}

INLINE void decode_structured(float *dst, const struct coded *w, size_t row, size_t k, size_t first, size_t end)
{
	for (; first < end; first += CODED_STEP, dst += CODED_STEP) {
		const unsigned char *codes = w->codes + row * w->ld + first / 8;
		uint64_t halves = 0;

		if (k - first >= CODED_STEP) {
			memcpy(&halves, codes, sizeof(halves));
			decode_mask(dst, w, (row * k + first) / 2, coded_pairs(halves));
			continue;
		}
		/* Halves of columns that are not there are 0, which names one column, and no value is taken for it. */
		memcpy(&halves, codes, (k - first + 7) / 8);
		decode_mask(dst, w, (row * k + first) / 2, coded_pairs(halves) & ((1ull << (k - first)) - 1));
	}
}

#if !EXPONENTS_AT_ONCE
typedef struct {
	const unsigned char *exponents;
} e_table;

INLINE void e_start(e_table *table, const unsigned char *exponents)
{
	table->exponents = exponents;
}

INLINE void e_decode(float *dst, const e_table *table, const uint64_t *planes, const unsigned char *codes)
{
	for (size_t i = 0; i < CODED_STEP; i++) {
		size_t code = (planes[0] >> i & 1) | (planes[1] >> i & 1) << 1 | (planes[2] >> i & 1) << 2;

		dst[i] = f32_from_bits((codes[i] & 0x80u) << 24 | (uint32_t)table->exponents[code] << 23 |
				       (codes[i] & 0x7fu) << 16);
	}
}
#endif

INLINE void decode_escape(float *dst, unsigned char code, unsigned char exponent)
{
	*dst = f32_from_bits((code & 0x80u) << 24 | (uint32_t)exponent << 23 | (code & 0x7fu) << 16);
}

/*
 * The exponents that have no code, which are few: how many of a group no branch foretells, so up to ESCAPES are put in
 * without one, those that are not there nowhere.
 */
INLINE void decode_escapes(float *dst, const unsigned char *codes, uint64_t mask, const unsigned char *escapes)
{
	enum { ESCAPES = 4 };
	static const unsigned char none;
	float nowhere;

	UNROLL
	for (size_t s = 0; s < ESCAPES; s++, mask &= mask - 1) {
		size_t i = (size_t)__builtin_ctzll(mask | 1ull << 63);
		const unsigned char *from = mask ? escapes + s : &none;

		decode_escape(mask ? dst + i : &nowhere, codes[i], *from);
	}
	for (escapes += ESCAPES; mask; mask &= mask - 1, escapes++) {
		size_t i = (size_t)__builtin_ctzll(mask);

		decode_escape(dst + i, codes[i], *escapes);
	}
}

INLINE void decode_exponents(float *dst, const struct coded *w, size_t row, size_t first, size_t end, size_t *at)
{
	const unsigned char *codes = w->codes + row * w->ld + first;
	const uint64_t *planes = w->bits + row * w->words + first / CODED_STEP * 3;
	unsigned char exponents[CODED_EXPONENTS];
	e_table table;

	coded_copy_exponents(exponents, w, row);
	e_start(&table, exponents);
	for (size_t p = 0; p < end - first; p += CODED_STEP)
		e_decode(dst + p, &table, planes + p / CODED_STEP * 3, codes + p);
	/* Afterwards, because what was stored in parts takes long to be loaded as a whole. */
	for (size_t p = 0; p < end - first; p += CODED_STEP) {
		uint64_t mask = coded_escapes(planes + p / CODED_STEP * 3);

		decode_escapes(dst + p, codes + p, mask, w->escapes + *at);
		*at += (size_t)__builtin_popcountll(mask);
	}
}

/*
 * Columns @first, a multiple of CODED_STEP, to @end of a row of @k, of any kind that is not sparse. Of those with bits
 * whole groups are written, and @at is how many the matrix stores before, which moves on.
 */
static __attribute__((noinline)) void NAME(decode_step)(float *dst, struct lookup *lookup, const struct coded *w,
							size_t row, size_t k, size_t first, size_t end, size_t *at)
{
	switch (w->kind) {
	case PINPOOL_CODED_PRODUCT:
		decode_product(dst, w, row, first, end);
		break;
	case PINPOOL_CODED_EXPONENTS:
		decode_exponents(dst, w, row, first, end, at);
		break;
	case PINPOOL_CODED_BITMASK:
		decode_bitmask(dst, w, row, first, end, at);
		break;
	case PINPOOL_CODED_STRUCTURED:
		decode_structured(dst, w, row, k, first, end);
		break;
	default:
		decode(dst, lookup, w, row, first, end);
	}
}
