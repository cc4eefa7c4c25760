#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""client.py [OPTION...] REQUEST...: talk to criu-lite as container engines do

Each REQUEST is a criu_req in protobuf's text form; fd(PATH) in it is the number
of a descriptor of PATH that this program has open.  What comes back is printed,
one line each: "notify ...", "fd ..." if a descriptor came along, "answer ...",
and at the end "exit STATUS" of the server or "closed".  "sh COMMAND" in place of a
REQUEST is run, with the port of the last page server as $PORT; its pid is PID in
what follows.

  -b PROGRAM     start PROGRAM [ARG...] swrk FD (default: $CRIU_LITE)
  -a ARG         an argument for it; repeatable
  -s SOCKET      talk to a service instead
  -k FD          leave descriptor FD open for the server; repeatable
  -r ACTION      refuse this action
  -g ACTION      go away when told of this action
  -w ACTION      run $WHEN, by sh, at this action
  -e EXTERNAL    answer query-ext-files with it
  -m TEXT        type TEXT into the terminal that comes along, and print what is there
  -q             do not wait for the server to end
"""
import array
import getopt
import os
import re
import socket
import subprocess
import sys
import tempfile

from google.protobuf import text_format

PROTO = os.path.join(os.path.dirname(__file__), "../../images/rpc.proto")


def load_messages():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", "-I", os.path.dirname(PROTO), "--python_out", out, PROTO],
                       check=True)
        sys.path.insert(0, out)
        import rpc_pb2
        return rpc_pb2


def open_fds(text):
    def number(m):
        path = m.group(1)
        flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR
        return str(os.open(path, flags))
    return re.sub(r"fd\(([^)]*)\)", number, text)


class Client:
    def __init__(self, options):
        self.rpc = load_messages()
        self.options = options
        self.child = None
        self.sock = self.connect()

    def get(self, name):
        return [v for o, v in self.options if o == name]

    def connect(self):
        if self.get("-s"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(self.get("-s")[0])
            return s
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = (self.get("-b") or [os.environ["CRIU_LITE"]])[0]
        keep = [int(n) for n in self.get("-k")] + [theirs.fileno()]
        self.child = subprocess.Popen([program, *self.get("-a"), "swrk", str(theirs.fileno())],
                                      pass_fds=keep)
        theirs.close()
        return ours

    def receive(self):
        data, control, _, _ = self.sock.recvmsg(1 << 20, socket.CMSG_SPACE(64))
        for level, kind, fds in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                for fd in array.array("i", fds):
                    print("fd", os.readlink("/proc/self/fd/%d" % fd), flush=True)
                    self.terminal = fd
        if not data:
            return None
        resp = self.rpc.criu_resp()
        resp.ParseFromString(data)
        return resp

    def tell(self, word, resp):
        print(word, text_format.MessageToString(resp, as_one_line=True), flush=True)

    def answer_notify(self, action):
        if action in self.get("-g"):
            self.sock.close()
            self.end()
        if action in self.get("-w"):
            subprocess.run(["sh", "-c", os.environ["WHEN"]], check=True)
        req = self.rpc.criu_req(type=self.rpc.NOTIFY, notify_success=action not in self.get("-r"))
        if action == "query-ext-files" and self.get("-e"):
            req.opts.images_dir_fd = -1
            req.opts.external.extend(self.get("-e"))
        try:
            self.sock.send(req.SerializeToString())
        except BrokenPipeError:
            pass    # the server did not wait for it

    def ask(self, text):
        req = self.rpc.criu_req()
        text_format.Merge(open_fds(text), req)
        self.sock.send(req.SerializePartialToString())
        while True:
            resp = self.receive()
            if resp is None:
                print("closed")
                return
            if resp.type != self.rpc.NOTIFY:
                self.tell("answer", resp)
                self.ps = resp.ps
                return
            self.tell("notify", resp.notify)
            self.answer_notify(resp.notify.script)

    def use_terminal(self):
        os.write(self.terminal, self.get("-m")[0].encode() + b"\n")
        seen = ""
        while seen.count("\n") < 2:
            seen += os.read(self.terminal, 1000).decode()
        print(seen)

    def end(self):
        if self.get("-m"):
            self.use_terminal()
        if self.child and not self.get("-q"):
            print("exit", self.child.wait())
        sys.stdout.flush()
        os._exit(0)


def main():
    options, requests = getopt.getopt(sys.argv[1:], "b:a:s:k:r:g:w:e:m:q")
    client = Client(options)
    for text in requests:
        if text.startswith("sh "):
            subprocess.run(["sh", "-c", text[3:]], check=True,
                           env={**os.environ, "PORT": str(client.ps.port)})
        elif "pid: PID" in text:
            client.ask(text.replace("pid: PID", "pid: %d" % client.ps.pid))
        else:
            client.ask(text)
    client.sock.close()
    client.end()


main()
