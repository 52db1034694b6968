"""The four verdicts and the four risk tiers.

A verdict is a point of one lattice, allow < sanitize < review < block; several opinions about
one action combine by taking the strictest.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Verdict(IntEnum):
    """What may happen to an action, from most to least permissive."""

    ALLOW = 0
    SANITIZE = 1
    REVIEW = 2
    BLOCK = 3

    @property
    def word(self) -> str:
        """The verdict in lower case, as it stands in records and headers."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Verdict:
        """The verdict for a word; also `auto` (allow), `approve` (review), `mask` (sanitize).

        Raises ValueError for any other word.
        """
        try:
            return _WORDS[word.strip().lower()]
        except KeyError:
            known = ", ".join(_WORDS)
            raise ValueError(f"unknown verdict `{word}`; use one of {known}") from None


_WORDS = {
    "allow": Verdict.ALLOW,
    "sanitize": Verdict.SANITIZE,
    "review": Verdict.REVIEW,
    "block": Verdict.BLOCK,
    "auto": Verdict.ALLOW,
    "mask": Verdict.SANITIZE,
    "approve": Verdict.REVIEW,
    "deny": Verdict.BLOCK,
}


def strictest(*verdicts: Verdict) -> Verdict:
    """The strictest of the verdicts; `allow` when there are none."""
    return max(verdicts, default=Verdict.ALLOW)


class RiskLevel(IntEnum):
    """How much harm an action could do."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Approval(StrEnum):
    """The verdicts in the words of policy files."""

    AUTO = "auto"
    SANITIZE = "sanitize"
    APPROVE = "approve"
    BLOCK = "block"

    @classmethod
    def of(cls, verdict: Verdict) -> Approval:
        """The policy-file word for a verdict."""
        return _APPROVALS[verdict]


_APPROVALS = {
    Verdict.ALLOW: Approval.AUTO,
    Verdict.SANITIZE: Approval.SANITIZE,
    Verdict.REVIEW: Approval.APPROVE,
    Verdict.BLOCK: Approval.BLOCK,
}
