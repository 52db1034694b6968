"""OAuth 2.0 token exchange (RFC 8693): a narrow token for one action, bought with a broad one.

The audience is required, so that the token is good for one service. Where the server revokes
tokens (RFC 7009), it is revoked when the action ends.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from ...model import AegisError, Prepared
from ...plugin.broker import Credential
from ..client import Client
from .oauth import ACCESS_TOKEN, EXCHANGE, granted
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted


class OauthExchangeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's token endpoint, the client that asks, and the token that is exchanged."""

    token_url: str
    client_id: str
    client_secret: str
    subject_token: str
    subject_token_type: str = ACCESS_TOKEN
    revocation_url: str = ""


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    audience: str
    scope: str
    resource: str = ""


_SCOPE = Prepared(_Scope)


class OauthExchangeBroker:
    """Mints one access token for each action: field `token`."""

    Settings = OauthExchangeSettings
    degraded = False

    def __init__(self, settings: OauthExchangeSettings, context: Context) -> None:
        self._settings = settings
        self._name = context.name
        self._client = Client(context.name)
        self.revocable = bool(settings.revocation_url)

    def mint(self, wanted: Wanted) -> Credential:
        """A token for the audience and scope. Raises AegisError, also where the server gave more
        scope than was asked for.
        """
        scope = scope_of(self._name, wanted, _SCOPE)
        form = {
            "grant_type": EXCHANGE,
            "subject_token": self._settings.subject_token,
            "subject_token_type": self._settings.subject_token_type,
            "requested_token_type": ACCESS_TOKEN,
            "audience": scope.audience,
            "scope": scope.scope,
        }
        if scope.resource:
            form["resource"] = scope.resource
        made = granted(self._client, self._name, self._settings.token_url, form, self._proof())
        said = msgspec.to_builtins(scope)
        credential = Credential({"token": made.access_token}, made.expires, said)
        # a server that says nothing of the scope gave the one asked for (RFC 8693, 2.2.1)
        if set(made.scope.split()) - set(scope.scope.split()):
            self.revoke(credential)
            raise AegisError(f"{self._name}: the token may do more than was asked for")
        return credential

    def revoke(self, credential: Credential) -> None:
        """End the token, where the server can; one whose text is lost ends by itself."""
        token = credential.fields.get("token", "")
        if token and self._settings.revocation_url:
            form = {"token": token, "token_type_hint": "access_token"}
            sent = {**self._proof(), "content-type": "application/x-www-form-urlencoded"}
            url = self._settings.revocation_url
            self._client.fetch("POST", url, urlencode(form).encode(), sent)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _proof(self) -> dict[str, str]:
        # both are form-encoded before they are joined (RFC 6749, 2.3.1)
        pair = f"{quote(self._settings.client_id)}:{quote(self._settings.client_secret)}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
