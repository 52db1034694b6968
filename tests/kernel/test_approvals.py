"""Approvals through a real runtime: who may answer, how often, for what, in how many processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aegis.approval import EXPIRED, PENDING, digest, task_digest
from aegis.kernel import desk as desk_module
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor, CallerError, HeldError

POLICY = {
    "rules": [
        {"name": "two", "match": {"type": "wire*"}, "approvers": 2, "approval": "approve"},
        {"name": "one", "match": {"type": "*"}, "approval": "approve"},
    ]
}
BOT = Actor(principal="key_1", agent="bot", session="s")


def opened(home, **approvals):
    sections = {"wait_seconds": 0.1, **approvals}
    document = {"home": str(home), "policy": POLICY, "approvals": sections, "guardrails": {}}
    return open_runtime(parse(document, "test.yaml"))


@pytest.fixture
def runtime(tmp_path):
    made = opened(tmp_path / "home")
    yield made
    made.close()


def ask(runtime, action):
    """The id of the request an action leaves behind."""
    return runtime.govern(action, lambda _: pytest.fail("performed")).approval


def admin(runtime, event):
    records = (record.fields for record in runtime.journal.records() if record.kind == "admin")
    return [fields for fields in records if fields["event"] == event]


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)
    return found


class TestWhatItCovers:
    @pytest.mark.parametrize(
        "changed",
        [
            {"params": {"n": 2}},
            {"type": "deploy2"},
            {"target": "staging"},
            {"protocol": "mcp"},
            {"environment": "dev"},
            {"actor": Actor("key_2", "bot", "s")},
            {"actor": Actor("key_1", "bot", "s", chain=("root",))},
            {"labels": ("definition:sha256:1",)},
        ],
    )
    def test_everything_that_changes_makes_it_another_action(self, changed):
        fields = {"type": "deploy", "target": "prod", "params": {"n": 1}, "actor": BOT}
        first = digest(Action(**fields), "sha256:p")
        assert digest(Action(**{**fields, **changed}), "sha256:p") != first
        assert digest(Action(**fields, id="x", time=9), "sha256:p") == first
        assert digest(Action(**fields), "sha256:q") != first

    def test_a_task_covers_the_same_action_and_no_other_task(self):
        first = task_digest(Action("mail", "a", {"n": 1}, task="t"), "p")
        assert first
        assert first == task_digest(Action("mail", "a", {"n": 1}, task="t"), "p")
        assert first != task_digest(Action("mail", "a", {"n": 2}, task="t"), "p")
        assert first != task_digest(Action("mail", "a", {"n": 1}, task="u"), "p")
        assert task_digest(Action("mail", "a", {"n": 1}), "p") == ""


class TestOnce:
    def test_the_identical_action_uses_it_and_the_next_one_asks_again(self, runtime):
        action = Action("deploy", "prod", {"n": 1}, actor=BOT)
        runtime.answer(ask(runtime, action), True, by="mary")
        assert runtime.govern(action, lambda _: "done").result == "done"
        ask(runtime, action)

    def test_who_used_it_is_known(self, runtime):
        action = Action("deploy", "prod", actor=BOT)
        first = ask(runtime, action)
        runtime.answer(first, True, by="mary")
        used = runtime.govern(action, lambda _: 1)
        assert runtime.desk.find(first).used == used.action.id

    def test_of_many_that_wait_one_uses_it(self, runtime):
        action = Action("deploy", "prod", actor=BOT)
        runtime.answer(ask(runtime, action), True, by="mary")
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda _: runtime.govern(action, lambda _: 1).ok, range(8)))
        assert sum(done) == 1


class TestWhoMayAnswer:
    @pytest.mark.parametrize("by", ["key_1", "bot", "BOT", " bot "])
    def test_the_one_who_asked_may_not(self, runtime, by):
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        with pytest.raises(CallerError, match="asked for this action"):
            runtime.answer(id, True, by=by)
        assert runtime.desk.find(id).state == PENDING

    def test_nor_under_the_other_names_of_the_same_key(self, tmp_path):
        runtime = opened(tmp_path, approvers={"mary": {"api": "ci"}})
        _, key = runtime.keys.create("ci")
        id = ask(runtime, Action("deploy", "prod", actor=Actor(principal=key.id)))
        for by in ("mary", "ci", key.id):
            with pytest.raises(CallerError, match="asked for this action"):
                runtime.answer(id, True, by=by)
        runtime.close()

    @pytest.mark.parametrize("by", ["", "  "])
    def test_nobody_may_not(self, runtime, by):
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        with pytest.raises(CallerError, match="needs a name"):
            runtime.answer(id, True, by=by)


class TestSeveralPeople:
    def test_a_policy_asks_for_two_and_one_is_not_enough(self, runtime):
        action = Action("wire", "acme", {"n": 5}, actor=BOT)
        id = ask(runtime, action)
        assert runtime.answer(id, True, by="mary").state == PENDING
        assert runtime.answer(id, True, by="MARY").state == PENDING
        assert len(runtime.desk.find(id).votes) == 1
        assert not runtime.govern(action, lambda _: 1).ok
        given = runtime.answer(id, True, by="joe", comment="checked")
        assert (given.state, given.by, given.comment) == ("approved", "mary, joe", "checked")
        assert runtime.govern(action, lambda _: 1).ok

    def test_one_refusal_denies(self, runtime):
        id = ask(runtime, Action("wire", "acme", actor=BOT))
        runtime.answer(id, True, by="mary")
        assert runtime.answer(id, False, by="joe").state == "denied"
        with pytest.raises(CallerError, match="already denied by `joe`"):
            runtime.answer(id, True, by="ann")

    def test_a_handler_of_this_process_is_no_second_person(self, tmp_path):
        from aegis.flow import Answer

        runtime = opened(tmp_path)
        runtime.ports.asker = lambda _: Answer("approved", "handler")
        assert runtime.govern(Action("deploy", "prod"), lambda _: 1).ok
        assert runtime.govern(Action("wire", "acme"), lambda _: 1).code == "expired"
        runtime.close()


class TestAnswers:
    def test_the_same_answer_again_changes_nothing(self, runtime):
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        first = runtime.answer(id, True, by="mary", comment="a")
        assert runtime.answer(id, True, by="mary", comment="b") == first

    def test_of_two_who_race_one_wins_and_the_other_is_told(self, runtime):
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        start, said = threading.Barrier(2), {}

        def answer(by, approve):
            start.wait()
            try:
                said[by] = runtime.answer(id, approve, by=by).state
            except CallerError as error:
                said[by] = str(error)

        threads = [threading.Thread(target=answer, args=a) for a in (("m", True), ("j", False))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = runtime.desk.find(id)
        lost = "j" if won.by == "m" else "m"
        assert said[won.by] == won.state
        assert f"already {won.state} by `{won.by}`" in said[lost]

    def test_two_processes_race_on_one_home(self, tmp_path):
        runtime = opened(tmp_path / "home")
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        program = (
            "import sys\n"
            "from aegis.kernel.build import open_runtime\n"
            "from aegis.kernel.config import parse\n"
            "home, id, by = sys.argv[1:]\n"
            "runtime = open_runtime(parse({'home': home}, ''), recover=False)\n"
            "print('ready', flush=True); sys.stdin.readline()\n"
            "try: print(runtime.answer(id, by == 'a', by=by).state, flush=True)\n"
            "except Exception as error: print(error, flush=True)\n"
            "runtime.close()\n"
        )
        racers = {
            by: subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / "home"), id, by],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for by in ("a", "b")
        }  # fmt: skip
        for racer in racers.values():
            assert racer.stdout.readline() == "ready\n"
        for racer in racers.values():
            racer.stdin.write("\n")
            racer.stdin.flush()
        said = {by: racer.communicate(timeout=30)[0].strip() for by, racer in racers.items()}
        won = runtime.desk.find(id)
        assert said[won.by] == won.state
        other = "b" if won.by == "a" else "a"
        assert f"by `{won.by}`" in said[other]
        runtime.close()

    def test_an_overlong_comment_and_an_unknown_scope_are_refused(self, runtime):
        id = ask(runtime, Action("deploy", "prod", actor=BOT))
        with pytest.raises(CallerError, match="at most 2000"):
            runtime.answer(id, True, by="mary", comment="x" * 2001)
        with pytest.raises(CallerError, match="one of once, task, always"):
            runtime.answer(id, True, by="mary", scope="forever")
        assert runtime.desk.find(id).state == PENDING

    def test_each_answer_is_a_record(self, runtime):
        id = ask(runtime, Action("wire", "acme", actor=BOT))
        runtime.answer(id, True, by="mary")
        (told,) = admin(runtime, "approval.answer")
        assert told["actor"] == "mary"
        assert (told["details"]["votes"], told["details"]["needed"]) == (1, 2)


class TestExpiry:
    def test_nobody_answers_in_time(self, tmp_path):
        runtime = opened(tmp_path, ttl_seconds=0.2)
        action = Action("deploy", "prod", actor=BOT)
        id = ask(runtime, action)
        (told,) = eventually(lambda: admin(runtime, "approval.expired"))
        assert told["details"]["approval"] == id
        assert runtime.state.approval(id).state == EXPIRED
        with pytest.raises(CallerError, match="already expired"):
            runtime.answer(id, True, by="mary")
        runtime.close()

    def test_what_was_approved_and_not_used_in_time_is_not_used_later(self, tmp_path):
        runtime = opened(tmp_path, ttl_seconds=0.5)
        action = Action("deploy", "prod", actor=BOT)
        id = ask(runtime, action)
        runtime.answer(id, True, by="mary")
        eventually(lambda: runtime.desk.find(id).state == EXPIRED)
        assert not runtime.govern(action, lambda _: 1).ok
        runtime.close()


class TestTask:
    def test_the_task_may_repeat_the_action_and_do_nothing_else(self, runtime):
        action = Action("mail", "ann", {"n": 1}, actor=BOT, task="newsletter")
        runtime.answer(ask(runtime, action), True, by="mary", scope="task")
        for _ in range(3):
            assert runtime.govern(action, lambda _: 1).ok
        ask(runtime, Action("mail", "ann", {"n": 2}, actor=BOT, task="newsletter"))
        ask(runtime, Action("mail", "ann", {"n": 1}, actor=BOT, task="other"))
        ask(runtime, Action("mail", "ann", {"n": 1}, actor=BOT))

    def test_an_action_without_a_task_is_refused_that_scope(self, runtime):
        id = ask(runtime, Action("mail", "ann", actor=BOT))
        with pytest.raises(CallerError, match="belongs to no task"):
            runtime.answer(id, True, by="mary", scope="task")
        assert runtime.desk.find(id).state == PENDING

    def test_where_two_people_are_asked_both_have_to_mean_the_task(self, runtime):
        action = Action("wire", "acme", {"n": 1}, actor=BOT, task="pay")
        id = ask(runtime, action)
        runtime.answer(id, True, by="mary", scope="task")
        runtime.answer(id, True, by="joe")
        assert runtime.govern(action, lambda _: 1).ok
        assert not runtime.govern(action, lambda _: 1).ok


def test_approvals_survive_a_restart(tmp_path):
    first = opened(tmp_path)
    action = Action("deploy", "prod", {"n": 1}, actor=BOT)
    id = ask(first, action)
    first.close()
    second = opened(tmp_path)
    second.answer(id, True, by="mary")
    second.close()
    third = opened(tmp_path)
    assert third.govern(action, lambda _: "done").result == "done"
    assert not third.govern(action, lambda _: 1).ok
    third.close()


def test_a_run_that_was_denied_is_dropped_with_what_it_holds(runtime, monkeypatch):
    monkeypatch.setattr(desk_module, "RUN_SECONDS", 0.0)

    async def park():
        action = Action("deploy", "prod", {"prompt": "in full"}, actor=BOT)
        with pytest.raises(HeldError) as held:
            await runtime.agovern(action, lambda _: None, park=True)
        return held.value

    held = asyncio.run(park())
    runtime.desk.expire()
    assert [run.id for run in runtime.state.runs()] == [held.run]
    runtime.answer(held.approval, False, by="mary")
    runtime.desk.expire()
    assert list(runtime.state.runs()) == []
    told = [one["details"] for one in admin(runtime, "run.dropped")]
    assert told == [{"approval": held.approval, "run": held.run}]
    with pytest.raises(CallerError, match="no parked run"):
        runtime.resume(held.run, lambda _: pytest.fail("performed"))
