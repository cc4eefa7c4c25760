#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# where messages, statistics and pids go

load ../helpers

@test "the log is in the work directory, fresh, for us alone" {
	start task/sleeper
	mkdir "$work/images" "$work/dir"
	echo old >"$work/dir/my.log"
	(cd "$work" && criu_lite dump -t "$pid" -R -D images -W dir -o new.log -v4)
	[ ! -e "$work/images/new.log" ]
	[ "$(stat -c %a "$work/dir/new.log")" = 600 ]
	[ -e "$work/images/inventory.img" ]
	[ -e "$work/dir/stats-dump" ]
	(cd "$work" && criu_lite dump -t "$pid" -R -D images -W dir -o my.log -v4)
	run grep -c old "$work/dir/my.log"
	[ "$output" = 0 ]
	same
}

@test "the log has the shape of CRIU's" {
	start task/sleeper
	dump -R
	run head -n 1 "$images/dump.log"
	[[ "$output" =~ ^\([0-9]{2}\.[0-9]{6}\)\ Version:\ 4\.2\ \(gitid\ .*\)$ ]]
	grep -q -E "^\([0-9.]+\) Running on $(uname -n) Linux $(uname -r) " "$images/dump.log"
	grep -q -E "^\([0-9.]+\) Dumping finished successfully$" "$images/dump.log"
	run grep -c Error "$images/dump.log"
	[ "$output" = 0 ]
}

@test "a failure stands in the log as Error, and on stderr with what to do" {
	mkdir "$work/empty"
	run criu_lite restore -D "$work/empty" -o log
	[ "$status" -eq 1 ]
	[[ "$output" == "criu-lite: restore: "* ]]
	grep -q -E "^Error \(criu-lite/run.c:[0-9]+\): Restoring FAILED\.$" "$work/empty/log"
	grep -q -E "^Error .*: .*inventory" "$work/empty/log"
}

@test "-o - is stdout; nothing is said without reason" {
	start task/sleeper
	images=$(mktemp -d "$work/images.XXXXXX")
	run criu_lite dump -t "$pid" -R -D "$images" -o - -v3
	[ "$status" -eq 0 ]
	[[ "$output" == *"Dumping finished successfully"* ]]
	run criu_lite dump -t "$pid" -R -D "$images"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a work directory that is not there is named" {
	run criu_lite dump -t $$ -D "$work" -W /nowhere
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot open directory /nowhere"*"-W"* ]]
}

@test "--display-stats prints them" {
	start task/sleeper
	images=$(mktemp -d "$work/images.XXXXXX")
	run criu_lite dump -t "$pid" -D "$images" --display-stats
	[ "$status" -eq 0 ]
	[[ "$output" == *"Memory pages written: "[1-9]* ]]
	[[ "$output" == *"Frozen time: "[1-9]*" us"* ]]
	run criu_lite restore -d -D "$images" --display-stats
	[ "$status" -eq 0 ]
	[[ "$output" == *"Pages restored: "[1-9]* ]]
}

@test "--pidfile: decimal, no newline, for us alone; not over another file" {
	start task/sleeper
	dump
	restore --pidfile my.pid
	[ "$(od -An -c "$images/my.pid" | tr -d ' \n')" = "$pid" ]
	[ "$(stat -c %a "$images/my.pid")" = 600 ]
	same
}

@test "--pidfile over another file: refused, nothing is restored" {
	start task/sleeper
	dump
	echo 7 >"$images/my.pid"
	run restore --pidfile my.pid
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot make pidfile my.pid"* ]]
	wait_for 5 is_gone "$pid"
	[ "$(cat "$images/my.pid")" = 7 ]
	restore
	same
}

@test "non-root needs --unprivileged, and is told so on stdout" {
	local copy=$work/criu-lite
	cp "$CRIU_LITE" "$copy"
	run sh -c 'setpriv --reuid 65534 --clear-groups "$1" check 2>/dev/null' - "$copy"
	[ "$status" -eq 1 ]
	[[ "$output" == "Running as non-root requires '--unprivileged'"* ]]
}

@test "--log-pid: every task of a restore has its own log" {
	start task/zombies
	dump
	restore --log-pid
	[ -s "$images/restore.log.$pid" ]
	grep -q "stage fork" "$images/restore.log"
	[ "$(stat -c %a "$images/restore.log.$pid")" = 600 ]
	run grep -c "$pid: " "$images/restore.log.$pid"
	[ "$output" = 0 ]
	same
}
