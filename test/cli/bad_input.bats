# SPDX-License-Identifier: GPL-2.0-only
#
# What cannot be dumped or restored as things are: one message that says what, why
# and what to do, status 1, the tree as it was, and nothing left.  Damaged images
# are in damaged.bats, faults in faults.bats, files that are not the same in
# file/regfile.bats.
load ../helpers

# is_refused WORDS COMMAND...
is_refused()
{
	local words=$1
	shift

	run --separate-stderr "$@"
	# shellcheck disable=SC2154
	echo "$stderr"
	[ "$status" -eq 1 ] || return 1
	# shellcheck disable=SC2154
	[ "${#stderr_lines[@]}" -eq 3 ] || return 1
	[[ ${stderr_lines[0]} == "criu-lite: "*cannot* ]] || return 1
	[[ ${stderr_lines[1]} == "  why: "?* ]] || return 1
	[[ ${stderr_lines[2]} == "  do:  "?* ]] || return 1
	[[ $stderr == *"$words"* ]]
}

# dump_is_refused WORDS [OPTION...]: with $what in front of criu-lite
dump_is_refused()
{
	local words=$1
	shift

	images=$(mktemp -d "$work/images.XXXXXX")
	is_refused "$words" "${what[@]}" "$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 \
		"$@" 3>&- 4>&- </dev/null || return 1
	[ ! -e "$images/inventory.img" ]
}

restore_is_refused()
{
	local words=$1
	shift

	is_refused "$words" "${what[@]}" "$CRIU_LITE" restore -d -D "$images" -o restore.log -v4 \
		"$@" 3>&- 4>&- </dev/null
}

setup()
{
	what=()
	bats_require_minimum_version 1.5.0
}

@test "a pid that is not there" {
	pid=32123
	dump_is_refused "32123"
}

@test "a thread that is no process" {
	start task/threads
	tid=$(ls "/proc/$pid/task" | tail -n 1)
	[ "$tid" != "$pid" ]
	leader=$pid pid=$tid
	dump_is_refused "$tid"
	pid=$leader
	same
}

@test "a zombie" {
	launch sh -c 'sh -c "exit 3" & exec sleep 1000'
	wait_for 5 grep -q sleep "/proc/$pid/comm"
	root=$pid pid=$(pgrep -P "$pid")
	wait_for 5 grep -q '^State:.Z' "/proc/$pid/status"
	dump_is_refused "$pid"
	kill -0 "$root"
}

@test "ourselves and our ancestors" {
	pid=$BASHPID
	what=(timeout -s KILL 5)
	dump_is_refused "$pid"
	pid=1
	dump_is_refused "1"
}

@test "a task that gdb traces" {
	need gdb
	start task/sleeper
	mkfifo "$work/go"
	gdb -nx -batch -p "$pid" -ex "shell : >'$work/gdb'; read _ <'$work/go'" &>"$work/gdb.log" 3>&- 4>&- &
	wait_for 10 test -e "$work/gdb"
	dump_is_refused "gdb"
	echo >"$work/go"
	wait $!
	cycle 1
	same
}

@test "a child that gdb traces" {
	need gdb
	launch sh -c 'sleep 1000 & : >ready; wait'
	wait_for 5 test -e "$place/ready"
	child=$(pgrep -P "$pid")
	mkfifo "$work/go"
	gdb -nx -batch -p "$child" -ex "shell : >'$work/gdb'; read _ <'$work/go'" &>"$work/gdb.log" 3>&- 4>&- &
	wait_for 10 test -e "$work/gdb"
	dump_is_refused "gdb"
	echo >"$work/go"
	wait $!
	cycle 1
	kill -0 "$child"
}

@test "a 32-bit task" {
	need as ld
	[ "$(uname -m)" = x86_64 ] || skip "only for x86"
	# for (;;) pause();
	printf '%s\n' '.globl _start' '_start: mov $29, %eax' 'int $0x80' 'jmp _start' |
		as --32 -o "$work/old.o" -
	ld -m elf_i386 -o "$work/old" "$work/old.o"
	launch "$work/old"
	wait_for 5 grep -q old "/proc/$pid/comm" || skip "this kernel runs no 32-bit programs"
	dump_is_refused "32"
	kill -0 "$pid"
}

@test "an images directory that is not there, is no directory, or cannot be written to" {
	start task/sleeper
	is_refused "$work/nowhere" criu_lite dump -t "$pid" -D "$work/nowhere"
	: >"$work/file"
	is_refused "$work/file" criu_lite dump -t "$pid" -D "$work/file"
	images=$work/readonly
	mkdir "$images"
	mount -t tmpfs -o ro none "$images"
	is_refused "Read-only file system" criu_lite dump -t "$pid" -D "$images" -o "$work/dump.log"
	umount "$images"
	is_refused "$work/nowhere" criu_lite restore -D "$work/nowhere"
	same
}

@test "a restore from a directory that cannot be written to" {
	start task/sleeper
	dump
	mount --bind "$images" "$images"
	mount -o remount,bind,ro "$images"
	restore_is_refused "Read-only file system"
	is_gone "$pid"
	mkdir "$work/elsewhere"
	restore -W "$work/elsewhere"
	same
	umount "$images"
}

@test "who is not root" {
	cp "$CRIU_LITE" "$work/criu-lite"
	let_others_in
	chmod 777 "$work"
	start task/sleeper
	CRIU_LITE=$work/criu-lite
	what=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	images=$work/images
	mkdir -m 777 "$images"
	is_refused "cannot" "${what[@]}" "$CRIU_LITE" dump --unprivileged -t "$pid" -D "$images" -o dump.log
	what=()
	dump
	chmod -R a+rwX "$images"
	what=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	restore_is_refused "cannot" --unprivileged
	is_gone "$pid"
	restore
	same
}

@test "a dump without descriptors left" {
	local n tried=0

	launch sleep 1000
	# fewer do not even start a program
	for n in $(seq 4 2 40); do
		what=(prlimit "--nofile=$n:$n")
		dump_is_refused "Too many open files" -R || [ -e "$images/inventory.img" ]
		[ ! -e "$images/inventory.img" ] || break
		tried=$((tried + 1))
		kill -0 "$pid"
	done
	[ "$tried" -gt 3 ]
	kill -0 "$pid"
}

@test "a restore without descriptors left" {
	local n tried=0

	start cli/variety
	dump --link-remap --file-locks
	for n in $(seq 4 3 100); do
		what=(prlimit "--nofile=$n:$n")
		rm -f "$images/restore.log"
		restore_is_refused "" --file-locks || break
		is_gone "$pid"
		tried=$((tried + 1))
	done
	[ "$tried" -gt 3 ]
	# and never anything else
	what=()
	restore --file-locks
}

# the least memory (KiB) with which criu-lite starts at all
least_memory()
{
	local kib=2000

	until prlimit "--as=$((kib * 1024))" "$CRIU_LITE" --version &>/dev/null; do
		kib=$((kib + 50))
	done
	echo "$kib"
}

@test "a dump without memory left" {
	local kib tried=0

	start cli/variety
	for ((kib = $(least_memory) + 50;; kib += 50)); do
		what=(prlimit "--as=$((kib * 1024))")
		dump_is_refused "Cannot allocate memory" -R --link-remap --file-locks || break
		tried=$((tried + 1))
	done
	[ -e "$images/inventory.img" ]
	kill -0 "$pid"
	[ "$tried" -gt 3 ]
}

@test "a restore without memory left" {
	local kib tried=0

	start cli/variety
	dump --link-remap --file-locks
	for ((kib = $(least_memory) + 50; kib < 60000; kib += kib / 20)); do
		what=(prlimit "--as=$((kib * 1024)):unlimited")
		restore_is_refused "Cannot allocate memory" --file-locks || break
		is_gone "$pid"
		tried=$((tried + 1))
	done
	[ "$tried" -gt 3 ]
	kill -0 "$pid"
}

is_stopped()
{
	grep -qs '^State:.T' "/proc/$1/status"
}

# dump_while POINT COMMAND...: stopped there, COMMAND, then it goes on; its status, $stderr in $work/said
dump_while()
{
	local point=$1 dumper
	shift

	images=$(mktemp -d "$work/images.XXXXXX")
	CRIU_LITE_INJECT=stop:$point "$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 \
		3>&- 4>&- </dev/null 2>"$work/said" &
	dumper=$!
	wait_for 5 is_stopped "$dumper" || return 99
	"$@"
	# it stops again wherever it comes by again
	while kill -CONT "$dumper" 2>/dev/null; do
		sleep 0.01
	done
	wait "$dumper"
}

points=(collect collect:pipe inject inject:task drain drain:core drain:end write)

# said_that_it_was_killed PID, or the dump had no more need of it
said_that_it_was_killed()
{
	[ "$status" -ne 0 ] || return 0
	[ "$status" -eq 1 ] || return 1
	[ "$(wc -l <"$work/said")" -eq 3 ] || return 1
	grep -q "^criu-lite: dump: .*cannot dump task $1 (.*): it was killed meanwhile" "$work/said" || return 1
	grep -q '^  do:' "$work/said" || return 1
	[ ! -e "$images/inventory.img" ]
}

@test "a task that is killed during its dump" {
	local point failed=0

	for point in "${points[@]}"; do
		launch sh -c 'sleep 1000 | sleep 1000 & : >ready; wait'
		wait_for 5 test -e "$place/ready"
		status=0
		dump_while "$point" kill -KILL "$pid" || status=$?
		echo "$point: $status $(<"$work/said")"
		said_that_it_was_killed "$pid"
		failed=$((failed + status))
		[ "$status" = 0 ] || [ "$(pgrep -c sleep)" -eq 2 ]
		end_launched
	done
	[ "$failed" -gt 3 ]
}

@test "a child with threads that is killed during the dump" {
	local point failed=0

	for point in "${points[@]}"; do
		launch python3 -c '
import os, threading, time
child = os.fork()
if child == 0:
    for i in range(3):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    open("ready", "w")
r, w = os.pipe()
time.sleep(1000)'
		wait_for 5 test -e "$place/ready"
		child=$(pgrep -P "$pid")
		status=0
		dump_while "$point" kill -KILL "$child" || status=$?
		echo "$point: $status $(<"$work/said")"
		said_that_it_was_killed "$child"
		failed=$((failed + status))
		if [ "$status" = 1 ]; then
			kill -0 "$pid"
			dump
		fi
		end_launched
	done
	[ "$failed" -gt 3 ]
}

forks()
{
	od -An -t d8 -N 8 "$place/forks"
}

has_forked()
{
	[ "$(forks)" -gt "$before" ]
}

@test "a fork bomb while it is being stopped" {
	local i before end

	start cli/bomb
	for i in {1..8}; do
		images=$(mktemp -d "$work/images.XXXXXX")
		end=$((SECONDS + 30))
		run --separate-stderr criu_lite dump -R -t "$pid" -D "$images" -o dump.log
		echo "$status $stderr"
		[ "$SECONDS" -lt "$end" ]
		[ "$status" -eq 0 ] || [ "${#stderr_lines[@]}" -eq 3 ]
		before=$(forks)
		wait_for 5 has_forked
	done
	dump
	restore
	before=$(forks)
	wait_for 5 has_forked
}

@test "a library that has been replaced" {
	local lib

	lib=$(ldd "$(command -v sleep)" | sed -n 's/.*=> \(.*libc\.so\S*\).*/\1/p')
	mkdir "$work/lib"
	cp "$lib" "$work/lib/libc.so.6"
	launch env LD_LIBRARY_PATH="$work/lib" sleep 1000
	wait_for 5 grep -q "$work/lib/libc.so.6" "/proc/$pid/maps"
	dump
	mv "$work/lib/libc.so.6" "$work/lib/good"
	restore_is_refused "$work/lib/libc.so.6"
	is_gone "$pid"
	cp -p "$work/lib/good" "$work/lib/libc.so.6"
	truncate -s 100000 "$work/lib/libc.so.6"
	restore_is_refused "$work/lib/libc.so.6: it has 100000 bytes"
	is_gone "$pid"
	cp -p "$work/lib/good" "$work/lib/libc.so.6"
	echo grown >>"$work/lib/libc.so.6"
	restore_is_refused "$work/lib/libc.so.6: it has"
	is_gone "$pid"
	cp -p "$work/lib/good" "$work/lib/libc.so.6"
	restore
	kill -0 "$pid"
}
