# SPDX-License-Identifier: ISC
"""Can the page be used by keyboard, by ear, in light and dark, on a small screen?

Why by hand: Debian has no package of a checker such as axe, and the tests need no
internet.  What can be computed is: accessible.js looks at the document, the names are
taken from Chromium's own accessibility tree, and the Tab key is pressed until it has
been everywhere.
"""

import os

import pytest
from selenium.webdriver.common.keys import Keys

from . import mock as played

TABS = ["setup", "status", "people", "log", "maintenance"]
NEEDS_NAME = {"button", "textbox", "searchbox", "checkbox", "radio", "combobox", "tab", "tabpanel",
              "link", "radiogroup", "list box", "log", "group", "region", "dialog",
              "DisclosureTriangle", "tablist", "image"}

with open(os.path.join(os.path.dirname(__file__), "accessible.js"), encoding="utf-8") as _file:
    MEASURE = _file.read()


def names(browser):
    """Findings: what a screen reader could only call by its role."""
    browser.cdp("Accessibility.enable")
    found = []
    for node in browser.cdp("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if node.get("ignored") or role not in NEEDS_NAME:
            continue
        if not node.get("name", {}).get("value", "").strip():
            html = browser.cdp("DOM.describeNode", backendNodeId=node["backendDOMNodeId"])["node"]
            # A fieldset without a legend and a details element are groups of no name, and none is needed.
            if role == "group" and html["nodeName"] in ("DETAILS",):
                continue
            found.append(f"{role} without a name: {html['nodeName']} {html.get('attributes')}")
    return found


def check(browser, where):
    """Light and dark; what is there has the same name in both."""
    findings = names(browser)
    for scheme in ("dark", "light"):
        browser.scheme(scheme)
        findings += [f"{scheme}: {one}" for one in browser.script(MEASURE)]
    assert not findings, f"{where}:\n" + "\n".join(findings)


@pytest.mark.parametrize("width", [1280, 400, 320])
def test_every_part(browser, play, width):
    mock = play("healthy")
    for level in ("error", "warning", "debug"):
        mock.say(level, "directory", f"a line of level {level}")
    browser.size(width, 900)
    browser.sign_in(mock)
    for tab in TABS:
        browser.tab(tab)
        if tab == "log":
            browser.wait_text("#log-lines", "a line of level error")
        if tab == "maintenance":
            browser.click("#bundle-make")
            browser.wait_shown("#bundle-text")
        check(browser, f"{tab}, {width}")


@pytest.mark.parametrize("width", [1280, 320])
def test_every_message(browser, play, width, expected):
    expected += [r"status of 4\d\d", "net::ERR_"]
    browser.size(width, 900)
    mock = play("failing")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.click("#directory-more summary")
    browser.click("#cloud-more summary")
    browser.type("#server", played.TICKET)
    browser.type("#user", "reader")
    browser.press(Keys.TAB)
    browser.wait_text("#user-error", "domain is missing")
    check(browser, "the first look at the form")
    mock.refuse["settings"] = 422, {"code": "bad_request", "key": "directory.server",
                                    "message": "directory.server: is a cloud address"}
    browser.click("#save")
    browser.wait_text("#setup-result", "Nothing was changed")
    browser.click("#test")
    browser.wait_text("#test-result", "did not pass")
    check(browser, "errors in the form, and a test that failed")
    browser.tab("status")
    browser.wait_text("#directory-state", "not connected")
    check(browser, "status of trouble")
    browser.tab("people")
    browser.type("#username", "alice")
    browser.press(Keys.ENTER)
    browser.wait_text("#explain-result", "refused")
    check(browser, "a login explained")
    mock.lose_session()
    browser.wait_text("#sign-in-why", "session has ended")
    check(browser, "a session that has ended")
    browser.type("#sign-in-url", mock.link())
    browser.press(Keys.ENTER)
    browser.wait_gone("#sign-in")
    mock.stop()
    browser.wait_text("#gone", "does not answer")
    check(browser, "a connector that is gone")


def test_signing_in_and_locked_fields(browser, play):
    mock = play("locked")
    browser.open(mock.origin)
    browser.wait_shown("#open-states")
    check(browser, "signing in")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "ocked by")
    check(browser, "locked fields")


STOPS = """
const all = [...document.querySelectorAll(
	'a[href], button, input, select, textarea, summary, [tabindex="0"]')];
return all.filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0
	&& !(e.type === 'radio' && !e.checked)).map((e) => all.indexOf(e));
"""
STOP = """
const all = [...document.querySelectorAll(
	'a[href], button, input, select, textarea, summary, [tabindex="0"]')];
const e = document.activeElement, style = getComputedStyle(e);
const shown = e.type === 'file' ? getComputedStyle(e.closest('.under').querySelector('.button')) : style;
const box = (e.type === 'file' ? e.closest('.under') : e).getBoundingClientRect();
return [all.indexOf(e), e.id || e.textContent.trim(), parseFloat(shown.outlineWidth) >= 2 && shown.outlineStyle !== 'none',
	box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth];
"""


@pytest.mark.parametrize("tab", TABS)
def test_the_tab_key_goes_everywhere_and_is_seen(browser, play, tab):
    browser.sign_in(play("healthy"))
    browser.tab(tab)
    if tab == "setup":
        browser.wait_text("#password-note", "Set.")
        browser.click("#directory-more summary")
        browser.click("#cloud-more summary")
    browser.script("document.activeElement.blur(); window.getSelection().removeAllRanges();"
                   "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    wanted = browser.script(STOPS)
    visited = []
    for _ in range(len(wanted) + 1):
        browser.press(Keys.TAB)
        at, name, ring, seen = browser.script(STOP)
        if at == -1:
            break
        assert ring, f"no focus is seen at {name}"
        assert seen, f"{name} has the focus out of sight"
        visited.append(at)
    # In the order of the document, all of it, and out again.
    assert visited == wanted


def test_tabs_by_arrows(browser, play):
    browser.sign_in(play("healthy"))
    browser.click("#tab-setup")
    for key, name in [(Keys.ARROW_RIGHT, "status"), (Keys.ARROW_RIGHT, "people"), (Keys.END, "maintenance"),
                      (Keys.ARROW_RIGHT, "setup"), (Keys.ARROW_LEFT, "maintenance"), (Keys.HOME, "setup")]:
        browser.press(key)
        assert browser.focused() == f"tab-{name}"
        assert browser.shown(f"#panel-{name}")
        assert browser.element(f"#tab-{name}").get_attribute("aria-selected") == "true"
        assert len([1 for tab in TABS if browser.shown(f"#panel-{tab}")]) == 1
        assert [tab for tab in TABS if browser.element(f"#tab-{tab}").get_attribute("tabindex") == "0"] == [name]


def test_the_whole_way_without_a_mouse(browser, play):
    mock = play("fresh")
    browser.open(mock.origin)
    browser.wait_shown("#sign-in")
    browser.press(Keys.TAB, Keys.TAB)
    assert browser.focused() == "sign-in-url"
    browser.press(mock.link(), Keys.ENTER)
    browser.wait_text("#server-note", "corp.example.com")
    browser.element("#tab-setup").send_keys("")
    for field, text in [("ticket", played.TICKET), ("server", "corp.example.com"),
                        ("user", "reader@corp.example.com"), ("password", "Secret-Passw0rd")]:
        for _ in range(12):
            browser.press(Keys.TAB)
            if browser.focused() == field:
                break
        assert browser.focused() == field
        browser.press(text)
    browser.press(Keys.TAB, Keys.ARROW_RIGHT)
    browser.press(Keys.ENTER)
    browser.wait_text("#setup-result", "Joined connection corp")
    assert mock.bodies("settings")[0]["directory.tls.mode"] == "starttls"
    for _ in range(12):
        browser.press(Keys.TAB)
        if browser.focused() == "test":
            break
    mock.steps = played.PASSING
    browser.press(Keys.SPACE)
    browser.wait_text("#test-result", "All four steps passed")
    assert browser.focused() == "test"


def test_what_is_wrong_is_found(browser, play):
    """The measure itself."""
    browser.sign_in(play("healthy"))
    browser.script("""
        document.querySelector('#base-hint').style.color = '#bbb';
        document.querySelector('label[for=user]').removeAttribute('for');
        const title = document.createElement('h5');
        title.textContent = 'Test connection';
        document.querySelector('#test-title').replaceWith(title);
        document.querySelector('#test').textContent = '';
        document.querySelector('#save').style.minHeight = '0';
        document.querySelector('#save').style.height = '20px';
        document.querySelector('#proxy').style.borderColor = '#eee';
        document.querySelector('#setup').style.width = '1400px';""")
    findings = "\n".join(browser.script(MEASURE) + names(browser))
    for words in ("contrast", "Below it people", "input#user has no label", "button without a name", "is h5 after h2", "by 20 only",
                  "input#proxy does not stand out", 'aria-labelledby="test-title"', "wider than the window"):
        assert words in findings, findings


def test_errors_are_announced(browser, play, expected):
    """A field that is wrong says so, and what is wrong is read with it."""
    expected.append(r"status of 422")
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    mock.refuse["settings"] = 422, {"code": "bad_request", "key": "directory.user",
                                    "message": "directory.user: not a DN or USER@DOMAIN"}
    browser.type("#user", "reader")
    browser.click("#save")
    browser.wait_text("#setup-result", "See Domain user")
    browser.cdp("Accessibility.enable")
    [node] = [one for one in browser.cdp("Accessibility.getFullAXTree")["nodes"]
              if one.get("name", {}).get("value") == "Domain user" and one["role"]["value"] == "textbox"]
    said = {one["name"]: one["value"].get("value") for one in node["properties"]}
    assert said["focused"] is True and said["invalid"] == "true"
    assert "not a DN or USER@DOMAIN" in node["description"]["value"]
    assert browser.element("#setup-result").get_attribute("role") == "status"


def test_nothing_moves_for_those_who_want_it_still(browser, play):
    mock = play("healthy")
    mock.step_delay = 1
    browser.scheme("light", motion="reduce")
    browser.sign_in(mock)
    browser.click("#test")
    browser.wait_shown("#test-wait")
    assert browser.script("return document.getAnimations().length") == 0
    assert browser.text("#test-wait").startswith("Testing")
