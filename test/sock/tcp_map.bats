#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# --tcp-map: sockets come back with other addresses

load ../helpers

# pair FAMILY PORT: server and client with a flood between them, one tree
pair()
{
	need python3 ss
	peer="python3 -u $BATS_TEST_DIRNAME/tcp_peer.py"
	launch sh -c "mkdir client; $peer server $1 $2 & until [ -e ready ]; do sleep 0.01; done
		cd client; $peer client $1 $2 & wait"
	wait_for 10 test -e "$place/client/ready"
}

is_good()
{
	touch "$place/client/ask"
	wait_for 30 test -e "$place/client/answer"
	cat "$place/client/answer" "$place/log"
	[ "$(cat "$place/client/answer")" = good ]
}

# sockets STATE: local and remote addresses
sockets()
{
	ss -Htan state "$1" | awk '{print $3, $4}' | sort
}

@test "a connection has other addresses, and another port, at both ends" {
	pair 4 20541
	dump --tcp-established
	restore --tcp-established --tcp-map 127.0.0.1:20541=127.0.0.5:20542 --tcp-map 127.0.0.1=127.0.0.6
	sockets established | grep -q '^127.0.0.5:20542 127.0.0.6:'
	sockets established | grep -q '^127.0.0.6:[0-9]* 127.0.0.5:20542$'
	[ "$(sockets listening)" = "127.0.0.5:20542 0.0.0.0:*" ]
	dump --tcp-established
	restore --tcp-established
	is_good
}

@test "the same over IPv6, and over IPv4 through IPv6, by a prefix and by a configuration file" {
	ip addr add fd71::1/128 dev lo
	pair 6 20543
	dump --tcp-established
	restore --tcp-established --tcp-map '[::1]=fd71::1'
	sockets established | grep -q '^\[fd71::1\]:20543 \[fd71::1\]:'
	is_good
	end_launched

	pair 46 20544
	dump --tcp-established
	echo 'tcp-map 127.0.0.0/24=127.0.9.0/24' >"$work/config"
	restore --tcp-established --config "$work/config"
	sockets established | grep -q '^\[::ffff:127.0.9.1\]:20544 \[::ffff:127.0.9.1\]:'
	is_good
}

@test "UDP sockets and connections that wait go along" {
	need python3
	launch python3 -c '
import os, socket, time
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 20545))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.connect(("127.0.0.1", 20545))
c.send(b"one")
s = socket.create_server(("127.0.0.1", 20546))
w = socket.create_connection(("127.0.0.1", 20546))
w.sendall(b"two")
me = c.getsockname()[1]
open("ready", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
assert u.getsockname() == ("127.0.0.7", 20545), u.getsockname()
assert c.getpeername() == ("127.0.0.7", 20545), c.getpeername()
assert u.recvfrom(10) == (b"one", ("127.0.0.7", me))
c.send(b"three")
assert u.recvfrom(10) == (b"three", ("127.0.0.7", me))
a, peer = s.accept()
assert peer == w.getsockname() and peer[0] == "127.0.0.7", peer
assert a.recv(10) == b"two"
open("good", "w").close()
time.sleep(100)'
	wait_for 10 test -e "$place/ready"
	dump --tcp-established
	restore --tcp-established --tcp-map 127.0.0.1=127.0.0.7
	touch "$place/go"
	wait_for 10 test -e "$place/good" || { cat "$place/log"; return 1; }
}

@test "what is no map is refused, and says how one looks" {
	for map in 10.0.0.1 a=b 10.0.0.1=fd00::1 10.0.0.0/8=10.0.0.0/9 10.0.0.1=10.0.0.2:5 '[::1]:5=[::2]:0' 10.0.0.1:=10.0.0.2; do
		run criu_lite restore -D "$work" --tcp-map "$map"
		[ "$status" -eq 1 ]
		[[ $output == *"cannot use --tcp-map $map"*"do:  give --tcp-map OLD=NEW"* ]]
	done
}
