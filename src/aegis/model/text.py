"""The texts inside a value: where they are, and putting changed ones back.

Guards read texts; they never walk requests or results themselves. A surface names the texts of
its wire explicitly; for everything else `texts_of` finds every string of a JSON-like value, keys
included. `put` returns a copy of the value with some texts replaced; the original is untouched.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .errors import ActionError

DEPTH_MAX = 64
"""Deepest nesting of an inspected value; deeper ones are refused, not skipped."""

TEXTS_MAX = 20_000
"""Most strings in one inspected value; bounds the work one action can cause."""

CONTAINERS_MAX = 100_000
"""Most mappings and lists in one value, counted where they are reached: a small value whose parts
share one another can stand for a huge one."""

KINDS = (
    "system",
    "prompt",
    "reply",
    "arguments",
    "tool_result",
    "tool_description",
    "document",
)
"""What a text is to the model: guards weigh the same words differently by kind."""

Path = tuple[str | int, ...]


class Text(msgspec.Struct, frozen=True, gc=False):
    """One text that guards read.

    `path` leads from the root of the params (or of the result) to the string; `key` says that
    the text is a key of a mapping, which can be read but not rewritten.
    """

    text: str
    kind: str = "arguments"
    path: Path = ()
    key: bool = False


class Digest(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What stands in a record for content that is not recorded: its length in bytes, its SHA-256
    (hex), and the identifier its maker gave it. It holds no free text, so redactors pass it by.
    """

    bytes: int
    id: str = ""
    sha256: str = ""


def texts_of(value: Any, kind: str = "arguments", path: Path = ()) -> list[Text]:
    """Every string in a JSON-like value, keys included, in document order.

    Values of other types (numbers, bytes, objects) carry no text. Raises ActionError where the
    value is nested deeper than DEPTH_MAX or holds more than TEXTS_MAX strings.
    """
    found: list[Text] = []
    bounded(value)
    _walk(value, kind, path, found, 0)
    return found


def bounded(value: Any) -> None:
    """Raise ActionError where a value holds more than CONTAINERS_MAX mappings and lists, or
    itself.
    """
    if not isinstance(value, _CONTAINERS):
        return
    waiting = [value]
    count = 0
    while waiting:
        container = waiting.pop()
        count += 1
        if count > CONTAINERS_MAX:
            raise ActionError(
                f"more than {CONTAINERS_MAX} mappings and lists in one value, or one that holds "
                "itself; split the action"
            )
        items = container.values() if isinstance(container, dict) else container
        waiting.extend(item for item in items if isinstance(item, _CONTAINERS))


_CONTAINERS = (dict, list, tuple)


def _walk(value: Any, kind: str, path: Path, found: list[Text], depth: int) -> None:
    if isinstance(value, str):
        if value:
            if len(found) >= TEXTS_MAX:
                raise ActionError(f"more than {TEXTS_MAX} strings in one value; split the action")
            found.append(Text(value, kind, path))
        return
    if depth >= DEPTH_MAX:
        if isinstance(value, (dict, list, tuple)):
            raise ActionError(f"value nested deeper than {DEPTH_MAX} levels; flatten it")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                found.append(Text(key, kind, (*path, key), key=True))
                if len(found) > TEXTS_MAX:
                    raise ActionError(f"more than {TEXTS_MAX} strings in one value; split it")
            _walk(item, kind, (*path, key), found, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _walk(item, kind, (*path, index), found, depth + 1)


def put(value: Any, edits: dict[Path, str]) -> Any:
    """A copy of `value` in which the strings at the given paths are replaced.

    Untouched branches are shared with the original. Raises KeyError or IndexError for a path
    that does not lead to a string.
    """
    if () in edits:
        return edits[()]
    branches: dict[str | int, dict[Path, str]] = {}
    for path, text in edits.items():
        branches.setdefault(path[0], {})[path[1:]] = text
    if isinstance(value, dict):
        return {**value, **{key: put(value[key], branch) for key, branch in branches.items()}}
    if isinstance(value, (list, tuple)):
        items = list(value)
        for index, branch in branches.items():
            items[index] = put(items[index], branch)  # type: ignore[index]
        return items if isinstance(value, list) else tuple(items)
    raise KeyError(f"no text at {next(iter(edits))!r}")


def freeze(value: Any, depth: int = 0) -> Any:
    """A deep copy of the containers of a value, so that a later change by the caller changes
    neither what was decided nor what is performed. Leaves are shared.

    Raises ActionError where the value is nested deeper than DEPTH_MAX, or not `bounded`.
    """
    if depth == 0 and value.__class__ is dict and _LEAVES.issuperset(map(type, value.values())):
        return value.copy()
    if depth > DEPTH_MAX:
        raise ActionError(f"value nested deeper than {DEPTH_MAX} levels; flatten it")
    if depth == 1:
        # the outermost container alone needs no counting, and usually is alone
        bounded(value)
    if isinstance(value, dict):
        return {
            key: item if item.__class__ in _LEAVES else freeze(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [item if item.__class__ in _LEAVES else freeze(item, depth + 1) for item in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(freeze(item, depth + 1) for item in value)
    return value


_LEAVES = frozenset({str, int, float, bool, type(None), bytes})
