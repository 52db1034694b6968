"""What the clients of one gateway share: its upstreams and their names, its pins, and what waits.

The methods a client may ask (`calls.py`, `lists.py`, `subscriptions.py`, `lifecycle.py`) take it;
`hub.py` brings frames to them. What belongs to one client alone stands in `session.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import protocol as rpc
from .asks import Parking
from .pins import Pins
from .reviews import Reviews
from .sequences import Sequences
from .tasks import Tasks
from .tools import SEPARATOR
from .upstream import Upstream

if TYPE_CHECKING:
    from ...kernel.mcp_settings import Mcp
    from ...kernel.runtime import Runtime
    from .protocol import Frame
    from .upstream import Connect


class Gateway:
    """One gateway. `bare` names the only upstream, whose names then stay as they are."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Mcp,
        connect: Connect,
        *,
        user: str = "",
        bare: str = "",
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.bare = bare
        self.pins = Pins(runtime)
        self.upstreams = {
            name: Upstream(name, spec, connect) for name, spec in settings.upstreams.items()
        }
        self.reviews = Reviews(runtime, settings.client_approval, user or "local user")
        self.sequences = Sequences(runtime)
        self.parking = Parking()
        self.tasks = Tasks()

    def close(self) -> None:
        """Give up what waits; sessions are ended by who made them."""
        self.reviews.close()
        self.parking.close()
        self.tasks.close()

    def resolve(self, name: str) -> tuple[str, str]:
        """Upstream and own name of `server__name`. Raises RpcError."""
        if self.bare:
            return self.bare, name
        server, separator, own = name.partition(SEPARATOR)
        if not separator or server not in self.upstreams:
            raise rpc.RpcError(rpc.INVALID_PARAMS, f"there is no `{name[:128]}` here")
        return server, own

    def public(self, server: str, name: str) -> str:
        """The name a client knows something of an upstream by."""
        return name if self.bare else f"{server}{SEPARATOR}{name}"

    def scope(self, frame: Frame) -> str:
        """The scope a token needs for a frame, where the configuration asks for one."""
        name = frame.get("params", {}).get("name")
        if frame.get("method") != "tools/call" or not isinstance(name, str):
            return ""
        server, _, tool = name.partition(SEPARATOR)
        facts = self.upstreams[server].spec.tools if server in self.upstreams else {}
        return facts[tool].scope if tool in facts else ""
