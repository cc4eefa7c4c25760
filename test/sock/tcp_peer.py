# SPDX-License-Identifier: GPL-2.0-only
"""tcp_peer.py SIDE FAMILY PORT [BUFFER]: one side of a TCP connection with numbers that go both ways.

FAMILY is 4, 6, 46 (IPv4 through IPv6), all on this host; 0, which is any; or an address.

Every eight bytes are a number, one more than the last.  "server" answers each number that
it gets with its double; "client" floods the server and checks what comes.  When the file
"ask" says "stop", the client stops sending, waits for all answers, and says "good" in
"answer", or what was wrong.
"""
import os
import select
import socket
import struct
import sys
import time

side, family, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
buffer = int(sys.argv[4]) if len(sys.argv) > 4 else 0
addresses = {"4": ("127.0.0.1", "127.0.0.1"), "6": ("::1", "::1"), "46": ("::", "::ffff:127.0.0.1"),
             "0": ("0.0.0.0", "127.0.0.1")}
here, there = addresses.get(family, (family, family))


def new_socket():
    s = socket.socket(socket.AF_INET6 if ":" in here else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    return s


def serve():
    listener = new_socket()
    listener.bind((here, port))
    listener.listen(5)
    open("ready", "w").close()
    s, _ = listener.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while True:
        more = s.recv(65536)
        if not more:
            return
        data += more
        n = len(data) // 8
        numbers = struct.unpack("<%dQ" % n, data[:8 * n])
        data = data[8 * n:]
        s.sendall(struct.pack("<%dQ" % n, *(2 * x for x in numbers)))


def is_stopped():
    return os.path.exists("ask")


def flood(s):
    """Send numbers as fast as they are taken, and check their doubles."""
    sent = got = 0
    out = data = b""
    stopping = False
    while True:
        if not stopping and is_stopped():
            stopping = True
        if not out and not stopping:
            out = struct.pack("<500Q", *range(sent, sent + 500))
            sent += 500
        if stopping and not out and got == sent:
            return "good"
        r, w, _ = select.select([s], [s] if out else [], [], 10)
        if not r and not w:
            return "nothing comes: %d of %d" % (got, sent)
        if w:
            out = out[s.send(out):]
        if r:
            more = s.recv(65536)
            if not more:
                return "the end came: %d of %d" % (got, sent)
            data += more
            n = len(data) // 8
            for x in struct.unpack("<%dQ" % n, data[:8 * n]):
                if x != 2 * got:
                    return "%d instead of %d" % (x, 2 * got)
                got += 1
            data = data[8 * n:]


def client():
    s = new_socket()
    s.connect((there, port))
    s.setblocking(False)
    open("ready", "w").close()
    try:
        text = flood(s)
    except OSError as e:
        text = str(e)
    with open(".answer", "w") as f:
        f.write(text + "\n")
    os.rename(".answer", "answer")
    time.sleep(1000)


if side == "server":
    serve()
else:
    client()
