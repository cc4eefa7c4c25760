# SPDX-License-Identifier: GPL-2.0-only
#
# criu-lite is killed, or fails, at every stage boundary: the victim of a dump
# lives and works, of a restore nothing is left.
load ../helpers

dump_points()
{
	local s
	for s in freeze collect inject drain write; do
		echo "$s $s:end $s:back"
	done
}

restore_points()
{
	local s
	for s in read plan fork open map resume; do
		echo "$s $s:end"
	done
}

# ticks: the victim still does what it did
ticks()
{
	local before
	before=$(wc -c <"$place/ticks")
	more() { [ "$(wc -c <"$place/ticks")" -gt $((before + 2)) ]; }
	wait_for 5 more
}

ticker()
{
	launch bash -c 'while :; do printf . >>ticks; read -r -t 0.02 <> <(:); done'
	wait_for 5 test -s "$place/ticks"
}

@test "SIGKILL of dump at any stage boundary: the victim goes on" {
	ticker
	for point in $(dump_points); do
		CRIU_LITE_INJECT=kill:$point run dump
		[ "$status" -ne 0 ] || [[ $point == *:back ]]
		ticks || { echo "does not go on after kill:$point"; false; }
	done
	cycle 1
	ticks
}

@test "SIGKILL of dump at any stage boundary: stopped tasks stay stopped, what they were sent waits" {
	for point in $(dump_points); do
		start task/stopped
		CRIU_LITE_INJECT=kill:$point run dump
		same || { echo "not the same after kill:$point"; false; }
		end_launched
	done
}

@test "failure of dump at any stage boundary: the victim goes on, no inventory is left" {
	ticker
	for point in $(dump_points); do
		CRIU_LITE_INJECT=fail:$point run dump
		[ "$status" -eq 1 ]
		[ ! -e "$images/inventory.img" ]
		ticks || { echo "does not go on after fail:$point"; false; }
	done
	cycle 1
	ticks
}

nobody_left()
{
	local p
	for p in $tree; do
		[ ! -e "/proc/$p" ] || return 1
	done
}

@test "SIGKILL of restore at any stage boundary: nothing half-born is left, and it can be tried again" {
	ticker
	dump
	tree=$pid
	for point in $(restore_points); do
		[ "$point" != resume:end ] || continue # all are running then
		CRIU_LITE_INJECT=kill:$point run restore
		[ "$status" -ne 0 ]
		wait_for 5 nobody_left || { echo "something is left after kill:$point"; false; }
	done
	restore
	ticks
}

@test "failure of restore at any stage boundary: nothing is left, and it can be tried again" {
	ticker
	dump
	tree=$pid
	for point in $(restore_points); do
		[ "$point" != resume:end ] || continue
		CRIU_LITE_INJECT=fail:$point run restore
		[ "$status" -eq 1 ]
		wait_for 5 nobody_left || { echo "something is left after fail:$point"; false; }
	done
	restore
	ticks
}
