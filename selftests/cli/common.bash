# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the tests of the command share beside TAP: private pools, checkpoints. Needs bash and what busybox has, so that the
# same scripts run in the VM. A script sources this file, runs its checks and ends with `finish`.
#
# Pools of tests are called clitest or clitest-SOMETHING: those are removed at the end.
#
# Environment: PINPOOL, the command; PINPOOL_BACKEND, the one backend to use. Without it a script runs on shm and, as
# root, on hugetlbfs.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=selftests/tap.bash
. "$here/../tap.bash"
: "${PINPOOL:=$here/../../build/bin/pinpool}"

# Another user has to get through to the files that it may not read.
chmod 755 "$work"
# And to the command, even if this tree lies below a folder of root's own.
if [[ $(id -u) == 0 ]]; then
	cp "$PINPOOL" "$work/pinpool" || exit 1
	PINPOOL=$work/pinpool
fi
added_pages=0

pinpool() {
	"$PINPOOL" "$@"
}

# Lines without the blanks that line up columns.
cells() {
	"$PINPOOL" "$@" | tr -s ' ' | sed 's/^ //; s/ $//'
	return "${PIPESTATUS[0]}"
}

# prints NAME WANT COMMAND...: succeeds, prints exactly that, and nothing on standard error.
prints() {
	local name=$1 want=$2 is status=0
	shift 2
	is=$("$@" 2>"$work/.err") || status=$?
	if [[ $status == 0 && $is == "$want" && ! -s $work/.err ]]; then
		pass "$name"
	else
		fail "$name" "status $status: $*" "want: $want" "is:   $is" "$(cat "$work/.err")"
	fi
}

# refuses NAME STATUS PATTERN COMMAND...: ends with that status, says nothing on standard output and exactly one line
# on standard error, which matches the pattern of bash.
refuses() {
	local name=$1 want=$2 pattern=$3 is status=0
	shift 3
	is=$("$@" 2>&1 >"$work/.out") || status=$?
	# shellcheck disable=SC2053 # a pattern
	if [[ $status == "$want" && $is == $pattern && $is != *$'\n'* && ! -s $work/.out ]]; then
		pass "$name"
	else
		fail "$name" "$*" "want: status $want, $pattern" "is:   status $status, $is" "$(cat "$work/.out")"
	fi
}

# ended PID: waits for a job to end; its status. One that is killed while it is stopped can be missed by wait -f, which then
# waits for ever; each sleep that ends makes the shell look at all of its children.
ended() {
	while kill -0 "$1" 2>/dev/null; do sleep 0.01; done
	wait "$1" 2>/dev/null
}

cleanup() {
	[[ -z $label ]] || leave_backend
	rm -rf "$work"
}
trap cleanup EXIT

add_pages() {
	local total

	total=$(</proc/sys/vm/nr_hugepages)
	echo $((total + $1)) 2>/dev/null >/proc/sys/vm/nr_hugepages || return
	added_pages=$(($(</proc/sys/vm/nr_hugepages) - total))
	((added_pages == $1))
}

take_pages() {
	((added_pages == 0)) || echo $(($(</proc/sys/vm/nr_hugepages) - added_pages)) >/proc/sys/vm/nr_hugepages
	added_pages=0
}

# A backend of our own, in $work. Where that is not possible, says why and fails.
enter_backend() {
	export PINPOOL_BACKEND=$1 PINPOOL_STATE_DIR PINPOOL_HUGETLBFS_DIR
	label="$1: "
	PINPOOL_STATE_DIR=$(mktemp -d /dev/shm/pinpool-test.XXXXXX)
	# The tests of permission need other users to find the pools.
	chmod 1777 "$PINPOOL_STATE_DIR"
	PINPOOL_HUGETLBFS_DIR=$work/huge/pinpool
	[[ $1 == hugetlbfs ]] || return 0
	if ! add_pages "$2"; then
		take_pages
		reason="cannot have $2 huge pages more"
		return 1
	fi
	mkdir -p "$work/huge"
	if ! mount -t hugetlbfs -o pagesize=2M none "$work/huge" 2>/dev/null; then
		take_pages
		reason="cannot mount hugetlbfs"
		return 1
	fi
	mkdir -m 1777 "$PINPOOL_HUGETLBFS_DIR"
}

leave_backend() {
	local pool

	# With the module there may be pools of others.
	pinpool ls -n -o NAME 2>/dev/null | grep '^clitest' | while read -r pool; do
		pinpool rm "$pool"
	done
	if mountpoint -q "$work/huge" 2>/dev/null; then
		umount "$work/huge"
	fi
	take_pages
	rm -rf "$PINPOOL_STATE_DIR"
	unset PINPOOL_STATE_DIR PINPOOL_HUGETLBFS_DIR
	label=
}

# on_backends PAGES FUNCTION: runs the function on each backend that this host offers, with so many huge pages.
on_backends() {
	local backend forced=${PINPOOL_BACKEND-} reason

	for backend in ${forced:-shm hugetlbfs}; do
		if [[ $backend == hugetlbfs && $(id -u) != 0 ]]; then
			label="$backend: "
			skip "$2" "needs root for huge pages and a mount of its own"
			label=
			continue
		fi
		if enter_backend "$backend" "$1"; then
			"$2"
		else
			skip "$2" "$reason"
		fi
		leave_backend
	done
	export PINPOOL_BACKEND=$forced
	[[ $forced ]] || unset PINPOOL_BACKEND
}

# as_other COMMAND...: as a user without rights. Fails with 99 if there is none.
as_other() {
	local user quoted

	for user in nobody alice; do
		if id "$user" >/dev/null 2>&1 && [[ $(id -u) == 0 ]]; then
			printf -v quoted '%q ' "$@"
			su -s /bin/sh "$user" -c "$quoted"
			return
		fi
	done
	return 99
}

# safetensors FILE HEADER BYTES: such a file with so many bytes of content, a repeated text.
safetensors() {
	local length=${#2} i

	{
		for ((i = 0; i < 8; i++)); do
			# shellcheck disable=SC2059 # an escape made here
			printf "\\x$(printf %02x $((length >> (8 * i) & 255)))"
		done
		printf %s "$2"
		(($3 == 0)) || yes pinpool | head -c "$3"
	} >"$1"
}

# tiny FILE: two small tensors. The header is padded to 128 bytes with its length.
tiny() {
	local header='{"weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},'

	header+='"bias":{"dtype":"F32","shape":[4],"data_offsets":[32,48]}}'
	safetensors "$1" "$(printf '%-120s' "$header")" 48
}

# zeros FILE MIB: one tensor of so many MiB of zeros, without blocks on disk.
zeros() {
	local bytes=$(($2 << 20))

	safetensors "$1" "$(printf '%-4088s' "{\"zeros\":{\"dtype\":\"U8\",\"shape\":[$bytes],\"data_offsets\":[0,$bytes]}}")" 0
	truncate -s $((bytes + 4096)) "$1"
}
