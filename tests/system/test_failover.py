# SPDX-License-Identifier: ISC
"""Two connectors of one connection: one is killed or revoked, the other serves on.

A login whose frame was not yet written goes to the other one; one that was written ends as
`connector_unavailable`, because its bind may have counted; no attempt binds twice.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab import population
from tests.lab.faults import FaultProxy
from tests.lab.process import wait_until

from .load import Load, accounts
from .stack import directory_settings

CROWD = 80


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.23", realm="FAILOVER.TEST", netbios="FAILOVER",
                 dns=False) as controller:
        controller.seed()
        yield controller


@pytest.fixture(scope="module")
def people(dc):
    return accounts(dc, right=8, wrong=1)


def enrol_two(stack, **directory):
    stack.add_connection("corp")
    connectors = [stack.add_connector(name, directory=directory) for name in ("one", "two")]
    for connector in connectors:
        stack.enrol(connector, auto_approve=True)
        connector.wait_tunnel("online")
        connector.wait_directory("ok")
    return connectors


@pytest.fixture
def pair(dc, new_stack):
    stack = new_stack()
    return stack, enrol_two(stack, **directory_settings(dc))


def test_one_of_two_is_killed(pair, people):
    stack, (one, two) = pair
    with Load(stack, "corp", pause=0.0, **people) as load:
        load.settle()
        wait_until(lambda: load.taken()[-1].recipients == 2, "sealed for both", 10)
        killed = one.crash()
        load.served_again(killed)
    load.judge()
    after = [login for login in load.taken() if login.right and login.sent > killed + 0.5]
    assert after and all(login.status == "ok" for login in after), "new ones use the other at once"
    lost = [login for login in load.taken() if login.status == "connector_unavailable"]
    assert all(login.sent <= killed + 0.5 for login in lost)
    two.wait_tunnel("online")


def test_the_other_way_round_and_back(pair, people):
    stack, (one, two) = pair
    with Load(stack, "corp", pause=0.0, **people) as load:
        load.settle()
        two.crash()
        load.served_again(time.monotonic())
        two.start()
        two.wait_tunnel("online")
        two.wait_directory("ok")
        killed = one.crash()
        load.served_again(killed)
    load.judge()


def test_no_attempt_binds_twice(pair, dc):
    """Everybody tries once, with a wrong password, and the directory counts it."""
    stack, (one, _) = pair
    dc.directory.set_lockout(100)
    crowd = [name for name, _, _ in population.crowd(dc, CROWD)]
    with Load(stack, "corp", right=[]) as load, ThreadPoolExecutor(CROWD // 2) as pool:
        tries = [pool.submit(load.login, name, "not-the-Passw0rd", False) for name in crowd]
        wait_until(lambda: sum(login.answered is not None for login in load.taken()) > CROWD // 4,
                   "nobody is answered", 30, pause=0.002)
        one.crash()
        for done in tries:
            done.result(60)
    load.judge()
    statuses = {login.username: login.status for login in load.taken()}
    counted = {name: dc.directory.bad_pwd_count(name) for name in crowd}
    assert set(statuses) == set(crowd) and max(counted.values()) == 1
    assert all(counted[name] == 1 for name in crowd if statuses[name] == "invalid_credentials")
    assert "invalid_credentials" in statuses.values()


def test_the_directory_of_one_is_cut(dc, people, new_stack):
    """The one that would refuse at once, and so is always idle, is not asked."""
    stack = new_stack()
    stack.add_connection("corp")
    with FaultProxy(dc.address, dc.ports["ldap"]) as line:
        # StartTLS: the name in the certificate is the controller's, the address the proxy's.
        own = directory_settings(dc, server=[f"ldap://{line.host}:{line.port}"], tls={
            "mode": "starttls", "ca": dc.ca_file, "name": dc.dns_name})
        one, two = (stack.add_connector(name, directory=directory)
                    for name, directory in (("one", own), ("two", directory_settings(dc))))
        for connector in (one, two):
            stack.enrol(connector, auto_approve=True)
            connector.wait_tunnel("online")
            connector.wait_directory("ok")
        identity = one.identity()["connector_id"]
        with Load(stack, "corp", pause=0.0, **people) as load:
            load.settle()
            line.refuse()
            line.cut()
            wait_until(lambda: f"connector {identity}: its directory cannot be asked"
                       in stack.hub.log(), "the hub is never told", 10, pause=0.005)
            told = time.monotonic()
            one.wait_directory("failed")
            time.sleep(3)
            end = time.monotonic()
            line.refuse(False)
            wait_until(lambda: f"connector {identity}: its directory can be asked again"
                       in stack.hub.log(), "the hub is never told that it is back", 20)
            load.settle()
        load.judge("directory_unavailable")
    after = [login for login in load.taken() if login.right and told <= login.sent < end]
    assert len(after) > 20
    assert all(login.status == "ok" for login in after), [x for x in after if x.status != "ok"][:5]


@pytest.mark.parametrize("how", ["under load", "idle"])
def test_revoking_closes_within_a_second(pair, people, how):
    stack, (one, two) = pair
    identity = one.identity()["connector_id"]

    def online():
        return next(row for row in stack.connector_list("corp")
                    if row["id"] == identity)["online"]

    def revoke():
        began = time.monotonic()
        stack.hubctl("connector", "revoke", identity, check=0)
        wait_until(lambda: not online(), "the tunnel never closes", 10, pause=0.005)
        took = time.monotonic() - began
        one.wait_tunnel("refused")
        assert took <= 1.0, f"closed after {took:.2f} s"

    if how == "idle":
        revoke()
    else:
        with Load(stack, "corp", pause=0.0, **people) as load:
            load.settle()
            revoke()
            load.refresh_keys()
            load.served_again(time.monotonic())
        load.judge()
    # It is kept out, also after a new start.
    one.end()
    one.start()
    one.wait_tunnel("refused")
    assert not online()
    assert [recipient["kid"] for recipient in stack.login_keys("corp")["recipients"]]
    assert len(stack.login_keys("corp")["recipients"]) == 1
    two.wait_tunnel("online")
