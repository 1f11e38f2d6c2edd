# SPDX-License-Identifier: ISC
"""The whole machine, with an enrolled connector that means harm: its keys are good, nothing else
need be.

The hub is the real one; beside the hostile connector an honest one serves another
connection.  For each misbehaviour: no process of the hub ends, none grows beyond its limit,
nobody is logged in wrongly, logins at the other connection go on meanwhile, and the audit's chain
holds.
"""

import hashlib
import json
import socket
import ssl
import struct
import threading
import time

import pytest

from tests.lab.fakeconnector import Closed, Connector, Key, b64
from tests.lab.population import ALICE
from tests.lab.process import wait_until

from . import install
from .stack import Stack, directory_settings

# Resident at its peak, KiB.
PEAK_MAX_KIB = {"adhubd": 16 << 10, "adc-spawner": 8 << 10, "adhub-store": 24 << 10,
                "adhub-gate public": 48 << 10, "adhub-gate control": 16 << 10}
GUID = "11111111-2222-3333-4444-555555555555"
MIB = 1 << 20


class Enrolled:
    """What Connector needs to know of a hub, and an identity at it."""

    def __init__(self, stack, identifier):
        self.stack = stack
        self.keys = {"sign": Key(), "seal": Key()}
        ticket = stack.ticket(identifier, auto_approve=True)
        secret = ticket.split("#")[0].rsplit("/", 1)[1]
        proof = {"ticket": b64(hashlib.sha256(secret.encode()).digest()), "name": "hostile",
                 "seal": self.keys["seal"].kid}
        answer = stack.request("POST", f"/t/{secret}", {
            "name": "hostile", "version": "0.1.0",
            "keys": {use: key.public for use, key in self.keys.items()},
            "proof": self.keys["sign"].sign("adconnector-enrol+jws", proof)})
        assert answer.status == 201, answer
        self.id, self.tunnel_url = answer.json["connector_id"], answer.json["tunnel_url"]
        assert answer.json["state"] == "approved"

    def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = socket.create_connection((self.stack.host, self.stack.port), 10)
        return context.wrap_socket(sock)

    def tunnel(self, **how):
        return Connector(self, self.id, self.keys, **how)


@pytest.fixture(scope="module")
def machine(installed, samba):
    with Stack() as stack:
        stack.add_connection("honest")
        connector = stack.add_connector(directory=directory_settings(samba))
        stack.enrol(connector, identifier="honest")
        connector.wait_directory("ok")
        stack.hub.expect("")  # what a hostile peer does may be said at any level
        yield stack


@pytest.fixture(autouse=True)
def all_stay_up(machine):
    """No process is another one afterwards, none has grown beyond its limit."""
    pids = machine.hub.pids()
    yield
    honest(machine)
    assert machine.hub.pids() == pids
    if not install.sanitized():
        peaks = {role: peak(pid) for role, pid in pids.items()}
        assert not {role: kib for role, kib in peaks.items() if kib > PEAK_MAX_KIB[role]}, peaks


@pytest.fixture
def hostile(machine, request):
    """A connection of its own for each case, so that being held out concerns no other."""
    identifier = "h%x" % (hash(request.node.name) & 0xffffffff)
    machine.add_connection(identifier)
    hub = Enrolled(machine, identifier)
    hub.identifier = identifier
    return hub


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def honest(machine):
    started = time.monotonic()
    assert machine.login("honest", "alice", ALICE.password)["status"] == "ok"
    assert time.monotonic() - started < 6


class Login(threading.Thread):
    """One login at the hostile connection; `answer` once it has ended."""

    def __init__(self, hub, name="alice"):
        super().__init__()
        self.hub, self.name_typed, self.answer = hub, name, None
        self.start()

    def run(self):
        self.answer = self.hub.stack.login(self.hub.identifier, self.name_typed, "Some-Password 1")

    def end(self):
        self.join(20)
        assert not self.is_alive(), "no answer by its deadline"
        return self.answer["status"]


# --- before the welcome ----------------------------------------------------------------------

HELLOS = {
    "another nonce": {"nonce": "A" * 43},
    "another hub's URL": {"tunnel_url": "wss://evil.example/tunnel"},
    "another connector": {"connector_id": "somebody-else"},
    "a connector that is none": {"connector_id": ""},
    "no version": {"version": None},
    "a host that is a number": {"host": 1},
    "a host of 100,000 bytes": {"host": "h" * 100000},
    "capabilities without end": {"capabilities": ["x"] * 1000},
    "capabilities that are none": {"capabilities": "authenticate"},
    "a key that is not registered": {"key": Key()},
    "another type of text": {"typ": "adconnector-verdict+jws"},
}


@pytest.mark.parametrize("what", HELLOS)
def test_hello(hostile, what):
    tunnel = hostile.tunnel(greet=False)
    tunnel.hello(**HELLOS[what])
    assert tunnel.closed() in (1008, 1009, 4401)


BEFORE = {
    "nothing": (b"", 1008),
    "no JSON": (b"\x81\x81mask" + bytes([ord("{") ^ ord("m")]), 1008),
    "a frame that begins with 1 GiB": (b"\x81\xff" + struct.pack(">Q", 1 << 30) + b"maskx", 1009),
    "a length of 2^63": (b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"mask", 1002),
    "an unmasked frame": (b"\x81\x02{}", 1002),
    "reserved bits": (b"\xf1\x80mask", 1002),
    "an opcode that is none": (b"\x83\x80mask", 1002),
    "a ping in fragments": (b"\x09\x80mask", 1002),
    "a close frame of one byte": (b"\x88\x81mask\x00", 1002),
    "TLS once more": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002),
}


@pytest.mark.parametrize("what", BEFORE)
def test_first_bytes(hostile, what):
    data, code = BEFORE[what]
    tunnel = hostile.tunnel(greet=False)
    if data:
        tunnel.sock.sendall(data)
    assert tunnel.closed(10) in (code, None)


def test_many_that_never_say_hello(machine, hostile):
    """Each has five seconds, so many of one address are let in, and honest ones are served
    meanwhile."""
    tunnels = []
    for _ in range(100):
        try:
            tunnels.append(hostile.tunnel(greet=False))
        except (OSError, AssertionError, Closed):
            pass  # more than one address may have
    honest(machine)
    assert 8 <= len(tunnels) < 100
    assert {tunnel.closed(10) for tunnel in tunnels} == {1008}


# --- frames ----------------------------------------------------------------------------------

FRAMES = {
    "binary": (2, b"binary", 1003),
    "bad UTF-8": (1, b'{"type":"status","text":"\xff"}', 1007),
    "no JSON": (1, b"{", 1007),
    "NUL": (1, b'{"type":"status","a":"\x00"}', 1007),
    "a NUL written out": (1, b'{"type":"status","a":"\\u0000"}', 1007),
    "a member twice": (1, b'{"type":"status","type":"status"}', 1007),
    "nested 17 deep": (1, b'{"type":"status","a":' + b"[" * 16 + b"]" * 16 + b"}", 1007),
    "nested 500,000 deep": (1, b"[" * 500000, 1007),
    "a mebibyte of empty objects": (1, b"[" + b"{}," * 340000 + b"{}]", 1007),
    "a number of 100,000 digits": (1, b'{"type":"status","a":' + b"9" * 100000 + b"}", 1007),
    "a message of a mebibyte and one byte": (1, b" " * (MIB + 1), 1009),
    "no object": (1, b"[]", 1008),
    "no type": (1, b"{}", 1008),
    "a second hello": (1, b'{"type":"hello","proof":"x"}', 1008),
    "a result without an id": (1, b'{"type":"result","status":"ok"}', 1008),
    "a status that is none": (1, b'{"type":"status","directory":"perhaps"}', 1008),
    "a type of another type": (1, b'{"type":["result"],"id":"a"}', 1008),
}


@pytest.mark.parametrize("what", FRAMES)
def test_frame(hostile, what):
    opcode, payload, code = FRAMES[what]
    tunnel = hostile.tunnel()
    try:
        tunnel.send_frame(opcode, payload)
    except OSError:
        pass  # refused by its header, before it had come
    assert tunnel.closed() in (code, None)


def test_a_message_of_a_byte_a_frame(hostile):
    tunnel = hostile.tunnel()
    try:
        for i in range(200000):
            tunnel.send_frame(1 if i == 0 else 0, b"x", first=0)
    except OSError:
        pass
    assert tunnel.closed() in (1009, None)


def test_a_message_that_never_ends(machine, hostile):
    """Bytes come slowly; it holds nobody up, and the ping's answer counts as a sign of life."""
    tunnel = hostile.tunnel()
    tunnel.sock.sendall(b"\x01\xfe" + struct.pack(">H", 60000) + b"mask")
    for _ in range(20):
        tunnel.sock.sendall(b"x")
        honest(machine)
    tunnel.close()


FLOODS = {
    "pings": (9, b"p" * 125),
    "pongs": (10, b"p" * 125),
    "results nobody waits for": (1, b'{"type":"result","id":"' + b"a" * 22 + b'","status":"ok"}'),
    "statuses": (1, b'{"type":"status","directory":"unavailable"}'),
    "types that are none": (1, b'{"type":"status","text":"' + b"x" * 10000 + b'"}'),
}


@pytest.mark.parametrize("what", FLOODS)
def test_flood(machine, hostile, what):
    opcode, payload = FLOODS[what]
    tunnel = hostile.tunnel()
    stop = threading.Event()

    def flood():
        try:
            while not stop.is_set():
                tunnel.send_frame(opcode, payload)
        except OSError:
            pass
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(5):
            honest(machine)
    finally:
        stop.set()
        tunnel.sock.close()
        thread.join()


def test_one_that_never_reads(machine, hostile):
    """What the hub queues for it has a limit; logins at it end by their deadline."""
    tunnel = hostile.tunnel()
    logins = [Login(hostile) for _ in range(20)]
    honest(machine)
    assert {login.end() for login in logins} <= {"timeout", "connector_unavailable"}
    tunnel.close()


def test_tunnels_without_end(machine, hostile):
    """Its rows in the audit are bounded, and one says what happened."""
    mark = machine.audit_mark()
    refused = 0
    for _ in range(100):
        try:
            hostile.tunnel().close()
        except Closed:
            refused += 1
    assert refused >= 60
    rows = [row for row in machine.audit(after=mark, limit=1000)
            if row["connector"] == hostile.id]
    assert len(rows) <= 100
    assert [row["event"] for row in rows].count("tunnel_held_out") == 1


# --- answers ---------------------------------------------------------------------------------

def ok(tunnel, request, **changes):
    return tunnel.result(request, profile='{"id":"' + GUID + '"}', **changes)


ANSWERS = {
    "ok without a verdict": lambda t, r: {"id": r["id"], "type": "result", "status": "ok"},
    "wrong password without a verdict":
        lambda t, r: {"id": r["id"], "type": "result", "status": "invalid_credentials"},
    "a status that is none": lambda t, r: {"id": r["id"], "type": "result", "status": "fine"},
    "a verdict on another attempt": lambda t, r: ok(t, r, attempt="another"),
    "a verdict on another connection": lambda t, r: ok(t, r, connection="honest"),
    "a verdict on another person": lambda t, r: ok(t, r, username="bob"),
    "a verdict by another key": lambda t, r: ok(t, r, key=Key()),
    "a text of another kind": lambda t, r: ok(t, r, typ="adconnector-hello+jws"),
    "ok that is not proven": lambda t, r: ok(t, r, proven=False),
    "ok for nobody": lambda t, r: t.result(r, sub=None),
    "a wrong password that is proven": lambda t, r: ok(t, r, status="invalid_credentials"),
    "a sub that is no GUID": lambda t, r: t.result(r, sub="x" * 36),
    "a profile that is another": lambda t, r: ok(t, r, frame={"profile": '{"id":"x"}'}),
    "a profile that is no JSON":
        lambda t, r: t.result(r, profile='{}, "status": "ok", "user": {'),
    "a profile that is missing": lambda t, r: {
        key: value for key, value in ok(t, r).items() if key != "profile"},
    "a verdict that is no text": lambda t, r: dict(ok(t, r), verdict=1),
    "a verdict without a signature":
        lambda t, r: dict(ok(t, r), verdict=ok(t, r)["verdict"].rsplit(".", 1)[0] + "."),
    "a verdict of 100,000 bytes": lambda t, r: dict(ok(t, r), verdict="a" * 100000),
    "a reason of 100,000 bytes": lambda t, r: ok(t, r, reason="r" * 100000),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answer(machine, hostile, what):
    """Nobody is logged in by it, and the audit has it."""
    mark = machine.audit_mark()
    tunnel = hostile.tunnel()
    login = Login(hostile)
    tunnel.send(ANSWERS[what](tunnel, tunnel.json()))
    assert login.end() == "internal"
    wait_until(lambda: [row for row in machine.audit(after=mark, event="verdict_refused")
                        if row["connector"] == hostile.id], "a row in the audit", 5)
    tunnel.close()


def test_answers_twice_and_late(machine, hostile):
    tunnel = hostile.tunnel()
    login = Login(hostile)
    request = tunnel.json()
    for _ in range(3):
        tunnel.send(tunnel.result(request, "invalid_credentials", proven=False, profile=None))
    tunnel.send(ok(tunnel, request))
    assert login.end() == "invalid_credentials"
    login = Login(hostile)
    late = tunnel.json()
    tunnel.send(tunnel.result(dict(request, id=late["id"])))  # the first one's verdict again
    assert login.end() == "internal"
    tunnel.close()


def test_answers_for_another_connector(machine, hostile):
    """It guesses what the honest one was asked: the hub goes by the tunnel that was asked."""
    tunnel = hostile.tunnel()
    mark = machine.audit_mark()
    honest(machine)
    attempt = wait_until(lambda: machine.audit(after=mark, event="login"), "a row in the audit",
                         5)[-1]["attempt"]
    tunnel.send(tunnel.result({"id": attempt, "attempt": attempt, "connection": "honest",
                               "username": "alice"}))
    tunnel.send_frame(9, b"still there?")
    assert tunnel.frame() == (10, b"still there?")
    tunnel.close()


def test_gone_with_a_login_in_flight(hostile):
    tunnel = hostile.tunnel()
    login = Login(hostile)
    tunnel.json()
    tunnel.close()
    assert login.end() == "connector_unavailable"


def test_the_largest_profile(machine, hostile):
    profile = json.dumps({"id": GUID, "groups": ["g" * 60] * 15000}, separators=(",", ":"))
    tunnel = hostile.tunnel()
    login = Login(hostile)
    tunnel.send(tunnel.result(tunnel.json(), profile=profile))
    assert login.end() in ("ok", "internal")
    tunnel.close()


def test_the_audit_holds(machine):
    honest(machine)
    assert machine.hubctl("audit", "verify", check=0).json["ok"] is True
