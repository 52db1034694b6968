"""The rule that imports run one way: no file of `src/` imports one that leads back to it.

Imports for types alone and imports within functions count. They do not break at run time, but who
reads, tests or moves one file of a circle needs all of the others. There are no exceptions.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import tidy_modules
from tidy_model import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Graph = dict[str, dict[str, list[tidy_modules.Import]]]


def check(root: Path, paths: list[str]) -> Iterator[Complaint]:
    """A complaint for every shortest circle, with the names that tie it."""
    graph = _graph(root, paths)
    for circle in _circles(graph):
        first, second = circle[0], circle[1]
        yield Complaint(
            first,
            graph[first][second][0].line,
            f"imports in a circle: {_told(graph, circle)}; move what both sides need into a file "
            "below them, or let the upper one hand it down",
        )


def _graph(root: Path, paths: list[str]) -> Graph:
    """What each file imports from which other one."""
    modules = tidy_modules.modules(paths)
    graph: Graph = {path: {} for path in modules.values()}
    for module, path in modules.items():
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        for one in tidy_modules.imports(tree, tidy_modules.package_of(module, path)):
            target = modules.get(f"{one.module}.{one.name}") or modules.get(one.module)
            if target is not None and target != path:
                graph[path].setdefault(target, []).append(one)
    return graph


def _circles(graph: Graph) -> Iterator[list[str]]:
    """The shortest circle through each import that is part of one, each circle once. It begins
    with the first of its files by name.
    """
    core = _core(graph)
    seen: set[tuple[str, ...]] = set()
    for path in sorted(core):
        for imported in sorted(core[path]):
            way = _way(core, imported, path)
            first = way.index(min(way)) if way else 0
            circle = [*way[first:], *way[:first]]
            if circle and tuple(circle) not in seen:
                seen.add(tuple(circle))
                yield circle


def _core(graph: Graph) -> dict[str, set[str]]:
    """The files that circles are among: what imports nothing, or is imported by nothing, of the
    rest is taken away until nothing more goes.
    """
    core = {path: set(targets) for path, targets in graph.items()}
    while True:
        imported = set().union(*core.values())
        kept = {path for path, targets in core.items() if targets and path in imported}
        if len(kept) == len(core):
            return core
        core = {path: core[path] & kept for path in kept}


def _way(core: dict[str, set[str]], start: str, end: str) -> list[str]:
    """The files of the shortest way by imports, both ends included; empty where there is none."""
    came: dict[str, str] = {start: ""}
    waiting = [start]
    for path in waiting:
        if path == end:
            way = [end]
            while came[way[-1]]:
                way.append(came[way[-1]])
            return way[::-1]
        for imported in sorted(core[path] - came.keys()):
            came[imported] = path
            waiting.append(imported)
    return []


def _told(graph: Graph, circle: list[str]) -> str:
    """A circle in words: each file, and what it imports from the next one."""
    told = f"`{circle[0]}`"
    for path, imported in zip(circle, [*circle[1:], circle[0]], strict=True):
        names = sorted({one.name or one.module for one in graph[path][imported]})
        which = ", which" if path != circle[0] else ""
        told += f"{which} imports {', '.join(names)} from `{imported}`"
    return told
