"""What most verbs begin with: the configuration, a policy, the ledger's readers, a runtime."""

from __future__ import annotations

import getpass
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model import CallerError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..kernel.config import Loaded
    from ..kernel.runtime import Runtime
    from ..kernel.state import StateStore
    from ..ledger.bundle import Lane
    from ..plugin.contracts import LedgerReader
    from ..policy import Policy


def loaded(config: Path | Loaded | None, *, resolve: bool = False) -> Loaded:
    """The configuration. Only what calls models needs its secrets (`resolve`)."""
    from ..kernel import config as configuration

    if isinstance(config, configuration.Loaded):
        return config
    return configuration.load(config, resolve=resolve)


def policy_in(path: Path) -> Policy:
    """The policy of a policy file or of a whole configuration. Raises ConfigError."""
    from ..kernel import config as configuration
    from ..policy import Policy
    from ..policy.document import read_document

    root = configuration.filled(configuration.read_text(path), str(path))
    if configuration.is_policy(root):
        return Policy(*read_document(root, str(path)))
    found = configuration.parse(root, str(path), base=path.parent, resolve=False).policy
    return found or _default()


def policy_of(found: Loaded) -> Policy:
    """The policy a configuration puts in force."""
    return found.policy or _default()


def _default() -> Policy:
    from ..kernel.describe import default_policy
    from ..policy import Policy

    return Policy.from_text(default_policy(), "default_policy.yaml")


@contextmanager
def runtime(config: Path | Loaded | None) -> Iterator[Runtime]:
    """A runtime on the configured home folder, also while a server runs there."""
    from ..kernel.build import open_runtime

    opened = open_runtime(loaded(config))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def state(config: Path | Loaded | None) -> Iterator[StateStore]:
    """Keys, agents and approvals, for reading: much less to open than a runtime."""
    from ..kernel import discover
    from ..kernel.build import STATE_FILE

    path = Path(loaded(config).settings.home) / STATE_FILE
    opened: StateStore = discover.load("state", "sqlite")(path, readonly=True)
    try:
        yield opened
    finally:
        opened.close()


def readers(found: Loaded) -> list[LedgerReader]:
    """The ledger's files, for reading; they may be written meanwhile.

    Raises CallerError where there is none that another process could read.
    """
    from ..kernel import discover
    from ..kernel.lanes import lane_paths
    from .copies import readable

    make = discover.load("store", found.settings.ledger.store)
    return [make(path) for path in lane_paths(readable(ledger(found)))]


def lanes(found: Loaded) -> list[Lane]:
    """All lanes of the ledger with their signers. Raises CallerError as `readers` does."""
    from ..kernel import discover
    from ..kernel.build import need_key
    from ..kernel.lanes import lanes as lanes_of
    from .copies import readable

    settings = found.settings
    base = readable(ledger(found))
    need_key(Path(settings.home), Path(settings.home) / settings.ledger.path)
    make = discover.load("store", settings.ledger.store)
    return lanes_of(Path(settings.home), base, make)


def ledger(found: Loaded) -> Path:
    """Where the ledger begins. Raises CallerError where another process cannot read it, and
    LedgerError where all of it is gone.
    """
    from ..kernel.lanes import begun, lane_paths, roll_path

    settings = found.settings
    if settings.ledger.store == "memory":
        raise CallerError("this ledger is kept in memory; only the process that has it can read it")
    base = Path(settings.home) / settings.ledger.path
    if not lane_paths(base):
        if begun(base):
            raise LedgerError(
                f"`{base}` is gone: `{roll_path(base).name}` beside it says that there was a "
                "ledger; bring its files back"
            )
        raise CallerError(f"there is no ledger at `{base}` yet; it begins with the first action")
    return base


def user() -> str:
    """Who types: the account's name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"  # a container may run as a number that has no name


def now() -> int:
    """The time, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


def instant(text: str) -> int:
    """A time as people write it (`2026-11-20`, `2026-11-20T23:30:00Z`, `90s`, `15m`, `2h`, `7d`:
    that long ago), in microseconds since the Unix epoch. Raises CallerError.
    """
    from ..policy.cases import microseconds

    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and unit in units and len(number) < 10:
        return now() - int(number) * units[unit] * 1_000_000
    try:
        return microseconds(text)
    except (ValueError, OverflowError):
        raise CallerError(
            f"`{text}` is no time; write for example 2026-11-20T23:30:00Z, or 2h for two hours ago"
        ) from None


def params_of(pairs: list[str] | None, document: str | None) -> dict[str, Any]:
    """Parameters from `NAME=VALUE` pairs and from a JSON object. Raises CallerError."""
    import msgspec

    found: dict[str, Any] = {}
    if document:
        try:
            value = msgspec.json.decode(document)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise CallerError(f"`--params` is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise CallerError("`--params` has to be a JSON object")
        found.update(value)
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise CallerError(f"`{pair}` has to be NAME=VALUE")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    """A value as YAML would read it: a number, true, false, null or the text itself."""
    from ..policy.source import resolved

    try:
        return resolved(text)
    except ValueError:
        return text
