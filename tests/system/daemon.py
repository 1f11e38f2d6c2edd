# SPDX-License-Identifier: ISC
"""One of our daemons, run as a package would run it, and watched.

Why: each test wants to know that a daemon started with its sandbox on, what it
said, which processes it has, and that nothing of it is left afterwards.  A log
line of level "error", a refused system call or a child that died is a failed
test, unless the test said that it expects it.
"""

import json
import os
import re
import resource
import signal
import subprocess
import time

from tests.lab import namespace
from tests.lab.process import wait_until

from . import install

FATAL = re.compile(r"refused system call|killed by its sandbox|died by signal"
                   r"|broke the rules|Sanitizer|runtime error:")


class StackError(AssertionError):
    """A daemon did not do what the tests stand on; the text says what."""


class Result:
    """What a ctl program answered."""

    def __init__(self, argv, done):
        self.argv, self.status = argv, done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def text(self):
        return self.out + self.err

    def __repr__(self):
        return f"<{' '.join(self.argv)}: status {self.status}\n{self.out}{self.err}>"


def config_text(settings, depth=0):
    """A dictionary as libconfig writes it."""
    lines = []
    for key, value in settings.items():
        if value is None:
            continue
        if isinstance(value, dict):
            text = "{\n" + config_text(value, depth + 1) + "\t" * depth + "}"
        else:
            text = _value(value)
        lines.append(f"{chr(9) * depth}{key} = {text};\n")
    return "".join(lines)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "[ " + ", ".join(_value(item) for item in value) + " ]"


def processes():
    """{pid: parent's pid} of all that run now."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                found[int(name)] = int(fields[1])
    return found


def command(pid):
    """The arguments of a process, [] when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [part.decode(errors="replace")
                    for part in file.read().rstrip(b"\0").split(b"\0")]
    except OSError:
        return []


class Daemon:
    """adhubd or adconnectord with a folder, users and state of its own."""

    def __init__(self, name, ctl, folder, settings, uid_base=None, user=None, preload=None):
        """settings: the configuration, as nested dictionaries; user: the uid (and gid)
        that starts and controls it, an ordinary one; preload: tests.lab.preload.Preload, a
        library in front of its own."""
        self.name, self.ctl_name = name, ctl
        self.user = user
        self.preload = preload
        self.folder = folder
        self.settings = {"state_dir": f"{folder}/state", "runtime_dir": f"{folder}/run",
                         **settings}
        self.uid_base = uid_base
        if os.geteuid() == 0 and uid_base is not None and user is None:
            self.settings["uid_base"] = uid_base
        self.config = f"{folder}/{name}.conf"
        self.log_path = f"{folder}/log"
        self.socket = f"{folder}/run/control.sock"
        self.process = None
        self.descriptors = None  # how many it may have open, when it is to be few
        self._expected = []
        self._seen = set()
        os.mkdir(folder, 0o755)
        if user is not None:
            os.chown(folder, user, user)
        self.write_config()

    # Life

    def write_config(self):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config_text(self.settings))
        os.chmod(self.config, 0o600)
        if self.user is not None:
            os.chown(self.config, self.user, self.user)

    def _as_user(self):
        """Arguments of subprocess for the user that it runs as."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def _before_exec(self):
        namespace.die_with_parent()
        if self.descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def launch(self):
        """Start it, and wait for nothing."""
        argv = [install.program(self.name), "-d", "-c", self.config]
        if self.preload is not None:
            argv = self.preload.command(argv)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True,
                preexec_fn=self._before_exec, **self._as_user())

    def start(self, whole=True):
        """Start it and wait until its control socket answers; whole: and all its processes are
        there, as it says itself."""
        before = len(self.log()) if os.path.exists(self.log_path) else 0
        self.launch()
        if whole:
            self.wait(lambda: "info: parent: ready: " in self.log()[before:],
                      f"{self.name}: does not become ready", 30)
        self.wait(lambda: os.path.exists(self.socket) and self._answers(),
                  f"{self.name}: control socket does not answer", 30)
        return self

    def run_once(self, seconds=20):
        """Start it where it must end by itself: the finished process, with what it said."""
        return subprocess.run(
            [install.program(self.name), "-d", "-c", self.config], stdin=subprocess.DEVNULL,
            capture_output=True, cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            timeout=seconds, check=False, **self._as_user())

    def _answers(self):
        raise NotImplementedError

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, condition, what, seconds=20):
        """Wait until condition() is true, while the daemon lives."""
        try:
            return wait_until(condition, what, seconds, self.alive, 0.01)
        except Exception as error:
            raise StackError(f"{error}\n{self.log()[-6000:]}") from None

    def end_quietly(self):
        """End it however it is, without a word about how it ended."""
        try:
            self.end()
        except StackError as error:
            if "left processes []" not in str(error):
                raise

    def end(self, seconds=10):
        """SIGTERM; the daemon and every process of it must be gone soon."""
        if self.process is None:
            return
        self.note_processes()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "killed by the test after it did not end"
        self.process = None
        deadline = time.monotonic() + seconds
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if status != 0 or left:
            raise StackError(f"{self.name}: ended with status {status}, left processes "
                             f"{left}\n{self.log()[-6000:]}")

    def stop(self):
        """End it; its log must be free of what nobody expected."""
        self.end()
        self.check_log()

    def crash(self):
        """End the parent at once, as the kernel would when memory is short. Returns when: to find
        its processes first may take a while beside a load."""
        self.note_processes()
        killed = time.monotonic()
        self.process.kill()
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + 10
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.01)
        if left:
            raise StackError(f"{self.name}: killed, and {left} go on without it")
        return killed

    def _left(self):
        running = processes()
        left = [pid for pid in self._seen if pid in running]
        for pid in running:
            if pid not in left and self._is_ours(pid):
                left.append(pid)
        return left

    def _is_ours(self, pid):
        """Does it run as one of the users that only this daemon has?"""
        if os.geteuid() != 0 or self.uid_base is None:
            return False
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                uid = int(re.search(r"^Uid:\s+(\d+)", file.read(), re.M).group(1))
        except (OSError, AttributeError):
            return False
        return self.uid_base <= uid < self.uid_base + 16

    # Processes

    def note_processes(self):
        self._seen.update(self.pids(all=True))

    def pids(self, all=False):
        """{role: pid}: the binary's name, with its argument where there is one
        ("adhub-gate public"); with all=True a list of every pid."""
        running = processes()
        found, todo = [], [self.process.pid] if self.alive() else []
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += [child for child, parent in running.items() if parent == pid]
        if all:
            return found
        roles = {}
        for pid in sorted(found):
            argv = command(pid)
            if argv and pid == self.process.pid:
                roles[self.name] = pid
            elif argv:
                roles[" ".join([os.path.basename(argv[0]), *argv[1:2]])] = pid
        return roles

    def kill(self, role, number=signal.SIGKILL):
        """End a child as a crash would, and wait until another is ready in its place."""
        label = role.split("-", 1)[1].replace(" ", "-")
        ready = f"parent: {label}: ready"
        before = self.log().count(ready)
        self.expect(f"{label}: died by signal {int(number)}")
        os.kill(self.pids()[role], number)
        self.wait(lambda: self.log().count(ready) > before, f"another {role}", 10)

    # Log

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def expect(self, pattern):
        """Lines of level "error" that match are no reason to fail."""
        self._expected.append(re.compile(pattern))

    def check_log(self):
        bad = [line for line in self.log().splitlines()
               if (line.startswith("error:") or FATAL.search(line))
               and not any(pattern.search(line) for pattern in self._expected)]
        if bad:
            raise StackError(f"{self.name} said:\n" + "\n".join(bad[:20]))

    # Control

    def ctl(self, *args, input=None, json=True, check=None, timeout=60):
        """Run the ctl program: a Result.  check: the status it must have."""
        argv = [self.ctl_name, *(["--json"] if json else []), *args]
        if isinstance(input, str):
            input = input.encode()
        done = subprocess.run(
            [install.program(self.ctl_name), "-s", self.socket, *argv[1:]],
            input=b"" if input is None else input, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, timeout=timeout,
            check=False, **self._as_user())
        result = Result(argv, done)
        if check is not None and result.status != check:
            raise StackError(f"{result!r}\n{self.log()[-4000:]}")
        return result
