"""`aegis init`: the first file and the first folder."""

from __future__ import annotations

import os
from pathlib import Path

from ..kernel.describe import starter
from ..model import CallerError
from . import output

MODE = 0o700
"""Of the home folder: it holds the ledger's key and the hashes of tokens."""


def init(*, path: Path = Path("aegis.yaml"), force: bool = False) -> int:
    """Write a commented aegis.yaml with a starter policy, and make the home folder.

    Parameters
    ----------
    path
        the file to write
    force
        replace a file that is there; the old one is kept as FILE.bak
    """
    from ..kernel import config

    if path.parent != Path() and not path.parent.is_dir():
        raise CallerError(f"`{path.parent}` is no folder; make it first")
    text = starter()
    # what is written has to load: a starter file that does not would be the worst first minute
    loaded = config.parse(text, str(path), base=path.parent, resolve=False)
    if path.exists() or path.is_symlink():
        if not force:
            raise CallerError(f"`{path}` exists already; `--force` replaces it and keeps a copy")
        path.replace(path.with_name(path.name + ".bak"))
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    home = Path(loaded.settings.home)
    home.mkdir(mode=MODE, parents=True, exist_ok=True)
    home.chmod(MODE)
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# keys and evidence do not belong into a repository\n*\n")
    output.say(f"wrote {path} and made {os.path.relpath(home)}/")
    output.say("next: `aegis serve` starts the gateway, `aegis keys create --name me` makes a key")
    return 0
