"""What the name of a table means: a table, or a common table expression."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

WRITTEN = "name"
"""Where the parser leaves the name that a function was called by (see `reader.py`)."""

NAME_MAX = 63
"""How much of a name PostgreSQL looks at, in bytes (NAMEDATALEN - 1)."""

_DEFAULT_SCHEMA = {"postgres": "public", "sqlite": "main", "mysql": ""}


def named(table: Any, dialect: str) -> str:
    """`schema.table` in lower case; a table without a schema gets the default one."""
    parts = [part.lower() for part in (table.catalog, table.db, table.name) if part]
    if dialect == "postgres":
        parts = [part.encode()[:NAME_MAX].decode(errors="ignore") for part in parts]
    default = _DEFAULT_SCHEMA.get(dialect, "")
    return ".".join([default, *parts] if default and len(parts) == 1 else parts)


def of_with(table: Any) -> bool:
    """Whether a name means a common table expression: one of an enclosing statement that is
    defined before the place where the name stands. Inside its own definition it is a table,
    unless the WITH is recursive. A quoted name keeps its capitals (PostgreSQL, 4.1.1).
    """
    name = _spelled(table.this)
    below = table
    node = table.parent
    while node is not None:
        clause = node.args.get("with_") if not isinstance(node, exp.With) else None
        if clause is not None and clause is not below:
            if any(_spelled(cte.args["alias"].this) == name for cte in clause.expressions):
                return True
        elif isinstance(node, exp.With):
            for cte in node.expressions:
                own = cte is below
                if _spelled(cte.args["alias"].this) == name and (
                    not own or node.args.get("recursive")
                ):
                    return True
                if own:
                    break
            # the statement above has this very clause: it is looked at here only
            below, node = node.parent, node.parent.parent if node.parent is not None else None
            continue
        below, node = node, node.parent
    return False


def _spelled(name: Any) -> str:
    return str(name.name if name.args.get("quoted") else name.name.lower())


def also(table: Any, dialect: str) -> list[str]:
    """Other names a rule may know a table of PostgreSQL by: without the database, which can only be
    the one the session is in; with the schema of the catalogues, which is looked at first.
    """
    if dialect != "postgres":
        return []
    name = table.name.lower()
    if table.catalog:
        return [f"{table.db.lower()}.{name}"]
    return [f"pg_catalog.{name}"] if name.startswith("pg_") and not table.db else []
