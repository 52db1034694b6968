"""How the flow reads the OpenAI chat-completions wire (`POST /v1/chat/completions`).

A request becomes one action of type `chat.completions` whose target is the model and whose params
are the body. Records hold its shape and a digest, never its texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...model import NO_USAGE, Action, Text, Usage, put, texts_of
from .chat_calls import argument_texts, calls_of, child, explained, notice
from .chat_stream import ChatReader
from .chat_texts import closed, request_texts
from .digests import digest_of
from .usage import stated_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...model import Decision, Path

TYPE = "chat.completions"
"""The action type of a chat completion."""

SAMPLING = frozenset(
    (
        "temperature",
        "top_p",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "stream",
        "reasoning_effort",
    )
)
"""Request fields that records keep as they are."""


class ChatView:
    """Reads and rewrites chat completions. Holds no state; one serves all requests."""

    plain: bool = False
    private: bool = True
    read: bool = False

    def texts(self, action: Action) -> Sequence[Text]:
        """The texts of the request, by kind."""
        return request_texts(action.params)

    def rewrite(self, action: Action, edits: Mapping[Path, str]) -> Action:
        """The request with some texts replaced; files given as data URLs stay such."""
        params = action.params
        placed = {path: closed(_at(params, path), text) for path, text in edits.items()}
        return msgspec.structs.replace(action, params=put(params, placed))

    def recorded(self, action: Action) -> Any:
        """Model, shape, sampling fields and the digest of the messages."""
        body = action.params
        messages = body.get("messages")
        if not isinstance(messages, list):
            messages = []
        kept: dict[str, Any] = {
            "messages": len(messages),
            "model": body.get("model"),
            "roles": _roles(messages),
            "content": digest_of(messages),
        }
        for name, value in body.items():
            if name in SAMPLING:
                # records hold no floats: their printed forms differ between languages
                kept[name] = str(value) if isinstance(value, float) else value
        tools = body.get("tools")
        if isinstance(tools, list):
            kept["tools"] = len(tools)
            kept["tools_content"] = digest_of(tools)
        return kept

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """The texts of every choice: content, refusal, reasoning; not its tool calls."""
        found: list[Text] = []
        for index, choice in enumerate(_choices(value)):
            message = choice.get("message") if isinstance(choice, dict) else None
            if not isinstance(message, dict):
                found.extend(texts_of(choice, "reply", ("choices", index)))
                continue
            for key, item in message.items():
                if not item or key in _UNSPOKEN:
                    continue
                path = ("choices", index, "message", key)
                if item.__class__ is str:
                    found.append(Text(item, "reply", path))
                else:
                    found.extend(_spoken(texts_of(item, "reply", path)))
        return found

    def rewrite_reply(self, value: Any, edits: Mapping[Path, str]) -> Any:
        """The reply with some texts replaced, and without the log probabilities that would spell
        the originals out.
        """
        value = put(value, dict(edits))
        for index in {path[1] for path in edits if len(path) > 1}:
            choice = value["choices"][index]
            if isinstance(choice, dict) and choice.get("logprobs") is not None:
                value["choices"][index] = {**choice, "logprobs": None}
        return value

    def reply_recorded(self, value: Any) -> Any:
        """Shape and digest of the reply."""
        choices = _choices(value)
        finish: list[Any] = []
        names: list[str] = []
        for choice in choices:
            finish.append(choice.get("finish_reason") if isinstance(choice, dict) else None)
            names.extend(name for name, _ in _proposed(choice))
        about = value if isinstance(value, dict) else {}
        kept: dict[str, Any] = {
            "choices": len(choices),
            "finish": finish,
            "content": digest_of(choices, about.get("id")),
            "model": about.get("model"),
        }
        if names:
            kept["tool_calls"] = names
        return kept

    def calls(self, action: Action, value: Any) -> Sequence[Action]:
        """The tool calls of all choices, in order."""
        found: list[Action] = []
        for choice in _choices(value):
            for name, arguments in _proposed(choice):
                found.append(child(action, len(found), name, arguments))
        return found

    def refuse_calls(self, value: Any, refused: Mapping[int, Decision]) -> Any:
        """The reply without the refused calls; its content says what was refused and why."""
        position = 0
        choices: list[Any] = []
        told: list[dict[str, Any]] = []
        for choice in _choices(value):
            message = _message(choice)
            calls = calls_of(message)
            gone = {i: refused[position + i] for i in range(len(calls)) if position + i in refused}
            position += len(calls)
            if gone and message is not None:
                told.extend(explained(calls[i][0], decision) for i, decision in gone.items())
                choice = _without(choice, message, calls, gone)
            choices.append(choice)
        return {**value, "choices": choices, "aegis": {"refused_calls": told}}

    def call_texts(self, value: Any) -> Sequence[tuple[str, Text]]:
        """The name of every proposed call, and its arguments where they are text."""
        found: list[tuple[str, Text]] = []
        for index, choice in enumerate(_choices(value)):
            base: Path = ("choices", index, "message")
            found.extend(
                (name, Text(text, "arguments", (*base, *path)))
                for name, path, text in argument_texts(_message(choice))
            )
        return found

    def usage(self, value: Any) -> Usage:
        """The usage the provider states; where it states none, output at four characters a
        token, so that a silent upstream does not escape every budget.
        """
        stated = value.get("usage") if isinstance(value, dict) else None
        if isinstance(stated, dict):
            return stated_usage(stated)
        length = sum(len(text.text) for text in self.reply_texts(_NONE, value))
        return Usage(0, (length + 3) // 4) if length else NO_USAGE

    def reader(self, action: Action) -> ChatReader:
        """A reader for a streamed reply."""
        return ChatReader(action)


_NONE = Action(TYPE)

_UNSPOKEN = frozenset(("role", "tool_calls", "function_call"))
"""Fields of a reply's message that are no texts of it; its calls are judged for themselves."""

CHAT = ChatView()
"""The view every chat completion is read through."""


def _choices(value: Any) -> list[Any]:
    choices = value.get("choices") if isinstance(value, dict) else None
    return choices if isinstance(choices, list) else []


def _message(choice: Any) -> dict[str, Any] | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    return message if isinstance(message, dict) else None


def _proposed(choice: Any) -> Sequence[tuple[str, Any]]:
    """The tool calls of a choice; most have none."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if isinstance(message, dict) and ("tool_calls" in message or "function_call" in message):
        return calls_of(message)
    return ()


def _roles(messages: list[Any]) -> list[str]:
    return [
        role if isinstance(message, dict) and isinstance(role := message.get("role"), str) else "?"
        for message in messages[:100]
    ]


def _spoken(texts: list[Text]) -> list[Text]:
    """Texts without the base64 of generated audio, which no guard can read."""
    return [text for text in texts if text.path[-1] != "data" or len(text.text) < 256]


def _without(
    choice: dict[str, Any],
    message: dict[str, Any],
    calls: list[tuple[str, Any]],
    gone: dict[int, Decision],
) -> dict[str, Any]:
    """One choice without some of its calls."""
    message = dict(message)
    entries = message.get("tool_calls")
    listed = len(entries) if isinstance(entries, list) else int(bool(entries))
    if isinstance(entries, list):
        message["tool_calls"] = [entry for i, entry in enumerate(entries) if i not in gone]
    if not isinstance(entries, list) or not message["tool_calls"]:
        message.pop("tool_calls", None)
    if listed in gone:
        message.pop("function_call", None)
    said = [notice(calls[i][0], decision) for i, decision in gone.items()]
    content = message.get("content")
    if isinstance(content, str) and content:
        said.insert(0, content)
    message["content"] = "\n".join(said)
    left = message.get("tool_calls") or message.get("function_call")
    finish = choice.get("finish_reason") if left else "stop"
    return {**choice, "message": message, "finish_reason": finish}


def _at(value: Any, path: Path) -> str:
    for step in path:
        value = value[step]
    return value if isinstance(value, str) else ""
