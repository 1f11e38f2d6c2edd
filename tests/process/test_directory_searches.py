# SPDX-License-Identifier: ISC
"""adc-directory with more to look up than one connection is good for: a real slapd
behind a relay that holds its answers back, so that searches pile up for certain.
"""

import os
import socket
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import Gone  # noqa: E402
from directory_child import FAILED, LDAP, OK, from_slapd  # noqa: E402
from tests.lab.clock import Clock  # noqa: E402
from tests.lab.openldap import Slapd  # noqa: E402
from tests.lab.process import wait_until  # noqa: E402

MORE_MAX = 7  # SEARCH_CONNECTIONS_MAX
BUSY = 8  # SEARCH_CONNECTIONS_BUSY
IDLE_S = 120  # SEARCH_CONNECTIONS_IDLE_S
WAIT_LOST_S = 10
WAIT_BIND_S = 15 * 60
STEADY_S = 5  # a service connection that lived shorter is a failed try


@pytest.fixture(scope="module")
def slapd(lab_namespace):
    with Slapd(users=50) as server:
        yield server


class Link:
    """One connection through the relay."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.said = b""  # by the client
        self.passing = threading.Event()
        self.passing.set()
        self.kept = 0  # chunks with a question for groups that the server was not asked
        self.ended = False

    @property
    def searches(self):
        """Searches of people that went up, by name or where they were found before."""
        return self.said.count(b"badPasswordTime")

    def end(self):
        self.ended = True
        self.passing.set()
        for sock in (self.near, self.far):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Relay:
    """To the server and back; what comes back may be held."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.links = []
        self.passing = threading.Event()
        self.passing.set()
        self.keep_groups_of = ()  # links
        self.threads = []
        self.thread(self.accept)

    def thread(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            link = Link(near, socket.create_connection((self.server.host, self.server.port)))
            self.links.append(link)
            self.thread(self.up, link)
            self.thread(self.down, link)

    def up(self, link):
        try:
            while data := link.near.recv(65536):
                link.said += data
                if link in self.keep_groups_of and b"tokenGroups" in data:
                    link.kept += 1
                else:
                    link.far.sendall(data)
        except OSError:
            pass
        link.end()

    def down(self, link):
        try:
            while data := link.far.recv(65536):
                self.passing.wait()
                link.passing.wait()
                link.near.sendall(data)
        except OSError:
            pass
        link.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.passing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.end()
        for thread in self.threads:
            thread.join(5)
        for link in self.links:
            link.near.close()
            link.far.close()


@pytest.fixture
def relay(slapd):
    with Relay(slapd) as one:
        yield one


@pytest.fixture
def clock(tmp_path):
    return Clock(str(tmp_path))


@pytest.fixture
def child(slapd, relay, clock):
    """With one connection for logins, so that all others are for searches."""
    with from_slapd(slapd, minimum=1, maximum=1, preload=clock.preload,
                    servers=[("127.0.0.1", relay.port, "localhost", LDAP)]) as one:
        one.start().up()
        one.pump(lambda: one.state.open == 1, what="the connection for logins")
        yield one


def ask(child, slapd, count, spelling=str):
    """spelling: makes a name of it that nobody has typed yet."""
    users = [slapd.user(i % 50) for i in range(count)]
    return [child.ask(spelling(name), password) for name, _, password in users]


def statuses(child, ids):
    return {" ".join(filter(None, (child.answer(id).status, child.answer(id).reason)))
            for id in ids}


def until(child, condition, what, seconds=10):
    """Plays the parent until then."""
    wait_until(lambda: child.quiet(0.02) or condition(), what, seconds)


def burst(child, slapd, relay, count=BUSY * 4, spelling=str):
    """As many logins at once, none of which is answered before all have been asked for."""
    relay.passing.clear()
    searches = sum(link.searches for link in relay.links)
    ids = ask(child, slapd, count, spelling)
    until(child, lambda: sum(link.searches for link in relay.links) >= searches + count,
          "all searches")
    return ids


def good_burst(child, slapd, relay, count=BUSY * 4):
    ids = burst(child, slapd, relay, count)
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}


def more_links(child, slapd, relay, count):
    """Bursts until there are so many connections for searches, and all of them were used."""
    def used():
        good_burst(child, slapd, relay, BUSY * (count + 2))
        return child.connects == len(relay.links) >= 2 + count and all(link.searches for link in relay.links[2:])

    wait_until(used, "searches on all connections", 30)
    return relay.links[2:2 + count]


def test_few_searches_need_no_more_connections(child, slapd):
    for _ in range(5):
        assert statuses(child, ask(child, slapd, BUSY // 2)) == {"ok"}
    assert child.connects == 2


def test_many_searches_are_spread(child, slapd, relay):
    ids = burst(child, slapd, relay)
    until(child, lambda: len(relay.links) == 3, "one more connection")
    child.quiet(0.5)
    # One at a time: the next is not asked for before this one is bound.
    assert child.connects == 3
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    link, = more_links(child, slapd, relay, 1)
    # As the service account, once, and nobody binds on it.
    assert link.said.count(slapd.service_password.encode()) == 1
    assert b"-secret" not in link.said.replace(slapd.service_password.encode(), b"")
    assert b"tokenGroups" in link.said


def test_the_number_has_a_limit(child, slapd, relay):
    more_links(child, slapd, relay, MORE_MAX)
    for _ in range(3):
        good_burst(child, slapd, relay, 200)
    assert child.connects == 2 + MORE_MAX


def test_those_not_needed_go(child, slapd, relay, clock):
    links = more_links(child, slapd, relay, 3)
    clock.later(IDLE_S - 20)
    for _ in range(3):
        assert statuses(child, ask(child, slapd, 1)) == {"ok"}
    assert not any(link.ended for link in links)
    clock.later(40)
    until(child, lambda: statuses(child, ask(child, slapd, 1)) == {"ok"}
          and all(link.ended for link in relay.links[2:]), "the end of those not needed")
    assert not relay.links[0].ended and child.state.state == OK


def test_what_was_asked_on_a_lost_one_is_asked_again(child, slapd, relay):
    for link in more_links(child, slapd, relay, 2):
        before = link.searches
        ids = burst(child, slapd, relay)
        assert link.searches > before
        link.end()
        relay.passing.set()
        assert statuses(child, ids) == {"ok"}
    assert FAILED not in [state.state for state in child.states]


@pytest.mark.parametrize("spelling", [str.upper, str], ids=["by_themselves", "with_the_person"])
def test_groups_asked_for_on_a_lost_one_are_asked_for_again(child, slapd, relay, spelling):
    """They decide here, as administrators are not let in."""
    links = more_links(child, slapd, relay, 3)
    relay.keep_groups_of = relay.links[2:]
    # The service connection stays the busiest meanwhile.
    relay.links[0].passing.clear()
    before = [link.said.count(b"tokenGroups") for link in links]
    ids = burst(child, slapd, relay, BUSY * 4, spelling)
    # Known people's groups are in the question for the person, and were asked for with it.
    with_person = [link.said.count(b"tokenGroups") for link in links] != before
    assert with_person == (spelling is str)
    relay.passing.set()
    until(child, lambda: all(link.kept for link in links), "groups on all of them")
    for link in relay.links[2:]:
        link.end()
    relay.links[0].passing.set()
    assert statuses(child, ids) == {"ok"}
    assert all(child.answer(id).profile["groups"] for id in ids)


def test_one_that_is_lost_is_not_made_again_at_once(child, slapd, relay, clock):
    descriptors = child.descriptors()
    more_links(child, slapd, relay, 2)
    for link in relay.links[2:]:
        link.end()
    connects = child.connects
    until(child, lambda: child.descriptors() == descriptors, "the end of all of them")
    for _ in range(3):
        good_burst(child, slapd, relay)
    assert child.connects == connects
    clock.later(WAIT_LOST_S + 1)
    good_burst(child, slapd, relay)
    assert child.connects > connects


def test_all_are_lost_at_once(child, slapd, relay, clock):
    links = more_links(child, slapd, relay, 3)
    clock.later(STEADY_S + 1)
    before = [link.searches for link in links]
    ids = burst(child, slapd, relay)
    assert all(link.searches > count for link, count in zip(links, before))
    for link in reversed(relay.links):
        link.end()
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    assert FAILED not in [state.state for state in child.states]


def test_a_refused_bind_is_not_repeated(child, slapd, relay, clock):
    """The password was changed since the service connection was bound."""
    child.password = "changed"
    good_burst(child, slapd, relay)
    until(child, lambda: "one more connection for searches" in child.log_text(), "the refusal")
    for later in (0, WAIT_LOST_S + 1, WAIT_BIND_S - WAIT_LOST_S - 30):
        clock.later(later)
        good_burst(child, slapd, relay)
    assert child.connects == 3 and child.password_asks == 2
    assert child.state.state == OK
    clock.later(60)
    good_burst(child, slapd, relay)
    until(child, lambda: child.password_asks == 3, "another try")


def test_a_lost_one_does_not_shorten_the_wait_after_a_refused_bind(child, slapd, relay, clock):
    links = more_links(child, slapd, relay, 2)
    child.password = "changed"
    asks = child.password_asks
    for _ in range(MORE_MAX):
        if child.password_asks == asks:
            good_burst(child, slapd, relay, BUSY * (MORE_MAX + 2))
    until(child, lambda: "one more connection for searches" in child.log_text(), "the refusal")
    for link in links:
        link.end()
        clock.later(WAIT_LOST_S + 1)
        good_burst(child, slapd, relay)
    assert child.password_asks == asks + 1


def test_one_to_another_server_is_not_used(child, slapd, relay, clock):
    """What that controller has counted, this one does not know."""
    child.told_address = "192.0.2.7"
    good_burst(child, slapd, relay)
    until(child, lambda: "it led to 192.0.2.7, not to 127.0.0.1" in child.log_text(), "the reason")
    clock.later(WAIT_LOST_S + 1)
    good_burst(child, slapd, relay)
    assert child.connects == 3 and child.password_asks == 1
    assert slapd.service_password.encode() not in relay.links[2].said


def test_one_that_does_not_open_does_no_harm(child, slapd, relay):
    child.hold_connect = True
    good_burst(child, slapd, relay)
    good_burst(child, slapd, relay)
    until(child, lambda: child.held, "one more connection asked for")
    assert len(child.held) == 1


def test_draining_ends_with_the_last_login(child, slapd, relay):
    more_links(child, slapd, relay, 2)
    ids = burst(child, slapd, relay)
    child.send("DRAIN")
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    with pytest.raises(Gone):
        child.pump(lambda: False, 5)
    assert child.end() == 0
