"""The guard `packs`: its rules join the built-in ones, in the guard, in the runtime, in records."""

from functools import cache
from pathlib import Path

import pytest

from aegis.builtin.guards import build_guard
from aegis.detect import Engine
from aegis.detect.pack import Pack, PackRule, joined
from aegis.detect.ruleset import load
from aegis.kernel import config
from aegis.kernel.build import open_runtime
from aegis.kernel.packs import Shelf, document
from aegis.model import Action, ConfigError, Text, Verdict, masked
from aegis.plugin.testing import check_guard

NAMES = PackRule(
    "code_name",
    "PROJECT_NAME",
    (r"\b(?:bluebird|sandcastle)\b",),
    ("When does Bluebird ship?", "deploy sandcastle"),
    ("Two birds.", "A castle."),
    confidence=900,
)

ADDRESS = PackRule(
    "metadata",
    "CLOUD_METADATA",
    (r"\b169\.254\.169\.254\b",),
    ("curl 169.254.169.254", "at 169.254.169.254 now"),
    ("169.254.1.1", "none"),
    category="injection",
    confidence=950,
    kinds=("arguments",),
)

ACTION = Action("chat.completions")


@cache
def engine(*rules):
    return Engine(joined(load(), (Pack("1", "acme", "1.0.0", "MIT", "us", rules),)))


def guard(*rules, others=("pii",), stage="", **options):
    brings = {rule.category: "acme 1.0.0" for rule in rules}
    packs = {"use": ["acme"], "engine": engine(*rules), "brings": brings, **options}
    return build_guard({**{name: {} for name in others}, "packs": packs}, stage=stage)


def test_the_guard_keeps_the_contract():
    check_guard(guard(NAMES), hit="When does Bluebird ship?", miss="What is a ledger?")


def test_its_findings_stand_beside_those_of_the_built_in_guards():
    text = "Bluebird mails jo@corp.example"
    found = guard(NAMES).inspect([Text(text, "prompt")], ACTION)
    assert {(one.guard, one.rule, one.type) for one in found} == {
        ("packs", "acme/code_name", "PROJECT_NAME"),
        ("pii", "email", "EMAIL"),
    }
    assert masked(text, found) == "[PROJECT_NAME] mails j***@corp.example"


def test_disguises_do_not_help():
    names = guard(NAMES)
    escaped = "%62%6c%75%65%62%69%72%64 %6e%6f%77"
    for text in ("B\u200bluebird", "ＢＬＵＥＢＩＲＤ", "blu\u00adebird", escaped):
        assert names.inspect([Text(text, "prompt")], ACTION), text


def test_a_rule_of_another_category_belongs_to_its_guard():
    both = guard(NAMES, ADDRESS, others=("pii", "injection"))
    found = both.inspect([Text("curl 169.254.169.254", "arguments")], ACTION)
    assert [(one.guard, one.verdict) for one in found if one.rule == "acme/metadata"] == [
        ("injection", Verdict.BLOCK)
    ]
    prompt = both.inspect([Text("curl 169.254.169.254", "prompt")], ACTION)
    assert [one.rule for one in prompt] == ["ip_address"], "its kinds are those it names"


def test_a_rule_nobody_would_report_is_refused():
    with pytest.raises(ValueError, match="guard `injection` that would report them does not run"):
        guard(ADDRESS)


@pytest.mark.parametrize(
    ("options", "kind", "verdict"),
    [
        ({}, "prompt", Verdict.SANITIZE),
        ({}, "arguments", Verdict.ALLOW),
        ({"arguments": "mask"}, "arguments", Verdict.SANITIZE),
        ({"action": "block"}, "prompt", Verdict.BLOCK),
        ({"action": "review"}, "prompt", Verdict.REVIEW),
        ({"types": {"PROJECT_NAME": "log"}}, "prompt", Verdict.ALLOW),
    ],
)
def test_its_action_is_a_setting(options, kind, verdict):
    (found,) = guard(NAMES, **options).inspect([Text("Bluebird", kind)], ACTION)
    assert found.verdict is verdict


def test_without_packs_it_is_refused():
    with pytest.raises(ValueError, match="has to list the packs to use"):
        build_guard({"packs": {}})


def test_the_version_follows_the_content():
    plain = build_guard({"pii": {}}).version
    one, other = guard(NAMES).version, guard(NAMES, ADDRESS, others=("pii", "injection")).version
    assert len({plain, one, other}) == 3
    assert one == guard(NAMES).version


EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "packs"


def opened(tmp_path, use, **more):
    shelf = Shelf(tmp_path / ".aegis")
    for name in use:
        shelf.add(document(EXAMPLES / f"{name}.yaml"), "")
    guards = {"pii": {}, "injection": {}, "packs": {"options": {"use": use, **more}}}
    policy = {"rules": [{"name": "all", "match": {"type": "*"}, "verdict": "allow"}]}
    return open_runtime(config.parse({"guardrails": guards, "policy": policy}, base=tmp_path))


def governed(runtime, **params):
    seen = []

    def perform(action):
        seen.append(action.params)
        return "done"

    return runtime.govern(Action("search", params=params), perform), seen


def test_in_the_runtime_it_masks_and_the_record_says_with_which_rules(tmp_path):
    runtime = opened(tmp_path, ["project-names", "cloud-metadata"], arguments="mask")
    try:
        outcome, seen = governed(runtime, query="the date of Bluebird")
        assert seen == [{"query": "the date of [PROJECT_NAME]"}]
        versions = {entry.guard: entry.version for entry in outcome.coverage}
        assert versions["packs"] == versions["pii"] != build_guard({"pii": {}}).version
    finally:
        runtime.close()


def test_values_of_packs_do_not_reach_records(tmp_path):
    runtime = opened(tmp_path, ["customer-numbers"])
    try:
        _, seen = governed(runtime, who="KD-2024-004711", note=["jo", {"KD-2023-000001": 1}])
        assert seen[0]["who"] == "KD-2024-004711", "performed as it was decided"
    finally:
        runtime.close()
    stored = b"".join(path.read_bytes() for path in (tmp_path / ".aegis").glob("ledger*"))
    assert b"search" in stored
    assert b"004711" not in stored
    assert b"000001" not in stored


def test_a_reload_with_a_broken_pack_keeps_what_was_in_force(tmp_path):
    from aegis.kernel.build import reload

    runtime = opened(tmp_path, ["project-names"], arguments="mask")
    try:
        kept = tmp_path / ".aegis/packs/project-names-1.0.0.yaml"
        kept.write_text(kept.read_text() + "# changed\n")
        guards = {"packs": {"options": {"use": ["project-names"]}}}
        with pytest.raises(ConfigError, match="changed since it was added"):
            reload(runtime, config.parse({"guardrails": guards}, base=tmp_path))
        _, seen = governed(runtime, query="Bluebird")
        assert seen == [{"query": "[PROJECT_NAME]"}]
    finally:
        runtime.close()


@pytest.mark.parametrize("use", [None, [], [1], ["a", "a"], {}])
def test_use_lists_names(tmp_path, use):
    guards = {"packs": {"options": {} if use is None else {"use": use}}}
    with pytest.raises(ConfigError, match=r"options\.use"):
        open_runtime(config.parse({"guardrails": guards}, base=tmp_path), memory=True)
