#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The kernel's own semantic patches find nothing in the module: a result for each of them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# inspect PATCH: what it reports of the module.
inspect() {
	local options

	options=$(sed -n 's|^// Options: *||p' "$1")
	# shellcheck disable=SC2086 # a list of words
	spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options --dir kmod
}

# Many small runs: as many at a time as there are processors.
most=$(nproc)
patches=()
while read -r patch; do
	# Those with a part in OCaml want its compiler, which nothing else here does.
	grep -qE '@ *(script|initialize|finalize):ocaml' "$patch" || patches+=("$patch")
done < <(find "$LINUX/scripts/coccinelle" -name '*.cocci' | sort)
for patch in "${patches[@]}"; do
	name=$(basename "$patch" .cocci)
	while (($(jobs -rp | wc -l) >= most)); do
		wait -n
	done
	# What spatch says of the patch itself is not about the module.
	(inspect "$patch" >"$work/$name.out" 2>"$work/$name.err" && touch "$work/$name.done") &
done
wait
for patch in "${patches[@]}"; do
	name=$(basename "$patch" .cocci)
	if [[ -e $work/$name.done && ! -s $work/$name.out ]]; then
		pass "$name"
	else
		fail "$name" "$(cat "$work/$name.out" "$work/$name.err")"
	fi
done
check "there are semantic patches" test ${#patches[@]} -gt 50
finish
