/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Which table of kernels a context uses. */
#ifndef PINPOOL_MATH_ISA_H
#define PINPOOL_MATH_ISA_H

#include "math/kernel.h"

/* AUTO takes PINPOOL_ISA, else the best there is. Returns 0, -EINVAL (no such name or value), -EOPNOTSUPP. */
int isa_choose(const struct math_kernels **out, enum pinpool_isa isa, struct pinpool_diag *diag);

#endif
