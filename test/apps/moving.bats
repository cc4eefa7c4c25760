#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# programs move from host to host, and their clients on a third one stay connected

load ../helpers
load ../hosts

teardown()
{
	end_hosts
	end_launched
}

# there_and_back TIMES: of what was launched on a
there_and_back()
{
	local i

	for ((i = 0; i < $1; i++)); do
		move a b || { show_logs; return 1; }
		move b a || { show_logs; return 1; }
	done
}

answered()
{
	wait_for "${1:-30}" test -e "$work/answer" || { echo "no answer"; return 1; }
	cat "$work/answer"
	[ "$(cat "$work/answer")" = good ]
}

@test "redis under load goes there and back ten times: no error, nothing that was acknowledged is lost" {
	need redis-server nft
	hosts a b c
	launch_on a redis-server --bind 0.0.0.0 --protected-mode no --save '' --port 6399
	service_at a
	wait_for 10 on c bash -c ": <>/dev/tcp/$service/6399"
	cat >"$work/client.py" <<'END'
import os, random, socket, sys
work, service = sys.argv[1:]
socks = [socket.create_connection((service, 6399)) for i in range(4)]
files = [s.makefile("rwb") for s in socks]
acknowledged = [0] * 4


def ask(i, *words):
    f = files[i]
    f.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    f.flush()
    line = f.readline().strip()
    return f.read(int(line[1:]) + 2)[:-2] if line[:1] == b"$" and line != b"$-1" else line


def work_on(i):
    n = acknowledged[i] + 1
    said = ask(i, b"SET", b"k%d" % i, b"%d" % n)
    if said != b"+OK":
        return "SET %d: %r" % (n, said)
    acknowledged[i] = n
    k = random.choice([k for k in range(4) if acknowledged[k]])
    said = ask(i, b"GET", b"k%d" % k)
    if said != b"%d" % acknowledged[k]:
        return "GET: %r, not %d" % (said, acknowledged[k])


try:
    text, rounds = None, 0
    open(work + "/begun", "w").close()
    while not text and not (os.path.exists(work + "/ask") and rounds > 1000):
        i = rounds % 4
        text = work_on(i)
        rounds += 1
    for i in range(4):
        said = ask(i, b"GET", b"k%d" % i)
        if not text and said != b"%d" % acknowledged[i]:
            text = "at the end: %r, not %d" % (said, acknowledged[i])
except Exception as e:
    text = repr(e)
with open(work + "/.answer", "w") as f:
    f.write((text or "good") + "\n")
os.rename(work + "/.answer", work + "/answer")
END
	on c python3 "$work/client.py" "$work" "$service" 3>&- 4>&- &
	wait_for 10 test -e "$work/begun"
	there_and_back 5
	touch "$work/ask"
	answered
}

@test "PostgreSQL moves while pgbench clients on another host use it" {
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	[ -n "$bin" ] || skip "this machine has no PostgreSQL server"
	need nft
	let_others_in
	mkdir "$work/data" "$work/run"
	chown postgres "$work/data" "$work/run"
	as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@" 3>&- 4>&-; }
	as_postgres "$bin/initdb" -A trust -D "$work/data" >/dev/null
	echo "host all all 10.80.0.0/24 trust" >>"$work/data/pg_hba.conf"
	cat >>"$work/data/postgresql.conf" <<END
listen_addresses = '0.0.0.0'
unix_socket_directories = '$work/run'
fsync = off
END
	hosts a b c
	launch_on a setpriv --reuid postgres --regid postgres --init-groups "$bin/postgres" -D "$work/data"
	service_at a
	sql() { on c "$bin/psql" -U postgres -h "$service" -At -c "$1" postgres 2>/dev/null; }
	wait_for 30 sql 'select 1'
	on c "$bin/pgbench" -U postgres -h "$service" -i -q postgres >/dev/null 2>&1
	on c "$bin/pgbench" -U postgres -h "$service" -n -c 8 -j 2 -T 5 postgres >"$work/pgbench" 2>&1 3>&- 4>&- &
	client=$!
	running() { [ "$(sql 'select count(*) from pgbench_history')" -gt 20 ]; }
	wait_for 20 running
	there_and_back 2
	wait $client || { cat "$work/pgbench"; return 1; }
	cat "$work/pgbench"
	[[ $(cat "$work/pgbench") != *[Ee]rror* && $(cat "$work/pgbench") != *aborted* ]]
	# what was acknowledged is there, and every sum agrees
	done=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$work/pgbench")
	[ "$done" -gt 20 ]
	[ "$(sql 'select count(*) from pgbench_history')" -ge "$done" ]
	[ "$(sql 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)')" = t ]
}

@test "a download from nginx goes on while nginx moves" {
	need nginx nft
	let_others_in
	mkdir "$work/www"
	python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(5).randbytes(50000001))' >"$work/www/file"
	cat >"$work/nginx.conf" <<END
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $work/body;
	proxy_temp_path $work/proxy;
	fastcgi_temp_path $work/fastcgi;
	uwsgi_temp_path $work/uwsgi;
	scgi_temp_path $work/scgi;
	server { listen 0.0.0.0:7393; root $work/www; }
}
END
	hosts a b c
	launch_on a nginx -c "$work/nginx.conf" -g 'error_log /dev/null;'
	service_at a
	wait_for 10 on c bash -c ": <>/dev/tcp/$service/7393"
	# no faster than that there is something left to move
	on c python3 -c '
import sys, time, urllib.request
f = urllib.request.urlopen("http://%s:7393/file" % sys.argv[2], timeout=30)
got = 0
with open(sys.argv[1] + "/got", "wb") as out:
    while True:
        data = f.read(500000)
        if not data:
            break
        out.write(data)
        out.flush()
        time.sleep(0.02)
open(sys.argv[1] + "/answer", "w").write("good\n")' "$work" "$service" 3>&- 4>&- &
	begun() { [ -s "$work/got" ]; }
	wait_for 10 begun
	there_and_back 2
	[ ! -e "$work/answer" ]
	answered
	cmp "$work/got" "$work/www/file"
}

@test "a pipeline over TCP between two trees, both of which move" {
	need nft
	hosts a b c
	# numbers: from the first tree to the second one and back, doubled
	cat >"$work/stage.py" <<'END'
import os, socket, struct, sys
what, work = sys.argv[1:3]
if what == "middle":
    s = socket.create_server(("0.0.0.0", 7394))
    open("ready", "w").close()
    first, last = s.accept()[0], s.accept()[0]
    while True:
        data = first.recv(8, socket.MSG_WAITALL)
        if len(data) < 8:
            sys.exit()
        last.sendall(struct.pack("<Q", 2 * struct.unpack("<Q", data)[0]))
first = socket.create_connection((sys.argv[3], 7394))
last = socket.create_connection((sys.argv[3], 7394))
if os.fork() == 0:
    n = 0
    while not os.path.exists(work + "/ask"):
        first.sendall(struct.pack("<Q", n))
        n += 1
    first.shutdown(socket.SHUT_WR)
    with open(work + "/sent", "w") as f:
        f.write("%d\n" % n)
    os._exit(0)
n, text, data = 0, "good", b""
try:
    while text == "good":
        more = last.recv(4096)
        if not more:
            break
        data += more
        while len(data) >= 8:
            x, data = struct.unpack("<Q", data[:8])[0], data[8:]
            if x != 2 * n:
                text = "%d, not %d" % (x, 2 * n)
            n += 1
    os.wait()
    if int(open(work + "/sent").read()) != n:
        text = "%d of them" % n
except Exception as e:
    text = repr(e)
with open(work + "/.answer", "w") as f:
    f.write(text + "\n")
os.rename(work + "/.answer", work + "/answer")
END
	launch_on a python3 "$work/stage.py" middle "$work"
	wait_for 10 test -e "$place/ready"
	middle=$pid
	service_at a
	launch_on c python3 "$work/stage.py" ends "$work" "$service"
	ends=$pid
	begun() { on c ss -Htn state established dport = 7394 | grep -q 7394; }
	wait_for 10 begun
	for i in 1 2 3; do
		pid=$middle
		move a b
		move b a
		middle=$pid
	done
	# both at the same time are nowhere
	pid=$middle
	images=$(mktemp -d "$work/images.XXXXXX")
	on a "$CRIU_LITE" dump -t "$middle" -D "$images" --tcp-established </dev/null
	ends_images=$(mktemp -d "$work/images.XXXXXX")
	on c "$CRIU_LITE" dump -t "$ends" -D "$ends_images" --tcp-established </dev/null
	on a "$CRIU_LITE" restore -d -D "$images" --tcp-established </dev/null
	on c "$CRIU_LITE" restore -d -D "$ends_images" --tcp-established </dev/null
	touch "$work/ask"
	answered
}
