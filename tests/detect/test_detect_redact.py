"""Redaction of values for records."""

from __future__ import annotations

import pytest

from aegis.detect import redact, redactor
from aegis.model import ActionError


def test_clean_values_are_returned_as_they_are() -> None:
    value = {"path": "/srv/data/report.csv", "limit": 3, "deep": [{"a": "b"}], "none": None}
    assert redact(value) is value


@pytest.mark.parametrize(
    "key", ["password", "API-Key", "apiKey", "access_token", "Authorization", "client_secret"]
)
def test_keys_decide(key: str) -> None:
    assert redact({key: "short"}) == {key: "[REDACTED]"}
    assert redact({"deep": [{key: {"a": 1}}]}) == {"deep": [{key: "[REDACTED]"}]}


@pytest.mark.parametrize("key", ["max_tokens", "token_count", "next_page_token", "tokenizer"])
def test_counts_of_tokens_are_no_secrets(key: str) -> None:
    value = {key: "12"}
    assert redact(value) is value


def test_strings_are_read() -> None:
    value = {"note": "mail jane@mail.example.org", "rows": ("536-22-8726", 5)}
    clean = redact(value)
    assert clean["note"] == "mail j***@mail.example.org"
    assert clean["rows"] == ("***-**-8726", 5)
    assert value["note"] == "mail jane@mail.example.org"


def test_keys_are_read_too() -> None:
    assert redact({"jane@mail.example.org": 1}) == {"j***@mail.example.org": 1}


def test_further_names() -> None:
    clean = redactor(["Badge No"])({"badge_no": "x", "deep": [{"badgeNo": 7}], "other": "y"})
    assert clean == {"badge_no": "[REDACTED]", "deep": [{"badgeNo": "[REDACTED]"}], "other": "y"}


def test_what_cannot_be_read_is_not_recorded() -> None:
    assert redact({"text": "é" * 5_000_000}) == {"text": "[UNREAD]"}


def test_too_deep_a_value_is_refused() -> None:
    value: list = []
    for _ in range(200):
        value = [value]
    with pytest.raises(ActionError, match="nested"):
        redact(value)
