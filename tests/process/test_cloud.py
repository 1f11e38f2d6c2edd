# SPDX-License-Identifier: ISC
"""adc-cloud itself, in its sandbox, between a parent played here and a hub that misbehaves on order."""

import base64
import contextlib
import errno
import hashlib
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from child import (ANSWER_S, NUMBERS, STATUS, STATUS_WORDS, Child, Gone, s, sanitized,  # noqa: E402
                   u8, u16, u32)
from child import program as find_program  # noqa: E402
from tests.lab import tls  # noqa: E402
from tests.lab.fakehub import BINARY, CLOSE, PING, PONG, TEXT, FakeHub, answer  # noqa: E402
from tests.lab.process import wait_until  # noqa: E402
from tests.lab.proxy import ConnectProxy  # noqa: E402
from tests.torture.faults import Faults  # noqa: E402

STATES = ["not_enrolled", "connecting", "online", "pending", "waiting", "refused"]
STEPS = ["reach", "tunnel", "sign_in", "read"]
SECRET = "Ticket-Secret_0123456789"
BODY = json.dumps({"name": "here", "version": "1", "keys": {"sign": {}, "seal": {}}, "proof": "a.b.c"})
KID = base64.urlsafe_b64encode(hashlib.sha256(b"kid").digest()).rstrip(b"=").decode()
PROOF = "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl"

AUTHORITY = tls.CertificateAuthority()
CERTIFICATE = AUTHORITY.issue("127.0.0.1", ["hub.test"], ["127.0.0.1"])


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def memory_file(data):
    fd = os.memfd_create("ca")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class State:
    def __init__(self, message):
        reader = message.reader()
        self.state, self.code, self.text = STATES[reader.u8()], reader.s(), reader.s()
        self.hub_time = reader.u64()
        reader.end()

    def __repr__(self):
        return f"{self.state} {self.code} {self.text}"


class Enrolled:
    def __init__(self, message):
        reader = message.reader()
        self.state = ["ok", "pending", "failed"][reader.u8()]
        self.code, self.text, self.id, self.connection, self.tunnel_url, self.scim_url = (
            reader.s() for _ in range(6))
        reader.end()


class Cloud(Child):
    """adc-cloud for one hub: the default items of a life, with changes."""

    def __init__(self, hub, life="tunnel", program="adc-cloud", ca=AUTHORITY.pem, ready=ANSWER_S,
                 env=None, **items):
        super().__init__(program, env)
        self.hub = hub
        values = {"mode": life.encode(), "hub_host": hub.name.encode(), "hub_port": u16(hub.port),
                  "hub_tls": u8(1 if hub.certificate else 0)}
        if life == "tunnel":
            values.update(tunnel_path=b"/tunnel",
                          connection=b"corp", seal_kid=KID.encode())
        else:
            values.update(ticket_path=f"/t/{SECRET}".encode(), enrol_body=BODY.encode())
        values.update(items)
        fds = [] if ca is None else [("ca", memory_file(ca))]
        try:
            self.configure([(k, v) for k, v in values.items() if v is not None], fds, ready)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        for _, fd in fds:
            os.close(fd)

    def connect(self, port=None, timeout=ANSWER_S, refuse=None):
        """Answers the next CONNECT with a socket to the hub, or to another port."""
        message = self.expect("CONNECT", timeout)
        reader = message.reader()
        assert (reader.u8(), reader.u16()) == (1, 0) and 0 < reader.u32() <= 10000
        reader.end()
        if refuse is not None:
            self.send("CONNECTED", u8(STATUS["connector_unavailable"]) + s("x") + s("") + s(refuse),
                      id=message.id)
            return
        with socket.create_connection(("127.0.0.1", port or self.hub.port)) as sock:
            sock.setblocking(False)
            self.send("CONNECTED", u8(STATUS["ok"]) + s(self.hub.name) + s("127.0.0.1:1") + s(""),
                      id=message.id, fd=sock.fileno())

    def prove(self, nonce):
        message = self.expect("TUNNEL_PROOF")
        reader = message.reader()
        assert reader.s() == nonce
        reader.end()
        self.send("TUNNEL_PROVED", s(PROOF), id=message.id)

    def open(self, state="approved", port=None):
        """A tunnel up to its welcome."""
        self.connect(port)
        tunnel = self.hub.tunnel()
        self.prove(tunnel.challenge())
        assert tunnel.receive() == {"type": "hello", "proof": PROOF}
        tunnel.welcome(state)
        self.opened = self.state("online" if state == "approved" else "pending")
        return tunnel

    def state(self, state, timeout=ANSWER_S):
        """Waits for that state; others before it are dropped."""
        until = time.monotonic() + timeout
        while True:
            found = State(self.expect("TUNNEL_STATE", max(0.01, until - time.monotonic())))
            if found.state == state:
                return found

    def enrolled(self, timeout=ANSWER_S):
        return Enrolled(self.expect("ENROLLED", timeout))

    def verdict(self, id, status="ok", verdict=PROOF, reason="", profile=b'{"id":"x"}'):
        self.send("VERDICT", u8(STATUS[status]) + s(verdict) + s(reason) + s(profile), id=id)


@pytest.fixture
def hub():
    with FakeHub(CERTIFICATE) as hub:
        yield hub


@pytest.fixture
def plain_hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def cloud(hub):
    with Cloud(hub) as cloud:
        yield cloud


@contextlib.contextmanager
def raw_server(reply):
    """Reads a request and says that, then closes."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.recv(4096)
                        peer.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def jwe(kid=KID, ciphertext=b"sealed text"):
    key = {"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 32), "y": b64url(b"\2" * 32)}
    return {"protected": b64url(b'{"enc":"A256GCM"}'),
            "recipients": [{"header": {"alg": "ECDH-ES+A256KW", "epk": key, "kid": kid},
                            "encrypted_key": b64url(b"\3" * 40)}],
            "iv": b64url(b"\4" * 12), "ciphertext": b64url(ciphertext), "tag": b64url(b"\5" * 16)}


def authenticate(id="r1", attempt="a1", username="alice", **more):
    return {"id": id, "type": "authenticate", "attempt": attempt, "connection": "corp",
            "username": username, "jwe": jwe(), **more}


# --- opening a tunnel ------------------------------------------------------------------------


def test_open_and_close(hub, cloud):
    tunnel = cloud.open()
    # The hub's time is told with its welcome and never else.
    assert abs(cloud.opened.hub_time - time.time()) < 5
    assert tunnel.headers["sec-websocket-protocol"] == "adconnector.v1"
    assert tunnel.headers["host"] == f"127.0.0.1:{hub.port}"
    assert "sec-websocket-extensions" not in tunnel.headers
    assert tunnel.unmasked == 0
    tunnel.close(1001, "bye")
    waiting = cloud.state("waiting")
    assert waiting.hub_time == 0
    assert waiting.code == "closed" and "1001: bye" in waiting.text
    assert tunnel.wait_closed() == 1001


def test_plain_on_loopback(plain_hub):
    with Cloud(plain_hub, ca=None) as cloud:
        cloud.open()


def test_plain_elsewhere_is_refused(plain_hub):
    plain_hub.name = "192.0.2.1"
    with pytest.raises((Gone, BrokenPipeError)):
        Cloud(plain_hub, ca=None)


def test_comes_back(hub, cloud):
    cloud.open().abort()
    cloud.state("waiting")
    tunnel = cloud.open()
    assert waits_of(cloud)[0] <= 250
    tunnel.close(1001)
    cloud.open()


def waits_are(cloud, fail, text, longest):
    """Each wait is drawn from the upper half of its time, told, and waited for. fail() returns
    when it began to fail, the time that a tunnel takes to open being the host's."""
    for n, most in enumerate(longest, 1):
        begin = fail()
        assert text in cloud.state("waiting").text
        told = time.monotonic()
        waits = waits_of(cloud)
        assert len(waits) == n and most / 2 <= waits[-1] <= most, waits
        connect = cloud.expect("CONNECT")
        came, wait = time.monotonic(), waits[-1] / 1000
        cloud.pending.append(connect)
        assert came - begin >= wait - 0.002 and came - told <= wait + 0.25, waits


def test_back_off_stays_short_for_who_cannot_be_reached(hub, cloud):
    def fail():
        begin = time.monotonic()
        cloud.connect(refuse="127.0.0.1:1: connection refused")
        return begin

    waits_are(cloud, fail, "connection refused", (250, 500, 1000, 1000, 1000))


@pytest.mark.parametrize("code, reason, longest", [
    (1011, "", (250, 500, 1000, 2000, 4000)),
    (4503, "the store does not answer", (250, 500, 1000, 1000, 1000))], ids=["refuses", "not ready"])
def test_back_off_grows_for_who_refuses_only(hub, cloud, code, reason, longest):
    def fail():
        tunnel = cloud.open()
        begin = time.monotonic()
        tunnel.close(code, reason)
        return begin

    waits_are(cloud, fail, f"{code}: {reason}" if reason else str(code), longest)


def test_pending_then_approved(hub, cloud):
    tunnel = cloud.open("pending")
    tunnel.send(authenticate())
    assert tunnel.receive()["status"] == "not_allowed"
    tunnel.send({"type": "state", "state": "approved"})
    cloud.state("online")
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["status"] == "ok"


@pytest.mark.parametrize("code,state,word", [(4401, "refused", "refused"), (4403, "refused", "revoked"),
                                             (4409, "waiting", "replaced"), (4429, "waiting", "held_out"),
                                             (1001, "waiting", "closed"), (4999, "waiting", "closed")])
def test_close_codes(hub, cloud, code, state, word):
    tunnel = cloud.open()
    tunnel.close(code)
    found = cloud.state(state)
    assert found.code == word
    assert tunnel.wait_closed() == code
    # After these there is no quick next try.
    if code in (4401, 4403, 4409, 4429):
        assert cloud.receive(1.0) is None


def test_refused_at_the_proof(hub, cloud):
    cloud.connect()
    tunnel = hub.tunnel()
    cloud.prove(tunnel.challenge())
    tunnel.receive()
    tunnel.close(4401)
    assert cloud.state("refused").code == "refused"


@pytest.mark.parametrize("reply,words", [
    (answer(404, {"x": 1}), "no tunnel at that address"),
    (answer(200, {"x": 1}), "no tunnel at that address"),
    (b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n", "no tunnel at that address"),
    (b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
     b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: adconnector.v1\r\n\r\n",
     "not that of a WebSocket server"),
    (b"SSH-2.0-OpenSSH\r\n", "does not begin as HTTP"),
    (b"HTTP/1.1 101 x\r\nX: " + b"a" * 9000, "too long"),
    (b"", "closed"),
])
def test_bad_upgrades(hub, cloud, reply, words):
    hub.responder = lambda *request: reply
    cloud.connect()
    assert words in cloud.state("waiting").text


def test_wrong_subprotocol(hub, cloud):
    hub.subprotocol = "adconnector.v2"
    cloud.connect()
    assert "does not speak adconnector.v1" in cloud.state("waiting").text


def test_silent_hub(hub, cloud):
    """Upgraded and then nothing: 5 s, not longer."""
    cloud.connect()
    tunnel = hub.tunnel()
    started = time.monotonic()
    assert "no tunnel within 5000 ms" in cloud.state("waiting", 8).text
    assert 4.5 < time.monotonic() - started < 6
    assert tunnel.wait_closed() == 0


@pytest.mark.parametrize("messages,code", [
    ([{"type": "welcome", "time": 1, "state": "approved"}], 1008),
    ([authenticate()], 1008),
    ([{"type": "challenge", "nonce": "x" * 43}, {"type": "challenge", "nonce": "x" * 43}], 1008),
    ([{"type": "challenge", "nonce": "x" * 42}], 1008),
    (["x" * 4096], 1007),
    (["x" * 4097], 1009),
    (["{" * 20], 1007),
    ([json.dumps({"type": "nothing", "x": "y" * 2000})], 1008),
])
def test_before_the_welcome(hub, cloud, messages, code):
    cloud.connect()
    tunnel = hub.tunnel()
    for message in messages:
        tunnel.send(message)
    assert tunnel.wait_closed() == code
    cloud.state("waiting")


def test_at_most_4_kib_before_the_welcome(hub, cloud):
    """In all, not each: fragments and pings count."""
    cloud.connect()
    tunnel = hub.tunnel()
    tunnel.frame(TEXT, b" " * 2000, fin=False)
    for _ in range(4):
        tunnel.frame(PING, b"p" * 125)
    tunnel.frame(0, b" " * 1700, fin=False)
    assert tunnel.wait_closed() == 1009


# --- who the hub is --------------------------------------------------------------------------


def refused_by_tls(certificate, name="127.0.0.1", **items):
    with FakeHub(certificate, name) as hub, Cloud(hub, **items) as cloud:
        cloud.connect()
        return cloud.state("waiting")


def issue(kind):
    return AUTHORITY.issue_kind(kind, "127.0.0.1", ["hub.test"], ["127.0.0.1"])


@pytest.mark.parametrize("kind,code,words", [
    ("expired", "tls_expired", "expired"), ("not_yet_valid", "tls_expired", "not valid yet"),
    ("wrong_name", "tls_name", "another name than 127.0.0.1"),
    ("other_ca", "tls_untrusted", "cloud.ca"), ("self_signed", "tls_untrusted", "cloud.ca")])
def test_bad_certificates(kind, code, words):
    found = refused_by_tls(issue(kind))
    assert found.code == code and words in found.text, found


@pytest.mark.parametrize("name,code", [("hub.test", None), ("other.test", "tls_name")])
def test_host_name(name, code):
    with FakeHub(CERTIFICATE, name) as hub, Cloud(hub) as cloud:
        if code is None:
            assert cloud.open().headers["host"] == f"hub.test:{hub.port}"
        else:
            cloud.connect()
            assert cloud.state("waiting").code == code


@pytest.mark.parametrize("kind", ["good", "expired", "self_signed", "other_ca", "wrong_name"])
def test_a_pin_is_all_that_counts(kind):
    with FakeHub(issue(kind)) as hub, Cloud(hub, pin=hub.pin()) as cloud:
        cloud.open()


def test_wrong_pin():
    """That key and no other: a certificate that the CA vouches for does not help."""
    with FakeHub(CERTIFICATE) as hub:
        got = b64url(hub.pin())
    found = refused_by_tls(CERTIFICATE, pin=hashlib.sha256(b"other").digest())
    assert found.code == "pin_mismatch" and f"got sha256:{got}" in found.text
    assert "make a new ticket" in found.text


def test_no_tls_there(hub):
    with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, Cloud(hub) as cloud:
        cloud.connect(port)
        found = cloud.state("waiting")
        assert found.code == "tls_failed" and "is that port the hub's" in found.text


def test_old_tls():
    with FakeHub(CERTIFICATE) as hub, Cloud(hub) as cloud:
        hub.context.minimum_version = ssl.TLSVersion.TLSv1
        hub.context.maximum_version = ssl.TLSVersion.TLSv1_1
        hub.context.set_ciphers("DEFAULT@SECLEVEL=0")
        cloud.connect()
        assert cloud.state("waiting").code == "tls_failed"


def test_tls_1_2():
    with FakeHub(CERTIFICATE) as hub, Cloud(hub) as cloud:
        hub.context.maximum_version = ssl.TLSVersion.TLSv1_2
        cloud.open()


def test_a_peer_that_says_nothing():
    """A TCP server that neither speaks nor closes: the connection's own deadline."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with FakeHub(CERTIFICATE) as hub, Cloud(hub) as cloud:
            started = time.monotonic()
            cloud.connect(server.getsockname()[1])
            assert "no connection within 10000 ms" in cloud.state("waiting", 15).text
            assert time.monotonic() - started < 11


# --- requests --------------------------------------------------------------------------------


def test_authenticate(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate(attempt="At-1_x", username="älice", deadline_ms=7000))
    message = cloud.expect("AUTHENTICATE")
    reader = message.reader()
    assert reader.s() == KID
    assert reader.s() == "At-1_x" and reader.u32() == 7000 and reader.s() == "älice"
    assert reader.fixed(64) == b"\1" * 32 + b"\2" * 32
    assert (reader.fixed(40), reader.fixed(12), reader.fixed(16)) == (b"\3" * 40, b"\4" * 12, b"\5" * 16)
    assert reader.bytes() == b"sealed text"
    reader.end()
    profile = '{"id":"x","displayName":"Älice 🙂"}'
    cloud.verdict(message.id, "ok", PROOF, "why", profile.encode())
    assert tunnel.receive() == {"id": "r1", "type": "result", "status": "ok", "verdict": PROOF,
                                "reason": "why", "profile": profile}


@pytest.mark.parametrize("status", [w for w in STATUS_WORDS if w != "ok"])
def test_every_status(hub, cloud, status):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id, status, "", "r", b"")
    assert tunnel.receive() == {"id": "r1", "type": "result", "status": status, "reason": "r"}


def test_any_order(hub, cloud):
    tunnel = cloud.open()
    for i in range(50):
        tunnel.send(authenticate(f"r{i}", f"a{i}"))
    asked = {}
    for _ in range(50):
        message = cloud.expect("AUTHENTICATE")
        reader = message.reader()
        assert reader.s() == KID
        asked[reader.s()] = message.id
    for i in reversed(range(50)):
        cloud.verdict(asked[f"a{i}"], "ok", PROOF, f"n{i}")
    for i in reversed(range(50)):
        result = tunnel.receive()
        assert (result["id"], result["reason"]) == (f"r{i}", f"n{i}")


def test_expiry_and_late_verdict(hub, cloud):
    tunnel = cloud.open()
    started = time.monotonic()
    tunnel.send(authenticate(deadline_ms=200))
    message = cloud.expect("AUTHENTICATE")
    asked, id = time.monotonic(), message.id
    result = tunnel.receive()
    assert (result["id"], result["status"]) == ("r1", "timeout") and "verdict" not in result
    assert 0.15 < time.monotonic() - started and time.monotonic() - asked < 0.6
    cloud.verdict(id)
    # The late verdict is gone: what comes next is the answer to the next request, id reused.
    tunnel.send(authenticate(attempt="a2"))
    cloud.verdict(cloud.expect("AUTHENTICATE").id, "invalid_credentials")
    assert tunnel.receive()["status"] == "invalid_credentials"


# --- the directory, for the hub to know ------------------------------------------------------


def status(directory):
    return {"type": "status", "directory": directory}


def test_the_hub_is_told_whether_the_directory_answers(hub, cloud):
    """After the welcome and at each change; the same again is no news."""
    cloud.send("DIRECTORY_ANSWERS", u8(0))
    tunnel = cloud.open()
    assert tunnel.receive() == status("unavailable")
    for answers in (0, 1, 1, 0, 0, 1):
        cloud.send("DIRECTORY_ANSWERS", u8(answers))
    assert [tunnel.receive() for _ in range(3)] == [status("ok"), status("unavailable"),
                                                    status("ok")]
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["type"] == "result", "nothing else was said"
    # It is told anew on the next tunnel, what changed between them included.
    tunnel.abort()
    cloud.state("waiting")
    cloud.send("DIRECTORY_ANSWERS", u8(0))
    assert cloud.open().receive() == status("unavailable")


def test_before_it_is_known_the_hub_is_told_nothing(hub, cloud):
    tunnel = cloud.open("pending")
    # That it answers goes without saying, until anything else was said.
    for answers in (1, 0, 1):
        cloud.send("DIRECTORY_ANSWERS", u8(answers))
    assert [tunnel.receive() for _ in range(2)] == [status("unavailable"), status("ok")]
    # On the next tunnel, too.
    tunnel.abort()
    cloud.state("waiting")
    tunnel = cloud.open()
    for answers in (1, 0):
        cloud.send("DIRECTORY_ANSWERS", u8(answers))
    assert tunnel.receive() == status("unavailable")


def test_a_draining_hub_is_told_on_the_tunnel_that_is_in_use(hub, cloud):
    cloud.send("DIRECTORY_ANSWERS", u8(1))
    old = cloud.open()
    old.send(authenticate("slow", "a1"))
    id = cloud.expect("AUTHENTICATE").id
    old.send({"id": "d", "type": "drain"})
    assert old.receive()["id"] == "d"
    cloud.connect()
    new = hub.tunnel()
    cloud.prove(new.challenge())
    assert new.receive()["type"] == "hello"
    # Not before the welcome: the hub would close it.
    cloud.send("DIRECTORY_ANSWERS", u8(0))
    assert old.receive() == status("unavailable")
    assert new.messages.empty()
    new.welcome()
    assert new.receive() == status("unavailable")
    cloud.send("DIRECTORY_ANSWERS", u8(1))
    assert new.receive() == status("ok")
    cloud.verdict(id)
    assert old.receive()["id"] == "slow"
    assert old.wait_closed() == 1001


@pytest.mark.parametrize("payload", [u8(2), u8(255)])
def test_a_word_on_the_directory_that_is_none_ends_it(hub, cloud, payload):
    cloud.open()
    cloud.send("DIRECTORY_ANSWERS", payload)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass
    assert cloud.end() == 1


def test_one_that_enrols_is_told_of_no_directory(hub):
    with Cloud(hub, "enrol") as cloud:
        cloud.send("DIRECTORY_ANSWERS", u8(1))
        with pytest.raises(Gone):
            while cloud.receive(2):
                pass
        assert cloud.end() == 1


# --- new keys --------------------------------------------------------------------------------


STATEMENT = s("s.t.a") + s("p.r.f")
OUTCOMES = ["ok", "rejected", "too_many", "unavailable", "not_sent", "unanswered", "lost"]


def outcome(cloud, id, timeout=ANSWER_S):
    message = cloud.expect("REKEY_ANSWER", timeout)
    assert message.id == id
    reader = message.reader()
    found = OUTCOMES[reader.u8()], reader.s()
    reader.end()
    return found


@pytest.mark.parametrize("status,reason", [("ok", ""), ("rejected", "because"), ("too_many", "x" * 256),
                                           ("unavailable", "später")])
def test_new_keys(hub, cloud, status, reason):
    tunnel = cloud.open()
    cloud.send("REKEY_STATEMENT", STATEMENT, id=77)
    assert tunnel.receive() == {"type": "rekey", "statement": "s.t.a", "proof": "p.r.f"}
    # Logins go on meanwhile.
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["status"] == "ok"
    tunnel.send({"type": "rekeyed", "status": status, "reason": reason})
    assert outcome(cloud, 77) == (status, reason)
    # One that nobody waits for is nothing; then another change.
    tunnel.send({"type": "rekeyed", "status": "ok", "reason": ""})
    cloud.send("REKEY_STATEMENT", STATEMENT, id=78)
    assert tunnel.receive()["type"] == "rekey"
    tunnel.send({"type": "rekeyed", "status": "ok", "reason": ""})
    assert outcome(cloud, 78) == ("ok", "")


def test_new_keys_without_a_tunnel(hub, cloud):
    cloud.expect("CONNECT")
    cloud.send("REKEY_STATEMENT", STATEMENT, id=77)
    assert outcome(cloud, 77) == ("not_sent", "")


@pytest.mark.parametrize("end", ["abort", "close", "garbage"])
def test_new_keys_and_the_tunnel_goes(hub, cloud, end):
    tunnel = cloud.open()
    cloud.send("REKEY_STATEMENT", STATEMENT, id=77)
    tunnel.receive()
    if end == "abort":
        tunnel.abort()
    elif end == "close":
        tunnel.close(1001)
    else:
        tunnel.send({"type": "rekeyed", "status": "perhaps", "reason": ""})
    assert outcome(cloud, 77) == ("lost", "")
    # Whatever comes on the next tunnel is nobody's answer.
    tunnel = cloud.open()
    tunnel.send({"type": "rekeyed", "status": "ok", "reason": ""})
    tunnel.send(authenticate())
    cloud.expect("AUTHENTICATE")


def test_a_hub_that_knows_no_new_keys(hub, cloud):
    """It says nothing; the tunnel stays."""
    tunnel = cloud.open()
    cloud.send("REKEY_STATEMENT", STATEMENT, id=77)
    tunnel.receive()
    assert outcome(cloud, 77, 30) == ("unanswered", "")
    tunnel.send({"type": "rekeyed", "status": "ok", "reason": ""})
    tunnel.send(authenticate())
    cloud.expect("AUTHENTICATE")


@pytest.mark.parametrize("payload", [s("") + s("p.r.f"), s("s.t.a") + s(""), STATEMENT + b"\0",
                                     s("s" * 4097) + s("p"), s("s\0t") + s("p.r.f"), s("s.t.a") + b"\5\0\0\0"])
def test_bad_statements_end_it(hub, cloud, payload):
    cloud.open()
    cloud.send("REKEY_STATEMENT", payload, id=77)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass
    assert cloud.end() == 1


def test_two_changes_of_keys_at_once_end_it(hub, cloud):
    cloud.open()
    for number in (77, 78):
        cloud.send("REKEY_STATEMENT", STATEMENT, id=number)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass
    assert cloud.end() == 1


def test_sealed_for_one_of_two_keys(hub):
    other = b64url(b"o" * 32)
    with Cloud(hub, seal_kid_other=other.encode()) as cloud:
        tunnel = cloud.open()
        for kid in (KID, other):
            tunnel.send({**authenticate(kid, "a1"), "jwe": jwe(kid=kid)})
            assert cloud.expect("AUTHENTICATE").reader().s() == kid
        tunnel.send({**authenticate("bad"), "jwe": jwe(kid=b64url(b"k" * 32))})
        assert tunnel.receive()["status"] == "bad_request"


def test_unanswered(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    cloud.send("UNANSWERED", u8(STATUS["directory_unavailable"]), id=cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["status"] == "directory_unavailable"
    tunnel.send({"id": "t", "type": "test"})
    cloud.send("UNANSWERED", u8(STATUS["internal"]), id=cloud.expect("TEST").id)
    assert tunnel.receive()["status"] == "internal"


def test_a_proof_that_could_not_be_made(hub, cloud):
    """The tunnel is given up at once and opened anew soon, however often: the hub refused nothing."""
    for _ in range(8):
        cloud.connect()
        tunnel = hub.tunnel()
        tunnel.challenge()
        cloud.send("UNANSWERED", u8(STATUS["internal"]), id=cloud.expect("TUNNEL_PROOF").id)
        assert tunnel.wait_closed() == 1011
    cloud.open()
    assert len(waits_of(cloud)) == 8 and max(waits_of(cloud)) <= 1000


def waits_of(cloud):
    """The waits before each next tunnel so far, in ms."""
    return [int(ms) for ms in re.findall(r"next try in (\d+) ms", cloud.log_text())]


@pytest.mark.skipif(sanitized("adc-cloud"), reason="AddressSanitizer has an allocator of its own")
def test_short_of_memory_for_a_message(hub, tmp_path):
    """Wherever in its reading: the tunnel ends and is opened anew soon, however often, for the hub
    has refused nothing."""
    faults = Faults(tmp_path)
    env = {"LD_PRELOAD": find_program("faults.so"), "ADC_FAULTS": faults.path}
    codes = []
    for every in (1, 4, 7, 10):
        with Cloud(hub, env=env) as cloud:
            for _ in range(6):
                tunnel = cloud.open()
                with faults.fault("adc-cloud", "allocate", errno.ENOMEM, every, times=1) as fault:
                    for n in range(3):
                        tunnel.send(authenticate(f"r{n}", f"a{n}"))
                    wait_until(lambda: fault.hits, "want of memory", 5)
                tunnel.close(1001)  # where the message alone was lost
                codes.append(tunnel.wait_closed())
            cloud.open()
            assert len(waits_of(cloud)) == 6 and max(waits_of(cloud)) <= 1000, every
    assert 1011 in codes, codes


def test_id_in_flight(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate("same", "a1"))
    tunnel.send(authenticate("same", "a2"))
    assert tunnel.receive() == {"id": "same", "type": "result", "status": "bad_request",
                                "reason": "id in flight already"}
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["status"] == "ok"


def test_limit_in_flight(hub, cloud):
    tunnel = cloud.open()
    for i in range(1025):
        tunnel.send(authenticate(f"r{i}", f"a{i}", deadline_ms=60000))
    result = tunnel.receive(20)
    assert (result["id"], result["status"]) == ("r1024", "connector_unavailable")
    asked = [cloud.expect("AUTHENTICATE", 20) for _ in range(1024)]
    cloud.verdict(asked[5].id, "ok", PROOF)
    assert tunnel.receive()["id"] == "r5"
    tunnel.send(authenticate("again", "again"))
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert tunnel.receive()["id"] == "again"


def test_test(hub, cloud):
    tunnel = cloud.open()
    tunnel.send({"id": "t1", "type": "test", "deadline_ms": 5000})
    message = cloud.expect("TEST")
    assert message.reader().u32() == 5000
    for i, passed in enumerate((1, 1, 0, 0)):
        cloud.send("TEST_RESULT", u8(i) + u8(passed) + u32(i * 10) + s(f"code{i}") + s("words") + s("hint"),
                   id=message.id)
    cloud.send("TEST_END", u8(0), id=message.id)
    result = tunnel.receive()
    assert result["status"] == "ok" and result["passed"] is False
    assert [x["step"] for x in result["steps"]] == STEPS
    assert [x["passed"] for x in result["steps"]] == [True, True, False, False]
    assert result["steps"][2] == {"step": "sign_in", "passed": False, "ms": 20, "code": "code2",
                                  "text": "words", "hint": "hint"}


@pytest.mark.parametrize("request_,status", [
    ({"type": "search_users"}, "unsupported"),
    ({"type": "reset_password", "username": "x"}, "unsupported"),
    ({"type": "nonsense"}, "unsupported"),
    ({"type": 5}, "bad_request"),
    ({}, "bad_request"),
    ({"type": "test", "deadline_ms": 0}, "bad_request"),
    ({"type": "test", "deadline_ms": 60001}, "bad_request"),
    ({"type": "test", "surplus": 1}, "bad_request"),
    ({**authenticate(), "connection": "other"}, "bad_request"),
    ({**authenticate(), "password": "x"}, "bad_request"),
    ({**authenticate(), "username": ""}, "bad_request"),
    ({**authenticate(), "jwe": jwe(kid=b64url(b"k" * 32))}, "bad_request"),
    ({**authenticate(), "jwe": {**jwe(), "unprotected": {}}}, "bad_request"),
    ({**authenticate(), "jwe": {**jwe(), "protected": b64url(b'{"enc":"A128GCM"}')}}, "bad_request"),
])
def test_refused_requests(hub, cloud, request_, status):
    """They are answered, reach nobody, and the tunnel stays."""
    tunnel = cloud.open()
    tunnel.send({**request_, "id": "bad"})
    result = tunnel.receive()
    assert (result["id"], result["status"]) == ("bad", status)
    tunnel.send(authenticate("good"))
    reader = cloud.expect("AUTHENTICATE").reader()
    assert (reader.s(), reader.s()) == (KID, "a1")


@pytest.mark.parametrize("text,code", [
    ("no json", 1007), ('{"id":"1","id":"2","type":"test"}', 1007), ("[1]", 1008), ('{"type":"test"}', 1008),
    ('{"id":"","type":"test"}', 1008), ('{"id":7,"type":"test"}', 1008), ("[" * 100, 1007),
    ('{"type":"welcome","time":1,"state":"approved"}', 1008),
    ('{"type":"challenge","nonce":"' + "x" * 43 + '"}', 1008),
    (b'{"id":"1","type":"\xff"}', 1007), (b'{"id":"1","type":"\xed\xa0\x80"}', 1007),
    ('{"id":"\\u0000","type":"test"}', 1007),
])
def test_what_closes_the_tunnel(hub, cloud, text, code):
    tunnel = cloud.open()
    tunnel.send(text)
    assert tunnel.wait_closed() == code
    cloud.state("waiting")
    cloud.open()


def padded(size):
    base = json.dumps({"id": "big", "type": "test"})
    return base + " " * (size - len(base))


def test_frame_limit(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(padded(65536))
    cloud.expect("TEST")
    tunnel.send(padded(65537))
    assert tunnel.wait_closed() == 1009


def test_frame_limit_counts_fragments(hub, cloud):
    tunnel = cloud.open()
    text = padded(65537).encode()
    tunnel.frame(TEXT, text[:60000], fin=False)
    tunnel.frame(0, text[60000:])
    assert tunnel.wait_closed() == 1009


def test_fragments(hub, cloud):
    tunnel = cloud.open()
    text = json.dumps({"id": "ö", "type": "test"}, ensure_ascii=False).encode()
    for i in range(len(text)):
        tunnel.frame(TEXT if i == 0 else 0, text[i:i + 1], fin=i == len(text) - 1)
    cloud.expect("TEST")


@pytest.mark.parametrize("how,code", [
    (dict(opcode=TEXT, data=b"{}", mask=True), 1002), (dict(opcode=TEXT, data=b"{}", rsv=4), 1002),
    (dict(opcode=TEXT, data=b"{}", rsv=1), 1002), (dict(opcode=3, data=b"x"), 1002),
    (dict(opcode=0, data=b"x"), 1002), (dict(opcode=BINARY, data=b"{}"), 1003),
    (dict(opcode=TEXT, data=b"x", length=2 ** 62), 1009), (dict(opcode=TEXT, data=b"\xc3(", ), 1007),
    (dict(opcode=CLOSE, data=struct.pack(">H", 1005)), 1002),
])
def test_bad_frames(hub, cloud, how, code):
    tunnel = cloud.open()
    tunnel.frame(**how)
    assert tunnel.wait_closed() == code
    cloud.state("waiting")


@pytest.mark.parametrize("raw", [b"\x89\x7e\x01\x00" + b"p" * 256, b"\x09\x00", b"\xff" * 14,
                                 b"\x81\xff" + b"\xff" * 8])
def test_broken_frames(hub, cloud, raw):
    tunnel = cloud.open()
    tunnel.raw(raw)
    tunnel.wait_closed()
    found = cloud.state("waiting")
    assert found.code == "protocol" and "(1002: the hub broke the WebSocket protocol)" in found.text
    cloud.open()


def test_the_reason_is_the_one_that_was_sent(hub, cloud):
    tunnel = cloud.open()
    tunnel.frame(TEXT, b'{"a":"\xff"}')
    assert tunnel.wait_closed() == 1007
    found = cloud.state("waiting")
    assert found.code == "protocol" and "(1007: the hub broke" in found.text


def test_answer_limit(hub, cloud):
    """A profile that does not fit into a frame: an honest "internal", not a broken tunnel."""
    tunnel = cloud.open()
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id, profile=b'"' * 600000)
    assert tunnel.receive()["status"] == "internal"
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id, profile=b"x" * 1000000)
    assert len(tunnel.receive(10)["profile"]) == 1000000


def test_profile_that_is_not_utf8(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    cloud.verdict(cloud.expect("AUTHENTICATE").id, profile=b"\xff\xfe")
    assert tunnel.receive()["status"] == "internal"


def test_requests_end_with_their_tunnel(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    id = cloud.expect("AUTHENTICATE").id
    tunnel.abort()
    cloud.state("waiting")
    again = cloud.open()
    cloud.verdict(id)
    again.send({"id": "r1", "type": "nonsense"})
    assert again.receive()["status"] == "unsupported"


# --- life and load ---------------------------------------------------------------------------


def test_pings_are_answered(hub, cloud):
    tunnel = cloud.open()
    for i in range(10):
        tunnel.frame(PING, b"%d" % i)
    assert [tunnel.messages.get(timeout=5) for _ in range(10)] == [("pong", b"%d" % i) for i in range(10)]


def test_ping_flood(hub, cloud):
    tunnel = cloud.open()
    for _ in range(200):
        tunnel.frame(PING, b"x")
    assert tunnel.wait_closed() == 1008
    assert tunnel.messages.qsize() <= 11


def test_a_message_in_many_frames(hub, cloud):
    """1,024 frames are one message; each more costs memory and is refused."""
    tunnel = cloud.open()
    message = json.dumps({"id": "r1", "type": "nonsense"}).ljust(1025).encode()
    for i in range(1024):
        tunnel.frame(TEXT if i == 0 else 0, message[i:i + 1], fin=i == 1023)
    assert tunnel.receive()["status"] == "unsupported"
    for i in range(1025):
        tunnel.frame(TEXT if i == 0 else 0, message[i:i + 1], fin=False)
    assert tunnel.wait_closed() == 1009


def test_pings_the_hub_and_notices_its_death(hub, cloud):
    """A ping after 15 s, dead 5 s after an unanswered one."""
    tunnel = cloud.open()
    opened = time.monotonic()
    tunnel.stop_reading()
    tunnel.hub.answers_pings = False
    found = cloud.state("waiting", 25)
    assert "does not answer any more" in found.text
    assert 19 < time.monotonic() - opened < 22


def test_stays_while_the_hub_answers(hub, cloud):
    tunnel = cloud.open()
    until = time.monotonic() + 22
    assert cloud.receive(22) is None
    assert time.monotonic() >= until - 0.1 and tunnel.pings >= 1 and not tunnel.ended.is_set()


def test_slow_hub_is_given_up(hub, cloud):
    """It reads nothing: at most 4 MiB wait here, then the tunnel is made anew."""
    tunnel = cloud.open()
    tunnel.stop_reading()
    before = int(cloud.status()["VmRSS"].split()[0])
    sent, found = 0, None
    while found is None and sent < 60:
        tunnel.send(authenticate(f"r{sent}", f"a{sent}"))
        message = cloud.receive(5)
        assert message is not None
        if message.name == "TUNNEL_STATE":
            found = State(message)
            break
        cloud.verdict(message.id, profile=b"x" * 500000)
        sent += 1
    assert found is not None and "does not read" in found.text, found
    assert sanitized("adc-cloud") or int(cloud.status()["VmRSS"].split()[0]) - before < 24000


def test_drain_of_the_hub(hub, cloud):
    """The new tunnel opens first; what is in flight on the old one is finished there."""
    old = cloud.open()
    old.send(authenticate("slow", "a1"))
    id = cloud.expect("AUTHENTICATE").id
    old.send({"id": "d", "type": "drain"})
    assert old.receive() == {"id": "d", "type": "result", "status": "ok", "reason": ""}
    new = cloud.open()
    assert not old.ended.is_set()
    wait_until(lambda: old.pings == 1, "nothing asks whether all has come", 5)
    old.send({"id": "x", "type": "nonsense"})
    assert old.receive()["id"] == "x"
    old.send(authenticate("late", "a2"))
    assert old.receive()["status"] == "connector_unavailable"
    new.send(authenticate("n", "a3"))
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert new.receive()["id"] == "n"
    cloud.verdict(id)
    assert old.receive()["id"] == "slow"
    assert old.wait_closed() == 1001
    assert not new.ended.is_set()
    # The end of the old one is no event for the parent.
    assert cloud.receive(0.3) is None


def test_what_crosses_a_new_tunnel_is_done(hub, cloud):
    """What the hub wrote before it welcomed the new tunnel: it is answered on the old one, which
    closes when the hub's pong says that nothing more can come."""
    hub.answers_pings = False
    old = cloud.open()
    old.send({"id": "d", "type": "drain"})
    old.receive()
    cloud.open()
    wait_until(lambda: old.pings == 1, "nothing asks whether all has come", 5)
    for i in range(3):
        old.send(authenticate(f"late{i}", f"a{i}"))
        cloud.verdict(cloud.expect("AUTHENTICATE").id)
        assert old.receive()["status"] == "ok"
    assert not old.ended.is_set()
    old.frame(PONG, b"echo")
    assert old.wait_closed() == 1001


def test_an_old_tunnel_without_a_pong_is_closed(hub, cloud):
    hub.answers_pings = False
    old = cloud.open()
    old.send({"id": "d", "type": "drain"})
    old.receive()
    new = cloud.open()
    old.frame(PONG, b"")
    old.frame(PONG, b"ecHo")
    assert old.wait_closed() == 1001
    assert not new.ended.is_set()


def test_drain_without_end_is_slowed_down(hub, cloud):
    started = time.monotonic()
    for i in range(5):
        tunnel = cloud.open()
        tunnel.send({"id": f"d{i}", "type": "drain"})
        assert tunnel.receive()["id"] == f"d{i}"
    # 125, 250, 500 and 1,000 ms at the least.
    assert time.monotonic() - started > 1.8


def test_drain_when_the_new_tunnel_fails_first(hub, cloud):
    old = cloud.open()
    old.send({"id": "d", "type": "drain"})
    old.receive()
    cloud.connect(refuse="connection refused")
    old.send(authenticate("still", "a1"))
    cloud.verdict(cloud.expect("AUTHENTICATE").id)
    assert old.receive()["id"] == "still"
    cloud.open()
    assert old.wait_closed() == 1001


def test_drain_and_the_old_one_is_closed_as_replaced(hub, cloud):
    old = cloud.open()
    old.send({"id": "d", "type": "drain"})
    old.receive()
    new = cloud.open()
    old.close(4409)
    assert cloud.receive(0.5) is None
    new.send({"id": "x", "type": "nonsense"})
    assert new.receive()["id"] == "x"


def test_drain_of_the_parent(hub, cloud):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    id = cloud.expect("AUTHENTICATE").id
    cloud.send("DRAIN")
    # Two sockets, so a request may still be read before the message that was sent first.
    for i in range(50):
        tunnel.send(authenticate(f"late{i}", f"late{i}"))
        wait_until(lambda: tunnel.messages.qsize() > 0 or
                   select.select([cloud.sock], [], [], 0)[0], "the login or its refusal")
        if tunnel.messages.qsize() > 0:
            break
        cloud.verdict(cloud.expect("AUTHENTICATE").id)
        assert tunnel.receive()["status"] == "ok"
    assert tunnel.receive()["status"] == "connector_unavailable"
    tunnel.send({"id": "x", "type": "nonsense"})
    assert tunnel.receive()["id"] == "x"
    assert not tunnel.ended.is_set()
    cloud.verdict(id)
    assert tunnel.receive()["status"] == "ok"
    assert tunnel.wait_closed() == 1001
    with pytest.raises(Gone):
        cloud.receive(2)
    assert cloud.end() == 0


@pytest.mark.parametrize("when", ["replaced", "idle", "before the tunnel", "between two tries"])
def test_drain_never_comes_back(hub, cloud, when):
    if when == "before the tunnel":
        cloud.connect()
        hub.tunnel()
    elif when == "between two tries":
        cloud.connect(refuse="no")
        cloud.state("waiting")
    else:
        tunnel = cloud.open()
        if when == "replaced":
            tunnel.send(authenticate())
            cloud.expect("AUTHENTICATE")
    cloud.send("DRAIN")
    if when == "replaced":
        tunnel.close(4409)
    with pytest.raises(Gone):
        while True:
            message = cloud.receive(5)
            assert message is not None and message.name != "CONNECT"
    assert cloud.end() == 0


def test_no_descriptor_is_lost(hub, cloud):
    cloud.open().abort()
    cloud.state("waiting")
    tunnel = cloud.open()
    count = cloud.descriptors()
    for i in range(2000):
        tunnel.send(authenticate(f"r{i}", f"a{i}"))
        cloud.verdict(cloud.expect("AUTHENTICATE").id)
        tunnel.receive()
    assert cloud.descriptors() == count


# --- through a proxy -------------------------------------------------------------------------


def with_proxy(proxy, **items):
    return dict(proxy_host=b"proxy.test", proxy_port=u16(proxy.port), **items)


def test_proxy(hub):
    with ConnectProxy(user="me", password="p: ä%") as proxy, \
            Cloud(hub, **with_proxy(proxy, proxy_user=b"me", proxy_password="p: ä%".encode())) as cloud:
        tunnel = cloud.open(port=proxy.port)
        tunnel.send({"id": "x", "type": "nonsense"})
        assert tunnel.receive()["id"] == "x"
        assert proxy.statuses() == [200]
        assert proxy.seen[0].target == f"127.0.0.1:{hub.port}" and proxy.seen[0].user == "me"


def test_proxy_without_login(hub):
    with ConnectProxy(user=None) as proxy, Cloud(hub, **with_proxy(proxy)) as cloud:
        cloud.open(port=proxy.port)


@pytest.mark.parametrize("items,words", [
    (dict(proxy_user=b"me", proxy_password=b"wrong"), "wants a (different) user name and password"),
    (dict(), "wants a user name and password")])
def test_proxy_refuses(hub, items, words):
    with ConnectProxy() as proxy, Cloud(hub, **with_proxy(proxy, **items)) as cloud:
        cloud.connect(proxy.port)
        found = cloud.state("waiting")
        assert found.code == "proxy_refused" and words in found.text
        assert "wrong" not in found.text + cloud.log_text()


@pytest.mark.parametrize("reply,code,words", [
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy_refused", "allow CONNECT"),
    (b"HTTP/1.1 502 Bad\r\n\r\n", "unreachable", "cannot reach"),
    (b"HTTP/1.1 301 Go\r\nLocation: http://evil.test\r\n\r\n", "proxy_refused", "301"),
    (b"rubbish\r\n\r\n", "proxy_refused", "no HTTP proxy"),
    (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 x\r\n", "proxy_refused", "cannot have said"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000, "proxy_refused", "too long"),
    (b"", "proxy_refused", "closed the connection"),
])
def test_bad_proxies(hub, reply, code, words):
    with raw_server(reply) as port, Cloud(hub, proxy_host=b"proxy.test", proxy_port=u16(3128)) as cloud:
        cloud.connect(port)
        found = cloud.state("waiting")
        assert found.code == code and words in found.text


# --- enrolment -------------------------------------------------------------------------------


def enrol(hub, port=None, connections=2, **items):
    with Cloud(hub, "enrol", **items) as cloud:
        for _ in range(connections):
            cloud.connect(port)
        result = cloud.enrolled()
        assert SECRET not in cloud.log_text() + result.text
        return result


@pytest.mark.parametrize("state,result", [("approved", "ok"), ("pending", "pending")])
def test_enrol(hub, state, result):
    hub.tickets[SECRET] = None
    hub.state = state
    enrolled = enrol(hub)
    assert (enrolled.state, enrolled.code) == (result, result if result == "pending" else "ok")
    assert enrolled.connection == "corp" and enrolled.id
    assert (enrolled.tunnel_url, enrolled.scim_url) == (hub.url("ws", "/tunnel"), hub.url("http", "/scim/v2"))
    assert [(r[0], r[1]) for r in hub.requests] == [("GET", f"/t/{SECRET}"), ("POST", f"/t/{SECRET}")]
    assert hub.requests[1][3].decode() == BODY
    assert hub.requests[1][2]["content-type"] == "application/json"
    assert hub.requests[0][2]["host"] == f"127.0.0.1:{hub.port}"


def test_enrol_with_pin(hub):
    hub.tickets[SECRET] = None
    assert enrol(hub, pin=hub.pin(), ca=None).state == "ok"


def test_enrol_waits_for_its_end(hub):
    hub.tickets[SECRET] = None
    with Cloud(hub, "enrol") as cloud:
        cloud.connect()
        cloud.connect()
        cloud.enrolled()
        assert cloud.receive(0.3) is None
        cloud.sock.close()
        assert cloud.end(2) == 0


@pytest.mark.parametrize("status,code,words", [
    (404, "ticket_unknown", "copy it again"), (409, "ticket_used_up", "used up"),
    (410, "ticket_expired", "expired"), (410, "ticket_revoked", "revoked"), (403, "rejected", "refuses")])
def test_bad_tickets(hub, status, code, words):
    hub.tickets[SECRET] = (status, code)
    # The first two may stand for a lost answer, which only the POST can tell.
    again = code in ("ticket_used_up", "ticket_expired")
    result = enrol(hub, connections=2 if again else 1)
    assert [r[0] for r in hub.requests] == (["GET", "POST"] if again else ["GET"])
    assert (result.state, result.code) == ("failed", code) and words in result.text
    assert (result.id, result.connection, result.tunnel_url) == ("", "", "")


def test_ticket_used_up_between(hub):
    """The GET was fine; another was faster with the POST."""
    hub.tickets[SECRET] = None
    hub.enrolled[SECRET] = ({"other": "keys"}, {})
    assert enrol(hub).code == "ticket_used_up"


def test_lost_answer_is_asked_for_again(hub):
    """The POST arrived and its answer did not: the same POST gets the same answer."""
    hub.tickets[SECRET] = None
    lost = []

    def responder(method, path, headers, body):
        if method == "POST" and not lost:
            lost.append(hub._ticket(method, path, body))
            return b""
        return None

    hub.responder = responder
    result = enrol(hub, connections=3)
    assert result.state == "ok" and result.id == hub.enrolled[SECRET][1]["connector_id"]
    assert result.id.encode() in lost[0]


def test_enrolled_before(hub):
    """The answer was lost with the whole process: the ticket is used up, and by these very keys."""
    hub.tickets[SECRET] = None
    first = enrol(hub)
    hub.tickets[SECRET] = (409, "ticket_used_up")
    again = enrol(hub)
    assert (again.state, again.id) == ("ok", first.id)


def test_lost_twice_is_reported(hub):
    hub.tickets[SECRET] = None
    hub.responder = lambda method, *rest: b"" if method == "POST" else None
    result = enrol(hub, connections=3)
    assert (result.state, result.code) == ("failed", "unreachable")


PAGE = {"type": "adconnector-ticket", "protocol": 1, "connection": "corp", "display_name": "x"}


@pytest.mark.parametrize("reply,code", [
    (answer(200, "<html>hello</html>", "text/html"), "not_a_ticket"),
    (answer(200, "{not json"), "not_a_ticket"),
    (answer(200, [1]), "not_a_ticket"),
    (answer(200, {"hello": 1}), "not_a_ticket"),
    (answer(404, "<html>", "text/html"), "not_a_ticket"),
    (answer(404, {"detail": "not found"}), "not_a_ticket"),
    (answer(200, {**PAGE, "protocol": 2}), "rejected"),
    (answer(200, {**PAGE, "tunnel_url": "wss://evil.test/tunnel", "scim_url": "https://evil.test/"}), "rejected"),
    (b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n", "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
     "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
     "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}x", "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n\r\n", "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", "not_a_ticket"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", "unreachable"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000 + b"\r\n\r\n", "not_a_ticket"),
    (b"SSH-2.0-OpenSSH_9\r\n", "not_a_ticket"),
    (b"", "unreachable"),
])
def test_what_is_no_ticket(hub, reply, code):
    hub.responder = lambda *request: reply
    result = enrol(hub, connections=1)
    assert (result.state, result.code) == ("failed", code), result.text
    assert len(hub.requests) == 1


@pytest.mark.parametrize("change", [
    {"tunnel_url": "wss://evil.test/tunnel"}, {"scim_url": "https://127.0.0.1:1/scim"}, {"connector_id": "a b"},
    {"connector_id": None}, {"state": "revoked"}, {"connection": "other"}, {"tunnel_url": None}])
def test_bad_results(hub, change):
    hub.tickets[SECRET] = None

    def responder(method, path, headers, body):
        if method == "GET":
            return None
        result = {"connector_id": "c", "connection": "corp", "state": "approved", **hub.urls(), **change}
        return answer(201, {k: v for k, v in result.items() if v is not None})

    hub.responder = responder
    result = enrol(hub)
    assert (result.state, result.code) == ("failed", "rejected") and result.id == ""


def test_enrol_body_drips(hub):
    """A byte now and then: the whole exchange has its 10 s and no more."""
    stop = threading.Event()
    with socket.socket() as server, FakeHub() as plain:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            peer, _ = server.accept()
            with peer, contextlib.suppress(OSError):
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n")
                while not stop.wait(0.5):
                    peer.sendall(b" ")

        threading.Thread(target=serve, daemon=True).start()
        with Cloud(plain, "enrol", ca=None) as cloud:
            started = time.monotonic()
            cloud.connect(server.getsockname()[1])
            result = cloud.enrolled(15)
            assert result.code == "unreachable" and 9.5 < time.monotonic() - started < 11
        stop.set()


def test_enrol_through_proxy(hub):
    hub.tickets[SECRET] = None
    with ConnectProxy(user="u", password="p") as proxy:
        result = enrol(hub, proxy.port, **with_proxy(proxy, proxy_user=b"u", proxy_password=b"p"))
        assert result.state == "ok" and proxy.statuses() == [200, 200]


@pytest.mark.parametrize("kind,code", [("expired", "tls_expired"), ("wrong_name", "tls_name"),
                                       ("other_ca", "tls_untrusted")])
def test_enrol_tls(kind, code):
    with FakeHub(issue(kind)) as hub:
        hub.tickets[SECRET] = None
        assert enrol(hub, connections=1).code == code
        assert hub.requests == []


def test_enrol_wrong_pin_sends_nothing(hub):
    hub.tickets[SECRET] = None
    result = enrol(hub, connections=1, pin=b"\0" * 32)
    assert result.code == "pin_mismatch" and hub.requests == []


# --- the process -----------------------------------------------------------------------------


@pytest.mark.parametrize("items", [
    dict(mode=b"both"), dict(mode=None), dict(hub_port=u16(0)), dict(hub_port=b"x"), dict(hub_host=b"a b"),
    dict(hub_host=b""), dict(hub_tls=u8(2)), dict(hub_tls=None), dict(pin=b"x" * 31), dict(pin=b"x" * 33),
    dict(tunnel_path=b"tunnel"), dict(tunnel_path=b"/t\r\nX: y"), dict(tunnel_path=b"/t u"), dict(connection=None),
    dict(seal_kid=None), dict(connection=b"c" * 65), dict(unknown=b"x"), dict(ca=b"no certificate"),
    dict(ca=None), dict(proxy_host=b"p"), dict(proxy_host=b"p", proxy_port=u16(1), proxy_user=b"a:b"),
    dict(proxy_host=b"p", proxy_port=u16(1), proxy_user=b"a", proxy_password=b"x\ny")])
def test_bad_configuration_ends_it(hub, items):
    with pytest.raises((Gone, BrokenPipeError, ConnectionResetError)) as found:
        Cloud(hub, **items)
    if found.type is Gone:
        assert found.value.args[0] == 1


@pytest.mark.parametrize("items", [dict(ticket_path=None), dict(ticket_path=b"/t/a b"), dict(enrol_body=None),
                                   dict(ticket_path=b"t/x"), dict(ticket_path=b"")])
def test_bad_enrolment_configuration(hub, items):
    with pytest.raises((Gone, BrokenPipeError, ConnectionResetError)):
        Cloud(hub, "enrol", **items)


EXPECTED = ("CONNECTED", "TUNNEL_PROVED", "VERDICT", "TEST_RESULT", "TEST_END", "UNANSWERED", "DRAIN",
            "REKEY_STATEMENT", "DIRECTORY_ANSWERS")


@pytest.mark.parametrize("name", [n for n in NUMBERS if n not in EXPECTED] + [250])
def test_every_other_message_ends_it(hub, cloud, name):
    cloud.send(name, b"\0" * 64, id=1)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass
    assert cloud.end() == 1


@pytest.mark.parametrize("name,payload", [
    ("VERDICT", u8(99) + s("") + s("") + s("")), ("VERDICT", u8(0) + s("") + s("") + s("") + b"\0"),
    ("VERDICT", u8(0) + s("") + s(b"\xff\xfe") + s("")), ("VERDICT", b"\0" * 13 + b"\xff" * 4),
    ("UNANSWERED", u8(0)), ("UNANSWERED", u8(99)), ("TEST_END", u8(0))])
def test_bad_replies_end_it(hub, cloud, name, payload):
    tunnel = cloud.open()
    tunnel.send(authenticate())
    cloud.send(name, payload, id=cloud.expect("AUTHENTICATE").id)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass
    assert cloud.end() == 1


def test_connected_needs_its_descriptor(hub, cloud):
    cloud.send("CONNECTED", u8(0) + s("h") + s("a") + s(""), id=cloud.expect("CONNECT").id)
    with pytest.raises(Gone):
        while cloud.receive(2):
            pass


def test_replies_nobody_waits_for(hub, cloud):
    tunnel = cloud.open()
    cloud.verdict(4711)
    with socket.socket() as sock:
        cloud.send("CONNECTED", u8(0) + s("h") + s("a") + s(""), id=4712, fd=sock.fileno())
    tunnel.send({"id": "x", "type": "nonsense"})
    assert tunnel.receive()["id"] == "x"


def test_sandbox_is_closed(hub, cloud):
    cloud.open()
    status = cloud.status()
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    assert cloud.descriptors() < 11
    if os.geteuid() == 0:
        assert os.readlink(f"/proc/{cloud.process.pid}/root").endswith("/empty")


def writable_memory(pid):
    """All that the process could have written to."""
    found = b""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            parts = line.split()
            if "w" not in parts[1] or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(x, 16) for x in parts[0].split("-"))
            with contextlib.suppress(OSError):
                memory.seek(start)
                found += memory.read(end - start)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads another process's memory")
def test_proxy_password_in_memory(hub):
    """Only in the one request that has to be sent again, never as it was given."""
    if sanitized("adc-cloud"):
        pytest.skip("built with sanitizers")
    password = "Marked-Proxy-Passw0rd-8d1f"
    with ConnectProxy(user="u", password=password) as proxy, \
            Cloud(hub, **with_proxy(proxy, proxy_user=b"u", proxy_password=password.encode())) as cloud:
        cloud.open(port=proxy.port)
        memory = writable_memory(cloud.process.pid)
        assert password.encode() not in memory
        header = base64.b64encode(f"u:{password}".encode())
        assert memory.count(header) == 1


@pytest.mark.parametrize("program", ["adc-cloud-liar", "adc-cloud-replay"])
def test_hostile_variants(hub, program):
    """The test programs lie as they should; the installed one holds nothing of it."""
    try:
        find_program(program)
    except FileNotFoundError:
        pytest.skip(f"{program}: built with configure --enable-test-programs")
    with Cloud(hub, program=program) as cloud:
        tunnel = cloud.open()
        if program == "adc-cloud-replay":
            tunnel.send(authenticate("r0", "a0"))
            cloud.verdict(cloud.expect("AUTHENTICATE").id, verdict="first.first.first")
            assert tunnel.receive()["status"] == "ok"
        for i in range(1, 5):
            tunnel.send(authenticate(f"r{i}", f"a{i}"))
            result = tunnel.receive()
            assert result["status"] == "ok" and ("profile" in result) == ("verdict" in result)
            if program == "adc-cloud-replay":
                assert result["verdict"] == "first.first.first"
        assert cloud.receive(0.2) is None
    with open(find_program("adc-cloud"), "rb") as file:
        assert b"test program" not in file.read()
