"""Says on standard error that an action waits for a person, and which command answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from ...model import shown

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Context


class NoticeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It has no options."""


class NoticeApprover:
    """One line per request; the answer comes from `aegis approve` or `aegis deny`."""

    Settings = NoticeSettings

    def __init__(self, settings: NoticeSettings, context: Context) -> None:
        self.name = context.name

    def announce(self, request: Request) -> None:
        """Write the line."""
        target = f" on {request.target}" if request.target else ""
        who = request.agent or request.principal or "somebody"
        line = (
            f"aegis: {who} asks for `{request.type}`{target} ({request.risk} risk); "
            f"answer with: aegis approve {request.id}   or: aegis deny {request.id}"
        )
        sys.stderr.write(shown(line) + "\n")
        sys.stderr.flush()
