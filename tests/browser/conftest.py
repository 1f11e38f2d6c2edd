# SPDX-License-Identifier: ISC
"""Fixtures of the tests in a browser."""

import os
import re

import pytest


@pytest.fixture(scope="session")
def chromium():
    """The browser of the whole run."""
    try:
        from .chromium import Browser, missing
        reason = missing()
    except ImportError as error:
        reason = f"python3-selenium is not installed: {error}"
    if reason is not None:
        if os.environ.get("ADC_LAB_REQUIRED") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def expected():
    """Regular expressions of what the browser may complain of in this test."""
    return []


@pytest.fixture
def browser(chromium, expected, play):
    """A clean tab; what the browser complains of fails the test.

    It leaves the page before the connector of `play` goes.
    """
    chromium.size(1280, 900)
    chromium.scheme("light")
    chromium.complaints()
    yield chromium
    bad = [text for text in chromium.complaints()
           if not any(re.search(pattern, text) for pattern in expected)]
    chromium.leave()
    assert not bad, "\n".join(bad)


@pytest.fixture
def play():
    """play("healthy") → a started mock."""
    from .mock import Mock
    made = []

    def start(scenario="healthy"):
        mock = Mock(scenario).start()
        made.append(mock)
        return mock

    yield start
    for mock in made:
        mock.stop()
