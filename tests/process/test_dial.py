# SPDX-License-Identifier: ISC
"""adc-dial itself, in its sandbox: which connections it makes, in which order, and none other."""

import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from child import NUMBERS, STATUS_WORDS, Child, Gone, s, sanitized, u8, u16, u32

DIRECTORY, HUB = 0, 1
HOST, DISCOVERY = 0, 1
A, AAAA, SRV = 1, 28, 33
DNS_ADDRESS = "127.0.0.54"
INFO = 2


def endpoint(kind, index, host, port, type=HOST):
    return "endpoint", u8(kind) + u16(index) + u8(type) + s(host) + u16(port)


class Result:
    def __init__(self, message, seconds):
        reader = message.reader()
        self.status = STATUS_WORDS[reader.u8()]
        self.host, self.address, self.error = reader.s(), reader.s(), reader.s()
        reader.end()
        self.id, self.fd, self.seconds = message.id, message.fd, seconds
        assert (self.fd is not None) == (self.status == "ok")

    def socket(self):
        return socket.socket(fileno=self.fd)

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
        return self


class Dial(Child):
    def __init__(self, *endpoints):
        super().__init__("adc-dial")
        self.configure(endpoints)

    def ask(self, kind=DIRECTORY, index=0, deadline=5000, id=1):
        self.send("DIAL", u8(kind) + u16(index) + u32(deadline), id=id)

    def dial(self, kind=DIRECTORY, index=0, deadline=5000, id=1):
        started = time.monotonic()
        self.ask(kind, index, deadline, id)
        message = self.expect("DIALED", deadline / 1000 + 5)
        assert message.id == id
        return Result(message, time.monotonic() - started)


@contextlib.contextmanager
def listener(address="127.0.0.1", port=0, backlog=128):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(backlog)
        sock.settimeout(5)
        yield sock


@contextlib.contextmanager
def silent(address, port=0):
    """An address that answers nothing: its backlog is full, so the kernel drops what comes."""
    with listener(address, port, 0) as sock, contextlib.ExitStack() as stack:
        target = sock.getsockname()[:2]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(target)
        yield sock


def free_port():
    with listener() as sock:
        return sock.getsockname()[1]


class Dns(threading.Thread):
    """A name server: records {(name, type): [data]}; a name in `mute` gets no answer."""

    def __init__(self, records=None, mute=()):
        super().__init__(daemon=True)
        self.records, self.mute, self.asked = records or {}, set(mute), []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((DNS_ADDRESS, 53))
        self.sock.settimeout(0.1)
        self.stopping = False
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stopping = True
        self.join()
        self.sock.close()

    @staticmethod
    def encode(name):
        return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".") if l) + b"\0"

    @classmethod
    def srv(cls, priority, weight, port, target):
        return struct.pack(">HHH", priority, weight, port) + cls.encode(target)

    def run(self):
        while not self.stopping:
            try:
                query, peer = self.sock.recvfrom(512)
            except socket.timeout:
                continue
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            type = struct.unpack(">H", query[at + 1:at + 3])[0]
            question, name = query[12:at + 5], ".".join(labels).lower()
            self.asked.append((name, type))
            if name in self.mute or (name, type) in self.mute:
                continue
            data = self.records.get((name, type), [])
            known = any(key[0] == name for key in self.records)
            answer = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(data),
                                             0, 0) + question
            for one in data:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", type, 1, 60, len(one)) + one
            self.sock.sendto(answer, peer)


@pytest.fixture
def nameserver(lab_namespace):
    lab_namespace.set_nameserver(DNS_ADDRESS)


def v4(address):
    return socket.inet_aton(address)


def test_connects_to_an_address():
    with listener() as server, Dial(endpoint(DIRECTORY, 0, *server.getsockname())) as dial:
        result = dial.dial(id=77)
        port = server.getsockname()[1]
        assert (result.status, result.host) == ("ok", "127.0.0.1")
        assert result.address == f"127.0.0.1:{port}" and result.error == ""
        with result.socket() as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert [ours.getsockopt(socket.IPPROTO_TCP, option) for option in
                    (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)] == \
                [4000, 1, 1]
            assert os.get_blocking(ours.fileno()) is False
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"x")
                ours.setblocking(True)
                assert ours.recv(1) == b"x"


def test_connects_over_ipv6():
    with listener("::1") as server:
        port = server.getsockname()[1]
        with Dial(endpoint(HUB, 3, "::1", port)) as dial:
            result = dial.dial(HUB, 3).close()
            assert (result.status, result.address) == ("ok", f"[::1]:{port}")


def test_address_needs_no_dns(nameserver):
    """The name server is not asked, so it may be dead: the first connection stands within
    300 ms of the start, of a program as it is shipped."""
    with Dns() as dns, listener() as server:
        started = time.monotonic()
        with Dial(endpoint(DIRECTORY, 0, *server.getsockname())) as dial:
            result = dial.dial().close()
            assert result.status == "ok" and result.seconds < 0.3
            assert sanitized("adc-dial") or time.monotonic() - started < 0.3
    assert not dns.asked


@pytest.mark.parametrize("kind,status", [(DIRECTORY, "directory_unavailable"),
                                         (HUB, "connector_unavailable")])
def test_refused(kind, status):
    port = free_port()
    with Dial(endpoint(kind, 0, "127.0.0.1", port)) as dial:
        result = dial.dial(kind)
        assert result.status == status and result.seconds < 0.2
        assert "connection refused" in result.error and str(port) in result.error


def test_the_same_refusal_is_told_once():
    with Dial(endpoint(DIRECTORY, 0, "127.0.0.1", free_port())) as dial:
        for _ in range(3):
            assert dial.dial().status == "directory_unavailable"
        assert [level for level, _ in dial.logs] == [INFO]
        port = dial.logs[0][1].split(":")[1]
        with listener(port=int(port)):
            assert dial.dial().close().status == "ok"
        assert dial.dial().status == "directory_unavailable"
        assert [level for level, _ in dial.logs] == [INFO, INFO]


def test_silence_ends_with_the_deadline():
    with silent("127.0.0.1") as server, \
            Dial(endpoint(DIRECTORY, 0, *server.getsockname())) as dial:
        result = dial.dial(deadline=400)
        assert result.status == "timeout" and 0.35 < result.seconds < 1.0
        assert "400 ms" in result.error and "127.0.0.1" in result.error
        assert dial.descriptors() < 12


def test_an_address_that_comes_back_is_not_waited_for(lab_namespace):
    """The kernel asks a silent address after 1, 3 and 7 s: a dial asks every second."""
    with listener("127.0.0.1", 0, 0) as server, contextlib.ExitStack() as stack:
        fillers = []
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(server.getsockname())
            fillers.append(filler)
        with Dial(endpoint(DIRECTORY, 0, *server.getsockname())) as dial:
            began = []

            def come_back():
                # After the kernel's second repetition, long before its third.
                time.sleep(3.3)
                for filler in fillers:
                    filler.close()
                began.append(time.monotonic())
                server.settimeout(10)
                while not done.is_set():
                    with contextlib.suppress(OSError):
                        stack.enter_context(server.accept()[0])

            done = threading.Event()
            thread = threading.Thread(target=come_back)
            thread.start()
            try:
                result = dial.dial(deadline=10000).close()
                took = time.monotonic() - began[0]
            finally:
                done.set()
                server.shutdown(socket.SHUT_RDWR)
                thread.join()
            assert result.status == "ok" and took < 2
            assert dial.descriptors() < 12


def test_only_the_list():
    """Neither another index nor another kind leads anywhere."""
    with listener() as server, Dial(endpoint(DIRECTORY, 0, *server.getsockname())) as dial:
        for kind, index in ((DIRECTORY, 1), (HUB, 0), (DIRECTORY, 65535), (7, 0)):
            result = dial.dial(kind, index)
            assert (result.status, result.host) == ("bad_request", "")
        server.settimeout(0.1)
        with pytest.raises(socket.timeout):
            server.accept()


AT_ONCE, WAITING = {DIRECTORY: 12, HUB: 4}, 64


@pytest.mark.parametrize("kind,status", [(DIRECTORY, "directory_unavailable"),
                                         (HUB, "connector_unavailable")])
def test_so_many_at_once_so_many_wait(kind, status):
    with silent("127.0.0.1") as server, \
            Dial(endpoint(kind, 0, *server.getsockname())) as dial:
        total = AT_ONCE[kind] + WAITING
        for i in range(total + 3):
            dial.ask(kind, 0, 1500, id=i + 1)
        refused = [Result(dial.expect("DIALED"), 0) for _ in range(3)]
        assert [r.id for r in refused] == [total + 1, total + 2, total + 3]
        assert all(r.status == status and "too many" in r.error for r in refused)
        assert dial.descriptors() < AT_ONCE[kind] + 12
        rest = [Result(dial.expect("DIALED", 8), 0) for _ in range(total)]
        assert {r.status for r in rest} == {"timeout"}
        assert sorted(r.id for r in rest) == list(range(1, total + 1))
        assert dial.descriptors() < 12


def test_one_that_waited_gets_its_turn():
    with silent("127.0.0.1") as blackhole, listener() as server, \
            Dial(endpoint(HUB, 0, *blackhole.getsockname()),
                 endpoint(HUB, 1, *server.getsockname())) as dial:
        for i in range(AT_ONCE[HUB]):
            dial.ask(HUB, 0, 500, id=i + 1)
        dial.ask(HUB, 1, 5000, id=99)
        results = [Result(dial.expect("DIALED"), 0).close() for _ in range(AT_ONCE[HUB] + 1)]
        assert [r.status for r in results if r.id == 99] == ["ok"]


@pytest.mark.parametrize("silent_kind,other", [(DIRECTORY, HUB), (HUB, DIRECTORY)])
def test_silence_of_one_kind_takes_no_place_of_the_other(silent_kind, other):
    with silent("127.0.0.1") as blackhole, listener() as server, \
            Dial(endpoint(silent_kind, 0, *blackhole.getsockname()),
                 endpoint(other, 0, *server.getsockname())) as dial:
        for i in range(AT_ONCE[silent_kind] + WAITING):
            dial.ask(silent_kind, 0, 20000, id=i + 1)
        assert dial.dial(other, 0, 5000, id=999).close().status == "ok"


def test_hosts_file_comes_first(lab_namespace, nameserver):
    lab_namespace.add_host("127.0.0.9", "dc-hosts.example.test")
    with Dns({("dc-hosts.example.test", A): [v4("127.0.0.8")]}, mute=[("dc-hosts.example.test", AAAA)]), \
            listener("127.0.0.9") as server:
        port = server.getsockname()[1]
        with Dial(endpoint(DIRECTORY, 0, "dc-hosts.example.test", port)) as dial:
            result = dial.dial().close()
            assert (result.status, result.address) == ("ok", f"127.0.0.9:{port}")
            assert result.host == "dc-hosts.example.test" and result.seconds < 0.3


def test_name_with_several_addresses(nameserver):
    """The first that connects wins; a silent one costs 250 ms, a refusing one nothing."""
    with listener("127.0.0.13") as good:
        port = good.getsockname()[1]
        with silent("127.0.0.11", port), \
                Dns({("dc.example.test", A): [v4("127.0.0.11"), v4("127.0.0.12"), v4("127.0.0.13")]}), \
                Dial(endpoint(DIRECTORY, 0, "dc.example.test", port)) as dial:
            result = dial.dial().close()
            assert (result.status, result.address) == ("ok", f"127.0.0.13:{port}")
            assert 0.2 < result.seconds < 0.45


def test_no_such_name(nameserver):
    with Dns(), Dial(endpoint(HUB, 0, "nowhere.example.test", 443)) as dial:
        result = dial.dial(HUB)
        assert result.status == "connector_unavailable" and result.seconds < 1
        assert result.error == "nowhere.example.test: no such name in DNS"


def test_dead_name_server(nameserver):
    with Dial(endpoint(HUB, 0, "hub.example.test", 443)) as dial:
        result = dial.dial(HUB, deadline=10000)
        assert result.status == "connector_unavailable" and "DNS" in result.error or \
            "name server" in result.error
    with Dns(mute=["hub.example.test"]), Dial(endpoint(HUB, 0, "hub.example.test", 443)) as dial:
        result = dial.dial(HUB, deadline=700)
        assert result.status == "timeout" and 0.6 < result.seconds < 1.2
        assert "DNS did not answer" in result.error


def test_silent_ipv6_answer_does_not_delay(nameserver):
    with listener() as server, \
            Dns({("dc.example.test", A): [v4("127.0.0.1")]}, mute=[("dc.example.test", AAAA)]), \
            Dial(endpoint(DIRECTORY, 0, "dc.example.test", server.getsockname()[1])) as dial:
        result = dial.dial().close()
        assert result.status == "ok" and result.seconds < 0.2


def test_resolver_settings_are_read_anew(lab_namespace):
    with listener() as server:
        with Dial(endpoint(HUB, 0, "hub.example.test", server.getsockname()[1])) as dial, \
                Dns({("hub.example.test", A): [v4("127.0.0.1")]}):
            lab_namespace.set_nameserver("127.0.0.55")
            assert dial.dial(HUB, deadline=300).status != "ok"
            lab_namespace.set_nameserver(DNS_ADDRESS)
            assert dial.dial(HUB).close().status == "ok"


SRV_NAME = "_ldap._tcp.dc._msdcs.example.test"


def test_discovery(nameserver):
    """Priority decides; the name to check is the target's; the port is the configured one."""
    with listener("127.0.0.21") as first:
        port = first.getsockname()[1]
        records = {(SRV_NAME, SRV): [Dns.srv(20, 100, 389, "dc2.example.test"),
                                     Dns.srv(10, 0, 389, "dc1.example.test.")],
                   ("dc1.example.test", A): [v4("127.0.0.21")],
                   ("dc2.example.test", A): [v4("127.0.0.22")]}
        with listener("127.0.0.22", port), Dns(records) as dns, \
                Dial(endpoint(DIRECTORY, 0, "example.test", port, DISCOVERY)) as dial:
            result = dial.dial().close()
            assert (result.status, result.host) == ("ok", "dc1.example.test")
            assert result.address == f"127.0.0.21:{port}"
            assert (SRV_NAME, SRV) in dns.asked and ("dc2.example.test", A) not in dns.asked
            first.close()
            result = dial.dial().close()
            assert (result.host, result.address) == ("dc2.example.test", f"127.0.0.22:{port}")


def test_discovery_stays_with_a_controller(nameserver):
    """Each controller counts wrong passwords for itself: all connections go to one, whatever
    DNS would choose now, until it cannot be reached."""
    with listener("127.0.0.21") as first:
        port = first.getsockname()[1]
        records = {(SRV_NAME, SRV): [Dns.srv(1, 1, 389, f"dc{n}.example.test") for n in (1, 2)],
                   ("dc1.example.test", A): [v4("127.0.0.21")],
                   ("dc2.example.test", A): [v4("127.0.0.22")]}
        with listener("127.0.0.22", port) as second, Dns(records), \
                Dial(endpoint(DIRECTORY, 0, "example.test", port, DISCOVERY)) as dial:
            chosen = dial.dial().close().address
            assert {dial.dial().close().address for _ in range(12)} == {chosen}
            (first if chosen.startswith("127.0.0.21") else second).close()
            other = dial.dial().close().address
            assert other != chosen
            assert {dial.dial().close().address for _ in range(12)} == {other}


def test_a_directory_stays_at_an_address(nameserver):
    """The same for a name with several; a hub's is chosen anew each time."""
    with listener("127.0.0.12") as good:
        port = good.getsockname()[1]
        records = {("dc.example.test", A): [v4("127.0.0.11"), v4("127.0.0.12")]}
        with Dns(records), Dial(endpoint(DIRECTORY, 0, "dc.example.test", port),
                                endpoint(HUB, 0, "dc.example.test", port)) as dial:
            assert dial.dial().close().address == f"127.0.0.12:{port}"
            assert dial.dial(kind=HUB).close().address == f"127.0.0.12:{port}"
            with listener("127.0.0.11", port):
                assert dial.dial().close().address == f"127.0.0.12:{port}"
                assert dial.dial(kind=HUB).close().address == f"127.0.0.11:{port}"


def test_discovery_with_a_silent_server(nameserver):
    """The next one is looked up and tried after 250 ms, while the first keeps silent."""
    with listener("127.0.0.22") as second:
        port = second.getsockname()[1]
        records = {(SRV_NAME, SRV): [Dns.srv(1, 0, 389, "dc1.example.test"),
                                     Dns.srv(2, 0, 389, "dc2.example.test")],
                   ("dc1.example.test", A): [v4("127.0.0.21")],
                   ("dc2.example.test", A): [v4("127.0.0.22")]}
        with silent("127.0.0.21", port), Dns(records), \
                Dial(endpoint(DIRECTORY, 0, "example.test", port, DISCOVERY)) as dial:
            result = dial.dial().close()
            assert result.host == "dc2.example.test" and 0.2 < result.seconds < 0.5


@pytest.mark.parametrize("target", ["evil.test", "example.test", "xexample.test", "example.test.evil.test",
                                    "dc 1.example.test", "127.0.0.1"])
def test_discovery_stays_in_the_domain(nameserver, target):
    with listener() as server:
        port = server.getsockname()[1]
        records = {(SRV_NAME, SRV): [Dns.srv(0, 0, port, target)], (target, A): [v4("127.0.0.1")]}
        with Dns(records) as dns, Dial(endpoint(DIRECTORY, 0, "example.test", port, DISCOVERY)) as dial:
            result = dial.dial()
            assert result.status == "directory_unavailable"
            assert "no domain controller below that domain" in result.error
            assert (target, A) not in dns.asked
            server.settimeout(0.1)
            with pytest.raises(socket.timeout):
                server.accept()


def test_discovery_without_records(nameserver):
    with Dns({(SRV_NAME, SRV): []}), \
            Dial(endpoint(DIRECTORY, 0, "example.test", 636, DISCOVERY)) as dial:
        result = dial.dial()
        assert result.status == "directory_unavailable"
        assert "example.test: its domain controllers were not found" in result.error
        assert "read as the name of a domain: for one server write ldaps://example.test" in \
            result.error


def test_many_targets(nameserver):
    """More than may be tried: the good one is the first by priority, all others are rubbish."""
    with listener("127.0.0.31") as server:
        port = server.getsockname()[1]
        targets = [Dns.srv(5, 1, 1, f"d{i}.example.test") for i in range(12)]
        records = {(SRV_NAME, SRV): targets + [Dns.srv(1, 0, port, "good.example.test")],
                   ("good.example.test", A): [v4("127.0.0.31")]}
        with Dns(records), Dial(endpoint(DIRECTORY, 0, "example.test", port, DISCOVERY)) as dial:
            assert dial.dial().close().host == "good.example.test"


@pytest.mark.parametrize("bad", [
    [("endpoint", b"")],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("127.0.0.1"))],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("127.0.0.1") + u16(1) + b"\0")],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("127.0.0.1") + u16(0))],
    [("endpoint", u8(0) + u16(0) + u8(1) + s("example.test") + u16(0))],
    [("endpoint", u8(2) + u16(0) + u8(0) + s("127.0.0.1") + u16(1))],
    [("endpoint", u8(0) + u16(0) + u8(2) + s("127.0.0.1") + u16(1))],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("") + u16(1))],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("a b") + u16(1))],
    [("endpoint", u8(0) + u16(0) + u8(0) + s("a" * 256) + u16(1))],
    [("endpoint", u8(0) + u16(0) + u8(0) + s(b"\xff") + u16(1))],
    [endpoint(0, 0, "127.0.0.1", 1), endpoint(0, 0, "127.0.0.2", 1)],
    [endpoint(0, i, "127.0.0.1", 1) for i in range(65)],
    [("server", b"x")],
])
def test_bad_configuration_ends_it(bad):
    with Child("adc-dial") as dial:
        with pytest.raises((Gone, BrokenPipeError, ConnectionResetError)):
            dial.configure(bad)
            dial.receive(5)
        assert dial.end() == 1


@pytest.mark.parametrize("payload", [b"", b"\0" * 6, b"\0" * 8, u8(0) + u16(0) + u32(0),
                                     u8(0) + u16(0) + u32(60001)])
def test_bad_message_ends_it(payload):
    with Dial(endpoint(0, 0, "127.0.0.1", 1)) as dial:
        dial.send("DIAL", payload, id=1)
        with pytest.raises(Gone):
            dial.receive(2)
        assert dial.end() == 1


@pytest.mark.parametrize("name", [n for n in NUMBERS if n not in ("DIAL", "DRAIN")] + [200])
def test_every_other_message_ends_it(name):
    with Dial(endpoint(0, 0, "127.0.0.1", 1)) as dial:
        dial.send(name, b"\0" * 16, id=1)
        with pytest.raises(Gone):
            dial.receive(2)
        assert dial.end() == 1


def test_a_descriptor_is_not_welcome():
    with Dial(endpoint(0, 0, "127.0.0.1", 1)) as dial:
        dial.send("DIAL", u8(0) + u16(0) + u32(1000), id=1, fd=0)
        with pytest.raises(Gone):
            dial.receive(2)


def test_drain_finishes():
    with silent("127.0.0.1") as server, \
            Dial(endpoint(HUB, 0, *server.getsockname())) as dial:
        dial.ask(HUB, 0, 600, id=1)
        dial.send("DRAIN")
        dial.ask(HUB, 0, 600, id=2)
        late = Result(dial.expect("DIALED"), 0)
        assert late.id == 2 and late.status == "connector_unavailable"
        assert Result(dial.expect("DIALED"), 0).status == "timeout"
        with pytest.raises(Gone):
            dial.receive(2)
        assert dial.end() == 0


def test_end_of_file_ends_it():
    with Dial(endpoint(HUB, 0, "127.0.0.1", 1)) as dial:
        dial.sock.close()
        assert dial.end(2) == 0


def test_no_descriptor_is_lost():
    with listener() as server, Dial(endpoint(DIRECTORY, 0, *server.getsockname()),
                                    endpoint(DIRECTORY, 1, "127.0.0.1", free_port())) as dial:
        stop = threading.Event()

        def accept():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    server.accept()[0].close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        for _ in range(20):
            dial.dial().close()
            dial.dial(index=1)
        before = dial.descriptors()
        for _ in range(500):
            dial.dial().close()
            dial.dial(index=1)
        assert dial.descriptors() == before
        stop.set()


def test_sandbox_is_closed():
    with Dial(endpoint(HUB, 0, "127.0.0.1", 1)) as dial:
        status = dial.status()
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
        assert dial.descriptors() < 10
