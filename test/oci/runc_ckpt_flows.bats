#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of Debian's crun, which knows no checkpoints, and of runc, dumped and restored by runc-ckpt

load ../helpers

setup()
{
	need busybox python3 runc
	bundle=$work/bundle
	name=criu-lite-flow-$$
	images=$work/images
	unset RUNC_CKPT_RUNTIME RUNC_CKPT_NATIVE
	# crun 1.8 cannot use version 1 if version 2 has a controller, too
	if mountpoint -q /sys/fs/cgroup/unified; then
		mount -t tmpfs tmpfs /sys/fs/cgroup/unified
	fi
}

teardown()
{
	for behind in crun runc; do
		runtime delete -f "$name" >/dev/null 2>&1 || :
		runtime delete -f "$name-2" >/dev/null 2>&1 || :
	done
	[ -z "${console:-}" ] || kill "$console" 2>/dev/null || :
	[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	umount /sys/fs/cgroup/unified 2>/dev/null || :
}

# with FLOW: everything that follows, with each runtime
with()
{
	local flow=$1

	for behind in crun runc; do
		command -v "$behind" >/dev/null || { echo "# no $behind" >&3; continue; }
		rm -rf "$bundle" "$images"*
		echo "with $behind"
		"$flow"
		runtime delete -f "$name" >/dev/null 2>&1 || :
	done
}

# what bats has open would be the container's as well
runtime()
{
	"$B/runc-ckpt" --runtime "$behind" --root "$work/state.$behind" "$@" 3>&- 4>&- 5>&- 6>&-
}

# a bundle whose program counts; in python: more of its configuration
container()
{
	local program

	mkdir -p "$bundle"/rootfs/{bin,proc,sys,dev,etc,tmp}
	cp "$(command -v busybox)" "$bundle/rootfs/bin/"
	for program in sh sleep cat mv stty grep nc; do
		ln -s busybox "$bundle/rootfs/bin/$program"
	done
	(cd "$bundle" && runc spec)
	python3 - "$bundle/config.json" "/$name" "${1:-}" <<-'END'
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
	END
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
	runtime run -d --bundle "$bundle" "$name" >/dev/null 2>&1 </dev/null
	wait_for 10 counted_beyond 3
}

show_logs()
{
	tail -n 12 "$images"/*.log
}

checkpoint()
{
	runtime checkpoint --image-path "$images" "$@" || { show_logs; return 1; }
}

# restore_container NAME [OPTION...]
restore_container()
{
	local container=$1
	shift
	runtime restore -d --image-path "$images" --bundle "$bundle" "$@" "$container" >/dev/null </dev/null ||
		{ show_logs; return 1; }
}

pid_of()
{
	runtime state "$name" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])'
}

# Masked files are bound to the runtime's own /dev/null: of mounts, only where and how they are.
place_of_container()
{
	local pid ns

	pid=$(pid_of)
	for ns in /proc/self/ns/*; do
		[ "$(readlink "/proc/$pid/ns/${ns##*/}")" = "$(readlink "$ns")" ] || echo "${ns##*/}"
	done
	cat "/proc/$pid/cgroup"
	cut -d" " -f5,6 "/proc/$pid/mountinfo" | sort
	nsenter -t "$pid" -u hostname
	grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Groups)' "/proc/$pid/status"
	cat "/proc/$pid/limits"
}

# what a container could leave behind
traces()
{
	find /sys/fs/cgroup -path "*$name*" -not -path '*/unified/*'
	grep "$work" /proc/self/mountinfo
	ls -A "$work/state.$behind"
	ls -A "$bundle" | grep -vx -e config.json -e rootfs
}

is_stopped()
{
	runtime state "$name" | grep -q '"status": "stopped"'
}

counts_on()
{
	container
	run_container
	before_all=$(place_of_container)
	caps=$(runtime exec "$name" grep Cap /proc/self/status)
	config=$(md5sum <"$bundle/config.json")
	for i in 1 2; do
		images=$work/images.$i
		checkpoint --file-locks "$name"
		before=$(count)
		[ "$(runtime list -q)" = "" ]
		[ -s "$images/dump.log" ] && [ -s "$images/stats-dump" ]
		restore_container "$name" --file-locks --pid-file "$work/pid" -no-subreaper
		[ -s "$images/restore.log" ]
		[ "$(cat "$work/pid")" = "$(pid_of)" ]
		wait_for 5 counted_beyond "$before"
		[ "$(count)" -lt $((before + 100)) ]
		runtime state "$name" | grep -q '"status": "running"'
		diff <(echo "$before_all") <(place_of_container)
		# who joins may do what he might before, and nothing more
		[ "$(runtime exec "$name" grep Cap /proc/self/status)" = "$caps" ]
		[ "$(md5sum <"$bundle/config.json")" = "$config" ]
	done
	[ -n "$(traces)" ]
	runtime kill "$name" KILL
	wait_for 5 is_stopped
	runtime delete "$name"
	[ "$(traces)" = "" ]
}

@test "a container is checkpointed, gone, restored where it was, and counts on; twice; and leaves nothing" {
	with counts_on
}

joins()
{
	container
	run_container
	for i in 1 2 3; do
		runtime exec -d "$name" sh -c "i=0; while :; do i=\$((i+1)); echo \$i >/tmp/exec.new$i
			mv /tmp/exec.new$i /tmp/exec.$i; sleep 0.05; done" >/dev/null 2>&1 </dev/null
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

exec_count()
{
	cat "$bundle/rootfs/tmp/exec.$1" 2>/dev/null || echo 0
}

exec_counted_beyond()
{
	[ "$(exec_count "$1")" -gt "$2" ]
}

@test "a process that joined by exec lives on, also in a container that was restored before" {
	with joins
}

leaves_running()
{
	container
	run_container
	checkpoint --leave-running "$name"
	before=$(count)
	wait_for 5 counted_beyond "$before"
	runtime delete -f "$name"
	restore_container "$name-2"
	wait_for 5 counted_beyond "$before"
	runtime delete -f "$name-2"
	# paused, it stays paused
	run_container
	runtime pause "$name"
	before=$(count)
	checkpoint --leave-running "$name"
	runtime state "$name" | grep -q '"status": "paused"'
	[ "$(count)" -le $((before + 1)) ]
	runtime resume "$name"
	wait_for 5 counted_beyond $((before + 2))
	# and comes back running
	runtime pause "$name"
	checkpoint "$name"
	restore_container "$name"
	before=$(count)
	wait_for 5 counted_beyond "$before"
}

@test "--leave-running: the container goes on, or stays paused; its copy is restored when it is gone" {
	with leaves_running
}

# what the groups of the container say, of version 1
limits()
{
	local pid g

	pid=$(pid_of)
	for g in pids:pids.max memory:memory.limit_in_bytes cpu:cpu.shares devices:devices.list; do
		cat "/sys/fs/cgroup/${g%:*}$(sed -n "s/^[0-9]*:${g%:*}://p" "/proc/$pid/cgroup")/${g#*:}"
	done
	ls "/sys/fs/cgroup/pids$(sed -n "s/^[0-9]*:pids://p" "/proc/$pid/cgroup")"
}

is_limited()
{
	container 'c["linux"]["resources"].update(pids={"limit": 77}, memory={"limit": 1 << 28}, cpu={"shares": 513})
c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 777, "hard": 778}]
c["process"]["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
c["process"]["capabilities"]["ambient"] = []
c["mounts"].append({"destination": "/tmp", "type": "bind", "source": cgroup, "options": ["rbind", "rw"]})'
	mkdir -p "$work/shared"
	chmod 777 "$work/shared"
	sed -i "s|\"source\": \"/$name\"|\"source\": \"$work/shared\"|" "$bundle/config.json"
	rm -rf "$bundle/rootfs/tmp"/*
	runtime run -d --bundle "$bundle" "$name" >/dev/null 2>&1 </dev/null
	wait_for 10 test -s "$work/shared/n"
	mkdir "/sys/fs/cgroup/pids/$name/inner"
	before=$(limits; place_of_container)
	[[ $before == *77*268435456*513*"Max open files            777                  778"* ]]
	for mode in soft full ignore; do
		images=$work/images.$mode
		checkpoint --manage-cgroups-mode "$mode" "$name"
		restore_container "$name" --manage-cgroups-mode "$mode"
		[ "$mode" != ignore ] || mkdir "/sys/fs/cgroup/pids/$name/inner"
		diff <(echo "$before") <(limits; place_of_container)
		n=$(cat "$work/shared/n")
		wait_for 10 sh -c "[ \$(cat '$work/shared/n') -gt $n ]"
	done
}

@test "limits, groups, another user and a volume, with every mode of cgroups" {
	[ -e /sys/fs/cgroup/pids/cgroup.procs ] || skip "/sys/fs/cgroup/pids is not there"
	with is_limited
}

has_terminal()
{
	container 'c["process"]["terminal"] = True
c["process"]["args"] = ["sh", "-c", "stty -echo 2>/dev/null; n=0; while read line; do n=$((n+1)); "
                        "echo got $line $n; echo $n >/tmp/n; done"]'
	rm -f "$work/console" "$work/said"
	"$BATS_TEST_DIRNAME/console.py" "$work/console" "$work/said" 3>&- 4>&- </dev/null &
	console=$!
	wait_for 5 test -S "$work/console"
	runtime run -d --bundle "$bundle" --console-socket "$work/console" "$name" </dev/null
	wait_for 10 counted_beyond 0
	checkpoint "$name"
	run runtime restore -d --image-path "$images" --bundle "$bundle" "$name"
	[ "$status" -eq 1 ]
	[[ "$output" == *"it has a terminal"*"do:  give --console-socket"* ]]
	restore_container "$name" --console-socket "$work/console"
	wait_for 10 counted_beyond 1
	wait_for 10 grep -q 'got hello 2' "$work/said"
	[[ "$(runtime exec "$name" cat /proc/1/mountinfo)" == *" /dev/console "* ]]
	kill "$console"
}

@test "a container with a terminal: whoever restores it has the master" {
	with has_terminal
}

in_foreground()
{
	container 'c["process"]["args"] = ["sh", "-c", "until [ -e /tmp/end ]; do i=$((i+1)); echo $i >/tmp/n; "
                        "sleep 0.05; done; exit 7"]'
	run_container
	checkpoint "$name"
	runtime restore --image-path "$images" --bundle "$bundle" "$name" </dev/null >"$work/out" 2>&1 &
	before=$(count)
	wait_for 10 counted_beyond "$before"
	: >"$bundle/rootfs/tmp/end"
	status=0
	wait $! || status=$?
	[ "$status" = 7 ] || { cat "$work/out"; show_logs; false; }
	[ "$(runtime list -q)" = "" ]
}

@test "in the foreground, the status is that of the restored program" {
	with in_foreground
}

has_pipes()
{
	container 'c["process"]["args"] = ["sh", "-c", "while read line; do echo $line >/tmp/n; echo heard $line; done"]'
	rm -f "$work/in"
	mkfifo "$work/in"
	(cat "$work/in" | runtime run --bundle "$bundle" "$name" 2>&1 | cat >"$work/out") 3>&- 4>&- &
	exec 7>"$work/in"
	echo 5 >&7
	wait_for 10 counted_beyond 4
	checkpoint "$name" 7>&-
	exec 7>&-
	wait
	cat <(echo 6; wait_for 10 counted_beyond 5) |
		runtime restore --image-path "$images" --bundle "$bundle" "$name" 2>&1 | cat >"$work/again"
	grep -qx 'heard 6' "$work/again" || { cat "$work/again"; show_logs; false; }
}

@test "pipes become those of who restores" {
	with has_pipes
}

has_user_namespace()
{
	container 'c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
c["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]'
	let_others_in
	chown -R 100000:100000 "$bundle/rootfs"
	run_container
	before_all=$(place_of_container)
	for i in 1 2; do
		images=$work/images.$i
		checkpoint "$name"
		before=$(count)
		restore_container "$name"
		wait_for 5 counted_beyond "$before"
		diff <(echo "$before_all") <(place_of_container)
	done
	runtime exec "$name" sh -c 'echo joined'
}

@test "a container in a user namespace" {
	with has_user_namespace
}

is_confined()
{
	container 'c["process"]["args"] = ["sh", "-c", "nc -l -p 7 -e cat & "
                        "i=0; while :; do i=$((i+1)); echo $i >/tmp/new; mv /tmp/new /tmp/n; sleep 0.05; done"]
c["process"]["noNewPrivileges"] = True
next(n for n in c["linux"]["namespaces"] if n["type"] == "network")["path"] = "/run/netns" + cgroup
c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                         "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
c["annotations"] = {"org.criu.config": "/settings"}
c["hooks"] = {when: [{"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; echo " + when + " >>hooks"]}]
              for when in ("createRuntime", "poststart", "poststop")}
c["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; echo x >/tmp/started"]}]'
	ip netns add "$name"
	ip -n "$name" link set lo up
	printf 'tcp-established\n' >"$work/settings"
	sed -i "s|\"/settings\"|\"$work/settings\"|; s|>>hooks|>>$work/hooks|g" "$bundle/config.json"
	rm -f "$work/hooks"
	run_container
	exec 7<> >(ip netns exec "$name" busybox nc 127.0.0.1 7 >"$work/heard" 3>&- 4>&-)
	echo one >&7
	wait_for 10 grep -qx one "$work/heard"
	: >"$work/hooks"
	before_all=$(place_of_container)
	checkpoint "$name" 7>&-
	[ "$(cat "$work/hooks")" = poststop ]
	rm "$bundle/rootfs/tmp/started"
	before=$(count)
	restore_container "$name" 7>&-
	wait_for 5 counted_beyond "$before"
	[ "$(cat "$work/hooks")" = $'poststop\ncreateRuntime' ]
	[ ! -e "$bundle/rootfs/tmp/started" ]
	diff <(echo "$before_all") <(place_of_container)
	echo two >&7
	wait_for 10 grep -qx two "$work/heard"
	exec 7>&-
	# neither who was there nor who comes may do what the filter forbids
	run runtime exec "$name" busybox mkdir /tmp/x
	[[ "$output" == *"unction not implemented"* ]] || { echo "$output"; runtime exec "$name" grep Sec /proc/self/status /proc/1/status; return 1; }
	runtime exec "$name" grep -qx "Seccomp:[[:blank:]]2" /proc/self/status
	[ "$(runtime list -q)" = "$name" ]
	runtime delete -f "$name"
	ip netns del "$name"
}

@test "seccomp, a network namespace of its own file, an open connection, settings by annotation, hooks" {
	need ip
	with is_confined
}

in_rounds()
{
	local round last=

	container
	run_container
	for round in 1 2; do
		runtime checkpoint --pre-dump --image-path "$images.$round" \
			${last:+--parent-path "../${images##*/}.$last"} "$name" ||
			{ tail -n 12 "$images.$round"/*.log; return 1; }
		last=$round
	done
	checkpoint --parent-path "../${images##*/}.2" "$name"
	before=$(count)
	[ -e "$images/parent/inventory.img" ]
	restore_container "$name"
	wait_for 5 counted_beyond "$before"
}

@test "--pre-dump and --parent-path" {
	with in_rounds
}

fails()
{
	run runtime "$@" </dev/null
	[ "$status" -ne 0 ]
}

goes_wrong()
{
	container
	run_container
	# one that exists, and goes on
	checkpoint --leave-running "$name"
	fails restore -d --image-path "$images" --bundle "$bundle" "$name"
	before=$(count)
	wait_for 5 counted_beyond "$before"
	fails checkpoint --image-path "$images.2" "$name-3"
	runtime kill "$name" KILL
	wait_for 5 is_stopped
	fails checkpoint --image-path "$images.2" "$name"
	[[ "$output" == *"it is stopped"*"do:  start it first"* ]]
	runtime delete "$name"
	# damaged, of nothing, without its program: no container is left
	mkdir "$images.none"
	fails restore -d --image-path "$images.none" --bundle "$bundle" "$name"
	[[ "$output" == *"there is no checkpoint in it"* ]]
	cp -r "$images" "$images.bad"
	truncate -s 5 "$images.bad/pstree.img"
	fails restore -d --image-path "$images.bad" --bundle "$bundle" "$name"
	[[ "$output" == *"pstree"*"do:  "* ]]
	mv "$bundle/rootfs/bin/busybox" "$bundle/rootfs/bin/away"
	fails restore -d --image-path "$images" --bundle "$bundle" "$name"
	mv "$bundle/rootfs/bin/away" "$bundle/rootfs/bin/busybox"
	fails restore -d --image-path "$images" --bundle "$work" "$name"
	[ "$(runtime list -q)" = "" ]
	# somebody else restores from this bundle
	flock "$bundle" sleep 1000 3>&- 4>&- &
	other=$!
	wait_for 5 sh -c "! flock -n '$bundle' true"
	fails restore -d --image-path "$images" --bundle "$bundle" "$name"
	kill "$other" "$(pgrep -P "$other")"
	[[ "$output" == *"somebody else does so at this moment"* ]]
	wait_for 5 flock -n "$bundle" true
	# killed when config.json was another one
	config=$(cat "$bundle/config.json")
	mv "$bundle/config.json" "$bundle/config.json.runc-ckpt"
	echo '{}' >"$bundle/config.json"
	restore_container "$name"
	[ "$(cat "$bundle/config.json")" = "$config" ]
	runtime delete -f "$name"
	[ "$(traces)" = "" ]
}

@test "what cannot be restored leaves nothing" {
	with goes_wrong
}

# as an engine does it
create_and_start()
{
	runtime create --bundle "$bundle" --pid-file "$work/pid" "$name" </dev/null >/dev/null 2>"${1:-/dev/null}"
	runtime start "$name"
	[ "$(cat "$work/pid")" = "$(pid_of)" ]
}

stop_container()
{
	runtime kill "$name" "$@"
	wait_for 5 is_stopped
	runtime delete "$name"
}

is_kept()
{
	container 'c["annotations"] = {"org.criu-lite.checkpoint": "on-stop", "org.criu-lite.path": cgroup, "org.criu-lite.keep": "2"}'
	sed -i "s|\"org.criu-lite.path\": \"/$name\"|\"org.criu-lite.path\": \"$work/kept\"|" "$bundle/config.json"
	rm -rf "$work/kept"
	create_and_start
	wait_for 10 counted_beyond 3
	before_all=$(place_of_container)
	for stop in TERM SIGTERM 15; do
		before=$(count)
		stop_container "$stop"
		create_and_start
		wait_for 5 counted_beyond "$before"
		diff <(echo "$before_all") <(place_of_container)
	done
	[ "$(ls "$work/kept")" = $'2\n3' ]
	# another signal is only that, and what was before is restored
	last=$(sed -n 1p "$bundle/rootfs/tmp/n")
	stop_container KILL
	[ "$(ls "$work/kept")" = $'2\n3' ]
	create_and_start
	wait_for 5 counted_beyond "$before"
	[ "$(count)" -lt "$((last + 100))" ]
	# one that cannot be restored is put aside, and the next start is a fresh one
	stop_container KILL
	truncate -s 5 "$work/kept/3/pstree.img"
	truncate -s 5 "$work/kept/2/pstree.img"
	for aside in 3 2; do
		runtime create --bundle "$bundle" "$name" </dev/null >/dev/null 2>&1
		fails start "$name"
		[[ "$output" == *"pstree"* ]]
		[ -e "$work/kept/failed.$aside/inventory.img" ]
		wait_for 5 is_stopped
		runtime delete "$name"
	done
	rm "$bundle/rootfs/tmp/n"
	create_and_start
	wait_for 5 counted_beyond 1
	[ "$(count)" -lt 50 ]
	# what cannot be checkpointed stops all the same, and it is told why
	rm -rf "$work/kept"
	: >"$work/kept"
	run runtime kill "$name" TERM
	[ "$status" -eq 0 ]
	[[ "$output" == *"cannot use directory"* ]]
	runtime kill "$name" KILL
	wait_for 5 is_stopped
	runtime delete "$name"
	# nor does an annotation that makes no sense keep it from starting
	sed -i 's/"on-stop"/"sometimes"/' "$bundle/config.json"
	create_and_start "$work/said"
	grep -q 'cannot use annotation org.criu-lite.checkpoint=sometimes' "$work/said"
	runtime delete -f "$name"
	[ "$(traces)" = "" ]
}

@test "a container that is annotated is checkpointed when it is stopped, and goes on when it starts" {
	with is_kept
}

from_afar()
{
	local status=$work/status ready=$work/ready

	rm -f "$status" "$ready"
	container
	run_container
	mkdir -p "$work/there"
	sed "s|\"rootfs\"|\"$bundle/rootfs\"|; s|\"cgroupsPath\": \"/$name\"|\"cgroupsPath\": \"/$name-2\"|" \
		"$bundle/config.json" >"$work/there/config.json"
	runtime checkpoint --image-path "$images" --lazy-pages --page-server 127.0.0.1:7575 --status-fd 7 "$name" \
		7>"$status" &
	source=$!
	wait_for 10 test -s "$status" || { show_logs; false; }
	before=$(count)
	criu_lite lazy-pages -D "$images" -o lazy.log -v4 --page-server --address 127.0.0.1 --port 7575 --status-fd 7 \
		7>"$ready" &
	daemon=$!
	wait_for 10 test -s "$ready" || { show_logs; false; }
	restore_container "$name-2" --lazy-pages --bundle "$work/there"
	wait_for 5 counted_beyond "$before"
	wait $daemon
	wait $source
	grep -q 'pages have come, [1-9]' "$images/lazy.log"
	[ "$(runtime list -q)" = "$name-2" ]
	runtime delete -f "$name-2"
}

@test "--lazy-pages: memory comes when it is needed, from --page-server" {
	with from_afar
}
