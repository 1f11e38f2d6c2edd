# SPDX-License-Identifier: ISC
"""A real Active Directory domain controller, Samba's, for tests.

Why: what a connector must know of AD (codes, attributes, rules) only AD
answers truthfully.  It is started inside the namespaces of namespace.py, on
an address of 127.0.0.0/8 with AD's own ports, from a provisioned folder that
is kept between runs; every path of it is below one temporary folder, so that
several can run at once and nothing of the host's own Samba is read or
written.

    with SambaAD() as dc:
        dc.seed()
        dc.directory.bind("alice@lab.test", ALICE.password).ok

Two defaults of `samba-tool domain provision` are corrected: `dns forwarder`
is empty (the DNS service asks itself for ever otherwise), and its RSA-4096
certificate is replaced by one of a private CA with proper names.
"""

import os
import socket
import struct
import subprocess
import time

import ldb

from . import cache, namespace, population
from .directory import Directory
from .process import LabError, Server, wait_until
from .tls import CertificateAuthority, TlsFront

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SERVICES = ("ldap", "cldap", "kdc", "dns")
# Part of the cache's key: raise it when provision() changes its result.
RECIPE = 1

SMB_CONF = """\
[global]
    netbios name = {NETBIOS_NAME}
    realm = {realm}
    workgroup = {netbios}
    server role = active directory domain controller
    server services = {services}
    interfaces = {address}/8
    bind interfaces only = yes
    dns forwarder =
    dns update command = /usr/sbin/samba_dnsupdate --use-samba-tool
    private dir = {folder}/private
    lock directory = {folder}/lock
    state directory = {folder}/state
    cache directory = {folder}/cache
    pid directory = {folder}/run
    binddns dir = {folder}/bind-dns
    ncalrpc dir = {folder}/run/ncalrpc
    winbindd socket directory = {folder}/run/winbindd
    ntp signd socket directory = {folder}/run/ntp_signd
    usershare path =
    load printers = no
    log file = {folder}/log.samba
    logging = file
    max log size = 10000
    tls enabled = yes
    prefork children = {workers}
{options}
"""


def samba_version():
    try:
        return subprocess.run(
            ["samba", "--version"], env={"PATH": PATH}, check=True,
            capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        raise LabError("samba: not installed; apt-get install samba "
                       "samba-ad-dc samba-ad-provision") from None


class SambaAD(Server):
    """One domain controller, running when the constructor returns.

    model     "single" is one process that answers one request after the
              other; "prefork" has `workers` processes a service, as real
              controllers answer in parallel
    options   further lines of smb.conf, as a dictionary
    services  Samba's services; without "dns" names come from /etc/hosts only
    dns       points the namespace's /etc/resolv.conf here; ignored without
              the service "dns"
    old_password_minutes
              how long the previous password still binds (Samba: 60)
    keep      leave the folder in place at stop()
    """

    name = "samba"

    def __init__(self, address="127.0.0.11", realm="LAB.TEST", netbios="LAB",
                 host="dc1", site="Office", model="prefork", workers=4,
                 services=SERVICES, old_password_minutes=60, options=None,
                 dns=True, keep=False):
        reason = namespace.unavailable()
        if reason is None and not namespace.entered():
            reason = "call namespace.enter() first"
        if reason is not None:
            raise LabError(f"samba: {reason}")
        version = samba_version()
        super().__init__(keep)
        self.address, self.host = address, host
        self.realm, self.netbios, self.site = realm.upper(), netbios, site
        self.domain = realm.lower()
        self.dns_name = f"{host}.{self.domain}"
        self.base = ",".join(f"DC={part}" for part in self.domain.split("."))
        self.admin_dn = f"CN=Administrator,CN=Users,{self.base}"
        self.admin_password = "Adm1n-of-the-Lab"
        self.service_user = population.SERVICE_USER
        self.service_password = population.SERVICE_PASSWORD
        self.service_dn = f"CN={self.service_user},CN=Users,{self.base}"
        self.ports = {"ldap": 389, "ldaps": 636, "kerberos": 88, "gc": 3268,
                      "gcs": 3269}
        self.url = f"ldaps://{self.dns_name}"
        self.model, self.workers = model, workers
        self.services = tuple(services)
        self.options = {"old password allowed period": old_password_minutes,
                        **(options or {})}
        self.ca_file = os.path.join(self.folder, "ca.pem")
        self._dns = dns and "dns" in self.services
        self._fronts = []
        try:
            started = time.monotonic()
            if not address.startswith("127."):
                namespace.add_address(f"{address}/8")
            self.cached = cache.unpack(
                cache.key(RECIPE, version, self.realm, netbios, host, site,
                          address, self.admin_password),
                self.folder, self._provision)
            self._make_certificates()
            self.directory = Directory(
                address, self.ports["ldaps"], self.ca_file, self.dns_name,
                self.base, self.realm, netbios, self.admin_dn,
                self.admin_password)
            self._write_config()
            self.start()
            self.seconds = time.monotonic() - started
        except BaseException:
            self.stop()
            raise

    def _provision(self, folder):
        config = os.path.join(folder, "empty.conf")
        with open(config, "w") as file:
            file.write("[global]\n")
        done = subprocess.run(
            ["samba-tool", "domain", "provision", f"--configfile={config}",
             f"--targetdir={folder}", f"--realm={self.realm}",
             f"--domain={self.netbios}", "--server-role=dc",
             "--dns-backend=SAMBA_INTERNAL", f"--site={self.site}",
             f"--adminpass={self.admin_password}", f"--host-name={self.host}",
             f"--host-ip={self.address}",
             f"--option=interfaces={self.address}/8",
             "--option=bind interfaces only=yes",
             f"--option=pid directory={folder}/run",
             f"--option=log file={folder}/log"],
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": folder},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300)
        if done.returncode != 0:
            raise LabError("samba-tool domain provision failed:\n"
                           + (done.stdout + done.stderr)[-3000:])
        for name in ("msg.sock", "msg.lock"):
            subprocess.run(["rm", "-rf", os.path.join(folder, name)],
                           check=True)

    def _make_certificates(self):
        self.ca = CertificateAuthority()
        private = os.path.join(self.folder, "private", "tls")
        os.makedirs(private, mode=0o700, exist_ok=True)
        for path in (self.ca_file, os.path.join(private, "ca.pem")):
            with open(path, "wb") as file:
                file.write(self.ca.pem)
        # Daemons of other users read the CA file.
        os.chmod(self.folder, 0o711)
        os.chmod(self.ca_file, 0o644)
        self.ca.issue(self.dns_name, self._names(), [self.address]).write(
            os.path.join(private, "cert.pem"),
            os.path.join(private, "key.pem"))

    def _names(self):
        return [self.dns_name, self.domain]

    def _write_config(self):
        for name in ("lock", "state", "cache", "run", "bind-dns"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        self.config = os.path.join(self.folder, "smb.conf")
        options = "\n".join(f"    {key} = {value}"
                            for key, value in self.options.items())
        with open(self.config, "w") as file:
            file.write(SMB_CONF.format(
                NETBIOS_NAME=self.host.upper(), realm=self.realm,
                netbios=self.netbios, services=" ".join(self.services),
                address=self.address, folder=self.folder,
                workers=self.workers, options=options))

    def start(self):
        """Start the stopped controller and wait until it answers."""
        self.launch(["samba", "--foreground", "--no-process-group",
                     f"--configfile={self.config}", "--model", self.model],
                    contained=True, environment={"PATH": PATH})
        try:
            wait_until(self._answers_ldap, f"{self.url}: no rootDSE",
                       alive=self.alive)
            if self._dns:
                wait_until(self._answers_dns, f"{self.address}: no DNS",
                           alive=self.alive)
        except LabError as error:
            raise LabError(f"{error}\n{self.output()}{self.log()}") from None
        namespace.add_host(self.address, self.dns_name, self.host)
        if self._dns:
            namespace.set_nameserver(self.address)

    def _answers_ldap(self):
        try:
            return "defaultNamingContext" in self.directory.root_dse()
        except Exception as error:  # ldap3 raises many kinds; wait_until ends
            self._last_error = error
            return False

    def _answers_dns(self):
        """One SRV question for the domain's LDAP servers (RFC 1035 4.1)."""
        labels = f"_ldap._tcp.{self.domain}".encode().split(b".")
        question = b"".join(bytes([len(one)]) + one for one in labels)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            try:
                sock.connect((self.address, 53))
                sock.send(struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + question
                          + b"\0" + struct.pack("!2H", 33, 1))
                answer = sock.recv(1500)
            except OSError:
                return False
        return len(answer) > 12 and struct.unpack("!H", answer[6:8])[0] > 0

    def log(self, limit=4000):
        try:
            with open(os.path.join(self.folder, "log.samba"), "rb") as file:
                return file.read()[-limit:].decode(errors="replace")
        except OSError:
            return ""

    def crash(self):
        """End every process of the controller at once; start() goes on."""
        self.directory.close()
        self.end_process()

    def restart(self, **options):
        """Crash and start, with further lines of smb.conf if given."""
        self.crash()
        self.options.update({key.replace("_", " "): value
                             for key, value in options.items()})
        self._write_config()
        self.start()

    def stop(self):
        for front in getattr(self, "_fronts", []):
            front.close()
        self._fronts = []
        if getattr(self, "directory", None) is not None:
            self.directory.close()
        super().stop()

    def seed(self):
        """Load the standard population; see population.py."""
        population.load(self)

    def force_password_expired(self, name):
        """Have the password expire without waiting: 532 from now on.

        LDAP takes no pwdLastSet but 0 and -1, so the value goes below all
        modules into the partition's file of the running controller.
        """
        dn = self.directory.dn(name)
        path = os.path.join(self.folder, "private", "sam.ldb.d",
                            f"{self.base.upper()}.ldb")
        database = ldb.Ldb(f"tdb://{path}")
        message = ldb.Message(ldb.Dn(database, dn))
        message["pwdLastSet"] = ldb.MessageElement(
            b"116444736000000000", ldb.FLAG_MOD_REPLACE, "pwdLastSet")
        database.modify(message)

    def deny_reading(self, dn, attribute, name):
        """Have that user not be shown an attribute (its schemaIDGUID) of the entry at dn."""
        sddl = f"(OD;;RP;{attribute};;{self.directory.sid(name)})"
        done = subprocess.run(
            ["samba-tool", "dsacl", "set", f"--configfile={self.config}",
             "-H", os.path.join(self.folder, "private", "sam.ldb"),
             f"--objectdn={dn}", f"--sddl={sddl}"],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, text=True,
            timeout=60)
        if done.returncode != 0:
            raise LabError(f"samba-tool dsacl set failed:\n{done.stderr}")

    def tls_variant(self, kind):
        """A TlsFront before port 636 with a certificate of that kind.

        Reach it as ldaps://<dns_name>:<front.port>; it ends with stop().
        The kinds are tls.KINDS.
        """
        certificate = self.ca.issue_kind(kind, self.dns_name, self._names(),
                                         [self.address])
        front = TlsFront(certificate, self.address, self.ports["ldaps"],
                         self.address)
        self._fronts.append(front)
        return front
