# SPDX-License-Identifier: ISC
"""Folders that take seconds to make, kept as tar files between runs.

Why: provisioning a domain takes four seconds, unpacking it a tenth of one.
An entry is written under another name and renamed when it is whole, so two
runs at once, or one that is killed, never leave half an entry; the second of
two waits for the first one's.  At most KEEP entries stay.

What is kept holds the keys of throw-away domains only; still its folder is
for its owner alone.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

KEEP = 8


def folder():
    """Where entries are kept; made when missing."""
    path = os.environ.get("ADC_LAB_CACHE")
    if not path:
        base = os.environ.get("XDG_CACHE_HOME") or "/var/cache"
        if not os.access(base if os.path.isdir(base) else "/", os.W_OK):
            base = os.path.expanduser("~/.cache")
        path = os.path.join(base, "adconnector-lab")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def key(*parts):
    """The name of an entry made from `parts`, and from nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\0")
    return digest.hexdigest()[:32]


def unpack(name, target, build):
    """Fill the empty folder `target` with entry `name`; True if it was there.

    When it is missing, build(folder) makes its content first, with nobody
    else building the same at that time.
    """
    where = folder()
    entry = os.path.join(where, f"{name}.tar")
    found = True
    with open(os.path.join(where, f"{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(entry):
            found = False
            _make(where, name, entry, build)
        os.utime(entry)
        with open(entry, "rb") as tar:
            subprocess.run(["tar", "-xpSf", "-", "-C", target], stdin=tar,
                           check=True)
    return found


def _make(where, name, entry, build):
    prefix = f"build-{name}-"
    for stale in os.listdir(where):
        # The lock is ours: whoever made these was killed.
        if stale.startswith(prefix):
            shutil.rmtree(os.path.join(where, stale), ignore_errors=True)
    stage = tempfile.mkdtemp(prefix=prefix, dir=where)
    try:
        content = os.path.join(stage, "content")
        os.mkdir(content)
        build(content)
        tar = os.path.join(stage, "tar")
        subprocess.run(["tar", "-cpSf", tar, "-C", content, "."], check=True)
        os.replace(tar, entry)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    entries = sorted((path for path in os.scandir(where)
                      if path.name.endswith(".tar")),
                     key=lambda path: path.stat().st_mtime)
    for old in entries[:-KEEP]:
        os.unlink(old.path)
