"""What a call acts on, by its arguments."""

import pytest

from aegis.model import Resource
from aegis.tools.arguments import RESOURCES_MAX, acts_on, mappings
from aegis.tools.nested import DEPTH_MAX, JSON_MAX, VALUES_MAX


def test_the_first_of_the_most_telling_kind_is_the_target():
    found = acts_on({"url": "https://a.example/x", "path": "a.md", "mode": "r"}, "read")
    assert found.target == "a.md"
    assert found.resources == (
        Resource("url", "https://a.example/x", "read"),
        Resource("host", "a.example", "read"),
        Resource("file", "a.md", "read"),
    )
    assert found.unclear == ""


def test_an_owner_and_an_absent_value_are_no_doubt():
    found = acts_on({"owner": "o", "repo": "r", "path": None, "file": ""}, "read")
    assert (found.target, found.unclear) == ("o/r", "")
    assert acts_on({"file": "a", "path": "a"}, "read").unclear == ""


@pytest.mark.parametrize(
    "params",
    [
        {"file": "ok", "path": "x/.env"},
        {"path": ["a", "x/.env"]},
        {"path": {"a": "x/.env"}},
        {"path": ["a", ["x/.env"]]},
        {"path": [1, "a"]},
        {"paths": [str(number) for number in range(RESOURCES_MAX + 1)]},
    ],
)
def test_an_uncertain_target_is_said(params):
    assert acts_on(params, "read").unclear


def test_repeats_do_not_push_a_resource_out():
    found = acts_on({"path": ["a"] * RESOURCES_MAX + ["x/secret.txt"]}, "read")
    assert Resource("file", "x/secret.txt", "read") in found.resources
    many = acts_on({"path": [str(n) for n in range(3 * RESOURCES_MAX)]}, "read")
    assert len(many.resources) == RESOURCES_MAX


def test_an_undeclared_argument_gives_no_certain_target():
    params = {"url": "https://evil.example", "path": "ok"}
    assert acts_on(params, "read", declared={"url"}).unclear
    assert not acts_on(params, "read", declared={"url", "path"}).unclear
    assert not acts_on({"path": "ok"}, "read", declared={"url"}).unclear


def test_described_arguments_are_taken_as_described():
    kinds = {"of": "table", "path": "file"}
    found = acts_on({"of": "people", "path": "x"}, "read", kinds=kinds)
    assert (found.target, found.unclear) == ("people", "")
    assert acts_on({"of": ["people", "pay"]}, "read", kinds=kinds).unclear
    assert acts_on({"of": {"a": 1}}, "read", kinds=kinds).unclear
    aimed = acts_on({"file": "a", "path": "b"}, "read", target="path")
    assert (aimed.target, aimed.unclear) == ("b", "")
    assert acts_on({"path": ["a", "b"]}, "read", target="path").unclear
    assert acts_on({"path": {"a": 1}, "x": 1}, "read", target="x").unclear


def named(params, verb="write", **options):
    """What is named, as `verb kind:name`, and why that is not certain."""
    found = acts_on(params, verb, **options)
    return {f"{r.verb} {r.kind}:{r.name}" for r in found.resources}, found.unclear


@pytest.mark.parametrize(
    "params",
    [
        {"edits": [{"path": ".env", "oldText": "a"}]},
        {"request": {"options": {"path": ".env"}}},
        {"arguments": '{"path": ".env"}'},
        {"arguments": ['  [{"path": ".env"}]']},
        {"input": {"arguments": '{"edits": "[{\\"path\\": \\".env\\"}]"}'}},
    ],
)
def test_arguments_within_arguments_are_named(params):
    found, unclear = named(params)
    assert (found, unclear) == ({"write file:.env"}, "")
    assert acts_on(params, "write").target == ".env"


def test_what_stands_in_an_argument_of_a_kind_is_of_that_kind():
    found, unclear = named({"path": {"a": ".env"}})
    assert found == {"write file:.env"}
    assert "neither a text" in unclear
    assert named({"path": '["a", ".env"]'})[0] >= {"write file:a", "write file:.env"}
    # what explains itself is no doubt: `mode` is no file, and neither is what is only carried
    files = [{"path": "a", "mode": 420, "content": '{"path": ".env"}'}]
    assert named({"files": files}) == ({"write file:a"}, "")


def test_a_path_within_arguments_is_described_with_dots():
    kinds = {"files": "", "files.path": "file", "base": "read ref"}
    params = {"files": [{"path": "a", "label": "x"}], "base": "main", "repo": "r", "owner": "o"}
    assert named(params, kinds=kinds) == ({"write file:a", "read ref:main"}, "")
    guessed, _ = named(params, kinds=kinds, guesses=True)
    assert guessed == {"write file:a", "read ref:main", "write repo:o/r"}


def test_bounds_of_nesting_leave_a_call_undecided():
    deep = {"path": "a"}
    for _ in range(DEPTH_MAX):
        deep = {"x": deep}
    assert "deeper" in named(deep)[1]
    assert named(deep["x"]) == ({"write file:a"}, "")
    assert "values" in named({"x": ["y"] * (VALUES_MAX + 1)})[1]
    assert "JSON" in named({"arguments": "[" + " " * JSON_MAX + "]"})[1]
    assert named({"content": "[" + " " * JSON_MAX + "]"})[1] == ""
    assert len(mappings({"x": [{"y": 1}] * 3 + [{"z": n} for n in range(99)]})) == RESOURCES_MAX
