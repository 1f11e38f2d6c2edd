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
from directory_child import FAILED, LDAP, OK, from_slapd  # noqa: E402
from tests.lab.openldap import Slapd  # noqa: E402
from tests.lab.process import wait_until  # noqa: E402

MORE_MAX = 7  # SEARCH_CONNECTIONS_MAX
BUSY = 8  # SEARCH_CONNECTIONS_BUSY
STEADY_S = 5  # a service connection that lived shorter is a failed try


@pytest.fixture(scope="module")
def slapd():
    with Slapd(users=50) as server:
        yield server


class Link:
    """One connection through the relay."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.said = b""  # by the client

    @property
    def searches(self):
        """Searches of people that went up."""
        return self.said.count(b"sAMAccountName\x04\x05u0")

    def end(self):
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

    @staticmethod
    def up(link):
        try:
            while data := link.near.recv(65536):
                link.said += data
                link.far.sendall(data)
        except OSError:
            pass
        link.end()

    def down(self, link):
        try:
            while data := link.far.recv(65536):
                self.passing.wait()
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
def child(slapd, relay):
    """With one connection for logins, so that all others are for searches."""
    with from_slapd(slapd, minimum=1, maximum=1,
                    servers=[("127.0.0.1", relay.port, "localhost", LDAP)]) as one:
        one.start().up()
        one.pump(lambda: one.state.open == 1, what="the connection for logins")
        yield one


def ask(child, slapd, count, **more):
    return [child.ask(*slapd.user(i % 50)[::2], **more) for i in range(count)]


def statuses(child, ids):
    return {" ".join(filter(None, (child.answer(id).status, child.answer(id).reason)))
            for id in ids}


def pile_up(child, slapd, relay, count=BUSY * 4):
    """Asks with all answers held back; the logins, once one more connection was asked for."""
    connects = child.connects
    relay.passing.clear()
    ids = ask(child, slapd, count)
    child.pump(lambda: child.connects > connects, what="one more connection")
    return ids


def more_links(child, slapd, relay, count):
    """Piles up until there are so many connections for searches, and all of them are used."""
    while child.connects < 2 + count:
        ids = pile_up(child, slapd, relay, BUSY * (count + 2))
        relay.passing.set()
        assert statuses(child, ids) == {"ok"}
    wait_until(lambda: len(relay.links) >= 2 + count, "the last connection")
    for link in relay.links[2:2 + count]:
        wait_until(lambda link=link: statuses(child, ask(child, slapd, 2 * count + 4)) == {"ok"}
                   and link.searches > 0, "searches on all connections", 20)
    return relay.links[2:2 + count]


def test_few_searches_need_no_more_connections(child, slapd):
    for _ in range(5):
        assert statuses(child, ask(child, slapd, BUSY // 2)) == {"ok"}
    assert child.connects == 2


def test_many_searches_are_spread(child, slapd, relay):
    ids = pile_up(child, slapd, relay)
    child.quiet(0.5)
    # One at a time: the next is not asked for before this one is bound.
    assert child.connects == 3
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    link, = more_links(child, slapd, relay, 1)
    # As the service account, once, and nobody binds on it.
    assert link.said.count(slapd.service_password.encode()) == 1
    assert slapd.user(0)[2].encode() not in link.said


def test_the_number_has_a_limit(child, slapd, relay):
    more_links(child, slapd, relay, MORE_MAX)
    relay.passing.clear()
    ids = ask(child, slapd, 1000, deadline=20000)
    child.quiet(0.5)
    relay.passing.set()
    assert {child.answer(id, 30).status for id in ids} == {"ok"}
    assert child.connects == 2 + MORE_MAX


def test_what_was_asked_on_a_lost_one_is_asked_again(child, slapd, relay):
    for link in more_links(child, slapd, relay, 2):
        before = link.searches
        relay.passing.clear()
        ids = ask(child, slapd, BUSY * 2)
        wait_until(lambda link=link, before=before: child.quiet(0.02) or link.searches > before,
                   "searches on the other connection", 10)
        link.end()
        relay.passing.set()
        assert statuses(child, ids) == {"ok"}
    assert FAILED not in [state.state for state in child.states]


def test_all_are_lost_at_once(child, slapd, relay):
    more_links(child, slapd, relay, 3)
    child.quiet(STEADY_S + 0.2)
    relay.passing.clear()
    ids = ask(child, slapd, BUSY * 2)
    child.quiet(0.2)
    for link in reversed(relay.links):
        link.end()
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    assert FAILED not in [state.state for state in child.states]


def test_a_refused_bind_is_not_repeated(child, slapd, relay):
    """The password was changed since the service connection was bound."""
    child.password = "changed"
    ids = pile_up(child, slapd, relay)
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    wait_until(lambda: child.quiet(0.05) or "one more connection for searches" in child.log_text(),
               "the refusal in the log")
    for _ in range(3):
        relay.passing.clear()
        ids = ask(child, slapd, BUSY * 4)
        child.quiet(0.2)
        relay.passing.set()
        assert statuses(child, ids) == {"ok"}
    assert child.connects == 3 and child.password_asks == 2
    assert child.state.state == OK


def test_one_that_does_not_open_is_waited_for_without_harm(child, slapd, relay):
    child.hold_connect = True
    relay.passing.clear()
    ids = ask(child, slapd, BUSY * 4)
    child.pump(lambda: child.held, what="one more connection asked for")
    relay.passing.set()
    assert statuses(child, ids) == {"ok"}
    assert len(child.held) == 1
