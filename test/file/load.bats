#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# data that never rests: stopped anywhere, again and again, nothing is lost or comes twice

load ../helpers

under_load()	# under_load WHAT
{
	local i

	start cli/flow "$1"
	for i in {1..10}; do
		dump -R || { show_logs; return 1; }
		rm -rf "$images"
	done
	cycle 6
	same
}

@test "data in a ring of pipes" {
	under_load ring
}

@test "data in a ring of fifos" {
	under_load fifos
}

@test "one pipe, one writer, many readers" {
	under_load many
}

@test "one fifo, one writer, one reader" {
	under_load fifo
}

@test "a file that is filled and read" {
	under_load file
}

@test "many children write, one waits for all in an epoll" {
	under_load epoll
}
