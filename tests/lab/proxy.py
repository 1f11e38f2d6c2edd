# SPDX-License-Identifier: ISC
"""An HTTP proxy as companies have them: CONNECT only, user and password.

Why: the connector has to pass through one, and tests have to see that it did,
with which credentials, and that nothing else went past.

CONNECT: RFC 9110 9.3.6; 407 and Basic: RFC 9110 11.7, RFC 7617.
"""

import asyncio
import base64
import hmac
from dataclasses import dataclass, field

from .listener import Listener, join


@dataclass
class Seen:
    """One request as the proxy saw it, with the status it answered."""
    method: str
    target: str
    status: int
    user: str = ""
    headers: dict = field(default_factory=dict)
    bytes_up: int = 0
    bytes_down: int = 0


class ConnectProxy(Listener):
    """A CONNECT proxy; `seen` lists its requests in order.

    With user=None nobody is asked for a password.  `targets`, when given, is a
    set of "host:port" that are allowed; others get 403.  At most 1,000
    requests are kept in `seen`.
    """

    HEAD_LIMIT = 16384
    DEADLINE = 10
    KEEP = 1000

    def __init__(self, user="proxy-user", password="Proxy: pässword 1",
                 host="127.0.0.1", port=0, targets=None):
        self.user, self.password = user, password
        self.targets = targets
        self.seen = []
        super().__init__(host, port)

    @property
    def url(self):
        """Its address, without credentials."""
        return f"http://{self.host}:{self.port}"

    def statuses(self):
        return [one.status for one in self.seen]

    def tunnels(self):
        """The requests that were let through."""
        return [one for one in self.seen if one.status == 200]

    async def serve(self, reader, writer):
        # 407 keeps the connection: clients repeat the request on it.
        for _ in range(4):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"),
                                          self.DEADLINE)
            seen, far = await self._judge(head)
            if len(self.seen) < self.KEEP:
                self.seen.append(seen)
            await self._answer(writer, seen.status)
            if far is not None:
                def count(up, data):
                    seen.bytes_up += len(data) if up else 0
                    seen.bytes_down += 0 if up else len(data)
                await join(reader, writer, *far, count)
                return
            if seen.status != 407:
                return

    async def _judge(self, head):
        """(what was seen, the far connection or None)"""
        lines = head.decode("latin-1").split("\r\n")
        words = (lines[0] + "  ").split(" ")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        seen = Seen(words[0], words[1], 200, headers=headers)
        if len(head) > self.HEAD_LIMIT:
            seen.status = 431
        elif not self._authorized(seen):
            seen.status = 407
        elif seen.method != "CONNECT":
            seen.status = 405
        elif self.targets is not None and seen.target not in self.targets:
            seen.status = 403
        if seen.status != 200:
            return seen, None
        host, _, port = seen.target.rpartition(":")
        try:
            return seen, await asyncio.wait_for(
                asyncio.open_connection(host.strip("[]"), int(port)),
                self.DEADLINE)
        except ValueError:
            seen.status = 400
        except (OSError, asyncio.TimeoutError):
            seen.status = 502
        return seen, None

    def _authorized(self, seen):
        if self.user is None:
            return True
        scheme, _, text = seen.headers.get(
            "proxy-authorization", "").partition(" ")
        try:
            given = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            return False
        seen.user = given.partition(b":")[0].decode(errors="replace")
        return scheme.lower() == "basic" and hmac.compare_digest(
            given, f"{self.user}:{self.password}".encode())

    async def _answer(self, writer, status):
        reason = {200: "Connection established", 400: "Bad Request",
                  403: "Forbidden", 405: "Method Not Allowed",
                  407: "Proxy Authentication Required",
                  431: "Request Header Fields Too Large",
                  502: "Bad Gateway"}[status]
        text = f"HTTP/1.1 {status} {reason}\r\n"
        if status == 407:
            text += 'Proxy-Authenticate: Basic realm="lab", charset="UTF-8"\r\n'
        if status != 200:
            text += "Content-Length: 0\r\n"
        if status not in (200, 407):
            text += "Connection: close\r\n"
        writer.write(text.encode() + b"\r\n")
        await writer.drain()
