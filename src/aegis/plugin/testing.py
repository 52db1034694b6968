"""Contract tests for plugin authors: call these from your own tests.

    from aegis.plugin.testing import check_guard

    def test_guard():
        check_guard(MyGuard(), hit="a text it finds something in", miss="an ordinary text")

Each check raises AssertionError with a sentence that says which promise of
`aegis.plugin.contracts` is broken. What ships with Aegis passes the same checks.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..approval import Request
from ..model import Action, ConfigError, Finding, Text, UpstreamError, Verdict, masked
from .channel import Context
from .contracts import Approver, Guard, Provider, SecretProvider, Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECES_MAX = 400
"""Most ways of cutting the hit text in two that are tried."""


def _true(condition: Any, promise: str) -> None:
    if not condition:
        raise AssertionError(promise)


def check_guard(guard: Guard, *, hit: str, miss: str, kind: str = "prompt") -> None:
    """A guard names itself, reports exact places, is deterministic, survives odd texts, and (where
    it reads in pieces) finds the same however a text is cut.

    For guards without I/O; those with it are awaited by their author's own tests.
    """
    _true(isinstance(guard, Guard), "it has every attribute of `Guard`")
    _true(guard.name and guard.version, "it has a name and a version, for the records")
    _true(guard.covers, "`covers` names the scans it performs")
    _true(guard.stages and guard.stages <= {"input", "output"}, "`stages` are input and output")
    _true(guard.pure, "its `inspect` is a plain call")
    action = Action("check", params={"text": hit})
    found = _inspect(guard, (Text(miss, kind), Text(hit, kind)), action)
    _true(found, f"it finds something in {hit!r}")
    _true(all(f.text == 1 for f in found), f"it finds nothing in {miss!r}, and says which text")
    for finding in found:
        _true(0 <= finding.start <= finding.end <= len(hit), f"{finding} lies inside the text")
        _true(0 <= finding.score <= 1000, f"{finding} has a score in thousandths")
        _true(finding.rule and finding.category, f"{finding} names its rule and category")
        _true(finding.guard, f"{finding} names its guard")
        if finding.verdict is Verdict.SANITIZE:
            _true(finding.mask is not None, f"{finding} asks to sanitize and offers a mask")
    again = _inspect(guard, (Text(miss, kind), Text(hit, kind)), action)
    _true(again == found, "it gives the same answer twice")
    for odd in ("", "\x00", "\ud800", "é" * 5_000, "\u200b" * 2_000):
        _true(
            all(f.end <= len(odd) for f in _odd(guard, Text(odd, kind), action)),
            "findings lie inside odd texts too",
        )
    _check_stream(guard, hit, kind, action)


def _inspect(guard: Guard, texts: Sequence[Text], action: Action) -> list[Finding]:
    found = guard.inspect(texts, action)
    if inspect.isawaitable(found):
        raise AssertionError("a pure guard returns its findings, not an awaitable")
    return list(found)


def _odd(guard: Guard, text: Text, action: Action) -> list[Finding]:
    """What a guard finds in an odd text; refusing to read it, by an exception, is allowed."""
    try:
        return _inspect(guard, (text,), action)
    except Exception:
        return []


def _check_stream(guard: Guard, hit: str, kind: str, action: Action) -> None:
    if guard.stream(kind) is None:
        return
    text = f"{'so it goes. ' * 30}{hit}{' and on it goes.' * 30}"
    whole = _inspect(guard, (Text(text, kind),), action)
    expected = masked(text, whole)
    step = max(1, len(text) // PIECES_MAX)
    for cut in range(0, len(text) + 1, step):
        scan = guard.stream(kind)
        if scan is None:
            raise AssertionError("`stream` gives a scanner every time or never")
        found: list[Finding] = []
        settled = 0
        for piece in (text[:cut], text[cut:]):
            fresh = list(scan.feed(piece))
            _true(all(f.start >= settled for f in fresh), "nothing is found in settled text")
            _true(scan.settled >= settled, "`settled` only grows")
            settled = scan.settled
            found += fresh
        found += scan.close()
        _true(masked(text, found) == expected, f"cut at {cut}, the masked text is the same")
        _true(
            sorted((f.rule, f.start, f.end) for f in found)
            == sorted((f.rule, f.start, f.end) for f in whole),
            f"cut at {cut}, the findings are the same",
        )


async def check_provider(provider: Provider, model: str) -> None:
    """A provider answers in the OpenAI wire, whole and in pieces, and fails with UpstreamError."""
    _true(isinstance(provider, Provider), "it has every attribute of `Provider`")
    _true(provider.name, "it has a name")
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
    answer = await provider.complete(dict(body), {})
    choice = answer["choices"][0]
    _true(answer.get("object") == "chat.completion", "a whole answer is a `chat.completion`")
    _true(choice["message"]["role"] == "assistant", "it speaks as the assistant")
    _true(choice.get("finish_reason"), "a choice says why it ended")
    _true(answer["usage"]["total_tokens"] > 0, "an answer counts its tokens")
    chunks = [
        chunk
        async for chunk in provider.stream(
            {**body, "stream": True, "stream_options": {"include_usage": True}}, {}
        )
    ]
    _true(
        all(chunk.get("object") == "chat.completion.chunk" for chunk in chunks),
        "a stream consists of `chat.completion.chunk` objects",
    )
    ends = [c["finish_reason"] for k in chunks for c in k["choices"] if c.get("finish_reason")]
    _true(len(ends) == 1, "one chunk of a choice says why it ended")
    _true(any(chunk.get("usage") for chunk in chunks), "usage is streamed where asked for")
    try:
        await provider.complete({"model": model, "messages": []}, {})
    except UpstreamError as error:
        _true(400 <= error.status <= 599, "an error carries the status to answer with")


def check_approver(made: type[Any]) -> None:
    """An approver is made of its default options, takes a request and returns at once."""
    context = Context(
        "kit",
        {},
        lambda request, person: f"https://aegis.example/{request.id}",
        lambda approval, person: "word",
    )
    approver = made(made.Settings(), context)
    _true(isinstance(approver, Approver), "it has every attribute of `Approver`")
    request = Request("ap_0123456789abcdef", "0" * 64, "action", "delete", "crm", agent="bot")
    approver.announce(request)


def check_secrets(provider: SecretProvider, *, known: str, value: str, unknown: str) -> None:
    """A secret provider gives the secret, and ConfigError where there is none."""
    _true(isinstance(provider, SecretProvider), "it has every attribute of `SecretProvider`")
    _true(provider.get(known) == value, f"`{known}` is found")
    try:
        provider.get(unknown)
    except ConfigError as error:
        _true(value not in str(error), "an error never shows a secret")
    else:
        raise AssertionError(f"`{unknown}` raises ConfigError")


def check_sink(sink: Sink) -> None:
    """A sink takes an event and returns."""
    _true(isinstance(sink, Sink), "it has every attribute of `Sink`")
    event = {
        "action": "a",
        "type": "read",
        "verdict": "allow",
        "status": "performed",
        "record": 0,
        "findings": [],
    }
    sink.emit(event)
    _true(event["findings"] == [], "an event belongs to every sink; none changes it")
