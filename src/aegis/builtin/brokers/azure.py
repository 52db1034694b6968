"""Azure: an access token of one application, for one resource.

The broker proves that it is the application with a federated assertion (a token of another
provider that the application trusts) or with a client secret. What the token may do are the roles
of the application: where grants need different ones, their scopes name different applications.
Microsoft cannot take back a single token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ...model import AegisError, CallerError, Prepared
from ...plugin.broker import Credential
from ..client import Client
from .oauth import granted, presented
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""The type of a client assertion (RFC 7523, 2.2)."""

DEFAULT = "/.default"
"""How the scope ends that stands for the roles an application was given for a resource."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")


class AzureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tenant, the application, and its proof: an assertion, the file that holds one, or a
    client secret.
    """

    tenant: str
    client_id: str
    assertion: str = ""
    assertion_file: str = ""
    client_secret: str = ""
    base_url: str = "https://login.microsoftonline.com"


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scope: str
    client_id: str = ""


_SCOPE = Prepared(_Scope)


class AzureBroker:
    """Mints one access token for each action: field `token`."""

    Settings = AzureSettings
    degraded = False
    revocable = False

    def __init__(self, settings: AzureSettings, context: Context) -> None:
        proofs = (settings.assertion, settings.assertion_file, settings.client_secret)
        if sum(map(bool, proofs)) != 1:
            raise ValueError("give one of `assertion`, `assertion_file` and `client_secret`")
        if not _TENANT.fullmatch(settings.tenant):
            raise ValueError("`tenant` is an id or a domain")
        self._settings = settings
        self._name = context.name
        self._client = Client(context.name)

    def mint(self, wanted: Wanted) -> Credential:
        """A token for the resource of the scope. Raises AegisError."""
        scope = scope_of(self._name, wanted, _SCOPE)
        if not scope.scope.endswith(DEFAULT) or " " in scope.scope:
            raise CallerError(f"{self._name}: the scope is one resource and `{DEFAULT}`")
        settings = self._settings
        if scope.client_id and settings.client_secret:
            why = "a client secret is that of one application; the scope cannot name another"
            raise CallerError(f"{self._name}: {why}")
        client = scope.client_id or settings.client_id
        form = {"grant_type": "client_credentials", "client_id": client, "scope": scope.scope}
        url = f"{settings.base_url}/{settings.tenant}/oauth2/v2.0/token"
        made = granted(self._client, self._name, url, {**form, **self._proof()})
        if not made.expires:
            raise AegisError(f"{self._name}: the answer does not say when the token ends")
        said = {"tenant": settings.tenant, "client_id": client, "scope": scope.scope}
        return Credential({"token": made.access_token}, made.expires, said)

    def revoke(self, credential: Credential) -> None:
        """There is no way to; the token ends by itself."""

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _proof(self) -> dict[str, str]:
        settings = self._settings
        if settings.client_secret:
            return {"client_secret": settings.client_secret}
        token = presented(self._name, settings.assertion, settings.assertion_file)
        return {"client_assertion_type": ASSERTION, "client_assertion": token}
