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
from ..model import LedgerError
from .beside import beside
from .lease import lending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..flow.drive import Port
    from ..model import Action, Receipt
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
        self._sync: Port = {
            Admit: gate.admit,
            Append: self._append,
            Ask: self._ask,
            Mint: self._mint,
            Revoke: self._revoke,
            Scan: _scan,
            Settle: self._settle,
            Trace: gate.sessions.trace,
            Learn: gate.sessions.learn,
        }
        self._async: Port = {
            Admit: gate.admit,
            Append: self._append_async,
            Mint: self._mint_async,
            Revoke: self._revoke,
            Scan: _scan_async,
            Settle: self._settle,
            Trace: gate.sessions.trace,
            Learn: gate.sessions.learn,
        }
        self.late: Port = {
            Append: self._append_late,
            Revoke: self._revoke,
            Settle: self._settle,
        }

    def sync(self, perform: Callable[[Action], Any]) -> Port:
        """The answers for one flow on a thread."""

        def do(effect: Perform) -> Performed:
            if effect.lease is None:
                return Performed(perform(effect.action))
            with lending(effect.lease):
                return Performed(perform(effect.action))

        return {**self._sync, Perform: do}

    def asynchronous(
        self,
        perform: Callable[[Action], Any],
        source: Source,
        emit: Callable[[Any], Any] | None,
        park: bool,
    ) -> Port:
        """The answers for one flow on an event loop."""

        async def do(effect: Perform) -> Performed | Opened:
            if effect.lease is None:
                value = perform(effect.action)
                if value.__class__ is CoroutineType or hasattr(value, "__await__"):
                    value = await value
            else:
                with lending(effect.lease):
                    value = perform(effect.action)
                    if hasattr(value, "__await__"):
                        value = await value
            if effect.stream and hasattr(value, "__aiter__"):
                source.open(value)
                return OPENED
            return Performed(value)

        port = {
            **self._async,
            Ask: lambda effect: self._ask_async(effect, park and not source.opened),
            Perform: do,
        }
        if emit is not None:
            port[Next] = source.next
            port[Emit] = lambda effect: emit(effect.event)
        return port

    def _append(self, effect: Append) -> Receipt:
        receipt = self._placed(effect, effect.durability)
        if effect.durability != "buffered":
            try:
                self.journal.wait(receipt.seq, effect.durability)
            except Exception:
                raise
            except BaseException as error:
                raise Interrupted(receipt, error) from error
        return receipt

    def _placed(self, effect: Append, durability: str) -> Receipt:
        """The place of a record. After a failure of the store, it is tried to go on."""
        try:
            return self.journal.append(effect.kind, effect.session, effect.body, durability)
        except LedgerError:
            if self.journal.healthy or not self.mender.mend():
                raise
        return self.journal.append(effect.kind, effect.session, effect.body, durability)

    def _append_async(self, effect: Append) -> Any:
        try:
            receipt = self.journal.append(
                effect.kind, effect.session, effect.body, effect.durability
            )
        except LedgerError:
            if self.journal.healthy:
                raise
            return self._mended(effect)
        if effect.durability == "buffered":
            return receipt
        return self._durable(receipt, effect.durability)

    async def _mended(self, effect: Append) -> Receipt:
        """A record after a failure of the store, whose reopening does not hold up the loop."""
        await asyncio.to_thread(self.mender.mend)
        receipt = self.journal.append(effect.kind, effect.session, effect.body, effect.durability)
        return await self._durable(receipt, effect.durability)

    async def _durable(self, receipt: Receipt, durability: str) -> Receipt:
        try:
            await self.journal.wait_async(receipt.seq, durability)
        except asyncio.CancelledError as error:
            raise Interrupted(receipt, error) from error
        return receipt

    def _append_late(self, effect: Append) -> Receipt:
        return self._placed(effect, "written")

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
        self.meter.settled(effect)
        usage = effect.usage
        tokens = usage.input_tokens + usage.output_tokens
        if tokens:
            self.gate.spent(effect.action.actor.principal, tokens)
        if effect.action.task:
            self.gate.sessions.settled(effect)
        return Settled(now())

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

    async def _ask_async(self, effect: Ask, park: bool) -> Answer:
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


def _scan(effect: Scan) -> Any:
    """A guard that needs I/O or time, on a thread without a loop."""
    if effect.guard.pure:
        return effect.guard.inspect(effect.texts, effect.action)
    return asyncio.run(_scan_async(effect))


async def _scan_async(effect: Scan) -> Any:
    if effect.guard.pure:
        return await beside(effect.guard.inspect, effect.texts, effect.action)
    return await effect.guard.inspect(effect.texts, effect.action)
