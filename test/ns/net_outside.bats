#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
# network namespaces: what is tied to the outside, and sockets that live in them

load ../helpers

# in_network VICTIM: in a network namespace of its own
in_network()
{
	if [ "${PLACE:-host}" != host ]; then
		start "$1"
		return
	fi
	launch unshare -n sh -c "
		(cd /proc/sys/net/ipv6/conf && for i in all default lo; do echo 0 >\$i/accept_dad; done)
		ip link set lo up
		exec $B/test/victims/$1 ."
	wait_for 10 is_decided
	[ -e "$place/ready" ] || { cat "$place/verdict" "$place/log"; return 1; }
}

inside()
{
	nsenter -t "$pid" -n "$@"
}

# its kernel refuses a connection, so it is there
answers()
{
	timeout 1 bash -c ": <>/dev/tcp/$1/9" 2>&1 | grep -q refused
}

setup()
{
	need ip unshare nsenter
}

teardown()
{
	end_launched
	for link in br9 out5 out7 here5; do ip link del "$link" 2>/dev/null || :; done
}

# bats test_tags=places
@test "a veth comes back with its other end outside, in a bridge" {
	in_network task/sleeper
	ip link add br9 type bridge
	ip link set br9 up
	ip addr add 10.50.0.1/24 dev br9
	ip link add out5 type veth peer name in5 address 02:00:00:00:00:55 netns "$pid"
	inside sh -c 'ip addr add 10.50.0.5/24 dev in5; ip link set in5 up; ip route add default via 10.50.0.1'
	before=$(inside ip -o link show in5 | sed 's/@if[0-9]*//;s/link-netns.*//;s/<.*>//;s/state [A-Z]*//')
	dump
	restore --external 'veth[in5]:out5@br9'
	ip -o link show out5 | grep -q 'master br9'
	[ "$(inside ip -o link show in5 | sed 's/@if[0-9]*//;s/link-netns.*//;s/<.*>//;s/state [A-Z]*//')" = "$before" ]
	inside ip route | grep -q 'default via 10.50.0.1'
	wait_for 5 answers 10.50.0.5

	dump
	restore --veth-pair in5=out7
	ip -o link show out7
	inside ip link show in5
	same
}

@test "a veth of which nobody says where it leads gets another end" {
	in_network task/sleeper
	ip link add out5 type veth peer name in5 netns "$pid"
	dump
	wait_for 5 test ! -e /sys/class/net/out5
	restore
	inside ip link show in5
	[ "$(ip -o link show type veth | wc -l)" = 1 ]
	same
}

# bats test_tags=places
@test "a device that is there becomes one of the tree" {
	in_network task/sleeper
	ip link add out5 type veth peer name in5 address 02:00:00:00:00:55 netns "$pid"
	inside sh -c 'ip addr add 10.50.0.5/24 dev in5; ip link set in5 mtu 1411 up'
	index=$(inside cat /proc/net/dev_mcast | awk '/in5/ {print $1; exit}')
	dump
	wait_for 5 sh -c '! ip link show out5 2>/dev/null'
	ip link add here5 type veth peer name soon5
	restore --external 'netdev[in5]:soon5'
	inside ip -o link show in5 | grep -q 'mtu 1411.*02:00:00:00:00:55'
	inside ip -o link show in5 | grep -q "^$index: in5"
	inside ip -o addr show in5 | grep -q 10.50.0.5/24
	ip link show here5
	same
}

# bats test_tags=places
@test "a macvlan comes back on a device outside" {
	in_network task/sleeper
	ip link add br9 type bridge
	ip link set br9 up
	ip link add link br9 name mv0 type macvlan mode private
	ip link set mv0 netns "$pid"
	inside sh -c 'ip addr add 10.51.0.5/24 dev mv0; ip link set mv0 up'
	before=$(inside ip -d -o link show mv0 | grep -o 'link/ether [0-9a-f:]*\|macvlan mode [a-z]*')
	dump
	run restore
	[ "$status" -ne 0 ]
	[[ "$output" == *"--external macvlan[mv0]:NAME"* ]]
	restore --external 'macvlan[mv0]:br9'
	[ "$(inside ip -d -o link show mv0 | grep -o 'link/ether [0-9a-f:]*\|macvlan mode [a-z]*')" = "$before" ]
	inside ip -o addr show mv0 | grep -q 10.51.0.5/24
	same
}

@test "a network namespace stays outside, and is given again" {
	in_network sock/inet
	inode=$(stat -L -c %i "/proc/$pid/ns/net")
	exec 7<"/proc/$pid/ns/net"
	dump --external "net[$inode]:mine" 7>&-
	[ ! -e "$images/netdev-10.img" ]
	run restore 7>&-
	[ "$status" -ne 0 ]
	[[ "$output" == *"--inherit-fd fd[N]:mine"* ]]
	restore --inherit-fd 'fd[7]:mine'
	[ "$(stat -L -c %i "/proc/$pid/ns/net")" = "$inode" ]
	exec 7<&-
	same
}

@test "--empty-ns net leaves the content to others" {
	in_network task/sleeper
	inside ip link add ve0 type veth peer name ve1
	dump --empty-ns net
	run bash -c "ls $images | grep -c 'netdev\|ifaddr\|route'"
	[ "$output" = 0 ]
	restore --empty-ns net --action-script 'case $CRTOOLS_SCRIPT_ACTION in setup-namespaces)
		nsenter -t $CRTOOLS_INIT_PID -n ip link set lo up mtu 1417;; esac'
	inside ip -o link show lo | grep -q 'UP.*mtu 1417'
	run inside ip link show ve0
	[ "$status" -ne 0 ]
	same
}

@test "what is not known is refused by name" {
	in_network task/sleeper
	inside ip link add v5 type veth peer name v6
	inside ip link add link v5 name tap5 type macvtap
	run dump
	[ "$status" -ne 0 ]
	[[ "$output" == *"tap5 of kind macvtap"* ]]
	[[ "$output" == *"--external netdev[tap5]"* ]]
	inside ip link del v5
	inside tc qdisc add dev lo clsact
	inside tc filter add dev lo egress protocol all u32 match u32 0 0 flowid 1:1
	run dump
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot dump a filter (u32"* ]]
	inside tc qdisc del dev lo clsact
	inside tc qdisc add dev lo root handle 5: htb
	inside tc class add dev lo parent 5: classid 5:7 htb rate 1mbit
	inside tc filter add dev lo parent 5:7 protocol all u32 match u32 0 0 flowid 5:7
	run dump
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot dump a filter (u32"* ]]
	inside tc qdisc del dev lo root
	inside ip xfrm policy add src 10.0.0.0/24 dst 10.1.0.0/24 dir out tmpl proto esp mode tunnel
	run dump
	[ "$status" -ne 0 ]
	[[ "$output" == *IPsec* ]]
	inside ip xfrm policy flush
	dump
	restore
	same
}

@test "sockets of all families live in a network namespace" {
	for victim in sock/inet sock/inet_udp sock/inet_raw sock/inet_group sock/unix sock/unix_path \
		sock/unix_tasks sock/netlink sock/packet sock/packet_ring sock/sockopt; do
		echo "$victim"
		in_network $victim
		cycle 2
		same
		end_launched
	done
}

@test "a tree joins namespaces that are there" {
	start sock/inet
	victim=$pid there=$place
	dump
	launch unshare -n -u sh -c 'ip link set lo up; hostname joined; : >ready; sleep 300'
	wait_for 10 test -e "$place/ready"
	holder=$pid
	restore --join-ns "net:$holder" --join-ns "uts:/proc/$holder/ns/uts"
	pid=$victim place=$there
	[ "$(readlink "/proc/$pid/ns/net")" = "$(readlink "/proc/$holder/ns/net")" ]
	[ "$(nsenter -t "$pid" -u hostname)" = joined ]
	same
	run criu_lite restore -D "$images" --join-ns pid:1
	[ "$status" -ne 0 ]
	[[ "$output" == *nsenter* ]]
}

@test "a tree with a network of its own joins another one" {
	in_network sock/unix
	victim=$pid there=$place
	inside ip link add ve0 type veth peer name ve1
	dump
	launch unshare -n sh -c 'ip link set lo up; : >ready; sleep 300'
	wait_for 10 test -e "$place/ready"
	holder=$pid
	restore --join-ns "net:$holder"
	pid=$victim place=$there
	[ "$(readlink "/proc/$pid/ns/net")" = "$(readlink "/proc/$holder/ns/net")" ]
	run inside ip link show ve0
	[ "$status" -ne 0 ]
	same
}

# an echo, until its client goes
echo_server='
import socket, os
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 7077)); s.listen(5); open("ready", "w").close()
c, _ = s.accept(); s.close()
while True:
    data = c.recv(4096)
    if not data: break
    c.sendall(data)
'
# says each line of the file "say" once, and writes what comes back
echo_client='
import socket, sys, time
c = socket.create_connection(("10.50.0.5", 7077)); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
said = 0; f = open("heard", "wb", buffering=0); c.settimeout(0.05)
while True:
    words = open("say", "rb").read()
    if len(words) > said:
        c.sendall(words[said:]); said = len(words)
    try:
        data = c.recv(4096)
        if not data: f.write(b"END"); break
        f.write(data)
    except TimeoutError:
        pass
    except OSError as e:
        f.write(str(e).encode()); break
'

heard()
{
	[ "$(tr '\n' ' ' <"$there/heard")" = "$1" ]
}

@test "a connection through a veth goes on, though its client goes on talking" {
	need python3
	ip link add br9 type bridge
	ip link set br9 up
	ip addr add 10.50.0.1/24 dev br9
	launch python3 -c "print('the client')"
	launch unshare -n python3 -c "$echo_server"
	wait_for 10 test -e "$place/ready"
	server=$pid
	ip link add out5 type veth peer name in5 address 02:00:00:00:00:55 netns "$pid"
	ip link set out5 master br9 up
	inside sh -c 'ip link set lo up; ip addr add 10.50.0.5/24 dev in5; ip link set in5 up'
	launch sh -c "echo one >say; exec python3 -c '${echo_client//\'/}'"
	there=$place
	wait_for 10 heard "one "
	pid=$server

	for word in two three; do
		dump --tcp-established
		echo "$word" >>"$there/say"
		sleep 0.3
		restore --tcp-established --external 'veth[in5]:out5@br9'
		[ $word = three ] || wait_for 20 heard "one two "
	done
	wait_for 20 heard "one two three "
	run inside nft list ruleset
	[[ "$output" != *CRIU* ]]
}
