"""`aegis sessions list` and `aegis sessions release`: what sessions have seen and done."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations

import msgspec

from ..kernel.conduct import known
from ..kernel.conduct import release as let_go
from . import home, output

ROWS_MAX = 500
"""Most sessions listed, the latest ones; more is read by nobody."""


def list_sessions(*, stopped: bool = False, config: Path | None = None, json: bool = False) -> int:
    """List the sessions that carry labels or alerts, the latest first; exit code 1 where rules
    have stopped one.

    Parameters
    ----------
    stopped
        only those that rules about behaviour have stopped
    config
        the aegis.yaml to use
    json
        print JSON: one object per session
    """
    loaded = home.loaded(config)
    with home.state(loaded) as state:
        found = known(state, loaded.settings.session, ROWS_MAX)
    shown = [each for each in found if each.stopped or not stopped]
    if json:
        output.json([msgspec.to_builtins(each) for each in shown])
    else:
        output.table(
            ("session", "who", "labels", "alerts", "score", "state", "last alert"),
            (
                (
                    each.session,
                    " ".join(filter(None, (each.tenant, each.principal))) or "-",
                    ", ".join(each.labels),
                    ", ".join(each.alerts),
                    each.score or "",
                    "stopped" if each.stopped else "",
                    output.moment(each.at),
                )
                for each in shown
            ),
            "no session is stopped" if stopped else "no session carries labels or alerts",
        )
    return 1 if any(each.stopped for each in found) else 0


def release(session: str, /, *, reason: str = "", config: Path | None = None) -> int:
    """Let a session go on that rules about behaviour have stopped. The act is a record.

    Its alerts so far count no more, in every process on this home, within a second. The labels of
    the data it has seen stay.

    Parameters
    ----------
    session
        the session, as `aegis sessions list` shows it
    reason
        why, for those who read the records
    config
        the aegis.yaml to use
    """
    with home.runtime(config) as runtime:
        actors = let_go(runtime, session, by=home.user(), reason=reason)
    output.say(f"{session} may go on ({', '.join(actors)})")
    return 0
