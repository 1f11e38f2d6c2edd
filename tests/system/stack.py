# SPDX-License-Identifier: ISC
"""The whole machine for tests: a hub, and connectors that are enrolled to it.

    with Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory=directory_settings(dc))
        stack.enrol(connector)
        stack.login("corp", "alice", ALICE.password)["status"]

Everything runs from an installed tree (install.py), as root under numeric users
of its own, sandbox on; folders, ports and state are the stack's alone.  stop()
fails when a process is left or a log holds an error that nobody expected.
"""

import base64
import contextlib
import hashlib
import http.client
import itertools
import json
import os
import shutil
import socket
import sqlite3
import ssl
import tempfile
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.lab import namespace

from . import sealing
from .daemon import Daemon, StackError

_uids = itertools.count(61000, 16)


def free_port(host="127.0.0.1"):
    """A TCP port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def directory_settings(dc, password_file=None, **more):
    """The `directory` block for a controller of the lab; write_password()
    makes the file.  Further keys are put over it; None takes one out."""
    settings = {"server": [dc.url], "user": dc.service_dn,
                "password_file": password_file or write_password(
                    dc.folder, dc.service_password),
                "tls": {"ca": dc.ca_file}}
    settings.update(more)
    return settings


def write_password(folder, password, name="service-password"):
    path = os.path.join(folder, name)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(password.encode() if isinstance(password, str) else password)
    return path


class Hub(Daemon):
    """adhubd."""

    def __init__(self, folder, settings, user=None, preload=None):
        super().__init__("adhubd", "adhubctl", folder, settings, next(_uids), user, preload)

    def _answers(self):
        return self.ctl("connection", "list").status == 0


class Connector(Daemon):
    """adconnectord."""

    def __init__(self, name, folder, settings, user=None, preload=None):
        settings = {"web": {"listen": f"127.0.0.1:{free_port()}"}, **settings}
        super().__init__("adconnectord", "adconnectorctl", folder, settings, next(_uids), user,
                         preload)
        self.label = name

    def _answers(self):
        return self.ctl("status").status == 0

    def status(self):
        """The `data` of `adconnectorctl status`."""
        return self.ctl("status", check=0).json["data"]

    def identity(self):
        """Who it is at the hub, private keys included, from its state directory."""
        with open(os.path.join(self.settings["state_dir"], "identity.json"),
                  encoding="utf-8") as file:
            return json.load(file)

    def tunnel(self):
        return self.status()["tunnel"]["state"]

    def directory(self):
        return self.status()["directory"]["state"]

    def wait_tunnel(self, *states, seconds=20):
        self.wait(lambda: self.tunnel() in (states or ("online",)),
                  f"{self.label}: tunnel never {' or '.join(states or ('online',))}", seconds)

    def wait_directory(self, *states, seconds=20):
        self.wait(lambda: self.directory() in (states or ("ok",)),
                  f"{self.label}: directory never {' or '.join(states or ('ok',))}", seconds)


class Answer:
    """An HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<HTTP {self.status} {self.body[:2000]!r}>"


class Stack:
    """One hub and its connectors.

    certificate   tests.lab.tls.Certificate for the hub; without one it makes
                  its own and tickets carry a pin
    ca            PEM that the tests' own HTTPS client then trusts
    host          name in the hub's URL; it must lead to `address`
    hub           further settings of adhub.conf; throttling is off unless given
    user          start all as this ordinary user, not as root
    preload       of the hub: see Daemon
    """

    def __init__(self, certificate=None, ca=None, host="127.0.0.1", address="127.0.0.1",
                 hub=None, user=None, preload=None):
        self.user = user
        self.host, self.address = host, address
        self.port = free_port(address)
        self.ca = ca
        self.folder = tempfile.mkdtemp(prefix="adc-stack-", dir=namespace.folder())
        os.chmod(self.folder, 0o711)
        self.connectors = []
        self.stopped = False
        self._numbers = itertools.count(1)
        settings = {"listen": [f"https://{address}:{self.port}"],
                    "public_url": f"https://{host}:{self.port}",
                    "throttle": {"per_address": 0, "per_name": 0, "per_connection": 0},
                    "log": {"level": "debug"}}
        if certificate is not None:
            paths = [os.path.join(self.folder, name) for name in ("hub.crt", "hub.key")]
            certificate.write(*paths)
            settings["tls"] = {"certificate": paths[0], "key": paths[1]}
        settings.update(hub or {})
        self.url = settings["public_url"]
        self.hub = Hub(os.path.join(self.folder, "hub"), settings, user, preload)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        # What went wrong first is what people must see.
        if kind is None:
            self.stop()
        else:
            self.discard()

    def start(self):
        try:
            self.hub.start()
        except BaseException:
            self.discard()
            raise

    def stop(self):
        """End all; fail when something is left or was said that nobody expected."""
        if self.stopped:
            return
        self.stopped = True
        errors = []
        for daemon in [*reversed(self.connectors), self.hub]:
            try:
                daemon.stop()
            except StackError as error:
                errors.append(str(error))
        shutil.rmtree(self.folder, ignore_errors=True)
        if errors:
            raise StackError("\n".join(errors))

    def discard(self):
        """End all, whatever state it is in."""
        try:
            self.stop()
        except StackError as error:
            print(error)

    # Connectors and what leads to them

    def add_connector(self, name=None, start=True, preload=None, **settings):
        """A connector, not enrolled yet; settings: the blocks of its file."""
        name = name or f"connector{next(self._numbers)}"
        connector = Connector(name, os.path.join(self.folder, name),
                              {"log": {"level": "debug"}, **settings}, self.user, preload)
        self.connectors.append(connector)
        if start:
            connector.start()
        return connector

    def hubctl(self, *args, **how):
        return self.hub.ctl(*args, **how)

    def connectorctl(self, *args, **how):
        """The same for the first connector."""
        return self.connectors[0].ctl(*args, **how)

    def add_connection(self, identifier="corp", name=None):
        self.hubctl("connection", "add", identifier, *(["--name", name] if name else []),
                    check=0)
        return identifier

    def expire_ticket(self, ticket):
        """An hour is the shortest life: the hub's file is aged, and the hub started anew.  Its
        connectors come back by and by."""
        self.hub.end()
        path = os.path.join(self.hub.settings["state_dir"], "store", "store.db")
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            changed = database.execute("UPDATE ticket SET expires = ? WHERE id = ?",
                                       (int(time.time()) - 1, ticket)).rowcount
        if changed != 1:
            raise StackError(f"no ticket {ticket}")
        self.hub.start()

    def new_ticket(self, identifier="corp", uses=None, hours=None, auto_approve=False):
        """The document of a new ticket: id, url, …"""
        args = [*(["--uses", str(uses)] if uses else []),
                *(["--hours", str(hours)] if hours else []),
                *(["--auto-approve"] if auto_approve else [])]
        return self.hubctl("ticket", "new", identifier, *args, check=0).json

    def ticket(self, identifier="corp", **options):
        return self.new_ticket(identifier, **options)["url"]

    def enrol(self, connector, ticket=None, identifier="corp", wait=True, **options):
        """Enrol and wait until the tunnel stands."""
        result = connector.ctl("enroll", input=ticket or self.ticket(identifier, **options),
                               check=0)
        if wait:
            connector.wait_tunnel("online", "pending")
        return result

    def connector_list(self, identifier=None):
        return self.hubctl("connector", "list", *([identifier] if identifier else []),
                           check=0).json["connectors"]

    # Logins

    def login(self, identifier, username, password):
        """`adhubctl login`: the document, with the exit status as "exit"."""
        result = self.hubctl("login", identifier, username, input=password)
        document = result.json
        document["exit"] = result.status
        return document

    def request(self, method, path, body=None, headers=None, timeout=30):
        """One HTTPS request to the hub, whose key or CA is checked: an Answer."""
        if self.ca is not None:
            context = ssl.create_default_context(cadata=self.ca.decode())
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                                 context=context)
        try:
            connection.connect()
            if self.ca is None:
                got = spki_pin(connection.sock.getpeercert(True))
                if got != self.pin():
                    raise StackError(f"the hub shows the key {got}, not {self.pin()}")
            if isinstance(body, (dict, list)):
                body = json.dumps(body).encode()
                headers = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def pin(self):
        """base64url of the hub's key, out of its own certificate file."""
        with open(os.path.join(self.hub.settings["state_dir"], "tls.pem"), "rb") as file:
            return spki_pin(x509.load_pem_x509_certificate(file.read()))

    def verify_user(self, username, password, headers=None):
        """POST /api/v2/ad/verify-user: an Answer."""
        return self.request("POST", "/api/v2/ad/verify-user",
                            {"username": username, "password": password}, headers)

    def login_keys(self, identifier="corp"):
        answer = self.request("GET", f"/login/keys/{urllib.parse.quote(identifier)}")
        if answer.status != 200:
            raise StackError(f"/login/keys: {answer!r}")
        return answer.json

    def login_sealed(self, username, password, identifier="corp", keys=None,
                     changes=None):
        """POST /login/verify, sealed by python3-jwcrypto: an Answer.

        `changes` replaces members of the sealed content.
        """
        keys = keys or self.login_keys(identifier)
        plain = sealing.content(username, password, keys["time"], identifier, changes)
        return self.request("POST", "/login/verify", {
            "connection": identifier, "username": username,
            "jwe": sealing.seal(plain, keys["recipients"])})

    # Audit

    def audit(self, after=None, limit=None, **members):
        """Rows, oldest first; `members` must be equal."""
        args = [*(["--after", str(after)] if after is not None else []),
                *(["--limit", str(limit)] if limit is not None else [])]
        rows = self.hubctl("audit", *args, check=0).json["rows"]
        return [row for row in rows
                if all(row[key] == value for key, value in members.items())]

    def audit_mark(self):
        """A number for audit(after=…): rows written from now on."""
        rows = self.audit(limit=1)
        return rows[-1]["id"] if rows else 0


def spki_pin(certificate):
    """base64url of the SHA-256 of the SubjectPublicKeyInfo."""
    if isinstance(certificate, bytes):
        certificate = x509.load_der_x509_certificate(certificate)
    der = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
