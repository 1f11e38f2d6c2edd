# SPDX-License-Identifier: ISC
"""adconnectorctl and the page never disagree, and neither do the scripts of old watchdogs.

One test drives both over the whole of docs/local-api.yaml, beside a real domain controller
and a hub: each asks and changes what the other sees.  Which routes that were is held against
the description, so that a new one cannot be left out.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.lab.population import ALICE
from tests.lab.process import wait_until
from tests.lab.terminal import dialogue

from . import install
from .local_api import Api, Seen
from .stack import Stack, directory_settings, write_password

WATCHDOG = os.path.join(os.path.dirname(__file__), "watchdog.py")
# What one face has alone: the page a session, and ctl the address that begins it.
OWN = {("POST", "/session"), ("DELETE", "/session"), ("POST", "/web")}
# What passes while one asks after the other.
PASSING = {"uptime_seconds", "ms", "ahead_seconds"}


@pytest.fixture(scope="module")
def stack(installed, samba):
    with Stack() as made:
        made.add_connection("corp")
        yield made


def still(value):
    """Without what passes."""
    if isinstance(value, dict):
        return {key: still(one) for key, one in value.items() if key not in PASSING}
    if isinstance(value, list):
        return [still(one) for one in value]
    return value


class Faces:
    """The same question to both; `routes` are those that both were asked."""

    def __init__(self, connector):
        self.connector = connector
        self.seen = Seen()
        self.page = Api.page(self.seen, connector)
        self.routes = set()

    def ask_page(self, method, path, body=None):
        self.routes.add((method, path.split("?")[0]))
        answer = self.page.call(method, path, body)
        assert answer.status < 300, answer
        return answer.document

    def refused_page(self, method, path, body=None):
        answer = self.page.call(method, path, body)
        assert answer.status >= 400, answer
        return answer.document

    def ctl(self, *args, status=0, **how):
        return self.connector.ctl(*args, check=status, **how).json

    def streams(self, path, body, *args, status=0):
        """Steps, and the end, from both; ctl makes one document of them."""
        *steps, end = self.ask_page("POST", path, body)
        assert end.pop("end") is True
        by_ctl = self.ctl(*args, status=status)
        assert still(by_ctl) == still({**end, "steps": steps})
        return by_ctl


def settings_agree(faces):
    """All of them; the page may set fewer, and each face says which."""
    by_page = faces.ask_page("GET", "/settings")
    by_ctl = faces.ctl("settings")
    assert by_page["revertible"] == by_ctl["revertible"]
    assert [one["key"] for one in by_page["settings"]] == [one["key"] for one in by_ctl["settings"]]
    for ours, theirs in zip(by_page["settings"], by_ctl["settings"]):
        if ours != theirs:
            assert theirs["settable"] and not ours["settable"] and ours["locked"], (ours, theirs)
            assert {**ours, "settable": True, "locked": ""} == {**theirs, "locked": ""}
    return {one["key"]: one for one in by_ctl["settings"]}


def drive_settings(faces, samba):
    """What one sets the other shows; what one is refused the other is, in the same words."""
    with open(samba.ca_file, encoding="utf-8") as file:
        ca = file.read()
    assert settings_agree(faces)["directory.password"]["set"] is False
    assert faces.ask_page("POST", "/settings", {
        "directory.server": samba.url, "directory.user": samba.service_dn,
        "directory.password": samba.service_password, "directory.tls.ca": ca})["code"] == "ok"
    faces.connector.wait_directory()
    settings = settings_agree(faces)
    assert settings["directory.server"]["value"] == samba.url
    assert settings["directory.password"]["set"] is True
    base = f"OU=People,{samba.base}"
    said = faces.ctl("set", f"directory.base={base}")
    assert settings_agree(faces)["directory.base"]["value"] == base
    assert faces.ask_page("POST", "/settings/revert") == said
    assert "value" not in settings_agree(faces)["directory.base"]
    assert faces.ctl("set", "--revert") == said
    # And the log says which they were.
    log = faces.connector.log()
    assert "settings changed: directory.base\n" in log
    assert "settings changed: as they were before\n" in log
    assert settings_agree(faces)["directory.base"]["value"] == base
    for changes in ({"directory.base": "no DN"}, {"directory.such": "x"}, {"directory.base": "DC=elsewhere"},
                    {"directory.user": "nobody@lab.test"}, {"directory.tls.mode": "starttls"},
                    {"directory.tls.name": "other.test"}, {"directory.tls.ca": ""},
                    {"directory.server": "ldaps://no-such-host.invalid"},
                    {"directory.server": f"ldaps://{samba.dns_name}:1"},
                    {"cloud.proxy": "http://a:b@c:1"}):
        by_page = faces.refused_page("POST", "/settings", changes)
        by_ctl = faces.ctl("set", *(f"{key}={value}" for key, value in changes.items()), status=1)
        assert by_page == by_ctl, changes
    assert settings_agree(faces)["directory.base"]["value"] == base


def drive_steps(faces, *logins):
    """The test of the connection, and what logins would do."""
    status = faces.ctl("status")
    well = all(part["code"] == "connected" for part in (
        status["data"]["ws"]["upstream"], status["data"]["ws"]["auth"], status["data"]["ad"]))
    assert faces.streams("/test", None, "test", status=0 if well else 1)["passed"] is well
    for name, expected in logins:
        document = faces.streams("/explain", {"username": name}, "explain", name,
                                 status=0 if expected == "ok" else 1)
        assert document["status"] == expected


def drive_status(faces):
    """How it is, in the same words, whatever state it is in; and the log."""

    def at_rest():
        """ctl between two answers of the page that are the same: nothing has changed meanwhile."""
        before = still(faces.ask_page("GET", "/status"))
        by_ctl = still(faces.ctl("status"))
        return (before, by_ctl) if still(faces.ask_page("GET", "/status")) == before else None

    by_page, by_ctl = wait_until(at_rest, "the status comes to rest")
    assert by_page == by_ctl
    since = max(1, faces.ctl("log")["lines"][-1]["sequence"] - 20)
    lines = faces.ask_page("GET", f"/log?since={since}")
    assert lines and lines[0]["sequence"] == since
    # Being asked is logged, at the level of these tests.
    assert faces.ctl("log", "--since", str(since))["lines"][:len(lines)] == lines


def drive_tunnel(faces, stack):
    """Joining, opening anew and leaving, by each; before that each is refused alike."""
    for path in ("/reconnect", "/rekey", "/unenroll"):
        by_page = faces.refused_page("POST", path)
        by_ctl = faces.ctl(path[1:], *(["--yes"] if path == "/unenroll" else []), status=1)
        assert by_page == by_ctl and by_page["error"]["code"] == "not_enrolled"
    spent = stack.ticket()
    for ticket in ("https://hub.example.com/t/short", spent[:-50] + "A" * 43 + spent[-7:], "x"):
        by_page = faces.refused_page("POST", "/enroll", {"ticket": ticket})
        assert by_page == faces.ctl("enroll", input=ticket, status=1), ticket

    def word(document):
        """Each time it is another connector that joins."""
        identity = faces.ctl("status")["data"].get("connector_id", "")
        return {**document, "message": document["message"].replace(identity, "ID")}

    joined = word(faces.ask_page("POST", "/enroll", {"ticket": stack.ticket(auto_approve=True)}))
    faces.connector.wait_tunnel("online")
    drive_status(faces)
    drive_steps(faces, ("alice", "ok"), ("disabled", "account_disabled"))
    assert faces.ask_page("POST", "/reconnect") == faces.ctl("reconnect")
    identity = faces.ctl("status")["data"]["connector_id"]
    changed = faces.ask_page("POST", "/rekey")
    # At once again: each says how many seconds to wait, which pass meanwhile.
    by_page, by_ctl = faces.refused_page("POST", "/rekey"), faces.ctl("rekey", status=1)
    assert by_page["error"]["code"] == "too_soon"
    assert re.sub("[0-9]+", "N", str(by_page)) == re.sub("[0-9]+", "N", str(by_ctl))
    assert faces.ctl("status")["data"]["connector_id"] == identity
    left = faces.ctl("unenroll", "--yes")
    assert faces.page.get("/status").document["data"]["tunnel"]["state"] == "not_enrolled"
    again = word(faces.ctl("enroll", input=stack.ticket(auto_approve=True)))
    faces.connector.wait_tunnel("online")
    assert again == joined
    assert faces.ctl("rekey") == changed
    other = faces.ask_page("POST", "/unenroll")
    assert (other["code"], other["message"].split()[0]) == (left["code"], left["message"].split()[0])
    assert faces.connector.tunnel() == "not_enrolled"


def test_ctl_and_page_over_the_whole_api(stack, samba):
    connector = stack.add_connector()
    connector.expect("refused|no answer|not reached|cannot|certificate|not found|no such")
    faces = Faces(connector)
    # Nothing is set yet.
    drive_status(faces)
    drive_steps(faces)
    drive_settings(faces, samba)
    drive_status(faces)
    drive_steps(faces, ("alice", "ok"), ("nobody-of-this-name", "invalid_credentials"))
    drive_tunnel(faces, stack)
    described = {(method, path.removeprefix("/api/v1")) for method, path in faces.seen.routes()}
    assert faces.routes == described - OWN
    # The others: an address is made by ctl alone, and a session is had with it alone.
    assert faces.refused_page("POST", "/web")["error"]["code"] == "not_permitted"
    assert faces.ctl("web")["url"].startswith(f"http://{faces.page.host}/#")
    assert faces.page.delete("/session").status == 200
    assert faces.page.get("/settings").status == 401
    assert faces.ctl("settings")["settings"]


def test_first_setup_at_a_terminal(stack, samba):
    """The questions of the page, asked in a shell: from nothing to four passes."""
    connector = stack.add_connector()
    connector.expect("refused")
    argv = [install.program("adconnectorctl"), "-s", connector.socket, "setup"]
    turns = [("or the domain", samba.url), ("Base DN", samba.base),
             ("Domain user", f"{samba.service_user}@{samba.domain}"), ("Password", "not this one"),
             ("ldaps, starttls or none", ""), ("CA of the directory", samba.ca_file), ("Proxy", "")]
    ticket = stack.ticket(auto_approve=True)
    # The first password is wrong: nothing was taken, so all is asked again.
    right = [(question, samba.service_password if question == "Password" else answer)
             for question, answer in turns]
    shown, status = dialogue(argv, [*turns, ("Try again? [y/N] ", "y"), *right,
                                    ("ticket URL [later]: ", ticket)], 60)
    assert status == 0 and "all four steps passed" in shown, shown
    assert samba.service_password not in shown and ticket not in shown
    connector.wait_tunnel("online")
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    # What the page shows of it.
    settings = Api.page(Seen(), connector).settings()
    assert settings["directory.server"]["value"] == samba.url
    assert settings["directory.password"]["set"] and settings["directory.tls.ca"]["set"]


def watchdog(connector):
    """(exit status, words) of the script."""
    port = connector.settings["web"]["listen"].rsplit(":", 1)[1]
    done = subprocess.run([sys.executable, "-I", WATCHDOG, port], capture_output=True, timeout=30,
                          env={"LC_ALL": "C.UTF-8"}, check=False)
    assert done.stderr == b"", done.stderr
    return done.returncode, done.stdout.decode().strip()


def waits_for(connector, *expected):
    """What everybody is told is at most a second old."""
    connector.wait(lambda: watchdog(connector) == expected,
                   f"the watchdog never says {expected} but {watchdog(connector)}")


def test_an_old_watchdog(stack, samba):
    """Without a session, as such scripts come; each of the three states by itself."""
    password = write_password(stack.folder, samba.service_password, "of-the-watchdog")
    connector = stack.add_connector(directory=directory_settings(samba, password_file=password))
    connector.expect("refused")
    waits_for(connector, 1, "ws.upstream ws.auth")
    stack.add_connection("watched")
    stack.enrol(connector, identifier="watched", auto_approve=True)
    waits_for(connector, 0, "healthy")
    assert stack.login("watched", "alice", ALICE.password)["status"] == "ok"
    stack.hub.stop()
    waits_for(connector, 1, "ws.upstream ws.auth")
    stack.hub.start()
    waits_for(connector, 0, "healthy")
    # The page's own process ends: the address answers again, and says the same.
    connector.kill("adc-web page")
    waits_for(connector, 0, "healthy")
    connector.stop()
    write_password(stack.folder, "wrong", "of-the-watchdog")
    connector.start()
    waits_for(connector, 1, "ad")
    connector.stop()
    code, words = watchdog(connector)
    assert code == 1 and words.startswith("no answer")
