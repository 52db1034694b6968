"""What Aegis remembers besides evidence: keys, agents, approvals, parked runs, pinned tools.

The store is small and changes rarely; readers keep copies and look at `epoch`, a counter shared
by every process on the same home folder, to learn that a copy is stale. That is how a kill
switch pulled in one process stops the next call in another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from ..model import Action, Prepared
from ..session.behaviour import Alert
from .session_settings import ManifestSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..approval import Request

ACTIVE, PAUSED = "active", "paused"

ACTION = Prepared(Action)


class Key(msgspec.Struct, frozen=True):
    """A virtual key. Only the SHA-256 of the token is kept; the token is shown once.

    Times are microseconds since the Unix epoch, 0 for never.
    """

    id: str
    name: str
    hash: str
    hint: str = ""
    tenant: str = ""
    agent: str = ""
    roles: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    created: int = 0
    expires: int = 0
    revoked: int = 0


class Agent(msgspec.Struct, frozen=True):
    """A registered agent: its owner, whether it may act, and its lists of tools.

    `by` is the principal who registered it over the network; empty for this machine.
    """

    name: str
    owner: str = ""
    status: str = ACTIVE
    reason: str = ""
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    updated: int = 0
    by: str = ""


class Run(msgspec.Struct, frozen=True):
    """A parked run: its action and the answers it had got so far, as JSON; `owner` is the principal
    who asked.
    """

    id: str
    approval: str
    action: bytes
    trail: bytes
    stream: bool = False
    created: int = 0
    owner: str = ""


class Post(msgspec.Struct, frozen=True):
    """How one channel shows one approval: from `due` on, as `shown` says, in the message that
    the channel calls `reference`. `tries` counts deliveries that failed in a row. A `settled`
    post is never looked at again.
    """

    approval: str
    channel: str
    due: int = 0
    shown: str = ""
    reference: str = ""
    tries: int = 0
    settled: bool = False


class Loan(msgspec.Struct, frozen=True):
    """A credential that has to be revoked: which broker knows it by which handle (none while it is
    asked for, and where only its text ends it). Holds no secret. `expires` is in microseconds since
    the Unix epoch; `owner` is the lane of the process that has it, empty where it has none.
    """

    id: str
    broker: str
    handle: str
    expires: int
    owner: str = ""


class Pin(msgspec.Struct, frozen=True):
    """A tool of an MCP server, as it was accepted and as it is now.

    `digest` (SHA-256, hex) and `definition` (JSON) are what is in use, empty before anything was
    accepted; `proposed` and `proposal` are what waits for a person, with the `reason` why.
    """

    server: str
    tool: str
    digest: str = ""
    definition: bytes = b""
    proposed: str = ""
    proposal: bytes = b""
    reason: str = ""
    rejected: bool = False
    by: str = ""
    updated: int = 0


class Conduct(msgspec.Struct, frozen=True):
    """What rules about behaviour alerted to in a session: rule, score, and when. `released` is
    when people let it go on; older alerts count no more. Times are microseconds.
    """

    session: str
    alerts: tuple[Alert, ...] = ()
    at: int = 0
    released: int = 0


class Task(msgspec.Struct, frozen=True):
    """A task that people started, and what it may do. An `ended` one may do nothing."""

    name: str
    manifest: ManifestSettings
    by: str = ""
    started: int = 0
    ended: int = 0


class StateStore(Protocol):
    """Keeps keys, agents, approvals, runs and pins.

    Every change is durable when the call returns.
    """

    def epoch(self) -> int:
        """A number that changes whenever anything here changes, in any process."""
        ...

    def all_keys(self) -> Sequence[Key]:
        """All keys, also revoked ones."""
        ...

    def add_key(self, key: Key) -> None:
        """Add a key."""
        ...

    def revoke_key(self, id: str, at: int) -> bool:
        """Revoke by id or name; False where there is none that is still valid."""
        ...

    def agents(self) -> Sequence[Agent]:
        """All registered agents."""
        ...

    def change_agent(self, name: str, change: Callable[[Agent | None], Agent]) -> Agent:
        """Replace an agent by what `change` makes of it (None where it is new), in one
        transaction over all processes: a kill and a registration cannot undo one another.
        """
        ...

    def add_approval(self, request: Request, posts: Sequence[Post] = ()) -> bool:
        """Add a pending approval, and note which channels have to show it; False where that id
        is there already.
        """
        ...

    def approval(self, id: str) -> Request | None:
        """One approval."""
        ...

    def approvals(self, state: str = "", digest: str = "", limit: int = 500) -> Sequence[Request]:
        """Approvals in a state and with a digest, newest first."""
        ...

    def change_approval(self, id: str, change: Callable[[Request], Request]) -> Request | None:
        """Replace an approval by what `change` makes of it, in one transaction over all
        processes; None where there is no such approval. What `change` raises changes nothing.
        """
        ...

    def consume(self, id: str, now: int, action: str) -> bool:
        """Use up an approved, unexpired approval for an action, and remove the run that waited
        for it, in one transaction; True for exactly one caller.
        """
        ...

    def grant(self, covers: str, now: int, uses_max: int) -> Request | None:
        """Use, once more, an approval that was given for everything with this digest."""
        ...

    def overdue(self, now: int) -> Sequence[str]:
        """The ids of pending approvals past their expiry."""
        ...

    def due_posts(self, channel: str, now: int) -> Sequence[Post]:
        """The posts of a channel that are due, held by nobody, and do not show the state their
        approval is in, those that show nothing yet first.
        """
        ...

    def hold_post(self, post: Post, now: int, until: int) -> bool:
        """Take a post as it is, for delivery until a time; True for exactly one caller."""
        ...

    def put_post(self, post: Post, again: int) -> None:
        """Store what became of a held post, and let go of it; not looked at before `again`."""
        ...

    def first_use(self, channel: str, nonce: str, now: int, expires: int) -> bool:
        """Whether a channel never saw this nonce; it is kept until it `expires`."""
        ...

    def add_run(self, run: Run) -> None:
        """Park a run."""
        ...

    def run(self, id: str) -> Run | None:
        """A parked run."""
        ...

    def runs(self) -> Sequence[Run]:
        """All parked runs, oldest first."""
        ...

    def take_run(self, id: str) -> bool:
        """Remove a parked run; True for exactly one caller, who may continue it."""
        ...

    def drop_runs(self, before: int) -> Sequence[tuple[str, str]]:
        """Remove the runs that ended before a time without having happened: their approval was
        denied, or its time is over. Their ids, each with that of its approval.
        """
        ...

    def put_loan(self, loan: Loan) -> None:
        """Remember a credential until it is revoked, or what there is new about it."""
        ...

    def take_loan(self, loan: Loan, owner: str) -> bool:
        """Make a loan that is still as given this owner's; True for exactly one caller."""
        ...

    def drop_loan(self, id: str) -> None:
        """Forget a credential that is revoked."""
        ...

    def loans(self) -> Sequence[Loan]:
        """The credentials that nobody revoked yet."""
        ...

    def pins(self, server: str = "") -> Sequence[Pin]:
        """The pinned tools of one MCP server, or of all."""
        ...

    def put_pins(self, pins: Sequence[Pin]) -> None:
        """Keep pins, in one transaction; each replaces the one of the same tool."""
        ...

    def session_labels(self, session: str) -> Sequence[str]:
        """The labels of the data a session has seen, in any process."""
        ...

    def label_session(self, session: str, labels: Sequence[str], at: int) -> None:
        """Add labels to a session, without changing the epoch."""
        ...

    def labelled(self, limit: int) -> Sequence[tuple[str, Sequence[str]]]:
        """The sessions with labels, the latest first."""
        ...

    def conduct(self, session: str) -> Conduct | None:
        """What a session has done, as far as rules alerted."""
        ...

    def conducts(self, limit: int) -> Sequence[Conduct]:
        """The sessions with alerts, the latest first."""
        ...

    def put_conduct(self, conduct: Conduct) -> None:
        """Keep alerts, without changing the epoch; when people released the session stays."""
        ...

    def release_session(self, session: str, at: int) -> None:
        """Note that people let a session go on; alerts up to then count no more."""
        ...

    def tasks(self) -> Sequence[Task]:
        """The tasks people have started, ended ones too."""
        ...

    def put_task(self, task: Task) -> None:
        """Keep a task; it replaces the one of the same name."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


def key_of(tenant: str, principal: str, session: str) -> str:
    """How the state store names a session."""
    return "\n".join((tenant, principal, session))
