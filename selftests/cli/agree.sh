#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# What exists is said in four places: --list (the tables themselves), --help, manual pages, completion. They agree.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

top=$here/../..
export PINPOOL_BACKEND=shm PINPOOL_STATE_DIR=$work/none

# The lines of a manual page's source below heading $2.
section() {
	sed -n "/^# $2\$/,/^# /p" "$top/man/$1.1.scd"
}

# Long options that a section of a page explains: those in bold at the start of a line.
page_options() {
	section "$1" OPTIONS | grep -E '^(\*|And those|Those)' | grep -oE -- '\*--[a-z0-9-]+\*' | tr -d '*' | sort -u
}

# Those in tables, and words in capitals in what stands around them.
page_columns() {
	local text

	text=$(section "$1" COLUMNS)
	{
		sed -n 's/^|\[* *\([A-Z0-9_]*\)\( \\\*\)*$/\1/p' <<<"$text"
		grep -v '^[|:# ]' <<<"$text" | grep -oE '\b[A-Z]{3,}\b'
	} | sort -u
}

help_options() {
	pinpool "$@" --help | sed -n '/^Options:/,/^$/p' | grep -oE -- '^  (-.,|   ) --[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u
}

listed() {
	pinpool --list "$@" | cut -f 1 | sort -u
}

# Names of commands are one word or two.
mapfile -t commands < <(listed commands)
commands_text=$(listed commands)
same "pinpool --help lists the commands" "$commands_text" \
	"$(pinpool --help | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z]*\( [a-z]\+\)*\)  .*/\1/p' | grep -v '^help$' | sort -u)"
same "pinpool(1) lists the commands" "$commands_text" \
	"$(section pinpool COMMANDS | grep -oE '^\*[a-z ]+\*' | tr -d '*' | grep -v '^help$' | sort -u)"
same "pinpool --help lists the options" "$(listed options)" "$(help_options)"
same "pinpool(1) lists the options" "$(listed options)" "$(page_options pinpool)"

for command in "${commands[@]}"; do
	read -ra words <<<"$command"
	page=pinpool-${command// /-}
	same "$command --help lists the options" "$(listed options "${words[@]}")" "$(help_options "${words[@]}")"
	same "$page(1) lists the options" "$(listed options "${words[@]}")" "$(page_options "$page")"
	columns=$(listed columns "${words[@]}")
	same "$command --help lists the columns" "$columns" \
		"$(pinpool "${words[@]}" --help | sed -n '/^Columns/,$p' | grep -oE '^  [ *] [A-Z0-9_]+' | tr -d ' *' | sort -u)"
	same "$page(1) lists the columns" "$columns" "$(page_columns "$page")"
	same "--help begins with an example" "Example:" "$(pinpool "${words[@]}" --help | head -n 1)"
	same "so does the page, after name and synopsis" $'# NAME\n# SYNOPSIS\n# EXAMPLE' \
		"$(grep '^# ' "$top/man/$page.1.scd" | head -n 3)"
	operands=$(pinpool --list commands | sed -n "s/^$command	\([^	]*\)	.*/\1/p")
	same "the synopsis has the operands" "*pinpool $command* [_OPTION_...]${operands:+ $operands}" \
		"$(section "$page" SYNOPSIS | sed -n '3s/_\([A-Z]*\)_/\1/g; 3s/\[OPTION\.\.\.\]/[_OPTION_...]/p')"
	same "the summary is that of the page" "$(pinpool --list commands | sed -n "s/^$command	[^	]*	//p")" \
		"$(section "$page" NAME | sed -n "s/^$page - //p")"
	same "no line of --help is longer than 80" "" "$(pinpool "${words[@]}" --help | grep -E '.{81}')"
	# In the manual page's columns the stars are those of --help.
	same "columns shown by default" \
		"$(pinpool "${words[@]}" --help | sed -n '/^Columns/,$p' | sed -n 's/^  \* \([A-Z0-9_]*\) .*/\1/p' | sort)" \
		"$(section "$page" COLUMNS | sed -n 's/^|\[* *\([A-Z0-9_]*\) \\\*$/\1/p' | sort)"
done

# Completion, asked as bash asks it.
helpers=/usr/share/bash-completion/bash_completion
if [[ ! -r $helpers ]]; then
	skip "completion" "no $helpers (package bash-completion)"
	finish
fi

# offers WORD...: what is offered for the last word.
offers() {
	PATH=$(dirname "$PINPOOL"):$PATH bash -c '
		set +u
		. "$1" && . "$2"
		shift 2
		compopt() { :; }
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
		_pinpool
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$helpers" "$top/completions/pinpool.bash" "$@" | sort -u
}

same "completion of commands" "$(printf '%s\n' help "${commands[@]%% *}" | sort -u)" "$(offers pinpool "")"
same "completion of the second word of commands" "$(printf '%s\n' "${commands[@]}" | sed -n 's/^bench //p')" \
	"$(offers pinpool bench "")"
same "and after help" "$(printf '%s\n' "${commands[@]}" | sed -n 's/^bench //p')" "$(offers pinpool help bench "")"
same "completion of options" "$(listed options)" "$(offers pinpool -)"
for command in "${commands[@]}"; do
	read -ra words <<<"$command"
	same "completion of options of $command" "$(listed options "${words[@]}")" "$(offers pinpool "${words[@]}" -)"
done
same "completion of a part of an option" $'--no-attach\n--no-digest\n--no-probe' "$(offers pinpool load a --no-)"
same "completion of choices" $'auto\nfixed\npread\nuring\nuring-cmd' "$(offers pinpool load --io "")"
same "completion of models" $'openpangu-embedded-1b\nopenpangu-embedded-7b' "$(offers pinpool bench decode --shape openp)"
same "completion of codes" "$(grep -oE '\*(means|product)[0-9]+\*' "$top/man/pinpool-compress.1.scd" | tr -d '*' | sort -u)" \
	"$({ offers pinpool compress --code m && offers pinpool compress --code p; } | sort)"
same "pinpool bench --help lists its commands" "$(grep "^bench " <<<"$commands_text")" \
	"$(pinpool bench --help | sed -n 's/^  \(bench [a-z]*\)  .*/\1/p' | sort)"
same "and begins with an example" "Example:" "$(pinpool bench --help | head -n 1)"
same "completion of columns" "$(listed columns ls)" "$(offers pinpool ls -o "")"
same "completion of the second column of a list" $'NAME,CAPACITY\nNAME,COMMITTED\nNAME,CREATED' "$(offers pinpool ls -o NAME,C)"
same "completion of columns of files" "$(pinpool --list columns show | sed -n 's/\t--sources//p' | sort)" \
	"$(offers pinpool show a --sources -o "")"
same "completion of columns of one pool" "$(listed columns ls)" "$(offers pinpool stat a -o "")"

live() {
	tiny "$work/tiny.safetensors"
	check "two pools" eval 'pinpool load clitest "$work/tiny.safetensors" && pinpool create clitest-b 2M'
	same "completion of pools" $'clitest\nclitest-b' "$(offers pinpool show "")"
	same "completion of more pools" clitest-b "$(offers pinpool rm clitest clitest-)"
	same "completion of a pool for another capacity" $'clitest\nclitest-b' "$(offers pinpool resize "")"
	same "no completion for that" "" "$(offers pinpool resize clitest-b "")"
	same "completion of a pool that may go" $'clitest\nclitest-b' "$(offers pinpool evictable --priority 3 "")"
	same "completion of NUMA policies" "interleave" "$(offers pinpool create --numa i)"
	nodes=$(pinpool reserve -n -o NODE 2>/dev/null | tr -d ' ')
	same "completion of nodes for them" "$(sed 's/..*/bind:&/' <<<"$nodes")" "$(offers pinpool create --numa b)"
	same "completion of nodes" "$nodes" "$(offers pinpool reserve "")"
	same "no completion of their reserve" "" "$(offers pinpool reserve 0 "")"
	same "completion of tensors" $'bias\nweight' "$(offers pinpool matmul clitest "")"
	same "completion of a part of a tensor" weight "$(offers pinpool matmul --m 3 clitest we)"
	same "completion of more tensors" $'bias\nweight' "$(offers pinpool pack clitest weight "")"
	same "completion of tensors to save" $'bias\nweight' "$(offers pinpool save clitest file --tensor "")"
	same "completion of tensors to compress" $'bias\nweight' "$(offers pinpool compress clitest file --tensor "")"
	same "completion of what is compressed" $'clitest\nclitest-b' "$(offers pinpool compress clites)"
	same "completion of a pool to save" $'clitest\nclitest-b' "$(offers pinpool save --tensor x "")"
	same "completion of a pool to pack" $'clitest\nclitest-b' "$(offers pinpool pack --isa avx2 "")"
	same "no completion for the name of a new pool" "" "$(offers pinpool create "")"
	same "no completion for the name of a new graph" "" "$(offers pinpool kg build "")"
	printf 'a\tknows\tb\n' >"$work/a.tsv"
	check "a graph" pinpool kg build -q clitest-kg "$work/a.tsv"
	same "completion of predicates" knows "$(offers pinpool kg neighbors clitest-kg --relation "")"
	same "completion of a graph" clitest-kg "$(offers pinpool kg query clitest-k)"
	same "completion of more files" "$work/a.tsv" "$(offers pinpool kg build x "$work/a.tsv" "$work/a")"
	check "rm" pinpool rm clitest clitest-b clitest-kg
}
on_backends 0 live
finish
