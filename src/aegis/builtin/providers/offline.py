"""A model provider without a network: deterministic answers for trying Aegis out, and for tests.

Models `offline` and `offline-tools` (see `script.py` for what they say), and whatever else its
`models` route to it. Options: `script` (a list of entries), `script_file` (the same as a JSON file)
and `latency` (seconds before the first byte). Streams come word by word; usage is counted, four
characters to a token.
"""

from __future__ import annotations

import asyncio
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import ConfigError, UpstreamError
from .script import answer, entries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ...kernel.settings import ProviderSettings
    from .script import Answer, Entry

MODELS = ("offline", "offline-tools")
"""The models it serves without being told."""

OPTIONS = ("latency", "script", "script_file")

SCRIPT_MAX = 4 * 1024 * 1024
"""Largest script file in bytes."""

_WORDS = re.compile(r"\s*\S+|\s+$")
_encode = msgspec.json.Encoder().encode


class Offline:
    """Answers from a script, or politely by itself."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        options = settings.options
        for option in options:
            if option not in OPTIONS:
                known = ", ".join(OPTIONS)
                raise ConfigError(f"unknown option `{option}` of provider `{name}`; known: {known}")
        if settings.base_url or settings.api_key or settings.headers:
            raise ConfigError(f"provider `{name}` is offline: it takes no address and no key")
        latency = options.get("latency", 0.0)
        if isinstance(latency, bool) or not isinstance(latency, (int, float)) or latency < 0:
            raise ConfigError(f"`latency` of provider `{name}` has to be seconds, 0 or more")
        self.name = name
        self._latency = float(latency)
        named = (model for model in settings.models if not any(c in model for c in "*?["))
        self._models = tuple(dict.fromkeys((*MODELS, *named)))
        self._script: tuple[Entry, ...] = entries(options.get("script", []), f"provider `{name}`")
        self._file = options.get("script_file")

    def models(self) -> Sequence[str]:
        """The models it serves."""
        return self._models

    async def complete(self, body: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        """One whole answer. Raises UpstreamError where the script says so."""
        found = await self._answer(body)
        message: dict[str, Any] = {"role": "assistant", "content": found.text or None}
        if found.calls:
            message["tool_calls"] = _calls(found, _id(body))
        else:
            message["content"] = found.text
        return {
            "id": _id(body),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model", "offline"),
            "choices": [{"index": 0, "message": message, "finish_reason": found.finish}],
            "usage": _usage(body, found),
        }

    async def stream(
        self, body: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """The answer word by word. Raises UpstreamError where the script says so."""
        found = await self._answer(body)
        frame = {
            "id": _id(body),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body.get("model", "offline"),
        }

        def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for word in _WORDS.findall(found.text):
            yield chunk({"content": word})
        for index, call in enumerate(_calls(found, _id(body))):
            text = call["function"]["arguments"]
            half = len(text) // 2
            first = {**call["function"], "arguments": text[:half]}
            yield chunk({"tool_calls": [{**call, "index": index, "function": first}]})
            rest = {"index": index, "function": {"arguments": text[half:]}}
            yield chunk({"tool_calls": [rest]})
        yield chunk({}, found.finish)
        options = body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            yield {**frame, "choices": [], "usage": _usage(body, found)}

    async def close(self) -> None:
        """Nothing to give back."""

    async def _answer(self, body: dict[str, Any]) -> Answer:
        if self._file is not None:
            self._script = (*self._script, *_load(self._file, self.name))
            self._file = None
        found = answer(self._script, body, self._latency)
        if found.latency:
            await asyncio.sleep(found.latency)
        if found.status != 200:
            raise UpstreamError(found.text or "scripted failure", status=found.status)
        return found


def _load(path: Any, name: str) -> tuple[Entry, ...]:
    source = f"script file `{path}` of provider `{name}`"
    try:
        with Path(str(path)).open("rb") as file:
            data = file.read(SCRIPT_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from None
    if len(data) > SCRIPT_MAX:
        raise ConfigError(f"{source} is larger than {SCRIPT_MAX} bytes")
    try:
        return entries(msgspec.json.decode(data), source)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{source} is not JSON: {error}") from None


def _id(body: dict[str, Any]) -> str:
    return "chatcmpl-" + sha256(_encode(body.get("messages"))).hexdigest()[:24]


def _calls(found: Answer, id: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{id[9:25]}_{index}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": call.arguments
                if isinstance(call.arguments, str)
                else _encode(call.arguments).decode(),
            },
        }
        for index, call in enumerate(found.calls)
    ]


def _usage(body: dict[str, Any], found: Answer) -> dict[str, int]:
    prompt = _tokens(_encode(body.get("messages")).decode())
    said = found.text + "".join(call["function"]["arguments"] for call in _calls(found, ""))
    completion = _tokens(said)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
