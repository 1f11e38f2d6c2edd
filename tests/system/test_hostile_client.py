# SPDX-License-Identifier: ISC
"""The whole machine, with clients that mean harm at every door: the control sockets of
connector and hub, the connector's page, and the hub's HTTPS.

One hub and one connector stand all of it.  After each case, and during those that last: every
process is the same one and within its limit, a login works at the public door and through
adhubctl, the connector tells its status to who is signed in at its page and to who may ask its
socket, each by its deadline; no log holds an error.
"""

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import time

import pytest

from tests.lab.hostile_ldap import HostileLdap
from tests.lab.process import wait_until
from tests.lab.tls import CertificateAuthority

from . import hostile_http_cases as cases
from .hostile_http_cases import Answer, Door, send, to_the_end
from .local_api import Api, Seen
from .stack import Stack, write_password
from .watch import Watch

DEADLINE_S = 10
ATTACKER, OTHERS = "127.0.0.2", "127.0.0.3"  # addresses, each with limits of its own
SINCE_1601_S = 11644473600  # what AD counts time from, before 1970
DOORS = ("web", "page", "control", "public")
# What takes a body, and where.
PATHS = (("web", "/api/v1/enroll"), ("web", "/api/v1/settings"), ("web", "/api/v1/test"),
         ("page", "/api/v1/enroll"), ("page", "/api/v1/settings"), ("page", "/api/v1/test"),
         ("page", "/api/v1/session"), ("page", "/api/v1/explain"), ("control", "/api/v1/tickets"), ("control", "/api/v1/connections"),
         ("control", "/api/v1/login"), ("public", "/login/verify"),
         ("public", "/api/v2/ad/verify-user"))
KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
           f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Protocol: adconnector.v1")


class Machine:
    """Hub, connector and directory, with the doors to them."""

    def __init__(self, stack, connector, server):
        self.stack, self.connector, self.server = stack, connector, server
        page = Api.page(Seen(), connector)
        self.doors = {
            "page": Door("page", "/api/v1/status", "/api/v1/enroll", tls=False, host=page.host,
                         port=int(page.host.rsplit(":", 1)[1]),
                         fields=[f"Authorization: Bearer {page.token}"]),
            "web": Door("web", "/api/v1/status", "/api/v1/enroll", path=connector.socket),
            "control": Door("control", "/api/v1/connections", "/api/v1/tickets",
                            path=stack.hub.socket),
            "public": Door("public", "/healthz", "/login/verify", port=stack.port)}

    def password(self, name):
        return self.server.people[name].password

    def works(self, public=True):
        """People log in, by both ways, and the connector says how it fares."""
        started = time.monotonic()
        answer = self.stack.login("corp", "alice", self.password("alice"))
        assert answer["status"] == "ok", answer
        if public:
            status, document = self.public_login("alice", self.password("alice"))
            assert (status, document["status"]) == (200, "ok"), document
        assert self.connector.status()["tunnel"]["state"] == "online"
        page = self.doors["page"].ask(self.doors["page"].head())
        assert page.json["data"]["tunnel"]["state"] == "online", page.body
        assert time.monotonic() - started < DEADLINE_S

    def public_login(self, name, password, connection=None):
        """verify-user from an address that does no harm: (status, document)."""
        own = connection is None
        connection = connection or self.https(OTHERS)
        connection.request("POST", "/api/v2/ad/verify-user", json.dumps(
            {"username": name, "password": password}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        if own:
            connection.close()
        return answer.status, document

    def https(self, source):
        return http.client.HTTPSConnection(
            "127.0.0.1", self.stack.port, timeout=30, context=cases.client_context(),
            source_address=(source, 0))


@pytest.fixture(scope="module")
def machine(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    folder.chmod(0o711)
    authority = CertificateAuthority()
    ca = folder / "ca.pem"
    ca.write_bytes(authority.pem)
    certificate = authority.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
    with HostileLdap(certificate) as server, Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory={
            "server": [f"ldaps://127.0.0.1:{server.port}"], "user": server.service_dn,
            "password_file": write_password(str(folder), server.service_password),
            "tls": {"ca": str(ca)}})
        stack.enrol(connector)
        connector.wait_directory("ok")
        yield Machine(stack, connector, server)


@pytest.fixture(autouse=True)
def nothing_breaks(machine):
    watch = Watch(machine.connector, machine.stack.hub)
    yield
    machine.works()
    watch.check()


@pytest.fixture(params=DOORS)
def door(machine, request):
    return machine.doors[request.param]


# Requests


@pytest.mark.parametrize("make,status", cases.HEADS.values(), ids=cases.HEADS)
def test_a_head_that_is_refused(door, make, status):
    """At once, with a reason, and whatever came behind it is not looked at."""
    started = time.monotonic()
    with door.connect() as sock:
        send(sock, make(door) + door.head())
        answer = Answer(sock)
        assert answer.status == status and answer.json["error"]["message"], answer.body
        assert answer.headers["Connection"] == "close" and answer.ended()
    assert time.monotonic() - started < cases.ANSWER_S


def test_a_head_without_a_body(door):
    """What it has no answer for it refuses; the connector leaves the body out, as RFC 9110 9.3.2
    has it."""
    with door.connect() as sock:
        send(sock, door.head("HEAD {get} HTTP/1.1") + door.head())
        said = to_the_end(sock)
    assert said.startswith(b"HTTP/1.1 405 ") and said.count(b"HTTP/1.1 ") == 1
    if door.name in ("web", "page"):
        assert said.endswith(b"\r\n\r\n"), said


@pytest.mark.parametrize("body", cases.BODIES.values(), ids=cases.BODIES)
def test_a_body_that_is_refused(machine, body):
    """By everything that takes a body; a test of the settings needs none."""
    for name, path in PATHS:
        if body or path != "/api/v1/test":
            door = Door(**{**vars(machine.doors[name]), "post": path})
            started = time.monotonic()
            answer = door.ask(door.body(body))
            assert answer.status == 400, (path, answer.body)
            assert time.monotonic() - started < cases.ANSWER_S


@pytest.mark.parametrize("name", ["control", "public"])
def test_a_thousand_requests_at_once(machine, name):
    """Sent before the first answer is read: each is answered, in order."""
    door = machine.doors[name]
    with door.connect() as sock:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = pool.submit(send, sock, door.head("GET /healthz HTTP/1.1") * 999 +
                               door.head("GET /nothing HTTP/1.1", "Connection: close"))
            data = to_the_end(sock)
            sent.result()
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 999 and data.count(b"HTTP/1.1 404 ") == 1
    assert data.rindex(b"HTTP/1.1 404 ") > data.rindex(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("name", ["web", "page"])
def test_one_request_a_connection_at_the_connector(machine, name):
    door = machine.doors[name]
    with door.connect() as sock:
        send(sock, door.head() * 1000)
        assert to_the_end(sock).count(b"HTTP/1.1 ") == 1


def test_a_client_that_has_said_all(door):
    """It ends its side behind the request: that may cost it the answer, and nobody else."""
    for _ in range(20):
        with door.connect() as sock:
            send(sock, door.head())
            # What TLS itself would say about it does not matter here.
            socket.socket.shutdown(sock, socket.SHUT_WR)
            assert to_the_end(sock).startswith((b"HTTP/1.1 200 ", b""))


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_requests_that_nobody_waits_for(machine, door, how):
    """Three hundred, logins among them, whose clients are gone at once."""
    login = json.dumps({"username": "carol", "password": machine.password("carol")}).encode()
    data = {"web": door.head("POST /api/v1/test HTTP/1.1", "Content-Length: 0"),
            "page": door.head("POST /api/v1/test HTTP/1.1", "Content-Length: 0"),
            "control": door.head("GET /api/v1/audit HTTP/1.1"),
            "public": Door("", "", "/api/v2/ad/verify-user").body(login)}[door.name]
    for number in range(30 if door.name in ("web", "page") else 300):
        sock = door.connect(ATTACKER)
        send(sock, data if number % 3 else data[:-1])
        if how == "reset" and door.path is None:
            cases.reset(sock)
        else:
            sock.close()


# Floods


def test_connections_that_come_and_go(door):
    for _ in range(1000):
        door.plain(ATTACKER).close()


def test_connections_of_one_address(machine):
    """It has its share, the log says so, and others do not notice."""
    door, hub = machine.doors["public"], machine.stack.hub
    said = f"connection from {ATTACKER} not taken: too many from this address"
    before = hub.log().count(said)

    def turned_away():
        with door.plain(ATTACKER) as sock:
            assert to_the_end(sock) == b""
        # The log has so many lines of one kind in a second, and others may have had them.
        return hub.log().count(said) > before

    with contextlib.ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(door.connect(ATTACKER))
        for _ in range(100):
            turned_away()
        wait_until(turned_away, said, 5)
        machine.works()


def test_connections_of_many_addresses(machine):
    """All that there may be, between two requests each: who comes takes the place of one."""
    door = machine.doors["public"]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(door.connect(f"127.0.1.{1 + number % 17}"))
                 for number in range(1020)]
        for sock in socks:
            send(sock, door.head())
        for sock in socks:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                sock.recv(4096)
        for _ in range(30):
            assert door.ask(door.head(), OTHERS).status == 200
        machine.works()


def test_silent_clients_at_the_connector(machine):
    """They hold every place, and another batch waits behind them: the next is served by the
    deadline of a head."""
    door = machine.doors["web"]
    with contextlib.ExitStack() as stack:
        for _ in range(70):
            stack.enter_context(door.connect())
        started = time.monotonic()
        assert machine.connector.ctl("status").status == 0
        assert time.monotonic() - started < DEADLINE_S + 3


# What each of a thousand sends to the page, and then no more.
UNFINISHED = {
    "silence": lambda door: b"",
    "half_a_head": lambda door: door.head()[:-2],
    "half_a_body": lambda door: door.body(b" " * 60000, length=65536),
    "file_not_read": lambda door: door.head("GET /style.css HTTP/1.1"),
}


@pytest.mark.parametrize("make", UNFINISHED.values(), ids=UNFINISHED)
def test_a_thousand_open_connections_at_the_page(machine, make):
    """Nobody can be told from another there, so the oldest go: who comes is served at once."""
    door = machine.doors["page"]
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            send(stack.enter_context(door.connect(ATTACKER)), make(door))
        started = time.monotonic()
        assert door.ask(door.head()).status == 200
        assert time.monotonic() - started < cases.ANSWER_S
        pid = machine.connector.pids()["adc-web page"]
        assert len(os.listdir(f"/proc/{pid}/fd")) < 100
        machine.works()


def hammer(machine, requests):
    """public_login for each (name, password), by 32 clients at once: the documents."""
    def work(share):
        connection = machine.https(ATTACKER)
        try:
            return [machine.public_login(*one, connection)[1] for one in share]
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(33) as pool:
        shares = [pool.submit(work, requests[at::32]) for at in range(32)]
        while not all(share.done() for share in shares):
            machine.works()
        return [document for share in shares for document in share.result()]


def test_a_thousand_wrong_passwords_of_one_user(machine):
    """The directory is asked fewer times than lock an account; all get the same answer."""
    bob = machine.server.people["bob"]

    def count(connection, request):
        if request.dn == bob.dn:
            bob.entry["badPwdCount"] = [str(int(bob.entry["badPwdCount"][0]) + 1)]
            bob.entry["badPasswordTime"] = [str(int((time.time() + SINCE_1601_S) * 1e7))]
        return connection.good(request)

    machine.server.on = {"user_bind": count}
    answers = hammer(machine, [("bob", f"wrong {number}") for number in range(1000)])
    machine.server.on = {}
    assert {answer["status"] for answer in answers} == {"invalid_credentials"}
    assert 0 < int(bob.entry["badPwdCount"][0]) < 5
    assert machine.stack.login("corp", "bob", machine.password("bob"))["status"] == \
        "lockout_protected"


def test_a_thousand_logins_of_one_user(machine):
    answers = hammer(machine, [("carol", machine.password("carol"))] * 1000)
    assert [answer["status"] for answer in answers] == ["ok"] * 1000
    assert {answer["data"]["sAMAccountName"] for answer in answers} == {"carol"}


def test_a_thousand_names_that_nobody_has(machine):
    answers = hammer(machine, [(f"nobody{number}", "x") for number in range(1000)])
    assert {answer["status"] for answer in answers} == {"invalid_credentials"}


def test_guessed_tickets(machine):
    """After ten of one address in a minute it is told nothing more; others are."""
    door = machine.doors["public"]
    statuses = [door.ask(door.head(f"GET /t/{number:022} HTTP/1.1"), "127.0.0.9").status
                for number in range(40)]
    assert set(statuses[:10]) == {404} and set(statuses[12:]) == {429}
    assert door.ask(door.head(f"GET /t/{1:022} HTTP/1.1"), OTHERS).status == 404


# TLS


def hello():
    """A ClientHello, as records."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        cases.client_context().wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def tiny_records(data):
    """The same handshake, a byte a record."""
    return b"".join(b"\x16\x03\x01\0\1" + data[at:at + 1] for at in range(5, len(data)))


def record(kind, data, version=b"\x03\x03"):
    return bytes([kind]) + version + len(data).to_bytes(2, "big") + data


NOT_TLS = {
    "http": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": bytes(20000),
    "ones": b"\xff" * 20000,
    "ssl_2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
    "alert": record(21, b"\2\x28"),
    "warnings": record(21, b"\1\0") * 2000,
    "data_first": record(23, b"x" * 1000),
    "empty_records": record(22, b"") * 5000,
    "huge_record": b"\x16\x03\x01\xff\xff" + bytes(70000),
    "huge_hello": record(22, b"\1\xff\xff\xff" + bytes(16000)) + record(22, bytes(16000)) * 20,
    "server_hello": record(22, b"\2\0\0\x26" + bytes(38)),
    "two_hellos": None,
    "hello_then_rubbish": None,
    "hello_then_change_cipher_spec": None,
}


@pytest.mark.parametrize("kind", NOT_TLS)
def test_what_is_no_handshake(machine, kind):
    """It ends at once, by whoever finds it."""
    data = {"two_hellos": hello() * 2, "hello_then_rubbish": hello() + b"\x17rubbish" * 50,
            "hello_then_change_cipher_spec": hello() + record(20, b"\1") * 100}.get(
                kind, NOT_TLS[kind])
    started = time.monotonic()
    with machine.doors["public"].plain(ATTACKER) as sock:
        send(sock, data)
        to_the_end(sock)
    assert time.monotonic() - started < cases.ANSWER_S


def test_a_handshake_in_tiny_records(machine):
    """Odd, and allowed."""
    with machine.doors["public"].plain(ATTACKER) as sock:
        sock.sendall(tiny_records(hello()))
        assert sock.recv(5)[0] == 22


def test_handshakes_that_are_given_up(machine):
    for number in range(300):
        sock = machine.doors["public"].plain(ATTACKER)
        send(sock, hello()[:number * 2])
        cases.reset(sock)


@pytest.mark.parametrize("how", ["tls_1_1", "weak_ciphers", "no_common_curve"])
def test_a_handshake_that_is_too_weak(machine, how):
    context = cases.client_context()
    if how == "tls_1_1":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    else:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
                            if how == "weak_ciphers" else "ECDHE-ECDSA-AES128-GCM-SHA256")
        if how == "no_common_curve":
            context.set_ecdh_curve("brainpoolP256r1")
    with machine.doors["public"].plain(ATTACKER) as sock:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(sock)


@pytest.mark.parametrize("name", ["elsewhere.test", "x" * 63 + ".test", "127.0.0.1",
                                  "xn--bcher-kva.test"])
def test_server_names_that_are_not_ours(machine, name):
    """There is one certificate, whatever is asked for."""
    with cases.client_context().wrap_socket(machine.doors["public"].plain(ATTACKER),
                                            server_hostname=name) as sock:
        send(sock, machine.doors["public"].head())
        assert Answer(sock).status == 200


def test_protocols_without_end(machine):
    """64 KiB of ALPN: none is ours, none is chosen."""
    context = cases.client_context()
    context.set_alpn_protocols([f"{number:0250}" for number in range(200)])
    with context.wrap_socket(machine.doors["public"].plain(ATTACKER)) as sock:
        assert sock.selected_alpn_protocol() is None
        send(sock, machine.doors["public"].head())
        assert Answer(sock).status == 200


def s_client(machine, version, commands):
    """What openssl s_client says when it is given these lines, one after the other."""
    with subprocess.Popen(
            ["openssl", "s_client", version, "-connect", f"127.0.0.1:{machine.stack.port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        seen = b""
        try:
            # Its commands are looked for once it has said that the handshake is done.
            while b"---\n" not in seen[-4:] or b"Verify return code" not in seen:
                piece = os.read(client.stdout.fileno(), 65536)
                assert piece, seen
                seen += piece
            for command in commands:
                client.stdin.write(command)
                client.stdin.flush()
                time.sleep(0.1)  # it takes one read for one command
            client.stdin.close()
            client.wait(10)
            return client.stdout.read()
        finally:
            client.kill()


def test_renegotiation(machine):
    """Of TLS 1.2: refused, and the connection is of no further use."""
    said = s_client(machine, "-tls1_2", [b"R\n"])
    assert b"RENEGOTIATING" in said and b"no renegotiation" in said, said


def test_key_updates(machine):
    """Of TLS 1.3: allowed; the keys change, and the request is answered."""
    said = s_client(machine, "-tls1_3", [b"K\n"] * 20 + [
        machine.doors["public"].head("GET {get} HTTP/1.1", "Connection: close")])
    assert said.count(b"KEYUPDATE") == 20 and b"HTTP/1.1 200 OK" in said, said


# Upgrades


UPGRADES = {
    "none_asked": ((), 426), "other_protocol": (("Upgrade: h2c", "Connection: Upgrade"), 426),
    "not_in_connection": (("Upgrade: websocket", *UPGRADE[2:]), 426),
    "other_version": ((*UPGRADE[:2], "Sec-WebSocket-Version: 8", *UPGRADE[3:]), 426),
    "no_version": ((*UPGRADE[:2], *UPGRADE[3:]), 426),
    "no_key": ((*UPGRADE[:3], UPGRADE[4]), 400),
    "short_key": ((*UPGRADE[:3], "Sec-WebSocket-Key: AAAA", UPGRADE[4]), 400),
    "long_key": ((*UPGRADE[:3], "Sec-WebSocket-Key: " + "A" * 4000, UPGRADE[4]), 400),
    "odd_key": ((*UPGRADE[:3], "Sec-WebSocket-Key: " + "!" * 22 + "==", UPGRADE[4]), 400),
    "no_subprotocol": (UPGRADE[:4], 400),
    "other_subprotocol": ((*UPGRADE[:4], "Sec-WebSocket-Protocol: adconnector.v10"), 400),
    "with_a_body": ((*UPGRADE, "Content-Length: 5"), 400),
    "two_lengths": ((*UPGRADE, "Content-Length: 0", "Content-Length: 5"), 400),
    "with_chunks": ((*UPGRADE, "Transfer-Encoding: chunked"), 501),
    "extensions": ((*UPGRADE, "Sec-WebSocket-Extensions: permessage-deflate"), 101),
    "many_extensions": ((*UPGRADE, *["Sec-WebSocket-Extensions: x"] * 50), 101),
}


@pytest.mark.parametrize("fields,status", UPGRADES.values(), ids=UPGRADES)
def test_an_upgrade(machine, fields, status):
    door = machine.doors["public"]
    with door.connect(ATTACKER) as sock:
        send(sock, door.head("GET /tunnel HTTP/1.1", *fields) + b"hello")
        answer = Answer(sock)
        assert answer.status == status
        assert answer.headers["Sec-WebSocket-Extensions"] is None


@pytest.mark.parametrize("name,path,status", [
    ("public", "/healthz", 200), ("control", "/tunnel", 404), ("web", "/tunnel", 404)])
def test_an_upgrade_elsewhere(machine, name, path, status):
    door = machine.doors[name]
    assert door.ask(door.head(f"GET {path} HTTP/1.1", *UPGRADE)).status == status


@pytest.mark.parametrize("data", [
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 100, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff" * 100000, b"\x89\x80\0\0\0\0" * 5000, b"\x01\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 5000],
    ids=["requests", "huge_frame", "rubbish", "pings", "fragments"])
def test_behind_an_upgrade(machine, data):
    """Nobody's tunnel: it ends at once, and not one request more is answered in it."""
    door = machine.doors["public"]
    started = time.monotonic()
    with door.connect(ATTACKER) as sock:
        send(sock, door.head("GET /tunnel HTTP/1.1", *UPGRADE) + data)
        said = to_the_end(sock)
        assert said.count(b"HTTP/1.1 ") == 1 and b'"type":"challenge"' in said.replace(b" ", b"")
    assert time.monotonic() - started < cases.ANSWER_S


def test_upgrades_of_one_address(machine):
    """Tunnels of nobody have places like any other connection, until their time is over."""
    door = machine.doors["public"]
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            send(stack.enter_context(door.connect("127.0.0.8")),
                 door.head("GET /tunnel HTTP/1.1", *UPGRADE))
        with door.plain("127.0.0.8") as sock:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        machine.works()
    wait_until(lambda: door.ask(door.head(), "127.0.0.8").status == 200, "a place", 10)


# Slow ones, all at the same time


def drip(sock, data, pause=0.3):
    """A byte at a time, until the other side ends it."""
    sock.settimeout(pause)
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError, StopIteration):
        while True:
            sock.sendall(bytes([next(data)]))
            try:
                piece = sock.recv(4096)
                if not piece:
                    break
                said += piece
            except TimeoutError:
                pass
    return said


def endless(first, then=b"A: b\r\n"):
    yield from first
    while True:
        yield from then


def never_reading(door):
    with door.connect(ATTACKER) as sock, contextlib.suppress(ConnectionError, ssl.SSLError):
        while True:
            sock.sendall(door.head("GET /healthz HTTP/1.1") * 1000)
    return b""


def slow(first=b"", then=None, tls=True):
    """A client that sends first, and then nothing, or the rest byte by byte."""
    def run(door):
        with door.connect(ATTACKER) if tls else door.plain(ATTACKER) as sock:
            data = first(door) if callable(first) else first
            if then is None:
                send(sock, data)
                return to_the_end(sock)
            return drip(sock, endless(data, then))
    return run


# Who, at which doors, what it is told at the end, and after how long.
UP = b"HTTP/1.1 101 "
SLOW = {
    "silence": (slow(), DOORS, b"", 10),
    "half_a_head": (slow(b"GET / HTTP/1.1\r\nHost: x\r\n"), DOORS, b"HTTP/1.1 408 ", 10),
    "head_by_bytes": (slow(b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"), DOORS,
                      b"HTTP/1.1 408 ", 10),
    "no_body": (slow(lambda door: door.body(b"", length=100)), DOORS, b"HTTP/1.1 408 ", 10),
    "body_by_bytes": (lambda door: slow_body(door), DOORS, b"HTTP/1.1 408 ", 10),
    "announced_body": (slow(lambda door: door.body(b"", "Expect: 100-continue", length=100)),
                       DOORS, b"HTTP/1.1 100 Continue", 10),
    "never_reading": (never_reading, ("control", "public"), b"", 10),
    "no_handshake": (slow(tls=False), ("public",), b"", 10),
    "half_a_hello": (slow(lambda door: hello()[:100], tls=False), ("public",), b"", 10),
    "hello_by_bytes": (slow(lambda door: tiny_records(hello())[:300], b"\x16\x03\x01\0\0",
                            tls=False), ("public",), b"", 10),
    "upgrade_by_bytes": (slow(b"GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n",
                              b"Connection: Upgrade\r\n"), ("public",), b"HTTP/1.1 408 ", 10),
    "upgrade_then_silence": (slow(lambda door: door.head("GET /tunnel HTTP/1.1", *UPGRADE)),
                             ("public",), UP, 5),
    "upgrade_then_half_a_frame": (
        slow(lambda door: door.head("GET /tunnel HTTP/1.1", *UPGRADE) + b"\x81\xfe"),
        ("public",), UP, 5),
    "upgrade_then_frame_by_bytes": (
        lambda door: slow_frame(door), ("public",), UP, 5),
}
SLOW_ONES = [(kind, where) for kind, (_, doors, _, _) in SLOW.items() for where in doors]


def slow_body(door):
    with door.connect(ATTACKER) as sock:
        send(sock, door.body(b"", length=60000))
        return drip(sock, endless(b"", b"x"))


def slow_frame(door):
    with door.connect(ATTACKER) as sock:
        send(sock, door.head("GET /tunnel HTTP/1.1", *UPGRADE) + b"\x81\xfe\x0f\xff\0\0\0\0")
        return sock.recv(4096) + drip(sock, endless(b"", b"x"))


@pytest.fixture(scope="module")
def slow_ones(machine):
    """All of them under way: {(kind, door): future of (seconds, what was said)}."""
    def timed(kind, where):
        started = time.monotonic()
        said = SLOW[kind][0](machine.doors[where])
        return time.monotonic() - started, said

    with concurrent.futures.ThreadPoolExecutor(len(SLOW_ONES)) as pool:
        yield {one: pool.submit(timed, *one) for one in SLOW_ONES}


def test_logins_go_on_beside_slow_clients(machine, slow_ones):
    while not all(future.done() for future in slow_ones.values()):
        machine.works()


@pytest.mark.parametrize("kind,where", SLOW_ONES)
def test_a_slow_client_is_ended(slow_ones, kind, where):
    seconds, said = slow_ones[kind, where].result()
    _, _, expected, after = SLOW[kind]
    assert said.startswith(expected), said
    assert after - 2 < seconds < after + 4, seconds
