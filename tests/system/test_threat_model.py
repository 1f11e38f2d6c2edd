# SPDX-License-Identifier: ISC
"""docs/threat-model.md names tests as its evidence: they must be there, and all attacks
of the list must have their line."""

import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def text():
    with open(os.path.join(ROOT, "docs", "threat-model.md"), encoding="utf-8") as file:
        return file.read()


def path(name):
    return os.path.join(ROOT, name if "/" in name else f"tests/system/{name}")


@pytest.mark.parametrize("named", sorted(set(re.findall(r"(\S+\.py)::(test_\w+)", text()))),
                         ids=lambda named: "::".join(named))
def test_is_there(named):
    name, function = named
    with open(path(name.strip("(`")), encoding="utf-8") as file:
        assert re.search(rf"^def {function}\(", file.read(), re.M)


@pytest.mark.parametrize("name", sorted(set(
    re.findall(r"(?<![\w/.])((?:tests/\w+/)?test_\w+\.(?:py|c))\b", text()))))
def test_file_is_there(name):
    assert os.path.isfile(path(name))


def test_every_attack_has_a_line():
    rows = re.findall(r"^\| A(\d+) \|.*\|$", text(), re.M)
    assert [int(number) for number in rows] == list(range(1, 36))
    for row in re.findall(r"^\| A\d+ \|.*\|$", text(), re.M):
        assert re.search(r"\*\*(stood|partly|not yet|Not)\*\*|\*\*not yet\*\*", row), row
