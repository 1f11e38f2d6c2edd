# SPDX-License-Identifier: ISC
"""Chromium without a screen, and how a person is played with it.

Why: tests speak of fields, tabs and what is read, not of selectors and waits; and
everything that the browser itself complains of is a failed test.
"""

import os
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.lab import namespace
from tests.lab.process import wait_until

BROWSER, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


def missing():
    """What is not installed, or None."""
    for path in (BROWSER, DRIVER):
        if not os.path.exists(path):
            return f"{path} is not installed"
    return None


class Browser:
    """One Chromium with one tab and a profile of its own; further arguments are its command line's."""

    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix="adc-chromium-", dir=namespace.folder())
        options = Options()
        options.binary_location = BROWSER
        for argument in ("--headless=new", "--no-first-run", "--disable-background-networking",
                         "--disable-component-update", "--disable-gpu", "--disable-dev-shm-usage",
                         "--force-device-scale-factor=1", "--lang=en-US",
                         f"--user-data-dir={self.folder}/profile", *arguments):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.add_experimental_option("prefs", {"download.default_directory": self.folder})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.size(1280, 900)

    def close(self):
        self.driver.quit()

    # How it looks

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)

    def scheme(self, name, motion="no-preference"):
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": motion}])

    def complaints(self):
        """What stands in the browser's console since the last time."""
        return [one["message"] for one in self.driver.get_log("browser")]

    # Going about

    def open(self, url):
        self.driver.get(url)

    def leave(self):
        """Away from the page, without its question about what is not saved; it is signed out."""
        self.script("window.addEventListener('beforeunload', e => e.stopImmediatePropagation(), true);"
                    "if (location.protocol === 'http:') sessionStorage.clear()")
        self.open("about:blank")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def element(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def elements(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector):
        return self.script("const e = document.querySelector(arguments[0]);"
                           "return e !== null && e.checkVisibility()", selector)

    def text(self, selector):
        """As one sees it; "" for what is not seen."""
        try:
            return self.element(selector).text
        except StaleElementReferenceException:
            return ""

    def value(self, selector):
        return self.script("return document.querySelector(arguments[0]).value", selector)

    def type(self, selector, text):
        """In place of what stands there."""
        field = self.element(selector)
        field.click()
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)

    def paste(self, selector, text):
        """At once; letter by letter a certificate takes its time."""
        self.script("const e = document.querySelector(arguments[0]); e.value = arguments[1];"
                    "e.dispatchEvent(new Event('input', {bubbles: true}))", selector, text)

    def click(self, selector):
        self.element(selector).click()

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        """The id of what has the focus, or its text."""
        return self.script("const e = document.activeElement; return e.id || e.textContent.trim()")

    def tab(self, name):
        self.click(f"#tab-{name}")

    def wait(self, condition, what, seconds=15):
        return wait_until(condition, what, seconds, pause=0.05)

    def wait_text(self, selector, text, seconds=15):
        try:
            self.wait(lambda: text in self.text(selector), f"{selector} never says {text!r}", seconds)
        except Exception as error:
            raise AssertionError(f"{error}; it says {self.text(selector)!r}") from None

    def wait_shown(self, selector, seconds=15):
        self.wait(lambda: self.shown(selector), f"{selector} is never shown", seconds)

    def wait_gone(self, selector, seconds=15):
        self.wait(lambda: not self.shown(selector), f"{selector} stays", seconds)

    def sign_in(self, mock):
        """With a new address of this connector, on a page that knows nothing."""
        self.leave()
        self.open(mock.link())
        self.wait_shown("#panels")
        self.wait(lambda: self.script("return document.querySelector('#tunnel-state').textContent"),
                  "no status came")
