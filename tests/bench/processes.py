# SPDX-License-Identifier: ISC
"""What processes use: CPU time and memory, out of /proc.

CPU: /proc/PID/schedstat, in nanoseconds, where the kernel has it; otherwise the
ticks of /proc/PID/stat.  Memory: PSS of /proc/PID/smaps_rollup, where a page that
several processes share counts for each by its part (proc(5)).

On a host of tests others share the libraries too and make the sum of PSS too
good.  alone_kib() counts the pages themselves, each once: what the processes would
take if nobody else used any of them.
"""

import array
import os

PAGE = os.sysconf("SC_PAGE_SIZE")
PRESENT, FRAME = 1 << 63, (1 << 55) - 1
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


def _frames(pid):
    """The page frames that a process has in memory (pagemap, needs root)."""
    frames = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for line in maps:
            if "[vsyscall]" in line:
                continue
            first, last = (int(one, 16) // PAGE for one in line.split()[0].split("-"))
            entries = array.array("Q")
            entries.frombytes(os.pread(pagemap.fileno(), 8 * (last - first), 8 * first))
            frames.update(entry & FRAME for entry in entries if entry & PRESENT)
    return frames


def alone_kib(pids):
    """What some processes have in memory together, in KiB."""
    frames = set()
    for pid in pids:
        try:
            frames |= _frames(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return len(frames) * PAGE // 1024


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
    """Processes under names: {"connector: adc-cloud": [pid], …}; what stands before
    the colon is a house."""

    def __init__(self, pids):
        self.pids = pids
        self.houses = sorted({name.split(": ")[0] for name in pids if ": " in name})

    def cpu(self):
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self.pids.items()}

    def memory(self):
        """PSS by name, and what each house would take alone, in KiB."""
        found = {name: sum(map(pss_kib, pids)) for name, pids in self.pids.items()}
        for house in self.houses:
            found[f"{house} alone"] = alone_kib(
                [pid for name, pids in self.pids.items()
                 if name.startswith(f"{house}: ") for pid in pids])
        return found
