#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What each fuzz target begins with: made from the data of the unit tests, RFC vectors among
them, so that a case which is added there is a seed as well.

    tests/fuzz/seeds.py FOLDER     writes FOLDER/TARGET/NUMBER
"""

import base64
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED_MAX = 8192

LITERALS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
ONE = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]+|[0-7]{1,3}|.)", re.S)
LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f",
           b"v": b"\v"}


# The key of RFC 7515 A.3, and "hello" sealed for it.
KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
OTHER_KEY = {"kty": "EC", "crv": "P-256", "x": "ZosfYHnwtgCGm9_1b_B5g3E2h1aTiUeAEgiwgJ7GD7I",
             "y": "3pKOP2lMEeYzqw4gVTIa-m9D-G8sfej1ETAfziC5l6I"}
OTHER_KEY_ID = "77clH2FAFtdow_xva8F0470qU9dIe_sSVgmxrBdF8vc"
JWE = {"protected": "eyJlbmMiOiJBMjU2R0NNIn0", "recipients": [{
    "header": {"alg": "ECDH-ES+A256KW", "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
               "epk": {"kty": "EC", "crv": "P-256",
                       "x": "ZL07SNDfhiTfxr9JEPZdBHoX-jY-eVRLRw13BsP5Gqw",
                       "y": "ZSDtXokZdkgUmCTVSSOkHjvUCEfHW0Pani1q36Twt2E"}},
    "encrypted_key": "W4PJnPcQdxtPc9rIBQOrqUCXyQc0qUf4yEKCsIE5y47BrNXhKCXnlA"}],
       "iv": "EJLgHgMtSBNsIaB7", "ciphertext": "NygF1BA", "tag": "l_JOxiFXj4q9Q-s784XQhg"}
NONCE = "A" * 43
HUB = "hub.example:8855"


def unescape(match):
    text = match.group(1)
    if text[:1] == b"x":
        return bytes([int(text[1:], 16) & 0xff])
    if text.isdigit():
        return bytes([int(text, 8) & 0xff])
    return LETTERS.get(text, text)


def literals(name):
    """Every string of a C file of tests/unit, as the compiler puts it together."""
    with open(os.path.join(ROOT, "tests/unit", name), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|^#include.*?$", "", file.read(), flags=re.S | re.M)
    found = {}
    for run in LITERALS.findall(text):
        data = b"".join(ESCAPE.sub(unescape, one.encode()) for one in ONE.findall(run))
        if data and len(data) < SEED_MAX:
            found[data] = None
    return list(found)


def with_selector(selectors, *names):
    """The strings of these files, once with each of the target's selector bytes in front."""
    return [selector.encode() + data for name in names for data in literals(name)
            for selector in selectors]


def messages():
    """The shortest message of each type, as its sender's first packet in either state."""
    path = os.path.join(ROOT, "tools/messages-doc")
    loader = importlib.machinery.SourceFileLoader("messages_doc", path)
    spec = importlib.util.spec_from_loader("messages_doc", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    with open(os.path.join(ROOT, module.SOURCE), encoding="utf-8") as file:
        rows = [row for _, group in module.parse(file.read()) for row in group]
    with open(os.path.join(ROOT, "src/common/message.h"), encoding="utf-8") as file:
        roles = re.search(r"enum role \{(.*?)ROLE_COUNT", file.read(), re.S).group(1)
    roles = [name.strip().removeprefix("ROLE_") for name in roles.split(",") if name.strip()]
    seeds = []
    for number, (_, sender, receiver, state, flags, least, _) in enumerate(rows):
        sender = roles[1] if sender == "ANY_CHILD" else sender.split(" | ")[0]
        receiver = roles[1] if receiver == "ANY_CHILD" else receiver.split(" | ")[0]
        # What is between two children passes the parent.
        ends = [roles.index(sender), max(0, roles.index(receiver) - 1)]
        packet = number.to_bytes(2, "little") + bytes(6) + bytes(int(least))
        length = len(packet) | (0x4000 if "FD" in flags.split(" | ") else 0)
        start = [0] + (ends if sender == "PARENT" else ends[:1]) + [state == "RUN"]
        seeds.append(bytes(start) + length.to_bytes(2, "little") + packet)
    # Two fragments; fields of every kind.
    config = (1).to_bytes(2, "little") + b"\x01" + bytes(13)
    seeds.append(bytes([0, 0, 0, 0]) + (0x8000 | len(config)).to_bytes(2, "little") + config +
                 (8).to_bytes(2, "little") + config[:2] + bytes(6))
    seeds.append(b"\x01" + bytes([8, 1, 2, 3, 4, 5, 6, 7, 0]) + bytes(1 + 2 + 4 + 8 + 16) +
                 b"\x01\0\0\0a" + b"\x03\0\0\0\xe2\x82\xac" + b"\x02\0\0\0ok")
    return seeds


def text(value, selector=""):
    return selector.encode() + json.dumps(value, separators=(",", ":")).encode()


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data.encode()).digest()).decode().rstrip("=")


def sealed():
    content = {"v": 1, "op": "authenticate", "connection": "corp", "username": "anna",
               "iat": 1700000000, "jti": "A" * 22, "password": "secret"}
    return [
        text(JWE), text(KEY, "k"), text({**KEY, "use": "sig", "alg": "ES256"}, "k"),
        text({**KEY, "kid": JWE["recipients"][0]["header"]["kid"]}, "k"), text(content, "c"),
        text({**content, "op": "change_password", "new_password": "other"}, "c"),
        b"s\0\0\0hello", b"s\x20\x01\x01hello", b"s\x90\x02\x02hello",
        *with_selector("c", "test_sealed_content.c"), *with_selector("k", "test_jose_key.c")]


def proofs():
    hello = {"nonce": NONCE, "tunnel_url": "wss://hub.example/tunnel", "connector_id": "c1",
             "version": "1", "host": "h", "domain": "d", "capabilities": ["authenticate"],
             "previous": NONCE}
    payload = {"attempt": "attempt1", "connection": "corp", "username": "al\u00eds\"e",
               "status": "ok", "proven": True, "reason": "",
               "sub": "11111111-2222-3333-4444-555555555555", "profile": digest("{}")}
    result = {"id": "attempt1", "type": "result", "status": "ok", "profile": "{}"}
    wrong = {**payload, "status": "invalid_credentials", "proven": False, "reason": "52e"}
    del wrong["profile"]
    proof = {"ticket": digest("s" * 42 + "1"), "seal": OTHER_KEY_ID, "name": "c"}
    body = {"name": "c", "version": "1", "keys": {"sign": KEY, "seal": OTHER_KEY}, "proof": "x"}
    return [
        text(hello, "H"), text({"type": "hello", "proof": "e30.e30.e30"}, "h"),
        text(result, "V") + b"\0" + text(payload), text(result, "V") + b"\0" + text(wrong),
        text({"id": "attempt1", "type": "result", "status": "timeout", "reason": "x"}, "V"),
        text(body, "e"), text(body, "E") + b"\0" + text(proof), b"s{}",
        *with_selector("j", "test_jws.c"), *with_selector("Vh", "test_gate_proofs.c")]


def cloud():
    authenticate = {"id": "1", "type": "authenticate", "deadline_ms": 5000, "attempt": "a1",
                    "connection": "corp", "username": "anna", "jwe": JWE}
    urls = {"tunnel_url": f"wss://{HUB}/tunnel", "scim_url": f"https://{HUB}/scim/v2"}
    page = {"type": "adconnector-ticket", "protocol": 1, "connection": "corp",
            "display_name": "Corp", **urls}
    enrolled = {"connector_id": "c1", "connection": "corp", "state": "pending", **urls}
    error = {"error": {"code": "ticket_expired", "message": "no"}}
    return [
        text(authenticate), text({"id": "1", "type": "test"}), text({"id": "1", "type": "drain"}),
        text({"type": "challenge", "nonce": NONCE}),
        text({"type": "welcome", "time": 1, "state": "approved"}),
        text({"type": "state", "state": "pending"}), text(page, "t\0"), text(error, "t\2"),
        text(enrolled, "r\1"), text(error, "r\3"), b"puser\0password",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: adconnector.v1\r\n\r\n",
        *literals("test_cloud_http.c"), *literals("test_cloud_frames.c"),
        *with_selector(["t\0", "r\1", "r\3"], "test_cloud_enrol_answer.c"),
        *literals("test_cloud_proxy.c")]


def directory():
    user = {0: b"user", 1: bytes(range(16)), 2: b"\1\5\0\0\0\0\0\5" + b"\x15\0\0\0" * 5,
            3: b"alice", 4: b"alice@lab.test", 5: b"a@lab.test", 6: b"Alice A", 14: b"512",
            16: b"0", 17: b"133400000000000000", 18: b"2", 19: b"133400000000000000",
            21: b"\1\1\0\0\0\0\0\5\x20\2\0\0", 22: b"5", 23: b"-18000000000",
            24: b"-9223372036854775808"}
    entry = b"eCN=Alice\\, A,DC=lab,DC=test\0" + b"".join(
        bytes([which, len(value)]) + value for which, value in user.items())
    request = bytes(32) + b"\1\0\0\0a" + b"\x10\x27\0\0" + b"\4\0\0\0anna" + bytes(132) + (
        b"\1\0\0\0c")
    return [
        entry, entry + b"\x80\x0c" + user[21], b"m" + request,
        b"s\1\5\0\0\0\0\0\5" + b"\x15\0\0\0" * 5, b"sS-1-5-21-1-2-3-513",
        b"sS-1-0x0123456789AB-1", b"i-9223372036854775808", b"i" + bytes(16),
        b"i80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1",
        b"n" + b"LAB\\alice\0LAB\0lab.test", b"nalice@lab.test\0LAB\0LAB.test",
        b"nDC=lab,DC=test\0", "nÄnne\0änne".encode(), b"f*()\\\0 ",
        *with_selector("sif", "test_directory_values.c"),
        *with_selector("n", "test_directory_names.c"),
        *with_selector("c", "test_directory_input.c"),
        *with_selector("e", "test_directory_account.c")]


def endpoint():
    secret, pin = "s" * 43, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    return [
        f"thttps://{HUB}/t/{secret}#pin=sha256:{pin}".encode(),
        f"thttp://[::1]:1/t/{secret}".encode(),
        b"rlab.test\0\0\1dc1.lab.test\0\1\1dc2.lab.test\0\0\0dc3.other\0",
        *with_selector("dplwct", "test_endpoint.c"), *with_selector("r", "test_dial_srv.c")]


def config():
    with open(os.path.join(ROOT, "etc/adconnector.conf"), "rb") as file:
        connector = file.read()
    with open(os.path.join(ROOT, "etc/adhub.conf"), "rb") as file:
        hub = file.read()
    return [
        connector, b"h" + hub, b"L" + connector + b"\0", b"H" + hub,
        b"Lcloud { proxy = \"http://p:1\"; };\0directory { server = \"ldaps://dc.example\"; };",
        b"sdirectory.server\0ldaps://dc1.example,ldaps://dc2.example\0directory.user\0u@x\0"
        b"directory.password\0secret\0directory.server\0ldaps://other\0",
        *with_selector(["", "h"], "test_config.c"),
        *with_selector(["", "L", "H"], "test_settings.c")]


def local():
    def post(path, body):
        return (f"POST /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                ).encode() + body + b"\0text"

    def get(path):
        return f"GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n\0".encode() + b"text"

    return [
        get("status"), get("log?since=1"), get("log?follow=1&since=0"), get("none"),
        post("test", b""), post("test", b"{}"), post("enroll", b'{"ticket":"https://h/t/s"}'),
        post("settings", b'{"directory.base":"DC=lab","log.level":"debug"}'), get("settings"),
        post("settings/revert", b'{"directory.password":"secret"}'), post("reconnect", b"{}"),
        post("unenroll", b""), post("rekey", b""), post("explain", b'{"username":"anna"}'),
        b"a\2\0\0\0\1\0\0\0\2\0\0\0", b"a\1\0\0\0", b"l{}\n{}\r\n\n",
        b"i\x89PNG\r\n\x1a\nabc", b"i\xff\xd8\xffabc",
        b"sdirectory.state\0ok\0tunnel.state\0online\0",
        *with_selector("s", "test_web.c"), *with_selector("lt", "test_ctl_client.c"),
        *with_selector("tx", "test_terminal.c"), *with_selector("x", "test_log.c"),
        *with_selector("i", "test_logo.c"),
        *literals("test_http_parse.c")]


def page():
    host = "127.0.0.1:9743"

    def ask(method, path, body=b"", *fields, name=host):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {name}", *fields]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"\0text"

    # What the target puts a good token and a good secret in for.
    token, secret = "Authorization: Bearer \1", b'{"secret":"\2"}'
    trade = (f"POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
             f"Content-Length: {len(secret) + 42}\r\n\r\n").encode() + secret + b"\0"
    from_browser = (f"Origin: http://{host}", "Sec-Fetch-Site: same-origin")
    routes = [("GET", "status", b""), ("GET", "settings", b""), ("GET", "log?follow=1", b""),
              ("POST", "settings", b'{"directory.base":"DC=lab"}'), ("POST", "test", b""),
              ("POST", "explain", b'{"username":"anna"}'), ("DELETE", "session", b""),
              ("POST", "unenroll", b""), ("POST", "web", b""), ("POST", "settings/revert", b"{}")]
    allow, trade_one, use, end, expire, change = (bytes([n]) for n in (0, 2, 3, 4, 5, 6))
    many = b"".join(allow + b"\x1e" + trade_one + bytes([n]) for n in range(20))
    return [
        ask("GET", "/"), ask("HEAD", "/", b"", 'If-None-Match: "tag"'), trade,
        ask("GET", "/", name="evil.test:9743"), ask("GET", "/", name="localhost:9743"),
        ask("GET", "/", b"", "Origin: null"), ask("GET", "/", b"", "Sec-Fetch-Site: cross-site"),
        ask("GET", "/api/v1/status"), ask("OPTIONS", "/api/v1/settings", b"", "Origin: http://evil"),
        *(ask(method, f"/api/v1/{path}", body, token, *more) for method, path, body in routes
          for more in ((), from_browser, ("Origin: http://evil.test",))),
        *(ask(method, f"/api/v1/{path}", body) for method, path, body in routes),
        b"s" + many + use + b"\0" + expire + b"\0",
        b"s" + allow + b"\x1e" + trade_one + b"\0" + trade_one + b"\0" + use + b"\0" + change + b"\0\x04" +
        end + b"\0" + use + b"\0",
        b"s" + allow + b"\x1e" + trade_one + b"\0\1\x1e" + expire + b"\0" + use + b"\0",
        *literals("test_http_parse.c")]


def store():
    add = b"\3\0\2corp\0Corp\0"
    ticket = b"\3\4\4corp\0" + b"2\0" + b"1\0" + b"auto-approve\0"
    enrol = b"\0host\0" + b"0.1\0" + b"192.0.2.1\0" + b"\1\2"
    lists = b"".join(bytes([3, operation, 1]) + b"corp\0" for operation in (1, 2, 5, 7))
    return [
        b"o" + add + ticket + enrol + lists + b"\3\x08\1@\0" + b"\3\x09\1@\0",
        b"o" + add + b"\1corp\0anna\0x\0y\0\1\0" + b"\2\xff" + b"\3\x0a\2" + b"0\0" + b"9\0" +
        b"\3\3\1corp\0",
        *with_selector("t", "test_store_text.c"), *with_selector("o", "test_store_audit.c")]


def frame(opcode, data, mask=False):
    """A frame of RFC 6455 5.2, masked with zeros when it is a client's."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:] + bytes(4)
    return bytes([opcode]) + length + data


def frames(mask):
    challenge = text({"type": "challenge", "nonce": NONCE})
    status = text({"type": "status", "directory": "unavailable"})
    return [
        frame(0x81, status, mask),
        frame(0x81, challenge, mask), frame(0x01, b"\xe2", mask) + frame(0x80, b"\x82\xac", mask),
        frame(0x81, b"a", mask) * 3, frame(0x89, b"ping", mask) * 12, frame(0x8a, b"", mask),
        frame(0x88, b"\x03\xe8bye", mask), frame(0x82, b"x", mask), frame(0x81, b"\xff", mask),
        frame(0x01, b"a", mask) + frame(0x89, b"", mask) + frame(0x80, b"b", mask),
        frame(0x81, b"x" * 5000, mask), b"\x81\x7f" + b"\xff" * 8, b"\xc1\0", b"\x81\x7e\0\1a"]


def gate():
    def http(method, path, body=b""):
        return (f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    secret = "s" * 43
    login = text({"connection": "corp", "username": "anna", "jwe": JWE})
    result = {"id": "1", "type": "result", "status": "ok", "profile": "{}", "verdict": {
        "attempt": "1", "connection": "corp", "username": "anna", "status": "ok", "proven": True,
        "reason": "", "sub": "11111111-2222-3333-4444-555555555555", "profile": digest("{}")}}
    wrong = {**result, "verdict": {**result["verdict"], "status": "invalid_credentials",
                                   "proven": False, "reason": "52e"}}
    upgrade = (b"GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               b"Sec-WebSocket-Protocol: adconnector.v1\r\n\r\n")
    public = [
        http("GET", "/healthz"), http("GET", f"/t/{secret}"), http("GET", "/login/keys/corp"),
        http("POST", "/login/verify", login), http("GET", "/healthz") * 3,
        http("POST", "/api/v2/ad/verify-user", b'{"username":"anna","password":"secret"}'),
        http("POST", f"/t/{secret}", text({"name": "c", "version": "1", "proof": "e30.e30.e30",
                                           "keys": {"sign": KEY, "seal": OTHER_KEY}})),
        upgrade + frame(0x81, text({"type": "hello", "proof": "e30.e30.e30"}), True),
        *(upgrade + one for one in frames(True))]
    api = "/api/v1/connections"
    control = [
        http("GET", api), http("POST", api, text({"identifier": "corp", "display_name": "C"})),
        http("GET", f"{api}/corp"), http("DELETE", f"{api}/corp"),
        http("GET", f"{api}/corp/seal-keys"), http("GET", "/api/v1/tickets"),
        http("POST", "/api/v1/tickets", text({"connection": "corp", "uses": 1, "hours": 1})),
        http("GET", "/api/v1/connectors"), http("POST", "/api/v1/connectors/c1/approve"),
        http("GET", "/api/v1/audit?after=0&limit=9"), http("GET", "/api/v1/audit/verify"),
        http("POST", "/api/v1/login", login)]
    return [
        *(b"p" + one for one in public), *(b"c" + one for one in control),
        text(result, "l"), text(wrong, "l"), text({"id": "1", "type": "result"}, "l"),
        text({"id": "1", "type": "result", "status": "timeout"}, "l") + b"\0" + text(result),
        *(b"f" + one for one in frames(True))]


def seeds():
    return {
        "fuzz_cloud": cloud(),
        "fuzz_cloud_websocket": [bytes([bits]) + one for one in frames(False)
                                 for bits in (0, 2, 6, 10)] +
        with_selector("\1", "test_cloud_http.c"),
        "fuzz_config": config(),
        "fuzz_directory": directory(),
        "fuzz_directory_frame": literals("test_directory_frame.c"),
        "fuzz_endpoint": endpoint(),
        "fuzz_gate": gate(),
        "fuzz_gate_http": literals("test_http_parse.c") + literals("test_gate_http.c") +
        with_selector("fa", "test_http_parse.c", "test_gate_http.c") + [b"fa=b&cursor=1.2-3"],
        "fuzz_json": literals("test_json.c") + with_selector("wd", "test_json.c") +
        with_selector("de", "test_base64url.c"),
        "fuzz_local": local(),
        "fuzz_message": messages(),
        "fuzz_page": page(),
        "fuzz_proofs": proofs(),
        "fuzz_sealed": sealed(),
        "fuzz_store": store(),
    }


def write(folder, only=None):
    for target, all_seeds in seeds().items():
        if only is not None and target not in only:
            continue
        os.makedirs(os.path.join(folder, target))
        for number, seed in enumerate(all_seeds):
            with open(os.path.join(folder, target, f"{number:04}"), "wb") as file:
                file.write(seed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: tests/fuzz/seeds.py FOLDER", file=sys.stderr)
        sys.exit(64)
    write(sys.argv[1])
