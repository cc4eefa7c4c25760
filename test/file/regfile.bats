#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# files that are not there any more, or not the same

load ../helpers

# any program that has the file $1 open and waits
hold()
{
	launch sh -c 'exec 3<"$1"; : >held; exec sleep 1000' sh "$1"
	wait_for 5 test -e "$place/held"
}

@test "a file that has changed is refused, with both sizes" {
	echo 12345 >"$work/data"
	hold "$work/data"
	dump
	echo 1234567 >"$work/data"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot use $work/data: it has 8 bytes, and had 6"* ]]
	[[ "$output" == *"do:  put back the file"* ]]
}

@test "a file with another mode is refused, unless --skip-file-rwx-check" {
	echo 12345 >"$work/data"
	chmod 640 "$work/data"
	hold "$work/data"
	dump
	chmod 604 "$work/data"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot use $work/data: its mode is 100604, and was 100640"* ]]
	[[ "$output" == *"--skip-file-rwx-check"* ]]
	restore --skip-file-rwx-check
	kill -0 "$pid"
}

@test "a missing file is named, also by --dry-run, and nothing is made" {
	echo 12345 >"$work/data"
	hold "$work/data"
	dump
	mv "$work/data" "$work/moved"
	run restore --dry-run
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot find $work/data"* ]]
	is_gone "$pid"
	mv "$work/moved" "$work/data"
	restore
	kill -0 "$pid"
}

@test "another build of a program is refused, unless only sizes are compared" {
	cp "$(command -v sleep)" "$work/program"
	launch "$work/program" 1000
	dump
	id=$(readelf -n "$work/program" | sed -n 's/.*Build ID: \(..\).*/\1/p')
	[ -n "$id" ] || skip "this machine's sleep has no build id"
	# the first byte of the id, behind the name of its note
	at=$(LC_ALL=C grep -obUaP "\x03\x00\x00\x00GNU\x00\x$id" "$work/program" | LC_ALL=C cut -d: -f1 | head -n 1)
	printf '\xff\xfe' | dd of="$work/program" bs=1 seek=$((at + 8)) conv=notrunc status=none
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot use $work/program: it is another build"* ]]
	restore --file-validation filesize
}

@test "a file that lost its name but has another needs --link-remap" {
	echo 12345 >"$work/old"
	hold "$work/old"
	ln "$work/old" "$work/new"
	rm "$work/old"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump"*"$work/old"* ]]
	[[ "$output" == *"do:  use --link-remap"* ]]
	kill -0 "$pid"
}

@test "the link goes again if the dump fails or the program runs on, and after the restore" {
	echo 12345 >"$work/old"
	hold "$work/old"
	ln "$work/old" "$work/new"
	rm "$work/old"
	dump --link-remap -R
	! compgen -G "$work/link_remap.*"
	dump --link-remap
	compgen -G "$work/link_remap.*"
	restore
	! compgen -G "$work/link_remap.*"
	[ ! -e "$work/old" ]
	[[ $(readlink "/proc/$pid/fd/3") == "$work/old (deleted)" ]]
}

@test "a deleted file over the limit says which limit would do" {
	head -c 3000000 /dev/urandom >"$work/big"
	hold "$work/big"
	rm "$work/big"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot carry along the deleted file $work/big"* ]]
	[[ "$output" == *"do:  raise it: --ghost-limit 3M"* ]]
	dump --ghost-limit 3M
	restore
	[ "$(wc -c <"/proc/$pid/fd/3")" -eq 3000000 ]
}

@test "of a deleted file with holes only the data count for the limit" {
	truncate -s 1G "$work/sparse"
	head -c 900000 /dev/urandom | dd of="$work/sparse" bs=1M seek=512 conv=notrunc status=none
	hold "$work/sparse"
	rm "$work/sparse"
	dump -R
	head -c 600000 /dev/urandom >>"/proc/$pid/fd/3"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot carry along the deleted file $work/sparse"*"do:  raise it: --ghost-limit 2M"* ]]
	kill -0 "$pid"
}

@test "holes are found with and without the map of extents" {
	for option in --ghost-fiemap --no-ghost-fiemap; do
		start file/regfile_holes
		dump --ghost-limit 8M "$option"
		restore
		same
	done
}

@test "a name that is too long to be told is refused" {
	need python3
	launch python3 -c "
import os, time
here = os.getcwd()
for i in range(25):
	os.mkdir('x' * 200)
	os.chdir('x' * 200)
f = os.open('f', os.O_RDWR | os.O_CREAT)
os.chdir(here)
open('ready', 'w')
time.sleep(1000)"
	wait_for 5 test -e "$place/ready"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump /proc/$pid/fd/3: its name is too long"*"do:  "* ]]
	kill -0 "$pid"
}

@test "a directory whose changes somebody wants signals of: the log tells that there will be none" {
	need python3
	launch python3 -c "
import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
d = os.open('.', os.O_RDONLY)
fcntl.fcntl(d, fcntl.F_NOTIFY, fcntl.DN_RENAME | fcntl.DN_MULTISHOT)
os.mkdir('asked')
time.sleep(1000)"
	wait_for 5 test -e "$place/asked"
	dump
	grep -qF "$place: whoever wants signals of its changes (F_NOTIFY) gets none any more" "$images/dump.log"
	restore
	kill -0 "$pid"
}

@test "a file below a mount is refused by name" {
	mkdir "$work/dir"
	echo 12345 >"$work/dir/data"
	hold "$work/dir/data"
	mount -t tmpfs none "$work/dir"
	run dump
	umount "$work/dir"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump $work/dir/data: that name leads to another file, or nowhere"* ]]
}

@test "a file of a process that has gone needs its pid for a moment" {
	sleep 1000 3>&- &
	other=$!
	hold "/proc/$other/stat"
	kill "$other"
	wait "$other" || :
	dump
	echo $((other - 1)) >/proc/sys/kernel/ns_last_pid
	sleep 1000 3>&- &
	[ "$!" = "$other" ]
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot open /proc/$other/stat: that was another process $other, which has gone"* ]]
	kill "$other"
	wait "$other" || :
	restore
	! kill -0 "$other"
	run cat "/proc/$pid/fd/3"
	[[ "$output" == *"No such process"* ]]
}

@test "what even stat() fails for is refused, by its name" {
	sleep 1000 3>&- &
	other=$!
	hold "/proc/$other/fd"
	kill "$other"
	wait "$other" || :
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump /proc/$other/fd, descriptor 3"*"do:  "* ]]
	kill -0 "$pid"
}

@test "a device that keeps something is refused by number" {
	[ -e /dev/loop-control ] || skip "this machine has no /dev/loop-control"
	hold /dev/loop-control
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot dump /dev/loop-control: character device 10:237"* ]]
}

@test "a file can be left outside and given at restore" {
	echo 12345 >"$work/data"
	echo substitute >"$work/other"
	hold "$work/data"
	key="file[$(printf %x "$(sed -n 's/^mnt_id:[[:space:]]*//p' "/proc/$pid/fdinfo/3")"):$(printf %x "$(stat -c %i "$work/data")")]"
	dump --external "$key"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"--inherit-fd fd[N]:$key"* ]]
	"$CRIU_LITE" restore -d -D "$images" --inherit-fd "fd[7]:$key" 7<"$work/other" </dev/null 3>&- 4>&-
	[ "$(cat "/proc/$pid/fd/3")" = substitute ]
}

# for descriptors that helpers.bash would close
restore_with()	# restore_with KEY FILE
{
	"$CRIU_LITE" restore -d -D "$images" -o restore.log -v4 --inherit-fd "fd[7]:$1" 7<>"$2" </dev/null 3>&- 4>&-
}

@test "any file can be given anew at restore, by its name" {
	echo 12345 >"$work/data"
	echo substitute >"$work/other"
	hold "$work/data"
	dump
	rm "$work/data"
	restore_with "${work#/}/data" "$work/other"
	[ "$(readlink "/proc/$pid/fd/3")" = "$work/other" ]
	[ "$(cat "/proc/$pid/fd/3")" = substitute ]
}

@test "a fifo can be given anew at restore, by its name" {
	mkfifo "$work/fifo" "$work/other"
	launch sh -c 'exec 3<>"$1"; : >held; read -r line <&3; echo "$line" >said; exec sleep 1000' sh "$work/fifo"
	wait_for 5 test -e "$place/held"
	dump
	rm "$work/fifo"
	restore_with "${work#/}/fifo" "$work/other"
	echo hello >"$work/other"
	wait_for 5 test -s "$place/said"
	[ "$(cat "$place/said")" = hello ]
}

@test "a device that keeps something can be left outside" {
	[ -e /dev/loop-control ] || skip "this machine has no /dev/loop-control"
	hold /dev/loop-control
	key="file[$(printf %x "$(sed -n 's/^mnt_id:[[:space:]]*//p' "/proc/$pid/fdinfo/3")"):$(stat -c %i /dev/loop-control | xargs printf %x)]"
	dump --external "$key"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"it was left outside of the dump"* ]]
	restore_with "$key" /dev/null
	[ "$(readlink "/proc/$pid/fd/3")" = /dev/null ]
}
