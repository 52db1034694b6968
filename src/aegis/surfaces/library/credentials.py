"""What a governed function was lent for the call under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.lease import lent

if TYPE_CHECKING:
    from ...kernel.lease import Lease


def credential() -> Lease | None:
    """The credential of the call under way: `headers`, `env`, `connection` and `fields`.

    It was minted for this call once it was decided, and is revoked when the call ends, so it is
    of no use to keep. None outside of a governed call, and where no grant matches.
    """
    return lent()
