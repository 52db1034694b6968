"""Check digits and shapes: what makes a number an identifier rather than a number.

Every validator takes the matched text and answers whether it can be a real value. They are named
in rule files by their key in `VALIDATORS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dates import birth_date, real_date
from .nationals import NATIONALS
from .opaque import generated, key_body, minted, not_sample, unbroken
from .passwords import common_password, password, worded_password
from .phones import phone
from .shapes import (
    digits_of,
    icd10,
    identifier,
    ipv4,
    ipv4_plain,
    ipv6,
    mac,
    mailbox,
    passport,
    url_login,
)
from .wallets import solana, wallet

if TYPE_CHECKING:
    from collections.abc import Callable


_DOUBLED = str.maketrans("0123456789", "0246813579")
"""A digit and the sum of the digits of its double."""


def luhn(value: str) -> bool:
    """Mod-10 check of ISO/IEC 7812-1 annex B."""
    number = digits_of(value)
    signs = number[::-2] + number[-2::-2].translate(_DOUBLED)
    return (sum(signs.encode()) - ord("0") * len(signs)) % 10 == 0


CARD_DIGITS = range(12, 20)
"""Digits of a card number (ISO/IEC 7812-1: 19 at most)."""

_ANY = tuple(CARD_DIGITS)
_LONG = (16, 17, 18, 19)
_CARDS = {
    "4": (13, 16, 19), "34": (15,), "37": (15,), "30": (14,), "36": (14,),
    "38": (14,), "39": (14,), "35": _LONG, "50": _ANY, "56": _ANY, "57": _ANY,
    "58": _ANY, "60": _LONG, "62": _LONG, "63": _ANY, "64": _LONG, "65": _LONG,
    "67": _ANY, "81": (16,), "82": (16,), "1800": (15,), "2131": (15,),
    "220": _LONG, "8600": (16,), "9860": (16,), "9792": (16,),
}  # fmt: skip
"""Issuer prefixes and lengths of payment cards (ISO/IEC 7812 ranges as the schemes publish):
Visa, American Express, Diners, JCB, Maestro, Verve, Dankort, Discover, UnionPay, RuPay, MIR,
Uzcard, Humo, Troy."""

_MASTERCARD = (*map(str, range(51, 56)), *map(str, range(2221, 2721)))

_ISSUED = {
    size: (
        *(prefix for prefix, sizes in _CARDS.items() if size in sizes),
        *(_MASTERCARD if size == 16 else ()),
    )
    for size in CARD_DIGITS
}
"""How card numbers of each length begin."""


def card(value: str) -> bool:
    """A payment card number: issuer range, length and Luhn; not a repdigit or a date stamp."""
    number = digits_of(value)
    size = len(number)
    return (
        number.startswith(_ISSUED.get(size, ())) and number.count(number[0]) < size and luhn(number)
    )


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


def rrn(value: str) -> bool:
    """A Korean resident registration number: birth date and century digit.

    Numbers issued since October 2020 carry no check digit, so none is asked for.
    """
    number = digits_of(value)
    if len(number) != 13 or number[6] == "0" or number[6] == "9":
        return False
    return real_date(int(number[:2]), int(number[2:4]), int(number[4:6]))


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
        "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36",
        "37", "41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62",
        "63", "64", "65", "71", "81", "82", "83",
    ]
)  # fmt: skip


def cn_id(value: str) -> bool:
    """A Chinese resident identity number: province, birth date, mod 11-2 (GB 11643-1999)."""
    number = value.upper().replace(" ", "").replace("-", "")
    if number[:2] not in _CN_PROVINCES or not number[:-1].isdigit():
        return False
    if len(number) == 15:
        # issued before 1999: no century, no check digit
        return real_date(int(number[6:8]), int(number[8:10]), int(number[10:12]))
    if len(number) != 18:
        return False
    year = int(number[6:10])
    if not 1900 <= year <= 2099 or not real_date(year, int(number[10:12]), int(number[12:14])):
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


VALIDATORS: dict[str, Callable[[str], bool]] = {
    "aadhaar": aadhaar,
    "birth_date": birth_date,
    "card": card,
    "cn_id": cn_id,
    "common_password": common_password,
    "cpf": cpf,
    "dea": dea,
    "generated": generated,
    "iban": iban,
    "icd10": icd10,
    "identifier": identifier,
    "ipv4": ipv4,
    "ipv4_plain": ipv4_plain,
    "ipv6": ipv6,
    "key_body": key_body,
    "luhn": luhn,
    "mac": mac,
    "mailbox": mailbox,
    "minted": minted,
    "my_number": my_number,
    "nhs": nhs,
    "not_sample": not_sample,
    "npi": npi,
    "passport": passport,
    "password": password,
    "phone": phone,
    "rrn": rrn,
    "solana": solana,
    "ssn": ssn,
    "unbroken": unbroken,
    "url_login": url_login,
    "wallet": wallet,
    "worded_password": worded_password,
    **NATIONALS,
}
"""Validators by the name that rule files use."""
