"""`aegis verify`: whether evidence is what was recorded. Needs no network, and no configuration
where a file is named.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from ..model import CallerError
from . import home, output

if TYPE_CHECKING:
    from ..ledger.walk import Report

SQLITE = b"SQLite format 3\0"
"""How a ledger file begins (sqlite.org/fileformat.html, section 1.3)."""

CHECKPOINT_MAX = 65_536
"""Largest file of checkpoints: one of each of 64 lanes, with a few hundred bytes each."""


def verify(
    *files: Path,
    key: str = "",
    fingerprint: str = "",
    checkpoint: Path | None = None,
    config: Path | None = None,
    json: bool = False,
) -> int:
    """Check evidence and name what is wrong with it. Exit code 0: verified, 1: refused.

    Parameters
    ----------
    files
        files that `aegis evidence export` wrote, or a ledger's own file (all its lanes);
        without any, the ledger that is configured here
    key
        the trusted public key: the content or the path of ledger.pub
    fingerprint
        the trusted key as `sha256:` and hex digits
    checkpoint
        a file with signed checkpoints kept from earlier (`aegis evidence checkpoint` prints them),
        which the ledger has to contain
    config
        the aegis.yaml whose ledger to check, where no file is named
    json
        print JSON: one object per file
    """
    if not files:
        files = (home.ledger(home.loaded(config)),)
    pinned = trusted(key)
    earlier = None if checkpoint is None else _kept(checkpoint)
    reports = [pair for file in files for pair in _verified(file, pinned, fingerprint, earlier)]
    if json:
        output.json([_said(file, report) for file, report in reports])
    else:
        for file, report in reports:
            if len(reports) > 1:
                output.say(f"{file}:")
            for line in str(report).splitlines():
                output.say(line)
    return 0 if all(report.ok for _, report in reports) else 1


def trusted(key: str) -> bytes | None:
    """The public key in what `--key` was given; None where it was not. Raises CallerError."""
    from ..ledger.verify import read_key

    if not key:
        return None
    try:
        return read_key(key)
    except ValueError as error:
        raise CallerError(f"`--key`: {error}") from None


def _kept(file: Path) -> bytes:
    """A file of checkpoints. Raises CallerError where it is none."""
    from ..ledger.verify import kept_notes
    from ..ledger.walk import Malformed

    with file.open("rb") as handle:
        kept = handle.read(CHECKPOINT_MAX + 1)
    try:
        if len(kept) > CHECKPOINT_MAX:
            raise Malformed(f"it has more than {CHECKPOINT_MAX} bytes")
        kept_notes(kept)
    except Malformed as error:
        raise CallerError(
            f"`{file}` holds no checkpoints: {error}; `aegis evidence checkpoint` prints them"
        ) from None
    return kept


def _verified(
    file: Path, key: bytes | None, fingerprint: str, checkpoint: bytes | None
) -> list[tuple[Path, Report]]:
    """A report of an exported file, or of each lane of a ledger where it stands."""
    from ..kernel.lanes import lane_paths
    from ..ledger.verify import verify as verify_bundle

    # the first lane of a ledger may be gone; the others say so
    if file.exists() or not lane_paths(file):
        with file.open("rb") as handle:
            begins = handle.read(len(SQLITE))
        if begins != SQLITE:
            return [(file, verify_bundle(file, key, fingerprint, checkpoint))]
    from ..builtin.stores.sqlite_lanes import verify_lanes
    from ..ledger.verify import kept_notes
    from .copies import readable

    if fingerprint:
        raise CallerError("a ledger's own file is checked against `--key`; or export it first")
    found = verify_lanes(readable(file), key, kept_notes(checkpoint) if checkpoint else {})
    return [(file.parent / path.name, report) for path, report in found]


def _said(file: Path, report: Report) -> dict[str, object]:
    return {
        "file": file,
        "ok": report.ok,
        "faults": [fault._asdict() for fault in report.faults],
        "entries": report.entries,
        "size": report.size,
        "scope": report.scope,
        "sessions": report.sessions,
        "lanes": report.lanes,
        "fingerprint": report.fingerprint,
        "pinned": report.pinned,
    }
