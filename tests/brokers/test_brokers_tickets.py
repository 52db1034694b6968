"""Tickets on the path: a decided action lends one, and a gate elsewhere takes it once."""

import asyncio
import json
import multiprocessing
import time

import pytest
import time_machine

from aegis import TicketGate
from aegis.approval.ticket import LIFE_SECONDS_MAX
from aegis.kernel.build import open_runtime, reload
from aegis.kernel.config import parse
from aegis.kernel.lease import lent
from aegis.kernel.tickets import own_key, presenting
from aegis.model import Action, Actor, ConfigError, HeldError, LedgerError, TicketError

ISSUER = {
    "policy": {
        "rules": [
            {"name": "no", "match": {"type": "drop*"}, "approval": "block"},
            {"name": "ask", "match": {"type": "deploy*"}, "approval": "approve"},
            {"name": "rest", "match": {"type": "*"}, "approval": "auto"},
        ]
    },
    "guardrails": {},
    "approvals": {"wait_seconds": 0},
    "credentials": {
        "brokers": {"ticket": {}},
        "grants": [
            {"match": {"type": "*"}, "broker": "ticket", "headers": {"aegis-ticket": "{ticket}"}}
        ],
    },
}
CALL = Action("refund", "orders", {"order": 17}, actor=Actor("mary", "support"))


def opened(home, document):
    return open_runtime(parse({"home": str(home), **document}, "test.yaml"))


@pytest.fixture
def issuer(tmp_path):
    runtime = opened(tmp_path / "issuer", ISSUER)
    yield runtime
    runtime.close()


@pytest.fixture
def gate(issuer, tmp_path):
    made = TicketGate(own_key(tmp_path / "issuer"), tmp_path / "tool/nonces.db")
    yield made
    made.close()


def ticket(issuer, action=CALL):
    """The ticket an action is lent."""
    got = []
    outcome = issuer.govern(action, lambda _: got.append(lent().headers["aegis-ticket"]))
    assert outcome.ok, outcome.error or outcome.decision
    return got[0]


def refused(gate, token, tool="refund", params=None, agent="support"):
    with pytest.raises(TicketError) as caught:
        gate.verify(token, tool, params or {"order": 17}, agent=agent)
    return caught.value.code


def details(runtime, event):
    kept = (record.fields for record in runtime.journal.records() if record.kind == "admin")
    return [fields["details"] for fields in kept if fields["event"] == event]


class TestAtTheTool:
    def test_it_is_good_for_the_call_once(self, issuer, gate):
        token = ticket(issuer)
        said = gate.verify(token, "refund", {"order": 17}, agent="support")
        (minted,) = details(issuer, "credential.mint")
        assert (said.jti, said.act) == (minted["lease"], minted["action"])
        assert said.dig == minted["scope"]["digest"]
        assert said.pol == issuer.rules.policy.version
        assert refused(gate, token) == "used"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"params": {"order": 18}}, "arguments"),
            ({"params": {"order": 17, "force": True}}, "arguments"),
            ({"tool": "charge"}, "tool"),
            ({"agent": "sales"}, "agent"),
        ],
    )
    def test_another_call_is_refused_and_leaves_it_good(self, issuer, gate, change, code):
        token = ticket(issuer)
        assert refused(gate, token, **change) == code
        assert gate.verify(token, "refund", {"order": 17}, agent="support")

    def test_time_ends_it(self, issuer, gate):
        token = ticket(issuer)
        with time_machine.travel(time.time() + LIFE_SECONDS_MAX + 60, tick=True):
            assert refused(gate, token) == "expired"
        with time_machine.travel(time.time() - 60, tick=True):
            assert refused(gate, token) == "early"

    def test_a_key_nobody_trusts_signs_nothing(self, issuer, tmp_path):
        stranger = TicketGate(own_key(tmp_path / "other"), tmp_path / "nonces.db")
        assert refused(stranger, ticket(issuer)) == "issuer"
        stranger.close()

    def test_a_key_comes_from_a_file_too(self, issuer, tmp_path):
        file = tmp_path / "issuer.pub"
        file.write_text(own_key(tmp_path / "issuer") + "\n")
        gate = TicketGate([file], tmp_path / "nonces.db")
        assert gate.verify(ticket(issuer), "refund", {"order": 17}, agent="support")
        gate.close()
        with pytest.raises(LedgerError, match="not a verifier key"):
            TicketGate("a+b+c", tmp_path / "nonces.db")

    def test_it_is_used_once_over_processes_and_restarts(self, issuer, tmp_path):
        tokens = [ticket(issuer) for _ in range(20)]
        key, nonces = own_key(tmp_path / "issuer"), tmp_path / "nonces.db"
        TicketGate(key, nonces).close()
        context = multiprocessing.get_context("spawn")
        with context.Pool(3) as pool:
            taken = pool.starmap(take, [(key, nonces, tokens)] * 3)
        assert [sum(each) for each in zip(*taken, strict=True)] == [1] * len(tokens)
        assert sum(take(key, nonces, tokens)) == 0


def take(key, nonces, tokens):
    """Which of the tickets this process could use."""
    gate = TicketGate(key, nonces)
    got = []
    for token in tokens:
        try:
            gate.verify(token, "refund", {"order": 17}, agent="support")
            got.append(1)
        except TicketError as error:
            got.append(0 if error.code == "used" else error.code)
    gate.close()
    return got


class TestWhoGetsOne:
    def test_the_key_is_private_to_its_owner(self, issuer, tmp_path):
        ticket(issuer)
        key = tmp_path / "issuer/ticket.key"
        assert key.stat().st_mode & 0o777 == 0o600
        key.chmod(0o644)
        outcome = issuer.govern(CALL, lambda _: pytest.fail("performed"))
        assert "can be read or changed by others" in str(outcome.error)

    def test_what_is_refused_or_waits_gets_none(self, issuer, gate):
        for name in ("drop", "deploy"):
            action = Action(name, "db", actor=Actor(agent="bot"))
            assert issuer.govern(action, lambda _: pytest.fail("performed")).status == "refused"
        assert details(issuer, "credential.mint") == []
        action = Action("deploy", "db", actor=Actor(agent="bot"))
        issuer.answer(issuer.govern(action, lambda _: None).approval, True, by="mary")
        assert gate.verify(ticket(issuer, action), "deploy", {}, agent="bot")

    def test_no_record_holds_it(self, issuer, tmp_path):
        token = ticket(issuer)
        issuer.close()
        for file in (tmp_path / "issuer").rglob("*"):
            if file.is_file():
                assert token.encode() not in file.read_bytes(), file

    def test_a_scope_means_nothing_to_a_ticket(self, tmp_path):
        grant = {"match": {"type": "*"}, "broker": "ticket", "scope": {"a": 1}}
        document = {**ISSUER, "credentials": {"brokers": {"ticket": {}}, "grants": [grant]}}
        runtime = opened(tmp_path / "issuer", document)
        assert "takes no scope" in str(runtime.govern(CALL, lambda _: None).error)
        runtime.close()

    def test_names_that_fit_into_no_header_get_none(self, issuer):
        action = Action("refund", "o" * 9000, {"order": 17})
        assert "too long" in str(issuer.govern(action, lambda _: None).error)


@pytest.fixture
def gated(issuer, tmp_path):
    """Another Aegis, which performs refunds with a ticket of the issuer only."""
    document = {
        "policy": {"defaults": {"approval": "auto"}},
        "guardrails": {},
        "tickets": {"issuers": [own_key(tmp_path / "issuer")], "require": [{"type": "refund"}]},
    }
    runtime = opened(tmp_path / "gated", document)
    yield runtime
    runtime.close()


def asked(runtime, token, action=CALL, dry=False):
    with presenting(token):
        return runtime.govern(action, lambda _: "done", dry=dry)


class TestAtAnotherAegis:
    def test_it_lets_the_call_through_once(self, issuer, gated):
        token = ticket(issuer)
        assert asked(gated, token).result == "done"
        again = asked(gated, token)
        assert (again.status, again.code) == ("refused", "ticket")
        assert again.decision.rule == "<ticket-used>"
        assert gated.govern(Action("look", actor=CALL.actor), lambda _: 1).ok

    @pytest.mark.parametrize(
        ("action", "code"),
        [
            (Action("refund", "orders", {"order": 18}, actor=CALL.actor), "arguments"),
            (Action("charge", "orders", {"order": 17}, actor=CALL.actor), "tool"),
            (Action("refund", "orders", {"order": 17}, actor=Actor("mary", "sales")), "agent"),
        ],
    )
    def test_each_refusal_is_named_and_recorded(self, issuer, gated, action, code):
        outcome = asked(gated, ticket(issuer), action)
        assert (outcome.status, outcome.decision.rule) == ("refused", f"<ticket-{code}>")
        assert outcome.decision.advice
        last = list(gated.journal.records())[-1].fields
        assert (last["rule"], last["verdict"]) == (f"<ticket-{code}>", "block")

    @pytest.mark.parametrize(("token", "code"), [("", "missing"), ("words", "malformed")])
    def test_without_one_nothing_is_performed(self, gated, token, code):
        outcome = asked(gated, token)
        assert (outcome.status, outcome.decision.rule) == ("refused", f"<ticket-{code}>")

    def test_one_that_is_not_asked_for_has_to_be_right_too(self, gated):
        assert asked(gated, "words", Action("look")).decision.rule == "<ticket-malformed>"

    def test_a_dry_run_leaves_it_good(self, issuer, gated):
        token = ticket(issuer)
        assert asked(gated, token, dry=True).code == "dry-run"
        assert asked(gated, "", dry=True).decision.rule == "<ticket-missing>"
        assert asked(gated, token).ok

    def test_what_the_performance_asks_for_needs_its_own(self, issuer, gated):
        def perform(_):
            inner = gated.govern(CALL, lambda _: pytest.fail("performed"))
            return inner.decision.rule

        with presenting(ticket(issuer)):
            assert gated.govern(CALL, perform).result == "<ticket-missing>"

    def test_a_killed_agent_does_not_use_it_up(self, issuer, gated):
        token = ticket(issuer)
        gated.kill("support", by="mary")
        assert asked(gated, token).code == "killed"
        gated.revive("support", by="mary")
        assert asked(gated, token).ok

    def test_a_parked_run_goes_on_without_a_second_one(self, issuer, tmp_path):
        document = {
            "policy": {"defaults": {"approval": "approve"}},
            "guardrails": {},
            "approvals": {"wait_seconds": 0},
            "tickets": {"issuers": [own_key(tmp_path / "issuer")], "require": [{"type": "refund"}]},
        }
        runtime = opened(tmp_path / "gated", document)
        token = ticket(issuer)

        async def go():
            with presenting(token), pytest.raises(HeldError) as held:
                await runtime.agovern(CALL, lambda _: "done", park=True)
            runtime.answer(held.value.approval, True, by="john")
            return await runtime.aresume(held.value.run, lambda _: "done")

        assert asyncio.run(go()).result == "done"
        runtime.close()

    def test_a_home_takes_its_own_and_a_reload_changes_whose(self, gated, tmp_path):
        other = opened(tmp_path / "gated2", {**ISSUER, "tickets": {"require": [{"type": "x"}]}})
        token = ticket(other)
        assert asked(other, token, CALL).ok
        assert asked(gated, ticket(other)).decision.rule == "<ticket-issuer>"
        document = {
            "home": str(tmp_path / "gated"),
            "policy": {"defaults": {"approval": "auto"}},
            "tickets": {"issuers": [own_key(tmp_path / "gated2")]},
        }
        reload(gated, parse(document, "test.yaml"))
        assert asked(gated, ticket(other)).ok
        other.close()


def test_what_is_wrong_in_the_configuration_is_named_with_its_place(tmp_path):
    document = {
        "home": str(tmp_path),
        "tickets": {"issuers": ["nonsense"], "require": [{}, {"type": "{a"}, {"colour": "red"}]},
    }
    with pytest.raises(ConfigError) as caught:
        parse(document, "a.yaml")
    said = str(caught.value)
    for part in (
        "tickets.issuers[0]: `nonsense` is not a verifier key",
        "tickets.require[0]: an empty match",
        "tickets.require[1].type",
        "tickets.require[2].colour: unknown key",
    ):
        assert part in said, said


def test_the_gateway_takes_one_with_an_action(issuer, gated):
    from aegis.model import Principal
    from aegis.surfaces.gateway.actions import Actions

    async def go(body):
        actions = Actions()
        try:
            asked = {"action": {"type": "refund", "params": {"order": 17}, "agent": "support"}}
            data = json.dumps({**asked, **body}).encode()
            return json.loads((await actions.begin(gated, Principal("key_1", "k"), data))[1])
        finally:
            await actions.close()

    token = ticket(issuer)
    assert "go" in asyncio.run(go({"ticket": token}))
    assert asyncio.run(go({"ticket": token}))["decision"]["rule"] == "<ticket-used>"
    assert asyncio.run(go({}))["decision"]["rule"] == "<ticket-missing>"
