# SPDX-License-Identifier: ISC
"""Children that were taken over and keep to the message table: what they can still say.

Why: the table stops a message that a role may never send (test_parent.py).  These are
the ones that it may send, at the wrong time, for the wrong question or with a lie in
them; in the place of the program stands a script that writes what it learns into the log.
"""

import os
import pathlib
import re
import shutil
import time

import pytest

from tests.lab.population import ALICE
from tests.lab.process import wait_until

from . import install
from .stack import Connector, Hub, directory_settings, free_port, write_password
from .test_parent import replace  # noqa: F401  pylint: disable=unused-import

# What the scripts need beyond the head of test_parent.py.
TOOLS = """
def receive():
    data = received()
    number, _, _, id = struct.unpack("<HBBI", data[:8])
    return next(name for name, value in NUMBERS.items() if value == number), id, data[8:]
def await_reply(*names):
    while True:
        name, id, body = receive()
        if name in names:
            return name, id, body
def string(body):
    n = struct.unpack("<I", body[:4])[0]
    return body[4:4 + n], body[4 + n:]
"""


def script(text):
    return TOOLS + "\n".join(line[8:] for line in text.strip("\n").splitlines())


@pytest.fixture
def enrolled(new_stack, samba):
    """A stack with a connector that works, and another connection at its hub."""
    stack = new_stack()
    stack.add_connection("corp")
    stack.add_connection("other")
    connector = stack.add_connector(directory=directory_settings(samba))
    stack.enrol(connector)
    connector.wait_directory("ok")
    return stack


BEFORE_ITS_TIME = {
    # While it trades a ticket: nothing of the identity in force is at its service.
    "proof": ("""
        ready()
        send("TUNNEL_PROOF", s(b"n" * 32), 7)
        """, "bad TUNNEL_PROOF"),
    "login": ("""
        ready()
        send("AUTHENTICATE", s(b"k" * 43) + s(b"attempt") + struct.pack("<I", 5000) + s(b"alice") +
             bytes(64 + 40 + 12 + 16) + s(b"x" * 300), 7)
        """, "AUTHENTICATE before its time"),
    "test": ("""
        ready()
        send("TEST", struct.pack("<I", 5000), 7)
        """, "bad TEST"),
}


@pytest.mark.parametrize("what", BEFORE_ITS_TIME)
def test_an_enrolling_cloud_speaks_for_nobody(enrolled, replace, what):  # noqa: F811
    """The hub of a new ticket may be another one, and hostile: what it took over must not
    use the identity and the directory of the old one."""
    connector = enrolled.connectors[0]
    before = connector.identity()
    text, words = BEFORE_ITS_TIME[what]
    restore = replace("adc-cloud", script(text + """
        while True: log(b"GOT " + await_reply(*NUMBERS)[0].encode())
        """))
    connector.expect("cloud|not enrolled")
    result = connector.ctl("enroll", input=enrolled.ticket("other"))
    assert result.status == 1, result
    assert f"broke the protocol and is ended: {words}" in connector.log()
    for word in ("TUNNEL_PROVED", "VERDICT", "TEST_RESULT", "TEST_END"):
        assert f"GOT {word}" not in connector.log()
    # What was in force is in force.
    assert connector.identity() == before
    assert connector.tunnel() == "online"
    assert enrolled.login("corp", "alice", ALICE.password)["status"] == "ok"
    restore()


def authenticate(deadline_ms, id, seal_kid="k" * 43):
    """What sends a login whose key is no point of the curve, with one tag for all."""
    return f"""
        send("AUTHENTICATE", s(b"{seal_kid}") + s(b"attempt") + struct.pack("<I", {deadline_ms}) + s(b"alice") +
             bytes(64 + 40 + 12) + b"0123456789abcdef" + s(b"x" * 300), {id})
        """


@pytest.mark.parametrize("deadline_ms", [0, 60001, 0xffffffff])
def test_a_login_s_deadline_is_looked_at_first(enrolled, replace, deadline_ms):  # noqa: F811
    """It ends the process that sent it, and not the one that was to open the password."""
    connector = enrolled.connectors[0]
    directory = connector.pids()["adc-directory"]
    restore = replace("adc-cloud", script("""
        ready()
        """ + authenticate(deadline_ms, 7) + """
        await_reply("VERDICT")
        """))
    connector.kill("adc-cloud")
    connector.expect("cloud broke the protocol and is ended: bad AUTHENTICATE")
    connector.wait(lambda: "bad AUTHENTICATE" in connector.log(), "no breach", 10)
    restore()
    connector.wait_tunnel("online", seconds=30)
    assert connector.pids()["adc-directory"] == directory


def test_a_sealed_password_counts_once_for_every_directory_process(enrolled, replace):  # noqa: F811
    """The one that opened it remembers it, and may be ended; the parent remembers it too."""
    connector = enrolled.connectors[0]
    send = authenticate(5000, 7, enrolled.connector_list("corp")[0]["seal_kid"])
    restore = replace("adc-cloud", script("""
        ready()
        """ + send + """
        def reason():
            _, rest = string(await_reply("VERDICT")[2][1:])
            return string(rest)[0]
        log(b"first: " + reason())
        """ + send + """
        log(b"second: " + reason())
        until("DRAIN")
        """))
    connector.kill("adc-cloud")
    connector.wait(lambda: "second: " in connector.log(), "two answers", 10)
    assert "first: sealed_broken" in connector.log()
    assert "second: sealed_used" in connector.log()
    restore()


MADE_UP = """
        ready()
        send("DIRECTORY_STATE", b"\\2" + s(b"ok") + s(b"") + s(b"dc") + s(b"DC=lab") + s(b"LAB") +
             s(b"lab.test") + bytes(4))
        profile = b'{"id":"x"}'
        def checked(status, proven, found, profile):
            return (bytes([status, proven]) + s(b"") + bytes([found]) + bytes(16) +
                    s(profile) + struct.pack("<I", 1))
"""


def test_answers_to_what_was_not_asked(enrolled, replace):  # noqa: F811
    """directory answers an attempt once; made-up ids and second answers sign nothing."""
    connector = enrolled.connectors[0]
    replace("adc-directory", script(MADE_UP + """
        for id in range(0, 300): send("CHECKED", checked(0, 1, 1, profile), id)
        while True:
            name, id, body = receive()
            if name == "CHECK_PASSWORD":
                for wrong in (id + 1, id - 1, id ^ 0x80000000):
                    send("CHECKED", checked(0, 1, 1, profile), wrong)
                send("CHECKED", checked(1, 0, 0, b""), id)
                send("CHECKED", checked(0, 1, 1, profile), id)
                log(b"answered")
            elif name == "DRAIN": os._exit(0)
        """))
    connector.kill("adc-directory")
    connector.wait_directory("ok")
    for _ in range(3):
        assert enrolled.login("corp", "alice", ALICE.password)["status"] == "invalid_credentials"
    assert connector.log().count("answered") == 3
    def rows():
        return [row for row in enrolled.audit() if row["event"] in ("login", "verdict_refused")]

    wait_until(lambda: len(rows()) >= 3, "the rows behind the answers", 10)
    assert [row["status"] for row in rows()] == ["invalid_credentials"] * 3
    assert connector.status()["logins"]["total"] == 3


LIES = {
    "ok without a proof": "checked(0, 0, 1, b'')",
    "ok for nobody": "checked(0, 1, 0, b'')",
    "a profile without a proof": "checked(1, 0, 1, profile)",
    "a status that is none": "checked(99, 0, 0, b'')",
    "a profile that is no text": "checked(0, 1, 1, b'\\xff\\xfe')",
    "neither true nor false": "checked(0, 2, 1, b'')",
    "something behind it": "checked(1, 0, 0, b'') + b'x'",
}


@pytest.mark.parametrize("lie", LIES)
def test_contradictions_are_a_breach(enrolled, replace, lie):  # noqa: F811
    connector = enrolled.connectors[0]
    replace("adc-directory", script(MADE_UP + f"""
        while True:
            name, id, body = receive()
            if name == "CHECK_PASSWORD": send("CHECKED", {LIES[lie]}, id)
        """))
    connector.kill("adc-directory")
    connector.wait_directory("ok")
    connector.expect("directory broke the protocol and is ended: bad CHECKED")
    assert enrolled.login("corp", "alice", ALICE.password)["status"] == "directory_unavailable"
    assert "bad CHECKED" in connector.log()


UNREADABLE = {
    # What the hub's process does, and who is ended for it.
    "a question": ("gate-public", """
        ready()
        while True:  # until there is a store to read it
            send("TICKET_GET", s(b"\\xff"), 7)
            time.sleep(0.1)
        """, "gate-public broke the protocol and is ended: TICKET_GET that store cannot read"),
    "no question": ("gate-control", """
        ready()
        while True:
            send("AUDIT", bytes(48), 7)
            time.sleep(0.1)
        """, "gate-control broke the protocol and is ended: AUDIT that store cannot read"),
    "a lie about somebody else": ("gate-public", """
        ready()
        send("UNREADABLE", struct.pack("<H", NUMBERS["LOGIN"]), 1)
        await_reply("DRAIN")
        """, None),
    "what it may not be sent": ("gate-public", """
        ready()
        send("UNREADABLE", struct.pack("<H", NUMBERS["TICKET_GET"]), 1)
        await_reply("DRAIN")
        """, "gate-public broke the protocol and is ended: bad UNREADABLE"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_who_sends_what_another_cannot_read(new_stack, replace, what):  # noqa: F811
    """The parent of the hub passes it on unread; it is not the reader who must go."""
    role, text, words = UNREADABLE[what]
    stack = new_stack()
    hub = stack.hub
    hub.end()
    hub.expect("gate-(public|control) broke the protocol and is ended")
    hub.expect(r"(store|gate-\w+): (bad message \w+ from another process|ended with status 1)")
    before = len(hub.log())
    honest = shutil.copy(os.path.join(install.prefix(), "libexec", "adconnector", "adhub-gate"),
                         os.path.join(stack.folder, "adhub-gate"))
    replace("adhub-gate", f"""
if "gate-" + sys.argv[1] != {role!r}:
    os.execv({honest!r}, [{honest!r}, *sys.argv[1:]])
""" + script(text))
    hub.launch()
    if words is None:
        # It is started again and again, and nobody else is.
        hub.wait(lambda: hub.log()[before:].count(f"{role}: ready") >= 5, "it is not ended", 20)
        assert "store broke" not in hub.log() and "gate-control broke" not in hub.log()
    else:
        hub.wait(lambda: words in hub.log()[before:], "it is not ended", 20)


def test_servers_outside_the_domain(new_stack, replace):  # noqa: F811
    """dial finds the servers of a domain; a name of its own making is refused, and what it
    handed over with it is closed."""
    stack = new_stack()
    connector = stack.add_connector(start=False, directory={
        "server": ["lab.test"], "user": "service@lab.test",
        "password_file": write_password(stack.folder, "Some-Password 1")})
    replace("adc-dial", script("""
        ready()
        while True:
            name, id, body = receive()
            if name == "DIAL":
                a, b = socket.socketpair()
                send("DIALED", b"\\0" + s(b"dc.lab.test.evil.example") + s(b"127.0.0.1:636") +
                     s(b""), id, [a.fileno()])
        """))
    words = "dial broke the protocol and is ended: a server outside the configured domain"
    connector.expect("dial broke the protocol")
    connector.start()

    def breaches():
        return connector.log().count(words)

    def sockets():
        path = f"/proc/{connector.process.pid}/fd"
        found = 0
        for fd in os.listdir(path):
            try:
                found += os.readlink(f"{path}/{fd}").startswith("socket:")
            except FileNotFoundError:
                continue  # closed meanwhile
        return found

    connector.wait(lambda: breaches() >= 2, "dial is not ended", 20)
    first = sockets()
    connector.wait(lambda: breaches() >= 5, "dial is not tried again", 30)
    assert sockets() <= first + 1


def test_a_flood_of_lines(new_stack, replace):  # noqa: F811
    """Its log is cut to what one process may say in a second, with a line that says so;
    what others say and ask gets through."""
    connector = new_stack().add_connector(start=False)
    replace("adc-dial", script("""
        ready()
        for i in range(20000): log(b"flood %d" % i)
        time.sleep(1.1)
        log(b"after the flood")
        await_reply("DRAIN")
        """))
    connector.start()
    connector.wait(lambda: "after the flood" in connector.log(), "the end of the flood", 30)
    log = connector.log()
    lines = len(re.findall(r"dial: flood", log))
    left_out = sum(int(n) for n in re.findall(r"dial: (\d+) more lines of it were left out", log))
    assert lines + left_out == 20000 and left_out > 10000
    assert connector.ctl("status").status == 0


def test_bind_password_for_the_one_in_force_only(enrolled, replace, samba):  # noqa: F811
    """The old directory process, which finishes what it has after a change, gets neither the
    new password nor the old one again."""
    connector = enrolled.connectors[0]
    restore = replace("adc-directory", script(MADE_UP + """
        def ask(when):
            send("SERVICE_PASSWORD_GET", b"", 9)
            name, id, body = await_reply("SERVICE_PASSWORD")
            log(b"%s: %d bytes" % (when, len(string(body)[0])))
        ask(b"in force")
        await_reply("DRAIN")
        ask(b"replaced")
        """))
    connector.kill("adc-directory")
    connector.wait(lambda: "in force: " in connector.log(), "its first question", 10)
    restore()
    # Another identity is another directory process.
    enrolled.enrol(connector, identifier="other")
    connector.wait(lambda: "replaced: " in connector.log(), "its second question", 10)
    assert f"in force: {len(samba.service_password)} bytes" in connector.log()
    assert "replaced: 0 bytes" in connector.log()
    connector.wait_directory("ok")
    assert enrolled.login("other", "alice", ALICE.password)["status"] == "ok"


@pytest.mark.parametrize("house", ["hub", "connector"])
def test_too_few_descriptors(new_stack, house):
    """Whatever the limit it was started with, it ends at once and says why, or serves what
    it can; what it cannot start is tried again, and nothing else ends for that."""
    stack = new_stack()
    outcomes = set()
    for limit in range(7, 24):
        if house == "hub":
            settings = {**stack.hub.settings, "listen": [f"https://127.0.0.1:{free_port()}"]}
            for key in ("state_dir", "runtime_dir", "uid_base", "public_url"):
                settings.pop(key)
            daemon = Hub(os.path.join(stack.folder, f"hub{limit}"), settings)
        else:
            daemon = Connector(f"connector{limit}", os.path.join(stack.folder, f"c{limit}"), {})
        daemon.descriptors = limit
        daemon.expect("Too many open files|not ready|could not|ended|did not start|was not")
        outcomes.add(outcome(daemon, limit))
        daemon.end_quietly()
        daemon.check_log()
    assert outcomes == {"refused", "waits", "serves"}


def outcome(daemon, limit):
    daemon.launch()
    words = r"a socket for \S+: Too many open files"
    while True:
        log = daemon.log()
        if not daemon.alive():
            log = daemon.log()  # its last words, which may be younger than the look before
            assert re.search(r"^error: ", log, re.M), (limit, log)
            return "refused"
        if "parent: ready: " in log:
            return "serves"
        if len(re.findall(words, log)) >= 4:
            return "waits"
        time.sleep(0.01)


# A parent that was taken over can write in its state directory; the next start is root's


@pytest.fixture
def stopped(new_stack):
    """A connector that ran once, so that its directories are there and its user's."""
    connector = new_stack().add_connector()
    connector.end()
    return connector


def fails_to_start(connector, words):
    """It ends at once, with the reason as its last words."""
    done = connector.run_once()
    assert done.returncode != 0 and words in done.stderr.decode(), done
    return done.stderr.decode()


@pytest.mark.parametrize("key", ["directory.tls.ca", "cloud.ca"])
def test_a_saved_path_opens_nothing_of_root_s(stopped, key):
    """saved.conf may name any file, and root reads it: not with root's rights."""
    secret = pathlib.Path(stopped.folder, "only-root")
    secret.write_text("root's own\n-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    secret.chmod(0o600)
    write_saved(stopped, "{}\n".format(nested(key, f'"{secret}"')))
    assert "root's own" not in fails_to_start(stopped, f"{key} cannot be read")
    # What that user may read is another thing, and so is what the file says.
    secret.chmod(0o644)
    stopped.start()
    stopped.end()
    secret.chmod(0o600)
    write_saved(stopped, "")
    block, _, rest = key.partition(".")
    value = {"tls": {"ca": str(secret)}} if rest == "tls.ca" else {"ca": str(secret)}
    stopped.settings[block] = value
    stopped.write_config()
    stopped.start()


def nested(key, value):
    first, *rest = key.split(".")
    return f"{first} = " + (f"{{ {nested('.'.join(rest), value)} }};" if rest else f"{value};")


def write_saved(connector, text):
    path = f"{connector.settings['state_dir']}/saved.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o600)
    os.chown(path, connector.uid_base, connector.uid_base)


def test_the_lock_is_not_another_file_of_root_s(stopped):
    """A second name of some file in the place of the lock: it is neither given away nor emptied."""
    secret = pathlib.Path(stopped.settings["state_dir"], "..", "only-root")
    secret.write_text("root's own\n", encoding="utf-8")
    lock = pathlib.Path(stopped.settings["state_dir"], "lock")
    lock.unlink()
    os.link(secret, lock)
    fails_to_start(stopped, "not a regular file of one name")
    assert secret.read_text(encoding="utf-8") == "root's own\n"
    assert secret.stat().st_uid == 0


@pytest.mark.parametrize("name", ["identity.json", "bind-password", "saved.conf"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_traps_in_the_state_directory(stopped, tmp_path, name, kind):
    """A link is not followed and a FIFO is not waited at."""
    secret = tmp_path / "only-root"
    secret.write_text("root's own\n", encoding="utf-8")
    path = f"{stopped.settings['state_dir']}/{name}"
    if kind == "link":
        os.symlink(secret, path)
    else:
        os.mkfifo(path, 0o600)
    os.chown(path, stopped.uid_base, stopped.uid_base, follow_symlinks=False)
    if name == "bind-password":
        # It is told, and the daemon runs without it.
        stopped.expect("bind-password|reading a secret")
        stopped.start()
        assert stopped.status()["directory"]["password"] == "not set"
        assert "root's own" not in stopped.log()
    else:
        assert "root's own" not in fails_to_start(stopped, name)
