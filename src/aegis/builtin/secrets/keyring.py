"""`secret://keyring/SERVICE/NAME`: an entry of the operating system's keyring."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ...model import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class KeyringSecrets:
    """Asks the `keyring` library, which is not installed with Aegis. `base` is not used."""

    name = "keyring"

    def __init__(self, base: Path) -> None:
        self.base = base

    def get(self, path: str) -> str:
        """The password stored for a service and a name.

        Raises ConfigError where the library or the entry is missing.
        """
        service, _, name = path.rpartition("/")
        if not service or not name:
            raise ConfigError(f"`{path}` has to be SERVICE/NAME")
        try:
            keyring = importlib.import_module("keyring")
        except ImportError:
            raise ConfigError(
                "the `keyring` library is not installed; run `pip install keyring`, or use "
                "`secret://env/...` or `secret://file/...`"
            ) from None
        try:
            value = keyring.get_password(service, name)
        except Exception as error:
            # each keyring backend has its own exceptions; a locked keyring is not a crash
            raise ConfigError(f"the keyring refused `{path}`: {error}") from error
        if not value:
            raise ConfigError(f"the keyring has no entry `{path}`")
        return str(value)
