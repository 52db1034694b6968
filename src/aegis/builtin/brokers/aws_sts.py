"""AWS: a role assumed for one action, narrowed by a session policy.

The effective rights are those of the role and of the session policy together. STS cannot revoke a
single session; it ends after 15 minutes at the earliest, which every record of it says.
"""

from __future__ import annotations

import hmac
import re
import time
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from ...model import AegisError, CallerError, Prepared
from ...plugin.broker import Credential
from ..client import Client
from .scopes import scope_of

if TYPE_CHECKING:
    from ...plugin.broker import Context, Wanted

VERSION = "2011-06-15"
"""The version of the STS API."""

DURATION_MIN, DURATION_MAX = 900, 43_200
"""Seconds a session may last, as STS says."""

POLICY_MAX = 2_048
"""Longest session policy, in characters, as STS says."""

_NAME = re.compile(r"[^A-Za-z0-9+=,.@-]")


class AwsStsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that may assume the role, the role, and the region whose STS is asked."""

    access_key_id: str
    secret_access_key: str
    role_arn: str
    region: str
    session_token: str = ""
    external_id: str = ""
    base_url: str = ""


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    policy: dict[str, Any]


_SCOPE = Prepared(_Scope)


class AwsStsBroker:
    """Mints a session: fields `access_key_id`, `secret_access_key`, `session_token`."""

    Settings = AwsStsSettings
    degraded = False
    revocable = False

    def __init__(self, settings: AwsStsSettings, context: Context) -> None:
        self._settings = settings
        self._url = settings.base_url or f"https://sts.{settings.region}.amazonaws.com"
        self._name = context.name
        self._client = Client(context.name)

    def mint(self, wanted: Wanted) -> Credential:
        """A session of the role under the scope's policy. Raises AegisError."""
        policy = scope_of(self._name, wanted, _SCOPE).policy
        text = msgspec.json.encode(policy).decode()
        if len(text) > POLICY_MAX:
            raise CallerError(f"{self._name}: the policy is longer than {POLICY_MAX} characters")
        seconds = min(max(wanted.ttl_seconds, DURATION_MIN), DURATION_MAX)
        session = _NAME.sub("-", f"aegis-{wanted.lease}")[:64]
        form = {
            "Action": "AssumeRole",
            "Version": VERSION,
            "RoleArn": self._settings.role_arn,
            "RoleSessionName": session,
            "DurationSeconds": str(seconds),
            "Policy": text,
        }
        if self._settings.external_id:
            form["ExternalId"] = self._settings.external_id
        body = urlencode(form).encode()
        answer = self._client.fetch("POST", f"{self._url}/", body, self._signed(body)).decode()
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        access, secret, token, until = (self._element(answer, name) for name in names)
        fields = {"access_key_id": access, "secret_access_key": secret, "session_token": token}
        expires = int(datetime.fromisoformat(until).timestamp() * 1e6)
        scope = {"role": self._settings.role_arn, "session": session, "policy": policy}
        return Credential(fields, expires, scope)

    def revoke(self, credential: Credential) -> None:
        """STS has no way to; the session ends by itself."""

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _element(self, answer: str, name: str) -> str:
        found = re.search(f"<{name}>([^<]+)</{name}>", answer)
        if found is None:
            raise AegisError(f"{self._name}: the answer holds no `{name}`")
        return unescape(found[1])

    def _signed(self, body: bytes) -> dict[str, str]:
        settings = self._settings
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "host": urlsplit(self._url).netloc,
        }
        if settings.session_token:
            headers["x-amz-security-token"] = settings.session_token
        keys = (settings.access_key_id, settings.secret_access_key)
        return sign(headers, body, keys, (settings.region, "sts"), time.time())


def sign(
    headers: dict[str, str],
    body: bytes,
    keys: tuple[str, str],
    where: tuple[str, str],
    now: float,
) -> dict[str, str]:
    """The headers of a POST to `/` with its signature (AWS Signature Version 4,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

    `keys` are access key id and secret, `where` is region and service, `now` Unix seconds.
    """
    moment = datetime.fromtimestamp(now, UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    sent = {**headers, "x-amz-date": stamp}
    names = ";".join(sorted(sent))
    lines = [f"{name}:{sent[name].strip()}" for name in sorted(sent)]
    canonical = "\n".join(("POST", quote("/"), "", *lines, "", names, sha256(body).hexdigest()))
    scope = f"{day}/{where[0]}/{where[1]}/aws4_request"
    hashed = sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashed))
    key = f"AWS4{keys[1]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
