# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

@test "sqlite3 in the middle of a transaction commits all of it" {
	need sqlite3
	mkfifo "$work/in"
	launch bash -c 'exec sqlite3 db >out 2>&1 <>'"$work/in"
	exec 8>"$work/in"
	echo "create table t(n integer); begin; insert into t values (1);" >&8
	echo "insert into t select value from generate_series(2, 1000);" >&8
	echo "select 'first ' || count(*) from t;" >&8
	wait_for 10 grep -q 'first 1000' "$place/out"
	# file locks of the open transaction are state, too
	exec 8>&-
	cycle 3 --file-locks
	exec 8>"$work/in"
	[ "$(sqlite3 "$place/db" 'select count(*) from t' 2>&1)" = 0 ]
	echo "insert into t values (1001); commit; select 'then ' || count(*) from t;" >&8
	wait_for 10 grep -q 'then 1001' "$place/out"
	[ "$(sqlite3 "$place/db" 'select count(*) from t; pragma integrity_check')" = $'1001\nok' ]
}
