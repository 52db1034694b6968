"""Folding: one reading of a text for every disguise that keeps its letters in order.

Compatibility forms (NFKC), invisible and bidirectional controls, combining marks on alphabetic
scripts, digits and spaces of any script become what a reader sees. The result is a `View`, which
leads every offset back to the original. ASCII text is its own view and costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from functools import partial
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_ASCII = bytes(range(128))
_SURROGATES = re.compile("[\ud800-\udfff]")
_COMPOSED = frozenset(map(chr, [*range(0x1100, 0x1200), 0x3099, 0x309A]))
"""Letters written in parts: conjoining jamo, separate voicing marks of kana."""

_JAMO = re.compile("[\u1100-\u11ff]{2,}|[\u304b-\u30fe][\u3099\u309a]")

_REPLACES_MAX = 12
"""Up to this many distinct characters `str.replace` is faster than one `str.translate`."""

_CACHE_MAX = 65_536
"""Most characters whose folding is remembered; the rest of Unicode is folded each time."""

_SPECIAL = {
    "ı": "i", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss",
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ð": "d", "þ": "th",
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "﹣": "-",
    "\u2028": "\n", "\u2029": "\n", "\u0085": "\n", "\u2800": " ",
    "。": "。", "「": "「", "」": "」",
}  # fmt: skip

_SIMPLER = (
    "沒没無无視视記记這这個个請请們们說说話话語语詞词詢询問问題题統统預预設设規规則则許许權权員员開开發发啟启關关閉闭繞绕過过濾滤審审護护欄栏轉转帳账"
    "號号碼码鑰钥憑凭證证洩泄輸输顯显複复製制總总結结譯译隱隐內内檔档資资訊讯對对聯联絡络網网頁页連连線线執执務务應应該该須须從从現现後后來来時时會会"
    "將将變变為为與与給给讓让誰谁樣样條条標标點点級级類类當当實实驗验環环測测試试遊游戲戏邏逻輯辑違违絕绝認认麼么擔担處处備备僅仅雙双進进還还遠远運运"
    "選选適适險险隨随難难電电響响領领頭头願愿顧顾體体戶户儲储傳传優优價价別别剛刚劃划動动勢势區区協协單单衛卫嗎吗圍围圖图團团報报壞坏壓压夠够學学寫写"
    "導导層层屬属歸归徵征態态據据擇择擬拟數数斷断於于歷历書书構构檢检決决況况準准滿满漢汉狀状獲获獨独畫画異异監监盡尽眾众種种稱称穩稳竊窃筆笔簡简簽签"
    "約约紀纪純纯細细終终組组經经維维編编縮缩繼继續续聲声職职聽听腦脑臺台舉举舊旧藝艺虛虚補补裝装覽览觀观訂订訓训訪访詐诈評评誤误課课調调談谈論论謊谎"
    "識识議议讀读負负財财貨货責责費费購购車车軟软載载輔辅輕轻達达遞递郵邮釋释銀银銷销錄录錯错鍵键鎖锁鏈链長长門门閱阅間间際际隊队階阶雜杂離离擴扩暫暂"
    "歡欢幫帮貼贴寶宝參参贊赞獎奖雲云專专業业東东兩两產产劑剂創创劇剧"
)
"""Traditional Chinese characters, each followed by its simplified form (Unihan database, field
kSimplifiedVariant), so that one lexicon serves both. Only those that its words are made of."""

_SPECIAL.update(zip(_SIMPLER[::2], _SIMPLER[1::2], strict=True))

_MARKS = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670),
    (0x0640, 0x0640), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
)  # fmt: skip
"""Combining marks that decorate letters (UCD blocks); vowel signs of Indic scripts are letters."""

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters without a shape (UTS 39 default-ignorable code points that are not format controls)."""


def fold_char(char: str) -> str:
    """What a reader sees of one character: possibly nothing, possibly several characters."""
    if char < "\x80":
        return char
    special = _SPECIAL.get(char)
    if special is not None:
        return special
    code = ord(char)
    category = unicodedata.category(char)
    if (
        category == "Cf"
        or char in _BLANKS
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
    ):
        return ""
    if category in ("Mn", "Me", "Lm") and any(low <= code <= high for low, high in _MARKS):
        return ""
    if category == "Cs":
        return "\ufffd"
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.digit(char))
    folded = unicodedata.normalize("NFKC", char)
    if code < 0x1100 or 0x1E00 <= code <= 0x1FFF:
        bare = unicodedata.normalize("NFD", folded)
        folded = "".join(c for c in bare if not 0x0300 <= ord(c) <= 0x036F)
    return "".join(_SPECIAL.get(c, c) for c in folded)


class _Folds(dict[str, str]):
    """Remembered foldings."""

    def __missing__(self, char: str) -> str:
        folded = fold_char(char)
        if len(self) < _CACHE_MAX:
            self[char] = folded
            if char == folded:
                _SAME.add(char)
        return folded


_FOLDS = _Folds()
_SAME: set[str] = set()
"""Of these the characters that are read as they are."""


Places = tuple["Sequence[int]", "Sequence[int]"]
"""Where each character of a view begins and ends in the view it was read from."""


class _Shifts:
    """The way between a text and its folding, where some characters became none or several.

    These stand at `places` of the text and have `sizes` characters in the folding.
    """

    __slots__ = ("_new", "_old")

    def __init__(self, places: list[int], sizes: list[int]) -> None:
        # where these characters end, in the text and in its folding
        self._old = [place + 1 for place in places]
        grown = accumulate(map((-1).__add__, sizes))
        self._new = list(map(add, self._old, grown))

    def ahead(self, offset: int) -> int:
        """Where the folding of the characters before an offset of the text ends."""
        number = bisect_right(self._old, offset)
        return self._new[number - 1] + offset - self._old[number - 1] if number else offset

    def back(self, offset: int) -> int:
        """The character of the text that an offset of the folding was read from."""
        number = bisect_right(self._new, offset)
        if number:
            offset += self._old[number - 1] - self._new[number - 1]
        return min(offset, self._old[number] - 1) if number < len(self._old) else offset


class View:
    """A reading of a text: `text`, its UTF-8 `data`, and the way back.

    `name` lists the transformations (empty for plain folding), `rest` the distinct characters
    beyond ASCII that stood in the source.
    """

    __slots__ = (
        "_known", "_parent", "_places", "_shifts", "_wide", "data", "name", "rest", "text",
    )  # fmt: skip

    def __init__(self, text: str, name: str = "", rest: frozenset[str] = frozenset()) -> None:
        self.text = text
        self.data = text.encode()
        self.name = name
        self.rest = rest
        self._wide = len(self.data) != len(text)
        self._shifts: _Shifts | None = None
        self._places: Callable[[], Places] | None = None
        self._known: Places | None = None
        self._parent: View | None = None

    @property
    def aligned(self) -> bool:
        """Whether character offsets are those of the original text."""
        return self._shifts is None and self._parent is None

    def part(self, start: int, stop: int) -> View:
        """The folding of a part of the text. Only for an aligned view."""
        return View(self.text[start:stop], rest=self.rest)

    @property
    def depth(self) -> int:
        """How many decodings lie between this view and the folded text."""
        return 0 if self._parent is None else self._parent.depth + 1

    def derive(self, text: str, name: str, places: Places | Callable[[], Places]) -> View:
        """A view of this view: character `i` of `text` was read from `starts[i]:ends[i]` here.

        `places` are starts and ends, or gives them; it is called where something is found.
        """
        view = View(text, f"{self.name}+{name}" if self.name else name)
        if callable(places):
            view._places = places
        else:
            view._known = places
        view._parent = self
        return view

    def folded(self) -> View:
        """A derived view as a reader sees it: what was decoded is folded as the text itself is."""
        if self.text.isascii():
            return self
        plain = fold(self.text)
        view = View(plain.text, self.name, plain.rest)
        view._parent = self._parent
        view._places = partial(_beneath, self, plain)
        return view

    def _mapping(self) -> Places:
        if self._known is None:
            places = self._places
            self._known = ((), ()) if places is None else places()
        return self._known

    def chars(self, start: int, end: int) -> tuple[int, int]:
        """Character offsets of a byte span of `data`."""
        if not self._wide:
            return start, end
        first = len(self.data[:start].decode("utf-8", "ignore"))
        return first, first + len(self.data[start:end].decode("utf-8", "ignore"))

    def at(self, offset: int) -> int:
        """Where the character at an offset of the original text stands in `text`.

        Only for the first folding of a text, and for views of it that keep its length.
        """
        shifts = self._shifts if self._parent is None else self._parent._shifts
        return offset if shifts is None else shifts.ahead(offset)

    def own(self, start: int, stop: int) -> range:
        """The bytes of `data` read from a span of the original text. Only for foldings."""
        low, high = self.at(start), self.at(stop)
        if not self._wide:
            return range(low, high)
        first = len(self.text[:low].encode())
        return range(first, first + len(self.text[low:high].encode()))

    def within(self, offset: int) -> int:
        """The first character read from an offset of the original text on."""
        if self._parent is None:
            return self.at(offset)
        return bisect_left(self._mapping()[0], self._parent.within(offset))

    @property
    def whence(self) -> Callable[[int], int] | None:
        """Tells the offset in the original text of a character of `text`; None where it is the
        same. Only for the first folding of a text, and for views of it that keep its length.
        """
        shifts = self._shifts if self._parent is None else self._parent._shifts
        return None if shifts is None else shifts.back

    def characters(self, offsets: Iterable[int]) -> Iterable[int]:
        """Offsets in `text` of rising offsets in `data`."""
        return self._rising(offsets) if self._wide else offsets

    def _rising(self, offsets: Iterable[int]) -> Iterator[int]:
        last = char = 0
        for offset in offsets:
            char += len(self.data[last:offset].decode("utf-8", "ignore"))
            last = offset
            yield char

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text behind a character span of `text`."""
        if self._parent is not None:
            starts, ends = self._mapping()
            if end <= start:
                end = start + 1
            first = starts[start]
            last = max(ends[min(end, len(ends)) - 1], ends[start])
            low = min(first, starts[min(end, len(starts)) - 1])
            return self._parent.back(low, last)
        shifts = self._shifts
        if shifts is None:
            return start, end
        return shifts.back(start), shifts.back(max(start, end - 1)) + 1

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text behind a byte span of `data`."""
        return self.back(*self.chars(start, end))


def _beneath(view: View, plain: View) -> Places:
    """Where the characters of `plain`, the folding of the text of a view, stood below the view."""
    starts, ends = view._mapping()
    spans = [plain.back(place, place + 1) for place in range(len(plain.text))]
    return [starts[low] for low, _ in spans], [ends[high - 1] for _, high in spans]


def fold(text: str) -> View:
    """The folded view of a text. Never fails: lone surrogates read as U+FFFD."""
    if text.isascii():
        return View(text)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub("\ufffd", text)
        data = text.encode()
    rest = frozenset(data.translate(None, _ASCII).decode())
    changed = {char: folded for char in rest - _SAME if (folded := _FOLDS[char]) != char}
    composed = not _COMPOSED.isdisjoint(rest)
    if not changed and not composed:
        return View(text, rest=rest)
    if composed:
        return _fold_composed(text, rest, changed)
    if len(changed) <= _REPLACES_MAX:
        folded = text
        for char, new in changed.items():
            folded = folded.replace(char, new)
    else:
        folded = text.translate({ord(char): new for char, new in changed.items()})
    view = View(folded, rest=rest)
    sizes = {char: len(new) for char, new in changed.items() if len(new) != 1}
    if sizes:
        places = _places(text, sizes)
        view._shifts = _Shifts(places, [sizes[text[place]] for place in places])
    return view


def _places(text: str, chars: Mapping[str, int]) -> list[int]:
    """Where some characters stand."""
    if len(chars) > _REPLACES_MAX:
        return [place for place, char in enumerate(text) if char in chars]
    out: list[int] = []
    for char in chars:
        place = text.find(char)
        while place >= 0:
            out.append(place)
            place = text.find(char, place + 1)
    out.sort()
    return out


def _fold_composed(text: str, rest: frozenset[str], changed: dict[str, str]) -> View:
    """Folding where letters are written in parts (conjoining jamo, separate voicing marks)."""
    pieces: list[str] = []
    sizes: list[int] = []
    position = 0
    for found in [*_JAMO.finditer(text), None]:
        stop = found.start() if found else len(text)
        read = [changed.get(char, char) for char in text[position:stop]]
        pieces += read
        sizes += map(len, read)
        if found is None:
            break
        new = unicodedata.normalize("NFC", found.group())
        pieces.append(new)
        # the whole composed run stands at its first characters
        position = found.end()
        sizes += [1] * len(new) + [0] * (position - stop - len(new))
    view = View("".join(pieces), rest=rest)
    places = [place for place, size in enumerate(sizes) if size != 1]
    view._shifts = _Shifts(places, [sizes[place] for place in places])
    return view
