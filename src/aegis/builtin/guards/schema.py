"""Output schema: replies and results that must be JSON of a given shape.

Validation is `jsonschema`'s (JSON Schema 2020-12 and the drafts before it), with two changes for
hostile data: patterns run in RE2, and nothing is ever fetched for a `$ref`.
"""

from __future__ import annotations

import hashlib
import json
from copy import copy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Finding, PluginError, Prepared, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...model import Action, Text

KINDS = ("reply", "tool_result")
"""Kinds of text a schema can be for."""

ACTIONS = {"block": Verdict.BLOCK, "review": Verdict.REVIEW, "warn": Verdict.ALLOW}

SCHEMAS_MAX = 256
"""Most schemas of one configuration: each is tried against the name of every action."""

LENGTH_MAX = 1_000_000
"""Longest text that is parsed, in code points; a longer one does not satisfy any schema."""


UNSUPPORTED = ("patternProperties", "uniqueItems", "$dynamicRef")
"""Keywords whose cost an answer decides: patterns outside of RE2, comparison of all pairs."""


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One schema: for which models or tools (a glob), which kind of text, and the schema itself."""

    schema: dict[str, Any]
    match: str = "*"
    kind: str = "reply"


_ENTRIES = Prepared(list[Entry])


class SchemaGuard:
    """Validates JSON. It needs whole texts: streams are held until they are complete."""

    name = "output_schema"
    covers = ("output_schema",)
    stages = frozenset({"output"})
    compares = True

    def __init__(self, action: str, entries: Sequence[Entry]) -> None:
        self._verdict = ACTIONS[action]
        self._rules = [(entry.match, entry.kind, _validator(entry.schema)) for entry in entries]
        self._kinds = frozenset(entry.kind for entry in entries)
        self._value: Any = None
        self.version = hashlib.sha256(msgspec.json.encode(entries, order="sorted")).hexdigest()[:16]

    @property
    def pure(self) -> bool:
        """True: inspecting is a plain call."""
        return True

    def stream(self, kind: str) -> _Nothing | None:
        """None where texts of the kind are validated: JSON is judged when it is complete."""
        return None if kind in self._kinds else _Nothing()

    def bound(self, request: Sequence[Text], value: Any = None) -> SchemaGuard:
        """The guard for one answer."""
        guard = copy(self)
        guard._value = value
        return guard

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """One finding for each reply or result that is not what its schema asks for."""
        found: list[Finding] = []
        for match, kind, validator in self._rules:
            if not (fnmatchcase(action.type, match) or fnmatchcase(action.target, match)):
                continue
            if kind == "tool_result":
                if action.protocol != "llm":
                    found += self._judge(0, "", _result(self._value), validator)
                continue
            for index, text in enumerate(texts):
                if text.kind == "reply" and (not text.path or text.path[-1] == "content"):
                    found += self._judge(index, text.text, _parsed(text.text), validator)
        return found

    def _judge(self, index: int, text: str, value: Any, validator: Any) -> Iterator[Finding]:
        if value is _NOT_JSON:
            yield self._finding(index, text, "schema_not_json", "is no JSON text")
            return
        error = next(iter(validator.iter_errors(value)), None)
        if error is not None:
            # the place in the schema, which is the operator's; the one in the data may hold text
            place = "/".join(map(str, error.absolute_schema_path))
            yield self._finding(
                index, text, "schema_mismatch", f"does not satisfy `{place}` of its schema"
            )

    def _finding(self, index: int, text: str, rule: str, reason: str) -> Finding:
        return Finding(
            self.name, rule, "schema", rule.upper(), index, 0, len(text), 1000, "medium",
            self._verdict, reason=reason,
        )  # fmt: skip


class _Nothing:
    """Reads a text of a kind that has no schema."""

    settled = 1 << 62

    def feed(self, piece: str) -> Sequence[Finding]:
        return ()

    def close(self) -> Sequence[Finding]:
        return ()


_NOT_JSON: Any = object()


def _result(value: Any) -> Any:
    """The JSON value of a result: as it is, in a text, or in an MCP `CallToolResult`."""
    if isinstance(value, dict) and isinstance(value.get("content"), list):
        parts = value["content"]
        if value.get("structuredContent") is not None:
            value = value["structuredContent"]
        elif len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
            value = parts[0].get("text")
    return _parsed(value) if isinstance(value, str) else value


def _parsed(text: str) -> Any:
    if len(text) > LENGTH_MAX:
        return _NOT_JSON
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refuse(constant: str) -> Any:
    raise ValueError(f"`{constant}` is no JSON")


def _validator(schema: dict[str, Any]) -> Any:
    """A compiled validator. Raises ValueError for a schema that is none."""
    try:
        from jsonschema import (  # type: ignore[import-untyped]
            SchemaError,
            ValidationError,
            validators,
        )
        from referencing import Registry
    except ImportError as error:
        raise PluginError(
            "the guard `output_schema` needs jsonschema; pip install 'aegis-govern[schema]'"
        ) from error
    import re2

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not re2.search(wanted, instance):
            yield ValidationError("does not match its pattern")

    base = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        base.check_schema(schema)
        _check_patterns(schema)
    except SchemaError as error:
        raise ValueError(f"output_schema: no valid schema: {error.message}") from None
    except re2.error as error:
        raise ValueError(f"output_schema: a pattern RE2 cannot read: {error}") from None
    return validators.extend(base, {"pattern": pattern})(schema, registry=Registry())


def _check_patterns(value: Any) -> None:
    import re2

    if isinstance(value, dict):
        for keyword in UNSUPPORTED:
            if keyword in value:
                raise ValueError(f"output_schema: `{keyword}` is not supported; leave it out")
        reference = value.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ValueError(f"output_schema: `{reference}` is elsewhere; copy it into `$defs`")
        if isinstance(value.get("pattern"), str):
            re2.compile(value["pattern"])
        for item in value.values():
            _check_patterns(item)
    elif isinstance(value, list):
        for item in value:
            _check_patterns(item)


def build_guard(settings: Mapping[str, Any], stage: str = "") -> SchemaGuard:
    """The schema guard. Raises ValueError for an unknown option or value, or an invalid schema."""
    raw = dict(settings["output_schema"])
    action = str(raw.pop("action", "") or "block")
    raw.pop("sensitivity", None)
    given = raw.pop("schemas", None)
    if raw:
        raise ValueError(f"output_schema: unknown option `{next(iter(raw))}`; use `schemas`")
    if action not in ACTIONS:
        allowed = ", ".join(ACTIONS)
        raise ValueError(f"output_schema: unknown action `{action}`; use one of {allowed}")
    try:
        entries = _ENTRIES.convert(given)
    except msgspec.ValidationError as error:
        raise ValueError(f"output_schema: `schemas` must be a list of schemas: {error}") from None
    if not 0 < len(entries) <= SCHEMAS_MAX:
        raise ValueError(f"output_schema: `schemas` must hold 1 to {SCHEMAS_MAX} schemas")
    for entry in entries:
        if entry.kind not in KINDS:
            raise ValueError(
                f"output_schema: unknown kind `{entry.kind}`; use one of {', '.join(KINDS)}"
            )
    return SchemaGuard(action, entries)
