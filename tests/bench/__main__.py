# SPDX-License-Identifier: ISC
"""Measures logins through the hub beside logins at the directory itself.

    /usr/bin/python3 -m tests.bench --programs BUILD_FOLDER [options]

with the installed tree in ADC_PREFIX; tools/bench does both.  What it starts
runs in namespaces of its own and ends with it, however it ends.
"""

import argparse
import json
import os
import platform
import sys

from tests.lab import namespace
from tests.lab.process import LabError

from . import goals, table
from .load import LoadError, run

STARTS = 5


def _arguments():
    parser = argparse.ArgumentParser(prog="tools/bench")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    parser.add_argument("--seconds", type=int, default=10, metavar="N",
                        help="length of each row, 1 to 60 (10)")
    parser.add_argument("--only", choices=("slapd", "far", "samba"),
                        help="one directory only; far: slapd by a proxy, near and 10 ms away")
    parser.add_argument("--concurrency", default="1,32,256", metavar="N[,N…]",
                        help="logins at once, 1 to 512 (1,32,256)")
    arguments = parser.parse_args()
    try:
        arguments.concurrency = [int(one) for one in arguments.concurrency.split(",")]
    except ValueError:
        parser.error("--concurrency: numbers with commas between them")
    if not all(1 <= one <= 512 for one in arguments.concurrency):
        parser.error("--concurrency: 1 to 512 is possible")
    if not 1 <= arguments.seconds <= 60:
        parser.error("--seconds: 1 to 60 is possible")
    return arguments


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def processor():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _only(memory):
    """Without what is not ours."""
    return {name: kib for name, kib in memory.items() if not name.startswith("directory server")}


class Bench:
    """All rows of one run."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.direct = os.path.join(arguments.programs, "load_direct")
        self.hub = os.path.join(arguments.programs, "load_hub")
        self.result = {
            "machine": {"processors": os.cpu_count(), "model": processor(),
                        "kernel": platform.release()},
            "seconds": arguments.seconds, "logins": [], "memory_kib": {}, "start_s": {}}

    def measure(self, name):
        # Imported here: only in the namespace, and after the packages are there.
        from .targets import DIRECTORIES, Machine
        say(f"{name}: starting it, a hub and a connector")
        with DIRECTORIES[name]() as directory, Machine(directory) as machine:
            for line, prepare in directory.lines:
                prepare()
                self._logins(line, directory, machine)
            if directory.starts:
                self._starts(directory, machine)

    def _logins(self, line, directory, machine):
        seconds, group = self.arguments.seconds, machine.group()
        # What a load before this one took is given back after minutes (POOL_IDLE_S).
        moment = "idle" if line == directory.lines[0][0] else "after the load before"
        memory = self.result["memory_kib"][line] = {moment: _only(group.memory())}
        for concurrency in self.arguments.concurrency:
            options = ["-c", str(concurrency)]
            say(f"{line}, {concurrency} at once: direct, {seconds} s")
            direct = run([*directory.direct_argv(self.direct), *options], seconds)
            say(f"{line}, {concurrency} at once: through the hub, {seconds} s")
            hub = run([*machine.hub_argv(self.hub), *options], seconds, group)
            memory[f"{concurrency} at once"] = _only(hub.pop("memory"))
            direct.pop("memory")
            direct.pop("cpu")
            logins = max(1, hub["logins"])
            self.result["logins"].append({
                "directory": line, "concurrency": concurrency,
                "direct": direct, "hub": hub,
                "ratio": hub["rate"] / direct["rate"] if direct["rate"] else 0.0,
                "cpu_us_per_login": {role: used * 1e6 / logins
                                     for role, used in hub.pop("cpu").items()}})

    def _starts(self, directory, machine):
        from .targets import DeadDns
        say(f"{directory.name}: start to first login, {STARTS} times")
        starts = self.result["start_s"][directory.name] = {
            "answers": [machine.start_to_first_login(self.hub) for _ in range(STARTS)]}
        # Only where addresses are numeric: names could not be found without DNS.
        if directory.name == "slapd":
            with DeadDns():
                starts["dead"] = [machine.start_to_first_login(self.hub)
                                  for _ in range(STARTS)]

    def errors(self):
        return sum(row[way]["errors"] for row in self.result["logins"]
                   for way in ("direct", "hub"))


def main():
    arguments = _arguments()
    namespace.enter(required=True)
    bench = Bench(arguments)
    for name in [arguments.only] if arguments.only else ["slapd", "far", "samba"]:
        bench.measure(name)
    bench.result["goals"] = goals.judge(bench.result)
    if arguments.json:
        print(json.dumps(bench.result, indent=2))
    else:
        print(table.text(bench.result))
    if bench.errors():
        say(f"{bench.errors()} logins were not good; --json tells how they ended")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AssertionError, LabError, LoadError, namespace.NamespaceError) as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
