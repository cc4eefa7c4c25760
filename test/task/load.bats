#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# tasks that are never at rest: stopped anywhere, again and again, nothing is lost

load ../helpers

under_load()	# under_load VICTIM [ARG]
{
	local i

	start "$@"
	for i in {1..12}; do
		dump -R || { show_logs; return 1; }
		rm -rf "$images"
	done
	cycle 8
	same
}

@test "children are born and exit all the time" {
	under_load cli/load forks
}

@test "sessions begin and end, and orphans are adopted, all the time" {
	under_load cli/load sessions
}

@test "threads start their successors and exit all the time" {
	under_load cli/load threads
}

@test "a thread that is always inside a restartable sequence" {
	under_load task/rseq_section
}

@test "registers and vectors in use all the time" {
	under_load task/calculation
}

@test "clocks that are read all the time" {
	under_load task/clocks
}
