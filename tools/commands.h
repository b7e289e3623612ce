/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Every command, each defined in its own file cmd_NAME.c, a blank in its name as "_". */
#ifndef PINPOOL_TOOLS_COMMANDS_H
#define PINPOOL_TOOLS_COMMANDS_H

#include "cli.h"

extern const struct command command_bench_decode;
extern const struct command command_bench_load;
extern const struct command command_bench_matmul;
extern const struct command command_compress;
extern const struct command command_create;
extern const struct command command_evictable;
extern const struct command command_kg_bench;
extern const struct command command_kg_build;
extern const struct command command_kg_export;
extern const struct command command_kg_neighbors;
extern const struct command command_kg_query;
extern const struct command command_kg_stat;
extern const struct command command_load;
extern const struct command command_ls;
extern const struct command command_matmul;
extern const struct command command_metrics;
extern const struct command command_pack;
extern const struct command command_reserve;
extern const struct command command_resize;
extern const struct command command_rm;
extern const struct command command_save;
extern const struct command command_show;
extern const struct command command_stat;
extern const struct command command_top;
extern const struct command command_verify;

#endif
