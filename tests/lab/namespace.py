# SPDX-License-Identifier: ISC
"""Run the current program inside fresh net, mount and pid namespaces.

Why: the lab wants the ports a domain controller has (389, 636, 88, 53), also
on a host where a Samba or slapd listens on them already, and must leave
nothing behind.  In a network namespace of its own every address of
127.0.0.0/8 is free; when the pid namespace ends the kernel ends every process
in it; mounts end with the mount namespace.

It must not change anything outside: /etc/resolv.conf and /etc/hosts are
private copies inside, the host's are never written.

    enter()            re-executes the program inside; returns when inside
    entered()          true in such a namespace
    unavailable()      why enter() is not possible, or None
    folder()           where files of the lab go; removed with the namespaces
    visit_command()    how to get a shell inside, for people
    set_nameserver()   the private /etc/resolv.conf
    add_host()         the private /etc/hosts
    add_address()      one more address on lo, not from 127.0.0.0/8

Linux: unshare(2), setns(2), pid_namespaces(7), mount_namespaces(7).
"""

import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

MARK = "ADC_LAB_NAMESPACE"
# A folder that goes when the namespaces do, and a pid for nsenter(1).
FOLDER = "ADC_LAB_FOLDER"
OUTSIDE_PID = "ADC_LAB_PID"

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

# The status with which a stage of enter() says "not set up", as EX_OSERR.
FAILED = 71

_libc = ctypes.CDLL(None, use_errno=True)
_reason = None


class NamespaceError(Exception):
    """The namespaces cannot be made here; the text says why."""


def _check(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise NamespaceError(f"{what}: {os.strerror(code)}")


def _mount(source, target, fstype, flags, data=None):
    encode = lambda text: None if text is None else os.fsencode(text)
    _check(_libc.mount(encode(source), encode(target), encode(fstype),
                       ctypes.c_ulong(flags), encode(data)),
           f"mount {target}")


def die_with_parent(sig=signal.SIGKILL):
    """Have the kernel end this process when its parent ends; for preexec_fn."""
    _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)


def entered():
    """True in a namespace that enter() made."""
    try:
        return os.environ.get(MARK) == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def unavailable():
    """Why enter() failed or must fail, as text for people; None if it need not."""
    if entered():
        return None
    if os.geteuid() != 0:
        return ("the lab's domain controller needs root: it runs in network, "
                "mount and pid namespaces of its own")
    return _reason


def folder():
    """A folder that is removed when the program ends, however it ends;
    outside of the namespaces the system's folder for temporary files."""
    return os.environ[FOLDER] if entered() else tempfile.gettempdir()


def visit_command():
    """A command that gives root a shell in here, from outside."""
    return f"nsenter --target {os.environ[OUTSIDE_PID]} --net --mount --pid"


def _make_mounts_private():
    """Nothing that is mounted from now on may show outside.

    In a chroot "/" is often no mount point and cannot be named for this.  A
    child that enters its own mount namespace once more stands at that
    namespace's true root, and the change it makes there holds for us all.
    """
    if _libc.mount(b"none", b"/", None,
                   ctypes.c_ulong(MS_REC | MS_PRIVATE), None) == 0:
        return
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fd = os.pidfd_open(os.getpid())
            if _libc.setns(fd, CLONE_NEWNS) == 0 and _libc.mount(
                    b"none", b"/", None,
                    ctypes.c_ulong(MS_REC | MS_PRIVATE), None) == 0:
                code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise NamespaceError("mount: cannot make the mounts private")


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(
            sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS,
                    struct.pack("16sh22x", b"lo", flags | IFF_UP))


def _private_etc():
    """Private copies of the two files that say where names are looked up."""
    hostname = socket.gethostname()
    texts = {
        "resolv.conf": "nameserver 127.0.0.1\n"
                       "options timeout:1 attempts:1\n",
        "hosts": f"127.0.0.1 localhost {hostname}\n"
                 "::1 localhost ip6-localhost ip6-loopback\n",
    }
    stage = tempfile.mkdtemp(prefix="etc-", dir=os.environ[FOLDER])
    try:
        _mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
        if not all(os.path.isfile(f"/etc/{name}") for name in texts):
            # Nothing to mount over: a private copy of /etc, links resolved.
            subprocess.run(["cp", "-a", "/etc", f"{stage}/etc"], check=True)
            for name in texts:
                path = f"{stage}/etc/{name}"
                if os.path.lexists(path):
                    os.unlink(path)
                open(path, "w").close()
            _mount(f"{stage}/etc", "/etc", None, MS_BIND)
        for name, text in texts.items():
            with open(f"{stage}/{name}", "w") as file:
                file.write(text)
            os.chmod(f"{stage}/{name}", 0o644)
            _mount(f"{stage}/{name}", os.path.realpath(f"/etc/{name}"),
                   None, MS_BIND)
        # What is bound stays; the staging folder itself goes.
        _check(_libc.umount2(os.fsencode(stage), MNT_DETACH), "umount")
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _terminals():
    """Pseudo-terminals, where there are none: in a bare chroot."""
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError:
        if os.path.isdir("/dev/pts"):
            _mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                   "newinstance,ptmxmode=0666,mode=0620")


def _wait(pid, reap_all=False):
    """Wait for pid; the exit status a shell would give it."""
    while True:
        try:
            done, status = os.waitpid(-1 if reap_all else pid, 0)
        except InterruptedError:
            continue
        if done == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _pass_signals_to(pid):
    """Ctrl-C reaches all of us through the terminal; the rest is passed on."""
    def forward(sig, _frame):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
                signal.SIGUSR2):
        signal.signal(sig, forward)


def _inside(report, argv):
    """Process 1 of the new pid namespace: set up, start argv, reap."""
    die_with_parent()
    os.environ[OUTSIDE_PID] = os.readlink("/proc/self")
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _loopback_up()
    _private_etc()
    _terminals()
    os.environ[MARK] = os.readlink("/proc/self/ns/net")
    pid = os.fork()
    if pid == 0:
        # Flags, not data: execve closes `report`, which says "all is well".
        try:
            os.execv(argv[0], argv)
        except OSError as error:
            os.write(report, f"{argv[0]}: {error.strerror}".encode())
            os._exit(FAILED)
    _pass_signals_to(pid)
    os.close(report)
    return _wait(pid, reap_all=True)


def _outside(report, argv):
    """Between the two worlds: owns the namespaces, waits for process 1."""
    die_with_parent()
    _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    _make_mounts_private()
    # Last: the next child is process 1 of it, and there is no second one.
    _check(_libc.unshare(CLONE_NEWPID), "unshare")
    pid = os.fork()
    if pid == 0:
        _stage(report, _inside, report, argv)
    _pass_signals_to(pid)
    os.close(report)
    return _wait(pid)


def _stage(report, function, *args):
    """Run one stage in a forked child; never return into the caller's code."""
    code = FAILED
    try:
        code = function(*args)
    except BaseException as error:
        try:
            os.write(report, str(error)[:500].encode())
        except OSError:
            pass
    finally:
        os._exit(code)


def enter(required=False, argv=None):
    """Go on inside new namespaces: returns True there and never outside.

    Outside, the caller's process becomes the one that waits, and ends with the
    program's status without running anything else: call this first.  `argv` is
    what to execute (default: this program as it was started).  Where the
    namespaces cannot be made the answer is False, unavailable() says why, and
    the program goes on outside; with `required` NamespaceError is raised.
    """
    global _reason

    if entered():
        return True
    if argv is None:
        argv = [sys.executable, *sys.orig_argv[1:]]
    _reason = unavailable()
    if _reason is None:
        sys.stdout.flush()
        sys.stderr.flush()
        listen, report = os.pipe()
        # A short path: names of sockets in it have 107 bytes (unix(7)).
        folder = tempfile.mkdtemp(
            prefix="adc-lab-", dir="/tmp" if os.access("/tmp", os.W_OK)
            else None)
        os.chmod(folder, 0o711)
        pid = os.fork()
        if pid == 0:
            os.close(listen)
            os.environ[FOLDER] = folder
            _stage(report, _outside, report, argv)
        os.close(report)
        _pass_signals_to(pid)
        with os.fdopen(listen, "rb") as pipe:
            text = pipe.read().decode(errors="replace")
        code = _wait(pid)
        shutil.rmtree(folder, ignore_errors=True)
        if text == "":
            os._exit(code)
        for sig in (signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP,
                    signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(sig, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _reason = f"namespaces cannot be made here: {text}"
    if required:
        raise NamespaceError(_reason)
    return False


def _need_entered(what):
    if not entered():
        raise NamespaceError(f"{what}: only inside the lab's namespaces")


def set_nameserver(address):
    """Send DNS questions of everything in here to `address`."""
    _need_entered("set_nameserver")
    with open("/etc/resolv.conf", "w") as file:
        file.write(f"nameserver {address}\noptions timeout:2 attempts:2\n")


def add_host(address, *names):
    """Add a line to the private /etc/hosts, once."""
    _need_entered("add_host")
    line = f"{address} {' '.join(names)}\n"
    with open("/etc/hosts", "r+") as file:
        if line not in file.readlines():
            file.write(line)


def add_address(address):
    """Give lo an address such as "10.77.0.1/24", for a peer off loopback."""
    _need_entered("add_address")
    result = subprocess.run(["ip", "address", "add", address, "dev", "lo"],
                            capture_output=True, text=True)
    if result.returncode != 0 and not re.search("exists|already assigned", result.stderr):
        raise NamespaceError(f"{address}: {result.stderr.strip()}")
