"""What the flow asks of the outside, as values, and the answers it gets back.

`run.py` yields these and never touches a clock, socket, thread or store itself. Each effect has
one answer type; answers are plain values, so a parked run can be stored as the list of its
answers and replayed. Times are microseconds since the Unix epoch (UTC).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..ledger.record import Body
from ..model import NO_USAGE, Action, Decision, Finding, Receipt, Text, Usage, Verdict


class Admit(msgspec.Struct, frozen=True, gc=False):
    """May this actor act at all? Kill switch, limits, budget, tickets. A `dry` one uses no ticket
    up. Answer: Admission.
    """

    action: Action
    dry: bool = False


class Admission(msgspec.Struct, frozen=True, gc=False):
    """Whether the actor may act. `code` is empty where it may, else `killed`, `limit`,
    `identity`, `ticket`; `labels` are those of the session; `retry_after` is in seconds; `advice`
    says what to do next. `least` is the mildest verdict the session leaves it, by `rule` and for
    `reason`.
    """

    code: str = ""
    reason: str = ""
    rule: str = ""
    labels: tuple[str, ...] = ()
    retry_after: float = 0.0
    advice: str = ""
    least: Verdict = Verdict.ALLOW


class Trace(msgspec.Struct, frozen=True, gc=False):
    """What does the session make of this action? Asked only where rules follow sessions or the
    action names a task, also for calls that a model proposes. A `dry` one counts for nothing later.
    Answer: Admission.
    """

    action: Action
    dry: bool = False


class Learn(msgspec.Struct, frozen=True, gc=False):
    """Take in a result that is about to be delivered, and what guards found in its texts and left
    there. Answer: None.
    """

    action: Action
    value: Any
    texts: tuple[Text, ...] = ()
    findings: tuple[Finding, ...] = ()


class Scan(msgspec.Struct, frozen=True, gc=False):
    """Run one guard that needs I/O, or time, over the texts. Answer: a list of findings."""

    guard: Any
    texts: tuple[Text, ...]
    action: Action


class Append(msgspec.Struct, frozen=True, gc=False):
    """Write one record. Answer: Receipt, once it is as durable as asked."""

    kind: str
    session: str
    body: Body
    durability: str


class Ask(msgspec.Struct, frozen=True, gc=False):
    """Ask a person. Answer: Answer; or the driver parks the run."""

    approval: str
    action: Action
    decision: Decision
    digest: str
    findings: tuple[Finding, ...] = ()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came of asking: `state` is approved, denied or expired; `by` is who answered, through
    which `channel`; `at` when.
    """

    state: str
    by: str = ""
    comment: str = ""
    channel: str = ""
    at: int = 0


class Mint(msgspec.Struct, frozen=True, gc=False):
    """Obtain the credential that a grant gives the action, which a `policy` of this version let
    through. Answer: Lent.
    """

    action: Action
    grant: Any
    policy: str = ""


class Lent(msgspec.Struct, frozen=True, gc=False):
    """The performance may use `lease`; `provenance` says what it is, without the secret. `at` is
    when it was minted.
    """

    lease: Any
    provenance: Any
    at: int = 0


class Revoke(msgspec.Struct, frozen=True, gc=False):
    """The action is over: see to it that its credential is. Answered at once, with nothing."""

    lease: Any


class Perform(msgspec.Struct, frozen=True, gc=False):
    """Do it, by `call(action)`, with what was lent for it. Answer: Performed; with `stream`, also
    OPENED.
    """

    action: Action
    call: Any = None
    stream: bool = False
    lease: Any = None


class Performed(msgspec.Struct, frozen=True, gc=False):
    """The performance came back with `value`."""

    value: Any


class Opened(msgspec.Struct, frozen=True, gc=False):
    """The performance answers in pieces; each is asked for with Next."""


class Next(msgspec.Struct, frozen=True, gc=False):
    """The next event of the opened stream. Answer: the event, or ENDED."""


class Emit(msgspec.Struct, frozen=True, gc=False):
    """Hand one event of a stream to the caller; returns when it may send more."""

    event: Any


class Settle(msgspec.Struct, frozen=True, gc=False):
    """Account for what was used. Answer: Settled."""

    action: Action
    status: str
    usage: Usage = NO_USAGE


class Settled(msgspec.Struct, frozen=True, gc=False):
    """The account is settled; `at` is the time the outcome is recorded under."""

    at: int = 0
    cost_micros: int = 0


class Ended:
    """The answer to Next after the last event."""

    def __repr__(self) -> str:
        return "ENDED"


ENDED = Ended()
NEXT = Next()
OPENED = Opened()

Effect = (
    Admit | Trace | Learn | Scan | Append | Ask | Mint | Perform | Next | Emit | Revoke | Settle
)

ANSWERS: dict[type, Any] = {
    Admit: Admission,
    Trace: Admission,
    Learn: type(None),
    Scan: list[Finding],
    Append: Receipt,
    Ask: Answer,
    Perform: Performed,
    Settle: Settled,
}
"""The type of each effect's answer, for storing and replaying parked runs."""


class Abandoned(BaseException):
    """Thrown into the flow where the caller has gone: what can still be recorded is recorded.

    Not an Exception, so that no stage mistakes it for a failure of its own. Never thrown at an
    Append or Settle: those are finished first (see `Interrupted`).
    """


class Interrupted(BaseException):
    """Raised by a port whose Append was done when the wait for the disk was interrupted."""

    def __init__(self, answer: Any, cause: BaseException) -> None:
        super().__init__(answer)
        self.answer = answer
        self.cause = cause


class Parked(Exception):
    """Raised by a driver instead of answering an Ask: the run is stored and waits."""

    def __init__(self, run: str, approval: str) -> None:
        super().__init__(run)
        self.run = run
        self.approval = approval
