#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""outside.py socket|pipe|terminal: has one end of a pair, and somebody outside of its tree the other

The file "peer" tells the inode of the other end of the socket, or of the pipe.
A terminal is the controlling one of a child, whose pid is in "peer"; its master is here, and
the child waits for the file "look" to say what it finds.
What is read from the pipe is in the file "heard", a line at a time.
"""
import os
import pty
import socket
import sys
import termios
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


def use_terminal():
    t = termios.tcgetattr(0)
    t[3] &= ~termios.ECHO
    t[6][termios.VINTR] = b"\x07"
    termios.tcsetattr(0, termios.TCSANOW, t)
    termios.tcsetwinsize(0, (17, 71))
    say("peer", str(os.getpid()))
    while not os.path.exists("look"):
        time.sleep(0.01)
    t = termios.tcgetattr(0)
    os.close(os.open("/dev/tty", os.O_RDWR))
    same = (not t[3] & termios.ECHO and t[6][termios.VINTR] == b"\x07" and
            termios.tcgetwinsize(0) == (17, 71) and os.tcgetpgrp(0) == os.getpid())
    print("what is your name?")
    print("same," if same else "different,", input(), flush=True)
    time.sleep(300)


if sys.argv[1] == "terminal":
    pid, master = pty.fork()
    if pid == 0:
        use_terminal()
    try:
        while os.read(master, 100):
            pass
    except OSError:
        pass    # the child has gone
    sys.exit()

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
