"""The approval desk: where requests are filed, people answer, and answers are used up once.

Every channel (command line, API, a terminal prompt) is a view of the same stored request. A
waiting caller is woken by an answer given in this process at once, and notices one given in
another process within POLL_SECONDS.
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
    PENDING,
    Request,
    refusal,
    state_at,
)
from ..flow import Answer
from ..model import CallerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..flow import Ask
    from .state import StateStore

POLL_SECONDS = 0.05
"""How often a waiting caller looks at the shared epoch (a memory read, no I/O)."""


def _now() -> int:
    return time.time_ns() // 1000


class Desk:
    """The approvals of one home folder. `redact` cleans what people are shown."""

    def __init__(
        self,
        state: StateStore,
        ttl_seconds: float,
        redact: Callable[[Any], Any],
        announce: Callable[[Request], None] | None = None,
    ) -> None:
        self._state = state
        self.ttl_seconds = ttl_seconds
        self._redact = redact
        self._announce = announce
        self._woken = threading.Condition()
        self._released: set[str] = set()
        self.watchers: list[Callable[[Request], None]] = []
        """Told about every new request in this process, on the thread that files it."""

    def file(self, ask: Ask, run: str = "") -> Answer | None:
        """File the request, or use up an answer that is there already.

        An unused approval of the identical action (same digest) answers a new request for it.
        None while nobody has answered.
        """
        now = _now()
        for earlier in self._state.approvals(APPROVED, ask.digest):
            if self._state.consume(earlier.id, now):
                return _answer(earlier, APPROVED)
        request = _request(ask, now, int(self.ttl_seconds * 1e6), self._redact, run)
        if self._state.add_approval(request):
            if self._announce is not None:
                self._announce(request)
            for watcher in self.watchers:
                watcher(request)
            return None
        return self.poll(ask.approval)

    def poll(self, id: str) -> Answer | None:
        """Use up the answer to one request; None while there is none."""
        request = self._state.approval(id)
        if request is None:
            raise CallerError(f"no approval `{id}`")
        now = _now()
        state = state_at(request, now)
        if state == PENDING:
            return None
        if state == APPROVED:
            if self._state.consume(id, now):
                return _answer(request, APPROVED)
            state = CONSUMED
        if state == CONSUMED:
            return Answer(EXPIRED, request.by, "this approval was used already", "", now)
        if state == EXPIRED and request.state == PENDING:
            self._state.answer(msgspec.structs.replace(request, state=EXPIRED, answered=now))
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

    def answer(
        self, id: str, approve: bool, *, by: str, comment: str = "", channel: str = "cli"
    ) -> Request:
        """A person's answer. Repeating the same answer changes nothing.

        Raises CallerError where there is no such request, it is answered otherwise or expired,
        or the one who asked answers.
        """
        request = self._state.approval(id)
        if request is None:
            raise CallerError(f"no approval `{id}`; `aegis approvals list` shows the open ones")
        state = APPROVED if approve else DENIED
        if request.state == state and request.by == by:
            return request
        now = _now()
        why = refusal(request, by, now)
        if why:
            raise CallerError(why)
        answered = msgspec.structs.replace(
            request, state=state, by=by, comment=comment, channel=channel, answered=now
        )
        if not self._state.answer(answered):
            raise CallerError(f"approval `{id}` was answered by somebody else just now")
        with self._woken:
            self._woken.notify_all()
        return answered

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


def _request(ask: Ask, now: int, ttl: int, redact: Callable[[Any], Any], run: str) -> Request:
    action, decision = ask.action, ask.decision
    return Request(
        ask.approval,
        ask.digest,
        action.id,
        action.type,
        action.target,
        action.protocol,
        action.actor.principal,
        action.actor.agent,
        action.actor.session,
        action.actor.tenant,
        decision.policy,
        decision.rule,
        decision.risk.name.lower(),
        redact(_summary(action.params)),
        decision.reasons,
        PENDING,
        now,
        now + ttl,
        run=run,
    )


def _summary(params: Any) -> Any:
    """JSON-like params as they are; anything else as its bounded repr."""
    try:
        return msgspec.json.decode(msgspec.json.encode(params, enc_hook=lambda v: repr(v)[:200]))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(params)[:2000]


def _answer(request: Request, state: str) -> Answer:
    return Answer(state, request.by, request.comment, request.channel, request.answered)
