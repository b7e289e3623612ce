/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of panels in f32. A part of kernel_template.h. Panels of W hold, for each k, NR values:
 *
 *   f32, and other types widened for use at once    NR floats for each k
 *   f16, fp8    NR of the type's values for each k
 *   bf16        for each two k, NR pairs: the first k's value is the lower half of a word of 32 bits
 *
 * so that a load and at most two operations make a vector of f32 of each. Values keep their bits.
 */

/*
 * A step of a tile along k takes MR cycles where two fused multiplications start in a cycle. Packed W comes from the
 * second cache, Y from anywhere. Its rows are fetched one a step and not sooner: a stride that is a power of two puts
 * all of them into the same few sets of the first cache, where they push out what is in use.
 */
#define PREFETCH_W (256 / MR)
#define PREFETCH_Y (400 / MR)
/* Bytes ahead, where W is read once for few rows of X and comes from memory. */
#define PREFETCH_PANEL 2048

/* Rows from @first on of a panel, at most VL of them. */
INLINE void pack_x_rows(float *dst, const float *x, size_t ldx, size_t rows, size_t height, size_t k, size_t first, size_t p)
{
	size_t total = height * k;
	size_t left = k - p < VL ? k - p : VL;
	vec r[VL];

	UNROLL
	for (size_t i = 0; i < VL; i++) {
		const float *src = x + (first + i) * ldx + p;

		r[i] = first + i >= rows ? v_zero() : left == VL ? v_load(src) : v_load_part(src, left);
	}
	v_transpose(r);
	/* A whole vector spills over into the next column, which is written after it; the last must not spill. */
	for (size_t i = 0; i < left; i++) {
		size_t at = (p + i) * height + first;

		if (height - first >= VL || at + VL <= total)
			v_store(dst + at, r[i]);
		else
			v_store_part(dst + at, r[i], height - first);
	}
}

static void NAME(pack_x)(void *panel, const float *x, size_t ldx, size_t rows, size_t height, size_t k)
{
	/* The last rows of a column go first: what they spill over is the first rows of the next one. */
	for (size_t p = 0; p < k; p += VL)
		for (size_t first = (height + VL - 1) / VL * VL; first; first -= VL)
			pack_x_rows(panel, x, ldx, rows, height, k, first - VL, p);
}

INLINE void pack_widened(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t size,
			vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	for (size_t v = 0; v < NV; v++) {
		size_t first = v * VL;
		size_t have = rows > first ? rows - first : 0;

		for (size_t p = 0; p < k; p += VL) {
			size_t left = k - p < VL ? k - p : VL;
			float *out = dst + p * NR + first;
			vec r[VL];

			UNROLL
			for (size_t i = 0; i < VL; i++) {
				const unsigned char *src = w + (first + i) * ldw + p * size;

				r[i] = i >= have ? v_zero() : left == VL ? load(src) : load_part(src, left);
			}
			v_transpose(r);
			for (size_t i = 0; i < left; i++)
				v_store(out + i * NR, r[i]);
		}
	}
}

/* Words of 32 bits, whatever they hold, of VL rows: r[i] receives word i of each row. At most @bytes of a row are read. */
INLINE void words_of_rows(vec r[VL], const unsigned char *w, size_t ldw, size_t rows, size_t bytes)
{
	UNROLL
	for (size_t i = 0; i < VL; i++) {
		const unsigned char *src = w + i * ldw;
		float part[VL] = { 0 };

		if (i >= rows) {
			r[i] = v_zero();
		} else if (bytes >= sizeof(part)) {
			r[i] = v_load(src);
		} else {
			memcpy(part, src, bytes);
			r[i] = v_load(part);
		}
	}
	v_transpose(r);
}

/* Puts a word of VL rows, which starts at k, where it belongs. */
typedef void (*place_fn)(unsigned char *dst, size_t k, size_t first, vec word);

INLINE void pack_words(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t size,
		       place_fn place)
{
	size_t in_word = sizeof(float) / size;

	for (size_t first = 0; first < NR; first += VL) {
		for (size_t p = 0; p < k; p += VL * in_word) {
			size_t left = k - p < VL * in_word ? k - p : VL * in_word;
			vec r[VL];

			words_of_rows(r, w + first * ldw + p * size, ldw, rows > first ? rows - first : 0, left * size);
			for (size_t i = 0; i * in_word < left; i++)
				place(dst, p + i * in_word, first, r[i]);
		}
	}
}

INLINE void place_bf16(unsigned char *dst, size_t k, size_t first, vec word)
{
	v_store(dst + (k / 2 * NR + first) * sizeof(float), word);
}

INLINE void place_f16(unsigned char *dst, size_t k, size_t first, vec word)
{
	v_store_halves(dst + (k * NR + first) * 2, word, 0);
	v_store_halves(dst + ((k + 1) * NR + first) * 2, word, 16);
}

INLINE void place_f8(unsigned char *dst, size_t k, size_t first, vec word)
{
	UNROLL
	for (size_t i = 0; i < 4; i++)
		v_store_bytes(dst + (k + i) * NR + first, word, 8 * (int)i);
}

/* The NV vectors of k number @at of a unit. */
typedef void (*unit_fn)(vec b[NV], const unsigned char *w, size_t at);

#define UNIT_OF(type, size)                                                     \
	INLINE void unit_##type(vec b[NV], const unsigned char *w, size_t at)   \
	{                                                                       \
		UNROLL                                                          \
		for (size_t v = 0; v < NV; v++)                                 \
			b[v] = v_load_##type(w + (at * NR + v * VL) * (size));  \
	}

UNIT_OF(f32, 4)
UNIT_OF(f16, 2)
UNIT_OF(f8_e4m3, 1)
UNIT_OF(f8_e5m2, 1)

INLINE void unit_bf16(vec b[NV], const unsigned char *w, size_t at)
{
	UNROLL
	for (size_t v = 0; v < NV; v++)
		b[v] = at ? v_load_upper(w + v * VL * sizeof(float)) : v_load_lower(w + v * VL * sizeof(float));
}

/* What a product of panels is made of, all known when it is compiled. */
struct tile_shape {
	size_t m;
	size_t panels;
	/* Values of k in a unit, and its bytes. */
	size_t values;
	size_t bytes;
	unit_fn unit;
};

INLINE void tile_step(vec *acc, const float *x, const unsigned char *const w[], struct tile_shape s, size_t at)
{
	UNROLL
	for (size_t p = 0; p < s.panels; p++) {
		vec b[NV];

		s.unit(b, w[p], at);
		UNROLL
		for (size_t i = 0; i < s.m; i++) {
			vec a = v_set1(x[i]);

			UNROLL
			for (size_t v = 0; v < NV; v++)
				acc[(i * s.panels + p) * NV + v] = v_fma(a, b[v], acc[(i * s.panels + p) * NV + v]);
		}
	}
}

INLINE void tile_unit(vec *acc, const float *x, const unsigned char *const w[], struct tile_shape s)
{
	/* Where a number of k must be known to the compiler, there are two. */
	if (s.values == 2) {
		tile_step(acc, x, w, s, 0);
		tile_step(acc, x + s.m, w, s, 1);
	} else {
		for (size_t at = 0; at < s.values; at++)
			tile_step(acc, x + at * s.m, w, s, at);
	}
	/* For few rows of X the processor runs ahead by itself, and better: see fetch() of kernel_panel.h. */
	if (s.m <= 2)
		return;
	UNROLL
	for (size_t p = 0; p < s.panels; p++) {
		UNROLL
		for (size_t line = 0; line < s.bytes; line += 64)
			__builtin_prefetch(w[p] + line + (s.panels > 1 ? PREFETCH_PANEL : PREFETCH_W * NR * sizeof(float)));
	}
}

INLINE void tile_store(const struct tile_args *a, const vec *acc, size_t column, size_t height, size_t panels)
{
	UNROLL
	for (size_t i = 0; i < height; i++) {
		if (i == a->m)
			break;
		UNROLL
		for (size_t v = 0; v < panels * NV; v++) {
			size_t at = column + v * VL;
			float *y = a->y + i * a->ldy + at;
			vec sum = acc[i * panels * NV + v];

			if (at + VL <= a->n)
				v_store(y, a->add ? v_add(v_load(y), sum) : sum);
			else if (at < a->n)
				v_store_part(y, a->add ? v_add(v_load_part(y, a->n - at), sum) : sum, a->n - at);
		}
	}
}

INLINE void tile_body(const struct tile_args *a, size_t column, struct tile_shape s)
{
	vec acc[MR * NV > TILE_MOST ? MR * NV : TILE_MOST];
	const unsigned char *w[TILE_MOST];
	const float *x = a->x;
	size_t k = a->k;
	/* Units until it fetches for all calls; never, if there is nothing to. */
	size_t until_turn = a->far ? a->far_call : SIZE_MAX;

	UNROLL
	for (size_t p = 0; p < s.panels; p++)
		w[p] = a->w + (column / NR + p) * a->w_stride;
	UNROLL
	for (size_t i = 0; i < s.m * s.panels * NV; i++)
		acc[i] = v_zero();
	for (size_t row = 0; k >= s.values; k -= s.values, x += s.values * s.m) {
		if (s.panels == 1 && until_turn-- == 0) {
			until_turn = a->far_calls - 1;
			UNROLL
			for (size_t line = 0; line < s.bytes; line += 64)
				__builtin_prefetch(w[0] + line + a->far, 0, 2);
		}
		if (k <= PREFETCH_Y && row < a->m) {
			__builtin_prefetch(a->y + row * a->ldy + column, 1);
			__builtin_prefetch(a->y + row * a->ldy + column + s.panels * NR - 1, 1);
			row++;
		}
		tile_unit(acc, x, w, s);
		UNROLL
		for (size_t p = 0; p < s.panels; p++)
			w[p] += s.bytes;
	}
	for (size_t at = 0; at < k; at++)
		tile_step(acc, x + at * s.m, w, s, at);
	tile_store(a, acc, column, s.m, s.panels);
}

INLINE void tile_columns(const struct tile_args *a, size_t m, size_t values, size_t bytes, unit_fn unit)
{
	const size_t panels = TILE_PANELS(m);
	size_t column = 0;

	for (; column + (panels - 1) * NR < a->n; column += panels * NR)
		tile_body(a, column, (struct tile_shape){ m, panels, values, bytes, unit });
	for (; column < a->n; column += NR)
		tile_body(a, column, (struct tile_shape){ m, 1, values, bytes, unit });
}

#define TILE_CASE(rows, type, values, bytes)                            \
	case rows:                                                      \
		tile_columns(a, rows, values, bytes, unit_##type);      \
		break;
#if MR >= 6
#define TILE_CASES_6(...) TILE_CASE(6, __VA_ARGS__)
#else
#define TILE_CASES_6(...)
#endif
#if MR >= 8
#define TILE_CASES_8(...) TILE_CASE(8, __VA_ARGS__)
#else
#define TILE_CASES_8(...)
#endif
#if MR >= 14
#define TILE_CASES_14(...) \
	TILE_CASE(10, __VA_ARGS__) TILE_CASE(12, __VA_ARGS__) TILE_CASE(14, __VA_ARGS__)
#else
#define TILE_CASES_14(...)
#endif

/* Heights of panels with a kernel, for each number of rows. */
static const uint8_t NAME(heights)[] = { 0, 1, 2, 3, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14 };

#define TILE_OF(type, values, bytes)                                            \
	static void NAME(tile_##type)(const struct tile_args *a)                \
	{                                                                       \
		switch (a->height) {                                            \
			TILE_CASE(1, type, values, bytes)                       \
			TILE_CASE(2, type, values, bytes)                       \
			TILE_CASE(3, type, values, bytes)                       \
			TILE_CASE(4, type, values, bytes)                       \
			TILE_CASES_6(type, values, bytes)                       \
			TILE_CASES_8(type, values, bytes)                       \
			TILE_CASES_14(type, values, bytes)                      \
		}                                                               \
	}

/* A unit of a packing is a word of 32 bits of each row. */
#define UNIT_BYTES (NR * sizeof(float))

TILE_OF(f32, 1, UNIT_BYTES)
TILE_OF(bf16, 2, UNIT_BYTES)
TILE_OF(f16, 2, UNIT_BYTES)
TILE_OF(f8_e4m3, 4, UNIT_BYTES)
TILE_OF(f8_e5m2, 4, UNIT_BYTES)

static void NAME(pack_f32)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)
{
	pack_widened((float *)dst, w, ldw, rows, k, 4, v_load, v_load_part);
}

#define PACK_OF(type, size, place)                                                                                      \
	static void NAME(pack_##type)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)    \
	{                                                                                                               \
		pack_words(dst, w, ldw, rows, k, size, place);                                                          \
	}                                                                                                               \
	static void NAME(widen_panel_##type)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows,       \
					     size_t k)                                                                  \
	{                                                                                                               \
		pack_widened((float *)dst, w, ldw, rows, k, size, v_load_##type, v_load_##type##_part);                 \
	}

/* Of a panel that keeps the type: so many values in a unit. */
#define UNPACK_OF(type, values)                                                                         \
	static void NAME(unpack_##type)(unsigned char *dst, const unsigned char *panel, size_t k)      \
	{                                                                                               \
		for (size_t p = 0; p < k; p++, dst += NR * sizeof(float)) {                             \
			vec b[NV];                                                                      \
                                                                                                        \
			unit_##type(b, panel + p / (values) * UNIT_BYTES, p % (values));                \
			UNROLL                                                                          \
			for (size_t v = 0; v < NV; v++)                                                 \
				v_store((float *)dst + v * VL, b[v]);                                   \
		}                                                                                       \
	}

UNPACK_OF(f16, 2)
UNPACK_OF(f8_e4m3, 4)
UNPACK_OF(f8_e5m2, 4)

PACK_OF(bf16, 2, place_bf16)
PACK_OF(f16, 2, place_f16)
PACK_OF(f8_e4m3, 1, place_f8)
PACK_OF(f8_e5m2, 1, place_f8)

#define FLOAT_PANELS(rows, values_, pack, unpack_, tile_)                                                       \
	{                                                                                                       \
		.mr = rows, .nr = NR, .values = (values_), .bytes = UNIT_BYTES, .x_bytes = sizeof(float),       \
		.heights = NAME(heights), .pack_x = NAME(pack_x), .pack_w = NAME(pack), .tile = NAME(tile_),    \
		unpack_                                                                                         \
	}
#define PACKED(type, rows, values)	 FLOAT_PANELS(rows, values, pack_##type, .unpack = NULL, tile_##type)
#define WIDENED(type)			 FLOAT_PANELS(MR, 1, widen_panel_##type, .unpack = NULL, tile_f32)
/* The more it takes to widen a value, the fewer panels of X are enough. */
#define UNPACKABLE(type, values, panels) \
	FLOAT_PANELS(MR, values, pack_##type, UNPACKED(type, panels), tile_##type)
#define UNPACKED(type, panels) .unpack = NAME(unpack_##type), .unpack_m = (panels) * MR
