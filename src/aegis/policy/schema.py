"""The JSON Schema (draft 2020-12) of a policy document, made from the table of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import RiskLevel
from ..model.flowmark import LABEL, SINKS, WAYS
from .clock import DAYS
from .fields import (
    LIST_MAX,
    PEOPLE_MAX,
    REGEX_MAX,
    REQUIRED,
    RULES_MAX,
    SECTIONS,
    STEPS_MAX,
    TEXT_MAX,
)
from .glob import PATTERN_MAX
from .params import NAMES

if TYPE_CHECKING:
    from .fields import Field

_GLOB = {"type": ["string", "number"], "maxLength": PATTERN_MAX}
_RESOURCE = {"type": "string", "pattern": ":", "maxLength": PATTERN_MAX}
_NAMES = {"type": "string", "minLength": 1}
_SCALAR = {"type": ["string", "number", "boolean"]}
_NUMBER = {"type": "number"}


def _or_list(one: dict[str, Any], most: int = LIST_MAX) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]}


def _mapped(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "additionalProperties": value}


KINDS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
    "exact": {"type": "object"},
    "globs": _or_list(_GLOB),
    "labels": _or_list({"type": "string", "pattern": rf"^(\*|{LABEL.pattern})$"}),
    "globs_or_empty": {"anyOf": [_or_list(_GLOB), {"type": "null"}]},
    "names": _or_list(_NAMES),
    "numbers": _mapped(_NUMBER),
    "paths": _or_list(_NAMES),
    "people": {"type": "integer", "minimum": 1, "maximum": PEOPLE_MAX},
    "ranges": _mapped({"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}),
    "resources": _or_list(_RESOURCE),
    "regexes": _mapped({"type": "string", "maxLength": REGEX_MAX}),
    "risk": {"enum": [level.name.lower() for level in RiskLevel]},
    "scalars": _mapped(_SCALAR),
    "semantic": {"type": "string", "minLength": 1, "maxLength": TEXT_MAX},
    "sets": _mapped({"type": "array", "minItems": 1, "maxItems": LIST_MAX}),
    "sinks": _or_list({"enum": ["*", *SINKS]}, len(SINKS) + 1),
    "steps": _or_list(_GLOB, STEPS_MAX),
    "text": {"type": ["string", "number"], "maxLength": TEXT_MAX},
    "thousandths": {"type": "integer", "minimum": 0, "maximum": 1000},
    "time": {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"},
    "unnamed": _or_list({"enum": list(NAMES)}, len(NAMES)),
    "values": _mapped({}),
    "verdict": {
        "enum": ["allow", "sanitize", "review", "block", "auto", "mask", "approve", "deny"]
    },
    "ways": _or_list({"enum": list(WAYS)}, len(WAYS)),
    "weekdays": _or_list({"enum": [*range(1, 8), *DAYS, *(day[:3] for day in DAYS)]}, 14),
    "zone": {"type": "string", "minLength": 1},
}
"""The schema of each kind of value that is no section."""


def _ref(section: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{section}"}


def _of(field: Field) -> dict[str, Any]:
    below = _ref(field.section)
    if field.kind in ("section", "flow"):
        return below
    if field.kind in ("rules", "tool_rules", "sequences", "alternatives"):
        most = RULES_MAX if field.kind.endswith("rules") else LIST_MAX
        return {"type": "array", "items": below, "maxItems": most}
    if field.kind == "agents":
        return {"type": "object", "additionalProperties": below}
    if field.kind == "finding":
        return {"anyOf": [KINDS["globs"], below]}
    return KINDS[field.kind]


def _section(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in SECTIONS[name]:
        properties[field.name] = {"description": field.description, **_of(field)}
        for alias in field.aliases:
            properties[alias] = {"description": f"The same as `{field.name}`.", **_of(field)}
    out: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if name in REQUIRED:
        out["allOf"] = [
            {"anyOf": [{"required": [key]} for key in (field.name, *field.aliases)]}
            for field in SECTIONS[name]
            if field.name in REQUIRED[name]
        ]
    return out


def schema() -> dict[str, Any]:
    """The schema; `spec/policy.schema.json` holds the same."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Aegis policy",
        "description": "Which actions are allowed, sanitized, reviewed or blocked.",
        **_section("document"),
        "$defs": {name: _section(name) for name in SECTIONS if name != "document"},
    }
