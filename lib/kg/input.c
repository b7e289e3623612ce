/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Which files can be read; see input.h. */
#include "kg/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"

static const struct format {
	const char *name;
	const char *suffixes[3];
	/* One of them. Lines can be parsed in any order; a whole file cannot. */
	int (*lines)(struct parser *parser, const struct lines_block *block);
	int (*whole)(struct parser *parser);
} formats[] = {
	[PINPOOL_KG_NTRIPLES] = {"ntriples", {".nt", ".ntriples"}, .lines = input_ntriples},
	[PINPOOL_KG_TURTLE] = {"turtle", {".ttl", ".turtle"}, .whole = input_turtle},
	[PINPOOL_KG_TSV] = {"tsv", {".tsv", ".txt"}, .lines = input_tsv},
	[PINPOOL_KG_WORDNET] = {"wordnet", {NULL}, .whole = input_wordnet},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *pinpool_kg_format_name(enum pinpool_kg_format format)
{
	if (format == PINPOOL_KG_AUTO)
		return "auto";
	return (size_t)format < FORMATS ? formats[format].name : NULL;
}

static enum pinpool_kg_format format_of_name(const char *path)
{
	size_t length = strlen(path);

	for (size_t i = PINPOOL_KG_AUTO + 1; i < FORMATS; i++) {
		for (const char *const *suffix = formats[i].suffixes; *suffix; suffix++) {
			size_t bytes = strlen(*suffix);

			if (length > bytes && !strcmp(path + length - bytes, *suffix))
				return (enum pinpool_kg_format)i;
		}
	}
	return PINPOOL_KG_AUTO;
}

static uint64_t mtime_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

static int describe(struct input *input, struct pinpool_diag *diag)
{
	struct stat st;

	if (fstat(input->fd, &st))
		return diag_errno(diag, -errno, input->path);
	input->inode = st.st_ino;
	input->mtime_ns = mtime_of(&st);
	if (S_ISDIR(st.st_mode)) {
		if (input->format == PINPOOL_KG_AUTO)
			input->format = PINPOOL_KG_WORDNET;
		if (input->format != PINPOOL_KG_WORDNET)
			return diag_set(diag, -EISDIR, input->path, NULL, "is a directory");
		return input_wordnet_bytes(input->fd, input->path, &input->bytes, diag);
	}
	if (input->format == PINPOOL_KG_WORDNET)
		return diag_set(diag, -ENOTDIR, input->path, "such as /usr/share/wordnet",
				"is no folder of WordNet's files");
	if (S_ISREG(st.st_mode))
		input->bytes = (uint64_t)st.st_size;
	else if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !S_ISCHR(st.st_mode))
		return diag_set(diag, -EINVAL, input->path, NULL, "is neither a file nor a pipe");
	return 0;
}

int input_open(struct input *input, const char *path, enum pinpool_kg_format format, struct pinpool_diag *diag)
{
	bool standard = !strcmp(path, "-");
	int err;

	*input = (struct input){.path = path, .format = format, .fd = -1};
	input->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (input->fd < 0)
		return diag_errno(diag, -errno, path);
	if (format == PINPOOL_KG_AUTO)
		input->format = format_of_name(path);
	err = describe(input, diag);
	if (!err && input->format == PINPOOL_KG_AUTO)
		err = diag_set(diag, -EINVAL, path, "say it with --format",
			       "its name does not tell its format (.nt, .ttl, .tsv, .txt)");
	if (err)
		input_close(input);
	return err;
}

int input_check(const struct input *input, struct pinpool_diag *diag)
{
	struct stat st;

	/* What is no file has no moment at which it is whole. */
	if (fstat(input->fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if ((uint64_t)st.st_size == input->bytes && mtime_of(&st) == input->mtime_ns)
		return 0;
	return diag_set(diag, -ESTALE, input->path, "build again when nothing writes to it", "was changed meanwhile");
}

void input_close(struct input *input)
{
	if (input->fd >= 0)
		close(input->fd);
	input->fd = -1;
}

bool input_is_lines(const struct input *input)
{
	return formats[input->format].lines;
}

const char *input_format_name(enum pinpool_kg_format format)
{
	return formats[format].name;
}

int parser_lines(struct parser *parser, const struct input *input, const struct lines_block *block)
{
	parser->input = input;
	parser->failed = 0;
	return formats[input->format].lines(parser, block);
}

int parser_whole(struct parser *parser, const struct input *input)
{
	parser->input = input;
	parser->failed = 0;
	return formats[input->format].whole(parser);
}

int parser_refuse(const struct parser *parser, const char *cause_fmt, ...)
{
	char cause[512];
	va_list ap;

	va_start(ap, cause_fmt);
	vsnprintf(cause, sizeof(cause), cause_fmt, ap);
	va_end(ap);
	return lines_refuse(parser->input->path, parser->line, parser->offset, NULL, parser->diag, "%s", cause);
}

void parser_free(struct parser *parser)
{
	input_rdf_free(parser);
	bytes_free(&parser->label);
	bytes_free(&parser->label_object);
}
