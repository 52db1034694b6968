"""The official OpenAI SDK against the gateway, sync and async."""

from __future__ import annotations

import asyncio

import openai
import pytest

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Look something up.",
            "parameters": {
                "type": "object",
                "properties": {"id": {"type": "integer"}},
                "required": ["id"],
            },
        },
    }
]
HI = [{"role": "user", "content": "hi there"}]


@pytest.fixture
def client(gateway):
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0
    ) as made:
        yield made


def test_a_completion(client):
    reply = client.chat.completions.create(model="offline", messages=HI)
    assert reply.choices[0].message.content == "You said: hi there"
    assert reply.usage.total_tokens > 0


def test_a_stream_with_usage(client):
    stream = client.chat.completions.create(
        model="offline", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "You said: hi there"
    assert chunks[-1].usage.completion_tokens > 0


def test_the_stream_helper_accumulates_tool_calls(client):
    with client.chat.completions.stream(model="offline-tools", messages=HI, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("lookup", '{"id":1}')


@pytest.mark.parametrize("model", ["tools", "tools:backwards"])
def test_the_stream_helper_takes_what_is_left_of_the_calls(client, model):
    with client.chat.completions.stream(model=model, messages=HI, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("lookup", '{"id":7}')


def test_a_tool_round_trip(client):
    first = client.chat.completions.create(model="offline-tools", messages=HI, tools=TOOLS)
    call = first.choices[0].message.tool_calls[0]
    messages = [
        *HI,
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Ann"},
    ]
    last = client.chat.completions.create(model="offline-tools", messages=messages, tools=TOOLS)
    assert last.choices[0].message.content == "The tool answered: Ann"


def test_models(client):
    assert {model.id for model in client.models.list()} >= {"offline", "offline-tools"}
    assert client.models.retrieve("offline").id == "offline"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("forbidden", openai.PermissionDeniedError),
        ("429", openai.RateLimitError),
        ("400", openai.BadRequestError),
        ("500", openai.InternalServerError),
        ("hang", openai.InternalServerError),
    ],
)
def test_errors_are_the_sdks_own_classes(client, model, error):
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HI)
    assert caught.value.request_id
    assert caught.value.body["code"]


def test_a_bad_key(gateway):
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-aegis-no") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_a_broken_stream_raises(client):
    stream = client.chat.completions.create(model="error-event", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="model crashed"):
        list(stream)


def test_the_raw_response_has_our_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="offline", messages=HI)
    assert raw.headers["x-aegis-verdict"] == "allow"
    assert raw.parse().choices[0].finish_reason == "stop"


def test_many_at_once_async(gateway):
    async def go():
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0
        ) as client:

            async def whole(number):
                messages = [{"role": "user", "content": f"number {number}"}]
                reply = await client.chat.completions.create(model="offline", messages=messages)
                return reply.choices[0].message.content

            async def streamed(number):
                messages = [{"role": "user", "content": f"number {number}"}]
                stream = await client.chat.completions.create(
                    model="offline", messages=messages, stream=True
                )
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return await asyncio.gather(
                *(whole(n) for n in range(20)), *(streamed(n) for n in range(20))
            )

    said = asyncio.run(go())
    assert said == [f"You said: number {n}" for n in (*range(20), *range(20))]
