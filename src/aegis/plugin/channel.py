"""The values that approval channels exchange with Aegis (see `contracts.Channel`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from ..approval import ONCE
from ..model import CallerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..approval import Request


class Context:
    """What a channel is given at construction: its name in the configuration, the people who may
    answer through it (person to user), how to make a signed link to a request, for one person or
    (empty) for whoever holds a key, and `word`: what only this person is told about the approval
    of this id, for a reply to carry back.
    """

    __slots__ = ("link", "name", "people", "word")

    def __init__(
        self,
        name: str,
        people: Mapping[str, str],
        link: Callable[[Request, str], str],
        word: Callable[[str, str], str],
    ) -> None:
        self.name = name
        self.people = people
        self.link = link
        self.word = word


class Callback(msgspec.Struct, frozen=True):
    """A request that came in for a channel: header names in lower case, the body as it came, and
    the time (microseconds since the Unix epoch).
    """

    headers: Mapping[str, str]
    body: bytes
    now: int


class Heard(msgspec.Struct, frozen=True):
    """An answer in a callback whose signature was verified. `user` is who gave it, as the channel
    calls them; `nonce` makes the callback one of a kind: a second with the same is refused.
    `reference` is what `Channel.respond` needs to answer.
    """

    approval: str
    approve: bool
    user: str
    nonce: str
    comment: str = ""
    scope: str = ONCE
    reference: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The HTTP answer to a callback."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class Forged(CallerError):
    """A callback that is not from whom it says: wrong signature, stale, or not signed at all."""
