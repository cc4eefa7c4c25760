# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

cli()
{
	redis-cli -s "$place/redis.sock" "$@" 3>&- 4>&-
}

@test "redis-server keeps 100,000 keys, and takes new ones" {
	need redis-server redis-cli
	launch redis-server --port 7391 --unixsocket redis.sock --save "" --appendonly no --daemonize no
	answers() { [ "$(cli ping 2>/dev/null)" = PONG ]; }
	wait_for 10 answers
	cli eval 'for i = 1, 100000 do redis.call("SET", "key:" .. i, "value-" .. (i * 7)) end return 1' 0
	cli set expiring soon EX 1000

	for i in 1 2 3; do
		cycle 1
		wait_for 10 answers
		[ "$(cli dbsize)" = $((100001 + i - 1)) ]
		[ "$(cli get key:1)" = value-7 ]
		[ "$(cli get key:77777)" = value-544439 ]
		[ "$(cli eval 'local bad = 0 for i = 1, 100000 do if redis.call("GET", "key:" .. i) ~= "value-" .. (i * 7) then bad = bad + 1 end end return bad' 0)" = 0 ]
		ttl=$(cli ttl expiring)
		[ "$ttl" -gt 900 ] && [ "$ttl" -le 1000 ]
		cli set "new:$i" "$i"
		# over TCP too: its listening socket is there
		exec 9<>/dev/tcp/127.0.0.1/7391
		echo "PING" >&9
		read -r -t 5 pong <&9
		exec 9>&-
		[[ $pong == +PONG* ]]
		# a live connection cannot be dumped yet: until the server has noticed the end of this one
		alone() { cli info clients | grep -q '^connected_clients:1'; }
		wait_for 5 alone
	done
}

@test "redis-server saves its data in a child after restore" {
	need redis-server redis-cli
	launch redis-server --port 0 --unixsocket redis.sock --save "" --dir .
	answers() { [ "$(cli ping 2>/dev/null)" = PONG ]; }
	wait_for 10 answers
	cli set a 1
	cycle 3
	wait_for 10 answers
	cli bgsave
	wait_for 10 test -s "$place/dump.rdb"
}
