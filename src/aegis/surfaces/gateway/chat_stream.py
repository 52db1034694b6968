"""Reading a streamed chat completion: `chat.completion.chunk` objects, one after another.

Every string of a delta is a text that guards read, each field of each choice a channel of its
own. Pieces of tool calls are put together by index and judged when the stream has ended.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ...flow.decide import code_of
from ...flow.window import TooMuch
from ...model import NO_USAGE, Digest, Usage, put, texts_of
from .chat_calls import CALLS_MAX, child, explained, notice
from .digests import identifier
from .usage import stated_usage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...model import Action, Decision, Path

CHOICES_MAX = 128
"""Most choices of one reply (the API's own limit for `n`)."""

CHANNELS_MAX = 1024
"""Most separate texts of one reply; a provider that opens more floods."""

LEGACY = 1 << 30
"""The place of a deprecated `function_call` among the calls of its choice: the last."""


class _Call:
    """One tool call as it arrives."""

    __slots__ = ("kind", "name", "parts", "value")

    def __init__(self) -> None:
        self.kind = "function"
        self.name = ""
        self.parts: list[str] = []
        self.value: Any = None

    def add(self, function: Any) -> None:
        if not isinstance(function, dict):
            self.value = function
            return
        name = function.get("name")
        if isinstance(name, str):
            self.name += name
        for key in ("arguments", "input"):
            piece = function.get(key)
            if isinstance(piece, str):
                self.parts.append(piece)
            elif piece is not None:
                self.value = piece

    def arguments(self) -> Any:
        if self.value is not None:
            return self.value if not self.parts else [*self.parts, self.value]
        text = "".join(self.parts)
        return {"input": text} if self.kind == "custom" else text


class ChatReader:
    """Reads one streamed reply (see `flow.view.StreamReader`)."""

    kind = "reply"
    due = False

    def __init__(self, action: Action) -> None:
        self._action = action
        self._frame: dict[str, Any] = {}
        self._channels: dict[tuple[int, Path], int] = {}
        self._paths: list[tuple[int, Path]] = []
        self._digests: list[Any] = []
        self._lengths: list[int] = []
        self._length = 0
        self._calls: dict[tuple[int, int], _Call] = {}
        self._finish: dict[int, str | None] = {}
        self._stated: Any = None
        self._told: set[tuple[int, int]] = set()
        self._filled_calls: set[int] = set()

    def read(self, event: Any) -> tuple[Sequence[tuple[int, str]], bool]:
        """The text pieces of a chunk, and whether it has to do with a tool call.

        Raises TooMuch for a chunk that cannot be read, which cuts the reply.
        """
        if not self._frame:
            self._frame = {key: event.get(key) for key in ("id", "created", "model")}
        if event.get("usage"):
            self._stated = event["usage"]
        choices = event.get("choices")
        if not choices:
            return (), False
        if not isinstance(choices, list):
            raise TooMuch("a chunk of the reply has no list of choices")
        pieces: list[tuple[int, str]] = []
        tool = False
        if len(choices) > 1:
            _distinct(choices)
        for choice in choices:
            tool = self._choice(choice, pieces) or tool
        return pieces, tool

    def rewrite(self, event: Any, channel: int, text: str) -> Any:
        """The chunk with one piece replaced, and without the log probabilities of its choice."""
        index, path = self._paths[channel]
        for place, choice in enumerate(event["choices"]):
            if choice.get("index", 0) == index and _has(choice, path):
                event = put(event, {("choices", place, *path): text})
                if choice.get("logprobs") is not None:
                    event["choices"][place] = {**event["choices"][place], "logprobs": None}
        return event

    def calls(self) -> Sequence[Action]:
        """The proposed calls, by choice and index."""
        return [
            child(self._action, position, self._calls[key].name, self._calls[key].arguments())
            for position, key in enumerate(sorted(self._calls))
        ]

    def without_calls(self, event: Any, refused: Mapping[int, Decision]) -> Any | None:
        """The chunk without pieces of refused calls; the first piece of each becomes a notice.

        The calls that are left are numbered without a gap.
        """
        order = sorted(self._calls)
        gone = {order[position]: decision for position, decision in refused.items()}
        told: list[dict[str, Any]] = []
        choices = [self._kept(choice, gone, told) for choice in event.get("choices", ())]
        left = [choice for choice in choices if choice is not None]
        if not left and not event.get("usage"):
            return None
        event = {**event, "choices": left}
        if told:
            event["aegis"] = {"refused_calls": told}
        return event

    def arguments(self) -> Sequence[tuple[str, str]]:
        """The name and arguments text of each call, by choice and index."""
        calls = (self._calls[key] for key in sorted(self._calls))
        return [(call.name, "".join(call.parts)) for call in calls]

    def with_arguments(self, event: Any, restored: Mapping[int, str]) -> Any:
        """The chunk with the arguments of some calls replaced, all in the first piece of each."""
        order = {key: position for position, key in enumerate(sorted(self._calls))}
        choices = []
        for choice in event.get("choices", ()):
            delta = choice.get("delta") or {}
            changed = dict(delta)
            entries = delta.get("tool_calls")
            if isinstance(entries, list):
                changed["tool_calls"] = [
                    self._refilled(entry, order[choice.get("index", 0), _place(entry, n)], restored)
                    for n, entry in enumerate(entries)
                ]
            if isinstance(delta.get("function_call"), dict):
                position = order[choice.get("index", 0), LEGACY]
                changed["function_call"] = self._filled(delta["function_call"], position, restored)
            choices.append({**choice, "delta": changed})
        return {**event, "choices": choices}

    def _refilled(self, entry: dict[str, Any], position: int, restored: Mapping[int, str]) -> Any:
        parts = {
            part: self._filled(entry[part], position, restored)
            for part in ("function", "custom")
            if isinstance(entry.get(part), dict)
        }
        return {**entry, **parts}

    def _filled(self, part: dict[str, Any], position: int, restored: Mapping[int, str]) -> Any:
        if position not in restored:
            return part
        out = dict(part)
        for key in ("arguments", "input"):
            if isinstance(part.get(key), str) and part[key]:
                out[key] = "" if position in self._filled_calls else restored[position]
                self._filled_calls.add(position)
        return out

    def cut(self, decision: Decision) -> Sequence[Any]:
        """One closing chunk per open choice, with `content_filter` and the reason."""
        why = {
            "code": code_of(decision),
            "rule": decision.rule,
            "policy": decision.policy,
            "reasons": list(decision.reasons),
            "advice": decision.advice,
            "action": self._action.id,
        }
        still = [index for index, finish in self._finish.items() if finish is None]
        open_choices = sorted(still) if still else [min(self._finish, default=0)]
        choices = [
            {"index": index, "delta": {}, "finish_reason": "content_filter"}
            for index in open_choices
        ]
        frame = {"object": "chat.completion.chunk", **self._frame}
        return [{**frame, "choices": choices, "aegis": why}]

    def usage(self) -> Usage:
        """The stated usage, or output at four characters a token where none was stated."""
        if isinstance(self._stated, dict):
            return stated_usage(self._stated)
        return Usage(0, (self._length + 3) // 4) if self._length else NO_USAGE

    def recorded(self) -> Any:
        """Shape and digests of what the provider said."""
        kept: dict[str, Any] = {
            "choices": len(self._finish),
            "finish": [self._finish[index] for index in sorted(self._finish)],
            "content": {
                ".".join(map(str, (index, *path[1:]))): Digest(
                    length, identifier(self._frame.get("id")), digest.hexdigest()
                )
                for (index, path), digest, length in zip(
                    self._paths, self._digests, self._lengths, strict=True
                )
            },
            "model": self._frame.get("model"),
        }
        if self._calls:
            kept["tool_calls"] = [self._calls[key].name for key in sorted(self._calls)]
        return kept

    def _choice(self, choice: Any, pieces: list[tuple[int, str]]) -> bool:
        """Read one choice of a chunk; whether it has to do with a tool call."""
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        if index.__class__ is not int or not 0 <= index < CHOICES_MAX:
            raise TooMuch("a chunk of the reply has a choice without a usable index")
        finish = choice.get("finish_reason")
        if finish is not None or index not in self._finish:
            self._finish[index] = finish if isinstance(finish, str) else None
        tool = finish in ("tool_calls", "function_call")
        delta = choice.get("delta")
        if delta is None:
            return tool
        if not isinstance(delta, dict):
            raise TooMuch("a chunk of the reply has a delta that is not an object")
        for key, value in delta.items():
            if not value or key == "role":
                continue
            if value.__class__ is str:
                pieces.append((self._channel(index, ("delta", key), value), value))
            elif key in ("tool_calls", "function_call"):
                tool = True
                self._gather(index, key, value)
            else:
                pieces.extend(
                    (self._channel(index, text.path, text.text), text.text)
                    for text in texts_of(value, "reply", ("delta", key))
                    if not text.key
                )
        return tool

    def _channel(self, index: int, path: Path, piece: str) -> int:
        channel = self._channels.get((index, path))
        if channel is None:
            channel = len(self._paths)
            if channel >= CHANNELS_MAX:
                raise TooMuch(f"the reply has more than {CHANNELS_MAX} separate texts")
            self._channels[(index, path)] = channel
            self._paths.append((index, path))
            self._digests.append(sha256())
            self._lengths.append(0)
        data = piece.encode("utf-8", "surrogatepass")
        self._digests[channel].update(data)
        self._lengths[channel] += len(data)
        self._length += len(piece)
        return channel

    def _gather(self, index: int, key: str, value: Any) -> None:
        if key == "function_call":
            self._call((index, LEGACY)).add(value)
            return
        for place, entry in enumerate(value if isinstance(value, list) else [value]):
            call = self._call((index, _place(entry, place)))
            if not isinstance(entry, dict):
                call.add(entry)
                continue
            if "custom" in entry:
                call.kind = "custom"
            for part in ("function", "custom"):
                if part in entry:
                    call.add(entry[part])
                    self._length += len(str(entry[part]))

    def _call(self, key: tuple[int, int]) -> _Call:
        call = self._calls.get(key)
        if call is None:
            if len(self._calls) >= CALLS_MAX:
                raise TooMuch(f"the reply proposes more than {CALLS_MAX} tool calls")
            call = self._calls[key] = _Call()
        return call

    def _kept(
        self,
        choice: dict[str, Any],
        gone: Mapping[tuple[int, int], Decision],
        told: list[dict[str, Any]],
    ) -> dict[str, Any] | None:
        """One choice of a chunk without refused pieces; None where nothing is left of it."""
        index = choice.get("index", 0)
        delta = dict(choice.get("delta") or {})
        said: list[str] = []
        before = len(delta)
        entries = delta.get("tool_calls")
        if entries:
            listed = entries if isinstance(entries, list) else [entries]
            keys = [(index, _place(entry, place)) for place, entry in enumerate(listed)]
            delta["tool_calls"] = [
                _renumbered(e, key, gone)
                for key, e in zip(keys, listed, strict=True)
                if key not in gone
            ]
            if not delta["tool_calls"]:
                del delta["tool_calls"]
            said.extend(self._tell(key, gone, told) for key in keys if key in gone)
        if delta.get("function_call") and (index, LEGACY) in gone:
            del delta["function_call"]
            said.append(self._tell((index, LEGACY), gone, told))
        text = "\n".join(line for line in said if line)
        if text:
            delta["content"] = (delta.get("content") or "") + text
        finish = choice.get("finish_reason")
        if finish in ("tool_calls", "function_call") and all(
            key in gone for key in self._calls if key[0] == index
        ):
            finish = "stop"
        if before and not delta and finish is None:
            return None
        return {**choice, "delta": delta, "finish_reason": finish}

    def _tell(
        self,
        key: tuple[int, int],
        gone: Mapping[tuple[int, int], Decision],
        told: list[dict[str, Any]],
    ) -> str:
        """The notice of a refused call, once."""
        if key in self._told:
            return ""
        self._told.add(key)
        name = self._calls[key].name
        told.append(explained(name, gone[key]))
        return notice(name, gone[key])


def _distinct(choices: list[Any]) -> None:
    indices = [choice.get("index", 0) for choice in choices if isinstance(choice, dict)]
    if len(set(indices)) < len(choices):
        raise TooMuch("a chunk of the reply has two choices with one index")


def _place(entry: Any, place: int) -> int:
    index = entry.get("index", place) if isinstance(entry, dict) else place
    if index.__class__ is not int or not 0 <= index < LEGACY:
        raise TooMuch("a tool call of the reply has no usable index")
    return int(index)


def _renumbered(entry: Any, key: tuple[int, int], gone: Collection[tuple[int, int]]) -> Any:
    """A piece of a call, numbered as if the refused calls had never been proposed: clients keep
    calls in a list, and take the number for the place in it.
    """
    before = sum(choice == key[0] and place < key[1] for choice, place in gone)
    if not before or not isinstance(entry, dict) or "index" not in entry:
        return entry
    return {**entry, "index": entry["index"] - before}


def _has(value: Any, path: Path) -> bool:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(value, str)
