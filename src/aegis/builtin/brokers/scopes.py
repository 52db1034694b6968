"""How the scope of a grant is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from ...model import CallerError

if TYPE_CHECKING:
    from ...model import Prepared
    from ...plugin.broker import Wanted

Scope = TypeVar("Scope")


def scope_of(name: str, wanted: Wanted, kind: Prepared[Scope]) -> Scope:
    """The scope as the broker `name` understands it. Raises CallerError."""
    try:
        return kind.convert(wanted.scope)
    except msgspec.ValidationError as error:
        raise CallerError(f"{name}: the scope is none: {error}") from None
