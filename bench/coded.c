// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Products with coded weights beside the same product with weights of ours that are not coded, and beside Eigen's sparse
 * product, one thread each: a JSON array of rows on stdout, rounds on stderr. All of a row take turns, in changing order;
 * a figure is the median, a ratio the median of the ratios within a round, above 1 if the coded weights are faster.
 * Weights rotate through copies that no cache holds. The limit is what coded weights take from memory at the rate at which
 * the plain ones of f32 come.
 *
 * usage: coded [ROUNDS [NAME]]
 *
 * PINPOOL_ISA forces kernels. NAME: the coded weights to measure, such as csr80, with 1, 4, 8 and 16 rows of X.
 */
#include "eigen.h"
#include "timing.h"

#include <math.h>
#include <pinpool/coded.h>
#include <pinpool/math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define N	   4096
#define K	   4096
#define MOST_M	   16
#define ROUNDS	   21
#define MAX_ROUNDS 101
#define HUGE_PAGE  ((size_t)2 << 20)
/* What all copies of one matrix take at least. */
#define ROTATE ((size_t)192 << 20)
/* Rows of W whose products are checked. */
#define CHECKED 32

/* A matrix: coded if it has a kind, else of a type. */
struct weights {
	struct pinpool_coded coded;
	enum pinpool_dtype dtype;
	unsigned char *memory; /* every copy of every array, @bytes each */
	size_t bytes;
	size_t copies;
	size_t next;
};

static const struct form {
	const char *name;
	enum pinpool_coded_kind kind;
	uint32_t bits; /* of a code; of product-coded ones: columns */
	unsigned int stored; /* of 1000 */
	enum pinpool_dtype beside;
	const char *beside_name;
	int rows[4]; /* of X, in the rows of a run without NAME */
	enum pinpool_dtype activations; /* 0: f32 */
} forms[] = {
	{"codebook16", PINPOOL_CODED_DICTIONARY, 4, 0, PINPOOL_DTYPE_Q4_0, "q4_0", {1, 16}, 0},
	{"codebook256", PINPOOL_CODED_DICTIONARY, 8, 0, PINPOOL_DTYPE_Q8_0, "q8_0", {0}, 0},
	{"pq4", PINPOOL_CODED_PRODUCT, 4, 0, PINPOOL_DTYPE_Q4_0, "q4_0", {0}, 0},
	{"bf16lossless", PINPOOL_CODED_EXPONENTS, 0, 0, PINPOOL_DTYPE_BF16, "bf16", {1}, 0},
	{"bf16lossless_bf16", PINPOOL_CODED_EXPONENTS, 0, 0, PINPOOL_DTYPE_BF16, "bf16", {1}, PINPOOL_DTYPE_BF16},
	{"mask50", PINPOOL_CODED_BITMASK, 0, 500, PINPOOL_DTYPE_F32, "f32", {0}, 0},
	{"two_of_four", PINPOOL_CODED_STRUCTURED, 0, 0, PINPOOL_DTYPE_F32, "f32", {0}, 0},
	{"blocks80", PINPOOL_CODED_BLOCKS, 0, 200, PINPOOL_DTYPE_F32, "f32", {0}, 0},
	{"csr80", PINPOOL_CODED_SPARSE, 0, 200, PINPOOL_DTYPE_F32, "f32", {1, 16}, 0},
	{"csr95", PINPOOL_CODED_SPARSE, 0, 50, PINPOOL_DTYPE_F32, "f32", {1, 16}, 0},
};

static void die(const char *what, const struct pinpool_diag *diag)
{
	fprintf(stderr, "coded: %s%s%s\n", what, diag ? ": " : "", diag ? diag->cause : "");
	exit(1);
}

static uint32_t random_bits(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 32);
}

/* Nearly normal, with the standard deviation 0.02. */
static float normal(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += random_bits() * 0x1p-32 - 0.5;
	return (float)(sum * 0.02);
}

/* Room for @bytes more of the first copy, on cache lines, zeros. */
static void *take(struct weights *w, size_t bytes)
{
	void *at = w->memory + w->bytes;

	w->bytes += (bytes + 63) / 64 * 64;
	return at;
}

static void fill_dictionary(struct weights *w, const struct form *f)
{
	uint32_t columns = f->kind == PINPOOL_CODED_PRODUCT ? f->bits : 1;
	uint32_t bits = f->kind == PINPOOL_CODED_PRODUCT ? 8 : f->bits, values = 1u << bits;
	size_t bytes = (size_t)N * K / columns * bits / 8;
	unsigned char *codes = take(w, bytes);
	float *dictionary = take(w, (size_t)values * columns * sizeof(float));

	for (size_t i = 0; i < bytes; i++)
		codes[i] = (unsigned char)(random_bits() >> 24);
	for (size_t i = 0; i < (size_t)values * columns; i++)
		dictionary[i] = normal();
	w->coded.code_bits = bits;
	w->coded.dictionary_values = values;
	w->coded.codes = codes;
	w->coded.dictionary = dictionary;
	w->coded.block_columns = f->kind == PINPOOL_CODED_PRODUCT ? columns : 0;
}

/* The seven exponents below 2^-3, which take in nearly all of these values. */
static void fill_exponents(struct weights *w)
{
	unsigned char *codes = take(w, (size_t)N * K), *exponents = take(w, 8), *escapes;
	uint64_t *bits = take(w, (size_t)N * K / 64 * 24), *starts = take(w, (N + 1) * sizeof(*starts));
	size_t count = 0;

	escapes = w->memory + w->bytes;
	for (unsigned int i = 0; i < 7; i++)
		exponents[i] = (unsigned char)(117 + i);
	for (size_t i = 0; i < (size_t)N * K; i++) {
		float value = normal();
		uint32_t word, exponent, code;

		memcpy(&word, &value, sizeof(word));
		exponent = word >> 23 & 255;
		code = exponent - 117 < 7 ? exponent - 117 : PINPOOL_CODED_ESCAPE;
		codes[i] = (unsigned char)((word >> 24 & 0x80) | (word >> 16 & 0x7f));
		for (unsigned int b = 0; b < 3; b++)
			bits[i / 64 * 3 + b] |= (uint64_t)(code >> b & 1) << i % 64;
		if (code == PINPOOL_CODED_ESCAPE)
			escapes[count++] = (unsigned char)exponent;
		starts[i / K + 1] = count;
	}
	take(w, count);
	w->coded.dictionary_values = 7;
	w->coded.codes = codes;
	w->coded.bits = bits;
	w->coded.starts = starts;
	w->coded.exponents = exponents;
	w->coded.escapes = escapes;
	w->coded.count = count;
}

static void fill_bitmask(struct weights *w, const struct form *f)
{
	uint64_t *bits = take(w, (size_t)N * K / 8), *starts = take(w, (N + 1) * sizeof(*starts)), count = 0;
	float *values = (float *)(w->memory + w->bytes);

	for (size_t i = 0; i < (size_t)N * K; i++) {
		bool stored = random_bits() % 1000 < f->stored;

		bits[i / 64] |= (uint64_t)stored << i % 64;
		if (stored)
			values[count++] = normal();
		starts[i / K + 1] = count;
	}
	take(w, count * sizeof(float));
	w->coded.bits = bits;
	w->coded.starts = starts;
	w->coded.values = values;
	w->coded.count = count;
}

static void fill_structured(struct weights *w)
{
	static const unsigned char pairs[6] = {0 | 1 << 2, 0 | 2 << 2, 0 | 3 << 2, 1 | 2 << 2, 1 | 3 << 2, 2 | 3 << 2};
	unsigned char *codes = take(w, (size_t)N * K / 8);
	float *values = take(w, (size_t)N * K / 2 * sizeof(float));

	for (size_t i = 0; i < (size_t)N * K / 4; i++) {
		codes[i / 2] |= (unsigned char)(pairs[random_bits() % 6] << i % 2 * 4);
		values[2 * i] = normal();
		values[2 * i + 1] = normal();
	}
	w->coded.codes = codes;
	w->coded.values = values;
}

/* Columns of rows, or of rows of blocks of 8 x 4. */
static void fill_sparse(struct weights *w, const struct form *f)
{
	size_t r = f->kind == PINPOOL_CODED_BLOCKS ? 8 : 1, c = f->kind == PINPOOL_CODED_BLOCKS ? 4 : 1, count = 0;
	uint64_t *starts = take(w, (N / r + 1) * sizeof(*starts));
	uint32_t *columns = (uint32_t *)(w->memory + w->bytes);
	float *values;

	for (size_t i = 0; i < (size_t)(N / r) * (K / c); i++) {
		if (random_bits() % 1000 < f->stored)
			columns[count++] = (uint32_t)(i % (K / c));
		starts[i / (K / c) + 1] = count;
	}
	take(w, count * sizeof(*columns));
	values = take(w, count * r * c * sizeof(float));
	for (size_t i = 0; i < count * r * c; i++)
		values[i] = normal();
	w->coded.starts = starts;
	w->coded.columns = columns;
	w->coded.values = values;
	w->coded.count = count;
	if (f->kind != PINPOOL_CODED_BLOCKS)
		return;
	w->coded.block_rows = (uint32_t)r;
	w->coded.block_columns = (uint32_t)c;
}

/* Numbers that are small and finite in every type: no exponent has its highest bit. */
static void fill_plain(struct weights *w, enum pinpool_dtype dtype)
{
	size_t bytes = N * pinpool_dtype_bytes(dtype, K);
	unsigned char *at = take(w, bytes);

	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)(random_bits() >> 24) & 0xbf;
	w->dtype = dtype;
}

/* Makes the first copy, then the others. */
static void weights_new(struct weights *w, const struct form *f, enum pinpool_dtype dtype)
{
	/* More than any of them takes, which is not touched. */
	size_t size = ROTATE + (size_t)N * K * 8;

	*w = (struct weights){.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
	if (w->memory == MAP_FAILED)
		die("no memory", NULL);
	madvise(w->memory, size, MADV_HUGEPAGE);
	if (!f) {
		fill_plain(w, dtype);
	} else {
		w->coded.size = sizeof(w->coded);
		w->coded.kind = f->kind;
		w->coded.flags = PINPOOL_CODED_CHECKED;
		switch (f->kind) {
		case PINPOOL_CODED_DICTIONARY:
		case PINPOOL_CODED_PRODUCT:
			fill_dictionary(w, f);
			break;
		case PINPOOL_CODED_EXPONENTS:
			fill_exponents(w);
			break;
		case PINPOOL_CODED_BITMASK:
			fill_bitmask(w, f);
			break;
		case PINPOOL_CODED_STRUCTURED:
			fill_structured(w);
			break;
		default:
			fill_sparse(w, f);
		}
		if (w->coded.values)
			w->coded.dtype = PINPOOL_DTYPE_F32;
	}
	w->copies = ROTATE / w->bytes + 1;
	for (size_t i = 1; i < w->copies; i++)
		memcpy(w->memory + i * w->bytes, w->memory, w->bytes);
}

static void weights_free(struct weights *w)
{
	munmap(w->memory, ROTATE + (size_t)N * K * 8);
}

/* An array of the copy that is next. */
static const void *of_copy(const struct weights *w, const void *array)
{
	return array ? (const unsigned char *)array + w->next * w->bytes : NULL;
}

struct bench {
	struct pinpool_math *math;
	enum pinpool_dtype activations; /* of products */
	float x[MOST_M * K]; /* values of bf16 */
	uint16_t halves[MOST_M * K]; /* the same */
	float y[MOST_M * N];
};

/* Seconds of one product. */
static double run(struct bench *b, struct weights *w, uint64_t m)
{
	struct pinpool_matmul_args args = {.size = sizeof(args), .m = m, .n = N, .k = K, .x = b->x, .y = b->y};
	struct pinpool_coded coded = w->coded;
	struct pinpool_diag diag = {0};
	double start;

	if (b->activations == PINPOOL_DTYPE_BF16) {
		args.x = b->halves;
		args.x_dtype = b->activations;
	}
	if (coded.kind) {
		coded.codes = of_copy(w, coded.codes);
		coded.dictionary = of_copy(w, coded.dictionary);
		coded.starts = of_copy(w, coded.starts);
		coded.columns = of_copy(w, coded.columns);
		coded.values = of_copy(w, coded.values);
		coded.bits = of_copy(w, coded.bits);
		coded.exponents = of_copy(w, coded.exponents);
		coded.escapes = of_copy(w, coded.escapes);
		args.w_coded = &coded;
	} else {
		args.w = of_copy(w, w->memory);
		args.w_dtype = w->dtype;
	}
	w->next = (w->next + 1) % w->copies;
	start = now();
	if (pinpool_matmul(b->math, &args, &diag))
		die("product", &diag);
	return now() - start;
}

/* Of some rows of W, against the sum in double of what pinpool_coded_row() reads. */
static void check(struct bench *b, struct weights *w, uint64_t m, const char *name)
{
	static float row[K];

	run(b, w, m);
	for (size_t j = 0; j < N; j += N / CHECKED) {
		if (pinpool_coded_row(row, &w->coded, N, K, j, 0, K, NULL))
			die("row", NULL);
		for (size_t i = 0; i < m; i++) {
			const float *x = b->x + i * K;
			double sum = 0, magnitude = 0;

			for (size_t l = 0; l < K; l++) {
				sum += (double)x[l] * (double)row[l];
				/* No activation is larger than 1, which the largest of a run is taken for. */
				magnitude += fabs((double)row[l]);
			}
			if (!(fabs((double)b->y[i * N + j] - sum) <=
			      (PINPOOL_MATMUL_BUDGET(K) + PINPOOL_MATMUL_QUANT) * magnitude))
				die("wrong result", &(struct pinpool_diag){.cause = "see name"});
		}
	}
	fprintf(stderr, "  %s: %zu bytes\n", name, w->bytes);
}

static void print_row(const char *name, int m, const char *other, double ours, double rival, double ratio, double limit)
{
	static bool more;

	printf("%s{\"name\":\"%s.m%d%s%s\",\"ours\":%.4f,\"unit\":\"ms\",\"rival\":%.4f,\"rival_name\":\"%s\","
	       "\"ratio\":%.4f,\"limit\":%.4f,\"limit_share\":%.4f}",
	       more ? "," : "[", name, m, strcmp(other, "eigen") ? "" : ".", strcmp(other, "eigen") ? "" : other,
	       ours * 1e3, rival * 1e3, other, ratio, limit * 1e3, limit / ours);
	more = true;
}

static void measure(struct bench *b, const struct form *f, struct weights *coded, struct weights *plain,
		    struct weights *dense, int m, int rounds)
{
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS], ratios[MAX_ROUNDS], eigen[MAX_ROUNDS], eigen_ratios[MAX_ROUNDS];
	struct eigen_product *product = NULL;
	double from_memory, time;

	b->activations = f->activations;
	if (f->kind == PINPOOL_CODED_SPARSE)
		product = eigen_new(N, K, coded->coded.starts, coded->coded.columns, coded->coded.values, b->x, m);
	check(b, coded, (uint64_t)m, f->name);
	run(b, plain, (uint64_t)m);
	for (int i = 0; i < rounds; i++) {
		if (i % 2)
			theirs[i] = run(b, plain, (uint64_t)m);
		ours[i] = run(b, coded, (uint64_t)m);
		if (i % 2 == 0)
			theirs[i] = run(b, plain, (uint64_t)m);
		ratios[i] = theirs[i] / ours[i];
		if (!product)
			continue;
		time = now();
		eigen_run(product);
		eigen[i] = now() - time;
		eigen_ratios[i] = eigen[i] / ours[i];
	}
	b->activations = 0;
	from_memory = run(b, dense, 1) * (double)coded->bytes / (double)dense->bytes;
	time = median(ours, rounds);
	print_row(f->name, m, f->beside_name, time, median(theirs, rounds), median(ratios, rounds), from_memory);
	if (product)
		print_row(f->name, m, "eigen", time, median(eigen, rounds), median(eigen_ratios, rounds), from_memory);
	eigen_free(product);
}

int main(int argc, char **argv)
{
	static const int all[] = {1, 4, 8, 16};
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	static struct bench bench;
	struct pinpool_diag diag = {0};
	struct weights dense;

	if (argc > 3 || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: coded [ROUNDS [NAME]]\n");
		return 2;
	}
	if (pinpool_math_new(&bench.math, &opts, &diag))
		die("context", &diag);
	for (size_t i = 0; i < sizeof(bench.x) / sizeof(bench.x[0]); i++) {
		/* Seven bits and a sign. */
		bench.x[i] = (float)((int)(random_bits() >> 24) - 128) / 128;
		memcpy(&bench.halves[i], (const unsigned char *)&bench.x[i] + 2, 2);
	}
	weights_new(&dense, NULL, PINPOOL_DTYPE_F32);
	run(&bench, &dense, 1);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const int *rows = argc > 2 ? all : forms[i].rows;
		struct weights coded, plain;

		if ((argc > 2 && strcmp(argv[2], forms[i].name)) || !rows[0])
			continue;
		weights_new(&coded, &forms[i], 0);
		weights_new(&plain, NULL, forms[i].beside);
		for (size_t r = 0; r < 4 && rows[r]; r++)
			measure(&bench, &forms[i], &coded, &plain, &dense, rows[r], rounds);
		weights_free(&coded);
		weights_free(&plain);
	}
	printf("]\n");
	pinpool_math_free(bench.math);
	return 0;
}
