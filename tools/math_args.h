/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Threads and kernels of a context: what the commands that compute share. */
#ifndef PINPOOL_TOOLS_MATH_ARGS_H
#define PINPOOL_TOOLS_MATH_ARGS_H

#include "cli.h"

struct math_args {
	int64_t threads; /* 0: not given */
	int isa; /* enum pinpool_isa */
};

/* Words for enum pinpool_isa, in its order, ending with NULL. */
extern const char *const isa_words[];

/* Lines of a table of options for the struct math_args called @member in @type. */
/* clang-format off */
#define MATH_OPTIONS(type, member)                                                                                     \
	OPTION('t', "threads", "N", "threads; one for each core if not given", OPTION_NUMBER, type,                \
	       member.threads, .min = 1, .max = 4096),                                                                 \
	ISA_OPTION(type, member.isa)

/* The choice of kernels alone: an int, enum pinpool_isa. */
#define ISA_OPTION(type, member)                                                                                       \
	OPTION(0, "isa", "ISA", "instruction set (auto takes the best that this processor has)", OPTION_CHOICE, type,  \
	       member, .choices = isa_words)
/* clang-format on */

/* Returns STATUS_OK and a context for pinpool_math_free(), or STATUS_FAILED after an error line. */
int math_args_open(struct cli *cli, const struct math_args *args, struct pinpool_math **math);

#endif
