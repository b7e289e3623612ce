/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of f32 straight from memory: rows of W are read once for up to four rows of X, several side by side. A part of
 * kernel_template.h.
 */

/*
 * m rows of X times r rows of W that lie stride bytes apart. One accumulator for each element of Y, whatever m and r
 * are, keeps its sum the same in every grouping. A step takes one cache line from each row of W.
 */
INLINE void dot_body(const struct dot_args *a, size_t first, size_t apart, size_t m, size_t r, size_t size,
		     vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	const unsigned char *w[8];
	vec acc[4][8], part[8];
	size_t p = 0;

	UNROLL
	for (size_t j = 0; j < r; j++)
		w[j] = a->w + (first + j * apart) * a->ldw;
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			acc[i][j] = v_zero();
	}
	for (; p + VL <= a->k; p += VL) {
		vec x[4];

		if (m <= r) {
			UNROLL
			for (size_t i = 0; i < m; i++)
				x[i] = v_load(a->x + i * a->ldx + p);
			UNROLL
			for (size_t j = 0; j < r; j++) {
				vec b = load(w[j] + p * size);

				if (r > 1)
					__builtin_prefetch(w[j] + p * size + PREFETCH_BYTES);
				UNROLL
				for (size_t i = 0; i < m; i++)
					acc[i][j] = v_fma(x[i], b, acc[i][j]);
			}
		} else {
			UNROLL
			for (size_t j = 0; j < r; j++) {
				part[j] = load(w[j] + p * size);
				if (r > 1)
					__builtin_prefetch(w[j] + p * size + PREFETCH_BYTES);
			}
			UNROLL
			for (size_t i = 0; i < m; i++) {
				vec one = v_load(a->x + i * a->ldx + p);

				UNROLL
				for (size_t j = 0; j < r; j++)
					acc[i][j] = v_fma(one, part[j], acc[i][j]);
			}
		}
	}
	if (p < a->k) {
		size_t left = a->k - p;

		UNROLL
		for (size_t j = 0; j < r; j++)
			part[j] = load_part(w[j] + p * size, left);
		UNROLL
		for (size_t i = 0; i < m; i++) {
			vec x = v_load_part(a->x + i * a->ldx + p, left);

			UNROLL
			for (size_t j = 0; j < r; j++)
				acc[i][j] = v_fma(x, part[j], acc[i][j]);
		}
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			a->y[i * a->ldy + first + j * apart] = v_sum(acc[i][j]);
	}
}

/* Each of the rows read side by side is a run of consecutive rows, so that short rows make long streams too. */
INLINE void dot_rows(const struct dot_args *a, size_t m, size_t r, size_t size, vec (*load)(const void *),
		     vec (*load_part)(const void *, size_t))
{
	size_t run = a->rows / r;

	for (size_t i = 0; i < run; i++)
		dot_body(a, i, run, m, r, size, load, load_part);
	for (size_t i = run * r; i < a->rows; i++)
		dot_body(a, i, 0, m, 1, size, load, load_part);
}

#define STREAM_OF(type, size)                                                                   \
	static void NAME(dot_##type)(const struct dot_args *a)                                  \
	{                                                                                       \
		switch (a->m) {                                                                 \
		case 1:                                                                         \
			dot_rows(a, 1, DOT_ROWS(1), size, v_load_##type, v_load_##type##_part); \
			break;                                                                  \
		case 2:                                                                         \
			dot_rows(a, 2, DOT_ROWS(2), size, v_load_##type, v_load_##type##_part); \
			break;                                                                  \
		case 3:                                                                         \
			dot_rows(a, 3, DOT_ROWS(3), size, v_load_##type, v_load_##type##_part); \
			break;                                                                  \
		case 4:                                                                         \
			dot_rows(a, 4, DOT_ROWS(4), size, v_load_##type, v_load_##type##_part); \
			break;                                                                  \
		}                                                                               \
	}

STREAM_OF(f32, 4)
STREAM_OF(bf16, 2)
STREAM_OF(f16, 2)
STREAM_OF(f8_e4m3, 1)
STREAM_OF(f8_e5m2, 1)
