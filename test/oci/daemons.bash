# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# containerd and dockerd of a .bats file's own: started in setup_file, with all they keep
# in $BATS_FILE_TMPDIR and a /run that nobody else sees, ended by daemons_end in
# teardown_file. Their containers are in the group $daemon_group of each hierarchy.

daemon_group=/criu-lite-${BATS_RUN_TMPDIR##*-}

# daemon NAME COMMAND...: in the background, with what it says in a file
daemon()
{
	local name=$1
	shift

	"$@" >"$BATS_FILE_TMPDIR/$name.log" 2>&1 3>&- 4>&- 5>&- 6>&- </dev/null &
	echo $! >"$BATS_FILE_TMPDIR/$name.pid"
}

# daemon_ready NAME COMMAND...: until COMMAND succeeds
daemon_ready()
{
	local name=$1
	shift

	wait_for 60 daemon_answers "$name" "$@" && "$@" >/dev/null && return
	tail -n 5 "$BATS_FILE_TMPDIR/$name.log"
	return 1
}

daemon_answers()
{
	local name=$1
	shift

	"$@" >/dev/null 2>&1 || is_gone "$(cat "$BATS_FILE_TMPDIR/$name.pid")"
}

# criu-lite is found on PATH, as criu
containerd_start()
{
	mkdir "$BATS_FILE_TMPDIR/bin"
	ln -s "$CRIU_LITE" "$BATS_FILE_TMPDIR/bin/criu"
	export PATH=$BATS_FILE_TMPDIR/bin:$PATH
	mount -t tmpfs tmpfs /run
	cat >"$BATS_FILE_TMPDIR/containerd.toml" <<-END
		version = 2
		root = "$BATS_FILE_TMPDIR/containerd"
		state = "/run/containerd"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "/run/containerd/containerd.sock"
	END
	daemon containerd containerd -c "$BATS_FILE_TMPDIR/containerd.toml"
	daemon_ready containerd ctr version
}

# dockerd_start OPTION...
dockerd_start()
{
	echo '{}' >"$BATS_FILE_TMPDIR/docker.json"
	daemon dockerd dockerd --config-file "$BATS_FILE_TMPDIR/docker.json" --experimental \
		--data-root "$BATS_FILE_TMPDIR/docker" --exec-root /run/docker --pidfile /run/docker.pid \
		--host unix:///run/docker.sock --containerd /run/containerd/containerd.sock \
		--exec-opt native.cgroupdriver=cgroupfs --default-ulimit nofile=1024:1024 \
		--cgroup-parent "$daemon_group" "$@"
	daemon_ready dockerd docker_ version
}

docker_()
{
	timeout 60 /usr/bin/docker -H unix:///run/docker.sock "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

# a tar of a root file system: busybox, and links to it
busybox_rootfs()	# busybox_rootfs PROGRAM...
{
	local program root=$BATS_FILE_TMPDIR/rootfs

	mkdir -p "$root"/{bin,tmp}
	cp "$(command -v busybox)" "$root/bin/"
	for program; do
		ln -s busybox "$root/bin/$program"
	done
	tar -C "$root" -c .
}

daemons_end()
{
	local name pid

	for name in dockerd containerd; do
		pid=$(cat "$BATS_FILE_TMPDIR/$name.pid" 2>/dev/null) || continue
		kill "$pid" 2>/dev/null || :
		wait_for 20 is_gone "$pid" || kill -KILL "$pid"
	done
	wait_for 5 daemon_groups_end
}

daemon_groups_end()
{
	find /sys/fs/cgroup -depth -path "*$daemon_group*" -type d -exec rmdir {} + 2>/dev/null
	[ -z "$(find /sys/fs/cgroup -path "*$daemon_group*" -type d)" ]
}
