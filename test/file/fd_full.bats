#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# tasks without a free descriptor

load ../helpers

@test "SIGKILL of dump: a raised limit is as it was again" {
	for point in inject:end drain drain:end cure; do
		start file/fd_full
		CRIU_LITE_INJECT=kill:$point run dump -R
		same || { echo "not the same after kill:$point"; false; }
		end_launched
	done
}

# hold FIRST HARD: a program with the descriptors from FIRST to HARD - 1, which is its limit
hold()
{
	need python3
	launch python3 -c "
import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, ($2, $2))
fd = os.open('/dev/null', 0)
os.open('.ready', os.O_CREAT)
os.rename('.ready', 'ready.')
for n in range($1, $2):
	os.dup2(fd, n)
os.rename('ready.', 'ready')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
}

@test "a task that has all descriptors its hard limit allows is refused, by that limit" {
	hold 5 64
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot make a socket in process $pid"*"do:  it needs two free descriptors, see its RLIMIT_NOFILE"* ]]
	kill -0 "$pid"
}

@test "restore under the same hard limit, the highest number in use" {
	hold 60 64
	dump
	(ulimit -n 64 && restore)
	kill -0 "$pid"
	dump
	run bash -c "$(declare -f restore criu_lite)
		images=$images CRIU_LITE=$CRIU_LITE; ulimit -n 63; restore"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot give task $pid its limit RLIMIT_NOFILE"*"do:  run restore where"* ]]
}
