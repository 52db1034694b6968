"""The typed form of `aegis.yaml`. Every field here has an effect; unknown keys are refused.

Durations are in seconds, sizes in bytes unless the name says otherwise. `secret://` references
are resolved while loading (see `config.py`).
"""

from __future__ import annotations

from typing import Any

import msgspec


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard: whether it runs, what a finding does (`block`, `review`, `mask`, `warn`,
    `log`), how sensitive it is, and its own options."""

    enabled: bool = True
    action: str = ""
    sensitivity: str = "medium"
    stages: tuple[str, ...] = ("input", "output")
    options: dict[str, Any] = {}


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where evidence goes and how durable it is, by capability (`buffered`, `written`,
    `synced`)."""

    store: str = "sqlite"
    path: str = "ledger.db"
    durability: dict[str, str] = {}
    checkpoint_records: int = 1024
    checkpoint_seconds: float = 10.0


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a caller waits for a person, and how long a request stays open."""

    wait_seconds: float = 25.0
    ttl_seconds: float = 1800.0
    channels: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Per-caller limits (0: none) and sizes."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    body_bytes: int = 10_485_760
    text_characters: int = 4_000_000


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway. Without keys it refuses addresses other than loopback unless
    `allow_unauthenticated` is set."""

    host: str = "127.0.0.1"
    port: int = 8080
    require_key: bool = True
    allow_unauthenticated: bool = False
    concurrency: int = 1024
    shutdown_seconds: float = 10.0
    access_log: bool = False


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model provider. `models` are globs over the model names it serves."""

    type: str
    base_url: str = ""
    api_key: str = ""
    models: tuple[str, ...] = ("*",)
    headers: dict[str, str] = {}
    connect_seconds: float = 10.0
    timeout_seconds: float = 120.0
    idle_seconds: float = 60.0
    connections: int = 256
    options: dict[str, Any] = {}


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Process logs on standard error: `level` as in syslog words, `format` json or text."""

    level: str = "info"
    format: str = "json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole configuration. `policy` is the raw policy document (parsed by the policy engine);
    `home` holds keys, ledger and state."""

    version: str = "1"
    home: str = ".aegis"
    environment: str = ""
    guardrails: dict[str, Guardrail] | None = None
    policy: Any = None
    tool_policies: Any = None
    agents: Any = None
    ledger: Ledger = Ledger()
    approvals: Approvals = Approvals()
    limits: Limits = Limits()
    server: Server = Server()
    providers: dict[str, ProviderSettings] = {}
    plugins: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    break_glass: bool = False
    log: Log = Log()
