/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A load beside its caller: a thread of its own runs it, a follower tells those who wait how far it is. Nothing that
 * was given out dies before the caller is done: between the last byte, or a failure, and what would undo the mapping,
 * the load waits for pinpool_load_finish().
 */
#include "base/diag.h"
#include "base/opts.h"
#include "load/follow.h"
#include "load/landing.h"
#include "stream/place.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct named {
	const char *name;
	size_t index;
};

struct pinpool_loading {
	struct pinpool_ctx *ctx;
	char *name;
	char *path;
	struct pinpool_load_opts opts;
	struct pinpool_create_opts create;
	/* The caller's, where the load has ours. */
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *user_cancel;
	volatile int cancel;
	pthread_t thread;

	/* Written once, before @begun. */
	struct landing landing;
	struct named *by_name;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* any of what follows has changed */
	/* Below: under the lock. */
	bool begun; /* tensors can be looked up */
	uint64_t landed;
	bool finish; /* the caller is done with what it got */
	bool ended; /* all landed, or @error */
	int error;
	/* Thread of the load, then pinpool_load_finish(). */
	struct pinpool_load_report report;
	struct pinpool_diag why;
};

static int compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The thread of the load owns its ring, so it goes to the node of the memory. */
static void move_to(struct pinpool_pool *pool)
{
	struct place place;

	if (place_begin(&place, place_node(pool)))
		return;
	if (place.bound)
		sched_setaffinity(0, sizeof(place.processors), &place.processors);
	place_end(&place);
}

static int begin(void *arg, struct pinpool_pool *pool, const struct plan *plan, const void *base,
		 struct pinpool_diag *diag)
{
	struct pinpool_loading *loading = arg;

	move_to(pool);
	loading->landing = (struct landing){.plan = plan, .base = base, .digests = !loading->opts.no_digest};
	loading->by_name = calloc(plan->tensor_count + 1, sizeof(*loading->by_name));
	if (!loading->by_name)
		return diag_errno(diag, -ENOMEM, loading->name);
	for (size_t i = 0; i < plan->tensor_count; i++)
		loading->by_name[i] = (struct named){plan->tensors[i].name, i};
	qsort(loading->by_name, plan->tensor_count, sizeof(*loading->by_name), compare);
	pthread_mutex_lock(&loading->lock);
	loading->begun = true;
	pthread_cond_broadcast(&loading->wake);
	pthread_mutex_unlock(&loading->lock);
	return 0;
}

static void landed(void *arg, uint64_t end)
{
	struct pinpool_loading *loading = arg;

	pthread_mutex_lock(&loading->lock);
	/* What lands after a cancel is for nobody, however long the engine takes to notice it. */
	if (!loading->cancel)
		loading->landed = end;
	pthread_cond_broadcast(&loading->wake);
	pthread_mutex_unlock(&loading->lock);
}

static int publish(void *arg, const struct plan *plan, const struct pinpool_commit_opts *commit,
		   struct pinpool_diag *diag)
{
	struct pinpool_loading *loading = arg;
	bool finish;

	pthread_mutex_lock(&loading->lock);
	loading->ended = true;
	pthread_cond_broadcast(&loading->wake);
	while (!loading->finish && !loading->cancel)
		pthread_cond_wait(&loading->wake, &loading->lock);
	finish = !loading->cancel;
	pthread_mutex_unlock(&loading->lock);
	return finish ? 0 : diag_errno(diag, -ECANCELED, loading->name);
}

/* Lock held. The first error is the one that counts. */
static void fail(struct pinpool_loading *loading, int err)
{
	loading->ended = true;
	if (!loading->error)
		loading->error = err;
	pthread_cond_broadcast(&loading->wake);
}

static void stop(void *arg, int err)
{
	struct pinpool_loading *loading = arg;

	pthread_mutex_lock(&loading->lock);
	fail(loading, err);
	/* Somebody may be computing on what has landed. */
	while (loading->begun && !loading->finish)
		pthread_cond_wait(&loading->wake, &loading->lock);
	pthread_mutex_unlock(&loading->lock);
}

static void *loading_main(void *arg)
{
	struct pinpool_loading *loading = arg;
	const struct load_follower follower = {
		.arg = loading,
		.begin = begin,
		.landed = landed,
		.publish = publish,
		.stop = stop,
	};
	int err;

	loading->report.size = sizeof(loading->report);
	err = load_followed(loading->ctx, loading->name, loading->path, &loading->opts, &follower, &loading->report,
			    &loading->why);
	pthread_mutex_lock(&loading->lock);
	if (err)
		fail(loading, err);
	pthread_mutex_unlock(&loading->lock);
	return NULL;
}

static int progress(void *arg, const struct pinpool_progress *now)
{
	struct pinpool_loading *loading = arg;

	if (loading->user_cancel && *loading->user_cancel)
		return 1;
	return loading->progress ? loading->progress(loading->progress_arg, now) : 0;
}

static void loading_free(struct pinpool_loading *loading)
{
	pthread_cond_destroy(&loading->wake);
	pthread_mutex_destroy(&loading->lock);
	free(loading->by_name);
	free(loading->path);
	free(loading->name);
	pinpool_ctx_unref(loading->ctx);
	free(loading);
}

static int take_opts(struct pinpool_loading *loading, const struct pinpool_load_opts *user_opts,
		     struct pinpool_diag *diag)
{
	struct pinpool_load_opts *opts = &loading->opts;
	int err;

	err = opts_read(opts, sizeof(*opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_load_opts", NULL, "options this library does not know");
	if (opts->attach)
		return diag_set(diag, -EINVAL, "attach", "use pinpool_load()",
				"a load that is begun attaches to nothing");
	err = opts_read(&loading->create, sizeof(loading->create), opts->create);
	if (err)
		return diag_set(diag, err, "pinpool_create_opts", NULL, "options this library does not know");
	if (opts->create)
		opts->create = &loading->create;
	loading->progress = opts->progress;
	loading->progress_arg = opts->progress_arg;
	loading->user_cancel = opts->cancel;
	opts->progress = progress;
	opts->progress_arg = loading;
	opts->cancel = &loading->cancel;
	return 0;
}

int pinpool_load_start(struct pinpool_ctx *ctx, const char *name, const char *path,
		       const struct pinpool_load_opts *opts, struct pinpool_loading **out, struct pinpool_diag *diag)
{
	struct pinpool_loading *loading;
	pthread_condattr_t attr;
	int err;

	if (!name || !path || !out)
		return diag_set(diag, -EINVAL, "pinpool_load_start", NULL, "null pointer");
	loading = calloc(1, sizeof(*loading));
	if (!loading)
		return diag_errno(diag, -ENOMEM, name);
	pthread_mutex_init(&loading->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&loading->wake, &attr);
	pthread_condattr_destroy(&attr);
	loading->ctx = pinpool_ctx_ref(ctx);
	loading->name = strdup(name);
	loading->path = strdup(path);
	err = loading->name && loading->path ? take_opts(loading, opts, diag) : diag_errno(diag, -ENOMEM, name);
	if (!err) {
		err = -pthread_create(&loading->thread, NULL, loading_main, loading);
		if (err)
			diag_errno(diag, err, "thread of the load");
	}
	if (err) {
		loading_free(loading);
		return err;
	}
	*out = loading;
	return 0;
}

static struct timespec after_ms(int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return until;
}

/* Lock held. Sleeps until something changed. Returns 0 or -ETIMEDOUT. @until NULL: for ever. */
static int sleep_on(struct pinpool_loading *loading, const struct timespec *until)
{
	if (!until)
		return -pthread_cond_wait(&loading->wake, &loading->lock);
	return -pthread_cond_timedwait(&loading->wake, &loading->lock, until);
}

/* Byte behind the first @rows rows of tensor @index, all of them if @rows is NULL. Returns 0 or -EINVAL. */
static int end_of_rows(const struct landing *landing, size_t index, const uint64_t *rows, uint64_t *end)
{
	const struct pinpool_tensor *from = &landing->plan->tensors[index];
	uint64_t count = from->ndim ? from->shape[0] : 1, bytes = from->bytes;

	if (rows && *rows > count)
		return -EINVAL;
	*end = landing_end(landing, index);
	/* Elements may be narrower than a byte, so a row may end inside of one. */
	if (rows && *rows < count)
		*end -= (uint64_t)((unsigned __int128)bytes * (count - *rows) / count);
	return 0;
}

/* Lock held. As pinpool_load_wait_rows(), with @rows NULL for all. */
static int wait_landed(struct pinpool_loading *loading, const char *name, const uint64_t *rows,
		       const struct timespec *until, struct pinpool_tensor *tensor)
{
	const struct named key = {.name = name};
	struct named *found;
	uint64_t end;
	int err = 0;

	while (!loading->begun && !loading->ended && !err)
		err = sleep_on(loading, until);
	if (!loading->begun)
		return loading->error ? loading->error : err;
	found = bsearch(&key, loading->by_name, loading->landing.plan->tensor_count, sizeof(key), compare);
	if (!found)
		return -ENOENT;
	if (end_of_rows(&loading->landing, found->index, rows, &end))
		return -EINVAL;
	for (err = 0; loading->landed < end && !loading->ended && !err;)
		err = sleep_on(loading, until);
	if (loading->landed < end)
		return loading->error ? loading->error : err;
	*tensor = landing_tensor(&loading->landing, found->index, end == landing_end(&loading->landing, found->index));
	return 0;
}

static int wait_rows(struct pinpool_loading *loading, const char *name, const uint64_t *rows, int timeout_ms,
		     struct pinpool_tensor *tensor)
{
	struct timespec until = after_ms(timeout_ms < 0 ? 0 : timeout_ms);
	struct pinpool_tensor result;
	int err;

	if (!name || (tensor && tensor->size < sizeof(tensor->size)))
		return -EINVAL;
	pthread_mutex_lock(&loading->lock);
	err = wait_landed(loading, name, rows, timeout_ms < 0 ? NULL : &until, &result);
	pthread_mutex_unlock(&loading->lock);
	return !err && tensor ? opts_write(tensor, &result, sizeof(result)) : err;
}

int pinpool_load_wait_tensor(struct pinpool_loading *loading, const char *tensor_name, int timeout_ms,
			     struct pinpool_tensor *tensor)
{
	return wait_rows(loading, tensor_name, NULL, timeout_ms, tensor);
}

int pinpool_load_wait_rows(struct pinpool_loading *loading, const char *tensor_name, uint64_t rows, int timeout_ms,
			   struct pinpool_tensor *tensor)
{
	return wait_rows(loading, tensor_name, &rows, timeout_ms, tensor);
}

void pinpool_load_cancel(struct pinpool_loading *loading)
{
	pthread_mutex_lock(&loading->lock);
	loading->cancel = 1;
	pthread_cond_broadcast(&loading->wake);
	pthread_mutex_unlock(&loading->lock);
}

int pinpool_load_finish(struct pinpool_loading *loading, struct pinpool_load_report *report, struct pinpool_diag *diag)
{
	int err;

	pthread_mutex_lock(&loading->lock);
	loading->finish = true;
	pthread_cond_broadcast(&loading->wake);
	pthread_mutex_unlock(&loading->lock);
	pthread_join(loading->thread, NULL);
	err = loading->error;
	if (err && diag)
		*diag = loading->why;
	if (!err && report)
		err = opts_write(report, &loading->report, sizeof(loading->report));
	loading_free(loading);
	return err;
}
