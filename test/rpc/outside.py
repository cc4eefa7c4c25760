#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""outside.py socket|pipe: has one end of a pair, and somebody outside of its tree the other

The file "peer" tells the inode of the other end of the socket, or of the pipe.
What is read from the pipe is in the file "heard", a line at a time.
"""
import os
import socket
import sys
import time


def leave_outside(*close):
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()     # else the old session would keep the pid of its leader taken
            for fd in close:
                os.close(fd)
            time.sleep(300)
        os._exit(0)
    os.wait()


def say(name, text):
    with open(name + ".new", "w") as f:
        f.write(text + "\n")
    os.rename(name + ".new", name)


if sys.argv[1] == "socket":
    ours, theirs = socket.socketpair()
    inode = os.fstat(theirs.fileno()).st_ino
    leave_outside(ours.fileno())
    theirs.close()
    say("peer", str(inode))
    time.sleep(300)

r, w = os.pipe()
leave_outside(r)
os.close(w)
say("peer", str(os.fstat(r).st_ino))
for line in os.fdopen(r):
    say("heard", line.strip())
time.sleep(300)
