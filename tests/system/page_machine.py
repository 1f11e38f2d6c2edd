# SPDX-License-Identifier: ISC
"""A connector that attacks on its page are made against: with settings, a password, a tunnel and a
directory, so that there is something to read, to change and to hold up.

    with page_machine.start() as machine:
        with machine.unchanged():
            ...
"""

import contextlib
import http.client
import json

from tests.lab.hostile_ldap import HostileLdap
from tests.lab.tls import CertificateAuthority

from .local_api import Api, Seen
from .stack import Stack
from .watch import Watch

SEEN = Seen()


class Machine:
    """A hub, a connector whose settings and password are saved, and a directory."""

    def __init__(self, stack, connector, server):
        self.stack, self.connector, self.server = stack, connector, server
        self.control = Api.control(SEEN, connector)
        self.host = connector.settings["web"]["listen"]
        self.port = int(self.host.rsplit(":", 1)[1])

    def link(self):
        return self.connector.ctl("web", check=0).json["url"]

    def secret(self):
        return self.link().split("#")[1]

    def sign_in(self):
        return Api.page(SEEN, self.connector)

    def trade(self, secret):
        return trade(self.host, secret)

    def state(self):
        """What somebody who may change nothing has not changed."""
        status = self.connector.status()
        return self.control.settings(), status["tunnel"], status["connection"]

    @contextlib.contextmanager
    def unchanged(self):
        """Settings, tunnel and processes are what they were, and people log in."""
        before, watch = self.state(), Watch(self.connector)
        yield
        assert self.state() == before
        watch.check()
        answer = self.stack.login("corp", "alice", self.server.people["alice"].password)
        assert answer["status"] == "ok", answer


def trade(host, secret):
    """(status, document) of a sign-in with this secret."""
    return ask(host, "POST", "/session", {"secret": secret})


def ask(host, method, path, body=None, token=None):
    client = http.client.HTTPConnection(host, timeout=20)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    with contextlib.closing(client):
        client.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def start():
    """The installed programs; all ends with it."""
    authority = CertificateAuthority()
    certificate = authority.issue("127.0.0.1", ["localhost"], ["127.0.0.1"])
    with HostileLdap(certificate) as server, Stack() as stack:
        stack.add_connection("corp")
        connector = stack.add_connector()
        made = Machine(stack, connector, server)
        answer = made.control.post("/settings", {
            "directory.server": f"ldaps://127.0.0.1:{server.port}",
            "directory.user": server.service_dn, "directory.password": server.service_password,
            "directory.tls.ca": authority.pem.decode()})
        assert answer.status == 200, answer
        stack.enrol(connector, auto_approve=True)
        connector.wait_directory("ok")
        yield made
