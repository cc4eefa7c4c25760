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
	[[ $output == *"cannot dump fanotify 3 of task $pid: it is asked for permission on a whole mount or file system"* ]]
	[[ $output == *"do:  mark single files"* ]]
	kill -0 "$pid"
}

@test "a program that is asked for permission to open itself, or what it has open, is dumped" {
	need python3
	cp "$B/test/victims/task/sleeper" "$work/guarded"
	launch python3 -c "
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
f = os.open('$work/guarded', os.O_RDONLY)
os.close(0)
fd = libc.fanotify_init(4, 0)
for path in '/proc/self/exe', '$work/guarded':
	assert libc.fanotify_mark(fd, 1, ctypes.c_uint64(0x10000), -100, path.encode()) == 0
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	timeout 20 "$CRIU_LITE" dump -t "$pid" -D "$work" -R </dev/null 3>&- 4>&-
	kill -0 "$pid"
}

@test "a deleted file that the program itself permits to read is refused" {
	need python3
	launch python3 -c "
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
f = os.open('file', os.O_RDWR | os.O_CREAT)
fd = libc.fanotify_init(4, 0)
assert libc.fanotify_mark(fd, 1, ctypes.c_uint64(0x10000), -100, b'file') == 0
os.unlink('file')
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	run timeout 20 "$CRIU_LITE" dump -t "$pid" -D "$work" </dev/null 3>&- 4>&-
	[ "$status" -eq 1 ]
	[[ $output == *"cannot carry along the deleted file $place/file: the program itself permits"*"do:  "* ]]
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
