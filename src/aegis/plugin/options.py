"""What a builder of guards says of their options, so that a configuration is refused where it is
wrong and not when its guards are built.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from ..model import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

B = TypeVar("B", bound="Callable[..., Any]")
S = TypeVar("S", bound=msgspec.Struct)

_PREPARED: dict[type[msgspec.Struct], Prepared[Any]] = {}

_BESIDE = ("action", "sensitivity")
"""What a builder is given beside the options: said of every guard."""


class Entry(msgspec.Struct, frozen=True):
    """A guard in a configuration: its name, its `action` (empty: the default of the guard), and
    the names of all guards that run beside it.
    """

    name: str
    action: str = ""
    guards: frozenset[str] = frozenset()


class Complaint(msgspec.Struct, frozen=True):
    """What is wrong with an entry. `path` leads from the entry to the value, as in
    `("options", "masks", "EMAIL")`; `hint` says what to do next.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""


class Checking(Protocol):
    """Options that know more than their types can say. A Struct of options may be one."""

    def complaints(self, entry: Entry) -> Iterable[Complaint]:
        """Everything that is wrong with the options of an entry."""
        ...


def takes(**options: type[msgspec.Struct]) -> Callable[[B], B]:
    """Mark a builder of guards with the Struct of `options` that each guard takes, by its name.

    Unknown keys and wrong types are then refused with their place when a configuration is read.
    The types are prepared with the module that marks: its builder may be called by any thread.
    """
    _PREPARED.update({kind: Prepared(kind) for kind in options.values()})

    def mark(build: B) -> B:
        vars(build)["options"] = options
        return build

    return mark


def taken(build: Any, name: str) -> type[msgspec.Struct] | None:
    """The Struct of a guard's options; None where its builder does not say."""
    found: type[msgspec.Struct] | None = getattr(build, "options", {}).get(name)
    return found


def options_of(
    cls: type[S], name: str, raw: Mapping[str, Any], guards: frozenset[str] = frozenset()
) -> tuple[S, str]:
    """The options and the action that a builder was given for a guard.

    Raises ValueError for the first thing that is wrong. A configuration was checked before, with
    the place of everything; this is for whoever calls a builder without one.
    """
    given = {key: value for key, value in raw.items() if key not in _BESIDE}
    for key in given:
        if key not in cls.__struct_fields__:
            near = get_close_matches(key, cls.__struct_fields__, 1)
            hint = f"did you mean `{near[0]}`?" if near else ", ".join(cls.__struct_fields__)
            raise ValueError(f"{name}: unknown option `{key}`; {hint}")
    try:
        options: S = _PREPARED[cls].convert(given)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None
    entry = Entry(name, str(raw.get("action") or ""), guards)
    for one in options.complaints(entry) if hasattr(options, "complaints") else ():
        hint = f"; {one.hint}" if one.hint else ""
        raise ValueError(f"{name}: `{one.path[-1]}`: {one.message}{hint}")
    return options, entry.action
