/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Pools by name without the module; see file_store.h for what every step leaves behind. */
#include "pool/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "pool/file_fill.h"

#define DEFAULT_STATE_DIR "/dev/shm/pinpool"
/* Names that change hands between two looks are looked at again, but not for ever. */
#define RACE_RETRIES	  100

struct sidecar_name {
	char text[PINPOOL_NAME_MAX + 1 + sizeof(((struct file_store *)0)->tag)];
};

static struct sidecar_name sidecar_name(const struct file_store *store, const char *name)
{
	struct sidecar_name result;

	snprintf(result.text, sizeof(result.text), "%s:%s", name, store->tag);
	return result;
}

/* The path of a pool's data file or sidecar, for messages. */
static const char *path_in(char *buf, size_t size, const char *dir, const char *name)
{
	snprintf(buf, size, "%s/%s", dir, name);
	return buf;
}

int file_store_open_dir(const char *path, bool make, int *fd, struct pinpool_diag *diag)
{
	bool made = make && !mkdir(path, 01777);
	int not_made = make && !made ? errno : 0;
	struct stat st;
	int err;

	*fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0) {
		/* Why it could not be made says more than that it is not there. */
		err = errno == ENOENT && not_made && not_made != EEXIST ? -not_made : -errno;
		return diag_set(
			diag, err, path, err == -EACCES || err == -EPERM ? "have root make it, mode 1777" : NULL,
			err == -ENOTDIR || err == -ELOOP ? "not a directory"
							 : "no such directory, and it cannot be made or opened");
	}
	/* mkdir() subtracts the umask. */
	if ((made && fchmod(*fd, 01777)) || fstat(*fd, &st)) {
		err = diag_errno(diag, -errno, path);
		goto err_close;
	}
	if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)) {
		err = diag_set(diag, -EPERM, path, NULL, "others may remove files here: the sticky bit is missing");
		diag_change(diag, "chmod +t %s", path);
		goto err_close;
	}
	return 0;

err_close:
	close(*fd);
	*fd = -1;
	return err;
}

int file_store_open_state(struct file_store *store, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	const char *path = opts->state_dir ? opts->state_dir : DEFAULT_STATE_DIR;
	struct statfs fs;
	int err;

	if ((size_t)snprintf(store->state_path, sizeof(store->state_path), "%s", path) >= sizeof(store->state_path))
		return diag_errno(diag, -ENAMETOOLONG, path);
	err = file_store_open_dir(path, true, &store->state_dir, diag);
	if (err)
		return err;
	if (fstatfs(store->state_dir, &fs))
		err = diag_errno(diag, -errno, path);
	else if (fs.f_type != TMPFS_MAGIC)
		err = diag_set(diag, -EINVAL, path, "name a directory on tmpfs with PINPOOL_STATE_DIR",
			       "not on tmpfs: the state of a pool must not outlive its pages");
	if (err) {
		close(store->state_dir);
		store->state_dir = -1;
	}
	return err;
}

void file_store_close(struct pinpool_ctx *ctx)
{
	struct file_store *store = ctx->store;

	close(store->data_dir);
	close(store->state_dir);
	free(store);
}

static void owner_text(char *buf, size_t size, const struct stat *st)
{
	char user[64], group[64], scratch[1024];
	struct passwd pw, *found_user = NULL;
	struct group gr, *found_group = NULL;

	snprintf(user, sizeof(user), "%u", st->st_uid);
	snprintf(group, sizeof(group), "%u", st->st_gid);
	if (!getpwuid_r(st->st_uid, &pw, scratch, sizeof(scratch), &found_user) && found_user)
		snprintf(user, sizeof(user), "%s", pw.pw_name);
	if (!getgrgid_r(st->st_gid, &gr, scratch, sizeof(scratch), &found_group) && found_group)
		snprintf(group, sizeof(group), "%s", gr.gr_name);
	snprintf(buf, size, "owner %s, group %s, mode %04o", user, group, (unsigned int)(st->st_mode & 07777));
}

int file_store_no_permission(int err, int dir, const char *name, const char *path, struct pinpool_diag *diag)
{
	char owner[160] = "unknown owner";
	struct stat st;

	if (err != -EACCES && err != -EPERM)
		return diag_errno(diag, err, path);
	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		owner_text(owner, sizeof(owner), &st);
	return diag_set(diag, err, path,
			"become that user or a member of that group, or have the owner change the mode",
			"permission denied (%s)", owner);
}

/* A descriptor of the sidecar as the name says it now, or -errno. Not followed, not waited for, one name. */
static int open_sidecar(struct file_store *store, const char *name, int flags, struct stat *st)
{
	int fd;

	fd = openat(store->state_dir, sidecar_name(store, name).text,
		    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_nlink > 1) {
		close(fd);
		return -EBADMSG;
	}
	/* Unlinked between open and here. */
	if (!st->st_nlink) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The data file that the record is about still has its name; a look just before unlink may show it without. */
static bool data_is_there(struct file_store *store, const struct sidecar *record, struct stat *data)
{
	return !fstatat(store->data_dir, record->name, data, AT_SYMLINK_NOFOLLOW) && data->st_nlink &&
	       data->st_dev == record->data_dev && data->st_ino == record->data_ino;
}

static int damaged(struct file_store *store, const char *name, int err, struct pinpool_diag *diag)
{
	char path[512];

	path_in(path, sizeof(path), store->state_path, sidecar_name(store, name).text);
	if (err == -EOPNOTSUPP)
		return diag_set(diag, err, path, "use that version, or remove the pool",
				"written by another version of pinpool");
	diag_set(diag, -EBADMSG, path, NULL, "the state of pool %s is damaged", name);
	diag_change(diag, "remove it: pinpool rm %s", name);
	return -EBADMSG;
}

int file_store_lookup(struct file_store *store, const char *name, int flags, struct sidecar *record, struct stat *data,
		      struct pinpool_diag *diag)
{
	struct sidecar_name sidecar = sidecar_name(store, name);
	char path[512];
	struct stat st;
	int err, fd;

	fd = open_sidecar(store, name, flags, &st);
	if (fd == -ENOENT)
		goto no_pool;
	if (fd == -EACCES)
		return file_store_no_permission(fd, store->state_dir, sidecar.text,
						path_in(path, sizeof(path), store->state_path, sidecar.text), diag);
	if (fd < 0)
		return fd == -EBADMSG ? damaged(store, name, fd, diag) : diag_errno(diag, fd, name);
	err = sidecar_read_state(fd, name, record);
	if (err) {
		close(fd);
		return damaged(store, name, err, diag);
	}
	if (!data_is_there(store, record, data)) {
		close(fd);
		goto no_pool;
	}
	if (!S_ISREG(data->st_mode) || data->st_nlink != 1 || data->st_uid != st.st_uid ||
	    (uint64_t)data->st_size != record->capacity) {
		close(fd);
		return damaged(store, name, -EBADMSG, diag);
	}
	return fd;

no_pool:
	return diag_set(diag, -ENOENT, name, "pinpool ls shows the pools there are", "no pool of that name");
}

/*
 * Frees the name of a pool whose maker or destroyer was killed half way. Returns 0 if the name may be free now, -EEXIST
 * if it is taken: by a pool, by one in the making, by something damaged or by a leftover of another user.
 */
static int remove_leftover(struct file_store *store, const char *name)
{
	struct sidecar_name sidecar = sidecar_name(store, name);
	struct stat st, now, data;
	struct sidecar record;
	int err = -EEXIST;
	int fd;

	fd = open_sidecar(store, name, O_RDWR, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : -EEXIST;
	if (sidecar_try_lock(fd, LOCK_NAME))
		goto out;
	if (fstatat(store->state_dir, sidecar.text, &now, AT_SYMLINK_NOFOLLOW) || !same_file(&st, &now)) {
		err = 0;
		goto out;
	}
	if (sidecar_read(fd, name, &record) || data_is_there(store, &record, &data))
		goto out;
	if (!unlinkat(store->state_dir, sidecar.text, 0)) {
		ctx_log(store->ctx, PINPOOL_LOG_INFO, "removed what a killed process left of pool %s", name);
		err = 0;
	}
out:
	close(fd);
	return err;
}

static int link_fd(int fd, int dir, const char *name)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* A file without a name in @dir, owned as asked. A descriptor or -errno. */
static int open_unnamed(int dir, const struct pool_create *create, mode_t mode)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	if ((create->owner && fchown(fd, create->uid, create->gid)) || fchmod(fd, mode)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int open_data(struct file_store *store, const struct pool_create *create, struct pinpool_diag *diag)
{
	int fd = open_unnamed(store->data_dir, create, create->mode);
	int err;

	if (fd == -EPERM && create->owner)
		return diag_set(diag, fd, create->name, "become root, or keep it",
				"not allowed to give a pool to user %u, group %u", create->uid, create->gid);
	if (fd < 0)
		return file_store_no_permission(fd, store->data_dir, "", store->data_path, diag);
	if (!create->on_demand)
		err = store->allocate(store, fd, create, diag);
	else
		err = ftruncate(fd, (off_t)create->capacity) ? diag_errno(diag, -errno, create->name) : 0;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_new_sidecar(struct file_store *store, const struct pool_create *create, int data,
			    struct pinpool_diag *diag)
{
	struct sidecar record;
	struct timespec now;
	struct stat st;
	int err, fd;

	if (fstat(data, &st))
		return diag_errno(diag, -errno, create->name);
	fd = open_unnamed(store->state_dir, create, 0644);
	if (fd < 0)
		return file_store_no_permission(fd, store->state_dir, "", store->state_path, diag);
	clock_gettime(CLOCK_REALTIME, &now);
	sidecar_init(&record);
	snprintf(record.name, sizeof(record.name), "%s", create->name);
	record.data_dev = st.st_dev;
	record.data_ino = st.st_ino;
	record.capacity = create->capacity;
	record.page_size = store->page_size;
	record.created_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	record.state = PINPOOL_STATE_EMPTY;
	record.numa_node = create->numa_node;
	record.numa_policy = create->numa_policy;
	record.numa_nodes = create->numa_nodes;
	record.on_demand = create->on_demand;
	record.mode = create->mode;
	err = sidecar_write(fd, &record);
	if (!err)
		err = sidecar_try_lock(fd, LOCK_NAME);
	if (err) {
		close(fd);
		return diag_errno(diag, err, store->state_path);
	}
	return fd;
}

static int taken(const char *name, struct pinpool_diag *diag)
{
	diag_set(diag, -EEXIST, name, NULL, "a pool of that name exists");
	diag_change(diag, "choose another name, or remove it: pinpool rm %s", name);
	return -EEXIST;
}

static int link_both(struct file_store *store, const char *name, int data, int sidecar, struct pinpool_diag *diag)
{
	struct sidecar_name text = sidecar_name(store, name);
	char path[512];
	int err = -EEXIST;

	for (int i = 0; err == -EEXIST && i < RACE_RETRIES; i++) {
		err = link_fd(sidecar, store->state_dir, text.text);
		if (err == -EEXIST && remove_leftover(store, name))
			return taken(name, diag);
	}
	if (err)
		return err == -EEXIST ? taken(name, diag) : diag_errno(diag, err, store->state_path);
	err = link_fd(data, store->data_dir, name);
	if (!err)
		return 0;
	unlinkat(store->state_dir, text.text, 0);
	path_in(path, sizeof(path), store->data_path, name);
	if (err == -EEXIST)
		return diag_set(diag, err, path, "choose another name, or remove that file",
				"a file that is no pool is in the way");
	return diag_errno(diag, err, path);
}

int file_store_create(struct pinpool_ctx *ctx, const struct pool_create *create, struct pinpool_diag *diag)
{
	struct file_store *store = ctx->store;
	struct pool_create rounded = *create;
	struct sidecar record;
	int data, err, sidecar;
	struct stat st;

	if (create->capacity > INT64_MAX - store->page_size)
		return diag_set(diag, -EINVAL, create->name, NULL, "capacity %llu is beyond any file",
				(unsigned long long)create->capacity);
	rounded.capacity = (create->capacity + store->page_size - 1) / store->page_size * store->page_size;
	err = file_fill_check(store, &rounded, diag);
	if (err)
		return err;

	/* Before the pages are taken; linking decides. */
	sidecar = file_store_lookup(store, create->name, O_RDONLY, &record, &st, NULL);
	if (sidecar >= 0) {
		close(sidecar);
		return taken(create->name, diag);
	}
	if (sidecar != -ENOENT) {
		file_store_lookup(store, create->name, O_RDONLY, &record, &st, diag);
		return -EEXIST;
	}

	data = open_data(store, &rounded, diag);
	if (data < 0)
		return data;
	sidecar = open_new_sidecar(store, &rounded, data, diag);
	if (sidecar < 0) {
		close(data);
		return sidecar;
	}
	err = link_both(store, create->name, data, sidecar, diag);
	close(sidecar);
	close(data);
	return err;
}

/* Unlinks both names; LOCK_NAME of @fd is held and @fd is what the name says. -ENOENT if only the sidecar was there. */
static int unlink_both(struct file_store *store, const char *name, int fd, const struct stat *st,
		       struct pinpool_diag *diag)
{
	struct sidecar_name sidecar = sidecar_name(store, name);
	struct sidecar record;
	char path[512];
	struct stat data;
	bool there;

	/* A record that cannot be read says nothing of the data file: then the owner must be the same. */
	if (!sidecar_read(fd, name, &record))
		there = data_is_there(store, &record, &data);
	else
		there = !fstatat(store->data_dir, name, &data, AT_SYMLINK_NOFOLLOW) && S_ISREG(data.st_mode) &&
			data.st_uid == st->st_uid;
	if (there && unlinkat(store->data_dir, name, 0) && errno != ENOENT)
		return file_store_no_permission(errno == EACCES ? -EPERM : -errno, store->data_dir, name,
						path_in(path, sizeof(path), store->data_path, name), diag);
	if (unlinkat(store->state_dir, sidecar.text, 0))
		ctx_log(store->ctx, PINPOOL_LOG_WARN, "cannot remove %s/%s: errno %d", store->state_path, sidecar.text,
			errno);
	return there ? 0 : -ENOENT;
}

int file_store_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	struct file_store *store = ctx->store;
	struct sidecar_name sidecar = sidecar_name(store, name);
	struct stat st, now;
	char path[512];
	int err, fd;

	for (int i = 0; i < RACE_RETRIES; i++) {
		fd = open_sidecar(store, name, O_RDWR, &st);
		if (fd == -ENOENT)
			break;
		path_in(path, sizeof(path), store->state_path, sidecar.text);
		if (fd == -EBADMSG)
			return diag_set(diag, fd, path, "remove it by hand", "not a file that pinpool made");
		if (fd < 0)
			return file_store_no_permission(fd == -EACCES ? -EPERM : fd, store->state_dir, sidecar.text,
							path, diag);
		err = sidecar_lock(fd, LOCK_NAME);
		if (err) {
			close(fd);
			return diag_set(diag, err, path, "try again", "another process holds its lock");
		}
		if (!fstatat(store->state_dir, sidecar.text, &now, AT_SYMLINK_NOFOLLOW) && same_file(&st, &now)) {
			err = unlink_both(store, name, fd, &st, diag);
			close(fd);
			if (err != -ENOENT)
				return err;
			break;
		}
		close(fd);
	}
	path_in(path, sizeof(path), store->data_path, name);
	if (!fstatat(store->data_dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		diag_set(diag, -ENOENT, path, NULL, "a file without a state file, not a pool");
		diag_change(diag, "if it is of no use: rm %s", path);
		return -ENOENT;
	}
	return diag_set(diag, -ENOENT, name, "pinpool ls shows the pools there are", "no pool of that name");
}

void file_store_fill_info(enum pinpool_backend kind, int sidecar, const struct sidecar *record, const struct stat *data,
			  struct pinpool_info *info)
{
	*info = (struct pinpool_info){
		.size = sizeof(*info),
		.backend = kind,
		.state = (enum pinpool_state)record->state,
		.capacity = record->capacity,
		.length = record->length,
		.page_size = record->page_size,
		.huge_pages =
			kind == PINPOOL_BACKEND_HUGETLBFS ? (uint64_t)data->st_blocks * 512 / record->page_size : 0,
		.numa_node = record->numa_node,
		.mappings = PINPOOL_UNKNOWN,
		.openers = PINPOOL_UNKNOWN,
		.faults = PINPOOL_UNKNOWN,
		.bytes_written = PINPOOL_UNKNOWN,
		.created_ns = record->created_ns,
		.committed_ns = record->committed_ns,
		.digest_kind = (enum pinpool_digest_kind)record->digest_kind,
		.uid = data->st_uid,
		.gid = data->st_gid,
		.mode = record->mode,
		.on_demand = record->on_demand,
		.numa_policy = (enum pinpool_numa_policy)record->numa_policy,
		.numa_nodes = record->numa_nodes,
		.numa_fallback = PINPOOL_UNKNOWN,
		.pages_zeroed = PINPOOL_UNKNOWN,
		.failed_allocs = PINPOOL_UNKNOWN,
		.exports = PINPOOL_UNKNOWN,
		.bytes_read = PINPOOL_UNKNOWN,
		.loaded = PINPOOL_UNKNOWN,
		.load_total = PINPOOL_UNKNOWN,
	};
	if (info->state == PINPOOL_STATE_LOADING)
		sidecar_read_progress(sidecar, record, &info->loaded, &info->load_total);
	snprintf(info->name, sizeof(info->name), "%s", record->name);
	memcpy(info->digest, record->digest, sizeof(info->digest));
}

int file_store_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag)
{
	struct sidecar record;
	struct stat data;
	int fd;

	fd = file_store_lookup(ctx->store, name, O_RDONLY, &record, &data, diag);
	if (fd < 0)
		return fd;
	file_store_fill_info(ctx->ops->kind, fd, &record, &data, info);
	close(fd);
	return 0;
}

/* Calls @fn for every whole pool, and removes leftovers of killed processes on the way. Stops at what is not 0. */
static int for_each(struct file_store *store,
		    int (*fn)(void *arg, const struct sidecar *record, const struct stat *data), void *arg)
{
	struct pinpool_diag why;
	struct sidecar record;
	struct dirent *entry;
	struct stat data;
	int err = 0;
	char *colon;
	DIR *dir;
	int fd;

	/* A description of its own: the position of store->state_dir is shared by all threads. */
	fd = openat(store->state_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (errno = 0, entry = readdir(dir))) {
		colon = strchr(entry->d_name, ':');
		if (!colon || strcmp(colon + 1, store->tag))
			continue;
		*colon = '\0';
		if (pinpool_name_check(entry->d_name))
			continue;
		fd = file_store_lookup(store, entry->d_name, O_RDONLY, &record, &data, &why);
		if (fd >= 0) {
			close(fd);
			err = fn(arg, &record, &data);
		} else if (fd == -ENOENT) {
			remove_leftover(store, entry->d_name);
		} else {
			ctx_log(store->ctx, PINPOOL_LOG_WARN, "%s: %s", why.object, why.cause);
		}
	}
	if (!err && errno)
		err = -errno;
	closedir(dir);
	return err;
}

static int add_name(void *arg, const struct sidecar *record, const struct stat *data)
{
	return names_add(arg, record->name);
}

int file_store_list(struct pinpool_ctx *ctx, struct names *names)
{
	return for_each(ctx->store, add_name, names);
}

struct used {
	uint64_t bytes;
	uint32_t pools;
};

static int add_used(void *arg, const struct sidecar *record, const struct stat *data)
{
	struct used *used = arg;

	used->bytes += record->on_demand ? (uint64_t)data->st_blocks * 512 : record->capacity;
	used->pools++;
	return 0;
}

int file_store_used(struct file_store *store, uint64_t *bytes, uint32_t *pools)
{
	struct used used = {0};
	int err = for_each(store, add_used, &used);

	*bytes = used.bytes;
	*pools = used.pools;
	return err;
}
