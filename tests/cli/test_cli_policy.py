"""validate, schema, simulate, why --policy, policy test, policy lint."""

import json

import jsonschema
import pytest

from aegis.policy import packs

POLICY = """\
version: "1"
defaults: { approval: block }
rules:
  - name: office
    match: { type: "deploy*" }
    conditions: { time_after: "09:00", time_before: "17:00", weekdays: [1, 2, 3, 4, 5] }
    approval: auto
  - name: big
    match: { type: "transfer" }
    conditions: { param_gt: { amount: 1000 } }
    approval: approve
    risk_level: high
  - name: reads
    match: { type: "read*" }
    approval: auto
    risk_level: low
  - name: bots
    match: { type: "sweep", agent: "Janitor*" }
    approval: auto
"""


@pytest.fixture
def policy(folder):
    file = folder / "policy.yaml"
    file.write_text(POLICY)
    return file


class TestValidate:
    def test_a_good_policy(self, aegis, policy):
        assert "policy.yaml: ok (policy, 4 rules, policy sha256:" in aegis("validate", policy).out

    def test_every_problem_of_every_file(self, aegis, folder, policy):
        (folder / "bad.yaml").write_text("rules:\n  - nam: x\n  - match: { tpye: y }\n")
        (folder / "aegis.yaml").write_text("servr: 1\n")
        done = aegis("validate", policy, "bad.yaml", "aegis.yaml", code=1)
        assert "bad.yaml:2:5: rules[0].nam" in done.err
        assert "bad.yaml:3:14: rules[1].match.tpye" in done.err
        assert "did you mean `type`?" in done.err
        assert "aegis.yaml:1:1: servr" in done.err
        assert "policy.yaml: ok" in done.out

    def test_as_data(self, aegis, folder):
        (folder / "bad.yaml").write_text("rules:\n  - nam: x\n")
        (report,) = aegis("validate", "bad.yaml", "--json", code=1).json
        assert report["ok"] is False
        assert report["problems"][0]["line"] == 2
        assert report["problems"][0]["hint"] == "did you mean `name`?"

    def test_secrets_need_not_be_there(self, aegis, folder):
        (folder / "aegis.yaml").write_text(
            "providers: { p: { type: offline, api_key: secret://env/NOT_SET_HERE } }"
        )
        assert "ok (configuration" in aegis("validate").out

    def test_what_cannot_be_read_is_unusable_input(self, aegis, folder):
        assert "no such file" in aegis("validate", "none.yaml", code=2).err
        assert "aegis init" in aegis("validate", code=2).err

    @pytest.mark.parametrize("text", ["[", "\x00", "a: b: c", "- " * 9000])
    def test_nonsense(self, aegis, folder, text):
        (folder / "x.yaml").write_text(text)
        aegis("validate", "x.yaml", code=1)


class TestSchema:
    def test_of_policies(self, aegis, policy):
        schema = aegis("schema").json
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "rules" in schema["properties"]

    def test_of_the_configuration(self, aegis):
        schema = aegis("schema", "--config").json
        jsonschema.Draft202012Validator.check_schema(schema)
        assert {"server", "guardrails", "policy"} <= set(schema["properties"])


class TestSimulate:
    def test_a_table_in_the_order_asked(self, aegis, policy):
        lines = aegis("simulate", policy, "delete:crm", "read:crm").out.splitlines()
        assert lines[1].split()[:4] == ["delete:crm", "block", "medium", "<default>"]
        assert lines[2].split()[:4] == ["read:crm", "allow", "low", "reads"]

    def test_as_data_with_what_to_do_next(self, aegis, policy):
        (decision,) = aegis("simulate", policy, "drop:table", "--json").json
        assert decision["verdict"] == "block"
        assert decision["policy"].startswith("sha256:")
        assert decision["advice"]

    @pytest.mark.parametrize(
        ("at", "verdict"), [("2026-11-20T10:00:00Z", "allow"), ("2026-11-21T10:00:00Z", "block")]
    )
    def test_at_a_time(self, aegis, policy, at, verdict):
        (decision,) = aegis("simulate", policy, "deploy", "--at", at, "--json").json
        assert decision["verdict"] == verdict

    def test_with_parameters_and_an_agent(self, aegis, policy):
        def verdict(*arguments):
            return aegis("simulate", policy, *arguments, "--json").json[0]["verdict"]

        assert verdict("transfer", "--param", "amount=5000") == "review"
        assert verdict("transfer", "--params", '{"amount": 5000}') == "review"
        assert verdict("transfer", "--param", "amount=5") == "block"
        assert verdict("sweep", "--agent", "JanitorBot") == "allow"
        assert verdict("sweep") == "block"

    def test_under_a_whole_configuration(self, aegis, folder):
        aegis("init")
        (decision,) = aegis("simulate", "aegis.yaml", "delete_user", "--json").json
        assert decision["rule"] == "destructive"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "name at least one action"),
            ([":x"], "has to be TYPE or TYPE:TARGET"),
            (["a", "--param", "x"], "has to be NAME=VALUE"),
            (["a", "--params", "{"], "is not JSON"),
            (["a", "--params", "[]"], "has to be a JSON object"),
            (["a", "--protocol", "telepathy"], "unknown protocol `telepathy`"),
            (["a", "--capability", "fly"], "unknown capability `fly`"),
            (["a", "--at", "yesterday"], "`yesterday` is no time"),
        ],
    )
    def test_what_makes_no_sense(self, aegis, policy, arguments, said):
        assert said in aegis("simulate", policy, *arguments, code=2).err


class TestWhy:
    def test_every_rule_and_how_it_stood(self, aegis, policy):
        said = aegis("why", "--policy", policy, "transfer", "bank", "--param", "amount=5").out
        assert said.startswith("block (risk medium)\n  rule    <default>\n")
        for rule in ("office", "big", "reads", "bots"):
            assert rule in said
        assert "nearly: big (review)" in said

    def test_as_data_it_agrees_with_simulate(self, aegis, policy):
        asked = ("transfer", "--param", "amount=5000", "--json")
        explained = aegis("why", "--policy", policy, *asked).json
        (simulated,) = aegis("simulate", policy, *asked).json
        assert {key: explained[key] for key in simulated} == simulated
        assert [rule["rule"] for rule in explained["rules"] if rule["decided"]] == ["big"]

    def test_without_a_file_it_asks_the_policy_in_force(self, aegis, folder):
        assert "rule    destructive" in aegis("why", "delete_everything").out

    def test_text_of_agents_cannot_steer_the_terminal(self, aegis, policy):
        said = aegis("why", "--policy", policy, "\x1b[2Jread\u202e", "x\ny").out
        assert "\x1b" not in said
        assert "\u202e" not in said


class TestPolicyTest:
    def cases(self, folder, *cases, **more):
        file = folder / "cases.yaml"
        file.write_text(json.dumps({"cases": list(cases), **more}))
        return file

    GOOD = {"name": "good", "action": {"type": "read"}, "expect": {"verdict": "allow"}}  # noqa: RUF012
    BAD = {"name": "bad", "action": {"type": "drop"}, "expect": {"verdict": "allow"}}  # noqa: RUF012

    def test_passing(self, aegis, folder, policy):
        file = self.cases(folder, self.GOOD)
        assert "1 of 1 cases passed" in aegis("policy", "test", file, "--policy", policy).out

    def test_failing_names_case_and_difference(self, aegis, folder, policy):
        file = self.cases(folder, self.GOOD, self.BAD)
        done = aegis("policy", "test", file, "--policy", policy, code=1)
        assert "bad: verdict is block, expected allow" in done.out
        assert "1 of 2 cases passed" in done.out
        results = aegis("policy", "test", file, "--policy", policy, "--json", code=1).json
        assert [result["passed"] for result in results] == [True, False]

    def test_the_policy_of_the_file_itself(self, aegis, folder):
        own = {"rules": [{"name": "r", "match": {"type": "drop"}, "approval": "auto"}]}
        aegis("policy", "test", self.cases(folder, self.BAD, policy=own))

    def test_no_case_at_all_is_no_success(self, aegis, folder, policy):
        aegis("policy", "test", self.cases(folder), "--policy", policy, code=1)

    def test_a_file_that_is_no_list_of_cases(self, aegis, folder, policy):
        (folder / "x.yaml").write_text("cases: 1")
        assert "x.yaml" in aegis("policy", "test", "x.yaml", code=2).err


class TestPolicyLint:
    def test_nothing_to_say(self, aegis, folder):
        aegis("init")
        aegis("policy", "lint", "aegis.yaml")

    def test_a_rule_that_can_never_decide(self, aegis, folder):
        (folder / "p.yaml").write_text(
            "rules:\n  - { name: all, match: { type: '*' }, approval: block }\n"
            "  - { name: never, match: { type: read }, approval: auto }\n"
        )
        done = aegis("policy", "lint", "p.yaml", code=1)
        assert "never" in done.out
        assert aegis("policy", "lint", "p.yaml", "--json", code=1).json[0]["line"] > 0


@pytest.mark.parametrize("name", packs.NAMES)
def test_a_pack_is_printed_as_the_file_it_becomes(aegis, name):
    assert aegis("kit", "packs", name).out == packs.text(name)
