#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Style of the module by the kernel's tools, its rules about versions, and shell scripts by shellcheck.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

mapfile -t sources < <(find kmod include/uapi selftests/kmod/modules -name '*.[ch]' | sort)
quiet "kernel-doc of the module and its ABI" "$LINUX/scripts/kernel-doc" -none -Werror "${sources[@]}"

# Of versions compat.h asks, and it alone (see below); a shim may have no use for an argument.
ignored=LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_UNUSED
for source in "${sources[@]}"; do
	quiet "checkpatch: $source" "$LINUX/scripts/checkpatch.pl" --no-tree --no-summary --terse --file \
		--max-line-length=120 --ignore "$ignored" "$source"
done

differences() {
	! grep -rnwE 'LINUX_VERSION_CODE|KERNEL_VERSION|PINPOOL_HAVE_[A-Z_]+' kmod --include='*.[ch]' --exclude-dir=compat
}
quiet "kernel versions are known in kmod/compat/ only" differences

mapfile -t scripts < <(find .ci scripts lib bench selftests tools -type f -print0 |
	xargs -0 grep -lEm1 '^#!/bin/(bash|sh|busybox sh)$|^# shellcheck shell=' | sort)
for script in "${scripts[@]}"; do
	quiet "shellcheck: $script" shellcheck -x -S warning "$script"
done
finish
