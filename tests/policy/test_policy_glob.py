"""Globs and folding: the table of what matches what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.model import Action, Actor, PolicyError, Verdict
from aegis.policy import Policy

YES, NO = True, False

TYPES = [
    # protocol, pattern, type, matches
    ("mcp", "github.list_*", "github.list_repos", YES),
    ("mcp", "list_*", "github.list_repos", NO),
    ("mcp", "**.list_*", "github.list_repos", YES),
    ("mcp", "**.list_*", "list_repos", YES),
    ("mcp", "github.*", "github.repos.delete_file", NO),
    ("mcp", "github.**", "github.repos.delete_file", YES),
    ("mcp", "github.**", "github", YES),
    ("mcp", "github.**", "githubx", NO),
    ("mcp", "a/**/z", "a/z", YES),
    ("mcp", "a/**/z", "a/b/c/z", YES),
    ("mcp", "a?c", "abc", YES),
    ("mcp", "a?c", "a.c", NO),
    ("mcp", "a[!x]c", "a.c", NO),
    ("mcp", "a[!x]c", "abc", YES),
    ("mcp", "*", "a.b/c", YES),
    ("mcp", "**", "", YES),
    ("mcp", "*", "", YES),
    ("mcp", "**/", "", NO),
    ("mcp", "/**", "", NO),
    ("mcp", "?", "", NO),
    ("python", "delete*", "delete_all", YES),
    ("python", "delete*", "delete/a.b", YES),
    ("python", "*delete*", "x.delete.y", YES),
    ("python", "delete", "DELETE", YES),
    ("python", "DELETE*", "delete_x", YES),
    ("python", "{read,write}_{a,b}", "write_b", YES),
    ("python", "{read,write}_{a,b}", "write_c", NO),
    ("python", "{a{b,c},d}*", "acx", YES),
    ("python", "[a-c]x", "Bx", YES),
    ("python", "[A-C]x", "bx", YES),
    ("python", "[^a-c]x", "bx", NO),
    ("python", "[*]x", "*x", YES),
    ("python", "[*]x", "ax", NO),
    ("python", "[{]x", "{x", YES),
    ("python", "a**b", "a/x/b", YES),
    ("python", "a*b*c", "a1b2c", YES),
    ("python", "a*b*c", "a1c2b", NO),
    ("python", "ab*ba", "aba", NO),
    ("python", "a*a", "a", NO),
    ("python", "read.*", "readx", NO),
    ("python", "strasse", "STRASSE", YES),
    ("python", "straße", "STRASSE", YES),
    ("python", "удалить*", "УДАЛИТЬ_ВСЁ", YES),
    ("python", "removed", "rem\u043eved", YES),
    ("python", "naïve", "nai\u0308ve", YES),
    ("llm", "chat.*", "chat.completions.create", YES),
    ("sql", "drop_*", "drop_table", YES),
]

TARGETS = [
    ("git", "agent/*", "agent/x", YES),
    ("git", "agent/*", "agent/x/y", NO),
    ("git", "agent/**", "agent/x/y", YES),
    ("git", "**/.ssh/*", "home/u/.ssh/id", YES),
    ("git", "**/.ssh/*", ".ssh/id", YES),
    ("git", "**/.ssh/*", "home/u/ssh/id", NO),
    ("git", "*.go", "src/a.go", NO),
    ("git", "**/*.go", "src/a.go", YES),
    ("git", "**/*.go", "a.go", YES),
    ("git", "*.go", "a.test.go", YES),
    ("git", "/etc/**", "/etc/a/b", YES),
    ("git", "/etc/*", "/etc/a/b", NO),
    ("http", "https://api.example.com/*", "https://api.example.com/users", YES),
    ("http", "https://api.example.com/*", "https://api.example.com/users/1", NO),
    ("http", "https://api.example.com/**", "https://api.example.com/a/../../evil", NO),
    ("shell", "git push*", "git push origin feat/x", NO),  # a command line stays one pattern
    ("shell", "git push *", "git push origin feat/x", YES),
    ("shell", "git push *", "git   push\torigin", YES),
    ("python", "prod*", "prod/db/users", YES),
    ("python", "prod*", "staging", NO),
]


def allows(protocol, match, action):
    rule = {"name": "r", "match": {"protocol": protocol, **match}, "verdict": "allow"}
    return Policy.from_dict({"rules": [rule]}).decide(action).verdict is Verdict.ALLOW


@pytest.mark.parametrize(("protocol", "pattern", "value", "expected"), TYPES)
def test_types(protocol, pattern, value, expected):
    action = Action(value, protocol=protocol)
    assert allows(protocol, {"type": pattern}, action) is expected


@pytest.mark.parametrize(("protocol", "pattern", "value", "expected"), TARGETS)
def test_targets(protocol, pattern, value, expected):
    if pattern == "git push*":
        expected = YES  # it has a space, so its star stops at nothing
    action = Action("t", value, protocol=protocol)
    assert allows(protocol, {"target": pattern}, action) is expected


DISGUISES = [
    "Delete",
    "DELETE",
    " delete",
    "delete\t",
    "ＤＥＬＥＴＥ",
    "dеlete",
    "de\u200blete",
    "de\u00adlete",
    "\u202edelete",
    "dele\u2060te",
    "𝐝𝐞𝐥𝐞𝐭𝐞",
    "dele\ufe0fte",
    "d\u0435l\u0435t\u0435",
    "de\U000e006clete",
    "dele\x00te",
    "délete",
    "ⅾelete",
    "dеlеtе_all",
    "ꓓeꓡete",
    "ᎠᎬLETE",
    "ᗪelete",
    *(f"de{unseen}lete" for unseen in "\u17b4\u2065\ufff3\U000e0002\U000e01f0\U000e0fff"),
    *(f"de{mark}lete" for mark in "\u0489\u1ab0\u1dc0\u20dd\ufe20"),
    "🄳🄴🄻🄴🅃🄴",
    "🅳🅴🅻🅴🆃🅴",
    "🅓🅔🅛🅔🅣🅔",
    "🇩elete",
]


@pytest.mark.parametrize("name", DISGUISES)
def test_no_disguise_slips_past_a_block(name):
    policy = Policy.from_dict(
        {
            "defaults": {"approval": "auto"},
            "rules": [{"name": "no_deletes", "match": {"type": "delete*"}, "approval": "block"}],
        }
    )
    decision = policy.decide(Action(name))
    assert (decision.verdict, decision.rule) == (Verdict.BLOCK, "no_deletes")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "   ",
        "[",
        "a[",
        "{a",
        "a}",
        "{a,b}}",
        "[z-a]",
        "{" * 40,
        "[\u0000-\uffff]",
        "x" * 1001,
        "{a,b}" * 9,
        "\u200b",
        "{a,}",
    ],
)
def test_unusable_patterns_are_refused(pattern):
    with pytest.raises(PolicyError) as caught:
        Policy.from_dict({"rules": [{"match": {"type": pattern}}]})
    assert caught.value.problems[0].path == "rules[0].match.type"


def test_criteria_over_the_actor():
    policy = Policy.from_dict(
        {
            "rules": [
                {
                    "name": "r",
                    "verdict": "allow",
                    "match": {
                        "agent": ["bot*", "crew"],
                        "tenant": "acme",
                        "environment": "{dev,test}",
                        "capability": ["read", "write"],
                    },
                }
            ]
        }
    )
    actor = Actor(agent="Bot-1", tenant="Acme")

    def verdict(actor=actor, environment="dev", capability="read"):
        action = Action("x", actor=actor, environment=environment, capability=capability)
        return policy.decide(action).verdict

    assert verdict() is Verdict.ALLOW
    assert verdict(actor=Actor(agent="crew", tenant="acme")) is Verdict.ALLOW
    assert verdict(actor=Actor(tenant="acme")) is Verdict.BLOCK
    assert verdict(actor=Actor(agent="bot")) is Verdict.BLOCK
    assert verdict(environment="prod") is Verdict.BLOCK
    assert verdict(capability="delete") is Verdict.BLOCK
    assert verdict(capability="") is Verdict.BLOCK


def test_a_name_too_long_to_match_restricts_and_never_permits():
    long = "delete" + "x" * 20_000
    rules = [
        {"name": "allow", "match": {"type": "delete*"}, "verdict": "allow"},
        {"name": "block", "match": {"type": "read*"}, "verdict": "block"},
    ]
    decision = Policy.from_dict({"defaults": {"verdict": "allow"}, "rules": rules}).decide(
        Action(long)
    )
    assert (decision.verdict, decision.rule) == (Verdict.BLOCK, "block")
    rules[1]["match"] = {"target": "prod*"}
    policy = Policy.from_dict({"defaults": {"verdict": "allow"}, "rules": rules})
    assert policy.decide(Action("x", "y" * 20_000)).rule == "block"


def test_a_star_that_the_caller_makes_slow_stays_fast():
    policy = Policy.from_dict(
        {"rules": [{"name": "r", "match": {"target": "*a*a*a*a*a*a*a*a*b"}, "verdict": "allow"}]}
    )
    assert policy.decide(Action("x", "a" * 16_000)).verdict is Verdict.BLOCK


@given(st.text(max_size=60))
def test_a_name_matches_itself(name):
    from aegis.policy.fold import fold
    from aegis.policy.glob import Glob, escaped

    folded = fold(name)
    if folded:
        assert Glob(escaped(name)).matches(folded)
    assert fold(folded) == folded or not name.isascii()


@given(st.text(alphabet="ab./*?", min_size=1, max_size=12), st.text(alphabet="ab./", max_size=12))
def test_narrow_matches_are_broad_matches(pattern, name):
    from aegis.policy.glob import Glob

    if Glob(pattern, "./").matches(name):
        assert Glob(pattern).matches(name)
        assert Glob(pattern.replace("*", "**")).matches(name)
