"""Cases of a policy: actions and what has to be decided about them, as YAML anybody can run.

    policy: {…}            # or a file; optional, without it the caller's policy is meant
    cases:
      - name: deletes are blocked
        action: { type: delete_all, target: crm }
        at: 2026-11-20T23:30:00Z
        expect: { verdict: block, rule: no_deletes }

The cases in `spec/cases/policy` are what every implementation of the engine has to pass.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import (
    Action,
    Actor,
    Decision,
    Finding,
    PolicyError,
    Prepared,
    Problem,
    Resource,
    RiskLevel,
    Verdict,
)
from .document import read_document
from .policy import Policy
from .source import Node, from_plain, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CASES_MAX = 10_000
"""Most cases in one document."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _ActionSpec(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    target: str = ""
    params: dict[str, Any] = {}
    description: str = ""
    protocol: str = "python"
    agent: str = ""
    tenant: str = ""
    principal: str = ""
    session: str = ""
    capability: str = ""
    environment: str = ""
    task: str = ""
    labels: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


class _FindingSpec(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    type: str = ""
    guard: str = "case"
    rule: str = "case"
    score: int = 1000


class _Expect(msgspec.Struct, forbid_unknown_fields=True):
    verdict: str
    rule: str = ""
    risk: str = ""


class _CaseSpec(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    action: _ActionSpec
    expect: _Expect
    at: str = ""
    findings: tuple[_FindingSpec, ...] = ()
    labels: tuple[str, ...] = ()


_CASE = Prepared(_CaseSpec)


class Case(msgspec.Struct, frozen=True):
    """One case. `now` is microseconds since the Unix epoch, 0 for no time; an empty `rule` and
    a risk of None are not checked.
    """

    name: str
    action: Action
    verdict: Verdict
    rule: str = ""
    risk: RiskLevel | None = None
    now: int = 0
    findings: tuple[Finding, ...] = ()
    labels: tuple[str, ...] = ()


class CaseResult(msgspec.Struct, frozen=True):
    """What became of a case; `why` says what differs."""

    case: Case
    decision: Decision
    passed: bool
    why: str = ""


def microseconds(text: str) -> int:
    """An ISO 8601 time as microseconds since the Unix epoch; UTC where it names no offset.

    Raises ValueError for anything else.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) // timedelta(microseconds=1)


def load(document: str | Mapping[str, Any], source: str = "<cases>") -> list[Case]:
    """The cases of a document, YAML text or a plain mapping. Raises PolicyError."""
    return _cases(_read(document, source), source)


def run(
    policy: Policy | None,
    document: str | Mapping[str, Any],
    source: str = "<cases>",
    *,
    read: Callable[[Action], Action] | None = None,
) -> list[CaseResult]:
    """Decide every case. The document's own `policy` is used where `policy` is None; `read` makes
    of each action what the door would make of it.

    Raises PolicyError where the document is unusable, or there is no policy at all.
    """
    root = _read(document, source)
    if policy is None:
        if "policy" not in root.value or root.value["policy"].value is None:
            raise PolicyError([Problem("no policy to run the cases against", source=source)])
        part = Node({"policy": root.value["policy"]}, root.line, root.column)
        part.keys = root.keys
        policy = Policy(*read_document(part, source))
    cases = _cases(root, source)
    if read is not None:
        cases = [msgspec.structs.replace(case, action=read(case.action)) for case in cases]
    return [_result(policy, case) for case in cases]


def _read(document: str | Mapping[str, Any], source: str) -> Node:
    """The tree of a document that has a list of cases. Raises PolicyError."""
    if isinstance(document, str):
        root = parse_yaml(document, source)
    else:
        root = from_plain(dict(document), source)
    known = {"cases", "policy", "description"}
    cases = root.value.get("cases") if isinstance(root.value, dict) else None
    if cases is None or not isinstance(cases.value, list):
        raise PolicyError([Problem("expected a mapping with `cases:`, a list", source=source)])
    unknown = [key for key in root.value if key not in known]
    if unknown:
        place = root.keys[unknown[0]]
        hint = f"known keys: {', '.join(sorted(known))}"
        raise PolicyError(
            [
                Problem(
                    "unknown key",
                    source=source,
                    path=unknown[0],
                    hint=hint,
                    line=place.line,
                    column=place.column,
                )
            ]
        )
    if len(cases.value) > CASES_MAX:
        raise PolicyError([Problem(f"more than {CASES_MAX} cases", source=source)])
    return root


def _cases(root: Node, source: str) -> list[Case]:
    return [_case(node, index, source) for index, node in enumerate(root.value["cases"].value)]


def _case(node: Node, index: int, source: str) -> Case:
    try:
        spec = _CASE.convert(node.plain())
        return Case(
            spec.name,
            _action(spec.action),
            Verdict.parse(spec.expect.verdict),
            spec.expect.rule,
            RiskLevel[spec.expect.risk.upper()] if spec.expect.risk else None,
            microseconds(spec.at) if spec.at else 0,
            tuple(
                Finding(f.guard, f.rule, f.category, f.type, score=f.score) for f in spec.findings
            ),
            spec.labels,
        )
    except (msgspec.ValidationError, ValueError, KeyError, OverflowError) as error:
        message = f"unknown risk level {error}" if isinstance(error, KeyError) else str(error)
        path = f"cases[{index}]"
        problem = Problem(message, source=source, line=node.line, column=node.column, path=path)
        raise PolicyError([problem]) from None


def _action(spec: _ActionSpec) -> Action:
    return Action(
        spec.type,
        spec.target,
        spec.params,
        spec.description,
        spec.protocol,
        Actor(spec.principal, spec.agent, spec.session, spec.tenant),
        capability=spec.capability,
        environment=spec.environment,
        task=spec.task,
        labels=spec.labels,
        resources=spec.resources,
    )


def _result(policy: Policy, case: Case) -> CaseResult:
    decision = policy.decide(case.action, now=case.now, findings=case.findings, labels=case.labels)
    wrong: list[str] = []
    if decision.verdict is not case.verdict:
        wrong.append(f"verdict is {decision.verdict.word}, expected {case.verdict.word}")
    if case.rule and decision.rule != case.rule:
        wrong.append(f"rule is `{decision.rule}`, expected `{case.rule}`")
    if case.risk is not None and decision.risk is not case.risk:
        wrong.append(f"risk is {decision.risk.name.lower()}, expected {case.risk.name.lower()}")
    return CaseResult(case, decision, not wrong, "; ".join(wrong))
