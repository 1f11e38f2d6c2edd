# SPDX-License-Identifier: ISC
"""The process that speaks to the hub in other hands, and connectors nobody approved.

Why: adc-cloud parses what comes from the network, so it is the first to fall.
What it may then do is refuse service; it must not be able to say "password
correct".  The programs are tests/process/cloud_hostile.c, in the place of
adc-cloud, with a true identity and a true tunnel.
"""

import contextlib

import pytest

from tests.lab.population import ALICE, BOB
from tests.lab.process import wait_until

from . import install, sealing
from .stack import directory_settings

NOW = "connector_unavailable"  # what the public is told: cannot log in now


@pytest.fixture
def hostile(new_stack, samba):
    """hostile(program): a stack whose enrolled connector has it as adc-cloud.
    hostile.restore(): processes that start from then on are true ones."""
    mounts = contextlib.ExitStack()

    def make(program):
        other = install.test_program(program)
        stack = new_stack()
        stack.add_connection("corp")
        mounts.enter_context(install.in_place_of("adc-cloud", other))
        connector = stack.add_connector(directory=directory_settings(samba))
        stack.enrol(connector)
        connector.wait_directory("ok")
        return stack

    make.restore = mounts.close
    yield make
    mounts.close()


def rows_since(stack, mark, logins):
    """The audit since then, with so many logins: the row of each follows its answer."""
    def found():
        rows = stack.audit(after=mark)
        return rows if len([row for row in rows if row["event"] == "login"]) >= logins else None

    return wait_until(found, f"rows of {logins} logins", 10)


def inside(stack, username, password):
    """A refused attempt of adhubctl: its row of the audit, and what was said of the verdict."""
    mark = stack.audit_mark()
    answer = stack.login("corp", username, password)
    assert answer["status"] == "internal", answer
    assert answer["proven"] is False and answer["user"] is None and answer["exit"] != 0
    rows = rows_since(stack, mark, 1)
    refused = [row for row in rows if row["event"] == "verdict_refused"]
    logins = [row for row in rows if row["event"] == "login"]
    assert len(refused) == len(logins) == 1, rows
    assert refused[0]["attempt"] == logins[0]["attempt"] == answer["attempt"]
    assert logins[0]["status"] == "internal" and not logins[0]["proven"]
    assert refused[0]["connector"] == stack.connector_list()[0]["id"]
    return refused[0]["detail"]


def outside(stack, username, password):
    """The same at both public faces."""
    mark = stack.audit_mark()
    answer = stack.verify_user(username, password)
    assert (answer.json["status"], answer.json["data"]) == (NOW, None), answer
    answer = stack.login_sealed(username, password)
    assert (answer.json["status"], answer.json["proven"], answer.json["user"]) == \
        (NOW, False, None), answer
    rows = rows_since(stack, mark, 2)
    assert len([row for row in rows if row["event"] == "verdict_refused"]) == 2
    assert {row["status"] for row in rows if row["event"] == "login"} == {"internal"}


def test_liar(hostile, samba):
    """It says ok to everything: without a verdict, with one by a key of its own, with an
    unsigned one, with rubbish.  None is believed, and the right password is not either."""
    stack = hostile("adc-cloud-liar")
    connector = stack.connectors[0]
    details = [inside(stack, "alice", "Not-Her-Password 1") for _ in range(4)]
    details += [inside(stack, name, password) for name, password in (
        ("administrator", "x"), ("nobody-at-all", "x"), ("alice", ALICE.password), ("bob", "1"))]
    assert set(details) == {"a status that needs a verdict came without one",
                            "the verdict's signature is wrong"}
    assert details.count("the verdict's signature is wrong") == 6
    for turn in range(4):
        outside(stack, "alice" if turn % 2 else "administrator", "Not-Her-Password 1")
    assert connector.log().count("test program: lying") == 16
    assert [row for row in stack.audit() if row["status"] == "ok" and row["event"] == "login"] == []


def test_replay(hostile):
    """One true verdict, shown again for others, for the same person, for a wrong password."""
    stack = hostile("adc-cloud-replay")
    connector = stack.connectors[0]
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    for username, password in (("alice", "Not-Her-Password 1"), ("alice", ALICE.password),
                               ("bob", BOB.password), ("administrator", "x"), ("ALICE", "x")):
        assert inside(stack, username, password) == "the verdict is on another attempt"
    outside(stack, "alice", "Not-Her-Password 1")
    assert connector.log().count("test program: replaying") == 7
    oks = [row for row in stack.audit() if row["status"] == "ok" and row["event"] == "login"]
    assert len(oks) == 1


def test_the_next_process_is_honest_again(hostile):
    """What fell was one process: its identity and keys were never its own."""
    stack = hostile("adc-cloud-liar")
    connector = stack.connectors[0]
    inside(stack, "alice", ALICE.password)
    before = stack.connector_list()
    hostile.restore()
    connector.kill("adc-cloud")
    connector.wait(lambda: stack.login_keys()["recipients"], "the tunnel to come back", 10)
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    after = stack.connector_list()
    assert [row["id"] for row in after] == [row["id"] for row in before]


# Approval


def seal_keys(connector):
    """The public seal key of a connector as /login/keys would give it; it is no secret."""
    identity = connector.identity()
    public = identity["seal"]["public"]
    return [{"kid": sealing.thumbprint(public), "jwk": public}]


def test_nothing_for_a_connector_without_approval(new_stack, samba):
    """Not even when a client seals for it, knowing its key; nor when it is the only one."""
    stack = new_stack()
    stack.add_connection("corp")
    first, second = (stack.add_connector(directory=directory_settings(samba)) for _ in range(2))
    ticket = stack.ticket(uses=2)
    stack.enrol(first, ticket)
    stack.enrol(second, ticket)
    for connector in (first, second):
        connector.wait_directory()
    assert (first.tunnel(), second.tunnel()) == ("online", "pending")
    own = seal_keys(second)
    keys = stack.login_keys()
    assert [one["kid"] for one in keys["recipients"]] == [seal_keys(first)[0]["kid"]]
    for_second = {**keys, "recipients": own}
    for_both = {**keys, "recipients": keys["recipients"] + own}
    for _ in range(4):
        assert stack.login_sealed("alice", ALICE.password, keys=for_second).json["status"] == NOW
        assert stack.login_sealed("alice", ALICE.password, keys=for_both).json["status"] == "ok"
    first.end()
    assert stack.login_keys()["recipients"] == []
    assert stack.login_sealed("alice", ALICE.password, keys=for_both).json["status"] == NOW
    assert stack.verify_user("alice", ALICE.password).json["status"] == NOW
    assert second.status()["logins"]["total"] == 0
    assert "AUTHENTICATE" not in second.log() and "login " not in second.log()

    # Approval takes effect with its own answer, on the tunnel that stands.
    tunnel = second.pids()["adc-cloud"]
    stack.hubctl("connector", "approve", second.status()["connector_id"], check=0)
    assert stack.login_sealed("alice", ALICE.password, keys=for_second).json["status"] == "ok"
    assert stack.verify_user("alice", ALICE.password).json["status"] == "ok"
    assert second.pids()["adc-cloud"] == tunnel


def test_a_revoked_connector_stays_out(new_stack, samba):
    """Its tunnel ends with the answer, its key with it; neither time, nor a new start, nor
    its old ticket brings it back."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector(directory=directory_settings(samba))
    ticket = stack.ticket(uses=3)
    stack.enrol(connector, ticket)
    connector.wait_directory()
    keys = stack.login_keys()
    assert stack.login_sealed("alice", ALICE.password, keys=keys).json["status"] == "ok"
    identifier = connector.status()["connector_id"]
    stack.hubctl("connector", "revoke", identifier, check=0)
    assert stack.login_keys()["recipients"] == []
    assert stack.login_sealed("alice", ALICE.password, keys=keys).json["status"] == NOW
    assert stack.verify_user("alice", ALICE.password).json["status"] == NOW
    connector.wait_tunnel("refused")
    connector.end()
    connector.start()
    connector.wait_tunnel("refused")
    assert stack.hubctl("connector", "approve", identifier).status == 1
    result = connector.ctl("enroll", input=ticket)
    assert result.status == 1, result
    assert stack.login_keys()["recipients"] == []
    states = {row["id"]: row["state"] for row in stack.connector_list()}
    assert states == {identifier: "revoked"}
