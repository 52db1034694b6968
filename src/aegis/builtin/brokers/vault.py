"""HashiCorp Vault and OpenBao: short-lived database accounts, and secrets of a KV store.

A database account is a lease: Vault makes it when it is asked for, and drops it when the lease is
revoked. A KV secret is only read: it is not made for the action and stays afterwards.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec

from ...model import AegisError, CallerError, Prepared
from ...plugin.broker import Credential
from ..client import Client
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted


class VaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's address, a token for it, the engine and where it is mounted."""

    url: str
    token: str
    engine: Literal["database", "kv"] = "database"
    mount: str = ""
    namespace: str = ""


class _Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str


class _Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str


class _Answer(msgspec.Struct, frozen=True):
    lease_id: str = ""
    lease_duration: int = 0
    renewable: bool = False
    data: dict[str, Any] = {}


_ROLE, _SECRET, _ANSWER = Prepared(_Role), Prepared(_Secret), Prepared(_Answer)


class VaultBroker:
    """Mints from one engine: the fields are what Vault calls them (`username`, `password`)."""

    Settings = VaultSettings

    def __init__(self, settings: VaultSettings, context: Context) -> None:
        self._settings = settings
        self._mount = settings.mount or {"database": "database", "kv": "secret"}[settings.engine]
        self._name = context.name
        self._client = Client(context.name)
        self.degraded = settings.engine == "kv"
        self.revocable = not self.degraded

    def mint(self, wanted: Wanted) -> Credential:
        """An account of the role, or the secret of the path, that the scope names. Raises
        AegisError.
        """
        if self._settings.engine == "kv":
            return self._read(wanted)
        role = scope_of(self._name, wanted, _ROLE).role
        answer = self._answer(f"{self._mount}/creds/{quote(role, safe='')}")
        if not answer.lease_id:
            raise AegisError(f"{self._name}: the answer is no lease")
        expires = int((time.time() + answer.lease_duration) * 1e6)
        scope = {"mount": self._mount, "role": role}
        return Credential(_texts(answer.data), expires, scope, answer.lease_id, answer.renewable)

    def revoke(self, credential: Credential) -> None:
        """End the lease; a KV secret has none."""
        if credential.handle:
            self._call("PUT", "sys/leases/revoke", {"lease_id": credential.handle})

    def renew(self, credential: Credential, seconds: int) -> int:
        """Let the lease live so long from now, as far as its role permits. Raises AegisError."""
        asked = {"lease_id": credential.handle, "increment": seconds}
        try:
            answer = _ANSWER.convert(self._call("PUT", "sys/leases/renew", asked))
        except msgspec.ValidationError:
            raise AegisError(f"{self._name}: the answer is no lease") from None
        return int((time.time() + answer.lease_duration) * 1e6)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _read(self, wanted: Wanted) -> Credential:
        path = scope_of(self._name, wanted, _SECRET).path
        if ".." in path.split("/"):
            raise CallerError(f"{self._name}: `{path[:80]}` is no path")
        data = self._answer(f"{self._mount}/data/{quote(path)}").data.get("data")
        if not isinstance(data, dict):
            raise AegisError(f"{self._name}: the answer is no secret")
        return Credential(_texts(data), 0, {"mount": self._mount, "path": path})

    def _answer(self, path: str) -> _Answer:
        try:
            return _ANSWER.convert(self._call("GET", path, None))
        except msgspec.ValidationError:
            raise AegisError(f"{self._name}: the answer is no secret") from None

    def _call(self, method: str, path: str, body: Any) -> Any:
        headers = {"x-vault-token": self._settings.token, "x-vault-request": "true"}
        if self._settings.namespace:
            headers["x-vault-namespace"] = self._settings.namespace
        url = f"{self._settings.url.rstrip('/')}/v1/{path}"
        return self._client.send(method, url, body, headers)


def _texts(data: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in data.items() if isinstance(value, str)}
