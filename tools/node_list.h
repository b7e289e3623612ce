/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Sets of NUMA nodes as people and the kernel write them: "0-1,3". Bit n stands for node n. */
#ifndef PINPOOL_TOOLS_NODE_LIST_H
#define PINPOOL_TOOLS_NODE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define NODE_LIST_MAX 64

/* At least one node, all below NODE_LIST_MAX. */
bool node_list_parse(const char *text, uint64_t *nodes);
/* @buf has 128 bytes, enough for any set. Returns @buf. */
const char *node_list_text(uint64_t nodes, char *buf);

#endif
