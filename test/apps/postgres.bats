# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

@test "PostgreSQL with pgbench clients inside the tree, over unix sockets" {
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	[ -n "$bin" ] || skip "this machine has no PostgreSQL server"
	let_others_in
	mkdir "$work/data" "$work/run"
	chown postgres "$work/data" "$work/run"
	as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@" 3>&- 4>&-; }
	as_postgres "$bin/initdb" -A trust -D "$work/data" >/dev/null
	cat >>"$work/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$work/run'
fsync = off
END
	cat >"$work/tree" <<END
#!/bin/bash
$bin/postgres -D $work/data &
until $bin/psql -h $work/run -c 'select 1' postgres >/dev/null 2>&1; do sleep 0.1; done
$bin/pgbench -i -q -h $work/run postgres
$bin/pgbench -n -h $work/run -c 3 -j 2 -T 1000 -P 1 postgres
END
	chmod 755 "$work/tree"
	launch setpriv --reuid postgres --regid postgres --init-groups "$work/tree"
	sql() { as_postgres "$bin/psql" -h "$work/run" -At -c "$1" postgres; }
	count() { sql 'select count(*) from pgbench_history' 2>/dev/null || echo 0; }
	running() { [ "$(count)" -gt 20 ]; }
	wait_for 60 running

	for i in 1 2 3; do
		cycle 1
		before=$(count)
		more() { [ "$(count)" -gt $((before + 20)) ]; }
		wait_for 20 more
		# what the bank knows: every sum agrees
		[ "$(sql 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)
			and (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history)')" = t ]
	done
	# before the table was there, we asked for it too
	! grep -i -E 'error|abort' "$place/log" | grep -v 'relation "pgbench_history" does not exist'
}
