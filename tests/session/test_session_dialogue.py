"""Conversations in the shapes of OpenAI and Anthropic."""

import pytest

from aegis.session.dialogue import Said, said

OPENAI = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url"}]},
    {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "get_page"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "page"},
    {"role": "tool", "tool_call_id": "c9", "content": [{"type": "text", "text": "other"}]},
    {"role": "user", "content": "go on"},
]
ANTHROPIC = [
    {"role": "user", "content": "look"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_page"}]},
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [{"type": "text", "text": "p"}],
            },
            {"type": "text", "text": "go on"},
        ],
    },
]


def test_openai():
    assert list(said({"messages": OPENAI})) == [
        Said("look"),
        Said("page", "get_page"),
        Said("other", "*"),
        Said("go on"),
    ]


def test_anthropic():
    assert list(said({"messages": ANTHROPIC})) == [
        Said("look"),
        Said("p", "get_page"),
        Said("go on"),
    ]


@pytest.mark.parametrize(
    "messages",
    [
        None,
        "x",
        [None],
        [{}],
        [{"role": "tool"}],
        [{"role": "user", "content": [7, {"text": 3}]}],
        [{"role": "assistant", "tool_calls": [None, {"function": 3}], "content": [3]}],
    ],
)
def test_odd_shapes_bring_nothing_said(messages):
    assert all(part.tool for part in said({"messages": messages}))
