# SPDX-License-Identifier: ISC
"""adc-directory as a real process in its real sandbox, against a real Samba AD
and a real slapd.  The parent is played by directory_child.py.
"""

import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import Gone, s, sanitized, u8, u16, u32  # noqa: E402
from directory_child import (CONNECTING, FAILED, LDAP, LDAPS, OK, TLS_NONE,  # noqa: E402
                             TLS_STARTTLS, Directory, check_password, from_samba, from_slapd, jti,
                             seal)
from tests.lab import population  # noqa: E402
from tests.lab.openldap import Slapd  # noqa: E402
from tests.lab.process import freeze, wait_until  # noqa: E402
from tests.lab.tls import CertificateAuthority, TlsFront  # noqa: E402

MARK = "M4rk-of-a-tested-Secret-Zz9"
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.21", realm="DIRECTORY.TEST", netbios="DIRECTORY",
                 dns=False) as samba:
        samba.seed()
        yield samba


@pytest.fixture(scope="module")
def slapd():
    with Slapd(users=50, tls=True) as server:
        yield server


@pytest.fixture
def own_slapd():
    """One that a test may stop, freeze and start again."""
    with Slapd(users=10) as server:
        yield server


@pytest.fixture
def ad(dc):
    with from_samba(dc) as child:
        yield child.start().up()


@pytest.fixture
def ldap(slapd):
    with from_slapd(slapd) as child:
        yield child.start().up()


def person(name):
    return next(one for one in population.PEOPLE if one.name == name)


# --- start ------------------------------------------------------------------


def test_state_after_start(dc, ad):
    assert [state.state for state in ad.states] == [CONNECTING, OK]
    state = ad.state
    assert (state.server, state.base, state.netbios, state.realm) == \
        (dc.dns_name, dc.base, "DIRECTORY", "directory.test")
    # The minimum of connections stands by, told within a second.
    ad.pump(lambda: ad.state.open == 1, 5, "a pooled connection")


def test_the_sandbox_is_closed(ad):
    status = ad.status()
    assert status["CapEff"].strip("0") == "" and status["CapPrm"].strip("0") == ""
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    root = os.readlink(f"/proc/{ad.process.pid}/root")
    assert not IS_ROOT or root.endswith("/libexec/adconnector/empty")
    # 0, 1, 2, the parent's socket, the event loop, the service connection, one of the pool.
    assert ad.descriptors() <= 8


@pytest.mark.parametrize("change", [
    lambda items: [item for item in items if item[0] != "server"],
    lambda items: [item for item in items if item[0] != "user"],
    lambda items: items + [("password", b"x")],
    lambda items: items + [("unknown", b"")],
    lambda items: items + [("tls_mode", b"\x03")],
    lambda items: items + [("max_connections", u16(0))],
    lambda items: items + [("server", b"\0")],
    lambda items: [item if item[0] != "tls_mode" else ("tls_mode", b"\0") for item in items],
], ids=["no-server", "no-user", "password", "unknown-key", "bad-mode", "no-connections",
        "short-server", "no-ca"])
def test_bad_configuration_is_fatal(slapd, change):
    child = from_slapd(slapd)
    child.items = change(child.items)
    with child, pytest.raises((Gone, BrokenPipeError, ConnectionResetError)):
        child.start()
    assert child.process.returncode == 1


def test_ca_file_without_certificate_is_fatal(slapd, tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate\n")
    child = from_slapd(slapd, tls_mode=0, ca_file=str(tmp_path / "ca.pem"))
    with child, pytest.raises(Gone):
        child.start()
    assert "no certificate" in child.log_text()


@pytest.mark.parametrize("name,payload", [
    ("CHECK_PASSWORD", bytes(200)), ("TEST_DIRECTORY", u32(0)),
    ("CHECK_PASSWORD", check_password("alice", seal("alice", "x"))[:-1]),
    ("CHECK_PASSWORD", check_password("alice", seal("alice", "x"), deadline=60001)),
    ("READY", b""), ("LOG", bytes(8))],
    ids=["zeros", "no-deadline", "short", "long-deadline", "not-its", "not-its-either"])
def test_a_bad_message_ends_the_process(ldap, name, payload):
    ldap.send(name, payload, 1)
    with pytest.raises(Gone):
        ldap.pump(lambda: False, 5)
    assert ldap.end() == 1


def test_end_of_the_parent_ends_it(ldap):
    ldap.sock.shutdown(socket.SHUT_RDWR)
    assert ldap.end(2) == 0


# --- who logs in ------------------------------------------------------------


@pytest.mark.parametrize("name", [one.name for one in population.ACTIVE
                                  if one.name != "helpdesk-admin"])
def test_right_password(dc, ad, name):
    answer = ad.login(name, person(name).password)
    assert (answer.status, answer.proven, answer.found) == ("ok", True, True)
    assert answer.guid == dc.directory.guid(name) == answer.profile["id"]
    assert answer.profile["distinguishedName"] == dc.directory.dn(name)
    assert 0 < answer.microseconds < 5_000_000


@pytest.mark.parametrize("one", population.STATES, ids=lambda one: one.state)
def test_every_state(dc, ad, one):
    status = {"disabled": "account_disabled", "expired": "account_expired",
              "must_change": "password_must_change", "password_expired": "password_expired",
              "locked": "account_locked", "hours": "logon_hours",
              "workstation": "workstation_denied"}[one.state]
    answer = ad.login(one.name, one.password)
    assert answer.status == status and answer.guid == dc.directory.guid(one.name)
    assert answer.proven == (one.state != "locked")
    if answer.proven:
        assert set(answer.profile) == {"id", "userName", "sAMAccountName"}
    else:
        assert answer.profile is None
    wrong = ad.login(one.name, "not the password")
    assert not wrong.proven and wrong.profile is None
    assert wrong.status == ("account_locked" if one.state == "locked" else "invalid_credentials")


def test_wrong_password_and_unknown_user(dc, ad):
    wrong, unknown = ad.login("bob", "wrong"), ad.login("no-such-user", "wrong")
    assert wrong.status == unknown.status == "invalid_credentials"
    assert (wrong.reason, wrong.found) == ("wrong_password", True)
    assert (unknown.reason, unknown.found) == ("unknown_user", False)
    assert wrong.profile is None and unknown.profile is None
    # A name that was found is in the log; one that was not may be a password.
    assert "bob" in ad.log_text() and "no-such-user" not in ad.log_text()
    dc.directory.bind(dc.directory.dn("bob"), person("bob").password)


def test_profile(dc, ad):
    profile = ad.login("alice", person("alice").password).profile
    assert profile["userName"] == "alice@directory.test"
    assert profile["name"] == {"givenName": "Alice", "familyName": "Adams"}
    assert profile["displayName"] == "Alice Adams" and profile["active"] is True
    assert profile["emails"] == [{"type": "work", "value": "alice@lab.test"}]
    assert profile["phoneNumbers"] == [{"type": "work", "value": "+49 30 1234567"}]
    assert (profile["title"], profile["department"]) == ("Engineer", "Research")
    assert profile["manager"] is None
    assert profile["organizationalUnit"] == f"OU=People,{dc.base}"
    groups = {group["name"]: group["id"] for group in profile["groups"]}
    # Direct, nested, through a loop, domain local, primary; a distribution group is none.
    assert {"Sales-EMEA", "Sales", "Staff", "Loop-A", "Loop-B", "VPN external (old)",
            "Domain Users"} <= set(groups)
    assert "Newsletter" not in groups
    assert groups["Sales"] == dc.directory.guid("Sales")


def test_profile_of_little(ad):
    profile = ad.login("noupn", person("noupn").password).profile
    assert profile["userName"] == "noupn@directory.test"  # implied
    assert profile["emails"] == [] and profile["phoneNumbers"] == []
    assert profile["title"] is None and profile["name"] == {"givenName": None, "familyName": None}


def test_changed_primary_group(ad):
    names = [group["name"] for group in ad.login("paula", person("paula").password)
             .profile["groups"]]
    assert "Contractors" in names


# --- names ------------------------------------------------------------------


@pytest.mark.parametrize("typed,name", [
    ("ALICE", "alice"), ("alice@directory.test", "alice"), ("Alice@DIRECTORY.Test", "alice"),
    ("DIRECTORY\\alice", "alice"), ("directory\\ALICE", "alice"), ("alice@lab.test", "alice"),
    ("erika@elsewhere.example", "erika"), ("erika@directory.test", "erika"),
    ("noupn@directory.test", "noupn"), ("JÜRGEN.GROß", "jürgen.groß"),
    ("juergen.gross@lab.test", "jürgen.groß"), ("王小明", "王小明"),
    ("o'brien", "o'brien")])
def test_forms_of_a_name(dc, ad, typed, name):
    answer = ad.login(typed, person(name).password)
    assert (answer.status, answer.guid) == ("ok", dc.directory.guid(name))


@pytest.mark.parametrize("typed", [
    "alice ", " alice", "alice\t", "alice\u00a0", "al*", "*", "alice)(mail=*", "*)(objectClass=*",
    "(", ")", "\\", "\\alice", "DIRECTORY\\", "OTHER\\alice", "DIRECTORY\\alice ", "alice\\",
    "CN=Alice Adams,OU=People,DC=directory,DC=test", "Alice Adams", "alice@", "@directory.test",
    "alice@@directory.test", "jurgen.gross", "álice", "alice,bob", "alice\\2a", "DC1$",
    "Domain Users", "a" * 1024])
def test_not_a_name(dc, ad, typed):
    answer = ad.login(typed, person("alice").password)
    assert (answer.status, answer.reason, answer.found) == \
        ("invalid_credentials", "unknown_user", False)


def test_nobody_is_taken_for_another(dc, ad):
    """Eve makes herself look like Alice by what she may have in her own entry."""
    alice = person("alice")
    made = []

    def eve(name, **attributes):
        dc.directory.add_user(name, "Eve-Password-1", **attributes)
        made.append(name)

    try:
        # Her mail is Alice's principal name: that step comes first and finds Alice.
        eve("eve-mail", mail="alice@directory.test")
        answer = ad.login("alice@directory.test", "Eve-Password-1")
        assert (answer.status, answer.guid) == ("invalid_credentials", dc.directory.guid("alice"))
        assert ad.login("alice@directory.test", alice.password).guid == dc.directory.guid("alice")
        # Her mail is Alice's implied name: the same.
        eve("eve-implied", mail="noupn@directory.test")
        assert ad.login("noupn@directory.test", "Eve-Password-1").guid == \
            dc.directory.guid("noupn")
        # Her principal name is somebody's mail: principal names come first, so it is hers.
        eve("eve-upn", attributes={"userPrincipalName": "bob@lab.test"})
        answer = ad.login("bob@lab.test", person("bob").password)
        assert answer.guid == dc.directory.guid("eve-upn")
        assert answer.status == "invalid_credentials"
        assert ad.login("bob@lab.test", "Eve-Password-1").guid == dc.directory.guid("eve-upn")
        # The same mail twice is nobody.
        eve("eve-twice", mail="alice@lab.test")
        answer = ad.login("alice@lab.test", alice.password)
        assert (answer.status, answer.found, answer.proven) == ("ambiguous_user", False, False)
    finally:
        for name in made:
            dc.directory.delete(name)


def test_contacts_and_computers_are_no_users(dc, ad):
    directory = dc.directory
    contact = directory.add(f"CN=A Contact,{directory.people}", "contact",
                            {"mail": "bob@lab.test"})
    computer = directory.add(f"CN=PC1,CN=Computers,{dc.base}", "computer",
                             {"sAMAccountName": "PC1$", "userAccountControl": "4096",
                              "mail": "bob@lab.test"})
    try:
        # Bob's mail is still his alone.
        assert ad.login("bob@lab.test", person("bob").password).status == "ok"
        assert ad.login("PC1$", "x").reason == "unknown_user"
    finally:
        directory.delete_dn(contact)
        directory.delete_dn(computer)


# --- passwords --------------------------------------------------------------


def test_an_empty_password_never_binds(dc, ad):
    before = dc.directory.value("bob", "logonCount")
    for name in ("bob", "bob@directory.test", "nobody"):
        answer = ad.login(name, "")
        assert (answer.status, answer.reason, answer.proven) == \
            ("invalid_credentials", "empty_password", False)
    assert dc.directory.value("bob", "logonCount") == before
    assert dc.directory.bad_pwd_count("bob") == 0


def test_odd_passwords(dc, ad):
    count = dc.directory.bad_pwd_count("emma")
    answer = ad.login("emma", "x" * 4096)
    assert (answer.status, answer.reason) == ("invalid_credentials", "wrong_password")
    ad.login("emma", person("emma").password)
    for raw in (b'{"v":1,"op":"authenticate"}', b"\0" * 256, b"",
                seal_text("emma", '"a\\u0000b"'), seal_text("emma", '"\udc80"'.encode(
                    "utf-8", "surrogateescape")), seal_text("emma", '"' + "x" * 4097 + '"')):
        answer = ad.login("emma", parts=seal("emma", None, raw=raw or b" "))
        assert (answer.status, answer.reason, answer.found) == \
            ("bad_request", "sealed_broken", False)
    assert dc.directory.bad_pwd_count("emma") == count


def seal_text(username, password):
    """The content with the password as it would stand in JSON."""
    if isinstance(password, str):
        password = password.encode()
    return (f'{{"v":1,"op":"authenticate","connection":"corp","username":"{username}",'
            f'"iat":{int(time.time())},"jti":"{jti()}","password":').encode() + password + b"}"


def test_the_age_of_a_sealed_text_goes_by_the_hubs_time(ad):
    """Not by this host's: the parent says with each login what time it is."""
    password = person("alice").password
    for hub_time in (0, 1700000000, int(time.time()) + 7200):
        for age in (-280, 0, 280):
            if hub_time - age < 0:
                continue
            assert ad.login("alice", password, hub_time=hub_time,
                            iat=hub_time - age).status == "ok"
        for age in (-330, 330, hub_time - int(time.time())):
            if hub_time - age < 0:
                continue
            answer = ad.login("alice", password, hub_time=hub_time, iat=hub_time - age)
            assert (answer.status, answer.reason) == ("bad_request", "sealed_old")


def test_sealed_text_must_fit_its_frame(dc, ad):
    password = person("alice").password
    now = int(time.time())
    cases = [
        (dict(sealed_username="bob"), "sealed_other_user"),
        (dict(sealed_username="Alice"), "sealed_other_user"),
        (dict(op="change_password"), "sealed_broken"),  # it would need a new password
        (dict(connection="other"), "sealed_other_connection"),
        (dict(iat=now - 330), "sealed_old"),
        (dict(iat=now + 330), "sealed_old"),
    ]
    for change, reason in cases:
        answer = ad.login("alice", password, **change)
        assert (answer.status, answer.reason, answer.proven, answer.found) == \
            ("bad_request", reason, False, False), change
    for iat in (now - 280, now + 280):
        assert ad.login("alice", password, iat=iat).status == "ok"


def test_another_operation_is_refused(ad):
    raw = seal_text("alice", '"x","new_password":"y"').replace(b"authenticate", b"reset_password")
    answer = ad.login("alice", parts=seal("alice", None, raw=raw))
    assert (answer.status, answer.reason) == ("bad_request", "sealed_other_operation")


def test_a_sealed_text_is_good_once(ad):
    password = person("alice").password
    parts = seal("alice", password)
    assert ad.login("alice", parts=parts).status == "ok"
    again = ad.login("alice", parts=parts)
    assert (again.status, again.reason, again.proven) == ("bad_request", "sealed_used", False)
    # Sealed anew, but with the same jti.
    id = jti()
    assert ad.login("alice", password, id=id).status == "ok"
    assert ad.login("alice", password, id=id).reason == "sealed_used"


@pytest.mark.parametrize("part", range(6))
def test_a_changed_part_does_not_open(ad, part):
    parts = list(seal("alice", person("alice").password))
    changed = bytearray(parts[part])
    changed[-1] ^= 1
    parts[part] = bytes(changed)
    answer = ad.login("alice", parts=parts)
    if part == 1:
        assert answer.status == "ok"  # the point was used by the parent; only Z counts here
    else:
        assert (answer.status, answer.reason) == ("bad_request", "sealed_broken")


def test_without_enrolment_nothing_is_checked(slapd):
    with from_slapd(slapd, connection="") as child:
        child.start().up()
        answer = child.login(slapd.user(0)[0], slapd.user(0)[2], connection="x")
        assert (answer.status, answer.reason) == ("internal", "not_enrolled")


# --- policy -----------------------------------------------------------------


def test_privileged_accounts_are_not_tried(dc, ad):
    for name, password in (("helpdesk-admin", person("helpdesk-admin").password),
                           ("Administrator", dc.admin_password), ("Administrator", "wrong")):
        answer = ad.login(name, password)
        assert (answer.status, answer.reason, answer.proven) == \
            ("not_allowed", "privileged", False)
    assert dc.directory.bad_pwd_count("Administrator") == 0


def test_a_new_administrator_is_known_at_once(dc, ad):
    """adminCount comes up to an hour later; the group counts, nested, too."""
    directory = dc.directory
    directory.add_user("promoted", "Promoted-Pass-1")
    directory.add_group("Helpers", ["promoted"])
    try:
        assert ad.login("promoted", "Promoted-Pass-1").status == "ok"
        directory.add_members("Domain Admins", "Helpers")
        answer = ad.login("promoted", "Promoted-Pass-1")
        assert (answer.status, answer.reason) == ("not_allowed", "privileged")
    finally:
        directory.delete("Helpers")
        directory.delete("promoted")


def test_privileged_accounts_when_the_policy_lets_them(dc):
    with from_samba(dc, deny_privileged=False) as child:
        child.start().up()
        answer = child.login("helpdesk-admin", person("helpdesk-admin").password)
        assert answer.status == "ok"
        # Without a rule about groups they are read beside the bind.
        assert "Domain Admins" in [group["name"] for group in answer.profile["groups"]]


def test_group_rules(dc):
    sid = dc.directory.sid("Staff")
    with from_samba(dc, allow_groups=[sid, "CONTRACTORS"], deny_groups=["Loop-B"]) as child:
        child.start().up()
        login = lambda name: (lambda a: (a.status, a.reason))(
            child.login(name, person(name).password))
        assert login("bob") == ("ok", "")  # through Sales
        assert login("paula") == ("ok", "")  # by her primary group
        assert login("emma") == ("not_allowed", "not_in_allow_groups")
        assert login("alice") == ("not_allowed", "in_deny_groups")


def test_a_group_that_is_not_there_is_told(dc):
    with from_samba(dc, allow_groups=["No Such Group"]) as child:
        child.start().up()
        assert "No Such Group" in child.log_text()
        assert child.login("bob", person("bob").password).reason == "not_in_allow_groups"


def test_a_denied_group_that_is_not_there_refuses_everybody(dc):
    """It may have been renamed: whoever is in it must not get in by that."""
    with from_samba(dc, deny_groups=["Bogus*"]) as child:
        child.start().up()
        assert "Bogus*" in child.log_text() and "everybody is refused" in child.log_text()
        answer = child.login("bob", person("bob").password)
        assert (answer.status, answer.reason) == ("not_allowed", "deny_groups_unknown")
        step = child.test()[-1]
        assert (step.passed, step.code) == (False, "deny_groups_unknown"), step
        assert "Bogus*" in step.text


# --- again ------------------------------------------------------------------


def test_a_second_login_is_like_the_first(ad):
    for one in population.PEOPLE:
        first, second = (ad.login(one.name, one.password) for _ in range(2))
        for what in ("status", "reason", "proven", "guid", "profile"):
            assert getattr(second, what) == getattr(first, what), one.name


def test_somebody_who_moves_away(dc, ad):
    """To another place, to another name; and another person gets the old one."""
    directory = dc.directory
    directory.add_user("mover", "Mover-Pass-1")
    mover = directory.guid("mover")
    guids, unit = [mover], directory.add_ou("Elsewhere")

    def is_in(name, password, guid):
        answer = ad.login(name, password)
        assert (answer.status, answer.guid) == ("ok", guid), answer
        assert answer.profile["distinguishedName"] == directory.dn(name)

    def is_nobody(name, password):
        answer = ad.login(name, password)
        assert (answer.status, answer.reason) == ("invalid_credentials", "unknown_user")

    try:
        is_in("mover", "Mover-Pass-1", mover)
        directory.rename("mover", "Somebody Else")
        is_in("mover", "Mover-Pass-1", mover)
        directory.move("mover", unit)
        is_in("mover", "Mover-Pass-1", mover)
        directory.set("mover", sAMAccountName="moved", userPrincipalName=f"moved@{dc.domain}")
        is_nobody("mover", "Mover-Pass-1")
        is_in("moved", "Mover-Pass-1", mover)
        directory.add_user("mover", "Another-Pass-2")
        guids.append(directory.guid("mover"))
        is_in("mover", "Another-Pass-2", guids[1])
        is_in("moved", "Mover-Pass-1", mover)
        for guid in guids:
            directory.delete_guid(guid)
        is_nobody("mover", "Another-Pass-2")
        is_nobody("moved", "Mover-Pass-1")
    finally:
        for guid in guids:
            directory.delete_guid(guid)
        directory.delete_dn(unit)


# --- lock-out ---------------------------------------------------------------


@pytest.fixture
def victim(dc):
    name = "victim"
    dc.directory.add_user(name, "Victim-Pass-1")
    yield name
    dc.directory.delete(name)


def test_the_connector_does_not_lock_an_account(dc, ad, victim):
    assert population.LOCKOUT_THRESHOLD == 5
    answers = [ad.login(victim, f"wrong {i}") for i in range(8)]
    assert [answer.status for answer in answers] == \
        ["invalid_credentials"] * 3 + ["lockout_protected"] * 5
    assert all(answer.reason == "budget" for answer in answers[3:])
    assert dc.directory.bad_pwd_count(victim) == 3 and not dc.directory.is_locked(victim)
    # Under another of the same person's names as well, and with the right password.
    assert ad.login(f"DIRECTORY\\{victim}", "x").status == "lockout_protected"
    assert ad.login(victim, "Victim-Pass-1").status == "lockout_protected"
    assert dc.directory.bad_pwd_count(victim) == 3


def test_guesses_at_the_same_time_are_counted(dc, victim):
    with from_samba(dc, minimum=8, maximum=32) as child:
        child.start().up()
        names = [victim, f"{victim}@directory.test", f"DIRECTORY\\{victim}", victim.upper()]
        ids = [child.ask(names[i % 4], f"wrong {i}") for i in range(60)]
        statuses = [child.answer(id).status for id in ids]
        assert set(statuses) == {"invalid_credentials", "lockout_protected"}
        assert statuses.count("invalid_credentials") <= 3
        assert dc.directory.bad_pwd_count(victim) <= 3


def test_a_right_password_sets_the_count_back(dc, ad, victim):
    for _ in range(3):
        assert ad.login(victim, "wrong").status == "invalid_credentials"
        assert ad.login(victim, "wrong").status == "invalid_credentials"
        assert ad.login(victim, "Victim-Pass-1").status == "ok"
    assert dc.directory.bad_pwd_count(victim) == 0


def test_many_good_logins_of_one_person_at_once(dc, ad):
    ids = [ad.ask("bob", person("bob").password, deadline=60000) for _ in range(40)]
    assert {ad.answer(id, 60).status for id in ids} == {"ok"}


def test_a_threshold_that_may_not_be_read_is_assumed(dc, ad, victim):
    """A PSO stands for the victim; an ordinary account reads that, but not what it says."""
    directory = dc.directory
    container = f"CN=Password Settings Container,CN=System,{dc.base}"
    pso = directory.add(f"CN=strict,{container}", "msDS-PasswordSettings", {
        "msDS-PasswordSettingsPrecedence": "10", "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
        "msDS-PasswordHistoryLength": "1", "msDS-PasswordComplexityEnabled": "TRUE",
        "msDS-MinimumPasswordLength": "7", "msDS-MinimumPasswordAge": "0",
        "msDS-MaximumPasswordAge": str(-86400 * 3650 * 10**7), "msDS-LockoutThreshold": "4",
        "msDS-LockoutObservationWindow": str(-1800 * 10**7),
        "msDS-LockoutDuration": str(-1800 * 10**7),
        "msDS-PSOAppliesTo": directory.dn(victim)})
    try:
        # Three are assumed, two are left to others.
        statuses = [ad.login(victim, "wrong").status for _ in range(3)]
        assert statuses == ["invalid_credentials", "lockout_protected", "lockout_protected"]
        assert directory.bad_pwd_count(victim) == 1
    finally:
        directory.delete_dn(pso)


def test_groups_that_may_not_be_read_are_not_none(dc, victim):
    token_groups = "b7c69e6d-2cc7-11d2-854e-00a0c983f608"  # MS-ADA3 2.324
    with from_samba(dc) as child:
        child.start().up()
        assert child.login(victim, "Victim-Pass-1").status == "ok"
        # From now on, for somebody who is known where to be found.
        dc.deny_reading(dc.directory.dn(victim), token_groups, dc.service_user)
        answer = child.login(victim, "Victim-Pass-1")
        assert (answer.status, answer.reason, answer.proven) == \
            ("not_allowed", "groups_unreadable", False)
    with from_samba(dc) as child:
        child.start().up()
        answer = child.login(victim, "Victim-Pass-1")
        assert (answer.status, answer.reason, answer.proven) == \
            ("not_allowed", "groups_unreadable", False)
    with from_samba(dc, deny_privileged=False) as child:
        child.start().up()
        answer = child.login(victim, "Victim-Pass-1")
        assert answer.status == "ok" and "groups" not in answer.profile


# --- TLS --------------------------------------------------------------------


@pytest.mark.parametrize("kind,code,words", [
    ("expired", "tls_expired", ["expired on 20"]),
    ("not_yet_valid", "tls_not_yet_valid", ["not valid yet"]),
    ("wrong_name", "tls_name", ["dc9.elsewhere.test", "not for dc1.directory.test"]),
    ("other_ca", "tls_untrusted", ["adconnector lab other CA"]),
    ("self_signed", "tls_untrusted", ["dc1.directory.test"])])
def test_bad_certificates(dc, kind, code, words):
    front = dc.tls_variant(kind)
    with from_samba(dc, servers=[(dc.address, front.port, dc.dns_name, LDAPS)]) as child:
        state = child.start().failed()
        assert state.code == code, state
        for word in words:
            assert word in state.text
        assert child.password_asks == 0  # it never got as far as a password
        answer = child.login("alice", person("alice").password)
        assert (answer.status, answer.reason) == ("directory_unavailable", code)
        steps = child.test()
        assert [(step.step, step.passed, step.code) for step in steps] == \
            [("reach", False, code), ("sign_in", False, "not_run"), ("read", False, "not_run")]
        assert steps[0].hint


def test_common_name_counts_where_there_is_no_other(dc):
    front = dc.tls_variant("common_name_only")
    with from_samba(dc, servers=[(dc.address, front.port, dc.dns_name, LDAPS)]) as child:
        child.start().up()


def test_the_name_to_check_may_be_set(dc):
    servers = [(dc.address, 636, "alias.example", LDAPS)]
    with from_samba(dc, servers=servers) as child:
        assert child.start().failed().code == "tls_name"
    with from_samba(dc, servers=servers, tls_name=dc.dns_name) as child:
        child.start().up()
    with from_samba(dc, servers=[(dc.address, 636, dc.address, LDAPS)]) as child:
        child.start().up()  # the certificate has the address
    with from_samba(dc, servers=[("127.0.0.1", 1, "127.0.0.1", LDAPS)], tls_name="") as child:
        assert child.start().failed().code == "unreachable"


def test_sessions_are_resumed(slapd):
    """Against OpenSSL: the slapd of Debian hands out no tickets."""
    certificate = slapd.ca.issue(slapd.host_name, [slapd.host_name])
    with TlsFront(certificate, slapd.host, slapd.tls_port) as front, \
            from_slapd(slapd, servers=[("127.0.0.1", front.port, slapd.host_name, LDAPS)],
                       tls_mode=0, ca_file=slapd.ca_file) as child:
        child.items.append(("log_level", u8(3)))
        child.start().up()
        child.pump(lambda: child.state.open == 1, 5)
        assert len(re.findall(r"TLSv1\.3, \S+$", child.log_text(), re.M)) == 1
        assert len(re.findall(r"TLSv1\.3, \S+, resumed$", child.log_text(), re.M)) == 1


def test_starttls(dc):
    servers = [(dc.address, 389, dc.dns_name, LDAP)]
    with from_samba(dc, servers=servers, tls_mode=TLS_STARTTLS) as child:
        child.start().up()
        assert child.login("alice", person("alice").password).status == "ok"
    with from_samba(dc, servers=[(dc.address, 389, "other.test", LDAP)],
                    tls_mode=TLS_STARTTLS) as child:
        assert child.start().failed().code == "tls_name"


def test_starttls_that_is_refused(own_slapd, tmp_path):
    (tmp_path / "ca.pem").write_bytes(CertificateAuthority().pem)
    with from_slapd(own_slapd, tls_mode=TLS_STARTTLS, ca_file=str(tmp_path / "ca.pem")) as child:
        state = child.start().failed()
        assert state.code == "starttls_refused" and child.password_asks == 0


def test_clear_text_is_refused_by_ad(dc):
    with from_samba(dc, servers=[(dc.address, 389, dc.dns_name, LDAP)],
                    tls_mode=TLS_NONE) as child:
        state = child.start().failed()
        assert state.code == "tls_required" and "directory.tls.mode" in state.text


def test_ldaps_to_a_port_without_tls(slapd):
    with from_slapd(slapd, tls_mode=0, ca_file=slapd.ca_file) as child:
        assert child.start().failed().code in ("tls_failed", "closed")


class Peer:
    """Answers every connection with some bytes, or with silence."""

    def __init__(self, answer=b"", close=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = []
        self.answer, self.close = answer, close
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(sock)
            try:
                if self.answer:
                    sock.recv(4096)
                    sock.sendall(self.answer)
            except OSError:
                pass
            if self.close:
                sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.accepted:
            sock.close()


def test_a_server_that_says_nothing(slapd):
    with Peer() as peer, from_slapd(slapd, tls_mode=0, ca_file=slapd.ca_file,
                                    servers=[("127.0.0.1", peer.port, "dc", LDAPS)]) as child:
        started = time.monotonic()
        assert child.start().failed(8).code == "timeout"
        assert 4 < time.monotonic() - started < 7


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x02\x01\x01",
    b"\x30\x80\x00\x00", b"\x30\x84\x00\x50\x00\x00" + b"\x02\x01\x01", b"\0" * 64,
    b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00"],
    ids=["http", "huge", "no-op", "indefinite", "over-4-MiB", "zeros", "notice"])
def test_a_server_that_talks_nonsense(slapd, answer):
    with Peer(answer) as peer, from_slapd(slapd,
                                          servers=[("127.0.0.1", peer.port, "dc", LDAP)]) as child:
        state = child.start().failed(12)
        assert state.code in ("protocol", "timeout", "closed", "internal"), state
        # Alive, and it goes on trying.
        child.pump(lambda: child.connects > 2, 15)


# --- the service connection -------------------------------------------------


def test_wrong_base(dc):
    with from_samba(dc, base="OU=Nowhere,DC=directory,DC=test") as child:
        state = child.start().failed()
        assert state.code == "base_not_found" and dc.base in state.text
        steps = child.test()
        assert [step.passed for step in steps] == [True, True, False]
        assert steps[2].code == "base_not_found" and dc.base in steps[2].hint


def test_base_limits_who_is_found(dc):
    with from_samba(dc, base=f"OU=Sales\\2C EMEA,OU=People,{dc.base}") as child:
        child.start().up()
        assert child.login("hash", person("hash").password).status == "ok"
        assert child.login("alice", person("alice").password).reason == "unknown_user"
        # Groups lie elsewhere and are named all the same.
        names = [group["name"] for group in
                 child.login("hash", person("hash").password).profile["groups"]]
        assert "Staff" in names


@pytest.mark.parametrize("form", ["{user}@{domain}", "DIRECTORY\\{user}", "{dn}"])
def test_forms_of_the_service_account(dc, form):
    user = form.format(user=dc.service_user, domain=dc.domain, dn=dc.service_dn)
    with from_samba(dc, user=user) as child:
        child.start().up()


def test_a_refused_service_password_is_not_repeated(dc):
    with from_samba(dc, password="wrong") as child:
        state = child.start().failed()
        assert state.code == "bind_refused" and "password is wrong" in state.text
        child.quiet(3)
        assert child.password_asks == 1 and dc.directory.bad_pwd_count(dc.service_user) == 1
        assert child.login("alice", person("alice").password).reason == "bind_refused"
        # Once it is right, a test finds out, and the service connection with it.
        child.password = dc.service_password
        steps = child.test()
        assert all(step.passed for step in steps), steps
        child.up()
        assert child.login("alice", person("alice").password).status == "ok"


def test_no_password_and_no_answer(slapd):
    with from_slapd(slapd, password="") as child:
        assert child.start().failed().code == "no_password"
    with from_slapd(slapd) as child:
        child.hold_password = True
        child.start()
        child.pump(lambda: child.password_asks == 1, 5)
        child.send("UNANSWERED", u8(1), 2)
        assert child.failed().code == "internal"


def test_servers_are_tried_in_order(slapd):
    servers = [("127.0.0.1", 1, "dead.test", LDAP), (slapd.host, slapd.port, "alive.test", LDAP)]
    with from_slapd(slapd, servers=servers) as child:
        child.start().up()
        assert child.state.server == "alive.test" and FAILED not in [x.state for x in child.states]
        assert child.login(*slapd.user(1)[::2]).status == "ok"
        steps = child.test()
        assert steps[0].passed and "dead.test" in steps[0].hint


def test_back_off(slapd):
    with from_slapd(slapd, servers=[("127.0.0.1", 1, "dead.test", LDAP)]) as child:
        child.start().failed()
        child.quiet(2.5)
        # 125–250, 250–500, 500–1000, 1000–2000 ms: no less than 3, no more than 5 tries.
        assert 3 <= child.connects <= 6


def test_a_server_that_comes_back(own_slapd):
    name, _, password = own_slapd.user(0)
    with from_slapd(own_slapd) as child:
        child.start().up()
        assert child.login(name, password).status == "ok"
        child.quiet(5.2)  # so that the connection counts as steady
        own_slapd.end_process()
        state = child.failed()
        assert state.code == "unreachable"
        answer = child.login(name, password)
        assert (answer.status, answer.reason) == ("directory_unavailable", "unreachable")
        own_slapd.start()
        child.servers = [(own_slapd.host, own_slapd.port, "localhost", LDAP)]
        child.up(20)
        assert child.login(name, password).status == "ok"


def test_a_dead_server_is_not_besieged(own_slapd):
    """While the service connection backs off, the pool does not knock in its place."""
    with from_slapd(own_slapd, minimum=4) as child:
        child.start().up()
        child.pump(lambda: child.connects >= 5, 5)
        child.quiet(5.2)  # so that the connection counts as steady
        own_slapd.end_process()
        child.failed()
        child.quiet(1.0)
        before, said = child.connects, len(child.logs)
        child.quiet(4.0)
        # One each second, drawn from its upper half; the pool's four would come on top of each.
        assert child.connects - before <= 9, "the service connection's own tries"
        assert len(child.logs) - said <= 18
        own_slapd.start()
        child.servers = [(own_slapd.host, own_slapd.port, "localhost", LDAP)]
        child.up(20)
        child.pump(lambda: child.state.open >= 4, 10)


def test_a_frozen_server(own_slapd):
    name, _, password = own_slapd.user(0)
    with from_slapd(own_slapd) as child:
        child.start().up()
        assert child.login(name, password).status == "ok"
        freeze(own_slapd.process.pid)
        try:
            started = time.monotonic()
            # Short deadlines are kept, and end nothing that others use.
            for _ in range(5):
                assert child.login(name, password, deadline=100).status == "timeout"
            assert child.login(name, password, deadline=1000).status == "timeout"
            assert 1.2 < time.monotonic() - started < 2 and child.state.state == OK
            # After two seconds without a word the connection is given up, and another one tried.
            answer = child.login(name, password, deadline=3000)
            assert (answer.status, answer.reason) == ("timeout", "search")
            child.pump(lambda: child.state.state != OK, 1)
        finally:
            own_slapd.process.send_signal(signal.SIGCONT)
        child.up(40)
        assert child.login(name, password).status == "ok"


def test_a_routine_end_of_idle_connections_is_not_noticed(own_slapd):
    """Between two logins the server ends every connection, as Windows does after 15 minutes."""
    name, _, password = own_slapd.user(0)

    class Relay(Peer):
        def run(self):
            while True:
                try:
                    sock, _ = self.listener.accept()
                except OSError:
                    return
                far = socket.create_connection((own_slapd.host, own_slapd.port))
                self.accepted += [sock, far]
                for a, b in ((sock, far), (far, sock)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

        @staticmethod
        def pump(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
            except OSError:
                pass

        def end_all(self):
            for sock in self.accepted:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    with Relay() as relay, from_slapd(
            own_slapd, servers=[("127.0.0.1", relay.port, "localhost", LDAP)]) as child:
        child.start().up()
        assert child.login(name, password).status == "ok"
        child.quiet(5.2)
        relay.end_all()
        id = child.ask(name, password)
        assert child.answer(id).status == "ok"
        assert FAILED not in [state.state for state in child.states]


# --- limits -----------------------------------------------------------------


def test_the_pool_has_a_maximum(slapd):
    with from_slapd(slapd, minimum=2, maximum=5) as child:
        child.start().up()
        child.pump(lambda: child.state.open == 2, 5)
        others = child.descriptors() - child.connects
        for count in (300, 1000):
            ids = [child.ask(*slapd.user(i % 50)[::2], deadline=60000) for i in range(count)]
            assert {child.answer(id, 60).status for id in ids} == {"ok"}
        wait_until(lambda: child.quiet(0.05) or child.state.open == 5
                   and child.descriptors() == child.connects + others, "five, and no other", 5)
        # The service connection, and up to seven more for searches.
        assert child.connects <= 1 + 5 + 7


# --- explain ------------------------------------------------------------------


def test_an_explanation_makes_no_bind(dc):
    """It ends well where no connection can be had to bind on; a login does not."""
    with from_samba(dc) as child:
        child.start()
        child.pump(lambda: child.connects == 1, what="the service connection")
        child.hold_connect = True
        child.up()
        assert child.login("alice", person("alice").password, deadline=500).status == "timeout"
        steps, status, bind = child.explanation(child.ask_explanation("alice"))
        assert (steps[-1], status, bind) == ("bind", "ok", True)
        assert child.connects == 1


def test_explanations_have_a_limit(slapd):
    """Eight wait for the directory; the ninth is told so, and a place is free again after."""
    with from_slapd(slapd) as child:
        child.hold_connect = True
        child.start()
        waiting = [child.ask_explanation("u0000") for _ in range(8)]
        assert child.explanation(child.ask_explanation("u0000")) == \
            ([], "connector_unavailable", False)
        assert not child.explanations.keys() & set(waiting)
        child.send("EXPLAIN_STOP", b"", waiting[3])
        assert child.explanation(waiting[3]) == (["person"], "connector_unavailable", False)
        late = child.ask_explanation("u0000", deadline=200)
        assert child.explanation(late) == (["person"], "timeout", False)
        child.hold_connect = False
        child.pump(lambda: child.held, what="a connection asked for")
        for id, index in child.held:
            child.connected(id, index)
        for id in waiting[:3] + waiting[4:]:
            steps, status, bind = child.explanation(id)
            assert (steps[-1], status, bind) == ("bind", "ok", True), child.explained[id]


def test_an_explanation_while_the_directory_is_away(slapd):
    with from_slapd(slapd, password="wrong") as child:
        child.start().failed()
        id = child.ask_explanation("u0000")
        # Nobody was looked for: that is what failed, whoever has the name.
        assert child.explanation(id) == (["person"], "directory_unavailable", False)
        assert child.explained[id][0][3] == "bind_refused"
        child.pump(lambda: "explained a name" in child.log_text(), what="the line of the log")
        assert "explained a name that could not be looked for: directory_unavailable" in \
            child.log_text()


def test_stopping_what_has_ended(ad):
    id = ad.ask_explanation("alice")
    ad.explanation(id)
    ad.send("EXPLAIN_STOP", b"", id)
    assert ad.explanation(ad.ask_explanation("alice"))[1] == "ok"


def test_no_more_than_1024_at_a_time(slapd):
    people = [slapd.user(i % 50)[::2] for i in range(1030)]
    sealed = [seal(*one) for one in people]  # which takes longer than asking
    with from_slapd(slapd) as child:
        child.hold_connect = True
        child.start()
        child.pump(lambda: child.held, 5)
        ids = [child.ask(name, parts=parts, deadline=20000)
               for (name, _), parts in zip(people, sealed)]
        refused = [child.answer(id) for id in ids[1024:]]
        assert {(answer.status, answer.reason) for answer in refused} == \
            {("connector_unavailable", "too_many")}
        child.hold_connect = False
        child.connected(*child.held.pop())
        assert {child.answer(id, 30).status for id in ids[:1024]} == {"ok"}


@pytest.fixture
def two_servers(slapd):
    """A process with two servers, neither of which has been reached."""
    server = (slapd.host, slapd.port, "localhost", LDAP)
    with from_slapd(slapd, servers=[server, server]) as child:
        child.hold_connect = True
        child.start()
        child.pump(lambda: [index for _, index in child.held] == [0, 1], 5)
        yield child


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_of_two_servers_that_answers_is_used(two_servers, slapd, first):
    child = two_servers
    child.hold_connect = False
    child.connected(*child.held.pop(first))
    child.up()
    child.connected(*child.held.pop())  # too late
    assert child.login(*slapd.user(0)[::2]).status == "ok"


def test_a_round_is_not_begun_within_another(two_servers, slapd):
    child = two_servers
    while child.held:
        child.not_connected(*child.held.pop(0))
    child.failed()
    child.pump(lambda: len(child.held) == 2, 10)
    # Both are silent; a test finds a server that works, and says so.
    asked = child.next_id()
    child.send("TEST_DIRECTORY", u32(5000), asked)
    child.pump(lambda: len(child.held) == 3, 5)
    child.connected(*child.held.pop())
    child.pump(lambda: asked in child.ended, 5)
    child.quiet(0.2)
    assert len(child.held) == 2
    child.hold_connect = False
    child.connected(*child.held.pop())
    child.up()
    assert child.login(*slapd.user(0)[::2]).status == "ok"


def test_a_silent_server_does_not_keep_the_other_from_being_tried_again(two_servers, slapd):
    """It has just been started again; the silent one has seconds left."""
    child = two_servers
    child.not_connected(*child.held.pop())
    child.pump(lambda: [index for _, index in child.held] == [0, 1], 3)
    child.connected(*child.held.pop())
    child.hold_connect = False
    child.up()
    assert FAILED not in [state.state for state in child.states]
    child.connected(*child.held.pop())  # too late
    assert child.login(*slapd.user(0)[::2]).status == "ok"


def test_many_silent_servers_are_all_asked_soon(slapd):
    servers = [(slapd.host, slapd.port, "localhost", LDAP)] * 16
    with from_slapd(slapd, servers=servers) as child:
        child.hold_connect = True
        child.start()
        child.pump(lambda: [index for _, index in child.held] == list(range(16)), 4.5)


def test_a_refused_service_password_is_tried_at_no_other_server(two_servers):
    child = two_servers
    child.password = "wrong"
    child.connected(*child.held.pop())
    assert child.failed().code == "bind_refused"
    child.connected(*child.held.pop())
    child.quiet(2)
    assert child.password_asks == 1 and not child.held


def test_who_waits_for_their_own_logins_keeps_nobody_else_out(slapd):
    """More logins of five people than may be under way, and none of them gets anywhere."""
    with from_slapd(slapd) as child:
        child.start().up()
        child.hold_connect = True
        ids = [child.ask(*slapd.user(i % 5)[::2], deadline=20000) for i in range(300)]
        answer = child.login("nobody-of-that-name", "x", deadline=15000)
        assert not any(id in child.answers for id in ids)
        assert (answer.status, answer.reason) == ("invalid_credentials", "unknown_user")
        child.hold_connect = False
        while child.held:
            child.connected(*child.held.pop())
        assert {child.answer(id, 30).status for id in ids} == {"ok"}


def test_a_deadline_while_nothing_answers(slapd):
    with from_slapd(slapd) as child:
        child.hold_connect = True
        child.start()
        started = time.monotonic()
        answer = child.login(*slapd.user(0)[::2], deadline=300)
        assert (answer.status, answer.reason) == ("timeout", "waiting_for_directory")
        assert 0.25 < time.monotonic() - started < 2


def test_drain(slapd):
    with from_slapd(slapd) as child:
        child.start().up()
        ids = [child.ask(*slapd.user(i % 50)[::2], deadline=60000) for i in range(100)]
        child.send("DRAIN")
        late = None
        # It may have ended before that comes.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            late = child.ask(*slapd.user(0)[::2])
        with pytest.raises(Gone):
            child.pump(lambda: False, 10)
        assert child.end() == 0
        assert {child.answers[id].status for id in ids} == {"ok"}
        assert late not in child.answers or child.answers[late].reason == "draining"


def test_drain_when_idle(ldap):
    ldap.send("DRAIN")
    with pytest.raises(Gone):
        ldap.pump(lambda: False, 5)
    assert ldap.end() == 0


# --- the test of the connection ---------------------------------------------


def test_steps_that_pass(dc, ad):
    steps = ad.test()
    assert [(step.step, step.passed, step.code) for step in steps] == \
        [("reach", True, ""), ("sign_in", True, ""), ("read", True, "")]
    assert dc.dns_name in steps[0].text and "with TLS" in steps[0].text
    assert dc.service_user in steps[1].text and dc.base in steps[2].text
    assert all(step.hint == "" for step in steps)


def test_steps_with_a_wrong_password(dc):
    with from_samba(dc, password="wrong") as child:
        child.start().failed()
        steps = child.test()
        assert [(step.step, step.passed) for step in steps] == \
            [("reach", True), ("sign_in", False), ("read", False)]
        assert steps[1].code == "bind_refused" and "directory.password" in steps[1].hint
        assert steps[2].code == "not_run"
    dc.directory.bind(dc.service_dn, dc.service_password)


def test_too_many_tests_and_a_deadline(slapd):
    with from_slapd(slapd) as child:
        child.hold_connect = True
        child.start()
        for id in (1, 2, 3):
            child.send("TEST_DIRECTORY", u32(500), id)
        child.pump(lambda: child.ended == {1, 2, 3}, 5)
        codes = {id: [step.code for owner, step in child.steps if owner == id]
                 for id in (1, 2, 3)}
        assert codes[3] == ["busy", "not_run", "not_run"]
        assert codes[1] == codes[2] == ["timeout", "not_run", "not_run"]


# --- secrets ----------------------------------------------------------------


def memory_holds(pid, marks):
    """Where one of the texts is in the memory of a process."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            start, end = (int(part, 16) for part in where.split("-"))
            if "r" not in rights or "[v" in line:
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue  # a guard page
            found += [(line.strip(), mark) for mark in marks if mark in data]
    return found


@pytest.mark.skipif(not IS_ROOT, reason="reads another process's memory")
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_no_password_stays_in_memory(slapd, tls):
    if sanitized("adc-directory"):
        pytest.skip("built with sanitizers")
    change = {}
    if tls:
        change = dict(servers=[(slapd.host, slapd.tls_port, slapd.host_name, LDAPS)], tls_mode=0,
                      ca_file=slapd.ca_file)
    with from_slapd(slapd, **change) as child:
        child.start().up()
        ids = [child.ask(slapd.user(i % 50)[0], f"{MARK}-{i}") for i in range(300)]
        ids += [child.ask("nobody", f"{MARK}-{i}") for i in range(50)]
        ids += [child.ask(slapd.user(0)[0], MARK, connection="other") for _ in range(20)]
        ids += [child.ask(*slapd.user(i)[::2]) for i in range(50)]
        for id in ids:
            child.answer(id)
        child.test()
        child.quiet(1)
        marks = [MARK.encode(), slapd.service_password.encode(), slapd.user(7)[2].encode()]
        assert memory_holds(child.process.pid, marks) == []
        # The search works: what is not secret is there.
        assert memory_holds(child.process.pid, [slapd.service_dn.encode()])
        assert MARK not in child.log_text()


def test_no_secret_in_log_or_command(dc, ad):
    ad.login("alice", MARK)
    ad.login("alice", person("alice").password)
    text = ad.log_text()
    for secret in (MARK, person("alice").password, dc.service_password):
        assert secret not in text
    with open(f"/proc/{ad.process.pid}/cmdline", "rb") as file:
        assert re.fullmatch(rb".*/adc-directory\0", file.read())
