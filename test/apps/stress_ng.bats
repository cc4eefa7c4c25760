# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# Each stressor checks its own results (--verify), and says at the end how it went.
@test "stress-ng: workers of many sorts verify what they do over three cycles" {
	need stress-ng
	# time goes on while nothing runs, so the number of operations is what ends it
	for stressor in vm mmap futex timer pthread sem sem-sysv mq shm shm-sysv inotify; do
		local options=()
		[[ $stressor != vm* && $stressor != mmap ]] || options=("--$stressor-bytes" 4M)
		launch stress-ng --temp-path . --verify --timeout 2 --oomable -q "--$stressor" 2 "${options[@]}"
		for i in 1 2 3; do
			sleep 0.2
			cycle 1 --file-locks --link-remap || { echo "$stressor: cycle $i"; return 1; }
		done
		wait_for 90 is_gone "$pid" || { echo "$stressor does not end"; return 1; }
		cat "$place/log"
		! grep -E -i 'fail|error|unexpected|killed' "$place/log" || { echo "$stressor"; return 1; }
	done
}
