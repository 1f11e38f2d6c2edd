# SPDX-License-Identifier: ISC
"""A connector changes its keys: no login is lost, a copy of the old ones gets in no more, and
whatever ends at whatever point, connector and hub have the same keys afterwards.

Beside the real hub and a real directory there is a hub played here, because the real one loses
no answer on request; it holds every statement against docs/tunnel-protocol.md 5.4.
"""

import concurrent.futures
import contextlib
import json
import os
import queue
import re
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time

import pytest
from jwcrypto import jwk, jws
from jwcrypto.common import JWException

from tests.lab import namespace
from tests.lab.fakehub import FakeHub
from tests.lab.population import ALICE, BOB
from tests.lab.process import wait_until
from tests.lab.tls import CertificateAuthority

from .freezing import frozen
from .load import Load
from .local_api import Api, Seen
from .sealing import thumbprint
from .stack import Connector, Stack, directory_settings, spki_pin

CERTIFICATE = CertificateAuthority().issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
OTHER_PASSWORD = "not the password of anybody"


def public(identity):
    """The public halves of an identity's keys in force."""
    return {name: {part: identity[name]["public"][part] for part in ("kty", "crv", "x", "y")}
            for name in ("sign", "seal")}


def kids(identity):
    return {name: thumbprint(key) for name, key in public(identity).items()}


def change(connector, status=0):
    """adconnectorctl rekey: the document."""
    return connector.ctl("rekey", check=status).json


def edit(connector, act):
    """identity.json of a connector that does not run."""
    path = os.path.join(connector.settings["state_dir"], "identity.json")
    identity = connector.identity()
    act(identity)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(identity, file)


# With the real hub


@pytest.fixture(scope="module")
def real(installed, samba):
    with Stack() as made:
        made.add_connection("corp")
        connector = made.add_connector(directory=directory_settings(samba))
        made.enrol(connector)
        connector.wait_directory("ok")
        yield made


def anew(stack):
    """The connector as another one, whose keys were never changed; its identity.json."""
    connector = stack.connectors[0]
    before = connector.ctl("status").json["data"].get("connector_id")
    stack.enrol(connector, auto_approve=True)
    connector.wait_tunnel("online")
    if before:
        stack.hubctl("connector", "revoke", before, check=0)
    connector.wait_directory("ok")
    return connector, connector.identity()


def at_hub(stack, identity):
    """The kids that the hub has of it."""
    one, = [one for one in stack.connector_list("corp") if one["id"] == identity["connector_id"]]
    return {"sign": one["sign_kid"], "seal": one["seal_kid"]}


def agrees(stack, connector):
    """Connector and hub have the same keys, and a login passes with them."""
    identity = connector.identity()
    assert kids(identity) == at_hub(stack, identity)
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    return identity


def test_by_ctl(real):
    connector, old = anew(real)
    folder = connector.settings["state_dir"]
    mark, log_mark = real.audit_mark(), len(connector.log())
    keys = real.login_keys()
    taken = os.path.join(real.folder, "taken.json")
    shutil.copy2(os.path.join(folder, "identity.json"), taken)
    cloud = connector.pids()["adc-cloud"]
    assert change(connector)["code"] == "ok"
    assert connector.tunnel() == "online" and connector.pids()["adc-cloud"] != cloud
    new = agrees(real, connector)
    assert not set(kids(new).values()) & set(kids(old).values())
    assert new["connector_id"] == old["connector_id"] and "next" not in new
    assert kids(new["before"]) == kids(old)
    assert os.stat(os.path.join(folder, "identity.json")).st_mode & 0o7777 == 0o600
    row, = real.audit(after=mark, event="connector_rekey")
    assert row["connector"] == new["connector_id"] and row["connection"] == "corp"
    assert not real.audit(after=mark, event="tunnel_replaced")
    said = connector.log()[log_mark:]
    assert kids(new)["sign"] in said
    for identity in (old, new):
        for name in ("sign", "seal"):
            assert identity[name]["d"] not in connector.log()
    # A page that was opened before seals for the old key.
    assert real.login_sealed("alice", ALICE.password, keys=keys).json["status"] == "ok"
    assert real.login_sealed("alice", OTHER_PASSWORD, keys=keys).json["status"] == "invalid_credentials"
    # At once again: not yet, and nothing is touched.
    error = change(connector, 1)["error"]
    assert error["code"] == "too_soon" and re.search(r"in \d+ s", error["message"])
    # A copy of the old files is nobody, and disturbs nobody.
    copy = real.add_connector(start=False)
    copy.expect("")
    os.makedirs(copy.settings["state_dir"], 0o700, exist_ok=True)
    shutil.copy2(taken, os.path.join(copy.settings["state_dir"], "identity.json"))
    copy.start()
    copy.wait_tunnel("refused")
    copy.stop()
    assert connector.tunnel() == "online"
    # A restart: the same keys, and the old ones are still opened with.
    connector.stop()
    connector.start()
    connector.wait_tunnel("online")
    connector.wait_directory("ok")
    assert kids(agrees(real, connector)) == kids(new)
    assert real.login_sealed("alice", ALICE.password, keys=keys).json["status"] == "ok"


def test_twice_in_a_row(real):
    """What the connector has forgotten the hub has not; later on it is changed once more."""
    connector, first = anew(real)
    change(connector)
    second = agrees(real, connector)
    connector.stop()

    def age(identity):
        identity["rekeyed"] -= 400

    edit(connector, age)
    connector.start()
    connector.wait_tunnel("online")
    # They are forgotten, not only unused.
    connector.wait(lambda: "before" not in connector.identity(), "the old keys stay on the disk")
    error = change(connector, 1)["error"]
    assert error["code"] == "too_soon" and "nothing was changed" in error["message"]
    assert connector.identity() == {key: value for key, value in second.items()
                                    if key not in ("before", "rekeyed")}
    assert agrees(real, connector)
    real.hub.stop()
    path, = [os.path.join(folder, name) for folder, _, names in os.walk(real.hub.settings["state_dir"])
             for name in names if name == "store.db"]
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE connector SET rekeyed = rekeyed - 400")
    real.hub.start()
    connector.wait_tunnel("online")
    change(connector)
    third = agrees(real, connector)
    assert len({kids(one)["sign"] for one in (first, second, third)}) == 3
    assert kids(third["before"]) == kids(second)


def test_under_load(real):
    """Through the page, whose API is that of the command."""
    connector, old = anew(real)
    api = Api.page(Seen(), connector)
    with Load(real, "corp", right=[("alice", ALICE.password), ("bob", BOB.password)] * 2,
              wrong=[("nobody-of-this-name", OTHER_PASSWORD)]) as load:
        load.settle()
        begin = time.monotonic()
        answer = api.post("/rekey")
        assert (answer.status, answer.document["code"]) == (200, "ok"), answer
        load.settle()
        # The keys of before, and those of now.
        load.refresh_keys()
        load.settle()
    load.judge()
    assert load.count(since=begin, right=True) > 8
    failed = [one for one in load.taken() if one.right and one.status != "ok"]
    assert not failed, failed[:5]
    assert kids(agrees(real, connector)) != kids(old)


@pytest.mark.parametrize("victim", ["daemon", "adc-cloud", "hub"])
def test_killed_while_the_hub_is_at_it(real, victim):
    connector, _ = anew(real)
    for daemon in (connector, real.hub):
        daemon.expect("died by signal|ended|not changed|store|answer")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with frozen(real.hub.pids()["adhub-store"], 0):
            asked = pool.submit(connector.ctl, "rekey")
            connector.wait(lambda: "next" in connector.identity(), "no new keys are made")
            if victim == "daemon":
                connector.crash()
            elif victim == "adc-cloud":
                connector.kill("adc-cloud")
            else:
                real.hub.crash()
        assert asked.result().status != 0
    if victim == "daemon":
        connector.start()
    elif victim == "hub":
        real.hub.start()
    connector.wait_tunnel("online", seconds=40)
    connector.wait_directory("ok")
    connector.wait(lambda: kids(connector.identity()) == at_hub(real, connector.identity()),
                   "connector and hub have different keys")
    agrees(real, connector)
    # Nothing is in the way of the next one but what is known.
    answer = connector.ctl("rekey").json
    assert answer.get("code") == "ok" or answer["error"]["code"] == "too_soon", answer
    agrees(real, connector)


def test_refused_here(real):
    connector = real.add_connector()
    assert change(connector, 1)["error"]["code"] == "not_enrolled"
    real.enrol(connector)
    assert connector.tunnel() == "pending"
    # Who waits for approval may, and goes on waiting.
    assert change(connector)["code"] == "ok"
    assert connector.tunnel() == "pending"
    assert kids(connector.identity()) == at_hub(real, connector.identity())
    connector.stop()
    os.rename(os.path.join(connector.settings["state_dir"], "identity.json"),
              os.path.join(connector.settings["state_dir"], "kept"))
    connector.start()
    assert change(connector, 1)["error"]["code"] == "not_enrolled"
    connector.stop()


# With a hub that loses answers


class Keys:
    """A hub of one connection that records keys, and stops where a test wants it to.

    at       {step: what to do there, once}: "statement", "recorded", "answered" of a change,
             "proof" and "welcomed" of the tunnel after it
    records  does it take new keys?
    says     its answer, None: none
    """

    def __init__(self):
        self.fake = FakeHub(CERTIFICATE)
        self.keys = None
        self.id = None
        self.at, self.records, self.says = {}, True, "ok"
        self.statements = []
        self.welcomes, self.refused = [], 0
        self.errors = []
        self.over = threading.Event()

    def __enter__(self):
        self.fake.__enter__()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join(20)
        self.fake.__exit__(*exc)
        assert not self.errors, self.errors[0]

    def ticket(self):
        secret = secrets.token_urlsafe(24)
        self.fake.tickets[secret] = None
        pin = spki_pin(self.fake.certificate.certificate)
        return secret, f"https://{self.fake.origin}/t/{secret}#pin=sha256:{pin}"

    def enrol(self, connector):
        secret, url = self.ticket()
        self.keys = None
        connector.ctl("enroll", input=url, check=0)
        keys, answer = self.fake.enrolled[secret]
        self.keys, self.id = keys, answer["connector_id"]
        connector.wait_tunnel("online")

    def _run(self):
        while not self.over.is_set():
            with contextlib.suppress(queue.Empty):
                tunnel = self.fake.tunnel(0.05)
                threading.Thread(target=self._serve, args=(tunnel,), daemon=True).start()

    def _step(self, name, tunnel):
        act = self.at.pop(name, None)
        if act is not None:
            act(tunnel)

    @staticmethod
    def _signed(text, key, kind):
        """The payload of a JWS that this key made; None when another did."""
        token = jws.JWS()
        try:
            token.deserialize(text, jwk.JWK(**key))
        except JWException:
            return None
        assert token.jose_header == {"alg": "ES256", "typ": kind}
        return token.payload.decode()

    def _receive(self, tunnel):
        while not self.over.is_set() and not (tunnel.ended.is_set() and tunnel.messages.empty()):
            with contextlib.suppress(queue.Empty):
                return tunnel.receive(0.05)
        return None

    def _serve(self, tunnel):
        try:
            nonce = tunnel.challenge()
            hello = self._receive(tunnel)
            if hello is None:
                return
            # Enrolled this moment: its POST is being answered.
            wait_until(lambda: self.keys is not None, "nobody is enrolled", 20)
            if self._signed(hello["proof"], self.keys["sign"], "adconnector-hello+jws") is None:
                self.refused += 1
                tunnel.close(4401)
                return
            proved = self.keys
            if self.statements and proved == self.statements[-1]:
                self._step("proof", tunnel)
            tunnel.welcome()
            self.welcomes.append(proved)
            if self.statements and proved == self.statements[-1]:
                self._step("welcomed", tunnel)
            while (frame := self._receive(tunnel)) is not None:
                if frame["type"] == "rekey":
                    self._change(tunnel, nonce, proved, frame)
        except Exception as error:  # told at the end
            self.errors.append(error)
            raise

    def _expire(self, tunnel):
        """A tunnel whose keys are others now is closed after a while."""
        if not self.over.wait(2):
            tunnel.close(1001)

    def _change(self, tunnel, nonce, proved, frame):
        assert set(frame) == {"type", "statement", "proof"}
        text = self._signed(frame["statement"], proved["sign"], "adconnector-rekey+jws")
        new = {name: json.loads(text)[name] for name in ("sign", "seal")}
        assert text == json.dumps({
            "connection": "corp", "connector_id": self.id, "nonce": nonce,
            "old": thumbprint(proved["sign"]), "seal": new["seal"], "sign": new["sign"],
            "tunnel_url": self.fake.url("ws", "/tunnel")}, sort_keys=True, separators=(",", ":"))
        assert self._signed(frame["proof"], new["sign"], "adconnector-rekey-proof+jws") == text
        self.statements.append(new)
        self._step("statement", tunnel)
        if self.records:
            self.keys = new
        self._step("recorded", tunnel)
        if self.says is not None:
            # Sooner than a hub would, which leaves it a minute.
            threading.Thread(target=self._expire, args=(tunnel,), daemon=True).start()
            tunnel.send({"type": "rekeyed", "status": self.says,
                         "reason": "" if self.says == "ok" else "words of the hub"})
        self._step("answered", tunnel)


@pytest.fixture(scope="module")
def played(installed):
    """A connector that is enrolled with a hub of the test's own each time."""
    folder = tempfile.mkdtemp(prefix="adc-rekey-", dir=namespace.folder())
    os.chmod(folder, 0o711)
    connector = Connector("rekeyed", os.path.join(folder, "rekeyed"), {"log": {"level": "debug"}})
    connector.expect("died by signal|refused|identity")
    connector.start()
    yield connector
    connector.stop()
    shutil.rmtree(folder)


@pytest.fixture
def hub(played):
    with Keys() as made:
        made.enrol(played)
        yield made
        # The same keys at both ends, whatever happened.
        settled(played, made)


def settled(connector, hub):
    connector.wait_tunnel("online", seconds=40)
    connector.wait(lambda: public(connector.identity()) == hub.keys,
                   "connector and hub have different keys")


def code(result):
    document = result.json
    return document["error"]["code"] if "error" in document else document["code"]


STEPS = ["statement", "recorded", "answered", "proof", "welcomed"]


@pytest.mark.parametrize("victim,step", [
    *(("daemon", step) for step in STEPS), ("adc-cloud", "recorded"), ("adc-cloud", "proof"),
    ("tunnel", "statement"), ("tunnel", "recorded"), ("tunnel", "proof")])
def test_the_end_at_each_step(played, hub, victim, step):
    """Afterwards it is as if the change had been made, or had not; and another one passes."""
    reached = threading.Event()

    def end(tunnel):
        # Nobody took what the hub was only reading.
        hub.records = step != "statement"
        if victim == "daemon":
            played.crash()
        elif victim == "adc-cloud":
            for role, pid in played.pids().items():
                if role == "adc-cloud":
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
        else:
            tunnel.abort()
        reached.set()

    hub.at[step] = end
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(played.ctl, "rekey")
        assert reached.wait(30)
        asked.result()
    hub.records = True
    if victim == "daemon":
        played.start()
    settled(played, hub)
    identity = played.identity()
    # What was sealed before the change is still opened: the old key is there.
    assert ("before" in identity) == (public(identity) in hub.statements) == (step != "statement")
    if step == "statement":
        change(played)


def test_an_answer_that_never_comes(played, hub):
    """As from a hub that cannot do it; and then it turns out that it had."""
    hub.says = None
    old = public(played.identity())
    error = change(played, 1)["error"]
    assert error["code"] == "no_answer" and "version" in error["message"]
    assert played.tunnel() == "online"
    identity = played.identity()
    assert public(identity) == old and public(identity["next"]) == hub.statements[0]
    played.stop()
    played.start()
    settled(played, hub)
    # Old keys first, and when these are refused the others.
    assert hub.refused == 1 and hub.welcomes == [old, hub.statements[0]]
    assert "next" not in played.identity()


def test_no_third_pair_before_it_is_known(played, hub):
    hub.says, hub.records = "unavailable", False
    for number in range(2):
        error = change(played, 1)["error"]
        assert error["code"] == "hub_failed" and "words of the hub" in error["message"]
        assert hub.statements[number] == public(played.identity()["next"])
    assert hub.statements[0] == hub.statements[1]
    # One welcome does not tell, the second does: the new keys are thrown away.
    played.ctl("reconnect", check=0)
    assert "next" in played.identity()
    played.ctl("reconnect", check=0)
    assert "next" not in played.identity()
    hub.says, hub.records = "ok", True
    change(played)
    assert hub.statements[2] not in hub.statements[:2] and hub.keys == hub.statements[2]


@pytest.mark.parametrize("says,expected", [("rejected", "rejected"), ("too_many", "too_soon")])
def test_a_hub_that_refuses(played, hub, says, expected):
    hub.says, hub.records = says, False
    old = played.identity()
    error = change(played, 1)["error"]
    assert error["code"] == expected
    assert "words of the hub" in error["message"] and "nothing was changed" in error["message"]
    assert played.identity() == old and played.tunnel() == "online"


def test_a_hub_that_lies(played, hub):
    """It says that it has them, and refuses them: the old ones go on."""
    hub.records = False
    old = public(played.identity())
    error = change(played, 1)["error"]
    assert error["code"] == "refused" and hub.refused == 1
    assert public(played.identity()) == old
    settled(played, hub)
    played.ctl("reconnect", check=0)
    assert hub.keys == old


def test_the_disk_is_in_the_way(played, hub):
    """What cannot be saved is not told to the hub."""
    blocked = os.path.join(played.settings["state_dir"], "identity.json.new")
    os.mkdir(blocked)
    try:
        assert change(played, 1)["error"]["code"] == "not_saved"
    finally:
        os.rmdir(blocked)
    assert hub.statements == []
    # It fails later: the new keys are in force all the same, also after a restart.
    hub.at["recorded"] = lambda tunnel: os.mkdir(blocked)
    change(played)
    assert "cannot be written" in played.log()
    os.rmdir(blocked)
    played.stop()
    played.start()
    settled(played, hub)
    assert hub.keys == hub.statements[0] and "next" not in played.identity()


def test_one_change_at_a_time(played, hub):
    busy = []
    hub.at["statement"] = lambda tunnel: busy.extend(
        code(played.ctl(*words)) for words in (["rekey"], ["reconnect"], ["unenroll", "--yes"]))
    change(played)
    assert busy == ["busy"] * 3 and hub.keys == hub.statements[0]


def test_while_the_tunnel_is_away(played, hub):
    hub.fake.responder = lambda *request: b""
    played.kill("adc-cloud")
    played.wait_tunnel("waiting")
    error = change(played, 1)["error"]
    assert error["code"] == "no_tunnel" and "try again" in error["message"]
    assert hub.statements == [] and "next" not in played.identity()
    hub.fake.responder = None


def test_left_or_enrolled_anew_there_is_nothing_of_before(played):
    with Keys() as made:
        made.enrol(played)
        change(played)
        assert "before" in played.identity()
        made.enrol(played)
        assert {"before", "next", "rekeyed"}.isdisjoint(played.identity())
        change(played)
        settled(played, made)
        played.ctl("unenroll", "--yes", check=0)
        assert not [name for name in os.listdir(played.settings["state_dir"])
                    if name.startswith("identity")]
