"""What people read about a request, the same in every channel.

Agents choose most of these words. They are shown with hidden characters spelled out and cut to a
length; escaping for a channel's own markup is the channel's part.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from ...approval import PENDING
from ...model import joined, shown

if TYPE_CHECKING:
    from ...approval import Request

VALUE_MAX = 500
"""Characters of one value; the record and the link's page have all of it."""

PARAMS_MAX = 1_500
"""Characters of the parameters: a decision needs them, and a chat message has about 3,000."""


def title(request: Request) -> str:
    """One line: who asks for what."""
    who = request.agent or request.principal or "somebody"
    return _cut(f"{who} asks for {request.type} {request.target}".strip(), VALUE_MAX)


def facts(request: Request) -> list[tuple[str, str]]:
    """What a person decides about, as pairs of a label and a text."""
    params = msgspec.json.encode(request.summary, enc_hook=str).decode()
    until = datetime.fromtimestamp(request.expires // 1_000_000, UTC)
    pairs = (
        ("Parameters", _cut(params, PARAMS_MAX) if request.summary else "none"),
        ("Task", _cut(request.task, VALUE_MAX)),
        ("Risk", request.risk),
        ("Rule", _cut(request.rule, VALUE_MAX)),
        ("Why", _cut(joined(request.reasons), VALUE_MAX)),
        ("Approvals", f"{request.needed} needed" if request.needed > 1 else ""),
        ("Until", until.strftime("%Y-%m-%d %H:%M UTC")),
        ("Action", f"sha256 {request.digest}"),
        ("Approval", request.id),
    )
    return [(label, text) for label, text in pairs if text]


def text(request: Request) -> str:
    """The whole request as plain text."""
    return "\n".join((title(request), *(f"{label}: {value}" for label, value in facts(request))))


def outcome(request: Request) -> str:
    """What became of a request, as one line."""
    if request.state == PENDING:
        return f"{len(request.votes)} of {request.needed} people have approved"
    by = f" by {request.by}" if request.by else ""
    said = f": {request.comment}" if request.comment else ""
    state = "approved" if request.state == "consumed" else request.state
    return _cut(f"{state}{by}{said}", VALUE_MAX)


def decided(request: Request) -> str:
    """A request that is over, as plain text."""
    return f"{title(request)}\n{outcome(request)}\nApproval: {request.id}"


def _cut(words: str, most: int) -> str:
    safe = shown(words)
    return safe if len(safe) <= most else safe[: most - 1] + "…"
