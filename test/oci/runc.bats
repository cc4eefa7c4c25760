#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of runc, as Debian has it, with criu-lite in CRIU's place

load ../helpers
load runc

@test "runc asks for our version, and is content" {
	container
	run_container
	run runc_ checkpoint --image-path "$images" --work-path "$images" "$name"
	[[ "$output" != *"version"* ]]
	# it got as far as a dump
	grep -q 'criu-lite .*: dump' "$images/dump.log"
}

@test "--pre-dump, twice, and the checkpoint on top of them (--parent-path)" {
	container
	run_container
	images=$work/all
	runc_ checkpoint --pre-dump --image-path "$images/1" --work-path "$images/1" "$name"
	runc_ checkpoint --pre-dump --image-path "$images/2" --work-path "$images/2" --parent-path ../1 "$name"
	before=$(count)
	wait_for 5 counted_beyond "$before"
	images=$work/all/3
	checkpoint --parent-path ../2 "$name"
	"$CRIU_LITE" show decode -i "$images/stats-dump" | grep -q '"pages_skipped_parent": [1-9]'
	before=$(count)
	restore_container "$name"
	wait_for 5 counted_beyond "$before"
}

@test "an engine is told why a checkpoint failed, and the container goes on" {
	container
	run_container
	mkdir -p "$images"
	: >"$images/inventory.img"
	chattr +i "$images/inventory.img" || skip "this file system has no immutable files"
	run runc_ checkpoint --image-path "$images" --work-path "$images" "$name"
	chattr -i "$images/inventory.img"
	[ "$status" -ne 0 ]
	# runc quotes such lines
	grep -q 'Error (' "$images/dump.log"
	before=$(count)
	wait_for 5 counted_beyond "$before"
}

@test "a container is checkpointed, gone, restored, and counts on; twice" {
	container
	run_container
	for i in 1 2; do
		images=$work/images.$i
		checkpoint "$name"
		before=$(count)
		[ "$(runc_ list -q)" = "" ]
		[ -s "$images/dump.log" ] && [ -s "$images/stats-dump" ]
		restore_container "$name"
		[ -s "$images/restore.log" ] && [ -s "$images/stats-restore" ]
		wait_for 5 counted_beyond "$before"
		[ "$(count)" -lt $((before + 100)) ]
		runc_ list | grep -q "^$name .* running "
	done
	runc_ exec "$name" cat /tmp/n
}

exec_count()
{
	cat "$bundle/rootfs/tmp/exec.$1" 2>/dev/null || echo 0
}

exec_counted_beyond()
{
	[ "$(exec_count "$1")" -gt "$2" ]
}

@test "a process that joined by exec lives on, also in a container that was restored before" {
	container
	run_container
	for i in 1 2 3; do
		runc_ exec -d "$name" sh -c "i=0; while :; do i=\$((i+1)); echo \$i >/tmp/exec.new$i
			mv /tmp/exec.new$i /tmp/exec.$i; sleep 0.05; done" >/dev/null 2>&1
		wait_for 10 exec_counted_beyond "$i" 3
		images=$work/images.$i
		checkpoint "$name"
		before=$(count) joined=$(exec_count 1) last=$(exec_count "$i")
		restore_container "$name"
		wait_for 10 counted_beyond "$before"
		wait_for 10 exec_counted_beyond 1 "$joined"
		wait_for 10 exec_counted_beyond "$i" "$last"
	done
}

@test "what is restored is in namespaces, groups and mounts as before" {
	container
	run_container
	before=$(place_of_container)
	[ "$(sed -n 1,/cgroup/p <<<"$before" | grep -cxE 'ipc|mnt|net|pid|uts')" = 5 ]
	checkpoint "$name"
	restore_container "$name"
	diff <(echo "$before") <(place_of_container)
}

@test "--leave-running: the container goes on, and its copy is restored when it is gone" {
	container
	run_container
	checkpoint --leave-running "$name"
	before=$(count)
	wait_for 5 counted_beyond "$before"
	runc_ delete -f "$name"
	restore_container "$name-2"
	wait_for 5 counted_beyond "$before"
}

# what the groups of the container say, of version 1
limits()
{
	local pid g

	pid=$(container_pid)
	for g in pids:pids.max memory:memory.limit_in_bytes cpu:cpu.shares devices:devices.list; do
		cat "/sys/fs/cgroup/${g%:*}$(sed -n "s/^[0-9]*:${g%:*}://p" "/proc/$pid/cgroup")/${g#*:}"
	done
	ls "/sys/fs/cgroup/pids$(sed -n "s/^[0-9]*:pids://p" "/proc/$pid/cgroup")"
}

@test "limits and groups of a container, with every mode of cgroups that runc has" {
	[ -e /sys/fs/cgroup/pids/cgroup.procs ] || skip "/sys/fs/cgroup/pids is not there"
	container 'c["linux"]["resources"].update(pids={"limit": 77}, memory={"limit": 1 << 28}, cpu={"shares": 513})'
	run_container
	mkdir "/sys/fs/cgroup/pids/$name/inner"
	before=$(limits)
	[[ $before == *77*268435456*513* ]]
	for mode in soft full strict; do
		images=$work/images.$mode
		checkpoint --manage-cgroups-mode "$mode" "$name"
		restore_container "$name" --manage-cgroups-mode "$mode"
		diff <(echo "$before") <(limits)
	done
	runc_ delete -f "$name"
}

@test "a container that is paused stays paused" {
	container
	run_container
	runc_ pause "$name"
	before=$(count)
	checkpoint --leave-running "$name"
	sleep 0.3
	[ "$(count)" -le $((before + 1)) ]
	runc_ resume "$name"
	wait_for 5 counted_beyond $((before + 2))
}

@test "a container with a terminal: whoever restores it has the master" {
	container 'c["process"]["terminal"] = True
c["process"]["args"] = ["sh", "-c", "stty -echo 2>/dev/null; n=0; while read line; do n=$((n+1)); "
                        "echo got $line $n; echo $n >/tmp/n; done"]'
	"$BATS_TEST_DIRNAME/console.py" "$work/console" "$work/said" 3>&- 4>&- </dev/null &
	console=$!
	wait_for 5 test -S "$work/console"
	(cd "$bundle" && runc_ run -d --console-socket "$work/console" "$name")
	wait_for 10 counted_beyond 0
	checkpoint "$name"
	restore_container "$name" --console-socket "$work/console"
	wait_for 10 counted_beyond 1
	wait_for 10 grep -q 'got hello 2' "$work/said"
}

@test "in the foreground, runc ends with the status of the restored program" {
	container 'c["process"]["args"] = ["sh", "-c", "until [ -e /tmp/end ]; do i=$((i+1)); echo $i >/tmp/n; "
                        "sleep 0.05; done; exit 7"]'
	run_container
	checkpoint "$name"
	runc_ restore --image-path "$images" --work-path "$images" --bundle "$bundle" "$name" >"$work/out" 2>&1 &
	before=$(count)
	wait_for 10 counted_beyond "$before"
	: >"$bundle/rootfs/tmp/end"
	status=0
	wait $! || status=$?
	[ "$status" = 7 ] || { cat "$work/out"; show_logs; false; }
}

@test "pipes of runc become those of the runc that restores" {
	container 'c["process"]["args"] = ["sh", "-c", "while read line; do echo $line >/tmp/n; echo heard $line; done"]'
	mkfifo "$work/in"
	(cd "$bundle" && cat "$work/in" | runc --root "$work/state" run "$name" 2>&1 | cat >"$work/out") 3>&- 4>&- &
	exec 7>"$work/in"
	echo 5 >&7
	wait_for 10 counted_beyond 4
	checkpoint "$name"
	exec 7>&-
	wait
	cat <(echo 6; wait_for 10 counted_beyond 5) |
		runc --root "$work/state" --criu "$CRIU_LITE" restore --image-path "$images" --work-path "$images" \
			--bundle "$bundle" "$name" 3>&- 4>&- 2>&1 | cat >"$work/again"
	grep -qx 'heard 6' "$work/again" || { cat "$work/again"; show_logs; false; }
}

@test "a network namespace of its own file is given again by runc" {
	need ip
	ip netns add "$name"
	container 'next(n for n in c["linux"]["namespaces"] if n["type"] == "network")["path"] = "/run/netns" + cgroup'
	run_container
	ip -n "$name" link set lo up
	checkpoint "$name"
	before=$(count)
	restore_container "$name"
	wait_for 5 counted_beyond "$before"
	runc_ exec "$name" busybox ip link show lo | grep -q 'LOOPBACK,UP'
	pid=$(container_pid)
	[ "$(stat -Lc %i "/proc/$pid/ns/net")" = "$(stat -Lc %i "/run/netns/$name")" ]
}

@test "settings come from the file that an annotation names" {
	container 'c["annotations"] = {"org.criu.config": cgroup}'
	sed -i "s|\"org.criu.config\": \"/$name\"|\"org.criu.config\": \"$work/conf\"|" "$bundle/config.json"
	printf 'log-file other.log\n' >"$work/conf"
	run_container
	checkpoint "$name"
	[ -s "$images/other.log" ] && [ ! -e "$images/dump.log" ]
}

@test "--page-server: memory goes over a connection" {
	container
	run_container
	criu_lite page-server -D "$images" -o server.log -v4 --address 127.0.0.1 --port 7373 --status-fd 7 \
		7>"$work/status" &
	server=$!
	wait_for 10 test -s "$work/status"
	checkpoint --page-server 127.0.0.1:7373 "$name"
	wait $server
	[ -s "$images/pages-65537.img" ]
	before=$(count)
	restore_container "$name"
	wait_for 5 counted_beyond "$before"
}

@test "--lazy-pages: the restored container counts on, and its memory follows" {
	container
	run_container
	mkdir "$work/there"
	sed "s|\"rootfs\"|\"$bundle/rootfs\"|; s|\"cgroupsPath\": \"/$name\"|\"cgroupsPath\": \"/$name-2\"|" \
		"$bundle/config.json" >"$work/there/config.json"
	runc_ checkpoint --image-path "$images" --work-path "$images" --lazy-pages --page-server 127.0.0.1:7474 \
		--status-fd 7 "$name" 7>"$work/status" &
	source=$!
	wait_for 10 test -s "$work/status" || { show_logs; false; }
	before=$(count)
	criu_lite lazy-pages -D "$images" -o lazy.log -v4 --page-server --address 127.0.0.1 --port 7474 \
		--status-fd 7 7>"$work/ready" &
	daemon=$!
	wait_for 10 test -s "$work/ready" || { show_logs; false; }
	(cd "$work/there" && runc_ restore -d --lazy-pages --image-path "$images" --work-path "$images" \
		"$name-2" >/dev/null 2>&1) || { show_logs; false; }
	wait_for 5 counted_beyond "$before"
	wait $daemon
	wait $source
	grep -q 'pages have come, [1-9]' "$images/lazy.log"
	[ "$(runc_ list -q)" = "$name-2" ]
}
