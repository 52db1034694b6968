"""What plugins implement: one short Protocol per kind.

What ships in `aegis.builtin` uses exactly these. A plugin is found through the entry-point group
`aegis.<kind>` (see GROUPS), constructed from its typed settings, and closed when Aegis stops.
Constructors have no side effects; anything that opens a file or socket happens in `start`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence

    from ..approval import Request
    from ..ledger.checkpoint import Sealed
    from ..ledger.entry import Query, Row, Stored
    from ..model import Action, Finding, Text
    from .broker import Credential, Wanted
    from .channel import Callback, Heard, Reply

GROUPS = {
    "guard": "aegis.guards",
    "provider": "aegis.providers",
    "store": "aegis.stores",
    "state": "aegis.state",
    "approver": "aegis.approvers",
    "broker": "aegis.brokers",
    "secrets": "aegis.secrets",
    "sink": "aegis.sinks",
}
"""Entry-point group by plugin kind."""


class StreamScan(Protocol):
    """One guard's reading of one text that arrives in pieces."""

    def feed(self, piece: str) -> Sequence[Finding]:
        """Findings that are certain now; offsets count from the start of the whole text."""
        ...

    def close(self) -> Sequence[Finding]:
        """The remaining findings, once the text is complete."""
        ...

    @property
    def settled(self) -> int:
        """Offset before which no later piece can add a finding: text up to here may be released."""
        ...


@runtime_checkable
class Guard(Protocol):
    """Reads texts and reports findings. It never decides and never rewrites."""

    name: str
    version: str
    stages: frozenset[str]
    """`input`, `output` or both."""
    covers: tuple[str, ...]
    """The scans this guard performs, as records list them; usually `(name,)`."""

    def inspect(
        self, texts: Sequence[Text], action: Action
    ) -> Sequence[Finding] | Awaitable[Sequence[Finding]]:
        """Findings over the texts; `Finding.text` is the index into `texts`.

        Pure guards return them; guards that need I/O set `pure = False` and return an awaitable.
        An exception is recorded as failed coverage and blocks the action.
        """
        ...

    @property
    def pure(self) -> bool:
        """True where `inspect` is a plain call without I/O."""
        ...

    def stream(self, kind: str) -> StreamScan | None:
        """A scanner for a text that arrives in pieces; None where the whole text is needed
        (replies are then buffered until complete).
        """
        ...


@runtime_checkable
class SlowGuard(Guard, Protocol):
    """A pure guard that takes milliseconds for an ordinary text, as one with a model does."""

    @property
    def slow(self) -> bool:
        """True where event loops are to have it read beside themselves, whatever the text."""
        ...


@runtime_checkable
class ComparingGuard(Guard, Protocol):
    """A guard that reads an answer against its request, or as the value it is."""

    @property
    def compares(self) -> bool:
        """Whether it does so, as it is set; `bound` is called only then."""
        ...

    def bound(self, request: Sequence[Text], value: Any = None) -> Guard:
        """The guard for one answer, given the texts of the request and the answer as it is (None
        while it is a stream). It is asked even where the answer holds no texts.
        """
        ...


@runtime_checkable
class Provider(Protocol):
    """A model provider: takes an OpenAI chat-completions body, gives one back."""

    name: str

    def models(self) -> Sequence[str]:
        """The models it serves, for `GET /v1/models`."""
        ...

    async def complete(self, body: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        """One whole answer (OpenAI `chat.completion` object). Raises UpstreamError."""
        ...

    def stream(
        self, body: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """The answer as OpenAI `chat.completion.chunk` objects. Raises UpstreamError."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@runtime_checkable
class Approver(Protocol):
    """Tells people near this process about a pending approval, once, when it is filed here.

    Approvers and channels are constructed as `cls(settings, context)`: their options, read into
    the msgspec Struct that is the class attribute `Settings`, and a `channel.Context`.
    """

    def announce(self, request: Request) -> None:
        """Tell somebody. Must not block; an exception is logged, and the request stays open."""
        ...


@runtime_checkable
class Channel(Protocol):
    """A place elsewhere that shows approvals and may send answers back. It is a view of the one
    record: the desk decides, and tells every channel what became of it.

    A class that sends signed links says so: `needs_links = True`. `post` and `update` run on a
    thread of the channel's own and may block for seconds. What they raise is logged, so it must
    hold no secret, and they are tried again later.
    """

    def post(self, request: Request) -> str:
        """Show a pending request; what the channel calls the message it made."""
        ...

    def update(self, request: Request, reference: str) -> None:
        """Show what became of a request in that message."""
        ...

    def hear(self, callback: Callback) -> Heard | Reply:
        """The answer in a callback, once its signature, time and form are verified; or a reply to
        one that is no answer (a handshake). Raises Forged, or CallerError for any other fault.
        """
        ...

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Tell who answered what came of it: the request as it stands now, or (None) why not."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


@runtime_checkable
class FetchingChannel(Channel, Protocol):
    """A channel whose answers nobody brings: they are fetched, on the channel's own thread, about
    once a second. What is due when is the channel's to say.
    """

    def fetch(self) -> Iterator[bytes]:
        """What has come. One is taken as dealt with when the next is asked for."""
        ...

    def read(self, data: bytes) -> Heard | Reply:
        """The answer in what was fetched, verified as in `hear`; or a reply, which nobody gets, to
        what is none. Raises Forged, or CallerError for any other fault.
        """
        ...


@runtime_checkable
class Broker(Protocol):
    """Mints credentials for single actions and takes them back.

    Constructed as `cls(settings, context)`: its options, read into the msgspec Struct that is the
    class attribute `Settings`, and a `broker.Context`. Called from several threads, and may block
    for seconds. What it raises ends the action, is recorded, and so must hold no secret.
    """

    degraded: bool
    """True where the credential is not made for the action, but lent as it is."""
    revocable: bool
    """False where nothing can end a credential before its time."""

    def mint(self, wanted: Wanted) -> Credential:
        """A credential that permits no more than the scope, for no longer than its time. Raises
        AegisError where there is none.
        """
        ...

    def revoke(self, credential: Credential) -> None:
        """End a credential; of one minted by a process that died only `handle` is left. Ending
        what is over already is no error.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


@runtime_checkable
class RenewingBroker(Broker, Protocol):
    """A broker that lets a credential live longer which it minted as `renewable`."""

    def renew(self, credential: Credential, seconds: int) -> int:
        """Let it live so long from now; when it ends, in microseconds since the Unix epoch, which
        may be sooner. Raises AegisError.
        """
        ...


@runtime_checkable
class SecretProvider(Protocol):
    """Resolves `secret://<name>/<path>` references in the configuration."""

    name: str

    def get(self, path: str) -> str:
        """The secret. Raises ConfigError where there is none."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Receives one event for each action that came to its end. Constructed without arguments."""

    name: str

    def emit(self, event: Mapping[str, Any]) -> None:
        """Take one event; must not block. An exception is logged and changes nothing.

        `event` holds strings and numbers only: action, type, target, protocol, agent, principal,
        tenant, session, verdict, risk, rule, policy, status, code, reason, record, and the
        guards' findings as `category/rule` words. Nothing in it was not redacted.
        """
        ...


class LedgerReader(Protocol):
    """Reads a ledger's store; safe from any thread, also while it is being written."""

    @property
    def identity(self) -> str:
        """The verifier key (C2SP signed-note) the ledger belongs to; empty before first use."""
        ...

    @property
    def size(self) -> int:
        """How many entries are stored."""
        ...

    def rows(self, query: Query) -> Iterator[Row]:
        """The matching entries, in order of their index."""
        ...

    def hashes(self, start: int, stop: int) -> Iterator[bytes]:
        """The leaf hashes of a range of entries, in order."""
        ...

    def sealed(self, newest: bool = False) -> Iterator[Sealed]:
        """The kept checkpoints, oldest first; with `newest`, the last one alone."""
        ...


@runtime_checkable
class LedgerStore(LedgerReader, Protocol):
    """Keeps a ledger. One journal calls the writing half, from one thread at a time.

    Every method raises LedgerError where the store cannot do what it says.
    """

    name: str

    def open(self, identity: str) -> None:
        """Become the only writer. Refuses a ledger of another identity or with another writer."""
        ...

    def write(self, rows: Sequence[Stored], sync: bool) -> None:
        """Store all the rows or none; they must continue the sequence. On return they survive a
        crash of the process, and with `sync` (then everything before, too) a power cut. No rows
        and `sync` brings what was written before to the disk.
        """
        ...

    def seal(self, sealed: Sealed, heads: Mapping[str, tuple[int, bytes]], sync: bool) -> None:
        """Keep a checkpoint; with `sync` durable on return, and so is every entry before it.
        Without, it must not outlast an entry that it covers. `heads` are the last index and leaf
        hash of every session (as headers write it) with entries since the checkpoint before.
        """
        ...

    def upkeep(self) -> None:
        """Work that takes long and need not hold up writing; called beside the other methods,
        from a thread of the journal's, after entries were written.
        """
        ...

    def heads(self, limit: int) -> dict[str, bytes] | None:
        """The last leaf hash of every session as of the last checkpoint; None where there are
        more than `limit` sessions, and `head` has to be asked.
        """
        ...

    def head(self, session: str) -> bytes | None:
        """The last leaf hash of one session as of the last checkpoint, or None."""
        ...

    def close(self) -> None:
        """Give everything back; may be opened again."""
        ...
