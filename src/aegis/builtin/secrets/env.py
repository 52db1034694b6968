"""`secret://env/NAME`: the value of an environment variable."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...model import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class EnvSecrets:
    """Reads the environment of this process. `base` is not used."""

    name = "env"

    def __init__(self, base: Path) -> None:
        self.base = base

    def get(self, path: str) -> str:
        """The variable's value. Raises ConfigError where it is not set or empty."""
        value = os.environ.get(path, "")
        if not value:
            raise ConfigError(f"environment variable `{path}` is not set; set it to the secret")
        return value
