/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One open pool without the module: the states, kept by the rules of sidecar.h, for hugetlbfs and shm alike.
 *
 * The data file is open for writing only by the writer, from begin to commit; commit makes its mode read-only and then
 * asks the kernel whether anybody still has it open or mapped for writing, which a lease tells. So content is sealed as
 * far as file permissions reach: the owner of the file can undo that, where the kernel module would not let him.
 */
#ifndef PINPOOL_POOL_FILE_POOL_H
#define PINPOOL_POOL_FILE_POOL_H

#include "pool/file_store.h"

/* These are the pool_* operations of struct backend_ops; ctx->store is a struct file_store. */
int file_pool_open(struct pinpool_pool *pool, struct pinpool_diag *diag);
void file_pool_close(struct pinpool_pool *pool);
int file_pool_info(struct pinpool_pool *pool, struct pinpool_info *info);
int file_pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag);
int file_pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts, struct pinpool_diag *diag);
int file_pool_abort(struct pinpool_pool *pool);
int file_pool_wait(struct pinpool_pool *pool, int timeout_ms);
int file_pool_progress(struct pinpool_pool *pool, uint64_t loaded, uint64_t total);

#endif
