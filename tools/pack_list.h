/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The table of packings, one row for each. */
#ifndef PINPOOL_TOOLS_PACK_LIST_H
#define PINPOOL_TOOLS_PACK_LIST_H

#include "table.h"

extern const struct column packing_columns[];

/* Prints those of the pool @base, or of all if it is NULL. Returns an exit status, after an error line if it failed. */
int pack_list(struct cli *cli, const struct table_args *args, const char *base);

/* What was made, one line. */
void pack_report_line(const struct pinpool_pack_report *report, uint32_t threads);

#endif
