// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Tables of a graph, read from any row on. */
#include "kg/graph_cursor.h"

#include <errno.h>

#include "kg/graph_layout.h"

/* Keys that are looked at before whole blocks of them are worth it. */
#define AT_ONCE 64

static bool is_sound(const struct graph *graph, const struct graph_table *table, const struct ef *ef)
{
	uint64_t keys;

	return ef_is_sound(ef) && !__builtin_mul_overflow(table->rows, table->values, &keys) && keys <= EF_LIMIT &&
	       table->values && table->count <= graph->counts.triples && table->row_first < graph->counts.nodes &&
	       table->rows <= graph->counts.nodes - table->row_first && table->value_first < graph->counts.nodes &&
	       table->values <= graph->counts.nodes - table->value_first;
}

int graph_cursor_open(struct graph_cursor *cursor, const struct graph *graph, uint64_t p, unsigned int side)
{
	struct graph_table table;
	uint32_t number;

	if (p >= graph->counts.predicates)
		return 0;
	memcpy(&number, graph->predicates + (p * SIDES + side) * sizeof(number), sizeof(number));
	if (number == GRAPH_NO_TABLE)
		return 0;
	if (number >= graph->table_count)
		return -EBADMSG;
	memcpy(&table, graph->tables + number * sizeof(table), sizeof(table));
	cursor->keys.ef = (struct ef){
		.bits = graph->data,
		.count = table.count,
		.index_bit = table.index_bit,
		.key_bits = table.key_bits,
		.place_bits = table.place_bits,
	};
	cursor->row_first = table.row_first;
	cursor->rows = table.rows;
	cursor->value_first = table.value_first;
	cursor->values = table.values;
	return is_sound(graph, &table, &cursor->keys.ef) ? 1 : -EBADMSG;
}

/* The key of a pair, or of the first one behind it that the table could have. */
static uint64_t key_from(const struct graph_cursor *cursor, uint64_t row, uint64_t value)
{
	if (row < cursor->row_first)
		return 0;
	row -= cursor->row_first;
	if (row >= cursor->rows)
		return cursor->rows * cursor->values;
	if (value < cursor->value_first)
		value = cursor->value_first;
	value -= cursor->value_first;
	return row * cursor->values + (value < cursor->values ? value : cursor->values);
}

static void enter(struct graph_cursor *cursor, uint64_t key, uint64_t end_key)
{
	cursor->next_key = key;
	cursor->end_key = end_key;
	cursor->row = key / cursor->values;
	cursor->row_key = cursor->row * cursor->values;
}

int graph_cursor_find(struct graph_cursor *cursor, uint64_t row, uint64_t value, uint64_t end_row)
{
	enter(cursor, key_from(cursor, row, value), key_from(cursor, end_row, 0));
	return ef_find(&cursor->keys, &cursor->keys.ef, cursor->next_key);
}

int graph_cursor_seek(struct graph_cursor *cursor, uint64_t at)
{
	enter(cursor, 0, cursor->rows * cursor->values);
	return ef_seek(&cursor->keys, &cursor->keys.ef, at);
}

int graph_cursor_skip(struct graph_cursor *cursor, uint64_t row, uint64_t value)
{
	uint64_t key = key_from(cursor, row, value);

	if (key <= cursor->next_key)
		return 0;
	enter(cursor, key, cursor->end_key);
	return ef_skip(&cursor->keys, key);
}

/* The row of a key that is behind the row at hand. */
static void change_row(struct graph_cursor *cursor, uint64_t key)
{
	cursor->row_key += cursor->values;
	cursor->row++;
	if (key - cursor->row_key < cursor->values)
		return;
	cursor->row = key / cursor->values;
	cursor->row_key = cursor->row * cursor->values;
}

/* Keys ascend, or the cursor would not be where it is; a key below the row's is none. */
static int take_key(struct graph_cursor *cursor, uint64_t key, uint64_t *row, uint64_t *value)
{
	if (key < cursor->row_key)
		return -EBADMSG;
	if (key - cursor->row_key >= cursor->values)
		change_row(cursor, key);
	*row = cursor->row_first + cursor->row;
	*value = cursor->value_first + (key - cursor->row_key);
	return 0;
}

int graph_cursor_next(struct graph_cursor *cursor, uint64_t *row, uint64_t *value)
{
	uint64_t key;
	int ret = ef_next(&cursor->keys, &key);

	if (ret <= 0)
		return ret;
	if (key < cursor->next_key)
		return -EBADMSG;
	if (key >= cursor->end_key) {
		/* No key is left: what comes behind the list is not looked at again. */
		cursor->keys.ef.count = 0;
		cursor->keys.in_block = cursor->keys.in_all;
		return 0;
	}
	cursor->next_key = key + 1;
	ret = take_key(cursor, key, row, value);
	return ret ? ret : 1;
}

int64_t graph_cursor_values(struct graph_cursor *cursor, uint64_t *values, size_t max)
{
	int64_t count = ef_read(&cursor->keys, cursor->row_key - cursor->value_first, cursor->end_key, values, max);
	uint64_t from = cursor->value_first, end = from + cursor->values, bad = 0;

	if (count <= 0)
		return count;
	/* Below the row's first key the difference is as large as numbers get. */
	for (int64_t i = 0; i < count; i++)
		bad |= (values[i] - from >= end - from);
	if (bad)
		return -EBADMSG;
	cursor->next_key = cursor->row_key + (values[count - 1] - from) + 1;
	return count;
}

int64_t graph_cursor_pairs(struct graph_cursor *cursor, uint64_t *rows, uint64_t *values, size_t max)
{
	int64_t count = ef_read(&cursor->keys, 0, cursor->end_key, values, max);

	for (int64_t i = 0; i < count; i++) {
		int ret = take_key(cursor, values[i], &rows[i], &values[i]);

		if (ret)
			return ret;
	}
	return count;
}

int graph_cursor_left(const struct graph_cursor *cursor, uint64_t *count)
{
	struct graph_cursor end = *cursor;
	int ret = cursor->end_key < cursor->rows * cursor->values
			  ? ef_find(&end.keys, &cursor->keys.ef, cursor->end_key)
			  : ef_seek(&end.keys, &cursor->keys.ef, cursor->keys.ef.count);

	if (ret)
		return ret;
	if (ef_at(&end.keys) < ef_at(&cursor->keys))
		return -EBADMSG;
	*count = ef_at(&end.keys) - ef_at(&cursor->keys);
	return 0;
}
