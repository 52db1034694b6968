"""What people may write when they answer: exact forms, and nothing that merely holds one."""

import pytest

from aegis.approval.words import answer, answer_to

TALK = [
    "I do NOT approve",
    "I do NOT approve this, stop!",
    "do not approve",
    "approve?",
    "approve not",
    "approve!",
    "not approve",
    "yes no",
    "no, approve",
    "approve\nno",
    "аpprove",  # a Cyrillic a
    "approve\u200b",
    "",
    "true",
    "1",
    "approve" + " " * 100,
]


@pytest.mark.parametrize("text", ["approve", " Approve ", "YES", "approved", "y\n"])
def test_these_approve(text):
    assert answer(text) is True
    assert answer_to(f"{text} ap_1") == ("ap_1", True)


@pytest.mark.parametrize("text", ["deny", "No", "DENIED\n", "n"])
def test_these_deny(text):
    assert answer(text) is False
    assert answer_to(f" {text}  ap_1") == ("ap_1", False)


@pytest.mark.parametrize("text", TALK)
def test_these_are_no_answer(text):
    assert answer(text) is None
    assert answer_to(f"{text} ap_1") is None


@pytest.mark.parametrize("text", ["approve", "approve ap_1 please", "ap_1 approve", "ap_1"])
def test_an_answer_to_a_request_is_a_word_and_an_id(text):
    assert answer_to(text) is None
