"""Loading a configuration: where it is found, what it means, and what is said when it is wrong."""

import os
from pathlib import Path

import pytest

from aegis.kernel import config
from aegis.model import ConfigError

LIBRARY_SHAPE = """\
guardrails:
  pii: { enabled: true, action: mask }
  injection: { enabled: true, action: block, sensitivity: medium }
policy:
  version: "1"
  defaults:
    risk_level: medium
    approval: approve
  rules:
    - name: read_safe
      match: { type: "read*" }
      risk_level: low
      approval: auto
    - name: no_deletes
      match: { type: "delete*" }
      risk_level: critical
      approval: block
"""


def problems(text, **more):
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "aegis.yaml", **more)
    return [str(problem) for problem in caught.value.problems]


def test_the_shape_of_the_library_loads():
    loaded = config.parse(LIBRARY_SHAPE, "aegis.yaml")
    assert loaded.settings.guardrails["pii"].action == "mask"
    assert loaded.settings.guardrails["injection"].sensitivity == "medium"
    assert [rule.name for rule in loaded.policy.rules] == ["read_safe", "no_deletes"]


def test_a_plain_mapping_loads_like_its_text():
    loaded = config.parse({"server": {"port": 9}, "redact": []})
    assert loaded.settings.server.port == 9


def test_an_empty_file_is_all_defaults():
    assert config.parse("", "aegis.yaml").settings.server.port == 8080
    assert config.parse("# nothing\n", "aegis.yaml").policy is None


def test_a_section_with_everything_commented_out_is_its_defaults():
    assert config.parse("server:\n  # port: 1\n", "aegis.yaml").settings.server.port == 8080


def test_the_version_may_be_written_as_a_number():
    assert config.parse("version: 1", "aegis.yaml").settings.version == "1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "guardrials: {}",
            "aegis.yaml:1:1: guardrials: unknown key `guardrials` (did you mean `guardrails`?)",
        ),
        (
            "server:\n  prot: 1",
            "aegis.yaml:2:3: server.prot: unknown key `prot` (did you mean `port`?)",
        ),
        (
            "server: { port: 70000 }",
            "aegis.yaml:1:17: server.port: has to be at least 0 and at most 65_535, not 70000",
        ),
        (
            "server: { port: eighty }",
            "aegis.yaml:1:17: server.port: has to be a whole number, not `eighty`",
        ),
        (
            "server: { require_key: yes }",
            "aegis.yaml:1:24: server.require_key: has to be true or false, not `yes`",
        ),
        (
            "server: { host: 3 }",
            "aegis.yaml:1:17: server.host: has to be text, not a number (quote it)",
        ),
        (
            "server: []",
            "aegis.yaml:1:9: server: has to be a mapping, not a list",
        ),
        (
            "guardrails: { pii: { action: maks } }",
            "aegis.yaml:1:30: guardrails.pii.action: has to be one of block, log, mask, review, "
            "warn, not `maks` (did you mean `mask`?)",
        ),
        (
            "guardrails: { injecton: {} }",
            "aegis.yaml:1:25: guardrails.injecton: no guard plugin `injecton` is installed "
            "(did you mean `injection`?)",
        ),
        (
            "ledger: { durability: { wriet: synced } }",
            "aegis.yaml:1:25: ledger.durability.wriet: unknown key `wriet` (did you mean `write`?)",
        ),
        (
            "approvals: { channels: [carrier_pigeon] }",
            "aegis.yaml:1:25: approvals.channels.carrier_pigeon: no approver plugin "
            "`carrier_pigeon` is installed (known here: discord, email, github, notice, "
            "pagerduty, slack, teams, telegram, webhook)",
        ),
        (
            "approvals: { ttl_seconds: .nan }",
            "aegis.yaml:1:27: approvals.ttl_seconds: has to be more than 0 and at most "
            "2_592_000, not nan",
        ),
        (
            "providers: { mine: { base_url: 'https://x' } }",
            "aegis.yaml:1:20: providers.mine: key `type` is missing",
        ),
        (
            "providers: { mine: { type: offline, base_url: 'gopher://x' } }",
            "aegis.yaml:1:47: providers.mine.base_url: has to begin with http:// or https://",
        ),
        (
            "audit: { enabled: true }",
            "aegis.yaml:1:1: audit: unknown key `audit` (evidence is configured under `ledger`)",
        ),
        (
            "redact: iban",
            "aegis.yaml:1:9: redact: has to be a list, not text (write `[iban]`)",
        ),
        ("home: ' '", "aegis.yaml:1:7: home: has to name a folder"),
        (
            "home: ~nobody-of-that-name/x",
            "aegis.yaml:1:7: home: `~nobody-of-that-name` is nobody's home folder; write the path "
            "in full",
        ),
        (
            "policy: ~nobody-of-that-name/x",
            "aegis.yaml:1:9: policy: `~nobody-of-that-name` is nobody's home folder; write the "
            "path in full",
        ),
        (
            'ledger: { path: "a\\0b" }',
            "aegis.yaml:1:17: ledger.path: holds a NUL character, which no setting may",
        ),
        (
            "sinks: [log, syslogg]",
            "aegis.yaml:1:14: sinks[1]: no sink plugin `syslogg` is installed "
            "(did you mean `log`?)",
        ),
        (
            "guardrails: { pii: { stages: [] } }",
            "aegis.yaml:1:30: guardrails.pii.stages: an empty list reads nothing "
            "(`enabled: false` switches a guard off)",
        ),
        (
            "environment: é\nlog: \x07",
            "aegis.yaml:2:6: not valid YAML: the character U+0007 may not stand here",
        ),
        (
            "policy: { rules: [{ mtach: 1 }] }",
            "aegis.yaml:1:21: policy.rules[0].mtach: unknown key (did you mean `match`?)",
        ),
        ("policy: true", "aegis.yaml:1:9: policy: expected a mapping, found true or false"),
        ("- a\n- b", "aegis.yaml:1:1: has to be a mapping, not a list"),
    ],
)
def test_a_problem_says_where_what_and_what_to_do(text, expected):
    assert problems(text) == [expected]


def test_all_problems_are_said_at_once_in_the_order_of_the_file():
    said = problems(
        "servr: 1\nlimits: { body_bytes: 1 }\nlog: { level: loud }\npolicy: { ruls: [] }\n"
        "providers: { a: { type: opnai_compatible } }\n"
    )
    assert [line.split(": ")[0] for line in said] == [
        "aegis.yaml:1:1",
        "aegis.yaml:2:23",
        "aegis.yaml:3:15",
        "aegis.yaml:4:11",
        "aegis.yaml:5:25",
    ]


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: 1\na: 2", "a: !!python/object:os.system x", "&a [*a]", "\t- x", "%YAML 9.9\n---"],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(text):
    (said,) = problems(text)
    assert said.startswith("aegis.yaml")
    assert "Traceback" not in said


def test_the_nearest_file_is_found_up_to_five_folders_up(tmp_path):
    deep = tmp_path.joinpath(*"abcde")
    deep.mkdir(parents=True)
    (tmp_path / "aegis.yaml").write_text("environment: top")
    assert config.load(env={}, cwd=deep).settings.environment == "top"
    (deep / "f").mkdir()
    assert config.load(env={}, cwd=deep / "f").source == ""
    (deep / "aegis.yml").write_text("environment: near")
    assert config.load(env={}, cwd=deep / "f").settings.environment == "near"


def test_a_file_above_that_belongs_to_somebody_else_is_not_trusted(tmp_path, monkeypatch):
    (tmp_path / "aegis.yaml").write_text("environment: planted")
    (tmp_path / "work").mkdir()
    if os.getuid() == 0:
        os.chown(tmp_path / "aegis.yaml", 12345, -1)
    else:
        # only root can give a file away; to be somebody else looks the same from here
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(ConfigError, match="another user"):
        config.load(env={}, cwd=tmp_path / "work")
    # who names it means it
    loaded = config.load(tmp_path / "aegis.yaml", env={}, cwd=tmp_path / "work")
    assert loaded.settings.environment == "planted"


def test_a_named_file_wins_over_the_variable_and_that_over_finding_one(tmp_path):
    for name in ("aegis.yaml", "named.yaml", "variable.yaml"):
        (tmp_path / name).write_text(f"environment: {name}")

    def environment(path=None, env=None):
        return config.load(path, env or {}, cwd=tmp_path).settings.environment

    assert environment() == "aegis.yaml"
    assert environment(env={"AEGIS_CONFIG": "variable.yaml"}) == "variable.yaml"
    assert environment("named.yaml", {"AEGIS_CONFIG": "variable.yaml"}) == "named.yaml"


def test_a_named_file_that_is_missing_is_an_error_and_not_the_defaults(tmp_path):
    with pytest.raises(ConfigError, match=r"nope\.yaml: cannot be read: no such file"):
        config.load("nope.yaml", {}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: \xff", "1:4: is not UTF-8"),
        (b"#" * (config.BYTES_MAX + 1), "is larger than"),
    ],
)
def test_an_unreadable_file_is_said_to_be_so(tmp_path, data, said):
    (tmp_path / "aegis.yaml").write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        config.load(env={}, cwd=tmp_path)


def test_a_pipe_or_folder_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(ConfigError, match="no regular file"):
            config.load(name, {}, cwd=tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    (tmp_path / "aegis.yaml").write_text("\ufeffenvironment: a", encoding="utf-8")
    assert config.load(env={}, cwd=tmp_path).settings.environment == "a"


def test_home_counts_from_the_file_it_stands_in(tmp_path):
    (tmp_path / "aegis.yaml").write_text("home: state")
    (tmp_path / "below").mkdir()
    assert config.load(env={}, cwd=tmp_path / "below").settings.home == str(tmp_path / "state")
    assert config.parse("home: /var/aegis", "x").settings.home == "/var/aegis"
    assert config.parse("home: ~/a", "x").settings.home == str(Path("~/a").expanduser())


class TestPolicy:
    RULES = (
        "defaults: { approval: block }\nrules: [{ name: r, match: { type: a }, approval: auto }]"
    )

    @pytest.mark.parametrize("text", ["policy: { path: p.yaml }", "policy: p.yaml"])
    def test_may_stand_in_a_file_of_its_own(self, tmp_path, text):
        (tmp_path / "p.yaml").write_text(self.RULES)
        (tmp_path / "aegis.yaml").write_text(text)
        loaded = config.load(env={}, cwd=tmp_path)
        assert [rule.name for rule in loaded.policy.rules] == ["r"]
        assert loaded.files == (str(tmp_path / "aegis.yaml"), str(tmp_path / "p.yaml"))

    def test_a_problem_in_that_file_names_that_file(self, tmp_path):
        (tmp_path / "p.yaml").write_text("rules:\n  - nam: x")
        (tmp_path / "aegis.yaml").write_text("policy: { path: p.yaml }\nservr: 1")
        with pytest.raises(ConfigError) as caught:
            config.load(env={}, cwd=tmp_path)
        first, second = map(str, caught.value.problems)
        assert first.startswith(f"{tmp_path}/aegis.yaml:2:1: servr")
        assert second.startswith(f"{tmp_path}/p.yaml:2:5: rules[0].nam")

    def test_rules_may_be_added_from_files(self, tmp_path):
        (tmp_path / "more.yaml").write_text("rules: [{ name: more, match: { type: b } }]")
        (tmp_path / "aegis.yaml").write_text("policy: { rules_path: more.yaml, rules: [] }")
        loaded = config.load(env={}, cwd=tmp_path)
        assert [rule.name for rule in loaded.policy.rules] == ["more"]
        assert str(tmp_path / "more.yaml") in loaded.files

    def test_beside_a_path_nothing_else_is_quietly_dropped(self, tmp_path):
        (tmp_path / "p.yaml").write_text(self.RULES)
        (tmp_path / "aegis.yaml").write_text("policy: { path: p.yaml, rules: [] }\nagents: {}")
        with pytest.raises(ConfigError, match="`rules`, `agents` beside it has no effect"):
            config.load(env={}, cwd=tmp_path)

    def test_agents_and_tool_policies_need_no_policy_beside_them(self):
        loaded = config.parse(
            "home: x\nbreak_glass: false\nagents: { Bot: { allow: [read] } }\n"
            "tool_policies: { enabled: true, default_decision: review,"
            " rules: [{ protocol: mcp, tool: '*', decision: block }] }",
            "aegis.yaml",
        )
        names = {rule.name for rule in loaded.policy.rules}
        assert "Bot/allow" in names
        assert "tool_policies_0" in names

    def test_the_settings_hold_the_canonical_document(self):
        settings = config.parse(LIBRARY_SHAPE, "aegis.yaml").settings
        assert settings.policy["defaults"] == {"risk_level": "medium", "verdict": "review"}

    def test_a_policy_file_is_told_from_a_configuration(self):
        def is_policy(text):
            return config.is_policy(config.read(text, "x"))

        assert is_policy(self.RULES)
        assert is_policy("agents: { A: { allow: [x] } }")
        assert not is_policy(LIBRARY_SHAPE)
        assert not is_policy("agents: { A: { allow: [x] } }\nhome: x")
        assert not is_policy("")

    def test_a_policy_given_as_configuration_is_recognised(self):
        assert "put it under `policy`" in problems(self.RULES)[0]
