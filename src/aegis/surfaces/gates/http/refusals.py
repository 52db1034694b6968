"""What the proxy answers itself: refusals, failures, and who it wants to know.

    {"error": {"message", "code", "aegis": {...}}}

with `Proxy-Status` (RFC 9209), so that clients can tell the proxy's own answers from a server's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from ....model import RiskLevel, UpstreamError
from ...refusal import REFUSALS, about, said, shareable
from .places import Refused

if TYPE_CHECKING:
    from ....model import HeldError, Outcome
    from .wire import BadRequest

CHALLENGE = ("proxy-authenticate", 'Basic realm="aegis"')
"""How clients are asked for a key (RFC 9110, 11.7.1)."""

_STATUS = {
    400: "http_protocol_error",
    403: "http_request_denied",
    407: "http_request_denied",
    408: "http_protocol_error",
    413: "http_request_error",
    429: "http_request_denied",
    501: "http_request_error",
    502: "destination_unavailable",
    504: "connection_timeout",
    505: "http_protocol_error",
    508: "proxy_loop_detected",
}
"""The error type of `Proxy-Status` (RFC 9209, section 2.3) by status; of others
`http_request_error` for the client's faults and `proxy_internal_error` for ours."""


class Refusal(Exception):
    """An answer of the proxy's own."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        fields: tuple[tuple[str, str], ...] = (),
        aegis: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self._fields = fields
        self._aegis = aegis

    def fields(self) -> list[tuple[str, str]]:
        """Its headers, without length and connection."""
        other = "http_request_error" if self.status < 500 else "proxy_internal_error"
        kind = _STATUS.get(self.status, other)
        return [
            ("content-type", "application/json"),
            ("proxy-status", f"aegis; error={kind}"),
            *self._fields,
        ]

    def body(self) -> bytes:
        """The error as JSON."""
        error: dict[str, Any] = {"message": str(self), "code": self.code}
        if self._aegis is not None:
            error["aegis"] = self._aegis
        return msgspec.json.encode({"error": error}) + b"\n"


def of_bad(error: BadRequest) -> Refusal:
    """A request nobody may guess at."""
    return Refusal(error.status, str(error), "invalid_request")


def unknown_key(given: bool) -> Refusal:
    """Nobody known asks."""
    what = "this key is unknown, revoked or expired" if given else "a key is needed"
    return Refusal(
        407,
        f"{what}: put it into the proxy's address, `http://AGENT:sk-aegis-…@host:port`; `aegis "
        "keys create --name NAME` makes one",
        "proxy_authentication_required",
        (CHALLENGE,),
    )


def of_outcome(outcome: Outcome) -> Refusal | None:
    """The refusal an outcome is; None where it was performed."""
    if outcome.status == "performed":
        return None
    fields = decided(outcome)
    if outcome.status == "failed":
        return _failed(outcome, fields)
    told = about(outcome)
    if outcome.code in REFUSALS:
        status, code = REFUSALS[outcome.code]
        if status == 429 and outcome.retry_after:
            # whole seconds, rounded up: RFC 9110, 10.2.3
            fields = (*fields, ("retry-after", str(max(1, math.ceil(outcome.retry_after)))))
        return Refusal(status, said(outcome.decision), code, fields, told)
    if outcome.decision.risk is not RiskLevel.CRITICAL:
        # what cannot be inspected is the caller's to change; a broken safeguard is not
        return Refusal(400, said(outcome.decision), "unusable_request", fields, told)
    return Refusal(503, said(outcome.decision), "governance_unavailable", fields, told)


def of_held(error: HeldError) -> Refusal:
    """The answer while a person has to agree first."""
    return Refusal(
        403,
        f"a person has to approve this first: approval `{error.approval}`; once somebody ran "
        f"`aegis approve {error.approval}`, send the identical request again",
        "approval_required",
        (("x-aegis-approval", error.approval),),
        {"approval": error.approval, "run": error.run},
    )


def decided(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """What was decided, by which rule of which policy, and where it is recorded."""
    decision = shareable(outcome.decision)
    found = (
        ("x-aegis-action", outcome.action.id),
        ("x-aegis-verdict", decision.verdict.word),
        ("x-aegis-rule", _printable(decision.rule)),
        ("x-aegis-policy", _printable(decision.policy)),
    )
    if outcome.receipt is None:
        return found
    return (*found, ("x-aegis-record", str(outcome.receipt.seq)))


def _failed(outcome: Outcome, fields: tuple[tuple[str, str], ...]) -> Refusal:
    error = outcome.error
    told = {"action": outcome.action.id, "status": "failed"}
    if isinstance(error, Refused):
        return Refusal(403, str(error), "gate_refused", fields, told)
    if isinstance(error, UpstreamError):
        status = 504 if error.status == 504 else 502
        return Refusal(status, str(error), "upstream_error", fields, told)
    message = "an unexpected error; the gate's log names the cause"
    return Refusal(500, message, "internal_error", fields, told)


def _printable(value: str) -> str:
    """A value as a header can hold it."""
    return value.encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")
