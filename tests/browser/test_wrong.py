# SPDX-License-Identifier: ISC
"""Every way to get it wrong: the connector says which step failed, at which field, and what to
do, and the page says it in the same words as adconnectorctl.

What is saved is tried first, so that most mistakes are refused before anything changes
(REFUSED); the rest becomes wrong later and is found by the test of the connection (LATER).
"""

import os
import re
from types import SimpleNamespace

import pytest

from tests.lab.population import set_state
from tests.lab.proxy import ConnectProxy
from tests.lab.tls import CertificateAuthority
from tests.system.conftest import make_user  # noqa: F401  (a fixture)
from tests.system.stack import Stack, free_port

from .test_page_real import link

FIELDS = {"directory.server": "#server", "directory.base": "#base", "directory.user": "#user",
          "directory.password": "#password", "directory.tls.ca": "#directory-ca",
          "directory.tls.name": "#tls-name", "cloud.proxy": "#proxy", "ticket": "#ticket"}
STEPS = {"reach": "AD server reachable", "tunnel": "Connector linked to the cloud",
         "sign_in": "AD user signs in", "read": "Directory can be read", None: None}


@pytest.fixture(scope="module")
def machine(installed, samba):
    """A hub, and a connector that was given the right settings and no ticket."""
    with Stack() as stack:
        stack.add_connection("corp")
        connector = stack.connector = stack.add_connector()
        with open(samba.ca_file, encoding="utf-8") as file:
            ca = file.read()
        stack.good = {"directory.server": samba.url, "directory.base": samba.base,
                      "directory.user": samba.service_dn, "directory.tls.ca": ca}
        stack.password = samba.service_password
        assert through_ctl(stack, {}).status == 0
        connector.wait_directory("ok")
        yield stack


@pytest.fixture(scope="module")
def lab(machine, samba):
    """What the cases are made of."""
    hub = f"https://{machine.host}:{machine.port}"
    with ConnectProxy() as proxy, ConnectProxy(user=None, targets=set()) as strict:
        yield SimpleNamespace(
            dc=samba, hub=hub, ticket=machine.ticket("corp"), other_ca=CertificateAuthority("Another CA").pem.decode(),
            proxy=proxy, strict=strict, port=free_port())


def through_ctl(stack, values):
    """The good settings with these instead, by `set` or, for a ticket, by `enroll`."""
    connector = stack.connector
    if "ticket" in values:
        return connector.ctl("enroll", input=values["ticket"])
    items = {**stack.good, **values}
    password = items.pop("directory.password", stack.password)
    path = os.path.join(connector.folder, "ca-of-the-case.pem")
    with open(path, "w", encoding="ascii") as file:
        file.write(items["directory.tls.ca"])
    items["directory.tls.ca"] = path
    return connector.ctl("set", *(f"{key}={value}" for key, value in items.items()),
                         "directory.password", input=password)


def through_page(browser, values):
    """Typed over what is in force: (field that is wrong, its words, the words below)."""
    for key, value in values.items():
        if key == "directory.tls.ca" or key == "directory.tls.name":
            if not browser.shown(FIELDS[key]):
                browser.click("#directory-more summary")
        if key == "directory.tls.ca":
            browser.script("const e = document.querySelector('#directory-ca'); e.value = arguments[0];"
                           "e.dispatchEvent(new Event('input', {bubbles: true}))", value)
        else:
            browser.type(FIELDS[key], value)
    browser.script("document.querySelector('#setup-result').hidden = true")
    browser.click("#save")
    browser.wait_shown("#setup-result", 60)
    wrong = [box.get_attribute("data-key") for box in browser.elements(".field.wrong")]
    return wrong, [browser.text(".field.wrong .error") for key in wrong[:1]], browser.text("#setup-result")


def labelled(browser, text):
    """The names of settings as the page calls them."""
    labels = browser.script(
        "return Object.fromEntries([...document.querySelectorAll('#setup .field')].map(box => {"
        "const label = box.querySelector('label[for], .label').cloneNode(true);"
        "label.querySelectorAll('.soft').forEach(node => node.remove());"
        "return [box.dataset.key, label.textContent.trim()]}))")
    for key in sorted((key for key in labels if "." in key), key=len, reverse=True):
        text = re.sub(re.escape(key) + r"(?![a-z_.]*[a-z_])", labels[key], text)
    return text


def fresh_page(browser, connector):
    browser.leave()
    browser.open(link(connector))
    browser.wait_shown("#panels")
    browser.wait_text("#password-note", "Set.")


def account(state="", password="Temporary-Passw0rd"):
    """A service account of the case's own, in this state."""
    def values(lab, make):
        person = make(state)
        return {"directory.user": f"{person.name}@{lab.dc.domain}",
                "directory.password": password}
    return values


def server(text):
    return lambda lab, _: {"directory.server": text.format(lab=lab)}


def ticket(change):
    return lambda lab, _: {"ticket": change(lab)}


def setting(key, text):
    return lambda lab, _: {key: text.format(lab=lab)}


def cut(text):
    return text.partition("#")[0][:-30]


def unknown(text):
    url, _, pin = text.partition("#")
    return f"{url[:-1]}{'A' if url[-1] != 'A' else 'B'}#{pin}"


def other_pin(text):
    pin = text[-43:]
    return text[:-43] + ("A" if pin[0] != "A" else "B") + pin[1:]


# name: (what is entered, field, step, words of the answer)
REFUSED = {
    "cloud address in the AD field": (server("{lab.hub}"), "directory.server", None, "cloud address"),
    "tunnel's address in the AD field": (
        server("wss://hub.example.com/tunnel"), "directory.server", None, "cloud address"),
    "ticket in the AD field": (server("{lab.ticket}"), "directory.server", None, "ldaps://HOST"),
    "base DN in the AD field": (server("DC=lab,DC=test"), "directory.server", None, "directory.base"),
    "another protocol": (server("ftp://dc1.lab.test"), "directory.server", None, "ldaps://HOST"),
    "two encryptions": (server("ldap://dc1.lab.test, ldaps://dc2.lab.test"), "directory.server", None,
                        "tls.mode"),
    "wrong port": (server("ldaps://{lab.dc.dns_name}:{lab.port}"), "directory.server", "reach",
                   "nothing listens there"),
    "LDAPS on the port of LDAP": (server("ldaps://{lab.dc.dns_name}:389"), "directory.tls.mode", "reach", "636"),
    "StartTLS on the port of LDAPS": (server("ldap://{lab.dc.dns_name}:636"), "directory.server", "reach",
                                      "LDAP port of a domain controller"),
    "host down": (server("ldaps://{lab.dc.dns_name}:9"), "directory.server", "reach", "may this host reach it"),
    "name not found": (server("ldaps://no-such-dc.lab.test"), "directory.server", "reach",
                       "no such name in DNS"),
    "domain not found": (server("no-such-domain.test"), "directory.server", "reach", "no-such-domain.test"),
    "untrusted certificate": (
        lambda lab, _: {"directory.tls.ca": lab.other_ca}, "directory.tls.ca", "reach",
        r'"dc1\.lab\.test", SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}\) was issued by "'),
    "wrong host name": (setting("directory.tls.name", "dc9.lab.test"), "directory.tls.name", "reach",
                        r"certificate is for dc1\.lab\.test"),
    "wrong password": (setting("directory.password", "not-the-Passw0rd"), "directory.user", "sign_in",
                       "directory.password again"),
    "unknown user": (setting("directory.user", "nobody@lab.test"), "directory.user", "sign_in",
                     "user or password is wrong"),
    "locked account": (account("locked"), "directory.user", "sign_in", "unlock directory.user"),
    "expired account": (account("expired"), "directory.user", "sign_in", "extend directory.user"),
    "disabled account": (account("disabled"), "directory.user", "sign_in", "enable directory.user"),
    "password expired": (account("password_expired"), "directory.user", "sign_in", "new password"),
    "password must change": (account("must_change"), "directory.user", "sign_in", "without \"must change"),
    "user without a domain": (setting("directory.user", "reader"), "directory.user", None, r"USER@DOMAIN"),
    "base DN of another domain": (setting("directory.base", "DC=wrong,DC=test"), "directory.base", "read",
                                  "set directory.base to this domain's base DN, DC=lab,DC=test"),
    "base DN that is not there": (setting("directory.base", "OU=Gone,DC=lab,DC=test"), "directory.base",
                                  "read", "DC=lab,DC=test"),
    "domain's name as base DN": (setting("directory.base", "lab.test"), "directory.base", None,
                                 "DC=example,DC=com"),
    "encrypted proxy": (setting("cloud.proxy", "https://proxy.lab.test:3128"), "cloud.proxy", None,
                        "http://HOST:PORT"),
    "proxy with its password": (setting("cloud.proxy", "http://me:secret@proxy.lab.test:3128"),
                                "cloud.proxy", None, "cloud.proxy_password_file"),
    "AD address in the ticket field": (ticket(lambda lab: lab.dc.url), "ticket", None, "directory.server"),
    "ticket over http": (ticket(lambda lab: "http://hub.example.com/t/" + "x" * 43), "ticket", None,
                         "must be https"),
    "cloud address without a ticket": (ticket(lambda lab: lab.hub), "ticket", None, "https://HUB/t/SECRET"),
    "ticket cut short": (ticket(lambda lab: cut(lab.ticket)), "ticket", None, "copy it again"),
    "ticket mistyped": (ticket(lambda lab: unknown(lab.ticket)), "ticket", "tunnel", "copy it again"),
    "ticket of another hub": (ticket(lambda lab: other_pin(lab.ticket)), "ticket", "tunnel",
                              "pinned in the ticket"),
    "hub down": (ticket(lambda lab: f"https://127.0.0.1:{lab.port}/t/" + "x" * 43), "ticket", "tunnel",
                 "does the hub run"),
    "hub's name not found": (ticket(lambda lab: "https://no-such-hub.lab.test/t/" + "x" * 43), "ticket",
                             "tunnel", "is the ticket's address right"),
    "AD server as the hub": (ticket(lambda lab: f"https://{lab.dc.dns_name}:389/t/" + "x" * 43), "ticket",
                             "tunnel", "hub"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(machine, lab, browser, expected, make_user, name):  # noqa: F811
    enter, key, step, words = REFUSED[name]
    expected.append(r"status of (400|422)")
    connector = machine.connector
    before = settings(connector)
    values = enter(lab, make_user)
    refused_as(machine, browser, values, key, step, words)
    assert settings(connector) == before
    assert connector.directory() == "ok"


def settings(connector):
    return {item["key"]: (item.get("value"), item.get("set"))
            for item in connector.ctl("settings", check=0).json["settings"]}


def refused_as(machine, browser, values, key, step, words):
    answer = through_ctl(machine, values)
    assert answer.status == 1, answer
    error = answer.json["error"]
    assert re.search(words, error["message"]), error
    assert (error.get("key"), error.get("step")) == (key, step), error
    assert error["message"] in answer.err

    fresh_page(browser, machine.connector)
    if "ticket" not in values:
        values = {"directory.password": machine.password, **values}
    wrong, told, below = through_page(browser, values)
    assert wrong == [key], (wrong, told, below)
    assert labelled(browser, error["message"]) in told[0], told
    assert "Nothing was changed." in below
    assert step is None or f"“{STEPS[step]}” failed" in below, below


USER_ACCOUNT_CONTROL = "bf967a68-0de6-11d0-a285-00aa003049e2"  # MS-ADA3 2.342


@pytest.fixture
def unit(lab):
    """A unit with one person: (its DN, the person's)."""
    directory = lab.dc.directory
    dn = directory.add_ou("Branch")
    person = directory.add_user("branch-user", parent=dn)
    guid = directory.guid("branch-user")
    yield dn, person
    directory.delete_guid(guid)
    directory.delete_dn(dn)


def test_no_right_to_read(machine, lab, browser, unit):
    assert through_ctl(machine, {"directory.base": unit[0]}).status == 0
    try:
        lab.dc.deny_reading(unit[1], USER_ACCOUNT_CONTROL, lab.dc.service_user)
        found_as(machine, browser, "read", "directory.user", "right to read account restrictions")
    finally:
        assert through_ctl(machine, {}).status == 0


@pytest.mark.parametrize("state", ["used up", "revoked", "expired"])
def test_tickets_that_were(machine, browser, expected, state):
    expected.append(r"status of 422")
    made = machine.new_ticket("corp", uses=1)
    if state == "revoked":
        machine.hubctl("ticket", "revoke", made["id"], check=0)
    elif state == "expired":
        machine.expire_ticket(made["id"])
    else:
        other = machine.add_connector()
        machine.enrol(other, made["url"], wait=False)
        machine.connectors.remove(other)
        other.stop()
    refused_as(machine, browser, {"ticket": made["url"]}, "ticket", "tunnel", "have a new one made")


@pytest.mark.parametrize("kind", ["wants a password", "refuses"])
def test_proxies(machine, lab, browser, expected, kind):
    expected.append(r"status of 422")
    proxy = lab.proxy if kind == "wants a password" else lab.strict
    assert through_ctl(machine, {"cloud.proxy": f"http://127.0.0.1:{proxy.port}"}).status == 0
    try:
        refused_as(machine, browser, {"ticket": lab.ticket}, "cloud.proxy", "tunnel",
                   "user name and password" if proxy is lab.proxy else "allow CONNECT")
    finally:
        assert machine.connector.ctl("set", "cloud.proxy=").status == 0


def steps_of_ctl(connector):
    return {step["name"]: step for step in connector.ctl("test").json["steps"]}


def steps_of_page(browser):
    browser.click("#test")
    browser.wait_shown("#test-result", 60)
    return {name: row for name, row in zip(("reach", "tunnel", "sign_in", "read"),
                                           browser.elements("#test-steps li"))}


def found_as(machine, browser, step, field, words):
    """The test fails at this step, and both say the same about it."""
    fresh_page(browser, machine.connector)
    ctl = steps_of_ctl(machine.connector)
    page = steps_of_page(browser)
    failed = ctl[step]
    assert not failed["passed"] and re.search(words, f"{failed['text']}; {failed['hint']}"), failed
    for name, row in page.items():
        state = "passed" if ctl[name]["passed"] else "skipped" if ctl[name]["code"] == "not_run" else "failed"
        assert row.get_attribute("data-state") == state, (name, row.text, ctl)
    said = page[step].text
    assert labelled(browser, failed["text"]) in said and labelled(browser, failed["hint"]) in said, said
    links = page[step].find_elements("css selector", ".link")
    links[0].click()
    assert f"#{browser.focused()}" == FIELDS[field]


def test_never_joined(machine, browser):
    found_as(machine, browser, "tunnel", "ticket", "not enrolled")


@pytest.mark.parametrize("state, words", [
    ("locked", "unlock"), ("disabled", "enable"), ("expired", "extend")])
def test_a_service_account_that_changed(machine, browser, lab, make_user, state, words):  # noqa: F811
    person = make_user()
    values = {"directory.user": f"{person.name}@{lab.dc.domain}", "directory.password": person.password}
    assert through_ctl(machine, values).status == 0
    try:
        set_state(lab.dc, person.name, state)
        found_as(machine, browser, "sign_in", "directory.user", words)
    finally:
        assert through_ctl(machine, {}).status == 0


def test_a_base_that_went(machine, browser, lab):
    directory = lab.dc.directory
    dn = directory.add_ou("Leaving")
    directory.add_user("leaver", parent=dn)
    guid = directory.guid("leaver")
    assert through_ctl(machine, {"directory.base": dn}).status == 0
    try:
        directory.delete_guid(guid)
        found_as(machine, browser, "read", "directory.base", "no user is to be seen")
    finally:
        assert through_ctl(machine, {}).status == 0
        directory.delete_dn(dn)


def test_a_hub_that_went(installed, samba, browser):
    with Stack() as stack:
        stack.add_connection("corp")
        connector = stack.connector = stack.add_connector()
        stack.good = {"directory.server": samba.url, "directory.base": samba.base,
                      "directory.user": samba.service_dn}
        with open(samba.ca_file, encoding="utf-8") as file:
            stack.good["directory.tls.ca"] = file.read()
        stack.password = samba.service_password
        assert through_ctl(stack, {}).status == 0
        stack.enrol(connector)
        identifier = connector.status()["connector_id"]
        stack.hubctl("connector", "revoke", identifier, check=0)
        connector.wait_tunnel("refused")
        found_as(stack, browser, "tunnel", "ticket", "revoked")
        browser.leave()
        stack.enrol(connector)
        stack.hub.end()
        connector.expect("hub|tunnel")
        connector.wait(lambda: connector.status()["tunnel"]["code"] == "unreachable", "the hub is there")
        found_as(stack, browser, "tunnel", "cloud.proxy", "does the hub run")
        browser.leave()
