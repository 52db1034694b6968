"""What tells a generated secret from words, placeholders and identifiers."""

from __future__ import annotations

import math
from collections import Counter


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits per character."""
    if not value:
        return 0.0
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


_PLACEHOLDERS = (
    "example", "placeholder", "changeme", "change_me", "your", "xxxx", "****", "....", "dummy",
    "sample", "redacted", "insert", "replace", "todo", "fake", "test_key", "testkey", "<", "${",
    "{{", "process.env", "os.environ", "getenv", "abcdef", "123456789", "00000000", "none", "null",
    "undefined", "mykey", "my_key", "my-key", "secret_key", "api_key", "env.", "config.", "vault:",
    "secret://", "password", "notreal",
)  # fmt: skip


def not_placeholder(value: str) -> bool:
    """False for the stand-ins people write where a secret goes."""
    lowered = value.lower()
    return len(set(lowered)) > 4 and not any(word in lowered for word in _PLACEHOLDERS)


def not_sample(value: str) -> bool:
    """As `not_placeholder`, for keys whose prefix already says what they are: runs such as
    `abcdef` or `123456789` do not excuse those.
    """
    lowered = value.lower()
    return len(set(lowered)) > 4 and not any(
        word in lowered for word in _PLACEHOLDERS if word not in _RUNS
    )


_RUNS = frozenset({"abcdef", "123456789", "00000000"})


def opaque(value: str) -> bool:
    """A string that looks generated: several kinds of characters and high entropy."""
    if not not_placeholder(value) or uuid_like(value):
        return False
    lower = any(char.islower() for char in value)
    upper = any(char.isupper() for char in value)
    digit = any(char.isdigit() for char in value)
    if not digit and not (lower and upper):
        return False
    return entropy(value) >= (3.0 if len(value) < 28 else 3.3)


def strong(value: str) -> bool:
    """As `opaque`, and of letters and digits both: what a generator of keys prints."""
    return (
        opaque(value)
        and sum(char.isdigit() for char in value) >= 2
        and any(char.isalpha() for char in value)
    )


def password(value: str) -> bool:
    """A string that was chosen as a password rather than said: letters with digits or signs."""
    value = value.rstrip(".!?:")
    lowered = value.lower()
    if len(value) < 6 or any(word in lowered for word in _PLACEHOLDERS) or "(" in value:
        return False
    kinds = (
        any(char.isdigit() for char in value)
        + any(char.isupper() for char in value[1:])
        + any(not char.isalnum() for char in value)
    )
    return kinds >= 1 and len(set(lowered)) > 3 and (any(map(str.isdigit, value)) or kinds >= 2)


def uuid_like(value: str) -> bool:
    """The 8-4-4-4-12 shape of RFC 9562."""
    parts = value.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12]
