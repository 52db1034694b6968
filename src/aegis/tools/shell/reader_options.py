"""Which options of programs that read take a value in the next word, as their manuals say.

A flag that is taken for one of them would hide the file behind it (`cat -n FILE`), or another
option (`sort -n -o FILE`); so every program has a row of its own, and without one no option takes
a value.
"""

from __future__ import annotations

_GREP = """e f m A B C d D regexp file max-count after-context before-context context devices
directories binary-files include exclude exclude-from exclude-dir label"""
_LS = "I w T ignore hide width tabsize block-size time-style sort time format quoting-style"
_TREES = "L I s level ignore-glob sort time"

_ROWS = {
    "ls dir vdir": _LS,
    "exa eza lsd": _TREES,
    "tree": "L P I o T H filelimit charset timefmt sort output",
    "bat": "l H m r language highlight-line file-name pager style theme map-syntax line-range"
    " color paging tabs wrap terminal-width",
    "head": "n c lines bytes",
    "tail": "n c s lines bytes sleep-interval pid max-unchanged-stats",
    "less": "b h j k o O p P t T x y z",
    "more": "n lines",
    "grep egrep fgrep zgrep": _GREP,
    "rg": _GREP + " g t T j M r E glob iglob type type-not threads max-columns replace encoding"
    " sort sortr max-depth color colors pre pre-glob hostname-bin",
    "ag": "A B C G m p pager depth ignore",
    "ack": "A B C m type pager output",
    "fd": "t e E d x X j S c o type extension exclude max-depth min-depth exec exec-batch threads"
    " size color owner search-path base-directory max-results changed-within changed-before and",
    "wc": "files0-from",
    "sort": "k t S T o key field-separator buffer-size temporary-directory output"
    " compress-program batch-size parallel files0-from random-source",
    "uniq": "f s w skip-fields skip-chars check-chars",
    "cut": "b c d f bytes characters delimiter fields output-delimiter",
    "diff": "C U W x X F I L S D label exclude exclude-from show-function-line starting-file"
    " ignore-matching-lines from-file to-file width tabsize",
    "cmp": "i n ignore-initial bytes",
    "comm": "output-delimiter",
    "stat": "c format printf",
    "file": "F f m e P separator files-from magic-file exclude parameter",
    "du": "B d t X max-depth block-size threshold exclude exclude-from files0-from",
    "df": "B t x block-size type exclude-type",
    "basename": "s suffix",
    "realpath": "relative-to relative-base",
    "cksum": "a algorithm length",
    "b2sum": "l length",
    "strings": "n t e T s bytes radix encoding target output-separator",
    "od": "A j N S t address-radix skip-bytes read-bytes format",
    "xxd": "c g l n o s R cols groupsize len name offset seek",
    "hexdump": "e f n s",
    "base64 base32": "w wrap o output",
    "column": "c s o N E R H W O T n r i p l",
    "nl": "b d f h i l n s v w",
    "tac": "s separator",
    "join": "1 2 a e j o t v",
    "paste": "d delimiters",
    "fold": "w width",
    "fmt": "g p w goal prefix width",
    "expand unexpand": "t tabs",
    "look": "t terminate",
    "pr": "D h l N o W w",
    "jq": "f L from-file indent",
    "yq xq": "f L o p I from-file indent output-format input-format",
    "pygmentize": "l o f F O P",
    "cloc": "out report-file",
    "tokei": "t o e type output exclude sort",
    "csvcut": "c C d q",
    "glow": "s w",
    "shellcheck": "e f s S i o exclude format shell severity include enable",
}

VALUED = {name: frozenset(row.split()) for names, row in _ROWS.items() for name in names.split()}
"""Name → the options that take a value, without dashes."""
