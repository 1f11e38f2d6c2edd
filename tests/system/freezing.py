# SPDX-License-Identifier: ISC
"""Processes that stop without ending, as on a host that swaps or a paused virtual machine."""

import contextlib
import os
import signal
import time

from .daemon import processes


def below(pid):
    """A process and all that it started, those in pid namespaces of their own included."""
    running = processes()
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += [child for child, parent in running.items() if parent == one]
    return found


@contextlib.contextmanager
def frozen(pid, seconds):
    """SIGSTOP for a process and all below it; SIGCONT after so many seconds at the end.

    What the block does takes its time of them.
    """
    pids = below(pid)
    until = time.monotonic() + seconds
    try:
        for one in pids:
            os.kill(one, signal.SIGSTOP)
        yield
        # The fault itself: it lasts for a time.
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        for one in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)
