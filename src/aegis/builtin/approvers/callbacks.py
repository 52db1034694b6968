"""What callbacks have in common: a time that is not long ago, bytes that agree, a JSON body, and a
program as the one who is answered.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ...model import CallerError
from ...plugin.channel import Forged, Reply

if TYPE_CHECKING:
    from ...approval import Request
    from ...model import Prepared

Kind = TypeVar("Kind")

WINDOW_SECONDS = 300
"""How far the time of a callback may lie from ours: Slack and Standard Webhooks both name five
minutes."""

SECRET_MIN = 16
"""Shortest secret that tells a service from others, in characters."""


def check_secret(option: str, secret: str) -> None:
    """Refuse a secret that could be guessed. Raises ValueError."""
    if len(secret) < SECRET_MIN:
        raise ValueError(f"`{option}` has to have at least {SECRET_MIN} characters")


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


def check_mac(given: str, prefix: str, secret: str, signed: bytes) -> None:
    """Refuse a callback whose HMAC-SHA256 in hex, behind a prefix, is wrong. Raises Forged."""
    check_equal(given, prefix + hmac.digest(secret.encode(), signed, "sha256").hex())


def read(body: bytes, kind: Prepared[Kind], what: str) -> Kind:
    """The JSON body of a callback. Raises CallerError, which says `what` it is not."""
    try:
        return kind.decode(body)
    except msgspec.DecodeError as error:
        raise CallerError(f"the callback is no {what}: {error}") from None


def told(request: Request | None, said: str) -> Reply:
    """What a program is answered: the state of the request, or why the answer was not taken."""
    if request is None:
        return Reply(409, msgspec.json.encode({"error": {"message": said}}))
    return Reply(200, msgspec.json.encode({"approval": request.id, "state": request.state}))
