"""Approvals: what they are bound to and who may answer. Pure; storage is elsewhere."""

from .binding import (
    APPROVED,
    CONSUMED,
    DENIED,
    EXPIRED,
    PENDING,
    TTL_SECONDS,
    Request,
    digest,
    identifier,
    refusal,
    state_at,
)

__all__ = [
    "APPROVED",
    "CONSUMED",
    "DENIED",
    "EXPIRED",
    "PENDING",
    "TTL_SECONDS",
    "Request",
    "digest",
    "identifier",
    "refusal",
    "state_at",
]
