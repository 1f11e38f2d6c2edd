# SPDX-License-Identifier: ISC
"""BER for LDAP, small and able to be wrong: what a hostile server is made of.

Why: ldap3 and its encoder make good messages only, while tests of a client need lengths
that lie and fields that are missing.  The encoder writes whatever it is told; the decoder
takes only what RFC 4511 5.1 allows (definite lengths), for it reads a client under test.

X.690: BER; RFC 4511: LDAP.
"""

# Universal and application tags of LDAP.
BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0a, 0x30, 0x31
BIND_REQUEST, BIND_RESPONSE, UNBIND_REQUEST = 0x60, 0x61, 0x42
SEARCH_REQUEST, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE = 0x63, 0x64, 0x65, 0x73
ABANDON_REQUEST, EXTENDED_REQUEST, EXTENDED_RESPONSE, INTERMEDIATE = 0x50, 0x77, 0x78, 0x79
CONTROLS, REFERRAL, SASL_CREDENTIALS = 0xa0, 0xa3, 0x87
EXTENDED_NAME, EXTENDED_VALUE = 0x8a, 0x8b

NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"
STARTTLS = "1.3.6.1.4.1.1466.20037"


class BerError(Exception):
    """The client sent something that is no LDAP."""


# Writing


def length(n, size=None):
    """The length n; size: of how many bytes the long form is to be."""
    if size is None and n < 0x80:
        return bytes([n])
    data = n.to_bytes(size or (n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(data)]) + data


def tlv(tag, *parts):
    """One element around bytes that are there already."""
    content = b"".join(parts)
    return bytes([tag]) + length(len(content)) + content


def integer(n, tag=INTEGER):
    return tlv(tag, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def octets(value, tag=OCTETS):
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def message(id, operation, controls=b""):
    """An LDAPMessage; id may be bytes, to stand for an integer as they are."""
    number = tlv(INTEGER, id) if isinstance(id, bytes) else integer(id)
    return tlv(SEQUENCE, number, operation, controls)


def result(tag, code=0, diagnostic="", dn="", rest=b""):
    """BindResponse, SearchResultDone, ExtendedResponse: LDAPResult with what may follow."""
    return tlv(tag, integer(code, ENUMERATED), octets(dn), octets(diagnostic), rest)


def attribute(name, values):
    return tlv(SEQUENCE, octets(name), tlv(SET, *(octets(value) for value in values)))


def entry(dn, attributes):
    """SearchResultEntry; attributes: {name: [values]}, or [(name, values)] for doubles."""
    pairs = attributes.items() if isinstance(attributes, dict) else attributes
    return tlv(SEARCH_ENTRY, octets(dn),
               tlv(SEQUENCE, *(attribute(name, values) for name, values in pairs)))


def reference(*urls):
    return tlv(SEARCH_REFERENCE, *(octets(url) for url in urls))


def referral(*urls):
    """The part of an LDAPResult that holds URLs."""
    return tlv(REFERRAL, *(octets(url) for url in urls))


def control(oid, value=None, critical=False):
    return tlv(SEQUENCE, octets(oid), tlv(BOOLEAN, b"\xff") if critical else b"",
               b"" if value is None else octets(value))


def controls(*several):
    return tlv(CONTROLS, *several)


def notice(code=52, name=NOTICE_OF_DISCONNECTION, diagnostic="", id=0):
    """An unsolicited notification (RFC 4511 4.4)."""
    return message(id, result(EXTENDED_RESPONSE, code, diagnostic,
                              rest=octets(name, EXTENDED_NAME)))


# Reading


def read(data, at=0):
    """(tag, content, where the next begins) of one element."""
    try:
        tag, first, at = data[at], data[at + 1], at + 2
        if first & 0x80:
            if not 1 <= first & 0x7f <= 4:
                raise BerError("a length of no size that LDAP knows")
            first, at = int.from_bytes(data[at:at + (first & 0x7f)], "big"), at + (first & 0x7f)
    except IndexError:
        raise BerError("cut off") from None
    if at + first > len(data):
        raise BerError("longer than what it is in")
    return tag, data[at:at + first], at + first


def parts(content):
    """[(tag, content)] of what a constructed element holds."""
    found, at = [], 0
    while at < len(content):
        tag, inner, at = read(content, at)
        found.append((tag, inner))
    return found


def number(content):
    return int.from_bytes(content, "big", signed=True)


def next_message(receive):
    """One LDAPMessage off a stream, whole, or None at its end; receive(n): up to n bytes."""
    data = b""

    def fill(n):
        nonlocal data
        while len(data) < n:
            piece = receive(n - len(data))
            if not piece:
                return False
            data += piece
        return True

    if not fill(2):
        return None
    if data[0] != SEQUENCE:
        raise BerError("no LDAPMessage")
    more = data[1] & 0x7f if data[1] & 0x80 else 0
    if more > 4 or not fill(2 + more):
        raise BerError("cut off")
    size = int.from_bytes(data[2:2 + more], "big") if more else data[1]
    if size > 1 << 20 or not fill(2 + more + size):
        raise BerError("cut off, or too long")
    return data
