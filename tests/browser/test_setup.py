# SPDX-License-Identifier: ISC
"""The form: what it says, what it sends, and what it does with each answer."""

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from selenium.webdriver.common.keys import Keys

from . import mock as played

REFUSED = r"status of (400|422|503|504)"


def describes(browser, selector):
    """What is read out after the field's name."""
    return browser.script(
        "return document.querySelector(arguments[0]).getAttribute('aria-describedby').split(' ')"
        ".map(id => document.getElementById(id).textContent.trim()).filter(t => t).join(' ')",
        selector)


def save(browser):
    browser.click("#save")


def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab CA")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return made, key


# --- what is sent -------------------------------------------------------------


def test_a_fresh_connector_is_set_up(browser, play):
    mock = play("fresh")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "corp.example.com")
    browser.click("#server-note .link")
    assert browser.value("#server") == "corp.example.com"
    browser.type("#ticket", played.TICKET)
    browser.type("#user", "CORP\\adconnector")
    browser.type("#password", "Secret-Passw0rd")
    save(browser)
    browser.wait_text("#setup-result", "Joined connection corp")
    assert mock.bodies("settings") == [{"directory.server": "corp.example.com",
                                        "directory.user": "CORP\\adconnector",
                                        "directory.password": "Secret-Passw0rd"}]
    assert mock.bodies("enroll") == [{"ticket": played.TICKET}]
    # The proxy must be there before the ticket goes out.
    paths = [path for method, path, _ in mock.asked if method == "POST" and path != "session"]
    assert paths == ["settings", "enroll"]
    assert browser.value("#ticket") == "" and browser.value("#password") == ""
    assert "Set." in browser.text("#password-note")
    browser.wait_text("#ticket-note", "connection corp")


def test_the_password_is_never_shown(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    assert browser.value("#password") == ""
    assert browser.element("#password").get_attribute("type") == "password"
    # Dots stand for one that is set, as many for every one.
    assert browser.element("#password").get_attribute("placeholder") == "•" * 8
    browser.type("#password", "Other-Passw0rd")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    assert mock.bodies("settings") == [{"directory.password": "Other-Passw0rd"}]
    assert browser.value("#password") == ""


def test_only_what_changed_is_sent(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    save(browser)
    browser.wait_text("#setup-result", "nothing to save")
    assert mock.bodies("settings") == []
    browser.type("#base", "DC=corp,DC=example,DC=com")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    # Typed and taken back is no change.
    browser.type("#user", "somebody@corp.example.com")
    browser.type("#user", "CORP\\adconnector")
    browser.type("#proxy", "http://proxy.example.com:3128")
    browser.type("#base", "")
    browser.press(Keys.ENTER)
    browser.wait(lambda: len(mock.bodies("settings")) == 2, "the second change was not sent")
    assert mock.bodies("settings") == [
        {"directory.base": "DC=corp,DC=example,DC=com"},
        {"cloud.proxy": "http://proxy.example.com:3128", "directory.base": ""}]


def test_typed_values_are_discarded_when_asked(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    assert not browser.shown("#discard")
    browser.type("#user", "me")
    browser.type("#password", "x")
    browser.click("#discard")
    assert browser.value("#user") == "CORP\\adconnector" and browser.value("#password") == ""
    assert browser.text("#user-error") == "" and not browser.shown("#discard")


def test_encryption_and_address_go_together(browser, play):
    mock = play("fresh")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "corp.example.com")
    chosen = "document.querySelector('#tls input:checked').value"
    browser.type("#server", "ldap://dc1.corp.example.com:389")
    assert browser.script(f"return {chosen}") == "starttls"
    browser.click("#tls input[value=ldaps]")
    assert browser.value("#server") == "ldaps://dc1.corp.example.com:636"
    browser.type("#server", "corp.example.com")
    browser.click("#tls input[value=starttls]")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    assert mock.bodies("settings") == [{"directory.server": "corp.example.com",
                                        "directory.tls.mode": "starttls"}]


def test_another_server_needs_the_password_again(browser, play):
    browser.sign_in(play("healthy"))
    browser.wait_text("#password-note", "Set.")
    browser.type("#server", "ldaps://dc9.corp.example.com")
    browser.wait_text("#password-note", "type it again")
    browser.type("#password", "x")
    assert "type it again" not in browser.text("#password-note")


def test_what_the_file_fixes_is_locked(browser, play):
    mock = play("locked")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "ocked by /etc/adconnector.conf:12")
    for name in ("server", "base", "user", "password", "tls-name"):
        assert browser.element(f"#{name}").get_attribute("readonly"), name
        assert "/etc/adconnector.conf:12" in describes(browser, f"#{name}")
    assert not browser.element("#tls input").is_enabled()
    browser.element("#server").send_keys("other")
    assert browser.value("#server") == played.CONFIGURED["directory.server"]
    browser.type("#proxy", "http://proxy.example.com:3128")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    assert mock.bodies("settings") == [{"cloud.proxy": "http://proxy.example.com:3128"}]


def test_settings_before_come_back(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    assert not browser.shown("#revert")
    before = browser.value("#base")
    browser.type("#base", "DC=corp,DC=example,DC=com")
    save(browser)
    browser.wait_shown("#revert")
    browser.click("#revert")
    browser.wait_text("#setup-result", "in force again")
    assert browser.value("#base") == before


def test_going_back_may_want_the_password(browser, play, expected):
    """Of the settings before; a password that is typed for those in force does not go with it."""
    expected.append(REFUSED)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#server", "ldaps://dc9.corp.example.com")
    browser.type("#password", "New-Passw0rd")
    save(browser)
    browser.wait_shown("#revert")
    browser.type("#password", "Other-Passw0rd")
    mock.refuse["settings/revert"] = 422, {"code": "password_needed", "key": "directory.password",
                                           "message": "the password was forgotten"}
    browser.click("#revert")
    browser.wait_text("#password-error", "the password was forgotten")
    assert browser.focused() == "password" and "revert again" in browser.text("#setup-result")
    browser.type("#password", "Old-Passw0rd")
    browser.click("#revert")
    browser.wait_text("#setup-result", "in force again")
    assert mock.bodies("settings/revert") == [None, {"directory.password": "Old-Passw0rd"}]
    assert browser.value("#password") == "" and browser.text("#password-error") == ""
    assert browser.value("#server") == played.CONFIGURED["directory.server"]


# --- what is refused ----------------------------------------------------------


def test_a_refused_setting_stands_at_its_field(browser, play, expected):
    expected.append(REFUSED)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#user", "CORP\\nobody")
    browser.type("#base", "DC=corp,DC=example,DC=com")
    mock.refuse["settings"] = 422, {"code": "bind_refused", "key": "directory.user",
                                    "message": "dc1 refuses CORP\\nobody"}
    save(browser)
    browser.wait_text("#user-error", "dc1 refuses CORP\\nobody")
    assert browser.element("#user").get_attribute("aria-invalid") == "true"
    assert "dc1 refuses" in describes(browser, "#user")
    assert browser.focused() == "user"
    assert "Nothing was changed" in browser.text("#setup-result")
    assert browser.value("#base") == "DC=corp,DC=example,DC=com"
    # Mended, all of it goes again.
    browser.type("#user", "CORP\\reader")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    assert browser.text("#user-error") == ""
    assert mock.bodies("settings")[1] == {"directory.user": "CORP\\reader",
                                          "directory.base": "DC=corp,DC=example,DC=com"}


def test_a_refusal_names_its_step_and_stands_below_without_a_field(browser, play, expected):
    expected.append(REFUSED)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#base", "DC=elsewhere")
    mock.refuse["settings"] = 422, {"code": "base_not_found", "step": "read", "key": "directory.base",
                                    "message": "there is no DC=elsewhere; set directory.base to DC=x"}
    save(browser)
    browser.wait_text("#base-error", "there is no DC=elsewhere; set Base DN to DC=x")
    browser.wait_text("#setup-result", "“Directory can be read” failed. Nothing was changed. See Base DN.")
    mock.refuse["settings"] = 503, {"code": "busy", "message": "another change is being tried"}
    save(browser)
    browser.wait_text("#setup-result", "another change is being tried")


def test_a_refused_ticket_says_that_the_settings_are_saved(browser, play, expected):
    expected.append(REFUSED)
    mock = play("fresh")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "corp.example.com")
    browser.type("#ticket", played.TICKET)
    browser.type("#proxy", "http://proxy.example.com:3128")
    mock.refuse["enroll"] = 422, {"code": "ticket_expired", "message": "the ticket is too old"}
    save(browser)
    browser.wait_text("#ticket-error", "the ticket is too old")
    assert "settings are saved" in browser.text("#setup-result")
    assert browser.value("#ticket") == played.TICKET
    # What is saved is not sent again.
    save(browser)
    browser.wait_text("#setup-result", "Joined connection corp")
    assert len(mock.bodies("settings")) == 1


def test_an_error_in_a_closed_part_opens_it(browser, play, expected):
    expected.append(REFUSED)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    assert not browser.shown("#directory-ca")
    browser.type("#server", "ldaps://dc3.corp.example.com")
    mock.refuse["settings"] = 422, {"code": "tls_untrusted", "message": "its CA is not known",
                                    "key": "directory.tls.ca"}
    save(browser)
    browser.wait_text("#directory-ca-error", "its CA is not known")
    assert browser.focused() == "directory-ca"


# --- the first look -----------------------------------------------------------


WRONG = [
    ("directory.server", "ws://ws.genauth.ai:8855", "address in the cloud"),
    ("directory.server", "http://ws.genauth.ai:8855", "address in the cloud"),
    ("directory.server", "ws.genauth.ai:8855", "address in the cloud"),
    ("directory.server", played.TICKET, "provisioning ticket"),
    ("directory.server", "DC=example,DC=com", "This is a DN"),
    ("directory.server", "ftp://dc1.example.com", "does not lead to a directory"),
    ("directory.server", "ldap://dc1.example.com, ldaps://dc2.example.com", "written alike"),
    ("ticket", "ldap://dc1.example.com", "belongs into AD server address"),
    ("ticket", "http://hub.example.com/t/abc", "never used over http"),
    ("ticket", "ws://ws.genauth.ai:8855", "not needed any more"),
    ("ticket", "https://hub.example.com/", "not a ticket"),
    ("directory.base", "ldap://dc1.example.com", "belongs into AD server address"),
    ("directory.base", "example.com", "DC=example,DC=com"),
    ("directory.base", "People", "A DN looks like"),
    ("directory.user", "reader", "domain is missing"),
    ("cloud.proxy", "proxy.example.com:3128", "http://proxy.example.com:3128"),
    ("cloud.proxy", "https://proxy.example.com", "write http://"),
    ("cloud.proxy", "http://me:secret@proxy.example.com:3128", "must not stand here"),
]
RIGHT = [
    ("directory.server", "corp.example.com"),
    ("directory.server", "ldaps://dc1.example.com:3269, ldaps://[2001:db8::1]"),
    ("directory.server", "10.0.0.1"),
    ("ticket", played.TICKET + "#pin=sha256:" + "A" * 43),
    ("ticket", "http://127.0.0.1:8855/t/" + "a" * 43),
    ("directory.base", "OU=Söhne & Töchter,DC=example,DC=com"),
    ("directory.user", "reader@example.com"),
    ("directory.user", "CN=reader,DC=example,DC=com"),
    ("cloud.proxy", "http://me@proxy.example.com:3128"),
]


def test_the_first_look(browser, play):
    """By itself; that it is asked, and what then happens, the next ones say."""
    browser.sign_in(play("fresh"))
    found = browser.driver.execute_async_script(
        "const [items, done] = arguments;"
        "import('/look.js').then(({look}) => done(items.map(([key, text]) => look(key, text))))",
        [one[:2] for one in WRONG + RIGHT])
    for (key, text, words), said in zip(WRONG, found):
        assert said is not None, f"{key} takes {text}"
        assert words in said["text"] + said.get("use", ""), (key, text, said)
    for (key, text), said in zip(RIGHT, found[len(WRONG):]):
        assert said is None, (key, text, said)


@pytest.mark.parametrize("field, text, words", [
    ("server", "ws://ws.genauth.ai:8855", "address in the cloud"),
    ("ticket", "http://hub.example.com/t/abc", "never used over http"),
])
def test_what_stands_in_the_wrong_field_is_told(browser, play, expected, field, text, words):
    """At once in the page's words, on saving in those of the connector."""
    expected.append(REFUSED)
    mock = play("fresh")
    browser.sign_in(mock)
    browser.wait_text("#server-note", "corp.example.com")
    browser.type(f"#{field}", text)
    browser.press(Keys.TAB)
    browser.wait_text(f"#{field}-error", words)
    mock.refuse["settings"] = 422, {"code": "bad_request", "key": "directory.server",
                                    "message": "directory.server: is a cloud address"}
    mock.refuse["enroll"] = 422, {"code": "bad_ticket", "key": "ticket", "message": "http ticket"}
    save(browser)
    browser.wait_text(f"#{field}-error", {"server": "is a cloud address", "ticket": "http ticket"}[field])
    assert browser.focused() == field
    assert len(mock.bodies("settings") + mock.bodies("enroll")) == 1


def test_words_that_come_up_do_not_move_a_button_from_under_the_pointer(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#user", "reader")
    # The press leaves the field, and the release must still be on the button.
    browser.click("#save")
    browser.wait_text("#setup-result", "Saved")
    assert mock.bodies("settings") == [{"directory.user": "reader"}]


def test_a_ticket_is_moved_to_its_field(browser, play):
    browser.sign_in(play("fresh"))
    browser.wait_text("#server-note", "corp.example.com")
    browser.type("#server", played.TICKET)
    browser.press(Keys.TAB)
    browser.wait_text("#server-error", "Move it there")
    browser.click("#server-error .link")
    assert browser.value("#ticket") == played.TICKET and browser.value("#server") == ""
    assert browser.focused() == "ticket" and browser.text("#server-error") == ""


def test_two_that_are_mixed_up_change_places(browser, play):
    browser.sign_in(play("fresh"))
    browser.wait_text("#server-note", "corp.example.com")
    browser.type("#server", played.TICKET)
    browser.type("#ticket", "ldaps://dc1.corp.example.com")
    browser.press(Keys.TAB)
    browser.wait_text("#ticket-error", "Move it there")
    browser.click("#ticket-error .link")
    assert browser.value("#ticket") == played.TICKET
    assert browser.value("#server") == "ldaps://dc1.corp.example.com"
    assert browser.text("#server-error") == browser.text("#ticket-error") == ""


# --- certificates -------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_a_ca_file_is_taken(browser, play, tmp_path, encoding):
    made, _ = certificate()
    path = tmp_path / "ca.cer"
    path.write_bytes(made.public_bytes(getattr(serialization.Encoding, encoding)))
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.click("#directory-more summary")
    browser.element("#directory-ca-file").send_keys(str(path))
    browser.wait(lambda: browser.value("#directory-ca"), "the file is not taken")
    save(browser)
    browser.wait_text("#setup-result", "Saved")
    [sent] = mock.bodies("settings")
    assert list(sent) == ["directory.tls.ca"]
    assert x509.load_pem_x509_certificate(sent["directory.tls.ca"].encode()) == made
    # What is set is not shown, and can be taken back.
    assert browser.value("#directory-ca") == ""
    browser.click("#directory-ca-remove")
    save(browser)
    browser.wait(lambda: len(mock.bodies("settings")) == 2, "it is not taken back")
    assert mock.bodies("settings")[1] == {"directory.tls.ca": ""}


def test_a_private_key_goes_nowhere(browser, play, tmp_path):
    _, key = certificate()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())
    path = tmp_path / "ca.pem"
    path.write_bytes(text)
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.click("#cloud-more summary")
    browser.element("#cloud-ca-file").send_keys(str(path))
    browser.wait_text("#cloud-ca-error", "private key")
    assert browser.value("#cloud-ca") == ""
    assert base64.b64encode(text).decode() not in browser.driver.page_source


# --- waiting ------------------------------------------------------------------


def test_a_slow_answer_shows_progress_and_can_be_left(browser, play):
    mock = play("healthy")
    browser.sign_in(mock)
    browser.wait_text("#password-note", "Set.")
    browser.type("#base", "DC=corp,DC=example,DC=com")
    mock.delay["settings"] = 3
    save(browser)
    browser.wait_text("#setup-wait", "Saving")
    browser.wait_text("#setup-wait", "1 s")
    # Another press of the button sends nothing.
    save(browser)
    browser.click("#setup-wait button")
    browser.wait_text("#setup-result", "goes on with it")
    assert not browser.shown("#setup-wait")
    assert len(mock.bodies("settings")) == 1


# --- the test of the connection -----------------------------------------------


def states(browser):
    return [row.get_attribute("data-state") for row in browser.elements("#test-steps li")]


def test_four_steps_come_one_after_the_other(browser, play):
    mock = play("healthy")
    mock.step_delay = 0.5
    browser.sign_in(mock)
    assert states(browser) == ["waiting"] * 4
    browser.script("window.heard = []; new MutationObserver(() => window.heard.push("
                   "document.getElementById('announce').textContent))"
                   ".observe(document.getElementById('announce'), {childList: true})")
    browser.click("#test")
    for passed in range(4):
        wanted = ["passed"] * passed + ["running"] + ["waiting"] * (3 - passed)
        browser.wait(lambda: states(browser) == wanted, f"the steps are never {wanted}")
    browser.wait_text("#test-result", "All four steps passed")
    assert states(browser) == ["passed"] * 4
    assert "18 ms" in browser.text("#test-steps")
    assert browser.text("#test-steps li").splitlines() == [
        "AD server reachable", ": passed", "18 ms", "dc1.corp.example.com answers with TLS"]
    browser.wait(lambda: "All four steps passed." in browser.script("return window.heard"),
                 "the result is not announced")
    heard = browser.script("return window.heard")
    assert sum("passed." in one for one in heard) >= 4, heard


def test_a_failed_step_leads_to_its_field(browser, play):
    browser.sign_in(play("failing"))
    browser.click("#test")
    browser.wait_text("#test-result", "did not pass")
    assert states(browser) == ["passed", "passed", "failed", "skipped"]
    links = browser.elements("#test-steps .link")
    assert [link.text for link in links] == ["Domain user", "Password"]
    links[1].click()
    assert browser.focused() == "password"


def test_a_hint_leads_to_its_field(browser, play):
    mock = play("healthy")
    mock.steps[0].update(passed=False, code="unreachable", text="dc1 was not reached in time",
                         hint="is directory.server right, and may this host reach it?")
    mock.steps[1].update(passed=False, code="not_enrolled", text="not enrolled",
                         hint="make a ticket at the hub (adhubctl ticket new)")
    browser.sign_in(mock)
    browser.click("#test")
    browser.wait_text("#test-result", "did not pass")
    assert [link.text for link in browser.elements("#test-steps .link")] == [
        "AD server address", "Provisioning ticket URL"]


def test_a_test_can_be_left(browser, play):
    mock = play("healthy")
    mock.step_delay = 1
    browser.sign_in(mock)
    browser.click("#test")
    browser.wait(lambda: "passed" in states(browser), "no step ends")
    browser.click("#test-wait button")
    browser.wait_text("#test-result", "Stopped")
    assert "running" not in states(browser)


def test_a_test_that_breaks_off_has_not_passed(browser, play):
    mock = play("healthy")
    mock.step_delay = 0.2
    mock.steps = mock.steps[:2]
    mock.test_ends = False
    browser.sign_in(mock)
    browser.click("#test")
    browser.wait_text("#test-result", "broken off")
    assert states(browser) == ["passed", "passed", "broken", "skipped"]
