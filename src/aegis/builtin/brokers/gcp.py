"""Google Cloud: an access token of one service account, for the scopes of one action.

The broker proves who it is in one of two ways: workload identity federation, which exchanges a
token of another provider at Google's STS, or the key of a service account, which signs a JWT
(RFC 7523). Either then impersonates the service account of the scope, for as long as the action
may take. A boundary narrows the token to single resources. Google cannot take it back.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError, CallerError, Prepared
from ...plugin.broker import Credential
from ..client import Client
from .oauth import ACCESS_TOKEN, EXCHANGE, Token, granted, presented, rsa_key, signed
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
"""The scope of the token that only serves to get the narrow one."""

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
"""The grant type of a signed assertion (RFC 7523, 2.1)."""

LIFETIME_MAX = 3_600
"""Longest a token lives, in seconds, as `generateAccessToken` says."""

JWT_SECONDS = 300
"""How long a signed assertion is good for; Google takes an hour at most."""

RULES_MAX = 10
"""Most rules of a boundary, as Google says."""

_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}@[a-z0-9][a-z0-9.-]{0,120}\.gserviceaccount\.com")


class GcpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Federation: the provider's `audience` and a token of this workload, or the file that holds
    it. Or the key of a service account: its address and its private key in PEM.
    """

    audience: str = ""
    subject_token: str = ""
    subject_token_file: str = ""
    subject_token_type: str = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105 - a name
    client_email: str = ""
    private_key: str = ""
    sts_url: str = "https://sts.googleapis.com"
    oauth_url: str = "https://oauth2.googleapis.com"
    iam_url: str = "https://iamcredentials.googleapis.com"


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service_account: str
    scopes: tuple[str, ...]
    boundary: tuple[dict[str, Any], ...] = ()


class _Generated(msgspec.Struct, frozen=True, rename="camel"):
    access_token: str
    expire_time: str


_SCOPE = Prepared(_Scope)
_GENERATED = Prepared(_Generated)


class GcpBroker:
    """Mints one access token for each action: field `token`."""

    Settings = GcpSettings
    degraded = False
    revocable = False

    def __init__(self, settings: GcpSettings, context: Context) -> None:
        federated = bool(settings.audience)
        if federated == bool(settings.private_key):
            raise ValueError("give either `audience` and a token, or `client_email` and a key")
        if federated and bool(settings.subject_token) == bool(settings.subject_token_file):
            raise ValueError("give either `subject_token` or `subject_token_file`")
        if not federated and not settings.client_email:
            raise ValueError("`client_email` is missing: whose key it is")
        self._key = None if federated else rsa_key(settings.private_key)
        self._settings = settings
        self._name = context.name
        self._client = Client(context.name)

    def mint(self, wanted: Wanted) -> Credential:
        """A token of the scope's service account. Raises AegisError."""
        scope = self._scope(wanted)
        seconds = min(wanted.ttl_seconds, LIFETIME_MAX)
        url = f"{self._settings.iam_url}/v1/projects/-/serviceAccounts/{scope.service_account}"
        body = {"scope": list(scope.scopes), "lifetime": f"{seconds}s"}
        headers = {"authorization": f"Bearer {self._own()}"}
        answer = self._client.send("POST", f"{url}:generateAccessToken", body, headers)
        try:
            made = _GENERATED.convert(answer)
            ends = datetime.fromisoformat(made.expire_time)
            expires = int(ends.timestamp() * 1e6)
        except (msgspec.ValidationError, ValueError, OverflowError):
            raise AegisError(f"{self._name}: the answer is no token") from None
        token = made.access_token
        if not token or ends.tzinfo is None or expires <= time.time() * 1e6:
            raise AegisError(f"{self._name}: the answer is no token, or one that has ended")
        if scope.boundary:
            bounded = self._bounded(token, scope)
            token, expires = bounded.access_token, min(bounded.expires or expires, expires)
        said = msgspec.to_builtins(scope)
        return Credential({"token": token}, expires, said)

    def revoke(self, credential: Credential) -> None:
        """Google has no way to; the token ends by itself."""

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _scope(self, wanted: Wanted) -> _Scope:
        scope = scope_of(self._name, wanted, _SCOPE)
        if not _ACCOUNT.fullmatch(scope.service_account):
            name = scope.service_account[:80]
            raise CallerError(f"{self._name}: the scope's `{name}` is no service account")
        if not scope.scopes or len(scope.boundary) > RULES_MAX:
            why = f"a scope names `scopes`, and at most {RULES_MAX} rules of a boundary"
            raise CallerError(f"{self._name}: {why}")
        return scope

    def _own(self) -> str:
        """A token of the broker's own, good for impersonation."""
        settings = self._settings
        if self._key is not None:
            url = f"{settings.oauth_url}/token"
            now = int(time.time())
            claims = {
                "iss": settings.client_email,
                "scope": PLATFORM,
                "aud": url,
                "iat": now,
                "exp": now + JWT_SECONDS,
            }
            form = {"grant_type": BEARER, "assertion": signed(claims, self._key)}
            return granted(self._client, self._name, url, form).access_token
        token = presented(self._name, settings.subject_token, settings.subject_token_file)
        form = {
            "audience": settings.audience,
            "scope": PLATFORM,
            "subject_token": token,
            "subject_token_type": settings.subject_token_type,
        }
        return self._exchanged(form).access_token

    def _bounded(self, token: str, scope: _Scope) -> Token:
        """The token behind a Credential Access Boundary."""
        options = {"accessBoundary": {"accessBoundaryRules": list(scope.boundary)}}
        form = {
            "options": msgspec.json.encode(options).decode(),
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
        }
        return self._exchanged(form)

    def _exchanged(self, form: dict[str, str]) -> Token:
        kept = {"grant_type": EXCHANGE, "requested_token_type": ACCESS_TOKEN, **form}
        return granted(self._client, self._name, f"{self._settings.sts_url}/v1/token", kept)
