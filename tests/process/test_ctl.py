# SPDX-License-Identifier: ISC
"""adconnectorctl and adhubctl as people and scripts run them.

A stand-in for the daemon answers over a real unix socket.  What is shown: exit
status, what goes to standard output and what to standard error, where secrets
may come from, that what they send is exact, and that nothing from the network
acts on a terminal.  The sealed password is opened by an independent
implementation (jwcrypto).  The last part runs adconnectorctl against the real
adc-web.
"""

import base64
import http.server
import json
import os
import pty
import re
import resource
import select
import signal
import socket
import socketserver
import subprocess
import sys
import termios
import threading
import time

import pytest
from jwcrypto import jwe as jwcrypto_jwe
from jwcrypto import jwk as jwcrypto_jwk

from tests.lab.process import wait_until
from tests.lab.terminal import dialogue

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import ROOT, done_payload, program, s, u8  # noqa: E402
from test_web import PAIRS, Web, log_line, status_payload, step  # noqa: E402

DONE, REFUSED, UNAVAILABLE, USAGE = 0, 1, 2, 64
TICKET = "https://hub.example.com/t/" + "A" * 43 + "#pin=sha256:" + "B" * 43
EVIL = "e\x1b[31mvil\x07\r\n\u202ename\u009b\x7f"


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers by a table {(method, path): answer}; keeps what it was asked.

    An answer is (status, document), a list of lines for a stream, bytes for a
    raw answer, or a function that is given the request's body and returns one.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, path):
        self.answers, self.requests, self.hold = {}, [], threading.Event()
        super().__init__(path, _Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client may leave at any time
            super().handle_error(request, client_address)

    def __exit__(self, *_):
        self.hold.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def _serve(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.requests.append((self.command, self.path, body, dict(self.headers)))
        answer = self.server.answers.get((self.command, self.path),
                                         (404, {"error": {"code": "not_found", "message": "no"}}))
        if callable(answer):
            answer = answer(json.loads(body) if body else None)
        self.close_connection = True
        if isinstance(answer, bytes):
            self.wfile.write(answer)
        elif isinstance(answer, list):
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in answer:
                if line is None:  # the test says when to go on
                    self.server.hold.wait(20)
                    continue
                text = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        else:
            status, document = answer
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _serve


@pytest.fixture
def daemon(tmp_path):
    with Daemon(str(tmp_path / "d.sock")) as server:
        server.path = str(tmp_path / "d.sock")
        yield server


ENV = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


def run(name, *args, path="/nonexistent/control.sock", stdin=b"", env=None, timeout=30):
    done = subprocess.run([program(name), "-s", path, *args], input=stdin, env={**ENV, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    assert b"AddressSanitizer" not in done.stderr and b"runtime error" not in done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def connector(daemon, *args, **more):
    return run("adconnectorctl", *args, path=daemon.path, **more)


def hub(daemon, *args, **more):
    return run("adhubctl", *args, path=daemon.path, **more)


# --- command line ------------------------------------------------------------


@pytest.mark.parametrize("name,args", [
    ("adconnectorctl", []), ("adconnectorctl", ["nonsense"]), ("adconnectorctl", ["--nonsense"]),
    ("adconnectorctl", ["status", "more"]), ("adconnectorctl", ["status", "--nonsense"]),
    ("adconnectorctl", ["status", "-f"]), ("adconnectorctl", ["set"]),
    ("adconnectorctl", ["set", "key"]), ("adconnectorctl", ["set", "=value"]),
    ("adconnectorctl", ["set", "a=b", "a=c"]), ("adconnectorctl", ["set", b"a=\xff"]),
    ("adconnectorctl", ["log", "--since", "x"]), ("adconnectorctl", ["log", "--since", "-1"]),
    ("adconnectorctl", ["log", "more"]), ("adconnectorctl", ["test", "more"]),
    ("adconnectorctl", ["explain"]), ("adconnectorctl", ["explain", "a", "b"]),
    ("adconnectorctl", ["explain", b"\xff"]), ("adconnectorctl", ["explain", ""]), ("adconnectorctl", ["bundle", "a", "b"]),
    # Of a later version.
    ("adconnectorctl", ["sync", "status"]),
    ("adhubctl", []), ("adhubctl", ["connection"]), ("adhubctl", ["connection", "nonsense"]),
    ("adhubctl", ["connection", "add"]), ("adhubctl", ["connection", "add", "a", "b"]),
    ("adhubctl", ["connection", "add", ""]), ("adhubctl", ["connection", "add", "a", "--name"]),
    ("adhubctl", ["connection", "list", "x"]), ("adhubctl", ["connection", "show"]),
    ("adhubctl", ["connection", "remove", ""]), ("adhubctl", ["ticket", "new"]),
    ("adhubctl", ["ticket", "new", "a", "--uses", "0"]),
    ("adhubctl", ["ticket", "new", "a", "--uses", "1x"]),
    ("adhubctl", ["ticket", "new", "a", "--hours", "-3"]),
    ("adhubctl", ["ticket", "revoke"]), ("adhubctl", ["ticket", "revoke", TICKET]),
    ("adhubctl", ["connector", "approve"]), ("adhubctl", ["connector", "revoke", "a", "b"]),
    ("adhubctl", ["login"]), ("adhubctl", ["login", "a"]), ("adhubctl", ["login", "a", ""]),
    ("adhubctl", ["login", "a", "alice", "password"]), ("adhubctl", ["login", "a", "x" * 1025]),
    ("adhubctl", ["login", "a", b"\xff"]), ("adhubctl", ["login", "x" * 65, "alice"]),
    ("adhubctl", ["audit", "more"]), ("adhubctl", ["audit", "--limit", "0"]),
    ("adhubctl", ["audit", "--limit", "501"]), ("adhubctl", ["audit", "verify", "x"]),
    ("adhubctl", ["user", "list"]), ("adhubctl", ["sync", "plan"]), ("adhubctl", ["app", "list"]),
])
def test_mistakes_in_the_command_line(name, args):
    status, out, err = run(name, *args)
    assert status == USAGE and out == "" and err != ""


@pytest.mark.parametrize("name,commands", [
    ("adconnectorctl", ["status", "test", "explain", "setup", "enroll", "unenroll", "reconnect", "rekey",
                        "settings", "set", "web", "log", "bundle"]),
    ("adhubctl", ["connection add", "connection list", "connection show", "connection remove",
                  "ticket new", "ticket list", "ticket revoke", "connector list",
                  "connector approve", "connector revoke", "login", "audit", "audit verify"])])
def test_help(name, commands):
    status, out, err = run(name, "--help")
    assert status == DONE and err == ""
    for command in commands:
        assert f"  {command}" in out
        status, text, err = run(name, *command.split(), "--help")
        assert status == DONE and err == "" and f" {command}" in text.splitlines()[0]


def test_help_of_a_group():
    status, out, _ = run("adhubctl", "ticket", "--help")
    assert status == DONE and "ticket new" in out and "ticket revoke" in out


@pytest.mark.parametrize("name", ["adconnectorctl", "adhubctl", "adconnectord", "adhubd"])
def test_version(name):
    with open(os.path.join(os.path.dirname(program(name)), "build.h"), encoding="ascii") as file:
        version, = re.findall(r'define PACKAGE_VERSION "(.+)"', file.read())
    done = subprocess.run([program(name), "--version"], env=ENV, capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {version}\n", "")
    text = subprocess.run([program(name), "--help"], env=ENV, capture_output=True, text=True,
                          check=True).stdout
    assert "--version" in text
    with open(os.path.join(ROOT, f"man/{name}.8"), encoding="utf-8") as file:
        assert "Fl -version" in file.read()


@pytest.mark.parametrize("name,args", [
    ("adconnectorctl", ["--nonsense"]), ("adconnectorctl", ["-x"]), ("adconnectorctl", ["-s"]),
    ("adconnectorctl", ["status", "-x"]), ("adconnectorctl", ["status", "--nonsense"]),
    ("adhubctl", ["connection", "add", "a", "--name"]), ("adhubctl", ["connection", "list", "-s"]),
    ("adconnectord", ["-x"]), ("adhubd", ["--nonsense"])])
def test_a_wrong_option_is_told_by_the_name_of_the_program(name, args):
    done = subprocess.run([program(name), *args], env=ENV, capture_output=True, text=True,
                          check=False)
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr.startswith(f"{name}: ")
    assert os.path.dirname(program(name)) not in done.stderr


def test_the_socket_may_be_named_behind_the_command(daemon):
    daemon.answers["GET", "/api/v1/status"] = (200, STATUS)
    daemon.answers["GET", "/api/v1/connections"] = (200, {"connections": [], "more": False})
    assert run("adconnectorctl", "status", "-s", daemon.path)[0] == DONE
    assert run("adconnectorctl", "status", "--json", f"-s{daemon.path}")[0] == DONE
    assert run("adhubctl", "connection", "list", "-s", daemon.path)[0] == DONE
    assert len(daemon.requests) == 3
    # Behind "--" it is an argument.
    assert run("adconnectorctl", "status", "--", "-s", path=daemon.path)[0] == USAGE
    for path, text in (("", "empty"), ("/tmp/" + "x" * 200, "at most 107 bytes")):
        status, _, err = run("adconnectorctl", "status", "-s", path, path=daemon.path)
        assert status == USAGE and text in err
    assert len(daemon.requests) == 3


def test_a_path_too_long_for_a_socket():
    status, _, err = run("adconnectorctl", "status", path="/tmp/" + "x" * 200)
    assert status == USAGE and "at most 107 bytes" in err


# --- no daemon ---------------------------------------------------------------


@pytest.mark.parametrize("name,args,daemon_name", [
    ("adconnectorctl", ["status"], "adconnectord"), ("adconnectorctl", ["test"], "adconnectord"),
    ("adconnectorctl", ["log"], "adconnectord"), ("adhubctl", ["connection", "list"], "adhubd")])
def test_a_daemon_that_does_not_run(tmp_path, name, args, daemon_name):
    status, out, err = run(name, *args, path=str(tmp_path / "none"))
    assert status == UNAVAILABLE and out == ""
    assert f"{daemon_name} is not running" in err and "systemctl start" in err
    # A socket that was left behind.
    path = str(tmp_path / "stale")
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    status, _, err = run(name, *args, path=path)
    assert status == UNAVAILABLE and "nobody listens" in err
    status, out, _ = run(name, "--json", *args, path=path)
    assert status == UNAVAILABLE and json.loads(out)["error"]["code"] == "not_running"


@pytest.mark.parametrize("name,args", [("adconnectorctl", ["status"]),
                                       ("adhubctl", ["connection", "list"])])
def test_a_path_that_is_no_socket(tmp_path, name, args):
    for path in ("/etc/passwd", str(tmp_path)):
        status, out, err = run(name, *args, path=path)
        assert status == UNAVAILABLE and out == "" and "not running" not in err
        assert err.startswith(f"{name}: {path}: is no socket")
        status, out, _ = run(name, "--json", *args, path=path)
        assert status == UNAVAILABLE and json.loads(out)["error"]["code"] == "no_socket"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_socket_that_may_not_be_used(daemon):
    os.chmod(daemon.path, 0o600)
    folder = os.path.dirname(daemon.path)
    while folder not in ("/", "/tmp"):
        os.chmod(folder, 0o755)
        folder = os.path.dirname(folder)
    done = subprocess.run([program("adconnectorctl"), "-s", daemon.path, "status"], env=ENV,
                          capture_output=True, user=65534, group=65534, extra_groups=[])
    if b"ermission denied" in done.stderr and done.returncode in (126, 127):
        pytest.skip("the program cannot be reached by this user")
    assert done.returncode == REFUSED and b"try as root" in done.stderr


def test_the_environment_does_not_lead_elsewhere(daemon):
    daemon.answers["GET", "/api/v1/status"] = (200, {"code": 200, "data": {}})
    status, _, _ = connector(daemon, "status", env={
        "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"})
    assert status == DONE


# --- answers ------------------------------------------------------------------


@pytest.mark.parametrize("http_status,code,expected", [
    (403, "not_permitted", REFUSED), (404, "not_found", REFUSED), (422, "locked", REFUSED),
    (422, "timeout", REFUSED), (409, "busy", UNAVAILABLE),
    (503, "directory_unavailable", UNAVAILABLE), (504, "timeout", UNAVAILABLE),
    (500, "internal", REFUSED)])
def test_errors_of_the_daemon(daemon, http_status, code, expected):
    daemon.answers["GET", "/api/v1/status"] = (
        http_status, {"error": {"code": code, "message": f"why {EVIL}"}})
    status, out, err = connector(daemon, "status")
    assert status == expected and out == "" and "why e\\x1b[31mvil\\x07\\r\\n" in err
    assert_harmless(err)
    status, out, err = connector(daemon, "--json", "status")
    assert status == expected
    assert json.loads(out)["error"] == {"code": code, "message": f"why {EVIL}"}
    assert_harmless(out)


def test_a_refused_setting_is_named(daemon):
    error = {"code": "bad_request", "message": "directory.base: not a DN", "key": "directory.base"}
    daemon.answers["POST", "/api/v1/settings"] = (422, {"error": error})
    status, out, err = connector(daemon, "--json", "set", "directory.base=x")
    assert status == REFUSED and json.loads(out) == {"error": error}
    assert err == "adconnectorctl: directory.base: not a DN\n"


@pytest.mark.parametrize("raw", [
    b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"a":1,"a":2}',
    b"HTTP/1.1 200 OK\r\n\r\n" + b'["' + b"x" * (9 << 20),
    b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n<p/>",
    b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"])
def test_answers_that_are_not_understood(daemon, raw):
    daemon.answers["GET", "/api/v1/status"] = raw
    status, out, err = connector(daemon, "status")
    assert status in (REFUSED, UNAVAILABLE) and out == "" and err.startswith("adconnectorctl: ")


def assert_harmless(text):
    for c in text:
        assert c == "\n" or (c.isprintable() and c not in "\u202e\u200b\u2066"), repr(c)


# --- status ------------------------------------------------------------------


def state(code, text=None):
    return {"status": text or "连接完成", "code": code}


STATUS = {"code": 200, "message": "ok", "data": {
    "ws": {"upstream": state("connected"), "auth": state("connected")},
    "ad": state("connected"), "version": "0.1.0", "connection": "head-office",
    "connector_id": "c-17", "tunnel": {"state": "online", "hub": "https://hub.example.com:8855"},
    "directory": {"state": "ok", "server": "ldaps://dc1.example.com:636",
                  "base": "DC=example,DC=com"}, "logins": {"ok": 12, "refused": 3}}}


def test_status_for_people(daemon):
    daemon.answers["GET", "/api/v1/status"] = (200, STATUS)
    status, out, err = connector(daemon, "status")
    assert status == DONE and err == ""
    lines = out.splitlines()
    assert lines[0] == "tunnel      ✓ connected to https://hub.example.com:8855"
    assert lines[1] == "directory   ✓ connected to ldaps://dc1.example.com:636"
    assert "base        DC=example,DC=com" in lines
    assert "logins      ok 12, refused 3" in lines
    status, out, _ = connector(daemon, "status", env={"LC_ALL": "C"})
    assert out.splitlines()[0].startswith("tunnel      ok connected") and out.isascii()


def test_status_when_something_is_wrong(daemon):
    document = json.loads(json.dumps(STATUS))
    document["data"]["ws"]["auth"] = state("pending", "waits")
    document["data"]["tunnel"]["text"] = "waits for approval: adhubctl connector approve c-17"
    document["data"]["ad"] = state("failed", "x")
    document["data"]["directory"] = {"text": EVIL}
    document["data"]["state"] = "degraded"
    document["data"]["process"] = {"dial": "running", "cloud": "not running"}
    daemon.answers["GET", "/api/v1/status"] = (200, document)
    status, out, _ = connector(daemon, "status")
    assert status == DONE
    assert "✗ pending https://hub.example.com:8855: waits for approval" in out
    assert "directory   ✗ failed: e\\x1b[31mvil" in out
    assert "state       degraded\nnot running cloud\n" in out
    assert_harmless(out)


def test_status_as_one_document(daemon):
    daemon.answers["GET", "/api/v1/status"] = (200, STATUS)
    for args in (["--json", "status"], ["status", "--json"]):
        status, out, err = connector(daemon, *args)
        assert status == DONE and json.loads(out) == STATUS and err == ""
        assert out.isascii()


def test_status_of_an_odd_daemon(daemon):
    for document in ({}, {"data": []}, {"data": {"ws": "x", "tunnel": 1, "logins": {"a": "b"}}}):
        daemon.answers["GET", "/api/v1/status"] = (200, document)
        status, out, _ = connector(daemon, "status")
        assert status == DONE and out.startswith("tunnel ")


# --- test --------------------------------------------------------------------


TITLES = ["AD server reachable", "connector linked to the cloud", "AD user signs in",
          "directory can be read"]


def steps(*passed):
    return [{"step": n + 1, "name": "x", "title": TITLES[n], "passed": ok, "ms": 7 * n,
             "code": "ok" if ok else "bad", "text": f"text {n}", "hint": "" if ok else "do that"}
            for n, ok in enumerate(passed)]


def test_the_four_steps(daemon):
    daemon.answers["POST", "/api/v1/test"] = steps(True, True, True, True) + [
        {"end": True, "passed": True}]
    status, out, err = connector(daemon, "test")
    assert status == DONE and err == ""
    assert [line[5:].split("  (")[0] for line in out.splitlines() if line.startswith("  ✓")] == TITLES
    assert "(7 ms)" in out and out.splitlines()[-1] == "all four steps passed"


def test_a_step_that_fails(daemon):
    daemon.answers["POST", "/api/v1/test"] = steps(True, True, False, False) + [
        {"end": True, "passed": False}]
    status, out, _ = connector(daemon, "test")
    assert status == REFUSED and out.count("  ✗") == 2 and "what to do: do that" in out
    status, out, _ = connector(daemon, "test", env={"LC_ALL": "C"})
    assert status == REFUSED and out.count("FAILED") == 2 and out.isascii()
    status, out, _ = connector(daemon, "test", "--json")
    document = json.loads(out)
    assert status == REFUSED and document["passed"] is False and len(document["steps"]) == 4


def test_steps_are_shown_as_they_come(daemon):
    daemon.answers["POST", "/api/v1/test"] = steps(True)[:1] + [None] + steps(True, True)[1:] + [
        {"end": True, "passed": True}]
    process = subprocess.Popen([program("adconnectorctl"), "-s", daemon.path, "test"],
                               stdout=subprocess.PIPE, env=ENV)
    assert "AD server reachable" in process.stdout.readline().decode()
    daemon.hold.set()  # only now the next ones are sent
    rest = process.stdout.read().decode()
    assert "connector linked" in rest and process.wait() == DONE


@pytest.mark.parametrize("end,expected", [
    ([], UNAVAILABLE), ([{"error": {"code": "timeout", "message": "late"}}], UNAVAILABLE),
    ([{"error": {"code": "internal", "message": "odd"}}], REFUSED), ([b"nonsense\n"], UNAVAILABLE),
    ([b'{"a":"' + b"x" * 70000 + b'"}\n'], UNAVAILABLE)])
def test_a_test_that_breaks_off(daemon, end, expected):
    daemon.answers["POST", "/api/v1/test"] = steps(True) + end
    status, _, err = connector(daemon, "test")
    assert status == expected and err.startswith("adconnectorctl: ")


# --- enroll and set ----------------------------------------------------------


def done(body):
    return (200, {"code": "ok", "message": "done, says the daemon"})


@pytest.mark.parametrize("stdin", [TICKET, TICKET + "\n"])
def test_enroll_takes_the_ticket_from_standard_input(daemon, stdin):
    daemon.answers["POST", "/api/v1/enroll"] = done
    status, out, err = connector(daemon, "enroll", stdin=stdin.encode())
    assert (status, out, err) == (DONE, "done, says the daemon\n", "")
    assert json.loads(daemon.requests[0][2]) == {"ticket": TICKET}


def test_a_ticket_in_argv_is_refused(daemon):
    status, out, err = connector(daemon, "enroll", TICKET)
    assert status == USAGE and "every user of this host can read" in err and TICKET not in err
    assert daemon.requests == []


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \n", b"x\0y", b"\xff\xfe", b"x" * 3000])
def test_tickets_that_are_no_text(daemon, stdin):
    status, _, err = connector(daemon, "enroll", stdin=stdin)
    assert status == REFUSED and "ticket: " in err and daemon.requests == []


def test_a_refused_ticket(daemon):
    daemon.answers["POST", "/api/v1/enroll"] = (
        422, {"error": {"code": "ticket_used_up", "message": "ticket: used up"}})
    status, _, err = connector(daemon, "enroll", stdin=TICKET.encode())
    assert status == REFUSED and "ticket: used up" in err and TICKET not in err


def test_set(daemon):
    daemon.answers["POST", "/api/v1/settings"] = done
    status, _, _ = connector(daemon, "set", "directory.server=ldaps://dc1.example.com",
                             "directory.base=OU=Büro,DC=x", "directory.user=")
    assert status == DONE
    assert json.loads(daemon.requests[0][2]) == {
        "directory.server": "ldaps://dc1.example.com", "directory.base": "OU=Büro,DC=x",
        "directory.user": ""}


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("key", ["directory.tls.ca", "cloud.ca"])
def test_certificates_are_sent_not_named(daemon, tmp_path, key):
    daemon.answers["POST", "/api/v1/settings"] = done
    (tmp_path / "ca.pem").write_text("a comment\n" + CERTIFICATE)
    assert connector(daemon, "set", f"{key}={tmp_path}/ca.pem")[0] == DONE
    assert json.loads(daemon.requests[-1][2]) == {key: "a comment\n" + CERTIFICATE}
    assert connector(daemon, "set", f"{key}=")[0] == DONE
    assert json.loads(daemon.requests[-1][2]) == {key: ""}


@pytest.mark.parametrize("content", [None, b"", b"key", b"\0" + CERTIFICATE.encode(),
                                     CERTIFICATE.encode() + b"\xff",
                                     CERTIFICATE.encode() + b"x" * 49152])
def test_files_that_are_no_certificates(daemon, tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    status, _, err = connector(daemon, "set", f"directory.tls.ca={tmp_path}/ca.pem")
    assert status == REFUSED and f"{tmp_path}/ca.pem" in err and daemon.requests == []


PASSWORDS = ["simple", " spaces at both ends ", "ümläut", "日本語", "🔑🔑", "\"quo'tes\\", "a\tb",
             "x" * 1024, "*", ")(", "-f", "--json", "line\nfeed inside", "\r"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_password_arrives_exactly(daemon, password):
    daemon.answers["POST", "/api/v1/settings"] = done
    for end in ("", "\n"):
        status, out, _ = connector(daemon, "set", "directory.user=svc", "directory.password",
                                   stdin=(password + end).encode())
        assert status == DONE and password not in out
        assert json.loads(daemon.requests[-1][2]) == {
            "directory.user": "svc", "directory.password": password}


def test_only_one_final_line_feed_is_cut(daemon):
    daemon.answers["POST", "/api/v1/settings"] = done
    connector(daemon, "set", "directory.password", stdin=b"x\n\n")
    assert json.loads(daemon.requests[-1][2]) == {"directory.password": "x\n"}


@pytest.mark.parametrize("stdin,reason", [
    (b"a\0b", "NUL"), (b"\xff\xfep\0a\0", "NUL"), (b"\xc3\x28", "UTF-8"), (b"\xed\xa0\x80", "UTF-8"),
    (b"x" * 1025, "longer"), (b"x" * 100000, "longer"), (b"", "nothing was given"),
    (b"\n", "nothing was given")])
def test_passwords_that_are_refused(daemon, stdin, reason):
    status, _, err = connector(daemon, "set", "directory.password", stdin=stdin)
    assert status == REFUSED and reason in err and daemon.requests == []


def test_a_password_in_argv_is_refused(daemon):
    status, out, err = connector(daemon, "set", "directory.password=sesame7", stdin=b"x")
    assert status == USAGE and "every user of this host can read" in err and "sesame7" not in err
    assert daemon.requests == []
    # To forget it is no secret.
    daemon.answers["POST", "/api/v1/settings"] = done
    status, _, _ = connector(daemon, "set", "directory.password=")
    assert status == DONE and json.loads(daemon.requests[0][2]) == {"directory.password": ""}
    status, _, _ = connector(daemon, "set", "directory.password", "directory.password", stdin=b"x")
    assert status == USAGE


def on_terminal(argv, typed, until=b": "):
    """Runs argv with a terminal; what it showed, exit status, and whether echo was off.

    The last character typed is given again as long as nothing happens: an interrupt
    may come just before the program begins to read.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(argv[0], argv, {**ENV, "TERM": "dumb"})
    shown, echo_off, wrote = b"", False, False
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 0.2)
            if ready:
                part = os.read(terminal, 4096)
                if not part:
                    break
                shown += part
            elif wrote:
                os.write(terminal, typed[-1:])
            if not wrote and until in shown:
                echo_off = not termios.tcgetattr(terminal)[3] & termios.ECHO
                if echo_off:
                    os.write(terminal, typed)
                    wrote = True
    except OSError:
        pass  # the other end is closed
    if time.monotonic() >= deadline:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(status), echo_off


def test_a_prompt_does_not_show_what_is_typed(daemon):
    daemon.answers["POST", "/api/v1/settings"] = done
    shown, status, echo_off = on_terminal(
        [program("adconnectorctl"), "-s", daemon.path, "set", "directory.password"],
        " s3cret ü\n".encode())
    assert echo_off and status == DONE and "s3cret" not in shown
    assert json.loads(daemon.requests[0][2]) == {"directory.password": " s3cret ü"}


def test_a_prompt_for_the_ticket(daemon):
    setup_daemon(daemon)
    shown, status, _ = on_terminal([program("adconnectorctl"), "-s", daemon.path, "enroll"],
                                   TICKET.encode() + b"\n")
    assert status == DONE and TICKET not in shown
    assert posted(daemon, "/api/v1/enroll") == [{"ticket": TICKET}]


def test_an_interrupted_prompt_sends_nothing(daemon):
    setup_daemon(daemon)
    _, status, _ = on_terminal([program("adconnectorctl"), "-s", daemon.path, "enroll"], b"abc\x03")
    assert status == -signal.SIGINT and not posted(daemon, "/api/v1/enroll")


def test_what_is_typed_reaches_no_core_file(daemon):
    """The limit that a shell hands over may be none."""
    setup_daemon(daemon)
    pid, terminal = pty.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        program_name = program("adconnectorctl")
        os.execve(program_name, [program_name, "-s", daemon.path, "enroll"], ENV)
    shown = b""
    while b"ticket URL: " not in shown:
        assert select.select([terminal], [], [], 20)[0], shown
        shown += os.read(terminal, 4096)
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        limit, = re.findall(r"Max core file size +(\d+|unlimited) +(\d+|unlimited)", file.read())
    ended = 0

    def end():
        # Again, as a person does: between prompt and read(2) libbsd only notes it.
        nonlocal ended, status
        os.kill(pid, signal.SIGQUIT)
        ended, status = os.waitpid(pid, os.WNOHANG)
        return ended

    status = 0
    try:
        wait_until(end, "the end of adconnectorctl", 20)
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)
    assert limit == ("0", "0")
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)


# --- dialogues -----------------------------------------------------------------


@pytest.mark.parametrize("typed,expected", [("y", DONE), ("Yes", DONE), ("", REFUSED),
                                            ("n", REFUSED), ("yess", REFUSED)])
def test_unenroll_asks(daemon, typed, expected):
    daemon.answers["POST", "/api/v1/unenroll"] = done
    shown, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "unenroll"],
                             [("Leave the connection? [y/N] ", typed)])
    assert status == expected and "keys are deleted" in shown
    assert len(daemon.requests) == (expected == DONE)


def test_unenroll_reconnect_and_rekey(daemon):
    for name in ("unenroll", "reconnect", "rekey"):
        daemon.answers["POST", f"/api/v1/{name}"] = done
    assert connector(daemon, "unenroll")[0] == USAGE and daemon.requests == []
    assert connector(daemon, "unenroll", "--yes")[0] == DONE
    assert connector(daemon, "reconnect")[0] == DONE
    assert connector(daemon, "rekey", "now")[0] == USAGE
    assert connector(daemon, "rekey")[0] == DONE
    assert [request[1] for request in daemon.requests] == [
        "/api/v1/unenroll", "/api/v1/reconnect", "/api/v1/rekey"]


def test_revert(daemon):
    daemon.answers["POST", "/api/v1/settings/revert"] = done
    assert connector(daemon, "set", "--revert")[0] == DONE
    assert connector(daemon, "set", "--revert", "directory.password", stdin=b"pw\n")[0] == DONE
    assert [json.loads(request[2]) for request in daemon.requests] == [
        {}, {"directory.password": "pw"}]
    for more in (["a=b"], ["directory.password", "a=b"], ["directory.password=x"]):
        assert connector(daemon, "set", "--revert", *more)[0] == USAGE
    assert len(daemon.requests) == 2


SETUP = [
    {"key": "directory.server", "type": "list", "origin": "default", "settable": True,
     "proposed": "lab.test"},
    {"key": "directory.base", "type": "string", "origin": "saved", "settable": True,
     "value": "DC=lab,DC=test"},
    {"key": "directory.user", "type": "string", "origin": "default", "settable": True},
    {"key": "directory.password", "type": "secret", "origin": "default", "settable": True,
     "set": False},
    {"key": "directory.tls.mode", "type": "string", "origin": "default", "settable": True,
     "value": "ldaps"},
    {"key": "directory.tls.ca", "type": "certificates", "origin": "default", "settable": True,
     "set": False},
    {"key": "cloud.proxy", "type": "string", "origin": "file", "settable": False,
     "value": "http://proxy:3128", "locked": "locked by /etc/adconnector.conf:9"}]
TEST_END = {"end": True, "passed": True}


def setup_daemon(daemon, enrolled=False):
    data = {"connector_id": "c-1"} if enrolled else {}
    daemon.answers["GET", "/api/v1/settings"] = (200, {"revertible": False, "settings": SETUP})
    daemon.answers["GET", "/api/v1/status"] = (200, {"code": 200, "message": "ok", "data": data})
    daemon.answers["POST", "/api/v1/test"] = [TEST_END]
    daemon.answers["POST", "/api/v1/settings"] = done
    daemon.answers["POST", "/api/v1/enroll"] = done


def posted(daemon, path):
    return [json.loads(body) for method, at, body, _ in daemon.requests
            if (method, at) == ("POST", path)]


def test_setup_asks_what_the_page_asks(daemon, tmp_path):
    setup_daemon(daemon)
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    shown, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "setup"], [
        ("or the domain [lab.test]: ", ""), ("Base DN [DC=lab,DC=test]: ", "-"),
        ("Domain user: ", "LAB\\reader"), ("Password: ", "s3cret ü"), ("[ldaps]: ", ""),
        ("CA of the directory: ", str(ca)), ("ticket URL [later]: ", TICKET)])
    assert status == DONE and "s3cret" not in shown and TICKET not in shown
    assert "locked by /etc/adconnector.conf:9" in shown and "all four steps passed" in shown
    assert posted(daemon, "/api/v1/settings") == [{
        "directory.server": "lab.test", "directory.base": "", "directory.user": "LAB\\reader",
        "directory.password": "s3cret ü", "directory.tls.ca": ca.read_text()}]
    assert posted(daemon, "/api/v1/enroll") == [{"ticket": TICKET}]


def test_setup_does_not_take_the_base_of_another_domain(daemon):
    """It is that of the domain before; the new one has its own."""
    setup_daemon(daemon, enrolled=True)
    daemon.answers["GET", "/api/v1/settings"] = (200, {"revertible": False, "settings": [
        {key: value for key, value in {**setting, "proposed": "DC=old,DC=test"}.items()
         if key != "value"} if setting["key"] == "directory.base" else setting
        for setting in SETUP]})
    _, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "setup"], [
        ("or the domain [lab.test]: ", "new.test"),
        ("Base DN (now DC=old,DC=test; Enter leaves it to the domain): ", ""),
        ("Domain user: ", ""), ("Password: ", ""), ("[ldaps]: ", ""),
        ("CA of the directory: ", "")])
    assert status == DONE
    assert posted(daemon, "/api/v1/settings") == [{"directory.server": "new.test"}]


def test_setup_with_nothing_to_change(daemon):
    """What is in force stays, no ticket is asked for, and the test is run."""
    setup_daemon(daemon, enrolled=True)
    SERVER, *others = SETUP
    daemon.answers["GET", "/api/v1/settings"] = (200, {"revertible": False, "settings": [
        {**SERVER, "value": "ldaps://dc1.lab.test"}, *others]})
    _, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "setup"], [
        ("or the domain [ldaps://dc1.lab.test]: ", ""), ("Base DN", ""), ("Domain user: ", ""),
        ("Password: ", ""), ("[ldaps]: ", ""), ("CA of the directory: ", "")])
    assert status == DONE
    assert [request[1] for request in daemon.requests if request[0] == "POST"] == ["/api/v1/test"]


def test_setup_that_is_refused_can_be_tried_again(daemon):
    setup_daemon(daemon, enrolled=True)
    daemon.answers["POST", "/api/v1/settings"] = (
        422, {"error": {"code": "bind_refused", "message": "wrong password " + EVIL}})
    shown, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "setup"], [
        ("or the domain", "dc1.lab.test"), ("Base DN", ""), ("Domain user: ", "reader@lab.test"),
        ("Password: ", "s3cret ü"), ("[ldaps]: ", "starttls"), ("CA of the directory: ", ""),
        ("Try again? [y/N] ", "y"),
        # What was typed stands there; another answer takes its place.
        ("or the domain [dc1.lab.test]: ", ""), ("Base DN", ""),
        ("Domain user [reader@lab.test]: ", ""), ("Password [the one given before]: ", ""),
        ("[starttls]: ", "ldaps"), ("CA of the directory: ", ""),
        ("Try again?", "y"),
        ("or the domain [dc1.lab.test]: ", ""), ("Base DN", ""),
        ("Domain user [reader@lab.test]: ", "-"), ("Password [the one given before]: ", "other"),
        ("[ldaps]: ", ""), ("CA of the directory: ", ""),
        # What could not be used is no answer to keep.
        ("Try again?", "y"),
        ("or the domain", ""), ("Base DN", ""), ("Domain user", ""), ("Password", ""),
        ("[ldaps]: ", ""), ("CA of the directory: ", "/nowhere/ca.pem"),
        ("Try again?", "y"),
        ("or the domain", ""), ("Base DN", ""), ("Domain user", ""), ("Password", ""),
        ("[ldaps]: ", ""), ("CA of the directory: ", ""),
        ("Try again?", "")])
    assert status == REFUSED and "wrong password e\\x1b" in shown
    assert "s3cret" not in shown and "other" not in shown
    first = {"directory.server": "dc1.lab.test", "directory.user": "reader@lab.test",
             "directory.password": "s3cret ü", "directory.tls.mode": "starttls"}
    second = {key: value for key, value in first.items() if key != "directory.tls.mode"}
    third = {"directory.server": "dc1.lab.test", "directory.user": "",
             "directory.password": "other"}
    assert posted(daemon, "/api/v1/settings") == [first, second, third, third]
    assert not posted(daemon, "/api/v1/test") and len(daemon.requests) == 9


def enroll_dialogue(daemon, *turns, arguments=()):
    return dialogue([program("adconnectorctl"), "-s", daemon.path, "enroll", *arguments],
                    [*turns, ("ticket URL: ", TICKET)])


def test_to_enrol_anew_is_asked_for_at_a_terminal(daemon):
    setup_daemon(daemon, enrolled=True)
    shown, status = dialogue([program("adconnectorctl"), "-s", daemon.path, "enroll"],
                             [("Enrol it anew? [y/N] ", "")])
    assert status == REFUSED and "enrolled already" in shown and "nothing was changed" in shown
    assert not posted(daemon, "/api/v1/enroll")
    shown, status = enroll_dialogue(daemon, ("Enrol it anew? [y/N] ", "y"))
    assert status == DONE
    shown, status = enroll_dialogue(daemon, arguments=["--yes"])
    assert status == DONE and "anew" not in shown
    # Whoever writes a script has said it by that.
    assert connector(daemon, "enroll", stdin=TICKET.encode())[0] == DONE
    assert posted(daemon, "/api/v1/enroll") == [{"ticket": TICKET}] * 3


def test_to_enrol_first_is_not_asked_for(daemon):
    setup_daemon(daemon)
    shown, status = enroll_dialogue(daemon)
    assert status == DONE and "anew" not in shown
    assert posted(daemon, "/api/v1/enroll") == [{"ticket": TICKET}]


def test_setup_needs_a_terminal(daemon):
    assert connector(daemon, "setup")[0] == USAGE
    assert connector(daemon, "--json", "setup")[0] == USAGE
    assert daemon.requests == []


# --- settings and explain -------------------------------------------------------


SETTINGS = [
    {"key": "directory.server", "type": "list", "origin": "file", "settable": False,
     "value": "ldaps://dc1.lab.test", "locked": "locked by /etc/adconnector.conf:3"},
    {"key": "directory.base", "type": "string", "origin": "default", "settable": True,
     "proposed": EVIL},
    {"key": "directory.password", "type": "secret", "origin": "saved", "settable": True,
     "set": True},
    {"key": "directory.tls.ca", "type": "certificates", "origin": "default", "settable": True,
     "set": False}]


def test_settings(daemon):
    daemon.answers["GET", "/api/v1/settings"] = (
        200, {"revertible": False, "settings": SETTINGS})
    status, out, err = connector(daemon, "settings")
    assert (status, err) == (DONE, "")
    lines = out.splitlines()
    assert lines[0].split() == ["KEY", "VALUE", "FROM"]
    assert lines[1].split(maxsplit=3) == ["directory.server", "ldaps://dc1.lab.test", "file",
                                          "locked by /etc/adconnector.conf:3"]
    assert "\x1b" not in out and "proposed: e\\x1b[31mvil" in lines[2]
    assert lines[3].split() == ["directory.password", "(set)", "saved", "-"]
    assert lines[4].split() == ["directory.tls.ca", "-", "default", "-"]
    status, out, _ = connector(daemon, "settings", "--json", "directory.tls", "directory.base")
    assert status == DONE and json.loads(out) == {
        "revertible": False, "settings": [SETTINGS[1], SETTINGS[3]]}
    status, out, err = connector(daemon, "settings", "directory.tl")
    assert (status, out) == (REFUSED, "") and "directory.tl: no such setting" in err


def test_explain(daemon):
    steps = [{"name": "name", "title": "name understood", "passed": True, "ms": 1, "code": "ok",
              "text": "read as mail"},
             {"name": "person", "title": "person found", "passed": False, "ms": 2,
              "code": "unknown_user", "text": EVIL}]
    end = {"end": True, "status": "invalid_credentials", "bind": False, "text": "refused"}
    daemon.answers["POST", "/api/v1/explain"] = [*steps, end]
    status, out, err = connector(daemon, "explain", "a@b")
    assert (status, err) == (REFUSED, "") and "\x1b" not in out
    assert json.loads(daemon.requests[-1][2]) == {"username": "a@b"}
    assert out.index("name understood") < out.index("person found") < out.index("refused")
    status, out, _ = connector(daemon, "--json", "explain", "a@b")
    assert status == REFUSED and json.loads(out) == {
        "status": "invalid_credentials", "bind": False, "text": "refused", "steps": steps}
    daemon.answers["POST", "/api/v1/explain"] = [{**end, "status": "ok", "bind": True}]
    assert connector(daemon, "explain", "a")[0] == DONE


def test_bundle(daemon, tmp_path):
    line = {"sequence": 1, "time": 2, "level": "info", "tag": "web", "text": EVIL}
    daemon.answers["GET", "/api/v1/settings"] = (200, {"revertible": False, "settings": SETTINGS})
    daemon.answers["GET", "/api/v1/status"] = (200, {"code": 200, "message": "ok",
                                                     "data": {"version": "1"}})
    daemon.answers["GET", "/api/v1/log"] = [line]
    status, out, err = connector(daemon, "bundle")
    assert (status, err) == (DONE, "") and out.isascii()
    document = json.loads(out)
    assert abs(document.pop("made") - time.time()) < 60
    assert document == {"status": {"version": "1"}, "settings": SETTINGS, "log": [line]}
    path = tmp_path / "bundle.json"
    status, out, _ = connector(daemon, "--json", "bundle", str(path))
    assert (status, json.loads(out)) == (DONE, {"file": str(path)})
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["log"] == [line]
    # What is there is not overwritten, nor what a link leads to.
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("bundle.json", "link", "no/such/folder"):
        status, out, err = connector(daemon, "bundle", str(tmp_path / name))
        assert (status, out) == (REFUSED, "") and name in err
    assert not (tmp_path / "elsewhere").exists()
    del daemon.answers["GET", "/api/v1/log"]
    assert connector(daemon, "bundle", str(tmp_path / "half"))[0] != DONE
    assert not (tmp_path / "half").exists()


# --- completions ---------------------------------------------------------------


def test_completions_are_those_of_the_programs():
    folder = os.path.dirname(program("adconnectorctl"))
    done = subprocess.run([os.path.join(ROOT, "tools/completions"), "--check", folder],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name,words,expected", [
    ("adconnectorctl", ["ex"], {"explain"}), ("adconnectorctl", ["un"], {"unenroll"}),
    ("adconnectorctl", ["unenroll", "--"], {"--yes", "--json", "--help"}),
    ("adconnectorctl", ["-s", "/x", "--json", "re"], {"reconnect", "rekey"}),
    ("adhubctl", ["connection", ""], {"add", "list", "show", "remove", "--help"}),
    ("adhubctl", ["connection", "add", "--n"], {"--name"}),
    ("adhubctl", ["connector", "revoke", "--y"], {"--yes"}),
    ("adhubctl", ["--v"], {"--version"}), ("adconnectorctl", ["--v"], {"--version"}),
    ("adhubctl", ["audit", "v"], {"verify"}), ("adhubctl", ["audit", "verify", "--j"], {"--json"}),
    ("adhubctl", ["connection", "add", "--logo", "/etc/pass"], {"/etc/passwd", "/etc/passwd-"})])
def test_completion_in_bash(name, words, expected):
    script = (f'source "$1"; shift; COMP_WORDS=({name} "$@"); COMP_CWORD=$#; '
              f'_{name}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", os.path.join(ROOT, "etc/completions", name),
         *words], capture_output=True, text=True, check=False, env=ENV)
    assert done.stderr == "" and set(done.stdout.split()) <= expected
    assert done.stdout.split()


@pytest.mark.parametrize("last", [[], [{"error": {"code": "directory_unavailable",
                                                   "message": "it ended"}}]])
def test_an_explanation_that_breaks_off(daemon, last):
    daemon.answers["POST", "/api/v1/explain"] = last
    status, out, err = connector(daemon, "explain", "a")
    assert (status, out) == (UNAVAILABLE, "") and err != ""


# --- log ---------------------------------------------------------------------


LINES = [{"sequence": n, "time": 1700000000123 + n, "level": "info", "tag": "cloud",
          "text": f"line {n} {EVIL}"} for n in range(3)]


def test_log(daemon):
    daemon.answers["GET", "/api/v1/log?follow=0&since=0"] = LINES
    status, out, _ = connector(daemon, "log")
    assert status == DONE and len(out.splitlines()) == 3
    assert out.startswith("2023-11-14 22:13:20.123 info cloud: line 0 e\\x1b[31mvil")
    assert_harmless(out)
    status, out, _ = connector(daemon, "log", "--json")
    assert status == DONE and json.loads(out) == {"lines": LINES}


def test_log_since(daemon):
    daemon.answers["GET", "/api/v1/log?follow=0&since=17"] = []
    assert connector(daemon, "log", "--since", "17") == (DONE, "", "")


@pytest.mark.parametrize("flag", ["-f", "--follow"])
def test_following_the_log(daemon, flag):
    daemon.answers["GET", "/api/v1/log?follow=1&since=0"] = LINES[:1] + [None] + LINES[1:]
    process = subprocess.Popen([program("adconnectorctl"), "-s", daemon.path, "log", flag],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV)
    assert b"line 0" in process.stdout.readline()
    daemon.hold.set()
    assert b"line 1" in process.stdout.readline()
    # The daemon ends: that is told.
    assert b"line 2" in process.stdout.read() and process.wait(20) == UNAVAILABLE
    assert b"ended the log" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()


def test_following_as_json_lines(daemon):
    daemon.answers["GET", "/api/v1/log?follow=1&since=0"] = LINES
    _, out, _ = connector(daemon, "--json", "log", "-f")
    assert [json.loads(line) for line in out.splitlines()[:3]] == LINES


def test_a_full_disk_is_no_success(daemon):
    daemon.answers["GET", "/api/v1/status"] = (200, STATUS)
    with open("/dev/full", "wb") as full:
        done_ = subprocess.run([program("adconnectorctl"), "-s", daemon.path, "--json", "status"],
                               stdout=full, stderr=subprocess.PIPE, env=ENV)
    assert done_.returncode == REFUSED and b"No space left" in done_.stderr


@pytest.mark.parametrize("name,argv,path,answer", [
    ("adhubctl", ["audit", "-f"], "/api/v1/audit?after=-50&limit=50", "rows"),
    ("adconnectorctl", ["log", "-f"], "/api/v1/log?follow=1&since=0", "lines")])
def test_what_follows_ends_with_a_full_disk(daemon, name, argv, path, answer):
    """And says so, in place of what did not happen."""
    daemon.answers["GET", path] = LINES if answer == "lines" else (200, {
        "rows": audit_rows(1), "next": 1})
    daemon.answers["GET", "/api/v1/audit?after=1&limit=49"] = (200, {"rows": [], "next": 1})
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([program(name), "-s", daemon.path, *argv], stdout=full,
                               stderr=subprocess.PIPE, env=ENV, timeout=20)
    assert ended.returncode == REFUSED, ended
    assert ended.stderr.decode() == f"{name}: standard output: No space left on device\n"


def test_following_the_audit_ends_with_its_reader(daemon):
    """Also where no row comes that could not be written."""
    daemon.answers["GET", "/api/v1/audit?after=-50&limit=50"] = (200, {
        "rows": audit_rows(1), "next": 1})
    for path in ("after=1&limit=49", "after=1&limit=500"):
        daemon.answers["GET", "/api/v1/audit?" + path] = (200, {"rows": [], "next": 1})
    process = subprocess.Popen([program("adhubctl"), "-s", daemon.path, "audit", "-f"],
                               stdout=subprocess.PIPE, env=ENV)
    try:
        assert process.stdout.readline().split()[0] == b"1"
        process.stdout.close()
        assert process.wait(20) == DONE
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_a_ticket_is_never_written_to_the_daemon(daemon, closed):
    """Nor to whatever else a closed descriptor would be given to."""
    daemon.answers["POST", "/api/v1/tickets"] = (201, {**OPEN_TICKET, "url": TICKET})
    ended = subprocess.run([program("adhubctl"), "-s", daemon.path, "ticket", "new", "head-office"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV, timeout=20,
                           preexec_fn=lambda: [os.close(fd) for fd in closed])
    assert ended.returncode == (REFUSED if 1 in closed else DONE), ended
    assert (TICKET.encode() in ended.stdout) == (1 not in closed)
    assert len(daemon.requests) == 1 and TICKET not in str(daemon.requests)


# --- hub: connections, tickets, connectors -------------------------------------


CONNECTION = {"identifier": "head-office", "display_name": f"Büro {EVIL}", "has_logo": False,
              "created": "2026-11-23T06:00:00Z", "approved": 2, "pending": 1, "online": 1}
CONNECTOR = {"id": "c-17", "connection": "head-office", "name": "srv1", "version": "0.1.0",
             "state": "pending", "online": True, "enrolled": "2026-11-23T06:00:00Z",
             "last_seen": None, "host": f"srv1 {EVIL}", "address": "192.0.2.7", "sign_kid": "a",
             "seal_kid": "b"}
OPEN_TICKET = {"id": "t-1", "connection": "head-office", "state": "open", "uses_left": 1,
               "expires": "2026-11-24T06:00:00Z", "auto_approve": False,
               "created": "2026-11-23T06:00:00Z"}


def test_connection_add(daemon, tmp_path):
    daemon.answers["POST", "/api/v1/connections"] = (201, CONNECTION)
    status, out, _ = hub(daemon, "connection", "add", "head-office", "--name", "Büro “Nord”")
    assert status == DONE and "ticket new head-office" in out
    assert json.loads(daemon.requests[-1][2]) == {
        "identifier": "head-office", "display_name": "Büro “Nord”", "logo": ""}
    png = b"\x89PNG\r\n\x1a\n" + os.urandom(1000)
    (tmp_path / "l").write_bytes(png)
    status, out, _ = hub(daemon, "--json", "connection", "add", "--logo", str(tmp_path / "l"), "b")
    assert status == DONE and json.loads(out) == CONNECTION
    logo = json.loads(daemon.requests[-1][2])["logo"]
    assert logo.startswith("data:image/png;base64,")
    assert base64.b64decode(logo.split(",")[1]) == png


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"GIF89a....",
                                     b"\x89PNG\r\n\x1a\n" + b"x" * (43 * 1024)])
def test_logos_that_are_refused(daemon, tmp_path, content):
    (tmp_path / "l").write_bytes(content)
    status, _, err = hub(daemon, "connection", "add", "a", "--logo", str(tmp_path / "l"))
    assert status == REFUSED and str(tmp_path / "l") in err and daemon.requests == []


def test_logo_files_that_cannot_be_read(daemon, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        status, _, _ = hub(daemon, "connection", "add", "a", "--logo", str(path))
        assert status == REFUSED and daemon.requests == []


def test_lists(daemon):
    daemon.answers["GET", "/api/v1/connections"] = (200, {"connections": [CONNECTION], "more": False})
    daemon.answers["GET", "/api/v1/tickets"] = (200, {"tickets": [OPEN_TICKET], "more": True})
    daemon.answers["GET", "/api/v1/connectors?connection=head-office"] = (
        200, {"connectors": [CONNECTOR], "more": False})
    status, out, err = hub(daemon, "connection", "list")
    assert status == DONE and err == "" and out.splitlines()[0].split() == [
        "CONNECTION", "NAME", "APPROVED", "PENDING", "ONLINE", "CREATED"]
    assert "head-office" in out and "Büro e\\x1b" in out
    assert_harmless(out)
    status, out, err = hub(daemon, "ticket", "list")
    assert status == DONE and "t-1" in out and "only the newest" in err
    status, out, _ = hub(daemon, "connector", "list", "head-office")
    line = out.splitlines()[1].split()
    assert status == DONE and line[:4] == ["c-17", "head-office", "pending", "yes"]
    assert line[-1] == "-"
    assert_harmless(out)
    status, out, _ = hub(daemon, "--json", "connector", "list", "head-office")
    assert json.loads(out)["connectors"] == [CONNECTOR]
    assert_harmless(out)


def test_columns_line_up_with_wide_characters(daemon):
    daemon.answers["GET", "/api/v1/connections"] = (200, {"connections": [
        {**CONNECTION, "display_name": name} for name in ("日本語", "abcdef", "é", "")]})
    _, out, _ = hub(daemon, "connection", "list")
    lines = out.splitlines()
    heading = lines[0].index("APPROVED")
    assert lines[1].index(" 2 ") + 1 == heading - 3  # three characters, six columns
    assert lines[2].index(" 2 ") + 1 == heading and lines[3].index(" 2 ") + 1 == heading


def test_empty_lists(daemon):
    daemon.answers["GET", "/api/v1/connections"] = (200, {"connections": [], "more": False})
    status, out, _ = hub(daemon, "connection", "list")
    assert status == DONE and out.startswith("no connections")
    status, out, _ = hub(daemon, "--json", "connection", "list")
    assert json.loads(out) == {"connections": [], "more": False}


def test_connection_show(daemon):
    daemon.answers["GET", "/api/v1/connections/head-office"] = (200, {
        **CONNECTION, "logo": "data:...", "connectors": [CONNECTOR], "tickets": [], "more": False})
    status, out, _ = hub(daemon, "connection", "show", "head-office")
    assert status == DONE and "identifier    head-office" in out and "c-17" in out
    assert "no tickets" in out and "data:" not in out
    assert_harmless(out)


@pytest.mark.parametrize("args,method,path", [
    (["connection", "remove", "head-office"], "DELETE", "/api/v1/connections/head-office"),
    (["ticket", "revoke", "t-1"], "DELETE", "/api/v1/tickets/t-1"),
    (["connector", "approve", "c-17"], "POST", "/api/v1/connectors/c-17/approve"),
    (["connector", "revoke", "c-17"], "POST", "/api/v1/connectors/c-17/revoke")])
def test_changes(daemon, args, method, path):
    daemon.answers[method, path] = (200, {"x": 1})
    status, out, err = hub(daemon, *args)
    assert status == DONE and out.startswith(args[2] + ": ") and err == ""
    assert [request[:2] for request in daemon.requests] == [(method, path)]
    status, out, _ = hub(daemon, "--json", *args)
    assert json.loads(out) == {"x": 1}


@pytest.mark.parametrize("typed,expected", [("y", DONE), ("", REFUSED), ("no", REFUSED)])
def test_to_remove_a_connection_is_asked_for_at_a_terminal(daemon, typed, expected):
    path = "/api/v1/connections/head-office"
    daemon.answers["GET", path] = (200, CONNECTION)
    daemon.answers["DELETE", path] = (200, {})
    argv = [program("adhubctl"), "-s", daemon.path, "connection", "remove", "head-office"]
    shown, status = dialogue(argv, [("Remove it? [y/N] ", typed)])
    assert status == expected and "head-office: nobody will log in" in shown
    assert [request[:2] for request in daemon.requests] == [
        ("GET", path), *([("DELETE", path)] if expected == DONE else [])]
    daemon.requests.clear()
    shown, status = dialogue([*argv, "--yes"], [])
    assert status == DONE and "[y/N]" not in shown
    assert [request[:2] for request in daemon.requests] == [("DELETE", path)]


def test_nothing_is_asked_about_a_connection_that_is_not_there(daemon):
    daemon.answers["GET", "/api/v1/connections/nope"] = (404, {"error": {
        "code": "not_found", "message": "connection nope: there is none"}})
    shown, status = dialogue(
        [program("adhubctl"), "-s", daemon.path, "connection", "remove", "nope"], [])
    assert status == REFUSED and "connection nope: there is none" in shown
    assert "[y/N]" not in shown and "nobody will log in" not in shown
    assert [request[0] for request in daemon.requests] == ["GET"]


@pytest.mark.parametrize("typed,expected", [("y", DONE), ("", REFUSED), ("no", REFUSED)])
def test_to_revoke_a_connector_is_asked_for_at_a_terminal(daemon, typed, expected):
    revoke = ("POST", "/api/v1/connectors/c-17/revoke")
    daemon.answers["GET", "/api/v1/connectors"] = (200, {"connectors": [
        {**CONNECTOR, "id": "c-1"}, CONNECTOR], "more": False})
    daemon.answers[revoke] = (200, CONNECTOR)
    argv = [program("adhubctl"), "-s", daemon.path, "connector", "revoke", "c-17"]
    shown, status = dialogue(argv, [("Revoke it? [y/N] ", typed)])
    assert status == expected
    # Which one it is: an id says nothing to people.
    assert "c-17, of head-office, host srv1 e\\x1b[31mvil" in shown and "for good" in shown
    assert ("nothing was changed" in shown) == (expected != DONE)
    assert [request[:2] for request in daemon.requests] == [
        ("GET", "/api/v1/connectors"), *([revoke] if expected == DONE else [])]
    daemon.requests.clear()
    shown, status = dialogue([*argv, "--yes"], [])
    assert status == DONE and "[y/N]" not in shown
    assert [request[:2] for request in daemon.requests] == [revoke]
    # A script answers nothing, and has always got it done.
    assert hub(daemon, "connector", "revoke", "c-17", "--yes")[0] == DONE
    assert hub(daemon, "connector", "revoke", "c-17", "--nonsense")[0] == USAGE


def test_nothing_is_asked_about_a_connector_that_is_not_there(daemon):
    daemon.answers["GET", "/api/v1/connectors"] = (200, {"connectors": [CONNECTOR], "more": False})
    argv = [program("adhubctl"), "-s", daemon.path, "connector", "revoke", "c-1"]
    shown, status = dialogue(argv, [])
    assert status == REFUSED and "connector c-1: there is none" in shown and "[y/N]" not in shown
    assert [request[0] for request in daemon.requests] == ["GET"]
    # It may be among those that the list leaves out.
    daemon.answers["GET", "/api/v1/connectors"] = (200, {"connectors": [CONNECTOR], "more": True})
    daemon.answers["POST", "/api/v1/connectors/c-1/revoke"] = (200, CONNECTOR)
    shown, status = dialogue(argv, [("Revoke it? [y/N] ", "y")])
    assert status == DONE and "c-1: revoked" in shown


@pytest.mark.parametrize("identifier,coded", [
    ("../tickets", "%2E%2E%2Ftickets"), (".", "%2E"), ("a b?c#d", "a%20b%3Fc%23d"), ("ä", "%C3%A4"),
    ("a/seal-keys", "a%2Fseal-keys"), ("%2e", "%252e")])
def test_an_identifier_never_becomes_another_path(daemon, identifier, coded):
    status, _, _ = hub(daemon, "connection", "show", identifier)
    assert status == REFUSED and daemon.requests[0][1] == "/api/v1/connections/" + coded


def test_ticket_new_prints_the_url_alone(daemon):
    daemon.answers["POST", "/api/v1/tickets"] = (201, {**OPEN_TICKET, "url": TICKET})
    status, out, err = hub(daemon, "ticket", "new", "head-office", "--uses", "2", "--hours", "48",
                           "--auto-approve")
    assert status == DONE and out == TICKET + "\n"
    assert "2026-11-24T06:00:00Z" in err and TICKET not in err
    assert json.loads(daemon.requests[0][2]) == {
        "connection": "head-office", "uses": 2, "hours": 48, "auto_approve": True}
    hub(daemon, "ticket", "new", "head-office")
    assert json.loads(daemon.requests[1][2]) == {
        "connection": "head-office", "uses": 1, "hours": 24, "auto_approve": False}
    status, out, err = hub(daemon, "--json", "ticket", "new", "head-office")
    assert json.loads(out)["url"] == TICKET and err == ""


def test_a_new_ticket_can_be_piped(daemon):
    daemon.answers["POST", "/api/v1/tickets"] = (201, {**OPEN_TICKET, "url": TICKET})
    daemon.answers["POST", "/api/v1/enroll"] = done
    _, out, _ = hub(daemon, "ticket", "new", "head-office")
    assert connector(daemon, "enroll", stdin=out.encode())[0] == DONE
    assert json.loads(daemon.requests[-1][2]) == {"ticket": TICKET}


# --- hub: login --------------------------------------------------------------


class Keys:
    """Connectors' sealing keys, and what only their holders can read."""

    def __init__(self, n=1, at=1700000000):
        self.keys = [jwcrypto_jwk.JWK.generate(kty="EC", crv="P-256") for _ in range(n)]
        self.at = at

    def document(self):
        return {"time": self.at, "connection": "head-office", "recipients": [
            {"kid": key.thumbprint(), "jwk": {
                name: value for name, value in json.loads(key.export_public()).items()
                if name in ("kty", "crv", "x", "y")}} for key in self.keys]}

    def open(self, sealed, which=0):
        """By the independent implementation."""
        token = jwcrypto_jwe.JWE(algs=["ECDH-ES+A256KW", "A256GCM"])
        token.deserialize(json.dumps(sealed))
        token.decrypt(self.keys[which])
        return token.payload


PROFILE = {"id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "userName": "alice@example.com",
           "displayName": f"Älice {EVIL}", "emails": ["a@example.com", "b@example.com"],
           "groups": [{"id": "1", "name": "Büro"}, {"id": "2", "name": "VPN"}], "active": True}


def prepare_login(daemon, keys, result=None):
    daemon.answers["GET", "/api/v1/connections/head-office/seal-keys"] = (200, keys.document())
    daemon.answers["POST", "/api/v1/login"] = (200, result or {
        "status": "ok", "proven": True, "reason": "", "user": PROFILE})


@pytest.mark.parametrize("n", [1, 3, 8])
def test_login_seals_the_password_for_every_connector(daemon, n):
    keys = Keys(n)
    prepare_login(daemon, keys)
    status, out, err = hub(daemon, "login", "head-office", "EXAMPLE\\älice", stdin=b"pass word \n")
    assert status == DONE and err == ""
    assert "status   ok" in out and "proven   yes" in out and "Büro" in out
    assert_harmless(out)
    body = json.loads(daemon.requests[-1][2])
    assert set(body) == {"connection", "username", "jwe"}
    assert body["connection"] == "head-office" and body["username"] == "EXAMPLE\\älice"
    assert b"pass word" not in b"".join(request[2] for request in daemon.requests)
    for which in range(n):
        plain = keys.open(body["jwe"], which)
        assert len(plain) % 256 == 0
        content = json.loads(plain)
        jti = content.pop("jti")
        assert len(jti) >= 22 and content == {
            "v": 1, "op": "authenticate", "connection": "head-office",
            "username": "EXAMPLE\\älice", "iat": 1700000000, "password": "pass word "}


@pytest.mark.parametrize("password", PASSWORDS + [""])
def test_login_passwords_arrive_exactly(daemon, password):
    keys = Keys()
    prepare_login(daemon, keys)
    status, _, _ = hub(daemon, "login", "head-office", "alice", stdin=password.encode() + b"\n")
    assert status == DONE
    content = json.loads(keys.open(json.loads(daemon.requests[-1][2])["jwe"]))
    assert content["password"] == password


@pytest.mark.parametrize("typed", [b"\x04", b"\n"])
def test_nothing_typed_is_no_attempt_to_log_in(daemon, typed):
    prepare_login(daemon, Keys())
    argv = [program("adhubctl"), "-s", daemon.path, "login", "head-office", "alice"]
    shown, status, echo_off = on_terminal(argv, typed)
    assert echo_off and status == REFUSED and daemon.requests == []
    assert "adhubctl: password: nothing was typed" in shown
    shown, status, _ = on_terminal(argv, b"secret\n")
    assert status == DONE and daemon.requests[-1][:2] == ("POST", "/api/v1/login")


@pytest.mark.parametrize("stdin", [b"a\0b", b"\xff", b"x" * 4097])
def test_login_passwords_that_are_refused(daemon, stdin):
    prepare_login(daemon, Keys())
    status, _, err = hub(daemon, "login", "head-office", "alice", stdin=stdin)
    assert status == REFUSED and "password: " in err and daemon.requests == []


@pytest.mark.parametrize("word,expected", [
    ("ok", DONE), ("invalid_credentials", REFUSED), ("password_expired", REFUSED),
    ("account_locked", REFUSED), ("lockout_protected", REFUSED), ("not_allowed", REFUSED),
    ("bad_request", REFUSED), ("directory_unavailable", UNAVAILABLE), ("timeout", UNAVAILABLE),
    ("connector_unavailable", UNAVAILABLE), ("internal", UNAVAILABLE), ("okay", REFUSED)])
def test_login_exit_status(daemon, word, expected):
    prepare_login(daemon, Keys(), {"status": word, "proven": False, "reason": f"why {EVIL}"})
    status, out, _ = hub(daemon, "login", "head-office", "alice", stdin=b"x")
    assert status == expected and f"status   {word}" in out and "reason   why e\\x1b" in out
    status, out, _ = hub(daemon, "--json", "login", "head-office", "alice", stdin=b"x")
    assert status == expected and json.loads(out)["status"] == word


def test_login_without_a_connector(daemon):
    keys = Keys(0, at=0)
    prepare_login(daemon, keys)
    status, _, err = hub(daemon, "login", "head-office", "alice", stdin=b"x")
    assert status == UNAVAILABLE and "no approved connector" in err and len(daemon.requests) == 1


def tampered(change):
    document = Keys().document()
    change(document)
    return document


@pytest.mark.parametrize("change", [
    lambda d: d.pop("time"), lambda d: d.update(time="1"), lambda d: d.update(time=0),
    lambda d: d.update(connection="other"), lambda d: d.pop("connection"),
    lambda d: d.update(recipients={}), lambda d: d["recipients"][0].pop("kid"),
    lambda d: d["recipients"][0].update(kid="A" * 43),
    lambda d: d["recipients"][0]["jwk"].update(crv="P-384"),
    lambda d: d["recipients"][0]["jwk"].update(x="A" * 43),
    lambda d: d["recipients"][0]["jwk"].update(d="A" * 43),
    lambda d: d.update(recipients=d["recipients"] * 2),
    lambda d: d.update(recipients=d["recipients"] * 9), lambda d: d["recipients"].append(1)])
def test_login_never_seals_for_keys_that_are_not_right(daemon, change):
    daemon.answers["GET", "/api/v1/connections/head-office/seal-keys"] = (200, tampered(change))
    status, _, err = hub(daemon, "login", "head-office", "alice", stdin=b"sesame7")
    assert status in (REFUSED, UNAVAILABLE) and err != "" and len(daemon.requests) == 1


def test_the_password_is_not_in_argv_or_environment_of_a_running_login(daemon):
    keys = Keys()
    prepare_login(daemon, keys)

    def slow(_):
        daemon.hold.wait(20)
        return (200, {"status": "ok", "proven": True})
    daemon.answers["POST", "/api/v1/login"] = slow
    process = subprocess.Popen([program("adhubctl"), "-s", daemon.path, "login", "head-office", "a"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV)
    process.stdin.write(b"sesame7")
    process.stdin.close()
    wait_until(lambda: len(daemon.requests) >= 2, "the login", 20,
               alive=lambda: process.poll() is None)
    for name in ("cmdline", "environ"):
        with open(f"/proc/{process.pid}/{name}", "rb") as file:
            assert b"sesame7" not in file.read()
    daemon.hold.set()
    assert process.wait(20) == DONE
    process.stdout.close()


# --- hub: audit --------------------------------------------------------------


def audit_rows(*numbers):
    return [{"id": n, "time": "2026-11-23T06:00:00.000Z", "event": "login",
             "connection": "head-office", "connector": "c-17", "username": f"alice{n} {EVIL}",
             "attempt": "a", "status": "ok", "proven": True, "reason": "", "face": "control",
             "address": "", "detail": "", "hash": "h"} for n in numbers]


def test_audit_shows_the_latest(daemon):
    daemon.answers["GET", "/api/v1/audit?after=-50&limit=50"] = (
        200, {"rows": audit_rows(7, 8), "next": 8})
    daemon.answers["GET", "/api/v1/audit?after=8&limit=48"] = (200, {"rows": [], "next": 8})
    status, out, _ = hub(daemon, "audit")
    assert status == DONE and len(out.splitlines()) == 2
    assert out.startswith("7 2026-11-23T06:00:00.000Z login head-office c-17 alice7 e\\x1b")
    assert "ok proven face=control attempt=a" in out
    assert_harmless(out)
    status, out, _ = hub(daemon, "--json", "audit")
    assert json.loads(out) == {"rows": audit_rows(7, 8), "next": 8}


def test_audit_of_everything_in_pages(daemon):
    daemon.answers["GET", "/api/v1/audit?after=0&limit=500"] = (
        200, {"rows": audit_rows(*range(1, 501)), "next": 500})
    daemon.answers["GET", "/api/v1/audit?after=500&limit=500"] = (
        200, {"rows": audit_rows(501), "next": 501})
    daemon.answers["GET", "/api/v1/audit?after=501&limit=500"] = (200, {"rows": [], "next": 501})
    status, out, _ = hub(daemon, "audit", "--after", "0")
    assert status == DONE and len(out.splitlines()) == 501


def test_audit_limit_over_pages(daemon):
    daemon.answers["GET", "/api/v1/audit?after=0&limit=3"] = (
        200, {"rows": audit_rows(1, 2), "next": 2})
    daemon.answers["GET", "/api/v1/audit?after=2&limit=1"] = (
        200, {"rows": audit_rows(3), "next": 3})
    status, out, _ = hub(daemon, "audit", "--after", "0", "--limit", "3")
    assert status == DONE and [line.split()[0] for line in out.splitlines()] == ["1", "2", "3"]


def test_following_the_audit(daemon):
    answers = iter([audit_rows(1), [], [], audit_rows(2, 3), []])
    last = [0]

    def page(_):
        rows = next(answers, [])
        if rows:
            last[0] = rows[-1]["id"]
        return (200, {"rows": rows, "next": last[0]})
    for path in ("after=-50&limit=50", "after=1&limit=49", "after=1&limit=500",
                 "after=3&limit=500"):
        daemon.answers["GET", "/api/v1/audit?" + path] = page
    process = subprocess.Popen([program("adhubctl"), "-s", daemon.path, "audit", "-f"],
                               stdout=subprocess.PIPE, env=ENV)
    got = [process.stdout.readline().split()[0] for _ in range(3)]
    process.terminate()
    process.wait()
    process.stdout.close()
    assert got == [b"1", b"2", b"3"]


def test_audit_verify(daemon):
    path = ("GET", "/api/v1/audit/verify")
    daemon.answers[path] = (200, {"ok": True, "first": 1, "last": 99, "hash": "h"})
    assert hub(daemon, "audit", "verify")[:2] == (DONE, "audit: rows 1 to 99 are whole\n")
    daemon.answers[path] = (200, {"ok": False, "first": 1, "last": 99, "row": 42, "why": EVIL})
    status, out, _ = hub(daemon, "audit", "verify")
    assert status == REFUSED and "NOT whole at row 42" in out
    assert_harmless(out)
    status, out, _ = hub(daemon, "--json", "audit", "verify")
    assert status == REFUSED and json.loads(out)["row"] == 42


# --- with the real adc-web -----------------------------------------------------


class Parent(threading.Thread):
    """Answers adc-web as the connector's parent would, until the block ends."""

    def __init__(self, web):
        super().__init__(daemon=True)
        self.web, self.over, self.got = web, threading.Event(), []

    def run(self):
        while not self.over.is_set():
            message = self.web.receive(0.05)
            if message is None:
                continue
            self.got.append(message.name)
            if message.name == "STATUS_GET":
                self.web.send("STATUS", status_payload(PAIRS), message.id)
            elif message.name == "TEST":
                for n in range(4):
                    self.web.send("TEST_RESULT", step(n, 1, n, "ok", "fine"), message.id)
                self.web.send("TEST_END", u8(1), message.id)
            elif message.name in ("SET", "ENROL"):
                self.got.append(message.payload)
                self.web.send("DONE", done_payload(1, "ok", "saved"), message.id)
            elif message.name == "LOG_GET":
                for n in range(100):
                    self.web.send("LOG_LINE", log_line(n, f"line {n}"), message.id)
                if not message.payload[8]:
                    self.web.send("LOG_END", b"", message.id)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def test_adconnectorctl_with_adc_web(tmp_path):
    with Web(str(tmp_path)) as web:
        web.start()
        with Parent(web) as parent:
            status, out, err = run("adconnectorctl", "status", path=web.path)
            assert (status, err) == (DONE, "")
            assert "tunnel      ✓ connected to https://hub.example.com:8855" in out
            assert "logins      ok 12, refused 3" in out
            status, out, _ = run("adconnectorctl", "test", path=web.path)
            assert status == DONE and out.count("✓") == 4
            status, _, _ = run("adconnectorctl", "set", "a=b", "directory.password", path=web.path,
                               stdin=" pä\n".encode())
            assert status == DONE and s(" pä") in parent.got[-1]
            status, out, _ = run("adconnectorctl", "enroll", path=web.path, stdin=TICKET.encode())
            assert (status, out) == (DONE, "saved\n") and s(TICKET) in parent.got[-1]
            status, out, _ = run("adconnectorctl", "log", path=web.path)
            assert status == DONE and len(out.splitlines()) == 100
            process = subprocess.Popen([program("adconnectorctl"), "-s", web.path, "log", "-f"],
                                       stdout=subprocess.PIPE, env=ENV)
            for n in range(100):
                assert process.stdout.readline().decode().endswith(f"line {n}\n")
            process.terminate()
            process.wait()
            process.stdout.close()
            wait_until(lambda: "LOG_STOP" in parent.got, "adc-web notices that log -f ended", 5)
