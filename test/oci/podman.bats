#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of Podman and Debian's runc, both unmodified, with criu-lite in CRIU's place

load ../helpers

setup()
{
	need podman runc busybox
	let_others_in
	mkdir -p "$work"/{bin,rootfs/bin,tmp}
	ln -s "$CRIU_LITE" "$work/bin/criu"
	export PATH=$work/bin:$PATH TMPDIR=$work/tmp
	# conmon, which starts the runtime of a restore, gets only what is named here
	cat >"$work/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "runc"
		conmon_env_vars = ["PATH=$PATH"]
		[network]
		network_config_dir = "$work/networks"
	END
	cat >"$work/storage.conf" <<-END
		[storage]
		driver = "vfs"
		runroot = "$work/run"
		graphroot = "$work/storage"
	END
	export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf

	cp "$(command -v busybox)" "$work/rootfs/bin/"
	for program in sh sleep ip nc; do
		ln -s busybox "$work/rootfs/bin/$program"
	done
	tar -C "$work/rootfs" -c . | podman import -q - local/busybox >/dev/null 2>&1 3>&- 4>&-
}

teardown()
{
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
