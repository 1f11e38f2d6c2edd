# SPDX-License-Identifier: ISC
"""What must be refused, and with which words.

Wrong key, CA, date or name of a certificate, at Active Directory and at the hub;
clear text to another host; tickets that are used up, expired, revoked or mistyped.
Each message must say which it was and what to do.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from tests.lab import namespace
from tests.lab.listener import join
from tests.lab.population import ALICE
from tests.lab.tls import CertificateAuthority, TlsFront

from . import install
from .daemon import config_text
from .stack import Stack, directory_settings, free_port, spki_pin, write_password

HUB_NAME = "hub.lab.test"
# A name of this host that is not loopback.
OUTSIDE_NAME, OUTSIDE_ADDRESS = "outside.lab.test", "10.77.8.1"


def refused(result, code, *words):
    """A ctl program said no: which it was, and what to do."""
    assert result.status == 1, result
    error = result.json["error"] if "error" in result.json else result.json
    assert error["code"] == code, result
    for word in words:
        assert word in error["message"], (word, error["message"])
    return error["message"]


def unpinned(ticket):
    return ticket.partition("#")[0]


def pinned(ticket, pin):
    return f"{unpinned(ticket)}#pin=sha256:{pin}"


@pytest.fixture(scope="module")
def names(lab_namespace):
    lab_namespace.add_address(f"{OUTSIDE_ADDRESS}/24")
    lab_namespace.add_host(OUTSIDE_ADDRESS, OUTSIDE_NAME)
    lab_namespace.add_host("127.0.0.1", HUB_NAME)


@pytest.fixture(scope="module")
def hub(installed, names):
    """A hub with a certificate of its own, and a connector without a directory."""
    with Stack() as stack:
        stack.add_connection("corp")
        stack.add_connector()
        yield stack


@pytest.fixture
def connector(hub):
    """A connector that has never been enrolled."""
    made = hub.add_connector()
    yield made
    hub.connectors.remove(made)
    made.stop()


# The hub's key and certificate


def test_wrong_pin(hub, connector):
    ticket = hub.ticket()
    other = "A" + hub.pin()[1:] if hub.pin()[0] != "A" else "B" + hub.pin()[1:]
    message = refused(connector.ctl("enroll", input=pinned(ticket, other)), "pin_mismatch",
                      "pinned in the ticket", "make a new ticket", hub.pin())
    assert hub.url.partition("//")[2] in message
    assert hub.hubctl("connector", "list").json["connectors"] == []
    # Nothing was used up.
    hub.enrol(connector, ticket)
    hub.hubctl("connector", "revoke", hub.connector_list()[0]["id"], check=0)


def test_pin_that_is_no_pin(hub, connector):
    ticket = unpinned(hub.ticket())
    for fragment, words in ((f"#pin=sha256:{hub.pin()[:-1]}", "copy it again"),
                            (f"#pin=sha256:{hub.pin()}A", "copy it again"),
                            (f"#pin=sha256:{hub.pin()[:-1]}*", "copy it again"),
                            ("#pin=md5:abc", "copy the whole ticket"), ("#", "whole ticket")):
        refused(connector.ctl("enroll", input=ticket + fragment), "bad_ticket", words)


def test_own_certificate_without_pin(hub, connector):
    refused(connector.ctl("enroll", input=unpinned(hub.ticket())), "tls_untrusted",
            "not trusted", "cloud.ca", "pin")


@pytest.fixture(scope="module")
def ca():
    return CertificateAuthority()


HUB_KINDS = {"expired": ("tls_expired", "expired", "renew"),
             "not_yet_valid": ("tls_expired", "not valid yet", "clocks"),
             "wrong_name": ("tls_name", "another name", "use the name in the certificate"),
             "other_ca": ("tls_untrusted", "not trusted", "cloud.ca"),
             "self_signed": ("tls_untrusted", "not trusted", "cloud.ca")}


def certified(stack, ca):
    """A connector that trusts this CA for the hub, and no other."""
    path = os.path.join(stack.folder, f"ca-{time.monotonic_ns()}.pem")
    with open(path, "wb") as file:
        file.write(ca.pem)
    return stack.add_connector(cloud={"ca": path})


@pytest.mark.parametrize("kind", HUB_KINDS)
def test_hub_certificates(hub, ca, kind):
    """A front that shows the certificate, before a hub that is the right one."""
    connector = certified(hub, ca)
    with TlsFront(ca.issue_kind(kind, HUB_NAME, [HUB_NAME], ["127.0.0.1"]), "127.0.0.1",
                  hub.port) as front:
        ticket = unpinned(hub.ticket()).replace(hub.url, f"https://{HUB_NAME}:{front.port}")
        code, *words = HUB_KINDS[kind]
        refused(connector.ctl("enroll", input=ticket), code, HUB_NAME, *words)
        # No handshake was finished: nothing was said to it.
        assert front.accepted == 0
    assert connector.tunnel() == "not_enrolled"


def test_hub_with_a_good_certificate(new_stack, names, ca):
    good = ca.issue(HUB_NAME, [HUB_NAME])
    stack = new_stack(certificate=good, ca=ca.pem, host=HUB_NAME)
    stack.add_connection("corp")
    ticket = stack.ticket()
    assert "#" not in ticket and ticket.startswith(f"https://{HUB_NAME}:{stack.port}/t/")
    stack.enrol(certified(stack, ca), ticket)
    # By its address it is somebody else.
    refused(certified(stack, ca).ctl(
        "enroll", input=stack.ticket().replace(HUB_NAME, "127.0.0.1")),
        "tls_name", "127.0.0.1")
    # Connectors that know another CA, or only the system's.
    refused(certified(stack, CertificateAuthority("another")).ctl(
        "enroll", input=stack.ticket()), "tls_untrusted", "cloud.ca")
    refused(stack.add_connector().ctl("enroll", input=stack.ticket()), "tls_untrusted", "cloud.ca")


def test_with_a_pin_nothing_else_is_looked_at(new_stack, names, ca):
    """Name, dates and issuer do not matter then; the key alone does."""
    expired = ca.issue_kind("expired", "elsewhere.test")
    stack = new_stack(certificate=expired, host=HUB_NAME)
    stack.add_connection("corp")
    connector = stack.add_connector()
    refused(connector.ctl("enroll", input=stack.ticket()), "tls_untrusted")
    ticket = pinned(stack.ticket(), spki_pin(expired.certificate))
    stack.enrol(connector, ticket)
    assert connector.tunnel() == "online"


def test_hub_that_was_made_anew(new_stack):
    """The key of an enrolled hub changed: the tunnel stays shut, and says why."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector()
    stack.enrol(connector)
    stack.hub.end()
    for name in ("tls.pem", "tls.key"):
        os.unlink(os.path.join(stack.hub.settings["state_dir"], name))
    stack.hub.start()
    connector.wait(lambda: connector.status()["tunnel"]["code"] == "pin_mismatch",
                   "no pin_mismatch")
    status = connector.status()
    assert status["tunnel"]["state"] in ("refused", "waiting")
    assert "pinned" in status["tunnel"]["text"]
    assert status["ws"]["upstream"]["code"] != "connected"
    assert stack.connector_list()[0]["online"] is False


def test_hub_whose_certificate_was_removed(new_stack):
    """It makes another for the key that it has: whoever has its pin stays in."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector()
    stack.enrol(connector)
    state = stack.hub.settings["state_dir"]
    was = connector.identity()
    with open(os.path.join(state, "tls.key"), "rb") as file:
        key = file.read()
    stack.hub.end()
    os.unlink(os.path.join(state, "tls.pem"))
    stack.hub.start()
    with open(os.path.join(state, "tls.key"), "rb") as file:
        assert file.read() == key
    connector.wait_tunnel("online")
    assert connector.identity() == was


def test_another_server_than_the_hub(connector, names):
    """A web server that knows no tickets, and one that speaks no TLS."""
    async def page(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
        await writer.drain()

    class Web(TlsFront):
        serve = staticmethod(page)

    ca = CertificateAuthority()
    certificate = ca.issue(HUB_NAME, [HUB_NAME])
    with Web(certificate, "127.0.0.1", 1) as web:
        ticket = f"https://{HUB_NAME}:{web.port}/t/{'x' * 24}"
        refused(connector.ctl("enroll", input=pinned(ticket, spki_pin(certificate.certificate))),
                "not_a_ticket", "copy")
    port = free_port()
    refused(connector.ctl("enroll", input=f"https://127.0.0.1:{port}/t/{'x' * 24}"),
            "unreachable", str(port))
    refused(connector.ctl("enroll", input=f"https://no-such-host.lab.test/t/{'x' * 24}"),
            "unreachable", "no-such-host.lab.test")


# Clear text


@pytest.mark.parametrize("host", [OUTSIDE_NAME, OUTSIDE_ADDRESS, "hub.example.com", "127.0.0.1.nip.io",
                                  "[2001:db8::1]", "localhost.example.com"])
def test_plain_http_ticket(connector, names, host):
    refused(connector.ctl("enroll", input=f"http://{host}/t/{'x' * 24}"), "bad_ticket",
            "http", "https")


def test_plain_http_listener(hub, names):
    config = os.path.join(hub.folder, "plain.conf")
    for listen in (f"http://{OUTSIDE_ADDRESS}:8855", "http://*:8855", "http://0.0.0.0:8855"):
        with open(config, "w", encoding="ascii") as file:
            file.write(f'state_dir = "/tmp/x";\nlisten = [ "{listen}" ];\n')
        done = run_check("adhubd", config)
        assert done.returncode != 0
        assert f"{config}:2: listen:" in done.stderr and "loopback" in done.stderr


def run_check(program, config):
    return subprocess.run([install.program(program), "-n", "-c", config], capture_output=True,
                          text=True, timeout=20, check=False)


def clear_settings(server, **tls):
    return {"server": [server], "user": "reader@lab.test", "tls": {"mode": "none", **tls}}


@pytest.mark.parametrize("server", [f"ldap://{OUTSIDE_NAME}", f"ldap://{OUTSIDE_ADDRESS}",
                                    "ldap://dc1.example.com"])
def test_ldap_in_clear(hub, connector, names, server):
    """To another host only by an explicit setting, in the file and through ctl."""
    result = connector.ctl("set", f"directory.server={server}", "directory.user=reader@lab.test",
                           "directory.tls.mode=none", "directory.password", input="x")
    message = refused(result, "bad_request", "allow_clear")
    assert "clear" in message or "readable" in message
    config = os.path.join(hub.folder, "clear.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(config_text({"directory": clear_settings(server)}))
    done = run_check("adconnectord", config)
    assert done.returncode != 0 and "allow_clear" in done.stderr
    with open(config, "w", encoding="utf-8") as file:
        file.write(config_text({"directory": clear_settings(server, allow_clear=True)}))
    assert run_check("adconnectord", config).returncode == 0


def test_ldap_in_clear_is_logged(new_stack, slapd):
    """Where it is allowed the log says so, once, as a warning."""
    stack = new_stack()
    connector = stack.add_connector(directory={
        "server": [slapd.url], "user": slapd.service_dn,
        "password_file": write_password(stack.folder, slapd.service_password),
        "base": slapd.base, "tls": {"mode": "none", "allow_clear": True}})
    connector.wait_directory("ok", "failed")
    lines = [line for line in connector.log().splitlines()
             if line.startswith("warning:") and re.search(r"clear|readable|without TLS", line)]
    assert len(lines) == 1, connector.log()


# Active Directory's certificate

AD_KINDS = {"expired": ("tls_expired", "expired on"),
            "not_yet_valid": ("tls_not_yet_valid", "not valid yet"),
            "wrong_name": ("tls_name", "dc9.elsewhere.test", "dc1.lab.test"),
            "other_ca": ("tls_untrusted", "adconnector lab other CA"),
            "self_signed": ("tls_untrusted", "not among the trusted CAs")}


@pytest.mark.parametrize("kind", AD_KINDS)
def test_directory_certificates(hub, connector, samba, kind):
    front = samba.tls_variant(kind)
    settings = [f"directory.server=ldaps://{samba.dns_name}:{front.port}",
                f"directory.user={samba.service_dn}", "directory.password"]
    settings.append(f"directory.tls.ca={samba.ca_file}")
    code, *words = AD_KINDS[kind]
    refused(connector.ctl("set", *settings, input=samba.service_password), code, *words)
    assert connector.directory() == "not_configured"
    front.close()


def test_directory_with_a_good_certificate(connector, samba):
    front = samba.tls_variant("good")
    arguments = [f"directory.server=ldaps://{samba.dns_name}:{front.port}",
                 f"directory.user={samba.service_dn}", "directory.password"]
    # Without that CA it is a stranger.
    refused(connector.ctl("set", *arguments, input=samba.service_password), "tls_untrusted",
            "adconnector lab CA")
    connector.ctl("set", *arguments, f"directory.tls.ca={samba.ca_file}",
                  input=samba.service_password, check=0)
    assert connector.directory() == "ok"
    # A change that fails leaves the old settings in force.
    bad = samba.tls_variant("expired")
    refused(connector.ctl("set", f"directory.server=ldaps://{samba.dns_name}:{bad.port}",
                          "directory.password", input=samba.service_password), "tls_expired")
    assert connector.directory() == "ok"
    assert connector.ctl("test").json["steps"][0]["passed"] is True
    # The saved password belongs to the old server.
    refused(connector.ctl("set", f"directory.server=ldaps://{samba.dns_name}"),
            "password_needed", "directory.password")
    # By another name than the certificate's, unless that is said to be right.
    namespace.add_host(samba.address, "other-name.lab.test")
    other = [f"directory.server=ldaps://other-name.lab.test:{front.port}", "directory.password"]
    refused(connector.ctl("set", *other, input=samba.service_password), "tls_name",
            "other-name.lab.test", "dc1.lab.test")
    connector.ctl("set", *other, f"directory.tls.name={samba.dns_name}",
                  input=samba.service_password, check=0)


@pytest.mark.parametrize("kind", ["expired", "wrong_name", "other_ca"])
def test_directory_certificate_in_the_file(hub, samba, kind):
    """Set up in the file the daemon starts, says what is wrong, and what to do."""
    front = samba.tls_variant(kind)
    connector = hub.add_connector(directory=directory_settings(
        samba, server=[f"ldaps://{samba.dns_name}:{front.port}"]))
    connector.expect("directory: ")
    connector.wait_directory("failed")
    code, *words = AD_KINDS[kind]
    status = connector.status()
    assert status["directory"]["code"] == code, connector.log()
    for word in words:
        assert word in status["directory"]["text"]
    steps = connector.ctl("test", check=1).json["steps"]
    reach = steps[0]
    assert (reach["name"], reach["passed"], reach["code"]) == ("reach", False, code), steps
    assert reach["hint"] != ""
    # No handshake was finished: no password was sent.
    assert front.accepted == 0
    front.close()
    hub.connectors.remove(connector)
    connector.stop()


def test_wrong_service_password(connector, samba):
    arguments = [f"directory.server={samba.url}", f"directory.user={samba.service_dn}",
                 f"directory.tls.ca={samba.ca_file}", "directory.password"]
    message = refused(connector.ctl("set", *arguments, input="Mist4ken"), "bind_refused",
                      samba.service_dn, "directory.password")
    assert "Mist4ken" not in message + connector.log()
    assert connector.directory() == "not_configured"
    samba.directory.unlock(samba.service_user)


# Tickets


def test_mistyped_ticket(hub, connector):
    ticket = hub.ticket()
    url, _, pin = ticket.partition("#")
    flipped = url[:-1] + ("A" if url[-1] != "A" else "B")
    refused(connector.ctl("enroll", input=f"{flipped}#{pin}"), "ticket_unknown", "copy it again")
    for text, words in ((url.rpartition("/")[0] + "/" + "x" * 21, "too short"), (url + "*" + "#" + pin, "character"),
                        (url.replace("/t/", "/x/"), "not a ticket"), ("hello", "https://"),
                        (f"ldaps://dc1.lab.test/t/{'x' * 24}", "directory.server"),
                        ("https://hub.example.com/", "not a ticket"),
                        (f"{url[:30]} {url[30:]}", "space"), ("x" * 2040, "")):
        message = refused(connector.ctl("enroll", input=text), "bad_ticket", words)
        assert url.rpartition("/")[2] not in message
    for nothing in ("", "\n", " \n"):
        assert "adhubctl ticket new" in connector.ctl("enroll", input=nothing).err
    # As copied out of a mail.
    connector.ctl("enroll", input=f"  {ticket}\r\n", check=0)
    hub.hubctl("connector", "revoke", connector.status()["connector_id"], check=0)


def test_ticket_is_no_argument(hub, connector):
    ticket = hub.ticket()
    result = connector.ctl("enroll", ticket)
    assert result.status == 64 and "revoke" in result.err and ticket not in result.text
    assert connector.tunnel() == "not_enrolled"


def test_revoked_ticket(hub, connector):
    made = hub.new_ticket()
    hub.hubctl("ticket", "revoke", made["id"], check=0)
    refused(connector.ctl("enroll", input=made["url"]), "ticket_revoked", "revoked",
            "new one")


def test_ticket_of_a_removed_connection(hub, connector):
    hub.add_connection("short-lived")
    ticket = hub.ticket("short-lived")
    hub.hubctl("connection", "remove", "short-lived", check=0)
    refused(connector.ctl("enroll", input=ticket), "ticket_revoked", "new one")


def test_expired_ticket(new_stack):
    stack = new_stack()
    stack.add_connection("corp")
    made, fresh = stack.new_ticket(hours=1), stack.new_ticket(hours=1)
    stack.expire_ticket(made["id"])
    connector = stack.add_connector()
    refused(connector.ctl("enroll", input=made["url"]), "ticket_expired", "expired", "new one")
    stack.enrol(connector, fresh["url"])


def test_copy_of_a_ticket_on_a_second_host(new_stack):
    stack = new_stack()
    stack.add_connection("corp")
    first, second = stack.add_connector(), stack.add_connector()
    ticket = stack.ticket()
    stack.enrol(first, ticket)
    refused(second.ctl("enroll", input=ticket), "ticket_used_up", "another connector", "new one")
    assert second.tunnel() == "not_enrolled"
    one, = stack.connector_list()
    assert one["online"] is True
    # The one that used it may say it again: an answer may have been lost.
    stack.enrol(first, ticket)
    assert [row["id"] for row in stack.connector_list()] == [one["id"]]
    first.wait_tunnel("online")
    # Also after it was started again, from what is on its disk.
    first.end()
    first.start()
    first.wait_tunnel("online")
    stack.enrol(first, ticket)
    assert [row["id"] for row in stack.connector_list()] == [one["id"]]


def test_a_second_connector_waits_for_approval(new_stack, samba):
    """It gets no login and no sealed password until then; approving acts at once."""
    stack = new_stack()
    stack.add_connection("corp")
    first = stack.add_connector(directory=directory_settings(samba))
    second = stack.add_connector(directory=directory_settings(samba))
    ticket = stack.ticket(uses=2)
    stack.enrol(first, ticket)
    result = stack.enrol(second, ticket)
    assert result.json["code"] == "pending" and "approve" in result.json["message"]
    for connector in (first, second):
        connector.wait_directory()
    assert second.tunnel() == "pending"
    identifier = second.status()["connector_id"]
    keys = stack.login_keys()
    assert len(keys["recipients"]) == 1
    for _ in range(8):
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    assert second.status()["logins"]["total"] == 0
    # The first is gone: better no login than one through the second.
    first.end()
    assert stack.login_sealed("alice", ALICE.password, keys=keys).json["status"] \
        == "connector_unavailable"
    result = stack.hubctl("login", "corp", "alice", input=ALICE.password)
    assert (result.status, result.json["error"]["code"]) == (2, "connector_unavailable")
    assert "adhubctl connector list" in result.err
    stack.hubctl("connector", "approve", identifier, check=0)
    assert [one["kid"] for one in stack.login_keys()["recipients"]] \
        not in ([], [one["kid"] for one in keys["recipients"]])
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    second.wait_tunnel("online")
    stack.hubctl("connector", "revoke", identifier, check=0)
    assert stack.login_keys()["recipients"] == []
    second.wait_tunnel("refused")
    assert "revoked" in second.status()["tunnel"]["text"]


# Lost answers


class LossyFront(TlsFront):
    """Passes an enrolment on, and loses the answer, `losses` times."""

    losses = 0

    async def serve(self, reader, writer):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        far_reader, far_writer = await asyncio.wait_for(
            asyncio.open_connection(*self._target, ssl=self._outward), 10)
        far_writer.write(head)
        if head.startswith(b"POST /t/") and self.losses > 0:
            self.losses -= 1
            length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
            far_writer.write(await reader.readexactly(length))
            await far_writer.drain()
            assert (await far_reader.read(65536)).startswith(b"HTTP/1.1 201 ")
            writer.transport.abort()
            far_writer.close()
            return
        await join(reader, writer, far_reader, far_writer)


@pytest.fixture
def lossy(new_stack, names):
    """A hub behind such a front, and a connector that trusts the front."""
    ca = CertificateAuthority()
    port = free_port()
    stack = new_stack(hub={"public_url": f"https://{HUB_NAME}:{port}"})
    stack.add_connection("corp")
    with LossyFront(ca.issue(HUB_NAME, [HUB_NAME]), "127.0.0.1", stack.port, port=port) as front:
        yield stack, front, certified(stack, ca)
        # Before the front goes, or the connector's last words are about it.
        stack.connectors[0].stop()
        stack.connectors.clear()


def test_lost_answer_is_asked_for_again(lossy):
    stack, front, connector = lossy
    front.losses = 1
    stack.enrol(connector, unpinned(stack.ticket()))
    assert front.losses == 0
    one, = stack.connector_list()
    assert connector.status()["connector_id"] == one["id"]


def test_enrolment_whose_answer_was_lost_can_be_repeated(lossy):
    """By a person, with the same ticket, also after the daemon was started again."""
    stack, front, connector = lossy
    ticket = unpinned(stack.ticket())
    front.losses = 4
    refused(connector.ctl("enroll", input=ticket), "unreachable")
    one, = stack.connector_list()
    assert connector.tunnel() == "not_enrolled"
    connector.end()
    connector.start()
    refused(connector.ctl("enroll", input=ticket), "unreachable")
    assert front.losses == 0
    stack.enrol(connector, ticket)
    assert connector.status()["connector_id"] == one["id"]
    assert [row["id"] for row in stack.connector_list()] == [one["id"]]
    listed, = stack.hubctl("ticket", "list", check=0).json["tickets"]
    assert listed["uses_left"] == 0
    # Another ticket is another connector.
    stack.enrol(connector, unpinned(stack.ticket(auto_approve=True)))
    assert len(stack.connector_list()) == 2


def test_no_ticket_in_a_log(hub, connector):
    """Whole or in part, used or not."""
    ticket = hub.ticket()
    secret = unpinned(ticket).rpartition("/")[2]
    connector.ctl("enroll", input=ticket, check=0)
    mistyped = unpinned(ticket)[:-1] + "~"
    connector.ctl("enroll", input=mistyped)
    rows = json.dumps(hub.audit(limit=100))
    for text in (hub.hub.log(), connector.log(), rows):
        assert secret not in text and secret[:-1] not in text
    hub.hubctl("connector", "revoke", connector.status()["connector_id"], check=0)


def test_plain_http_on_loopback(new_stack, samba):
    """For a proxy on the hub's host that does TLS: enrolment, tunnel and login work."""
    port = free_port()
    stack = new_stack(hub={"listen": [f"http://127.0.0.1:{port}"],
                           "public_url": f"http://127.0.0.1:{port}"})
    stack.add_connection("corp")
    connector = stack.add_connector(directory=directory_settings(samba))
    ticket = stack.ticket()
    assert ticket.startswith(f"http://127.0.0.1:{port}/t/") and "#" not in ticket
    stack.enrol(connector, ticket)
    connector.wait_directory()
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"


def test_starttls_of_a_stranger(connector, samba, tmp_path):
    """No password is sent when the certificate is not from the CA that was named."""
    path = tmp_path / "other-ca.pem"
    path.write_bytes(CertificateAuthority("another CA").pem)
    before = samba.directory.bad_pwd_count(samba.service_user)
    for server, mode in ((samba.url, "ldaps"), (f"ldap://{samba.dns_name}", "starttls")):
        refused(connector.ctl("set", f"directory.server={server}", f"directory.tls.mode={mode}",
                              f"directory.user={samba.service_dn}", f"directory.tls.ca={path}",
                              "directory.password", input="wrong"),
                "tls_untrusted", "adconnector lab CA")
    assert samba.directory.bad_pwd_count(samba.service_user) == before
    assert connector.directory() == "not_configured"


def test_hub_behind_a_proxy_that_does_tls(new_stack, names):
    """The pin of a certificate that nobody shows must not be in the ticket."""
    authority, port, listen = CertificateAuthority(), free_port(), free_port()

    class Plain(TlsFront):
        async def serve(self, reader, writer):
            await join(reader, writer, *await asyncio.open_connection(*self._target))

    stack = new_stack(hub={"listen": [f"http://127.0.0.1:{listen}"],
                           "public_url": f"https://{HUB_NAME}:{port}"})
    stack.add_connection("corp")
    with Plain(authority.issue(HUB_NAME, [HUB_NAME]), "127.0.0.1", listen, port=port):
        connector = certified(stack, authority)
        ticket = stack.ticket()
        assert ticket.startswith(f"https://{HUB_NAME}:{port}/t/") and "#" not in ticket
        stack.enrol(connector, ticket)
        connector.wait_tunnel("online")
        stack.stop()


def test_a_copy_of_a_connector(new_stack):
    """Two that run from one state directory: the log of each and the audit say so, and
    the hub holds both out before they fight for ever."""
    stack = new_stack()
    stack.add_connection("corp")
    first, copy = stack.add_connector(), stack.add_connector(start=False)
    stack.enrol(first)
    first.wait_tunnel("online")
    shutil.copytree(first.settings["state_dir"], copy.settings["state_dir"])
    mark = stack.audit_mark()
    copy.start()
    for connector in (first, copy):
        connector.wait(lambda: connector.status()["tunnel"]["code"] == "held_out", "not held out")
        assert "copy" in connector.status()["tunnel"]["text"]
    assert "another process connected as this connector" in first.log()
    events = {row["event"] for row in stack.audit(after=mark)}
    assert {"tunnel_replaced", "tunnel_held_out"} <= events
    assert stack.connector_list()[0]["online"] is False


# --- set up in part ----------------------------------------------------------


def test_what_is_still_missing_is_named(new_stack):
    connector = new_stack().add_connector()
    result = connector.ctl("explain", "alice")
    assert result.status == 1 and "no directory is set up yet: adconnectorctl setup" in result.text
    result = connector.ctl("set", "directory.server=ldaps://dc1.lab.test", check=0)
    assert result.json["message"].endswith("still needs: directory.user directory.password")
    assert connector.ctl("set", "no.such=thing").status == 1
    assert "settings not changed: no.such" in connector.log()
    assert "tunnel not opened anew" not in connector.log()


def test_what_an_enrolment_replaces_is_named(new_stack):
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector()
    stack.enrol(connector)
    before = connector.status()["connector_id"]
    result = connector.ctl("enroll", input=stack.ticket("corp"), check=0)
    assert f"as {before} of connection corp it is still known" in result.json["message"]
    assert f"adhubctl connector revoke {before}" in result.json["message"]
    connector.wait_tunnel("pending")
    # Each command can be copied as it stands.
    now = connector.status()["connector_id"]
    assert now != before
    assert f"adhubctl connector approve {now}" in result.json["message"]
    assert f"adhubctl connector approve {now}" in connector.status()["tunnel"]["text"]
    tunnel = {step["name"]: step for step in connector.ctl("test").json["steps"]}["tunnel"]
    assert f"adhubctl connector approve {now}" in tunnel["hint"]
    # Of one that the hub has let go of there is nothing left to do.
    stack.hubctl("connector", "revoke", now, check=0)
    connector.wait_tunnel("refused")
    result = connector.ctl("enroll", input=stack.ticket("corp"), check=0)
    assert "still known" not in result.json["message"]
