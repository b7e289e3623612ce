/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Coded weights: their checks, and how their rows are shared out. See coded.h. */
#include "math/coded.h"

#include <errno.h>
#include <inttypes.h>

#include "base/diag.h"
#include "base/opts.h"

/* Adds @count elements of @size bytes to the arrays; an empty one may be anywhere. */
static int add_array(struct coded *w, const char *name, const void *start, uint64_t count, uint64_t size,
		     uint64_t align, struct pinpool_diag *diag)
{
	struct coded_array *array = &w->arrays[w->array_count];
	uint64_t bytes;

	if (!start && count)
		return diag_set(diag, -EINVAL, name, NULL, "null pointer");
	*array = (struct coded_array){ .name = name, .start = (uintptr_t)start };
	if (array->start % align)
		return diag_set(diag, -EINVAL, name, NULL, "address is not a multiple of %" PRIu64, align);
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX ||
	    __builtin_add_overflow(array->start, (uintptr_t)bytes, &array->end))
		return diag_set(diag, -EINVAL, name, NULL,
				"%" PRIu64 " of %" PRIu64 " bytes overflow the address space", count, size);
	if (bytes)
		w->array_count++;
	return 0;
}

static int check_unused(const char *name, bool unused, const char *kind, struct pinpool_diag *diag)
{
	if (!unused)
		return diag_set(diag, -EINVAL, name, "leave it 0", "%s weights have none", kind);
	return 0;
}

static int check_values(const struct pinpool_coded *c, struct pinpool_diag *diag)
{
	if (!c->dictionary_values || c->dictionary_values > 1u << c->code_bits)
		return diag_set(diag, -EINVAL, "dictionary_values", NULL,
				"%" PRIu32 " values of a dictionary for codes of %" PRIu32 " bits",
				c->dictionary_values, c->code_bits);
	return 0;
}

/* Fills in the groups, adds the dictionaries. */
static int add_dictionaries(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			    struct pinpool_diag *diag)
{
	uint64_t count;
	int ret = check_values(c, diag);

	if (ret)
		return ret;
	w->dictionary = c->dictionary;
	w->dictionary_values = c->dictionary_values;
	w->group_rows = c->group_rows ? c->group_rows : n;
	w->group_columns = c->group_columns ? c->group_columns : k;
	w->groups = (k - 1) / w->group_columns + 1;
	if (__builtin_mul_overflow((n - 1) / w->group_rows + 1, w->groups, &count) ||
	    __builtin_mul_overflow(count, w->dictionary_values, &count))
		return diag_set(diag, -EINVAL, "dictionary", NULL, "so many dictionaries overflow the address space");
	return add_array(w, "dictionary", c->dictionary, count, sizeof(float), sizeof(float), diag);
}

static int describe_dictionary(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			       struct pinpool_diag *diag)
{
	uint64_t ld, bytes;
	int ret;

	if (c->code_bits != 8 && c->code_bits != 4)
		return diag_set(diag, -EOPNOTSUPP, "code_bits", "use 8 or 4", "codes of %" PRIu32 " bits",
				c->code_bits);
	if ((ret = check_unused("count", !c->count, "dictionary-coded", diag)) ||
	    (ret = check_unused("starts", !c->starts, "dictionary-coded", diag)) ||
	    (ret = check_unused("columns", !c->columns, "dictionary-coded", diag)) ||
	    (ret = check_unused("values", !c->values, "dictionary-coded", diag)) ||
	    (ret = check_unused("dtype", !c->dtype, "dictionary-coded", diag)))
		return ret;
	ld = c->ld ? c->ld : k + (c->code_bits == 4 && k % 2);
	if (ld < k || (c->code_bits == 4 && ld % 2))
		return diag_set(diag, -EINVAL, "ld", "use 0 for rows without gaps",
				"a stride of %" PRIu64 " codes for rows of %" PRIu64 " of %" PRIu32 " bits", ld, k,
				c->code_bits);
	w->codes = c->codes;
	w->ld = c->code_bits == 4 ? ld / 2 : ld;
	if (__builtin_mul_overflow(n - 1, (uint64_t)w->ld, &bytes) ||
	    __builtin_add_overflow(bytes, c->code_bits == 4 ? k / 2 + k % 2 : k, &bytes))
		return diag_set(diag, -EINVAL, "codes", NULL,
				"rows at a stride of %" PRIu64 " overflow the address space", ld);
	ret = add_array(w, "codes", c->codes, bytes, 1, 1, diag);
	return ret ? ret : add_dictionaries(w, c, n, k, diag);
}

/* What sparse rows store of each column: a value or its code. */
static int add_stored(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	int ret;

	if (c->code_bits) {
		if ((ret = check_unused("values", !c->values, "sparse, coded", diag)) ||
		    (ret = check_unused("dtype", !c->dtype, "sparse, coded", diag)) ||
		    (ret = check_unused("group_columns", !c->group_columns, "sparse", diag)))
			return ret;
		w->codes = c->codes;
		ret = add_array(w, "codes", c->codes, c->count, 1, 1, diag);
		return ret ? ret : add_dictionaries(w, c, n, k, diag);
	}
	if ((ret = check_unused("codes", !c->codes, "sparse", diag)) ||
	    (ret = check_unused("dictionary", !c->dictionary && !c->dictionary_values, "sparse", diag)) ||
	    (ret = check_unused("group_rows", !c->group_rows, "sparse", diag)) ||
	    (ret = check_unused("group_columns", !c->group_columns, "sparse", diag)))
		return ret;
	w->element = element_of(c->dtype);
	if (w->element >= ELEMENT_ACTIVATIONS)
		return diag_set(diag, -EOPNOTSUPP, "dtype", "use F32, BF16 or F16", "%s is no type of sparse values",
				pinpool_dtype_name(c->dtype) ? pinpool_dtype_name(c->dtype) : "a number out of range");
	w->values = c->values;
	return add_array(w, "values", c->values, c->count, elements[w->element].size, 1, diag);
}

static int check_starts(const struct coded *w, const struct pinpool_coded *c, uint64_t n, struct pinpool_diag *diag)
{
	uint64_t before = c->starts[0];

	for (uint64_t row = 0; row < n; row++) {
		uint64_t end = c->starts[row + 1];

		if (end < before)
			return diag_set(diag, -EINVAL, "starts", NULL,
					"row %" PRIu64 " begins at %" PRIu64 " and ends at %" PRIu64, row, before, end);
		before = end;
	}
	if (before > c->count)
		return diag_set(diag, -EINVAL, "starts", NULL, "the last row ends at %" PRIu64 " of %" PRIu64, before,
				c->count);
	return 0;
}

static int describe_sparse(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			   struct pinpool_diag *diag)
{
	int ret;

	if (c->code_bits != 8 && c->code_bits)
		return diag_set(diag, -EOPNOTSUPP, "code_bits", "use 8, or 0 for values",
				"sparse codes of %" PRIu32 " bits", c->code_bits);
	if ((ret = check_unused("ld", !c->ld, "sparse", diag)) || (ret = add_stored(w, c, n, k, diag)) ||
	    (ret = add_array(w, "starts", c->starts, n + 1, sizeof(uint64_t), sizeof(uint64_t), diag)) ||
	    (ret = add_array(w, "columns", c->columns, c->count, sizeof(uint32_t), sizeof(uint32_t), diag)))
		return ret;
	w->starts = c->starts;
	w->columns = c->columns;
	return check_starts(w, c, n, diag);
}

static int describe(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	*w = (struct coded){ .kind = c->kind, .code_bits = c->code_bits };
	if (c->flags & ~PINPOOL_CODED_CHECKED)
		return diag_set(diag, -EOPNOTSUPP, "flags", NULL, "unknown flags %#" PRIx32,
				c->flags & ~PINPOOL_CODED_CHECKED);
	switch (c->kind) {
	case PINPOOL_CODED_DICTIONARY:
		return describe_dictionary(w, c, n, k, diag);
	case PINPOOL_CODED_SPARSE:
		return describe_sparse(w, c, n, k, diag);
	}
	return diag_set(diag, -EOPNOTSUPP, "kind", NULL, "%d is no kind of coded weights", (int)c->kind);
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
	const uint32_t *columns = w->columns + w->starts[row];
	size_t count = w->starts[row + 1] - w->starts[row];
	bool ascend = true;

	if (!count)
		return 0;
	for (size_t i = 1; i < count; i++)
		ascend &= columns[i - 1] < columns[i];
	if (!ascend)
		return diag_set(diag, -EINVAL, "columns", NULL, "those of row %zu do not ascend", row);
	if (columns[count - 1] >= k)
		return diag_set(diag, -EINVAL, "columns", NULL, "row %zu has column %" PRIu32 " of %zu", row,
				columns[count - 1], k);
	return 0;
}

static int check_contents(const struct coded *w, size_t n, size_t k, struct pinpool_diag *diag)
{
	int ret = 0;

	for (size_t row = 0; row < n && !ret; row++) {
		if (w->kind == PINPOOL_CODED_DICTIONARY) {
			ret = check_codes(w, w->codes + row * w->ld, k, row, diag);
			continue;
		}
		ret = check_columns(w, row, k, diag);
		if (!ret && w->code_bits)
			ret = check_codes(w, w->codes + w->starts[row], w->starts[row + 1] - w->starts[row], row, diag);
	}
	return ret;
}

static int check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, bool believe,
		 struct pinpool_diag *diag)
{
	struct pinpool_coded c;
	int ret = opts_read(&c, sizeof(c), coded);

	if (ret)
		return diag_set(diag, ret, "w_coded", "set size to sizeof(struct pinpool_coded)",
				ret == -E2BIG ? "has fields that this library does not know" : "size is not set");
	ret = describe(out, &c, n, k, diag);
	if (ret || (believe && c.flags & PINPOOL_CODED_CHECKED))
		return ret;
	return check_contents(out, n, k, diag);
}

int coded_check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	return check(out, coded, n, k, true, diag);
}

int pinpool_coded_check(const struct pinpool_coded *coded, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	struct coded w;

	if (!coded)
		return diag_set(diag, -EINVAL, "coded", NULL, "null pointer");
	if (!n || n > PTRDIFF_MAX || !k || k > PTRDIFF_MAX)
		return diag_set(diag, -EINVAL, "coded", NULL, "a matrix of %" PRIu64 " rows and %" PRIu64 " columns", n,
				k);
	return check(&w, coded, n, k, false, diag);
}

size_t coded_part(const struct coded *coded, size_t n, size_t part, size_t parts)
{
	size_t work = coded_work(coded, n), low = 0, high = n;
	/* part / parts of the work, without overflow. */
	size_t before = work / parts * part + work % parts * part / parts;

	while (low < high) {
		size_t row = low + (high - low) / 2;

		if (coded_work(coded, row) < before)
			low = row + 1;
		else
			high = row;
	}
	return low;
}
