"""A provider that speaks the OpenAI chat-completions wire: OpenAI, vLLM, Ollama, Groq, Mistral …

Settings: `base_url` (up to and including the version, `https://api.openai.com/v1`), `api_key`
(sent as a bearer token), `headers`, timeouts, `connections`; options `ca_file` (PEM of a private
CA) and `stream_usage` (false for an upstream that refuses `stream_options`).

What an upstream says about a request (a 400, 404, 413, 422, 429) is passed on in its own words.
What it says about Aegis' credentials is not: that is for the operator, not for callers.
"""

from __future__ import annotations

import asyncio
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import ConfigError, UpstreamError
from .pool import Pool, origin
from .sse import Events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ...kernel.settings import ProviderSettings
    from .connection import Exchange

PASSED_ON = frozenset({400, 404, 408, 409, 413, 415, 422, 429})
"""Answers of an upstream that are about the caller's request, so the caller gets them."""

FAILURE_MAX = 64 * 1024
"""Most bytes read of an upstream's error body."""

MESSAGE_MAX = 1000
"""Longest error message passed on, in code points."""

RETRY_MAX = 3600.0
"""Longest `retry-after` believed, in seconds."""

DRAIN_SECONDS = 0.05
"""How long the end of a stream is waited for after `[DONE]`, so that its connection can be used
again; an upstream that dawdles loses the connection instead."""

SECRET_MIN = 8
"""Shortest configured header value that is kept out of error messages, in characters."""

OPTIONS = ("ca_file", "stream_usage")

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class OpenAICompatible:
    """One upstream with the OpenAI wire."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        options = settings.options
        for option in options:
            if option not in OPTIONS:
                known = ", ".join(OPTIONS)
                raise ConfigError(f"unknown option `{option}` of provider `{name}`; known: {known}")
        self.name = name
        self._models = tuple(model for model in settings.models if not _is_glob(model))
        secrets = (settings.api_key, *settings.headers.values())
        self._secrets = tuple(value for value in secrets if len(value) >= SECRET_MIN)
        self._usage = options.get("stream_usage", True) is not False
        at = origin(settings.base_url)
        head = _head(at.path, at.host, settings.api_key, settings.headers)
        self._head = head + b"accept: application/json\r\n"
        self._stream_head = head + b"accept: text/event-stream\r\n"
        ca_file = options.get("ca_file")
        self._pool = Pool(
            at,
            connections=settings.connections,
            connect_seconds=settings.connect_seconds,
            first_byte_seconds=settings.timeout_seconds,
            gap_seconds=settings.idle_seconds,
            tls=_trusting(str(ca_file)) if ca_file and at.tls else None,
        )

    def models(self) -> Sequence[str]:
        """The models that are configured by name; globs name none."""
        return self._models

    async def complete(self, body: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        """One whole answer. Raises UpstreamError."""
        exchange = await self._pool.send(_request(self._head, body, headers), False)
        if exchange.status != 200:
            raise self._refused(exchange, exchange.body())
        return _completion(exchange.body())

    async def stream(
        self, body: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """The answer in chunks. Raises UpstreamError, also where it breaks off early."""
        if not body.get("stream"):
            body = {**body, "stream": True}
        if not self._usage and "stream_options" in body:
            body = {key: value for key, value in body.items() if key != "stream_options"}
        exchange = await self._pool.send(_request(self._stream_head, body, headers), True)
        try:
            if exchange.status != 200:
                raise self._refused(exchange, await exchange.rest(FAILURE_MAX))
            kind = exchange.header(b"content-type")
            if not kind.startswith("text/event-stream"):
                raise UpstreamError(
                    f"the upstream answered `{kind[:100]}` where an event stream was asked for"
                )
            events = Events()
            while True:
                piece = await exchange.read()
                if not piece:
                    raise UpstreamError("the upstream's stream broke off before `[DONE]`")
                for data in events.feed(piece):
                    if data == b"[DONE]":
                        await _drained(exchange)
                        return
                    yield self._chunk(data)
        finally:
            exchange.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    def _chunk(self, data: bytes) -> dict[str, Any]:
        try:
            chunk = _decode(data)
        except _NOT_JSON:
            raise UpstreamError("the upstream sent an event that is not JSON") from None
        if not isinstance(chunk, dict):
            raise UpstreamError("the upstream sent an event that is not an object")
        if "error" in chunk and not chunk.get("choices"):
            message = self._clean(_message(chunk))
            raise UpstreamError(f"the upstream failed in mid-stream: {message}")
        return chunk

    def _refused(self, exchange: Exchange, body: bytes) -> UpstreamError:
        status = exchange.status
        try:
            said = _message(_decode(body[:FAILURE_MAX]))
        except _NOT_JSON:
            said = ""
        said = self._clean(said)
        if status in PASSED_ON:
            return UpstreamError(
                said or f"the upstream refused the request with status {status}",
                status=status,
                retry_after=_seconds(exchange.header(b"retry-after")),
            )
        if status in (401, 403):
            return UpstreamError(
                f"provider `{self.name}` refused the gateway's own credentials ({status}); "
                "its operator has to check `api_key`"
            )
        if 300 <= status < 400:
            return UpstreamError(
                f"provider `{self.name}` redirects ({status}); redirects are not followed, "
                "`base_url` has to name the final address"
            )
        return UpstreamError(
            f"provider `{self.name}` failed with status {status}" + (f": {said}" if said else ""),
            status=status if status in (503, 504) else 502,
            retry_after=_seconds(exchange.header(b"retry-after")),
        )

    def _clean(self, message: str) -> str:
        """The message without the secrets it may quote."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        return "".join(c if c.isprintable() else " " for c in message[:MESSAGE_MAX])


async def _drained(exchange: Exchange) -> None:
    """Wait a moment for the end of an answer whose content is complete."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await exchange.rest(FAILURE_MAX)
    except (TimeoutError, UpstreamError):
        exchange.close()


def _head(path: str, host: str, api_key: str, headers: Mapping[str, str]) -> bytes:
    """The constant part of every request head."""
    lines = [f"POST {path}/chat/completions HTTP/1.1\r\nhost: {host}\r\n".encode()]
    own = {"content-type": "application/json", "user-agent": "aegis"}
    if api_key:
        own["authorization"] = f"Bearer {api_key}"
    named = {name.lower(): value for name, value in headers.items()}
    for name in ("host", "content-length", "transfer-encoding", "connection", "accept"):
        if name in named:
            raise ConfigError(f"the header `{name}` is set by the client itself")
    lines.extend(_line(name, value) for name, value in {**own, **named}.items())
    return b"".join(lines)


def _request(head: bytes, body: dict[str, Any], headers: Mapping[str, str]) -> bytes:
    """A request with the headers of its own between the constant part and the length."""
    payload = _encode(body)
    extra = b"".join([_line(name, value) for name, value in headers.items()]) if headers else b""
    return b"".join((head, extra, b"content-length: %d\r\n\r\n" % len(payload), payload))


def _line(name: str, value: str) -> bytes:
    """One header line. Raises ConfigError for what could break out of it (RFC 9110, 5.5)."""
    token = name.replace("-", "").replace("_", "")
    if not token.isascii() or not token.isalnum() or not value.isascii() or not value.isprintable():
        raise ConfigError(f"the header `{name[:100]}` holds characters a header may not have")
    return f"{name}: {value}\r\n".encode("ascii")


def _trusting(path: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"`ca_file` `{path}` cannot be used: {error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _completion(data: bytes) -> dict[str, Any]:
    try:
        value = _decode(data)
    except _NOT_JSON:
        raise UpstreamError("the upstream's answer is not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        raise UpstreamError("the upstream's answer is not a chat completion")
    return value


def _message(value: Any) -> str:
    """What an error body says, in the forms that are around."""
    if isinstance(value, dict):
        for key in ("error", "message", "detail"):
            found = value.get(key)
            if isinstance(found, str) and found:
                return found
            if isinstance(found, dict):
                return _message(found)
    return ""


def _seconds(text: str) -> float | None:
    """A `retry-after` as seconds (RFC 9110, 10.2.3); None where it is absent or unusable.

    A date is relative to nothing this module knows, so it counts as a minute.
    """
    text = text.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            parsedate_to_datetime(text)
        except ValueError:
            return None
        return 60.0
    return min(max(0.0, seconds), RETRY_MAX) if seconds == seconds else None


def _is_glob(model: str) -> bool:
    return any(character in model for character in "*?[")
