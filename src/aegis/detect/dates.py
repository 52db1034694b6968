"""Dates of birth, however people write them."""

from __future__ import annotations

import re

YEARS = range(1900, 2040)
"""Years in which somebody alive, or soon to be, can be born."""

ERA_YEARS_MAX = 64
"""Longest Japanese era in living memory (Showa)."""

_NUMBERS = re.compile(r"[0-9]+")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_THIRTY = (4, 6, 9, 11)


def real_date(year: int, month: int, day: int) -> bool:
    """Whether a day exists in the calendar (leap years by four: enough for 1901 to 2099)."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    if month in _THIRTY:
        return day <= 30
    return month != 2 or day <= (29 if year % 4 == 0 else 28)


def _full_year(year: int) -> int:
    return year if year > 99 else 1900 + year


def birth_date(value: str) -> bool:
    """A calendar date between 1900 and 2039: digits in any usual order, or a month in letters.

    Japanese era years (昭和59年) count as years.
    """
    parts = [int(number) for number in _NUMBERS.findall(value)]
    if len(parts) == 1 and len(_NUMBERS.findall(value)[0]) == 8:
        whole = _NUMBERS.findall(value)[0]
        parts = [int(whole[:4]), int(whole[4:6]), int(whole[6:])]
    if len(parts) == 2:
        # a month in letters: the pattern has already named it
        low, high = sorted(parts) if max(parts) > 31 else parts
        return bool(_LETTERS.search(value)) and 1 <= low <= 31 and _full_year(high) in YEARS
    if len(parts) != 3:
        return False
    a, b, c = parts
    if "年" in value and a <= ERA_YEARS_MAX:
        return real_date(2000, b, c)
    if a > 31:
        return a in YEARS and real_date(a, b, c)
    year = _full_year(c)
    return year in YEARS and (real_date(year, a, b) or real_date(year, b, a))


_CALENDAR = re.compile(
    r"[0-3]?[0-9]([-. /])[0-3]?[0-9]\1(?:19|20)[0-9]{2}"
    r"|(?:19|20)[0-9]{2}([-. /])[01]?[0-9]\2[0-3]?[0-9]"
    r"|(?:19|20)[0-9]{2}[- /](?:19|20)[0-9]{2}"
)


def calendar_like(value: str) -> bool:
    """A day or a span of years in digits (03-12-1984, 2024-2025): not a telephone number."""
    return _CALENDAR.fullmatch(value) is not None
