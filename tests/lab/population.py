# SPDX-License-Identifier: ISC
"""The people and groups that the lab's directory is filled with.

Why: every state AD knows and every kind of name and password that has broken
directory software, under fixed names, so that a test can say ANNA and mean
it.  No real person is meant.
"""

from dataclasses import dataclass, field

from .directory import (GROUP_DISTRIBUTION, GROUP_DOMAIN_LOCAL,
                        GROUP_GLOBAL, GROUP_UNIVERSAL, UAC_NEVER_EXPIRES, UAC_NORMAL)

SERVICE_USER = "svc-adconnector"
SERVICE_PASSWORD = "Service-Account-1 of the lab"

LOCKOUT_THRESHOLD = 5


@dataclass
class Person:
    """One account; `data` is AD's reason when the right password is given."""
    name: str
    password: str
    cn: str = ""
    given: str = ""
    surname: str = ""
    mail: str = ""
    state: str = ""
    data: str = ""
    unit: str = ""
    attributes: dict = field(default_factory=dict)


# Plain accounts, odd names, odd passwords.
ALICE = Person("alice", "Wonder-Land 7", "Alice Adams", "Alice", "Adams",
               "alice@lab.test", attributes={
                   "title": "Engineer", "department": "Research",
                   "telephoneNumber": "+49 30 1234567",
                   "displayName": "Alice Adams"})
BOB = Person("bob", "Builder-Of 9 Houses", "Bob Brown", "Bob", "Brown",
             "bob@lab.test")
JUERGEN = Person("jürgen.groß", "Grüße-aus-Köln 1ß", "Groß, Jürgen",
                 "Jürgen", "Groß", "juergen.gross@lab.test")
YAMADA = Person("yamada", "密码-パスワード-Pw1", "山田 太郎", "太郎", "山田",
                "yamada@lab.test")
HANZI = Person("王小明", "Xiao-Ming 小明 1", "王 小明", "小明", "王")
EMOJI = Person("emma", "emoji-😀🔑👩‍👩‍👧-Pw1", "Emma Ek 😀", "Emma", "Ek")
QUOTES = Person("o'brien", "quo\"te's-\\back\\-1A", "O'Brien (Sales) \"Pat\"",
                "Pat", "O'Brien", "pat.o'brien@lab.test")
SPACES = Person("spaces", "  spaces at both ends 1A  ", "Spaces  In  The Middle")
COMMA = Person("comma", "Comma,plus+1;less<>=", "Comma, Dora + Söhne; <x>=1",
               "Dora", "Comma")
HASH = Person("hash", "#hash-And-1*()", "#1 Fan (*)", unit="Sales, EMEA")
SLASH = Person("slash", "back\\slash/For-1", "back\\slash / forward")
LONG = Person("twentycharacters.ab", "L0ng-" + "ä" * 100, "L" * 60)
# Names people type: a UPN elsewhere, none at all, no mail.
ERIKA = Person("erika", "Other-Suffix 1", "Erika Elsewhere", "Erika",
               "Elsewhere", attributes={
                   "userPrincipalName": "erika@elsewhere.example"})
NOUPN = Person("noupn", "No-Principal 1", "No Principal",
               attributes={"userPrincipalName": None})
# Groups: a changed primary group, an administrator.
PAULA = Person("paula", "Primary-Group 1", "Paula Primary", "Paula", "Primary",
               "paula@lab.test")
ADMIN = Person("helpdesk-admin", "Domain-Admin-2!", "Helga Desk", "Helga",
               "Desk")
# Every state.
DISABLED = Person("disabled", "State-Disabled-1", state="disabled", data="533")
EXPIRED = Person("expired", "State-Expired-1", state="expired", data="701")
MUST_CHANGE = Person("mustchange", "State-MustChange-1", state="must_change",
                     data="773")
PASSWORD_EXPIRED = Person("pwexpired", "State-PwExpired-1",
                          state="password_expired", data="532")
LOCKED = Person("locked", "State-Locked-1", state="locked", data="775")
HOURS = Person("hours", "State-Hours-1", state="hours", data="530")
WORKSTATION = Person("workstation", "State-Workstation-1",
                     state="workstation", data="531")

PEOPLE = (ALICE, BOB, JUERGEN, YAMADA, HANZI, EMOJI, QUOTES, SPACES, COMMA,
          HASH, SLASH, LONG, ERIKA, NOUPN, PAULA, ADMIN, DISABLED, EXPIRED,
          MUST_CHANGE, PASSWORD_EXPIRED, LOCKED, HOURS, WORKSTATION)
STATES = tuple(person for person in PEOPLE if person.state)
ACTIVE = tuple(person for person in PEOPLE if not person.state)

# name: (members, kind); a member stands above what it is in.  The CN of
# the VPN group also holds a comma, which a sAMAccountName may not.
GROUPS = {
    "Sales-EMEA": (("alice", "o'brien", "hash"), GROUP_GLOBAL),
    "Sales": (("Sales-EMEA", "bob"), GROUP_GLOBAL),
    "Staff": (("Sales", "yamada", "jürgen.groß"), GROUP_UNIVERSAL),
    "Loop-A": (("alice",), GROUP_UNIVERSAL),
    "Loop-B": (("Loop-A",), GROUP_UNIVERSAL),
    "VPN external (old)": (("alice", "王小明"), GROUP_DOMAIN_LOCAL),
    "Newsletter": (("alice", "bob"), GROUP_DISTRIBUTION),
    "Contractors": ((), GROUP_GLOBAL),
}


def load(dc):
    """Fill a fresh controller, in about a second."""
    directory = dc.directory
    directory.set_password_policy(max_age=3650 * 86400, min_age=0)
    directory.set_lockout(LOCKOUT_THRESHOLD, duration=86400)
    directory.add_ou("People")
    directory.add_ou("Groups")
    directory.add_user(SERVICE_USER, SERVICE_PASSWORD,
                       parent=f"CN=Users,{directory.base}",
                       uac=UAC_NORMAL | UAC_NEVER_EXPIRES)
    units = {"": directory.people}
    for person in PEOPLE:
        if person.unit not in units:
            units[person.unit] = directory.add_ou(person.unit,
                                                  directory.people)
        add_person(directory, person, units[person.unit])
    for name, (members, kind) in GROUPS.items():
        directory.add_group(name, members, kind,
                            name.replace("VPN", "VPN,"))
    directory.add_members("Loop-A", "Loop-B")
    directory.set_primary_group("paula", "Contractors")
    directory.add_members("Domain Admins", "helpdesk-admin")
    for person in STATES:
        set_state(dc, person.name, person.state)


def add_person(directory, person, parent=None):
    """Make one Person, without the state."""
    attributes = {}
    for key, value in (("givenName", person.given), ("sn", person.surname),
                       ("mail", person.mail)):
        if value:
            attributes[key] = value
    attributes.update(person.attributes)
    return directory.add_user(person.name, person.password,
                              person.cn or person.name, parent,
                              attributes=attributes)


def crowd(dc, count):
    """`count` more users, u0000 and on, as Slapd has them, for load.

    A list of (sAMAccountName, DN, password); each costs some 25 ms.
    """
    made = []
    for number in range(count):
        name, password = f"u{number:04d}", f"Load-{number:04d}-secret"
        dn = dc.directory.add_user(name, password, attributes={
            "givenName": "Load", "sn": name.title(),
            "mail": f"{name}@{dc.domain}"})
        made.append((name, dn, password))
    return made


def set_state(dc, name, state):
    """Put an account into one of the states of STATES."""
    directory = dc.directory
    {
        "disabled": directory.disable,
        "expired": directory.expire_account,
        "must_change": directory.must_change_password,
        "password_expired": dc.force_password_expired,
        "locked": directory.lock,
        "hours": directory.set_logon_hours,
        "workstation": directory.set_workstations,
    }[state](name)
