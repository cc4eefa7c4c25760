#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# pidfds that cannot come back are refused

load ../helpers

pidfd_of()	# pidfd_of PYTHON-EXPRESSION
{
	need python3
	launch python3 -c "
import os, time
fd = os.pidfd_open($1)
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
}

@test "a pidfd of a task that is not in the tree is refused by its name" {
	pidfd_of 1
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump pidfd 3: it is task 1 (\"nsinit\"), which is not in the tree"* ]]
	[[ $output == *"do:  "* ]]
	kill -0 "$pid"
}

@test "a pidfd of a thread that epoll watches is refused" {
	need python3
	launch python3 -c "
import os, select, threading, time
t = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
t.start()
fd = os.pidfd_open(t.native_id, os.O_EXCL)
e = select.epoll()
e.register(fd, select.EPOLLIN)
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump a pidfd of a thread that is watched by epoll"*"do:  "* ]]
	kill -0 "$pid"
}
