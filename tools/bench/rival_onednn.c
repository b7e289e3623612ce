/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * oneDNN 2 by its C interface, of which only what is used here is declared. Its descriptors are structs that the caller
 * owns and that only the library looks into: here they are room enough. Where ours are packed, its weights are
 * reordered into the layout that it likes best.
 *
 * bf16 weights meet activations rounded to bf16, I8 weights activations rounded to 8 bits with one scale for all of
 * them, which is what it offers.
 */
#include "bench/activations.h"
#include "bench/rivals.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libdnnl.so.2"

/* Values of its enumerations. */
enum {
	TYPE_BF16 = 2,
	TYPE_F32 = 3,
	TYPE_S8 = 5,
	TAG_ANY = 1,
	ENGINE_CPU = 1,
	STREAM_IN_ORDER = 1,
	QUERY_WEIGHTS = 131,
	ARG_SRC = 1,
	ARG_DST = 17,
	ARG_WEIGHTS = 33,
	/* A scale for each index of the second dimension of the result. */
	SCALE_COLUMNS = 1 << 1,
};

/* Several times what its version 2 has; aligned as any struct is. */
struct memory_desc {
	_Alignas(64) char room[4096];
};

struct matmul_desc {
	_Alignas(64) char room[16384];
};

struct exec_arg {
	int arg;
	void *memory;
};

struct version {
	int major;
	int minor;
	int patch;
};

/* Statuses are 0 for success. */
struct onednn {
	void *library;
	void *engine;
	void *stream;
	void (*set_threads)(int threads);
	const struct version *(*version)(void);
	int (*engine_create)(void **engine, int kind, size_t index);
	int (*engine_destroy)(void *engine);
	int (*stream_create)(void **stream, void *engine, unsigned int flags);
	int (*stream_wait)(void *stream);
	int (*stream_destroy)(void *stream);
	int (*desc_by_strides)(struct memory_desc *desc, int ndims, const int64_t *dims, int type,
			       const int64_t *strides);
	int (*desc_by_tag)(struct memory_desc *desc, int ndims, const int64_t *dims, int type, int tag);
	size_t (*desc_size)(const void *desc);
	int (*matmul_init)(struct matmul_desc *desc, const struct memory_desc *src, const struct memory_desc *weights,
			   const struct memory_desc *bias, const struct memory_desc *dst);
	int (*attr_create)(void **attr);
	int (*attr_scales)(void *attr, int64_t count, int mask, const float *scales);
	int (*attr_destroy)(void *attr);
	int (*primitive_desc_create)(void **desc, const struct matmul_desc *op, const void *attr, void *engine,
				     const void *hint);
	int (*reorder_desc_create)(void **desc, const void *from, void *from_engine, const void *to, void *to_engine,
				   const void *attr);
	const void *(*query_md)(const void *primitive_desc, int what, int index);
	int (*primitive_desc_destroy)(void *desc);
	int (*primitive_create)(void **primitive, const void *desc);
	int (*execute)(const void *primitive, void *stream, int count, const struct exec_arg *args);
	int (*primitive_destroy)(void *primitive);
	int (*memory_create)(void **memory, const void *desc, void *engine, void *handle);
	int (*memory_destroy)(void *memory);
};

struct job {
	struct onednn *dnn;
	uint64_t copies;
	void *x; /* owned, in its own type */
	float *scales; /* owned, of columns of Y */
	struct bench_memory packed; /* all copies */
	void *primitive_desc;
	void *primitive;
	void *src;
	void *dst;
	void **weights; /* memory object of each copy */
};

static bool find_all(struct onednn *dnn)
{
	const struct {
		const char *name;
		void *to;
	} functions[] = {
		/* Not its own: it runs on OpenMP, of which it was linked with one. */
		{"omp_set_num_threads", &dnn->set_threads},
		{"dnnl_version", &dnn->version},
		{"dnnl_engine_create", &dnn->engine_create},
		{"dnnl_engine_destroy", &dnn->engine_destroy},
		{"dnnl_stream_create", &dnn->stream_create},
		{"dnnl_stream_wait", &dnn->stream_wait},
		{"dnnl_stream_destroy", &dnn->stream_destroy},
		{"dnnl_memory_desc_init_by_strides", &dnn->desc_by_strides},
		{"dnnl_memory_desc_init_by_tag", &dnn->desc_by_tag},
		{"dnnl_memory_desc_get_size", &dnn->desc_size},
		{"dnnl_matmul_desc_init", &dnn->matmul_init},
		{"dnnl_primitive_attr_create", &dnn->attr_create},
		{"dnnl_primitive_attr_set_output_scales", &dnn->attr_scales},
		{"dnnl_primitive_attr_destroy", &dnn->attr_destroy},
		{"dnnl_primitive_desc_create", &dnn->primitive_desc_create},
		{"dnnl_reorder_primitive_desc_create", &dnn->reorder_desc_create},
		{"dnnl_primitive_desc_query_md", &dnn->query_md},
		{"dnnl_primitive_desc_destroy", &dnn->primitive_desc_destroy},
		{"dnnl_primitive_create", &dnn->primitive_create},
		{"dnnl_primitive_execute", &dnn->execute},
		{"dnnl_primitive_destroy", &dnn->primitive_destroy},
		{"dnnl_memory_create", &dnn->memory_create},
		{"dnnl_memory_destroy", &dnn->memory_destroy},
	};
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(dnn->library, functions[i].name);

		if (!function)
			return false;
		memcpy(functions[i].to, &function, sizeof(function));
	}
	return true;
}

static void onednn_close(void *state)
{
	struct onednn *dnn = state;

	if (dnn->stream)
		dnn->stream_destroy(dnn->stream);
	if (dnn->engine)
		dnn->engine_destroy(dnn->engine);
	/* Threads of OpenMP may still be on their way out of it, so it stays loaded. */
	free(dnn);
}

static int onednn_open(void **state, char *title)
{
	struct onednn *dnn = calloc(1, sizeof(*dnn));

	if (!dnn)
		return ENOMEM;
	dnn->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!dnn->library) {
		free(dnn);
		return ENOENT;
	}
	if (!find_all(dnn)) {
		free(dnn);
		return ENOSYS;
	}
	if (dnn->engine_create(&dnn->engine, ENGINE_CPU, 0) ||
	    dnn->stream_create(&dnn->stream, dnn->engine, STREAM_IN_ORDER)) {
		onednn_close(dnn);
		return ENOMEM;
	}
	snprintf(title, 64, "oneDNN %d.%d.%d", dnn->version()->major, dnn->version()->minor, dnn->version()->patch);
	*state = dnn;
	return 0;
}

static bool onednn_takes(enum pinpool_dtype dtype)
{
	return dtype == PINPOOL_DTYPE_F32 || dtype == PINPOOL_DTYPE_BF16 || dtype == PINPOOL_DTYPE_I8;
}

static void onednn_release(void *data)
{
	struct job *job = data;
	struct onednn *dnn = job->dnn;
	uint64_t i;

	for (i = 0; job->weights && i < job->copies; i++)
		if (job->weights[i])
			dnn->memory_destroy(job->weights[i]);
	if (job->src)
		dnn->memory_destroy(job->src);
	if (job->dst)
		dnn->memory_destroy(job->dst);
	if (job->primitive)
		dnn->primitive_destroy(job->primitive);
	if (job->primitive_desc)
		dnn->primitive_desc_destroy(job->primitive_desc);
	free(job->weights);
	bench_memory_free(&job->packed);
	free(job->scales);
	free(job->x);
	free(job);
}

/* Activations in the type that goes with the weights; for I8, the scales of Y as well. */
static int convert_x(struct job *job, const struct bench_product *product, struct bench_tolerance *tolerance)
{
	uint64_t count = product->m * product->k, i;
	float largest = 0, step;

	job->x = malloc(count * sizeof(float));
	if (!job->x)
		return -ENOMEM;
	*tolerance = (struct bench_tolerance){0};
	switch (product->dtype) {
	case PINPOOL_DTYPE_F32:
		memcpy(job->x, product->x, count * sizeof(float));
		return 0;
	case PINPOOL_DTYPE_BF16:
		/* Half a step of 8 bits of mantissa. */
		tolerance->rounding = 0x1p-9;
		for (i = 0; i < count; i++)
			((uint16_t *)job->x)[i] = bench_to_bf16(product->x[i]);
		return 0;
	default:
		break;
	}
	tolerance->rounding = PINPOOL_MATMUL_QUANT;
	tolerance->largest_of_all = true;
	job->scales = malloc(product->n * sizeof(float));
	if (!job->scales)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(product->x[i]));
	step = largest / 127;
	for (i = 0; i < count; i++)
		((int8_t *)job->x)[i] = (int8_t)lrintf(product->x[i] / step);
	for (i = 0; i < product->n; i++)
		job->scales[i] = step * product->w_scales[i];
	return 0;
}

/* Reorders each copy into @layout. */
static int pack(struct job *job, const struct bench_product *product, const struct memory_desc *plain,
		const void *layout)
{
	struct onednn *dnn = job->dnn;
	size_t bytes = (dnn->desc_size(layout) + 63) / 64 * 64;
	void *desc = NULL, *reorder = NULL, *from;
	int failed;
	uint64_t i;

	if (bench_memory_new(&job->packed, bytes * job->copies))
		return -ENOMEM;
	failed = dnn->reorder_desc_create(&desc, plain, dnn->engine, layout, dnn->engine, NULL) ||
		 dnn->primitive_create(&reorder, desc);
	for (i = 0; !failed && i < job->copies; i++) {
		struct exec_arg args[2];

		failed = dnn->memory_create(&job->weights[i], layout, dnn->engine,
					    (char *)job->packed.data + i * bytes) ||
			 dnn->memory_create(&from, plain, dnn->engine, (void *)(product->w + i * product->w_bytes));
		if (failed)
			break;
		args[0] = (struct exec_arg){ARG_SRC, from};
		args[1] = (struct exec_arg){ARG_DST, job->weights[i]};
		failed = dnn->execute(reorder, dnn->stream, 2, args) || dnn->stream_wait(dnn->stream);
		dnn->memory_destroy(from);
	}
	if (reorder)
		dnn->primitive_destroy(reorder);
	if (desc)
		dnn->primitive_desc_destroy(desc);
	return failed ? -EOPNOTSUPP : 0;
}

static int make_primitive(struct job *job, const struct bench_product *product)
{
	int64_t x_dims[] = {product->m, product->k}, w_dims[] = {product->k, product->n};
	int64_t y_dims[] = {product->m, product->n}, x_strides[] = {product->k, 1}, w_strides[] = {1, product->k};
	int64_t y_strides[] = {product->n, 1};
	int type = product->dtype == PINPOOL_DTYPE_F32	  ? TYPE_F32
		   : product->dtype == PINPOOL_DTYPE_BF16 ? TYPE_BF16
							  : TYPE_S8;
	struct memory_desc x, plain, any, y;
	struct onednn *dnn = job->dnn;
	struct matmul_desc op;
	void *attr = NULL;
	int failed;
	uint64_t i;

	failed = dnn->desc_by_strides(&x, 2, x_dims, type, x_strides) ||
		 dnn->desc_by_strides(&plain, 2, w_dims, type, w_strides) ||
		 dnn->desc_by_tag(&any, 2, w_dims, type, TAG_ANY) ||
		 dnn->desc_by_strides(&y, 2, y_dims, TYPE_F32, y_strides) ||
		 dnn->matmul_init(&op, &x, product->packed ? &any : &plain, NULL, &y) || dnn->attr_create(&attr);
	if (!failed && job->scales)
		failed = dnn->attr_scales(attr, product->n, SCALE_COLUMNS, job->scales);
	if (!failed)
		failed = dnn->primitive_desc_create(&job->primitive_desc, &op, attr, dnn->engine, NULL) ||
			 dnn->primitive_create(&job->primitive, job->primitive_desc) ||
			 dnn->memory_create(&job->src, &x, dnn->engine, job->x) ||
			 dnn->memory_create(&job->dst, &y, dnn->engine, product->y);
	if (attr)
		dnn->attr_destroy(attr);
	if (failed)
		return -EOPNOTSUPP;
	if (product->packed)
		return pack(job, product, &plain, dnn->query_md(job->primitive_desc, QUERY_WEIGHTS, 0));
	for (i = 0; !failed && i < job->copies; i++)
		failed = dnn->memory_create(&job->weights[i], &plain, dnn->engine,
					    (void *)(product->w + i * product->w_bytes));
	return failed ? -ENOMEM : 0;
}

static int onednn_prepare(void *state, const struct bench_product *product, void **out,
			  struct bench_tolerance *tolerance)
{
	struct job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->dnn = state;
	job->copies = product->copies;
	job->weights = calloc(product->copies, sizeof(*job->weights));
	/* Before the primitive, which is made for so many. */
	job->dnn->set_threads((int)product->threads);
	err = job->weights ? convert_x(job, product, tolerance) : -ENOMEM;
	if (!err)
		err = make_primitive(job, product);
	if (err) {
		onednn_release(job);
		return err;
	}
	*out = job;
	return 0;
}

static void onednn_run(void *data, uint64_t copy)
{
	const struct job *job = data;
	const struct exec_arg args[] = {{ARG_SRC, job->src}, {ARG_WEIGHTS, job->weights[copy]}, {ARG_DST, job->dst}};

	/* One that fails leaves what it should have written, which the check finds. */
	if (!job->dnn->execute(job->primitive, job->dnn->stream, 3, args))
		job->dnn->stream_wait(job->dnn->stream);
}

const struct bench_rival bench_onednn = {
	.name = "onednn",
	.package = "libdnnl2",
	.open = onednn_open,
	.close = onednn_close,
	.takes = onednn_takes,
	.prepare = onednn_prepare,
	.run = onednn_run,
	.release = onednn_release,
};
