# SPDX-License-Identifier: ISC
"""The local page of a whole connector: its listener, its process, and what it may do.

The process alone is tried in tests/process/test_web_page.py; here it is what the parent does for it
and against it, and that nobody who logs in notices what befalls it.
"""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from .load import Load, accounts
from .local_api import Api, Seen
from .stack import Stack, directory_settings, free_port

NOBODY = 65534
URL = re.compile(r"http://(127\.0\.0\.1:(\d+))/#([A-Za-z0-9_-]{43})")


@pytest.fixture(scope="module")
def stack(installed):
    with Stack() as made:
        yield made


SEEN = Seen()


class Browser:
    """What a browser does with the address that adconnectorctl web prints."""

    def __init__(self, connector):
        self.api = Api.page(SEEN, connector)
        self.port, self.token = int(self.api.host.rsplit(":", 1)[1]), self.api.token

    def call(self, method, path, body=None):
        """(status, document)"""
        answer = self.api.call(method, f"/{path}", body)
        return answer.status, answer.document


def port_of(connector):
    return int(connector.settings["web"]["listen"].rsplit(":", 1)[1])


def listening(port):
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    return False


def test_an_address_for_people(stack):
    connector = stack.add_connector()
    result = connector.ctl("web", json=False, check=0)
    assert URL.fullmatch(result.out.strip()) and result.err == ""
    # It is a password for five minutes: no line of the log holds it.
    secret = URL.fullmatch(result.out.strip()).group(3)
    connector.wait(lambda: "one-time address was made" in connector.log(), "it is not logged")
    assert secret not in connector.log()


def test_another_program_holds_the_port(stack):
    """It is not fed an address; and when it is gone the page is there without a restart."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(8)
        port = other.getsockname()[1]
        connector = stack.add_connector(start=False, web={"listen": f"127.0.0.1:{port}"})
        connector.expect(f"another program holds 127.0.0.1:{port}; .*web.listen")
        connector.start()
        assert f"another program holds 127.0.0.1:{port}; " in connector.log()
        assert "adc-web page" not in connector.pids()
        assert connector.status()["process"]["page"] != "running"
        result = connector.ctl("web")
        assert result.status == 1 and "http://" not in result.text
        assert result.json["error"]["code"] == "address_in_use"
        assert f"127.0.0.1:{port}" in result.json["error"]["message"]
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()  # nobody came
    browser = Browser(connector)
    assert browser.port == port
    assert browser.call("GET", "status")[1]["data"]["process"]["page"] == "running"
    # The parent's sandbox lets it listen there, and it still lives.
    assert connector.ctl("web").status == 0


def test_a_holder_that_only_bound(stack):
    """With SO_REUSEADDR both may bind; who listens first has it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        connector = stack.add_connector(web={"listen": f"127.0.0.1:{port}"})
        assert Browser(connector).port == port
        with pytest.raises(OSError):
            other.listen(1)


@pytest.mark.parametrize("off", ["", "none"])
def test_no_page(stack, off):
    connector = stack.add_connector(web={"listen": off})
    assert "adc-web page" not in connector.pids()
    assert "page" not in connector.status()["process"]
    result = connector.ctl("web")
    assert result.status == 1 and result.json["error"]["code"] == "no_page"
    assert "web.listen" in result.json["error"]["message"]


def test_ipv6(stack):
    port = free_port()
    connector = stack.add_connector(web={"listen": f"[::1]:{port}"})
    url = connector.ctl("web", check=0).json["url"]
    assert url.startswith(f"http://[::1]:{port}/#")
    with socket.create_connection(("::1", port), 5):
        pass
    assert not listening(port)


@pytest.mark.parametrize("key,value", [
    ("policy.allow", "authenticate, reset_password"), ("policy.deny_privileged", "false"),
    ("policy.allow_groups", ""), ("web.listen", "127.0.0.1:9999"), ("log.level", "error"),
    ("uid_base", "1"), ("state_dir", "/tmp"), ("runtime_dir", "/tmp"),
    ("directory.password_file", "/etc/shadow"), ("cloud.proxy_password_file", "/etc/shadow"),
    ("no.such", "x"), ("x", "")])
def test_what_the_page_may_not_set(page_connector, key, value):
    """Not alone, not beside what it may, and whatever the file allows."""
    connector, browser = page_connector
    for changes in ({key: value}, {"directory.base": "DC=evil,DC=test", key: value},
                    {key: value, "directory.base": "DC=evil,DC=test"}):
        status, document = browser.call("POST", "settings", changes)
        assert (status, document["error"]["code"]) == (422, "not_permitted"), document
    assert "evil" not in json.dumps(browser.call("GET", "settings")[1])
    assert not os.path.exists(os.path.join(connector.settings["state_dir"], "saved.conf"))


@pytest.fixture(scope="module")
def page_connector(stack):
    connector = stack.add_connector()
    return connector, Browser(connector)


def test_what_the_page_may_set(stack):
    connector = stack.add_connector()
    browser = Browser(connector)
    assert browser.call("POST", "settings", {"directory.base": "DC=example,DC=com"})[0] == 200
    listed = {item["key"]: item for item in browser.call("GET", "settings")[1]["settings"]}
    assert listed["directory.base"]["value"] == "DC=example,DC=com"
    assert listed["directory.base"]["settable"] is True
    assert listed["policy.allow"]["settable"] is False


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN {}PRIVATE KEY-----\nAA==\n-----END {}PRIVATE KEY-----\n"


@pytest.mark.parametrize("key", ["directory.tls.ca", "cloud.ca"])
def test_certificates_are_given_as_such(stack, key):
    """The daemon opens no file that is named to it: its own keys would become a child's."""
    connector = stack.add_connector()
    folder = connector.settings["state_dir"]
    own = os.path.join(folder, "identity.json")
    with open(own, "w", encoding="utf-8") as file:
        file.write("{}")
    os.chown(own, os.stat(folder).st_uid, os.stat(folder).st_gid)
    for api in (Api.control(SEEN, connector), Api.page(SEEN, connector)):
        for value in (own, "/etc/passwd", "x", CERTIFICATE + KEY.format("", ""),
                      KEY.format("RSA ", "RSA ") + CERTIFICATE, KEY.format("", "")):
            answer = api.post("/settings", {key: value})
            assert (answer.status, answer.error["code"]) == (422, "bad_request"), answer
            assert answer.error["key"] == key
    os.unlink(own)
    assert not [name for name in os.listdir(folder) if name.startswith("ca-")]
    # What is no such setting is left as it is given.
    user = "CN=-----BEGIN CERTIFICATE-----,DC=example,DC=com"
    answer = Api.page(SEEN, connector).post("/settings", {"directory.user": user})
    assert answer.status == 200, answer
    assert Api.control(SEEN, connector).settings()["directory.user"]["value"] == user


def test_nobody_waits_for_ever_for_the_process(stack):
    """It ends, and another cannot be started: who asks for an address is told in time."""
    connector = stack.add_connector()
    connector.expect("page|spawner")
    api, pids = Api.control(SEEN, connector), connector.pids()
    os.kill(pids["adc-spawner"], signal.SIGSTOP)
    try:
        os.kill(pids["adc-web page"], signal.SIGKILL)
        connector.wait(lambda: api.get("/status").document["data"]["process"]["page"]
                       != "running", "the page's process stays")
        answer = api.post("/web")
        assert (answer.status, answer.error["code"]) == (422, "not_running"), answer
    finally:
        os.kill(pids["adc-spawner"], signal.SIGCONT)
    connector.wait(lambda: api.post("/web").status == 200, "no address any more")


def test_an_address_is_made_over_the_control_socket_alone(page_connector):
    assert page_connector[1].call("POST", "web", {})[0] == 403


def test_the_process_ends(stack):
    """Its address stays ours meanwhile; who was signed in signs in again, at once."""
    connector = stack.add_connector()
    browser = Browser(connector)
    refused = []
    ended = threading.Event()

    def knock():
        # So seldom that those waiting for a process never fill its places for connections.
        while not ended.wait(0.05):
            if not listening(browser.port):
                refused.append(time.monotonic())
    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        for _ in range(5):
            connector.kill("adc-web page")
            # Without a wait: it is asked for while there may be no process.
            browser = Browser(connector)
    finally:
        ended.set()
        knocker.join()
    assert refused == []
    old = browser.token
    connector.kill("adc-web page")
    assert browser.call("GET", "status")[0] == 401
    assert Browser(connector).token != old
    assert connector.status()["restarts"]["page"] == "6"


def flood(port, ended):
    """All that somebody on this host can do without a session, as fast as it goes."""
    held = []
    requests = (b"", b"GET / HTTP/1.1\r\nHost: ", b"\0" * 9000,
                f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(),
                f"GET /setup.js HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    while not ended.is_set():
        for request in requests:
            with contextlib.suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", port), 5))
                held[-1].sendall(request)
        while len(held) > 200:
            held.pop(0).close()
    for client in held:
        client.close()


def test_one_that_is_slow_to_ask_while_others_come(stack):
    """A browser that is kept from sending has not taken a place that others can take from it."""
    connector = stack.add_connector()
    browser, port = Browser(connector), port_of(connector)
    with contextlib.ExitStack() as held:
        def connect(request):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            client.sendall(request)
            return client
        slow = connect(b"")
        for _ in range(200):
            connect(b"GET / HTTP/1.1\r\n")
        assert browser.call("GET", "status")[0] == 200  # they have been accepted before it
        slow.sendall(f"GET /setup.js HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert slow.recv(15) == b"HTTP/1.1 200 OK"


def test_logins_go_on_during_a_flood(installed, samba):
    with Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector(directory=directory_settings(samba))
        stack.enrol(connector)
        connector.wait_directory()
        ended = threading.Event()
        flooders = [threading.Thread(target=flood, args=(port_of(connector), ended))
                    for _ in range(4)]
        with Load(stack, "corp", **accounts(samba)) as load:
            load.settle()
            begin = time.monotonic()
            for flooder in flooders:
                flooder.start()
            try:
                load.settle(100, 120)
                # An administrator is not kept out either.
                assert Browser(connector).call("GET", "status")[0] == 200
            finally:
                ended.set()
                for flooder in flooders:
                    flooder.join()
            taken = [one for one in load.taken() if one.sent > begin]
        load.judge()
        assert taken and not [one for one in taken if one.status == "connector_unavailable"]
        assert connector.status()["restarts"] == dict.fromkeys(
            ("dial", "directory", "cloud", "web", "page"), "0")


def test_as_an_ordinary_user(installed):
    with Stack(user=NOBODY) as stack:
        connector = stack.add_connector()
        assert Browser(connector).call("GET", "status")[1]["data"]["state"] == "running"
