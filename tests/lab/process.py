# SPDX-License-Identifier: ISC
"""A server of the lab: started, waited for, and certainly ended.

Why: no test run may leave a process behind, whatever way it ends.  Each
server dies with the program that started it (PR_SET_PDEATHSIG), at stop(), at
the end of a `with` block, and at exit; a server that starts others runs in a
pid namespace of its own, so that all of them go with it.
"""

import atexit
import os
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
import weakref

from . import namespace

_running = weakref.WeakSet()
_owner = os.getpid()


class LabError(Exception):
    """A server of the lab does not start; the text says why."""


def _stop_all():
    # A forked child that ends in the usual way has started none of them.
    if os.getpid() != _owner:
        return
    for server in list(_running):
        server.stop()


atexit.register(_stop_all)


def wait_until(condition, what, seconds=60, alive=None, pause=0.02):
    """Wait until condition() is true; bounded, and not for a dead server."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if alive is not None and not alive():
            raise LabError(f"{what}: the server ended")
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not after {seconds} s")
        time.sleep(pause)


def freeze(pid):
    """SIGSTOP; when it returns no thread of the process runs any more."""
    def stands():
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] not in "Tt":
                    return False
        return True

    os.kill(pid, signal.SIGSTOP)
    wait_until(stands, f"process {pid} does not stop", 10, pause=0.001)


def children_of(pid):
    """The pids whose parent is `pid`, as seen in /proc now."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return found


def _before_exec():
    namespace.die_with_parent()
    # slapd sizes a table by this limit; some hosts set it to a milliard.
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16384)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


class Server:
    """A server process with a folder of its own; base of Samba and slapd."""

    name = "server"

    def __init__(self, keep=False):
        self.keep = keep
        self.folder = tempfile.mkdtemp(
            prefix=f"adc-{self.name}-",
            dir=tempfile.gettempdir() if keep else namespace.folder())
        self.process = None
        self._contained = False
        _running.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def launch(self, argv, contained=False, environment=None):
        """Start argv, its output to <folder>/output; `contained`: in a pid
        namespace of its own, which needs root."""
        self._contained = contained
        if contained:
            argv = ["unshare", "--pid", "--fork", "--kill-child",
                    "--mount-proc", "--propagation", "unchanged", "--", *argv]
        with open(os.path.join(self.folder, "output"), "ab") as output:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.folder, env=environment, start_new_session=True,
                preexec_fn=_before_exec)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def output(self, limit=4000):
        """The end of what the server printed, for error messages."""
        try:
            with open(os.path.join(self.folder, "output"), "rb") as file:
                return file.read()[-limit:].decode(errors="replace")
        except OSError:
            return ""

    def end_process(self):
        """End the server and all it started, at once, as a crash would."""
        if self.process is None:
            return
        pid = self.process.pid
        first = children_of(pid) if self._contained else []
        watched = []
        for child in first:
            try:
                watched.append(os.pidfd_open(child))
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        for fd in watched:
            # Process 1 of the pid namespace: gone only when all in it are.
            select.select([fd], [], [], 20)
            os.close(fd)
        self.process = None

    def stop(self):
        """End the server and remove its folder; may be called twice."""
        self.end_process()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        _running.discard(self)
