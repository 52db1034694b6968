"""Who comes over HTTP: pages by their origin, callers by key or token, agents by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...kernel.keys import PREFIX
from ...model import Principal, UpstreamError
from . import protocol as rpc
from .stdio import NAME_MAX
from .tokens import TokenError, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..gateway.turn import Turn
    from .gateway import Gateway

NOBODY = Principal("", kind="anonymous")
"""The caller where no key is asked for."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts of pages that this machine serves itself."""


class Refused(Exception):
    """A request that is answered before its frame is looked at, with the status to say so."""

    def __init__(
        self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Callers:
    """Knows the callers of one gateway; `tokens` is None where no issuer is configured."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.tokens = Tokens(gateway.settings.oauth) if gateway.settings.oauth.issuer else None

    def check_origin(self, turn: Turn) -> None:
        """That no page of somebody else calls. Raises Refused (403)."""
        origin = turn.headers.get(b"origin")
        if origin is None:
            return
        text = origin.decode("latin-1")
        try:
            host = urlsplit(text).hostname
        except ValueError:
            host = None
        if host not in LOOPBACK and text not in self._gateway.settings.origins:
            raise Refused(
                403, "pages of this origin may not call; `mcp.origins` lists those that may"
            )

    async def caller(self, turn: Turn) -> Principal:
        """Who asks. Raises Refused (401, 403, 503)."""
        runtime, tokens = self._gateway.runtime, self.tokens
        token = _token(turn.headers)
        principal = runtime.keys.authenticate(token) if token else None
        if principal is not None:
            return principal
        if tokens is not None and token and not token.startswith(PREFIX):
            return await self._bearer(tokens, token)
        if not runtime.settings.server.require_key and not token:
            return NOBODY
        what = "this key is unknown, revoked or expired" if token else "a key is needed"
        challenge = tokens.challenge() if tokens is not None else b"Bearer"
        raise Refused(
            401,
            f"{what}: send `authorization: Bearer sk-aegis-…`; `aegis keys create --name NAME` "
            "makes one",
            ((b"www-authenticate", challenge),),
        )

    async def _bearer(self, tokens: Tokens, token: str) -> Principal:
        try:
            principal = await tokens.principal(token)
        except TokenError as error:
            challenge = tokens.challenge("invalid_token")
            raise Refused(401, str(error), ((b"www-authenticate", challenge),)) from None
        except UpstreamError as error:
            raise Refused(503, str(error)) from None
        self.check_scope(principal, "")
        return principal

    def check_scope(self, principal: Principal, scope: str) -> None:
        """That a token permits what is asked, else which scopes would. Raises Refused (403)."""
        lacking = self.tokens.lacking(principal, scope) if self.tokens is not None else ""
        if lacking and self.tokens is not None:
            challenge = self.tokens.challenge("insufficient_scope", lacking)
            message = f"the token needs the scopes `{lacking}`"
            raise Refused(403, message, ((b"www-authenticate", challenge),))


def _token(headers: Mapping[bytes, bytes]) -> str:
    """The credential of a request; empty where there is none."""
    value = headers.get(b"authorization")
    if value is None:
        return headers.get(b"x-api-key", b"").decode("latin-1")
    scheme, _, rest = value.partition(b" ")
    return rest.strip().decode("latin-1") if scheme.lower() == b"bearer" else "?"


def named(turn: Turn, name: bytes) -> str:
    """A name given in a header; empty where there is none. Raises RpcError."""
    value = turn.headers.get(name, b"").decode("latin-1")
    if len(value) > NAME_MAX or not value.isascii() or not (value.isprintable() or not value):
        raise rpc.RpcError(
            rpc.INVALID_REQUEST,
            f"the header `{name.decode()}` is at most {NAME_MAX} printable ASCII characters",
        )
    return value


def agent_of(turn: Turn, principal: Principal, client: Any) -> str:
    """The acting agent: of the key, else of the header, else the client's name for itself."""
    given = named(turn, b"x-aegis-agent")
    if principal.agent:
        if given not in ("", principal.agent):
            raise Refused(403, f"this key speaks for the agent `{principal.agent}`")
        return principal.agent
    name = client.get("name") if isinstance(client, dict) else None
    return given or (name[:NAME_MAX] if isinstance(name, str) and name.isprintable() else "")
