/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of panels in integers, for types whose values are codes times scales. A part of kernel_template.h. VL rows of W
 * are a panel's lanes: a vector holds 4 codes of each, and a word of X, 4 codes of one row, meets all of them at once.
 *
 * A unit of a panel, for VL rows; vectors of codes lie at multiples of their size:
 *
 *   q8_0    d of 4 blocks, then the codes of each
 *   q4_0    d of 4 blocks, then 4 vectors for each; word i of a block has code 4 i and the next in the lower halves of its
 *           bytes, 16 + 4 i in the upper ones
 *   q4_k    d, dmin, s and m (each 4 times a pair for every row), then 32 vectors as the block's 32 words
 *   q6_k    d, s (8 pairs for every row), as much again as d, then 3 vectors for 16 codes: words 0 to 2 in the lower 6
 *           bits of bytes, word 3 in the upper ones, its lowest bits first
 *   i8      codes only; the scale of a row is the caller's
 *   codebook    the upper and the lower 7 bits of the values of codes (kernel_codebook.h), 16 for each 4 rows, and a scale
 *           for each row, then 4 vectors for each of 4 runs; word i of a run has codes 8 i, 8 i + 2, ... in the lower halves
 *           of its bytes, the odd ones in the upper
 *
 * Signed codes lie in pairs or quadruples of k, as S_VALUES says, and with their highest bit turned where S_BIASED is
 * set. A panel of X holds for each run the words of its rows side by side, their scales, and the sums that a block of W
 * needs: of what is subtracted from every code of a block, the sum over the run is one multiplication. Per run and row
 *
 *   q8_0, i8    -128 times the sum of codes, where S_BIASED is set
 *   q4_0, codebook    -8 times the sum
 *   q4_k        4 pairs of sums of 32 codes
 *   q6_k        8 pairs of sums of 16 codes
 *
 * A kernel file defines before
 *
 *   ivec                          VL integers of 32 bits
 *   q_load(src), q_word(src)      VL words; one word for all lanes
 *   q_add(a, b), q_sub(a, b), q_shift5(a)    a << 5
 *   q_low(a), q_high(a)           lower and upper halves of bytes
 *   q_six(a), q_tops(a, b, c)     lower 6 bits of bytes; the upper 2, those of a as the lowest
 *   q_float(a)                    as f32
 *   p_load(src), p_dot(a, b)      VL pairs of signed bytes as 16 bits; sums of their products with pairs of b
 *   u_vec, u_start(sum), u_dot(u, w, x), u_end(u, sum)    sum + products of unsigned codes w and signed ones x; 8 words
 *                                 of 4 bits fit, U_WORDS_6 of 6
 *   u_zero(), u_scaled(acc, u, pairs, odd)    acc + the products in u, times one of a pair
 *   CODEBOOK_PANELS               1 where integers of 32 bits add up products of codes, which codes of 4 bits want
 *   q_look_up(table, codes), q_shift7(a)    of the 16 bytes for each 4 rows; a << 7. u_vec is ivec then
 *   s_load(src), s_start(sum), s_dot(acc, w, x)    the same for signed codes, which have no limit
 *
 * Loops over words are unrolled where a block is short; longer ones would only make the code larger than its cache.
 */
#define QUANT_RUN_I8 256

/* Rows of X in a panel, and panels of W side by side for m of them. */
#define MQ QUANT_ROWS
/* Most vectors of results of a tile. */
#define QUANT_MOST (2 * MQ)
/*
 * Where sums of a run take most of the registers, results wait in memory until it is over, and words go by fours: the
 * compiler would keep results and put sums aside.
 */
#define CROWDED	 (REGISTERS < 32)
#define S_WORDS(all) (CROWDED ? 4 : (all))

/* One run of a panel of X. */
struct x_run {
	const unsigned char *words;
	const float *scales;
	const int32_t *sums;
};

/* What a product of a type is made of, all known when it is compiled. */
struct quant_shape {
	size_t m;
	size_t panels;
	size_t run; /* of X */
	size_t unit; /* runs of X in a unit of W; i8 has none, and is taken as having one */
	size_t bytes; /* of a unit of W, of VL rows */
	size_t x_bytes; /* of a code of X */
	size_t sums;
	bool together; /* one run for all panels */
};

/* Bytes of a unit of VL rows. */
#define UNIT_q8_0 (4 * 34 * VL)
#define UNIT_q4_0 (4 * 18 * VL)
#define UNIT_codebook (4 * 19 * VL)
#define UNIT_q4_k (148 * VL)
#define UNIT_q6_k (212 * VL)

/* Bytes ahead of a unit's codes: whole units, which are read in the same order. */
#define AHEAD(unit) ((PREFETCH_PANEL + (unit) - 1) / (unit) * (unit))

/*
 * Fetches what a later unit has at the same place, for m rows of X. One or two leave the processor time to run ahead of
 * itself along a panel, and to see by itself where it leads; fetches would only take room from its own. With a few more
 * work waits for memory, and the second cache has room for as many lines on their way as it takes. With many all that
 * matters is that a line is in the first cache when it is its turn.
 */
INLINE void fetch(const unsigned char *src, size_t m)
{
	if (m > 4)
		__builtin_prefetch(src, 0, 3);
	else if (m > 2)
		__builtin_prefetch(src, 0, 2);
}

/* What stands before the codes of a unit. */
INLINE void fetch_head(const unsigned char *head, size_t bytes, size_t ahead, size_t m)
{
	UNROLL
	for (size_t i = 0; i < bytes; i += 64)
		fetch(head + i + ahead, m);
}

/* A vector of @block; one of each line fetches. */
INLINE ivec codes_load(const unsigned char *block, size_t word, size_t ahead, size_t m)
{
	if (word * 4 * VL % 64 == 0)
		fetch(block + word * 4 * VL + ahead, m);
	return q_load(block + word * 4 * VL);
}

/* Words of signed codes in a line. */
#define S_LINE (64 / (S_VALUES * VL))

/* Signed codes are so little work that the processor runs ahead by itself with up to 4 rows. */
INLINE ivec signed_load(const unsigned char *block, size_t word, bool first, size_t ahead, size_t m)
{
	block += word * S_VALUES * VL;
	if (m > 4 && first)
		fetch(block + ahead, m);
	return s_load(block);
}

/*
 * Adds to f[0], f[step], ... of m rows the product of run @at of a unit. Runs of signed codes do it for @step panels at
 * once, into f[1], f[step + 1], ... as well; others for the first.
 */
typedef void (*run_fn)(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		       size_t words);

INLINE ivec x_word(const struct x_run *x, size_t word, size_t m, size_t row)
{
	return q_word(x->words + (word * m + row) * 4);
}

INLINE void add_scaled(vec *f, ivec sum, vec scale, const struct x_run *x, size_t row)
{
	*f = v_fma(v_mul(scale, q_float(sum)), v_set1(x->scales[row]), *f);
}

/* Adds the products of @count words from @first on, which begins a line. */
INLINE void signed_words(ivec *acc, const unsigned char *const *codes, size_t panels, const struct x_run *x, size_t m,
			 size_t first, size_t count, size_t ahead)
{
	UNROLL
	for (size_t word = first; word < first + count; word++) {
		ivec w[TILE_MOST];

		UNROLL
		for (size_t p = 0; p < panels; p++)
			w[p] = signed_load(codes[p], word, (word - first) % S_LINE == 0, ahead, m);
		UNROLL
		for (size_t i = 0; i < m; i++) {
			ivec activations = x_word(x, word, m, i);

			UNROLL
			for (size_t p = 0; p < panels; p++)
				acc[i * panels + p] = s_dot(acc[i * panels + p], w[p], activations);
		}
	}
}

INLINE void run_q8_0(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		     size_t words)
{
	const unsigned char *codes[TILE_MOST];
	vec scales[TILE_MOST];
	ivec acc[QUANT_MOST];

	UNROLL
	for (size_t p = 0; p < step; p++) {
		scales[p] = v_load_f16(panels[p] + at * 2 * VL);
		codes[p] = panels[p] + 8 * VL + at * 32 * VL;
		if (!at)
			fetch_head(panels[p], 8 * VL, AHEAD(UNIT_q8_0), m);
	}
	UNROLL
	for (size_t i = 0; i < m * step; i++)
		acc[i] = s_start(x->sums + i / step);
	_Pragma("GCC unroll 1")
	for (size_t word = 0; word < GROUP / S_VALUES; word += S_WORDS(GROUP / S_VALUES))
		signed_words(acc, codes, step, x, m, word, S_WORDS(GROUP / S_VALUES), AHEAD(UNIT_q8_0));
	UNROLL
	for (size_t p = 0; p < step; p++) {
		UNROLL
		for (size_t i = 0; i < m; i++)
			add_scaled(f + i * step + p, acc[i * step + p], scales[p], x, i);
	}
}

INLINE void run_i8(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		   size_t words)
{
	ivec acc[QUANT_MOST];
	size_t word = 0;

	UNROLL
	for (size_t i = 0; i < m * step; i++)
		acc[i] = s_start(x->sums + i / step);
	for (; word + 4 <= words; word += 4)
		signed_words(acc, panels, step, x, m, word, 4, PREFETCH_PANEL);
	for (; word < words; word++)
		signed_words(acc, panels, step, x, m, word, 1, PREFETCH_PANEL);
	UNROLL
	for (size_t i = 0; i < m * step; i++)
		f[i] = v_fma(q_float(acc[i]), v_set1(x->scales[i / step]), f[i]);
}

INLINE void run_q4_0(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		     size_t words)
{
	const unsigned char *w = panels[0];
	const unsigned char *block = w + 8 * VL + at * 16 * VL;
	vec scale = v_load_f16(w + at * 2 * VL);
	u_vec u[MQ];

	if (!at)
		fetch_head(w, 8 * VL, AHEAD(UNIT_q4_0), m);
	UNROLL
	for (size_t i = 0; i < m; i++)
		u[i] = u_start(x->sums + i);
	UNROLL
	for (size_t word = 0; word < 4; word++) {
		ivec pairs = codes_load(block, word, AHEAD(UNIT_q4_0), m);
		ivec low = q_low(pairs), high = q_high(pairs);

		UNROLL
		for (size_t i = 0; i < m; i++)
			u[i] = u_dot(u_dot(u[i], low, x_word(x, word, m, i)), high, x_word(x, word + 4, m, i));
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		add_scaled(f + i * step, u_end(u[i], x->sums + i), scale, x, i);
}

#if CODEBOOK_PANELS
/* Codes are met as two halves of their values, of which the upper ones are 64 too high. */
INLINE void run_codebook(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
			 size_t words)
{
	const unsigned char *w = panels[0];
	const unsigned char *block = w + 12 * VL + at * 16 * VL;
	const ivec upper = q_load(w), lower = q_load(w + 4 * VL);
	u_vec above[MQ], below[MQ];

	if (!at)
		fetch_head(w, 12 * VL, AHEAD(UNIT_codebook), m);
	UNROLL
	for (size_t i = 0; i < m; i++) {
		int32_t high = x->sums[i] * 8;

		above[i] = u_start(&high);
		below[i] = u_zero();
	}
	UNROLL
	for (size_t word = 0; word < 4; word++) {
		ivec pairs = codes_load(block, word, AHEAD(UNIT_codebook), m);
		ivec even = q_low(pairs), odd = q_high(pairs);
		ivec even_upper = q_look_up(upper, even), odd_upper = q_look_up(upper, odd);
		ivec even_lower = q_look_up(lower, even), odd_lower = q_look_up(lower, odd);

		UNROLL
		for (size_t i = 0; i < m; i++) {
			ivec a = x_word(x, word, m, i), b = x_word(x, word + 4, m, i);

			above[i] = u_dot(u_dot(above[i], even_upper, a), odd_upper, b);
			below[i] = u_dot(u_dot(below[i], even_lower, a), odd_lower, b);
		}
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		add_scaled(f + i * step, q_add(q_shift7(above[i]), below[i]), v_load(w + 8 * VL), x, i);
}
#endif

/* One group of 32 codes of Q4_K, in the lower or the upper halves of 8 vectors. */
INLINE void group_q4_k(ivec *acc, const unsigned char *w, const struct x_run *x, size_t m, ivec scales, size_t group)
{
	u_vec u[MQ];

	UNROLL
	for (size_t i = 0; i < m; i++)
		u[i] = u_zero();
	UNROLL
	for (size_t word = 0; word < 8; word++) {
		/* The second time they are near. */
		ivec pairs = group % 2 ? q_load(w + word * 4 * VL) : codes_load(w, word, AHEAD(UNIT_q4_k), m);
		ivec codes = group % 2 ? q_high(pairs) : q_low(pairs);

		UNROLL
		for (size_t i = 0; i < m; i++)
			u[i] = u_dot(u[i], codes, x_word(x, group * 8 + word, m, i));
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		acc[i] = u_scaled(acc[i], u[i], scales, group % 2);
}

INLINE void run_q4_k(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		     size_t words)
{
	const unsigned char *w = panels[0];
	const unsigned char *scales = w + 4 * VL, *minima = scales + 8 * VL, *codes = minima + 8 * VL;
	vec scale = v_load_f16(w), minimum = v_load_f16(w + 2 * VL);
	ivec acc[MQ];

	fetch_head(w, 20 * VL, AHEAD(UNIT_q4_k), m);
	UNROLL
	for (size_t i = 0; i < m; i++)
		acc[i] = q_zero();
	for (size_t pair = 0; pair < 4; pair++) {
		ivec least = p_load(minima + pair * 2 * VL);

		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i] = q_add(acc[i], p_dot(least, q_word(x->sums + pair * m + i)));
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		f[i * step] = v_fma(v_mul(minimum, q_float(acc[i])), v_set1(-x->scales[i]), f[i * step]);
		acc[i] = q_zero();
	}
	for (size_t pair = 0; pair < 4; pair++) {
		ivec s = p_load(scales + pair * 2 * VL);

		group_q4_k(acc, codes + pair * 32 * VL, x, m, s, 2 * pair);
		group_q4_k(acc, codes + pair * 32 * VL, x, m, s, 2 * pair + 1);
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		add_scaled(f + i * step, acc[i], scale, x, i);
}

/* 16 codes of Q6_K. */
INLINE void group_q6_k(ivec *acc, const unsigned char *w, const struct x_run *x, size_t m, ivec scales, size_t pair,
		       size_t odd)
{
	ivec a = codes_load(w, 3 * odd, AHEAD(UNIT_q6_k), m);
	ivec b = codes_load(w, 3 * odd + 1, AHEAD(UNIT_q6_k), m);
	ivec c = codes_load(w, 3 * odd + 2, AHEAD(UNIT_q6_k), m);
	const ivec codes[4] = { q_six(a), q_six(b), q_six(c), q_tops(a, b, c) };

	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t word = 0; word < 4; word += U_WORDS_6) {
			u_vec u = u_zero();

			UNROLL
			for (size_t j = word; j < word + U_WORDS_6; j++)
				u = u_dot(u, codes[j], x_word(x, pair * 8 + odd * 4 + j, m, i));
			acc[i] = u_scaled(acc[i], u, scales, odd);
		}
	}
}

INLINE void run_q6_k(vec *f, size_t step, const unsigned char *const *panels, size_t at, const struct x_run *x, size_t m,
		     size_t words)
{
	const unsigned char *w = panels[0];
	const unsigned char *scales = w + 2 * VL, *codes = w + 20 * VL;
	vec scale = v_load_f16(w);
	ivec acc[MQ];

	fetch_head(w, 20 * VL, AHEAD(UNIT_q6_k), m);
	UNROLL
	for (size_t i = 0; i < m; i++)
		acc[i] = q_zero();
	/* What codes are too high by, before their products: all scales are read before the first code. */
	for (size_t pair = 0; pair < 8; pair++) {
		ivec s = p_load(scales + pair * 2 * VL);

		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i] = q_add(acc[i], p_dot(s, q_word(x->sums + pair * m + i)));
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		acc[i] = q_sub(q_zero(), q_shift5(acc[i]));
	for (size_t pair = 0; pair < 8; pair++) {
		ivec s = p_load(scales + pair * 2 * VL);

		group_q6_k(acc, codes + pair * 24 * VL, x, m, s, pair, 0);
		group_q6_k(acc, codes + pair * 24 * VL, x, m, s, pair, 1);
	}
	UNROLL
	for (size_t i = 0; i < m; i++)
		add_scaled(f + i * step, acc[i], scale, x, i);
}

INLINE void quant_store(const struct tile_args *a, const vec *f, size_t column, size_t height, size_t panels)
{
	UNROLL
	for (size_t p = 0; p < panels; p++) {
		size_t at = column + p * VL, left = at < a->n ? a->n - at : 0;
		vec scale = v_set1(1);

		if (!left)
			break;
		if (a->w_scales)
			scale = left < VL ? v_load_part(a->w_scales + at, left) : v_load(a->w_scales + at);
		UNROLL
		for (size_t i = 0; i < height; i++) {
			float *y = a->y + i * a->ldy + at;
			vec sum = a->w_scales ? v_mul(f[i * panels + p], scale) : f[i * panels + p];

			if (i == a->m)
				break;
			if (left >= VL)
				v_store(y, a->add ? v_add(v_load(y), sum) : sum);
			else
				v_store_part(y, a->add ? v_add(v_load_part(y, left), sum) : sum, left);
		}
	}
}

INLINE void quant_body(const struct tile_args *a, size_t column, struct quant_shape s, run_fn run)
{
	size_t k = (a->k + 3) / 4 * 4, runs = (a->k + s.run - 1) / s.run;
	const size_t calls = s.together ? 1 : s.panels;
	const unsigned char *w[TILE_MOST];
	vec f[QUANT_MOST];
	struct x_run x = { .words = a->x };

	x.scales = (const float *)(x.words + s.m * k * s.x_bytes);
	x.sums = (const int32_t *)(x.scales + s.m * runs);
	UNROLL
	for (size_t p = 0; p < s.panels; p++)
		w[p] = a->w + (column / VL + p) * a->w_stride;
	UNROLL
	for (size_t i = 0; i < s.m * s.panels; i++)
		f[i] = v_zero();
	if (CROWDED)
		__asm__ volatile("" : : "r"(f) : "memory");
	while (k) {
		UNROLL
		for (size_t at = 0; at < s.unit; at++) {
			size_t values = k < s.run ? k : s.run;

			if (!k)
				break;
			UNROLL
			for (size_t p = 0; p < calls; p++) {
				run(f + p, s.panels, w + p, at, &x, s.m, values * s.x_bytes / 4);
				/* Words of X are read again: there are not registers for all of them. */
				__asm__ volatile("" : : : "memory");
			}
			k -= values;
			x.words += values * s.m * s.x_bytes;
			x.scales += s.m;
			x.sums += s.m * s.sums;
		}
		UNROLL
		for (size_t p = 0; p < s.panels; p++)
			w[p] += s.bytes;
	}
	quant_store(a, f, column, s.m, s.panels);
}

INLINE void quant_columns(const struct tile_args *a, struct quant_shape s, run_fn run)
{
	size_t column = 0;

	for (; column + (s.panels - 1) * VL < a->n; column += s.panels * VL)
		quant_body(a, column, s, run);
	s.panels = 1;
	for (; column < a->n; column += VL)
		quant_body(a, column, s, run);
}

#define QUANT_CASE(rows, type, panels, ...)                                                                     \
	case rows:                                                                                              \
		quant_columns(a, (struct quant_shape){ rows, panels(rows), __VA_ARGS__ }, run_##type);          \
		break;
#if QUANT_ROWS >= 6
#define QUANT_CASES_6(...) QUANT_CASE(6, __VA_ARGS__)
#else
#define QUANT_CASES_6(...)
#endif
#if QUANT_ROWS >= 8
#define QUANT_CASES_8(...) QUANT_CASE(8, __VA_ARGS__)
#else
#define QUANT_CASES_8(...)
#endif
#if QUANT_ROWS >= 12
#define QUANT_CASES_12(...) QUANT_CASE(12, __VA_ARGS__)
#else
#define QUANT_CASES_12(...)
#endif

static const uint8_t NAME(quant_heights)[] = { 0, 1, 2, 4, 4, 6, 6, 8, 8, 12, 12, 12, 12 };

#define QUANT_OF(type, ...)                                                             \
	static void NAME(tile_##type)(const struct tile_args *a)                        \
	{                                                                               \
		switch (a->height) {                                                    \
			QUANT_CASE(1, type, __VA_ARGS__)                  \
			QUANT_CASE(2, type, __VA_ARGS__)                  \
			QUANT_CASE(4, type, __VA_ARGS__)                  \
			QUANT_CASES_6(type, __VA_ARGS__)                  \
			QUANT_CASES_8(type, __VA_ARGS__)                  \
			QUANT_CASES_12(type, __VA_ARGS__)                 \
		}                                                                       \
	}

/* Bytes of a code of X where codes of W are signed. */
#define S_BYTES (4 / S_VALUES)

QUANT_OF(i8, I8_PANELS, QUANT_RUN_I8, 1, QUANT_RUN_I8 *VL, S_BYTES, 1, true)
QUANT_OF(q8_0, Q8_0_PANELS, 32, 4, UNIT_q8_0, S_BYTES, 1, true)
QUANT_OF(q4_0, QUANT_PANELS, 32, 4, UNIT_q4_0, 1, 1, false)
#if CODEBOOK_PANELS
QUANT_OF(codebook, QUANT_PANELS, 32, 4, UNIT_codebook, 1, 1, false)
#endif
QUANT_OF(q4_k, QUANT_PANELS, 256, 1, UNIT_q4_k, 1, 4, false)
QUANT_OF(q6_k, QUANT_PANELS, 256, 1, UNIT_q6_k, 1, 8, false)
