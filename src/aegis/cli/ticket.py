"""`aegis ticket`: issue, check and trust tickets for single calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model import Action, Actor, CallerError, TicketError, joined
from . import home, output

if TYPE_CHECKING:
    from ..kernel.runtime import Runtime

FROM_STDIN = "-"
"""What stands for a ticket that comes over standard input."""


def issue(
    *words: str,
    tool: str = "",
    param: list[str] | None = None,
    params: str = "",
    target: str = "",
    agent: str = "",
    config: Path | None = None,
) -> int:
    """Decide a call here, and print the ticket with which it may be performed elsewhere, once.

    `aegis ticket issue -- COMMAND ARGUMENTS…` is for `aegis exec`, in the folder this is run in;
    `--tool` names any other call. A grant has to lend the action a credential of a broker of type
    `ticket`. Exit code 1 where the policy refuses.

    Parameters
    ----------
    words
        the command and its arguments
    tool
        the tool to call, instead of a command
    param
        an argument of the tool as NAME=VALUE; may be repeated
    params
        the arguments of the tool as a JSON object
    target
        what the tool acts on
    agent
        the agent that may use the ticket
    config
        the aegis.yaml to use
    """
    from ..surfaces.gates.command import action_of

    if bool(words) == bool(tool):
        raise CallerError("name a command, or a tool with `--tool`")
    actor = Actor(home.user(), agent)
    if words:
        action = action_of(words, Path.cwd().resolve(), actor)
    else:
        action = Action(tool, target, home.params_of(param, params), actor=actor)
    with home.runtime(config) as runtime:
        return _issued(runtime, action)


def _issued(runtime: Runtime, action: Action) -> int:
    from ..kernel.lease import lent

    made: list[str] = []

    def keep(_: Action) -> None:
        # the ticket is not the result: results stand in records
        lease = lent()
        if lease is not None and "ticket" in lease.fields:
            made.append(lease.fields["ticket"])

    outcome = runtime.govern(action, keep)
    if not outcome.ok:
        decision = outcome.decision
        why = str(outcome.error) if outcome.error else joined(decision.reasons)
        output.note(f"{outcome.status} by rule {decision.rule}: {why}")
        if decision.advice:
            output.note(f"next: {decision.advice}")
        return 1
    if not made:
        raise CallerError(
            f"no grant lends `{action.type}` a ticket; name a broker of type `ticket` under "
            "`credentials.grants`"
        )
    output.say(made[0])
    return 0


def verify(
    ticket: str = "",
    /,
    *,
    tool: str,
    param: list[str] | None = None,
    params: str = "",
    agent: str = "",
    config: Path | None = None,
) -> int:
    """Use a ticket up for a call, and print what it says. Exit code 1, and why, where it is not
    for this call; either is a record.

    Parameters
    ----------
    ticket
        the ticket; `-` reads it from standard input, left out it is the variable AEGIS_TICKET
    tool
        the tool that is called
    param
        an argument of the call as NAME=VALUE; may be repeated
    params
        the arguments of the call as a JSON object
    agent
        the agent that calls
    config
        the aegis.yaml to use
    """
    from ..kernel.tickets import use

    token = sys.stdin.readline().strip() if ticket == FROM_STDIN else ticket
    token = token or os.environ.get("AEGIS_TICKET", "")
    if not token:
        raise CallerError("name a ticket, or set AEGIS_TICKET")
    call = Action(tool, "", home.params_of(param, params), actor=Actor(agent=agent))
    details: dict[str, Any] = {"tool": tool, "agent": agent}
    with home.runtime(config) as runtime:
        tickets = runtime.gate.tickets
        keys = tickets.trusted() if tickets is not None else {}
        try:
            said = use(token, call, keys, runtime.state)
        except TicketError as error:
            details["reason"] = error.code
            runtime.admin("ticket.refuse", by=home.user(), details=details, outcome="refused")
            output.note(f"refused: {error.code}: {error}")
            return 1
        details |= {"lease": said.jti, "action": said.act, "issuer": said.iss}
        runtime.admin("ticket.use", by=home.user(), details=details)
    output.json({field: getattr(said, field) for field in said.__struct_fields__})
    return 0


def key(*, config: Path | None = None) -> int:
    """Print the key that tickets of this home are checked with; made on first use.

    Parameters
    ----------
    config
        the aegis.yaml to use
    """
    from ..kernel.tickets import own_key

    output.say(own_key(Path(home.loaded(config).settings.home)))
    return 0
