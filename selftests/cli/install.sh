#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What `make install` leaves: a C and a C++ program build against it alone, with the archive and with the shared object.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

top=$(cd "$here/../.." && pwd)
dest=$work/dest
# The runner's make must not hand its flags to this one.
unset MAKEFLAGS MFLAGS MAKELEVEL
check "make install" make -C "$top" --no-print-directory install DESTDIR="$dest" PREFIX=/usr BUILD="${BUILD:-build}"

export PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_PATH=$dest/usr/lib/pkgconfig
cat >"$work/use.c" <<'END'
#include <pinpool/pinpool.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct pinpool_ctx_info info;
	struct pinpool_ctx_opts opts;
	struct pinpool_ctx *ctx;

	memset(&opts, 0, sizeof(opts));
	opts.size = sizeof(opts);
	memset(&info, 0, sizeof(info));
	info.size = sizeof(info);
	opts.backend = PINPOOL_BACKEND_SHM;
	if (pinpool_ctx_new(&ctx, &opts, NULL) || pinpool_ctx_get_info(ctx, &info))
		return 1;
	printf("%s %s\n", pinpool_version(), pinpool_backend_name(info.backend));
	pinpool_ctx_unref(ctx);
	return 0;
}
END
cp "$work/use.c" "$work/use.cc"

# builds NAME COMPILER SOURCE LIBRARIES...
builds() {
	local name=$1 compiler=$2 source=$3
	shift 3
	# shellcheck disable=SC2046 # words
	check "$name builds" "$compiler" -Wall -Wextra -Werror -o "$work/use" "$source" $(pkg-config --cflags libpinpool) "$@"
	PINPOOL_STATE_DIR=$(mktemp -d /dev/shm/pinpool-test.XXXXXX)
	export PINPOOL_STATE_DIR
	prints "$name runs" "$version shm" "$work/use"
	rm -rf "$PINPOOL_STATE_DIR"
}

version=$(pkg-config --modversion libpinpool)
static=$(pkg-config --libs --static libpinpool | sed "s|-lpinpool|-l:libpinpool.a|; s|-L$dest/usr/lib/[^ ]*||g")
# shellcheck disable=SC2086,SC2046 # words
{
	builds "a C program with the archive" gcc "$work/use.c" $static
	builds "a C++ program with the archive" g++ "$work/use.cc" $static
	export LD_LIBRARY_PATH=$dest/usr/lib
	builds "a C program with the shared object" gcc "$work/use.c" $(pkg-config --libs libpinpool)
	builds "a C++ program with the shared object" g++ "$work/use.cc" $(pkg-config --libs libpinpool)
}
unset LD_LIBRARY_PATH
prints "the installed command says the same version" "pinpool $version" "$dest/usr/bin/pinpool" --version
for page in "$top"/man/*.scd; do
	page=${page##*/}
	check "its page ${page%.scd} is there" test -s "$dest/usr/share/man/man1/${page%.scd}"
done
finish
