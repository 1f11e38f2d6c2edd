# SPDX-License-Identifier: ISC
"""A connector's end of a tunnel that does what a test tells it to, rightly or wrongly.

Why: a hub has to survive every connector, also an enrolled one that lies, floods or
falls silent; the real one does none of that on request.  The WebSocket frames are
made by hand (RFC 6455 5.2), so that they can be wrong.
"""

import base64
import hashlib
import json
import os
import select
import ssl
import struct
import time

from jwcrypto import jwe, jwk, jws


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """A P-256 key pair with what the protocol needs of it."""

    def __init__(self):
        self.key = jwk.JWK.generate(kty="EC", crv="P-256")
        self.public = {k: v for k, v in self.key.export_public(as_dict=True).items()
                       if k in ("kty", "crv", "x", "y")}
        self.kid = self.key.thumbprint()
        self.xy = unb64(self.public["x"]) + unb64(self.public["y"])

    def sign(self, typ, payload):
        """A compact JWS with exactly {"alg","typ"} as its header."""
        token = jws.JWS(payload if isinstance(payload, (bytes, str)) else json.dumps(payload))
        token.add_signature(self.key, None, json.dumps({"alg": "ES256", "typ": typ},
                                                       separators=(",", ":")))
        return token.serialize(compact=True)


def rekey_payload(id, connection, nonce, tunnel_url, old, new, changes=()):
    """The one spelling of a statement of new keys (docs/tunnel-protocol.md 5.4)."""
    payload = {"connection": connection, "connector_id": id, "nonce": nonce, "old": old,
               "seal": new["seal"].public, "sign": new["sign"].public, "tunnel_url": tunnel_url}
    payload.update(changes)
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


class Closed(Exception):
    """The other end closed the WebSocket; args[0] is the code, None without a close frame."""


class Connector:
    """A connector's end of a tunnel. Answers nothing by itself."""

    def __init__(self, hub, id, keys, greet=True, sock=None, **hello):
        self.hub, self.id, self.keys, self.rest = hub, id, keys, b""
        self.sock = sock or hub.connect()
        self.sock.settimeout(20)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((f"GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           f"Sec-WebSocket-Key: {key}\r\n"
                           f"Sec-WebSocket-Protocol: adconnector.v1\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        assert self.head.startswith("HTTP/1.1 101 "), self.head
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        assert f"Sec-WebSocket-Accept: {accept}" in self.head
        assert "Sec-WebSocket-Protocol: adconnector.v1" in self.head
        self.challenge = self.json()
        assert self.challenge["type"] == "challenge" and len(self.challenge["nonce"]) == 43
        if greet:
            self.hello(**hello)
            self.welcome = self.json()
            assert self.welcome["type"] == "welcome", self.welcome

    def hello(self, key=None, typ="adconnector-hello+jws", **changes):
        payload = {"nonce": self.challenge["nonce"], "tunnel_url": self.hub.tunnel_url,
                   "connector_id": self.id, "version": "0.1.0", "host": "dc-side",
                   "capabilities": ["authenticate", "test", "drain"], "domain": "corp.example"}
        payload.update(changes)
        self.send({"type": "hello", "proof": (key or self.keys["sign"]).sign(typ, payload)})

    def rekey(self, new, connection="corp", signer=None, prover=None, **changes):
        """The rekey frame that puts the keys in new in the place of its own."""
        payload = rekey_payload(self.id, connection, self.challenge["nonce"], self.hub.tunnel_url,
                                self.keys["sign"].kid, new, changes)
        return {"type": "rekey",
                "statement": (signer or self.keys["sign"]).sign("adconnector-rekey+jws", payload),
                "proof": (prover or new["sign"]).sign("adconnector-rekey-proof+jws", payload)}

    def waits(self):
        """Whether something has come that was not received yet."""
        pending = self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0
        return bool(self.rest or pending or select.select([self.sock], [], [], 0)[0])

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed(None)
        self.rest += data

    def take(self, n):
        while len(self.rest) < n:
            self.more()
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def frame(self):
        """(opcode, payload) of the next frame; the hub never masks."""
        first, second = self.take(2)
        assert second & 0x80 == 0 and first & 0x70 == 0
        n = second & 0x7F
        if n == 126:
            n = struct.unpack(">H", self.take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8))[0]
        return first & 0x0F, self.take(n)

    def send_frame(self, opcode, payload, first=0x80, mask=True):
        n = len(payload)
        key = os.urandom(4) if mask else b""
        bit = 0x80 if mask else 0
        if n < 126:
            head = bytes([first | opcode, bit | n])
        elif n < 65536:
            head = bytes([first | opcode, bit | 126]) + struct.pack(">H", n)
        else:
            head = bytes([first | opcode, bit | 127]) + struct.pack(">Q", n)
        if mask and n:
            stream = (key * (n // 4 + 1))[:n]
            payload = (int.from_bytes(payload, "big") ^
                       int.from_bytes(stream, "big")).to_bytes(n, "big")
        self.sock.sendall(head + key + payload)

    def send(self, value):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_frame(1, text)

    def json(self, timeout=20):
        """The next text message. Pings are answered; a close raises Closed."""
        until = time.monotonic() + timeout
        while True:
            self.sock.settimeout(max(0.001, until - time.monotonic()))
            opcode, payload = self.frame()
            if opcode == 9:
                self.send_frame(10, payload)
            elif opcode == 8:
                try:
                    self.send_frame(8, payload[:2])
                except OSError:
                    pass
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else None)
            elif opcode == 1:
                return json.loads(payload)

    def closed(self, timeout=20):
        """The code with which the hub closes; what comes before it is thrown away."""
        try:
            while True:
                self.json(timeout)
        except Closed as end:
            return end.args[0]
        except OSError:
            return None

    def result(self, request, status="ok", proven=True, sub="11111111-2222-3333-4444-555555555555",
               profile='{"id":"11111111-2222-3333-4444-555555555555"}', reason="", key=None,
               typ="adconnector-verdict+jws", frame=None, **changes):
        """The result frame to an authenticate frame, with its verdict."""
        payload = {"attempt": request["attempt"], "connection": request["connection"],
                   "username": request["username"], "status": status, "proven": proven,
                   "reason": reason}
        if sub is not None:
            payload["sub"] = sub
        if profile is not None:
            payload["profile"] = b64(hashlib.sha256(profile.encode()).digest())
        payload.update(changes)
        result = {"id": request["id"], "type": "result", "status": status, "reason": reason,
                  "verdict": (key or self.keys["sign"]).sign(typ, payload)}
        if profile is not None:
            result["profile"] = profile
        result.update(frame or {})
        return result

    def password(self, request):
        """Opens the sealed text as the connector would: the content as a dict."""
        token = jwe_decrypt(request["jwe"], self.keys["seal"])
        return json.loads(token)

    def close(self):
        self.sock.close()


def jwe_decrypt(sealed, key):
    token = jwe.JWE(algs=["ECDH-ES+A256KW", "A256GCM"])
    mine = [r for r in sealed["recipients"] if r["header"]["kid"] == key.kid]
    assert len(mine) == 1, "sealed for somebody else"
    token.deserialize(json.dumps(dict(sealed, recipients=mine)))
    token.decrypt(key.key)
    return token.payload
