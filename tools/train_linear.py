"""Trains the linear model of the injection guard and writes `src/aegis/detect/linear.txt`.

    python tools/train_linear.py --data DIR [--out FILE]

`DIR/injection.jsonl` holds one JSON object a line with `text`, `label` (1: attack), `category` and
`source`. Sources without a licence that allows it are left out (EXCLUDED). The cases of the rules
and the sentences in `tools/wording` are more sources. The training is plain logistic regression
with L2 regularisation over words, stems and pairs of words, by AdaGrad in a fixed order, so that
the same rows, cases and sentences give the same file. It takes a minute or two.

Only words and pairs that occur in several sources become features: the model may know how attacks
are worded, not which rows it has seen.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections import Counter
from pathlib import Path

from ruamel.yaml import YAML

from aegis.detect import ScanError, shared
from aegis.detect.engine import WORDING as WORDING_RULE
from aegis.detect.fold import fold
from aegis.detect.linear import FILE, SCALE, grams
from aegis.detect.reader import BLOCK, MARGIN
from aegis.detect.score import SENSITIVITIES
from aegis.detect.words import split

EXCLUDED = frozenset({"tensortrust_hijacking", "jbb_gcg"})
"""Sources that are measured only: no licence stated, and suffixes that are not words."""

ATTACKS = frozenset({"direct", "hijack", "extraction", "jailbreak_persona", "overt"})
"""Categories of attacks that are learned, beside those that begin with one of PREFIXES."""

PREFIXES = ("atr_", "agt_", "evasion_")

HARD = frozenset({"over_defence", "adversarial_benign", "hard_negative", "security_education"})
"""Categories of harmless texts that resemble attacks."""

HARD_WEIGHT = 2.0
"""What such a text counts. At the same rate of false positives among them, texts of sources left
out were found most often with it (0.5, 1, 2 and 4 tried).
"""

INJECTION, REPORTED = frozenset({"injection"}), SENSITIVITIES["medium"]
"""The category that is learned, and the least score of a finding that is reported."""

OWN = "cases"
"""The source of the cases of the rules."""

WORDING = Path(__file__).with_name("wording")
"""Sentences written for the training. `{a|b}` in a line stands for one of some alternatives; lines
that begin with `#` name a kind.
"""

VARIANTS_MAX = 8
"""Most variants of one line. With 4 and 16 no more was found in sources left out."""

KNOWN_WEIGHT = 0.3
"""What an attack counts that a rule finds: the model is there for the others. At the same rate of
false positives among texts of sources left out, rules and model found most with it (0.1, 0.2, 0.3,
0.5 and 1 tried).
"""

VARIED_WEIGHT = {"attacks": 1.5, "harmless": 3.0}
"""What the variants of a line count together, divided by the root of their number, by file."""

_CHOICE = re.compile(r"\{([^{}]*)\}")

SEGMENTS_MAX = 12
"""Most segments taken from one text, so that long texts do not outweigh short ones."""

COUNT_MIN, SOURCES_MIN = 4, 2
"""How often, and in how many sources, a feature must occur."""

FEATURES_MAX = 14_000
"""Most features kept, those with the largest weights."""

EPOCHS, RATE, RIDGE = 30, 0.1, 20.0
"""Passes over the data, AdaGrad's step, and the strength of the regularisation: of 1, 3, 10 and 20
the last found most in sources left out at the same rate of false positives.
"""


def segments(text: str) -> list[list[bytes]]:
    """The words of a text as the engine cuts them: from each block to the end of its window."""
    view = fold(text)
    words = split(view.text)
    size = len(text)
    out = []
    for low in range(0, size, BLOCK):
        high = min(low + BLOCK + MARGIN, size)
        out.append(words.between(view.at(low), view.at(high)))
    return [one for one in out if one]


def known_to_rules(text: str) -> bool:
    """Whether some rule by itself reports a text as an attack."""
    for low in range(0, len(text), BLOCK):
        window = text[max(0, low - MARGIN) : low + BLOCK + MARGIN]
        try:
            hits = shared().window(window, "prompt", INJECTION)
        except ScanError:
            continue
        if any(hit.rule != WORDING_RULE and hit.score >= REPORTED for hit in hits):
            return True
    return False


def learned(row: dict[str, object]) -> bool:
    category = str(row["category"])
    if row["source"] in EXCLUDED:
        return False
    return row["label"] == 0 or category in ATTACKS or category.startswith(PREFIXES)


def examples(path: Path) -> list[tuple[frozenset[bytes], int, float, str]]:
    """Features, label, weight and source of every segment."""
    out = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            if not learned(row):
                continue
            some = segments(row["text"])
            if len(some) > SEGMENTS_MAX:
                some = random.Random(number).sample(some, SEGMENTS_MAX)
            weight = 1 / math.sqrt(max(1, len(some)))
            if row["category"] in HARD:
                weight = HARD_WEIGHT
            elif row["category"] == "agent_docs":
                weight = 2.0
            elif row["label"] and known_to_rules(row["text"]):
                weight *= KNOWN_WEIGHT
            out += [(grams(one), row["label"], weight, row["source"]) for one in some]
    return out


def own() -> list[tuple[frozenset[bytes], int, float, str]]:
    """The same of the cases of the rules against injection: what they must hit and must miss."""
    out = []
    for path in sorted(FILE.parent.glob("rules/injection/*/cases.yaml")):
        cases = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for name, label, weight in (("hits", 1, 1.0), ("misses", 0, HARD_WEIGHT)):
            for text in cases[name]:
                out += [(grams(one), label, weight, OWN) for one in segments(text)]
    return out


def variants(line: str, seed: int) -> list[str]:
    """Some ways to read a line of WORDING, the same for the same seed."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    for _ in range(3 * VARIANTS_MAX):
        found[_CHOICE.sub(lambda one: chance.choice(one[1].split("|")), line)] = None
        if len(found) == VARIANTS_MAX:
            break
    return list(found)


def written_for() -> list[tuple[frozenset[bytes], int, float, str]]:
    """The same of the sentences written for the training."""
    out = []
    for name, weight in VARIED_WEIGHT.items():
        lines = (WORDING / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("#"):
                continue
            some = [one for text in variants(line, number) for one in segments(text)]
            each = weight / math.sqrt(len(some))
            out += [(grams(one), int(name == "attacks"), each, name) for one in some]
    return out


def vocabulary(rows: list[tuple[frozenset[bytes], int, float, str]]) -> dict[bytes, int]:
    count: Counter[bytes] = Counter()
    sources: dict[bytes, set[str]] = {}
    for features, _, _, source in rows:
        for one in features:
            count[one] += 1
            sources.setdefault(one, set()).add(source)
    kept = sorted(
        one for one, n in count.items() if n >= COUNT_MIN and len(sources[one]) >= SOURCES_MIN
    )
    return {one: index for index, one in enumerate(kept)}


def train(
    rows: list[tuple[frozenset[bytes], int, float, str]], known: dict[bytes, int]
) -> tuple[list[float], float]:
    """Weights and bias of a logistic regression on features scaled to the same length."""
    total = {label: sum(w for _, one, w, _ in rows if one == label) for label in (0, 1)}
    balance = {label: sum(total.values()) / 2 / total[label] for label in (0, 1)}
    data = [
        (
            [known[one] for one in features if one in known],
            label,
            weight * balance[label],
            SCALE / math.sqrt(len(features)),
        )
        for features, label, weight, _ in rows
    ]
    weights = [0.0] * len(known)
    squares = [1e-2] * len(known)
    bias, bias_square = 0.0, 1e-2
    seen = Counter(index for indices, *_ in data for index in indices)
    # spread over the examples that hold a feature, it adds up to RIDGE in each pass
    ridge = [RIDGE / seen[index] for index in range(len(known))]
    order = random.Random(1)
    for _ in range(EPOCHS):
        order.shuffle(data)
        for indices, label, weight, scale in data:
            score = bias + scale * sum(map(weights.__getitem__, indices))
            error = weight * (1 / (1 + math.exp(-max(-30.0, min(30.0, score)))) - label)
            bias_square += error * error
            bias -= RATE * error / math.sqrt(bias_square)
            step = error * scale
            for index in indices:
                gradient = step + ridge[index] * weights[index]
                squares[index] += gradient * gradient
                weights[index] -= RATE * gradient / math.sqrt(squares[index])
    return weights, bias


def written(known: dict[bytes, int], weights: list[float], bias: float) -> str:
    """The model as text: bias and unit, then one feature a line with its weight in int8."""
    kept = sorted(known, key=lambda one: (-abs(weights[known[one]]), one))[:FEATURES_MAX]
    unit = max(abs(weights[known[one]]) for one in kept) / 127
    lines = [f"{bias:.4f} {unit:.6f}"]
    for one in sorted(kept):
        weight = round(weights[known[one]] / unit)
        if weight:
            lines.append(f"{one.decode()}\t{weight}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    rows = examples(arguments.data / "injection.jsonl") + own() + written_for()
    known = vocabulary(rows)
    weights, bias = train(rows, known)
    text = written(known, weights, bias)
    arguments.out.write_text(text, encoding="utf-8")
    print(f"{len(rows)} segments, {len(known)} features, {len(text)} bytes in {arguments.out}")


if __name__ == "__main__":
    main()
