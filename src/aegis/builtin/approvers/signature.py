"""What verified callbacks have in common: a time that is not long ago, and bytes that agree."""

from __future__ import annotations

import hmac

from ...plugin.channel import Forged

WINDOW_SECONDS = 300
"""How far the time of a callback may lie from ours: Slack and Standard Webhooks both name five
minutes."""


def check_time(stamp: str, now: int) -> None:
    """Refuse a callback whose time (Unix seconds as digits) is far from `now` (microseconds).
    Raises Forged.
    """
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Forged("the callback names no time")
    if abs(now // 1_000_000 - int(stamp)) > WINDOW_SECONDS:
        raise Forged(f"the time of the callback is more than {WINDOW_SECONDS} seconds from ours")


def check_equal(given: str, expected: str) -> None:
    """Refuse a callback whose signature differs; takes as long whatever differs. Raises Forged."""
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forged("the signature of the callback is wrong")
