/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Literals that are numbers: lexical forms of a few datatypes that a number says all of, so that they come back byte
 * for byte. Other forms of these datatypes ("+1", "01", a year beyond 9999, a time zone but Z) are not taken, and stay
 * texts.
 */
#ifndef PINPOOL_KG_TERM_VALUES_H
#define PINPOOL_KG_TERM_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each its own column; decimals one for each number of digits behind the point. */
enum value_form {
	VALUE_INTEGER, /* xsd:integer, of int64_t */
	VALUE_DATE, /* xsd:date, days */
	VALUE_LOCAL_TIME, /* xsd:dateTime without a zone, seconds */
	VALUE_UTC_TIME, /* xsd:dateTime with Z, seconds */
	VALUE_DECIMAL, /* xsd:decimal with one digit behind the point, of int64_t without it; next two, ... */
	VALUE_FORMS = VALUE_DECIMAL + 18
};

/* Longest text of a value. */
#define VALUE_BYTES_MAX 32

/* Returns whether a literal is a value: its form and a number that is in the order of values. */
bool value_from_text(const char *datatype, size_t datatype_bytes, const char *text, size_t bytes, unsigned int *form,
		     uint64_t *number);
/* Returns the bytes of the text of a value, or 0 where there is none such. */
size_t value_to_text(unsigned int form, uint64_t number, char text[VALUE_BYTES_MAX]);
/* The IRI of the datatype, terminated. */
const char *value_datatype(unsigned int form);

#endif
