"""What sessions have done, as people see it: alerts and labels of all processes, and their release.

Alerts are kept in the state store, so that a session that rules have stopped stays stopped in
every process of the home and after a restart, until its alerts are old or a person releases it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model import CallerError
from ..session.behaviour import SECOND
from .ports import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .runtime import Runtime
    from .session_settings import SessionSettings
    from .state import Conduct, StateStore

SEARCHED_MAX = 100_000
"""Most sessions that are searched for one to release: all that are kept."""


class Known(msgspec.Struct, frozen=True):
    """One session: who acts in it, the labels of what it has seen, and what its alerts add up to.
    `stopped` says that everything of it is refused.
    """

    session: str
    principal: str = ""
    tenant: str = ""
    labels: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    score: int = 0
    stopped: bool = False
    at: int = 0


def known(state: StateStore, settings: SessionSettings, limit: int) -> Sequence[Known]:
    """The sessions with alerts, the latest first, then those with labels alone."""
    labels = dict(state.labelled(limit))
    conducts = {conduct.session: conduct for conduct in state.conducts(limit)}
    keys = [*conducts, *(key for key in labels if key not in conducts)]
    return [_known(key, labels.get(key, ()), conducts.get(key), settings) for key in keys[:limit]]


def _known(
    key: str, labels: Sequence[str], conduct: Conduct | None, settings: SessionSettings
) -> Known:
    tenant, principal, session = key.split("\n", 2)
    if conduct is None:
        return Known(session, principal, tenant, tuple(labels))
    since = max(now() - int(settings.window_seconds * SECOND), conduct.released + 1)
    counting = [alert for alert in conduct.alerts if alert.at >= since]
    total = sum(alert.score for alert in counting)
    stops = settings.behaviour and 0 < settings.kill_score <= total
    rules = tuple(dict.fromkeys(alert.rule for alert in counting))
    return Known(session, principal, tenant, tuple(labels), rules, total, stops, conduct.at)


def release(runtime: Runtime, session: str, *, by: str, reason: str = "") -> Sequence[str]:
    """Let a session go on: its alerts so far count no more, in no process. Returns who acts in the
    sessions of that name. The labels of what it has seen stay. Raises CallerError.
    """
    at = now()
    found = [
        conduct.session
        for conduct in runtime.state.conducts(SEARCHED_MAX)
        if conduct.session.split("\n", 2)[2] == session
    ]
    if not found:
        raise CallerError(
            f"no alerts of a session `{session[:80]}` are kept; `aegis sessions list` shows them"
        )
    for key in found:
        runtime.state.release_session(key, at)
    actors = [" ".join(filter(None, key.split("\n", 2)[:2])) or "-" for key in found]
    details = {"session": session, "of": actors, "reason": reason}
    runtime.admin("session.release", by=by, details=details)
    return actors
