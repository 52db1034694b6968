"""The OpenAI-compatible provider and its HTTP client, against an upstream in another process."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from aegis.builtin.providers.openai_compatible import OpenAICompatible
from aegis.kernel.settings import ProviderSettings
from aegis.model import ConfigError, UpstreamError

KEY = "sk-upstream-secret"


def provider(upstream, **settings):
    given = {"base_url": upstream.url, "api_key": KEY, "timeout_seconds": 0.6, "idle_seconds": 0.5}
    return OpenAICompatible("up", ProviderSettings("openai_compatible", **{**given, **settings}))


def body(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def ask(upstream, model, **settings):
    async def go():
        made = provider(upstream, **settings)
        try:
            return await made.complete(body(model), {})
        finally:
            await made.close()

    return run(go())


def chunks(upstream, model, **settings):
    async def go():
        made = provider(upstream, **settings)
        try:
            stream = made.stream(body(model, stream_options={"include_usage": True}), {})
            return [event async for event in stream]
        finally:
            await made.close()

    return run(go())


def said(reply):
    return reply["choices"][0]["message"]["content"]


def streamed_text(events):
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])


@pytest.mark.parametrize(
    ("model", "content"),
    [
        ("normal", "Hello from upstream."),
        ("slow", "Hello from upstream."),
        ("trickle", "drop by drop"),
        ("odd-chunks", "oddly chunked"),
        ("close-delimited", "until close"),
        ("interim", "late"),
        ("no-keep-alive", "Hello from upstream."),
        ("two-answers", "first"),
    ],
)
def test_every_proper_framing_is_read(upstream, model, content):
    reply = ask(upstream, model)
    assert said(reply) == content
    assert reply["x_unknown"] == {"kept": True}


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("truncated", 502, "broke off"),
        ("truncated-chunks", 502, "broke off"),
        ("invalid-json", 502, "not JSON"),
        ("not-a-completion", 502, "not a chat completion"),
        ("not-http", 502, "HTTP/1.1"),
        ("close-unanswered", 502, "without an answer"),
        ("big-head", 502, "headers exceed"),
        ("endless-trailers", 502, "headers exceed"),
        ("hang", 504, "did not answer"),
        ("half", 504, "went silent"),
        ("429", 429, "slow down"),
        ("400", 400, "bad field"),
        ("401", 502, "credentials"),
        ("500", 502, "status 500"),
        ("503", 503, "overloaded"),
        ("302", 502, "redirect"),
    ],
)
def test_every_failure_has_its_status_and_words(upstream, model, status, words):
    with pytest.raises(UpstreamError, match=words) as caught:
        ask(upstream, model)
    assert caught.value.status == status
    assert caught.value.began
    assert KEY not in str(caught.value)


def test_retry_after_is_carried(upstream):
    with pytest.raises(UpstreamError) as caught:
        ask(upstream, "429")
    assert caught.value.retry_after == 7


def test_retry_after_is_that_of_the_answer_itself_whatever_stands_around_it(upstream):
    with pytest.raises(UpstreamError, match="later") as caught:
        ask(upstream, "429-and-noise")
    assert caught.value.retry_after == 8


@pytest.mark.parametrize("model", ["normal", "byte-by-byte", "crlf", "slow"])
def test_streams_are_read_however_they_are_cut(upstream, model):
    events = chunks(upstream, model)
    assert streamed_text(events) == "Hellofromtheupstreamstream."
    assert events[-1]["usage"]["total_tokens"] == 12


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("no-done", "broke off"),
        ("breaks-off", "broke off"),
        ("stalls", "went silent"),
        ("bad-event", "not JSON"),
        ("error-event", "model crashed"),
        ("json-instead", "event stream was asked"),
        ("429", "slow down"),
        ("hang", "did not answer"),
        ("close-unanswered", "without an answer"),
    ],
)
def test_a_broken_stream_never_looks_complete(upstream, model, words):
    with pytest.raises(UpstreamError, match=words) as caught:
        chunks(upstream, model)
    assert KEY not in str(caught.value)


def test_connections_are_used_again(upstream):
    async def go():
        made = provider(upstream)
        before = upstream.seen()["connections"]
        for _ in range(20):
            await made.complete(body("normal"), {})
            async for _ in made.stream(body("normal"), {}):
                pass
        await made.close()
        return upstream.seen()["connections"] - before

    assert run(go()) <= 3  # one, and the two looks at `seen`


def test_no_more_connections_than_allowed_and_nobody_starves(upstream):
    async def go():
        made = provider(upstream, connections=4)
        before = upstream.seen()["connections"]
        replies = await asyncio.gather(*(made.complete(body("normal"), {}) for _ in range(100)))
        await made.close()
        return len(replies), upstream.seen()["connections"] - before

    count, opened = run(go())
    assert count == 100
    assert opened <= 4 + 2


def test_waiting_for_a_connection_ends(upstream):
    async def go():
        made = provider(upstream, connections=1, connect_seconds=0.2, timeout_seconds=5.0)
        holder = asyncio.create_task(made.complete(body("hang"), {}))
        await asyncio.sleep(0.05)
        try:
            with pytest.raises(UpstreamError, match="were busy") as caught:
                await made.complete(body("normal"), {})
            assert (caught.value.status, caught.value.began) == (503, False)
        finally:
            holder.cancel()
            await asyncio.gather(holder, return_exceptions=True)
        assert said(await made.complete(body("normal"), {})) == "Hello from upstream."
        await made.close()

    run(go())


def test_a_cancelled_caller_closes_its_connection(upstream):
    async def go():
        made = provider(upstream, timeout_seconds=30.0)
        before = upstream.seen()["left"]
        task = asyncio.create_task(made.complete(body("hang"), {}))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if upstream.seen()["left"] > before:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the upstream was not told")
        await made.close()

    run(go())


def test_a_cancelled_waiter_loses_no_connection(upstream):
    async def go():
        made = provider(upstream, connections=1, timeout_seconds=5.0)
        for _ in range(20):
            tasks = [asyncio.create_task(made.complete(body("normal"), {})) for _ in range(5)]
            await asyncio.sleep(0.001)
            for task in tasks[1::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert said(await made.complete(body("normal"), {})) == "Hello from upstream."
        await made.close()

    run(go())


def test_a_stream_left_early_closes_its_connection(upstream):
    async def go():
        made = provider(upstream)
        before = upstream.seen()["left"]
        stream = made.stream(body("endless"), {})
        async for _ in stream:
            break
        await stream.aclose()
        for _ in range(100):
            if upstream.seen()["left"] > before:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the upstream was not told")
        await made.close()

    run(go())


def test_a_slow_reader_stops_the_upstream(upstream):
    """An endless upstream fills neither memory nor time: reading pauses, and no silence is blamed
    on the upstream meanwhile."""
    import resource

    async def go():
        made = provider(upstream, idle_seconds=0.3)
        stream = made.stream(body("endless"), {})
        await anext(stream)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.sleep(1.0)
        for _ in range(2000):
            await anext(stream)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        await stream.aclose()
        await made.close()
        return grown

    assert run(go()) < 30_000  # KiB


def test_nobody_listening_is_unavailable_and_not_begun():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ProviderSettings("openai_compatible", base_url=f"http://127.0.0.1:{port}/v1")
    made = OpenAICompatible("up", settings)
    with pytest.raises(UpstreamError, match="cannot connect") as caught:
        run(made.complete(body("normal"), {}))
    assert (caught.value.status, caught.value.began) == (503, False)


def test_a_server_that_restarts_between_requests_is_reached_again():
    async def answering(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(65536)
        reply = json.dumps({"choices": []}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(reply), reply))
        await writer.drain()
        writer.close()  # although keep-alive was promised

    async def go():
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        made = OpenAICompatible("up", ProviderSettings("openai_compatible", base_url=url))
        for _ in range(5):
            assert await made.complete(body("x"), {}) == {"choices": []}
            await asyncio.sleep(0.02)
        await made.close()
        server.close()

    run(go())


def test_it_can_be_used_from_one_event_loop_after_another(upstream):
    made = provider(upstream)
    for _ in range(3):
        assert said(run(made.complete(body("normal"), {}))) == "Hello from upstream."


def test_what_is_sent_is_what_was_given(upstream):
    given = {
        **body("echo"),
        "temperature": 0.1,
        "seed": 1 << 60,
        "unknown": {"a": [None, True, "ß\u2028"]},
    }

    async def go():
        made = provider(upstream, headers={"x-team": "red"})
        reply = await made.complete(given, {"x-request-id": "r1"})
        await made.close()
        return reply

    assert json.loads(said(run(go()))) == given
    head = upstream.seen()["head"].lower()
    assert f"authorization: bearer {KEY}" in head
    assert "x-team: red" in head
    assert "x-request-id: r1" in head
    assert head.startswith("post /v1/chat/completions http/1.1")


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://x"},
        {"base_url": "https://user:pw@x/v1"},
        {"base_url": "http://x/v1?key=1"},
        {"base_url": "http://x:99999/"},
        {"base_url": "http://x\r\ny/"},
        {"base_url": ""},
        {"headers": {"x-a": "b\r\nx-c: d"}},
        {"headers": {"x a": "b"}},
        {"headers": {"Content-Length": "3"}},
        {"api_key": "a\nb"},
        {"options": {"stream_usages": True}},
        {"base_url": "https://x", "options": {"ca_file": "/nowhere.pem"}},
    ],
)
def test_unusable_settings_are_refused_before_anything_is_sent(settings):
    given = {"base_url": "http://127.0.0.1:1/v1", **settings}
    with pytest.raises(ConfigError):
        OpenAICompatible("up", ProviderSettings("openai_compatible", **given))


def test_stream_usage_can_be_left_out(upstream):
    events = chunks(upstream, "normal", options={"stream_usage": False})
    assert "usage" not in events[-1]
    assert "stream_options" not in upstream.seen()["last"]


def test_models_are_those_named_not_globs(upstream):
    assert provider(upstream, models=("gpt-5", "gpt-*")).models() == ("gpt-5",)


def test_the_deadline_is_kept(upstream):
    began = time.monotonic()
    with pytest.raises(UpstreamError):
        ask(upstream, "hang", timeout_seconds=0.4)
    assert 0.35 < time.monotonic() - began < 2.0
