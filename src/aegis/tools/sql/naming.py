"""What the name of a table means: a table, or a common table expression."""

from __future__ import annotations

from typing import Any

from sqlglot import exp


def of_with(table: Any) -> bool:
    """Whether a name means a common table expression: one of an enclosing statement that is
    defined before the place where the name stands. Inside its own definition it is a table,
    unless the WITH is recursive.
    """
    name = table.name.lower()
    below = table
    node = table.parent
    while node is not None:
        clause = node.args.get("with_") if not isinstance(node, exp.With) else None
        if clause is not None and clause is not below:
            if any(cte.alias.lower() == name for cte in clause.expressions):
                return True
        elif isinstance(node, exp.With):
            for cte in node.expressions:
                own = cte is below
                if cte.alias.lower() == name and (not own or node.args.get("recursive")):
                    return True
                if own:
                    break
            # the statement above has this very clause: it is looked at here only
            below, node = node.parent, node.parent.parent if node.parent is not None else None
            continue
        below, node = node, node.parent
    return False
