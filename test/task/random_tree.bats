#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# trees of every shape: task/random_tree with many seeds

load ../helpers

twice()
{
	dump
	restore
	dump
	restore
	same
}

@test "random trees" {
	for seed in {100..109}; do
		echo "seed $seed"
		start task/random_tree "$seed"
		twice
	done
}

@test "random trees of tasks that share tables" {
	for seed in {300..309}; do
		echo "seed $seed"
		start task/random_tree "$seed" share
		if dump >"$work/said" 2>&1; then
			restore
		else # not all of these have an order of births that we find
			grep "shares with others" "$work/said"
			grep "do: " "$work/said"
		fi
		same
	done
}
