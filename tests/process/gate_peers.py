# SPDX-License-Identifier: ISC
"""The world round adhub-gate, for tests: its parent, the store, connectors, clients.

Why: the gate is driven as the real binary in its sandbox.  What stands on the other
side of its sockets is played here, and can be made to misbehave.
"""

import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from jwcrypto import jwk

from child import ANSWER_S, STATUS, STATUS_WORDS, Child, Gone, s, u8, u16, u32
from tests.lab.fakeconnector import Closed, Connector, Key, b64, jwe_decrypt, unb64
from tests.lab.process import wait_until

UNKNOWN, PENDING, APPROVED, REVOKED = range(4)
TICKET_STATES = ["ok", "unknown", "expired", "used_up", "revoked", "keys_refused", "failed"]
OPERATIONS = ["connection_add", "connection_list", "connection_show", "connection_remove",
              "ticket_new", "ticket_list", "ticket_revoke", "connector_list",
              "connector_approve", "connector_revoke", "audit_list", "audit_verify"]
REKEY_RESULTS = ["ok", "rejected", "too_many", "unavailable"]
RESULTS = ["ok", "refused", "not_found", "exists", "failed"]


def until(condition, timeout=ANSWER_S, what="it"):
    """Waits for a condition that another thread makes true."""
    return wait_until(condition, what, timeout, pause=0.005)


class Store:
    """What the gate asks the store, answered from dictionaries; what it tells, kept."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tickets = {}      # secret: (state word, connection, display name)
        self.connections = {}  # identifier: display name
        self.connectors = {}   # id: dict(state, connection, name, sign, seal)
        self.enrolled = []
        self.rekeyed = []
        self.rekey_result, self.overlap = "ok", 360  # or "silent"; seconds for the seal key before
        self.audit = []
        self.events = []       # tunnel events
        self.admin = []        # (operation, uid, [arguments])
        self.admin_answer = lambda operation, arguments: ("ok", "", b"{}")
        self.silent = False
        self.asked = 0

    def answer(self, message):
        """The reply's name and payload, or None."""
        r = message.reader()
        with self.lock:
            self.asked += 1
            if self.silent:
                return None
            return getattr(self, "on_" + message.name.lower())(r)

    def on_ticket_get(self, r):
        secret = r.s()
        r.end()
        state, connection, name = self.tickets.get(secret, ("unknown", "", ""))
        return "TICKET", u8(TICKET_STATES.index(state)) + s(connection) + s(name)

    def on_connector_enrol(self, r):
        row = dict(secret=r.s(), name=r.s(), version=r.s(), sign=r.fixed(64), seal=r.fixed(64),
                   address=r.s())
        r.end()
        state, connection, _ = self.tickets.get(row["secret"], ("unknown", "", ""))
        self.enrolled.append(row)
        id, connector_state = "", UNKNOWN
        if state == "ok":
            id = "c" + hashlib.sha256(row["sign"]).hexdigest()[:10]
            connector_state = PENDING if row["name"] == "second" else APPROVED
        return "CONNECTOR_ENROLLED", (u8(TICKET_STATES.index(state)) + s(id) + s(connection) +
                                      u8(connector_state))

    def on_connector_get(self, r):
        id = r.s()
        r.end()
        row = self.connectors.get(id)
        if row is None:
            return "CONNECTOR", u8(UNKNOWN) + s("") + s("") + bytes(192) + u32(0)
        before, seconds = row.get("before", (bytes(64), 0))
        return "CONNECTOR", (u8(row["state"]) + s(row["connection"]) + s(row["name"]) +
                             row["sign"] + row["seal"] + before + u32(seconds))

    def on_connector_rekey(self, r):
        rekey = dict(id=r.s(), tunnel_url=r.s(), nonce=r.s(), old=r.s(), sign=r.fixed(64),
                     seal=r.fixed(64), statement=r.s(), proof=r.s(), address=r.s())
        r.end()
        self.rekeyed.append(rekey)
        if self.rekey_result == "silent":
            return None
        if self.rekey_result == "ok":
            row = self.connectors[rekey["id"]]
            row.update(before=(row["seal"], self.overlap), sign=rekey["sign"], seal=rekey["seal"])
        return "CONNECTOR_REKEYED", u8(REKEY_RESULTS.index(self.rekey_result))

    def on_connection_get(self, r):
        identifier = r.s()
        r.end()
        if identifier == "":
            if len(self.connections) > 1:
                return "CONNECTION", u8(2) + s("") + s("")
            identifier = next(iter(self.connections), "")
        name = self.connections.get(identifier)
        if name is None:
            return "CONNECTION", u8(0) + s("") + s("")
        return "CONNECTION", u8(1) + s(identifier) + s(name)

    def on_tunnel_event(self, r):
        event = dict(up=r.u8(), id=r.s(), host=r.s(), version=r.s(), address=r.s(), why=r.s())
        r.end()
        self.events.append(event)

    def on_audit(self, r):
        while r.at < len(r.data):
            self.audit.append(dict(
                event=r.s(), connection=r.s(), connector=r.s(), username=r.s(), attempt=r.s(),
                status=STATUS_WORDS[r.u8()], proven=bool(r.u8()), reason=r.s(), face=r.s(),
                address=r.s(), detail=r.s(), found=bool(r.u8())))

    def on_admin(self, r):
        operation, uid, n = OPERATIONS[r.u8()], r.u32(), r.u8()
        arguments = [r.s() for _ in range(n)]
        r.end()
        self.admin.append((operation, uid, arguments))
        result, text, data = self.admin_answer(operation, arguments)
        return "ADMIN_DONE", u8(RESULTS.index(result)) + s(text) + s(data)

    def rows(self, event):
        with self.lock:
            return [row for row in self.audit if row["event"] == event]

    def add_connector(self, connection="corp", state=APPROVED, id=None):
        """A registered connector, and the keys it has."""
        keys = dict(sign=Key(), seal=Key())
        id = id or "conn-" + os.urandom(6).hex()
        with self.lock:
            self.connectors[id] = dict(state=state, connection=connection, name="host",
                                       sign=keys["sign"].xy, seal=keys["seal"].xy)
        return id, keys


class Hub:
    """The gate's two instances with a stand-in for parent and store between them."""

    def __init__(self, tls=False, control=True, throttle=(0, 0, 0), public_url=None, pin=""):
        self.store = Store()
        self.store.connections["corp"] = "Example Corp"
        self.folder = tempfile.TemporaryDirectory(prefix="gate-")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.tls = tls
        self.public_url = public_url or f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.tunnel_url = "ws" + self.public_url[4:] + "/tunnel"
        self.stopping = False
        self.children, self.threads = {}, []
        self.relayed = {}  # id of a question passed on to public: (child, id there)
        self.on_login_done = None  # a test that sends LOGIN itself
        self.last = 1 << 20
        self.lock = threading.Lock()
        items = [("public_url", self.public_url.encode())]
        items += [(f"throttle_{name}", u32(n))
                  for name, n in zip(("address", "name", "connection"), throttle)]
        if tls:
            self.certificate, key = certificate(self.folder.name)
            items += [("tls_certificate", open(self.certificate, "rb").read()),
                      ("tls_key", open(key, "rb").read())]
        self.public = self.start("public", items, ("listener.https" if tls else "listener.http",
                                                   self.listener))
        self.control = None
        if control:
            self.socket_path = os.path.join(self.folder.name, "control.sock")
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(self.socket_path)
            os.chmod(self.socket_path, 0o666)
            os.chmod(self.folder.name, 0o755)
            unix.listen(64)
            self.control = self.start("control", [
                ("public_url", self.public_url.encode()), ("pin", pin.encode()),
                ("admin_uid", u32(1) + u32(65533))], ("listener.unix", unix))

    def start(self, instance, items, listener):
        child = Child("adhub-gate", args=(instance,))
        try:
            child.configure(items, [(listener[0], listener[1].fileno())], ready=10.0)
        except BaseException:
            child.__exit__(AssertionError, None, None)
            raise
        self.children[instance] = child
        thread = threading.Thread(target=self.serve, args=(child,), daemon=True)
        self.threads.append(thread)
        thread.start()
        return child

    def serve(self, child):
        """As the parent: relays between the instances, and to the store."""
        try:
            while not self.stopping:
                message = child.receive(0.05)
                if message is None:
                    continue
                if message.name in ("SEAL_KEYS_GET", "LOGIN"):
                    with self.lock:
                        self.last += 1
                        self.relayed[self.last] = (child, message.id)
                        id = self.last
                    self.public.send(message.name, message.payload, id=id)
                elif message.name == "LOGIN_DONE" and self.on_login_done is not None:
                    self.on_login_done(message)
                elif message.name in ("SEAL_KEYS", "LOGIN_DONE"):
                    to, id = self.relayed.pop(message.id)
                    to.send(message.name, message.payload, id=id)
                else:
                    reply = self.store.answer(message)
                    if reply is not None:
                        child.send(reply[0], reply[1], id=message.id)
        except (Gone, OSError):
            pass

    def changed(self, id, state):
        """As the store: a connector was approved or revoked."""
        with self.store.lock:
            self.store.connectors[id]["state"] = state
        self.public.send("CONNECTOR_CHANGED", s(id) + u8(state))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        alive = [child.process.poll() is None for child in self.children.values()]
        for child in self.children.values():
            child.__exit__(*exc)
        self.listener.close()
        self.folder.cleanup()
        assert exc[0] is not None or all(alive), \
            "a gate ended: " + "".join(c.stderr() for c in self.children.values()
                                       if not c.errors.closed)

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), 10)
        if self.tls:
            context = ssl.create_default_context(cafile=self.certificate)
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        return sock

    def request(self, method, path, body=None, headers=None, client=None):
        """(HTTP status, JSON) of one request on the public side."""
        own = client is None
        if own:
            if self.tls:
                context = ssl.create_default_context(cafile=self.certificate)
                client = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20,
                                                     context=context)
            else:
                client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        return exchange(client, method, path, body, headers, own)

    def admin(self, method, path, body=None):
        """The same on the control socket."""
        client = http.client.HTTPConnection("localhost", timeout=20)
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.settimeout(20)
        client.sock.connect(self.socket_path)
        return exchange(client, method, path, body, None, True)

    def verify(self, username, password, headers=None, client=None):
        return self.request("POST", "/api/v2/ad/verify-user",
                            {"username": username, "password": password}, headers, client)


def exchange(client, method, path, body, headers, close):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    client.request(method, path, data, dict(headers or {}))
    answer = client.getresponse()
    text = answer.read()
    assert answer.getheader("Content-Type") == "application/json"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
    assert int(answer.getheader("Content-Length")) == len(text)
    if close:
        client.close()
    return answer.status, json.loads(text)


def certificate(folder):
    """A self-signed certificate for 127.0.0.1: paths of certificate and key."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


def jwe_encrypt(recipients, content):
    """Seals content (a dict) for recipients [{kid, jwk}], as a page would."""
    from jwcrypto import jwe
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 256)
    token = jwe.JWE(text, protected='{"enc":"A256GCM"}', algs=["ECDH-ES+A256KW", "A256GCM"])
    for r in recipients:
        token.add_recipient(jwk.JWK(**r["jwk"]),
                            header=json.dumps({"alg": "ECDH-ES+A256KW", "kid": r["kid"]}))
    sealed = json.loads(token.serialize())
    if "recipients" not in sealed:
        sealed = {"protected": sealed["protected"], "iv": sealed["iv"],
                  "ciphertext": sealed["ciphertext"], "tag": sealed["tag"],
                  "recipients": [{"header": sealed["header"],
                                  "encrypted_key": sealed["encrypted_key"]}]}
    return sealed


def content(username, password="secret", connection="corp", op="authenticate"):
    return {"v": 1, "op": op, "connection": connection, "username": username,
            "iat": int(time.time()), "jti": b64(os.urandom(16)), "password": password}


__all__ = [name for name in dir() if not name.startswith("_")]
