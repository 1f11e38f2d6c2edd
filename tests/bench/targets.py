# SPDX-License-Identifier: ISC
"""The directories that are measured, and the machine before each of them.

slapd is for the connector's own cost: it answers many times faster than a
domain controller, in clear, and keeps no account state.  "far" is slapd by a proxy
that delays, or does not: both rows pay for the proxy, so that their ratio tells what
the distance costs.  Samba is a domain controller as customers have it, over ldaps.
"""

import contextlib
import os
import socket
import sys
import time

from tests.lab import namespace
from tests.lab.faults import FaultProxy
from tests.lab.openldap import Slapd
from tests.system.stack import Stack, directory_settings, write_password

from . import load, processes

CONNECTION = "bench"
SAMBA_USERS = 256
LOG = {"level": "info"}


class Directory:
    """Base: a directory with people, and how it is reached."""

    name = ""
    token_groups = False
    starts = True  # whether starts are measured as well

    def __init__(self, server, users):
        self.server = server
        self.url = server.url
        # (name of the rows, what to do before them)
        self.lines = [(self.name, lambda: None)]
        self.folder = server.folder
        self.users_file = os.path.join(self.folder, "bench-users")
        with open(self.users_file, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\t{password}\n" for name, _, password in users)
        self.password_file = write_password(self.folder, server.service_password)

    def direct_argv(self, program):
        argv = [program, "-H", self.url, "-b", self.server.base,
                "-D", self.server.service_dn, "-y", self.password_file, "-u", self.users_file]
        if self.server.ca_file:
            argv += ["-a", self.server.ca_file]
        return argv + (["-g"] if self.token_groups else [])

    def pids(self):
        """Processes to count, by name."""
        return {"directory server": processes.family(self.server.process.pid)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


class SlapdDirectory(Directory):
    name = "slapd"

    def __init__(self):
        server = Slapd()
        super().__init__(server, map(server.user, range(server.users)))

    def settings(self):
        return {"server": [self.url], "base": self.server.base,
                "user": self.server.service_dn, "password_file": self.password_file,
                "tls": {"mode": "none"}}


class FarDirectory(SlapdDirectory):
    name = "far"
    starts = False
    DELAY_MS = 5  # each way

    def __init__(self):
        super().__init__()
        try:
            self.proxy = FaultProxy(self.server.host, self.server.port)
        except BaseException:
            self.server.stop()
            raise
        self.url = f"ldap://{self.proxy.host}:{self.proxy.port}"
        self.lines = [("slapd by proxy", lambda: self.proxy.delay(0)),
                      ("slapd 10 ms away", lambda: self.proxy.delay(self.DELAY_MS))]

    def pids(self):
        return {**super().pids(), "directory server's proxy": [self.proxy.pid]}

    def __exit__(self, *exc):
        self.proxy.close()
        super().__exit__(*exc)


class SambaDirectory(Directory):
    name = "samba"
    token_groups = True

    def __init__(self):
        # Imported here: it needs python3-ldb, and --only slapd does not.
        from tests.lab import population
        from tests.lab.samba import SambaAD
        server = SambaAD()
        try:
            server.seed()
            super().__init__(server, population.crowd(server, SAMBA_USERS))
        except BaseException:
            server.stop()
            raise

    def settings(self):
        return directory_settings(self.server, self.password_file)


DIRECTORIES = {"slapd": SlapdDirectory, "far": FarDirectory, "samba": SambaDirectory}


class Machine:
    """A hub and one connector before a directory, enrolled and ready."""

    def __init__(self, directory):
        self.directory = directory
        self.stack = Stack(hub={"log": LOG})
        try:
            self.stack.start()
            self.stack.add_connection(CONNECTION)
            self.connector = self.stack.add_connector(
                directory=directory.settings(), log=LOG)
            self.connector.wait_directory()
            self.stack.enrol(self.connector, identifier=CONNECTION)
            self.connector.wait_directory()
            self.pin = self.stack.pin()
        except BaseException:
            self._discard()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # What went wrong first is what people must see.
        if kind is None:
            self.stack.stop()
        else:
            self._discard()

    def _discard(self):
        # Standard output is for the figures.
        with contextlib.redirect_stdout(sys.stderr):
            self.stack.discard()

    def hub_argv(self, program):
        return [program, "-H", f"127.0.0.1:{self.stack.port}", "-p", self.pin,
                "-i", CONNECTION, "-u", self.directory.users_file]

    def group(self):
        """Every process that takes part; those of the product by house."""
        pids = self.directory.pids()
        for house, daemon in (("connector", self.connector), ("hub", self.stack.hub)):
            for role, pid in daemon.pids().items():
                pids[f"{house}: {role}"] = [pid]
        return processes.Group(pids)

    def start_to_first_login(self, program):
        """Seconds; the connector is enrolled and was stopped."""
        connector = self.connector
        # The login tells that it is there; a ctl asking all the time would cost it CPU.
        connector._answers = lambda: True
        connector.end()

        def start():
            begun = time.monotonic_ns()
            connector.start()
            return begun
        return load.first_login(self.hub_argv(program), start)


class DeadDns:
    """All DNS questions go to a server that never answers."""

    address = "127.0.0.54"

    def __enter__(self):
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            self._before = file.read()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        namespace.set_nameserver(self.address)

    def __exit__(self, *_):
        self._socket.close()
        with open("/etc/resolv.conf", "w", encoding="utf-8") as file:
            file.write(self._before)
