#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# locks: what is refused

load ../helpers

@test "a lock is refused without --file-locks, and stays" {
	for victim in lock lock_open; do
		start "file/$victim"
		run dump
		[ "$status" -eq 1 ]
		[[ "$output" == *"cannot dump the lock on descriptor "*"do:  "*"--file-locks"* ]]
		same
	done
}

@test "a lock that somebody else has taken meanwhile is not restored over" {
	start file/lock_open
	dump --file-locks
	run flock -n "$place/exclusive" -c "$(declare -f restore criu_lite)
		images=$images CRIU_LITE=$CRIU_LITE; restore"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot lock descriptor"*"/proc/locks"* ]]
	wait_for 5 is_gone "$pid"
	restore
	same
}

@test "a lease that is being broken is refused" {
	launch python3 -c '
import fcntl, os, signal, time
signal.signal(signal.SIGIO, lambda *a: open("broken", "w"))
fd = os.open("f", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open("ready", "w")
while True: time.sleep(1)'
	wait_for 5 test -e "$place/ready"
	cat "$place/f" &
	local reader=$!
	wait_for 5 test -e "$place/broken"
	run dump --file-locks
	kill "$reader"
	[ "$status" -eq 1 ]
	[[ "$output" == *"a lease that is being broken"* ]]
	kill -0 "$pid"
}
