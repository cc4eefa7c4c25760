#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# pipes that lead out of the tree

load ../helpers

# A process whose standard input is a pipe from outside, with "old" in it.  Asked
# to look, it reads until end of file and leaves what it got in "verdict".
reader()
{
	need python3
	launch python3 -c "
import os, sys, time
r, w = os.pipe()
if os.fork() == 0:
	if os.fork():
		os._exit(0)
	os.setsid()
	os.dup2(r, 0)
	os.close(r)
	os.close(w)
	open('.pid', 'w').write(str(os.getpid()) + ' ' + os.readlink('/proc/self/fd/0') + '\\n')
	os.rename('.pid', 'pid')
	while not os.path.exists('look'):
		time.sleep(0.01)
	open('.verdict', 'w').write(sys.stdin.read())
	os.rename('.verdict', 'verdict')
	os._exit(0)
os.wait()
os.write(w, b'old')
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	wait_for 5 test -e "$place/pid"
	read -r pid link <"$place/pid"
	launched+=" $pid"
}

@test "a reader whose writer stays outside gets what was inside, then end of file" {
	reader
	dump
	restore
	[ "$(verdict)" = old ]
	grep -qF "leads out of the tree: restore will close its other end, unless --inherit-fd 'fd[N]:$link'" \
		"$images/dump.log"
}

@test "with --inherit-fd it goes on to read from there" {
	reader
	dump
	exec 7< <(while [ ! -e "$place/look" ]; do sleep 0.01; done; echo " and new")
	restore --inherit-fd "fd[7]:$link"
	exec 7<&-
	[ "$(verdict)" = "old and new" ]
}

@test "a substitute that is not empty is refused before anything is made" {
	reader
	dump
	exec 7< <(echo "what comes first?")
	sleep 0.2
	run restore --inherit-fd "fd[7]:$link"
	[ "$status" -eq 1 ]
	[[ $output == *"plan: "*"cannot put the 3 bytes of $link into descriptor 7: it is not empty"* ]]
	exec 7<&-
	is_gone "$pid"
}
