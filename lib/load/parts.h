/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Parts of a READY pool, digested side by side on all cores. Each is one chain, for one thread; the longest begin
 * first.
 */
#ifndef PINPOOL_LOAD_PARTS_H
#define PINPOOL_LOAD_PARTS_H

#include <pinpool/catalog.h>
#include <pinpool/load.h>

/**
 * struct part - what has one digest
 * @file: path of the file it is of, or the pool; the caller's
 * @tensor: name of the tensor that it is, or NULL; the caller's
 * @offset: first byte, from the start of the pool
 * @end: byte behind the last
 * @bytes: how many are digested, all of them unless it is a rest
 * @rest: only what is in no tensor
 * @first: with @rest, number of the first tensor of the file
 * @last: with @rest, one more than that of the last
 * @source: with @rest, number of the file
 * @sha256: @expected and @digest are SHA-256, else XXH3-128
 * @expected: digest that it should have
 * @digest: result
 */
struct part {
	const char *file;
	const char *tensor;
	uint64_t offset;
	uint64_t end;
	uint64_t bytes;
	bool rest;
	size_t first;
	size_t last;
	uint32_t source;
	bool sha256;
	uint8_t expected[PINPOOL_SHA256_BYTES];
	uint8_t digest[PINPOOL_SHA256_BYTES];
};

/**
 * struct parts - parts, and a run over them
 * @at: the parts
 * @count: number of them
 * @room: for so many
 * @base: the pool, mapped
 * @node: NUMA node that it is from, as place_begin() takes it
 * @catalog: of the pool, or NULL if none is a @rest
 * @opts: progress and cancel
 * @start_ns: when it began, CLOCK_MONOTONIC
 */
struct parts {
	struct part *at;
	size_t count;
	size_t room;
	const char *base;
	unsigned int node;
	const struct pinpool_catalog *catalog;
	const struct pinpool_verify_opts *opts;
	uint64_t start_ns;
};

/* A copy of @part behind those there are. Returns 0 or -ENOMEM. */
int parts_add(struct parts *parts, const struct part *part);
/* Digests them. Returns 0, -ECANCELED, -ENOMEM, -EAGAIN, -EOPNOTSUPP (libcrypto has no SHA-256). */
int parts_digest(struct parts *parts);
/* Whether it is what it should be. */
bool part_is_equal(const struct part *part);
/* For @parts made by parts_add(). */
void parts_free(struct parts *parts);

#endif
