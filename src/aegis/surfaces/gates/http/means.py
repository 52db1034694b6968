"""What every request of the gate is answered with, whichever connection it came on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....model import ConfigError
from ..parked import ParkedRuns
from .places import Places
from .upstream import Upstreams

if TYPE_CHECKING:
    from ....kernel.gate_settings import HttpGate as Settings
    from ....kernel.runtime import Runtime
    from .places import Resolve


@dataclass(frozen=True, slots=True)
class Means:
    """The path, the ways out, and the runs that wait for a person. `name` is what the gate calls
    itself in `via` headers.
    """

    runtime: Runtime
    settings: Settings
    upstreams: Upstreams
    parked: ParkedRuns
    name: str

    @classmethod
    def of(cls, runtime: Runtime, resolve: Resolve | None) -> Means:
        """Those of a runtime. Raises ConfigError."""
        settings = runtime.settings.gates.http
        try:
            places = Places(settings.private, resolve)
        except ValueError as error:
            raise ConfigError(f"`gates.http.private`: {error}") from None
        upstreams, parked = Upstreams(places, settings), ParkedRuns(runtime, "http")
        return cls(runtime, settings, upstreams, parked, f"aegis-{secrets.token_hex(4)}")

    @property
    def via(self) -> str:
        """The header by which a proxy knows its own requests (RFC 9110, 7.6.3)."""
        return f"1.1 {self.name}"
