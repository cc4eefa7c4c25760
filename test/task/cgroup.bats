#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# control groups: who is in which, which there are, and what --manage-cgroups makes of it

load ../helpers

fs=/sys/fs/cgroup

setup()
{
	# other tests at the same time have other pid namespaces
	ours=criu-lite-test-$(stat -Lc %i /proc/self/ns/pid)
}

teardown()
{
	end_launched
	wait_for 5 remove_groups
	umount "$work"/h* 2>/dev/null || :
}

# as often as their tasks, which are just dying, need
remove_groups()
{
	local d left=0

	for d in $fs/*/"$ours"* "$work"/h*/"$ours"*; do
		[ ! -d "$d" ] || find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || left=1
	done
	[ "$left" = 0 ]
}

need_v1()	# need_v1 CONTROLLER...
{
	local c

	for c; do
		[ -w "$fs/$c/cgroup.procs" ] || skip "$fs/$c is not there"
	done
}

# where cgroup2 is mounted: $v2
need_v2()
{
	v2=
	[ ! -e $fs/cgroup.controllers ] || v2=$fs
	[ ! -e $fs/unified/cgroup.controllers ] || v2=$fs/unified
	[ -n "$v2" ] || skip "cgroup2 is not mounted"
}

group()	# group CONTROLLER/NAME...: of our own, below $ours
{
	local g

	for g; do
		mkdir -p "$fs/${g%%/*}/$ours/${g#*/}"
	done
}

enter()	# enter CONTROLLER/NAME PID
{
	echo "$2" >"$fs/${1%%/*}/$ours/${1#*/}/cgroup.procs"
}

path_of()	# path_of PID CONTROLLER
{
	sed -n "s/^[0-9]*:$2://p" "/proc/$1/cgroup"
}

is_in()	# is_in PID CONTROLLER PATH
{
	local path

	path=$(path_of "$1" "$2")
	[ "$path" = "$3" ] || { echo "$1 is in $2:$path, not in $3"; return 1; }
}

# three tasks: $pid is the parent of the others
start_three()
{
	launch bash -c 'sleep 1000 & sleep 1001 & echo >ready; wait'
	wait_for 5 test -e "$place/ready"
	mapfile -t children < <(pgrep -P "$pid")
	[ ${#children[@]} = 2 ]
}

begin_anew()
{
	wait_for 5 remove_groups
}

prop()	# prop CONTROLLER/NAME FILE [VALUE]: write it, or show it
{
	local file=$fs/${1%%/*}/$ours/${1#*/}/$2

	if [ $# = 3 ]; then
		echo "$3" >"$file"
	else
		cat "$file"
	fi
}

@test "a tree of three levels, empty groups, and groups that have nothing to do with each other" {
	need_v1 pids freezer
	start_three
	group pids/a/b/c pids/a/empty/more pids/other freezer/x
	enter pids/a "$pid"
	enter pids/a/b/c "${children[0]}"
	enter pids/other "${children[1]}"
	enter freezer/x "${children[1]}"
	dump --manage-cgroups
	begin_anew
	restore --manage-cgroups
	is_in "$pid" pids "/$ours/a"
	is_in "${children[0]}" pids "/$ours/a/b/c"
	is_in "${children[1]}" pids "/$ours/other"
	is_in "${children[1]}" freezer "/$ours/x"
	is_in "${children[0]}" freezer /
	[ -d "$fs/pids/$ours/a/empty/more" ]
	cycle 2
	is_in "${children[0]}" pids "/$ours/a/b/c"
}

@test "who is where criu-lite is needs no image" {
	start task/sleeper
	dump
	[ ! -e "$images/cgroup.img" ]
	restore
	same
}

@test "groups of a hierarchy that only has a name, below another root" {
	mkdir "$work/h"
	mount -t cgroup -o "none,name=cl$$" none "$work/h" || skip "hierarchies of version 1 cannot be mounted"
	start_three
	mkdir -p "$work/h/$ours/prefix/sub/empty" "$work/h/$ours/prefix/leaf"
	echo "$pid" >"$work/h/$ours/prefix/sub/cgroup.procs"
	echo "${children[0]}" >"$work/h/$ours/prefix/leaf/cgroup.procs"
	dump --manage-cgroups --cgroup-root "name=cl$$:/$ours/prefix"
	rmdir "$work/h/$ours"/prefix/{sub/empty,sub,leaf,} "$work/h/$ours"
	restore --manage-cgroups --cgroup-root "/$ours-else" --cgroup-root "name=cl$$:/$ours/new/root"
	is_in "$pid" "name=cl$$" "/$ours/new/root/sub"
	is_in "${children[0]}" "name=cl$$" "/$ours/new/root/leaf"
	[ -d "$work/h/$ours/new/root/sub/empty" ]
	[ ! -d "$work/h/$ours/prefix" ]
	end_launched
	wait_for 5 remove_groups
}

@test "a --cgroup-root that is not above the task is refused" {
	need_v1 pids
	start task/sleeper
	group pids/a pids/b
	enter pids/a "$pid"
	run dump -R --cgroup-root "pids:/$ours/b"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot use --cgroup-root /$ours/b"* ]]
}

@test "owners and modes of groups and of their files" {
	need_v1 pids
	start task/sleeper
	group pids/a/b
	enter pids/a "$pid"
	chown 4711:4712 "$fs/pids/$ours/a/b" "$fs/pids/$ours/a/tasks"
	chmod 711 "$fs/pids/$ours/a/b"
	chmod 600 "$fs/pids/$ours/a/pids.max" "$fs/pids/$ours/a/b/cgroup.procs"
	dump --manage-cgroups
	begin_anew
	restore --manage-cgroups
	[ "$(stat -c %u:%g:%a "$fs/pids/$ours/a/b")" = 4711:4712:711 ]
	[ "$(stat -c %u:%g:%a "$fs/pids/$ours/a/tasks")" = 4711:4712:644 ]
	[ "$(stat -c %u:%a "$fs/pids/$ours/a/pids.max")" = 0:600 ]
	[ "$(stat -c %a "$fs/pids/$ours/a/b/cgroup.procs")" = 600 ]
}

with_properties()
{
	need_v1 pids memory devices cpu cpuset
	start task/sleeper
	group pids/a/b memory/m/n devices/d cpu/c cpuset/s/t
	prop pids/a pids.max 77
	prop pids/a/b pids.max 33
	prop memory/m memory.limit_in_bytes 134217728
	prop memory/m/n memory.limit_in_bytes 67108864
	prop memory/m/n memory.swappiness 35
	prop devices/d devices.deny a
	prop devices/d devices.allow "c 1:3 rwm"
	prop devices/d devices.allow "c 1:5 rm"
	prop devices/d devices.allow "c *:* m"
	prop cpu/c cpu.shares 513
	for g in . s s/t; do
		prop cpuset/$g cpuset.cpus 0
		prop cpuset/$g cpuset.mems 0
	done
	enter pids/a "$pid"
	enter memory/m "$pid"
	enter devices/d "$pid"
	enter cpu/c "$pid"
	enter cpuset/s/t "$pid"
}

has_properties()
{
	[ "$(prop pids/a pids.max)" = 77 ] && [ "$(prop pids/a/b pids.max)" = 33 ] &&
		[ "$(prop memory/m memory.limit_in_bytes)" = 134217728 ] &&
		[ "$(prop memory/m/n memory.limit_in_bytes)" = 67108864 ] &&
		[ "$(prop memory/m/n memory.swappiness)" = 35 ] &&
		[ "$(prop devices/d devices.list)" = $'c 1:3 rwm\nc 1:5 rm\nc *:* m' ] &&
		[ "$(prop cpu/c cpu.shares)" = 513 ] && [ "$(prop cpuset/s/t cpuset.cpus)" = 0 ] &&
		[ "$(path_of "$pid" memory)" = "/$ours/m" ]
}

@test "properties: full makes what is missing, and sets those of what is there" {
	with_properties
	dump --manage-cgroups=full
	begin_anew
	restore --manage-cgroups=full
	has_properties
	dump --manage-cgroups=full
	prop pids/a pids.max 78
	prop cpu/c cpu.shares 514
	restore --manage-cgroups=full
	has_properties
	same
}

@test "soft leaves what is there as it is, props sets it" {
	with_properties
	dump
	prop pids/a pids.max 78
	restore
	[ "$(prop pids/a pids.max)" = 78 ]
	prop pids/a pids.max 77
	dump
	prop pids/a pids.max 78
	restore --manage-cgroups=props
	has_properties
}

@test "none and props want all groups to be there, strict wants none" {
	need_v1 pids
	start task/sleeper
	group pids/a/b
	prop pids/a pids.max 77
	enter pids/a "$pid"
	dump
	run restore --manage-cgroups=strict
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot make control group pids:/$ours/a, it is there already"* ]]
	begin_anew
	for mode in none props; do
		run restore --manage-cgroups=$mode
		echo "$mode: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"cannot use control group pids:/$ours/a, it is not there"* ]]
		[ ! -d "$fs/pids/$ours" ]
	done
	restore --manage-cgroups=strict
	[ "$(prop pids/a pids.max)" = 77 ]
	prop pids/a pids.max 78
	dump
	restore --manage-cgroups=none
	is_in "$pid" pids "/$ours/a"
	[ "$(prop pids/a pids.max)" = 78 ]
	same
}

@test "ignore: at dump nothing is written, at restore nothing is done" {
	need_v1 pids
	start task/sleeper
	group pids/a
	enter pids/a "$pid"
	dump
	restore --manage-cgroups=ignore
	is_in "$pid" pids /
	enter pids/a "$pid"
	dump --manage-cgroups=ignore
	[ ! -e "$images/cgroup.img" ]
	restore
	is_in "$pid" pids /
	same
}

@test "a restore that fails, or is killed, removes the groups it has made" {
	need_v1 pids
	start task/sleeper
	group pids/a/b
	enter pids/a "$pid"
	dump
	begin_anew
	CRIU_LITE_INJECT=fail:after:cgroup run restore
	echo "$output"
	[ "$status" -ne 0 ]
	[ ! -d "$fs/pids/$ours" ]
	CRIU_LITE_INJECT=kill:after:cgroup run restore
	[ "$status" -ne 0 ]
	wait_for 5 test ! -d "$fs/pids/$ours"
	restore
	same
}

@test "--cgroup-props: other properties; --cgroup-dump-controller: other controllers" {
	with_properties
	dump -R --cgroup-props $'pids:\n  - strategy: replace\n  - properties: ["cgroup.clone_children"]\n'
	run criu_lite show decode -i "$images/cgroup.img"
	[[ $output != *"pids.max"* ]]
	[[ $output == *"memory.swappiness"* ]]
	cat >"$work/props" <<-EOF
	# comment
	"memory":
	  - "strategy": "merge"
	  - "properties": ["memory.failcnt", "memory.numa_stat" ]
	EOF
	dump -R --cgroup-props-file "$work/props" --cgroup-dump-controller memory
	run criu_lite show decode -i "$images/cgroup.img"
	[[ $output == *"memory.failcnt"* ]]
	[[ $output == *"memory.swappiness"* ]]
	[[ $output != *"pids"* ]]
	run dump -R --cgroup-props 'memory: - strategy: maybe'
	[ "$status" -eq 1 ]
	[[ $output == *"the strategy is merge or replace"* ]]
}

@test "priorities of network devices, one in each line" {
	mkdir "$work/h"
	mount -t cgroup -o net_prio none "$work/h" || skip "the controller net_prio cannot be mounted"
	start task/sleeper
	mkdir -p "$work/h/$ours/a"
	map=$work/h/$ours/a/net_prio.ifpriomap
	other=$(sed -n '$s/ .*//p' "$map") # devices of the first network namespace
	echo "lo 5" >"$map"
	[ "$other" = lo ] || echo "$other 7" >"$map"
	echo "$pid" >"$work/h/$ours/a/cgroup.procs"
	dump --manage-cgroups=full
	rmdir "$work/h/$ours/a"
	restore --manage-cgroups=full
	is_in "$pid" net_prio "/$ours/a"
	grep -qx "lo 5" "$map"
	[ "$other" = lo ] || grep -qx "$other 7" "$map"
	end_launched
	wait_for 5 remove_groups
}

@test "--cgroup-yard: hierarchies that the caller has mounted" {
	need_v1 pids memory
	start task/sleeper
	group pids/a
	enter pids/a "$pid"
	mkdir -p "$work/yard"/{pids,memory}
	run dump -R --cgroup-yard "$work/yard/nowhere"
	[ "$status" -eq 1 ]
	[[ $output == *"--cgroup-yard"* ]]
	mount --bind $fs/pids "$work/yard/pids"
	mount --bind $fs/memory "$work/yard/memory"
	dump --cgroup-yard "$work/yard"
	begin_anew
	restore --cgroup-yard "$work/yard"
	is_in "$pid" pids "/$ours/a"
	umount "$work/yard"/*
	same
}

@test "version 2: controllers of groups, threaded groups, and threads in them" {
	need_v2
	start task/threads
	mkdir -p "$v2/$ours/in" "$v2/$ours/t"/{a,b}
	controller=$(cut -d' ' -f1 "$v2/cgroup.controllers")
	if [ -n "$controller" ] && grep -qw "$controller" "$v2/cgroup.subtree_control"; then
		echo "+$controller" >"$v2/$ours/cgroup.subtree_control"
	fi
	echo 17 >"$v2/$ours/cgroup.max.descendants"
	echo threaded >"$v2/$ours/t/a/cgroup.type"
	echo threaded >"$v2/$ours/t/b/cgroup.type"
	subtree=$(cat "$v2/$ours/cgroup.subtree_control")
	echo "$pid" >"$v2/$ours/t/cgroup.procs"
	mapfile -t tids < <(ls "/proc/$pid/task")
	echo "${tids[1]}" >"$v2/$ours/t/a/cgroup.threads"
	echo "${tids[2]}" >"$v2/$ours/t/b/cgroup.threads"
	dump --manage-cgroups=full --cgroup-root ":/$ours"
	begin_anew
	restore --manage-cgroups=full
	is_in "$pid" "" "/$ours/t"
	[ "$(cat "$v2/$ours/t/a/cgroup.type")" = threaded ]
	[ "$(cat "$v2/$ours/t/a/cgroup.threads")" = "${tids[1]}" ]
	[ "$(cat "$v2/$ours/t/b/cgroup.threads")" = "${tids[2]}" ]
	[ "$(cat "$v2/$ours/cgroup.subtree_control")" = "$subtree" ]
	[ "$(cat "$v2/$ours/cgroup.max.descendants")" = 17 ]
	same
}

# in a group, in namespaces that begin there
start_inside()	# start_inside GROUP LETTERS
{
	echo "$BASHPID" >"$fs/pids/$ours/$1/cgroup.procs"
	inside=$2
	start task/sleeper || return
	echo "$BASHPID" >"$fs/pids/cgroup.procs"
}

seen_inside()	# seen_inside PATH
{
	local seen

	seen=$(nsenter --cgroup --target "$pid" cat "/proc/$pid/cgroup" | sed -n 's/^[0-9]*:pids://p')
	[ "$seen" = "$1" ] || { echo "seen inside: $seen, not $1"; return 1; }
}

@test "a cgroup namespace: its root, and who is below it" {
	need_v1 pids
	[ -e /proc/self/ns/cgroup ] || skip "this kernel has no cgroup namespaces"
	group pids/a/root/leaf
	start_inside a/root pc
	seen_inside /
	enter pids/a/root/leaf "$pid"
	seen_inside /leaf
	dump --cgroup-root "pids:/$ours/a"
	begin_anew
	restore
	is_in "$pid" pids "/$ours/a/root/leaf"
	is_in "$(pgrep -P "$pid")" pids "/$ours/a/root"
	seen_inside /leaf
	is_in "$$" pids /
	dump --cgroup-root "pids:/$ours/a"
	begin_anew
	restore --cgroup-root "pids:/$ours/b/new"
	is_in "$pid" pids "/$ours/b/new/root/leaf"
	seen_inside /leaf
	same
}

frozen_v1()
{
	[ "$(prop freezer/f freezer.state)" = FROZEN ]
}

@test "--freeze-cgroup, version 1: thawed before is thawed, frozen before is frozen" {
	need_v1 freezer
	start cli/load forks
	group freezer/f
	for p in "$pid" $(pgrep -P "$pid"); do
		enter freezer/f "$p"
	done
	for i in 1 2 3; do
		dump -R --freeze-cgroup "$fs/freezer/$ours/f"
		[ "$(prop freezer/f freezer.state)" = THAWED ]
	done
	prop freezer/f freezer.state FROZEN
	wait_for 5 frozen_v1
	dump -R --freeze-cgroup "$fs/freezer/$ours/f"
	wait_for 5 frozen_v1
	prop freezer/f freezer.state THAWED
	dump --freeze-cgroup "$fs/freezer/$ours/f"
	restore
	is_in "$pid" freezer "/$ours/f"
	same
}

@test "--freeze-cgroup, version 1: what was frozen comes back frozen" {
	need_v1 freezer
	start task/threads
	group freezer/f
	enter freezer/f "$pid"
	prop freezer/f freezer.state FROZEN
	wait_for 5 frozen_v1
	dump --freeze-cgroup "$fs/freezer/$ours/f"
	begin_anew
	restore
	wait_for 5 frozen_v1
	prop freezer/f freezer.state THAWED
	same
}

@test "--freeze-cgroup, version 2" {
	need_v2
	start cli/load threads
	mkdir "$v2/$ours"
	echo "$pid" >"$v2/$ours/cgroup.procs"
	for i in 1 2 3; do
		dump -R --freeze-cgroup "$v2/$ours"
		[ "$(cat "$v2/$ours/cgroup.freeze")" = 0 ]
	done
	echo 1 >"$v2/$ours/cgroup.freeze"
	dump --freeze-cgroup "$v2/$ours"
	begin_anew
	restore
	wait_for 5 grep -q "frozen 1" "$v2/$ours/cgroup.events"
	echo 0 >"$v2/$ours/cgroup.freeze"
	same
}

@test "--freeze-cgroup: whoever kills criu-lite leaves the group as it was" {
	need_v1 freezer
	start cli/load forks
	group freezer/f
	for p in "$pid" $(pgrep -P "$pid"); do
		enter freezer/f "$p"
	done
	for point in freeze:told freeze:task collect:core; do
		CRIU_LITE_INJECT=kill:$point run dump --freeze-cgroup "$fs/freezer/$ours/f"
		[ "$status" -ne 0 ]
		wait_for 5 grep -q THAWED "$fs/freezer/$ours/f/freezer.state"
		CRIU_LITE_INJECT=fail:$point run dump --freeze-cgroup "$fs/freezer/$ours/f"
		[ "$status" -eq 1 ]
		[ "$(prop freezer/f freezer.state)" = THAWED ]
	done
	prop freezer/f freezer.state FROZEN
	wait_for 5 frozen_v1
	CRIU_LITE_INJECT=kill:collect:core run dump --freeze-cgroup "$fs/freezer/$ours/f"
	wait_for 5 frozen_v1
	prop freezer/f freezer.state THAWED
	same
}

@test "--freeze-cgroup of what is no group is refused" {
	start task/sleeper
	run dump --freeze-cgroup "$work"
	[ "$status" -eq 1 ]
	[[ $output == *"it is no control group that can be frozen"* ]]
	run dump --freeze-cgroup /nowhere
	[ "$status" -eq 1 ]
	[[ $output == *"cannot open the control group /nowhere"* ]]
	same
}
