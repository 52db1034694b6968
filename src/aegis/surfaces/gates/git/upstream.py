"""The server behind the gate: where its repositories are, and which credential it is shown.

A credential comes from the configuration, or was lent to the one action that is performed. It
stands in requests to the upstream only; redirects are not followed, so it goes nowhere else.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import httpx2

from ....kernel.lease import lent
from ....model import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from ....kernel.gate_settings import GitGate, GitUpstream

PIECE_BYTES = 256 * 1024
"""How much of a spooled push is read and sent at once."""

SAID_MAX = 2_000
"""How much of an upstream's error is read, in bytes."""


class Upstream:
    """One configured server."""

    def __init__(self, name: str, settings: GitUpstream) -> None:
        self.name = name
        self._settings = settings

    def url(self, repository: str) -> str:
        """The address of a repository."""
        return f"{self._settings.url.rstrip('/')}/{repository}"

    def credential(self) -> dict[str, str]:
        """The headers that say who asks. Of a performance: what was lent to it comes first."""
        settings, lease = self._settings, lent()
        found = {name.lower(): value for name, value in settings.headers.items()}
        user, secret = settings.username, settings.password
        if lease is not None:
            found |= {name.lower(): value for name, value in lease.headers.items()}
            if not lease.headers:
                fields = lease.fields
                user = fields.get("username", user)
                secret = fields.get("password") or fields.get("token", secret)
        if secret and "authorization" not in found:
            found["authorization"] = "Basic " + b64encode(f"{user}:{secret}".encode()).decode()
        return found


def client_of(settings: GitGate) -> httpx2.AsyncClient:
    """The connections of one gate to its upstreams."""
    timeout = httpx2.Timeout(settings.timeout_seconds, connect=settings.connect_seconds)
    limits = httpx2.Limits(max_connections=settings.connections)
    return httpx2.AsyncClient(
        timeout=timeout, limits=limits, follow_redirects=False, trust_env=False
    )


def failure(name: str, error: Exception, *, began: bool = True) -> UpstreamError:
    """What a client is told of an upstream that cannot be reached, or broke off."""
    late = isinstance(error, httpx2.TimeoutException)
    what = "did not answer in time" if late else f"failed ({type(error).__name__})"
    return UpstreamError(f"upstream `{name}` {what}", status=504 if late else 502, began=began)


async def refusal(name: str, response: httpx2.Response) -> UpstreamError:
    """What a client is told of an answer that is no success."""
    status = response.status_code
    if status in (401, 407):
        what = "did not accept the credential of this gate"
    elif response.is_redirect:
        what = "answered with another address; use the repository's own"
    else:
        what = f"answered with status {status}"
        said = (await _beginning(response)).decode("utf-8", "replace").strip()
        if said and response.headers.get("content-type", "").startswith("text/plain"):
            what = f"{what}: {' '.join(said.split())}"
    known = status if status in (403, 404, 429, 503) else 502
    return UpstreamError(f"upstream `{name}` {what}", status=known, began=False)


async def _beginning(response: httpx2.Response) -> bytes:
    found = b""
    async for piece in response.aiter_bytes():
        found += piece
        if len(found) >= SAID_MAX:
            break
    return found[:SAID_MAX]


async def sent(path: Path) -> AsyncIterator[bytes]:
    """A spooled body in pieces."""
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            yield data


def asked(head: Mapping[str, str], credential: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request upstream: the client's that matter to git, and the credential."""
    return {**{k: v for k, v in head.items() if v}, "user-agent": "git/2.0 (aegis)", **credential}
