"""Finds plugins by kind and name; loads only what somebody names.

What ships with Aegis and what others install goes through the same table and the same load. A
built-in is a string here, so that this floor imports none of them.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import PluginError
from ..plugin.contracts import GROUPS
from .typed import suggestion

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILTIN: dict[str, dict[str, str]] = {
    "guard": {
        **dict.fromkeys(
            (
                "argument_injection",
                "injection",
                "packs",
                "pii",
                "prompt_leak",
                "secrets",
                "tool_poisoning",
                "toxicity",
            ),
            "aegis.builtin.guards:build_guard",
        ),
        "grounding": "aegis.builtin.guards.grounding:build_guard",
        "output_schema": "aegis.builtin.guards.schema:build_guard",
    },
    "provider": {
        "offline": "aegis.builtin.providers.offline:Offline",
        "openai_compatible": "aegis.builtin.providers.openai_compatible:OpenAICompatible",
    },
    "store": {
        "memory": "aegis.builtin.stores.memory:MemoryStore",
        "sqlite": "aegis.builtin.stores.sqlite:SqliteStore",
    },
    "approver": {
        "discord": "aegis.builtin.approvers.discord:DiscordApprover",
        "email": "aegis.builtin.approvers.email:EmailApprover",
        "github": "aegis.builtin.approvers.github:GithubApprover",
        "notice": "aegis.builtin.approvers.notice:NoticeApprover",
        "pagerduty": "aegis.builtin.approvers.pagerduty:PagerdutyApprover",
        "slack": "aegis.builtin.approvers.slack:SlackApprover",
        "teams": "aegis.builtin.approvers.teams:TeamsApprover",
        "telegram": "aegis.builtin.approvers.telegram:TelegramApprover",
        "webhook": "aegis.builtin.approvers.webhook:WebhookApprover",
    },
    "broker": {
        "aws_sts": "aegis.builtin.brokers.aws_sts:AwsStsBroker",
        "azure": "aegis.builtin.brokers.azure:AzureBroker",
        "gcp": "aegis.builtin.brokers.gcp:GcpBroker",
        "github_app": "aegis.builtin.brokers.github_app:GithubAppBroker",
        "oauth_exchange": "aegis.builtin.brokers.oauth_exchange:OauthExchangeBroker",
        "postgres": "aegis.builtin.brokers.postgres:PostgresBroker",
        "static": "aegis.builtin.brokers.static:StaticBroker",
        "ticket": "aegis.builtin.brokers.ticket:TicketBroker",
        "vault": "aegis.builtin.brokers.vault:VaultBroker",
    },
    "secrets": {
        "env": "aegis.builtin.secrets.env:EnvSecrets",
        "file": "aegis.builtin.secrets.file:FileSecrets",
        "keyring": "aegis.builtin.secrets.keyring:KeyringSecrets",
    },
    "sink": {"log": "aegis.builtin.sinks.log:LogSink"},
    "state": {"sqlite": "aegis.builtin.stores.state:SqliteState"},
}
"""What ships, by kind and name, as `module:attribute`."""

OURS = "aegis-govern"


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that could be loaded: where its code is and which distribution brought it."""

    kind: str
    name: str
    target: str
    distribution: str = OURS
    version: str = ""

    @property
    def origin(self) -> str:
        """The distribution as people write it."""
        return f"{self.distribution} {self.version}".strip()


@cache
def _installed(kind: str) -> tuple[Plugin, ...]:
    # imported here: it costs as much as the rest of loading a configuration
    from importlib.metadata import entry_points

    if kind not in GROUPS:
        return ()  # the kernel's own parts, which nobody else replaces
    return tuple(_plugin(kind, point) for point in entry_points(group=GROUPS[kind]))


def _plugin(kind: str, point: EntryPoint) -> Plugin:
    dist = point.dist
    return Plugin(
        kind,
        point.name,
        point.value,
        dist.name if dist is not None else "an unknown distribution",
        dist.version if dist is not None else "",
    )


def available(kind: str) -> list[Plugin]:
    """Every plugin of a kind, built-ins first, without loading any.

    Raises KeyError for a kind that does not exist.
    """
    ours = [Plugin(kind, name, target) for name, target in sorted(BUILTIN[kind].items())]
    return ours + sorted(_installed(kind), key=lambda plugin: (plugin.name, plugin.distribution))


def find(kind: str, name: str) -> Plugin:
    """The plugin of that kind and name.

    Raises PluginError where there is none, or where two distributions claim the name (a built-in
    is never replaced by an installed one).
    """
    built_in = BUILTIN[kind].get(name)
    if built_in is not None:
        # not even a look at what is installed: the common case stays fast and cannot be hijacked
        return Plugin(kind, name, built_in)
    found = [plugin for plugin in _installed(kind) if plugin.name == name]
    if not found:
        known = {plugin.name for plugin in available(kind)}
        hint = suggestion(name, known)
        raise PluginError(
            f"no {kind} plugin `{name}` is installed" + (f" ({hint})" if hint else "")
        )
    if len(found) > 1:
        owners = " and ".join(sorted(plugin.origin for plugin in found))
        raise PluginError(f"{kind} plugin `{name}` comes from {owners}; uninstall one of them")
    return found[0]


def shadowed(kind: str) -> list[Plugin]:
    """Installed plugins that can never be loaded, because a built-in has their name."""
    return [plugin for plugin in _installed(kind) if plugin.name in BUILTIN[kind]]


def load(kind: str, name: str) -> Any:
    """The class or function behind a plugin, imported.

    Raises PluginError, naming the distribution, where it cannot be found or imported.
    """
    plugin = find(kind, name)
    module_name, _, attribute = plugin.target.partition(":")
    where = f"{kind} plugin `{name}` of {plugin.origin}"
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        # whatever foreign code raises at import is that distribution's fault, and is named so
        raise PluginError(
            f"{where}: importing `{module_name}` failed: {type(error).__name__}: {error}"
        ) from error
    value: Any = module
    for part in attribute.split(".") if attribute else ():
        value = getattr(value, part, None)
        if value is None:
            raise PluginError(f"{where}: `{module_name}` has no `{attribute}`")
    return value
