/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * N-Triples and Turtle, read by serd. It says where a syntax error is, but not where a statement is that we refuse; so
 * it gets its bytes one by one where that must be known, which is always with Turtle, and with N-Triples once more for
 * the block that was refused. Nesting is bounded by the stack that it takes, a statement by its bytes.
 */
#include "base/utf8.h"
#include "kg/input.h"

#include <errno.h>
#include <serd/serd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

#define PAGE_BYTES   (64u << 10)
#define BUFFER_BYTES (256u << 10)
/* What serd may recurse into: some hundred levels. */
#define STACK_BYTES  (256u << 10)

struct rdf {
	struct parser *parser;
	SerdEnv *env; /* of Turtle */
	int fd; /* what follows @end, or -1 */
	char *buffer; /* of @fd */
	const char *at;
	const char *end;
	uint64_t start; /* place of @at in the text */
	uint64_t line; /* of the byte that was taken last */
	bool newline; /* which was the end of it */
	uint64_t statement; /* where the last one ended */
	bool looking; /* only for what is wrong: triples are dropped */
	char message[256]; /* serd's first */
	const char *stack;
};

/* Ends the parsing; the first reason is the one. */
static int refuse(struct rdf *rdf, const char *cause)
{
	struct parser *parser = rdf->parser;

	if (parser->failed)
		return parser->failed;
	parser->line = rdf->line;
	parser->offset = rdf->start ? rdf->start - 1 : 0;
	parser->failed = parser_refuse(parser, "%s", cause);
	return parser->failed;
}

static int no_more(void *arg)
{
	const struct rdf *rdf = arg;

	return rdf->parser->failed;
}

/* More of the file. Returns whether there is. */
static bool refill(struct rdf *rdf)
{
	struct parser *parser = rdf->parser;
	ssize_t n;

	if (rdf->fd < 0)
		return false;
	n = lines_read(rdf->fd, rdf->buffer, BUFFER_BYTES, parser->cancel);
	if (n < 0)
		parser->failed = diag_errno(parser->diag, (int)n, parser->input->path);
	if (n <= 0)
		return false;
	atomic_fetch_add(parser->read, (uint64_t)n);
	rdf->at = rdf->buffer;
	rdf->end = rdf->buffer + n;
	return true;
}

/* A byte, whose place is noted. */
static size_t read_byte(void *to, size_t size, size_t count, void *arg)
{
	struct rdf *rdf = arg;
	char byte;

	(void)size;
	(void)count;
	if (rdf->parser->failed || (rdf->at == rdf->end && !refill(rdf)))
		return 0;
	byte = *rdf->at++;
	rdf->start++;
	rdf->line += rdf->newline;
	rdf->newline = byte == '\n';
	if (!byte)
		refuse(rdf, "a NUL, which no text has");
	if (rdf->start - rdf->statement > rdf->parser->longest)
		refuse(rdf, "a statement that is too long (--max-line)");
	*(char *)to = byte;
	return !rdf->parser->failed;
}

static size_t read_page(void *to, size_t size, size_t count, void *arg)
{
	struct rdf *rdf = arg;
	size_t bytes = (size_t)(rdf->end - rdf->at);

	(void)size;
	if (bytes > count)
		bytes = count;
	memcpy(to, rdf->at, bytes);
	rdf->at += bytes;
	return bytes;
}

/* Serd's own words, the first of them, without the newline. */
static SerdStatus on_error(void *arg, const SerdError *error)
{
	struct rdf *rdf = arg;

	if (!*rdf->message) {
		vsnprintf(rdf->message, sizeof(rdf->message), error->fmt, *error->args);
		rdf->message[strcspn(rdf->message, "\n")] = '\0';
	}
	return SERD_SUCCESS;
}

static SerdStatus on_base(void *arg, const SerdNode *uri)
{
	struct rdf *rdf = arg;

	rdf->statement = rdf->start;
	if (rdf->env && serd_env_set_base_uri(rdf->env, uri))
		refuse(rdf, "a base that is no IRI");
	return rdf->parser->failed ? SERD_ERR_UNKNOWN : SERD_SUCCESS;
}

static SerdStatus on_prefix(void *arg, const SerdNode *name, const SerdNode *uri)
{
	struct rdf *rdf = arg;

	rdf->statement = rdf->start;
	if (rdf->env && serd_env_set_prefix(rdf->env, name, uri))
		refuse(rdf, "a prefix of a relative IRI, and there is no base");
	return rdf->parser->failed ? SERD_ERR_UNKNOWN : SERD_SUCCESS;
}

/* An IRI in full; *@whole, to be freed by serd_node_free(), is where it lies if serd had to make it. */
static int to_iri(struct rdf *rdf, const SerdNode *node, SerdNode *whole, const char **text, size_t *bytes)
{
	*whole = SERD_NODE_NULL;
	if (node->type == SERD_CURIE && !rdf->env)
		return refuse(rdf, "a name with a prefix, which N-Triples does not have");
	if (node->type == SERD_CURIE || !serd_uri_string_has_scheme(node->buf)) {
		if (rdf->env)
			*whole = serd_env_expand_node(rdf->env, node);
		if (!whole->buf)
			return refuse(rdf, node->type == SERD_CURIE ? "a prefix that was not defined"
								    : "a relative IRI, and there is no base");
		node = whole;
	}
	if (!serd_uri_string_has_scheme(node->buf))
		return refuse(rdf, "a relative IRI, and there is no base");
	if (node->n_bytes != node->n_chars && !utf8_is_valid((const char *)node->buf, node->n_bytes))
		return refuse(rdf, "an IRI that is no UTF-8");
	*text = (const char *)node->buf;
	*bytes = node->n_bytes;
	return 0;
}

static int to_blank(struct rdf *rdf, const SerdNode *node, struct bytes *label, struct term *term)
{
	const char *scope = rdf->parser->input->scope;

	label->count = 0;
	if (bytes_append(label, scope, strlen(scope)) || bytes_append(label, node->buf, node->n_bytes)) {
		rdf->parser->failed = diag_errno(rdf->parser->diag, -ENOMEM, rdf->parser->input->path);
		return rdf->parser->failed;
	}
	*term = (struct term){.kind = TERM_BLANK, .text = label->data, .bytes = label->count};
	return 0;
}

static int to_literal(struct rdf *rdf, const SerdNode *node, const SerdNode *datatype, const SerdNode *language,
		      SerdNode *whole, struct term *term)
{
	*term = (struct term){.kind = TERM_STRING, .text = (const char *)node->buf, .bytes = node->n_bytes};
	if (node->n_bytes != node->n_chars && !utf8_is_valid(term->text, term->bytes))
		return refuse(rdf, "a literal that is no UTF-8");
	if (language && language->buf) {
		term->kind = TERM_LANG;
		term->extra = (const char *)language->buf;
		term->extra_bytes = language->n_bytes;
	} else if (datatype && datatype->buf) {
		term->kind = TERM_TYPED;
		return to_iri(rdf, datatype, whole, &term->extra, &term->extra_bytes);
	}
	return 0;
}

static int to_term(struct rdf *rdf, const SerdNode *node, struct bytes *label, SerdNode *whole, struct term *term)
{
	if (node->type == SERD_BLANK)
		return to_blank(rdf, node, label, term);
	*term = (struct term){.kind = TERM_IRI};
	return to_iri(rdf, node, whole, &term->text, &term->bytes);
}

static SerdStatus on_statement(void *arg, SerdStatementFlags flags, const SerdNode *graph, const SerdNode *subject,
			       const SerdNode *predicate, const SerdNode *object, const SerdNode *datatype,
			       const SerdNode *language)
{
	struct rdf *rdf = arg;
	struct parser *parser = rdf->parser;
	SerdNode whole[3] = {SERD_NODE_NULL, SERD_NODE_NULL, SERD_NODE_NULL};
	struct term terms[3];
	char here = 0;
	int err;

	(void)flags;
	(void)graph;
	rdf->statement = rdf->start;
	if ((size_t)labs(rdf->stack - &here) > STACK_BYTES) {
		refuse(rdf, "nested too deeply");
		return SERD_ERR_UNKNOWN;
	}
	err = to_term(rdf, subject, &parser->label, &whole[SUBJECT], &terms[SUBJECT]);
	if (!err)
		err = to_term(rdf, predicate, &parser->label_object, &whole[PREDICATE], &terms[PREDICATE]);
	if (!err && object->type == SERD_LITERAL)
		err = to_literal(rdf, object, datatype, language, &whole[OBJECT], &terms[OBJECT]);
	else if (!err)
		err = to_term(rdf, object, &parser->label_object, &whole[OBJECT], &terms[OBJECT]);
	if (!err && !rdf->looking)
		err = parser->triple(parser->arg, terms, parser->diag);
	for (unsigned int i = 0; i < 3; i++)
		serd_node_free(&whole[i]);
	if (err)
		parser->failed = err;
	return err ? SERD_ERR_UNKNOWN : SERD_SUCCESS;
}

static SerdReader *make_reader(struct rdf *rdf, SerdSyntax syntax)
{
	SerdReader *reader = serd_reader_new(syntax, rdf, NULL, on_base, on_prefix, on_statement, NULL);

	if (reader) {
		serd_reader_set_strict(reader, true);
		serd_reader_set_error_sink(reader, on_error, rdf);
	}
	return reader;
}

/* All there is to read. A text with nothing in it is a failure to serd, and none to us. */
static int read_all(struct rdf *rdf, SerdReader *reader, bool pages)
{
	struct parser *parser = rdf->parser;
	char here = 0;
	SerdStatus status;

	rdf->stack = &here;
	rdf->message[0] = '\0';
	status = serd_reader_read_source(reader, pages ? read_page : read_byte, no_more, rdf, NULL,
					 pages ? PAGE_BYTES : 1);
	if (!parser->failed && (status > SERD_FAILURE || *rdf->message))
		refuse(rdf, *rdf->message ? rdf->message : (const char *)serd_strerror(status));
	return parser->failed;
}

static int no_memory(const struct parser *parser)
{
	return diag_errno(parser->diag, -ENOMEM, parser->input->path);
}

/* Once more, byte by byte, for the place of what was wrong. */
static int look_for(struct rdf *rdf, const struct lines_block *block)
{
	struct parser *parser = rdf->parser;
	SerdReader *reader = make_reader(rdf, SERD_NTRIPLES);
	int err = parser->failed;

	if (!reader)
		return no_memory(parser);
	parser->failed = 0;
	rdf->looking = true;
	rdf->at = block->at;
	rdf->start = rdf->statement = block->offset;
	rdf->line = block->line;
	rdf->newline = false;
	read_all(rdf, reader, false);
	rdf->looking = false;
	serd_reader_free(reader);
	return parser->failed ? parser->failed : err;
}

int input_ntriples(struct parser *parser, const struct lines_block *block)
{
	struct rdf *rdf = parser->source;
	int err;

	if (!rdf) {
		rdf = parser->source = calloc(1, sizeof(*rdf));
		if (!rdf)
			return no_memory(parser);
		rdf->parser = parser;
		rdf->fd = -1;
	}
	if (!parser->reader)
		parser->reader = make_reader(rdf, SERD_NTRIPLES);
	if (!parser->reader)
		return no_memory(parser);
	rdf->at = block->at;
	rdf->end = block->at + block->bytes;
	rdf->start = block->offset;
	rdf->line = block->line;
	err = read_all(rdf, parser->reader, true);
	return err == -EBADMSG ? look_for(rdf, block) : err;
}

int input_turtle(struct parser *parser)
{
	struct rdf rdf = {.parser = parser, .fd = parser->input->fd, .line = 1};
	SerdReader *reader = make_reader(&rdf, SERD_TURTLE);
	int err;

	rdf.buffer = malloc(BUFFER_BYTES);
	rdf.env = serd_env_new(NULL);
	err = reader && rdf.buffer && rdf.env ? read_all(&rdf, reader, false) : no_memory(parser);
	serd_env_free(rdf.env);
	serd_reader_free(reader);
	free(rdf.buffer);
	return err;
}

void input_rdf_free(struct parser *parser)
{
	serd_reader_free(parser->reader);
	free(parser->source);
	parser->reader = parser->source = NULL;
}
