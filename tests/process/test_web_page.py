# SPDX-License-Identifier: ISC
"""adc-web's page instance, as a real process in its real sandbox.

A stand-in for the parent answers its messages; clients come over TCP, as any program and any web
site in a browser of this host can.  What is shown: who is let in and with what, that one session
is not another, what a foreign site is refused for, and that nobody keeps others out.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import select
import signal
import socket
import struct
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import Child, ROOT, done_payload, sanitized, u8, u16, u32, s  # noqa: E402
from test_web import (IS_ROOT, PAIRS, finish, log_line, memory_of, read_all,  # noqa: E402
                      status_payload)

CLIENTS_MAX = 64
SESSIONS_MAX = 16
PAGES = os.path.join(ROOT, "pages", "connector")
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def encoded(secret):
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


class Page(Child):
    """A running adc-web with a listener on loopback."""

    def __init__(self, address="127.0.0.1"):
        self.address = address
        self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.bind((address, 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)
        self.listener.listen(1024)
        self.listener.setblocking(False)
        super().__init__("adc-web", args=("page",))

    def start(self):
        self.configure([("host", self.host.encode())],
                       [("listener.tcp", self.listener.fileno())])
        self.listener.close()
        return self

    def connect(self):
        client = socket.create_connection((self.address, self.port))
        client.settimeout(20)
        return client

    def raw(self, data):
        """Everything that comes back for these bytes, to the end of the connection."""
        client = self.connect()
        with contextlib.closing(client):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(data)
            return read_all(client)

    def ask(self, method, path, body=None, token=None, **headers):
        """Sends a request; the answer is for finish()."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("Host", self.host)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, body, headers)
        return connection

    def file(self, path="/", method="GET", **headers):
        """(response, body) of one of the page's files."""
        with contextlib.closing(self.ask(method, path, **headers)) as connection:
            response = connection.getresponse()
            return response, response.read()

    def allow(self, secret=None, seconds=300):
        """What the parent says when somebody asked for an address: the text of the secret."""
        secret = os.urandom(32) if secret is None else secret
        self.send("SIGN_IN_ALLOW", hashlib.sha256(secret).digest() + u32(seconds), 77)
        assert self.expect("SIGN_IN_ALLOWED").id == 77
        return encoded(secret)

    def trade(self, text):
        return finish(self.ask("POST", "/api/v1/session", {"secret": text}))

    def sign_in(self):
        status, document = self.trade(self.allow())
        assert status == 201 and document["seconds"] == 900
        assert TOKEN.fullmatch(document["token"])
        return document["token"]

    def status_with(self, token):
        """(status, document) of a session's GET /status."""
        request = self.ask("GET", "/api/v1/status", token=token)
        self.send("STATUS", status_payload(PAIRS), self.expect("STATUS_GET").id)
        return finish(request)

    def refused(self, *request, **how):
        """(status, code) of a request that the parent never hears of."""
        status, document = finish(self.ask(*request, **how))
        assert self.receive(0.05) is None
        return status, document["error"]["code"]

    def alive(self):
        return self.process.poll() is None


@pytest.fixture
def page():
    with Page() as child:
        yield child.start()
        assert child.alive()
        assert child.status()["Seccomp"].strip() == "2"


# --- files ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(os.listdir(PAGES)))
def test_every_file_is_served(page, name):
    with open(os.path.join(PAGES, name), "rb") as file:
        content = file.read()
    path = "/" if name == "index.html" else f"/{name}"
    response, body = page.file(path)
    assert (response.status, body) == (200, content)
    kinds = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
             "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    assert response.getheader("Content-Type") == kinds[name.rsplit(".", 1)[1]]
    assert {key: response.getheader(key) for key in HEADERS} == HEADERS
    assert response.getheader("Set-Cookie") is None
    tag = response.getheader("ETag")
    assert tag == '"' + hashlib.sha256(content).hexdigest()[:32] + '"'
    head, nothing = page.file(path, "HEAD")
    assert (head.status, nothing) == (200, b"")
    assert int(head.getheader("Content-Length")) == len(content)
    assert page.receive(0) is None


@pytest.mark.parametrize("given,status", [
    ("{}", 304), ("W/{}", 304), ("*", 304), ('"x", {}', 304), ('"x",W/{} , "y"', 304),
    ('"x"', 200), ("", 200), ("{}x", 200), ("w/{}", 200), ("W/", 200), ('"', 200)])
def test_a_file_that_the_client_has(page, given, status):
    tag = page.file("/app.js")[0].getheader("ETag")
    response, body = page.file("/app.js", If_None_Match=given.format(tag))
    assert response.status == status and (body == b"") == (status == 304)
    assert response.getheader("ETag") == tag
    assert {key: response.getheader(key) for key in HEADERS} == HEADERS


@pytest.mark.parametrize("path,status", [
    ("/index.html", 404), ("/app.js/", 404), ("/APP.JS", 404), ("/app.j", 404), ("/app.js2", 404),
    ("/app%2ejs", 404), ("/%61pp.js", 404), ("/app.js%00", 404), ("/;/app.js", 404),
    ("/app.js;x", 404), ("/etc/passwd", 404), ("/%2e%2e/etc/passwd", 404), ("/..%2fapp.js", 404),
    ("/.", 400), ("/..", 400), ("/../app.js", 400), ("/./app.js", 400), ("//app.js", 400),
    ("/x/../app.js", 400), ("/\\app.js", 400), ("/%zz", 400), ("/app.js%", 400),
    ("app.js", 400), ("http://127.0.0.1/app.js", 400), ("*", 400), ("/\x7f", 400)])
def test_no_other_path_leads_to_a_file(page, path, status):
    answer = page.raw(f"GET {path} HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode("latin-1"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["message"] and page.receive(0.02) is None


def test_a_query_changes_nothing(page):
    assert page.file("/app.js?v=../../x")[1] == page.file("/app.js")[1]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_file_is_read_only(page, method):
    response, _ = page.file("/app.js", method, Content_Length="0")
    assert response.status == 405 and response.getheader("Allow") == "GET, HEAD"


# --- signing in ------------------------------------------------------------------


def test_sign_in_use_and_sign_out(page):
    token = page.sign_in()
    assert page.status_with(token)[1]["data"]["tunnel"]["hub"] == "https://hub.example.com:8855"
    status, document = finish(page.ask("DELETE", "/api/v1/session", token=token))
    assert status == 200 and document["code"] == "ok"
    assert page.refused("GET", "/api/v1/status", token=token) == (401, "signed_out")


def test_an_address_is_good_once(page):
    text = page.allow()
    first = page.trade(text)[1]["token"]
    assert page.trade(text)[0] == 401
    # Who tries it again has not ended the session of who was first.
    assert page.status_with(first)[0] == 200


def test_an_address_is_good_for_a_while(page):
    assert page.trade(page.allow(seconds=0))[0] == 401


def test_a_secret_is_no_token_and_a_token_no_secret(page):
    text = page.allow()
    assert page.refused("GET", "/api/v1/log", token=text)[0] == 401
    assert page.trade(page.trade(text)[1]["token"])[0] == 401


@pytest.mark.parametrize("body", [
    {}, {"secret": ""}, {"secret": "A" * 42}, {"secret": "A" * 44}, {"secret": 1}, {"secret": None},
    {"secret": ["A" * 43]}, {"secret": "A" * 43, "more": 1}, {"Secret": "A" * 43}, [], "A" * 43])
def test_what_is_no_sign_in(page, body):
    request = page.ask("POST", "/api/v1/session", body)
    status, document = finish(request)
    assert (status, document["error"]["code"]) == (400, "bad_request")


def test_a_sign_in_is_json(page):
    text = page.allow()
    body = json.dumps({"secret": text}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert page.refused("POST", "/api/v1/session", body, Content_Type=kind)[0] == 415
    assert page.trade(text)[0] == 201


def test_ten_wrong_tries_a_minute(page):
    """More are told to wait, and who has a right one does not suffer from it."""
    answers = [page.trade(encoded(os.urandom(32)))[0] for _ in range(14)]
    assert answers[:10] == [401] * 10 and answers[10:] == [429] * 4
    page.sign_in()


def test_eight_addresses_at_once(page):
    texts = [page.allow() for _ in range(9)]
    answers = [page.trade(text)[0] for text in texts]
    assert answers == [401] + [201] * 8


def test_sixteen_sessions(page):
    """The one that was left alone for longest makes room."""
    tokens = [page.sign_in() for _ in range(SESSIONS_MAX)]
    assert finish(page.ask("POST", "/api/v1/web", token=tokens[0]))[0] == 403
    # What an open page asks by itself is no use of it.
    assert page.status_with(tokens[1])[0] == 200
    request = page.ask("GET", "/api/v1/log?follow=1", token=tokens[1])
    page.expect("LOG_GET")
    tokens.append(page.sign_in())
    ended = [n for n, token in enumerate(tokens)
             if finish(page.ask("POST", "/api/v1/web", token=token))[0] == 401]
    assert ended == [1]
    request.close()


@pytest.mark.parametrize("field", [
    "Bearer", "Bearer ", "Basic {}", "{}", "Bearer  {}", "Bearer {}=", "Bearer {}x", "Bearer {},x",
    "Bearer x, Bearer {}", "Token {}", "Bearer: {}", "Bearer {} {}"])
def test_what_is_no_token(page, field):
    token = page.sign_in()
    assert page.refused("GET", "/api/v1/status", Authorization=field.format(token, token))[0] == 401
    # Nor anywhere else.
    for path in (f"/api/v1/log?token={token}", f"/api/v1/log?access_token={token}"):
        assert page.refused("GET", path, Cookie=f"token={token}")[0] == 401
    assert page.status_with(token)[0] == 200


@pytest.mark.parametrize("place", range(0, 43, 6))
def test_every_character_of_a_token_counts(page, place):
    token = page.sign_in()
    other = token[:place] + ("A" if token[place] != "A" else "Q") + token[place + 1:]
    assert page.refused("GET", "/api/v1/status", token=other)[0] == 401


def test_two_authorizations_are_one_too_many(page):
    token = page.sign_in()
    for first, second in ((token, "A" * 43), ("A" * 43, token)):
        answer = page.raw(f"GET /api/v1/status HTTP/1.1\r\nHost: {page.host}\r\n"
                          f"Authorization: Bearer {first}\r\nauthorization: Bearer {second}\r\n"
                          "\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("method,path", [
    ("GET", "/api/v1/settings"), ("POST", "/api/v1/settings"), ("POST", "/api/v1/enroll"),
    ("POST", "/api/v1/test"), ("GET", "/api/v1/log"), ("GET", "/api/v1/log?follow=1"),
    ("POST", "/api/v1/status"), ("HEAD", "/api/v1/status"), ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/session"), ("POST", "/api/v1/web"), ("GET", "/api/v1/nothing"),
    ("GET", "/api/"), ("POST", "/api/v1/unenroll"), ("POST", "/api/v1/settings/revert")])
def test_without_a_session(page, method, path):
    body = {"directory.server": "ldaps://evil.example.com"} if method == "POST" else None
    response, text = page.file(path, method) if body is None else (None, None)
    if body is not None:
        assert page.refused(method, path, body) == (401, "signed_out")
        return
    assert response.status == 401 and response.getheader("WWW-Authenticate") == "Bearer"
    assert {key: response.getheader(key) for key in HEADERS} == HEADERS
    assert (text == b"") == (method == "HEAD") and page.receive(0.05) is None


def test_the_three_states_are_open(page):
    """And nothing that names a host, a person or a version."""
    request = page.ask("GET", "/api/v1/status")
    pairs = [*PAIRS, ("tunnel.state", "waiting"), ("directory.text", "dc1.example.com: no route")]
    pairs = [pair for pair in pairs if pair != ("tunnel.state", "online")]
    page.send("STATUS", status_payload(pairs), page.expect("STATUS_GET").id)
    status, document = finish(request)
    assert status == 200 and document["code"] == 200
    assert document["data"] == {
        "ws": {"upstream": {"status": "waiting", "code": "waiting"},
               "auth": {"status": "waiting", "code": "waiting"}},
        "ad": {"status": "连接完成", "code": "connected"}}


def test_anybody_may_ask_and_the_parent_is_asked_once_a_second(page):
    first = page.ask("GET", "/api/v1/status")
    page.send("STATUS", status_payload(PAIRS), page.expect("STATUS_GET").id)
    assert finish(first)[0] == 200
    asked, begin = 0, time.monotonic()
    while time.monotonic() < begin + 2.5:
        request = page.ask("GET", "/api/v1/status")
        # The answer, or the question to the parent that it waits for: whichever is first.
        while request.sock not in select.select([request.sock, page.sock], [], [], 5)[0]:
            message = page.receive()
            assert message.name == "STATUS_GET"
            asked += 1
            page.send("STATUS", status_payload(PAIRS), message.id)
        assert finish(request)[0] == 200
    assert 1 <= asked <= time.monotonic() - begin + 1
    # A session is told what is so now.
    token = page.sign_in()
    for _ in range(3):
        assert "tunnel" in page.status_with(token)[1]["data"]


def test_an_address_is_not_made_here(page):
    token = page.sign_in()
    assert page.refused("POST", "/api/v1/web", token=token) == (403, "not_permitted")


def test_what_a_session_may_ask(page):
    """The same routes as over the control socket."""
    token = page.sign_in()
    request = page.ask("POST", "/api/v1/settings", {"directory.user": "x@example.com"}, token)
    message = page.expect("SET")
    assert message.payload == u16(1) + s("directory.user") + s("x@example.com")
    page.send("DONE", done_payload(0, "not_permitted", "no", "directory.user"), message.id)
    assert finish(request) == (422, {"error": {
        "code": "not_permitted", "key": "directory.user", "message": "no"}})
    request = page.ask("POST", "/api/v1/enroll", {"ticket": "https://hub/t/x"}, token)
    message = page.expect("ENROL")
    page.send("DONE", done_payload(1, "ok", "done"), message.id)
    assert finish(request) == (200, {"code": "ok", "message": "done"})


def test_a_stream_ends_with_its_session_and_no_other(page):
    mine, other = page.sign_in(), page.sign_in()
    streams = {}
    for token in (mine, other):
        request = page.ask("GET", "/api/v1/log?follow=1", token=token)
        message = page.expect("LOG_GET")
        page.send("LOG_LINE", log_line(1, "one"), message.id)
        response = request.getresponse()
        assert json.loads(response.readline())["text"] == "one"
        streams[token] = request, response, message.id
    assert finish(page.ask("DELETE", "/api/v1/session", token=mine))[0] == 200
    assert page.expect("LOG_STOP").id == streams[mine][2]
    assert streams[mine][1].read() == b""
    page.send("LOG_LINE", log_line(2, "two"), streams[other][2])
    assert json.loads(streams[other][1].readline())["text"] == "two"
    for request, response, _ in streams.values():
        response.close()
        request.close()


@pytest.mark.skipif(not IS_ROOT, reason="reading the memory of a process without dumps needs root")
def test_neither_secret_nor_token_stays(page):
    if sanitized("adc-web"):
        pytest.skip("built with sanitizers")
    texts = [page.allow() for _ in range(4)]
    tokens = [page.trade(text)[1]["token"] for text in texts]
    for token in tokens:
        assert page.status_with(token)[0] == 200
    assert page.file()[0].status == 200  # by now the last one's connection is forgotten
    memory = memory_of(page.process.pid)
    assert hashlib.sha256(base64.urlsafe_b64decode(tokens[0] + "=")).digest() in memory
    for text in texts + tokens:
        assert text.encode() not in memory
        assert base64.urlsafe_b64decode(text + "=") not in memory


# --- other web sites -----------------------------------------------------------------


@pytest.mark.parametrize("host", [
    "evil.example.com", "evil.example.com:{port}", "127.0.0.1", "127.0.0.1:1", "localhost",
    "localhost:{port}", "LOCALHOST:{port}",
    "127.0.0.2:{port}", "[::1]:{port}", "0.0.0.0:{port}", "127.1:{port}", "2130706433:{port}",
    "127.0.0.1.nip.io:{port}", "localhost.evil.example.com:{port}", "127.0.0.1:{port}.evil",
    "127.0.0.1:{port}@evil", "evil@127.0.0.1:{port}", "127.0.0.1:0{port}", "localhost.:{port}",
    "127.0.0.1:{port}, evil", "http://127.0.0.1:{port}", "127.0.0.1:{port}/", ""])
@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
def test_a_name_of_somebody_elses(page, host, path):
    """DNS rebinding: the browser comes here with the name that it knows."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host.format(port=page.port)}\r\n\r\n"
    head, _, body = page.raw(request.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert json.loads(body)["error"]["code"] == "not_permitted" and page.receive(0.02) is None


def test_a_request_has_one_host(page):
    for hosts in ([], [page.host, page.host], [page.host, "evil"], ["evil", page.host]):
        lines = "".join(f"Host: {host}\r\n" for host in hosts)
        assert page.raw(f"GET / HTTP/1.1\r\n{lines}\r\n".encode()).startswith(b"HTTP/1.1 400 ")


def test_ipv6():
    try:
        page = Page("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with page:
        page.start()
        assert page.file()[0].status == 200
        for host in ("localhost", "127.0.0.1", "::1", "[0:0::1]"):
            assert page.file(Host=f"{host}:{page.port}")[0].status == 403
        page.sign_in()


def test_our_own_page_is_let_in(page):
    token = page.sign_in()
    request = page.ask("GET", "/api/v1/status", token=token, Origin=f"http://{page.host}",
                       Sec_Fetch_Site="same-origin")
    page.send("STATUS", status_payload(PAIRS), page.expect("STATUS_GET").id)
    assert finish(request)[0] == 200
    assert page.file(Sec_Fetch_Site="none")[0].status == 200  # the address was typed


@pytest.mark.parametrize("origin", [
    "http://evil.example.com", "null", "", "https://{host}", "http://{host}/", "http://127.0.0.1",
    "http://localhost:{port}", "http://127.0.0.1:1", "HTTP://{host}", "http://evil@{host}",
    "http://{host} http://{host}", "http://{host}.evil", "file://", "{host}"])
def test_another_site_with_a_session(page, origin):
    """Not even with a token: nothing of ours would send it so."""
    token = page.sign_in()
    origin = origin.format(host=page.host, port=page.port)
    assert page.refused("GET", "/api/v1/status", token=token, Origin=origin)[0] == 403
    assert page.refused("POST", "/api/v1/session", {"secret": "A" * 43}, Origin=origin)[0] == 403
    assert page.file("/app.js", Origin=origin)[0].status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN", "none, same-origin"])
def test_what_the_browser_says_of_the_sender(page, site):
    assert page.refused("GET", "/api/v1/status", Sec_Fetch_Site=site)[0] == 403
    assert page.file("/", Sec_Fetch_Site=site)[0].status == 403


@pytest.mark.parametrize("name,good,bad", [("Origin", "http://{}", "http://evil"),
                                           ("Sec-Fetch-Site", "none", "cross-site")])
def test_a_guarding_field_stands_once(page, name, good, bad):
    good = good.format(page.host)
    for first, second in ((good, bad), (bad, good), (good, good)):
        assert page.raw(f"GET / HTTP/1.1\r\nHost: {page.host}\r\n{name}: {first}\r\n"
                        f"{name.lower()}: {second}\r\n\r\n".encode()).startswith(b"HTTP/1.1 403 ")


def test_no_answer_lets_another_site_read_it(page):
    """A preflight gets nothing that a browser takes for a yes."""
    answer = page.raw(f"OPTIONS /api/v1/settings HTTP/1.1\r\nHost: {page.host}\r\n"
                      f"Origin: http://evil.example.com\r\n"
                      "Access-Control-Request-Method: POST\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ") and b"access-control" not in answer.lower()


# --- requests in disguise --------------------------------------------------------------


SMUGGLED = "GET /api/v1/log HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.mark.parametrize("fields,body,status", [
    ("Content-Length: 5\r\nContent-Length: 0\r\n", "", 400),
    ("Content-Length: 0, 5\r\n", "", 400),
    ("Content-Length: +5\r\n", "", 400),
    ("Content-Length: 0x5\r\n", "", 400),
    ("Content-Length: -1\r\n", "", 400),
    ("Content-Length : 5\r\n", "", 400),
    ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n" + SMUGGLED, 501),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + SMUGGLED, 501),
    ("Transfer-Encoding: identity\r\n", "", 501),
    ("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n", 501),
    ("X: y\r\n Content-Length: 5\r\n", "", 400),
    ("X: y\nContent-Length: 5\r\n", "", 400),
    ("X: y\rContent-Length: 5\r\n", "", 400),
    ("X: y\0\r\n", "", 400),
    (": y\r\n", "", 400),
    ("Content-Encoding: gzip\r\n", "", 415),
    ("Expect: x\r\n", "", 417),
    ("Content-Length: 99999999999999999999999\r\n", "", 413),
])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_two_readers_could_understand_differently(page, fields, body, status, method):
    request = f"{method} /api/v1/status HTTP/1.1\r\nHost: {page.host}\r\n{fields}\r\n{body}"
    answer = page.raw(request.format(host=page.host).encode())
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1 and page.receive(0.02) is None


def test_what_follows_a_request_is_not_one(page):
    """Once with a length that hides it, once behind a whole request."""
    for first in (f"GET /app.js HTTP/1.1\r\nHost: {page.host}\r\n\r\n",
                  f"POST /api/v1/session HTTP/1.1\r\nHost: {page.host}\r\nContent-Length: 2\r\n"
                  "Content-Type: application/json\r\n\r\n{}"):
        answer = page.raw((first + SMUGGLED.format(host=page.host)).encode())
        assert answer.count(b"HTTP/1.1 ") == 1
    token = page.sign_in()
    body = f"GET /api/v1/log HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"
    assert page.refused("GET", "/api/v1/status", body.encode(), token)[0] == 400


@pytest.mark.parametrize("line", [
    "GET / HTTP/1.0", "GET / HTTP/2.0", "GET / HTTP/1.2", "GET /", "get / HTTP/1.1",
    "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET /\tHTTP/1.1", "PRI * HTTP/2.0", "\x16\x03\x01",
    "TRACE / HTTP/1.1", "CONNECT 127.0.0.1:389 HTTP/1.1"])
def test_another_language(page, line):
    answer = page.raw(f"{line}\r\nHost: {page.host}\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 505 ")
    assert page.receive(0.02) is None


# --- crowds -----------------------------------------------------------------------------


def served(page):
    begin = time.monotonic()
    assert page.file("/app.js")[0].status == 200
    return time.monotonic() - begin


@pytest.mark.parametrize("word", [b"", b"G"], ids=["silent", "begun"])
def test_a_thousand_connections(page, word):
    """They ask nothing; who comes after them is served at once, and they are kept few."""
    idle = []
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            idle.append(stack.enter_context(contextlib.closing(page.connect())))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                idle[-1].sendall(word)
        assert served(page) < 5
        assert page.descriptors() <= CLIENTS_MAX + 16
        token = page.sign_in()
        assert page.status_with(token)[0] == 200
        # The first of those that had a place were closed for it.
        idle[0].settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert not word or idle[0].recv(1) == b""
    assert served(page) < 5


def test_one_that_is_being_answered_is_not_closed_for_others(page):
    token = page.sign_in()
    request = page.ask("POST", "/api/v1/test", token=token)
    message = page.expect("TEST")
    with contextlib.ExitStack() as stack:
        for _ in range(2 * CLIENTS_MAX):
            stack.enter_context(contextlib.closing(page.connect()))
        assert served(page) < 5
        page.send("TEST_END", u8(1), message.id)
        assert finish(request) == (200, [{"end": True, "passed": True}])


@pytest.mark.parametrize("before", [0, 1, 20])
def test_an_answer_goes_out_whatever_comes_with_it(page, before):
    """It is ready in the same moment in which others come, for whom there is no place."""
    token = page.sign_in()
    request = page.ask("GET", "/api/v1/status", token=token)
    message = page.expect("STATUS_GET")
    with contextlib.ExitStack() as stack:
        def others(count):
            for _ in range(count):
                client = stack.enter_context(contextlib.closing(page.connect()))
                client.sendall(b"GET / HTTP/1.1\r\n")
        others(CLIENTS_MAX)
        assert served(page) < 5
        os.kill(page.process.pid, signal.SIGSTOP)  # so that it finds all at a time
        others(before)
        page.send("STATUS", status_payload(PAIRS), message.id)
        others(20)
        os.kill(page.process.pid, signal.SIGCONT)
        assert finish(request)[0] == 200


def test_slow_bytes(page):
    """A byte now and then keeps nobody out, and is over when its time is."""
    slow = [page.connect() for _ in range(CLIENTS_MAX)]
    begin = time.monotonic()
    over = []
    for client in slow:
        client.setblocking(False)
    head = f"GET / HTTP/1.1\r\nHost: {page.host}\r\nX: ".encode()
    sent = 0
    with contextlib.ExitStack() as stack:
        for client in slow:
            stack.enter_context(contextlib.closing(client))
        while len(over) < len(slow) and time.monotonic() < begin + 15:
            for client in slow:
                if client in over:
                    continue
                try:
                    client.send(head[sent:sent + 1] or b"x")
                    if client.recv(4096) == b"":
                        over.append(client)
                except BlockingIOError:
                    pass
                except OSError:
                    over.append(client)
            sent += 1
            assert served(page) < 5
            time.sleep(0.2)
    assert len(over) == len(slow)
    assert time.monotonic() - begin < 13


def test_connections_that_come_and_go(page):
    """As fast as they can: those who want something are served meanwhile."""
    linger = struct.pack("ii", 1, 0)
    for _ in range(20):
        for _ in range(100):
            client = socket.create_connection((page.address, page.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.close()
        assert served(page) < 5
    assert page.descriptors() <= CLIENTS_MAX + 16


def test_one_that_does_not_read_its_file(page):
    clients = []
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS_MAX):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect((page.address, page.port))
            client.sendall(f"GET /style.css HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
            clients.append(stack.enter_context(contextlib.closing(client)))
        assert served(page) < 5


def test_a_drained_page_ends(page):
    token = page.sign_in()
    request = page.ask("GET", "/api/v1/log?follow=1", token=token)
    page.expect("LOG_GET")
    request.getresponse()
    page.send("DRAIN")
    assert page.end(5) == 0
    request.close()
    # For the fixture: it did end, as it should.
    page.alive = lambda: True
    page.status = lambda: {"Seccomp": "2"}
