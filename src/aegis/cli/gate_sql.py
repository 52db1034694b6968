"""`aegis gate sql`: PostgreSQL's protocol, every statement governed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from .gate import Asked, serve

if TYPE_CHECKING:
    from ..kernel.runtime import Runtime
    from ..surfaces.gates.service import Service


def sql(
    *,
    config: Path | None = None,
    listen: str | None = None,
    allow_unauthenticated: bool = False,
) -> int:
    """Govern a PostgreSQL server: clients connect here, and log in with an Aegis key.

    The server and the login there stand under `gates.sql` of aegis.yaml. SIGHUP loads policy and
    rules again, SIGTERM ends it.

    Parameters
    ----------
    config
        the aegis.yaml to use
    listen
        where to listen, `host:port`; port 0 takes a free one
    allow_unauthenticated
        serve without keys, also to other machines
    """
    return serve(Asked("sql", config, listen, allow_unauthenticated), _service)


def _service(runtime: Runtime) -> Service:
    from ..model import ConfigError
    from ..surfaces.gates.service import Service
    from ..surfaces.gates.sql.gate import SqlGate

    settings = runtime.settings.gates.sql
    if not settings.upstream:
        raise ConfigError(
            "`gates.sql.upstream` is empty: name the server there, such as `127.0.0.1:5432`"
        )
    return Service(SqlGate(runtime), "gates.sql", settings)
