"""The drivers: small loops that answer what the flow asks.

A port maps effect types to functions. The sync driver calls them; the async driver also awaits
what comes back as an awaitable, and turns the cancellation of its task into `Abandoned`, after
which only records are still written. Exceptions of a port are thrown into the flow, which turns
them into refusals; `Parked` leaves the flow where it stands.
"""

from __future__ import annotations

import inspect as _inspect
from typing import TYPE_CHECKING, Any

import msgspec

from .effects import ANSWERS, Abandoned, Append, Emit, Next, Parked, Settle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ..model import Outcome
    from .effects import Effect

    Port = Mapping[type, Callable[[Any], Any]]
    Flow = Generator[Effect, Any, Outcome]

Trail = list[tuple[str, Any]]
"""The answered effects of a run: (effect name, answer), in order."""


def drive_sync(flow: Flow, port: Port, trail: Trail | None = None) -> Outcome:
    """Run a flow to its end on this thread. Raises Parked where the run has to wait."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = port[effect.__class__](effect)
            except Parked:
                raise
            except Exception as error:
                effect = flow.throw(error)
                continue
            if trail is not None:
                trail.append((effect.__class__.__name__, answer))
            effect = flow.send(answer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


async def drive_async(
    flow: Flow,
    port: Port,
    trail: Trail | None = None,
    *,
    late: Port,
    cancelled: type[BaseException] = GeneratorExit,
) -> Outcome:
    """Run a flow to its end on an event loop.

    `cancelled` is the exception class by which the loop cancels a task; it is raised again once
    the flow has recorded that its caller is gone. `late` answers what may still be asked then,
    without awaiting: Append and Settle.
    """
    gone: BaseException | None = None
    try:
        effect = next(flow)
        while True:
            try:
                if gone is None:
                    answer = port[effect.__class__](effect)
                    if _inspect.isawaitable(answer):
                        answer = await answer
                elif isinstance(effect, (Append, Settle)):
                    answer = late[effect.__class__](effect)
                else:
                    raise Abandoned("the caller is gone")
            except Parked:
                raise
            except cancelled as error:
                gone = error
                effect = flow.throw(Abandoned("the caller is gone"))
                continue
            except Exception as error:
                effect = flow.throw(error)
                continue
            if trail is not None and effect.__class__ not in _STREAMED:
                trail.append((effect.__class__.__name__, answer))
            effect = flow.send(answer)
    except StopIteration as stop:
        if gone is not None:
            raise gone from None
        outcome: Outcome = stop.value
        return outcome


_STREAMED = (Next, Emit)


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


_TYPES = {effect.__name__: answer for effect, answer in ANSWERS.items()}


def unpack(data: bytes) -> Trail:
    """The trail from its JSON. Raises msgspec.ValidationError for anything else."""
    raw = msgspec.json.decode(data, type=list[tuple[str, msgspec.Raw]])
    return [(name, msgspec.json.decode(answer, type=_TYPES[name])) for name, answer in raw]
