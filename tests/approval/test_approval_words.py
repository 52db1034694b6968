"""What people may write when they answer: exact forms, and nothing that merely holds one."""

import pytest

from aegis.approval.words import answer


@pytest.mark.parametrize("text", ["approve", " Approve ", "YES", "approved", "approve ap_1"])
def test_these_approve(text):
    assert answer(text, "ap_1") is True


@pytest.mark.parametrize("text", ["deny", "No", "DENIED\n", "deny ap_1"])
def test_these_deny(text):
    assert answer(text, "ap_1") is False


@pytest.mark.parametrize(
    "text",
    [
        "I do NOT approve",
        "I do NOT approve this, stop!",
        "do not approve",
        "approve?",
        "approve not",
        "approve ap_2",
        "approve ap_1 please",
        "not approve",
        "yes no",
        "no, approve",
        "approve\nno",
        "аpprove",  # a Cyrillic a
        "approve\u200b",
        "",
        "true",
        "1",
        "approve" * 10,
    ],
)
def test_these_are_no_answer(text):
    assert answer(text, "ap_1") is None
