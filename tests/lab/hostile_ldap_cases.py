# SPDX-License-Identifier: ISC
"""The named misbehaviours of hostile_ldap.py, each with the answers that are right for it.

Why: one table serves the tests of the one process and those of the whole machine, so that
both ask the same.  What it may lead to is said here once, beside the misbehaviour: a fault
of a server is never "wrong password", and nothing but a bind's success is "ok".
"""

import socket
from dataclasses import dataclass

from . import ber
from .hostile_ldap import AD_REFUSAL, End, HostileLdap

FAULT = frozenset(("directory_unavailable", "timeout", "internal"))
OK = frozenset(("ok",))
INTERNAL = frozenset(("internal",))
UNAVAILABLE = frozenset(("directory_unavailable",))
WRONG = frozenset(("invalid_credentials",))
NOT_ALLOWED = frozenset(("not_allowed",))
AMBIGUOUS = frozenset(("ambiguous_user",))

MEBIBYTE = 1 << 20
ESCAPES = "\x1b[31m\r\nerror: parent: forged\n\x9b2J"
INTERMEDIATE = ber.tlv(ber.INTERMEDIATE, ber.octets("1.2.3.4", 0x80))
ATTACKER = "ldap://127.0.0.99:389/"


@dataclass(frozen=True)
class Case:
    """act(connection, request) at the step; slow: it ends by a time-out of the client."""
    name: str
    step: str
    act: object
    expect: frozenset
    slow: bool = False
    binds: int = 1  # passwords that may have been sent, at most

    @property
    def on(self):
        """What HostileLdap.on is to be."""
        return at(self.step, self.act)


CASES = []


def case(name, step, act, expect, **more):
    CASES.append(Case(name, step, act, expect, **more))


def by_name(name):
    return next(one for one in CASES if one.name == name)


def at(step, act):
    """Also for somebody who logged in before: nobody is found where they were found then."""
    return {"known": search_result(32), step: act}


def raw(data):
    """Sends these bytes whatever was asked."""
    return lambda connection, request: data


def around(before=b"", after=b""):
    """The good answer, with messages before and behind it; functions of the request, or bytes."""
    def one(part, request):
        return part(request) if callable(part) else part
    return lambda connection, request: (
        one(before, request) + connection.good(request) + one(after, request))


def answers(*operations, controls=b""):
    """These operations under the request's id."""
    return lambda connection, request: b"".join(
        ber.message(request.id, one, controls) for one in operations)


def bind_result(code, diagnostic="", rest=b"", controls=b""):
    return answers(ber.result(ber.BIND_RESPONSE, code, diagnostic, rest=rest), controls=controls)


def search_result(code, diagnostic="", rest=b""):
    return answers(ber.result(ber.SEARCH_DONE, code, diagnostic, rest=rest))


def nobody(_connection, request):
    """A search that finds nothing."""
    return ber.message(request.id, ber.result(ber.SEARCH_DONE))


def shown(change, dn=None):
    """The person's entry, changed: change(attributes) gives others; dn: bytes, or a function."""
    def act(connection, request):
        person = connection.server.person_asked(request)
        if person is None:
            return nobody(connection, request)
        name = person.dn if dn is None else dn(connection.server) if callable(dn) else dn
        return b"".join(ber.message(request.id, one) for one in (
            ber.entry(name, change(dict(person.entry))), ber.result(ber.SEARCH_DONE)))
    return act


def known(**values):
    """The entry and its groups where they were found before, with these attributes instead."""
    def act(connection, request):
        person = connection.server.by_dn(request.dn)
        attributes = {**person.entry, "tokenGroups": person.groups, **values}
        return b"".join(ber.message(request.id, one) for one in (
            ber.entry(person.dn, {name: value for name, value in attributes.items()
                                  if value is not None}),
            ber.result(ber.SEARCH_DONE)))
    return act


def with_values(**values):
    """The entry with these attributes instead; None takes one out."""
    def change(attributes):
        for name, value in values.items():
            name = name.replace("_", "-")
            attributes.pop(name, None)
            if value is not None:
                attributes[name] = value
        return attributes
    return shown(change)


def token_groups(values, name="tokenGroups"):
    return lambda connection, request: b"".join(ber.message(request.id, one) for one in (
        ber.entry(request.dn, {name: values}), ber.result(ber.SEARCH_DONE)))


def endless(part):
    """The same message until the client has gone, or the test has seen enough."""
    def act(connection, request):
        release = connection.server.release
        data = ber.message(request.id, part(connection, request)) * 64
        while not release.is_set():
            connection.send(data)
        raise End()
    return act


def silent(connection, _request):
    """No answer until the test has seen enough, and nothing is read."""
    connection.server.release.wait(60)
    raise End()


def drip(connection, request):
    """The good answer, a byte at a time."""
    release = connection.server.release
    for byte in connection.good(request):
        connection.send(bytes([byte]))
        if release.wait(1):
            break
    raise End()


def late(connection, request):
    """The good answer, when nobody waits for it any more."""
    connection.server.release.wait(60)
    return connection.good(request)


def close(connection, _request):
    raise End()


def reset(connection, _request):
    raise End(reset=True)


def answer_and_reset(connection, request):
    connection.send(connection.good(request))
    raise End(reset=True)


def cut_at(n):
    """The first n bytes of the good answer, then the end of the connection."""
    def act(connection, request):
        connection.send(connection.good(request)[:n])
        raise End()
    return act


def shorter(n):
    """The good answer's first message, its inside cut to n bytes, in a whole message."""
    def act(connection, request):
        return ber.tlv(ber.SEQUENCE, ber.read(connection.good(request))[1][:n])
    return act


def nested(depth):
    data = b""
    for _ in range(depth):
        data = ber.tlv(ber.SEQUENCE, data)
    return data


def aborted_handshake(connection, _request):
    """The ClientHello is read, half a record goes back, and the connection ends."""
    connection.sock.recv(4096)
    connection.sock.sendall(b"\x16\x03\x03\x40\x00\x02")
    raise End()


def injected(connection, request):
    """StartTLS is taken, and with it comes, in clear, the answer to the bind that follows."""
    return connection.good(request) + ber.message(request.id + 1, ber.result(ber.BIND_RESPONSE))


def injected_later(connection, request):
    """The same, in a segment of its own, before the handshake."""
    connection.send(connection.good(request))
    connection.sock.recv(1, socket.MSG_PEEK)  # its ClientHello has been sent
    return ber.message(request.id + 1, ber.result(ber.BIND_RESPONSE))


# Messages that are none, where a person is searched and where a password is tried.

for STEP in ("person", "user_bind"):
    for NAME, DATA in (
            ("length_of_2_31", b"\x30\x84\x80\x00\x00\x00\x02\x01\x01"),
            ("length_of_2_63", b"\x30\x88\x80" + bytes(7) + b"\x02\x01\x01"),
            ("length_of_127_bytes", b"\x30\xff" + b"\xff" * 127),
            ("length_indefinite", b"\x30\x80\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00\0\0"),
            ("length_over_the_limit", b"\x30" + ber.length(5 * MEBIBYTE) + bytes(MEBIBYTE)),
            ("nested_10000_deep", ber.message(2, nested(10000))),
            ("empty_message", b"\x30\x00"),
            ("message_without_operation", b"\x30\x03\x02\x01\x02"),
            ("http", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            ("zeros", bytes(4096)),
            ("id_of_nine_bytes", ber.message(b"\x01" + bytes(8), ber.result(ber.SEARCH_DONE))),
            ("id_empty", ber.message(b"", ber.result(ber.SEARCH_DONE))),
            ("id_negative", ber.message(-1, ber.result(ber.SEARCH_DONE))),
            ("id_least", ber.message(-0x80000000, ber.result(ber.BIND_RESPONSE))),
            ("id_of_2_31", ber.message(0x80000000, ber.result(ber.BIND_RESPONSE))),
            ("id_zero_result", ber.message(0, ber.result(ber.BIND_RESPONSE))),
            ("notice_of_disconnection", ber.notice()),
            ("notice_with_a_long_word", ber.notice(diagnostic=ESCAPES * 2000))):
        case(f"{STEP}_{NAME}", STEP, raw(DATA), FAULT)
    case(f"{STEP}_length_longer_than_data", STEP,
         lambda connection, request: b"\x30\x84\x00\x01\x00\x00"
         + ber.read(connection.good(request))[1],
         FAULT, slow=True)
    case(f"{STEP}_never_answered", STEP, silent, FAULT, slow=True)
    case(f"{STEP}_answered_late", STEP, late, FAULT, slow=True)
    case(f"{STEP}_a_byte_a_second", STEP, drip, FAULT, slow=True)
    case(f"{STEP}_closed", STEP, close, FAULT)
    case(f"{STEP}_reset", STEP, reset, FAULT)
    case(f"{STEP}_unknown_notification", STEP, around(ber.notice(0, "1.2.3.4.5")), OK)
    case(f"{STEP}_flood_of_notifications", STEP, around(ber.notice(0, "1.2.3.4.5") * 5000),
         FAULT)
    case(f"{STEP}_answer_for_a_later_request", STEP,
         lambda connection, request: ber.message(request.id + 1000, ber.result(
             ber.BIND_RESPONSE)) + connection.good(request), OK)
    case(f"{STEP}_answer_for_an_older_request", STEP,
         lambda connection, request: ber.message(1, ber.result(
             ber.BIND_RESPONSE)) + connection.good(request), OK)
    case(f"{STEP}_intermediate_responses", STEP,
         around(lambda request: ber.message(request.id, INTERMEDIATE) * 3), OK)
    case(f"{STEP}_endless_intermediate_responses", STEP,
         endless(lambda connection, request: INTERMEDIATE), FAULT)
    for NAME, CONTROL in (
            ("garbage", ber.tlv(ber.CONTROLS, b"\xff\xff\xff")),
            ("without_oid", ber.controls(ber.tlv(ber.SEQUENCE))),
            ("password_policy", ber.controls(ber.control("1.3.6.1.4.1.42.2.27.8.5.1",
                                                         b"\x30\x84\xff\xff\xff\xff\xa0"))),
            ("paged", ber.controls(ber.control("1.2.840.113556.1.4.319",
                                               b"\x30\x05\x02\x01\xff\x04\x7f"))),
            ("dirsync", ber.controls(ber.control("1.2.840.113556.1.4.841", b"\x30\x80\x02"))),
            ("critical", ber.controls(ber.control("1.2.3.4", b"", True)))):
        GOOD = ber.SEARCH_DONE if STEP == "person" else ber.BIND_RESPONSE
        # What a control says is not looked at: with nobody found it is "unknown user".
        case(f"{STEP}_control_{NAME}", STEP, answers(ber.result(GOOD), controls=CONTROL),
             (WRONG if STEP == "person" else OK) | FAULT)

# Answers of the wrong kind.

for NAME, TAG in (("search_result", ber.SEARCH_DONE), ("extended_result", ber.EXTENDED_RESPONSE),
                  ("modify_result", 0x67), ("unknown_kind", 0x7e)):
    case(f"bind_answered_by_{NAME}", "user_bind", answers(ber.result(TAG)), FAULT)
case("bind_answered_by_an_entry", "user_bind",
     answers(ber.entry("CN=x", {}), ber.result(ber.BIND_RESPONSE)), FAULT)
case("bind_answered_by_a_reference", "user_bind",
     answers(ber.reference(ATTACKER), ber.result(ber.BIND_RESPONSE)), FAULT)
case("search_answered_by_bind_result", "person", answers(ber.result(ber.BIND_RESPONSE)), FAULT)
case("search_answered_by_extended_result", "person",
     answers(ber.result(ber.EXTENDED_RESPONSE)), FAULT)

# Two answers to one request.

case("bind_twice_ok", "user_bind", around(after=lambda request: ber.message(
    request.id, ber.result(ber.BIND_RESPONSE))), OK)
case("bind_ok_then_refused", "user_bind", around(after=lambda request: ber.message(
    request.id, ber.result(ber.BIND_RESPONSE, 49, AD_REFUSAL.format("52e")))), OK)
case("bind_refused_then_ok", "user_bind",
     answers(ber.result(ber.BIND_RESPONSE, 49, AD_REFUSAL.format("52e")),
             ber.result(ber.BIND_RESPONSE)), WRONG)
case("bind_answered_with_the_next_ones", "user_bind", around(after=lambda request: b"".join(
    ber.message(request.id + n, ber.result(ber.BIND_RESPONSE)) for n in range(1, 50))), OK)
case("entries_after_done", "person", around(after=lambda request: ber.message(
    request.id, ber.entry("CN=late,DC=test", {"sAMAccountName": ["alice"]})) * 50), OK)
case("bind_ok_then_reset", "user_bind", answer_and_reset, OK | UNAVAILABLE)

# Without end, and large.

case("endless_entries", "person", endless(lambda connection, request: ber.entry(
    "CN=x", {"objectClass": ["contact"]})), AMBIGUOUS | FAULT)
case("endless_references", "person", endless(lambda connection, request: ber.reference(
    ATTACKER)), FAULT)
case("endless_foreign_answers", "person", endless(lambda connection, request: b""), FAULT)
case("entry_with_30000_values", "person",
     with_values(memberOf=[f"CN=Group-{n:06d},DC=hostile" for n in range(30000)]), OK)
# Each takes two bytes on the wire and many more in memory.
case("entry_with_400000_empty_values", "person", with_values(memberOf=[b""] * 400000), OK)
case("value_of_10_mebibytes", "person", with_values(displayName=[b"x" * (10 * MEBIBYTE)]), FAULT)
case("bind_answer_of_3_mebibytes", "user_bind", bind_result(0, "x" * (3 * MEBIBYTE)), FAULT)

# References and referrals. Nobody may follow them, least of all with a password.

case("references_beside_the_entry", "person", around(lambda request: ber.message(
    request.id, ber.reference(ATTACKER, ATTACKER + "DC=x??sub"))), OK)
case("referral_to_a_search", "person",
     search_result(10, rest=ber.referral(ATTACKER)), FAULT)
case("referral_to_a_bind", "user_bind", bind_result(10, rest=ber.referral(ATTACKER)), FAULT)
case("success_with_a_referral", "user_bind", bind_result(0, rest=ber.referral(ATTACKER)), OK)
case("reference_that_is_no_url", "person", around(lambda request: ber.message(
    request.id, ber.reference(b"\xff\0" * 500, ESCAPES))), OK)

# An entry that is not as it should be.

for NAME, VALUES in (("objectGUID_absent", None), ("objectGUID_short", [b"x" * 15]),
                     ("objectGUID_long", [b"x" * 17]), ("objectGUID_empty", [b""]),
                     ("objectGUID_twice", [b"a" * 16, b"b" * 16]),
                     ("objectSid_short", [b"\x01\x05"]),
                     ("objectSid_of_revision_9", [b"\x09" + HostileLdap.sid(2000)[1:]]),
                     ("objectSid_of_255_parts", [b"\x01\xff" + bytes(6 + 4 * 255)]),
                     ("objectSid_twice", [HostileLdap.sid(2000), HostileLdap.sid(500)]),
                     ("sAMAccountName_absent", None), ("sAMAccountName_with_nul", [b"alice\0x"]),
                     ("sAMAccountName_of_bad_utf8", [b"alice\xc3"]),
                     ("sAMAccountName_twice", ["alice", "administrator"]),
                     ("userAccountControl_absent", None), ("userAccountControl_word", ["normal"]),
                     ("userAccountControl_empty", [""]),
                     ("userAccountControl_of_2_32", [str(2 ** 32 + 512)]),
                     ("userAccountControl_of_30_digits", ["5" * 30]),
                     ("userAccountControl_twice", ["512", "514"]),
                     ("objectClass_absent", None)):
    case(NAME, "person", with_values(**{NAME.split("_")[0]: VALUES}), INTERNAL, binds=0)
case("attribute_not_asked_for", "person",
     with_values(unicodePwd=["secret"], **{"member;range=0-*": ["CN=x"], "x" * 5000: ["y"]}), OK)
case("more_attributes_than_anybody_asks", "person", shown(lambda attributes: {
    **attributes, **{f"x{n}": ["y"] for n in range(5000)}}), OK)
case("attribute_twice", "person", shown(lambda attributes: [
    *attributes.items(), ("objectGUID", [b"z" * 16])]), INTERNAL, binds=0)
case("attribute_cut_in_the_middle", "person", lambda connection, request: ber.message(
    request.id, ber.tlv(ber.SEARCH_ENTRY, ber.octets("CN=x"), ber.tlv(
        ber.SEQUENCE, ber.tlv(ber.SEQUENCE, b"\x04\x7fshort")))) + connection.good(request), FAULT)
case("times_that_overflow", "person",
     with_values(badPasswordTime=["9" * 30], lockoutTime=[str(2 ** 63)], badPwdCount=["0"]), OK)
case("count_that_overflows", "person",
     with_values(badPwdCount=[str(2 ** 63 - 1)], badPasswordTime=[str(2 ** 63 - 1)]),
     OK | frozenset(("lockout_protected",)))
case("count_below_zero", "person", with_values(badPwdCount=["-2147483648"]), OK)
case("texts_of_bad_utf8", "person", with_values(
    displayName=[b"\xff\xfe"], mail=[b"a\0b"], title=[b"\xed\xa0\x80"]), OK)
case("texts_with_escapes", "person", with_values(displayName=[ESCAPES], title=[ESCAPES]), OK)
for NAME, DN in (("empty", b""), ("with_nul", b"CN=alice\0,DC=test"), ("bad_utf8", b"CN=\xc3\x28"),
                 ("of_5000_bytes", b"CN=" + b"x" * 5000)):
    case(f"dn_{NAME}", "person", shown(lambda attributes: attributes, DN), INTERNAL, binds=0)
# Asked who is there, the server tells of another, and of nobody.
case("dn_of_somebody_else", "person", shown(
    lambda attributes: attributes, lambda server: server.people["bob"].dn), UNAVAILABLE)
case("dn_with_escapes", "person", shown(
    lambda attributes: attributes, b"CN=\x1b[31m\r\nerror: x,DC=test"), UNAVAILABLE)


def somebody_elses_entry(connection, request):
    person = connection.server.people["bob"]
    return b"".join(ber.message(request.id, one) for one in (
        ber.entry(person.dn, person.entry), ber.result(ber.SEARCH_DONE)))


def two_of_one_name(connection, request):
    people = connection.server.people
    twin = {**people["bob"].entry, "sAMAccountName": ["alice"]}
    return b"".join(ber.message(request.id, one) for one in (
        ber.entry(people["alice"].dn, people["alice"].entry), ber.entry(people["bob"].dn, twin),
        ber.result(ber.SEARCH_DONE)))


case("somebody_elses_entry", "person", somebody_elses_entry, WRONG, binds=0)
case("two_of_one_name", "person", two_of_one_name, AMBIGUOUS, binds=0)

# Results.

for CODE in (1, 2, 3, 4, 8, 10, 11, 14, 16, 50, 51, 52, 53, 80, 118, 2 ** 31 - 1, -1, -5):
    NAME = f"minus_{-CODE}" if CODE < 0 else str(CODE)
    case(f"bind_result_{NAME}", "user_bind",
         bind_result(CODE, "comment: AcceptSecurityContext error, data 52e, v1db1"), FAULT)
    case(f"search_result_{NAME}", "person", search_result(CODE, "data 52e"),
         AMBIGUOUS if CODE == 4 else FAULT, binds=0)
case("bind_in_progress_with_credentials", "user_bind",
     bind_result(14, rest=ber.octets(b"go on", ber.SASL_CREDENTIALS)), FAULT)
case("success_with_credentials", "user_bind",
     bind_result(0, rest=ber.octets(b"x" * 1000, ber.SASL_CREDENTIALS)), OK)
case("refusal_without_a_code", "user_bind", bind_result(49), WRONG)
case("refusal_with_an_unknown_code", "user_bind", bind_result(49, AD_REFUSAL.format("999")),
     INTERNAL)
case("code_of_a_lock_in_another_place", "user_bind",
     bind_result(49, "user 'x, data 775, ': " + AD_REFUSAL.format("52e")), WRONG)
case("success_that_talks_of_a_refusal", "user_bind", bind_result(0, AD_REFUSAL.format("52e")),
     OK)
case("diagnostic_of_64_kibibytes", "user_bind",
     bind_result(49, ESCAPES * (65536 // len(ESCAPES)) + AD_REFUSAL.format("52e")), WRONG)
case("diagnostic_with_nul", "user_bind", bind_result(49, "\0" + AD_REFUSAL.format("52e")),
     WRONG | FAULT)
case("search_diagnostic_of_64_kibibytes", "person",
     search_result(51, ESCAPES * (65536 // len(ESCAPES))), FAULT, binds=0)

# Groups.

SIDS = [HostileLdap.sid(3000 + number) for number in range(10000)]
for NAME, VALUES in (("short", [b"\x01\x05"]), ("of_revision_9", [b"\x09" + SIDS[0][1:]]),
                     ("of_255_parts", [b"\x01\xff" + bytes(6 + 4 * 255)]), ("empty", [b""]),
                     ("one_of_many_bad", [*SIDS[:100], b"x", *SIDS[100:200]]), ("none", []),
                     ("10000", SIDS)):
    # Whoever is in groups that cannot be read may be an administrator.
    case(f"token_groups_{NAME}", "groups", token_groups(VALUES), NOT_ALLOWED, binds=0)
case("token_groups_in_a_range", "groups", token_groups(SIDS[:10], "tokenGroups;range=0-9"),
     NOT_ALLOWED, binds=0)
case("token_groups_4000", "groups", token_groups(SIDS[:4000]), OK)
case("token_groups_of_an_administrator", "groups",
     token_groups([HostileLdap.sid(513), HostileLdap.sid(512)]), NOT_ALLOWED, binds=0)
case("token_groups_without_an_entry", "groups", nobody, NOT_ALLOWED, binds=0)
# Not to be shown them is an answer; trouble says nothing of the person.
for CODE in (1, 3, 11, 32, 50, 51, 52, 53, 80):
    case(f"token_groups_result_{CODE}", "groups", search_result(CODE),
         NOT_ALLOWED if CODE == 50 else UNAVAILABLE, binds=0)
case("token_groups_notice", "groups", raw(ber.notice()), FAULT, binds=0)
case("token_groups_never_answered", "groups", silent, FAULT, slow=True, binds=0)

# Where somebody was found before. What is not told there is looked for as ever.

for CODE in (1, 3, 4, 10, 11, 32, 50, 52, 53, 80):
    case(f"known_result_{CODE}", "known", search_result(CODE), OK)
case("known_busy", "known", search_result(51), UNAVAILABLE, binds=0)
case("known_without_an_entry", "known", nobody, OK)
case("known_of_another_name", "known", known(sAMAccountName=["mallory"]), OK)
case("known_without_a_name", "known", known(sAMAccountName=None), OK)
case("known_computer", "known", known(objectClass=["top", "user", "computer"]), OK)
case("known_without_guid", "known", known(objectGUID=None), OK)
case("known_twice", "known", lambda connection, request: b"".join(
    ber.message(request.id, ber.entry(request.dn, connection.server.by_dn(request.dn).entry))
    for _ in range(2)) + ber.message(request.id, ber.result(ber.SEARCH_DONE)), OK)
case("known_notice", "known", raw(ber.notice()), OK | FAULT)
case("known_closed", "known", close, OK | FAULT)
case("known_length_of_2_31", "known", raw(b"\x30\x84\x80\x00\x00\x00"), OK | FAULT)
case("known_never_answered", "known", silent, OK | FAULT, slow=True)
case("known_groups_none", "known", known(tokenGroups=None), OK)
case("known_groups_of_255_parts", "known", known(tokenGroups=[b"\x01\xff" + bytes(6 + 4 * 255)]),
     OK)
case("known_groups_10000", "known", known(tokenGroups=SIDS), OK)
case("known_groups_of_an_administrator", "known",
     known(tokenGroups=[HostileLdap.sid(513), HostileLdap.sid(512)]), NOT_ALLOWED, binds=0)
case("known_administrator", "known", known(adminCount=["1"]), NOT_ALLOWED, binds=0)
case("known_locked", "known", known(**{"msDS-User-Account-Control-Computed": ["16"]}),
     frozenset(("account_locked",)), binds=0)
case("group_names_unknown", "names", nobody, OK)
case("group_names_busy", "names", search_result(51), OK)
case("group_names_of_bad_utf8", "names", lambda connection, request: b"".join(
    ber.message(request.id, one) for one in (ber.entry("CN=x", {
        "objectSid": [HostileLdap.sid(1101)], "objectGUID": [b"g" * 16],
        "sAMAccountName": [b"\xff"]}), ber.result(ber.SEARCH_DONE))), OK)
case("group_names_endless", "names", endless(lambda connection, request: ber.entry(
    "CN=x", {"objectSid": [HostileLdap.sid(1101)], "objectGUID": [b"g" * 16],
             "sAMAccountName": ["x"]})), OK | FAULT)
case("group_names_notice", "names", raw(ber.notice()), OK | FAULT)
case("group_names_never_answered", "names", silent, OK | FAULT, slow=True)
