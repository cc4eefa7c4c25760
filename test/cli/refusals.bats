#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# what cannot be dumped is told all at once, by check -t and by dump

load ../helpers

has()	# has WORDS...: they stand in $output, in this order
{
	local words rest=$output

	for words; do
		[[ $rest == *"$words"* ]] || { echo "not there, or not in this order: $words"; echo "$output"; return 1; }
		rest=${rest#*"$words"}
	done
}

blocks()	# how often the output says WORDS
{
	grep -c -F -- "$1" <<<"$output"
}

# what stands in FIELD of every obstacle of the JSON in $output, or in the whole
field()	# field PYTHON-EXPRESSION, of j
{
	python3 -c 'import json, sys; j = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$output" "$1"
}

@test "check -t: every obstacle of three tasks" {
	start cli/obstacles
	first=$(<"$place/first") second=$(<"$place/second")
	run criu_lite check -t "$pid" --no-file-locks
	[ "$status" -eq 1 ]
	has "task $pid (obstacles), descriptor 4" "the TCP connection from 127.0.0.1" "do:  " \
		"task $pid (obstacles), descriptor 5" "the TCP connection from 127.0.0.1" \
		"cannot dump pidfd 7: it is task 1" \
		"task $first (obstacles), descriptor 3" "large: it has 2048 KiB of data" "--ghost-limit 3M"
	has "task $pid (obstacles)" "secretmem"
	has "task $pid (obstacles), descriptor 3" "cannot dump the lock on descriptor 3" "--no-file-locks"
	has "task $first (obstacles)" "io_uring"
	has "task $second (obstacles), descriptor 3" "nobody knows this sort of file"
	has "task $pid (obstacles), descriptor 6" "cannot dump epoll 6"
	[ "$(blocks "  why: ")" -eq 10 ]
	[ "$(blocks "  do:  ")" -eq 10 ]
	[[ ${lines[-1]} == "a dump would not work: 10 obstacles (3 tasks, stopped for "*" us)" ]]
	same
}

@test "check -t: options of the dump take obstacles away" {
	start cli/obstacles
	run criu_lite check -t "$pid" --ghost-limit 3M
	[ "$status" -eq 1 ]
	[ "$(blocks "  why: ")" -eq 8 ]
	[ "$(blocks "descriptor 3")" -eq 1 ]
	same
}

@test "check -t --json says the same" {
	start cli/obstacles
	run criu_lite check -t "$pid" --json --no-file-locks
	[ "$status" -eq 1 ]
	[ "$(field 'j["pid"], j["tasks"], j["would_work"], len(j["obstacles"])')" = "($pid, 3, False, 10)" ]
	[ "$(field '0 < j["stopped_us"] < 5000000')" = True ]
	[ "$(field 'sorted({" ".join(o) for o in j["obstacles"]})')" = "['task comm fd what why do']" ]
	[ "$(field 'sorted({o["task"] for o in j["obstacles"]})')" = \
		"[$pid, $(<"$place/first"), $(<"$place/second")]" ]
	[ "$(field '[o["fd"] for o in j["obstacles"] if "file-lock" in o["do"]]')" = "[3]" ]
	[ "$(field 'all(o["comm"] == "obstacles" and o["why"] for o in j["obstacles"])')" = True ]
	same
}

@test "check -t --json: names of files that are no text" {
	need python3
	launch python3 -c '
import os, time
fd = os.open(b"a\"\\\n\xff\xc3\xa4", os.O_RDWR | os.O_CREAT)
os.write(fd, bytes(2 << 20))
os.unlink(b"a\"\\\n\xff\xc3\xa4")
open("ready", "w")
time.sleep(1000)'
	wait_for 5 test -e "$place/ready"
	run criu_lite check -t "$pid" --json
	[ "$status" -eq 1 ]
	[ "$(field 'ascii(j["obstacles"][0]["what"].split(":")[0][-64:].split("/")[-1].split(" of ")[0])')" = \
		"'a\"\\\\\\n\\xff\\xe4'" ]
}

@test "dump reports all it has found, with a count, and the tasks live on" {
	start cli/obstacles
	output=$(dump --no-file-locks 2>&1; echo "status $?"; ls "$images"; cat "$images/dump.log" >"$work/log")
	has "criu-lite: dump: " "the TCP connection" "why: it is established" "do:  " "pidfd 7" "2048 KiB" \
		"fscontext" "secretmem" "--no-file-locks" "io_uring"
	[ "$(blocks "criu-lite: dump: ")" -eq 10 ]
	[[ $output == *"criu-lite: dump: 9 obstacles"$'\n'"status 1"* ]]
	[[ $output != *inventory.img* ]]
	[ "$(grep -c "Error.* do: " "$work/log")" -eq 9 ]
	same
}

@test "one refusal looks as ever: no count" {
	start cli/odd_task cpu_timer
	run dump
	[ "$status" -eq 1 ]
	[ "$(blocks "criu-lite: dump: ")" -eq 1 ]
	[[ $output != *obstacle* ]]
	same
}

@test "check -t of what can be dumped; it is not disturbed, and nothing is written" {
	for victim in file/regfile_linked file/regfile_deleted file/pipe_full file/tty_full mem/anon \
		sock/unix_flight task/stopped; do
		start "$victim"
		mkdir "$place/empty"
		before=$(cd "$place" && find . | sort)
		for i in 1 2 3; do
			run criu_lite check -t "$pid" -D "$place/empty" --link-remap
			[ "$status" -eq 0 ] || { echo "$victim: $output"; false; }
			[[ $output == "a dump would work ("*" us)" ]]
			run criu_lite check -t "$pid" --json --link-remap
			[ "$status" -eq 0 ]
			[ "$(field 'j["would_work"], j["obstacles"]')" = "(True, [])" ]
		done
		[ "$before" = "$(cd "$place" && find . | sort)" ]
		cycle 1 --link-remap
		same
	done
}

@test "check -t: --link-remap and --shell-job change the answer" {
	start file/regfile_linked
	run criu_lite check -t "$pid"
	[ "$status" -eq 1 ]
	has "do:  use --link-remap"
	run criu_lite check -t "$pid" --link-remap
	[ "$status" -eq 0 ]
	same

	launch python3 -c '
import os, time
master, slave = os.openpty()
if os.fork() == 0:
    os.close(master)
    os.setsid()
    open("ready", "w").write(str(os.getpid()))
time.sleep(1000)'
	wait_for 5 test -s "$place/ready"
	inner=$(<"$place/ready")
	run criu_lite check -t "$inner"
	[ "$status" -eq 1 ]
	has "cannot dump terminal /dev/pts/" "--shell-job"
	run criu_lite check -t "$inner" --shell-job
	[ "$status" -eq 0 ] || { echo "$output"; false; }
}

@test "tasks that others trace are all named, and then nothing else" {
	need strace
	launch bash -c 'sleep 1000 & sleep 1001 & echo $! >second; jobs -p | head -n 1 >first; >ready; wait'
	wait_for 5 test -e "$place/ready"
	first=$(<"$place/first") second=$(<"$place/second")
	strace -o /dev/null -p "$first" 3>&- 4>&- 2>/dev/null &
	one=$!
	strace -o /dev/null -p "$second" 3>&- 4>&- 2>/dev/null &
	two=$!
	is_traced() { ! grep -q 'TracerPid:.0$' "/proc/$1/status"; }
	wait_for 5 is_traced "$first"
	wait_for 5 is_traced "$second"
	run criu_lite check -t "$pid"
	[ "$status" -eq 1 ]
	has "task $first (sleep)" "traced by process $one (strace)" "task $second (sleep)" \
		"traced by process $two (strace)" "2 obstacles"
	run criu_lite check -t "$first"
	[ "$status" -eq 1 ]
	has "traced by process $one" "1 obstacle ("
	kill "$one" "$two"
	wait "$one" "$two" || :
	run criu_lite check -t "$pid"
	[ "$status" -eq 0 ]
}

@test "check -t of what is not there fails as a dump does" {
	run criu_lite check -t 32123 --json
	[ "$status" -eq 1 ]
	has "criu-lite: check: " "32123" "why: No such process" "do:  "
	[[ $output != *"{"* ]]
}

@test "--json without a tree is refused" {
	run criu_lite check --json
	[ "$status" -eq 1 ]
	has "--json is only for check of a tree" "do:  "
}
