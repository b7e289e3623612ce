/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Contexts and their products. */
#include <errno.h>
#include <fenv.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/diag.h"
#include "base/opts.h"
#include "math/context.h"
#include "math/isa.h"

/* Returns 0, -ENOMEM, -EAGAIN, or why a thread cannot be pinned that has to be. */
static int start_team(struct pinpool_math *math, const struct pinpool_math_opts *o, struct pinpool_diag *diag)
{
	struct team_opts opts = { .threads = o->threads, .joiners = o->joiners, .pin = o->pin };
	struct topology topology;
	int ret = topology_read(&topology);

	if (ret)
		return diag_errno(diag, ret, "topology");
	math->cache = topology.cache;
	if (!opts.threads)
		opts.threads = min(topology_default_threads(&topology), PINPOOL_MATH_THREADS_MAX - opts.joiners);
	ret = team_new(&math->team, &opts, &topology);
	topology_free(&topology);
	if (ret) {
		diag_errno(diag, ret, "threads");
		diag_change(diag, "ask for fewer than %u threads%s", opts.threads,
			    opts.pin == PINPOOL_PIN_ON ? ", or none that are pinned" : "");
	}
	return ret;
}

int pinpool_math_new(struct pinpool_math **out, const struct pinpool_math_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_math_opts o;
	struct pinpool_math *math;
	int ret;

	if (!out)
		return diag_set(diag, -EINVAL, "out", NULL, "null pointer");
	ret = opts_read(&o, sizeof(o), opts);
	if (ret)
		return diag_set(diag, ret, "opts", "set size to sizeof(struct pinpool_math_opts)",
				ret == -E2BIG ? "has fields that this library does not know" : "size is not set");
	if (o.threads > PINPOOL_MATH_THREADS_MAX)
		return diag_set(diag, -EINVAL, "threads", "use 0 for one per core", "%u, more than %u", o.threads,
				PINPOOL_MATH_THREADS_MAX);
	/* One is left for the caller. */
	if (o.joiners > PINPOOL_MATH_THREADS_MAX - (o.threads ? o.threads : 1))
		return diag_set(diag, -EINVAL, "joiners", NULL, "%u, which with the threads are more than %u", o.joiners,
				PINPOOL_MATH_THREADS_MAX);
	if (o.pin > PINPOOL_PIN_ON)
		return diag_set(diag, -EINVAL, "pin", NULL, "%d is no way to pin", (int)o.pin);
	math = calloc(1, sizeof(*math));
	if (!math)
		return diag_errno(diag, -ENOMEM, "context");
	ret = isa_choose(&math->kernels, o.isa, diag);
	if (ret)
		goto err_math;
	ret = start_team(math, &o, diag);
	if (ret)
		goto err_math;
	*out = math;
	return 0;

err_math:
	free(math);
	return ret;
}

void pinpool_math_free(struct pinpool_math *math)
{
	if (!math)
		return;
	team_free(math->team);
	free(math->packed.memory);
	free(math->staged.memory);
	free(math);
}

enum pinpool_isa pinpool_math_isa(const struct pinpool_math *math)
{
	return math->kernels->isa;
}

uint32_t pinpool_math_threads(const struct pinpool_math *math)
{
	return team_own_threads(math->team);
}

int pinpool_math_join(struct pinpool_math *math, struct pinpool_diag *diag)
{
	int ret;

	if (!math)
		return diag_set(diag, -EINVAL, "math", NULL, "null pointer");
	ret = team_join(math->team);
	if (ret == -ENOSPC)
		return diag_set(diag, ret, "joiners", "make the context with more joiners", "room for %u, all taken",
				team_threads(math->team) - team_own_threads(math->team));
	if (ret)
		return diag_set(diag, ret, "math", "make a context in this process", "the context of a parent process");
	return 0;
}

void pinpool_math_release(struct pinpool_math *math)
{
	team_release(math->team);
}

void pinpool_math_admit(struct pinpool_math *math)
{
	team_admit(math->team);
}

void *scratch_get(struct scratch *scratch, size_t bytes)
{
	const size_t huge = (size_t)2 << 20;
	size_t size;
	void *memory;

	if (bytes <= scratch->size)
		return scratch->memory;
	if (__builtin_add_overflow(bytes, huge - 1, &size))
		return NULL;
	size &= ~(huge - 1);
	if (posix_memalign(&memory, huge, size))
		return NULL;
	/* Saves TLB misses where the system allows it; without, the same at a few per cent less. */
	madvise(memory, size, MADV_HUGEPAGE);
	free(scratch->memory);
	scratch->memory = memory;
	scratch->size = size;
	return memory;
}

int pinpool_matmul_many(struct pinpool_math *math, const struct pinpool_matmul_args *const *args, size_t count,
			struct pinpool_diag *diag)
{
	struct product *products;
	fenv_t caller;
	int ret = 0;

	if (!math || (count && !args))
		return diag_set(diag, -EINVAL, math ? "args" : "math", NULL, "null pointer");
	if (!count)
		return 0;
	products = count > PTRDIFF_MAX / sizeof(*products) ? NULL : malloc(count * sizeof(*products));
	if (!products)
		return diag_errno(diag, -ENOMEM, "products");
	for (size_t i = 0; i < count && !ret; i++)
		ret = product_check(&products[i], args[i], math->kernels, diag);
	if (!ret) {
		/* As in the workers: the caller's rounding mode, or subnormals flushed, would show in the bits. */
		fegetenv(&caller);
		fesetenv(FE_DFL_ENV);
		ret = staged_run(math, products, count);
		fesetenv(&caller);
		if (ret)
			diag_errno(diag, ret, "packing buffers");
	}
	free(products);
	return ret;
}

int pinpool_matmul(struct pinpool_math *math, const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	return pinpool_matmul_many(math, &args, 1, diag);
}
