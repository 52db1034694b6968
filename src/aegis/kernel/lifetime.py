"""What happens to ledgers that are open when a process forks or ends without closing them."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import Protocol

from ..model import LedgerError


class Living(Protocol):
    """What has to know."""

    def forked(self) -> None: ...

    def close(self) -> None: ...


LIVE: weakref.WeakSet[Living] = weakref.WeakSet()


def _forked() -> None:
    for living in list(LIVE):
        living.forked()
    LIVE.clear()


def _finish() -> None:
    """Store what was appended."""
    for living in list(LIVE):
        try:
            living.close()
        except LedgerError as error:
            sys.stderr.write(f"aegis: {error}\n")


os.register_at_fork(after_in_child=_forked)
atexit.register(_finish)
