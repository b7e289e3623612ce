/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See shapes.h. A word that is empty is wrong, so a text that begins or ends with a comma is. */
#include "bench/shapes.h"

#include <pinpool/math.h>

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits at @*text, which moves behind them. */
static bool parse_number(const char **text, uint64_t max, uint64_t *number)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	value = strtoull(*text, &end, 10);
	if (errno || !value || value > max)
		return false;
	*text = end;
	*number = value;
	return true;
}

/* Is @*text at the end of a word? Moves on to the next; NULL after the last. */
static bool end_word(const char **text)
{
	if (**text == ',')
		++*text;
	else if (!**text)
		*text = NULL;
	else
		return false;
	return true;
}

unsigned int bench_shapes_parse(const char *text, struct bench_shape *shapes)
{
	unsigned int count;

	for (count = 0; text; count++) {
		if (count == BENCH_LIST_MAX || !parse_number(&text, UINT32_MAX, &shapes[count].n) || *text++ != 'x' ||
		    !parse_number(&text, UINT32_MAX, &shapes[count].k) || !end_word(&text))
			return 0;
	}
	return count;
}

unsigned int bench_numbers_parse(const char *text, uint64_t max, uint64_t *numbers)
{
	unsigned int count;

	for (count = 0; text; count++)
		if (count == BENCH_LIST_MAX || !parse_number(&text, max, &numbers[count]) || !end_word(&text))
			return 0;
	return count;
}

unsigned int bench_types_parse(const char *text, enum pinpool_dtype *types)
{
	unsigned int count;
	char word[16];
	size_t i;

	for (count = 0; text; count++) {
		size_t length = strcspn(text, ",");

		if (count == BENCH_LIST_MAX || !length || length >= sizeof(word))
			return 0;
		for (i = 0; i < length; i++)
			word[i] = toupper((unsigned char)text[i]);
		word[length] = '\0';
		types[count] = pinpool_dtype_from_name(word);
		if (!pinpool_matmul_takes(types[count]))
			return 0;
		text += length;
		end_word(&text);
	}
	return count;
}

unsigned int bench_words_parse(const char *text, const char *const *words)
{
	unsigned int found = 0, i;

	while (text) {
		size_t length = strcspn(text, ",");

		for (i = 0; words[i] && (strlen(words[i]) != length || strncmp(words[i], text, length)); i++)
			;
		if (!words[i])
			return 0;
		found |= 1u << i;
		text += length;
		end_word(&text);
	}
	return found;
}

const char *bench_type_name(enum pinpool_dtype dtype, char *buf)
{
	const char *name = pinpool_dtype_name(dtype);
	size_t i;

	for (i = 0; name[i] && i < 15; i++)
		buf[i] = tolower((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}
