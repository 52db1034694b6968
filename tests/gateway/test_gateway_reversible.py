"""Reversible masking through the gateway: the model sees placeholders, the user the values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import openai
import pytest

MAIL, OTHER = "ann.example@mail.example.com", "bob.example@mail.example.com"
CARD = "4111 1111 1111 1111"
SAID = f'Write to {MAIL}, then {OTHER}, then {MAIL} again; charge {CARD}. "Quoted"'
PLACEHOLDER = re.compile(r"\[[A-Z_]+_\d+_[a-z2-7]{8}\]")
OPTIONS = {"reversible": True, "restore_to": ["lookup"]}


@pytest.fixture(scope="module")
def masking(upstream, tmp_path_factory):
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("gateway_conftest", Path(__file__).with_name("conftest.py"))
    conftest = module_from_spec(spec)
    spec.loader.exec_module(conftest)
    folder = tmp_path_factory.mktemp("reversible")
    policy = {
        **conftest.POLICY,
        "rules": [
            {"name": "mail", "match": {"type": "send_mail"}, "approval": "auto"},
            *conftest.POLICY["rules"],
        ],
    }
    guardrails = {"pii": {"action": "mask", "options": OPTIONS}}
    made = conftest.Gateway(
        conftest.configured(folder, upstream, guardrails=guardrails, policy=policy)
    )
    yield made
    made.stop()


@pytest.fixture
def client(masking):
    with openai.OpenAI(
        base_url=f"{masking.url}/v1", api_key=masking.keys["plain"], max_retries=0
    ) as made:
        yield made


def asked(content, session="s1", **more):
    messages = [{"role": "user", "content": content}]
    return {"messages": messages, "extra_headers": {"x-aegis-session": session}, **more}


def seen(upstream):
    """What the model read last."""
    return upstream.seen()["last"]["messages"][-1]["content"]


def whole(client, model, content, session="s1", **more):
    reply = client.chat.completions.create(model=model, **asked(content, session, **more))
    return reply.choices[0].message


def streamed(client, model, content, session="s1"):
    stream = client.chat.completions.create(model=model, stream=True, **asked(content, session))
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_the_model_sees_placeholders_and_the_user_the_values(client, upstream):
    assert whole(client, "repeat", SAID).content == SAID
    read = seen(upstream)
    assert MAIL not in read
    assert "1111" not in read
    first, second, third, card = PLACEHOLDER.findall(read)
    assert first == third != second
    assert first.startswith("[EMAIL_1_")
    assert card.startswith("[CREDIT_CARD_1_")


def test_a_stream_is_restored_letter_by_letter(client):
    assert streamed(client, "repeat", SAID) == SAID


def test_placeholders_are_stable_within_a_session_and_differ_between_sessions(client, upstream):
    def placeholder(session):
        whole(client, "repeat", f"for {MAIL}", session)
        return PLACEHOLDER.search(seen(upstream))[0]

    assert placeholder("s1") == placeholder("s1") != placeholder("s2")


def test_the_conversation_goes_on_with_the_same_placeholders(client, upstream):
    messages = [
        {"role": "user", "content": f"for {MAIL}"},
        {"role": "assistant", "content": f"I wrote to {MAIL}"},
        {"role": "tool", "tool_call_id": "call_1", "content": f'{{"sent": "{MAIL}"}}'},
        {"role": "user", "content": "and again"},
    ]
    client.chat.completions.create(
        model="repeat", messages=messages, extra_headers={"x-aegis-session": "s3"}
    )
    sent = json.dumps(upstream.seen()["last"])
    assert MAIL not in sent
    assert len(set(PLACEHOLDER.findall(sent))) == 1


def test_requests_without_a_session_share_that_of_their_key(masking, upstream):
    read = []
    for key in ("plain", "plain", "bound"):
        reply = masking.chat("repeat", MAIL, key=key)
        assert reply.json["choices"][0]["message"]["content"] == MAIL
        read.append(seen(upstream))
    assert read[0] == read[1] != read[2]


def test_a_placeholder_of_another_session_is_refused_and_not_restored(client, upstream):
    whole(client, "repeat", MAIL, "s4")
    stolen = seen(upstream)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        whole(client, "repeat", f"who is {stolen}?", "s5")
    about = caught.value.body["aegis"]
    assert about["rule"] == "guard:foreign_placeholder"
    assert "another session" in about["advice"]


def test_an_invented_placeholder_is_only_text(client):
    said = f"[EMAIL_1_aaaaaaaa] and {MAIL}"
    assert whole(client, "repeat", said).content == said


def arguments(client, model, stream):
    if not stream:
        calls = whole(client, model, f'to "{MAIL}"', "s6").tool_calls
    else:
        with client.chat.completions.stream(model=model, **asked(f'to "{MAIL}"', "s6")) as events:
            calls = events.get_final_completion().choices[0].message.tool_calls
    return json.loads(calls[0].function.arguments) if calls else None


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_may_have_the_value_gets_it(client, stream):
    assert arguments(client, "forward:lookup", stream) == {"to": f'to "{MAIL}"', "n": 1}


@pytest.mark.parametrize("stream", [False, True])
def test_a_placeholder_that_travels_to_another_tool_is_a_finding(client, masking, stream):
    assert arguments(client, "forward:send_mail", stream) is None
    kept = b"".join(path.read_bytes() for path in Path(masking.config).parent.glob("home/ledger*"))
    assert b'"category":"exfiltration"' in kept
    assert b'"rule":"placeholder"' in kept


def test_a_masked_value_that_travels_to_another_tool_is_a_finding(client):
    whole(client, "repeat", MAIL, "s7")
    message = whole(client, f"call-as:send_mail:{MAIL}", "hi", "s7")
    assert not message.tool_calls
    assert "masked in this session" in message.content


def test_no_value_is_in_the_ledger_or_anywhere_on_disk(client, masking):
    assert whole(client, "repeat", SAID).content == SAID
    assert streamed(client, "repeat", SAID) == SAID
    home = Path(masking.config).parent / "home"
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"EMAIL_1_" in kept
    assert b"ann.example@" not in kept
