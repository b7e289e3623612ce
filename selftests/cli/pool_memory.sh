#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Memory of pools: on demand, resized, placed, given back for others, and the reserve it comes from.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

parameters=/sys/module/pinpool/parameters

on_module() {
	[[ $PINPOOL_BACKEND == module ]]
}

# facts POOL COLUMNS: of a pool, on one line.
facts() {
	cells ls -n -b -o "$2,NAME" | sed -n "s/ $1\$//p"
}

demand() {
	if [[ $PINPOOL_BACKEND == shm ]]; then
		refuses "no pool on demand" 1 'pinpool: create: clitest: *tmpfs*\(use the kernel module or hugetlbfs)' \
			pinpool create clitest 8M --on-demand
		prints "nothing was made" "" pinpool ls -n
		return
	fi
	prints "a pool on demand" "" pinpool create clitest 1G --on-demand
	same "has no pages" "yes 0 1073741824" "$(facts clitest DEMAND,HUGE,CAPACITY)"
	same "and holds nothing" "used: 0" "$(pinpool stat -b -o USED)"
	check "is loaded" pinpool load clitest "$work/tiny.safetensors"
	same "with the pages it needs" "READY 2" "$(facts clitest STATE,HUGE)"
	check "verify" pinpool verify clitest
	same "its tensors are there" 2 "$(pinpool show clitest -n | wc -l)"
	prints "rm" "" pinpool rm clitest
	check "load makes one on demand" pinpool load clitest "$work/tiny.safetensors" --on-demand --capacity 512M
	same "with the pages it needs" "yes 2 536870912" "$(facts clitest DEMAND,HUGE,CAPACITY)"
	prints "rm" "" pinpool rm clitest
	if on_module; then
		echo 2 >$parameters/limit_mb
		prints "a pool on demand" "" pinpool create clitest 1G --on-demand
		refuses "a load that finds no page says so" 1 \
			'pinpool: load: clitest: *on demand*\(*reserve*limit*)' pinpool load -q clitest "$work/tiny.safetensors"
		same "which is counted" "EMPTY yes" \
			"$(facts clitest STATE) $([[ $(facts clitest FAILED) -gt 0 ]] && echo yes)"
		echo 0 >$parameters/limit_mb
		prints "rm" "" pinpool rm clitest
	fi
}

resize() {
	prints "a pool" "" pinpool create clitest 4M
	if ! on_module; then
		refuses "no other capacity" 1 "pinpool: resize: clitest: the $PINPOOL_BACKEND backend does not*\(use the kernel module)" \
			pinpool resize clitest 8M
		same "it is as it was" 4194304 "$(facts clitest CAPACITY)"
		prints "rm" "" pinpool rm clitest
		return
	fi
	prints "grows" "" pinpool resize clitest 9M
	same "by whole pages" "10485760 5" "$(facts clitest CAPACITY,HUGE)"
	prints "shrinks" "" pinpool resize clitest 2M
	same "and gives pages back" "2097152 1" "$(facts clitest CAPACITY,HUGE)"
	refuses "more than there is: what to change" 1 \
		'pinpool: resize: clitest: *huge pages*needed*\(*pinpool reserve*memory.max*)' pinpool resize clitest 4T
	echo 4 >$parameters/limit_mb
	refuses "more than the limit: which" 1 'pinpool: resize: clitest: 4 MiB needed*\(raise *limit_mb*)' \
		pinpool resize clitest 6M
	refuses "the same for a new pool" 1 'pinpool: create: clitest-b: 4 MiB needed*\(raise *limit_mb*)' \
		pinpool create clitest-b 4M
	same "stat shows it" "limit: 4194304" "$(pinpool stat -b -o LIMIT)"
	echo 0 >$parameters/limit_mb
	same "it is as it was" 2097152 "$(facts clitest CAPACITY)"
	prints "grows again" "" pinpool resize clitest 4M
	check "is loaded" pinpool load clitest "$work/tiny.safetensors"
	refuses "READY it stays" 1 'pinpool: resize: clitest: READY*\(*)' pinpool resize clitest 8M
	refuses "one that does not exist" 1 'pinpool: resize: clitest-x: no pool*\(*)' pinpool resize clitest-x 8M
	prints "rm" "" pinpool rm clitest
	if as_other test -x "$PINPOOL"; then
		echo 2 >$parameters/limit_uid_mb
		chmod 666 /dev/pinpool/control
		refuses "more than one user may have: which limit" 1 'pinpool: create: clitest: *one user*\(*limit_uid_mb*)' \
			as_other "$PINPOOL" create clitest 4M
		chmod 644 /dev/pinpool/control
		same "stat shows it" "userlimit: 2097152" "$(pinpool stat -b -o USERLIMIT)"
		echo 0 >$parameters/limit_uid_mb
	fi
}

numa() {
	local node=/sys/devices/system/node last nodes policy

	nodes=$(<$node/has_memory)
	last=${nodes##*[,-]}
	if ! pinpool create clitest 4M --numa "bind:$last" 2>"$work/err"; then
		skip "NUMA policies" "$(cat "$work/err")"
		return
	fi
	same "bind" "bind:$last $last" "$(facts clitest NUMA,NODE)"
	prints "rm" "" pinpool rm clitest
	for policy in "prefer:$last" "interleave:$nodes"; do
		check "--numa $policy" pinpool create clitest 4M --numa "$policy"
		same "is shown" "$policy" "$(facts clitest NUMA)"
		prints "rm" "" pinpool rm clitest
	done
	check "--numa interleave for load" pinpool load clitest "$work/tiny.safetensors" --numa interleave
	same "means all nodes" "interleave:$nodes -" "$(facts clitest NUMA,NODE)"
	prints "rm" "" pinpool rm clitest
	check "no policy" pinpool create clitest 2M
	same "is none" "- -" "$(facts clitest NUMA,NODE)"
	prints "rm" "" pinpool rm clitest
	for policy in bind:63 prefer:63 interleave:63; do
		refuses "a node that is not there, $policy" 1 'pinpool: create: clitest: *NUMA node*' \
			pinpool create clitest 2M --numa $policy
	done
	if on_module && [[ $nodes == 0-1 ]]; then
		refuses "more than a node has: which node, and what to change" 1 \
			'pinpool: create: clitest: 600 huge pages*on NUMA node 1*\(*pinpool reserve 1 SIZE*prefer*)' \
			pinpool create clitest 1200M --numa bind:1
		check "prefer takes the others" pinpool create clitest 1200M --numa prefer:1
		same "and counts them" yes "$([[ $(facts clitest FALLBACK) -gt 0 ]] && echo yes)"
		prints "rm" "" pinpool rm clitest
	fi
}

evictable() {
	local name

	if ! on_module; then
		prints "a pool" "" pinpool create clitest 2M
		refuses "no pool gives way" 1 'pinpool: evictable: clitest: *\(use the kernel module)' pinpool evictable clitest
		prints "rm" "" pinpool rm clitest
		refuses "no new one either" 1 'pinpool: create: clitest: *eviction*\(use the kernel module)' \
			pinpool create clitest 2M --evictable
		return
	fi
	prints "a pool that gives way" "" pinpool create clitest 2M --evictable --priority -5
	same "is shown" "yes -5" "$(facts clitest EVICTABLE,PRIORITY)"
	prints "in JSON, too" $'{\n  "evictable": true,\n  "priority": -5\n}' \
		pinpool stat clitest -J -o EVICTABLE,PRIORITY
	prints "not any more" "" pinpool evictable clitest --off
	same "it keeps its priority" "no -5" "$(facts clitest EVICTABLE,PRIORITY)"
	prints "and again" "" pinpool evictable clitest
	same "with it" "yes -5" "$(facts clitest EVICTABLE,PRIORITY)"
	prints "with another" "" pinpool evictable clitest --priority 2147483647
	same "which is shown" "yes 2147483647" "$(facts clitest EVICTABLE,PRIORITY)"
	refuses "one that does not exist" 1 'pinpool: evictable: clitest-x: no pool*\(*)' pinpool evictable clitest-x
	prints "rm" "" pinpool rm clitest
	for name in a b c; do
		check "load $name" pinpool load "clitest-$name" "$work/tiny.safetensors" --mode 0644
	done
	prints "a may go later" "" pinpool evictable clitest-a --priority 1
	prints "b may go first" "" pinpool evictable clitest-b
	if as_other test -x "$PINPOOL"; then
		refuses "a stranger does not decide" 1 'pinpool: evictable: *clitest-c*permission*root*' \
			as_other "$PINPOOL" evictable clitest-c
	fi
	echo 6 >$parameters/limit_mb
	prints "a new pool needs room" "" pinpool create clitest 2M
	prints "b is gone" $'clitest\nclitest-a\nclitest-c' pinpool ls -n -o NAME
	prints "another does" "" pinpool create clitest-d 2M
	prints "a is gone" $'clitest\nclitest-c\nclitest-d' pinpool ls -n -o NAME
	refuses "c stays" 1 'pinpool: create: clitest-e: *\(*limit_mb*)' pinpool create clitest-e 2M
	same "stat counts them" "evicted: 2" "$(pinpool stat -o EVICTED)"
	echo 0 >$parameters/limit_mb
	prints "rm" "" pinpool rm clitest clitest-c clitest-d
}

reserve() {
	local first node bytes

	if [[ $PINPOOL_BACKEND == shm ]]; then
		refuses "no reserve" 1 'pinpool: reserve: *\(use the kernel module or hugetlbfs)' pinpool reserve
		refuses "none to set" 1 'pinpool: reserve: *\(use the kernel module or hugetlbfs)' pinpool reserve 0 2M
		return
	fi
	same "headings" "NODE RESERVE FREE" "$(pinpool reserve | head -n 1)"
	same "a line for each node" "$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | wc -l)" \
		"$(pinpool reserve -n | wc -l)"
	read -r node bytes first <<<"$(pinpool reserve -n -b | head -n 1)"
	prints "grows" "" pinpool reserve "$node" $((bytes + (4 << 20)))
	same "is shown" "$node $((bytes + (4 << 20))) $((first + (4 << 20)))" "$(cells reserve -n -b | head -n 1)"
	same "JSON" "$((bytes + (4 << 20)))," "$(pinpool reserve -J | sed -n 's/^ *"reserve": //p' | head -n 1)"
	refuses "more than there is" 1 "pinpool: reserve: node $node: *\(*ask for less)" pinpool reserve "$node" 64T
	refuses "a node that is not there" 1 'pinpool: reserve: node 999: *\(pinpool reserve lists those there are)' \
		pinpool reserve 999 2M
	prints "shrinks" "" pinpool reserve "$node" "$bytes"
	same "to what it was" "$node $bytes $first" "$(cells reserve -n -b | head -n 1)"
	if as_other test -x "$PINPOOL"; then
		refuses "not by anybody" 1 "pinpool: reserve: node $node: *\(become root)" \
			as_other "$PINPOOL" reserve "$node" 2M
		check "who may look" as_other "$PINPOOL" reserve
	fi
}

all() {
	demand
	resize
	numa
	evictable
	reserve
}

tiny "$work/tiny.safetensors"
on_backends 24 all
finish
