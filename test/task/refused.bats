#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what of a task cannot be dumped, or not be restored by who we are: said by name, with nothing done

load ../helpers

# restore, as somebody who may do less; both the plan alone and the whole
restore_is_refused()	# restore_is_refused WORDS COMMAND...
{
	local words=$1
	shift

	for dry in --dry-run ''; do
		# shellcheck disable=SC2086
		run "$@" "$CRIU_LITE" restore -d -D "$images" -W "$place" $dry 3>&- 4>&-
		echo "$output"
		[ "$status" -eq 1 ]
		[[ "$output" == *"$words"* ]]
		[[ "$output" == *"do: "* ]]
		is_gone "$pid"
	done
}

dump_is_refused()	# dump_is_refused WORDS, of a task that lives on
{
	run dump
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$1"* ]]
	[[ "$output" == *"do: "* ]]
	! is_gone "$pid"
}

@test "a capability that we have not got" {
	start task/sleeper
	dump
	restore_is_refused "capability cap_kill" setpriv --bounding-set -kill --inh-caps -all
	restore
	same
}

@test "a capability that is only in the bounding set" {
	start task/sleeper
	dump
	restore_is_refused "capability cap_bpf" capsh --drop=cap_bpf -- -c '"$@"' restore
	restore
	same
}

@test "a hard limit above ours" {
	start task/sleeper
	dump
	restore_is_refused "RLIMIT_NOFILE" bash -c 'ulimit -n 4000; exec "$@"' restore
	restore
	same
}

@test "an oom_score_adj below what we may have" {
	start task/sleeper
	dump
	if choom -n -300 -- true 2>/dev/null; then
		skip "root may choose any oom_score_adj here"
	fi
	cp "$images/core-$pid.img" "$work/core.img"
	criu_lite show decode -i "$work/core.img" | sed -E 's/("oom_score_adj": *)0/\1-300/' >"$work/core.json"
	"$CRIU_LITE" show encode <"$work/core.json" >"$images/core-$pid.img"
	restore_is_refused "oom_score_adj of -300" env
	cp "$work/core.img" "$images/core-$pid.img"
	restore
	same
}

@test "an oom_score_adj below ours, but no lower than ours has been: as under a shim of containerd" {
	start task/sleeper
	before=$(cat "/proc/$pid/oom_score_adj")
	dump
	choom -n $((before + 7)) -- "$CRIU_LITE" restore -d -D "$images" 3>&- 4>&-
	[ "$(cat "/proc/$pid/oom_score_adj")" = "$before" ]
	same
}

@test "no_new_privs that we have and it has not" {
	start task/sleeper
	dump
	restore_is_refused "no_new_privs" setpriv --no-new-privs
	restore
	same
}

@test "a timer for the CPU time of one of several threads that does not run" {
	start cli/odd_task cpu_timer
	dump_is_refused "counts the CPU time of a thread"
	same
}

@test "memory that is shared with another task, which is no thread" {
	start cli/odd_task clone_vm
	dump_is_refused "shares its memory (CLONE_VM) with another task"
	same
}

@test "a pid namespace for children to come" {
	start cli/odd_task pidns
	dump_is_refused "has prepared a pid namespace for its children"
	same
}

@test "images with a damaged core are refused by name" {
	start task/sleeper
	dump
	truncate -s 100 "$images/core-$pid.img"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"core-$pid.img"* ]]
	is_gone "$pid"
}
