"""The exceptions that say governance refused or holds an action (their tree stands in `errors`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AegisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .decision import Decision
    from .finding import Finding


class BlockedError(AegisError):
    """Governance refused the action; it was not performed.

    `reason` says why, `decision` names the rule, the policy version and what to do next,
    `findings` are what the guards saw.
    """

    def __init__(
        self,
        reason: str,
        decision: Decision | None = None,
        findings: Sequence[Finding] = (),
        **details: Any,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.decision = decision
        self.findings = tuple(findings)
        self.details = details

    @property
    def guardrail_results(self) -> tuple[Finding, ...]:
        """The findings, under the name the governance library used."""
        return self.findings


class GuardrailError(BlockedError):
    """A guard found something in the content that may not pass."""


class KillSwitchError(BlockedError):
    """The agent is switched off."""


class LimitError(BlockedError):
    """A rate, budget or concurrency limit is used up; `details['retry_after']` is in seconds."""


class ApprovalDenied(BlockedError):
    """A person said no."""


class ApprovalTimeout(BlockedError):
    """No person answered in time."""


class HeldError(AegisError):
    """The run is parked until a person answers; resume it by `run`."""

    def __init__(self, message: str, *, run: str, approval: str) -> None:
        super().__init__(message)
        self.run = run
        self.approval = approval


class TicketError(AegisError):
    """A ticket does not permit this call. `code` says why: `missing`, `malformed`, `issuer`,
    `signature`, `early`, `expired`, `tool`, `agent`, `arguments` or `used`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
