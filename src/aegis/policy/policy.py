"""The policy: a document that decides actions.

    policy = Policy.from_yaml("policy.yaml")
    policy.decide(Action("delete", "crm")).verdict

A policy is immutable: to change one, read another and put it in its place.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, Self

import msgspec
from ruamel.yaml import YAML

from ..model import PolicyError, Problem, Verdict
from .document import defaults_of, read_document, read_file, rules_of
from .engine import Engine
from .merge import merged
from .plan import PlanRules
from .source import from_plain, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..model import Action, Decision, Finding
    from .document import Rule
    from .parse import Place
    from .plan import PlanViolation
    from .semantic import SemanticEvaluator
    from .trace import Explanation


class Policy:
    """Rules over actions; immutable once built."""

    __slots__ = ("_document", "_engine", "_evaluator", "_places", "_plan", "_rules", "_version")

    def __init__(
        self,
        document: dict[str, Any],
        places: Mapping[str, Place],
        evaluator: SemanticEvaluator | None = None,
    ) -> None:
        """From a canonical document; use the `from_…` constructors, which read and check one."""
        self._document = document
        self._places = dict(places)
        self._evaluator = evaluator
        canonical = msgspec.json.encode(document, order="sorted")
        self._version = "sha256:" + hashlib.sha256(canonical).hexdigest()[:16]
        self._rules = tuple(rules_of(document, places))
        self._engine = Engine(self._rules, defaults_of(document), self._version, evaluator)
        self._plan = PlanRules(document.get("plan_rules", {}))

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, semantic_evaluator: SemanticEvaluator | None = None
    ) -> Self:
        """Read a policy file, or the `policy:` section of a whole configuration file.

        Raises PolicyError with every complaint at its file, line and column.
        """
        return cls.from_text(read_file(path), str(path), semantic_evaluator=semantic_evaluator)

    @classmethod
    def from_yaml_files(
        cls, *paths: str | Path, semantic_evaluator: SemanticEvaluator | None = None
    ) -> Self:
        """Read several files; the rules of later ones follow, the first one's defaults hold.

        Raises PolicyError with the complaints about all of them.
        """
        if not paths:
            raise PolicyError("no policy file is named; give at least one path")
        read: list[Self] = []
        problems: list[Problem] = []
        for path in paths:
            try:
                read.append(cls.from_yaml(path, semantic_evaluator=semantic_evaluator))
            except PolicyError as error:
                problems.extend(error.problems)
        if problems:
            raise PolicyError(problems)
        policy = read[0]
        for other in read[1:]:
            policy = policy.merge(other)
        return policy

    @classmethod
    def from_text(
        cls,
        text: str,
        source: str = "<policy>",
        *,
        semantic_evaluator: SemanticEvaluator | None = None,
    ) -> Self:
        """Read YAML text; `source` names it in complaints. Raises PolicyError."""
        evaluated = semantic_evaluator is not None
        document, places = read_document(parse_yaml(text, source), source, evaluated=evaluated)
        return cls(document, places, semantic_evaluator)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, semantic_evaluator: SemanticEvaluator | None = None
    ) -> Self:
        """Read a plain mapping of the same shape as the file. Raises PolicyError."""
        source = "<policy>"
        evaluated = semantic_evaluator is not None
        root = from_plain(dict(data) if hasattr(data, "keys") else data, source)
        document, places = read_document(root, source, evaluated=evaluated)
        return cls(document, places, semantic_evaluator)

    def to_dict(self) -> dict[str, Any]:
        """The canonical document, a copy. Reading it gives the same policy and version."""
        copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self._document))
        return copy

    def to_yaml(self) -> str:
        """The canonical document as YAML."""
        out = io.StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.allow_unicode = True
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.dump(self.to_dict(), out)
        return out.getvalue()

    @property
    def version(self) -> str:
        """`sha256:` and 16 hex digits of the hash of the canonical document."""
        return self._version

    @property
    def name(self) -> str:
        """The name the document gives itself; empty without one."""
        name: str = self._document.get("name", "")
        return name

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule in the order they are tried, those of agents' lists and tool policies
        first.
        """
        return self._rules

    def __repr__(self) -> str:
        return f"Policy({self.name or '<unnamed>'!r}, {len(self._rules)} rules, {self._version})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and other._version == self._version

    def __hash__(self) -> int:
        return hash(self._version)

    def merge(self, other: Policy) -> Self:
        """This policy with the other's rules after its own. Own defaults, names and labels hold;
        lists of one agent are joined. Raises PolicyError where the two do not fit together.
        """
        document, places = merged(self._document, self._places, other._document, other._places)
        return type(self)(document, places, self._evaluator or other._evaluator)

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """What may happen to an action. Never raises: an error inside is a block.

        `now` is microseconds since the Unix epoch, UTC; 0 means the action's own time, and where
        that is 0 too, conditions about time are unknown. `findings` are the guards', `labels` the
        session's.
        """
        return self._engine.decide(action, now, findings, labels)

    evaluate = decide

    def least(self, action: Action) -> Verdict:
        """The mildest verdict that any target, params or time could get for this actor, type,
        protocol, capability and environment: what is `block` here is blocked whatever is asked.
        """
        return self._engine.least(action)

    def explain(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Explanation:
        """The decision, and how every rule stood to it."""
        return self._engine.explain(action, now, findings, labels)

    def simulate(
        self, actions: Iterable[Action], *, now: int = 0, labels: Sequence[str] = ()
    ) -> list[Decision]:
        """What would be decided about each action."""
        return [self.decide(action, now=now, labels=labels) for action in actions]

    def evaluate_plan(self, actions: Sequence[Action], *, now: int = 0) -> list[PlanViolation]:
        """The rules over several actions (`plan_rules`) that a plan breaks."""
        return self._plan.evaluate(actions, self.simulate(actions, now=now))
