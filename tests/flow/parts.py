"""What the simulated world is made of: a policy, guards and a view that know two words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis.flow import PlainView
from aegis.model import NO_USAGE, Action, Decision, Finding, RiskLevel, Verdict

if TYPE_CHECKING:
    import random

POISON = "POISON"
SECRET = "SECRET"


class DictPolicy:
    """Decides by the first word of the type."""

    def __init__(self, version: str = "v1", broken: bool = False) -> None:
        self.version = version
        self.broken = broken

    def decide(self, action: Action, **_: Any) -> Decision:
        if self.broken:
            raise RuntimeError("policy store gone")
        verdict = Verdict.parse(action.type.split("_")[0])
        return Decision(verdict, RiskLevel.MEDIUM, f"rule-{verdict.word}", self.version, ("so",))


class WordGuard:
    """Blocks POISON, masks SECRET; `pure` or through a Scan effect; may read in pieces."""

    version = "1"
    stages = frozenset(("input", "output"))

    def __init__(self, name: str, pure: bool, pieces: bool, fails: float, rng: random.Random):
        self.name = name
        self.covers = (name,)
        self.pure = pure
        self.pieces = pieces
        self.fails = fails
        self.rng = rng

    def inspect(self, texts: Any, action: Any) -> list[Finding]:
        if self.rng.random() < self.fails:
            raise TimeoutError("too slow")
        return [f for i, t in enumerate(texts) for f in self.find(t.text, i)]

    def find(self, text: str, index: int = 0) -> list[Finding]:
        found = []
        for word, verdict, mask in ((POISON, Verdict.BLOCK, None), (SECRET, Verdict.SANITIZE, "▮")):
            at = text.find(word)
            while at >= 0:
                where = (self.name, word.lower(), "sim", word, index, at, at + len(word))
                found.append(Finding(*where, verdict=verdict, mask=mask))
                at = text.find(word, at + 1)
        return found

    def stream(self, kind: str) -> Any:
        return _Pieces(self) if self.pieces and self.pure else None


class _Pieces:
    """Holds back one character less than the longest word."""

    def __init__(self, guard: WordGuard) -> None:
        self.guard = guard
        self.text = ""
        self.reported: set[tuple[str, int]] = set()
        self.closed = False

    def feed(self, piece: str) -> list[Finding]:
        if self.guard.rng.random() < self.guard.fails / 4:
            raise TimeoutError("too slow")
        self.text += piece
        fresh = []
        for finding in self.guard.find(self.text):
            if (finding.type, finding.start) not in self.reported:
                self.reported.add((finding.type, finding.start))
                fresh.append(finding)
        return fresh

    def close(self) -> list[Finding]:
        self.closed = True
        return []

    @property
    def settled(self) -> int:
        return len(self.text) if self.closed else max(0, len(self.text) - len(POISON) + 1)


class StreamView(PlainView):
    """Streams dictionaries {"t": text} or {"call": type}."""

    def reader(self, action: Action) -> Any:
        return _Reader(action)


class _Reader:
    kind, due = "reply", False

    def __init__(self, action: Action) -> None:
        self.action = action
        self.proposed: list[Action] = []

    def read(self, event: Any) -> tuple[list[tuple[int, str]], bool]:
        if "call" in event:
            index = len(self.proposed)
            self.proposed.append(
                Action(
                    event["call"],
                    params={"x": event.get("x", "")},
                    protocol="tool",
                    actor=self.action.actor,
                    parent=self.action.id,
                    id=f"{self.action.id}.{index}",
                    capability="write",
                )
            )
            return [], True
        return [(0, event["t"])], False

    def rewrite(self, event: Any, channel: int, text: str) -> Any:
        return {"t": text}

    def calls(self) -> list[Action]:
        return self.proposed

    def without_calls(self, event: Any, refused: Any) -> Any:
        if "call" in event:
            index = next(i for i, c in enumerate(self.proposed) if c.type == event["call"])
            return None if index in refused else event
        return event

    def cut(self, decision: Decision) -> list[Any]:
        return [{"cut": decision.rule}]

    def usage(self) -> Any:
        return NO_USAGE

    def recorded(self) -> Any:
        return None
