# SPDX-License-Identifier: ISC
"""Plays the parent of one real child binary, over the socket on its descriptor 3.

Why: what a child does with good, bad and late messages shows only on the binary
itself, in its sandbox.  Message numbers and sizes are read from message.def, so
this file cannot disagree with the table.
"""

import array
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKET_MAX = 65536
HEADER = 8
MORE = 1
# How long what must come may take on a busy host; a limit that is tested is given with the call.
ANSWER_S = 20.0


# As enum role in message.h, and the sets of message.c.
ROLES = ["PARENT", "SPAWNER", "DIAL", "DIRECTORY", "CLOUD", "WEB_CONTROL", "GATE_PUBLIC",
         "GATE_CONTROL", "STORE", "WEB_PAGE"]
WIRE_MAX = 1 << 20


class Rule:
    """One row of message.def."""

    def __init__(self, name, sender, receiver, state, flags, least, most):
        self.name, self.state = name, state
        self.sender, self.receiver = self.roles(sender), self.roles(receiver)
        self.flags = set(flags.split(" | ")) - {"NONE"}
        self.least, self.most = (WIRE_MAX if n == "WIRE_MAX" else int(n) for n in (least, most))

    @staticmethod
    def roles(text):
        names = set(text.split(" | "))
        return set(ROLES[1:]) if names == {"ANY_CHILD"} else names

    def may_come(self, role, state):
        """May a child of this role get it from its parent in this state?"""
        return role in self.receiver and self.state in (state, "ANY")


def _table():
    text = open(os.path.join(ROOT, "src/common/message.def"), encoding="utf-8").read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rows = re.findall(r"^MESSAGE\(([^)]*)\)", text, flags=re.M)
    return [Rule(*(field.strip() for field in " ".join(row.split()).split(","))) for row in rows]


RULES = _table()
NAMES = [rule.name for rule in RULES]
NUMBERS = {name: number for number, name in enumerate(NAMES)}


def _statuses():
    text = open(os.path.join(ROOT, "src/common/status.def"), encoding="utf-8").read()
    return re.findall(r'^STATUS\(\w+, "(\w+)"\)', text, flags=re.M)


STATUS_WORDS = _statuses()
STATUS = {word: number for number, word in enumerate(STATUS_WORDS)}


def u8(n):
    return struct.pack("<B", n)


def done_payload(good, code, text, key="", step=4):
    """DONE: the step of the test that failed, by number; 4: none."""
    return u8(good) + s(code) + u8(step) + s(key) + s(text)


def u16(n):
    return struct.pack("<H", n)


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def s(value):
    if isinstance(value, str):
        value = value.encode()
    return u32(len(value)) + value


class Reader:
    """Takes a payload apart, as wire.h does."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def fixed(self, n):
        assert self.at + n <= len(self.data), "message too short"
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.fixed(1)[0]

    def u16(self):
        return struct.unpack("<H", self.fixed(2))[0]

    def u32(self):
        return struct.unpack("<I", self.fixed(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.fixed(8))[0]

    def bytes(self):
        return self.fixed(self.u32())

    def s(self):
        return self.bytes().decode()

    def end(self):
        assert self.at == len(self.data), "something is left in the message"


class Message:
    def __init__(self, name, id, payload, fd):
        self.name, self.id, self.payload, self.fd = name, id, payload, fd

    def reader(self):
        return Reader(self.payload)

    def __repr__(self):
        return f"<{self.name} id={self.id} {self.payload[:80]!r} fd={self.fd}>"


class Gone(Exception):
    """The child closed its end, which is to say that it ended."""


def program(name):
    """A built binary: in ADC_BUILD_DIR, or below the current folder."""
    for folder in (os.environ.get("ADC_BUILD_DIR", ""), os.getcwd()):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name}: not built (set ADC_BUILD_DIR to the build folder)")


def sanitized(name):
    """Was it built with AddressSanitizer?"""
    with open(program(name), "rb") as file:
        return b"__asan_init" in file.read()


class Child:
    """A running child. Use as a context manager: it is ended and reaped."""

    def __init__(self, name, env=None, args=(), before=None, preload=None):
        """before: called in the new process before it becomes the child, to change its user;
        preload: a tests.lab.preload.Preload."""
        argv = [program(name), *args]
        if preload is not None:
            argv = preload.command(argv)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.sock = ours
        self.errors = tempfile.TemporaryFile()
        number = theirs.fileno()

        def adopt():
            os.dup2(number, 3)
            os.closerange(4, 256)
            if before is not None:
                before()

        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                        stdout=self.errors, stderr=self.errors, env=env or {},
                                        pass_fds=(3, number), preexec_fn=adopt)
        theirs.close()
        self._empty()

    @classmethod
    def adopt(cls, sock):
        """The parent's side of a child that somebody else started, and ends."""
        self = cls.__new__(cls)
        self.sock, self.process, self.errors = sock, None, None
        self._empty()
        return self

    def _empty(self):
        self.logs = []  # (level, text)
        self.partial = b""
        self.pending = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if exc[0] is not None:
            print("--- log of the child"), [print(*line) for line in self.logs]
            print("--- its standard error:", self.stderr())
        self.errors.close()

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def send(self, name, payload=b"", id=0, fd=None):
        number = NUMBERS[name] if isinstance(name, str) else name
        limit = PACKET_MAX - HEADER
        parts = [payload[i:i + limit] for i in range(0, len(payload), limit)] or [b""]
        for i, part in enumerate(parts):
            flags = MORE if i + 1 < len(parts) else 0
            packet = struct.pack("<HBBI", number, flags, 0, id) + part
            rights = []
            if fd is not None and i == 0:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            self.sock.sendmsg([packet], rights)

    def _packet(self, timeout):
        ready, _, _ = select.select([self.sock], [], [], timeout)
        if not ready:
            return None
        try:
            data, ancillary, _, _ = self.sock.recvmsg(PACKET_MAX, socket.CMSG_SPACE(16))
        except ConnectionResetError:
            # It left something unread. That is told once; its last words come after it.
            data, ancillary, _, _ = self.sock.recvmsg(PACKET_MAX, socket.CMSG_SPACE(16))
        if not data:
            raise Gone(self.end())
        fd = None
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fd = array.array("i", raw[:4])[0]
        return data, fd

    def receive(self, timeout=5.0):
        """The next message that is no log line; None when the time is over."""
        until = time.monotonic() + timeout
        while True:
            packet = self._packet(max(0.0, until - time.monotonic()))
            if packet is None:
                return None
            data, fd = packet
            number, flags, _, id = struct.unpack("<HBBI", data[:HEADER])
            self.partial += data[HEADER:]
            if flags & MORE:
                continue
            payload, self.partial = self.partial, b""
            if NAMES[number] == "LOG":
                reader = Reader(payload)
                self.logs.append((reader.u8(), reader.s()))
                continue
            return Message(NAMES[number], id, payload, fd)

    def expect(self, name, timeout=ANSWER_S):
        """The next message must be this one. Others that come before it are kept in pending."""
        until = time.monotonic() + timeout
        for i, message in enumerate(self.pending):
            if message.name == name:
                return self.pending.pop(i)
        while True:
            message = self.receive(max(0.0, until - time.monotonic()))
            assert message is not None, f"no {name} within {timeout} s; kept: {self.pending}"
            if message.name == name:
                return message
            self.pending.append(message)

    def configure(self, items, fds=(), ready=ANSWER_S):
        """HELLO, the items [(key, bytes)], descriptors [(key, fd)], READY."""
        hello = self.expect("HELLO").reader()
        assert hello.u32() == 1 and hello.s()
        hello.end()
        try:
            for key, value in items:
                self.send("CONFIG", s(key) + s(value))
            for key, fd in fds:
                self.send("CONFIG_FD", s(key), fd=fd)
            self.send("CONFIG_END")
        except (BrokenPipeError, ConnectionResetError):
            # It refused one and has gone before all were sent: its last words are still there.
            ready = ready or ANSWER_S
        if ready:
            self.expect("READY", ready)
        return self

    def log_text(self):
        return "\n".join(text for _, text in self.logs)

    def end(self, timeout=5.0):
        """Waits for the end of the process; its exit status, negative for a signal."""
        return self.process.wait(timeout)

    def status(self):
        """/proc/PID/status as a dict."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as f:
            return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
