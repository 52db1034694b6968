"""`aegis keys`: what callers of the gateway authenticate with. Each change is a record."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Unpack

from ..model import CallerError
from . import home, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..kernel.keys import Terms
    from ..kernel.runtime import Runtime
    from ..kernel.state import Key

RPM_MAX = 10_000_000
"""Most requests per minute a key can be given, as in the configuration."""


def create(
    *,
    name: str,
    models: list[str] | None = None,
    rpm: int = 0,
    tpm: int = 0,
    expires: str | None = None,
    agent: str = "",
    tenant: str = "",
    role: list[str] | None = None,
    config: Path | None = None,
    json: bool = False,
) -> int:
    """Create a key and print it, this once: only its hash is kept.

    Parameters
    ----------
    name
        who or what the key is for
    models
        a glob over the models it may use; may be repeated; all if left out
    rpm
        requests per minute it may make; 0 leaves the configured limit
    tpm
        tokens per minute it may use; 0 leaves the configured limit
    expires
        when it ends, such as 2027-01-01, or in how long, such as 90d
    agent
        the agent that uses it
    tenant
        the tenant it belongs to
    role
        what else it may do: `approver` answers approvals, `operator` switches agents on again;
        may be repeated
    config
        the aegis.yaml to use
    json
        print JSON
    """
    if not 0 <= rpm <= RPM_MAX or tpm < 0:
        raise CallerError(f"`--rpm` and `--tpm` count per minute, from 0 (at most {RPM_MAX} rpm)")
    end = _expiry(expires) if expires else 0
    with home.runtime(config) as runtime:
        token, key = issue(
            runtime,
            name,
            models=models or (),
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            expires=end,
            agent=agent,
            tenant=tenant,
            roles=role or (),
        )
        with _showing(runtime, key):
            if json:
                output.json({"key": token, **_plain(key)})
            else:
                print(token)
    if not json:
        output.note(f"created {key.id} ({key.name}); keep the key now, it is not shown again")
    return 0


def issue(runtime: Runtime, name: str, **terms: Unpack[Terms]) -> tuple[str, Key]:
    """A new key with its record; without the record there is no key."""
    token, key = runtime.keys.create(name, **terms)
    try:
        runtime.admin(
            "key.create",
            by=home.user(),
            details={"id": key.id, "name": key.name, "roles": key.roles},
        )
    except BaseException:
        runtime.keys.revoke(key.id)
        raise
    return token, key


def list_keys(*, config: Path | None = None, json: bool = False) -> int:
    """List keys, also revoked ones.

    Parameters
    ----------
    config
        the aegis.yaml to use
    json
        print JSON: one object per key
    """
    with home.state(config) as state:
        keys = state.all_keys()
    if json:
        output.json([_plain(key) for key in keys])
        return 0
    output.table(
        ("id", "name", "key", "state", "models", "rpm", "created", "expires"),
        (
            (
                key.id,
                key.name,
                key.hint,
                _status(key),
                ", ".join(key.models) or "all",
                key.requests_per_minute or "",
                output.moment(key.created),
                output.moment(key.expires),
            )
            for key in keys
        ),
        "no keys; `aegis keys create --name NAME` makes one",
    )
    return 0


def revoke(id: str, /, *, config: Path | None = None) -> int:
    """Revoke a key, effective on the next request.

    Parameters
    ----------
    id
        the id or the name of the key
    config
        the aegis.yaml to use
    """
    with home.runtime(config) as runtime:
        if not runtime.keys.revoke(id):
            raise CallerError(f"no valid key `{id}`; `aegis keys list` shows them")
        runtime.admin("key.revoke", by=home.user(), details={"id": id})
    output.say(f"revoked {id}")
    return 0


@contextmanager
def _showing(runtime: Runtime, key: Key) -> Iterator[None]:
    """Around what prints a new key: where that fails nobody has it, and it is revoked again.

    Raises CallerError for what could not be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BaseException as error:
        runtime.keys.revoke(key.id)
        runtime.admin("key.revoke", by=home.user(), details={"id": key.id})
        if isinstance(error, OSError):
            why = (error.strerror or str(error)).lower()
            raise CallerError(
                f"the new key could not be shown ({why}), so it is revoked again; run this where "
                "standard output can be written"
            ) from error
        raise


def _expiry(text: str) -> int:
    """A time to come, in microseconds since the Unix epoch. Raises CallerError."""
    at = home.instant(text)
    ago = text[-1:] in "smhd" and text[:-1].isdigit()
    if ago:
        at = 2 * home.now() - at  # `90d` reads as in ninety days here, not ninety days ago
    if at <= home.now():
        raise CallerError(f"`{text}` is past; a key needs an end to come")
    return at


def _status(key: Key) -> str:
    if key.revoked:
        return "revoked"
    return "expired" if key.expires and key.expires <= home.now() else "valid"


def _plain(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "state": _status(key),
        "models": key.models,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "agent": key.agent,
        "tenant": key.tenant,
        "roles": key.roles,
        "created": output.moment(key.created),
        "expires": output.moment(key.expires),
        "revoked": output.moment(key.revoked),
    }
