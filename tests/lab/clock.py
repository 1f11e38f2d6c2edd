# SPDX-License-Identifier: ISC
"""A clock of its own for one daemon, wrong by as much as a test wants, and set while it runs.

    clock = Clock(folder, 600)                  # ten minutes ahead
    connector = stack.add_connector(preload=clock.preload)
    clock.set(-600)                             # somebody sets it back
    clock.later(900)                            # a quarter of an hour has passed

set() is for the wall clock alone; later() for monotonic time alone, which nobody can set: it
is for what lasts longer than a test.  See clock_shift.c.
"""

import itertools
import os
import struct

from .preload import Preload

_numbers = itertools.count(1)


class Clock:
    """Seconds that are added to the time of whoever is started with `preload`."""

    def __init__(self, folder, seconds=0):
        self.path = os.path.join(folder, f"clock{next(_numbers)}")
        self.seconds, self.passed = seconds, 0
        with open(self.path, "wb") as file:
            file.write(self._shift())
        os.chmod(self.path, 0o644)
        self.preload = Preload("clock_shift.so", files={"adc-clock-shift": self.path})

    def set(self, seconds):
        """At once and for all its processes."""
        self.seconds = seconds
        self._write()

    def later(self, seconds):
        """So much more time has passed; who sleeps notices when something wakes it."""
        self.passed += seconds
        self._write()

    def _shift(self):
        return struct.pack("=qq", self.seconds, self.passed)

    def _write(self):
        # In place, for they have the file mapped.
        with open(self.path, "r+b", buffering=0) as file:
            file.write(self._shift())
