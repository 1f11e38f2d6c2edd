# SPDX-License-Identifier: ISC
"""Every process as the kernel shows it, and as it finds itself (design 3).

Why: a sandbox that was meant is not one that is in force.  From outside /proc
tells user, capabilities, filter, root directory, descriptors and addresses; from
inside the probe build tries what must not work and logs what came of it.
"""

import os
import re
import signal
import stat

import pytest

from tests.lab.population import ALICE

from . import install
from .daemon import processes
from .stack import Stack, directory_settings

pytestmark = pytest.mark.usefixtures("shipped_build")

NOBODY = 65534
CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT = 5, 6, 7, 18
SPAWNER = sum(1 << bit for bit in (CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT))

CHANNEL, LISTENER, CONTROL, TCP = "channel", "tcp listener", "unix listener", "tcp"
LOOP = ["eventpoll", "pipe", "pipe"]  # libevent's: the loop, and its way to hear of signals
NULLS = ["null", "null", "null"]
CHILD = [*NULLS, CHANNEL, *LOOP]
LOCKS = ["lock", "lock"]  # on the state and the runtime directory, against a second daemon
PARENT = ["null", "log", "log", *LOCKS, *LOOP]


class Process:
    """What is expected of one: its place in the list of users, what it holds
    open, what it may hold as well, and how many descriptors it may have."""

    def __init__(self, user, root, descriptors, limit, may=(), capabilities=0):
        self.user, self.root, self.capabilities = user, root, capabilities
        self.descriptors, self.limit, self.may = sorted(descriptors), limit, may


# root: "empty" the empty directory, "own" the folder below the state directory, "/" none:
# what keeps that one in is Landlock, or for the spawner nothing but its smallness.
HUB = {
    "adhubd": Process(0, "/", [*PARENT, LISTENER, CONTROL, *[CHANNEL] * 4], 512),
    "adc-spawner": Process(1, "/", ["null", "log", "log", CHANNEL, *LOOP], None,
                           capabilities=SPAWNER),
    "adhub-gate public": Process(2, "empty", [*CHILD, LISTENER, TCP], 8192, may=(TCP,)),
    "adhub-gate control": Process(3, "empty", [*CHILD, CONTROL], 8192, may=("unix",)),
    "adhub-store": Process(4, "own", [*CHILD, "store.db", "store.db-wal"], 32),
}
CONNECTOR = {
    "adconnectord": Process(0, "/", [*PARENT, CONTROL, LISTENER, *[CHANNEL] * 6, "ca.pem"], 512,
                            may=("ca-certificates.crt",)),
    "adc-spawner": HUB["adc-spawner"],
    "adc-dial": Process(2, "/", CHILD, 256),
    "adc-directory": Process(3, "empty", [*CHILD, TCP], 1024, may=(TCP,)),
    "adc-cloud": Process(4, "empty", [*CHILD, TCP], 64),
    "adc-web control": Process(5, "empty", [*CHILD, CONTROL], 128, may=("unix",)),
    "adc-web page": Process(6, "empty", [*CHILD, LISTENER], 128, may=(TCP,)),
}
ALL = [("hub", role) for role in HUB] + [("connector", role) for role in CONNECTOR]
NAMES = [f"{house}-{role.replace(' ', '-')}" for house, role in ALL]


@pytest.fixture(scope="module")
def machine(installed, samba):
    with Stack() as made:
        made.add_connection("corp")
        connector = made.add_connector(directory=directory_settings(samba))
        made.enrol(connector)
        connector.wait_directory("ok")
        # Each has done its work: what it needed for that it has by now.
        assert made.login("corp", "alice", ALICE.password)["status"] == "ok"
        assert made.verify_user("alice", ALICE.password).json["code"] == 200
        assert connector.ctl("test").status == 0
        yield made


@pytest.fixture(params=ALL, ids=NAMES)
def one(request, machine):
    """(pid, what is expected, daemon) of each process in turn."""
    house, role = request.param
    daemon = machine.hub if house == "hub" else machine.connectors[0]
    return daemon.pids()[role], (HUB if house == "hub" else CONNECTOR)[role], daemon


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return dict(re.findall(r"^(\w+):[ \t]*(.*)$", file.read(), re.M))


def limits(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return {name: (soft, hard) for name, soft, hard in
                re.findall(r"^Max (.+?) {2,}(\S+) +(\S+)", file.read(), re.M)}


def _unix_sockets(pid):
    found = {}
    with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="replace") as file:
        for fields in (line.split() for line in file.readlines()[1:]):
            flags, kind, inode = int(fields[3], 16), int(fields[4], 16), fields[6]
            if kind == 5:
                found[inode] = CHANNEL
            else:
                found[inode] = CONTROL if flags & 0x10000 else "unix"
    return found


def _tcp_sockets(pid):
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except FileNotFoundError:
            continue
        for fields in (line.split() for line in lines):
            port = int(fields[2].rsplit(":", 1)[1], 16)
            found[fields[9]] = (LISTENER if fields[3] == "0A" else TCP, port)
    return found


def descriptors(pid):
    """{number: (kind, target, flags)}"""
    unix, tcp = _unix_sockets(pid), _tcp_sockets(pid)
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                flags = int(re.search(r"^flags:\s+(\d+)", file.read(), re.M).group(1), 8)
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:"):
            inode = target[8:-1]
            kind = unix.get(inode) or tcp.get(inode, ("other socket",))[0]
        elif target == "/dev/null":
            kind = "null"
        elif target.startswith("anon_inode:"):
            kind = target[11:].strip("[]")
        elif target.startswith("pipe:"):
            kind = "pipe"
        else:
            kind = os.path.basename(target)
        found[int(number)] = (kind, target, flags)
    return found


def maps(pid):
    """{what: first address} of program, C library, heap and stack."""
    found = {}
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split(None, 5)
            name = fields[5].strip() if len(fields) == 6 else ""
            short = os.path.basename(name)
            if short.startswith("libc.so"):
                short = "libc"
            elif short.startswith(("adc-", "adhub", "adconnector")):
                short = "program"
            if short in ("libc", "program", "[heap]", "[stack]"):
                found.setdefault(short, int(fields[0].split("-")[0], 16))
    return found


# From outside


def test_all_processes_are_known(machine):
    assert sorted(machine.hub.pids()) == sorted(HUB)
    assert sorted(machine.connectors[0].pids()) == sorted(CONNECTOR)
    assert len(machine.hub.pids(all=True)) == len(HUB)
    assert len(machine.connectors[0].pids(all=True)) == len(CONNECTOR)


def test_own_user(one):
    pid, expected, daemon = one
    found = status(pid)
    uid = str(daemon.uid_base + expected.user)
    assert found["Uid"].split() == found["Gid"].split() == [uid] * 4
    assert found["Groups"] == "", "supplementary groups"


def test_users_differ(machine):
    uids = [status(pid)["Uid"] for daemon in (machine.hub, machine.connectors[0])
            for pid in daemon.pids(all=True)]
    assert len(set(uids)) == len(uids)
    assert "0\t0\t0\t0" not in uids


def test_capabilities(one):
    pid, expected, _ = one
    found = status(pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(found[name], 16) == expected.capabilities, name


def test_filter(one):
    pid, _, _ = one
    found = status(pid)
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"
    assert found["Threads"] == "1"


def test_root_directory(one):
    pid, expected, daemon = one
    root = os.readlink(f"/proc/{pid}/root")
    if expected.root == "empty":
        assert root == f"{install.prefix()}/libexec/adconnector/empty"
        assert os.listdir(f"/proc/{pid}/root/") == []
        state = os.stat(f"/proc/{pid}/root/")
        assert (state.st_uid, stat.S_IMODE(state.st_mode) & 0o022) == (0, 0)
    elif expected.root == "own":
        assert root == f"{daemon.settings['state_dir']}/store"
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
    else:
        assert root == "/"
    assert os.readlink(f"/proc/{pid}/cwd") == root


def test_descriptors(one):
    """Exactly those; the log and the CA files only to write, or to read."""
    pid, expected, daemon = one
    found = descriptors(pid)
    kinds = sorted(kind for kind, _, _ in found.values())
    left = list(expected.descriptors)
    more = []
    for kind in kinds:
        if kind in left:
            left.remove(kind)
        elif kind not in expected.may:
            more.append(kind)
    assert (more, left) == ([], []), found
    for kind, target, flags in found.values():
        access = flags & os.O_ACCMODE
        if kind == "log":
            assert target == daemon.log_path and access == os.O_WRONLY and flags & os.O_APPEND
        elif kind in ("ca.pem", "ca-certificates.crt"):
            assert access == os.O_RDONLY
        elif kind.startswith("store.db"):
            assert target.startswith(daemon.settings["state_dir"] + "/store/")


def test_connections_lead_where_they_should(machine):
    """directory to the DC, cloud to the hub, and nobody else to anywhere."""
    connector = machine.connectors[0]
    for role, port in (("adc-directory", 636), ("adc-cloud", machine.port)):
        pid = connector.pids()[role]
        tcp = _tcp_sockets(pid)
        peers = {tcp[target[8:-1]][1] for _, target, _ in descriptors(pid).values()
                 if target.startswith("socket:") and target[8:-1] in tcp}
        assert peers == {port}, role


def test_limits(one):
    pid, expected, _ = one
    found = limits(pid)
    assert found["core file size"] == ("0", "0")
    if expected.capabilities == 0:
        assert int(found["open files"][1]) <= expected.limit
        assert found["processes"] == ("0", "0")


def test_not_dumpable(one):
    """The kernel gives the files of such a process to root: nobody else reads its memory,
    not even a process of the same user."""
    pid, _, _ = one
    for name in ("mem", "environ", "maps", "fd", "auxv", "stack"):
        state = os.stat(f"/proc/{pid}/{name}")
        assert (state.st_uid, state.st_gid) == (0, 0), name


def test_arguments_and_environment(one):
    """A child's arguments are its name and instance, and its environment is empty."""
    pid, expected, daemon = one
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        argv = file.read().split(b"\0")[:-1]
    with open(f"/proc/{pid}/environ", "rb") as file:
        environ = [item for item in file.read().split(b"\0") if item]
    if expected.user == 0:
        assert [item.decode() for item in argv[1:]] == ["-d", "-c", daemon.config]
        assert environ == [b"PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    else:
        assert len(argv) <= 2 and not any(b"/" in item or b"=" in item for item in argv)
        assert environ in ([], [b"LDAPNOINIT=1"])


def test_own_address_layout(machine):
    """No two have anything at the same place: what one tells of itself says nothing of
    another, not even of one of the same program; nor of its successor."""
    seen = {}
    pids = {f"{daemon.name} {role}": pid for daemon in (machine.hub, machine.connectors[0])
            for role, pid in daemon.pids().items()}
    assert {role.split()[1] for role in pids} >= {"adhub-gate", "adc-spawner"}
    for role, pid in pids.items():
        found = maps(pid)
        assert set(found) >= {"libc", "program", "[stack]"}, role
        for what, address in found.items():
            assert (what, address) not in seen, (role, seen[what, address])
            seen[what, address] = role
    machine.hub.kill("adhub-gate control")
    machine.hub.wait(lambda: machine.hub.ctl("connection", "list").status == 0,
                     "the control socket to answer again", 10)
    for what, address in maps(machine.hub.pids()["adhub-gate control"]).items():
        assert (what, address) not in seen


def test_the_heirs_of_the_parent(machine):
    """They end with it: nothing goes on without the one that keeps it in check."""
    stack = machine
    connector = stack.add_connector()
    pids = connector.pids(all=True)
    assert len(pids) == 5  # no directory and no hub yet
    connector.crash()
    assert not set(pids) & set(processes())
    connector.start()


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE])
def test_children_ignore_the_terminal(machine, number):
    """Only their parent ends them."""
    pids = machine.hub.pids()
    for role in ("adhub-gate public", "adhub-gate control", "adhub-store"):
        os.kill(pids[role], number)
    assert machine.login("corp", "alice", ALICE.password)["status"] == "ok"
    assert machine.hub.pids() == pids


# From inside

REFUSED = {name: "EACCES" for name in (
    "open_passwd", "open_shadow", "open_root", "open_proc", "create", "socket", "connect",
    "ptrace", "kill_parent", "execve", "fork", "setuid", "chroot")}
PROBED = {
    "parent": REFUSED,
    "gate-public": REFUSED,
    "gate-control": REFUSED,
    # Its root directory is its own: all the others have no name there.
    "store": {**REFUSED, "open_root": "allowed", "open_passwd": "ENOENT",
              "open_shadow": "ENOENT", "open_proc": "ENOENT", "create": "ENOENT"},
    "directory": REFUSED,
    "cloud": REFUSED,
    "web": REFUSED,
    # It looks names up and makes connections, to its ports; /etc is as far as it sees, and
    # only what is everybody's there.
    "dial": {**{name: value for name, value in REFUSED.items() if name != "create"},
             "open_passwd": "allowed", "socket": "allowed"},
}


def probes(daemon):
    """{label: {probe: outcome}} of each process that ended its list."""
    found, ended = {}, set()
    for label, text in re.findall(r"^info: (\S+): probe (.*)$", daemon.log(), re.M):
        if text == "end":
            ended.add(label)
        else:
            name, outcome = text.split(": ")
            found.setdefault(label, {})[name] = outcome
    assert ended == set(found)
    return found


@pytest.fixture(scope="module")
def probe_build():
    return install.variant("probes", "--enable-probes")


@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "ordinary-user"])
def test_from_inside(installed, samba, probe_build, user):
    """The table of design 3, asked by each process of itself; and then it still works."""
    with install.use(probe_build), Stack(user=user) as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory=directory(stack, samba))
        stack.enrol(connector)
        connector.wait_directory("ok")
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
        expected = dict(PROBED)
        if user is not None:
            # No root directory of its own, so what keeps it in is Landlock.
            expected["store"] = REFUSED
        hub, own = probes(stack.hub), probes(connector)
        assert set(hub) == {"parent", "gate-public", "gate-control", "store"}
        assert set(own) == {"parent", "dial", "directory", "cloud", "web"}
        weaker = "weaker sandbox" in connector.log()
        for found in (hub, own):
            for label, outcomes in found.items():
                if weaker and label in ("dial", "parent", "store"):
                    continue  # this kernel cannot; the log says so
                assert outcomes == expected[label], label


def directory(stack, samba):
    """The settings of the directory, with files that the stack's user can read."""
    password = os.path.join(stack.folder, "service-password")
    settings = directory_settings(samba, password_file=password)
    with open(password, "w", encoding="utf-8") as file:
        file.write(samba.service_password)
    os.chmod(password, 0o600)
    if stack.user is not None:
        os.chown(password, stack.user, stack.user)
        ca = os.path.join(stack.folder, "ca.pem")
        with open(samba.ca_file, "rb") as source, open(ca, "wb") as copy:
            copy.write(source.read())
        os.chmod(ca, 0o644)
        settings["tls"] = {"ca": ca}
    return settings


# Without root


def test_as_an_ordinary_user(installed, samba):
    """Everything works; the log says in one line what is lost; the rest of the box stays."""
    with Stack(user=NOBODY) as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory=directory(stack, samba))
        stack.enrol(connector)
        connector.wait_directory("ok")
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
        assert stack.login("corp", "alice", "Not-Her-Password 1")["status"] == \
            "invalid_credentials"
        assert stack.verify_user("alice", ALICE.password).json["code"] == 200
        assert connector.ctl("test").status == 0
        for daemon, table in ((stack.hub, HUB), (connector, CONNECTOR)):
            lost = re.findall(r"^warning: parent: started without the right to change users.*$",
                              daemon.log(), re.M)
            assert len(lost) == 1 and str(NOBODY) in lost[0]
            for role, pid in daemon.pids().items():
                found = status(pid)
                assert found["Uid"].split() == [str(NOBODY)] * 4
                for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    assert int(found[name], 16) == 0, (role, name)
                assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
                assert os.stat(f"/proc/{pid}/mem").st_uid == 0, role
                assert limits(pid)["core file size"] == ("0", "0")
                kinds = {kind for kind, _, _ in descriptors(pid).values()}
                assert kinds <= {*table[role].descriptors, *table[role].may}, role
        # It starts again from what it saved, as itself.
        connector.end()
        connector.start()
        connector.wait_tunnel("online")
        connector.wait_directory("ok")
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
