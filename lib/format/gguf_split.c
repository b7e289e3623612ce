/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A GGUF file that was split: parts called NAME-00001-of-00003.gguf and so on, in one folder, each a GGUF file of its
 * own. What must hold:
 *
 *  - all parts are there, and split.no, split.count in each are what its name says (split.no counts from 0);
 *  - split.tensors.count is the same in all, and so many tensors are in all of them together;
 *  - what a later part says under general.* the first one says, too.
 *
 * The first part has the metadata of the model; later ones have as a rule only split.*.
 */
#include "base/diag.h"
#include "format/gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX	     "-00001-of-00001.gguf"
#define SUFFIX_BYTES (sizeof(SUFFIX) - 1)
#define DIGITS	     5u
/* Places of the numbers in the suffix. */
#define NO_AT	     1u
#define COUNT_AT     10u

static unsigned int number_at(const char *digits)
{
	unsigned int number = 0;

	for (unsigned int i = 0; i < DIGITS; i++)
		number = 10 * number + (unsigned int)(digits[i] - '0');
	return number;
}

bool gguf_split_is_part(const char *name)
{
	size_t length = strlen(name);

	if (length < SUFFIX_BYTES)
		return false;
	name += length - SUFFIX_BYTES;
	for (size_t i = 0; i < SUFFIX_BYTES; i++) {
		bool digit = (i >= NO_AT && i < NO_AT + DIGITS) || (i >= COUNT_AT && i < COUNT_AT + DIGITS);

		if (digit ? name[i] < '0' || name[i] > '9' : name[i] != SUFFIX[i])
			return false;
	}
	return true;
}

bool gguf_split_same(const char *a, const char *b)
{
	size_t length = strlen(a), stem = length - SUFFIX_BYTES;

	return strlen(b) == length && !memcmp(a, b, stem) && !memcmp(a + stem + COUNT_AT, b + stem + COUNT_AT, DIGITS);
}

/* A number that every part has. */
static int get_number(const struct format_file *file, const char *key, int64_t *number, struct pinpool_diag *diag)
{
	const struct pinpool_metadata *value = gguf_find(file, key);

	if (!value || pinpool_metadata_integer(value, number))
		return diag_set(diag, -EBADMSG, file->source.path,
				"give a file that is no part a name that does not end as parts do",
				"its name is that of a part, but it has no integer %s", key);
	return 0;
}

/* Keys of general.* that both parts have. */
static int check_same_model(const struct format_file *first, const struct format_file *part, struct pinpool_diag *diag)
{
	char quoted[FORMAT_QUOTE_MAX];

	for (size_t i = 0; i < part->metadata_count; i++) {
		const struct pinpool_metadata *value = &part->metadata[i], *other;

		if (strncmp(value->key, "general.", strlen("general.")))
			continue;
		other = gguf_find(first, value->key);
		if (!other || other->type != value->type || other->element != value->element ||
		    other->bytes != value->bytes || memcmp(other->data, value->data, value->bytes))
			return diag_set(diag, -EBADMSG, part->source.path, "fetch all parts of one model",
					"is of another model: its %s is not that of the first part",
					format_quote(quoted, sizeof(quoted), value->key));
	}
	return 0;
}

/* Part @index (from 0) of @count, against its name and the first one. */
static int check_part(const struct format_file *first, const struct format_file *part, unsigned int index,
		      unsigned int count, struct pinpool_diag *diag)
{
	int64_t is_count, is_no, is_total, total;
	int err;

	err = get_number(part, "split.count", &is_count, diag);
	if (!err)
		err = get_number(part, "split.no", &is_no, diag);
	if (!err)
		err = get_number(part, "split.tensors.count", &is_total, diag);
	if (!err)
		err = get_number(first, "split.tensors.count", &total, diag);
	if (err)
		return err;
	if (is_count != count)
		return diag_set(diag, -EBADMSG, part->source.path, "fetch all parts of one model",
				"is one of %" PRId64 " parts, its name says of %u", is_count, count);
	if (is_no != index)
		return diag_set(diag, -EBADMSG, part->source.path, "give the parts their own names back",
				"has split.no %" PRId64 ", its name asks for %u", is_no, index);
	if (is_total != total)
		return diag_set(diag, -EBADMSG, part->source.path, "fetch all parts of one model",
				"is of a model with %" PRId64 " tensors, the first part of one with %" PRId64, is_total,
				total);
	return check_same_model(first, part, diag);
}

static int open_part(struct checkpoint *checkpoint, const char *path, size_t stem, unsigned int count,
		     struct pinpool_diag *diag)
{
	const unsigned int index = (unsigned int)checkpoint->count;
	char *part;
	int err;

	if (asprintf(&part, "%.*s-%05u-of-%05u.gguf", (int)stem, path, index + 1, count) < 0)
		return diag_errno(diag, -ENOMEM, path);
	err = format_file_open(&checkpoint->files[index], part, gguf_read_header, diag);
	if (err == -ENOENT)
		diag_set(diag, err, part, "fetch the missing file", "part %u of %u does not exist", index + 1, count);
	free(part);
	if (err)
		return err;
	checkpoint->count++;
	return check_part(checkpoint->files, &checkpoint->files[index], index, count, diag);
}

int gguf_split_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag)
{
	const size_t stem = strlen(path) - SUFFIX_BYTES;
	const unsigned int count = number_at(path + stem + COUNT_AT), no = number_at(path + stem + NO_AT);
	uint64_t found = 0;
	int64_t total;
	int err;

	if (!no || no > count)
		return diag_set(diag, -EBADMSG, path, NULL, "its name says part %u of %u", no, count);
	checkpoint->files = calloc(count, sizeof(*checkpoint->files));
	if (!checkpoint->files)
		return diag_errno(diag, -ENOMEM, path);
	while (checkpoint->count < count) {
		err = open_part(checkpoint, path, stem, count, diag);
		if (err)
			return err;
		found += checkpoint->files[checkpoint->count - 1].count;
	}
	err = get_number(checkpoint->files, "split.tensors.count", &total, diag);
	if (err)
		return err;
	if (total < 0 || found != (uint64_t)total)
		return diag_set(diag, -EBADMSG, checkpoint->files->source.path, "fetch all parts of one model",
				"promises %" PRId64 " tensors in %u parts, which have %" PRIu64, total, count, found);
	return 0;
}

int gguf_split_is_whole(const struct format_file *file, struct pinpool_diag *diag)
{
	const struct pinpool_metadata *value = gguf_find(file, "split.count");
	int64_t count;

	if (!value || pinpool_metadata_integer(value, &count) || count <= 1)
		return 0;
	return diag_set(diag, -EBADMSG, file->source.path,
			"give the parts their own names back, which end in -00001-of-0000N.gguf",
			"is one of %" PRId64 " parts and is not called so", count);
}
