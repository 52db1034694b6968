"""HTTP as approvers and brokers speak it: short, bounded, no redirects, no secrets in errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import AegisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

TIMEOUT_SECONDS = 10.0
"""How long each step of a request may take."""

WHOLE_SECONDS = 30.0
"""How long an answer may take to come in whole: a service that sends a byte now and then would keep
an action waiting for ever.
"""

BODY_MAX = 1 << 20
"""Largest answer that is read, in bytes; ours are a few kilobytes."""

SHOWN_MAX = 200
"""How much of an error's own words is repeated, in characters."""


class ServiceError(AegisError):
    """A service did not take what it was sent. Never holds an address: some hold a token.

    `content` is what the service answered, and may hold what was sent: it is no part of the text.
    """

    def __init__(self, message: str, content: bytes = b"") -> None:
        super().__init__(message)
        self.content = content


class Client:
    """Requests to one service, whose `name` stands in errors instead of its address. What the
    service says of an error is repeated only with `tells`: it may hold what was sent.
    """

    def __init__(self, name: str, *, tells: bool = False) -> None:
        self._name = name
        self._tells = tells
        self._client: httpx2.Client | None = None

    def send(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer (None where it has none). `body` is JSON-like, or bytes as they
        are sent. Raises ServiceError for any status but 2xx, and where nothing comes back.
        """
        content = self.fetch(method, url, body, headers)
        try:
            return msgspec.json.decode(content) if content.strip() else None
        except msgspec.DecodeError:
            return None

    def fetch(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The answer as it came (see `send`)."""
        import httpx2

        if self._client is None:
            self._client = httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"content-type": "application/json", "user-agent": "aegis", **(headers or {})}
        content = b""
        ends = time.monotonic() + WHOLE_SECONDS
        try:
            with self._client.stream(
                method, url, content=data if body is not None else None, headers=sent
            ) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if time.monotonic() > ends:
                        raise ServiceError(f"{self._name}: the answer is too slow")
                    if len(content) > BODY_MAX:
                        raise ServiceError(f"{self._name}: the answer is too large")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ServiceError(f"{self._name}: {type(error).__name__}") from None
        if not 200 <= response.status_code < 300:
            said = content.decode("utf-8", "replace")[:SHOWN_MAX] if self._tells else ""
            told = f"{self._name}: status {response.status_code}: {said}".rstrip(": ")
            raise ServiceError(told, content)
        return content

    def close(self) -> None:
        """Give back connections."""
        if self._client is not None:
            self._client.close()
