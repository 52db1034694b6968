"""`aegis simulate`: what a policy would decide. Nothing is performed and nothing recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from cyclopts import Parameter

from ..model import Action, Actor, CallerError, joined
from . import home, output

if TYPE_CHECKING:
    from ..model import Decision


@Parameter(name="*")
@dataclass(frozen=True)
class Scene:
    """Who acts, with what and when.

    Parameters
    ----------
    param
        a parameter as NAME=VALUE; may be repeated
    params
        parameters as a JSON object
    agent
        name of the agent
    protocol
        where the action comes from: python (the default), llm, mcp, shell, sql and others
    capability
        what it does: read, write, delete, deploy, approve, execute; told from its name if left out
    environment
        where it would happen
    at
        the time it is decided, such as 2026-11-20T23:30:00Z; now if left out
    """

    param: list[str] | None = None
    params: str | None = None
    agent: str = ""
    protocol: str = "python"
    capability: str = ""
    environment: str = ""
    at: str | None = None

    def action(self, type: str, target: str) -> Action:
        """The action this describes. Raises CallerError."""
        from ..model import CAPABILITIES, PROTOCOLS
        from ..tools.names import capability
        from ..tools.read import READ_PROTOCOLS, as_read

        if not type.strip():
            raise CallerError("an action needs a type: the name of the tool or method")
        for name, word, known in (
            ("protocol", self.protocol, PROTOCOLS),
            ("capability", self.capability or CAPABILITIES[0], CAPABILITIES),
        ):
            if word not in known:
                raise CallerError(f"unknown {name} `{word}`; use one of {', '.join(known)}")
        params = home.params_of(self.param, self.params)
        read = self.protocol in READ_PROTOCOLS
        told = "" if read else capability(type, self.protocol, params)
        action = Action(
            type,
            target,
            params,
            protocol=self.protocol,
            actor=Actor(agent=self.agent),
            capability=self.capability or told,
            environment=self.environment,
            time=home.instant(self.at) if self.at else home.now(),
        )
        return as_read(action)


def simulate(
    policy: Path,
    /,
    *actions: str,
    scene: Scene | None = None,
    json: bool = False,
) -> int:
    """Decide actions under a policy, performing nothing.

    Parameters
    ----------
    policy
        a policy file, or an aegis.yaml
    actions
        actions as TYPE or TYPE:TARGET, such as `delete:crm`
    scene
        who acts, with what and when
    json
        print JSON: one decision per action
    """
    if not actions:
        raise CallerError("name at least one action, such as `delete:crm`")
    scene = scene or Scene()
    found = home.policy_in(policy)
    asked = [scene.action(*_parts(text)) for text in actions]
    decisions = found.simulate(asked)
    if json:
        output.json([as_json(a, d) for a, d in zip(asked, decisions, strict=True)])
        return 0
    output.table(
        ("action", "verdict", "risk", "rule", "why"),
        (
            (_label(a), d.verdict.word, d.risk.name.lower(), d.rule, joined(d.reasons))
            for a, d in zip(asked, decisions, strict=True)
        ),
    )
    return 0


def _parts(text: str) -> tuple[str, str]:
    type, _, target = text.partition(":")
    if not type:
        raise CallerError(f"`{text}` has to be TYPE or TYPE:TARGET")
    return type, target


def _label(action: Action) -> str:
    return f"{action.type}:{action.target}" if action.target else action.type


def as_json(action: Action, decision: Decision) -> dict[str, object]:
    """A decision as the JSON output of verbs has it."""
    return {
        "type": action.type,
        "target": action.target,
        "verdict": decision.verdict.word,
        "risk": decision.risk.name.lower(),
        "rule": decision.rule,
        "policy": decision.policy,
        "reasons": decision.reasons,
        "advice": decision.advice,
        "near": [
            {"rule": near.rule, "verdict": near.verdict.word, "why": near.why}
            for near in decision.near
        ],
    }
