"""Statements and portals of one session, and the actions they make.

The gate keeps what clients prepared and gives the server each text again with the values it is run
with: what is decided is what is sent, and nothing prepared at the server can stand in its place.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import uuid_utils

from ....flow.view import PlainView
from ....model import Action, Actor, Digest, Resource, Text
from ....tools.read import as_read
from ....tools.reading import environment_of
from . import wire
from .values import BINARY, TEXT, TEXTS, Unreadable, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....model import Path
    from .rows import Answer

CONNECT, QUERY, FETCH, COPY, NOTICE = (
    "sql.connect",
    "sql.query",
    "sql.fetch",
    "sql.copy",
    "sql.notice",
)
"""Types of actions: a session; a statement; more rows of one; rows sent to COPY; words of the
server that belong to no statement."""

DIALECT = "postgres"

BYTES_LABEL = "sql-bytes"
"""Label of a statement that has a parameter nobody here can read."""

NAMES_MAX = 1_000
"""Most statements, and most portals, of one session: drivers keep a hundred."""

RECORDED_MAX = 2_000
"""Longest text of a statement or parameter that stands in a record, in characters."""


_PASSWORD = re.compile(
    r"(\bpassword\b\s*=?\s*)(?:(?:e|u&)?'(?:[^'\\]|\\.|'')*+(?:'|$)|(\$\w*\$).*?(?:\2|$))",
    re.IGNORECASE | re.DOTALL,
)
"""The password in CREATE ROLE and its like, which no detector knows by its looks."""


class Place(msgspec.Struct, frozen=True):
    """Where statements of a session go, who sends them, and the action the session is."""

    actor: Actor
    database: str
    host: str
    session: str = ""


class Prepared(msgspec.Struct):
    """A statement a client prepared: its text, the types of its parameters as far as known, and
    whether the server could parse it.
    """

    text: str
    given: tuple[int, ...] = ()
    types: tuple[int, ...] = ()
    parsed: bool = False


class Portal(msgspec.Struct):
    """A statement with values. `begun` once rows were asked for; `columns` as the server described
    them.
    """

    statement: Prepared
    name: str
    formats: tuple[int, ...]
    values: list[bytes | None]
    results: bytes
    columns: tuple[tuple[int, int], ...] = ()
    begun: bool = False
    bound: bool = False

    def form(self, index: int) -> int:
        """The format of a value: none given is text, one given is for all (section "Bind")."""
        if not self.formats:
            return TEXT
        return self.formats[0] if len(self.formats) == 1 else self.formats[index]

    def type(self, index: int) -> int:
        """The type of a value; 0 where nobody said."""
        types = self.statement.types
        return types[index] if index < len(types) else 0

    def parameters(self) -> list[Any]:
        """The values as guards and rules see them: texts, NULL as None, and of what cannot be read
        its size and digest.
        """
        return [self._seen(index, value) for index, value in enumerate(self.values)]

    def _seen(self, index: int, value: bytes | None) -> Any:
        if value is None:
            return None
        try:
            return decoded(self.type(index), self.form(index), value)
        except Unreadable:
            return {"bytes": len(value), "sha256": sha256(value).hexdigest()}

    def sent(self, parameters: list[Any]) -> bytes:
        """Bind with the values as they were decided. Raises ValueError for one that was changed
        and cannot be written in the form the client chose.
        """
        values = list(self.values)
        for index, (was, now) in enumerate(zip(self.parameters(), parameters, strict=True)):
            if was == now:
                continue
            oid, form = self.type(index), self.form(index)
            text = isinstance(now, str)
            if text and form == TEXT and oid not in TEXTS:
                values[index] = now.encode()
            else:
                values[index] = encoded(oid, form, now) if text else None
            if values[index] is None:
                raise ValueError(f"parameter {index + 1} was masked, and its type holds no mask")
        return wire.bind(self.name, self.formats, values, self.results)


def parsed(raw: bytes) -> tuple[str, Prepared]:
    """Name and statement of a Parse. Raises ProtocolError."""
    body = wire.Body(raw)
    name, text, types = body.text(), body.text(), tuple(body.oids())
    body.end()
    return name, Prepared(text, types, types)


def bound(raw: bytes, known: Mapping[str, Prepared]) -> Portal:
    """The portal of a Bind. Raises ProtocolError; KeyError for an unknown statement."""
    body = wire.Body(raw)
    portal, statement = body.text(), body.text()
    formats, values = tuple(body.shorts()), body.values()
    count = body.short()
    results = count.to_bytes(2, "big", signed=True) + body.take(2 * max(0, count))
    body.end()
    if len(formats) not in (0, 1, len(values)) or any(
        form not in (TEXT, BINARY) for form in formats
    ):
        raise wire.ProtocolError("the formats of a Bind do not fit its values")
    return Portal(known[statement], portal, formats, values, results)


def asked(place: Place, type: str, text: str, parameters: list[Any] | None = None) -> Action:
    """The action of a statement, read."""
    params: dict[str, Any] = {"sql": text}
    labels: tuple[str, ...] = ()
    if parameters:
        params["parameters"] = parameters
        if any(isinstance(value, dict) for value in parameters):
            labels = (BYTES_LABEL,)
    params["database"], params["host"] = place.database, place.host
    action = Action(
        type,
        place.database,
        params,
        protocol="sql",
        actor=place.actor,
        labels=labels,
        parent=place.session,
        id=str(uuid_utils.uuid7()),
    )
    return as_read(action, DIALECT)


def unaltered(action: Action, decided: Action) -> str:
    """The text to send. Raises ValueError where what guards masked in it changes what it would do:
    a mask could swallow the end of a literal.
    """
    text: str = decided.params["sql"]
    if text != action.params["sql"]:
        again = as_read(msgspec.structs.replace(decided, resources=(), labels=()), DIALECT)
        does = {(one.kind, one.name, one.verb) for one in action.resources}
        if (
            again.capability != action.capability
            or not set(again.labels) <= set(action.labels)
            or not {(one.kind, one.name, one.verb) for one in again.resources} <= does
        ):
            raise ValueError("what was masked in the statement would change what it does")
    return text


def opening(place: Place) -> Action:
    """The action that a session is."""
    touched = (("database", place.database), ("host", place.host))
    return msgspec.structs.replace(
        made(place, CONNECT, {"database": place.database, "host": place.host}, "read"),
        environment=environment_of(place.database) or environment_of(place.host),
        resources=tuple(Resource(kind, name.lower(), "connect") for kind, name in touched),
    )


def made(
    place: Place, type: str, params: dict[str, Any], capability: str, parent: str = ""
) -> Action:
    """An action whose words are no statement."""
    return Action(
        type,
        place.database,
        params,
        protocol="sql",
        actor=place.actor,
        capability=capability,
        parent=parent or place.session,
        id=str(uuid_utils.uuid7()),
    )


class SqlView(PlainView):
    """Reads statements, and their answers through `answer`. The gate has read them already."""

    private = True
    read = True

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer

    def texts(self, action: Action) -> Sequence[Text]:
        """The statement, its parameters, the rows it copies; not where it goes."""
        params = action.params
        found = [
            Text(params[key], path=(key,))
            for key in ("sql", "rows", "words")
            if isinstance(params.get(key), str)
        ]
        for index, value in enumerate(params.get("parameters", ())):
            if isinstance(value, str) and value:
                path: Path = ("parameters", index)
                found.append(Text(value, path=path))
        return found

    def recorded(self, action: Action) -> Any:
        """The params, long texts as what they weigh, and without the passwords of roles."""
        sql = action.params.get("sql")
        hidden = {"sql": _PASSWORD.sub(r"\1'(not recorded)'", sql)} if isinstance(sql, str) else {}
        return {key: _weighed(value) for key, value in (action.params | hidden).items()}

    def reader(self, action: Action) -> Answer:
        """The reader of the answer."""
        assert self._answer is not None
        return self._answer


def _weighed(value: Any) -> Any:
    if isinstance(value, str) and len(value) > RECORDED_MAX:
        data = value.encode("utf-8", "surrogatepass")
        return Digest(len(data), sha256=sha256(data).hexdigest())
    return [_weighed(item) for item in value] if isinstance(value, list) else value
