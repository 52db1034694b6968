"""What tells a generated secret from words, placeholders and identifiers."""

from __future__ import annotations

import math
import re
from collections import Counter
from operator import ne
from string import ascii_letters, ascii_uppercase, digits
from typing import TYPE_CHECKING

from .gate import finder, occurs, options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .gate import Finder


def entropy(value: bytes) -> float:
    """Shannon entropy of the characters, in bits per character."""
    if not value:
        return 0.0
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


_STAND_INS = (
    "example", "placeholder", "changeme", "change_me", "your", "xxxx", "****", "....", "dummy",
    "sample", "redacted", "insert", "replace", "todo", "fake", "test_key", "testkey", "<", "${",
    "{{", "process.env", "os.environ", "getenv", "none", "null", "undefined", "mykey", "my_key",
    "my-key", "secret_key", "api_key", "env.", "config.", "vault:", "secret://", "password",
    "notreal", "privatekey", "publickey", "self.", "this.", "sk-ssh-", "sk-ecdsa-",
)  # fmt: skip
_RUNS = ("abcdef", "123456789", "00000000")
"""Runs that people type; a key whose prefix says what it is may hold one by chance."""


def _any(words: Iterable[str]) -> Finder:
    chosen = options()
    chosen.case_sensitive = True
    return finder("|".join(map(re.escape, words)), chosen)


_SAMPLES = _any(_STAND_INS)
_PLACEHOLDERS = _any(_STAND_INS + _RUNS)


def sampled(value: str) -> bool:
    """Whether a lower-case value holds a word that people write where a secret goes."""
    return occurs(_SAMPLES, value.encode())


def _stand_in(value: str, words: Finder) -> bool:
    lowered = value.lower()
    return len(set(lowered)) <= 4 or occurs(words, lowered.encode())


def not_placeholder(value: str) -> bool:
    """False for the stand-ins people write where a secret goes."""
    return not _stand_in(value, _PLACEHOLDERS)


def not_sample(value: str) -> bool:
    """As `not_placeholder`, for keys whose prefix already says what they are: runs such as
    `abcdef` or `123456789` do not excuse those.
    """
    return not _stand_in(value, _SAMPLES)


def minted(value: str) -> bool:
    """As `not_sample`, with digits or changing case: a prefix with words behind it is a name."""
    longest = max(_parts(value), key=len, default=b"")
    return not_sample(value) and (
        sum(map(str.isdigit, value)) >= 2 or _changes(longest) * 3 > len(longest)
    )


_SPLIT = bytes(code if chr(code) in ascii_letters + digits else 32 for code in range(256))
_KINDS = bytes(
    1 if chr(code) in digits else 2 if chr(code) in ascii_uppercase else 3 for code in range(256)
)
_NUMBERED = bytes(chr(code) in digits for code in range(256))


def _parts(value: str) -> list[bytes]:
    """The rows of letters and digits of a string."""
    return value.encode().translate(_SPLIT).split()


def _changes(part: bytes) -> int:
    """How often neighbours differ in kind: lower case, upper case, digit."""
    kinds = part.translate(_KINDS)
    return sum(map(ne, kinds, kinds[1:]))


def _turns(part: bytes) -> int:
    """How often letters and digits take turns."""
    kinds = part.translate(_NUMBERED)
    return sum(map(ne, kinds, kinds[1:]))


_DIGEST = re.compile(r"(?:sha|md)[0-9]{1,3}[-=:_]|//", re.IGNORECASE)
"""How checksums and the rest of a web address begin."""

_CAMEL = re.compile(r"[a-z]*(?:[A-Z][a-z]+)+[A-Z]?")
"""Words run together: no capital letter beside another. Of 16 random letters 1 in 25 look so."""

_PART_MIN = 10
"""Letters and digits in a row that a generator of keys prints and a maker of names avoids."""

_WHOLE_MIN = 16
"""The same for base 64, whose signs break the row."""


def _random(part: bytes, size: int) -> bool:
    """Whether a row of letters and digits changes its kind as often as chance would."""
    numbers = part.translate(_NUMBERED).count(1)
    if numbers == len(part):
        return False
    if _turns(part) >= 3 and numbers >= 2 and (len(part) >= 12 or part.lower() != part):
        return True
    changes = _changes(part)
    if numbers:
        return changes >= 0.4 * len(part)
    # names in camel case change their kind nearly as often
    return size >= _WHOLE_MIN and changes > 0.45 * len(part)


def generated(value: str) -> bool:
    """A string that a generator of keys printed: no placeholder, no UUID, no words with numbers.

    Names are told apart by how seldom letters and digits take turns in them.
    """
    if not not_placeholder(value) or uuid_like(value) or "://" in value:
        return False
    if _DIGEST.match(value) or _CAMEL.fullmatch(value):
        return False
    parts = _parts(value)
    longest = max(parts, key=len, default=b"")
    if len(longest) >= _PART_MIN and _random(longest, len(value)):
        return entropy(longest) >= 2.7
    joined = b"".join(parts)
    return len(joined) >= _WHOLE_MIN and _changes(joined) >= 0.45 * len(joined)


def unbroken(value: str) -> bool:
    """As `not_sample`, with a long row of letters and digits: hyphens join words, not keys."""
    longest = max(map(len, _parts(value)), default=0)
    return longest >= _PART_MIN and not_sample(value)


_BODY = re.compile(r"[A-Za-z0-9+/]{16}")
_BODY_KINDS = 8
"""Different characters in the body of a key; a stand-in has fewer."""


def key_body(value: str) -> bool:
    """Whether something that can be a key stands behind the heading of a PEM block (RFC 7468)."""
    inside = value.partition("KEY")[2].removeprefix(" BLOCK").partition("-----")[2]
    found = _BODY.search(inside.partition("-----")[0])
    return found is not None and len(set(found.group())) >= _BODY_KINDS


def uuid_like(value: str) -> bool:
    """The 8-4-4-4-12 shape of RFC 9562."""
    parts = value.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12]
