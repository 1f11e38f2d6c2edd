# SPDX-License-Identifier: ISC
"""The page as it is served, with the real connector behind it, a real hub and a real
domain controller: what somebody does who sets a connector up for the first time.
"""

import http.client

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser import mock as played
from tests.lab.population import ALICE

UNAUTHORIZED = r"status of 401"
REFUSED = r"status of 422"
GONE = r"net::ERR_"


@pytest.fixture
def machine(installed, samba):
    """A hub with the connection "corp", and a connector that knows nothing."""
    from tests.system.stack import Stack
    with Stack() as stack:
        stack.add_connection("corp", "Lab & Söhne")
        stack.connector = stack.add_connector()
        yield stack


def link(connector):
    return connector.ctl("web", check=0).json["url"]


def sign_in(browser, connector):
    browser.leave()
    browser.open(link(connector))
    browser.wait_shown("#panels")
    browser.wait_text("#password-note", "et.")


def fill(browser, dc, **instead):
    """The five fields, and the CA of the lab."""
    with open(dc.ca_file, encoding="utf-8") as file:
        ca = file.read()
    values = {"server": dc.url, "base": dc.base, "user": f"{dc.service_user}@{dc.domain}",
              "password": dc.service_password, **instead}
    for name, text in values.items():
        browser.type(f"#{name}", text)
    if not browser.shown("#directory-ca"):
        browser.click("#directory-more summary")
    browser.paste("#directory-ca", ca)


def states(browser):
    return [row.get_attribute("data-state") for row in browser.elements("#test-steps li")]


def run_test(browser):
    browser.click("#test")
    browser.wait_shown("#test-result", 60)
    return states(browser)


def test_from_nothing_to_four_passes_and_after_a_restart(machine, browser, samba, expected):
    expected += [UNAUTHORIZED, GONE]
    connector = machine.connector
    url = link(connector)
    browser.open(url)
    browser.wait_text("#overall", "Not set up yet")
    assert browser.driver.current_url == url.split("#")[0]
    browser.wait_text("#password-note", "Not set")
    fill(browser, samba, ticket=machine.ticket("corp", auto_approve=True))
    browser.click("#save")
    browser.wait_shown("#setup-result", 60)
    assert browser.element("#setup-result").get_attribute("data-kind") == "good", browser.text("#setup-result")
    assert browser.value("#password") == browser.value("#ticket") == ""
    connector.wait_tunnel("online")
    assert run_test(browser) == ["passed"] * 4, browser.text("#test-steps")
    browser.wait_text("#overall", "Healthy")

    # A person can log in by now, and Status shows it.
    assert machine.login("corp", "alice", ALICE.password)["status"] == "ok"
    browser.tab("status")
    browser.wait_text("#logins-figures", "100 %")
    browser.wait_text("#directory-facts", samba.dns_name)

    # Another start of the daemon: the session is gone with it, the settings are not.
    connector.stop()
    browser.wait_text("#gone", "does not answer")
    connector.start()
    browser.wait_text("#sign-in-why", "session has ended", 30)
    browser.script("location.href = arguments[0]", link(connector))
    browser.wait_gone("#sign-in")
    connector.wait_tunnel("online")
    connector.wait_directory("ok")
    browser.tab("setup")
    assert browser.value("#server") == samba.url
    assert browser.value("#base") == samba.base
    assert "Set." in browser.text("#password-note") and "Set." in browser.text("#directory-ca-note")
    browser.wait_text("#ticket-note", "connection corp")
    assert run_test(browser) == ["passed"] * 4, browser.text("#test-steps")


def test_what_is_wrong_stands_at_its_field(machine, browser, samba, expected):
    expected.append(REFUSED)
    sign_in(browser, machine.connector)
    fill(browser, samba, password="not-the-Passw0rd")
    browser.click("#save")
    browser.wait_shown("#setup-result", 60)
    assert "Nothing was changed" in browser.text("#setup-result")
    wrong = {box.get_attribute("data-key") for box in browser.elements(".field.wrong")}
    assert wrong and wrong <= {"directory.user", "directory.password"}, browser.text("#setup")
    # What was typed is there still, and right in part.
    assert browser.value("#server") == samba.url
    browser.type("#password", samba.service_password)
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved", 60)
    assert not browser.elements(".field.wrong")
    assert run_test(browser) == ["passed", "failed", "passed", "passed"]
    [link_of_tunnel] = browser.elements("#test-steps .link")
    link_of_tunnel.click()
    assert browser.focused() == "ticket"


def test_explain_log_and_bundle(machine, browser, samba):
    connector = machine.connector
    sign_in(browser, connector)
    fill(browser, samba, ticket=machine.ticket("corp", auto_approve=True))
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved", 60)
    connector.wait_tunnel("online")
    browser.tab("people")
    for name, kind in [("alice", "good"), ("nobody-of-this-name", "warn")]:
        browser.type("#username", name)
        browser.press(Keys.ENTER)
        browser.wait_gone("#explain-wait", 20)
        browser.wait(lambda: browser.element("#explain-result").get_attribute("data-kind") == kind,
                     f"{name} is never {kind}: {browser.text('#explain-result')}")
    browser.tab("log")
    browser.wait_text("#log-lines", "settings changed")
    browser.tab("maintenance")
    browser.click("#bundle-make")
    browser.wait_shown("#bundle-text")
    text = browser.value("#bundle-text")
    assert samba.service_password not in text and "directory.password = (set)" in text
    browser.click("#sign-out")
    browser.wait_text("#sign-in-why", "signed out")


def test_settings_before_and_upkeep(machine, browser, samba, expected):
    expected.append(REFUSED)
    connector = machine.connector
    sign_in(browser, connector)
    fill(browser, samba, ticket=machine.ticket("corp", auto_approve=True))
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved", 60)
    connector.wait_tunnel("online")
    browser.type("#base", f"CN=Users,{samba.base}")
    browser.click("#save")
    browser.wait(lambda: connector.status()["directory"]["base"] == f"CN=Users,{samba.base}",
                 "the other base is not taken")
    browser.wait_gone("#setup-wait", 60)
    browser.click("#revert")
    browser.wait(lambda: browser.value("#base") == samba.base, "the base before does not come back", 60)
    browser.tab("maintenance")
    browser.click("#reconnect")
    browser.wait_shown("#reconnect-result", 60)
    assert browser.element("#reconnect-result").get_attribute("data-kind") == "good", \
        browser.text("#reconnect-result")
    browser.click("#rekey")
    browser.wait_shown("#rekey-result", 60)
    assert browser.element("#rekey-result").get_attribute("data-kind") == "good", \
        browser.text("#rekey-result")
    browser.type("#leave-word", "corp")
    browser.press(Keys.ENTER)
    browser.wait_text("#leave-not", "has not joined", 60)
    assert connector.tunnel() == "not_enrolled"


def test_what_the_file_fixes(installed, browser, samba):
    from tests.system.stack import Stack, directory_settings
    with Stack() as stack:
        connector = stack.add_connector(directory=directory_settings(samba))
        connector.wait_directory("ok")
        sign_in(browser, connector)
        browser.wait_text("#server-note", f"ocked by {connector.config}")
        assert browser.element("#server").get_attribute("readonly")
        assert browser.element("#password").get_attribute("readonly")
        browser.leave()


def test_the_mock_guards_the_page_alike(machine):
    """Else a page that the policy stops could pass all the tests with the mock."""
    connector = machine.connector
    host = connector.settings["web"]["listen"]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    policies = answer.getheader("Content-Security-Policy"), played.POLICY
    ours, mock = [sorted(part.strip() for part in text.split(";")) for text in policies]
    assert ours == mock
