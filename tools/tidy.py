"""The rules of this repository, checked over its files: `python tools/tidy.py`.

Sizes, names, comments left for later, broad `except`, exports, import circles, reachability,
Markdown, words. Prints one line per complaint as `path:line: what is wrong; what to do` and exits 1
where there is any. Exceptions stand in `tidy.toml`, a table that may only shrink: an entry that is
not needed any more, or is looser than it has to be, is itself a complaint.

The rules live beside this file: `tidy_python.py` (Python sources), `tidy_circles.py` (imports
that lead back), `tidy_reach.py` (what shipped code reaches), `tidy_text.py` (Markdown and words).
`tests/house` runs them with the suite.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tidy_circles
import tidy_python
import tidy_reach
import tidy_text
from tidy_model import Complaint, Exceptions

ROOT = Path(__file__).resolve().parent.parent


def files(root: Path) -> list[str]:
    """The files of the repository as git sees them: tracked, and new ones not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return sorted(path for path in set(listed) if (root / path).is_file())


def complaints(root: Path = ROOT) -> list[Complaint]:
    """Everything wrong with the repository at `root`, in the order of its files."""
    table = Exceptions(tomllib.loads((root / "tools/tidy.toml").read_text()))
    paths = files(root)
    found = [
        *tidy_python.check(root, paths, table),
        *tidy_circles.check(root, paths),
        *tidy_reach.check(root, paths, table),
        *tidy_text.check(root, paths, table),
    ]
    return sorted([*found, *table.unused()])


def main() -> int:
    found = complaints()
    for complaint in found:
        print(complaint)
    if found:
        print(f"tidy: {len(found)} complaints", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
