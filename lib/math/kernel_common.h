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

#endif
