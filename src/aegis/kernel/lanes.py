"""One ledger, several writers: each process writes a lane of its own.

A lane is a complete ledger file (its own tree and checkpoints, signed with the one key under the
lane's own name). The first process on a home folder writes `ledger.db`, the next one, while the
first still runs, `ledger.1.db`, and so on; a lane that was left is taken up again by the next
process that starts. Readers see all lanes. How many lanes there have been is a signed note beside
them, the roll (`ledger.lanes`), so that a lane file that disappears is missed, be it the only one.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..ledger.bundle import Lane
from ..ledger.keys import load_signer, replace_file
from ..model import LedgerBusy, LedgerError
from .journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..ledger.checkpoint import Identity, Signer
    from ..plugin.contracts import LedgerStore

log = logging.getLogger("aegis")

LANES_MAX = 64
"""Most processes writing to one home at once; more belong on a server."""

ROLL = "aegis-lanes/1"
"""First line of the roll; the second one is the number of lanes."""

ROLL_MAX = 4096
"""Longest roll in bytes; a roll has a few hundred."""


def lane_path(base: Path, lane: int) -> Path:
    """The file of a lane: `ledger.db`, `ledger.1.db`, `ledger.2.db` …"""
    return base if lane == 0 else base.with_name(f"{base.stem}.{lane}{base.suffix}")


def lane_paths(base: Path) -> list[Path]:
    """The files of all lanes that exist, in order."""
    paths = (lane_path(base, lane) for lane in range(LANES_MAX))
    return [path for path in paths if path.exists()]


def begun(base: Path) -> bool:
    """Whether there is a ledger, or has been one: its roll outlives its lanes."""
    return bool(lane_paths(base)) or roll_path(base).exists()


def lane_files(base: Path, identity: Identity) -> list[Path]:
    """The files of all lanes there have been, in order; what does not exist is missing.

    Raises LedgerError where the roll was changed.
    """
    found = [lane for lane in range(LANES_MAX) if lane_path(base, lane).exists()]
    count = max(_enrolled(base, identity), found[-1] + 1 if found else 0)
    return [lane_path(base, lane) for lane in range(count)]


def lanes(home: Path, base: Path, make: Callable[[Path], LedgerStore]) -> list[Lane]:
    """All lanes there have been, to be exported. Raises LedgerError as `lane_files` does."""
    signer = load_signer(home)
    return [
        Lane(make(path) if path.exists() else None, signer.lane(lane))
        for lane, path in enumerate(lane_files(base, signer.identity))
    ]


def open_lane(home: Path, base: Path, make: Callable[[Path], LedgerStore]) -> Journal:
    """The journal of the first lane nobody else writes.

    Raises LedgerError where the key is unusable, a free lane or the roll is damaged, or all lanes
    are busy.
    """
    signer = load_signer(home)
    known = _enrolled(base, signer.identity)
    for lane in range(LANES_MAX):
        path = lane_path(base, lane)
        if lane < known and _gone(path):
            # a lane in its place would hide that it is gone
            log.warning("`%s` is missing; `aegis doctor` says more", path)
            continue
        try:
            journal = Journal(make(path), signer.lane(lane))
        except LedgerBusy:
            continue
        try:
            _enroll(base, signer, lane + 1)
        except BaseException:
            journal.close()
            raise
        return journal
    raise LedgerError(
        f"{LANES_MAX} processes are writing to `{base}` already; run a server and point the "
        "others at it with AEGIS_URL"
    )


def recover_lanes(home: Path, base: Path, make: Callable[[Path], LedgerStore], at: int) -> int:
    """Record the outcome `unknown` for what dead processes began and never finished, in every
    lane nobody writes; returns how many. `at` is in microseconds since the Unix epoch.

    A lane that was closed in order is only looked at. A damaged one is reported and left as it
    is: it is evidence, and verification names what is wrong with it.
    """
    signer = load_signer(home)
    count = 0
    for lane in range(LANES_MAX):
        path = lane_path(base, lane)
        if not path.exists():
            continue
        try:
            if not _settled(make(path)):
                count += _recover(Journal(make(path), signer.lane(lane)), at)
        except LedgerBusy:
            continue
        except LedgerError as error:
            log.warning("lane `%s` was not recovered: %s", path, error)
    return count


def idle_lanes(home: Path, base: Path, make: Callable[[Path], LedgerStore]) -> set[str]:
    """The names of the lanes that no process writes. Raises LedgerError for an unusable key."""
    signer = load_signer(home)
    idle = set()
    for lane in range(LANES_MAX):
        path, own = lane_path(base, lane), signer.lane(lane)
        if not path.exists():
            continue
        try:
            Journal(make(path), own).close()
        except LedgerError:
            continue  # somebody writes it, or nobody can tell
        idle.add(own.identity.name)
    return idle


def _gone(path: Path) -> bool:
    """Whether the file of a lane is not there. Raises LedgerError where nothing is left in it."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return True
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}") from None
    if size == 0:
        raise LedgerError(
            f"`{path}` is empty, and was a lane of the ledger; bring it back, or remove it to go "
            "on without its records: verification will name the lane as missing"
        )
    return False


def _recover(journal: Journal, at: int) -> int:
    count = 0
    try:
        while receipts := journal.recover(at):
            count += len(receipts)
    finally:
        journal.close()
    return count


def _settled(store: LedgerStore) -> bool:
    """Whether a lane was closed in order, and nothing in it waits for its outcome."""
    sealed = next(store.sealed(newest=True), None)
    size = store.size
    return size == 0 if sealed is None else sealed.size == size == sealed.low


def roll_path(base: Path) -> Path:
    """The file of the roll."""
    return base.with_name(f"{base.stem}.lanes")


def _enrolled(base: Path, identity: Identity) -> int:
    """How many lanes the roll says there are; 0 where there is none."""
    path = roll_path(base)
    try:
        with path.open("rb") as file:
            note = file.read(ROLL_MAX).decode("utf-8", "replace")
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}") from None
    try:
        head, count, end = identity.open(note).split("\n")
        number = int(count)
        if (head, end) != (ROLL, "") or not 0 < number <= LANES_MAX:
            raise ValueError
    except (LedgerError, ValueError):
        raise LedgerError(
            f"`{path}` is not what was signed: it says how many lanes the ledger has; bring it "
            "back, or move the ledger's files away and start a new one"
        ) from None
    return number


def _enroll(base: Path, signer: Signer, count: int) -> None:
    """See that the roll has this many lanes."""
    with _locked(base):
        if _enrolled(base, signer.identity) < count:
            replace_file(roll_path(base), signer.sign(f"{ROLL}\n{count}\n").encode())


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    path = base.with_name(f"{base.stem}.lanes.lock")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
