/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The floating-point environment in which every product is made, whatever the caller's or the creator's is. */
#ifndef PINPOOL_MATH_ENVIRONMENT_H
#define PINPOOL_MATH_ENVIRONMENT_H

#include <fenv.h>

static inline void environment_set_default(void)
{
	fesetenv(FE_DFL_ENV);
#ifdef __aarch64__
	/* Which leaves alone how f16 is read and whether NaN keep their payload. */
	__asm__ volatile("msr fpcr, %0" : : "r"(0ul));
#endif
}

#endif
