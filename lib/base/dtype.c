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
	[PINPOOL_DTYPE_Q4_1] = { "Q4_1", 0, 32, 20 },
	[PINPOOL_DTYPE_Q5_0] = { "Q5_0", 0, 32, 22 },
	[PINPOOL_DTYPE_Q5_1] = { "Q5_1", 0, 32, 24 },
	[PINPOOL_DTYPE_Q8_1] = { "Q8_1", 0, 32, 36 },
	[PINPOOL_DTYPE_Q2_K] = { "Q2_K", 0, 256, 84 },
	[PINPOOL_DTYPE_Q3_K] = { "Q3_K", 0, 256, 110 },
	[PINPOOL_DTYPE_Q5_K] = { "Q5_K", 0, 256, 176 },
	[PINPOOL_DTYPE_Q8_K] = { "Q8_K", 0, 256, 292 },
	[PINPOOL_DTYPE_IQ2_XXS] = { "IQ2_XXS", 0, 256, 66 },
	[PINPOOL_DTYPE_IQ2_XS] = { "IQ2_XS", 0, 256, 74 },
	[PINPOOL_DTYPE_IQ3_XXS] = { "IQ3_XXS", 0, 256, 98 },
	[PINPOOL_DTYPE_IQ1_S] = { "IQ1_S", 0, 256, 50 },
	[PINPOOL_DTYPE_IQ4_NL] = { "IQ4_NL", 0, 32, 18 },
	[PINPOOL_DTYPE_IQ3_S] = { "IQ3_S", 0, 256, 110 },
	[PINPOOL_DTYPE_IQ2_S] = { "IQ2_S", 0, 256, 82 },
	[PINPOOL_DTYPE_IQ4_XS] = { "IQ4_XS", 0, 256, 136 },
	[PINPOOL_DTYPE_IQ1_M] = { "IQ1_M", 0, 256, 56 },
	[PINPOOL_DTYPE_TQ1_0] = { "TQ1_0", 0, 256, 54 },
	[PINPOOL_DTYPE_TQ2_0] = { "TQ2_0", 0, 256, 66 },
	[PINPOOL_DTYPE_MXFP4] = { "MXFP4", 0, 32, 17 },
	[PINPOOL_DTYPE_NVFP4] = { "NVFP4", 0, 64, 36 },
	[PINPOOL_DTYPE_Q1_0] = { "Q1_0", 0, 128, 18 },
	[PINPOOL_DTYPE_Q2_0] = { "Q2_0", 0, 64, 18 },
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
