"""Moves the fragments of `changes/` into `CHANGELOG.md`.

Usage: `python tools/changes.py 0.2.0 2027-01-31`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

KINDS = ("security", "removed", "changed", "added", "fixed")
"""The order of a release: what an upgrade must not miss comes first."""


def section(version: str, date: str, fragments: dict[str, str]) -> str:
    """The text of one release. Raises ValueError for a fragment of an unknown kind."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name, text in sorted(fragments.items()):
        kind = name.split(".")[-2]
        if kind not in by_kind:
            raise ValueError(f"`{name}`: unknown kind `{kind}`; use one of {', '.join(KINDS)}")
        by_kind[kind].append(" ".join(text.split()))
    lines = [f"## {version} ({date})"]
    for kind, texts in by_kind.items():
        if texts:
            lines += ["", f"### {kind.capitalize()}", "", *(f"- {text}" for text in texts)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or not re.fullmatch(r"\d{4}-\d\d-\d\d", arguments[1]):
        print("usage: python tools/changes.py VERSION YYYY-MM-DD", file=sys.stderr)
        return 2
    paths = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    if not paths:
        print("no fragments in changes/: nothing to release", file=sys.stderr)
        return 1
    version, date = arguments
    text = section(version, date, {path.name: path.read_text(encoding="utf-8") for path in paths})
    log = ROOT / "CHANGELOG.md"
    head, mark, rest = log.read_text(encoding="utf-8").partition("\n## ")
    log.write_text(f"{head.rstrip()}\n\n{text}{mark}{rest}", encoding="utf-8")
    for path in paths:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
