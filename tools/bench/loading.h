/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The ways to bring a checkpoint into memory, each measured alone: a load into a pool, and what else people do. All of
 * them get memory that is there before the clock starts, but for those that cannot.
 */
#ifndef PINPOOL_TOOLS_BENCH_LOADING_H
#define PINPOOL_TOOLS_BENCH_LOADING_H

#include "bench/memory.h"

#include <pinpool/pinpool.h>

enum bench_way {
	BENCH_WAY_PINPOOL, /* into a pool that exists */
	BENCH_WAY_CP, /* cp(1) into files on tmpfs */
	BENCH_WAY_MMAP, /* mapped, and copied into huge pages */
	BENCH_WAY_READ, /* read(2) into huge pages, 1 MiB a time */
	BENCH_WAY_FIO, /* fio, which keeps nothing */
	BENCH_WAY_MEMCPY, /* nothing is loaded: between huge pages, the limit where files are in the page cache */
	BENCH_WAYS,
};

extern const char *const bench_way_names[BENCH_WAYS];

/* How far it was at some moments, from 0 on. */
struct bench_curve {
	struct bench_point {
		double seconds;
		double bytes;
	} * points;
	size_t count;
};

struct bench_run {
	double seconds;
	double cpu; /* seconds, of all threads and children */
	struct bench_curve curve; /* for bench_curve_free() */
};

void bench_curve_free(struct bench_curve *curve);

struct bench_loading {
	/* Given: */
	struct pinpool_ctx *ctx;
	const char *path;
	bool warm; /* files are in the page cache; they are dropped from it before each run otherwise */
	bool no_digest;
	const volatile int *interrupted;
	/* Found: */
	char pool[PINPOOL_NAME_MAX + 1];
	char **files;
	size_t count;
	uint64_t bytes; /* of all files */
	uint64_t capacity; /* of the pool */
	struct bench_memory memory, copy; /* the second for BENCH_WAY_MEMCPY */
};

/* Loads once to see what there is. Returns 0, or -errno with @diag; for bench_loading_end() in any case. */
int bench_loading_begin(struct bench_loading *loading, struct pinpool_diag *diag);
void bench_loading_end(struct bench_loading *loading);

/* Returns 0, -ECANCELED if it was interrupted, or -errno with @diag. */
int bench_loading_run(struct bench_loading *loading, enum bench_way way, struct bench_run *run,
		      struct pinpool_diag *diag);

/* Is fio there? Returns 0 or -errno; @diag says what to install. */
int bench_fio_check(struct pinpool_diag *diag);

#endif
