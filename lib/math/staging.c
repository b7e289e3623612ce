/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products whose activations or results are not f32, or that have a bias: X is widened before, and Y is finished after,
 * which adds the bias and narrows. In between is a product in f32, so a result is rounded once more, at the end.
 *
 * Both passes touch each element once; a row is cut into parts, so that one long row is many threads' work, too.
 */
#include <errno.h>

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

int staged_run(struct pinpool_math *math, const struct product *p)
{
	bool widens = p->x_element != ELEMENT_F32, narrows = p->y_element != ELEMENT_F32;
	struct product f32 = *p;
	struct pass pass = { .kernels = math->kernels, .from = p, .to = &f32 };
	size_t x_floats = 0, y_floats = 0, floats;
	float *memory;
	int ret;

	/* Each has as many elements as lie in memory already, so neither product overflows, but the sum of both may. */
	if (widens)
		x_floats = p->m * p->k;
	if (narrows)
		y_floats = p->m * p->n;
	if (widens || narrows) {
		if (__builtin_add_overflow(x_floats, y_floats, &floats))
			return -ENOMEM;
		memory = scratch_get(&math->staged, floats);
		if (!memory)
			return -ENOMEM;
		if (widens) {
			f32.x = memory;
			f32.ldx = p->k;
		}
		if (narrows) {
			f32.y = memory + x_floats;
			f32.ldy = p->n;
		}
	}
	if (widens)
		run_pass(math, &pass, widen_part, p->m, p->k);
	ret = product_run(math, &f32);
	if (!ret && (narrows || p->bias))
		run_pass(math, &pass, narrow_part, p->m, p->n);
	return ret;
}
