// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What the fuzzer calls, how often, and what each call may say: of the contract of the uapi header, what goes for the
 * call, and what the kernel says itself.
 */
#include "fuzz_calls.h"
#include "fuzz.h"

#define ROW(_name, _weight, _never, _if_can, ...)                                                                      \
	{                                                                                                              \
		.name = #_name, .weight = (_weight), .execute = fuzz_##_name, .never = (_never), .if_can = (_if_can),  \
		.errors = (const int[]){ __VA_ARGS__ __VA_OPT__(, ) 0 },                                               \
	}

/* Some of them succeed, */
#define CALL(_name, _weight, ...) ROW(_name, _weight, NULL, NULL, __VA_ARGS__)
/* on kernels that can, */
#define CALL_IF(_name, _weight, _row, ...) ROW(_name, _weight, NULL, fuzz_##_row, __VA_ARGS__)
/* or none, for a reason. */
#define CALL_NEVER(_name, _weight, _why, ...) ROW(_name, _weight, _why, NULL, __VA_ARGS__)

#define ROOM	ENOMEM, ENOSPC, EDQUOT
#define WRITE	EBADF, EROFS, EBUSY, EFAULT, ROOM
#define COMMAND EBADF, EROFS, EBUSY, EINVAL, EAGAIN, ROOM

const struct fuzz_call fuzz_calls[] = {
	/* control */
	CALL(create, 60, EPERM, EINVAL, EOPNOTSUPP, EEXIST, ROOM),
	CALL(destroy, 30, ENOENT, EPERM),
	CALL(module_info, 10),
	CALL(reserve, 6, EACCES, EINVAL, ENOMEM),
	CALL(limit, 4, EACCES),
	CALL(sysfs, 20, ENOENT, ENODEV),
	CALL(chmod, 4, ENOENT, EPERM),

	/* a pool's states */
	CALL(pool_info, 10),
	CALL(begin, 40, EBADF, EROFS, EBUSY),
	CALL(commit, 15, EBADF, EROFS, EBUSY, EINVAL),
	CALL(abort, 8, EBADF, EROFS, EBUSY),
	CALL(resize, 20, EBADF, EROFS, EBUSY, EINVAL, ROOM),
	CALL(eviction, 8, EPERM),
	CALL(load, 60, ENOENT, ENXIO, EACCES, EBADF, EROFS, EBUSY, EINVAL, EAGAIN, ROOM),
	CALL_NEVER(bad_ioctl, 30, "each has one thing wrong", EINVAL, E2BIG, EOPNOTSUPP, EFAULT, ENOTTY),
	CALL_NEVER(ioctl_in_map, 10, "no pattern begins with a size", EINVAL, E2BIG, EFAULT),
	CALL(racy_ioctl, 15, EFAULT, EINVAL, E2BIG, EOPNOTSUPP, EPERM),

	/* its content */
	CALL(pwrite, 60, WRITE),
	CALL(pwrite_page, 8, WRITE),
	CALL(pwrite_fault, 8, WRITE),
	CALL(pwritev, 15, WRITE),
	CALL(splice_in, 12, WRITE, EINVAL, EAGAIN),
	CALL(write_itself, 10, WRITE),
	CALL(pread, 50, EBADF, ENODATA, EBUSY),
	CALL(pread_page, 4, EBADF, ENODATA, EBUSY),
	CALL(preadv, 15, EBADF, ENODATA, EBUSY),
	CALL(splice_out, 12, EBADF, ENODATA, EBUSY, EAGAIN),
	CALL(sendfile, 12, EBADF, ENODATA, EBUSY, EAGAIN),
	CALL_NEVER(pread_into_map, 8, "nothing may write there", EBADF, ENODATA, EBUSY, EFAULT),
	CALL(lseek, 10, EBADF, EINVAL, ENODATA, EBUSY, ENXIO, EOVERFLOW),
	CALL(poll, 15),
	CALL(epoll, 15, EBADF, EEXIST, ENOENT),
	CALL(direct, 30, EFAULT, EINVAL),
	CALL(uring_write, 8, WRITE),
	CALL(uring_read, 8, EBADF, ENODATA, EBUSY),
	CALL_IF(uring_register, 24, uring_register, EFAULT, EBUSY, EOPNOTSUPP, ENOMEM, EACCES, EINVAL),
	CALL_IF(uring_unregister, 6, uring_register, ENXIO),
	CALL(uring_direct, 20, EFAULT, EINVAL),
	CALL_IF(uring_fixed, 30, uring_register, EFAULT, EINVAL),
	CALL(uring_cmd, 40, COMMAND),
	CALL(uring_cmd_cancel, 20, COMMAND, EINTR, ECANCELED),
	CALL(uring_cmd_leave, 20, COMMAND),
	CALL_NEVER(uring_cmd_bad, 20, "each has one thing wrong", COMMAND, E2BIG, EOPNOTSUPP, ENOTTY, ESPIPE, EISDIR),

	/* its mappings */
	CALL(mmap, 110, EACCES, EINVAL, ENODATA, EBUSY, ENOMEM, EAGAIN, ENODEV),
	CALL(mmap_anywhere, 25, EACCES, EINVAL, ENODATA, EBUSY, ENOMEM),
	CALL(export, 25, EACCES, EBADF, EBUSY, EINVAL, ENODATA, ROOM),
	CALL(export_close, 15, EBADF),
	CALL(map_read, 60),
	CALL(map_write, 60),
	CALL(munmap, 10),
	CALL(mprotect, 20, EACCES, ENOMEM),
	CALL(madvise, 30, ENODEV, EINVAL, EFAULT, ENOMEM, EACCES, EOPNOTSUPP, EBUSY, EAGAIN, EBADF),
	CALL(mremap, 20, EFAULT, EINVAL, ENOMEM, EAGAIN),
	CALL(mlock, 6, ENOMEM, EAGAIN),
	CALL(mincore, 6, ENOMEM),
	CALL(msync, 6, EINVAL, ENOMEM, EBUSY),
	CALL(mbind, 8, EFAULT, EINVAL, EIO, EPERM, ENOMEM, ENOSYS),
	CALL(proc_mem, 10, EIO, EFAULT, EACCES),
	CALL_IF(process_vm, 8, process_vm, EFAULT, ENOMEM, ENOSYS),
	CALL(vmsplice, 8, EFAULT, EAGAIN),
	CALL(proc_maps, 6, ENOENT, EACCES, EPERM),

	/* files and processes */
	CALL(open, 80, ENOENT, ENXIO, EACCES, EINVAL, EBUSY),
	CALL(close, 12, EBADF),
	CALL(dup, 10, EBADF, EBUSY),
	CALL(file_misc, 12, EBADF, EINVAL, EAGAIN, ENODEV, EOPNOTSUPP, ENOENT, ESPIPE),
	CALL(send, 12, EBADF, EAGAIN, ETOOMANYREFS),
	CALL(receive, 14, EAGAIN, EBUSY),
	CALL(fork, 6, EAGAIN, ENOMEM),
	CALL(die, 1),
	CALL(exit, 1),
};

const unsigned int fuzz_nr_calls = sizeof(fuzz_calls) / sizeof(fuzz_calls[0]);

_Static_assert(sizeof(fuzz_calls) / sizeof(fuzz_calls[0]) <= FUZZ_MAX_ROWS, "each row is counted");
