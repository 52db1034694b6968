"""Says on standard error that an action waits for a person, and which command answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...approval import Request


class NoticeApprover:
    """One line per request; the answer comes from `aegis approve` or `aegis deny`."""

    name = "notice"

    def announce(self, request: Request) -> None:
        """Write the line."""
        target = f" on {request.target}" if request.target else ""
        who = request.agent or request.principal or "somebody"
        sys.stderr.write(
            f"aegis: {who} asks for `{request.type}`{target} ({request.risk} risk); "
            f"answer with: aegis approve {request.id}   or: aegis deny {request.id}\n"
        )
        sys.stderr.flush()
