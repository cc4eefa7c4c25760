#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what criu-lite itself has been given by its parent is nothing to the tasks it restores

load ../helpers

# what the kernel tells of the task that it would have got from its parent
look()
{
	local p=/proc/$pid

	grep -E '^(Umask|SigIgn|SigBlk|SigCgt|Cpus_allowed|NoNewPrivs|Seccomp|THP_enabled|Cap...):?' "$p/status"
	cat "$p/limits" "$p/coredump_filter" "$p/timerslack_ns" "$p/personality" "$p/oom_score_adj"
	sed -n '/^ksm_merge_any/p' "$p/ksm_stat" || true
	ionice -p "$pid"
	chrt -p "$pid"
	ps -o nice= -p "$pid"
	readlink "$p/cwd" "$p/root"
}

@test "nothing of ours is inherited: limits, affinity, niceness and the like" {
	start task/sleeper
	before=$(look)
	dump
	(
		trap '' INT HUP USR1
		umask 057
		cd /
		ulimit -S -n 77 -s 4096 -c 0
		echo 0x11 >/proc/$BASHPID/coredump_filter
		echo 77777 >/proc/$BASHPID/timerslack_ns
		taskset -pc 0 "$BASHPID"
		ionice -c 3 -p "$BASHPID"
		exec chrt -b 0 nice -n 5 setarch -R "$CRIU_LITE" restore -d -D "$images" 3>&- 4>&- </dev/null
	)
	after=$(look)
	diff <(echo "$before") <(echo "$after")
	same
}
