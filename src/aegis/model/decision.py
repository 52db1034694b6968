"""What was decided about an action, and what became of it."""

from __future__ import annotations

from typing import Any

import msgspec

from .finding import Coverage, Finding
from .shown import joined
from .verdict import Approval, RiskLevel, Verdict

DEFAULT_RULE = "<default>"
"""The rule name of a decision that no rule of the policy made."""


class Near(msgspec.Struct, frozen=True, gc=False):
    """A rule that nearly decided: its name, its verdict, and what kept it from matching."""

    rule: str
    verdict: Verdict
    why: str


class Decision(msgspec.Struct, frozen=True):
    """The answer to "may this happen?".

    `policy` is the version (content hash) that decided, `reasons` are sentences for people,
    `near` the rules that nearly matched, `advice` what to do next when it was refused,
    `obligations` what must be true of the performance (for example `mask`).
    """

    verdict: Verdict
    risk: RiskLevel = RiskLevel.MEDIUM
    rule: str = DEFAULT_RULE
    policy: str = ""
    reasons: tuple[str, ...] = ()
    near: tuple[Near, ...] = ()
    advice: str = ""
    obligations: tuple[str, ...] = ()

    @property
    def risk_level(self) -> RiskLevel:
        """The risk tier."""
        return self.risk

    @property
    def approval(self) -> Approval:
        """The verdict in the words of policy files: auto, sanitize, approve or block."""
        return Approval.of(self.verdict)

    @property
    def matched_rule(self) -> str:
        """The name of the rule that decided; `<default>` where none matched."""
        return self.rule

    @property
    def is_allowed(self) -> bool:
        """True unless blocked. A decision that still needs a person is *not* a permission:
        ask `requires_approval` too.
        """
        return self.verdict is not Verdict.BLOCK

    @property
    def requires_approval(self) -> bool:
        """True where a person has to agree first."""
        return self.verdict is Verdict.REVIEW


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What an action consumed. Tokens are counts; cost is in millionths of a US dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0


NO_USAGE = Usage()


class Principal(msgspec.Struct, frozen=True):
    """An authenticated caller. `models` are globs over the models it may use (empty: all)."""

    id: str
    name: str = ""
    tenant: str = ""
    kind: str = "key"
    roles: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    agent: str = ""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Where a record stands in the ledger: its index in the tree and its leaf hash (hex)."""

    seq: int
    hash: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of an action.

    `status` is `performed`; `refused` (not begun); `withheld` (performed, but the result may not
    be delivered); `failed` (it raised); `abandoned` (performed, and the caller left before the
    end); or `unknown` (begun, and no answer came: it is never repeated by itself). `code` names
    the kind of refusal (`policy`, `guard`, `killed`, `limit`, `denied`, `expired`, `error`,
    `abandoned`). `result` is what the performance returned, after output guards. `receipt` points
    at the last record.
    """

    action: Any
    status: str
    decision: Decision
    result: Any = None
    error: BaseException | None = None
    code: str = ""
    findings: tuple[Finding, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    usage: Usage = NO_USAGE
    receipt: Receipt | None = None
    approval: str = ""
    retry_after: float = 0.0

    @property
    def ok(self) -> bool:
        """True where the action was performed and did not fail."""
        return self.status == "performed"

    @property
    def verdict(self) -> Verdict:
        """The verdict that stood in the end."""
        return self.decision.verdict

    @property
    def reason(self) -> str:
        """The reasons as one sentence."""
        return joined(self.decision.reasons)
