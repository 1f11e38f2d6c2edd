# SPDX-License-Identifier: ISC
"""adc-directory with its parent played here: it gets real connections to a real
directory, and sealed passwords made by an implementation of its own.
"""

import base64
import json
import os
import socket
import sys
import time
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import ANSWER_S, STATUS, STATUS_WORDS, Child, s, u8, u16, u32, u64  # noqa: E402

CONNECTION = "corp"
LDAP, LDAPS, DISCOVERY = range(3)
TLS_LDAPS, TLS_STARTTLS, TLS_NONE = range(3)
NOT_CONFIGURED, CONNECTING, OK, FAILED = range(4)
STEPS = {0: "reach", 1: "tunnel", 2: "sign_in", 3: "read"}
EXPLAIN_STEPS = ["name", "person", "account", "groups", "policy", "lockout", "bind"]


def jti():
    return base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()


def seal(username, password, op="authenticate", connection=CONNECTION, iat=None, id=None,
         raw=None):
    """(Z, epk, wrapped key, iv, tag, ciphertext) as a connector's parent hands them over.

    Z is chosen, not agreed: the point is the parent's business.  raw replaces the content.
    """
    if raw is None:
        raw = json.dumps({
            "v": 1, "op": op, "connection": connection, "username": username,
            "iat": int(time.time()) if iat is None else iat, "jti": id or jti(),
            "password": password}, ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 256)
    z, epk, key, iv = os.urandom(32), os.urandom(64), os.urandom(32), os.urandom(12)
    algorithm = b"ECDH-ES+A256KW"
    info = len(algorithm).to_bytes(4, "big") + algorithm + bytes(8) + (256).to_bytes(4, "big")
    kek = ConcatKDFHash(hashes.SHA256(), 32, info).derive(z)
    protected = base64.urlsafe_b64encode(b'{"enc":"A256GCM"}').rstrip(b"=")
    sealed = AESGCM(key).encrypt(iv, raw, protected)
    return z, epk, aes_key_wrap(kek, key), iv, sealed[-16:], sealed[:-16]


def check_password(username, parts, attempt="a", deadline=5000, hub_time=None):
    z, epk, wrapped, iv, tag, ciphertext = parts
    now = u64(int(time.time()) if hub_time is None else hub_time)
    return z + now + s(attempt) + u32(deadline) + s(username) + epk + wrapped + iv + tag + s(ciphertext)


class Checked:
    def __init__(self, message):
        r = message.reader()
        self.status = STATUS_WORDS[r.u8()]
        self.proven = bool(r.u8())
        self.reason = r.s()
        self.found = bool(r.u8())
        self.guid = str(uuid.UUID(bytes_le=r.fixed(16)))
        text = r.bytes()
        self.profile = json.loads(text) if text else None
        self.microseconds = r.u32()
        r.end()

    def __repr__(self):
        return f"<{self.status} {self.reason} proven={self.proven} {self.guid}>"


class State:
    def __init__(self, message):
        r = message.reader()
        self.state, self.code, self.text, self.server = r.u8(), r.s(), r.s(), r.s()
        self.base, self.netbios, self.realm = r.s(), r.s(), r.s()
        self.open, self.busy = r.u16(), r.u16()
        r.end()

    def __repr__(self):
        return f"<state {self.state} {self.code} {self.text!r} {self.server} {self.base} " \
               f"{self.netbios} {self.realm} {self.open}/{self.busy}>"


class Step:
    def __init__(self, message):
        r = message.reader()
        self.step, self.passed, self.ms = STEPS[r.u8()], bool(r.u8()), r.u32()
        self.code, self.text, self.hint = r.s(), r.s(), r.s()
        r.end()

    def __repr__(self):
        return f"<{self.step} {self.passed} {self.code} {self.text!r} {self.hint!r}>"


class Directory(Child):
    """servers: (address, port, name for the certificate, scheme)."""

    def __init__(self, servers, user, password, base="", tls_mode=TLS_LDAPS, ca_file=None,
                 connection=CONNECTION, minimum=1, maximum=16, tls_name="", deny_privileged=True,
                 allow_groups=(), deny_groups=(), margin=2, unknown=3, env=None,
                 preload=None):
        super().__init__("adc-directory", env=env, preload=preload)
        self.servers, self.password, self.ca_file = list(servers), password, ca_file
        # What the parent would do wrong on purpose.
        self.hold_password = self.hold_connect = False
        self.told_address = None
        self.password_asks = self.connects = 0
        self.ids = 0
        self.states, self.steps, self.ended, self.answers = [], [], set(), {}
        self.held = []
        self.explained, self.explanations = {}, {}
        groups = lambda names: u16(len(names)) + b"".join(s(name) for name in names)
        self.items = [("server", u16(i) + u8(scheme) + s(name) + u16(port))
                      for i, (_, port, name, scheme) in enumerate(self.servers)]
        self.items += [
            ("tls_mode", u8(tls_mode)), ("tls_name", tls_name.encode()), ("base", base.encode()),
            ("user", user.encode()), ("connection", connection.encode()),
            ("min_connections", u16(minimum)), ("max_connections", u16(maximum)),
            ("deny_privileged", u8(deny_privileged)), ("allow_groups", groups(allow_groups)),
            ("deny_groups", groups(deny_groups)), ("lockout_margin", u8(margin)),
            ("lockout_threshold_unknown", u16(unknown))]

    def start(self, ready=ANSWER_S):
        if self.ca_file is None:
            self.configure(self.items, ready=ready)
        else:
            with open(self.ca_file, "rb") as file:
                self.configure(self.items, [("ca", file.fileno())], ready=ready)
        return self

    def next_id(self):
        self.ids += 1
        return self.ids

    def connected(self, id, index):
        self.connects += 1
        address, port, name, _ = self.servers[index]
        try:
            sock = socket.create_connection((address, port), 2)
        except OSError as error:
            self.send("CONNECTED", u8(STATUS["directory_unavailable"]) + s(name) + s(address)
                      + s(f"{name} is not reachable: {error.strerror}"), id)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.send("CONNECTED",
                      u8(STATUS["ok"]) + s(name) + s(self.told_address or address) + s(""), id,
                      sock.fileno())
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended; receiving says so
        sock.close()

    def not_connected(self, id, index):
        address, _, name, _ = self.servers[index]
        self.send("CONNECTED", u8(STATUS["directory_unavailable"]) + s(name) + s(address) +
                  s(f"{name} is not reachable"), id)

    def handle(self, message):
        if message.name == "CONNECT":
            r = message.reader()
            assert r.u8() == 0
            index, deadline = r.u16(), r.u32()
            r.end()
            assert 0 < deadline <= 60000
            if self.hold_connect:
                self.held.append((message.id, index))
            else:
                self.connected(message.id, index)
        elif message.name == "SERVICE_PASSWORD_GET":
            self.password_asks += 1
            if not self.hold_password:
                try:
                    self.send("SERVICE_PASSWORD", s(self.password), message.id)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # as in connected()
        elif message.name == "DIRECTORY_STATE":
            self.states.append(State(message))
        elif message.name == "CHECKED":
            assert message.id not in self.answers
            self.answers[message.id] = Checked(message)
        elif message.name == "EXPLAIN_STEP":
            r = message.reader()
            step = (EXPLAIN_STEPS[r.u8()], bool(r.u8()), r.u32(), r.s(), r.s())
            r.end()
            self.explained.setdefault(message.id, []).append(step)
        elif message.name == "EXPLAIN_END":
            assert message.id not in self.explanations
            r = message.reader()
            self.explanations[message.id] = (STATUS_WORDS[r.u8()], bool(r.u8()), r.s())
            r.end()
        elif message.name == "TEST_STEP":
            self.steps.append((message.id, Step(message)))
        elif message.name == "TEST_DIRECTORY_END":
            assert message.payload == b""
            self.ended.add(message.id)
        else:
            raise AssertionError(f"unexpected {message}")

    def pump(self, until, timeout=10.0, what="it"):
        """Plays the parent until the condition holds."""
        end = time.monotonic() + timeout
        while not until():
            message = self.receive(max(0.0, end - time.monotonic()))
            assert message is not None, f"{what} did not come in {timeout} s; {self.states[-3:]}"
            self.handle(message)

    def quiet(self, seconds):
        """Plays the parent for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None:
                self.handle(message)

    @property
    def state(self):
        return self.states[-1] if self.states else None

    def up(self, timeout=10.0):
        self.pump(lambda: self.state is not None and self.state.state == OK, timeout, "state ok")
        return self

    def failed(self, timeout=10.0):
        self.pump(lambda: self.state is not None and self.state.state == FAILED, timeout,
                  "state failed")
        return self.state

    def ask(self, username, password=None, deadline=5000, parts=None, hub_time=None, **sealed):
        """Sends one login; its id."""
        id = self.next_id()
        parts = parts or seal(sealed.pop("sealed_username", username), password, **sealed)
        self.send("CHECK_PASSWORD", check_password(username, parts, f"a{id}", deadline, hub_time),
                  id)
        return id

    def answer(self, id, timeout=10.0):
        self.pump(lambda: id in self.answers, timeout, f"answer {id}")
        return self.answers[id]

    def login(self, username, password=None, **more):
        return self.answer(self.ask(username, password, **more))

    def ask_explanation(self, username, deadline=5000):
        id = self.next_id()
        self.send("EXPLAIN", u32(deadline) + s(username), id)
        return id

    def explanation(self, id, timeout=10.0):
        """([step's name, …], status, would bind)"""
        self.pump(lambda: id in self.explanations, timeout, f"explanation {id}")
        status, bind, _ = self.explanations[id]
        return [step[0] for step in self.explained.get(id, [])], status, bind

    def test(self, deadline=10000):
        id = self.next_id()
        self.send("TEST_DIRECTORY", u32(deadline), id)
        self.pump(lambda: id in self.ended, deadline / 1000 + 5, "end of the test")
        return [step for owner, step in self.steps if owner == id]


def from_samba(dc, **more):
    """For a tests.lab.samba.SambaAD, over ldaps."""
    options = dict(servers=[(dc.address, dc.ports["ldaps"], dc.dns_name, LDAPS)],
                   user=f"{dc.service_user}@{dc.domain}", password=dc.service_password,
                   ca_file=dc.ca_file)
    options.update(more)
    return Directory(**options)


def from_slapd(server, **more):
    """For a tests.lab.openldap.Slapd, in clear."""
    options = dict(servers=[(server.host, server.port, "localhost", LDAP)],
                   user=server.service_dn, password=server.service_password,
                   tls_mode=TLS_NONE)
    options.update(more)
    return Directory(**options)


def from_hostile(server, **more):
    """For a tests.lab.hostile_ldap.HostileLdap, in clear unless told otherwise."""
    options = dict(servers=[(server.host, server.port, "localhost", LDAP)],
                   user=server.service_dn, password=server.service_password,
                   tls_mode=TLS_NONE)
    options.update(more)
    return Directory(**options)
