/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The layout of the ABI, compiled and not hoped for: every struct's size and every field's place, on every target. The
 * module includes it once, and so may a program. A line is only ever added; docs/abi.md says how a struct grows.
 */
#ifndef PINPOOL_ABI_ASSERT_H
#define PINPOOL_ABI_ASSERT_H

#include <linux/pinpool.h>

#define PINPOOL_ABI_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define PINPOOL_ABI_FIELD(type, offset, field) \
	_Static_assert(__builtin_offsetof(struct type, field) == (offset), #type "." #field)

PINPOOL_ABI_SIZE(pinpool_module_info, 96);
PINPOOL_ABI_FIELD(pinpool_module_info, 0, size);
PINPOOL_ABI_FIELD(pinpool_module_info, 4, flags);
PINPOOL_ABI_FIELD(pinpool_module_info, 8, out_features);
PINPOOL_ABI_FIELD(pinpool_module_info, 16, out_page_size);
PINPOOL_ABI_FIELD(pinpool_module_info, 24, out_reserve_bytes);
PINPOOL_ABI_FIELD(pinpool_module_info, 32, out_free_bytes);
PINPOOL_ABI_FIELD(pinpool_module_info, 40, out_limit_bytes);
PINPOOL_ABI_FIELD(pinpool_module_info, 48, out_used_bytes);
PINPOOL_ABI_FIELD(pinpool_module_info, 56, out_pools);
PINPOOL_ABI_FIELD(pinpool_module_info, 60, __reserved);
PINPOOL_ABI_FIELD(pinpool_module_info, 64, out_limit_uid_bytes);
PINPOOL_ABI_FIELD(pinpool_module_info, 72, out_evicted);
PINPOOL_ABI_FIELD(pinpool_module_info, 80, out_pages_scrubbed);
PINPOOL_ABI_FIELD(pinpool_module_info, 88, out_quarantine_bytes);

PINPOOL_ABI_SIZE(pinpool_create, 128);
PINPOOL_ABI_FIELD(pinpool_create, 0, size);
PINPOOL_ABI_FIELD(pinpool_create, 4, flags);
PINPOOL_ABI_FIELD(pinpool_create, 8, name);
PINPOOL_ABI_FIELD(pinpool_create, 72, capacity);
PINPOOL_ABI_FIELD(pinpool_create, 80, page_size);
PINPOOL_ABI_FIELD(pinpool_create, 88, numa_node);
PINPOOL_ABI_FIELD(pinpool_create, 92, uid);
PINPOOL_ABI_FIELD(pinpool_create, 96, gid);
PINPOOL_ABI_FIELD(pinpool_create, 100, mode);
PINPOOL_ABI_FIELD(pinpool_create, 104, __reserved);
PINPOOL_ABI_FIELD(pinpool_create, 112, numa_policy);
PINPOOL_ABI_FIELD(pinpool_create, 116, priority);
PINPOOL_ABI_FIELD(pinpool_create, 120, numa_nodes);

PINPOOL_ABI_SIZE(pinpool_destroy, 72);
PINPOOL_ABI_FIELD(pinpool_destroy, 0, size);
PINPOOL_ABI_FIELD(pinpool_destroy, 4, flags);
PINPOOL_ABI_FIELD(pinpool_destroy, 8, name);

PINPOOL_ABI_SIZE(pinpool_pool_info, 256);
PINPOOL_ABI_FIELD(pinpool_pool_info, 0, size);
PINPOOL_ABI_FIELD(pinpool_pool_info, 4, flags);
PINPOOL_ABI_FIELD(pinpool_pool_info, 8, out_name);
PINPOOL_ABI_FIELD(pinpool_pool_info, 72, out_capacity);
PINPOOL_ABI_FIELD(pinpool_pool_info, 80, out_length);
PINPOOL_ABI_FIELD(pinpool_pool_info, 88, out_page_size);
PINPOOL_ABI_FIELD(pinpool_pool_info, 96, out_huge_pages);
PINPOOL_ABI_FIELD(pinpool_pool_info, 104, out_mappings);
PINPOOL_ABI_FIELD(pinpool_pool_info, 112, out_openers);
PINPOOL_ABI_FIELD(pinpool_pool_info, 120, out_faults);
PINPOOL_ABI_FIELD(pinpool_pool_info, 128, out_bytes_written);
PINPOOL_ABI_FIELD(pinpool_pool_info, 136, out_created_ns);
PINPOOL_ABI_FIELD(pinpool_pool_info, 144, out_committed_ns);
PINPOOL_ABI_FIELD(pinpool_pool_info, 152, out_digest);
PINPOOL_ABI_FIELD(pinpool_pool_info, 168, out_digest_kind);
PINPOOL_ABI_FIELD(pinpool_pool_info, 172, out_state);
PINPOOL_ABI_FIELD(pinpool_pool_info, 176, out_numa_node);
PINPOOL_ABI_FIELD(pinpool_pool_info, 180, out_uid);
PINPOOL_ABI_FIELD(pinpool_pool_info, 184, out_gid);
PINPOOL_ABI_FIELD(pinpool_pool_info, 188, out_mode);
PINPOOL_ABI_FIELD(pinpool_pool_info, 192, out_flags);
PINPOOL_ABI_FIELD(pinpool_pool_info, 196, out_priority);
PINPOOL_ABI_FIELD(pinpool_pool_info, 200, out_numa_policy);
PINPOOL_ABI_FIELD(pinpool_pool_info, 204, __reserved);
PINPOOL_ABI_FIELD(pinpool_pool_info, 208, out_numa_nodes);
PINPOOL_ABI_FIELD(pinpool_pool_info, 216, out_numa_fallback);
PINPOOL_ABI_FIELD(pinpool_pool_info, 224, out_pages_zeroed);
PINPOOL_ABI_FIELD(pinpool_pool_info, 232, out_failed_allocs);
PINPOOL_ABI_FIELD(pinpool_pool_info, 240, out_exports);
PINPOOL_ABI_FIELD(pinpool_pool_info, 248, out_bytes_read);

PINPOOL_ABI_SIZE(pinpool_begin, 8);
PINPOOL_ABI_FIELD(pinpool_begin, 0, size);
PINPOOL_ABI_FIELD(pinpool_begin, 4, flags);

PINPOOL_ABI_SIZE(pinpool_commit, 40);
PINPOOL_ABI_FIELD(pinpool_commit, 0, size);
PINPOOL_ABI_FIELD(pinpool_commit, 4, flags);
PINPOOL_ABI_FIELD(pinpool_commit, 8, length);
PINPOOL_ABI_FIELD(pinpool_commit, 16, digest);
PINPOOL_ABI_FIELD(pinpool_commit, 32, digest_kind);
PINPOOL_ABI_FIELD(pinpool_commit, 36, __reserved);

PINPOOL_ABI_SIZE(pinpool_abort, 8);
PINPOOL_ABI_FIELD(pinpool_abort, 0, size);
PINPOOL_ABI_FIELD(pinpool_abort, 4, flags);

PINPOOL_ABI_SIZE(pinpool_uring_read, 40);
PINPOOL_ABI_FIELD(pinpool_uring_read, 0, size);
PINPOOL_ABI_FIELD(pinpool_uring_read, 4, flags);
PINPOOL_ABI_FIELD(pinpool_uring_read, 8, fd);
PINPOOL_ABI_FIELD(pinpool_uring_read, 12, __reserved);
PINPOOL_ABI_FIELD(pinpool_uring_read, 16, file_offset);
PINPOOL_ABI_FIELD(pinpool_uring_read, 24, pool_offset);
PINPOOL_ABI_FIELD(pinpool_uring_read, 32, length);

PINPOOL_ABI_SIZE(pinpool_resize, 16);
PINPOOL_ABI_FIELD(pinpool_resize, 0, size);
PINPOOL_ABI_FIELD(pinpool_resize, 4, flags);
PINPOOL_ABI_FIELD(pinpool_resize, 8, capacity);

PINPOOL_ABI_SIZE(pinpool_eviction, 16);
PINPOOL_ABI_FIELD(pinpool_eviction, 0, size);
PINPOOL_ABI_FIELD(pinpool_eviction, 4, flags);
PINPOOL_ABI_FIELD(pinpool_eviction, 8, evictable);
PINPOOL_ABI_FIELD(pinpool_eviction, 12, priority);

PINPOOL_ABI_SIZE(pinpool_export, 32);
PINPOOL_ABI_FIELD(pinpool_export, 0, size);
PINPOOL_ABI_FIELD(pinpool_export, 4, flags);
PINPOOL_ABI_FIELD(pinpool_export, 8, offset);
PINPOOL_ABI_FIELD(pinpool_export, 16, length);
PINPOOL_ABI_FIELD(pinpool_export, 24, fd_flags);
PINPOOL_ABI_FIELD(pinpool_export, 28, out_fd);

#undef PINPOOL_ABI_SIZE
#undef PINPOOL_ABI_FIELD

#endif /* PINPOOL_ABI_ASSERT_H */
