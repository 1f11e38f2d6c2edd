# SPDX-License-Identifier: ISC
"""Endurance: many logins, some refused, while the tunnel is cut again and again.

Ends by itself.  ADC_SOAK_LOGINS sets another number of logins (200,000).
"""

import json
import os
import subprocess
import threading

import pytest

from tests.bench.targets import SlapdDirectory
from tests.lab.faults import FaultProxy, program

from .stack import Stack, free_port

LOGINS = int(os.environ.get("ADC_SOAK_LOGINS", "200000"))
PARTS = 10
AT_ONCE = "32"
CUT_EVERY_S = 3
# What a connection that was cut under a login lets its client see.
UNDECIDED = {"connector_unavailable", "internal"}

# KiB a process may grow after the first part, whatever it is: allocators' fragments.
GROWTH_KIB = 1024
# Bytes that a login may cost those who remember used texts for ten minutes
# (src/common/replay.c): from one growth of a table to the next, and what a growth leaves free.
REMEMBERED_BYTES = 20
REMEMBERS = ("adconnectord", "adc-directory", "adhub-gate public")
# KiB of pages that the store's database may keep (PRAGMA cache_size, src/hub/store).
STORE_CACHE_KIB = 8192 + 2048


class Machine:
    """A hub, a connector whose tunnel goes through a proxy that cuts, and slapd."""

    def __init__(self, directory):
        port = free_port()
        self.proxy = FaultProxy("127.0.0.1", port)
        self.stack = Stack(hub={
            "listen": [f"https://127.0.0.1:{port}"], "log": {"level": "info"},
            "public_url": f"https://{self.proxy.host}:{self.proxy.port}"})
        self.stack.port = port
        self.stack.start()
        self.stack.add_connection("soak")
        self.connector = self.stack.add_connector(
            directory=directory.settings(), log={"level": "info"})
        self.connector.wait_directory()
        self.stack.enrol(self.connector, identifier="soak")

    def pids(self):
        return {role: pid for daemon in (self.connector, self.stack.hub)
                for role, pid in daemon.pids().items()}

    def close(self):
        try:
            self.stack.discard()
        finally:
            self.proxy.close()


@pytest.fixture
def machine(lab_namespace):
    with SlapdDirectory() as directory:
        # Every tenth person comes with a wrong password.
        with open(directory.users_file, encoding="utf-8") as file:
            lines = file.read().splitlines()
        with open(directory.users_file, "w", encoding="utf-8") as file:
            for number, line in enumerate(lines):
                file.write(line + ("x\twrong\n" if number % 10 == 9 else "\n"))
        machine = Machine(directory)
        machine.directory = directory
        try:
            yield machine
            machine.stack.stop()
        finally:
            machine.close()


def memory_kib(pid):
    """What is the process's own: private pages."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def log_in(machine, number):
    """So many logins while the tunnel is cut every few seconds: {status word: how many}."""
    over = threading.Event()

    def cut():
        while not over.wait(CUT_EVERY_S):
            machine.proxy.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        done = subprocess.run(
            [program("load_hub"), "-H", f"127.0.0.1:{machine.stack.port}",
             "-p", machine.stack.pin(), "-i", "soak", "-u", machine.directory.users_file,
             "-c", AT_ONCE, "-s", "240", "-n", str(number)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    finally:
        over.set()
        cutter.join()
    assert done.stdout, done.stderr
    # The next part begins with a tunnel: what a cut costs is counted once.
    machine.connector.wait_tunnel()
    return json.loads(done.stdout)["statuses"]


def allowed_kib(role, logins):
    growth = GROWTH_KIB
    if role in REMEMBERS:
        growth += logins * REMEMBERED_BYTES / 1024
    if role == "adhub-store":
        growth += STORE_CACHE_KIB
    return growth


def test_soak(machine, capsys):
    part = LOGINS // PARTS
    totals, first = {}, None
    for _ in range(PARTS):
        for word, count in log_in(machine, part).items():
            totals[word] = totals.get(word, 0) + count
        pids = machine.pids()
        now = {role: (pid, memory_kib(pid), len(os.listdir(f"/proc/{pid}/fd")))
               for role, pid in pids.items()}
        first = first or now
    decided = totals.get("ok", 0) + totals.get("invalid_credentials", 0)
    with capsys.disabled():
        print(f"\n  soak: {totals}, tunnels: {machine.proxy.counters().accepted}")
        for role, (_, memory, descriptors) in now.items():
            print(f"  {role:20} {first[role][1]:7} KiB -> {memory:7}, "
                  f"descriptors {first[role][2]} -> {descriptors}")
    assert sum(totals.values()) == part * PARTS, "every login has one answer"
    assert set(totals) <= {"ok", "invalid_credentials"} | UNDECIDED
    # Cuts come by the clock: the slower the host, the more of them under as many logins.
    assert decided > LOGINS / 2 and totals["invalid_credentials"] > 0.09 * decided
    assert machine.proxy.counters().accepted > 2, "the tunnel was never cut"
    for role, (pid, memory, descriptors) in now.items():
        assert pid == first[role][0], f"{role} was started again"
        grown = memory - first[role][1]
        assert grown <= allowed_kib(role, LOGINS - part), f"{role} grew by {grown} KiB"
        # A pool of connections breathes; its limit is another test's.
        if role != "adc-directory":
            assert descriptors <= first[role][2] + 2, f"{role}: descriptors leak"
