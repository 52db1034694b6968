"""`aegis ticket` and `aegis exec --ticket`: decided in one home, performed in another."""

import json

import pytest

LENDING = """
policy:
  defaults: { verdict: allow }
  rules: [{ name: no, match: { type: drop }, verdict: block }]
credentials:
  brokers: { ticket: {} }
  grants: [{ match: { type: "*" }, broker: ticket }]
"""


@pytest.fixture
def issuer(folder):
    (folder / "issuer").mkdir()
    (folder / "issuer/aegis.yaml").write_text(LENDING)
    return folder / "issuer/aegis.yaml"


def issued(aegis, issuer, *words):
    return aegis("ticket", "issue", "--config", issuer, *words).out.strip()


def records(aegis, config, kind):
    listed = aegis("audit", "--format", "jsonl", "--kind", kind, "--config", config).out
    return [json.loads(line) for line in listed.splitlines()]


def test_a_command_needs_its_ticket(aegis, process, folder, issuer):
    key = aegis("ticket", "key", "--config", issuer).out.strip()
    (folder / "aegis.yaml").write_text(
        "policy: { defaults: { verdict: allow } }\n"
        f"tickets: {{ issuers: ['{key}'], require: [{{ type: exec }}] }}\n"
    )
    without = process("exec", "--quiet", "--", "echo", "hi", code=1)
    assert "<ticket-missing>" in without.out
    token = issued(aegis, issuer, "--", "echo", "hi")
    assert (
        "<ticket-arguments>" in process("exec", "--ticket", token, "--", "echo", "ho", code=1).out
    )
    assert process("exec", "--quiet", "--ticket", token, "--", "echo", "hi").out == "hi\n"
    again = process("exec", "--", "echo", "hi", code=1, env={"AEGIS_TICKET": token})
    assert "<ticket-used>" in again.out
    rules = [one.get("rule") for one in records(aegis, folder / "aegis.yaml", "decision")]
    assert rules == ["<ticket-missing>", "<ticket-arguments>", "<default>", "<ticket-used>"]


def test_verify_takes_it_once_and_records_both(aegis, issuer):
    token = issued(aegis, issuer, "--tool", "refund", "--param", "order=17", "--agent", "bot")
    call = ("--config", issuer, "--tool", "refund", "--agent", "bot")
    wrong = aegis("ticket", "verify", token, *call, "--param", "order=18", code=1)
    assert "refused: arguments" in wrong.err
    said = aegis("ticket", "verify", token, *call, "--params", '{"order": 17}').json
    assert (said["tool"], said["actor"][1]) == ("refund", "bot")
    assert (
        "refused: used"
        in aegis("ticket", "verify", token, *call, "--param", "order=17", code=1).err
    )
    told = [(one["event"], one["details"]) for one in records(aegis, issuer, "admin")]
    events = [(event, details.get("reason", "")) for event, details in told if "ticket" in event]
    assert events == [("ticket.refuse", "arguments"), ("ticket.use", ""), ("ticket.refuse", "used")]
    minted = next(details for event, details in told if event == "credential.mint")
    assert minted["lease"] == said["jti"]


def test_what_is_refused_gets_none(aegis, issuer):
    done = aegis("ticket", "issue", "--config", issuer, "--tool", "drop", code=1)
    assert (done.out, "refused by rule no" in done.err) == ("", True)


def test_bad_usage_is_a_sentence(aegis, folder, issuer):
    plain = folder / "plain.yaml"
    plain.write_text("policy: { defaults: { verdict: allow } }\n")
    for arguments, said in (
        (("issue",), "name a command, or a tool"),
        (("issue", "--tool", "x", "--config", plain), "no grant lends `x` a ticket"),
        (("verify", "--tool", "x"), "name a ticket"),
    ):
        assert said in aegis("ticket", *arguments, code=2).err
    done = aegis("ticket", "verify", "nonsense", "--tool", "x", "--config", issuer, code=1)
    assert "refused: malformed" in done.err
