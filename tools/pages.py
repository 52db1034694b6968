"""The generated pages, as functions that return their text. `docs.py` writes them."""

from __future__ import annotations

import inspect
import json
import re
from enum import Enum
from typing import Any

import aegis
from aegis.detect import pack
from aegis.model import errors as tree
from aegis.model import refusals
from aegis.policy import schema

NOTICE = "<!-- written by `make docs`; edit the source it names, not this page -->"


def errors() -> str:
    """`docs/reference/errors.md`: the tree of exceptions, from `aegis.model.errors`."""
    lines = [
        "# Errors",
        "",
        NOTICE,
        "<!-- source: src/aegis/model/errors.py, src/aegis/model/refusals.py -->",
        "",
        "Every exception that Aegis raises on purpose descends from `AegisError`. The type says",
        "whose fault it is: the caller's, governance's, the thing behind Aegis, or ours.",
        "",
    ]

    def walk(cls: type[Exception], depth: int) -> None:
        lines.append(f"{'  ' * depth}- `{cls.__name__}`: {_text(cls)}")
        for child in sorted(cls.__subclasses__(), key=lambda each: each.__name__):
            if child.__module__ in (tree.__name__, refusals.__name__):
                walk(child, depth + 1)

    walk(tree.AegisError, 0)
    return "\n".join(lines) + "\n"


def python() -> str:
    """`docs/reference/python.md`: the public names, from `aegis.__all__`."""
    lines = [
        "# Python names",
        "",
        NOTICE,
        "<!-- source: src/aegis/__init__.py -->",
        "",
        "What `from aegis import …` offers. Everything is loaded on first use, so `import aegis`",
        "alone costs little. Names that are not on this page carry no promise.",
    ]
    for name in aegis.__all__:
        value = getattr(aegis, name)
        lines += ["", f"## `{name}`", ""]
        lines += [*_shape(value, name), _text(value, paragraphs=True)]
    return "\n".join(lines) + "\n"


def policy_schema() -> str:
    """`spec/policy.schema.json`: what a policy document may say."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def pack_schema() -> str:
    """`spec/pack.schema.json`: what a rule pack may say."""
    return json.dumps(pack.schema(), indent=2, ensure_ascii=False) + "\n"


def _shape(value: Any, name: str) -> list[str]:
    """How a name is used: the members of an enumeration, or the parameters of a callable, one a
    line. Exceptions are caught rather than made, so they show none.
    """
    if isinstance(value, type) and issubclass(value, Exception):
        return []
    if isinstance(value, type) and issubclass(value, Enum):
        return ["Members: " + ", ".join(f"`{member.name}`" for member in value) + ".", ""]
    try:
        signature = inspect.signature(value)
    except ValueError:
        return []
    lines = []
    keyword_only = False
    for parameter in signature.parameters.values():
        if parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            lines.append("    *,")
        lines.append(f"    {_bare(parameter)},")
    inside = ["(", *lines, ")"] if lines else ["()"]
    return ["```text", *f"{name}{chr(10).join(inside)}".splitlines(), "```", ""]


def _bare(parameter: inspect.Parameter) -> str:
    """A parameter as it stands in the source: names without their modules, defaults in short."""
    shown = str(parameter.replace(default=inspect.Parameter.empty))
    shown = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", shown.replace("'", ""))
    default = parameter.default
    if default is parameter.empty:
        return shown
    if isinstance(default, str):
        return f'{shown} = "{default}"'
    return f"{shown} = {default if isinstance(default, (int, float, tuple, type(None))) else '…'}"


def _text(value: object, *, paragraphs: bool = False) -> str:
    """A docstring as one paragraph, or as all of them."""
    text = inspect.cleandoc(getattr(value, "__doc__", None) or "")
    if paragraphs:
        return text
    return " ".join(text.split("\n\n")[0].split())
