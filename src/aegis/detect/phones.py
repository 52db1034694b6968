"""Telephone numbers: the country codes of ITU-T E.164 and how long numbers behind them are.

Enough to tell a number from arithmetic; which numbers are in use is another matter, and changes
weekly. A full numbering plan (2.5 MB of metadata) would not be worth its start-up time here.
"""

from __future__ import annotations

import re

from .dates import calendar_like, real_date
from .shapes import digits_of

DIGITS = range(7, 16)
"""Digits of a number with its country code (E.164 section 6.1), or of one without."""

_ONE_LENGTH = {
    "1": (10, 10), "7": (10, 10), "30": (10, 10), "31": (9, 10), "32": (8, 9), "33": (9, 9),
    "34": (9, 9), "36": (8, 9), "39": (6, 12), "40": (9, 9), "41": (9, 12), "44": (9, 10),
    "45": (8, 8), "46": (7, 13), "47": (5, 12), "48": (9, 9), "49": (6, 13), "52": (10, 11),
    "54": (10, 11), "55": (10, 11), "60": (8, 10), "61": (9, 10), "81": (9, 11), "82": (8, 11),
    "86": (9, 12), "90": (10, 10), "91": (10, 10), "92": (9, 10), "98": (10, 10),
}  # fmt: skip
"""Shortest and longest national number of the larger countries."""

_TWO = frozenset(
    [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45",
        "46", "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61",
        "62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94",
        "95", "98",
    ]
)  # fmt: skip
_THREE = (
    "21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67", "68", "69",
    "80", "85", "87", "88", "96", "97", "99",
)  # fmt: skip
"""First two digits of the codes that have three."""


def _national(number: str) -> tuple[str, str] | None:
    if number[0] in "17":
        return number[0], number[1:]
    if number[:2] in _TWO:
        return number[:2], number[2:]
    return (number[:3], number[3:]) if number[:2] in _THREE else None


def international(number: str) -> bool:
    """Whether digits behind a plus sign begin with a country code and have its length."""
    split = _national(number)
    if split is None:
        return False
    code, rest = split
    low, high = _ONE_LENGTH.get(code, (6, 12))
    # a trunk prefix in brackets, +44 (0)20, is often written along
    return low <= len(rest) <= high or (rest[0] == "0" and low <= len(rest) - 1 <= high)


_OTHERS = frozenset(
    ["2147483647", "2147483648", "4294967295", "4294967296", "0123456789", "1234567890"]
)
"""Bounds of integers, and all digits in a row."""

_MOMENT = re.compile(r"(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][ t]|[0-9]{1,2} (?:19|20)[0-9]{2} -?0")
"""A day with its hour, the year and time zone behind a time (`07 2012 -0700`)."""

_GROUPS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){2}|[0-9]+(?:/[0-9]+)+")
"""Versions and alternatives: three small numbers, or two beside a slash."""

_COLOUR = re.compile(r"(?:(?:1?[0-9]?[0-9]|2[0-4][0-9]|25[0-5])(?: +|$)){3}")
_CODES = re.compile(r"0[0-9]{3}(?: 0[0-9]{3})+")
"""Code points of Unicode."""

_MIXED = re.compile(r"[0-9]+\.[0-9]+[ -][0-9.]+|[0-9]+[ -][0-9]+\.[0-9]+")
"""Full stops beside blanks or hyphens: decimals in a row."""


def _stamp(number: str) -> bool:
    """Digits of a day (20190129), with or without its time."""
    return (
        len(number) in (8, 12, 14)
        and number[:2] in ("19", "20")
        and real_date(int(number[:4]), int(number[4:6]), int(number[6:8]))
    )


def phone(value: str) -> bool:
    """A telephone number as people write it: seven to fifteen digits, not a date, not all alike.

    Broken over two lines it is one where its first line is none, or ends with a hyphen.
    """
    body = value.lower()
    if "\n" in body:
        first, _, rest = body.partition("\n")
        if "\n" in rest or (not first.endswith("-") and phone(first)):
            return False
        body = f"{first.rstrip()}{'' if first.endswith('-') else ' '}{rest.lstrip()}"
    for mark in ("x", "e"):
        body = body.partition(mark)[0]
    body = body.strip()
    number = digits_of(body)
    if len(number) not in DIGITS or len(set(number)) < 3 or number.endswith("000000"):
        return False
    if _MOMENT.match(body) or (len(number) == 14 and _stamp(number)):
        return False
    if body.startswith("+"):
        return international(number)
    if body in _OTHERS or _stamp(number) or _MIXED.fullmatch(body) or _CODES.fullmatch(body):
        return False
    if number.startswith("00"):
        return international(number[2:])
    if _COLOUR.fullmatch(body) or (_GROUPS.fullmatch(body) and body[0] != "0"):
        return False
    return not calendar_like(body)
