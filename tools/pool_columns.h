/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Columns of a row that is a struct pinpool_info, for ls and stat. */
#ifndef PINPOOL_TOOLS_POOL_COLUMNS_H
#define PINPOOL_TOOLS_POOL_COLUMNS_H

#include "table.h"

extern const struct column pool_columns[];

#endif
