"""Follows data by value: what results bring in, and what of it an action is about to pass on."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from ..model.flowmark import CONTENT, CONTROL, SESSION, flow_label
from .memory import FIELD
from .records import from_text, leaves
from .sources import INSTRUCTING, UNTRUSTED
from .tokens import (
    ENCODED_MIN,
    TEXT_MAX,
    addresses,
    dated,
    decoded,
    instructs,
    pieces,
    places,
    split,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .memory import Memory
    from .sources import Source

CONTENT_TOKENS, CONTENT_MIN = 24, 160
"""Longest argument that decides by itself, in words, and in characters below which words are not
counted. A longer one is carried, whatever its name.
"""

LABELS_MAX = 1_024
"""Most combinations of a session's labels and sinks remembered."""

NAME_MAX, NAMES_MAX = 256, 4_096
"""Most characters of a parameter's path that say what it is for, and most paths remembered;
callers choose them.
"""

_CARRIED = frozenset(
    """body content contents text message description subject title note notes comment comments
    summary caption html markdown reason abstract details memo""".split()  # noqa: SIM905
)
"""Names of arguments that are carried and decide nothing."""


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A value with `label` is about to reach the action in the parameter `param`."""

    label: str
    way: str
    param: str


def absorb(memory: Memory, value: Any, source: Source) -> None:
    """Take in the result of a tool."""
    labels = source.labels
    if not labels:
        return
    found: Iterable[tuple[str, bool]]
    if isinstance(value, str):
        read = from_text(value) if source.texts and source.records else None
        found = read if read is not None else ((value, False),)
    else:
        found = leaves(value, source.records)
    others = () if labels == _PLAIN else tuple(each for each in labels if each != UNTRUSTED)
    foreign = len(others) < len(labels)
    for text, field in found:
        said = tokens(text[:TEXT_MAX])
        if field and foreign and len(said) <= FIELD:
            memory.field(said, _PLAIN)
            if others:
                memory.prose(text, said, others)
                memory.secret(text, said, others)
            continue
        memory.prose(text, said, labels)
        if others:
            memory.secret(text, said, others)
        if foreign and instructs(text, said):
            memory.prose(text, said, (INSTRUCTING,))
    memory.bound()


def flows(memory: Memory, params: Any) -> list[Flow]:
    """What the arguments of an action carry, each way and label once, with the first parameter it
    was seen in. Where nothing but content is given, the content decides.
    """
    seen: dict[tuple[str, str], Flow] = {}
    given = arguments(params)
    for name, value in given:
        found = _labels(memory, name, value)
        if len(value) >= ENCODED_MIN or "%" in value:
            for text in decoded(value):
                found = found + _labels(memory, name, text)
        for label, way in found:
            seen.setdefault((label, way), Flow(label, way, name))
    if not seen:
        return []
    if any(_way(name, value) == CONTROL and not dated(value) for name, value in given):
        return list(seen.values())
    return [Flow(flow.label, CONTROL, flow.param) for flow in seen.values()]


def labels_of(
    found: Sequence[Flow], session: Sequence[str], sinks: Sequence[str]
) -> tuple[str, ...]:
    """The labels a policy may ask for: those of the session, and its flows into the sinks."""
    out = _of_session(tuple(session), tuple(sinks))
    if not found:
        return out
    return out + tuple(flow_label(flow.label, sink, flow.way) for sink in sinks for flow in found)


@lru_cache(maxsize=LABELS_MAX)
def _of_session(session: tuple[str, ...], sinks: tuple[str, ...]) -> tuple[str, ...]:
    return session + tuple(flow_label(label, sink, SESSION) for sink in sinks for label in session)


def addressed(params: Any) -> bool:
    """Whether an argument that decides what happens is an address outside: the action then leaves
    the house, whatever it is called.
    """
    return any(
        addresses(value) and _way(name, value) == CONTROL for name, value in arguments(params)
    )


def arguments(params: Any) -> list[tuple[str, str]]:
    """The values of an action's params as text, with their paths."""
    out: list[tuple[str, str]] = []
    _collect(params, "", out)
    return out


def _labels(memory: Memory, name: str, text: str) -> list[tuple[str, str]]:
    found = tokens(text[:TEXT_MAX])
    labels = memory.labels(found)
    out = _NONE
    if labels and not dated(text) and not memory.trusted(found):
        way = _way(name, text)
        out = [(label, way) for label in labels]
    apart = split(text)
    if not out and apart != text and not dated(text) and not memory.trusted(found):
        parts = tokens(apart[:TEXT_MAX])
        if len(parts) > 1 and not memory.trusted(parts):
            out = [(label, _way(name, text)) for label in memory.copied(parts)]
            if memory.secretive:
                parts += pieces(text[:TEXT_MAX])
                out += [(label, _way(name, text)) for label in memory.secrets(parts)]
    if len(found) > 1:
        for address in addresses(text):
            one = tokens(address)
            labels = memory.labels(one)
            if labels and not memory.trusted(one):
                out = out + [(label, CONTROL) for label in labels]
    if "://" in text:
        for place in places(text[:TEXT_MAX]):
            out = out + [(label, CONTROL) for label in memory.placed(place)]
    return out


def _way(name: str, value: str) -> str:
    if _carried(name[-NAME_MAX:]):
        return CONTENT
    if len(value) > CONTENT_MIN and len(value.split()) > CONTENT_TOKENS:
        return CONTENT
    return CONTROL


_PLAIN = (UNTRUSTED,)
_NONE: list[tuple[str, str]] = []


@lru_cache(maxsize=NAMES_MAX)
def _carried(name: str) -> bool:
    last = name.rpartition(".")[2].rstrip("[]0123456789").lower()
    return not _CARRIED.isdisjoint((last, *last.split("_")))


def _collect(value: Any, name: str, out: list[tuple[str, str]]) -> None:
    if isinstance(value, str):
        if value:
            out.append((name, value))
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, (int, float)):
        out.append((name, f"{value:.15g}"))
    elif isinstance(value, dict):
        for key, below in value.items():
            _collect(below, f"{name}.{key}" if name else str(key), out)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for below in value:
            _collect(below, f"{name}[]", out)
