"""What the outcome of an action is in the words of JSON-RPC: its result, or an error and a code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...model import AegisError, CallerError, RiskLevel, UpstreamError
from ..refusal import about, said
from . import protocol as rpc
from .link import error_in

if TYPE_CHECKING:
    from ...model import Outcome

PIN_RULE = "<pin>"
"""The rule name of refusals of tools in quarantine."""

CODES = {
    "policy": rpc.BLOCKED,
    "guard": rpc.BLOCKED,
    "killed": rpc.BLOCKED,
    "identity": rpc.BLOCKED,
    "ticket": rpc.BLOCKED,
    "limit": rpc.LIMITED,
    "denied": rpc.DENIED,
    "expired": rpc.DENIED,
}
"""JSON-RPC code by the kind of refusal an Outcome names."""

log = logging.getLogger("aegis.mcp")


def result_of(outcome: Outcome) -> Any:
    """The result an outcome stands for. Raises RpcError for every other end."""
    if outcome.status == "performed":
        value = outcome.result
        if isinstance(value, dict) and isinstance(value.get("error"), dict) and len(value) == 1:
            raise error_in(value["error"])
        if not isinstance(value, dict):
            raise rpc.RpcError(rpc.UPSTREAM, "the upstream answered with no object")
        return value
    if outcome.status == "failed":
        raise failed(outcome.error)
    if outcome.error is not None:
        log.error("action %s: %r", outcome.action.id, outcome.error)
    unusable = rpc.UNAVAILABLE if outcome.decision.risk is RiskLevel.CRITICAL else rpc.BLOCKED
    code = CODES.get(outcome.code, unusable)
    if outcome.decision.rule == PIN_RULE:
        code = rpc.QUARANTINED
    data = about(outcome)
    if outcome.retry_after:
        data["retry_after"] = outcome.retry_after
    raise rpc.RpcError(code, said(outcome.decision), data)


def failed(error: BaseException | None) -> rpc.RpcError:
    """The error for a performance that failed."""
    if isinstance(error, rpc.RpcError):
        return error
    if isinstance(error, UpstreamError):
        code = {503: rpc.UNAVAILABLE, 504: rpc.LATE}.get(error.status, rpc.UPSTREAM)
        data = {"retry_after": error.retry_after} if error.retry_after else None
        return rpc.RpcError(code, str(error), data)
    if isinstance(error, CallerError):
        return rpc.RpcError(rpc.INVALID_PARAMS, str(error))
    log.error("a request failed", exc_info=error)
    if isinstance(error, AegisError):
        return rpc.RpcError(
            rpc.UNAVAILABLE, "a part of Aegis failed; the gateway's log names the cause"
        )
    return rpc.RpcError(rpc.INTERNAL, "an unexpected error; the gateway's log names the cause")
