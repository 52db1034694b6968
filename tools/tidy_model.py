"""What the rules of `tidy.py` share: a complaint, and the table of exceptions."""

from __future__ import annotations

from typing import Any, NamedTuple

TABLE = "tools/tidy.toml"

SLACK = 20
"""How much looser than the measured size an entry may be (or a fifth of it) before it has to be
lowered. Not 0: every edit of a listed file would then have to touch the table."""


class Complaint(NamedTuple):
    """One broken rule at one place."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Exceptions:
    """The checked-in exceptions, by rule and by place. Remembers which were needed."""

    def __init__(self, table: dict[str, dict[str, Any]]) -> None:
        self._table = table
        self._needed: set[tuple[str, str]] = set()

    def allows(self, rule: str, place: str) -> bool:
        """Whether `place` is listed under `rule`."""
        if place in self._table.get(rule, {}):
            self._needed.add((rule, place))
            return True
        return False

    def size(self, rule: str, place: str, actual: int, limit: int) -> str:
        """What is wrong with a size; empty where nothing is. Sizes at or under the limit need no
        entry; larger ones need one that is not looser than SLACK.
        """
        if actual <= limit:
            return ""
        allowed = self._table.get(rule, {}).get(place)
        if allowed is None:
            return f"is {actual}, the limit is {limit}; split it"
        self._needed.add((rule, place))
        if actual > allowed:
            return f"grew to {actual}, its entry in {TABLE} allows {allowed}; split it"
        if allowed - actual > max(SLACK, actual // 5):
            return f"shrank to {actual}; lower its entry in {TABLE} from {allowed}"
        return ""

    def unused(self) -> list[Complaint]:
        """Complaints about entries that nothing needed."""
        return [
            Complaint(TABLE, 1, f"[{rule}] `{place}` is not needed any more; remove the entry")
            for rule, places in self._table.items()
            for place in places
            if (rule, place) not in self._needed
        ]
