"""Which agents a home folder knows: registered ones, those of its policy and keys, and those that
acted lately.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ..ledger.entry import Query
from . import discover
from .lanes import lane_paths

if TYPE_CHECKING:
    from .runtime import Runtime

RECENT = 10_000
"""Records of each file of the ledger that are searched for an agent, the newest ones."""


def stranger(runtime: Runtime, name: str) -> str:
    """A warning about an agent nobody knows, with the names that are near; empty for others.

    Switching off what is not there yet is allowed; mostly it is a typing error.
    """
    names = _named(runtime)
    if name == "*" or name in names or _acted(runtime, name):
        return ""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else ""
    return f"no agent `{name}` is registered, in the policy or has acted lately{hint}"


def _named(runtime: Runtime) -> set[str]:
    names = {agent.name for agent in runtime.state.agents()}
    policy = runtime.settings.policy
    agents = policy.get("agents") if isinstance(policy, dict) else None
    if isinstance(agents, dict):
        names.update(agents)
    for key in runtime.state.all_keys():
        names.update(filter(None, (key.agent, key.id)))
    return names


def _acted(runtime: Runtime, name: str) -> bool:
    settings = runtime.settings
    stores = [runtime.journal.store]
    if settings.ledger.store != "memory":
        make = discover.load("store", settings.ledger.store)
        paths = lane_paths(Path(settings.home) / settings.ledger.path)
        stores += [make(path) for path in paths]
    for store in stores:
        begin = max(0, store.size - RECENT)
        for _ in store.rows(Query(agent=name, start=begin, newest_first=True, limit=1)):
            return True
    return False
