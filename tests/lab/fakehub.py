# SPDX-License-Identifier: ISC
"""A hub that does what a test tells it to, rightly or wrongly.

Why: a connector has to survive every hub, also one that sends malformed frames,
is slow, floods, or falls silent; the real one does none of that on request.  The
WebSocket frames are made by hand (RFC 6455 5.2), so that they can be wrong.

It runs in a thread with its own loop; what tests call is blocking and has a
time limit.
"""

import asyncio
import base64
import hashlib
import json
import os
import queue
import ssl
import struct
import tempfile
import threading
import time

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def answer(status, body, content_type="application/json", extra=""):
    """A whole HTTP answer; body as bytes, text or something for JSON."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    return (f"HTTP/1.1 {status} Words\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n").encode() + body


def error(status, code, message="words"):
    return answer(status, {"error": {"code": code, "message": message}})


class Tunnel:
    """One WebSocket of a connector. Messages from it wait in a queue."""

    def __init__(self, hub, reader, writer, headers, below=None):
        self.hub, self.reader, self.writer, self.headers = hub, reader, writer, headers
        self.below = below  # the transport that carries TLS
        self.messages = queue.Queue()
        self.statuses = queue.Queue()  # where the hub sorts
        self.pings = 0
        self.unmasked = 0
        self.close_code = None  # of the connector's close frame; 0: none came
        self.close_reason = ""
        self.ended = threading.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self.opened = time.monotonic()

    # In the loop.

    async def _frame(self):
        head = await self.reader.readexactly(2)
        opcode, length = head[0] & 15, head[1] & 127
        if length == 126:
            length = struct.unpack(">H", await self.reader.readexactly(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", await self.reader.readexactly(8))[0]
        if not head[1] & 128:
            self.unmasked += 1
            return opcode, head[0] & 128, await self.reader.readexactly(length)
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(length)
        key = (mask * (length // 4 + 1))[:length]
        data = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
        return opcode, head[0] & 128, data

    async def _run(self):
        parts = b""
        try:
            while True:
                await self.reading.wait()
                opcode, fin, data = await self._frame()
                if opcode == PING:
                    self.pings += 1
                    if self.hub.answers_pings:
                        self._write(PONG, data)
                elif opcode == CLOSE:
                    self.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                    self.close_reason = data[2:].decode(errors="replace")
                    self._write(CLOSE, data[:2])
                    await self.writer.drain()
                    return
                elif opcode != PONG:
                    parts += data
                    if fin:
                        status = self.hub.sorts and b'"type":"status"' in parts[:20]
                        (self.statuses if status else self.messages).put(parts)
                        parts = b""
                else:
                    self.messages.put(("pong", data))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, OSError):
            pass
        finally:
            if self.close_code is None:
                self.close_code = 0
            self.ended.set()
            self.writer.close()

    def _write(self, opcode, data, fin=True, rsv=0, mask=False, length=None):
        length = len(data) if length is None else length
        head = bytes([(128 if fin else 0) | rsv << 4 | opcode])
        flag = 128 if mask else 0
        if length < 126:
            head += bytes([flag | length])
        elif length < 65536:
            head += bytes([flag | 126]) + struct.pack(">H", length)
        else:
            head += bytes([flag | 127]) + struct.pack(">Q", length)
        self.writer.write(head + (b"\0\0\0\0" if mask else b"") + data)

    # For tests.

    def frame(self, opcode, data=b"", **how):
        """Any frame, also one that no client may accept: fin, rsv, mask, length."""
        self.hub.loop.call_soon_threadsafe(lambda: self._write(opcode, data, **how))

    def raw(self, data):
        self.hub.loop.call_soon_threadsafe(self.writer.write, data)

    def raw_bytes(self, data):
        """Each in a write of its own, and no pong between them."""
        def write():
            for byte in data:
                self.writer.write(bytes([byte]))
        self.hub.loop.call_soon_threadsafe(write)

    def raw_below(self, data):
        """Past TLS, into the stream that carries it."""
        self.hub.loop.call_soon_threadsafe(self.below.write, data)

    def send(self, message):
        """An object as JSON, or a text as it is."""
        if not isinstance(message, (str, bytes)):
            message = json.dumps(message)
        self.frame(TEXT, message.encode() if isinstance(message, str) else message)

    def receive(self, timeout=5.0):
        """The connector's next message, as an object."""
        message = self.messages.get(timeout=timeout)
        assert isinstance(message, bytes), message
        return json.loads(message.decode("utf-8"))

    def close(self, code, reason=""):
        self.frame(CLOSE, struct.pack(">H", code) + reason.encode())

    def abort(self):
        self.hub.loop.call_soon_threadsafe(self.writer.transport.abort)

    def stop_reading(self):
        self.hub.loop.call_soon_threadsafe(self.reading.clear)

    def go_on_reading(self):
        self.hub.loop.call_soon_threadsafe(self.reading.set)

    def wait_closed(self, timeout=5.0):
        """The close code the connector sent; 0 when it just went away."""
        assert self.ended.wait(timeout), f"the tunnel is still open after {timeout} s"
        return self.close_code

    def challenge(self):
        nonce = b64url(os.urandom(32))
        self.send({"type": "challenge", "nonce": nonce})
        return nonce

    def welcome(self, state="approved", **more):
        self.send({"type": "welcome", "time": int(time.time()), "connectors": 1, "lease": False,
                   "state": state, **more})


class FakeHub:
    """Listens on 127.0.0.1, with TLS when it gets a certificate of tests/lab/tls.py.

    responder(method, path, headers, body) may return the bytes of an answer, or b"" to
    close without one, or a coroutine function of (reader, writer) that answers in its own
    time; with None the hub does what the protocol says.
    accept: a coroutine function of (reader, writer) that runs before TLS; when it returns
    true the connection ends.
    """

    def __init__(self, certificate=None, name="127.0.0.1", connection="corp",
                 subprotocol="adconnector.v1"):
        self.certificate, self.name, self.connection = certificate, name, connection
        self.subprotocol = subprotocol
        self.responder = self.accept = None
        self.answers_pings = True
        self.sorts = False  # what the connector says of its directory is kept apart from answers
        self.tickets = {}  # secret: None, or the code and status it is refused with
        self.enrolled = {}  # secret: (keys, answer)
        self.state = "approved"
        self.requests = []  # (method, path, headers, body)
        self.tunnels = queue.Queue()
        self.connections = 0
        self.context = None
        if certificate is not None:
            self.show(certificate)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._thread, daemon=True)
        self.started = threading.Event()
        self.thread.start()
        assert self.started.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        def stop():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(stop)
        self.thread.join(10)

    def show(self, certificate, more=b"", **options):
        """From the next connection on, show this certificate, with `more` of its chain;
        options: attributes of the SSLContext."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, value in options.items():
            setattr(context, name, value)
        with tempfile.TemporaryDirectory() as folder:
            paths = os.path.join(folder, "c"), os.path.join(folder, "k")
            certificate.write(*paths)
            with open(paths[0], "ab") as file:
                file.write(more)
            context.load_cert_chain(*paths)
        self.context = context

    def _thread(self):
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda loop, context: None)
        server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 21))
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        self.loop.run_forever()
        server.close()
        self.loop.run_until_complete(server.wait_closed())
        self.loop.close()

    @property
    def origin(self):
        return f"{self.name}:{self.port}"

    def url(self, scheme, path):
        return f"{scheme}{'s' if self.certificate else ''}://{self.origin}{path}"

    def pin(self):
        """What #pin=sha256: would say."""
        from cryptography.hazmat.primitives import serialization
        spki = self.certificate.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).digest()

    def tunnel(self, timeout=5.0):
        """The next tunnel that a connector opens, just after its upgrade."""
        return self.tunnels.get(timeout=timeout)

    async def _serve(self, reader, writer):
        self.connections += 1
        below = writer.transport
        try:
            if self.accept is not None and await self.accept(reader, writer):
                writer.close()
                return
            if self.context is not None:
                await writer.start_tls(self.context)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {}
            for line in head[1:]:
                if line:
                    key, value = line.split(":", 1)
                    headers[key.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append((method, path, headers, body))
            reply = self.responder(method, path, headers, body) if self.responder else None
            if reply is None and path == "/tunnel":
                await self._upgrade(reader, writer, headers, below)
                return
            if callable(reply):
                await reply(reader, writer)
            else:
                writer.write(self._ticket(method, path, body) if reply is None else reply)
            await writer.drain()
            writer.close()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, OSError):
            writer.close()

    def upgrade_answer(self, headers, **changes):
        """The right answer to an upgrade; changes: fields with _ for -, None takes one out."""
        fields = {"Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec_WebSocket_Accept": base64.b64encode(hashlib.sha1(
                      (headers["sec-websocket-key"] + MAGIC).encode()).digest()).decode(),
                  "Sec_WebSocket_Protocol": self.subprotocol, **changes}
        return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *(
            f"{key.replace('_', '-')}: {value}" for key, value in fields.items()
            if value is not None), "", ""]).encode()

    async def _upgrade(self, reader, writer, headers, below):
        writer.write(self.upgrade_answer(headers))
        tunnel = Tunnel(self, reader, writer, headers, below)
        self.tunnels.put(tunnel)
        await tunnel._run()

    def urls(self):
        return {"tunnel_url": self.url("ws", "/tunnel"), "scim_url": self.url("http", "/scim/v2")}

    def _ticket(self, method, path, body):
        secret = path[3:] if path.startswith("/t/") else None
        if secret not in self.tickets:
            return error(404, "ticket_unknown")
        refused = self.tickets[secret]
        if method == "GET":
            if refused:
                return error(*refused)
            return answer(200, {"type": "adconnector-ticket", "protocol": 1,
                                "connection": self.connection, "display_name": "Example Corp",
                                **self.urls()})
        keys = json.loads(body)["keys"]
        if secret in self.enrolled and self.enrolled[secret][0] == keys:
            return answer(201, self.enrolled[secret][1])
        if secret in self.enrolled:
            return error(409, "ticket_used_up")
        if refused:
            return error(*refused)
        result = {"connector_id": b64url(os.urandom(12)), "connection": self.connection,
                  "state": self.state, **self.urls()}
        self.enrolled[secret] = keys, result
        return answer(201, result)
