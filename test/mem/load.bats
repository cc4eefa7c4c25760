#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# memory that is never at rest: stopped anywhere, again and again, nothing is lost

load ../helpers

under_load()	# under_load VICTIM [ARG]
{
	local i

	start "$@"
	for i in {1..10}; do
		dump -R || { show_logs; return 1; }
		rm -rf "$images"
	done
	cycle 6
	same
}

@test "areas are mapped, protected, cut and unmapped all the time" {
	under_load cli/churn map
}

@test "pages change at random all the time" {
	under_load cli/churn pages
}

@test "a tree attaches parts of shared objects all the time" {
	under_load cli/churn attach
}

@test "a shared object becomes larger and smaller all the time" {
	under_load cli/churn resize
}

@test "nothing is written below the stack" {
	under_load cli/churn stack
}

@test "asynchronous reads and writes are issued all the time" {
	under_load mem/aio_busy
}
