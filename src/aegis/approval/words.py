"""What people write when they answer, in exact forms only.

"I do NOT approve" holds the word approve; so nothing is searched for in a text. Either the whole
of it is one of the forms below, or it is no answer.
"""

from __future__ import annotations

APPROVES = frozenset(("approve", "approved", "yes", "y"))
DENIES = frozenset(("deny", "denied", "no", "n"))

TEXT_MAX = 60
"""Longest text that is looked at, in characters: a word and an id fit."""


def answer(text: str) -> bool | None:
    """True for an approval, False for a refusal, None for anything else.

    The form is one word, in any case, with spaces around it.
    """
    word = text.strip().lower() if len(text) <= TEXT_MAX else ""
    if word in APPROVES:
        return True
    return False if word in DENIES else None


def answer_to(text: str) -> tuple[str, bool] | None:
    """The id of a request and the answer to it, from a word and an id; None for anything else."""
    parts = text.split() if len(text) <= TEXT_MAX else []
    if len(parts) != 2:
        return None
    given = answer(parts[0])
    return None if given is None else (parts[1], given)
