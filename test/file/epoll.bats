#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what an epoll watches must be in the tree

load ../helpers

@test "an epoll on a file that only a task outside of the tree has open is refused" {
	need python3
	launch python3 -c "
import os, select, time
r, w = os.pipe()
ep = select.epoll()
ep.register(r, select.EPOLLIN)
if os.fork() == 0:
	os.setsid()
	os.close(r)
	open('.pid', 'w').write(str(os.getpid()))
	os.rename('.pid', 'pid')
time.sleep(1000)"
	wait_for 5 test -e "$place/pid"
	pid=$(<"$place/pid")
	launched+=" $pid"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump epoll 5 of task $pid: nobody in the tree has the file open that was descriptor 3"* ]]
	[[ $output == *"do:  "* ]]
	kill -0 "$pid"
}
