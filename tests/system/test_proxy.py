# SPDX-License-Identifier: ISC
"""The way out through an HTTP proxy that wants a user and a password.

Enrolment and tunnel both go through it, and nothing past it; what is wrong with it
is said in words that name the proxy.  Its password is a secret: in no log, no
argument, no environment, and in the memory of no process that has no use for it.
"""

import base64
import itertools
import os
import socket
import subprocess
import threading

import pytest

from tests.lab.population import ALICE
from tests.lab.proxy import ConnectProxy

from . import install
from .daemon import StackError, processes
from .stack import Stack, directory_settings, free_port, write_password

# Only the parent keeps it, and cloud says it to the proxy.
MAY_KNOW = {"adconnectord", "adc-cloud"}


def through(proxy, folder, password=None, user=None):
    """The `cloud` block for a proxy of the lab; None takes the right one."""
    user = proxy.user if user is None else user
    return {"proxy": f"http://{user}@{proxy.host}:{proxy.port}",
            "proxy_password_file": write_password(
                folder, proxy.password if password is None else password, "proxy-password")}


def needles(user, password):
    """A password as it stands in memory: plain, and as it goes over the wire."""
    found = [password.encode()]
    # Base64 of "user:password", without the ends that depend on what stands around it.
    whole = base64.b64encode(f"{user}:{password}".encode())
    found.append(whole.rstrip(b"=")[8:-2])
    return found


def memory_has(pid, wanted):
    """Is one of `wanted` in a readable page of the process?"""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            where, mode = line.split()[:2]
            if "r" not in mode or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            if any(needle in data for needle in wanted):
                return True
    return False


def files_with(folder, wanted):
    """Files below `folder` that hold one of `wanted`."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = file.read()
                if any(needle in data for needle in wanted):
                    found.append(os.path.relpath(path, folder))
    return sorted(found)


def assert_kept_secret(stack, connector, user, password):
    """Nothing of it in any log, argument, environment, file or memory."""
    wanted = needles(user, password)
    assert files_with(stack.folder, wanted) == ["proxy-password"]
    assert not any(needle in repr(stack.audit(limit=200)).encode() for needle in wanted)
    for pid in processes():
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    data = file.read()
            except OSError:
                continue
            assert not any(needle in data for needle in wanted), (pid, name)
    roles = {**stack.hub.pids(), **connector.pids()}
    assert {"adhubd", "adhub-gate public", "adc-dial", "adc-cloud", "adc-web control",
            "adc-spawner"} <= set(roles)
    if install.sanitized():
        return  # keeps what was freed
    told = {role for role, pid in roles.items() if memory_has(pid, wanted)}
    assert told <= MAY_KNOW, told
    # The search finds it where it is.
    assert "adconnectord" in told


def hub_peers(stack):
    """Established TCP connections of the host that end at the hub's port, by
    the port they come from."""
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in itertools.islice(file, 1, None):
            fields = line.split()
            local, remote = (int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
            if fields[3] == "01" and remote == stack.port:
                found.add(local)
    return found


@pytest.mark.parametrize("password", ["Proxy: pässword 1", "a", "密码 :@/?#%41\\\"'", "x" * 200],
                         ids=lambda text: ascii(text)[:12])
def test_enrol_and_tunnel_go_through(new_stack, samba, password):
    stack = new_stack()
    stack.add_connection("corp")
    with ConnectProxy(password=password) as proxy:
        connector = stack.add_connector(cloud=through(proxy, stack.folder),
                                        directory=directory_settings(samba))
        stack.enrol(connector)
        connector.wait_tunnel("online")
        connector.wait_directory()
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
        target = f"127.0.0.1:{stack.port}"
        assert {(seen.method, seen.target, seen.status, seen.user) for seen in proxy.seen} \
            == {("CONNECT", target, 200, proxy.user)}
        # Ticket's page, enrolment, tunnel; the proxy saw ciphertext of all of them.
        assert len(proxy.seen) >= 3
        # The one connection to the hub is the proxy's.
        assert len(hub_peers(stack)) == 1
        assert all("authorization" not in seen.headers for seen in proxy.seen)
        if len(password) > 8:
            assert_kept_secret(stack, connector, proxy.user, password)
        stack.stop()


def test_the_tunnel_comes_back_through_it(new_stack):
    """After the proxy was away, with the same password; and the daemon's own restart."""
    stack = new_stack()
    stack.add_connection("corp")
    proxy = ConnectProxy()
    try:
        connector = stack.add_connector(cloud=through(proxy, stack.folder))
        stack.enrol(connector)
        connector.wait_tunnel("online")
        port = proxy.port
        proxy.close()
        connector.wait_tunnel("waiting", "connecting")
        connector.wait(lambda: connector.status()["tunnel"]["code"] == "unreachable",
                       "not unreachable")
        assert "proxy" in connector.status()["tunnel"]["text"]
        proxy = ConnectProxy(port=port)
        connector.wait_tunnel("online", seconds=40)
        connector.end()
        connector.start()
        connector.wait_tunnel("online")
        assert set(proxy.statuses()) == {200}
        connector.stop()
        stack.connectors.clear()
    finally:
        proxy.close()


def refused(result, code, *words):
    assert result.status == 1, result
    error = result.json["error"]
    assert error["code"] == code, result
    for word in words:
        assert word in error["message"], (word, error["message"])


@pytest.fixture(scope="module")
def hub(installed):
    with Stack() as stack:
        stack.add_connection("corp")
        yield stack


@pytest.fixture
def add_connector(hub):
    made = []

    def make(**settings):
        made.append(hub.add_connector(**settings))
        return made[-1]
    yield make
    for connector in made:
        hub.connectors.remove(connector)
        connector.stop()


def test_wrong_password(hub, add_connector, connect_proxy):
    proxy = connect_proxy
    wrong = "Wr0ng-for-the-proxy"
    connector = add_connector(cloud=through(proxy, hub.folder, wrong))
    ticket = hub.ticket()
    refused(connector.ctl("enroll", input=ticket), "proxy_refused",
            f"{proxy.host}:{proxy.port}", "user name and password")
    assert proxy.statuses() and set(proxy.statuses()) == {407}
    assert connector.tunnel() == "not_enrolled"
    secret = ticket.partition("#")[0].rpartition("/")[2]
    for text in (connector.log(), hub.hub.log(), connector.ctl("status").text):
        assert wrong not in text and proxy.password not in text and secret not in text


def test_wrong_user(hub, add_connector, connect_proxy):
    connector = add_connector(cloud=through(connect_proxy, hub.folder, user="somebody"))
    refused(connector.ctl("enroll", input=hub.ticket()), "proxy_refused", "user name and password")


def test_no_user(hub, add_connector, connect_proxy):
    connector = add_connector(cloud={"proxy": connect_proxy.url})
    refused(connector.ctl("enroll", input=hub.ticket()), "proxy_refused", "cloud.proxy")
    assert set(connect_proxy.statuses()) == {407}


def test_proxy_without_a_password(hub, add_connector):
    with ConnectProxy(user=None) as proxy:
        connector = add_connector(cloud={"proxy": proxy.url})
        hub.enrol(connector)
        connector.wait_tunnel("online", "pending")
        assert not any("proxy-authorization" in seen.headers for seen in proxy.seen)
        hub.hubctl("connector", "revoke", connector.status()["connector_id"], check=0)
        connector.wait_tunnel("refused")


def test_proxy_that_forbids_the_hub(hub, add_connector):
    with ConnectProxy(targets={"elsewhere.example:443"}) as proxy:
        connector = add_connector(cloud=through(proxy, hub.folder))
        refused(connector.ctl("enroll", input=hub.ticket()), "proxy_refused", str(proxy.port),
                f"127.0.0.1:{hub.port}", "403", "allow")


def test_hub_that_the_proxy_cannot_reach(hub, add_connector, connect_proxy):
    connector = add_connector(cloud=through(connect_proxy, hub.folder))
    ticket = hub.ticket().replace(str(hub.port), str(free_port()))
    refused(connector.ctl("enroll", input=ticket), "unreachable", "proxy", "502")


def test_no_proxy_there(hub, add_connector):
    port = free_port()
    connector = add_connector(cloud={"proxy": f"http://127.0.0.1:{port}"})
    refused(connector.ctl("enroll", input=hub.ticket()), "unreachable", "proxy", str(port))


def test_something_else_than_a_proxy(hub, add_connector):
    with socket.create_server(("127.0.0.1", 0)) as server:
        connector = add_connector(cloud={"proxy": f"http://127.0.0.1:{server.getsockname()[1]}"})

        def answer():
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"220 mail.example ESMTP\r\n\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        refused(connector.ctl("enroll", input=hub.ticket()), "proxy_refused", "no HTTP proxy")
        thread.join()


def test_the_password_is_no_part_of_a_setting(hub, add_connector, connect_proxy):
    """Neither in the file nor through ctl; what is refused is not repeated."""
    connector = add_connector()
    secret = "S3cret-in-a-setting"
    url = f"http://proxy-user:{secret}@{connect_proxy.host}:{connect_proxy.port}"
    result = connector.ctl("set", f"cloud.proxy={url}")
    refused(result, "bad_request", "cloud.proxy_password_file")
    assert secret not in result.out + connector.log()
    config = os.path.join(hub.folder, "with-password.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f'cloud = {{ proxy = "{url}"; }};\n')
    done = subprocess.run([install.program("adconnectord"), "-n", "-c", config],
                          capture_output=True, text=True, timeout=20, check=False)
    os.unlink(config)
    assert done.returncode != 0
    assert f"{config}:1: cloud.proxy:" in done.stderr and secret not in done.stderr


def test_password_file_that_others_can_read(hub, connect_proxy):
    """The daemon does not start with it, and says what to do."""
    settings = through(connect_proxy, hub.folder)
    os.chmod(settings["proxy_password_file"], 0o644)
    connector = hub.add_connector(cloud=settings, start=False)
    hub.connectors.remove(connector)
    with pytest.raises(StackError) as caught:
        connector.start()
    text = str(caught.value)
    assert "proxy-password" in text and "chmod 600" in text
    assert connect_proxy.password not in text


def test_proxy_set_through_ctl(hub, add_connector):
    """A new way out is tried before it is saved; the old one stays where it fails."""
    connector = add_connector()
    hub.enrol(connector, auto_approve=True)
    connector.wait_tunnel("online")
    refused(connector.ctl("set", f"cloud.proxy=http://127.0.0.1:{free_port()}"), "unreachable",
            "proxy")
    assert connector.tunnel() == "online"
    with ConnectProxy(user=None) as proxy:
        connector.ctl("set", f"cloud.proxy={proxy.url}", check=0)
        connector.wait_tunnel("online")
        assert proxy.statuses() == [200]
        listed = {row["id"]: row["online"] for row in hub.connector_list()}
        assert listed[connector.status()["connector_id"]] is True
    # Its own second tunnel is no alarm.
    assert "copy of this machine" not in connector.log()
    # It went through the new one: with the proxy the tunnel is gone.
    connector.wait_tunnel("waiting", "connecting")
    hub.hubctl("connector", "revoke", connector.status()["connector_id"], check=0)
