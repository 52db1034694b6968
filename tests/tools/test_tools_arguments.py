"""What a call acts on, by its arguments."""

import pytest

from aegis.model import Resource
from aegis.tools.arguments import RESOURCES_MAX, acts_on


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
