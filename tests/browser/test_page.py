# SPDX-License-Identifier: ISC
"""The page around the form: signing in and out, what it shows, and what happens to
it when the session or the connector goes."""

import json
import os
import re

from selenium.webdriver.common.keys import Keys

from . import mock as played

UNAUTHORIZED = r"status of 401"
GONE = r"net::ERR_"


def hidden(browser, yes):
    """As when another tab is looked at."""
    browser.script("Object.defineProperty(document, 'hidden', {value: arguments[0], "
                   "configurable: true});"
                   "document.dispatchEvent(new Event('visibilitychange'))", yes)


# --- signing in ---------------------------------------------------------------


def test_without_a_session_the_page_says_how_to_get_one(browser, play):
    mock = play("healthy")
    browser.open(mock.origin)
    browser.wait_text("#sign-in", "adconnectorctl web")
    browser.wait_text("#open-states", "Active Directory\nconnected")
    assert [dd.get_attribute("data-state") for dd in browser.elements("#open-states dd")] == ["good"] * 3
    assert not browser.shown("#tabs") and not browser.shown("#panels")
    assert {path for _, path, _ in mock.asked} == {"status"}


def test_the_secret_is_traded_and_leaves_the_address(browser, play):
    mock = play("healthy")
    url = mock.link()
    browser.open(url)
    browser.wait_shown("#panels")
    assert browser.driver.current_url == f"{mock.origin}/"
    assert mock.bodies("session") == [{"secret": url.split("#")[1]}]
    # Once used it is nowhere: not behind the "back" button, and in no storage.
    assert url.split("#")[1] not in browser.script(
        "return JSON.stringify([sessionStorage, localStorage, document.cookie, location.href])")
    assert browser.script("return [localStorage.length, document.cookie]") == [0, ""]
    browser.driver.refresh()
    browser.wait_shown("#panels")
    assert len(mock.bodies("session")) == 1


def test_an_address_that_is_used_up_is_told(browser, play, expected):
    expected.append(UNAUTHORIZED)
    mock = play("healthy")
    browser.open(f"{mock.origin}/#{'x' * 43}")
    browser.wait_text("#sign-in-error", "used up")
    browser.type("#sign-in-url", "http://127.0.0.1:9743/")
    browser.press(Keys.ENTER)
    browser.wait_text("#sign-in-error", "43 characters")
    browser.type("#sign-in-url", mock.link())
    browser.press(Keys.ENTER)
    browser.wait_shown("#panels")
    assert browser.text("#sign-in-error") == ""


def test_too_many_tries_are_told(browser, play, expected):
    expected.append(r"status of 429")
    mock = play("healthy")
    mock.refuse_sign_in = 429, {"code": "too_many", "message": "too many tries to sign in"}
    browser.open(mock.link())
    browser.wait_text("#sign-in-error", "Wait a minute")


def test_signing_out_leaves_nothing(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#password", "Typed-Passw0rd")
    browser.tab("maintenance")
    browser.click("#sign-out")
    browser.wait_text("#sign-in-why", "signed out")
    assert not mock.sessions and browser.script("return sessionStorage.getItem('adconnector.token')") is None
    assert browser.value("#password") == "" and browser.value("#server") == ""
    assert not browser.shown("#panels")


# --- a session or a connector that goes ---------------------------------------


def test_a_session_that_ends_keeps_what_is_typed(browser, play, expected):
    expected.append(UNAUTHORIZED)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#user", "CORP\\reader")
    browser.type("#password", "Typed-Passw0rd")
    mock.lose_session()
    browser.click("#save")
    browser.wait_text("#sign-in-why", "session has ended")
    assert "is kept" in browser.text("#sign-in")
    assert browser.value("#user") == "CORP\\reader" and browser.shown("#setup")
    # The new address in the same tab: no reload, nothing is lost.
    browser.script("location.href = arguments[0]", mock.link())
    browser.wait_gone("#sign-in")
    assert browser.driver.current_url == f"{mock.origin}/"
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved")
    assert mock.bodies("settings")[-1] == {"directory.user": "CORP\\reader",
                                           "directory.password": "Typed-Passw0rd"}


def test_a_session_that_ends_unnoticed_is_noticed(browser, play, expected):
    expected.append(UNAUTHORIZED)
    mock = play("healthy")
    browser.sign_in(mock)
    mock.lose_session()
    browser.wait_text("#sign-in-why", "session has ended")
    asked = len(mock.asked)
    browser.type("#sign-in-url", mock.link())
    browser.press(Keys.ENTER)
    browser.wait_gone("#sign-in")
    browser.wait(lambda: mock.count("GET", "status") > asked, "it does not ask again")


def test_a_connector_that_goes_and_comes_back(browser, play, expected):
    expected += [GONE]
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#user", "CORP\\reader")
    mock.stop()
    browser.wait_text("#gone", "does not answer")
    browser.click("#save")
    browser.wait_text("#setup-result", "does not answer")
    mock.start()
    browser.wait_gone("#gone")
    assert browser.value("#user") == "CORP\\reader"
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved")


def test_a_connector_that_hangs_is_told(browser, play, expected):
    expected += [GONE]
    mock = play("healthy")
    browser.sign_in(mock)
    mock.delay["status"] = 30
    browser.wait_text("#gone", "does not answer", 20)
    mock.delay.clear()
    browser.wait_gone("#gone")


# --- status -------------------------------------------------------------------


def test_status_follows_without_a_reload(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.script("window.same = true")
    browser.tab("status")
    browser.wait_text("#directory-facts", "dc1.corp.example.com")
    assert "hub.example.com" in browser.text("#tunnel-facts")
    assert browser.text("#overall") == "Healthy"
    assert "8.4 ms" in browser.text("#logins-figures")
    assert "Account locked\n41" in browser.text("#refusals").replace(" 41", "\n41")
    assert "dc2.corp.example.com was not reached" in browser.text("#trouble")
    mock.directory_state = "failed", "unreachable", "dc1 was not reached in time"
    mock.say("error", "directory", "dc1 was not reached in time")
    mock.logins.update(total=49410, ok=48311)
    browser.wait_text("#directory-state", "not connected")
    browser.wait_text("#trouble", "dc1 was not reached in time")
    browser.wait_text("#logins-figures", "49,410")
    assert browser.text("#overall") == "Needs attention"
    assert not browser.text("#logins-figures").startswith("0.0")
    assert browser.script("return window.same")


def test_nothing_is_asked_while_nobody_looks(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait(lambda: mock.count("GET", "status") >= 2, "status is not polled")
    hidden(browser, True)
    mock.directory_state = "failed", "unreachable", "gone"
    browser.wait(lambda: mock.followers == 0, "the log is followed still")
    asked = len(mock.asked)
    # Longer than two of its turns.
    browser.driver.set_script_timeout(10)
    browser.driver.execute_async_script("setTimeout(arguments[0], 4500)")
    assert len(mock.asked) == asked
    hidden(browser, False)
    browser.wait_text("#overall", "Needs attention")
    assert not browser.shown("#gone")


def test_a_fresh_connector_looks_fresh(browser, play):
    browser.sign_in(play("fresh"))
    assert browser.text("#overall") == "Not set up yet"
    browser.tab("status")
    assert browser.text("#tunnel-state") == "not joined"
    assert browser.text("#directory-state") == "not set up"
    assert "None since the start" in browser.text("#refusals")
    browser.tab("maintenance")
    assert not browser.shown("#leave") and browser.shown("#leave-not")


# --- people -------------------------------------------------------------------


def test_a_login_is_explained(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("people")
    browser.click("#explain button")
    browser.wait_text("#username-error", "Type a name")
    browser.type("#username", "alice")
    browser.press(Keys.ENTER)
    browser.wait_text("#explain-result", "refused before its password counts")
    assert "(not_allowed)" in browser.text("#explain-result")
    rows = browser.elements("#explain-steps li")
    assert [row.get_attribute("data-state") for row in rows] == ["passed"] * 4 + ["failed"]
    assert mock.bodies("explain") == [{"username": "alice"}]


def test_what_the_connector_says_is_never_markup(browser, play):
    evil = "<img src=x onerror='window.hit = 1'><script>window.hit = 1</script>"
    mock = play("healthy")
    mock.explained[0]["text"] = mock.explained[0]["title"] = evil
    mock.explain_end["text"] = evil
    mock.say("error", "directory", evil)
    mock.directory_state = "failed", evil, evil
    mock.find("directory.base")["value"] = evil
    browser.sign_in(mock)
    browser.tab("people")
    browser.type("#username", evil)
    browser.press(Keys.ENTER)
    browser.wait_text("#explain-result", evil)
    browser.tab("log")
    browser.wait_text("#log-lines", evil)
    browser.tab("status")
    browser.wait_text("#trouble", evil)
    assert browser.script("return window.hit === undefined")
    assert browser.script("return document.querySelectorAll('main img, main script').length") == 0


# --- log ----------------------------------------------------------------------


def lines(browser):
    return [one.text for one in browser.elements("#log-lines .words")]


def test_the_log_is_followed_and_filtered(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("log")
    browser.wait_text("#log-lines", "adconnectord 1.0 started")
    mock.say("info", "cloud", "a new line")
    browser.wait_text("#log-lines", "a new line")
    mock.say("debug", "cloud", "a detail")
    mock.say("error", "dial", "an error")
    browser.wait_text("#log-lines", "an error")
    assert "a detail" not in lines(browser)
    browser.script("const s = document.querySelector('#log-level'); s.value = 'error';"
                   "s.dispatchEvent(new Event('change'))")
    assert lines(browser) == ["an error"]
    browser.script("const s = document.querySelector('#log-level'); s.value = 'debug';"
                   "s.dispatchEvent(new Event('change'))")
    browser.type("#log-text", "CLOUD")
    browser.wait(lambda: all("cloud" in one.text for one in browser.elements(".entry")), "not filtered")
    assert "a detail" in lines(browser) and "an error" not in lines(browser)
    browser.type("#log-text", "no such text")
    assert lines(browser) == [] and "0 of" in browser.text("#log-count")


def test_the_log_stands_still_while_paused(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("log")
    browser.wait_text("#log-lines", "adconnectord 1.0 started")
    browser.click("#log-pause")
    mock.say("info", "cloud", "said meanwhile")
    browser.wait_text("#log-count", "1 new ones wait")
    assert "said meanwhile" not in lines(browser)
    browser.click("#log-pause")
    assert "said meanwhile" in lines(browser)


def test_the_log_is_bounded_and_stays_where_one_reads(browser, play):
    mock = play("healthy")
    for number in range(4500):
        mock.say("info", "cloud", f"line {number}")
    browser.sign_in(mock)
    browser.tab("log")
    browser.wait_text("#log-count", "4000 of 4000 lines")
    bottom = "const p = document.querySelector('#log-lines');" \
             "return p.scrollHeight - p.scrollTop - p.clientHeight"
    browser.wait(lambda: browser.script(bottom) < 10, "it does not stand at its end")
    browser.script("document.querySelector('#log-lines').scrollTop = 100")
    browser.wait_shown("#log-end")
    mock.say("info", "cloud", "the very last")
    browser.wait(lambda: browser.script(
        "return document.querySelector('#log-lines').lastChild.textContent").endswith("the very last"),
        "the line does not come")
    assert browser.script(bottom) > 1000
    browser.click("#log-end")
    browser.wait(lambda: browser.script(bottom) < 10, "it does not go to its end")


# --- maintenance --------------------------------------------------------------


def test_the_support_bundle_holds_no_secret(browser, play):
    mock = play("healthy")
    secret = "q" * 43
    mock.say("info", "parent", f"ticket https://hub.example.com/t/{secret}#pin=sha256:{secret}")
    mock.say("info", "web", f"Authorization: Bearer {secret}")
    mock.say("info", "cloud", "proxy http://me:Proxy-Passw0rd@proxy.example.com:3128")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#password", "Typed-Passw0rd")
    browser.tab("maintenance")
    browser.click("#bundle-make")
    browser.wait_shown("#bundle-text")
    text = browser.value("#bundle-text")
    for word in (secret, "Passw0rd", next(iter(mock.sessions))):
        assert word not in text
    assert "directory.password = (set)" in text and "ldaps://dc1.corp.example.com" in text
    assert "tunnel to hub.example.com:8855 stands" in text and '"uptime_seconds"' in text
    assert json.loads(re.search(r"== status ==\n(.*?)\n\n==", text, re.S).group(1))
    # What is saved is what stands there.
    browser.script("document.querySelector('#bundle-text').value = 'only this'")
    browser.click("#bundle-save")
    browser.wait_text("#bundle-result", "Saved as")
    name = browser.text("#bundle-result").removeprefix("Saved as ").rstrip(".")
    path = os.path.join(browser.folder, name)
    browser.wait(lambda: os.path.exists(path) and os.path.getsize(path), "no file is saved")
    with open(path, encoding="utf-8") as file:
        assert file.read() == "only this"


def test_the_tunnel_is_restarted(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("maintenance")
    browser.click("#reconnect")
    browser.wait_text("#reconnect-result", "opened anew")
    assert mock.count("POST", "reconnect") == 1


def test_keys_are_changed(browser, play, expected):
    expected.append(r"/rekey .*status of 422")
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("maintenance")
    browser.click("#rekey")
    browser.wait_text("#rekey-result", "The keys were changed")
    assert browser.element("#rekey-result").get_attribute("data-kind") == "good"
    mock.rekeyed = 422, {"error": {"code": "too_soon", "message": "try again in 351 s"}}
    browser.click("#rekey")
    browser.wait_text("#rekey-result", "351 s")
    assert browser.element("#rekey-result").get_attribute("data-kind") == "bad"
    assert mock.count("POST", "rekey") == 2
    # Who has joined nothing is told so, and nothing is asked.
    mock.connection = None
    browser.wait(lambda: browser.element("#rekey").get_attribute("aria-disabled") == "true",
                 "the button does not say that it does nothing")
    browser.click("#rekey")
    browser.wait_text("#rekey-result", "has not joined")
    assert mock.count("POST", "rekey") == 2


def test_leaving_wants_the_name_typed(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.tab("maintenance")
    browser.type("#leave-word", "yes")
    browser.press(Keys.ENTER)
    browser.wait_text("#leave-error", "Type corp")
    assert mock.count("POST", "unenroll") == 0
    browser.type("#leave-word", "corp")
    browser.press(Keys.ENTER)
    browser.wait_text("#leave-result", "Left connection corp")
    browser.wait_gone("#leave")
    assert mock.count("POST", "unenroll") == 1


# --- what the page is made of -------------------------------------------------


def test_the_page_is_small_and_asks_nobody_else():
    size = 0
    for name in os.listdir(played.PAGE):
        with open(os.path.join(played.PAGE, name), encoding="utf-8") as file:
            text = file.read()
        size += len(text.encode())
        if name.endswith((".html", ".css")):
            assert not re.search(r"(src|href)=\"?(https?:)?//|url\(|@import|style=|\son[a-z]+=", text), name
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), name
    assert size < 150 * 1024


def test_a_reload_shows_the_same_part(browser, play):
    browser.sign_in(play("healthy"))
    browser.tab("log")
    browser.driver.refresh()
    browser.wait_shown("#panel-log")
    assert not browser.shown("#panel-setup")
