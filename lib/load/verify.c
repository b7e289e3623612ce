/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Verification: the content is digested again and compared with what was committed. Files are digested side by side on
 * all cores, each by one thread, since XXH3 is a chain. Only when something differs are the tensors looked at, to name
 * the one.
 */
#include "base/diag.h"
#include "base/opts.h"
#include "stream/digest.h"

#include <errno.h>
#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at stop and progress. */
#define STEP_BYTES (4u << 20)
#define TICK_NS	   100000000

/* A range to digest. @name is static to the job: a file or tensor of the catalog, or the pool. */
struct part {
	const char *name;
	uint64_t offset;
	uint64_t bytes;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

struct verify {
	const struct pinpool_verify_opts *opts;
	const char *base;
	uint64_t start_ns;

	pthread_mutex_t lock;
	pthread_cond_t wake_caller;
	/* Below: under the lock. */
	struct part *parts;
	size_t count;
	size_t next;
	uint64_t done;
	uint64_t total;
	unsigned int active;
	int error;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_done(struct verify *verify, uint64_t bytes, bool *stop)
{
	pthread_mutex_lock(&verify->lock);
	verify->done += bytes;
	*stop = verify->error;
	pthread_mutex_unlock(&verify->lock);
}

static void *digest_main(void *arg)
{
	XXH3_state_t *state = XXH3_createState();
	struct verify *verify = arg;
	struct part *part;
	bool stop = false;

	pthread_mutex_lock(&verify->lock);
	if (!state)
		verify->error = -ENOMEM;
	while (!verify->error && verify->next < verify->count) {
		part = &verify->parts[verify->next++];
		pthread_mutex_unlock(&verify->lock);

		XXH3_128bits_reset(state);
		for (uint64_t at = 0; at < part->bytes && !stop;) {
			uint64_t step = part->bytes - at < STEP_BYTES ? part->bytes - at : STEP_BYTES;

			XXH3_128bits_update(state, verify->base + part->offset + at, step);
			at += step;
			add_done(verify, step, &stop);
		}
		digest_final(state, part->digest);
		pthread_mutex_lock(&verify->lock);
	}
	verify->active--;
	pthread_cond_signal(&verify->wake_caller);
	pthread_mutex_unlock(&verify->lock);
	XXH3_freeState(state);
	return NULL;
}

/* Lock held; let go while the caller's function runs. */
static void tick(struct verify *verify)
{
	const struct pinpool_verify_opts *opts = verify->opts;
	struct pinpool_progress progress = {
		/* Naming what differs reads some of it again. */
		.done = verify->done < verify->total ? verify->done : verify->total,
		.total = verify->total,
		.elapsed_ns = now_ns() - verify->start_ns,
		.file = verify->next ? verify->parts[verify->next - 1].name : NULL,
	};
	bool cancel = opts->cancel && *opts->cancel;

	pthread_mutex_unlock(&verify->lock);
	if (!cancel && opts->progress)
		cancel = opts->progress(opts->progress_arg, &progress);
	pthread_mutex_lock(&verify->lock);
	if (cancel && !verify->error)
		verify->error = -ECANCELED;
}

static void wait_for_threads(struct verify *verify)
{
	struct timespec until;

	while (verify->active) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (pthread_cond_timedwait(&verify->wake_caller, &verify->lock, &until) == ETIMEDOUT)
			tick(verify);
	}
}

/* Digests @parts with as many threads as there are cores or parts. */
static int digest_parts(struct verify *verify, struct part *parts, size_t count)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = cores > 0 && (size_t)cores < count ? (size_t)cores : count;
	pthread_t *threads = calloc(wanted + 1, sizeof(*threads));
	size_t started = 0;

	if (!threads)
		return -ENOMEM;
	pthread_mutex_lock(&verify->lock);
	verify->parts = parts;
	verify->count = count;
	verify->next = 0;
	while (started < wanted && !pthread_create(&threads[started], NULL, digest_main, verify))
		started++;
	verify->active = (unsigned int)started;
	if (wanted && !started)
		verify->error = -EAGAIN;
	wait_for_threads(verify);
	pthread_mutex_unlock(&verify->lock);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return verify->error;
}

/* The first tensor whose bytes differ from its digest goes to @found; @found->name stays NULL if none does. */
static int find_tensor(struct verify *verify, const struct pinpool_catalog *catalog, struct pinpool_tensor *found)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	size_t count = pinpool_catalog_tensor_count(catalog);
	struct part *parts = calloc(count + 1, sizeof(*parts));
	int err;

	if (!parts)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!pinpool_catalog_tensor(catalog, i, &tensor))
			parts[i] = (struct part){.name = tensor.name, .offset = tensor.offset, .bytes = tensor.bytes};
	err = digest_parts(verify, parts, count);
	for (size_t i = 0; i < count && !err && !found->name; i++)
		if (!pinpool_catalog_tensor(catalog, i, &tensor) && tensor.has_digest &&
		    memcmp(tensor.digest, parts[i].digest, sizeof(tensor.digest)))
			*found = tensor;
	free(parts);
	return err;
}

/* Names what differs as closely as the catalog allows: a tensor, else a file, else the pool. */
static int explain(struct verify *verify, const char *pool, const struct pinpool_catalog *catalog,
		   const struct part *parts, size_t count, struct pinpool_diag *diag)
{
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	char object[512];
	int err;

	snprintf(object, sizeof(object), "%s", pool);
	if (catalog) {
		err = find_tensor(verify, catalog, &tensor);
		if (err)
			return diag_errno(diag, err, pool);
	}
	if (tensor.name && !pinpool_catalog_source(catalog, tensor.source, &source)) {
		snprintf(object, sizeof(object), "%s: %s: tensor %s", pool, source.path, tensor.name);
	} else if (catalog && count == pinpool_catalog_source_count(catalog)) {
		for (size_t i = 0; i < count; i++) {
			pinpool_catalog_source(catalog, i, &source);
			if (!source.has_digest || !memcmp(source.digest, parts[i].digest, sizeof(source.digest)))
				continue;
			snprintf(object, sizeof(object), "%s: %s", pool, source.path);
			break;
		}
	}
	return diag_set(diag, -EBADMSG, object, "remove the pool and load it again",
			"the content is not what was committed: its digest differs");
}

/* What the committed digest is made of: all of the content, or each file. */
static int list_parts(struct verify *verify, const struct pinpool_catalog *catalog, const struct pinpool_info *info,
		      struct part **out, size_t *count)
{
	bool list = info->digest_kind == PINPOOL_DIGEST_XXH3_128_LIST;
	size_t used = list ? pinpool_catalog_source_count(catalog) : 1;
	struct pinpool_source source = {.size = sizeof(source)};
	struct part *parts = calloc(used + 1, sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	parts[0] = (struct part){.name = info->name, .bytes = info->length};
	for (size_t i = 0; i < used && list; i++) {
		pinpool_catalog_source(catalog, i, &source);
		parts[i] = (struct part){.name = source.path, .offset = source.offset, .bytes = source.bytes};
	}
	for (size_t i = 0; i < used; i++)
		verify->total += parts[i].bytes;
	*out = parts;
	*count = used;
	return 0;
}

/* Digest of the content from those of its parts. */
static int combine(const struct part *parts, size_t count, enum pinpool_digest_kind kind,
		   uint8_t out[PINPOOL_DIGEST_BYTES])
{
	uint8_t(*digests)[PINPOOL_DIGEST_BYTES];

	if (kind == PINPOOL_DIGEST_XXH3_128) {
		memcpy(out, parts[0].digest, PINPOOL_DIGEST_BYTES);
		return 0;
	}
	digests = calloc(count + 1, sizeof(*digests));
	if (!digests)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		memcpy(digests[i], parts[i].digest, sizeof(digests[i]));
	digest_of_list((const uint8_t(*)[PINPOOL_DIGEST_BYTES])digests, count, out);
	free(digests);
	return 0;
}

static int verify_content(struct verify *verify, const struct pinpool_catalog *catalog, const struct pinpool_info *info,
			  struct pinpool_verify_report *result, struct pinpool_diag *diag)
{
	struct part *parts;
	size_t count;
	int err;

	err = list_parts(verify, catalog, info, &parts, &count);
	if (err)
		return diag_errno(diag, err, info->name);
	err = digest_parts(verify, parts, count);
	if (!err) {
		pthread_mutex_lock(&verify->lock);
		tick(verify);
		err = verify->error;
		pthread_mutex_unlock(&verify->lock);
	}
	if (!err)
		err = combine(parts, count, info->digest_kind, result->digest);
	if (err)
		diag_errno(diag, err, info->name);
	else if (memcmp(result->digest, info->digest, sizeof(info->digest)))
		err = explain(verify, info->name, catalog, parts, count, diag);
	result->bytes = verify->total;
	free(parts);
	return err;
}

/* Map and catalog of a pool that has a digest to compare with. A pool need not have a catalog unless its digest is of
 * files. */
static int open_content(struct pinpool_pool *pool, struct pinpool_info *info, struct verify *verify,
			struct pinpool_catalog **catalog, struct pinpool_diag *diag)
{
	const void *base;
	int err;

	err = pinpool_pool_get_info(pool, info);
	if (err)
		return diag_errno(diag, err, "pool");
	if (info->state != PINPOOL_STATE_READY)
		return diag_set(diag, -ENODATA, info->name, "load it first", "the pool is %s, not READY",
				pinpool_state_name(info->state));
	if (info->digest_kind == PINPOOL_DIGEST_NONE)
		return diag_set(diag, -ENODATA, info->name, "load it with digests",
				"the pool was committed without a digest");
	err = pinpool_pool_map(pool, &base, NULL);
	if (err)
		return diag_errno(diag, err, info->name);
	verify->base = base;
	err = pinpool_catalog_open(pool, catalog, diag);
	if (err == -ENOENT && info->digest_kind != PINPOOL_DIGEST_XXH3_128_LIST)
		return 0;
	return err;
}

int pinpool_verify(struct pinpool_pool *pool, const struct pinpool_verify_opts *user_opts,
		   struct pinpool_verify_report *report, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_verify_report result = {.size = sizeof(result)};
	struct pinpool_catalog *catalog = NULL;
	struct pinpool_verify_opts opts;
	struct verify verify = {.opts = &opts};
	pthread_condattr_t attr;
	int err, bad_report;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_verify_opts", NULL, "options this library does not know");
	err = open_content(pool, &info, &verify, &catalog, diag);
	if (err)
		return err;
	pthread_mutex_init(&verify.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&verify.wake_caller, &attr);
	pthread_condattr_destroy(&attr);

	verify.start_ns = now_ns();
	err = verify_content(&verify, catalog, &info, &result, diag);
	result.elapsed_ns = now_ns() - verify.start_ns;
	if (report && (!err || err == -EBADMSG)) {
		bad_report = opts_write(report, &result, sizeof(result));
		err = err ? err : bad_report;
	}
	pthread_cond_destroy(&verify.wake_caller);
	pthread_mutex_destroy(&verify.lock);
	if (catalog)
		pinpool_catalog_close(catalog);
	return err;
}
