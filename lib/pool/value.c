/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Encoded values: measured, checked, read; see value.h. */
#include "pool/value.h"

#include <errno.h>
#include <string.h>

#include "base/opts.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values are read in place: this needs a little-endian host"
#endif

#define STRING_HEAD 8u
#define ARRAY_HEAD  12u

static const struct {
	const char *name;
	unsigned int width;
} types[PINPOOL_VALUE_COUNT] = {
	[PINPOOL_VALUE_U8] = {"u8", 1},		[PINPOOL_VALUE_I8] = {"i8", 1},
	[PINPOOL_VALUE_U16] = {"u16", 2},	[PINPOOL_VALUE_I16] = {"i16", 2},
	[PINPOOL_VALUE_U32] = {"u32", 4},	[PINPOOL_VALUE_I32] = {"i32", 4},
	[PINPOOL_VALUE_F32] = {"f32", 4},	[PINPOOL_VALUE_BOOL] = {"bool", 1},
	[PINPOOL_VALUE_STRING] = {"string", 0}, [PINPOOL_VALUE_ARRAY] = {"array", 0},
	[PINPOOL_VALUE_U64] = {"u64", 8},	[PINPOOL_VALUE_I64] = {"i64", 8},
	[PINPOOL_VALUE_F64] = {"f64", 8},
};

const char *pinpool_value_type_name(enum pinpool_value_type type)
{
	return (unsigned int)type < PINPOOL_VALUE_COUNT ? types[type].name : NULL;
}

unsigned int value_width(enum pinpool_value_type type)
{
	return (unsigned int)type < PINPOOL_VALUE_COUNT ? types[type].width : 0;
}

static uint32_t get_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* A walk over bytes: @at is how far it came. */
struct walk {
	const unsigned char *data;
	uint64_t have;
	uint64_t at;
	struct value_scan *scan;
};

static int fault(struct walk *walk, const char *what, uint64_t at)
{
	walk->scan->fault = what;
	walk->scan->fault_at = at;
	return -EBADMSG;
}

/* Whether @bytes more are there. */
static int want(struct walk *walk, uint64_t bytes)
{
	if (bytes <= walk->have - walk->at)
		return 0;
	if (__builtin_add_overflow(walk->at, bytes, &walk->scan->bytes))
		return fault(walk, "its length overflows", walk->at);
	return -ENODATA;
}

static int walk_string(struct walk *walk)
{
	uint64_t bytes;
	int err;

	err = want(walk, STRING_HEAD);
	if (err)
		return err;
	bytes = get_u64(walk->data + walk->at);
	walk->at += STRING_HEAD;
	err = want(walk, bytes);
	if (!err)
		walk->at += bytes;
	return err;
}

static int walk_elements(struct walk *walk, uint32_t type, uint64_t count, unsigned int depth);

static int walk_array(struct walk *walk, unsigned int depth)
{
	const uint64_t start = walk->at;
	int err;

	if (depth == VALUE_DEPTH_MAX)
		return fault(walk, "arrays are nested too deeply", start);
	err = want(walk, ARRAY_HEAD);
	if (err)
		return err;
	walk->at += ARRAY_HEAD;
	return walk_elements(walk, get_u32(walk->data + start), get_u64(walk->data + start + 4), depth + 1);
}

/* @depth: of the array that they are in. */
static int walk_elements(struct walk *walk, uint32_t type, uint64_t count, unsigned int depth)
{
	unsigned int least = type == PINPOOL_VALUE_STRING ? STRING_HEAD : ARRAY_HEAD;
	uint64_t bytes;
	int err;

	if (type >= PINPOOL_VALUE_COUNT)
		return fault(walk, "the type of its elements is none", walk->at);
	if (value_width(type))
		least = value_width(type);
	if (__builtin_mul_overflow(count, (uint64_t)least, &bytes))
		return fault(walk, "its length overflows", walk->at);
	/* That much is there before anything is done for each of them, so time is bounded by what is there, too. */
	err = want(walk, bytes);
	if (err)
		return err;
	if (type == PINPOOL_VALUE_BOOL)
		for (uint64_t i = 0; i < count; i++)
			if (walk->data[walk->at + i] > 1)
				return fault(walk, "a bool is neither 0 nor 1", walk->at + i);
	if (value_width(type)) {
		walk->at += bytes;
		return 0;
	}
	for (uint64_t i = 0; i < count && !err; i++)
		err = type == PINPOOL_VALUE_STRING ? walk_string(walk) : walk_array(walk, depth);
	return err;
}

int value_scan(enum pinpool_value_type type, const void *data, uint64_t have, struct value_scan *scan)
{
	struct walk walk = {.data = data, .have = have, .scan = scan};
	/* One element of an array that is not there. */
	int err = walk_elements(&walk, type, 1, 0);

	if (!err)
		scan->bytes = walk.at;
	return err;
}

bool value_is_sound(const struct pinpool_metadata *value)
{
	struct value_scan scan;
	struct walk walk = {.data = value->data, .have = value->bytes, .scan = &scan};

	if ((unsigned int)value->type >= PINPOOL_VALUE_COUNT || (unsigned int)value->element >= PINPOOL_VALUE_COUNT)
		return false;
	if (value->type == PINPOOL_VALUE_ARRAY)
		return !walk_elements(&walk, value->element, value->count, 1) && walk.at == value->bytes;
	if (value->element != value->type || value->count != 1)
		return false;
	if (value->type == PINPOOL_VALUE_STRING)
		return true;
	return !walk_elements(&walk, value->type, 1, 0) && walk.at == value->bytes;
}

int pinpool_metadata_string(const struct pinpool_metadata *value, const char **text, size_t *bytes)
{
	if (value->type != PINPOOL_VALUE_STRING)
		return -EINVAL;
	*text = value->data;
	*bytes = value->bytes;
	return 0;
}

/* The number that @value is, copied to @to, if it has one and that is whole. */
static bool get_number(const struct pinpool_metadata *value, void *to)
{
	unsigned int width = value_width(value->type);

	if (!width || value->bytes != width)
		return false;
	memcpy(to, value->data, width);
	return true;
}

int pinpool_metadata_integer(const struct pinpool_metadata *value, int64_t *number)
{
	uint64_t bits = 0;

	if (!get_number(value, &bits))
		return -EINVAL;
	switch (value->type) {
	case PINPOOL_VALUE_I8:
		*number = (int8_t)bits;
		return 0;
	case PINPOOL_VALUE_I16:
		*number = (int16_t)bits;
		return 0;
	case PINPOOL_VALUE_I32:
		*number = (int32_t)bits;
		return 0;
	case PINPOOL_VALUE_U64:
		if (bits > INT64_MAX)
			return -ERANGE;
		/* fallthrough */
	case PINPOOL_VALUE_U8:
	case PINPOOL_VALUE_U16:
	case PINPOOL_VALUE_U32:
	case PINPOOL_VALUE_I64:
	case PINPOOL_VALUE_BOOL:
		*number = (int64_t)bits;
		return 0;
	default:
		return -EINVAL;
	}
}

int pinpool_metadata_real(const struct pinpool_metadata *value, double *number)
{
	double wide;
	float narrow;

	if (value->type == PINPOOL_VALUE_F32 && get_number(value, &narrow))
		*number = (double)narrow;
	else if (value->type == PINPOOL_VALUE_F64 && get_number(value, &wide))
		*number = wide;
	else
		return -EINVAL;
	return 0;
}

int pinpool_metadata_next(const struct pinpool_metadata *array, struct pinpool_metadata *element)
{
	const unsigned char *at = array->data, *end = at + array->bytes;
	unsigned int head = array->element == PINPOOL_VALUE_STRING ? STRING_HEAD : ARRAY_HEAD;
	struct pinpool_metadata next = {
		.size = sizeof(next),
		.key = array->key,
		.type = array->element,
		.element = array->element,
		.count = 1,
		.source = array->source,
	};
	struct value_scan scan;

	if (array->type != PINPOOL_VALUE_ARRAY || element->size < offsetof(struct pinpool_metadata, source))
		return -EINVAL;
	if (element->data) {
		if ((const unsigned char *)element->data < at || (const unsigned char *)element->data > end ||
		    element->bytes > (uint64_t)(end - (const unsigned char *)element->data))
			return -EINVAL;
		at = (const unsigned char *)element->data + element->bytes;
	}
	if (at == end)
		return -ENOENT;
	if (value_scan(array->element, at, (uint64_t)(end - at), &scan))
		return -EINVAL;
	if (value_width(array->element))
		head = 0;
	if (array->element == PINPOOL_VALUE_ARRAY) {
		next.element = (enum pinpool_value_type)get_u32(at);
		next.count = get_u64(at + 4);
	}
	next.data = at + head;
	next.bytes = scan.bytes - head;
	return opts_write(element, &next, sizeof(next));
}
