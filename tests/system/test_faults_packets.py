# SPDX-License-Identifier: ISC
"""Packets that never arrive: lines that are dead for a while, connections that are dead for good.

Here the kernel is who waits, and its retransmissions grow rare.  As with every other
fault: nobody's right password is called wrong, everybody has an answer by the deadline,
and within two seconds of the fault's end all is well.
"""

import contextlib
import time

import pytest

from tests.lab.faults import FaultProxy
from tests.lab.firewall import Firewall

from .load import RECOVERY_S, Load, accounts
from .stack import Stack, directory_settings, free_port

# After so long without an acknowledgement a connection is given up, by both houses.
LOST_S = 4


@pytest.fixture(scope="module")
def people(samba):
    return accounts(samba)


def enrolled(stack, samba, ports=()):
    connector = stack.add_connector(directory=directory_settings(
        samba, server=[f"ldap://{samba.address}:{port}" for port in ports or [samba.ports["ldap"]]],
        tls={"mode": "starttls", "ca": samba.ca_file, "name": samba.dns_name}))
    stack.enrol(connector, auto_approve=True)
    connector.wait_tunnel("online")
    connector.wait_directory()
    return connector


@contextlib.contextmanager
def machine_of(samba, servers=()):
    """(stack, {name of a line: its port at the far end}); clients have another port."""
    near, ports = free_port(), {"hub": free_port(), "ad": samba.ports["ldap"]}
    with Stack(hub={"listen": [f"https://127.0.0.1:{port}" for port in (near, ports["hub"])],
                    "public_url": f"https://127.0.0.1:{ports['hub']}"}) as stack:
        stack.port = near
        stack.add_connection("corp")
        enrolled(stack, samba, servers)
        yield stack, ports


@pytest.fixture
def machine(samba):
    with machine_of(samba) as made:
        yield made


@pytest.fixture
def servers(samba):
    """Ports of three ways to the controller, as of three controllers."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(
            FaultProxy(samba.address, samba.ports["ldap"], samba.address)).port for _ in range(3)]


@pytest.mark.parametrize("seconds", [1, 3.5, 6])
@pytest.mark.parametrize("line", ["hub", "ad"])
def test_a_dead_line(machine, people, line, seconds):
    stack, ports = machine
    with Firewall() as wall, Load(stack, "corp", **people) as load:
        load.settle()
        wall.drop(ports[line])
        time.sleep(seconds)  # the fault itself
        wall.clear()
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("line", ["hub", "ad"])
def test_dead_connections_under_load(machine, people, line):
    """As behind a router that was restarted."""
    stack, ports = machine
    with Firewall() as wall:
        with Load(stack, "corp", **people) as load:
            load.settle()
            wall.forget(ports[line])
            load.served_again(time.monotonic() + LOST_S)
        load.judge()


@pytest.mark.parametrize("line", ["hub", "ad"])
def test_dead_connections_that_were_idle(machine, people, line):
    stack, ports = machine
    with Firewall() as wall:
        wall.forget(ports[line])
        end = time.monotonic() + LOST_S
        with Load(stack, "corp", **people) as load:
            load.served_again(end)
        load.judge()


def test_the_host_of_one_of_two_is_gone(machine, samba, people):
    """Without a word, as when its power fails: the hub does not give it logins for long."""
    stack, ports = machine
    with Firewall() as wall:
        peers = wall.peers(ports["hub"])
        enrolled(stack, samba)
        with Load(stack, "corp", **people) as load:
            load.settle()
            wall.forget(ports["hub"], peers)
            stack.connectors[0].crash()
            load.served_again(time.monotonic() + LOST_S)
        load.judge()
    # Whom it had is told as soon as that is known, and not when the time for an answer is over.
    assert max(login.answered - login.sent for login in load.taken()) < LOST_S + RECOVERY_S


def test_the_host_of_an_idle_connector_is_gone(machine):
    stack, ports = machine
    with Firewall() as wall:
        wall.forget(ports["hub"])
        before = len(stack.hub.log())
        begin = stack.connectors[0].crash()
        stack.hub.wait(lambda: "connection lost" in stack.hub.log()[before:],
                       "the hub does not notice", 15)
        assert time.monotonic() - begin < LOST_S + RECOVERY_S


@pytest.mark.parametrize("dead", [1, 2])
def test_another_server_when_the_first_is_silent(samba, people, servers, dead):
    """One that is well is not waited with until all the others have had their time."""
    with machine_of(samba, servers) as (stack, _), Firewall() as wall:
        with Load(stack, "corp", **people) as load:
            load.settle()
            wall.drop(*servers[:dead])
            load.served_again(time.monotonic() + LOST_S)
        load.judge()


@pytest.mark.parametrize("seconds", [4.5, 7, 10])
@pytest.mark.parametrize("back", [0, 1, 2])
def test_one_of_three_silent_servers_comes_back(samba, people, servers, back, seconds):
    with machine_of(samba, servers) as (stack, _), Firewall() as wall:
        with Load(stack, "corp", **people) as load:
            load.settle()
            wall.drop(*servers)
            time.sleep(seconds)  # the fault itself
            wall.only(*(port for port in servers if port != servers[back]))
            load.served_again(time.monotonic())
        load.judge()


def test_the_hub_is_told_soon_that_the_directory_is_silent(samba, people, servers):
    with machine_of(samba, servers[:1]) as (stack, _), Firewall() as wall:
        enrolled(stack, samba)
        with Load(stack, "corp", **people) as load:
            load.settle()
            wall.drop(servers[0])
            begin = time.monotonic()
            load.served_again(begin + LOST_S)
        load.judge()
    assert not [login for login in load.taken() if login.right and login.status != "ok"
                and login.sent > begin + LOST_S + 1]
