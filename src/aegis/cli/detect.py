"""`aegis detect`: what the guards would see in a text."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Literal

from ..model import CallerError
from . import output

if TYPE_CHECKING:
    from ..detect import Inspection

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
    json: bool = False,
) -> int:
    """Show what the guards see in a text. Exit code 1: something was found.

    Parameters
    ----------
    text
        the text to look at
    file
        the file to look at instead
    kind
        what the text is to a model; prompt if left out
    sensitivity
        low, medium (the default) or high
    json
        print JSON
    """
    from ..detect import ScanError, inspect_text

    if (text is None) == (file is None):
        raise CallerError("give a text or `--file FILE`, one of the two")
    read = text if text is not None else _read(file)
    try:
        found = inspect_text(read, kind, sensitivity=sensitivity)
    except ScanError as error:
        raise CallerError(f"the text cannot be scanned: {error}") from None
    if json:
        output.json(found)
    else:
        _print(read, found)
    return 1 if found.findings else 0


def _read(file: Path | None) -> str:
    assert file is not None
    with file.open("rb") as handle:
        data = handle.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise CallerError(f"`{file}` is larger than {BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CallerError(f"`{file}` is not UTF-8 text") from None


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
