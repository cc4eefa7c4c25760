#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# criu-lite migrate and agent, between hosts of test/hosts.bash

load ../helpers
load ../hosts

# what agents keep in mind is for this test only
setup()
{
	mkdir -p /run/criu-lite
	mount -t tmpfs none /run/criu-lite
}

teardown()
{
	tail -n 5 "$work"/*.agent 2>/dev/null || :
	kill "${servers[@]}" 2>/dev/null || :
	end_hosts
	end_launched
	umount -l /run/criu-lite || :
}

# agents HOST...: can be dialled
agents()
{
	local name

	servers=()
	for name; do
		python3 "$BATS_TEST_DIRNAME/link.py" serve "$work/$name.sock" \
			nsenter -t "${host_pid[$name]}" -n -m -p "$CRIU_LITE" agent \
			</dev/null >"$work/$name.agent" 2>&1 3>&- 4>&- &
		servers+=($!)
		wait_for 10 test -S "$work/$name.sock"
	done
}

# migrate FROM TO [OPTION...]: the tree of $pid
migrate()
{
	local from=$1 to=$2
	shift 2

	on "$from" "$CRIU_LITE" migrate -t "$pid" -o "$work/migrate.log" -v4 \
		--via "exec python3 '$BATS_TEST_DIRNAME/link.py' dial '$work/$to.sock' '$work/links' ${cut:-}" "$@" </dev/null
}

# pid of the tree at HOST, or nothing: the init of a pid namespace within that of the host
tree_at()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'awk "/^State:/ { dead = \$2 == \"Z\" } /^Pid:/ { pid = \$2 }
		/^NSpid:/ && NF == 3 && \$3 == 1 && !dead { print pid }" /proc/[0-9]*/status 2>/dev/null'
}

counting()
{
	cat >"$work/count.py" <<'END'
import os, time
n, memory = 0, bytearray(os.urandom(5000001))
while True:
    n += 1
    with open("count.new", "w") as f:
        f.write("%d\n" % n)
    os.rename("count.new", "count")
    time.sleep(0.005)
END
	launch_on "$1" python3 "$work/count.py"
	wait_for 10 test -s "$place/count"
}

counts()
{
	[ "$(cat "$place/count")" -gt "$1" ]
}

only_at()
{
	[ -n "$(tree_at "$1")" ] && [ -z "$(tree_at "$2")" ]
}

# host_pid_of HOST PID: as we see it
host_pid_of()
{
	local status

	for status in $(grep -l -E "^NSpid:.*[[:space:]]$2\$" /proc/[0-9]*/status 2>/dev/null); do
		status=${status#/proc/}
		[ "$(readlink "/proc/${status%/status}/ns/pid")" != "$(readlink "/proc/${host_pid[$1]}/ns/pid")" ] ||
			echo "${status%/status}"
	done
}

@test "a server moves, and its client does not notice; then it moves back" {
	hosts a b c
	agents a b
	launch_on a python3 -u "$BATS_TEST_DIRNAME/../sock/tcp_peer.py" server 0 7395
	wait_for 10 test -e "$place/ready"
	service_at a
	mkdir "$work/client"
	(cd "$work/client" && on c python3 -u "$BATS_TEST_DIRNAME/../sock/tcp_peer.py" client "$service" 7395 3>&- 4>&- &)
	wait_for 10 test -e "$work/client/ready"
	for way in 'a b' 'b a'; do
		read -r from to <<<"$way"
		# the old host keeps the address until the new one has all
		on "$to" ip addr replace "$service/32" dev eth0
		migrate "$from" "$to" --tcp-established
		service_at "$to"
		on "$from" ip addr del "$service/32" dev eth0
		on "$from" unlock_all
		[ -z "$(tree_at "$from")" ]
		pid=$(tree_at "$to")
	done
	touch "$work/client/ask"
	wait_for 20 test -e "$work/client/answer"
	[ "$(cat "$work/client/answer")" = good ]
	[ -z "$(ls /var/tmp | grep '^criu-lite\.')" ]
}

@test "what would not work there is told before anything stops" {
	hosts a b
	agents a b
	counting a
	python=$(python3 -c 'import os; print(os.path.realpath("/proc/self/exe"))')
	cp /bin/true "$work/other"
	on b mount --bind "$work/other" "$python"
	run migrate a b
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"there: cannot use $python there: it has"*"do:  have the same programs"* ]]
	on b umount "$python"
	[ ! -e "$work/migrate.log" ]

	run on a "$CRIU_LITE" migrate -t "$pid"
	[[ $output == *"it takes --to or --via"* ]]
	run on a "$CRIU_LITE" migrate -t "$pid" --via "echo hello"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot talk to the agent"*"do:  does \"echo hello\" start criu-lite agent"* ]]

	# a tree without a pid namespace of its own needs its pids: 1 is never free
	[[ $(on a "$CRIU_LITE" migrate -t 1 --via "exec python3 '$BATS_TEST_DIRNAME/link.py' dial '$work/b.sock' '$work/links'" 2>&1) == \
		*"there: cannot use pid 1 there, somebody has it"* ]]
	wait_for 10 counts "$(cat "$place/count")"
}

@test "a failure there leaves the tree here" {
	hosts a b
	agents a
	counting a
	export CRIU_LITE_INJECT=fail:open:regfile
	agents b
	unset CRIU_LITE_INJECT
	run migrate a b
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"there: "* ]]
	[ -z "$(tree_at b)" ]
	wait_for 10 counts "$(cat "$place/count")"
}

@test "a link that is cut when the word to go was said: who was told runs, and the other finds out" {
	hosts a b
	agents a b
	counting a
	cut=before run migrate a b
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot migrate: the connection broke"* ]]
	wait_for 10 only_at a b
	wait_for 10 counts "$(cat "$place/count")"
	cut=after migrate a b
	[ -e "$work/b.sock.after" ]
	wait_for 10 only_at b a
	wait_for 10 counts "$(cat "$place/count")"
}

@test "a link that is cut at random moments of thirty migrations: the tree is never twice, never gone" {
	hosts a b
	agents a b
	counting a
	# how long it takes, which is what "random" is about
	begin=${EPOCHREALTIME/[.,]/}
	migrate a b
	took=$((${EPOCHREALTIME/[.,]/} - begin))
	pid=$(tree_at b) here=b there=a moved=0 stayed=0
	for i in {1..30}; do
		rm -f "$work/links"
		migrate $here $there >"$work/said" 2>&1 3>&- 4>&- &
		migration=$!
		wait_for 10 test -s "$work/links"
		sleep "$(printf '0.%06d' $((RANDOM * took / 32768 % 1000000)))"
		kill -KILL "$(host_pid_of $here "$(head -n 1 "$work/links")")" 2>/dev/null || :
		status=0
		wait $migration || status=$?
		if [ $status = 0 ]; then
			was=$here here=$there there=$was moved=$((moved + 1))
		else
			stayed=$((stayed + 1))
		fi
		# of the one that does not run, the rest ends as soon as it is told
		wait_for 10 only_at "$here" "$there" || { echo "round $i: status $status"; cat "$work/said"; false; }
		wait_for 10 counts "$(cat "$place/count")"
		pid=$(tree_at "$here")
	done
	echo "$moved moved, $stayed stayed, $took us without a cut"
	[ "$moved" -gt 0 ]
	[ "$stayed" -gt 0 ]
}
