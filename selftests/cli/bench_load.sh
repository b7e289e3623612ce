#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Measured loads: every way is measured, what makes no sense is refused before, nothing is left behind. How fast anything
# is, is no test.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

bench=(bench load --rounds 1)

refused() {
	refuses "rounds" 2 "pinpool: bench load: --rounds: '0' is not a value it takes (a number from 1 to 100)" \
		pinpool bench load --rounds 0 a
	for list in '' dd 'cp,' cp,,read none,cp memcpy; do
		refuses "rivals '$list'" 2 "pinpool: bench load: --rival: '$list' is not a list it takes (names from cp, mmap, read, fio, or none)" \
			pinpool bench load --rival "$list" a
	done
	refuses "a column" 2 "pinpool: bench load: --output: 'SPEED' is no column (*)" pinpool bench load a --rival none -o SPEED
	refuses "no checkpoint" 1 "pinpool: bench load: $work/none: *" pinpool "${bench[@]}" "$work/none" --rival none
	refuses "fio is asked for and missing" 1 "pinpool: bench load: fio: is not installed (package fio)" \
		env PATH="$work/none" "$PINPOOL" "${bench[@]}" "$work/file.safetensors" --rival read,fio,mmap
	refuses "gnuplot is asked for and missing" 1 "pinpool: bench load: gnuplot: is not installed (package gnuplot-nox)" \
		env PATH="$work/none" "$PINPOOL" "${bench[@]}" "$work/file.safetensors" --rival none --plot -
}

measured() {
	prints "rivals in turns" $'pinpool 8388864 2 -\ncp 8388864 2 yes\nmmap 8388864 2 yes\nread 8388864 2 yes' \
		eval 'cells bench load --rounds 2 "$work/file.safetensors" --rival cp,mmap,read,cp -n -b -o WAY,BYTES,ROUNDS,RATIO |
			sed "s/ [0-9.]*\$/ yes/"'
	prints "none" pinpool cells "${bench[@]}" "$work/file.safetensors" --rival none -n -o WAY
	prints "in the page cache, beside memcpy" $'pinpool\nread\nmemcpy' \
		cells "${bench[@]}" "$work/file.safetensors" --rival read --warm -n -o WAY
	prints "several files" $'pinpool 8389120\nmmap 8389120\ncp 8389120' \
		cells "${bench[@]}" "$work/sharded" --rival mmap,cp --no-digest -n -b -o WAY,BYTES
	if command -v fio >/dev/null; then
		prints "fio" $'pinpool 8389120\nfio 8389120' cells "${bench[@]}" "$work/sharded" --rival fio -n -b -o WAY,BYTES
		same "leaves nothing" 0 "$(find /tmp -maxdepth 1 -name 'pinpool-bench-*' -newer "$work/start" | wc -l)"
	else
		skip "fio" "not installed"
	fi
	pinpool "${bench[@]}" "$work/file.safetensors" --rival read -J -O >"$work/out"
	same "a key for each column" "$(pinpool --list columns bench load | cut -f 1 | tr '[:upper:]\n' '[:lower:] ')" \
		"$(tr -d ' \n' <"$work/out" | sed 's/.*:\[{//; s/},{.*//; s/"\([a-z]*\)":[^,]*,\{0,1\}/\1 /g')"
	pinpool "${bench[@]}" "$work/file.safetensors" --rival read -v >/dev/null 2>"$work/err"
	same "-v announces each run" 2 "$(grep -cE '^pinpool: bench load: round 1, (pinpool|read): [0-9.]+ GB/s$' "$work/err")"
	same "no pool is left" "" "$(pinpool ls -n)"
	echo 1 >"$work/sharded/b.safetensors"
	refuses "a file that breaks its format" 1 "pinpool: bench load: $work/sharded/*" \
		pinpool "${bench[@]}" "$work/sharded" --rival none
	same "leaves no pool either" "" "$(pinpool ls -n)"
}

plots() {
	mkdir "$work/bin"
	# shellcheck disable=SC2016 # for that shell
	printf '#!/bin/sh\n[ "$1" = --version ] || exec cat\n' >"$work/bin/gnuplot"
	chmod +x "$work/bin/gnuplot"
	check "a picture" eval 'PATH=$work/bin:$PATH pinpool "${bench[@]}" "$work/file.safetensors" --rival read,cp --plot "$work/plot.png" >/dev/null'
	same "is a PNG" "set terminal png" "$(head -n 1 "$work/plot.png" | cut -d ' ' -f 1-3)"
	same "of three curves" "plot \$w0 with linespoints title 'pinpool', \$w1 with linespoints title 'read', \$w2 with linespoints title 'cp'" \
		"$(grep ^plot "$work/plot.png")"
	same "which are rates over time" 3 "$(sed -n '/^\$w/{n;p}' "$work/plot.png" | grep -cE '^[0-9.]+ [0-9.]+$')"
	PATH=$work/bin:$PATH pinpool "${bench[@]}" "$work/file.safetensors" --rival none --plot - -n -o WAY >"$work/out"
	same "as text behind the table" $'pinpool\nset terminal dumb' "$(head -n 2 "$work/out" | tr -d '\n' | sed 's/ size.*//; s/pinpool/&\n/')"
	same "no pool is left" "" "$(pinpool ls -n)"
}

# At the first run that is announced.
interrupted() {
	local pid status=0

	set -m
	"$PINPOOL" bench load "$work/file.safetensors" --rounds 100 --rival read,cp -v -n -o WAY >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
	while kill -0 $pid 2>/dev/null && ! grep -q 'round 2, cp' "$work/err"; do sleep 0.02; done
	kill -INT $pid
	wait $pid || status=$?
	same "Ctrl-C" 130 $status
	same "shows the rounds before" $'pinpool\nread\ncp' "$(<"$work/out")"
	same "no pool is left" "" "$(pinpool ls -n)"
}

bytes=$((8 << 20))
safetensors "$work/file.safetensors" "$(printf '%-248s' "{\"w\":{\"dtype\":\"U8\",\"shape\":[$bytes],\"data_offsets\":[0,$bytes]}}")" $bytes
mkdir "$work/sharded"
for name in a b; do
	half=$((bytes / 2))
	safetensors "$work/sharded/$name.safetensors" \
		"$(printf '%-248s' "{\"$name\":{\"dtype\":\"U8\",\"shape\":[$half],\"data_offsets\":[0,$half]}}")" $half
done
echo '{"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}' >"$work/sharded/model.safetensors.index.json"
touch "$work/start"
PINPOOL_BACKEND=shm on_backends 0 refused
on_backends 32 measured
PINPOOL_BACKEND=shm on_backends 0 plots
PINPOOL_BACKEND=shm on_backends 0 interrupted
finish
