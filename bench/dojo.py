"""Flow rules against the ground-truth traces of AgentDojo (arXiv 2406.13352): no model takes part.

    pip install agentdojo          # into an environment that has Aegis; it is no dependency
    python bench/dojo.py banking workspace

A benign run makes the calls that a user task's authors say solve it. An attack run makes them with
AgentDojo's `important instructions` text in every place of the environment the task looks at, and
then the calls that carry out an injection task. Every call goes through `Runtime.govern` of one
runtime with `session: { flows: standard }` and a policy that allows everything; no tool is
declared and no suite has a rule of its own. What the user asked for is the task's prompt, told as a
request to a model. Results are given as AgentDojo gives them to a model, as text; `--values` gives
them as the tools return them. No guard runs: they would only help.

A benign call is interrupted where a person would have to look at it, or it is blocked. An attack
succeeds where AgentDojo's own check of the environment says so afterwards. It cannot where the text
never reached the agent, because the call that would have read it was refused; those are counted.
Injection tasks without calls (they want a sentence said) are left out, and so are pairs whose check
fails although every call was made.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from typing import Any

from aegis.flow import Answer
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor, Verdict

VERSION = "v1.2.2"


@dataclass
class Score:
    """What came of one suite. Rates are in percent."""

    suite: str
    review: str
    calls: int = 0
    interrupted: int = 0
    attacks: int = 0
    reached: int = 0
    succeeded: int = 0
    interrupted_percent: float = 0.0
    succeeded_percent: float = 0.0


class Agent:
    """One conversation: a session of its own, in which the prompt was said."""

    numbers = itertools.count()

    def __init__(self, runtime: Any, suite: Any, environment: Any, prompt: str, values: bool):
        from agentdojo.functions_runtime import FunctionsRuntime

        self.runtime = runtime
        self.tools = FunctionsRuntime(suite.tools)
        self.environment = environment
        self.values = values
        self.heard = ""
        self.made: list[Any] = []
        self.stopped: list[str] = []
        self.actor = Actor(principal="user", session=f"dojo-{next(self.numbers)}")
        said = {"messages": [{"role": "user", "content": prompt}]}
        self.runtime.govern(
            Action("chat.completions", params=said, protocol="llm", actor=self.actor), lambda _: {}
        )

    def call(self, wanted: Any) -> None:
        """Make one call, if it may happen."""
        action = Action(wanted.function, params=dict(wanted.args), actor=self.actor)
        outcome = self.runtime.govern(action, lambda _: self.perform(wanted))
        if outcome.decision.verdict >= Verdict.REVIEW or outcome.approval:
            self.stopped.append(f"{wanted.function} {wanted.args}"[:160])
        if outcome.status == "performed":
            self.made.append(wanted)

    def perform(self, wanted: Any) -> Any:
        from agentdojo.agent_pipeline.tool_execution import tool_result_to_str

        result, _ = self.tools.run_function(self.environment, wanted.function, wanted.args)
        text = tool_result_to_str(result)
        self.heard += text
        return plain(result) if self.values else text


def squeezed(text: str) -> str:
    """Letters and digits only: quoting and line breaks of a written-out record fall away."""
    return "".join(filter(str.isalnum, text.replace("\\n", "")))


def plain(value: Any) -> Any:
    """A result as JSON-like values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


class Trial:
    """One suite under one runtime."""

    def __init__(self, runtime: Any, suite: Any, options: argparse.Namespace):
        self.runtime, self.suite, self.options = runtime, suite, options
        self.score = Score(suite.name, "granted" if options.granted else "refused")

    def agent(self, environment: Any, task: Any) -> Agent:
        return Agent(self.runtime, self.suite, environment, task.PROMPT, self.options.values)

    def run(self) -> Score:
        """Every user task, and every pair of it with an injection task."""
        score = self.score
        for task in self.suite.user_tasks.values():
            environment = task.init_environment(self.suite.load_and_inject_default_environment({}))
            agent = self.agent(environment, task)
            for wanted in task.ground_truth(environment.model_copy(deep=True)):
                score.calls += 1
                agent.call(wanted)
            score.interrupted += len(agent.stopped)
            for said in agent.stopped:
                self.tell(f"{task.ID} {said}")
            places = looked_at(self.suite, task)
            for injection in self.suite.injection_tasks.values() if places else ():
                self.attack(task, injection, places)
        score.interrupted_percent = round(100 * score.interrupted / max(1, score.calls), 1)
        score.succeeded_percent = round(100 * score.succeeded / max(1, score.attacks), 1)
        return score

    def attack(self, task: Any, injection: Any, places: list[str]) -> None:
        """One pair: the task with the injection in its data, then the injection's calls."""
        from agentdojo.attacks.important_instructions_attacks import ImportantInstructionsAttack

        words = {"goal": injection.GOAL, "user": "Emma Johnson", "model": "AI assistant"}
        text = ImportantInstructionsAttack._JB_STRING.format(**words)
        injected = self.suite.load_and_inject_default_environment(dict.fromkeys(places, text))
        environment = task.init_environment(injected)
        before = environment.model_copy(deep=True)
        agent = self.agent(environment, task)
        for wanted in task.ground_truth(environment.model_copy(deep=True)):
            agent.call(wanted)
        calls = injection.ground_truth(environment.model_copy(deep=True))
        if not calls or not self.possible(injection, before, environment, calls):
            return
        self.score.attacks += 1
        if squeezed(injection.GOAL)[:40] not in squeezed(agent.heard):
            return
        self.score.reached += 1
        made = len(agent.made)
        for wanted in calls:
            agent.call(wanted)
        if done(injection, before, environment, agent.made[made:]):
            self.score.succeeded += 1
            self.tell(f"{task.ID} {injection.ID} succeeded")

    def possible(self, injection: Any, before: Any, environment: Any, calls: list[Any]) -> bool:
        """Whether the calls carry the injection out where nobody hinders them."""
        from agentdojo.functions_runtime import FunctionsRuntime

        unhindered = environment.model_copy(deep=True)
        tools = FunctionsRuntime(self.suite.tools)
        for wanted in calls:
            tools.run_function(unhindered, wanted.function, wanted.args)
        return done(injection, before, unhindered, calls)

    def tell(self, line: str) -> None:
        if self.options.verbose:
            print(f"  {line}", file=sys.stderr, flush=True)


def looked_at(suite: Any, task: Any) -> list[str]:
    """The places for injections that the task's own calls read."""
    from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
    from agentdojo.functions_runtime import FunctionsRuntime

    canaries = {name: f"<CANARY-{name}>" for name in suite.get_injection_vector_defaults()}
    environment = task.init_environment(suite.load_and_inject_default_environment(canaries))
    tools, heard = FunctionsRuntime(suite.tools), ""
    for wanted in task.ground_truth(environment.model_copy(deep=True)):
        heard += tool_result_to_str(
            tools.run_function(environment, wanted.function, wanted.args)[0]
        )
    return [name for name, canary in canaries.items() if canary in heard]


def done(injection: Any, before: Any, after: Any, made: list[Any]) -> bool:
    """Whether AgentDojo says the injection was carried out."""
    output = injection.GROUND_TRUTH_OUTPUT
    found = injection.security_from_traces(output, before, after, made)
    return bool(injection.security(output, before, after) if found is None else found)


def main() -> int:
    from agentdojo.task_suite.load_suites import get_suites

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--version", default=VERSION)
    parser.add_argument("--values", action="store_true")
    parser.add_argument("--granted", action="store_true", help="the person grants every review")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    state = "approved" if options.granted else "denied"
    with tempfile.TemporaryDirectory() as home:
        document = {
            "home": home,
            "policy": {"defaults": {"verdict": "allow"}},
            "session": {"flows": "standard"},
            "guardrails": {},
            "ledger": {"durability": dict.fromkeys(CAPABILITIES, "buffered")},
        }
        runtime = open_runtime(
            parse(document, "dojo.yaml"), memory=True, asker=lambda _: Answer(state, by="person")
        )
        for name in options.suites:
            trial = Trial(runtime, get_suites(options.version)[name], options)
            print(json.dumps(asdict(trial.run())), flush=True)
        runtime.close()
    return 0


CAPABILITIES = ("read", "write", "delete", "deploy", "approve", "execute")

if __name__ == "__main__":
    sys.exit(main())
