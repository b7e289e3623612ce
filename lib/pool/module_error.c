/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Refusals of the kernel module put into words; see module_error.h. */
#include "pool/module_error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/diag.h"

#define MIB (1ULL << 20)

int module_call(int fd, unsigned long number, void *arg)
{
	return ioctl(fd, number, arg) ? -errno : 0;
}

int module_no_permission(int err, const char *path, struct pinpool_diag *diag)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	char users[1024], groups[1024];
	struct stat st;

	if (stat(path, &st))
		return diag_errno(diag, err, path);
	getpwuid_r(st.st_uid, &pw, users, sizeof(users), &user);
	getgrgid_r(st.st_gid, &gr, groups, sizeof(groups), &group);
	return diag_set(diag, err, path,
			"become that user or a member of that group, or have the owner change the mode",
			"permission denied (owner %s (%u), group %s (%u), mode %04o)", user ? user->pw_name : "?",
			st.st_uid, group ? group->gr_name : "?", st.st_gid, (unsigned int)(st.st_mode & 07777));
}

static int no_memory(const struct pinpool_module_info *info, const char *name, uint64_t bytes, uint64_t page_size,
		     int32_t node, struct pinpool_diag *diag)
{
	char where[32] = "";

	if (node >= 0)
		snprintf(where, sizeof(where), " on NUMA node %d", node);
	diag_set(diag, -ENOMEM, name, NULL,
		 "%llu huge pages of %llu MiB needed%s, %llu free in the reserve of all nodes and too few elsewhere or "
		 "in "
		 "this memory cgroup",
		 (unsigned long long)(bytes / page_size), (unsigned long long)(page_size / MIB), where,
		 (unsigned long long)(info->out_free_bytes / page_size));
	if (node >= 0)
		diag_change(
			diag,
			"grow the reserve: pinpool reserve %d SIZE, let another node do: prefer, or raise memory.max",
			node);
	else
		diag_change(diag, "grow the reserve: pinpool reserve NODE SIZE, or raise memory.max of the cgroup");
	return -ENOMEM;
}

static int no_space(const struct pinpool_module_info *info, const char *name, uint64_t bytes, struct pinpool_diag *diag)
{
	if (!info->out_limit_bytes || info->out_used_bytes + bytes <= info->out_limit_bytes)
		return diag_set(diag, -ENOSPC, name, "remove one", "there are %u pools, the most there can be",
				info->out_pools);
	return diag_set(diag, -ENOSPC, name, "raise " MODULE_PARAMS "/limit_mb, or remove a pool",
			"%llu MiB needed, %llu MiB of the module's limit of %llu MiB in use by %u pool%s",
			(unsigned long long)(bytes / MIB), (unsigned long long)(info->out_used_bytes / MIB),
			(unsigned long long)(info->out_limit_bytes / MIB), info->out_pools,
			info->out_pools == 1 ? "" : "s");
}

int module_no_room(int err, int control, const char *name, uint64_t bytes, uint64_t page_size, int32_t node,
		   struct pinpool_diag *diag)
{
	struct pinpool_module_info info = {.size = sizeof(info)};

	if (control >= 0)
		module_call(control, PINPOOL_IOC_MODULE_INFO, &info);
	switch (err) {
	case -ENOMEM:
		return no_memory(&info, name, bytes, page_size, node, diag);
	case -ENOSPC:
		return no_space(&info, name, bytes, diag);
	default:
		return diag_set(
			diag, err, name, "have root raise " MODULE_PARAMS "/limit_uid_mb, or remove a pool of yours",
			"%llu MiB needed, the pools of one user may hold %llu MiB together",
			(unsigned long long)(bytes / MIB), (unsigned long long)(info.out_limit_uid_bytes / MIB));
	}
}

int module_too_old(const char *name, const char *what, struct pinpool_diag *diag)
{
	return diag_set(diag, -EOPNOTSUPP, name, "load a newer one",
			"this version of the kernel module does not offer %s", what);
}
