"""Whether a condition selects some rows, or is true of all of them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp


def selects(where: Any) -> bool:
    """Whether a WHERE can leave rows out. A condition without a column, one that is true by its
    form (`1=1`, `x=x`, `name LIKE '%'`), and one with such a branch under OR select nothing.
    """
    return where is not None and not always(where.this)


def always(node: Any) -> bool:
    """Whether a condition is true of every row by its form."""
    node = node.unnest() if hasattr(node, "unnest") else node
    if isinstance(node, exp.Or):
        return always(node.left) or always(node.right)
    if isinstance(node, exp.And):
        return always(node.left) and always(node.right)
    if isinstance(node, exp.Not):
        inner = node.this.unnest()
        if isinstance(inner, exp.Is):
            return False
        return isinstance(inner, exp.Boolean | exp.Null) or not _columns(inner)
    if not _columns(node):
        return True
    if isinstance(node, exp.EQ | exp.GTE | exp.LTE | exp.NullSafeEQ) and node.left == node.right:
        return True
    if isinstance(node, exp.Like | exp.ILike):
        pattern = node.expression
        return (
            isinstance(pattern, exp.Literal) and pattern.is_string and not pattern.this.strip("%")
        )
    if isinstance(node, exp.GT | exp.GTE | exp.NEQ):
        return _identifies(node.left) and _least(node.expression)
    return False


def injected(where: Any) -> bool:
    """Whether a condition has a branch under OR that is always true: nobody writes that."""
    return any(
        not _columns(side) or (isinstance(side.unnest(), exp.EQ) and always(side))
        for either in where.find_all(exp.Or)
        for side in (either.left, either.right)
    )


def planted(union: Any, left: list[str], right: list[str]) -> bool:
    """Whether a UNION joins a row of constants, or the catalogue, to the tables `left` of it: how
    injections read. A client that looks at catalogues only joins nothing of anybody's to them.
    """
    if not isinstance(union.expression, exp.Select):
        return False
    nulls = sum(isinstance(item, exp.Null) for item in union.expression.expressions)
    if nulls > 1 and not right:
        return True
    return any(map(_catalogue, right)) and not (left and all(map(_catalogue, left)))


def _catalogue(name: str) -> bool:
    return (
        "information_schema" in name
        or "sqlite_master" in name
        or name.startswith(("pg_catalog.", "mysql."))
    )


def _columns(node: Any) -> bool:
    return (
        node.find(exp.Column) is not None or node.find(exp.Placeholder, exp.Parameter) is not None
    )


def _identifies(node: Any) -> bool:
    name = node.name.lower() if isinstance(node, exp.Column) else ""
    return name == "id" or name.endswith("_id")


def _least(node: Any) -> bool:
    if isinstance(node, exp.Neg):
        return isinstance(node.this, exp.Literal)
    return isinstance(node, exp.Literal) and not node.is_string and node.this in ("0", "-1")
