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

        Raises ConfigError where the library or the entry is missing, and what the keyring raises
        where it is locked or broken.
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
        value = keyring.get_password(service, name)
        if not value:
            raise ConfigError(f"the keyring has no entry `{path}`")
        return str(value)
