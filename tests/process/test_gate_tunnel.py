# SPDX-License-Identifier: ISC
"""adhub-gate's tunnels: who gets one, who loses it, and what happens to what was in flight."""

import os
import select
import threading
import time

import pytest

from child import u8
from gate_peers import (APPROVED, PENDING, REVOKED, UNKNOWN, Closed, Connector, Hub, Key, content,
                        jwe_encrypt, until)


@pytest.fixture(scope="module", params=["http", "https"])
def hub(request):
    with Hub(tls=request.param == "https") as hub:
        yield hub


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
           "Sec-WebSocket-Protocol": "adconnector.v1"}


@pytest.mark.parametrize("change,status", [
    ({"Sec-WebSocket-Protocol": None}, 400),
    ({"Sec-WebSocket-Protocol": "chat, adconnector.v2"}, 400),
    ({"Sec-WebSocket-Key": None}, 400),
    ({"Sec-WebSocket-Key": "AAAA"}, 400),
    ({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAAA"}, 400),
    ({"Sec-WebSocket-Version": "8"}, 426),
    ({"Upgrade": None}, 426),
    ({"Connection": "keep-alive"}, 426),
])
def test_upgrades_that_are_refused(hub, change, status):
    headers = {k: v for k, v in {**UPGRADE, **change}.items() if v is not None}
    got, answer = hub.request("GET", "/tunnel", headers=headers)
    assert got == status and answer["error"]["code"] == "bad_request"


def test_a_good_hello_opens_it(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    assert connector.welcome == {"type": "welcome", "time": connector.welcome["time"],
                                 "connectors": 1, "lease": False, "state": "approved"}
    assert abs(connector.welcome["time"] - time.time()) < 3
    assert "Sec-WebSocket-Extensions" not in connector.head
    event = until(lambda: [e for e in hub.store.events if e["id"] == id])[-1]
    assert event == {"up": 1, "id": id, "host": "dc-side", "version": "0.1.0",
                     "address": "127.0.0.1", "why": ""}
    connector.close()
    event = until(lambda: [e for e in hub.store.events if e["id"] == id and not e["up"]])[-1]
    assert event["why"]


def test_each_challenge_is_new(hub):
    nonces = set()
    for _ in range(5):
        connector = Connector(hub, "x", None, greet=False)
        nonces.add(connector.challenge["nonce"])
        connector.close()
    assert len(nonces) == 5


@pytest.mark.parametrize("hello,code", [
    (dict(nonce="A" * 43), 4401),
    (dict(tunnel_url="wss://other.example/tunnel"), 4401),
    (dict(tunnel_url=None), 4401),
    (dict(typ="adconnector-verdict+jws"), 4401),
    (dict(version=""), 4401),
    (dict(version="x" * 65), 4401),
    (dict(host=None), 4401),
    (dict(host="h" * 256), 4401),
    (dict(capabilities="authenticate"), 4401),
    (dict(capabilities=["x"] * 33), 4401),
    (dict(connector_id="somebody-else"), 4401),
    (dict(connector_id=""), 1008),
    (dict(connector_id="a b"), 1008),
    (dict(connector_id="x" * 65), 1008),
    (dict(connector_id=7), 1008),
])
def test_hellos_that_prove_nothing(hub, hello, code):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys, greet=False)
    connector.hello(**hello)
    assert connector.closed() == code


def test_another_connectors_key(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys, greet=False)
    connector.hello(key=Key())
    assert connector.closed() == 4401
    # A proof is good for the socket it was made for.
    first = Connector(hub, id, keys, greet=False)
    second = Connector(hub, id, keys, greet=False)
    second.challenge = first.challenge
    second.hello()
    assert second.closed() == 4401
    first.close()


def test_unknown_and_revoked_connectors(hub):
    for state, code in ((UNKNOWN, 4401), (REVOKED, 4403)):
        id, keys = hub.store.add_connector(state=state)
        connector = Connector(hub, id, keys, greet=False)
        connector.hello()
        assert connector.closed() == code


@pytest.mark.parametrize("first", [
    b"", b"{", b"[]", b'"x"', b"{}", b'{"type":"hello"}', b'{"type":"hello","proof":1}',
    b'{"type":"hello","proof":"a.b.c"}', b'{"type":"hello","type":"hello","proof":"a.b.c"}',
    b'{"type":"result","id":"x","status":"ok"}', b"[" * 100,
])
def test_first_frames_that_are_no_hello(hub, first):
    connector = Connector(hub, "x", None, greet=False)
    connector.send(first)
    assert connector.closed() == 1008


def test_unproven_sockets_get_little(hub):
    connector = Connector(hub, "x", None, greet=False)
    connector.send(b"x" * 4097)
    assert connector.closed() == 1009
    connector = Connector(hub, "x", None, greet=False)
    try:
        for _ in range(200):
            connector.send_frame(9, b"p" * 100)
    except OSError:
        pass
    assert connector.closed() in (1009, None)
    # A large message is refused by its header, before it has come.
    connector = Connector(hub, "x", None, greet=False)
    connector.sock.sendall(b"\x81\xff" + (1 << 20).to_bytes(8, "big") + b"mask" + b"x")
    assert connector.closed() == 1009


@pytest.mark.parametrize("opcode,payload,options,code", [
    (2, b"binary", {}, 1003),
    (1, b"\xff\xfe", {}, 1007),
    (1, b"{}", {"mask": False}, 1002),
    (3, b"", {}, 1002),
    (1, b"{}", {"first": 0xC0}, 1002),
    (9, b"p" * 126, {}, None),
    (1, b"{", {}, 1007),
    (1, b'{"a":1,"a":2}', {}, 1007),
    (1, b"[" * 17 + b"]" * 17, {}, 1007),
    (1, b"[]", {}, 1008),
    (1, b"{}", {}, 1008),
    (1, b'{"type":"hello","proof":"x"}', {}, 1008),
    (1, b'{"type":"result"}', {}, 1008),
])
def test_breaches_of_the_protocol_close_it(hub, opcode, payload, options, code):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    connector.send_frame(opcode, payload, **options)
    assert connector.closed() == code


def test_too_many_pings_close_it(hub):
    """One a second on average, ten at once (docs/tunnel-protocol.md 5)."""
    name = connection_of(hub, "pings")
    id, keys = hub.store.add_connector(name)
    connector = Connector(hub, id, keys)
    for _ in range(10):
        connector.send_frame(9, b"p")
    thread, answers = login(hub, name)
    connector.send(connector.result(connector.json()))
    thread.join()
    assert answers[0][1]["status"] == "ok"
    for _ in range(5):
        connector.send_frame(9, b"p")
    assert connector.closed() == 1008


def test_a_message_over_a_mebibyte_closes_it(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    try:
        connector.send(b" " * ((1 << 20) + 1))
    except OSError:
        pass
    assert connector.closed() in (1009, None)


def test_a_message_in_many_frames(hub):
    """1,024 frames are one message; each more costs the hub memory and is refused."""
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    message = b'{"type":"status","text":"' + b"x" * (1024 - 27) + b'"}'
    assert len(message) == 1024
    for frames, code in (1024, None), (1025, 1009):
        for i in range(frames):
            fin = 0x80 if i == 1023 and code is None else 0
            connector.send_frame(1 if i == 0 else 0, message[i:i + 1], first=fin)
        if code is None:
            connector.send_frame(9, b"still there?")
            assert connector.frame() == (10, b"still there?")
    assert connector.closed() == 1009


def test_a_message_of_many_values(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    connector.send(b'{"type":"status","a":[' + b",".join([b"{}"] * 300000) + b"]}")
    assert connector.closed() == 1007


def test_tunnels_without_end_are_held_out(hub):
    """Twenty at once are welcomed, each a row of the audit, and two a second; then the
    connector has to wait."""
    id, keys = hub.store.add_connector()
    started, refused = time.monotonic(), None
    for n in range(200):
        try:
            Connector(hub, id, keys).close()
        except Closed as end:
            refused = end.args[0]
            break
        until(lambda: [e for e in hub.store.events if e["id"] == id][2 * n + 1:], 5, "its end")
    assert refused == 4429
    assert 20 <= n <= 20 + 2 * (time.monotonic() - started)
    assert len(until(lambda: [r for r in hub.store.rows("tunnel_held_out")
                              if r["connector"] == id])) == 1
    for _ in range(3):
        with pytest.raises(Closed, match="4429"):
            Connector(hub, id, keys)
    # One row for all of them; and others are not touched.
    assert len([r for r in hub.store.rows("tunnel_held_out") if r["connector"] == id]) == 1
    assert len([e for e in hub.store.events if e["id"] == id and e["up"]]) == n
    Connector(hub, *hub.store.add_connector()).close()


def test_frames_it_does_not_know_are_ignored(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    connector.send({"type": "gossip", "text": "x" * 100000})
    connector.send({"type": "status", "text": "x" * 100000})
    connector.send({"type": "result", "id": "nobody-asked", "status": "ok"})
    connector.send_frame(1, b'{"type":"sta', first=0)
    connector.send_frame(0, b'tus"}')
    connector.send_frame(9, b"still there?")
    assert connector.frame() == (10, b"still there?")
    connector.close()


def test_a_frame_before_the_welcome(hub):
    id, keys = hub.store.add_connector()
    hub.store.silent = True
    try:
        connector = Connector(hub, id, keys, greet=False)
        connector.hello()
        connector.send({"type": "status"})
        assert connector.closed() == 1008
    finally:
        hub.store.silent = False


def test_a_second_tunnel_replaces_the_first_and_three_are_held_out(hub):
    id, keys = hub.store.add_connector()
    first = Connector(hub, id, keys)
    second = Connector(hub, id, keys)
    assert first.closed() == 4409
    row = until(lambda: [r for r in hub.store.rows("tunnel_replaced") if r["connector"] == id])[0]
    assert row["connection"] == "corp" and row["address"] == "127.0.0.1"
    third = Connector(hub, id, keys, greet=False)
    third.hello()
    assert third.closed() == 4429
    assert second.closed() == 4429
    assert until(lambda: [r for r in hub.store.rows("tunnel_held_out") if r["connector"] == id])
    fourth = Connector(hub, id, keys, greet=False)
    fourth.hello()
    assert fourth.closed() == 4429
    # For the store it was online all the time, and then no more.
    events = [e["up"] for e in until(lambda: [e for e in hub.store.events if e["id"] == id]
                                     if [e for e in hub.store.events
                                         if e["id"] == id and not e["up"]] else None)]
    assert events == [1, 1, 0]


def test_its_own_successor_is_no_copy(hub):
    """A connector that comes back before the hub has noticed that its old tunnel is dead."""
    id, keys = hub.store.add_connector()
    older = Connector(hub, id, keys)
    for _ in range(5):
        newer = Connector(hub, id, keys, previous=older.challenge["nonce"])
        assert older.closed() == 4409
        older = newer
    # The welcome of the last one was lost: the next still names the tunnel before it.
    lost = Connector(hub, id, keys, previous=older.challenge["nonce"])
    last = Connector(hub, id, keys, previous=older.challenge["nonce"])
    assert lost.closed() == 4409
    assert not [r for r in hub.store.rows("tunnel_replaced") if r["connector"] == id]
    # Who does not know the nonce is a copy, whatever it names.
    copy = Connector(hub, id, keys, previous="A" * 43)
    assert last.closed() == 4409
    assert until(lambda: [r for r in hub.store.rows("tunnel_replaced") if r["connector"] == id])
    held = Connector(hub, id, keys, greet=False)
    held.hello()
    assert held.closed() == 4429
    assert copy.closed() == 4429


def test_a_connector_that_reconnects_is_not_held_out(hub):
    id, keys = hub.store.add_connector()
    for n in range(1, 6):
        Connector(hub, id, keys).close()
        until(lambda: len([e for e in hub.store.events if e["id"] == id]) == 2 * n)


def login(hub, connection="corp", username="alice", recipients=None):
    """An attempt over the control socket, under way in a thread: a list that gets its answer."""
    if recipients is None:
        recipients = hub.admin("GET", f"/api/v1/connections/{connection}/seal-keys")[1]["recipients"]
    jwe = jwe_encrypt(recipients, content(username, connection=connection))
    answer = []
    thread = threading.Thread(target=lambda: answer.append(hub.admin(
        "POST", "/api/v1/login", {"connection": connection, "username": username, "jwe": jwe})))
    thread.start()
    return thread, answer


def connection_of(hub, name):
    with hub.store.lock:
        hub.store.connections[name] = name.upper()
    return name


def test_a_replaced_tunnel_may_finish(hub):
    name = connection_of(hub, "finish")
    id, keys = hub.store.add_connector(name)
    first = Connector(hub, id, keys)
    thread, answer = login(hub, name)
    request = first.json()
    second = Connector(hub, id, keys)
    first.send(first.result(request))
    thread.join()
    assert answer[0][1]["status"] == "ok"
    assert first.closed() == 4409
    second.close()


def test_pending_then_approved_then_revoked(hub):
    name = connection_of(hub, "pending")
    id, keys = hub.store.add_connector(name, state=PENDING)
    connector = Connector(hub, id, keys)
    assert connector.welcome["state"] == "pending"
    assert hub.request("GET", "/login/keys/" + name)[1]["recipients"] == []
    recipient = [{"kid": keys["seal"].kid, "jwk": keys["seal"].public}]
    thread, answer = login(hub, name, recipients=recipient)
    thread.join()
    assert answer[0][1]["status"] == "connector_unavailable", "a pending connector got a login"
    hub.changed(id, APPROVED)
    assert connector.json() == {"type": "state", "state": "approved"}
    keys_now = hub.request("GET", "/login/keys/" + name)[1]
    assert [r["kid"] for r in keys_now["recipients"]] == [keys["seal"].kid]
    assert keys_now["recipients"][0]["jwk"] == keys["seal"].public
    thread, answer = login(hub, name)
    request = connector.json()
    assert request["username"] == "alice"
    hub.changed(id, REVOKED)
    assert connector.closed() == 4403
    thread.join()
    assert answer[0][1]["status"] == "connector_unavailable"
    assert hub.request("GET", "/login/keys/" + name)[1]["recipients"] == []
    again = Connector(hub, id, keys, greet=False)
    again.hello()
    assert again.closed() == 4403


def test_a_removed_connector_loses_its_tunnel(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    hub.changed(id, UNKNOWN)
    assert connector.closed() == 4403


def test_the_store_can_ask_again_who_is_online(hub):
    id, keys = hub.store.add_connector()
    connector = Connector(hub, id, keys)
    until(lambda: [e for e in hub.store.events if e["id"] == id])
    hub.public.send("TUNNEL_REPORT")
    until(lambda: [e["up"] for e in hub.store.events if e["id"] == id] == [1, 1])
    connector.close()


def test_the_welcome_counts_the_connections_tunnels(hub):
    name = connection_of(hub, "count")
    tunnels = [Connector(hub, *hub.store.add_connector(name)) for _ in range(3)]
    assert [t.welcome["connectors"] for t in tunnels] == [1, 2, 3]
    assert len(hub.request("GET", "/login/keys/" + name)[1]["recipients"]) == 3
    for tunnel in tunnels:
        tunnel.close()


def test_at_most_eight_are_sealed_for(hub):
    name = connection_of(hub, "eight")
    tunnels = [Connector(hub, *hub.store.add_connector(name)) for _ in range(10)]
    assert len(hub.request("GET", "/login/keys/" + name)[1]["recipients"]) == 8
    for tunnel in tunnels:
        tunnel.close()


def say(connector, directory):
    """The status, and the certainty that the gate has read it."""
    connector.send({"type": "status", "directory": directory})
    connector.send_frame(9, b"read?")
    assert connector.frame() == (10, b"read?")


def asked(hub, name, connectors, recipients=None):
    """Which of the connectors gets a login, by its place; all are idle then and after."""
    thread, answer = login(hub, name, recipients=recipients)
    ready, _, _ = select.select([c.sock for c in connectors], [], [], 10)
    place = next(n for n, c in enumerate(connectors) if c.sock in ready)
    connectors[place].send(connectors[place].result(connectors[place].json()))
    thread.join()
    assert answer[0][1]["status"] == "ok"
    return place


def test_logins_go_where_the_directory_answers(hub):
    """The one whose directory is away refuses at once and is idle: nobody must be sent there."""
    name = connection_of(hub, "away")
    connectors = [Connector(hub, *hub.store.add_connector(name)) for _ in range(2)]
    first, second = connectors
    assert asked(hub, name, connectors) == 0, "who says nothing counts"
    say(first, "unavailable")
    assert asked(hub, name, connectors) == 1
    # However busy the other is.
    logins = [login(hub, name) for _ in range(5)]
    requests = [second.json() for _ in logins]
    for request in requests:
        second.send(second.result(request))
    for thread, answer in logins:
        thread.join()
        assert answer[0][1]["status"] == "ok"
    # Both are away: as if nothing had been said.
    say(second, "unavailable")
    assert asked(hub, name, connectors) == 0
    say(second, "ok")
    assert asked(hub, name, connectors) == 1
    say(first, "ok")
    assert asked(hub, name, connectors) == 0
    # What is sealed for one alone goes there.
    say(first, "unavailable")
    alone = [{"kid": first.keys["seal"].kid, "jwk": first.keys["seal"].public}]
    assert asked(hub, name, connectors, recipients=alone) == 0
    for connector in connectors:
        connector.close()


@pytest.mark.parametrize("successor", [True, False])
def test_each_tunnel_begins_anew(hub, successor):
    """What was said on the one before holds no more: whose directory is away says so first."""
    name = connection_of(hub, "successor" if successor else "another")
    id, keys = hub.store.add_connector(name)
    old = Connector(hub, id, keys)
    other = Connector(hub, *hub.store.add_connector(name))
    say(old, "unavailable")
    say(other, "unavailable")
    more = {"previous": old.challenge["nonce"]} if successor else {}
    new = Connector(hub, id, keys, **more)
    assert asked(hub, name, [new, other]) == 0
    say(new, "unavailable")
    say(other, "ok")
    assert asked(hub, name, [new, other]) == 1
    new.close()
    other.close()


def test_seal_keys_of_those_whose_directory_answers_come_first(hub):
    name = connection_of(hub, "nine")
    tunnels = [Connector(hub, *hub.store.add_connector(name)) for _ in range(9)]
    for tunnel in tunnels[:8]:
        say(tunnel, "unavailable")
    found = kids(hub, name)
    assert len(found) == 8 and found[0] == tunnels[8].keys["seal"].kid
    assert asked(hub, name, tunnels) == 8
    for tunnel in tunnels:
        tunnel.close()


@pytest.mark.parametrize("frame", [
    {"directory": "failed"}, {"directory": ""}, {"directory": "OK"}, {"directory": 1},
    {"directory": None}, {"directory": ["ok"]}, {"directory": "o" * 33}])
def test_a_status_that_is_none_closes_it(hub, frame):
    connector = Connector(hub, *hub.store.add_connector())
    connector.send({"type": "status", **frame})
    assert connector.closed() == 1008


def test_a_status_of_a_later_version(hub):
    name = connection_of(hub, "later")
    connectors = [Connector(hub, *hub.store.add_connector(name)) for _ in range(2)]
    connectors[0].send({"type": "status", "directory": "unavailable", "more": {"a": 1}})
    connectors[0].send_frame(9, b"x")
    assert connectors[0].frame() == (10, b"x")
    assert asked(hub, name, connectors) == 1
    for connector in connectors:
        connector.close()


def test_a_directory_that_comes_and_goes_fills_no_log(hub):
    connector = Connector(hub, *hub.store.add_connector())
    for n in range(2000):
        connector.send({"type": "status", "directory": ("ok", "unavailable")[n % 2]})
    say(connector, "ok")
    lines = [line for line in hub.public.log_text().splitlines()
             if connector.id in line and "its directory can" in line]
    assert 5 <= len(lines) < 30
    connector.close()


def new_keys():
    return {"sign": Key(), "seal": Key()}


def kids(hub, name):
    return [r["kid"] for r in hub.request("GET", "/login/keys/" + name)[1]["recipients"]]


def test_a_connector_changes_its_keys(hub):
    """From the new tunnel's welcome on clients seal for the new key; what was sealed still opens."""
    name = connection_of(hub, "rekey")
    id, keys = hub.store.add_connector(name)
    old = Connector(hub, id, keys)
    before = hub.request("GET", "/login/keys/" + name)[1]["recipients"]
    thread, first = login(hub, name)
    under_way = old.json()
    new = new_keys()
    frame = old.rekey(new, name)
    old.send(frame)
    assert old.json() == {"type": "rekeyed", "status": "ok", "reason": ""}
    told = hub.store.rekeyed[-1]
    assert told == {"id": id, "tunnel_url": hub.tunnel_url, "nonce": old.challenge["nonce"],
                    "old": keys["sign"].kid, "sign": new["sign"].xy, "seal": new["seal"].xy,
                    "statement": frame["statement"], "proof": frame["proof"],
                    "address": "127.0.0.1"}
    # Its own tunnel goes on as it was, for nothing there opens with the new key yet.
    assert kids(hub, name) == [keys["seal"].kid]
    again = Connector(hub, id, keys, greet=False)
    again.hello()
    assert again.closed() == 4401, "the key before opened a tunnel"
    tunnel = Connector(hub, id, new, previous=old.challenge["nonce"])
    assert kids(hub, name) == [new["seal"].kid]
    old.send(old.result(under_way))
    thread.join()
    assert first[0][1]["status"] == "ok"
    assert old.closed() == 4409
    # Sealed for the key before, by a client that fetched it then.
    thread, answer = login(hub, name, recipients=before)
    request = tunnel.json()
    assert [r["header"]["kid"] for r in request["jwe"]["recipients"]] == [keys["seal"].kid]
    # And a verdict by the key before is none.
    tunnel.send(tunnel.result(request, key=keys["sign"]))
    thread.join()
    assert answer[0][1]["status"] == "internal"
    thread, answer = login(hub, name, recipients=before)
    tunnel.send(tunnel.result(tunnel.json()))
    thread.join()
    assert answer[0][1]["status"] == "ok"
    tunnel.close()


def test_the_key_before_is_forgotten_in_time(hub):
    name = connection_of(hub, "overlap")
    id, keys = hub.store.add_connector(name)
    recipients = [{"kid": keys["seal"].kid, "jwk": keys["seal"].public}]
    new = new_keys()
    with hub.store.lock:
        hub.store.connectors[id].update(sign=new["sign"].xy, seal=new["seal"].xy,
                                        before=(keys["seal"].xy, 2))
    tunnel = Connector(hub, id, new)
    thread, answer = login(hub, name, recipients=recipients)
    tunnel.send(tunnel.result(tunnel.json()))
    thread.join()
    assert answer[0][1]["status"] == "ok"

    def refused():
        thread, answer = login(hub, name, recipients=recipients)
        while thread.is_alive():
            thread.join(0.02)
            if tunnel.waits():
                tunnel.send(tunnel.result(tunnel.json()))
        return answer[0][1]["status"] == "connector_unavailable"
    until(refused)
    tunnel.close()


@pytest.mark.parametrize("result", ["rejected", "too_many", "unavailable"])
def test_new_keys_that_the_store_refuses(hub, result):
    name = connection_of(hub, "refused")
    id, keys = hub.store.add_connector(name)
    tunnel = Connector(hub, id, keys)
    hub.store.rekey_result = result
    try:
        tunnel.send(tunnel.rekey(new_keys(), name))
        answer = tunnel.json()
    finally:
        hub.store.rekey_result = "ok"
    assert answer["type"] == "rekeyed" and answer["status"] == result and answer["reason"]
    assert kids(hub, name) == [keys["seal"].kid]
    tunnel.close()


def test_statements_that_do_not_reach_the_store(hub):
    name = connection_of(hub, "statements")
    before = len(hub.store.rekeyed)
    other, other_keys = hub.store.add_connector(name)
    elsewhere = Connector(hub, other, other_keys)

    def answer(make):
        id, keys = hub.store.add_connector(name)
        tunnel = Connector(hub, id, keys)
        tunnel.send(make(tunnel, new_keys()))
        answer = tunnel.json()
        assert answer["type"] == "rekeyed" and answer["reason"]
        tunnel.close()
        return answer["status"]
    for make in (
            lambda t, n: t.rekey(n, name, signer=Key()),
            lambda t, n: t.rekey(n, name, signer=n["sign"]),
            lambda t, n: t.rekey(n, name, signer=other_keys["sign"]),
            lambda t, n: t.rekey(n, name, prover=Key()),
            lambda t, n: t.rekey(n, name, prover=t.keys["sign"]),
            lambda t, n: t.rekey(n, "corp"),
            lambda t, n: t.rekey(n, name, connector_id=other),
            lambda t, n: t.rekey(n, name, nonce=elsewhere.challenge["nonce"]),
            lambda t, n: t.rekey(n, name, tunnel_url="wss://other.example/tunnel"),
            lambda t, n: t.rekey(n, name, old=n["sign"].kid),
            lambda t, n: t.rekey(n, name, seal=n["sign"].public),
            lambda t, n: t.rekey(n, name, more=1),
            lambda t, n: dict(t.rekey(n, name), more=1),
            lambda t, n: {"type": "rekey"},
            lambda t, n: {"type": "rekey", "statement": "a.b.c", "proof": "a.b.c"},
            lambda t, n: dict(t.rekey(n, name), statement=[1])):
        assert answer(make) == "rejected"
    assert len(hub.store.rekeyed) == before
    # A statement is good on the tunnel that it was made for.
    id, keys = hub.store.add_connector(name)
    first = Connector(hub, id, keys)
    frame = first.rekey(new_keys(), name)
    thread, _ = login(hub, name, recipients=[{"kid": keys["seal"].kid,
                                              "jwk": keys["seal"].public}])
    under_way = first.json()
    second = Connector(hub, id, keys, previous=first.challenge["nonce"])
    second.send(frame)
    assert second.json()["status"] == "rejected"
    # And only on the one that is in use.
    first.send(frame)
    assert first.json()["status"] == "too_many"
    assert len(hub.store.rekeyed) == before
    first.send(first.result(under_way))
    thread.join()
    second.close()
    elsewhere.close()


def test_new_keys_without_end_are_not_looked_at(hub):
    name = connection_of(hub, "often")
    id, keys = hub.store.add_connector(name)
    tunnel = Connector(hub, id, keys)
    for _ in range(20):
        tunnel.send({"type": "rekey", "statement": "a.b.c", "proof": "a.b.c"})
    words = [tunnel.json()["status"] for _ in range(20)]
    assert words[:3] == ["rejected"] * 3 and words[3:] == ["too_many"] * 17
    tunnel.close()


def test_a_tunnel_that_ends_while_keys_change(hub):
    name = connection_of(hub, "gone")
    id, keys = hub.store.add_connector(name)
    hub.store.rekey_result = "silent"
    try:
        tunnel = Connector(hub, id, keys)
        asked = len(hub.store.rekeyed)
        tunnel.send(tunnel.rekey(new_keys(), name))
        until(lambda: len(hub.store.rekeyed) > asked)
        tunnel.close()
        until(lambda: [e for e in hub.store.events if e["id"] == id and not e["up"]])
        # It has not hurt.
        other = Connector(hub, id, keys)
        # One at a time; and without the store's word nobody knows what became of it.
        new = new_keys()
        other.send(other.rekey(new, name))
        other.send(other.rekey(new, name))
        assert other.json()["status"] == "too_many"
        assert other.json()["status"] == "unavailable"
        other.close()
    finally:
        hub.store.rekey_result = "ok"


def test_tunnels_do_not_use_up_the_places_of_clients(hub):
    name = connection_of(hub, "places")
    tunnels = [Connector(hub, *hub.store.add_connector(name)) for _ in range(64)]
    assert hub.request("GET", "/healthz")[0] == 200
    one_more = Connector(hub, *hub.store.add_connector(name), greet=False)
    one_more.hello()
    assert one_more.closed() == 4503
    for tunnel in tunnels:
        tunnel.close()


def test_the_store_is_away():
    with Hub(control=False) as hub:
        id, keys = hub.store.add_connector()
        hub.store.answer = lambda message: ("UNANSWERED", u8(18))
        connector = Connector(hub, id, keys, greet=False)
        connector.hello()
        assert connector.closed() == 4503


def test_rubbish_does_not_harm(hub):
    other = Connector(hub, *hub.store.add_connector(connection_of(hub, "rubbish")))
    for n in range(30):
        connector = Connector(hub, *hub.store.add_connector("rubbish"))
        try:
            connector.sock.sendall(os.urandom(3000))
        except OSError:
            pass
        connector.close()
    assert hub.request("GET", "/healthz")[0] == 200
    other.send_frame(9, b"x")
    assert other.frame() == (10, b"x")
    other.close()


def test_waits():
    """5 s for a proof; a ping after 15 s and the end 5 s later; 10 s for a replaced tunnel."""
    with Hub() as hub:
        begin = time.monotonic()
        silent = Connector(hub, "x", None, greet=False)
        name = connection_of(hub, "slow")
        dead = Connector(hub, *hub.store.add_connector(connection_of(hub, "dead")))
        alive = Connector(hub, *hub.store.add_connector())
        id, keys = hub.store.add_connector(name)
        replaced = Connector(hub, id, keys)
        thread, answer = login(hub, name)
        replaced.json()
        newer = Connector(hub, id, keys)
        assert silent.closed() == 1008
        assert 4 < time.monotonic() - begin < 7
        assert replaced.closed() == 4409
        assert 9 < time.monotonic() - begin < 13
        thread.join()
        assert answer[0][1]["status"] == "connector_unavailable"
        dead.sock.settimeout(30)
        assert dead.frame() == (9, b"")
        assert 14 < time.monotonic() - begin < 18
        alive.sock.settimeout(30)
        assert alive.frame() == (9, b"")
        alive.send_frame(10, b"")
        with pytest.raises((Closed, OSError)):
            while True:
                dead.frame()
        assert 19 < time.monotonic() - begin < 23
        until(lambda: "no answer to a ping" in hub.public.log_text())
        alive.send_frame(9, b"x")
        assert alive.frame() == (10, b"x")
        newer.close()
