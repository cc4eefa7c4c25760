#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# unix sockets: what is refused, and what options allow

load ../helpers

# python WHAT [NAME]: sockets.py, ready
python()
{
	need python3
	launch python3 -u "$BATS_TEST_DIRNAME/sockets.py" "$@"
	wait_for 10 test -e "$place/ready" || { cat "$place/log"; return 1; }
}

ask()	# ask WHAT: tell the program of $place to do it; its answer
{
	rm -f "$place/answer"
	echo "$1" >"$place/.ask"
	mv "$place/.ask" "$place/ask"
	wait_for 10 test -e "$place/answer" || { cat "$place/log"; return 1; }
	cat "$place/answer"
}

@test "a peer outside of the tree is refused by name" {
	python stream_server "$work/sock"
	server=$pid
	python stream_client "$work/sock"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"its peer is outside of the tree"* ]]
	[[ $output == *"process $server (python3)"* ]]
	[[ $output == *"do:  "*"--external unix["* ]]
	[ "$(ask alive)" = yes ]
}

@test "a connection to the outside can be cut" {
	python stream_server "$work/sock"
	python stream_client "$work/sock"
	ino=$(ask peer)
	dump --external "unix[$ino]"
	restore
	[ "$(ask recv)" = end ]
}

@test "-x alone cuts no stream" {
	python stream_server "$work/sock"
	python stream_client "$work/sock"
	run dump -x
	[ "$status" -eq 1 ]
	[[ $output == *"its peer is outside of the tree"* ]]
}

@test "a datagram socket is connected by name to the outside again" {
	python dgram_server "$work/sock"
	server_place=$place
	python dgram_client "$work/sock"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"--ext-unix-sk connects it"* ]]
	dump --ext-unix-sk
	restore --ext-unix-sk
	[ "$(ask send)" = done ]
	place=$server_place
	[ "$(ask recv)" = hello ]
}

@test "data that nobody has accepted is refused, or left out on demand" {
	python waiting "$work/sock"
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"waits to be accepted"* ]]
	[[ $output == *"carries data"* ]]
	[ "$(ask alive)" = yes ]
	dump --skip-in-flight
	restore
	[ "$(ask recv)" = end ]
}

@test "a socket file that is covered by a mount is refused" {
	mkdir "$work/dir"
	python listener "$work/dir/sock"
	mount -t tmpfs none "$work/dir"
	run dump
	echo "$output"
	umount "$work/dir"
	[ "$status" -eq 1 ]
	[[ $output == *"covered by a mount"* ]]
	dump
	restore
	[ "$(ask accept)" = done ]
}

@test "a renamed socket leaves no directory behind, also when its new name is taken" {
	python listener "$work/sock"
	mv "$work/sock" "$work/other"
	dump
	rm "$work/other"
	echo precious >"$work/other"
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"there is a file of that name"* ]]
	rm "$work/other"
	restore
	[ -S "$work/other" ]
	[ ! -e "$work/sock" ]
	[ "$(find "$work" -maxdepth 1 -name 'other*')" = "$work/other" ]
}

@test "who waits to be accepted and has gone again is refused, with data and without" {
	for what in waiting_gone waiting_gone_data; do
		rm -f "$work/sock"
		python $what "$work/sock"
		run dump
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"waits to be accepted"* ]]
		[[ $output == *"its client has gone already"* ]]
		[[ $output == *"do:  "*"--skip-in-flight"* ]]
		[ "$(ask alive)" = yes ]
		[ "$(ask late)" = "$([ $what = waiting_gone ] && echo end || echo unread)" ]
		end_launched
	done
}

@test "restore removes the old socket file, but nothing else of that name" {
	python listener "$work/sock"
	dump
	[ -S "$work/sock" ]
	rm "$work/sock"
	echo precious >"$work/sock"
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"there is a file of that name"* ]]
	[[ $output == *"do:  move that file away"* ]]
	[ "$(cat "$work/sock")" = precious ]
	rm "$work/sock"
	restore
	[ "$(ask accept)" = done ]
}

@test "restore refuses names that another program uses" {
	for name in "$work/sock" @criu-lite.test; do
		python listener "$name"
		dump
		old=$images
		rm -f "$work/sock"
		python listener "$name"
		images=$old
		run restore
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"another program has"* ]]
		end_launched
	done
}

@test "restore refuses a missing directory" {
	mkdir "$work/dir"
	python listener "$work/dir/sock"
	dump
	rm -r "$work/dir"
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"do:  make the directory $work/dir"* ]]
	mkdir "$work/dir"
	restore
	[ "$(ask accept)" = done ]
}

@test "an out-of-band byte is refused" {
	python urgent
	run dump
	[ "$status" -eq 1 ]
	[[ $output == *"out-of-band"* ]]
}

@test "a socket is taken from --inherit-fd" {
	python stream_server "$work/sock"
	server_place=$place
	python stream_client "$work/sock"
	ino=$(ask ino)
	peer=$(ask peer)
	dump --external "unix[$peer]"
	"$B/test/spawn" log true >/dev/null
	run python3 - "$work/sock" "$CRIU_LITE" "$images" "$ino" <<-'EOF'
		import os, socket, subprocess, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		os.dup2(s.fileno(), 33, True)
		sys.exit(subprocess.run([sys.argv[2], "restore", "-d", "-D", sys.argv[3], "-o", "restore.log", "-v4",
					 "--inherit-fd", "fd[33]:socket:[%s]" % sys.argv[4]],
					pass_fds=[33], stdin=subprocess.DEVNULL).returncode)
	EOF
	[ "$status" -eq 0 ]
	[ "$(ask send)" = done ]
	place=$server_place
	[ "$(ask last_recv)" = hello ]
}
