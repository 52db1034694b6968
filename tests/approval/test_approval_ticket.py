"""Tickets in their form: every case of the specification, read by two independent readers."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from aegis.approval import ticket
from aegis.kernel.tickets import keys_of
from aegis.ledger.checkpoint import Signer
from aegis.model import Action, Actor, TicketError

HERE = Path(__file__).parent
FILE = HERE.parents[1] / "spec/cases/ticket/tickets.json"
SPEC = HERE.parents[1] / "spec/ticket.md"
GIVEN = json.loads(FILE.read_text())
NAMES = [case["name"] for case in GIVEN["cases"]]


def judged(case, keys):
    call = case["call"]
    action = Action(call["tool"], "", call["params"], actor=Actor(agent=call["agent"]))
    try:
        ticket.check(ticket.read(case["ticket"], keys), action, case["now"] * 1_000_000)
    except TicketError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("case", GIVEN["cases"], ids=NAMES)
def test_the_case_is_judged_as_the_specification_says(case):
    assert judged(case, keys_of([GIVEN["key"]])) == case["expect"]


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_a_reader_written_from_the_specification_agrees():
    done = subprocess.run(
        ["node", HERE / "ticket_reader.mjs", FILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wanted = [[case["name"], case["expect"]] for case in GIVEN["cases"]]
    assert json.loads(done.stdout) == wanted


def test_every_reason_the_form_gives_is_a_case_and_on_the_page():
    told = {case["expect"] for case in GIVEN["cases"]} - {"ok"}
    assert told == {
        "malformed",
        "issuer",
        "signature",
        "early",
        "expired",
        "tool",
        "agent",
        "arguments",
    }
    page = SPEC.read_text()
    for code in (*told, "used", "missing"):
        assert f"`{code}`" in page, code


def test_no_changed_character_is_taken():
    signer = Signer.generate()
    action = Action("pay", "bank", {"n": 1}, actor=Actor(agent="a"), id="x")
    said = ticket.ticket_for(action, "p", (1000, 1060), "issuer", "n1")
    token = ticket.issue(said, signer.identity.fingerprint, signer.sign_bytes)
    keys = keys_of([str(signer.identity)])
    ticket.check(ticket.read(token, keys), action, 1_010_000_000)
    for at in range(len(token)):
        for letter in "A.=é\n":
            if token[at] == letter:
                continue
            with pytest.raises(TicketError):
                ticket.check(
                    ticket.read(token[:at] + letter + token[at + 1 :], keys), action, 1_010_000_000
                )
