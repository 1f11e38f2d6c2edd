# SPDX-License-Identifier: ISC
"""adhub-store itself, in its sandbox: what it answers, what it keeps, what it survives."""

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from child import STATUS, Child, Gone, s, sanitized, u8, u32
from tests.lab.fakeconnector import Key, rekey_payload
from tests.lab.process import wait_until

OPERATIONS = ["connection_add", "connection_list", "connection_show", "connection_remove",
              "ticket_new", "ticket_list", "ticket_revoke", "connector_list",
              "connector_approve", "connector_revoke", "audit_list", "audit_verify"]
RESULTS = ["ok", "refused", "not_found", "exists", "failed"]
TICKETS = ["ok", "unknown", "expired", "used_up", "revoked", "keys_refused", "failed"]
REKEYS = ["ok", "rejected", "too_many", "unavailable"]
NONCE, TUNNEL_URL = "A" * 43, "wss://hub.example/tunnel"
STATES = ["unknown", "pending", "approved", "revoked"]
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode()
NOBODY = 65534


class Refused(Exception):
    """An administrative operation did not end with "ok"."""

    def __init__(self, result, text):
        super().__init__(result, text)
        self.result, self.text = result, text


class Store(Child):
    """The child with its questions as methods."""

    def __init__(self, folder, before=None, audit_rows=None):
        super().__init__("adhub-store", before=before)
        items = [("directory", os.fsencode(folder))]
        if audit_rows is not None:
            items.append(("audit_rows", audit_rows.to_bytes(8, "little")))
        self.last = 0
        try:
            self.configure(items)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def ask(self, name, payload, answer):
        self.last += 1
        self.send(name, payload, id=self.last)
        message = self.expect(answer)
        assert message.id == self.last
        return message.reader()

    def admin_raw(self, operation, arguments, uid=0):
        payload = u8(operation) + u32(uid) + u8(len(arguments))
        r = self.ask("ADMIN", payload + b"".join(s(a) for a in arguments), "ADMIN_DONE")
        result, error, text = RESULTS[r.u8()], r.s(), r.bytes()
        r.end()
        return result, error, text

    def admin(self, operation, *arguments, uid=0):
        result, error, text = self.admin_raw(OPERATIONS.index(operation), arguments, uid)
        if result != "ok":
            assert error and text == b""
            raise Refused(result, error)
        assert error == ""
        return json.loads(text)

    def add(self, identifier, name="", logo=""):
        return self.admin("connection_add", identifier, name, logo)

    def ticket(self, identifier, uses="", hours="", approve=""):
        return self.admin("ticket_new", identifier, str(uses), str(hours), approve)

    def ticket_get(self, secret):
        r = self.ask("TICKET_GET", s(secret), "TICKET")
        answer = TICKETS[r.u8()], r.s(), r.s()
        r.end()
        return answer

    def enrol(self, secret, keys, name="host-a", version="0.1.0", address="192.0.2.7"):
        payload = s(secret) + s(name) + s(version) + keys[0] + keys[1] + s(address)
        r = self.ask("CONNECTOR_ENROL", payload, "CONNECTOR_ENROLLED")
        answer = TICKETS[r.u8()], r.s(), r.s(), STATES[r.u8()]
        r.end()
        return answer

    def connector(self, id):
        r = self.ask("CONNECTOR_GET", s(id), "CONNECTOR")
        answer = STATES[r.u8()], r.s(), r.s(), r.fixed(64), r.fixed(64)
        self.before = r.fixed(64), r.u32()
        r.end()
        return answer

    def rekey(self, id, frame, old, new, nonce=NONCE, url=TUNNEL_URL):
        payload = (s(id) + s(url) + s(nonce) + s(old) + new["sign"].xy + new["seal"].xy +
                   s(frame["statement"]) + s(frame["proof"]) + s("192.0.2.7"))
        r = self.ask("CONNECTOR_REKEY", payload, "CONNECTOR_REKEYED")
        answer = REKEYS[r.u8()]
        r.end()
        return answer

    def connection(self, identifier):
        r = self.ask("CONNECTION_GET", s(identifier), "CONNECTION")
        answer = r.u8(), r.s(), r.s()
        r.end()
        return answer

    def tunnel(self, up, id, host="dc-host", version="0.1.0", address="192.0.2.7", why=""):
        self.send("TUNNEL_EVENT", u8(up) + s(id) + s(host) + s(version) + s(address) + s(why))

    def audit(self, *rows, **row):
        """One row, or those made by row() in one message."""
        self.send("AUDIT", b"".join(rows) or self.row(**row))

    @staticmethod
    def row(event="login", connection="acme", connector="", username="alice", attempt="a-1",
            status="ok", proven=1, reason="", face="api", address="192.0.2.9", detail="", found=1):
        return (s(event) + s(connection) + s(connector) + s(username) + s(attempt) +
                u8(STATUS[status]) + u8(proven) + s(reason) + s(face) + s(address) + s(detail) +
                u8(found))

    def rows(self, after=0, limit=500):
        return self.admin("audit_list", str(after), str(limit))["rows"]

    def changed(self):
        r = self.expect("CONNECTOR_CHANGED").reader()
        answer = r.s(), STATES[r.u8()]
        r.end()
        return answer

    def drain(self):
        """The orderly end: what waits is written."""
        self.send("DRAIN")
        with pytest.raises(Gone):
            while True:
                assert self.receive() is not None, "does not end"
        assert self.end() == 0


def keys():
    return secrets.token_bytes(64), secrets.token_bytes(64)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def store(folder):
    with Store(folder) as child:
        yield child


def refused(result, part):
    """The operation ends so, and the text says what was wrong."""
    class Check:
        def __enter__(self):
            self.raises = pytest.raises(Refused)
            self.info = self.raises.__enter__()
            return self

        def __exit__(self, *exc):
            done = self.raises.__exit__(*exc)
            assert self.info.value.result == result, self.info.value.args
            assert part in self.info.value.text, self.info.value.text
            return done
    return Check()


# --- connections -----------------------------------------------------------------


def test_connection_add_list_show(store):
    made = store.add("acme", "Acme GmbH – Zürich", PNG)
    assert made["identifier"] == "acme" and made["display_name"] == "Acme GmbH – Zürich"
    assert made["has_logo"] is True and made["approved"] == made["pending"] == made["online"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created"])
    assert store.add("b-2")["display_name"] == "b-2"
    listed = store.admin("connection_list")
    assert [c["identifier"] for c in listed["connections"]] == ["acme", "b-2"]
    assert listed["more"] is False and "logo" not in listed["connections"][0]
    shown = store.admin("connection_show", "acme")
    assert shown["logo"] == PNG and shown["connectors"] == [] and shown["tickets"] == []


@pytest.mark.parametrize("identifier", ["", "-a", "A", "a b", "a" * 64, "ä", "a_b", "a.b", "a/b"])
def test_identifier_refused(store, identifier):
    with refused("refused", "identifier"):
        store.add(identifier)
    assert store.admin("connection_list")["connections"] == []


@pytest.mark.parametrize("identifier", ["a", "0", "a-", "a" * 63, "0-9-z"])
def test_identifier_accepted(store, identifier):
    assert store.add(identifier)["identifier"] == identifier
    assert store.connection(identifier) == (1, identifier, identifier)


def test_display_name_limits(store):
    store.add("exact", "é" * 100)
    with refused("refused", "longer than 200"):
        store.add("over", "é" * 100 + "a")
    for bad in ("a\nb", "\x7f", "\x9b", "left\u202eright", "zero\u200bwidth"):
        with refused("refused", "cannot be shown"):
            store.add("bad", bad)
    # Joiners are part of Persian words and of emoji.
    assert store.add("joined", "می\u200cخواهم 👩\u200d💻")["display_name"] == "می\u200cخواهم 👩\u200d💻"


def test_logos(store):
    jpeg = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(29)).decode()
    store.add("jpeg", "", jpeg)
    assert store.admin("connection_show", "jpeg")["logo"] == jpeg
    prefix = "data:image/png;base64,iVBORw0KGgoA"
    largest = prefix + "A" * ((65536 - len(prefix)) // 4 * 4)
    store.add("largest", "", largest)
    assert store.admin("connection_show", "largest")["logo"] == largest
    svg = "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    for bad, why in ((largest + "A" * 8, "64 KiB"), (svg, "SVG"), ("https://a/b.png", "neither"),
                     ("data:text/html;base64,AAAA", "neither"), (PNG + "!", "base64"),
                     ("data:image/png;base64,/9j/AAAA", "kind"), (PNG[:-1] + "\"", "base64"),
                     ("data:image/png;base64,iVBORw0KGgo", "base64")):
        with refused("refused", why):
            store.add("bad", "", bad)


def test_connection_exists_and_unknown(store):
    store.add("acme")
    with refused("exists", "acme"):
        store.add("acme", "another")
    for operation in ("connection_show", "connection_remove", "ticket_list", "connector_list"):
        with refused("not_found", "nope"):
            store.admin(operation, "nope")
    with refused("not_found", "nope"):
        store.ticket("nope")


def test_connection_get(store):
    assert store.connection("") == (0, "", "")
    store.add("acme", "Acme")
    assert store.connection("") == (1, "acme", "Acme")
    assert store.connection("acme") == (1, "acme", "Acme")
    store.add("other")
    assert store.connection("") == (2, "", "")
    assert store.connection("unknown") == (0, "", "")
    assert store.connection("x' OR 1=1 --") == (0, "", "")
    store.admin("connection_remove", "acme")
    assert store.connection("") == (1, "other", "other")


def test_remove_revokes(store):
    store.add("acme")
    ticket = store.ticket("acme", uses=3)
    mine = keys()
    _, first, _, _ = store.enrol(ticket["secret"], mine)
    _, second, _, state = store.enrol(ticket["secret"], keys())
    assert state == "pending"
    removed = store.admin("connection_remove", "acme")
    assert removed == {"identifier": "acme", "connectors_revoked": 2, "tickets_revoked": 1}
    assert {store.changed(), store.changed()} == {(first, "revoked"), (second, "revoked")}
    assert store.connector(first)[0] == "revoked"
    assert store.ticket_get(ticket["secret"])[0] == "revoked"
    assert store.admin("connector_list", "")["connectors"] == []
    # Who takes the name next gets none of them.
    store.add("acme")
    assert store.admin("connector_list", "acme")["connectors"] == []
    assert store.admin("ticket_list", "acme")["tickets"] == []
    assert store.enrol(ticket["secret"], mine)[0] == "revoked"
    fresh = store.ticket("acme")
    assert store.enrol(fresh["secret"], mine)[0] == "keys_refused"
    assert store.connector(first)[0] == "revoked"


# --- tickets ---------------------------------------------------------------------


def test_ticket_new_and_list(store, folder):
    store.add("acme", "Acme")
    made = store.ticket("acme")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made["secret"])
    assert re.fullmatch(r"[a-z2-9]{8}", made["id"])
    assert made["uses_left"] == 1 and made["auto_approve"] is False and made["state"] == "open"
    other = store.ticket("acme", uses=64, hours=8760, approve="auto-approve")
    assert other["uses_left"] == 64 and other["auto_approve"] is True
    assert other["secret"] != made["secret"]
    for question in ("", "acme"):
        listed = store.admin("ticket_list", question)
        assert {t["id"] for t in listed["tickets"]} == {made["id"], other["id"]}
        assert "secret" not in json.dumps(listed) and made["secret"] not in json.dumps(listed)
    assert store.ticket_get(made["secret"]) == ("ok", "acme", "Acme")
    assert store.ticket_get(made["secret"]) == ("ok", "acme", "Acme"), "looking uses nothing up"
    store.drain()
    kept = b"".join(p.read_bytes() for p in folder.iterdir())
    assert made["secret"].encode() not in kept
    assert hashlib.sha256(made["secret"].encode()).digest() in kept


@pytest.mark.parametrize("arguments", [("0", ""), ("65", ""), ("-1", ""), ("x", ""), ("1x", ""),
                                       ("", "0"), ("", "8761"), ("", "24h"), ("", " 1e3"),
                                       ("99999999999999999999", "")])
def test_ticket_arguments(store, arguments):
    store.add("acme")
    with refused("refused", "must be a number"):
        store.ticket("acme", *arguments)
    with refused("refused", "auto-approve"):
        store.ticket("acme", "", "", "yes")
    assert store.admin("ticket_list", "acme")["tickets"] == []


def test_ticket_unknown(store):
    for secret in ("", "x", "a" * 43, "é" * 21, "' OR ''='"):
        assert store.ticket_get(secret) == ("unknown", "", "")
        assert store.enrol(secret, keys()) == ("unknown", "", "", "unknown")
    assert store.rows() == [], "a stranger's guesses write nothing"


def test_ticket_revoke(store):
    store.add("acme")
    ticket = store.ticket("acme", uses=2)
    mine = keys()
    assert store.enrol(ticket["secret"], mine)[0] == "ok"
    assert store.admin("ticket_revoke", ticket["id"])["state"] == "revoked"
    assert store.admin("ticket_revoke", ticket["id"])["state"] == "revoked"
    assert store.ticket_get(ticket["secret"])[0] == "revoked"
    assert store.enrol(ticket["secret"], keys())[0] == "revoked"
    assert store.enrol(ticket["secret"], mine)[0] == "revoked"
    with refused("not_found", "ticket"):
        store.admin("ticket_revoke", "é" * 40)
    assert [r["event"] for r in store.rows()].count("ticket_revoke") == 1


def expire(folder, ticket):
    """The ticket's end is moved into the past, with the store stopped."""
    with sqlite3.connect(folder / "store.db") as db:
        db.execute("UPDATE ticket SET expires = ? WHERE id = ?", (int(time.time()) - 1, ticket))
    db.close()


def test_ticket_expired(folder):
    mine = keys()
    with Store(folder) as store:
        store.add("acme")
        used, unused = store.ticket("acme", uses=2), store.ticket("acme")
        _, id, _, _ = store.enrol(used["secret"], mine)
        store.drain()
    expire(folder, used["id"])
    expire(folder, unused["id"])
    with Store(folder) as store:
        assert store.ticket_get(unused["secret"])[0] == "expired"
        assert store.enrol(unused["secret"], keys()) == ("expired", "", "", "unknown")
        assert store.enrol(used["secret"], keys())[0] == "expired"
        assert store.enrol(used["secret"], mine) == ("ok", id, "acme", "approved"), "the lost answer"
        states = {t["id"]: t["state"] for t in store.admin("ticket_list", "")["tickets"]}
        assert states == {used["id"]: "expired", unused["id"]: "expired"}
        assert [r["reason"] for r in store.rows() if r["event"] == "connector_enrol_refused"] == \
            ["expired", "expired"]


# --- enrolment -------------------------------------------------------------------


def test_enrol_first_is_approved_second_waits(store):
    store.add("acme", "Acme")
    one, two = store.ticket("acme"), store.ticket("acme")
    mine, theirs = keys(), keys()
    ticket, id, connection, state = store.enrol(one["secret"], mine, name="host-a")
    assert (ticket, connection, state) == ("ok", "acme", "approved")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", id)
    assert store.connector(id) == ("approved", "acme", "host-a", mine[0], mine[1])
    ticket, second, _, state = store.enrol(two["secret"], theirs)
    assert (ticket, state) == ("ok", "pending") and second != id
    assert store.connector(second)[0] == "pending"
    shown = store.admin("connection_show", "acme")
    assert (shown["approved"], shown["pending"]) == (1, 1)
    assert store.admin("connector_approve", second)["state"] == "approved"
    assert store.changed() == (second, "approved")
    assert store.connector(second)[0] == "approved"


def test_enrol_auto_approve_and_its_limit(store):
    store.add("acme")
    ticket = store.ticket("acme", uses=10, approve="auto-approve")
    states = [store.enrol(ticket["secret"], keys())[3] for _ in range(10)]
    assert states == ["approved"] * 8 + ["pending"] * 2
    waiting = [c["id"] for c in store.admin("connector_list", "acme")["connectors"]
               if c["state"] == "pending"]
    with refused("refused", "8 approved"):
        store.admin("connector_approve", waiting[0])


def test_enrol_counts_uses_and_repeats(store):
    store.add("acme")
    ticket = store.ticket("acme", uses=2)
    mine = keys()
    first = store.enrol(ticket["secret"], mine)
    assert store.enrol(ticket["secret"], mine) == first
    assert store.admin("ticket_list", "")["tickets"][0]["uses_left"] == 1
    other = store.enrol(ticket["secret"], keys())
    assert other[0] == "ok" and other[1] != first[1]
    assert store.ticket_get(ticket["secret"])[0] == "used_up"
    assert store.enrol(ticket["secret"], keys()) == ("used_up", "", "", "unknown")
    assert store.enrol(ticket["secret"], mine) == first, "the lost answer"
    events = [r["event"] for r in store.rows()]
    assert events.count("connector_enrol") == 2 and events.count("connector_enrol_refused") == 1


def test_enrol_keys_are_one_connectors(store):
    store.add("acme")
    store.add("other")
    ticket = store.ticket("acme", uses=20)
    foreign = store.ticket("other", uses=20)
    sign, seal = keys()
    _, id, _, _ = store.enrol(ticket["secret"], (sign, seal))
    fresh = secrets.token_bytes(64)
    for offered in ((sign, fresh), (fresh, seal), (seal, sign), (fresh, sign), (seal, fresh),
                    (fresh, fresh), (sign, sign)):
        assert store.enrol(ticket["secret"], offered) == ("keys_refused", "", "", "unknown")
    assert store.enrol(foreign["secret"], (sign, seal))[0] == "keys_refused"
    left = {t["id"]: t["uses_left"] for t in store.admin("ticket_list", "")["tickets"]}
    assert left == {ticket["id"]: 19, foreign["id"]: 20}
    store.admin("connector_revoke", id)
    assert store.enrol(ticket["secret"], (sign, seal))[0] == "keys_refused", "revoked is for good"


def test_enrol_again_with_a_new_ticket(store):
    store.add("acme")
    mine, waiting = keys(), keys()
    first = store.enrol(store.ticket("acme")["secret"], mine)
    pending = store.enrol(store.ticket("acme")["secret"], waiting)
    assert pending[3] == "pending"
    again = store.ticket("acme")
    assert store.enrol(again["secret"], mine, name="renamed", version="0.2.0") == first
    assert store.ticket_get(again["secret"])[0] == "used_up"
    assert store.connector(first[1])[2] == "renamed"
    approving = store.ticket("acme", approve="auto-approve")
    assert store.enrol(approving["secret"], waiting)[3] == "approved"
    assert store.changed() == (pending[1], "approved")


def test_enrol_texts_of_a_stranger(store):
    """Long, odd and cut texts are kept in a form that can be listed."""
    store.add("acme")
    ticket = store.ticket("acme", uses=4)
    names = ["x" * 1500, "é" * 500, "\x1b[31mred\n", "a" + "€" * 60]
    ids = [store.enrol(ticket["secret"], keys(), name=name, version="v" * 99)[1] for name in names]
    kept = {c["id"]: c for c in store.admin("connector_list", "acme")["connectors"]}
    assert kept[ids[0]]["name"] == "x" * 100
    assert kept[ids[1]]["name"] == "é" * 50
    assert kept[ids[2]]["name"] == "?[31mred?"
    assert kept[ids[3]]["name"] == "a" + "€" * 33
    assert kept[ids[0]]["version"] == "v" * 32
    assert len(store.rows()) > 0


# --- connectors and their tunnels --------------------------------------------------


def test_connector_unknown(store):
    for id in ("", "nope", "é" * 60):
        assert store.connector(id) == ("unknown", "", "", bytes(64), bytes(64))
        for operation in ("connector_approve", "connector_revoke"):
            with refused("not_found", "connector"):
                store.admin(operation, id)
        store.tunnel(1, id)
    assert store.rows() == []
    assert "no such connector" in store.log_text()


def test_connector_revoke_is_for_good(store):
    store.add("acme")
    _, id, _, _ = store.enrol(store.ticket("acme")["secret"], keys())
    store.admin("connector_approve", id)
    store.tunnel(1, id)
    assert store.changed() == (id, "approved")
    assert store.admin("connector_revoke", id)["state"] == "revoked"
    assert store.changed() == (id, "revoked")
    with refused("refused", "for good"):
        store.admin("connector_approve", id)
    assert store.admin("connector_revoke", id)["state"] == "revoked"
    assert store.receive(0.05) is None, "a state that did not change is no news"
    events = [r["event"] for r in store.rows()]
    assert events.count("connector_revoke") == 1 and "connector_approve" not in events
    # The gate that still has its tunnel did not hear of it: the store died in between.
    store.tunnel(1, id)
    assert store.changed() == (id, "revoked")


def test_tunnel_events(folder):
    with Store(folder) as store:
        store.add("acme")
        _, id, _, _ = store.enrol(store.ticket("acme")["secret"], keys())
        before = store.admin("connector_list", "acme")["connectors"][0]
        assert before["online"] is False and before["last_seen"] is None
        store.tunnel(1, id, host="h" * 300, version="9.9", address="2001:db8::1", why="hello")
        # An approval whose notice was lost would leave it pending there.
        assert store.changed() == (id, "approved")
        online = store.admin("connector_list", "")["connectors"][0]
        assert online["online"] is True and online["host"] == "h" * 253
        assert (online["version"], online["address"]) == ("9.9", "2001:db8::1")
        assert online["last_seen"] is not None
        assert store.admin("connection_list")["connections"][0]["online"] == 1
        store.tunnel(0, id, host="", address="", why="end of file")
        offline = store.admin("connector_list", "")["connectors"][0]
        assert offline["online"] is False and offline["host"] == "h" * 253
        rows = [r for r in store.rows() if r["event"].startswith("tunnel")]
        assert [r["event"] for r in rows] == ["tunnel_up", "tunnel_down"]
        assert "end of file" in rows[1]["detail"] and rows[1]["connector"] == id
        store.tunnel(1, id)
        assert store.connector(id)[0] == "approved"
        store.process.kill()
    with Store(folder) as store:
        assert store.admin("connector_list", "")["connectors"][0]["online"] is False


# --- audit -----------------------------------------------------------------------


def test_audit_of_administration(store):
    store.admin("connection_add", "acme", "", "", uid=1000)
    ticket = store.admin("ticket_new", "acme", "", "", "", uid=0)
    rows = store.rows()
    assert [r["event"] for r in rows] == ["connection_add", "ticket_new"]
    assert rows[0]["detail"].startswith("uid 1000") and rows[1]["detail"].startswith("uid 0")
    assert ticket["id"] in rows[1]["detail"] and ticket["secret"] not in json.dumps(rows)
    assert rows[0]["face"] == "control" and [r["id"] for r in rows] == [1, 2]


def test_audit_rows_of_logins(store):
    store.audit(username="alice", status="ok", attempt="a-1", connector="c-1")
    store.audit(username="bob", status="invalid_credentials", proven=0, reason="wrong_password")
    store.audit(username="correcthorse", status="invalid_credentials", proven=0,
                reason="unknown_user", found=0)
    rows = store.rows()
    assert [r["username"] for r in rows[:2]] == ["alice", "bob"]
    assert (rows[0]["status"], rows[0]["proven"]) == ("ok", True)
    assert (rows[1]["status"], rows[1]["proven"]) == ("invalid_credentials", False)
    assert re.fullmatch(r"co…[A-Za-z0-9_-]{16}", rows[2]["username"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["time"])


def test_audit_rows_in_one_message(store):
    store.audit(*(store.row(username=f"user{i}", attempt=f"a-{i}") for i in range(100)))
    assert [row["attempt"] for row in store.rows()[-100:]] == [f"a-{i}" for i in range(100)]


def test_audit_hides_names_nobody_has(folder):
    typed = ["Tr0ub4dor&3", "pässwörd", "密码密码", "7-Secret!", "a", "\u202etxet"]
    with Store(folder) as store:
        for name in typed + typed[:1]:
            store.audit(username=name, status="invalid_credentials", proven=0,
                        reason="unknown_user", found=0)
        names = [r["username"] for r in store.rows()]
        store.drain()
    assert names[0] == names[-1] and len(set(names)) == len(typed)
    assert [n.split("…")[0] for n in names[:-1]] == ["Tr", "pä", "密码", "", "a", ""]
    kept = b"".join(p.read_bytes() for p in folder.iterdir())
    for name in typed[:4]:
        assert name.encode() not in kept
    with Store(folder) as store:
        store.audit(username=typed[0], status="invalid_credentials", reason="unknown_user", found=0)
        assert store.rows(after=-1)[0]["username"] == names[0], "the key is kept"


@pytest.mark.parametrize("status, reason", [
    ("invalid_credentials", "empty_password"), ("connector_unavailable", "no connector is online"),
    ("directory_unavailable", "unreachable"), ("timeout", "search"), ("bad_request", "sealed_old"),
    ("ambiguous_user", "several_users"), ("internal", "")])
def test_audit_hides_names_that_nobody_looked_up(store, status, reason):
    """The password typed into the name's place, and the directory is down or was not asked."""
    store.audit(username="correcthorse", status=status, proven=0, reason=reason, found=0)
    assert re.fullmatch(r"co…[A-Za-z0-9_-]{16}", store.rows()[0]["username"])


def rows_on_disk(folder, copy):
    """What a kill at this moment would leave; the store is asked nothing and its files not locked."""
    for name in ("store.db", "store.db-wal"):
        shutil.copy(folder / name, copy / name)
    try:
        with contextlib.closing(sqlite3.connect(copy / "store.db")) as db:
            return db.execute("SELECT count(*) FROM audit").fetchone()[0]
    except sqlite3.DatabaseError:  # copied in the midst of a write
        return None


def test_audit_group_is_written_soon(folder, tmp_path):
    copy, took = tmp_path / "copy", []
    copy.mkdir()
    with Store(folder) as store:
        for rows in range(200, 1800, 200):
            for i in range(rows - 200, rows):
                store.audit(attempt=f"a-{i}")
            store.connection("")  # all of them were read
            read = time.monotonic()
            wait_until(lambda: rows_on_disk(folder, copy) == rows, "rows that nobody asks for", 5,
                       pause=0.005)
            took.append(time.monotonic() - read)
        os.kill(store.process.pid, signal.SIGKILL)
    # Three times what a group may wait; a busy disk or host is not so each time.
    assert min(took) < 0.15, took
    with Store(folder) as store:
        assert [r["attempt"] for r in all_rows(store)] == [f"a-{i}" for i in range(1600)]
        assert store.admin("audit_verify")["ok"] is True


def test_audit_drain_writes_at_once(folder):
    with Store(folder) as store:
        for i in range(20):
            store.audit(attempt=f"a-{i}")
        store.drain()
    assert sorted(p.name for p in folder.iterdir()) == ["store.db"], "the log was folded in"
    with Store(folder) as store:
        assert len(store.rows()) == 20


def test_audit_list_pages(store):
    for i in range(1203):
        store.audit(attempt=f"a-{i}")
    assert [r["id"] for r in all_rows(store)] == list(range(1, 1204))
    page = store.admin("audit_list", "1000", "500")
    assert page["next"] == page["rows"][-1]["id"] == 1203
    assert store.admin("audit_list", "1203", "500") == {"rows": [], "next": 1203}
    assert [r["id"] for r in store.rows(after=-3)] == [1201, 1202, 1203]
    assert store.rows(after=10**15) == []


def test_audit_page_of_long_rows_is_cut(store):
    for _ in range(300):
        store.audit(username="\x01" * 512, reason="\x02" * 512, detail="\x03" * 8000)
    page = store.admin("audit_list", "0", "500")
    assert 0 < len(page["rows"]) < 300
    assert len(page["rows"][0]["detail"]) == 4096
    assert store.admin("audit_list", str(page["next"]), "1")["rows"][0]["id"] == page["next"] + 1


@pytest.mark.parametrize("after,limit", [("x", "1"), ("", "1"), ("-501", "1"), ("0", "0"),
                                         ("0", "501"), ("0", ""), ("0", "-1")])
def test_audit_list_arguments(store, after, limit):
    with refused("refused", "must be"):
        store.admin("audit_list", after, limit)


def test_audit_texts_are_cut(store):
    store.audit(username="é" * 600, connection="c" * 2000, detail="€" * 3000)
    row = store.rows()[0]
    assert row["username"] == "é" * 256 and row["connection"] == "c" * 512
    assert row["detail"] == "€" * 1365


@pytest.mark.parametrize("event", ["connector_approve", "ticket_new", "connector_rekey", "tunnel_up", "audit_lost",
                                   "", "Login", "a b", "x" * 65, "login\n"])
def test_audit_gate_cannot_write_in_our_name(store, event):
    store.audit(event=event, detail="as if")
    row = store.rows()[0]
    assert row["event"] == "audit_refused" and row["detail"].startswith("event ")


def test_audit_verify(store):
    assert store.admin("audit_verify")["ok"] is True, "nothing is sound"
    for i in range(5000):
        store.audit(attempt=f"a-{i}")
    answer = store.admin("audit_verify")
    assert answer["ok"] is True and (answer["first"], answer["last"]) == (1, 5000)
    assert answer["hash"] == store.rows(after=-1)[0]["hash"]
    # One walk at a time; the second is told so, the first goes on.
    payload = u8(OPERATIONS.index("audit_verify")) + u32(0) + u8(0)
    os.kill(store.process.pid, signal.SIGSTOP)  # so that it finds both at a time
    store.send("ADMIN", payload, id=901)
    store.send("ADMIN", payload, id=902)
    os.kill(store.process.pid, signal.SIGCONT)
    answers = {m.id: RESULTS[m.reader().u8()]
               for m in (store.expect("ADMIN_DONE"), store.expect("ADMIN_DONE"))}
    assert answers == {901: "ok", 902: "refused"}


TAMPERINGS = [
    ("UPDATE audit SET proven = 0 WHERE id = 7", 7, "does not fit"),
    ("UPDATE audit SET username = 'mallory' WHERE id = 3", 3, "does not fit"),
    ("UPDATE audit SET time = time + 1 WHERE id = 1", 1, "does not fit"),
    ("UPDATE audit SET hash = zeroblob(32) WHERE id = 10", 10, "does not fit"),
    ("DELETE FROM audit WHERE id = 5", 5, "missing"),
    ("DELETE FROM audit WHERE id = 1", 1, "missing"),
    ("DELETE FROM audit WHERE id > 18", 19, "missing"),
    ("DELETE FROM audit", 1, "missing"),
    ("INSERT INTO audit SELECT 21, time, event, connection, connector, username, attempt, status,"
     " proven, reason, face, address, detail, hash FROM audit WHERE id = 20", 21, "does not fit"),
    ("UPDATE audit SET id = id + 100 WHERE id > 10", 11, "missing"),
    ("UPDATE audit SET detail = connector, connector = detail WHERE id = 9", 9, "does not fit"),
]


@pytest.mark.parametrize("statement,row,why", TAMPERINGS)
def test_audit_tampering_shows(folder, statement, row, why):
    with Store(folder) as store:
        for i in range(20):
            store.audit(attempt=f"a-{i}", connector="c", detail="d")
        assert store.admin("audit_verify")["ok"] is True
        store.drain()
    with sqlite3.connect(folder / "store.db") as db:
        assert db.execute(statement).rowcount != 0
    db.close()
    with Store(folder) as store:
        store.audit(attempt="later")
        answer = store.admin("audit_verify")
        assert answer["ok"] is False and answer["row"] == row and why in answer["why"], answer


def test_audit_chain_is_the_documented_one(folder):
    """Recomputed by another hand: SHA-256 of the hash before and the encoding of the row."""
    with Store(folder) as store:
        store.add("acme", "Zürich")
        store.audit(username="ann", status="password_expired", proven=1, detail="€")
        store.rows()
        store.drain()
    before = bytes(32)
    db = sqlite3.connect(folder / "store.db")
    rows = db.execute("SELECT id, time, event, connection, connector, username, attempt, status,"
                      " proven, reason, face, address, detail, hash FROM audit ORDER BY id")
    for r in list(rows):
        encoded = (r[0].to_bytes(8, "little") + r[1].to_bytes(8, "little") +
                   b"".join(s(t) for t in r[2:7]) + u8(r[7]) + u8(r[8]) +
                   b"".join(s(t) for t in r[9:13]))
        before = hashlib.sha256(before + encoded).digest()
        assert before == r[13]
    db.close()


def test_audit_forgets_the_oldest_and_still_verifies(folder):
    with Store(folder, audit_rows=100) as store:
        for i in range(350):
            store.audit(attempt=f"a-{i}")
        rows = store.rows()
        assert [r["attempt"] for r in rows] == [f"a-{i}" for i in range(250, 350)]
        answer = store.admin("audit_verify")
        assert answer["ok"] is True and (answer["first"], answer["last"]) == (251, 350)
        store.drain()
    with Store(folder, audit_rows=100) as store:
        store.audit(attempt="next")
        assert [r["id"] for r in store.rows()][0] == 252
        assert store.admin("audit_verify")["ok"] is True
        store.drain()
    with sqlite3.connect(folder / "store.db") as db:
        db.execute("DELETE FROM audit WHERE id = 252")
    db.close()
    with Store(folder, audit_rows=100) as store:
        assert store.admin("audit_verify")["row"] == 252


def test_audit_hash_goes_to_the_log(store):
    for i in range(10050):
        store.audit()
        if i % 500 == 0:
            store.connection("")
    # Rows are committed in groups, a little later.
    until = time.monotonic() + 10
    while (row := store.rows(after=-1)[0])["id"] != 10050:
        assert time.monotonic() < until, row
    anchors = re.findall(r"row (\d+) has hash ([A-Za-z0-9_-]{43})", store.log_text())
    assert any(int(n) >= 10000 for n, _ in anchors), store.log_text()


# --- arguments and messages --------------------------------------------------------


def test_admin_unknown_operation_and_counts(store):
    for operation in (len(OPERATIONS), 200, 255):
        result, error, _ = store.admin_raw(operation, [])
        assert result == "refused" and "there is none" in error
    right = [3, 0, 1, 1, 4, 1, 1, 1, 1, 1, 2, 0]
    for operation, count in enumerate(right):
        for wrong in {0, 1, 2, 3, 4, 5, 255} - {count}:
            result, error, _ = store.admin_raw(operation, ["a"] * wrong)
            assert result == "refused" and "argument" in error, (operation, wrong)
    assert store.rows() == []


def test_admin_long_texts(store):
    long = "é" * 30000
    for operation in ("connection_show", "connector_approve", "ticket_revoke"):
        with pytest.raises(Refused):
            store.admin(operation, long)
    with refused("refused", "longer"):
        store.add("acme", long)
    assert store.connection("") == (0, "", "")


@pytest.mark.parametrize("name,payload", [
    ("TICKET_GET", s("a" * 10) + b"x"),
    ("TICKET_GET", u32(100) + b"short"),
    ("TICKET_GET", s(b"\xff\xfe")),
    ("TICKET_GET", s(b"a\0b")),
    ("CONNECTOR_ENROL", s("s") + s("n") + s("v") + bytes(127) + s("addr" * 4)),
    ("CONNECTOR_GET", s(b"\xc3")),
    ("CONNECTOR_REKEY", s("c") + s("u") + s("n") + s("o") + bytes(128) + s("j") * 2 + s("a") +
     b"x"),
    ("CONNECTOR_REKEY", s("c") + s("u") + s("n") + s("o") + bytes(128) + s("j" * 5000) +
     s("j") + s("a")),
    ("CONNECTION_GET", u32(0xffffffff)),
    ("TUNNEL_EVENT", u8(1) + s("a") * 6),
    ("AUDIT", s("login") + s("") * 4 + u8(200) + u8(0) + s("") * 4 + u8(0)),
    ("AUDIT", Store.row()[:-1]),
    ("AUDIT", Store.row() + Store.row()[:-1]),
    ("AUDIT", Store.row() + b"x"),
    ("ADMIN", u8(1) + u32(0) + u8(1)),
    ("ADMIN", u8(1) + u32(0) + u8(0) + b"x"),
    ("TICKET", u8(0) + s("a") + s("b")),
    ("CHECK_PASSWORD", bytes(200)),
])
def test_bad_message_ends_the_process(folder, name, payload):
    with Store(folder) as store:
        store.send(name, payload, id=1)
        with pytest.raises(Gone):
            while store.receive(3) is not None:
                pass
        assert store.end() == 1


def last_words(child, items, status=1):
    """What it says when it ends with this status instead of being ready."""
    with pytest.raises((Gone, BrokenPipeError)):
        child.configure(items)
    with pytest.raises(Gone):
        while True:
            assert child.receive() is not None, "does not end"
    assert child.end() == status
    return child.log_text()


@pytest.mark.parametrize("items", [[], [("directory", b"")], [("directory", b"relative")],
                                   [("directory", b"/a\0b")], [("directory", b"/" + b"a" * 5000)],
                                   [("unknown", b"x")], [("audit_rows", b"\0" * 8)],
                                   [("audit_rows", b"\1")], [("audit_rows", b"\xff" * 8)],
                                   [("directory", b"/nowhere/at/all")]])
def test_bad_configuration(items):
    with Child("adhub-store") as child:
        assert last_words(child, items)


def test_end_of_file_ends_it(folder):
    with Store(folder) as store:
        store.sock.close()
        assert store.end() == 0


# --- the file --------------------------------------------------------------------


def test_restart_keeps_everything(folder):
    mine = keys()
    with Store(folder) as store:
        store.add("acme", "Acme", PNG)
        ticket = store.ticket("acme", uses=2)
        enrolled = store.enrol(ticket["secret"], mine)
        store.audit()
        rows = store.rows()
        store.drain()
    with Store(folder) as store:
        assert store.admin("connection_show", "acme")["logo"] == PNG
        assert store.ticket_get(ticket["secret"]) == ("ok", "acme", "Acme")
        assert store.enrol(ticket["secret"], mine) == enrolled
        assert store.connector(enrolled[1]) == ("approved", "acme", "host-a", *mine)
        assert store.rows() == rows
    assert (folder / "store.db").stat().st_mode & 0o777 == 0o600


def start_fails(folder, status=1):
    """Its last words."""
    with Child("adhub-store") as child:
        return last_words(child, [("directory", os.fsencode(folder))], status)


def test_second_store_is_kept_out(store, folder):
    assert "locked" in start_fails(folder, os.EX_TEMPFAIL)
    assert store.connection("") == (0, "", "")


def test_foreign_newer_and_damaged_files(folder):
    path = folder / "store.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()
    before = path.read_bytes()
    assert "another program" in start_fails(folder)
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]
    assert len(path.read_bytes()) == len(before)
    path.unlink()

    with Store(folder) as store:
        store.add("acme")
        store.drain()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert "newer version" in start_fails(folder)

    path.write_bytes(b"not a database" * 1000)
    assert "not a database" in start_fails(folder)
    path.unlink()
    with Store(folder) as store:
        store.add("acme")
        for i in range(2000):
            store.audit(attempt=f"a-{i}")
        store.drain()
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data) - 4096, 8192):
        data[at:at + 64] = secrets.token_bytes(64)
    path.write_bytes(data)
    assert "damaged" in start_fails(folder) or "malformed" in start_fails(folder)


def all_rows(store):
    rows, after = [], 0
    while True:
        page = store.admin("audit_list", str(after), "500")
        if not page["rows"]:
            return rows
        rows += page["rows"]
        after = page["next"]


def test_kill_at_any_point_loses_nothing_answered(folder):
    """Enrolments, logins and changes run while the process is killed, again and again."""
    answered, connections = {}, set()
    with Store(folder) as store:
        store.add("acme")
        tickets = [store.ticket("acme", uses=64, approve="auto-approve")["secret"]
                   for _ in range(3)]
    for round in range(25):
        with Store(folder) as store:
            for mine, (secret, answer) in answered.items():
                assert store.enrol(secret, mine) == answer
            names = {c["identifier"] for c in store.admin("connection_list")["connections"]}
            assert connections <= names
            used = 192 - sum(t["uses_left"] for t in store.admin("ticket_list", "acme")["tickets"])
            held = len(store.admin("connector_list", "acme")["connectors"])
            assert used == held, "a use and its connector stand together"
            assert store.admin("audit_verify")["ok"] is True
            events = [r["event"] for r in all_rows(store)]
            assert events.count("connector_enrol") == held
            assert events.count("connection_add") == len(names)
            killer = None
            try:
                while True:
                    began = time.monotonic()
                    store.audit(attempt="x")
                    if held < 60 and (killer is None or secrets.randbelow(8) == 0):
                        mine, secret = keys(), tickets[round % 3]
                        answered[mine] = (secret, store.enrol(secret, mine))
                        held += 1
                    elif len(names) < 990:
                        name = "c" + secrets.token_hex(8)
                        store.add(name)
                        connections.add(name)
                        names.add(name)
                    # However slow the host: each round has an answer behind it, and
                    # the kill comes anywhere in the two turns that follow.
                    if killer is None:
                        took = time.monotonic() - began
                        killer = threading.Timer(took * round * 2 / 25, os.kill,
                                                 (store.process.pid, signal.SIGKILL))
                        killer.start()
            except (Gone, BrokenPipeError, ConnectionResetError):
                pass
            killer.join()
    assert answered and connections


def pair():
    return {"sign": Key(), "seal": Key()}


def xy(keys):
    return keys["sign"].xy, keys["seal"].xy


def statement(id, old, new, signer=None):
    """What a connector would send, or somebody else as it."""
    payload = rekey_payload(id, "acme", NONCE, TUNNEL_URL, old["sign"].kid, new)
    return {"statement": (signer or old["sign"]).sign("adconnector-rekey+jws", payload),
            "proof": new["sign"].sign("adconnector-rekey-proof+jws", payload)}


def test_new_keys(store):
    old, new = pair(), pair()
    store.add("acme")
    id = store.enrol(store.ticket("acme")["secret"], xy(old))[1]
    assert store.connector(id)[3:] == xy(old) and store.before == (bytes(64), 0)
    stranger = Key()
    assert store.rekey(id, statement(id, old, new, signer=stranger), old["sign"].kid,
                       new) == "rejected"
    assert store.connector(id)[3:] == xy(old)
    good = statement(id, old, new)
    assert store.rekey(id, good, old["sign"].kid, new) == "ok"
    assert store.connector(id)[3:] == xy(new)
    assert store.before[0] == old["seal"].xy and 350 < store.before[1] <= 360
    # Its answer was lost.
    assert store.rekey(id, good, old["sign"].kid, new) == "ok"
    third = pair()
    assert store.rekey(id, statement(id, new, third), new["sign"].kid, third) == "too_many"
    assert [row["event"] for row in store.rows()][-4:] == [
        "connector_enrol", "connector_rekey_refused", "connector_rekey",
        "connector_rekey_refused"]
    rows = store.rows()
    assert [row["reason"] for row in rows[-3:]] == ["signature", "", "too_many"]
    assert new["sign"].kid in rows[-2]["detail"] and old["sign"].kid in rows[-2]["detail"]
    listed = store.admin("connector_list", "acme")["connectors"][0]
    assert (listed["sign_kid"], listed["seal_kid"]) == (new["sign"].kid, new["seal"].kid)
    assert store.admin("audit_verify")["ok"] is True


def test_a_database_from_before_rekeying(folder):
    mine = keys()
    with Store(folder) as store:
        store.add("acme")
        id = store.enrol(store.ticket("acme")["secret"], mine)[1]
        store.drain()
    with sqlite3.connect(folder / "store.db") as db:
        for column in ("seal_before", "rekeyed"):
            db.execute(f"ALTER TABLE connector DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with Store(folder) as store:
        assert store.connector(id) == ("approved", "acme", "host-a", *mine)
        assert store.before == (bytes(64), 0)


def test_killed_while_keys_change(folder):
    """Either the keys before stand there or the new ones, and asking again gets there."""
    was, outcomes = pair(), set()
    with Store(folder) as store:
        store.add("acme")
        id = store.enrol(store.ticket("acme")["secret"], xy(was))[1]
    # How long it takes is the machine's: the kill comes later each time, first at once, at last
    # after the answer.
    for round in range(40):
        new = pair()
        frame = statement(id, was, new)
        with Store(folder) as store:
            killer = threading.Timer(0.0004 * 1.3 ** round, os.kill,
                                     (store.process.pid, signal.SIGKILL))
            killer.start()
            if round == 0:
                killer.join()
            try:
                answer = store.rekey(id, frame, was["sign"].kid, new)
            except (Gone, BrokenPipeError, ConnectionResetError):
                answer = None
            killer.join()
        assert answer in ("ok", None)
        with Store(folder) as store:
            found = store.connector(id)[3:]
            assert found == xy(new) if answer == "ok" else found in (xy(was), xy(new))
            outcomes.add((answer, found == xy(new)))
            assert store.rekey(id, frame, was["sign"].kid, new) == "ok"
            assert store.connector(id)[3:] == xy(new)
            assert [row["event"] for row in all_rows(store)].count("connector_rekey") == round + 1
            assert store.admin("audit_verify")["ok"] is True
        # Six minutes later.
        with sqlite3.connect(folder / "store.db") as db:
            db.execute("UPDATE connector SET rekeyed = rekeyed - 400")
        db.close()
        was = new
        if round >= 15 and answer == "ok":
            break
    assert {answer for answer, _ in outcomes} == {"ok", None}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    path = tmp_path / "small"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=0700", "tmpfs", path],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {made.stderr.strip()}")
    yield path
    subprocess.run(["umount", path], check=True)


def fill(folder):
    """Takes every block that is left."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as out:
        with pytest.raises(OSError):
            while out.write(b"x" * 4096) == 4096:
                pass
            out.write(b"x")
    return filler


def test_full_disk_refuses_and_recovers(small_disk):
    with Store(small_disk) as store:
        store.add("acme")
        ticket = store.ticket("acme", uses=64, approve="auto-approve")
        mine = keys()
        first = store.enrol(ticket["secret"], mine)
        filler = fill(small_disk)
        # What is in the log already may still find room; from some change on it is refused.
        made = []
        with pytest.raises(Refused) as full:
            for i in range(500):
                store.add(f"c-{i}", "d" * 200, PNG)
                made.append(f"c-{i}")
        assert full.value.result == "failed" and "room on its disk" in full.value.text
        left = store.admin("ticket_list", "acme")["tickets"][0]["uses_left"]
        assert store.enrol(ticket["secret"], keys()) == ("failed", "", "", "unknown")
        assert store.admin("ticket_list", "acme")["tickets"][0]["uses_left"] == left
        # Reading goes on, and so does the repeated answer, which writes nothing.
        assert store.ticket_get(ticket["secret"])[0] == "ok"
        assert store.enrol(ticket["secret"], mine) == first
        assert store.connection(f"c-{len(made)}") == (0, "", "")
        said = store.log_text().count("cannot write")
        for i in range(50):
            store.audit(attempt=f"waits-{i}")
        # The group's time passes, and it cannot be written.
        wait_until(lambda: not store.receive(0.02) and store.log_text().count("cannot write") > said,
                   "a group without room", 20)
        filler.unlink()
        assert store.add("after")["identifier"] == "after"
        names = {c["identifier"] for c in store.admin("connection_list")["connections"]}
        assert names == {"acme", "after", *made}
        waited = [r["attempt"] for r in store.rows(after=-300) if r["attempt"].startswith("waits")]
        assert waited == [f"waits-{i}" for i in range(50)]
        assert store.admin("audit_verify")["ok"] is True
        store.drain()
    with Store(small_disk) as store:
        assert store.admin("audit_verify")["ok"] is True


def test_full_disk_at_start(small_disk):
    filler = fill(small_disk)
    assert "store.db" in start_fails(small_disk, os.EX_TEMPFAIL)
    filler.unlink()
    with Store(small_disk) as store:
        store.add("acme")


def test_rows_that_find_no_room_are_counted(small_disk):
    with Store(small_disk) as store:
        filler = fill(small_disk)
        for i in range(11000):
            store.audit(attempt=f"a-{i}", detail="d" * 100)
            if i % 200 == 0:
                store.connection("")
        store.connection("")
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        lost = [r for r in store.rows(after=-100) if r["event"] == "audit_lost"]
        last = store.rows(after=-1)[0]["id"]
        assert lost, "the gap is told"
        n = int(lost[0]["detail"].split()[0])
        assert last - 1 + n == 11000
        assert "being lost" in store.log_text()


# --- the sandbox -----------------------------------------------------------------


def drop_to_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def in_the_box(store):
    status = store.status()
    assert status["CapEff"] == status["CapPrm"] == status["CapAmb"] == "0" * 16
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_sandbox_as_root(store, folder):
    if os.geteuid() != 0:
        pytest.skip("only root can change the root directory")
    in_the_box(store)
    assert os.readlink(f"/proc/{store.process.pid}/root") == str(folder)
    assert store.descriptors() <= 9
    held = [os.readlink(f"/proc/{store.process.pid}/fd/{n}") for n in range(3, 9)]
    assert {name for name in held if name.startswith("/")} == \
        {str(folder / "store.db"), str(folder / "store.db-wal")}


def test_sandbox_as_ordinary_user(tmp_path):
    """No right to change the root directory: Landlock alone keeps it in its folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can start it as somebody else")
    outer = tmp_path
    while outer != outer.parent and outer != outer.root:
        if outer.stat().st_uid == 0 and not outer.stat().st_mode & 0o001:
            outer.chmod(outer.stat().st_mode | 0o011)
        outer = outer.parent
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with Store(folder, before=drop_to_nobody) as store:
        in_the_box(store)
        assert os.readlink(f"/proc/{store.process.pid}/root") == "/"
        store.add("acme")
        store.drain()
    with Store(folder, before=drop_to_nobody) as store:
        assert store.connection("")[1] == "acme"


def test_descriptors_and_memory_stay_level(store):
    store.add("acme")
    ticket = store.ticket("acme")

    def resident():
        with open(f"/proc/{store.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096

    def work(n):
        for i in range(n):
            store.ticket_get(ticket["secret"])
            store.audit(attempt=f"a-{i}")
            store.admin("audit_list", "-20", "20")
            store.enrol("unknown", keys())

    def descriptors():
        return store.descriptors() if os.geteuid() == 0 else None  # others may not look

    work(1000)
    before, memory = descriptors(), resident()
    work(3000)
    assert descriptors() == before
    # A sanitizer keeps what was freed, on purpose.
    assert sanitized("adhub-store") or resident() - memory < 4 << 20
