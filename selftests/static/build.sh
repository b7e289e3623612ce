#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The module, and the modules of its tests, build without a warning of the compiler (W=1) and of sparse (C=2).
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# The make of whoever runs us must not hand its flags to this one.
unset MAKEFLAGS MFLAGS MAKELEVEL

# A build from nothing: an object that is there already was checked when it was made, and its warnings are gone.
builds() {
	make --no-print-directory -j"$(nproc)" BUILD="$work/build" KDIR="$1" W=1 C=2 kmod test-modules 2>&1 |
		grep -vE "^  KMOD |^Skipping BTF generation|^make: Nothing to be done"
	return "${PIPESTATUS[0]}"
}

for series in 6.1 6.12; do
	if ! selftests/vm/fetch-kernel $series "$CACHE" >"$work/kernel" 2>"$work/.err"; then
		fail "the headers of Linux $series" "$(cat "$work/.err")"
		continue
	fi
	quiet "no warning from the compiler or sparse on Linux $series" builds "$(sed -n 3p "$work/kernel")"
done
finish
