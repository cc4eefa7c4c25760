#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of containerd, by its ctr, and Debian's runc, with criu-lite in CRIU's place

load ../helpers
load daemons

has_containerd()
{
	command -v containerd ctr runc busybox >/dev/null
}

setup_file()
{
	has_containerd || return 0
	containerd_start
	image
}

teardown_file()
{
	daemons_end
}

setup()
{
	has_containerd || skip "this machine has no containerd, ctr, runc or busybox"
}

teardown()
{
	local name

	for name in $(ctr_ c ls -q); do
		ctr_ t rm -f "$name"
		ctr_ c rm "$name"
	done >/dev/null 2>&1
	for name in $(ctr_ i ls -q | grep -vF "$image"); do
		ctr_ i rm --sync "$name"
	done >/dev/null 2>&1
}

ctr_()
{
	timeout 60 ctr "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

image=docker.io/local/busybox:latest

# an archive as docker save makes it
image()
{
	local layer

	cd "$BATS_FILE_TMPDIR" || return
	busybox_rootfs sh sleep mv cat >layer.tar
	read -r layer _ < <(sha256sum layer.tar)
	cat >config.json <<-END
		{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
	END
	echo '[{"Config": "config.json", "RepoTags": ["local/busybox:latest"], "Layers": ["layer.tar"]}]' >manifest.json
	tar -c manifest.json config.json layer.tar | ctr i import - >/dev/null 3>&- 4>&-
}

# ends with status 7 when there is /tmp/end
counts='i=0; until [ -e /tmp/end ]; do i=$((i+1)); echo $i >/tmp/new; mv /tmp/new /tmp/n; sleep 0.05; done; echo at $i; exit 7'

count()
{
	ctr_ t exec --exec-id "count$RANDOM" "$1" cat /tmp/n 2>/dev/null || echo 0
}

counted_beyond()
{
	[ "$(count "$1")" -gt "$2" ]
}

# run_container NAME [OPTION...]
run_container()
{
	local name=$1
	shift

	ctr_ run -d --null-io --cgroup "$daemon_group/$name" "$@" "$image" "$name" sh -c "$counts"
	wait_for 10 counted_beyond "$name" 3
}

status_of()
{
	ctr_ t ls | sed -n "s/^$1  *[0-9]* *//p" | tr -d ' '
}

is_status()
{
	[ "$(status_of "$1")" = "$2" ]
}

restore_container()	# restore_container NAME CHECKPOINT [OPTION...]
{
	local name=$1 checkpoint=$2
	shift 2

	ctr_ c restore --live "$@" "$name" "$checkpoint"
	is_status "$name" RUNNING
}

# exit_status NAME: as the shim has it, who is the parent
exit_status()
{
	wait_for 10 is_status "$1" STOPPED
	ctr_ t rm "$1" 2>&1 | sed -n 's/.*non-zero exit code \([0-9]*\).*/\1/p'
}

@test "containerd: a container with its files goes into the content store, lives on, and comes back from there" {
	run_container one --memory-limit 67108864 --cpu-shares 513
	ctr_ c checkpoint --rw --image --task one store/one
	n=$(count one)
	wait_for 10 counted_beyond one $((n + 60))
	before=$(limits one)
	ctr_ i ls -q | grep -qx store/one
	ctr_ t rm -f one || :
	ctr_ c rm one

	restore_container two store/one --rw
	wait_for 10 counted_beyond two "$n"
	[ "$(count two)" -lt $((n + 60)) ]
	[ "$(limits one)" = "$before" ]
	ctr_ t exec --exec-id end two sh -c ': >/tmp/end'
	[ "$(exit_status two)" = 7 ]
}

# of the group NAME
limits()
{
	local file

	for file in memory/%/memory.limit_in_bytes cpu/%/cpu.shares devices/%/devices.list; do
		cat "/sys/fs/cgroup/${file/\%/$daemon_group/$1}"
	done
}

@test "containerd: ctr task checkpoint --exit; ctr itself has no way back from a task alone" {
	run_container one --mount type=tmpfs,dst=/tmp
	ctr_ t checkpoint --exit one >"$work/checkpoint"
	wait_for 10 is_status one STOPPED
	ctr_ t rm one || :
	ctr_ c rm one
	checkpoint=$(ctr_ i ls -q | grep '/checkpoint/one')
	run ctr_ c restore --live two "$checkpoint"
	[ "$status" -ne 0 ]
	[[ "$output" == *"image name not found in index"* ]]
	# all of it is there
	criu=$(ctr_ content get "$(ctr_ i ls "name==$checkpoint" | grep -o 'sha256:[0-9a-f]*')" | digest_of checkpoint.criu.tar)
	ctr_ content get "$criu" | tar -t | grep -qx inventory.img
}

# digest_of TYPE: of an index on stdin
digest_of()
{
	python3 -c 'import json, sys
print(*(m["digest"] for m in json.load(sys.stdin)["manifests"] if sys.argv[1] in m["mediaType"]))' "$1"
}

@test "containerd: --image-path and --work-path; a checkpoint that fails leaves all as it was" {
	need strace
	run_container one
	mkdir "$work/images" "$work/logs"
	ctr_ t checkpoint --image-path "$work/images" --work-path "$work/logs" one
	grep -q 'Dumping finished successfully' "$work/logs/dump.log"
	[ -s "$work/logs/stats-dump" ] && [ -s "$work/images/inventory.img" ]
	wait_for 10 counted_beyond one "$(count one)"
	# someone else is tracing it
	pid=$(ctr_ t ls | sed -n 's/^one  *\([0-9]*\).*/\1/p')
	strace -qq -o /dev/null -p "$pid" 3>&- 4>&- </dev/null &
	wait_for 10 is_traced "$pid"
	run ctr_ t checkpoint --exit one
	[ "$status" -ne 0 ]
	kill $!
	wait $! || :
	[ "$(status_of one)" = RUNNING ]
	wait_for 10 counted_beyond one "$(count one)"
}

is_traced()
{
	grep -q '^TracerPid:.*[1-9]' "/proc/$1/status"
}

@test "containerd: what a restored container says, and its status, are for who attaches" {
	ctr_ run --cgroup "$daemon_group/one" "$image" one sh -c "$counts" >"$work/one.out" 2>&1 &
	wait_for 10 counted_beyond one 3
	ctr_ c checkpoint --rw --image --task one store/said
	ctr_ t rm -f one || :
	ctr_ c rm one
	restore_container two store/said --rw
	ctr_ t attach two >"$work/two.out" 2>&1 &
	ctr_ t exec --exec-id end two sh -c ': >/tmp/end'
	status=0
	wait $! || status=$?
	[ "$status" = 7 ]
	[[ $(cat "$work/two.out") =~ ^at\ [1-9] ]]
}
