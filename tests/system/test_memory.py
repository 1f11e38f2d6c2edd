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
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography.hazmat.primitives import serialization

from tests.lab import population
from tests.lab.process import wait_until

from . import memory
from .stack import Stack, directory_settings, write_password

pytestmark = pytest.mark.usefixtures("shipped_build")

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
def marked_stack(shipped_build, samba, service, service_mark):
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


def all_audit(stack):
    rows, after = [], 0
    while more := stack.audit(after=after, limit=500):
        rows += more
        after = rows[-1]["id"]
    return rows


def nowhere_outside_memory(stack, mark):
    assert memory.scan_files(stack.folder, mark) == []
    # All that the hub wrote down, as it shows it.
    assert mark.find(json.dumps(all_audit(stack)).encode()) is None
    log = stack.connectors[0].ctl("log").out.encode()
    assert log and mark.find(log) is None
    ours = {pid for daemon in (stack.hub, *stack.connectors)
            for pid in daemon.pids(all=True)}
    assert [hit for hit in memory.scan_proc(mark) if int(hit.split()[0]) in ours] == []


# The scanner itself

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
            elif turn % 32 == 17:
                # As long as one may be: through every buffer that has to grow.
                username, password = other.name, self.mark.text * 85
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
    assert len(watched) == 12, watched
    never = without(watched, OPENS)
    assert len(never) == 11
    for thread in clients.threads:
        thread.start()
    sweeps = seen = 0
    found = {}
    while clients.running() and not found:
        found = memory.scan_all(never, mark)
        sweeps += 1
        seen += bool(memory.scan(watched[f"{marked_stack.connectors[0].label} {OPENS}"], mark))
    for thread in clients.threads:
        thread.join()
    assert not clients.errors
    assert not found, found
    assert sweeps >= 5
    # Where it is opened it must show: the search sees through the sandbox too.
    assert seen > 0
    # It was a real load: the passwords were opened, and AD was asked.
    assert sum(clients.answers.values()) == LOGINS
    assert clients.answers["ok"] > LOGINS // 2, clients.answers
    assert clients.answers["invalid_credentials"] > LOGINS // 8, clients.answers
    assert set(clients.answers) == {"ok", "invalid_credentials"}, clients.answers
    memory.rest(REST_S)
    assert processes(marked_stack) == watched, "a process ended meanwhile"
    assert memory.scan_all(watched, mark) == {}
    nowhere_outside_memory(marked_stack, mark)


# Given to the hub in clear


def test_verify_user(marked_stack, people, mark):
    """An application's password: gate has it until it is sealed, nobody else ever."""
    watched = processes(marked_stack)
    never = without(watched, OPENS, "adhub-gate public")
    stop = threading.Event()
    found = {}

    def search():
        while not stop.is_set() and not found:
            found.update(memory.scan_all(never, mark))

    thread = threading.Thread(target=search)
    thread.start()
    try:
        for turn in range(60):
            marked, other = people[turn % CLIENTS], people[turn % CLIENTS + CLIENTS]
            assert marked_stack.verify_user(marked.name, mark.text).json["code"] == 200
            if turn % 10 == 3:
                answer = marked_stack.verify_user(other.name, mark.text + "x")
                assert answer.json["code"] == 401
            if turn % 10 == 5:
                answer = marked_stack.verify_user(f"nobody{turn}", mark.text * 85)
                assert answer.json["code"] == 401
    finally:
        stop.set()
        thread.join()
    assert not found, found
    memory.rest(REST_S)
    assert memory.scan_all(watched, mark) == {}
    nowhere_outside_memory(marked_stack, mark)


BROKEN = [
    ("no JSON", b'{"username": "alice", "password": "%s'),
    ("trailing text", b'{"username": "alice", "password": "%s"} x'),
    ("twice", b'{"username": "alice", "password": "%s", "password": "%s"}'),
    ("no user", b'{"password": "%s"}'),
    ("too deep", b'{"username": ' + b"[" * 40 + b'"%s"' + b"]" * 40 + b"}"),
    ("other members", b'{"user": "alice", "pwd": "%s", "more": {"password": "%s"}}'),
    ("no UTF-8", b'{"username": "alice", "password": "%s\xff"}'),
    ("escaped", b'{"username": "alice", "password": "\\u0041%s\\n"}'),
]


@pytest.mark.parametrize("body", [body for _, body in BROKEN], ids=[name for name, _ in BROKEN])
def test_verify_user_broken(marked_stack, body):
    """A request that is refused held a password all the same."""
    mark = memory.Mark()
    filled = body.replace(b"%s", mark.text.encode())
    answer = marked_stack.request("POST", "/api/v2/ad/verify-user", filled,
                                  {"Content-Type": "application/json"})
    assert answer.status in (200, 400)
    assert mark.find(answer.body) is None
    # One that came on the way to another place, and one that never came whole.
    answer = marked_stack.request("POST", "/login/verify", filled,
                                  {"Content-Type": "application/json"})
    assert answer.status in (200, 400)
    memory.rest(1)
    assert memory.scan_all(processes(marked_stack), mark) == {}
    nowhere_outside_memory(marked_stack, mark)


def test_verify_user_cut_off(marked_stack):
    """A client that goes away in the middle of its password."""
    mark = memory.Mark()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((marked_stack.host, marked_stack.port)) as plain, \
            context.wrap_socket(plain) as sock:
        sock.sendall(b"POST /api/v2/ad/verify-user HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
                     b'{"username": "alice", "password": "' + mark.text.encode())
        gate = {"gate": marked_stack.hub.pids()["adhub-gate public"]}
        wait_until(lambda: memory.scan_all(gate, mark), "the password to arrive", 10,
                   lambda: True, 0.01)
    wait_until(lambda: not memory.scan_all(gate, mark), "the password to go", 10,
               lambda: True, 0.05)
    assert memory.scan_all(processes(marked_stack), mark) == {}


# The connector's own secrets


def test_bind_password(marked_stack, service_mark):
    """In the parent, once; elsewhere only while directory binds."""
    connector = marked_stack.connectors[0]
    memory.rest(1)
    found = memory.scan_all(processes(marked_stack), service_mark)
    assert list(found) == [f"{connector.label} adconnectord"], found
    assert memory.scan_files(marked_stack.folder, service_mark) == []
    # A directory process that starts anew has bound with it when it is ready.
    connector.kill("adc-directory")
    connector.wait_directory("ok")
    memory.rest(1)
    found = memory.scan_all(processes(marked_stack), service_mark)
    assert list(found) == [f"{connector.label} adconnectord"], found


def test_keys_stay(marked_stack):
    """Private keys: the connector's in its parent; the hub's TLS key in its gate, and as text in
    its parent, where what OpenSSL made of it is wiped."""
    connector = marked_stack.connectors[0]
    identity = connector.identity()
    watched = processes(marked_stack)
    for name in ("sign", "seal"):
        text = identity[name]["d"]
        key = memory.Bytes(base64.urlsafe_b64decode(text + "="))
        assert list(memory.scan_all(watched, key)) == [f"{connector.label} adconnectord"]
    with open(f"{marked_stack.hub.settings['state_dir']}/tls.key", "rb") as file:
        text = file.read()
    number = serialization.load_pem_private_key(text, None).private_numbers()
    key = memory.Bytes(number.private_value.to_bytes(32, "big"))
    assert list(memory.scan_all(watched, key)) == ["hub adhub-gate public"]
    found = set(memory.scan_all(watched, memory.Bytes(text.splitlines()[1])))
    assert "hub adhubd" in found and found <= {"hub adhub-gate public", "hub adhubd"}


def test_saved_through_ctl(new_stack, samba, service, service_mark):
    """Set on the command line: web, spawner and the rest keep nothing of it,
    and it rests in one file that only the parent's user can read.  The same for the
    ticket, which is used up then."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector()
    ticket = stack.ticket()
    stack.enrol(connector, ticket)
    connector.ctl("set", f"directory.server={samba.url}", f"directory.user={service}",
                  f"directory.tls.ca={samba.ca_file}", "directory.password",
                  input=service_mark.text + "\n", check=0)
    connector.wait_directory("ok")
    assert connector.ctl("test").status == 0
    # The old children, which finish what they have, know it no more either.
    memory.rest(1)
    watched = processes(stack)
    found = memory.scan_all(watched, service_mark)
    assert list(found) == [f"{connector.label} adconnectord"], found
    files = memory.scan_files(stack.folder, service_mark)
    assert files == [f"{connector.settings['state_dir']}/bind-password"]
    state = os.stat(files[0])
    assert (state.st_mode & 0o7777, state.st_uid) == (0o600, connector.uid_base)
    secret = memory.Mark(ticket.split("/t/")[1].split("#")[0])
    assert secret.patterns
    assert memory.scan_all(watched, secret) == {}
    assert memory.scan_files(stack.folder, secret) == []
