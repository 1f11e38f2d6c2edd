# SPDX-License-Identifier: ISC
"""adhub-gate itself, in its sandbox: its start, its HTTP, tickets, the control API."""

import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from child import Child, Gone, s, u8, u32
from gate_peers import Connector, Hub, Key, b64, certificate, until


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        yield hub


def raw(hub, data, wait=5.0):
    """All that the hub answers to these bytes, until it closes or is silent."""
    with hub.connect() as sock:
        sock.settimeout(wait)
        sock.sendall(data)
        answer = b""
        try:
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return answer
                answer += piece
        except TimeoutError:
            return answer


# --- start ---------------------------------------------------------------------


def refused_start(instance, items, fds=()):
    with Child("adhub-gate", args=(instance,)) as child:
        with pytest.raises(Gone):
            child.configure(items, fds)
        assert child.end() == 1
        return child.log_text()


def test_needs_to_know_which_instance_it_is():
    for args in ((), ("bogus",), ("public", "x")):
        with Child("adhub-gate", args=args) as child:
            with pytest.raises(Gone):
                child.receive()
            assert child.end() == 64
            assert "started by adhubd only" in child.stderr()


def test_configuration_that_is_refused(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    fd = listener.fileno()
    url = ("public_url", b"https://hub.example")
    assert "no listener" in refused_start("public", [url])
    assert "bogus" in refused_start("public", [("bogus", b"")])
    assert "public_url" in refused_start("public", [("public_url", b"ftp://x")],
                                         [("listener.http", fd)])
    assert "tls_certificate" in refused_start("public", [url], [("listener.https", fd)])
    assert "pin" in refused_start("public", [("pin", b"x")])
    assert "tls_key" in refused_start("control", [("tls_key", b"x")])
    assert "throttle_name" in refused_start("public", [("throttle_name", b"abc")])
    assert "admin_uid" in refused_start("control", [("admin_uid", u32(2) + u32(1))])
    cert, key = certificate(str(tmp_path))
    cert, key = open(cert, "rb").read(), open(key, "rb").read()
    log = refused_start("public", [url, ("tls_certificate", b"rubbish"), ("tls_key", key)],
                        [("listener.https", fd)])
    assert "certificate is not usable" in log
    (tmp_path / "other").mkdir()
    _, other = certificate(str(tmp_path / "other"))
    other = open(other, "rb").read()
    log = refused_start("public", [url, ("tls_certificate", cert), ("tls_key", other)],
                        [("listener.https", fd)])
    assert "not that of the certificate" in log
    assert "PRIVATE KEY" not in log


def test_sandbox_is_on(hub):
    for child in hub.children.values():
        status = child.status()
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0


def test_ends_with_its_parent():
    with Hub(control=False) as hub:
        hub.stopping = True
        hub.threads[0].join()
        hub.public.sock.close()
        assert hub.public.end() == 0
        hub.children.clear()


@pytest.mark.parametrize("name,payload", [
    ("CONNECTOR_CHANGED", s("x") + u8(9)),
    ("CONNECTOR_CHANGED", s("") + u8(1)),
    ("CONNECTOR_CHANGED", s("x") + u8(1) + b"z"),
    ("LOGIN", s("corp") + s("") + s("{}")),
    ("LOGIN", s("corp") + s("alice") + s("{}") + b"z"),
    ("SEAL_KEYS_GET", s("") + b""),
    ("ADMIN", u8(0) + u32(0) + u8(0)),
    ("READY", b""),
    (9999, b""),
])
def test_a_bad_message_ends_it(name, payload):
    with Hub(control=False) as hub:
        hub.public.send(name, payload, id=7)
        assert hub.public.end() == 1
        hub.threads[0].join()
        hub.children.clear()


def test_drain_ends_it_politely():
    with Hub(control=False) as hub:
        id, keys = hub.store.add_connector()
        connector = Connector(hub, id, keys)
        hub.public.send("DRAIN")
        frame = connector.json()
        assert frame["type"] == "drain" and frame["id"]
        with pytest.raises(OSError):
            refused = socket.create_connection(("127.0.0.1", hub.port), 5)
            # The listener is still open in the test itself: nobody takes it from there.
            refused.settimeout(1)
            refused.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            refused.recv(1)
        connector.send({"id": frame["id"], "type": "result", "status": "ok"})
        connector.close()
        assert hub.public.end(10) == 0
        hub.threads[0].join()
        hub.children.clear()


# --- HTTP ------------------------------------------------------------------------


def test_health(hub):
    assert hub.request("GET", "/healthz") == (200, {"status": "ok"})
    assert hub.admin("GET", "/healthz") == (200, {"status": "ok"})


def test_https():
    with Hub(tls=True, control=False) as hub:
        assert hub.request("GET", "/healthz") == (200, {"status": "ok"})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", hub.port)) as sock:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(sock)
        # A session is resumed by its ticket.
        context = ssl.create_default_context(cafile=hub.certificate)
        session = None
        for resumed in (False, True):
            with socket.create_connection(("127.0.0.1", hub.port)) as sock:
                with context.wrap_socket(sock, server_hostname="127.0.0.1",
                                         session=session) as tls:
                    tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert tls.recv(4096).startswith(b"HTTP/1.1 200 ")
                    assert tls.session_reused == resumed
                    session = tls.session
        # Rubbish instead of a handshake.
        with socket.create_connection(("127.0.0.1", hub.port)) as sock:
            # Random bytes could pass for the start of a long record, and be waited for.
            sock.sendall(b"rubbish " * 512)
            sock.settimeout(5)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        assert hub.request("GET", "/healthz") == (200, {"status": "ok"})


@pytest.mark.parametrize("data,status", [
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    (b"GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n", 200),
    (b"GET /healthz?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    (b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"OPTIONS /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    (b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%68ealthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"GET /%6 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /t/../healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n", 400),
    (b"\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
     400),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
     415),
    (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx", 417),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 8192 + b"\r\n\r\n", 431),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 64 + b"\r\n", 431),
    (b"G" * 9000, 431),
])
def test_requests_are_read_strictly(hub, data, status):
    answer = raw(hub, data)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"Connection: close" in head
    if status >= 400:
        assert set(json.loads(body)["error"]) == {"code", "message"}


def test_keep_alive_and_pipelining(hub):
    answer = raw(hub, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3 +
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 4


def test_a_byte_at_a_time(hub):
    body = b'{"connection":"corp","username":"x","jwe":1}'
    data = (b"POST /login/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % len(body)) + body
    with hub.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
        assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_expect_continue(hub):
    with hub.connect() as sock:
        sock.settimeout(5)
        sock.sendall(b"POST /login/verify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                     b"Content-Length: 2\r\n\r\n")
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_connections_from_one_address_are_limited(hub):
    def served(sock):
        try:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        except ConnectionError:
            return False

    socks = []

    def one_more():
        sock = hub.connect()
        (socks.append if served(sock) else socket.socket.close)(sock)
        return len(socks) == 64

    # Connections of the tests before may not have ended yet.
    until(one_more, what="64 connections")
    with hub.connect() as one_too_many:
        assert not served(one_too_many)
    socks.pop().close()
    until(lambda: _connects(hub), what="a place")
    for sock in socks:
        sock.close()
    until(lambda: "too many from this address" in hub.public.log_text(), what="a line in the log")


def _connects(hub):
    try:
        hub.request("GET", "/healthz")
        return True
    except (ConnectionError, http.client.HTTPException):
        return False


def test_descriptors_do_not_leak(hub):
    until(lambda: _connects(hub) and hub.public.descriptors() < 12, what="a quiet gate")
    before = hub.public.descriptors()
    for _ in range(300):
        hub.request("GET", "/healthz")
        raw(hub, b"rubbish\r\n\r\n", 1)
    until(lambda: hub.public.descriptors() <= before, what="closing")


def test_slow_and_silent_clients_are_ended():
    """All waits at once: 10 s for a request, 30 s between requests, 5 s for the store."""
    with Hub(control=False) as hub:
        results = {}

        def timed(name, what):
            begin = time.monotonic()
            answer = what()
            results[name] = (time.monotonic() - begin, answer)

        def drip():
            with hub.connect() as sock:
                sock.settimeout(0.2)
                answer = b""
                while True:
                    try:
                        sock.sendall(b"G")
                        answer += sock.recv(4096)
                        if answer:
                            return answer
                    except TimeoutError:
                        pass
                    except ConnectionError:
                        return answer

        def silent():
            with hub.connect() as sock:
                sock.settimeout(20)
                return sock.recv(4096)

        def body():
            return raw(hub, b"POST /login/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
                       20)

        def idle():
            with hub.connect() as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
                sock.settimeout(40)
                return sock.recv(4096)

        def store():
            return hub.request("GET", "/t/" + "a" * 43)[0]

        hub.store.silent = True
        threads = [threading.Thread(target=timed, args=(f.__name__, f))
                   for f in (drip, silent, body, idle, store)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results["drip"][1].startswith(b"HTTP/1.1 408 ") and 9 < results["drip"][0] < 12
        assert results["silent"][1] == b"" and 9 < results["silent"][0] < 12
        assert results["body"][1].startswith(b"HTTP/1.1 408 ") and 9 < results["body"][0] < 14
        assert results["idle"][1] == b"" and 29 < results["idle"][0] < 33
        assert results["store"][1] == 503 and 4 < results["store"][0] < 7


# --- tickets -----------------------------------------------------------------------


SECRET = "s" * 43


def enrolment(secret=SECRET, name="dc-side-1", **changes):
    keys = dict(sign=Key(), seal=Key())
    proof = {"ticket": b64(hashlib.sha256(secret.encode()).digest()), "name": name,
             "seal": keys["seal"].kid}
    proof.update(changes.pop("proof", {}))
    signer = changes.pop("signer", keys["sign"])
    typ = changes.pop("typ", "adconnector-enrol+jws")
    body = {"name": name, "version": "0.1.0",
            "keys": {"sign": keys["sign"].public, "seal": keys["seal"].public},
            "proof": signer.sign(typ, proof)}
    body.update(changes)
    return keys, body


def test_a_ticket_tells_what_it_is_for(hub):
    hub.store.tickets[SECRET] = ("ok", "corp", "Example Corp")
    assert hub.request("GET", "/t/" + SECRET) == (200, {
        "type": "adconnector-ticket", "protocol": 1, "connection": "corp",
        "display_name": "Example Corp", "tunnel_url": f"ws://127.0.0.1:{hub.port}/tunnel",
        "scim_url": f"http://127.0.0.1:{hub.port}/scim/v2"})


def test_enrolment(hub):
    hub.store.tickets[SECRET] = ("ok", "corp", "Example Corp")
    keys, body = enrolment()
    status, answer = hub.request("POST", "/t/" + SECRET, body)
    assert status == 201
    assert answer == {"connector_id": answer["connector_id"], "connection": "corp",
                      "tunnel_url": f"ws://127.0.0.1:{hub.port}/tunnel",
                      "scim_url": f"http://127.0.0.1:{hub.port}/scim/v2", "state": "approved"}
    row = hub.store.enrolled[-1]
    assert row == dict(secret=SECRET, name="dc-side-1", version="0.1.0", sign=keys["sign"].xy,
                       seal=keys["seal"].xy, address="127.0.0.1")
    assert hub.request("POST", "/t/" + SECRET, body) == (201, answer)
    status, answer = hub.request("POST", "/t/" + SECRET, enrolment(name="second")[1])
    assert status == 201 and answer["state"] == "pending"
    assert SECRET not in hub.public.log_text()


def test_enrolments_that_prove_nothing(hub):
    hub.store.tickets[SECRET] = ("ok", "corp", "Example Corp")
    other = Key()
    same = Key()
    bad = [
        enrolment(signer=other)[1],
        enrolment(typ="adconnector-hello+jws")[1],
        enrolment(proof={"ticket": b64(b"x" * 32)})[1],
        enrolment(proof={"name": "other"})[1],
        enrolment(proof={"seal": other.kid})[1],
        enrolment(proof={"ticket": None})[1],
        enrolment(name="")[1],
        enrolment(name="x" * 256)[1],
        enrolment(version="")[1],
        enrolment(version=1)[1],
        enrolment(more="x")[1],
        enrolment(proof={})[1] | {"proof": "a.b.c"},
        enrolment()[1] | {"keys": {"sign": same.public, "seal": same.public}},
        enrolment()[1] | {"keys": {"sign": same.public}},
        enrolment()[1] | {"keys": {"sign": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
                                   "seal": same.public}},
        [], {}, "x", b"", b"{", b"\xff",
    ]
    before = len(hub.store.enrolled)
    for body in bad:
        status, answer = hub.request("POST", "/t/" + SECRET, body)
        assert (status, answer["error"]["code"]) == (400, "bad_request"), body
    status, answer = hub.request("POST", "/t/" + SECRET, enrolment(more="x" * 17000)[1])
    assert (status, answer["error"]["code"]) == (413, "bad_request")
    assert len(hub.store.enrolled) == before, "the store was asked"


@pytest.mark.parametrize("state,status,code", [
    ("expired", 410, "ticket_expired"), ("used_up", 409, "ticket_used_up"),
    ("revoked", 410, "ticket_revoked"), ("keys_refused", 403, "rejected"),
    ("failed", 503, "unavailable")])
def test_tickets_that_are_worth_nothing(hub, state, status, code):
    secret = state + "x" * 40
    hub.store.tickets[secret] = (state, "", "")
    got, answer = hub.request("GET", "/t/" + secret)
    assert (got, answer["error"]["code"]) == (status, code) and answer["error"]["message"]
    got, answer = hub.request("POST", "/t/" + secret, enrolment(secret)[1])
    assert (got, answer["error"]["code"]) == (status, code)


def test_unknown_tickets_are_throttled():
    with Hub(control=False) as hub:
        hub.store.tickets[SECRET] = ("ok", "corp", "Example Corp")
        for i in range(10):
            # Of the wrong form, too long, or simply not there.
            secret = ["short", "x" * 200, f"{i:043}"][i % 3]
            status, answer = hub.request("GET", "/t/" + secret)
            assert (status, answer["error"]["code"]) == (404, "ticket_unknown")
            assert hub.request("GET", "/t/" + SECRET)[0] == (200 if i < 9 else 429)
        asked = hub.store.asked
        status, answer = hub.request("POST", "/t/" + "u" * 43, enrolment("u" * 43)[1])
        assert (status, answer["error"]["code"]) == (429, "too_many")
        assert hub.store.asked == asked


def test_the_store_is_away():
    with Hub(control=False) as hub:
        hub.store.answer = lambda message: ("UNANSWERED", u8(18))
        status, answer = hub.request("GET", "/t/" + SECRET)
        assert (status, answer["error"]["code"]) == (503, "unavailable")
        status, answer = hub.verify("alice", "x")
        assert (status, answer["code"]) == (200, 503)


# --- the control socket ----------------------------------------------------------------


@pytest.mark.parametrize("method,path,body,operation,arguments,status", [
    ("GET", "/api/v1/connections", None, "connection_list", [], 200),
    ("POST", "/api/v1/connections", {"identifier": "corp"}, "connection_add", ["corp", "", ""], 201),
    ("POST", "/api/v1/connections", {"identifier": "a", "display_name": "Ä", "logo": "data:,"},
     "connection_add", ["a", "Ä", "data:,"], 201),
    ("GET", "/api/v1/connections/corp", None, "connection_show", ["corp"], 200),
    ("DELETE", "/api/v1/connections/corp-2", None, "connection_remove", ["corp-2"], 200),
    ("GET", "/api/v1/tickets", None, "ticket_list", [""], 200),
    ("GET", "/api/v1/tickets?connection=corp", None, "ticket_list", ["corp"], 200),
    ("DELETE", "/api/v1/tickets/t_1-A", None, "ticket_revoke", ["t_1-A"], 200),
    ("GET", "/api/v1/connectors", None, "connector_list", [""], 200),
    ("GET", "/api/v1/connectors?connection=corp", None, "connector_list", ["corp"], 200),
    ("POST", "/api/v1/connectors/c1/approve", b"", "connector_approve", ["c1"], 200),
    ("POST", "/api/v1/connectors/c1/revoke", {}, "connector_revoke", ["c1"], 200),
    ("GET", "/api/v1/audit", None, "audit_list", ["0", "100"], 200),
    ("GET", "/api/v1/audit?after=-5&limit=7", None, "audit_list", ["-5", "7"], 200),
    ("GET", "/api/v1/audit/verify", None, "audit_verify", [], 200),
])
def test_control_routes(hub, method, path, body, operation, arguments, status):
    hub.store.admin_answer = lambda *_: ("ok", "", b'{"answer":[1,2]}')
    assert hub.admin(method, path, body) == (status, {"answer": [1, 2]})
    assert hub.store.admin[-1] == (operation, os.getuid(), arguments)


@pytest.mark.parametrize("method,path,body,status", [
    ("GET", "/api/v1/nothing", None, 404),
    ("GET", "/api/v1/connections/", None, 404),
    ("GET", "/api/v1/connections/a/b", None, 404),
    ("GET", "/api/v1/connections/" + "a" * 65, None, 404),
    ("POST", "/api/v1/connectors/c1/approve/x", {}, 404),
    ("POST", "/api/v1/connectors/c1/destroy", {}, 404),
    ("GET", "/api/v1/connectors/c1/approve", None, 404),
    ("POST", "/api/v1/connectors", {}, 404),
    ("DELETE", "/api/v1/connections", None, 404),
    ("POST", "/api/v1/connections", {}, 400),
    ("POST", "/api/v1/connections", [], 400),
    ("POST", "/api/v1/connections", {"identifier": 1}, 400),
    ("POST", "/api/v1/connections", {"identifier": "a", "logo": 1}, 400),
    ("POST", "/api/v1/connections", {"identifier": "a", "logo": "x" * 60001}, 400),
    ("POST", "/api/v1/connections", {"identifier": "a", "other": ""}, 400),
    ("POST", "/api/v1/tickets", {"connection": "a", "uses": "1"}, 400),
    ("POST", "/api/v1/tickets", {"connection": "a", "uses": 0}, 400),
    ("POST", "/api/v1/tickets", {"connection": "a", "auto_approve": "yes"}, 400),
    ("GET", "/api/v1/audit?after=%31", None, 400),
    ("GET", "/api/v1/audit?after=1&after=2", None, 400),
    ("GET", "/api/v1/tickets?connection=a/b", None, 400),
    ("POST", "/api/v1/login", {"connection": "corp", "username": "a"}, 400),
    ("POST", "/api/v1/login", {"connection": "corp", "username": "a", "jwe": "x"}, 400),
    ("POST", "/api/v1/login", {"connection": "corp", "username": "", "jwe": {}}, 400),
    ("POST", "/api/v1/login", {"connection": "corp", "username": "a", "jwe": {}, "x": 1}, 400),
])
def test_control_requests_that_are_refused(hub, method, path, body, status):
    before = len(hub.store.admin)
    got, answer = hub.admin(method, path, body)
    assert got == status and set(answer["error"]) == {"code", "message"}
    assert len(hub.store.admin) == before, "the store was asked"


@pytest.mark.parametrize("path,body,message", [
    ("connections", {"identifier": "a" * 300}, "identifier: is longer than 63 bytes"),
    ("connections", {"identifier": ""}, "identifier: is missing or empty"),
    ("connections", {"identifier": 1}, "identifier: must be a string"),
    ("connections", {"identifier": "a", "display_name": "x" * 300}, "display_name: is longer than 200 bytes"),
    ("connections", {"identifier": "a", "display_name": []}, "display_name: must be a string"),
    ("connections", {"identifier": "a", "logo": "x" * 60001}, "logo: is longer than 60000 bytes"),
    ("tickets", {"connection": "a" * 300}, "connection: is longer than 63 bytes"),
    ("tickets", {}, "connection: is missing or empty"),
    ("tickets", {"connection": "a", "uses": "1"}, "uses: must be an integer from 1"),
    ("tickets", {"connection": "a", "hours": 0}, "hours: must be an integer from 1"),
    ("tickets", {"connection": "a", "auto_approve": 1}, "auto_approve: must be a boolean"),
    ("tickets?connection=" + "a" * 65, None, "connection: must be one identifier of 1 to 63 bytes"),
])
def test_what_is_wrong_in_a_control_request_is_named(hub, path, body, message):
    before = len(hub.store.admin)
    status, answer = hub.admin("GET" if body is None else "POST", "/api/v1/" + path, body)
    assert status == 400 and message in answer["error"]["message"]
    assert len(hub.store.admin) == before, "the store was asked"


@pytest.mark.parametrize("result,status", [("refused", 400), ("not_found", 404), ("exists", 409),
                                           ("failed", 500)])
def test_control_results(hub, result, status):
    hub.store.admin_answer = lambda *_: (result, "object: what happened, \"what\" to do\n", b"")
    got, answer = hub.admin("GET", "/api/v1/connections/corp")
    assert got == status
    assert answer["error"]["message"] == "object: what happened, \"what\" to do\n"


@pytest.mark.parametrize("pin", ["", "sha256:" + "p" * 43])
def test_a_new_ticket_is_an_url(pin):
    with Hub(public_url="https://hub.example:8855", pin=pin) as hub:
        hub.store.admin_answer = lambda *_: ("ok", "", json.dumps(
            {"id": "t1", "secret": SECRET, "connection": "corp"}).encode())
        status, answer = hub.admin("POST", "/api/v1/tickets", {
            "connection": "corp", "uses": 3, "hours": 48, "auto_approve": True})
        assert hub.store.admin[-1][2] == ["corp", "3", "48", "auto-approve"]
        assert status == 201
        assert answer == {"id": "t1", "connection": "corp", "url":
                          "https://hub.example:8855/t/" + SECRET + ("#pin=" + pin if pin else "")}
        hub.admin("POST", "/api/v1/tickets", {"connection": "corp"})
        assert hub.store.admin[-1][2] == ["corp", "", "", ""]
        hub.store.admin_answer = lambda *_: ("ok", "", b'{"id":"t1"}')
        assert hub.admin("POST", "/api/v1/tickets", {"connection": "corp"})[0] == 500


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("uid,status", [(0, 200), (65533, 200), (65534, 403)])
def test_who_may_use_the_control_socket(hub, uid, status):
    hub.store.admin_answer = lambda *_: ("ok", "", b"{}")
    before = len(hub.store.admin)
    program = ("import http.client, socket, sys\n"
               "c = http.client.HTTPConnection('localhost'); c.sock = socket.socket(socket.AF_UNIX)\n"
               "c.sock.connect(sys.argv[1]); c.request('GET', '/api/v1/connections')\n"
               "print(c.getresponse().status)")
    out = subprocess.run([sys.executable, "-c", program, hub.socket_path], user=uid, cwd="/",
                         capture_output=True, text=True, timeout=30)
    assert out.stdout.strip() == str(status), out.stderr
    if status == 200:
        assert hub.store.admin[-1] == ("connection_list", uid, [])
    else:
        assert len(hub.store.admin) == before


def test_the_network_has_no_control_routes(hub):
    before = len(hub.store.admin)
    for path in ("/api/v1/connections", "/api/v1/audit", "/api/v1/connections/corp/seal-keys"):
        assert hub.request("GET", path)[0] == 404
    assert hub.request("POST", "/api/v1/login", {})[0] == 404
    assert len(hub.store.admin) == before
    assert hub.admin("GET", "/t/" + SECRET)[0] == 404
    assert hub.admin("POST", "/api/v2/ad/verify-user", {})[0] == 404
