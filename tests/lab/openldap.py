# SPDX-License-Identifier: ISC
"""A slapd that looks like Active Directory where a connector looks.

Why: for load.  It answers twenty times as many binds as Samba does, so that
the connector and not the directory is what a benchmark measures.  It is not
for truth: no AD codes, no lock-out, no tokenGroups of its own reckoning, no
<GUID=…> or <SID=…> as base.  What AD works out is stored here as plain
attributes.

It runs as anybody, on a free port of an address of 127.0.0.0/8.
"""

import base64
import os
import socket
import struct
import subprocess
import time
import uuid

import ldap3

from .directory import guid_text, simple_bind
from .population import SERVICE_PASSWORD, SERVICE_USER
from .process import LabError, Server, wait_until
from .tls import CertificateAuthority

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SCHEMA = os.path.join(os.path.dirname(__file__), "openldap.schema")
BATCH_GROUPS = 10
DOMAIN_SID = (21, 1111111111, 2222222222, 3333333333)
CREATED = "20260101000000.0Z"

SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include "{schema}"
modulepath /usr/lib/ldap
moduleload back_mdb
loglevel 0
threads {threads}
rootDSE {folder}/rootdse.ldif
sizelimit size.soft=1000 size.hard=1000 size.prtotal=unlimited
{tls}
access to dn.base="" by * read
access to dn.base="cn=subschema" by users read by * none
database mdb
suffix "{base}"
directory {folder}/data
maxsize {maxsize}
dbnosync
index objectClass,sAMAccountName,userPrincipalName,mail eq
index objectGUID,objectSid,member,memberOf,cn eq
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def sid_bytes(*parts):
    """S-1-5-…, as objectSid holds it."""
    return struct.pack("<BB", 1, len(parts)) + (5).to_bytes(6, "big") + \
        struct.pack(f"<{len(parts)}I", *parts)


def _entry(dn, classes, **attributes):
    """One LDIF entry; every value in base64, so that any byte will do."""
    lines = [f"dn:: {base64.b64encode(dn.encode()).decode()}" if dn else "dn:"]
    attributes = {"objectClass": classes, **attributes}
    for name, values in attributes.items():
        if not isinstance(values, (list, tuple)):
            values = [values]
        for value in values:
            if not isinstance(value, bytes):
                value = str(value).encode()
            lines.append(f"{name.replace('_', '-')}:: "
                         f"{base64.b64encode(value).decode()}")
    return "\n".join(lines) + "\n\n"


class Slapd(Server):
    """A slapd with `users` users u0000, u0001, …, running when constructed.

    user(i) tells name, DN and password of one; `tls` adds ldaps:// on a second
    port with a certificate of a private CA for `host_name`.
    """

    name = "slapd"

    def __init__(self, users=1000, host="127.0.0.1", tls=False, threads=16,
                 host_name="ldap.lab.test", realm="LAB.TEST", keep=False):
        super().__init__(keep)
        self.host, self.host_name = host, host_name
        self.users, self.realm = users, realm
        self.domain = realm.lower()
        # Lower-case attribute names, as slapd returns its DNs.
        self.base = ",".join(f"dc={part}" for part in self.domain.split("."))
        self.people = f"ou=People,{self.base}"
        self.groups = f"ou=Groups,{self.base}"
        self.service_user = SERVICE_USER
        self.service_dn = f"cn={SERVICE_USER},cn=Users,{self.base}"
        self.service_password = SERVICE_PASSWORD
        self.tls, self.threads = tls, threads
        self.ca_file = None
        try:
            started = time.monotonic()
            self._write()
            self._load()
            self.start()
            self.seconds = time.monotonic() - started
        except BaseException:
            self.stop()
            raise

    def user(self, number):
        """(sAMAccountName, DN, password) of one of the users."""
        if not 0 <= number < self.users:
            raise IndexError(f"u{number:04d}: there are {self.users}")
        name = f"u{number:04d}"
        return name, f"cn={name},{self.people}", f"Load-{number:04d}-secret"

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self):
        os.mkdir(self._path("data"))
        os.chmod(self.folder, 0o711)
        tls = ""
        if self.tls:
            self.ca = CertificateAuthority()
            self.ca_file = self._path("ca.pem")
            with open(self.ca_file, "wb") as file:
                file.write(self.ca.pem)
            os.chmod(self.ca_file, 0o644)
            self.ca.issue(self.host_name, [self.host_name], [self.host]).write(
                self._path("cert.pem"), self._path("key.pem"))
            tls = (f"TLSCertificateFile {self._path('cert.pem')}\n"
                   f"TLSCertificateKeyFile {self._path('key.pem')}\n")
        with open(self._path("slapd.conf"), "w") as file:
            file.write(SLAPD_CONF.format(
                schema=SCHEMA, threads=self.threads, folder=self.folder,
                tls=tls, base=self.base,
                maxsize=(64 << 20) + self.users * 16384))
        with open(self._path("rootdse.ldif"), "w") as file:
            file.write(_entry(
                "", ["top", "adRootDSE"], defaultNamingContext=self.base,
                rootDomainNamingContext=self.base,
                configurationNamingContext=f"CN=Configuration,{self.base}",
                dnsHostName=self.host_name,
                ldapServiceName=f"{self.domain}:ldap@{self.realm}",
                supportedCapabilities="1.2.840.113556.1.4.800"))

    def _entries(self):
        base = self.base
        users_dn = f"cn=Users,{base}"
        rid = lambda number: sid_bytes(*DOMAIN_SID, number)
        guid = lambda name: uuid.uuid5(uuid.NAMESPACE_DNS,
                                       f"{name}.{self.domain}").bytes_le
        yield _entry(base, ["top", "domain", "domainDNS"],
                     dc=base.split(",")[0][3:], objectSid=sid_bytes(*DOMAIN_SID),
                     objectGUID=guid("domain"), lockoutThreshold=0,
                     lockoutDuration=-18000000000, maxPwdAge=-2**63,
                     lockOutObservationWindow=-18000000000, minPwdLength=7,
                     pwdProperties=1, whenCreated=CREATED)
        yield _entry(users_dn, ["top", "container"], cn="Users",
                     objectGUID=guid("Users"))
        for name in ("People", "Groups"):
            yield _entry(f"ou={name},{base}", ["top", "organizationalUnit"],
                         ou=name)

        def user(name, dn, password, number, groups, token_groups):
            return _entry(
                dn, ["top", "person", "organizationalPerson", "user"],
                cn=name, sn=name.title(), givenName="Load",
                displayName=f"Load {name}", sAMAccountName=name,
                userPrincipalName=f"{name}@{self.domain}",
                mail=f"{name}@{self.domain}", objectGUID=guid(name),
                objectSid=rid(number), primaryGroupID=513,
                userAccountControl=0x200, sAMAccountType=805306368,
                msDS_User_Account_Control_Computed=0, accountExpires=0,
                pwdLastSet=133800000000000000, badPwdCount=0, lockoutTime=0,
                whenCreated=CREATED, whenChanged=CREATED, uSNChanged=number,
                objectCategory=f"CN=Person,CN=Schema,CN=Configuration,{base}",
                memberOf=groups, tokenGroups=token_groups,
                # Without a scheme: compared as it is, so that a bind costs no
                # hashing.  Debian's slapd does not know {CLEARTEXT}.
                userPassword=password)

        def group(name, dn, number, members, groups=()):
            return _entry(
                dn, ["top", "group"], cn=name, sAMAccountName=name,
                objectGUID=guid(name), objectSid=rid(number),
                groupType=-2147483646, sAMAccountType=268435456,
                whenCreated=CREATED, whenChanged=CREATED, uSNChanged=number,
                objectCategory=f"CN=Group,CN=Schema,CN=Configuration,{base}",
                member=members, memberOf=groups)

        # tokenGroups: the primary group, one direct group, the one it is in.
        everyone = f"cn=All-Teams,{self.groups}"
        teams = [f"cn=Team-{n},{self.groups}" for n in range(BATCH_GROUPS)]
        yield user(self.service_user, self.service_dn, self.service_password,
                   1000, [], [rid(513)])
        for number in range(self.users):
            name, dn, password = self.user(number)
            team = number % BATCH_GROUPS
            yield user(name, dn, password, 10000 + number, [teams[team]],
                       [rid(513), rid(2000 + team), rid(1999)])
        yield group("Domain Users", f"cn=Domain Users,{users_dn}", 513, [])
        yield group("All-Teams", everyone, 1999, teams)
        for team, dn in enumerate(teams):
            yield group(f"Team-{team}", dn, 2000 + team,
                        [self.user(number)[1] for number
                         in range(team, self.users, BATCH_GROUPS)],
                        [everyone])

    def _load(self):
        path = self._path("data.ldif")
        with open(path, "w") as file:
            file.writelines(self._entries())
        try:
            done = subprocess.run(
                ["slapadd", "-q", "-f", self._path("slapd.conf"), "-l", path],
                env={"PATH": PATH}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=600)
        except FileNotFoundError:
            raise LabError("slapd: not installed; apt-get install slapd") \
                from None
        if done.returncode != 0:
            raise LabError(f"slapadd failed: {done.stderr[-2000:]}")
        os.unlink(path)

    def start(self):
        """Start the stopped server on free ports and wait for its rootDSE."""
        for last in (False, False, True):
            # Free a moment ago; another program may be quicker than slapd.
            ports = [self._free_port() for _ in range(2 if self.tls else 1)]
            self.port = ports[0]
            self.url = f"ldap://{self.host}:{self.port}"
            urls = self.url
            if self.tls:
                self.tls_port = ports[1]
                self.tls_url = f"ldaps://{self.host_name}:{self.tls_port}"
                urls += f" ldaps://{self.host}:{self.tls_port}"
            self.launch(["slapd", "-d", "0", "-f", self._path("slapd.conf"),
                         "-h", urls], environment={"PATH": PATH})
            try:
                wait_until(self._answers, f"{self.url}: no rootDSE",
                           alive=self.alive)
                return
            except LabError as error:
                self.end_process()
                if last:
                    raise LabError(f"{error}\n{self.output()}") from None

    def _free_port(self):
        with socket.socket() as sock:
            sock.bind((self.host, 0))
            return sock.getsockname()[1]

    def server(self):
        """An ldap3.Server for it, in clear."""
        return ldap3.Server(self.host, self.port, get_info=ldap3.NONE,
                            connect_timeout=5)

    def bind(self, user, password):
        """Try one simple bind: a BindResult."""
        return simple_bind(self.server(), user, password)

    def connect(self, user, password):
        """A bound ldap3 connection; the caller unbinds it."""
        return ldap3.Connection(self.server(), user, password.encode(),
                                auto_bind=True, check_names=False,
                                raise_exceptions=True, receive_timeout=30)

    def guid(self, number):
        """objectGUID of one of the users, as text."""
        name = self.user(number)[0]
        return guid_text(uuid.uuid5(uuid.NAMESPACE_DNS,
                                    f"{name}.{self.domain}").bytes_le)

    def _answers(self):
        try:
            connection = ldap3.Connection(self.server(), check_names=False,
                                          receive_timeout=5)
            try:
                return connection.bind() and connection.search(
                    "", "(objectClass=*)", ldap3.BASE,
                    attributes=["defaultNamingContext"])
            finally:
                connection.unbind()
        except ldap3.core.exceptions.LDAPExceptionError:
            return False
