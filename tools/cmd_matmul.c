/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool matmul: Y = X * W^T with a tensor of a pool, or of a checkpoint, as W, timed and checked against the
 * reference. */
#include "bench/figures.h"
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "math_args.h"
#include "matmul_check.h"
#include "npy.h"
#include "random.h"
#include "size.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct matmul_args {
	int64_t m; /* 0: not given */
	const char *x;
	const char *out;
	struct math_args math;
	int64_t seed;
	int64_t repeat;
	bool unpacked;
	uint64_t window; /* bytes, 0: not given */
};

enum {
	DEFAULT_M = 64,
	/* Activations that share a scale in front of codes of four bits, which lose a part of the largest value:
	   math.h. */
	CODED_RUN = 32,
	CODED_PART = 64,
};

static const struct option_spec options[] = {
	OPTION('m', "m", "M", "rows of random activations; 64 if not given", OPTION_NUMBER, struct matmul_args, m,
	       .min = 1, .max = 1 << 20),
	OPTION('x', "x", "FILE", "activations from a .npy file of f32 [M,K]", OPTION_TEXT, struct matmul_args, x),
	OPTION(0, "out", "FILE", "write the product to a .npy file", OPTION_TEXT, struct matmul_args, out),
	MATH_OPTIONS(struct matmul_args, math),
	OPTION(0, "seed", "N", "of the random activations and of the sample that is checked; 1 if not given",
	       OPTION_NUMBER, struct matmul_args, seed, .min = 0, .max = INT64_MAX),
	OPTION(0, "repeat", "N", "times to compute it, the fastest counts; 5 if not given", OPTION_NUMBER,
	       struct matmul_args, repeat, .min = 1, .max = 1000000),
	OPTION(0, "unpacked", NULL, "multiply by the tensor itself even if there is a packing of it", OPTION_FLAG,
	       struct matmul_args, unpacked),
	OPTION(0, "window", "SIZE", "stream the tensor out of a checkpoint, whose path is NAME, through so much memory",
	       OPTION_SIZE, struct matmul_args, window),
	{0},
};

/* What is multiplied and with what; @x and @y are owned. */
struct job {
	const struct matmul_args *args;
	char object[640]; /* POOL: TENSOR, for messages */
	struct pinpool_tensor tensor; /* if it is coded, with the type and shape that it had before */
	struct pinpool_coded coded; /* then it is this */
	struct npy x;
	struct npy y;
	struct pinpool_math *math;
	struct pinpool_window *window; /* of a checkpoint, or NULL for a pool */
	void *row; /* of it */
	struct pinpool_packings *packings; /* NULL if none are used */
	struct pinpool_packing packing; /* of @tensor; no data if none is used */
	struct pinpool_diag unused; /* why packings that are there are not used; no cause if there are none */
	double seconds; /* of the fastest run */
};

static int check_tensor(struct cli *cli, const struct job *job)
{
	const struct pinpool_tensor *tensor = &job->tensor;

	if (tensor->ndim != 2)
		return error_line(cli, job->object, "matmul takes a tensor [N,K]", "it has %u dimension%s",
				  tensor->ndim, tensor->ndim == 1 ? "" : "s");
	if (!tensor->coded && !pinpool_matmul_takes(tensor->dtype))
		return error_line(cli, job->object, "pinpool help matmul lists those that it takes", "its type is %s",
				  pinpool_dtype_name(tensor->dtype));
	if (!tensor->shape[0] || !tensor->shape[1])
		return error_line(cli, job->object, NULL, "it has no elements");
	return STATUS_OK;
}

static int make_x(struct cli *cli, struct job *job)
{
	const struct matmul_args *args = job->args;
	uint64_t k = job->tensor.shape[1], seed = args->seed, elements, bytes, i;
	struct pinpool_diag diag = {0};
	int err;

	if (args->x) {
		err = npy_read(args->x, &job->x, &diag);
		if (err)
			return error_diag(cli, err, &diag);
		if (job->x.columns != k)
			return error_line(cli, args->x, NULL, "has %llu columns, but %s has %llu",
					  (unsigned long long)job->x.columns, job->object, (unsigned long long)k);
		return STATUS_OK;
	}
	job->x.rows = args->m ? args->m : DEFAULT_M;
	job->x.columns = k;
	if (__builtin_mul_overflow(job->x.rows, k, &elements) ||
	    __builtin_mul_overflow(elements, sizeof(float), &bytes))
		return error_line(cli, job->object, "choose a smaller --m", "the activations are too large");
	job->x.data = malloc(bytes);
	if (!job->x.data)
		return error_line(cli, job->object, "choose a smaller --m", "no memory for %llu bytes of activations",
				  (unsigned long long)bytes);
	for (i = 0; i < elements; i++)
		job->x.data[i] = random_float(&seed);
	return STATUS_OK;
}

static int make_y(struct cli *cli, struct job *job)
{
	uint64_t bytes;

	job->y.rows = job->x.rows;
	job->y.columns = job->tensor.shape[0];
	if (__builtin_mul_overflow(job->y.rows, job->y.columns, &bytes) ||
	    __builtin_mul_overflow(bytes, sizeof(float), &bytes))
		return error_line(cli, job->object, "choose fewer rows of activations", "the product is too large");
	job->y.data = malloc(bytes);
	if (!job->y.data)
		return error_line(cli, job->object, "choose fewer rows of activations",
				  "no memory for %llu bytes of product", (unsigned long long)bytes);
	return STATUS_OK;
}

/* Looks for a packing. Not to have one is no failure, but one that cannot be used is worth a word. */
static void find_packing(struct job *job, struct pinpool_pool *pool)
{
	int err;

	err = pinpool_packings_open(pool, job->math, &job->packings, &job->unused);
	if (!err)
		err = pinpool_packings_find(job->packings, job->tensor.name, &job->packing, &job->unused);
	if (err == -ENOENT)
		job->unused.cause[0] = '\0';
}

/* All of the tensor, from the file on. */
static int stream(struct job *job, const struct pinpool_matmul_args *product, struct pinpool_diag *diag)
{
	struct pinpool_matmul_args streamed = *product;
	int err;

	streamed.w_dtype = PINPOOL_DTYPE_INVALID;
	err = pinpool_window_rewind(job->window, diag);
	return err ? err : pinpool_window_matmul(job->window, job->math, NULL, &streamed, diag);
}

/* For the check: a row of the weights, decoded. */
static const void *decode_row(void *arg, uint64_t row, struct pinpool_diag *diag)
{
	struct job *job = arg;
	uint64_t n = job->tensor.shape[0], k = job->tensor.shape[1];

	return pinpool_coded_row(job->row, &job->coded, n, k, row, 0, k, diag) ? NULL : job->row;
}

/* For the check: a row of the weights, read from the file. */
static const void *read_row(void *arg, uint64_t row, struct pinpool_diag *diag)
{
	struct job *job = arg;

	if (pinpool_window_gather(job->window, job->tensor.name, &row, 1, job->row, diag))
		return NULL;
	return job->row;
}

static int compute(struct job *job, const struct pinpool_matmul_args *product, struct pinpool_diag *diag)
{
	double start, seconds;
	int64_t i;
	int err;

	for (i = 0; i < job->args->repeat; i++) {
		start = bench_now();
		err = job->window ? stream(job, product, diag) : pinpool_matmul(job->math, product, diag);
		seconds = bench_now() - start;
		if (err)
			return err;
		if (!i || seconds < job->seconds)
			job->seconds = seconds;
	}
	return 0;
}

static uint64_t window_bytes(const struct job *job)
{
	struct pinpool_window_stats stats = {.size = sizeof(stats)};

	pinpool_window_get_stats(job->window, &stats);
	return stats.window_bytes;
}

static void print_job(const struct job *job)
{
	unsigned long long m = job->y.rows, n = job->y.columns, k = job->x.columns;
	uint32_t threads = pinpool_math_threads(job->math);
	char size[SIZE_TEXT_MAX];
	/* A clock that did not move must not give infinity. */
	double seconds = job->seconds > 1e-9 ? job->seconds : 1e-9;

	printf("%s: y[%llu,%llu] = x[%llu,%llu] * w[%llu,%llu]^T, w %s%s%s, x %s\n", job->object, m, n, m, k, n, k,
	       pinpool_dtype_name(job->tensor.dtype), job->tensor.coded ? " as " : "",
	       job->tensor.coded ? pinpool_coded_kind_name(job->tensor.coded) : "",
	       job->args->x ? job->args->x : "random");
	printf("%.3f ms (best of %lld), %.2f GFLOP/s, %.2f GB/s of weights, %s, %u thread%s%s", seconds * 1e3,
	       (long long)job->args->repeat, 2e-9 * (double)m * (double)n * (double)k / seconds,
	       (double)job->tensor.bytes / seconds * 1e-9, pinpool_isa_name(pinpool_math_isa(job->math)), threads,
	       threads == 1 ? "" : "s", job->packing.data ? ", packed" : "");
	if (job->window)
		printf(", streamed through %s", size_long(window_bytes(job), size));
	if (*job->unused.cause)
		printf(", unpacked: %s: %s", job->unused.object, job->unused.cause);
	putchar('\n');
}

/* The largest magnitude in any dictionary. */
static float largest_value(const struct job *job)
{
	const struct pinpool_coded *coded = &job->coded;
	uint64_t groups = 1, i;
	float largest = 0;

	if (coded->group_rows)
		groups *= (job->tensor.shape[0] + coded->group_rows - 1) / coded->group_rows;
	if (coded->group_columns)
		groups *= (job->tensor.shape[1] + coded->group_columns - 1) / coded->group_columns;
	for (i = 0; i < groups * coded->dictionary_values; i++)
		largest = fmaxf(largest, fabsf(coded->dictionary[i]));
	return largest;
}

/* A coded tensor is multiplied by in place, and checked against rows that are decoded one at a time. */
static int set_coded(struct cli *cli, struct job *job, struct pinpool_matmul_args *product,
		     struct matmul_check_how *how)
{
	job->row = malloc(product->k * sizeof(float));
	if (!job->row)
		return error_line(cli, job->object, NULL, "no memory for a row of it");
	*how = matmul_check_how(product, job->args->seed);
	/* Activations may become integers, and so may what they meet. */
	if (job->coded.kind == PINPOOL_CODED_DICTIONARY && job->coded.code_bits == 4) {
		how->budget += PINPOOL_MATMUL_QUANT;
		how->run = CODED_RUN;
		how->lift = largest_value(job) / CODED_PART;
	}
	how->row = decode_row;
	how->row_arg = job;
	product->w = NULL;
	product->w_dtype = PINPOOL_DTYPE_INVALID;
	product->w_coded = &job->coded;
	return STATUS_OK;
}

static int multiply(struct cli *cli, struct job *job)
{
	PINPOOL_OPTS(pinpool_matmul_args, product, .m = job->x.rows, .n = job->y.columns, .k = job->x.columns,
		     .x = job->x.data, .w = job->tensor.data, .w_dtype = job->tensor.dtype, .y = job->y.data);
	struct pinpool_matmul_args packed, check_args;
	struct pinpool_diag diag = {0};
	struct matmul_check_how how = matmul_check_how(&product, job->args->seed);
	struct matmul_check check;
	int err, status;

	check_args = product;
	if (job->tensor.coded) {
		check_args.w = NULL;
		check_args.w_dtype = PINPOOL_DTYPE_F32;
		status = set_coded(cli, job, &product, &how);
		if (status)
			return status;
	}
	packed = product;
	if (job->window) {
		job->row = malloc(job->tensor.bytes / product.n);
		if (!job->row)
			return error_line(cli, job->object, NULL, "no memory for a row of it");
		how.row = read_row;
		how.row_arg = job;
	}
	packed.w = NULL;
	packed.packing = &job->packing;
	err = compute(job, job->packing.data ? &packed : &product, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	print_job(job);
	err = matmul_check(&check_args, &how, &check, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	if (!check.within)
		return error_line(cli, job->object, "--isa portable may be right; please report this",
				  "y[%llu,%llu] is %.9g, the reference gives %.9g: not within the budget",
				  (unsigned long long)check.row, (unsigned long long)check.column, (double)check.is,
				  (double)check.should);
	printf("checked %llu of %llu columns against the reference: error at most %.2g of the sum of magnitudes, "
	       "budget %.2g\n",
	       (unsigned long long)check.columns, (unsigned long long)product.n, check.largest, how.budget);
	if (job->args->out) {
		err = npy_write(job->args->out, &job->y, &diag);
		if (err)
			return error_diag(cli, err, &diag);
	}
	return STATUS_OK;
}

/* The tensor is known; @pool may have packings of it. */
static int run_job(struct cli *cli, struct job *job, struct pinpool_pool *pool)
{
	int status;

	status = check_tensor(cli, job);
	if (status)
		return status;
	status = math_args_open(cli, &job->args->math, &job->math);
	if (status)
		return status;
	if (pool && !job->args->unpacked && !job->tensor.coded)
		find_packing(job, pool);
	status = make_x(cli, job);
	if (!status)
		status = make_y(cli, job);
	if (!status)
		status = multiply(cli, job);
	free(job->x.data);
	free(job->y.data);
	free(job->row);
	pinpool_packings_close(job->packings);
	pinpool_math_free(job->math);
	return status;
}

static int find_tensor(struct cli *cli, struct job *job, const struct pinpool_catalog *catalog, char **operands)
{
	char change[128];

	if (!pinpool_catalog_find(catalog, operands[1], &job->tensor))
		return STATUS_OK;
	snprintf(change, sizeof(change), "pinpool show %s lists them", operands[0]);
	return error_line(cli, job->object, change, "no such tensor");
}

/* What a coded tensor is, checked once, so that products need not. */
static int open_coded(struct cli *cli, struct job *job)
{
	struct pinpool_tensor *tensor = &job->tensor;
	struct pinpool_diag diag = {0};
	uint64_t n, k;
	int err;

	if (!tensor->coded)
		return STATUS_OK;
	job->coded.size = sizeof(job->coded);
	err = pinpool_coded_open(tensor, &job->coded, &n, &k, &diag);
	if (!err)
		err = pinpool_coded_check(&job->coded, n, k, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	job->coded.flags |= PINPOOL_CODED_CHECKED;
	tensor->dtype = tensor->plain_dtype;
	tensor->ndim = tensor->plain_ndim;
	tensor->shape = tensor->plain_shape;
	return STATUS_OK;
}

static int run_pool(struct cli *cli, struct job *job, char **operands)
{
	struct pinpool_catalog *catalog = NULL;
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int err, status;

	status = cli_open_pool(cli, operands[0], PINPOOL_OPEN_READ, &pool);
	if (status)
		return status;
	err = pinpool_catalog_open(pool, &catalog, &diag);
	status = err ? error_diag(cli, err, &diag) : find_tensor(cli, job, catalog, operands);
	if (!status)
		status = open_coded(cli, job);
	if (!status)
		status = run_job(cli, job, pool);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	return status;
}

static int run_window(struct cli *cli, struct job *job, char **operands)
{
	const char *const tensors[] = {operands[1]};
	PINPOOL_OPTS(pinpool_window_opts, opts, .bytes = job->args->window, .tensors = tensors, .tensor_count = 1,
		     .cancel = interrupt_begin());
	struct pinpool_diag diag = {0};
	int err, status;

	status = cli_open(cli);
	if (status)
		return status;
	err = pinpool_window_open(cli->ctx, operands[0], &opts, &job->window, &diag);
	if (!err)
		err = pinpool_window_tensor(job->window, 0, &job->tensor);
	status = err ? error_diag(cli, err, &diag) : run_job(cli, job, NULL);
	pinpool_window_close(job->window);
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct job job = {
		.args = data,
		.tensor.size = sizeof(job.tensor),
		.packing.size = sizeof(job.packing),
	};

	if (job.args->x && job.args->m)
		return error_usage(cli, "--x", "give one of them", "it has as many rows as it has: no --m");
	if (job.args->window && job.args->unpacked)
		return error_usage(cli, "--unpacked", "leave it out", "there are no packings with --window");
	snprintf(job.object, sizeof(job.object), "%s: %s", operands[0], operands[1]);
	return job.args->window ? run_window(cli, &job, operands) : run_pool(cli, &job, operands);
}

const struct command command_matmul = {
	.name = "matmul",
	.operands = "NAME TENSOR",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "multiply by a tensor where it lies, and check the product",
	.example = "  pinpool matmul lite module/Embeddings_en --m 128",
	.options = options,
	.args_size = sizeof(struct matmul_args),
	.defaults = &(const struct matmul_args){.seed = 1, .repeat = 5},
	.run = run,
};
