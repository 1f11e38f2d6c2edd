# SPDX-License-Identifier: ISC
"""The lab itself: what it shows the tests must be what they believe it is."""

import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading

import ldap3
import pytest

from tests.lab import cache, directory, namespace, population
from tests.lab.openldap import Slapd
from tests.lab.process import children_of, wait_until
from tests.lab.proxy import ConnectProxy
from tests.lab.tls import KINDS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def processes_in(pid_namespace):
    """Pids whose pid namespace is the given one."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(
                    f"/proc/{name}/ns/pid") == pid_namespace:
                found.append(int(name))
        except OSError:
            pass
    return found


# Active Directory


def test_samba_starts_cold_and_cached(lab_namespace, tmp_path, monkeypatch,
                                      capsys):
    from tests.lab.samba import SambaAD
    monkeypatch.setenv("ADC_LAB_CACHE", str(tmp_path))
    seconds = []
    for cached in (False, True):
        with SambaAD(address="127.0.0.13", realm="TIMED.TEST", netbios="TIMED",
                     dns=False) as dc:
            assert dc.cached is cached
            assert dc.directory.root_dse()["defaultNamingContext"] == [
                b"DC=timed,DC=test"]
            seconds.append(dc.seconds)
    with capsys.disabled():
        print(f"\n  Samba AD: {seconds[0]:.1f} s cold, "
              f"{seconds[1]:.1f} s from the cache")
    assert seconds[1] < seconds[0]


@pytest.mark.parametrize("person", population.PEOPLE, ids=lambda p: p.name)
def test_right_password(samba, person):
    result = samba.directory.bind(samba.directory.dn(person.name),
                                  person.password)
    assert (result.ok, result.data) == (not person.data, person.data)


@pytest.mark.parametrize("person", population.STATES, ids=lambda p: p.name)
def test_wrong_password_tells_nothing_but_locked(samba, person):
    result = samba.directory.bind(samba.directory.dn(person.name), "wrong")
    assert result.data == ("775" if person.state == "locked" else "52e")


def test_unknown_user(samba):
    assert samba.directory.bind("nobody@lab.test", "wrong").data == "52e"


def test_states_come_and_go(samba, make_user):
    ad = samba.directory
    person = make_user()
    dn = ad.dn(person.name)

    def data():
        return ad.bind(dn, person.password).data

    assert data() == ""
    for expected, into, out_of in (
            ("533", ad.disable, ad.enable),
            ("701", ad.expire_account, ad.unexpire_account),
            ("773", ad.must_change_password,
             lambda name: ad.must_change_password(name, False)),
            ("532", samba.force_password_expired,
             lambda name: ad.set_password(name, person.password)),
            ("530", ad.set_logon_hours,
             lambda name: ad.set_logon_hours(name, None)),
            ("531", ad.set_workstations,
             lambda name: ad.set_workstations(name, None)),
            ("775", ad.lock, ad.unlock)):
        into(person.name)
        assert data() == expected, into
        out_of(person.name)
        assert data() == "", out_of


def test_bad_password_count_and_lock(samba, make_user):
    ad = samba.directory
    person = make_user()
    dn = ad.dn(person.name)
    for count in range(1, population.LOCKOUT_THRESHOLD + 1):
        assert ad.bind(dn, "wrong").data == "52e"
        assert ad.bad_pwd_count(person.name) == count
    assert ad.is_locked(person.name)
    assert ad.bind(dn, person.password).data == "775"
    ad.unlock(person.name)
    assert ad.bind(dn, person.password).ok
    assert ad.bad_pwd_count(person.name) == 0


def test_rename_move_delete(samba, make_user):
    ad = samba.directory
    person = make_user(cn="Before, the (change)")
    guid = ad.guid(person.name)
    assert ad.rename(person.name, "After + \"it\"") == ad.dn(person.name)
    assert ad.move(person.name, ad.groups) == ad.dn(person.name)
    assert ad.guid(person.name) == guid
    ad.set_password(person.name, "An0ther-Password")
    assert ad.bind(ad.dn(person.name), "An0ther-Password").ok
    ad.change_password(person.name, "An0ther-Password", "A-Third-Passw0rd")
    assert ad.bind(ad.dn(person.name), "A-Third-Passw0rd").ok
    ad.delete(person.name)
    with pytest.raises(KeyError):
        ad.dn(person.name)


def test_service_account_reads_token_groups(samba):
    ad = samba.directory
    connection = ad.connect(samba.service_dn, samba.service_password)
    try:
        def groups(name):
            connection.search(ad.dn(name), "(objectClass=*)", ldap3.BASE,
                              attributes=["tokenGroups"])
            raw = connection.response[0]["raw_attributes"]["tokenGroups"]
            return {directory.sid_text(sid) for sid in raw}

        nested = {ad.sid(name) for name in (
            "Sales-EMEA", "Sales", "Staff", "Loop-A", "Loop-B",
            "VPN external (old)", "Domain Users")}
        assert nested <= groups("alice")
        assert ad.sid("Newsletter") not in groups("alice")
        assert ad.sid("Contractors") in groups("paula")
        assert int(ad.value("paula", "primaryGroupID")) == int(
            ad.sid("Contractors").rsplit("-", 1)[1])
        assert ad.value("helpdesk-admin", "adminCount") is None or \
            ad.sid("Domain Admins") in groups("helpdesk-admin")
    finally:
        connection.unbind()


def test_cleartext_bind_refused(samba):
    server = ldap3.Server(samba.address, 389, get_info=ldap3.NONE)
    result = directory.simple_bind(server, samba.admin_dn,
                                   samba.admin_password)
    assert result.code == 8


def test_names_resolve_inside(samba):
    addresses = {info[4][0] for info in socket.getaddrinfo(
        samba.dns_name, 636, type=socket.SOCK_STREAM)}
    assert addresses == {samba.address}
    # lab.test itself stands in DNS only, not in /etc/hosts.
    assert socket.gethostbyname(samba.domain) == samba.address


@pytest.mark.parametrize("kind", KINDS)
def test_tls_variants(samba, kind):
    front = samba.tls_variant(kind)
    context = ssl.create_default_context(cafile=samba.ca_file)
    context.hostname_checks_common_name = False

    def shake():
        with socket.create_connection((front.host, front.port), 5) as sock, \
                context.wrap_socket(sock, server_hostname=samba.dns_name):
            return "accepted"

    said = {"expired": "certificate has expired",
            "not_yet_valid": "certificate is not yet valid",
            "wrong_name": "Hostname mismatch",
            "other_ca": "unable to get local issuer certificate",
            "self_signed": "self-signed certificate",
            "common_name_only": "Hostname mismatch"}
    if kind == "good":
        assert shake() == "accepted"
        # The whole way: an administrator's search through the front.
        through = directory.Directory(
            front.host, front.port, samba.ca_file, samba.dns_name, samba.base,
            samba.realm, samba.netbios, samba.admin_dn, samba.admin_password)
        assert through.dn("alice") == samba.directory.dn("alice")
        through.close()
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=said[kind]):
            shake()
    front.close()
    with pytest.raises(OSError):
        socket.create_connection((front.host, front.port), 1)


def test_two_controllers_and_crash(samba, fresh_samba):
    assert fresh_samba.directory.bind("alice@fresh.test",
                                      population.ALICE.password).ok
    fresh_samba.crash()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((fresh_samba.address, 636), 1)
    fresh_samba.start()
    assert fresh_samba.directory.bind("alice@fresh.test",
                                      population.ALICE.password).ok
    assert samba.directory.bind("alice@lab.test",
                                population.ALICE.password).ok


def test_old_password_can_be_cut_off(fresh_samba):
    ad = fresh_samba.directory
    ad.set_password("bob", "A-New-Passw0rd")
    assert ad.bind(ad.dn("bob"), population.BOB.password).ok
    fresh_samba.restart(old_password_allowed_period=0)
    assert ad.bind(ad.dn("bob"), "A-New-Passw0rd").ok
    assert ad.bind(ad.dn("bob"), population.BOB.password).data == "52e"


# Nothing is left behind


def test_stop_ends_every_process(lab_namespace):
    from tests.lab.samba import SambaAD
    dc = SambaAD(address="127.0.0.14", dns=False)
    first = children_of(dc.process.pid)[0]
    inside = os.readlink(f"/proc/{first}/ns/pid")
    assert inside != os.readlink("/proc/self/ns/pid")
    assert len(processes_in(inside)) > 1
    dc.stop()
    assert processes_in(inside) == []
    assert not os.path.exists(dc.folder)
    with open("/proc/self/mounts") as file:
        assert dc.folder not in file.read()


def run_enter(body, tmp_path):
    """Start a program that enters namespaces of its own; its Popen."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent("""\
        import os, sys
        sys.path.insert(0, %r)
        from tests.lab import namespace
        namespace.enter(required=True)
        """) % ROOT + textwrap.dedent(body))
    clean = {key: value for key, value in os.environ.items()
             if key != namespace.MARK}
    return subprocess.Popen(
        [sys.executable, "-B", str(script)], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        env=clean)


def test_enter_passes_status_and_cleans(lab_namespace, tmp_path):
    before = open("/etc/hosts").read(), open("/etc/resolv.conf").read()
    mounts = open("/proc/self/mounts").read()
    program = run_enter("""\
        import socket, subprocess
        namespace.add_host("127.0.0.99", "somewhere.test")
        namespace.set_nameserver("127.0.0.98")
        namespace.add_address("10.77.0.1/24")
        for address in (("127.0.0.1", 636), ("10.77.0.1", 389)):
            socket.socket().bind(address)
        assert socket.gethostbyname("somewhere.test") == "127.0.0.99"
        # An orphan, which must end with the namespace.
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print(os.readlink("/proc/self/ns/pid"), namespace.folder())
        sys.exit(7)
        """, tmp_path)
    text, _ = program.communicate(timeout=60)
    assert program.returncode == 7, text
    inside, folder = text.split()
    assert processes_in(inside) == []
    assert not os.path.exists(folder)
    assert before == (open("/etc/hosts").read(),
                      open("/etc/resolv.conf").read())
    assert mounts == open("/proc/self/mounts").read()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_program_takes_its_servers_along(lab_namespace, tmp_path,
                                                number):
    program = run_enter("""\
        import signal
        from tests.lab.process import children_of
        from tests.lab.samba import SambaAD
        dc = SambaAD(address="127.0.0.15", dns=False)
        print(namespace.folder())
        for pid in (os.getpid(), children_of(dc.process.pid)[0]):
            print(os.readlink(f"/proc/{pid}/ns/pid"), flush=True)
        signal.pause()
        """, tmp_path)
    with program.stdout:
        folder, *spaces = [program.stdout.readline().strip()
                           for _ in range(3)]
        assert all(processes_in(space) for space in spaces), spaces
        program.send_signal(number)
        program.wait(timeout=20)
    wait_until(lambda: not any(processes_in(space) for space in spaces),
               "processes left", seconds=10)
    if number == signal.SIGKILL:
        # Nobody is left to remove files; that much is the test's to do.
        shutil.rmtree(folder)
    assert not os.path.exists(folder)


def test_reason_when_not_root():
    if os.geteuid() != 0:
        assert "root" in namespace.unavailable()
        return
    text = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(f"""\
            import os, sys
            sys.path.insert(0, {ROOT!r})
            from tests.lab import namespace
            os.environ.pop(namespace.MARK, None)
            os.setuid(65534)
            print(namespace.enter(), namespace.unavailable())
            """)], capture_output=True, text=True, check=True).stdout
    assert text.startswith("False the lab's domain controller needs root")


@pytest.mark.parametrize("kind", ["samba", "slapd", "proxy"])
def test_by_hand(lab_namespace, kind):
    program = subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.lab", kind], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={key: value for key, value in os.environ.items()
             if key != namespace.MARK})
    with program.stdout:
        lines = []
        while not lines or lines[-1].strip() not in ("", "Ctrl-C ends it."):
            lines.append(program.stdout.readline())
        program.terminate()
        rest = program.stdout.read()
    assert program.wait(timeout=20) == 0, "".join(lines) + rest
    text = "".join(lines)
    assert "  address " in text and rest == ""


# The cache


def test_cache_builds_once_when_two_race(tmp_path, monkeypatch):
    monkeypatch.setenv("ADC_LAB_CACHE", str(tmp_path / "cache"))
    built, found, barrier = [], [], threading.Barrier(4)

    def build(folder):
        built.append(folder)
        with open(os.path.join(folder, "whole"), "w") as file:
            file.write("whole")

    def run(number):
        target = tmp_path / str(number)
        target.mkdir()
        barrier.wait()
        found.append(cache.unpack("entry", str(target), build))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and sorted(found) == [False, True, True, True]
    assert all((tmp_path / str(n) / "whole").read_text() == "whole"
               for n in range(4))
    assert sorted(os.listdir(tmp_path / "cache")) == ["entry.lock",
                                                      "entry.tar"]


def test_cache_keeps_nothing_of_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("ADC_LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "target").mkdir()

    def fail(folder):
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        cache.unpack("entry", str(tmp_path / "target"), fail)
    assert os.listdir(tmp_path / "cache") == ["entry.lock"]
    assert cache.key("a", 1) != cache.key("a", "1") != cache.key("a1")


# slapd


def test_slapd_serves_a_thousand(slapd):
    for number in (0, 7, 999):
        _, dn, password = slapd.user(number)
        assert slapd.bind(dn, password).ok
        assert slapd.bind(dn, password + " ").code == 49
    connection = slapd.connect(slapd.service_dn, slapd.service_password)
    try:
        entries = connection.extend.standard.paged_search(
            slapd.people, "(objectClass=user)", attributes=["objectGUID"],
            paged_size=500, generator=False)
        assert len(entries) == 1000
        connection.search(slapd.base, "(sAMAccountName=U0007)", attributes=[
            "objectGUID", "tokenGroups", "userPrincipalName"])
        entry, = connection.response
        raw = entry["raw_attributes"]
        assert entry["dn"] == slapd.user(7)[1]
        assert directory.guid_text(raw["objectGUID"][0]) == slapd.guid(7)
        assert len(raw["tokenGroups"]) == 3
        for attribute in ("objectGUID", "objectSid"):
            connection.search(slapd.base, "(sAMAccountName=u0007)",
                              attributes=[attribute])
            value = connection.response[0]["raw_attributes"][attribute][0]
            escaped = "".join(f"\\{byte:02x}" for byte in value)
            connection.search(slapd.base, f"({attribute}={escaped})")
            assert [one["dn"] for one in connection.response] == [
                slapd.user(7)[1]]
    finally:
        connection.unbind()


def test_slapd_answers_nothing_to_strangers(slapd):
    connection = ldap3.Connection(slapd.server(), check_names=False)
    try:
        assert connection.bind()
        connection.search("", "(objectClass=*)", ldap3.BASE,
                          attributes=["defaultNamingContext"])
        assert connection.response[0]["raw_attributes"] == {
            "defaultNamingContext": [slapd.base.encode()]}
        connection.search(slapd.base, "(objectClass=*)")
        assert not connection.response
    finally:
        connection.unbind()


def test_slapd_tls_and_other_sizes(tmp_path):
    with Slapd(users=3, tls=True) as slapd:
        context = ssl.create_default_context(cafile=slapd.ca_file)
        with socket.create_connection((slapd.host, slapd.tls_port), 5) as sock:
            context.wrap_socket(sock, server_hostname=slapd.host_name).close()
        assert slapd.bind(*slapd.user(2)[1:]).ok
        with pytest.raises(IndexError):
            slapd.user(3)
        pid, folder = slapd.process.pid, slapd.folder
    assert not os.path.exists(f"/proc/{pid}") and not os.path.exists(folder)


# The proxy


def ask(proxy, *lines, more=b""):
    """Send one request, return everything until the proxy closes."""
    with socket.create_connection((proxy.host, proxy.port), 5) as sock:
        sock.sendall("".join(f"{line}\r\n" for line in (*lines, ""))
                     .encode() + more)
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while part := sock.recv(65536):
            data += part
    return data


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Proxy-Authorization: Basic {text}"


@pytest.fixture
def echo_port():
    """The port of a server that answers one line in capitals."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(peer.recv(100).upper())
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_proxy_wants_the_password(connect_proxy, echo_port):
    line = f"CONNECT 127.0.0.1:{echo_port} HTTP/1.1"
    wrong = [(), (basic("proxy-user", "wrong"),),
             (basic("else", connect_proxy.password),),
             ("Proxy-Authorization: Basic !!",),
             ("Proxy-Authorization: Bearer abc",)]
    for headers in wrong:
        answer = ask(connect_proxy, line, *headers, more=b"hello")
        assert answer.startswith(b"HTTP/1.1 407 ")
        assert b"Proxy-Authenticate: Basic " in answer
        assert b"HELLO" not in answer
    assert connect_proxy.statuses() == [407] * len(wrong)
    assert connect_proxy.tunnels() == []


def test_proxy_tunnels_and_remembers(connect_proxy, echo_port):
    target = f"127.0.0.1:{echo_port}"
    right = basic(connect_proxy.user, connect_proxy.password)
    answer = ask(connect_proxy, f"CONNECT {target} HTTP/1.1", right,
                 "User-Agent: test", more=b"hello")
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"HELLO")
    seen, = connect_proxy.tunnels()
    assert (seen.target, seen.user) == (target, connect_proxy.user)
    assert seen.headers["user-agent"] == "test"
    assert (seen.bytes_up, seen.bytes_down) == (5, 5)


def test_proxy_other_refusals(echo_port):
    with ConnectProxy(user=None, targets={"127.0.0.1:1"}) as proxy:
        for line, status in (
                (f"CONNECT 127.0.0.1:{echo_port} HTTP/1.1", 403),
                ("CONNECT 127.0.0.1:1 HTTP/1.1", 502),
                ("GET http://127.0.0.1/ HTTP/1.1", 405)):
            assert ask(proxy, line).startswith(f"HTTP/1.1 {status} ".encode())
    with pytest.raises(OSError):
        socket.create_connection((proxy.host, proxy.port), 1)


def test_an_address_may_be_added_twice(lab_namespace):
    for _ in range(2):
        lab_namespace.add_address("10.77.9.1/24")
    with socket.create_server(("10.77.9.1", 0)):
        pass
    with pytest.raises(lab_namespace.NamespaceError):
        lab_namespace.add_address("not an address")
