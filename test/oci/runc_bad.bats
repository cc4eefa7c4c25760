#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what goes wrong with containers of runc: each is refused, and nothing is left behind

load ../helpers
load runc

# what a container could leave behind, by the name of this test
traces()
{
	find /sys/fs/cgroup -path "*$name*"
	grep "$work" /proc/self/mountinfo
	ls -A "$work/state"
	for p in /proc/[0-9]*; do
		case $(readlink "$p/exe" 2>/dev/null) in
		*/criu-lite | */busybox) echo "$p $(tr '\0' ' ' <"$p/cmdline")" ;;
		esac
	done
}

nothing_is_left()
{
	left=$(traces)
	[ -z "$left" ]
}

# restore_is_refused WORDS [OPTION...]: said in the log, and nothing has come of it
restore_is_refused()
{
	local words=$1
	shift

	rm -f "$images/restore.log"
	run runc_ restore -d --image-path "$images" --work-path "$images" --bundle "$bundle" "$@" "$name"
	echo "$output"
	cat "$images/restore.log" || :
	[ "$status" -ne 0 ]
	[[ "$words" = "" ]] || grep -q "$words" "$images/restore.log" || [[ "$output" == *"$words"* ]]
	wait_for 10 nothing_is_left || { echo "left: $left"; false; }
}

restores_and_counts_on()
{
	local before

	before=$(count)
	restore_container "$name"
	wait_for 10 counted_beyond "$before"
}

@test "a container of that name is there already: it goes on" {
	container
	run_container
	checkpoint --leave-running "$name"
	run restore_container "$name"
	[ "$status" -ne 0 ]
	[[ "$output" == *"already exists"* ]]
	wait_for 10 counted_beyond "$(count)"
	runc_ list | grep -q "^$name .* running "
}

@test "no image, part of one, or a damaged one" {
	container
	run_container
	checkpoint "$name"
	cp -r "$images" "$work/whole"
	for image in inventory pstree core-1 mm-1 files mountpoints- pages-1; do
		cd "$images"
		for file in "$image"*.img; do
			rm "$file"
			restore_is_refused "$file"
			head -c 30 "$work/whole/$file" >"$file"
			restore_is_refused "$file"
			head -c 64 /dev/zero >"$file"
			restore_is_refused ""
			cp "$work/whole/$file" "$file"
		done
	done
	rm "$work/whole/descriptors.json"
	restores_and_counts_on
	runc_ delete -f "$name"
	images=$work/none
	mkdir "$images"
	restore_is_refused "descriptors.json"
}

@test "the root file system is not what it was: a program is gone, or smaller" {
	container
	run_container
	checkpoint "$name"
	mv "$bundle/rootfs/bin/busybox" "$work/busybox"
	restore_is_refused "/bin/busybox"
	head -c 100000 "$work/busybox" >"$bundle/rootfs/bin/busybox"
	chmod +x "$bundle/rootfs/bin/busybox"
	restore_is_refused "/bin/busybox"
	cp "$work/busybox" "$bundle/rootfs/bin/busybox"
	restores_and_counts_on
}

@test "a bundle of another container: without a mount that it had" {
	mkdir "$work/shared"
	more='c["mounts"].append({"type": "bind", "source": "'"$work"'/shared", "destination": "/shared", "options": ["bind"]})'
	container "$more"
	run_container
	checkpoint "$name"
	cp "$bundle/config.json" "$work/config.json"
	sed -i 's|"/shared"|"/elsewhere"|' "$bundle/config.json"
	restore_is_refused "/shared"
	cp "$work/config.json" "$bundle/config.json"
	restores_and_counts_on
}

@test "two restores of one image at once: two containers" {
	container
	run_container
	checkpoint "$name"
	before=$(count)
	cp -r "$bundle" "$bundle.2"
	sed -i "s|\"/$name\"|\"/$name-2\"|" "$bundle.2/config.json"
	mkdir "$work/one" "$work/two"
	restore_container "$name" --work-path "$work/one" &
	bundle=$bundle.2 restore_container "$name-2" --work-path "$work/two"
	wait $!
	wait_for 10 counted_beyond "$before"
	bundle=$bundle.2 wait_for 10 counted_beyond "$before"
	runc_ list | grep -q "^$name .* running "
	runc_ list | grep -q "^$name-2 .* running "
	runc_ delete -f "$name"
	runc_ delete -f "$name-2"
	wait_for 10 nothing_is_left || { echo "left: $left"; false; }
}

# killer MOMENT WHOM: settings with which WHOM, us or runc, is ended at that moment
killer()
{
	cat >"$work/script" <<-EOF
		#!/bin/sh
		[ "\$CRTOOLS_SCRIPT_ACTION" = "$1" ] || exit 0
		us=\$(cut -d' ' -f4 /proc/\$PPID/stat)
		runc=\$(sed 's/.*) //' /proc/\$us/stat | cut -d' ' -f2)
		echo "$1 \$(cat "/proc/\$$2/comm")" >"$work/killed"
		kill -KILL "\$$2"
	EOF
	chmod +x "$work/script"
	echo "action-script $work/script" >"$work/conf"
	rm -f "$work/killed"
}

# killed MOMENT WHOM: it has happened, and what runc ended with says so
killed()
{
	echo "$2 at $1: status $status: $output"
	grep -q "^$1 " "$work/killed" || { show_logs; return 1; }
	case $2 in
	runc) grep -q ' runc' "$work/killed" && [ "$status" -eq 137 ] ;;
	us) grep -q ' criu' "$work/killed" && [ "$status" -eq 1 ] ;;
	esac || return 1
	wait_for 10 no_criu_lite
}

thawed()
{
	[ "$(cat "/sys/fs/cgroup/freezer/$name/freezer.state")" = THAWED ]
}

no_criu_lite()
{
	! ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q '/criu-lite$'
}

@test "runc, or criu-lite, is killed in the middle of a checkpoint: the container goes on" {
	container 'c["annotations"] = {"org.criu.config": "'"$work"'/conf"}'
	: >"$work/conf"
	run_container
	# at post-dump runc has said that it has what it wanted
	for end in pre-dump:runc pre-dump:us network-lock:runc network-lock:us post-dump:us; do
		killer ${end/:/ }
		run runc_ checkpoint --image-path "$images" --work-path "$images" "$name"
		killed ${end/:/ }
		wait_for 10 counted_beyond "$(count)" || { show_logs; false; }
		thawed
	done
	: >"$work/conf"
	checkpoint "$name"
	restores_and_counts_on
}

@test "runc, or criu-lite, is killed in the middle of a restore: nothing is left, and the next one works" {
	container 'c["annotations"] = {"org.criu.config": "'"$work"'/conf"}'
	: >"$work/conf"
	run_container
	checkpoint "$name"
	for moment in pre-restore setup-namespaces post-restore; do
		for whom in us runc; do
			killer $moment $whom
			run runc_ restore -d --image-path "$images" --work-path "$images" --bundle "$bundle" "$name"
			killed $moment $whom
			# what a runc that was killed has made is its own; groups go if they are empty.
			# With the root file system still there, runc delete would empty that.
			while mountpoint -q "$work/state/$name/criu-root"; do
				umount -l "$work/state/$name/criu-root"
			done
			runc_ delete -f "$name" || :
			find /sys/fs/cgroup -depth -name "$name" -exec rmdir {} +
			wait_for 10 nothing_is_left || { echo "left: $left"; false; }
		done
	done
	: >"$work/conf"
	restores_and_counts_on
}

# mounts, groups, namespaces, processes, what the container has open: everything that could pile up
counted()
{
	local pid

	pid=$(container_pid)
	for p in /proc/[0-9]*; do
		readlink "$p"/ns/*
	done 2>/dev/null | sort -u | wc -l
	ls -d /proc/[0-9]* | wc -l
	wc -l </proc/self/mountinfo
	wc -l <"/proc/$pid/mountinfo"
	find /sys/fs/cgroup -type d -path "*$name*" | wc -l
	ls "/proc/$pid/fd"
	wc -l <"/proc/$pid/maps"
	ls "$work/state"
	ip link | grep -c .
}

@test "200 times (or what 30 seconds are good for), with other work going on: nothing piles up" {
	container
	run_container
	checkpoint "$name"
	restore_container "$name"
	before=$(counted)
	launch sh -c 'while :; do :; done'
	worker=$pid
	end=$((SECONDS + 30))
	for ((i = 1; i <= 200 && SECONDS < end; i++)); do
		rm -rf "$images"
		mkdir "$images"
		runc_ checkpoint --image-path "$images" --work-path "$images" "$name" >"$work/out" 2>&1 ||
			{ cat "$work/out"; show_logs; echo "checkpoint $i"; false; }
		n=$(count)
		runc_ restore -d --image-path "$images" --work-path "$images" --bundle "$bundle" "$name" >"$work/out" 2>&1 ||
			{ cat "$work/out"; show_logs; echo "restore $i"; false; }
	done
	echo "$i times"
	[ "$i" -gt 20 ]
	wait_for 10 counted_beyond "$n"
	kill -KILL "$worker"
	wait_for 10 is_gone "$worker"
	# for a moment the shell has one process more, or less
	wait_for 10 is_as_before || diff <(echo "$before") <(counted)
}

is_as_before()
{
	[ "$(counted)" = "$before" ]
}
