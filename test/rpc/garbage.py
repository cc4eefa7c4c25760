#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What is no request must end swrk with 1, without an answer."""
import os
import random
import socket
import subprocess

random.seed(5)
packets = [b"\xff", b"\x08", b"\x08\x63", b"no request at all", b"\x12\x00",
           b"\x08\x01\x12\xff\xff\xff\xff\x0f", b"\x08\x02" * 5,
           b"\x08\x01\x12" + b"\x0a" * 3000,
           bytes(random.randrange(256) for _ in range(4097)),
           b"\x08\x01" + b"\x7a\x02hi" * 60000 + b"\x08"]

for i, packet in enumerate(packets):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for s in ours, theirs:
        s.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)    # SO_SNDBUFFORCE
    p = subprocess.Popen([os.environ["CRIU_LITE"], "swrk", str(theirs.fileno())],
                         pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    theirs.close()
    ours.send(packet)
    said = ours.recv(1 << 20)
    status = p.wait(20)
    assert said == b"", (i, said)
    assert status == 1, (i, status)
    assert b"criu-lite: swrk: " in p.stderr.read(), i

# too long
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    ours.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)
    p = subprocess.Popen([os.environ["CRIU_LITE"], "swrk", str(theirs.fileno())],
                         pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    theirs.close()
    ours.send(b"\x08\x0a" + b"\x0a" * (2 << 20))
    assert p.wait(20) == 1
    assert b"cannot take a request of 2097154 bytes" in p.stderr.read()
except OSError as e:
    print("no buffer for it:", e)
