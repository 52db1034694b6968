"""What the verbs `aegis gate KIND` have in common: a configuration, a runtime, signals, an end."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..model import Action, Text
from . import home, output
from .loops import loop_factory
from .serve import configure_logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.config import Loaded
    from ..kernel.runtime import Runtime
    from ..surfaces.gates.service import Service

log = logging.getLogger("aegis")


class Asked(msgspec.Struct, frozen=True):
    """What the command line says of a gate: its kind, and what it puts over the configuration."""

    kind: str
    config: Path | None
    listen: str | None
    open_to_all: bool


def serve(asked: Asked, make: Callable[[Runtime], Service]) -> int:
    """Serve a gate until SIGINT or SIGTERM; SIGHUP loads rules and policy again."""
    from ..kernel.build import open_runtime, reload
    from ..kernel.reload import Watch

    def read() -> Loaded:
        return _over(home.loaded(asked.config, resolve=True), asked)

    found = read()
    configure_logs(found)
    runtime = open_runtime(found)
    try:
        service = make(runtime)
        watcher = Watch(found, read, lambda loaded: reload(runtime, loaded), _report, polls=False)
        watcher.start()
        try:
            _warm(runtime)
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(_run(service, watcher.poke, asked.kind, runtime))
        finally:
            watcher.close()
    finally:
        runtime.close()
    return 0


async def _run(service: Service, reload: Callable[[], None], kind: str, runtime: Runtime) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    runtime.desk.courier.start()

    def started(address: str) -> None:
        output.say(f"aegis gate {kind} listens on {address}")
        output.say(f"  policy         {runtime.rules.policy.version}")
        output.say(f"  ledger key     {runtime.journal.signer.identity.fingerprint}")
        print(end="", flush=True)

    await service.run(started, stop)


def _over(found: Loaded, asked: Asked) -> Loaded:
    """The configuration with what the command line says over it."""
    from ..kernel.listening import address_of
    from ..model import CallerError

    gate = getattr(found.settings.gates, asked.kind)
    if asked.listen is not None:
        try:
            address_of(asked.listen)
        except ValueError as error:
            raise CallerError(f"--listen {error}") from None
        gate = msgspec.structs.replace(gate, listen=asked.listen)
    if asked.open_to_all:
        gate = msgspec.structs.replace(gate, require_key=False, allow_unauthenticated=True)
    gates = msgspec.structs.replace(found.settings.gates, **{asked.kind: gate})
    settings = msgspec.structs.replace(found.settings, gates=gates)
    return msgspec.structs.replace(found, settings=settings)


def _warm(runtime: Runtime) -> None:
    from ..kernel.warming import WARMING, warm

    action = Action("warm", params={"texts": list(WARMING)})
    warm(runtime.rules, action, tuple(Text(text) for text in WARMING))


def _report(message: str, problem: bool) -> None:
    log.log(logging.ERROR if problem else logging.INFO, message)
