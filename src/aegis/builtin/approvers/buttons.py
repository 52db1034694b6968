"""Buttons that answer: which a request has, and what pressing one says.

A button carries its word and the id of the request, nothing else: what is approved stands in the
record, never in what comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...approval import ONCE, TASK
from ...model import CallerError

if TYPE_CHECKING:
    from ...approval import Request


class Button(NamedTuple):
    """One button: its word, what people read, and what it answers."""

    word: str
    label: str
    approve: bool
    scope: str


APPROVE = Button("approve", "Approve", True, ONCE)
APPROVE_TASK = Button("task", "Approve for this task", True, TASK)
DENY = Button("deny", "Deny", False, ONCE)

_BY_WORD = {button.word: button for button in (APPROVE, APPROVE_TASK, DENY)}


class Pressed(NamedTuple):
    """What pressing a button says."""

    approval: str
    approve: bool
    scope: str


def offered(request: Request) -> tuple[Button, ...]:
    """The buttons of a request, in order."""
    return (APPROVE, APPROVE_TASK, DENY) if request.covers else (APPROVE, DENY)


def data(button: Button, request: Request) -> str:
    """What a button carries: less than 64 bytes."""
    return f"{button.word}:{request.id}"


def pressed(data: str) -> Pressed:
    """What the data of a pressed button says. Raises CallerError."""
    word, _, approval = data.partition(":")
    button = _BY_WORD.get(word)
    if button is None:
        raise CallerError(f"`{word[:40]}` is no button of ours")
    return Pressed(approval, button.approve, button.scope)
