"""What "always" means: a rule for one exact action is proposed, and somebody puts it in the policy.

The proposal is a file of rules in the home folder. Nothing reads it: it permits something only
once a person has looked at it and named it in `policy.rules_path`, or copied it. It matches one
agent, tool, target and these very arguments, no others: a command line is never widened to a
pattern.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from ruamel.yaml import YAML

from ..ledger.keys import replace_file
from ..model import Action, Actor, CallerError, PolicyError, Verdict
from ..policy import Policy
from ..policy.glob import escaped

if TYPE_CHECKING:
    from ..approval import Request

FOLDER = "proposals"
"""Where proposals lie, below the home folder."""


def proposal(request: Request) -> str:
    """The file of one rule that allows exactly what a request asks for.

    Raises CallerError where no rule can be as narrow as that.
    """
    params = request.summary
    why = ""
    if not request.agent or not request.target:
        why = "it names no agent or no target, so a rule would match those of others"
    elif not request.exact or not isinstance(params, dict):
        why = "its arguments hold something that was redacted, or are no JSON"
    if why:
        raise CallerError(f"approval `{request.id}` cannot be given for always: {why}")
    match = {
        "protocol": request.protocol,
        "type": request.type,
        "target": request.target,
        "agent": request.agent,
        "tenant": request.tenant,
        "environment": request.environment,
    }
    # exactly these arguments, text for text; and what the action has no name for, it may not have
    when: dict[str, Any] = {"param_exactly": params}
    unnamed = [name for name in ("tenant", "environment") if not match[name]]
    if unnamed:
        when["unnamed"] = unnamed
    rule = {
        "name": f"always-{request.id}",
        "description": f"proposed with approval `{request.id}`; was held by `{request.rule}`",
        "match": {key: escaped(value) for key, value in match.items() if value},
        "when": when,
        "verdict": "allow",
    }
    text = _yaml({"rules": [rule]})
    _check(text, request)
    return text


def write_proposal(home: Path, id: str, text: str) -> Path:
    """Put a proposal into the home folder; where it lies. Raises LedgerError."""
    path = proposed(home, id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, text.encode())
    return path


def proposed(home: str | Path, id: str) -> Path:
    """Where the proposal of an approval lies."""
    return Path(home) / FOLDER / f"{id}.yaml"


def _check(text: str, request: Request) -> None:
    """Raise CallerError unless the rule reads back, and allows this action and no other."""
    same = Action(
        request.type,
        request.target,
        request.summary,
        protocol=request.protocol,
        actor=Actor("", request.agent, "", request.tenant),
        environment=request.environment,
    )
    other = replace(same, params={**request.summary, "another": 1})
    try:
        policy = Policy.from_text(text, "proposal")
        fits = policy.decide(same).verdict is Verdict.ALLOW
        narrow = policy.decide(other).verdict is not Verdict.ALLOW
    except PolicyError as error:
        raise CallerError(f"approval `{request.id}` makes no rule: {error}") from None
    if not (fits and narrow):
        raise CallerError(f"approval `{request.id}` makes no rule that matches it and nothing else")


def _yaml(document: dict[str, Any]) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    out = StringIO()
    writer.dump(document, out)
    return out.getvalue()
