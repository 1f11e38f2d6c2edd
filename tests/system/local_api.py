# SPDX-License-Identifier: ISC
"""The local API as docs/local-api.yaml describes it, and a client that holds every answer
against the description.

Why: a description that nobody holds against the program is wrong within a month.  The client
remembers which routes, statuses, media types and members it saw, so that a test can tell what
stands in the description and never came.
"""

import http.client
import json
import os
import socket

import jsonschema
import yaml

from tests.system import install

BASE = "/api/v1"
ERROR = "an error "


def description():
    path = os.path.join(install.ROOT, "docs", "local-api.yaml")
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


class Answer:
    """status, and the document or the lines of a stream."""

    def __init__(self, status, kind, document):
        self.status, self.kind, self.document = status, kind, document

    @property
    def error(self):
        return self.document["error"]

    def __repr__(self):
        return f"<HTTP {self.status} {json.dumps(self.document, ensure_ascii=False)[:2000]}>"


class Seen:
    """What has been seen of the description."""

    def __init__(self):
        self.spec = description()
        self.members = set()
        self.answers = set()

    def _resolve(self, node):
        while "$ref" in node:
            name = node["$ref"]
            node = self.spec
            for part in name.lstrip("#/").split("/"):
                node = node[part]
        return node

    def operation(self, method, path):
        return self.spec["paths"].get(path, {}).get(method.lower())

    def _schema(self, operation, status, kind):
        responses = operation["responses"]
        response = self._resolve(responses.get(str(status), responses["default"]))
        assert str(status) in responses or status >= 400, f"{status} is not described"
        assert kind in response["content"], f"{kind} is not described for {status}"
        return response["content"][kind]["schema"]

    def check(self, method, path, answer):
        """The answer is as described; what it holds is remembered."""
        operation = self.operation(method, path)
        assert operation is not None, f"{method} {path} is not described"
        schema = self._schema(operation, answer.status, answer.kind)
        lines = answer.document if isinstance(answer.document, list) else [answer.document]
        for line in lines:
            wanted, where = schema, f"{method} {path} "
            # A stream that has begun cannot change its status any more.
            if answer.kind.endswith("ndjson") and set(line) == {"error"}:
                wanted = self.spec["components"]["schemas"]["Error"]
            # Errors are the same everywhere.
            if set(line) == {"error"}:
                where = ERROR
            jsonschema.validate(line, {**wanted, "components": self.spec["components"]},
                                cls=jsonschema.Draft202012Validator)
            self._remember(wanted, line, where)
        self.answers.add((method, path, "ok" if answer.status < 300 else "error"))

    def _valid(self, schema, value):
        schema = {**schema, "components": self.spec["components"]}
        return jsonschema.Draft202012Validator(schema).is_valid(value)

    def _remember(self, schema, value, where):
        schema = self._resolve(schema)
        for choice in schema.get("oneOf", ()):
            if self._valid(choice, value):
                self._remember(choice, value, where)
        if isinstance(value, list):
            for item in value:
                self._remember(schema.get("items", {}), item, where)
        elif isinstance(value, dict):
            described = schema.get("properties", {})
            more = schema.get("additionalProperties", True)
            for key, member in value.items():
                if key in described:
                    self.members.add(f"{where}{key}")
                    self._remember(described[key], member, f"{where}{key}.")
                else:
                    # A member that nobody described is one that nobody can rely on.
                    assert isinstance(more, dict) or not described, \
                        f"{where}{key} is not described"

    def described(self):
        """All members that an answer may have: "GET /api/v1/status data.ad.code"."""
        found = set()
        self._collect(self.spec["components"]["schemas"]["Error"], ERROR, found)
        for path, methods in self.spec["paths"].items():
            for method, operation in methods.items():
                for status, response in operation["responses"].items():
                    if status == "default":
                        continue
                    for media in self._resolve(response)["content"].values():
                        self._collect(media["schema"], f"{method.upper()} {path} ", found)
        return found

    def _collect(self, schema, where, found):
        schema = self._resolve(schema)
        for choice in schema.get("oneOf", ()):
            self._collect(choice, where, found)
        if "items" in schema:
            self._collect(schema["items"], where, found)
        for key, member in schema.get("properties", {}).items():
            found.add(f"{where}{key}")
            self._collect(member, f"{where}{key}.", found)

    def routes(self):
        return {(method.upper(), path) for path, methods in self.spec["paths"].items()
                for method in methods}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """The API of one connector: call("POST", "/test") → Answer, checked and remembered."""

    def __init__(self, seen, connect):
        self.seen, self.connect = seen, connect
        self.headers = {}
        self.token = self.host = None

    @classmethod
    def control(cls, seen, connector):
        path = os.path.join(connector.settings["runtime_dir"], "control.sock")
        return cls(seen, lambda timeout: _UnixConnection(path, timeout))

    @classmethod
    def page(cls, seen, connector):
        """The page's face, signed in with an address that the control socket made."""
        link = cls.control(seen, connector).post("/web")
        assert link.status == 200, link
        origin, secret = link.document["url"].split("/#")
        made = cls(seen, None)
        made.host = origin.removeprefix("http://")
        made.connect = lambda timeout: http.client.HTTPConnection(made.host, timeout=timeout)
        made.headers["Origin"] = origin
        answer = made.post("/session", {"secret": secret})
        assert answer.status == 201, answer
        made.token = answer.document["token"]
        made.headers["Authorization"] = f"Bearer {made.token}"
        return made

    def call(self, method, path, body=None, headers=None, timeout=65):
        connection = self.connect(timeout)
        headers = {**self.headers, **(headers or {})}
        if body is not None:
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, BASE + path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        kind = response.getheader("Content-Type").split(";")[0]
        if kind == "application/x-ndjson":
            document = [json.loads(line) for line in text.splitlines()]
        else:
            document = json.loads(text)
        answer = Answer(response.status, kind, document)
        if self.seen.operation(method, BASE + path.split("?")[0]) is not None:
            self.seen.check(method, BASE + path.split("?")[0], answer)
        return answer

    def get(self, path, **how):
        return self.call("GET", path, **how)

    def post(self, path, body=None, **how):
        return self.call("POST", path, body, **how)

    def delete(self, path, **how):
        return self.call("DELETE", path, **how)

    def settings(self):
        """{key: setting}"""
        return {item["key"]: item for item in self.get("/settings").document["settings"]}
