"""GitHub Apps: an installation token for the repositories and permissions of one action.

The app's key signs a JWT (RS256, RFC 7519) that is good for minutes; it buys a token that GitHub
itself limits to what was asked for. Revoking needs the token, so one that a crash left lives until
GitHub ends it, an hour after it was made.
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
from .oauth import rsa_key, signed
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

JWT_SECONDS = 540
"""How long a JWT is good for: GitHub takes at most ten minutes."""

SKEW_SECONDS = 60
"""How far its start lies back, against clocks that differ: as GitHub advises."""

REPOSITORIES_MAX = 500
"""Most repositories of one token, as GitHub says."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class GithubAppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The app's id, the id of its installation, the account that is installed in, and the app's
    private key in PEM.
    """

    app_id: str
    installation: int
    owner: str
    private_key: str
    base_url: str = "https://api.github.com"


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    repositories: tuple[str, ...]
    permissions: dict[str, str]


class _Token(msgspec.Struct, frozen=True):
    token: str
    expires_at: str
    permissions: dict[str, str] = {}
    repository_selection: str = ""


_SCOPE = Prepared(_Scope)
_TOKEN = Prepared(_Token)


class GithubAppBroker:
    """Mints one installation token for each action: field `token`."""

    Settings = GithubAppSettings
    degraded = False
    revocable = True

    def __init__(self, settings: GithubAppSettings, context: Context) -> None:
        self._key = rsa_key(settings.private_key)
        self._settings = settings
        self._name = context.name
        self._client = Client(context.name)

    def mint(self, wanted: Wanted) -> Credential:
        """A token for exactly the scope. Raises AegisError."""
        scope = self._scope(wanted)
        asked = {"repositories": scope.repositories, "permissions": scope.permissions}
        path = f"/app/installations/{self._settings.installation}/access_tokens"
        answer = self._call("POST", path, self._jwt(), asked)
        try:
            made = _TOKEN.convert(answer)
            expires = datetime.fromisoformat(made.expires_at)
        except (msgspec.ValidationError, ValueError):
            raise AegisError(f"{self._name}: the answer is no token") from None
        said = {"owner": self._settings.owner, **asked}
        credential = Credential({"token": made.token}, int(expires.timestamp() * 1e6), said)
        wider = made.permissions.items() - scope.permissions.items() - _IMPLIED
        if wider or made.repository_selection != "selected":
            self.revoke(credential)
            raise AegisError(f"{self._name}: the token may do more than was asked for")
        return credential

    def revoke(self, credential: Credential) -> None:
        """End the token; one whose text is lost ends by itself."""
        token = credential.fields.get("token", "")
        if token:
            self._call("DELETE", "/installation/token", token, None)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _scope(self, wanted: Wanted) -> _Scope:
        """The scope, its repositories without their owner. Raises CallerError."""
        scope = scope_of(self._name, wanted, _SCOPE)
        if not scope.permissions or not 0 < len(scope.repositories) <= REPOSITORIES_MAX:
            raise CallerError(f"{self._name}: a scope names repositories and permissions")
        return _Scope(tuple(map(self._repository, scope.repositories)), scope.permissions)

    def _repository(self, name: str) -> str:
        owner, slash, rest = name.partition("/")
        if slash and owner.lower() != self._settings.owner.lower():
            raise CallerError(f"{self._name}: `{name[:80]}` is not of `{self._settings.owner}`")
        short = rest if slash else name
        if not _NAME.fullmatch(short) or short in (".", ".."):
            raise CallerError(f"{self._name}: `{name[:80]}` is no repository")
        return short

    def _jwt(self) -> str:
        now = int(time.time())
        claims = {
            "iat": now - SKEW_SECONDS,
            "exp": now + JWT_SECONDS,
            "iss": self._settings.app_id,
        }
        return signed(claims, self._key)

    def _call(self, method: str, path: str, token: str, body: Any) -> Any:
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {token}",
            "x-github-api-version": "2022-11-28",
        }
        return self._client.send(method, f"{self._settings.base_url}{path}", body, headers)


_IMPLIED = {("metadata", "read")}
"""What GitHub adds to every token."""
