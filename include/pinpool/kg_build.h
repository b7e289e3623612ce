/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: building knowledge graphs
 *
 * Files of triples become a graph in a pool, in bounded memory: what does not fit is sorted in temporary files without
 * names. It publishes everything or nothing.
 */
#ifndef PINPOOL_KG_BUILD_H
#define PINPOOL_KG_BUILD_H

#include <pinpool/kg.h>
#include <pinpool/load.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum pinpool_kg_format - what an input is
 * @PINPOOL_KG_AUTO: as its name says: .nt, .ttl, .tsv, .txt, or a folder of WordNet's files
 * @PINPOOL_KG_NTRIPLES: N-Triples
 * @PINPOOL_KG_TURTLE: Turtle
 * @PINPOOL_KG_TSV: lines of head, relation and tail, plain names between tabs
 * @PINPOOL_KG_WORDNET: a folder with data.noun, data.verb, data.adj and data.adv
 */
enum pinpool_kg_format {
	PINPOOL_KG_AUTO = 0,
	PINPOOL_KG_NTRIPLES = 1,
	PINPOOL_KG_TURTLE = 2,
	PINPOOL_KG_TSV = 3,
	PINPOOL_KG_WORDNET = 4,
};

/* "auto", "ntriples", "turtle", "tsv", "wordnet"; NULL for a value that is none of them. Since 0.1. */
PINPOOL_API const char *pinpool_kg_format_name(enum pinpool_kg_format format);

/**
 * struct pinpool_kg_build_opts - how to build
 * @size: sizeof(struct pinpool_kg_build_opts)
 * @create: how the pool is made, or NULL; its capacity may be 0: as large as is needed
 * @format: of all inputs
 * @memory: most bytes of memory that sorting takes, at least 48 MiB; 0 for 1 GiB
 * @longest: most bytes of a line, and of a statement of Turtle, at least 64 KiB; 0 for 16 MiB
 * @temporary: folder for temporary files; NULL takes TMPDIR, else /var/tmp
 * @threads: threads that parse; 0 for as many as there are processors, at most 8
 * @progress: receives progress, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: the build ends with -ECANCELED once it is not 0 (a signal handler may set it)
 * @compact: take as few bytes as can be: a third less, and all edges of a node are some three times as far
 */
struct pinpool_kg_build_opts {
	size_t size;
	const struct pinpool_create_opts *create;
	enum pinpool_kg_format format;
	uint64_t memory;
	uint64_t longest;
	const char *temporary;
	uint32_t threads;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
	bool compact;
};

/**
 * struct pinpool_kg_build_report - what a build did
 * @size: sizeof(struct pinpool_kg_build_report), set by the caller
 * @bytes: bytes of all inputs
 * @elapsed_ns: from the first byte to the commit
 * @parse_ns: of that, until all inputs were read
 * @triples: triples in the graph
 * @duplicates: triples that were said again, and dropped
 * @nodes: nodes
 * @predicates: predicates
 * @length: bytes of the pool's content
 * @memory_peak: most memory that the process has had, of all it did (ru_maxrss)
 * @disk_peak: most bytes of temporary files
 * @threads: threads that parsed
 */
struct pinpool_kg_build_report {
	size_t size;
	uint64_t bytes;
	uint64_t elapsed_ns;
	uint64_t parse_ns;
	uint64_t triples;
	uint64_t duplicates;
	uint64_t nodes;
	uint64_t predicates;
	uint64_t length;
	uint64_t memory_peak;
	uint64_t disk_peak;
	uint32_t threads;
};

/**
 * pinpool_kg_build - build a graph in a pool and publish it
 * @name: pool; made when the graph is ready if it does not exist, used if it is EMPTY and large enough
 * @inputs: files, or folders of WordNet; "-" is standard input
 * @count: number of @inputs, at least 1
 * @opts: options or NULL
 * @report: receives what was done, or NULL
 *
 * Blank nodes of two files are different nodes. On failure nothing is published: a pool that this call made is removed
 * again, one that existed is EMPTY; temporary files are gone, whatever ends the process.
 *
 * Return: 0; -EBADMSG (an input breaks its format: @diag says in which line and at which byte), -EEXIST (the pool is
 * READY), -EBUSY (it is being filled), -ENOSPC (it is too small: @diag says what is needed; no room for temporary files),
 * -E2BIG (the memory is too little for so large a graph), -EINVAL (an option, or an input of unknown format), -ENODATA
 * (no triple at all), -ESTALE (an input was changed meanwhile), -ECANCELED, and what creating, opening and reading give. Since 0.1.
 */
PINPOOL_API int pinpool_kg_build(struct pinpool_ctx *ctx, const char *name, const char *const *inputs, size_t count,
				 const struct pinpool_kg_build_opts *opts, struct pinpool_kg_build_report *report,
				 struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
