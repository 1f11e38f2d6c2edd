# SPDX-License-Identifier: ISC
"""Memory and system calls that fail, in one process of a running daemon.

    faults = Faults(folder)
    stack = Stack(preload=faults.preload)
    with faults.fault("adhub-store", "sync", errno.EIO, every=3) as fault:
        …
        assert fault.hits

Processes are known by their name, so that one that is started anew while the fault
stands has it from its first moment.  See faults.c for what fails and how.
"""

import contextlib
import os
import struct

from tests.lab.preload import Preload

CALLS = ("allocate", "read", "write", "receive", "send", "open", "sync", "wait", "accept",
         "socket", "connect")
SHORT = 0  # in place of an errno: one byte passes
SLOTS = 16
_LAYOUT = struct.Struct("=40sIiIIII")


class Fault:
    """One that stands now, or stood."""

    def __init__(self, faults, slot, name):
        self._faults, self._slot, self.name = faults, slot, name

    def __repr__(self):
        return self.name

    @property
    def hits(self):
        """How many calls it has failed."""
        return self._faults.read(self._slot)[-1]


class Faults:
    """A file of faults, for one daemon that is started with `preload`."""

    def __init__(self, folder, name="faults"):
        self.path = os.path.join(folder, name)
        with open(self.path, "wb") as file:
            file.write(bytes(SLOTS * _LAYOUT.size))
        # The daemon's processes count in it, each as a user of its own.
        os.chmod(self.path, 0o666)
        self.preload = Preload("faults.so", files={"adc-faults": self.path})
        self._free = list(range(SLOTS))

    def read(self, slot):
        with open(self.path, "rb") as file:
            file.seek(slot * _LAYOUT.size)
            return _LAYOUT.unpack(file.read(_LAYOUT.size))

    def _write(self, slot, *values):
        with open(self.path, "r+b", buffering=0) as file:
            file.seek(slot * _LAYOUT.size)
            file.write(_LAYOUT.pack(*values))

    @contextlib.contextmanager
    def fault(self, program, call, error, every=1, times=0):
        """Each so-many-th of these calls fails, `times` of them or until the end of the block."""
        slot = self._free.pop()
        words = (program.encode(), CALLS.index(call), error)
        self._write(slot, *words, every, times, 0, 0)
        fault = Fault(self, slot, f"{program}: {call} {os.strerror(error) if error else 'short'}"
                      f", each {every}.")
        try:
            yield fault
        finally:
            self._write(slot, *words, 0, times, 0, fault.hits)
            self._free.append(slot)
