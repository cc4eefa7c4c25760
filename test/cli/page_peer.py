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
  proxy PORTFILE PORT BYTES [SECONDS]
        passes on a connection with PORT, and cuts it when so many bytes came from there;
        each piece of 64 KiB takes some time
  pages DIR PORTFILE [short|nonsense]
        serves pages of the images in DIR to a lazy-pages daemon; short: fewer than it asks for,
        and these in small pieces; nonsense: after a while, something else
  ask PORT PID ADDRESS NUMBER
        as a lazy-pages daemon: asks for pages twice, in one go, and then says that this was
        all; prints the number of pages that came each time and their first byte
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
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return n, at


def read_images(where, pid):
    """{address: offset of the page in its file}, and that file"""
    data = open("%s/pagemap-%d.img" % (where, pid), "rb").read()
    at, off, pages, head = 8, 0, {}, None
    while at < len(data):
        end = at + 4 + struct.unpack_from("<I", data, at)[0]
        at, fields = at + 4, {}
        while at < end:
            key, at = read_varint(data, at)
            fields[key >> 3], at = read_varint(data, at)
        if head is None:
            head = fields
            continue
        for n in range(fields[5] if fields[4] & F_PRESENT else 0):
            pages[fields[1] + n * PAGE] = off
            off += PAGE
    return pages, open("%s/pages-%d.img" % (where, head[1]), "rb")


def pages(where, portfile, how=""):
    s = Socket(listen(portfile), 1000 if how == "short" else 1 << 20)
    images, answers = {}, 0
    while True:
        head = s.read(32)
        assert len(head) == 32, "the daemon ended"
        cmd, _, nr, addr, pid = struct.unpack("<IIQQQ", head)
        if cmd == CLOSE:
            s.write(struct.pack("<i", 0))
            return
        assert cmd == GET and nr
        if pid not in images:
            images[pid] = read_images(where, pid)
        have, f = images[pid]
        n = 0
        while n < (min(nr, 3) if how == "short" else nr) and addr + n * PAGE in have:
            n += 1
        assert n
        answers += 1
        f.seek(have[addr])
        if how == "nonsense" and answers == 5:
            addr += PAGE
        s.write(message(ADD_F, n, addr, pid, F_PRESENT) + f.read(n * PAGE))


def ask(port, pid, addr, nr):
    s = Socket(socket.create_connection(("127.0.0.1", int(port))))
    pid, addr, nr = int(pid), int(addr, 16), int(nr)
    try:
        s.write(message(GET, nr, addr, pid) + message(GET, 1, addr, pid))
        for _ in range(2):
            cmd, _, n, at, obj = struct.unpack("<IIQQQ", s.read(32))
            assert (cmd, at, obj) == (F_PRESENT << 16 | ADD_F, addr, pid)
            data = s.read(n * PAGE)
            assert len(data) == n * PAGE
            print(n, data[0])
        s.write(message(CLOSE))
        print(struct.unpack("<i", s.read(4))[0])
    except (OSError, struct.error):
        print("reset")


def proxy(portfile, port, limit, seconds="0"):
    import select
    import time
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
                time.sleep(float(seconds) * len(data) / 65536)
            (far if s is near else near).sendall(data)


if __name__ == "__main__":
    {"server": server, "client": client, "pair": pair, "ask": ask, "pages": pages, "proxy": proxy}[sys.argv[1]](*sys.argv[2:])
