"""One ledger, several writers: each process writes a lane of its own.

A lane is a complete ledger file (its own tree and checkpoints, signed with the one key under the
lane's own name). The first process on a home folder writes `ledger.db`, the next one, while the
first still runs, `ledger.1.db`, and so on; a lane that was left is taken up again by the next
process that starts. Readers see all lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ledger.keys import load_signer
from ..model import LedgerBusy, LedgerError
from .journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..plugin.contracts import LedgerStore

LANES_MAX = 64
"""Most processes writing to one home at once; more belong on a server."""


def lane_path(base: Path, lane: int) -> Path:
    """The file of a lane: `ledger.db`, `ledger.1.db`, `ledger.2.db` …"""
    return base if lane == 0 else base.with_name(f"{base.stem}.{lane}{base.suffix}")


def lane_paths(base: Path) -> list[Path]:
    """The files of all lanes that exist, in order."""
    paths = []
    for lane in range(LANES_MAX):
        path = lane_path(base, lane)
        if not path.exists():
            break
        paths.append(path)
    return paths


def open_lane(home: Path, base: Path, make: Callable[[Path], LedgerStore]) -> Journal:
    """The journal of the first lane nobody else writes.

    Raises LedgerError where the key is unusable, a free lane is damaged, or all lanes are busy.
    """
    signer = load_signer(home)
    for lane in range(LANES_MAX):
        try:
            return Journal(make(lane_path(base, lane)), signer.lane(lane))
        except LedgerBusy:
            continue
    raise LedgerError(
        f"{LANES_MAX} processes are writing to `{base}` already; run a server and point the "
        "others at it with AEGIS_URL"
    )
