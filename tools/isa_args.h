/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The choice of kernels that commands with products share. */
#ifndef PINPOOL_TOOLS_ISA_ARGS_H
#define PINPOOL_TOOLS_ISA_ARGS_H

#include "cli.h"

/* By enum pinpool_isa; ends with NULL. */
extern const char *const isa_words[];

/* A line of a table of options: an int, enum pinpool_isa. */
#define ISA_OPTION(type, member)                                                                                       \
	OPTION(0, "isa", "ISA", "instruction set (auto takes the best that this processor has)", OPTION_CHOICE, type,  \
	       member, .choices = isa_words)

#endif
