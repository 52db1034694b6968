"""What the Git gate adds: `git ls-remote` and `git push` of one small commit, with and without it.

`python bench/gate_git.py` prints medians in milliseconds. Server, gate and client share this
machine; the server is `git http-backend`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from gates.git.conftest import World, run
from gates.git.git_server import TOKEN, USER

ROUNDS = 25
"""Rounds of each; the first few fill caches and are not counted."""

SKIPPED = 5


def timed(work: Path, *words: str) -> float:
    began = time.perf_counter()
    run("git", *words, cwd=work)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            work = world.clone()
            direct = world.server.url.replace("//", f"//{USER}:{TOKEN}@") + "/acme/site.git"
            for what in ("ls-remote", "push"):
                medians = []
                for name, url in (("direct", direct), ("gate", world.url())):
                    spent = []
                    for number in range(ROUNDS):
                        refs = []
                        if what == "push":
                            world.commit({"a": f"{name} {number}\n"})
                            refs = ["HEAD:refs/heads/" + name]
                        spent.append(timed(work, what, "-q", url, *refs))
                    medians.append(statistics.median(spent[SKIPPED:]))
                direct_ms, gate_ms = medians
                print(
                    f"{what:<10} direct {direct_ms:6.0f} ms   gate {gate_ms:6.0f} ms   "
                    f"added {gate_ms - direct_ms:6.0f} ms"
                )
        finally:
            world.stop()


if __name__ == "__main__":
    main()
