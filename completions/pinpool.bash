# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# bash completion for pinpool(1). What exists comes from the command itself (pinpool --list), so it is never out of
# date; pools and tensors are those of this moment. The helpers below share the locals of _pinpool().

# Lines about commands, options and columns.
_pinpool_list() {
	"${words[0]}" --list "$@" 2>/dev/null
}

# Asks about pools, where the command line in work looks for them.
_pinpool_ask() {
	local i where=()

	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		--backend) where=(--backend "${words[i + 1]}") ;;
		--backend=*) where=("${words[i]}") ;;
		esac
	done
	"${words[0]}" "$@" "${where[@]}" 2>/dev/null
}

# Learns the options of a command, of one word or two, or those before it.
_pinpool_options() {
	local name letter argument choices

	options=()
	while IFS=$'\t' read -r name letter argument choices; do
		options+=("$name")
		takes[$name]=$argument offers[$name]=$choices
		[[ $letter == - ]] || takes[$letter]=$argument offers[$letter]=$choices
	done < <(_pinpool_list options "$@")
}

# What may follow word $1 in names of two.
_pinpool_seconds() {
	_pinpool_list commands | cut -f1 | sed -n "s/^$1 //p"
}

# Offers the lines of standard input that begin with the current word, escaped for the shell.
_pinpool_lines() {
	local line

	while IFS= read -r line; do
		[[ $line != "$cur"* ]] || COMPREPLY+=("$(printf %q "$line")")
	done
}

# Offers words, as compgen makes them.
_pinpool_compgen() {
	mapfile -t COMPREPLY < <(compgen "$@" -- "$cur")
}

# A list of columns, of the table that the rest of the line asks for.
_pinpool_columns() {
	local column with chosen='' columns=() last

	while IFS=$'\t' read -r column with; do
		[[ $with != "${second:--}" ]] || columns+=("$column")
	done < <(_pinpool_list columns $command)
	[[ $cur != *,* ]] || chosen=${cur%,*},
	last=${cur##*,}
	compopt -o nospace
	mapfile -t COMPREPLY < <(compgen -P "$chosen" -W "${columns[*]}" -- "$last")
}

# The NUMA nodes that have memory, where the backend knows.
_pinpool_nodes() {
	_pinpool_ask reserve -n -o NODE | tr -d ' '
}

# The value of option $1.
_pinpool_value() {
	case ${takes[$1]} in
	FILE) compopt -o filenames && _pinpool_compgen -f ;;
	MODEL) compopt -o filenames && _pinpool_compgen -f -W "openpangu-embedded-1b openpangu-embedded-7b" ;;
	FOLDER) compopt -o filenames && _pinpool_compgen -d ;;
	PREDICATE) [[ ! ${given[0]-} ]] || _pinpool_lines < <(_pinpool_ask kg stat -n --predicates -o PREDICATE "${given[0]}") ;;
	CODE) _pinpool_compgen -W "bitmask blocks dictionary16 dictionary256 exponents means16 means256 product2 product4 product8 sparse sparse256 structured" ;;
	GLOB) [[ ($command != save && $command != compress) || ! ${given[0]-} ]] || _pinpool_lines < <(_pinpool_ask show -n -o NAME "${given[0]}") ;;
	USER) _pinpool_compgen -u ;;
	GROUP) _pinpool_compgen -g ;;
	COLUMNS) _pinpool_columns ;;
	POLICY) _pinpool_compgen -W "interleave $(_pinpool_nodes | sed 's/.*/bind:& prefer:&/')" ;;
	*) [[ ${offers[$1]} == - ]] || _pinpool_compgen -W "${offers[$1]}" ;;
	esac
}

# The operand after those in $given.
_pinpool_operand() {
	local name operands summary index=${#given[@]} list=() of_file=''

	while IFS= read -r name; do
		summary=${name#*$'\t'}
		[[ ${name%%$'\t'*} != "$command" ]] || read -ra list <<<"${summary%%$'\t'*}"
	done < <(_pinpool_list commands)
	operands=${#list[@]}
	((operands)) || return
	# NAME... goes on for ever.
	[[ ${list[operands - 1]} != *...* || $index -lt $operands ]] || index=$((operands - 1))
	# With --window the first is a path, and what is in the file nobody asks.
	[[ $command != matmul || " ${words[*]} " != *' --window'[\ =]* ]] || of_file=1
	case $command${of_file:+.window}:${list[index]-} in
	matmul.window:NAME) compopt -o filenames && _pinpool_compgen -f ;;
	matmul.window:TENSOR) ;;
	# A pool or a file, a new pool or a file.
	compress:SRC) compopt -o filenames && _pinpool_compgen -f -W "$(_pinpool_ask ls -n -o NAME)" ;;
	compress:DST) compopt -o filenames && _pinpool_compgen -f ;;
	# A new pool has a new name.
	create:NAME | 'kg build:NAME') ;;
	*:NAME | *:'[NAME]' | *:'[NAME' | *:NAME...) _pinpool_lines < <(_pinpool_ask ls -n -o NAME) ;;
	*:TENSOR | *:'[TENSOR...]]') _pinpool_lines < <(_pinpool_ask show -n -o NAME "${given[0]}") ;;
	*:'[NODE') _pinpool_compgen -W "$(_pinpool_nodes)" ;;
	*:PATH | *:PATH...) compopt -o filenames && _pinpool_compgen -f ;;
	esac
}

_pinpool() {
	local cur prev words cword command='' group='' second='' word i
	local -A takes=() offers=()
	local -a options=() given=() commands

	# ':' and '=' split words for readline; names of tensors may hold them.
	_get_comp_words_by_ref -n := cur prev words cword
	COMPREPLY=()
	_pinpool_options
	for ((i = 1; i < cword; i++)); do
		word=${words[i]}
		if [[ $word == -* ]]; then
			[[ $word != --sources && $word != --metadata ]] || second=$word
			# The next word is its value.
			[[ ${takes[$word]:--} == - ]] || ((i++))
		elif [[ ! $command ]]; then
			command=$word
			[[ ! $(_pinpool_seconds "$word") ]] || group=$word
			[[ $group ]] || _pinpool_options "$command"
		elif [[ $group && $command == "$group" ]]; then
			command+=" $word"
			_pinpool_options $command
		else
			given+=("$word")
		fi
	done
	[[ $command != stat || ${#given[@]} -eq 0 ]] || second=NAME

	if [[ ${takes[$prev]:--} != - ]]; then
		_pinpool_value "$prev"
	elif [[ $cur == --*=* && ${takes[${cur%%=*}]:--} != - ]]; then
		prev=${cur%%=*} cur=${cur#*=}
		_pinpool_value "$prev"
	elif [[ $cur == -* ]]; then
		_pinpool_compgen -W "${options[*]}"
	elif [[ ! $command || ($command == help && ${#given[@]} -eq 0) ]]; then
		mapfile -t commands < <(_pinpool_list commands | cut -f1 | cut -d' ' -f1 | sort -u)
		[[ $command ]] || commands+=(help)
		_pinpool_compgen -W "${commands[*]}"
	elif [[ $group && $command == "$group" ]]; then
		_pinpool_compgen -W "$(_pinpool_seconds "$group")"
	elif [[ $command == help && ${#given[@]} -eq 1 ]]; then
		_pinpool_compgen -W "$(_pinpool_seconds "${given[0]}")"
	else
		_pinpool_operand
	fi
	__ltrim_colon_completions "$cur"
}

complete -F _pinpool pinpool
