"""OAuth 2.0 token exchange (RFC 8693): a narrow token for one action, bought with a broad one.

The audience is required, so that the token is good for one service. Where the server revokes
tokens (RFC 7009), it is revoked when the action ends.
"""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from ...model import AegisError, CallerError
from ...plugin.broker import Credential
from ..client import Client

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret


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


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = ""
    expires_in: int = 0
    scope: str = ""


class OauthExchangeBroker:
    """Mints one access token for each action: field `token`."""

    Settings = OauthExchangeSettings
    degraded = False

    def __init__(self, settings: OauthExchangeSettings, context: Context) -> None:
        self._settings = settings
        self._name = context.name
        self._client = Client(context.name)

    def mint(self, wanted: Wanted) -> Credential:
        """A token for the audience and scope. Raises AegisError, also where the server gave more
        scope than was asked for.
        """
        try:
            scope = msgspec.convert(wanted.scope, _Scope)
        except msgspec.ValidationError as error:
            raise CallerError(f"{self._name}: the scope is none: {error}") from None
        form = {
            "grant_type": GRANT,
            "subject_token": self._settings.subject_token,
            "subject_token_type": self._settings.subject_token_type,
            "requested_token_type": ACCESS_TOKEN,
            "audience": scope.audience,
            "scope": scope.scope,
        }
        if scope.resource:
            form["resource"] = scope.resource
        try:
            made = msgspec.json.decode(self._post(self._settings.token_url, form), type=_Token)
        except msgspec.DecodeError:
            raise AegisError(f"{self._name}: the answer is no token") from None
        expires = int((time.time() + made.expires_in) * 1e6) if made.expires_in else 0
        credential = Credential({"token": made.access_token}, expires, msgspec.to_builtins(scope))
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
            self._post(self._settings.revocation_url, form)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _post(self, url: str, form: dict[str, str]) -> bytes:
        # both are form-encoded before they are joined (RFC 6749, 2.3.1)
        pair = f"{quote(self._settings.client_id)}:{quote(self._settings.client_secret)}"
        headers = {
            "accept": "application/json",
            "authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "content-type": "application/x-www-form-urlencoded",
        }
        return self._client.fetch("POST", url, urlencode(form).encode(), headers)
