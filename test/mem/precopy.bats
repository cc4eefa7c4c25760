#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
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
