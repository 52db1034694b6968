"""Joining two canonical documents: the first one's defaults, then both ones' rules in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import PolicyError
from .fields import RULES_MAX
from .fold import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .parse import Place

_LISTS = ("allow", "block", "review")


def merged(
    first: Mapping[str, Any],
    first_places: Mapping[str, Place],
    second: Mapping[str, Any],
    second_places: Mapping[str, Place],
) -> tuple[dict[str, Any], dict[str, Place]]:
    """The joined document and the places of its rules.

    Raises PolicyError where one limits the total risk of a plan and the other limits it to
    something else, or the rules become too many.
    """
    out = {**second, **first}
    for label in ("name", "description", "scope", "scope_id", "version", "defaults"):
        if label in second and label not in first:
            del out[label]
    places = dict(first_places)

    def join(path: str, mine: list[Any], others: list[Any]) -> list[Any]:
        for index in range(len(others)):
            place = second_places.get(f"{path}[{index}]")
            if place is not None:
                places[f"{path}[{len(mine) + index}]"] = place
        return [*mine, *others]

    rules = join("rules", first.get("rules", []), second.get("rules", []))
    if len(rules) > RULES_MAX:
        raise PolicyError(f"more than {RULES_MAX} rules after merging")
    if rules:
        out["rules"] = rules
    if "agents" in first and "agents" in second:
        out["agents"] = _agents(first["agents"], second["agents"])
    if "tool_policies" in first and "tool_policies" in second:
        out["tool_policies"] = _tools(first["tool_policies"], second["tool_policies"], join)
    if "plan_rules" in first and "plan_rules" in second:
        out["plan_rules"] = _plans(first["plan_rules"], second["plan_rules"], join)
    return out, places


def _agents(mine: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(mine)
    names = {fold(name): name for name in mine}
    for name, lists in others.items():
        known = names.get(fold(name))
        if known is None:
            out[name] = lists
            continue
        joined = {**lists, **out[known]}
        for key in _LISTS:
            both = [*out[known].get(key, ()), *lists.get(key, ())]
            if both:
                joined[key] = list(dict.fromkeys(both))
        out[known] = joined
    return out


def _tools(mine: Mapping[str, Any], others: Mapping[str, Any], join: Any) -> dict[str, Any]:
    if not others.get("enabled", True):
        return dict(mine)
    if not mine.get("enabled", True):
        return dict(others)
    rules = join("tool_policies.rules", mine.get("rules", []), others.get("rules", []))
    return {**others, **mine, "rules": rules} if rules else {**others, **mine}


def _plans(mine: Mapping[str, Any], others: Mapping[str, Any], join: Any) -> dict[str, Any]:
    limits = [plan["cumulative_risk"] for plan in (mine, others) if "cumulative_risk" in plan]
    if len(limits) == 2 and limits[0] != limits[1]:
        raise PolicyError("both policies limit the total risk of a plan; keep one limit")
    out = {**others, **mine}
    path = "sequence_patterns"
    patterns = join(f"plan_rules.{path}", mine.get(path, []), others.get(path, []))
    if patterns:
        out[path] = patterns
    return out
