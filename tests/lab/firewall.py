# SPDX-License-Identifier: ISC
"""Faults below TCP: packets that never arrive.

    with Firewall() as wall:
        wall.drop(8855)      # a dead line: no packet from or to that port
        wall.clear()
        wall.forget(8855)    # a router that was restarted: connections that are open now are dead
                             # for ever and nobody is told; new ones are let through

A proxy (faults.py) cannot do this: its kernel acknowledges what it swallows, and nobody's
retransmissions grow rare meanwhile.  Rules hold in this network namespace, so there must
be one of the lab's.  nft(8).
"""

import subprocess

from . import namespace
from .process import LabError

TABLE = "inet adc_lab"


def _run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Firewall:
    """Lets everything through, but for what it is told, until clear()."""

    def __enter__(self):
        if not namespace.entered():
            raise LabError("a firewall only in a namespace of the lab")
        self.clear()
        return self

    def __exit__(self, kind, *_):
        try:
            _run("nft", "delete", "table", *TABLE.split())
        except LabError:
            if kind is None:  # what went wrong first is what people must see
                raise

    def clear(self):
        self.only()

    def only(self, *ports):
        """What was dropped is let through, but for these TCP ports."""
        _run("nft", "-f", "-", text=f"""
            table {TABLE} {{}}
            delete table {TABLE}
            add table {TABLE}
            add chain {TABLE} packets {{ type filter hook input priority 0; }}
            """ + self._rules(*self._of(ports)))

    @staticmethod
    def _of(ports):
        return [f"tcp {end} {port}" for port in ports for end in ("dport", "sport")]

    @staticmethod
    def _rules(*rules):
        return "".join(f"add rule {TABLE} packets {rule} drop\n" for rule in rules)

    def _add(self, *rules):
        _run("nft", "-f", "-", text=self._rules(*rules))

    def drop(self, *ports):
        """No packet goes to or comes from these TCP ports."""
        self._add(*self._of(ports))

    def peers(self, port):
        """The ports at the other end of the connections that this one has now."""
        lines = _run("ss", "-Htn", "state", "established", f"( sport = :{port} )").splitlines()
        return {int(line.split()[-1].rsplit(":", 1)[1]) for line in lines}

    def forget(self, port, peers=None):
        """The connections of this TCP port with these peers, or all that it has now."""
        peers = self.peers(port) if peers is None else peers
        if not peers:
            raise LabError(f"no connection of port {port}")
        others = f"{{ {', '.join(map(str, sorted(peers)))} }}"
        self._add(f"tcp dport {port} tcp sport {others}", f"tcp sport {port} tcp dport {others}")
