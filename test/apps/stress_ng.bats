# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# A task that waits to be told of a message (mq_notify) is refused, but it does not wait long.
dump_in_time()
{
	local try

	for ((try = 0; try < 100; try++)); do
		dump --file-locks --link-remap >"$work/said" 2>&1 && return
		grep -q mq_notify "$work/said" || break
		sleep 0.01
	done
	cat "$work/said"
	return 1
}

# Each stressor checks its own results (--verify), and says so when they are wrong.
@test "stress-ng: workers of many sorts verify what they do over three cycles" {
	need stress-ng
	for stressor in vm mmap futex timer pthread sem sem-sysv mq shm shm-sysv inotify; do
		local options=()
		[[ $stressor != vm* && $stressor != mmap ]] || options=("--$stressor-bytes" 4M)
		launch stress-ng --temp-path . --verify --timeout 600 --oomable -q "--$stressor" 2 "${options[@]}"
		for i in 1 2 3; do
			sleep 0.2
			dump_in_time || { echo "$stressor: dump $i"; return 1; }
			restore || { echo "$stressor: restore $i"; show_logs; return 1; }
		done
		sleep 0.2
		kill -INT "$pid"
		wait_for 60 is_gone "$pid" || { echo "$stressor does not end"; return 1; }
		cat "$place/log"
		! grep -E -i 'fail|error|unexpected|killed' "$place/log" || { echo "$stressor"; return 1; }
	done
}
