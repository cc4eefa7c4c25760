#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# containers of runc with all sorts of things in them

load ../helpers
load runc

# Programs of this machine, and victims, work in there: configuration for container()
programs='for place in "/lib", "/lib64", "/usr", "'$B'/test/victims":
	c["mounts"].append({"type": "bind", "source": place, "options": ["rbind", "ro"],
	                    "destination": "/victims" if "victims" in place else place})
'
own_network='next(n for n in c["linux"]["namespaces"] if n["type"] == "network")["path"] = "/run/netns" + cgroup
'
host_network='c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "network"]
'

all_have()	# all_have FILE VICTIM...
{
	local victim file=$1
	shift

	for victim; do
		[ -e "$work/shared/${victim//\//.}/$file" ] || return
	done
}

# victims, each in a directory of its own
victims="file/regfile_deleted file/lock file/pipe_full mem/memfd file/epoll file/inotify file/mqueue
	sock/unix sock/unix_scm sock/inet_udp mem/shmem mem/cow mem/shared task/threads task/timers
	task/seccomp task/signals task/pending task/zombies"

@test "victims in a container find all as it was, twice: files, sockets, memory, tasks" {
	# shellcheck disable=SC2086
	set -- $victims
	need ip
	ip netns add "$name"
	ip -n "$name" link set lo up
	container "$programs$own_network"'c["process"]["args"] = ["sh", "-c", """
		for v in '"$*"'; do
			d=/shared/$(echo $v | tr / .)
			mkdir $d
			(cd $d; exec setsid /victims/$v . >log 2>&1) &
		done
		wait"""]
c["process"]["env"] = ["PATH=/usr/bin:/bin"]
c["mounts"].append({"type": "bind", "source": "'"$work"'/shared", "destination": "/shared", "options": ["bind"]})
for kind in "bounding", "effective", "permitted":
	c["process"]["capabilities"][kind] += ["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN",
		"CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID"]
'
	mkdir "$work/shared"
	runc_ run -d --bundle "$bundle" "$name" >/dev/null 2>&1
	wait_for 20 all_have ready "$@" || { tail -n 3 "$work"/shared/*/{verdict,log}; ls "$work"/shared/*/ready; false; }
	for i in 1 2; do
		images=$work/images.$i
		checkpoint --file-locks "$name"
		restore_container "$name" --file-locks
	done
	for victim; do
		: >"$work/shared/${victim//\//.}/look"
	done
	wait_for 20 all_have verdict "$@"
	for victim; do
		[ "$(cat "$work/shared/${victim//\//.}/verdict")" = same ] ||
			{ echo "$victim"; tail -n 5 "$work/shared/${victim//\//.}"/{verdict,log}; failed=1; }
	done
	[ -z "${failed:-}" ]
}

# a server that numbers the lines it gets, on port 7
counts_lines='c["process"]["args"] = ["nc", "-l", "-p", "7", "-e", "sh", "-c",
                        "while read line; do n=$((n+1)); echo $line $n; done"]'

is_listening()
{
	nsenter -n -t "$(container_pid)" grep -q ':0007 0*:0000 0A' /proc/net/tcp /proc/net/tcp6
}

@test "an established connection with a client outside, who talks while nobody is there" {
	need ip
	ip netns add "$name"
	ip link add to-container type veth peer name eth0 netns "$name"
	ip addr add 10.77.0.1/24 dev to-container
	ip link set to-container up
	ip -n "$name" addr add 10.77.0.7/24 dev eth0
	ip -n "$name" link set eth0 up
	container "$own_network$counts_lines"
	runc_ run -d --bundle "$bundle" "$name" >/dev/null 2>&1
	wait_for 10 is_listening
	exec 7<>/dev/tcp/10.77.0.7/7
	cat <&7 >"$work/heard" 3>&- 4>&- &
	echo line >&7
	wait_for 10 grep -qx 'line 1' "$work/heard"

	run runc_ checkpoint --image-path "$images" --work-path "$images" "$name"
	[ "$status" -ne 0 ]
	grep -q 'tcp-established' "$images/dump.log"
	for i in 2 3; do
		images=$work/images.$i
		checkpoint --tcp-established "$name"
		echo line >&7
		restore_container "$name" --tcp-established
		wait_for 10 grep -qx "line $i" "$work/heard"
	done
	exec 7>&-
	ip link del to-container
}

@test "a user namespace" {
	container 'c["linux"]["namespaces"].append({"type": "user"})
for kind in "uidMappings", "gidMappings":
	c["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
'
	let_others_in
	chown -R 100000:100000 "$bundle/rootfs"
	run_container
	before=$(place_of_container; cat "/proc/$(container_pid)/uid_map")
	[[ $before == user* || $before == *$'\n'user* ]]
	for i in 1 2; do
		images=$work/images.$i
		checkpoint "$name"
		n=$(count)
		restore_container "$name"
		wait_for 10 counted_beyond "$n"
		diff <(echo "$before") <(place_of_container; cat "/proc/$(container_pid)/uid_map")
	done
	[ "$(runc_ exec "$name" stat -c %u /tmp/n)" = 0 ]
	[ "$(stat -c %u "$bundle/rootfs/tmp/n")" = 100000 ]
}

filters()
{
	grep -E '^(Seccomp|Seccomp_filters|NoNewPrivs|CapBnd|CapEff):' "/proc/$(container_pid)/status"
}

@test "seccomp, as runc sets it; what it forbids stays forbidden" {
	container 'c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
	"syscalls": [{"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}
c["process"]["args"] = ["sh", "-c", "i=0; while :; do i=$((i+1)); chmod 777 /tmp 2>/tmp/error; "
                        "echo $i >/tmp/new; mv /tmp/new /tmp/n; sleep 0.05; done"]
'
	ln -s busybox "$bundle/rootfs/bin/chmod"
	run_container
	before=$(filters)
	[[ $before == *Seccomp:*2* ]]
	checkpoint "$name"
	rm "$bundle/rootfs/tmp/error"
	n=$(count)
	restore_container "$name"
	wait_for 10 counted_beyond "$n"
	[ "$(filters)" = "$before" ]
	# written anew again and again
	wait_for 10 grep -q 'Argument list too long' "$bundle/rootfs/tmp/error"
}

@test "hooks: those of a start are run at a restore too, with a pid that has the namespaces" {
	cat >"$work/hook" <<-'EOF'
		#!/usr/bin/python3
		import json, os, sys
		state = json.load(sys.stdin)
		net = os.readlink("/proc/%d/ns/net" % state["pid"]) if state.get("pid") else ""
		with open(sys.argv[2], "a") as f:
		    print(sys.argv[1], state["status"], "own" if net and net != os.readlink("/proc/self/ns/net") else "none", file=f)
	EOF
	chmod +x "$work/hook"
	container 'for hook in "prestart", "createRuntime", "poststart", "poststop":
	c.setdefault("hooks", {})[hook] = [{"path": "'"$work"'/hook", "args": ["hook", hook, "'"$work"'/hooks"]}]
'
	run_container
	checkpoint "$name"
	n=$(count)
	echo restore >>"$work/hooks"
	restore_container "$name"
	wait_for 10 counted_beyond "$n"
	runc_ delete -f "$name"
	cat "$work/hooks"
	[ "$(sed '/restore/,$d' "$work/hooks" | cut -d' ' -f1,3 | xargs)" = \
		"prestart own createRuntime own poststart own poststop none" ]
	# runc 1.1 runs no poststart then
	[ "$(sed '1,/restore/d' "$work/hooks" | cut -d' ' -f1,3 | xargs)" = \
		"prestart own createRuntime own poststop none" ]
}

@test "a pid namespace from outside" {
	launch_inside p sleep 100
	container 'next(n for n in c["linux"]["namespaces"] if n["type"] == "pid")["path"] = "/proc/'"$pid"'/ns/pid"
'
	run_container
	inside=$(grep NSpid: "/proc/$(container_pid)/status")
	checkpoint "$name"
	n=$(count)
	restore_container "$name"
	wait_for 10 counted_beyond "$n"
	[ "$(readlink "/proc/$(container_pid)/ns/pid")" = "$(readlink "/proc/$pid/ns/pid")" ]
	[ "$(grep NSpid: "/proc/$(container_pid)/status" | cut -f3)" = "$(cut -f3 <<<"$inside")" ]
}

@test "a datagram socket of the host (--ext-unix-sk)" {
	cat >"$work/host" <<-'EOF'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		while True:
		    with open(sys.argv[2], "ab") as f:
		        f.write(s.recv(100))
	EOF
	mkdir "$work/shared"
	# its name has to be the same in there
	launch python3 "$work/host" "$work/shared/socket" "$work/heard"
	wait_for 10 test -S "$work/shared/socket"
	container "$programs$host_network"'c["process"]["args"] = ["/usr/bin/python3", "-c", """
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("'"$work"'/shared/socket")
i = 0
while True:
    i += 1
    s.send(b"%d\\n" % i)
    open("/tmp/new", "w").write(str(i))
    os.rename("/tmp/new", "/tmp/n")
    time.sleep(0.05)
"""]
c["mounts"].append({"type": "bind", "source": "'"$work"'/shared", "destination": "'"$work"'/shared", "options": ["bind"]})
'
	run_container
	run runc_ checkpoint --image-path "$images" --work-path "$images" "$name"
	[ "$status" -ne 0 ]
	wait_for 10 counted_beyond "$(count)"
	checkpoint --ext-unix-sk "$name"
	n=$(count)
	restore_container "$name" --ext-unix-sk
	wait_for 10 counted_beyond "$n"
	wait_for 10 grep -qx "$((n + 1))" "$work/heard"
}

@test "a terminal of the host is refused by name, --shell-job or not: runc could not give it back" {
	need script
	container
	script -qfec "runc --root $(printf '%q' "$work/state") --criu $CRIU_LITE run -d --bundle $(printf '%q' "$bundle") $name
		sleep 100" "$work/said" >/dev/null 2>&1 3>&- 4>&- </dev/null &
	terminal=$!
	wait_for 10 counted_beyond 3
	for option in "" --shell-job; do
		# shellcheck disable=SC2086
		run runc_ checkpoint --image-path "$images" --work-path "$images" $option "$name"
		[ "$status" -ne 0 ]
		grep -q 'Error.*/dev/pts/[0-9]' "$images/dump.log"
		wait_for 10 counted_beyond "$(count)"
	done
	kill "$terminal"
}

@test "threads of the init of a container, in whatever order they end" {
	mkdir "$work/shared"
	container "$programs"'c["process"]["args"] = ["/victims/task/threads", "."]
c["process"]["cwd"] = "/shared"
c["mounts"].append({"type": "bind", "source": "'"$work"'/shared", "destination": "/shared", "options": ["bind"]})
'
	runc_ run -d --bundle "$bundle" "$name" >/dev/null 2>&1
	wait_for 10 test -e "$work/shared/ready"
	for i in 1 2 3 4 5 6; do
		images=$work/images.$i
		checkpoint "$name"
		restore_container "$name"
	done
	: >"$work/shared/look"
	wait_for 10 test -e "$work/shared/verdict"
	[ "$(cat "$work/shared/verdict")" = same ]
}
