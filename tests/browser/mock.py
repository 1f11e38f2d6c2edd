# SPDX-License-Identifier: ISC
"""A connector for the page alone: it plays docs/local-api.yaml, and has no directory.

Why: what the page does with each answer can be tried only with a daemon that gives
each answer when it is told to.  That the real one gives such answers is for
tests/system and test_page_real.py to say.

    python3 -m tests.browser.mock [SCENARIO] [PORT]     to look at the page by hand

Scenarios: fresh, healthy, failing (the directory refuses the user), locked (the file
fixes the directory's settings).  A session that is lost, and a daemon that is gone,
are lose_session(), stop() and start().
"""

import copy
import http.server
import json
import mimetypes
import os
import random
import secrets
import select
import socket
import sys
import threading
import time
import urllib.parse

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "pages", "connector")
# As the connector sends it.
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
          "require-trusted-types-for 'script'; trusted-types 'none'")
HEALTHY = "连接完成"
TICKET = "https://hub.example.com/t/" + "a" * 43

TITLES = {"reach": "AD server reachable", "tunnel": "connector linked to the cloud",
          "sign_in": "AD user signs in", "read": "directory can be read"}


def setting(key, kind="string", value=None, **more):
    made = {"key": key, "type": kind, "origin": "default", "settable": True, **more}
    if value is not None:
        made.update(value=value, origin=more.get("origin", "saved"))
    return made


def fresh_settings():
    """All that a connector tells before anything is set."""
    return [
        setting("log.level", value="info", origin="default", settable=False,
                locked="only the configuration file can give it"),
        setting("directory.server", "list", proposed="corp.example.com"),
        setting("directory.base"),
        setting("directory.user"),
        setting("directory.password", "secret", set=False),
        setting("directory.tls.mode", choices=["ldaps", "starttls", "none"]),
        setting("directory.tls.ca", "certificates", set=False),
        setting("directory.tls.name"),
        setting("directory.tls.allow_clear", "boolean", "false", origin="default"),
        setting("cloud.proxy"),
        setting("cloud.ca", "certificates", set=False),
        setting("policy.allow", "list", "authenticate, test", origin="default",
                settable=False, locked="only the configuration file can give it"),
    ]


CONFIGURED = {
    "directory.server": "ldaps://dc1.corp.example.com, ldaps://dc2.corp.example.com",
    "directory.base": "OU=People,DC=corp,DC=example,DC=com",
    "directory.user": "CORP\\adconnector",
    "directory.tls.mode": "ldaps",
}


def step(name, passed=True, ms=12, code="ok", text="", hint=""):
    return {"step": list(TITLES).index(name) + 1, "name": name, "title": TITLES[name],
            "passed": passed, "ms": ms, "code": code, "text": text, "hint": hint}


PASSING = [
    step("reach", ms=18, text="dc1.corp.example.com answers with TLS"),
    step("tunnel", ms=0, text="linked to hub.example.com, connection corp"),
    step("sign_in", ms=9, text="CORP\\adconnector signed in"),
    step("read", ms=31, text="users below OU=People,DC=corp,DC=example,DC=com can be read"),
]
FAILING = [
    PASSING[0], PASSING[1],
    step("sign_in", False, 7, "bind_refused",
         "dc1.corp.example.com refuses CORP\\adconnector: wrong name or password",
         "set directory.user and directory.password to an account that can sign in"),
    step("read", False, 0, "not_run", "not tried, because a step before it failed"),
]
EXPLAINED = [
    {"name": "name", "title": "the name", "passed": True, "ms": 0, "code": "ok",
     "text": "alice is looked for as sAMAccountName"},
    {"name": "person", "title": "the person", "passed": True, "ms": 4, "code": "ok",
     "text": "CN=Alice Doe,OU=People,DC=corp,DC=example,DC=com"},
    {"name": "account", "title": "the account", "passed": True, "ms": 0, "code": "ok",
     "text": "enabled, not locked, the password expires in 42 days"},
    {"name": "groups", "title": "the groups", "passed": True, "ms": 6, "code": "ok",
     "text": "member of 14 groups, nested ones included"},
    {"name": "policy", "title": "the connector's policy", "passed": False, "ms": 0,
     "code": "not_allowed", "text": "alice is in Domain Admins; deny_privileged refuses it"},
]


class Mock:
    """A connector that does as it is told; listens from start() to stop().

    `asked` has every request as (method, path, body).  `refuse` maps a path such as
    "settings" to (status, error) for the next request of it; `delay` a path to
    seconds, and `step_delay` are the seconds before each step of a stream.
    """

    def __init__(self, scenario="healthy", port=0):
        self.port = port
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.asked, self.refuse, self.delay = [], {}, {}
        self.step_delay = 0.0
        self.test_ends = True
        self.refuse_sign_in = None
        self.followers = 0
        self.logins_a_second = 0
        self.sessions, self.links = set(), set()
        self.server = None
        self.began = self.counted = time.time()
        self.log_lines = []
        self.settings = fresh_settings()
        self.before = None
        self.connection = None
        self.rekeyed = 200, {"code": "ok", "message": "the keys were changed"}
        self.steps = copy.deepcopy(PASSING)
        self.explained = copy.deepcopy(EXPLAINED)
        self.explain_end = {"end": True, "status": "not_allowed",
                            "text": "The login would be refused before its password counts"}
        self.logins = {"total": 0}
        self.process = {"dial": "running", "directory": "not needed yet",
                        "cloud": "not needed yet", "web": "running", "page": "running"}
        self.directory_state = None
        self.say("info", "parent", "adconnectord 1.0 started, sandbox full")
        getattr(self, f"_{scenario}")()

    # Scenarios

    def _fresh(self):
        self.steps = [
            step("reach", False, 0, "not_configured", "no AD server, user or password is set",
                 "adconnectorctl set directory.server=ldaps://DC directory.user=USER "
                 "directory.password"),
            step("tunnel", False, 0, "not_enrolled",
                 "this connector is not enrolled with a hub", "give a ticket"),
            *[step(name, False, 0, "not_run", "not tried, because a step before it failed")
              for name in ("sign_in", "read")]]

    def _healthy(self):
        for key, value in CONFIGURED.items():
            self._put(key, value)
        self._put("directory.password", "secret")
        self.connection = "corp"
        self.process = dict.fromkeys(self.process, "running")
        self.logins = {"ok": 48211, "invalid_credentials": 913, "account_locked": 41,
                       "lockout_protected": 17, "password_expired": 120, "not_allowed": 8,
                       "total": 49310, "mean_microseconds": 8421}
        self.say("warning", "directory", "dc2.corp.example.com was not reached in time; dc1 serves")
        self.say("info", "cloud", "tunnel to hub.example.com:8855 stands, connection corp")

    def _failing(self):
        self._healthy()
        self.steps = copy.deepcopy(FAILING)
        self.directory_state = ("failed", "bind_refused", FAILING[2]["text"])
        self.say("error", "directory", FAILING[2]["text"])

    def _locked(self):
        self._healthy()
        for each in self.settings:
            if each["key"].startswith("directory."):
                each.update(settable=False, locked="locked by /etc/adconnector.conf:12",
                            origin="file")

    # What tests do to it

    def say(self, level, tag, text):
        with self.changed:
            self.log_lines.append({"sequence": len(self.log_lines),
                                   "time": int(time.time() * 1000),
                                   "level": level, "tag": tag, "text": text})
            self.changed.notify_all()

    def link(self):
        """What `adconnectorctl web` prints."""
        secret = secrets.token_urlsafe(32)
        self.links.add(secret)
        return f"{self.origin}/#{secret}"

    def lose_session(self):
        self.sessions.clear()

    def count(self, method, path):
        return sum(1 for one in self.asked if one[:2] == (method, path))

    def bodies(self, path):
        return [body for method, asked, body in self.asked if method == "POST" and asked == path]

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.mock = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            server, self.server = self.server, None
            server.shutdown()
            server.server_close()
            with self.changed:
                self.changed.notify_all()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # Settings

    def find(self, key):
        return next((one for one in self.settings if one["key"] == key), None)

    def _put(self, key, value):
        one = self.find(key)
        if one["type"] in ("secret", "certificates"):
            one["set"] = value != ""
        elif value == "":
            one.pop("value", None)
        else:
            one["value"] = value
        one["origin"] = "saved" if value != "" else "default"

    def set_all(self, items):
        for key in items:
            one = self.find(key)
            if one is None or not one["settable"]:
                return 422, {"code": "locked", "message": f"{key}: it cannot be set", "key": key}
        self.before = copy.deepcopy(self.settings)
        for key, value in items.items():
            self._put(key, value)
        if self.find("directory.server").get("value"):
            self.process["directory"] = "running"
        return 200, {"code": "ok",
                     "message": "saved; the directory was signed in to with the new settings"}

    def revert(self):
        if self.before is None:
            return 422, {"code": "nothing", "message": "there is nothing to go back to"}
        self.settings, self.before = self.before, self.settings
        return 200, {"code": "ok", "message": "the settings before are in force again"}

    def status(self, full):
        ready = self.find("directory.server").get("value") and self.find("directory.password")["set"]
        directory, code, text = self.directory_state or (
            ("ok", "", "") if ready else ("not_configured", "", ""))
        tunnel = "online" if self.connection else "not_enrolled"

        def state(fine, word, words):
            return {"status": HEALTHY if fine else words or word,
                    "code": "connected" if fine else word}

        data = {"ws": {"upstream": state(self.connection, tunnel, ""),
                       "auth": state(self.connection, tunnel, "")},
                "ad": state(directory == "ok", directory, text)}
        if full:
            now = time.time()
            made = self.logins_a_second * (now - self.counted) * random.uniform(0.7, 1.3)
            self.counted = now
            self.logins["total"] += round(made)
            self.logins["ok"] = self.logins.get("ok", 0) + round(made)
            data.update(
                version="1.0", state="running", host="connector1.corp.example.com", sandbox="full",
                uptime_seconds=int(now - self.began) + 266400,
                tunnel={"state": tunnel, "code": "", "text": ""},
                directory={"state": directory, "code": code, "text": text,
                           "user": self.find("directory.user").get("value", ""),
                           "password": "set" if self.find("directory.password")["set"]
                           else "not set"},
                connections={"open": 12 if ready else 0, "busy": 3 if ready else 0},
                process=self.process, restarts=dict.fromkeys(self.process, "0"),
                logins=dict(self.logins))
            if self.connection:
                data.update(connection=self.connection, connector_id="3f9c2d1e-77aa-4b0e-9d6a-1c2b3a4d5e6f")
                data["tunnel"].update(hub="https://hub.example.com:8855", since=int(now) - 86400)
            if directory == "ok":
                data["directory"].update(server="dc1.corp.example.com", base="DC=corp,DC=example,DC=com",
                                         netbios="CORP", domain="corp.example.com",
                                         since=int(now) - 7200)
        return {"code": 200, "message": "ok", "data": data}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request a connection."""

    @property
    def mock(self):
        return self.server.mock

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._take("GET")

    def do_POST(self):
        self._take("POST")

    def do_DELETE(self):
        self._take("DELETE")

    def _take(self, method):
        try:
            self._route(method)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _answer(self, status, document):
        self._bytes(status, "application/json", json.dumps(document).encode())

    def _bytes(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self._guards()
        self.wfile.write(body)

    def _guards(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()

    def _lines(self, lines, pause=0.0):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self._guards()
        for line in lines:
            if pause:
                time.sleep(pause)
            self.wfile.write(json.dumps(line).encode() + b"\n")
            self.wfile.flush()

    def _file(self, path):
        name = os.path.basename(path) or "index.html"
        full = os.path.join(PAGE, name)
        if path not in (f"/{name}", "/") or not os.path.isfile(full):
            self._answer(404, {"error": {"code": "not_found", "message": "there is no such page"}})
            return
        with open(full, "rb") as file:
            self._bytes(200, f"{mimetypes.guess_type(name)[0]}; charset=utf-8", file.read())

    def _route(self, method):
        url = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not url.path.startswith("/api/v1/"):
            self._file(url.path)
            return
        path = url.path[len("/api/v1/"):]
        body = json.loads(raw) if raw else None
        mock = self.mock
        mock.asked.append((method, path, body))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        time.sleep(mock.delay.get(path, 0))
        if path == "session" and method == "POST":
            self._sign_in(body)
        elif token not in mock.sessions:
            if path == "status":
                self._answer(200, mock.status(full=False))
            else:
                self._answer(401, {"error": {"code": "no_session",
                                             "message": "there is no session"}})
        elif path in mock.refuse:
            status, error = mock.refuse.pop(path)
            self._answer(status, {"error": error})
        else:
            self._signed_in(method, path, body, urllib.parse.parse_qs(url.query), token)

    def _sign_in(self, body):
        mock = self.mock
        if mock.refuse_sign_in is not None:
            status, error = mock.refuse_sign_in
            self._answer(status, {"error": error})
            return
        if body["secret"] not in mock.links:
            self._answer(401, {"error": {"code": "bad_secret",
                                         "message": "it is used up, too old or mistyped"}})
            return
        mock.links.discard(body["secret"])
        token = secrets.token_urlsafe(32)
        mock.sessions.add(token)
        self._answer(201, {"token": token, "seconds": 1800})

    def _signed_in(self, method, path, body, query, token):
        mock = self.mock
        route = f"{method} {path}"
        if route == "DELETE session":
            mock.sessions.discard(token)
            self._answer(200, {"code": "ok", "message": "signed out"})
        elif route == "GET status":
            self._answer(200, mock.status(full=True))
        elif route == "GET settings":
            self._answer(200, {"settings": mock.settings, "revertible": mock.before is not None})
        elif route in ("POST settings", "POST settings/revert"):
            status, document = mock.set_all(body) if path == "settings" else mock.revert()
            self._answer(status, document if status == 200 else {"error": document})
        elif route == "POST enroll":
            mock.connection = "corp"
            mock.process["cloud"] = "running"
            self._answer(200, {"code": "ok", "message": "joined connection corp"})
        elif route == "POST unenroll":
            mock.connection = None
            self._answer(200, {"code": "ok", "message": "left connection corp"})
        elif route == "POST reconnect":
            self._answer(200, {"code": "ok", "message": "the tunnel was opened anew"})
        elif route == "POST rekey":
            status, document = mock.rekeyed
            self._answer(status, document)
        elif route == "POST test":
            end = {"end": True, "passed": all(one["passed"] for one in mock.steps)}
            self._lines([*mock.steps, *([end] if mock.test_ends else [])], mock.step_delay)
        elif route == "POST explain":
            self._lines([*mock.explained, mock.explain_end], mock.step_delay)
        elif route == "GET log":
            self._log(int(query.get("since", ["0"])[0]), query.get("follow") == ["1"])
        else:
            self._answer(404, {"error": {"code": "not_found", "message": "there is no such route"}})

    def _log(self, at, follow):
        mock = self.mock
        known = mock.log_lines[at:]
        self._lines(known)
        at += len(known)
        if not follow:
            return
        mock.followers += 1
        try:
            self._follow(at)
        finally:
            mock.followers -= 1

    def _gone(self):
        """Has the other side closed?"""
        ready, _, _ = select.select([self.connection], [], [], 0)
        return bool(ready) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _follow(self, at):
        mock, mine = self.mock, self.server
        while not self._gone() and mock.server is mine:
            with mock.changed:
                if len(mock.log_lines) <= at:
                    mock.changed.wait(0.2)
                fresh = mock.log_lines[at:]
            for line in fresh:
                self.wfile.write(json.dumps(line).encode() + b"\n")
            self.wfile.flush()
            at += len(fresh)


def main(arguments):
    scenario = arguments[0] if arguments else "healthy"
    with Mock(scenario, int(arguments[1]) if len(arguments) > 1 else 0) as mock:
        mock.step_delay, mock.logins_a_second = 0.7, 40
        while True:
            print(mock.link(), flush=True)
            sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1:])
