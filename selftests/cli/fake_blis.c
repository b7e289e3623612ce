// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * A library that looks like BLIS to whoever loads libblis.so.4: products as plain as they can be, so that what a
 * measurement does with a rival is tested without one. With FAKE_BLIS_WRONG in the environment an element is wrong.
 */
#include <stdint.h>
#include <stdlib.h>

int bli_arch_query_id(void);
const char *bli_arch_string(int arch);
void bli_thread_set_num_threads(intptr_t threads);
void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
		 const float *b, int ldb, float beta, float *c, int ldc);
void cblas_sgemv(int order, int trans, int m, int n, float alpha, const float *a, int lda, const float *x, int incx,
		 float beta, float *y, int incy);

int bli_arch_query_id(void)
{
	return 42;
}

const char *bli_arch_string(int arch)
{
	return arch == 42 ? "fake" : "another";
}

void bli_thread_set_num_threads(intptr_t threads)
{
	(void)threads;
}

static float dot(const float *a, const float *b, int k)
{
	float sum = 0;
	int i;

	for (i = 0; i < k; i++)
		sum += a[i] * b[i];
	return sum;
}

static void spoil(float *first)
{
	if (getenv("FAKE_BLIS_WRONG"))
		*first += 1;
}

/* C = A * B^T, row-major: what is asked for here. */
void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
		 const float *b, int ldb, float beta, float *c, int ldc)
{
	int i, j;

	if (order != 101 || trans_a != 111 || trans_b != 112 || alpha != 1 || beta != 0)
		abort();
	for (i = 0; i < m; i++)
		for (j = 0; j < n; j++)
			c[i * ldc + j] = dot(a + i * lda, b + j * ldb, k);
	spoil(c);
}

void cblas_sgemv(int order, int trans, int m, int n, float alpha, const float *a, int lda, const float *x, int incx,
		 float beta, float *y, int incy)
{
	int i;

	if (order != 101 || trans != 111 || alpha != 1 || beta != 0 || incx != 1 || incy != 1)
		abort();
	for (i = 0; i < m; i++)
		y[i] = dot(a + i * lda, x, n);
	spoil(y);
}
