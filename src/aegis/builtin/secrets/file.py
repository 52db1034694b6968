"""`secret://file/PATH`: the content of a file, such as a mounted container secret."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ...model import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BYTES_MAX = 65_536
"""Largest secret; a certificate chain fits."""


class FileSecrets:
    """Reads files. A relative path counts from `base`, the folder of the configuration; write
    two slashes for an absolute one (`secret://file//run/secrets/key`).
    """

    name = "file"

    def __init__(self, base: Path) -> None:
        self.base = base

    def get(self, path: str) -> str:
        """The content without its last line end.

        Raises ConfigError where it is no readable regular file, empty, too large, or not text.
        """
        file = self.base / path
        try:
            # looked at before opening: a pipe or device would block, or never end
            if not stat.S_ISREG(file.stat().st_mode):
                raise ConfigError(f"`{file}` is no regular file")
            with file.open("rb") as handle:
                data = handle.read(BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"secret file `{file}` cannot be read: {reason}") from None
        if len(data) > BYTES_MAX:
            raise ConfigError(f"secret file `{file}` is larger than {BYTES_MAX} bytes")
        try:
            text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ConfigError(f"secret file `{file}` is not UTF-8 text") from None
        if not text:
            raise ConfigError(f"secret file `{file}` is empty")
        return text
