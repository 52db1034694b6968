"""Lends what it was configured with, to every action alike. Marked as degraded in every record.

For services that mint nothing. The agent does not see the secret; but it is not made for the
action, lives on after it, and cannot be revoked from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...plugin.broker import Credential

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted


class StaticSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of the credential; write each as a `secret://` reference."""

    fields: dict[str, str]


class StaticBroker:
    """The same credential for everybody."""

    Settings = StaticSettings
    degraded = True
    revocable = False

    def __init__(self, settings: StaticSettings, context: Context) -> None:
        if not settings.fields:
            raise ValueError("`fields` is empty; name at least one")
        self._fields = settings.fields

    def mint(self, wanted: Wanted) -> Credential:
        """What is there."""
        return Credential(self._fields, scope={"fields": sorted(self._fields)})

    def revoke(self, credential: Credential) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """There is no connection."""
