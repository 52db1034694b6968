"""OAuth 2.1 access tokens: the gateway as a resource server.

Tokens are JWTs (RFC 9068) of one configured issuer, for this gateway's audience and no other; they
are checked here and never passed on. What clients need to get one is published (RFC 9728).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import jwt

from ...model import CallerError, Principal, UpstreamError

if TYPE_CHECKING:
    from ...kernel.mcp_settings import McpOAuth

METADATA = "/.well-known/oauth-protected-resource"
"""Where a resource describes itself (RFC 9728, section 3)."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures that are taken: asymmetric ones only."""

LEEWAY_SECONDS = 30
"""How far the clocks of issuer and gateway may differ."""

KEYS_SECONDS = 3_600.0
"""How long the issuer's keys are kept."""

AGAIN_SECONDS = 10.0
"""How soon they are asked for again because of a token with an unknown key."""

FETCH_SECONDS = 5.0
"""How long the issuer may take to answer."""

TOKEN_MAX = 16_384
"""Longest token that is looked at, in characters."""

DOCUMENT_MAX = 1 << 20
"""Largest document of the issuer, in bytes."""


class TokenError(CallerError):
    """A token is not taken; the message says why, and holds nothing of it."""


class Tokens:
    """The tokens of one issuer."""

    def __init__(self, settings: McpOAuth) -> None:
        self.settings = settings
        self._keys: dict[str, Any] = {}
        self._fetched = -KEYS_SECONDS
        self._lock = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """Who holds a token; its scopes are the roles. Raises TokenError, UpstreamError."""
        if len(token) > TOKEN_MAX:
            raise TokenError("the token is too long")
        settings = self.settings
        try:
            key = await self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=settings.audience or settings.resource,
                issuer=settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise TokenError(f"the token is not taken: {type(error).__name__}") from None
        scopes = claims.get("scope", "")
        roles = tuple(scopes.split()) if isinstance(scopes, str) else ()
        client = claims.get("client_id")
        return Principal(
            f"oauth:{str(claims['sub'])[:200]}",
            kind="oauth",
            roles=roles,
            agent=client[:200] if isinstance(client, str) and client.isprintable() else "",
        )

    def lacking(self, principal: Principal, scope: str = "") -> str:
        """The scopes a caller would need and does not have, with those it needs anyway; empty
        where nothing is missing.
        """
        if principal.kind != "oauth":
            return ""
        needed = [*self.settings.scopes, *([scope] if scope else [])]
        missing = [one for one in needed if one not in principal.roles]
        return " ".join(needed) if missing else ""

    def challenge(self, error: str = "", scope: str = "") -> bytes:
        """A `www-authenticate` header that says how to get a token (RFC 9728, section 5.1)."""
        parts = [f'resource_metadata="{self.metadata_url()}"']
        scope = scope or " ".join(self.settings.scopes)
        if error:
            parts.insert(0, f'error="{error}"')
        if scope:
            parts.append(f'scope="{scope}"')
        return f"Bearer {', '.join(parts)}".encode()

    def metadata_url(self) -> str:
        """Where this resource's metadata is."""
        place = urlsplit(self.settings.resource)
        return f"{place.scheme}://{place.netloc}{METADATA}{place.path.rstrip('/')}"

    def metadata(self) -> dict[str, Any]:
        """This resource's metadata (RFC 9728, section 2)."""
        return {
            "resource": self.settings.resource,
            "authorization_servers": [self.settings.issuer],
            "scopes_supported": list(self.settings.scopes),
            "bearer_methods_supported": ["header"],
        }

    async def _key(self, header: dict[str, Any]) -> Any:
        """The key a token names. Raises TokenError, UpstreamError."""
        name = header.get("kid")
        name = name if isinstance(name, str) else ""
        age = time.monotonic() - self._fetched
        if age > KEYS_SECONDS or (name not in self._keys and age > AGAIN_SECONDS):
            async with self._lock:
                if time.monotonic() - self._fetched > AGAIN_SECONDS:
                    await self._fetch()
        if not name and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if name not in self._keys:
            raise TokenError("the token is signed with a key its issuer does not publish")
        return self._keys[name]

    async def _fetch(self) -> None:
        # counted from the attempt: an issuer that is down is not asked for every request
        self._fetched = time.monotonic()
        async with httpx2.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client:
            place = self.settings.jwks_url or await self._discovered(client)
            found = await _document(client, place)
        try:
            keys = jwt.PyJWKSet.from_dict(found).keys
        except (jwt.PyJWTError, AttributeError, TypeError) as error:
            raise UpstreamError(
                f"the issuer's keys cannot be used: {type(error).__name__}", status=503
            ) from None
        self._keys = {key.key_id or "": key for key in keys}

    async def _discovered(self, client: httpx2.AsyncClient) -> str:
        """Where the issuer's keys are, by its metadata (RFC 8414, else OpenID Connect)."""
        issuer = urlsplit(self.settings.issuer)
        root, path = f"{issuer.scheme}://{issuer.netloc}", issuer.path.rstrip("/")
        places = (
            f"{root}/.well-known/oauth-authorization-server{path}",
            f"{root}{path}/.well-known/openid-configuration",
        )
        for place in places:
            try:
                found = await _document(client, place)
            except UpstreamError:
                continue
            keys = found.get("jwks_uri")
            # metadata that names another issuer is not this one's (RFC 8414, section 3.3)
            if found.get("issuer") == self.settings.issuer and isinstance(keys, str):
                return keys
        raise UpstreamError("the issuer publishes no metadata with its keys", status=503)


async def _document(client: httpx2.AsyncClient, place: str) -> dict[str, Any]:
    try:
        answer = await client.get(place)
        found = answer.json() if answer.status_code == 200 else None
    except (httpx2.HTTPError, ValueError) as error:
        raise UpstreamError(
            f"the issuer cannot be asked: {type(error).__name__}", status=503
        ) from None
    if not isinstance(found, dict) or len(answer.content) > DOCUMENT_MAX:
        raise UpstreamError(f"the issuer answered status {answer.status_code}", status=503)
    return found
