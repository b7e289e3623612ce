/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Few rows of X, or few of W: nothing is used often enough to pay for packing. The longer factor's rows are streamed
 * from memory, several side by side, against the shorter one's, which stay in the caches.
 */
#include "math/ways.h"

#include <string.h>

/*
 * Rows of X up to which streaming wins always; of types that are not codes it does up to the table's stream_m, as long as
 * X stays in a quarter of the last cache. Measured with AVX2 and AVX-512 on shapes of language models; see docs/matmul.md.
 */
#define ROWS_ALWAYS 8

/* Rows of X from which on sparse weights meet it in panels. */
#define ROWS_SPARSE 3

/* Rows of X up to which codes of 4 bits meet it as integers, and bf16 with its exponents apart as pairs. */
#define ROWS_INTEGERS 32
#define ROWS_PAIRS    32

/* Rows of W from which on a copy of X is paid for. */
#define ROWS_FOR_COPY 64
/* Values in a page of X, after which the sets of a first cache repeat. */
#define PAGE_VALUES ((size_t)4096 / sizeof(float))

/* Bytes of W in one unit when it is read once. Less and a unit's start shows; more and the last one holds the rest. */
#define UNIT_BYTES ((size_t)1 << 20)

static bool meets_integers(const struct product *p)
{
	return coded_meets_integers(&p->coded, p->k);
}

/* Activations that share a scale, 0 where they stay f32. */
static size_t x_run(const struct product *p)
{
	if (p->coded.kind)
		return meets_integers(p) ? CODEBOOK_RUN : 0;
	return elements[p->weight].block > 1 ? elements[p->weight].block : 0;
}

static size_t sums_a_run(const struct product *p)
{
	return elements[p->weight].block == 256 ? QUANTISED_SUMS : 0;
}

/*
 * Values from a row of a copy of X to the next. In a model rows are whole pages, and those of X and W that meet would all
 * want the same few sets of the first cache; so every other row of X begins in the middle of a page.
 */
static size_t copied_stride(const struct product *p)
{
	return (p->k + PAGE_VALUES / 2 - 1) / PAGE_VALUES * PAGE_VALUES + PAGE_VALUES / 2;
}

/* Whether bf16 with its exponents apart meets activations of bf16 as they are. */
static bool is_of_exponent_pairs(const struct math_kernels *kernels, const struct product *p)
{
	return p->coded.kind == PINPOOL_CODED_EXPONENTS && p->x_element == ELEMENT_BF16 && kernels->order_pairs;
}

/* What brings a row of X into the order in which the weights come; NULL: it is as it is. */
typedef void (*order_fn)(float *dst, const float *x, size_t k);

static order_fn order_of(const struct math_kernels *kernels, const struct product *p)
{
	if (is_of_exponent_pairs(kernels, p))
		return kernels->order_pairs;
	return p->coded.kind == PINPOOL_CODED_EXPONENTS ? kernels->order_x : NULL;
}

static struct quantised quantised_row(const struct product *p, const struct quantised *all, size_t row)
{
	size_t runs = row * (p->k / x_run(p));

	return (struct quantised){
		.codes = all->codes + row * p->k,
		.scales = all->scales + runs,
		.sums = all->sums + runs * sums_a_run(p),
	};
}

static void dot_coded(const struct gemv *gemv, struct dot_coded_args args, size_t m0)
{
	if (meets_integers(gemv->product)) {
		args.q = quantised_row(gemv->product, &gemv->x, m0);
		gemv->kernels->dot_codebook(&args);
	} else if (!coded_is_sparse(args.w)) {
		if (order_of(gemv->kernels, gemv->product)) {
			args.ldx = copied_stride(gemv->product);
			args.x = gemv->rows + m0 * args.ldx;
		}
		if (is_of_exponent_pairs(gemv->kernels, gemv->product))
			gemv->kernels->dot_exponent_pairs(&args);
		else
			gemv->kernels->dot_decoded(&args);
	} else if (!gemv->x_size) {
		gemv->kernels->dot_sparse(&args);
	} else {
		args.x = gemv->rows + m0 * args.k;
		gemv->kernels->dot_sparse_panel(&args);
	}
}

/* @m rows of X from @m0 on times @n of W from @n0 on. */
static void dot(const struct gemv *gemv, size_t m0, size_t m, size_t n0, size_t n)
{
	const struct product *p = gemv->product;
	float *y = (float *)p->y + m0 * p->ldy + n0;

	if (p->coded.kind)
		dot_coded(gemv, (struct dot_coded_args){
			.m = m,
			.first = n0,
			.rows = n,
			.k = p->k,
			.x = (const float *)p->x + m0 * p->ldx,
			.ldx = p->ldx,
			.w = &p->coded,
			.y = y,
			.ldy = p->ldy,
		}, m0);
	else if (elements[p->weight].block > 1)
		gemv->kernels->dot_blocks[p->weight](&(struct dot_blocks_args){
			.m = m,
			.rows = n,
			.k = p->k,
			.x = quantised_row(p, &gemv->x, m0),
			.w = p->w + n0 * p->ldw,
			.ldw = p->ldw,
			.y = y,
			.ldy = p->ldy,
		});
	else
		gemv->kernels->dot[p->weight](&(struct dot_args){
			.m = m,
			.rows = n,
			.k = p->k,
			.x = gemv->x_size ? gemv->rows + m0 * copied_stride(p) : (const float *)p->x + m0 * p->ldx,
			.ldx = gemv->x_size ? copied_stride(p) : p->ldx,
			.w = p->w + n0 * p->ldw,
			.ldw = p->ldw,
			.y = y,
			.ldy = p->ldy,
		});
}

void gemv_unit(const struct gemv *gemv, size_t unit)
{
	const struct product *p = gemv->product;
	size_t m0 = unit / gemv->units_n * gemv->unit_m;
	size_t part = unit % gemv->units_n, n0 = part * gemv->unit_n, n1 = min(n0 + gemv->unit_n, p->n);
	size_t m1 = min(m0 + gemv->unit_m, p->m);

	if (coded_is_sparse(&p->coded)) {
		n0 = coded_part(&p->coded, p->n, part, gemv->units_n);
		n1 = coded_part(&p->coded, p->n, part + 1, gemv->units_n);
	}
	for (size_t m = m0; m < m1; m += gemv->dot_m)
		dot(gemv, m, min(m1 - m, gemv->dot_m), n0, n1 - n0);
}

size_t gemv_values(const struct product *p)
{
	size_t values;

	if (coded_is_sparse(&p->coded))
		return coded_work(&p->coded, p->n);
	return __builtin_mul_overflow(p->k, p->n, &values) ? SIZE_MAX : values;
}

size_t gemv_units(const struct gemv *gemv)
{
	return gemv->units_m * gemv->units_n;
}

void gemv_prepare_unit(const struct gemv *gemv, size_t unit)
{
	const struct product *p = gemv->product;
	order_fn order = order_of(gemv->kernels, p);
	struct quantised row;

	if (coded_is_sparse(&p->coded)) {
		gemv->kernels->pack_sparse_x(gemv->rows + unit * SPARSE_ROWS * p->k,
					     (const float *)p->x + unit * SPARSE_ROWS * p->ldx, p->ldx,
					     min(p->m - unit * SPARSE_ROWS, SPARSE_ROWS), p->k);
		return;
	}
	if (order) {
		order(gemv->rows + unit * copied_stride(p), (const float *)p->x + unit * p->ldx, p->k);
		return;
	}
	if (!x_run(p)) {
		memcpy(gemv->rows + unit * copied_stride(p), (const float *)p->x + unit * p->ldx, p->k * sizeof(float));
		return;
	}
	row = quantised_row(p, &gemv->x, unit);
	if (p->coded.kind)
		gemv->kernels->quantise_halves(&row, (const float *)p->x + unit * p->ldx, p->k);
	else
		gemv->kernels->quantise(&row, (const float *)p->x + unit * p->ldx, p->k, elements[p->weight].block);
}

size_t gemv_prepare_units(const struct gemv *gemv)
{
	size_t rows = coded_is_sparse(&gemv->product->coded) ? SPARSE_ROWS : 1;

	return gemv->x_size ? (gemv->product->m - 1) / rows + 1 : 0;
}

void gemv_place_x(struct gemv *gemv, void *memory)
{
	const struct product *p = gemv->product;
	size_t runs = x_run(p) ? p->m * p->k / x_run(p) : 0;

	gemv->rows = memory;
	gemv->x.scales = memory;
	gemv->x.sums = (int32_t *)(gemv->x.scales + runs);
	gemv->x.codes = (int8_t *)(gemv->x.sums + runs * sums_a_run(p));
}

bool gemv_fits(const struct pinpool_math *math, const struct product *p)
{
	const struct panel_type *type = &math->kernels->fresh[p->weight];

	if (coded_is_sparse(&p->coded))
		return true;
	if (p->packing || p->weight == ELEMENT_I8)
		return false;
	if (p->m <= ROWS_ALWAYS || p->n < type->nr / 2)
		return true;
	/* Codes would be decoded again for every four rows, which pays for some rows if the panels would be f32. */
	if (meets_integers(p))
		return p->m <= ROWS_INTEGERS && !gemm_takes_codebooks(math, p);
	if (is_of_exponent_pairs(math->kernels, p))
		return p->m <= ROWS_PAIRS;
	if (p->coded.kind || elements[p->weight].block > 1 || product_is_of_pairs(p, math->kernels))
		return false;
	return p->m <= math->kernels->stream_m && p->k <= math->cache.l3 / 4 / sizeof(float) / p->m;
}

/* Sparse weights that meet enough of X that it is worth bringing into panels. */
static bool pays_for_panels(const struct product *p)
{
	return coded_is_sparse(&p->coded) && p->m >= ROWS_SPARSE && coded_work(&p->coded, p->n) > p->k;
}

/* Bytes of a row of W, or of the mean one. */
static size_t row_bytes(const struct product *p)
{
	const struct coded *w = &p->coded;
	size_t bytes = 0;

	if (!w->kind)
		return product_w_bytes(p, p->k);
	for (size_t i = 0; i < w->array_count; i++)
		bytes += w->arrays[i].end - w->arrays[i].start;
	return bytes / p->n + 1;
}

void gemv_plan(struct gemv *gemv, const struct pinpool_math *math, const struct product *p)
{
	const struct math_kernels *kernels = math->kernels;
	size_t run = x_run(p), bytes, rows;

	*gemv = (struct gemv){ .kernels = kernels, .product = p, .dot_m = kernels->dot_m };
	if (pays_for_panels(p)) {
		gemv->dot_m = SPARSE_ROWS;
		gemv->x_size = ((p->m - 1) / SPARSE_ROWS + 1) * SPARSE_ROWS * p->k * sizeof(float);
	}
	if (order_of(kernels, p))
		gemv->x_size = p->m * copied_stride(p) * sizeof(float);
	if (!run && !p->coded.kind) {
		gemv->dot_m = DOT_MOST;
		if (p->m > kernels->dot_m && p->m <= DOT_MOST && p->n >= ROWS_FOR_COPY)
			gemv->x_size = p->m * copied_stride(p) * sizeof(float);
	}
	/* What is read again for the next rows of X should still be near. */
	bytes = p->m <= gemv->dot_m ? UNIT_BYTES : math->cache.l2 / 4;
	rows = bytes / row_bytes(p);
	if (run)
		gemv->x_size = p->m * p->k + p->m * p->k / run * (1 + sums_a_run(p)) * sizeof(float);
	if (rows > p->n / (4 * team_threads(math->team)))
		rows = p->n / (4 * team_threads(math->team));
	rows -= rows % kernels->dot_rows;
	gemv->unit_n = rows ? rows : kernels->dot_rows;
	/* One unit of X where W has rows enough to share out. */
	gemv->unit_m = p->m <= DOT_MOST ? p->m : 16 * kernels->dot_m;
	if (gemv_values(p) <= ALONE / p->m) {
		gemv->unit_m = p->m;
		gemv->unit_n = p->n;
	}
	gemv->units_n = (p->n - 1) / gemv->unit_n + 1;
	gemv->units_m = (p->m - 1) / gemv->unit_m + 1;
}
