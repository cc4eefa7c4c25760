#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# TCP connections to peers that are not dumped, while data flows; how the network is locked meanwhile

load ../helpers

# peer SIDE FAMILY PORT [BUFFER]: sets $pid and $place
peer()
{
	need python3
	launch python3 -u "$BATS_TEST_DIRNAME/tcp_peer.py" "$@"
	wait_for 10 test -e "$place/ready" || { cat "$place/log"; return 1; }
}

# flood FAMILY PORT [BUFFER]: server and client, $server and $client, each with its place
flood()
{
	peer server "$@"
	server=$pid server_place=$place
	peer client "$@"
	client=$pid client_place=$place
	sleep 0.2
}

# the client stops, and has had every answer
is_good()
{
	touch "$client_place/ask"
	wait_for 30 test -e "$client_place/answer"
	cat "$client_place"/{answer,log} "$server_place/log" || :
	[ "$(cat "$client_place/answer")" = good ]
}

# rules of ours, of whatever sort
locks()
{
	{ nft list ruleset; iptables-legacy-save; ip6tables-legacy-save; iptables-save; ip6tables-save; } 2>/dev/null |
		grep "$@" CRIU-
}

no_locks()
{
	[ -z "$(locks)" ]
}

# under_load FAMILY PORT TIMES [BUFFER]: the server is dumped and restored while it is flooded
under_load()
{
	local i

	flood "$1" "$2" "${4:-0}"
	pid=$server place=$server_place
	for ((i = 0; i < $3; i++)); do
		dump --tcp-established
		restore --tcp-established
		sleep 0.05
	done
	is_good
	no_locks
}

@test "fifty dumps under a flood in both directions, over IPv4, IPv6 and IPv4 through IPv6: no byte is lost" {
	families=(4 6 46)
	for n in 0 1 2; do
		flood "${families[n]}" $((20501 + n))
		servers[n]=$server server_places[n]=$server_place client_places[n]=$client_place
	done
	for i in {0..49}; do
		n=$((i % 3))
		pid=${servers[n]} place=${server_places[n]}
		if ((i / 3 % 2)); then
			dump -R --tcp-established
		else
			dump --tcp-established
			restore --tcp-established
		fi
	done
	for n in 0 1 2; do
		server_place=${server_places[n]} client_place=${client_places[n]}
		is_good
	done
	no_locks
}

@test "a flood with small buffers, full in both directions" {
	under_load 4 20504 5 4096
	under_load 6 20505 5 4096
}

@test "the client that floods is dumped and restored, and the server goes on" {
	flood 4 20506
	pid=$client place=$client_place
	for i in 1 2 3 4 5; do
		dump --tcp-established
		restore --tcp-established
		sleep 0.05
	done
	is_good
}

@test "while nobody has it, the peer hears nothing: a connection survives seconds" {
	for method in nftables iptables; do
		[ $method != iptables ] || need iptables-restore
		for family in 4 6; do
			flood $family $((20510 + family))
			pid=$server place=$server_place
			dump --tcp-established --network-lock $method
			# what the client sends meanwhile is dropped, not answered
			sleep 2
			[ ! -e "$client_place/answer" ]
			locks
			restore --tcp-established
			is_good
			no_locks
			end_launched
		done
	done
}

@test "without a lock the peer hears of it, and that is what skip means" {
	flood 4 20520
	pid=$server place=$server_place
	dump --tcp-established --network-lock skip
	wait_for 10 test -e "$client_place/answer"
	[[ $(cat "$client_place/answer") == *reset* ]]
	no_locks
}

@test "a dump that fails leaves no lock, and the connection as it was" {
	flood 4 20521
	pid=$server place=$server_place
	CRIU_LITE_INJECT=fail:drain_end:socket run dump --tcp-established
	echo "$output"
	[ "$status" -ne 0 ]
	no_locks
	is_good
}

@test "a restore that fails keeps the lock, and can be tried again" {
	flood 4 20522
	pid=$server place=$server_place
	dump --tcp-established
	CRIU_LITE_INJECT=fail:link:socket run restore --tcp-established
	echo "$output"
	[ "$status" -ne 0 ]
	sleep 0.5
	restore --tcp-established
	is_good
	no_locks
}

@test "conntrack that drops what is invalid lets a restored connection through" {
	need nft
	nft add table inet t
	nft add chain inet t in '{ type filter hook input priority 0; }'
	nft add chain inet t out '{ type filter hook output priority 0; }'
	nft add rule inet t in ct state invalid drop
	nft add rule inet t out ct state invalid drop
	under_load 4 20523 5
	nft delete table inet t
}

@test "the same with iptables" {
	need iptables-legacy
	for chain in INPUT OUTPUT; do
		iptables-legacy -A $chain -m conntrack --ctstate INVALID -j DROP
	done
	flood 4 20524
	pid=$server place=$server_place
	for i in 1 2 3; do
		dump --tcp-established --network-lock iptables
		restore --tcp-established
	done
	is_good
	iptables-legacy -F
}

@test "without --tcp-established, restore refuses and says what to do" {
	flood 4 20525
	pid=$server place=$server_place
	dump --tcp-established
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"cannot restore the TCP connection to 127.0.0.1:"* ]]
	[[ $output == *"do:  give --tcp-established, or --tcp-close"* ]]
	restore --tcp-established
	is_good
}

@test "connections are dumped, and closed at restore when that is asked for" {
	start sock/tcp_close
	dump --tcp-established
	run restore
	[ "$status" -eq 1 ]
	restore --tcp-close
	same
}

@test "what was dumped with --tcp-close is restored with it only" {
	start sock/tcp_close
	dump --tcp-close
	[ -z "$(find "$images" -name 'tcp-stream*')" ]
	run restore --tcp-established
	[ "$status" -eq 1 ]
	[[ $output == *"do:  give --tcp-close to restore too"* ]]
	restore --tcp-close
	same
	no_locks
}

@test "connections that wait to be accepted are dropped on demand, others are kept" {
	start sock/tcp_close
	exec 9<>/dev/tcp/127.0.0.1/21417
	run dump --tcp-close
	[ "$status" -eq 1 ]
	[[ $output == *"do:  give --tcp-established to keep what waits, --skip-in-flight to drop it"* ]]
	dump --tcp-established --skip-in-flight
	exec 9<&- 9>&-
	restore --tcp-established
	same
}

@test "who waits to be accepted waits on, whatever comes of the dump" {
	need python3
	launch python3 -c '
import os, socket, time
s = socket.create_server(("", 20532))
open("ready", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
for i in range(2):
    c = s.accept()[0]
    c.sendall(b"heard " + c.recv(100))
time.sleep(100)'
	wait_for 10 test -e "$place/ready"
	exec 8<>/dev/tcp/127.0.0.1/20532 9<>/dev/tcp/127.0.0.1/20532
	echo first >&8
	CRIU_LITE_INJECT=fail:drain_end:socket run dump --tcp-established
	[ "$status" -ne 0 ]
	dump -R --tcp-established
	dump --tcp-established
	[ -n "$(locks)" ]
	run restore
	[ "$status" -eq 1 ]
	[[ $output == *"that wait at port 20532"*"do:  give --tcp-established"* ]]
	echo second >&9
	restore --tcp-established
	no_locks
	touch "$place/go"
	read -r -t 10 answer <&8
	[ "$answer" = "heard first" ]
	read -r -t 10 answer <&9
	[ "$answer" = "heard second" ]
	exec 8<&- 9<&-
}

# network: $holder has a network namespace, 10.60.0.1 - 10.60.0.2 leads into it
network()
{
	need ip unshare nsenter
	launch unshare -n sh -c 'ip link set lo up; : >ready; exec sleep 600'
	wait_for 10 test -e "$place/ready"
	holder=$pid
	ip link del out6 2>/dev/null || :
	ip link add out6 type veth peer name in6 netns "$holder"
	ip addr add 10.60.0.1/24 dev out6
	ip -6 addr add fd60::1/64 dev out6 nodad
	ip link set out6 up
	nsenter -t "$holder" -n sh -c 'ip addr add 10.60.0.2/24 dev in6; ip -6 addr add fd60::2/64 dev in6 nodad
		ip link set in6 up'
}

# what comes of a connection to the tree: accepted, refused, or "nothing"
connecting()
{
	local said

	said=$(timeout "${2:-5}" bash -c ": <>/dev/tcp/$1 && echo accepted" 2>&1) || :
	case $said in
	*accepted*) echo accepted ;;
	*refused*) echo refused ;;
	*) echo nothing ;;
	esac
}

@test "of a network of its own, all packets are dropped until the tree is there again" {
	need python3
	network
	for method in nftables iptables; do
		[ $method != iptables ] || need iptables-restore
		launch nsenter -t "$holder" -n python3 -u "$BATS_TEST_DIRNAME/tcp_peer.py" server 0 20530
		wait_for 10 test -e "$place/ready"
		server=$pid server_place=$place
		launch python3 -u "$BATS_TEST_DIRNAME/tcp_peer.py" client 10.60.0.2 20530
		wait_for 10 test -e "$place/ready"
		client_place=$place
		pid=$server place=$server_place
		[ "$(connecting 10.60.0.2/9)" = refused ]

		dump -R --tcp-established --network-lock $method
		[ "$(connecting 10.60.0.2/9)" = refused ]
		dump --tcp-established --network-lock $method
		# neither the port that it had, nor any other: nobody answers
		[ "$(connecting 10.60.0.2/20530 0.4)" = nothing ]
		[ "$(connecting fd60::2/9 0.4)" = nothing ]
		[ ! -e "$client_place/answer" ]

		CRIU_LITE_INJECT=fail:link:socket run restore --tcp-established --join-ns "net:/proc/$holder/ns/net"
		[ "$status" -ne 0 ]
		[ "$(connecting 10.60.0.2/20530 0.4)" = nothing ]
		restore --tcp-established --join-ns "net:/proc/$holder/ns/net"
		[ "$(connecting 10.60.0.2/9)" = refused ]
		[ "$(connecting fd60::2/9)" = refused ]
		is_good
		[ -z "$(nsenter -t "$holder" -n nft list ruleset | grep CRIU-)" ]
		kill -KILL "$server"
		wait_for 5 is_gone "$server"
	done
	ip link del out6
}

@test "connections in a network within the tree are locked there until all is complete" {
	need ip unshare nsenter
	peer="python3 -u $BATS_TEST_DIRNAME/tcp_peer.py"
	launch sh -c "unshare -n sh -c 'ip link set lo up; $peer server 4 20531 &
		mkdir client; until [ -e ready ]; do sleep 0.01; done; cd client; $peer client 4 20531 & wait' & wait"
	wait_for 10 test -e "$place/client/ready"
	client_place=$place/client server_place=$place
	dump --tcp-established
	restore --tcp-established --action-script "[ \$CRTOOLS_SCRIPT_ACTION != post-restore ] ||
		nsenter -t \$(cat /proc/$pid/task/$pid/children) -n nft list ruleset >'$work/rules'"
	grep -q CRIU- "$work/rules"
	child=$(cat "/proc/$pid/task/$pid/children")
	[ -z "$(nsenter -t "${child% }" -n nft list ruleset)" ]
	is_good
}
