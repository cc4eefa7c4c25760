# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# In which state, and whose child, a tree is when criu-lite is done with it.
load ../helpers

ticker()
{
	launch bash -c 'while :; do printf . >>ticks; read -r -t 0.02 <> <(:); done'
	wait_for 5 test -s "$place/ticks"
}

ticks()
{
	local before
	before=$(wc -c <"$place/ticks")
	more() { [ "$(wc -c <"$place/ticks")" -gt $((before + 2)) ]; }
	wait_for 5 more
}

state_of()
{
	local stat
	read -r stat <"/proc/$1/stat"
	stat=${stat##*) }
	echo "${stat%% *}"
}

parent_of()
{
	local stat state ppid rest
	read -r stat <"/proc/$1/stat"
	read -r state ppid rest <<<"${stat##*) }"
	echo "$ppid"
}

is_stopped()
{
	[ "$(state_of "$1")" = T ]
}

@test "dump -s leaves the tree stopped, and it goes on when it is told to" {
	ticker
	dump -s
	is_stopped "$pid"
	before=$(wc -c <"$place/ticks")
	sleep 0.3
	[ "$(wc -c <"$place/ticks")" = "$before" ]
	kill -CONT "$pid"
	ticks
}

@test "restore -s leaves the tree stopped, and it goes on when it is told to" {
	ticker
	dump
	before=$(wc -c <"$place/ticks")
	restore -s
	wait_for 5 is_stopped "$pid"
	sleep 0.2
	[ "$(wc -c <"$place/ticks")" = "$before" ]
	kill -CONT "$pid"
	ticks
}

@test "dump -R leaves it running, ten times in a row" {
	ticker
	for i in 1 2 3 4 5 6 7 8 9 10; do
		dump -R
		ticks
	done
}

@test "restore -d gives the root to init, -S -d to whoever called criu-lite" {
	ticker
	dump
	restore
	[ "$(parent_of "$pid")" = 1 ]
	dump
	# the caller is this shell, so it is the parent and can wait
	"$CRIU_LITE" restore -d -S -D "$images" -o restore.log -v4 3>&- 4>&- </dev/null
	[ "$(parent_of "$pid")" = "$BASHPID" ]
	ticks
	kill -TERM "$pid"
	gone() { [ ! -e "/proc/$pid" ] || [ "$(state_of "$pid")" = Z ]; }
	wait_for 5 gone
}

@test "without -d criu-lite stays until the tree has ended" {
	ticker
	dump
	criu_lite restore -D "$images" -o restore.log -v4 &
	waiter=$!
	ticks
	kill -0 "$waiter"
	[ "$(parent_of "$pid")" != 1 ]
	kill -KILL "$pid"
	wait "$waiter"
}

@test "a request to end in the middle of a dump leaves the tree running" {
	ticker
	images=$(mktemp -d "$work/images.XXXXXX")
	CRIU_LITE_INJECT=stop:drain "$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 3>&- 4>&- </dev/null &
	dumper=$!
	wait_for 5 is_stopped "$dumper"
	kill -TERM "$dumper"
	kill -CONT "$dumper"
	run wait "$dumper"
	[ "$status" -ne 0 ]
	[ ! -e "$images/inventory.img" ]
	ticks
	cycle 1
	ticks
}

# bats test_tags=places
@test "a task that sleeps uninterruptibly is waited for until --timeout, then named" {
	launch_there /usr/bin/python3 -c '
import ctypes, os, time
# the parent of a vfork sleeps until its child is gone, whatever happens
libc = ctypes.CDLL(None)
if libc.vfork() == 0:
    open("ready", "w").close()
    while True:
        time.sleep(1)
'
	wait_for 10 test -e "$place/ready"
	run dump --timeout 1
	[ "$status" -eq 1 ]
	[[ $output == *python3* ]]
	[[ $output == *"do:"* ]]
	kill -0 "$pid"
}

# bats test_tags=places
@test "a task that is traced by another one is refused, in a tree with both" {
	need strace
	launch_there strace -o /dev/null sh -c '>ready; sleep 1000; :'
	wait_for 5 test -e "$place/ready"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"traced by"*"(strace)"*"do:"* ]]
	kill -0 "$pid"
}
