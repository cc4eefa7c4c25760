#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""console.py SOCKET FILE: what a console socket of runc is for

Takes the terminals that come over SOCKET, one after the other, types "hello" into
each, and appends what is said there to FILE.
"""
import array
import os
import socket
import sys
import threading


def attend(master):
    os.write(master, b"hello\n")
    try:
        while True:
            with open(sys.argv[2], "ab") as f:
                f.write(os.read(master, 1000))
    except OSError:
        pass    # the container has ended


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    conn, _ = listener.accept()
    _, control, _, _ = conn.recvmsg(1000, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(control[0][2])
    threading.Thread(target=attend, args=(fds[0],), daemon=True).start()
