"""`aegis why`: which rule decided, why, and which ones nearly did."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Any

from ..model import UNDECIDED, CallerError
from ..tools.dangers import DANGERS
from ..tools.reading import DANGER, DESCRIBED
from . import home, output
from .simulate import Scene, as_json

if TYPE_CHECKING:
    from ..model import Action
    from ..policy import Explanation, Policy

SHOWN_MAX = 12
"""Most resources of one action that are shown; `--json` has them all."""

_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}.*")
"""How action ids begin: as a UUID (RFC 9562)."""


def why(
    subject: str,
    target: str = "",
    /,
    *,
    policy: Path | None = None,
    config: Path | None = None,
    scene: Scene | None = None,
    json: bool = False,
) -> int:
    """Explain a recorded decision, or one a policy would make.

    `aegis why ACTION_ID` reads the ledger; `aegis why TYPE [TARGET]` asks the policy.

    Parameters
    ----------
    subject
        the id of an action (as in the header x-aegis-action), or a type of action
    target
        what the action is done to
    policy
        the policy file to ask; the one in force if left out
    config
        the aegis.yaml to use
    scene
        who acts, with what and when
    json
        print JSON
    """
    if policy is None and _IDENTIFIER.fullmatch(subject.lower()):
        return _recorded(subject, config, json)
    found = home.policy_in(policy) if policy else home.policy_of(home.loaded(config))
    action = (scene or Scene()).action(subject, target)
    explanation = found.explain(action)
    if json:
        rules = [
            {
                "rule": trace.rule,
                "verdict": trace.verdict.word,
                "matched": trace.matched,
                "decided": trace.decided,
                "why": trace.why,
            }
            for trace in explanation.rules
        ]
        output.json({**as_json(action, explanation.decision), "rules": rules, **_read(action)})
    else:
        _print(explanation, found, action)
    return 0


def _read(action: Action) -> dict[str, Any]:
    """What the action would do, as JSON."""
    return {
        "capability": action.capability,
        "environment": action.environment,
        "resources": [{"kind": r.kind, "name": r.name, "verb": r.verb} for r in action.resources],
        "labels": action.labels,
    }


def _does(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines that say what an action does: capability, dangers, resources."""
    labels = [str(label) for label in fields.get("labels", ())]
    dangers = [label.removeprefix(DANGER) for label in labels if label.startswith(DANGER)]
    resources = [
        f"{item.get('verb', '')} {item.get('kind')}:{item.get('name')}".strip()
        for item in fields.get("resources", ())
    ]
    more = [f"and {len(resources) - SHOWN_MAX} more"] if len(resources) > SHOWN_MAX else []
    return [
        ("does", " in ".join(filter(None, (fields.get("capability"), fields.get("environment"))))),
        *(
            ("said by", label.removeprefix(DESCRIBED))
            for label in labels
            if label.startswith(DESCRIBED)
        ),
        *(("danger", f"{id}: {DANGERS.get(id, 'a danger of a newer version')}") for id in dangers),
        *(("unread", "a part of it cannot be read") for label in labels if label == UNDECIDED),
        *(("touches", text) for text in (*resources[:SHOWN_MAX], *more)),
    ]


def _print(explanation: Explanation, policy: Policy, action: Action) -> None:
    decision = explanation.decision
    output.say(f"{decision.verdict.word} (risk {decision.risk.name.lower()})")
    output.say(f"  rule    {decision.rule}")
    output.say(f"  policy  {policy.version} {policy.name}".rstrip())
    for reason in decision.reasons:
        output.say(f"  why     {reason}")
    for name, text in _does(_read(action)):
        if text:
            output.say(f"  {name:<7} {text}")
    if decision.advice:
        output.say(f"  next    {decision.advice}")
    output.say()
    output.table(
        ("", "rule", "would", "how it stood"),
        (
            (
                "=>" if trace.decided else "+" if trace.matched else "-",
                trace.rule,
                trace.verdict.word,
                trace.why,
            )
            for trace in explanation.rules
        ),
    )
    for near in explanation.near:
        output.say(f"nearly: {near.rule} ({near.verdict.word}): {near.why}")


def _recorded(id: str, config: Path | None, json: bool) -> int:
    from .audit import matching

    found = home.loaded(config)
    records = [record for record, _ in matching(found, action=id)]
    if not records:
        raise CallerError(
            f"no record of action `{id}`; `aegis audit` lists what there is, and "
            "`--policy FILE` asks a policy instead"
        )
    if json:
        output.json([{"seq": r.seq, "kind": r.kind, **r.fields} for r in records])
        return 0
    for record in records:
        _describe(record.seq, record.kind, record.fields)
    return 0


def _describe(seq: int, kind: str, fields: dict[str, Any]) -> None:
    actor = fields.get("actor") or {}
    who = actor.get("agent") or actor.get("principal") if isinstance(actor, dict) else actor
    output.say(f"record {seq}: {kind} at {output.moment(fields.get('at', 0))}")
    lines = [
        ("action", " ".join(filter(None, (fields.get("type", ""), fields.get("target", ""))))),
        ("actor", who or ""),
        ("verdict", fields.get("verdict") or fields.get("state") or fields.get("status", "")),
        ("risk", fields.get("risk", "")),
        ("rule", fields.get("rule", "")),
        ("labels", ", ".join(fields.get("labels") or ())),
        ("policy", fields.get("policy", "")),
        *(("why", reason) for reason in fields.get("reasons", ())),
        *(_does(fields) if kind == "decision" else ()),
        *(("finding", _finding(item)) for item in fields.get("findings", ())),
        *(("nearly", f"{n.get('rule')}: {n.get('why')}") for n in fields.get("near", ())),
        *(("guard", _coverage(item)) for item in fields.get("coverage", ())),
        ("by", " ".join(filter(None, (fields.get("by", ""), fields.get("comment", ""))))),
        ("error", fields.get("error", "")),
        ("next", fields.get("advice", "")),
    ]
    for name, text in lines:
        if text:
            output.say(f"  {name:<8} {text}")


def _finding(item: dict[str, Any]) -> str:
    what = f"{item.get('category', '')} {item.get('type', '')}".strip()
    return f"{item.get('guard')}/{item.get('rule')}: {what} {item.get('reason', '')}".strip()


def _coverage(item: dict[str, Any]) -> str:
    return f"{item.get('guard')} {item.get('status', 'ran')} {item.get('reason', '')}".strip()
