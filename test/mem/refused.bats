# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# refused WHAT WORDS: the dump says why not, and the victim goes on
refused()
{
	start cli/odd_memory "$1" || skip "this kernel has no such memory: $1"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump"* ]]
	[[ "$output" == *"$2"* ]]
	[[ "$output" == *"do:  "* ]]
	same
}

@test "a System V segment that others use too is refused by name" {
	refused sysv "outside of the tree"
}

@test "secret memory is refused by name" {
	refused secret "/secretmem"
}

@test "an AIO ring that a child has from its parent is refused by name" {
	refused aio "AIO ring at"
}

@test "an AIO ring of which a piece is missing is refused by name" {
	refused aio_cut "AIO ring at"
}

@test "policies for pieces of shared memory that a task has as one are refused by name" {
	refused policy "memory policies of the mapping"
}

@test "memory that a userfaultfd serves is refused by name" {
	refused uffd "userfaultfd"
}
