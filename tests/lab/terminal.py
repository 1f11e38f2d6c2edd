# SPDX-License-Identifier: ISC
"""A person at a terminal: programs that ask are answered.

Why: a prompt that hides what is typed, or asks at all, does so on a terminal alone.
"""

import os
import pty
import select
import signal
import termios
import time

ENV = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


def dialogue(argv, turns, seconds=20):
    """Runs it on a terminal of its own and types each answer after its question:
    [(question, answer)].  (all that was shown, exit status)"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, ENV)
    shown, at, turns = b"", 0, list(turns)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                part = os.read(terminal, 4096)
                if not part:
                    break
                shown += part
            while turns and turns[0][0].encode() in shown[at:]:
                question, answer = turns.pop(0)
                at += shown[at:].index(question.encode()) + len(question.encode())
                if "assword" in question or "icket" in question:
                    while termios.tcgetattr(terminal)[3] & termios.ECHO and \
                            time.monotonic() < deadline:
                        time.sleep(0.01)
                os.write(terminal, answer.encode() + b"\n")
    except OSError:
        pass  # the other end is closed
    if time.monotonic() >= deadline:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert not turns, f"never asked: {turns}\n{shown.decode()}"
    return shown.decode(), os.waitstatus_to_exitcode(status)
