#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# namespaces as descriptors: what is refused

load ../helpers

@test "a namespace of somebody else is refused" {
	launch unshare --uts sleep 1000
	other=$pid
	away() { [ "$(readlink "/proc/$other/ns/uts")" != "$(readlink /proc/self/ns/uts)" ]; }
	wait_for 5 away
	launch sh -c 'exec 3<"/proc/$1/ns/uts"; : >held; exec sleep 1000' sh "$other"
	wait_for 5 test -e "$place/held"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"cannot dump uts:["*"]: it is a namespace of somebody else"*"do:  "* ]]
	kill -0 "$pid"
}
