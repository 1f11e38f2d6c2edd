# SPDX-License-Identifier: ISC
"""Another user of the connector's host, without rights: what he may know and do with all that
the local page and the control socket offer him; and what a one-time address and a session are
worth, whose, how often and how long.

The attacks are made by a process of another uid with no group of ours.  The process of the page
alone is tried in tests/process/test_web_page.py, floods in test_hostile_client.py, web sites
in tests/browser/test_page_attacks.py.
"""

import concurrent.futures
import http.client
import json
import os
import re
import stat
import subprocess
import sys

import pytest

from tests.lab.clock import Clock

from . import install, page_machine
from .local_api import Api, description
from .page_machine import SEEN, ask, trade
from .stack import Stack, free_port

OTHER = 4242  # uid and gid of nobody we know
AS_OTHER = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
SECRET = "A" * 43
MINUTE = 60
NO_SESSION = re.compile(r"no session, or one that has ended")


# --- the other user -------------------------------------------------------------------


def as_other(code, *arguments):
    """What a Python program of that user prints, as JSON."""
    done = subprocess.run([*AS_OTHER, sys.executable, "-I", "-B", "-c", code, *arguments],
                          cwd="/", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def ctl_as_other(connector, *arguments, input=b""):
    return subprocess.run(
        [*AS_OTHER, install.program("adconnectorctl"), "-s", connector.socket, *arguments],
        cwd="/", input=input, capture_output=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


# Which of these paths can be opened, listed or followed, and how.
OPENED = """
import errno, json, os, sys
def read(path):
    with open(path, "rb") as file:
        file.read(4096)
ways = {"read": read, "write": lambda path: os.close(os.open(path, os.O_WRONLY)),
        "list": os.listdir, "follow": os.readlink}
other_kind = (errno.EISDIR, errno.ENOTDIR, errno.EINVAL)
found = {}
for path in sys.argv[1:]:
    refused = set()
    for name, way in ways.items():
        try:
            way(path)
            refused.add(name)
        except OSError as error:
            if error.errno not in other_kind:
                refused.add(errno.errorcode[error.errno])
    found[path] = sorted(refused - {"EACCES", "EPERM"}) if refused else ["nothing tried"]
print(json.dumps(found))
"""

HTTP = """
import http.client, json, sys
port, found = int(sys.argv[1]), []
for method, path, headers, body in json.loads(sys.argv[2]):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request(method, path, body, headers)
    answer = client.getresponse()
    found.append([answer.status, answer.read().decode()])
    client.close()
print(json.dumps(found))
"""


def requests_as_other(port, requests):
    """[(status, text)] for [(method, path, headers, body)]."""
    return as_other(HTTP, str(port), json.dumps(requests))


# --- the machine ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(installed):
    with page_machine.start() as made:
        yield made


@pytest.fixture
def unchanged(machine):
    """Settings, tunnel and processes are what they were, and people log in."""
    with machine.unchanged():
        yield


# --- reading ------------------------------------------------------------------------------


def files_of(machine, *names):
    """The files of these names that the connector has; each is there, and has something in it."""
    state = machine.connector.settings["state_dir"]
    found = [machine.connector.config if name == "adconnector.conf" else os.path.join(state, name)
             for name in names]
    assert all(os.path.getsize(path) > 0 for path in found)
    return found


def everything_of(machine):
    """All that lies below its state directory, and that itself."""
    top = machine.connector.settings["state_dir"]
    return [top, *(os.path.join(below, name) for below, folders, files in os.walk(top)
                   for name in folders + files)]


@pytest.mark.parametrize("find", [
    pytest.param(lambda m: files_of(m, "adconnector.conf", "saved.conf"), id="settings"),
    pytest.param(lambda m: files_of(m, "identity.json"), id="keys"),
    pytest.param(lambda m: files_of(m, "bind-password"), id="password"),
    pytest.param(everything_of, id="everything")])
def test_another_user_opens_no_file(machine, unchanged, find):
    paths = find(machine)
    answers = as_other(OPENED, *paths)
    assert set(answers) == set(paths) and not any(answers.values()), answers
    # Nor does any of them let somebody in whose luck is another path to it.
    assert not [path for path in paths if stat.S_IMODE(os.lstat(path).st_mode) & 0o007], paths


@pytest.mark.parametrize("name", ["mem", "maps", "environ", "fd", "fdinfo", "cwd", "root", "auxv",
                                  "stack", "syscall", "io", "personality", "map_files"])
def test_another_user_reads_no_process(machine, unchanged, name):
    """Settings, keys and passwords in memory, open files, and what the log has of them."""
    pids = machine.connector.pids()
    assert {"adconnectord", "adc-web page", "adc-web control", "adc-directory", "adc-cloud"} <= set(pids)
    answers = as_other(OPENED, *(f"/proc/{pid}/{name}" for pid in pids.values()))
    assert len(answers) == len(pids) and not any(answers.values()), answers


HANDS_ON = """
import ctypes, errno, json, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def called(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
here = ctypes.create_string_buffer(8)
mine, theirs = Vector(ctypes.addressof(here), 8), Vector(0x400000, 8)
def take_descriptor(pid):
    fd = libc.syscall(434, pid, 0)
    called(fd)
    called(libc.syscall(438, fd, 3, 0))
ways = {
    "SIGKILL": lambda pid: os.kill(pid, signal.SIGKILL),
    "SIGSTOP": lambda pid: os.kill(pid, signal.SIGSTOP),
    "PTRACE_ATTACH": lambda pid: called(libc.ptrace(16, pid, None, None)),
    "PTRACE_SEIZE": lambda pid: called(libc.ptrace(0x4206, pid, None, None)),
    "process_vm_readv": lambda pid: called(libc.process_vm_readv(
        pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)),
    "process_vm_writev": lambda pid: called(libc.process_vm_writev(
        pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)),
    "pidfd_getfd": take_descriptor,
    "prlimit": lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, 4)),
    "nice": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    "affinity": lambda pid: os.sched_setaffinity(pid, {0}),
}
found = {}
for name, way in ways.items():
    for pid in map(int, sys.argv[1:]):
        try:
            way(pid)
            found[f"{name} {pid}"] = "done"
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                found[f"{name} {pid}"] = str(error)
print(json.dumps(found))
"""


def test_another_user_lays_hands_on_no_process(machine, unchanged):
    """Signals, tracing, reading and writing memory, taking a descriptor, limits, priorities."""
    assert as_other(HANDS_ON, *map(str, machine.connector.pids().values())) == {}


@pytest.mark.parametrize("arguments,input", [
    (["settings"], b""), (["log"], b""), (["log", "-f"], b""), (["status"], b""), (["bundle"], b""),
    (["explain", "alice"], b""), (["test"], b""), (["web"], b""), (["reconnect"], b""),
    (["rekey"], b""), (["unenroll", "--yes"], b""), (["set", "--revert"], b""), (["set", "directory.base=DC=evil"], b""),
    (["set", "directory.password"], b"x"), (["enroll"], b"https://hub.example.com/t/" + b"A" * 43)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_another_user_and_the_command(machine, unchanged, arguments, input):
    done = ctl_as_other(machine.connector, *arguments, input=input)
    assert done.returncode != 0 and done.stdout == b"", done
    assert b"permission" in done.stderr.lower() or b"may not use this socket" in done.stderr, done


# --- the page without the one-time URL -------------------------------------------------------


def routes():
    for path, methods in sorted(description()["paths"].items()):
        for method in methods:
            if not (method == "post" and path.endswith("/session")):
                yield method.upper(), path


@pytest.mark.parametrize("method,path", list(routes()))
def test_without_the_one_time_url(machine, unchanged, method, path):
    """Everything that the description of the API has; the three states alone are open."""
    body = None if method in ("GET", "DELETE") else "{}"
    fields = {"Content-Type": "application/json"} if body else {}
    credentials = [None, f"Bearer {SECRET}", "Bearer", "Bearer null", "Basic YWRtaW46YWRtaW4=",
                   f"Negotiate {SECRET}"]
    answers = requests_as_other(machine.port, [
        [method, path, fields if one is None else {**fields, "Authorization": one}, body]
        for one in credentials])
    if (method, path) == ("GET", "/api/v1/status"):
        status, text = answers.pop(0)
        assert status == 200
        assert set(json.loads(text)["data"]) == {"ws", "ad"}
        assert not re.search(r"hub|ldap|127\.0\.0\.1|corp|connector", text), text
    for status, text in answers:
        assert status == 401 and NO_SESSION.search(text), text


def test_the_one_time_url_is_not_guessed(machine, unchanged):
    """Ten tries a minute, and who has the right one does not wait for who has not."""
    fields = {"Content-Type": "application/json"}
    tries = [["POST", "/api/v1/session", fields, json.dumps({"secret": f"{n:043}"})]
             for n in range(50)]
    link = machine.secret()
    answers = [status for status, _ in requests_as_other(machine.port, tries)]
    assert set(answers) <= {401, 429} and answers.count(401) <= 11, answers
    assert machine.trade(link)[0] == 201


# --- who listens first -------------------------------------------------------------------------

LISTEN = """
import socket, sys, threading
address, port, options = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
if ":" in address:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
for option in options:
    sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
try:
    sock.bind((address, port))
    sock.listen(64)
except OSError as error:
    sys.exit(f"not here: {error}")
print("listening", flush=True)
sys.stdin.read()
sock.setblocking(False)
try:
    client = sock.accept()[0]
    client.settimeout(5)
    print("caught", client.recv(4096))
except BlockingIOError:
    print("nobody came")
"""
ADDRESSES = ["127.0.0.1", "0.0.0.0", "::"]


class Listener:
    """The other user's program at a port of his choice."""

    def __init__(self, address, port, *options):
        self.process = subprocess.Popen(
            [*AS_OTHER, sys.executable, "-I", "-B", "-c", LISTEN, address, str(port), *options],
            cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.listens = self.process.stdout.readline() == b"listening\n"

    def end(self):
        """What it caught."""
        out, err = self.process.communicate(timeout=20)
        return out.decode().strip() if self.listens else err.decode().strip()


@pytest.mark.parametrize("address", ADDRESSES)
def test_another_user_listens_first(machine, address):
    """No address is given out that leads to him, nothing of ours goes to him, logins do not need
    the port; and when he is gone, the page is there without a restart."""
    port = free_port()
    other = Listener(address, port)
    assert other.listens
    connector = machine.stack.add_connector(start=False, web={"listen": f"127.0.0.1:{port}"})
    connector.expect(f"another program holds 127.0.0.1:{port}")
    connector.start()
    result = connector.ctl("web")
    assert result.status == 1 and "http://" not in result.text, result
    assert result.json["error"]["code"] == "address_in_use"
    assert connector.status()["process"]["page"] != "running"
    assert other.end() == "nobody came"
    assert Api.page(SEEN, connector).get("/status").document["data"]["state"] == "running"
    connector.stop()
    machine.stack.connectors.remove(connector)


@pytest.mark.parametrize("options", [[], ["SO_REUSEADDR"], ["SO_REUSEPORT"],
                                     ["SO_REUSEADDR", "SO_REUSEPORT"]], ids="+".join)
@pytest.mark.parametrize("address", ADDRESSES)
def test_another_user_listens_second(machine, unchanged, address, options):
    other = Listener(address, machine.port, *options)
    machine.sign_in()
    said = other.end()
    assert not other.listens and "Address already in use" in said, said


def test_another_user_listens_when_the_daemon_has_died(machine):
    """Whoever was signed in is not any more; the address that was made before is worth nothing,
    and none is made until the port is ours."""
    connector = machine.stack.add_connector()
    connector.expect("another program holds")
    host = connector.settings["web"]["listen"]
    page = Api.page(SEEN, connector)
    made = connector.ctl("web", check=0).json["url"].split("#")[1]
    connector.crash()
    other = Listener("127.0.0.1", int(host.rsplit(":", 1)[1]), "SO_REUSEADDR")
    assert other.listens
    connector.start()
    assert connector.ctl("web").json["error"]["code"] == "address_in_use"
    assert other.end() == "nobody came"
    assert connector.ctl("web").status == 0  # it listens now
    assert trade(host, made)[0] == 401
    assert ask(host, "GET", "/settings", token=page.token)[0] == 401
    connector.stop()
    machine.stack.connectors.remove(connector)


# --- a sign-in URL is good once ------------------------------------------------------------------


def test_a_sign_in_url_that_is_replayed(machine, unchanged):
    secret = machine.secret()
    status, first = machine.trade(secret)
    assert status == 201
    [[status, text]] = requests_as_other(machine.port, [
        ["POST", "/api/v1/session", {"Content-Type": "application/json"},
         json.dumps({"secret": secret})]])
    assert status in (401, 429), text
    assert ask(machine.host, "GET", "/settings", token=first["token"])[0] == 200


def test_a_sign_in_url_that_is_raced_for(machine, unchanged):
    """Twenty at the same time: one has it."""
    secret = machine.secret()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [status for status, _ in pool.map(machine.trade, [secret] * 20)]
    assert answers.count(201) == 1 and set(answers) <= {201, 401, 429}, answers


def test_a_sign_in_url_of_the_process_before(machine):
    secret = machine.secret()
    machine.connector.kill("adc-web page")
    machine.link()  # it is there again
    assert machine.trade(secret)[0] == 401


# --- another session's token -----------------------------------------------------------------------


def token_of_another_connector(machine):
    connector = machine.stack.add_connector()
    token = Api.page(SEEN, connector).token
    connector.stop()
    machine.stack.connectors.remove(connector)
    return token


def token_that_has_signed_out(machine):
    page = machine.sign_in()
    assert page.delete("/session").status == 200
    return page.token


def token_that_made_room(machine):
    tokens = [machine.sign_in().token for _ in range(17)]
    return tokens[0]


def token_of_the_process_before(machine):
    token = machine.sign_in().token
    machine.connector.kill("adc-web page")
    machine.link()
    return token


def secret_in_place_of_a_token(machine):
    return machine.secret()


def token_with_one_bit_changed(machine):
    token = machine.sign_in().token
    return token[:20] + ("A" if token[20] != "A" else "B") + token[21:]


@pytest.mark.parametrize("make", [
    token_of_another_connector, token_that_has_signed_out, token_that_made_room,
    token_of_the_process_before, secret_in_place_of_a_token, token_with_one_bit_changed],
    ids=lambda make: make.__name__)
def test_a_token_that_is_not_of_a_session(machine, make):
    token = make(machine)
    good = machine.sign_in()
    for method, path in routes():
        assert ask(machine.host, method, path.removeprefix("/api/v1"),
                   {} if method == "POST" else None, token)[0] == 401, (method, path)
    assert good.get("/settings").status == 200
    assert machine.trade(token)[0] in ((201,) if make is secret_in_place_of_a_token else (401, 429))


def test_one_session_does_nothing_to_another(machine, unchanged):
    """Neither can it be ended from another, nor by somebody who has no session."""
    mine, other = machine.sign_in(), machine.sign_in()
    assert mine.delete("/session").status == 200
    assert ask(machine.host, "DELETE", "/session", token=mine.token)[0] == 401
    assert ask(machine.host, "DELETE", "/session")[0] == 401
    assert other.get("/settings").status == 200


# --- how long it lasts -------------------------------------------------------------------------------


@pytest.fixture
def timed(installed, lab_namespace, tmp_path):
    """A connector whose time a test moves: its host, and its clock."""
    tmp_path.chmod(0o711)
    clock = Clock(tmp_path)
    with Stack() as stack:
        connector = stack.add_connector(preload=clock.preload)
        yield connector, connector.settings["web"]["listen"], clock


@pytest.mark.parametrize("seconds,status", [(4 * MINUTE, 201), (5 * MINUTE, 401)])
def test_a_sign_in_url_is_good_for_five_minutes(timed, seconds, status):
    connector, host, clock = timed
    secret = connector.ctl("web", check=0).json["url"].split("#")[1]
    clock.later(seconds)
    assert trade(host, secret)[0] == status


def test_a_session_that_nobody_uses_is_over(timed):
    """After a quarter of an hour; each use begins it anew. A log that it follows ends with it."""
    connector, host, clock = timed
    page = Api.page(SEEN, connector)
    for _ in range(3):
        clock.later(14 * MINUTE)
        assert page.get("/settings").status == 200
    client = http.client.HTTPConnection(host, timeout=30)
    client.request("GET", "/api/v1/log?follow=1", headers={"Authorization": f"Bearer {page.token}"})
    stream = client.getresponse()
    assert json.loads(stream.readline())["text"]
    clock.later(15 * MINUTE)
    assert ask(host, "GET", "/status")[0] == 200  # whoever asks wakes it
    rest = stream.read().splitlines()
    assert "session 1 is over" in connector.log() and stream.isclosed()
    assert all(json.loads(line)["sequence"] for line in rest)
    assert ask(host, "GET", "/settings", token=page.token)[0] == 401
    client.close()


def test_a_session_that_is_used_all_day_is_over_after_eight_hours(timed):
    connector, host, clock = timed
    page = Api.page(SEEN, connector)
    for _ in range(8 * 6 - 1):
        clock.later(10 * MINUTE)
        assert page.get("/settings").status == 200
    clock.later(8 * MINUTE)
    assert page.get("/settings").status == 200
    clock.later(2 * MINUTE)
    assert page.get("/settings").status == 401
    assert Api.page(SEEN, connector).get("/settings").status == 200
    assert "session 1 is over" in connector.log()
