#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# POSIX message queues: what is refused

load ../helpers

# A program that has the queue /q open, and does PYTHON with it.
queue()	# queue PYTHON
{
	need python3
	launch python3 -c "
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
q = libc.mq_open(b'/q', os.O_RDWR | os.O_CREAT, 0o600, None)
$1
open('ready' if q >= 0 else 'no', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
}

@test "a message queue without a name is refused" {
	queue "libc.mq_unlink(b'/q')"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump the message queue /q: it has no name any more"*"do:  "* ]]
	kill -0 "$pid"
}

@test "who wants to be told of a message is refused" {
	queue "e = (ctypes.c_uint64 * 8)(0, 10); assert libc.mq_notify(q, e) == 0"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump the message queue /q: task $pid wants to be told of a message"*"do:  "* ]]
	kill -0 "$pid"
}

@test "a message queue that is not there is named" {
	queue ""
	dump
	python3 -c "import ctypes; ctypes.CDLL(None).mq_unlink(b'/q')"
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"plan: "*"cannot find the message queue /q"*"do:  "* ]]
	is_gone "$pid"
}
