/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pools by name without the module: a data file in one directory, a sidecar in the state directory.
 *
 *   data     DATA_DIR/NAME          the pages; mode is the pool's, and read-only once READY
 *   sidecar  STATE_DIR/NAME:TAG     TAG names the data directory, so that several may share a state directory
 *
 * Both are made without a name (O_TMPFILE), whole, and linked with LOCK_NAME held: first the sidecar, which takes the
 * name, then the data file, with which the pool exists. Destroy goes the other way: data file, then sidecar. So a
 * data file of ours never stands alone, and a kill at any point leaves nothing, a pool, or a sidecar without data
 * and without lock, which the next create, list or destroy of that name removes.
 *
 * Directories may be shared by users (sticky, like /tmp). A sidecar counts only if it is a regular file with one
 * name, owned by the owner of the data file it identifies; links are never followed.
 */
#ifndef PINPOOL_POOL_FILE_STORE_H
#define PINPOOL_POOL_FILE_STORE_H

#include <sys/stat.h>

#include "pool/backend.h"
#include "pool/sidecar.h"

struct file_store {
	const struct pinpool_ctx *ctx;
	int data_dir;
	int state_dir;
	char data_path[256];
	char state_path[256];
	char tag[64];
	uint64_t page_size;
	uint64_t features; /* PINPOOL_FEATURE_* */
	/*
	 * Gives the file at @fd all its pages, zeroed, from now on. Returns 0, -ENOMEM with @diag saying what is free
	 * and the command that adds more, -EINTR, -EINVAL and -EOPNOTSUPP (a node that is not there, or cannot be asked
	 * for).
	 */
	int (*allocate)(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag);
};

/* Opens a directory for files of several users, made if its parent exists. Returns 0 or -errno. */
int file_store_open_dir(const char *path, bool make, int *fd, struct pinpool_diag *diag);
/* Opens the state directory of @opts. @store->ctx is set. */
int file_store_open_state(struct file_store *store, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag);

/* These are operations of struct backend_ops; ctx->store is a struct file_store. */
void file_store_close(struct pinpool_ctx *ctx);
int file_store_create(struct pinpool_ctx *ctx, const struct pool_create *create, struct pinpool_diag *diag);
int file_store_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag);
int file_store_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag);
int file_store_list(struct pinpool_ctx *ctx, struct names *names);

/*
 * Opens the sidecar of a whole pool, for writing if @flags is O_RDWR, and says what it is about. -ENOENT also for one
 * in the making and for leftovers; -EBADMSG for one that is damaged or not to be trusted.
 */
int file_store_lookup(struct file_store *store, const char *name, int flags, struct sidecar *record, struct stat *data,
		      struct pinpool_diag *diag);
/* @record and @data as file_store_lookup() gave them; @record->state is taken as it is. */
void file_store_fill_info(enum pinpool_backend kind, int sidecar, const struct sidecar *record, const struct stat *data,
			  struct pinpool_info *info);
/*
 * Explains -EACCES or -EPERM on @path, which is @name in @dir ("" for the directory itself): whose it is. Any other
 * @err is explained by its name. Returns @err.
 */
int file_store_no_permission(int err, int dir, const char *name, const char *path, struct pinpool_diag *diag);
/* Bytes and number of all pools. */
int file_store_used(struct file_store *store, uint64_t *bytes, uint32_t *pools);

#endif
