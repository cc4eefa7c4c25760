#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# locks: what is refused

load ../helpers

@test "a lock is refused with --no-file-locks, and stays" {
	for victim in lock lock_open; do
		start "file/$victim"
		run dump --no-file-locks
		[ "$status" -eq 1 ]
		[[ "$output" == *"cannot dump the lock on descriptor "*"do:  "*"--no-file-locks"* ]]
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

@test "a deleted file with a lease is refused, and the lease stays" {
	launch python3 -c '
import fcntl, os, signal, time
signal.signal(signal.SIGIO, lambda *a: open("broken", "w"))
fd = os.open("f", os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"data")
os.unlink("f")
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open("ready", "w")
while True: time.sleep(1)'
	wait_for 5 test -e "$place/ready"
	run dump --file-locks
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot carry along the deleted file $place/f: it has a lease"*"do:  "* ]]
	grep -q "LEASE  ACTIVE    WRITE" "/proc/$pid/fdinfo/3"
	[ ! -e "$place/broken" ]
}
