# SPDX-License-Identifier: ISC
"""Pictures of every part of the page, light and dark, wide and narrow: docs/img.

    python3 -m tests.browser.screenshots [FOLDER]

The connector is the mock, so that about the same is seen each time.  Needs python3-pil, and
for the words that old watchdogs read a font such as fonts-droid-fallback.
"""

import base64
import io
import os
import sys

from PIL import Image

from tests.lab import namespace

if __name__ == "__main__":
    namespace.enter(required=os.geteuid() == 0)

from .chromium import Browser
from .mock import Mock

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "img")
LOG = [
    ("info", "parent", "settings changed"),
    ("info", "dial", "corp.example.com: 2 domain controllers found by DNS"),
    ("info", "directory", "dc1.corp.example.com: signed in as CORP\\adconnector, 4 connections"),
    ("debug", "directory", "dc1.corp.example.com: functional level 7, tokenGroups can be read"),
    ("info", "cloud", "hub.example.com: certificate checked, opening the tunnel"),
    ("info", "parent", "login of alice: ok, 8 ms"),
    ("info", "parent", "login of bob: invalid_credentials, 9 ms"),
    ("error", "directory", "dc2.corp.example.com: connection closed by the server"),
    ("info", "directory", "dc1.corp.example.com: serves all logins"),
    ("info", "parent", "login of carol: password_expired, 7 ms"),
]


def prepare(browser, mock, part):
    """Something to see."""
    browser.tab(part)
    if part == "setup":
        browser.wait_text("#password-note", "Set.")
        browser.click("#test")
        browser.wait_text("#test-result", "passed")
    elif part == "people":
        browser.type("#username", "alice")
        browser.click("#explain button")
        browser.wait_shown("#explain-result")
    elif part == "log":
        browser.wait_text("#log-lines", "carol")
    elif part == "maintenance":
        browser.click("#bundle-make")
        browser.wait_shown("#bundle-text")
    browser.script("document.activeElement.blur(); scrollTo(0, 0)")
    browser.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=0, y=0)


def few_colours(image):
    """A page has few: with a palette a third of the bytes is left.

    The most frequent ones stay as they are; Pillow's own choice would lose what is small and
    red, or the difference between a card and the ground.
    """
    colours = sorted(image.getcolors(image.width * image.height), reverse=True)[:192]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in colours for part in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def picture(browser, width, path):
    browser.size(width, 720)
    height = browser.script("return Math.min(document.documentElement.scrollHeight, 2400)")
    browser.size(width, max(height, 720))
    data = base64.b64decode(browser.cdp("Page.captureScreenshot", format="png")["data"])
    image = few_colours(Image.open(io.BytesIO(data)).convert("RGB"))
    image.save(path, optimize=True)
    print(f"{path}: {image.width} by {image.height}, {os.path.getsize(path)} bytes")


def take(browser, mock, folder, name):
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        for width in (1280, 400):
            picture(browser, width, os.path.join(folder, f"{name}-{scheme}-{width}.png"))


def main(arguments):
    folder = arguments[0] if arguments else FOLDER
    os.makedirs(folder, exist_ok=True)
    browser = Browser()
    try:
        with Mock("healthy") as mock:
            mock.logins_a_second = 40
            for line in LOG:
                mock.say(*line)
            # As if it had not all been at once.
            for line in mock.log_lines:
                line["time"] -= 7300 * (len(mock.log_lines) - line["sequence"])
            browser.open(mock.origin)
            browser.wait_shown("#open-states")
            take(browser, mock, folder, "sign-in")
            browser.sign_in(mock)
            for part in ("setup", "people", "log", "maintenance", "status"):
                browser.size(1280, 720)
                prepare(browser, mock, part)
                if part == "status":
                    browser.wait(lambda: len(browser.script(
                        "return document.querySelector('#logins-line polyline').getAttribute('points')"
                    ).split()) > 15, "no line of logins", 60)
                take(browser, mock, folder, part)
    finally:
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
