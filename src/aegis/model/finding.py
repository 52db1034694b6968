"""What guards report: findings, and whether each guard really ran.

A finding never carries the text it points at, so it can stand in a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .text import Text


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One thing a guard saw.

    `text` is the index of the inspected text, `start` and `end` are offsets into that original
    text (in code points, end exclusive), `score` is confidence in thousandths (records hold no
    floats), `verdict` what the guard asks for, `mask` the replacement of the span where the
    guard can offer one (needed for `sanitize`).
    """

    guard: str
    rule: str
    category: str
    type: str = ""
    text: int = 0
    start: int = 0
    end: int = 0
    score: int = 1000
    severity: str = "medium"
    verdict: Verdict = Verdict.ALLOW
    mask: str | None = None
    reason: str = ""


class Coverage(msgspec.Struct, frozen=True, gc=False):
    """Whether a guard ran: `ran`, `failed` or `skipped`, and why it did not.

    Every record lists one per configured guard; a scan that silently did not run cannot exist.
    """

    guard: str
    version: str = ""
    status: str = "ran"
    reason: str = ""


def masked(text: str, findings: Sequence[Finding]) -> str:
    """The text with every finding that carries a mask replaced.

    Overlapping spans are merged: the widest span wins, and its first finding's mask stands.
    """
    spans = sorted(
        ((f.start, -f.end, f.mask) for f in findings if f.mask is not None and f.end > f.start),
        key=lambda span: span[:2],
    )
    out: list[str] = []
    position = 0
    for start, negative_end, mask in spans:
        end = -negative_end
        if start >= position:
            out.append(text[position:start])
            out.append(mask or "")
            position = end
        elif end > position:
            # an overlap that reaches further: its tail is sensitive too
            position = end
    out.append(text[position:])
    return "".join(out)


def rewrites(texts: Sequence[Text], findings: Sequence[Finding]) -> dict[int, str]:
    """The masked form of each text that a finding with a mask points at, by text index."""
    by_text: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.mask is not None:
            by_text.setdefault(finding.text, []).append(finding)
    return {index: masked(texts[index].text, found) for index, found in by_text.items()}
