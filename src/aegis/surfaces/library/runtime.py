"""`Runtime`: actions carried out by an executor, each through the one door.

async with Runtime(executor=MyExecutor(), policy=Policy.from_yaml("policy.yaml")) as runtime:
results = await runtime.execute(runtime.plan([Action("read", "crm")]))
"""

from __future__ import annotations

import asyncio
import datetime
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import msgspec
import uuid_utils

from ...kernel.plans import HISTORY_MAX, PlanRuler, as_decision
from ...model import (
    ANONYMOUS,
    Action,
    Actor,
    CallerError,
    Decision,
    RiskLevel,
    Verdict,
)
from . import process
from .approvals import HANDLER, ApprovalHandler
from .calls import CALLS
from .context import acting
from .events import safely
from .plan import ExecutionPlan
from .refusals import message
from .results import BaseExecutor, Result, ResultStatus, RetryPolicy, RuntimeHooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...model import Outcome
    from ...policy import Policy
    from .governor import Governor

PARALLEL_MAX = 64
"""Most actions of a plan under way at once."""

ACTIONS_MAX = 10_000
"""Most actions of one plan."""

_ANEW = "make a new plan of what is left"


class Options(TypedDict, total=False):
    """What else a runtime takes. `session_id` names the chain of records (a UUIDv7 without it),
    `agent_id` who acts.
    """

    approval_handler: ApprovalHandler | None
    session_id: str
    agent_id: str
    hooks: RuntimeHooks | None
    retry_policy: RetryPolicy | None


class _Unsuccessful(Exception):
    """An executor reported, or `verify` found, that an action did not succeed."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result


class Runtime:
    """Carries out actions with an executor, under a policy (without one: the process's).

    Raises CallerError for unusable arguments. Opening reads the configuration and the ledger of
    the process at first use.
    """

    def __init__(
        self, executor: BaseExecutor, policy: Policy | None = None, **options: Unpack[Options]
    ) -> None:
        unknown = options.keys() - Options.__annotations__.keys()
        if unknown:
            known = ", ".join(sorted(Options.__annotations__))
            raise CallerError(f"a runtime has no `{min(unknown)}`; it takes {known}")
        if not hasattr(executor, "execute") or isinstance(executor, type):
            raise CallerError(
                f"an executor is an object with `async execute(action)`, not {executor!r:.80}"
            )
        self.executor = executor
        self.session_id = options.get("session_id") or str(uuid_utils.uuid7())
        self.agent_id = options.get("agent_id") or ""
        self._handler = options.get("approval_handler")
        if self._handler is not None and not hasattr(self._handler, "request_approval"):
            raise CallerError("an approval handler needs `async request_approval(decision)`")
        self._hooks = options.get("hooks") or RuntimeHooks()
        self._retry = options.get("retry_policy") or RetryPolicy()
        self._history: deque[Action] = deque(maxlen=HISTORY_MAX)
        self._base: Governor | None = None
        self._branch: Governor | None = None
        self._plan_rules: tuple[Any, PlanRuler] | None = None
        self._ready = False
        self._setting_up = asyncio.Lock()
        self.update_policy(policy)

    @property
    def policy(self) -> Any:
        """The policy given; None where the process's decides."""
        return self._policy

    def update_policy(self, policy: Policy | None) -> None:
        """Put another policy in force; actions not decided yet fall under it."""
        if policy is not None and not hasattr(policy, "decide"):
            raise CallerError(
                f"a policy is a `Policy`, not {policy!r:.80}; `Policy.from_yaml` and "
                "`Policy.from_dict` read one"
            )
        self._policy = policy
        self._base = None

    def plan(self, actions: Iterable[Action]) -> ExecutionPlan:
        """What would be decided about each action, and about all of them together."""
        listed = tuple(self._attributed(action) for action in actions)
        if len(listed) > ACTIONS_MAX:
            raise CallerError(f"a plan has at most {ACTIONS_MAX} actions")
        governor = self._governor()
        decisions = tuple(
            governor.govern(action, _nothing, CALLS, dry=True).decision for action in listed
        )
        return ExecutionPlan(listed, decisions, tuple(self._ruler().of_plan(listed)))

    async def execute(
        self, plan: ExecutionPlan, dry_run: bool = False, parallel: bool = False
    ) -> list[Result]:
        """Carry out a plan; one result per action, in order.

        Every action is decided now, whatever the plan says. One after the other, a failed or
        denied action ends the plan and the rest is skipped; a blocked one does not. A plan that
        breaks a blocking plan rule is blocked whole.
        """
        if not isinstance(plan, ExecutionPlan):
            raise CallerError("`execute` takes what `plan` returns")
        actions = [msgspec.structs.replace(self._attributed(a)) for a in plan.actions]
        broken = [v for v in self._ruler().of_plan(actions) if v.verdict is Verdict.BLOCK]
        refusal = as_decision(broken)
        if refusal is not None:
            return [await self._one(action, dry_run, refusal) for action in actions]
        if parallel:
            return await self._parallel(actions, dry_run)
        results: list[Result] = []
        stopped = False
        for place, action in enumerate(actions):
            if stopped:
                results.append(await self._skipped(action, results[-1]))
                continue
            tighten = self._completes(actions[:place], action)
            results.append(await self._one(action, dry_run, tighten))
            stopped = results[-1].status in (ResultStatus.FAILED, ResultStatus.DENIED)
        return results

    async def run_one(self, action: Action, dry_run: bool = False) -> Result:
        """Carry out one action."""
        action = msgspec.structs.replace(self._attributed(action))
        return await self._one(action, dry_run, self._completes((), action))

    async def aclose(self) -> None:
        """Tear the executor down, if it was set up."""
        if self._ready:
            self._ready = False
            teardown = getattr(self.executor, "teardown", None)
            if teardown is not None:
                await teardown()

    async def __aenter__(self) -> Self:
        await self._set_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _parallel(self, actions: Sequence[Action], dry: bool) -> list[Result]:
        room = asyncio.Semaphore(PARALLEL_MAX)

        async def one(action: Action, tighten: Decision | None) -> Result:
            async with room:
                return await self._one(action, dry, tighten)

        history, ruler = [*self._history], self._ruler()
        work = []
        for place, action in enumerate(actions):
            before = actions[:place]
            tighten = as_decision(ruler.at([*history, *before][-HISTORY_MAX:], before, action))
            work.append(one(action, tighten))
        return list(await asyncio.gather(*work))

    async def _skipped(self, action: Action, before: Result) -> Result:
        """The rest of an ended plan: refused, so that the record shows it."""
        why = f"skipped: the plan ended when `{before.action.type}` was {before.status}"
        if before.status is ResultStatus.SKIPPED:
            why = "skipped: the plan had ended"
        skip = Decision(Verdict.BLOCK, RiskLevel.LOW, "<skipped>", "", (why,), advice=_ANEW)
        result = await self._one(action, False, skip)
        return msgspec.structs.replace(result, status=ResultStatus.SKIPPED)

    async def _one(self, action: Action, dry: bool, tighten: Decision | None) -> Result:
        started = _now()
        if not dry:
            await self._set_up()
        attempt = 0
        while True:
            result = await self._attempt(action, dry, tighten, started)
            if result.status is not ResultStatus.FAILED or dry:
                break
            if not self._retry.again(result.error or "", attempt):
                result = await self._rolled_back(result)
                break
            await asyncio.sleep(self._retry.pause(attempt))
            attempt += 1
            action = msgspec.structs.replace(action, id="", time=0, parent=result.action.id)
        if self._hooks.on_execute is not None and not dry:
            safely(self._hooks.on_execute, result)
        return result

    async def _attempt(
        self, action: Action, dry: bool, tighten: Decision | None, started: datetime.datetime
    ) -> Result:
        token = HANDLER.set((self._handler, asyncio.get_running_loop()) if self._handler else None)
        if not dry:
            self._history.append(action)
        try:
            outcome = await self._governor().agovern(
                action, self._perform, CALLS, dry=dry, tighten=tighten
            )
        finally:
            HANDLER.reset(token)
        if outcome.status == "refused" and not dry:
            kept = (other for other in self._history if other is not action)
            self._history = deque(kept, HISTORY_MAX)
        self._watched(outcome, dry)
        return _dry(outcome, started) if dry else _result(outcome, started)

    async def _perform(self, action: Action) -> Any:
        """One execution and its check; what did not succeed is raised, so that it is recorded."""
        result: Any = self.executor.execute(action)
        if inspect.isawaitable(result):
            result = await result
        if not isinstance(result, Result):
            return result
        if result.status is not ResultStatus.SUCCESS:
            raise _Unsuccessful(result, result.error or f"the executor said {result.status}")
        verify = getattr(self.executor, "verify", None)
        if verify is not None and await verify(action, result) is not True:
            raise _Unsuccessful(result, "`verify` did not find the effect of the action")
        return result.data

    async def _rolled_back(self, result: Result) -> Result:
        """The failed result, with that of the action that undoes it, where one is named."""
        if not self._retry.rollback_action_type:
            return result
        failed = result.action
        undo = Action(
            self._retry.rollback_action_type,
            failed.target,
            dict(self._retry.rollback_params),
            actor=failed.actor,
            parent=failed.id,
        )
        undone = await self._attempt(undo, False, self._completes((), undo), _now())
        return msgspec.structs.replace(result, rollback=undone)

    async def _set_up(self) -> None:
        async with self._setting_up:
            if not self._ready:
                setup = getattr(self.executor, "setup", None)
                if setup is not None:
                    await setup()
                self._ready = True

    def _watched(self, outcome: Outcome, dry: bool) -> None:
        if self._hooks.on_decision is not None:
            safely(self._hooks.on_decision, outcome.action, outcome.decision)
        if self._hooks.on_approval is not None and outcome.approval and not dry:
            approved = outcome.code not in ("denied", "expired")
            safely(self._hooks.on_approval, outcome.action, approved)

    def _governor(self) -> Governor:
        base = process.current()
        branch = self._branch
        if branch is None or self._base is not base:
            branch = self._branch = base.branch(self._policy, self.session_id)
            self._base = base
        return branch

    def _ruler(self) -> PlanRuler:
        policy: Any = self._policy
        if policy is None:
            runtime = getattr(self._governor(), "runtime", None)
            policy = runtime.rules.policy if runtime is not None else None
        if self._plan_rules is None or self._plan_rules[0] is not policy:
            self._plan_rules = (policy, PlanRuler(policy))
        return self._plan_rules[1]

    def _completes(self, prefix: Sequence[Action], action: Action) -> Decision | None:
        """The plan rules this action breaks, given what came before it."""
        return as_decision(self._ruler().at(self._history, prefix, action))

    def _attributed(self, action: Action) -> Action:
        if not isinstance(action, Action):
            raise CallerError(f"an action is an `Action`, not {action!r:.80}")
        actor = action.actor
        names = acting()
        agent = actor.agent or self.agent_id or (names[-1] if names else "")
        chain = actor.chain or tuple(name for name in names if name != agent)
        if actor is ANONYMOUS and not agent:
            return action
        whole = Actor(actor.principal, agent, actor.session, actor.tenant, chain)
        return msgspec.structs.replace(action, actor=whole)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _nothing(_: Action) -> None:
    """A dry run performs nothing."""


def _dry(outcome: Outcome, started: datetime.datetime) -> Result:
    decision = outcome.decision
    if decision.verdict is Verdict.BLOCK:
        return _made(outcome, ResultStatus.BLOCKED, started, error=message(outcome))
    needs = decision.verdict is Verdict.REVIEW
    data = {"dry_run": True, "approval_required" if needs else "would_execute": True}
    return _made(outcome, ResultStatus.SUCCESS, started, data=data)


def _result(outcome: Outcome, started: datetime.datetime) -> Result:
    if outcome.status == "performed":
        return _made(outcome, ResultStatus.SUCCESS, started, data=outcome.result)
    if outcome.status == "failed":
        error = outcome.error
        if isinstance(error, _Unsuccessful):
            kept = error.result
            return _made(outcome, ResultStatus.FAILED, started, data=kept.data, error=str(error))
        return _made(
            outcome, ResultStatus.FAILED, started, error=f"{type(error).__name__}: {error}"
        )
    status = ResultStatus.BLOCKED
    if outcome.code in ("denied", "expired"):
        status = ResultStatus.DENIED
    return _made(outcome, status, started, error=message(outcome))


def _made(
    outcome: Outcome,
    status: ResultStatus,
    started: datetime.datetime,
    *,
    data: Any = None,
    error: str | None = None,
) -> Result:
    return Result(outcome.action, status, data, error, started, _now(), outcome.decision)


__all__ = ["Runtime"]
