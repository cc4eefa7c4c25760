#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""damage.py CRIU_LITE IMAGES COUNT [dry]: restore damaged copies of a set of images.

Every image is missing once and cut off at every entry, and bytes are changed:
COUNT of each image, spread evenly ("all": every byte of images up to 16 KiB).
What --dry-run accepts is restored for real, and left stopped, unless "dry" is
given.  Each time there must be success or one error of three parts, soon, with
little memory, and with nobody left behind.  Run it inside test/nsinit, as it ends
all it finds there, and test/cli/readonly, as damaged images may name any file.
Further words of the environment variable RESTORE are options.
"""
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

program, images, count = sys.argv[1:4]
dry = "dry" in sys.argv[4:]
sanitized = "/san/" in program
options = os.environ.get("RESTORE", "").split() + ["--timeout", "5"]
place = images + ".damaged"
random.seed(int(os.environ.get("SEED", "5")))
bad = tried = lived = 0


def pids():
    return {int(p) for p in os.listdir("/proc") if p.isdigit()}


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat", "rb").read().rsplit(b")", 1)[1].split()[0] not in b"ZX"
    except OSError:
        return False


def gone(some):
    for _ in range(400):
        if not any(is_alive(p) for p in some):
            return True
        time.sleep(0.005)
    return False


def complain(what, why, text=""):
    global bad
    bad += 1
    print(f"{what}: {why}\n{text}", flush=True)


def run(*words):
    """The status, what was said, and the peak of memory in KiB."""
    p = subprocess.Popen([program, "restore", "-D", place, "-o", "restore.log", *options, *words],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=open(place + ".err", "wb"), cwd="/")
    end = time.time() + (60 if sanitized else 20)
    while True:
        pid, status, usage = os.wait4(p.pid, os.WNOHANG)
        if pid:
            break
        if time.time() > end:
            p.send_signal(signal.SIGKILL)
            os.wait4(p.pid, 0)
            return "hangs", "", 0
        time.sleep(0.0005)
    text = open(place + ".err", "rb").read().decode(errors="replace")
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode, text, usage.ru_maxrss


def judge(what, status, text, memory):
    lines = text.rstrip("\n").split("\n")
    if status == 0:
        return True
    if status != 1:
        complain(what, f"status {status}", text)
    elif (len(lines) != 3 or not lines[0].startswith("criu-lite: restore: ") or
          not lines[1].startswith("  why: ") or not lines[2].startswith("  do:  ")):
        complain(what, "not what, why and do", text)
    if memory > (2 << 20 if sanitized else 256 << 10):
        complain(what, f"took {memory} KiB", text)
    return False


def restore_all(what):
    """The images in place as they are now."""
    global tried, lived
    tried += 1
    if not judge(what, *run("--dry-run")) or dry:
        return
    before = pids()
    ok = judge(what, *run("-d", "-s"))
    new = pids() - before
    lived += ok
    if not ok and not gone(new):
        complain(what, "somebody is left: " + " ".join(map(str, new)))
    for p in new:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if not gone(new):
        complain(what, "does not end")
    subprocess.run(["ipcrm", "--all=shm"], check=False)


def replaced(name, content, what):
    path = os.path.join(place, name)
    os.unlink(path)
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
    restore_all(f"{name}, {what}")
    shutil.copy(os.path.join(images, name), path)


def entries(name, content):
    """Where the entries begin, as far as sizes can be followed."""
    at, all_of_them = 4 if name == "inventory.img" else 8, []
    while at + 4 <= len(content):
        all_of_them.append(at)
        at += 4 + struct.unpack_from("<I", content, at)[0]
    return all_of_them


if os.path.exists(place):
    shutil.rmtree(place)
shutil.copytree(images, place)
names = sorted(n for n in os.listdir(images) if n.endswith(".img"))
contents = {n: open(os.path.join(images, n), "rb").read() for n in names}

restore_all("nothing")
if lived != 1 and not dry:
    complain("nothing", "these images cannot be restored", open(place + ".err").read())
    sys.exit(1)

for n in names:
    replaced(n, None, "missing")
    replaced(n, b"", "empty")
    if n.startswith("pages-"):
        replaced(n, contents[n][:4097], "cut off at 4097")
        continue
    for at in entries(n, contents[n])[:: 1 if count == "all" else 7]:
        for more in (0, 3, 6):
            if at + more < len(contents[n]):
                replaced(n, contents[n][:at + more], f"cut off at {at + more}")

def offsets(n):
    """Which bytes of image n are changed."""
    size = len(contents[n])
    if count == "all":
        return range(size if size <= 16384 else 0)
    return sorted({i * size // int(count) + random.randrange(max(1, size // int(count)))
                   for i in range(int(count))} & set(range(size)))


for n, at in ((n, at) for n in names for at in offsets(n)):
    flip = random.choice((0x01, 0x80, 0xff, 1 << random.randrange(8), random.randrange(1, 256)))
    changed = bytearray(contents[n])
    changed[at] ^= flip
    replaced(n, bytes(changed), f"byte {at} ^ {flip:#x}")

print(f"{tried} tried, {lived} lived, {bad} bad")
sys.exit(1 if bad else 0)
