#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# TCP, UDP, netlink and all that is no unix socket: what is refused

load ../helpers

python()
{
	need python3
	launch python3 -u "$BATS_TEST_DIRNAME/sockets.py" "$@"
	wait_for 10 test -e "$place/ready" || { cat "$place/log"; return 1; }
}

ask()
{
	rm -f "$place/answer"
	echo "$1" >"$place/.ask"
	mv "$place/.ask" "$place/ask"
	wait_for 10 test -e "$place/answer" || { cat "$place/log"; return 1; }
	cat "$place/answer"
}

refused()	# refused WORDS [HINT]: and nothing has happened
{
	run dump
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
	[[ $output == *"do:  "*"${2:-}"* ]]
	[ "$(ask alive)" = yes ]
}

@test "a live TCP connection is refused" {
	python tcp_pair
	refused "cannot dump the TCP connection from 127.0.0.1:" "give --tcp-established"
}

@test "a connection that waits to be accepted is refused, or dropped on demand" {
	python tcp_listener 20401
	exec 9<>/dev/tcp/127.0.0.1/20401
	refused "1 connection waiting to be accepted at 127.0.0.1:20401" --skip-in-flight
	dump --skip-in-flight
	exec 9<&- 9>&-
	restore
	[ "$(ask accept)" = done ]
}

@test "restore refuses ports that another program has" {
	python tcp_listener 20402
	dump
	first=$images
	python udp_bound 20402
	dump
	second=$images
	python tcp_listener 20402
	holder=$pid
	images=$first
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"cannot use the TCP address 127.0.0.1:20402"* ]]
	[[ $output == *"process $holder (python3) has it"* ]]
	images=$second
	restore
	python udp_bound 20403
	dump -R
}

@test "what UDP_CORK holds back is refused" {
	python udp_corked 20404
	refused "a UDP socket with data that is not sent yet"
}

@test "vsock sockets are refused by name" {
	python vsock
	refused "the vsock socket"
}

@test "unread netlink messages are refused" {
	python netlink_unread
	refused "netlink socket of protocol 0 with a message"
}

@test "an eBPF filter is refused" {
	python ebpf || skip "python cannot load a program here"
	refused "programs of SO_ATTACH_BPF cannot be dumped"
}
