"""What a session has seen, as hashes: which label a phrase carries.

Texts are kept as hashes of one token and of two in a row, never as themselves. The hash is
Python's own, keyed afresh in every process: it cannot be turned back, and means nothing elsewhere.
Two kinds of places are told apart. Prose is what anybody may have written: any phrase of it that
turns up in an argument came from there. A field is one whole value of a record (an id, one of a
list of recipients), which the tool put there: passing it on whole is what records are for.

This is the one mutable value of the package: it holds tens of thousands of entries, and copying
them on every call would cost a thousand times what a call may.
"""

from __future__ import annotations

from itertools import chain, pairwise

from .tokens import CODE_MIN, ENCODED_MIN, TEXT_MAX, decoded, joined_codes, places, tokens, values

MARKS_MAX = 65_536
"""Most hashes of one session, about 6 MB. The oldest half is forgotten first, and what was
forgotten is not forgiven: see `lost`."""

LABELS_MAX = 16
"""Most different sets of labels in one session; a further one counts as the first of them."""

SHORT = 8
"""Tokens below which a value counts as copied only where all of it is found."""

RUN = 8
"""Pairs in a row that show copying, however long the rest of a value is: nine tokens."""

FIELD = 3
"""Most tokens of a whole value of a record; more are a sentence, and prose."""

Labels = tuple[str, ...]


class Memory:
    """The hashes of one session. `lost` holds the labels of what no longer fits; `secretive` says
    that some of it is known again inside an address.
    """

    __slots__ = ("_marks", "_older", "_own", "lost", "secretive")

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._marks: dict[Labels, set[int]] = {}
        self._older: dict[Labels, set[int]] = {}
        self.secretive = False
        self.lost: Labels = ()

    def __len__(self) -> int:
        return sum(map(len, (self._own, *self._marks.values(), *self._older.values())))

    def trust(self, text: str) -> None:
        """Remember what the user asked for: its words are nobody else's."""
        if len(self._own) < MARKS_MAX:
            self._own.update(map(hash, _unless_days(tokens(text[:TEXT_MAX]))))
            if "://" in text:
                self._own.update(
                    hash(place) for found in places(text[:TEXT_MAX]) for place in found
                )

    def prose(self, text: str, found: list[bytes], labels: Labels) -> None:
        """Remember a text, whose tokens were `found`, any phrase of which carries the labels."""
        if len(text) > TEXT_MAX:
            self.lose(labels)
        marks = self._of(labels)
        _phrases(marks, found)
        marks.update(map(hash, joined_codes(text)))
        if "://" in text:
            marks.update(_place(place) for found in places(text[:TEXT_MAX]) for place in found)
        if "%" in text or (found and max(map(len, found)) >= ENCODED_MIN):
            for said in decoded(text[:TEXT_MAX]):
                _phrases(marks, tokens(said))

    def field(self, found: list[bytes], labels: Labels) -> None:
        """Remember one value of a record: parts of it carry the labels, the whole does not."""
        marks = self._of(labels)
        if len(found) > 1:
            marks.update(map(hash, found))
            if len(found) > 2:
                marks.update(map(hash, pairwise(found)))
        marks.add(_whole(found))

    def secret(self, text: str, found: list[bytes], labels: Labels) -> None:
        """Remember what of a text is known again in the middle of an address."""
        self.secretive = True
        self._of(labels).update(map(_value, values(text[:TEXT_MAX], found)))

    def bound(self) -> None:
        """Forget the older half where there is too much."""
        if sum(map(len, self._marks.values())) > MARKS_MAX // 2:
            for labels in self._older:
                self.lose(labels)
            self._older, self._marks = self._marks, {}

    def forget(self) -> None:
        """Drop the hashes and keep what they were about, as lost."""
        for labels in (*self._marks, *self._older):
            self.lose(labels)
        self._marks, self._older = {}, {}

    def trusted(self, found: list[bytes]) -> bool:
        """Whether every token was in what the user asked for."""
        return self._own.issuperset(map(hash, found))

    def labels(self, found: list[bytes]) -> Labels:
        """The labels of the texts these tokens were copied from."""
        if len(found) == 1:
            key = hash(found[0])
            out = [labels for labels, marks in self._marks.items() if key in marks]
            if self._older:
                out += [labels for labels, marks in self._older.items() if key in marks]
            if out and not _telling(found[0]):
                return ()
        else:
            out = [labels for labels, marks in self._marks.items() if self._copied(found, marks)]
            if self._older:
                older = self._older.items()
                out += [labels for labels, marks in older if self._copied(found, marks)]
        if not out:
            return self.lost if self.lost and found and not self._whole_field(found) else ()
        return out[0] if len(out) == 1 else tuple(dict.fromkeys(chain.from_iterable(out)))

    def copied(self, parts: list[bytes]) -> Labels:
        """The labels of codes among the parts of a text; words prove nothing when set apart."""
        return self._carrying({hash(part) for part in parts if _coded(part)} - self._own)

    def secrets(self, parts: list[bytes]) -> Labels:
        """The labels of secrets among the parts of a text, whatever they look like."""
        long = (part for part in parts if len(part) >= CODE_MIN)
        return self._carrying({_value(part) for part in long if hash(part) not in self._own})

    def _carrying(self, keys: set[int]) -> Labels:
        if not keys:
            return ()
        kept = (*self._marks.items(), *self._older.items())
        found = [labels for labels, marks in kept if not keys.isdisjoint(marks)]
        return tuple(dict.fromkeys(chain.from_iterable(found)))

    def placed(self, places: list[bytes]) -> Labels:
        """The labels of a text that names the place of an address or one above it; none where the
        user named the host.
        """
        if not places[0] or hash(places[0]) in self._own:
            return ()
        return self._carrying({*map(_place, places), *map(hash, places)})

    def _copied(self, found: list[bytes], marks: set[int]) -> bool:
        count = len(found)
        if not count:
            return False
        if count <= SHORT:
            joined = b"".join(found)
            if not joined.isalpha() and hash(joined) in marks:
                return True
        for token in found:
            key = hash(token)
            if key in marks and key not in self._own and _coded(token):
                return True
        flags = bytes(map(marks.__contains__, map(hash, pairwise(found))))
        if count < SHORT:
            return 0 not in flags
        return bytes([1]) * min(RUN, count // 2) in flags

    def _whole_field(self, found: list[bytes]) -> bool:
        key = _whole(found)
        return any(key in marks for kept in (self._marks, self._older) for marks in kept.values())

    def _of(self, labels: Labels) -> set[int]:
        marks = self._marks.get(labels)
        if marks is None:
            if len(self._marks) >= LABELS_MAX:
                labels = next(iter(self._marks))
            marks = self._marks.setdefault(labels, set())
        return marks

    def lose(self, labels: Labels) -> None:
        """Count labels as carried by values that are not known here."""
        self.lost = tuple(dict.fromkeys((*self.lost, *labels)))


def _phrases(marks: set[int], found: list[bytes]) -> None:
    marks.update(map(hash, _unless_days(found)))
    if len(found) > 1:
        marks.update(map(hash, pairwise(found)))


def _whole(found: list[bytes]) -> int:
    return hash((b"", *found))


def _place(token: bytes) -> int:
    return hash((b"/", token))


def _value(token: bytes) -> int:
    return hash((b"=", token))


def _unless_days(found: list[bytes]) -> list[bytes]:
    """The tokens without the days of dates: `June 13` names no file 13."""
    if _MONTHS.isdisjoint(found):
        return found
    days = {
        beside
        for index, token in enumerate(found)
        if token in _MONTHS
        for beside in (index - 1, index + 1)
        if 0 <= beside < len(found) and found[beside][:2].isdigit()
    }
    return [token for index, token in enumerate(found) if index not in days]


_DIGITS = b"0123456789"
_MONTHS = frozenset(
    b"""january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec""".split()
)


def _coded(token: bytes) -> bool:
    """Whether a token among others says where it came from: a code, a key, an account number."""
    if token.isdigit():
        return len(token) >= 6
    return len(token) >= 8 and token.isalnum() and any(map(_DIGITS.__contains__, token))


def _telling(token: bytes) -> bool:
    """Whether one token alone says where it came from: a number of two digits, a word of three
    letters.
    """
    return len(token) >= (2 if token.isdigit() else 3)
