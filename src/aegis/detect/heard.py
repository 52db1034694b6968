"""The words of a view, read once for everybody: rules, model and spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .linear import GAIN_MIN
from .phrases import SLIPPED
from .spelling import SLIPS_MIN
from .tagger import phrases, spans
from .words import UNCUT, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fold import View
    from .tagger import Span, Tag, Tagger
    from .words import Cut


class Heard:
    """The words of a view and what each `said`, without those at an edge where it was `cut`."""

    __slots__ = ("_cut", "_spans", "_tagger", "_wide", "said", "view", "words")

    def __init__(self, tagger: Tagger, view: View, cut: Cut = UNCUT) -> None:
        self.view = view
        self.words = split(view.text, cut)
        self.said = tagger.read(self.words)
        self._cut = cut
        self._spans: Sequence[Span] | None = None
        self._tagger = tagger
        # letters of these scripts are beyond ASCII
        self._wide: Sequence[Tag] | None = () if view.text.isascii() else None

    @property
    def spans(self) -> Sequence[Span]:
        """Phrases of several words, and perhaps such with the end of a sentence inside."""
        if self._spans is None:
            self._spans = spans(self.words.parts, self.said)
        return self._spans

    @property
    def wide(self) -> Sequence[Tag]:
        """The phrases of other scripts than Latin."""
        if self._wide is None:
            self._wide = self._tagger.wide(self.view.text, self._cut)
        return self._wide

    @property
    def phrases(self) -> list[Tag]:
        """The phrases of several words or of other scripts."""
        return [*phrases(self.words, self.spans), *self.wide]

    def meant(self) -> set[frozenset[str]]:
        """The concepts of words and phrases, wherever they stand, none is missing; and DISORDER,
        where letters are.
        """
        found = {word.concepts for word in self.said if word.concepts}
        for _, _, concepts in self.spans:
            found.add(concepts)
        for tag in self.wide:
            found.add(tag.concepts)
        return found

    def slipped(self) -> bool:
        """Whether letters are in disorder in enough words, those at the edges included."""
        count = self.said.count(SLIPPED)
        if count < SLIPS_MIN <= count + sum(self._cut):
            count = self._tagger.read(split(self.view.text)).count(SLIPPED)
        return count >= SLIPS_MIN

    def segment(self, low: int) -> Sequence[bytes]:
        """The words from a place on; none where their weights say that they mean nothing."""
        # the edge of the window has been seen to by the cut
        (first, _), (_, last) = self.words.bounds((low, len(self.view.text) + 1))
        if sum([word.gain for word in self.said[first:last]]) < GAIN_MIN:
            return ()
        return [part for part in self.words.parts[first:last] if part]
