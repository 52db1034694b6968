"""Every key of a policy document, declared once.

The reader (`parse.py`), the JSON Schema (`schema.py`) and the suggestions for misspelt keys are
all made from this table, so none of them can know a key the others do not.
"""

from __future__ import annotations

import msgspec

RULES_MAX = 10_000
"""Most rules of one policy; a cold name costs one pass over them."""

LIST_MAX = 1_000
"""Most entries of one list of globs, values or names."""

TEXT_MAX = 4_000
"""Longest free text: a description, an advice, a semantic condition."""

REGEX_MAX = 1_000
"""Longest regular expression."""

PEOPLE_MAX = 16
"""Most people one rule can make an action wait for: more never come together in time."""

STEPS_MAX = 32
"""Most steps of one sequence pattern."""


class Field(msgspec.Struct, frozen=True):
    """One key: `kind` decides how it is read and how the schema describes it; `section` names
    the keys below it.
    """

    name: str
    kind: str
    description: str
    aliases: tuple[str, ...] = ()
    section: str = ""


_GLOBS = "A glob or a list of globs, any of which may match"

_MATCH = (
    Field(
        "protocol",
        "globs",
        f"{_GLOBS}: where the action came from (python, llm, mcp, shell, "
        "sql, git, http, browser, a2a, rag).",
    ),
    Field("type", "globs", f"{_GLOBS}: the tool, method or action type.", ("tool",)),
    Field("target", "globs", f"{_GLOBS}: what the action is done to."),
    Field(
        "agent",
        "globs",
        f"{_GLOBS}: the acting agent. An action without an agent matches only `*`.",
    ),
    Field("tenant", "globs", f"{_GLOBS}: the tenant the actor belongs to."),
    Field("capability", "globs", f"{_GLOBS}: read, write, delete, deploy, approve or execute."),
    Field("environment", "globs", f"{_GLOBS}: where it would happen, for example production."),
    Field("label", "globs", f"{_GLOBS}: a label of the action or of its session."),
)

_CONDITIONS = (
    Field("time_after", "time", 'At or after this time of day, "HH:MM", 24 hours.'),
    Field(
        "time_before",
        "time",
        'Before this time of day, "HH:MM". With a later `time_after` '
        "the two are a window over midnight.",
    ),
    Field(
        "timezone",
        "zone",
        "IANA time zone of the times and weekdays; the default is `defaults.timezone`, then UTC.",
    ),
    Field("weekdays", "weekdays", "Days of the week: 1 (Monday) to 7 (Sunday), or names."),
    Field("param_eq", "values", "Parameter name to the value it equals."),
    Field("param_gt", "numbers", "Parameter name to the number it is greater than."),
    Field("param_lt", "numbers", "Parameter name to the number it is less than."),
    Field("param_gte", "numbers", "Parameter name to the number it is at least."),
    Field("param_lte", "numbers", "Parameter name to the number it is at most."),
    Field("param_between", "ranges", "Parameter name to [low, high], both included."),
    Field("param_contains", "scalars", "Parameter name to the text or element it contains."),
    Field("param_matches", "regexes", "Parameter name to an RE2 regular expression found in it."),
    Field("param_in", "sets", "Parameter name to the values it is one of."),
    Field("param_not_in", "sets", "Parameter name to the values it is none of."),
    Field("param_exists", "names", "Parameters that are given."),
    Field("param_absent", "names", "Parameters that are not given."),
    Field("param_only", "names", "No other parameters than these are given."),
    Field(
        "param_exactly",
        "exact",
        "The parameters are these and no others, names and values alike to the letter and the "
        "type; {} where there are none.",
    ),
    Field(
        "unnamed",
        "unnamed",
        "Names that the action has not: target, agent, tenant, capability or environment.",
    ),
    Field(
        "semantic",
        "semantic",
        "What the action is about, in words. Without an evaluator a keyword matcher decides.",
    ),
    Field("finding", "finding", "Categories of which a guard reported a finding.", (), "finding"),
    Field("label", "globs", f"{_GLOBS}: a label of the action or of its session."),
    Field("flow", "flow", "Labelled data is about to reach a sink.", (), "flow"),
    Field(
        "resource",
        "resources",
        "A pattern or a list of patterns `[verb ]kind:name` over what the action touches, such as "
        "`file:src/**` or `write ref:main`. A rule that restricts applies where any resource of "
        "these kinds matches, a rule that permits where all of them do.",
    ),
    Field(
        "any", "alternatives", "At least one of these groups of conditions holds.", (), "conditions"
    ),
    Field("all", "alternatives", "All of these groups of conditions hold.", (), "conditions"),
    Field("not", "section", "This group of conditions does not hold.", (), "conditions"),
)

_RULE = (
    Field("name", "text", "Name of the rule in decisions and records; `rule_<n>` without one."),
    Field(
        "match", "section", "What the action has to be; every key given has to match.", (), "match"
    ),
    Field("conditions", "section", "What else has to hold; all of them.", ("when",), "conditions"),
    Field(
        "verdict",
        "verdict",
        "What happens: allow, sanitize, review or block (also auto, mask, "
        "approve, deny). Without one: review.",
        ("approval", "decision"),
    ),
    Field(
        "risk_level",
        "risk",
        "low, medium, high or critical. Without one: `defaults.risk_level`, then by verdict.",
        ("risk",),
    ),
    Field("description", "text", "What the rule is for."),
    Field("advice", "text", "What somebody refused by this rule should do instead."),
    Field(
        "approvers",
        "people",
        "How many different people have to agree where the verdict is review; 1 without one.",
    ),
    Field("enabled", "bool", "false leaves the rule out."),
)

_DOCUMENT = (
    Field("version", "text", "Version of the document, as its authors count."),
    Field("name", "text", "Name of the policy."),
    Field("description", "text", "What the policy is for."),
    Field("scope", "text", "Label for people: global, org, team, agent. It narrows nothing."),
    Field("scope_id", "text", "Label for people: which organisation, team or agent."),
    Field("defaults", "section", "What holds where no rule matches.", (), "defaults"),
    Field(
        "agents",
        "agents",
        "Lists of allowed, reviewed and blocked actions per agent; decided before the rules.",
        (),
        "agent",
    ),
    Field(
        "tool_policies",
        "section",
        "Rules over protocol, tool, target and capability; decided "
        "after the agents' lists and before the rules.",
        (),
        "tool_policies",
    ),
    Field("rules", "rules", "The rules; the first that matches decides.", (), "rule"),
    Field("rules_path", "paths", "A file, or files, whose rules follow."),
    Field("plan_rules", "section", "Rules over several actions together.", (), "plan_rules"),
)

SECTIONS: dict[str, tuple[Field, ...]] = {
    "document": _DOCUMENT,
    "defaults": (
        Field(
            "verdict",
            "verdict",
            "Verdict where no rule matches; block without one.",
            ("approval", "decision"),
        ),
        Field(
            "risk_level",
            "risk",
            "Risk where no rule matches (medium without one), and of rules that state none.",
            ("risk",),
        ),
        Field("timezone", "zone", "IANA time zone of the conditions; UTC without one."),
    ),
    "rule": _RULE,
    "match": _MATCH,
    "conditions": _CONDITIONS,
    "finding": (
        Field("category", "globs", f"{_GLOBS}: category or type of the finding."),
        Field("min_score", "thousandths", "Least confidence, 0 to 1000."),
    ),
    "flow": (
        Field(
            "from",
            "labels",
            "Labels of the data: untrusted, secret, pii, or one of your own; `*` for any.",
        ),
        Field(
            "to",
            "sinks",
            "Where it would go: `external` for out of the house, a capability, or `*`.",
        ),
        Field(
            "as",
            "ways",
            "How: `control` as an argument that decides what happens, `content` as one that is "
            "carried, `session` where the session has merely seen such data. Without it: control "
            "or content.",
        ),
    ),
    "agent": (
        Field("owner", "text", "Who answers for the agent."),
        Field("description", "text", "What the agent is for."),
        Field(
            "allow",
            "globs",
            f"{_GLOBS}: actions that are allowed.",
            ("allows", "allowed_actions", "allowed"),
        ),
        Field(
            "block",
            "globs",
            f"{_GLOBS}: actions that are blocked; wins over the others.",
            ("blocks", "blocked_actions", "blocked"),
        ),
        Field(
            "review",
            "globs",
            f"{_GLOBS}: actions a person decides about.",
            ("reviews", "review_actions", "reviewed"),
        ),
    ),
    "tool_policies": (
        Field("enabled", "bool", "false ignores this section."),
        Field("default_decision", "verdict", "Verdict where no rule matches; block without one."),
        Field("rules", "tool_rules", "The rules; the first that matches decides.", (), "tool_rule"),
    ),
    "tool_rule": (
        Field("protocol", "globs_or_empty", f"{_GLOBS}; empty matches all."),
        Field("tool", "globs_or_empty", f"{_GLOBS}; empty matches all.", ("type",)),
        Field("target", "globs_or_empty", f"{_GLOBS}; empty matches all."),
        Field("capability", "globs_or_empty", f"{_GLOBS}; empty matches all."),
        Field("decision", "verdict", "allow, sanitize, review or block.", ("verdict", "approval")),
        Field("name", "text", "Name of the rule."),
        Field("description", "text", "What the rule is for."),
    ),
    "plan_rules": (
        Field(
            "sequence_patterns",
            "sequences",
            "Actions that may not follow one another.",
            (),
            "sequence",
        ),
        Field(
            "cumulative_risk", "section", "How much risk a plan may add up to.", (), "cumulative"
        ),
    ),
    "sequence": (
        Field("name", "text", "Name of the pattern."),
        Field(
            "steps", "steps", "Globs over action types, in order; other actions may lie between."
        ),
        Field(
            "verdict",
            "verdict",
            "Verdict of the plan; block without one.",
            ("approval", "decision"),
        ),
        Field("risk_level", "risk", "Risk of the plan; critical without one.", ("risk",)),
        Field("description", "text", "What is wrong with the sequence."),
        Field("window", "count", "Most actions from the first step to the last; 0 for any."),
    ),
    "cumulative": (
        Field("name", "text", "Name of the rule."),
        Field(
            "max_total_risk",
            "count",
            "Most risk allowed: the sum of low 1, medium 2, high 3, critical 4.",
        ),
        Field(
            "verdict",
            "verdict",
            "Verdict of the plan; block without one.",
            ("on_exceed", "approval", "decision"),
        ),
    ),
}

REQUIRED = {
    "sequence": ("steps",),
    "cumulative": ("max_total_risk",),
    "tool_rule": ("decision",),
    "finding": ("category",),
    "flow": ("from", "to"),
}
"""Keys without which a section says nothing."""

BESIDE = frozenset(
    (
        "alerts",
        "aliases",
        "analytics",
        "approvals",
        "approval_integrations",
        "audit",
        "break_glass",
        "budgets",
        "cache",
        "canary",
        "credentials",
        "environment",
        "evidence",
        "gateway",
        "guardrails",
        "guards",
        "home",
        "instrument",
        "keys",
        "ledger",
        "limits",
        "load_shed",
        "log",
        "logging",
        "manifests",
        "mcp",
        "mcp_gateway",
        "metrics",
        "plugins",
        "policies",
        "prices",
        "providers",
        "rate_limit",
        "redact",
        "retention",
        "routes",
        "secrets",
        "server",
        "session",
        "sinks",
        "stores",
        "telemetry",
        "tenants",
        "tracing",
        "webhook",
    )
)
"""Top-level keys of a whole configuration file, which may hold a policy beside them. Their own
reader checks them; the policy reader passes over."""


def field_of(section: str, key: str) -> Field | None:
    """The field a key of a section means, also under an alias."""
    return _BY_KEY.get((section, key))


def keys_of(section: str) -> list[str]:
    """Every key a section knows, aliases included."""
    return [key for known, key in _BY_KEY if known == section]


_BY_KEY = {
    (section, key): field
    for section, fields in SECTIONS.items()
    for field in fields
    for key in (field.name, *field.aliases)
}
