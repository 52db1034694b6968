"""A streamed reply held back just long enough to be judged.

Events of the reply wait in a queue. An event leaves it once every guard has settled the text it
carries: from then on no later text can change what is found in it. Masks that span events are
put where they start. Events that carry pieces of a tool call, and everything behind them, wait
for the end of the stream, when the call is complete and can be decided.

Where a guard cannot read in pieces, the whole reply waits. Pure: pieces in, events out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import Coverage, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Action
    from .rules import Guarding
    from .view import StreamReader

PENDING_MAX = 100_000
"""Most events held back; more means a provider that floods, and the stream is cut."""

FINDINGS_MAX = 1_000
"""Most findings kept of the sections of a reply that were released: they stand in its record."""

FOREVER = 1 << 62


class TooMuch(Exception):
    """The reply outgrew what is held back or inspected."""


class _Channel:
    """One independent text of the reply: its scanners and what they have found so far."""

    def __init__(self, guards: Sequence[Guarding], index: int, restoring: Any, kind: str) -> None:
        self.index = index
        self.restoring = restoring
        self.restored: list[tuple[int, int, str]] = []
        self.length = 0
        self.scans: list[tuple[Guarding, Any]] = []
        self.whole: list[Guarding] = []
        self.parts: list[str] = []
        self.findings: list[Finding] = []
        for guard in guards:
            scan = guard.stream(kind)
            if scan is None:
                self.whole.append(guard)
            else:
                self.scans.append((guard, scan))

    def feed(self, piece: str) -> list[Finding]:
        self.length += len(piece)
        if self.whole:
            self.parts.append(piece)
        if self.restoring is not None:
            self.restored += self.restoring.feed(piece)
        fresh: list[Finding] = []
        for _, scan in self.scans:
            fresh.extend(scan.feed(piece))
        self.findings.extend(fresh)
        return fresh

    def settled(self) -> int:
        if self.whole:
            return 0
        limit: int = self.length if self.restoring is None else self.restoring.settled
        for _, scan in self.scans:
            limit = min(limit, scan.settled)
        return limit

    def close(self) -> list[Finding]:
        if self.restoring is not None:
            self.restored += self.restoring.close()
        fresh: list[Finding] = []
        for _, scan in self.scans:
            fresh.extend(scan.close())
        self.findings.extend(fresh)
        return fresh


class _Held:
    __slots__ = ("event", "pieces", "tool")

    def __init__(self, event: Any, pieces: list[tuple[int, int, str]], tool: bool) -> None:
        self.event = event
        self.pieces = pieces  # (channel, offset of its first character, text)
        self.tool = tool


class Window:
    """Events in, judged events out. `findings` grows as the guards report."""

    def __init__(
        self,
        guards: Sequence[Guarding],
        reader: StreamReader,
        text_limit: int,
        restoring: Callable[[], Any] | None = None,
    ) -> None:
        self.guards = guards
        self.reader = reader
        self.text_limit = text_limit
        self.findings: list[Finding] = []
        self.coverage: list[Coverage] = []
        self._restoring = restoring
        self._channels: dict[int, _Channel] = {}
        self._queue: list[_Held] = []
        self._tools = False
        self._length = 0

    def feed(self, event: Any) -> list[Any]:
        """The events that may leave now. Raises TooMuch, and whatever a guard raises."""
        pieces, tool = self.reader.read(event)
        held: list[tuple[int, int, str]] = []
        for index, piece in pieces:
            channel = self._channels.get(index)
            if channel is None:
                channel = self._channels[index] = self._open(index)
            held.append((index, channel.length, piece))
            self._length += len(piece)
            self._report(index, channel.feed(piece))
        if self._length > self.text_limit or len(self._queue) >= PENDING_MAX:
            raise TooMuch(f"the streamed reply exceeds {self.text_limit} characters")
        self._tools = self._tools or tool
        self._queue.append(_Held(event, held, tool))
        return self._release()

    def _open(self, index: int) -> _Channel:
        restoring = self._restoring() if self._restoring else None
        return _Channel(self.guards, index, restoring, self.reader.kind)

    def close(self) -> None:
        """Settle everything; afterwards `rest` gives the remaining events."""
        for index, channel in self._channels.items():
            self._report(index, channel.close())
            channel.scans = []
            channel.restoring = None
            channel.length = FOREVER

    def whole(self) -> list[tuple[Guarding, int, str]]:
        """The guards that need whole texts, with the text of each channel, at the end."""
        return [
            (guard, index, "".join(channel.parts))
            for index, channel in self._channels.items()
            for guard in channel.whole
        ]

    def add(self, index: int, findings: Sequence[Finding]) -> None:
        """Findings of a guard that read the whole text of a channel."""
        self._channels[index].findings.extend(findings)
        self._report(index, list(findings))

    def rest(self, refused: dict[int, Any], restored: dict[int, str]) -> list[Any]:
        """The held events, masked, without refused calls, with the arguments of some calls
        replaced. Call after `close`.
        """
        out: list[Any] = []
        for held in self._queue:
            event = self._masked(held)
            if held.tool and restored:
                event = self.reader.with_arguments(event, restored)
            if held.tool and refused:
                event = self.reader.without_calls(event, refused)
            if event is not None:
                out.append(event)
        self._queue.clear()
        return out

    def renew(self) -> None:
        """Forget what was released; the next event begins a section. Findings beyond FINDINGS_MAX
        are forgotten, too: each was judged, and none asks for more than the kept ones.
        """
        self._channels = {}
        self._length = 0
        if len(self.findings) > FINDINGS_MAX:
            self.findings.sort(key=lambda found: -found.verdict)
            del self.findings[FINDINGS_MAX:]

    def calls(self) -> Sequence[Action]:
        """The proposed calls; complete once the stream has ended."""
        return self.reader.calls() if self._tools else ()

    def worst(self) -> Verdict:
        """The strictest verdict any finding asks for."""
        return max((f.verdict for f in self.findings), default=Verdict.ALLOW)

    def _report(self, index: int, fresh: list[Finding]) -> None:
        for finding in fresh:
            self.findings.append(_at(finding, index))

    def _release(self) -> list[Any]:
        if self._tools:
            return []
        out: list[Any] = []
        settled: dict[int, int] = {}
        for held in self._queue:
            for index, start, piece in held.pieces:
                limit = settled.get(index)
                if limit is None:
                    limit = settled[index] = self._channels[index].settled()
                if start + len(piece) > limit:
                    del self._queue[: len(out)]
                    return out
            out.append(self._masked(held))
        self._queue.clear()
        return out

    def _masked(self, held: _Held) -> Any:
        event = held.event
        for index, start, piece in held.pieces:
            spans = self._spans(index)
            if spans:
                text = _cut_to(piece, start, spans)
                if text != piece:
                    event = self.reader.rewrite(event, index, text)
        return event

    def _spans(self, index: int) -> list[tuple[int, int, str]]:
        channel = self._channels[index]
        raw = [
            (f.start, f.end, f.mask)
            for f in channel.findings
            if f.mask is not None and f.verdict >= Verdict.SANITIZE and f.end > f.start
        ]
        raw = sorted(raw + channel.restored)
        merged: list[tuple[int, int, str]] = []
        for start, end, mask in raw:
            if merged and start < merged[-1][1]:
                last = merged[-1]
                merged[-1] = (last[0], max(last[1], end), last[2])
            else:
                merged.append((start, end, mask))
        return merged


def _cut_to(piece: str, offset: int, spans: list[tuple[int, int, str]]) -> str:
    """The piece (which starts at `offset` of its text) with the spans replaced; a mask stands
    where its span starts, the rest of the span is dropped wherever it lies.
    """
    out: list[str] = []
    position, stop = offset, offset + len(piece)
    for start, end, mask in spans:
        if end <= position or start >= stop:
            continue
        if start >= position:
            out.append(piece[position - offset : start - offset])
            out.append(mask)
        position = min(end, stop)
    out.append(piece[position - offset :])
    return "".join(out)


def _at(finding: Finding, index: int) -> Finding:
    return Finding(
        finding.guard,
        finding.rule,
        finding.category,
        finding.type,
        index,
        finding.start,
        finding.end,
        finding.score,
        finding.severity,
        finding.verdict,
        finding.mask,
        finding.reason,
    )
