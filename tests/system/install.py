# SPDX-License-Identifier: ISC
"""The installed programs that the tests of the whole machine run.

Why: paths of the children are compiled in, so only an installed tree runs.
With ADC_PREFIX in the environment that tree is used as it is; otherwise the
source tree is built once a run, in a folder that is kept between runs.
Variants, such as the probe build, are built in the same way beside it.
"""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _cache_folder():
    """Everybody may pass through it: the children run as users of their own."""
    name = "adconnector-stack-" + hashlib.sha256(ROOT.encode()).hexdigest()[:12]
    for base in (os.environ.get("XDG_CACHE_HOME"), "/var/cache", "/tmp"):
        if base and os.access(base, os.W_OK):
            break
    path = os.path.join(base, name)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    return path


def _run(log, folder, *argv):
    done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        log.flush()
        with open(log.name, errors="replace", encoding="utf-8") as file:
            text = file.read()[-3000:]
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{text}")


def _configured(log, build, *options):
    if not os.path.exists(os.path.join(ROOT, "configure")):
        _run(log, ROOT, os.path.join(ROOT, "autogen.sh"))
    os.makedirs(build, exist_ok=True)
    if not os.path.exists(os.path.join(build, "Makefile")):
        source = ROOT
        if any(c.isspace() for c in ROOT):
            # Autoconf takes no such path.
            source = os.path.join(build, "source")
            if not os.path.lexists(source):
                os.symlink(ROOT, source)
        _run(log, build, os.path.join(source, "configure"), *options)


@contextlib.contextmanager
def _locked(name):
    """The folder of a build and its log, for one run at a time."""
    cache = os.path.join(_cache_folder(), *([name] if name else []))
    os.makedirs(cache, exist_ok=True)
    os.chmod(cache, 0o755)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock, \
            open(os.path.join(cache, "log"), "w+", encoding="utf-8") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache, log


def _make(log, build, *targets):
    _run(log, build, "make", f"-j{os.cpu_count() or 1}", *targets)


@functools.lru_cache(maxsize=None)
def variant(name, *options):
    """The prefix of a tree that was configured with further options."""
    with _locked(name) as (cache, log):
        build, installed = os.path.join(cache, "build"), os.path.join(cache, "installed")
        _configured(log, build, f"--prefix={installed}", f"--sysconfdir={installed}/etc",
                    *options)
        _make(log, build, "install")
    return installed


@functools.lru_cache(maxsize=None)
def _given_or_built():
    given = os.environ.get("ADC_PREFIX")
    return os.path.abspath(given) if given else variant("")


_in_place_of = []


def prefix():
    """The folder with sbin/ and libexec/ in it; built where it is not given."""
    return _in_place_of[-1] if _in_place_of else _given_or_built()


@contextlib.contextmanager
def use(other):
    """Stacks that are made inside run from this prefix."""
    _in_place_of.append(other)
    try:
        yield other
    finally:
        _in_place_of.pop()


@functools.lru_cache(maxsize=None)
def test_program(name):
    """A program of --enable-test-programs, for the tree of prefix(): it is
    never installed.  Taken from ADC_BUILD_DIR where it is there."""
    given = os.path.join(os.environ.get("ADC_BUILD_DIR", "/nowhere"), name)
    if os.access(given, os.X_OK):
        return given
    tree = _given_or_built()
    key = "programs-" + hashlib.sha256(tree.encode()).hexdigest()[:12]
    with _locked(key) as (cache, log):
        build = os.path.join(cache, "build")
        _configured(log, build, f"--prefix={tree}", f"--sysconfdir={tree}/etc",
                    "--enable-test-programs")
        _make(log, build, name)
    return os.path.join(build, name)


MS_BIND, MNT_DETACH = 0x1000, 2


@contextlib.contextmanager
def in_place_of(child, other):
    """A child's program is another one, in this mount namespace only: children
    that start inside are that other one, those that run go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.path.join(prefix(), "libexec", "adconnector", child)
    if libc.mount(os.fsencode(other), os.fsencode(path), None,
                  ctypes.c_ulong(MS_BIND), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {path}")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(path), MNT_DETACH)


def program(name):
    """The path of a program that people start."""
    for folder in ("sbin", "bin"):
        path = os.path.join(prefix(), folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name}: not installed below {prefix()}")


@functools.lru_cache(maxsize=None)
def sanitized():
    """Was the tree of prefix() built with AddressSanitizer?"""
    with open(os.path.join(prefix(), "sbin", "adhubd"), "rb") as file:
        return b"__asan_init" in file.read()
