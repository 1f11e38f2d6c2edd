# SPDX-License-Identifier: ISC
"""adc-web's control instance, as a real process in its real sandbox.

A stand-in for the parent answers its messages; clients come over a real unix
socket.  What is shown: the routes and their messages, who may do what, each
limit and deadline, and that a secret is gone from the process after use.
"""

import contextlib
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import Child, Gone, STATUS, done_payload, s, sanitized, u8, u16, u32, u64  # noqa: E402

NO_GROUP = 0xffffffff
HEALTHY = "连接完成"
MARK = "Kn0wn-m4rk-of-a-s3cret-7f3a9"
IS_ROOT = os.geteuid() == 0


def uids(*list_):
    return u32(len(list_)) + b"".join(u32(n) for n in list_)


class Web(Child):
    """A running adc-web with its listener in a folder of its own."""

    def __init__(self, folder, admins=(), reader=NO_GROUP, args=("control",)):
        self.path = os.path.join(folder, "control.sock")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(128)
        super().__init__("adc-web", args=args)
        self.items = [("admin_uid", uids(*admins)), ("reader_gid", u32(reader))]

    def start(self):
        self.configure(self.items, [("listener.unix", self.listener.fileno())])
        self.listener.close()
        return self

    def connect(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(self.path)  # blocking: a full queue is waited for
        client.settimeout(20)
        return client

    def raw(self, data, timeout=20.0):
        """Everything that comes back for these bytes, to the end of the connection."""
        client = self.connect()
        client.settimeout(timeout)
        with contextlib.closing(client):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(data)
            return read_all(client)

    def refusal(self, data):
        """(status, head, document) of a request that is refused."""
        head, _, body = self.raw(data).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head, json.loads(body)

    def ask(self, method, path, body=None, headers=None):
        """Sends a request; the answer is for finish()."""
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = self.connect()
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        return connection

    def alive(self):
        return self.process.poll() is None


def read_all(client):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            part = client.recv(65536)
            if not part:
                break
            data += part
    return data


def finish(connection):
    """(status, document) of a request, and the connection closed."""
    with contextlib.closing(connection):
        response = connection.getresponse()
        assert response.getheader("Connection") == "close"
        text = response.read()
        if response.getheader("Content-Type") == "application/x-ndjson":
            return response.status, [json.loads(line) for line in text.splitlines()]
        return response.status, json.loads(text)


def status_payload(pairs):
    return u16(len(pairs)) + b"".join(s(k) + s(v) for k, v in pairs)


def step(number, passed, ms, code, text, hint=""):
    return u8(number) + u8(passed) + u32(ms) + s(code) + s(text) + s(hint)


def log_line(sequence, text, tag="web", level=2, at=1700000000123):
    return u64(sequence) + u64(at) + u8(level) + s(tag) + s(text)


@pytest.fixture
def web(tmp_path):
    with Web(str(tmp_path)) as child:
        yield child.start()
        # Whatever the test did, the process lives and is in its sandbox.
        if child.alive():
            assert child.status()["Seccomp"].strip() == "2"


# --- status ------------------------------------------------------------------


PAIRS = [("version", "0.1.0"), ("tunnel.state", "online"), ("tunnel.text", ""),
         ("tunnel.hub", "https://hub.example.com:8855"), ("directory.state", "ok"),
         ("directory.server", "ldaps://dc1.example.com:636"),
         ("directory.base", "DC=example,DC=com"), ("connection", "head-office"),
         ("connector_id", "c-17"), ("logins.ok", "12"), ("logins.refused", "3")]


def get_status(web, pairs):
    request = web.ask("GET", "/api/v1/status")
    message = web.expect("STATUS_GET")
    assert message.payload == b""
    web.send("STATUS", status_payload(pairs), message.id)
    return finish(request)


def test_status_has_the_shape_that_watchdogs_read(web):
    status, document = get_status(web, PAIRS)
    assert status == 200 and document["code"] == 200
    data = document["data"]
    assert data["ws"]["upstream"]["status"] == HEALTHY
    assert data["ws"]["auth"]["status"] == HEALTHY
    assert data["ad"]["status"] == HEALTHY
    assert [data["ws"]["upstream"]["code"], data["ad"]["code"]] == ["connected", "connected"]
    assert data["tunnel"]["hub"] == "https://hub.example.com:8855"
    assert data["logins"] == {"ok": 12, "refused": 3}
    assert data["connector_id"] == "c-17"


def test_status_tells_what_is_wrong(web):
    _, document = get_status(web, [
        ("tunnel.state", "pending"), ("tunnel.text", "waits for approval"),
        ("directory.state", "failed"), ("directory.code", "bad_certificate"),
        ("directory.text", "dc1: certificate is for another name")])
    data = document["data"]
    assert data["ws"]["upstream"]["status"] == HEALTHY
    assert data["ws"]["auth"] == {"status": "waits for approval", "code": "pending"}
    assert data["ad"] == {"status": "dc1: certificate is for another name", "code": "failed",
                          "reason": "bad_certificate"}


def test_status_without_any_pair(web):
    status, document = get_status(web, [])
    assert status == 200
    assert document["data"]["ad"]["code"] == "unknown"


def test_requests_at_the_same_time_get_their_own_answers(web):
    first = web.ask("GET", "/api/v1/status")
    first_message = web.expect("STATUS_GET")
    second = web.ask("GET", "/api/v1/status")
    second_message = web.expect("STATUS_GET")
    assert first_message.id != second_message.id
    web.send("STATUS", status_payload([("version", "second")]), second_message.id)
    web.send("STATUS", status_payload([("version", "first")]), first_message.id)
    assert finish(second)[1]["data"]["version"] == "second"
    assert finish(first)[1]["data"]["version"] == "first"


# --- settings ------------------------------------------------------------------


def setting(key, kind="string", value=None, present=0, origin="default", locked="", choices=(),
            proposed=""):
    return (s(key) + s(kind) + u8(value is not None) + s(value or "") + u8(present) + s(origin)
            + s(locked) + u16(len(choices)) + b"".join(s(word) for word in choices) + s(proposed))


def get_settings(web, *settings, revertible=0):
    request = web.ask("GET", "/api/v1/settings")
    message = web.expect("SETTINGS_GET")
    assert message.payload == b""
    web.send("SETTINGS", u8(revertible) + u16(len(settings)) + b"".join(settings), message.id)
    return finish(request)


def test_settings(web):
    status, document = get_settings(
        web,
        setting("directory.server", "list", None, 0, proposed="lab.test"),
        setting("directory.password", "secret", "must not be shown", 1, "saved"),
        setting("directory.tls.mode", "string", "ldaps", 1, "file", "locked by /etc/a.conf:7",
                ("ldaps", "none")),
        setting("directory.tls.ca", "certificates"),
        setting("policy.allow", "list", "", 1, "file"), revertible=1)
    assert status == 200
    assert document == {"revertible": True, "settings": [
        {"key": "directory.server", "type": "list", "origin": "default", "settable": True,
         "proposed": "lab.test"},
        {"key": "directory.password", "type": "secret", "origin": "saved", "settable": True,
         "set": True},
        {"key": "directory.tls.mode", "type": "string", "origin": "file", "settable": False,
         "value": "ldaps", "locked": "locked by /etc/a.conf:7", "choices": ["ldaps", "none"]},
        {"key": "directory.tls.ca", "type": "certificates", "origin": "default",
         "settable": True, "set": False},
        {"key": "policy.allow", "type": "list", "origin": "file", "settable": True,
         "value": ""}]}


@pytest.mark.parametrize("payload", [
    u8(0) + u16(1), u8(0) + u16(0) + b"x", u8(0) + u16(257) + setting("a") * 257,
    u8(0) + u16(1) + setting(""), u8(0) + u16(1) + setting("a", choices=["x"] * 65),
    u8(0) + u16(1) + setting("a")[:-1], u8(0) + u16(1) + setting("a", kind="x" * 40)])
def test_settings_that_cannot_be_read(web, payload):
    request = web.ask("GET", "/api/v1/settings")
    message = web.expect("SETTINGS_GET")
    web.send("SETTINGS", payload, message.id)
    with pytest.raises((http.client.HTTPException, OSError)):
        finish(request)
    assert web.process.wait(10) != 0


# --- test --------------------------------------------------------------------


def test_the_four_steps_come_as_they_are_known(web):
    request = web.ask("POST", "/api/v1/test")
    message = web.expect("TEST")
    assert 10000 <= message.reader().u32() < 60000
    web.send("TEST_RESULT", step(0, 1, 12, "ok", "dc1 answers"), message.id)
    response = request.getresponse()
    assert response.status == 200 and response.getheader("Transfer-Encoding") == "chunked"
    # Read before the next result is sent: nothing is held back.
    first = json.loads(response.readline())
    assert first == {"step": 1, "name": "reach", "title": "AD server reachable", "passed": True,
                     "ms": 12, "code": "ok", "text": "dc1 answers", "hint": ""}
    for number in (1, 2):
        web.send("TEST_RESULT", step(number, 1, 1, "ok", ""), message.id)
    web.send("TEST_RESULT", step(3, 0, 2000, "rights", "cannot read", "grant “Read”"), message.id)
    web.send("TEST_END", u8(0), message.id)
    lines = [json.loads(line) for line in response.read().splitlines()]
    assert [line.get("title") for line in lines] == [
        "connector linked to the cloud", "AD user signs in", "directory can be read", None]
    assert lines[2]["hint"] == "grant “Read”" and lines[2]["passed"] is False
    assert lines[3] == {"end": True, "passed": False}
    request.close()


def test_a_test_that_nobody_can_run(web):
    request = web.ask("POST", "/api/v1/test")
    message = web.expect("TEST")
    web.send("UNANSWERED", u8(STATUS["directory_unavailable"]), message.id)
    status, document = finish(request)
    assert status == 503 and document["error"]["code"] == "directory_unavailable"


def test_a_test_that_breaks_off_says_so_in_the_stream(web):
    request = web.ask("POST", "/api/v1/test")
    message = web.expect("TEST")
    web.send("TEST_RESULT", step(0, 1, 12, "ok", ""), message.id)
    web.send("UNANSWERED", u8(STATUS["internal"]), message.id)
    status, lines = finish(request)
    assert status == 200 and lines[0]["step"] == 1 and lines[1]["error"]["code"] == "internal"


def test_results_for_a_client_that_left_are_dropped(web):
    request = web.ask("POST", "/api/v1/test")
    message = web.expect("TEST")
    request.close()
    for number in range(4):
        web.send("TEST_RESULT", step(number, 1, 1, "ok", ""), message.id)
    web.send("TEST_END", u8(1), message.id)
    assert get_status(web, PAIRS)[0] == 200


# --- enroll and settings -------------------------------------------------------


def test_enroll_passes_the_ticket_on(web):
    ticket = "https://hub.example.com/t/" + "A" * 43
    request = web.ask("POST", "/api/v1/enroll", {"ticket": ticket})
    message = web.expect("ENROL")
    reader = message.reader()
    assert reader.s() == ticket
    reader.end()
    web.send("DONE", done_payload(1, "ok", "enrolled as “büro”"), message.id)
    assert finish(request) == (200, {"code": "ok", "message": "enrolled as “büro”"})


@pytest.mark.parametrize("path,name", [("/api/v1/unenroll", "UNENROL"),
                                       ("/api/v1/reconnect", "RECONNECT"),
                                       ("/api/v1/rekey", "REKEY")])
def test_the_tunnel_on_request(web, path, name):
    for body in (None, {}):
        request = web.ask("POST", path, body)
        message = web.expect(name)
        assert message.payload == b""
        web.send("DONE", done_payload(1, "ok", "done"), message.id)
        assert finish(request) == (200, {"code": "ok", "message": "done"})
    assert finish(web.ask("POST", path, {"a": "b"}))[0] == 400
    assert finish(web.ask("GET", path))[0] == 405
    assert web.receive(0.05) is None


@pytest.mark.parametrize("body,password", [(None, ""), ({}, ""),
                                           ({"directory.password": " pä "}, " pä ")])
def test_revert(web, body, password):
    request = web.ask("POST", "/api/v1/settings/revert", body)
    message = web.expect("REVERT")
    reader = message.reader()
    assert reader.s() == password
    reader.end()
    web.send("DONE", done_payload(0, "password_needed", "give it", "directory.password"),
             message.id)
    assert finish(request) == (422, {"error": {"code": "password_needed", "message": "give it",
                                               "key": "directory.password"}})


@pytest.mark.parametrize("body", [b'{"directory.password":""}', b'{"directory.password":1}',
                                  b'{"directory.base":"x"}', b'{"directory.password":"x","a":"b"}',
                                  json.dumps({"directory.password": "x" * 1025}).encode()])
def test_revert_bodies_that_are_refused(web, body):
    request = web.ask("POST", "/api/v1/settings/revert", body, {"Content-Type": "application/json"})
    assert finish(request)[0] == 400
    assert web.receive(0.05) is None


def test_a_refusal_has_code_and_text(web):
    request = web.ask("POST", "/api/v1/enroll", {"ticket": "https://hub/t/x"})
    message = web.expect("ENROL")
    web.send("DONE", done_payload(0, "ticket_used_up", "ticket: used up; ask for a new one"),
             message.id)
    assert finish(request) == (422, {"error": {
        "code": "ticket_used_up", "message": "ticket: used up; ask for a new one"}})


def test_settings_are_passed_on_together_and_exactly(web):
    wanted = {"directory.server": "ldaps://dc1.example.com", "directory.base": "",
              "directory.password": " ä\"'\\\u65e5\U0001f511 "}
    request = web.ask("POST", "/api/v1/settings", wanted)
    message = web.expect("SET")
    reader = message.reader()
    got = {}
    for _ in range(reader.u16()):
        key = reader.s()
        got[key] = reader.s()
    reader.end()
    assert got == wanted
    web.send("DONE", done_payload(1, "ok", "saved"), message.id)
    assert finish(request)[0] == 200


@pytest.mark.parametrize("path,body", [
    ("/api/v1/enroll", b""),
    ("/api/v1/enroll", b"{"),
    ("/api/v1/enroll", b"[]"),
    ("/api/v1/enroll", b"{}"),
    ("/api/v1/enroll", b'{"ticket":""}'),
    ("/api/v1/enroll", b'{"ticket":1}'),
    ("/api/v1/enroll", b'{"ticket":"x","more":1}'),
    ("/api/v1/enroll", b'{"ticket":"x","ticket":"y"}'),
    ("/api/v1/enroll", b'{"ticket":"a\\u0000b"}'),
    ("/api/v1/enroll", b'{"ticket":"\xff"}'),
    ("/api/v1/enroll", json.dumps({"ticket": "x" * 2049}).encode()),
    ("/api/v1/settings", b"{}"),
    ("/api/v1/settings", b'{"a":1}'),
    ("/api/v1/settings", b'{"a":{"b":"c"}}'),
    ("/api/v1/settings", b'{"":"x"}'),
    ("/api/v1/settings", json.dumps({"k" * 65: "x"}).encode()),
    ("/api/v1/settings", json.dumps({"a": "x" * 49153}).encode()),
    ("/api/v1/settings", json.dumps({f"k{n}": "x" for n in range(33)}).encode()),
    ("/api/v1/settings", b'{"a":"\\ud800"}'),
    ("/api/v1/settings", b"[" * 40 + b"]" * 40),
])
def test_bodies_that_are_refused(web, path, body):
    request = web.ask("POST", path, body, {"Content-Type": "application/json"})
    status, document = finish(request)
    assert status == 400 and document["error"]["code"] == "bad_request"
    assert web.receive(0.05) is None  # the parent heard nothing


def test_the_longest_ticket_and_value_pass(web):
    request = web.ask("POST", "/api/v1/enroll", {"ticket": "x" * 2048})
    message = web.expect("ENROL")
    assert len(message.reader().s()) == 2048
    web.send("DONE", done_payload(1, "", ""), message.id)
    assert finish(request)[0] == 200
    request = web.ask("POST", "/api/v1/settings", {"k" * 64: "x" * 49152})
    message = web.expect("SET")
    web.send("DONE", done_payload(1, "", ""), message.id)
    assert finish(request)[0] == 200


def test_a_body_needs_its_type(web):
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        status, _ = finish(web.ask("POST", "/api/v1/enroll", b'{"ticket":"x"}',
                                   {"Content-Type": kind}))
        assert status == 415


def memory_of(pid):
    """Every readable byte of a process."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode = line.split()[:2]
            if "r" not in mode or "[v" in line:
                continue
            low, high = (int(part, 16) for part in span.split("-"))
            mem.seek(low)
            with contextlib.suppress(OSError):
                found.append(mem.read(high - low))
    return b"".join(found)


@pytest.mark.skipif(not IS_ROOT, reason="reading the memory of a process without dumps needs root")
@pytest.mark.parametrize("path,key,name", [("/api/v1/settings", "directory.password", "SET"),
                                           ("/api/v1/settings/revert", "directory.password", "REVERT"),
                                           ("/api/v1/enroll", "ticket", "ENROL")])
def test_a_secret_is_gone_from_memory_after_use(web, path, key, name):
    if sanitized("adc-web"):
        pytest.skip("built with sanitizers")
    for n in range(50):
        request = web.ask("POST", path, {key: f"{MARK}-{n}-" + "x" * (n * 19)})
        message = web.expect(name)
        assert MARK.encode() in message.payload
        web.send("DONE", done_payload(1, "ok", "saved"), message.id)
        assert finish(request)[0] == 200
    # A request that was refused held it as well.
    request = web.ask("POST", path, {key: MARK, "other": 1})
    assert finish(request)[0] == 400
    memory = memory_of(web.process.pid)
    assert b"/api/v1/settings" in memory  # the search finds what is there
    assert MARK.encode() not in memory


# --- log ---------------------------------------------------------------------


def test_log_once(web):
    request = web.ask("GET", "/api/v1/log?since=7")
    message = web.expect("LOG_GET")
    assert message.payload == u64(7) + u8(0)
    web.send("LOG_LINE", log_line(7, "dc1: certificate “x”"), message.id)
    web.send("LOG_LINE", log_line(8, "second", level=0), message.id)
    web.send("LOG_END", b"", message.id)
    status, lines = finish(request)
    assert status == 200
    assert lines == [
        {"sequence": 7, "time": 1700000000123, "level": "info", "tag": "web",
         "text": "dc1: certificate “x”"},
        {"sequence": 8, "time": 1700000000123, "level": "error", "tag": "web", "text": "second"}]


def test_log_without_lines(web):
    request = web.ask("GET", "/api/v1/log")
    message = web.expect("LOG_GET")
    web.send("LOG_END", b"", message.id)
    assert finish(request) == (200, [])


def test_a_ring_full_of_lines_arrives_whole(web):
    request = web.ask("GET", "/api/v1/log")
    message = web.expect("LOG_GET")
    text = "x" * 1000

    def send():
        for n in range(4000):
            web.send("LOG_LINE", log_line(n, text), message.id)
        web.send("LOG_END", b"", message.id)
    sender = threading.Thread(target=send)
    sender.start()
    _, lines = finish(request)
    sender.join()
    assert [line["sequence"] for line in lines] == list(range(4000))


def test_following_ends_when_the_client_goes(web):
    request = web.ask("GET", "/api/v1/log?follow=1&since=0")
    message = web.expect("LOG_GET")
    assert message.payload == u64(0) + u8(1)
    web.send("LOG_LINE", log_line(1, "first"), message.id)
    response = request.getresponse()
    assert json.loads(response.readline())["text"] == "first"
    response.close()
    request.close()
    stop = web.expect("LOG_STOP")
    assert stop.id == message.id
    # Lines that were under way already do no harm.
    web.send("LOG_LINE", log_line(2, "late"), message.id)
    assert get_status(web, PAIRS)[0] == 200


def test_a_follower_that_does_not_read_is_cut_off(web):
    request = web.ask("GET", "/api/v1/log?follow=1")
    message = web.expect("LOG_GET")
    stop = None
    for n in range(20000):
        web.send("LOG_LINE", log_line(n, "x" * 8000), message.id)
        if n % 50 == 0:
            stop = web.receive(0)
            if stop is not None:
                break
    assert stop is not None and stop.name == "LOG_STOP" and stop.id == message.id
    assert n < 3000
    request.close()
    assert get_status(web, PAIRS)[0] == 200


def test_a_follower_may_leave_before_the_first_line(web):
    request = web.ask("GET", "/api/v1/log?follow=1")
    message = web.expect("LOG_GET")
    request.close()
    assert web.expect("LOG_STOP").id == message.id


def test_what_a_follower_sends_is_not_kept(web):
    if sanitized("adc-web"):
        pytest.skip("built with sanitizers, which keep freed memory")
    request = web.ask("GET", "/api/v1/log?follow=1")
    message = web.expect("LOG_GET")
    before = int(web.status()["VmRSS"].split()[0])
    for _ in range(1000):
        request.sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * 3000)
    assert int(web.status()["VmRSS"].split()[0]) < before + 1024
    web.send("LOG_LINE", log_line(1, "still"), message.id)
    assert json.loads(request.getresponse().readline())["text"] == "still"
    request.close()
    web.expect("LOG_STOP")


def test_clients_that_leave_early_leave_no_memory_behind(web):
    if sanitized("adc-web"):
        pytest.skip("built with sanitizers, which keep freed memory")
    def leave(times):
        for _ in range(times):
            web.ask("GET", "/api/v1/log?follow=1").close()
            web.expect("LOG_GET")
            web.expect("LOG_STOP")
    leave(200)
    before = int(web.status()["VmRSS"].split()[0])
    leave(2000)
    assert int(web.status()["VmRSS"].split()[0]) < before + 400  # KiB


def test_followers_leave_room_for_others(web):
    following = []
    for _ in range(16):
        following.append(web.ask("GET", "/api/v1/log?follow=1"))
        web.expect("LOG_GET")
    status, document = finish(web.ask("GET", "/api/v1/log?follow=1"))
    assert status == 503 and document["error"]["code"] == "busy"
    assert get_status(web, PAIRS)[0] == 200
    following.pop().close()
    web.expect("LOG_STOP")
    again = web.ask("GET", "/api/v1/log?follow=1")
    web.expect("LOG_GET")
    again.close()
    for request in following:
        request.close()


@pytest.mark.parametrize("query", ["follow=2", "since=x", "since=-1", "since=99999999999999999999",
                                   "other=1", "follow", "since=",
                                   "follow=1&follow=1", "since=%31", "&", "follow=1&&since=1"])
def test_queries_that_are_refused(web, query):
    assert finish(web.ask("GET", "/api/v1/log?" + query))[0] == 400


# --- who may -----------------------------------------------------------------


def as_user(uid, gid, groups, work):
    """Runs work() in a process of this user; its result as JSON."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(data)


@pytest.fixture
def open_folder():
    """For other users, too; pytest's own is closed to them by every pytest that starts."""
    with tempfile.TemporaryDirectory(prefix="adc-web-") as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.mark.skipif(not IS_ROOT, reason="needs other users")
@pytest.mark.parametrize("uid,gid,groups,may_read,may_change", [
    (4001, 4001, [], True, True),           # administrator
    (4002, 4002, [], True, True),           # another one
    (4003, 4242, [], True, False),          # reader by first group
    (4003, 4003, [4100, 4242], True, False),  # reader by a further group
    (4003, 4003, [4100], False, False),
    (65534, 65534, [], False, False),
])
def test_who_may_read_and_change(open_folder, uid, gid, groups, may_read, may_change):
    with Web(open_folder, admins=(4001, 4002), reader=4242) as web:
        web.start()

        def answer():
            while True:
                message = web.receive(10)
                if message is None or message.name == "LOG_STOP":
                    return
                if message.name == "STATUS_GET":
                    web.send("STATUS", status_payload(PAIRS), message.id)
                elif message.name == "ENROL":
                    web.send("DONE", done_payload(1, "ok", ""), message.id)
                elif message.name == "LOG_GET":
                    return  # the sign that the client is through
        parent = threading.Thread(target=answer)
        parent.start()
        got = as_user(uid, gid, groups, lambda: [
            finish(web.ask("GET", "/api/v1/status"))[0],
            finish(web.ask("POST", "/api/v1/enroll", {"ticket": "x"}))[0],
            finish(web.ask("POST", "/api/v1/nothing"))[0]])
        web.ask("GET", "/api/v1/log").close()
        parent.join()
    assert got == [200 if may_read else 403, 200 if may_change else 403,
                   404 if may_change else 403]


# --- limits ------------------------------------------------------------------


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/", 404), ("GET", "/api/v1/status/", 404), ("GET", "/api/v1//status", 400),
    ("POST", "/api/v1/status", 405), ("GET", "/api/v1/enroll", 405), ("GET", "/api/v2/status", 404),
    ("GET", "/api/v1/%73tatus", 404)])
def test_unknown_paths_and_methods(web, method, path, status):
    assert finish(web.ask(method, path))[0] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "TRACE", "OPTIONS", "CONNECT", "X"])
@pytest.mark.parametrize("target", ["/api/v1/status", "localhost:443"])
def test_other_methods_do_nothing(web, method, target):
    start = time.monotonic()
    answer = web.raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert time.monotonic() - start < 5  # the deadline for a head is not what ended it
    head, _, body = answer.partition(b"\r\n\r\n")
    known = method in ("DELETE", "HEAD")
    if known and not target.startswith("/"):
        assert head.startswith(b"HTTP/1.1 400 ")
    else:
        allow = b"GET" if known else b"GET, HEAD, POST, DELETE"
        assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: %s\r\n" % allow in head
    if method == "HEAD":
        assert body == b""  # it would be taken for the next answer
    else:
        assert json.loads(body)["error"]["message"]
    assert web.receive(0.05) is None


def test_a_web_page_is_refused(web):
    request = web.ask("GET", "/api/v1/status", headers={"Origin": "http://localhost"})
    assert finish(request)[0] == 403


def test_headers_have_a_limit(web):
    head = b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nX: "
    assert web.refusal(head + b"x" * 9000 + b"\r\n\r\n")[0] == 431
    assert web.refusal(head + b"x" * 9000)[0] == 431  # before its end has come
    assert web.refusal(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n")[0] == 431
    assert web.receive(0.05) is None
    request = web.connect()
    request.sendall(head + b"x" * 7000 + b"\r\n\r\n")
    web.expect("STATUS_GET")
    request.close()


def test_a_body_has_a_limit(web):
    head = (b"POST /api/v1/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n")
    assert web.refusal(head % 65537 + b"x" * 65537)[0] == 413
    assert web.refusal(head % (1 << 40))[0] == 413
    assert web.refusal(head % -1)[0] == 400
    assert web.receive(0.05) is None
    assert get_status(web, PAIRS)[0] == 200


def test_a_chunked_body_is_refused(web):
    status, _, _ = web.refusal(
        b"POST /api/v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\ne\r\n{\"ticket\":\"x\"}\r\n0\r\n\r\n")
    assert status == 501
    assert web.receive(0.05) is None


ENROLL = "POST /api/v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
TICKET = '\r\n{"ticket":"x"}'
STATUS_GET = "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n"
TWO_WAYS = {
    "two lengths": (ENROLL + "Content-Length: 14\r\nContent-Length: 2\r\n" + TICKET, 400),
    "the same length twice": (
        ENROLL + "Content-Length: 14\r\nContent-Length: 14\r\n" + TICKET, 400),
    "a list of lengths": (ENROLL + "Content-Length: 14, 14\r\n" + TICKET, 400),
    "a sign before the length": (ENROLL + "Content-Length: +14\r\n" + TICKET, 400),
    "a hexadecimal length": (ENROLL + "Content-Length: 0xe\r\n" + TICKET, 400),
    "a space before the colon": (ENROLL + "Content-Length : 14\r\n" + TICKET, 400),
    "a folded length": (ENROLL + "Content-Length:\r\n 14\r\n" + TICKET, 400),
    "a folded field": (ENROLL + "X: a\r\n b\r\nContent-Length: 14\r\n" + TICKET, 400),
    "a coded body": (ENROLL + "Content-Length: 14\r\nContent-Encoding: gzip\r\n" + TICKET, 415),
    "length and chunks": (
        ENROLL + "Content-Length: 14\r\nTransfer-Encoding: chunked\r\n" + TICKET, 501),
    "an unknown expectation": (
        ENROLL + "Content-Length: 14\r\nExpect: a miracle\r\n" + TICKET, 417),
    "no length": (ENROLL + TICKET, 411),
    "a GET with a body": (STATUS_GET + "Content-Length: 2\r\n\r\n{}", 400),
    "two hosts": (STATUS_GET + "Host: y\r\n\r\n", 400),
    "a tab in a name": (STATUS_GET + "A\tB: x\r\n\r\n", 400),
    "a NUL in a value": (STATUS_GET + "A: x\0y\r\n\r\n", 400),
    "no name": (STATUS_GET + ": x\r\n\r\n", 400),
    "65 fields": (STATUS_GET + "".join(f"X{n}: x\r\n" for n in range(64)) + "\r\n", 431),
    "1000 fields": (STATUS_GET + "x:\r\n" * 1000 + "\r\n", 431),
    "no host": ("GET /api/v1/status HTTP/1.1\r\n\r\n", 400),
    "HTTP/1.0": ("GET /api/v1/status HTTP/1.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/2.0": ("GET /api/v1/status HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "two spaces": ("GET  /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an absolute target": ("GET http://x/api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a path that goes up": ("GET /api/v1/../v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an empty line before it": ("\r\n" + STATUS_GET + "\r\n", 400),
}


@pytest.mark.parametrize("request_,status", TWO_WAYS.values(), ids=TWO_WAYS)
def test_what_could_be_read_in_two_ways_is_refused(web, request_, status):
    got, head, document = web.refusal(request_.encode())
    assert got == status and b"\r\nConnection: close" in head
    assert document["error"]["message"]
    assert web.receive(0.05) is None  # the parent heard nothing
    assert get_status(web, PAIRS)[0] == 200


@pytest.mark.parametrize("kind,body,status", [
    ("application/json", b"{", 400), ("application/json", b"[]", 400),
    ("application/json", b'{"a":"b"}', 400), ("application/json", b"\xff", 400),
    ("application/jsonx", b"{}", 415), ("text/plain", b"{}", 415)])
def test_a_test_takes_no_values(web, kind, body, status):
    assert finish(web.ask("POST", "/api/v1/test", body, {"Content-Type": kind}))[0] == status
    assert web.receive(0.05) is None


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_test_may_have_an_empty_object(web, kind):
    request = web.ask("POST", "/api/v1/test", b"{}", {"Content-Type": kind})
    message = web.expect("TEST")
    web.send("TEST_END", u8(1), message.id)
    assert finish(request) == (200, [{"end": True, "passed": True}])


def test_a_body_may_be_announced_first(web):
    client = web.connect()
    client.sendall((ENROLL + "Content-Length: 14\r\nExpect: 100-continue\r\n\r\n").encode())
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b'{"ticket":"x"}')
    message = web.expect("ENROL")
    web.send("DONE", done_payload(1, "ok", ""), message.id)
    assert read_all(client).startswith(b"HTTP/1.1 200 ")
    client.close()


def test_one_that_sends_no_more_still_gets_its_answer(web):
    client = web.connect()
    client.sendall((STATUS_GET + "\r\n").encode())
    client.shutdown(socket.SHUT_WR)
    message = web.expect("STATUS_GET")
    web.send("STATUS", status_payload(PAIRS), message.id)
    assert read_all(client).startswith(b"HTTP/1.1 200 ")
    client.close()


@pytest.mark.parametrize("data", [
    b"", b"\r\n", b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\n\r\n", b"GET /api/v1/status HTTP/1.1\r\nbroken\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x42" * 200,
    b"GET /api/v1/log?%zz=%00&=&& HTTP/1.1\r\n\r\n",
    b"POST /api/v1/enroll HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"])
def test_nonsense_does_no_harm(web, data):
    client = web.connect()
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    read_all(client)
    client.close()
    assert get_status(web, PAIRS)[0] == 200


def test_bytes_behind_a_request_do_no_harm(web):
    """A second request on the connection, while the first is waiting, gets no answer."""
    line = b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
    client = web.connect()
    client.sendall(line + line)
    message = web.expect("STATUS_GET")
    client.sendall(line)
    assert web.receive(0.2) is None
    web.send("STATUS", status_payload(PAIRS), message.id)
    assert read_all(client).count(b"HTTP/1.1 200") == 1
    client.close()
    assert web.receive(0.2) is None
    assert get_status(web, PAIRS)[0] == 200


def test_connections_have_a_limit_and_come_back(web):
    idle = [web.connect() for _ in range(64)]
    waiting = web.ask("GET", "/api/v1/status")
    assert web.receive(0.5) is None  # 64 hold every place
    assert web.descriptors() < 85
    idle.pop().close()
    message = web.expect("STATUS_GET", 3)
    web.send("STATUS", status_payload(PAIRS), message.id)
    assert finish(waiting)[0] == 200
    for client in idle:
        client.close()
    assert get_status(web, PAIRS)[0] == 200


@contextlib.contextmanager
def effective(uid, gid):
    """What is connected meanwhile, this user connects."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.skipif(not IS_ROOT, reason="needs other users")
def test_others_leave_room_for_root(open_folder):
    with Web(open_folder, reader=4242) as web, contextlib.ExitStack() as stack:
        web.start()
        with effective(4003, 4242):
            idle = [stack.enter_context(contextlib.closing(web.connect())) for _ in range(48)]
            status, _, document = web.refusal(b"")
            assert status == 503 and document["error"]["code"] == "busy"
        start = time.monotonic()
        for _ in range(20):
            with effective(4003, 4242):
                stack.enter_context(contextlib.closing(web.connect()))
            assert get_status(web, PAIRS)[0] == 200
        assert time.monotonic() - start < 5
        idle.pop().close()
        # The next may be taken in before that end is noticed.
        until = time.monotonic() + 5
        with effective(4003, 4242):
            while web.refusal(b"x\r\n\r\n")[0] != 400:
                assert time.monotonic() < until


def test_many_short_connections_leave_nothing_behind(web):
    """More at once than it has descriptors for: some of them it cannot accept."""
    before = web.descriptors()
    for n in range(3000):
        client = web.connect()
        if n % 3:
            client.sendall(b"GET /api/v1")
        client.close()
    until = time.monotonic() + 5
    while web.descriptors() > before:
        assert time.monotonic() < until, "connections that ended are still open"
        time.sleep(0.02)
    assert get_status(web, PAIRS)[0] == 200


def test_a_slow_request_is_ended_after_ten_seconds(web):
    client = web.connect()
    client.settimeout(1.0)
    start = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for byte in b"GET /api/v1/status HTTP/1.1\r\nX-Slow: " + b"x" * 200:
            client.sendall(bytes([byte]))
            try:
                if client.recv(1) == b"":
                    break
            except socket.timeout:
                pass
            if time.monotonic() - start > 20:
                break
    assert 8 < time.monotonic() - start < 13
    client.close()
    assert get_status(web, PAIRS)[0] == 200


def test_a_parent_that_does_not_answer(web):
    start = time.monotonic()
    request = web.ask("GET", "/api/v1/status")
    message = web.expect("STATUS_GET")
    status, document = finish(request)
    assert status == 504 and document["error"]["code"] == "timeout"
    assert 8 < time.monotonic() - start < 13
    web.send("STATUS", status_payload(PAIRS), message.id)  # too late, and harmless
    assert get_status(web, PAIRS)[0] == 200


def test_long_requests_outlive_the_short_deadline(web):
    request = web.ask("POST", "/api/v1/test")
    message = web.expect("TEST")
    assert web.receive(12) is None
    web.send("TEST_RESULT", step(0, 1, 11900, "ok", ""), message.id)
    web.send("TEST_END", u8(1), message.id)
    assert finish(request)[1][-1] == {"end": True, "passed": True}


def test_following_has_no_deadline(web):
    request = web.ask("GET", "/api/v1/log?follow=1")
    message = web.expect("LOG_GET")
    web.send("LOG_LINE", log_line(1, "early"), message.id)
    assert web.receive(22) is None  # longer than any time limit of the HTTP library here
    web.send("LOG_LINE", log_line(2, "late"), message.id)
    response = request.getresponse()
    assert [json.loads(response.readline())["text"] for _ in range(2)] == ["early", "late"]
    request.close()


# --- the parent --------------------------------------------------------------


@pytest.mark.parametrize("name,payload", [
    ("STATUS", u16(1)), ("STATUS", u16(513) + s("k") * 1026), ("STATUS", u16(0) + b"x"),
    ("STATUS", u16(1) + s("k") + s(b"\xff")), ("DONE", done_payload(1, "", "")),
    ("DONE", done_payload(1, "", "", step=5)),
    ("UNANSWERED", u8(255)), ("DIALED", u8(0) * 13), (250, b"")])
def test_a_bad_message_of_the_parent_ends_the_process(web, name, payload):
    request = web.ask("GET", "/api/v1/status")
    message = web.expect("STATUS_GET")
    web.send(name, payload, message.id)
    with pytest.raises(Gone):
        web.receive(5)
    assert web.end() == 1
    request.close()


def test_drain_finishes_what_is_under_way(web):
    request = web.ask("GET", "/api/v1/status")
    message = web.expect("STATUS_GET")
    follower = web.ask("GET", "/api/v1/log?follow=1")
    log = web.expect("LOG_GET")
    web.send("DRAIN")
    assert web.expect("LOG_STOP").id == log.id
    assert finish(follower) == (200, [])
    web.send("STATUS", status_payload(PAIRS), message.id)
    assert finish(request)[0] == 200
    with pytest.raises(Gone):
        web.receive(5)
    assert web.end() == 0


def test_drain_when_idle_ends_at_once(web):
    web.send("DRAIN")
    with pytest.raises(Gone):
        web.receive(5)
    assert web.end() == 0


@pytest.mark.parametrize("items,with_listener", [
    ([("admin_uid", b"\1")], True), ([("admin_uid", uids(*range(65)))], True),
    ([("reader_gid", b"\1\2")], True), ([("nonsense", b"")], True), ([], False),
    ([("listener.unix", b"/run/x")], True)])
def test_configuration_that_is_refused(tmp_path, items, with_listener):
    with Web(str(tmp_path)) as web:
        fds = [("listener.unix", web.listener.fileno())] if with_listener else []
        with pytest.raises((Gone, AssertionError, OSError)):
            web.configure(items, fds)
        assert web.end() == 1


@pytest.mark.parametrize("args", [(), ("page",), ("control", "more")])
def test_only_the_control_instance_exists(tmp_path, args):
    with Web(str(tmp_path), args=args) as web:
        with pytest.raises((Gone, AssertionError, OSError)):
            web.start()
        assert web.end() == 1


def test_the_process_holds_little(web):
    get_status(web, PAIRS)
    status = web.status()
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0
    # Standard input, output and error, the parent, the listener, and the event loop's own.
    until = time.monotonic() + 5
    while web.descriptors() > 8:
        assert time.monotonic() < until, "more descriptors than needed"
        time.sleep(0.02)


# --- explain -------------------------------------------------------------------


def explained(number, passed, code, text, ms=3):
    return u8(number) + u8(passed) + u32(ms) + s(code) + s(text)


def test_explain(web):
    request = web.ask("POST", "/api/v1/explain", {"username": "LAB\\älice"})
    message = web.expect("EXPLAIN")
    reader = message.reader()
    assert 1000 <= reader.u32() < 10000 and reader.s() == "LAB\\älice"
    reader.end()
    names = ["name", "person", "account", "groups", "policy", "lockout", "bind"]
    for number in range(7):
        web.send("EXPLAIN_STEP", explained(number, number != 2, "ok", f"text {number}"),
                 message.id)
    web.send("EXPLAIN_END", u8(STATUS["account_disabled"]) + u8(1) + s("a bind"), message.id)
    status, lines = finish(request)
    assert status == 200 and [line.get("name") for line in lines] == [*names, None]
    assert lines[2] == {"name": "account", "title": "account usable", "passed": False, "ms": 3,
                        "code": "ok", "text": "text 2"}
    assert lines[-1] == {"end": True, "status": "account_disabled", "bind": True,
                         "text": "a bind"}


@pytest.mark.parametrize("body", [
    b"{}", b'{"username":""}', b'{"username":1}', b'{"username":"a","password":"b"}',
    json.dumps({"username": "x" * 1025}).encode(), b'{"username":"a\\u0000b"}'])
def test_explain_bodies_that_are_refused(web, body):
    status, document = finish(web.ask("POST", "/api/v1/explain", body,
                                      {"Content-Type": "application/json"}))
    assert status == 400 and document["error"]["code"] == "bad_request"
    assert web.receive(0.05) is None


def test_an_explanation_stops_when_its_client_goes(web):
    request = web.ask("POST", "/api/v1/explain", {"username": "alice"})
    message = web.expect("EXPLAIN")
    web.send("EXPLAIN_STEP", explained(0, 1, "ok", ""), message.id)
    response = request.getresponse()
    assert json.loads(response.readline())["name"] == "name"
    response.close()
    request.close()
    assert web.expect("EXPLAIN_STOP").id == message.id
    # What was under way is dropped; the process goes on.
    web.send("EXPLAIN_STEP", explained(1, 1, "ok", ""), message.id)
    web.send("EXPLAIN_END", u8(0) + u8(1) + s(""), message.id)
    assert get_status(web, PAIRS)[0] == 200


def test_an_explanation_that_nobody_can_give(web):
    request = web.ask("POST", "/api/v1/explain", {"username": "alice"})
    message = web.expect("EXPLAIN")
    web.send("UNANSWERED", u8(STATUS["directory_unavailable"]), message.id)
    assert finish(request)[0] == 503


@pytest.mark.parametrize("name,payload", [
    ("EXPLAIN_STEP", explained(7, 1, "ok", "")), ("EXPLAIN_STEP", explained(0, 1, "o" * 64, "")),
    ("EXPLAIN_END", u8(len(STATUS)) + u8(0) + s("")), ("EXPLAIN_END", u8(0) + u8(0) + s("") + b"x")])
def test_explanations_that_cannot_be_read(web, name, payload):
    request = web.ask("POST", "/api/v1/explain", {"username": "alice"})
    web.send(name, payload, web.expect("EXPLAIN").id)
    with pytest.raises((http.client.HTTPException, OSError)):
        finish(request)
    assert web.process.wait(10) != 0


def test_an_error_ends_a_stream_that_nobody_reads(web):
    """At the point where one more line would cut it off."""
    for lines in range(165, 190):
        request = web.ask("POST", "/api/v1/explain", {"username": "alice"})
        message = web.expect("EXPLAIN")
        for _ in range(lines):
            # Six bytes for each in JSON.
            web.send("EXPLAIN_STEP", explained(0, 1, "ok", "\x01" * 8000), message.id)
        web.send("UNANSWERED", u8(STATUS["internal"]), message.id)
        alive = web.ask("GET", "/api/v1/status")
        # With more lines it was cut off before.
        while (message := web.receive(20)).name != "STATUS_GET":
            assert message.name == "EXPLAIN_STOP"
        web.send("STATUS", status_payload(PAIRS), message.id)
        assert finish(alive)[0] == 200
        request.close()
