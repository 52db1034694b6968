"""The `session` section of `aegis.yaml` (see `settings.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .meaning import DAY, Capability, about


class ManifestSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one task may do; an action belongs to the task it names. Empty lists restrict
    nothing.
    """

    mode: Annotated[
        Literal["shadow", "warn", "enforce"],
        about(
            "what going beyond does: `shadow` records it, `warn` asks a person, `enforce` blocks"
        ),
    ] = "enforce"
    tools: Annotated[tuple[str, ...], about("globs over the tools the task needs")] = ()
    resources: Annotated[tuple[str, ...], about("globs over targets and resources")] = ()
    protocols: Annotated[tuple[str, ...], about("protocols, such as `mcp` or `sql`")] = ()
    verbs: Annotated[tuple[Capability, ...], about("capabilities the task needs")] = ()
    max_actions: Annotated[
        int, Meta(ge=0, le=1_000_000), about("most actions performed for it; 0 is no bound")
    ] = 0
    max_cost_usd: Annotated[
        float, Meta(ge=0, le=1_000_000), about("most it may cost in US dollars; 0 is no bound")
    ] = 0.0
    expires: Annotated[str, about("when it ends, ISO 8601; empty for never")] = ""


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What actions of one session mean together: where data came from, what was done before."""

    flows: Annotated[
        Literal["", "off", "observe", "standard"],
        about(
            "`standard` puts the default rules about flows of data beside the policy, `observe` "
            "records what they would decide; rules of your own with `flow` work without them. "
            "Empty observes where there are `mcp.upstreams`"
        ),
    ] = ""
    sources: Annotated[
        dict[str, tuple[str, ...]],
        about(
            "globs over tools, and the labels of their results (`untrusted`, `secret`, `pii`, your "
            "own); an empty list trusts them. Results of all other tools are `untrusted`"
        ),
    ] = {}
    sinks: Annotated[
        dict[str, tuple[Literal["external", "internal"], ...]],
        about(
            "globs over tools, and whether their arguments leave the house; otherwise their names "
            "and arguments say"
        ),
    ] = {}
    shared: Annotated[
        bool, about("whether the labels of sessions are kept for other processes of this home")
    ] = True
    behaviour: Annotated[
        bool, about("whether patterns of actions are scored, and stop a session")
    ] = False
    kill_score: Annotated[
        int,
        Meta(ge=0, le=100_000),
        about("score from which everything of the session is blocked; 0 is never"),
    ] = 80
    window_seconds: Annotated[float, Meta(gt=0, le=DAY), about("how long an alert counts")] = 1800.0
    scores: Annotated[
        dict[
            Literal[
                "exfiltration",
                "privilege_escalation",
                "credential_abuse",
                "destructive_sequence",
                "fan_out",
                "repeated_escalation",
                "repeated_call",
                "ping_pong",
            ],
            Annotated[int, Meta(ge=0, le=100_000)],
        ],
        about("what an alert of a rule adds, where it is not the default; 0 switches it off"),
    ] = {}
    manifests: Annotated[
        dict[str, ManifestSettings], about("tasks by name, and what each may do")
    ] = {}
