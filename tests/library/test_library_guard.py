"""`@guard`: types and params from the function, policies from files, what a refusal does."""

import asyncio
import logging
import os
import time

import pytest

import aegis
from aegis import ApprovalTimeout, BlockedError, CallerError, PolicyError, guard

README = """\
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
    - name: bulk_ops_need_approval
      match: { type: "bulk_*" }
      conditions:
        param_gt: { count: 100 }
      risk_level: high
      approval: approve
    - name: no_deletes
      match: { type: "delete*" }
      risk_level: critical
      approval: block
"""


@guard
def get_contacts(city: str = "") -> list[str]:
    return ["ada"]


@guard
def remove_user(name: str) -> None:
    raise AssertionError("performed")


@guard
def bulk_import(count: int) -> int:
    return count


@guard
def my_agent_function(text: str = "") -> str:
    return "done"


def test_the_decorator_bare_with_the_configuration_of_the_readme(home, ledger):
    (home / "aegis.yaml").write_text(README)
    assert get_contacts() == ["ada"]
    with pytest.raises(BlockedError, match="no_deletes"):
        remove_user("bob")
    with pytest.raises(ApprovalTimeout):
        bulk_import(150)
    with pytest.raises(ApprovalTimeout):
        my_agent_function()
    said = [(r["type"], r["target"], r["rule"]) for r in ledger(kind="decision")]
    assert said == [
        ("get_contacts", __name__, "read_safe"),
        ("remove_user", __name__, "no_deletes"),
        ("bulk_import", __name__, "bulk_ops_need_approval"),
        ("my_agent_function", __name__, "<default>"),
    ]


def test_the_decorator_bare_without_any_configuration():
    assert get_contacts("rome") == ["ada"]
    assert my_agent_function("hi") == "done"
    with pytest.raises(ApprovalTimeout, match="destructive"):
        remove_user("bob")


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        # the first rule that knows the function by either name decides
        ([("read*", "auto"), ("*", "block")], "done"),
        ([("fetch_*", "block"), ("read*", "auto")], "blocked"),
        ([("read*", "auto"), ("fetch_*", "block")], "done"),
        ([("write*", "auto")], "blocked"),
        ([("fetch_rows", "auto")], "done"),
    ],
)
def test_rules_know_a_function_by_its_name_and_by_its_verb(policy, verdict):
    rules = [{"match": {"type": glob}, "approval": word} for glob, word in policy]
    aegis.init(config={"policy": {"rules": rules}})
    fetch_rows = guard(_fetch_rows)
    if verdict == "done":
        assert fetch_rows() == "rows"
    else:
        with pytest.raises(BlockedError):
            fetch_rows()


def _fetch_rows():
    return "rows"


_fetch_rows.__name__ = "fetch_rows"


def test_conditions_match_arguments():
    rules = [
        {"name": "large", "match": {"type": "pay"}, "conditions": {"param_gt": {"amount": 10}},
         "approval": "block"},
        {"name": "small", "match": {"type": "pay"}, "approval": "auto"},
    ]  # fmt: skip
    aegis.init(config={"policy": {"rules": rules}})

    @guard
    def pay(amount, to="x"):
        return amount

    assert pay(amount=10) == 10
    assert pay("9") == "9"
    for args, kwargs in (((), {"amount": 1000}), ((1000,), {}), (("5000",), {}), ((None,), {}),
                         (([5000],), {})):  # fmt: skip
        with pytest.raises(BlockedError, match="large"):
            pay(*args, **kwargs)


def test_a_type_and_target_of_ones_own(ledger):
    rules = [{"match": {"type": "crm.read", "target": "crm"}, "approval": "auto"}]
    aegis.init(config={"policy": {"rules": rules}})

    @guard(action_type="crm.read", action_target="crm")
    async def anything():
        return 1

    assert asyncio.run(anything()) == 1
    record = ledger(kind="decision")[-1]
    assert (record["type"], record["target"]) == ("crm.read", "crm")


@pytest.mark.parametrize("on_block", ["return_none", "log"])
def test_what_a_refusal_does(on_block, caplog):
    aegis.init(config={"policy": {"rules": []}})
    done = []

    @guard(on_block=on_block)
    def sync():
        done.append(1)

    @guard(on_block=on_block)
    async def later():
        done.append(1)

    with caplog.at_level(logging.WARNING, "aegis"):
        assert sync() is None
        assert asyncio.run(later()) is None
    assert not done
    assert caplog.text.count("was refused") == (2 if on_block == "log" else 0)


def test_bad_options_are_refused(home):
    with pytest.raises(CallerError, match="`on_block` is one of"):
        guard(on_block="explode")
    with pytest.raises(PolicyError, match="cannot be read"):
        guard(policy_path=home / "none.yaml")
    (home / "bad.yaml").write_text("rules: [{match: {typ: x}}]\n")
    with pytest.raises(PolicyError, match=r"bad.yaml:1:\d+.*did you mean `type`"):
        guard(policy_path="bad.yaml")


ALLOW = "rules: [{name: open, match: {type: '*'}, approval: auto}]\n"
BLOCK = "rules: [{name: shut, match: {type: '*'}, approval: block}]\n"


def rewritten(path, text):
    """Replace a file, as editors do, and wait until it is looked at again."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)
    time.sleep(0.25)


def test_a_policy_file_of_its_own_is_read_again_when_it_changes(home, caplog):
    path = home / "mine.yaml"
    path.write_text(ALLOW)

    @guard(policy_path="mine.yaml")
    def work():
        return "done"

    assert work() == "done"
    rewritten(path, BLOCK)
    with pytest.raises(BlockedError, match="shut"):
        work()
    rewritten(path, "rules: [")
    with pytest.raises(BlockedError, match="shut"):
        work()
    assert "the old one stays" in caplog.text
    rewritten(path, ALLOW)
    assert work() == "done"


@pytest.mark.parametrize("name", ["aegis.yaml", "policy.yaml"])
def test_the_files_of_the_process_are_read_again_when_they_change(home, name, caplog):
    path = home / name
    wrap = (lambda text: f"policy:\n  {text}") if name == "aegis.yaml" else (lambda text: text)
    path.write_text(wrap(ALLOW))
    assert remove_user.__wrapped__.__name__ == "remove_user"
    assert my_agent_function() == "done"
    rewritten(path, wrap(BLOCK))
    with pytest.raises(BlockedError, match="shut"):
        my_agent_function()
    rewritten(path, "rules: [")
    with pytest.raises(BlockedError, match="shut"):
        my_agent_function()
    rewritten(path, wrap(ALLOW))
    assert my_agent_function() == "done"
