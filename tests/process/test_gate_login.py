# SPDX-License-Identifier: ISC
"""Logins through adhub-gate: what is believed, what the public is told, what remains of a password."""

import json
import os
import re
import socket
import statistics
import threading
import time

import pytest

from child import STATUS, s, sanitized
from gate_peers import Connector, Hub, Key, b64, content, jwe_encrypt, until
from test_gate_tunnel import connection_of, login

SUB = "11111111-2222-3333-4444-555555555555"
PROFILE = json.dumps({"id": SUB, "displayName": "Ålice \"A\" \u2603"})


class Answering:
    """A connector that answers each attempt in a thread of its own."""

    def __init__(self, hub, answer, connection="corp"):
        self.requests = []
        self.connector = Connector(hub, *hub.store.add_connector(connection))
        self.answer = answer
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                request = self.connector.json(60)
                self.requests.append(request)
                result = self.answer(self.connector, request)
                if result is not None:
                    self.connector.send(result)
        except Exception:  # the test closes the socket under it
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.connector.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.connector.close()
        # The gate has noticed when it says so: the next test has the connection to itself.
        until(lambda: [e for e in self.connector.hub.store.events
                       if e["id"] == self.connector.id and not e["up"]])


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        yield hub


def good(connector, request):
    return connector.result(request, profile=PROFILE)


# --- verify-user -----------------------------------------------------------------------


def test_verify_user(hub):
    with Answering(hub, good) as connector:
        status, answer = hub.verify("alice", "pass wörd")
        assert status == 200
        assert answer == {"code": 200, "status": "ok", "message": "logged in",
                          "data": json.loads(PROFILE)}
        request = connector.requests[0]
        assert request["id"] == request["attempt"] and len(request["id"]) == 22
        assert set(request) == {"id", "type", "deadline_ms", "attempt", "connection", "username",
                                "jwe"}
        assert request["type"] == "authenticate" and 9900 < request["deadline_ms"] <= 10000
        assert (request["connection"], request["username"]) == ("corp", "alice")
        sealed = connector.connector.password(request)
        assert sealed.pop("iat") == pytest.approx(time.time(), abs=3)
        assert len(sealed.pop("jti")) >= 22
        assert sealed == {"v": 1, "op": "authenticate", "connection": "corp", "username": "alice",
                          "password": "pass wörd"}
        row = until(lambda: [r for r in hub.store.rows("login") if r["attempt"] == request["id"]])[0]
        assert row == {"event": "login", "connection": "corp", "connector": connector.connector.id,
                       "username": "alice", "attempt": request["id"], "status": "ok",
                       "proven": True, "reason": "", "face": "verify-user",
                       "address": "127.0.0.1", "detail": "", "found": True}


def test_what_sdks_send_besides_is_no_error(hub):
    with Answering(hub, good):
        body = {"username": "alice", "password": "x", "clientIp": "1.2.3.4", "withCustomData": True}
        headers = {"x-authing-app-id": "", "x-authing-userpool-id": "p", "Content-Type": "text/plain"}
        assert hub.request("POST", "/api/v2/ad/verify-user", body, headers)[1]["code"] == 200


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", {}, {"username": "a"}, {"password": "a"}, {"username": "", "password": "a"},
    {"username": "a", "password": 1}, {"username": "a" * 1025, "password": "a"},
    {"username": "a", "password": "a" * 4097}, {"username": "a\0b", "password": "a"},
    b'{"username":"a","username":"b","password":"c"}', b'{"username":"\xff","password":"c"}',
])
def test_verify_user_with_bad_bodies(hub, body):
    with Answering(hub, good) as connector:
        status, answer = hub.request("POST", "/api/v2/ad/verify-user", body)
        assert (status, answer["code"], answer["data"]) == (400, 400, None)
        assert answer["status"] == "bad_request" and answer["message"]
        assert connector.requests == []


def test_longest_names_and_passwords(hub):
    with Answering(hub, good) as connector:
        password = "\u2603" * 1365 + "x"
        assert hub.verify("n" * 1024, password)[1]["code"] == 200
        assert connector.connector.password(connector.requests[0])["password"] == password
        assert hub.verify("n", "")[1]["code"] == 200
        assert connector.connector.password(connector.requests[1])["password"] == ""


def test_which_connection(hub):
    status, answer = hub.verify("a", "b", {"x-authing-app-id": "app"})
    assert (status, answer["code"], answer["message"]) == (400, 400, "unknown application")
    hub.store.connections["second"] = "Second"
    try:
        status, answer = hub.verify("a", "b")
        assert (status, answer["code"]) == (400, 400) and "several" in answer["message"]
    finally:
        del hub.store.connections["second"]
    saved = dict(hub.store.connections)
    hub.store.connections.clear()
    status, answer = hub.verify("a", "b")
    hub.store.connections.update(saved)
    assert (status, answer["code"]) == (400, 400)


def test_nobody_is_online(hub):
    status, answer = hub.verify("nobody-online", "b")
    assert status == 200
    assert answer == {"code": 503, "status": "connector_unavailable", "data": None,
                      "message": "cannot log in now, try again later"}
    row = until(lambda: [r for r in hub.store.rows("login") if r["username"] == "nobody-online"])[0]
    assert (row["status"], row["proven"]) == ("connector_unavailable", False)


UNPROVEN = ["invalid_credentials", "logon_hours", "workstation_denied", "password_expired",
            "password_must_change", "account_disabled", "account_expired", "account_locked",
            "lockout_protected", "not_allowed", "ambiguous_user", "password_policy"]


def test_unproven_refusals_all_look_alike(hub):
    statuses = iter(UNPROVEN * 2)
    with Answering(hub, lambda c, r: c.result(r, next(statuses), False, profile=None, reason="why",
                                              sub=SUB if r["username"] == "x" else None)):
        answers = [hub.verify(name, "b") for name in "xy" for _ in UNPROVEN]
    expected = {"code": 401, "status": "invalid_credentials", "data": None,
                "message": "unknown user or wrong password"}
    assert answers == [(200, expected)] * len(answers)
    seen = {r["status"] for r in hub.store.rows("login")}
    assert set(UNPROVEN) <= seen, "the audit has the truth"
    assert any(r["reason"] == "why" for r in hub.store.rows("login"))
    found = {(r["username"], r["found"]) for r in hub.store.rows("login") if r["reason"] == "why"}
    assert found == {("x", True), ("y", False)}, "only who was found is named in the audit"


@pytest.mark.parametrize("status", ["bad_request", "unsupported", "directory_unavailable", "timeout",
                                    "connector_unavailable", "internal"])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_nobodys_fault_is_never_called_a_wrong_password(hub, status, signed):
    def answer(connector, request):
        result = connector.result(request, status, False, profile=None, sub=None)
        if not signed:
            del result["verdict"]
        return result

    with Answering(hub, answer):
        assert hub.verify("a", "b") == (200, {
            "code": 503, "status": "connector_unavailable", "data": None,
            "message": "cannot log in now, try again later"})


@pytest.mark.parametrize("status", ["password_expired", "password_must_change", "account_disabled",
                                    "account_expired", "logon_hours", "workstation_denied",
                                    "not_allowed"])
def test_a_proven_refusal_is_explained(hub, status):
    with Answering(hub, lambda c, r: c.result(r, status, True, profile=PROFILE)):
        got, answer = hub.verify("a", "b")
        assert (got, answer["code"], answer["status"], answer["data"]) == (200, 403, status, None)
        assert answer["message"] not in ("", "unknown user or wrong password")


# --- what is believed ------------------------------------------------------------------


def forged(**changes):
    return lambda c, r: c.result(r, **{"profile": PROFILE, **changes})


def without(member):
    def answer(connector, request):
        result = connector.result(request, profile=PROFILE)
        del result[member]
        return result
    return answer


@pytest.mark.parametrize("answer", [
    forged(key=Key()),
    forged(typ="adconnector-hello+jws"),
    forged(typ="JWT"),
    forged(attempt="A" * 22),
    forged(attempt=None),
    forged(connection="other"),
    forged(username="Alice"),
    forged(username="alice "),
    forged(status="fine"),
    forged(status=None),
    forged(proven=False),
    forged(proven="true"),
    forged(proven=1),
    forged(reason=None),
    forged(reason="r" * 513),
    forged(sub=None),
    forged(sub="alice"),
    forged(sub=SUB.upper().replace("1", "A")),
    forged(status="invalid_credentials", proven=True),
    forged(status="lockout_protected", proven=True),
    forged(frame={"profile": PROFILE + " "}),
    forged(frame={"profile": {"id": SUB}}),
    forged(frame={"verdict": 1}),
    forged(frame={"verdict": ""}),
    forged(frame={"verdict": "a.b.c"}),
    forged(frame={"verdict": None}),
    forged(profile="[]"),
    forged(profile="{"),
    forged(profile='{"a":1,"a":2}'),
    without("profile"),
    without("verdict"),
    lambda c, r: {"id": r["id"], "type": "result", "status": "ok", "proven": True,
                  "profile": PROFILE},
    lambda c, r: {"id": r["id"], "type": "result", "status": "invalid_credentials"},
    lambda c, r: {"id": r["id"], "type": "result", "status": "account_locked"},
    lambda c, r: {"id": r["id"], "type": "result", "status": "ok?"},
    lambda c, r: {"id": r["id"], "type": "result"},
], ids=lambda _: "")
def test_results_that_prove_nothing_are_internal(hub, answer):
    before = len(hub.store.rows("verdict_refused"))
    with Answering(hub, answer) as connector:
        recipients = hub.request("GET", "/login/keys/corp")[1]["recipients"]
        thread, answers = login(hub, recipients=recipients)
        thread.join()
    status, got = answers[0]
    assert (status, got["status"], got["proven"], got["user"]) == (200, "internal", False, None)
    rows = hub.store.rows("verdict_refused")
    assert len(rows) == before + 1
    assert rows[-1]["connector"] == connector.connector.id and rows[-1]["detail"]
    assert rows[-1]["attempt"] == connector.requests[0]["id"]


def test_the_frame_cannot_say_more_than_the_verdict(hub):
    """status, proven and reason beside a verdict are not looked at."""
    with Answering(hub, forged(status="invalid_credentials", proven=False, reason="wrong password",
                               frame={"status": "ok", "proven": True, "reason": "fine"},
                               profile=None)):
        thread, answers = login(hub)
        thread.join()
    assert answers[0][1]["status"] == "invalid_credentials"
    assert answers[0][1]["reason"] == "wrong password"


def test_administrators_see_all(hub):
    with Answering(hub, forged(status="account_disabled", reason="because")) as connector:
        thread, answers = login(hub, username="bob")
        thread.join()
    assert answers[0] == (200, {"status": "account_disabled", "proven": True, "reason": "because",
                                "attempt": connector.requests[0]["id"],
                                "user": json.loads(PROFILE)})
    row = [r for r in hub.store.rows("login") if r["username"] == "bob"][-1]
    assert (row["face"], row["reason"], row["address"]) == ("control", "because", "local")


def test_a_big_profile_comes_through(hub):
    profile = json.dumps({"id": SUB, "groups": [{"id": SUB, "name": f"group {n}"}
                                                for n in range(8000)]})
    assert 500_000 < len(profile) < 768 * 1024
    with Answering(hub, forged(profile=profile)):
        assert hub.verify("a", "b")[1]["data"] == json.loads(profile)
        thread, answers = login(hub)
        thread.join()
        assert answers[0][1]["user"] == json.loads(profile)
    with Answering(hub, forged(profile=json.dumps({"x": "y" * 768 * 1024}))):
        assert hub.verify("a", "b")[1]["code"] == 503


def test_late_double_and_foreign_results_are_dropped(hub):
    first = Connector(hub, *hub.store.add_connector())
    thread, answers = login(hub)
    request = first.json()
    second = Connector(hub, *hub.store.add_connector())
    # The second was not asked; its signature is good, but by another key.
    second.send(second.result(request, profile=PROFILE))
    second.send(first.result(request, profile=PROFILE))
    second.send_frame(9, b"read")
    assert second.frame() == (10, b"read")
    assert answers == []
    result = first.result(request, "account_expired", True, profile=PROFILE)
    first.send(result)
    thread.join()
    assert answers[0][1]["status"] == "account_expired"
    first.send(result)
    first.send(first.result(request, profile=PROFILE))
    thread, answers = login(hub, recipients=[{"kid": first.keys["seal"].kid,
                                              "jwk": first.keys["seal"].public}])
    request = first.json()
    first.send(first.result(request, profile=PROFILE))
    thread.join()
    assert answers[0][1]["status"] == "ok"
    # The end of a tunnel comes behind all rows before it.
    second.close()
    first.close()
    until(lambda: [e for e in hub.store.events if e["id"] == first.id and not e["up"]])
    rows = [r["status"] for r in hub.store.rows("login") if r["connector"] == first.id]
    assert rows == ["account_expired", "ok"]
    until(lambda: "3 results came that nobody waited for" not in hub.public.log_text() and
          "2 results came that nobody waited for" in hub.public.log_text())


def test_no_answer_in_time():
    with Hub() as hub:
        with Answering(hub, lambda c, r: None):
            begin = time.monotonic()
            answers = []
            public = threading.Thread(target=lambda: answers.append(hub.verify("a", "b")))
            public.start()
            thread, admin = login(hub)
            thread.join()
            public.join()
            assert 10.5 < time.monotonic() - begin < 14
            assert admin[0][1]["status"] == "timeout"
            assert answers[0][1]["code"] == 503


# --- which connector ----------------------------------------------------------------------


def test_the_least_loaded_connector_is_asked(hub):
    name = connection_of(hub, "load")
    connectors = [Connector(hub, *hub.store.add_connector(name)) for _ in range(3)]
    logins = [login(hub, name) for _ in range(9)]
    # Nothing is answered before all are under way.
    requests = [(connector, connector.json()) for connector in connectors for _ in range(3)]
    for connector, request in requests:
        connector.send(connector.result(request))
    for thread, answers in logins:
        thread.join()
        assert answers[0][1]["status"] == "ok"
    for connector in connectors:
        connector.close()


def test_only_those_it_is_sealed_for_are_asked(hub):
    name = connection_of(hub, "sealed")
    one = Connector(hub, *hub.store.add_connector(name))
    two = Connector(hub, *hub.store.add_connector(name))
    for connector in (two, one, two, two):
        thread, answers = login(hub, name, recipients=[{"kid": connector.keys["seal"].kid,
                                                        "jwk": connector.keys["seal"].public}])
        connector.send(connector.result(connector.json()))
        thread.join()
        assert answers[0][1]["status"] == "ok"
    stranger = Key()
    thread, answers = login(hub, name, recipients=[{"kid": stranger.kid, "jwk": stranger.public}])
    thread.join()
    assert answers[0][1]["status"] == "connector_unavailable"
    one.close()
    two.close()


def test_a_sealed_text_is_good_for_one_attempt(hub):
    """Wherever it would go: another connector has never seen the first."""
    name = connection_of(hub, "replayed")
    connector = Connector(hub, *hub.store.add_connector(name))
    jwe = jwe_encrypt([{"kid": connector.keys["seal"].kid, "jwk": connector.keys["seal"].public}],
                      content("alice", connection=name))
    body = {"connection": name, "username": "alice", "jwe": jwe}
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(hub.admin("POST", "/api/v1/login", body)))
    thread.start()
    connector.send(connector.result(connector.json()))
    thread.join()
    assert answers[0][1]["status"] == "ok"
    again = hub.admin("POST", "/api/v1/login", body)[1]
    assert (again["status"], again["reason"]) == ("bad_request", "sealed_used")
    # Nor did it get there: the next that does is one of its own.
    thread, answers = login(hub, name, username="bob")
    request = connector.json()
    assert request["username"] == "bob"
    connector.send(connector.result(request))
    thread.join()
    connector.close()


def test_only_what_was_not_written_goes_to_another_connector():
    """A stalled connector dies: each attempt either reached it or goes to the other, never both."""
    with Hub(control=False) as hub:
        done, twice = {}, []

        def on_done(message):
            if message.id in done:
                twice.append(message.id)
            done[message.id] = list(STATUS)[message.reader().u8()]

        hub.on_login_done = on_done
        first, other = hub.store.add_connector(), hub.store.add_connector()
        recipients = [{"kid": k["seal"].kid, "jwk": k["seal"].public}
                      for k in (first[1], other[1])]
        total = 150
        logins = []
        for n in range(total):  # before anybody waits: it takes longer than sending
            text = content("alice")
            text["password"] = "x" * 4000
            sealed = jwe_encrypt(recipients, text)
            sealed["ciphertext"] = b64(os.urandom(16000))
            logins.append(s("corp") + s(f"user{n}") + s(json.dumps(sealed)))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", hub.port))
        stalled = Connector(hub, *first, sock=sock)
        for n, login in enumerate(logins):
            hub.public.send("LOGIN", login, id=n + 1)
        rescuer = Connector(hub, *other)
        asked = []

        def rescue():
            try:
                while True:
                    request = rescuer.json(60)
                    asked.append(request["username"])
                    rescuer.send(rescuer.result(request))
            except Exception:
                pass

        thread = threading.Thread(target=rescue, daemon=True)
        thread.start()
        stalled.sock.shutdown(socket.SHUT_RDWR)
        stalled.close()
        until(lambda: len(done) == total, 10, "all answers")
        lost = {f"user{id - 1}" for id, status in done.items() if status == "connector_unavailable"}
        ok = {f"user{id - 1}" for id, status in done.items() if status == "ok"}
        assert lost and ok and len(lost) + len(ok) == total
        assert sorted(asked) == sorted(ok) and not twice
        # What was written came first.
        assert max(int(u[4:]) for u in lost) < min(int(u[4:]) for u in ok)
        rescuer.close()


# --- the faces for clients that seal by themselves --------------------------------------------


def test_keys_and_verify(hub):
    with Answering(hub, good) as connector:
        status, keys = hub.request("GET", "/login/keys/corp")
        assert status == 200 and set(keys) == {"time", "connection", "display_name", "recipients"}
        assert keys["display_name"] == "Example Corp"

        def body():
            """A sealed text is good for one attempt."""
            return {"connection": "corp", "username": "alice",
                    "jwe": jwe_encrypt(keys["recipients"], content("alice", "geheim"))}

        first = body()
        assert hub.request("POST", "/login/verify", first) == (200, {
            "status": "ok", "proven": True, "message": "logged in", "user": json.loads(PROFILE)})
        assert connector.connector.password(connector.requests[0])["password"] == "geheim"
        assert connector.requests[0]["jwe"] == first["jwe"]
        connector.answer = lambda c, r: c.result(r, "account_locked", False, profile=None)
        assert hub.request("POST", "/login/verify", body()) == (200, {
            "status": "invalid_credentials", "proven": False, "user": None,
            "message": "unknown user or wrong password"})
        connector.answer = lambda c, r: c.result(r, "password_expired", True, profile=PROFILE)
        status, answer = hub.request("POST", "/login/verify", body())
        assert (answer["status"], answer["proven"], answer["user"]) == ("password_expired", True,
                                                                        None)
    assert hub.store.rows("login")[-1]["face"] == "login"


def test_unknown_connections(hub):
    for name in ("nothing", "UPPER", "a" * 65, "a_b"):
        assert hub.request("GET", "/login/keys/" + name)[0] == 404
    jwe = jwe_encrypt([{"kid": Key().kid, "jwk": Key().public}], content("a"))
    status, answer = hub.request("POST", "/login/verify",
                                 {"connection": "nothing", "username": "a", "jwe": jwe})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    thread, answers = login(hub, "nothing", recipients=[{"kid": Key().kid, "jwk": Key().public}])
    thread.join()
    assert answers[0][1]["status"] == "bad_request"
    hub.store.admin_answer = lambda *_: ("not_found", "connection nothing: there is none", b"")
    assert hub.admin("GET", "/api/v1/connections/nothing/seal-keys")[0] == 404
    hub.store.admin_answer = lambda *_: ("ok", "", b'{"identifier":"corp"}')
    status, answer = hub.admin("GET", "/api/v1/connections/corp/seal-keys")
    assert (status, answer["recipients"], answer["connection"]) == (200, [], "corp")


def broken(change):
    key = Key()
    sealed = jwe_encrypt([{"kid": key.kid, "jwk": key.public}], content("a"))
    change(sealed)
    return sealed


@pytest.mark.parametrize("change", [
    lambda j: j.clear(),
    lambda j: j.update(recipients=[]),
    lambda j: j.update(recipients=j["recipients"] * 9),
    lambda j: j.update(recipients=j["recipients"] * 2),
    lambda j: j.update(more=1),
    lambda j: j.update(protected="e30"),
    lambda j: j.update(iv="AAAA"),
    lambda j: j.update(tag=""),
    lambda j: j.update(ciphertext=""),
    lambda j: j.update(ciphertext="!"),
    lambda j: j["recipients"][0]["header"].update(alg="dir"),
    lambda j: j["recipients"][0]["header"].update(kid="short"),
    lambda j: j["recipients"][0]["header"].pop("epk"),
    lambda j: j["recipients"][0].update(encrypted_key="AA"),
], ids=lambda _: "")
def test_sealed_texts_of_another_form_go_nowhere(hub, change):
    with Answering(hub, good) as connector:
        status, answer = hub.request("POST", "/login/verify", {
            "connection": "corp", "username": "a", "jwe": broken(change)})
        assert (status, answer["error"]["code"]) == (400, "bad_request")
        assert connector.requests == []


# --- limits and pace ---------------------------------------------------------------------------


def test_throttled_by_address():
    with Hub(control=False, throttle=(3, 0, 0)) as hub:
        with Answering(hub, good) as connector:
            assert [hub.verify(f"u{n}", "x")[0] for n in range(5)] == [200, 200, 200, 429, 429]
            assert hub.verify("u", "x")[1] == {"code": 429, "status": "too_many", "data": None,
                                               "message": "too many attempts, try again later"}
            jwe = jwe_encrypt([{"kid": Key().kid, "jwk": Key().public}], content("a"))
            body = {"connection": "corp", "username": "a", "jwe": jwe}
            status, answer = hub.request("POST", "/login/verify", body)
            assert (status, answer["error"]["code"]) == (429, "too_many")
            assert len(connector.requests) == 3
            until(lambda: hub.store.rows("throttled"))


def test_throttled_by_name():
    with Hub(control=False, throttle=(0, 2, 0)) as hub:
        hub.store.connections["corp"] = "Example Corp"
        with Answering(hub, good):
            names = ["Alice", "alice ", "ALICE", "bob", "alice"]
            assert [hub.verify(name, "x")[0] for name in names] == [200, 200, 429, 200, 429]
            until(lambda: hub.store.rows("throttled"))
            assert hub.store.rows("throttled")[0]["username"] == ""


def test_throttled_by_connection():
    with Hub(control=False, throttle=(0, 0, 4)) as hub:
        with Answering(hub, good):
            assert [hub.verify(f"u{n}", "x")[0] for n in range(6)] == [200] * 4 + [429] * 2


def test_time_does_not_tell_who_exists():
    """Unknown names are answered at the pace of refused binds, which the gate has to learn."""
    with Hub(control=False) as hub:
        def answer(connector, request):
            exists = request["username"].startswith("known")
            time.sleep(0.040 if exists else 0.001)
            return connector.result(request, "invalid_credentials", False, profile=None,
                                    sub=SUB if exists else None)

        with Answering(hub, answer):
            def took(name):
                begin = time.monotonic()
                assert hub.verify(name, "x")[1]["code"] == 401
                return time.monotonic() - begin

            # Before anything is known, all take the same, long time.
            cold = [took("unknown"), took("known"), took("unknown")]
            assert min(cold) > 0.24
            for _ in range(10):
                took("known")
            known, unknown = [], []
            for n in range(40):
                known.append(took(f"known{n}"))
                unknown.append(took(f"unknown{n}"))
            # Without the pace it would be a fortieth.
            assert min(unknown) > 0.038 and min(known) > 0.039
            assert 0.8 < statistics.median(unknown) / statistics.median(known) < 1.25


def test_a_proven_answer_is_not_held():
    with Hub(control=False) as hub:
        with Answering(hub, good):
            # No answer has taught this hub a pace: each that it held would take 250 ms.
            def took():
                begin = time.monotonic()
                assert hub.verify("a", "b")[1]["code"] == 200
                return time.monotonic() - begin

            assert min(took() for _ in range(8)) < 0.2


def test_a_client_that_goes_does_not_harm():
    release = threading.Event()

    def answer(connector, request):
        release.wait(10)
        return good(connector, request)

    with Hub(control=False) as hub:
        with Answering(hub, answer) as connector:
            body = json.dumps({"username": "gone", "password": "x"})
            with hub.connect() as sock:
                sock.sendall(f"POST /api/v2/ad/verify-user HTTP/1.1\r\nHost: x\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
                until(lambda: connector.requests)
            release.set()
            until(lambda: [r for r in hub.store.rows("login") if r["username"] == "gone"])
            assert hub.verify("a", "b")[1]["code"] == 200


# --- what remains -----------------------------------------------------------------------------


def memory_holds(pid, needle):
    """Whether the writable memory of a process holds these bytes; root only."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found or "[vvar]" in line:
                continue
            begin, end = (int(x, 16) for x in found.groups())
            if end - begin > 1 << 30:
                continue  # only a sanitizer's shadow is that large
            try:
                mem.seek(begin)
                if needle in mem.read(end - begin):
                    return True
            except (OSError, ValueError):
                pass
    return False


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to read another process's memory")
@pytest.mark.parametrize("tls", [False, True])
def test_no_password_remains_in_memory(tls):
    if sanitized("adhub-gate"):
        pytest.skip("a sanitizer keeps what was freed, on purpose")
    with Hub(tls=tls, control=False) as hub:
        pid = hub.public.process.pid
        release = threading.Event()
        seen = threading.Event()

        def answer(connector, request):
            seen.set()
            release.wait(10)
            return good(connector, request)

        passwords = ["Unm1stakable-" + os.urandom(12).hex() for _ in range(3)]
        with Answering(hub, answer):
            for password in passwords:
                seen.clear()
                release.clear()
                answers = []
                thread = threading.Thread(
                    target=lambda p=password: answers.append(hub.verify("remains", p)))
                thread.start()
                assert seen.wait(10)
                # While the attempt is under way, and after its answer.
                assert not memory_holds(pid, password.encode()), "in clear while it waits"
                assert memory_holds(pid, b"remains"), "the search itself works"
                release.set()
                thread.join()
                assert answers[0][1]["code"] == 200
            for password in passwords:
                assert not memory_holds(pid, password.encode())
                assert not memory_holds(pid, password.encode("utf-16-le"))
        # Refused ones, and one that nobody could take.
        for body in (b'{"username":"a","password":"%s"', b'{"username":1,"password":"%s"}',
                     b'{"username":"a","password":"%s"}'):
            password = b"Unm1stakable-" + os.urandom(12).hex().encode()
            hub.request("POST", "/api/v2/ad/verify-user", body % password)
            assert not memory_holds(pid, password)
        # Half a request.
        password = b"Unm1stakable-" + os.urandom(12).hex().encode()
        with hub.connect() as sock:
            sock.sendall(b"POST /api/v2/ad/verify-user HTTP/1.1\r\nHost: x\r\n"
                         b'Content-Length: 999\r\n\r\n{"username":"a","password":"' + password)
            until(lambda: memory_holds(pid, password), what="its arrival")
        until(lambda: not memory_holds(pid, password), what="its wiping")
        assert password.decode() not in hub.public.log_text()
