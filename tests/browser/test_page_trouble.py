# SPDX-License-Identifier: ISC
"""What somebody sees when it goes wrong while they save or test: the page says so, and the
settings in force stay, over the next start as well.

All real: connector, hub and domain controller; what goes wrong is a server that says nothing,
a process that ends, a state folder that takes nothing more.
"""

import contextlib
import os
import socket
import subprocess

import pytest

from tests.browser.test_page_real import GONE, REFUSED, UNAUTHORIZED, link, run_test, sign_in, states
from tests.lab.population import ALICE
from tests.system.freezing import frozen
from tests.system.load import Load, accounts
from tests.system.local_api import Api, Seen
from tests.system.stack import Stack

SEEN = Seen()


@pytest.fixture(scope="module")
def stack(installed):
    with Stack() as made:
        made.add_connection("corp")
        yield made


@pytest.fixture(scope="module")
def connector(stack, samba, tmp_path_factory):
    """Set up and enrolled; its state folder is a file system of 256 KiB of its own."""
    made = stack.add_connector(start=False)
    folder = made.settings["state_dir"]
    os.mkdir(folder, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", folder], check=True)
    try:
        made.start()
        made.expect("not reached|cannot|no answer|No space|not_saved|timeout")
        with open(samba.ca_file, encoding="utf-8") as file:
            answer = Api.control(SEEN, made).post("/settings", {
                "directory.server": samba.url, "directory.user": samba.service_dn,
                "directory.password": samba.service_password, "directory.tls.ca": file.read()})
        assert answer.status == 200, answer
        stack.enrol(made, auto_approve=True)
        made.wait_directory()
        yield made
        made.end()
    finally:
        subprocess.run(["umount", folder], check=True)


def base(connector):
    return connector.status()["directory"]["base"]


def save_base(browser, text):
    """Save, with another Base DN."""
    browser.type("#base", text)
    browser.click("#save")
    browser.wait_gone("#setup-wait", 60)


def stands(browser, connector, stack, samba, words):
    """Told, and nothing has changed: at once, and after another start."""
    browser.wait_text("#setup-result", "Nothing was changed", 60)
    assert words in browser.text("#setup-result")
    assert base(connector) == samba.base
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    browser.leave()
    connector.end()
    connector.start()
    connector.wait_tunnel("online")
    connector.wait_directory()
    assert base(connector) == samba.base
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"


@contextlib.contextmanager
def full(folder):
    """Not a block is left."""
    path = os.path.join(folder, "filler")
    try:
        with open(path, "wb", buffering=0) as out, pytest.raises(OSError, match="No space"):
            while True:
                out.write(b"x" * 4096)
        yield
    finally:
        os.unlink(path)


def test_disk_full_while_saving(browser, stack, connector, samba, expected):
    expected += [REFUSED, GONE]
    sign_in(browser, connector)
    with full(connector.settings["state_dir"]):
        save_base(browser, f"OU=People,{samba.base}")
        # It was tried and is well; it is the last step that fails.
        stands(browser, connector, stack, samba, "No space left on device")
        sign_in(browser, connector)
        # Nor does a certificate find room, and it is named.
        if not browser.shown("#directory-ca"):
            browser.click("#directory-more summary")
        with open(samba.ca_file, encoding="utf-8") as file:
            browser.paste("#directory-ca", file.read())
        browser.type("#password", samba.service_password)
        browser.click("#save")
        browser.wait_text("#directory-ca-error", "cannot be saved: No space left", 60)
    # There is room again: the same press saves.
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved", 60)
    assert not [name for name in os.listdir(connector.settings["state_dir"])
                if name.endswith((".next", ".new", ".commit"))]


def test_disk_full_while_joining(browser, stack, connector, expected):
    """New keys find no room: who it was it stays, and the ticket is not used up."""
    expected += [REFUSED, GONE]
    before = connector.identity()
    ticket = stack.ticket(auto_approve=True)
    sign_in(browser, connector)
    with full(connector.settings["state_dir"]):
        browser.type("#ticket", ticket)
        browser.click("#save")
        browser.wait_text("#ticket-error", "No space left on device", 60)
        assert "Nothing was changed" in browser.text("#setup-result")
        assert connector.identity() == before and connector.tunnel() == "online"
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    browser.click("#save")
    browser.wait_text("#setup-result", "nrolled with connection corp", 60)
    assert connector.identity()["connector_id"] != before["connector_id"]
    connector.wait_tunnel("online")


def test_a_folder_that_refuses(browser, stack, connector, samba, expected):
    """Something else stands where the new settings are to be written, or the decision."""
    expected += [REFUSED, GONE]
    for name in ("saved.conf.next", "saved.commit.new"):
        path = os.path.join(connector.settings["state_dir"], name)
        connector.expect(name)
        os.makedirs(os.path.join(path, "in-the-way"))
        try:
            sign_in(browser, connector)
            save_base(browser, f"OU=People,{samba.base}")
            browser.wait_text("#setup-result", "Nothing was changed")
            assert base(connector) == samba.base
        finally:
            os.rmdir(os.path.join(path, "in-the-way"))
            os.rmdir(path)
        stands(browser, connector, stack, samba, "irectory")


def test_a_server_that_says_nothing(browser, stack, connector, samba, expected):
    """The page says why; meanwhile logins go on, and none waits for it."""
    expected += [REFUSED, GONE]
    sign_in(browser, connector)
    with socket.create_server(("127.0.0.1", 0)) as silent, \
            Load(stack, "corp", **accounts(samba)) as load:
        load.settle()
        browser.type("#server", f"ldaps://127.0.0.1:{silent.getsockname()[1]}")
        browser.type("#password", samba.service_password)
        browser.click("#save")
        browser.wait_shown("#setup-wait")
        load.settle(30)
        # All of these came while it was being tried.
        assert browser.shown("#setup-wait")
        browser.wait_gone("#setup-wait", 60)
        wrong = {box.get_attribute("data-key") for box in browser.elements(".field.wrong")}
        assert wrong == {"directory.server"}, browser.text("#setup-result")
        load.settle()
    load.judge()
    assert not [one for one in load.taken() if one.right and one.status != "ok"]
    stands(browser, connector, stack, samba, "AD server address")


def test_the_process_of_the_page_ends_during_a_test(browser, stack, connector, expected):
    expected += [UNAUTHORIZED, GONE, "ERR_INCOMPLETE"]
    sign_in(browser, connector)
    # While the directory's process stands still the test cannot go on.
    with frozen(connector.pids()["adc-directory"], 0):
        browser.click("#test")
        browser.wait(lambda: "running" in states(browser), "it is never under way")
        connector.kill("adc-web page")
        browser.wait_shown("#test-result")
        assert "passed." not in browser.text("#test-result")
        assert "running" not in states(browser) and "broken" in states(browser)
    # The session went with it; a new address goes on where one was.
    browser.wait_text("#sign-in-why", "session has ended", 30)
    browser.script("location.href = arguments[0]", link(connector))
    browser.wait_gone("#sign-in")
    connector.wait_directory()
    assert run_test(browser) == ["passed"] * 4, browser.text("#test-steps")
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"


def test_the_process_of_the_page_ends_while_saving(browser, stack, connector, samba, expected):
    """What was asked is done or not done, whole; the page says that it does not know."""
    expected += [UNAUTHORIZED, GONE, "ERR_INCOMPLETE"]
    sign_in(browser, connector)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        browser.type("#server", f"ldaps://127.0.0.1:{silent.getsockname()[1]}")
        browser.type("#password", samba.service_password)
        browser.click("#save")
        browser.wait_shown("#setup-wait")
        connector.kill("adc-web page")
        browser.wait_shown("#setup-result")
        words = browser.text("#setup-result")
        assert "does not answer" in words and "Saved" not in words, words
        assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
        connector.wait(lambda: "settings not changed" in connector.log(), "the change never ends", 60)
    assert connector.status()["directory"]["server"] == samba.dns_name
    assert base(connector) == samba.base
