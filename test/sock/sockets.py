# SPDX-License-Identifier: GPL-2.0-only
"""sockets.py WHAT [NAME]: a program with sockets, for .bats files.

It makes them, leaves a file "ready", and then does what the file "ask" says,
leaving the result in "answer".
"""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
import time

what = sys.argv[1]
name = sys.argv[2] if len(sys.argv) > 2 else None
keep = []


def address():
    return "\0" + name[1:] if name.startswith("@") else name


def unix(kind=socket.SOCK_STREAM):
    return socket.socket(socket.AF_UNIX, kind)


def bound(kind=socket.SOCK_STREAM, listen=False):
    s = unix(kind)
    s.bind(address())
    if listen:
        s.listen(5)
    return s


def connected(kind=socket.SOCK_STREAM):
    s = unix(kind)
    s.connect(address())
    return s


def tcp(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(5)
    return s


def ebpf():
    """r0 = 0xffff; exit"""
    libc = ctypes.CDLL(None, use_errno=True)
    code = struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0xffff, 0x95, 0, 0, 0)
    insns = ctypes.create_string_buffer(code)
    licence = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("<IIQQIIQII", 1, 2, ctypes.addressof(insns), ctypes.addressof(licence), 0, 0, 0, 0, 0)
    buf = ctypes.create_string_buffer(attr, 120)
    fd = libc.syscall(321, 5, buf, 120)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 50, fd)
    os.close(fd)
    return s


def accept_all():
    while True:
        keep.append(sock.accept()[0])


sock = None
if what == "stream_server":
    sock = bound(listen=True)
    threading.Thread(target=accept_all, daemon=True).start()
elif what == "stream_client":
    sock = connected()
elif what == "dgram_server":
    sock = bound(socket.SOCK_DGRAM)
elif what == "dgram_client":
    sock = connected(socket.SOCK_DGRAM)
elif what == "listener":
    sock = bound(listen=True)
elif what == "waiting":
    keep.append(bound(listen=True))
    sock = connected()
    sock.send(b"early")
elif what in ("waiting_gone", "waiting_gone_data"):
    sock = bound(listen=True)
    gone = connected()
    if what == "waiting_gone_data":
        gone.send(b"unread")
    gone.close()
elif what == "urgent":
    a, sock = socket.socketpair()
    a.send(b"!", socket.MSG_OOB)
    keep.append(a)
elif what == "tcp_pair":
    keep.append(tcp(20400))
    sock = socket.create_connection(("127.0.0.1", 20400))
    keep.append(keep[0].accept())
elif what == "tcp_listener":
    sock = tcp(int(name))
elif what == "udp_bound":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", int(name)))
elif what == "udp_corked":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", int(name)))
    sock.send(b"not yet", socket.MSG_MORE)
elif what == "vsock":
    sock = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
elif what == "netlink_unread":
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.bind((0, 0))
    sock.send(struct.pack("<IHHIIBBHiII", 32, 18, 0x301, 7, 0, 0, 0, 0, 0, 0, 0))
    time.sleep(0.1)
elif what == "ebpf":
    sock = ebpf()


def peer():
    """The inode of the other end."""
    mine = os.fstat(sock.fileno()).st_ino
    for line in subprocess.check_output(["ss", "-xanH"], universal_newlines=True).splitlines():
        words = line.split()
        if words[5] == str(mine):
            return words[7]
    return "?"


def recv():
    data = sock.recv(100)
    return data.decode() if data else "end"


def last_recv():
    """Of the connection that came last."""
    return keep[-1].recv(100).decode()


def accept():
    """Somebody connects, and is accepted."""
    if sock.family == socket.AF_UNIX:
        client = connected()
    else:
        client = socket.create_connection(sock.getsockname())
    server, _ = sock.accept()
    client.send(b"x")
    return "done" if server.recv(9) == b"x" else "no"


def late():
    """What is there to be read from who has gone before he was accepted."""
    server, _ = sock.accept()
    data = server.recv(9)
    return data.decode() if data else "end"


answers = {
    "late": late,
    "alive": lambda: "yes",
    "ino": lambda: os.fstat(sock.fileno()).st_ino,
    "peer": peer,
    "recv": recv,
    "send": lambda: "done" if sock.send(b"hello") == 5 else "no",
    "accept": accept,
    "last_recv": last_recv,
}

open("ready", "w").close()
while True:
    try:
        with open("ask") as f:
            question = f.read().strip()
    except FileNotFoundError:
        time.sleep(0.01)
        continue
    os.remove("ask")
    try:
        text = str(answers[question]())
    except OSError as e:
        text = str(e)
    with open(".answer", "w") as f:
        f.write(text + "\n")
    os.rename(".answer", "answer")
