# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# mounts that come from outside, what is refused, and a root of its own

load ../helpers

# the mounts of a test that a namespace needs: the rest goes, so that nothing else is dumped
setup()
{
	local point

	for point in $(awk '{ print $5 }' /proc/self/mountinfo | sort -r); do
		case $point in
		/ | /dev | /proc) ;;
		*) umount -l "$point" 2>/dev/null || : ;;
		esac
	done
	src=$work/src
	mkdir -p "$src/a" "$src/b/sub"
	echo -n from outside >"$src/a/file"
	echo -n b >"$src/b/file"
	mount -t tmpfs outside "$src"
	mkdir -p "$src/a" "$src/b/sub"
	echo -n from outside >"$src/a/file"
	echo -n b >"$src/b/file"
}


@test "an external mount is given again by name, from somewhere else" {
	start cli/mounter private=/ loose dir=ext "bind=$src/a:ext" "umount=$src" see=ext/file:elsewhere
	dump --external "mnt[$place/ext]:key"
	mkdir "$src/other"
	echo -n elsewhere >"$src/other/file"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"say where it is now: --external mnt[key]:PATH"* ]]
	restore --external "mnt[key]:$src/other"
	same
}

@test "a single file from outside is found by itself" {
	start cli/mounter private=/ file=here "bind=$src/a/file:here" "umount=$src" "see=here:from outside"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"--external mnt[$place/here]:KEY or --external mnt[]"* ]]
	dump --external 'mnt[]'
	restore --external 'mnt[]'
	same
}

@test "an external mount goes on being shared with those outside" {
	mount --make-shared "$src"
	start cli/mounter loose dir=ext "bind=$src:ext" "umount=$src" see=ext/b/sub/new:news
	run dump --external 'mnt[]'
	[ "$status" -eq 1 ]
	dump --external 'mnt[]:s'
	restore --external 'mnt[]:s'
	mount -t tmpfs later "$src/b/sub"
	echo -n news >"$src/b/sub/new"
	same
}

@test "an external mount goes on being a slave of those outside" {
	mount --make-shared "$src"
	start cli/mounter loose dir=ext "bind=$src:ext" slave=ext "umount=$src" see=ext/b/sub/new:news
	dump --ext-mount-map auto --enable-external-masters
	restore --ext-mount-map auto --enable-external-masters
	mount -t tmpfs later "$src/b/sub"
	echo -n news >"$src/b/sub/new"
	same
}

@test "two external mounts from different roots are slaves of one group" {
	mount --make-shared "$src"
	start cli/mounter loose dir=a dir=b "bind=$src/a:a" "bind=$src/b:b" slave=a slave=b "umount=$src" \
		see=b/sub/new:news "see=a/file:from outside"
	dump --external "mnt[$place/a]:A" --external "mnt[$place/b]:B"
	restore --external "mnt[A]:$src/a" --external "mnt[B]:$src/b"
	mount -t tmpfs later "$src/b/sub"
	echo -n news >"$src/b/sub/new"
	same
}

@test "an external mount and a bind of a part of it" {
	start cli/mounter private=/ dir=ext dir=part "bind=$src:ext" bind=ext/b:part "umount=$src" see=part/file:b
	dump --external "mnt[$place/ext]:x"
	restore --external "mnt[x]:$src"
	same
}

@test "an external mount has peers inside, and none outside" {
	mount --make-shared "$src"
	start cli/mounter dir=ext dir=peer "bind=$src:ext" private=ext shared=ext bind=ext:peer \
		tmpfs=ext/b/sub "umount=$src" miss=peer/a/later
	dump --external "mnt[$place/ext]:x"
	restore --external "mnt[x]:$src"
	mount -t tmpfs later "$src/a"
	touch "$src/a/later"
	same
}

@test "a directory of the root is external, given by a relative name, and stays a slave" {
	local dir=$work/dir

	umount -l "$src"
	mkdir -p "$dir/a" "$dir/sub"
	echo -n from outside >"$dir/a/file"
	mount --bind "$dir" "$dir"
	mount --make-shared "$dir"
	start cli/mounter loose dir=ext "bind=$dir:ext" slave=ext open=ext/a/file "umount=$dir" \
		"see=ext/a/file:from outside" see=ext/sub/new:news
	dump --external "mnt[$place/ext]:MNT"
	restore -W "$work" --external mnt[MNT]:dir --no-mntns-compat-mode
	mount -t tmpfs later "$dir/sub"
	echo -n news >"$dir/sub/new"
	same
}

@test "a mount had an LSM context, and gets another" {
	need python3
	local context=system_u:object_r:container_file_t:s0:c204,c495 mounts

	start cli/mounter private=/ loose tmpfs=fs file=fs/file "umount=$src" see=fs/file:file
	dump
	# as a dump is where SELinux is on
	mounts=$(echo "$images"/mountpoints-*.img)
	criu_lite show decode -i "$mounts" | python3 -c '
import json, sys
image = json.load(sys.stdin)
for m in image["entries"]:
    if m["mountpoint"].endswith("/fs"):
        m["options"] = "context=\"system_u:object_r:tmp_t:s0:c1,c2\""
json.dump(image, sys.stdout)' >"$work/json"
	criu_lite show encode -i "$work/json" -o "$mounts"
	if grep -q selinuxfs /proc/filesystems; then
		restore --lsm-mount-context "$context"
		same
		grep -qF "context=\"$context\"" "/proc/$pid/mountinfo"
		return
	fi
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"context=system_u:object_r:tmp_t:s0:c1,c2"* ]]
	run restore --lsm-mount-context "$context"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot mount tmpfs at $place/fs with context=$context"* ]]
}

# loop IMAGE: $device is one that goes when nobody has it mounted, and descriptor 6 is closed
loop()
{
	device=$(losetup -f --show "$1" 2>/dev/null) || skip "this machine has no loop devices"
	exec 6<"$device"
	losetup -d "$device"
}

@test "a mount of a block device is made again from the device that is given" {
	need mkfs.ext4 losetup
	local device

	truncate -s 8M "$work/disk"
	mkfs.ext4 -q "$work/disk"
	loop "$work/disk"
	start cli/mounter private=/ loose "ext4=$device:disk" file=disk/file dir=disk/part \
		file=disk/part/file open=disk/file dir=bind bind=disk/part:bind "umount=$src" \
		see=disk/file:file see=bind/file:file
	exec 6<&-
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump mount $place/disk (ext4"* ]]
	dump --external "dev[7/${device#/dev/loop}]:disk"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"say which device it is now: --external dev[disk]:PATH"* ]]

	mv "$work/disk" "$work/moved"
	loop "$work/moved"
	restore --external "dev[disk]:$device"
	exec 6<&-
	same
}

@test "a nested namespace has another mount where there is an external one" {
	start cli/mounter private=/ dir=ext "bind=$src/a:ext" "umount=$src" "see=ext/file:from outside" \
		child umount=ext tmpfs=ext file=ext/own see=ext/own:file miss=ext/file
	dump --external "mnt[$place/ext]:x"
	restore --external "mnt[x]:$src/a"
	same
}

@test "a file system of an unknown type is refused, made again, or left out" {
	start cli/mounter private=/ ramfs=ram "umount=$src"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"or --enable-fs ramfs"* ]]
	dump --enable-fs ramfs
	restore --enable-fs ramfs
	same
	end_launched

	start cli/mounter private=/ loose ramfs=ram file=ram/file "umount=$src" miss=ram/file
	dump --skip-mnt "$place/ram"
	restore
	same
}

@test "a namespace without /proc" {
	start cli/mounter private=/ loose "umount=$src" tmpfs=fs file=fs/file open=fs/file umount=/proc \
		see=fs/file:file
	cycle 2
	same
}

@test "mounts in a user namespace: peers, slaves, a nested root, files" {
	umount -l "$src"
	let_others_in
	inside=Upm
	for victim in ns/mnt_groups ns/mnt_nested ns/mnt_which; do
		start $victim
		cycle 2
		same
		end_launched
	done
}

# mounts_of PID: without the numbers
mounts_of()
{
	sed -E 's/^[0-9]+ [0-9]+ [0-9:]+ //; s/ (shared|master):[0-9]+//g' "/proc/$1/mountinfo" | sort
}

@test "an automount below a mount from outside, which a user namespace may not look into" {
	local before

	umount -l "$src"
	mkdir "$work/debug"
	mount -t debugfs debugfs "$work/debug" || skip "this kernel has no debugfs"
	ls "$work/debug/tracing" >/dev/null || skip "this kernel has no tracefs"
	grep -q "$work/debug/tracing" /proc/self/mountinfo
	let_others_in
	inside=Upm
	start task/sleeper
	before=$(mounts_of "$pid")
	[[ $before == *"$work/debug/tracing"* ]]
	dump --ext-mount-map auto --enable-external-masters
	restore --ext-mount-map auto --enable-external-masters --mntns-compat-mode
	diff <(echo "$before") <(mounts_of "$pid")
	test -e "/proc/$pid/root$work/debug/tracing/current_tracer"
	same
}

@test "a root of its own is found by --root, elsewhere too" {
	need busybox unshare pivot_root
	local root=$work/root start=$work/begin

	umount -l "$src"
	mkdir -p "$root"/{bin,proc,dev,tmp,sys,old}
	cp "$(command -v busybox)" "$root/bin/"
	cat >"$root/bin/count" <<-'END'
		#!/bin/busybox sh
		exec </dev/null >/tmp/log 2>&1
		i=0
		while :; do
			i=$((i + 1))
			echo $i >/tmp/count
			echo $i >/dev/shm/count
			busybox sleep 0.05
		done
	END
	chmod +x "$root/bin/count"
	cat >"$start" <<-'END'
		set -e
		cd "$1"
		mount --bind . .
		cd "$1"
		mount -t proc -o nosuid,nodev,noexec proc proc
		mount -t tmpfs -o nosuid,mode=755,size=65536k tmpfs dev
		mknod -m 666 dev/null c 1 3
		mkdir dev/pts dev/shm dev/mqueue
		ln -s pts/ptmx dev/ptmx
		mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
		mount -t tmpfs -o nosuid,noexec,nodev,mode=1777 shm dev/shm
		mount -t mqueue -o nosuid,noexec,nodev mqueue dev/mqueue
		mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
		mount --bind dev/null proc/timer_list
		mount --bind proc/sys proc/sys
		mount -o remount,ro,bind proc/sys
		mount -t tmpfs -o ro tmpfs proc/irq
		pivot_root . old
		cd /
		/bin/busybox umount -l old
		exec /bin/busybox setsid /bin/count
	END
	launch unshare -m -p -f --propagation private sh "$start" "$root"
	wait_for 5 grep -sq . "$root/tmp/count"
	pid=$(cat "/proc/$pid/task/$pid/children")
	pid=${pid% }
	before=$(cut -d' ' -f4- "/proc/$pid/mountinfo" | sort)
	for i in 1 2 3; do
		dump
		[ "$i" != 2 ] || { mv "$root" "$root.new"; root=$root.new; }
		mount --bind "$root" "$root"
		restore --root "$root" --pidfile "$images/pid"
		umount "$root"
		pid=$(cat "$images/pid")
		cp "$root/tmp/count" "$work/count"
		wait_for 5 eval '! cmp -s "$root/tmp/count" "$work/count"'
	done
	after=$(cut -d' ' -f4- "/proc/$pid/mountinfo" | sed "s|$root|${root%.new}|" | sort)
	kill -KILL "$pid"
	diff <(echo "$before") <(echo "$after")
	! grep -q "$work" /proc/self/mountinfo
}

@test "the archive of a tmpfs in which there is nothing is one for tar and gzip, and they make one for us" {
	start cli/mounter private=/ loose tmpfs=fs "umount=$src" miss=fs/file
	dump --leave-running
	mode=$(stat -c '%a %u %g %Y' "/proc/$pid/root/$place/fs")
	archive=$(compgen -G "$images/tmpfs-dev-*.tar.gz.img")
	gzip -t <"$archive"
	[ "$(tar -tzf "$archive")" = ./ ]
	mkdir -m 0 "$work/out"
	tar -C "$work/out" -xzpf "$archive"
	[ "$(stat -c '%a %u %g %Y' "$work/out")" = "$mode" ]
	dump
	restore
	dump
	tar -C "$work/out" -czf "$(compgen -G "$images/tmpfs-dev-*.tar.gz.img")" .
	restore
	same
}
