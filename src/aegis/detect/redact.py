"""Redaction: values for records, with personal data and secrets masked wherever they stand.

Keys decide first (`password`, `api_key`, …: the whole value goes), then every string is read.
Clean short values, the usual case, cost one pass over all their strings together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import ActionError, Digest
from .gate import ScanError
from .inspection import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REDACTED = "[REDACTED]"
"""What stands for a value whose key says that it is secret."""

UNREAD = "[UNREAD]"
"""What stands for a string that could not be read for secrets (too long, see `Engine.scan`)."""

DEPTH_MAX = 64
"""Deepest nesting; deeper values raise ActionError, as everywhere (see `model.text`)."""

_CATEGORIES = frozenset({"pii", "phi", "secret"})

_SECRET_KEYS = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "authorization", "credential",
    "privatekey", "accesskey", "signingkey", "cookie", "sessionid", "bearer", "passcode", "otp",
    "clientkey", "encryptionkey", "pincode", "cvv", "cvc", "ssn",
)  # fmt: skip
"""Key names, lower case and without separators, whose values are never recorded."""

_OPEN_KEYS = frozenset(
    [
        "tokens",
        "maxtokens",
        "inputtokens",
        "outputtokens",
        "totaltokens",
        "cachedtokens",
        "prompttokens",
        "tokencount",
        "completiontokens",
        "nexttoken",
        "pagetoken",
        "nextpagetoken",
        "tokenizer",
        "tokentype",
        "passwordpolicy",
        "secretname",
        "secretref",
        "cookiepolicy",
    ]
)
"""Keys that contain such a name but hold something else."""

_KEYS_MAX = 4096
"""Most key names whose nature is remembered."""

_keys: dict[str, bool] = {}

_CLEAN_MAX = 4096
"""Clean strings after which they are forgotten: targets, models, roles and parameters repeat, and
reading costs the most. Up to twice as many where one value holds that many."""

_CLEAN_LENGTH = 160
"""Longest string remembered as clean, in code points; so a few megabytes at most."""

_clean: set[str] = set()


def _plain(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalnum())


def _is_secret(key: str) -> bool:
    known = _keys.get(key)
    if known is None:
        plain = _plain(key)
        known = (
            plain not in _OPEN_KEYS
            and not plain.endswith(("tokens", "count", "length"))
            and any(name in plain for name in _SECRET_KEYS)
        )
        if len(_keys) >= _KEYS_MAX:
            _keys.clear()
        _keys[key] = known
    return known


def redactor(names: Iterable[str] = ()) -> Callable[[Any], Any]:
    """`redact` with further parameter names whose values never reach a record."""
    extra = frozenset(_plain(name) for name in names)
    if not extra:
        return redact

    def redact_also(value: Any) -> Any:
        return redact(_without(value, extra, 0))

    return redact_also


def _without(value: Any, names: frozenset[str], depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise ActionError(f"value nested deeper than {DEPTH_MAX} levels; flatten it")
    if isinstance(value, dict):
        return {
            key: REDACTED
            if isinstance(key, str) and item is not None and _plain(key) in names
            else _without(item, names, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [_without(item, names, depth + 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def redact(value: Any) -> Any:
    """A copy of a JSON-like value in which personal data and secrets are masked.

    The value itself is returned where there is nothing to mask. Raises ActionError where it is
    nested deeper than DEPTH_MAX.
    """
    if (value.__class__ is str and value in _clean) or _remembered(value, 0):
        return value
    strings: list[str] = []
    if not _collect(value, strings, 0):
        if not strings:
            return value
        try:
            quiet = not shared().holds_values(strings)
        except ScanError:
            # read each string by itself; what cannot be read is not recorded
            quiet = False
        if not quiet:
            cleaned = _masked(value)
            if cleaned != value:
                return cleaned
        if len(_clean) >= _CLEAN_MAX:
            _clean.clear()
        _clean.update([one for one in strings[:_CLEAN_MAX] if len(one) <= _CLEAN_LENGTH])
        return value
    return _masked(value)


_PLAIN = frozenset({int, bool, float, type(None), Digest})
_NOTHING, _READ, _SECRET = 0, 1, 2
_marks: dict[str, int] = {}
_quiet: set[str] = set()
"""The keys of `_marks` that say nothing: a mapping's keys are looked up here all at once."""


def _marked(key: str) -> int:
    """Whether a key says that its value is secret, has to be read itself, or neither."""
    if _is_secret(key):
        mark = _SECRET
    elif len(key) > 24 or not key.isidentifier():
        mark = _READ
    else:
        mark = _NOTHING
    if len(_marks) >= _KEYS_MAX:
        _marks.clear()
        _quiet.clear()
    _marks[key] = mark
    if mark == _NOTHING:
        _quiet.add(key)
    return mark


def _remembered(value: Any, depth: int) -> bool:
    """Whether every string of a value is remembered as clean, and no key asks for redaction."""
    kind = value.__class__
    if kind is str:
        return value in _clean or len(value) <= 3
    if kind is dict:
        if depth >= DEPTH_MAX or not _quiet.issuperset(value):
            return False
        value = value.values()
    elif kind is list or kind is tuple:
        if depth >= DEPTH_MAX:
            return False
    else:
        # numbers and the like; what could hold a text, a subclass included, is read
        return not isinstance(value, (str, dict, list, tuple))
    for item in value:
        kind = item.__class__
        if kind is str:
            if item not in _clean and len(item) > 3:
                return False
        elif kind not in _PLAIN and not _remembered(item, depth + 1):
            return False
    return True


def _collect(value: Any, strings: list[str], depth: int) -> bool:
    """Gather the strings of a value; True where a key already asks for redaction."""
    if isinstance(value, str):
        if len(value) > 3:
            strings.append(value)
        return False
    if isinstance(value, dict):
        if depth >= DEPTH_MAX:
            raise ActionError(f"value nested deeper than {DEPTH_MAX} levels; flatten it")
        found = False
        for key, item in value.items():
            if key.__class__ is str:
                mark = _marks.get(key)
                if mark is None:
                    mark = _marked(key)
                if mark == _SECRET:
                    found = found or item is not None
                elif mark == _READ:
                    strings.append(key)
            if item.__class__ is str:
                if len(item) > 3:
                    strings.append(item)
            elif item.__class__ not in _PLAIN and _collect(item, strings, depth + 1):
                found = True
        return found
    if isinstance(value, (list, tuple)):
        if depth >= DEPTH_MAX:
            raise ActionError(f"value nested deeper than {DEPTH_MAX} levels; flatten it")
        # every item is collected, whatever an earlier one says
        return sum(_collect(item, strings, depth + 1) for item in value) > 0
    return False


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {
            _text(key) if isinstance(key, str) else key: (
                REDACTED
                if isinstance(key, str) and item is not None and _is_secret(key)
                else _masked(item)
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_masked(item) for item in value)
    return value


def _text(text: str) -> str:
    try:
        hits = shared().scan(text, "arguments", categories=_CATEGORIES)
    except ScanError:
        return UNREAD
    if not hits:
        return text
    out: list[str] = []
    position = 0
    for hit in hits:
        if hit.mask is None or hit.end <= position:
            continue
        if hit.start >= position:
            out.append(text[position : hit.start])
            out.append(hit.mask)
        position = hit.end
    out.append(text[position:])
    return "".join(out)
