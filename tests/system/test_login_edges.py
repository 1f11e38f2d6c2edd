# SPDX-License-Identifier: ISC
"""Logins of accounts that are rare: deep in groups or in many, by smart card only, protected.

Decided by a real Active Directory (Samba), whose own answer to a bind is asked first: what
the connector says must follow from it.
"""

import itertools

import pytest

from tests.lab import directory as ad

from .stack import directory_settings

DEEP, WIDE = 50, 80


@pytest.fixture(scope="module")
def member(samba):
    """(name, password, names of groups): 50 groups, each in the next and the last in the first,
    and 80 beside them."""
    directory, made = samba.directory, []
    name, password = "deep-and-wide", "Deep-and-Wide 1"
    directory.add_user(name, password)
    made.append(directory.guid(name))

    def group(label, *members):
        directory.add_group(label, members)
        made.append(directory.guid(label))
        return label

    deep = [group("Deep-000", name)]
    for number in range(1, DEEP):
        deep.append(group(f"Deep-{number:03d}", deep[-1]))
    directory.add_members(deep[0], deep[-1])
    wide = [group(f"Wide-{number:03d}", name) for number in range(WIDE)]
    yield name, password, {*deep, *wide}
    for guid in made:
        directory.delete_guid(guid)


def test_deep_nested_and_many_groups(stack, samba, member):
    name, password, groups = member
    answer = stack.login("corp", name, password)
    assert answer["status"] == "ok", answer
    shown = [group["name"] for group in answer["user"]["groups"]]
    assert len(shown) == len(set(shown)) == len(samba.directory.token_groups(name))
    assert groups | {"Domain Users"} <= set(shown)
    assert all(group["id"] for group in answer["user"]["groups"])


def test_rules_hold_at_any_depth(new_stack, samba, member):
    """A denied group 50 memberships away counts as one next to the person does."""
    name, password, _ = member
    stack = new_stack()
    for number, (rules, status) in enumerate((
            ({"deny_groups": [f"Deep-{DEEP - 1:03d}"]}, "not_allowed"),
            ({"allow_groups": [f"Deep-{DEEP - 1:03d}"]}, "ok"),
            ({"allow_groups": ["Staff"]}, "not_allowed"))):
        connection = stack.add_connection(f"corp{number}")
        connector = stack.add_connector(directory=directory_settings(samba), policy=rules)
        stack.enrol(connector, identifier=connection)
        connector.wait_directory()
        assert stack.login(connection, name, password)["status"] == status
    assert samba.directory.bad_pwd_count(name) == 0


def test_smart_card_required(stack, samba, make_user):
    """The flag gives the account a password that nobody knows; with one set after, AD binds."""
    person = make_user()
    assert stack.login("corp", person.name, person.password)["status"] == "ok"
    samba.directory.set_uac(person.name, on=ad.UAC_SMARTCARD)
    assert samba.directory.bind(samba.directory.dn(person.name), person.password).data == "52e"
    answer = stack.login("corp", person.name, person.password)
    assert (answer["status"], answer["proven"]) == ("invalid_credentials", False)
    samba.directory.set_password(person.name, "Set-After-The-Flag 1")
    bound = samba.directory.bind(samba.directory.dn(person.name), "Set-After-The-Flag 1")
    answer = stack.login("corp", person.name, "Set-After-The-Flag 1")
    assert bound.ok and answer["status"] == "ok"


def test_protected_users(stack, samba, make_user):
    """They may not sign in by a password over LDAP. AD says so to everybody, right or wrong,
    and counts nothing; outside nobody is told."""
    person = make_user()
    samba.directory.add_members("Protected Users", person.name)
    for password in (person.password, "Not-the-Password 1"):
        dn = samba.directory.dn(person.name)
        assert samba.directory.bind(dn, password).data == "52f"
        answer = stack.login("corp", person.name, password)
        assert (answer["status"], answer["reason"], answer["proven"]) == \
            ("not_allowed", "account_restriction", False)
        outside = stack.verify_user(person.name, password).json
        assert outside["status"] == "invalid_credentials" and outside["data"] is None
    assert samba.directory.bad_pwd_count(person.name) == 0
    samba.directory.remove_members("Protected Users", person.name)
    assert stack.login("corp", person.name, person.password)["status"] == "ok"


def test_every_combination_of_flags(stack, samba, make_user):
    """Never ok where AD does not bind, never another reason."""
    person = make_user()
    flags = (ad.UAC_DISABLED, ad.UAC_NEVER_EXPIRES, ad.UAC_SMARTCARD)
    words = {"": "ok", "52e": "invalid_credentials", "533": "account_disabled"}
    for chosen in itertools.product((0, 1), repeat=len(flags)):
        on = sum(flag for flag, wanted in zip(flags, chosen) if wanted)
        samba.directory.set_uac(person.name, on=on, off=sum(flags) & ~on)
        samba.directory.set_password(person.name, person.password)
        bound = samba.directory.bind(samba.directory.dn(person.name), person.password)
        answer = stack.login("corp", person.name, person.password)
        assert answer["status"] == words[bound.data], (on, bound, answer)
