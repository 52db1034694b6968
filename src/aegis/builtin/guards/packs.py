"""The guard `packs`: rule packs that were added to the home folder join the built-in guards.

Their rules run in the same pass. A finding belongs to the guard of its category; `confidential`,
which no built-in rule has, belongs to `packs` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...detect import Engine


def packed(packs: Mapping[str, Any], guards: Mapping[str, Any], stage: str) -> Engine:
    """The engine with the rules of packs, which the composition root made and checked.

    Raises ValueError where it made none, or where packs bring rules whose findings no guard of
    the stage would report.
    """
    engine: Engine | None = packs.get("engine")
    if engine is None:
        raise ValueError("packs: `use` has to list the packs to use")
    owner = {category: name for name, listed in CATEGORIES.items() for category in listed}
    for category, label in packs["brings"].items():
        guard = owner[category]
        if guard not in guards:
            where = f" on {stage}" if stage else ""
            raise ValueError(
                f"packs: `{label}` has rules of category `{category}`, and the guard `{guard}` "
                f"that would report them does not run{where}; enable it, or leave the pack out"
            )
    return engine
