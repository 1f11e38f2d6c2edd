# SPDX-License-Identifier: ISC
"""The local API of a whole connector, beside a real Active Directory and a hub.

Every answer here is held against docs/local-api.yaml; the last test tells what stands there
and never came.
"""

import json
import os
import time

import pytest

from tests.lab.population import ALICE, PEOPLE

from .freezing import frozen
from .load import Load, accounts
from .local_api import Api, Seen
from .stack import Stack, directory_settings, free_port, write_password


# A login takes some ms; this is for a machine with other work.
SLOW_S = 2.0


@pytest.fixture(scope="module")
def seen():
    return Seen()


@pytest.fixture(scope="module")
def stack(installed, samba):
    with Stack() as made:
        made.add_connection("corp")
        yield made


def settable(samba):
    """What a person who sets the connector up gives, over the API."""
    with open(samba.ca_file, encoding="utf-8") as file:
        ca = file.read()
    return {"directory.server": samba.url, "directory.user": samba.service_dn,
            "directory.password": samba.service_password, "directory.tls.ca": ca}


@pytest.fixture(scope="module")
def connector(stack, samba, seen):
    """One whose directory is set over the API, enrolled."""
    made = stack.add_connector()
    answer = Api.control(seen, made).post("/settings", settable(samba))
    assert answer.status == 200, answer
    made.wait_directory()
    stack.enrol(made)
    return made


@pytest.fixture(scope="module")
def api(seen, connector):
    return Api.control(seen, connector)


# Settings


def test_settings_of_a_file(seen, stack, samba):
    """What the file gives is locked, and says where."""
    made = stack.add_connector(directory=directory_settings(samba))
    settings = Api.control(seen, made).settings()
    server = settings["directory.server"]
    assert (server["value"], server["origin"]) == (samba.url, "file")
    assert not server["settable"]
    assert server["locked"].startswith(f"locked by {made.config}:")
    assert "stand together" in settings["directory.base"]["locked"]
    assert settings["directory.password"] == {
        "key": "directory.password", "type": "secret", "origin": "file", "settable": False,
        "set": True, "locked": settings["directory.password"]["locked"]}
    assert settings["directory.tls.ca"]["set"] is True
    assert settings["policy.allow"]["locked"] == "only the configuration file can give it"
    assert settings["cloud.proxy"]["settable"]


def test_settings_that_were_saved(api, samba):
    settings = api.settings()
    assert settings["directory.server"]["origin"] == "saved"
    assert settings["directory.server"]["settable"]
    assert settings["directory.password"]["set"] is True
    assert settings["directory.password"]["origin"] == "saved"
    assert settings["directory.connections.max"] == {
        "key": "directory.connections.max", "type": "integer", "value": "256",
        "origin": "default", "settable": False,
        "locked": "only the configuration file can give it"}
    assert settings["directory.tls.mode"]["choices"] == ["ldaps", "starttls", "none"]
    assert settings["directory.tls.mode"]["value"] == "ldaps"
    # The domain told its base; nobody has to type it.
    assert "value" not in settings["directory.base"]
    assert settings["directory.base"]["proposed"] == samba.base


def test_no_secret_is_among_the_settings(api, samba):
    assert samba.service_password not in repr(api.get("/settings"))


def test_the_domain_of_the_host_is_proposed(seen, stack, samba):
    with open("/etc/resolv.conf", "r+", encoding="utf-8") as file:
        before = file.read()
        file.write(f"search {samba.domain}\n")
    try:
        fresh = stack.add_connector()
    finally:
        with open("/etc/resolv.conf", "w", encoding="utf-8") as file:
            file.write(before)
    assert Api.control(seen, fresh).settings()["directory.server"]["proposed"] == samba.domain


def test_settings_for_people(connector, samba):
    shown = connector.ctl("settings", json=False, check=0).out
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert samba.url in lines["directory.server"] and "saved" in lines["directory.server"]
    assert f"proposed: {samba.base}" in lines["directory.base"]
    assert "(set)" in lines["directory.password"]
    some = connector.ctl("settings", "directory.tls", "log.level", check=0).json["settings"]
    assert [item["key"] for item in some] == [
        "log.level", "directory.tls.mode", "directory.tls.ca", "directory.tls.name",
        "directory.tls.allow_clear"]
    refused = connector.ctl("settings", "directory.serve")
    assert refused.status == 1 and "directory.serve: no such setting" in refused.err


# Explain


def explain(api, username):
    """(steps by name, the end)"""
    answer = api.post("/explain", {"username": username})
    assert answer.status == 200, answer
    *steps, end = answer.document
    names = [step["name"] for step in steps]
    assert names == [name for name in STEPS if name in names], "not in order"
    return {step["name"]: step for step in steps}, end


STEPS = ["name", "person", "account", "groups", "policy", "lockout", "bind"]
BASE_NAMES = [
    "alice@lab.test", "ALICE", "LAB\\alice", "OTHER\\alice", "alice@LAB.TEST", "alice@elsewhere.test",
    "erika@elsewhere.example", "erika@lab.test", "noupn@lab.test", "juergen.gross@lab.test",
    "nobody-has-this-name", "alice ", " alice", "alice\t", "*", "alice)(cn=*", "Alice Adams",
    "a" * 1024, "Administrator", "krbtgt", "DC1$", "Domain Users", "\\", "@", "LAB\\"]


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
def test_explained_as_a_login_is_answered(stack, api, samba, person):
    """With the right password, in every state: the same word, and a bind where one is made."""
    before = samba.directory.bad_pwd_count(person.name)
    steps, end = explain(api, person.name)
    login = stack.login("corp", person.name, person.password)
    assert end["status"] == login["status"], (end, login)
    assert end["bind"] == ("bind" in steps)
    # Who is told something by AD was bound; who was refused here was not.
    if login["status"] == "not_allowed":
        assert list(steps)[-1] == "policy" and not end["bind"]
    elif login["status"] == "account_locked":
        assert list(steps)[-1] == "lockout" and not end["bind"]
        assert steps["account"]["code"] == "account_locked"
    else:
        assert end["bind"] and list(steps) == STEPS
        dn = samba.directory.dn(person.name)
        assert dn in steps["person"]["text"] and dn in steps["bind"]["text"]
        assert samba.directory.guid(person.name) in steps["person"]["text"]
        assert steps["account"]["passed"] == (login["status"] == "ok")
    assert samba.directory.bad_pwd_count(person.name) == before


@pytest.mark.parametrize("typed", BASE_NAMES)
def test_names_are_read_as_a_login_reads_them(stack, api, samba, typed):
    """A login with a wrong password tells the administrator what came of the name."""
    steps, end = explain(api, typed)
    answer = stack.login("corp", typed, "not the password of anybody")
    reason = answer["reason"]
    if reason == "wrong_password":
        assert end["status"] == "ok" and end["bind"]
        samba.directory.bind(samba.directory.dn("alice"), ALICE.password)
    else:
        assert end["status"] == answer["status"] and not end["bind"]
        last = steps[list(steps)[-1]]
        assert not last["passed"] and last["code"] == reason


@pytest.mark.parametrize("typed,attribute", [
    ("alice", "sAMAccountName"), ("LAB\\alice", "sAMAccountName"),
    ("alice@lab.test", "userPrincipalName"), ("noupn@lab.test", "sAMAccountName"),
    ("juergen.gross@lab.test", "mail")])
def test_what_a_name_was_found_by(api, typed, attribute):
    steps, _ = explain(api, typed)
    assert steps["name"]["text"].endswith(f"found by {attribute}")


def test_one_name_of_two_people(stack, api, samba, make_user):
    for _ in range(2):
        make_user(mail="twice@mail.test")
    steps, end = explain(api, "twice@mail.test")
    assert end["status"] == "ambiguous_user"
    assert stack.login("corp", "twice@mail.test", "x")["status"] == "ambiguous_user"
    assert list(steps) == ["name", "person"] and "2 people" in steps["person"]["text"]


def test_the_lockout_budget_is_explained(stack, api, samba, make_user):
    """Five wrong passwords lock in the lab; two are left to others."""
    person = make_user()
    for tries in range(3):
        steps, end = explain(api, person.name)
        assert end["bind"] and steps["lockout"]["text"].startswith(f"{tries} wrong passwords")
        assert stack.login("corp", person.name, "wrong")["status"] == "invalid_credentials"
    steps, end = explain(api, person.name)
    assert (end["status"], end["bind"]) == ("lockout_protected", False)
    assert list(steps)[-1] == "lockout"
    assert "3 wrong passwords" in steps["lockout"]["text"]
    assert "5 lock the account, and 2 of these are left" in steps["lockout"]["text"]
    assert stack.login("corp", person.name, person.password)["status"] == "lockout_protected"
    assert samba.directory.bad_pwd_count(person.name) == 3


def test_rules_about_groups_are_explained(seen, stack, samba, installed):
    """By the connector's own policy; it need not be enrolled for that."""
    made = stack.add_connector(
        directory=directory_settings(samba),
        policy={"allow_groups": ["Sales"], "deny_groups": ["Contractors"]})
    made.wait_directory()
    api = Api.control(seen, made)
    for name, code in (("alice", "ok"), ("yamada", "not_in_allow_groups"),
                       ("paula", "in_deny_groups"), ("helpdesk-admin", "privileged")):
        steps, end = explain(api, name)
        assert steps["policy"]["code"] == code
        assert end["status"] == ("ok" if code == "ok" else "not_allowed")
    closed = stack.add_connector(directory=directory_settings(samba), policy={"allow": ["test"]})
    closed.wait_directory()
    steps, end = explain(Api.control(seen, closed), "alice")
    assert list(steps) == ["policy"] and "policy.allow" in steps["policy"]["text"]
    assert (end["status"], end["bind"]) == ("not_allowed", False)


def test_explain_without_a_directory(seen, stack):
    steps, end = explain(Api.control(seen, stack.add_connector()), "alice")
    assert list(steps) == ["name"]
    assert (steps["name"]["passed"], steps["name"]["code"]) == (False, "not_configured")
    assert (end["status"], end["bind"]) == ("directory_unavailable", False)


def test_a_name_that_nobody_has_is_not_logged(connector, api):
    explain(api, "Hunter2-typed-into-the-wrong-field")
    assert "Hunter2" not in connector.log()


def test_explain_for_people(connector):
    good = connector.ctl("explain", "alice", json=False, check=0)
    assert "found by sAMAccountName" in good.out
    assert good.out.endswith("a login with the right password would succeed\n")
    bad = connector.ctl("explain", "disabled", json=False)
    assert bad.status == 1 and "refused by the directory: the account is disabled" in bad.out
    document = connector.ctl("explain", "nobody-has-this-name").json
    assert document["status"] == "invalid_credentials" and document["bind"] is False
    assert [step["name"] for step in document["steps"]] == ["name", "person"]
    assert connector.ctl("explain", "a", "b").status == 64


# Changes, and back again


@pytest.fixture
def own(stack, samba, seen):
    """(connector, its API): set up over the API, not enrolled, the test's own."""
    made = stack.add_connector()
    api = Api.control(seen, made)
    assert api.post("/settings", settable(samba)).status == 200
    made.wait_directory()
    return made, api


def state_files(connector):
    return sorted(os.listdir(connector.settings["state_dir"]))


def read_state(connector, name):
    path = os.path.join(connector.settings["state_dir"], name)
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_nothing_to_revert(seen, stack):
    api = Api.control(seen, stack.add_connector())
    assert api.get("/settings").document["revertible"] is False
    answer = api.post("/settings/revert")
    assert (answer.status, answer.error["code"]) == (422, "nothing_to_revert")


def test_revert_and_back(own, samba):
    """Twice is what it began with; also over a restart."""
    connector, api = own
    assert api.get("/settings").document["revertible"] is True
    base = f"OU=People,{samba.base}"
    assert api.post("/settings", {"directory.base": base}).status == 200
    assert connector.status()["directory"]["base"] == base
    connector.stop()
    connector.start()
    connector.wait_directory()
    for expected in (samba.base, base, samba.base):
        answer = api.post("/settings/revert")
        assert answer.status == 200, answer
        assert "signed in" in answer.document["message"]
        assert connector.status()["directory"]["base"] == expected
    assert "value" not in api.settings()["directory.base"]
    assert not [name for name in state_files(connector) if name.endswith((".next", ".commit"))]


def test_a_revert_brings_the_password_back(own, samba):
    """Of the same place: another user's, and the one before."""
    connector, api = own
    connector.expect("bind_refused|refused")
    answer = api.post("/settings", {"directory.user": samba.directory.dn("alice"),
                                    "directory.password": ALICE.password})
    assert answer.status == 200, answer
    assert read_state(connector, "bind-password") == f"{ALICE.password}\n"
    assert read_state(connector, "bind-password.previous") == f"{samba.service_password}\n"
    assert api.post("/settings/revert").status == 200
    assert connector.status()["directory"]["user"] == samba.service_dn
    assert read_state(connector, "bind-password") == f"{samba.service_password}\n"
    assert read_state(connector, "bind-password.previous") == f"{ALICE.password}\n"
    # One that is to be forgotten is nowhere any more, and nobody logs in with it.
    connector.ctl("set", "directory.password=", check=0)
    assert not [name for name in state_files(connector) if name.startswith("bind-password")]
    assert connector.directory() == "not_configured"
    assert connector.status()["directory"]["password"] == "not set"
    assert not connector.pids().get("adc-directory")
    # The same server is set up again with one, and with nothing else.
    assert api.post("/settings", {"directory.password": samba.service_password}).status == 200
    connector.wait_directory()


def test_a_file_that_names_the_place_leaves_the_saved_password(own, samba):
    """It is not used there, and not lost: without these lines it is in force again."""
    connector, api = own
    connector.expect("refused")
    answer = api.post("/settings", {"directory.user": samba.directory.dn("alice"),
                                    "directory.password": ALICE.password})
    assert answer.status == 200, answer
    connector.stop()
    connector.settings["directory"] = {"user": samba.service_dn}
    connector.write_config()
    connector.start()
    assert connector.directory() == "not_configured"
    assert api.post("/settings", {"cloud.proxy": "http://127.0.0.1:9"}).status == 200
    answer = api.post("/settings/revert")
    assert answer.status == 200, answer
    assert connector.directory() == "not_configured"
    assert read_state(connector, "bind-password") == f"{ALICE.password}\n"
    assert read_state(connector, "bind-password.previous") == f"{samba.service_password}\n"
    connector.stop()
    del connector.settings["directory"]
    connector.write_config()
    connector.start()
    connector.wait_directory()
    assert connector.status()["directory"]["user"] == samba.directory.dn("alice")


def test_a_long_refusal_is_cut_between_characters(own):
    """What cannot be read as text would end the process that answers."""
    connector, api = own
    before = connector.pids()["adc-web control"]
    for more in ("", "x"):
        answer = api.post("/settings", {"cloud.ca": f"/{more}" + "é" * 2000})
        assert answer.status == 422 and answer.error["key"] == "cloud.ca", answer
    assert connector.pids()["adc-web control"] == before


def test_a_password_does_not_follow_a_revert_elsewhere(own, samba):
    """Another TLS mode is another place: it is forgotten, and a revert gives none to either."""
    connector, api = own
    elsewhere = {"directory.server": f"ldap://{samba.dns_name}", "directory.tls.mode": "starttls"}
    answer = api.post("/settings", elsewhere)
    assert (answer.status, answer.error["code"]) == (422, "password_needed")
    answer = api.post("/settings", {**elsewhere, "directory.password": samba.service_password})
    assert answer.status == 200, answer
    assert "bind-password.previous" not in state_files(connector)
    before = connector.status()
    answer = api.post("/settings/revert")
    assert (answer.status, answer.error["code"]) == (422, "password_needed")
    assert connector.status()["directory"]["server"] == before["directory"]["server"]
    # A wrong one is tried, and refused; all stays.
    connector.expect("refused")
    answer = api.post("/settings/revert", {"directory.password": "not the password"})
    assert (answer.status, answer.error["code"]) == (422, "bind_refused")
    assert api.settings()["directory.tls.mode"]["value"] == "starttls"
    # At the prompt of ctl.
    connector.ctl("set", "--revert", "directory.password", input=samba.service_password, check=0)
    assert api.settings()["directory.tls.mode"]["value"] == "ldaps"
    assert connector.directory() == "ok"
    assert samba.directory.bad_pwd_count(samba.service_user) <= 1


def test_certificates_are_kept_to_go_back_to(own, samba):
    """As long as a revert needs them, and not longer."""
    connector, api = own

    def certificates():
        return {name for name in state_files(connector) if name.startswith("ca-")}

    first = certificates()
    assert len(first) == 1
    with open(samba.ca_file, encoding="utf-8") as file:
        other = file.read() + "\n"
    answer = api.post("/settings", {"directory.tls.ca": other,
                                    "directory.password": samba.service_password})
    assert answer.status == 200, answer
    second = certificates() - first
    assert len(certificates()) == 2 and len(second) == 1
    answer = api.post("/settings/revert", {"directory.password": samba.service_password})
    assert answer.status == 200, answer
    assert certificates() == first | second
    assert api.settings()["directory.tls.ca"]["value"].rsplit("/", 1)[1] in first
    assert api.post("/settings", {"directory.base": samba.base}).status == 200
    assert certificates() == first


@pytest.mark.parametrize("changes,key", [
    ({"directory.base": "no DN"}, "directory.base"),
    ({"directory.serve": "x"}, None), ({"policy.allow": "test"}, "policy.allow"),
    ({"directory.tls.mode": "starttls"}, "directory.tls.mode"),
    ({"cloud.proxy": "http://a:b@c:1"}, "cloud.proxy"),
    ({"directory.password": "x" * 1025}, "directory.password"),
    ({"directory.tls.name": "other.test"}, "directory.password")])
def test_a_refusal_names_the_setting(api, changes, key):
    before = api.settings()
    answer = api.post("/settings", changes)
    assert answer.status == 422 and answer.error.get("key") == key, answer
    assert api.settings() == before


@pytest.mark.parametrize("body", [{"directory.password": ""}, {"directory.base": "DC=x"},
                                  {"directory.password": 1}])
def test_revert_bodies_that_are_refused(api, body):
    answer = api.post("/settings/revert", body)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


def test_a_crash_between_files_is_mended_at_the_start(own, samba):
    """The change was decided: it is completed. Another was not: it is forgotten."""
    connector, api = own
    folder = connector.settings["state_dir"]
    connector.stop()

    def write(name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        owner = os.stat(os.path.join(folder, "saved.conf"))
        os.chown(path, owner.st_uid, owner.st_gid)

    saved = read_state(connector, "saved.conf")
    base = f"OU=People,{samba.base}"
    write("saved.conf.next", f'{saved}\ndirectory.base = "unread";\n')
    # Certificates of a change that was being tried.
    write("ca-cloud.ca-00000000.pem", "no longer needed")
    connector.start()
    connector.wait_directory()
    assert connector.status()["directory"]["base"] == samba.base
    assert not {"saved.conf.next", "ca-cloud.ca-00000000.pem"} & set(state_files(connector))
    assert api.settings()["directory.tls.ca"]["value"].rsplit("/", 1)[1] in state_files(connector)
    connector.stop()
    changed = saved.replace("user = ", f'base = "{base}";\n  user = ', 1)
    assert changed != saved
    write("saved.conf.next", changed)
    write("saved.conf.previous.next", saved)
    write("saved.commit", "rkrk")
    connector.start()
    connector.wait_directory()
    assert connector.status()["directory"]["base"] == base
    assert "has been completed" in connector.log()
    assert api.post("/settings/revert").status == 200
    assert connector.status()["directory"]["base"] == samba.base


# The tunnel


def test_reconnect(stack, connector, api):
    before = connector.pids().get("adc-cloud")
    answer = api.post("/reconnect")
    assert (answer.status, answer.document["code"]) == (200, "ok")
    assert connector.tunnel() == "online"
    assert connector.pids()["adc-cloud"] != before
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    # It is no change of the settings: what could be gone back to still can.
    assert api.get("/settings").document["revertible"] is True


def test_rekey(stack, connector, api):
    before = connector.identity()
    answer = api.post("/rekey")
    assert (answer.status, answer.document["code"]) == (200, "ok")
    assert connector.identity()["sign"] != before["sign"]
    assert stack.login("corp", "alice", ALICE.password)["status"] == "ok"
    answer = api.post("/rekey")
    assert (answer.status, answer.error["code"]) == (422, "too_soon")


def test_reconnect_that_fails(new_stack, samba, seen):
    """The hub is away: the reason is told, and the old tunnel is the one that is kept."""
    stack = new_stack()
    stack.add_connection("corp")
    made = stack.add_connector(directory=directory_settings(samba))
    stack.enrol(made)
    before = made.pids().get("adc-cloud")
    with frozen(stack.hub.process.pid, 0):
        answer = Api.control(seen, made).post("/reconnect")
    assert answer.status == 422 and answer.error["message"]
    assert made.pids().get("adc-cloud") == before
    made.wait_tunnel("online")
    # When it is gone for good the status says so, with the finer reason.
    stack.hub.stop()
    made.wait_tunnel("waiting")
    ws = Api.control(seen, made).get("/status").document["data"]["ws"]
    assert ws["auth"]["code"] == ws["upstream"]["code"] == "waiting"
    assert ws["auth"]["reason"] == ws["upstream"]["reason"] != "waiting"
    stack.hub.start()
    made.wait_tunnel("online")


def test_the_way_to_a_hub_that_is_gone_can_be_changed(new_stack, samba, seen):
    """It cannot be tried, and may be what is wrong: it is saved, and that is said."""
    stack = new_stack()
    stack.add_connection("corp")
    made = stack.add_connector(directory=directory_settings(samba))
    stack.enrol(made, auto_approve=True)
    made.expect("unreachable|not reached|refused|cannot|proxy")
    api = Api.control(seen, made)
    stack.hub.stop()
    made.wait_tunnel("waiting")
    for proxy in (f"http://127.0.0.1:{free_port()}", ""):
        answer = api.post("/settings", {"cloud.proxy": proxy})
        assert answer.status == 200 and "not tried" in answer.document["message"], answer
        assert api.settings()["cloud.proxy"].get("value", "") == proxy
        made.wait_tunnel("waiting")
    stack.hub.start()
    made.wait_tunnel("online")
    # One that stands is kept until the new one does.
    answer = api.post("/settings", {"cloud.proxy": f"http://127.0.0.1:{free_port()}"})
    assert answer.status == 422, answer
    assert made.tunnel() == "online"


def test_reconnect_without_enrolment(own):
    _, api = own
    answer = api.post("/reconnect")
    assert (answer.status, answer.error["code"]) == (422, "not_enrolled")
    answer = api.post("/unenroll")
    assert (answer.status, answer.error["code"]) == (422, "not_enrolled")
    assert api.post("/reconnect", {"now": "please"}).status == 400


def test_reconnecting_under_load_fails_no_login(stack, connector, api, samba):
    with Load(stack, "corp", **accounts(samba)) as load:
        load.settle()
        begin = time.monotonic()
        for _ in range(10):
            answer = api.post("/reconnect")
            assert answer.status == 200, answer
        load.settle()
    load.judge()
    assert load.count(since=begin, right=True) >= 10
    failed = [one for one in load.taken() if one.right and one.status != "ok"]
    assert not failed, failed[:5]


def test_fifty_saves_under_load_fail_no_login(stack, connector, seen, api, samba):
    """By ctl's face and the page's in turn; no login waits for a new child to be ready."""
    faces = (api, Api.page(seen, connector))
    with Load(stack, "corp", **accounts(samba)) as load:
        load.settle()
        begin = time.monotonic()
        for number in range(50):
            base = samba.base if number % 2 else f"OU=People,{samba.base}"
            answer = faces[number // 2 % 2].post("/settings", {"directory.base": base})
            assert answer.status == 200, answer
        load.settle()
    load.judge()
    failed = [one for one in load.taken() if one.right and one.status != "ok"]
    assert not failed, failed[:5]
    slow = [one for one in load.taken() if one.right and one.answered - one.sent > SLOW_S]
    assert load.count(since=begin, right=True) > 50 and not slow, slow[:5]
    assert connector.status()["restarts"]["directory"] == "0"
    assert connector.status()["directory"]["base"] == samba.base


def test_unenroll(stack, samba, seen):
    """Nothing of the keys is left; a new ticket joins again."""
    made = stack.add_connector(directory=directory_settings(samba))
    stack.add_connection("leaving")
    stack.enrol(made, identifier="leaving")
    api = Api.control(seen, made)
    made.wait_directory()
    assert stack.login("leaving", "alice", ALICE.password)["status"] == "ok"
    old = made.identity()
    answer = api.post("/unenroll")
    assert (answer.status, answer.document["code"]) == (200, "ok")
    assert old["connector_id"] in answer.document["message"]
    assert made.tunnel() == "not_enrolled"
    assert not [name for name in state_files(made) if name.startswith("identity")]
    made.wait(lambda: not made.pids().get("adc-cloud"), "the tunnel's process stays")
    assert "error" in stack.login("leaving", "alice", ALICE.password)
    made.wait_directory()
    made.stop()
    made.start()
    assert made.tunnel() == "not_enrolled"
    stack.hubctl("connector", "revoke", old["connector_id"], check=0)
    stack.enrol(made, identifier="leaving")
    assert made.identity()["connector_id"] != old["connector_id"]
    made.wait_directory()
    assert stack.login("leaving", "alice", ALICE.password)["status"] == "ok"
    # In a script nobody can be asked.
    assert made.ctl("unenroll").status == 64
    assert made.tunnel() == "online"
    made.ctl("unenroll", "--yes", check=0)
    assert made.tunnel() == "not_enrolled"


# Status, log and test


def test_status(api, connector):
    before = int(time.time())
    assert api.post("/reconnect").status == 200
    data = api.get("/status").document["data"]
    assert data["ws"]["auth"] == {"status": "连接完成", "code": "connected"}
    assert data["tunnel"]["state"] == "online" and data["directory"]["state"] == "ok"
    assert before <= data["tunnel"]["since"] <= time.time()
    assert 0 < data["directory"]["since"] <= data["tunnel"]["since"]
    # Neither moves while nothing happens.
    again = api.get("/status").document["data"]
    assert again["tunnel"]["since"] == data["tunnel"]["since"]
    assert again["directory"]["since"] == data["directory"]["since"]
    assert connector.status()["directory"]["since"] == data["directory"]["since"]


def test_status_of_what_is_not_well(seen, stack, samba):
    made = stack.add_connector(directory=directory_settings(
        samba, password_file=write_password(stack.folder, "wrong", "wrong-password")))
    made.wait_directory("failed")
    data = Api.control(seen, made).get("/status").document["data"]
    assert data["ad"]["code"] == "failed" and data["ad"]["reason"] == "bind_refused"
    assert data["ws"]["auth"]["code"] == "not_enrolled"


def test_the_four_steps(api, seen, stack):
    *steps, end = api.post("/test").document
    assert [step["name"] for step in steps] == ["reach", "tunnel", "sign_in", "read"]
    assert all(step["passed"] for step in steps) and end == {"end": True, "passed": True}
    *steps, end = Api.control(seen, stack.add_connector()).post("/test").document
    assert not any(step["passed"] for step in steps) and end["passed"] is False


def test_a_test_waits_for_the_tunnel(own, stack, samba):
    """Right after joining it is being opened: that is no fault. For a while, not for ever."""
    connector, api = own
    for _ in range(3):
        stack.enrol(connector, wait=False, auto_approve=True)
        *steps, end = api.post("/test").document
        assert end["passed"], [(step["name"], step["code"], step["hint"]) for step in steps]
    with frozen(stack.hub.process.pid, 0):
        connector.kill("adc-cloud")
        assert connector.tunnel() == "connecting"
        begin = time.monotonic()
        *steps, end = api.post("/test").document
        assert time.monotonic() - begin < 20
    assert [step["passed"] for step in steps] == [True, False, True, True], steps
    connector.wait_tunnel("online")


def test_log(api):
    lines = api.get("/log").document
    assert lines[-1]["sequence"] - lines[0]["sequence"] == len(lines) - 1
    since = lines[-1]["sequence"]
    assert api.get(f"/log?since={since}").document[0]["sequence"] == since


def test_enroll(seen, stack, own):
    connector, api = own
    answer = api.post("/enroll", {"ticket": "https://hub.example.com/t/" + "A" * 43 + "x=y"})
    assert answer.status == 422 and answer.error["code"]
    answer = api.post("/enroll", {"ticket": stack.ticket()})
    assert (answer.status, answer.document["code"]) == (200, "pending")
    connector.wait_tunnel("pending")


def test_bundle_has_no_secret(connector, samba, tmp_path):
    path = tmp_path / "bundle.json"
    connector.ctl("bundle", str(path), json=False, check=0)
    text = path.read_text(encoding="utf-8")
    bundle = json.loads(text)
    assert bundle["status"]["connection"] == "corp"
    assert {"key", "origin"} <= set(bundle["settings"][0]) and len(bundle["log"]) > 10
    identity = connector.identity()
    for secret in (samba.service_password, ALICE.password, identity["sign"]["d"],
                   identity["seal"]["d"]):
        assert secret not in text


# The description


def test_a_session_of_the_page(seen, connector):
    """What only the page's face has; that each guards it test_web_page.py says."""
    page = Api.page(seen, connector)
    assert page.get("/status").document["data"]["connection"] == "corp"
    assert page.delete("/session").status == 200
    answer = page.get("/settings")
    assert (answer.status, answer.error["code"]) == (401, "signed_out")
    del page.headers["Authorization"]
    assert set(page.get("/status").document["data"]) == {"ws", "ad"}


def test_all_that_is_described_was_seen(request, seen):
    """Last: every route, and every member of every answer."""
    if request.config.getoption("keyword") or any("::" in name for name in request.config.args):
        pytest.skip("only with the whole file")
    assert {(method, path) for method, path, kind in seen.answers if kind == "ok"} == seen.routes()
    assert sorted(seen.described() - seen.members) == []
