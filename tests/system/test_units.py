# SPDX-License-Identifier: ISC
"""The systemd units, users, directories and manuals: sound, tight, and true to the code."""

import glob
import os
import re
import shutil
import stat
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAEMONS = {"adconnector": ("adconnectord", "src/connector/parent/adconnectord.c"),
           "adhub": ("adhubd", "src/hub/parent/adhubd.c")}
CAPABILITIES = {"CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT", "CAP_KILL"}
# systemd-analyze counts to 10; an empty unit has 9.6.
EXPOSURE_MAX = 2.5
RIGHTS = "-all,+setuid,+setgid,+sys_chroot,+kill"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          **options)


def settings(name):
    """The unit's settings: key to the list of its values."""
    values = {}
    for line in read(f"systemd/{name}.service.in").splitlines():
        if re.match(r"[A-Za-z]+=", line):
            key, value = line.split("=", 1)
            values.setdefault(key, []).append(value)
    return values


def users_in_code(name):
    return set(re.findall(r'\{ ROLE_\w+, "(_[a-z-]+)" \}', read(DAEMONS[name][1])))


@pytest.fixture(params=sorted(DAEMONS))
def name(request):
    return request.param


@pytest.fixture
def unit(name, tmp_path):
    """The unit as it is installed, naming a program that is there."""
    program = tmp_path / "sbin" / DAEMONS[name][0]
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    path = tmp_path / f"{name}.service"
    text = read(f"systemd/{name}.service.in").replace("@sbindir@", str(program.parent))
    assert "@" not in re.sub(r"#.*|=~?@[a-z-]+( @[a-z-]+)*|@system-service", "", text)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_unit_verifies(unit):
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_unit_exposure(unit):
    done = run("systemd-analyze", "security", "--offline=true",
               f"--threshold={int(EXPOSURE_MAX * 10)}", "--no-pager", unit)
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert done.returncode == 0 and score, done.stdout + done.stderr
    assert float(score[1]) <= EXPOSURE_MAX


def test_unit_rights(name):
    values = settings(name)
    assert set(values["AmbientCapabilities"][0].split()) == CAPABILITIES
    assert set(values["CapabilityBoundingSet"][0].split()) == CAPABILITIES
    assert values["NoNewPrivileges"] == ["yes"]
    assert values["Type"] == ["notify"] and values["NotifyAccess"] == ["main"]
    assert values["ExecStart"] == [f"@sbindir@/{DAEMONS[name][0]} -d"]
    # These two take the users of the children away.
    assert "PrivateUsers" not in values and "DynamicUser" not in values
    # systemd's own groups of calls have none of these.
    calls = " ".join(values["SystemCallFilter"]).split()
    for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule",
                 "landlock_restrict_self"):
        assert call in calls


def test_users_are_those_of_the_code(name):
    made = set(re.findall(r"^u (\S+)", read(f"systemd/{name}.sysusers"), flags=re.M))
    assert made == users_in_code(name) and len(made) >= 4
    values = settings(name)
    assert values["User"] == values["Group"] == [f"_{name}"]
    assert f"_{name}" in made


def test_users_and_directories_are_made(name, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make directories of other users")
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}",
               os.path.join(ROOT, f"systemd/{name}.sysusers"))
    assert done.returncode == 0, done.stderr
    ids = {}
    for line in (tmp_path / "etc/passwd").read_text().splitlines():
        user, _, uid, gid, _, home, shell = line.split(":")
        ids[user] = (int(uid), int(gid))
        assert shell.endswith("nologin") and home == "/"
    assert users_in_code(name) <= set(ids)
    assert len({uid for uid, _ in ids.values()}) == len(ids)
    done = run("systemd-tmpfiles", "--create", f"--root={tmp_path}",
               os.path.join(ROOT, f"systemd/{name}.tmpfiles"))
    assert done.returncode == 0, done.stderr

    def kept(path):
        found = (tmp_path / path).stat()
        return stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)

    values = settings(name)
    own = ids[f"_{name}"]
    assert kept(f"var/lib/{name}") == (int(values["StateDirectoryMode"][0], 8), own)
    assert kept(f"run/{name}") == (int(values["RuntimeDirectoryMode"][0], 8), own)
    if name == "adhub":
        assert kept("var/lib/adhub/store") == (0o700, ids["_adhub-store"])


def test_directories_are_those_of_the_code(name):
    """The modes that the daemon insists on, or it would try to change them and may not."""
    code = read(DAEMONS[name][1])
    modes = dict(re.findall(r"daemon_directory\((?:hub\.)?(?:settings->)?(\w+), (0\d+)", code))
    values = settings(name)
    assert modes["state_dir"] == values["StateDirectoryMode"][0]
    assert modes["runtime_dir"] == values["RuntimeDirectoryMode"][0]


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("manual", sorted(os.path.basename(p)
                                          for p in glob.glob(os.path.join(ROOT, "man/*.[0-9]"))))
def test_manual_is_well_formed(manual):
    done = run("mandoc", "-T", "lint", "-W", "warning", os.path.join(ROOT, "man", manual))
    assert (done.returncode, done.stdout) == (0, "")


def test_manual_tells_the_options(name):
    options = re.search(r'getopt_long\(argc, argv, "([a-zA-Z:]+)', read("src/common/daemon.c"))[1]
    manual = read(f"man/{DAEMONS[name][0]}.8")
    for letter in options.replace(":", "").replace("h", ""):
        assert re.search(rf"^\.It Fl {letter}\b", manual, flags=re.M), letter


def test_manual_tells_the_users(name):
    manual = read(f"man/{DAEMONS[name][0]}.8")
    for user in users_in_code(name):
        assert user in manual


# --- started with the unit's rights ------------------------------------------------


def installed(program):
    """A daemon out of an installed tree (its children are where it was told to install)."""
    path = os.path.join(os.environ.get("ADC_PREFIX", "/nowhere"), "sbin", program)
    return path if os.access(path, os.X_OK) else None


@pytest.fixture
def outer(tmp_path):
    """A folder that every user may pass through."""
    path = tmp_path
    while path != path.parent and path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
        path.chmod(path.stat().st_mode | 0o011)
        path = path.parent
    return tmp_path


@pytest.mark.skipif(installed("adhubd") is None, reason="ADC_PREFIX names no installed tree")
def test_installed_unit_names_the_installed_program(name):
    path = f"{os.environ['ADC_PREFIX']}/lib/systemd/system/{name}.service"
    done = run("systemd-analyze", "verify", "--man=no", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with open(path, encoding="utf-8") as f:
        assert f"\nExecStart={installed(DAEMONS[name][0])} -d\n" in f.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the unit's rights")
@pytest.mark.skipif(installed("adhubd") is None, reason="ADC_PREFIX names no installed tree")
def test_hub_starts_with_the_units_rights(outer):
    """As _adhub with four capabilities and not as root, which is what systemd does."""
    base = 62000
    order = re.findall(r'\{ ROLE_\w+, "(_adhub[a-z-]*)" \}', read(DAEMONS["adhub"][1]))
    ids = {user: base + i for i, user in enumerate(order)}
    for path, mode, user in (("state", 0o711, "_adhub"), ("run", 0o755, "_adhub"),
                             ("state/store", 0o700, "_adhub-store")):
        (outer / path).mkdir()
        os.chown(outer / path, ids[user], ids[user])
        (outer / path).chmod(mode)
    config = outer / "adhub.conf"
    config.write_text(f'state_dir = "{outer}/state"; runtime_dir = "{outer}/run";\n'
                      f'uid_base = {base}; listen = [ "https://127.0.0.1:18857" ];\n',
                      encoding="ascii")
    config.chmod(0o644)
    log = open(outer / "log", "w+b")  # pylint: disable=consider-using-with
    daemon = subprocess.Popen(
        ["setpriv", f"--reuid={base}", f"--regid={base}", "--clear-groups", "--no-new-privs",
         f"--inh-caps={RIGHTS}", f"--ambient-caps={RIGHTS}", f"--bounding-set={RIGHTS}",
         installed("adhubd"), "-d", "-c", str(config)], stdout=log, stderr=log, cwd="/")
    try:
        until = time.monotonic() + 30
        while "ready: " not in (outer / "log").read_text():
            assert daemon.poll() is None and time.monotonic() < until, (outer / "log").read_text()
            time.sleep(0.05)
        held = {}
        for path in glob.glob("/proc/[0-9]*/status"):
            try:
                with open(path, encoding="ascii", errors="replace") as f:
                    status = dict(line.split(":\t", 1) for line in f.read().splitlines()
                                  if ":\t" in line)
            except (FileNotFoundError, ProcessLookupError):
                continue
            uid = int(status["Uid"].split()[0])
            if uid in ids.values():
                held[uid] = status
        assert set(held) == set(ids.values())
        for user, uid in ids.items():
            rights = int(held[uid]["CapPrm"], 16)
            assert (rights != 0) == (user == "_adhub-spawner"), (user, hex(rights))
            assert held[uid]["NoNewPrivs"] == "1"
        assert (outer / "state/store/store.db").stat().st_uid == ids["_adhub-store"]
    finally:
        daemon.terminate()
        assert daemon.wait(15) == 0
        log.close()
