/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The list of rivals, and what those with a CBLAS interface share; see rivals.h. */
#include "bench/rivals.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_rival *const rivals[BENCH_RIVALS] = {&bench_openblas, &bench_blis, &bench_onednn};

const char *const bench_rival_names[BENCH_RIVALS + 1] = {"openblas", "blis", "onednn", NULL};

unsigned int bench_rivals_open(unsigned int wanted, struct bench_opened *opened)
{
	unsigned int missing = 0, i;

	for (i = 0; i < BENCH_RIVALS; i++) {
		opened[i] = (struct bench_opened){.rival = rivals[i]};
		if (wanted & 1u << i && rivals[i]->open(&opened[i].state, opened[i].title)) {
			opened[i].state = NULL;
			missing |= 1u << i;
		}
	}
	return missing;
}

void bench_rivals_close(struct bench_opened *opened)
{
	int i;

	for (i = 0; i < BENCH_RIVALS; i++)
		if (opened[i].state)
			opened[i].rival->close(opened[i].state);
}

struct cblas_job {
	struct cblas cblas;
	struct bench_product product;
};

bool bench_cblas_find(void *library, struct cblas *cblas)
{
	*cblas = (struct cblas){
		.sgemm = (typeof(cblas->sgemm))dlsym(library, "cblas_sgemm"),
		.sgemv = (typeof(cblas->sgemv))dlsym(library, "cblas_sgemv"),
	};
	return cblas->sgemm && cblas->sgemv;
}

bool bench_cblas_takes(enum pinpool_dtype dtype)
{
	return dtype == PINPOOL_DTYPE_F32;
}

int bench_cblas_prepare(const struct cblas *cblas, const struct bench_product *product, void **out)
{
	struct cblas_job *job;

	if (product->m > INT_MAX || product->n > INT_MAX || product->k > INT_MAX)
		return -EOPNOTSUPP;
	job = malloc(sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct cblas_job){*cblas, *product};
	*out = job;
	return 0;
}

void bench_cblas_run(void *data, uint64_t copy)
{
	const struct cblas_job *job = data;
	const struct bench_product *product = &job->product;
	const float *w = (const float *)(product->w + copy * product->w_bytes);
	int m = (int)product->m, n = (int)product->n, k = (int)product->k;

	if (m == 1)
		job->cblas.sgemv(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, n, k, 1, w, k, product->x, 1, 0, product->y, 1);
	else
		job->cblas.sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_TRANS, m, n, k, 1, product->x, k, w, k, 0,
				 product->y, n);
}

void bench_cblas_release(void *job)
{
	free(job);
}
