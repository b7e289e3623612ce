/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Every weight product of a forward pass, for one token or for a prompt, measured in rounds. */
#ifndef PINPOOL_TOOLS_BENCH_DECODE_H
#define PINPOOL_TOOLS_BENCH_DECODE_H

#include "bench/limits.h"
#include "bench/network.h"

#define BENCH_DECODE_ROUNDS_MAX 100000

struct bench_pass {
	const char *model; /* as it was asked for */
	enum pinpool_dtype dtype;
	enum pinpool_dtype activations;
	unsigned int threads;
	uint64_t tokens; /* 1, or those of the prompt */

	enum pinpool_isa isa;
	bool packed; /* all of them */
	size_t unpacked; /* matrices that are not */
	uint64_t bytes; /* of weights, each read once */
	double tokens_a_second;
	double gbs; /* weights read, 1e9 bytes a second */
	double gflops;
	double limit; /* tokens a second at most */
	enum bench_limit bound;
	double share; /* reached of it, median of rounds */
	double canary; /* FMA rate around the rounds, as a share of the highest */
	double error; /* largest of a sample, as a share of the budget */
	unsigned int repeated;
};

struct bench_decode {
	const struct bench_network *network;
	struct pinpool_math *math;
	struct bench_machine machine;
	double *best; /* FMA rate of the fastest canary so far */
	unsigned int rounds;
	const volatile int *interrupted;
};

/*
 * Fills @pass, of which the first block is given. The first layer and the head are compared with the reference. Returns
 * 0, -ECANCELED, -ENOMEM, -EBADMSG (a product is wrong), or what a product gave.
 */
int bench_decode_measure(const struct bench_decode *decode, struct bench_pass *pass, struct pinpool_diag *diag);

#endif
