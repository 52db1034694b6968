"""The simulated world's credentials: a service that mints them, and the lender's memory.

The service and the loans survive a crash; what was given back and not revoked yet does not. Every
mint may fail, lose its answer, or end the process halfway; every revocation may fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis.flow import Lent
from aegis.model import CallerError

if TYPE_CHECKING:
    import random

    from aegis.model import Action


class Bank:
    """Lends to everything that writes. `crash` is what the death of the process raises."""

    def __init__(self, rng: random.Random, crash: type[BaseException]) -> None:
        self.rng = rng
        self.crash = crash
        self.broker = "bank"
        self.minted: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.loans: dict[str, bool] = {}
        self.returned: list[str] = []
        self.said: dict[str, set[tuple[str, str]]] = {}
        self.recovered = 0

    def find(self, action: Action) -> Bank | None:
        """The grant of an action."""
        return self if action.capability == "write" else None

    def mint(self, action: Action, fault: bool) -> Lent:
        """Note, ask, note again."""
        kind = self.rng.random() if fault else 1.0
        lease = f"cr_{len(self.minted)}_{action.id}"
        self.loans[lease] = False
        if kind < 0.2:
            del self.loans[lease]
            raise CallerError("the scope is none")
        self.minted[lease] = action.id
        if kind < 0.4:
            raise self.crash
        if kind < 0.7:
            self.returned.append(lease)
            raise TimeoutError("the answer is lost")
        self.loans[lease] = True
        return Lent(lease, {"lease": lease, "action": action.id}, 1)

    def give_back(self, lease: str) -> None:
        """It ends some time from now."""
        self.returned.append(lease)

    def work(self) -> None:
        """The thread that ends them gets some way."""
        while self.returned and self.rng.random() < 0.7:
            self.end(self.returned.pop(0), self.rng.random() < 0.8)

    def end(self, lease: str, answers: bool) -> None:
        """Revoke one, or give up on it; one whose answer was lost nobody can revoke."""
        if not self.loans[lease]:
            del self.loans[lease]
            self.note(lease, "credential.revoke", "unknown")
            return
        if answers:
            self.revoked.add(lease)
            self.loans.pop(lease, None)
        self.note(lease, "credential.revoke", "ok" if answers else "failed")

    def recover(self) -> None:
        """A new process ends what it can, and says what it cannot."""
        self.returned.clear()
        for lease in list(self.loans):
            self.recovered += 1
            self.end(lease, True)

    def told(self, body: Any) -> None:
        """A record of the flow."""
        self.note(body.details.get("lease") or body.details["action"], body.event, body.outcome)

    def note(self, about: str, event: str, outcome: str) -> None:
        self.said.setdefault(about, set()).add((event, outcome))

    def performing(self, action: Action, lease: str | None) -> None:
        """What is performed has its own credential, whose record stands."""
        assert (lease is not None) == (self.find(action) is not None), f"{action.id}: {lease}"
        if lease is not None:
            assert self.minted[lease] == action.id
            assert lease not in self.revoked
            assert ("credential.mint", "ok") in self.said[lease], f"{lease} is not recorded"

    def check(self) -> None:
        """Every credential ended, or its record says that nobody knows."""
        while self.returned:
            self.end(self.returned.pop(0), True)
        self.recover()
        for lease, action in self.minted.items():
            known = {outcome for event, outcome in self.said.get(lease, ()) if "revoke" in event}
            asked = {outcome for event, outcome in self.said.get(action, ()) if "mint" in event}
            assert lease in self.revoked or "unknown" in known | asked, f"{lease} is out"
