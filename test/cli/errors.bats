#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what is said to somebody who asks for the impossible

load ../helpers

@test "without a command: it is required, and usage" {
	run criu_lite
	[ "$status" -eq 1 ]
	[[ "$output" == *"command is required"* ]]
	[[ "$output" == *"dump"* ]]
}

@test "an unknown command is named" {
	run criu_lite freeze
	[ "$status" -eq 1 ]
	[[ "$output" == *"unknown command: freeze"* ]]
}

@test "words behind a command are too many" {
	run criu_lite dump -t 1 -D "$work" surplus
	[ "$status" -eq 1 ]
	[[ "$output" == *"excessive parameter"*"for command dump"* ]]
}

@test "an unknown option is refused and named" {
	run criu_lite dump -t 1 --no-such-option
	[ "$status" -eq 1 ]
	[[ "$output" == *"no-such-option"* ]]
}

@test "dump without -t: pid not specified" {
	run criu_lite dump -D "$work"
	[ "$status" -eq 1 ]
	[[ "$output" == *"pid not specified"* ]]
}

@test "dump of a pid that is not there names it" {
	run criu_lite dump -t 32123 -D "$work"
	[ "$status" -eq 1 ]
	[[ "$output" == *"32123"* ]]
	[[ "$output" == *"why: No such process"* ]]
}

@test "an images directory that is not there is named" {
	start task/sleeper
	run criu_lite dump -t "$pid" -D "$work/nowhere"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$work/nowhere"* ]]
	kill -0 "$pid"
	same
}

@test "restore from an empty directory says that there are no images" {
	mkdir "$work/empty"
	run criu_lite restore -D "$work/empty"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot"*"inventory"* ]]
}

@test "-S needs -d" {
	run criu_lite restore -S -D "$work"
	[ "$status" -eq 1 ]
	[[ "$output" == *"--restore-sibling only makes sense with --restore-detached"* ]]
}

@test "an unknown feature is named" {
	run criu_lite check --feature list
	[ "$status" -eq 1 ]
	[[ "$output" == *"Unknown feature list"* ]]
}

@test "--version is CRIU's first line" {
	run criu_lite --version
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "Version: 4.2" ]
}

@test "--help without a command is no error" {
	run criu_lite --help
	[ "$status" -eq 0 ]
	[[ "$output" == *"--tree"* ]]
}

@test "restore refuses a pid in use and says what to do" {
	start task/sleeper
	dump --leave-running
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"do:  stop that process"* ]]
	same
}
