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

from .gate_settings import Gates
from .mcp_settings import Mcp
from .meaning import DAY, Capability, Durability, about
from .session_settings import SessionSettings


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard, by its name: `injection`, `pii`, `secrets`, `toxicity`, `prompt_leak`,
    `tool_poisoning`, `argument_injection`, `packs`, or the name of an installed plugin.
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
        dict[str, dict[str, Any]],
        about(
            "where people hear of a pending request, by a name of your choice, with the options "
            "of each; `type` names the approver plugin where it is not called like it; a list of "
            "names is short for channels without options"
        ),
    ] = {}
    escalate_seconds: Annotated[
        float,
        Meta(ge=0, le=30 * DAY),
        about("after how long without an answer the channels of `escalate_to` are told; 0: never"),
    ] = 0.0
    escalate_to: Annotated[
        tuple[str, ...], about("channels that are told only then, not at once")
    ] = ()
    approvers: Annotated[
        dict[str, dict[str, str]],
        about(
            "the people who may answer through a channel: person → channel → who they are there "
            "(a Slack user id, a mail address; under `api` the name of a key)"
        ),
    ] = {}
    public_url: Annotated[
        str, about("where people reach the gateway, for links, such as `https://aegis.example`")
    ] = ""


Match = dict[Literal["protocol", "type", "target", "agent", "capability", "environment"], str]
"""Globs over the names of an action."""


class CredentialGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which actions get a credential of which broker, and where it goes."""

    match: Annotated[Match, about("a glob for each name of the action that has to match")]
    broker: Annotated[str, about("the broker that mints it")]
    scope: Annotated[
        dict[str, Any],
        about("what the credential may do; `{target}` and the like stand for the action's own"),
    ] = {}
    ttl_seconds: Annotated[
        float,
        Meta(ge=1, le=43_200),
        about("how long it may live; it is revoked sooner, and renewed if need be"),
    ] = 900.0
    headers: Annotated[
        dict[str, str], about("headers of the request upstream, such as `Bearer {token}`")
    ] = {}
    env: Annotated[dict[str, str], about("variables for the process that performs")] = {}
    meta: Annotated[
        dict[str, str],
        about("entries of `_meta` of the request to an MCP server, on any wire"),
    ] = {}
    connection: Annotated[str, about("a connection string made of it")] = ""


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credentials that are minted for one action, once it is decided, and revoked when it ends."""

    brokers: Annotated[
        dict[str, dict[str, Any]],
        about("what mints them, by a name of your choice, with the options of each"),
    ] = {}
    grants: Annotated[
        tuple[CredentialGrant, ...],
        about("which actions get which; the first that matches counts"),
    ] = ()


class Tickets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tickets that come with a request: each permits one decided call, once."""

    issuers: Annotated[
        tuple[str, ...],
        about("keys, as `aegis ticket key` prints them, whose tickets are taken besides our own"),
    ] = ()
    require: Annotated[
        tuple[Match, ...],
        about("which actions are refused without a ticket: globs over their names, as in a grant"),
    ] = ()
    known_as: Annotated[
        str,
        about("the name of this MCP gateway at the one before it: tickets are for `NAME__TOOL`"),
    ] = ""


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
    credentials: Annotated[Credentials, about("credentials of single actions")] = Credentials()
    tickets: Annotated[Tickets, about("tickets that come with requests")] = Tickets()
    limits: Annotated[Limits, about("rates and sizes")] = Limits()
    session: Annotated[SessionSettings, about("flows of data, behaviour and tasks")] = (
        SessionSettings()
    )
    server: Annotated[Server, about("the gateway")] = Server()
    providers: Annotated[
        dict[str, ProviderSettings], about("model providers by name, first match serves a model")
    ] = {}
    mcp: Annotated[Mcp, about("MCP servers behind the gateway")] = Mcp()
    gates: Annotated[Gates, about("servers of other protocols behind Aegis")] = Gates()
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
