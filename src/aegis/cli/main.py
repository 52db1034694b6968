"""The `aegis` command: the table of verbs, and how every error leaves the process.

Exit codes: 0 done; 1 findings, or refused; 2 wrong usage or unusable input; 3 a fault in Aegis
itself; 130 interrupted. Nothing a user types or feeds in ends in a traceback; `--debug` shows
one all the same.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from ..model import AegisError, CallerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import App

OK, REFUSED, UNUSABLE, FAULT, INTERRUPTED = 0, 1, 2, 3, 130

VERBS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Start": (
        ("init", "init:init", "Write a commented aegis.yaml with a starter policy."),
        ("serve", "serve:serve", "Start the gateway."),
        ("demo", "demo:demo", "Play governed stories with the real commands."),
        ("doctor", "doctor:doctor", "Check what is installed, loaded and enforcing."),
        ("version", "version:version", "Print the version."),
    ),
    "Agents": (
        ("hook", "hook:hook", "Answer one event of a coding agent's hook."),
        ("exec", "exec:execute", "Run a command, governed and confined."),
        ("gate http", "gate_http:http", "Govern what programs ask of other hosts: a proxy."),
        ("gate git", "gate_git:git", "Govern Git servers, push by push."),
        ("gate sql", "gate_sql:sql", "Govern a PostgreSQL server, statement by statement."),
        ("kit install", "kit:install", "Govern a coding agent in a project, and check it."),
        ("kit remove", "kit:remove", "Take the hook out of a coding agent's settings."),
        ("kit packs", "kit:list_packs", "List the policy packs, or print one."),
    ),
    "Policy": (
        ("validate", "validate:validate", "Check configuration and policy files."),
        ("simulate", "simulate:simulate", "Decide actions under a policy, performing nothing."),
        ("why", "why:why", "Explain a recorded decision, or one a policy would make."),
        ("schema", "schema:schema", "Print the JSON Schema of policies or of aegis.yaml."),
        ("policy test", "policy:run_cases", "Run the test cases of a policy."),
        ("policy lint", "policy:lint", "Report what a policy probably does not mean."),
    ),
    "Detection": (
        ("detect", "detect:detect", "Show what the guards see in a text."),
        ("eval detect", "eval_detect:detect", "Measure the detection engine on labelled texts."),
        ("packs list", "packs:list_packs", "List the rule packs of the home folder."),
        ("packs add", "packs:add", "Add a rule pack, or a later version of one."),
        ("packs remove", "packs:remove", "Remove a rule pack."),
        ("packs verify", "packs:verify", "Check form, pin, signature and cases of rule packs."),
        ("packs test", "packs:run_cases", "Run the hits and misses of rule packs."),
        ("packs trust", "packs:trust", "Trust a publisher of rule packs."),
        ("packs sign", "packs:sign", "Sign a rule pack you publish."),
    ),
    "MCP": (
        ("mcp run", "mcp:run", "Serve the configured MCP servers, governed."),
        ("mcp wrap", "mcp:wrap", "Govern one MCP server in place."),
        ("mcp install", "mcp_client:install", "Put Aegis into the configuration of a client."),
        ("mcp uninstall", "mcp_client:uninstall", "Take it out again."),
        ("mcp serve", "mcp_own:serve", "Let an agent ask Aegis; it can change nothing."),
        ("mcp tools", "mcp_tools:tools", "Show what is known of the tools of MCP servers."),
        ("mcp pins", "mcp:pins", "Show pinned tools; accept or reject what one has become."),
    ),
    "People": (
        ("keys create", "keys:create", "Create a key and print it, this once."),
        ("keys list", "keys:list_keys", "List keys."),
        ("keys revoke", "keys:revoke", "Revoke a key."),
        ("kill", "switch:kill", "Switch an agent off."),
        ("revive", "switch:revive", "Switch an agent on again."),
        ("sessions list", "sessions:list_sessions", "List sessions: labels, alerts, scores."),
        ("sessions release", "sessions:release", "Let a session go on that rules have stopped."),
        ("tasks start", "tasks:start", "Start a task: what it may do, and for how long."),
        ("tasks list", "tasks:list_tasks", "List tasks and what each may do."),
        ("tasks end", "tasks:end", "End a task; its actions are refused from then on."),
        ("approvals list", "approvals:list_approvals", "List what waits for a person."),
        (
            "ticket issue",
            "ticket:issue",
            "Decide a call, and print the ticket for it.",
        ),
        ("ticket verify", "ticket:verify", "Use a ticket up, or say why it is refused."),
        ("ticket key", "ticket:key", "Print the key that tickets are checked with."),
        ("approve", "approvals:approve", "Let a waiting action happen."),
        ("deny", "approvals:deny", "Refuse a waiting action."),
    ),
    "Evidence": (
        ("audit", "audit:audit", "Show, follow and export records."),
        ("evidence export", "evidence:export", "Write records and their proofs into one file."),
        ("evidence checkpoint", "evidence:checkpoint", "Print signed checkpoints to keep."),
        ("evidence verify", "verify:verify", "Check such a file; the same as `aegis verify`."),
        ("evidence report", "evidence:report", "Make a page for people of such a file."),
        ("verify", "verify:verify", "Check evidence; name what is wrong with it."),
    ),
}
"""Group → (words of the verb, `module:function` in this package, one line of help)."""

SECTIONS = {
    "gate": "Servers of other protocols, reached only through Aegis.",
    "kit": "Policy packs for coding agents.",
    "policy": "Test and check policies.",
    "packs": "Rule packs: detection rules of your own or of other people.",
    "eval": "Measure what Aegis does.",
    "mcp": "The MCP gateway: agents reach their tools through it.",
    "keys": "Keys that callers of the gateway authenticate with.",
    "sessions": "What sessions have seen and done.",
    "tasks": "Tasks, and what each may do.",
    "ticket": "Tickets: each permits one decided call, once, in another process.",
    "approvals": "Actions that wait for a person.",
    "evidence": "Records with their proofs.",
}
"""Help of the verbs that have verbs below them."""

ABOUT = (
    "Governs AI applications and agents: every prompt, reply and tool call takes one path, gets "
    "one verdict and leaves one tamper-evident record."
)

EPILOGUE = (
    "Exit codes: 0 done, 1 findings or refused, 2 wrong usage or unusable input. "
    "`--debug` shows where an error arose."
)


_SURROGATE = re.compile("[\ud800-\udfff]")


def app(asked: Sequence[str] = ()) -> App:
    """The command tree. Verbs are import paths, so none is imported before it is called.

    The verb that `asked` begins with explains itself with its whole docstring; in the list of
    verbs, the line of the table has to do, since docstrings would need every module.
    """
    from cyclopts import App, Group, Parameter

    settings: dict[str, Any] = {
        "help_format": "plaintext",
        "result_action": "return_value",
        "default_parameter": Parameter(negative=(), show_default=False),
        "version_flags": (),
    }
    root = App(name="aegis", help=ABOUT, help_epilogue=EPILOGUE, **settings)
    parents: dict[str, App] = {}
    for order, (title, verbs) in enumerate(VERBS.items()):
        group = Group(title, sort_key=order)
        for words, target, line in verbs:
            first, _, second = words.partition(" ")
            named = words.split() == list(asked[: words.count(" ") + 1])
            about: dict[str, Any] = {"help_epilogue": ""} | ({} if named else {"help": line})
            path = f"aegis.cli.{target}"
            if not second:
                root.command(path, name=first, group=group, **about)
                continue
            if first not in parents:
                parents[first] = App(
                    name=first, help=SECTIONS[first], help_epilogue="", group=group, **settings
                )
                root.command(parents[first])
            parents[first].command(path, name=second, **about)
    return root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # closed by who started it: the lowest number free is its own again, before a file is
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    debug = _take_debug(arguments)
    try:
        if arguments in (["--version"], ["-V"]):
            arguments = ["version"]
        code = _hook(arguments)
        if code is None:
            code = _call(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader went away (`aegis audit | head`); nothing may be flushed into the pipe later
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        # the last stop before a traceback: everything below is a sentence and an exit code
        if debug:
            raise
        return _report(error)
    return code


def _hook(arguments: list[str]) -> int | None:
    """The exit code of a hook; None for every other verb. An agent waits for it at each call, so
    it goes past everything that is slow to import.
    """
    if arguments[:1] != ["hook"]:
        return None
    from ..surfaces.hooks.client import main as answer

    return answer(arguments[1:])


def _take_debug(arguments: list[str]) -> bool:
    """Whether `--debug` stands before any `--`; takes it out, wherever it stands."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return False
    arguments.remove("--debug")
    return True


def _call(arguments: list[str]) -> int:
    from cyclopts import CycloptsError

    for number, argument in enumerate(arguments, 1):
        # bytes that are no UTF-8 arrive as lone surrogates (PEP 383), which no output can carry
        if "\0" in argument or (not argument.isascii() and _SURROGATE.search(argument)):
            raise CallerError(f"argument {number} is not UTF-8 text")

    if "-" in arguments and "--" not in arguments:
        # an operand, not an option (POSIX utility syntax, guideline 13); the parser needs telling
        arguments.remove("-")
        arguments += ["--", "-"]
    try:
        result = app(arguments)(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        message = " ".join(str(error).split())
        _print_error(f"{message[:1].lower()}{message[1:]} (`aegis --help` shows how)")
        return UNUSABLE
    return result if isinstance(result, int) else OK


def _report(error: Exception) -> int:
    if isinstance(error, AegisError):
        _print_error(str(error))
        return UNUSABLE if isinstance(error, CallerError) else REFUSED
    if isinstance(error, OSError):
        where = f"`{error.filename}`: " if error.filename else ""
        _print_error(f"{where}{(error.strerror or str(error)).lower()}")
        return UNUSABLE
    _print_error(
        f"a fault in Aegis itself: {type(error).__name__}: {error}; run again with `--debug` "
        "and report what it shows"
    )
    return FAULT


def _print_error(text: str) -> None:
    from .output import clean

    for line in text.splitlines() or [""]:
        print(f"aegis: {clean(line)}", file=sys.stderr)
