#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# trees of every shape: task/random_tree with many seeds

load ../helpers

from_seed()	# from_seed FIRST COUNT
{
	local seed

	for ((seed = $1; seed < $1 + $2; seed++)); do
		echo "seed $seed"
		start task/random_tree "$seed"
		dump
		restore
		dump
		restore
		same
	done
}

@test "random trees: seeds 100 to 106" {
	from_seed 100 7
}

@test "random trees: seeds 200 to 206" {
	from_seed 200 7
}
