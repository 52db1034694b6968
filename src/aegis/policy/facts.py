"""What conditions are decided on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..model import Action, Finding
from .params import State


class Facts(msgspec.Struct, frozen=True):
    """What conditions are decided on. `asked` keeps the answers about meaning, so that one
    decision asks an evaluator once, however often its sentences look again.
    """

    action: Action
    now: int
    findings: Sequence[Finding]
    labels: Sequence[str]
    asked: dict[str, State] = msgspec.field(default_factory=dict)
