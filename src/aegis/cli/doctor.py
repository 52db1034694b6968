"""`aegis doctor`: what is installed, what is loaded, and what is enforcing, told apart."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import AegisError, ConfigError
from . import home, output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..kernel.config import Loaded

OK, WARN, FAIL = "ok", "warn", "fail"

SERVER_PARTS = ("uvicorn", "httptools", "uvloop", "prometheus_client")
"""What the extra `server` brings."""

CLOCK_SLACK = 300_000_000
"""Microseconds by which the newest record may be ahead of this clock."""

ROOM_BYTES = 1 << 20
"""Bytes that must fit into the home: a few hundred records with their indexes."""

EARLIEST = 1_735_689_600_000_000
"""2025-01-01 in microseconds since the Unix epoch: a clock before it was never set."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; `detail` says what was found and what to do."""

    area: str
    status: str
    detail: str


def doctor(*, config: Path | None = None, json: bool = False) -> int:
    """Check what is installed, loaded and enforcing. Exit code 1 where something fails.

    Parameters
    ----------
    config
        the aegis.yaml to use
    json
        print JSON: one object per check
    """
    checks = list(_checks(config))
    if json:
        output.json(checks)
    else:
        output.table(("", "area", "found"), ((c.status, c.area, c.detail) for c in checks))
    return 1 if any(check.status == FAIL for check in checks) else 0


def _checks(config: Path | None) -> Iterator[Check]:
    from .version import installed

    yield Check("version", OK, f"aegis {installed()}")
    yield _server_parts()
    try:
        found = home.loaded(config)
    except ConfigError as error:
        yield Check("configuration", FAIL, str(error))
        return
    yield Check("configuration", OK, found.source or "defaults; no aegis.yaml here or above")
    looks: tuple[Callable[[Loaded], Iterator[Check]], ...] = (
        _secrets,
        _policy,
        _guards,
        _plugins,
        _folder,
        _ledger,
        _port,
        _break_glass,
    )
    for look in looks:
        try:
            yield from look(found)
        except (AegisError, OSError) as error:
            yield Check(look.__name__.strip("_"), FAIL, str(error))


def _server_parts() -> Check:
    from importlib.util import find_spec

    missing = [name for name in SERVER_PARTS if find_spec(name) is None]
    if missing:
        hint = "`aegis serve` needs `pip install aegis-govern[server]`"
        return Check("server", WARN, f"not installed: {', '.join(missing)}; {hint}")
    return Check("server", OK, "installed")


def _secrets(found: Loaded) -> Iterator[Check]:
    from ..kernel import config as configuration

    if not found.source:
        return
    try:
        configuration.load(found.source)
    except ConfigError as error:
        yield Check("secrets", FAIL, str(error))
    else:
        yield Check("secrets", OK, "every reference resolves")


def _policy(found: Loaded) -> Iterator[Check]:
    from ..policy import lint

    policy = home.policy_of(found)
    where = "of this configuration" if found.policy is not None else "that ships with Aegis"
    yield Check(
        "policy", OK, f"enforcing the policy {where}: {len(policy.rules)} rules, {policy.version}"
    )
    for problem in lint(policy):
        yield Check("policy", WARN, str(problem))
    if not policy.rules:
        yield Check("policy", WARN, "there is no rule, so the default decides everything")


def _guards(found: Loaded) -> Iterator[Check]:
    from ..builtin.guards.options import DEFAULTS
    from ..kernel import discover
    from ..kernel.build import DEFAULT_GUARDS, build_guards

    configured = found.settings.guardrails
    wanted: Any = DEFAULT_GUARDS if configured is None else configured
    build_guards(found.settings)
    for plugin in discover.available("guard"):
        setting = wanted.get(plugin.name)
        action = (setting and setting.action) or DEFAULTS.get(plugin.name, "its default action")
        if setting is None:
            yield Check(f"guard {plugin.name}", OK, f"installed ({plugin.origin}), not configured")
        elif not setting.enabled:
            yield Check(f"guard {plugin.name}", WARN, "configured, switched off")
        elif action in ("warn", "log"):
            detail = f"loaded, reports only (action `{action}`)"
            yield Check(f"guard {plugin.name}", OK, detail)
        else:
            stages = " and ".join(setting.stages)
            yield Check(f"guard {plugin.name}", OK, f"enforcing: {action} on {stages}")
    if not any(setting.enabled for setting in wanted.values()):
        yield Check("guards", WARN, "no guard runs; content is not looked at")


def _plugins(found: Loaded) -> Iterator[Check]:
    from ..kernel import discover
    from ..kernel.build import build_dispatch
    from ..plugin.contracts import GROUPS

    build_dispatch(found.settings)
    for name, provider in found.settings.providers.items():
        detail = f"loaded ({provider.type}), serves {', '.join(provider.models)}"
        yield Check(f"provider {name}", OK, detail)
    if not found.settings.providers:
        yield Check("providers", OK, "none configured; `offline` answers without a network")
    for kind in GROUPS:
        for plugin in discover.shadowed(kind):
            detail = f"{kind} `{plugin.name}` of {plugin.origin} has the name of a built-in"
            yield Check("plugins", WARN, f"{detail} and is never loaded")


def _folder(found: Loaded) -> Iterator[Check]:
    from ..kernel.build import STATE_FILE

    folder = Path(found.settings.home)
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield Check("home", OK, f"{folder} is made on first use")
        else:
            todo = f"run as who may write to {above}, or set `home`"
            yield Check("home", FAIL, f"{folder} cannot be made: {todo}")
        return
    for path in (folder, folder / STATE_FILE, folder / found.settings.ledger.path):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            mode = path.stat().st_mode & 0o777
            todo = f"run `chmod {700 if path is folder else 600} {path}`, or as its owner"
            detail = f"{path} cannot be written by this user (mode {mode:04o}), so nothing can be"
            yield Check("home", FAIL, f"{detail} recorded: {todo}")
    for path, allowed in ((folder, 0o700), (folder / "ledger.key", 0o600)):
        if not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        if mode & ~allowed:
            todo = f"run `chmod {allowed:o} {path}`"
            yield Check("home", FAIL, f"{path} is open to others (mode {mode:04o}); {todo}")
        else:
            yield Check("home", OK, f"{path} is private (mode {mode:04o})")
    if os.access(folder, os.W_OK):
        try:
            # what is free by the numbers says nothing of quotas and limits
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(ROOM_BYTES))
                os.fsync(file.fileno())
        except OSError as error:
            detail = f"{folder} has no room for {ROOM_BYTES >> 20} MiB: {error.strerror}"
            yield Check("home", FAIL, f"{detail}; free some, nothing is recorded without")


def _ledger(found: Loaded) -> Iterator[Check]:
    from ..builtin.stores.sqlite_lanes import verify_lanes
    from ..kernel.lanes import begun
    from ..ledger.entry import Query
    from ..ledger.keys import PUBLIC_FILE, load_identity
    from .copies import readable

    settings = found.settings
    base = Path(settings.home) / settings.ledger.path
    if settings.ledger.store == "memory":
        yield Check("ledger", WARN, "kept in memory: evidence is lost when the process ends")
        return
    if not begun(base):
        yield Check("ledger", OK, f"{base} is made on first use")
        return
    home.ledger(found)  # raises where its files are gone
    identity = load_identity(Path(settings.home) / PUBLIC_FILE)
    yield Check("ledger", OK, f"signed with {identity.fingerprint}")
    if settings.ledger.store == "sqlite":
        for path, report in verify_lanes(readable(base), identity.public):
            if report.size == 0 and [fault.code for fault in report.faults] == ["empty"]:
                yield Check("ledger", OK, f"{path}: no records yet")
                continue
            if report.ok:
                yield Check("ledger", OK, f"{path}: {report.entries} records verified")
            for fault in report.faults:
                yield Check("ledger", FAIL, f"{path}: {fault.code}: {fault.message}")
    newest = 0
    for reader in home.readers(found):
        for row in reader.rows(Query(newest_first=True, limit=1)):
            newest = max(newest, row.at)
    yield _clock(newest)


def _clock(newest: int) -> Check:
    now = home.now()
    shown = output.moment(now)
    if now < EARLIEST:
        return Check("clock", FAIL, f"it says {shown}; set it, records would carry wrong times")
    if newest > now + CLOCK_SLACK:
        ahead = f"the newest record is of {output.moment(newest)}"
        return Check("clock", WARN, f"it says {shown}, but {ahead}: the clock was set back")
    return Check("clock", OK, shown)


def _port(found: Loaded) -> Iterator[Check]:
    server = found.settings.server
    where = f"{server.host}:{server.port}"
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                yield Check("port", WARN, f"{where} is in use, perhaps by a running `aegis serve`")
            else:
                yield Check("port", FAIL, f"{where}: {(error.strerror or str(error)).lower()}")
            return
    exposed = "" if server.require_key else "; no key is required"
    yield Check("port", OK, f"{where} is free{exposed}")


def _break_glass(found: Loaded) -> Iterator[Check]:
    if found.settings.break_glass:
        yield Check("break_glass", WARN, "on: actions pass when Aegis itself fails")
