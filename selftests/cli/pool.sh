#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Making, listing and removing pools.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

table() {
	prints "a host without pools gives headings" \
		"NAME STATE CAPACITY LENGTH PAGE BACKEND OWNER MODE CREATED" pinpool ls
	prints "a host without pools gives nothing without headings" "" pinpool ls -n
	prints "a host without pools gives an empty array" $'{\n  "pools": []\n}' pinpool ls -J

	prints "create says nothing" "" pinpool create clitest-b 4M --mode 0640
	prints "create takes bytes and rounds up to pages" "" pinpool create clitest-a 4194303
	prints "ls is sorted and sized to its content" "\
NAME      STATE CAPACITY LENGTH MODE
clitest-a EMPTY       4M     0B 0600
clitest-b EMPTY       4M     0B 0640" pinpool ls -o NAME,STATE,CAPACITY,LENGTH,MODE
	prints "ls -b prints exact bytes" "\
CAPACITY NAME
 4194304 clitest-a
 4194304 clitest-b" pinpool ls -b -o capacity,Name
	prints "ls says which backend" "$PINPOOL_BACKEND"$'\n'"$PINPOOL_BACKEND" pinpool ls -n -o BACKEND
	same "ls prints a line per pool" 3 "$(pinpool ls | wc -l)"
	same "ls -n leaves out the headings" 2 "$(pinpool ls -n | wc -l)"
	same "stat counts them" "pools: 2" "$(pinpool stat -o POOLS)"
	same "stat adds them up" "used: 8388608" "$(pinpool stat -b -o USED)"
	prints "stat of one pool" "\
name:     clitest-b
state:    EMPTY
capacity: 4 MiB (4194304 bytes)
length:   0 bytes
mode:     0640
digest:   -" pinpool stat clitest-b -o NAME,STATE,CAPACITY,LENGTH,MODE,DIGEST
	prints "stat -J of one pool" '{
  "name": "clitest-b",
  "capacity": 4194304,
  "committed": null,
  "digest": null
}' pinpool stat clitest-b -J -o NAME,CAPACITY,COMMITTED,DIGEST

	refuses "a name that exists" 1 'pinpool: create: clitest-a: *exist*(*)' pinpool create clitest-a 4M
	refuses "rm of one that does not exist" 1 'pinpool: rm: clitest-x: *(*)' pinpool rm clitest-x
	refuses "rm goes on after one that does not exist" 1 'pinpool: rm: clitest-x: *' pinpool rm clitest-x clitest-a clitest-b
	prints "and removes the others" "" pinpool ls -n
	refuses "stat of one that does not exist" 1 'pinpool: stat: clitest-a: *' pinpool stat clitest-a
	refuses "show of one that does not exist" 1 'pinpool: show: clitest-a: *' pinpool show clitest-a
}

sizes() {
	local size bytes page

	page=$(pinpool stat -b -o PAGE)
	page=${page#*: }
	while read -r size bytes; do
		check "create with a size of $size" pinpool create clitest "$size"
		same "takes $bytes bytes, in whole pages" "$(((bytes + page - 1) / page * page))" \
			"$(pinpool ls -n -b -o CAPACITY | tr -d ' ')"
		pinpool rm clitest
	done <<-EOF
		1 1
		4097b 4097
		3K 3072
		3k 3072
		5KiB 5120
		2M 2097152
		2.5M 2621440
		0.001G 1073741
		0.0050000000000000000000000000000000000000000000000000001G 5368709
	EOF
}

names() {
	local name long

	long=$(printf 'c%.0s' {1..64})
	for name in '' . .. .hidden -dash a/b ../b 'a b' $'a\nb' 'é' control "$long"; do
		# -- lets a name begin with '-'.
		refuses "create refuses the name '${name//$'\n'/?}'" 1 'pinpool: create: *name*(*)' pinpool create -- "$name" 2M
		refuses "load refuses the name '${name//$'\n'/?}'" 1 'pinpool: load: *name*(*)' pinpool load -- "$name" "$work/tiny"
	done
	refuses "stat refuses a name that is a path" 1 'pinpool: stat: ../b: *name*(*)' pinpool stat ../b
	refuses "rm refuses a name that is a path" 1 'pinpool: rm: ../b: *name*(*)' pinpool rm ../b
	prints "the longest name is fine" "" pinpool create "clitest-${long:9}" 2M
	prints "and goes again" "" pinpool rm "clitest-${long:9}"
}

limits() {
	refuses "more than there is" 1 'pinpool: create: clitest: *(*)' pinpool create clitest 64T
	case $PINPOOL_BACKEND in
	hugetlbfs) refuses "too few huge pages: how many are free, and the command that adds them" 1 \
		'pinpool: create: clitest: *free*(*nr_hugepages*)' pinpool create clitest 64T ;;
	esac
	refuses "a NUMA node that is not there" 1 'pinpool: create: *node*' pinpool create clitest 2M --numa bind:999
	prints "nothing was made" "" pinpool ls -n
}

owners() {
	if [[ $(id -u) != 0 ]]; then
		skip "owners" "needs root"
		return
	fi
	prints "create for somebody else" "" pinpool create clitest 2M --owner 1234 --group 4321 --mode 0660
	prints "ls shows numbers without names" "1234 4321 0660" cells ls -n -o OWNER,GROUP,MODE
	# The device node is who may use a pool, from then on.
	if [ -e /dev/pinpool/clitest ]; then
		chown 4321:1234 /dev/pinpool/clitest
		chmod 0640 /dev/pinpool/clitest
		prints "ls shows what chown and chmod made of it" "4321 1234 0640" cells ls -n -o OWNER,GROUP,MODE
		prints "stat too" "mode: 0640" "$PINPOOL" stat clitest -o MODE
	fi
	prints "rm by root" "" pinpool rm clitest
	prints "create of root's own" "" pinpool create clitest 2M
	if ! as_other test -x "$PINPOOL"; then
		skip "other users" "no user nobody or alice who can run $PINPOOL"
		return
	fi
	prints "others may list it" "clitest" as_other "$PINPOOL" ls -n -o NAME
	refuses "others may not remove it" 1 'pinpool: rm: *clitest*permission*root*' as_other "$PINPOOL" rm clitest
	refuses "others may not see into it" 1 'pinpool: show: *clitest*permission*root*' as_other "$PINPOOL" show clitest
	prints "it is still there" "clitest" pinpool ls -n -o NAME
	refuses "others may not give pools away" 1 'pinpool: create: clitest-o: *' \
		as_other "$PINPOOL" create clitest-o 2M --owner 0
}

all() {
	table
	sizes
	names
	limits
	owners
}

tiny "$work/tiny"
on_backends 16 all
finish
