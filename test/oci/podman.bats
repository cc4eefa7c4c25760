#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of Podman and Debian's runc, both unmodified, with criu-lite in CRIU's place; and, as
# runc_ckpt_podman, of Podman and Debian's crun with runc-ckpt in front of it

load ../helpers

# Podman wants the name of its runroot short: else conmon's cleanup fails, and --rm with it
setup_file()
{
	mount -t tmpfs tmpfs /run
}

# crun 1.8 cannot use version 1 of control groups if version 2 has a controller, too
use_runc_ckpt()
{
	need crun
	runtime=runc-ckpt
	ln -s "$B/runc-ckpt" "$work/bin/runc-ckpt"
	if mountpoint -q /sys/fs/cgroup/unified && [ "$(stat -fc %T /sys/fs/cgroup/unified)" = cgroup2fs ]; then
		mount -t tmpfs tmpfs /sys/fs/cgroup/unified
	fi
}

setup()
{
	need podman runc busybox
	runtime=runc
	let_others_in
	mkdir -p "$work"/{bin,rootfs/bin,tmp}
	if [[ $BATS_TEST_FILENAME == */runc_ckpt_podman.bats ]]; then
		use_runc_ckpt
	else
		ln -s "$CRIU_LITE" "$work/bin/criu"
	fi
	export PATH=$work/bin:$PATH TMPDIR=$work/tmp
	# conmon, which starts the runtime of a restore, gets only what is named here
	cat >"$work/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "$runtime"
		conmon_env_vars = ["PATH=$PATH"]
		[engine.runtimes]
		runc-ckpt = ["$B/runc-ckpt"]
		[network]
		network_config_dir = "$work/networks"
	END
	cat >"$work/storage.conf" <<-END
		[storage]
		driver = "vfs"
		runroot = "/run/podman"
		graphroot = "$work/storage"
	END
	export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf

	cp "$(command -v busybox)" "$work/rootfs/bin/"
	for program in sh sleep ip nc cat; do
		ln -s busybox "$work/rootfs/bin/$program"
	done
	add_program flock
	tar -C "$work/rootfs" -c . | podman import -q - local/busybox >/dev/null 2>&1 3>&- 4>&-
}

# add_program NAME: to the image, with its libraries
add_program()
{
	local file

	for file in "$(command -v "$1")" $(ldd "$(command -v "$1")" | grep -o '/[^ ]*'); do
		install -D "$file" "$work/rootfs$file"
	done
}

teardown()
{
	podman_ pod rm -fa -t 0 >/dev/null 2>&1 || :
	podman_ rm -fa -t 0 >/dev/null 2>&1 || :
	podman_ rmi -fa >/dev/null 2>&1 || :
}

podman_()
{
	timeout 60 podman "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

counts='i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'

last_line()
{
	podman_ logs --tail 1 "$1" | tr -d '\r'
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

	podman_ run -d --name "$name" "$@" local/busybox /bin/sh -c "$counts" >/dev/null
	wait_for 10 counted_beyond "$name" 3
}

status_of()
{
	podman_ inspect --format '{{.State.Status}}' "$1"
}

@test "podman: a container is checkpointed and restored, twice; it counts on" {
	run_container c --network none
	for i in 1 2; do
		podman_ container checkpoint c
		[ "$(status_of c)" = exited ]
		n=$(last_line c)
		podman_ container restore c
		[ "$(status_of c)" = running ]
		wait_for 10 counted_beyond c "$n"
		[ "$(last_line c)" -lt $((n + 300)) ]
	done
	[ "$(podman_ exec c sh -c 'echo $((6 * 7))')" = 42 ]
}

@test "podman: the latest, statistics, and one that goes on" {
	run_container c --network none
	run podman_ container checkpoint -l --leave-running --print-stats
	[ "$status" -eq 0 ]
	[[ "$output" == *'"pages_written": '[1-9]* ]]
	[ "$(status_of c)" = running ]
	n=$(last_line c)
	wait_for 10 counted_beyond c "$n"
	podman_ container checkpoint --keep c
	podman_ container restore --keep --print-stats c
	wait_for 10 counted_beyond c "$n"
}

@test "podman: an archive is restored where the container is gone, and a second time by another name" {
	run_container c --network none
	for compress in none gzip zstd; do
		podman_ container checkpoint --compress "$compress" --export "$work/archive.$compress" c
		n=$(last_line c)
		podman_ rm c >/dev/null
		podman_ container restore --import "$work/archive.$compress" >/dev/null
		podman_ container restore --import "$work/archive.$compress" --name "copy-$compress" >/dev/null
		wait_for 10 counted_beyond c "$n"
		wait_for 10 counted_beyond "copy-$compress" "$n"
	done
}

@test "podman: --pre-checkpoint, and the checkpoint --with-previous; here, and by archives" {
	# Podman itself asks it whether memory can be tracked
	ln -sf "$CRIU_LITE" "$work/bin/criu"
	run_container c --network none
	for i in 1 2; do
		podman_ container checkpoint --pre-checkpoint c
		[ "$(status_of c)" = running ]
		n=$(last_line c)
		wait_for 10 counted_beyond c "$n"
		podman_ container checkpoint --with-previous c
		[ "$(status_of c)" = exited ]
		n=$(last_line c)
		podman_ container restore c
		wait_for 10 counted_beyond c "$n"
	done
	podman_ container checkpoint --pre-checkpoint --export "$work/before.tar" c
	podman_ container checkpoint --with-previous --export "$work/archive.tar" c
	n=$(last_line c)
	podman_ rm c >/dev/null
	podman_ container restore --import-previous "$work/before.tar" --import "$work/archive.tar" >/dev/null
	wait_for 10 counted_beyond c "$n"
}

@test "podman: a terminal" {
	run_container c -t --network none
	podman_ container checkpoint c
	n=$(last_line c)
	podman_ container restore c
	wait_for 10 counted_beyond c "$n"
}

@test "podman: the network of the host" {
	run_container c --network host
	podman_ container checkpoint c
	n=$(last_line c)
	podman_ container restore c
	wait_for 10 counted_beyond c "$n"
}

address()
{
	podman_ exec "$1" ip -4 addr show eth0 | sed -n 's/^ *inet \([0-9.]*\).*/\1/p'
}

@test "podman: a bridge, with the same address afterwards" {
	run_container c
	before=$(address c)
	[ -n "$before" ]
	podman_ container checkpoint c
	podman_ container restore c
	[ "$(address c)" = "$before" ]
	wait_for 10 counted_beyond c "$(last_line c)"
}

@test "podman: a volume, and limits" {
	mkdir "$work/shared"
	run_container c --network none -v "$work/shared:/shared" --memory 64m --pids-limit 50
	podman_ exec c sh -c 'echo before >/shared/file'
	podman_ container checkpoint c
	podman_ container restore c
	wait_for 10 counted_beyond c "$(last_line c)"
	podman_ exec c sh -c 'echo after >>/shared/file'
	[ "$(cat "$work/shared/file")" = $'before\nafter' ]
	[ "$(podman_ inspect --format '{{.HostConfig.Memory}}' c)" = 67108864 ]
}

@test "podman: all of them; nothing of what they say is lost or said twice" {
	run_container one --network none
	run_container two --network none
	podman_ container checkpoint -a
	[ "$(status_of one)$(status_of two)" = exitedexited ]
	n=$(last_line one) m=$(last_line two)
	podman_ container restore -a
	wait_for 10 counted_beyond one "$n"
	wait_for 10 counted_beyond two "$m"
	podman_ logs one >"$work/log"
	seq 1 "$(tail -n 1 "$work/log")" | diff - "$work/log"
}

@test "podman: changes of files go with an archive, or not (--ignore-rootfs); volumes, too" {
	run_container c --network none -v local-volume:/kept
	podman_ exec c sh -c 'echo one >/file; echo two >/kept/file'
	podman_ container checkpoint --leave-running --export "$work/with.tar" c
	podman_ container checkpoint --ignore-rootfs --ignore-volumes --export "$work/without.tar" c
	podman_ rm -v c >/dev/null
	podman_ volume rm -fa >/dev/null
	podman_ container restore --import "$work/with.tar" --name with >/dev/null
	[ "$(podman_ exec with cat /file /kept/file)" = $'one\ntwo' ]
	podman_ rm -f -t 0 -v with >/dev/null
	podman_ volume rm -fa >/dev/null
	for name in first second; do
		podman_ container restore --import "$work/without.tar" --ignore-rootfs --ignore-volumes --name $name >/dev/null
	done
	run podman_ exec first cat /file
	[[ "$status" -ne 0 && "$output" == *"No such file"* ]]
	wait_for 10 counted_beyond first "$(last_line first)"
	wait_for 10 counted_beyond second "$(last_line second)"
}

@test "podman: an image of a running container (--create-image)" {
	run_container c --network none
	podman_ container checkpoint --create-image local/checkpoint c
	n=$(last_line c)
	podman_ rm c >/dev/null
	podman_ container restore --name first local/checkpoint >/dev/null
	podman_ container restore --name second local/checkpoint >/dev/null
	wait_for 10 counted_beyond first "$n"
	wait_for 10 counted_beyond second "$n"
}

mac()
{
	podman_ exec "$1" busybox ifconfig eth0 | sed -n 's/.*HWaddr *\([0-9A-F:]*\).*/\1/p'
}

@test "podman: a fixed address is kept, or not (--ignore-static-ip, --ignore-static-mac)" {
	run_container c --ip 10.88.77.7 --mac-address 02:01:02:03:04:05
	podman_ container checkpoint --export "$work/archive" c
	podman_ rm c >/dev/null
	podman_ container restore --import "$work/archive" >/dev/null
	[ "$(address c) $(mac c)" = "10.88.77.7 02:01:02:03:04:05" ]
	podman_ container restore --import "$work/archive" --name other --ignore-static-ip --ignore-static-mac >/dev/null
	[ "$(address other)" != 10.88.77.7 ]
	[ -n "$(address other)" ]
	[ "$(mac other)" != 02:01:02:03:04:05 ]
	wait_for 10 counted_beyond other "$(last_line other)"
}

# answers PORT NUMBER: who connects to the port is told it
answers()
{
	[ "$(busybox nc -w 5 127.0.0.1 "$1" </dev/null 2>/dev/null)" = "$2" ]
}

@test "podman: published ports, the old and a new one; --rm" {
	podman_ run -d --rm --name c -p 7007:7 local/busybox /bin/sh -c \
		'n=5; while :; do n=$((n+1)); echo $n | nc -l -p 7; done' >/dev/null
	wait_for 10 answers 7007 6
	run podman_ container checkpoint c
	[ "$status" -ne 0 ]
	podman_ container checkpoint --export "$work/archive" c
	wait_for 10 is_removed c
	podman_ container restore --import "$work/archive" >/dev/null
	wait_for 10 answers 7007 7
	podman_ container restore --import "$work/archive" --name other -p 7008:7 >/dev/null
	wait_for 10 answers 7008 7
	podman_ kill other >/dev/null
	wait_for 10 is_removed other
}

is_removed()
{
	! podman_ container exists "$1"
}

is_locked()
{
	! podman_ exec c flock -n /lock -c :
}

@test "podman: locks of files, and a client outside that stays connected" {
	podman_ run -d --name c --ip 10.88.77.7 local/busybox flock /lock \
		nc -l -p 7 -e sh -c 'while read line; do n=$((n+1)); echo $line $n; done' >/dev/null
	wait_for 10 podman_ exec c busybox grep -q ':0007 0*:0000 0A' /proc/net/tcp /proc/net/tcp6
	exec 7<>/dev/tcp/10.88.77.7/7
	cat <&7 >"$work/heard" 3>&- 4>&- &
	is_locked
	run podman_ container checkpoint c
	[ "$status" -ne 0 ]
	[ "$(status_of c)" = running ]
	for i in 1 2; do
		echo line >&7
		wait_for 10 grep -qx "line $i" "$work/heard"
		podman_ container checkpoint --file-locks --tcp-established c
		podman_ container restore --file-locks --tcp-established c
		is_locked
	done
	echo last >&7
	wait_for 10 grep -qx 'last 3' "$work/heard"
	exec 7>&-
}

@test "podman: into another pod" {
	podman_ pod create --name one --share ipc,net,uts >/dev/null
	run_container c --pod one
	podman_ container checkpoint --export "$work/archive" c
	n=$(last_line c)
	podman_ pod rm -f -t 0 one >/dev/null
	# this Podman knows the pod by its id only
	pod=$(podman_ pod create --name two --share ipc,net,uts)
	podman_ container restore --import "$work/archive" --pod "$pod" --name other >/dev/null
	wait_for 10 counted_beyond other "$n"
	[ "$(podman_ exec other busybox hostname)" = two ]
}
