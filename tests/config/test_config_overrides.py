"""Environment variables over the configuration."""

import pytest

from aegis.kernel import config
from aegis.model import ConfigError


def settings(env, text=""):
    return config.parse(text, "aegis.yaml", env=env).settings


def refused(env, text=""):
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "aegis.yaml", env=env)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("AEGIS__SERVER__PORT", "9000", lambda s: s.server.port == 9000),
        ("AEGIS__SERVER__REQUIRE_KEY", "false", lambda s: s.server.require_key is False),
        ("AEGIS__APPROVALS__WAIT_SECONDS", "1.5", lambda s: s.approvals.wait_seconds == 1.5),
        ("AEGIS__ENVIRONMENT", "123", lambda s: s.environment == "123"),
        ("AEGIS__ENVIRONMENT", "true", lambda s: s.environment == "true"),
        ("AEGIS__LOG__LEVEL", "debug", lambda s: s.log.level == "debug"),
        ("AEGIS__REDACT", "[iban, ssn]", lambda s: s.redact == ("iban", "ssn")),
        (
            "AEGIS__LEDGER__DURABILITY__READ",
            "synced",
            lambda s: s.ledger.durability == {"read": "synced"},
        ),
        ("AEGIS__GUARDRAILS__PII__ENABLED", "false", lambda s: not s.guardrails["pii"].enabled),
        ("aegis__server__port", "9000", lambda s: s.server.port == 9000),
    ],
)
def test_a_variable_sets_the_key_with_its_type(name, value, read):
    assert read(settings({name: value}))


def test_a_variable_wins_over_the_file_and_leaves_the_rest_of_it():
    found = settings({"AEGIS__SERVER__PORT": "1"}, "server: { port: 2, host: '::1' }")
    assert (found.server.port, found.server.host) == (1, "::1")


def test_names_of_the_file_are_matched_whatever_their_spelling():
    found = settings(
        {"AEGIS__PROVIDERS__MY_LLM__CONNECTIONS": "7"}, "providers: { My-LLM: { type: offline } }"
    )
    assert found.providers["My-LLM"].connections == 7


def test_a_whole_provider_can_come_from_the_environment():
    found = settings(
        {
            "AEGIS__PROVIDERS__A__BASE_URL": "https://x",
            "AEGIS__PROVIDERS": "{ a: { type: offline } }",
        }
    )
    assert found.providers["a"].base_url == "https://x"


def test_the_policy_is_set_by_the_path_of_its_file(tmp_path):
    (tmp_path / "p.yaml").write_text("rules: [{ name: r, match: { type: a } }]")
    loaded = config.parse("", "x", env={"AEGIS__POLICY__PATH": str(tmp_path / "p.yaml")})
    assert [rule.name for rule in loaded.policy.rules] == ["r"]


def test_what_took_effect_is_listed():
    loaded = config.parse("", "", env={"AEGIS__SERVER__PORT": "1", "AEGIS_CONFIG": "x", "PATH": ""})
    assert loaded.overrides == ("AEGIS__SERVER__PORT",)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            {"AEGIS__SERVER__PROT": "1"},
            "AEGIS__SERVER__PROT: there is no key `server.prot` "
            "(did you mean `AEGIS__SERVER__PORT`?)",
        ),
        ({"AEGIS__SERVER__PORT": "x"}, "AEGIS__SERVER__PORT: server.port: has to be a whole "),
        ({"AEGIS__SERVER__PORT": "-1"}, "AEGIS__SERVER__PORT: server.port: has to be at least 0"),
        ({"AEGIS__SERVER": "{}"}, "AEGIS__SERVER: `server` is a section (name one of its keys"),
        ({"AEGIS__SERVER__PORT__X": "1"}, "AEGIS__SERVER__PORT__X: `server.port` has no key `x`"),
        ({"AEGIS__POLICY__RULES": "[]"}, "AEGIS__POLICY__RULES: `policy` is not set piece by"),
        ({"AEGIS__AGENTS": "{}"}, "AEGIS__AGENTS: `agents` is not set by a variable"),
        ({"AEGIS__REDACT": "["}, "AEGIS__REDACT:1:2: not valid YAML"),
        ({"AEGIS__": "1"}, "AEGIS__: there is no key ``"),
        ({"AEGIS__LEDGER__DURABILITY__REED": "synced"}, "did you mean `read`"),
        (
            {"AEGIS__LOG__LEVEL": "info", "aegis__log__level": "debug"},
            "aegis__log__level: says the same as `AEGIS__LOG__LEVEL`",
        ),
        ({"AEGIS__HOME": "x" * 70_000}, "AEGIS__HOME: value longer than"),
        ({"AEGIS__SERVER__PORT": "9" * 400}, "AEGIS__SERVER__PORT: a number of more than"),
    ],
)
def test_a_variable_that_would_do_nothing_is_refused_by_name(env, said):
    (problem,) = refused(env)
    assert said in problem


def test_an_override_of_a_broken_section_leaves_the_complaint_about_the_file():
    (problem,) = refused({"AEGIS__SERVER__PORT": "1"}, "server: 5")
    assert problem == "aegis.yaml:1:9: server: has to be a mapping, not a number"


def test_too_many_variables_are_refused():
    assert "more than 1000" in refused({f"AEGIS__X{i}": "" for i in range(1001)})[0]
