# SPDX-License-Identifier: ISC
"""Moves a test run that root started into namespaces of its own, at once.

Why: see tests/lab/namespace.py.  Run by an ordinary user the tests that need
no domain controller run as well; the others are skipped and say why.  With
ADC_LAB_REQUIRED=1 in the environment they fail instead: for runs that must not
pass by leaving something out.
"""

import os
import signal

import pytest

from tests.lab import namespace


def pytest_configure(config):
    # ldap3's own; it concerns no test.
    config.addinivalue_line(
        "filterwarnings", "ignore:ssl.match_hostname:DeprecationWarning")
    # A shell that starts us in the background has us, and all that we start, ignore these.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    # What the new program prints must not end in the capture's file.
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    namespace.enter()
    if capture is not None:
        capture.resume_global_capture()


def need_namespace():
    """Skip, or fail, where no domain controller can run."""
    reason = namespace.unavailable()
    if reason is None:
        return
    if os.environ.get("ADC_LAB_REQUIRED") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab_namespace():
    """For tests that need addresses, names or ports of their own."""
    need_namespace()
    return namespace


# What tests of several folders share, once in a run.


@pytest.fixture(scope="session")
def samba(lab_namespace):
    """The shared domain controller, with the standard population."""
    from tests.lab.samba import SambaAD
    with SambaAD() as dc:
        dc.seed()
        yield dc


@pytest.fixture(scope="session")
def installed(lab_namespace):
    """The folder of the installed programs; built where it is not given."""
    from tests.system import install
    return install.prefix()
