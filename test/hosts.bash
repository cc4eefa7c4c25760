# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Hosts, for .bats files (load ../helpers, then load ../hosts): namespaces for pids, mounts and
# network, joined by a bridge.
#
#	hosts a b c		10.80.0.1, .2, .3, each with a device eth0
#	on a COMMAND...		there
#	launch_on a COMMAND...	a tree with a pid namespace of its own; sets $pid (as seen
#				there) and $place
#	service_at a		the address 10.80.0.100 is there, and all know it
#	move a b [OPTION...]	the tree of $pid from a to b, and the address with it
#
# They see the same files: what differs between hosts is for tests of their own.

service=10.80.0.100

hosts()
{
	local name n=0 holder

	need ip unshare nsenter python3
	declare -gA host_pid=()
	ip link add br80 type bridge
	ip link set br80 up
	for name; do
		n=$((n + 1))
		launch unshare -n -m -p --fork --mount-proc sh -c 'ip link set lo up; : >ready; exec sleep 1000'
		wait_for 10 test -e "$place/ready"
		holder=$(tr -d " " <"/proc/$pid/task/$pid/children")
		host_pid[$name]=$holder
		launched="$launched $holder"
		ip link add "h80$n" type veth peer name eth0 address "02:00:00:80:00:0$n" netns "$holder"
		ip link set "h80$n" master br80 up
		on "$name" sh -c "ip addr add 10.80.0.$n/24 dev eth0; ip link set eth0 up"
	done
	for name; do
		wait_for 10 on "$name" ping_all "$n"
	done
}

end_hosts()
{
	local name

	for name in "${!host_pid[@]}"; do
		kill -KILL "${host_pid[$name]}" 2>/dev/null || :
	done
	# a namespace takes its devices away when it has time for it
	for name in br80 $(ip -o link show type veth 2>/dev/null | grep -o 'h80[0-9]*'); do
		ip link del "$name" 2>/dev/null || :
	done
}

# on HOST COMMAND...: functions of ours, too
on()
{
	local there=${host_pid[$1]}
	shift

	if [ "$(type -t "$1")" = function ]; then
		export -f "$1"
		set -- bash -c '"$@"' _ "$@"
	fi
	nsenter -t "$there" -n -m -p -w"$PWD" "$@" 3>&- 4>&-
}

# every host answers: its kernel refuses a connection
ping_all()
{
	local i

	for ((i = 1; i <= $1; i++)); do
		timeout 1 bash -c ": <>/dev/tcp/10.80.0.$i/9" 2>&1 | grep -q refused || return
	done
}

launch_on()
{
	local name=$1
	shift

	place=$(mktemp -d "$work/place.XXXXXX")
	chmod 777 "$place"
	(cd "$place" && on "$name" "$B/test/spawn" log "$B/test/inside" p "$@") >"$place/spawned"
	wait_for 10 test -s "$place/init"
	pid=$(cat "$place/init")
}

# announce ADDRESS: whoever has it in mind, learns that it is here now
announce()
{
	python3 - "$1" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0806))
mac, ip, all = s.getsockname()[4], socket.inet_aton(sys.argv[1]), b"\xff" * 6
for op in 1, 2:
    s.send(all + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, op) + mac + ip + all + ip)
END
}

service_at()
{
	on "$1" ip addr replace "$service/32" dev eth0
	on "$1" announce "$service"
}

# what a dump has locked stays so, until somebody says that it will not come back here
unlock_all()
{
	local table

	for table in $(nft list tables | awk '$3 ~ /^CRIU-/ {print $3}'); do
		nft delete table inet "$table"
	done
}

# move FROM TO [OPTION...]: a packet that finds neither the old nor the new one would be answered by
# a reset; so the old host keeps the address, and its lock, until the new one has all
move()
{
	local from=$1 to=$2
	shift 2

	images=$(mktemp -d "$work/images.XXXXXX")
	on "$from" "$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 --tcp-established "$@" </dev/null || return
	on "$to" ip addr replace "$service/32" dev eth0
	on "$to" "$CRIU_LITE" restore -d -D "$images" -o restore.log -v4 --tcp-established \
		--pidfile "$images/pid" "$@" </dev/null || return
	service_at "$to"
	on "$from" ip addr del "$service/32" dev eth0
	on "$from" unlock_all
	pid=$(cat "$images/pid")
	rm -rf "$images"
}
