# SPDX-License-Identifier: ISC
"""What a person is told and advised at the first steps: it is true from the first moment, and
what is advised is not refused."""

import subprocess

import pytest

from . import install
from .stack import directory_settings, free_port, write_password
from .test_parent import replace  # noqa: F401  (a fixture)


def steps(connector):
    return {step["name"]: step for step in connector.ctl("test").json["steps"]}


# The tunnel does not stand


def test_values_of_cloud_are_saved_while_a_tunnel_is_being_opened(new_stack, replace):  # noqa: F811
    """Between two tries or in the midst of one: a bad value that was saved can be taken back."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector()
    stack.enrol(connector)
    connector.expect("cloud|unreachable|proxy")
    connector.stop()
    replace("adc-cloud", """
        ready()
        send("TUNNEL_STATE", b"\\1" + s(b"") * 2 + struct.pack("<Q", 0))
        until("DRAIN")
    """)
    connector.start()
    connector.wait_tunnel("connecting")
    proxy = f"http://127.0.0.1:{free_port()}"
    for arguments in ([f"cloud.proxy={proxy}"], ["cloud.proxy="], ["--revert"], ["--revert"]):
        assert connector.tunnel() == "connecting"
        answer = connector.ctl("set", *arguments)
        assert answer.status == 0 and "not tried" in answer.json["message"], answer
        assert "tunnel did not stand" in answer.json["message"]
    shown = connector.ctl("settings", "cloud.proxy", check=0).json["settings"]
    assert "value" not in shown[0]


def test_values_of_cloud_without_an_enrolment(new_stack):
    connector = new_stack().add_connector()
    for arguments in (["cloud.proxy=http://127.0.0.1:9"], ["--revert"]):
        message = connector.ctl("set", *arguments, check=0).json["message"]
        assert "not tried" in message and "not enrolled" in message, message
    # Nothing of cloud, nothing to try.
    message = connector.ctl("set", "directory.base=DC=lab,DC=test", check=0).json["message"]
    assert "not tried" not in message


# The first word of a start


def test_the_first_state_told_is_the_true_one(new_stack, samba, replace):  # noqa: F811
    """Before the children have said a word."""
    stack = new_stack()
    stack.add_connection("corp")
    connector = stack.add_connector(directory=directory_settings(samba))
    stack.enrol(connector)
    connector.stop()
    for name in ("adc-cloud", "adc-directory"):
        replace(name, "hello(); time.sleep(600)")
    connector.expect("did not get ready|cloud|directory")
    connector.start()
    status = connector.status()
    assert (status["tunnel"]["state"], status["directory"]["state"]) == ("connecting", "connecting")


# What is missing


def test_status_says_what_to_do(new_stack, samba):
    connector = new_stack().add_connector()
    shown = connector.ctl("status", json=False, check=0).out
    assert "not enrolled: make a ticket at the hub (adhubctl ticket new)" in shown
    assert "not configured: no AD server, user or password is set; adconnectorctl set" in shown
    connector.ctl("set", f"directory.server={samba.url}", f"directory.user={samba.service_dn}",
                  f"directory.tls.ca={samba.ca_file}", "directory.password",
                  input=samba.service_password, check=0)
    connector.wait_directory()
    connector.ctl("set", "directory.password=", check=0)
    shown = connector.ctl("status", json=False, check=0).out
    assert "not configured: directory.password is missing; adconnectorctl set directory.password" \
        in shown
    reach = steps(connector)["reach"]
    assert reach["text"] == "directory.password is missing"
    assert reach["hint"] == "adconnectorctl set directory.password"


def test_a_server_in_the_file_without_a_user(new_stack):
    """The rest cannot be set: the file is named that has to be completed."""
    connector = new_stack().add_connector(directory={"server": ["ldaps://dc1.lab.test"]})
    assert "locked" in connector.ctl("set", "directory.user=reader@lab.test").text
    advice = f"add directory.user and directory.password_file to {connector.config}, which gives " \
        "directory.server in line "
    reach = steps(connector)["reach"]
    assert reach["text"] == "directory.user and directory.password_file are missing"
    assert reach["hint"].startswith(advice) and "ctl set" not in reach["hint"]
    assert advice in connector.ctl("status", json=False, check=0).out
    assert advice in connector.ctl("explain", "alice").text
    assert advice in connector.ctl("set", "cloud.proxy=http://127.0.0.1:9").text
    assert f"nobody can log in: {reach['text']}: {advice}" in connector.log()
    checked = subprocess.run([install.program("adconnectord"), "-n", "-c", connector.config],
                             capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0 and f"warning: {reach['text']}: {advice}" in checked.stderr


def test_nothing_is_missing_that_ctl_can_give(new_stack):
    connector = new_stack().add_connector()
    checked = subprocess.run([install.program("adconnectord"), "-n", "-c", connector.config],
                             capture_output=True, text=True, timeout=20, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "nobody can log in" not in connector.log()


def test_a_wrong_password_in_a_file(new_stack, samba):
    stack = new_stack()
    path = write_password(stack.folder, "not-the-Passw0rd", "wrong-password")
    connector = stack.add_connector(directory=directory_settings(samba, password_file=path))
    connector.expect("refuses")
    connector.wait_directory("failed")
    sign_in = steps(connector)["sign_in"]
    assert sign_in["code"] == "bind_refused"
    assert "the file of directory.password_file" in sign_in["hint"]
    assert sign_in["hint"].endswith(f": {path}") and "set directory" not in sign_in["hint"]
    samba.directory.unlock(samba.service_user)


@pytest.mark.parametrize("block", ["directory", "cloud"])
def test_a_file_without_a_certificate(new_stack, tmp_path, block):
    path = tmp_path / "no-certificate"
    path.write_text("root:x:0:0:root:/root:/bin/bash\n", encoding="ascii")
    stack = new_stack()
    connector = stack.add_connector(
        start=False, **{block: {"tls": {"ca": str(path)}} if block == "directory"
                        else {"ca": str(path)}})
    done = connector.run_once()
    key = "directory.tls.ca" if block == "directory" else "cloud.ca"
    assert done.returncode == 1
    assert f"{path}: it holds no certificate in PEM form" in done.stderr.decode()
    assert f"{key} cannot be used" in done.stderr.decode()
    stack.connectors.remove(connector)


# A directory that is away


def test_explained_while_the_controller_is_away(new_stack, fresh_samba):
    """The person was never looked for: that is the step that failed."""
    connector = new_stack().add_connector(directory=directory_settings(fresh_samba))
    connector.wait_directory()
    fresh_samba.stop()
    connector.expect("directory|cannot|reach|lost|closed")
    connector.wait_directory("failed", seconds=60)
    document = connector.ctl("explain", "alice").json
    assert [step["name"] for step in document["steps"]] == ["person"], document
    assert "explained a name that could not be looked for: directory_unavailable" in connector.log()
    assert "a name that nobody has" not in connector.log()
