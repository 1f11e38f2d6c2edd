# SPDX-License-Identifier: ISC
"""What processes use: CPU time and memory, out of /proc.

CPU: /proc/PID/schedstat, in nanoseconds, where the kernel has it; otherwise the
ticks of /proc/PID/stat.  Memory: PSS of /proc/PID/smaps_rollup; pages that
several processes share count for each by its part, so that the sum over
processes is what they take together (proc(5)).
"""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _thread_cpu(pid, thread):
    base = f"/proc/{pid}/task/{thread}"
    try:
        with open(f"{base}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except FileNotFoundError:
        with open(f"{base}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def cpu_seconds(pid):
    """User and system time so far of all threads that run now; 0.0 when gone."""
    try:
        return sum(_thread_cpu(pid, thread) for thread in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def pss_kib(pid):
    """Proportional set size in KiB; 0 when gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def family(pid):
    """`pid` and all that descend from it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += parents.get(one, [])
    return found


class Group:
    """Processes under names: {"connector adc-cloud": [pid], …}."""

    def __init__(self, pids):
        self.pids = pids

    def cpu(self):
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self.pids.items()}

    def pss(self):
        return {name: sum(map(pss_kib, pids)) for name, pids in self.pids.items()}
