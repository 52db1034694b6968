"""What executors are and what they give back: `BaseExecutor`, `Result`, retries and hooks."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from ...model import Action, CallerError, Decision


class ResultStatus(StrEnum):
    """How an action ended."""

    SUCCESS = "success"
    FAILED = "failed"
    BLOCKED = "blocked"
    DENIED = "denied"
    SKIPPED = "skipped"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Result(msgspec.Struct, frozen=True):
    """How an action ended, what it gave (`data`) or why it did not (`error`).

    `decision` is what was decided about it; `rollback` how the action that undoes a failed one
    ended, where there is one. Times are UTC.
    """

    action: Action
    status: ResultStatus = ResultStatus.SUCCESS
    data: Any = None
    error: str | None = None
    started_at: datetime.datetime = msgspec.field(default_factory=_now)
    completed_at: datetime.datetime | None = None
    decision: Any = None
    rollback: Any = None

    @property
    def ok(self) -> bool:
        """True where the action was performed and succeeded."""
        return self.status is ResultStatus.SUCCESS


class BaseExecutor:
    """Carries out actions. Override `execute`; the rest is optional."""

    async def execute(self, action: Action) -> Result:
        """Perform the action. An exception counts as a failed action and is on record."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `execute`")

    async def verify(self, action: Action, result: Result) -> bool:
        """Whether the action had its effect; anything but True makes it a failed one."""
        return True

    async def setup(self) -> None:
        """Called once, before the first action."""

    async def teardown(self) -> None:
        """Called once, when the runtime closes."""


RETRIES_MAX = 20
"""Most further attempts; with the longest pause between them, ten minutes."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """What happens after a failed action.

    Every further attempt is an action of its own, decided again: an agent switched off in between
    stops it, and what needed a person needs one again. Pauses double from `backoff_base` up to
    `backoff_max` seconds. `retryable_errors` are texts of which the error has to contain one
    (empty: any error). `rollback_action_type` names an action that undoes the failed one; it is
    governed like any other.
    """

    max_retries: int = 0
    backoff_base: float = 1.0
    backoff_max: float = 30.0
    retryable_errors: tuple[str, ...] | list[str] = ()
    rollback_action_type: str = ""
    rollback_params: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not 0 <= self.max_retries <= RETRIES_MAX:
            raise CallerError(f"`max_retries` has to lie between 0 and {RETRIES_MAX}")
        if not (0 <= self.backoff_base <= 3600 and 0 <= self.backoff_max <= 3600):
            raise CallerError("`backoff_base` and `backoff_max` have to lie between 0 and 3600")

    def again(self, error: str, attempt: int) -> bool:
        """Whether a failed attempt (the first is 0) is to be repeated."""
        if attempt >= self.max_retries:
            return False
        return not self.retryable_errors or any(part in error for part in self.retryable_errors)

    def pause(self, attempt: int) -> float:
        """Seconds to wait after an attempt."""
        return float(min(self.backoff_max, self.backoff_base * 2**attempt))


class RuntimeHooks(msgspec.Struct, frozen=True):
    """Functions that look on; one that raises is logged and passed over.

    `on_decision(action, decision)` after the decision, `on_approval(action, approved)` after a
    person answered, `on_execute(result)` when the action has ended.
    """

    on_decision: Callable[[Action, Decision], Any] | None = None
    on_approval: Callable[[Action, bool], Any] | None = None
    on_execute: Callable[[Result], Any] | None = None
