# SPDX-License-Identifier: ISC
"""adc-directory and people who log in again: they are looked for where they were found before,
in one request with their groups, and everything is decided by what is there now.
"""

import os
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from directory_child import from_hostile  # noqa: E402
from tests.lab import ber, hostile_ldap_cases as cases  # noqa: E402
from tests.lab.clock import Clock  # noqa: E402
from tests.lab.hostile_ldap import HostileLdap, Person  # noqa: E402

KEPT_S = 600  # NAME_CACHE_S
DN_MAX = 512  # NAME_CACHE_DN_MAX
ADMINISTRATORS = HostileLdap.sid(512)
FIRST = ["person", "groups"]
AGAIN = ["known"]


@pytest.fixture
def server():
    with HostileLdap() as one:
        yield one


@pytest.fixture
def clock(tmp_path):
    return Clock(str(tmp_path))


@pytest.fixture
def child(server, clock):
    with from_hostile(server, preload=clock.preload) as one:
        yield one.start().up()


def login(child, server, typed="alice", person="alice", password=None, **more):
    """(answer, the searches that it took)"""
    before = len(server.requests)
    answer = child.login(typed, password or server.people[person].password, **more)
    return answer, [step for step, _ in server.requests[before:]
                    if step in ("person", "groups", "known")]


def good(child, server, steps, typed="alice", person="alice"):
    answer, taken = login(child, server, typed, person)
    assert answer.status == "ok", answer
    assert answer.guid == str(server.people[person].guid)
    assert {group["name"] for group in answer.profile["groups"]} == \
        {"Domain Users", "Staff", "Everywhere"}
    assert taken == steps


@pytest.mark.parametrize("typed", ["alice", "HOSTILE\\alice", "alice@hostile.test"])
def test_the_next_login_takes_one_search(child, server, typed):
    good(child, server, FIRST, typed)
    good(child, server, AGAIN, typed)
    assert child.login(typed, "wrong").status == "invalid_credentials"
    good(child, server, AGAIN, typed)


def test_names_are_kept_as_they_were_typed(child, server):
    for typed in ("alice", "Alice", "ALICE", "alice@hostile.test"):
        good(child, server, FIRST, typed)
        good(child, server, AGAIN, typed)
    for name in ("bob", "carol"):
        good(child, server, FIRST, name, name)
    good(child, server, AGAIN)


def test_of_a_mail_address_nothing_is_kept(child, server):
    """Somebody's userPrincipalName comes first as soon as there is one."""
    for _ in range(2):
        good(child, server, ["person", "person", "groups"], "alice@mail.test")
    bob = server.people["bob"]
    server.on["person"] = cases.answers(
        ber.entry(bob.dn, {**bob.entry, "userPrincipalName": ["alice@mail.test"]}),
        ber.result(ber.SEARCH_DONE))
    answer, _ = login(child, server, "alice@mail.test", "bob")
    assert answer.status == "ok" and answer.guid == str(bob.guid)


def test_moved(child, server):
    good(child, server, FIRST)
    server.people["alice"].dn = f"CN=alice,OU=Elsewhere,{server.base}"
    good(child, server, ["known", *FIRST])
    good(child, server, AGAIN)


def test_gone(child, server):
    good(child, server, FIRST)
    alice = server.people.pop("alice")
    server.requests.clear()
    answer = child.login("alice", alice.password)
    assert (answer.status, answer.reason) == ("invalid_credentials", "unknown_user")
    assert [step for step, _ in server.requests] == ["known", "person"]
    assert server.binds == [(alice.dn, alice.password.encode())]


def test_another_person_at_the_old_place(child, server):
    """Of that DN and another name; the name went with the person."""
    good(child, server, FIRST)
    alice, bob = server.people["alice"], server.people["bob"]
    alice.dn, bob.dn = bob.dn, alice.dn
    good(child, server, ["known", *FIRST])
    assert [dn for dn, _ in server.binds] == [bob.dn, alice.dn]


def test_another_person_of_that_name(child, server):
    """The old one's place and name are another's now, who has another password."""
    good(child, server, FIRST)
    old, new = server.people["alice"], Person(server, "alice", 77)
    new.guid, new.password = server.people["bob"].guid, "Another-Passw0rd"
    new.entry["objectGUID"] = [new.guid.bytes_le]
    server.people["alice"] = new
    answer, steps = login(child, server, password=old.password)
    assert answer.status == "invalid_credentials" and steps == AGAIN
    good(child, server, AGAIN)


def test_everything_is_read_anew(child, server):
    good(child, server, FIRST)
    alice = server.people["alice"]
    alice.entry["displayName"] = ["Another"]
    alice.groups = alice.groups[:2]
    answer, steps = login(child, server)
    assert answer.status == "ok" and steps == AGAIN
    assert answer.profile["displayName"] == "Another"
    assert [group["name"] for group in answer.profile["groups"]] == ["Domain Users", "Staff"]
    for change in ({"groups": [*alice.groups, ADMINISTRATORS]},
                   {"entry": {**alice.entry, "adminCount": ["1"]}}):
        before = {name: getattr(alice, name) for name in change}
        for name, value in change.items():
            setattr(alice, name, value)
        binds = len(server.binds)
        answer, steps = login(child, server)
        assert (answer.status, answer.reason) == ("not_allowed", "privileged") and steps == AGAIN
        assert len(server.binds) == binds
        for name, value in before.items():
            setattr(alice, name, value)
    alice.entry.update({"badPwdCount": ["3"], "badPasswordTime": [str(2 ** 62)]})
    answer, steps = login(child, server)
    assert answer.status == "lockout_protected" and steps == AGAIN


def test_two_of_one_name_are_nobody_after_a_while(child, server, clock):
    good(child, server, FIRST)
    server.on["person"] = cases.by_name("two_of_one_name").act
    clock.later(KEPT_S - 20)
    good(child, server, AGAIN)
    # Each time since the search, not since the last login.
    clock.later(40)
    answer, steps = login(child, server)
    assert answer.status == "ambiguous_user" and steps == ["person"]


def test_what_an_explanation_finds_holds(child, server):
    good(child, server, FIRST)
    server.on["person"] = cases.by_name("two_of_one_name").act
    assert child.explanation(child.ask_explanation("alice"))[1] == "ambiguous_user"
    answer, steps = login(child, server)
    assert answer.status == "ambiguous_user" and steps == ["person"]


def test_who_is_not_told_of_there_in_time_is_looked_for(child, server):
    good(child, server, FIRST)
    server.on["known"] = lambda *_: None
    answer, steps = login(child, server, deadline=9000)
    # Nothing at all came for a while: then it may be the connection.
    assert answer.status == "ok" and steps[:2] == ["known", "person"]


def test_a_name_is_kept_after_a_right_password_only(child, server):
    for _ in range(2):
        answer, steps = login(child, server, password="wrong")
        assert answer.status == "invalid_credentials" and steps == FIRST
    good(child, server, FIRST)
    answer, steps = login(child, server, password="wrong")
    assert answer.status == "invalid_credentials" and steps == AGAIN


def slowly(server, step, seconds):
    def act(connection, request):
        time.sleep(seconds)
        return connection.good(request)

    server.on[step] = act


def test_time_does_not_tell_who_logged_in_lately(child, server):
    """A wrong password is refused no sooner than where the name has to be looked for."""
    timers = []

    def after_the_bind(connection, request):
        timers.append(threading.Timer(0.5, connection.send, [connection.good(request)]))
        timers[0].start()

    slowly(server, "person", 1)
    good(child, server, FIRST)
    begin = time.monotonic()
    good(child, server, AGAIN)
    right = time.monotonic() - begin
    assert right < 0.98
    # Names of groups that come meanwhile change nothing.
    for unknown in (False, True):
        if unknown:
            server.people["alice"].join_unknown_group()
            server.on["names"] = after_the_bind
        begin = time.monotonic()
        answer, steps = login(child, server, password="wrong")
        assert time.monotonic() - begin > 0.98
        assert answer.status == "invalid_credentials" and steps == AGAIN
    timer, = timers
    timer.join()


def test_a_held_refusal_keeps_to_its_deadline(child, server):
    slowly(server, "person", 2)
    good(child, server, FIRST)
    begin = time.monotonic()
    assert login(child, server, password="wrong", deadline=200)[0].status == "invalid_credentials"
    assert time.monotonic() - begin < 1.9


def test_where_no_rule_needs_the_groups(server):
    """They are read beside the bind then, and their trouble refuses nobody."""
    with from_hostile(server, deny_privileged=False) as child:
        child.start().up()
        for _ in range(3):
            good(child, server, FIRST)
        server.on["groups"] = cases.search_result(1)
        answer, steps = login(child, server)
        assert answer.status == "ok" and steps == FIRST


def test_long_ones_are_not_kept(child, server):
    alice = server.people["alice"]
    for length, steps in ((DN_MAX, AGAIN), (DN_MAX + 1, FIRST)):
        alice.dn = "CN=alice," + f"OU={'x' * 60}," * 6
        alice.dn += f"OU={'y' * (length - len(alice.dn) - len(server.base) - 4)},{server.base}"
        assert len(alice.dn) == length
        login(child, server)
        good(child, server, steps)
