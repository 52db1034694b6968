"""Measures the rows of `budget.toml` and prints measured ÷ budget: `python bench/run.py`.

`--smoke` takes a tenth of the time and allows the noise factor of `budget.toml`, over what a row
that misses its budget is known to measure; `--only WORD` measures the rows whose name holds WORD;
`--json` prints one object. Exits 1 where a row is over its budget. Whole runs are worth comparing
on a quiet machine only. The gateway is measured by `bench/gateway.py`, which needs a second process
for load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import evidence
import rows
from measure import REFERENCE_US, Timed, quick_yardstick, readings

HERE = Path(__file__).resolve().parent

ROUNDS, SECONDS = 15, 0.05
SMOKE_ROUNDS, SMOKE_SECONDS = 5, 0.015

AGAIN, PAUSE_SECONDS = 3, 5.0
"""How often, and how much later, `--smoke` measures anew what seems to be too slow."""


class Result(NamedTuple):
    """One row against its budget. `share` is measured ÷ budget: over 1 is too much. `known` is the
    share of a row that is known to miss it.
    """

    name: str
    what: str
    measured: str
    budget: str
    share: float
    note: str = ""
    known: float = 1.0

    def over(self, noise: float) -> bool:
        """Whether it is over its budget, or with `noise` over what is known by so much."""
        return self.share > (noise * self.known if noise else 1.0)


def timed(names: set[str], home: Path) -> dict[str, Timed]:
    """The rows that are measured in yardsticks, built."""
    makers = {
        "action": rows.build,
        "decide_last": lambda: rows.decide(20, rows.several()),
        "decide_none": lambda: rows.decide(20, rows.several(), last=False),
        "decide_1000": lambda: rows.decide(1000, rows.mixed()),
        "govern": lambda: evidence.govern(rows.runtime(home / "govern")),
        "flows": rows.flows,
        "guards_200": lambda: rows.guards(200),
        "guards_2k": lambda: rows.guards(2_000),
        "guards_20k": lambda: rows.guards(20_000),
        "read_shell": rows.commands,
        "read_sql": rows.statements,
        "verify": lambda: evidence.verified(home / "verify"),
    }
    return {name: make() for name, make in makers.items() if name in names}


def in_yardsticks(budget: dict[str, Any], names: set[str], home: Path, smoke: bool) -> list[Result]:
    """The results of the rows measured in yardsticks."""
    rounds, seconds = (SMOKE_ROUNDS, SMOKE_SECONDS) if smoke else (ROUNDS, SECONDS)
    found = readings(timed(names, home), rounds, seconds)
    return [
        Result(
            name,
            budget[name]["what"],
            f"{reading.yardsticks:.2f} Y",
            f"≤ {budget[name]['yardsticks_max']:g} Y",
            reading.yardsticks / budget[name]["yardsticks_max"],
            f"{reading.microseconds:.2f} µs",
            max(1.0, budget[name].get("known", 0) / budget[name]["yardsticks_max"]),
        )
        for name, reading in found.items()
    ]


def appends(entry: dict[str, Any], home: Path, smoke: bool) -> Result:
    """The result of the durable appends."""
    (home / "append").mkdir()
    seen = evidence.appended(home / "append", 1.0 if smoke else 5.0)
    share = min(1.0, seen.disk_per_second / entry["quiet_disk_per_second"])
    asked = entry["per_second_min"] * share
    return Result(
        "append",
        entry["what"],
        f"{seen.per_second:,.0f}/s",
        f"≥ {asked:,.0f}/s",
        asked / max(seen.per_second, 1e-9),
        f"{seen.syncs_per_second:,.0f} fsync/s; disk alone {seen.disk_per_second:,.0f}/s, quiet "
        f"{entry['quiet_disk_per_second']:,}/s: {entry['per_second_min']:,}/s",
    )


def imports(entry: dict[str, Any], smoke: bool) -> Result:
    """The result of the import."""

    def milliseconds(program: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        return (time.perf_counter() - begun) * 1000

    milliseconds("import aegis")
    added = statistics.median(
        milliseconds("import aegis") - milliseconds("pass") for _ in range(7 if smoke else 21)
    )
    limit = entry["milliseconds_max"]
    return Result(
        "import", entry["what"], f"{added:.1f} ms", f"≤ {limit:g} ms", max(added, 0) / limit
    )


def measured(budget: dict[str, Any], names: set[str], smoke: bool) -> list[Result]:
    """The results of some rows."""
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as where:
        home = Path(where)
        results = in_yardsticks(budget, names, home, smoke)
        if "append" in names:
            results.append(appends(budget["append"], home, smoke))
        if "import" in names:
            results.append(imports(budget["import"], smoke))
    return results


def again(budget: dict[str, Any], results: list[Result], noise: float) -> list[Result]:
    """The results, those over what noise allows measured anew: others on the machine make a row
    slower for seconds, a regression for good.
    """
    for _ in range(AGAIN):
        over = {result.name for result in results if result.over(noise)}
        if not over:
            break
        time.sleep(PAUSE_SECONDS)
        anew = {result.name: result for result in measured(budget, over, smoke=True)}
        results = [min(one, anew.get(one.name, one), key=lambda each: each.share)
                   for one in results]  # fmt: skip
    return results


def table(results: list[Result], noise: float) -> str:
    """The results as lines; those over are marked."""
    width = max(len(result.what) for result in results)
    lines = [f"{'':{width}}  {'measured':>12}  {'budget':>12}  {'÷':>5}"]
    lines += [
        f"{result.what:{width}}  {result.measured:>12}  {result.budget:>12}  {result.share:5.2f}"
        f"  {'OVER  ' if result.over(noise) else ''}{result.note}".rstrip()
        for result in results
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="measured against budget")
    parser.add_argument("--smoke", action="store_true", help="a tenth of the time, for CI")
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name holds WORD")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    budget = tomllib.loads((HERE / "budget.toml").read_text(encoding="utf-8"))
    noise = budget.pop("noise")["smoke"]
    noise = noise if options.smoke else 0.0
    names = {name for name in budget if options.only in name}
    if not names:
        parser.error(f"no row is called `{options.only}`; there are {', '.join(budget)}")
    results = measured(budget, names, options.smoke)
    if options.smoke:
        results = again(budget, results, noise)
    yard = quick_yardstick()
    if options.json:
        print(json.dumps({"yardstick_us": yard, "rows": [row._asdict() for row in results]}))
    else:
        print(f"yardstick Y = sha256 of 1 KiB = {yard:.2f} µs")
        if yard > 1.5 * REFERENCE_US:
            print(
                f"this CPU hashes without SHA instructions: where Y is {REFERENCE_US} µs, rows in "
                f"yardsticks come out up to {yard / REFERENCE_US:.1f} times as high"
            )
        print(table(results, noise))
    return 1 if any(result.over(noise) for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
