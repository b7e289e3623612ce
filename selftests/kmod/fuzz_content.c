// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Whose each word in a pool is. A word says which write it comes from and where in the pool it belongs. Of each write
 * it is known which pool it went to and when it began and ended, of each load when it began and was committed. So from
 * any word of a READY pool it follows whether it may be there: it is zero, or of a write to this very pool, which did
 * not end before the load began and did not begin after it was committed.
 *
 * Two actors never write the same word at a time: each has its own 4 KiB parts of every huge page, and writes a page
 * as a whole only if nobody else writes any of it.
 */
#include "fuzz.h"

#define WORD_FACTOR	0x9e3779b97f4a7c15ULL
#define WORD_INVERSE	0xf1de83e19937733dULL /* of it, modulo 2^64 */
#define WORD_INDEX_BITS 24

_Static_assert(WORD_FACTOR * WORD_INVERSE == 1, "the inverse is one");

uint64_t fuzz_tick(void)
{
	return atomic_fetch_add(&fuzz->tick, 1) + 1;
}

/* What must hold of every answer, whatever else goes on. */
static void info_check(struct fuzz_actor *a, const struct pinpool_pool_info *info)
{
	bool ready = info->out_state == PINPOOL_STATE_READY;

	if (info->out_state > PINPOOL_STATE_READY)
		fuzz_fail(a, "state %u", info->out_state);
	if (ready != !!info->out_length || ready != !!info->out_committed_ns)
		fuzz_fail(a, "state %u, length %llu, committed %llu", info->out_state,
			  (unsigned long long)info->out_length, (unsigned long long)info->out_committed_ns);
	if (!info->out_capacity || info->out_capacity % HUGE || info->out_length > info->out_capacity)
		fuzz_fail(a, "capacity %llu, length %llu", (unsigned long long)info->out_capacity,
			  (unsigned long long)info->out_length);
	/* A resize stores both, one after the other. */
	if (ready && info->out_huge_pages > info->out_capacity / HUGE)
		fuzz_fail(a, "%llu pages in a READY pool of %llu bytes", (unsigned long long)info->out_huge_pages,
			  (unsigned long long)info->out_capacity);
	if (ready && !(info->out_flags & PINPOOL_CREATE_ON_DEMAND) && info->out_huge_pages != info->out_capacity / HUGE)
		fuzz_fail(a, "%llu pages in a full READY pool of %llu bytes", (unsigned long long)info->out_huge_pages,
			  (unsigned long long)info->out_capacity);
	if (!info->out_openers)
		fuzz_fail(a, "nobody has a pool open that answers");
}

/* Names are fz0, fz1 and so on; with the time of creation that is one pool among all that ever were. */
void fuzz_identify(struct fuzz_actor *a, struct fuzz_file *f)
{
	uint64_t digest[2];
	int ret = pool_info(f->fd, &f->info);

	if (ret)
		fuzz_fail(a, "POOL_INFO of an open pool: %d", ret);
	info_check(a, &f->info);
	f->key = f->info.out_created_ns << 3 | (f->info.out_name[2] & 7);
	f->may_write = (fcntl(f->fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
	f->load = 0;
	if (f->info.out_state != PINPOOL_STATE_READY || f->info.out_digest_kind == PINPOOL_DIGEST_NONE)
		return;
	memcpy(digest, f->info.out_digest, sizeof(digest));
	if (digest[1] != f->key || digest[0] >= fuzz->max_ids || (digest[0] && fuzz->loads[digest[0]].key != f->key))
		fuzz_fail(a, "the digest of %s is another load's", f->info.out_name);
	f->load = digest[0];
}

/* A file of the caller's own: that of a slot, or if there is none, opened. @writer: one that loads would be better. */
int fuzz_file_get(struct fuzz_actor *a, struct fuzz_file *f, bool writer)
{
	int slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_FDS), flags = fuzz_one_in(a, 2) ? O_RDONLY : O_RDWR;
	char name[8];

	if (writer && !fuzz_one_in(a, 8)) {
		slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_WRITERS);
		flags = O_RDWR;
	}
	snprintf(name, sizeof(name), "fz%u", (unsigned int)fuzz_below(a, FUZZ_NAMES));
	f->fd = fcntl(slot, F_DUPFD_CLOEXEC, FUZZ_PRIVATE_FIRST);
	if (f->fd < 0)
		f->fd = pool_open(name, flags);
	if (f->fd < 0)
		return -EBADF;
	fuzz_identify(a, f);
	return 0;
}

uint64_t fuzz_current_load(uint64_t key)
{
	uint64_t load = fuzz->current[fuzz_mix(key, 0) % FUZZ_CURRENT];

	return load && fuzz->loads[load].key == key ? load : 0;
}

/* Others may write whole pages again. */
void fuzz_unclaim(struct fuzz_actor *a)
{
	while (a->nr_claims)
		fuzz->claims[a->claims[--a->nr_claims]] &= ~(1ULL << a->id | 1ULL << (a->id + 32));
}

/* One huge page of a pool: part of it, which is the actor's own, or all. */
bool fuzz_claim(struct fuzz_actor *a, uint64_t key, uint64_t page, bool whole)
{
	int slot = fuzz_mix(key, page) % FUZZ_CLAIMS;
	uint64_t none = 0;

	if (whole && !atomic_compare_exchange_strong(&fuzz->claims[slot], &none, 1ULL << (a->id + 32)))
		return false;
	if (!whole) {
		uint64_t mine = 1ULL << a->id, before = atomic_fetch_or(&fuzz->claims[slot], mine);

		if ((before >> 32) && !(before & mine))
			fuzz->claims[slot] &= ~mine;
		/* Its own from before: a write that nobody knows the end of. */
		if ((before >> 32) || (before & mine))
			return false;
	}
	a->claims[a->nr_claims++] = slot;
	return true;
}

/**
 * fuzz_write_begin - choose where to write, and a pattern for it
 * @a: who
 * @key: the pool
 * @capacity: of it; now and then what is chosen lies behind
 * @whole: a huge page or two halves of two, else something within 4 KiB
 * @r: receives where; the pattern is at the beginning of the actor's buffer
 *
 * Return: false if somebody else is there; else fuzz_write_end() must follow.
 */
bool fuzz_write_begin(struct fuzz_actor *a, uint64_t key, uint64_t capacity, bool whole, struct fuzz_region *r)
{
	uint64_t pages = capacity / HUGE < FUZZ_PAGES ? (capacity + HUGE - 1) / HUGE : FUZZ_PAGES;
	uint64_t page = fuzz_below(a, pages + fuzz_one_in(a, 16)), part = fuzz_below(a, HUGE / PAGE / FUZZ_ACTORS);
	uint64_t first = fuzz_below(a, PAGE / 8), nr = 1 + fuzz_below(a, PAGE / 8 - first);
	uint64_t *words = (uint64_t *)a->buffer;
	bool aligned = fuzz_one_in(a, 2), split = fuzz_one_in(a, 4);

	if (whole) {
		r->offset = page * HUGE + (split ? HUGE / 2 : 0);
		r->length = HUGE;
	} else if (aligned) {
		r->offset = page * HUGE + (part * FUZZ_ACTORS + a->id) * PAGE;
		r->length = PAGE;
	} else {
		r->offset = page * HUGE + (part * FUZZ_ACTORS + a->id) * PAGE + first * 8;
		r->length = nr * 8;
	}
	if (!fuzz_claim(a, key, page, whole) || (whole && split && !fuzz_claim(a, key, page + 1, whole)))
		goto err_claims;
	a->write = atomic_fetch_add(&fuzz->nr_writes, 1) + 1;
	if (a->write >= fuzz->max_ids)
		goto err_claims;
	fuzz->writes[a->write].key = key;
	fuzz->writes[a->write].begun = fuzz_tick();
	a->record->writing = a->write;
	for (size_t i = 0; i < r->length / 8; i++)
		words[i] = (a->write << WORD_INDEX_BITS | (r->offset / 8 + i)) * WORD_FACTOR;
	fuzz_note(a, r->offset, r->length, a->write);
	return true;

err_claims:
	fuzz_unclaim(a);
	return false;
}

void fuzz_write_end(struct fuzz_actor *a)
{
	fuzz->writes[a->write].ended = fuzz_tick();
	a->record->writing = 0;
	a->record->writing_outlives = false;
	fuzz_unclaim(a);
}

/* The kernel goes on with it, nobody knows how long: nobody else writes there before the actor's process is gone. */
void fuzz_write_leave(struct fuzz_actor *a)
{
	a->record->writing = 0;
	a->record->writing_outlives = false;
	a->nr_claims = 0;
}

/*
 * An actor is gone: its write has ended, but for one that the kernel makes without it. Nobody else writes where that
 * goes before the next actor of this number is gone.
 */
void fuzz_reaped(unsigned int id)
{
	struct fuzz_record *record = &fuzz->actors[id];
	bool outlives = record->writing && record->writing_outlives;

	if (record->writing && !outlives)
		fuzz->writes[record->writing].ended = fuzz_tick();
	record->writing = 0;
	record->writing_outlives = false;
	if (outlives)
		return;
	for (unsigned int c = 0; c < FUZZ_CLAIMS; c++)
		fuzz->claims[c] &= ~(1ULL << id | 1ULL << (id + 32));
}

/**
 * fuzz_verify - judge bytes that were seen in a pool
 * @a: who saw them
 * @key: the pool
 * @load: the load that was committed, 0 if it is not known which
 * @words: the bytes
 * @offset: where they were, a multiple of 8
 * @bytes: how many; what does not fill a word is not looked at
 */
void fuzz_verify(struct fuzz_actor *a, uint64_t key, uint64_t load, const void *words, uint64_t offset, size_t bytes)
{
	const uint64_t *w = words;
	uint64_t good = 0;

	for (size_t i = 0; i < bytes / 8; i++) {
		uint64_t word = w[i] * WORD_INVERSE, at = offset / 8 + i, write = word >> WORD_INDEX_BITS, ended,
			 committed;

		if (!word)
			continue;
		if ((word & ((1 << WORD_INDEX_BITS) - 1)) != at || !write || write > fuzz->nr_writes ||
		    write >= fuzz->max_ids) {
			fuzz_fail(a, "word %llu of pool %llx is nobody's: %llx (write %llx, word %llx)",
				  (unsigned long long)at, (unsigned long long)key, (unsigned long long)w[i],
				  (unsigned long long)write, (unsigned long long)word & ((1 << WORD_INDEX_BITS) - 1));
			return;
		}
		if (write == good)
			continue;
		good = write;
		if (fuzz->writes[write].key != key)
			fuzz_fail(a, "word %llu of pool %llx is of pool %llx, write %llu", (unsigned long long)at,
				  (unsigned long long)key, (unsigned long long)fuzz->writes[write].key,
				  (unsigned long long)write);
		ended = fuzz->writes[write].ended;
		if (load && ended && ended < fuzz->loads[load].begun)
			fuzz_fail(a, "word %llu of pool %llx: write %llu ended before load %llu",
				  (unsigned long long)at, (unsigned long long)key, (unsigned long long)write,
				  (unsigned long long)load);
		committed = load ? fuzz->loads[load].committed : 0;
		if (committed && fuzz->writes[write].begun > committed)
			fuzz_fail(a, "word %llu of pool %llx: write %llu began after load %llu was committed",
				  (unsigned long long)at, (unsigned long long)key, (unsigned long long)write,
				  (unsigned long long)load);
	}
	fuzz->words_verified += bytes / 8;
}
