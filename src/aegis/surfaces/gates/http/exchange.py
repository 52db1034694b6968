"""One request on its way: decided, sent, its answer read, judged and handed to the client."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ....kernel.lease import lent, lent_headers
from ....model import ActionError, CallerError, HeldError, LedgerError, UpstreamError
from ....tools.url import canonical_url
from .body import NOTHING, Body, Unreadable, decoded, media_type
from .pieces import Pieces
from .places import Refused
from .refusals import Refusal, of_held, of_outcome
from .refusals import decided as said
from .request import ACCEPTED, OWN, changed, forwarded, shown
from .upstream import request_head
from .view import HTTP, Begin, Piece
from .wire import Gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ....builtin.providers.connection import Exchange as Reply
    from ....model import Action, Outcome
    from ....tools.url import Url
    from .means import Means
    from .request import Asked
    from .wire import Field, Wire

    Perform = Callable[[Action], Awaitable[Any]]

WHOLE_MAX = 1024 * 1024
"""Largest answer that is taken whole where nobody lent a credential, as it is sent, in bytes. What
is larger passes in pieces, so that downloads of any size need little memory."""

STREAMED = frozenset(("text/event-stream", "application/x-ndjson"))
"""Types of answers that are passed on while they come."""

BODILESS = frozenset((204, 304))
"""Statuses of answers without a body (RFC 9110, 6.4.1)."""

STALE = ("content-encoding", "etag", "content-md5", "content-digest", "repr-digest", "digest")
"""Headers that are not true any more of a body that was changed."""

SECRET_MIN = 8
"""Shortest lent secret that is looked for in an answer; shorter ones stand anywhere."""

log = logging.getLogger("aegis.gates")


async def ended(means: Means, wire: Wire, action: Action, perform: Perform) -> Outcome:
    """The outcome of an action, its record written. What is answered in pieces goes to the client
    on the way. Raises Refusal where there is none.
    """
    runtime = means.runtime

    async def emit(event: Begin | Piece) -> None:
        if isinstance(event, Begin):
            await wire.begin(event.status, event.fields, event.framed)
        else:
            await wire.piece(event.data)

    run = means.parked.held(action)
    try:
        if run:
            outcome = await runtime.aresume(run, perform, HTTP, stream=True, emit=emit)
        else:
            outcome = await runtime.agovern(
                action, perform, HTTP, stream=True, emit=emit, park=True
            )
    except HeldError as error:
        raise of_held(error) from None
    except LedgerError as error:
        log.error("the ledger failed: %s", error)
        message = "the record of this could not be kept; nothing was performed"
        raise Refusal(503, message, "governance_unavailable") from None
    except ActionError as error:
        raise Refusal(400, str(error), "invalid_request") from None
    except CallerError as error:
        # somebody else continued the run, or other rules hold now
        raise Refusal(409, f"{error}; send the request again", "approval_unusable") from None
    if isinstance(outcome.error, Gone):
        raise Gone
    if outcome.error is not None and not isinstance(outcome.error, (UpstreamError, Refused)):
        log.error("action %s: %r", outcome.action.id, outcome.error)
    if outcome.receipt is not None and not wire.started:
        # an answer names its record, so the record has to outlive a crash of this process
        waiting = runtime.journal.waiting(
            outcome.receipt.seq, "written", asyncio.get_running_loop()
        )
        if waiting is not None:
            await waiting
    return outcome


class Exchange:
    """One request and its answer."""

    def __init__(self, means: Means, wire: Wire, asked: Asked) -> None:
        self._means = means
        self._wire = wire
        self._asked = asked
        self._fields: list[Field] = []
        self._raw = b""
        self._body = NOTHING

    async def run(self) -> None:
        """Answer the client. Raises Refusal where it is refused, Gone where it can only be cut."""
        outcome = await ended(self._means, self._wire, self._asked.action, self._perform)
        refusal = of_outcome(outcome)
        if self._wire.started:
            if refusal is not None:
                raise Gone  # a cut answer must not look like a whole one
            await self._wire.end()
        elif refusal is not None:
            raise refusal
        else:
            await self._answer(outcome)

    async def _perform(self, action: Action) -> Any:
        """Send what was decided; the answer as guards read it, or its pieces.

        Raises Refused, UpstreamError.
        """
        asked, params = self._asked, action.params
        url = self._decided(params["url"])
        fields, body = changed(asked.fields, params["headers"]), asked.raw
        if params.get("body") != asked.body.value:
            body = self._encoded(asked.body, params["body"])
        elif asked.coding:
            fields.append(("content-encoding", asked.coding))
        given = {name.lower(): value for name, value in lent_headers().items()}
        fields = [field for field in fields if field[0] not in given]
        fields += [*given.items(), ACCEPTED, ("via", self._means.via)]
        if body or params["method"] in ("POST", "PUT", "PATCH"):
            fields.append(("content-length", str(len(body))))
        head = request_head(params["method"], url, fields)
        reply = await self._means.upstreams.send(action.actor.principal, url, head, body)
        try:
            return await self._read(reply, url, params["method"])
        except BaseException:
            reply.close()
            raise

    def _decided(self, text: str) -> Url:
        """The address as it was decided; masking may not send it elsewhere."""
        url, before = canonical_url(text), self._asked.url
        if (url.scheme, url.host, url.port) != (before.scheme, before.host, before.port):
            raise Refused("what had to be masked stands in the host of the address")
        return url

    async def _read(self, reply: Reply, url: Url, method: str) -> Any:
        """The answer: whole where it is short, else in pieces."""
        fields = [(name.decode("latin-1").lower(), _text(value)) for name, value in reply.fields]
        self._fields = forwarded(fields, OWN)
        if reply.header(b"transfer-encoding").lower() not in ("", "chunked"):
            raise UpstreamError("the answer has another transfer coding than `chunked`")
        location = reply.header(b"location")
        if location and 300 <= reply.status < 400:
            await self._means.upstreams.places.check_redirect(url, location)
        if method == "HEAD" or reply.status in BODILESS:
            reply.close()
            return self._read_whole(reply, None)
        media = reply.header(b"content-type")
        lease = lent()
        most = self._means.settings.body_bytes if lease is not None else WHOLE_MAX
        parts: list[bytes] = []
        size = 0
        while size <= most and (lease is not None or media_type(media)[0] not in STREAMED):
            piece = await reply.read()
            if not piece:
                return self._read_whole(reply, b"".join(parts))
            parts.append(piece)
            size += len(piece)
        if lease is not None:
            raise UpstreamError(f"the answer is larger than {most} bytes")
        return self._in_pieces(reply, b"".join(parts))

    def _read_whole(self, reply: Reply, raw: bytes | None) -> dict[str, Any]:
        value: dict[str, Any] = {"status": reply.status, "headers": shown(self._fields)}
        _check_echo("\n".join(text for _, text in self._fields).encode("latin-1"))
        if raw is None:
            return value
        self._fields = [field for field in self._fields if field[0] != "content-length"]
        limit = self._means.settings.body_bytes
        try:
            coding, media = reply.header(b"content-encoding"), reply.header(b"content-type")
            body = decoded(raw, media, coding, limit)
        except Unreadable as error:
            raise UpstreamError(f"the answer cannot be inspected: {error}") from None
        _check_echo(raw if body is NOTHING else body.data)
        self._raw, self._body = raw, body
        value["content"] = body.told
        if body.value is not None:
            value["body"] = body.value
        return value

    async def _in_pieces(self, reply: Reply, start: bytes) -> AsyncIterator[Begin | Piece]:
        """The answer while it comes."""
        coding, media = reply.header(b"content-encoding"), reply.header(b"content-type")
        try:
            data = start or await reply.read()
            pieces = Pieces(media, coding, data)
            fields, sized = self._fields, "content-length" in dict(self._fields)
            if pieces.text:
                gone = {*STALE, "content-length"}
                fields, sized = [field for field in fields if field[0] not in gone], False
            yield Begin(reply.status, tuple(fields), sized)
            while data:
                for piece in pieces.feed(data):
                    yield piece
                data = await reply.read()
            for piece in pieces.feed(b"", last=True):
                yield piece
        except Unreadable as error:
            raise UpstreamError(f"the answer cannot be inspected to its end: {error}") from None
        finally:
            reply.close()

    async def _answer(self, outcome: Outcome) -> None:
        """Hand over a whole answer, as it was judged."""
        value = outcome.result
        fields = changed(self._fields, value["headers"])
        fields += [*said(outcome), ("via", self._means.via)]
        if "content" not in value:
            await self._wire.begin(value["status"], fields, framed=True)
            return
        data = self._raw
        if value.get("body") != self._body.value:
            data = self._encoded(self._body, value["body"])
            fields = [field for field in fields if field[0] not in STALE]
        await self._wire.whole(value["status"], fields, data)

    def _encoded(self, body: Body, value: Any) -> bytes:
        try:
            return body.encoded(value)
        except Unreadable as error:
            raise Refused(str(error)) from None


def _check_echo(data: bytes) -> None:
    """Raise Refused where headers or body of an answer repeat a lent secret: the client must not
    see it.
    """
    lease = lent()
    if lease is None:
        return
    for secret in lease.fields.values():
        if len(secret) >= SECRET_MIN and secret.encode() in data:
            raise Refused("the answer repeats the credential it was asked with; it is kept back")


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \t")
