"""Counters of one process: what the metrics endpoint and the console read.

Plain integers under fixed names; label sets are closed, so nothing a caller sends can grow them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import PROTOCOLS, Verdict

if TYPE_CHECKING:
    from ..model import Outcome, Usage

STATUSES = ("performed", "refused", "withheld", "failed", "abandoned", "unknown")
CODES = (
    "",
    "policy",
    "guard",
    "killed",
    "limit",
    "denied",
    "expired",
    "error",
    "identity",
    "abandoned",
    "dry-run",
)


class Meter:
    """Counts what happened. Increments are single bytecode-level operations on dict entries of
    one thread at a time (the interpreter lock); a lost count under races would be harmless.
    """

    def __init__(self) -> None:
        self.verdicts: dict[tuple[str, str], int] = {
            (protocol, verdict.word): 0 for protocol in (*PROTOCOLS, "other") for verdict in Verdict
        }
        self.statuses: dict[str, int] = dict.fromkeys(STATUSES, 0)
        self.refusals: dict[str, int] = dict.fromkeys(CODES, 0)
        self.findings: dict[str, int] = {}
        self.input_tokens = 0
        self.output_tokens = 0
        self.guard_failures = 0
        self.ledger_failures = 0

    def used(self, usage: Usage) -> None:
        """Count the usage of one performance."""
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens

    def ended(self, outcome: Outcome) -> None:
        """Count one outcome."""
        word = _WORDS[outcome.decision.verdict]
        try:
            self.verdicts[outcome.action.protocol, word] += 1
        except KeyError:
            self.verdicts["other", word] += 1
        self.statuses[outcome.status] += 1
        if outcome.code or outcome.findings or outcome.coverage:
            self._details(outcome)

    def _details(self, outcome: Outcome) -> None:
        code = outcome.code
        if code:
            self.refusals[code if code in self.refusals else "error"] += 1
        for finding in outcome.findings:
            if finding.category in self.findings or len(self.findings) < FINDINGS_MAX:
                self.findings[finding.category] = self.findings.get(finding.category, 0) + 1
        for entry in outcome.coverage:
            if entry.status != "ran":
                self.guard_failures += 1


FINDINGS_MAX = 64
"""Finding categories counted apart; plugins bring their own, but not without end."""

_WORDS = ("allow", "sanitize", "review", "block")
