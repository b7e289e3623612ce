# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the checks of sources share. They run at the top of the tree. Environment: CACHE, LINUX (see ../common.mk).

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=selftests/tap.bash
. selftests/tap.bash
: "${CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/pinpool}"
: "${LINUX:=$(scripts/fetch-linux "$CACHE")}"

# quiet NAME COMMAND...: succeeds and says nothing.
quiet() {
	local name=$1 status=0
	shift
	"$@" >"$work/.out" 2>&1 || status=$?
	if [[ $status == 0 && ! -s $work/.out ]]; then
		pass "$name"
	else
		fail "$name" "status $status: $*" "$(cat "$work/.out")"
	fi
}
