/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Making the panels of kernel_panel.h, of W and of X. A part of kernel_template.h. */

typedef uint32_t words_vec __attribute__((vector_size(VL * 4)));

static void NAME(stream_out)(void *dst, const void *src, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(float); i += VL)
		v_stream((float *)dst + i, v_load((const float *)src + i));
	v_stream_end();
}

/* How many of the words or blocks of a row to take. */
INLINE size_t at_most(size_t count, size_t most)
{
	return count < most ? count : most;
}

/* @words words of each row to as many vectors; rows that there are not are zero. */
INLINE void copy_words(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t words)
{
	for (size_t i = 0; i < words; i += VL) {
		vec r[VL];

		words_of_rows(r, w + i * 4, ldw, rows, at_most(words - i, VL) * 4);
		for (size_t j = 0; j < VL && i + j < words; j++)
			v_store(dst + (i + j) * VL * 4, r[j]);
	}
}

/* A word of signed codes of each row. */
INLINE void place_signed(unsigned char *dst, vec word)
{
	if (S_BIASED)
		word = (vec)((words_vec)word ^ 0x80808080u);
	if (S_VALUES == 4) {
		v_store(dst, word);
	} else {
		v_store_halves(dst, word, 0);
		v_store_halves(dst + 2 * VL, word, 16);
	}
}

/* Signed codes, of which a row has @count: those behind the last are zero up to a multiple of 4. */
INLINE void copy_signed(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t count)
{
	for (size_t i = 0; i < count; i += VL * 4) {
		vec r[VL];

		words_of_rows(r, w + i, ldw, rows, at_most(count - i, VL * 4));
		for (size_t j = 0; j < VL && i + j * 4 < count; j++)
			place_signed(dst + (i + j * 4) * VL, r[j]);
	}
}

/* Of each row, the codes of @blocks blocks side by side, each @bytes of the @block that a block takes; others are zero. */
INLINE void gather_codes(unsigned char *codes, const unsigned char *w, size_t ldw, size_t rows, size_t blocks, size_t block,
			 size_t bytes)
{
	for (size_t row = 0; row < VL; row++)
		for (size_t i = 0; i < 4; i++)
			if (row < rows && i < blocks)
				memcpy(codes + (row * 4 + i) * bytes, w + row * ldw + i * block, bytes);
			else
				memset(codes + (row * 4 + i) * bytes, 0, bytes);
}

/* The two bytes at @at of each row's block: an f16. */
INLINE void copy_half(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows)
{
	for (size_t row = 0; row < VL; row++) {
		memset(dst + row * 2, 0, 2);
		if (row < rows)
			memcpy(dst + row * 2, w + row * ldw, 2);
	}
}

/* Eight bytes in pairs: pair p of row r behind pair p of row r - 1. */
INLINE void place_pairs(unsigned char *dst, uint64_t bytes, size_t row)
{
	UNROLL
	for (size_t p = 0; p < 4; p++) {
		uint16_t pair = (uint16_t)(bytes >> 16 * p);

		memcpy(dst + (p * VL + row) * 2, &pair, 2);
	}
}

INLINE void copy_halves(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t blocks, size_t block)
{
	memset(dst, 0, 8 * VL);
	for (size_t row = 0; row < rows && row < VL; row++)
		for (size_t i = 0; i < blocks; i++)
			memcpy(dst + (i * VL + row) * 2, w + row * ldw + i * block, 2);
}

/* Four blocks of 32 values, or as many as are left; those that there are not are zero. */
INLINE void unit_to_q8_0(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t blocks)
{
	unsigned char codes[VL * 4 * 32];

	copy_halves(dst, w, ldw, rows, blocks, 34);
	gather_codes(codes, w + Q8_0_CODES, ldw, rows, blocks, 34, 32);
	copy_signed(dst + 8 * VL, codes, 4 * 32, VL, 4 * 32);
}

INLINE void unit_to_q4_0(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t blocks)
{
	unsigned char codes[VL * 4 * 16];

	copy_halves(dst, w, ldw, rows, blocks, 18);
	gather_codes(codes, w + Q4_0_CODES, ldw, rows, blocks, 18, 16);
	copy_words(dst + 8 * VL, codes, 4 * 16, VL, 4 * 4);
}

INLINE void unit_to_q4_k(unsigned char *dst, const unsigned char *block, size_t ldw, size_t rows, size_t blocks)
{
	copy_half(dst, block, ldw, rows);
	copy_half(dst + 2 * VL, block + 2, ldw, rows);
	for (size_t row = 0; row < VL; row++) {
		uint64_t scales = 0, minima = 0;

		if (row < rows)
			q4_k_all_codes(block + row * ldw, &scales, &minima);
		place_pairs(dst + 4 * VL, scales, row);
		place_pairs(dst + 12 * VL, minima, row);
	}
	copy_words(dst + 20 * VL, block + Q4_K_CODES, ldw, rows, 32);
}

INLINE words_vec words_at(const unsigned char *src, size_t word)
{
	words_vec v;

	memcpy(&v, src + word * sizeof(v), sizeof(v));
	return v;
}

/* Word @at of a group of 32 codes of Q6_K, from vectors of the words of its half of the block. */
INLINE words_vec sixes(const unsigned char *low, const unsigned char *high, size_t group, size_t at)
{
	words_vec four = words_at(low, group % 2 * 8 + at) >> (group < 2 ? 0 : 4) & 0x0f0f0f0fu;
	words_vec two = words_at(high, at) >> (uint32_t)(2 * group) & 0x03030303u;

	return four | two << 4;
}

/* Four words as three: the last one is shared out. */
INLINE void place_sixes(unsigned char *dst, const unsigned char *low, const unsigned char *high, size_t group, size_t at)
{
	words_vec last = sixes(low, high, group, at + 3);

	UNROLL
	for (size_t i = 0; i < 3; i++) {
		words_vec bits = last >> (uint32_t)(2 * i) & 0x03030303u;

		v_store(dst + i * 4 * VL, (vec)(sixes(low, high, group, at + i) | bits << 6));
	}
}

INLINE void unit_to_q6_k(unsigned char *dst, const unsigned char *block, size_t ldw, size_t rows, size_t blocks)
{
	unsigned char low[32 * 4 * VL], high[16 * 4 * VL];

	copy_half(dst, block + Q6_K_D, ldw, rows);
	for (size_t row = 0; row < VL; row++) {
		uint64_t scales[2] = { 0 };

		if (row < rows)
			memcpy(scales, block + row * ldw + Q6_K_SCALES, sizeof(scales));
		place_pairs(dst + 2 * VL, scales[0], row);
		place_pairs(dst + 10 * VL, scales[1], row);
	}
	memset(dst + 18 * VL, 0, 2 * VL);
	copy_words(low, block, ldw, rows, 32);
	copy_words(high, block + Q6_K_HIGH, ldw, rows, 16);
	dst += 20 * VL;
	for (size_t half = 0; half < 2; half++) {
		UNROLL
		for (size_t group = 0; group < 4; group++)
			for (size_t at = 0; at < 8; at += 4, dst += 12 * VL)
				place_sixes(dst, low + half * 64 * VL, high + half * 32 * VL, group, at);
	}
}

/* Values in a unit and in a block, and bytes of a block. */
#define PACK_UNITS_OF(type, unit_values, block_values, block)                                                           \
	static void NAME(pack_##type)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)    \
	{                                                                                                               \
		const size_t in_unit = (unit_values) / (block_values);                                                  \
                                                                                                                        \
		for (size_t left = k / (block_values); left; dst += UNIT_##type, w += in_unit * (block)) {              \
			size_t blocks = left < in_unit ? left : in_unit;                                                \
                                                                                                                        \
			unit_to_##type(dst, w, ldw, rows, blocks);                                                      \
			left -= blocks;                                                                                 \
		}                                                                                                       \
	}

PACK_UNITS_OF(q8_0, 128, 32, 34)
PACK_UNITS_OF(q4_0, 128, 32, 18)
PACK_UNITS_OF(q4_k, 256, 256, 144)
PACK_UNITS_OF(q6_k, 256, 256, 210)

static void NAME(pack_i8)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)
{
	copy_signed(dst, w, ldw, rows, k);
}

/* The sum of so many codes. */
INLINE int32_t codes_sum(const int8_t *codes, size_t count)
{
	int32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += codes[i];
	return sum;
}

/* What a run of codes adds to the sums of a panel of X: see kernel_panel.h. */
typedef void (*sums_fn)(int32_t *dst, const int8_t *codes, size_t run);

INLINE void sums_signed(int32_t *dst, const int8_t *codes, size_t run)
{
	dst[0] = S_BIASED ? -128 * codes_sum(codes, run) : 0;
}

INLINE void sums_q4_0(int32_t *dst, const int8_t *codes, size_t run)
{
	dst[0] = -8 * codes_sum(codes, run);
}

/* Pairs of sums of @each codes. */
INLINE void sums_pairs(int32_t *dst, const int8_t *codes, size_t run, size_t each)
{
	for (size_t i = 0; i < run / each / 2; i++) {
		int32_t first = codes_sum(codes + 2 * i * each, each);
		int32_t second = codes_sum(codes + (2 * i + 1) * each, each);

		dst[i] = (int32_t)((uint32_t)second << 16 | ((uint32_t)first & 0xffff));
	}
}

INLINE void sums_q4_k(int32_t *dst, const int8_t *codes, size_t run)
{
	sums_pairs(dst, codes, run, 32);
}

INLINE void sums_q6_k(int32_t *dst, const int8_t *codes, size_t run)
{
	sums_pairs(dst, codes, run, 16);
}

/* How activations become codes, all known when it is compiled. */
struct x_codes {
	size_t run;
	size_t bytes; /* of a code */
	size_t sums_a_run;
	sums_fn sums;
	bool halves; /* of each run the even columns come first */
};

/* Values of a row that become codes before those of the next row do: whole runs of each length. */
#define QUANT_STRETCH 256

/* One run of a row; @left values are not behind its end. Scales and sums are for every row, @height of them. */
INLINE void quant_run(unsigned char *dst, const float *x, size_t left, struct x_codes c, float *scale, int32_t *sums,
		      size_t height)
{
	float part[ELEMENT_BLOCK_MAX];
	int8_t codes[ELEMENT_BLOCK_MAX];
	int32_t own[QUANTISED_SUMS];

	if (left < c.run) {
		memset(part, 0, c.run * sizeof(float));
		memcpy(part, x, left * sizeof(float));
	}
	*scale = quantise_run(codes, left < c.run ? part : x, c.run);
	if (c.halves)
		even_first(codes);
	c.sums(own, codes, c.run);
	for (size_t s = 0; s < c.sums_a_run; s++)
		sums[s * height] = own[s];
	if (c.bytes == 1)
		memcpy(dst, codes, c.run);
	else
		for (size_t i = 0; i < c.run; i += 2 * VL)
			v_store(dst + 2 * i, (vec)s_load(codes + i));
}

/* Rows behind the last are zero. */
INLINE void quant_x(void *panel, const float *x, size_t ldx, size_t rows, size_t height, size_t k, struct x_codes c)
{
	size_t padded = (k + 3) / 4 * 4, runs = (k + c.run - 1) / c.run;
	const size_t row_bytes = QUANT_STRETCH * c.bytes;
	unsigned char codes[MQ * QUANT_STRETCH * 2];
	unsigned char *words = panel;
	float *scales = (float *)(words + height * padded * c.bytes);
	int32_t *sums = (int32_t *)(scales + height * runs);

	if (rows < height)
		memset(scales, 0, height * runs * (1 + c.sums_a_run) * 4);
	for (size_t first = 0; first < k; first += QUANT_STRETCH) {
		size_t some = at_most(k - first, QUANT_STRETCH);

		for (size_t row = 0; row < rows; row++) {
			for (size_t at = 0; at < some; at += c.run) {
				size_t r = (first + at) / c.run;

				quant_run(codes + row * row_bytes + at * c.bytes, x + row * ldx + first + at, some - at, c,
					  scales + r * height + row, sums + r * c.sums_a_run * height + row, height);
			}
		}
		pack_x_words((float *)(words + first * height * c.bytes), (const float *)codes, row_bytes / 4, rows, height,
			     (some + 3) / 4 * c.bytes, 1, words_of_f32);
	}
}

/* run, bytes, sums_a_run, sums, halves */
#define QUANT_X_OF(type, ...)                                                                                   \
	static void NAME(pack_x_##type)(void *panel, const float *x, size_t ldx, size_t rows, size_t height,   \
					size_t k)                                                               \
	{                                                                                                       \
		quant_x(panel, x, ldx, rows, height, k, (struct x_codes){ __VA_ARGS__ });                       \
	}

QUANT_X_OF(i8, QUANT_RUN_I8, S_BYTES, 1, sums_signed, false)
QUANT_X_OF(q8_0, 32, S_BYTES, 1, sums_signed, false)
QUANT_X_OF(q4_0, 32, 1, 1, sums_q4_0, false)
QUANT_X_OF(q4_k, 256, 1, 4, sums_q4_k, false)
QUANT_X_OF(q6_k, 256, 1, 8, sums_q6_k, false)

#if CODEBOOK_PANELS
QUANT_X_OF(codebook, CODEBOOK_RUN, 1, 1, sums_q4_0, true)

/* What a row has the values of its codes from. Rows that there are not have zeros. */
INLINE void place_codebooks(unsigned char *dst, const struct coded *w, size_t row, size_t rows)
{
	struct codebook book = { 0 };

	memset(dst, 0, 12 * VL);
	for (size_t i = 0; i < rows; i++) {
		const float *values = coded_dictionaries(w, row + i);

		if (book.values != values)
			codebook_start(&book, w, values);
		memcpy(dst + i / 4 * 16, &book.upper, 16);
		memcpy(dst + 4 * VL + i / 4 * 16, &book.lower, 16);
		memcpy(dst + 8 * VL + i * 4, &book.scale, 4);
	}
}

static void NAME(pack_codebook)(unsigned char *dst, const struct coded *w, size_t row, size_t rows, size_t first, size_t k)
{
	const unsigned char *codes = w->codes + row * w->ld + first / 2;
	unsigned char head[12 * VL];

	place_codebooks(head, w, row, rows);
	for (; k; dst += UNIT_codebook, codes += 64) {
		size_t some = at_most(k, 128);

		memcpy(dst, head, sizeof(head));
		copy_words(dst + 12 * VL, codes, w->ld, rows, some / 8);
		k -= some;
	}
}
#endif

#define QUANT(type, values_, unit_bytes, run_, bytes_, sums)                                                            \
	{                                                                                                               \
		.mr = QUANT_ROWS, .nr = VL, .values = (values_), .bytes = (unit_bytes), .run = (run_),                  \
		.x_bytes = (bytes_), .x_sums = (sums), .heights = NAME(quant_heights),                                  \
		.pack_x = NAME(pack_x_##type), .pack_w = NAME(pack_##type), .tile = NAME(tile_##type),                  \
	}
#if CODEBOOK_PANELS
#define CODEBOOK                                                                                                \
	{                                                                                                               \
		.mr = QUANT_ROWS, .nr = VL, .values = 128, .bytes = UNIT_codebook, .run = CODEBOOK_RUN, .x_bytes = 1,      \
		.x_sums = 1, .heights = NAME(quant_heights), .pack_x = NAME(pack_x_codebook),                           \
		.tile = NAME(tile_codebook),                                                                            \
	}
#endif
#define QUANT_PANELS_OF_ALL                                                             \
	[ELEMENT_I8] = QUANT(i8, 4, 4 * VL, QUANT_RUN_I8, S_BYTES, 1),                  \
	[ELEMENT_Q8_0] = QUANT(q8_0, 128, UNIT_q8_0, 32, S_BYTES, 1),                    \
	[ELEMENT_Q4_0] = QUANT(q4_0, 128, UNIT_q4_0, 32, 1, 1),                          \
	[ELEMENT_Q4_K] = QUANT(q4_k, 256, UNIT_q4_k, 256, 1, 4),                        \
	[ELEMENT_Q6_K] = QUANT(q6_k, 256, UNIT_q6_k, 256, 1, 8)
