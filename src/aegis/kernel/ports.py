"""How a runtime answers what a flow asks: one function per effect, in a sync and an async table."""

from __future__ import annotations

import asyncio
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..approval import APPROVED, approvers_of
from ..flow import (
    ENDED,
    OPENED,
    Admit,
    Answer,
    Append,
    Ask,
    Emit,
    Interrupted,
    Learn,
    Lent,
    Mint,
    Next,
    Opened,
    Parked,
    Perform,
    Performed,
    Revoke,
    Scan,
    Settle,
    Settled,
    Trace,
)
from ..model import NO_USAGE, LedgerError
from .beside import beside
from .lease import lending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..flow.drive import Port
    from ..model import Receipt
    from .admission import Gate
    from .desk import Desk
    from .lender import Lender
    from .mender import Mender
    from .meter import Meter

    Asker = Callable[[Ask], Answer | None]


def now() -> int:
    """The time, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


class Ports:
    """The tables of answers of one runtime. `asker` answers approvals in this process, before
    the desk is asked; it may return None to leave them to the desk.
    """

    def __init__(
        self,
        mender: Mender,
        gate: Gate,
        desk: Desk,
        meter: Meter,
        asker: Asker | None,
        lender: Lender,
    ) -> None:
        self.journal = mender.journal
        self.mender = mender
        self.gate = gate
        self.desk = desk
        self.meter = meter
        self.asker = asker
        self.lender = lender
        self.sync: Port = {
            Admit: gate.admit,
            Append: self._append,
            Ask: self._ask,
            Mint: self._mint,
            Perform: _perform,
            Revoke: self._revoke,
            Scan: _scan,
            Settle: self._settle,
            Trace: gate.sessions.trace,
            Learn: gate.sessions.learn,
        }
        self._async: Port = {
            Admit: gate.admit,
            Append: self._append_async,
            Ask: self._ask_async,
            Mint: self._mint_async,
            Perform: _perform_async,
            Revoke: self._revoke,
            Scan: _scan_async,
            Settle: self._settle,
            Trace: gate.sessions.trace,
            Learn: gate.sessions.learn,
        }
        self._parking: Port = {**self._async, Ask: self._ask_or_park}
        self.late: Port = {
            Append: self._append_late,
            Revoke: self._revoke,
            Settle: self._settle,
        }

    def asynchronous(
        self, source: Source | None, emit: Callable[[Any], Any] | None, park: bool
    ) -> Port:
        """The answers for one flow on an event loop, which may stream from a `source`."""
        if source is None:
            return self._parking if park else self._async

        async def perform(effect: Perform) -> Performed | Opened:
            performed = await _perform_async(effect)
            if hasattr(performed.value, "__aiter__"):
                source.open(performed.value)
                return OPENED
            return performed

        port = {
            **self._async,
            Ask: lambda effect: self._asked(effect, park and not source.opened),
            Perform: perform,
        }
        if emit is not None:
            port[Next] = source.next
            port[Emit] = lambda effect: emit(effect.event)
        return port

    def _append(self, effect: Append) -> Receipt:
        durability = effect.durability
        try:
            receipt = self.journal.append(effect.kind, effect.session, effect.body, durability)
        except LedgerError as error:
            receipt = self._appended_after(error, effect, durability)
        if durability != "buffered":
            try:
                self.journal.wait(receipt.seq, durability)
            except Exception:
                raise
            except BaseException as error:
                raise Interrupted(receipt, error) from error
        return receipt

    def _appended_after(self, error: LedgerError, effect: Append, durability: str) -> Receipt:
        """The place of a record after a failure of the store: it is tried to go on."""
        if self.journal.healthy or not self.mender.mend():
            raise error
        return self.journal.append(effect.kind, effect.session, effect.body, durability)

    def _append_async(self, effect: Append) -> Any:
        durability = effect.durability
        try:
            receipt = self.journal.append(effect.kind, effect.session, effect.body, durability)
        except LedgerError:
            if self.journal.healthy:
                raise
            return self._mended(effect)
        return receipt if durability == "buffered" else self._durable(receipt, durability)

    async def _mended(self, effect: Append) -> Receipt:
        """A record after a failure of the store, whose reopening does not hold up the loop."""
        await asyncio.to_thread(self.mender.mend)
        durability = effect.durability
        receipt = self.journal.append(effect.kind, effect.session, effect.body, durability)
        return receipt if durability == "buffered" else await self._durable(receipt, durability)

    async def _durable(self, receipt: Receipt, durability: str) -> Receipt:
        future = self.journal.waiting(receipt.seq, durability, asyncio.get_running_loop())
        try:
            if future is not None:
                await future
        except asyncio.CancelledError as error:
            raise Interrupted(receipt, error) from error
        return receipt

    def _append_late(self, effect: Append) -> Receipt:
        try:
            return self.journal.append(effect.kind, effect.session, effect.body, "written")
        except LedgerError as error:
            return self._appended_after(error, effect, "written")

    def _mint(self, effect: Mint) -> Lent:
        return self.lender.mint(effect.grant, effect.action, effect.policy)

    async def _mint_async(self, effect: Mint) -> Lent:
        minting = asyncio.ensure_future(
            asyncio.to_thread(self.lender.mint, effect.grant, effect.action, effect.policy)
        )
        try:
            return await asyncio.shield(minting)
        except asyncio.CancelledError:
            # the thread goes on, and nobody will use what it brings
            minting.add_done_callback(self._unwanted)
            raise

    def _unwanted(self, minting: asyncio.Future[Lent]) -> None:
        if not minting.cancelled() and minting.exception() is None:
            self.lender.give_back(minting.result().lease)

    def _revoke(self, effect: Revoke) -> None:
        self.lender.give_back(effect.lease)

    def _settle(self, effect: Settle) -> Settled:
        usage, action = effect.usage, effect.action
        if usage is not NO_USAGE:
            self.meter.used(usage)
            tokens = usage.input_tokens + usage.output_tokens
            if tokens:
                self.gate.spent(action.actor.principal, tokens)
        if action.task:
            self.gate.sessions.settled(effect)
        return Settled(time.time_ns() // 1000)

    def _ask(self, effect: Ask) -> Answer:
        self.gate.sessions.asked(effect.action)
        # one handler in this process is one voice; where several people have to agree, it has none
        if self.asker is not None and approvers_of(effect.decision.obligations) == 1:
            answer = self.asker(effect)
            if answer is not None:
                return self._told(effect, answer)
        filed = self.desk.file(effect)
        if filed is None:
            filed = self.desk.wait(effect.approval, self.desk.settings.wait_seconds)
        return self._told(effect, filed or Answer("expired", at=now()))

    def _ask_async(self, effect: Ask) -> Any:
        return self._asked(effect, False)

    def _ask_or_park(self, effect: Ask) -> Any:
        return self._asked(effect, True)

    async def _asked(self, effect: Ask, park: bool) -> Answer:
        self.gate.sessions.asked(effect.action)
        if self.asker is not None and approvers_of(effect.decision.obligations) == 1:
            answer = await asyncio.to_thread(self.asker, effect)
            if answer is not None:
                return self._told(effect, answer)
        filed = self.desk.file(effect, effect.action.id if park else "")
        if filed is None:
            filed = await self.desk.wait_async(effect.approval, self.desk.settings.wait_seconds)
            if filed is None and park:
                raise Parked(effect.action.id, effect.approval)
        return self._told(effect, filed or Answer("expired", at=now()))

    def _told(self, effect: Ask, answer: Answer) -> Answer:
        """What a person has approved, the session need not ask about again."""
        if answer.state == APPROVED:
            self.gate.sessions.granted(effect.action)
        return answer


class Source:
    """The opened stream of a performance, closed whatever happens."""

    def __init__(self) -> None:
        self._events: AsyncIterator[Any] | None = None

    def open(self, events: AsyncIterator[Any]) -> None:
        """Start reading from an async iterator."""
        self._events = events.__aiter__()

    @property
    def opened(self) -> bool:
        """Whether the stream has begun; from then on a run cannot be parked."""
        return self._events is not None

    async def next(self, _: Next) -> Any:
        """The next event, or ENDED."""
        if self._events is None:
            return ENDED
        try:
            return await self._events.__anext__()
        except StopAsyncIteration:
            return ENDED

    async def close(self) -> None:
        """Close the iterator, which closes what is behind it."""
        close = getattr(self._events, "aclose", None)
        if close is not None:
            await close()


def _perform(effect: Perform) -> Performed:
    if effect.lease is None:
        return Performed(effect.call(effect.action))
    with lending(effect.lease):
        return Performed(effect.call(effect.action))


async def _perform_async(effect: Perform) -> Performed:
    """The performance, whose call may answer with an awaitable of the result."""
    if effect.lease is None:
        value = effect.call(effect.action)
        if value.__class__ is CoroutineType or hasattr(value, "__await__"):
            value = await value
    else:
        with lending(effect.lease):
            value = effect.call(effect.action)
            if hasattr(value, "__await__"):
                value = await value
    return Performed(value)


def _scan(effect: Scan) -> Any:
    """A guard that needs I/O or time, on a thread without a loop."""
    if effect.guard.pure:
        return effect.guard.inspect(effect.texts, effect.action)
    return asyncio.run(_scan_async(effect))


async def _scan_async(effect: Scan) -> Any:
    if effect.guard.pure:
        return await beside(effect.guard.inspect, effect.texts, effect.action)
    return await effect.guard.inspect(effect.texts, effect.action)
