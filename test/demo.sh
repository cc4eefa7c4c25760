#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh BUILD: a live program (demo.c) is dumped, is gone, is restored, and goes
# on where it was.  All of it happens in namespaces of its own and in a directory
# that is removed at the end.

here=$(cd "$(dirname "$0")" && pwd)
B=$(cd "$1" && pwd) || exit
CRIU_LITE=${CRIU_LITE:-$B/criu-lite}

if [ "$2" != inside ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "checkpointing needs root: run make demo as root" >&2
		exit 1
	fi
	exec "$B/test/nsinit" -t 100 "$here/demo.sh" "$B" inside
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/criu-lite-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
source "$here/helpers.bash"

say()
{
	printf '%-14s %s\n' "$@"
}

fail()
{
	say FAILED "$1"
	show_logs
	exit 1
}

# the pids of its processes
program()
{
	local stat comm

	for stat in /proc/[0-9]*/comm; do
		{ read -r comm <"$stat"; } 2>/dev/null || continue
		stat=${stat%/comm}
		[[ $comm == demo* && $comm != demo.sh ]] && echo "${stat#/proc/}"
	done
}

threads() { ls -d $(program | sed 's|.*|/proc/&/task/*|') | wc -l; }

resident()
{
	awk '/^RssAnon:/ { kb += $2 } END { printf "%d", kb / 1024 }' $(program | sed 's|.*|/proc/&/status|')
}

last_count()
{
	local line

	line=$(tail -n 1 "$place/log")
	echo "${line%% *}"
}

has_counted()	# has_counted N: at least up to N
{
	local count

	count=$(last_count)
	[ "${count:-0}" -ge "$1" ]
}

seconds()	# seconds SINCE
{
	awk -v t=$((${EPOCHREALTIME/[.,]/} - $1)) 'BEGIN { printf "%.2f s", t / 1000000 }'
}

launch "$B/test/demo"
wait_for 20 has_counted 5 || fail "the program does not start"
say "it runs" "pid $pid: $(program | wc -l) processes, $(threads) threads, $(resident) MiB of memory, a pty, a pipe, a socket pair"
say "" "it counts, and checks itself at every count; now at $(last_count)"

begin=${EPOCHREALTIME/[.,]/}
dump || fail "dump"
say "dump" "$(seconds "$begin"), $(ls "$images"/*.img | wc -l) images, $(du -sm --apparent-size "$images" | cut -f1) MiB"

before=$(last_count)
sleep 1
[ -z "$(program)" ] || fail "there still are processes: $(program | tr '\n' ' ')"
[ "$(last_count)" = "$before" ] || fail "somebody goes on counting"
say "it is gone" "no process of it is left; it stopped counting at $before"

begin=${EPOCHREALTIME/[.,]/}
restore || fail "restore"
say "restore" "$(seconds "$begin")"

# 20 counts later all of its memory has been looked at
wait_for 20 has_counted $((before + 22)) || fail "it does not go on counting"
! grep BAD "$place/log" || fail "something is not as it was"
expected=$(seq 1 "$(last_count)" | head -n $((before + 22)))
[ "$(sed -n "1,$((before + 22))s/ ok$//p" "$place/log")" = "$expected" ] || fail "it lost its count"
say "it goes on" "pid $pid again: $(program | wc -l) processes, $(threads) threads; counted $before, then $((before + 1)) ... $(last_count)"
say "" "its memory, pty, pipe and socket pair are as they were"

end_launched
for p in $(program); do kill -KILL "$p" 2>/dev/null; done
