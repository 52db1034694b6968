"""Messages of PostgreSQL's protocol 3 as bytes (PostgreSQL documentation, chapter "Frontend/Backend
Protocol"): the few the gate writes itself.
"""

from __future__ import annotations

import struct


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One message: its type, its length, its body."""
    return kind + struct.pack("!I", len(body) + 4) + body


def failure(severity: str, code: str, text: str, detail: str = "", hint: str = "") -> bytes:
    """ErrorResponse. `severity` is `ERROR` or `FATAL`, `code` an SQLSTATE."""
    fields = (
        ("S", severity),
        ("V", severity),
        ("C", code),
        ("M", text),
        ("D", detail),
        ("H", hint),
    )
    body = b"".join(
        key.encode() + value.replace("\0", "").encode("utf-8", "replace") + b"\0"
        for key, value in fields
        if value
    )
    return message(b"E", body + b"\0")
