# SPDX-License-Identifier: ISC
"""What must hold whatever is done to a machine: its processes stay the same ones, and small.

Why: "it survived" is more than an answer that came: a child that died and was started again,
or one that kept what it was sent, answers as well.
"""

from . import install

# Resident at its peak, KiB, of each process of either daemon.
PEAK_MAX_KIB = {"adconnectord": 16 << 10, "adc-spawner": 8 << 10, "adc-dial": 12 << 10,
                "adc-cloud": 16 << 10, "adc-directory": 24 << 10, "adc-web control": 24 << 10,
                "adc-web page": 24 << 10,
                "adhubd": 16 << 10, "adhub-gate public": 64 << 10,
                "adhub-gate control": 24 << 10, "adhub-store": 16 << 10}


def peak(pid):
    """KiB resident at most, since it started."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def roles(daemon):
    """{role: pid}, without one that is just ending and has no name any more."""
    return {role: pid for role, pid in daemon.pids().items() if role}


class Watch:
    """From here to check(): no process of these daemons is another one, none has grown."""

    def __init__(self, *daemons):
        self.daemons = daemons
        self.before = [roles(daemon) for daemon in daemons]

    def check(self):
        after = [roles(daemon) for daemon in self.daemons]
        assert after == self.before, (after, self.before)
        if install.sanitized():
            return
        peaks = {role: peak(pid) for one in after for role, pid in one.items()}
        assert not {role: kib for role, kib in peaks.items()
                    if kib > PEAK_MAX_KIB.get(role, 8 << 10)}, peaks
