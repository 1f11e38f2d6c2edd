# SPDX-License-Identifier: ISC
"""What every child owes its parent, whatever else it does.

Each child's real binary, in its sandbox: it says who it is, takes nothing that the
table of messages does not allow, and lives no longer than its parent.  That is held
against message.def itself, row by row, by a reader of its own (child.py).
"""

import array
import contextlib
import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import termios
import time

import pytest

from child import (HEADER, NAMES, NUMBERS, PACKET_MAX, ROLES, ROOT, RULES, Child, Gone, program,
                   s, u8, u16, u32)

IS_ROOT = os.geteuid() == 0
LOOKS = pytest.mark.skipif(not IS_ROOT, reason="needs root: it looks into another process")
BREACH_SECONDS = 1.0


def listener(folder, unix):
    if unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(os.path.join(folder, "socket"))
        os.unlink(os.path.join(folder, "socket"))  # nobody comes
    else:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
    sock.listen(8)
    sock.setblocking(False)
    return sock


class Kind:
    """One child program, and the least configuration with which it gets ready."""

    def __init__(self, role, name, args=(), items=None, fds=None):
        self.role, self.name, self.args = role, name, args
        self.items = items or (lambda folder: [])
        self.fds = fds or (lambda folder: [])

    def __repr__(self):
        return self.role.lower()

    def child(self, **options):
        return Child(self.name, args=self.args, **options)

    def running(self, folder):
        """One that said READY; what it asks on its own is left lying."""
        child = self.child()
        kept = self.fds(folder)
        try:
            child.configure(self.items(folder), [(key, sock.fileno()) for key, sock in kept],
                            ready=10.0)
        except BaseException:
            child.__exit__(AssertionError, None, None)
            raise
        finally:
            for _, sock in kept:
                sock.close()
        return child


def gate_listener(name, unix):
    return lambda folder: [(name, listener(folder, unix))]


KINDS = [
    Kind("SPAWNER", "adc-spawner",
         items=lambda folder: [("user", u8(1) + u32(os.getuid()) + u32(os.getgid()))]),
    Kind("DIAL", "adc-dial"),
    Kind("DIRECTORY", "adc-directory", items=lambda folder: [
        ("server", u16(0) + u8(0) + s("dc1.lab.test") + u16(389)), ("tls_mode", u8(2)),
        ("tls_name", b""), ("base", b""), ("user", b"service@lab.test"), ("connection", b"corp"),
        ("min_connections", u16(1)), ("max_connections", u16(4)), ("deny_privileged", u8(1)),
        ("allow_groups", u16(0)), ("deny_groups", u16(0)), ("lockout_margin", u8(2)),
        ("lockout_threshold_unknown", u16(3))]),
    Kind("CLOUD", "adc-cloud", items=lambda folder: [
        ("mode", b"tunnel"), ("hub_host", b"127.0.0.1"), ("hub_port", u16(1)), ("hub_tls", u8(0)),
        ("tunnel_path", b"/tunnel"), ("connection", b"corp"), ("seal_kid", b"A" * 43)]),
    Kind("WEB_CONTROL", "adc-web", ("control",),
         items=lambda folder: [("admin_uid", u32(0)), ("reader_gid", u32(0xffffffff))],
         fds=gate_listener("listener.unix", True)),
    Kind("WEB_PAGE", "adc-web", ("page",), items=lambda folder: [("host", b"127.0.0.1:9743")],
         fds=gate_listener("listener.tcp", False)),
    Kind("GATE_PUBLIC", "adhub-gate", ("public",),
         items=lambda folder: [("public_url", b"http://127.0.0.1:1")],
         fds=gate_listener("listener.http", False)),
    Kind("GATE_CONTROL", "adhub-gate", ("control",),
         items=lambda folder: [("public_url", b"http://127.0.0.1:1"), ("pin", b""),
                               ("admin_uid", u32(0))],
         fds=gate_listener("listener.unix", True)),
    Kind("STORE", "adhub-store", items=lambda folder: [("directory", os.fsencode(folder))]),
]
RUN_TIME = [kind for kind in KINDS if kind.role != "SPAWNER"]


@pytest.fixture(params=KINDS, ids=repr)
def kind(request):
    return request.param


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


def ended(child):
    """The status with which it ends within a second, after what it said last."""
    until = time.monotonic() + BREACH_SECONDS
    try:
        while time.monotonic() < until:
            child.receive(max(0.0, until - time.monotonic()))
    except (Gone, subprocess.TimeoutExpired, ConnectionError):
        pass
    return child.end(max(0.01, until - time.monotonic()))


def breach(child, *names):
    """It ended itself for what it was sent, and said why."""
    assert ended(child) == 1
    assert any(name in child.log_text() for name in names), child.log_text()


def raw(child, data, fds=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    child.sock.sendmsg([data], rights)


def header(number, flags=0, zero=0, id=0):
    return struct.pack("<HBBI", number, flags, zero, id)


# --- the table itself ------------------------------------------------------------


def test_the_table_is_read_as_the_compiler_reads_it():
    """child.py's reader of message.def against the C preprocessor's."""
    text = subprocess.run(["cc", "-E", "-P", "-DMESSAGE(a,b,c,d,e,f,g)=#a,f,g;", "-xc",
                           os.path.join(ROOT, "src/common/message.def")],
                          check=True, capture_output=True, text=True).stdout
    rows = re.findall(r'"(\w+)",\s*(\w+),\s*(\w+);', text)
    size = {"WIRE_MAX": 1 << 20}
    assert [(name, int(size.get(low, low)), int(size.get(high, high))) for name, low, high in rows] \
        == [(rule.name, rule.least, rule.most) for rule in RULES]
    roles = re.search(r"enum role \{(.*?)\}", open(os.path.join(ROOT, "src/common/message.h"),
                                                   encoding="utf-8").read(), re.S)
    assert re.findall(r"ROLE_(\w+)", roles[1])[:-1] == ROLES
    assert {kind.role for kind in KINDS} == set(ROLES[1:])


# --- the start -------------------------------------------------------------------


def test_hello_comes_first_and_names_version_and_build(kind):
    version = re.search(r"AC_INIT\(\[adconnector\], \[([^]]+)\]\)",
                        open(os.path.join(ROOT, "configure.ac"), encoding="utf-8").read())[1]
    with kind.child() as child:
        message = child.receive()
        assert message.name == "HELLO" and message.id == 0 and message.fd is None
        reader = message.reader()
        assert (reader.u32(), reader.s()) == (1, version)
        reader.end()
        # It waits for its configuration and says nothing more.
        assert child.receive(0.1) is None
        assert child.process.poll() is None


def test_ready_comes_once_and_last(kind, folder):
    with kind.running(folder) as child:
        assert not child.pending


def test_not_started_by_hand(kind):
    """Without a parent's socket on descriptor 3: a word and an end, no harm."""
    for action in (lambda: os.close(3), lambda: os.dup2(os.open("/dev/null", os.O_RDWR), 3),
                   lambda: os.dup2(os.pipe()[0], 3)):
        done = subprocess.run([program(kind.name), *kind.args], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=5, env={}, check=False,
                              preexec_fn=lambda: (os.dup2(2, 3), action()))
        assert done.returncode == 1


def test_unknown_key_is_refused(kind):
    with kind.child() as child:
        with pytest.raises((Gone, ConnectionError)):
            child.configure([("no_such_key", b"x")])
        breach(child, "no_such_key")


def test_unknown_descriptor_is_refused(kind):
    with kind.child() as child:
        with pytest.raises((Gone, ConnectionError)):
            child.configure([], [("no_such_key", 0)])
        breach(child, "no_such_key")


@pytest.mark.parametrize("name,payload", [
    ("CONFIG", b""), ("CONFIG", b"\0" * 7), ("CONFIG", s("") + s("x")),
    ("CONFIG", s("log_level") + s(b"\1") + b"\0"), ("CONFIG", s("log_level")[:-1] + s(b"\1")),
    ("CONFIG", s("k" * 64) + s("x")), ("CONFIG", s(b"log\0level") + s(b"\1")),
    ("CONFIG", s(b"log\xfflevel") + s(b"\1")), ("CONFIG", s("log_level") + u32(0xffffffff)),
    ("CONFIG_END", b"\0"), ("CONFIG_FD", s("ca")),
], ids=repr)
def test_malformed_configuration_is_refused(kind, name, payload):
    with kind.child() as child:
        child.send(name, payload)
        breach(child, name, "unknown or has a bad value")


def test_log_level_is_checked(kind):
    for value in (b"", b"\4", b"\xff", b"\1\1"):
        with kind.child() as child:
            child.send("CONFIG", s("log_level") + s(value))
            breach(child, "log_level")


def test_largest_configuration_item_is_read_and_refused_by_name(kind):
    with kind.child() as child:
        child.send("CONFIG", s("no_such_key") + s(b"x" * ((1 << 20) - 19)))
        breach(child, "no_such_key")


# --- who may say what ------------------------------------------------------------


def wrong_messages(role, state):
    return [rule for rule in RULES if not rule.may_come(role, state)]


def cases(state, kinds):
    return [pytest.param(kind, rule, id=f"{kind}-{rule.name}")
            for kind in kinds for rule in wrong_messages(kind.role, state)]


def send_wrong(child, rule):
    """In the best of forms: of a size and with a descriptor as the table asks for."""
    fd = 0 if "FD" in rule.flags else None
    child.send(rule.name, bytes(rule.least), id=7, fd=fd)


@pytest.mark.parametrize("kind,rule", cases("CONFIG", KINDS))
def test_message_out_of_state_before_ready(kind, rule):
    with kind.child() as child:
        child.expect("HELLO")
        send_wrong(child, rule)
        breach(child, rule.name)


@pytest.mark.parametrize("kind,rule", cases("RUN", KINDS))
def test_message_not_for_it_after_ready(kind, rule, folder):
    with kind.running(folder) as child:
        send_wrong(child, rule)
        breach(child, rule.name)


def right_messages(state, kinds):
    return [pytest.param(kind, rule, id=f"{kind}-{rule.name}") for kind in kinds
            for rule in RULES if rule.may_come(kind.role, state)]


@pytest.mark.parametrize("kind,rule", right_messages("RUN", KINDS))
def test_sizes_of_what_is_for_it(kind, rule, folder):
    """One byte short, one over: fatal; so is a descriptor too many or missing."""
    fd = 0 if "FD" in rule.flags else None
    for size in {rule.least - 1, rule.most + 1} - {-1}:
        with kind.running(folder) as child:
            child.send(rule.name, bytes(size), id=7, fd=fd)
            breach(child, rule.name)
    if "FD_MAY" not in rule.flags:
        with kind.running(folder) as child:
            child.send(rule.name, bytes(rule.least), id=7, fd=0 if fd is None else None)
            breach(child, rule.name)


@pytest.mark.parametrize("number", [len(NAMES), len(NAMES) + 1, 255, 256, 0x7fff, 0xffff])
def test_unknown_types(kind, folder, number):
    with kind.running(folder) as child:
        raw(child, header(number, id=1) + bytes(8))
        breach(child, "unknown")


@pytest.mark.parametrize("packet", [
    b"\1", b"\1" * (HEADER - 1), header(0, flags=2), header(0, flags=0x80), header(0, zero=1),
    header(NUMBERS["DRAIN"], flags=1), header(NUMBERS["DRAIN"], flags=1) + bytes(100),
], ids=repr)
def test_malformed_packets(kind, folder, packet):
    with kind.running(folder) as child:
        raw(child, packet)
        breach(child, "parent")


def test_packet_that_is_too_long(kind, folder):
    with kind.running(folder) as child:
        raw(child, header(NUMBERS["DRAIN"]) + bytes(PACKET_MAX - HEADER + 1))
        breach(child, "too long")


def test_message_between_fragments(kind, folder):
    with kind.child() as child:
        raw(child, header(NUMBERS["CONFIG"], flags=1) + bytes(PACKET_MAX - HEADER))
        child.send("CONFIG_END")
        breach(child, "CONFIG_END")


def test_config_end_comes_once(kind, folder):
    with kind.child() as child:
        child.send("CONFIG_END")
        child.send("CONFIG_END")
        assert ended(child) == 1


# --- descriptors -----------------------------------------------------------------


def test_extra_descriptors_are_refused_and_closed(kind, folder):
    """A pipe's writing end is handed over: when the reader sees the end, nobody holds it."""
    for count in (2, 5, 253):
        with kind.running(folder) as child:
            reading, writing = os.pipe()
            raw(child, header(NUMBERS["UNANSWERED"], id=9) + b"\0", [writing] * count)
            os.close(writing)
            breach(child, "descriptor")
            assert os.read(reading, 1) == b""
            os.close(reading)


def test_descriptor_on_a_message_without_one(kind):
    with kind.child() as child:
        child.send("CONFIG", s("log_level") + s(b"\1"), fd=0)
        breach(child, "CONFIG")


@LOOKS
def test_descriptors_of_the_parent_are_not_kept(kind, folder):
    """After READY it has 0 to 3, its event loop's and what it was configured with; no more."""
    with kind.running(folder) as child:
        links = {}
        for number in os.listdir(f"/proc/{child.process.pid}/fd"):
            links[int(number)] = os.readlink(f"/proc/{child.process.pid}/fd/{number}")
    assert links.pop(3).startswith("socket:")
    for number in (0, 1, 2):
        links.pop(number)
    others = [target for target in links.values() if not target.startswith("anon_inode:")]
    # A listener; a store's file, its log and index, and its folder; resolver sockets.
    assert len(others) <= 5, links


# --- the end ---------------------------------------------------------------------


def test_end_of_file_before_the_configuration(kind):
    with kind.child() as child:
        child.expect("HELLO")
        child.sock.close()
        assert child.end(BREACH_SECONDS) == 0


def test_end_of_file_in_the_configuration(kind):
    with kind.child() as child:
        child.expect("HELLO")
        child.send("CONFIG", s("log_level") + s(b"\1"))
        raw(child, header(NUMBERS["CONFIG"], flags=1) + bytes(PACKET_MAX - HEADER))
        child.sock.close()
        assert child.end(BREACH_SECONDS) == 0


def test_end_of_file_while_it_runs(kind, folder):
    with kind.running(folder) as child:
        child.sock.close()
        assert child.end(BREACH_SECONDS) == 0


def test_it_does_not_outlive_a_killed_parent(kind, folder):
    """The kernel ends it even when somebody else still holds the socket."""
    script = ("import os, sys, socket; pid = os.fork()\n"
              "if pid == 0:\n"
              "    os.dup2(int(sys.argv[1]), 3); os.execve(sys.argv[2], sys.argv[2:], {})\n"
              "print(pid, flush=True); sys.stdin.read()\n")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, subprocess.Popen(
            ["/usr/bin/python3", "-c", script, str(theirs.fileno()), program(kind.name), *kind.args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()]) as middle:
        pid = int(middle.stdout.readline())
        handle = os.pidfd_open(pid)
        fake = Child.adopt(ours)
        kept = kind.fds(folder)
        fake.configure(kind.items(folder), [(key, sock.fileno()) for key, sock in kept], ready=10.0)
        for _, sock in kept:
            sock.close()
        middle.kill()
        middle.wait()
        assert wait_gone(handle, BREACH_SECONDS)
        os.close(handle)


def wait_gone(handle, seconds):
    return bool(select.select([handle], [], [], seconds)[0])


def test_a_parent_that_says_nothing():
    """Ten seconds without a configuration are enough, for all of them."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(kind.child()) for kind in KINDS]
        for child in children:
            child.expect("HELLO")
        for child in children:
            assert child.end(13) == 1
            with pytest.raises(Gone):
                child.receive(0)
            assert "configuration" in child.log_text()


# --- its box ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", RUN_TIME, ids=repr)
def test_its_box(kind, folder):
    with kind.running(folder) as child:
        status = child.status()
        with open(f"/proc/{child.process.pid}/limits", encoding="ascii") as file:
            limits = file.read()
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert int(re.search(r"Max open files +(\d+) ", limits)[1]) <= 4096


@LOOKS
def test_its_address_layout_is_its_own(kind, folder):
    def base(pid):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            return next(line.split("-")[0] for line in file if kind.name in line)

    other = os.path.join(folder, "other")
    os.mkdir(other)
    with kind.running(folder) as one, kind.running(other) as two:
        assert base(one.process.pid) != base(two.process.pid)


@pytest.mark.skipif(IS_ROOT, reason="root may look into every process")
def test_nobody_may_look_into_it(kind, folder):
    with kind.running(folder) as child:
        for name in ("maps", "mem", "environ", "fd/3"):
            with pytest.raises(PermissionError):
                open(f"/proc/{child.process.pid}/{name}", "rb").close()


# --- under load ------------------------------------------------------------------


@LOOKS
@pytest.mark.parametrize("kind", RUN_TIME, ids=repr)
def test_unanswered_replies_leave_no_trace(kind, folder):
    """10,000 replies to questions never asked: refused by the end of the process, or ignored."""
    with kind.running(folder) as child:
        before = child.descriptors()
        memory = int(child.status()["VmRSS"].split()[0])
        until = time.monotonic() + 10
        try:
            for i in range(10000):
                child.send("UNANSWERED", b"\0", id=1000000 + i)
            while unread(child.sock) and time.monotonic() < until:
                child.receive(0.05)
            while child.receive(0.05) is not None:  # to its end, when it is at one
                assert time.monotonic() < until
        except (ConnectionError, Gone):
            breach(child, "UNANSWERED")
            return
        assert child.descriptors() <= before + 1
        assert int(child.status()["VmRSS"].split()[0]) < memory + 2048


def unread(sock):
    """Bytes that the other end has not taken yet."""
    value = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, value)
    return value[0] > 0
