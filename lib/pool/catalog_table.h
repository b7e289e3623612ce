/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Growing arrays of which a catalog is made: entries of one size, which only their owner knows. */
#ifndef PINPOOL_POOL_CATALOG_TABLE_H
#define PINPOOL_POOL_CATALOG_TABLE_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct table {
	void *at;
	size_t count;
	size_t room;
};

/* Copies @count entries of @size bytes behind those there are. Returns 0, -ENOMEM, -EOVERFLOW. */
static inline int table_add(struct table *table, const void *entries, size_t count, size_t size)
{
	size_t need = table->count + count;

	if (need > UINT32_MAX)
		return -EOVERFLOW;
	if (need > table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		void *at;

		if (room < need)
			room = need;
		at = realloc(table->at, room * size);
		if (!at)
			return -ENOMEM;
		table->at = at;
		table->room = room;
	}
	if (count)
		memcpy((char *)table->at + table->count * size, entries, count * size);
	table->count = need;
	return 0;
}

#endif
