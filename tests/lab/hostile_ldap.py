# SPDX-License-Identifier: ISC
"""An LDAP server that can be told to misbehave, and else is a very small AD.

Why: a connector talks to whatever answers with the right certificate, and a domain
controller may be old, broken, taken over or not one at all.  No real server can be made
to send a length of 2^63 or a bind's answer twice; this one sends what it is told at the
step that it is told, and counts what it was given.

A login makes these steps, which are what misbehaviours are hung on:

    accept          a connection came; nothing was read
    starttls        the extended request, in clear
    service_bind    the service account signs in
    root, base, head, partition     what is read of the domain
    person          the search for a user
    groups          tokenGroups of the user found
    known           both at once, where a user of that name was found before
    names           names of groups by their SIDs
    user_bind       the password is tried
    confirm         who is at the DN that was bound as

Misbehaviours are in hostile_ldap_cases.py.  It must never be given a real password.

RFC 4511: LDAP; MS-ADTS: what AD says.
"""

import contextlib
import itertools
import os
import socket
import ssl
import struct
import threading
import uuid

from . import ber
from .openldap import sid_bytes
from .population import SERVICE_PASSWORD, SERVICE_USER

DOMAIN = (21, 1111111111, 2222222222, 3333333333)
STEPS = ("accept", "starttls", "service_bind", "root", "base", "head", "partition", "person",
         "groups", "known", "names", "user_bind", "confirm")
NORMAL_USER = "805306368"  # sAMAccountType, by which a test of the settings looks for anybody
AD_REFUSAL = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, " \
             "data {}, v1db1"


class End(Exception):
    """Raised by a misbehaviour: end this connection; reset: with RST."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class Request:
    """What the client asked for."""

    def __init__(self, data):
        fields = ber.parts(ber.read(data)[1])
        self.id = ber.number(fields[0][1])
        self.tag, content = fields[1]
        self.dn = self.name = ""
        self.password, self.scope, self.filter, self.attributes = b"", None, b"", []
        if self.tag == ber.BIND_REQUEST:
            _, dn, (method, secret) = ber.parts(content)[:3]
            if method != 0x80:
                raise ber.BerError("not a simple bind")
            self.dn, self.password = dn[1].decode(), secret
        elif self.tag == ber.SEARCH_REQUEST:
            inner = ber.parts(content)
            self.dn = inner[0][1].decode()
            self.scope = ber.number(inner[1][1])
            self.filter = inner[6][1]
            self.attributes = [value.decode() for _, value in ber.parts(inner[7][1])]
        elif self.tag == ber.EXTENDED_REQUEST:
            self.name = ber.parts(content)[0][1].decode()


class Person:
    """A user of the small AD; `entry` is what a search shows of it."""

    _unknown_groups = itertools.count(20000)

    def __init__(self, server, name, number):
        self.name, self.password = name, f"Right-{name}-Passw0rd"
        self.dn = f"CN={name},OU=People,{server.base}"
        self.guid = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{server.realm}")
        self.groups = self.first_groups = [server.sid(513), server.sid(1101), server.sid(1102)]
        self.entry = {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "objectGUID": [self.guid.bytes_le], "objectSid": [server.sid(2000 + number)],
            "sAMAccountName": [name], "userPrincipalName": [f"{name}@{server.realm}"],
            "mail": [f"{name}@mail.test"], "displayName": [name.title()],
            "userAccountControl": ["512"], "msDS-User-Account-Control-Computed": ["0"],
            "lockoutTime": ["0"], "badPwdCount": ["0"], "badPasswordTime": ["0"]}

    def join_unknown_group(self):
        """One that nobody has asked the name of: names are asked for once in a while."""
        self.groups = [self.groups[0], HostileLdap.sid(next(self._unknown_groups))]


class HostileLdap:
    """Listens from construction to close(), on a port of loopback that is free.

    tls         None: in clear; else a Certificate of tests.lab.tls, which is shown in a
                handshake at once, or after StartTLS when `starttls`
    on          {step: function(connection, request)}: takes the place of the good answer;
                returns bytes to send, or None, or raises End
    binds       [(dn, password)] in the order in which they came; the service account's
                are in service_binds
    """

    CONNECTIONS_MAX = 300
    IDLE_S = 60

    def __init__(self, certificate=None, starttls=False, host="127.0.0.1"):
        self.host, self.realm, self.netbios = host, "hostile.test", "HOSTILE"
        self.base = "DC=hostile,DC=test"
        self.service_dn = f"CN={SERVICE_USER},CN=Users,{self.base}"
        self.service_password = SERVICE_PASSWORD
        self.group_names = {self.sid(513): "Domain Users", self.sid(1101): "Staff",
                            self.sid(1102): "Everywhere"}
        self.people = {name: Person(self, name, number) for number, name in enumerate(
            ("alice", "bob", "carol"))}
        self.starttls, self.context = starttls, None
        if certificate is not None:
            self.show(certificate)
        self.certificate = certificate
        self.lock = threading.Lock()
        self.reset()
        self.connections, self.threads = set(), []
        self.stopping = threading.Event()
        self.listener = socket.create_server((host, 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def sid(rid):
        return sid_bytes(*DOMAIN, rid)

    def show(self, certificate, **options):
        """From the next connection on, show this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, value in options.items():
            setattr(context, name, value)
        # load_cert_chain takes paths only; a memfd has one.
        fd = os.memfd_create("certificate")
        try:
            os.write(fd, certificate.pem + certificate.key_pem)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        self.context = context

    def reset(self):
        """Good again; nothing was counted. Misbehaviours that wait are let go."""
        with self.lock:
            self.on, self.binds, self.service_binds = {}, [], []
            self.requests, self.accepted, self.errors = [], 0, []
            waiting, self.release = getattr(self, "release", None), threading.Event()
            for person in self.people.values():
                person.groups = person.first_groups
        if waiting is not None:
            waiting.set()

    def drop(self):
        """End every connection, as a restart would."""
        with self.lock:
            for connection in self.connections:
                connection.shutdown()

    def close(self):
        """End everything; may be called twice."""
        self.stopping.set()
        self.release.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(10)
        self.drop()
        for thread in self.threads:
            thread.join(10)

    def _accept(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.threads = [thread for thread in self.threads if thread.is_alive()]
            if len(self.threads) >= self.CONNECTIONS_MAX:
                sock.close()
                continue
            connection = Connection(self, sock)
            with self.lock:
                self.accepted += 1
                self.connections.add(connection)
            thread = threading.Thread(target=connection.run, daemon=True)
            self.threads.append(thread)
            thread.start()

    # The small AD

    def good(self, step, request):
        """The good answer, as bytes."""
        answer = getattr(self, f"_{step}")(request)
        return b"".join(ber.message(request.id, one) for one in answer)

    def person_asked(self, request):
        """The Person that a search is for, or None."""
        value = ber.parts(request.filter)[1][1].decode(errors="replace").lower()
        if value == NORMAL_USER:
            return self.people["alice"]
        for person in self.people.values():
            if value in (person.name, f"{person.name}@{self.realm}", f"{person.name}@mail.test"):
                return person
        return None

    def _starttls(self, request):
        return [ber.result(ber.EXTENDED_RESPONSE, 0, rest=ber.octets(
            request.name, ber.EXTENDED_NAME))]

    def _service_bind(self, request):
        right = request.password.decode() == self.service_password
        return [ber.result(ber.BIND_RESPONSE)] if right else self._refuse()

    @staticmethod
    def _refuse(data="52e"):
        return [ber.result(ber.BIND_RESPONSE, 49, AD_REFUSAL.format(data))]

    def _user_bind(self, request):
        for person in self.people.values():
            if person.dn == request.dn and person.password.encode() == request.password:
                return [ber.result(ber.BIND_RESPONSE)]
        return self._refuse()

    @staticmethod
    def _done(*entries):
        return [*entries, ber.result(ber.SEARCH_DONE)]

    def _root(self, _request):
        return self._done(ber.entry("", {
            "defaultNamingContext": [self.base],
            "configurationNamingContext": [f"CN=Configuration,{self.base}"],
            "namingContexts": [self.base, f"CN=Configuration,{self.base}"]}))

    def _base(self, request):
        return self._done(ber.entry(request.dn, {"objectClass": ["top", "domain"]}))

    def _head(self, request):
        return self._done(ber.entry(request.dn, {
            "objectSid": [sid_bytes(*DOMAIN)], "lockoutThreshold": ["5"],
            "lockOutObservationWindow": ["-18000000000"], "lockoutDuration": ["-18000000000"]}))

    def _partition(self, request):
        return self._done(ber.entry(f"CN={self.netbios},{request.dn}", {
            "nETBIOSName": [self.netbios], "dnsRoot": [self.realm]}))

    def _person(self, request):
        person = self.person_asked(request)
        if person is None:
            return self._done()
        return self._done(ber.entry(person.dn, person.entry))

    def _groups(self, request):
        person = self.by_dn(request.dn) or self.people["alice"]
        return self._done(ber.entry(request.dn, {"tokenGroups": person.groups}))

    def _known(self, request):
        person = self.by_dn(request.dn)
        if person is None:
            return [ber.result(ber.SEARCH_DONE, 32)]
        return self._done(ber.entry(person.dn, {**person.entry, "tokenGroups": person.groups}))

    def _confirm(self, request):
        person = self.by_dn(request.dn)
        if person is None:
            return [ber.result(ber.SEARCH_DONE, 32)]
        return self._done(ber.entry(person.dn, {"objectGUID": [person.guid.bytes_le]}))

    def by_dn(self, dn):
        return next((one for one in self.people.values() if one.dn == dn), None)

    def _names(self, request):
        return self._done(*(ber.entry(f"CN={name},OU=Groups,{self.base}", {
            "objectSid": [sid], "sAMAccountName": [name],
            "objectGUID": [uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes_le]})
            for sid, name in self.group_names.items() if sid in request.filter))


def step_of(request, server):
    """Which step of a login a request is; None: none that wants an answer."""
    if request.tag == ber.BIND_REQUEST:
        return "service_bind" if request.dn == server.service_dn else "user_bind"
    if request.tag == ber.EXTENDED_REQUEST:
        return "starttls"
    if request.tag != ber.SEARCH_REQUEST:
        return None
    asked = set(request.attributes)
    if request.dn == "" and request.scope == 0:
        return "root"
    if asked == {"objectGUID"}:
        return "confirm"
    if {"tokenGroups", "userAccountControl"} <= asked:
        return "known"
    for step, attribute in (("groups", "tokenGroups"), ("head", "lockoutThreshold"),
                            ("partition", "nETBIOSName"), ("person", "userAccountControl"),
                            ("names", "objectSid")):
        if attribute in asked:
            return step
    return "base"


class Connection:
    """One client, in a thread of its own."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        sock.settimeout(server.IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        try:
            self._serve()
        except End as end:
            if end.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ber.BerError, IndexError, ValueError) as error:
            self.server.errors.append(str(error))
        except OSError:
            pass  # the client went, or its time is over
        finally:
            with self.server.lock:
                self.server.connections.discard(self)
            self.sock.close()

    def shutdown(self):
        # Not SSLSocket's own, after which its thread would read the stream below TLS.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def send(self, data):
        self.sock.sendall(data)

    def good(self, request, step=None):
        """What a good server would send."""
        return self.server.good(step or step_of(request, self.server), request)

    def secure(self):
        """The server's side of a handshake."""
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)

    def _serve(self):
        server = self.server
        hook = server.on.get("accept")
        if hook is not None and hook(self, None) is not None:
            return
        if server.context is not None and not server.starttls:
            self.secure()
        while True:
            data = ber.next_message(self.sock.recv)
            if data is None:
                return
            request = Request(data)
            if request.tag == ber.UNBIND_REQUEST:
                return
            step = step_of(request, server)
            self._note(step, request)
            if step is None:
                continue
            hook = server.on.get(step)
            answer = hook(self, request) if hook is not None else server.good(step, request)
            if answer:
                self.send(answer)
            if step == "starttls" and server.context is not None:
                self.secure()

    def _note(self, step, request):
        server = self.server
        with server.lock:
            if len(server.requests) < 100000:
                server.requests.append((step, request.id))
            if step == "service_bind":
                server.service_binds.append((request.dn, request.password))
            elif step == "user_bind":
                server.binds.append((request.dn, request.password))
