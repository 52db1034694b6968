"""The policy in force: the configured document, and beside it what programs registered.

Programs register agents with lists of what they may do (`@agent(...)`). The lists are a policy
of their own, read by the policy engine, and are joined to the document like this:

- the document names a rule for the action: the stricter of the two stands, so a program narrows
  what the operator wrote and never widens it;
- the document says nothing about it (its default), or there is no document but the built-in one:
  the agent's lists decide;
- lists that came over the network (`Agent.by`) only ever narrow.

An action of a monitored tool for no agent, or (under the built-in policy) for an agent nobody
registered, is never allowed silently: it waits for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..model import DEFAULT_RULE, Action, CallerError, Decision, RiskLevel, Verdict
from ..policy import Policy
from ..tools.names import capability, words
from .ports import now as clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..flow.rules import Decider
    from ..model import Finding
    from .runtime import Runtime
    from .state import Agent

MONITORED = "monitored"
"""The label of a call of a monitored tool."""

NO_AGENT = "no-agent"
"""The label of a monitored call that is made for no agent. A rule of the policy that matches this
label takes the matter into its own hands."""

FUNCTION = "function"
"""The label of a guarded function, which rules may know by its own name or by its verb."""

AGENTS_MAX = 10_000
"""Most agents in the state; each costs a handful of rules."""

_UPDATES = frozenset(
    ["update", "modify", "change", "patch", "edit", "rename", "replace", "adjust", "alter"]
)


def verb(name: str) -> str:
    """What a function does, by its name: read, write, update, delete, deploy, approve, execute."""
    kind = capability(name)
    return "update" if kind == "write" and _UPDATES.intersection(words(name)) else kind


class Registry(Protocol):
    """What `Effective` needs of the state."""

    def epoch(self) -> int:
        """A number that changes whenever an agent does."""
        ...

    def agents(self) -> Sequence[Agent]:
        """All registered agents."""
        ...


class Effective:
    """Decides with the document and the registered lists (see the module's text)."""

    def __init__(self, base: Decider, state: Registry, *, builtin: bool = False) -> None:
        """`builtin` says that `base` is the policy of a configuration that brings none."""
        self.base = base
        self.builtin = builtin
        self._state = state
        self._epoch = -1
        self._agents: tuple[Agent, ...] = ()
        self._own: Policy | None = None
        self._foreign: Policy | None = None
        self._order: dict[str, int] = {}
        rules = getattr(base, "rules", ())
        for place, rule in enumerate(rules):
            self._order.setdefault(rule.name, place)
        self._minds_no_agent = any(NO_AGENT in rule.match.get("label", ()) for rule in rules)

    @property
    def version(self) -> str:
        """The version of the document."""
        return self.base.version

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """The decision for an action."""
        marks = action.labels
        decision = self.base.decide(action, now=now, findings=findings, labels=labels)
        if FUNCTION in marks:
            other = msgspec.structs.replace(action, type=verb(action.type))
            decision = self._earlier(
                decision, self.base.decide(other, now=now, findings=findings, labels=labels)
            )
        if self._state.epoch() != self._epoch:
            self._refresh()
        known = False
        if action.actor.agent and self._agents:
            for lists, foreign in ((self._own, False), (self._foreign, True)):
                listed = lists.decide(action, now=now) if lists is not None else None
                if listed is not None and listed.rule != DEFAULT_RULE:
                    known = True
                    decision = self._joined(decision, listed, foreign)
        if MONITORED in marks and not known and decision.verdict < Verdict.REVIEW:
            decision = self._attended(action, decision)
        return decision

    def least(self, action: Action) -> Verdict:
        """The mildest verdict that any target or params could get; lists decide by name alone."""
        ask = getattr(self.base, "least", None)
        decided = self.decide(action).verdict
        if self._listed(action):
            return decided
        return min(decided, ask(action)) if ask is not None else decided

    def _listed(self, action: Action) -> bool:
        lists = (self._own, self._foreign) if action.actor.agent and self._agents else ()
        return any(one is not None and one.decide(action).rule != DEFAULT_RULE for one in lists)

    def _earlier(self, first: Decision, second: Decision) -> Decision:
        """The decision whose rule stands first in the document; of one place, the stricter."""
        last = len(self._order) + 1
        places = [
            last if d.rule == DEFAULT_RULE else self._order.get(d.rule, -1) for d in (first, second)
        ]
        if places[0] == places[1]:
            return first if first.verdict >= second.verdict else second
        return first if places[0] < places[1] else second

    def _joined(self, decision: Decision, listed: Decision, foreign: bool) -> Decision:
        silent = decision.rule == DEFAULT_RULE or self.builtin
        if silent and (not foreign or listed.verdict == decision.verdict):
            return listed
        return listed if listed.verdict > decision.verdict else decision

    def _attended(self, action: Action, decision: Decision) -> Decision:
        if NO_AGENT in action.labels:
            if self._minds_no_agent and decision.rule != DEFAULT_RULE:
                return decision
            why = "the call is made for no agent"
            advice = (
                "make it inside `agent_context(NAME)`, or write a rule that matches "
                f"`label: {NO_AGENT}`"
            )
            return _held(f"<{NO_AGENT}>", decision, why, advice)
        if self.builtin:
            why = f"agent `{action.actor.agent[:80]}` is not registered and there is no policy"
            advice = "register it with `@agent(NAME, allows=[...])`, or write a policy"
            return _held("<unregistered>", decision, why, advice)
        return decision

    def _refresh(self) -> None:
        epoch = self._state.epoch()
        agents = tuple(a for a in self._state.agents() if a.allow or a.block or a.review)
        if agents != self._agents:
            self._own = _lists([agent for agent in agents if not agent.by])
            self._foreign = _lists([agent for agent in agents if agent.by])
            self._agents = agents
        self._epoch = epoch


def _held(rule: str, decision: Decision, why: str, advice: str) -> Decision:
    return Decision(
        Verdict.REVIEW,
        max(decision.risk, RiskLevel.HIGH),
        rule,
        decision.policy,
        (why, *decision.reasons),
        decision.near,
        advice,
        decision.obligations,
    )


def _lists(agents: Sequence[Agent]) -> Policy | None:
    if not agents:
        return None
    return Policy.from_dict({"agents": {agent.name: lists_of(agent) for agent in agents}})


def lists_of(agent: Agent) -> dict[str, Any]:
    """An agent as the `agents:` section of a policy document writes it."""
    lists = {"allow": agent.allow, "block": agent.block, "review": agent.review}
    return {key: list(globs) for key, globs in lists.items() if globs}


def check_agent(agent: Agent) -> None:
    """Raises PolicyError where the lists are unusable, with every complaint."""
    Policy.from_dict({"agents": {agent.name: lists_of(agent)}})


def register_agent(runtime: Runtime, agent: Agent) -> None:
    """Keep an agent and its lists in the state; its status stays what it is. The act is recorded,
    unless nothing changes.

    Raises PolicyError for unusable lists, CallerError where the name belongs to somebody else or
    there are too many agents.
    """
    check_agent(agent)
    agents = runtime.state.agents()
    if len(agents) >= AGENTS_MAX and all(other.name != agent.name for other in agents):
        raise CallerError(f"{AGENTS_MAX} agents are registered already")
    changed = False

    def registered(known: Agent | None) -> Agent:
        nonlocal changed
        if known is None:
            changed = True
            return msgspec.structs.replace(agent, updated=clock())
        if known.by != agent.by and known.updated and (known.allow or known.block or known.review):
            raise CallerError(f"agent `{agent.name}` is registered by somebody else")
        fresh = msgspec.structs.replace(
            agent, status=known.status, reason=known.reason, updated=known.updated
        )
        changed = fresh != known
        return msgspec.structs.replace(fresh, updated=clock()) if changed else known

    runtime.state.change_agent(agent.name, registered)
    if changed:
        details = {"agent": agent.name, "owner": agent.owner, **lists_of(agent)}
        runtime.admin("agent.register", by=agent.by or agent.owner or "local", details=details)


class Tightened:
    """A policy, and a decision of the caller's own that may only make it stricter."""

    def __init__(self, base: Decider, decision: Decision) -> None:
        self._base = base
        self._decision = (
            decision if decision.policy else msgspec.structs.replace(decision, policy=base.version)
        )

    @property
    def version(self) -> str:
        """The version of the policy below."""
        return self._base.version

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """The stricter of the two."""
        decision = self._base.decide(action, now=now, findings=findings, labels=labels)
        return self._decision if self._decision.verdict > decision.verdict else decision


def tightened(runtime: Runtime, decision: Decision) -> Runtime:
    """The runtime with a decision of the caller's own over its policy, for one action."""
    return runtime.under(Tightened(runtime.rules.policy, decision))
