/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Parsing and printing of sets of NUMA nodes; see node_list.h. */
#include "node_list.h"

#include <stdio.h>

/* A number below NODE_LIST_MAX, of one or two digits. */
static bool parse_node(const char **text, unsigned int *node)
{
	unsigned int digits;

	*node = 0;
	for (digits = 0; **text >= '0' && **text <= '9'; digits++, ++*text) {
		if (digits == 2)
			return false;
		*node = *node * 10 + (unsigned int)(**text - '0');
	}
	return digits && *node < NODE_LIST_MAX;
}

bool node_list_parse(const char *text, uint64_t *nodes)
{
	unsigned int first, last;

	*nodes = 0;
	for (;; text++) {
		if (!parse_node(&text, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_node(&text, &last) || last < first)
				return false;
		}
		for (; first <= last; first++)
			*nodes |= 1ULL << first;
		if (*text != ',')
			return !*text;
	}
}

/* Every other node alone makes the longest text: 32 numbers and their commas. */
const char *node_list_text(uint64_t nodes, char *buf)
{
	unsigned int first, last;
	char *at = buf;

	*at = '\0';
	for (first = 0; first < NODE_LIST_MAX; first = last + 1) {
		last = first;
		if (!(nodes >> first & 1))
			continue;
		while (last + 1 < NODE_LIST_MAX && (nodes >> (last + 1) & 1))
			last++;
		at += sprintf(at, "%s%u", at == buf ? "" : ",", first);
		if (last > first)
			at += sprintf(at, "-%u", last);
	}
	return buf;
}
