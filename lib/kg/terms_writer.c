/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Writing a dictionary: keys in order, twice, go into groups, which are surveyed the first time and written the second.
 * Nothing is kept of a group that is done but what its column counts; see terms.h.
 */
#include "kg/term_key.h"
#include "kg/terms_survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct terms_writer {
	struct terms_sink sink;
	bool adding; /* the survey is over */
	struct bytes last; /* key */
	struct bytes scratch;
	struct terms_group group; /* of the last key's column */
	struct terms_survey survey;
	struct bytes tables[COLUMN_VALUES]; /* of columns of texts */
	struct symbols symbols;
	struct symbols_encoder *encoder;
	struct terms_header header;
	uint64_t data_bytes;
	uint64_t symbols_bytes;
	struct terms_column_entry columns[COLUMN_END];
};

int terms_writer_new(struct terms_writer **out, const struct terms_sink *sink)
{
	struct terms_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	writer->sink = *sink;
	memcpy(writer->header.magic, TERMS_MAGIC, sizeof(writer->header.magic));
	writer->header.version = TERMS_VERSION;
	*out = writer;
	return 0;
}

void terms_writer_free(struct terms_writer *writer)
{
	if (!writer)
		return;
	for (unsigned int i = 0; i < COLUMN_VALUES; i++)
		bytes_free(&writer->tables[i]);
	symbols_encoder_free(writer->encoder);
	terms_survey_free(&writer->survey);
	bytes_free(&writer->group.keys);
	bytes_free(&writer->scratch);
	bytes_free(&writer->last);
	free(writer);
}

static int append(struct terms_writer *writer, enum terms_section section, const void *bytes, size_t count)
{
	return count ? writer->sink.append(writer->sink.arg, section, bytes, count) : 0;
}

static unsigned int last_column(const struct terms_writer *writer)
{
	return writer->last.count ? (unsigned char)writer->last.data[0] : 0;
}

static bool is_name(unsigned int column)
{
	return column < COLUMN_FIRST + TERM_STRING;
}

static int end_group(struct terms_writer *writer)
{
	const unsigned int column = last_column(writer);
	struct terms_group *group = &writer->group;
	struct bytes *out = &writer->scratch;
	int err;

	if (!group->count)
		return 0;
	if (!writer->adding) {
		bool wanted = column < COLUMN_VALUES && !terms_group_is_numbered(group);

		err = wanted ? terms_survey_add(&writer->survey, group) : 0;
	} else {
		out->count = 0;
		err = column < COLUMN_VALUES ? terms_group_write(group, writer->encoder, is_name(column), out)
					     : terms_group_write_values(group, out);
		if (!err)
			err = append(writer, TERMS_GROUPS, &writer->data_bytes, sizeof(writer->data_bytes));
		if (!err)
			err = append(writer, TERMS_DATA, out->data, out->count);
		writer->data_bytes += out->count;
		writer->header.groups++;
	}
	terms_group_clear(group, group->block_bits);
	return err;
}

static int end_column(struct terms_writer *writer)
{
	const unsigned int column = last_column(writer);
	int err = end_group(writer);

	if (!err && !writer->adding && column && column < COLUMN_VALUES)
		err = terms_survey_end(&writer->survey, &writer->tables[column]);
	symbols_encoder_free(writer->encoder);
	writer->encoder = NULL;
	return err;
}

static int begin_column(struct terms_writer *writer, unsigned int column)
{
	const struct bytes *table = column < COLUMN_VALUES ? &writer->tables[column] : &(struct bytes){0};
	struct terms_column_entry *entry;
	int err;

	terms_group_clear(&writer->group, column >= COLUMN_VALUES ? VALUE_BLOCK_BITS
					  : is_name(column)	  ? NAME_BLOCK_BITS
								  : TEXT_BLOCK_BITS);
	if (!writer->adding)
		return 0;
	entry = &writer->columns[writer->header.columns++];
	*entry = (struct terms_column_entry){
		.column = column,
		.block_bits = writer->group.block_bits,
		.symbols = writer->symbols_bytes,
		.symbols_bytes = table->count,
	};
	writer->symbols_bytes += table->count;
	if (!table->count)
		return 0;
	err = symbols_open(&writer->symbols, table->data, table->count);
	if (!err)
		err = symbols_encoder_new(&writer->encoder, &writer->symbols);
	return err ? err : append(writer, TERMS_SYMBOLS, table->data, table->count);
}

static int take(struct terms_writer *writer, const void *key, size_t bytes)
{
	unsigned int column;
	struct term term;
	int err = term_from_key(key, bytes, &writer->scratch, &term);

	if (err)
		return err == -EBADMSG ? -EINVAL : err;
	if (writer->last.count && term_key_compare(writer->last.data, writer->last.count, key, bytes) >= 0)
		return -EINVAL;
	column = *(const unsigned char *)key;
	if (column != last_column(writer)) {
		err = end_column(writer);
		if (!err)
			err = begin_column(writer, column);
	}
	if (!err) {
		writer->last.count = 0;
		err = bytes_append(&writer->last, key, bytes);
	}
	if (!err)
		err = terms_group_add(&writer->group, (const char *)key + 1, bytes - 1);
	return err > 0 ? end_group(writer) : err;
}

int terms_writer_survey(struct terms_writer *writer, const void *key, size_t bytes)
{
	return writer->adding ? -EINVAL : take(writer, key, bytes);
}

/* Ends the survey, if there was one. */
static int begin_adding(struct terms_writer *writer)
{
	int err = writer->adding ? 0 : end_column(writer);

	if (writer->adding)
		return 0;
	writer->adding = true;
	writer->last.count = 0;
	return err;
}

int terms_writer_add(struct terms_writer *writer, const void *key, size_t bytes)
{
	int err = begin_adding(writer);

	if (!err)
		err = take(writer, key, bytes);
	if (err)
		return err;
	writer->columns[writer->header.columns - 1].count++;
	writer->header.terms++;
	return 0;
}

int terms_writer_finish(struct terms_writer *writer)
{
	int err = begin_adding(writer);

	if (!err)
		err = end_column(writer);
	if (!err)
		err = append(writer, TERMS_GROUPS, &writer->data_bytes, sizeof(writer->data_bytes));
	if (!err)
		err = append(writer, TERMS_COLUMNS, &writer->header, sizeof(writer->header));
	return err ? err
		   : append(writer, TERMS_COLUMNS, writer->columns, writer->header.columns * sizeof(*writer->columns));
}
