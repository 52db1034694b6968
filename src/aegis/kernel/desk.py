"""The approval desk: where requests are filed, people answer, and answers are used up once.

Every channel (command line, API, a chat, a mail) is a view of the same stored request. A waiting
caller is woken by an answer given in this process at once, and notices one given in another
process within POLL_SECONDS.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from ..approval import (
    APPROVED,
    CONSUMED,
    DENIED,
    EXPIRED,
    ONCE,
    PENDING,
    SCOPES,
    TASK,
    Request,
    Vote,
    answered,
    approvers_of,
    current,
    refusal,
    state_at,
    task_digest,
)
from ..flow import Answer
from ..model import CallerError
from .people import People

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..flow import Ask
    from .courier import Courier
    from .keys import Keys
    from .links import Links
    from .settings import Approvals
    from .state import StateStore

POLL_SECONDS = 0.05
"""How often a waiting caller looks at the shared epoch (a memory read, no I/O)."""

TASK_USES_MAX = 1_000
"""How often an approval for a whole task may be used; it ends with its expiry anyway."""

RUN_SECONDS = 600.0
"""How long a run that was denied or expired is kept for its caller to learn of it: it holds what
was asked in full."""

COMMENT_MAX = 2_000
"""Longest comment, in characters."""

NAME_MAX = 200
"""Longest name of somebody who answers, in characters."""


def _now() -> int:
    return time.time_ns() // 1000


class Desk:
    """The approvals of one home folder. `redact` cleans what people are shown; `keys` tell who
    the one who asked is.
    """

    def __init__(
        self,
        state: StateStore,
        settings: Approvals,
        redact: Callable[[Any], Any],
        keys: Keys,
        courier: Courier,
        links: Links,
    ) -> None:
        self._state = state
        self.settings = settings
        self._redact = redact
        self._keys = keys
        self.courier = courier
        self.links = links
        self.ended: Callable[[Request], object] | None = None
        """Told of every request that expired, by whichever process ended it."""
        self.dropped: Callable[[str, str], object] | None = None
        """Told of every run that was dropped, and of its approval."""
        courier.expire = self.expire
        self._woken = threading.Condition()
        self._released: set[str] = set()
        self.watchers: list[Callable[[Request], None]] = []
        """Told about every new request in this process, on the thread that files it."""

    @property
    def people(self) -> People:
        """Who may answer through which channel."""
        return People(self.settings.approvers)

    def file(self, ask: Ask, run: str = "") -> Answer | None:
        """File the request, or use up an answer that is there already.

        An unused approval of the identical action (same digest) answers a new request for it, and
        so does one given for its whole task. None while nobody has answered.
        """
        now = _now()
        for earlier in self._state.approvals(APPROVED, ask.digest):
            if self._state.consume(earlier.id, now, ask.action.id):
                return _answer(earlier, APPROVED)
        request = self._request(ask, now, run)
        if request.covers:
            given = self._state.grant(request.covers, now, TASK_USES_MAX)
            if given is not None and current(given, now):
                comment = f"given for the whole task with `{given.id}`"
                return Answer(APPROVED, given.by, comment, given.channel, now)
        if self._state.add_approval(request, self.courier.posts(request)):
            self.courier.filed(request)
            for watcher in self.watchers:
                watcher(request)
            return None
        return self.poll(ask.approval, ask.action.id)

    def poll(self, id: str, action: str = "") -> Answer | None:
        """Use up the answer to one request, for an action (its own where none is named); None
        while there is none.
        """
        request = self._state.approval(id)
        if request is None:
            raise CallerError(f"no approval `{id}`")
        now = _now()
        state = state_at(request, now)
        if state == PENDING:
            return None
        if state == APPROVED:
            if self._state.consume(id, now, action or request.action):
                return _answer(request, APPROVED)
            state = CONSUMED
        if state == CONSUMED:
            return Answer(EXPIRED, request.by, "this approval was used already", "", now)
        return _answer(request, state)

    def wait(self, id: str, seconds: float) -> Answer | None:
        """Block this thread until somebody answers, at most `seconds`."""
        deadline = time.monotonic() + seconds
        epoch = -1
        while True:
            current = self._state.epoch()
            if current != epoch or time.monotonic() >= deadline:
                epoch = current
                answer = self.poll(id)
                if answer is not None or time.monotonic() >= deadline:
                    return answer
            with self._woken:
                self._woken.wait(POLL_SECONDS)

    async def wait_async(self, id: str, seconds: float) -> Answer | None:
        """Wait on an event loop until somebody answers, at most `seconds` or until `release`."""
        deadline = time.monotonic() + seconds
        epoch = -1
        try:
            while True:
                current = self._state.epoch()
                over = time.monotonic() >= deadline or id in self._released
                if current != epoch or over:
                    epoch = current
                    answer = self.poll(id)
                    if answer is not None or over:
                        return answer
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._released.discard(id)

    def release(self, id: str) -> None:
        """End the wait for one request in this process: its caller is told to come back, because
        it has a better way to wait.
        """
        self._released.add(id)

    def answer(self, id: str, approve: bool, vote: Vote, *, scope: str = ONCE) -> Request:
        """One person's answer. Repeating the same answer changes nothing; of several different
        ones the first to arrive stands.

        Raises CallerError where there is no such request, it is decided or expired, or the one
        who asked answers.
        """
        if len(vote.comment) > COMMENT_MAX or len(vote.by) > NAME_MAX:
            raise CallerError(
                f"a comment has at most {COMMENT_MAX} characters, a name at most {NAME_MAX}"
            )
        if scope not in SCOPES:
            raise CallerError(f"`scope` is one of {', '.join(SCOPES)}")
        vote = msgspec.structs.replace(vote, at=_now())

        def change(request: Request) -> Request:
            if _repeated(request, approve, vote.by):
                return request
            why = refusal(request, vote.by, vote.at)
            if not why and approve and scope == TASK and not request.covers:
                why = f"approval `{id}` belongs to no task; approve it once"
            if why:
                raise CallerError(why)
            return answered(request, vote, approve, scope)

        request = self._state.change_approval(id, change)
        if request is None:
            raise CallerError(
                f"no approval `{id[:80]}`; `aegis approvals list` shows the open ones"
            )
        with self._woken:
            self._woken.notify_all()
        return request

    def expire(self) -> None:
        """End the requests that are past their time, and drop the runs that ended; and say so."""
        now = _now()
        for id in self._state.overdue(now):
            self._end(id, now)
        for run, approval in self._state.drop_runs(now - int(RUN_SECONDS * 1e6)):
            if self.dropped is not None:
                self.dropped(run, approval)

    def _end(self, id: str, now: int) -> None:
        """Turn a pending request that is past its time into an expired one; one process does."""
        ended = []

        def change(request: Request) -> Request:
            if request.state != PENDING or state_at(request, now) != EXPIRED:
                return request
            ended.append(msgspec.structs.replace(request, state=EXPIRED, answered=now))
            return ended[0]

        self._state.change_approval(id, change)
        if ended and self.ended is not None:
            self.ended(ended[0])

    def pending(self) -> Sequence[Request]:
        """Open requests, newest first; expired ones are left out."""
        now = _now()
        return [r for r in self._state.approvals(PENDING) if state_at(r, now) == PENDING]

    def find(self, id: str) -> Request | None:
        """One request, in its state as of now."""
        request = self._state.approval(id)
        if request is None:
            return None
        state = state_at(request, _now())
        return request if state == request.state else msgspec.structs.replace(request, state=state)

    def _request(self, ask: Ask, now: int, run: str) -> Request:
        action, decision, settings = ask.action, ask.decision, self.settings
        actor = action.actor
        summary = _summary(action.params)
        shown = self._redact(summary)
        key = self._keys.key(actor.principal)
        late = int(settings.escalate_seconds * 1e6)
        return Request(
            ask.approval,
            ask.digest,
            action.id,
            action.type,
            action.target,
            action.protocol,
            actor.principal,
            actor.agent,
            actor.session,
            actor.tenant,
            decision.policy,
            decision.rule,
            decision.risk.name.lower(),
            shown,
            decision.reasons,
            PENDING,
            now,
            now + int(settings.ttl_seconds * 1e6),
            run=run,
            environment=action.environment,
            task=action.task,
            covers=task_digest(action, decision.policy),
            needed=approvers_of(decision.obligations),
            aliases=self.people.aliases(key.name if key is not None else ""),
            escalates=now + late if late else 0,
            exact=shown == summary == action.params,
        )


def _repeated(request: Request, approve: bool, by: str) -> bool:
    """Whether a person gives the answer they gave already."""
    if approve:
        gone = request.state in (PENDING, APPROVED, CONSUMED)
        return gone and any(vote.by == by for vote in request.votes)
    return request.state == DENIED and request.by == by


def _summary(params: Any) -> Any:
    """JSON-like params as they are; anything else as its bounded repr."""
    try:
        return msgspec.json.decode(msgspec.json.encode(params, enc_hook=lambda v: repr(v)[:200]))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(params)[:2000]


def _answer(request: Request, state: str) -> Answer:
    return Answer(state, request.by, request.comment, request.channel, request.answered)
