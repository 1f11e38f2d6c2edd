# SPDX-License-Identifier: ISC
"""The daemons as an administrator meets them: started twice, asked while a
child is dead, enrolled the moment they run, given a file they cannot use."""

import os
import pty
import pwd
import signal
import subprocess

import pytest

from tests.lab import population
from tests.lab.tls import CertificateAuthority
from tests.system import install
from tests.system.stack import directory_settings, free_port


def test_a_second_daemon_on_the_same_directories_is_refused(new_stack):
    stack = new_stack()
    connector = stack.add_connector()
    for daemon, pid in ((connector, connector.process.pid), (stack.hub, stack.hub.process.pid)):
        second = daemon.run_once()
        assert second.returncode == 1
        assert f"already running, pid {pid}" in second.stderr.decode()
        assert daemon.alive()
    # The first ones still have their control sockets.
    assert connector.status()["state"] == "running"
    assert stack.add_connection("still-here") == "still-here"


def test_what_is_locked_by_a_crash_is_free_again(new_stack):
    connector = new_stack().add_connector()
    connector.crash()
    connector.start()
    assert connector.status()["state"] == "running"


def test_status_of_a_directory_that_died(new_stack, samba):
    stack = new_stack()
    connector = stack.add_connector(directory=directory_settings(samba))
    connector.wait_directory("ok")
    dial = connector.pids()["adc-dial"]
    os.kill(dial, signal.SIGSTOP)
    try:
        connector.kill("adc-directory")
        # The new one has no way out while dial stands still.
        assert connector.directory() == "connecting"
        assert connector.status()["ad"]["code"] == "connecting"
    finally:
        os.kill(dial, signal.SIGCONT)
    connector.wait_directory("ok")


@pytest.mark.parametrize("again", range(3))
def test_enrolled_the_moment_it_runs(new_stack, samba, again):
    """Its directory may still be starting, with the configuration from before."""
    stack = new_stack()
    stack.add_connection("corp")
    ticket = stack.ticket("corp")
    connector = stack.add_connector(directory=directory_settings(samba))
    stack.enrol(connector, ticket)
    alice = population.ALICE
    answers = []

    def logged_in():
        answers.append(stack.login("corp", alice.name, alice.password))
        return answers[-1]["status"] == "ok"

    connector.wait(logged_in, f"a login after the enrolment: {again}", 10)
    # It may come too early, but never to a directory that knows of no enrolment.
    assert not [answer for answer in answers if answer.get("reason") == "not_enrolled"]


def test_advice_about_quoting_is_not_quoted(installed, tmp_path):
    config = tmp_path / "broken.conf"
    config.write_text('directory = { user = "DOM\\user"; };\n', encoding="ascii")
    config.chmod(0o600)
    done = subprocess.run([install.program("adconnectord"), "-n", "-c", str(config)],
                          capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert "\\\\" in done.stderr and "\\x5c" not in done.stderr
    assert done.stderr.startswith(f"{config}:1: ")


def test_a_hangup_is_told_and_changes_nothing(new_stack):
    stack = new_stack()
    connector = stack.add_connector()
    for daemon in (connector, stack.hub):
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait(lambda: "SIGHUP: the configuration is read at the start only" in daemon.log(),  # pylint: disable=W0640
                    "a line about the hangup")
    assert connector.status()["state"] == "running"
    assert stack.add_connection("still-here") == "still-here"


def test_the_end_of_its_terminal_ends_it(new_stack):
    connector = new_stack().add_connector()
    connector.end()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(install.program("adconnectord"), ["adconnectord", "-d", "-c", connector.config])
    shown = b""
    while b"ready: " not in shown:
        part = os.read(terminal, 4096)
        assert part, shown
        shown += part
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    connector.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")
def test_numbers_that_are_somebodys_are_refused(new_stack):
    """Whoever has them could end, trace and read the processes."""
    stack = new_stack()
    connector = stack.add_connector()
    somebody = pwd.getpwnam("games")
    for daemon in (connector, stack.hub):
        daemon.end()
        before, daemon.settings["uid_base"] = daemon.settings["uid_base"], somebody.pw_uid - 2
        daemon.write_config()
        refused = daemon.run_once()
        assert refused.returncode == 1
        assert f"uid_base: {somebody.pw_uid - 2} is the user " in refused.stderr.decode()
        daemon.settings["uid_base"] = before
        daemon.write_config()
        daemon.start()


def gone(path):
    os.rename(path, path + "-elsewhere")


def emptied(path):
    with open(path, "w", encoding="ascii"):
        pass


@pytest.mark.parametrize("which", ["hub.crt", "hub.key"])
@pytest.mark.parametrize("spoil,words", [
    (gone, "No such file or directory"),
    (emptied, "PEM form"),
    (lambda path: (gone(path), os.mkdir(path)), "not a regular file"),
    (lambda path: os.truncate(path, 300 * 1024), "cannot be used")],
    ids=["gone", "empty", "folder", "too long"])
def test_the_file_of_the_hub_s_tls_that_is_wrong_is_named(new_stack, which, spoil, words):
    authority = CertificateAuthority()
    stack = new_stack(certificate=authority.issue("127.0.0.1", [], ["127.0.0.1"]),
                      ca=authority.pem)
    stack.hub.end()
    path = os.path.join(stack.folder, which)
    spoil(path)
    refused = stack.hub.run_once()
    said = refused.stderr.decode()
    assert refused.returncode == 1 and f"{path}: " in said and words in said, said
    other = {"hub.crt": "hub.key", "hub.key": "hub.crt"}[which]
    assert os.path.join(stack.folder, other) not in said, said


def test_the_hub_says_where_it_listens(new_stack):
    hub = new_stack().hub
    hub.end()
    ports = [free_port() for _ in range(2)]
    listen = [f"https://127.0.0.1:{ports[0]}", f"http://[::1]:{ports[1]}"]
    hub.settings.update(listen=listen, public_url="https://login.example.com")
    hub.write_config()
    hub.start()
    line = [line for line in hub.log().splitlines() if "parent: ready: " in line][-1]
    assert line.endswith("ready: https://login.example.com:443, listening on " + ", ".join(listen))


def test_the_largest_logo(new_stack, tmp_path):
    stack, logo = new_stack(), tmp_path / "logo.png"
    start = b"\x89PNG\r\n\x1a\n"
    logo.write_bytes(start + bytes(43 * 1024 - len(start)))
    stack.hubctl("connection", "add", "corp", "--logo", str(logo), check=0)
    assert stack.hubctl("connection", "show", "corp", check=0).json["has_logo"]
