"""The third driver: a world in one process, seeded, in which anything may go wrong at any effect.

A `World` holds what survives a crash (the durable part of the ledger, the desk, parked runs) and
what does not (the buffered part, running flows). `World.step` takes one action through the real
flow, and at every effect may crash, lose the answer, raise, cancel the caller, or answer a
person's question in some way. `World.check` then states what must be true of any history.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from aegis.approval import digest
from aegis.flow import (
    ENDED,
    OPENED,
    Abandoned,
    Admission,
    Admit,
    Answer,
    Append,
    Ask,
    Emit,
    Interrupted,
    Learn,
    Mint,
    Next,
    Parked,
    Perform,
    Performed,
    Revoke,
    Rules,
    Scan,
    Settle,
    Settled,
    Trace,
    run,
)
from aegis.flow.drive import Diverged, pack, replay, unpack
from aegis.model import Action, Actor, Outcome, Receipt, Verdict

from .bank import Bank
from .parts import POISON, SECRET, DictPolicy, StreamView, WordGuard

CAPABILITIES = ("read", "write", "delete", "execute")
LATE = (Append, Revoke, Settle)
"""What a driver still does for a caller who has gone."""


class Crash(BaseException):
    """The process dies here."""


class World:
    """One seeded history. `chance` is the probability of a fault at each effect."""

    def __init__(self, seed: int, chance: float = 0.06) -> None:
        self.rng = random.Random(seed)
        self.chance = self.rng.choice((0.0, chance, chance * 3))
        self.disk: list[tuple[str, Any]] = []
        self.memory: list[tuple[str, Any]] = []
        self.acknowledged: list[tuple[str, str]] = []
        self.desk: dict[str, str] = {}
        self.consumed: list[str] = []
        self.runs: dict[str, tuple[str, bytes, bytes]] = {}
        self.performed: list[str] = []
        self.begun: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self.emitted: dict[str, list[Any]] = {}
        self.counter = 0
        self.crashes = 0
        self.events: list[Any] = []
        self.notes: list[str] = []
        self.guarded: dict[str, bool] = {}
        self.full: set[str] = set()
        self.recovered: list[str] = []
        self.bank = Bank(self.rng, Crash)

    # the world's machinery

    def new_rules(self) -> Rules:
        rng = self.rng
        fails = 0.0 if self.chance == 0 else rng.choice((0.0, 0.0, 0.1))
        guards = tuple(
            WordGuard(f"g{i}", rng.random() < 0.7, rng.random() < 0.7, fails, rng)
            for i in range(rng.randrange(3))
        )
        return Rules(
            DictPolicy(broken=rng.random() < self.chance / 2),
            guards,
            guards if rng.random() < 0.8 else (),
            break_glass=False,
            grants=self.bank,
            follows=rng.random() < 0.5,
        )

    def step(self) -> None:
        rng = self.rng
        self.bank.work()
        if self.runs and rng.random() < 0.5:
            self.resume(rng.choice(sorted(self.runs)))
            return
        self.counter += 1
        stream = rng.random() < 0.4
        verdict = rng.choice(("allow", "allow", "sanitize", "review", "block"))
        action = Action(
            f"{verdict}_{rng.choice(('thing', 'other'))}",
            params={"a": self.words(), "n": rng.randrange(9)},
            actor=Actor(principal="p", session=f"s{rng.randrange(3)}"),
            capability=rng.choice(CAPABILITIES),
            id=f"a{self.counter}",
            time=self.counter,
        )
        rules = self.new_rules()
        self.guarded[action.id] = bool(rules.outputs)
        flow = run(action, rules, StreamView(), stream=stream)
        trail: list[Any] | None = [] if rng.random() < 0.5 and not stream else None
        self.drive(action, flow, trail, None)

    def resume(self, run_id: str) -> None:
        approval, stored, packed = self.runs[run_id]
        if self.desk.get(approval) == "pending":
            self.person(approval)
            if self.desk.get(approval) == "pending":
                return
        del self.runs[run_id]
        action = msgspec.json.decode(stored, type=Action)
        trail = unpack(packed)
        rules = self.new_rules()
        self.guarded[action.id] = bool(rules.outputs)
        flow = run(action, rules, StreamView())
        try:
            effect = replay(flow, trail)
        except Diverged:
            return
        self.drive(action, flow, trail, effect)

    def words(self) -> str:
        rng = self.rng
        parts = [
            rng.choice(("hello ", "x", "POI", "SEC", "SON", "RET "))
            for _ in range(rng.randrange(6))
        ]
        if rng.random() < 0.15:
            parts.insert(rng.randrange(len(parts) + 1), POISON)
        if rng.random() < 0.25:
            parts.insert(rng.randrange(len(parts) + 1), SECRET)
        return "".join(parts)

    def drive(self, action: Action, flow: Any, trail: Any, effect: Any) -> None:
        """The simulator's loop: like the other drivers, with misfortune."""
        gone = False
        try:
            effect = effect if effect is not None else next(flow)
            while True:
                try:
                    if gone and not isinstance(effect, LATE):
                        raise Abandoned("gone")
                    answer = self.answer(action, effect, trail, gone)
                except Parked as parked:
                    self.runs[parked.run] = (
                        parked.approval,
                        msgspec.json.encode(action),
                        pack(trail),
                    )
                    self.notes.append(f"{action.id} parked")
                    return
                except Interrupted as cut:
                    gone, answer = True, cut.answer
                except Abandoned as error:
                    gone = True
                    effect = flow.throw(error)
                    continue
                except Exception as error:
                    effect = flow.throw(error)
                    continue
                if trail is not None and not isinstance(effect, (Next, Emit)):
                    trail.append((type(effect).__name__, answer))
                effect = flow.send(answer)
        except StopIteration as stop:
            if not gone:
                self.outcomes[action.id] = stop.value
        except Crash:
            flow.close()
            self.crash()

    def answer(self, action: Action, effect: Any, trail: Any, gone: bool) -> Any:
        rng = self.rng
        fault = rng.random() < self.chance
        if fault and rng.random() < 0.25:
            raise Crash
        if fault and not gone and rng.random() < 0.2:
            if isinstance(effect, LATE):
                raise Interrupted(self.do(action, effect, trail, False), KeyboardInterrupt())
            if isinstance(effect, Mint):
                # the thread that mints goes on, and nobody uses what it brings
                self.bank.give_back(self.do(action, effect, trail, False).lease)
            raise Abandoned("cancelled")
        answer = self.do(action, effect, trail, fault)
        if fault and rng.random() < 0.2:
            raise Crash  # done, but the answer is lost
        return answer

    def do(self, action: Action, effect: Any, trail: Any, fault: bool) -> Any:
        rng = self.rng
        match effect:
            case Admit():
                return Admission("killed", "off", "<kill-switch>") if fault else Admission()
            case Trace():
                least = rng.choice((Verdict.ALLOW, Verdict.BLOCK))
                return Admission(reason="so", rule="<behaviour>", least=least)
            case Learn() if fault:
                raise OSError("the labels of the session cannot be kept")
            case Learn():
                return None
            case Scan():
                if fault:
                    raise TimeoutError("guard too slow")
                return effect.guard.inspect(effect.texts, effect.action)
            case Append():
                return self.append(effect, fault)
            case Ask():
                return self.ask(action, effect, trail)
            case Mint():
                return self.bank.mint(effect.action, fault)
            case Revoke():
                return self.bank.give_back(effect.lease)
            case Perform():
                self.bank.performing(effect.action, effect.lease)
                self.begun.add(action.id)
                if fault and rng.random() < 0.5:
                    raise ConnectionError("upstream")
                self.performed.append(action.id)
                if effect.stream and rng.random() < 0.8:
                    self.events = [
                        {"t": self.words()}
                        if rng.random() < 0.8
                        else {
                            "call": f"{rng.choice(('allow', 'block', 'review'))}_call{i}",
                            "x": self.words(),
                        }
                        for i in range(rng.randrange(6))
                    ]
                    return OPENED
                return Performed(rng.choice((self.words(), {"r": [self.words()]}, 7, None)))
            case Next():
                if fault and rng.random() < 0.5:
                    raise ConnectionError("cut off")
                return self.events.pop(0) if self.events else ENDED
            case Emit():
                if fault:
                    raise Abandoned("client gone")
                self.emitted.setdefault(action.id, []).append(effect.event)
                return None
            case Settle():
                return Settled(self.counter)
        raise AssertionError(effect)

    def append(self, effect: Append, fault: bool) -> Receipt:
        if effect.kind == "admin":
            if fault:
                raise OSError("no space left on device")
            self.flush()
            self.bank.told(effect.body)
            return Receipt(len(self.disk), "h")
        if fault and self.rng.random() < 0.5:
            self.full.add(effect.body.action)
            raise OSError("no space left on device")
        self.memory.append((effect.kind, effect.body))
        if effect.durability != "buffered" or self.rng.random() < 0.3:
            self.flush()
        self.acknowledged.append((effect.kind, effect.body.action))
        return Receipt(len(self.disk) + len(self.memory) - 1, "h")

    def ask(self, action: Action, effect: Ask, trail: Any) -> Answer:
        assert effect.digest == digest(effect.action, effect.decision.policy)
        state = self.desk.setdefault(effect.approval, "pending")
        if state == "pending":
            self.person(effect.approval)
            state = self.desk[effect.approval]
        if state == "pending":
            if trail is not None and effect.action.id == action.id:
                raise Parked(action.id, effect.approval)
            return Answer("expired")
        if state == "approved":
            self.desk[effect.approval] = "consumed"
            self.consumed.append(effect.approval)
            return Answer("approved", "mary")
        return Answer("denied", "mary") if state == "denied" else Answer("expired")

    def person(self, approval: str) -> None:
        if self.desk[approval] == "pending":
            self.desk[approval] = self.rng.choice(("approved", "denied", "pending"))

    def flush(self) -> None:
        self.disk.extend(self.memory)
        self.memory.clear()

    def crash(self) -> None:
        """The process dies; a new one recovers: begun, unanswered actions become unknown."""
        self.crashes += 1
        lost = [body.action for _, body in self.memory]
        self.notes.append(f"crash, lost {lost}")
        self.memory.clear()
        self.bank.recover()
        self.recover()

    def recover(self) -> None:
        decided = [
            b.action
            for k, b in self.disk
            if k == "decision" and b.verdict in ("allow", "sanitize") and not b.parent
        ]
        ended = {b.action for k, b in self.disk if k == "outcome"}
        for action in decided:
            if action not in ended:
                self.disk.append(("outcome", _Unknown(action)))
                self.recovered.append(action)

    # what must be true of any history

    def check(self) -> None:
        self.flush()
        self.recover()
        self.bank.check()
        if not self.crashes:
            assert set(self.recovered) <= self.full, "an outcome is missing without a crash"
        for action in set(self.performed):
            assert self.performed.count(action) == 1, f"{action} performed twice"
        for approval in set(self.consumed):
            assert self.consumed.count(approval) == 1, f"{approval} used twice"
        acknowledged = set(self.acknowledged)
        for action in self.begun:
            assert ("decision", action) in acknowledged, f"{action} begun without a decision"
        decided = {b.action: b for k, b in self.disk if k == "decision"}
        for action, body in decided.items():
            if body.verdict == "block":
                assert action not in self.begun, f"{action} blocked and begun"
        self._check_outcomes()
        self._check_leaks()

    def _check_outcomes(self) -> None:
        positions: dict[str, list[str]] = {}
        for kind, body in self.disk:
            positions.setdefault(body.action, []).append(kind)
        for action, kinds in positions.items():
            if "outcome" in kinds and "decision" in kinds:
                assert kinds.index("decision") < kinds.index("outcome"), action
            assert kinds.count("outcome") <= 1, f"{action} has two outcomes"
        for action, outcome in self.outcomes.items():
            kinds = positions.get(action, [])
            if outcome.status == "performed":
                assert action in self.performed
                assert "outcome" in kinds or self.crashes, f"{action} performed, no outcome"
            if outcome.status == "refused":
                assert action not in self.performed, f"{action} refused and performed"
            if outcome.decision.verdict is Verdict.BLOCK and outcome.status == "performed":
                raise AssertionError(f"{action} blocked and delivered")

    def _check_leaks(self) -> None:
        for action, outcome in self.outcomes.items():
            if self.guarded.get(action) and outcome.status == "performed":
                text = repr(outcome.result)
                assert POISON not in text, f"{action} delivered {POISON}"
                assert SECRET not in text, f"{action} delivered {SECRET}"
        for action, events in self.emitted.items():
            for event in events:
                assert not str(event.get("call", "")).startswith("block"), action
            if self.guarded.get(action):
                text = "".join(event.get("t", "") for event in events)
                assert POISON not in text, f"{action} let {POISON} out"
                assert SECRET not in text, f"{action} let {SECRET} out"


class _Unknown(msgspec.Struct):
    action: str
    status: str = "unknown"


__all__ = ["World"]
