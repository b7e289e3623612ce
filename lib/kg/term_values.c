/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Literals that are numbers; see term_values.h. */
#include "kg/term_values.h"

#include <string.h>

#define XSD "http://www.w3.org/2001/XMLSchema#"

/* So that the order of int64_t is that of uint64_t. */
#define SIGN (1ULL << 63)

#define DAY_SECONDS 86400U

const char *value_datatype(unsigned int form)
{
	switch (form) {
	case VALUE_INTEGER:
		return XSD "integer";
	case VALUE_DATE:
		return XSD "date";
	case VALUE_LOCAL_TIME:
	case VALUE_UTC_TIME:
		return XSD "dateTime";
	default:
		return XSD "decimal";
	}
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, @point of them behind a point (0: no point), with a sign only where it says something. */
static bool read_number(const char *text, size_t bytes, unsigned int *point, uint64_t *number)
{
	const bool negative = bytes && *text == '-';
	const char *at = text + negative, *end = text + bytes;
	uint64_t value = 0;

	*point = 0;
	/* One digit before the point at least, and no 0 before another. */
	if (at == end || !digit(*at) || (*at == '0' && end - at > 1 && at[1] != '.'))
		return false;
	for (; at < end; at++) {
		if (*at == '.' && !*point && end - at > 1) {
			*point = (unsigned int)(end - at - 1 < 99 ? end - at - 1 : 99);
			continue;
		}
		if (!digit(*at) || value > (INT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (unsigned int)(*at - '0');
	}
	if (negative && !value)
		return false;
	*number = (negative ? -value : value) ^ SIGN;
	return true;
}

static size_t write_number(uint64_t number, unsigned int point, char *text)
{
	const bool negative = !(number & SIGN);
	char digits[VALUE_BYTES_MAX];
	unsigned int count = 0;
	size_t bytes = 0;

	number ^= SIGN;
	if (negative)
		number = -number;
	/* read_number() takes none beyond these, nor digits behind the point without one before. */
	if (number > (INT64_MAX - 9) / 10 * 10 + 9)
		return 0;
	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number || count <= point);
	if (negative)
		text[bytes++] = '-';
	while (count) {
		if (count == point)
			text[bytes++] = '.';
		text[bytes++] = digits[--count];
	}
	return bytes;
}

/* Days before a year, of years from 1 on. */
static uint64_t days_before(unsigned int year)
{
	year--;
	return 365ULL * year + year / 4 - year / 100 + year / 400;
}

static unsigned int month_days(unsigned int year, unsigned int month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* @pattern: d is a digit, others are themselves. */
static bool matches(const char *text, const char *pattern, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (pattern[i] == 'd' ? !digit(text[i]) : text[i] != pattern[i])
			return false;
	return true;
}

static unsigned int digits_at(const char *text, unsigned int count)
{
	unsigned int value = 0;

	while (count--)
		value = value * 10 + (unsigned int)(*text++ - '0');
	return value;
}

static bool read_date(const char *text, uint64_t *days)
{
	unsigned int year, month, day;

	if (!matches(text, "dddd-dd-dd", 10))
		return false;
	year = digits_at(text, 4);
	month = digits_at(text + 5, 2);
	day = digits_at(text + 8, 2);
	if (!year || !month || month > 12 || !day || day > month_days(year, month))
		return false;
	*days = days_before(year) + day - 1;
	while (--month)
		*days += month_days(year, month);
	return true;
}

static bool read_time(const char *text, uint64_t *seconds)
{
	uint64_t days;

	if (!read_date(text, &days) || !matches(text + 10, "Tdd:dd:dd", 9))
		return false;
	if (digits_at(text + 11, 2) > 23 || digits_at(text + 14, 2) > 59 || digits_at(text + 17, 2) > 59)
		return false;
	*seconds = days * DAY_SECONDS + digits_at(text + 11, 2) * 3600 + digits_at(text + 14, 2) * 60 +
		   digits_at(text + 17, 2);
	return true;
}

static char *put_digits(char *at, uint64_t value, unsigned int count)
{
	for (unsigned int i = count; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

static size_t write_date(uint64_t days, char *text)
{
	unsigned int year, month = 1;
	char *at;

	if (days >= days_before(10000))
		return 0;
	/* Not more than one year too early or too late. */
	year = (unsigned int)(days * 400 / 146097) + 1;
	while (year < 9999 && days_before(year + 1) <= days)
		year++;
	while (days_before(year) > days)
		year--;
	days -= days_before(year);
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	at = put_digits(text, year, 4);
	*at++ = '-';
	at = put_digits(at, month, 2);
	*at++ = '-';
	put_digits(at, days + 1, 2);
	return 10;
}

static size_t write_time(uint64_t seconds, bool utc, char *text)
{
	const unsigned int rest = (unsigned int)(seconds % DAY_SECONDS);
	char *at = text + 10;

	if (!write_date(seconds / DAY_SECONDS, text))
		return 0;
	*at++ = 'T';
	at = put_digits(at, rest / 3600, 2);
	*at++ = ':';
	at = put_digits(at, rest / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, rest % 60, 2);
	if (utc)
		*at++ = 'Z';
	return (size_t)(at - text);
}

bool value_from_text(const char *datatype, size_t datatype_bytes, const char *text, size_t bytes, unsigned int *form,
		     uint64_t *number)
{
	const size_t prefix = strlen(XSD);
	const char *name = datatype + prefix;
	const size_t name_bytes = datatype_bytes - prefix;
	unsigned int point;

	if (datatype_bytes < prefix || memcmp(datatype, XSD, prefix))
		return false;
	if (name_bytes == 7 && !memcmp(name, "integer", 7)) {
		*form = VALUE_INTEGER;
		return read_number(text, bytes, &point, number) && !point;
	}
	if (name_bytes == 7 && !memcmp(name, "decimal", 7)) {
		if (!read_number(text, bytes, &point, number) || !point || VALUE_DECIMAL + point > VALUE_FORMS)
			return false;
		*form = VALUE_DECIMAL + point - 1;
		return true;
	}
	if (name_bytes == 4 && !memcmp(name, "date", 4)) {
		*form = VALUE_DATE;
		return bytes == 10 && read_date(text, number);
	}
	if (name_bytes == 8 && !memcmp(name, "dateTime", 8)) {
		*form = bytes == 20 ? VALUE_UTC_TIME : VALUE_LOCAL_TIME;
		return (bytes == 19 || (bytes == 20 && text[19] == 'Z')) && read_time(text, number);
	}
	return false;
}

size_t value_to_text(unsigned int form, uint64_t number, char text[VALUE_BYTES_MAX])
{
	switch (form) {
	case VALUE_INTEGER:
		return write_number(number, 0, text);
	case VALUE_DATE:
		return write_date(number, text);
	case VALUE_LOCAL_TIME:
	case VALUE_UTC_TIME:
		return write_time(number, form == VALUE_UTC_TIME, text);
	default:
		return write_number(number, form - VALUE_DECIMAL + 1, text);
	}
}
