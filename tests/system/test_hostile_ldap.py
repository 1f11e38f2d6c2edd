# SPDX-License-Identifier: ISC
"""The whole machine, with a directory that means harm or is broken: the certificate is right,
nothing else need be.

One hub and one connector stand all of it.  For each misbehaviour: no process ends, none grows
beyond its limit, the answer is one of those that are right (hostile_ldap_cases.py), it comes
by its deadline, no password is sent twice, the log says what happened; and a login works as
soon as the directory behaves again.
"""

import collections
import concurrent.futures
import time

import pytest

from tests.lab import ber
from tests.lab import hostile_ldap_cases as cases
from tests.lab.hostile_ldap import AD_REFUSAL, HostileLdap
from tests.lab.listener import Listener
from tests.lab.process import wait_until
from tests.lab.tls import CertificateAuthority

from . import install
from .stack import Stack, write_password

DEADLINE_S = 10
# Resident at its peak, KiB. adc-directory takes messages of 1 MiB; to the others a directory
# cannot send anything large.
PEAK_MAX_KIB = {"adc-directory": 24 << 10, "adconnectord": 16 << 10, "adc-spawner": 8 << 10,
                "adc-dial": 12 << 10, "adc-cloud": 16 << 10, "adc-web control": 12 << 10,
                "adc-web page": 12 << 10}
# What ends by a time-out takes its whole deadline: here one of each kind, all at once.
QUICK = [case for case in cases.CASES if not case.slow]


@pytest.fixture(scope="module")
def authority():
    return CertificateAuthority()


@pytest.fixture(scope="module")
def attacker():
    """Where the references lead: nobody may come."""
    host = cases.ATTACKER.split("/")[2]
    with Listener(host.split(":")[0], int(host.split(":")[1])) as listener:
        yield listener


@pytest.fixture(scope="module")
def machine(installed, authority, attacker, tmp_path_factory):
    """(stack, connector, server)"""
    folder = tmp_path_factory.mktemp("hostile")
    folder.chmod(0o711)
    ca = folder / "ca.pem"
    ca.write_bytes(authority.pem)
    certificate = authority.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
    with HostileLdap(certificate) as server, Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory={
            "server": [f"ldaps://127.0.0.1:{server.port}"], "user": server.service_dn,
            "password_file": write_password(str(folder), server.service_password),
            "tls": {"ca": str(ca)}})
        stack.enrol(connector)
        connector.wait_directory("ok")
        yield stack, connector, server
    assert attacker.accepted == 0


@pytest.fixture
def server(machine):
    machine[2].reset()
    yield machine[2]
    machine[2].reset()


@pytest.fixture(autouse=True)
def all_stay_up(machine, server):
    """No process is another one afterwards, none has grown beyond its limit, and it works."""
    stack, connector, _ = machine
    recover(machine)
    server.reset()
    pids = [daemon.pids() for daemon in (connector, stack.hub)]
    yield
    server.reset()
    recover(machine)
    assert [daemon.pids() for daemon in (connector, stack.hub)] == pids
    assert server.errors == []
    if not install.sanitized():
        peaks = {role: peak(pid) for role, pid in connector.pids().items()}
        assert set(peaks) == set(PEAK_MAX_KIB)
        assert not {role: kib for role, kib in peaks.items() if kib > PEAK_MAX_KIB[role]}, peaks


def peak(pid):
    """KiB resident at most, since it started."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


# Lines of one kind in a second, of which the log leaves out none (src/common/log.h).
LOG_BURST = 50
begun = collections.deque(maxlen=LOG_BURST - 10)


def pace():
    """No more logins than the log tells of, however fast the host."""
    if len(begun) == begun.maxlen:
        time.sleep(max(0, begun[0] + 1 - time.monotonic()))
    begun.append(time.monotonic())


def login(machine, name="alice", password=None):
    stack, _, server = machine
    pace()
    started = time.monotonic()
    answer = stack.login("corp", name, password or server.people[name].password)
    # With a second for the program that asks, on a busy machine.
    assert time.monotonic() - started < DEADLINE_S + 2
    return answer


def recover(machine, seconds=20):
    """A login works, at the latest when an administrator has asked for a test."""
    _, connector, server = machine
    end = time.monotonic() + seconds
    while (answer := login(machine))["status"] != "ok":
        assert time.monotonic() < end, answer
        connector.ctl("test")
    assert answer["user"]["id"] == str(server.people["alice"].guid)


def said_of(connector, attempt, status):
    """The line of the log on one attempt: the child writes it before it answers."""
    wait_until(lambda: any(f"attempt {attempt}: " in line and status in line
                           for line in connector.log().splitlines()),
               f"{attempt}: {status} in the log", 5)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_login(machine, server, case):
    _, connector, _ = machine
    server.people["alice"].join_unknown_group()
    server.on = case.on
    answer = login(machine)
    assert answer["status"] in case.expect, answer
    assert answer["proven"] == (answer["status"] == "ok")
    assert case.step == "accept" or case.step in (step for step, _ in server.requests)
    assert len(server.binds) <= case.binds
    assert answer["status"] != "ok" or len(server.binds) == 1
    said_of(connector, answer["attempt"], answer["status"])
    assert "\x1b" not in connector.log() and "\nerror: parent: forged" not in connector.log()


def test_binds_that_are_never_answered(machine, server):
    """Silence, a byte a second and an answer too late, at the same time: each has its time-out,
    and is asked once."""
    acts = dict(zip(("alice", "bob", "carol"), (cases.silent, cases.drip, cases.late)))

    def act(connection, request):
        return acts[server.by_dn(request.dn).name](connection, request)

    server.on = {"user_bind": act}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda name: login(machine, name), acts))
    assert [answer["status"] for answer in answers] == ["timeout"] * 3
    assert len(server.binds) == 3


@pytest.mark.parametrize("act", [cases.silent, cases.drip], ids=["silence", "a_byte_a_second"])
def test_searches_that_are_never_answered(machine, server, act):
    server.on = cases.at("person", act)
    answers = [login(machine)]
    assert answers[0]["status"] in cases.FAULT and server.binds == []


@pytest.mark.parametrize("step,act,state", [
    ("service_bind", cases.bind_result(49, AD_REFUSAL.format("52e")), "bind_refused"),
    ("service_bind", cases.bind_result(-1), "protocol"),
    ("service_bind", cases.bind_result(51), "bind_failed"),
    ("service_bind", cases.bind_result(8), "tls_required"),
    ("service_bind", cases.raw(ber.notice()), "closed"),
    ("root", cases.nobody, "base_unknown"),
    ("root", cases.raw(b"\x30\x80"), "protocol"),
    ("head", cases.raw(ber.notice()), "closed"),
    ("accept", cases.aborted_handshake, "tls_failed"),
    ("accept", cases.close, None),
    ("accept", cases.reset, None)],
    ids=["bind_refused", "bind_minus_1", "bind_busy", "bind_needs_tls", "bind_notice",
         "root_nothing", "root_indefinite", "head_notice", "handshake_aborted", "closed", "reset"])
def test_while_connecting(machine, server, step, act, state):
    """The directory fails while the connector comes back to it."""
    _, connector, _ = machine
    server.on = {step: act}
    server.drop()
    connector.wait_directory("failed")
    if state is not None:
        connector.wait(lambda: connector.status()["directory"]["code"] == state,
                       f"directory.code {state}", 10)
    answer = login(machine)
    assert answer["status"] == "directory_unavailable" and server.binds == []
    if state == "bind_refused":
        assert len(server.service_binds) == 1


def test_another_certificate(machine, server, authority):
    """Of another CA, and for another name: no password goes there, and the log says why."""
    _, connector, _ = machine
    for other in (CertificateAuthority().issue("127.0.0.1", [], ["127.0.0.1"]),
                  authority.issue("dc9.elsewhere.test", ["dc9.elsewhere.test"])):
        server.reset()
        server.show(other)
        server.drop()
        connector.wait_directory("failed")
        connector.wait(lambda: connector.status()["directory"]["code"].startswith("tls_"),
                       "the certificate to be refused", 10)
        assert login(machine)["status"] == "directory_unavailable"
        assert server.binds == [] and server.service_binds == []
        server.show(server.certificate)
        recover(machine)
