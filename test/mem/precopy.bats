#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# pre-dumps, and the dumps that are made on top of them

load ../helpers

setup()
{
	chain=$work/chain
	rm -rf "$chain"
	mkdir "$chain"
	n=0
}

# on_top COMMAND [OPTION...]: into the next directory of the chain, on top of the last one
on_top()
{
	local command=$1 parent=()
	shift

	[[ ${inside:-} != *U* ]] || set -- --external 'mnt[]' "$@"
	[ $n = 0 ] || parent=(--prev-images-dir "../$n")
	images=$chain/$((++n))
	mkdir "$images"
	criu_lite "$command" -t "$pid" -D "$images" "${parent[@]}" -o dump.log -v4 "$@" &&
		[ -s "$images/inventory.img" ] && [ -s "$images/stats-dump" ]
}

pre_dump()
{
	on_top pre-dump "$@" || { tail -n 25 "$images/dump.log"; return 1; }
}

final_dump()
{
	on_top dump "$@" || { tail -n 25 "$images/dump.log"; return 1; }
	wait_for 5 is_gone "$pid"
}

# stat NAME: of the last dump
stat()
{
	"$CRIU_LITE" show decode -i "$images/stats-dump" | grep -o "\"$1\": [0-9]*" | grep -o '[0-9]*$'
}

keepers()
{
	grep -l 'criu-lite:keep' /proc/[0-9]*/comm 2>/dev/null | wc -l
}

# a keeper has its name a moment after criu-lite has ended
has_keepers()
{
	wait_for 5 eval "[ \$(keepers) = $1 ]"
}

is_watched()
{
	grep -q '^VmFlags.* uw' "/proc/$pid/smaps"
}

# bats test_tags=places
@test "memory that is changed in every way is right after many pre-dumps" {
	start mem/precopy
	for round in 1 2; do
		pre_dump
		is_watched || { cat "$place/log" "$images/dump.log"; false; }
		has_keepers 1
		for i in 1 2 3 4; do
			pre_dump
			[ "$(stat pages_skipped_parent)" -gt 100 ]
		done
		final_dump
		[ "$(stat pages_skipped_parent)" -gt 100 ]
		has_keepers 0
		restore
		! is_watched
		rm -rf "$chain"/*
		n=0
	done
	same
}

# bats test_tags=places
@test "areas and pages that change all the time are right after pre-dumps" {
	for what in map pages; do
		start cli/churn $what
		for i in 1 2 3 4; do
			pre_dump
		done
		final_dump
		restore
		same
		setup
	done
}

# holes: KiB that are in no pages file before the last one, though they belong there
holes()
{
	local f n=0

	for f in "$chain"/*/pages-*.img; do
		[[ $f == $images/* ]] || n=$((n + ($(command stat -c %s "$f") - 512 * $(command stat -c %b "$f")) / 1024))
	done
	echo $n
}

@test "dedup takes out of earlier dumps what later ones have, by itself or at once" {
	for auto in "" --auto-dedup; do
		start mem/precopy
		for i in 1 2 3; do
			pre_dump $auto
			sleep 0.05
		done
		final_dump $auto
		if [ -z "$auto" ]; then
			[ "$(holes)" = 0 ]
			criu_lite dedup -D "$images"
		fi
		[ "$(holes)" -gt 100 ]
		restore --auto-dedup
		same
		[ "$(du "$images/pages-1.img" | cut -f1)" = 0 ]
		setup
	done
}

# the child of generation N has filled its memory
has_child_of()
{
	[ "$(cat "$place/child" 2>/dev/null)" = "$1" ]
}

@test "what a task executes, and who is born with its pid, has nothing from earlier dumps" {
	for how in USR1 USR2 "USR1 USR2"; do
		start cli/again
		wait_for 5 has_child_of 0
		pre_dump
		pre_dump
		now=0
		for signal in $how; do
			kill -$signal "$pid"
			wait_for 5 test -e "$place/generation.$((++now))"
			wait_for 5 has_child_of $now
		done
		grep -q "All memory of task" "$images/dump.log" && { cat "$images/dump.log"; false; }
		pre_dump
		[ "$(grep -c "All memory of task" "$images/dump.log")" -ge 1 ]
		kill -USR2 "$pid"
		wait_for 5 test -e "$place/generation.$((++now))"
		wait_for 5 has_child_of $now
		final_dump
		restore
		same
		setup
	done
}

@test "on top of any other dump than the last one all is saved" {
	start mem/anon
	pre_dump
	pre_dump
	[ "$(stat pages_skipped_parent)" -gt 10 ]
	images=$chain/other
	mkdir "$images"
	criu_lite dump -R -t "$pid" -D "$images" --prev-images-dir ../1 -o dump.log -v4
	[ "$(stat pages_skipped_parent)" = 0 ]
	grep -q "All memory of task" "$images/dump.log"
	# that was the last one
	has_keepers 0
	! is_watched
	n=2
	final_dump
	[ "$(stat pages_skipped_parent)" = 0 ]
	restore
	same
}

@test "dump -R --track-mem is one of the chain" {
	start mem/precopy
	for i in 1 2 3; do
		on_top dump -R --track-mem
		is_watched
		has_keepers 1
	done
	[ "$(stat pages_skipped_parent)" -gt 100 ]
	kill -9 "$pid"
	wait_for 5 is_gone "$pid"
	has_keepers 0
	restore
	same
}

@test "a keeper that is killed costs a whole dump, and nothing else" {
	start mem/precopy
	pre_dump
	has_keepers 1
	kill -9 "$(grep -l 'criu-lite:keep' /proc/[0-9]*/comm | cut -d/ -f3)"
	has_keepers 0
	! is_watched
	final_dump
	[ "$(stat pages_skipped_parent)" = 0 ]
	restore
	same
}

@test "a keeper is a stranger: no descriptor of the victim, none of ours, no child, no directory" {
	start mem/anon
	before=$(ls "/proc/$pid/fd" | wc -l)
	pre_dump
	has_keepers 1
	keeper=$(grep -l 'criu-lite:keep' /proc/[0-9]*/comm | cut -d/ -f3)
	[ "$(ls "/proc/$pid/fd" | wc -l)" = "$before" ]
	[ "$(ls -l "/proc/$keeper/fd" | grep -c -v -E 'userfaultfd|pidfd|socket|total')" = 0 ]
	[ "$(ls "/proc/$keeper/fd" | wc -l)" = 3 ]
	[ "$(readlink "/proc/$keeper/cwd")" = / ]
	# it is told by nobody: a failed dump, and a question, leave all as it was
	criu_lite check -t "$pid"
	run criu_lite dump -t "$pid" -D "$images" --prev-images-dir ../nothing
	[ "$status" -eq 1 ]
	CRIU_LITE_INJECT=fail:write run on_top dump
	[ "$status" -ne 0 ]
	has_keepers 1
	is_watched
	n=1
	rm -rf "$chain/2"
	final_dump
	[ "$(stat pages_skipped_parent)" -gt 10 ]
	restore
	same
}

is_kept_if_watched()
{
	[ "$(keepers)" = "$(is_watched && echo 1 || echo 0)" ]
}

@test "SIGKILL and failure anywhere in a pre-dump: the victim goes on, the next dump is right" {
	start mem/precopy
	pre_dump
	for how in kill fail; do
		for point in freeze collect inject drain freeze:back drain:back create:pagemap-$pid.img \
			create:inventory.img; do
			CRIU_LITE_INJECT=$how:$point run on_top pre-dump
			[ "$status" -ne 0 ] || [[ $point == *back ]] || { echo "$how:$point"; false; }
			rm -rf "$chain/$((n + 1))"
			wait_for 5 is_kept_if_watched
			pre_dump
		done
	done
	final_dump
	restore
	same
}

@test "pages that a task shares with its child are shared after pre-dumps; shared memory is whole" {
	for victim in mem/cow mem/shared mem/guard mem/memfd mem/huge task/threads task/random_tree; do
		start $victim
		pre_dump
		pre_dump
		final_dump
		restore
		same || { echo "$victim"; false; }
		end_launched
		setup
	done
}

@test "a dump on top of nothing, or of a pre-dump only, is refused" {
	start mem/anon
	mkdir "$chain/1"
	run criu_lite pre-dump -t "$pid" -D "$chain/1" --prev-images-dir ../0
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot find the dump before this one"*"do:  "* ]]
	rm "$chain/1/parent"
	rmdir "$chain/1"
	pre_dump
	run criu_lite restore -d -D "$images"
	[ "$status" -eq 1 ]
	[[ "$output" == *"this is a pre-dump"* ]]
	run criu_lite pre-dump -t "$pid" -D -
	[[ "$output" == *"cannot pre-dump into a stream"*"do:  "* ]]
	same
}

# serve N: a page server for directory N of the chain
serve()
{
	local parent=()

	[ "$1" = 1 ] || parent=(--prev-images-dir "../$(($1 - 1))")
	mkdir -p "$chain/far/$1"
	rm -f "$chain/pid"
	criu_lite page-server -D "$chain/far/$1" "${parent[@]}" --auto-dedup -o server.log -v4 --port 7272 \
		-d --pidfile "$chain/pid" --status-fd 7 7>"$chain/status"
	wait_for 10 test -s "$chain/status"
	launched="$launched $(cat "$chain/pid")"
}

@test "pre-dumps to page servers, each with the directory of the one before" {
	start mem/precopy
	for i in 1 2 3; do
		serve $i
		[ $i = 3 ] && command=final_dump || command=pre_dump
		$command --page-server --address 127.0.0.1 --port 7272
		wait_for 10 is_gone "$(cat "$chain/pid")"
	done
	[ "$(stat pages_skipped_parent)" -gt 100 ]
	[ -z "$(ls "$images" | grep '^page')" ]
	[ -s "$chain/far/3/parent/parent/pages-65537.img" ]
	cp "$images"/*.img "$chain/far/3"
	images=$chain/far/3
	restore
	same
}
