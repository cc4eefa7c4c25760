# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# id_of KEY
id_of()
{
	ipcs -m | awk -v key="$(printf 0x%08x "$1")" '$1 == key { print $2 }'
}

begin()
{
	start mem/shmem_owner
	key=$((0x0dd00000 + pid))
	id=$(id_of $key)
	[ -n "$id" ]
	victim=$pid at=$place
}

# another program does something with a segment, while the victim is away
somebody()
{
	start cli/segment "$@"
	somebody=$pid
	pid=$victim place=$at
}

setup()
{
	shmmax=$(cat /proc/sys/kernel/shmmax)
}

teardown()
{
	end_launched
	ipcrm --all=shm
	echo "$shmmax" >/proc/sys/kernel/shmmax
	echo 0 >/proc/sys/kernel/shm_rmid_forced
}

@test "a segment that is gone is made again" {
	begin
	dump
	ipcrm -m "$id"
	restore
	same
}

@test "what somebody wrote into a segment after the dump is gone" {
	begin
	dump
	somebody change "$id"
	restore
	same
}

@test "a segment that somebody uses is not touched" {
	begin
	dump
	somebody hold "$id"
	run restore --dry-run
	[ "$status" -eq 1 ]
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot restore System V segment $id"* ]]
	[[ "$output" == *"somebody uses it"* ]]
	[[ "$output" == *"do:  "* ]]
	kill -KILL "$somebody"
	wait_for 5 is_gone "$somebody"
	restore
	same
}

@test "a number that another segment has is refused" {
	begin
	dump
	ipcrm -m "$id"
	# the same place in the kernel's table, with another number
	other=$((id + 32768))
	echo $other >/proc/sys/kernel/shm_next_id
	[ "$(ipcmk -M 12345 | tr -dc 0-9)" = $other ] || skip "this kernel has a larger table"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"there is segment $other"* ]]
	[[ "$output" == *"do:  "*"ipcrm -m $other"* ]]
	ipcrm -m "$other"
	restore
	same
}

@test "a key that another segment has is refused" {
	begin
	dump
	ipcrm -m "$id"
	other=$((id + 1))
	echo $other >/proc/sys/kernel/shm_next_id
	somebody make $key
	[ "$(id_of $key)" = $other ]
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"segment $other has its key 0x"* ]]
	[[ "$output" == *"do:  "* ]]
	ipcrm -m "$other"
	restore
	same
}

@test "a segment of the same number and key but another size is refused" {
	begin
	dump
	ipcrm -m "$id"
	echo "$id" >/proc/sys/kernel/shm_next_id
	somebody make $key
	[ "$(id_of $key)" = "$id" ]
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot restore System V segment $id"* ]]
	[[ "$output" == *"do:  "* ]]
}

@test "a restore that fails removes the segments it made, and no others" {
	begin
	dump
	for stage in fork:end open:end map:end; do
		CRIU_LITE_INJECT="fail:$stage" run restore
		[ "$status" -eq 1 ]
		[ "$(id_of $key)" = "$id" ]
	done
	ipcrm -m "$id"
	for stage in fork:end open:end map:end; do
		CRIU_LITE_INJECT="fail:$stage" run restore
		[ "$status" -eq 1 ]
		[ -z "$(id_of $key)" ]
	done
	restore
	same
}

@test "a segment that the limits forbid: the next of somebody else has no number of ours" {
	begin
	dump
	ipcrm -m "$id"
	echo 12292 >/proc/sys/kernel/shmmax
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot make System V segment $id"* ]]
	[[ "$output" == *"do:  "*shmmax* ]]
	[ "$(ipcmk -M 1 | tr -dc 0-9)" != "$id" ]
	echo 12293 >/proc/sys/kernel/shmmax
	restore
	same
}

@test "segments that go with their last user go with a killed restore" {
	start mem/shmem
	dump
	ipcrm --all=shm
	for stage in fork:end open:end map:end; do
		CRIU_LITE_INJECT="kill:$stage" run restore
		[ "$status" -ne 0 ]
		wait_for 5 is_gone "$pid"
		! ipcs -m | grep 0x00000000
	done
	restore
	same
}

@test "the kernel removes segments without users: they are made again" {
	begin
	echo 1 >/proc/sys/kernel/shm_rmid_forced
	cycle 3
	same
}

@test "a dump leaves no trace in a segment" {
	begin
	before=$(ipcs -m -i "$id")
	sleep 1.1
	dump --leave-running
	[ "$(ipcs -m -i "$id")" = "$before" ]
	same
}
