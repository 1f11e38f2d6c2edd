# SPDX-License-Identifier: ISC
"""The daemons as an administrator meets them: started twice, asked while a
child is dead, enrolled the moment they run, given a file they cannot use."""

import os
import signal
import subprocess

import pytest

from tests.lab import population
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
