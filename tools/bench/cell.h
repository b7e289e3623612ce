/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* One product, measured beside rivals and beside what the machine can do, in rounds. */
#ifndef PINPOOL_TOOLS_BENCH_CELL_H
#define PINPOOL_TOOLS_BENCH_CELL_H

#include "bench/limits.h"
#include "bench/matrix.h"
#include "bench/rivals.h"

/* Most rounds of a cell. */
#define BENCH_ROUNDS_MAX 1000

/* The threads of some cells; lives as long as the run, so that it knows how fast this machine gets. */
struct bench_team {
	struct pinpool_math *math;
	unsigned int threads;
	size_t streams; /* that read fastest side by side; 0 before it is known */
	double best; /* FMA rate of the fastest canary so far */
};

struct bench_rival_figures {
	double gflops; /* NaN if it was not measured */
	double ratio; /* ours to it, above 1 if ours is faster */
	bool wrong; /* its result is, so it does not count */
};

/* What is measured, and what came out. Rates are medians of rounds, ratios and shares medians of those of rounds. */
struct bench_cell {
	enum pinpool_dtype dtype;
	enum pinpool_dtype activations;
	struct bench_shape shape;
	uint64_t m;
	unsigned int threads;
	bool packed;

	enum pinpool_isa isa;
	const char *pages; /* that the weights lie on */
	uint64_t bytes; /* of the weights, one copy */
	double pack_cost; /* see struct bench_matrix; NaN if they were not packed */
	double gflops;
	double gbs; /* weights read, 1e9 bytes a second */
	double limit; /* GFLOP/s at most, by the lesser of what memory and what the units give */
	enum bench_limit bound; /* which of them that is */
	double share; /* reached of it */
	double rates[BENCH_LIMITS]; /* NaN where it does not matter */
	double canary; /* share of the fastest */
	double error; /* largest, as a share of the budget */
	struct bench_rival_figures rivals[BENCH_RIVALS];
	int best_rival; /* the fastest that is right, or -1 */
	const char *beside; /* what that is, with its kernels or version; NULL if there is none */
	unsigned int rounds;
	unsigned int repeated; /* because the canary was low */
};

struct bench_cell_args {
	unsigned int rounds;
	const struct bench_opened *rivals; /* BENCH_RIVALS of them */
	const volatile int *interrupted; /* ends a measurement as soon as it is not 0 */
};

/*
 * Fills @cell, of which @activations, @m and @packed are given, for @matrix, packed before if it is to be. Returns 0,
 * -ECANCELED (interrupted), -EBADMSG (our result is wrong), or what a product gave.
 */
int bench_cell_measure(struct bench_cell *cell, const struct bench_cell_args *args, struct bench_team *team,
		       const struct bench_matrix *matrix, struct pinpool_diag *diag);

#endif
