"""Refusals and failures in the words of the OpenAI wire.

    {"error": {"message", "type", "param", "code", "aegis": {...}}}

The status picks the exception class in OpenAI's SDKs: 400 bad request, 401 authentication, 403
permission, 404 not found, 429 rate limit, 5xx server. `aegis` says which rule refused, under
which policy, why, and what to do next. Nothing here quotes an upstream's secrets or a traceback.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...model import HeldError, RiskLevel, UpstreamError
from ..refusal import REFUSALS as REFUSALS
from ..refusal import about, said
from ..refusal import shareable as shareable
from .wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model import Outcome

Header = tuple[bytes, bytes]

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
"""The error type by status; every other 4xx is an invalid request, every 5xx a server error."""


class Failure(Exception):
    """An answer other than success. `close` asks to end the connection with it."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        aegis: dict[str, Any] | None = None,
        retry_after: float | None = None,
        headers: tuple[Header, ...] = (),
        type: str = "",
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.aegis = aegis
        self.retry_after = retry_after
        self.headers = headers
        self.type = type or TYPES.get(
            status, "server_error" if status >= 500 else "invalid_request_error"
        )
        self.close = close

    def body(self) -> bytes:
        """The error as a JSON body."""
        error: dict[str, Any] = {
            "message": str(self),
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if self.aegis is not None:
            error["aegis"] = self.aegis
        return encode({"error": error})

    def head(self) -> list[Header]:
        """Headers that only errors have."""
        headers = list(self.headers)
        if self.retry_after is not None:
            # whole seconds, rounded up: RFC 9110, 10.2.3
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after))))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers


def of_outcome(outcome: Outcome, redact: Callable[[str], str]) -> Failure | None:
    """The failure an outcome is; None where it was performed. What a provider says of a failure
    passes `redact`: no guard has read it.
    """
    if outcome.status == "performed":
        return None
    if outcome.status == "failed":
        return _failed(outcome, redact)
    if outcome.code in REFUSALS:
        status, code = REFUSALS[outcome.code]
        return Failure(
            status,
            said(outcome.decision),
            code,
            aegis=about(outcome),
            retry_after=outcome.retry_after or None if status == 429 else None,
        )
    if outcome.decision.risk is not RiskLevel.CRITICAL:
        # what cannot be inspected is the caller's to change, or the provider's where it is a
        # reply; a broken safeguard is neither's
        withheld = outcome.status == "withheld"
        status, code = (502, "upstream_error") if withheld else (400, "unusable_request")
        return Failure(status, said(outcome.decision), code, aegis=about(outcome))
    return Failure(503, said(outcome.decision), "governance_unavailable", aegis=about(outcome))


def of_held(error: HeldError) -> Failure:
    """The answer while a person has to agree first."""
    return Failure(
        403,
        f"a person has to approve this first: approval `{error.approval}`; once it is given, send "
        f"the identical request again with the header `x-aegis-approval: {error.approval}`",
        "approval_required",
        aegis={"approval": error.approval, "run": error.run},
        headers=((b"x-aegis-approval", error.approval.encode()),),
    )


def of_upstream(
    error: UpstreamError, aegis: dict[str, Any] | None = None, message: str = ""
) -> Failure:
    """The answer where the provider failed; `message` stands for what the error says."""
    status = error.status if 400 <= error.status <= 599 else 502
    code = {404: "model_not_found", 429: "rate_limit_exceeded", 504: "upstream_timeout"}.get(
        status, "upstream_error"
    )
    return Failure(
        status,
        message or str(error),
        code,
        param="model" if status == 404 else None,
        aegis=aegis,
        retry_after=error.retry_after,
        type="upstream_error" if status >= 500 else "",
    )


def _failed(outcome: Outcome, redact: Callable[[str], str]) -> Failure:
    error = outcome.error
    if isinstance(error, UpstreamError):
        about = {"action": outcome.action.id, "status": "failed"}
        return of_upstream(error, about, redact(str(error)))
    return Failure(
        500,
        "the provider plugin failed; the gateway's log names the cause",
        "internal_error",
        aegis={"action": outcome.action.id, "status": "failed"},
    )
