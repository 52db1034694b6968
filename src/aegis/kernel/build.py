"""The composition root: the only place that constructs parts.

Configuration in, runtime out. Built-ins and plugins are found by name (`discover.py`), so this
floor imports none of them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..detect import redactor
from ..flow import DURABILITY, Rules
from ..ledger.keys import KEY_FILE, load_signer
from ..model import ConfigError, LedgerError, Problem
from ..policy import Policy
from . import discover
from .admission import Gate
from .channels import build_channels
from .courier import Courier
from .desk import Desk
from .dispatch import Dispatch, Route
from .effective import Effective
from .follow import Follow, Stricter, standard
from .grants import build_brokers, grants_of
from .journal import Journal
from .keys import Keys
from .lanes import begun, idle_lanes, open_lane, recover_lanes
from .lender import Lender
from .links import PURPOSE, Links
from .ports import now
from .reception import Reception
from .runtime import Parts, Runtime
from .sessions import Sessions
from .settings import Guardrail
from .tickets import Tickets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..detect.pack import Pack
    from ..flow.rules import Decider, Guarding
    from ..plugin.contracts import Sink
    from .config import Loaded
    from .ports import Asker
    from .settings import Settings
    from .state import StateStore

STATE_FILE = "state.db"

DEFAULT_GUARDS: Mapping[str, Guardrail] = MappingProxyType(
    {
        name: Guardrail()
        for name in (
            "injection",
            "pii",
            "secrets",
            "tool_poisoning",
            "argument_injection",
            "toxicity",
            "prompt_leak",
        )
    }
)
"""The guards that run where the configuration names none."""


@cache
def default_policy() -> Policy:
    """The policy of a configuration that brings none (`default_policy.yaml`)."""
    return Policy.from_text(
        files("aegis.kernel").joinpath("default_policy.yaml").read_text("utf-8"),
        "default_policy.yaml",
    )


def open_runtime(
    loaded: Loaded,
    *,
    policy: Decider | None = None,
    session: str = "",
    asker: Asker | None = None,
    memory: bool = False,
    recover: bool = True,
) -> Runtime:
    """Build everything and take up the ledger.

    `policy` overrules the configured one; `memory` keeps ledger and state in memory (nothing
    survives). Actions an earlier process began and never finished are recorded as unknown.
    Raises ConfigError, PluginError, LedgerError.
    """
    settings = loaded.settings
    home = Path(settings.home)
    dispatch = build_dispatch(settings)
    state = _state(None if memory else home)
    try:
        rules = build_rules(loaded, policy or in_force(loaded, state))
        journal = _journal(settings, home, memory)
    except BaseException:
        state.close()
        raise
    keys = Keys(state)
    sessions = Sessions(state, Follow(settings.session, rules.policy))
    gate = Gate(state, keys, settings.limits, sessions)
    gate.tickets = Tickets(settings, state)
    desk = build_desk(settings, rules, state, keys, None if memory else home)
    lasting = not memory and settings.ledger.store != "memory"
    owner = journal.signer.identity.name if lasting else ""
    lender = Lender(state, lambda: build_brokers(settings), owner)
    sinks = build_sinks(settings)
    parts = Parts(settings, rules, journal, state, keys, desk, gate, dispatch, lender, sinks)
    runtime = Runtime(parts, session=session, asker=asker)
    desk.ended, lender.returns.write = runtime.expired, runtime.mender.written
    lender.returns.killed = gate.killed
    desk.courier.fetched = Reception(runtime).fetch
    desk.dropped = lambda run, approval: runtime.admin(
        "run.dropped", by="system", details={"run": run, "approval": approval}
    )
    sessions.own = runtime.session
    if recover:
        journal.recover(now())
    if recover and lasting:
        make = discover.load("store", settings.ledger.store)
        base = home / settings.ledger.path
        recover_lanes(home, base, make, now())
        lender.recover(lambda: idle_lanes(home, base, make))
    elif recover:
        lender.recover(set)
    return runtime


def reload(runtime: Runtime, loaded: Loaded) -> None:
    """Put a new configuration in force: policy, guards, limits, approvals, providers.

    The old one stays where the new one does not build. The act is recorded.
    """
    settings = loaded.settings
    rules = build_rules(loaded, in_force(loaded, runtime.state))
    dispatch = build_dispatch(settings)
    runtime.gate.sessions.follow = Follow(settings.session, rules.policy)
    runtime.gate.tickets = Tickets(settings, runtime.state)
    old = runtime.rules.policy.version
    runtime.desk.courier.replace(
        lambda: build_channels(settings.approvals, links_of(settings, Path(settings.home))),
        settings.approvals.escalate_to,
    )
    runtime.lender.replace(lambda: build_brokers(settings))
    runtime.replace(
        Parts(
            settings,
            rules,
            runtime.journal,
            runtime.state,
            runtime.keys,
            runtime.desk,
            runtime.gate,
            dispatch,
            runtime.lender,
            build_sinks(settings),
        )
    )
    runtime.admin(
        "config.reload",
        by="system",
        details={"source": loaded.source, "policy": rules.policy.version, "before": old},
    )


def in_force(loaded: Loaded, state: StateStore) -> Decider:
    """The policy of a configuration, with what programs registered beside it."""
    if loaded.policy is None:
        return Effective(default_policy(), state, builtin=True)
    return Effective(loaded.policy, state)


def build_rules(loaded: Loaded, policy: Decider | None) -> Rules:
    """The rules of a configuration."""
    settings = loaded.settings
    packs = packs_in_force(settings)
    inputs, outputs = build_guards(settings, packs)
    redact = redactor(settings.redact)
    if packs:
        from .packs import redactor_with

        redact = redactor_with(redact, packs)
    decider = policy or loaded.policy or default_policy()
    flows = settings.session.flows or ("observe" if settings.mcp.upstreams else "off")
    if flows != "off":
        decider = Stricter(decider, standard(), observes=flows == "observe")
    return Rules(
        decider,
        inputs,
        outputs,
        redact,
        MappingProxyType(dict(DURABILITY) | dict(settings.ledger.durability.items())),
        settings.break_glass,
        settings.limits.text_characters,
        next(filter(None, (getattr(guard, "restorer", None) for guard in inputs)), None),
        grants_of(settings.credentials),
        Follow(settings.session, decider).on,
    )


def _enabled(settings: Settings) -> dict[str, Guardrail]:
    wanted = DEFAULT_GUARDS if settings.guardrails is None else settings.guardrails
    return {name: guard for name, guard in wanted.items() if guard.enabled}


def packs_in_force(settings: Settings) -> tuple[Pack, ...]:
    """The rule packs of a configuration, each checked. Raises ConfigError."""
    guard = _enabled(settings).get("packs")
    if guard is None:
        return ()
    # imported here: with it comes the compiler of rules, which nobody else needs at start
    from .packs import in_force as checked

    return checked(guard, Path(settings.home))


def build_guards(
    settings: Settings, packs: tuple[Pack, ...] | None = None
) -> tuple[tuple[Guarding, ...], tuple[Guarding, ...]]:
    """The guards of the input and of the output stage.

    Guards made by the same builder are built together: the built-in ones share one pass over the
    text. `packs` are the rule packs in force, read where left out.
    """
    enabled: Mapping[str, Guardrail] = _enabled(settings)
    packs = packs_in_force(settings) if packs is None else packs
    if packs:
        from .packs import with_packs

        enabled = with_packs(enabled, packs)
    return _stage(enabled, "input"), _stage(enabled, "output")


def _stage(enabled: Mapping[str, Guardrail], stage: str) -> tuple[Guarding, ...]:
    groups: dict[Any, dict[str, Guardrail]] = {}
    for name, guard in enabled.items():
        if stage in guard.stages:
            groups.setdefault(discover.load("guard", name), {})[name] = guard
    built = [(_built(build, group, stage), group) for build, group in groups.items()]
    for made, group in built:
        for name, guard in group.items():
            if made.stages.isdisjoint(guard.stages):
                only = " and ".join(sorted(made.stages))
                raise ConfigError(
                    [Problem(f"guardrails {name}: reads {only} only; add it to `stages`")]
                )
    return tuple(made for made, _ in built if stage in made.stages)


def _built(build: Any, group: dict[str, Guardrail], stage: str) -> Guarding:
    try:
        guard: Guarding = build(
            {
                name: {
                    "action": setting.action,
                    "sensitivity": setting.sensitivity,
                    **setting.options,
                }
                for name, setting in group.items()
            },
            stage=stage,
        )
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            [Problem(f"guardrails {', '.join(group)}: {error}", hint="see docs/reference/guards")]
        ) from error
    return guard


def build_dispatch(settings: Settings) -> Dispatch:
    """The model providers; the offline one where none is configured."""
    routes = []
    for name, provider in settings.providers.items():
        try:
            made = discover.load("provider", provider.type)(name, provider)
        except ConfigError as error:
            raise ConfigError([Problem(str(error), path=f"providers.{name}")]) from None
        routes.append(Route(name, made, provider.models))
    if not routes:
        from .settings import ProviderSettings

        offline = ProviderSettings("offline")
        made = discover.load("provider", "offline")("offline", offline)
        routes.append(Route("offline", made, offline.models))
    return Dispatch(routes)


def build_sinks(settings: Settings) -> tuple[Sink, ...]:
    """The sinks of a configuration."""
    return tuple(discover.load("sink", name)() for name in settings.sinks)


def build_desk(
    settings: Settings, rules: Rules, state: StateStore, keys: Keys, home: Path | None
) -> Desk:
    """The approval desk and its courier; `home` is None where everything is in memory."""
    links = links_of(settings, home)
    courier = Courier(
        state,
        lambda: build_channels(settings.approvals, links),
        settings.approvals.escalate_to,
    )
    return Desk(state, settings.approvals, rules.redact, keys, courier, links)


def links_of(settings: Settings, home: Path | None) -> Links:
    """Makes and reads signed links, with a key that only this home can derive."""

    def secret() -> bytes:
        from ..ledger.checkpoint import Signer

        signer = load_signer(home) if home is not None else Signer.generate()
        return signer.secret(PURPOSE)

    return Links(settings.approvals.public_url, secret)


def _state(home: Path | None) -> StateStore:
    store = discover.load("state", "sqlite")
    state: StateStore = store(home / STATE_FILE if home is not None else None)
    return state


def _journal(settings: Settings, home: Path, memory: bool) -> Journal:
    kind = "memory" if memory else settings.ledger.store
    make = discover.load("store", kind)
    if kind == "memory":
        from ..ledger.checkpoint import Signer

        return Journal(make(), Signer.generate() if memory else load_signer(home))
    base = home / settings.ledger.path
    need_key(home, base)
    return open_lane(home, base, make)


def need_key(home: Path, base: Path) -> None:
    """Refuse to go on where a ledger has lost its key: a new one would not be its key.

    Raises LedgerError.
    """
    key = home / KEY_FILE
    if not key.exists() and begun(base):
        raise LedgerError(
            f"`{key}` is gone, and the ledger `{base}` was signed with it; bring the key back, or "
            "move the ledger's files away and start a new one"
        )


__all__ = ["build_dispatch", "build_rules", "default_policy", "open_runtime", "reload"]
