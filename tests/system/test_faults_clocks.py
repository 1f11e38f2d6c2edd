# SPDX-License-Identifier: ISC
"""Clocks that are wrong, and that are set while all runs: the connector's or the hub's.

Nothing proves who somebody is by a clock.  The hub's time serves for the age of sealed
passwords, and the connector goes by what the welcome said, so that its own clock counts
only where it has no other: for certificates without a pin, and in its log.
"""

import datetime
import time

import pytest

from tests.lab import population
from tests.lab.clock import Clock
from tests.lab.process import wait_until
from tests.lab.tls import CertificateAuthority

from .load import Load, accounts
from .stack import directory_settings

MINUTE, HOUR = 60, 3600
HUB_NAME = "hub.lab.test"
AGE_MAX = 300  # seconds; SEALED_AGE_MAX


@pytest.fixture(scope="module")
def dc(lab_namespace):
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.25", realm="CLOCKS.TEST", netbios="CLOCKS",
                 dns=False) as controller:
        controller.seed()
        # The shortest window in use: Windows Server's own since 2022.
        controller.directory.set_lockout(population.LOCKOUT_THRESHOLD, window=10 * MINUTE)
        yield controller


@pytest.fixture(scope="module")
def people(dc):
    return accounts(dc)


@pytest.fixture
def machine(dc, new_stack, tmp_path):
    """machine(connector=seconds, hub=seconds) → a stack whose connector is enrolled and online;
    `clocks` of it is a dictionary of both."""
    def make(connector=0, hub=0, **how):
        tmp_path.chmod(0o755)
        clocks = {"connector": Clock(tmp_path, connector), "hub": Clock(tmp_path, hub)}
        stack = new_stack(preload=clocks["hub"].preload, **how)
        stack.clocks = clocks
        stack.add_connection("corp")
        daemon = stack.add_connector(preload=clocks["connector"].preload,
                                     directory=directory_settings(dc))
        daemon.wait_directory("ok")
        stack.enrol(daemon)
        daemon.wait_tunnel("online")
        return stack
    return make


def opened(connector):
    """How many tunnels it has had."""
    return connector.log().count("the tunnel is open")


def told(connector):
    return [line for line in connector.log().splitlines() if "clock is" in line]


def off(stack):
    """Seconds that the connector's clock is ahead of the hub's."""
    return stack.clocks["connector"].seconds - stack.clocks["hub"].seconds


def status_says(stack, seconds):
    """A second of each clock may have begun in between."""
    return abs(stack.connectors[0].status()["clock"]["ahead_seconds"] - seconds) <= 2


def every_way_in(stack, people):
    """A right and a wrong password by each interface: sealed by the client, by the hub, by ctl."""
    (name, password), (other, wrong) = people["right"][0], people["wrong"][0]
    assert stack.login_sealed(name, password).json["status"] == "ok"
    assert stack.login_sealed(other, wrong).json["status"] == "invalid_credentials"
    assert stack.verify_user(name, password).json["status"] == "ok"
    assert stack.verify_user(other, wrong).json["status"] == "invalid_credentials"
    assert stack.login("corp", name, password)["status"] == "ok"
    assert stack.login("corp", other, wrong)["status"] in ("invalid_credentials",
                                                           "lockout_protected")


def audit_is_whole(stack):
    """Its rows stand in the order in which things happened, whatever time they say, and none
    is lost or was changed."""
    rows = stack.audit(after=0, limit=10000)
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    events = [row["event"] for row in rows]
    assert events.index("connector_enrol") < events.index("tunnel_up") < events.index("login")
    stack.hubctl("audit", "verify", check=0)
    return rows


@pytest.mark.parametrize("connector, hub", [
    (10 * MINUTE, 0), (-10 * MINUTE, 0), (HOUR, 0), (-HOUR, 0), (0, 10 * MINUTE),
    (0, -10 * MINUTE), (-HOUR, HOUR), (HOUR, HOUR)])
def test_wrong_from_the_start(machine, people, connector, hub):
    stack = machine(connector=connector, hub=hub)
    daemon = stack.connectors[0]
    every_way_in(stack, people)
    assert status_says(stack, off(stack))
    assert abs(stack.login_keys()["time"] - (time.time() + hub)) <= 2
    # Said once, with how far and what to do; nothing where both are wrong together.
    lines = told(daemon)
    if off(stack) == 0:
        assert not lines
    else:
        assert len(lines) == 1 and lines[0].startswith("warning:"), lines
        word = "ahead of" if off(stack) > 0 else "behind"
        assert any(f"{abs(off(stack)) + more} seconds {word}" in lines[0]
                   for more in (-1, 0, 1)), lines
        assert "set the one that is wrong" in lines[0]
        assert f"seconds {word} the hub's" in daemon.ctl("status", json=False, check=0).out
    assert opened(daemon) == 1
    audit_is_whole(stack)


@pytest.mark.parametrize("side, seconds", [("connector", 10 * MINUTE), ("hub", -10 * MINUTE)])
def test_age_of_a_sealed_text(machine, people, side, seconds):
    """By the hub's clock, whatever the connector's says: 300 s either way."""
    stack = machine(**{side: seconds})
    name, password = people["right"][0]
    now = stack.login_keys()["time"]
    for age in (-AGE_MAX + 10, AGE_MAX - 10):
        assert stack.login_sealed(name, password,
                                  changes={"iat": now - age}).json["status"] == "ok"
    mark = stack.audit_mark()
    for age in (-AGE_MAX - 10, AGE_MAX + 10, seconds, -seconds):
        answer = stack.login_sealed(name, password, changes={"iat": now - age}).json
        assert answer["status"] == "connector_unavailable" and not answer["proven"]

    def refused():
        """Rows come up to 50 ms late: one that was written before may stand behind the mark."""
        return [row for row in stack.audit(after=mark, event="login") if row["status"] != "ok"]
    rows = wait_until(lambda: (rows := refused())[3:] and rows, "four rows", 10)
    assert [(row["status"], row["reason"]) for row in rows] == 4 * [("bad_request", "sealed_old")]


def test_the_connectors_clock_is_set(machine, people):
    """Nobody who logs in notices, and the tunnel stays."""
    stack = machine()
    daemon = stack.connectors[0]
    with Load(stack, "corp", **people) as load:
        load.settle()
        for seconds in (10 * MINUTE, -10 * MINUTE, HOUR, -HOUR, 0):
            stack.clocks["connector"].set(seconds)
            load.settle()
            assert status_says(stack, seconds)
            assert daemon.status()["uptime_seconds"] < 10 * MINUTE
    load.judge()
    assert not [one for one in load.taken() if one.status == "connector_unavailable"]
    assert opened(daemon) == 1
    assert len(told(daemon)) == 4 and "agrees with that of" in daemon.log(), told(daemon)
    audit_is_whole(stack)


@pytest.mark.parametrize("seconds", [4 * MINUTE, HOUR])
def test_the_hubs_clock_is_set(machine, people, seconds):
    """Connectors learn it with a new tunnel, which the hub asks for."""
    stack = machine()
    daemon = stack.connectors[0]
    with Load(stack, "corp", **people) as load:
        load.settle()
        for number, to in enumerate((seconds, 0, -seconds), 2):
            stack.clocks["hub"].set(to)
            set_at = time.monotonic()
            load.refresh_keys()
            wait_until(lambda: opened(daemon) >= number, "no new tunnel", 10)
            load.served_again(set_at)
            assert status_says(stack, -to)
    load.judge()
    if seconds < AGE_MAX:
        assert not [one for one in load.taken() if one.status == "connector_unavailable"]
    assert opened(daemon) == 4
    assert stack.hub.log().count("this host's clock was set") == 3
    rows = audit_is_whole(stack)
    assert not [row for row in rows if row["event"] in ("tunnel_replaced", "tunnel_held_out")]


@pytest.mark.parametrize("seconds", [3 * HOUR, -3 * HOUR])
def test_too_far_to_be_believed(machine, people, seconds):
    """It connects, says why logins are refused, and takes them as soon as its clock is set."""
    stack = machine(connector=seconds)
    daemon = stack.connectors[0]
    name, password = people["right"][0]
    mark = stack.audit_mark()
    assert stack.verify_user(name, password).json["status"] == "connector_unavailable"
    row = wait_until(lambda: stack.audit(after=mark, event="login"), "no row", 10)[0]
    assert (row["status"], row["reason"]) == ("bad_request", "sealed_old")
    assert "more than two hours, so that logins are refused" in told(daemon)[0]
    stack.clocks["connector"].set(0)
    every_way_in(stack, people)
    assert opened(daemon) == 1


@pytest.mark.parametrize("seconds", [10 * MINUTE, HOUR, -HOUR])
def test_wrong_passwords_never_lock(machine, dc, people, seconds):
    """The count of wrong passwords is as old as the controller's clock says."""
    person = accounts(dc, right=0, wrong=1)["wrong"][0]
    stack = machine(connector=seconds)
    got = [stack.login("corp", *person)["status"] for _ in range(12)]
    assert set(got) == {"invalid_credentials", "lockout_protected"}, got
    assert got[-1] == "lockout_protected"
    assert not dc.directory.is_locked(person[0])


def test_tickets_go_by_the_hubs_clock(machine):
    stack = machine()
    used, unused = stack.ticket(hours=1), stack.ticket(hours=1)
    late = stack.add_connector(preload=stack.clocks["connector"].preload)
    stack.clocks["connector"].set(2 * HOUR)
    stack.enrol(late, used)
    stack.clocks["hub"].set(HOUR + MINUTE)
    stack.clocks["connector"].set(0)
    other = stack.add_connector(preload=stack.clocks["connector"].preload)
    refused = other.ctl("enroll", input=unused)
    assert refused.status != 0 and "expired" in refused.text, refused


def test_certificates_go_by_the_connectors_clock(new_stack, lab_namespace, tmp_path):
    """Where there is no pin: refused with the reason, and taken when the clock is right."""
    lab_namespace.add_host("127.0.0.1", HUB_NAME)
    tmp_path.chmod(0o755)
    authority = CertificateAuthority()
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    ca_file.chmod(0o644)
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    stack = new_stack(certificate=authority.issue(HUB_NAME, [HUB_NAME], not_before=begin),
                      ca=authority.pem, host=HUB_NAME)
    stack.add_connection("corp")
    clock = Clock(tmp_path, -10 * MINUTE)
    connector = stack.add_connector(preload=clock.preload, cloud={"ca": str(ca_file)})
    refused = connector.ctl("enroll", input=stack.ticket())
    assert refused.status != 0 and "not valid yet" in refused.text and "clock" in refused.text
    clock.set(10 * MINUTE)
    stack.enrol(connector)
    connector.wait_tunnel("online")
