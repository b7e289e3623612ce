/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Parts of a pool, digested side by side; see parts.h. */
#include "load/parts.h"
#include "base/clock.h"
#include "stream/digest.h"
#include "stream/place.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Between two looks at stop and progress. */
#define STEP_BYTES (4u << 20)
#define TICK_NS	   100000000

struct run {
	struct parts *parts;
	struct part **order; /* in which they begin */
	EVP_MD *md;

	pthread_mutex_t lock;
	pthread_cond_t wake_caller;
	/* Below: under the lock. */
	size_t next;
	uint64_t done;
	uint64_t total;
	uint64_t tensors;
	uint64_t tensors_begun;
	unsigned int active;
	int error;
};

/* One thread's. */
struct hasher {
	struct run *run;
	XXH3_state_t *xxh3;
	EVP_MD_CTX *sha256;
};

int parts_add(struct parts *parts, const struct part *part)
{
	if (parts->count == parts->room) {
		size_t room = parts->room ? 2 * parts->room : 64;
		struct part *at = realloc(parts->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		parts->at = at;
		parts->room = room;
	}
	parts->at[parts->count++] = *part;
	return 0;
}

void parts_free(struct parts *parts)
{
	free(parts->at);
}

bool part_is_equal(const struct part *part)
{
	return !memcmp(part->digest, part->expected, part->sha256 ? PINPOOL_SHA256_BYTES : PINPOOL_DIGEST_BYTES);
}

/* [@from, @to) of the pool, of @part. False to stop. */
static bool feed(const struct hasher *hasher, const struct part *part, uint64_t from, uint64_t to)
{
	struct run *run = hasher->run;
	bool stop = false;

	while (from < to && !stop) {
		uint64_t step = to - from < STEP_BYTES ? to - from : STEP_BYTES;
		const char *data = run->parts->base + from;
		int err = 0;

		if (!part->sha256)
			XXH3_128bits_update(hasher->xxh3, data, step);
		else if (!EVP_DigestUpdate(hasher->sha256, data, step))
			err = -ENOMEM;
		from += step;
		pthread_mutex_lock(&run->lock);
		run->done += step;
		if (err && !run->error)
			run->error = err;
		stop = run->error;
		pthread_mutex_unlock(&run->lock);
	}
	return !stop;
}

/* What lies between tensors, which are in order of their offset. False to stop. */
static bool feed_rest(const struct hasher *hasher, const struct part *part)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	uint64_t at = part->offset;
	bool more = true;

	for (size_t i = part->first; i < part->last && more; i++) {
		pinpool_catalog_tensor(hasher->run->parts->catalog, i, &tensor);
		if (tensor.source != part->source)
			continue;
		more = feed(hasher, part, at, tensor.offset);
		if (tensor.offset + tensor.bytes > at)
			at = tensor.offset + tensor.bytes;
	}
	return more && feed(hasher, part, at, part->end);
}

/* False if libcrypto fails, for want of memory, or to stop. */
static bool digest_part(const struct hasher *hasher, struct part *part)
{
	if (part->sha256 && !EVP_DigestInit_ex2(hasher->sha256, hasher->run->md, NULL))
		return false;
	if (!part->sha256)
		XXH3_128bits_reset(hasher->xxh3);
	if (part->rest ? !feed_rest(hasher, part) : !feed(hasher, part, part->offset, part->end))
		return false;
	if (part->sha256)
		return EVP_DigestFinal_ex(hasher->sha256, part->digest, NULL);
	digest_final(hasher->xxh3, part->digest);
	return true;
}

static void *hasher_main(void *arg)
{
	struct run *run = arg;
	struct hasher hasher = {
		.run = run,
		.xxh3 = XXH3_createState(),
		.sha256 = EVP_MD_CTX_new(),
	};
	bool good = hasher.xxh3 && hasher.sha256;

	pthread_mutex_lock(&run->lock);
	while (good && !run->error && run->next < run->parts->count) {
		struct part *part = run->order[run->next++];

		if (part->tensor)
			run->tensors_begun++;
		pthread_mutex_unlock(&run->lock);
		good = digest_part(&hasher, part);
		pthread_mutex_lock(&run->lock);
	}
	if (!good && !run->error)
		run->error = -ENOMEM;
	run->active--;
	pthread_cond_signal(&run->wake_caller);
	pthread_mutex_unlock(&run->lock);
	EVP_MD_CTX_free(hasher.sha256);
	XXH3_freeState(hasher.xxh3);
	return NULL;
}

/* Lock held; let go while the caller's function runs. */
static void tick(struct run *run)
{
	const struct pinpool_verify_opts *opts = run->parts->opts;
	const struct part *part = run->next ? run->order[run->next - 1] : NULL;
	struct pinpool_progress progress = {
		.done = run->done,
		.total = run->total,
		.elapsed_ns = clock_now_ns() - run->parts->start_ns,
		.file = part ? part->file : NULL,
		.tensor = part ? part->tensor : NULL,
		.tensor_index = run->tensors_begun ? run->tensors_begun - 1 : 0,
		.tensors = run->tensors,
	};
	bool cancel = opts->cancel && *opts->cancel;

	pthread_mutex_unlock(&run->lock);
	if (!cancel && opts->progress)
		cancel = opts->progress(opts->progress_arg, &progress);
	pthread_mutex_lock(&run->lock);
	if (cancel && !run->error)
		run->error = -ECANCELED;
}

static void wait_for_threads(struct run *run)
{
	struct timespec until;

	while (run->active) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (pthread_cond_timedwait(&run->wake_caller, &run->lock, &until) == ETIMEDOUT)
			tick(run);
	}
	if (!run->error)
		tick(run);
}

/* With as many threads as there are processors for them, or parts. */
static int digest_all(struct run *run, const struct place *place)
{
	size_t count = run->parts->count;
	size_t wanted = place_size(place) < count ? place_size(place) : count;
	pthread_t *threads = calloc(wanted + 1, sizeof(*threads));
	size_t started = 0;

	if (!threads)
		return -ENOMEM;
	pthread_mutex_lock(&run->lock);
	while (started < wanted && !place_start(place, &threads[started], hasher_main, run))
		started++;
	run->active = (unsigned int)started;
	if (wanted && !started)
		run->error = -EAGAIN;
	wait_for_threads(run);
	pthread_mutex_unlock(&run->lock);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return run->error;
}

/* The longest first, else by place. SHA-256 takes some twenty times as long. */
static int compare_cost(const void *a, const void *b)
{
	const struct part *x = *(struct part *const *)a, *y = *(struct part *const *)b;

	if (x->sha256 != y->sha256)
		return x->sha256 ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->offset == y->offset ? 0 : x->offset < y->offset ? -1 : 1;
}

int parts_digest(struct parts *parts)
{
	struct run run = {.parts = parts};
	pthread_condattr_t attr;
	struct place place;
	bool sha256 = false;
	int err;

	run.order = calloc(parts->count + 1, sizeof(struct part *));
	if (!run.order)
		return -ENOMEM;
	for (size_t i = 0; i < parts->count; i++) {
		run.order[i] = &parts->at[i];
		run.total += parts->at[i].bytes;
		run.tensors += parts->at[i].tensor ? 1 : 0;
		sha256 |= parts->at[i].sha256;
	}
	if (sha256) {
		run.md = EVP_MD_fetch(NULL, "SHA256", NULL);
		if (!run.md) {
			free(run.order);
			return -EOPNOTSUPP;
		}
	}
	qsort(run.order, parts->count, sizeof(struct part *), compare_cost);
	pthread_mutex_init(&run.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&run.wake_caller, &attr);
	pthread_condattr_destroy(&attr);
	err = place_begin(&place, parts->node);
	if (!err) {
		err = digest_all(&run, &place);
		place_end(&place);
	}
	pthread_cond_destroy(&run.wake_caller);
	pthread_mutex_destroy(&run.lock);
	EVP_MD_free(run.md);
	free(run.order);
	return err;
}
