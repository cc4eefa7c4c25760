#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# action scripts between stages

load ../helpers

# script NAME BODY
script()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
	chmod 755 "$work/$1"
}

@test "scripts see action, images and pid; the last given runs first" {
	start task/sleeper
	script one 'echo "one $CRTOOLS_SCRIPT_ACTION $CRTOOLS_INIT_PID" >>'"$work/said"'
		test -d "$CRTOOLS_IMAGE_DIR" || exit 3'
	script two 'echo "two $CRTOOLS_SCRIPT_ACTION" >>'"$work/said"'
		[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || test -s "$CRTOOLS_IMAGE_DIR/inventory.img"'

	dump --action-script "$work/one" --action-script "$work/two"
	[ "$(sed -n 1,2p "$work/said")" = "two pre-dump
one pre-dump " ]
	grep -qx "two post-dump" "$work/said"
	grep -qx "one post-dump $pid" "$work/said"

	rm "$work/said"
	restore --action-script "$work/one"
	[ "$(head -n 1 "$work/said")" = "one pre-restore " ]
	for action in post-restore pre-resume post-resume; do
		grep -qx "one $action $pid" "$work/said"
	done
	same
}

@test "post-restore runs before tasks do" {
	start task/sleeper
	script state '[ "$CRTOOLS_SCRIPT_ACTION" != post-restore ] ||
		cut -d" " -f3 "/proc/$CRTOOLS_INIT_PID/stat" >'"$work/seen"
	dump
	restore --action-script "$work/state"
	[[ "$(cat "$work/seen")" == [tT] ]]
	same
}

@test "a failing script stops a dump, and the tree goes on" {
	for action in pre-dump post-dump; do
		start task/sleeper
		script fail "[ \$CRTOOLS_SCRIPT_ACTION != $action ] || exit 7"
		run dump --action-script "$work/fail"
		[ "$status" -ne 0 ]
		[[ "$output" == *"cannot pass action $action"*"its exit status is 7"* ]]
		same
	done
}

@test "the exit status of a failing post-dump script is ours" {
	start task/sleeper
	script fail '[ $CRTOOLS_SCRIPT_ACTION != post-dump ] || exit 7'
	run dump --action-script "$work/fail"
	[ "$status" -eq 7 ]
}

@test "a failing script stops a restore, and nothing is left of it" {
	start task/sleeper
	dump
	for action in pre-restore setup-namespaces post-setup-namespaces post-restore pre-resume; do
		script fail "[ \$CRTOOLS_SCRIPT_ACTION != $action ] || exit 7"
		run restore --action-script "$work/fail"
		[ "$status" -eq 1 ]
		[[ "$output" == *"cannot pass action $action"* ]] || { echo "$action: $output"; false; }
		wait_for 5 is_gone "$pid"
	done
	restore
	same
}

@test "after resume a script cannot stop anything any more" {
	start task/sleeper
	script fail '[ $CRTOOLS_SCRIPT_ACTION != post-resume ] || exit 7'
	dump
	restore --action-script "$work/fail"
	same
}

@test "a script that cannot be run is an error" {
	start task/sleeper
	run dump --action-script /nowhere/script
	[ "$status" -eq 1 ]
	[[ "$output" == *"script \"/nowhere/script\" failed"* ]]
	same
}

@test "--exec-cmd follows a restore" {
	start task/sleeper
	dump
	run criu_lite restore -D "$images" --exec-cmd -- sh -c 'echo "it is $1"; kill -0 '"$pid" - there
	[ "$status" -eq 0 ]
	[ "$output" = "it is there" ]
	same
}
