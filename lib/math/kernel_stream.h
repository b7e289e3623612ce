/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of f32 straight from memory: rows of W are read once, several side by side. A part of
 * kernel_template.h.
 */

/* What m rows of X and r rows of W come to, all known when it is compiled. */
struct dot_shape {
	size_t m;
	size_t r;
	size_t size;
	vec (*load)(const void *);
	vec (*load_part)(const void *, size_t);
};

/*
 * Values [p, end) of k, whole vectors. A step takes one cache line from each row of W. @far: bytes to what is fetched
 * meanwhile, all of it by @turns calls of which this is number @turn; 0 if W is read once, and what comes soon is fetched.
 */
INLINE void dot_steps(vec acc[4][8], const float *const x[4], const unsigned char *const w[8], struct dot_shape s, size_t p,
		      size_t end, size_t far, size_t turn, size_t turns)
{
	for (; p + VL <= end; p += VL) {
		vec part[8];

		if (far && turn-- == 0) {
			turn = turns - 1;
			UNROLL
			for (size_t j = 0; j < s.r; j++)
				__builtin_prefetch(w[j] + p * s.size + far, 0, 2);
		}
		if (s.m <= s.r) {
			UNROLL
			for (size_t i = 0; i < s.m; i++)
				part[i] = v_load(x[i] + p);
			UNROLL
			for (size_t j = 0; j < s.r; j++) {
				vec b = s.load(w[j] + p * s.size);

				if (s.r > 1 && !far)
					__builtin_prefetch(w[j] + p * s.size + PREFETCH_BYTES);
				UNROLL
				for (size_t i = 0; i < s.m; i++)
					acc[i][j] = v_fma(part[i], b, acc[i][j]);
			}
		} else {
			UNROLL
			for (size_t j = 0; j < s.r; j++) {
				part[j] = s.load(w[j] + p * s.size);
				if (s.r > 1 && !far)
					__builtin_prefetch(w[j] + p * s.size + PREFETCH_BYTES);
			}
			UNROLL
			for (size_t i = 0; i < s.m; i++) {
				vec one = v_load(x[i] + p);

				UNROLL
				for (size_t j = 0; j < s.r; j++)
					acc[i][j] = v_fma(one, part[j], acc[i][j]);
			}
		}
	}
}

/* The last values of k, fewer than a vector, from @p on. */
INLINE void dot_rest(vec acc[4][8], const float *const x[4], const unsigned char *const w[8], struct dot_shape s, size_t p,
		     size_t left)
{
	vec part[8];

	UNROLL
	for (size_t j = 0; j < s.r; j++)
		part[j] = s.load_part(w[j] + p * s.size, left);
	UNROLL
	for (size_t i = 0; i < s.m; i++) {
		vec one = v_load_part(x[i] + p, left);

		UNROLL
		for (size_t j = 0; j < s.r; j++)
			acc[i][j] = v_fma(one, part[j], acc[i][j]);
	}
}

/*
 * m rows of X times r rows of W that lie @apart rows apart. One accumulator for each element of Y, whatever m and r are,
 * keeps its sum the same in every grouping.
 */
INLINE void dot_body(const struct dot_args *a, size_t first, size_t apart, struct dot_shape s)
{
	size_t whole = a->k - a->k % VL;
	const unsigned char *w[8];
	const float *x[4];
	vec acc[4][8];

	UNROLL
	for (size_t j = 0; j < s.r; j++)
		w[j] = a->w + (first + j * apart) * a->ldw;
	UNROLL
	for (size_t i = 0; i < s.m; i++) {
		x[i] = a->x + i * a->ldx;
		UNROLL
		for (size_t j = 0; j < s.r; j++)
			acc[i][j] = v_zero();
	}
	dot_steps(acc, x, w, s, 0, whole, 0, 0, 0);
	if (whole < a->k)
		dot_rest(acc, x, w, s, whole, a->k - whole);
	UNROLL
	for (size_t i = 0; i < s.m; i++) {
		UNROLL
		for (size_t j = 0; j < s.r; j++)
			a->y[i * a->ldy + first + j * apart] = v_sum(acc[i][j]);
	}
}

/*
 * The same for more rows of X, m at a time: each stretch of k, short enough that its part of W stays in the first cache,
 * meets all of them before the next comes, which is fetched meanwhile. Accumulators wait in memory. What the last m have
 * too many repeats the last row.
 */
INLINE void dot_many(const struct dot_args *a, size_t first, size_t apart, struct dot_shape s)
{
	size_t whole = a->k - a->k % VL, turns = (a->m + s.m - 1) / s.m, last = a->m - 1;
	vec sums[DOT_MOST][8];
	const unsigned char *w[8];

	UNROLL
	for (size_t j = 0; j < s.r; j++)
		w[j] = a->w + (first + j * apart) * a->ldw;
	for (size_t p = 0; p < a->k; p += DOT_STRETCH) {
		size_t end = p + DOT_STRETCH < a->k ? p + DOT_STRETCH : a->k;

		for (size_t turn = 0; turn < turns; turn++) {
			const float *x[4];
			vec acc[4][8];

			UNROLL
			for (size_t i = 0; i < s.m; i++) {
				size_t row = turn * s.m + i;

				x[i] = a->x + (row < last ? row : last) * a->ldx;
				UNROLL
				for (size_t j = 0; j < s.r; j++)
					acc[i][j] = p ? sums[row][j] : v_zero();
			}
			dot_steps(acc, x, w, s, p, end, DOT_STRETCH * s.size, turn, turns);
			if (end > whole)
				dot_rest(acc, x, w, s, whole, a->k - whole);
			UNROLL
			for (size_t i = 0; i < s.m; i++) {
				UNROLL
				for (size_t j = 0; j < s.r; j++)
					sums[turn * s.m + i][j] = acc[i][j];
			}
		}
	}
	for (size_t i = 0; i < a->m; i++) {
		UNROLL
		for (size_t j = 0; j < s.r; j++)
			a->y[i * a->ldy + first + j * apart] = v_sum(sums[i][j]);
	}
}

/* Each of the rows read side by side is a run of consecutive rows, so that short rows make long streams too. */
INLINE void dot_rows(const struct dot_args *a, struct dot_shape s, void (*body)(const struct dot_args *, size_t, size_t,
										 struct dot_shape))
{
	size_t run = a->rows / s.r, done = run * s.r;

	for (size_t i = 0; i < run; i++)
		body(a, i, run, s);
	s.r = 1;
	for (size_t i = done; i < a->rows; i++)
		body(a, i, 0, s);
}

#define DOT_SHAPE(m, type, size) (struct dot_shape){ m, DOT_ROWS(m), size, v_load_##type, v_load_##type##_part }

#define STREAM_OF(type, size)                                                   \
	static void NAME(dot_##type)(const struct dot_args *a)                  \
	{                                                                       \
		switch (a->m) {                                                 \
		case 1:                                                         \
			dot_rows(a, DOT_SHAPE(1, type, size), dot_body);        \
			break;                                                  \
		case 2:                                                         \
			dot_rows(a, DOT_SHAPE(2, type, size), dot_body);        \
			break;                                                  \
		case 3:                                                         \
			dot_rows(a, DOT_SHAPE(3, type, size), dot_body);        \
			break;                                                  \
		case 4:                                                         \
			dot_rows(a, DOT_SHAPE(4, type, size), dot_body);        \
			break;                                                  \
		case 5:                                                         \
		case 6:                                                         \
		case 9:                                                         \
			dot_rows(a, DOT_SHAPE(3, type, size), dot_many);        \
			break;                                                  \
		default:                                                        \
			dot_rows(a, DOT_SHAPE(4, type, size), dot_many);        \
		}                                                               \
	}

STREAM_OF(f32, 4)
STREAM_OF(bf16, 2)
STREAM_OF(f16, 2)
STREAM_OF(f8_e4m3, 1)
STREAM_OF(f8_e5m2, 1)
