# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

setup()
{
	need /usr/bin/python3
}

# counts FILE: how many lines it has, and that they are 0, 1, 2, ...
counted()
{
	awk '{ if ($1 != NR - 1) { print FILENAME ": line " NR " is " $0; exit 1 } }' "$1" || return
	wc -l <"$1"
}

goes_on()
{
	local before
	before=$(counted "$1") || return
	more() { [ "$(wc -l <"$1")" -gt $((before + 5)) ]; }
	wait_for 10 more "$1" && counted "$1" >/dev/null
}

@test "python3: threads with a lock, a queue and a timer" {
	launch /usr/bin/python3 -c '
import threading, queue, time
q = queue.Queue()
out = open("out", "w", buffering=1)
lock = threading.Lock()
shared = {"n": 0}
def make():
    while True:
        with lock:
            q.put(shared["n"]); shared["n"] += 1
        time.sleep(0.01)
def take():
    while True:
        n = q.get(timeout=5)
        with lock:
            print(n, file=out)
threads = [threading.Thread(target=make)] + [threading.Thread(target=take)]
[t.start() for t in threads]
[t.join() for t in threads]
'
	wait_for 10 test -s "$place/out"
	for i in 1 2 3; do
		cycle 1
		goes_on "$place/out"
	done
}

@test "python3: asyncio with a subprocess, a unix server and sleeping tasks" {
	launch /usr/bin/python3 -c '
import asyncio
out = open("out", "w", buffering=1)
async def serve(r, w):
    while True:
        line = await r.readline()
        w.write(line); await w.drain()
async def main():
    server = await asyncio.start_unix_server(serve, "sock")
    r, w = await asyncio.open_unix_connection("sock")
    p = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    n = 0
    while True:
        w.write(b"%d\n" % n); await w.drain()
        a = await asyncio.wait_for(r.readline(), 5)
        p.stdin.write(a); await p.stdin.drain()
        b = await asyncio.wait_for(p.stdout.readline(), 5)
        print(int(b), file=out); n += 1
        await asyncio.sleep(0.01)
asyncio.run(main())
'
	wait_for 10 test -s "$place/out"
	for i in 1 2 3; do
		cycle 1
		goes_on "$place/out"
	done
}

@test "python3: multiprocessing with a pool and shared memory" {
	launch /usr/bin/python3 -c '
import multiprocessing as mp, time
def square(n):
    time.sleep(0.005)
    return n, n * n
if __name__ == "__main__":
    out = open("out", "w", buffering=1)
    total = mp.Value("l", 0)
    with mp.Pool(3) as pool:
        n = 0
        while True:
            for k, sq in pool.map(square, range(n, n + 5)):
                assert sq == k * k
                with total.get_lock():
                    total.value += 1
                print(k, file=out)
            n += 5
            assert total.value == n
'
	wait_for 10 test -s "$place/out"
	for i in 1 2 3; do
		cycle 1
		goes_on "$place/out"
	done
}
