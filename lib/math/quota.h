/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Processor time that cgroups leave to this process. */
#ifndef PINPOOL_MATH_QUOTA_H
#define PINPOOL_MATH_QUOTA_H

#include <limits.h>

#define QUOTA_NONE UINT_MAX

/*
 * How many processors' worth of time, rounded up, at least 1; QUOTA_NONE if nothing limits it or it cannot be told.
 * @root: "", or a folder that stands for /.
 */
unsigned int quota_processors(const char *root);

#endif
