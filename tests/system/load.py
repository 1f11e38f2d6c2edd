# SPDX-License-Identifier: ISC
"""A steady load of sealed logins, while something is broken.

    with Load(stack, "corp", right=[("alice", pw), …], wrong=[("bob", no), …]) as load:
        load.settle()
        daemon.kill("adc-directory")
        load.served_again(time.monotonic())
    load.judge()

Every login is written down with the time it was sent and answered (monotonic seconds), and
with what came.  What must hold whatever is broken is judged in one place: a right password
is never called wrong, a wrong one never right, and none is without an answer by its
deadline.  It knows nothing of the faults but when the hub itself could not answer.
"""

import contextlib
import http.client
import itertools
import json
import ssl
import threading
import time

from tests.lab.process import wait_until

from . import sealing

# LOGIN_DEADLINE_MS, its grace, the pace of refusals (at most 2 s), and a slow machine.
DEADLINE_S = 10 + 0.5 + 2 + 1.5
# How soon after the end of a fault the service must be there again.
RECOVERY_S = 2.0
# "Cannot log in now": said for a connection, and by a hub whose store is being started again.
UNAVAILABLE = ("connector_unavailable", "unavailable")
NO_ANSWER = "no answer"


class Login:
    """One login: who, whether the password was right, when, and what came."""

    def __init__(self, username, right):
        self.username, self.right = username, right
        self.sent = time.monotonic()
        self.answered = None
        self.status = None
        self.recipients = 0
        self.detail = ""

    def __repr__(self):
        took = "" if self.answered is None else f" after {self.answered - self.sent:.2f} s"
        return (f"<{self.username} ({'right' if self.right else 'wrong'} password), "
                f"sent {self.sent:.2f}: {self.status}{took} {self.detail}>")


class Load:
    """One client for each account of `right` and `wrong`: [(username, password)].

    Each waits for its answer, then `pause` seconds, and begins anew.
    """

    def __init__(self, stack, identifier, right, wrong=(), pause=0.05):
        self.stack, self.identifier, self.pause = stack, identifier, pause
        self.logins = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._keys, self._keys_at = None, 0.0
        self._away = []  # [begin, end]: when the hub could not answer
        self._errors = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._threads = [
            threading.Thread(target=self._run, args=(*account, kind), daemon=True)
            for kind, accounts in ((True, right), (False, wrong)) for account in accounts]

    def __enter__(self):
        self.refresh_keys()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(DEADLINE_S + 10)
        if kind is None:
            assert not any(thread.is_alive() for thread in self._threads), "a client hangs"
            assert not self._errors, self._errors[0]

    # Clients

    def refresh_keys(self):
        """The keys of the connectors that are online now; kept when there is none."""
        keys = self.stack.login_keys(self.identifier)
        if keys["recipients"] or self._keys is None:
            self._keys, self._keys_at = keys, time.monotonic()

    def _run(self, username, password, right):
        try:
            while not self._ended.is_set():
                self.login(username, password, right)
                self._ended.wait(self.pause)
        except Exception as error:  # a fault of the test itself: told at the end
            self._errors.append(repr(error))
            raise

    def login(self, username, password, right):
        """One login, written down like those of the clients."""
        keys, at = self._keys, self._keys_at
        plain = sealing.content(username, password,
                                keys["time"] + int(time.monotonic() - at), self.identifier)
        body = json.dumps({"connection": self.identifier, "username": username,
                           "jwe": sealing.seal(plain, keys["recipients"])})
        login = Login(username, right)
        login.recipients = len(keys["recipients"])
        with self._lock:
            self.logins.append(login)
        try:
            status, text = self._post(body)
        except (OSError, http.client.HTTPException) as error:
            login.detail = repr(error)
            login.status = NO_ANSWER
        else:
            document = json.loads(text)
            login.detail = text.decode()[:200]
            login.status = document["status"] if status == 200 else document["error"]["code"]
        login.answered = time.monotonic()

    def _post(self, body):
        connection = http.client.HTTPSConnection(
            self.stack.host, self.stack.port, timeout=DEADLINE_S + 5, context=self._context)
        with contextlib.closing(connection):
            connection.request("POST", "/login/verify", body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    # What is seen

    def taken(self):
        with self._lock:
            return list(self.logins)

    def count(self, since=0.0, until=float("inf"), **members):
        """How many were sent in that time and have these members."""
        return sum(since <= one.sent < until
                   and all(getattr(one, key) == value for key, value in members.items())
                   for one in self.taken())

    def settle(self, logins=10, seconds=30):
        """Wait until all is well: so many logins in a row that were right were let in."""
        begin = time.monotonic()

        def well():
            done = [one for one in self.taken()
                    if one.right and one.sent > begin and one.answered]
            return len(done) >= logins and all(one.status == "ok" for one in done[-logins:])

        wait_until(well, "the load never runs well", seconds)

    @contextlib.contextmanager
    def hub_away(self):
        """While the hub itself is gone or frozen, who asks it gets no answer."""
        span = [time.monotonic(), float("inf")]
        self._away.append(span)
        try:
            yield
        finally:
            span[1] = time.monotonic()

    def served_again(self, end, clients=None):
        """The service is there within RECOVERY_S of `end`, the end of a fault.

        By then somebody who came after it has been let in, and whoever comes later is.
        Returns how long it took.
        """
        def first():
            return next((one for one in self.taken()
                         if one.sent >= end and one.status == "ok"), None)

        wait_until(first, f"nobody is let in again {self.taken()[-10:]}", 40)
        took = first().answered - end
        assert took <= RECOVERY_S, (
            f"service again {took:.2f} s after the end of the fault\n"
            + "\n".join(repr(one) for one in self.taken()
                        if end - 1 <= one.sent <= end + took)[-6000:])
        since = end + RECOVERY_S
        wait_until(lambda: self.count(since=since, right=True, status="ok")
                   >= len(self._threads), "no logins come any more", 30)
        late = [one for one in self.taken()
                if one.sent >= since and one.right and one.status not in (None, "ok")]
        assert not late, f"service went away again after {took:.2f} s: {late[:5]}"
        return took

    def judge(self, *also):
        """What must hold whatever was broken. also: further words for "cannot log in now"."""
        assert self.logins
        unavailable = (*UNAVAILABLE, *also)
        bad = []
        for one in self.logins:
            away = any(one.sent <= end + RECOVERY_S and begin <= (one.answered or one.sent)
                       for begin, end in self._away)
            if one.right and one.status not in ("ok", *unavailable) and not (
                    away and one.status == NO_ANSWER):
                bad.append(one)
            elif not one.right and one.status not in ("invalid_credentials", *unavailable) \
                    and not (away and one.status == NO_ANSWER):
                bad.append(one)
            elif one.answered is None or (one.answered - one.sent > DEADLINE_S and not away):
                bad.append(one)
        assert not bad, f"{len(bad)} of {len(self.logins)} logins: {bad[:8]}"


_made = itertools.count(1)


def accounts(dc, right=4, wrong=1):
    """New people of a controller for Load(): its right= and wrong=."""
    from tests.lab import population
    people = []
    for _ in range(right + wrong):
        person = population.Person(f"load{next(_made):04d}", "Steady-Load-Passw0rd", "",
                                   state="", attributes={})
        population.add_person(dc.directory, person)
        people.append(person.name)
    return {"right": [(name, "Steady-Load-Passw0rd") for name in people[:right]],
            "wrong": [(name, "not-the-Passw0rd") for name in people[right:]]}
