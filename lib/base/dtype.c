/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Element types and block types: one table of names and widths. */
#include <pinpool/dtype.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned int bits;
	unsigned int block_values;
	unsigned int block_bytes;
} dtypes[PINPOOL_DTYPE_COUNT] = {
	[PINPOOL_DTYPE_BOOL] = { "BOOL", 8 },
	[PINPOOL_DTYPE_U8] = { "U8", 8 },
	[PINPOOL_DTYPE_I8] = { "I8", 8 },
	[PINPOOL_DTYPE_U16] = { "U16", 16 },
	[PINPOOL_DTYPE_I16] = { "I16", 16 },
	[PINPOOL_DTYPE_U32] = { "U32", 32 },
	[PINPOOL_DTYPE_I32] = { "I32", 32 },
	[PINPOOL_DTYPE_U64] = { "U64", 64 },
	[PINPOOL_DTYPE_I64] = { "I64", 64 },
	[PINPOOL_DTYPE_F16] = { "F16", 16 },
	[PINPOOL_DTYPE_BF16] = { "BF16", 16 },
	[PINPOOL_DTYPE_F32] = { "F32", 32 },
	[PINPOOL_DTYPE_F64] = { "F64", 64 },
	[PINPOOL_DTYPE_F8_E4M3] = { "F8_E4M3", 8 },
	[PINPOOL_DTYPE_F8_E5M2] = { "F8_E5M2", 8 },
	[PINPOOL_DTYPE_F8_E8M0] = { "F8_E8M0", 8 },
	[PINPOOL_DTYPE_F6_E2M3] = { "F6_E2M3", 6 },
	[PINPOOL_DTYPE_F6_E3M2] = { "F6_E3M2", 6 },
	[PINPOOL_DTYPE_F4] = { "F4", 4 },
	[PINPOOL_DTYPE_C64] = { "C64", 64 },
	[PINPOOL_DTYPE_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8 },
	[PINPOOL_DTYPE_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8 },
	[PINPOOL_DTYPE_Q8_0] = { "Q8_0", 0, 32, 34 },
	[PINPOOL_DTYPE_Q4_0] = { "Q4_0", 0, 32, 18 },
	[PINPOOL_DTYPE_Q4_K] = { "Q4_K", 0, 256, 144 },
	[PINPOOL_DTYPE_Q6_K] = { "Q6_K", 0, 256, 210 },
};

unsigned int pinpool_dtype_bits(enum pinpool_dtype dtype)
{
	return (unsigned int)dtype < PINPOOL_DTYPE_COUNT ? dtypes[dtype].bits : 0;
}

unsigned int pinpool_dtype_block_values(enum pinpool_dtype dtype)
{
	return (unsigned int)dtype < PINPOOL_DTYPE_COUNT ? dtypes[dtype].block_values : 0;
}

unsigned int pinpool_dtype_block_bytes(enum pinpool_dtype dtype)
{
	return (unsigned int)dtype < PINPOOL_DTYPE_COUNT ? dtypes[dtype].block_bytes : 0;
}

uint64_t pinpool_dtype_bytes(enum pinpool_dtype dtype, uint64_t count)
{
	uint64_t block = pinpool_dtype_block_values(dtype);

	return block ? count / block * pinpool_dtype_block_bytes(dtype) : count * pinpool_dtype_bits(dtype) / 8;
}

const char *pinpool_dtype_name(enum pinpool_dtype dtype)
{
	return (unsigned int)dtype < PINPOOL_DTYPE_COUNT ? dtypes[dtype].name : NULL;
}

enum pinpool_dtype pinpool_dtype_from_name(const char *name)
{
	for (unsigned int i = 1; i < PINPOOL_DTYPE_COUNT; i++)
		if (!strcmp(dtypes[i].name, name))
			return (enum pinpool_dtype)i;
	return PINPOOL_DTYPE_INVALID;
}
