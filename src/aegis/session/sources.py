"""What a tool's name says about its data: where results come from, and where arguments go.

Inference for what nobody declared. It errs to one side: a result is untrusted unless somebody says
otherwise, and a name that speaks of sending leaves the house.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model.flowmark import EXTERNAL

if TYPE_CHECKING:
    from collections.abc import Collection

UNTRUSTED, SECRET, PII = "untrusted", "secret", "pii"

INSTRUCTING = "instructing"
"""Beside `untrusted`: the text speaks to its reader, or tells it to go somewhere."""

FOREIGN = frozenset(("http", "browser", "rag", "a2a"))
"""Protocols whose whole answer is somebody else's."""

OWN = frozenset(("llm",))
"""Protocols whose answers are no source: what a model says is measured against what it read."""

_WEB = frozenset(
    """web webpage website site page url uri fetch http https browse browser crawl scrape download
    rss feed internet""".split()  # noqa: SIM905
)
_RAW = frozenset(("content", "contents", "raw", "attachment", "attachments", "cat"))
_OPENS = frozenset(("read", "open", "load", "view", "show"))
_HOLDS = frozenset(
    (
        "file",
        "files",
        "document",
        "documents",
        "doc",
        "docs",
        "text",
        "path",
        "resource",
        "resources",
    )
)
_SENDS = frozenset(
    """send sends mail email post upload publish share invite transfer pay payment wire refund
    webhook http https fetch browse visit navigate crawl download tweet message sms call notify
    forward reply submit order purchase request url webpage website donate subscribe
    dm""".split()  # noqa: SIM905
)


class Source(msgspec.Struct, frozen=True):
    """What the results of a tool carry. `records` says that whole values in lists and mappings were
    put there by the tool, `texts` that also a text may be such a record, written out.
    """

    labels: tuple[str, ...] = (UNTRUSTED,)
    records: bool = True
    texts: bool = True


NO_SOURCE = Source(())


def infer_source(words: Collection[str], protocol: str) -> Source:
    """The source a tool is, by the words of its name; one without a name vouches for nothing."""
    if protocol in OWN:
        return NO_SOURCE
    foreign = protocol in FOREIGN or not words or not _WEB.isdisjoint(words)
    raw = not _RAW.isdisjoint(words) or not (_OPENS.isdisjoint(words) or _HOLDS.isdisjoint(words))
    return Source(records=not foreign, texts=not foreign and not raw)


def infer_sinks(words: Collection[str], protocol: str, capability: str) -> tuple[str, ...]:
    """The sinks a tool is, by the words of its name."""
    if protocol in OWN:
        return ()
    external = protocol in FOREIGN - {"rag"} or not _SENDS.isdisjoint(words)
    return (EXTERNAL, capability) if external else (capability,)
