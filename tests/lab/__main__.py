# SPDX-License-Identifier: ISC
"""Run one server of the lab in the foreground, for work by hand.

    /usr/bin/python3 -m tests.lab samba|slapd|proxy        from the tree's root

Ctrl-C ends it and removes all of it.  The domain controller runs in
namespaces of its own; the command that is printed gives a shell in there.
"""

import argparse
import signal
import sys

from . import namespace, population
from .openldap import Slapd
from .process import LabError
from .proxy import ConnectProxy


def _arguments():
    parser = argparse.ArgumentParser(
        prog="tests.lab", description=__doc__.split("\n\n", maxsplit=1)[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    samba = kinds.add_parser("samba", help="an Active Directory controller")
    samba.add_argument("--address", default="127.0.0.11")
    samba.add_argument("--model", choices=("prefork", "single"),
                       default="prefork")
    samba.add_argument("--empty", action="store_true",
                       help="leave the standard population out")
    slapd = kinds.add_parser("slapd", help="a slapd shaped like AD, for load")
    slapd.add_argument("--users", type=int, default=1000)
    slapd.add_argument("--tls", action="store_true")
    proxy = kinds.add_parser("proxy", help="an HTTP CONNECT proxy")
    proxy.add_argument("--port", type=int, default=3128)
    return parser.parse_args()


def _samba(arguments):
    # Imported here: it needs python3-ldb, the others do not.
    from .samba import SambaAD
    dc = SambaAD(address=arguments.address, model=arguments.model)
    if not arguments.empty:
        dc.seed()
    print(f"""\
Samba AD runs ({dc.seconds:.1f} s, {'from the cache' if dc.cached else 'new'}).
  a shell beside it   {namespace.visit_command()}
  address             {dc.url} ({dc.address})
  base DN             {dc.base}
  CA                  {dc.ca_file}
  administrator       {dc.admin_dn}
                      {dc.admin_password}""")
    if not arguments.empty:
        print(f"""\
  service account     {dc.service_dn}
                      {dc.service_password}
  people              (name, password between bars, state)""")
        for person in population.PEOPLE:
            print(f"    {person.name:20} |{person.password}|  {person.state}")
    print(f"""\
  try, in that shell
    LDAPTLS_CACERT={dc.ca_file} ldapsearch -H {dc.url} -x \\
      -D alice@{dc.domain} -w 'Wonder-Land 7' -b {dc.base} \\
      '(sAMAccountName=alice)'""")
    return dc


def _slapd(arguments):
    slapd = Slapd(arguments.users, tls=arguments.tls)
    name, dn, password = slapd.user(0)
    print(f"""\
slapd runs with {slapd.users} users.
  address             {slapd.url}{' ' + slapd.tls_url if slapd.tls else ''}
  base DN             {slapd.base}
  service account     {slapd.service_dn}
                      {slapd.service_password}
  the first user      {name}, {dn}
                      {password}""")
    if slapd.tls:
        print(f"  CA                  {slapd.ca_file}")
    return slapd


def _proxy(arguments):
    proxy = ConnectProxy(port=arguments.port)
    print(f"""\
A CONNECT proxy runs.
  address             {proxy.url}
  user                {proxy.user}
  password            {proxy.password}""")
    return proxy


def _terminated(_signal, _frame):
    raise KeyboardInterrupt


def main():
    arguments = _arguments()
    if arguments.kind == "samba":
        namespace.enter(required=True)
    signal.signal(signal.SIGTERM, _terminated)
    run = {"samba": _samba, "slapd": _slapd, "proxy": _proxy}[arguments.kind]
    with run(arguments) as server:
        try:
            print("Ctrl-C ends it.", flush=True)
            while getattr(server, "alive", lambda: True)():
                signal.sigtimedwait([], 1)
        except KeyboardInterrupt:
            return 0
        raise LabError(f"the server ended: {server.output()}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LabError, namespace.NamespaceError) as error:
        sys.exit(f"tests.lab: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
