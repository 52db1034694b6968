"""The generated pages, as functions that return their text. `docs.py` writes them."""

from __future__ import annotations

import inspect

import aegis
from aegis.model import errors as tree

NOTICE = "<!-- written by `make docs`; edit the source it names, not this page -->"


def errors() -> str:
    """`docs/reference/errors.md`: the tree of exceptions, from `aegis.model.errors`."""
    lines = [
        "# Errors",
        "",
        NOTICE,
        "<!-- source: src/aegis/model/errors.py -->",
        "",
        "Every exception that Aegis raises on purpose descends from `AegisError`. The type says",
        "whose fault it is: the caller's, governance's, the thing behind Aegis, or ours.",
        "",
    ]

    def walk(cls: type[Exception], depth: int) -> None:
        lines.append(f"{'  ' * depth}- `{cls.__name__}`: {_text(cls)}")
        for child in sorted(cls.__subclasses__(), key=lambda each: each.__name__):
            if child.__module__ == tree.__name__:
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
        if callable(value):
            lines += ["```text", f"{name}{_signature(value)}", "```", ""]
            lines.append(_text(value, paragraphs=True))
        else:
            lines.append(f"`{value!r}`")
    return "\n".join(lines) + "\n"


def _signature(value: object) -> str:
    if not callable(value):
        return ""
    try:
        return str(inspect.signature(value)).replace("aegis.model.", "")
    except ValueError:
        return "(…)"


def _text(value: object, *, paragraphs: bool = False) -> str:
    """A docstring as one paragraph, or as all of them."""
    text = inspect.cleandoc(getattr(value, "__doc__", None) or "")
    if paragraphs:
        return text
    return " ".join(text.split("\n\n")[0].split())
