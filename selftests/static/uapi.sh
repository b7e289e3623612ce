#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The ABI against the one that was stored: it may grow, and then the stored one is renewed. And the comparison itself,
# which has to notice each way to break programs.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

uapi=selftests/static/uapi
stored=selftests/static/uapi.txt

$uapi dump >"$work/now"
quiet "the ABI has only grown" $uapi breaks $stored "$work/now"
if cmp -s $stored "$work/now"; then
	pass "the stored ABI is the current one"
else
	fail "the stored ABI is the current one" "renew it: $uapi dump >$stored" "$(diff $stored "$work/now")"
fi

cat >"$work/old" <<END
struct s 24
	0 4 __u32 size
	4 4 __u32 __reserved
	8 8 __u64 a
	16 8 __u8 b[8]
PINPOOL_X 0x1
PINPOOL_X_ALL 0x3
END

# may NAME SCRIPT: what sed makes of it breaks nothing. breaks NAME PATTERN SCRIPT: says so, in one line.
may() {
	sed "$2" "$work/old" >"$work/new"
	quiet "$1" $uapi breaks "$work/old" "$work/new"
}

breaks() {
	local is

	sed "$3" "$work/old" >"$work/new"
	is=$($uapi breaks "$work/old" "$work/new" 2>&1)
	# shellcheck disable=SC2053 # a pattern
	if [[ $is == $2 && $is != *$'\n'* ]]; then
		pass "$1"
	else
		fail "$1" "want: $2" "is:   $is"
	fi
}

may "the same" ''
may "a field at the end" 's/^struct s 24/struct s 32/; /b\[8\]/a\	24 8 __u64 c'
may "a field in reserved bytes" 's/__u32 __reserved/__u32 flags/'
may "a part of them" 's/4 4 __u32 __reserved/4 2 __u16 flags\n	6 2 __u16 __reserved/'
may "another constant" '/PINPOOL_X 0x1/a\PINPOOL_Y 0x2'
may "another bit of a mask" 's/PINPOOL_X_ALL 0x3/PINPOOL_X_ALL 0x7/'
breaks "a struct that is gone" 'struct s is gone' 's/^struct s /struct t /'
breaks "a struct that shrinks" 'struct s shrinks *' 's/^struct s 24/struct s 16/'
breaks "a field that is gone" 'struct s: a was at *' '/__u64 a/d'
breaks "a field that moves" 'struct s: a was at *' 's/8 8 __u64 a/0 8 __u64 a/'
breaks "a field of another size" 'struct s: a was at *' 's/8 8 __u64 a/8 4 __u64 a/'
breaks "a field of another type" 'struct s: a was at *' 's/__u64 a/__s64 a/'
breaks "a longer array" 'struct s: b?8? was at *' 's/8 __u8 b\[8\]/12 __u8 b\[8\]/'
breaks "a field in the bytes of another" 'struct s: c takes *' '/__u64 a/a\	8 8 __u64 c'
breaks "a field in reserved bytes and beyond" 'struct s: c takes *' 's/4 4 __u32 __reserved/4 8 __u64 c/'
breaks "a constant that is gone" 'PINPOOL_X was 0x1, is None' '/PINPOOL_X 0x1/d'
breaks "a constant of another value" 'PINPOOL_X was 0x1, is 0x2' 's/PINPOOL_X 0x1/PINPOOL_X 0x2/'
breaks "a mask that loses a bit" 'PINPOOL_X_ALL was 0x3, is 0x5' 's/PINPOOL_X_ALL 0x3/PINPOOL_X_ALL 0x5/'
finish
