#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""page_peer.py MODE ...: the other end of a page server, as CRIU 4.2 speaks

  server DIR PORTFILE [short|die|refuse]
        one dump is received into images in DIR; short: in pieces of a few bytes;
        die: closed in the middle of its pages; refuse: the end is answered by an error
  client PORT WHAT
        sends what a dump sends: "good", "old" (messages of older CRIUs), "short" (a
        byte at a time), or something that no dump would say; prints what comes back
  pair COMMAND... -- COMMAND...
        run both, with a connected socket each, whose number takes the place of {}
  proxy LISTENFILE PORT BYTES
        passes on a connection with PORT, and cuts it when so many bytes came from there
"""
import os
import socket
import struct
import sys

PAGE = 4096
ADD, HOLE, OPEN, OPEN2, PARENT, ADD_F, GET = 1, 2, 3, 4, 5, 6, 7
CLOSE, FORCE_CLOSE = 0x1023, 0x1024
F_PARENT, F_LAZY, F_PRESENT = 1, 2, 4


def message(cmd, nr=0, addr=0, obj=0, flags=0):
    return struct.pack("<IIQQQ", flags << 16 | cmd, 0, nr, addr, obj)


class Socket:
    def __init__(self, sock, piece=1 << 20):
        self.sock, self.piece = sock, piece

    def read(self, n):
        data = b""
        while len(data) < n:
            got = self.sock.recv(min(n - len(data), self.piece))
            if not got:
                break
            data += got
        return data

    def write(self, data):
        for at in range(0, len(data), self.piece):
            self.sock.sendall(data[at:at + self.piece])


def listen(path):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(1)
    with open(path + ".new", "w") as f:
        f.write(str(sock.getsockname()[1]))
    os.rename(path + ".new", path)
    conn, _ = sock.accept()
    sock.close()
    return conn


# ---- images, by hand ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def entry(fields):
    data = b"".join(varint(k << 3) + varint(v) for k, v in fields)
    return struct.pack("<I", len(data)) + data


class Images:
    def __init__(self, where):
        self.where, self.id, self.map, self.pages = where, 0x10000, None, None

    def open(self, obj):
        self.close()
        self.id += 1
        kind = {1: "", 2: "shmem-"}[obj & 255]
        self.map = open("%s/pagemap-%s%d.img" % (self.where, kind, obj >> 8), "wb")
        self.pages = open("%s/pages-%d.img" % (self.where, self.id), "wb")
        self.map.write(struct.pack("<II", 0x54564319, 0x56084025) + entry([(1, self.id)]))

    def add(self, nr, addr, flags):
        self.map.write(entry([(1, addr), (2, 0), (4, flags), (5, nr)]))

    def close(self):
        for f in (self.map, self.pages):
            if f:
                f.close()


def server(where, portfile, how=""):
    conn = listen(portfile)
    s = Socket(conn, 1000 if how == "short" else 1 << 20)
    images, opened, last = Images(where), None, 0
    while True:
        head = s.read(32)
        assert len(head) == 32, "the dump ended after %d bytes" % len(head)
        cmd, pad, nr, addr, obj = struct.unpack("<IIQQQ", head)
        cmd, flags = cmd & 0xffff, cmd >> 16
        assert pad == 0
        if cmd == OPEN2:
            images.open(obj)
            opened, last = obj, 0
            s.write(b"\0")
        elif cmd == PARENT:
            s.write(struct.pack("<i", 0))
        elif cmd == ADD_F:
            assert obj == opened and addr >= last and addr % PAGE == 0 and nr and not flags & ~7
            last = addr + nr * PAGE
            images.add(nr, addr, flags)
            if flags & F_PRESENT:
                data = s.read(nr * PAGE if how != "die" else PAGE)
                if how == "die":
                    return
                assert len(data) == nr * PAGE
                images.pages.write(data)
        elif cmd in (CLOSE, FORCE_CLOSE):
            assert nr == addr == obj == 0
            images.close()
            s.write(struct.pack("<i", 5 if how == "refuse" else 0))
            assert s.read(1) == b"", "more after the end"
            return
        else:
            raise AssertionError("message %#x" % cmd)


def page(letter):
    return (letter * PAGE).encode()


TASK, SHMEM = 7 << 8 | 1, 9 << 8 | 2
GOOD = [message(PARENT, obj=TASK), message(OPEN2, obj=TASK),
        message(ADD_F, 2, 0x10000, TASK, F_PRESENT) + page("a") + page("b"),
        message(ADD_F, 1, 0x20000, TASK, F_PRESENT | F_LAZY) + page("c"),
        message(ADD_F, 3, 0x30000, TASK, F_LAZY),
        message(OPEN2, obj=SHMEM), message(ADD_F, 1, 0, SHMEM, F_PRESENT) + page("d"),
        message(CLOSE)]
OLD = [message(OPEN, obj=7 << 8 | 10), message(ADD, 1, 0x10000, 7 << 8 | 10) + page("a"),
       message(HOLE, 1, 0x11000, 7 << 8 | 10), message(FORCE_CLOSE)]
OPENED = message(OPEN2, obj=TASK)
BAD = {
    "garbage": [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    "unknown": [message(99)],
    "object": [message(OPEN2, obj=7 << 8 | 3)],
    "closed": [message(ADD_F, 1, 0x1000, TASK, F_PRESENT) + page("a")],
    "other": [OPENED, message(ADD_F, 1, 0x1000, SHMEM, F_PRESENT) + page("a")],
    "flags": [OPENED, message(ADD_F, 1, 0x1000, TASK, 8)],
    "zero": [OPENED, message(ADD_F, 0, 0x1000, TASK, F_PRESENT)],
    "huge": [OPENED, message(ADD_F, 1 << 60, 0x1000, TASK, F_PRESENT)],
    "odd": [OPENED, message(ADD_F, 1, 0x1001, TASK, F_PRESENT) + page("a")],
    "order": [OPENED, message(ADD_F, 2, 0x1000, TASK, F_LAZY), message(ADD_F, 1, 0x2000, TASK, F_LAZY)],
    "cut": [OPENED, message(ADD_F, 2, 0x1000, TASK, F_PRESENT) + page("a")],
    "head": [OPENED, message(ADD_F, 2, 0x1000, TASK, F_PRESENT)[:17]],
    "unfinished": [OPENED],
    "more": [message(CLOSE), message(CLOSE)],
}


def client(port, what):
    conn = socket.create_connection(("127.0.0.1", int(port)))
    s = Socket(conn, 1 if what == "short" else 1 << 20)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for m in {"good": GOOD, "short": GOOD, "old": OLD}.get(what) or BAD[what]:
            s.write(m)
        conn.shutdown(socket.SHUT_WR)
        print(s.read(1 << 20).hex())
    except OSError:
        print("reset")


def pair(*words):
    import subprocess
    at = words.index("--")
    running = []
    for sock, command in zip(socket.socketpair(), (words[:at], words[at + 1:])):
        os.set_inheritable(sock.fileno(), True)
        running.append(subprocess.Popen([w.replace("{}", str(sock.fileno())) for w in command],
                                        pass_fds=[sock.fileno()]))
        sock.close()
    sys.exit(max(p.wait() for p in running))


def proxy(portfile, port, limit):
    """Both directions; the connection is cut when @limit bytes came back."""
    import select
    left = int(limit)
    near = listen(portfile)
    far = socket.create_connection(("127.0.0.1", int(port)))
    while left > 0:
        for s in select.select([near, far], [], [])[0]:
            data = s.recv(65536)
            if not data:
                return
            if s is far:
                left -= len(data)
            (far if s is near else near).sendall(data)


if __name__ == "__main__":
    {"server": server, "client": client, "pair": pair, "proxy": proxy}[sys.argv[1]](*sys.argv[2:])
