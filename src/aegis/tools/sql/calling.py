"""What is called in a statement, and whether that is built in."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from .naming import WRITTEN


def called(node: Any) -> str:
    """The name a function was called by, in lower case."""
    name = node.name if isinstance(node, exp.Anonymous) else node.meta.get(WRITTEN, "")
    return str(name or node.sql_name()).lower()


def attribute(node: Any) -> str:
    """The name behind the dot of `(x).name`, in lower case; empty where there is none. It is a
    field, or a function that is called with `x` (PostgreSQL, 4.2.6 and 8.16.5). Where names alone
    stand before the dot, it is a type or a table.
    """
    name, owner = node.expression, node.this
    while isinstance(owner, exp.Dot):
        owner = owner.this
    plain = not isinstance(name, exp.Identifier) or isinstance(owner, exp.Identifier)
    return "" if plain else str(name.name).lower()


def harmless(node: Any, name: str, known: frozenset[str]) -> bool:
    """Whether a function is built in: it is called by one of the `known` names, and no schema owns
    it. The parser's own names count for nothing: it knows those of thirty databases, and anybody
    may have written a function of that name. What has no name is an operator or syntax.
    """
    owner = node.parent
    if isinstance(owner, exp.Dot) and owner.expression is node:
        return name in known and owner.this.name.lower() == "pg_catalog"
    if isinstance(
        node, exp.Dot | exp.Anonymous | exp.NextValueFor | exp.ArgMax | exp.ArgMin | exp.GapFill
    ):
        return name in known
    return WRITTEN not in node.meta or name in known
