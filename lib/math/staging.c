/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products whose activations or results are not f32, or that have a bias: X is widened before, and Y is finished after,
 * which adds the bias and narrows. In between is a product in f32, so a result is rounded once more, at the end.
 *
 * Both passes touch each element once; a row is cut into parts, so that one long row is many threads' work, too.
 */
#include <errno.h>
#include <stdlib.h>

#include "math/context.h"

/* Elements of a part: enough to pay for handing it out. */
#define PART ((size_t)16 << 10)

struct pass {
	const struct math_kernels *kernels;
	const struct product *from; /* as asked for */
	const struct product *to; /* in f32 */
	size_t columns;
	size_t parts; /* of a row */
};

static void widen_part(void *arg, size_t unit, unsigned int thread)
{
	const struct pass *pass = arg;
	const struct product *from = pass->from, *to = pass->to;
	size_t row = unit / pass->parts, first = unit % pass->parts * PART;
	size_t size = elements[from->x_element].size;

	pass->kernels->widen[from->x_element]((float *)to->x + row * to->ldx + first,
					      (const unsigned char *)from->x + (row * from->ldx + first) * size,
					      min(PART, pass->columns - first));
}

static void narrow_part(void *arg, size_t unit, unsigned int thread)
{
	const struct pass *pass = arg;
	const struct product *from = pass->from, *to = pass->to;
	size_t row = unit / pass->parts, first = unit % pass->parts * PART;
	size_t size = elements[from->y_element].size;

	pass->kernels->narrow[from->y_element]((unsigned char *)from->y + (row * from->ldy + first) * size,
					       (const float *)to->y + row * to->ldy + first,
					       from->bias ? from->bias + first : NULL,
					       min(PART, pass->columns - first));
}

/* @fn for all of @rows rows. What is a part's work or less is not worth waking others for. */
static void run_pass(struct pinpool_math *math, struct pass *pass, team_fn fn, size_t rows, size_t columns)
{
	pass->columns = columns;
	pass->parts = (columns - 1) / PART + 1;
	if (rows <= PART / columns)
		for (size_t row = 0; row < rows; row++)
			fn(pass, row, 0);
	else
		team_run(math->team, fn, pass, rows * pass->parts);
}

/* A product in f32, with memory for what is not, which it takes from *@memory on; NULL only counts, in *@floats. */
static struct product in_f32(const struct product *p, float *memory, size_t *floats)
{
	struct product f32 = *p;

	if (p->x_element != ELEMENT_F32) {
		f32.x = memory ? memory + *floats : NULL;
		f32.ldx = p->k;
		*floats += p->m * p->k;
	}
	if (p->y_element != ELEMENT_F32) {
		f32.y = memory ? memory + *floats : NULL;
		f32.ldy = p->n;
		*floats += p->m * p->n;
	}
	return f32;
}

/* Does @products[i] have the same X as one before it, which has been widened? Returns which, or i. */
static size_t same_x(const struct product *products, size_t i)
{
	const struct product *p = &products[i];
	size_t j = 0;

	while (j < i && (products[j].x != p->x || products[j].x_element != p->x_element ||
			 products[j].ldx != p->ldx || products[j].m != p->m || products[j].k != p->k))
		j++;
	return j;
}

static void widen(struct pinpool_math *math, const struct product *products, struct product *f32, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct pass pass = { .kernels = math->kernels, .from = &products[i], .to = &f32[i] };
		size_t first;

		if (products[i].x_element == ELEMENT_F32)
			continue;
		first = same_x(products, i);
		if (first == i)
			run_pass(math, &pass, widen_part, products[i].m, products[i].k);
		else
			f32[i].x = f32[first].x;
	}
}

static void narrow(struct pinpool_math *math, const struct product *products, const struct product *f32, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct pass pass = { .kernels = math->kernels, .from = &products[i], .to = &f32[i] };

		if (products[i].y_element != ELEMENT_F32 || products[i].bias)
			run_pass(math, &pass, narrow_part, products[i].m, products[i].n);
	}
}

int staged_run(struct pinpool_math *math, const struct product *products, size_t count)
{
	struct product one = { 0 }, *f32 = count > 1 ? malloc(count * sizeof(*f32)) : &one;
	size_t floats = 0, taken = 0;
	float *memory = NULL;
	int ret = -ENOMEM;

	if (!f32)
		return ret;
	/* Each has as many elements as lie in memory already; the sum of a few such does not overflow. */
	for (size_t i = 0; i < count && floats <= PTRDIFF_MAX / sizeof(float); i++)
		in_f32(&products[i], NULL, &floats);
	if (floats > PTRDIFF_MAX / sizeof(float))
		goto out;
	if (floats) {
		memory = scratch_get(&math->staged, floats * sizeof(float));
		if (!memory)
			goto out;
	}
	for (size_t i = 0; i < count; i++)
		f32[i] = in_f32(&products[i], memory, &taken);
	widen(math, products, f32, count);
	ret = batch_run(math, f32, count);
	if (!ret)
		narrow(math, products, f32, count);
out:
	if (f32 != &one)
		free(f32);
	return ret;
}
