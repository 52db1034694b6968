"""The words of a view, read once for everybody: rules, model and spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .linear import GAIN_MIN
from .phrases import SLIPPED
from .spelling import SLIPS_MIN
from .words import UNCUT, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fold import View
    from .tagger import Tag, Tagger
    from .words import Cut


class Heard:
    """The words of a view and what each `said`, without those at an edge where it was `cut`."""

    __slots__ = ("_cut", "_phrases", "_tagger", "said", "view", "words")

    def __init__(self, tagger: Tagger, view: View, cut: Cut = UNCUT) -> None:
        self.view = view
        self.words = split(view.text, cut)
        self.said = tagger.read(self.words)
        self._cut = cut
        self._phrases: Sequence[Tag] | None = None
        self._tagger = tagger

    @property
    def phrases(self) -> Sequence[Tag]:
        """The phrases of several words or of other scripts."""
        if self._phrases is None:
            self._phrases = self._tagger.phrases(self.words, self.said, self.view.text, self._cut)
        return self._phrases

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
