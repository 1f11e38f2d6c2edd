# SPDX-License-Identifier: ISC
"""Sealed texts and verdicts as another hand makes and reads them.

Why: python3-jwcrypto knows nothing of our JOSE, so a login that it sealed shows
that docs/tunnel-protocol.md sections 6 and 7 are all that a client needs.
"""

import json
import secrets

from jwcrypto import jwe, jwk

PROTECTED = '{"enc":"A256GCM"}'


def content(username, password, now, connection, changes=None):
    """The plain text, padded; `changes` replaces members, None takes one out."""
    members = {"v": 1, "op": "authenticate", "connection": connection,
               "username": username, "iat": now,
               "jti": secrets.token_urlsafe(16), "password": password}
    members.update(changes or {})
    text = json.dumps({key: value for key, value in members.items()
                       if value is not None}, ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 256)


def seal(plain, recipients):
    """A JWE in the general form for `recipients` of /login/keys."""
    token = jwe.JWE(plain, PROTECTED)
    for one in recipients:
        token.add_recipient(
            jwk.JWK(**{name: one["jwk"][name] for name in ("kty", "crv", "x", "y")}),
            json.dumps({"alg": "ECDH-ES+A256KW", "kid": one["kid"]}))
    form = json.loads(token.serialize())
    if "recipients" not in form:
        form["recipients"] = [{"header": form.pop("header"),
                               "encrypted_key": form.pop("encrypted_key")}]
    return form


def thumbprint(public):
    """RFC 7638 of a P-256 key, as `kid` is."""
    return jwk.JWK(**{name: public[name] for name in ("kty", "crv", "x", "y")}).thumbprint()
