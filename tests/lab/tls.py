# SPDX-License-Identifier: ISC
"""Certificates of a private CA, and a TLS front with any certificate one likes.

Why: a directory client must refuse a wrong certificate, so the lab has to be
able to show it each wrong kind before a domain controller that is otherwise
the right one.  Keys made here are for tests; nothing of this may be used where
a real secret passes.

X.509: RFC 5280; names in certificates: RFC 6125.
"""

import asyncio
import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .listener import Listener, join

DAY = datetime.timedelta(days=1)

# The kinds of front that certificate tests ask for.
KINDS = ("good", "expired", "not_yet_valid", "wrong_name", "other_ca",
         "self_signed", "common_name_only")


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _now():
    return datetime.datetime.utcnow()


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Certificate:
    """A certificate with its key, both PEM; write() puts them into files."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = _key_pem(key)

    def write(self, certificate_path, key_path):
        """Write both files, the key readable by its owner alone."""
        with open(certificate_path, "wb") as file:
            file.write(self.pem)
        fd = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(self.key_pem)


class CertificateAuthority:
    """A P-256 CA that lives for two days."""

    def __init__(self, common_name="adconnector lab CA"):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(common_name)
        key_id = x509.SubjectKeyIdentifier.from_public_key(
            self._key.public_key())
        self._authority_id = x509.AuthorityKeyIdentifier \
            .from_issuer_subject_key_identifier(key_id)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True,
            content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self._subject).issuer_name(self._subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - DAY).not_valid_after(_now() + 2 * DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(key_id, critical=False)
            .sign(self._key, hashes.SHA256()))
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, common_name, names=(), addresses=(), not_before=None,
              not_after=None, self_signed=False):
        """A server certificate; names and addresses go into the SAN."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name(common_name) if self_signed else self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or _now() - DAY)
            .not_valid_after(not_after or _now() + DAY)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH]), critical=False))
        san = [x509.DNSName(name) for name in names]
        san += [x509.IPAddress(ipaddress.ip_address(address))
                for address in addresses]
        if san:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(san), critical=False)
        if not self_signed:
            builder = builder.add_extension(self._authority_id, critical=False)
        return Certificate(
            builder.sign(key if self_signed else self._key, hashes.SHA256()),
            key)

    def issue_kind(self, kind, common_name, names=(), addresses=()):
        """A certificate for the given names with the fault that `kind` says."""
        if kind not in KINDS:
            raise ValueError(f"{kind}: not one of {', '.join(KINDS)}")
        if kind == "expired":
            return self.issue(common_name, names, addresses,
                              _now() - DAY, _now() - DAY / 24)
        if kind == "not_yet_valid":
            return self.issue(common_name, names, addresses,
                              _now() + DAY / 2, _now() + DAY)
        if kind == "wrong_name":
            return self.issue("dc9.elsewhere.test", ["dc9.elsewhere.test"])
        if kind == "other_ca":
            other = CertificateAuthority("adconnector lab other CA")
            return other.issue(common_name, names, addresses)
        if kind == "common_name_only":
            return self.issue(common_name)
        return self.issue(common_name, names, addresses,
                          self_signed=kind == "self_signed")


class TlsFront(Listener):
    """A listener that ends TLS with a chosen certificate and forwards.

    The far side is reached over TLS too, unchecked.  Use it as a context
    manager or call close().
    """

    def __init__(self, certificate, target_host, target_port,
                 host="127.0.0.1", port=0):
        self._target = (target_host, target_port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # load_cert_chain takes paths only; a memfd has one.
        fd = os.memfd_create("certificate")
        try:
            os.write(fd, certificate.pem + certificate.key_pem)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        self._outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._outward.check_hostname = False
        self._outward.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, context)

    async def serve(self, reader, writer):
        far = await asyncio.wait_for(asyncio.open_connection(
            *self._target, ssl=self._outward), 10)
        await join(reader, writer, *far)
