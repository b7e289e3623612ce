// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What packing costs beside memcpy of the same tensor, one thread each, into memory that is there already: a JSON array
 * of rows on stdout, rounds on stderr. Both take turns, in changing order; a figure is the median, a ratio the median
 * of the ratios within a round. The limit is two thirds of memcpy's rate.
 *
 * usage: pack [ROUNDS]
 *
 * PINPOOL_ISA forces kernels to pack for.
 */
#include "timing.h"

#include <pinpool/packing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROWS	   11008
#define COLUMNS	   4096
#define ROUNDS	   15
#define MAX_ROUNDS 101
#define HUGE_PAGE  ((size_t)2 << 20)
/* Packing may cost so many memcpys. */
#define MEMCPYS	   1.5

static const struct {
	const char *name;
	enum pinpool_dtype dtype;
} types[] = {
	{"f32", PINPOOL_DTYPE_F32},   {"bf16", PINPOOL_DTYPE_BF16}, {"f16", PINPOOL_DTYPE_F16},
	{"q8_0", PINPOOL_DTYPE_Q8_0}, {"q4_0", PINPOOL_DTYPE_Q4_0}, {"q4_k", PINPOOL_DTYPE_Q4_K},
	{"q6_k", PINPOOL_DTYPE_Q6_K},
};

static void die(const char *what, const struct pinpool_diag *diag)
{
	fprintf(stderr, "pack: %s%s%s\n", what, diag ? ": " : "", diag ? diag->cause : "");
	exit(1);
}

/* Huge pages where the system has them, all touched. */
static void *memory(size_t bytes)
{
	void *at;

	bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	at = aligned_alloc(HUGE_PAGE, bytes);
	if (!at)
		die("no memory", NULL);
	madvise(at, bytes, MADV_HUGEPAGE);
	/* Bytes that are small finite numbers in any type. */
	memset(at, 0x11, bytes);
	return at;
}

struct turn {
	struct pinpool_math *math;
	struct pinpool_packing packing;
	const void *weights;
	size_t bytes;
	void *packed;
	void *copy;
};

static double pack(const struct turn *turn)
{
	struct pinpool_diag diag = {0};
	double start = now();

	if (pinpool_packing_rows(turn->math, &turn->packing, 0, ROWS, turn->weights, 0, NULL, turn->packed, &diag))
		die("packing", &diag);
	return (double)turn->bytes / (now() - start) * 1e-9;
}

static double copy(const struct turn *turn)
{
	double start = now();

	memcpy(turn->copy, turn->weights, turn->bytes);
	/* Keeps it. */
	__asm__ volatile("" : : "r"(turn->copy) : "memory");
	return (double)turn->bytes / (now() - start) * 1e-9;
}

static void measure(struct pinpool_math *math, size_t type, int rounds)
{
	struct turn turn = {.math = math, .packing.size = sizeof(turn.packing)};
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS], ratios[MAX_ROUNDS], ratio, rate;
	struct pinpool_diag diag = {0};

	if (pinpool_packing_describe(math, types[type].dtype, ROWS, COLUMNS, &turn.packing, &diag))
		die(types[type].name, &diag);
	turn.bytes = ROWS * pinpool_dtype_bytes(types[type].dtype, COLUMNS);
	turn.weights = memory(turn.bytes);
	turn.packed = memory(turn.packing.bytes);
	turn.copy = memory(turn.bytes);
	pack(&turn);
	copy(&turn);
	for (int i = 0; i < rounds; i++) {
		if (i % 2)
			theirs[i] = copy(&turn);
		ours[i] = pack(&turn);
		if (i % 2 == 0)
			theirs[i] = copy(&turn);
		ratios[i] = ours[i] / theirs[i];
		fprintf(stderr, "  %s: %.2f GB/s packed, %.2f GB/s copied\n", types[type].name, ours[i], theirs[i]);
	}
	ratio = median(ratios, rounds);
	rate = median(theirs, rounds);
	printf("%s{\"name\":\"pack.%s.%dx%d.t1\",\"ours\":%.4f,\"unit\":\"GB/"
	       "s\",\"rival\":%.4f,\"rival_name\":\"memcpy\","
	       "\"ratio\":%.4f,\"limit\":%.4f,\"limit_share\":%.4f}",
	       type ? "," : "[", types[type].name, ROWS, COLUMNS, median(ours, rounds), rate, ratio, rate / MEMCPYS,
	       ratio * MEMCPYS);
	free((void *)turn.weights);
	free(turn.packed);
	free(turn.copy);
}

int main(int argc, char **argv)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct pinpool_diag diag = {0};
	struct pinpool_math *math;

	if (argc > 2 || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: pack [ROUNDS]\n");
		return 2;
	}
	if (pinpool_math_new(&math, &opts, &diag))
		die("context", &diag);
	for (size_t type = 0; type < sizeof(types) / sizeof(types[0]); type++)
		measure(math, type, rounds);
	printf("]\n");
	pinpool_math_free(math);
	return 0;
}
