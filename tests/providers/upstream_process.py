"""An upstream in a process of its own, speaking the OpenAI wire over TCP: well, badly, or not.

The model name picks the manners (see MANNERS). `GET /seen` tells what it saw, for tests about
connections and clients that leave. Run as a script; it prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

SEEN = {"requests": 0, "connections": 0, "left": 0, "last": None, "head": ""}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def completion(content: str = "Hello from upstream.", **message: object) -> dict:
    reply = {"role": "assistant", "content": content, **message}
    finish = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, "message": reply, "finish_reason": finish}],
        "usage": USAGE,
        "x_unknown": {"kept": True},
    }


def chunk(delta: dict, finish: str | None = None, **more: object) -> dict:
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def answer(status: int, body: object, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", "content-type: application/json"]
    return "\r\n".join([*head, *headers, f"content-length: {len(data)}", "", ""]).encode() + data


SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def text_stream(body: dict, text: str) -> bytes:
    events = [event(chunk({"role": "assistant", "content": ""}))]
    events += [event(chunk({"content": word})) for word in text.split(" ")]
    events.append(event(chunk({}, "stop")))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(event({**chunk({}), "choices": [], "usage": USAGE}))
    return b"".join([*events, b"data: [DONE]\n\n"])


CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"id":7}'}},
    {"id": "call_2", "type": "function", "function": {"name": "delete_user", "arguments": "{}"}},
]


def last(body: dict) -> str:
    return str(body["messages"][-1]["content"])


def forwarding(body: dict, tool: str) -> list[dict]:
    function = {"name": tool, "arguments": json.dumps({"to": last(body), "n": 1})}
    return [{"id": "call_1", "type": "function", "function": function}]


def tool_stream(calls: list[dict]) -> bytes:
    events = [event(chunk({"role": "assistant", "content": None}))]
    for index, call in enumerate(calls):
        first = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        events.append(event(chunk({"tool_calls": [first]})))
        for letter in call["function"]["arguments"]:
            part = {"index": index, "function": {"arguments": letter}}
            events.append(event(chunk({"tool_calls": [part]})))
    events.append(event(chunk({}, "tool_calls")))
    return b"".join([*events, b"data: [DONE]\n\n"])


def refusal(model: str) -> bytes:
    """The answer of an upstream that refuses; nothing for other models."""
    if model == "429":
        error = {"error": {"message": "slow down", "type": "rate", "code": "rate_limit"}}
        return answer(429, error, "retry-after: 7")
    if model == "429-and-noise":
        hint = b"HTTP/1.1 103 Early Hints\r\nretry-after: 99\r\n\r\n"
        return hint + answer(429, {"error": {"message": "later"}}, "Retry-After: 8") + b"\0noise"
    if model == "400":
        error = {"error": {"message": "bad key sk-upstream-secret and bad field", "param": "n"}}
        return answer(400, error)
    if model == "quotes":
        return answer(400, {"error": {"message": "no such user bob.smith@example.com"}})
    if model == "401":
        return answer(401, {"error": {"message": "Incorrect API key sk-upstream-secret"}})
    if model == "500":
        return answer(500, b"<html>boom sk-upstream-secret</html>")
    if model == "503":
        return answer(503, {"error": {"message": "overloaded"}}, "retry-after: 3")
    if model == "302":
        return answer(302, {}, "location: http://127.0.0.1:1/")
    return b""


def proposed(order: str) -> list[dict]:
    """The calls of `tools`; of `tools:backwards`, the last one first."""
    return CALLS[::-1] if order == "backwards" else CALLS


def spoken(body: dict, model: str) -> dict | None:
    """The reply of a model whose name says what to say or call."""
    manner, _, what = model.partition(":")
    if manner == "echo":
        return completion(json.dumps(body))
    if manner == "say":
        return completion(what)
    if manner == "repeat":
        return completion(last(body))
    if manner == "tools":
        return completion(None, tool_calls=proposed(what))
    if manner == "forward":
        return completion(None, tool_calls=forwarding(body, what))
    if manner in ("call", "call-as"):
        tool, _, value = what.partition(":") if manner == "call-as" else ("lookup", "", what)
        function = {"name": tool, "arguments": json.dumps({"to": value})}
        call = {"id": "call_1", "type": "function", "function": function}
        return completion(None, tool_calls=[call])
    return None


async def whole(writer: asyncio.StreamWriter, body: dict, model: str) -> bool:
    """Answer a request for a whole completion; whether the connection stays open."""
    send = writer.write
    if refused := refusal(model):
        send(refused)
    elif obliging := spoken(body, model):
        send(answer(200, obliging))
    elif model == "slow":
        await asyncio.sleep(0.3)
        send(answer(200, completion()))
    elif model == "trickle":
        for byte in answer(200, completion("drop by drop")):
            send(bytes([byte]))
            await writer.drain()
    elif model == "odd-chunks":
        data = json.dumps(completion("oddly chunked")).encode()
        send(SSE.replace(b"text/event-stream", b"application/json"))
        for start in range(0, len(data), 3):
            send(piece(data[start : start + 3]))
        send(b"0\r\nx-trailer: 1\r\n\r\n")
    elif model == "close-delimited":
        send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        send(json.dumps(completion("until close")).encode())
        return False
    elif model == "interim":
        send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + answer(200, completion("late")))
    elif model == "truncated":
        send(answer(200, completion())[:-20])
        return False
    elif model == "truncated-chunks":
        send(SSE + piece(b'{"choices":'))
        return False
    elif model == "invalid-json":
        send(answer(200, b'{"choices": [oops'))
    elif model == "not-a-completion":
        send(answer(200, [1, 2]))
    elif model == "not-http":
        send(b"SMTP ready\r\n\r\n")
        return False
    elif model == "two-answers":
        send(answer(200, completion("first")) + answer(200, completion("smuggled")))
    elif model == "close-unanswered":
        return False
    elif model == "big-head":
        send(answer(200, completion(), *(f"x-{i}: {'y' * 1000}" for i in range(100))))
    elif model == "endless-trailers":
        send(SSE + piece(json.dumps(completion("on and on")).encode()) + b"0\r\n")
        for _ in range(100):
            send(b"x-trailer: %b\r\n" % (b"y" * 1000))
            await writer.drain()
        await asyncio.sleep(600)
    elif model == "hang":
        await asyncio.sleep(600)
    elif model == "half":
        send(answer(200, completion())[:-20])
        await asyncio.sleep(600)
    elif model == "no-keep-alive":
        send(answer(200, completion(), "connection: close"))
        return False
    else:
        send(answer(200, completion()))
    return True


async def streamed(writer: asyncio.StreamWriter, body: dict, model: str) -> bool:
    """Answer a request for a stream; whether the connection stays open."""
    send = writer.write
    if model in ("hang", "quotes", "429", "500", "400", "401", "close-unanswered", "not-http"):
        return await whole(writer, body, model)
    if model == "json-instead":
        return await whole(writer, body, "normal")
    data = text_stream(body, "Hello from the upstream stream.")
    if model.startswith("say:"):
        send(SSE)
        text, at = model[4:], body.get("split_at")
        for part in text if at is None else (text[:at], text[at:]):
            send(piece(event(chunk({"content": part}))))
        send(piece(event(chunk({}, "stop")) + b"data: [DONE]\n\n") + b"0\r\n\r\n")
        return True
    if model.startswith("tools"):
        data = tool_stream(proposed(model[6:]))
    elif model.startswith("forward:"):
        data = tool_stream(forwarding(body, model[8:]))
    elif model == "repeat":
        said = [event(chunk({"content": letter})) for letter in last(body)]
        data = b"".join([*said, event(chunk({}, "stop")), b"data: [DONE]\n\n"])
    elif model == "crlf":
        data = b": hi\r\n\r\nid: 1\r\nevent: x\r\n" + data.replace(b"\n", b"\r\n")
    elif model == "no-done":
        send(SSE + piece(data.removesuffix(b"data: [DONE]\n\n")) + b"0\r\n\r\n")
        return True
    elif model == "bad-event":
        data = data[: data.index(b"\n\n") + 2] + b"data: {oops\n\n"
    elif model == "error-event":
        failure = {"error": {"message": "model crashed near sk-upstream-secret"}}
        data = data[: data.index(b"\n\n") + 2] + event(failure)
    send(SSE)
    if model == "byte-by-byte":
        for byte in data:
            send(piece(bytes([byte])))
            await writer.drain()
    elif model == "breaks-off":
        send(piece(data[: len(data) // 2]))
        await writer.drain()
        return False
    elif model == "stalls":
        send(piece(data[: len(data) // 2]))
        await asyncio.sleep(600)
    elif model == "endless":
        filler = "x" * 900
        while True:
            send(piece(event(chunk({"content": filler}))))
            await writer.drain()
    elif model == "slow":
        for block in data.split(b"\n\n")[:-1]:
            send(piece(block + b"\n\n"))
            await asyncio.sleep(0.05)
    elif model == "late":
        await asyncio.sleep(0.8)
        send(piece(data))
    else:
        send(piece(data))
    send(b"0\r\n\r\n")
    return True


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    SEEN["connections"] += 1
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if head.startswith("GET /seen"):
                writer.write(answer(200, SEEN))
                continue
            lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
            data = await reader.readexactly(int(lines.get("content-length", 0)))
            body = json.loads(data)
            SEEN["requests"] += 1
            SEEN["last"], SEEN["head"] = body, head
            work = (streamed if body.get("stream") else whole)(writer, body, body["model"])
            task = asyncio.create_task(work)
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            lost = task.done() and task.exception() is not None
            if not task.done() or lost or (gone.done() and gone.exception() is not None):
                SEEN["left"] += not task.done() or lost
                task.cancel()
                gone.cancel()
                await asyncio.gather(task, gone, return_exceptions=True)
                break
            if gone.done() and not gone.result():
                break
            if not task.result():
                gone.cancel()
                break
            await writer.drain()
            # the one byte read ahead belongs to the next request
            first = await gone
            if not first:
                break
            reader._buffer[:0] = first
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    watch = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with server:
        await watch


if __name__ == "__main__":
    asyncio.run(main())
