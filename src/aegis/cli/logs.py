"""Process logs of `aegis serve`, as the `log` section of the configuration says."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from .output import clean, moment

if TYPE_CHECKING:
    from ..kernel.settings import Log


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": moment(int(record.created * 1e6)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event = getattr(record, "event", None)
        if event is not None:
            entry["event"] = event
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class _Text(logging.Formatter):
    """One line for people; nothing in it can steer their terminal."""

    def format(self, record: logging.LogRecord) -> str:
        time = moment(int(record.created * 1e6))
        line = f"{time} {record.levelname.lower():<7} {clean(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(log: Log) -> None:
    """Send the logs of this process to standard error; may be called again after a reload."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log.format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=log.level.upper(), force=True)
    # one line per request to an upstream: the ledger has a better one
    logging.getLogger("httpx2").setLevel(logging.WARNING)
