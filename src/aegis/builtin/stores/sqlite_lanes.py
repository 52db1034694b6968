"""Verifies all lanes of a ledger where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.lanes import lane_files
from ...ledger.checkpoint import Identity
from ...ledger.walk import Fault, Report
from .sqlite_reader import SqliteReader, verify_store

if TYPE_CHECKING:
    from pathlib import Path


def verify_lanes(base: Path, trusted_key: bytes | None = None) -> list[tuple[Path, Report]]:
    """A report for every lane the ledger at `base` (its first lane) has had.

    Raises LedgerError where `base` is no ledger, or the roll of its lanes was changed.
    """
    named = SqliteReader(base).identity
    if not named:
        return [(base, verify_store(base, trusted_key))]
    identity = Identity.parse(named)
    if "/" in identity.name.partition("/")[2]:
        # a later lane, named by itself
        return [(base, verify_store(base, trusted_key))]
    found = []
    for number, path in enumerate(lane_files(base, identity)):
        if path.exists():
            report = verify_store(path, trusted_key)
            _same_key(report, path, identity, number)
        else:
            fault = Fault("lane-missing", -1, f"`{path.name}` is gone", f"{identity.name}/{number}")
            report = Report([fault], scope="full", origin=identity.name)
        found.append((path, report))
    return found


def _same_key(report: Report, path: Path, identity: Identity, number: int) -> None:
    """A lane must be signed with the key of the first one, under its own name."""
    named = SqliteReader(path).identity
    name = identity.name if number == 0 else f"{identity.name}/{number}"
    if named and named != str(Identity(identity.public, name)):
        report.faults.append(Fault("wrong-key", -1, f"it belongs to `{named[:80]}`", name))
