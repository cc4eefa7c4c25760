#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# criu-lite swrk: requests over a socket, as container engines send them

load ../helpers

setup()
{
	need protoc
	export CRIU_LITE
	images=$work/images
	mkdir "$images"
}

# ask [OPTION...] REQUEST...
ask()
{
	"$BATS_TEST_DIRNAME/client.py" "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

# opts [FIELD...]: options with the usual directory and log
opts()
{
	echo "opts { images_dir_fd: fd($images) log_level: 4 $* }"
}

notified()	# notified SCRIPT...: of these, in this order, and of nothing else
{
	echo "$output"
	diff <(sed -nE 's/^notify script: "([a-z-]*)".*/\1/p' <<<"$output") <(printf '%s\n' "$@")
}

@test "VERSION and FEATURE_CHECK, on one connection" {
	run ask 'type: VERSION keep_open: true' \
		'type: FEATURE_CHECK keep_open: true features { pidfd_store: true mem_track: true lazy_pages: true }' \
		'type: FEATURE_CHECK features { }'
	[ "${lines[0]}" = "answer type: VERSION success: true version { major_number: 4 minor_number: 2 }" ]
	[[ "${lines[1]}" == *"mem_track: true lazy_pages: true pidfd_store: true }" ]]
	[[ "${lines[2]}" == *"mem_track: false lazy_pages: false pidfd_store: false }" ]]
	[ "${lines[3]}" = "exit 0" ]
}

@test "a client may go without asking, or keep the connection open and go" {
	run ask
	[ "$output" = "exit 0" ]
	run ask 'type: VERSION keep_open: true'
	[ "${lines[1]}" = "exit 0" ]
}

@test "FEATURE_CHECK without features fails, and ends the connection" {
	run ask 'type: FEATURE_CHECK keep_open: true' 'type: VERSION'
	[[ "${lines[0]}" == *"success: false cr_errno: 56"* ]]
	[[ "$output" != *"VERSION"* ]]
}

@test "dump and restore, twice, told of every step" {
	start task/sleeper
	for i in 1 2; do
		run ask "type: DUMP $(opts "pid: $pid log_file: 'dump.log' notify_scripts: true")"
		notified pre-dump query-ext-files post-dump
		[[ "$output" == *"answer type: DUMP success: true dump { }"* ]] || [[ "$output" == *"dump { restored: false }"* ]]
		[[ "$output" == *"exit 0" ]]
		wait_for 5 is_gone "$pid"
		[ -s "$images/dump.log" ] && [ -s "$images/stats-dump" ]

		run ask "type: RESTORE $(opts "log_file: 'restore.log' notify_scripts: true")"
		notified pre-restore setup-namespaces post-setup-namespaces post-restore pre-resume post-resume
		[[ "$output" == *"notify script: \"setup-namespaces\" pid: $pid"* ]]
		[[ "$output" == *"notify script: \"post-restore\" pid: $pid"* ]]
		[[ "$output" == *"notify script: \"pre-resume\""$'\n'* ]]
		[[ "$output" == *"answer type: RESTORE success: true restore { pid: $pid }"* ]]
		[[ "$output" == *"exit 0" ]]
		[ -s "$images/restore.log" ] && [ -s "$images/stats-restore" ]
	done
	same
}

@test "log and statistics are in the work directory; the log has a usual name" {
	start task/sleeper
	mkdir "$work/there"
	run ask "type: DUMP $(opts "pid: $pid leave_running: true work_dir_fd: fd($work/there)")"
	[[ "$output" == *"success: true"* ]]
	[ -s "$work/there/criu.log" ] && [ -s "$work/there/stats-dump" ]
	[ ! -e "$images/criu.log" ] && [ ! -e "$images/stats-dump" ] && [ -s "$images/inventory.img" ]
	same
}

@test "images_dir names the directory by its path" {
	start task/sleeper
	run ask "type: DUMP opts { images_dir_fd: -1 images_dir: '$images' pid: $pid leave_running: true }"
	[[ "$output" == *"success: true"* ]]
	[ -s "$images/inventory.img" ]
}

@test "what is restored is a sibling of the server, if wanted" {
	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	export WHEN="echo parent \$(sed 's/.*) . //; s/ .*//' /proc/$pid/stat) of \$PPID"
	run ask -w post-restore "type: RESTORE $(opts "rst_sibling: true notify_scripts: true")"
	[[ "$output" =~ parent\ ([0-9]+)\ of\ ([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
	[[ "$output" == *"restore { pid: $pid }"* ]]
	same
}

@test "when the client is told of post-restore, tasks are stopped" {
	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	export WHEN="echo state \$(sed 's/.*) //; s/ .*//' /proc/$pid/stat)"
	run ask -w post-restore "type: RESTORE $(opts "notify_scripts: true")"
	[[ "$output" == *"state t"* ]]
	same
}

@test "a refused action ends a dump, and the tree goes on" {
	for action in pre-dump query-ext-files post-dump; do
		start task/sleeper
		run ask -r $action "type: DUMP $(opts "pid: $pid notify_scripts: true log_file: 'dump.log'")"
		[[ "$output" == *"success: false"*"cannot pass action $action: the client refused it"* ]]
		[[ "$output" == *"exit 1" ]]
		[ ! -e "$images/inventory.img" ]
		grep -q "Error (.*cannot pass action $action" "$images/dump.log"
		same
	done
}

@test "a refused action ends a restore, and nothing is left of it" {
	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	for action in pre-restore setup-namespaces post-setup-namespaces post-restore; do
		run ask -r $action "type: RESTORE $(opts "notify_scripts: true")"
		[[ "$output" == *"success: false restore { pid: -1 }"*"cannot pass action $action"* ]]
		is_gone "$pid"
	done
	run ask "type: RESTORE $(opts)"
	[[ "$output" == *"success: true"* ]]
	same
}

@test "who keeps others away from the network of a tree is told when, and when it is over" {
	launch unshare -n "$B/test/victims/task/sleeper" .
	wait_for 10 is_decided
	run ask -r query-ext-files "type: DUMP $(opts "pid: $pid notify_scripts: true")"
	notified pre-dump network-lock query-ext-files network-unlock
	run ask -r network-lock "type: DUMP $(opts "pid: $pid notify_scripts: true")"
	notified pre-dump network-lock network-unlock
	[[ "$output" == *"success: false"*"cannot pass action network-lock"* ]]
	same
}

@test "a client that goes away harms nobody" {
	for action in pre-dump query-ext-files post-dump; do
		start task/sleeper
		run ask -g $action "type: DUMP $(opts "pid: $pid notify_scripts: true")"
		[[ "$output" == *"exit 1" ]]
		same
	done

	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	for action in pre-restore setup-namespaces post-restore; do
		run ask -g $action "type: RESTORE $(opts "notify_scripts: true")"
		[[ "$output" == *"exit 1" ]]
		is_gone "$pid"
	done
}

@test "a server that is told to end while the client thinks lets the tree go on" {
	start task/sleeper
	export WHEN="kill -TERM \$(pgrep -P \$PPID -x criu-lite); sleep 1"
	run ask -w post-dump "type: DUMP $(opts "pid: $pid notify_scripts: true")"
	[[ "$output" == *"success: false"*"SIGTERM"* ]]
	same
}

@test "errors have a number and words" {
	start task/sleeper
	run ask "type: DUMP $(opts "pid: 999999 log_file: 'dump.log'")"
	[[ "$output" == *"success: false"*"cr_errno: 3 "*"Error (criu-lite): "*"999999"* ]]
	grep -q 'Error (' "$images/dump.log"

	ask "type: DUMP $(opts "pid: $pid leave_running: true")"
	run ask "type: RESTORE $(opts)"
	[[ "$output" == *"success: false restore { pid: -1 } cr_errno: 17 "* ]]
	same
}

@test "what makes no sense is refused as bad options" {
	start task/sleeper
	for bad in "pid: $pid log_file: 'a/b'" "pid: $pid empty_ns: 0x20000000" "pid: -5" \
		"pid: $pid external: 'what[1]:x'" "pid: $pid log_level: 7"; do
		run ask "type: DUMP $(opts "$bad")"
		[[ "$output" == *"success: false"*"cr_errno: 56 "* ]]
		[[ "$output" == *"exit 1" ]]
	done
	for bad in "" "opts { images_dir_fd: -1 pid: $pid }"; do
		run ask "type: DUMP $bad"
		[[ "$output" == *"success: false"*"cr_errno: 56 "* ]]
	done
	run ask "type: DUMP opts { images_dir_fd: 900 pid: $pid }"
	[[ "$output" == *"success: false"*"cannot open descriptor 900 of the client"* ]]
	same
}

@test "answers out of place, and connections that are to stay where they cannot" {
	run ask 'type: NOTIFY notify_success: true'
	[[ "$output" == *"answer type: EMPTY success: false"*"exit 1" ]]
	run ask 'type: EMPTY'
	[[ "$output" == *"answer type: EMPTY success: false"*"exit 1" ]]
	run ask 'type: CHECK keep_open: true'
	[[ "$output" == *"closed"*"exit 1" ]]
}

@test "garbage, half a message and a huge one end the connection" {
	run "$BATS_TEST_DIRNAME/garbage.py"
	[ "$status" -eq 0 ]
}

@test "CHECK, with and without a log" {
	run ask 'type: CHECK'
	[[ "$output" == *"answer type: CHECK success: true"* ]]
	run ask "type: CHECK $(opts "log_file: 'check.log'")"
	[[ "$output" == *"answer type: CHECK success: true"* ]]
	grep -q 'Version: 4.2' "$images/check.log"
}

@test "PAGE_SERVER_CHLD, a dump with it, WAIT_PID; PAGE_SERVER goes on alone" {
	start mem/shared
	dumps="sh exec $CRIU_LITE dump -D $images --page-server --address 127.0.0.1 --port \$PORT -t "
	run ask "type: PAGE_SERVER_CHLD keep_open: true $(opts "ps { address: '127.0.0.1' }")" "$dumps$pid" \
		'type: WAIT_PID pid: PID'
	[[ "$output" == *"answer type: PAGE_SERVER success: true ps { port: "*" pid: "* ]] || { echo "$output"; false; }
	[[ "$output" == *"answer type: WAIT_PID success: true status: 0"* ]] || { echo "$output"; false; }
	restore
	same
	end_launched

	start mem/shared
	rm -f "$images"/*.img
	run ask "type: PAGE_SERVER $(opts "ps { address: '127.0.0.1' }")" "$dumps$pid"
	[[ "$output" == *"answer type: PAGE_SERVER success: true ps { port: "*" pid: 0 }"* ]] || { echo "$output"; false; }
	whole() { grep -q "pages received" "$images/criu.log"; }
	wait_for 10 whole
	restore
	same

	run ask "type: PAGE_SERVER $(opts "ps { address: 'nowhere' }")"
	[[ "$output" == *"success: false"*"cannot listen at --address nowhere"* ]]
}

@test "WAIT_PID knows only children" {
	run ask 'type: WAIT_PID pid: 1'
	[[ "$output" == *"answer type: WAIT_PID success: false cr_errno: 10 "* ]]
	run ask 'type: WAIT_PID'
	[[ "$output" == *"success: false cr_errno: 56 "* ]]
}

@test "exec_cmd becomes the server, its output the log" {
	start task/sleeper
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	run ask "type: RESTORE $(opts "log_file: 'restore.log' exec_cmd: 'sh' exec_cmd: '-c' exec_cmd: 'echo here; exit 7'")"
	[[ "$output" == *"success: true"*"exit 7" ]]
	grep -qx here "$images/restore.log"
	same
}

@test "external resources may be named while a dump runs" {
	launch /usr/bin/python3 "$BATS_TEST_DIRNAME/outside.py" socket
	wait_for 10 test -e "$place/peer" || { cat "$place/log"; false; }
	run ask "type: DUMP $(opts "pid: $pid notify_scripts: true")"
	[[ "$output" == *"success: false"*"peer is outside"* ]]
	run ask -e "unix[$(cat "$place/peer")]" "type: DUMP $(opts "pid: $pid notify_scripts: true")"
	[[ "$output" == *"success: true"* ]]
}

@test "a pipe from outside is replaced by a descriptor that the server inherited" {
	launch /usr/bin/python3 "$BATS_TEST_DIRNAME/outside.py" pipe
	wait_for 10 test -e "$place/peer" || { cat "$place/log"; false; }
	key="pipe:[$(cat "$place/peer")]"
	ask "type: DUMP $(opts "pid: $pid")"
	wait_for 5 is_gone "$pid"
	run ask "type: RESTORE $(opts "inherit_fd { key: '$key' fd: 99 }")"
	[[ "$output" == *"success: false"*"cr_errno: 56 "*"that descriptor is not open"* ]]

	exec 7< <(wait_for 20 test -e "$work/go"; echo hello)
	run ask -k 7 "type: RESTORE $(opts "inherit_fd { key: '$key' fd: 7 }")"
	exec 7<&-
	[[ "$output" == *"success: true"* ]]
	: >"$work/go"
	wait_for 5 grep -qx hello "$place/heard"
}

in_a_terminal()
{
	launch /usr/bin/python3 "$BATS_TEST_DIRNAME/outside.py" terminal
	wait_for 10 test -e "$place/peer" || { cat "$place/log"; false; }
	pid=$(cat "$place/peer")
	launched+=" $pid"
}

@test "the client holds the terminal of what it restores: orphan-pts-master" {
	in_a_terminal
	run ask "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: false"*"its master is outside of the tree"* ]]
	ask "type: DUMP $(opts "pid: $pid orphan_pts_master: true")"
	wait_for 5 is_gone "$pid"

	export WHEN="touch $place/look"
	run ask -w post-resume -m Miller \
		"type: RESTORE $(opts "orphan_pts_master: true notify_scripts: true rst_sibling: true")"
	[[ "$output" == *"post-setup-namespaces"*"fd "*"ptmx"*"orphan-pts-master"*"post-restore"* ]]
	[[ "$output" == *"what is your name?"*"same, Miller"* ]]
}

@test "a client that does not want the terminal ends the restore" {
	in_a_terminal
	ask "type: DUMP $(opts "pid: $pid orphan_pts_master: true")"
	wait_for 5 is_gone "$pid"
	run ask -r orphan-pts-master "type: RESTORE $(opts "orphan_pts_master: true notify_scripts: true")"
	[[ "$output" == *"success: false"*"cannot pass action orphan-pts-master"* ]]
	is_gone "$pid"
	# nobody to ask
	run ask "type: RESTORE $(opts "orphan_pts_master: true")"
	[[ "$output" == *"success: false"*"its master was outside of the tree"* ]]
}

# ---- configuration ----

# config NAME LINE...
config()
{
	local file=$work/$1
	shift
	printf '%s\n' "$@" >"$file"
}

@test "options: files, environment, command line, request, file of the request" {
	start task/sleeper
	config one "leave-running" "log-file one.log"
	config two "log-file two.log"

	# --config is overruled by the request, which is overruled by its file
	run ask -a --config -a "$work/one" "type: DUMP $(opts "pid: $pid log_file: 'req.log'")"
	[[ "$output" == *"success: true"* ]]
	[ -s "$images/req.log" ] && [ ! -e "$images/one.log" ]
	kill -0 "$pid"

	run ask -a --config -a "$work/one" \
		"type: DUMP $(opts "pid: $pid log_file: 'req2.log' config_file: '$work/two'")"
	[[ "$output" == *"success: true"* ]]
	[ -s "$images/two.log" ] && [ ! -e "$images/req2.log" ]
	kill -0 "$pid"

	# $CRIU_CONFIG_FILE is read, also without default files
	CRIU_CONFIG_FILE=$work/one run ask -a --no-default-config "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: true"* ]]
	kill -0 "$pid"

	# a command line counts like a file
	run ask -a --leave-running "type: DUMP $(opts "pid: $pid config_file: '$work/none'")"
	[[ "$output" == *"success: true"* ]]
	kill -0 "$pid"

	# false is not nothing
	config three "shell-job"
	run ask -a --config -a "$work/three" "type: DUMP $(opts "pid: $pid shell_job: false")"
	[[ "$output" == *"success: true"* ]]
}

@test "HOME/.criu/default.conf is read, and not with --config" {
	start task/sleeper
	mkdir -p "$work/home/.criu"
	printf 'leave-running\n' >"$work/home/.criu/default.conf"
	config empty ""
	HOME=$work/home run ask "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: true"* ]]
	kill -0 "$pid"
	HOME=$work/home run ask -a --config -a "$work/empty" "type: DUMP $(opts "pid: $pid")"
	[[ "$output" == *"success: true"* ]]
	wait_for 5 is_gone "$pid"
}

@test "a file of the request that cannot be understood is told" {
	start task/sleeper
	config bad "no-such-thing"
	run ask "type: DUMP $(opts "pid: $pid config_file: '$work/bad'")"
	[[ "$output" == *"success: false"*"cr_errno: 56 "*"no-such-thing"* ]]
	same
}

# iteration N [FIELD...]: options for directory N, on top of the one before it
iteration()
{
	local n=$1 parent=
	shift

	mkdir -p "$work/$n"
	[ "$n" = 1 ] || parent="parent_img: '../$((n - 1))' track_mem: true"
	echo "opts { images_dir_fd: fd($work/$n) log_level: 4 pid: $pid $parent $* }"
}

@test "pre-dumps and the dump on top of them, on one connection or each on its own" {
	start mem/precopy
	store="pidfd_store_sk: fd(/dev/null)"
	run ask "type: PRE_DUMP $(iteration 1 "$store")" "type: PRE_DUMP $(iteration 2 "$store pre_dump_mode: VM_READ")" \
		"type: DUMP $(iteration 3 "$store notify_scripts: true")"
	echo "$output"
	[ "$(grep -c 'answer type: PRE_DUMP success: true' <<<"$output")" = 2 ]
	notified pre-dump query-ext-files post-dump
	[[ "$output" == *"answer type: DUMP success: true"*"exit 0" ]]
	wait_for 5 is_gone "$pid"
	images=$work/3
	restore
	"$CRIU_LITE" show decode -i "$work/3/stats-dump" | grep -q '"pages_skipped_parent": [1-9]'
	"$CRIU_LITE" show decode -i "$work/2/inventory.img" | grep -q '"pre_dump_mode": 2'

	rm -rf "$work"/[123]
	for i in 1 2; do
		run ask "type: SINGLE_PRE_DUMP $(iteration $i)"
		[[ "$output" == *"answer type: SINGLE_PRE_DUMP success: true"*"exit 0" ]]
	done
	run ask "type: DUMP $(iteration 3)"
	wait_for 5 is_gone "$pid"
	"$CRIU_LITE" show decode -i "$work/3/stats-dump" | grep -q '"pages_skipped_parent": [1-9]'
	restore
	same
}

@test "after PRE_DUMP comes PRE_DUMP or DUMP" {
	start task/sleeper
	run ask "type: PRE_DUMP $(iteration 1)" 'type: VERSION'
	[[ "$output" == *"answer type: PRE_DUMP success: true"*"answer type: EMPTY success: false"* ]]
	same
}
