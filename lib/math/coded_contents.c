/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Contents of coded weights: whether every code, column, start and bit is one, and what values they stand for, by
 * definition. The kernels' own reading is in kernel_decode.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "math/coded.h"
#include "math/convert.h"

/* Of the values whose code is this one's, a mask of the group. */
static uint64_t with_code(const uint64_t planes[3], unsigned int code)
{
	uint64_t mask = code & 1 ? planes[0] : ~planes[0];

	mask &= code & 2 ? planes[1] : ~planes[1];
	return mask & (code & 4 ? planes[2] : ~planes[2]);
}

/* The first @n bits. */
static uint64_t first_bits(size_t n)
{
	return n < 64 ? (1ull << n) - 1 : UINT64_MAX;
}

int coded_check_start(const struct coded *w, size_t row, struct pinpool_diag *diag)
{
	uint64_t first, end;

	if (!w->starts)
		return 0;
	first = w->starts[row / w->block_rows];
	end = w->starts[row / w->block_rows + 1];
	if (end < first)
		return diag_set(diag, -EINVAL, "starts", NULL, "row %zu begins at %" PRIu64 " and ends at %" PRIu64, row,
				first, end);
	if (end > w->count)
		return diag_set(diag, -EINVAL, "starts", NULL, "row %zu ends at %" PRIu64 " of %zu", row, end,
				w->count);
	return 0;
}

/* @count codes of one row, all with a value. */
static int check_codes(const struct coded *w, const unsigned char *codes, size_t count, size_t row,
		       struct pinpool_diag *diag)
{
	size_t largest = 0, i = 0;

	if (w->dictionary_values >> w->code_bits)
		return 0;
	for (size_t j = 0; j < count; j++) {
		size_t code = coded_code(w, codes, j);

		largest = code > largest ? code : largest;
	}
	if (largest < w->dictionary_values)
		return 0;
	while (coded_code(w, codes, i) < w->dictionary_values)
		i++;
	return diag_set(diag, -EINVAL, "codes", NULL, "code %zu, number %zu of row %zu, has no value among %zu",
			coded_code(w, codes, i), i, row, w->dictionary_values);
}

static int check_columns(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag)
{
	size_t count = w->starts[row / w->block_rows + 1] - w->starts[row / w->block_rows];
	const uint32_t *columns;
	bool ascend = true;

	/* Where nothing is stored, there may be no array. */
	if (!count)
		return 0;
	columns = w->columns + w->starts[row / w->block_rows];
	for (size_t i = 1; i < count; i++)
		ascend &= columns[i - 1] < columns[i];
	if (!ascend)
		return diag_set(diag, -EINVAL, "columns", NULL, "those of row %zu do not ascend", row);
	if (columns[count - 1] >= k / w->block_columns)
		return diag_set(diag, -EINVAL, "columns", NULL, "row %zu has column %" PRIu32 " of %zu", row,
				columns[count - 1], k / w->block_columns);
	return 0;
}

/* As many are stored of a row as its bits say. */
static int check_stored(const struct coded *w, size_t row, size_t counted, struct pinpool_diag *diag)
{
	size_t stored = w->starts[row + 1] - w->starts[row];

	if (stored != counted)
		return diag_set(diag, -EINVAL, "starts", NULL, "row %zu has %zu stored, and bits for %zu", row, stored,
				counted);
	return 0;
}

static int check_exponents(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag)
{
	const uint64_t *planes = w->bits + row * w->words;
	const unsigned char *codes = w->codes + row * w->ld;
	size_t escapes = 0;

	for (size_t first = 0; first < k; first += 64, planes += 3) {
		uint64_t columns = first_bits(k - first);

		if ((planes[0] | planes[1] | planes[2]) & ~columns)
			return diag_set(diag, -EINVAL, "bits", NULL, "row %zu has some behind its last column", row);
		for (unsigned int code = w->dictionary_values; code < PINPOOL_CODED_ESCAPE; code++)
			if (with_code(planes, code) & columns)
				return diag_set(diag, -EINVAL, "bits", NULL,
						"code %u, column %zu of row %zu, has no exponent among %zu", code,
						first + (size_t)__builtin_ctzll(with_code(planes, code) & columns), row,
						w->dictionary_values);
		escapes += (size_t)__builtin_popcountll(coded_escapes(planes));
	}
	for (size_t column = k; column < w->ld; column++)
		if (codes[column])
			return diag_set(diag, -EINVAL, "codes", NULL, "row %zu has some behind its last column", row);
	return check_stored(w, row, escapes, diag);
}

static int check_bitmask(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag)
{
	const uint64_t *bits = w->bits + row * w->words;
	size_t count = 0;

	for (size_t i = 0; i < w->words; i++)
		count += (size_t)__builtin_popcountll(bits[i]);
	if (bits[w->words - 1] & ~first_bits(k - (w->words - 1) * 64))
		return diag_set(diag, -EINVAL, "bits", NULL, "row %zu has some behind its last column", row);
	return check_stored(w, row, count, diag);
}

static int check_structured(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag)
{
	const unsigned char *codes = w->codes + row * w->ld;

	for (size_t i = 0; i < k / 4; i++) {
		unsigned int half = codes[i / 2] >> i % 2 * 4 & 15;

		if ((half & 3) >= half >> 2)
			return diag_set(diag, -EINVAL, "codes", NULL, "those of columns %zu to %zu of row %zu do not ascend",
					i * 4, i * 4 + 3, row);
	}
	if (k / 4 % 2 && codes[k / 8] >> 4)
		return diag_set(diag, -EINVAL, "codes", NULL, "row %zu has some behind its last column", row);
	return 0;
}

int coded_check_row(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag)
{
	int ret;

	switch (w->kind) {
	case PINPOOL_CODED_DICTIONARY:
	case PINPOOL_CODED_PRODUCT:
		return check_codes(w, w->codes + row * w->ld, k / w->block_columns, row, diag);
	case PINPOOL_CODED_SPARSE:
		ret = check_columns(w, row, k, diag);
		if (ret || !w->code_bits || w->starts[row] == w->starts[row + 1])
			return ret;
		return check_codes(w, w->codes + w->starts[row], w->starts[row + 1] - w->starts[row], row, diag);
	case PINPOOL_CODED_EXPONENTS:
		return check_exponents(w, row, k, diag);
	case PINPOOL_CODED_BITMASK:
		return check_bitmask(w, row, k, diag);
	case PINPOOL_CODED_BLOCKS:
		return check_columns(w, row, k, diag);
	case PINPOOL_CODED_STRUCTURED:
		return check_structured(w, row, k, diag);
	}
	return 0;
}

static int check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, bool may_believe,
		 struct pinpool_diag *diag)
{
	bool believe = false;
	int ret = coded_describe(out, coded, n, k, &believe, diag);

	for (size_t row = 0; row < n && !ret && out->starts; row += out->block_rows)
		ret = coded_check_start(out, row, diag);
	if (believe && may_believe)
		return ret;
	for (size_t row = 0; row < n && !ret; row += out->block_rows)
		ret = coded_check_row(out, row, k, diag);
	return ret;
}

int coded_check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	return check(out, coded, n, k, true, diag);
}

static int check_shape(const struct pinpool_coded *coded, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	if (!coded)
		return diag_set(diag, -EINVAL, "coded", NULL, "null pointer");
	if (!n || n > PTRDIFF_MAX || !k || k > PTRDIFF_MAX)
		return diag_set(diag, -EINVAL, "coded", NULL, "a matrix of %" PRIu64 " rows and %" PRIu64 " columns", n,
				k);
	return 0;
}

int pinpool_coded_check(const struct pinpool_coded *coded, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	struct coded w;
	int ret = check_shape(coded, n, k, diag);

	return ret ? ret : check(&w, coded, n, k, false, diag);
}

size_t coded_stored_before(const struct coded *w, size_t row, size_t first)
{
	const uint64_t *bits = w->bits + row * w->words;
	size_t stored = w->starts[row];

	for (size_t i = 0; i < first / 64; i++)
		stored += (size_t)__builtin_popcountll(w->kind == PINPOOL_CODED_EXPONENTS ? coded_escapes(bits + i * 3) :
											    bits[i]);
	return stored;
}

static float value_at(const struct coded *w, size_t i)
{
	const struct element_type *type = &elements[w->element];
	float value;

	type->widen(&value, w->values + i * type->size);
	return value;
}

static void decode_codes(float *dst, const struct coded *w, size_t row, size_t first, size_t end)
{
	const unsigned char *codes = w->codes + row * w->ld;
	const float *dictionaries = coded_dictionaries(w, row);
	const size_t d = w->block_columns;

	for (size_t column = first; column < end; column++) {
		const float *values = dictionaries + column / w->group_columns * w->dictionary_size;

		*dst++ = values[coded_code(w, codes, column / d) * d + column % d];
	}
}

static void decode_exponents(float *dst, const struct coded *w, size_t row, size_t first, size_t end)
{
	const unsigned char *exponents = coded_exponents(w, row), *codes = w->codes + row * w->ld;
	size_t at = coded_stored_before(w, row, first - first % 64);

	/* From the beginning of a group on, so that escapes are counted. */
	for (size_t column = first - first % 64; column < end; column++) {
		const uint64_t *planes = w->bits + row * w->words + column / 64 * 3;
		unsigned int code = 0;
		uint32_t exponent;

		for (unsigned int i = 0; i < 3; i++)
			code |= (planes[i] >> column % 64 & 1) << i;
		exponent = code == PINPOOL_CODED_ESCAPE ? w->escapes[at++] : exponents[code];
		if (column >= first)
			*dst++ = f32_from_bits((codes[column] & 0x80u) << 24 | exponent << 23 |
					       (codes[column] & 0x7fu) << 16);
	}
}

/* Values of the set bits of @mask, whose first one is number @at, of the columns of its group from @first to @end. */
static void decode_mask(float *dst, const struct coded *w, uint64_t mask, size_t at, size_t first, size_t end)
{
	for (size_t column = 0; column < end; column++) {
		bool stored = mask >> column & 1;

		if (column >= first)
			*dst++ = stored ? value_at(w, at) : 0;
		at += stored;
	}
}

/* Half bytes of the group of 64 columns that begins at @column, 0 behind the last. */
static uint64_t halves_of(const struct coded *w, size_t row, size_t column)
{
	size_t bytes = w->ld - column / 8 < 8 ? w->ld - column / 8 : 8;
	uint64_t halves = 0;

	for (size_t i = 0; i < bytes; i++)
		halves |= (uint64_t)w->codes[row * w->ld + column / 8 + i] << 8 * i;
	return halves;
}

static void decode_bits(float *dst, const struct coded *w, size_t row, size_t k, size_t first, size_t end)
{
	for (size_t group = first - first % 64; group < end; group += 64) {
		size_t from = first > group ? first - group : 0, to = end - group < 64 ? end - group : 64;

		if (w->kind == PINPOOL_CODED_BITMASK)
			decode_mask(dst, w, w->bits[row * w->words + group / 64], coded_stored_before(w, row, group),
				    from, to);
		else
			decode_mask(dst, w, coded_pairs(halves_of(w, row, group)), (row * k + group) / 2, from, to);
		dst += to - from;
	}
}

/* The first stored column, or block, of a row that is not before @column. */
static size_t first_stored(const struct coded *w, size_t row, size_t column)
{
	size_t low = w->starts[row / w->block_rows], high = w->starts[row / w->block_rows + 1];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->columns[middle] < column / w->block_columns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void decode_sparse(float *dst, const struct coded *w, size_t row, size_t first, size_t end)
{
	size_t stop = w->starts[row / w->block_rows + 1];

	memset(dst, 0, (end - first) * sizeof(*dst));
	for (size_t i = first_stored(w, row, first); i < stop; i++) {
		for (size_t c = 0; c < w->block_columns; c++) {
			size_t column = w->columns[i] * w->block_columns + c;

			if (column >= end)
				return;
			if (column < first)
				continue;
			if (w->code_bits)
				dst[column - first] = coded_dictionaries(w, row)[w->codes[i]];
			else
				dst[column - first] = value_at(w, (i * w->block_columns + c) * w->block_rows +
									  row % w->block_rows);
		}
	}
}

void coded_decode(float *dst, const struct coded *w, size_t row, size_t k, size_t first, size_t end)
{
	if (first == end)
		return;
	switch (w->kind) {
	case PINPOOL_CODED_DICTIONARY:
	case PINPOOL_CODED_PRODUCT:
		decode_codes(dst, w, row, first, end);
		break;
	case PINPOOL_CODED_EXPONENTS:
		decode_exponents(dst, w, row, first, end);
		break;
	case PINPOOL_CODED_BITMASK:
	case PINPOOL_CODED_STRUCTURED:
		decode_bits(dst, w, row, k, first, end);
		break;
	case PINPOOL_CODED_SPARSE:
	case PINPOOL_CODED_BLOCKS:
		decode_sparse(dst, w, row, first, end);
		break;
	}
}

int pinpool_coded_row(float *dst, const struct pinpool_coded *coded, uint64_t n, uint64_t k, uint64_t row, uint64_t first,
		      uint64_t end, struct pinpool_diag *diag)
{
	struct coded w;
	bool believe = false;
	int ret = check_shape(coded, n, k, diag);

	if (ret)
		return ret;
	if (!dst)
		return diag_set(diag, -EINVAL, "dst", NULL, "null pointer");
	if (row >= n || first > end || end > k)
		return diag_set(diag, -EINVAL, "coded", NULL,
				"columns %" PRIu64 " to %" PRIu64 " of row %" PRIu64 " of %" PRIu64 " x %" PRIu64, first,
				end, row, n, k);
	if ((ret = coded_describe(&w, coded, n, k, &believe, diag)) || (ret = coded_check_start(&w, row, diag)))
		return ret;
	if (!believe && (ret = coded_check_row(&w, row, k, diag)))
		return ret;
	coded_decode(dst, &w, row, k, first, end);
	return 0;
}
