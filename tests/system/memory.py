# SPDX-License-Identifier: ISC
"""Looks for a secret in everything that a machine leaves lying about.

Why: "the relay learns no password" is shown by nothing but a search of its
memory.  The secret is a mark of 48 random characters, and each third of it is
looked for by itself: what malloc(3) writes into a freed block, or a later
call into a left stack frame, overwrites only a part.  It is looked for as it
is, in UTF-16LE (unicodePwd, NTLM), base64 and base64url at each of the three
alignments, and in hexadecimal.
"""

import base64
import os
import secrets
import string
import time

PART = 16
PARTS = 3
# Kernel's own pages, and devices: nothing of the process is in them.
SKIPPED = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")


def _base64_cores(data):
    """What any base64 text that has `data` in it must contain."""
    cores = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data)
        # Characters that hold bits of the neighbours say nothing.
        core = text[(before * 8 + 5) // 6:len(data + b"\0" * before) * 8 // 6]
        cores.add(core)
        cores.add(core.replace(b"+", b"-").replace(b"/", b"_"))
    return cores


class Mark:
    """A secret to look for; `text` is it (AD's rules for passwords are kept)."""

    def __init__(self, text=None):
        letters = string.ascii_letters + string.digits
        self.text = text or "Aa1" + "".join(
            secrets.choice(letters) for _ in range(PART * PARTS - 3))
        data = self.text.encode()
        self.patterns = {}
        for at in range(0, len(data) - PART + 1, PART):
            part = data[at:at + PART]
            self.patterns[part] = "as it is"
            self.patterns[part.decode().encode("utf-16-le")] = "as UTF-16LE"
            self.patterns[part.hex().encode()] = "in hexadecimal"
            for core in _base64_cores(part):
                self.patterns[core] = "as base64"

    def find(self, data):
        """(offset, how it is written, pattern) or None."""
        for pattern, how in self.patterns.items():
            at = data.find(pattern)
            if at != -1:
                return at, how, pattern
        return None


class Bytes(Mark):
    """A secret that is no text, such as a key: as it is, backwards (the limbs
    of a number), in hexadecimal and as base64."""

    def __init__(self, data):  # pylint: disable=super-init-not-called
        self.text = data.hex()
        self.patterns = {data: "as it is", data[::-1]: "backwards",
                         data.hex().encode(): "in hexadecimal"}
        for core in _base64_cores(data):
            self.patterns[core] = "as base64"


def regions(pid):
    """(start, end, name) of what a process may have written to."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split(None, 5)
            name = fields[5].strip() if len(fields) == 6 else ""
            written = "w" in fields[1] or not name or name.startswith("[")
            if "r" in fields[1] and written and name not in SKIPPED:
                start, end = (int(part, 16) for part in fields[0].split("-"))
                found.append((start, end, name or "anonymous"))
    return found


def _read(memory, start, end):
    data = b""
    while start < end:
        try:
            memory.seek(start)
            piece = memory.read(end - start)
        except (OSError, ValueError):
            # A page that went away, or a guard: the rest is still looked at.
            start += 4096
            continue
        if not piece:
            break
        data += piece
        start += len(piece)
    return data


def scan(pid, mark):
    """Where the mark is in the memory of a process, as texts; [] when nowhere.

    None when the process is gone.  The bytes near a find are shown, without
    the mark itself, for they mostly tell whose they were.
    """
    hits = []
    try:
        found = regions(pid)
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for start, end, name in found:
                data = _read(memory, start, end)
                hit = mark.find(data)
                if hit:
                    at, how, pattern = hit
                    near = data[max(0, at - 96):at] + b"<MARK>" + \
                        data[at + len(pattern):at + len(pattern) + 64]
                    hits.append(f"{how} at {start + at:#x} of {name}: {near!r}")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return hits


def scan_all(processes, mark):
    """{name: hits} for those of {name: pid} that have it."""
    found = {}
    for name, pid in processes.items():
        hits = scan(pid, mark)
        if hits:
            found[name] = hits
    return found


def scan_files(folder, mark):
    """Files below the folder that have the mark in name or content."""
    found = []
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            if mark.find(os.fsencode(name)):
                found.append(os.path.join(top, name))
        for name in files:
            path = os.path.join(top, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    if mark.find(file.read()):
                        found.append(path)
    return found


def scan_proc(mark, keys=("cmdline", "environ", "comm")):
    """Processes of this machine with the mark in what /proc shows of them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for key in keys:
            try:
                with open(f"/proc/{pid}/{key}", "rb") as file:
                    if mark.find(file.read()):
                        found.append(f"{pid} {key}")
            except OSError:
                continue
    return found


def rest(seconds):
    """Let everything come to rest: timers of the programs are meant to run."""
    time.sleep(seconds)
