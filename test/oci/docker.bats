#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of Docker, containerd and runc as Debian has them, with criu-lite in CRIU's place

load ../helpers
load daemons

docker_import()
{
	/usr/bin/docker -H unix:///run/docker.sock import - local/busybox >/dev/null 3>&- 4>&-
}

has_docker()
{
	[ -x /usr/bin/docker ] && command -v dockerd containerd busybox iptables >/dev/null
}

setup_file()
{
	has_docker || return 0
	containerd_start
	dockerd_start
	busybox_rootfs sh sleep ip nc cat | docker_import
}

teardown_file()
{
	daemons_end
}

setup()
{
	has_docker || skip "this machine has no docker.io, containerd, busybox or iptables"
}

teardown()
{
	docker_ ps -aq | while read -r id; do
		docker_ rm -f "$id"
	done >/dev/null 2>&1
}

counts='i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'

last_line()
{
	docker_ logs --tail 1 "$1" | tr -d '\r'
}

counted_beyond()
{
	local n

	n=$(last_line "$1") && [ "${n:-0}" -gt "$2" ]
}

# run_container NAME [OPTION...]
run_container()
{
	local name=$1
	shift

	docker_ run -d --name "$name" "$@" local/busybox sh -c "$counts" >/dev/null
	wait_for 10 counted_beyond "$name" 3
}

says_between()
{
	local n

	n=$(last_line "$1") && [ "${n:-0}" -ge "$2" ] && [ "$n" -le "$3" ]
}

status_of()
{
	docker_ inspect --format '{{.State.Status}}' "$1"
}

is_status()
{
	[ "$(status_of "$1")" = "$2" ]
}

# Docker refuses while containerd has not yet swept up what the same checkpoint left in its
# content store ("already exists"): a race of its own, known since 2018.
start_from()	# start_from CHECKPOINT CONTAINER
{
	wait_for 30 start_is_decided "$@" && [ "$started" = ok ] && return
	echo "$output"
	return 1
}

start_is_decided()
{
	run docker_ start --checkpoint "$@"
	[ "$status" = 0 ] && started=ok || started=no
	[[ $output != *"already exists"* ]]
}

@test "docker: a container is checkpointed and started from that, twice; it counts on" {
	run_container counter --network none
	for i in 1 2; do
		[ "$(docker_ checkpoint create counter "number$i")" = "number$i" ]
		wait_for 10 is_status counter exited
		n=$(last_line counter)
		start_from "number$i" counter
		[ "$(status_of counter)" = running ]
		wait_for 10 counted_beyond counter "$n"
		[ "$(last_line counter)" -lt $((n + 300)) ]
	done
	[ "$(docker_ exec counter sh -c 'echo $((6 * 7))')" = 42 ]
	docker_ checkpoint ls counter | grep -qx number2
	docker_ checkpoint rm counter number1
	[ "$(docker_ checkpoint ls counter | grep -c number)" = 1 ]
}

@test "docker: one that goes on, and its copy when it has stopped" {
	run_container counter --network host
	docker_ checkpoint create --leave-running counter one
	n=$(last_line counter)
	[ "$(status_of counter)" = running ]
	wait_for 10 counted_beyond counter $((n + 60))
	docker_ kill counter
	wait_for 10 is_status counter exited
	start_from one counter
	# back where it was, in the same log
	wait_for 10 says_between counter "$n" $((n + 50))
	n=$(last_line counter)
	wait_for 10 counted_beyond counter "$n"
}

@test "docker: --checkpoint-dir, from where Docker 20.10 itself does not start" {
	run_container counter --network none
	docker_ checkpoint create --checkpoint-dir "$work/kept" counter one
	n=$(last_line counter)
	[ -s "$work/kept/one/inventory.img" ]
	docker_ checkpoint ls --checkpoint-dir "$work/kept" counter | grep -qx one
	wait_for 10 is_status counter exited
	run docker_ start --checkpoint-dir "$work/kept" --checkpoint one counter
	[ "$status" -ne 0 ]
	[[ "$output" == *"custom checkpointdir is not supported"* ]]
	# what its documentation says: a copy where Docker looks for it; here in another container
	docker_ create --name copy --network none local/busybox sh -c "$counts"
	cp -r "$work/kept/one" "$BATS_FILE_TMPDIR/docker/containers/$(docker_ inspect -f '{{.Id}}' copy)/checkpoints/"
	docker_ rm counter
	start_from one copy
	wait_for 10 counted_beyond copy "$n"
}

# what is in it that Docker has no word for
inside()
{
	docker_ exec "$1" sh -c 'ip -4 addr show eth0 | grep inet; ip route; cat /etc/hostname /tmp/file; ulimit -n'
}

# cgroup files of the container
limits()
{
	local id file

	id=$(docker_ inspect -f '{{.Id}}' "$1")
	for file in memory/%/memory.limit_in_bytes pids/%/pids.max cpu/%/cpu.shares devices/%/devices.list; do
		cat "/sys/fs/cgroup/${file/\%/$daemon_group/$id}"
	done
}

@test "docker: a bridge with the same address and a published port, files, a volume, limits" {
	[ -e /sys/fs/cgroup/pids/cgroup.procs ] || skip "/sys/fs/cgroup/pids is not there"
	docker_ run -d --name server -p 127.0.0.1:7007:7 -v "$work:/shared" --memory 64m --pids-limit 50 \
		--cpu-shares 513 --tmpfs /tmp --init local/busybox \
		sh -c 'echo here >/tmp/file; echo up >/shared/is; n=5; while :; do n=$((n+1)); echo $n | nc -l -p 7; done'
	wait_for 10 test -s "$work/is"
	wait_for 10 answers 6
	inside server >"$work/before"
	limits server >>"$work/before"
	grep -q 'inet 172' "$work/before"
	[ "$(sed -n '/^67108864$/,$p' "$work/before" | head -n 3 | xargs)" = "67108864 50 513" ]
	docker_ checkpoint create server one
	wait_for 10 is_status server exited
	start_from one server
	{ inside server; limits server; } | diff "$work/before" -
	# it had been waiting for this client all the time
	wait_for 10 answers 7
}

# answers NUMBER: who connects to the port is told it
answers()
{
	[ "$(busybox nc -w 5 127.0.0.1 7007 </dev/null 2>/dev/null)" = "$1" ]
}

@test "docker: a terminal" {
	run_container counter -t --network none
	docker_ checkpoint create counter one
	wait_for 10 is_status counter exited
	n=$(last_line counter)
	start_from one counter
	wait_for 10 counted_beyond counter "$n"
}

# connected NUMBER: the client has heard it
connected()
{
	grep -qx "$1" "$work/heard"
}

@test "docker: a client outside stays connected, with tcp-established in /etc/criu/runc.conf" {
	mkdir -p "$work"/etc/{upper,work}
	mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc/upper,workdir=$work/etc/work" overlay /etc ||
		skip "/etc cannot have an overlay"
	docker_ network create --subnet 10.77.0.0/24 inner >/dev/null
	docker_ run -d --name server --network inner --ip 10.77.0.7 local/busybox \
		nc -l -p 7 -e sh -c 'while read line; do n=$((n+1)); echo $line $n; done' >/dev/null
	mkdir -p /etc/criu
	wait_for 10 docker_ exec server busybox grep -q ':0007 0*:0000 0A' /proc/net/tcp /proc/net/tcp6
	exec 7<>/dev/tcp/10.77.0.7/7
	cat <&7 >"$work/heard" 3>&- 4>&- &

	run docker_ checkpoint create server none
	[ "$status" -ne 0 ]
	[ "$(status_of server)" = running ]
	echo tcp-established >/etc/criu/runc.conf
	for i in 1 2 3; do
		echo line >&7
		wait_for 10 connected "line $i"
		docker_ checkpoint create server "number$i"
		wait_for 10 is_status server exited
		start_from "number$i" server
	done
	echo last >&7
	wait_for 10 connected "last 4"
	exec 7>&-
	umount -l /etc
}
