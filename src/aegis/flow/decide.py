"""The decide stage: the policy's word and the guards' findings become one decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Decision, RiskLevel, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Action, Coverage, Finding
    from .effects import Admission
    from .rules import Rules

ERROR_RULE = "<error>"
"""The rule name of a block that Aegis' own failure caused."""

BREAK_GLASS = "break-glass"
"""The obligation that marks a decision made although Aegis itself had failed."""


def decide(
    action: Action,
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    admission: Admission,
    rules: Rules,
) -> Decision:
    """The strictest of what the policy and the guards ask for."""
    try:
        decision = rules.policy.decide(
            action, now=action.time, findings=findings, labels=admission.labels
        )
    except Exception as error:
        decision = broken(f"the policy failed: {type(error).__name__}: {error}", rules)
    if findings or coverage:
        decision = combine(decision, findings, coverage, rules)
    return decision if not admission.reason else _with_session(decision, admission)


def combine(
    decision: Decision, findings: Sequence[Finding], coverage: Sequence[Coverage], rules: Rules
) -> Decision:
    """The decision, tightened by findings and by guards that could not run.

    The very same object comes back where nothing tightens it.
    """
    gap = failed(coverage)
    if gap is not None:
        fault = broken(f"guard `{gap.guard}` could not run: {gap.reason}", rules)
        decision = fault if fault.verdict > decision.verdict else noted(decision, fault)
    if findings:
        decision = _with_findings(decision, findings)
    return decision


def refused(admission: Admission, rules: Rules) -> Decision:
    """The decision of an action that was not admitted."""
    return Decision(
        Verdict.BLOCK,
        RiskLevel.CRITICAL if admission.code == "killed" else RiskLevel.HIGH,
        admission.rule or f"<{admission.code}>",
        version(rules),
        (admission.reason,),
        advice=admission.advice
        or _ADMISSION_ADVICE.get(admission.code, "ask the operator of this gateway"),
    )


def broken(reason: str, rules: Rules) -> Decision:
    """The decision where Aegis itself failed: block, or under break-glass a loud allow."""
    if rules.break_glass:
        return Decision(
            Verdict.ALLOW,
            RiskLevel.CRITICAL,
            ERROR_RULE,
            version(rules),
            (f"break-glass: {reason}",),
            obligations=(BREAK_GLASS,),
        )
    return Decision(
        Verdict.BLOCK,
        RiskLevel.CRITICAL,
        ERROR_RULE,
        version(rules),
        (reason,),
        advice="nothing runs while a safeguard is broken; `aegis doctor` shows what failed",
    )


def unusable(error: Exception, rules: Rules) -> Decision:
    """The decision about an action that cannot be inspected: always a block."""
    return Decision(
        Verdict.BLOCK,
        RiskLevel.HIGH,
        ERROR_RULE,
        version(rules),
        (str(error),),
        advice="send a smaller or flatter action",
    )


def unforeseen(error: Exception, rules: Rules) -> Decision:
    """The decision where a stage failed in a way it does not know itself: always a block."""
    return Decision(
        Verdict.BLOCK,
        RiskLevel.CRITICAL,
        ERROR_RULE,
        version(rules),
        (f"{type(error).__name__}: {error}",),
        advice="this is a fault of Aegis or of a plugin; `aegis doctor` shows what failed",
    )


def departed(decision: Decision, rules: Rules) -> Decision:
    """The decision about an action whose caller left before it was begun."""
    return Decision(
        Verdict.BLOCK,
        decision.risk,
        "<abandoned>",
        decision.policy or version(rules),
        ("the caller left before the action was begun",),
        advice="nothing was performed; the action can be requested again",
    )


def version(rules: Rules) -> str:
    """The policy version, or nothing where even that fails."""
    try:
        return rules.policy.version
    except Exception:
        return ""


def failed(coverage: Sequence[Coverage]) -> Coverage | None:
    """The first guard that did not run."""
    for entry in coverage:
        if entry.status != "ran":
            return entry
    return None


def code_of(decision: Decision) -> str:
    """The kind of refusal a blocking decision is."""
    if decision.rule == ERROR_RULE:
        return "error"
    return "guard" if decision.rule.startswith("guard:") else "policy"


def _with_findings(decision: Decision, findings: Sequence[Finding]) -> Decision:
    worst = max(findings, key=lambda finding: (finding.verdict, finding.score))
    if worst.verdict <= decision.verdict:
        return decision
    seen = sorted({f"{f.category} ({f.rule})" for f in findings if f.verdict == worst.verdict})
    return Decision(
        worst.verdict,
        max(decision.risk, _RISK.get(worst.severity, RiskLevel.MEDIUM)),
        f"guard:{worst.rule}",
        decision.policy,
        (f"guard `{worst.guard}` found {', '.join(seen[:4])}", *decision.reasons),
        decision.near,
        worst.reason or _GUARD_ADVICE[worst.verdict],
        decision.obligations,
    )


def _with_session(decision: Decision, admission: Admission) -> Decision:
    """The decision, no milder than the session leaves it; a refusal says what the session knew."""
    if admission.least > decision.verdict:
        return Decision(
            admission.least,
            max(decision.risk, RiskLevel.HIGH),
            admission.rule,
            decision.policy,
            (admission.reason, *decision.reasons),
            decision.near,
            admission.advice or _SESSION_ADVICE,
            decision.obligations,
        )
    if decision.verdict < Verdict.REVIEW:
        return decision
    return restated(decision, decision.verdict, admission.reason)


def restated(
    decision: Decision, verdict: Verdict, reason: str, advice: str | None = None
) -> Decision:
    """The decision with another verdict and one reason more; `advice` replaces what it advised."""
    return Decision(
        verdict,
        decision.risk,
        decision.rule,
        decision.policy,
        (*decision.reasons, reason),
        decision.near,
        decision.advice if advice is None else advice,
        decision.obligations,
    )


def noted(decision: Decision, fault: Decision) -> Decision:
    """The decision, with what went wrong beside it."""
    return Decision(
        decision.verdict,
        max(decision.risk, fault.risk),
        decision.rule,
        decision.policy,
        (*decision.reasons, *fault.reasons),
        decision.near,
        decision.advice,
        (*decision.obligations, *fault.obligations),
    )


_RISK = {
    "low": RiskLevel.LOW,
    "medium": RiskLevel.MEDIUM,
    "high": RiskLevel.HIGH,
    "critical": RiskLevel.CRITICAL,
}

_GUARD_ADVICE = {
    Verdict.ALLOW: "",
    Verdict.SANITIZE: "the marked spans were masked",
    Verdict.REVIEW: "a person has to look at this content first",
    Verdict.BLOCK: "remove the marked content, or ask the owner of this policy for an exception",
}

_SESSION_ADVICE = "look at what this session did before: `aegis audit` lists its records"

_ADMISSION_ADVICE = {
    "killed": "`aegis revive` with the name of the agent switches it on again",
    "limit": "slow down and try again after the time in `retry-after`",
    "ticket": "request the action anew where it is decided; every call has a ticket of its own",
    "identity": "use a valid key; `aegis keys create --name NAME` makes one",
}
