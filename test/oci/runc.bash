# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# a container of runc that counts, checkpointed and restored by runc: what runc*.bats share
# (load ../helpers before it)

setup()
{
	need runc busybox python3
	bundle=$work/bundle
	# groups are seen by all, also by tests that run at the same time
	name=criu-lite-${BATS_RUN_TMPDIR##*-}-$BATS_TEST_NUMBER
	images=$work/images
	mkdir -p "$images"
}

teardown()
{
	runc_ delete -f "$name" >/dev/null 2>&1 || :
	runc_ delete -f "$name-2" >/dev/null 2>&1 || :
	[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	[ -z "${console:-}" ] || kill "$console" 2>/dev/null || :
}

# what bats has open would be the container's as well
runc_()
{
	runc --root "$work/state" --criu "$CRIU_LITE" "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

# a bundle whose program counts, in python: more of its configuration
container()
{
	local program

	mkdir -p "$bundle"/rootfs/{bin,proc,sys,dev,etc,tmp}
	cp "$(command -v busybox)" "$bundle/rootfs/bin/"
	for program in sh sleep cat mv nc stat; do
		ln -s busybox "$bundle/rootfs/bin/$program"
	done
	(cd "$bundle" && runc spec)
	python3 - "$bundle/config.json" "/$name" "${1:-}" <<-'EOF'
		import json, sys
		path, cgroup, more = sys.argv[1:]
		c = json.load(open(path))
		c["process"]["terminal"] = False
		c["process"]["args"] = ["sh", "-c", "i=0; while :; do i=$((i+1)); "
		                        "echo $i >/tmp/new; mv /tmp/new /tmp/n; sleep 0.05; done"]
		c["root"]["readonly"] = False
		c["linux"]["cgroupsPath"] = cgroup
		exec(more)
		json.dump(c, open(path, "w"))
	EOF
}

count()
{
	cat "$bundle/rootfs/tmp/n" 2>/dev/null || echo 0
}

counted_beyond()
{
	[ "$(count)" -gt "$1" ]
}

run_container()
{
	(cd "$bundle" && runc_ run -d "$name" >/dev/null 2>&1)
	wait_for 10 counted_beyond 3
}

show_logs()
{
	tail -n 12 "$images"/*.log
}

checkpoint()
{
	runc_ checkpoint --image-path "$images" --work-path "$images" "$@" || { show_logs; return 1; }
}

# restore_container NAME [OPTION...]
restore_container()
{
	local container=$1
	shift
	runc_ restore -d --image-path "$images" --work-path "$images" --bundle "$bundle" "$@" "$container" \
		>/dev/null || { show_logs; return 1; }
}

container_pid()
{
	runc_ state "$name" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])'
}

# namespaces PID: names of those that are not ours
namespaces()
{
	local ns

	for ns in /proc/self/ns/*; do
		[ "$(readlink "/proc/$1/ns/${ns##*/}")" = "$(readlink "$ns")" ] || echo "${ns##*/}"
	done
}

# Masked files are bound by runc to its own /dev/null: of mounts, only where and how they are.
place_of_container()
{
	local pid

	pid=$(container_pid)
	namespaces "$pid"
	cat "/proc/$pid/cgroup"
	cut -d" " -f5,6 "/proc/$pid/mountinfo" | sort
	nsenter -t "$pid" -u hostname
}
