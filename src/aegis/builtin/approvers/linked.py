"""What channels have in common that only point at the page of a signed link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model import CallerError

if TYPE_CHECKING:
    from ...approval import Request
    from ...plugin.channel import Callback, Heard, Reply


class Linked:
    """Takes no callbacks: the answer comes from the page."""

    needs_links = True

    def hear(self, callback: Callback) -> Heard | Reply:
        """There are none."""
        raise CallerError("this channel is answered through its links; there are no callbacks")

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Nothing is heard, so nothing is answered."""
        raise CallerError("this channel is answered through its links; there are no callbacks")
