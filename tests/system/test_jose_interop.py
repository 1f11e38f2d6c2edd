# SPDX-License-Identifier: ISC
"""Our JOSE against an independent one (python3-jwcrypto), in both directions.

Runs jose_tool out of the build tree named by ADC_BUILD_DIR (default: the current folder). What the
unit tests check against themselves and against vectors is checked here against another hand.
"""
import json
import os
import subprocess
import time

import pytest
from jwcrypto import jwe, jwk, jws
from jwcrypto.common import base64url_decode, base64url_encode

from . import install

TOOL = os.path.join(os.environ.get("ADC_BUILD_DIR", os.getcwd()), "jose_tool")
ALG = "ECDH-ES+A256KW"
PROTECTED = '{"enc":"A256GCM"}'
TYPE = "adconnector-verdict+jws"
SIZES = [1, 255, 256, 4096, 16384]


def tool(*args, stdin=b""):
    """The tool's output; its refusal is an AssertionError that carries its words."""
    done = subprocess.run([TOOL, *args], input=stdin, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def refusal(*args, stdin=b""):
    done = subprocess.run([TOOL, *args], input=stdin, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == b""
    return done.stderr.decode()


class Key:
    """A key pair that both sides have: a jwcrypto object and files for the tool."""

    def __init__(self, folder, name, private):
        self.jwk = jwk.JWK(**private)
        self.private = str(folder / f"{name}.private")
        self.public = str(folder / f"{name}.public")
        self.thumbprint = self.jwk.thumbprint()
        members = {name: private[name] for name in ("kty", "crv", "x", "y", "d")}
        with open(self.private, "w", encoding="ascii") as out:
            json.dump(members, out)
        del members["d"]
        with open(self.public, "w", encoding="ascii") as out:
            json.dump(members, out)


@pytest.fixture(params=["ours", "theirs"])
def keys(request, tmp_path):
    """Nine keys, made by either side."""
    made = []
    for number in range(9):
        if request.param == "ours":
            private = json.loads(tool("generate"))
        else:
            private = jwk.JWK.generate(kty="EC", crv="P-256").export(as_dict=True)
        made.append(Key(tmp_path, f"key{number}", private))
    return made


def general(text):
    """jwcrypto writes one recipient in the flattened form: turn it into the general one."""
    form = json.loads(text)
    if "recipients" not in form:
        form["recipients"] = [{"header": form.pop("header"),
                               "encrypted_key": form.pop("encrypted_key")}]
    return form


def seal(plain, recipients, protected=PROTECTED, alg=ALG, extra=None):
    """A JWE by jwcrypto, as a dictionary."""
    token = jwe.JWE(plain, protected)
    for key in recipients:
        header = {"alg": alg, "kid": key.thumbprint, **(extra or {})}
        token.add_recipient(key.jwk, json.dumps(header))
    return general(token.serialize())


def open_ours(form, key):
    return tool("open", key.private, stdin=json.dumps(form).encode())


def refused_ours(form, key):
    return refusal("open", key.private, stdin=json.dumps(form).encode())


def open_theirs(text, key):
    """With jwcrypto, of several recipients the one of this key."""
    form = json.loads(text)
    form["recipients"] = [r for r in form["recipients"] if r["header"]["kid"] == key.thumbprint]
    assert len(form["recipients"]) == 1
    token = jwe.JWE()
    token.deserialize(json.dumps(form), key.jwk)
    return token.payload


def test_thumbprints(keys):
    for key in keys:
        assert tool("thumbprint", key.public).decode().strip() == key.thumbprint
        assert tool("thumbprint", key.private).decode().strip() == key.thumbprint


@pytest.mark.parametrize("size", SIZES)
def test_they_seal_we_open(keys, size):
    plain = os.urandom(size)
    for count in (1, 2, 8):
        form = seal(plain, keys[:count])
        for key in keys[:count]:
            assert open_ours(form, key) == plain
        assert "not sealed for this connector" in refused_ours(form, keys[8])


@pytest.mark.parametrize("size", SIZES)
def test_we_seal_they_open(keys, size):
    plain = os.urandom(size)
    for count in (1, 2, 8):
        text = tool("seal", *[key.public for key in keys[:count]], stdin=plain)
        form = json.loads(text)
        assert base64url_decode(form["protected"]) == PROTECTED.encode()
        assert len({r["header"]["epk"]["x"] for r in form["recipients"]}) == count
        for key in keys[:count]:
            assert open_theirs(text, key) == plain


def test_many_times_for_leading_zeros(keys):
    """Coordinates, shared secrets and signature halves with leading zero bytes come up."""
    key = keys[0]
    public = jwk.JWK(**json.loads(key.jwk.export_public()))
    # The tool starts three times a round: slowly with sanitizers.
    for number in range(60 if install.sanitized() else 300):
        plain = b"%d" % number
        assert open_theirs(tool("seal", key.public, stdin=plain), key) == plain
        assert open_ours(seal(plain, [key]), key) == plain
        token = jws.JWS()
        token.deserialize(tool("sign", key.private, TYPE, stdin=plain).decode())
        token.verify(public)
        assert token.payload == plain


@pytest.mark.parametrize("size", [0, 1, 2, 3, 300, 65536])
def test_signatures_both_ways(keys, size):
    payload = os.urandom(size)
    ours = tool("sign", keys[0].private, TYPE, stdin=payload).decode()
    token = jws.JWS()
    token.deserialize(ours)
    token.verify(jwk.JWK(**json.loads(keys[0].jwk.export_public())))
    assert token.payload == payload
    assert token.jose_header == {"alg": "ES256", "typ": TYPE}
    with pytest.raises(jws.InvalidJWSSignature):
        token.verify(keys[1].jwk)
    token = jws.JWS(payload)
    token.add_signature(keys[0].jwk, None, json.dumps({"alg": "ES256", "typ": TYPE}))
    theirs = token.serialize(compact=True)
    assert tool("verify", keys[0].public, TYPE, stdin=theirs.encode()) == payload
    refusal("verify", keys[1].public, TYPE, stdin=theirs.encode())
    refusal("verify", keys[0].public, "adconnector-hello+jws", stdin=theirs.encode())


@pytest.mark.parametrize("header", [
    {"alg": "ES256"},
    {"alg": "ES256", "typ": "JWT"},
    {"alg": "ES256", "typ": TYPE, "kid": "1"},
    {"alg": "ES256", "typ": TYPE, "jku": "https://example.com/keys"},
    {"alg": "ES256", "typ": TYPE, "b64": True, "crit": ["b64"]},
])
def test_other_signature_headers(keys, header):
    token = jws.JWS(b"{}")
    token.add_signature(keys[0].jwk, None, json.dumps(header))
    text = token.serialize(compact=True)
    assert "refused" in refusal("verify", keys[0].public, TYPE, stdin=text.encode())


def test_other_signature_algorithms(keys):
    """alg none, and HMAC with the public key as its secret: the two old tricks."""
    head = base64url_encode(json.dumps({"alg": "none", "typ": TYPE}))
    refusal("verify", keys[0].public, TYPE, stdin=f"{head}.e30.".encode())
    with open(keys[0].public, "rb") as public:
        secret = jwk.JWK(kty="oct", k=base64url_encode(public.read()))
    token = jws.JWS(b"{}")
    token.add_signature(secret, None, json.dumps({"alg": "HS256", "typ": TYPE}))
    refusal("verify", keys[0].public, TYPE, stdin=token.serialize(compact=True).encode())


@pytest.mark.parametrize("protected,alg,extra", [
    ('{"enc":"A128GCM"}', ALG, None),
    ('{"enc":"A192GCM"}', ALG, None),
    ('{"enc":"A256CBC-HS512"}', ALG, None),
    ('{"enc": "A256GCM"}', ALG, None),
    ('{"enc":"A256GCM","zip":"DEF"}', ALG, None),
    (PROTECTED, "ECDH-ES+A128KW", None),
    (PROTECTED, "ECDH-ES+A192KW", None),
    (PROTECTED, ALG, {"apu": base64url_encode("Alice"), "apv": base64url_encode("Bob")}),
    (PROTECTED, ALG, {"typ": "JOSE"}),
    (PROTECTED, ALG, {"x5u": "https://example.com/"}),
])
def test_other_sealing(keys, protected, alg, extra):
    """Rightly made by the RFCs, and jwcrypto opens it; but not our form."""
    form = seal(b"text", [keys[0]], protected, alg, extra)
    assert open_theirs(json.dumps(form), keys[0]) == b"text"
    assert "refused" in refused_ours(form, keys[0])


def test_other_serialisations(keys):
    token = jwe.JWE(b"text", PROTECTED)
    token.add_recipient(keys[0].jwk, json.dumps({"alg": ALG, "kid": keys[0].thumbprint}))
    flattened = token.serialize()
    assert "recipients" not in json.loads(flattened)
    assert "refused" in refusal("open", keys[0].private, stdin=flattened.encode())
    token = jwe.JWE(b"text", json.dumps({"alg": ALG, "enc": "A256GCM"}))
    token.add_recipient(keys[0].jwk)
    compact = token.serialize(compact=True)
    assert "refused" in refusal("open", keys[0].private, stdin=compact.encode())
    assert "refused" in refusal("open", keys[0].private, stdin=b"")


def test_nine_recipients(keys):
    form = seal(b"text", keys[:9])
    assert "more than 8 recipients" in refused_ours(form, keys[0])


def test_additional_data_and_unprotected_header(keys):
    token = jwe.JWE(b"text", PROTECTED, aad="more")
    token.add_recipient(keys[0].jwk, json.dumps({"alg": ALG, "kid": keys[0].thumbprint}))
    assert "not allowed" in refused_ours(general(token.serialize()), keys[0])
    token = jwe.JWE(b"text", PROTECTED, json.dumps({"kid": keys[0].thumbprint}))
    token.add_recipient(keys[0].jwk, json.dumps({"alg": ALG}))
    assert "refused" in refused_ours(general(token.serialize()), keys[0])


def test_another_key_under_our_kid(keys):
    form = seal(b"text", [keys[1]])
    form["recipients"][0]["header"]["kid"] = keys[0].thumbprint
    assert "cannot be opened" in refused_ours(form, keys[0])


def test_point_off_the_curve(keys):
    form = seal(b"text", [keys[0]])
    epk = form["recipients"][0]["header"]["epk"]
    x = bytearray(base64url_decode(epk["x"]))
    x[31] ^= 1
    epk["x"] = base64url_encode(bytes(x))
    assert "not on the curve" in refused_ours(form, keys[0])


@pytest.mark.parametrize("field", ["iv", "ciphertext", "tag"])
def test_changed_field(keys, field):
    form = seal(b"text", [keys[0]])
    value = bytearray(base64url_decode(form[field]))
    value[0] ^= 1
    form[field] = base64url_encode(bytes(value))
    assert "cannot be opened" in refused_ours(form, keys[0])


def pad(content, separators=(",", ":")):
    text = json.dumps(content, ensure_ascii=False, separators=separators).encode()
    return text + b" " * (-len(text) % 256)


@pytest.mark.parametrize("password", [
    "", "simple", "p\"q\\r/s", " leading and trailing ", "\u00fcml\u00e4ut", "\u5bc6\u7801",
    "\U0001f511\U0001f600", "tab\tnew\nline", "x" * 4096, "\u00e4" * 2048, "\x7f\x01",
])
def test_content_both_ways(keys, password):
    content = {"v": 1, "op": "authenticate", "connection": "corp", "username": "CORP\\\u00e4nne",
               "iat": int(time.time()), "jti": base64url_encode(os.urandom(16)),
               "password": password}
    for form in (pad(content), pad(content, (", ", ": "))):
        opened = open_ours(seal(form, [keys[0]]), keys[0])
        read = json.loads(tool("read-content", stdin=opened))
        assert read.pop("new_password") is None
        assert read == {name: content[name] for name in content if name != "v"}
    written = tool("write-content", "authenticate", "corp", "CORP\\\u00e4nne",
                   stdin=password.encode())
    assert len(written) % 256 == 0
    opened = open_theirs(tool("seal", keys[0].public, stdin=written), keys[0])
    read = json.loads(opened)
    assert abs(read.pop("iat") - time.time()) < 60
    assert len(base64url_decode(read.pop("jti"))) == 16
    assert read == {"v": 1, "op": "authenticate", "connection": "corp",
                    "username": "CORP\\\u00e4nne", "password": password}


def test_escaped_content(keys):
    """A writer that escapes everything beyond ASCII is understood too."""
    content = {"v": 1, "op": "authenticate", "connection": "corp", "username": "a",
               "iat": 1, "jti": "A" * 22, "password": "\u00e4" * 1000 + "\U0001f511" * 500}
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 256)
    read = json.loads(tool("read-content", stdin=open_ours(seal(text, [keys[0]]), keys[0])))
    assert read["password"] == content["password"]


def test_password_one_byte_over(keys):
    content = {"v": 1, "op": "authenticate", "connection": "corp", "username": "a",
               "iat": 1, "jti": "A" * 22, "password": "x" * 4097}
    opened = open_ours(seal(pad(content), [keys[0]]), keys[0])
    assert "password longer than 4096 bytes" in refusal("read-content", stdin=opened)
    assert "password longer than 4096 bytes" in refusal(
        "write-content", "authenticate", "corp", "a", stdin=b"x" * 4097)


# RFC 7515 A.3 and RFC 7518 appendix C as jwcrypto and the tool read them from key files.
A3 = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
      "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}
A3_JWS = ("eyJhbGciOiJFUzI1NiJ9"
          ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
          "Ijp0cnVlfQ"
          ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU"
          "1Q")


def test_rfc7515_a3(tmp_path):
    key = Key(tmp_path, "a3", A3)
    token = jws.JWS()
    token.deserialize(A3_JWS)
    token.verify(key.jwk)
    # Right, but without typ: not our form.
    refusal("verify", key.public, TYPE, stdin=A3_JWS.encode())
    ours = tool("sign", key.private, TYPE, stdin=token.payload).decode()
    # The same payload has the same encoding.
    assert ours.split(".")[1] == A3_JWS.split(".")[1]
    assert tool("verify", key.public, TYPE, stdin=ours.encode()) == token.payload
