#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# terminals: taken numbers, and the one a program was started from

load ../helpers

# run COMMAND in a terminal of its own, with job control; its output is in $work/typescript
in_terminal()
{
	script -qec "$1" "$work/typescript" </dev/null >/dev/null 3>&- 4>&-
}

@test "a number that is taken is refused by name, before anything is made" {
	start file/tty
	dump
	script -qc 'sleep 1000' /dev/null </dev/null >/dev/null 2>&1 3>&- 4>&- &
	other=$!
	script -qc 'sleep 1000' /dev/null </dev/null >/dev/null 2>&1 3>&- 4>&- &
	third=$!
	wait_for 5 test -e /dev/pts/1
	run restore
	kill "$other" "$third"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot make terminal /dev/pts/"* ]]
	[[ "$output" == *"do:  close that terminal"* ]]
	is_gone "$pid"
}

# waits for "look", then says what it finds of its terminal
program='
import os, sys, termios, time
t = termios.tcgetattr(0)
t[3] &= ~termios.ECHO
t[6][termios.VINTR] = b"\x07"
termios.tcsetattr(0, termios.TCSANOW, t)
open("pid", "w").write(str(os.getpid()))
os.rename("pid", "ready")
while not os.path.exists("look"):
    time.sleep(0.01)
t = termios.tcgetattr(0)
open("/dev/tty").close()
ok = not t[3] & termios.ECHO and t[6][termios.VINTR] == b"\x07"
ok = ok and os.tcgetpgrp(0) == os.getpgrp() and os.ttyname(0) == os.ttyname(1)
print("in the terminal again")
open("said", "w").write("same" if ok else "different %s" % t)
os.rename("said", "verdict")
'

start_in_terminal()
{
	place=$(mktemp -d "$work/place.XXXXXX")
	(cd "$place" && script -qec "bash -mc 'python3 -c \"\$0\"; :' '${program//\'/\'\\\'\'}'" /dev/null \
		</dev/null >/dev/null 2>&1 3>&- 4>&-) &
	outside=$!
	wait_for 10 test -e "$place/ready"
	pid=$(cat "$place/ready")
}

@test "the terminal a program was started from needs --shell-job" {
	need script python3
	start_in_terminal
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"--shell-job"* ]]
	: >"$place/look"
	wait "$outside"
	[ "$(cat "$place/verdict")" = same ]
}

@test "--shell-job: restored into the terminal that criu-lite is started from" {
	need script python3
	start_in_terminal
	dump --shell-job
	wait "$outside" || :
	run restore --shell-job
	[ "$status" -eq 1 ]
	[[ "$output" == *"run criu-lite restore from a terminal"* ]]

	in_terminal "$CRIU_LITE restore --shell-job -D $images -o restore.log -v4" &
	terminal=$!
	wait_for 5 kill -0 "$pid"
	dump --shell-job
	wait "$terminal" || :
	in_terminal "$CRIU_LITE restore --shell-job -D $images -o restore.log -v4" &
	terminal=$!
	wait_for 5 kill -0 "$pid"
	same
	wait "$terminal"
	grep -q "in the terminal again" "$work/typescript"
}

@test "a terminal can be left outside and given at restore" {
	need python3
	python3 -c "
import os, time
m, s = os.openpty()
m2, s2 = os.openpty()
open('$work/.names', 'w').write(os.ttyname(s) + ' ' + os.ttyname(s2) + '\n')
os.rename('$work/.names', '$work/names')
time.sleep(1000)" 3>&- 4>&- &
	emulator=$!
	wait_for 5 test -e "$work/names"
	read -r mine other <"$work/names"
	launch sh -c 'exec 3<>"$1"; : >held; exec sleep 1000' sh "$mine"
	wait_for 5 test -e "$place/held"
	run dump
	[ "$status" -eq 1 ]
	key="tty[$(printf '%x:%x' "$((0x$(stat -c %t "$mine") << 8 | 0x$(stat -c %T "$mine")))" "$(stat -c %d "$mine")")]"
	dump --external "$key"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"it was left outside of the dump"*"--inherit-fd fd[N]:$key"* ]]
	"$CRIU_LITE" restore -d -D "$images" --inherit-fd "fd[7]:$key" 7<>"$other" </dev/null 3>&- 4>&-
	[ "$(readlink "/proc/$pid/fd/3")" = "$other" ]
	kill "$emulator"
}
