/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * SHA-256 of files and ranges as they come. A digest is a chain that one thread has to follow from its first byte to
 * its last, at some 1.5 GB/s, so threads follow as many chains side by side as there are cores. Chains are taken in the
 * order of their first bytes, and only when that byte has landed; who has taken one waits for nobody but the reader.
 */
#include "base/diag.h"
#include "stream/internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* Between two looks at stop. */
#define STEP_BYTES (1u << 20)

/* What one digest is of: [@begin, @end) of the memory. */
struct chain {
	size_t file;
	uint64_t begin;
	uint64_t end;
	uint8_t *digest;
};

struct worker {
	struct sha256 *sha256;
	pthread_t thread;
	uint32_t number;
};

struct sha256 {
	struct run *run;
	EVP_MD *md;
	struct chain *chains;
	size_t count;
	struct worker *workers;
	size_t started;
	pthread_cond_t wake_idle; /* nobody watches for the next chain to begin, or stop */
	/* Below: under the run's lock. */
	size_t next;
	bool watched;
	size_t active;
};

/* One at a time watches for the next chain to begin, so that what lands does not wake all that have nothing to do. */
static const struct chain *take_chain(struct sha256 *sha256)
{
	const struct chain *chain = NULL;
	struct run *run = sha256->run;

	pthread_mutex_lock(&run->lock);
	while (sha256->watched)
		pthread_cond_wait(&sha256->wake_idle, &run->lock);
	if (sha256->next < sha256->count) {
		chain = &sha256->chains[sha256->next];
		sha256->watched = true;
		/* What is empty has landed. */
		if (chain->end > chain->begin && !run_wait_beyond(run, chain->begin))
			chain = NULL;
		else
			sha256->next++;
		sha256->watched = false;
	}
	pthread_cond_signal(&sha256->wake_idle);
	pthread_mutex_unlock(&run->lock);
	return chain;
}

/* False if libcrypto fails or the run stopped. */
static bool follow(struct worker *worker, const struct chain *chain, EVP_MD_CTX *state)
{
	struct run *run = worker->sha256->run;
	const struct stream_file *file = &run->job->files[chain->file];
	uint64_t from, to, began;

	if (!EVP_DigestInit_ex2(state, worker->sha256->md, NULL))
		goto failed;
	for (from = chain->begin; from < chain->end; from = to) {
		pthread_mutex_lock(&run->lock);
		to = run_wait_beyond(run, from);
		pthread_mutex_unlock(&run->lock);
		if (!to)
			return false;
		if (to > chain->end)
			to = chain->end;
		if (to > from + STEP_BYTES)
			to = from + STEP_BYTES;
		began = trace_begin(run);
		if (!EVP_DigestUpdate(state, run_memory(run, from), to - from))
			goto failed;
		trace_sha256(run, chain->file, from - file->offset + file->begin, to - from, worker->number, began);
		run->sha256_done += to - from;
	}
	if (EVP_DigestFinal_ex(state, chain->digest, NULL))
		return true;
failed:
	/* Nothing of it can fail but allocations. */
	run_fail(run, -ENOMEM, NULL);
	return false;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct sha256 *sha256 = worker->sha256;
	struct run *run = sha256->run;
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	const struct chain *chain;

	if (!state)
		run_fail(run, -ENOMEM, NULL);
	do
		chain = take_chain(sha256);
	while (chain && state && follow(worker, chain, state));
	EVP_MD_CTX_free(state);
	pthread_mutex_lock(&run->lock);
	sha256->active--;
	pthread_cond_signal(&run->wake_caller);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

/* @begin and @end as those of ranges. */
static void add_chain(struct sha256 *sha256, size_t file, uint64_t begin, uint64_t end, uint8_t *digest)
{
	const struct stream_file *from = &sha256->run->job->files[file];

	sha256->chains[sha256->count++] = (struct chain){
		.file = file,
		.begin = from->offset + (begin - from->begin),
		.end = from->offset + (end - from->begin),
		.digest = digest,
	};
	sha256->run->sha256_total += end - begin;
}

/* Files come before their ranges: theirs are the longest chains. */
static int list_chains(struct sha256 *sha256)
{
	const struct stream_job *job = sha256->run->job;
	size_t most = job->count;

	for (size_t i = 0; i < job->count; i++)
		most += job->files[i].range_count;
	sha256->chains = calloc(most + 1, sizeof(*sha256->chains));
	if (!sha256->chains)
		return -ENOMEM;
	for (size_t i = 0; i < job->count; i++) {
		struct stream_file *file = &job->files[i];

		if (file->want_sha256)
			add_chain(sha256, i, file->begin, file->begin + stream_file_bytes(file), file->sha256);
		for (size_t r = 0; r < file->range_count; r++)
			if (file->ranges[r].want_sha256)
				add_chain(sha256, i, file->ranges[r].begin, file->ranges[r].end,
					  file->ranges[r].sha256);
	}
	return 0;
}

static int start_workers(struct sha256 *sha256)
{
	const struct place *place = &sha256->run->place;
	size_t wanted = place_size(place) < sha256->count ? place_size(place) : sha256->count;
	int err = 0;

	sha256->workers = calloc(wanted, sizeof(*sha256->workers));
	if (!sha256->workers)
		return -ENOMEM;
	pthread_mutex_lock(&sha256->run->lock);
	while (sha256->started < wanted && !err) {
		struct worker *worker = &sha256->workers[sha256->started];

		*worker = (struct worker){.sha256 = sha256, .number = (uint32_t)sha256->started};
		err = place_start(place, &worker->thread, worker_main, worker);
		if (!err)
			sha256->started++;
	}
	sha256->active = sha256->started;
	pthread_mutex_unlock(&sha256->run->lock);
	/* Fewer do the same, later. */
	return sha256->started ? 0 : -err;
}

static void sha256_free(struct sha256 *sha256)
{
	pthread_cond_destroy(&sha256->wake_idle);
	EVP_MD_free(sha256->md);
	free(sha256->workers);
	free(sha256->chains);
	free(sha256);
}

int sha256_start(struct run *run, struct sha256 **out, struct pinpool_diag *diag)
{
	struct sha256 *sha256 = calloc(1, sizeof(*sha256));
	int err;

	if (!sha256)
		return diag_errno(diag, -ENOMEM, "SHA-256");
	sha256->run = run;
	pthread_cond_init(&sha256->wake_idle, NULL);
	err = list_chains(sha256);
	if (!err && sha256->count) {
		sha256->md = EVP_MD_fetch(NULL, "SHA256", NULL);
		err = sha256->md ? start_workers(sha256) : -EOPNOTSUPP;
	}
	if (err)
		diag_errno(diag, err, "SHA-256");
	if (err || !sha256->count) {
		sha256_free(sha256);
		sha256 = NULL;
	}
	*out = sha256;
	return err;
}

void sha256_join(struct sha256 *sha256)
{
	struct run *run = sha256->run;

	pthread_mutex_lock(&run->lock);
	while (sha256->active)
		run_wait(run);
	pthread_mutex_unlock(&run->lock);
	for (size_t i = 0; i < sha256->started; i++)
		pthread_join(sha256->workers[i].thread, NULL);
	sha256_free(sha256);
}
