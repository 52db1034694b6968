"""What sessions are held against, compiled once from the configuration and the policy.

`Follow` says which sources and sinks a tool is, which sinks anybody's rules ask about, and whether
anything needs sessions at all: where nothing does, no session is kept and nothing is paid.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import ConfigError, Near, Problem
from ..model.flowmark import EXTERNAL, LABEL, SINKS
from ..policy import Policy
from ..policy.fold import NAME_MAX, fold
from ..policy.glob import Glob, GlobError
from ..session.behaviour import SCORES, SECOND
from ..session.manifest import Manifest
from ..session.sources import PII, SECRET, UNTRUSTED, Source, infer_sinks, infer_source
from ..tools.names import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..flow import Rules
    from ..flow.rules import Decider
    from ..model import Action, Decision, Finding, Verdict
    from .session_settings import ManifestSettings, SessionSettings

TOOLS_MAX = 4_096
"""Most tools whose place is remembered; callers choose their names."""

OBSERVED = "only observed; `session.flows: standard` lets it decide"
"""Why a rule about flows did not decide that is only observed."""

_ALERTS = tuple(f"behaviour:{rule}" for rule in SCORES)


class Follow:
    """The compiled `session` section. `wanted` holds the sinks that rules ask about."""

    def __init__(self, settings: SessionSettings, policy: Decider) -> None:
        self.wanted: frozenset[str] = frozenset()
        self.behaviour = settings.behaviour
        self.want(policy)
        self.shared = settings.shared
        self.kill_score = settings.kill_score if settings.behaviour else 0
        self.scores = dict(SCORES) | dict(settings.scores.items())
        self.window = int(settings.window_seconds * SECOND)
        self.manifests = {
            name: manifest_of(name, manifest) for name, manifest in settings.manifests.items()
        }
        self.on = bool(
            self.behaviour or self.manifests or settings.sources or asks_sessions(policy)
        )
        self._sources = [
            (_checked(key, f"session.sources.{key}"), _labels(key, labels))
            for key, labels in settings.sources.items()
        ]
        self._sinks = [
            (_checked(key, f"session.sinks.{key}"), sinks) for key, sinks in settings.sinks.items()
        ]
        self.source_of = lru_cache(TOOLS_MAX)(self._source_of)
        self._sinks_of = lru_cache(TOOLS_MAX)(self._find_sinks)

    def want(self, policy: Decider) -> None:
        """Follow what a policy asks about, too."""
        self.wanted |= asked_sinks(policy)
        self.behaviour = self.behaviour or asks_labels(policy, _ALERTS)

    def source(self, action: Action) -> Source:
        """What the results of an action carry."""
        return self.source_of(action.type[:NAME_MAX], action.protocol)

    def sinks(self, action: Action) -> tuple[str, ...]:
        """Where the arguments of an action go."""
        return self._sinks_of(action.type[:NAME_MAX], action.protocol, action.capability)

    def matches(self, globs: tuple[str, ...], name: str) -> bool:
        """Whether any of the globs matches a name."""
        folded = fold(name[:NAME_MAX])
        return len(name) <= NAME_MAX and any(_compiled(glob).matches(folded) for glob in globs)

    def _source_of(self, name: str, protocol: str) -> Source:
        inferred = infer_source(_words(name), protocol)
        folded = fold(name)
        for glob, labels in self._sources:
            if glob.matches(folded):
                return msgspec.structs.replace(inferred, labels=labels)
        return inferred

    def _find_sinks(self, name: str, protocol: str, capability: str) -> tuple[str, ...]:
        folded = fold(name)
        for glob, sinks in self._sinks:
            if glob.matches(folded):
                return (EXTERNAL, capability) if EXTERNAL in sinks else (capability,)
        return infer_sinks(_words(name), protocol, capability)


class Stricter:
    """A policy, and the rules about sessions beside it: the stricter of the two decides.

    Beside and not inside, because the first rule that matches ends a policy: a rule that allows a
    tool would hide every rule about the data it is given. With `observes` they decide nothing: what
    they would have decided stands among the rules that nearly did.
    """

    def __init__(self, policy: Decider, beside: Policy, *, observes: bool = False) -> None:
        self._policy = policy
        self._beside = beside
        self._observes = observes
        self.base = getattr(policy, "base", policy)

    @property
    def version(self) -> str:
        """The version of the policy."""
        return self._policy.version

    @property
    def rules(self) -> tuple[Any, ...]:
        """The rules beside it, then its own."""
        return (*self._beside.rules, *getattr(self.base, "rules", ()))

    def over(self, policy: Decider) -> Stricter:
        """The same rules beside another policy."""
        return Stricter(policy, self._beside, observes=self._observes)

    def least(self, action: Action) -> Verdict:
        """The mildest verdict that any target or params could get; the rules beside ask for data,
        which a name alone does not have.
        """
        ask = getattr(self._policy, "least", None)
        verdict: Verdict = self._policy.decide(action).verdict if ask is None else ask(action)
        return verdict

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """The stricter of the two."""
        decision = self._policy.decide(action, now=now, findings=findings, labels=labels)
        if not labels:
            return decision
        beside = self._beside.decide(action, now=now, findings=findings, labels=labels)
        if beside.verdict <= decision.verdict:
            return decision
        if self._observes:
            near = Near(beside.rule, beside.verdict, OBSERVED)
            return msgspec.structs.replace(decision, near=(*decision.near, near))
        return msgspec.structs.replace(beside, policy=decision.policy)


@cache
def standard() -> Policy:
    """The default rules about flows of data (`flow_rules.yaml`)."""
    text = files("aegis.kernel").joinpath("flow_rules.yaml").read_text("utf-8")
    return Policy.from_text(text, "flow_rules.yaml")


def followed(rules: Rules, policy: Decider) -> Rules:
    """Rules with another policy, and with what the old one had beside it."""
    beside = rules.policy
    if isinstance(beside, Stricter) and not isinstance(policy, Stricter):
        policy = beside.over(policy)
    follows = rules.follows or asks_sessions(policy)
    return msgspec.structs.replace(rules, policy=policy, follows=follows)


def asks_sessions(policy: Decider) -> bool:
    """Whether a rule of a policy asks about the session of an action."""
    return bool(asked_sinks(policy)) or asks_labels(policy, (UNTRUSTED, SECRET, PII, *_ALERTS))


def asked_sinks(policy: Decider) -> frozenset[str]:
    """The sinks that rules of a policy ask about."""
    found: set[str] = set()
    for conditions in _conditions(policy):
        to = conditions.get("flow", {}).get("to", ())
        found.update(SINKS if "*" in to else to)
    return frozenset(found)


def asks_labels(policy: Decider, labels: Sequence[str]) -> bool:
    """Whether a rule of a policy asks for one of the labels."""
    globs = [Glob(text) for rule in _rules(policy) for text in rule.match.get("label", ())] + [
        Glob(text) for found in _conditions(policy) for text in found.get("label", ())
    ]
    return any(glob.matches(label) for glob in globs if not glob.anything for label in labels)


def _rules(policy: Decider) -> Sequence[Any]:
    own = getattr(policy, "rules", None)
    rules = own if own is not None else getattr(getattr(policy, "base", None), "rules", ())
    return [rule for rule in rules if rule.enabled]


def _conditions(policy: Decider) -> Iterator[Mapping[str, Any]]:
    """Every group of conditions of a policy, nested ones too."""
    waiting = [rule.conditions for rule in _rules(policy)]
    while waiting:
        group = waiting.pop()
        yield group
        waiting += [*group.get("any", ()), *group.get("all", ())]
        if "not" in group:
            waiting.append(group["not"])


def manifest_of(name: str, settings: ManifestSettings) -> Manifest:
    """The manifest that settings describe. Raises ConfigError for what no manifest can say."""
    where = f"session.manifests.{name}"
    for key in ("tools", "resources", "protocols", "verbs"):
        for text in getattr(settings, key):
            _checked(text, f"{where}.{key}")
    expires = 0
    if settings.expires:
        try:
            time = datetime.fromisoformat(settings.expires)
        except ValueError:
            hint = "write it like 2026-12-01T18:00:00Z"
            message = f"`{settings.expires[:40]}` is no ISO 8601 time"
            raise ConfigError([Problem(message, path=f"{where}.expires", hint=hint)]) from None
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        expires = int(time.timestamp()) * SECOND
    return Manifest(
        name,
        settings.mode,
        settings.tools,
        settings.resources,
        settings.protocols,
        settings.verbs,
        settings.max_actions,
        round(settings.max_cost_usd * 1_000_000),
        expires,
    )


def _labels(key: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    for label in labels:
        if LABEL.fullmatch(label) is None:
            hint = "use lower case letters, digits, `_`, `.` and `-`"
            message = f"`{label[:40]}` is no label"
            raise ConfigError([Problem(message, path=f"session.sources.{key}", hint=hint)])
    return labels


def _words(name: str) -> list[str]:
    """The words of a tool's name, without the server of `server__tool`."""
    return words(name.rpartition("__")[2])


def _checked(text: str, path: str) -> Glob:
    try:
        return Glob(text)
    except GlobError as error:
        raise ConfigError([Problem(str(error), path=path)]) from None


@lru_cache(TOOLS_MAX)
def _compiled(text: str) -> Glob:
    return Glob(text)
