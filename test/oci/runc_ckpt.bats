#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# runc-ckpt: every verb is that of the runtime behind it; checkpoint and restore too, if runc is to do it

load ../helpers

setup()
{
	ckpt=$B/runc-ckpt
	name=criu-lite-ckpt-$$
	bundle=$work/bundle
	unset RUNC_CKPT_RUNTIME RUNC_CKPT_NATIVE
}

teardown()
{
	runc --root "$work/state" delete -f "$name" >/dev/null 2>&1 || :
}

# a runtime that says how it was started
fake()
{
	cat >"$work/fake" <<-'EOF'
		#!/bin/bash
		[ "$1" != --version ] || { echo "fake version 1"; exit; }
		printf '<%s>' "$@"
		echo; cat <&7
		ls -l /proc/self/fd
		grep -E '^(Sig(Ign|Blk)|Umask)' /proc/$$/status
		pwd; env | grep -v '^_='
		exit 37
	EOF
	chmod +x "$work/fake"
}

# in the same circumstances: an ignored signal, a descriptor to read, a umask
started()
{
	(
		trap '' USR2
		umask 057
		cd "$work"
		exec "$@" 7<<<"from descriptor 7" 3>&- 4>&- 5>&- 6>&- </dev/null 2>/dev/null
	)
}

@test "the runtime has the arguments, descriptors, signals, surroundings and status that we have" {
	fake
	args=(--root "a  b" --log-format=json exec -t --runtime x '' -- '*' checkpoint)
	mapfile -t direct < <(started "$work/fake" "${args[@]}" || echo $?)
	mapfile -t behind < <(started "$ckpt" --runtime "$work/fake" "${args[@]}" || echo $?)
	[ "${direct[0]}" = '<--root><a  b><--log-format=json><exec><-t><--runtime><x><><--><*><checkpoint>' ]
	[ "${direct[1]}" = "from descriptor 7" ]
	[ "${direct[-1]}" = 37 ]
	# pipes, and the descriptor with which they are listed, are others each time
	said() { printf '%s\n' "$@" | sed -E 's/.* ([0-9]+ -> )/\1/; \|-> /proc/|d; s/pipe:.*/pipe/; s/(7 -> ).*/\1/'; }
	said "${direct[@]}" | grep -q '^7 -> '
	diff <(said "${direct[@]}") <(said "${behind[@]}")
}

@test "it takes the place of runc-ckpt: a signal is its own, and what it makes of it" {
	cat >"$work/fake" <<-'EOF'
		#!/bin/bash
		trap 'echo "TERM $$"; exit 5' TERM
		echo "ready $$"
		while :; do sleep 0.02; done
	EOF
	chmod +x "$work/fake"
	RUNC_CKPT_RUNTIME=$work/fake "$ckpt" run x >"$work/out" 3>&- 4>&- &
	wait_for 10 grep -qx "ready $!" "$work/out"
	kill -TERM $!
	status=0
	wait $! || status=$?
	[ "$status" = 5 ]
	grep -qx "TERM $!" "$work/out"
}

# a folder of programs that only say which they are
programs_in()
{
	local folder=$1 name
	shift

	mkdir -p "$folder"
	for name; do
		# shellcheck disable=SC2016
		printf '#!/bin/sh\necho %s "$@"\n' "$folder/$name" >"$folder/$name"
		chmod +x "$folder/$name"
	done
}

@test "which runtime: --runtime, else the variable, else crun, else runc; never itself" {
	cd "$work"
	programs_in one runc
	programs_in two crun runc other
	mkdir self
	ln -s "$ckpt" self/runc
	ln -s "$ckpt" self/crun
	[ "$(PATH=self:one "$ckpt" --root x state y)" = "one/runc --root x state y" ]
	[ "$(PATH=self:one:two "$ckpt" state y)" = "two/crun state y" ]
	[ "$(PATH=one:two self/runc list)" = "two/crun list" ]
	[ "$(PATH=two RUNC_CKPT_RUNTIME=runc "$ckpt" features)" = "two/runc features" ]
	[ "$(PATH=two RUNC_CKPT_RUNTIME=runc "$ckpt" --debug -runtime=other features)" = "two/other --debug features" ]
	[ "$(PATH=two RUNC_CKPT_RUNTIME=runc "$ckpt" --runtime one/runc)" = "one/runc" ]
	[ "$(PATH=two "$ckpt" --version)" = "two/crun --version" ]

	PATH=self run "$ckpt" state y
	[ "$status" -eq 1 ]
	[[ "$output" == *"neither crun nor runc is on PATH"*"do:  install one"* ]]
	run "$ckpt" --runtime self/runc state y
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot use self/runc as the runtime behind itself"*"do:"* ]]
	run "$ckpt" --runtime "$work" state y
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot execute the runtime $work"*"do:"* ]]
	run "$ckpt" --runtime
	[ "$status" -eq 1 ]
	[[ "$output" == *"--runtime without a value"*"do:"* ]]
}

@test "what fails is told on stderr, and in the log of the engine" {
	need python3
	fake
	fails() { run "$ckpt" --runtime "$work/fake" "$@" 7</dev/null; }
	fails --root checkpoint --log "$work/log.json" --log-format json --systemd-cgroup checkpoint --image-path x c
	[ "$status" -eq 1 ]
	[[ "$output" == *"runc-ckpt: cannot use container c: fake failed"*why:*"do:  "* ]]
	fails --log "$work/log.json" --log-format json restore --image-path "$work" c
	[ "$status" -eq 1 ]
	[[ "$output" == "runc-ckpt: cannot restore from $work"*"there is no checkpoint in it"*"do:  "* ]]
	fails --log="$work/log.text" checkpoint c
	grep -q "^time=\"20.*Z\" level=error msg=\"cannot use container c: .*\"$" "$work/log.text"
	# one line each, and nothing of what was there is lost
	python3 -c 'import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert [l["level"] for l in lines] == ["error", "error"], lines
assert lines[-1]["msg"].startswith("cannot restore from "), lines' "$work/log.json"
	# the name of a container may be anything
	fails --log "$work/odd" --log-format=json checkpoint $'a "b" \\ \n'
	python3 -c 'import json, sys; assert "a \"b\" \\ \n:" in json.load(open(sys.argv[1]))["msg"]' "$work/odd"
	# no file
	cd "$work"
	fails --log syslog:x checkpoint c
	[ "$status" -eq 1 ]
	[ ! -e syslog:x ]
}

@test "options of checkpoint and restore that cannot be" {
	fake
	while read -r words said; do
		run "$ckpt" --runtime "$work/fake" ${words//+/ }
		[ "$status" -eq 1 ]
		[[ "$output" == *"$said"*"do:  "* ]]
	done <<-'END'
		checkpoint no container is named
		checkpoint+--nothing+c flag provided but not defined: nothing
		checkpoint+--bundle=x+c flag provided but not defined: bundle
		restore+c+--image-path flag needs an argument: image-path
		restore+--detach+c+d one word too many: d
		checkpoint+a/b no name of a container
		checkpoint+--parent-path=/x+c it is not relative
	END
}

@test "where criu-lite is not beside it, runc-ckpt says so" {
	need runc
	mkdir "$work/sbin"
	cp "$ckpt" "$work/sbin/copy"
	run "$work/sbin/copy" --runtime runc checkpoint --help
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot find criu-lite"*"do:  "* ]]
	"$work/sbin/copy" --runtime runc --version
}

@test "--help says that checkpoint and restore work; the words of a missing value are runc's" {
	need runc
	fake
	for verb in checkpoint restore; do
		"$ckpt" --runtime "$work/fake" "$verb" --help >"$work/out"
		grep -q -- "runc-ckpt $verb" "$work/out"
		RUNC_CKPT_NATIVE=runc "$ckpt" --runtime runc "$verb" --help >"$work/out"
		grep -q -- "runc $verb" "$work/out"
	done
	run "$ckpt" --runtime runc restore --lsm-mount-context
	[ "$status" -ne 0 ]
	[[ "$output" == *"flag needs an argument"* ]]
	"$ckpt" --runtime runc features | python3 -c 'import json, sys; assert json.load(sys.stdin)["ociVersionMax"]'
	[ "$("$ckpt" --runtime runc --version)" = "$(runc --version)" ]
}

# runtime ARG...: as containerd and Docker do it
runtime()
{
	RUNC_CKPT_NATIVE=runc "$ckpt" --runtime runc --root "$work/state" --log "$work/log" --log-format json "$@" \
		3>&- 4>&- 5>&- 6>&- </dev/null
}

container()
{
	local program

	mkdir -p "$bundle"/rootfs/{bin,proc,sys,dev,etc,tmp}
	cp "$(command -v busybox)" "$bundle/rootfs/bin/"
	for program in sh sleep mv; do
		ln -s busybox "$bundle/rootfs/bin/$program"
	done
	(cd "$bundle" && runtime spec)
	python3 - "$bundle/config.json" "/$name" <<-'EOF'
		import json, sys
		c = json.load(open(sys.argv[1]))
		c["process"]["terminal"] = False
		c["process"]["args"] = ["sh", "-c", "i=0; while :; do i=$((i+1)); "
		                        "echo $i >/tmp/new; mv /tmp/new /tmp/n; sleep 0.05; done"]
		c["root"]["readonly"] = False
		c["linux"]["cgroupsPath"] = sys.argv[2]
		json.dump(c, open(sys.argv[1], "w"))
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

# what a container could leave behind
traces()
{
	find /sys/fs/cgroup -path "*$name*"
	grep "$work" /proc/self/mountinfo
	ls -A "$work/state"
}

@test "a container is checkpointed, gone, restored, and counts on; twice; and leaves nothing" {
	need runc busybox python3
	container
	runtime run -d --bundle "$bundle" "$name" >/dev/null 2>&1
	wait_for 10 counted_beyond 3
	for i in 1 2; do
		images=$work/images.$i
		mkdir "$images"
		runtime checkpoint --image-path "$images" --work-path "$images" --file-locks "$name" ||
			{ cat "$work/log"; tail "$images"/*.log; false; }
		before=$(count)
		[ "$(runtime list -q)" = "" ]
		grep -q 'criu-lite .*: dump' "$images/dump.log"
		runtime restore --image-path "$images" --work-path "$images" --file-locks --detach \
			--pid-file "$work/pid" -no-subreaper --bundle "$bundle" "$name" >/dev/null ||
			{ cat "$work/log"; tail "$images"/*.log; false; }
		wait_for 5 counted_beyond "$before"
		[ "$(count)" -lt $((before + 100)) ]
		runtime list | grep -q "^$name *$(cat "$work/pid") *running "
	done
	runtime exec "$name" busybox cat /tmp/n
	[ -n "$(traces)" ]
	runtime delete -f "$name"
	[ "$(traces)" = "" ]
}

@test "why a checkpoint failed is runc's last word in the log, and the container goes on" {
	need runc busybox python3
	container
	runtime run -d --bundle "$bundle" "$name" >/dev/null 2>&1
	wait_for 10 counted_beyond 3
	mkdir -p "$work/images/dump.log"
	run runtime checkpoint --image-path "$work/images" "$name"
	[ "$status" -ne 0 ]
	tail -n 1 "$work/log" | python3 -c 'import json, sys; assert json.load(sys.stdin)["level"] == "error"'
	before=$(count)
	wait_for 5 counted_beyond "$before"
	runtime delete -f "$name"
}
