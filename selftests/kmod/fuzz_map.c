// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Calls of the fuzzer: mapping pools, using mappings, and everything that a kernel can do to one.
 */
#include <sys/uio.h>

#include "fuzz.h"
#include "fuzz_calls.h"

#define MAP_BYTES (FUZZ_PAGES * HUGE)

/* As <linux/mman.h> has them; older C libraries do not. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static void map_forget(unsigned int slot, struct fuzz_map *m)
{
	if (m->kept)
		close(FUZZ_KEEP_FIRST + slot);
	m->kept = false;
	m->length = 0;
	m->writable = false;
}

static void map_remember(unsigned int slot, struct fuzz_map *m, const struct fuzz_file *f, bool keeps)
{
	m->key = f->key;
	m->load = f->load;
	m->ready = f->info.out_state == PINPOOL_STATE_READY;
	m->on_demand = f->info.out_flags & PINPOOL_CREATE_ON_DEMAND;
	m->kept = keeps && dup3(f->fd, FUZZ_KEEP_FIRST + slot, O_CLOEXEC) >= 0;
}

static uint64_t pages_random(struct fuzz_actor *a, uint64_t most, unsigned int order)
{
	return fuzz_below(a, (most >> order) + 1) << order;
}

/* What mmap() has to refuse, whatever the state. */
static int mmap_refusal(const struct fuzz_file *f, int prot, bool shared)
{
	int access = fcntl(f->fd, F_GETFL) & O_ACCMODE;
	bool writes = prot & PROT_WRITE;

	if ((prot & PROT_EXEC) || access == O_WRONLY || (writes && (!shared || access != O_RDWR)))
		return -EACCES;
	if (writes && f->info.out_state == PINPOOL_STATE_READY)
		return -EACCES;
	return 0;
}

int64_t fuzz_mmap(struct fuzz_actor *a)
{
	static const int prots[] = { PROT_READ,
				     PROT_READ,
				     PROT_READ,
				     PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_WRITE,
				     PROT_NONE };
	bool writer = fuzz_one_in(a, 2);
	unsigned int slot = fuzz_below(a, FUZZ_MAPS), order = fuzz_one_in(a, 4) ? 12 : 21;
	uint64_t offset = fuzz_one_in(a, 4) ? pages_random(a, MAP_BYTES, order) : 0;
	size_t length = pages_random(a, MAP_BYTES - PAGE, order) + (1UL << order);
	int prot = fuzz_one_in(a, 64) ? PROT_READ | PROT_EXEC : prots[writer ? 3 + fuzz_below(a, 6) : fuzz_below(a, 6)],
	    flags = MAP_FIXED;
	bool shared = !fuzz_one_in(a, 8), keeps = fuzz_below(a, 2), aside = !fuzz_one_in(a, 8), fits;
	struct fuzz_map *m = &a->proc->maps[slot];
	char *address = fuzz_map_address(slot);
	struct fuzz_file f;
	int64_t ret = 0;
	int refusal;

	flags |= shared ? MAP_SHARED : MAP_PRIVATE;
	flags |= fuzz_one_in(a, 4) ? MAP_POPULATE : 0;
	flags |= fuzz_one_in(a, 16) ? MAP_LOCKED : 0;
	flags |= fuzz_one_in(a, 16) ? MAP_NORESERVE : 0;
	if (fuzz_file_get(a, &f, writer))
		return FUZZ_SKIP;
	if (!fuzz_one_in(a, 4) && offset < f.info.out_capacity && length > f.info.out_capacity - offset)
		length = f.info.out_capacity - offset;
	if (length > FUZZ_MAP_STRIDE || pthread_rwlock_trywrlock(&m->lock)) {
		close(f.fd);
		return FUZZ_SKIP;
	}
	fuzz_note(a, slot, offset, length);
	fits = offset <= f.info.out_capacity && length <= f.info.out_capacity - offset;
	refusal = mmap_refusal(&f, prot, shared);
	/* What cannot be mapped mostly leaves in its place what was. */
	aside = aside && (refusal || !fits || f.info.out_state == PINPOOL_STATE_EMPTY);
	if (aside) {
		address = NULL;
		flags &= ~MAP_FIXED;
	} else {
		munmap(address, FUZZ_MAP_STRIDE);
		map_forget(slot, m);
	}
	address = mmap(address, length, prot, flags, f.fd, offset);
	if (address == MAP_FAILED) {
		ret = -errno;
	} else if (aside) {
		munmap(address, length);
	} else {
		m->length = length;
		m->offset = offset;
		m->writable = prot & PROT_WRITE;
		m->readable = prot != PROT_NONE;
		map_remember(slot, m, &f, keeps);
	}
	if (refusal && !ret)
		fuzz_fail(a, "mmap with protection %x in state %u", prot, f.info.out_state);
	if (f.info.out_state == PINPOOL_STATE_READY && fits != (ret != -EINVAL) && !refusal)
		fuzz_fail(a, "mmap of %zu at %llu of a READY pool of %llu: %lld", length, (unsigned long long)offset,
			  (unsigned long long)f.info.out_capacity, (long long)ret);
	pthread_rwlock_unlock(&m->lock);
	close(f.fd);
	return ret;
}

/* Words of a mapping that nobody writes, judged if they could be read. @at: offset in the pool. */
static int map_verify(struct fuzz_actor *a, uint64_t key, uint64_t load, const char *address, uint64_t at, size_t bytes)
{
	int signal = fuzz_copy_words(a->buffer, address, bytes);

	if (!signal)
		fuzz_verify(a, key, load, a->buffer, at, bytes);
	return signal;
}

/* Where the kernel puts it: a mapping for one call, of a READY pool. */
int64_t fuzz_mmap_anywhere(struct fuzz_actor *a)
{
	uint64_t at = fuzz_below(a, MAP_BYTES / PAGE) * PAGE;
	int flags = fuzz_one_in(a, 4) ? MAP_PRIVATE : MAP_SHARED, signal;
	struct fuzz_file f;
	size_t length;
	char *address;

	flags |= fuzz_one_in(a, 4) ? MAP_POPULATE : 0;
	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	length = f.info.out_capacity < MAP_BYTES ? f.info.out_capacity : MAP_BYTES;
	fuzz_note(a, at, length, flags);
	address = mmap(NULL, length, PROT_READ, flags, f.fd, 0);
	if (address == MAP_FAILED) {
		int ret = -errno;

		close(f.fd);
		return ret;
	}
	if (at < length && f.info.out_state == PINPOOL_STATE_READY) {
		signal = map_verify(a, f.key, f.load, address + at, at, PAGE);
		if (signal && !(f.info.out_flags & PINPOOL_CREATE_ON_DEMAND))
			fuzz_fail(a, "signal %d reading a READY pool", signal);
	}
	close(f.fd);
	munmap(address, length);
	return 0;
}

/* What is at a dma-buf of [@e.offset, @e.offset + @e.length): a READY pool's words, or the writer writes some. */
static void export_use(struct fuzz_actor *a, const struct fuzz_file *f, const struct pinpool_export *e, bool writes)
{
	struct fuzz_region r;
	char *address;
	size_t bytes;
	int signal;

	address = mmap(NULL, e->length, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, e->out_fd, 0);
	if (address == MAP_FAILED)
		return;
	if (f->info.out_state == PINPOOL_STATE_READY) {
		if (writes)
			fuzz_fail(a, "a dma-buf of a READY pool is mapped for writing");
		bytes = e->length < FUZZ_BUFFER ? e->length : FUZZ_BUFFER;
		signal = map_verify(a, f->key, f->load, address, e->offset, bytes < 4 * PAGE ? bytes : 4 * PAGE);
		if (signal)
			fuzz_fail(a, "signal %d reading a dma-buf of a READY pool", signal);
	} else if (writes && fuzz_write_begin(a, f->key, e->offset + e->length, false, &r)) {
		if (r.offset >= e->offset && r.offset + r.length <= e->offset + e->length)
			fuzz_copy_words(address + (r.offset - e->offset), a->buffer, r.length);
		fuzz_write_end(a);
	}
	munmap(address, e->length);
}

/* A dma-buf, used at once and perhaps kept. */
int64_t fuzz_export(struct fuzz_actor *a)
{
	bool writes = fuzz_one_in(a, 2), keeps = fuzz_one_in(a, 2);
	unsigned int slot = fuzz_below(a, FUZZ_EXPORTS), order = fuzz_one_in(a, 2) ? 12 : 21;
	struct pinpool_export e = { .size = sizeof(e), .out_fd = -1 };
	struct fuzz_file f;
	bool fits;
	int ret;

	e.offset = fuzz_one_in(a, 2) ? 0 : pages_random(a, MAP_BYTES, order);
	e.length = pages_random(a, HUGE, order) + (fuzz_one_in(a, 16) ? 0 : PAGE << (order - 12));
	e.fd_flags = O_CLOEXEC | (writes ? O_RDWR : O_RDONLY);
	if (!(a->proc->features & PINPOOL_FEATURE_EXPORT) || fuzz_file_get(a, &f, writes))
		return FUZZ_SKIP;
	fuzz_note(a, e.offset, e.length, writes);
	fits = e.length && e.offset <= f.info.out_capacity && e.length <= f.info.out_capacity - e.offset;
	ret = result(ioctl(f.fd, PINPOOL_IOC_EXPORT, &e));
	if (!ret && f.info.out_state == PINPOOL_STATE_READY && (!fits || writes))
		fuzz_fail(a, "export of a READY pool, %s, [%llu, +%llu) of %llu", writes ? "writable" : "read-only",
			  (unsigned long long)e.offset, (unsigned long long)e.length,
			  (unsigned long long)f.info.out_capacity);
	if (!ret) {
		export_use(a, &f, &e, writes);
		if (keeps)
			dup3(e.out_fd, FUZZ_EXPORT_FIRST + slot, O_CLOEXEC);
		close(e.out_fd);
	}
	close(f.fd);
	return ret;
}

int64_t fuzz_export_close(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_EXPORTS);

	fuzz_note(a, slot, 0, 0);
	return result(close(FUZZ_EXPORT_FIRST + slot));
}

/* Whether the pool of a mapping is READY for sure, and by which load. */
static bool map_ready(struct fuzz_actor *a, unsigned int slot, const struct fuzz_map *m, uint64_t *load)
{
	struct fuzz_file f = { .fd = FUZZ_KEEP_FIRST + slot };

	*load = m->load;
	if (m->ready || !m->kept)
		return m->ready;
	/* Another thread may have been between the file and its note when this process was forked. */
	if (a->proc->forked && fcntl(f.fd, F_GETFD) < 0)
		return false;
	fuzz_identify(a, &f);
	*load = f.load;
	return f.info.out_state == PINPOOL_STATE_READY;
}

int64_t fuzz_map_read(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t part = fuzz_below(a, HUGE / PAGE / FUZZ_ACTORS), page = fuzz_below(a, FUZZ_PAGES), at, load;
	struct fuzz_map *m = &a->proc->maps[slot];
	size_t bytes = fuzz_one_in(a, 32) ? HUGE : PAGE;
	int64_t ret = FUZZ_SKIP;
	bool ready;
	int signal;

	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	if (!m->length)
		goto out_lock;
	ready = map_ready(a, slot, m, &load);
	if (!ready)
		bytes = PAGE;
	at = page * HUGE + (bytes == PAGE ? (part * FUZZ_ACTORS + a->id) * PAGE : 0);
	if (at < m->offset || at + bytes > m->offset + m->length || (!ready && !fuzz_claim(a, m->key, page, false)))
		goto out_lock;
	fuzz_note(a, slot, at, bytes);
	signal = map_verify(a, m->key, ready ? load : 0, fuzz_map_address(slot) + (at - m->offset), at, bytes);
	/* Others may have unmapped or protected it meanwhile, which is SIGSEGV. */
	if (signal == SIGBUS && ready && !m->on_demand)
		fuzz_fail(a, "SIGBUS reading a READY pool");
	fuzz_unclaim(a);
	ret = signal;
out_lock:
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

/* Stores; into a READY pool it must not succeed through any mapping. */
int64_t fuzz_map_write(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	struct fuzz_map *m = &a->proc->maps[slot];
	bool whole = fuzz_one_in(a, 32), ready;
	int64_t ret = FUZZ_SKIP;
	struct fuzz_region r;
	uint64_t load;
	int signal;

	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	if (!m->length || !fuzz_write_begin(a, m->key, m->offset + m->length, whole, &r))
		goto out_lock;
	if (r.offset >= m->offset && r.offset + r.length <= m->offset + m->length) {
		ready = map_ready(a, slot, m, &load);
		signal = fuzz_copy_words(fuzz_map_address(slot) + (r.offset - m->offset), a->buffer, r.length);
		if (!signal && (ready || !m->writable))
			fuzz_fail(a, "a mapping wrote to a pool that is %s", ready ? "READY" : "not mapped for that");
		ret = signal;
	}
	fuzz_write_end(a);
out_lock:
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

/* A range of a slot: whole pages, from anywhere to anywhere. */
static void range_choose(struct fuzz_actor *a, char **address, size_t *length)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS), order = fuzz_one_in(a, 2) ? 12 : 21;
	uint64_t offset = fuzz_one_in(a, 2) ? 0 : pages_random(a, fuzz_one_in(a, 4) ? MAP_BYTES : HUGE, order);

	*address = fuzz_map_address(slot) + offset;
	*length = fuzz_one_in(a, 16) ? MAP_BYTES : pages_random(a, fuzz_one_in(a, 2) ? HUGE : 16 * PAGE, order) + PAGE;
	fuzz_note(a, slot, offset, *length);
}

int64_t fuzz_munmap(struct fuzz_actor *a)
{
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	return result(munmap(address, length));
}

int64_t fuzz_mprotect(struct fuzz_actor *a)
{
	int prot = (const int[]){ PROT_NONE,  PROT_READ, PROT_READ | PROT_WRITE,
				  PROT_WRITE, PROT_READ, PROT_READ | PROT_EXEC }[fuzz_below(a, 6)];
	struct fuzz_map *m;
	int64_t ret;
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	m = &a->proc->maps[(address - fuzz_map_address(0)) / FUZZ_MAP_STRIDE];
	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	ret = result(mprotect(address, length, prot));
	if (!ret && m->length && ((prot & PROT_EXEC) || ((prot & PROT_WRITE) && !m->writable)))
		fuzz_fail(a, "mprotect to %x of a mapping that was made without", prot);
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

int64_t fuzz_madvise(struct fuzz_actor *a)
{
	static const int advices[] = {
		MADV_NORMAL,	 MADV_RANDOM,	MADV_SEQUENTIAL, MADV_WILLNEED,	     MADV_DONTNEED,
		MADV_DONTNEED,	 MADV_FREE,	MADV_REMOVE,	 MADV_DONTFORK,	     MADV_DOFORK,
		MADV_MERGEABLE,	 MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,	     MADV_DODUMP,
		MADV_WIPEONFORK, MADV_COLD,	MADV_PAGEOUT,	 MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_COLLAPSE,
	};
	unsigned int which = fuzz_below(a, sizeof(advices) / sizeof(advices[0]));
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	a->entry->arg[3] = advices[which];
	return result(madvise(address, length, advices[which]));
}

/* Shrinks in place, tries to grow, moves to another slot, or is there twice. */
int64_t fuzz_mremap(struct fuzz_actor *a)
{
	unsigned int from = fuzz_below(a, FUZZ_MAPS), to = (from + 1 + fuzz_below(a, FUZZ_MAPS - 1)) % FUZZ_MAPS;
	struct fuzz_map *m = &a->proc->maps[from], *n = &a->proc->maps[to];
	bool twice = fuzz_one_in(a, 4), grows = fuzz_one_in(a, 8), halves = fuzz_one_in(a, 4);
	char *address = fuzz_map_address(from), *other = fuzz_map_address(to);
	int64_t ret = FUZZ_SKIP;
	size_t length;

	fuzz_note(a, from, to, twice | grows << 1 | halves << 2);
	if (pthread_rwlock_trywrlock(&m->lock))
		return FUZZ_SKIP;
	if (pthread_rwlock_trywrlock(&n->lock))
		goto out_from;
	if (!m->length)
		goto out_to;
	length = halves && m->length > PAGE ? m->length / 2 & ~(PAGE - 1) : m->length;
	if (grows) {
		ret = mremap(address, m->length, m->length + PAGE, 0) == MAP_FAILED ? -errno : 0;
		if (!ret)
			fuzz_fail(a, "a mapping of %zu grew", m->length);
		goto out_to;
	}
	if (halves && !twice) {
		ret = mremap(address, m->length, length, 0) == MAP_FAILED ? -errno : 0;
		m->length = ret ? m->length : length;
		goto out_to;
	}
	munmap(other, FUZZ_MAP_STRIDE);
	map_forget(to, n);
	if (mremap(address, m->length, m->length, MREMAP_MAYMOVE | MREMAP_FIXED | (twice ? MREMAP_DONTUNMAP : 0),
		   other) == MAP_FAILED) {
		ret = -errno;
		goto out_to;
	}
	ret = 0;
	n->length = m->length;
	n->offset = m->offset;
	n->key = m->key;
	n->load = m->load;
	n->ready = m->ready;
	n->writable = m->writable;
	n->readable = m->readable;
	n->on_demand = m->on_demand;
	n->kept = m->kept && dup3(FUZZ_KEEP_FIRST + from, FUZZ_KEEP_FIRST + to, O_CLOEXEC) >= 0;
	if (!twice)
		map_forget(from, m);
out_to:
	pthread_rwlock_unlock(&n->lock);
out_from:
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

int64_t fuzz_mlock(struct fuzz_actor *a)
{
	bool locks = fuzz_below(a, 2);
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	return result(locks ? mlock(address, length) : munlock(address, length));
}

int64_t fuzz_mincore(struct fuzz_actor *a)
{
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	return result(mincore(address, length, (unsigned char *)a->buffer));
}

int64_t fuzz_msync(struct fuzz_actor *a)
{
	int flags = (const int[]){ MS_ASYNC, MS_SYNC, MS_INVALIDATE }[fuzz_below(a, 3)];
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	return result(msync(address, length, flags));
}

int64_t fuzz_mbind(struct fuzz_actor *a)
{
	unsigned long nodes = 1 + fuzz_below(a, 3);
	unsigned int policy = fuzz_below(a, 4), flags = fuzz_below(a, 4);
	char *address;
	size_t length;

	range_choose(a, &address, &length);
	return result(syscall(SYS_mbind, address, length, policy, policy ? &nodes : NULL, policy ? 8 : 0, flags));
}

/* The debugger's way: reads what is mapped, and overrides protection where that is allowed. Not here. */
int64_t fuzz_proc_mem(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t at = fuzz_below(a, MAP_BYTES / 8) * 8, load;
	struct fuzz_map *m = &a->proc->maps[slot];
	bool writes = fuzz_one_in(a, 2);
	int64_t ret = FUZZ_SKIP;
	int fd;

	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	fuzz_note(a, slot, at, writes);
	if (at + 64 > m->length || (writes && m->writable))
		goto out_lock;
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		goto out_lock;
	}
	if (writes) {
		ret = result(pwrite(fd, a->buffer, 64, (uintptr_t)fuzz_map_address(slot) + at));
		if (ret > 0)
			fuzz_fail(a, "/proc/self/mem wrote to a mapping that cannot be written");
	} else {
		ret = result(pread(fd, a->buffer, 64, (uintptr_t)fuzz_map_address(slot) + at));
		if (ret > 0 && map_ready(a, slot, m, &load))
			fuzz_verify(a, m->key, load, a->buffer, m->offset + at, ret);
	}
	close(fd);
out_lock:
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

int64_t fuzz_process_vm(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t at = fuzz_below(a, MAP_BYTES / 8) * 8, load;
	struct fuzz_map *m = &a->proc->maps[slot];
	struct iovec to = { a->buffer, 4 * PAGE }, from = { fuzz_map_address(slot) + at, 4 * PAGE };
	int64_t ret = FUZZ_SKIP;

	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	fuzz_note(a, slot, at, 0);
	if (at + to.iov_len <= m->length) {
		ret = result(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
		if (ret > 0 && map_ready(a, slot, m, &load))
			fuzz_verify(a, m->key, load, a->buffer, m->offset + at, ret);
	}
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

/* A pipe holds pages of a mapping for a while. */
int64_t fuzz_vmsplice(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t at = fuzz_below(a, MAP_BYTES / PAGE) * PAGE, load;
	struct fuzz_map *m = &a->proc->maps[slot];
	struct iovec vec = { fuzz_map_address(slot) + at, 4 * PAGE };
	int64_t ret = FUZZ_SKIP, got;
	bool ready;

	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	fuzz_note(a, slot, at, 0);
	if (at + vec.iov_len <= m->length) {
		while (read(a->pipe[0], a->buffer, FUZZ_BUFFER) > 0)
			;
		ready = map_ready(a, slot, m, &load);
		ret = result(vmsplice(a->pipe[1], &vec, 1, SPLICE_F_NONBLOCK));
		got = ret > 0 ? read(a->pipe[0], a->buffer, ret) : 0;
		if (got > 0 && ready)
			fuzz_verify(a, m->key, load, a->buffer, m->offset + at, got);
	}
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

/* What the kernel tells about the mappings of a process. */
int64_t fuzz_proc_maps(struct fuzz_actor *a)
{
	static const char *const files[] = { "maps", "smaps_rollup", "smaps", "numa_maps", "pagemap" };
	unsigned int which = fuzz_below(a, 5);
	uint64_t offset =
		which == 4 ? (FUZZ_MAP_ARENA / PAGE + fuzz_below(a, FUZZ_MAPS * FUZZ_MAP_STRIDE / PAGE)) * 8 : 0;
	char path[32];
	int64_t ret;
	int fd;

	fuzz_note(a, which, offset, 0);
	snprintf(path, sizeof(path), "/proc/self/%s", files[which]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = result(pread(fd, a->buffer, 4 * PAGE, offset));
	close(fd);
	return ret;
}
