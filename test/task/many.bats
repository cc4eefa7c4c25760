#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# many of one sort; the victims are those of make bench (test/bench/bench.c)

load ../helpers

# hold KIND N: a victim that has N of them
hold()
{
	launch "$B/test/victims/bench/bench" "$@"
	wait_for 20 grep -q ready "$place/log"
}

is_same()
{
	kill -USR1 "$pid"
	wait_for 20 grep -q same "$place/log"
}

@test "more tasks than our soft limit of open files can hold" {
	hold tasks 100
	ulimit -Sn 256
	cycle 1
	is_same
}

@test "a table of descriptors that is nearly full" {
	ulimit -n 1230
	hold fds 1200
	cycle 1
	is_same
}

@test "a table of descriptors that is full at its end" {
	need python3
	ulimit -n 1000
	launch python3 -c "
import os, time
for fd in range(800, 1000):
	os.dup2(0, fd)
open('ready', 'w')
while not os.path.exists('look'):
	time.sleep(0.05)
os.fstat(999)
open('verdict', 'w').write('same')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	cycle 1
	same
}

@test "a table without room for ours is refused" {
	ulimit -n 1206
	hold fds 1200
	dump
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"Too many open files"* ]]
	[[ $output == *"do:  raise the hard limit of open files (ulimit -Hn)"* ]]
}

@test "a thousand threads" {
	hold threads 1000
	cycle 2
	is_same
}

@test "children that nobody waits for, and that end while they are being stopped" {
	need python3
	launch python3 -c "
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
n = 0
while True:
    for i in range(20):
        if os.fork() == 0:
            os._exit(0)
    n += 1
    open('count', 'w').write(str(n))"
	wait_for 10 test -s "$place/count"
	for i in {1..25}; do
		dump -R || { show_logs; return 1; }
	done
	cycle 1
	before=$(cat "$place/count")
	goes_on() { [ "$(cat "$place/count")" -gt "$before" ]; }
	wait_for 10 goes_on
}
