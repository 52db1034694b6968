"""Generated pages of what can be listed: the policy language's keys, and the guards' rules."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pages import NOTICE

from aegis.builtin.guards.settings import CATEGORIES
from aegis.policy.fields import SECTIONS

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "src/aegis/detect/rules"

POLICY = """# Policy language

{notice}
<!-- source: src/aegis/policy/fields.py, tools/catalogue.py -->

A policy is a YAML or JSON document. `aegis validate` checks one, `aegis schema` prints its JSON
Schema for editors. How to write one is in the [guide](../guides/policy.md).

## How a decision comes about

1. An agent that has lists (`agents`) is decided by them first: what its `block` list matches is
   blocked, else `allow` allows, else `review` asks a person. What is on none of its lists is
   reviewed.
2. `tool_policies`, where there are any, in their order.
3. `rules`, in their order. The first rule that matches decides; later ones are not asked.
4. Nothing matched: `defaults`, and without a default the action is blocked.

Guards may ask for more than the policy: of all verdicts on an action the strictest stands,
allow < sanitize < review < block.

## Names and globs

Names are compared folded, both in the pattern and in the action: NFKC, case, look-alike letters of
other scripts, invisible characters and surrounding blanks make no difference. A capital I, of any
script, counts as `i`, though it may be meant to look like an `l`: `deIete` is not `delete`. Rules
that list what is allowed, above a default that blocks, leave no room for such names.

| Glob | Matches |
|---|---|
| `*` | any run of characters, also none |
| `?` | any one character |
| `**` | any run of characters, separators included; `**/` also no folder at all |
| `[a-c]`, `[!a-c]` | one character of a set, one outside it |
| `{{a,b}}` | either |

`*`, `?` and sets stop at separators where names are paths: at `.` and `/` in the type of protocols
mcp, git, http and a2a; at `/` in the target of mcp, git, http and shell. Everywhere else they
cross everything, so `delete*` matches `delete_all`. A lone `*` or `**` matches everything, the
empty name too; nothing else matches an empty name. There is no escape character: `[*]` is a
literal star.

## Conditions

All conditions of a rule have to hold. A condition holds, fails, or cannot be decided (a wrong type,
text that is no number, a clock nobody gave, an evaluator that failed). What cannot be decided
never lets an action pass: a rule that allows or sanitizes then does not apply, one that reviews or
blocks does, and says so in its reasons. A parameter that is missing makes a comparison fail.

Parameters are named by their path: `amount`, `customer.country`, `items[].price` (any of them),
`items[0].price`. A number written as text compares as the number. Regular expressions are RE2's,
which takes linear time.

## Keys
"""

TITLES = {
    "document": "The document",
    "rule": "`rules[]`",
    "match": "`rules[].match`",
    "conditions": "`rules[].conditions`",
    "finding": "`rules[].conditions.finding`",
    "flow": "`rules[].conditions.flow`",
    "defaults": "`defaults`",
    "agent": "`agents.NAME`",
    "tool_policies": "`tool_policies`",
    "tool_rule": "`tool_policies.rules[]`",
    "plan_rules": "`plan_rules`",
    "sequence": "`plan_rules.sequence_patterns[]`",
    "cumulative": "`plan_rules.cumulative_risk`",
}
"""Section of the field table → heading, in the order of the page."""

GUARDS = """# Guards and their rules

{notice}
<!-- source: src/aegis/detect/rules, tools/catalogue.py -->

The guards that ship read every text of an action in one pass: prompts, arguments, results,
documents, tool descriptions and replies, also while they stream. They report; the configured
`action` of the guard says what a finding asks for. A guard that fails, or gives up on a text, is
recorded as failed and blocks the action.

Every rule has a folder in `src/aegis/detect/rules` with its patterns, the cases it has to hit and
to miss, and a page on what it finds, why, and its limits.
"""

PACKS = "Rules of your own or of other people, in rule packs; see [its page](packs.md)."


def policy() -> str:
    """`docs/reference/policy.md`: how decisions come about, and every key."""
    unlisted = set(SECTIONS) ^ set(TITLES)
    if unlisted:
        raise SystemExit(f"the page of the policy language misses {', '.join(sorted(unlisted))}")
    parts = [POLICY.format(notice=NOTICE)]
    for section, title in TITLES.items():
        parts += [f"### {title}", "", "| key | also | meaning |", "|---|---|---|"]
        for field in SECTIONS[section]:
            also = ", ".join(f"`{alias}`" for alias in field.aliases)
            meaning = field.description.replace("|", "\\|")
            parts.append(f"| `{field.name}` | {also} | {meaning} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def guards() -> str:
    """`docs/reference/guards/rules.md`: each guard with its rules."""
    parts = [GUARDS.format(notice=NOTICE)]
    for guard, categories in sorted(CATEGORIES.items()):
        if guard == "packs":
            parts += ["## `packs`", "", PACKS, ""]
            continue
        parts += [f"## `{guard}`", "", "| rule | reports | severity | finds |", "|---|---|---|---|"]
        for category in sorted(categories):
            for folder in sorted((RULES / category).iterdir()):
                if (folder / "rule.toml").is_file():
                    parts.append(_row(folder))
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(folder: Path) -> str:
    rule = tomllib.loads((folder / "rule.toml").read_text(encoding="utf-8"))
    page = (folder / "page.md").read_text(encoding="utf-8")
    finds = page.partition("## What it finds")[2].strip().partition("\n\n")[0]
    where = f"../../../{(folder / 'page.md').relative_to(ROOT).as_posix()}"
    cells = (
        f"[{folder.name}]({where})",
        f"`{rule.get('type', '')}`",
        str(rule.get("severity", "")),
        " ".join(finds.split()).replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"
