#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# criu-lite service: the same requests, at a socket

load ../helpers

setup()
{
	need protoc
	export CRIU_LITE
	images=$work/images
	mkdir "$images"
	socket=$work/run/socket
	mkdir "$work/run"
}

teardown()
{
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null || :
	end_launched
}

# serve [OPTION...]: in the background, ready
serve()
{
	(cd "$work/run" && exec "$CRIU_LITE" service --no-default-config --address "$socket" "$@") \
		3>&- 4>&- 5>&- 6>&- </dev/null >"$work/service.out" 2>&1 &
	server=$!
	wait_for 5 test -S "$socket"
}

ask()
{
	"$BATS_TEST_DIRNAME/client.py" -s "$socket" "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

opts()
{
	echo "opts { images_dir_fd: fd($images) log_level: 4 $* }"
}

# as UID COMMAND...: by somebody else
as()
{
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

@test "dump and restore by a service; its own options are not those of its clients" {
	serve --leave-running
	start task/sleeper
	run ask "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: true"* ]]
	wait_for 5 is_gone "$pid"
	run ask "type: RESTORE $(opts)"
	[[ "$output" == *"restore { pid: $pid }"* ]]
	same
	run ask 'type: VERSION'
	[[ "$output" == *"major_number: 4 minor_number: 2"* ]]
}

@test "the socket is its owner's, an old one is replaced, another file is not" {
	serve
	[ "$(stat -c %a "$socket")" = 600 ]
	kill "$server"
	wait_for 5 is_gone "$server"
	[ -S "$socket" ]
	serve
	run ask 'type: VERSION'
	[[ "$output" == *"success: true"* ]]

	echo precious >"$work/file"
	run criu_lite service --address "$work/file"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot listen at $work/file"*"do:  "* ]]
	[ "$(cat "$work/file")" = precious ]
	run criu_lite service --address "$work/$(printf 'x%.0s' {1..120})"
	[[ "$output" == *"do:  give a shorter --address"* ]]
}

@test "without --address it is criu_service.socket where it was started" {
	(cd "$work/run" && exec "$CRIU_LITE" service --no-default-config 3>&- 4>&- </dev/null) &
	server=$!
	socket=$work/run/criu_service.socket
	wait_for 5 test -S "$socket"
	run ask 'type: VERSION'
	[[ "$output" == *"success: true"* ]]
}

@test "in the background: pidfile, a script, one byte, and then clients" {
	echo 'echo "$CRTOOLS_SCRIPT_ACTION $(test -s pid && echo pid)" >said' >"$work/run/script"
	mkfifo "$work/status"
	cat "$work/status" >"$work/byte" &
	(cd "$work/run" && "$CRIU_LITE" service --no-default-config --address "$socket" -d --pidfile pid \
		--action-script "sh ./script" --status-fd 9 9>"$work/status" 3>&- 4>&- </dev/null)
	wait_for 5 test -s "$work/byte"
	[ "$(od -An -tx1 "$work/byte")" = " 00" ]
	[ "$(cat "$work/run/said")" = "status-ready pid" ]
	[ "$(stat -c %a "$work/run/pid")" = 600 ]
	server=$(cat "$work/run/pid")
	[ "$(readlink /proc/$server/fd/1)" = /dev/null ]
	run ask 'type: VERSION'
	[[ "$output" == *"success: true"* ]]

	(cd "$work/run" && run "$CRIU_LITE" service --address "$work/other" -d --pidfile pid </dev/null)
	[ "$(cat "$work/run/pid")" = "$server" ]
}

@test "clients do not wait for each other, and one that goes or lies harms only itself" {
	serve
	start task/sleeper
	export WHEN="touch $work/waits; sleep 30"
	ask -w post-dump "type: DUMP $(opts "pid: $pid notify_scripts: true")" >"$work/slow" 2>&1 &
	slow=$!
	wait_for 5 test -e "$work/waits"
	for i in 1 2 3; do
		run timeout 5 "$BATS_TEST_DIRNAME/client.py" -s "$socket" 'type: VERSION'
		[[ "$output" == *"success: true"* ]]
	done
	python3 -c '
import socket, sys
for packet in b"\xff", b"", b"\x08\x01" * 9, b"hello":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    s.send(packet)
    assert s.recv(100) == b""' "$socket"
	kill -9 $(pgrep -P "$slow") "$slow"
	same
	run ask 'type: VERSION'
	[[ "$output" == *"success: true"* ]]
	# nobody stays behind
	wait_for 5 eval '[ -z "$(pgrep -P "$server")" ]'
}

@test "what only a child of its client can have is refused" {
	serve
	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	run ask "type: RESTORE $(opts "rst_sibling: true")"
	[[ "$output" == *"success: false"*"cr_errno: 56 "*"rst_sibling"* ]]
	run ask "type: RESTORE $(opts "inherit_fd { key: 'a' fd: 1 }")"
	[[ "$output" == *"success: false"*"cr_errno: 56 "*"inherit_fd"* ]]
	run ask "type: RESTORE $(opts "ps { fd: 1 }")"
	[[ "$output" == *"success: false"*"cr_errno: 56 "*"ps.fd"* ]]
}

@test "others are not let in; the owner of the socket is, with his own rights" {
	serve
	let_others_in
	chmod 777 "$work/run" "$images"
	cp "$BATS_TEST_DIRNAME/client.py" "$BATS_TEST_DIRNAME/../../images/rpc.proto" "$work/run"
	sed -i 's|"../../images/rpc.proto"|"rpc.proto"|' "$work/run/client.py"
	chmod 755 "$work/run/client.py"
	other=(as 12345 env TMPDIR=/tmp "$work/run/client.py" -s "$socket")

	run "${other[@]}" 'type: VERSION'
	[[ "$output" == *"PermissionError"* ]]

	chown 12345 "$socket"
	run "${other[@]}" 'type: VERSION'
	[[ "$output" == *"success: true"* ]]

	# a process of root
	start task/sleeper
	run "${other[@]}" "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: false"* ]]
	[ ! -e "$images/inventory.img" ]
	same

	# a directory, a file of options, and descriptors that are not his
	mkdir -m 700 "$work/secret"
	printf 'log-file /nowhere\n' >"$work/secret/conf"
	run "${other[@]}" "type: DUMP opts { images_dir_fd: -1 images_dir: '$work/secret' pid: $pid }"
	[[ "$output" == *"success: false"*"cr_errno: 13 "* ]]
	run "${other[@]}" "type: DUMP opts { images_dir_fd: 900 pid: $pid }"
	[[ "$output" == *"success: false"*"cr_errno: 2 "* ]]
	run "${other[@]}" "type: CHECK $(opts "log_file: 'check.log' config_file: '$work/secret/conf'")"
	[ "$(stat -c %u "$images/check.log")" = 12345 ]
	[ -z "$(ls "$work/secret" | grep -v conf)" ]

	# and a log cannot be led anywhere
	ln -s "$work/secret/conf" "$images/link.log"
	run "${other[@]}" "type: CHECK $(opts "log_file: 'link.log'")"
	[[ "$output" == *"success: false"* ]]
	grep -qx 'log-file /nowhere' "$work/secret/conf"
}

@test "a user may ask for what is his; scripts run as him, and the kernel has the last word" {
	serve
	let_others_in
	chmod 777 "$work/run" "$images"
	cp "$BATS_TEST_DIRNAME/client.py" "$BATS_TEST_DIRNAME/../../images/rpc.proto" "$work/run"
	sed -i 's|"../../images/rpc.proto"|"rpc.proto"|' "$work/run/client.py"
	chown 12345 "$socket"
	printf 'action-script "id -u >%s/uid"\n' "$work/run" >"$work/run/conf"
	other=(as 12345 env TMPDIR=/tmp "$work/run/client.py" -s "$socket")
	launch setpriv --reuid 12345 --regid 12345 --clear-groups sleep 1000
	wait_for 5 eval '[ "$(stat -c %u /proc/$pid)" = 12345 ]'
	run "${other[@]}" "type: DUMP $(opts "pid: $pid leave_running: true config_file: '$work/run/conf'")"
	[ "$(cat "$work/run/uid")" = 12345 ]
	[[ "$output" == *"success: true"* ]] || [[ "$output" == *"Operation not permitted"* ]]
	kill -0 "$pid"
}
