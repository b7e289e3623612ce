/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Libraries that people would link otherwise, loaded where they are installed and never linked. Each gets the weights
 * as they lie, may arrange them for itself where ours are packed, and gets activations in the type that it wants, for
 * nothing: the time to convert them is not counted.
 */
#ifndef PINPOOL_TOOLS_BENCH_RIVALS_H
#define PINPOOL_TOOLS_BENCH_RIVALS_H

#include <pinpool/math.h>

/* The product to be made: Y = X * W^T, all of it contiguous, X and Y f32. */
struct bench_product {
	uint64_t m;
	uint64_t n;
	uint64_t k;
	enum pinpool_dtype dtype;
	const float *x;
	const unsigned char *w; /* the first of @copies */
	uint64_t w_bytes; /* from one copy to the next */
	uint64_t copies;
	const float *w_scales; /* of each row, for I8 */
	float *y;
	unsigned int threads;
	bool packed; /* weights may be arranged beforehand */
};

/* How exact a rival is, as struct matmul_check_how says it; what comes to the budget of f32. */
struct bench_tolerance {
	double rounding;
	bool largest_of_all; /* every activation counts as the largest of all */
};

struct bench_rival {
	const char *name; /* as --rival takes it */
	const char *package; /* of Debian */
	/* Loads it; *@state is for close(). @title, of 64 bytes, receives what it is. Returns 0, or an errno for no
	 * library. */
	int (*open)(void **state, char *title);
	void (*close)(void *state);
	bool (*takes)(enum pinpool_dtype dtype);
	/*
	 * Before products; *@job is for release(). Returns 0, -ENOMEM, or -EOPNOTSUPP if it cannot make them.
	 */
	int (*prepare)(void *state, const struct bench_product *product, void **job, struct bench_tolerance *tolerance);
	/* One product, with that copy of the weights. */
	void (*run)(void *job, uint64_t copy);
	void (*release)(void *job);
};

enum {
	BENCH_RIVALS = 3,
};

extern const struct bench_rival bench_openblas;
extern const struct bench_rival bench_blis;
extern const struct bench_rival bench_onednn;

/* Names of rivals, in the order of what bench_rivals_open() opens, ended by NULL. */
extern const char *const bench_rival_names[BENCH_RIVALS + 1];

struct bench_opened {
	const struct bench_rival *rival;
	void *state; /* NULL if it is not there or not wanted */
	char title[64]; /* with its kernels, such as "OpenBLAS SkylakeX" */
};

/*
 * Loads those of @wanted, bits in that order, into @opened, an array of BENCH_RIVALS. Returns which of them could not
 * be loaded.
 */
unsigned int bench_rivals_open(unsigned int wanted, struct bench_opened *opened);
void bench_rivals_close(struct bench_opened *opened);

/* The CBLAS interface, which two of them have. */
enum cblas_word {
	CBLAS_ROW_MAJOR = 101,
	CBLAS_NO_TRANS = 111,
	CBLAS_TRANS = 112,
};

struct cblas {
	void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
		      const float *b, int ldb, float beta, float *c, int ldc);
	void (*sgemv)(int order, int trans, int m, int n, float alpha, const float *a, int lda, const float *x,
		      int incx, float beta, float *y, int incy);
};

/* Finds its functions in a library that was loaded. */
bool bench_cblas_find(void *library, struct cblas *cblas);
bool bench_cblas_takes(enum pinpool_dtype dtype);
/* As prepare(), run() and release() of such a rival, once it knows its threads. */
int bench_cblas_prepare(const struct cblas *cblas, const struct bench_product *product, void **job);
void bench_cblas_run(void *job, uint64_t copy);
void bench_cblas_release(void *job);

#endif
