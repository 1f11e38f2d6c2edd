# SPDX-License-Identifier: ISC
"""A library in front of those of one daemon and of all its children.

Why: the children are programs of their own, with an empty environment, so LD_PRELOAD
reaches none of them.  /etc/ld.so.preload does.  Here the daemon gets one that only
it sees, by a mount namespace of its own with a private /etc: everything that is in
/etc, and in addition the list of libraries and the files through which they are told
what to do.

    daemon = Hub(…, preload=Preload("clock_shift.so", files={"adc-clock-shift": path}))

The program that the daemon starts as is this file, which then becomes the daemon:
the process stays the one that was started.  It must run before the daemon does, and
import nothing of the lab.
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_NOSUID, MS_NODEV, MS_BIND, MS_MOVE = 0x2, 0x4, 0x1000, 0x2000
LIST = "ld.so.preload"


class Preload:
    """libraries: paths or names of the build; files: {name in /etc: path}."""

    def __init__(self, *libraries, files=None):
        from .faults import program
        self.libraries = [os.path.abspath(one) if "/" in one else program(one)
                          for one in libraries]
        self.files = dict(files or {})

    def command(self, argv):
        """The arguments that start argv so."""
        from . import namespace
        stage = os.path.join(namespace.folder(), "preload-etc")
        os.makedirs(stage, exist_ok=True)
        return [sys.executable, "-I", "-S", "-B", os.path.abspath(__file__), stage,
                " ".join(self.libraries),
                *(f"{name}={path}" for name, path in self.files.items()), "--", *argv]


def _mount(libc, source, target, fstype, flags, data=None):
    encode = lambda text: None if text is None else os.fsencode(text)
    if libc.mount(encode(source), encode(target), encode(fstype), ctypes.c_ulong(flags),
                  encode(data)) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def _show(libc, source, target):
    """The same file or folder at another place."""
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o644))
    _mount(libc, source, target, None, MS_BIND)


def _main(stage, libraries, *rest):
    files, argv = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    libc = ctypes.CDLL(None, use_errno=True)
    os.umask(0o022)
    # The lab's mounts are private already, so that nothing of this shows outside.
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount(libc, "tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in os.listdir("/etc"):
        source, target = f"/etc/{name}", f"{stage}/{name}"
        if name == LIST:
            continue
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        else:
            _show(libc, source, target)
    for name, _, path in (one.partition("=") for one in files):
        _show(libc, path, f"{stage}/{name}")
    with open(f"{stage}/{LIST}", "w", encoding="utf-8") as file:
        file.write(libraries + "\n")
    _mount(libc, stage, "/etc", None, MS_MOVE)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    _main(*sys.argv[1:])
