# SPDX-License-Identifier: ISC
"""Memory and system calls fail in one process after the other, while people log in.

What must hold: nobody's wrong password is called right nor a right one wrong, everybody
gets an answer by the deadline, the parents stay, the audit's chain is whole, soon
after the fault all is well, and the log says what it was.  A process may refuse or end;
it may not crash.  What the kernel does to healthy programs (a call that is interrupted, a few bytes
in place of many, "later") nobody may notice at all.
"""

import contextlib
import errno
import os
import re
import signal
import tempfile
import time

import pytest

from tests.lab import namespace
from tests.lab.process import wait_until
from tests.system.load import NO_ANSWER, RECOVERY_S, Load, accounts
from tests.system.stack import Stack, directory_settings

from .faults import SHORT, Faults

# A process that ends of a fault says so and exits; these it must not do.
BREACH = re.compile(r"refused system call|killed by its sandbox|broke the protocol"
                    r"|message \w+ from \S+ refused")
# How long a fault stands that is not over sooner, and how often it shall have struck by then.
STANDS_S = 3.0
STRIKES = 5
# Of adhubctl: whether the change was made is not known.
UNAVAILABLE = 2

HUB = ("adhubd", "adhub-gate public", "adhub-store")
PROCESSES = ("adconnectord", "adc-directory", "adc-cloud", "adc-dial", *HUB)

# Call, error, and each how manyth call.
HARMLESS = [("wait", errno.EINTR, 2), ("receive", errno.EAGAIN, 2), ("receive", errno.EINTR, 3),
            ("send", errno.EAGAIN, 2), ("send", errno.EINTR, 3), ("read", errno.EINTR, 3),
            ("write", errno.EINTR, 3), ("read", SHORT, 2), ("write", SHORT, 2)]
# "Later" is what a socket says, and no file.
HARMLESS_TO_SOCKETS = [("read", errno.EAGAIN, 5), ("write", errno.EAGAIN, 5)]

MEMORY = [("allocate", errno.ENOMEM, every) for every in (1, 20)]
RARE = [("allocate", errno.ENOMEM, 333)]
TLS = [("read", errno.ECONNRESET, 10), ("write", errno.EPIPE, 10)]
CHANNEL = [("send", errno.ENOBUFS, 3)]
HARMFUL = {
    "adconnectord": [*MEMORY, ("write", errno.EIO, 1), *CHANNEL],
    "adc-directory": [*MEMORY, *RARE, *TLS, *CHANNEL],
    "adc-cloud": [*MEMORY, *RARE, *TLS, *CHANNEL],
    "adc-dial": [("allocate", errno.ENOMEM, 1), ("allocate", errno.ENOMEM, 3),
                 ("socket", errno.EMFILE, 1), ("connect", errno.ENETUNREACH, 1),
                 ("send", errno.ENOBUFS, 2)],
    "adhubd": [("allocate", errno.ENOMEM, 1), ("allocate", errno.ENOMEM, 5), *CHANNEL],
    "adhub-gate public": [*MEMORY, *RARE, *TLS, *CHANNEL, ("accept", errno.EMFILE, 2),
                          ("accept", errno.ECONNABORTED, 2)],
    "adhub-store": [*MEMORY, *RARE, ("write", errno.ENOSPC, 1), ("write", errno.ENOSPC, 2),
                    ("write", errno.EIO, 3), ("sync", errno.EIO, 1), ("sync", errno.EIO, 2)],
}


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.27", realm="TORTURE.TEST", netbios="TORTURE",
                 dns=False) as controller:
        controller.seed()
        yield controller


@pytest.fixture(scope="module")
def people(dc):
    return accounts(dc)


class Machine:
    """A hub and a connector, each with faults of its own."""

    def __init__(self, dc):
        self.folder = tempfile.mkdtemp(prefix="torture-", dir=namespace.folder())
        os.chmod(self.folder, 0o755)
        self.faults = {"hub": Faults(self.folder, "hub"),
                       "connector": Faults(self.folder, "connector")}
        self.stack = Stack(preload=self.faults["hub"].preload)
        self.stack.start()
        self.stack.add_connection("corp")
        self.connector = self.stack.add_connector(preload=self.faults["connector"].preload,
                                                  directory=directory_settings(dc))
        self.connector.wait_directory("ok")
        self.stack.enrol(self.connector)
        # What they say of their faults is looked at by each test.
        for daemon in self.daemons():
            daemon.expect("^error: ")

    def daemons(self):
        return (self.stack.hub, self.connector)

    def house(self, process):
        return self.stack.hub if process in HUB else self.connector

    def fault(self, process, *how, **more):
        return self.faults["hub" if process in HUB else "connector"].fault(process, *how, **more)

    def alive(self):
        return all(daemon.alive() for daemon in self.daemons())

    def said(self):
        """The logs so far, to be cut off the later ones."""
        return [daemon.log() for daemon in self.daemons()]

    def said_since(self, before):
        """Without what each login says, and that such lines were too many."""
        lines = "".join(now[len(then):] for now, then in zip(self.said(), before)).splitlines()
        return "\n".join(line for line in lines if not re.match(
            r"(info|debug): (parent: login|directory: attempt) \S+: (\S+: )?"
            r"(ok|invalid_cred|lockout_prot)|warning: \S+: \d+ lines like one", line))


@pytest.fixture(scope="module")
def machines(dc, installed, shipped_build):
    made = []
    yield made
    for machine in made[:-1]:
        machine.stack.discard()
    if made:
        made[-1].stack.stop()


@pytest.fixture
def machine(dc, machines):
    """One for all tests, made anew after one of its parents ended."""
    if not machines or not machines[-1].alive():
        machines.append(Machine(dc))
    return machines[-1]


def crashes(said):
    """Deaths of processes that had been ready.  Before that OpenSSL may crash by itself when its
    first memory fails: then the next one is started."""
    found, ready = [], set()
    for line in said.splitlines():
        if match := re.search(r"parent: (\S+): (ready, pid|died by signal|ended)", line):
            name, what = match.groups()
            if what == "died by signal" and name in ready:
                found.append(line)
            ready = ready | {name} if what == "ready, pid" else ready - {name}
    return found


def explained(machine, said, mark):
    """The log says it, or the audit does for each login by itself."""
    return re.search("^(error|warning): ", said, re.M) or any(
        row["reason"] for row in machine.stack.audit(after=mark, event="login")
        if row["status"] not in ("ok", "invalid_credentials", "lockout_protected"))


def answers(stack):
    """Does the store answer again?"""
    return stack.request("GET", "/login/keys/corp").status == 200


# The try before may have failed for want of memory, and put the next one off by so much again.
PUT_OFF_S = 2


def well_again(load, end, seconds=RECOVERY_S + PUT_OFF_S):
    """Ten logins in a row that were let in, the first of them sent in time."""
    def good():
        done = [one for one in load.taken() if one.right and one.sent >= end and one.answered]
        bad = [number for number, one in enumerate(done) if one.status != "ok"]
        run = done[bad[-1] + 1:] if bad else done
        return run if len(run) >= 10 else None

    run = wait_until(good, "nobody is let in again", 15)
    took = run[0].sent - end
    assert took <= seconds, (took, [one for one in load.taken() if one.sent >= end][:40])
    return took


@pytest.mark.parametrize("process", [name for name in PROCESSES if name != "adc-dial"])
def test_what_a_kernel_may_do(machine, people, process):
    """To every second call or third: nobody notices, and nothing is said."""
    before = machine.said()
    kinds = list(HARMLESS)
    if process in ("adc-directory", "adc-cloud", "adhub-gate public"):
        kinds += HARMLESS_TO_SOCKETS
    with Load(machine.stack, "corp", **people) as load, contextlib.ExitStack() as stands:
        load.settle()
        faults = [stands.enter_context(machine.fault(process, *how)) for how in kinds]
        load.settle(40)
    assert sum(fault.hits for fault in faults) > 100
    load.judge()
    assert not [one for one in load.taken() if one.right and one.status != "ok"]
    assert not re.search("^(error|warning): ", machine.said_since(before), re.M), \
        machine.said_since(before)


def cases():
    for process, faults in HARMFUL.items():
        for call, error, every in faults:
            yield pytest.param(process, call, error, every,
                               id=f"{process}-{call}-{errno.errorcode[error]}-{every}")


# Asked for nothing while all connections stand: then another process has to ask it.
ASKS = {"adc-dial": "adc-cloud"}


@pytest.mark.parametrize("process, call, error, every", cases())
def test_fault(machine, people, process, call, error, every):
    before, mark = machine.said(), machine.stack.audit_mark()
    with Load(machine.stack, "corp", **people) as load:
        load.settle()
        with load.hub_away() if process in HUB else contextlib.nullcontext():
            with machine.fault(process, call, error, every) as fault:
                if process in ASKS:
                    os.kill(machine.house(process).pids()[ASKS[process]], signal.SIGKILL)
                stands_until = time.monotonic() + STANDS_S
                # Where it is rare it stands until it has struck once, however slow the host.
                wait_until(lambda: fault.hits >= STRIKES or
                           fault.hits and time.monotonic() > stands_until, "the fault strikes", 30)
            end = time.monotonic()
            try:
                took = well_again(load, end)
                wait_until(lambda: answers(machine.stack), "the store is away",
                           end + RECOVERY_S - time.monotonic())
            finally:
                said = machine.said_since(before)
                print(f"{fault}: {fault.hits} hits\n{said}")
    assert machine.alive()
    # Whoever has no memory for the profile says so, after a right password as well.
    load.judge(*(["internal"] if call == "allocate" else []))
    assert process in ASKS or not crashes(said)
    assert not BREACH.search(said)
    hurt = [one for one in load.taken() if one.right and one.status != "ok"]
    if process == "adhub-gate public":
        # Clients that were cut off are no news to it.
        hurt = [one for one in hurt if one.status != NO_ANSWER]
    assert not hurt or explained(machine, said, mark), (took, hurt[:5])
    machine.stack.hubctl("audit", "verify", check=0)


def test_short_of_memory_now_and_then(machine, people):
    """Once each time, at one place or another: the hub has refused nothing, so that the waits
    before the next tunnel stay as short as after the first."""
    before = machine.said()
    with Load(machine.stack, "corp", **people) as load:
        for every in (1, 2, 3, 4, 5, 7, 11, 19, 31, 47, 71, 113):
            load.settle()
            with machine.fault("adc-cloud", "allocate", errno.ENOMEM, every, times=1) as fault:
                wait_until(lambda: fault.hits, "the fault strikes", 10)
                well_again(load, time.monotonic())
    load.judge("internal")
    said = machine.said_since(before)
    assert not crashes(said) and not BREACH.search(said), said


@pytest.mark.parametrize("call, error", [("write", errno.ENOSPC), ("write", errno.EIO),
                                         ("sync", errno.EIO), ("allocate", errno.ENOMEM)])
def test_changes_are_made_or_not(machine, call, error):
    """Whatever fails in the middle of a commit: what was answered with yes is there, what was
    refused is not, also after the next start, and the audit's chain is whole."""
    stack = machine.stack
    made, unknown, struck = set(), set(), 0
    for every in (1, 2, 3, 4, 5, 7, 9, 13, 20, 30, 45):
        name = f"c{call}-{error}-{every}"
        with machine.fault("adhub-store", call, error, every, times=1) as fault:
            result = stack.hubctl("connection", "add", name, timeout=10)
            struck += fault.hits
        if result.status == 0:
            made.add(name)
        elif result.status == UNAVAILABLE:
            unknown.add(name)
        wait_until(lambda: stack.hubctl("connection", "list").status == 0, "the store", 5)
    assert struck
    for _ in range(2):
        names = {one["identifier"] for one in
                 stack.hubctl("connection", "list", check=0).json["connections"]}
        names = {name for name in names if name.startswith(f"c{call}-{error}")}
        assert made <= names <= made | unknown, (made, names, unknown)
        stack.hubctl("audit", "verify", check=0)
        stack.hub.kill("adhub-store")
        wait_until(lambda: stack.hubctl("connection", "list").status == 0, "the store", 5)
