/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Lists of digests; see digests.h. What is kept has the size of the checkpoint, not of the list: for each file and
 * tensor, what the list says of it.
 */
#include "load/digests.h"
#include "base/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest line, its end included. */
#define LINE_BYTES 65536

enum kind { XXH3_128, SHA256, KINDS };

static const struct {
	const char *name;
	size_t bytes;
} kinds[KINDS] = {
	[XXH3_128] = {"XXH3-128", PINPOOL_DIGEST_BYTES},
	[SHA256] = {"SHA-256", PINPOOL_SHA256_BYTES},
};

/* A file, or a tensor of it. */
struct target {
	const char *name;
	const char *path; /* of the file */
	bool tensor;
	/* Where its digests will be; neither of them if not all of it is taken. */
	struct stream_file *file;
	struct stream_range *range;
	bool listed[KINDS];
	uint8_t digests[KINDS][PINPOOL_SHA256_BYTES];
};

struct digest_list {
	const char *path;
	bool no_xxh3;
	struct target *targets; /* by name */
	size_t count;
	uint64_t lines;
};

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int compare_targets(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->name, ((const struct target *)b)->name);
}

/* All that the checkpoint has. */
static int list_targets(struct digest_list *list, struct plan *plan)
{
	const struct checkpoint *checkpoint = &plan->checkpoint;
	const struct selection *selection = &plan->selection;
	size_t files = checkpoint->count, most = files;
	size_t *first = calloc(files + 1, sizeof(*first)); /* tensor of a file, as a target */

	for (size_t i = 0; i < files; i++)
		most += checkpoint->files[i].count;
	list->targets = calloc(most + 1, sizeof(*list->targets));
	if (!list->targets || !first) {
		free(first);
		return -ENOMEM;
	}
	for (size_t i = 0; i < files; i++) {
		const struct format_file *file = &checkpoint->files[i];

		list->targets[list->count++] = (struct target){
			.name = last_component(file->source.path),
			.path = file->source.path,
			.file = selection->whole ? &plan->files[i] : NULL,
		};
		first[i] = list->count;
		for (size_t t = 0; t < file->count; t++)
			list->targets[list->count++] = (struct target){
				.name = file->tensors[t].name,
				.path = file->source.path,
				.tensor = true,
			};
	}
	for (size_t i = 0; i < selection->count; i++)
		if (!selection->tensors[i].sliced)
			list->targets[first[selection->tensors[i].file] + selection->tensors[i].tensor].range =
				&plan->ranges[i];
	free(first);
	qsort(list->targets, list->count, sizeof(*list->targets), compare_targets);
	return 0;
}

static int refuse(const struct digest_list *list, int err, const char *change, const char *cause,
		  struct pinpool_diag *diag)
{
	char object[512];

	snprintf(object, sizeof(object), "%s: line %llu", list->path, (unsigned long long)list->lines);
	return diag_set(diag, err, object, change, "%s", cause);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Digits at @text, as many as there are. Returns their number, or 0 if they are more than any digest has. */
static size_t read_hex(const char *text, uint8_t out[PINPOOL_SHA256_BYTES])
{
	size_t digits = 0;

	for (int digit; (digit = hex_digit(text[digits])) >= 0; digits++) {
		if (digits == 2 * PINPOOL_SHA256_BYTES)
			return 0;
		out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] | digit : digit << 4);
	}
	return digits;
}

/* Names with a line's end in them are written with backslashes, which a backslash before the digest announces. */
static void unescape(char *name)
{
	char *to = name;

	for (; *name; name++) {
		if (*name == '\\' && name[1])
			name++, *to++ = *name == 'n' ? '\n' : *name == 'r' ? '\r' : *name;
		else
			*to++ = *name;
	}
	*to = '\0';
}

/* The only target of this name. NULL, with the cause, if there is none or more than one. */
static struct target *find_target(const struct digest_list *list, const char *name, const char **cause)
{
	struct target *end = list->targets + list->count;
	struct target key = {.name = name};
	struct target *found = bsearch(&key, list->targets, list->count, sizeof(key), compare_targets);

	if (!found && strchr(name, '/')) {
		/* A file, seen from another folder. */
		key.name = last_component(name);
		found = bsearch(&key, list->targets, list->count, sizeof(key), compare_targets);
		if (found && found->tensor)
			found = NULL;
	}
	*cause = "the checkpoint has no file and no tensor";
	if (!found)
		return NULL;
	*cause = "the checkpoint has a file and a tensor";
	if ((found > list->targets && !compare_targets(found - 1, found)) ||
	    (found + 1 < end && !compare_targets(found, found + 1)))
		return NULL;
	return found;
}

static int read_line(struct digest_list *list, char *line, struct pinpool_diag *diag)
{
	bool escaped = *line == '\\';
	uint8_t digest[PINPOOL_SHA256_BYTES];
	size_t digits = read_hex(line + escaped, digest);
	enum kind kind = digits == 2 * PINPOOL_DIGEST_BYTES ? XXH3_128 : SHA256;
	char *name = line + escaped + digits;
	struct target *target;
	const char *cause;
	char text[512];

	if (digits != 2 * kinds[kind].bytes || name[0] != ' ' || (name[1] != ' ' && name[1] != '*') || !name[2])
		return refuse(list, -EBADMSG, "32 hexadecimal digits of XXH3-128 or 64 of SHA-256, two blanks, a name",
			      "is no digest and name", diag);
	name += 2;
	if (escaped)
		unescape(name);
	target = find_target(list, name, &cause);
	if (!target) {
		snprintf(text, sizeof(text), "%s %s", cause, name);
		return refuse(list, -EBADMSG, "take the line out of the list", text, diag);
	}
	if (target->listed[kind])
		return refuse(list, -EBADMSG, NULL, "has the name of an earlier line", diag);
	if (kind == XXH3_128 && list->no_xxh3)
		return refuse(list, -EINVAL, "load with digests, or list SHA-256", "this load computes no XXH3-128",
			      diag);
	target->listed[kind] = true;
	memcpy(target->digests[kind], digest, kinds[kind].bytes);
	if (kind == SHA256 && target->range)
		target->range->want_sha256 = true;
	if (kind == SHA256 && target->file)
		target->file->want_sha256 = true;
	return 0;
}

static int read_lines(struct digest_list *list, FILE *file, struct pinpool_diag *diag)
{
	char *line = malloc(LINE_BYTES);
	int err = 0;

	if (!line)
		return diag_errno(diag, -ENOMEM, list->path);
	while (!err && fgets(line, LINE_BYTES, file)) {
		size_t length = strlen(line);

		list->lines++;
		if (length && line[length - 1] == '\n')
			line[length - 1] = '\0';
		else if (!feof(file))
			err = refuse(list, -EBADMSG, NULL, "is too long, or has a NUL", diag);
		if (!err)
			err = read_line(list, line, diag);
	}
	if (!err && ferror(file))
		err = diag_errno(diag, -EIO, list->path);
	if (!err && !list->lines)
		err = diag_set(diag, -EBADMSG, list->path, NULL, "lists no digest");
	free(line);
	return err;
}

static int read_list(struct digest_list *list, struct pinpool_diag *diag)
{
	struct source source;
	FILE *file;
	int err;

	/* Which waits for nobody, whatever the path names. */
	err = source_open(&source, list->path, diag);
	if (err)
		return err;
	file = fdopen(dup(source.fd), "r");
	err = file ? read_lines(list, file, diag) : diag_errno(diag, -errno, list->path);
	if (file)
		fclose(file);
	source_close(&source);
	return err;
}

int digest_list_open(struct digest_list **out, const char *path, struct plan *plan, bool no_xxh3,
		     struct pinpool_diag *diag)
{
	struct digest_list *list = calloc(1, sizeof(*list));
	int err;

	if (!list)
		return diag_errno(diag, -ENOMEM, path);
	list->path = path;
	list->no_xxh3 = no_xxh3;
	err = list_targets(list, plan);
	if (err)
		diag_errno(diag, err, path);
	else
		err = read_list(list, diag);
	if (err) {
		digest_list_free(list);
		return err;
	}
	*out = list;
	return 0;
}

void digest_list_free(struct digest_list *list)
{
	if (!list)
		return;
	free(list->targets);
	free(list);
}

static const char *hex(const uint8_t *digest, size_t bytes, char *buf)
{
	for (size_t i = 0; i < bytes; i++)
		sprintf(buf + 2 * i, "%02x", digest[i]);
	return buf;
}

static int compare_target(const struct digest_list *list, const struct target *target, enum kind kind,
			  struct pinpool_diag *diag)
{
	const uint8_t *found[KINDS] = {
		[XXH3_128] = target->range ? target->range->digest : target->file->digest,
		[SHA256] = target->range ? target->range->sha256 : target->file->sha256,
	};
	char object[512], is[2 * PINPOOL_SHA256_BYTES + 1], want[2 * PINPOOL_SHA256_BYTES + 1];
	size_t bytes = kinds[kind].bytes;

	if (!memcmp(found[kind], target->digests[kind], bytes))
		return 0;
	snprintf(object, sizeof(object), "%s%s%s", target->path, target->tensor ? ": tensor " : "",
		 target->tensor ? target->name : "");
	return diag_set(diag, -EBADMSG, object, "fetch the file again", "its %s is %s, %s says %s", kinds[kind].name,
			hex(found[kind], bytes, is), list->path, hex(target->digests[kind], bytes, want));
}

int digest_list_compare(const struct digest_list *list, uint64_t *equal, struct pinpool_diag *diag)
{
	int err;

	*equal = 0;
	/* Tensors first: they say more of where it is. */
	for (int files = 0; files < 2; files++) {
		for (size_t i = 0; i < list->count; i++) {
			const struct target *target = &list->targets[i];

			if (target->tensor == files || (!target->range && !target->file))
				continue;
			for (enum kind kind = 0; kind < KINDS; kind++) {
				if (!target->listed[kind])
					continue;
				err = compare_target(list, target, kind, diag);
				if (err)
					return err;
				++*equal;
			}
		}
	}
	return 0;
}
