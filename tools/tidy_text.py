"""Rules over Markdown and words: one heading per page, links that resolve, words that do not
belong, large and executable files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidy_model import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidy_model import Exceptions

KILOBYTES_MAX = 512
"""Largest file of the repository in KiB: history keeps every version for ever."""

WORDS = {
    r"blazing(ly)?": "say how fast, measured",
    r"seamless(ly)?": "say what happens",
    r"effortless(ly)?": "say what has to be done",
    r"cutting[- ]edge|state[- ]of[- ]the[- ]art": "say what it does",
    r"next[- ]generation|world[- ]class": "say what it does",
    r"enterprise[- ]grade|military[- ]grade|battle[- ]tested": "say what was tested",
    r"revolutionary|game[- ]chang(er|ing)": "say what is new",
    r"unbreakable|unhackable|bullet[- ]?proof|100 ?% (secure|safe)": "say what it does not stop",
    r"AI[- ]generated|as an AI\b": "the author is whoever commits it",
    r"(?<![\w.:/-])/(work|home|Users|root|tmp/\w+)/[a-z][\w-]+": "make the path relative",
}
"""Words that do not belong, and what to write instead."""

PROSE = (".md", ".py", ".toml", ".yaml", ".yml", ".sh")

FREE = ("src/aegis/detect/", "tests/", "tools/tidy_text.py", "LICENSE", "requirements.lock")
"""Where any word may stand: detection material, test data, this list."""

_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")


def check(root: Path, paths: list[str], table: Exceptions) -> Iterator[Complaint]:
    """Complaints about every text file."""
    words = [
        (re.compile(rf"\b(?:{word})\b" if word[0] != "(" else word, re.IGNORECASE), instead)
        for word, instead in WORDS.items()
    ]
    for path in paths:
        yield from _size(root, path, table)
        if path.endswith(PROSE) and not path.startswith(FREE):
            text = (root / path).read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                for pattern, instead in words:
                    if found := pattern.search(line):
                        yield Complaint(
                            path, number, f"`{found.group()}` does not belong; {instead}"
                        )
        if path.endswith(".md"):
            yield from _markdown(root, path)


def _size(root: Path, path: str, table: Exceptions) -> Iterator[Complaint]:
    kilobytes = -(-(root / path).stat().st_size // 1024)
    wrong = table.size("kilobytes", path, kilobytes, KILOBYTES_MAX)
    if wrong:
        yield Complaint(path, 1, f"size in KiB {wrong}")


def _markdown(root: Path, path: str) -> Iterator[Complaint]:
    lines = prose_lines((root / path).read_text(encoding="utf-8"))
    titles = [number for number, line in lines if re.match(r"#\s", line)]
    if len(titles) != 1 and not path.startswith("changes/"):
        yield Complaint(path, titles[1] if titles else 1, f"has {len(titles)} h1 headings, not one")
    for number, line in lines:
        for target in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
            wrong = _unresolved(root, path, target)
            if wrong:
                yield Complaint(path, number, wrong)


def prose_lines(text: str) -> list[tuple[int, str]]:
    """The numbered lines of a page outside its code fences."""
    lines: list[tuple[int, str]] = []
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            lines.append((number, line))
    return lines


def _unresolved(root: Path, path: str, target: str) -> str:
    """Why a relative link leads nowhere; empty where it resolves."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    name, _, anchor = target.partition("#")
    page = (root / path).parent / name if name else root / path
    if not page.exists():
        return f"link `{target}` leads nowhere"
    if anchor and page.suffix == ".md" and anchor not in _anchors(page.read_text(encoding="utf-8")):
        return f"link `{target}`: the page has no such heading"
    return ""


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for _, line in prose_lines(text):
        if heading := _HEADING.match(line):
            words = re.sub(r"[^\w\- ]", "", heading.group(2).lower())
            found.add(words.strip().replace(" ", "-"))
    return found
