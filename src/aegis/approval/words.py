"""What people write when they answer, in exact forms only.

"I do NOT approve" holds the word approve; so nothing is searched for in a text. Either the whole
of it is one of the forms below, or it is no answer.
"""

from __future__ import annotations

APPROVES = frozenset(("approve", "approved", "yes", "y"))
DENIES = frozenset(("deny", "denied", "no", "n"))

WORD_MAX = 40
"""Longest text that is looked at, in characters: a form with an id fits."""


def answer(text: str, id: str = "") -> bool | None:
    """True for an approval, False for a refusal, None for anything else.

    The form is one word (`approve`, `deny`), alone or followed by the id of the request, in any
    case, with spaces around it. An id that is not this request's is no answer.
    """
    text = text.strip()
    if len(text) > WORD_MAX:
        return None
    word, _, named = text.partition(" ")
    if named.strip() not in ("", id):
        return None
    word = word.lower()
    if word in APPROVES:
        return True
    return False if word in DENIES else None
