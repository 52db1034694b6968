"""From files to the canonical document, and from there to rules.

A policy may stand alone, or in a whole configuration file: under `policy:`, beside it the
`agents:` lists and `tool_policies:`. Everything else in such a file belongs to other readers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import PolicyError, Problem, RiskLevel, Verdict
from .fields import BESIDE, RULES_MAX, field_of
from .fold import fold
from .glob import escaped
from .parse import PLACE, Reader
from .source import BYTES_MAX, Node, kind, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .parse import Place

BORROWED = ("agents", "tool_policies")
"""Sections a configuration file may hold beside `policy:`."""

_RISK_OF = {
    Verdict.ALLOW: RiskLevel.LOW,
    Verdict.SANITIZE: RiskLevel.MEDIUM,
    Verdict.REVIEW: RiskLevel.HIGH,
    Verdict.BLOCK: RiskLevel.CRITICAL,
}
_RULE_FILE_KEYS = frozenset(("rules", "version", "name", "description"))


class Rule(msgspec.Struct, frozen=True):
    """One rule, ready to be compiled. `match` holds the globs per criterion; `place` is source,
    line and column (0 where unknown).
    """

    name: str
    verdict: Verdict
    risk: RiskLevel
    match: dict[str, list[str]] = {}
    conditions: dict[str, Any] = {}
    description: str = ""
    advice: str = ""
    enabled: bool = True
    approvers: int = 1
    place: tuple[str, int, int] = ("", 0, 0)


def read_file(path: str | Path) -> str:
    """The text of a file. Raises PolicyError where it cannot be read, is no UTF-8, or is larger
    than BYTES_MAX.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot be read: {reason.lower()}"
        raise PolicyError([Problem(message, source=str(path), hint="check the path")]) from None
    if len(raw) > BYTES_MAX:
        raise PolicyError([Problem(f"larger than {BYTES_MAX} bytes", source=str(path))])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "not UTF-8"
        raise PolicyError([Problem(message, source=str(path), line=line, column=1)]) from None


def read_document(
    root: Node, source: str, *, evaluated: bool = False, alone: bool = True
) -> tuple[dict[str, Any], dict[str, Place]]:
    """The canonical document of a tree, and the places of its rules by canonical path.

    `evaluated`: an evaluator reads semantic conditions. `alone`: the document may name other
    files; one that was itself named may not. Raises PolicyError with every complaint.
    """
    reader = Reader(source, evaluated)
    if not isinstance(root.value, dict) and root.value is not None:
        reader.complain(
            f"expected a mapping, found {kind(root.value)}",
            root,
            "",
            "a policy starts with `rules:`",
        )
        reader.done()
    named = _named_file(reader, root, alone)
    if named:
        file = _beside(source, named)
        return read_document(
            parse_yaml(read_file(file), str(file)), str(file), evaluated=evaluated, alone=False
        )
    out = _sections(reader, root)
    paths = out.pop("rules_path", [])
    out.setdefault("rules", [])
    for path in paths:
        if alone:
            out["rules"] += _rule_file(reader, source, path)
        else:
            reader.complain(
                f"`{path}` is named by a file that was itself named",
                root,
                "rules_path",
                "name every file in the first one",
            )
    if len(out["rules"]) > RULES_MAX:
        reader.complain(f"more than {RULES_MAX} rules", root, "rules")
    _check_agents(reader, out, root)
    reader.done()
    return _finished(out)


def _named_file(reader: Reader, root: Node, alone: bool) -> str:
    """The file that `policy: FILE` or `policy: { path: FILE }` names; empty for none."""
    section = (root.value or {}).get("policy")
    if section is None:
        return ""
    whole = isinstance(section.value, str)
    if not whole and not (isinstance(section.value, dict) and "path" in section.value):
        return ""
    path = section.value if whole else section.value["path"].value
    beside = [key for key in root.value if key in BORROWED]
    beside += [] if whole else [key for key in section.value if key != "path"]
    if not isinstance(path, str) or not path.strip():
        reader.complain("has to be the path of a file", section, "policy")
    elif not alone:
        reader.complain("a file that was itself named may not name another", section, "policy")
    for key in beside:
        reader.complain(
            f"`{key[:80]}` beside the path of a policy has no effect",
            section,
            "policy",
            "move it into that file",
        )
    reader.done()
    return str(path)


def _beside(source: str, path: str) -> Path:
    try:
        file = Path(path).expanduser()
    except RuntimeError:
        file = Path(path)  # `~` of nobody: there is no such file, and reading it will say so
    return file if file.is_absolute() else Path(source).parent / file


def _sections(reader: Reader, root: Node) -> dict[str, Any]:
    top = root.value or {}
    if "policy" not in top:
        out = reader.section("document", root, "", BESIDE)
        if top and not any(field_of("document", key) for key in top) and not reader.problems:
            reader.complain("says nothing about a policy", root, "", "add `policy:` or `rules:`")
        return out
    out = reader.section("document", top["policy"], "policy")
    for key in ("rules", "defaults", "rules_path"):
        if key in top:
            place = root.keys.get(key, root)
            reader.complain(
                f"`{key}` beside `policy` has no effect", place, key, f"move it to `policy.{key}`"
            )
    for name in BORROWED:
        if name in top:
            beside = Node({name: top[name]}, top[name].line, top[name].column)
            beside.keys[name] = root.keys.get(name, beside)
            if name in out:
                reader.complain(f"`{name}` stands here and in `policy`; keep one", beside, name)
            out |= reader.section("document", beside, "")
    return out


def _rule_file(reader: Reader, source: str, path: str) -> list[dict[str, Any]]:
    file = _beside(source, path)
    try:
        node = parse_yaml(read_file(file), str(file))
    except PolicyError as error:
        reader.problems.extend(error.problems)
        return []
    if isinstance(node.value, list):
        node = Node({"rules": node}, 1, 1)
    inner = Reader(str(file), reader.evaluated)
    read = inner.section("document", node, "")
    for key in read:
        if key not in _RULE_FILE_KEYS:
            inner.complain(
                f"`{key}` has no effect in a file of rules",
                node,
                key,
                "write it where `rules_path` stands",
            )
    reader.problems.extend(inner.problems)
    rules: list[dict[str, Any]] = read.get("rules", [])
    return rules


def _check_agents(reader: Reader, out: dict[str, Any], root: Node) -> None:
    seen: dict[str, str] = {}
    for name in out.get("agents", {}):
        folded = fold(name)
        if not folded:
            reader.complain("an agent needs a name", root, "agents")
        elif folded in seen:
            message = f"`{seen[folded]}` and `{name}` are one name; keep one"
            reader.complain(message, root, f"agents.{name[:80]}")
        seen[folded] = name


def _finished(out: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Place]]:
    """Rule names filled in, empty sections gone, places taken out."""
    places: dict[str, Place] = {}
    lists = (
        ("rules", out.get("rules", []), "rule_{}"),
        ("tool_policies.rules", out.get("tool_policies", {}).get("rules", []), "tool_policies_{}"),
        (
            "plan_rules.sequence_patterns",
            out.get("plan_rules", {}).get("sequence_patterns", []),
            "sequence_{}",
        ),
    )
    for path, rules, default in lists:
        for index, rule in enumerate(rules):
            places[f"{path}[{index}]"] = rule.pop(PLACE, ("", 0, 0))
            if not rule.get("name"):
                rule["name"] = default.format(index)
            for key in ("match", "conditions"):
                if rule.get(key) == {}:
                    del rule[key]
    return {key: value for key, value in out.items() if value not in ({}, [])}, places


def rules_of(document: Mapping[str, Any], places: Mapping[str, Place]) -> list[Rule]:
    """Every rule in the order they are tried: the agents' lists, the tool policies, the rules."""
    rules = [
        rule
        for name, lists in document.get("agents", {}).items()
        for rule in _agent_rules(name, lists)
    ]
    tools = document.get("tool_policies", {})
    if tools.get("enabled", True):
        for index, spec in enumerate(tools.get("rules", ())):
            rules.append(_tool_rule(spec, places.get(f"tool_policies.rules[{index}]")))
    stated = document.get("defaults", {}).get("risk_level")
    for index, spec in enumerate(document.get("rules", ())):
        rules.append(_rule(spec, stated, places.get(f"rules[{index}]")))
    return rules


def _agent_rules(name: str, lists: Mapping[str, Any]) -> list[Rule]:
    agent = {"agent": [escaped(name)]}
    out = [
        Rule(f"{name}/{key}", verdict, _RISK_OF[verdict], {**agent, "type": lists[key]})
        for key, verdict in (
            ("block", Verdict.BLOCK),
            ("allow", Verdict.ALLOW),
            ("review", Verdict.REVIEW),
        )
        if key in lists
    ]
    if out:
        advice = f"list it under `agents.{name}.allow` if the agent is meant to do it"
        out.append(Rule(f"{name}/unlisted", Verdict.REVIEW, RiskLevel.HIGH, agent, advice=advice))
    return out


def _tool_rule(spec: Mapping[str, Any], place: Place | None) -> Rule:
    verdict = Verdict.parse(spec["decision"])
    match = {
        key: spec[name]
        for key, name in (
            ("protocol", "protocol"),
            ("type", "tool"),
            ("target", "target"),
            ("capability", "capability"),
        )
        if name in spec
    }
    return Rule(
        spec["name"],
        verdict,
        _RISK_OF[verdict],
        match,
        description=spec.get("description", ""),
        place=place or ("", 0, 0),
    )


def _rule(spec: Mapping[str, Any], stated: str | None, place: Place | None) -> Rule:
    verdict = Verdict.parse(spec.get("verdict", "review"))
    word = spec.get("risk_level", stated)
    return Rule(
        spec["name"],
        verdict,
        RiskLevel[word.upper()] if word else _RISK_OF[verdict],
        spec.get("match", {}),
        spec.get("conditions", {}),
        spec.get("description", ""),
        spec.get("advice", ""),
        spec.get("enabled", True),
        spec.get("approvers", 1),
        place or ("", 0, 0),
    )


def defaults_of(document: Mapping[str, Any]) -> tuple[Verdict, RiskLevel, str]:
    """Verdict and risk where no rule matches, and the time zone of conditions.

    Where both `defaults` and `tool_policies` state a verdict, the stricter one holds; where
    neither does, block.
    """
    defaults = document.get("defaults", {})
    tools = document.get("tool_policies", {})
    stated = [Verdict.parse(defaults["verdict"])] if "verdict" in defaults else []
    if tools and tools.get("enabled", True):
        if "default_decision" in tools:
            stated.append(Verdict.parse(tools["default_decision"]))
        elif not stated:
            stated.append(Verdict.BLOCK)
    verdict = max(stated) if stated else Verdict.BLOCK
    risk = RiskLevel[defaults.get("risk_level", "medium").upper()]
    return verdict, risk, defaults.get("timezone", "UTC")
