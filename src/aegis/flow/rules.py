"""Everything a flow is governed by, as one value. Reloading swaps it; a running flow keeps
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Action, Decision, Finding, Text


class Decider(Protocol):
    """What the flow needs of a policy."""

    @property
    def version(self) -> str:
        """Content hash of the policy."""
        ...

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """The decision for an action."""
        ...


class Guarding(Protocol):
    """What the flow needs of a guard (see `plugin.contracts.Guard`)."""

    name: str
    version: str
    stages: frozenset[str]
    covers: tuple[str, ...]

    @property
    def pure(self) -> bool:
        """True where `inspect` needs no I/O."""
        ...

    def inspect(self, texts: Sequence[Text], action: Action) -> Any:
        """Findings, or an awaitable of them."""
        ...

    def stream(self, kind: str) -> Any:
        """A StreamScan, or None."""
        ...


class Restoring(Protocol):
    """What the flow needs to put reversibly masked values back."""

    def text(self, text: str, action: Action) -> str:
        """The text with the placeholders of the action's session replaced."""
        ...

    def performs(self, action: Action) -> bool:
        """Whether an action is a call of a tool that gets the values themselves."""
        ...

    def restores(self, tool: str) -> bool:
        """Whether a tool gets the values themselves."""
        ...

    def scan(self, action: Action) -> Any:
        """A reader of a streamed text (`feed`, `close`, `settled`), or None where the session of
        the action has no values.
        """
        ...


class Granting(Protocol):
    """Which actions are performed with a credential of their own."""

    def find(self, action: Action) -> Any:
        """The grant for an action; None where it needs none."""
        ...


def _unredacted(value: Any) -> Any:
    return value


BUFFERED, WRITTEN, SYNCED = "buffered", "written", "synced"

DURABILITY: Mapping[str, str] = MappingProxyType(
    {
        "read": BUFFERED,
        "execute": SYNCED,
        "write": SYNCED,
        "delete": SYNCED,
        "deploy": SYNCED,
        "approve": SYNCED,
    }
)
"""How durable a decision must be before it is performed, by capability."""


class Rules(msgspec.Struct, frozen=True):
    """What governs a flow.

    `inputs` and `outputs` are guards; `redact` cleans values before they are recorded;
    `durability` maps capability to how far a record must have got; `break_glass` lets actions
    through when Aegis itself fails (never when it refuses), loudly; `text_limit` bounds the
    code points inspected per action; `grants` name the credentials that actions are given;
    `follows` says that rules ask about the session an action belongs to.
    """

    policy: Decider
    inputs: tuple[Guarding, ...] = ()
    outputs: tuple[Guarding, ...] = ()
    redact: Callable[[Any], Any] = _unredacted
    durability: Mapping[str, str] = DURABILITY
    break_glass: bool = False
    text_limit: int = 4_000_000
    restore: Restoring | None = None
    grants: Granting | None = None
    follows: bool = False
