"""Reads single values of a policy document: globs, numbers, times, expressions.

Each reader returns the value in its canonical spelling, or FAILED after a complaint that says
where and what to write instead. What could fail at the first decision fails here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from ..model import RiskLevel, Verdict
from ..model.flowmark import LABEL, SINKS, WAYS
from . import clock
from .conditions import compile_regex
from .fields import LIST_MAX, PEOPLE_MAX, REGEX_MAX, STEPS_MAX, TEXT_MAX
from .glob import Glob, GlobError
from .params import NAMES, parse_path
from .resources import shaped
from .semantic import says_something
from .source import kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Field
    from .source import Node

FAILED: Any = object()
"""Stands for a value that has been complained about."""


class Reader(Protocol):
    """What a reader of values needs of the reader of the document (see `parse`)."""

    evaluated: bool

    def complain(self, message: str, node: Node, path: str, hint: str = "") -> Any:
        """Note a problem at a node; FAILED."""

    def items(self, node: Node, path: str, most: int = LIST_MAX) -> list[Node] | None:
        """The nodes of a list, bounded; None after a complaint."""

    def section(self, name: str, node: Node, path: str) -> dict[str, Any]:
        """The values of a section by canonical key."""


def _text(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if isinstance(node.value, bool) or not isinstance(node.value, (str, int, float)):
        return reader.complain(f"expected text, found {kind(node.value)}", node, path)
    text = str(node.value)
    if len(text) > TEXT_MAX:
        return reader.complain(f"text longer than {TEXT_MAX} characters", node, path)
    return text


def _bool(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if not isinstance(node.value, bool):
        message = f"expected true or false, found {kind(node.value)}"
        return reader.complain(message, node, path)
    return node.value


def _verdict(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if isinstance(node.value, str):
        try:
            return Verdict.parse(node.value).word
        except ValueError as error:
            return reader.complain(str(error), node, path)
    message = f"expected a verdict, found {kind(node.value)}"
    return reader.complain(message, node, path, "write allow, sanitize, review or block")


def _risk(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    words = [level.name.lower() for level in RiskLevel]
    word = node.value.strip().lower() if isinstance(node.value, str) else ""
    if word in words:
        return word
    found = f"`{node.value[:40]}`" if isinstance(node.value, str) else kind(node.value)
    return reader.complain(f"unknown risk level {found}; use {', '.join(words)}", node, path)


def _globs(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    single = not isinstance(node.value, list)
    nodes = [node] if single else reader.items(node, path)
    if nodes is None:
        return FAILED
    if not nodes:
        hint = "write `*` for anything, or leave the key out"
        return reader.complain("an empty list matches nothing", node, path, hint)
    out: list[str] = []
    for index, each in enumerate(nodes):
        here = path if single else f"{path}[{index}]"
        value = each.value
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            reader.complain(f"expected a glob, found {kind(value)}", each, here)
            continue
        try:
            out.append(Glob(str(value)).text)
        except GlobError as error:
            reader.complain(str(error), each, here)
    return out


def _globs_or_empty(reader: Reader, field: Field, node: Node, path: str) -> Any:
    return ["*"] if node.value in ("", None) else _globs(reader, field, node, path)


def _resources(reader: Reader, field: Field, node: Node, path: str) -> Any:
    globs = _globs(reader, field, node, path)
    for text in globs if globs is not FAILED else ():
        if not shaped(text):
            return reader.complain(
                f"`{text[:80]}` names no kind of resource", node, path, "write `[verb ]kind:name`"
            )
    return globs


def _steps(reader: Reader, field: Field, node: Node, path: str) -> Any:
    globs = _globs(reader, field, node, path)
    if globs is not FAILED and len(globs) > STEPS_MAX:
        return reader.complain(f"more than {STEPS_MAX} steps", node, path)
    return globs


def _names(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    nodes = [node] if isinstance(node.value, str) else reader.items(node, path)
    out = []
    for index, each in enumerate(nodes or ()):
        if _parameter(reader, each.value, each, f"{path}[{index}]"):
            out.append(each.value)
    return out or FAILED


def _parameter(reader: Reader, name: object, node: Node, path: str) -> bool:
    try:
        parse_path(name if isinstance(name, str) else "")
    except ValueError as error:
        reader.complain(str(error), node, path)
        return False
    return True


def _mapped(
    read: Callable[[Reader, Node, str], Any],
) -> Callable[[Reader, Field, Node, str], Any]:
    """A reader of parameter names to values that `read` accepts."""

    def reader_of(reader: Reader, _field: Field, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict) or not node.value or len(node.value) > LIST_MAX:
            message = f"expected parameter names and values, found {kind(node.value)}"
            hint = "write for example { amount: 100 }"
            return reader.complain(message, node, path, hint)
        out: dict[str, Any] = {}
        for name, below in node.value.items():
            here = f"{path}.{name[:80]}"
            if _parameter(reader, name, node.keys.get(name, node), here):
                value = read(reader, below, here)
                if value is not FAILED:
                    out[name] = value
        return out

    return reader_of


def _number(reader: Reader, node: Node, path: str) -> Any:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = "write the number without quotes" if isinstance(value, str) else ""
        return reader.complain(f"expected a number, found {kind(value)}", node, path, hint)
    if isinstance(value, float) and not math.isfinite(value):
        return reader.complain("expected a finite number", node, path)
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return reader.complain("number beyond 64 bits", node, path)
    return value


def _any_value(reader: Reader, node: Node, path: str) -> Any:
    value = node.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(reader, node, path)
    if isinstance(value, str) and len(value) > TEXT_MAX:
        return reader.complain(f"text longer than {TEXT_MAX} characters", node, path)
    if isinstance(value, list):
        read = [_any_value(reader, below, f"{path}[{i}]") for i, below in enumerate(value)]
        return FAILED if FAILED in read else read
    if isinstance(value, dict):
        pairs = {k: _any_value(reader, below, f"{path}.{k[:80]}") for k, below in value.items()}
        return FAILED if FAILED in pairs.values() else pairs
    return value


def _exact(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        message = f"expected parameter names and values, found {kind(node.value)}"
        return reader.complain(message, node, path, "write for example { amount: 100 }, or {}")
    return _any_value(reader, node, path)


def _range(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, list) or len(node.value) != 2:
        return reader.complain("expected [low, high]", node, path)
    low, high = (_number(reader, each, f"{path}[{i}]") for i, each in enumerate(node.value))
    if low is FAILED or high is FAILED:
        return FAILED
    if low > high:
        return reader.complain(f"{low} is more than {high}; nothing is between", node, path)
    return [low, high]


def _set(reader: Reader, node: Node, path: str) -> Any:
    nodes = reader.items(node, path)
    if nodes is None:
        return FAILED
    if not nodes:
        return reader.complain("an empty list contains nothing", node, path)
    read = [_any_value(reader, each, f"{path}[{i}]") for i, each in enumerate(nodes)]
    return FAILED if FAILED in read else read


def _scalar_value(reader: Reader, node: Node, path: str) -> Any:
    if node.value is None or isinstance(node.value, (list, dict)):
        hint = "write one text or number; for several use `any`"
        return reader.complain(f"expected one value, found {kind(node.value)}", node, path, hint)
    return _any_value(reader, node, path)


def _regex(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, str) or len(node.value) > REGEX_MAX:
        message = f"expected a regular expression of at most {REGEX_MAX} characters"
        return reader.complain(message, node, path)
    try:
        compile_regex(node.value)
    except ValueError as error:
        return reader.complain(str(error), node, path)
    return node.value


def _time(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if not isinstance(node.value, str):
        hint = 'write it in quotes, like "18:00"'
        message = f"expected a time of day, found {kind(node.value)}"
        return reader.complain(message, node, path, hint)
    try:
        minutes = clock.parse_time(node.value)
    except ValueError as error:
        return reader.complain(str(error), node, path)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _zone(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    try:
        clock.zone(node.value if isinstance(node.value, str) else "?")
    except ValueError as error:
        return reader.complain(str(error), node, path)
    return node.value


def _weekdays(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    nodes = reader.items(node, path, 14) if isinstance(node.value, list) else [node]
    out = set()
    for index, each in enumerate(nodes or ()):
        try:
            out.add(clock.parse_weekday(each.value))
        except ValueError as error:
            reader.complain(str(error), each, f"{path}[{index}]")
    if nodes == []:
        reader.complain("no weekday is listed, so the rule could never hold", node, path)
    return sorted(out)


def _semantic(reader: Reader, field: Field, node: Node, path: str) -> Any:
    text = _text(reader, field, node, path)
    if text is not FAILED and not text.strip():
        return reader.complain("an empty text is about nothing", node, path)
    if text is not FAILED and not reader.evaluated and not says_something(text):
        hint = "name what to look for, or give a semantic evaluator"
        return reader.complain("the keyword matcher finds no word to look for", node, path, hint)
    return text


def _finding(reader: Reader, field: Field, node: Node, path: str) -> Any:
    if isinstance(node.value, dict):
        return reader.section("finding", node, path)
    globs = _globs(reader, field, node, path)
    return FAILED if globs is FAILED else {"category": globs}


def _flow(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        message = f"expected `from` and `to`, found {kind(node.value)}"
        return reader.complain(message, node, path, "write { from: untrusted, to: external }")
    return reader.section("flow", node, path)


def _words(
    accepted: Callable[[str], bool], expected: str
) -> Callable[[Reader, Field, Node, str], Any]:
    """A reader of one word or a list of words that are `accepted`."""

    def reader_of(reader: Reader, _field: Field, node: Node, path: str) -> Any:
        single = not isinstance(node.value, list)
        nodes = [node] if single else reader.items(node, path)
        if nodes == []:
            return reader.complain("an empty list matches nothing", node, path)
        out: list[str] = []
        for index, each in enumerate(nodes or ()):
            here = path if single else f"{path}[{index}]"
            if not isinstance(each.value, str):
                reader.complain(f"expected {expected}, found {kind(each.value)}", each, here)
            elif not accepted(each.value):
                reader.complain(f"`{each.value[:40]}` is not {expected}", each, here)
            elif each.value not in out:
                out.append(each.value)
        return out or FAILED

    return reader_of


def _labelling(word: str) -> bool:
    return word == "*" or LABEL.fullmatch(word) is not None


def _count(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        return reader.complain("expected a whole number from 0 to 1000000", node, path)
    return value


def _people(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= PEOPLE_MAX:
        return reader.complain(f"expected a whole number from 1 to {PEOPLE_MAX}", node, path)
    return value


def _thousandths(reader: Reader, _field: Field, node: Node, path: str) -> Any:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        hint = "write 800 for eight tenths"
        return reader.complain("expected a whole number from 0 to 1000", node, path, hint)
    return value


def _paths(reader: Reader, field: Field, node: Node, path: str) -> Any:
    nodes = [node] if not isinstance(node.value, list) else reader.items(node, path)
    texts = [_text(reader, field, each, path) for each in nodes or ()]
    return FAILED if FAILED in texts else texts


READERS: dict[str, Callable[[Reader, Field, Node, str], Any]] = {
    "bool": _bool,
    "count": _count,
    "exact": _exact,
    "finding": _finding,
    "flow": _flow,
    "globs": _globs,
    "globs_or_empty": _globs_or_empty,
    "labels": _words(
        _labelling, "a label (lower case letters, digits, `_`, `.` and `-`, or `*` for any)"
    ),
    "names": _names,
    "numbers": _mapped(_number),
    "paths": _paths,
    "people": _people,
    "ranges": _mapped(_range),
    "regexes": _mapped(_regex),
    "risk": _risk,
    "scalars": _mapped(_scalar_value),
    "semantic": _semantic,
    "sets": _mapped(_set),
    "resources": _resources,
    "sinks": _words(("*", *SINKS).__contains__, f"a sink ({', '.join(SINKS)}, or `*` for any)"),
    "steps": _steps,
    "text": _text,
    "thousandths": _thousandths,
    "time": _time,
    "unnamed": _words(NAMES.__contains__, f"a name of an action ({', '.join(NAMES)})"),
    "values": _mapped(_any_value),
    "verdict": _verdict,
    "ways": _words(WAYS.__contains__, f"a way ({', '.join(WAYS)})"),
    "weekdays": _weekdays,
    "zone": _zone,
}
"""How each kind of value is read."""
