/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What all parts of kernels are written with. Before it come VL and NV: see kernel_template.h. */
#ifndef PINPOOL_MATH_KERNEL_COMMON_H
#define PINPOOL_MATH_KERNEL_COMMON_H

/* Rows of W in a panel of f32. */
#define NR (NV * VL)
/* Most vectors of results, or panels, of a tile that has several panels side by side. */
#define TILE_MOST 16
#define UNROLL	  _Pragma("GCC unroll 16")
#define INLINE	  static inline __attribute__((always_inline))

/* Bytes ahead of the dot product's reads. Far enough for DRAM latency at the rate of one core's share of the bus. */
#define PREFETCH_BYTES 1024

/* @rows(a, m) with the number m of a's rows of X, at most 4, known when it is compiled. */
#define FOR_ROWS(rows, a)                \
	do {                             \
		switch ((a)->m) {        \
		case 1:                  \
			rows(a, 1);      \
			break;           \
		case 2:                  \
			rows(a, 2);      \
			break;           \
		case 3:                  \
			rows(a, 3);      \
			break;           \
		case 4:                  \
			rows(a, 4);      \
			break;           \
		}                        \
	} while (0)

#endif
