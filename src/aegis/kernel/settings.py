"""The typed form of `aegis.yaml`: one table of every key.

Each field carries its description, its limits and, under `restart`, whether a change needs a new
process. The reference page, the JSON Schema and the file that `aegis init` writes are all made
from here, so they cannot drift. Durations are in seconds, sizes in bytes unless the name says
otherwise. Every key has an effect; unknown ones are refused (see `config.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

DAY = 86_400.0
"""A day in seconds: the longest duration any setting takes, so that no wait is unbounded."""

Capability = Literal["read", "write", "delete", "deploy", "approve", "execute"]
Durability = Literal["buffered", "written", "synced"]


def about(text: str, *, restart: bool = False) -> Meta:
    """What a field means, and whether a change needs a restart."""
    return Meta(description=text, extra={"restart": restart})


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard, by its name: `injection`, `pii`, `secrets`, `toxicity`, `prompt_leak`,
    `tool_poisoning`, `packs`, or the name of an installed plugin.
    """

    enabled: Annotated[bool, about("whether the guard runs")] = True
    action: Annotated[
        Literal["", "block", "review", "mask", "warn", "log"],
        about("what a finding does; empty means the default of the guard"),
    ] = ""
    sensitivity: Annotated[
        Literal["low", "medium", "high"],
        about("`low` reports only what is certain, `high` also what is merely likely"),
    ] = "medium"
    stages: Annotated[
        tuple[Literal["input", "output"], ...],
        about("which texts it reads: what goes in, what comes out, or both"),
    ] = ("input", "output")
    options: Annotated[
        dict[str, Any], about("options of the guard itself; see the page of the guard")
    ] = {}


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where evidence goes, and how durable a record is before its action is performed."""

    store: Annotated[
        str, about("`sqlite`, `memory` (lost at exit) or an installed plugin", restart=True)
    ] = "sqlite"
    path: Annotated[str, about("the ledger's file, relative to `home`", restart=True)] = "ledger.db"
    durability: Annotated[
        dict[Capability, Durability],
        about(
            "by capability, how far a record must have got: `buffered` in this process, "
            "`written` to the operating system, `synced` on the disk"
        ),
    ] = {}


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens when an action needs a person."""

    wait_seconds: Annotated[
        float, Meta(ge=0, le=DAY), about("how long a caller waits before it is told to come back")
    ] = 25.0
    ttl_seconds: Annotated[
        float,
        Meta(gt=0, le=30 * DAY),
        about("how long a request stays open before it counts as denied"),
    ] = 1800.0
    channels: Annotated[
        tuple[str, ...], about("approver plugins that tell people about a pending request")
    ] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits per caller (0: none) and sizes."""

    requests_per_minute: Annotated[
        int,
        Meta(ge=0, le=10_000_000),
        about("requests a caller may make in a minute; 0 is no limit"),
    ] = 0
    tokens_per_minute: Annotated[
        int,
        Meta(ge=0, le=10_000_000_000),
        about("tokens a caller may use in a minute; 0 is no limit"),
    ] = 0
    body_bytes: Annotated[
        int, Meta(ge=1024, le=1_073_741_824), about("largest request body the gateway reads")
    ] = 10_485_760
    text_characters: Annotated[
        int,
        Meta(ge=1, le=100_000_000),
        about("most characters of text in one action; larger ones are refused"),
    ] = 4_000_000


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway. Without keys it refuses addresses other than loopback unless
    `allow_unauthenticated` is set.
    """

    host: Annotated[str, about("address to listen on", restart=True)] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65_535), about("port to listen on; 0 takes a free one", restart=True)
    ] = 8080
    require_key: Annotated[
        bool, about("whether a request needs a key (`aegis keys create`)", restart=True)
    ] = True
    allow_unauthenticated: Annotated[
        bool,
        about("serve addresses other than loopback although no key is required", restart=True),
    ] = False
    concurrency: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        about("requests handled at once; more are answered 503", restart=True),
    ] = 1024
    shutdown_seconds: Annotated[
        float,
        Meta(ge=0, le=DAY),
        about("how long running requests may take at shutdown", restart=True),
    ] = 10.0
    access_log: Annotated[bool, about("one log line per request", restart=True)] = False


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model provider, under a name of your choice."""

    type: Annotated[str, about("`offline`, `openai_compatible` or an installed plugin")]
    base_url: Annotated[str, about("where its API begins, such as `https://api.openai.com/v1`")] = (
        ""
    )
    api_key: Annotated[str, about("its credential; write it as a `secret://` reference")] = ""
    models: Annotated[tuple[str, ...], about("globs over the model names it serves")] = ("*",)
    headers: Annotated[dict[str, str], about("headers added to every request")] = {}
    connect_seconds: Annotated[float, Meta(gt=0, le=DAY), about("how long connecting may take")] = (
        10.0
    )
    timeout_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long the first byte of an answer may take")
    ] = 120.0
    idle_seconds: Annotated[
        float, Meta(gt=0, le=DAY), about("how long an answer that began may stand still")
    ] = 60.0
    connections: Annotated[int, Meta(ge=1, le=100_000), about("most connections to it")] = 256
    options: Annotated[
        dict[str, Any], about("options of the provider itself; see the page of the provider")
    ] = {}


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Process logs, on standard error. Evidence is not there but in the ledger."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], about("least severe entry that is written")
    ] = "info"
    format: Annotated[
        Literal["json", "text"], about("`json`, one object a line, or `text` for people")
    ] = "json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole configuration."""

    version: Annotated[Literal["1"], about("version of this format")] = "1"
    home: Annotated[
        str,
        about(
            "folder of keys, ledger and state, relative to the file this stands in", restart=True
        ),
    ] = ".aegis"
    environment: Annotated[
        str, about("name of this environment (`prod`, `staging`) for policy rules to match")
    ] = ""
    guardrails: Annotated[
        dict[str, Guardrail] | None, about("guards by name; left out, the default set runs")
    ] = None
    policy: Annotated[
        Any, about("the policy: rules and defaults, or `path` of the file that holds them")
    ] = None
    tool_policies: Annotated[
        Any, about("rules over protocol, tool, target and capability, in the gateway's form")
    ] = None
    agents: Annotated[Any, about("what each agent may do: lists `allow`, `block`, `review`")] = None
    ledger: Annotated[Ledger, about("evidence")] = Ledger()
    approvals: Annotated[Approvals, about("actions that need a person")] = Approvals()
    limits: Annotated[Limits, about("rates and sizes")] = Limits()
    server: Annotated[Server, about("the gateway")] = Server()
    providers: Annotated[
        dict[str, ProviderSettings], about("model providers by name, first match serves a model")
    ] = {}
    sinks: Annotated[
        tuple[str, ...],
        about("plugins that receive an event for every action; `log` writes it to the log"),
    ] = ()
    redact: Annotated[
        tuple[str, ...], about("names of parameters whose values never reach a record")
    ] = ()
    break_glass: Annotated[
        bool,
        about("let actions pass when Aegis itself fails; each is logged loudly and recorded"),
    ] = False
    log: Annotated[Log, about("process logs")] = Log()
