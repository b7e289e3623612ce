/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * OpenBLAS. One that does not know this processor falls back to old kernels; it then gets the best of its kernels that
 * run here, unless OPENBLAS_CORETYPE says otherwise. It reads that variable when it is loaded, so it is loaded again.
 */
#include "bench/rivals.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LIBRARY "libopenblas.so.0"

struct openblas {
	void *library;
	struct cblas cblas;
	const char *core;
	void (*set_threads)(int threads);
};

/* 2: 512-bit kernels, 1: 256-bit, 0: older. */
static int core_level(const char *core)
{
	static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
	static const char *const middle[] = {"Haswell", "Zen", "Excavator"};
	size_t i;

	for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (!strcasecmp(core, wide[i]))
			return 2;
	for (i = 0; i < sizeof(middle) / sizeof(middle[0]); i++)
		if (!strcasecmp(core, middle[i]))
			return 1;
	return 0;
}

static int load(struct openblas *blas)
{
	char *(*core)(void);

	*blas = (struct openblas){.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};
	if (!blas->library)
		return ENOENT;
	core = (typeof(core))dlsym(blas->library, "openblas_get_corename");
	blas->set_threads = (typeof(blas->set_threads))dlsym(blas->library, "openblas_set_num_threads");
	if (!core || !blas->set_threads || !bench_cblas_find(blas->library, &blas->cblas)) {
		dlclose(blas->library);
		return ENOSYS;
	}
	blas->core = core();
	return 0;
}

static int openblas_open(void **state, char *title)
{
	int level = pinpool_isa_available(PINPOOL_ISA_AVX512) ? 2 : pinpool_isa_available(PINPOOL_ISA_AVX2) ? 1 : 0;
	struct openblas *blas = malloc(sizeof(*blas));
	int err;

	if (!blas)
		return ENOMEM;
	err = load(blas);
	if (!err && !getenv("OPENBLAS_CORETYPE") && core_level(blas->core) < level) {
		dlclose(blas->library);
		setenv("OPENBLAS_CORETYPE", level == 2 ? "SkylakeX" : "Haswell", 1);
		err = load(blas);
		unsetenv("OPENBLAS_CORETYPE");
	}
	if (err) {
		free(blas);
		return err;
	}
	snprintf(title, 64, "OpenBLAS %s", blas->core);
	*state = blas;
	return 0;
}

static void openblas_close(void *state)
{
	struct openblas *blas = state;

	dlclose(blas->library);
	free(blas);
}

static int openblas_prepare(void *state, const struct bench_product *product, void **job,
			    struct bench_tolerance *tolerance)
{
	const struct openblas *blas = state;

	*tolerance = (struct bench_tolerance){0};
	blas->set_threads((int)product->threads);
	return bench_cblas_prepare(&blas->cblas, product, job);
}

const struct bench_rival bench_openblas = {
	.name = "openblas",
	.package = "libopenblas0-pthread",
	.open = openblas_open,
	.close = openblas_close,
	.takes = bench_cblas_takes,
	.prepare = openblas_prepare,
	.run = bench_cblas_run,
	.release = bench_cblas_release,
};
