"""Python calls as actions: arguments by the names of the signature, and back.

Policies and guards see JSON-like params: dataclasses, pydantic models, msgspec structs and enums
are shown as what they hold. What is performed is what was decided: plain arguments are passed as
the private copies the decision was made about (masked where it asked for that), and an object is
passed itself, if it still holds what was decided.
"""

from __future__ import annotations

import dataclasses
import inspect
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from ...flow import PlainView
from ...model import ActionError, BlockedError, texts_of
from ...model.text import CONTAINERS_MAX, DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...model import Action, Text

    Assemble = Callable[[dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]

RECEIVERS = ("self", "cls")
"""First parameters that are the object a method belongs to, not an argument."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_LEAVES = (str, int, float, bool, type(None))


def plain(value: Any, depth: int = 0, budget: list[int] | None = None) -> Any:
    """A value as JSON-like data where it has such a form; anything else stays what it is.

    Raises ActionError where it is nested deeper than DEPTH_MAX, or holds more than CONTAINERS_MAX
    containers (`budget` counts them down).
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if depth > DEPTH_MAX:
        raise ActionError(f"an argument is nested deeper than {DEPTH_MAX} levels; flatten it")
    if budget is None:
        budget = [CONTAINERS_MAX]
    budget[0] -= 1
    if budget[0] < 0:
        raise ActionError(f"an argument holds more than {CONTAINERS_MAX} values; split the call")
    if isinstance(value, Enum):
        return plain(value.value, depth + 1, budget)
    if isinstance(value, dict):
        return {key: plain(item, depth + 1, budget) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1, budget) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item, depth + 1, budget) for item in value), key=repr)
    if isinstance(value, str):
        return str.__str__(value)
    fields = _fields(value)
    return (
        value if fields is None else {key: plain(item, depth + 1, budget) for key, item in fields}
    )


def _fields(value: Any) -> list[tuple[str, Any]] | None:
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(kind):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    declared = getattr(kind, "model_fields", None)  # pydantic, without importing it
    if isinstance(declared, dict):
        return [(str(name), getattr(value, name)) for name in declared]
    return None


def _own(value: Any, depth: int = 0) -> bool:
    """Whether a value is nothing but exact JSON-like types: those are passed as copies. One that
    is nested deeper than DEPTH_MAX, or in itself, is not.
    """
    kind = type(value)
    if kind in _LEAVES:
        return True
    if depth > DEPTH_MAX:
        return False
    if kind is dict:
        return all(_own(key, depth + 1) and _own(item, depth + 1) for key, item in value.items())
    if kind is list or kind is tuple:
        return all(_own(item, depth + 1) for item in value)
    return False


class Signature:
    """How a function's arguments become params."""

    def __init__(self, function: Callable[..., Any], *, skip: Sequence[str] = ()) -> None:
        """`skip` names parameters that are no arguments of the tool (a framework's own)."""
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self._signature = None  # some builtins have none: their arguments are `args`
        self._skip = frozenset(skip)
        names = list(self._signature.parameters) if self._signature else []
        self._receiver = names[0] if names and names[0] in RECEIVERS else ""
        self._hidden = self._skip | {self._receiver} if self._receiver else self._skip
        self._names, self._most, self._defaults = self._plainly()
        self._known = frozenset(self._names)

    def _plainly(self) -> tuple[tuple[str, ...], int, dict[str, Any]]:
        """The names, how many of them may be positional, and the defaults; no names where the
        signature has parameters that need `inspect` to bind them.
        """
        parameters = list(self._signature.parameters.values()) if self._signature else []
        if not all(parameter.kind in _NAMED for parameter in parameters):
            return (), 0, {}
        most = sum(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters)
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        return tuple(p.name for p in parameters), most, defaults

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call of a function with these arguments. Raises TypeError as the call would."""
        if self._signature is None:
            return keywords(args, kwargs)
        names = self._names
        if len(args) <= self._most and names:
            given = {**self._defaults, **dict(zip(names, args, strict=False)), **kwargs}
            # neither missing, unknown nor doubled: `inspect` would find nothing to complain about
            doubled = bool(kwargs) and not kwargs.keys().isdisjoint(names[: len(args)])
            if not doubled and given.keys() == self._known:
                return Call(given, self._hidden, "", _by_name)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        hidden = self._hidden
        given = dict(bound.arguments)
        spread = ""
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL and not given[name]:
                del given[name]
            # entries of `**kwargs` are params of their own, unless one is named like another
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                spread = name if given.keys().isdisjoint(given[name].keys() - hidden) else ""

        def assemble(decided: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            bound.arguments.update(decided)
            return bound.args, bound.kwargs

        return Call(given, hidden, spread, assemble)


def _by_name(decided: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), decided


def keywords(args: tuple[Any, ...], kwargs: dict[str, Any], skip: Sequence[str] = ()) -> Call:
    """A call whose params are its keyword arguments (`skip` are not) and, where there are any,
    its positional ones as `args`.
    """
    given = {**kwargs, "args": args} if args else dict(kwargs)

    def assemble(decided: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (tuple(decided.pop("args")) if args else ()), decided

    return Call(given, frozenset(skip), "", assemble)


class Call:
    """One call: its params as policies see them, and the arguments to perform it with."""

    def __init__(
        self, given: dict[str, Any], hidden: frozenset[str], spread: str, assemble: Assemble
    ) -> None:
        """`given` are all arguments by name, `hidden` those that are no params, `spread` the one
        whose entries are params of their own; `assemble` makes arguments of decided ones.
        """
        self._given = given
        self._hidden = hidden
        self._spread = spread
        self._assemble = assemble
        self._copied = frozenset(name for name, value in given.items() if _own(value))
        self.params: dict[str, Any] = {}
        for name, value in given.items():
            if name == spread:
                self.params.update(plain({k: v for k, v in value.items() if k not in hidden}))
            elif name not in hidden:
                self.params[name] = plain(value)

    def arguments(self, params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What to call the function with, after the decision about `params`.

        Raises BlockedError where an object was changed since, or would have to be masked.
        """
        decided: dict[str, Any] = {}
        for name, value in self._given.items():
            copied = name in self._copied
            if name in self._hidden:
                decided[name] = value
            elif name == self._spread:
                decided[name] = {
                    key: item if key in self._hidden else _performed(key, item, params[key], copied)
                    for key, item in value.items()
                }
            else:
                decided[name] = _performed(name, value, params[name], copied)
        return self._assemble(decided)


def _performed(name: str, value: Any, decided: Any, copied: bool) -> Any:
    """One argument as it is passed on: the decided copy, or the object that still is it."""
    if copied:
        return _like(value, decided)
    if not _same(plain(value), decided):
        raise BlockedError(
            f"argument `{name}` is a {type(value).__qualname__} and is not what was decided "
            "about any more: it was changed meanwhile, or would have to be masked"
        )
    return value


def _like(value: Any, decided: Any) -> Any:
    """The decided value with the tuples of the original (params hold lists in their place)."""
    if type(value) is dict and isinstance(decided, dict):
        return {key: _like(value.get(key), item) for key, item in decided.items()}
    if type(value) in (list, tuple) and isinstance(decided, list) and len(value) == len(decided):
        return type(value)(map(_like, value, decided))
    return decided


def _same(value: Any, decided: Any) -> bool:
    """Equal as data; objects that are no data have to be the very same."""
    if isinstance(value, dict) and isinstance(decided, dict):
        return value.keys() == decided.keys() and all(_same(value[k], decided[k]) for k in value)
    if isinstance(value, list) and isinstance(decided, list):
        return len(value) == len(decided) and all(map(_same, value, decided))
    return value is decided or (
        type(value) is type(decided) and type(value) in _LEAVES and bool(value == decided)
    )


class CallView(PlainView):
    """Reads Python results: objects are read as what they hold, and only plain data is masked."""

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """Every string of the result."""
        return texts_of(plain(value), "tool_result")

    def rewrite_reply(self, value: Any, edits: Any) -> Any:
        """The result with some strings replaced; objects become plain data."""
        return super().rewrite_reply(value if _own(value) else plain(value), edits)

    def reply_recorded(self, value: Any) -> Any:
        """JSON-like results as they are, objects as what they hold, others by their type."""
        shown = plain(value)
        return super().reply_recorded(shown)


CALLS = CallView()
