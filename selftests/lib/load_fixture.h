/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Contexts for tests of loads: pools of a test's own on tmpfs, and on huge pages: hugetlbfs mounted for the test alone,
 * or the module where PINPOOL_BACKEND says so (in the VM). Pages added for a test are taken away again.
 */
#ifndef SELFTESTS_LOAD_FIXTURE_H
#define SELFTESTS_LOAD_FIXTURE_H

#include "checkpoints.h"

#include <pinpool/pinpool.h>
#include <sched.h>
#include <sys/mount.h>

#define NR_HUGEPAGES   "/proc/sys/vm/nr_hugepages"
/* Enough for every pool that a test here has at one time. */
#define TEST_HUGEPAGES 80

struct home {
	char folder[PATH_MAX]; /* checkpoints */
	char state[PATH_MAX]; /* sidecars and shm pools */
	char mount[PATH_MAX]; /* hugetlbfs, or empty */
	enum pinpool_backend backend;
	long added; /* huge pages */
};

static inline long hugepages(long set)
{
	FILE *file = fopen(NR_HUGEPAGES, set >= 0 ? "r+" : "r");
	long now = -1;

	if (!file)
		return -1;
	if (set >= 0) {
		fprintf(file, "%ld", set);
		fflush(file);
		rewind(file);
	}
	if (fscanf(file, "%ld", &now) != 1)
		now = -1;
	fclose(file);
	return now;
}

static inline bool on_module(void)
{
	const char *backend = getenv("PINPOOL_BACKEND");

	return backend && !strcmp(backend, "module");
}

/* Returns NULL, or why this machine or user cannot have huge pages. */
static inline const char *home_huge(struct home *home)
{
	long before;

	if (on_module()) {
		home->backend = PINPOOL_BACKEND_MODULE;
		return NULL;
	}
	home->backend = PINPOOL_BACKEND_HUGETLBFS;
	if (geteuid())
		return "needs root for a hugetlbfs mount and huge pages";
	snprintf(home->mount, sizeof(home->mount), "/tmp/pinpool-huge.XXXXXX");
	if (!mkdtemp(home->mount))
		return "cannot make a folder in /tmp";
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", home->mount, "hugetlbfs", 0, "pagesize=2M"))
		return "cannot mount hugetlbfs";
	before = hugepages(-1);
	home->added = hugepages(before + TEST_HUGEPAGES) - before;
	if (home->added < TEST_HUGEPAGES)
		return "the kernel has not enough free memory for huge pages";
	return NULL;
}

static inline const char *home_open(struct home *home, bool huge)
{
	memset(home, 0, sizeof(*home));
	make_folder(home->folder);
	snprintf(home->state, sizeof(home->state), "/dev/shm/pinpool-test.XXXXXX");
	if (!mkdtemp(home->state))
		return "needs a writable /dev/shm";
	home->backend = PINPOOL_BACKEND_SHM;
	return huge ? home_huge(home) : NULL;
}

static inline void home_close(struct home *home)
{
	remove_folder(home->folder);
	if (home->state[0])
		remove_folder(home->state);
	if (home->mount[0]) {
		umount2(home->mount, MNT_DETACH);
		rmdir(home->mount);
	}
	if (home->added > 0)
		hugepages(hugepages(-1) - home->added);
}

static inline int home_context(const struct home *home, struct pinpool_ctx **ctx, pinpool_log_fn log, void *arg)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = home->backend, .state_dir = home->state, .log = log,
		     .log_arg = arg, .log_level = PINPOOL_LOG_DEBUG);

	if (home->mount[0])
		opts.hugetlbfs_dir = home->mount;
	return pinpool_ctx_new(ctx, &opts, NULL);
}

#endif
