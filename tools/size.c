/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Parsing and printing of sizes; see size.h. The one place that does either. */
#include "size.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "BKMGTPE";

/* Divides by 1024 as often as it goes. @tenths is the rounded rest, 0 to 9. Returns the index of the unit. */
static unsigned int scale(uint64_t bytes, uint64_t *whole, unsigned int *tenths)
{
	unsigned int unit = 0;
	uint64_t step;

	while (unit + 2 < sizeof(units) && bytes >> (10 * (unit + 1)))
		unit++;
	step = 1ULL << (10 * unit);
	*whole = bytes / step;
	*tenths = (10 * (bytes % step) + step / 2) / step;
	if (*tenths == 10) {
		*tenths = 0;
		if (++*whole == 1024 && unit + 2 < sizeof(units)) {
			*whole = 1;
			unit++;
		}
	}
	return unit;
}

const char *size_short(uint64_t bytes, char *buf)
{
	unsigned int tenths;
	uint64_t whole;
	unsigned int unit = scale(bytes, &whole, &tenths);

	if (tenths)
		snprintf(buf, SIZE_TEXT_MAX, "%llu.%u%c", (unsigned long long)whole, tenths, units[unit]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%llu%c", (unsigned long long)whole, units[unit]);
	return buf;
}

const char *size_long(uint64_t bytes, char *buf)
{
	unsigned int tenths;
	uint64_t whole;
	unsigned int unit = scale(bytes, &whole, &tenths);

	if (!unit)
		snprintf(buf, SIZE_TEXT_MAX, "%llu bytes", (unsigned long long)whole);
	else if (tenths)
		snprintf(buf, SIZE_TEXT_MAX, "%llu.%u %ciB", (unsigned long long)whole, tenths, units[unit]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%llu %ciB", (unsigned long long)whole, units[unit]);
	return buf;
}

int size_parse(const char *text, uint64_t *bytes)
{
	unsigned __int128 whole = 0, part = 0, unit = 1, tens = 1, value;
	const char *p = text, *digits = text, *letter;

	for (; *p >= '0' && *p <= '9'; p++) {
		whole = whole * 10 + (unsigned int)(*p - '0');
		if (whole > UINT64_MAX)
			return -ERANGE;
	}
	if (p == digits)
		return -EINVAL;
	if (*p == '.') {
		digits = ++p;
		for (; *p >= '0' && *p <= '9'; p++) {
			/* 18 digits are finer than a byte of an EiB; the rest cannot matter. */
			if (p - digits < 18) {
				part = part * 10 + (unsigned int)(*p - '0');
				tens *= 10;
			}
		}
		if (p == digits)
			return -EINVAL;
	}
	if (*p) {
		letter = strchr("bBkKmMgGtTpPeE", *p);
		if (!letter)
			return -EINVAL;
		unit = (unsigned __int128)1 << (10 * ((letter - "bBkKmMgGtTpPeE") / 2));
		p++;
		if (unit > 1 && !strcmp(p, "iB"))
			p += 2;
		if (*p)
			return -EINVAL;
	}
	if (unit == 1 && tens > 1)
		return -EINVAL;
	value = whole * unit + part * unit / tens;
	if (value > UINT64_MAX)
		return -ERANGE;
	*bytes = value;
	return 0;
}
