"""A bundle as a document for people: what was decided, what became of it, whether it verifies."""

from __future__ import annotations

import html
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..model import LedgerError
from .entry import session_of
from .record import KINDS
from .verify import LANES_MAX, Lines, verify
from .walk import Malformed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from .walk import Report

ROWS_MAX: Final = 10_000
"""Most lines of the timeline; the summary counts every record."""

CELL_MAX: Final = 200
"""Longest text in a cell, in code points."""

HEADINGS = ("#", "time (UTC)", "record", "session", "who", "what", "result", "rule or reason")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Document(msgspec.Struct, frozen=True):
    """The content of a report: pairs for the summary, lines for the timeline."""

    report: Any
    summary: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, ...], ...]
    left_out: int


def report(
    source: str | os.PathLike[str] | bytes,
    form: str = "markdown",
    trusted_key: bytes | None = None,
    fingerprint: str = "",
) -> str:
    """The evidence report over a bundle, as `markdown` or `html`.

    The bundle is verified first, and the report says what that found: a bundle that does not
    verify gets a report that opens with its faults. Raises LedgerError for another `form`.
    """
    if form not in ("markdown", "html"):
        raise LedgerError(f"unknown report form `{form}`; use markdown or html")
    verified = verify(source, trusted_key, fingerprint)
    document = _collect(source, verified)
    return _markdown(document) if form == "markdown" else _html(document)


def _collect(source: str | os.PathLike[str] | bytes, verified: Report) -> Document:
    kinds: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    lines: list[tuple[int, tuple[str, ...]]] = []
    shown: Counter[int] = Counter()
    first = last = 0
    for lane, header, body in _records(source):
        words = header.decode("utf-8", "replace").split(" ")
        fields = _fields(body)
        if len(words) != 5 or words[2] not in KINDS:
            continue
        kinds[words[2]] += 1
        if words[2] == "decision":
            verdicts[_text(fields.get("verdict")) or "?"] += 1
        elif words[2] == "outcome":
            statuses[_text(fields.get("status")) or "?"] += 1
        at = fields.get("at")
        if isinstance(at, int):
            first, last = min(first or at, at), max(last, at)
        if shown[lane] < ROWS_MAX:
            shown[lane] += 1
            number = f"{lane}:{words[1]}" if verified.lanes > 1 else words[1]
            lines.append((at if isinstance(at, int) else 0, _line(number, words, fields)))
    if verified.lanes > 1:
        lines.sort(key=lambda line: line[0])
    del lines[ROWS_MAX:]
    span = f"{_time(first)} to {_time(last)}" if last else "–"
    summary = (
        ("Integrity", "verified" if verified.ok else "NOT VERIFIED"),
        ("Signed by", f"{verified.origin or '–'}, key {verified.fingerprint or '–'}"),
        ("Signer", "the trusted key" if verified.pinned else "NOT checked against a trusted key"),
        ("Scope", f"{verified.scope or '–'}, {verified.entries} records of {verified.size}"),
        ("Lanes", str(verified.lanes)),
        ("Period", span),
        ("Records", _counts(kinds)),
        ("Verdicts", _counts(verdicts)),
        ("Outcomes", _counts(statuses)),
    )
    told = tuple(line for _, line in lines)
    return Document(verified, summary, told, sum(kinds.values()) - len(told))


def _records(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The lane, header and body of every record; stops where the bundle is malformed."""
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        lines = Lines(file)
        try:
            lines.note()
            for lane in range(LANES_MAX):
                lines.note()
                for _, _, header, blob in lines.items():
                    yield lane, header, blob[len(header) + 2 :]
                if not lines.ahead:
                    return
        except Malformed:
            return


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _line(number: str, words: list[str], fields: dict[str, Any]) -> tuple[str, ...]:
    actor = fields.get("actor")
    if isinstance(actor, dict):
        actor = actor.get("agent") or actor.get("principal")
    what = " ".join(filter(None, (_text(fields.get(name)) for name in ("type", "target"))))
    reasons = fields.get("reasons")
    why = [_text(fields.get("rule")), _text(fields.get("error")), _text(fields.get("comment"))]
    if isinstance(reasons, list):
        why += map(_text, reasons)
    names = ("verdict", "status", "state", "outcome")
    result = next((_text(fields[name]) for name in names if name in fields), "")
    cells = (
        number,
        _time(fields.get("at")),
        words[2],
        session_of(words[3]) or "–",
        _text(actor) or "–",
        what or _text(fields.get("event")) or f"action {_text(fields.get('action'))}",
        result,
        "; ".join(filter(None, why)),
    )
    return tuple(cell if len(cell) <= CELL_MAX else cell[: CELL_MAX - 1] + "…" for cell in cells)


def _text(value: Any) -> str:
    if isinstance(value, dict) and value.get("truncated") is True:
        return f"(shortened, sha256 {value.get('sha256')})"
    return value if isinstance(value, str) else ""


def _time(at: Any) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=at)
    except (OverflowError, TypeError):
        return "–"
    return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


def _markdown(document: Document) -> str:
    parts = ["# Evidence report\n", "| | |", "|---|---|"]
    parts += [f"| {name} | {_md(value)} |" for name, value in document.summary]
    if document.report.faults:
        parts += ["\n## Faults\n"]
        parts += [f"- **{code}** {_md(text)}" for code, text in _faults(document.report)]
    parts += ["\n## Timeline\n", "| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    parts += ["| " + " | ".join(map(_md, line)) + " |" for line in document.lines]
    if document.left_out:
        parts.append(f"\n{document.left_out} further records are in the bundle.")
    return "\n".join(parts) + "\n"


def _md(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no links, no HTML, one line."""
    out = html.escape(" ".join(text.split()), quote=False)
    for char in "\\`*_[]|#~":
        out = out.replace(char, f"&#{ord(char)};" if char != "#" else char)
    return out


def _faults(report: Report) -> Iterator[tuple[str, str]]:
    """The name of every fault, and the rest of its line."""
    for line in str(report).split("\n")[: len(report.faults)]:
        code, _, text = line.partition(": ")
        yield code, text


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}.bad{color:#b00020;font-weight:bold}.good{color:#0a6b2d}"
)


def _html(document: Document) -> str:
    escape = html.escape
    state = "good" if document.report.ok else "bad"
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td{f' class={state!r}' if name == 'Integrity' else ''}>"
        f"{escape(value)}</td></tr>"
        for name, value in document.summary
    )
    faults = "".join(
        f"<li><b>{escape(code)}</b> {escape(text)}</li>" for code, text in _faults(document.report)
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>\n"
        for line in document.lines
    )
    rest = f"<p>{document.left_out} further records are in the bundle.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Evidence report</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>Evidence report</h1>\n<table>{rows}</table>\n"
        + (f"<h2>Faults</h2><ul class='bad'>{faults}</ul>\n" if faults else "")
        + f"<h2>Timeline</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{lines}"
        f"</tbody></table>\n{rest if document.left_out else ''}</body></html>\n"
    )
