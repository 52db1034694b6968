"""The command line: one file per verb, imported only when its verb is called."""

from __future__ import annotations

import sys


def command() -> None:
    """What the script `aegis` calls. Importing takes longer than some people's patience: an
    interrupt ends it as it ends a verb.
    """
    try:
        from .main import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)
