# SPDX-License-Identifier: ISC
"""Logins through hub, tunnel and connector, decided by a real Active Directory.

Each test asks what the person at the login page sees (outside), what the
administrator sees (inside: adhubctl and the audit), and what AD saw: badPwdCount
counts the binds with a wrong password, so it shows that none was made where
none is due, and one where one is.
"""

import json
import threading

import pytest

from tests.lab import directory as ad
from tests.lab.population import (ACTIVE, ADMIN, ALICE, ERIKA, HANZI, LOCKED, NOUPN, PAULA,
                                  STATES)

from . import sealing
from .stack import Stack, directory_settings

STATUS = {"530": "logon_hours", "531": "workstation_denied", "532": "password_expired",
          "533": "account_disabled", "701": "account_expired", "773": "password_must_change",
          "775": "account_locked"}
PEOPLE = [person for person in ACTIVE if person is not ADMIN]
REFUSED = {"code": 401, "status": "invalid_credentials",
           "message": "unknown user or wrong password", "data": None}
REFUSED_SEALED = {"status": "invalid_credentials", "proven": False,
                  "message": "unknown user or wrong password", "user": None}


def name_of(person):
    return person.name


def logged_in(stack, typed, password, samba, name):
    """A login that must work, by the same account's objectGUID."""
    answer = stack.login("corp", typed, password)
    assert answer["status"] == "ok", answer
    assert answer["proven"] is True and answer["exit"] == 0
    assert answer["user"]["id"] == samba.directory.guid(name)
    return answer["user"]


def refused(stack, typed, password, status="invalid_credentials", reason=None):
    """A login that must not work; nothing is told about anybody."""
    answer = stack.login("corp", typed, password)
    assert answer["status"] == status, answer
    assert answer["proven"] is False and answer["user"] is None
    assert answer["exit"] == 1
    if reason is not None:
        assert answer["reason"] == reason
    return answer


def refused_outside(stack, typed, password):
    """Both public faces say the one thing they say to everybody."""
    answer = stack.verify_user(typed, password)
    assert (answer.status, answer.json) == (200, REFUSED)
    answer = stack.login_sealed(typed, password)
    assert (answer.status, answer.json) == (200, REFUSED_SEALED)


# The right password


@pytest.mark.parametrize("person", PEOPLE, ids=name_of)
def test_right_password(stack, samba, person):
    user = logged_in(stack, person.name, person.password, samba, person.name)
    assert user["sAMAccountName"] == person.name
    dn, values = samba.directory.find(person.name, "userPrincipalName")
    upn = values["userPrincipalName"]
    assert user["userName"] == (upn[0].decode() if upn else f"{person.name}@{samba.domain}")
    assert user["distinguishedName"] == dn
    assert user["organizationalUnit"] == ad._parent(dn)
    assert user["name"] == {"givenName": person.given or None,
                            "familyName": person.surname or None}
    assert user["emails"] == ([{"type": "work", "value": person.mail}] if person.mail else [])
    assert user["active"] is True


@pytest.mark.parametrize("person", [ALICE, HANZI, PAULA, NOUPN], ids=name_of)
def test_groups_are_those_of_the_token(stack, samba, person):
    """Nested, in a circle, and the primary one: what AD itself computes."""
    user = logged_in(stack, person.name, person.password, samba, person.name)
    expected = set()
    for sid in samba.directory.token_groups(person.name):
        (_, found), = samba.directory.search(f"(objectSid={sid})",
                                             ["objectGUID", "sAMAccountName"])
        expected.add((ad.guid_text(found["objectGUID"][0]), found["sAMAccountName"][0].decode()))
    assert {(group["id"], group["name"]) for group in user["groups"]} == expected
    assert len(user["groups"]) == len(expected)


def test_groups_by_name(stack, samba):
    user = logged_in(stack, "alice", ALICE.password, samba, "alice")
    assert {"Sales-EMEA", "Sales", "Staff", "Loop-A", "Loop-B", "VPN external (old)",
            "Domain Users"} <= {group["name"] for group in user["groups"]}
    user = logged_in(stack, "paula", PAULA.password, samba, "paula")
    assert "Contractors" in {group["name"] for group in user["groups"]}


def test_further_attributes(stack, samba, make_user):
    person = make_user(cn="Full, Rae \"the\" + Set", displayName="Rae ✓ Full", title="Chef d'équipe",
                       department="R&D \\ Ünit", telephoneNumber="+1 2", mobile="+1 3",
                       manager=samba.directory.dn("o'brien"), mail="rae@lab.test")
    user = logged_in(stack, person.name, person.password, samba, person.name)
    assert user["displayName"] == "Rae ✓ Full"
    assert (user["title"], user["department"]) == ("Chef d'équipe", "R&D \\ Ünit")
    assert user["phoneNumbers"] == [{"type": "work", "value": "+1 2"},
                                    {"type": "mobile", "value": "+1 3"}]
    assert user["manager"] == samba.directory.dn("o'brien")
    bare = make_user()
    user = logged_in(stack, bare.name, bare.password, samba, bare.name)
    for member in ("displayName", "title", "department", "manager"):
        assert user[member] is None
    assert user["phoneNumbers"] == [] and user["emails"] == []


def test_all_faces_give_the_same_person(stack, samba):
    inside = logged_in(stack, "alice", ALICE.password, samba, "alice")
    answer = stack.verify_user("alice", ALICE.password)
    assert answer.status == 200
    assert (answer.json["code"], answer.json["status"]) == (200, "ok")
    assert answer.json["data"] == inside
    answer = stack.login_sealed("alice", ALICE.password)
    assert answer.status == 200
    assert (answer.json["status"], answer.json["proven"]) == ("ok", True)
    assert answer.json["user"] == inside


def test_people_see_the_profile(stack):
    """Without --json."""
    result = stack.hubctl("login", "corp", "alice", input=ALICE.password, json=False, check=0)
    assert "ok" in result.out and "Alice Adams" in result.out
    assert "alice@lab.test" in result.out and ALICE.password not in result.text


# Wrong passwords and unknown people


def test_wrong_and_unknown_are_the_same_outside(stack, samba, make_user):
    person = make_user()
    mark = stack.audit_mark()
    for typed in (person.name, "nobody-has-this-name"):
        refused_outside(stack, typed, "not the password")
    one, other = (stack.verify_user(typed, "not the password")
                  for typed in (person.name, "nobody-has-this-name"))
    assert one.body == other.body
    assert [name for name in one.headers] == [name for name in other.headers]
    rows = stack.audit(after=mark, event="login")
    assert {row["status"] for row in rows} == {"invalid_credentials"}
    assert not any(row["proven"] for row in rows)
    wrong = [row for row in rows if row["reason"] == "wrong_password"]
    unknown = [row for row in rows if row["reason"] == "unknown_user"]
    assert len(wrong) == len(unknown) == 3
    assert {row["username"] for row in wrong} == {person.name}
    # People type passwords there.
    assert not any("nobody-has-this-name" in json.dumps(row) for row in unknown)
    assert all(row["username"].startswith("no…") for row in unknown)
    assert samba.directory.bad_pwd_count(person.name) == 3


def test_a_name_that_nobody_has_is_in_no_log(stack):
    typed = "Hunter2-typed-into-the-wrong-field"
    refused(stack, typed, "x", reason="unknown_user")
    refused_outside(stack, typed, "x")
    for daemon in (stack.hub, *stack.connectors):
        assert typed not in daemon.log()


def test_one_bind_for_one_try(stack, samba, make_user):
    person = make_user()
    refused(stack, person.name, "wrong", reason="wrong_password")
    assert samba.directory.bad_pwd_count(person.name) == 1
    assert stack.verify_user(person.name, "wrong").json == REFUSED
    assert samba.directory.bad_pwd_count(person.name) == 2
    logged_in(stack, person.name, person.password, samba, person.name)
    assert samba.directory.bad_pwd_count(person.name) == 0


def test_the_audit_chain_is_whole(stack):
    refused(stack, "nobody", "x")
    assert stack.hubctl("audit", "verify", check=0).json["ok"] is True


# The states of an account


@pytest.mark.parametrize("person", STATES, ids=name_of)
def test_states_are_told_to_who_has_the_password(stack, person):
    status = STATUS[person.data]
    proven = person is not LOCKED
    mark = stack.audit_mark()
    answer = stack.login("corp", person.name, person.password)
    assert (answer["status"], answer["proven"]) == (status, proven), answer
    assert answer["exit"] == 1
    if not proven:
        refused_outside(stack, person.name, person.password)
    else:
        answer = stack.verify_user(person.name, person.password)
        assert (answer.status, answer.json["code"]) == (200, 403)
        assert (answer.json["status"], answer.json["data"]) == (status, None)
        assert answer.json["message"] != REFUSED["message"]
        answer = stack.login_sealed(person.name, person.password)
        assert (answer.json["status"], answer.json["proven"]) == (status, True)
    rows = stack.audit(after=mark, event="login", username=person.name)
    assert [(row["status"], row["proven"]) for row in rows] == [(status, proven)] * 3


@pytest.mark.parametrize("state", ["disabled", "expired", "must_change", "password_expired",
                                   "hours", "workstation"])
def test_states_are_not_told_to_others(stack, samba, make_user, state):
    person = make_user(state)
    mark = stack.audit_mark()
    refused_outside(stack, person.name, "not the password")
    rows = stack.audit(after=mark, event="login", username=person.name)
    assert len(rows) == 2 and not any(row["proven"] for row in rows)
    assert samba.directory.bad_pwd_count(person.name) == 2


# Passwords that are none


@pytest.fixture
def untouched(stack, samba, make_user):
    """An account whose password must not be tried: no bind, no count."""
    person = make_user()
    yield person
    assert samba.directory.bad_pwd_count(person.name) == 0
    assert not samba.directory.is_locked(person.name)
    logged_in(stack, person.name, person.password, samba, person.name)


def test_empty_password(stack, untouched):
    refused(stack, untouched.name, "", reason="empty_password")
    refused_outside(stack, untouched.name, "")


def test_longest_password(stack, samba, make_user):
    """4,096 bytes go all the way and are asked about, once each."""
    person = make_user()
    refused(stack, person.name, "x" * 4096, reason="wrong_password")
    assert samba.directory.bad_pwd_count(person.name) == 1
    refused_outside(stack, person.name, "ü" * 2048)
    assert samba.directory.bad_pwd_count(person.name) == 3


def test_too_long_password(stack, untouched):
    for length in (4097, 4098, 12000):
        result = stack.hubctl("login", "corp", untouched.name, input="x" * length)
        assert result.status == 1 and "longer than allowed" in result.err
        answer = stack.verify_user(untouched.name, "x" * length)
        assert (answer.status, answer.json["status"]) == (400, "bad_request")
    answer = stack.login_sealed(untouched.name, "x" * 4097)
    assert answer.json["status"] != "ok" and not answer.json.get("proven")


def test_nul_in_password(stack, untouched):
    password = untouched.password.encode() + b"\0"
    for text in (password, password + b"more", b"\0"):
        result = stack.hubctl("login", "corp", untouched.name, input=text)
        assert result.status == 1 and "NUL" in result.err
        answer = stack.verify_user(untouched.name, text.decode())
        assert (answer.status, answer.json["status"]) == (400, "bad_request")
        answer = stack.login_sealed(untouched.name, text.decode())
        assert answer.json["status"] != "ok" and not answer.json.get("proven")


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"],
                         ids=lambda bad: bad.hex())
def test_bad_utf8_in_password(stack, untouched, bad):
    password = untouched.password.encode() + bad
    result = stack.hubctl("login", "corp", untouched.name, input=password)
    assert result.status == 1 and "UTF-8" in result.err
    body = (b'{"username":"' + untouched.name.encode() + b'","password":"' + password + b'"}')
    answer = stack.request("POST", "/api/v2/ad/verify-user", body,
                           {"Content-Type": "application/json"})
    assert (answer.status, answer.json["status"]) == (400, "bad_request")
    keys = stack.login_keys()
    plain = sealing.content(untouched.name, "MARK", keys["time"], "corp").rstrip()
    plain = plain.replace(b"MARK", password)
    answer = stack.request("POST", "/login/verify", {
        "connection": "corp", "username": untouched.name,
        "jwe": sealing.seal(plain + b" " * (-len(plain) % 256), keys["recipients"])})
    assert answer.json["status"] != "ok" and not answer.json.get("proven")


# Names that are none

PATTERNS = ["*", "{}*", "*{}", "{}*{}", ")(", "{})(cn=*", "{})(|(cn=*)", "*)(objectClass=*",
            "\\", "{}\\", "\\{}", "\\2a", "{}\\00", ",", "{},", "#", "#{}", "{} ", " {}", " ",
            "  {}  ", "{}\t", "{}\n", "{}\r\n", "{}\x7f", "CN={}", "&", "|", "!({})", "=", "(",
            "<GUID={}>", "@", "{}@", "@{}", "{}@@", "{}@lab.test@", "{}@lab.test ", " @ ",
            "LAB\\", "LAB\\\\{}", "LAB\\{} ", "LAB\\ {}", "LAB/{}", "LAB \\{}", "LAB\\LAB\\{}"]


@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_odd_names(stack, untouched, pattern):
    typed = pattern.replace("{}", untouched.name)
    refused(stack, typed, untouched.password, reason="unknown_user")
    assert stack.verify_user(typed, untouched.password).json == REFUSED


def test_names_that_are_no_text(stack, untouched):
    for typed in ("", "x" * 1025):
        answer = stack.verify_user(typed, untouched.password)
        assert (answer.status, answer.json["status"]) == (400, "bad_request")
        assert stack.hubctl("login", "corp", typed, input=untouched.password).status == 64
        answer = stack.login_sealed(typed, untouched.password)
        assert answer.status == 400
    assert stack.verify_user("x" * 1024, untouched.password).json == REFUSED
    answer = stack.verify_user(f"{untouched.name}\0", untouched.password)
    assert (answer.status, answer.json["status"]) == (400, "bad_request")
    answer = stack.login_sealed(f"{untouched.name}\0", untouched.password)
    assert answer.status == 400
    for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80"):
        answer = stack.request("POST", "/api/v2/ad/verify-user", b'{"username":"'
                               + untouched.name.encode() + bad + b'","password":"x"}')
        assert (answer.status, answer.json["status"]) == (400, "bad_request")


@pytest.mark.parametrize("swap", [
    ("t", "т"),            # Cyrillic
    ("t", "ｔ"),           # full width
    ("e", "é"), ("e", "e\u0301"), ("s", "ß"), ("s", "ſ"),
    ("t", "t\u200b"), ("t", "t\u00ad"), ("t", "\u202et"), ("t", "\ufefft"),
    ("0", "٠"), ("0", "０")], ids=ascii)
def test_look_alikes(stack, untouched, swap):
    typed = untouched.name.replace(*swap, 1)
    assert typed != untouched.name
    refused(stack, typed, untouched.password, reason="unknown_user")
    refused(stack, f"{typed}@lab.test", untouched.password, reason="unknown_user")


# Passwords as people choose them

PASSWORDS = [
    "Grüße, Jürgen! ÄÖÜß", "ÀÉÎõñ-çedilla-1", "Пароль-Русский 1", "κωδικός-Ελληνικά 1",
    "密码很长-パスワード-비밀번호 1A", "كلمة السر ABC 123", "סיסמה ABC 123",
    "😀🔑👩‍👩‍👧🏳️‍🌈 Aa1", "\"double\" 'single' `back` 1A", "back\\slash\\\\end 1A\\",
    "  two at both ends 1A  ", " \t tab Inside 1\t", "%s%n%00 &amp; <b>1A</b>",
    "{\"password\":\"x\"}, 1A", "*)(uid=*))(|(uid=* 1A", "\\2a\\00\\5c-1Aa", "null-False-1",
    "\u00a0no-break-1A\u00a0", "e\u0301-decomposed-1A", "line\nfeed 1Aa", "\x01\x1f\x7f 1Aa",
    "U+10FFFD \U0010fffd 1Aa", "A1a" + "ä" * 252, "Aa1 " + "x" * 251]


@pytest.mark.parametrize("password", PASSWORDS, ids=lambda text: ascii(text)[:30])
def test_passwords(stack, samba, make_user, password):
    person = make_user(password=password)
    logged_in(stack, person.name, password, samba, person.name)
    # A shell's echo adds a line feed.
    logged_in(stack, person.name, password + "\n", samba, person.name)
    assert stack.verify_user(person.name, password).json["status"] == "ok"
    assert stack.login_sealed(person.name, password).json["status"] == "ok"
    refused(stack, person.name, password[:-1], reason="wrong_password")
    assert stack.verify_user(person.name, password + " ").json == REFUSED


def test_composed_and_decomposed_are_two_passwords(stack, samba, make_user):
    person = make_user(password="Caf\u00e9-Zoë 1")
    refused(stack, person.name, "Cafe\u0301-Zoë 1", reason="wrong_password")
    logged_in(stack, person.name, person.password, samba, person.name)


# The forms of a name


def test_forms_of_a_name(stack, samba, make_user):
    person = make_user(name="Form.Of-Name_1", mail="f.name@mail.example",
                       userPrincipalName="form@elsewhere.example")
    forms = ["Form.Of-Name_1", "form.of-name_1", "FORM.OF-NAME_1", "LAB\\Form.Of-Name_1",
             "lab\\FORM.of-name_1", "form@elsewhere.example", "FORM@Elsewhere.Example",
             "form.of-name_1@lab.test", "Form.Of-Name_1@LAB.TEST", "f.name@mail.example",
             "F.Name@MAIL.example"]
    for typed in forms:
        logged_in(stack, typed, person.password, samba, person.name)
        answer = stack.verify_user(typed, person.password)
        assert answer.json["data"]["id"] == samba.directory.guid(person.name)
    for typed in ("LAB.TEST\\Form.Of-Name_1", "OTHER\\Form.Of-Name_1", "WORKGROUP\\form",
                  "LAB\\form@elsewhere.example", "LAB\\f.name@mail.example", "form",
                  "Form.Of-Name_1@LAB", "Form.Of-Name_1@other.test", "f.name", ".\\Form.Of-Name_1",
                  "form.of-name_1@elsewhere.example", "form@lab.test"):
        refused(stack, typed, person.password, reason="unknown_user")
    assert samba.directory.bad_pwd_count(person.name) == 0


def test_forms_of_names_in_other_scripts(stack, samba):
    logged_in(stack, "JÜRGEN.GROß", "Grüße-aus-Köln 1ß", samba, "jürgen.groß")
    logged_in(stack, "jürgen.groß@lab.test", "Grüße-aus-Köln 1ß", samba, "jürgen.groß")
    logged_in(stack, "juergen.gross@lab.test", "Grüße-aus-Köln 1ß", samba, "jürgen.groß")
    logged_in(stack, "LAB\\王小明", HANZI.password, samba, "王小明")
    for typed in ("jurgen.groß", "jürgen.gross", "ju\u0308rgen.groß"):
        refused(stack, typed, "Grüße-aus-Köln 1ß", reason="unknown_user")


def test_implied_and_other_suffixes(stack, samba):
    logged_in(stack, "noupn@lab.test", NOUPN.password, samba, "noupn")
    logged_in(stack, "erika@elsewhere.example", ERIKA.password, samba, "erika")
    logged_in(stack, "erika@lab.test", ERIKA.password, samba, "erika")
    refused(stack, "noupn@elsewhere.example", NOUPN.password, reason="unknown_user")


# Nobody is taken for another


def taken_for(stack, samba, typed, victim, attacker):
    """`typed` is the victim's: the attacker's password must not open it."""
    user = logged_in(stack, typed, victim.password, samba, victim.name)
    assert user["sAMAccountName"] == victim.name
    answer = stack.login("corp", typed, attacker.password)
    assert answer["status"] == "invalid_credentials", answer
    assert stack.verify_user(typed, attacker.password).json == REFUSED


def two(make_user, attacker=None, **victim):
    one = make_user(password="Victim's own 1", **victim)
    return one, make_user(password="Attacker's own 2", **(attacker(one) if attacker else {}))


def test_mail_set_to_anothers_upn(stack, samba, make_user):
    victim, attacker = two(make_user, lambda one: {"mail": f"{one.name}@lab.test"})
    taken_for(stack, samba, f"{victim.name}@lab.test", victim, attacker)
    taken_for(stack, samba, f"{victim.name.upper()}@LAB.test", victim, attacker)


def test_mail_set_to_anothers_implied_upn(stack, samba, make_user):
    victim, attacker = two(make_user, lambda one: {"mail": f"{one.name}@lab.test"},
                           userPrincipalName=None)
    taken_for(stack, samba, f"{victim.name}@lab.test", victim, attacker)


def test_mail_set_to_anothers_account_name(stack, samba, make_user):
    victim, attacker = two(make_user, lambda one: {"mail": one.name})
    taken_for(stack, samba, victim.name, victim, attacker)


def test_upn_set_to_anothers_mail(stack, samba, make_user):
    """A UPN goes before a mail address: it is the holder of the UPN, whoever asks."""
    victim, attacker = two(make_user, lambda one: {"mail": "shared@lab.example"},
                           userPrincipalName="shared@lab.example")
    taken_for(stack, samba, "shared@lab.example", victim, attacker)


def test_account_name_that_looks_like_anothers_upn(stack, samba, make_user):
    """AD on Windows refuses @ in new names, older ones stay; Samba takes them."""
    victim = make_user(name="vic", password="Victim's own 1")
    attacker = make_user(name="vic@lab.test", password="Attacker's own 2",
                         userPrincipalName="someone-else@lab.test")
    taken_for(stack, samba, "vic@lab.test", victim, attacker)
    logged_in(stack, "LAB\\vic@lab.test", attacker.password, samba, attacker.name)
    refused(stack, "LAB\\vic@lab.test", victim.password, reason="wrong_password")


def test_name_with_space_at_the_end(stack, samba, make_user):
    """Samba finds `name` for `name ` too: a second way to write a name is none."""
    person = make_user()
    for typed in (f"{person.name} ", f"{person.name}  ", f" {person.name}",
                  f"{person.name}@lab.test ", f"LAB\\{person.name} ", f"{person.name}\u00a0",
                  f"{person.name}\u3000", f"{person.name}\u2003"):
        refused(stack, typed, person.password, reason="unknown_user")
    assert samba.directory.bad_pwd_count(person.name) == 0


def test_accents_make_two_people(stack, samba, make_user):
    plain = make_user(name="rene.b", password="Plain one 1")
    accented = make_user(name="rené.b", password="Accented one 2")
    taken_for(stack, samba, "rene.b", plain, accented)
    taken_for(stack, samba, "rené.b", accented, plain)
    refused(stack, "rene\u0301.b", accented.password, reason="unknown_user")


def test_mail_of_two_people_is_nobodys(stack, samba, make_user):
    one = make_user(password="The first one 1", mail="both@mail.example")
    other = make_user(password="The second one 2", mail="Both@Mail.Example")
    mark = stack.audit_mark()
    for person in (one, other):
        answer = refused(stack, "both@mail.example", person.password, status="ambiguous_user")
        assert answer["reason"] == "several_users"
        refused_outside(stack, "both@mail.example", person.password)
        assert samba.directory.bad_pwd_count(person.name) == 0
    assert {row["status"] for row in stack.audit(after=mark, event="login")} == {"ambiguous_user"}


def test_mail_of_a_person_and_of_things(stack, samba, make_user):
    """Contacts and groups have addresses and no password: the person is meant."""
    person = make_user(mail="desk@mail.example")
    directory = samba.directory
    contact = directory.add(f"CN=desk contact,{directory.people}", "contact",
                            {"mail": [b"desk@mail.example"]})
    group = directory.add_group("desk-group", mail=[b"desk@mail.example"])
    try:
        logged_in(stack, "desk@mail.example", person.password, samba, person.name)
    finally:
        for dn in (contact, group):
            directory.delete_dn(dn)


# Accounts that are no people, and people who may not


@pytest.fixture
def computer(samba):
    """A workstation's account, with a password that would bind."""
    directory = samba.directory
    dn = directory.add(f"CN=WS1,{directory.people}", "computer", {
        "sAMAccountName": [b"WS1$"], "userAccountControl": [b"4096"],
        "userPrincipalName": [b"ws1@lab.test"], "mail": [b"ws1@mail.example"],
        "unicodePwd": ['"Computer-Passw0rd"'.encode("utf-16-le")]})
    yield "WS1$"
    directory.delete_dn(dn)


def test_computers_are_nobody(stack, samba, computer):
    assert samba.directory.bind(samba.directory.dn(computer), "Computer-Passw0rd").ok
    for typed in (computer, "LAB\\WS1$", "ws1$@lab.test", "ws1@lab.test", "ws1@mail.example"):
        for password in ("Computer-Passw0rd", "wrong"):
            refused(stack, typed, password, reason="unknown_user")
    assert samba.directory.bad_pwd_count(computer) == 0


@pytest.mark.parametrize("typed", ["helpdesk-admin", "LAB\\helpdesk-admin", "helpdesk-admin@lab.test",
                                   "Administrator"])
def test_administrators_may_not(stack, samba, typed):
    """By default, and before their password is tried."""
    name = typed.split("\\")[-1].split("@")[0]
    right = ADMIN.password if name == ADMIN.name else samba.admin_password
    before = samba.directory.bad_pwd_count(name)
    for password in (right, "wrong"):
        refused(stack, typed, password, status="not_allowed", reason="privileged")
        refused_outside(stack, typed, password)
    assert samba.directory.bad_pwd_count(name) == before


def test_admin_count_and_groups_that_count(stack, samba, make_user):
    marked, nested = make_user(adminCount=1), make_user()
    directory = samba.directory
    directory.add_group("Inner-Operators", [nested.name])
    try:
        directory.add_members("Backup Operators", "Inner-Operators")
        for person in (marked, nested):
            refused(stack, person.name, person.password, status="not_allowed", reason="privileged")
            refused_outside(stack, person.name, "wrong")
            assert directory.bad_pwd_count(person.name) == 0
        directory.remove_members("Backup Operators", "Inner-Operators")
        directory.set(nested.name, adminCount=None)
        logged_in(stack, nested.name, nested.password, samba, nested.name)
    finally:
        directory.delete("Inner-Operators")


@pytest.fixture(scope="module")
def policies(installed, samba):
    """One hub with a connection for each policy."""
    staff, contractors = (samba.directory.sid(name) for name in ("Staff", "Contractors"))
    with Stack() as stack:
        for identifier, policy in (
                ("admins", {"deny_privileged": False}),
                ("staff", {"allow_groups": ["Staff"]}),
                ("staff-by-sid", {"allow_groups": [staff, contractors]}),
                ("not-sales", {"deny_groups": ["Sales"], "allow_groups": ["staff", contractors]}),
                ("unknown-group", {"allow_groups": ["No Such Group"]}),
                ("deaf", {"allow": ["test"]})):
            stack.add_connection(identifier)
            connector = stack.add_connector(identifier, directory=directory_settings(samba),
                                            policy=policy)
            stack.enrol(connector, identifier=identifier)
        for connector in stack.connectors:
            connector.wait_tunnel("online")
            connector.wait_directory("ok")
        yield stack


@pytest.mark.parametrize("identifier, name, reason", [
    ("admins", "helpdesk-admin", None), ("admins", "alice", None),
    # alice: Sales-EMEA in Sales in Staff; paula: primary group Contractors
    ("staff", "alice", None), ("staff", "bob", None), ("staff", "yamada", None),
    ("staff", "paula", "not_in_allow_groups"), ("staff", "erika", "not_in_allow_groups"),
    ("staff-by-sid", "alice", None), ("staff-by-sid", "paula", None),
    ("staff-by-sid", "erika", "not_in_allow_groups"),
    ("not-sales", "alice", "in_deny_groups"), ("not-sales", "bob", "in_deny_groups"),
    ("not-sales", "yamada", None), ("not-sales", "paula", None),
    ("unknown-group", "alice", "not_in_allow_groups")])
def test_policy(policies, samba, identifier, name, reason):
    person = next(one for one in ACTIVE if one.name == name)
    answer = policies.login(identifier, name, person.password)
    if reason is None:
        assert (answer["status"], answer["proven"]) == ("ok", True), answer
        assert answer["user"]["id"] == samba.directory.guid(name)
        return
    assert (answer["status"], answer["reason"]) == ("not_allowed", reason), answer
    assert answer["proven"] is False and answer["user"] is None
    before = samba.directory.bad_pwd_count(name)
    assert policies.login(identifier, name, "wrong")["status"] == "not_allowed"
    assert policies.login_sealed(name, "wrong", identifier).json == REFUSED_SEALED
    assert samba.directory.bad_pwd_count(name) == before


def test_policy_of_the_operation(policies, samba):
    """The connector's own settings decide what the hub may ask at all."""
    before = samba.directory.bad_pwd_count("alice")
    for password in (ALICE.password, "wrong"):
        answer = policies.login("deaf", "alice", password)
        assert (answer["status"], answer["proven"]) == ("not_allowed", False), answer
    assert samba.directory.bad_pwd_count("alice") == before


def test_several_connections_need_a_choice(policies):
    answer = policies.verify_user("alice", ALICE.password)
    assert (answer.status, answer.json["status"]) == (400, "bad_request")
    answer = policies.verify_user("alice", ALICE.password, {"x-authing-app-id": "unknown"})
    assert (answer.status, answer.json["status"]) == (400, "bad_request")
    answer = policies.login_sealed("alice", ALICE.password, "staff")
    assert answer.json["status"] == "ok"


def test_a_text_sealed_for_another_connection(policies, samba):
    """The keys of "staff" do not open what is sent to "admins"."""
    keys = policies.login_keys("staff")
    before = samba.directory.bad_pwd_count("alice")
    answer = policies.login_sealed("alice", ALICE.password, "admins", keys=keys)
    assert answer.json["status"] == "connector_unavailable" and answer.json["user"] is None
    answer = policies.login_sealed("alice", ALICE.password, "admins",
                                   changes={"connection": "staff"})
    assert answer.json["status"] != "ok" and answer.json["user"] is None
    assert samba.directory.bad_pwd_count("alice") == before


@pytest.mark.parametrize("changes", [
    {"op": "change_password"}, {"connection": "other"}, {"username": "bob"}, {"v": 2},
    {"iat": 1}, {"iat": 2 ** 40}, {"jti": "short"}, {"jti": None}, {"password": None},
    {"new_password": "x"}], ids=str)
def test_sealed_text_that_is_not_for_this(stack, untouched, changes):
    keys = stack.login_keys()
    plain = sealing.content(untouched.name, untouched.password, keys["time"], "corp", changes)
    answer = stack.request("POST", "/login/verify", {
        "connection": "corp", "username": untouched.name,
        "jwe": sealing.seal(plain, keys["recipients"])})
    assert answer.json["status"] != "ok" and answer.json["user"] is None
    assert answer.json["proven"] is False


def test_sealed_text_is_good_once(stack, samba, make_user):
    person = make_user()
    keys = stack.login_keys()
    jwe = sealing.seal(sealing.content(person.name, person.password, keys["time"], "corp"),
                       keys["recipients"])
    body = {"connection": "corp", "username": person.name, "jwe": jwe}
    assert stack.request("POST", "/login/verify", body).json["status"] == "ok"
    mark = stack.audit_mark()
    again = stack.request("POST", "/login/verify", body).json
    assert again["error"]["code"] == "bad_request" and "user" not in again
    row, = stack.audit(after=mark, event="login")
    assert (row["status"], row["reason"]) == ("bad_request", "sealed_used")


# The lock-out budget


def together(count, function):
    """function(0) … function(count - 1) at the same time; the results."""
    results = [None] * count

    def run(number):
        results[number] = function(number)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_wrong_passwords_never_lock(stack, samba, make_user):
    """The lab's domain locks at 5; the margin leaves 2 of them to others."""
    person = make_user(mail="budget@mail.example")
    forms = (person.name, f"LAB\\{person.name.upper()}", f"{person.name}@lab.test",
             "budget@mail.example", f"{person.name}@LAB.TEST")
    statuses = [stack.login("corp", forms[number % len(forms)], f"wrong {number}")["status"]
                for number in range(50)]
    assert statuses == ["invalid_credentials"] * 3 + ["lockout_protected"] * 47
    assert samba.directory.bad_pwd_count(person.name) == 3
    assert not samba.directory.is_locked(person.name)
    # Nobody is told, and the account works wherever the password is not asked through us.
    refused_outside(stack, person.name, "wrong")
    refused(stack, person.name, person.password, status="lockout_protected")
    assert samba.directory.bind(f"{person.name}@lab.test", person.password).ok
    logged_in(stack, person.name, person.password, samba, person.name)


def test_wrong_passwords_at_once_never_lock(stack, samba, make_user):
    person = make_user()
    answers = together(50, lambda number: stack.verify_user(
        person.name if number % 2 else f"{person.name}@lab.test", f"wrong {number}"))
    assert [answer.json for answer in answers] == [REFUSED] * 50
    assert samba.directory.bad_pwd_count(person.name) == 3
    assert not samba.directory.is_locked(person.name)


def test_tries_of_others_count(stack, samba, make_user):
    person = make_user()
    dn = samba.directory.dn(person.name)
    for _ in range(2):
        assert not samba.directory.bind(dn, "a mistake at the desk").ok
    refused(stack, person.name, "wrong", reason="wrong_password")
    refused(stack, person.name, "wrong", status="lockout_protected", reason="budget")
    assert samba.directory.bad_pwd_count(person.name) == 3
    samba.directory.unlock(person.name)


def test_a_locked_account_is_left_alone(stack, samba, make_user):
    person = make_user("locked")
    count = samba.directory.bad_pwd_count(person.name)
    for password in (person.password, "wrong"):
        answer = stack.login("corp", person.name, password)
        assert (answer["status"], answer["proven"]) == ("account_locked", False)
        refused_outside(stack, person.name, password)
    assert samba.directory.bad_pwd_count(person.name) == count
    samba.directory.unlock(person.name)
    logged_in(stack, person.name, person.password, samba, person.name)


def test_many_people_at_once(stack, samba):
    """Right and wrong at the same time, nobody's answer is another's."""
    people = [person for person in PEOPLE for _ in range(4)]

    def log_in(number):
        person = people[number]
        return stack.verify_user(person.name, person.password)
    guids = {person.name: samba.directory.guid(person.name) for person in PEOPLE}
    for person, answer in zip(people, together(len(people), log_in)):
        assert answer.json["status"] == "ok", (person, answer)
        assert answer.json["data"]["id"] == guids[person.name]


@pytest.fixture
def strict_policy(samba, make_user):
    """A person for whom a fine-grained policy locks at the first wrong password,
    which the service account may not read (MS-ADTS 3.1.1.4.5.35)."""
    person = make_user()
    directory = samba.directory
    year = 365 * 86400 * ad.TICKS
    dn = directory.add(
        f"CN=strict,CN=Password Settings Container,CN=System,{samba.base}",
        "msDS-PasswordSettings", {name: [str(value).encode()] for name, value in {
            "msDS-PasswordSettingsPrecedence": 10,
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordHistoryLength": 0, "msDS-PasswordComplexityEnabled": "FALSE",
            "msDS-MinimumPasswordLength": 1, "msDS-MinimumPasswordAge": 0,
            "msDS-MaximumPasswordAge": -year, "msDS-LockoutThreshold": 2,
            "msDS-LockoutObservationWindow": -1800 * ad.TICKS,
            "msDS-LockoutDuration": -1800 * ad.TICKS,
            "msDS-PSOAppliesTo": directory.dn(person.name)}.items()})
    yield person
    directory.delete_dn(dn)


def test_a_policy_that_cannot_be_read_is_taken_for_strict(stack, samba, strict_policy):
    statuses = [stack.login("corp", strict_policy.name, f"wrong {number}")["status"]
                for number in range(10)]
    assert statuses == ["invalid_credentials"] + ["lockout_protected"] * 9
    assert samba.directory.bad_pwd_count(strict_policy.name) == 1
    assert not samba.directory.is_locked(strict_policy.name)
    # Two would have locked it.
    samba.directory.bind(samba.directory.dn(strict_policy.name), "one more")
    assert samba.directory.is_locked(strict_policy.name)


# Other ways to the same directory


@pytest.mark.parametrize("how", ["starttls", "domain", "second-server", "bind-by-upn",
                                 "bind-by-netbios"])
def test_other_ways_to_the_directory(policies, samba, how):
    """StartTLS, servers found in DNS, the second when the first is down, names of the
    service account: the same login."""
    changes = {
        "starttls": {"server": [f"ldap://{samba.dns_name}"],
                     "tls": {"ca": samba.ca_file, "mode": "starttls"}},
        "domain": {"server": samba.domain},
        "second-server": {"server": [f"ldaps://{samba.dns_name}:1", samba.url]},
        "bind-by-upn": {"user": f"{samba.service_user}@{samba.domain}"},
        "bind-by-netbios": {"user": f"{samba.netbios}\\{samba.service_user}"}}[how]
    identifier = policies.add_connection(f"way-{how}")
    connector = policies.add_connector(directory=directory_settings(samba, **changes))
    policies.enrol(connector, identifier=identifier)
    connector.wait_directory("ok")
    try:
        answer = policies.login(identifier, "alice", ALICE.password)
        assert (answer["status"], answer["proven"]) == ("ok", True), answer
        assert answer["user"]["id"] == samba.directory.guid("alice")
        answer = policies.login(identifier, "alice", "wrong")
        assert (answer["status"], answer["reason"]) == ("invalid_credentials", "wrong_password")
        assert [step["passed"] for step in connector.ctl("test", check=0).json["steps"]] == [True] * 4
    finally:
        policies.login(identifier, "alice", ALICE.password)
        policies.connectors.remove(connector)
        connector.stop()
