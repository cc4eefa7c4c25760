#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# restore --into: a process that is there already becomes the root of the tree

load ../helpers

# waits_in LETTERS: of unshare; $waiter is the first process of new namespaces
waits_in()
{
	launch unshare "-$1" --fork busybox sleep 1000
	wait_for 10 pgrep -P "$pid" >/dev/null
	waiter=$(pgrep -P "$pid")
	wait_for 10 grep -qx busybox "/proc/$waiter/comm"
	launched="$launched $waiter"
}

since()
{
	sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f2,20
}

@test "it has the parent, start time and namespaces of that process" {
	need busybox
	inside=puic start task/sleeper
	victim=$place
	dump
	waits_in puiC
	before=$(since "$waiter"; ls -l "/proc/$waiter/ns" | sed 's/.*-> //')
	place=$victim
	inside=puic restore --into "$waiter"
	[ "$pid" = "$waiter" ]
	[ "$(since "$waiter"; ls -l "/proc/$waiter/ns" | sed 's/.*-> //')" = "$before" ]
	[ "$(cat "/proc/$waiter/comm")" = inside ]
	[ -z "$(grep -v -e "$B" -e ' \[' -e ' 00:00 0 *$' -e '/lib' "/proc/$waiter/maps")" ]
	same
}

@test "--into that cannot be says why, and the process goes on" {
	need busybox
	inside=pui start task/sleeper
	dump
	waits_in pu
	while read -r words said; do
		run criu_lite restore -D "$images" ${words//+/ }
		[ "$status" -eq 1 ]
		[[ "$output" == *"$said"*"do:  "* ]] || { echo "$output"; false; }
	done <<-END
		--into+x this is not a pid
		--into+$waiter only makes sense with --restore-detached
		-d+--into+$waiter it has not, and the dumped tree had, its own ipc namespace
		-d+--into+4194000 cannot open the user namespace of process 4194000
	END
	grep -qx busybox "/proc/$waiter/comm"
	# not the first one of its pid namespace
	launch unshare -pui --fork sh -c 'busybox sleep 1000 & wait'
	wait_for 10 pgrep -P "$pid" >/dev/null
	first=$(pgrep -P "$pid")
	wait_for 10 pgrep -P "$first" >/dev/null
	run criu_lite restore -d -D "$images" --into "$(pgrep -P "$first")"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot restore task 1 into process"*"its pid is"*"do:  "* ]]
	kill -0 "$first"
}

@test "a restore that fails when the process has become the root ends it" {
	need busybox
	inside=pui start task/sleeper
	dump
	waits_in pui
	CRIU_LITE_INJECT=fail:map:rseq run criu_lite restore -d -D "$images" --into "$waiter"
	[ "$status" -eq 1 ]
	wait_for 5 is_gone "$waiter"
}
