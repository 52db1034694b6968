"""What brokers share that speak OAuth 2.0: a token endpoint, signed assertions, tokens in files."""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ...model import AegisError, Prepared
from ..client import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..client import Client

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
"""The grant type of token exchange (RFC 8693, 2.1)."""

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret

FILE_MAX = 64 * 1024
"""Largest file a token is read from, in bytes; tokens have a few kilobytes."""

_CODE = re.compile(r"[a-z_]{1,40}")
"""The codes of errors (RFC 6749, 5.2); a description may quote what was sent."""


class Token(msgspec.Struct, frozen=True):
    """What a token endpoint answers (RFC 6749, 5.1)."""

    access_token: str
    expires_in: int = 0
    scope: str = ""

    @property
    def expires(self) -> int:
        """When it ends, in microseconds since the Unix epoch; 0 where the server does not say."""
        return int((time.time() + self.expires_in) * 1e6) if self.expires_in else 0


class _Refused(msgspec.Struct, frozen=True):
    error: str = ""
    error_codes: tuple[int, ...] = ()


_TOKEN = Prepared(Token)
_REFUSED = Prepared(_Refused)


def granted(
    client: Client,
    name: str,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> Token:
    """The token for a form. Raises AegisError, with the code of the server's own error."""
    sent = {
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
        **(headers or {}),
    }
    try:
        answer = client.fetch("POST", url, urlencode(form).encode(), sent)
    except ServiceError as error:
        raise AegisError(f"{error}{_said(error.content)}") from None
    try:
        token = _TOKEN.decode(answer)
    except msgspec.DecodeError:
        raise AegisError(f"{name}: the answer is no token") from None
    if not token.access_token or token.expires_in < 0:
        raise AegisError(f"{name}: the answer is no token, or one that has ended")
    return token


def _said(content: bytes) -> str:
    """The code of an error, and the numbers that Microsoft gives with it."""
    try:
        found = _REFUSED.decode(content)
    except msgspec.DecodeError:
        return ""
    code = found.error if _CODE.fullmatch(found.error) else ""
    numbers = " ".join(f"AADSTS{number}" for number in found.error_codes[:3])
    return f": {code} {numbers}".rstrip() if code else ""


def rsa_key(pem: str) -> RSAPrivateKey:
    """The RSA key in PEM. Raises ValueError."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("`private_key` is no unencrypted private key in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("`private_key` is no RSA key")
    return key


def signed(claims: Mapping[str, Any], key: RSAPrivateKey) -> str:
    """A JWT (RFC 7519), signed with RS256."""
    said = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{said}.{_text(key.sign(said.encode(), PKCS1v15(), SHA256()))}"


def presented(name: str, text: str, file: str) -> str:
    """A token of this workload: the text, or what is in the file now, which somebody keeps fresh.

    Raises AegisError.
    """
    if text:
        return text
    try:
        with Path(file).open("rb") as handle:
            token = handle.read(FILE_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AegisError(f"{name}: `{file}` holds no token: {type(error).__name__}") from None
    if not token:
        raise AegisError(f"{name}: `{file}` is empty")
    return token


def _part(value: Any) -> str:
    return _text(msgspec.json.encode(value))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
