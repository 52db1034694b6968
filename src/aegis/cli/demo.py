"""`aegis demo`: a short governed story, played with the real commands in a folder of its own.

Every scene checks how it ended. Nothing of the user's is read or changed; no network is needed.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from .demo_scenes import SCENES
from .demo_screen import Screen, Shown
from .demo_stage import Differs, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

TERMINATED = 143
"""Exit code of a process that SIGTERM ended, as shells report it (128 + 15)."""

REASON_MAX = 400
"""Most characters of what differed: some commands say a lot when they fail."""


def demo(*, fast: bool = False, keep: Path | None = None) -> int:
    """Play a short governed story in the terminal: six scenes, offline, in a temporary folder.

    Exit code 0: every scene ended as it should; 1: one did not, and what differed was said.

    Parameters
    ----------
    fast
        play without pauses; also where the output is no terminal
    keep
        play in this new folder and leave it there to look at
    """
    screen = Screen(fast=fast)
    with _terminable(), Stage(keep) as stage:
        screen.title(
            "Aegis governs what AI agents do. Six scenes, each of them real.",
            f"played in {stage.folder}" + ("" if keep else ", removed afterwards"),
        )
        screen.command("aegis init")
        with screen.working("a configuration with a starter policy"):
            made = stage.aegis("init")
        if made.code != 0:
            screen.told("aegis", made.said, "red")
            return 1
        stage.mask_arguments()
        screen.told("aegis", "pii: { action: mask, options: { arguments: mask } }  in aegis.yaml")
        rows: list[Shown] = []
        failed = 0
        for number, scene in enumerate(SCENES, 1):
            screen.scene(number, len(SCENES), scene.title, scene.story)
            try:
                rows += scene.play(stage, screen)
            except (Differs, OSError, KeyError) as error:
                failed += 1
                row = Shown(scene.title.lower(), "failed", "", f"{error}"[:REASON_MAX])
                screen.verdict(row)
                rows.append(row)
            screen.pause()
        _close(screen, rows, failed, keep)
    return 1 if failed else 0


def _close(screen: Screen, rows: list[Shown], failed: int, keep: Path | None) -> None:
    if failed:
        closing = f"{failed} of {len(SCENES)} scenes did not end as they should. Look closer with:"
        screen.summary(rows, closing, ("aegis demo --keep aegis-demo", "aegis doctor"))
        return
    closing = "Every scene ended as it should. Try next:"
    if keep is None:
        commands = ("aegis init", "aegis serve", "aegis why delete_customer")
    else:
        commands = (f"cd {keep}", "aegis audit", "python agent.py look_up_order 7")
    screen.summary(rows, closing, commands)


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
