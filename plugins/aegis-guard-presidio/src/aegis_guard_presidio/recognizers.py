"""Presidio's recognisers that need no model, set so that they fetch nothing and give up nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import tldextract.tldextract
from presidio_analyzer import RecognizerRegistry, pattern_recognizer
from presidio_analyzer.predefined_recognizers import SpacyRecognizer
from presidio_analyzer.predefined_recognizers.generic import iban_recognizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from presidio_analyzer import EntityRecognizer

SECONDS_MAX = 5
"""Most processor time for one text: what 50,000 characters take that hold nothing but values, and
more than ten times what prose takes."""

# A pattern that takes longer is skipped by Presidio, with nothing but a line in its log. It is
# given as long as the whole text, so that no text within its time was read in part.
pattern_recognizer.REGEX_TIMEOUT_SECONDS = SECONDS_MAX
iban_recognizer.REGEX_TIMEOUT_SECONDS = SECONDS_MAX

# one line for each recogniser that is loaded, and for each of another language
logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)

# Its e-mail recogniser looks domains up in a list that tldextract fetches when it is first asked;
# the list inside the package is enough, and a guard must not wait for a network.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True
)


def recognizers(language: str, wanted: Sequence[str]) -> list[tuple[EntityRecognizer, list[str]]]:
    """The recognisers of a language with the entities each is asked for: those wanted, or all.

    Raises ValueError for a language or an entity that has none.
    """
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language])
    usable = [
        one
        for one in registry.recognizers
        if not isinstance(one, SpacyRecognizer) and one.supported_language == language
    ]
    known = {entity for one in usable for entity in one.supported_entities}
    if not known:
        raise ValueError(f"`{language}` has no recogniser that works without a model")
    for entity in wanted:
        if entity not in known:
            raise ValueError(f"no recogniser for `{entity}`; known: {', '.join(sorted(known))}")
    asked = set(wanted) or known
    chosen = [(one, [e for e in one.supported_entities if e in asked]) for one in usable]
    return [(one, entities) for one, entities in chosen if entities]
