"""The one path of an action, as a generator, and the loops that drive it."""

from .effects import (
    ENDED,
    Abandoned,
    Admission,
    Admit,
    Answer,
    Append,
    Ask,
    Emit,
    Interrupted,
    Next,
    Parked,
    Perform,
    Performed,
    Scan,
    Settle,
    Settled,
)
from .rules import DURABILITY, Rules
from .run import run
from .view import PLAIN, PlainView, StreamReader, View

__all__ = [
    "DURABILITY",
    "ENDED",
    "PLAIN",
    "Abandoned",
    "Admission",
    "Admit",
    "Answer",
    "Append",
    "Ask",
    "Emit",
    "Interrupted",
    "Next",
    "Parked",
    "Perform",
    "Performed",
    "PlainView",
    "Rules",
    "Scan",
    "Settle",
    "Settled",
    "StreamReader",
    "View",
    "run",
]
