"""Rules over Python sources: sizes, names, broad `except`, comments left for later, exports."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

from tidy_model import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidy_model import Exceptions

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6

BANNED_NAMES = frozenset(
    word + plural
    for word in ("util", "helper", "common", "misc", "manager", "utilitie")
    for plural in ("", "s")
)
"""Names that say nothing about what is inside, so everything ends up inside."""

CODE = frozenset({"py", "ts", "tsx", "js", "go", "java", "sh"})
"""Suffixes of files whose names are looked at; what data is called is the data's affair."""

OPTIONS_AS_PARAMETERS = ("src/aegis/cli/",)
"""Where parameters are the options of a command, declared one by one."""

_LATER = re.compile(r"\b(TODO|FIXME)\b")
_WAIVED = re.compile(r"pragma:\s*no\s*cover")


def check(root: Path, paths: list[str], table: Exceptions) -> Iterator[Complaint]:
    """Complaints about every Python file."""
    for path in paths:
        yield from _name(path)
        if not path.endswith(".py"):
            continue
        source = (root / path).read_text(encoding="utf-8")
        tree = ast.parse(source, path)
        yield from _lines(path, source, table)
        yield from _functions(path, tree, table)
        yield from _excepts(path, tree, table)
        if path.startswith("src/"):
            yield from _docstring(path, tree)
            yield from _exports(path, tree)


def _name(path: str) -> Iterator[Complaint]:
    *folders, file = path.split("/")
    stem, _, suffix = file.partition(".")
    for part in [*folders, stem] if suffix in CODE else folders:
        if part.lower() in BANNED_NAMES:
            yield Complaint(path, 1, f"`{part}` says nothing; name it after what is inside")


def _lines(path: str, source: str, table: Exceptions) -> Iterator[Complaint]:
    wrong = table.size("file_lines", path, len(source.splitlines()), FILE_LINES_MAX)
    if wrong:
        yield Complaint(path, 1, f"length in lines {wrong}")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if _LATER.search(token.string):
            yield Complaint(path, token.start[0], "left for later; finish it or open an issue")
        if _WAIVED.search(token.string):
            yield Complaint(path, token.start[0], "waived from coverage; test it or delete it")


def _functions(path: str, tree: ast.Module, table: Exceptions) -> Iterator[Complaint]:
    for name, node in _named(tree, ""):
        place = f"{path}:{name}"
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        wrong = table.size("function_lines", place, lines, FUNCTION_LINES_MAX)
        if wrong:
            yield Complaint(path, node.lineno, f"`{name}` in lines {wrong}")
        if path.startswith(OPTIONS_AS_PARAMETERS):
            continue
        wrong = table.size("parameters", place, _parameters(node), PARAMETERS_MAX)
        if wrong:
            yield Complaint(path, node.lineno, f"`{name}` in parameters {wrong}")


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _named(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
            yield from _named(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _named(child, f"{prefix}{child.name}.")
        else:
            yield from _named(child, prefix)


def _parameters(node: Function) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    receiver = bool(named) and named[0].arg in ("self", "cls")
    return len(named) - receiver


def _excepts(path: str, tree: ast.Module, table: Exceptions) -> Iterator[Complaint]:
    """Catching everything is a decision about what a failure means: only listed files may. To
    clean up and raise, the same or in other words, is not catching.
    """
    if not path.startswith("src/"):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type
        names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        broad = any(
            name is None or (isinstance(name, ast.Name) and name.id in _BROAD) for name in names
        )
        passed_on = isinstance(node.body[-1], ast.Raise)
        if broad and not passed_on and not table.allows("broad_except", path):
            yield Complaint(path, node.lineno, "catches everything; name the errors you expect")


_BROAD = ("Exception", "BaseException")


def _docstring(path: str, tree: ast.Module) -> Iterator[Complaint]:
    """Every module says what it is for; a package says it in its `__init__`."""
    if tree.body and not ast.get_docstring(tree):
        yield Complaint(path, 1, "has no module docstring; say what the file is for")
    elif path.endswith("__init__.py") and not tree.body:
        yield Complaint(path, 1, "is empty; say in a docstring what the package is for")


def _exports(path: str, tree: ast.Module) -> Iterator[Complaint]:
    """`__all__` is a sorted list of literals without repetition, and every name is bound. In an
    `__init__` it is exact: what the package imports from its own modules is what it exports.
    """
    node = _assigned(tree, "__all__")
    if node is None:
        return
    try:
        names = list(ast.literal_eval(node.value))
    except ValueError:
        return  # built from a table at run time: tests/house checks the real one
    if names not in (sorted(set(names)), sorted(set(names), key=_by_kind)):
        yield Complaint(path, node.lineno, "`__all__` is not sorted and free of repetition")
    bound, own = _bound(tree)
    lazy = "__getattr__" in bound
    for name in names:
        if name not in bound and not lazy:
            yield Complaint(path, node.lineno, f"`__all__` names `{name}`, which is not defined")
    if path.endswith("__init__.py"):
        for name in sorted(own - set(names)):
            if not name.startswith("_"):
                yield Complaint(path, node.lineno, f"`{name}` is public but not in `__all__`")


def _by_kind(name: str) -> tuple[int, str]:
    """The other order in use, ruff's: constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _assigned(tree: ast.Module, name: str) -> ast.Assign | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return node
    return None


def _bound(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names bound at the top level, and those of them imported from own modules."""
    bound: set[str] = set()
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.asname or alias.name for alias in node.names}
            bound |= names
            if node.level == 1 and node in tree.body:
                own |= names
        elif isinstance(node, ast.Import):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound, own
