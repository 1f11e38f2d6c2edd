# SPDX-License-Identifier: ISC
"""The saved password goes to the place it was given for, and to no other.

Whoever may change settings could otherwise learn the password by pointing the connector at a
server of their own.  Each kind of change is made over the control socket, through the page and
by going back, and what the servers were given is counted: they listen, show a certificate that
is trusted, and take whatever comes.
"""

import pytest

from tests.lab.hostile_ldap import HostileLdap
from tests.lab.tls import CertificateAuthority

from .local_api import Api, Seen
from .stack import Stack

SEEN = Seen()
SAVED, OTHER = "Saved-Passw0rd 1", "Other-Passw0rd 2"


class Servers:
    """The server that the password was given for, and those that are after it."""

    def __init__(self):
        self.authority, self.stranger = CertificateAuthority(), CertificateAuthority("stranger")
        self.home = HostileLdap(self.certificate(self.authority))
        # All that they show is trusted: only the rule itself is in the way.
        self.thief = HostileLdap(self.certificate(self.authority))
        self.starttls = HostileLdap(self.certificate(self.authority), starttls=True)
        self.clear = HostileLdap()
        self.all = (self.home, self.thief, self.starttls, self.clear)
        self.reset()

    @staticmethod
    def certificate(authority):
        return authority.issue("127.0.0.1", ["localhost", "other.test"], ["127.0.0.1"])

    def reset(self):
        for server in self.all:
            server.reset()
            server.service_password = OTHER
        self.home.show(self.certificate(self.authority))
        self.home.service_password = SAVED

    def given(self):
        """{password} that came to any of them, in binds of whatever name."""
        return {password.decode() for server in self.all
                for _, password in server.service_binds + server.binds}

    def close(self):
        for server in self.all:
            server.close()


@pytest.fixture(scope="module")
def servers():
    made = Servers()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stack(installed):
    with Stack() as made:
        yield made


@pytest.fixture
def connector(stack, servers):
    """One whose password was given for `home`."""
    servers.reset()
    made = stack.add_connector()
    made.expect("refused|cannot|no answer|certificate|TLS|closed|not reached")
    answer = Api.control(SEEN, made).post("/settings", {
        "directory.server": f"ldaps://127.0.0.1:{servers.home.port}",
        "directory.user": servers.home.service_dn, "directory.password": SAVED,
        "directory.tls.ca": servers.authority.pem.decode()})
    assert answer.status == 200, answer
    made.wait_directory()
    yield made
    made.end_quietly()


def other_ca(servers):
    servers.home.show(servers.certificate(servers.stranger))
    return {"directory.tls.ca": servers.stranger.pem.decode()}


# What is changed, so that a password would go elsewhere; each with a server that is after it.
ELSEWHERE = {
    "server": lambda servers: {"directory.server": f"ldaps://127.0.0.1:{servers.thief.port}"},
    "one more server": lambda servers: {
        "directory.server": f"ldaps://127.0.0.1:{servers.thief.port}, "
                            f"ldaps://127.0.0.1:{servers.home.port}"},
    "name of the server": lambda servers: {
        "directory.server": f"ldaps://localhost:{servers.home.port}"},
    "CA": other_ca,
    "TLS mode": lambda servers: {"directory.server": f"ldap://127.0.0.1:{servers.starttls.port}",
                                 "directory.tls.mode": "starttls"},
    "no TLS": lambda servers: {"directory.server": f"ldap://127.0.0.1:{servers.clear.port}",
                               "directory.tls.mode": "none", "directory.tls.allow_clear": "true"},
    "name in the certificate": lambda servers: {"directory.tls.name": "other.test"},
    "server, user and base": lambda servers: {
        "directory.server": f"ldaps://127.0.0.1:{servers.thief.port}",
        "directory.user": "CN=Somebody,DC=hostile,DC=test",
        "directory.base": "OU=People,DC=hostile,DC=test"},
}


def forget(servers):
    """From here on it counts."""
    for server in servers.all:
        server.service_binds.clear()
        server.binds.clear()


def by_ctl(connector, folder, changes):
    """adconnectorctl set; certificates as a file, as it wants them."""
    arguments = []
    for key, value in changes.items():
        if value.startswith("-----BEGIN"):
            path = folder / "given.pem"
            path.write_text(value, encoding="utf-8")
            value = str(path)
        arguments.append(f"{key}={value}")
    return connector.ctl("set", *arguments, check=1).json["error"]


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_no_change_sends_it_elsewhere(connector, servers, tmp_path, kind):
    control, page = Api.control(SEEN, connector), Api.page(SEEN, connector)
    before = control.settings()
    changes = ELSEWHERE[kind](servers)
    forget(servers)
    for refused in (control.post("/settings", changes).error, page.post("/settings", changes).error,
                    by_ctl(connector, tmp_path, changes)):
        assert refused["code"] == "password_needed", refused
        assert refused["key"] == "directory.password"
    assert SAVED not in servers.given()
    assert not servers.thief.accepted and not servers.starttls.accepted
    assert not servers.clear.accepted
    assert control.settings() == before
    # An empty one is none either, and forgetting the password first is refused as well.
    for more in ({"directory.password": ""}, {"directory.user": ""}, {"directory.server": ""}):
        answer = page.post("/settings", {**changes, **more})
        assert answer.status == 422, answer
    assert SAVED not in servers.given() and control.settings() == before


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_going_back_sends_none_to_where_it_was_not_given(connector, servers, kind):
    """There with a password of its own; back and forth none of the two goes to the other."""
    control, page = Api.control(SEEN, connector), Api.page(SEEN, connector)
    changes = ELSEWHERE[kind](servers)
    for server in servers.all:
        # Also where it is the same server in another way.
        server.service_password = OTHER
        # Whatever the user is called.
        server.on["user_bind"] = lambda connection, request: connection.good(
            request, "service_bind")
    forget(servers)
    answer = page.post("/settings", {**changes, "directory.password": OTHER})
    assert answer.status == 200, answer
    assert servers.given() == {OTHER}
    # The old child may have had a connection to make yet; it is over by now.
    connector.wait(lambda: len([pid for role, pid in connector.pids().items()
                                if role == "adc-directory"]) == 1, "two directories")
    there = control.settings()
    servers.home.show(servers.certificate(servers.authority))
    servers.home.service_password = SAVED
    forget(servers)
    for face in (control, page):
        refused = face.post("/settings/revert")
        assert (refused.status, refused.error["code"]) == (422, "password_needed"), refused
    assert connector.ctl("set", "--revert", check=1).json["error"]["code"] == "password_needed"
    assert control.settings() == there
    assert not servers.home.service_binds
    # With the one that belongs there; and then the other has to be given as well.
    answer = page.post("/settings/revert", {"directory.password": SAVED})
    assert answer.status == 200, answer
    assert servers.home.service_binds[-1][1].decode() == SAVED
    forget(servers)
    refused = page.post("/settings/revert")
    assert (refused.status, refused.error["code"]) == (422, "password_needed")
    assert SAVED not in {password.decode() for server in servers.all[1:]
                         for _, password in server.service_binds + server.binds}


def test_the_same_place_keeps_it(connector, servers):
    """Another base, and another user: the server is the one it was given for."""
    page = Api.page(SEEN, connector)
    forget(servers)
    answer = page.post("/settings", {"directory.base": "OU=People,DC=hostile,DC=test"})
    assert answer.status == 200, answer
    assert servers.home.service_binds[-1] == (servers.home.service_dn, SAVED.encode())
    answer = page.post("/settings", {"directory.user": "CN=Somebody,DC=hostile,DC=test"})
    assert answer.status == 422 and answer.error["code"] == "bind_refused", answer
    assert servers.home.binds == [("CN=Somebody,DC=hostile,DC=test", SAVED.encode())]
    assert not any(server.accepted for server in servers.all[1:])
    # After another start it is the old place still, and the old user.
    connector.end()
    connector.start()
    connector.wait_directory()
    assert connector.status()["directory"]["user"] == servers.home.service_dn
