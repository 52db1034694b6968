"""Ledgers in folders that cannot be written, such as an auditor's copy on a read-only disk.

SQLite keeps files beside a database it reads. Where it cannot make them, and nobody who writes
the ledger has made them, a private copy in the temporary folder is read; it is gone at the end.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from . import output

_COPIES: list[TemporaryDirectory[str]] = []
"""Removed when the process ends."""


@cache
def readable(base: Path) -> Path:
    """Where the ledger that begins at `base` can be read: there, or a copy of all its files.

    Raises OSError where it can be neither read nor copied.
    """
    if os.access(base.parent, os.W_OK) or _opens(base):
        return base
    folder = TemporaryDirectory(prefix="aegis-")
    _COPIES.append(folder)
    for file in sorted(base.parent.glob(f"{base.stem}*")):
        # the log holds records that are not in the database yet; the rest SQLite makes again
        if file.name.endswith((base.suffix, f"{base.suffix}-wal", ".lanes")):
            shutil.copyfile(file, Path(folder.name) / file.name)
    output.note(f"`{base.parent}` cannot be written: reading a copy of its ledger")
    return Path(folder.name) / base.name


def _opens(path: Path) -> bool:
    """Whether SQLite can read a database where it stands."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True  # it was read, and is none: the reader says so
    return True
