"""`aegis approvals list`, `aegis approve`, `aegis deny`: the answers of people."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..kernel.proposals import proposed
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
        ("id", "who", "action", "params", "risk", "rule", "why", "votes", "until"),
        (
            (
                request.id,
                request.agent or request.principal or "-",
                f"{request.type} {request.target}".strip(),
                _short(request.summary),
                request.risk,
                request.rule,
                joined(request.reasons),
                f"{len(request.votes)}/{request.needed}",
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
    scope: Literal["once", "task", "always"] = "once",
    name: Annotated[str, Parameter(name="--as")] = "",
    config: Path | None = None,
) -> int:
    """Let a waiting action happen.

    Parameters
    ----------
    id
        the id of the request, as `aegis approvals list` shows it
    comment
        a remark for the record
    scope
        `once`; `task`: as often as its task needs the very same action; `always`: once, and a
        rule for it is written for somebody to put into the policy
    name
        who answers; the account's name if left out
    config
        the aegis.yaml to use
    """
    with home.runtime(config) as runtime:
        by = name or home.user()
        request = runtime.answer(id, True, by=by, comment=comment, channel="cli", scope=scope)
        proposal = proposed(runtime.settings.home, id) if scope == "always" else None
    _said(request)
    if proposal is not None:
        output.note(f"proposed a rule: look at `{proposal}`, then name it in `policy.rules_path`")
    return 0


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
    with home.runtime(config) as runtime:
        by = name or home.user()
        request = runtime.answer(id, False, by=by, comment=comment, channel="cli")
    _said(request)
    return 0


def _said(request: Request) -> None:
    state = request.state
    if state == "pending":
        state = f"waits for more people ({len(request.votes)} of {request.needed})"
    output.say(f"{request.id} {state}: {request.type} {request.target}".rstrip())


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
        "task": request.task,
        "needed": request.needed,
        "votes": [vote.by for vote in request.votes],
        "created": output.moment(request.created),
        "expires": output.moment(request.expires),
        "digest": request.digest,
    }
