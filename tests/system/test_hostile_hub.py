# SPDX-License-Identifier: ISC
"""The whole connector, with a hub that means harm or is broken: its key is the pinned one,
nothing else need be.

One connector stands all of it, but for the slow cases, which have one each and run at the same
time.  For each: no process is another one afterwards or has grown, no login is answered wrongly
or twice, the log says what happened, and a good hub gets service again, by itself.
"""

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import os
import queue
import re
import secrets
import ssl
import struct
import tempfile
import time

import pytest
from jwcrypto import jwk, jws

from tests.lab import namespace
from tests.lab.fakehub import PING, PONG, TEXT, FakeHub, answer
from tests.lab.hostile_ldap import HostileLdap
from tests.lab.listener import Listener
from tests.lab.process import wait_until
from tests.lab.tls import CertificateAuthority

from . import sealing
from .stack import Connector, write_password
from .watch import Watch

AUTHORITY = CertificateAuthority()
CERTIFICATE = AUTHORITY.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
# How long after a fault that lasted a moment the next tunnel may take.
BACK_S = 4
# With a second for a busy machine.
DEADLINE_S = 11
# How many logins may wait for one person (src/connector/directory/seats.h).
SEAT_WAITERS_MAX = 64
# How many lines like another are written in each second (src/common/log.c).
LOG_BURST = 50
CONTINUATION = 0


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload(token):
    """Of a JWS, unchecked."""
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Machine:
    """A connector with its directory, and the hub that it is enrolled to."""

    def __init__(self, folder, server, hub):
        self.server, self.hub = server, hub
        self.keys = self.tunnel = None
        self.welcomed = 0  # where the log was then
        self.connector = Connector(os.path.basename(folder), folder, {
            "log": {"level": "debug"}, "directory": {
                "server": [f"ldaps://127.0.0.1:{server.port}"], "user": server.service_dn,
                "password_file": write_password(os.path.dirname(folder), server.service_password),
                "tls": {"ca": os.path.join(os.path.dirname(folder), "ca.pem")}}})
        self.connector.start()

    def ticket(self):
        secret = secrets.token_urlsafe(24)
        self.hub.tickets[secret] = None
        return secret, f"https://{self.hub.origin}/t/{secret}#pin=sha256:{b64url(self.hub.pin())}"

    def good(self):
        """The hub behaves from now on."""
        self.hub.responder = self.hub.accept = None
        self.hub.show(CERTIFICATE)

    def enrol(self):
        """Anew: another identity, and processes that have no fault to wait for."""
        self.good()
        secret, url = self.ticket()
        mark = self.welcomed = len(self.connector.log())
        self.connector.ctl("enroll", input=url, check=0)
        self.keys, self.identity = self.hub.enrolled[secret]
        self.tunnel = self.welcome()
        self.said(mark, "parent: directory: ready")
        self.connector.wait_directory("ok")

    def welcome(self, seconds=BACK_S):
        """The next tunnel of the identity in force, open and told so. What the connector has said
        since the one before that it waits is not counted: it grows with the failures that the host
        is slow to see."""
        begin = time.monotonic()
        while True:
            waits = re.findall(r"next try in (\d+) ms", self.connector.log()[self.welcomed:])
            end = begin + seconds + max(map(int, waits), default=0) / 1000
            with contextlib.suppress(queue.Empty):
                tunnel = self.hub.tunnel(min(1, max(0.01, end - time.monotonic())))
                if tunnel.ended.is_set():
                    continue
                tunnel.challenge()
                wait_until(lambda: tunnel.messages.qsize() or tunnel.ended.is_set() or
                           time.monotonic() > end, "the hello, or an end", 120)
                with contextlib.suppress(queue.Empty):
                    hello = payload(tunnel.receive(0.01)["proof"])
                    if hello["connector_id"] == self.identity["connector_id"]:
                        tunnel.welcome()
                        self.connector.wait_tunnel("online")
                        self.welcomed = len(self.connector.log())
                        return tunnel
            assert time.monotonic() < end, "the connector does not come back"

    def request(self, name="alice", password=None, changes=None, **members):
        """The message of a login."""
        password = password or self.server.people[name].password
        plain = sealing.content(name, password, int(time.time()), "corp", changes)
        seal = self.keys["seal"]
        attempt = secrets.token_urlsafe(12)
        return {"id": attempt, "type": "authenticate", "attempt": attempt, "connection": "corp",
                "username": name, **members,
                "jwe": sealing.seal(plain, [{"kid": sealing.thumbprint(seal), "jwk": seal}])}

    def checked(self, request, result):
        """The status of a result; what counts is signed, and about this request."""
        assert (result["id"], result["type"]) == (request["id"], "result"), result
        if "verdict" not in result:
            assert result["status"] not in ("ok", "invalid_credentials"), result
            return result["status"]
        token = jws.JWS()
        token.deserialize(result["verdict"])
        token.verify(jwk.JWK(**self.keys["sign"]))
        verdict = json.loads(token.payload)
        assert [verdict[key] for key in ("attempt", "connection", "username", "status")] == [
            request["attempt"], "corp", request["username"], result["status"]]
        assert verdict["proven"] == (result["status"] == "ok")
        return result["status"]

    def login(self, tunnel=None, name="alice", password=None, **members):
        tunnel = tunnel or self.tunnel
        request = self.request(name, password, **members)
        tunnel.send(request)
        return self.checked(request, tunnel.receive(DEADLINE_S))

    def works(self, tunnel=None):
        """Right is right, and wrong is wrong."""
        assert self.login(tunnel) == "ok"
        assert self.login(tunnel, "bob", "wrong") == "invalid_credentials"
        assert self.connector.ctl("status").status == 0

    def code(self):
        return self.connector.status()["tunnel"]["code"]

    def said(self, mark, words, seconds=5):
        """The log has a line with these words, since the mark."""
        wait_until(lambda: re.search(words, self.connector.log()[mark:]),
                   f"{words} in the log", seconds)


@pytest.fixture(scope="module")
def server():
    certificate = AUTHORITY.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
    with HostileLdap(certificate) as one:
        yield one


@pytest.fixture(scope="module")
def new_machine(installed, server):
    """new_machine() → an enrolled Machine of its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(
            prefix="adc-hub-", dir=namespace.folder()))
        os.chmod(folder, 0o711)
        with open(f"{folder}/ca.pem", "wb") as file:
            file.write(AUTHORITY.pem)

        def make():
            hub = stack.enter_context(FakeHub(CERTIFICATE))
            hub.sorts = True
            machine = Machine(f"{folder}/{secrets.token_hex(4)}", server, hub)
            stack.callback(machine.connector.stop)
            machine.enrol()
            return machine

        yield make


@pytest.fixture(scope="module")
def machine(new_machine):
    return new_machine()


@pytest.fixture
def standing(machine):
    """A tunnel that is there before and after, and works."""
    if machine.tunnel.ended.is_set():
        machine.enrol()
    watch = Watch(machine.connector)
    yield machine
    assert not machine.tunnel.ended.is_set()
    machine.works()
    assert machine.tunnel.messages.empty()
    watch.check()


@pytest.fixture
def broken(machine):
    """A new tunnel, to be broken; another one comes by itself, and works."""
    machine.enrol()
    watch = Watch(machine.connector)
    yield machine
    machine.good()
    machine.tunnel = machine.welcome()
    machine.works()
    watch.check()


# Requests


def other_key():
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    return {"kid": key.thumbprint(), "jwk": json.loads(key.export_public())}


def sealed_for(machine, recipients, **changes):
    plain = sealing.content("alice", "x", int(time.time()), "corp", changes)
    return sealing.seal(plain, recipients)


def own(machine):
    seal = machine.keys["seal"]
    return {"kid": sealing.thumbprint(seal), "jwk": seal}


def bent(**changes):
    """A sealed text with other values in its members."""
    return lambda m: m.request()["jwe"] | changes


REQUESTS = {
    "unknown_type": (dict(type="search_users"), "unsupported"),
    "long_type": (dict(type="x" * 33), "bad_request"),
    "type_is_a_number": (dict(type=1), "bad_request"),
    "unknown_member": (dict(host="127.0.0.1"), "bad_request"),
    "other_connection": (dict(connection="other"), "bad_request"),
    "deadline_0": (dict(deadline_ms=0), "bad_request"),
    "deadline_60001": (dict(deadline_ms=60001), "bad_request"),
    "deadline_is_a_text": (dict(deadline_ms="1"), "bad_request"),
    "deadline_is_huge": (dict(deadline_ms=1 << 62), "bad_request"),
    "no_attempt": (dict(attempt=""), "bad_request"),
    "long_attempt": (dict(attempt="a" * 65), "bad_request"),
    "attempt_with_a_newline": (dict(attempt="a\nerror: parent: forged"), "bad_request"),
    "no_username": (dict(username=""), "bad_request"),
    "long_username": (dict(username="u" * 1025), "bad_request"),
    "username_of_another": (dict(username="bob"), "bad_request"),
    "username_is_an_object": (dict(username={"a": 1}), "bad_request"),
    "no_jwe": (dict(jwe=None), "bad_request"),
    "jwe_is_a_text": (dict(jwe="x" * 60000), "bad_request"),
    "jwe_for_another": (dict(jwe=lambda m: sealed_for(m, [other_key()])), "bad_request"),
    "jwe_twice_for_us": (dict(jwe=lambda m: sealed_for(m, [own(m), own(m)])), "bad_request"),
    "jwe_for_nine": (dict(jwe=lambda m: sealed_for(m, [own(m)] + [
        other_key() for _ in range(8)])), "bad_request"),
    "jwe_of_an_hour_ago": (dict(jwe=lambda m: sealed_for(
        m, [own(m)], iat=int(time.time()) - 3600)), "bad_request"),
    "jwe_of_tomorrow": (dict(jwe=lambda m: sealed_for(
        m, [own(m)], iat=int(time.time()) + 86400)), "bad_request"),
    "jwe_for_another_work": (dict(jwe=lambda m: sealed_for(
        m, [own(m)], op="change_password")), "bad_request"),
    "jwe_with_another_tag": (dict(jwe=bent(tag="A" * 22)), "bad_request"),
    "jwe_with_a_short_iv": (dict(jwe=bent(iv="AAAA")), "bad_request"),
    "jwe_with_a_header": (dict(jwe=bent(unprotected={"zip": "DEF"})), "bad_request"),
    "jwe_with_other_encryption": (dict(jwe=bent(protected=b64url(b'{"enc":"A128GCM"}'))),
                                  "bad_request"),
    "jwe_too_long": (dict(jwe=bent(ciphertext="A" * 30000)), "bad_request"),
}


@pytest.mark.parametrize("changes,status", REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_is_wrong(standing, changes, status):
    """It is answered, once, without asking the directory."""
    machine = standing
    binds = len(machine.server.binds)
    request = machine.request()
    for key, value in changes.items():
        request[key] = value(machine) if callable(value) else value
    machine.tunnel.send(request)
    result = machine.tunnel.receive()
    assert (result["id"], result["status"]) == (request["id"], status), result
    assert len(machine.server.binds) == binds
    assert "\nerror: parent: forged" not in machine.connector.log()


def test_the_same_text_again(standing):
    """A password that was sealed once is good for one try."""
    request = standing.request()
    standing.tunnel.send(request)
    assert standing.checked(request, standing.tunnel.receive()) == "ok"
    for _ in range(20):
        again = {**request, "id": secrets.token_urlsafe(8), "attempt": secrets.token_urlsafe(8)}
        standing.tunnel.send(again)
        assert standing.checked(again, standing.tunnel.receive()) == "bad_request"


def test_an_id_that_is_in_flight(standing):
    """Two results of one id, as the protocol says, and one of them is the answer."""
    request = standing.request()
    standing.tunnel.send(request)
    standing.tunnel.send({**standing.request(), "id": request["id"]})
    statuses = {standing.tunnel.receive()["status"] for _ in range(2)}
    assert statuses in ({"ok", "bad_request"}, {"ok"})


def test_work_after_the_deadline(standing):
    """One result, and nothing later."""
    slow = standing.request(deadline_ms=1)
    standing.tunnel.send(slow)
    assert standing.checked(slow, standing.tunnel.receive()) in ("timeout", "ok")
    assert standing.login(name="carol") == "ok"


def test_a_thousand_logins_of_one_user(standing):
    """Each is answered once, by its deadline; some are refused for the lock-out's sake: until
    it is known how the others end, they count as failures."""
    def all_of(count):
        requests = {request["id"]: request for request in (
            standing.request("carol") for _ in range(count))}
        for request in requests.values():
            standing.tunnel.send(request)
        return [standing.checked(requests.pop(result["id"]), result) for result in (
            standing.tunnel.receive(DEADLINE_S) for _ in range(len(requests)))]

    # One that binds and as many as may wait for it: nobody of these is refused.
    statuses = all_of(SEAT_WAITERS_MAX + 1)
    assert set(statuses) == {"ok"}
    statuses += all_of(1000 - len(statuses))
    assert set(statuses) <= {"ok", "lockout_protected", "timeout", "connector_unavailable"}
    assert statuses.count("ok") > 100


def test_more_requests_than_may_be(standing):
    """Right and wrong ones: those beyond the limit are refused at once, none gets another's
    answer."""
    requests = {}
    for number in range(1200):
        request = standing.request("alice", None if number % 2 else f"wrong {number}")
        requests[request["id"]] = (request, number % 2)
    for request, _ in requests.values():
        standing.tunnel.send(request)
    for _ in range(1200):
        result = standing.tunnel.receive(DEADLINE_S)
        request, right = requests.pop(result["id"])
        assert standing.checked(request, result) != ("invalid_credentials" if right else "ok")


def test_unknown_requests_without_end(standing):
    """Each is answered; the log is not flooded."""
    before = standing.connector.log().count("unknown type")
    begin = int(time.monotonic())
    for number in range(5000):
        standing.tunnel.send({"id": str(number), "type": "sync_now"})
    assert {standing.tunnel.receive()["id"] for _ in range(5000)} == set(map(str, range(5000)))
    seconds = int(time.monotonic()) - begin + 1
    assert standing.connector.log().count("unknown type") - before <= LOG_BURST * seconds


def test_states_that_change(standing):
    """Not approved: nobody logs in; and it is not held against the connector."""
    for _ in range(20):
        standing.tunnel.send({"type": "state", "state": "pending"})
        assert standing.login() == "not_allowed"
        standing.tunnel.send({"type": "state", "state": "approved"})
        assert standing.login() == "ok"


# Frames


def test_a_message_in_pieces(standing):
    """Frames of two bytes, and the whole in writes of one."""
    request = standing.request()
    data = json.dumps(request).encode()
    data += b" " * (len(data) % 2)
    for at in range(0, min(len(data), 2000), 2):
        last = at + 2 >= 2000 or at + 2 >= len(data)
        standing.tunnel.frame(TEXT if at == 0 else CONTINUATION,
                              data[at:] if last else data[at:at + 2], fin=last)
    assert standing.checked(request, standing.tunnel.receive()) == "ok"
    request = standing.request()
    data = json.dumps(request).encode()
    standing.tunnel.raw_bytes(struct.pack(">BBH", 0x81, 126, len(data)) + data)
    assert standing.checked(request, standing.tunnel.receive()) == "ok"


def test_pings_between_fragments(standing):
    request = standing.request()
    data = json.dumps(request).encode()
    standing.tunnel.frame(TEXT, data[:100], fin=False)
    standing.tunnel.frame(PING, b"p" * 125)
    assert standing.tunnel.messages.get(timeout=5) == ("pong", b"p" * 125)
    standing.tunnel.frame(CONTINUATION, data[100:])
    assert standing.checked(request, standing.tunnel.receive()) == "ok"


def test_pongs_that_nobody_asked_for(standing):
    for _ in range(5000):
        standing.tunnel.frame(PONG, b"p" * 125)


def frame(first, second, rest=b""):
    return bytes([first, second]) + rest


def message(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def text(value):
    """A text frame."""
    data = message(value)
    return b"\x81" + (bytes([len(data)]) if len(data) < 126 else struct.pack(
        ">BH", 126, len(data)) if len(data) < 65536 else struct.pack(">BQ", 127, len(data))) + data


BREACH, BAD_TEXT, TOO_LONG = (rf"{code}: the hub broke the WebSocket protocol"
                              for code in (1002, 1007, 1009))
ENDED = r"next try in \d+ ms"
UNSAID = {1005}  # a frame that cannot be read: the close frame gives no reason
# What breaks a tunnel: the bytes, the close codes that answer it, words of the log.
FRAMES = {
    "masked": (frame(0x81, 0x82, b"\0\0\0\0{}"), {1002}, BREACH),
    "masked_ping": (frame(0x89, 0x80, b"\0\0\0\0"), {1002}, BREACH),
    "binary": (frame(0x82, 2, b"{}"), {1003}, "not a text"),
    "binary_in_pieces": (frame(2, 1, b"{") + frame(0x80, 1, b"}"), {1003}, "not a text"),
    "continuation_of_nothing": (frame(0x80, 2, b"{}"), {1002}, BREACH),
    "text_in_a_text": (frame(1, 1, b"{") + frame(0x81, 1, b"}"), {1002}, BREACH),
    "pieces_without_end": (frame(1, 0) + frame(0, 0) * 2000, {1009}, "too many frames"),
    "long_ping": (frame(0x89, 126, struct.pack(">H", 126) + b"p" * 126), UNSAID, BREACH),
    "huge_ping": (frame(0x89, 127, struct.pack(">Q", 1 << 40)), UNSAID, BREACH),
    "ping_in_pieces": (frame(9, 0), UNSAID, BREACH),
    "close_in_pieces": (frame(8, 0), UNSAID, BREACH),
    "pings": (frame(0x89, 0) * 1000, {1008}, "too many pings"),
    "long_text": (text(b"[" + b" " * 65535 + b"]"), {1009}, TOO_LONG),
    "huge_text": (frame(0x81, 127, struct.pack(">Q", (1 << 63) - 1)), {1009}, TOO_LONG),
    "length_with_sign": (frame(0x81, 127, struct.pack(">Q", 1 << 63)), UNSAID, BREACH),
    "long_pieces": ((frame(1, 126, struct.pack(">H", 60000)) + b" " * 60000 +
                     frame(0x80, 126, struct.pack(">H", 60000)) + b" " * 60000), {1009},
                    TOO_LONG),
    "length_written_long": (frame(0x81, 126, struct.pack(">H", 2) + b"{}"), UNSAID, BREACH),
    "length_written_longer": (frame(0x81, 127, struct.pack(">Q", 200) + b" " * 200), UNSAID,
                              BREACH),
    "close_of_one_byte": (frame(0x88, 1, b"x"), UNSAID, ENDED),
    "close_with_bad_utf8": (frame(0x88, 4, b"\x03\xe8\xff\xff"), {1002, 1007}, ENDED),
    "zeros": (bytes(5000), {1002}, BREACH),
    "ones": (b"\xff" * 5000, UNSAID, BREACH),
    "an_answer_of_http": (answer(200, {}), UNSAID, BREACH),
    "bad_utf8": (text(b'{"a":"\xff"}'), {1007}, BAD_TEXT),
    "overlong_utf8": (text(b'{"a":"\xc0\x80"}'), {1007}, BAD_TEXT),
    "half_a_pair_in_utf8": (text(b'{"a":"\xed\xa0\x80"}'), {1007}, BAD_TEXT),
    "cut_utf8": (text(b'{"a":"\xe2\x82'), {1007}, BAD_TEXT),
    "half_an_escaped_pair": (text(b'{"id":"1","type":"\\ud800"}'), {1007}, "refused: "),
    "empty": (text(b""), {1007}, "refused: "),
    "no_json": (text(b"rubbish"), {1007}, "refused: "),
    "cut_short": (text(b'{"id": "1", "type": "te'), {1007}, "ends too early"),
    "something_behind": (text(b'{"id":"1","type":"test"}{}'), {1007}, "something else"),
    "twice": (text(b'{"id":"1","type":"test","type":"drain"}'), {1007}, "a member twice"),
    "id_twice": (text(b'{"id":"1","id":"2","type":"test"}'), {1007}, "a member twice"),
    "nul": (text(b'{"id":"1\\u0000","type":"test"}'), {1007}, "contains NUL"),
    "raw_nul": (text(b'{"id":"1\0","type":"test"}'), {1007}, "contains NUL"),
    "deep": (text(b'{"id":"1","type":' + b"[" * 17 + b"]" * 17 + b"}"), {1007}, "too deeply"),
    "very_deep": (text(b"[" * 32000 + b"]" * 32000), {1007}, "too deeply"),
    "huge_number": (text(b'{"id":"1","type":1' + b"0" * 400 + b"}"), {1007}, "refused: "),
    "array": (text([]), {1008}, "not a JSON object"),
    "no_id": (text({"type": "authenticate"}), {1008}, "neither a request"),
    "id_is_empty": (text({"id": "", "type": "test"}), {1008}, "bad id"),
    "id_is_long": (text({"id": "i" * 65, "type": "test"}), {1008}, "bad id"),
    "id_is_a_number": (text({"id": 1, "type": "test"}), {1008}, "bad id"),
    "id_is_null": (text({"id": None, "type": "test"}), {1008}, "bad id"),
    "hello": (text({"type": "hello", "proof": "x"}), {1008}, "neither a request"),
    "result": (text({"type": "result", "status": "ok"}), {1008}, "neither a request"),
    "challenge": (text({"type": "challenge", "nonce": "A" * 43}), {1008}, "not at this point"),
    "welcome": (text({"type": "welcome", "time": 1, "state": "approved"}), {1008},
                "not at this point"),
    "odd_state": (text({"type": "state", "state": "chosen"}), {1008}, "neither a request"),
}
FRAMES.update({f"reserved_bits_{bits}": (frame(0x81 | bits << 4, 2, b"{}"), {1002}, BREACH)
               for bits in (1, 2, 4, 7)})
FRAMES.update({f"opcode_{code}": (frame(0x80 | code, 2, b"{}"), {1002}, BREACH)
               for code in (3, 11, 15)})


@pytest.mark.parametrize("data,codes,words", FRAMES.values(), ids=FRAMES)
def test_what_breaks_a_tunnel(broken, data, codes, words):
    """It is closed from here, with the reason, which the log has too."""
    mark = len(broken.connector.log())
    broken.tunnel.raw(data + text(broken.request()))
    assert broken.tunnel.wait_closed() in codes
    broken.said(mark, words)
    assert broken.tunnel.messages.empty()


# Ends

CODES = [1000, 1001, 1003, 1008, 1009, 1011, 3000, 4000, 4408]


@pytest.mark.parametrize("code", CODES)
def test_a_close_code(broken, code):
    mark = len(broken.connector.log())
    broken.tunnel.close(code, "tired")
    broken.said(mark, rf"the hub closed the tunnel \({code}: tired\); next try in \d+ ms")


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 5000, 65535])
def test_a_close_code_that_may_not_be(broken, code):
    """It is an end like any other."""
    mark = len(broken.connector.log())
    broken.tunnel.close(code)
    broken.said(mark, ENDED)


def test_a_reason_that_forges_lines(broken):
    mark = len(broken.connector.log())
    broken.tunnel.close(1000, "x\nerror: parent: forged\x1b[2J\r")
    broken.said(mark, ENDED)
    log = broken.connector.log()[mark:]
    assert "\nerror: parent: forged" not in log and "\x1b" not in log


@pytest.mark.parametrize("code,state,word,words", [
    (4401, "refused", "refused", "does not know this connector"),
    (4403, "refused", "revoked", "has revoked this connector"),
    (4429, "waiting", "held_out", r"holds all of them out .*; next try in 60000 ms")])
def test_a_close_code_that_keeps_it_away(machine, code, state, word, words):
    """Until it is enrolled again; the state says why."""
    machine.enrol()
    watch = Watch(machine.connector)
    mark = len(machine.connector.log())
    tried = machine.hub.connections
    machine.tunnel.close(code)
    machine.said(mark, words)
    machine.connector.wait(lambda: machine.connector.tunnel() == state, state, 5)
    assert machine.code() == word
    watch.check()
    assert machine.hub.connections == tried
    machine.enrol()
    machine.works()


def test_replaced(broken):
    """4409: a copy, says the state; it comes back after two seconds at the earliest."""
    broken.tunnel.close(4409)
    ended = time.monotonic()
    broken.connector.wait(lambda: broken.code() == "replaced", "replaced", 5)
    broken.tunnel = broken.welcome(6)
    assert time.monotonic() - ended > 1.5
    broken.tunnel.abort()


def abort(machine):
    machine.tunnel.abort()


def half_a_message(machine):
    machine.tunnel.raw(text(machine.request())[:500])
    time.sleep(0.05)  # so that it has come before the end does
    machine.tunnel.abort()


def logins_in_flight(machine):
    """Their results are nobody's any more."""
    for _ in range(50):
        machine.tunnel.send(machine.request("carol"))
    machine.tunnel.abort()


def below_tls(data):
    def run(machine):
        machine.tunnel.raw_below(data)
    return run


SUDDEN = {
    "reset": abort, "half_a_message": half_a_message, "logins_in_flight": logins_in_flight,
    "rubbish_below_tls": below_tls(b"rubbish" * 100),
    "alert_in_clear": below_tls(b"\x15\x03\x03\0\2\2\x28"),
    "record_of_zeros": below_tls(b"\x17\x03\x03\0\x40" + bytes(64)),
    "empty_records": below_tls(b"\x17\x03\x03\0\0" * 1000),
    "huge_record": below_tls(b"\x17\x03\x03\xff\xff" + bytes(70000)),
    "hello_below_tls": below_tls(b"\x16\x03\x03\0\4\0\0\0\0"),
}


@pytest.mark.parametrize("act", SUDDEN.values(), ids=SUDDEN)
def test_a_sudden_end(broken, act):
    mark = len(broken.connector.log())
    act(broken)
    broken.tunnel.wait_closed()
    broken.said(mark, ENDED)


def test_a_hub_that_does_not_read(broken):
    """Answers that nobody takes have a limit, and so has what is kept of them."""
    mark = len(broken.connector.log())
    broken.tunnel.stop_reading()
    broken.tunnel.raw(b"".join(text({"id": f"{number:064}", "type": "sync_plan"})
                               for number in range(150000)))
    broken.said(mark, "does not read what it is sent", 20)


def test_drain_without_end(broken):
    """A hub that drains every tunnel does not have it run in circles; logins go on."""
    opened = 0
    tunnel = broken.tunnel
    end = time.monotonic() + 4
    while time.monotonic() < end:
        tunnel.send({"id": "drain", "type": "drain"})
        assert tunnel.receive()["status"] == "ok"
        with contextlib.suppress(AssertionError):
            tunnel = broken.welcome(1)
            opened += 1
            broken.works(tunnel)
    assert 1 <= opened < 8
    tunnel.abort()


# Before the welcome

NONCE = {"type": "challenge", "nonce": "A" * 43}
GREETINGS = {
    "welcome_first": ([{"type": "welcome", "time": 1, "state": "approved"}], {1008}),
    "request_first": ([{"id": "1", "type": "test"}], {1008}),
    "drain_first": ([{"id": "1", "type": "drain"}], {1008}),
    "state_first": ([{"type": "state", "state": "approved"}], {1008}),
    "short_nonce": ([{"type": "challenge", "nonce": "A" * 42}], {1008}),
    "odd_nonce": ([{"type": "challenge", "nonce": "!" * 43}], {1008}),
    "two_challenges": ([NONCE, NONCE], {1008}),
    "request_then_hello": ([NONCE, {"id": "1", "type": "test"}], {1008}),
    "odd_welcome": ([NONCE, {"type": "welcome", "time": -1, "state": "approved"}], {1008}),
    "welcome_of_nobody": ([NONCE, {"type": "welcome", "time": 1, "state": "perhaps"}], {1008}),
    "rubbish": ([b"rubbish"], {1007}),
    "challenge_twice_in_one": ([b'{"type":"challenge","type":"challenge"}'], {1007}),
    "too_much": ([b"[" + b" " * 4096 + b"]"], {1009}),
    "too_much_in_pieces": ([NONCE] + [b"[" + b" " * 1024 + b"]"] * 5, {1007, 1008, 1009}),
}


@pytest.mark.parametrize("messages,codes", GREETINGS.values(), ids=GREETINGS)
def test_before_the_welcome(broken, messages, codes):
    broken.tunnel.abort()
    tunnel = broken.hub.tunnel()
    for one in messages:
        tunnel.send(one)
    assert tunnel.wait_closed() in codes


@pytest.mark.parametrize("phase", ["upgraded", "challenged", "hello"])
def test_a_reset_before_the_welcome(broken, phase):
    broken.tunnel.abort()
    tunnel = broken.hub.tunnel()
    if phase != "upgraded":
        tunnel.challenge()
    if phase == "hello":
        tunnel.receive()
    tunnel.abort()
    tunnel.wait_closed()


# Upgrades


def page(status, extra="", body="{}"):
    return lambda hub, headers: answer(status, body, extra=extra)


def upgraded(**changes):
    return lambda hub, headers: hub.upgrade_answer(headers, **changes)


def edited(old, new):
    return lambda hub, headers: hub.upgrade_answer(headers).replace(old, new)


ATTACKER = "http://127.0.0.9:8900"
NO_TUNNEL, NO_SERVER = "no tunnel at that address", "not that of a WebSocket server"
UPGRADES = {
    **{f"status_{status}": (page(status), NO_TUNNEL)
       for status in (200, 204, 401, 404, 429, 503)},
    **{f"redirect_{status}": (page(status, f"Location: {ATTACKER}/tunnel\r\n"), NO_TUNNEL)
       for status in (301, 307)},
    "wrong_accept": (upgraded(Sec_WebSocket_Accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA="), NO_SERVER),
    "no_accept": (upgraded(Sec_WebSocket_Accept=None), NO_SERVER),
    "long_accept": (upgraded(Sec_WebSocket_Accept="A" * 4000), NO_SERVER),
    "no_upgrade": (upgraded(Upgrade=None), NO_SERVER),
    "other_upgrade": (upgraded(Upgrade="h2c"), NO_SERVER),
    "no_connection": (upgraded(Connection="close"), NO_SERVER),
    "no_protocol": (upgraded(Sec_WebSocket_Protocol=None), "does not speak"),
    "other_protocol": (upgraded(Sec_WebSocket_Protocol="adconnector.v2"), "does not speak"),
    "extension": (upgraded(Sec_WebSocket_Extensions="permessage-deflate"), "extension"),
    "long_head": (upgraded(X="x" * 9000), "."),
    "head_without_end": (lambda hub, headers: b"HTTP/1.1 101 X\r\n" + b"X: x\r\n" * 200000, "."),
    "bare_lf": (edited(b"\r\n", b"\n"), "."),
    "nul": (edited(b"Upgrade: ", b"Upgrade:\0"), "."),
    "folded": (edited(b"Upgrade: websocket", b"Upgrade:\r\n websocket"), "."),
    "http_2": (edited(b"HTTP/1.1", b"HTTP/2.0"), "."),
    "rubbish": (lambda hub, headers: os.urandom(3000) + b"\r\n\r\n", "."),
    "continue_first": (lambda hub, headers: b"HTTP/1.1 100 Continue\r\n\r\n" +
                       hub.upgrade_answer(headers), NO_TUNNEL),
    "nothing": (lambda hub, headers: b"", "closed"),
    "half": (lambda hub, headers: hub.upgrade_answer(headers)[:60], "closed"),
}


@pytest.fixture(scope="module")
def attacker():
    """Where redirections lead: nobody may come."""
    with Listener("127.0.0.9", 8900) as listener:
        yield listener
        assert listener.accepted == 0


@pytest.mark.parametrize("make,words", UPGRADES.values(), ids=UPGRADES)
def test_an_upgrade(broken, attacker, make, words):
    asked = []

    def responder(_method, path, headers, _body):
        if path != "/tunnel":
            return None
        asked.append(path)
        return make(broken.hub, headers)

    broken.hub.responder = responder
    mark = len(broken.connector.log())
    broken.tunnel.abort()
    wait_until(lambda: asked, "the upgrade", 5)
    broken.said(mark, rf"{words}.*; next try in \d+ ms")
    assert attacker.accepted == 0


# TLS


def sends(data, wait=True):
    """Before TLS: these bytes, in the place of a handshake."""
    async def accept(reader, writer):
        if wait:
            await reader.read(5)
        writer.write(data)
        await writer.drain()
        return True
    return lambda hub: setattr(hub, "accept", accept)


async def _reset(_reader, writer):
    writer.transport.abort()
    return True


async def _reset_in_handshake(reader, writer):
    await reader.read(5)
    writer.transport.abort()
    return True


def shows(certificate, **options):
    return lambda hub: hub.show(certificate, **options)


OTHER = AUTHORITY.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
TLS = {
    "another_key": (shows(OTHER), {"pin_mismatch"}),
    "a_key_of_another_ca": (shows(CertificateAuthority().issue("127.0.0.1", [], ["127.0.0.1"])),
                            {"pin_mismatch"}),
    "tls_1_1": (lambda hub: hub.show(CERTIFICATE) or hub.context.set_ciphers("ALL:@SECLEVEL=0")
                or setattr(hub.context, "minimum_version", ssl.TLSVersion.TLSv1)
                or setattr(hub.context, "maximum_version", ssl.TLSVersion.TLSv1_1),
                {"tls_failed"}),
    "closed": (sends(b"", wait=False), {"tls_failed", "unreachable"}),
    "closed_in_handshake": (sends(b""), {"tls_failed", "unreachable"}),
    "reset": (lambda hub: setattr(hub, "accept", _reset), {"tls_failed", "unreachable"}),
    "reset_in_handshake": (lambda hub: setattr(hub, "accept", _reset_in_handshake),
                           {"tls_failed", "unreachable"}),
    "http": (sends(answer(400, {})), {"tls_failed"}),
    "zeros": (sends(bytes(20000)), {"tls_failed"}),
    "ones": (sends(b"\xff" * 20000), {"tls_failed"}),
    "alert": (sends(b"\x15\x03\x03\0\2\2\x28"), {"tls_failed"}),
    "close_notify": (sends(b"\x15\x03\x03\0\2\1\0"), {"tls_failed"}),
    "warnings": (sends(b"\x15\x03\x03\0\2\1\x5a" * 5000), {"tls_failed"}),
    "empty_records": (sends(b"\x16\x03\x03\0\0" * 5000), {"tls_failed"}),
    "huge_record": (sends(b"\x16\x03\x03\xff\xff" + bytes(70000)), {"tls_failed"}),
    "huge_hello": (sends((b"\x16\x03\x03\x40\0\2\xff\xff\xff" + bytes(16380)) * 20),
                   {"tls_failed"}),
    "client_hello": (sends(b"\x16\x03\x03\0\4\1\0\0\0"), {"tls_failed"}),
    "data_first": (sends(b"\x17\x03\x03\0\4abcd"), {"tls_failed"}),
    "change_cipher_spec": (sends(b"\x14\x03\x03\0\1\1" * 100), {"tls_failed"}),
    "huge_chain": (shows(CERTIFICATE, more=AUTHORITY.pem * 300), {"tls_failed"}),
}


@pytest.mark.parametrize("act,codes", TLS.values(), ids=TLS)
def test_a_handshake(broken, act, codes):
    """Nothing is asked of such a hub; the state says what is wrong."""
    asked = len(broken.hub.requests)
    mark = len(broken.connector.log())
    act(broken.hub)
    broken.tunnel.abort()
    broken.connector.wait(lambda: broken.code() in codes, f"one of {codes}", 6)
    broken.said(mark, ENDED)
    assert len(broken.hub.requests) == asked


def test_the_same_key_in_another_certificate(broken):
    """Renewed, for another name, long expired: the pin is on the key, and it is the same."""
    with_key = AUTHORITY.issue("127.0.0.1")
    with_key.pem, with_key.key_pem = CERTIFICATE.pem, CERTIFICATE.key_pem
    broken.hub.show(with_key, num_tickets=100)
    broken.tunnel.abort()
    broken.tunnel = broken.welcome()
    broken.works()
    broken.tunnel.abort()


# Enrolment to another hub, while this one serves


def raw(data):
    return lambda urls: data


def body(**changes):
    """The page about a ticket, with other members."""
    return lambda urls: answer(200, {
        "type": "adconnector-ticket", "protocol": 1, "connection": "corp",
        "display_name": "Example", **urls, **changes})


PAGES = {
    **{f"redirect_{status}": raw(answer(status, {}, extra=f"Location: {ATTACKER}/t/x\r\n"))
       for status in (301, 302, 303, 307, 308)},
    "nothing": raw(b""), "rubbish": raw(b"\xff" * 3000 + b"\r\n\r\n"),
    "no_content": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "html": raw(answer(200, "<html>", "text/html")),
    "no_length": raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}"),
    "chunks": raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "coded": raw(answer(200, {}, extra="Content-Encoding: gzip\r\n")),
    "two_lengths": raw(answer(200, {}, extra="Content-Length: 3\r\n")),
    "huge": raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: 99999999999\r\n\r\n" + b" " * 1000000),
    "long": raw(answer(200, "[" + " " * 70000 + "]")),
    "long_head": raw(answer(200, {}, extra="X: " + "x" * 9000 + "\r\n")),
    "head_without_end": raw(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200000),
    "cut_short": raw(answer(200, {"type": "adconnector-ticket"})[:-5]),
    "continues": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "deep": raw(answer(200, "[" * 30000 + "]" * 30000)),
    "twice": raw(answer(200, '{"type":"adconnector-ticket","type":"adconnector-ticket"}')),
    "bad_utf8": raw(answer(200, b'{"type":"adconnector-ticket\xff"}')),
    "other_type": body(type="something"), "other_protocol": body(protocol=2),
    "protocol_is_a_text": body(protocol="1"), "no_connection": body(connection=""),
    "long_connection": body(connection="c" * 65), "long_name": body(display_name="n" * 257),
    "other_host": body(tunnel_url="wss://127.0.0.9:8900/tunnel"),
    "in_clear": body(tunnel_url="ws://127.0.0.1:1/tunnel"),
    "long_url": body(tunnel_url="wss://127.0.0.1:1/" + "x" * 1024),
    "odd_url": body(scim_url="https://127.0.0.1\r\nX: y"),
    "error_that_forges": raw(answer(403, {"error": {
        "code": "rejected", "message": "x\nerror: parent: forged\x1b[2J"}})),
    "long_error": raw(answer(403, {"error": {"code": "rejected", "message": "x" * 60000}})),
    "unknown_error": raw(answer(418, {"error": {"code": "teapot", "message": ""}})),
}


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_a_page_that_is_no_ticket(standing, attacker, make):
    """Enrolling fails with a reason; who serves goes on."""
    def responder(method, path, _headers, _body):
        return make(standing.hub.urls()) if path.startswith("/t/") else None

    standing.hub.responder = responder
    result = standing.connector.ctl("enroll", input=standing.ticket()[1])
    standing.hub.responder = None
    assert result.status == 1 and result.json["error"]["message"], result
    assert "\nerror: parent: forged" not in standing.connector.log()
    assert "\x1b" not in standing.connector.log() and attacker.accepted == 0


RESULTS = {
    "not_created": lambda result: answer(200, result),
    "no_identifier": lambda result: answer(201, {**result, "connector_id": ""}),
    "odd_identifier": lambda result: answer(201, {**result, "connector_id": "../x"}),
    "long_identifier": lambda result: answer(201, {**result, "connector_id": "x" * 65}),
    "odd_state": lambda result: answer(201, {**result, "state": "chosen"}),
    "other_host": lambda result: answer(201, {**result, "tunnel_url": "wss://127.0.0.9:8900/t"}),
    "redirect": lambda result: answer(307, {}, extra=f"Location: {ATTACKER}/t/x\r\n"),
    "huge": lambda result: b"HTTP/1.1 201 C\r\nContent-Length: 99999999999\r\n\r\n" +
                           b" " * 1000000,
    "twice": lambda result: answer(201, '{"connector_id":"a","connector_id":"b"}'),
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_a_result_of_enrolling_that_is_wrong(standing, attacker, make):
    def responder(method, path, _headers, _body):
        if method != "POST":
            return None
        return make({"connector_id": "abc", "connection": "corp", "state": "approved",
                     **standing.hub.urls()})

    standing.hub.responder = responder
    result = standing.connector.ctl("enroll", input=standing.ticket()[1])
    standing.hub.responder = None
    assert result.status == 1 and result.json["error"]["message"], result
    assert attacker.accepted == 0


# Slow ones, all at the same time, each with a connector of its own


def dripped(data, pause=0.1):
    async def reply(_reader, writer):
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)
    return reply


async def silent(reader, _writer):
    await reader.read()
    return True


async def _dripped_handshake(reader, writer):
    """The hub's own flight, a byte at a time."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fd = os.memfd_create("certificate")
    try:
        os.write(fd, CERTIFICATE.pem + CERTIFICATE.key_pem)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    while outgoing.pending == 0:
        incoming.write(await reader.read(4096))
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()
    await dripped(outgoing.read())(reader, writer)
    return True


def on_tunnel(reply):
    """A responder for the upgrade alone."""
    return lambda hub: setattr(hub, "responder", lambda method, path, headers, _body: (
        reply(hub, headers) if path == "/tunnel" else None))


def challenged(machine):
    machine.hub.tunnel().challenge()


# What the hub does, what a tunnel that came needs, the code that the state shows.
SLOW = {
    "silence_before_tls": (lambda hub: setattr(hub, "accept", silent), None, 10),
    "handshake_by_bytes": (lambda hub: setattr(hub, "accept", _dripped_handshake), None, 10),
    "silence_before_the_upgrade": (on_tunnel(lambda hub, headers: silent), None, 5),
    "upgrade_by_bytes": (on_tunnel(lambda hub, headers: dripped(hub.upgrade_answer(headers))),
                         None, 5),
    "no_challenge": (lambda hub: None, lambda machine: machine.hub.tunnel(), 5),
    "no_welcome": (lambda hub: None, challenged, 5),
}


def slow_case(machine, kind):
    """(seconds until it gave the hub up, whether it came back and worked)."""
    start, then, _ = SLOW[kind]
    watch = Watch(machine.connector)
    mark = len(machine.connector.log())
    start(machine.hub)
    begun = time.monotonic()
    machine.tunnel.abort()
    if then is not None:
        then(machine)
    wait_until(lambda: re.search(r"within \d+ ms; next try", machine.connector.log()[mark:]),
               f"{kind}: giving up {machine.connector.log()[mark:]}", 20)
    seconds = time.monotonic() - begun
    machine.good()
    machine.tunnel = machine.welcome(15)
    machine.works()
    watch.check()
    return seconds


def slow_page(machine):
    """An enrolment whose answer comes by bytes: the one in force serves meanwhile."""
    machine.hub.responder = lambda method, path, _headers, _body: (
        dripped(answer(200, {})) if path.startswith("/t/") else None)
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(machine.connector.ctl, "enroll", input=machine.ticket()[1])
        while not result.done():
            machine.works()
            time.sleep(0.2)
    assert result.result().status == 1, result.result()
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def slow_ones(new_machine):
    """{kind: future of the seconds}"""
    machines = {kind: new_machine() for kind in SLOW}
    other = new_machine()
    with concurrent.futures.ThreadPoolExecutor(len(SLOW) + 1) as pool:
        yield {**{kind: pool.submit(slow_case, machines[kind], kind) for kind in SLOW},
               "page_by_bytes": pool.submit(slow_page, other)}


@pytest.mark.parametrize("kind,after", [*((kind, one[2]) for kind, one in SLOW.items()),
                                        ("page_by_bytes", 10)])
def test_a_slow_hub_is_given_up(slow_ones, kind, after):
    assert after - 1 < slow_ones[kind].result() < after + 4
