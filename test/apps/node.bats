# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

answer()
{
	exec 9<>/dev/tcp/127.0.0.1/7393 || return
	printf 'GET / HTTP/1.0\r\n\r\n' >&9
	timeout 5 cat <&9 | tail -n 1
	exec 9>&-
}

@test "node: an HTTP server with timers and a worker thread" {
	need node
	launch node -e '
const http = require("http"), fs = require("fs");
const { Worker } = require("worker_threads");
let ticks = 0, fromWorker = 0, requests = 0;
setInterval(() => { ticks++; fs.writeFileSync("ticks", String(ticks)); }, 20);
const w = new Worker(`const { parentPort } = require("worker_threads");
	let n = 0; setInterval(() => parentPort.postMessage(n++), 20)`, { eval: true });
w.on("message", (n) => { if (n != fromWorker) { fs.writeFileSync("bad", n + " is not " + fromWorker); } fromWorker++; });
http.createServer((q, a) => a.end(JSON.stringify({ requests: ++requests, fromWorker }))).listen(7393, "127.0.0.1");
'
	up() { answer 2>/dev/null | grep -q requests; }
	wait_for 10 up
	for i in 1 2 3; do
		cycle 1
		before=$(cat "$place/ticks")
		moves() { [ "$(cat "$place/ticks")" -gt $((before + 5)) ] 2>/dev/null; }
		wait_for 10 moves
		wait_for 10 up
	done
	[ ! -e "$place/bad" ]
	answer | grep -q '"requests":[0-9]*,"fromWorker":[1-9]'
}
