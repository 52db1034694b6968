"""Values that carry no check digit: what their shape and neighbours' shapes tell apart."""

from __future__ import annotations

import ipaddress
import re

DIGITS_ALONE = bytes(set(range(256)) - set(b"0123456789"))
"""What is left out of a value so that its ASCII digits are left."""

_VERSION_OCTET_MAX = 31
"""Four numbers none of which is higher read as a version as easily as an address."""

_PRIVATE = ("10.", "192.168.")
_OBJECTS = ("1.3.101.", "2.5.4.", "2.5.29.")
"""Object identifiers of X.509 and its curves."""


def digits_of(value: str) -> str:
    """The ASCII digits of a value."""
    return value.encode().translate(None, DIGITS_ALONE).decode()


def ipv4(value: str) -> bool:
    """Four octets in range, without leading zeros (RFC 6943 section 3.1.1).

    Loopback, unspecified and netmask addresses point at nobody.
    """
    parts = value.split(".")
    if len(parts) != 4 or value.startswith(("127.", "0.", "255.")):
        return False
    return all(p.isdigit() and len(p) <= 3 and int(p) < 256 and p == str(int(p)) for p in parts)


def ipv4_plain(value: str) -> bool:
    """An IPv4 address that does not read as a version number."""
    if not ipv4(value) or value.startswith(_OBJECTS):
        return False
    octets = value.split(".")
    return (
        len(set(octets)) == 1
        or value.startswith(_PRIVATE)
        or any(int(octet) > _VERSION_OCTET_MAX for octet in octets)
    )


def ipv6(value: str) -> bool:
    """A textual IPv6 address (RFC 4291 section 2.2) that is not C++ or the time of day."""
    if value.startswith("::") and "." not in value:
        return False
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    groups = [part for part in value.split(":") if part]
    if "::" in value:
        return any(len(part) >= 3 for part in groups)
    # eight pairs of hex digits are the EUI-64 of a network card, small numbers a list
    return any(len(part) > 2 for part in groups) and set(value) != {"f", ":"}


def mac(value: str) -> bool:
    """A hardware address with a hex letter and a digit: twelve decimal digits may be a time."""
    return any(c.isdigit() for c in value) and any(c in "abcdef" for c in value.lower())


_SCALED_IMAGE = re.compile(r"[0-9](?:\.[0-9])?x\.[a-z]+", re.IGNORECASE)
_REMOTES = frozenset({"git", "hg", "svn"})


def mailbox(value: str) -> bool:
    """An address somebody reads: not `icon@2x.png`, not the `git@host` of a repository."""
    local, _, domain = value.rpartition("@")
    return local.lower() not in _REMOTES and _SCALED_IMAGE.fullmatch(domain) is None


_STAND_IN = re.compile(r"[$<{%*]|x{3}", re.IGNORECASE)
_SPOKEN = frozenset(
    (user, password) for user in ("user", "username") for password in ("pass", "password")
)
"""What manuals write where a login goes."""

_HOSTS = frozenset({"host", "hostname", "server", "address"})


def url_login(value: str) -> bool:
    """A URL with a password that is not a stand-in (`user:password@host`, `${TOKEN}`)."""
    login, _, rest = value.partition("://")[2].rpartition("@")
    user, _, password = login.partition(":")
    if (user.lower(), password.lower()) in _SPOKEN:
        return False
    host = re.split(r"[:/?#]", rest, maxsplit=1)[0]
    return host.lower() not in _HOSTS and _STAND_IN.match(password) is None


_SERIAL = re.compile(r"[CFGHJKLMNPRTVWXYZ](?=[^0-9]*[0-9][^0-9]*[0-9])[CFGHJKLMNPRTVWXYZ0-9]{8}")
"""Serial numbers of German passports: nine signs, no vowels among them, two digits at least."""


def passport(value: str) -> bool:
    """Six to ten letters and digits, at least five of them digits; without letters, eight up, and
    no round number.
    """
    plain = value.replace(" ", "")
    digits = sum(char.isdigit() for char in plain)
    if _SERIAL.fullmatch(plain):
        return True
    if plain.endswith("00000"):
        return False
    return 6 <= len(plain) <= 10 and digits >= (5 if digits < len(plain) else 8)


def identifier(value: str) -> bool:
    """A number somebody was given: four digits at least, and not a year or a date."""
    digits = sum(char.isdigit() for char in value)
    if digits == 4 and value.isdigit():
        return value[:2] not in ("19", "20")
    return digits >= 4


_NOT_CODES = frozenset({"b12", "h1n", "t20"})


def icd10(value: str) -> bool:
    """An ICD-10 code and not a vitamin (B12) or a strain."""
    return value.lower()[:3] not in _NOT_CODES or "." in value
