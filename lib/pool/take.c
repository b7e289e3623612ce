/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Taking a pool to fill it; see take.h. */
#include "pool/take.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "pool/ctx.h"

#include <errno.h>

static int create_pool(struct take *take, struct pinpool_diag *diag)
{
	struct pinpool_create_opts create;
	uint64_t start = clock_now_ns();
	int err;

	err = opts_read(&create, sizeof(create), take->create);
	if (err)
		return diag_set(diag, err, "pinpool_create_opts", NULL, "options this library does not know");
	if (!create.capacity)
		create.capacity = take->need;
	if (create.capacity < take->need) {
		take->small = create.capacity;
		return -ENOSPC;
	}
	err = pinpool_pool_create(take->ctx, take->name, &create, diag);
	if (!err) {
		take->created = true;
		take->create_ns = clock_now_ns() - start;
	}
	/* Made by somebody else since we looked; whether it can be used shows below. */
	return err == -EEXIST ? 0 : err;
}

int take_begin(struct take *take, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	int err;

	err = pinpool_pool_open(take->ctx, take->name, PINPOOL_OPEN_WRITE, &take->pool, &why);
	if (err && err != -ENOENT && diag)
		*diag = why;
	if (err == -ENOENT) {
		err = create_pool(take, diag);
		if (!err)
			err = pinpool_pool_open(take->ctx, take->name, PINPOOL_OPEN_WRITE, &take->pool, diag);
	}
	if (err)
		return err;
	err = pinpool_pool_begin(take->pool, diag);
	/* Somebody else was faster, with the pool that we made, too: it is his now. */
	if (err == -EBUSY || err == -EROFS)
		take->created = false;
	if (err == -EROFS)
		return diag_set(diag, -EEXIST, take->name, "choose another name, or remove the pool first",
				"a pool of this name is READY");
	return err;
}

void take_give_up(struct take *take, const char *made_for)
{
	/* Before it is EMPTY, so that nobody takes over what goes next. */
	if (take->created && pinpool_pool_destroy(take->ctx, take->name, NULL))
		ctx_log(take->ctx, PINPOOL_LOG_WARN, "%s: the pool made for %s could not be removed", take->name,
			made_for);
	if (take->pool)
		pinpool_pool_abort(take->pool);
	pinpool_pool_close(take->pool);
}
