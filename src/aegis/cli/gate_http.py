"""`aegis gate http`: a forward proxy, every request governed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from ..model import CallerError
from . import output
from .gate import Asked, serve

if TYPE_CHECKING:
    from ..kernel.runtime import Runtime
    from ..surfaces.gates.service import Service


def http(
    *,
    config: Path | None = None,
    listen: str | None = None,
    allow_unauthenticated: bool = False,
    make_ca: Path | None = None,
) -> int:
    """Govern what programs ask of other hosts: they use this as their proxy, with an Aegis key.

    Its settings stand under `gates.http` of aegis.yaml. SIGHUP loads policy and rules again,
    SIGTERM ends it.

    Parameters
    ----------
    config
        the aegis.yaml to use
    listen
        where to listen, `host:port`; port 0 takes a free one
    allow_unauthenticated
        serve without keys, also to other machines
    make_ca
        make an authority for `gates.http.intercept_ca` in this file instead of serving
    """
    if make_ca is not None:
        return _make(make_ca)
    return serve(Asked("http", config, listen, allow_unauthenticated), _service)


def _make(path: Path) -> int:
    from ..surfaces.gates.http.authority import make_authority

    public = make_authority(path)
    output.say(f"made {path}; only you may read it: it vouches for any host to who trusts it")
    output.say(f"clients have to trust {public}")
    return 0


def _service(runtime: Runtime) -> Service:
    try:
        from ..surfaces.gates.http.gate import HttpGate
        from ..surfaces.gates.service import Service, server_tls
    except ModuleNotFoundError as error:
        raise CallerError(
            f"the gate needs `{error.name}`; install it with `pip install aegis-govern[server]`"
        ) from None
    settings = runtime.settings.gates.http
    return Service(HttpGate(runtime), "gates.http", settings, server_tls(settings))
