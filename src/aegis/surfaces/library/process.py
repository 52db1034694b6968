"""Aegis in this process: opened at the first governed call or by `init`, closed at exit.

A forked child does not use what its parent opened: it opens its own, on the same home, and
writes a ledger lane of its own.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model import AegisError, CallerError
from . import approvals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...kernel.config import Loaded
    from ...kernel.state import Agent
    from .approvals import ApprovalHandler
    from .governor import Governor

URL, KEY = "AEGIS_URL", "AEGIS_API_KEY"
"""The variables that send every decision to a server."""

POLICY_FILES = ("aegis-policy.yaml", "policy.yaml")
"""Where there is no configuration, a policy of one of these names in the working directory is
the policy of the process."""

AGENTS_MAX = 10_000
"""Most agents one program registers."""

_lock = threading.RLock()
_current: Governor | None = None
_pid = 0
_finishing = False
_load: Callable[[], Loaded] | None = None
_agents: dict[str, Agent] = {}
_inherited: list[Any] = []
"""What a forked child got from its parent: kept, so that nothing of it is closed by accident."""


def init(
    config_path: str | os.PathLike[str] | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    approval_handler: ApprovalHandler | None = None,
) -> Governor:
    """Open Aegis in this process; a second call returns what the first one opened.

    The configuration is `config` (a mapping of the shape of `aegis.yaml`), the file at
    `config_path` (a whole configuration, or a policy alone), or found: `AEGIS_CONFIG`,
    `aegis.yaml` from the working directory up, a `policy.yaml` in it; defaults where there is
    none. With `AEGIS_URL` a server decides, and its configuration holds.

    Raises ConfigError with every complaint, LedgerError where evidence cannot be written.
    """
    with _lock:
        if config is not None and config_path is not None:
            raise CallerError("give `config` or `config_path`, not both")
        if approval_handler is not None:
            approvals.set_default(approval_handler)
        if _current is not None and _pid == os.getpid():
            return _current
        global _load
        _load = _loader(config_path, config)
        return _open()


def get() -> Governor:
    """What is open in this process; opens it with what can be found where nothing is."""
    return current()


def current() -> Governor:
    """What decides for this process. Opened if need be."""
    governor = _current
    if governor is not None and _pid == os.getpid():
        return governor
    with _lock:
        if _current is not None and _pid == os.getpid():
            return _current
        return _open()


def shutdown() -> None:
    """Write everything out and close. The next governed call opens Aegis anew. Idempotent."""
    global _current, _load
    with _lock:
        governor, _current, _load = _current, None, None
        approvals.set_default(None)
        if governor is not None and _pid == os.getpid():
            governor.close()


def register(agent: Agent) -> None:
    """Register an agent: now where Aegis is open, else as soon as it is."""
    with _lock:
        if agent.name not in _agents and len(_agents) >= AGENTS_MAX:
            raise CallerError(f"{AGENTS_MAX} agents are registered already")
        _agents[agent.name] = agent
        if _current is not None and _pid == os.getpid():
            _current.register(agent)


def _open() -> Governor:
    global _current, _pid
    url = os.environ.get(URL, "").strip()
    if url:
        from .remote import Remote

        governor: Governor = Remote(url, os.environ.get(KEY, "").strip())
    else:
        from .home import Home
        from .local import Local

        load = _load or _loader(None, None)
        governor = Local(Home(load(), load))
    try:
        for agent in _agents.values():
            governor.register(agent)
    except BaseException:
        governor.close()
        raise
    _current, _pid = governor, os.getpid()
    global _finishing
    if not _finishing:
        # registered after the ledger's own: what runs at exit runs in the reverse order
        atexit.register(_finish)
        _finishing = True
    return governor


def _finish() -> None:
    """At the end of the process. What cannot be stored any more is one line, not a traceback."""
    try:
        shutdown()
    except AegisError as error:
        sys.stderr.write(f"aegis: {error}\n")


def _loader(
    path: str | os.PathLike[str] | None, config: Mapping[str, Any] | None
) -> Callable[[], Loaded]:
    """How to read the configuration, now and again; relative to today's working directory."""
    folder = Path.cwd()

    def load() -> Loaded:
        from ...kernel import config as configuration

        if config is not None:
            return configuration.parse(config, env=os.environ, base=folder)
        if path is not None:
            file = folder / path
            root = configuration.read(configuration.read_text(file), str(file))
            if configuration.is_policy(root):
                return _policy_alone(file, folder)
            return configuration.load(file)
        found = configuration.load(cwd=folder)
        if not found.source:
            for name in POLICY_FILES:
                if (folder / name).is_file():
                    return _policy_alone(folder / name, folder)
        return found

    return load


def _policy_alone(file: Path, folder: Path) -> Loaded:
    from ...kernel import config as configuration

    return configuration.parse({"policy": {"path": str(file)}}, "", env=os.environ, base=folder)


def _forked() -> None:
    global _current, _lock
    if _current is not None:
        _inherited.append(_current)
    _current = None
    _lock = threading.RLock()  # the old one may be held by a thread that exists no more


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
