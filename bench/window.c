// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Products with every matrix of a checkpoint: out of a pool that holds all of it, streamed through a window that does
 * not, or streamed and not used. Prints what bench/window.py needs.
 *
 * usage: window FILE memory|window|disk WINDOW_MIB M
 * environment: as for the library (PINPOOL_BACKEND, PINPOOL_HUGETLBFS_DIR, PINPOOL_STATE_DIR)
 */
#include <pinpool/pinpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL "bench-window"

static struct pinpool_diag diag;

static _Noreturn void die(const char *what, int err)
{
	fprintf(stderr, "window: %s: %s: %s: %s\n", what, strerror(-err), diag.object, diag.cause);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Activations for the widest matrix and results for the tallest. */
struct product {
	struct pinpool_math *math;
	struct pinpool_matmul_args args;
};

static void make_room(struct product *product, const struct pinpool_tensor *tensor)
{
	static uint64_t k, n;
	float *x;

	if (tensor->ndim != 2 || (tensor->shape[0] <= n && tensor->shape[1] <= k))
		return;
	n = tensor->shape[0] > n ? tensor->shape[0] : n;
	k = tensor->shape[1] > k ? tensor->shape[1] : k;
	free((void *)product->args.x);
	free(product->args.y);
	x = malloc(product->args.m * k * sizeof(*x));
	product->args.y = calloc(product->args.m * n, sizeof(float));
	if (!x || !product->args.y)
		die("activations", -12);
	for (uint64_t i = 0; i < product->args.m * k; i++)
		x[i] = (float)(i % 13) / 13;
	product->args.x = x;
}

/* Every matrix in memory, once to touch what is touched once, then on the clock. */
static uint64_t from_memory(struct pinpool_ctx *ctx, const char *path, struct product *product, double *seconds)
{
	PINPOOL_OPTS(pinpool_load_opts, load, .no_digest = true);
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	uint64_t bytes = 0;
	int err;

	err = pinpool_load(ctx, POOL, path, &load, NULL, &diag);
	if (!err)
		err = pinpool_pool_open(ctx, POOL, PINPOOL_OPEN_READ, &pool, &diag);
	if (!err)
		err = pinpool_catalog_open(pool, &catalog, &diag);
	for (int round = 0; round < 2; round++) {
		*seconds = now();
		bytes = 0;
		for (size_t i = 0; !err && !pinpool_catalog_tensor(catalog, i, &tensor); i++) {
			struct pinpool_matmul_args args = product->args;

			make_room(product, &tensor);
			args = product->args;
			args.n = tensor.shape[0];
			args.k = tensor.shape[1];
			args.w = tensor.data;
			args.w_dtype = tensor.dtype;
			err = pinpool_matmul(product->math, &args, &diag);
			bytes += tensor.bytes;
		}
		*seconds = now() - *seconds;
	}
	pinpool_pool_destroy(ctx, POOL, NULL);
	if (err)
		die("memory", err);
	return bytes;
}

/* The same out of a window; without @multiply blocks are let go of as they come. */
static uint64_t from_file(struct pinpool_ctx *ctx, const char *path, uint64_t window_bytes, struct product *product,
			  bool multiply, double *seconds)
{
	PINPOOL_OPTS(pinpool_window_opts, opts, .bytes = window_bytes);
	struct pinpool_window_block block = {.size = sizeof(block)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_window *window;
	uint64_t bytes = 0;
	int err;

	err = pinpool_window_open(ctx, path, &opts, &window, &diag);
	if (err)
		die("window", err);
	for (size_t i = 0; !pinpool_window_tensor(window, i, &tensor); i++) {
		make_room(product, &tensor);
		bytes += tensor.bytes;
	}
	*seconds = now();
	err = pinpool_window_rewind(window, &diag);
	for (size_t i = 0; !err && multiply && i < pinpool_window_tensor_count(window); i++)
		err = pinpool_window_matmul(window, product->math, NULL, &product->args, &diag);
	/* What is left of the pass: all, or its end. */
	while (!err && (err = pinpool_window_next(window, &block, &diag)) == 1)
		err = pinpool_window_release(window, &block);
	*seconds = now() - *seconds;
	if (err)
		die("stream", err);
	pinpool_window_close(window);
	return bytes;
}

int main(int argc, char **argv)
{
	struct product product = {.args = {.size = sizeof(product.args)}};
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	struct pinpool_ctx *ctx;
	double seconds = 0;
	uint64_t bytes;
	int err;

	if (argc != 5) {
		fprintf(stderr, "usage: window FILE memory|window|disk WINDOW_MIB M\n");
		return 2;
	}
	product.args.m = strtoull(argv[4], NULL, 10);
	err = pinpool_ctx_new(&ctx, NULL, &diag);
	if (!err)
		err = pinpool_math_new(&product.math, NULL, &diag);
	if (err)
		die("context", err);
	pinpool_ctx_get_info(ctx, &info);
	if (!strcmp(argv[2], "memory"))
		bytes = from_memory(ctx, argv[1], &product, &seconds);
	else
		bytes = from_file(ctx, argv[1], strtoull(argv[3], NULL, 10) << 20, &product, !strcmp(argv[2], "window"),
				  &seconds);
	printf("{\"bytes\":%llu,\"seconds\":%.9f,\"backend\":\"%s\",\"isa\":\"%s\",\"threads\":%u}\n",
	       (unsigned long long)bytes, seconds, pinpool_backend_name(info.backend),
	       pinpool_isa_name(pinpool_math_isa(product.math)), pinpool_math_threads(product.math));
	pinpool_math_free(product.math);
	pinpool_ctx_unref(ctx);
	return 0;
}
