"""Times of day and weekdays of conditions. The clock itself is an argument: microseconds since
the Unix epoch, UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = 60_000_000
"""Microseconds in a minute."""

DAY = 24 * 60 * MINUTE
"""Microseconds in a day without leap seconds (POSIX time has none)."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Names of the ISO 8601 weekdays 1 to 7; the first three letters are enough."""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> int:
    """Minutes since midnight for "HH:MM". Raises ValueError for anything else."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'`{text}` is no time of day; write "HH:MM" from 00:00 to 23:59')
    return int(found[1]) * 60 + int(found[2])


def parse_weekday(value: object) -> int:
    """The ISO weekday 1 (Monday) to 7 (Sunday). Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 7:
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word.isdigit() and len(word) == 1 and "1" <= word <= "7":
            return int(word)
        for index, day in enumerate(DAYS, 1):
            if len(word) >= 3 and day.startswith(word):
                return index
    raise ValueError(f"`{value}` is no weekday; write 1 (Monday) to 7 (Sunday), or mon to sun")


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo | None:
    """The time zone of a name of the IANA database; None for UTC. Raises ValueError."""
    if name.upper() in ("UTC", "Z", "ETC/UTC"):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        message = f"`{name}` is no IANA time zone; write for example Europe/Berlin"
        raise ValueError(message) from None


def wall(now: int, tz: ZoneInfo | None) -> tuple[int, int]:
    """Minute of the day and ISO weekday at a time. Raises OverflowError past the year 9999."""
    if tz is not None:
        offset = (_EPOCH + timedelta(microseconds=now)).astimezone(tz).utcoffset()
        now += 0 if offset is None else int(offset.total_seconds()) * 1_000_000
    # 1 January 1970 was a Thursday
    return now // MINUTE % 1440, (now // DAY + 3) % 7 + 1
