"""The admit stage: may this actor act at all, right now?

Looks only at memory: the kill switch (refreshed when another process pulled it) and the buckets
of the limits. Both maps are bounded.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from shlex import quote
from typing import TYPE_CHECKING, TypeVar

from ..flow import Admission
from ..limits import spend, take
from ..policy.fold import fold
from .state import ACTIVE, Agent

T = TypeVar("T")

if TYPE_CHECKING:
    from ..flow import Admit
    from ..limits import Bucket, Take
    from ..model import Action, Actor
    from .keys import Keys
    from .sessions import Sessions
    from .settings import Limits
    from .state import StateStore
    from .tickets import Tickets

BUCKETS_MAX = 20_000
"""Callers whose buckets are remembered; the longest idle one is forgotten (its bucket is full
again by then, unless so many callers are active at once)."""

ADMITTED = Admission()


class Gate:
    """Kill switches, limits and sessions of one process."""

    def __init__(self, state: StateStore, keys: Keys, limits: Limits, sessions: Sessions) -> None:
        self.sessions = sessions
        self.tickets: Tickets | None = None
        self._state = state
        self._keys = keys
        self.limits = limits
        self._epoch = -1
        self._paused: dict[str, Agent] = {}
        self._lock = threading.Lock()
        self._requests: OrderedDict[str, Take] = OrderedDict()
        self._tokens: OrderedDict[str, Bucket] = OrderedDict()
        self._limited = False
        self._known: dict[str, tuple[int, int]] = {}

    def admit(self, effect: Admit) -> Admission:
        """Answer an Admit effect."""
        admission = self.readmit(effect.action)
        tickets = self.tickets
        if tickets is None or admission.code:
            return admission
        return tickets.admit(effect.action, effect.dry) or admission

    def readmit(self, action: Action) -> Admission:
        """Whether an action may go on that was admitted before: its ticket is used up."""
        if self._state.epoch() != self._epoch:
            self._refresh()
        actor = action.actor
        if self._paused and (agent := self._switched_off(actor)) is not None:
            why = f": {agent.reason}" if agent.reason else ""
            return Admission(
                "killed",
                f"agent `{agent.name}` is switched off{why}",
                "<kill-switch>",
                advice=f"`aegis revive {quote(agent.name)}` switches it on again",
            )
        if not self._limited or not actor.principal:
            return ADMITTED
        return self._within_limits(actor.principal, action.time)

    def killed(self, actor: Actor) -> bool:
        """Whether an actor is switched off as of now."""
        if self._state.epoch() != self._epoch:
            self._refresh()
        return self._switched_off(actor) is not None

    def _switched_off(self, actor: Actor) -> Agent | None:
        for name in (actor.agent, actor.principal, "*", *actor.chain):
            # folded like the names of the policy: no other spelling keeps a killed agent alive
            agent = self._paused.get(fold(name)) if name else None
            if agent is not None:
                return agent
        return None

    def set_limits(self, limits: Limits) -> None:
        """Put other default limits in force."""
        self.limits = limits
        self._epoch = -1

    def rate(self, principal: str) -> tuple[Take | None, int, Take | None, int]:
        """What is left for a caller, as of its last request: requests and their limit, tokens
        and theirs (limit 0: none).
        """
        requests, tokens = self._known.get(principal) or self._of(principal)
        if not requests and not tokens:
            return None, 0, None, 0
        # each look-up is one step that no other thread comes between, so it needs no lock
        left = self._requests.get(principal) if requests else None
        if not tokens:
            return left, requests, None, 0
        now = time.time_ns() // 1000
        return left, requests, take(self._tokens.get(principal), tokens, now, 0.0), tokens

    def spent(self, principal: str, tokens: int) -> None:
        """Charge tokens that a performance used."""
        if not self._limited or not principal:
            return
        _, limit = self._known.get(principal) or self._of(principal)
        if limit and tokens:
            with self._lock:
                bucket = spend(
                    self._tokens.get(principal), limit, time.time_ns() // 1000, float(tokens)
                )
                _remember(self._tokens, principal, bucket)

    def _within_limits(self, principal: str, now: int) -> Admission:
        requests, tokens = self._known.get(principal) or self._of(principal)
        with self._lock:
            if tokens:
                level = take(self._tokens.get(principal), tokens, now, 1.0)
                if not level.admitted:
                    return _limit("tokens", tokens, level)
            if requests:
                last = self._requests.get(principal)
                taken = take(last.bucket if last is not None else None, requests, now)
                _remember(self._requests, principal, taken)
                if not taken.admitted:
                    return _limit("requests", requests, taken)
        return ADMITTED

    def _of(self, principal: str) -> tuple[int, int]:
        """The limits of a caller that is not in `_known`, which every change of the state empties
        before the next action is admitted.
        """
        key = self._keys.key(principal)
        requests, tokens = self.limits.requests_per_minute, self.limits.tokens_per_minute
        if key is not None:
            requests = key.requests_per_minute or requests
            tokens = key.tokens_per_minute or tokens
        if len(self._known) >= BUCKETS_MAX:
            self._known.clear()
        self._known[principal] = requests, tokens
        return requests, tokens

    def _refresh(self) -> None:
        epoch = self._state.epoch()
        self._known = {}
        self._paused = {
            fold(agent.name): agent for agent in self._state.agents() if agent.status != ACTIVE
        }
        self._limited = bool(
            self.limits.requests_per_minute
            or self.limits.tokens_per_minute
            or any(key.requests_per_minute or key.tokens_per_minute for key in self._keys.list())
        )
        self._epoch = epoch


def _remember(known: OrderedDict[str, T], name: str, value: T) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > BUCKETS_MAX:
        known.popitem(last=False)


def _limit(what: str, limit: int, taken: Take) -> Admission:
    return Admission(
        "limit",
        f"the limit of {limit} {what} per minute is used up",
        f"<{what}-per-minute>",
        (),
        max(taken.retry_after, 0.001),
    )
