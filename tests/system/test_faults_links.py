# SPDX-License-Identifier: ISC
"""Lines that break, slow down or go silent, peers that freeze, and wrong clocks.

Each time: nobody's right password is called wrong, everybody has an answer by the deadline,
and within two seconds of the fault's end all is well.
"""

import time

import pytest

from tests.lab.faults import FaultProxy
from tests.lab.process import wait_until

from .freezing import frozen
from .load import Load, accounts
from .stack import Stack, directory_settings, free_port

FREEZE_S = 20
OUTAGE_S = 6


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.22", realm="LINKS.TEST", netbios="LINKS",
                 dns=False) as controller:
        controller.seed()
        yield controller


@pytest.fixture(scope="module")
def people(dc):
    return accounts(dc)


class Lines:
    """A whole machine whose two lines go through proxies of faults."""

    def __init__(self, dc):
        port = free_port()
        self.hub_line = FaultProxy("127.0.0.1", port)
        self.ad_line = FaultProxy(dc.address, dc.ports["ldap"])
        self.stack = Stack(hub={
            "listen": [f"https://127.0.0.1:{port}"],
            "public_url": f"https://{self.hub_line.host}:{self.hub_line.port}"})
        self.stack.port = port
        self.stack.start()
        self.stack.add_connection("corp")
        # StartTLS: the name in the certificate is the controller's, the address the proxy's.
        self.connector = self.stack.add_connector(directory=directory_settings(
            dc, server=[f"ldap://{self.ad_line.host}:{self.ad_line.port}"],
            tls={"mode": "starttls", "ca": dc.ca_file, "name": dc.dns_name}))
        self.stack.enrol(self.connector)
        self.connector.wait_directory()

    def line(self, name):
        return self.hub_line if name == "hub" else self.ad_line

    def close(self):
        self.stack.discard()
        self.hub_line.close()
        self.ad_line.close()


@pytest.fixture
def lines(dc):
    machine = Lines(dc)
    try:
        yield machine
        machine.stack.stop()
    finally:
        machine.close()


def outage(seconds):
    """The fault itself: it lasts for a time."""
    time.sleep(seconds)


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_cut_once(lines, people, name):
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        lines.line(name).cut()
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_cut_again_and_again(lines, people, name):
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        for _ in range(10):
            lines.line(name).cut()
            outage(0.5)
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("fault", ["freeze", "black_hole"])
@pytest.mark.parametrize("name", ["hub", "ad"])
def test_silence(lines, people, name, fault):
    line = lines.line(name)
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        getattr(line, fault)()
        outage(OUTAGE_S)
        line.clear()
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_refused_connections(lines, people, name):
    line = lines.line(name)
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        line.refuse()
        line.cut()
        outage(OUTAGE_S)
        line.refuse(False)
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_flipped_bytes(lines, people, name):
    """TLS notices each of them; nothing else ever sees one."""
    line = lines.line(name)
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        line.flip(5000, 4000)
        outage(OUTAGE_S)
        line.clear()
        line.cut()
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_slow_line_serves(lines, people, name):
    """Distance alone keeps nobody out."""
    line = lines.line(name)
    line.delay(100)
    with Load(lines.stack, "corp", **people) as load:
        load.settle(5)
        line.clear()
        load.served_again(time.monotonic())
    load.judge()


@pytest.mark.parametrize("name", ["hub", "ad"])
def test_little_bandwidth(lines, people, name):
    line = lines.line(name)
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        line.slow(300)
        outage(OUTAGE_S)
        line.clear()
        load.served_again(time.monotonic())
    load.judge()


def test_the_hub_is_frozen(lines, people):
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            with frozen(lines.stack.hub.process.pid, FREEZE_S):
                pass
            load.served_again(time.monotonic())
    load.judge()


def test_the_hub_is_killed(lines, people):
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        with load.hub_away():
            lines.stack.hub.crash()
            outage(OUTAGE_S)
            lines.stack.hub.start()
            load.served_again(time.monotonic())
    load.judge()


def test_the_controller_is_frozen(lines, people, dc):
    with Load(lines.stack, "corp", **people) as load:
        load.settle()
        with frozen(dc.process.pid, FREEZE_S):
            wait_until(lambda: lines.connector.directory() != "ok",
                       "the status never tells of a controller that says nothing", FREEZE_S)
        load.served_again(time.monotonic())
    load.judge()
