"""The rule that every module is reached from a shipped surface.

A feature that only tests import does not exist.
"""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING, TypeGuard

import tidy_modules
from tidy_model import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidy_model import Exceptions

PACKAGE = "aegis"

_STRING_IMPORT = re.compile(r"^\.{0,3}[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*(:[A-Za-z_]\w*)?$")


def check(root: Path, paths: list[str], table: Exceptions) -> Iterator[Complaint]:
    """Complaints about modules that nothing shipped reaches."""
    modules = tidy_modules.modules(paths, f"{tidy_modules.SOURCE}{PACKAGE}/")
    reached = reachable(root, modules)
    for name in sorted(set(modules) - reached):
        if not table.allows("unreached", modules[name]):
            yield Complaint(
                modules[name], 1, "no shipped surface reaches this module; wire it or delete it"
            )


def reachable(root: Path, modules: dict[str, str]) -> set[str]:
    """The modules that the entry points reach: by import statements, and by strings that name a
    module (lazy tables, built-ins by name), absolute or relative to their package.
    """
    waiting = [name for name in _roots(root) if name in modules]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        tree = ast.parse((root / modules[name]).read_text(encoding="utf-8"))
        package = tidy_modules.package_of(name, modules[name])
        for target in _targets(tree, package):
            waiting += [part for part in _with_parents(target) if part in modules]
    return reached


def _roots(root: Path) -> Iterator[str]:
    yield PACKAGE
    yield f"{PACKAGE}.__main__"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    groups = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    for group in groups:
        for target in group.values():
            yield from _with_parents(target.partition(":")[0])


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _targets(tree: ast.Module, package: str) -> Iterator[str]:
    lazy = any(
        isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body
    )
    for one in tidy_modules.imports(tree, package):
        yield f"{one.module}.{one.name}" if one.name else one.module
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and _names_a_module(node.value):
            target, attribute, _ = node.value.partition(":")
            yield tidy_modules.absolute(target, package)
            if lazy or attribute:
                # a bare word is a sibling only in a table of `module:name` or of lazy names
                yield f"{package}.{target}"


def _names_a_module(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _STRING_IMPORT.match(value) is not None
