"""How a setting says what it means, and the types that several sections share."""

from __future__ import annotations

from typing import Literal

from msgspec import Meta

DAY = 86_400.0
"""A day in seconds: the longest duration any setting takes, so that no wait is unbounded."""

Capability = Literal["read", "write", "delete", "deploy", "approve", "execute"]
Durability = Literal["buffered", "written", "synced"]


def about(text: str, *, restart: bool = False) -> Meta:
    """What a field means, and whether a change needs a restart."""
    return Meta(description=text, extra={"restart": restart})
