#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# watches: how what they are on is found, and what is refused

load ../helpers

@test "paths of watches are found by search, in the directories that are named first" {
	need python3
	mkdir "$work/far"
	mount -t tmpfs none "$work/far"
	mkdir "$work/far/away"
	: >"$work/far/away/file"
	launch python3 -c "
import ctypes, time
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, b'$work/far/away/file', 2)
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	watch=$(grep "^inotify" "/proc/$pid/fdinfo/3" | cut -d' ' -f1-5)
	dump --force-irmap --irmap-scan-path "$work/far"
	"$CRIU_LITE" show show "$images/files.img" | grep -qF "\"$work/far/away/file\""
	restore
	[ "$(grep "^inotify" "/proc/$pid/fdinfo/3" | cut -d' ' -f1-5)" = "$watch" ]
	dump --force-irmap
	restore
	[ "$(grep "^inotify" "/proc/$pid/fdinfo/3" | cut -d' ' -f1-5)" = "$watch" ]
	umount -l "$work/far"
}

@test "a watch on a file without a name that only others have open is refused" {
	need python3
	exec 7<>"$work/file"
	launch python3 -c "
import ctypes, os, time
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, b'$work/file', 2)
os.unlink('$work/file')
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	run dump
	exec 7>&-
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump a watch on $work/file (deleted), which nobody in the tree has open"* ]]
	[[ $output == *"do:  remove the watch, or close the file where it is open"* ]]
	kill -0 "$pid"
}
