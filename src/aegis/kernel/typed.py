"""Turns a document into a settings value and collects every complaint on the way.

The field table in `settings.py` is the only description of what is allowed: this module walks it
and the document together. One pass reports all problems, each with its place.
"""

from __future__ import annotations

import difflib
import math
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
import msgspec.inspect as shape

from ..model import Problem
from ..policy.source import Node, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

S = TypeVar("S", bound=msgspec.Struct)

Path = tuple[str | int, ...]

TEXT_MAX = 16_384
"""Longest single text of a configuration, in characters; certificates and keys fit."""

KEY_SHOWN_MAX = 80
"""How much of an unknown key a complaint repeats."""

_REFUSED: Any = object()


@cache
def type_of(cls: type[msgspec.Struct]) -> shape.StructType:
    """The field table of a settings class."""
    return cast("shape.StructType", shape.type_info(cls))


def bare(type_: shape.Type) -> shape.Type:
    """A field's type without its description, and without the `or null` of optional ones."""
    if isinstance(type_, shape.Metadata):
        return bare(type_.type)
    if isinstance(type_, shape.UnionType):
        return bare(next(t for t in type_.types if not isinstance(t, shape.NoneType)))
    return type_


def dotted(path: Path) -> str:
    """A path as people write it: `providers.local.models[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{shown(part)}" if text else shown(part)
    return text


def shown(text: str) -> str:
    """A piece of the document as a complaint repeats it: short, one line, printable."""
    text = text[:KEY_SHOWN_MAX]
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant, as a hint; empty where nothing is close."""
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(words)}" if len(words) <= 24 else ""


class Reader:
    """Reads one document. `source` names it in complaints; `places` names the source of single
    paths that came from elsewhere (an environment variable); `secret` resolves references.
    """

    def __init__(
        self,
        source: str,
        *,
        places: dict[Path, str] | None = None,
        secret: Callable[[str], str] | None = None,
        moved: dict[str, str] | None = None,
    ) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._places = places or {}
        self._secret = secret
        self._moved = moved or {}

    def read(self, cls: type[S], node: Node) -> S | None:
        """The settings, or None where anything was wrong (see `problems`)."""
        value = self._value(type_of(cls), node, ())
        return None if self.problems or value is _REFUSED else cast("S", value)

    def check(self, cls: type[msgspec.Struct], node: Node, path: Path) -> Any:
        """The part of the document at a path, read as another class; None where it is wrong."""
        value = self._value(type_of(cls), node, path)
        return None if value is _REFUSED else value

    def complain(self, path: Path, node: Node, message: str, hint: str = "") -> None:
        """Add a complaint about the value at a path."""
        source, line, column = self.source, node.line, node.column
        at = path
        while at:
            if at in self._places:
                source, line, column = self._places[at], 0, 0
                break
            at = at[:-1]
        problem = Problem(
            message, source=source, line=line, column=column, path=dotted(path), hint=hint
        )
        # a plugin's options are read twice: as plain values, then as what the plugin takes
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)

    def _value(self, type_: shape.Type, node: Node, path: Path) -> Any:
        type_ = bare(type_)
        match type_:
            case shape.StructType():
                return self._struct(type_, node, path)
            case shape.DictType():
                return self._dict(type_, node, path)
            case shape.VarTupleType():
                return self._tuple(type_, node, path)
            case shape.AnyType():
                return self._plain(node, path)
            case shape.LiteralType():
                return self._word(type_, node, path)
            case shape.StrType():
                return self._text(node, path)
            case shape.BoolType():
                return self._flag(node, path)
            case shape.IntType() | shape.FloatType():
                return self._number(type_, node, path)
            case _:
                raise TypeError(f"no reader for settings of type {type_!r}")

    def _struct(self, type_: shape.StructType, node: Node, path: Path) -> Any:
        fields = {field.name: field for field in type_.fields}
        if not isinstance(node.value, dict):
            self.complain(path, node, f"has to be a mapping, not {kind(node.value)}")
            return _REFUSED
        found: dict[str, Any] = {}
        for key, below in node.value.items():
            field = fields.get(key)
            if field is None:
                self._unknown(key, node, path, fields)
            elif below.value is None and not field.required:
                continue  # `server:` with nothing under it: everything there is commented out
            elif isinstance(bare(field.type), shape.AnyType):
                found[key] = below.plain()  # another engine's document: nothing in it is ours
            else:
                found[key] = self._value(field.type, below, (*path, key))
        for field in type_.fields:
            if field.required and field.name not in node.value:
                self.complain(path, node, f"key `{field.name}` is missing")
                return _REFUSED
        if _REFUSED in found.values():
            return _REFUSED
        return type_.cls(**found)

    def _unknown(self, key: str, node: Node, path: Path, known: Iterable[str]) -> None:
        moved = self._moved.get(dotted((*path, key)), "")
        self.complain(
            (*path, key),
            node.keys.get(key, node),
            f"unknown key `{shown(key)}`",
            moved or suggestion(key[:KEY_SHOWN_MAX], known),
        )

    def _dict(self, type_: shape.DictType, node: Node, path: Path) -> Any:
        if not isinstance(node.value, dict):
            self.complain(path, node, f"has to be a mapping, not {kind(node.value)}")
            return _REFUSED
        names = bare(type_.key_type)
        found: dict[str, Any] = {}
        for key, below in node.value.items():
            if isinstance(names, shape.LiteralType) and key not in names.values:
                self._unknown(key, node, path, map(str, names.values))
                continue
            found[key] = self._value(type_.value_type, below, (*path, key))
        return _REFUSED if _REFUSED in found.values() else found

    def _tuple(self, type_: shape.VarTupleType, node: Node, path: Path) -> Any:
        if not isinstance(node.value, list):
            hint = f"write `[{shown(node.value)}]`" if isinstance(node.value, str) else ""
            self.complain(path, node, f"has to be a list, not {kind(node.value)}", hint)
            return _REFUSED
        found = [
            self._value(type_.item_type, item, (*path, index))
            for index, item in enumerate(node.value)
        ]
        return _REFUSED if _REFUSED in found else tuple(found)

    def _plain(self, node: Node, path: Path) -> Any:
        """A value whose shape somebody else knows; secret references in it are resolved."""
        if isinstance(node.value, dict):
            return {key: self._plain(item, (*path, key)) for key, item in node.value.items()}
        if isinstance(node.value, list):
            return [self._plain(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._text(node, path) if isinstance(node.value, str) else node.value

    def _word(self, type_: shape.LiteralType, node: Node, path: Path) -> Any:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # `version: 1` says the same as `version: "1"`
        if isinstance(value, str) and value in type_.values:
            return value
        words = [str(word) for word in type_.values if word]
        hint = suggestion(value[:KEY_SHOWN_MAX], words) if isinstance(value, str) else ""
        if hint.startswith("known here"):
            hint = ""
        message = f"has to be one of {', '.join(words)}, not {_said(value)}"
        self.complain(path, node, message, hint)
        return _REFUSED

    def _text(self, node: Node, path: Path) -> Any:
        value = node.value
        if not isinstance(value, str):
            hint = "quote it" if isinstance(value, (int, float)) else ""
            self.complain(path, node, f"has to be text, not {kind(value)}", hint)
            return _REFUSED
        if len(value) > TEXT_MAX:
            self.complain(path, node, f"is longer than {TEXT_MAX} characters")
            return _REFUSED
        if "\0" in value:
            self.complain(path, node, "holds a NUL character, which no setting may")
            return _REFUSED
        if "secret://" not in value or self._secret is None:
            return value
        if not value.startswith("secret://"):
            hint = "put the whole text into the secret"
            self.complain(path, node, "a `secret://` reference has to be the whole value", hint)
            return _REFUSED
        try:
            return self._secret(value)
        except ValueError as error:
            self.complain(path, node, str(error))
            return _REFUSED

    def _flag(self, node: Node, path: Path) -> Any:
        if isinstance(node.value, bool):
            return node.value
        self.complain(path, node, f"has to be true or false, not {_said(node.value)}")
        return _REFUSED

    def _number(self, type_: shape.IntType | shape.FloatType, node: Node, path: Path) -> Any:
        value = node.value
        whole = isinstance(type_, shape.IntType)
        if isinstance(value, float) and value.is_integer() and whole:
            value = int(value)
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not fits:
            what = "a whole number" if whole else "a number"
            self.complain(path, node, f"has to be {what}, not {_said(value)}")
            return _REFUSED
        below = (type_.ge is not None and value < type_.ge) or (
            type_.gt is not None and value <= type_.gt
        )
        above = type_.le is not None and value > type_.le
        if below or above or not math.isfinite(value):
            self.complain(path, node, f"has to be {bounds(type_)}, not {value}")
            return _REFUSED
        return value if whole else float(value)


def _said(value: Any) -> str:
    return f"`{shown(value)}`" if isinstance(value, str) else kind(value)


def bounds(type_: shape.IntType | shape.FloatType) -> str:
    """The bounds of a number in words; empty where it has none."""
    parts = []
    if type_.ge is not None:
        parts.append(f"at least {_plain(type_.ge)}")
    if type_.gt is not None:
        parts.append(f"more than {_plain(type_.gt)}")
    if type_.le is not None:
        parts.append(f"at most {_plain(type_.le)}")
    return " and ".join(parts)


def _plain(number: float) -> str:
    """A bound as a configuration may write it, with `_` between the thousands."""
    return f"{number:_.17g}" if number >= 1_000 else f"{number:g}"
