"""Which columns a statement reads, as far as its words tell without the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..reading import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def columns_read(columns: Sequence[Any], tables: Mapping[str, set[str]]) -> Iterator[str]:
    """Columns as `schema.table.column`. `tables` has the names of the tables for each name that
    stands for one in the statement; where several do, the column may be of any.

    The name of a table in the place of a column is all of its columns (PostgreSQL, 8.16.5).
    """
    every = {name for names in tables.values() for name in names}
    for column in columns:
        name, owner = column.name.lower(), column.table.lower()
        for table in () if owner else sorted(tables.get(name, ())):
            yield f"{table}.*"
        owners = tables.get(owner, ()) if owner else every if len(every) == 1 else ()
        for table in sorted(owners) or (UNKNOWN,):
            yield f"{table}.{name}"
