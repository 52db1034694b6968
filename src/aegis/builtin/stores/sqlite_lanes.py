"""Verifies all lanes of a ledger where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.lanes import lane_files, lane_paths
from ...ledger.checkpoint import Identity
from ...ledger.walk import Fault, Report
from .sqlite_reader import SqliteReader, verify_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NONE: Mapping[str, Sequence[bytes]] = {}


def verify_lanes(
    base: Path, trusted_key: bytes | None = None, kept: Mapping[str, Sequence[bytes]] = _NONE
) -> list[tuple[Path, Report]]:
    """A report for every lane the ledger at `base` (its first lane) has had.

    `kept` are signed checkpoints kept elsewhere, by the origin of their lane: the ledger must
    contain them. Raises LedgerError where `base` is no ledger, or the roll of its lanes was
    changed.
    """
    identity = _first(base)
    if identity is None:
        own = SqliteReader(base).identity
        names = [Identity.parse(own).name if own else ""]
        found = [(base, verify_store(base, trusted_key, kept.get(names[0], ())))]
    else:
        paths = lane_files(base, identity)
        names = [_name(identity, number) for number in range(len(paths))]
        found = []
        for number, path in enumerate(paths):
            if path.exists():
                report = verify_store(path, trusted_key, kept.get(names[number], ()))
                _same_key(report, path, identity, number)
            else:
                fault = Fault("lane-missing", -1, f"`{path.name}` is gone", names[number])
                report = Report([fault], scope="full", origin=identity.name)
            found.append((path, report))
    for name in kept:
        if name not in names:
            message = f"a kept checkpoint is of lane `{name}`"
            found[0][1].faults.append(Fault("lane-missing", -1, message))
    return found


def _first(base: Path) -> Identity | None:
    """Whose ledger begins at `base`; None where that is a later lane, named by itself, or none.

    The first lane may be gone: then the others tell.
    """
    own = SqliteReader(base).identity
    if own:
        identity = Identity.parse(own)
        return None if "/" in identity.name.partition("/")[2] else identity
    for path in [] if base.exists() else lane_paths(base):
        if named := SqliteReader(path).identity:
            later = Identity.parse(named)
            return Identity(later.public, later.name.rpartition("/")[0])
    return None


def _name(identity: Identity, number: int) -> str:
    return identity.name if number == 0 else f"{identity.name}/{number}"


def _same_key(report: Report, path: Path, identity: Identity, number: int) -> None:
    """A lane must be signed with the key of the first one, under its own name."""
    named = SqliteReader(path).identity
    name = _name(identity, number)
    if named and named != str(Identity(identity.public, name)):
        report.faults.append(Fault("wrong-key", -1, f"it belongs to `{named[:80]}`", name))
