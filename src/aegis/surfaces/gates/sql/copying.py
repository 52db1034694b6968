"""COPY over the connection: the rows a client sends are inspected in bounded pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ....model import Decision, RiskLevel, UpstreamError, Verdict
from . import wire
from .inbox import Gone
from .refusing import refusal
from .statements import COPY, SqlView, made

if TYPE_CHECKING:
    from ....kernel.runtime import Runtime
    from ....model import Action
    from .ends import Ends

PIECE_BYTES = 32_768
"""How much of the rows is inspected at once: whole rows, as long as one is not longer."""


class Decided:
    """The policy for the rows of a COPY, which was decided itself: only guards are asked again."""

    def __init__(self, version: str, parent: Action) -> None:
        self.version = version
        self._decision = Decision(
            Verdict.ALLOW,
            RiskLevel.MEDIUM,
            "<copy>",
            version,
            (f"rows of action {parent.id}, which was decided",),
        )

    def decide(self, action: Action, **_: Any) -> Decision:
        """The decision."""
        return self._decision


class Copying:
    """The rows of one COPY."""

    def __init__(self, ends: Ends, action: Action) -> None:
        self._ends = ends
        self._action = action

    def refused(self, raw: bytes) -> bytes:
        """The error of a COPY that is not passed on (empty: it is); one that sends rows is ended at
        the server. `raw` is CopyInResponse or CopyOutResponse.
        """
        text = ""
        if self._ends.settings.copy == "refuse":
            text = "COPY over the connection is switched off at this gate"
        elif raw[wire.HEAD_BYTES : wire.HEAD_BYTES + 1] != b"\0":
            text = "COPY in binary format is not passed on: it cannot be inspected"
        if text and raw[:1] == b"G":
            self._fail()
        return wire.failure("ERROR", "0A000", text) if text else b""

    async def take(self) -> bytes:
        """Take the client's rows. The error where they are refused; else empty.

        Raises Gone, ProtocolError.
        """
        ends = self._ends
        policy = Decided(ends.runtime.rules.policy.version, self._action)
        runtime = ends.runtime.under(policy)
        rows = bytearray()
        while True:
            raw = await ends.inbox.next(ends.settings.idle_seconds)
            kind = raw[:1]
            if kind == b"d":
                rows += raw[wire.HEAD_BYTES :]
                end = rows.rfind(b"\n") + 1 if len(rows) >= PIECE_BYTES else 0
                if len(rows) > ends.settings.message_bytes:
                    raise wire.ProtocolError("a row of COPY is longer than a message may be")
            elif kind == b"c":
                end = len(rows)
            elif kind == b"f":
                ends.upstream.send(raw)
                return b""
            elif kind in b"HS":
                continue  # ignored while rows are copied, as PostgreSQL does
            elif kind == b"X":
                raise Gone
            else:
                raise wire.ProtocolError("rows of COPY were expected")
            if end:
                error = await self._piece(runtime, bytes(rows[:end]))
                if error:
                    self._fail()
                    return error
                del rows[:end]
            if kind == b"c":
                ends.upstream.send(wire.COPY_DONE)
                return b""

    async def _piece(self, runtime: Runtime, data: bytes) -> bytes:
        ends = self._ends
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return wire.failure("ERROR", "22021", "the rows of COPY are not UTF-8")

        async def perform(decided: Action) -> None:
            ends.upstream.send(wire.message(b"d", decided.params["rows"].encode("utf-8")))
            await ends.upstream.drain()

        params = {"rows": text, "sql": self._action.params["sql"]}
        piece = made(ends.place, COPY, params, "write", self._action.id)
        piece = msgspec.structs.replace(piece, resources=self._action.resources)
        outcome = await runtime.agovern(piece, perform, SqlView())
        if isinstance(outcome.error, UpstreamError):
            raise outcome.error
        return b"" if outcome.ok else refusal(outcome)

    def _fail(self) -> None:
        self._ends.upstream.send(wire.message(b"f", wire.text_of("refused by aegis")))
