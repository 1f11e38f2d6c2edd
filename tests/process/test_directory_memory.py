# SPDX-License-Identifier: ISC
"""adc-directory without memory for one thing: each allocation of a login fails in turn.

Whatever it was, a right password is not called wrong, nor a wrong one right, and nobody is
taken for somebody with fewer groups.  The process may end of it (libldap insists on some of its
memory); then it says why.
"""

import errno
import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from child import Gone, program, sanitized  # noqa: E402
from directory_child import LDAPS, OK, TLS_LDAPS, from_hostile  # noqa: E402

from tests.lab.process import wait_until  # noqa: E402
from tests.lab.hostile_ldap import HostileLdap, Person  # noqa: E402
from tests.lab.tls import CertificateAuthority  # noqa: E402
from tests.torture.faults import Faults  # noqa: E402

pytestmark = pytest.mark.skipif(sanitized("adc-directory"),
                                reason="AddressSanitizer has an allocator of its own")

ERROR = 0  # a line's level
NOT_NOW = ("internal", "directory_unavailable")


@pytest.fixture
def server():
    with HostileLdap() as server:
        yield server


def recover(child, person):
    """Until it works."""
    def works():
        answer = child.login(NAME, person.password)
        if child.state.state != OK:
            assert child.test()[-1].passed
            child.up()
        return answer.status == "ok"

    wait_until(works, "a login", 10)


def encrypted(server, tmp_path):
    """What from_hostile() is to be given for ldaps."""
    authority = CertificateAuthority()
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    server.show(authority.issue("localhost"))
    return {"servers": [(server.host, server.port, "localhost", LDAPS)], "tls_mode": TLS_LDAPS,
            "ca_file": str(path)}


NAME = "bartholomew"


def spelling(number):
    """One of 2,048, which a directory takes for the same."""
    return "".join(letter.upper() if number >> place & 1 else letter
                   for place, letter in enumerate(NAME))


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "ldaps"])
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_each_allocation_of_a_login(server, tmp_path, tls, right, again):
    """By a name that nobody has typed yet, or by one that is known where to look for."""
    faults = Faults(tmp_path)
    options = encrypted(server, tmp_path) if tls else {}
    options["env"] = {"LD_PRELOAD": program("faults.so"), "ADC_FAULTS": faults.path}
    person = server.people[NAME] = Person(server, NAME, 99)
    password = person.password if right else "not-the-Passw0rd"
    child, good, ended, refused, every = None, None, 0, 0, 1
    for tries in itertools.count():
        assert tries < 2000, every
        if child is None:
            child = from_hostile(server, **options).start().up()
        # A failure may have made it forget.
        if again:
            recover(child, person)
        person.join_unknown_group()
        name = NAME if again else spelling(tries)
        server.requests.clear()
        if good is None:
            good = child.login(name, password)
            assert ("known" in (step for step, _ in server.requests)) == again
            assert good.status == ("ok" if right else "invalid_credentials")
            continue
        try:
            with faults.fault("adc-directory", "allocate", errno.ENOMEM, every, times=1) as fault:
                answer = child.login(name, password)
            if answer.status in NOT_NOW:
                assert answer.reason and not answer.proven, (every, answer)
                # The directory is not to be blamed for it.
                assert answer.reason != "protocol", (every, answer)
                refused += 1
            else:
                assert answer.status == good.status, (every, answer)
                assert not right or \
                    len(answer.profile["groups"]) == len(good.profile["groups"]), (every, answer)
            if child.state.state != OK:
                assert child.test()[-1].passed
                child.up()
        except (Gone, BrokenPipeError, ConnectionResetError):
            with pytest.raises(Gone):
                while child.receive(2):
                    pass
            assert child.end() == 1 and child.logs[-1][0] == ERROR, child.log_text()
            child.__exit__(None, None, None)
            child, ended, every = None, ended + 1, every + 1
            continue
        if fault.hits > 0:
            every += 1
        elif answer.status == good.status:
            break
        # Else it met what the failure before had left behind: once more.
    child.__exit__(None, None, None)
    print(f"{every} allocations: {refused} logins refused, {ended} ends of the process")
    assert refused
