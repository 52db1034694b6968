"""Reversible masking: placeholders, their bounds, and where they may not go."""

from __future__ import annotations

import pytest

from aegis.builtin.guards import vault as vaults
from aegis.builtin.guards.detect import build_guard
from aegis.model import Action, Actor, Text, Verdict, rewrites

MAIL, CARD = "ann.example@mail.example.com", "4111 1111 1111 1111"
SAID = f"Write to {MAIL} ({CARD}), HTML_5 and then {MAIL}."
NOW = 1_800_000_000_000_000
MINUTE = 60_000_000


@pytest.fixture
def guard(monkeypatch):
    """A guard with a vault of its own."""
    vault = vaults.Vault()
    monkeypatch.setattr("aegis.builtin.guards.reversible.shared_vault", lambda: vault)
    return build_guard(
        {"pii": {"reversible": True, "restore_to": ["send_*"], "keep_minutes": 10}}, "input"
    )


def chat(session="s", at=NOW, principal="p"):
    return Action("chat.completions", "m", {}, "", "llm", Actor(principal, "", session), time=at)


def tool(name, session="s"):
    return Action(name, "", {}, "", "tool", Actor("p", "", session), time=NOW)


def masked(guard, text, action):
    texts = [Text(text, "prompt")]
    return rewrites(texts, guard.inspect(texts, action)).get(0, text)


def found(guard, text, action, kind="arguments"):
    return {
        (f.rule, f.verdict)
        for f in guard.inspect([Text(text, kind)], action)
        if f.category == "exfiltration"
    }


def test_a_value_with_a_lone_surrogate_is_masked_and_put_back(guard):
    said = "see https://bob:hun\udfffter2x@db.example.com/x"
    guard = build_guard({"secrets": {"reversible": True}}, "input")
    text = masked(guard, said, chat())
    assert "ter2x" not in text
    assert guard.restorer.text(text, chat()) == said


def test_what_was_masked_is_put_back_wherever_the_text_is_cut(guard):
    text = masked(guard, SAID, chat())
    assert MAIL not in text
    assert guard.restorer.text(text, chat()) == SAID
    for cut in range(len(text) + 1):
        scan = guard.restorer.scan(chat())
        spans = [*scan.feed(text[:cut]), *scan.feed(text[cut:]), *scan.close()]
        whole = text
        for start, end, value in sorted(spans, reverse=True):
            whole = whole[:start] + value + whole[end:]
        assert whole == SAID


@pytest.mark.parametrize(
    "form", ["x{}", "xy{}", "AB_{}", "7{}", "[x{}", "[{} {}x {}", "-{}.", "{}{}"]
)
def test_a_placeholder_glued_to_a_word_is_the_same_text_however_it_comes(guard, form):
    bare = masked(guard, MAIL, chat())[1:-1]
    text = form.replace("{}", bare)
    whole = [(start, end) for start, end, _ in guard.restorer.spans(text, chat())]
    for first in range(len(text) + 1):
        for second in range(first, min(first + 4, len(text)) + 1):
            scan = guard.restorer.scan(chat())
            pieces = (text[:first], text[first:second], text[second:])
            found = [span for piece in pieces for span in scan.feed(piece)] + scan.close()
            assert [(start, end) for start, end, _ in found] == whole
    scan = guard.restorer.scan(chat())
    found = [span for char in text for span in scan.feed(char)] + scan.close()
    assert [(start, end) for start, end, _ in found] == whole


def test_a_scan_holds_back_no_more_than_a_placeholder(guard):
    masked(guard, SAID, chat())
    scan = guard.restorer.scan(chat())
    length = 0
    for piece in [
        "plain words, ",
        "LOUD",
        "[" * 50,
        "A" * 500,
        "_" * 70,
        "[EMAIL_1_",
        " a" * 60,
        "\\[x_1",
    ]:
        scan.feed(piece)
        length += len(piece)
        assert length - scan.settled <= vaults.PLACEHOLDER_MAX
    assert guard.restorer.scan(chat("other")) is None


def test_brackets_may_be_lost(guard):
    text = masked(guard, MAIL, chat())
    assert guard.restorer.text(f"to {text[1:-1]}.", chat()) == f"to {MAIL}."
    assert guard.restorer.text(f"to {text[1:]}.", chat()) == f"to {MAIL}]."


CHANGED = [
    str.lower,
    str.title,
    lambda text: text.replace("_", " "),
    lambda text: text.replace("_", "-"),
    lambda text: text.replace("_", "_ "),
    lambda text: text.replace("[", "[ ").replace("]", " ]"),
    lambda text: text.replace("_", "\\_"),
    lambda text: text.replace("_", "\\_").replace("[", "\\[").replace("]", "\\]"),
]
"""What models make of a placeholder."""


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("value", [MAIL, "4111 1111 1111 1111"])
def test_a_placeholder_that_the_model_changed_is_put_back(guard, change, value):
    text = change(masked(guard, value, chat()))
    assert guard.restorer.text(f"to {text}, then", chat()) == f"to {value}, then"
    for cut in range(len(text)):
        scan = guard.restorer.scan(chat())
        pieces = (f"to {text[:cut]}", f"{text[cut:]}, then")
        found = [span for piece in pieces for span in scan.feed(piece)] + scan.close()
        assert found == [(3, 3 + len(text), value)]


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_placeholder_that_travels_is_a_finding(guard, change):
    text = change(masked(guard, MAIL, chat()))
    assert found(guard, text, tool("lookup")) == {("placeholder", Verdict.BLOCK)}
    assert found(guard, text, chat("other"), "prompt") == {("foreign_placeholder", Verdict.BLOCK)}


def test_a_session_is_forgotten_after_its_time(guard):
    text = masked(guard, MAIL, chat())
    assert guard.restorer.text(text, chat(at=NOW + 10 * MINUTE)) == MAIL
    later = chat(at=NOW + 10 * MINUTE + 1)
    assert guard.restorer.text(text, later) == text
    assert masked(guard, MAIL, later) != text


def test_what_does_not_fit_is_masked_for_good(guard, monkeypatch):
    monkeypatch.setattr(vaults, "VALUES_MAX", 1)
    assert masked(guard, MAIL, chat()).startswith("[EMAIL_1_")
    assert masked(guard, "bob@mail.example.com", chat()) == "b***@mail.example.com"
    monkeypatch.setattr(vaults, "SESSIONS_MAX", 1)
    text = masked(guard, MAIL, chat("second"))
    assert guard.restorer.text(text, chat("second")) == MAIL
    assert guard.restorer.scan(chat()) is None


@pytest.mark.parametrize("other", [chat("t"), chat(principal="q"), chat("")])
def test_sessions_and_principals_are_apart(guard, other):
    text = masked(guard, MAIL, chat())
    assert guard.restorer.text(text, other) == text
    assert found(guard, text, other, "prompt") == {("foreign_placeholder", Verdict.BLOCK)}
    assert masked(guard, MAIL, other) != text


def test_tools_get_values_only_by_name(guard):
    text = masked(guard, MAIL, chat())
    assert found(guard, text, tool("lookup")) == {("placeholder", Verdict.BLOCK)}
    assert found(guard, MAIL, tool("lookup")) == {("masked_value", Verdict.BLOCK)}
    assert found(guard, "bob@mail.example.com", tool("lookup")) == set()
    for value in (text, MAIL):
        assert found(guard, value, tool("send_mail")) == set()
    assert found(guard, text, tool("send_mail", "t")) == {("foreign_placeholder", Verdict.BLOCK)}


def test_nothing_is_kept_where_it_is_off():
    guard = build_guard({"pii": {}}, "input")
    assert guard.restorer is None
    assert masked(guard, MAIL, chat()) == "a***@mail.example.com"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reversible": "yes"}, "Expected `bool`"),
        ({"reversible": True, "keep_minutes": 0}, "Expected `int` >= 1"),
        ({"restore_to": ["x"]}, "no effect without `reversible: true`"),
        ({"reversible": True, "action": "block"}, "needs the action `mask`"),
        ({"reversible": True, "elsewhere": "mask"}, "Invalid enum value 'mask'"),
    ],
)
def test_settings_without_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_guard({"pii": options})
