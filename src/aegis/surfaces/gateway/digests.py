"""What stands in records for the content of a conversation."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ...model import Digest
from .wire import encode


def digest_of(content: Any, id: Any = None) -> Digest:
    """What stands in a record for messages, tools or choices."""
    data = encode(content)
    return Digest(len(data), identifier(id) if id else "", sha256(data).hexdigest())


def identifier(id: Any) -> str:
    """The identifier of a reply, where it is one: letters, digits, `-` and `_`, at most 64."""
    if isinstance(id, str) and len(id) <= 64 and id.replace("-", "").replace("_", "").isalnum():
        return id
    return ""
