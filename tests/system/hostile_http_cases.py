# SPDX-License-Identifier: ISC
"""Requests that no honest client makes, for every door that speaks HTTP, and the doors.

    web         control socket of the connector
    page        the connector's page, with a session
    control     control socket of the hub
    public      the hub's HTTPS

All four read with the same code, so what one refuses all refuse, in the same way.
"""

import contextlib
import http.client
import json
import socket
import ssl
import struct

ANSWER_S = 5  # what is refused is refused at once, not by a deadline


class Door:
    """A way in: connect() gives a socket, in TLS where it is spoken; fields: in every head."""

    def __init__(self, name, get, post, path=None, port=None, tls=None, host="x", fields=()):
        self.name, self.get, self.post = name, get, post
        self.path, self.port = path, port
        self.tls = path is None if tls is None else tls
        self.host, self.fields = host, fields

    def plain(self, source="127.0.0.1"):
        """Without TLS."""
        if self.path is not None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(30)
            sock.connect(self.path)
        else:
            sock = socket.create_connection(("127.0.0.1", self.port), 30, (source, 0))
        return sock

    def connect(self, source="127.0.0.1"):
        sock = self.plain(source)
        return client_context().wrap_socket(sock) if self.tls else sock

    def head(self, line="GET {get} HTTP/1.1", *fields):
        """A head with a Host; a line of `fields` may be anything."""
        lines = [line.format(get=self.get, post=self.post), f"Host: {self.host}", *self.fields,
                 *fields, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def body(self, content, *fields, length=None):
        length = len(content) if length is None else length
        return self.head("POST {post} HTTP/1.1", "Content-Type: application/json",
                         f"Content-Length: {length}", *fields) + content

    def ask(self, data, source="127.0.0.1"):
        """The Answer to these bytes; the connection is closed afterwards."""
        with self.connect(source) as sock:
            send(sock, data)
            return Answer(sock)


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def send(sock, data):
    """All of it, or as much as the other side takes before it has enough."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        sock.sendall(data)


def to_the_end(sock):
    """All that comes; a reset is an end."""
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := sock.recv(65536):
            said += piece
    return said


class Answer:
    """One HTTP answer from a socket; ended() when the other side closes behind it."""

    def __init__(self, sock):
        self.sock = sock
        response = http.client.HTTPResponse(sock)
        response.begin()
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def ended(self):
        """Nothing more comes."""
        try:
            return self.sock.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True


def reset(sock):
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def deep(levels, around=b"1"):
    return b"[" * levels + around + b"]" * levels


# Heads that are refused, with the status. Each closes the connection: what came behind it
# could be a request that somebody else smuggled in.
HEADS = {
    "two_lengths": (lambda door: door.body(b"{}", "Content-Length: 0"), 400),
    "the_same_length_twice": (lambda door: door.body(b"{}", "Content-Length: 2"), 400),
    "list_of_lengths": (lambda door: door.body(b"{}", length="2, 2"), 400),
    "signed_length": (lambda door: door.body(b"{}", length="+2"), 400),
    "negative_length": (lambda door: door.body(b"{}", length="-2"), 400),
    "hexadecimal_length": (lambda door: door.body(b"{}", length="0x2"), 400),
    "empty_length": (lambda door: door.body(b"{}", length=""), 400),
    "huge_length": (lambda door: door.body(b"{}", length=str(1 << 64)), 413),
    "long_body": (lambda door: door.body(b" " * 65537), 413),
    "no_length": (lambda door: door.head("POST {post} HTTP/1.1"), 411),
    "length_and_chunks": (
        lambda door: door.body(b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                               "Transfer-Encoding: chunked", length=5), 501),
    "chunks": (lambda door: door.head("POST {post} HTTP/1.1", "Transfer-Encoding: chunked") +
               b"2\r\n{}\r\n0\r\n\r\n", 501),
    "identity_coding": (lambda door: door.head("GET {get} HTTP/1.1",
                                               "Transfer-Encoding: identity"), 501),
    "space_before_colon": (lambda door: door.head("GET {get} HTTP/1.1",
                                                  "Transfer-Encoding : chunked"), 400),
    "coded_body": (lambda door: door.body(b"\x1f\x8b", "Content-Encoding: gzip"), 415),
    "odd_expectation": (lambda door: door.body(b"{}", "Expect: the-worst"), 417),
    "folded_field": (lambda door: door.head("GET {get} HTTP/1.1", "A: b", " c"), 400),
    "folded_first": (lambda door: door.head("GET {get} HTTP/1.1", "\tA: b"), 400),
    "no_host": (lambda door: f"GET {door.get} HTTP/1.1\r\n\r\n".encode(), 400),
    "two_hosts": (lambda door: door.head("GET {get} HTTP/1.1", "Host: y"), 400),
    "no_name": (lambda door: door.head("GET {get} HTTP/1.1", ": x"), 400),
    "no_colon": (lambda door: door.head("GET {get} HTTP/1.1", "rubbish"), 400),
    "nul_in_value": (lambda door: door.head("GET {get} HTTP/1.1", "A: b\0c"), 400),
    "bare_cr": (lambda door: door.head("GET {get} HTTP/1.1", "A: b\rc"), 400),
    "bare_lf": (lambda door: door.head("GET {get} HTTP/1.1", "A: b\nContent-Length: 2"), 400),
    "escape_in_value": (lambda door: door.head("GET {get} HTTP/1.1", "A: \x1b[2J"), 400),
    "fields_65": (lambda door: door.head("GET {get} HTTP/1.1", *["A: b"] * 64), 431),
    "fields_1000": (lambda door: door.head("GET {get} HTTP/1.1", *["a:"] * 1000), 431),
    "long_field": (lambda door: door.head("GET {get} HTTP/1.1", "A: " + "b" * 8192), 431),
    "head_of_a_megabyte": (lambda door: door.head("GET {get} HTTP/1.1", "A: " + "b" * (1 << 20)),
                           431),
    "head_without_end": (lambda door: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100000, 431),
    "http_0_9": (lambda door: f"GET {door.get}\r\n\r\n".encode(), 400),
    "http_2": (lambda door: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "connect": (lambda door: door.head("CONNECT 127.0.0.1:22 HTTP/1.1"), 405),
    "trace": (lambda door: door.head("TRACE {get} HTTP/1.1"), 405),
    "options": (lambda door: door.head("OPTIONS * HTTP/1.1"), 405),
    "put": (lambda door: door.head("PUT {get} HTTP/1.1", "Content-Length: 0"), 405),
    "lower_case": (lambda door: door.head("get {get} HTTP/1.1"), 405),
    "long_method": (lambda door: door.head("G" * 4000 + " {get} HTTP/1.1"), 405),
    "absolute_target": (lambda door: door.head("GET http://x{get} HTTP/1.1"), 400),
    "upwards": (lambda door: door.head("GET /a/../..{get} HTTP/1.1"), 400),
    "double_slash": (lambda door: door.head("GET /{get} HTTP/1.1"), 400),
    "nul_in_path": (lambda door: door.head("GET {get}\0 HTTP/1.1"), 400),
    "broken_percent": (lambda door: door.head("GET {get}%2 HTTP/1.1"), 400),
    "tab_for_space": (lambda door: door.head("GET\t{get} HTTP/1.1"), 400),
}

# Bodies that are no request, at each path that takes one.
BODIES = {
    "empty": b"",
    "text": b"ticket=x",
    "cut_short": b'{"a": "b"',
    "something_behind": b"{} {}",
    "twice": b'{"username": "alice", "username": "bob", "password": "x"}',
    "bad_utf8": b'{"username": "\xff", "password": "x"}',
    "overlong_utf8": b'{"username": "\xc0\x80", "password": "x"}',
    "half_a_pair": b'{"username": "\\ud800", "password": "x"}',
    "nul": b'{"username": "a\\u0000b", "password": "x"}',
    "array": b"[]",
    "deep": b'{"username": ' + deep(17) + b', "password": "x"}',
    "very_deep": deep(30000),
    "many_values": b"[" + b"{}," * 21000 + b"{}]",
    "huge_number": b'{"username": 1' + b"0" * 400 + b', "password": "x"}',
    "wrong_types": b'{"username": {"a": 1}, "password": ["x"], "ticket": 1, "connection": null}',
    "byte_order_mark": b'\xef\xbb\xbf{"username": "a", "password": "x"}',
}
