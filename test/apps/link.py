# SPDX-License-Identifier: GPL-2.0-only
"""What connects hosts for `criu-lite migrate`, in place of ssh.

link.py serve SOCKET COMMAND...	whoever connects talks to a COMMAND of his own
link.py dial SOCKET FILE [CUT]	stdin and stdout lead there, until somebody kills this pid, which is added to FILE;
				or until the word to go passes (CUT: before, after), once: a file CUT says that it was
"""
import os
import select
import socket
import subprocess
import sys


def serve(path, command):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(50)
    children = []
    while True:
        c = s.accept()[0]
        children = [x for x in children if x.poll() is None]
        children.append(subprocess.Popen(command, stdin=c, stdout=c, start_new_session=True))
        c.close()


GO = b"\x09" + 15 * b"\0"


def is_cut(path, cut):
    """Only the first connection."""
    try:
        os.close(os.open(path + "." + cut, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


def dial(path, pids, cut=None):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    with open(pids, "a") as f:
        f.write(open("/proc/self/stat").read().split()[0] + "\n")
    to = {0: s.fileno(), s.fileno(): 1}
    while s.fileno() in to:
        for fd in select.select(list(to), [], [])[0]:
            data = os.read(fd, 65536)
            if not data:
                del to[fd]
                if fd == 0:
                    s.shutdown(socket.SHUT_WR)
            last = fd == 0 and data == GO and cut and is_cut(path, cut)
            if last and cut == "before":
                return
            while data:
                data = data[os.write(to[fd], data):]
            if last:
                return


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3:])
else:
    dial(*sys.argv[2:])
