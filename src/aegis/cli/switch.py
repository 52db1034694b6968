"""`aegis kill` and `aegis revive`: the switch of an agent. Each use is a record."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from shlex import quote

from ..model import CallerError
from . import home, output

NAME_MAX = 200
"""Longest name of an agent, in characters."""


def kill(name: str, /, *, reason: str = "", config: Path | None = None) -> int:
    """Switch an agent off. Its next call is refused, in every process on this home folder.

    Parameters
    ----------
    name
        name of the agent
    reason
        why, for those who read the refusals
    config
        the aegis.yaml to use
    """
    from ..kernel.known import stranger

    _check(name)
    with home.runtime(config) as runtime:
        warning = stranger(runtime, name)
        runtime.kill(name, by=home.user(), reason=reason)
    output.say(f"{name} is switched off; `aegis revive {quote(name)}` switches it on again")
    if warning:
        output.note(f"warning: {warning}")
    return 0


def revive(name: str, /, *, config: Path | None = None) -> int:
    """Switch an agent on again.

    Parameters
    ----------
    name
        name of the agent
    config
        the aegis.yaml to use
    """
    _check(name)
    with home.runtime(config) as runtime:
        runtime.revive(name, by=home.user())
    output.say(f"{name} is switched on")
    return 0


def _check(name: str) -> None:
    if not name.strip() or len(name) > NAME_MAX:
        raise CallerError(f"an agent's name has 1 to {NAME_MAX} characters")
