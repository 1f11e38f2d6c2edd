# SPDX-License-Identifier: ISC
"""What an administrator does in Active Directory, over LDAP.

Why: tests put accounts into every state AD knows, hundreds of times; one LDAP
operation takes a millisecond where a samba-tool process takes half a second.
ldap3's own checks of names and values are off: odd names must reach the
directory as they are.

Accounts are named by sAMAccountName in every function here; answers are raw
(attribute values are bytes).  A refused operation raises ldap3's exception.

MS-ADTS: attributes and controls; RFC 4514: DNs; RFC 4515: filters.
"""

import re
import ssl
import threading
import time
import uuid
from dataclasses import dataclass

import ldap3
from ldap3.core.exceptions import (LDAPCommunicationError, LDAPExceptionError,
                                   LDAPNoSuchObjectResult)
from ldap3.utils.conv import escape_filter_chars

# MS-ADTS 2.2.16, userAccountControl.
UAC_DISABLED = 0x2
UAC_NORMAL = 0x200
UAC_NEVER_EXPIRES = 0x10000
UAC_SMARTCARD = 0x40000
UAC_COMPUTED_LOCKED = 0x10
UAC_COMPUTED_EXPIRED = 0x800000

# MS-ADTS 2.2.12, groupType.
GROUP_GLOBAL = -0x80000000 | 0x2
GROUP_DOMAIN_LOCAL = -0x80000000 | 0x4
GROUP_UNIVERSAL = -0x80000000 | 0x8
GROUP_DISTRIBUTION = 0x2

# Intervals and times are 100 ns; times count from 1601-01-01.
TICKS = 10_000_000
EPOCH = 11_644_473_600
NEVER = -0x8000000000000000


@dataclass
class BindResult:
    """The answer to one simple bind; data is AD's hexadecimal reason."""
    code: int
    data: str
    message: str

    @property
    def ok(self):
        return self.code == 0


def filetime(seconds=None):
    """A time of day (seconds since 1970, default now) as AD writes it."""
    return int(((time.time() if seconds is None else seconds) + EPOCH) * TICKS)


def rdn(attribute, value):
    """One relative DN, escaped as RFC 4514 2.4 says."""
    text = re.sub(r'([,+"\\<>;=])', r"\\\1", value).replace("\0", "\\00")
    if text[:1] in (" ", "#"):
        text = "\\" + text
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return f"{attribute}={text}"


def sid_text(raw):
    """objectSid as text, S-1-5-21-…"""
    authority = int.from_bytes(raw[2:8], "big")
    parts = [int.from_bytes(raw[at:at + 4], "little")
             for at in range(8, 8 + 4 * raw[1], 4)]
    return "-".join(["S", str(raw[0]), str(authority), *map(str, parts)])


def guid_text(raw):
    """objectGUID as text; its first three fields are little-endian."""
    return str(uuid.UUID(bytes_le=raw))


def simple_bind(server, user, password, timeout=10):
    """One simple bind on a connection of its own: a BindResult.

    `server` is an ldap3.Server; an empty password is not sent.
    """
    if isinstance(password, str):
        password = password.encode()
    connection = ldap3.Connection(server, user, password, check_names=False,
                                  receive_timeout=timeout)
    try:
        connection.bind()
        result = connection.result
    finally:
        connection.unbind()
    match = re.search(r"\bdata ([0-9a-f]+)", result["message"])
    return BindResult(result["result"], match.group(1) if match else "",
                      result["message"])


class Directory:
    """An administrator's connection to one domain controller."""

    def __init__(self, host, port, ca_file, server_name, base, realm, netbios,
                 admin_dn, admin_password):
        self.host, self.port, self.base = host, port, base
        self.realm, self.netbios = realm, netbios
        self.admin_dn, self.admin_password = admin_dn, admin_password
        self.server_name = server_name
        self.people = f"OU=People,{base}"
        self.groups = f"OU=Groups,{base}"
        self._tls = ldap3.Tls(validate=ssl.CERT_REQUIRED,
                              ca_certs_file=ca_file, valid_names=[server_name])
        self._connection = None
        self._lock = threading.RLock()

    # Connections

    def _server(self):
        # A new one each time: ldap3 remembers for seconds that it was down.
        return ldap3.Server(self.host, self.port, use_ssl=True, tls=self._tls,
                            get_info=ldap3.NONE, connect_timeout=5)

    def bind(self, user, password):
        """Try a simple bind as anybody: a BindResult."""
        return simple_bind(self._server(), user, password)

    def connect(self, user, password):
        """A bound ldap3 connection as anybody; the caller unbinds it."""
        return ldap3.Connection(
            self._server(), user, password.encode(), auto_bind=True,
            check_names=False, raise_exceptions=True, receive_timeout=30)

    def root_dse(self):
        """The rootDSE, read without a bind."""
        connection = ldap3.Connection(self._server(), check_names=False,
                                      receive_timeout=5)
        try:
            if not connection.bind() or not connection.search(
                    "", "(objectClass=*)", ldap3.BASE, attributes=["*"]):
                raise LDAPExceptionError(connection.result["message"])
            return connection.response[0]["raw_attributes"]
        finally:
            connection.unbind()

    def close(self):
        """Close the administrator's connection; the next use opens it anew."""
        with self._lock:
            if self._connection is not None:
                try:
                    self._connection.unbind()
                except (LDAPExceptionError, OSError):
                    pass
                self._connection = None

    def _run(self, operation):
        with self._lock:
            if self._connection is not None:
                try:
                    return operation(self._connection)
                except LDAPCommunicationError:
                    # Closed meanwhile: idle for too long, or a restart.
                    self.close()
            self._connection = self.connect(self.admin_dn,
                                            self.admin_password)
            return operation(self._connection)

    # Reading

    def search(self, filter, attributes=("*",), base=None, scope=None,
               controls=None):
        """A list of (DN, {attribute: [bytes]}); 1,000 entries at most."""
        def operation(connection):
            connection.search(base if base is not None else self.base, filter,
                              scope or ldap3.SUBTREE, controls=controls,
                              attributes=list(attributes))
            return [(entry["dn"], dict(entry["raw_attributes"]))
                    for entry in connection.response
                    if entry["type"] == "searchResEntry"]
        return self._run(operation)

    def find(self, name, *attributes):
        """(DN, attributes) of one account or group, by sAMAccountName."""
        found = self.search(
            f"(sAMAccountName={escape_filter_chars(name)})", attributes or "*")
        if len(found) != 1:
            raise KeyError(f"{name}: {len(found)} entries")
        return found[0]

    def dn(self, name):
        return self.find(name, "cn")[0]

    def value(self, name, attribute):
        """The first value as bytes, or None; operational attributes too."""
        entries = self.search("(objectClass=*)", [attribute], self.dn(name),
                              ldap3.BASE)
        values = entries[0][1].get(attribute) or [None]
        return values[0]

    def guid(self, name):
        return guid_text(self.value(name, "objectGUID"))

    def sid(self, name):
        return sid_text(self.value(name, "objectSid"))

    def token_groups(self, name):
        """SIDs of all security groups: nested and primary included."""
        entries = self.search("(objectClass=*)", ["tokenGroups"],
                              self.dn(name), ldap3.BASE)
        return {sid_text(raw) for raw in entries[0][1]["tokenGroups"]}

    def bad_pwd_count(self, name):
        return int(self.value(name, "badPwdCount") or 0)

    def is_locked(self, name):
        flags = self.value(name, "msDS-User-Account-Control-Computed")
        return bool(int(flags or 0) & UAC_COMPUTED_LOCKED)

    # Making, moving, removing

    def add(self, dn, object_class, attributes):
        self._run(lambda c: c.add(dn, object_class, attributes))
        return dn

    def modify(self, dn, changes, controls=None):
        """Replace each attribute of `changes`; an empty list removes it."""
        self._run(lambda c: c.modify(
            dn, {name: [(ldap3.MODIFY_REPLACE, _values(value))]
                 for name, value in changes.items()}, controls))

    def add_ou(self, name, parent=None):
        return self.add(f"{rdn('OU', name)},{parent or self.base}",
                        "organizationalUnit", {})

    def add_user(self, name, password=None, cn=None, parent=None, uac=None,
                 attributes=None, **more):
        """Make a user; returns the DN.

        Further attributes come as keywords, or in `attributes` when their
        names hold a dash.  userPrincipalName is name@realm unless given;
        userPrincipalName=None leaves it out.  Without a password the account
        is disabled.
        """
        values = {"userPrincipalName": f"{name}@{self.realm.lower()}"}
        values.update(attributes or {}, **more)
        if uac is None:
            uac = UAC_NORMAL | (UAC_DISABLED if password is None else 0)
        values.update({"sAMAccountName": name, "userAccountControl": uac})
        if password is not None:
            values["unicodePwd"] = _quoted(password)
        return self.add(f"{rdn('CN', cn or name)},{parent or self.people}",
                        "user", {key: _values(value) for key, value
                                 in values.items() if value is not None})

    def add_group(self, name, members=(), kind=GROUP_GLOBAL, cn=None,
                  parent=None, **attributes):
        """Make a group of the accounts and groups named in `members`."""
        values = {"sAMAccountName": name, "groupType": str(kind), **attributes}
        if members:
            values["member"] = [self.dn(member) for member in members]
        return self.add(f"{rdn('CN', cn or name)},{parent or self.groups}",
                        "group", values)

    def add_members(self, group, *names):
        self._members(group, names, ldap3.MODIFY_ADD)

    def remove_members(self, group, *names):
        self._members(group, names, ldap3.MODIFY_DELETE)

    def _members(self, group, names, how):
        members = [self.dn(name) for name in names]
        dn = self.dn(group)
        self._run(lambda c: c.modify(dn, {"member": [(how, members)]}))

    def rename(self, name, cn):
        """Give the entry another CN; returns the new DN."""
        old = self.dn(name)
        new = rdn("CN", cn)
        self._run(lambda c: c.modify_dn(old, new))
        return f"{new},{_parent(old)}"

    def move(self, name, parent):
        """Put the entry below another unit; returns the new DN."""
        old = self.dn(name)
        own = old[:len(old) - len(_parent(old)) - 1]
        self._run(lambda c: c.modify_dn(old, own, new_superior=parent))
        return f"{own},{parent}"

    def delete(self, name):
        self.delete_dn(self.dn(name))

    def delete_dn(self, dn):
        self._run(lambda c: c.delete(dn))

    def delete_guid(self, guid):
        """Delete by objectGUID, whatever the name is now; gone is fine."""
        try:
            self._run(lambda c: c.delete(f"<GUID={guid}>"))
        except LDAPNoSuchObjectResult:
            pass

    def set(self, name, attributes=None, **more):
        """Replace attributes of an account or group; None removes one."""
        self.modify(self.dn(name), {**(attributes or {}), **more})

    # The states an account can be in

    def set_password(self, name, password):
        """An administrator's reset; history and minimum age do not count."""
        self.set(name, unicodePwd=_quoted(password))

    def change_password(self, name, old, new):
        """A user's own change, done by the administrator's connection."""
        dn = self.dn(name)
        self._run(lambda c: c.modify(dn, {"unicodePwd": [
            (ldap3.MODIFY_DELETE, [_quoted(old)]),
            (ldap3.MODIFY_ADD, [_quoted(new)])]}))

    def set_uac(self, name, on=0, off=0):
        flags = int(self.value(name, "userAccountControl"))
        self.set(name, userAccountControl=flags & ~off | on)

    def disable(self, name):
        self.set_uac(name, on=UAC_DISABLED)

    def enable(self, name):
        self.set_uac(name, off=UAC_DISABLED)

    def expire_account(self, name, seconds=None):
        """The account ends at `seconds` since 1970; default: yesterday."""
        self.set(name, accountExpires=filetime(
            time.time() - 86400 if seconds is None else seconds))

    def unexpire_account(self, name):
        self.set(name, accountExpires=0)

    def must_change_password(self, name, must=True):
        self.set(name, pwdLastSet=0 if must else -1)

    def set_logon_hours(self, name, hours=bytes(21)):
        """21 bytes, one bit an hour of the week, UTC; None: always."""
        self.set(name, logonHours=hours)

    def set_workstations(self, name, workstations="NOT-THIS-ONE"):
        """Comma-separated names; None: any."""
        self.set(name, userWorkstations=workstations)

    def set_primary_group(self, name, group):
        """Make the user a member and the group its primary group."""
        members = self.find(group, "member")[1].get("member", [])
        if self.dn(name).encode() not in members:
            self.add_members(group, name)
        rid = int(self.sid(group).rsplit("-", 1)[1])
        self.set(name, primaryGroupID=rid)

    def unlock(self, name):
        self.set(name, lockoutTime=0)

    def lock(self, name):
        """Lock the account in the only way there is: wrong passwords."""
        threshold = int(self.search(
            "(objectClass=*)", ["lockoutThreshold"], self.base,
            ldap3.BASE)[0][1]["lockoutThreshold"][0])
        if threshold == 0:
            raise ValueError(f"{name}: the domain locks nobody; "
                             "set_lockout() first")
        dn = self.dn(name)
        for _ in range(threshold):
            self.bind(dn, "this is not the password")
        if not self.is_locked(name):
            raise AssertionError(f"{name}: not locked after {threshold} tries")

    # Policy of the domain

    def set_lockout(self, threshold, duration=1800, window=1800):
        """Lock-out after `threshold` tries (0: never); times in seconds."""
        self.modify(self.base, {
            "lockoutThreshold": threshold,
            "lockoutDuration": -duration * TICKS,
            "lockOutObservationWindow": -window * TICKS})

    def set_password_policy(self, min_length=None, complexity=None,
                            history=None, min_age=None, max_age=None):
        """Password policy; ages in seconds, max_age=0 is never."""
        changes = {}
        if min_length is not None:
            changes["minPwdLength"] = min_length
        if complexity is not None:
            changes["pwdProperties"] = 1 if complexity else 0
        if history is not None:
            changes["pwdHistoryLength"] = history
        if min_age is not None:
            changes["minPwdAge"] = -min_age * TICKS
        if max_age is not None:
            changes["maxPwdAge"] = -max_age * TICKS if max_age else NEVER
        self.modify(self.base, changes)


def _quoted(password):
    """unicodePwd: UTF-16LE in double quotes (MS-ADTS 3.1.1.3.1.5.1)."""
    return f'"{password}"'.encode("utf-16-le")


def _values(value):
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [_one(item) for item in value]
    return [_one(value)]


def _one(value):
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def _parent(dn):
    """The DN without its first component."""
    return re.match(r"(?:[^\\,]|\\.)*,(.*)", dn, re.DOTALL).group(1)
