#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# fanotify: what is refused

load ../helpers

# A program that marks $3 (flags, mask, path) and waits.
marks()	# marks FLAGS MASK PATH
{
	need python3
	launch python3 -c "
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.fanotify_init(4, 0)
ok = libc.fanotify_mark(fd, 1 | $1, ctypes.c_uint64($2), -100, b'$3') == 0
open('ready' if ok else 'no', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
}

@test "fanotify that is asked for permission on a whole mount is refused" {
	mkdir "$work/mnt"
	mount -t tmpfs none "$work/mnt"
	marks 0x10 0x10000 "$work/mnt"
	run dump
	umount -l "$work/mnt"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump fanotify 3: it is asked for permission on a whole mount or file system"* ]]
	[[ $output == *"do:  mark single files"* ]]
	kill -0 "$pid"
}

@test "a mark on a mount that has gone is refused" {
	mkdir "$work/mnt"
	mount -t tmpfs none "$work/mnt"
	marks 0x10 0x1000 "$work/mnt"
	mount -t tmpfs none "$work/mnt"
	run dump
	umount "$work/mnt"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump a mark on mount "*": it is gone, hidden, or in another namespace"* ]]
	kill -0 "$pid"
	dump
	restore
	grep -q "fanotify mnt_id:" "/proc/$pid/fdinfo/3"
	umount -l "$work/mnt"
}
