"""`aegis demo`: governed stories, played with the real commands in a folder of their own.

Every scene checks how it ended. Nothing of the user's is read or changed; no network is needed.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Literal

from . import demo_incidents as incidents
from .demo_scenes import SCENES
from .demo_screen import Screen, Shown
from .demo_stage import Differs, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from .demo_scenes import Scene

TERMINATED = 143
"""Exit code of a process that SIGTERM ended, as shells report it (128 + 15)."""

REASON_MAX = 400
"""Most characters of what differed: some commands say a lot when they fail."""


def demo(
    story: Literal["tour", "incidents"] = "tour",
    /,
    *,
    fast: bool = False,
    plain: bool = False,
    keep: Path | None = None,
) -> int:
    """Play a governed story in the terminal, offline, in a temporary folder.

    `aegis demo` shows in six scenes what Aegis does; `aegis demo incidents` plays three ways in
    which agents did harm, without Aegis and with it. Exit code 0: every scene ended as it should;
    1: one did not, and what differed was said.

    Parameters
    ----------
    story
        tour or incidents
    fast
        play without pauses; also where the output is no terminal
    plain
        no colour, nothing that moves, no pauses
    keep
        play in this new folder and leave it there to look at
    """
    screen = Screen(fast=fast, plain=plain)
    with _terminable(), Stage(keep, _PROGRAMS[story]) as stage:
        screen.title(
            _TITLES[story], f"played in {stage.folder}" + ("" if keep else ", removed afterwards")
        )
        if story == "incidents":
            with incidents.opened(stage) as place:
                return _played(stage, screen, incidents.scenes(place), _incidents_next(keep))
        screen.command("aegis init")
        with screen.working("a configuration with a starter policy"):
            made = stage.aegis("init")
        if made.code != 0:
            screen.told("aegis", made.said, "red")
            return 1
        stage.mask_arguments()
        screen.told("aegis", "pii: { action: mask, options: { arguments: mask } }  in aegis.yaml")
        return _played(stage, screen, SCENES, _tour_next(keep))


_PROGRAMS = {"tour": "aegis.cli.demo_agent", "incidents": "aegis.cli.incident_agent"}
"""The module that is each story's agent."""

_TITLES = {
    "tour": "Aegis governs what AI agents do. Six scenes, each of them real.",
    "incidents": "Three ways in which agents did harm: each without Aegis, then with it.",
}


def _played(
    stage: Stage, screen: Screen, scenes: Sequence[Scene], following: tuple[str, ...]
) -> int:
    """Play scenes to the end; the exit code. `following` is what to try next."""
    rows: list[Shown] = []
    failed = 0
    for number, scene in enumerate(scenes, 1):
        screen.scene(number, len(scenes), scene.title, scene.story)
        try:
            rows += scene.play(stage, screen)
        except (Differs, OSError, KeyError) as error:
            failed += 1
            row = Shown(scene.title.lower(), "failed", "", f"{error}"[:REASON_MAX])
            screen.verdict(row)
            rows.append(row)
        screen.pause()
    if failed:
        closing = f"{failed} of {len(scenes)} scenes did not end as they should. Look closer with:"
        screen.summary(rows, closing, ("aegis demo --keep aegis-demo", "aegis doctor"))
        return 1
    screen.summary(rows, "Every scene ended as it should. Try next:", following)
    return 0


def _tour_next(keep: Path | None) -> tuple[str, ...]:
    if keep is None:
        return ("aegis init", "aegis serve", "aegis why delete_customer")
    return (f"cd {keep}", "aegis audit", "python agent.py look_up_order 7")


def _incidents_next(keep: Path | None) -> tuple[str, ...]:
    if keep is None:
        return ("aegis demo incidents --keep incidents", "aegis init")
    return (f"cd {keep}", "aegis audit", "python agent.py ticket --governed")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demo in order, as Ctrl-C does: processes are ended, the folder removed."""

    def end(signum: int, frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
