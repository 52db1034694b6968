"""`aegis gate git`: Git's smart HTTP, every fetch and push governed."""

from __future__ import annotations

import shutil
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from .gate import Asked, serve

if TYPE_CHECKING:
    from ..kernel.runtime import Runtime
    from ..surfaces.gates.service import Service


def git(
    *,
    config: Path | None = None,
    listen: str | None = None,
    allow_unauthenticated: bool = False,
) -> int:
    """Govern Git servers: clients fetch and push here, with an Aegis key as password.

    The servers stand under `gates.git.upstreams` of aegis.yaml; `https://host/owner/repo.git`
    behind the upstream NAME is `http://HOST:PORT/NAME/owner/repo.git` here. SIGHUP loads policy
    and rules again, SIGTERM ends it.

    Parameters
    ----------
    config
        the aegis.yaml to use
    listen
        where to listen, `host:port`; port 0 takes a free one
    allow_unauthenticated
        serve without keys, also to other machines
    """
    return serve(Asked("git", config, listen, allow_unauthenticated), _service)


def _service(runtime: Runtime) -> Service:
    from ..model import ConfigError

    if not runtime.settings.gates.git.upstreams:
        raise ConfigError(
            "`gates.git.upstreams` is empty: name a server there, such as "
            "`github: { url: https://github.com }`"
        )
    if shutil.which("git") is None:
        raise ConfigError("the gate reads pushes with `git`, which is not on PATH; install it")
    try:
        from ..surfaces.gates.git.gate import GitGate
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the gate needs `{error.name}`; install it with `pip install aegis-govern[server]`"
        ) from None
    from ..surfaces.gates.service import Service, server_tls

    settings = runtime.settings.gates.git
    return Service(GitGate(runtime), "gates.git", settings, server_tls(settings))
