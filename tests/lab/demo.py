# SPDX-License-Identifier: ISC
"""The demo: a throw-away Active Directory, a hub and a connector, end to end.

tools/demo builds the programs and starts this.  Everything runs in
namespaces of its own and in one folder; nothing of the host is touched, and
nothing is left.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import namespace, population
from .process import LabError, wait_until

HUB = "127.0.0.1:8855"
IDENTIFIER = "example-corp"

START = time.monotonic()


class DemoFailed(Exception):
    """A step did not do what it should; the text says which."""


def say(text):
    print(f"\033[1m[{time.monotonic() - START:5.1f} s]\033[0m {text}"
          if sys.stdout.isatty() else f"[{time.monotonic() - START:5.1f} s] {text}",
          flush=True)


def show(text):
    for line in text.rstrip("\n").splitlines():
        print(f"          {line}", flush=True)


class Demo:
    def __init__(self, prefix):
        self.prefix = prefix
        self.folder = tempfile.mkdtemp(prefix="adconnector-demo-")
        os.chmod(self.folder, 0o755)
        self.daemons = []

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def program(self, name):
        return os.path.join(self.prefix, "sbin", name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)
        return self.path(name)

    def start(self, program, config, socket):
        log = open(self.path(program + ".log"), "wb")
        process = subprocess.Popen(
            [self.program(program), "-d", "-c", config], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log)
        log.close()
        self.daemons.append(process)

        def ready():
            if process.poll() is not None:
                raise DemoFailed(f"{program} ended:\n{self.log(program)}")
            return "ready" in self.log(program) and os.path.exists(socket)
        wait_until(ready, f"{program} to get ready", 20)

    def log(self, program):
        with open(self.path(program + ".log"), encoding="utf-8") as file:
            return file.read()

    def run(self, *command, stdin="", status=0):
        result = subprocess.run(command, input=stdin, capture_output=True,
                                text=True, timeout=90, check=False)
        if result.returncode != status:
            raise DemoFailed(
                f"{os.path.basename(command[0])} {' '.join(command[1:])}: exit status "
                f"{result.returncode}, expected {status}\n{result.stdout}{result.stderr}")
        return result.stdout

    def hub(self, *arguments, **options):
        return self.run(self.program("adhubctl"), "-s", self.path("hub-run/control.sock"),
                        *arguments, **options)

    def connector(self, *arguments, **options):
        return self.run(self.program("adconnectorctl"), "-s",
                        self.path("connector-run/control.sock"), *arguments, **options)

    def stop(self):
        for process in reversed(self.daemons):
            process.send_signal(signal.SIGTERM)
        for process in self.daemons:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_hub(demo):
    say("starting the hub (adhubd)")
    config = demo.write("adhub.conf", f"""\
state_dir = "{demo.path('hub-state')}";
runtime_dir = "{demo.path('hub-run')}";
uid_base = 63000;
listen = [ "https://{HUB}" ];
public_url = "https://{HUB}";
""")
    demo.start("adhubd", config, demo.path("hub-run/control.sock"))
    say(f"making connection {IDENTIFIER}, and a ticket for one connector")
    demo.hub("connection", "add", IDENTIFIER, "--name", "Example Corp")
    ticket = demo.hub("ticket", "new", IDENTIFIER).strip()
    show(ticket[:ticket.index("/t/") + 7] + "…" + ticket[ticket.index("#"):])
    return ticket


def start_connector(demo, dc, ticket):
    say("starting the connector (adconnectord)")
    config = demo.write("adconnector.conf", f"""\
state_dir = "{demo.path('connector-state')}";
runtime_dir = "{demo.path('connector-run')}";
uid_base = 62000;
""")
    demo.start("adconnectord", config, demo.path("connector-run/control.sock"))
    say("enrolling it: the ticket on standard input")
    show(demo.connector("enroll", stdin=ticket + "\n"))
    say("setting the directory: the password on standard input")
    show(demo.connector(
        "set", f"directory.server={dc.url}", f"directory.user={dc.service_dn}",
        f"directory.tls.ca={dc.ca_file}", "directory.password",
        stdin=dc.service_password + "\n"))
    say("testing the connection")
    wait_until(lambda: json.loads(demo.connector("--json", "status"))
               ["data"]["ws"]["auth"]["code"] == "connected", "the tunnel to the hub", 20)
    show(demo.connector("test"))


def log_in(demo):
    alice = population.ALICE
    say(f"logging {alice.name} in: the password is sealed in adhubctl and opened beside AD")
    answer = demo.hub("login", IDENTIFIER, alice.name, stdin=alice.password + "\n")
    show(answer)
    say("the same with a wrong password: exit status 1")
    show(demo.hub("login", IDENTIFIER, alice.name, stdin="not her password\n", status=1))
    say("what the hub wrote down about it")
    show(demo.hub("audit"))


def look_around(demo, dc):
    print(f"""
It all runs. In another terminal, as root, a shell beside it:

    {namespace.visit_command()}

and there

    {demo.program('adconnectorctl')} -s {demo.path('connector-run/control.sock')} status
    {demo.program('adconnectorctl')} -s {demo.path('connector-run/control.sock')} log -f
    {demo.program('adhubctl')} -s {demo.path('hub-run/control.sock')} connector list
    {demo.program('adhubctl')} -s {demo.path('hub-run/control.sock')} login {IDENTIFIER} bob

People of the directory {dc.url} (name, password between bars, state):
""")
    for person in population.PEOPLE:
        print(f"    {person.name:20} |{person.password}|  {person.state}")
    print(f"\nThe connector signs in as {dc.service_dn} |{dc.service_password}|, with the CA in "
          f"{dc.ca_file}.")
    print("\nCtrl-C ends all of it.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end(_number, _frame):
    """A terminal's end comes as more than one signal: the others do not disturb the tidying up."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="tools/demo")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--exit", action="store_true")
    arguments = parser.parse_args()
    namespace.enter(required=True)
    # Imported here: it needs python3-ldb, which a check of arguments does not.
    from .samba import SambaAD
    for number in ENDS:
        signal.signal(number, end)
    demo = Demo(arguments.prefix)
    status = 1
    try:
        say("starting a throw-away Samba AD (the first time it is provisioned)")
        with SambaAD() as dc:
            dc.seed()
            show(f"{dc.url}, domain LAB, {len(population.PEOPLE)} people")
            ticket = start_hub(demo)
            start_connector(demo, dc, ticket)
            log_in(demo)
            say("done: everything worked")
            status = 0
            if not arguments.exit:
                look_around(demo, dc)
    except (DemoFailed, LabError) as error:
        say(f"failed: {error}")
        for daemon in ("adhubd", "adconnectord"):
            if os.path.exists(demo.path(daemon + ".log")):
                print(f"--- {daemon}\n{demo.log(daemon)}")
    except KeyboardInterrupt:
        print()
    finally:
        demo.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
