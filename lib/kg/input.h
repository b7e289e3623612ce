/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Files of triples: what formats there are, and a parser for each, which hands out one triple after another and says in
 * which line a file breaks its format. Terms that leave a parser are UTF-8; an IRI has a scheme.
 */
#ifndef PINPOOL_KG_INPUT_H
#define PINPOOL_KG_INPUT_H

#include <pinpool/kg_build.h>

#include "codec/bytes.h"
#include "kg/lines.h"
#include "kg/terms.h"

/**
 * struct input - a file, or WordNet's folder
 * @path: as the user gave it; "-" is standard input; the caller's
 * @format: never PINPOOL_KG_AUTO
 * @fd: open; of a folder, the folder
 * @bytes: of the file or of those in the folder that are read, 0 if nobody knows
 * @inode: its number
 * @mtime_ns: when it was changed, CLOCK_REALTIME nanoseconds
 * @scope: what its blank nodes' labels begin with, so that those of two files are not the same nodes; may be empty
 */
struct input {
	const char *path;
	enum pinpool_kg_format format;
	int fd;
	uint64_t bytes;
	uint64_t inode;
	uint64_t mtime_ns;
	char scope[16];
};

/* Returns 0, -EINVAL (no such kind of file; a format that the name does not tell), and what open() gives. */
int input_open(struct input *input, const char *path, enum pinpool_kg_format format, struct pinpool_diag *diag);
/* Whether it is still what was opened, once it was read. Returns 0 or -ESTALE. */
int input_check(const struct input *input, struct pinpool_diag *diag);
/* A zeroed one with @fd of -1 is fine. */
void input_close(struct input *input);
/* Whether its lines may be parsed by any thread in any order. */
bool input_is_lines(const struct input *input);
/* "ntriples", ...: the source's format in a catalog. */
const char *input_format_name(enum pinpool_kg_format format);

enum { SUBJECT, PREDICATE, OBJECT };

/**
 * struct parser - one thread's work on inputs
 * @triple: takes a triple, whose terms live for the call; returns 0 or an error, which ends the parsing
 * @arg: its first argument
 * @read: bytes that were read of an input that is parsed as a whole, for progress
 * @longest: most bytes of a line, and of a statement of Turtle
 * @cancel: the parsing ends with -ECANCELED once it is not 0; or NULL
 * @diag: receives what is wrong, or NULL
 * @input: what is parsed
 * @line: of the triple in work, from 1 on
 * @offset: of its first byte
 * @label: a label of a blank node, with its scope
 * @label_object: another one
 * @reader: of N-Triples, made with the first block (SerdReader)
 * @source: what @reader reads
 * @failed: error that is on its way through @reader
 */
struct parser {
	int (*triple)(void *arg, const struct term terms[3], struct pinpool_diag *diag);
	void *arg;
	_Atomic uint64_t *read;
	size_t longest;
	const volatile int *cancel;
	struct pinpool_diag *diag;
	const struct input *input;
	uint64_t line;
	uint64_t offset;
	struct bytes label;
	struct bytes label_object;
	void *reader;
	void *source;
	int failed;
};

/* Parses whole lines of an input_is_lines(). Returns 0, -EBADMSG, -ENOMEM, or what @triple gave. */
int parser_lines(struct parser *parser, const struct input *input, const struct lines_block *block);
/* Parses all of an input that is not. Likewise, or -ECANCELED, -EIO. */
int parser_whole(struct parser *parser, const struct input *input);
/* What parsers keep between calls. */
void parser_free(struct parser *parser);

/* The formats' own; see there. */
int input_ntriples(struct parser *parser, const struct lines_block *block);
int input_turtle(struct parser *parser);
void input_rdf_free(struct parser *parser);
int input_tsv(struct parser *parser, const struct lines_block *block);
int input_wordnet(struct parser *parser);
/* Bytes of the files of WordNet in the folder @fd. Returns 0, or -ENOENT if it is none. */
int input_wordnet_bytes(int fd, const char *path, uint64_t *bytes, struct pinpool_diag *diag);

/* Refuses what is in the parser's line. Returns -EBADMSG. */
int parser_refuse(const struct parser *parser, const char *cause_fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
