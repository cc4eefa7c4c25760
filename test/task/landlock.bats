#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# tasks in a Landlock domain, of which the kernel tells nothing, are refused

load ../helpers

# restricted PYTHON: a program that may make no sockets any more, done by PYTHON
restricted()
{
	need python3
	launch python3 -c "
import ctypes, os, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def restrict():
    rules = libc.syscall(444, struct.pack('QQ', 1 << 9, 0), 8, 0)
    libc.prctl(38, 1, 0, 0, 0)
    return rules >= 0 and libc.syscall(446, rules, 0) == 0 and os.close(rules) is None
$1
open('ready' if ok else 'no', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready" -o -e "$place/no"
	[ -e "$place/ready" ] || skip "this kernel has no Landlock"
}

refused()
{
	run dump "$@"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"it is in a Landlock domain"*"do:  "*"--allow landlock"* ]]
	kill -0 "$pid"
}

@test "a task in a Landlock domain is refused, of whatever user" {
	restricted "ok = restrict()"
	refused
	refused -R
	restricted "ok = restrict(); os.setresgid(18943, 18943, 18943); os.setresuid(18943, 18943, 18943)"
	refused
}

@test "so is one with a thread in a domain" {
	restricted "
done = threading.Event()
def run():
    global ok
    ok = restrict()
    done.set()
    time.sleep(1000)
threading.Thread(target=run, daemon=True).start()
done.wait()"
	refused
}

@test "--allow landlock goes on without" {
	restricted "ok = restrict()"
	dump --allow landlock
	restore
	kill -0 "$pid"
}
