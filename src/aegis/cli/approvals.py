"""`aegis approvals list`, `aegis approve`, `aegis deny`: the answers of people."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..model import joined
from . import home, output

if TYPE_CHECKING:
    from ..approval import Request

PARAMS_SHOWN = 120
"""Characters of an action's parameters in the table; `--json` shows all."""


def list_approvals(*, config: Path | None = None, json: bool = False) -> int:
    """List what waits for a person.

    Parameters
    ----------
    config
        the aegis.yaml to use
    json
        print JSON: one object per request
    """
    from ..approval import PENDING, state_at

    with home.state(config) as state:
        now = home.now()
        waiting = [r for r in state.approvals(PENDING) if state_at(r, now) == PENDING]
    if json:
        output.json([_plain(request) for request in waiting])
        return 0
    output.table(
        ("id", "who", "action", "params", "risk", "rule", "why", "until"),
        (
            (
                request.id,
                request.agent or request.principal or "-",
                f"{request.type} {request.target}".strip(),
                _short(request.summary),
                request.risk,
                request.rule,
                joined(request.reasons),
                output.moment(request.expires),
            )
            for request in waiting
        ),
        "nothing waits for a person",
    )
    return 0


def approve(
    id: str,
    /,
    *,
    comment: str = "",
    name: Annotated[str, Parameter(name="--as")] = "",
    config: Path | None = None,
) -> int:
    """Let a waiting action happen, once.

    Parameters
    ----------
    id
        the id of the request, as `aegis approvals list` shows it
    comment
        a remark for the record
    name
        who answers; the account's name if left out
    config
        the aegis.yaml to use
    """
    return _answer(id, True, comment, name, config)


def deny(
    id: str,
    /,
    *,
    comment: str = "",
    name: Annotated[str, Parameter(name="--as")] = "",
    config: Path | None = None,
) -> int:
    """Refuse a waiting action.

    Parameters
    ----------
    id
        the id of the request, as `aegis approvals list` shows it
    comment
        a remark for the record and for the one who asked
    name
        who answers; the account's name if left out
    config
        the aegis.yaml to use
    """
    return _answer(id, False, comment, name, config)


def _answer(id: str, yes: bool, comment: str, name: str, config: Path | None) -> int:
    with home.runtime(config) as runtime:
        request = runtime.answer(id, yes, by=name or home.user(), comment=comment, channel="cli")
    output.say(f"{request.id} {request.state}: {request.type} {request.target}".rstrip())
    return 0


def _short(summary: Any) -> str:
    import msgspec

    text = msgspec.json.encode(summary, enc_hook=str).decode() if summary else ""
    return text if len(text) <= PARAMS_SHOWN else text[: PARAMS_SHOWN - 1] + "…"


def _plain(request: Request) -> dict[str, object]:
    return {
        "id": request.id,
        "action": request.action,
        "type": request.type,
        "target": request.target,
        "principal": request.principal,
        "agent": request.agent,
        "session": request.session,
        "params": request.summary,
        "risk": request.risk,
        "rule": request.rule,
        "policy": request.policy,
        "reasons": request.reasons,
        "created": output.moment(request.created),
        "expires": output.moment(request.expires),
        "digest": request.digest,
    }
