/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* BLIS by its CBLAS interface, with the kernels that it chooses: forcing one that it was built without ends the
 * program. */
#include "bench/rivals.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LIBRARY "libblis.so.4"

struct blis {
	void *library;
	struct cblas cblas;
	/* Its integers have the size of a pointer. */
	void (*set_threads)(intptr_t threads);
};

static int blis_open(void **state, char *title)
{
	struct blis *blis = malloc(sizeof(*blis));
	const char *(*arch_name)(int arch);
	int (*arch)(void);

	if (!blis)
		return ENOMEM;
	blis->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!blis->library) {
		free(blis);
		return ENOENT;
	}
	arch = (typeof(arch))dlsym(blis->library, "bli_arch_query_id");
	arch_name = (typeof(arch_name))dlsym(blis->library, "bli_arch_string");
	blis->set_threads = (typeof(blis->set_threads))dlsym(blis->library, "bli_thread_set_num_threads");
	if (!arch || !arch_name || !blis->set_threads || !bench_cblas_find(blis->library, &blis->cblas)) {
		dlclose(blis->library);
		free(blis);
		return ENOSYS;
	}
	snprintf(title, 64, "BLIS %s", arch_name(arch()));
	*state = blis;
	return 0;
}

static void blis_close(void *state)
{
	struct blis *blis = state;

	dlclose(blis->library);
	free(blis);
}

static int blis_prepare(void *state, const struct bench_product *product, void **job, struct bench_tolerance *tolerance)
{
	const struct blis *blis = state;

	*tolerance = (struct bench_tolerance){0};
	blis->set_threads(product->threads);
	return bench_cblas_prepare(&blis->cblas, product, job);
}

const struct bench_rival bench_blis = {
	.name = "blis",
	.package = "libblis4-pthread",
	.open = blis_open,
	.close = blis_close,
	.takes = bench_cblas_takes,
	.prepare = blis_prepare,
	.run = bench_cblas_run,
	.release = bench_cblas_release,
};
