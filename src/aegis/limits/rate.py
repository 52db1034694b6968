"""Rate limits as arithmetic: a token bucket whose state comes in and goes out as a value.

The bucket refills continuously, so a limit of 60 per minute admits one a second after the
initial burst. Times are microseconds.
"""

from __future__ import annotations

import msgspec

MINUTE = 60_000_000
"""A minute in microseconds; limits are stated per minute."""


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """What is left in a bucket, as of a time."""

    level: float
    at: int


class Take(msgspec.Struct, frozen=True, gc=False):
    """The answer to taking from a bucket.

    `remaining` is what is left after it, `reset` the seconds until the bucket is full again,
    `retry_after` the seconds until the refused amount would be there (0 where admitted).
    """

    admitted: bool
    bucket: Bucket
    remaining: int
    reset: float
    retry_after: float = 0.0


def take(bucket: Bucket | None, limit: int, now: int, amount: float = 1.0) -> Take:
    """Take `amount` from a bucket of `limit` per minute.

    A clock that went backwards refills nothing. An amount above the limit is admitted only from
    a full bucket, and leaves it in debt: the debt is paid before the next one is admitted.
    """
    # compared, not handed to `min` and `max`: this runs once per request
    full = level = float(limit)
    if bucket is not None:
        level = bucket.level
        if now > bucket.at:
            level += (now - bucket.at) * limit / MINUTE
        if level > full:
            level = full
    needed = amount if amount < full else full
    admitted = level >= needed
    if admitted:
        level -= amount
    per_second = limit / 60.0
    return Take(
        admitted,
        Bucket(level, now),
        int(level) if level > 0.0 else 0,
        (full - level) / per_second if per_second else 0.0,
        0.0 if admitted else (needed - level) / per_second if per_second else 60.0,
    )


def spend(bucket: Bucket | None, limit: int, now: int, amount: float) -> Bucket:
    """Charge an amount that is known only afterwards (tokens of a reply); may leave a debt."""
    taken = take(bucket, limit, now, 0.0)
    return Bucket(taken.bucket.level - amount, now)
