# SPDX-License-Identifier: ISC
"""Fixtures of the tests against real directories.

`samba` (tests/conftest.py) and `slapd` are shared by a whole run: change only accounts that
you made yourself (`make_user`), or take `fresh_samba`.
"""

import itertools
import os
import tempfile

import pytest

from tests.lab import population
from tests.lab.openldap import Slapd
from tests.lab.proxy import ConnectProxy

_numbers = itertools.count(1)


@pytest.fixture
def fresh_samba(lab_namespace):
    """An own domain controller with the standard population, in two seconds.

    It stands on its own address and leaves /etc/resolv.conf as it is.
    """
    from tests.lab.samba import SambaAD
    with SambaAD(address="127.0.0.12", realm="FRESH.TEST", netbios="FRESH",
                 dns=False) as dc:
        dc.seed()
        yield dc


@pytest.fixture
def make_user(samba):
    """make_user(state="", password=…, name=…, **attributes) → Person.

    The name is unused unless given; the account goes at the end of the test.
    """
    made = []

    def make(state="", password="Temporary-Passw0rd", name=None, cn="",
             **attributes):
        name = name or f"test{next(_numbers):04d}"
        person = population.Person(name, password, cn, state=state,
                                   attributes=attributes)
        population.add_person(samba.directory, person)
        made.append(samba.directory.guid(name))
        if state:
            population.set_state(samba, name, state)
        return person

    yield make
    for guid in made:
        samba.directory.delete_guid(guid)


@pytest.fixture(scope="session")
def slapd():
    """The shared slapd with 1,000 users; it needs no namespace."""
    with Slapd() as server:
        yield server


@pytest.fixture
def connect_proxy():
    """An HTTP CONNECT proxy that wants a password."""
    with ConnectProxy() as proxy:
        yield proxy


# The whole machine; see stack.py.


@pytest.fixture(scope="session")
def shipped_build(installed):
    """For tests that look into processes: a sanitizer keeps what was freed, on purpose,
    maps terabytes, needs an environment and does without some limits."""
    from tests.system import install
    if install.sanitized():
        pytest.skip("the programs are built with sanitizers")


@pytest.fixture
def new_stack(installed):
    """new_stack(**how) → a started Stack of the test's own."""
    from tests.system.stack import Stack
    made = []

    def make(**how):
        stack = Stack(**how)
        made.append(stack)
        stack.start()
        return stack

    yield make
    errors = []
    for stack in reversed(made):
        try:
            stack.stop()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="session")
def scripts_folder():
    """Every user may read it, and it stays until the last daemon is gone: Python opens a script
    by its path, after the kernel did, and what was mounted there may be gone by then."""
    with tempfile.TemporaryDirectory(prefix="adc-scripts-") as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.fixture(scope="session")
def stack(installed, samba):
    """Hub and connector for the shared domain controller, connection "corp",
    as they come: default policy, no throttling."""
    from tests.system.stack import Stack, directory_settings
    with Stack() as made:
        made.add_connection("corp", "Lab & Söhne")
        connector = made.add_connector(directory=directory_settings(samba))
        made.enrol(connector)
        connector.wait_tunnel("online")
        connector.wait_directory("ok")
        yield made
