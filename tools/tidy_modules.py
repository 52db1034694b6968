"""The modules of `src/` and what each of them imports, as the rules about imports see them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "src/"


class Import(NamedTuple):
    """One name of one import statement; `name` is empty where a whole module is imported."""

    module: str
    name: str
    line: int


def modules(paths: list[str], below: str = SOURCE) -> dict[str, str]:
    """The modules among the files of the repository that lie below a folder → their paths."""
    return {
        _module(path): path for path in paths if path.startswith(below) and path.endswith(".py")
    }


def _module(path: str) -> str:
    parts = path.removeprefix(SOURCE).removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str, path: str) -> str:
    """The package that relative imports of a module begin at."""
    return module if path.endswith("__init__.py") else module.rpartition(".")[0]


def imports(tree: ast.Module, package: str) -> Iterator[Import]:
    """What import statements name, wherever they stand, those for types alone included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), package)
            for alias in node.names:
                yield Import(base, alias.name, node.lineno)


def absolute(name: str, package: str) -> str:
    """A module's full name; leading dots are relative to `package`."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    base = package.split(".")
    return ".".join([*base[: len(base) - level + 1], *filter(None, [name[level:]])])
