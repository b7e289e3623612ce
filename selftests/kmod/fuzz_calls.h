/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Every call that fuzz_calls.c has in its table: a value >= 0, -errno or FUZZ_SKIP; and what they have of each other.
 */
#ifndef SELFTESTS_KMOD_FUZZ_CALLS_H
#define SELFTESTS_KMOD_FUZZ_CALLS_H

#include "fuzz.h"

/* fuzz_ioctl.c */
int64_t fuzz_create(struct fuzz_actor *a);
int64_t fuzz_destroy(struct fuzz_actor *a);
int64_t fuzz_module_info(struct fuzz_actor *a);
int64_t fuzz_pool_info(struct fuzz_actor *a);
int64_t fuzz_begin(struct fuzz_actor *a);
int64_t fuzz_commit(struct fuzz_actor *a);
int64_t fuzz_abort(struct fuzz_actor *a);
int64_t fuzz_resize(struct fuzz_actor *a);
int64_t fuzz_eviction(struct fuzz_actor *a);
int64_t fuzz_load(struct fuzz_actor *a);
int64_t fuzz_bad_ioctl(struct fuzz_actor *a);
int64_t fuzz_ioctl_in_map(struct fuzz_actor *a);
int64_t fuzz_racy_ioctl(struct fuzz_actor *a);
int64_t fuzz_reserve(struct fuzz_actor *a);
int64_t fuzz_limit(struct fuzz_actor *a);
int64_t fuzz_sysfs(struct fuzz_actor *a);
int64_t fuzz_chmod(struct fuzz_actor *a);

/* fuzz_io.c */
int64_t fuzz_pwrite(struct fuzz_actor *a);
int64_t fuzz_pwrite_page(struct fuzz_actor *a);
int64_t fuzz_pwrite_fault(struct fuzz_actor *a);
int64_t fuzz_pwritev(struct fuzz_actor *a);
int64_t fuzz_splice_in(struct fuzz_actor *a);
int64_t fuzz_write_itself(struct fuzz_actor *a);
int64_t fuzz_uring_write(struct fuzz_actor *a);
int64_t fuzz_pread(struct fuzz_actor *a);
int64_t fuzz_pread_page(struct fuzz_actor *a);
int64_t fuzz_preadv(struct fuzz_actor *a);
int64_t fuzz_uring_read(struct fuzz_actor *a);
int64_t fuzz_splice_out(struct fuzz_actor *a);
int64_t fuzz_sendfile(struct fuzz_actor *a);
int64_t fuzz_pread_into_map(struct fuzz_actor *a);
int64_t fuzz_lseek(struct fuzz_actor *a);
int64_t fuzz_poll(struct fuzz_actor *a);
int64_t fuzz_epoll(struct fuzz_actor *a);
int64_t fuzz_direct(struct fuzz_actor *a);
int64_t fuzz_uring_register(struct fuzz_actor *a);
int64_t fuzz_uring_unregister(struct fuzz_actor *a);
int64_t fuzz_uring_direct(struct fuzz_actor *a);
int64_t fuzz_uring_fixed(struct fuzz_actor *a);

/* fuzz_command.c */
int fuzz_command_load(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r);
int64_t fuzz_uring_cmd(struct fuzz_actor *a);
int64_t fuzz_uring_cmd_cancel(struct fuzz_actor *a);
int64_t fuzz_uring_cmd_leave(struct fuzz_actor *a);
int64_t fuzz_uring_cmd_bad(struct fuzz_actor *a);

/* fuzz_map.c */
int64_t fuzz_mmap(struct fuzz_actor *a);
int64_t fuzz_mmap_anywhere(struct fuzz_actor *a);
int64_t fuzz_export(struct fuzz_actor *a);
int64_t fuzz_export_close(struct fuzz_actor *a);
int64_t fuzz_map_read(struct fuzz_actor *a);
int64_t fuzz_map_write(struct fuzz_actor *a);
int64_t fuzz_munmap(struct fuzz_actor *a);
int64_t fuzz_mprotect(struct fuzz_actor *a);
int64_t fuzz_madvise(struct fuzz_actor *a);
int64_t fuzz_mremap(struct fuzz_actor *a);
int64_t fuzz_mlock(struct fuzz_actor *a);
int64_t fuzz_mincore(struct fuzz_actor *a);
int64_t fuzz_msync(struct fuzz_actor *a);
int64_t fuzz_mbind(struct fuzz_actor *a);
int64_t fuzz_proc_mem(struct fuzz_actor *a);
int64_t fuzz_process_vm(struct fuzz_actor *a);
int64_t fuzz_vmsplice(struct fuzz_actor *a);
int64_t fuzz_proc_maps(struct fuzz_actor *a);

/* fuzz_life.c */
int64_t fuzz_open(struct fuzz_actor *a);
int64_t fuzz_close(struct fuzz_actor *a);
int64_t fuzz_dup(struct fuzz_actor *a);
int64_t fuzz_file_misc(struct fuzz_actor *a);
int64_t fuzz_send(struct fuzz_actor *a);
int64_t fuzz_receive(struct fuzz_actor *a);
int64_t fuzz_die(struct fuzz_actor *a);
int64_t fuzz_exit(struct fuzz_actor *a);

#endif
