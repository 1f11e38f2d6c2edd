# SPDX-License-Identifier: ISC
"""Processes that die or stop while people log in.

A crashing child never ends the service: whatever dies, and however often, nobody's right
password is called wrong, everybody gets an answer, and two seconds after the last death all
is well.  The death of a parent or a spawner ends all of its house, and the next start of
the daemon is all that is needed.
"""

import contextlib
import os
import signal
import sqlite3
import time

import pytest

from tests.lab.process import LabError, wait_until

from .load import Load, accounts

# The web process of a connector and the control gate of the hub see no login.
CONNECTOR = ("adc-dial", "adc-directory", "adc-cloud", "adc-web control", "adc-web page")
HUB = ("adhub-gate public", "adhub-gate control", "adhub-store")


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.21", realm="FAULTS.TEST", netbios="FAULTS",
                 dns=False) as controller:
        controller.seed()
        yield controller


@pytest.fixture(scope="module")
def people(dc):
    return accounts(dc)


@pytest.fixture
def machine(dc, new_stack):
    """A hub and a connector of the test's own, with nothing wrong."""
    from .stack import directory_settings
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector(directory=directory_settings(dc))
    stack.enrol(connector)
    connector.wait_directory("ok")
    return stack


def house_of(stack, role):
    return stack.connectors[0] if role in CONNECTOR else stack.hub


def kill_child(daemon, role):
    """SIGKILL, when it runs: its pid."""
    pid = wait_until(lambda: daemon.pids().get(role), f"{role} never runs", 10, daemon.alive,
                     0.005)
    os.kill(pid, signal.SIGKILL)
    return pid


def expect_deaths(daemon, role):
    daemon.expect(f"{role.split('-', 1)[1].replace(' ', '-')}: died by signal 9")


def wait_ready(daemon, role, before):
    """Until another process than `before` plays the role, and has said that it is ready."""
    name = role.split("-", 1)[1].replace(" ", "-")

    def ready():
        pid = daemon.pids().get(role)
        return pid not in (None, before) and f"parent: {name}: ready, pid {pid}\n" in daemon.log()

    try:
        wait_until(ready, f"{role} never ready", 10, daemon.alive, 0.01)
    except LabError as late:
        said = "".join(line for line in daemon.log().splitlines(True)[-2000:] if name in line)
        raise LabError(f"{late}; {daemon.pids()}, before {before}, its log:\n{said}") from None


@pytest.mark.parametrize("role", CONNECTOR + HUB)
def test_one_death(machine, people, role):
    daemon = house_of(machine, role)
    expect_deaths(daemon, role)
    with Load(machine, "corp", **people) as load:
        load.settle()
        with load.hub_away() if role == "adhub-gate public" else contextlib.nullcontext():
            kill_child(daemon, role)
            load.served_again(time.monotonic())
    load.judge()
    if role in ("adc-web control", "adc-web page", "adhub-gate control", "adhub-store", "adc-dial"):
        # Nobody who logs in notices.
        assert not [one for one in load.taken() if one.status == "connector_unavailable"]


@pytest.mark.parametrize("role", CONNECTOR + HUB)
@pytest.mark.parametrize("early", [False, True], ids=["ready", "at-once"])
def test_twenty_deaths_in_a_row(machine, people, role, early):
    """Each as soon as the next one is ready; or as soon as there is a process at all."""
    daemon = house_of(machine, role)
    expect_deaths(daemon, role)
    with Load(machine, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            pid = None
            for _ in range(20):
                if early:
                    wait_until(lambda: daemon.pids().get(role) not in (None, pid),
                               f"another {role}", 10, daemon.alive, 0.005)
                else:
                    wait_ready(daemon, role, pid)
                pid = kill_child(daemon, role)
            end = time.monotonic()
            load.served_again(end)
    load.judge()


def test_records_that_cannot_be_opened_at_the_start(machine, people):
    """Somebody holds them, as a full disk would: the hub is there as soon as that is over."""
    hub = machine.hub
    path = os.path.join(hub.settings["state_dir"], "store", "store.db")
    ended = "store: ended with status 75"
    hub.expect(ended)
    hub.expect("store: .*store.db: .*locked")
    with Load(machine, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            hub.end()
            with contextlib.closing(sqlite3.connect(path)) as holder:
                holder.execute("BEGIN EXCLUSIVE")
                said = hub.log().count(ended)
                hub.launch()
                hub.wait(lambda: hub.log().count(ended) >= said + 7, "it does not try again", 30)
            load.served_again(time.monotonic())
    load.judge()


def test_all_children_at_once(machine, people):
    with Load(machine, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            for daemon, roles in ((machine.connectors[0], CONNECTOR), (machine.hub, HUB)):
                for role in roles:
                    expect_deaths(daemon, role)
                    kill_child(daemon, role)
            load.served_again(time.monotonic())
    load.judge()


def test_status_tells(machine, people):
    """`degraded` while a child is missing, the states of tunnel and directory, and how
    often each was started again."""
    connector = machine.connectors[0]
    expect_deaths(connector, "adc-directory")
    mark = machine.audit_mark()
    with Load(machine, "corp", **people) as load:
        load.settle()
        assert connector.status()["state"] == "running"
        # A child that is stopped before it is ready is missing for as long.
        for _ in range(200):
            pid = kill_child(connector, "adc-directory")
            wait_until(lambda: connector.pids().get("adc-directory") not in (None, pid),
                       "another one", 10, connector.alive, 0.001)
            stopped = time.monotonic()
            os.kill(connector.pids()["adc-directory"], signal.SIGSTOP)
            try:
                state = connector.status()["state"]
                if state == "degraded":
                    wait_until(lambda: load.count(since=stopped, status="connector_unavailable"),
                               "nobody is told", 5)
            finally:
                os.kill(connector.pids()["adc-directory"], signal.SIGCONT)
            if state == "degraded":
                break
        assert state == "degraded"
        wait_until(lambda: connector.status()["state"] == "running", "never whole again", 10)
    load.judge()
    assert machine.audit(after=mark, limit=10000, event="login", status="directory_unavailable")


@pytest.mark.parametrize("daemon", ["connector", "hub"])
@pytest.mark.parametrize("part", ["parent", "spawner"])
def test_the_end_of_a_house(machine, people, daemon, part):
    """Ended with all its children; started again by whoever watches it, it serves."""
    house = machine.hub if daemon == "hub" else machine.connectors[0]
    house.expect("the spawner is gone")
    with Load(machine, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            if part == "parent":
                house.crash()
            else:
                house.note_processes()
                os.kill(house.pids()["adc-spawner"], signal.SIGKILL)
                wait_until(lambda: not house.alive(), "the parent goes on without a spawner", 10)
                assert house.process.returncode == 1
                wait_until(lambda: not house._left(), "children go on without a parent", 10)
            house.start()
            load.served_again(time.monotonic())
    load.judge()
