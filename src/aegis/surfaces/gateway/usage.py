"""Token counts as providers state them."""

from __future__ import annotations

from typing import Any

from ...model import Usage

TOKENS_MAX = 1 << 40
"""Largest believed token count; an upstream that reports more reports nonsense."""


def stated_usage(stated: dict[str, Any]) -> Usage:
    """A `usage` object as counts; anything that is not a sane number counts as nothing."""
    details = stated.get("prompt_tokens_details")
    return Usage(
        _count(stated.get("prompt_tokens")),
        _count(stated.get("completion_tokens")),
        _count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
    )


def _count(value: Any) -> int:
    # a boolean is an int to isinstance
    return value if value.__class__ is int and 0 <= value <= TOKENS_MAX else 0
