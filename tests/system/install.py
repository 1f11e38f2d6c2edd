# SPDX-License-Identifier: ISC
"""The installed programs that the tests of the whole machine run.

Why: paths of the children are compiled in, so only an installed tree runs.
With ADC_PREFIX in the environment that tree is used as it is; otherwise the
source tree is built once a run, in a folder that is kept between runs.
"""

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


@functools.lru_cache(maxsize=None)
def prefix():
    """The folder with sbin/ and libexec/ in it; built where it is not given."""
    given = os.environ.get("ADC_PREFIX")
    if given:
        return os.path.abspath(given)
    cache = _cache_folder()
    build = os.path.join(cache, "build")
    installed = os.path.join(cache, "installed")
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock, \
            open(os.path.join(cache, "log"), "w+", encoding="utf-8") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(ROOT, "configure")):
            _run(log, ROOT, os.path.join(ROOT, "autogen.sh"))
        os.makedirs(build, exist_ok=True)
        if not os.path.exists(os.path.join(build, "Makefile")):
            _run(log, build, os.path.join(ROOT, "configure"),
                 f"--prefix={installed}", f"--sysconfdir={installed}/etc")
        _run(log, build, "make", f"-j{os.cpu_count() or 1}", "install")
    return installed


def program(name):
    """The path of a program that people start."""
    for folder in ("sbin", "bin"):
        path = os.path.join(prefix(), folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name}: not installed below {prefix()}")
