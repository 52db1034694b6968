"""Every example runs as its first lines say, in a folder without any configuration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SAYS = {
    "tool_agent.py": [
        "look_up_balance  ran      customer 7 has 120.50",
        "delete_records   refused  BlockedError",
        "refund           ran      refunded 20.00 to customer 7",
        "refund           refused  ApprovalDenied",
        "look_up_balance  refused  KillSwitchError",
        "look_up_balance  ran      customer 7 has 120.50",
    ],
    "runtime_plan.py": [
        "asked about bulk_update",
        "read         success  read on crm is done",
        "bulk_update  success  bulk_update on crm is done",
        "delete       blocked",
        "read_report  dry run  allow",
    ],
    "gateway_openai_sdk.py": [
        "models   offline, offline-tools",
        "answer   You said: What is a ledger?",
        " pieces: You said: Say: one two three",
        'call     look_up_balance {"customer": 7}',
        "refused  403",
    ],
    "langgraph_agent.py": [
        "call   look_up_balance {'customer': 7}",
        "tool   customer 7 has 120.50",
        "call   delete_records {'table': 'customers'}",
        "tool   refused:",
        "ai     I have done what I was allowed to.",
    ],
}


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_what_it_should(name, tmp_path):
    env = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS")}
    env["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(ROOT / "examples" / name)],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = iter(done.stdout.splitlines())
    for wanted in SAYS[name]:
        assert any(wanted in line for line in lines), f"no `{wanted}` in\n{done.stdout}"
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
