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
