"""The starter file, the reference page and the schema say what the field table says."""

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from aegis.kernel import config, describe
from aegis.kernel.settings import Settings
from aegis.kernel.typed import bare, type_of
from aegis.model import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def structs(type_, path=""):
    """Every settings class with the path of its keys."""
    yield path, type_.cls
    for field in type_.fields:
        below = bare(field.type)
        if isinstance(below, msgspec.inspect.DictType):
            below = bare(below.value_type)
        if isinstance(below, msgspec.inspect.StructType):
            yield from structs(below, f"{path}{field.name}.")


FIELDS = [
    (path, field) for path, cls in structs(type_of(Settings)) for field in type_of(cls).fields
]


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=lambda value: str(value)[:40])
def test_every_key_has_a_meaning(path, field):
    assert len(describe.meaning(field)) > 3


def test_the_starter_file_loads():
    loaded = config.parse(describe.starter(), "aegis.yaml")
    assert loaded.policy is not None
    assert set(loaded.settings.guardrails) >= {"injection", "pii", "secrets"}
    assert "offline" in loaded.settings.providers


def test_its_guardrails_do_what_they_do_without_a_file():
    from aegis.builtin.guards.settings import DEFAULTS

    found = config.parse(describe.starter(), "aegis.yaml").settings.guardrails
    # packs have to be added before they can be in force
    shipped = {name: action for name, action in DEFAULTS.items() if name != "packs"}
    assert {name: guard.action for name, guard in found.items()} == shipped
    assert {guard.sensitivity for guard in found.values()} == {"medium"}


def test_its_policy_is_the_one_that_holds_without_a_file():
    from aegis.policy import Policy

    loaded = config.parse(describe.starter(), "aegis.yaml")
    assert loaded.policy == Policy.from_text(describe.default_policy())


def test_what_is_commented_out_is_the_default():
    text = re.sub(r"(?m)^# ?( *[a-z_]+:)", r"\1", describe.starter())
    found = config.parse(text, "aegis.yaml").settings
    plain = config.parse("", "aegis.yaml").settings
    for name in ("ledger", "approvals", "limits", "server", "log", "home", "redact"):
        assert getattr(found, name) == getattr(plain, name), name


def test_the_schema_accepts_what_loads_and_refuses_what_does_not():
    schema = describe.config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    good = [
        describe.starter(),
        "server: { port: 1 }",
        "agents: { A: { allow: [x] } }",
        "tool_policies: { rules: [{ protocol: mcp, decision: block }] }",
        "ledger: { durability: { read: synced } }",
        "providers: { a: { type: offline, models: [a] } }",
    ]
    bad = [
        "servr: 1",
        "server: { port: 70000 }",
        "guardrails: { pii: { action: maks } }",
        "policy: { rules: [{ nam: x }] }",
        "agents: { A: { alow: [x] } }",
        "providers: { a: {} }",
        "log: { level: loud }",
    ]
    for text in good:
        config.parse(text, "x")
        check.validate(config.read(text, "x").plain())
    for text in bad:
        with pytest.raises(ConfigError):
            config.parse(text, "x")
        assert not check.is_valid(config.read(text, "x").plain()), text


def test_the_reference_page_is_fresh():
    page = (ROOT / "docs/reference/configuration.md").read_text()
    assert describe.reference() in page, "run `make docs` and commit the result"


SOURCES = {
    path: path.read_text()
    for path in (ROOT / "src/aegis").rglob("*.py")
    if path.name != "settings.py"
}


@pytest.mark.parametrize(
    "name", sorted({field.name for _, field in FIELDS} - {"version", "tool_policies", "agents"})
)
def test_every_key_is_read_by_somebody(name):
    """A key that no code reads would be configured without effect."""
    read = re.compile(rf"\.{name}\b(?!\()")
    assert any(read.search(text) for text in SOURCES.values()), f"nobody reads `{name}`"
