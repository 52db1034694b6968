"""The exceptions of Aegis, as one tree. Those that carry a decision stand in `refusals`.

    AegisError
    ├── CallerError            you gave something unusable
    │   ├── ConfigError        a configuration file or environment override is wrong
    │   │   └── PolicyError    a policy document is wrong
    │   └── ActionError        an action cannot be governed as it stands (too deep, too large)
    ├── BlockedError           governance refused the action; it was not performed
    │   ├── GuardrailError     because of what a guard found in the content
    │   ├── KillSwitchError    because the agent is switched off
    │   ├── LimitError         because a rate, budget or concurrency limit is used up
    │   ├── ApprovalDenied     because a person said no
    │   └── ApprovalTimeout    because no person answered in time
    ├── HeldError              the run waits for a person; it can be resumed by its run id
    ├── TicketError            a ticket does not permit this call
    ├── UpstreamError          the thing behind Aegis (model, tool, database) failed
    ├── LedgerError            evidence could not be written or does not verify
    │   └── LedgerBusy         another process is writing to it
    ├── PluginError            a plugin broke its contract
    └── ServerError            a remote Aegis could not be reached or answered nonsense

Blame is in the type: callers', upstreams', ours. Messages are lower case, quote input in
backticks, say where (file:line:column) and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AegisError(Exception):
    """Anything Aegis raises on purpose."""


class CallerError(AegisError):
    """The caller gave something unusable."""


class Problem:
    """One complaint about a document: where it is, what is wrong, what to do.

    `line` and `column` count from 1; 0 means unknown (for example a value from the environment).
    """

    __slots__ = ("column", "hint", "line", "message", "path", "source")

    def __init__(
        self,
        message: str,
        *,
        source: str = "",
        line: int = 0,
        column: int = 0,
        path: str = "",
        hint: str = "",
    ) -> None:
        self.message = message
        self.source = source
        self.line = line
        self.column = column
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        where = self.source
        if self.line:
            place = f":{self.line}:{self.column}"
            where = f"{where}{place}" if where else f"line {self.line}, column {self.column}"
        parts = [part for part in (where, self.path, self.message) if part]
        text = ": ".join(parts)
        return f"{text} ({self.hint})" if self.hint else text

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ConfigError(CallerError):
    """A document is wrong; `problems` lists every complaint, not only the first."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PolicyError(ConfigError):
    """A policy document is wrong."""


class ActionError(CallerError):
    """An action cannot be governed as it stands."""


class UpstreamError(AegisError):
    """What stands behind Aegis failed.

    `status` is the HTTP status to answer with (RFC 9110 section 15.6: 502 bad answer, 503
    unavailable, 504 no answer in time, or the upstream's own 4xx), `retry_after` in seconds,
    `began` whether the upstream may have seen the request (then it is never repeated by itself).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 502,
        retry_after: float | None = None,
        began: bool = True,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.began = began
        self.body = body


class LedgerError(AegisError):
    """Evidence could not be written, or what was written does not verify."""


class LedgerBusy(LedgerError):
    """Another process is writing to this ledger."""


class PluginError(AegisError):
    """A plugin broke its contract."""


class ServerError(AegisError):
    """A remote Aegis could not be reached or answered something unusable."""
