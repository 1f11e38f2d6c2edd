# SPDX-License-Identifier: ISC
"""The proxy of faults: each fault does what its name says, and ends when it is taken back."""

import select
import socket
import time

import pytest

from tests.lab.faults import FaultProxy, LabError

PAUSE_S = 0.15  # so long is long enough to see that nothing comes


@pytest.fixture
def line():
    """A listener, a proxy before it, and a connection through it: (proxy, client, server, more())."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            FaultProxy("127.0.0.1", listener.getsockname()[1]) as proxy:
        sockets = []

        def more():
            client = socket.create_connection((proxy.host, proxy.port), 5)
            server, _ = listener.accept()
            server.settimeout(5)
            sockets.extend((client, server))
            return client, server

        yield proxy, *more(), more
        for sock in sockets:
            sock.close()


def receive(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, "ended"
        data += part
    return data


def silent(sock):
    return not select.select([sock], [], [], PAUSE_S)[0]


def test_passes_all_both_ways(line):
    proxy, client, server, _ = line
    data = bytes(range(256)) * 4096
    client.sendall(data)
    assert receive(server, len(data)) == data
    server.sendall(b"answer")
    assert receive(client, 6) == b"answer"
    assert proxy.counters() == (1, 1, len(data), 6)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.sendall(b"after the end")
    assert receive(client, 13) == b"after the end"
    server.close()
    assert client.recv(1) == b""


def test_delay(line):
    proxy, client, server, _ = line
    proxy.delay(100)
    begin = time.monotonic()
    client.sendall(b"a")
    client.sendall(b"b")
    assert receive(server, 2) == b"ab"
    server.sendall(b"c")
    assert receive(client, 1) == b"c"
    assert time.monotonic() - begin >= 0.2
    proxy.delay(0, "down")
    server.sendall(b"d")
    assert receive(client, 1) == b"d"


def test_delay_is_as_long_as_it_is_called(line):
    """To the millisecond, or 10 ms away would be 16: the shortest of many, as the host may be busy."""
    proxy, client, server, _ = line
    proxy.delay(5)

    def there_and_back():
        begin = time.monotonic()
        client.sendall(b"a")
        server.sendall(receive(server, 1))
        receive(client, 1)
        return time.monotonic() - begin

    assert 0.010 <= min(there_and_back() for _ in range(100)) < 0.012


def test_delay_takes_nothing_of_the_rate(line):
    """What is under way at once is delayed at once."""
    proxy, client, server, _ = line
    proxy.delay(50)
    begin = time.monotonic()
    for _ in range(200):
        client.sendall(b"x" * 100)
    receive(server, 20000)
    assert time.monotonic() - begin < 200 * 0.05


def test_slow(line):
    proxy, client, server, _ = line
    proxy.slow(1000, "up")
    begin = time.monotonic()
    client.sendall(b"x" * 300)
    receive(server, 300)
    assert time.monotonic() - begin >= 0.25
    proxy.clear()
    client.sendall(b"y" * 100000)
    receive(server, 100000)


def test_freeze_holds_and_loses_nothing(line):
    proxy, client, server, more = line
    proxy.freeze()
    client.sendall(b"held")
    server.sendall(b"back")
    assert silent(server) and silent(client)
    other, far = more()
    other.sendall(b"new")
    assert silent(far)
    proxy.clear()
    assert (receive(server, 4), receive(client, 4), receive(far, 3)) == (b"held", b"back", b"new")


def test_one_direction_alone(line):
    proxy, client, server, _ = line
    proxy.freeze("down")
    client.sendall(b"up")
    assert receive(server, 2) == b"up"
    server.sendall(b"down")
    assert silent(client)
    proxy.clear("down")
    assert receive(client, 4) == b"down"


def test_black_hole_loses_and_cuts_at_its_end(line):
    proxy, client, server, more = line
    _, unharmed = more()
    proxy.black_hole()
    client.sendall(b"lost")
    assert silent(server)
    proxy.clear()
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    unharmed.sendall(b"x")


@pytest.mark.parametrize("reset", [True, False])
def test_cut(line, reset):
    proxy, client, server, more = line
    proxy.cut(reset)
    for sock in (client, server):
        if reset:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        else:
            assert sock.recv(1) == b""
    client, server = more()
    client.sendall(b"again")
    assert receive(server, 5) == b"again"


def test_cut_after(line):
    proxy, client, server, more = line
    proxy.cut_after(10, "up")
    client.sendall(b"0123456789abc")
    with pytest.raises(ConnectionResetError):
        while server.recv(64):
            pass
    client, server = more()
    client.sendall(b"012345678")
    assert receive(server, 9) == b"012345678"


@pytest.mark.parametrize("every,offset,changed", [(1, 0, [0, 1, 2, 3, 4, 5]), (2, 1, [1, 3, 5]),
                                                  (100, 4, [4]), (4, 7, [3])])
def test_flip(line, every, offset, changed):
    proxy, client, server, _ = line
    proxy.flip(every, offset, "up")
    for byte in b"abcdef":
        client.sendall(bytes([byte]))
    expected = bytes(c ^ 0x20 if i in changed else c for i, c in enumerate(b"abcdef"))
    assert receive(server, 6) == expected


def test_refuse(line):
    proxy, client, server, more = line
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port), 5)
    client.sendall(b"still")
    assert receive(server, 5) == b"still"
    proxy.refuse(False)
    more()


def test_a_target_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy:
        # Already connect(2) may hear of it.
        with pytest.raises(ConnectionResetError):
            with socket.create_connection((proxy.host, proxy.port), 5) as client:
                client.recv(1)


def test_unknown_commands_are_told(line):
    with pytest.raises(LabError):
        line[0]._tell("dance", "both")
