#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# a stopped root, whose parent is somebody else

load ../helpers

state_is()
{
	[ "$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat")" = "$1" ]
}

@test "a stopped root is dumped and restored three times, and goes on when it is told to" {
	start task/threads
	kill -STOP "$pid"
	wait_for 5 state_is T
	cycle 3
	state_is T
	kill -CONT "$pid"
	same
}

@test "a stopped root that stays is as stopped as before" {
	start task/threads
	kill -STOP "$pid"
	wait_for 5 state_is T
	dump -R
	state_is T
	kill -CONT "$pid"
	same
}

@test "restore -s leaves a running program stopped" {
	start task/threads
	dump
	restore -s
	wait_for 5 state_is T
	kill -CONT "$pid"
	same
}
