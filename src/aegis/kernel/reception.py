"""Where answers come in from outside: callbacks of channels, and signed links.

Each is verified by whoever can (the channel its signature, `links.py` its own), used once, traced
to a person, and handed to the desk, which decides whether that person may answer. What is refused
on the way is recorded, so far as strangers cannot flood the ledger with it.
"""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError
from ..plugin.channel import Forged, Reply
from ..plugin.contracts import Channel, FetchingChannel
from .ports import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..approval import Request
    from ..plugin.channel import Callback, Heard
    from .links import Ticket
    from .runtime import Runtime

NONCE_MICROS = 31 * 86_400 * 1_000_000
"""How long a nonce is kept: longer than any request can stay open, so that a callback of a service
whose signatures carry no time cannot come again either."""

RECORDS_MAX = 20
"""Refused callbacks of one channel that are recorded in a minute; more are counted, and the count
stands in the next record."""

WINDOW_SECONDS = 60.0

LINK = "link"
"""The channel of answers given on the page of a signed link."""


class Reception:
    """The callbacks and links of one runtime. Safe from several threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refused: dict[str, tuple[float, int, int]] = {}

    def receive(self, name: str, callback: Callback) -> Reply:
        """Answer a callback of a channel. Raises AegisError where the state cannot be kept."""
        channel = self._runtime.desk.courier.channels.get(name)
        if not isinstance(channel, Channel):
            return _error(404, f"there is no channel `{name[:40]}` with callbacks")
        return self._taken(name, channel, lambda: channel.hear(callback))

    def fetch(self, name: str, channel: FetchingChannel) -> None:
        """Take in what a channel has to fetch. Raises AegisError where the channel cannot be
        reached, or the state cannot be kept.
        """
        for data in channel.fetch():
            self._taken(name, channel, partial(channel.read, data))

    def _taken(self, name: str, channel: Channel, hear: Callable[[], Heard | Reply]) -> Reply:
        try:
            heard = hear()
        except Forged as error:
            self._record(name, str(error))
            return _error(401, str(error))
        except CallerError as error:
            self._record(name, str(error))
            return _error(400, str(error))
        if isinstance(heard, Reply):
            return heard
        if not self._first(name, heard.nonce):
            why = "this callback was received already; answers are taken once"
            self._record(name, why, heard.approval, heard.user)
            return _error(409, why)
        return self._answered(name, channel, heard)

    def _answered(self, name: str, channel: Channel, heard: Heard) -> Reply:
        runtime, request, said = self._runtime, None, ""
        person = runtime.desk.people.person(name, heard.user)
        try:
            if not person:
                raise CallerError(
                    f"`{heard.user[:80]}` is nobody who may answer here; link them under "
                    f"`approvals.approvers`"
                )
            request = runtime.answer(
                heard.approval,
                heard.approve,
                by=person,
                comment=heard.comment,
                channel=name,
                scope=heard.scope,
            )
        except CallerError as error:
            said = str(error)
            self._record(name, said, heard.approval, heard.user)
        return channel.respond(heard, request, said)

    def look(self, token: str) -> tuple[Ticket, Request]:
        """What a link is about; changes nothing. Raises CallerError."""
        ticket = self._runtime.desk.links.read(token, now())
        request = self._runtime.desk.find(ticket.approval)
        if request is None:
            raise CallerError("the approval of this link is not here any more")
        return ticket, request

    def answer(self, token: str, approve: bool, by: str, comment: str) -> Request:
        """Answer through a link; `by` is who, where the link names nobody. Raises CallerError."""
        try:
            ticket, request = self.look(token)
            person = ticket.person or by
            if not self._first(LINK, f"{ticket.nonce}/{person}"):
                raise CallerError("this link was used already; it works once")
            return self._runtime.answer(
                request.id, approve, by=person, comment=comment, channel=ticket.channel
            )
        except CallerError as error:
            self._record(LINK, str(error))
            raise

    def _first(self, channel: str, nonce: str) -> bool:
        at = now()
        short = sha256(nonce.encode()).hexdigest()
        return self._runtime.state.first_use(channel, short, at, at + NONCE_MICROS)

    def _record(self, channel: str, why: str, approval: str = "", user: str = "") -> None:
        """Record a refusal, at most RECORDS_MAX times a minute for each channel."""
        began, count, unsaid = self._refused.get(channel, (0.0, 0, 0))
        current = time.monotonic()
        if current - began >= WINDOW_SECONDS:
            began, count = current, 0
        if count >= RECORDS_MAX:
            self._refused[channel] = (began, count, unsaid + 1)
            return
        self._refused[channel] = (began, count + 1, 0)
        details: dict[str, Any] = {"channel": channel, "reason": why[:500]}
        details |= {"approval": approval[:80], "user": user[:80], "unrecorded": unsaid}
        details = {key: value for key, value in details.items() if value}
        self._runtime.admin("approval.refused", by=channel, details=details, outcome="refused")


def _error(status: int, message: str) -> Reply:
    return Reply(status, msgspec.json.encode({"error": {"message": message}}))
