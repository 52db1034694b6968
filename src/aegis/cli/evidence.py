"""`aegis evidence export`, `checkpoint` and `report`; `verify` has a file of its own."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from ..model import CallerError, LedgerError
from . import home, output

if TYPE_CHECKING:
    from ..ledger.bundle import Exported, Lane, Scope

HTML = (".html", ".htm")


def export(
    *,
    out: Path,
    session: str | None = None,
    since: str | None = None,
    until: str | None = None,
    force: bool = False,
    config: Path | None = None,
    json: bool = False,
) -> int:
    """Write records and their proofs into one file that `aegis verify` checks anywhere.

    Where several processes wrote records at the same time, each has a lane of the ledger of its
    own; all of them go into the file, up to what each has written as the export begins.

    Parameters
    ----------
    out
        the file to write
    session
        only the records of this session
    since
        only from this time on, such as 2026-11-20T23:30:00Z or 2h (two hours ago)
    until
        only before this time
    force
        replace a file that is there
    config
        the aegis.yaml to use
    json
        print JSON: one object per file
    """
    from ..ledger.bundle import Scope

    found = home.loaded(config)
    lanes = home.lanes(found)
    scope = Scope(
        session=session,
        since=home.instant(since) if since else None,
        until=home.instant(until) if until else None,
    )
    if out.exists() and not force:
        raise CallerError(f"`{out}` exists already; `--force` replaces it")
    exported = _write(out, lanes, scope)
    if json:
        output.json([_said(out, exported)])
        return 0
    output.say(f"wrote {out}: {exported.count} records ({exported.scope})")
    for lane in exported.lanes if len(exported.lanes) > 1 else ():
        output.say(f"  lane {lane.origin}: {lane.count} records ({lane.scope})")
    output.say(f"signed by {exported.fingerprint}")
    output.say(f"check with: aegis verify {out}")
    return 0


def _write(file: Path, lanes: list[Lane], scope: Scope) -> Exported:
    """Export into a file whole or not at all."""
    from ..ledger.bundle import export_lanes
    from .version import installed

    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as target:
                tool = f"aegis {installed()}"
                exported = export_lanes(lanes, target, scope, created=home.now(), tool=tool)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # the name people gave, not that of the file it is written to first
        raise OSError(error.errno, error.strerror or str(error), str(file)) from error
    return exported


def _said(file: Path, exported: Exported) -> dict[str, object]:
    return {
        "file": file,
        "scope": exported.scope,
        "count": exported.count,
        "size": exported.size,
        "fingerprint": exported.fingerprint,
        "lanes": exported.lanes,
    }


def checkpoint(*, config: Path | None = None) -> int:
    """Print the newest signed checkpoint of every lane; keep them where nobody who can write the
    ledger can, and give them to `aegis verify --checkpoint` later.

    Parameters
    ----------
    config
        the aegis.yaml to use
    """
    readers = home.readers(home.loaded(config))
    notes = [sealed.note for reader in readers for sealed in reader.sealed(newest=True)]
    if not notes:
        raise LedgerError(
            "no checkpoint is written yet; one is after a minute, or when the process ends"
        )
    print("\n".join(notes), end="")
    return 0


def report(file: Path, /, *, out: Path | None = None, key: str = "", fingerprint: str = "") -> int:
    """Make a page for people of an exported file; it says first whether the file verifies.

    Parameters
    ----------
    file
        a file that `aegis evidence export` wrote
    out
        where to write it; HTML where the name ends so, Markdown otherwise
    key
        the trusted public key: the content or the path of ledger.pub
    fingerprint
        the trusted key as `sha256:` and hex digits
    """
    from ..ledger.report import report as report_of
    from .verify import trusted

    form = "html" if out is not None and out.suffix.lower() in HTML else "markdown"
    text = report_of(file, form, trusted(key), fingerprint)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        output.say(f"wrote {out}")
    return 0
