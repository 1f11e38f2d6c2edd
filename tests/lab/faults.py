# SPDX-License-Identifier: ISC
"""Faults on the line: a TCP proxy between two parts of what is tested.

    with FaultProxy("127.0.0.1", port) as proxy:
        connect_to(proxy.host, proxy.port)
        proxy.delay(5)               # ms each way
        proxy.freeze("up")           # one direction only
        proxy.clear()

The program is tests/lab/fault_proxy.c, in ADC_BUILD_DIR; it ends with its owner.
"""

import collections
import os
import subprocess

from . import namespace
from .process import LabError

Counters = collections.namedtuple("Counters", "accepted open up down")


def program(name="fault_proxy"):
    """A program of the build that is not installed."""
    path = os.path.join(os.environ.get("ADC_BUILD_DIR", "."), name)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is not built: configure with --enable-test-programs")
    return path


class FaultProxy:
    """Listens on host:port and passes everything on to the target, but for what it is told.

    Directions: "up" is towards the target, "down" back from it, "both".  Faults
    hold for connections that are open as well as for new ones, and add up
    (a delay and little bandwidth), until clear().
    """

    def __init__(self, target_host, target_port, host="127.0.0.1", port=0):
        self.host = host
        # Its standard input ends with this program, however that ends.
        self._process = subprocess.Popen(
            [program(), host, str(port), target_host, str(target_port)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=namespace.die_with_parent)
        self.pid = self._process.pid
        word, _, number = self._process.stdout.readline().strip().partition(" ")
        if word != "listening":
            self.close()
            raise LabError("fault_proxy does not listen")
        self.port = int(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _tell(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        answer = self._process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise LabError(f"fault_proxy: {words[0]}: {answer or 'it has ended'}")
        return answer

    def clear(self, way="both"):
        """As if it were not there.  What waited goes on; a connection that lost bytes is cut."""
        self._tell("pass", way)

    def delay(self, ms, way="both"):
        """Each byte comes so much later; order is kept, bandwidth not limited."""
        self._tell("delay", way, int(ms * 1000))

    def slow(self, bytes_per_second, way="both"):
        self._tell("slow", way, bytes_per_second)

    def freeze(self, way="both"):
        """Takes connections, passes nothing, loses nothing."""
        self._tell("freeze", way)

    def black_hole(self, way="both"):
        """Takes everything, and it is gone."""
        self._tell("blackhole", way)

    def flip(self, every, offset=0, way="both"):
        """Changes a bit of each byte of a connection whose place leaves `offset` when divided
        by `every`; 0: none."""
        self._tell("flip", way, every, offset)

    def cut_after(self, count, way="both"):
        """Resets each connection when so many more bytes have come; 0: not."""
        self._tell("cut_after", way, count)

    def cut(self, reset=True):
        """All connections that are open now, with a reset or an orderly end."""
        self._tell("cut", "reset" if reset else "end")

    def refuse(self, refuse=True):
        """Whether new connections are refused, as by a host where nobody listens."""
        self._tell("listen", "off" if refuse else "on")

    def counters(self):
        """Connections taken and open; bytes passed up and down."""
        return Counters(*map(int, self._tell("stats").split()))
