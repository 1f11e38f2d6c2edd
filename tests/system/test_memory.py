# SPDX-License-Identifier: ISC
"""Passwords are nowhere but where they must be, and there only while they must.

A login that the client sealed: never in clear in any process of the hub, nor
in cloud, dial, spawner, web or the parent of the connector, at any moment; in
directory not after it came to rest.  A password that an application gave to
the hub in clear: not in gate after the answer.  The bind password: in the
parent alone.  Nothing of them in a log, an audit row, a file, argv or environ.
"""

import base64
import json
import os
import subprocess
import sys
import threading

import pytest

from tests.lab import population

from . import memory
from .stack import Stack, directory_settings, write_password

LOGINS = 1000
CLIENTS = 6
REST_S = 5
# Processes that never have a password in clear, for a login that was sealed.
OPENS = "adc-directory"


@pytest.fixture(scope="module")
def mark():
    return memory.Mark()


@pytest.fixture(scope="module")
def service_mark():
    return memory.Mark()


@pytest.fixture(scope="module")
def people(samba, mark):
    """Some whose password is the mark, some whose is not."""
    made = []
    for number in range(CLIENTS * 2):
        name = f"marked{number:02d}" if number < CLIENTS else f"other{number:02d}"
        person = population.Person(
            name, mark.text if number < CLIENTS else "Quite-Another 1")
        population.add_person(samba.directory, person)
        made.append((person, samba.directory.guid(name)))
    yield [person for person, _ in made]
    for _, guid in made:
        samba.directory.delete_guid(guid)


@pytest.fixture(scope="module")
def service(samba, service_mark):
    """A service account whose password is a mark of its own."""
    person = population.Person("svc-marked", service_mark.text)
    population.add_person(samba.directory, person)
    guid = samba.directory.guid(person.name)
    yield samba.directory.find(person.name)[0]
    samba.directory.delete_guid(guid)


@pytest.fixture(scope="module")
def marked_stack(installed, samba, service, service_mark):
    with Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory=directory_settings(
            samba, user=service,
            password_file=write_password(stack.folder, service_mark.text)))
        os.chmod(os.path.join(stack.folder, "service-password"), 0o600)
        stack.enrol(connector)
        connector.wait_directory("ok")
        # It was read at the start; the file is no part of what is looked at.
        os.unlink(os.path.join(stack.folder, "service-password"))
        yield stack


def processes(stack):
    found = {f"hub {name}": pid for name, pid in stack.hub.pids().items()}
    for connector in stack.connectors:
        found.update({f"{connector.label} {name}": pid
                      for name, pid in connector.pids().items()})
    return found


def without(found, *names):
    return {name: pid for name, pid in found.items()
            if not any(name.endswith(end) for end in names)}


def nowhere_outside_memory(stack, mark):
    assert memory.scan_files(stack.folder, mark) == []
    # All that the hub wrote down, as it shows it.
    audit = json.dumps(stack.audit(limit=1000)).encode()
    assert mark.find(audit) is None
    log = stack.connectors[0].ctl("log").out.encode()
    assert log and mark.find(log) is None
    ours = {pid for daemon in (stack.hub, *stack.connectors)
            for pid in daemon.pids(all=True)}
    assert [hit for hit in memory.scan_proc(mark) if int(hit.split()[0]) in ours] == []


# The scanner itself

PLANT = """
import base64, sys
how, text = sys.stdin.readline().split()
if how == "utf16":
    kept = text.encode("utf-16-le")
elif how.startswith("base64"):
    kept = base64.b64encode(b"x" * int(how[-1]) + text.encode() + b"yy")
elif how == "hex":
    kept = text.encode().hex().encode()
elif how == "torn":
    kept = b"\\0" * 20 + text.encode()[20:]
elif how == "nothing":
    kept = b""
else:
    kept = b"<" + text.encode() + b">"
size = len(text)
if how != "plain":
    # What was read itself must not be what is found.
    import ctypes, io, os
text = None
print("planted", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["plain", "utf16", "base64-0", "base64-1", "base64-2",
                                 "hex", "torn"])
def test_scanner_finds(how):
    """Every form that the mark may have, also when its beginning is gone."""
    mark = memory.Mark()
    if how == "torn":
        planted = b"\0" * 20 + mark.text.encode()[20:]
    elif how == "utf16":
        planted = mark.text.encode("utf-16-le")
    elif how.startswith("base64"):
        planted = base64.b64encode(b"x" * int(how[-1]) + mark.text.encode() + b"yy")
    elif how == "hex":
        planted = mark.text.encode().hex().encode()
    else:
        planted = b"<" + mark.text.encode() + b">"
    with subprocess.Popen(
            [sys.executable, "-c", "import sys; kept = sys.stdin.buffer.read(int(sys.argv[1]));"
             "print('planted', flush=True); sys.stdin.read(1)", str(len(planted))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(planted)
        child.stdin.flush()
        assert child.stdout.readline() == b"planted\n"
        hits = memory.scan(child.pid, mark)
        assert hits, "the scanner is blind"
        assert memory.scan(child.pid, memory.Mark()) == [], "the scanner sees what is not there"
        child.stdin.close()


def test_scanner_finds_in_files(tmp_path):
    mark = memory.Mark()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"\0\1" + base64.b64encode(mark.text.encode()))
    (tmp_path / "c").write_bytes(b"nothing")
    assert memory.scan_files(tmp_path, mark) == [str(tmp_path / "a" / "b")]


def test_scanner_finds_in_environ():
    mark = memory.Mark()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={"X": mark.text}) as child:
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()  # execve is behind it
        assert memory.scan_proc(mark) == [f"{child.pid} environ"]
        child.stdin.close()


# Sealed by the client


class Clients:
    """Threads that log in with marked passwords and count the answers."""

    def __init__(self, stack, people, mark):
        self.stack, self.people, self.mark = stack, people, mark
        self.keys = stack.login_keys()
        self.answers, self.errors = {}, []
        self.lock = threading.Lock()
        self.left = LOGINS
        self.threads = [threading.Thread(target=self.run, args=(number,))
                        for number in range(CLIENTS)]

    def run(self, number):
        """Right ones of one person; wrong ones in between, few enough for the
        lock-out budget of this person and of one who only gets those."""
        marked, other = self.people[number], self.people[number + CLIENTS]
        turn = 0
        while True:
            with self.lock:
                if self.left == 0 or self.errors:
                    return
                self.left -= 1
            turn += 1
            username, password = marked.name, self.mark.text
            if turn % 8 == 3:
                password = self.mark.text + "x"
            elif turn % 8 == 5:
                username = f"nobody-{number}-{turn}"
            elif turn % 32 == 9:
                username = other.name
            try:
                answer = self.stack.login_sealed(username, password, keys=self.keys).json
            except Exception as error:  # pylint: disable=broad-except
                with self.lock:
                    self.errors.append(repr(error))
                return
            with self.lock:
                self.answers[answer["status"]] = self.answers.get(answer["status"], 0) + 1

    def running(self):
        return any(thread.is_alive() for thread in self.threads)


def test_sealed_logins(marked_stack, people, mark):
    """1,000 logins, and the search goes on all the while."""
    clients = Clients(marked_stack, people, mark)
    watched = processes(marked_stack)
    assert len(watched) == 11, watched
    never = without(watched, OPENS)
    assert len(never) == 10
    for thread in clients.threads:
        thread.start()
    sweeps = 0
    found = {}
    while clients.running() and not found:
        found = memory.scan_all(never, mark)
        sweeps += 1
    for thread in clients.threads:
        thread.join()
    assert not clients.errors
    assert not found, found
    assert sweeps >= 5
    # It was a real load: the passwords were opened, and AD was asked.
    assert sum(clients.answers.values()) == LOGINS
    assert clients.answers["ok"] > LOGINS // 2, clients.answers
    assert clients.answers["invalid_credentials"] > LOGINS // 8, clients.answers
    assert set(clients.answers) == {"ok", "invalid_credentials"}, clients.answers
    memory.rest(REST_S)
    assert processes(marked_stack) == watched, "a process ended meanwhile"
    assert memory.scan_all(watched, mark) == {}
    nowhere_outside_memory(marked_stack, mark)
