"""`aegis detect`: what the guards would see in a text."""

from __future__ import annotations

import sys
from os.path import exists
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Literal

from ..model import CallerError
from . import home, output

if TYPE_CHECKING:
    from typing import BinaryIO

    from ..detect import Engine, Inspection
    from ..detect.explain import Explanation

BYTES_MAX = 10_485_760
"""Largest file read, as large as the largest request body the gateway takes by default."""

SHOWN_MAX = 60
"""Characters of a finding's text in the table."""


def detect(
    text: str | None = None,
    /,
    *,
    file: Path | None = None,
    kind: Literal[
        "prompt", "reply", "system", "tool_result", "tool_description", "arguments", "document"
    ] = "prompt",
    sensitivity: Literal["low", "medium", "high"] = "medium",
    explain: bool = False,
    packs: bool = False,
    config: Path | None = None,
    json: bool = False,
) -> int:
    """Show what the guards see in a text. Exit code 1: something was found.

    Parameters
    ----------
    text
        the text to look at; `-` reads it from standard input
    file
        the file to look at instead
    kind
        what the text is to a model; prompt if left out
    sensitivity
        low, medium (the default) or high
    explain
        show also how scores added up, what stayed below and what was read behind disguises
    packs
        read with the rule packs that aegis.yaml puts in force, too
    config
        the aegis.yaml to use, for `--packs`
    json
        print JSON
    """
    from ..detect import ScanError
    from ..detect.explain import explain as explained
    from ..detect.inspection import inspected

    if (text is None) == (file is None):
        raise CallerError("give a text, `-` or `--file FILE`, one of them")
    if text is not None and exists(text):
        raise CallerError(
            f"`{text}` is a file here, and its name no text to look at; read it with "
            f"`--file {text}`"
        )
    read = _read(file) if file is not None else _standard_input() if text == "-" else text or ""
    try:
        engine = _engine(config, packs)
        found = inspected(engine, read, kind, sensitivity)
        why = (
            explained(read, kind, sensitivity=sensitivity, rules=engine.rules) if explain else None
        )
    except ScanError as error:
        raise CallerError(f"the text cannot be scanned: {error}") from None
    if json:
        output.json(found if why is None else why)
        return 1 if found.findings else 0
    _print(read, found)
    if why is not None:
        _explain(read, why)
    return 1 if found.findings else 0


def _engine(config: Path | None, packs: bool) -> Engine:
    """The engine with the rules that ship, or with those of the packs in force beside them.

    Raises ConfigError for a pack that is not right, CallerError where there is none.
    """
    from ..detect import shared

    if not packs:
        return shared()
    from ..kernel.build import packs_in_force
    from ..kernel.packs import engine

    found = packs_in_force(home.loaded(config).settings)
    if not found:
        raise CallerError("aegis.yaml puts no rule packs in force (`guardrails.packs`)")
    return engine(found)


def _read(file: Path) -> str:
    with file.open("rb") as handle:
        return _decoded(handle, f"`{file}`")


def _standard_input() -> str:
    return _decoded(sys.stdin.buffer, "standard input")


def _decoded(handle: BinaryIO, name: str) -> str:
    data = handle.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise CallerError(f"{name} is larger than {BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CallerError(f"{name} is not UTF-8 text") from None


def _print(text: str, found: Inspection) -> None:
    output.table(
        ("category", "type", "score", "severity", "rule", "at", "text"),
        (
            (
                hit.category,
                hit.type,
                hit.score,
                hit.severity,
                hit.rule,
                f"{hit.start}-{hit.end}",
                text[hit.start : hit.end][:SHOWN_MAX],
            )
            for hit in found.findings
        ),
        "nothing found",
    )
    if found.masked != text:
        output.say(f"masked: {found.masked}")


def _explain(text: str, why: Explanation) -> None:
    """How scores added up, what stayed below the threshold, what was read behind disguises."""
    output.say(
        f"rules {why.rules}, read as {why.kind}: reported from {why.threshold}, "
        f"confident from {why.confident_from}, this text {why.score}"
    )
    for one in why.reported:
        sums = " + ".join(f"{part.rule} {part.score}" for part in one.evidence)
        output.say(f"{one.finding.rule} at {one.finding.start}: {sums} = {one.finding.score}")
    if why.below:
        output.say("seen, and below what is reported:")
        output.table(
            ("rule", "type", "score", "read through", "at", "text"),
            (
                (e.rule, e.type, e.score, e.view or "plain text", f"{e.start}-{e.end}",
                 text[e.start : e.end][:SHOWN_MAX])
                for e in why.below
            ),
        )  # fmt: skip
    if why.readings:
        output.say("read behind disguises:")
        output.table(
            ("disguise", "at", "reads"),
            ((r.view, f"{r.start}-{r.end}", r.text[:SHOWN_MAX]) for r in why.readings),
        )
