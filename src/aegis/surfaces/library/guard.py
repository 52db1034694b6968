"""`@guard`: a function whose calls the policy decides, by its name, its verb and its arguments."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ...kernel.effective import FUNCTION
from ...model import CallerError
from . import process
from .monitor import name_of
from .policy_file import PolicyFile
from .refusals import message, refusal
from .wrap import Governed, governed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ...model import Outcome
    from .governor import Governor

F = TypeVar("F", bound="Callable[..., Any]")

OnBlock = Literal["raise", "return_none", "log"]
ON_BLOCK = ("raise", "return_none", "log")

log = logging.getLogger("aegis")


class _Guarded(Governed):
    """A guarded function's facts."""

    def __init__(
        self, type: str, target: str, labels: tuple[str, ...], file: PolicyFile | None, on: str
    ) -> None:
        super().__init__(type, target, labels)
        self._file = file
        self._on = on

    def governor(self) -> Governor:
        """What decides: the policy of the process, or that of the named file."""
        return process.current() if self._file is None else self._file.governor()

    def refused(self, outcome: Outcome) -> Any:
        """Raises, or gives None."""
        if self._on == "raise":
            raise refusal(outcome)
        if self._on == "log":
            log.warning("%s", message(outcome))
        return None


@overload
def guard(function: F, /) -> F: ...
@overload
def guard(
    *,
    action_type: str = "",
    action_target: str = "",
    policy_path: str | os.PathLike[str] | None = None,
    on_block: OnBlock = "raise",
) -> Callable[[F], F]: ...
def guard(
    function: Any = None,
    /,
    *,
    action_type: str = "",
    action_target: str = "",
    policy_path: str | os.PathLike[str] | None = None,
    on_block: OnBlock = "raise",
) -> Any:
    """Govern a function: `@guard`, or `@guard(action_type=, action_target=, …)`.

    Without `action_type`, rules know the function by its own name and by its verb (read, write,
    update, delete, deploy, approve, execute); the first rule that matches either decides. The
    target is its module. Arguments are params by the names of the signature. `policy_path` names
    a policy of its own, read again when the file changes. `on_block` says what a refused call
    does: raise BlockedError, return None, or log a warning and return None.

    Raises CallerError for bad options, PolicyError for an unusable policy file.
    """
    if on_block not in ON_BLOCK:
        raise CallerError(f"`on_block` is one of {', '.join(ON_BLOCK)}, not `{on_block}`")
    file = PolicyFile(Path(policy_path)) if policy_path is not None else None

    def decorate(inner: Any) -> Any:
        labels = () if action_type else (FUNCTION,)
        target = action_target or getattr(inner, "__module__", "") or ""
        wrapping = _Guarded(action_type or name_of(inner), target, labels, file, on_block)
        return governed(inner, wrapping, monitored=False)

    return decorate if function is None else decorate(function)
