/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See isa_args.h. */
#include "isa_args.h"

#include <pinpool/math.h>

const char *const isa_words[] = {"auto", "portable", "avx2", "avx512", "avx512-vnni", "neon", NULL};

_Static_assert(PINPOOL_ISA_AUTO == 0 && PINPOOL_ISA_PORTABLE == 1 && PINPOOL_ISA_AVX2 == 2 && PINPOOL_ISA_AVX512 == 3 &&
		       PINPOOL_ISA_AVX512_VNNI == 4 && PINPOOL_ISA_NEON == 5 && PINPOOL_ISA_COUNT == 6,
	       "isa_words follows enum pinpool_isa");
