"""One statement of SQL: what each kind of it does, and to which tables and columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ..reading import APPROVE, DELETE, EXECUTE, READ, WRITE, Notes
from . import words
from .calling import attribute, called, harmless
from .columns import columns_read
from .functions import FUNCTIONS
from .naming import also, named, of_with
from .selecting import always, injected, planted, selects
from .wrapping import declared, explained, pragma_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..reading import Reading

    Read = Callable[[str, str], Reading]

_SECRET_TABLES = re.compile(
    r"^(?:pg_catalog\.)?(?:pg_shadow|pg_authid|pg_user_mapping|pg_user_mappings)$|^mysql\.user$"
)


def note(tree: Any, dialect: str, notes: Notes, read: Read, known: frozenset[str]) -> None:
    """Notes everything a statement does; `read` reads the statement inside another one, `known` are
    the functions that only compute.
    """
    _Statement(tree, dialect, notes, read, known).note()


class _Statement:
    def __init__(
        self, tree: Any, dialect: str, notes: Notes, read: Read, known: frozenset[str]
    ) -> None:
        self.tree = tree
        self.dialect = dialect
        self.notes = notes
        self.read = read
        self.known = known

    def note(self) -> None:
        if isinstance(self.tree, exp.Command | exp.Alias | exp.Column | exp.Execute):
            self._command()
            return
        written: set[int] = set()
        tables: list[Any] = []
        columns: list[Any] = []
        stars = understood = False
        for node in self.tree.walk():
            judge = _KINDS.get(type(node).__name__)
            if judge is not None:
                understood = True
                written.update(id(table) for table in judge(self, node))
            elif isinstance(node, exp.Table):
                tables.append(node)
            elif isinstance(node, exp.Column):
                columns.append(node)
            elif isinstance(node, exp.Star):
                stars = stars or not isinstance(node.parent, exp.Count)
            elif isinstance(node, exp.Func):
                self._function(node, called(node))
            elif isinstance(node, exp.Dot) and attribute(node):
                self._function(node, attribute(node))
            elif isinstance(node, exp.Command):
                self.notes.doubts("part of a statement is not understood")
        if not understood:
            self.notes.does(EXECUTE)
            self.notes.doubts("a statement is not understood")
            words.anywhere(self.tree.sql(dialect=self.dialect), self.notes)
        self._tables([table for table in tables if table.name], written, columns, stars)

    def _command(self) -> None:
        text = self.tree.sql(dialect=self.dialect)
        upper = text.lstrip().upper()
        if upper.startswith("EXPLAIN"):
            self._explained(text.lstrip()[7:])
        elif upper.startswith("REPLACE INTO"):
            self.notes.joins(self.read("INSERT" + text.lstrip()[7:], self.dialect))
        else:
            if upper.startswith("DECLARE"):
                self._declared(declared(text.lstrip()))
            words.command(text, self.notes)
            if name := words.subject(text):
                self.wrote(exp.to_table(name), WRITE)

    def _declared(self, query: str) -> None:
        """DECLARE reads what its query reads, whenever its rows are fetched."""
        if query:
            self.notes.joins(self.read(query, self.dialect))
        else:
            self.notes.doubts("the query of a cursor is not understood")

    def _explained(self, rest: str) -> None:
        """EXPLAIN reads what its statement names; with ANALYZE it runs the statement."""
        text, runs, clear = explained(rest)
        if not clear:
            self.notes.doubts("the options of EXPLAIN are not plain words")
        inner = self.read(text, self.dialect)
        if runs or not clear:
            self.notes.joins(inner)
            return
        self.notes.does(READ)
        for item in inner.resources:
            self.notes.touches(item.kind, item.name, READ)
        if inner.undecided:
            self.notes.doubts(inner.undecided)

    def _tables(
        self, tables: list[Any], written: set[int], columns: list[Any], stars: bool
    ) -> None:
        names: dict[str, set[str]] = {}
        for table in tables:
            if not table.db and of_with(table):
                continue
            name = self.named(table)
            names.setdefault(table.alias_or_name.lower(), set()).add(name)
            if id(table) not in written:
                self._touches(table, READ)
                if _SECRET_TABLES.match(name.removeprefix("public.")):
                    self.notes.threatens("credentials-read")
        for column in columns_read(columns, names):
            self.notes.touches("column", column, READ)
        copies = isinstance(self.tree, exp.Copy) and not self.tree.args.get("kind")
        if stars or copies:
            for name in sorted(set().union(*names.values())):
                self.notes.touches("column", f"{name}.*", READ)

    def named(self, table: Any) -> str:
        """`schema.table` in lower case."""
        return named(table, self.dialect)

    def _function(self, node: Any, name: str) -> None:
        found = FUNCTIONS.get(name.rpartition(".")[2])
        if found is None:
            if not isinstance(self.tree, exp.Pragma) and not harmless(node, name, self.known):
                self.notes.doubts("it calls a function that is not known")
            return
        danger, acts = found
        if name == "set_config":
            setting = next(iter(node.expressions), None)
            plain = isinstance(setting, exp.Literal) and setting.is_string
            # the worst one, where only running it would tell
            words.meaning(setting.name if setting and plain else "search_path", self.notes)
        if danger:
            self.notes.threatens(danger)
        self.notes.does(acts)
        path = node.find(exp.Literal)
        if path is not None and path.is_string and danger.startswith("sql-file"):
            self.notes.touches("file", path.this, acts)

    # kinds: each returns the tables it writes

    def select(self, node: Any) -> Iterable[Any]:
        """SELECT, and SELECT INTO, which makes a table."""
        self.notes.does(READ)
        where = node.args.get("where")
        if where is not None and injected(where):
            self.notes.threatens("sql-injection")
        into = node.args.get("into")
        if into is not None and isinstance(into.this, exp.Table):
            self.notes.does(WRITE)
            yield self.wrote(into.this, WRITE)

    def union(self, node: Any) -> Iterable[Any]:
        """UNION with rows of constants, or with the catalogue: how injections read."""
        self.notes.does(READ)
        if planted(node, self._names(node.this), self._names(node.expression)):
            self.notes.threatens("sql-injection")
        return ()

    def _names(self, node: Any) -> list[str]:
        return [self.named(table) for table in node.find_all(exp.Table) if table.name]

    def insert(self, node: Any) -> Iterable[Any]:
        """INSERT; MySQL's REPLACE comes here too."""
        self.notes.does(WRITE)
        table = node.find(exp.Table)
        if table is not None:
            yield self.wrote(table, WRITE)

    def update(self, node: Any) -> Iterable[Any]:
        """UPDATE, with what it sets."""
        self.notes.does(WRITE)
        if not selects(node.args.get("where")):
            self.notes.threatens("sql-update-all")
        if isinstance(node.this, exp.Table):
            name = self.named(node.this)
            for assignment in node.expressions:
                column = assignment.this if isinstance(assignment, exp.EQ) else None
                if isinstance(column, exp.Column):
                    self.notes.touches("column", f"{name}.{column.name.lower()}", WRITE)
            yield self.wrote(node.this, WRITE)

    def delete(self, node: Any) -> Iterable[Any]:
        """DELETE."""
        self.notes.does(DELETE)
        if not selects(node.args.get("where")) and not node.args.get("limit"):
            self.notes.threatens("sql-delete-all")
        for table in (node.this, *(node.args.get("tables") or ())):
            if isinstance(table, exp.Table):
                yield self.wrote(table, DELETE)

    def merge(self, node: Any) -> Iterable[Any]:
        """MERGE: its branches may update and delete."""
        deletes = any(
            (isinstance(then, exp.Var) and then.name.upper() == "DELETE")
            or isinstance(then, exp.Delete)
            for when in node.find_all(exp.When)
            for then in [when.args.get("then")]
        )
        self.notes.does(DELETE if deletes else WRITE)
        on = node.args.get("on")
        if on is not None and always(on):
            self.notes.threatens("sql-delete-all" if deletes else "sql-update-all")
        if isinstance(node.this, exp.Table):
            yield self.wrote(node.this, DELETE if deletes else WRITE)

    def drop(self, node: Any) -> Iterable[Any]:
        """DROP of anything; inside ALTER it drops columns."""
        self.notes.does(DELETE)
        if isinstance(node.parent, exp.Alter):
            return
        kind = str(node.args.get("kind") or "").upper()
        self.notes.threatens("sql-drop")
        for table in node.find_all(exp.Table):
            if kind in ("DATABASE", "SCHEMA"):
                self.notes.touches(kind.lower(), table.db.lower() or table.name.lower(), DELETE)
                self.notes.placed(table.db or table.name)
                yield table
            else:
                yield self.wrote(table, DELETE)

    def truncate(self, node: Any) -> Iterable[Any]:
        """TRUNCATE."""
        self.notes.does(DELETE)
        self.notes.threatens("sql-truncate")
        for table in node.find_all(exp.Table):
            yield self.wrote(table, DELETE)

    def alter(self, node: Any) -> Iterable[Any]:
        """ALTER; what it drops or retypes may be lost."""
        self.notes.does(WRITE)
        for action in node.args.get("actions") or ():
            if isinstance(action, exp.Drop | exp.AlterColumn | exp.Command | exp.AlterRename):
                self.notes.threatens("sql-alter")
        if isinstance(node.this, exp.Table):
            yield self.wrote(node.this, WRITE)

    def create(self, node: Any) -> Iterable[Any]:
        """CREATE: functions hold code that is not read."""
        kind = str(node.args.get("kind") or "").upper()
        self.notes.does(WRITE)
        if kind in ("FUNCTION", "PROCEDURE", "TRIGGER"):
            self.notes.does(EXECUTE)
            self.notes.threatens("sql-run-program")
        elif node.args.get("replace") and kind == "TABLE":
            self.notes.threatens("sql-drop")
        for table in node.find_all(exp.Table) if kind == "VIEW" else ():
            self._settings(table)
        table = node.this.find(exp.Table) if node.this is not None else None
        if table is not None:
            yield self.wrote(table, WRITE)

    def grant(self, node: Any) -> Iterable[Any]:
        """GRANT."""
        yield from self._rights(node, "sql-grant")

    def revoke(self, node: Any) -> Iterable[Any]:
        """REVOKE."""
        yield from self._rights(node, "sql-revoke")

    def _rights(self, node: Any, danger: str) -> Iterable[Any]:
        self.notes.does(APPROVE)
        self.notes.threatens(danger)
        for table in node.find_all(exp.Table):
            yield self.wrote(table, APPROVE)

    def copy(self, node: Any) -> Iterable[Any]:
        """COPY: through a program, a file of the server, or the connection."""
        into = bool(node.args.get("kind"))
        files = node.args.get("files") or []
        names = [item.name for item in files]
        if any(name.upper() == "PROGRAM" for name in names):
            self.notes.does(EXECUTE)
            self.notes.threatens("sql-run-program")
        elif not all(name.upper() in ("STDIN", "STDOUT") for name in names):
            self.notes.threatens("sql-file-read" if into else "sql-file-write")
            for name in names:
                self.notes.touches("file", name, READ if into else WRITE)
        self.notes.does(WRITE if into else READ)
        if into and isinstance(node.this, exp.Table):
            yield self.wrote(node.this, WRITE)

    def sets(self, node: Any) -> Iterable[Any]:
        """SET of a session's setting; of the server's it is a danger."""
        self.notes.does(READ)
        text = node.sql(dialect=self.dialect)
        words.meaning(text, self.notes)
        text = text.upper()
        if re.search(r"\bGLOBAL\b|\bPERSIST|^SET\s+PASSWORD|SESSION_AUTHORIZATION|\bROLE\b", text):
            self.notes.does(APPROVE)
            self.notes.threatens("sql-server")
        return ()

    def pragma(self, node: Any) -> Iterable[Any]:
        """PRAGMA: with a value it changes how SQLite behaves."""
        text = node.sql().lower()
        writing = pragma_writes(text)
        self.notes.does(WRITE if writing else READ)
        if writing and re.search(
            r"writable_schema|trusted_schema|journal_mode|synchronous|temp_store_directory|data_store_directory",
            text,
        ):
            self.notes.threatens("sql-server")
        return ()

    def server(self, node: Any) -> Iterable[Any]:
        """ATTACH, DETACH, KILL and their like."""
        self.notes.does(EXECUTE)
        self.notes.threatens("sql-server")
        for literal in node.find_all(exp.Literal):
            if literal.is_string:
                self.notes.touches("file", literal.this, WRITE)
        return ()

    def writes(self, node: Any) -> Iterable[Any]:
        """COMMENT, ANALYZE, REFRESH, CACHE: they change what belongs to the database."""
        self.notes.does(WRITE)
        for table in node.find_all(exp.Table):
            yield self.wrote(table, WRITE)

    def reads(self, node: Any) -> Iterable[Any]:
        """Transactions, SHOW, DESCRIBE, USE, VALUES."""
        del node
        self.notes.does(READ)
        return ()

    def wrote(self, table: Any, verb: str) -> Any:
        """Notes a table that is written; returns it."""
        self._settings(table)
        if table.name:
            self._touches(table, verb)
        return table

    def _settings(self, table: Any) -> None:
        """A row of `pg_settings` that is written is a SET (PostgreSQL, 53.24)."""
        if table.name.lower() == "pg_settings":
            words.meaning("search_path", self.notes)

    def _touches(self, table: Any, verb: str) -> None:
        for name in (self.named(table), *also(table, self.dialect)):
            self.notes.touches("table", name, verb)


_KINDS: dict[str, Any] = {
    "Select": _Statement.select,
    "Union": _Statement.union,
    "Insert": _Statement.insert,
    "Update": _Statement.update,
    "Delete": _Statement.delete,
    "Merge": _Statement.merge,
    "Drop": _Statement.drop,
    "TruncateTable": _Statement.truncate,
    "Alter": _Statement.alter,
    "Create": _Statement.create,
    "Grant": _Statement.grant,
    "Revoke": _Statement.revoke,
    "Copy": _Statement.copy,
    "Set": _Statement.sets,
    "Pragma": _Statement.pragma,
    "Attach": _Statement.server,
    "Detach": _Statement.server,
    "Kill": _Statement.server,
    "LoadData": _Statement.server,
    "Comment": _Statement.writes,
    "Analyze": _Statement.writes,
    "Refresh": _Statement.writes,
    **dict.fromkeys(
        (
            "Transaction",
            "Commit",
            "Rollback",
            "Show",
            "Describe",
            "Use",
            "Values",
            "Intersect",
            "Except",
        ),
        _Statement.reads,
    ),
}
"""Class of the syntax tree → its judge."""
