// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * A new process attaches to a READY pool: context, pool, catalog, a tensor by name, its first and last byte. Prints
 * the time that took in it and the bytes it read with any read call (the kernel's count), for bench/attach.py.
 *
 * usage: attach POOL TENSOR
 */
#include <pinpool/pinpool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static unsigned long long bytes_read(void)
{
	unsigned long long bytes = 0;
	FILE *file = fopen("/proc/self/io", "r");

	if (!file)
		return 0;
	if (fscanf(file, "rchar: %llu", &bytes) != 1)
		bytes = 0;
	fclose(file);
	return bytes;
}

int main(int argc, char **argv)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_catalog *catalog;
	struct pinpool_diag diag = {0};
	unsigned long long before, after;
	struct pinpool_pool *pool;
	struct pinpool_ctx *ctx;
	struct timespec start, end;
	const volatile char *data;
	int err, sum;

	if (argc != 3) {
		fprintf(stderr, "usage: attach POOL TENSOR\n");
		return 2;
	}
	before = bytes_read();
	clock_gettime(CLOCK_MONOTONIC, &start);
	err = pinpool_ctx_new(&ctx, NULL, &diag);
	if (!err)
		err = pinpool_pool_open(ctx, argv[1], PINPOOL_OPEN_READ, &pool, &diag);
	if (!err)
		err = pinpool_catalog_open(pool, &catalog, &diag);
	if (!err)
		err = pinpool_catalog_find(catalog, argv[2], &tensor);
	if (err) {
		fprintf(stderr, "attach: %s: %s\n", *diag.object ? diag.object : argv[2],
			*diag.cause ? diag.cause : strerror(-err));
		return 1;
	}
	data = tensor.data;
	sum = data[0] + data[tensor.bytes - 1];
	clock_gettime(CLOCK_MONOTONIC, &end);
	after = bytes_read();
	printf("{\"seconds\":%.9f,\"bytes_read\":%llu,\"touched\":%d}\n",
	       (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9, after - before, sum);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	pinpool_ctx_unref(ctx);
	return 0;
}
