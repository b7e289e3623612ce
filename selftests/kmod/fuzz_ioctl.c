// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Calls of the fuzzer: the ioctls of both nodes, right and wrong, whole loads, and the module's knobs in sysfs.
 */
#include <sys/stat.h>

#include "fuzz.h"
#include "fuzz_calls.h"

static void name_choose(struct fuzz_actor *a, __u8 field[PINPOOL_NAME_MAX + 1])
{
	char name[8];

	snprintf(name, sizeof(name), "fz%u", (unsigned int)fuzz_below(a, FUZZ_NAMES));
	name_set(field, name);
}

/* One thing wrong with a creation that is right otherwise, and what has to be said of it. */
static int create_spoil(struct fuzz_actor *a, struct pinpool_create *c)
{
	switch (fuzz_below(a, 40)) {
	case 0:
		c->capacity = 0;
		return -EINVAL;
	case 1:
		c->capacity += PAGE;
		return -EINVAL;
	case 2:
		c->page_size = 1UL << 30;
		return -EOPNOTSUPP;
	case 3:
		c->numa_node = 1000;
		return -EINVAL;
	case 4:
		c->mode = 0777;
		return -EINVAL;
	case 5:
		c->numa_policy = PINPOOL_NUMA_INTERLEAVE + 1;
		return -EOPNOTSUPP;
	case 6:
		c->numa_policy = PINPOOL_NUMA_BIND;
		c->numa_nodes = 1;
		return -EINVAL;
	case 7:
		c->name[0] = '-';
		return -EINVAL;
	case 8:
		c->__reserved = 1;
		return -EINVAL;
	case 9:
		c->flags |= 1U << 31;
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

int64_t fuzz_create(struct fuzz_actor *a)
{
	struct pinpool_create c;
	int writable = !fuzz_one_in(a, 16), wrong, ret;

	create_init(&c, "", (1 + fuzz_below(a, FUZZ_PAGES)) * HUGE);
	name_choose(a, c.name);
	c.flags = fuzz_below(a, 4);
	c.mode = (const __u32[]){ 0, 0660, 0444, 0666 }[fuzz_one_in(a, 3) ? fuzz_below(a, 4) : 3];
	c.priority = fuzz_below(a, 3);
	c.numa_policy = fuzz_below(a, 3);
	if (c.numa_policy != PINPOOL_NUMA_INTERLEAVE)
		c.numa_node = c.numa_policy ? fuzz_below(a, 2) : fuzz_below(a, 3) - 1;
	else
		c.numa_nodes = fuzz_below(a, 4);
	if (fuzz_one_in(a, 4))
		c.uid = (const __u32[]){ 0, 1001, 1002 }[fuzz_below(a, 3)];
	if (fuzz_one_in(a, 64))
		c.capacity = (const __u64[]){ 1ULL << 36, 1ULL << 63, -HUGE }[fuzz_below(a, 3)];
	wrong = create_spoil(a, &c);
	fuzz_note(a, c.name[2] - '0', c.capacity, c.flags);
	ret = ioctl_create(a->proc->control[writable], &c);
	if (!writable)
		wrong = -EPERM;
	if (wrong && ret != wrong)
		fuzz_fail(a, "a wrong creation is %d, not %d", ret, wrong);
	return ret;
}

int64_t fuzz_destroy(struct fuzz_actor *a)
{
	struct pinpool_destroy d = { .size = sizeof(d) };

	name_choose(a, d.name);
	fuzz_note(a, d.name[2] - '0', 0, 0);
	return result(ioctl(a->proc->control[fuzz_below(a, 2)], PINPOOL_IOC_DESTROY, &d));
}

int64_t fuzz_module_info(struct fuzz_actor *a)
{
	struct pinpool_module_info info = { .size = sizeof(info) };
	int ret = result(ioctl(a->proc->control[0], PINPOOL_IOC_MODULE_INFO, &info));

	if (!ret && (info.out_pools > FUZZ_NAMES || info.out_used_bytes % HUGE || info.out_free_bytes % HUGE))
		fuzz_fail(a, "%u pools, used %llu, free %llu", info.out_pools, (unsigned long long)info.out_used_bytes,
			  (unsigned long long)info.out_free_bytes);
	return ret;
}

int64_t fuzz_pool_info(struct fuzz_actor *a)
{
	struct fuzz_file f;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	close(f.fd);
	return 0;
}

/* What is known of the load when the call returns may be an earlier one of this pool, never a later one. */
static int load_begin(struct fuzz_actor *a, const struct fuzz_file *f)
{
	uint64_t load, begun = fuzz_tick();
	int ret = pool_begin(f->fd);

	if (!ret && f->info.out_state == PINPOOL_STATE_READY)
		fuzz_fail(a, "a READY pool is loaded again");
	if (ret)
		return ret;
	load = atomic_fetch_add(&fuzz->nr_loads, 1) + 1;
	if (load >= fuzz->max_ids)
		return ret;
	fuzz->loads[load].key = f->key;
	fuzz->loads[load].begun = begun;
	fuzz->current[fuzz_mix(f->key, 0) % FUZZ_CURRENT] = load;
	return ret;
}

static int load_commit(struct fuzz_actor *a, const struct fuzz_file *f)
{
	uint64_t pages = f->info.out_capacity / HUGE < FUZZ_PAGES ? f->info.out_capacity / HUGE : FUZZ_PAGES;
	uint64_t digest[2] = { fuzz_current_load(f->key), f->key };
	struct pinpool_commit c = { .size = sizeof(c) };
	int ret;

	c.length = fuzz_one_in(a, 2) ? pages * HUGE : 1 + fuzz_below(a, pages * HUGE);
	c.digest_kind = fuzz_one_in(a, 8) ? PINPOOL_DIGEST_NONE : 1 + fuzz_below(a, 2);
	if (c.digest_kind != PINPOOL_DIGEST_NONE)
		memcpy(c.digest, digest, sizeof(c.digest));
	ret = result(ioctl(f->fd, PINPOOL_IOC_COMMIT, &c));
	if (!ret && f->info.out_state == PINPOOL_STATE_READY)
		fuzz_fail(a, "a READY pool is committed again");
	if (!ret && c.digest_kind != PINPOOL_DIGEST_NONE && digest[0])
		fuzz->loads[digest[0]].committed = fuzz_tick();
	return ret;
}

/* Whoever loads can be found, or the load would end with this call. */
int64_t fuzz_begin(struct fuzz_actor *a)
{
	int slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_WRITERS);
	struct fuzz_file f;
	int ret;

	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', f.key, f.info.out_state);
	ret = load_begin(a, &f);
	if (!ret)
		dup3(f.fd, slot, O_CLOEXEC);
	if (!f.may_write && ret != -EBADF)
		fuzz_fail(a, "begin on a file that is not open for writing: %d", ret);
	close(f.fd);
	return ret;
}

int64_t fuzz_commit(struct fuzz_actor *a)
{
	struct fuzz_file f;
	int ret;

	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', f.key, f.info.out_state);
	ret = load_commit(a, &f);
	close(f.fd);
	return ret;
}

int64_t fuzz_abort(struct fuzz_actor *a)
{
	struct fuzz_file f;
	int ret;

	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', f.key, f.info.out_state);
	ret = pool_abort(f.fd);
	if (f.info.out_state == PINPOOL_STATE_READY && ret != -EROFS)
		fuzz_fail(a, "abort of a READY pool: %d", ret);
	close(f.fd);
	return ret;
}

int64_t fuzz_resize(struct fuzz_actor *a)
{
	uint64_t capacity = (1 + fuzz_below(a, FUZZ_PAGES)) * HUGE;
	int wrong = fuzz_one_in(a, 16), ret;
	struct fuzz_file f;

	if (fuzz_one_in(a, 64))
		capacity = (const uint64_t[]){ 1ULL << 36, 1ULL << 63, -HUGE }[fuzz_below(a, 3)];
	if (wrong)
		capacity += fuzz_one_in(a, 2) ? 8 : -capacity;
	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', capacity, f.info.out_state);
	ret = pool_resize(f.fd, capacity);
	if (wrong && ret != -EINVAL)
		fuzz_fail(a, "a resize to %llu is %d", (unsigned long long)capacity, ret);
	if (!wrong && f.may_write && f.info.out_state == PINPOOL_STATE_READY && ret != -EROFS)
		fuzz_fail(a, "resize of a READY pool: %d", ret);
	close(f.fd);
	return ret;
}

int64_t fuzz_eviction(struct fuzz_actor *a)
{
	struct fuzz_file f;
	bool evictable = fuzz_below(a, 2);
	int priority = fuzz_below(a, 3), ret;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', evictable, priority);
	ret = pool_set_eviction(f.fd, evictable, priority);
	/* The node of a pool that is destroyed is root's, whosever the pool is. */
	if (f.info.out_uid == geteuid() || !geteuid() ? ret : f.info.out_uid && ret != -EPERM)
		fuzz_fail(a, "eviction of a pool of user %u by user %u: %d", f.info.out_uid, geteuid(), ret);
	close(f.fd);
	return ret;
}

/* One pattern into a file that loads: through a mapping of its own, by a command, or by a call. */
static int load_write(struct fuzz_actor *a, const struct fuzz_file *f)
{
	bool whole = fuzz_one_in(a, 8);
	unsigned int how = fuzz_below(a, 3);
	struct fuzz_region r;
	void *map = MAP_FAILED;
	int ret = -EOPNOTSUPP;

	if (!fuzz_write_begin(a, f->key, f->info.out_capacity, whole, &r))
		return 0;
	if (how == 0)
		map = mmap(NULL, r.length + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, r.offset & ~(PAGE - 1));
	if (map != MAP_FAILED) {
		ret = 0;
		fuzz_copy_words((char *)map + r.offset % PAGE, a->buffer, r.length);
		munmap(map, r.length + PAGE);
	} else if (how == 1) {
		ret = fuzz_command_load(a, f, &r);
	}
	if (ret == -EOPNOTSUPP)
		ret = result(pwrite(f->fd, a->buffer, r.length, r.offset));
	fuzz_write_end(a);
	return ret < 0 ? ret : 0;
}

/* From opening to commit, so that there is something to read: others have this file only if it is given away. */
int64_t fuzz_load(struct fuzz_actor *a)
{
	int slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_WRITERS), writes = fuzz_below(a, 6), end = fuzz_below(a, 8);
	struct fuzz_file f;
	char name[8];
	int ret;

	snprintf(name, sizeof(name), "fz%u", (unsigned int)fuzz_below(a, FUZZ_NAMES));
	fuzz_note(a, name[2] - '0', writes, end);
	f.fd = pool_open(name, O_RDWR);
	if (f.fd < 0)
		return f.fd;
	fuzz_identify(a, &f);
	ret = load_begin(a, &f);
	if (!ret && end == 0 && dup3(f.fd, slot, O_CLOEXEC) < 0)
		ret = -errno;
	while (!ret && writes--)
		ret = load_write(a, &f);
	if (!ret && end > 2)
		ret = load_commit(a, &f);
	if (!ret && end == 1)
		ret = pool_abort(f.fd);
	close(f.fd);
	return ret;
}

struct ioctl_row {
	unsigned int number;
	unsigned int size;
	bool pool; /* else control */
	uint64_t feature; /* without which there is no such call; 0: always there */
};

static const struct ioctl_row ioctl_rows[] = {
	{ PINPOOL_IOC_MODULE_INFO, sizeof(struct pinpool_module_info), false },
	{ PINPOOL_IOC_CREATE, sizeof(struct pinpool_create), false },
	{ PINPOOL_IOC_DESTROY, sizeof(struct pinpool_destroy), false },
	{ PINPOOL_IOC_POOL_INFO, sizeof(struct pinpool_pool_info), true },
	{ PINPOOL_IOC_BEGIN, sizeof(struct pinpool_begin), true },
	{ PINPOOL_IOC_COMMIT, sizeof(struct pinpool_commit), true },
	{ PINPOOL_IOC_ABORT, sizeof(struct pinpool_abort), true },
	{ PINPOOL_IOC_RESIZE, sizeof(struct pinpool_resize), true },
	{ PINPOOL_IOC_EVICTION, sizeof(struct pinpool_eviction), true },
	{ PINPOOL_IOC_EXPORT, sizeof(struct pinpool_export), true, PINPOOL_FEATURE_EXPORT },
};

/* Every ioctl with the form of its argument spoilt in one way, which has one answer whatever the state. */
int64_t fuzz_bad_ioctl(struct fuzz_actor *a)
{
	const struct ioctl_row *row = &ioctl_rows[fuzz_below(a, sizeof(ioctl_rows) / sizeof(ioctl_rows[0]))];
	unsigned int how = fuzz_below(a, 7), number = row->number;
	uint32_t random = fuzz_random(a), *arg = (uint32_t *)a->buffer;
	bool pool = row->pool;
	struct fuzz_file f = { .fd = -1 };
	int wrong, ret;

	memset(arg, 0, row->size + 64);
	arg[0] = row->size;
	switch (how) {
	case 0: /* too short */
		arg[0] = random % 8;
		wrong = -EINVAL;
		break;
	case 1: /* longer than known, and something there */
		arg[0] = row->size + 8 + random % 48;
		((char *)arg)[row->size + random % 8] = 1;
		wrong = -E2BIG;
		break;
	case 2: /* unknown flags */
		arg[1] = 1U << (8 + random % 24);
		wrong = -EOPNOTSUPP;
		break;
	case 3: /* a pointer to nothing */
		arg = random & 1 ? (uint32_t *)(a->buffer + FUZZ_BUFFER) : NULL;
		wrong = -EFAULT;
		break;
	case 4: /* half of it is there */
		arg = (uint32_t *)(a->buffer + FUZZ_BUFFER - 4);
		arg[0] = row->size;
		wrong = -EFAULT;
		break;
	case 5: /* no such number */
		number = _IO(PINPOOL_TYPE, random % 0x80);
		wrong = -ENOTTY;
		break;
	default: /* of the other node */
		pool = !pool;
		wrong = -ENOTTY;
		break;
	}
	if ((row->feature & ~a->proc->features) || (pool && fuzz_file_get(a, &f, false)))
		return FUZZ_SKIP;
	fuzz_note(a, row->number & 0xff, how, random);
	ret = result(ioctl(pool ? f.fd : a->proc->control[1], number, arg));
	if (ret != wrong)
		fuzz_fail(a, "ioctl %x spoilt in way %u is %d, not %d", row->number & 0xff, how, ret, wrong);
	if (pool)
		close(f.fd);
	return ret;
}

/* The argument lies in a mapping of a pool, which does not yield a word of it or only somebody's pattern. */
int64_t fuzz_ioctl_in_map(struct fuzz_actor *a)
{
	const struct ioctl_row *row = &ioctl_rows[fuzz_below(a, sizeof(ioctl_rows) / sizeof(ioctl_rows[0]))];
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t offset = fuzz_below(a, FUZZ_PAGES * HUGE / 8) * 8;
	struct fuzz_map *m = &a->proc->maps[slot];
	struct fuzz_file f = { .fd = -1 };
	int64_t ret;

	if ((row->feature & ~a->proc->features) || (row->pool && fuzz_file_get(a, &f, false)))
		return FUZZ_SKIP;
	fuzz_note(a, row->number & 0xff, slot, offset);
	/* What is written to it must fail, or it would be nobody's word. */
	if (pthread_rwlock_tryrdlock(&m->lock)) {
		ret = FUZZ_SKIP;
	} else {
		ret = m->writable ? FUZZ_SKIP
				  : result(ioctl(row->pool ? f.fd : a->proc->control[1], row->number,
						 fuzz_map_address(slot) + offset));
		pthread_rwlock_unlock(&m->lock);
	}
	if (row->pool)
		close(f.fd);
	return ret;
}

/* The argument changes while it is used. */
int64_t fuzz_racy_ioctl(struct fuzz_actor *a)
{
	volatile uint32_t *racy = a->proc->racy;
	unsigned int which = fuzz_below(a, 3), at = fuzz_below(a, 4);
	uint32_t value = (const uint32_t[]){ 0, 8, 16, sizeof(a->proc->racy), 1U << 31 }[fuzz_below(a, 5)];
	struct fuzz_file f;
	int ret;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	fuzz_note(a, which, at, value);
	racy[at] = value;
	racy[0] = fuzz_one_in(a, 2) ? sizeof(struct pinpool_module_info) : value;
	if (which == 0)
		ret = result(ioctl(a->proc->control[0], PINPOOL_IOC_MODULE_INFO, racy));
	else
		ret = result(ioctl(f.fd, which == 1 ? PINPOOL_IOC_POOL_INFO : PINPOOL_IOC_EVICTION, racy));
	close(f.fd);
	return ret;
}

/* The reserve of a node grows and shrinks under the pools. */
int64_t fuzz_reserve(struct fuzz_actor *a)
{
	unsigned int node = fuzz_below(a, 2), pages = fuzz_below(a, 7);
	bool wrong = fuzz_one_in(a, 16);
	char path[64], text[32];
	int ret;

	snprintf(path, sizeof(path), "/sys/class/pinpool/control/node%u/reserve", node);
	snprintf(text, sizeof(text), "%lu", pages * HUGE + wrong);
	fuzz_note(a, node, pages, wrong);
	ret = file_write(path, text);
	if (a->proc->root ? wrong && ret != -EINVAL : ret != -EACCES)
		fuzz_fail(a, "%s to %s: %d", text, path, ret);
	return ret;
}

int64_t fuzz_limit(struct fuzz_actor *a)
{
	bool uid = fuzz_below(a, 2);
	unsigned int megabytes = (const unsigned int[]){ 16, 32, 64, 128 }[fuzz_below(a, 4)];
	char text[32];

	snprintf(text, sizeof(text), "%u", megabytes);
	fuzz_note(a, uid, megabytes, 0);
	return file_write(uid ? MODULE_SYSFS "/parameters/limit_uid_mb" : MODULE_SYSFS "/parameters/limit_mb", text);
}

int64_t fuzz_sysfs(struct fuzz_actor *a)
{
	static const char *const of_pool[] = {
		"state",  "capacity",	"length",	 "huge_pages",	 "mappings",	  "openers",  "faults",
		"digest", "numa_nodes", "numa_fallback", "pages_zeroed", "failed_allocs", "priority", "uevent",
	};
	static const char *const of_control[] = {
		"reserve",	  "free",	"used",	      "pools",	       "evicted",
		"pages_scrubbed", "quarantine", "node0/free", "node1/reserve",
	};
	char path[96], text[256];
	unsigned int which = fuzz_below(a, 14);
	int ret;

	if (fuzz_one_in(a, 3))
		snprintf(path, sizeof(path), "/sys/class/pinpool/control/%s", of_control[which % 9]);
	else
		snprintf(path, sizeof(path), "/sys/class/pinpool/fz%u/%s", (unsigned int)fuzz_below(a, FUZZ_NAMES),
			 of_pool[which]);
	fuzz_note(a, which, 0, 0);
	ret = file_read(path, text, sizeof(text));
	return ret;
}

/* Owner and mode of the node are its owner's affair. */
int64_t fuzz_chmod(struct fuzz_actor *a)
{
	mode_t mode = (const mode_t[]){ 0600, 0644, 0660, 0666 }[fuzz_below(a, 4)];
	char path[32];

	snprintf(path, sizeof(path), "/dev/pinpool/fz%u", (unsigned int)fuzz_below(a, FUZZ_NAMES));
	fuzz_note(a, mode, 0, 0);
	return result(chmod(path, mode));
}
