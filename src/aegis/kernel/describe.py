"""The field table of `settings.py` in three forms: the commented starter file, the tables of the
reference page, and the JSON Schema. None of them is written by hand, so none can say something
else.
"""

from __future__ import annotations

import textwrap
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
import msgspec.inspect as shape

from ..policy.schema import schema as policy_schema
from ..policy.source import resolved
from .mcp_settings import McpTool, McpUpstream
from .settings import Guardrail, ProviderSettings, Settings
from .typed import bare, bounds, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 98
"""Columns of a comment line in the starter file."""

HEAD = """\
# Aegis configuration. `aegis validate aegis.yaml` checks it, `aegis serve` starts the gateway.
# What is commented out stands there with its default. A variable such as AEGIS__SERVER__PORT
# overrides a key; a value such as secret://env/NAME or secret://file/PATH is read from there.
"""

GUARDRAILS = """\
  injection: { enabled: true, action: block, sensitivity: medium }
  pii: { enabled: true, action: mask }
  secrets: { enabled: true, action: mask }
  tool_poisoning: { enabled: true, action: block }
  argument_injection: { enabled: true, action: warn }
  toxicity: { enabled: true, action: block }
  prompt_leak: { enabled: true, action: warn }
  # packs: { action: mask, options: { use: [NAME] } }  # after `aegis packs add FILE`
"""

PROVIDERS = """\
  # answers by itself, without a network: good for trying things out
  offline: { type: offline, models: ["offline*"] }
  # openai:
  #   type: openai_compatible
  #   base_url: https://api.openai.com/v1
  #   api_key: secret://env/OPENAI_API_KEY
  #   models: ["gpt-*"]
"""


def starter() -> str:
    """The file that `aegis init` writes."""
    active = {
        "version": 'version: "1"\n',
        "guardrails": f"guardrails:\n{GUARDRAILS}",
        "policy": f"policy:\n{textwrap.indent(default_policy(), '  ')}",
        "providers": f"providers:\n{PROVIDERS}",
    }
    parts = [HEAD]
    for field in type_of(Settings).fields:
        if isinstance(bare(field.type), shape.AnyType) and field.name not in active:
            continue  # other spellings of a policy; the reference page shows them
        parts.append(_comment(meaning(field)) + (active.get(field.name) or _inactive(field)))
    return "\n".join(parts)


def default_policy() -> str:
    """The text of the policy that holds where none is configured."""
    return files("aegis.kernel").joinpath("default_policy.yaml").read_text("utf-8")


def _inactive(field: shape.Field) -> str:
    """A key with its default, commented out."""
    return textwrap.indent(_default_lines(field), "# ")


def _default_lines(field: shape.Field) -> str:
    type_ = bare(field.type)
    if not isinstance(type_, shape.StructType):
        return f"{field.name}: {literal(default(field))}\n"
    lines = [f"{field.name}:\n"]
    for below in type_.fields:
        lines.append(textwrap.indent(_comment(meaning(below)), "  "))
        lines.append(textwrap.indent(_default_lines(below), "  "))
    return "".join(lines)


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH - 6))


def meaning(field: shape.Field) -> str:
    """The description of a field."""
    extra = field.type.extra_json_schema if isinstance(field.type, shape.Metadata) else None
    return str((extra or {}).get("description", ""))


def restarts(field: shape.Field) -> bool:
    """Whether a change of the field needs a new process."""
    extra = field.type.extra if isinstance(field.type, shape.Metadata) else None
    return bool((extra or {}).get("restart"))


def default(field: shape.Field) -> Any:
    """The value of a field that is left out; NODEFAULT where it may not be."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def literal(value: Any) -> str:
    """A default in YAML's flow style, which JSON is part of."""
    if isinstance(value, str) and value.replace("_", "").replace(".", "").isalnum():
        return value if resolved(value) == value else f'"{value}"'
    return msgspec.json.encode(value).decode()


def said(type_: shape.Type) -> str:
    """A type in words."""
    type_ = bare(type_)
    match type_:
        case shape.LiteralType():
            return "one of " + ", ".join(f"`{word}`" for word in type_.values if word)
        case shape.VarTupleType():
            return f"list of {said(type_.item_type)}"
        case shape.DictType():
            return f"{said(type_.key_type)} → {said(type_.value_type)}"
        case shape.StructType():
            return "section"
        case shape.IntType() | shape.FloatType():
            kind = "whole number" if isinstance(type_, shape.IntType) else "number"
            return f"{kind}, {bounds(type_)}"
        case shape.BoolType():
            return "true or false"
        case shape.AnyType():
            return "any value"
        case _:
            return "text"


def reference() -> str:
    """The tables of the reference page, in Markdown: one per section."""
    parts = ["## Top level", "", *_rows("", Settings)]
    for title, path, cls in _sections():
        parts += ["", f"## {title}", "", " ".join((cls.__doc__ or "").split()), ""]
        parts += _rows(path, cls)
    return "\n".join(parts) + "\n"


def _sections() -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    yield from _below("", Settings)
    yield "guardrails.NAME", "guardrails.NAME.", Guardrail
    yield "providers.NAME", "providers.NAME.", ProviderSettings
    yield "mcp.upstreams.NAME", "mcp.upstreams.NAME.", McpUpstream
    yield "mcp.upstreams.NAME.tools.TOOL", "mcp.upstreams.NAME.tools.TOOL.", McpTool


def _below(path: str, cls: type[msgspec.Struct]) -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    """The sections in a section, each before the ones in it."""
    for field in type_of(cls).fields:
        type_ = bare(field.type)
        if isinstance(type_, shape.StructType):
            name = f"{path}{field.name}"
            yield name, f"{name}.", type_.cls
            yield from _below(f"{name}.", type_.cls)


def _rows(path: str, cls: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | value | default | meaning | needs a restart |"
    yield "|---|---|---|---|---|"
    for field in type_of(cls).fields:
        value = default(field)
        shown = "required" if field.required else f"`{literal(value)}`"
        if isinstance(bare(field.type), shape.StructType):
            shown = "see below"
        restart = "yes" if restarts(field) else ""
        cells = (f"`{path}{field.name}`", said(field.type), shown, meaning(field), restart)
        yield f"| {' | '.join(cells)} |"


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `aegis.yaml`, the policy's own schema in it."""
    _, parts = msgspec.json.schema_components([Settings], ref_template="#/$defs/{name}")
    policy = policy_schema()
    rules = policy.pop("$defs", {})
    settings = parts.pop("Settings")
    keys = settings["properties"]
    path = {
        "type": "object",
        "properties": {"path": {"type": "string", "minLength": 1}},
        "required": ["path"],
        "additionalProperties": False,
    }
    document = {key: policy[key] for key in ("type", "properties", "additionalProperties")}
    keys["policy"]["anyOf"] = [{"type": ["string", "null"]}, path, document]
    for name in ("tool_policies", "agents"):
        keys[name]["anyOf"] = [{"type": "null"}, policy["properties"][name]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aegis.yaml",
        **{key: value for key, value in settings.items() if key != "title"},
        "$defs": {**rules, **parts},
    }
