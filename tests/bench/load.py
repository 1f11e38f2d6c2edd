# SPDX-License-Identifier: ISC
"""Runs a load client and watches the processes that it loads.

The client says "measuring" on standard error when its clock starts, and prints
one line of JSON when it has ended: CPU time is read at both moments, memory
half-way.
"""

import json
import subprocess

# Connections, handshakes and sealing before the clock; answers after it.
BEFORE, AFTER = 120, 60


class LoadError(Exception):
    """A load client did not do its work; the text is what it said."""


def _await(client, line):
    said = ""
    for text in client.stderr:
        if text.rstrip("\n") == line:
            return
        said += text
    raise LoadError(f"{client.args[0]}: {said.strip() or client.stdout.read().strip()}")


def run(argv, seconds, group=None):
    """The client's figures; with a group also "cpu" and "memory", by name."""
    with subprocess.Popen([*argv, "-s", str(seconds)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        try:
            _await(client, "measuring")
            before = group.cpu() if group else {}
            try:
                client.wait(seconds / 2)
            except subprocess.TimeoutExpired:
                pass
            memory = group.memory() if group else {}
            out, said = client.communicate(timeout=seconds + AFTER)
            after = group.cpu() if group else {}
        finally:
            client.kill()
    try:
        figures = json.loads(out)
    except json.JSONDecodeError:
        raise LoadError(f"{argv[0]}: {said.strip() or out}") from None
    figures["cpu"] = {name: after[name] - before[name] for name in after}
    figures["cpu"]["load client"] = figures["cpu_seconds"]
    figures["memory"] = memory
    return figures


def first_login(argv, start):
    """Seconds from calling start() to the first good login."""
    with subprocess.Popen([*argv, "-F"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as client:
        try:
            _await(client, "waiting")
            started_ns = start()
            out, said = client.communicate(timeout=BEFORE)
        finally:
            client.kill()
    if client.returncode != 0:
        raise LoadError(f"{argv[0]}: {said.strip()}")
    return (json.loads(out)["first_login_ns"] - started_ns) / 1e9
