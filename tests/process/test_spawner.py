# SPDX-License-Identifier: ISC
"""adc-spawner with orders of every bad kind: it starts what its tables name, and nothing else.

The order is two bytes and a descriptor.  What a parent in bad hands could gain from
it is what is tried here.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

from child import ROLES, Child, Gone, s, sanitized, u8, u32

IS_ROOT = os.geteuid() == 0
BASE = 64000
SPAWNER, DIAL, DIRECTORY, STORE = (ROLES.index(name)
                                   for name in ("SPAWNER", "DIAL", "DIRECTORY", "STORE"))
KEPT = {5, 6, 7, 18}  # CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT


def user(role, uid=None, gid=None):
    return "user", (u8(role) + u32(os.getuid() if uid is None else uid) +
                    u32(os.getgid() if gid is None else gid))


def id_of(role):
    return BASE + role if IS_ROOT else os.getuid()


def installed():
    """The children stand where the build says: what was built must be installed there."""
    with Spawner() as spawner:
        return spawner.spawn(DIAL)[0] != 0


class Spawner(Child):
    """With a user for each role but directory's."""

    def __init__(self, roles=(SPAWNER, DIAL, STORE)):
        super().__init__("adc-spawner")
        self.ids = 0
        self.exited = {}
        self.ours = []
        self.configure([user(role, id_of(role), id_of(role)) for role in roles])

    def __exit__(self, *exc):
        for sock in self.ours:
            sock.close()
        super().__exit__(*exc)

    def order(self, payload, fd=None):
        """SPAWN with any payload; the far end of the new child's socket is kept in ours."""
        self.ids += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.append(ours)
        self.send("SPAWN", payload, id=self.ids, fd=theirs.fileno() if fd is None else fd)
        theirs.close()
        return ours

    def spawn(self, role):
        """(pid, error, our end of its socket)."""
        sock = self.order(u8(role))
        message = self.expect("SPAWNED")
        assert message.id == self.ids and message.fd is None
        r = message.reader()
        pid, error = r.u32(), r.s()
        r.end()
        assert (pid == 0) == (error != "")
        return pid, error, sock

    def kill(self, pid, number):
        self.send("KILL", u32(pid) + u8(number))

    def wait(self, pid, timeout=5.0):
        """The wait status that it reports for pid."""
        while pid not in self.exited:
            r = self.expect("EXITED", timeout).reader()
            ended, status = r.u32(), r.u32()
            r.end()
            self.exited[ended] = status
        return self.exited.pop(pid)

    def lives(self):
        """It still does its work: an order that it refuses is refused."""
        assert self.spawn(SPAWNER)[:2] == (0, "no such role")


@pytest.fixture
def spawner():
    with Spawner() as child:
        yield child


@pytest.fixture(scope="module")
def built():
    if not installed():
        pytest.fail("the programs are not installed under the prefix they were built for",
                    pytrace=False)


def ended(child):
    with pytest.raises((Gone, ConnectionError)):
        while True:
            assert child.receive(1.0) is not None, "it goes on"
    return child.end(1.0)


def proc_status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


def receive_packet(sock, timeout=5.0):
    assert select.select([sock], [], [], timeout)[0], "the child says nothing"
    return sock.recv(65536)


# --- configuration ---------------------------------------------------------------


@pytest.mark.parametrize("items", [
    [],
    [user(DIAL)],                                  # no user for itself
    [("user", b"")],
    [("user", user(SPAWNER)[1][:-1])],
    [("user", user(SPAWNER)[1] + b"\0")],
    [user(len(ROLES))],
    [user(255)],
    [("path", b"/bin/sh")],
    [("user ", user(SPAWNER)[1])],
], ids=repr)
def test_bad_configuration_ends_it(items):
    with Child("adc-spawner") as child:
        with pytest.raises((Gone, ConnectionError)):
            child.configure(items)
        assert ended(child) == 1


def test_descriptor_in_the_configuration_ends_it():
    with Child("adc-spawner") as child:
        with pytest.raises((Gone, ConnectionError)):
            child.configure([], [("user", 0)])
        assert ended(child) == 1


@pytest.mark.skipif(not IS_ROOT, reason="needs root: it changes users")
def test_what_it_keeps_as_root(spawner):
    status = spawner.status()
    assert status["Uid"].split() == [str(id_of(SPAWNER))] * 4
    assert status["Gid"].split() == [str(id_of(SPAWNER))] * 4
    assert status["Groups"].split() == []
    mask = sum(1 << number for number in KEPT)
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[name], 16) == mask, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


# --- orders ----------------------------------------------------------------------


@pytest.mark.parametrize("role", [0, SPAWNER, DIRECTORY, len(ROLES), len(ROLES) + 1, 127, 128, 255])
def test_roles_it_does_not_start(spawner, role):
    """Parent and spawner; one without a user; numbers that are none."""
    assert spawner.spawn(role)[:2] == (0, "no such role")
    # The descriptor that came along was closed.
    assert spawner.ours[-1].recv(1) == b""
    spawner.lives()


@pytest.mark.parametrize("payload", [b"", u8(DIAL) + u8(0), u8(DIAL) + u8(0) + u8(0),
                                     u8(DIAL) + u8(0) + s("/bin/sh"), bytes(4096)], ids=len)
def test_orders_of_another_size(spawner, payload):
    spawner.order(payload)
    assert ended(spawner) == 1


def test_order_without_a_descriptor(spawner):
    spawner.send("SPAWN", u8(DIAL), id=1)
    assert ended(spawner) == 1


@pytest.mark.parametrize("payload", [
    b"", u32(1), u32(1) + u8(9) + b"\0", u32(1) + u8(0), u32(1) + u8(signal.SIGHUP),
    u32(1) + u8(signal.SIGSTOP), u32(1) + u8(64), u32(1) + u8(255)], ids=repr)
def test_bad_kill_orders(spawner, payload):
    spawner.send("KILL", payload)
    assert ended(spawner) == 1


def test_a_stranger_is_not_ended(spawner):
    """Not the test, not its neighbours, not process groups, not all processes."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        for pid in (stranger.pid, os.getpid(), os.getppid(), spawner.process.pid, 0, 1, 2,
                    -stranger.pid & 0xffffffff, 0xffffffff, 0x7fffffff, 0x80000000):
            for number in (signal.SIGTERM, signal.SIGKILL):
                spawner.kill(pid, number)
        spawner.lives()
        assert stranger.poll() is None
        assert spawner.log_text() == ""
    finally:
        stranger.kill()
        stranger.wait()


# --- what it starts --------------------------------------------------------------


def test_a_child_is_started_as_it_should_be(built, spawner):
    pid, error, sock = spawner.spawn(DIAL)
    assert pid and not error
    hello = receive_packet(sock)
    assert struct.unpack("<HBBI", hello[:8]) == (0, 0, 0, 0)
    status = proc_status(pid)
    assert status["Name"] == "dial"
    assert status["PPid"] == str(spawner.process.pid)
    assert status["Uid"].split() == [str(id_of(DIAL))] * 4
    assert status["Gid"].split() == [str(id_of(DIAL))] * 4
    assert status["NoNewPrivs"] == "1"
    if IS_ROOT:
        assert status["Groups"].split() == []
        assert int(status["CapPrm"], 16) == 1 << 18  # to change its root, until its box is shut
        # A sanitizer takes its options from there.
        if not sanitized("adc-spawner"):
            with open(f"/proc/{pid}/environ", "rb") as file:
                assert file.read() == b"LDAPNOINIT=1\0"
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert file.read() == b"adc-dial\0"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        links = {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
        assert [links.pop(n) for n in (0, 1)] == ["/dev/null"] * 2
        assert links.pop(3).startswith("socket:")
        links.pop(2)
        # Its event loop has the rest: both ends of one pipe, for signals.
        pipes = [target for target in links.values() if target.startswith("pipe:")]
        assert len(pipes) == 2 and len(set(pipes)) == 1, links
        assert all(target.startswith(("anon_inode:", "pipe:")) for target in links.values()), links
    sock.close()
    assert spawner.wait(pid) == 0


def test_its_children_can_be_ended(built, spawner):
    pid, _, sock = spawner.spawn(DIAL)
    receive_packet(sock)
    # Children leave SIGTERM to their parent; it is an order all the same.
    spawner.kill(pid, signal.SIGTERM)
    spawner.kill(pid, signal.SIGKILL)
    assert os.WTERMSIG(spawner.wait(pid)) == signal.SIGKILL
    # That pid is a stranger's from now on.
    spawner.kill(pid, signal.SIGKILL)
    spawner.lives()


def test_it_starts_no_more_than_its_table_holds(built, spawner):
    pids = []
    for _ in range(64):
        pid, error, _ = spawner.spawn(DIAL)
        assert error == ""
        pids.append(pid)
    assert spawner.spawn(DIAL)[:2] == (0, "too many children")
    spawner.kill(pids[0], signal.SIGKILL)
    spawner.wait(pids[0])
    pid, error, _ = spawner.spawn(DIAL)
    assert pid and not error


@pytest.mark.skipif(not IS_ROOT, reason="needs root: it looks into another process")
def test_its_descriptors_stay_level(built, spawner):
    for sock in [spawner.spawn(DIAL)[2] for _ in range(3)]:
        sock.close()
    before = spawner.descriptors()
    for _ in range(50):
        pid, _, sock = spawner.spawn(DIAL)
        sock.close()
        spawner.wait(pid)
        spawner.spawn(len(ROLES))
    # The last one may still be on its way to be closed.
    assert spawner.descriptors() <= before + 1


@pytest.mark.parametrize("number", [signal.SIGKILL, None])
def test_its_end_is_its_children_s(built, number):
    """Killed, or at the end of its parent: nothing that it started goes on."""
    with contextlib.ExitStack() as stack:
        spawner = stack.enter_context(Spawner())
        handles = []
        for _ in range(3):
            pid, _, sock = spawner.spawn(DIAL)
            receive_packet(sock)
            spawner.ours.remove(sock)
            stack.enter_context(sock)  # held: only the end of the spawner tells them
            sock.sendmsg([struct.pack("<HBBI", 3, 0, 0, 0)])  # CONFIG_END: into its box
            while struct.unpack("<H", receive_packet(sock)[:2])[0] != 4:  # READY
                pass
            handles.append(os.pidfd_open(pid))
        if number is None:
            spawner.sock.close()
        else:
            spawner.process.send_signal(number)
        assert spawner.process.wait(2) == (0 if number is None else -number)
        until = time.monotonic() + 2
        for handle in handles:
            assert select.select([handle], [], [], max(0, until - time.monotonic()))[0], \
                "a child outlives the spawner"
            os.close(handle)
