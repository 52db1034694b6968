"""Check digits and shapes: what makes a number an identifier rather than a number.

Every validator takes the matched text and answers whether it can be a real value. They are named
in rule files by their key in `VALIDATORS`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from .opaque import not_placeholder, not_sample, opaque, password, strong

if TYPE_CHECKING:
    from collections.abc import Callable


def digits_of(value: str) -> str:
    """The ASCII digits of a value."""
    return "".join(filter("0123456789".__contains__, value))


def luhn(value: str) -> bool:
    """Mod-10 check of ISO/IEC 7812-1 annex B."""
    total = 0
    for index, char in enumerate(reversed(digits_of(value))):
        digit = ord(char) - 48
        if index % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


_CARDS = (
    ("4", (13, 16, 19)),
    ("34", (15,)), ("37", (15,)),
    ("30", (14,)), ("36", (14,)), ("38", (14,)), ("39", (14,)),
    ("35", (16, 17, 18, 19)),
    ("5018", (12, 13, 14, 15, 16, 17, 18, 19)), ("5020", (16, 17, 18, 19)),
    ("5038", (12, 13, 14, 15, 16, 17, 18, 19)), ("6304", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("67", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("60", (16, 17, 18, 19)), ("62", (16, 17, 18, 19)), ("64", (16, 17, 18, 19)),
    ("65", (16, 17, 18, 19)), ("81", (16,)), ("1800", (15,)), ("2131", (15,)),
    ("220", (16,)), ("9792", (16,)),
)  # fmt: skip
"""Issuer prefixes and lengths of payment cards (ISO/IEC 7812 ranges as the schemes publish)."""


def card(value: str) -> bool:
    """A payment card number: issuer range, length and Luhn; not a repdigit or a date stamp."""
    number = digits_of(value)
    size = len(number)
    if not 12 <= size <= 19 or len(set(number)) < 2:
        return False
    known = any(number.startswith(prefix) and size in sizes for prefix, sizes in _CARDS)
    if not known and size == 16:
        known = 51 <= int(number[:2]) <= 55 or 2221 <= int(number[:4]) <= 2720
    return known and luhn(number)


def ssn(value: str) -> bool:
    """A US Social Security number that could exist on a form (area, group and serial not zero).

    Areas above 899 and 666 were never issued, and some numbers are well known from
    advertisements; people write them as samples all the same, so only zeros are refused.
    """
    number = digits_of(value)
    if len(number) != 9:
        return False
    return number[:3] != "000" and number[3:5] != "00" and number[5:] != "0000"


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30,
    "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def iban(value: str) -> bool:
    """Country, length and mod-97 of ISO 13616."""
    plain = "".join(char for char in value if char.isalnum()).upper()
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain) or not plain.isascii():
        return False
    moved = plain[4:] + plain[:4]
    number = "".join(char if char.isdigit() else str(ord(char) - 55) for char in moved)
    return int(number) % 97 == 1


def iban_length(value: str) -> int:
    """How many leading alphanumerics of a value its country code asks for; 0 where unknown."""
    return _IBAN_LENGTHS.get(value[:2].upper(), 0)


def _date(year: int, month: int, day: int) -> bool:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    if month in (4, 6, 9, 11):
        return day <= 30
    return month != 2 or day <= (29 if year % 4 == 0 else 28)


def rrn(value: str) -> bool:
    """A Korean resident registration number: birth date and century digit.

    Numbers issued since October 2020 carry no check digit, so none is asked for.
    """
    number = digits_of(value)
    if len(number) != 13 or number[6] == "0" or number[6] == "9":
        return False
    return _date(int(number[:2]), int(number[2:4]), int(number[4:6]))


def my_number(value: str) -> bool:
    """The check digit of the Japanese individual number (ordinance 85 of 2014, article 5)."""
    number = digits_of(value)
    if len(number) != 12 or len(set(number)) < 3:
        return False
    total = 0
    for n in range(1, 12):
        weight = n + 1 if n <= 6 else n - 5
        total += int(number[11 - n]) * weight
    rest = total % 11
    return int(number[11]) == (0 if rest <= 1 else 11 - rest)


_CN_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)


def cn_id(value: str) -> bool:
    """A Chinese resident identity number: province, birth date, mod 11-2 (GB 11643-1999)."""
    number = value.upper().replace(" ", "").replace("-", "")
    if len(number) != 18 or not number[:17].isdigit() or number[:2] not in _CN_PROVINCES:
        return False
    year = int(number[6:10])
    if not 1900 <= year <= 2099 or not _date(year, int(number[10:12]), int(number[12:14])):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(char) * weight for char, weight in zip(number, weights, strict=False))
    return number[17] == "10X98765432"[total % 11]


def npi(value: str) -> bool:
    """A US National Provider Identifier: Luhn with the prefix 80840 (45 CFR 162.406)."""
    number = digits_of(value)
    return len(number) == 10 and number[0] in "12" and luhn("80840" + number)


def dea(value: str) -> bool:
    """A US DEA registration number: two letters, six digits and their check digit."""
    number = digits_of(value)
    if len(number) != 7:
        return False
    odd = int(number[0]) + int(number[2]) + int(number[4])
    even = int(number[1]) + int(number[3]) + int(number[5])
    return (odd + 2 * even) % 10 == int(number[6])


_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def verhoeff(value: str) -> bool:
    """Verhoeff's dihedral check (Aadhaar numbers)."""
    check = 0
    for index, char in enumerate(reversed(digits_of(value))):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[index % 8][int(char)])])
    return check == 0


def aadhaar(value: str) -> bool:
    """An Indian Aadhaar number: twelve digits, not starting with 0 or 1, Verhoeff."""
    number = digits_of(value)
    return len(number) == 12 and number[0] not in "01" and verhoeff(number)


def cpf(value: str) -> bool:
    """A Brazilian CPF: two mod-11 check digits."""
    number = digits_of(value)
    if len(number) != 11 or len(set(number)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(number[i]) * (size + 1 - i) for i in range(size))
        if int(number[size]) != (total * 10 % 11) % 10:
            return False
    return True


def nhs(value: str) -> bool:
    """A British NHS number: ten digits, mod-11 check digit."""
    number = digits_of(value)
    if len(number) != 10:
        return False
    rest = 11 - sum(int(number[i]) * (10 - i) for i in range(9)) % 11
    return rest != 10 and int(number[9]) == rest % 11


def ipv4(value: str) -> bool:
    """Four octets in range, without leading zeros (RFC 6943 section 3.1.1).

    Loopback, unspecified and netmask addresses point at nobody.
    """
    parts = value.split(".")
    if len(parts) != 4 or value.startswith(("127.", "0.", "255.")):
        return False
    return all(p.isdigit() and len(p) <= 3 and int(p) < 256 and p == str(int(p)) for p in parts)


def ipv6(value: str) -> bool:
    """A textual IPv6 address (RFC 4291 section 2.2) with at least three groups."""
    if value.count("::") > 1 or value.count(":") < 2:
        return False
    groups = [part for part in value.split(":") if part]
    if any(len(part) > 4 for part in groups):
        return False
    if "::" in value:
        # "a::b" also is C++ and time notation: ask for something only an address has
        return 2 <= len(groups) <= 7 and any(len(part) >= 3 for part in groups)
    return len(groups) == 8


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(value: str) -> bool:
    """A Bitcoin address of the first kinds: Base58Check with a 25-byte payload."""
    number = 0
    for char in value:
        index = _BASE58.find(char)
        if index < 0:
            return False
        number = number * 58 + index
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return sha256(sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def crypto(value: str) -> bool:
    """An Ethereum address (20 hex bytes), a Bech32 address or a Base58Check one."""
    lowered = value.lower()
    if lowered.startswith("0x"):
        return len(value) == 42 and len(set(lowered[2:])) > 4
    if lowered.startswith(("bc1", "ltc1", "tb1")):
        return bech32(value)
    return base58check(value)


def bech32(value: str) -> bool:
    """The checksum of a segwit address (BIP 173, BIP 350)."""
    if value.lower() != value and value.upper() != value:
        return False
    value = value.lower()
    cut = value.rfind("1")
    charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    data = [charset.find(char) for char in value[cut + 1 :]]
    if cut < 1 or len(data) < 6 or -1 in data:
        return False
    prefix = value[:cut]
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + data
    check = 1
    for item in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ item
        for bit, generator in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)


def birth_date(value: str) -> bool:
    """A calendar date between 1900 and 2039, in either order of day and month."""
    for char in "/.年月日- ":
        value = value.replace(char, " ")
    parts = value.split()
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        # a month in letters: the pattern has already fixed the shape
        return True
    a, b, c = (int(part) for part in parts)
    if a > 31:
        return 1900 <= a <= 2039 and _date(a, b, c)
    year = c if c > 99 else 1900 + c
    return 1900 <= year <= 2039 and (_date(year, a, b) or _date(year, b, a))


def phone(value: str) -> bool:
    """Seven to fifteen digits (ITU-T E.164) that are not all alike."""
    number = digits_of(value)
    return 7 <= len(number) <= 15 and len(set(number)) > 2


VALIDATORS: dict[str, Callable[[str], bool]] = {
    "aadhaar": aadhaar,
    "birth_date": birth_date,
    "card": card,
    "cn_id": cn_id,
    "cpf": cpf,
    "crypto": crypto,
    "dea": dea,
    "iban": iban,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "luhn": luhn,
    "my_number": my_number,
    "nhs": nhs,
    "not_placeholder": not_placeholder,
    "not_sample": not_sample,
    "npi": npi,
    "opaque": opaque,
    "password": password,
    "phone": phone,
    "rrn": rrn,
    "ssn": ssn,
    "strong": strong,
}
"""Validators by the name that rule files use."""
