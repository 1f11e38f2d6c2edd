# SPDX-License-Identifier: ISC
"""The real daemons with a child in bad hands: in place of one installed program stands
a script that breaks a rule.

Why: what a parent does about it (end it, say so, go on, try again later) shows only on
the whole daemon.  The script is mounted over the program, in the mount namespace of the
test run; nothing outside sees it.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import textwrap

import pytest

from tests.lab.hostile_ldap import HostileLdap
from tests.process.child import NUMBERS, ROOT, STATUS

from .daemon import StackError
from .local_api import Api, Seen
from .stack import write_password

HEAD = f"""
import array, os, socket, struct, sys, time
sys.argv.pop(0)  # what is left is as it is for the program
sock = socket.socket(fileno=3)
sock.setblocking(True)
NUMBERS = {NUMBERS!r}
def s(text): return struct.pack("<I", len(text)) + text
def send(name, payload=b"", id=0, fds=(), flags=0, zero=0):
    number = NUMBERS[name] if isinstance(name, str) else name
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try: sock.sendmsg([struct.pack("<HBBI", number, flags, zero, id) + payload], rights)
    except OSError: os._exit(0)  # the parent has let go
def hello(protocol=1, build=b"0.1.0"): send("HELLO", struct.pack("<I", protocol) + s(build))
def received():
    try: data, fds, _, _ = socket.recv_fds(sock, 65536, 4)
    except ConnectionResetError: os._exit(0)  # let go with something of ours unread
    if not data: os._exit(0)
    return data
def until(name):
    while struct.unpack("<H", received()[:2])[0] != NUMBERS[name]: pass
def ready():
    hello(); until("CONFIG_END"); send("READY")
def log(text): send("LOG", b"\\2" + s(text))
"""


def version():
    with open(os.path.join(ROOT, "configure.ac"), encoding="utf-8") as file:
        return re.search(r"AC_INIT\(\[adconnector\], \[([^]]+)\]\)", file.read())[1]


@pytest.fixture
def replace(installed, lab_namespace, scripts_folder):
    """replace(program, script): from now on to the end of the test, or to the call of the answer."""
    mounted = []

    def mount(name, script):
        path = pathlib.Path(tempfile.mkdtemp(dir=scripts_folder)) / name
        path.parent.chmod(0o755)
        path.write_text(f"#!/usr/bin/python3 {path}" + HEAD.replace("0.1.0", version()) +
                        textwrap.dedent(script), encoding="utf-8")
        path.chmod(0o755)
        target = os.path.join(installed, "libexec", "adconnector", name)
        subprocess.run(["mount", "--bind", str(path), target], check=True)
        mounted.append(target)
        return unmount

    def unmount():
        subprocess.run(["umount", "--lazy", mounted.pop()], check=True)

    yield mount
    while mounted:
        unmount()


@pytest.fixture
def connector(new_stack):
    """A connector daemon; dial is started with its first settings."""
    return new_stack().add_connector(start=False, directory={
        "server": ["ldap://127.0.0.1:1"], "base": "DC=lab,DC=test", "user": "service@lab.test",
        "tls": {"mode": "none"}})


BREACHES = {
    # what dial does: (script, what the log says)
    "another protocol": ("hello(2); time.sleep(60)", r"dial is of version \S+, this is"),
    "another build": ("hello(1, b'0.0.9'); time.sleep(60)", r"dial is of version 0\.0\.9, this is"),
    "build id with an escape": ("hello(1, b'1\\x1b[2J'); time.sleep(60)",
                                r"dial is of version 1\\x1b\[2J, this is"),
    "hello twice": ("hello(); hello(); time.sleep(60)", r"message HELLO from dial refused"),
    "hello cut": ("send('HELLO', struct.pack('<II', 1, 9) + b'x'); time.sleep(60)",
                  r"dial broke the protocol"),
    "unknown type": ("hello(); send(999, b''); time.sleep(60)", r"message unknown from dial refused"),
    "another's message": ("ready(); send('CHECKED', bytes(31)); time.sleep(60)",
                          r"message CHECKED from dial refused: this role may not send it"),
    "order to the spawner": ("ready(); send('SPAWN', bytes(2), 1, [0]); time.sleep(60)",
                             r"message SPAWN from dial refused: this role may not send it"),
    "run-time message too early": ("hello(); send('DIALED', bytes(13), 1); time.sleep(60)",
                                   r"message DIALED from dial refused: not in this state"),
    "two descriptors": ("ready(); send('DIALED', bytes(13), 1, [0, 0]); time.sleep(60)",
                        r"dial broke the protocol and is ended: more than one descriptor"),
    "many descriptors": ("ready(); send('DIALED', bytes(13), 1, [0] * 200); time.sleep(60)",
                         r"dial broke the protocol and is ended: more descriptors"),
    "too long": ("ready(); send('DIALED', bytes(2049), 1); time.sleep(60)",
                 r"message DIALED from dial refused: too long"),
    "bad header": ("ready(); send('LOG', bytes(5), zero=1); time.sleep(60)", r"bad header"),
    "level that is none": ("ready(); send('LOG', b'\\4' + s(b'x')); time.sleep(60)",
                           r"dial broke the protocol and is ended: bad LOG"),
    "log text with NUL": ("ready(); send('LOG', b'\\2' + s(b'a\\0b')); time.sleep(60)", r"bad LOG"),
    "log text not UTF-8": ("ready(); send('LOG', b'\\2' + s(b'\\xff')); time.sleep(60)", r"bad LOG"),
    "packet without a header": ("ready(); sock.send(b'xyz'); time.sleep(60)", r"packet too short"),
    "dies by a signal": ("ready(); os.kill(os.getpid(), 11)", r"dial: died by signal 11"),
    "ends with a status": ("ready(); os._exit(3)", r"dial: ended with status 3"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_breach_is_told_and_survived(replace, connector, breach):
    script, words = BREACHES[breach]
    replace("adc-dial", script)
    connector.expect(r"dial|DIALED|HELLO|LOG")
    connector.start(whole=False)
    connector.wait(lambda: re.search(words, connector.log()), f"the log does not say {words}", 10)
    # It is started again, and the daemon answers all the while.
    connector.wait(lambda: len(re.findall(words, connector.log())) >= 3, "it is not tried again", 10)
    assert connector.ctl("status").status == 0
    before = os.listdir(f"/proc/{connector.process.pid}/fd")
    connector.wait(lambda: len(re.findall(words, connector.log())) >= 4, "it is not tried again", 15)
    assert len(os.listdir(f"/proc/{connector.process.pid}/fd")) <= len(before) + 2


def test_lines_of_a_child_do_not_forge_others(replace, connector):
    replace("adc-dial", r"""
        ready()
        log(b"one\nerror: parent: forged")
        log(b"two\x1b[2J\r\x07")
        log("three \u009b31m \u2028".encode())
        until("DRAIN")
    """)
    connector.start(whole=False)
    connector.wait(lambda: "three" in connector.log(), "no line of it")
    text = connector.log()
    assert "\nerror: parent: forged" not in text
    assert r"one\x0aerror: parent: forged" in text
    assert r"two\x1b[2J\x0d\x07" in text
    assert r"three \xc2\x9b31m" in text


def test_a_child_that_never_gets_ready_is_ended(replace, connector):
    replace("adc-dial", "hello(); time.sleep(600)")
    connector.expect(r"dial")
    connector.start(whole=False)
    connector.wait(lambda: "did not get ready in time" in connector.log(), "it waits for ever", 30)
    assert connector.ctl("status").status == 0


def test_the_real_one_takes_over(replace, connector):
    """Back-off, then the first good start ends the trouble."""
    restore = replace("adc-dial", "os._exit(1)")
    connector.expect(r"dial")
    connector.start(whole=False)
    connector.wait(lambda: connector.log().count("dial: ended with status 1") >= 3, "not tried", 10)
    restore()
    connector.wait(lambda: "dial: ready" in connector.log(), "the good one is not started", 20)


def test_without_its_spawner_the_daemon_ends(connector):
    connector.expect(r"the spawner|spawner")
    connector.start()
    spawner = connector.pids()["adc-spawner"]
    connector.note_processes()
    os.kill(spawner, 9)
    status = connector.process.wait(10)
    assert status not in (0, -9, -11, -6)
    connector.process = None


def test_lines_of_the_spawner_do_not_forge_others(replace, connector):
    replace("adc-spawner", r"""
        hello()
        log(b"one\nerror: parent: forged")
        os._exit(1)
    """)
    connector.expect("spawner|forged")
    with pytest.raises(StackError):
        connector.start()
    connector.process.wait(5)
    connector.process = None
    text = connector.log()
    assert "\nerror: parent: forged" not in text
    assert r"one\x0aerror: parent: forged" in text


@pytest.fixture
def served(new_stack):
    """(stack, connector) whose directory is well: a small one of the test's own."""
    server, stack = HostileLdap(), new_stack()
    try:
        connector = stack.add_connector(directory={
            "server": [f"ldap://127.0.0.1:{server.port}"], "user": server.service_dn,
            "password_file": write_password(stack.folder, server.service_password),
            "tls": {"mode": "none", "allow_clear": True}})
        connector.wait_directory()
        yield stack, connector
        connector.end_quietly()
    finally:
        server.close()


def test_one_that_dies_before_it_takes_over_is_started_again(replace, served):
    """After the connector has left, the directory of before knows a connection that is gone."""
    stack, connector = served
    stack.add_connection("corp")
    stack.enrol(connector, auto_approve=True)
    # The one that knows the connection takes over first: until then another change is refused.
    connector.wait(lambda: connector.log().count("info: directory: bound to ") == 2,
                   "no directory for the connection")
    before = connector.pids()["adc-directory"]
    restore = replace("adc-directory", "os._exit(1)")
    connector.expect("directory|the process that")
    connector.ctl("unenroll", "--yes", check=0)
    connector.wait(lambda: "directory: ended with status 1" in connector.log(), "it did not die")
    connector.wait(lambda: connector.pids().get("adc-directory") != before,
                   "the one of before stays in service")
    restore()
    connector.wait(lambda: connector.directory() == "ok", "no directory", 60)
    assert connector.pids()["adc-directory"] != before


DRAINING = """
    def answer():
        while struct.unpack("<H", (data := received())[:2])[0] != NUMBERS["CONNECTED"]: pass
        return data[8]
    ready()
    send("DIRECTORY_STATE", b"\2" + s(b"") * 6 + struct.pack("<HH", 1, 0))
    until("DRAIN")
    send("CONNECT", struct.pack("<BHI", 0, 0, 5000), 7)
    log(b"once more: %d" % answer())
    time.sleep(600)
"""


def test_a_directory_that_drains_connects_no_more(replace, new_stack):
    """Its places in the list of servers are not those of the settings in force."""
    replace("adc-directory", DRAINING)
    connector = new_stack().add_connector()
    api = Api.control(Seen(), connector)
    answer = api.post("/settings", {
        "directory.server": "ldap://127.0.0.1:1", "directory.user": "service@lab.test",
        "directory.password": "Some-Passw0rd", "directory.tls.mode": "none",
        "directory.tls.allow_clear": "true"})
    assert answer.status == 200, answer
    assert api.post("/settings", {"directory.base": "DC=lab,DC=test"}).status == 200
    connector.wait(lambda: "once more: " in connector.log(), "it has no answer")
    assert f"once more: {STATUS['internal']}" in connector.log()
