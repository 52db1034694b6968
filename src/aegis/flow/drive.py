"""The drivers: small loops that answer what the flow asks.

A port maps effect types to functions. The sync driver calls them; the async driver also awaits
what comes back as an awaitable, and turns the cancellation of its task into `Abandoned`, after
which only records are still written. Exceptions of a port are thrown into the flow, which turns
them into refusals; `Parked` leaves the flow where it stands.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import LedgerError, Prepared
from .effects import ANSWERS, Abandoned, Append, Emit, Interrupted, Next, Parked, Settle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ..model import Outcome
    from .effects import Effect

    Port = Mapping[type, Callable[[Any], Any]]
    Flow = Generator[Effect, Any, Outcome]

Trail = list[tuple[str, Any]]
"""The answered effects of a run: (effect name, answer), in order."""


def drive_sync(
    flow: Flow, port: Port, trail: Trail | None, late: Port, *, begun: Effect | None = None
) -> Outcome:
    """Run a flow to its end on this thread. Raises Parked where the run has to wait.

    An exception that is no Exception (an interrupt) abandons the flow: what can still be
    recorded is, through `late` (Append and Settle), then it is raised again. `begun` is the open
    effect of a replayed flow.
    """
    gone: BaseException | None = None
    try:
        effect = begun if begun is not None else next(flow)
        while True:
            try:
                answer = port[effect.__class__](effect)
            except Parked:
                raise
            except Interrupted as cut:
                gone, answer, port = cut.cause, cut.answer, late
            except Exception as error:
                effect = flow.throw(_left() if gone is not None else error)
                continue
            except BaseException as error:
                gone, port = error, late
                effect = flow.throw(_interruption(effect))
                continue
            if trail is not None:
                trail.append((effect.__class__.__name__, answer))
            effect = flow.send(answer)
    except StopIteration as stop:
        if gone is not None:
            raise gone from None
        outcome: Outcome = stop.value
        return outcome


async def drive_async(
    flow: Flow,
    port: Port,
    trail: Trail | None,
    late: Port,
    cancelled: type[BaseException],
    *,
    begun: Effect | None = None,
) -> Outcome:
    """Run a flow to its end on an event loop; awaitable answers are awaited.

    `cancelled` is the exception by which the loop cancels a task; it is raised again once the
    flow has recorded that its caller is gone. The rest is as in `drive_sync`.
    """
    gone: BaseException | None = None
    try:
        effect = begun if begun is not None else next(flow)
        while True:
            try:
                answer = port[effect.__class__](effect)
                kind = answer.__class__
                if kind not in _READY and (kind is CoroutineType or hasattr(answer, "__await__")):
                    answer = await answer
            except Parked:
                raise
            except Interrupted as cut:
                gone, answer, port = cut.cause, cut.answer, late
            except cancelled as error:
                gone, port = error, late
                effect = flow.throw(_interruption(effect))
                continue
            except Exception as error:
                effect = flow.throw(_left() if gone is not None else error)
                continue
            if trail is not None and effect.__class__ not in _STREAMED:
                trail.append((effect.__class__.__name__, answer))
            effect = flow.send(answer)
    except StopIteration as stop:
        if gone is not None:
            raise gone from None
        outcome: Outcome = stop.value
        return outcome


def _interruption(effect: Effect) -> BaseException:
    """What an interrupt at an effect looks like to the flow. A record that was interrupted
    before it was made counts as a failure of the ledger.
    """
    if isinstance(effect, (Append, Settle)):
        return LedgerError("interrupted while recording")
    return Abandoned("the caller is gone")


def _left() -> Abandoned:
    return Abandoned("the caller is gone")


_STREAMED = (Next, Emit)
_READY = frozenset([type(None), *(kind for kind in ANSWERS.values() if isinstance(kind, type))])
"""Answers that nobody has to wait for."""


class Diverged(Exception):
    """A stored run does not fit the flow any more (another policy, another version)."""


def replay(flow: Flow, trail: Trail) -> Effect:
    """Answer a fresh flow from a trail; the first effect without an answer is returned.

    Raises Diverged where the flow asks for something else than it did before.
    """
    try:
        effect = next(flow)
        for name, answer in trail:
            if effect.__class__.__name__ != name:
                raise Diverged(f"the run now asks for {effect.__class__.__name__}, not {name}")
            effect = flow.send(answer)
    except StopIteration:
        raise Diverged("the run ends before the point where it was parked") from None
    return effect


def pack(trail: Trail) -> bytes:
    """A trail as JSON. Raises TypeError for answers that are not JSON-like."""
    return msgspec.json.encode([[name, answer] for name, answer in trail])


_TRAIL = Prepared(list[tuple[str, msgspec.Raw]])
_ANSWERS = {effect.__name__: Prepared(answer) for effect, answer in ANSWERS.items()}


def unpack(data: bytes) -> Trail:
    """The trail from its JSON. Raises msgspec.ValidationError for anything else."""
    raw = _TRAIL.decode(data)
    return [(name, _ANSWERS[name].decode(answer)) for name, answer in raw]
