# SPDX-License-Identifier: ISC
"""adc-directory as a real process in its real sandbox, against a server that means harm or
is broken.  What each misbehaviour may lead to is said in tests/lab/hostile_ldap_cases.py;
the same table is tried on the whole machine in tests/system/test_hostile_ldap.py.
"""

import contextlib
import os
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import sanitized  # noqa: E402
from directory_child import (FAILED, LDAP, LDAPS, OK, TLS_LDAPS, TLS_STARTTLS,  # noqa: E402
                             from_hostile)
from tests.lab import ber  # noqa: E402
from tests.lab import hostile_ldap_cases as cases  # noqa: E402
from tests.lab.clock import Clock  # noqa: E402
from tests.lab.hostile_ldap import AD_REFUSAL, HostileLdap  # noqa: E402
from tests.lab.process import wait_until  # noqa: E402
from tests.lab.tls import CertificateAuthority  # noqa: E402

# Resident, at its peak. Idle it is at 10; the largest message that is taken has 4, and what
# libldap makes of it may be as much again.
MEMORY_MAX_KIB = 24 << 10

WARNING = 1  # of LOG


@pytest.fixture(scope="module")
def shared_server():
    with HostileLdap() as server:
        yield server


@pytest.fixture(scope="module")
def shared_child(shared_server):
    with from_hostile(shared_server) as child:
        yield child.start().up()


@pytest.fixture
def server(shared_server):
    """Good at first, and afterwards."""
    shared_server.reset()
    yield shared_server
    shared_server.reset()


@pytest.fixture
def child(server, shared_child):
    """One process for all tests: it has to stand them."""
    recover(shared_child, server)
    server.reset()
    yield shared_child


@pytest.fixture
def ca(tmp_path):
    """A CA in a file; issue() gives certificates for localhost."""
    authority = CertificateAuthority()
    authority.file = str(tmp_path / "ca.pem")
    with open(authority.file, "wb") as file:
        file.write(authority.pem)
    return authority


def alice(child, server, **more):
    return child.login("alice", server.people["alice"].password, **more)


def recover(child, server, seconds=15):
    """With a server that behaves again a login works, at the latest when it is asked to test."""
    end = time.monotonic() + seconds
    while (answer := alice(child, server)).status != "ok":
        assert time.monotonic() < end, (answer, child.state)
        if child.state.state != OK:
            assert child.test()[-1].passed
            child.up()
    assert answer.guid == str(server.people["alice"].guid)


def peak_begin(child):
    try:
        with open(f"/proc/{child.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except PermissionError:
        pass  # then it is the peak since its start, which is no less


def peak_check(child):
    if not sanitized("adc-directory"):
        assert int(child.status()["VmHWM"].split()[0]) < MEMORY_MAX_KIB


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_login(child, server, case):
    peak_begin(child)
    server.people["alice"].join_unknown_group()
    server.on = case.on
    deadline = 3000 if case.slow else 8000
    started = time.monotonic()
    answer = alice(child, server, deadline=deadline)
    assert time.monotonic() - started < deadline / 1000 + 1
    assert answer.status in case.expect, answer
    assert answer.proven == (answer.status == "ok")
    assert case.step == "accept" or case.step in (step for step, _ in server.requests)
    # Counted by the server: a password is sent once for one attempt, whatever comes of it.
    assert len(server.binds) <= case.binds
    assert answer.status != "ok" or len(server.binds) == 1
    assert answer.status == "ok" or answer.reason
    assert "\x1b" not in child.log_text() and "\nerror: parent" not in child.log_text()
    server.reset()
    recover(child, server)
    peak_check(child)
    assert server.errors == []


@pytest.mark.parametrize("name,words", [
    ("person_length_indefinite", "a message that cannot be read"),
    ("person_notice_of_disconnection", "announced the end of the connection"),
    ("person_flood_of_notifications", "notifications that nobody asked for"),
    ("endless_references", "references without end"),
    ("search_answered_by_bind_result", "an answer to something else than was asked"),
    ("search_result_minus_1", "a result that LDAP does not know"),
    ("attribute_cut_in_the_middle", "an entry that cannot be read"),
    ("search_result_51", "directory_unavailable, search_result_51"),
    ("bind_result_53", "alice: internal, bind_result_53"),
    ("objectGUID_twice", "internal, account_unreadable"),
    ("token_groups_10000", "alice: not_allowed, groups_unreadable"),
    ("two_of_one_name", "ambiguous_user, several_users")])
def test_the_log_says_what_happened(server, name, words):
    case = cases.by_name(name)
    with from_hostile(server) as child:
        child.start().up()
        server.on = case.on
        alice(child, server)
        child.quiet(0.05)
        assert words in child.log_text()


@pytest.mark.parametrize("step", ["person", "groups", "known", "names", "user_bind"])
@pytest.mark.parametrize("kind", [cases.cut_at, cases.shorter], ids=["ended", "whole"])
def test_cut_at_every_byte(child, server, step, kind):
    """The stream ends there, or the message is whole and its inside is not."""
    lengths = []

    def measure(connection, request):
        good = connection.good(request)
        first = ber.read(good)
        # The answer is whole with its last byte; a message's inside with one less than that.
        lengths.append(len(good) if kind is cases.cut_at else len(first[1]))
        return good

    person = server.people["alice"]
    server.on = cases.at(step, measure)
    person.join_unknown_group()
    assert alice(child, server).status == "ok"
    # Names are done without; who is not found where they were before is looked for.
    expect = {"ok"} | cases.FAULT if step in ("names", "known") else cases.FAULT
    for n in range(0, lengths[0], 1 if lengths[0] < 150 else 3):
        person.join_unknown_group()
        server.on = cases.at(step, kind(n))
        server.binds.clear()
        answer = alice(child, server, deadline=3000)
        assert answer.status in expect, (n, answer)
        assert len(server.binds) <= 1
        server.on = {}
        if child.state.state != OK:
            assert child.test()[-1].passed
            child.up()
        # So that it is known again where, whatever was answered.
        recover(child, server)


# --- the service connection -------------------------------------------------


def results(code, diagnostic="", **more):
    return cases.bind_result(code, diagnostic, **more)


# (name, step, act, codes of the state that may be told; "" when it comes up all the same)
SERVICE = [
    ("bind_refused", "service_bind", results(49, AD_REFUSAL.format("52e")), {"bind_refused"}),
    ("account_locked", "service_bind", results(49, AD_REFUSAL.format("775")), {"bind_refused"}),
    ("bind_needs_tls", "service_bind", results(8), {"tls_required"}),
    ("bind_success_with_credentials", "service_bind",
     results(0, rest=ber.octets(b"x", ber.SASL_CREDENTIALS)), {""}),
    ("bind_referral", "service_bind", results(10, rest=ber.referral(cases.ATTACKER)),
     {"bind_failed"}),
    *((f"bind_result_{code}".replace("-", "minus_"), "service_bind", results(code),
       {"bind_failed"} if code > 0 else {"protocol"})
      for code in (1, 3, 4, 14, 51, 52, 53, 80, -1, -5)),
    *((f"{step}_{name}", step, act, codes)
      for step in ("service_bind", "root", "base", "head", "partition")
      for name, act, codes in (
          ("notice", cases.raw(ber.notice()), {"closed"}),
          ("closed", cases.close, {"closed", "lost"}),
          ("reset", cases.reset, {"closed", "lost"}),
          ("length_of_2_31", cases.raw(b"\x30\x84\x80\x00\x00\x00"), {"protocol"}),
          ("negative_id", cases.raw(ber.message(-1, ber.result(ber.BIND_RESPONSE))),
           {"protocol"}),
          ("other_kind", cases.answers(ber.result(ber.EXTENDED_RESPONSE)), {"protocol"}),
          ("minus_1", cases.answers(ber.result(
              ber.BIND_RESPONSE if step == "service_bind" else ber.SEARCH_DONE, -1)),
           {"protocol"}),
          ("unknown_notification", cases.around(ber.notice(0, "1.2.3")), {""}))),
    ("root_nothing", "root", cases.nobody, {"base_unknown"}),
    ("root_busy", "root", cases.search_result(51), {"protocol"}),
    ("root_without_contexts", "root", cases.answers(
        ber.entry("", {"x": ["y"]}), ber.result(ber.SEARCH_DONE)), {"base_unknown"}),
    ("root_of_bad_utf8", "root", cases.answers(
        ber.entry("", {"defaultNamingContext": [b"DC=\xff"]}), ber.result(ber.SEARCH_DONE)),
     {"base_unknown"}),
    ("root_of_5000_bytes", "root", cases.answers(
        ber.entry("", {"defaultNamingContext": ["DC=" + "x" * 5000]}),
        ber.result(ber.SEARCH_DONE)), {"base_unknown"}),
    ("root_with_escapes", "root", cases.answers(
        ber.entry("", {"defaultNamingContext": ["DC=" + cases.ESCAPES] * 2000}),
        ber.result(ber.SEARCH_DONE)), {""}),
    ("root_twice", "root", cases.answers(
        *[ber.entry("", {"defaultNamingContext": ["DC=x"]})] * 2, ber.result(ber.SEARCH_DONE)),
     {"protocol", "timeout"}),
    ("base_missing", "base", cases.search_result(32), {"base_not_found"}),
    ("head_missing", "head", cases.search_result(32), {""}),
    ("partition_absurd", "partition", cases.answers(ber.entry("CN=x", {
        "nETBIOSName": [cases.ESCAPES, "x" * 100000], "dnsRoot": [b"\xff", b"\0"]}),
        ber.result(ber.SEARCH_DONE)), {""}),
    ("closed_at_once", "accept", cases.close, {"closed", "lost"}),
    ("reset_at_once", "accept", cases.reset, {"closed", "lost", "unreachable"}),
    ("notice_at_once", "accept", lambda connection, _: connection.send(ber.notice()),
     {"closed", "protocol"})]


@pytest.mark.parametrize("name,step,act,codes", SERVICE, ids=[one[0] for one in SERVICE])
def test_service_connection(server, name, step, act, codes):
    server.on = {step: act}
    with from_hostile(server) as child:
        child.start()
        if codes == {""}:
            child.up()
        else:
            assert child.failed().code in codes, child.state
            answer = alice(child, server)
            assert answer.status == "directory_unavailable" and server.binds == []
        assert "\x1b" not in child.log_text()
        # Refused is refused: not one more try with the same password.
        assert "bind_refused" not in codes or len(server.service_binds) == 1
        server.on = {}
        if codes == {""}:
            return
        assert child.test()[-1].passed, child.steps
        child.up()
        assert alice(child, server).status == "ok"
        peak_check(child)


@pytest.mark.parametrize("threshold,window,duration", [
    (2 ** 63 - 1, 2 ** 63 - 1, 2 ** 63 - 1), (0, -2 ** 63, -2 ** 63), (-5, 0, 0),
    ("x", "y", "z"), (2 ** 64, -2 ** 64, 5), (2 ** 31, -1, 2 ** 63 - 1)])
def test_absurd_lockout_policy(server, threshold, window, duration):
    server.on = {"head": cases.answers(
        ber.entry("DC=x", {"objectSid": [b"\x01\x04" + server.sid(1)[2:-4]],
                           "lockoutThreshold": [str(threshold)],
                           "lockOutObservationWindow": [str(window)],
                           "lockoutDuration": [str(duration)]}), ber.result(ber.SEARCH_DONE))}
    with from_hostile(server) as child:
        child.start().up()
        for _ in range(2):
            answer = child.login("alice", "wrong")
            assert answer.status in ("invalid_credentials", "lockout_protected"), answer
            assert child.login("bob", server.people["bob"].password).status == "ok"
        assert len(server.binds) <= 4


def test_counted_failures_do_not_overflow(child, server):
    """AD's count at its greatest, and failures of our own on top."""
    server.on = cases.at("person", cases.with_values(badPwdCount=[str(2 ** 63 - 1)],
                                                     badPasswordTime=[str(2 ** 63 - 1)]))
    statuses = [child.login("carol", "wrong").status for _ in range(6)]
    # What is no count is not read: then our own failures are what counts (threshold 5, margin 2).
    assert statuses == ["invalid_credentials"] * 3 + ["lockout_protected"] * 3
    assert len(server.binds) == 3
    server.reset()
    assert child.login("carol", server.people["carol"].password).status == "ok"


def pair(first, second, **more):
    return from_hostile(first, servers=[(one.host, one.port, f"{name}.test", LDAP)
                                        for one, name in ((first, "first"), (second, "second"))],
                        **more)


@pytest.mark.parametrize("act", [cases.close, cases.raw(ber.notice()), cases.raw(b"\x30\x00")],
                         ids=["closes", "notice", "nonsense"])
def test_one_that_binds_and_then_fails_is_left(server, act):
    with HostileLdap() as second, pair(server, second) as child:
        server.on = cases.at("person", act)
        child.start().up()
        assert child.state.server == "first.test"
        # Whom it failed asks the other, which is there in time.
        assert alice(child, second).status == "ok"
        assert child.state.server == "second.test"
        assert alice(child, second).status == "ok"
        assert server.binds == [] and len(second.binds) == 2


# --- several servers ------------------------------------------------------------


@contextlib.contextmanager
def several(count, **more):
    """(their servers, the process)"""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(HostileLdap()) for _ in range(count)]
        yield servers, stack.enter_context(from_hostile(
            servers[0], servers=[(one.host, one.port, f"s{i}.test", LDAP)
                                 for i, one in enumerate(servers)], **more))


def after(seconds):
    """It answers, but not at once."""
    def act(connection, request):
        connection.server.release.wait(seconds)
        return connection.good(request)
    return act


def service_binds(servers):
    return sum(len(one.service_binds) for one in servers)


def up_at(child, name, timeout=10.0):
    child.pump(lambda: child.state is not None and child.state.state == OK and
               child.state.server == name, timeout, f"service at {name}")


def never_failed(child):
    return FAILED not in [state.state for state in child.states]


@pytest.mark.parametrize("step", ["root", "head"])
def test_one_that_stops_on_the_way_is_not_waited_for(step):
    with several(2) as (servers, child):
        servers[0].on = {step: cases.silent}
        child.start()
        up_at(child, "s1.test", 4.5)
        assert never_failed(child)
        assert alice(child, servers[1]).status == "ok"


def test_one_that_stops_at_the_bind_is_not_waited_for(tmp_path):
    """With a password that was right before."""
    clock = Clock(str(tmp_path))
    with several(2, preload=clock.preload) as (servers, child):
        child.start()
        up_at(child, "s0.test")
        clock.later(6)  # so that the connection counts as steady
        servers[0].on = {"service_bind": cases.silent}
        servers[0].drop()
        up_at(child, "s1.test", 4.5)
        assert never_failed(child)
        assert alice(child, servers[1]).status == "ok"


@pytest.mark.parametrize("count,seconds", [(2, 1.5), (4, 0.8), (16, 0.3), (16, 1.5)])
def test_a_refused_service_password_is_counted_once(count, seconds):
    """However slow they are to say so."""
    with several(count, password="Wr0ng") as (servers, child):
        for one in servers:
            one.on = {"service_bind": after(seconds)}
        assert child.start().failed().code == "bind_refused"
        child.quiet(2)
        assert service_binds(servers) == 1 and child.password_asks == 1


def test_a_refused_service_password_is_counted_once_when_all_come_back():
    with several(3, password="Wr0ng") as (servers, child):
        for one in servers:
            one.on = {"service_bind": after(0.1)}
        child.hold_connect = True
        child.start()
        child.pump(lambda: len(child.held) == 3, 5)
        for held in child.held:
            child.connected(*held)
        assert child.failed().code == "bind_refused"
        child.quiet(1)
        assert service_binds(servers) == 1


def test_a_refusal_does_not_end_one_that_has_bound():
    """It has the password of before, or the account locked for itself."""
    with several(2) as (servers, child):
        servers[0].on = {"root": after(3.5)}
        servers[1].service_password = "not replicated"
        child.start()
        up_at(child, "s0.test")
        assert never_failed(child) and len(servers[1].service_binds) == 1


def test_after_a_refusal_another_server_comes_first():
    with several(2) as (servers, child):
        servers[0].service_password = "not replicated"
        assert child.start().failed().code == "bind_refused"
        assert service_binds(servers) == 1
        # Who looks for the reason finds a server that works.
        child.servers[0], kept = child.servers[1], child.servers[0]
        assert child.test()[-1].passed
        child.servers[0] = kept
        up_at(child, "s1.test", 5)
        assert len(servers[0].service_binds) == 1


@pytest.mark.parametrize("step,seconds", [("service_bind", 1.2), ("service_bind", 2.5), ("root", 2)])
def test_one_that_comes_and_goes_keeps_no_slow_one_away(step, seconds):
    with several(2) as (servers, child):
        servers[1].on = {step: after(seconds)}
        child.start()
        while child.pump(lambda: child.state is not None and child.state.state == OK, 10) or \
                child.state.server == "s0.test":
            assert servers[0].accepted < 10
            servers[0].drop()
            child.pump(lambda: child.state.state != OK, 10)
        assert alice(child, servers[1]).status == "ok"


def test_one_that_comes_and_goes_does_not_wait_for_what_is_down():
    with several(2) as (servers, child):
        child.servers[1] = ("127.0.0.1", 1, "s1.test", LDAP)
        child.start()
        for _ in range(4):
            up_at(child, "s0.test", 4)
            servers[0].drop()
            child.pump(lambda: child.state.state != OK, 10)


def test_trouble_of_many_servers_is_told_in_few_words():
    with several(16) as (servers, child):
        for one in servers[1:]:
            one.on = {"root": cases.close}
        child.start()
        for _ in range(6):
            up_at(child, "s0.test", 20)
            servers[0].drop()
            child.pump(lambda: child.state.state != OK, 10)
        warnings = [text for level, text in child.logs if level == WARNING]
        # Of each server its failure once; of one with another at the second time.
        assert len(warnings) <= 20, warnings
        assert len(child.states) < 100


def test_well_ones_are_left_alone_with_one_that_is_no_quick_one():
    """As over a long line: 80 ms for each answer."""
    with several(16) as (servers, child):
        for one in servers:
            one.on = {step: after(0.08) for step in ("service_bind", "root", "base", "head")}
        child.start()
        up_at(child, "s0.test")
        # One more where this host stands still for half a second.
        assert sum(one.accepted for one in servers) <= 2


def test_a_test_names_each_server_that_does_not_answer():
    with several(4) as (_, child):
        well = child.servers[3]
        child.servers = [("127.0.0.1", 1, name, LDAP) for _, _, name, _ in child.servers]
        child.servers[3] = well
        child.start()
        up_at(child, "s3.test")
        reach = child.test()[0]
        assert reach.passed, reach
        assert all(f"s{i}.test is not reachable" in reach.hint for i in range(3)), reach
        child.servers[3] = ("127.0.0.1", 1, "s3.test", LDAP)
        reach = child.test()[0]
        assert not reach.passed and reach.text.startswith("s0.test"), reach
        assert all(f"s{i}.test is not reachable" in reach.hint for i in range(1, 4)), reach


def test_an_explanation_says_what_did_not_answer(child, server):
    server.on = {"person": cases.silent}
    id = child.ask_explanation("alice", 20000)
    assert child.explanation(id) == (["name", "person"], "directory_unavailable", False)
    (_, passed, ms, _, name), (_, found, _, _, person) = child.explained[id]
    assert passed and ms < 1000 and "found by" not in name
    assert not found and "did not answer the search" in person


@pytest.mark.parametrize("step", ["service_bind", "root"])
def test_well_behind_two_that_stop_on_the_way(step):
    """The third gets its turn although the others come again and again."""
    with several(3) as (servers, child):
        for one in servers[:2]:
            one.on = {step: cases.silent}
        child.start()
        up_at(child, "s2.test", 14)


@pytest.mark.parametrize("step", ["service_bind", "root"])
def test_that_all_stop_on_the_way_is_told(step):
    with several(2) as (servers, child):
        for one in servers:
            one.on = {step: cases.silent}
        assert child.start().failed(16).code == "timeout"
        # A test finds that they are well again, and the service follows at once.
        for one in servers:
            one.on = {}
        assert child.test()[-1].passed
        child.up(5)


def test_a_refused_password_is_counted_by_one_more_only_beside_one_that_has_bound():
    with several(6) as (servers, child):
        servers[0].on = {"root": after(4)}
        for one in servers[1:]:
            one.service_password = "changed"
        child.start()
        up_at(child, "s0.test")
        assert service_binds(servers[1:]) <= 1


@pytest.mark.parametrize("seconds", [0, 6])
def test_a_refusal_does_not_hold_up_who_took_the_password(tmp_path, seconds):
    """It was the first one's; the second, tried because the first was lost, has an older one."""
    clock = Clock(str(tmp_path))
    with several(3, preload=clock.preload) as (servers, child):
        for one in servers[1:]:
            one.service_password = "not replicated"
        child.start()
        up_at(child, "s0.test")
        clock.later(seconds)  # short-lived, or steady
        servers[0].on = {"accept": cases.close, "service_bind": cases.close}
        servers[0].drop()
        child.pump(lambda: service_binds(servers[1:]) > 0, 10)
        servers[0].on = {}
        up_at(child, "s0.test", 8)
        assert service_binds(servers[1:]) == 1


def test_who_was_held_for_another_s_refusal_is_free_again(tmp_path):
    clock = Clock(str(tmp_path))
    with several(3, preload=clock.preload) as (servers, child):
        servers[0].service_password = "not replicated"
        servers[1].on = {"root": after(2)}
        child.servers[2] = ("127.0.0.1", 1, "s2.test", LDAP)
        child.start()
        assert child.failed().code == "bind_refused"
        kept, child.servers[0] = child.servers[0], child.servers[1]
        assert child.test()[-1].passed
        child.servers[0] = kept
        up_at(child, "s1.test")
        child.servers[2] = (servers[2].host, servers[2].port, "s2.test", LDAP)
        clock.later(6)
        servers[1].on = {"accept": cases.close, "service_bind": cases.close}
        servers[1].drop()
        up_at(child, "s2.test", 10)


def test_who_waits_after_a_refusal_is_not_waited_for():
    with several(2) as (servers, child):
        servers[0].on = {"root": after(3)}
        servers[1].service_password = "not replicated"
        child.start()
        up_at(child, "s0.test")
        assert len(servers[1].service_binds) == 1
        servers[0].on = {"accept": cases.close, "service_bind": cases.close}
        servers[0].drop()
        child.failed(5)


class Split:
    """Behind one name the controller in use takes no new connections and another one does: each
    counts wrong passwords for itself."""

    def __init__(self, first, second, tmp_path):
        self.first, self.second = first, second
        self.clock = Clock(str(tmp_path))
        self.services = []
        first.on["service_bind"] = self.service_bind
        self.child = from_hostile(first, minimum=1, preload=self.clock.preload)

    def service_bind(self, connection, request):
        self.services.append(connection)
        return connection.good(request)

    def now(self):
        """And those for logins are lost."""
        self.clock.later(2)
        self.child.servers[0] = (self.second.host, self.second.port, "localhost", LDAP)
        with self.first.lock:
            for connection in self.first.connections - set(self.services):
                connection.shutdown()


@pytest.fixture
def split(server, tmp_path):
    with HostileLdap(host="127.0.0.2") as second:
        one = Split(server, second, tmp_path)
        with one.child:
            one.child.start().up()
            assert alice(one.child, server).status == "ok"
            yield one


def test_binds_go_where_the_count_is_read(split):
    child, first, second = split.child, split.first, split.second
    split.now()
    for _ in range(3):
        answer = child.login("bob", "wrong")
        assert answer.status == "invalid_credentials", answer
    assert alice(child, second).status == "ok"
    assert len(first.binds) == 1 and len(second.binds) == 4
    assert len(second.service_binds) == 1
    assert "led to 127.0.0.2 and not to 127.0.0.1: the service connection is made anew" in \
        child.log_text()


def test_who_waits_for_a_connection_is_judged_by_the_new_count(split):
    """One more wrong password would lock the account there."""
    split.second.people["bob"].entry.update(
        {"badPwdCount": ["4"], "badPasswordTime": [str(2 ** 62)]})
    split.now()
    assert split.child.login("bob", "wrong").status == "lockout_protected"
    assert split.second.binds == [] and len(split.second.service_binds) == 1


def test_what_was_asked_is_asked_again_where_binds_go(split):
    """The service connection follows while a search is under way on it."""
    child, first, second = split.child, split.first, split.second
    first.on["person"] = lambda connection, request: \
        None if b"carol" in request.filter else connection.good(request)
    asked = len(first.requests)
    waits = child.ask("carol", first.people["carol"].password, deadline=4000)
    wait_until(lambda: "person" in (step for step, _ in first.requests[asked:]), "the search", 5)
    split.now()
    assert child.login("bob", "wrong").status == "invalid_credentials"
    assert child.answer(waits).status == "ok"
    assert alice(child, second).status == "ok" and child.process.poll() is None


def test_a_success_forgets_no_failure_after_it(server):
    """It stands only once it is confirmed, and others of the person wait until then."""
    begun = threading.Event()

    def slow(connection, request):
        begun.set()
        time.sleep(0.1)
        return connection.good(request)

    with from_hostile(server) as child:
        child.start().up()
        server.on = {"user_bind": slow, "confirm": slow}
        right = child.ask("alice", server.people["alice"].password, deadline=9000)
        while not begun.is_set():
            if (message := child.receive(0.01)) is not None:
                child.handle(message)
        wrong = [child.ask("alice", f"wrong {n}", deadline=9000) for n in range(10)]
        assert child.answer(right).status == "ok"
        statuses = [child.answer(id).status for id in wrong]
        # Threshold 5, of which 2 are left to others.
        assert statuses.count("invalid_credentials") == 3
        assert statuses.count("lockout_protected") == 7
        assert len(server.binds) == 4


@pytest.mark.parametrize("wait", [0, 0.2], ids=["at_once", "later"])
def test_a_person_who_moves_before_the_bind(server, wait):
    """The DN that was found is nobody's or another's now: what AD says of it is not of who was
    meant."""
    alice_now, bob = server.people["alice"], server.people["bob"]

    def moves(connection, request):
        time.sleep(wait)
        alice_now.dn, elsewhere = f"CN=elsewhere,{server.base}", alice_now.dn
        if request.password == bob.password.encode():
            bob.dn = elsewhere
        return connection.good(request)

    with from_hostile(server) as child:
        child.start().up()
        dns = alice_now.dn, bob.dn
        try:
            # To move two people takes longer than a bind that is answered at once.
            for password in (alice_now.password, *([bob.password] if wait else [])):
                server.on = {"user_bind": moves}
                answer = child.login("alice", password)
                assert (answer.status, answer.reason, answer.proven) == \
                    ("directory_unavailable", "moved", False)
                alice_now.dn, bob.dn = dns
                server.on = {}
        finally:
            alice_now.dn, bob.dn = dns
        assert alice(child, server).status == "ok"
        assert child.login("alice", bob.password).status == "invalid_credentials"


@pytest.mark.parametrize("act", [
    cases.nobody, cases.search_result(1), cases.search_result(50), cases.close, cases.reset,
    cases.raw(ber.notice()), cases.raw(b"\x30\x84\x80\x00\x00\x00"),
    cases.answers(ber.entry("CN=x", {"objectGUID": [b"short"]}), ber.result(ber.SEARCH_DONE)),
    cases.answers(*[ber.entry("CN=x", {"objectGUID": []})] * 2, ber.result(ber.SEARCH_DONE))],
    ids=["nobody", "error", "denied", "closes", "resets", "notice", "length", "short", "empty"])
def test_who_is_there_cannot_be_read(server, act):
    """Then a refused password is what the bind said: no more is known than without asking."""
    with from_hostile(server) as child:
        child.start().up()
        server.on = {"confirm": act}
        answer = child.login("alice", "wrong")
        assert answer.status == "invalid_credentials"
        assert "confirm" in (step for step, _ in server.requests) and len(server.binds) == 1


def test_binds_that_are_lost_make_nobody_wrong(server):
    """They may have counted, so that there is no more to try; but that is the fault of who lost
    them."""
    with from_hostile(server) as child:
        child.start().up()
        server.on = {"user_bind": cases.close}
        ids = [child.ask("alice", server.people["alice"].password) for _ in range(8)]
        answers = [child.answer(id) for id in ids]
        assert {answer.status for answer in answers} == {"directory_unavailable"}
        # Threshold 5, of which 2 are left to others.
        assert len(server.binds) == 3
        assert [answer.reason for answer in answers].count("binds_lost") == 5
        server.on = {}
        recover(child, server)


@pytest.mark.parametrize("act", [cases.close, cases.reset, cases.raw(ber.notice()), cases.silent],
                         ids=["closes", "resets", "notice", "silent"])
def test_a_bind_whose_answer_is_lost_is_not_tried_elsewhere(server, act):
    """It may have counted: neither the same server nor the other one sees the password again."""
    with HostileLdap() as second, pair(server, second) as child:
        server.on = {"user_bind": act}
        child.start().up()
        assert alice(child, server, deadline=1000).status in cases.FAULT
        child.quiet(0.3)
        assert len(server.binds) == 1 and second.binds == []
        # What may have been a wrong password counts as one, until a right one is answered.
        server.reset()
        assert alice(child, server).status == "ok"


@pytest.mark.parametrize("act", [cases.silent, cases.drip, cases.endless(
    lambda connection, request: ber.reference(cases.ATTACKER)), cases.around(
        before=lambda request: ber.message(request.id + 7, b"\x65\x00") * 3)],
    ids=["silent", "a_byte_a_second", "endless_references", "foreign_answers_only"])
def test_one_that_does_not_answer_is_left(server, act):
    """Bytes are no sign of life, answers are."""
    def foreign_only(connection, request):
        release = connection.server.release
        while not release.wait(0.1):
            connection.send(ber.message(request.id + 7, ber.result(ber.SEARCH_DONE)))
        raise cases.End()

    if act not in (cases.silent, cases.drip) and act.__qualname__.startswith("around"):
        act = foreign_only
    with HostileLdap() as second, pair(server, second) as child:
        server.on = cases.at("person", act)
        child.start().up()
        # By the other one, where it is known in time that this one does not do.
        status = alice(child, server, deadline=3000).status
        assert status == "ok" and second.binds or status in cases.FAULT
        assert server.binds == []
        child.pump(lambda: child.state.server == "second.test" and child.state.state == OK, 10)
        assert alice(child, second).status == "ok"


def test_a_server_that_stops_reading(server):
    """What waits to be sent is bounded, each login is answered, and the connection is given up."""
    with from_hostile(server) as child:
        child.start().up()
        peak_begin(child)
        server.on = cases.at("person", cases.silent)
        ids = [child.ask("alice" + "x" * 900, "p", deadline=2500) for _ in range(1000)]
        child.pump(lambda: all(id in child.answers for id in ids), 10)
        assert {child.answers[id].status for id in ids} <= cases.FAULT
        child.pump(lambda: child.state.state == FAILED or child.connects > 2, 10)
        peak_check(child)
        server.reset()
        recover(child, server)


def test_given_up_requests_do_not_pile_up(server):
    """libldap remembers each of them: in the end the connection is a new one."""
    with from_hostile(server) as child:
        child.start().up()
        server.on = {"person": lambda connection, request: None if b"alice" in request.filter
                     else connection.good(request)}
        end = time.monotonic() + 60
        while "is renewed after" not in child.log_text():
            assert time.monotonic() < end
            ids = [child.ask("alice", "p", deadline=1) for _ in range(400)]
            child.pump(lambda: all(id in child.answers for id in ids), 10)  # pylint: disable=W0640
            # A sign of life, or it would be given up as dead.
            child.login("bob", server.people["bob"].password)
        assert child.ids > 4000
        server.reset()
        recover(child, server)


# --- TLS ---------------------------------------------------------------------


def tls_child(server, ca, mode=TLS_LDAPS):
    scheme = LDAPS if mode == TLS_LDAPS else LDAP
    return from_hostile(server, tls_mode=mode, ca_file=ca.file,
                        servers=[(server.host, server.port, "localhost", scheme)])


@pytest.mark.parametrize("act", [cases.injected, cases.injected_later],
                         ids=["with_the_answer", "before_the_handshake"])
def test_nothing_in_clear_is_taken_after_starttls(ca, act):
    """CVE-2021-33880's kind: the answer to the bind is there before the handshake."""
    with HostileLdap(ca.issue("localhost", ["localhost"]), starttls=True) as server:
        server.on = {"starttls": act}
        with tls_child(server, ca, TLS_STARTTLS) as child:
            assert child.start().failed().code == "tls_failed"
            assert server.service_binds == []
            server.on = {}
            assert child.test()[-1].passed
            child.up()
            assert alice(child, server).status == "ok"


@pytest.mark.parametrize("code", [0, 1, 2, 52, -1])
def test_starttls_answered_otherwise(ca, code):
    """By a refusal, or by a success of something else: no password goes out in clear."""
    act = (cases.answers(ber.result(ber.EXTENDED_RESPONSE, code)) if code else
           cases.answers(ber.result(ber.BIND_RESPONSE)))
    with HostileLdap(ca.issue("localhost", ["localhost"]), starttls=True) as server:
        server.on = {"starttls": act}
        with tls_child(server, ca, TLS_STARTTLS) as child:
            assert child.start().failed().code in ("starttls_refused", "protocol")
            assert server.service_binds == []


def test_another_certificate_on_the_next_connection(ca):
    with HostileLdap(ca.issue("localhost", ["localhost"])) as server, \
            tls_child(server, ca) as child:
        child.start().up()
        assert alice(child, server).status == "ok"
        server.binds.clear()
        server.show(CertificateAuthority().issue("localhost", ["localhost"]))
        server.drop()
        child.pump(lambda: child.state.state == FAILED, 10)
        child.pump(lambda: child.state.code == "tls_untrusted", 10)
        assert alice(child, server).status == "directory_unavailable"
        assert server.binds == [] and len(server.service_binds) == 1
        server.show(server.certificate)
        recover(child, server)


@pytest.mark.parametrize("act,codes", [
    (cases.aborted_handshake, {"tls_failed", "closed", "lost"}), (cases.silent, {"timeout"}),
    (lambda connection, _: connection.send(b"\x15\x03\x03\x00\x02\x02\x28"), {"tls_failed"}),
    (lambda connection, _: connection.send(b"\x16\x03\x03\xff\xff" + bytes(70000)),
     {"tls_failed", "lost"})],
    ids=["aborted", "never_answered", "alert", "record_too_long"])
def test_handshake(ca, act, codes):
    with HostileLdap(ca.issue("localhost", ["localhost"])) as server, \
            tls_child(server, ca) as child:
        server.on = {"accept": act}
        assert child.start().failed(8).code in codes, child.state
        assert server.service_binds == []
        server.reset()
        assert child.test()[-1].passed
        child.up()
        assert alice(child, server).status == "ok"


def test_many_misbehave_at_once(server):
    """Everybody's bind ends in another way, while others log in."""
    acts = [case.act for case in cases.CASES if case.step == "user_bind" and not case.slow]
    lock, turn = threading.Lock(), iter(range(1 << 30))

    def act(connection, request):
        if request.dn == server.people["bob"].dn:
            return connection.good(request)
        with lock:
            return acts[next(turn) % len(acts)](connection, request)

    server.on = {"user_bind": act}
    with from_hostile(server, maximum=32) as child:
        child.start().up()
        peak_begin(child)
        good = [child.ask("bob", server.people["bob"].password) for _ in range(20)]
        ids = [child.ask(name, server.people[name].password) for _ in range(40)
               for name in ("alice", "carol")]
        child.pump(lambda: all(id in child.answers for id in good + ids), 30)
        assert [child.answers[id].status for id in good] == ["ok"] * 20
        peak_check(child)
        server.reset()
        recover(child, server)
