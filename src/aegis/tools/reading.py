"""What a call would do, as one frozen value, and the notes from which it is made.

A reading says what the text of a call means: its capability, the resources it names, the
environment they belong to and the dangers it carries. It never says what may happen: the policy
does. What could not be read is `undecided`, with its reason; an undecided call is never allowed
without a person.
"""

from __future__ import annotations

import re

import msgspec

from ..model import UNDECIDED, Resource

DELETE, DEPLOY, APPROVE, EXECUTE, WRITE, READ = (
    "delete",
    "deploy",
    "approve",
    "execute",
    "write",
    "read",
)
"""The capabilities, as in `model.action.CAPABILITIES`."""

STRICTEST_FIRST = (DELETE, DEPLOY, APPROVE, EXECUTE, WRITE, READ)
"""The capability of many steps is the first of these that any step has."""

RESOURCES_MAX = 256
"""Most resources one reading names; a call that touches more is undecided."""

RESOURCE_NAME_MAX = 1_024
"""Longest name of a resource, in characters; longer ones are cut and make the call undecided."""

UNKNOWN = "?"
"""Stands in a resource's name for a piece that only running the call would tell."""

DANGER = "danger:"
"""How the label of a danger begins; its id follows."""

DOES = "does:"
"""How a label begins that names one capability of one step, where steps differ."""

DESCRIBED = "described:"
"""How the label begins that says who described the tool of a call; where nobody did, it has none
and what it does was read from names.
"""


class Reading(msgspec.Struct, frozen=True):
    """What a call would do.

    `capability` is the strictest of all steps, `does` holds every capability of any step;
    `dangers` are ids of `dangers.DANGERS`; `undecided` is the reason why the call could not be
    read to its end, empty where it could.
    """

    capability: str
    resources: tuple[Resource, ...] = ()
    environment: str = ""
    dangers: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    undecided: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The reading as labels of an action: dangers, capabilities of its steps, undecided."""
        steps = self.does if len(self.does) > 1 else ()
        return (
            *(DANGER + id for id in self.dangers),
            *(DOES + name for name in steps),
            *((UNDECIDED,) if self.undecided else ()),
        )


class Notes:
    """Collects what the steps of one call do; `reading` closes it."""

    __slots__ = ("capabilities", "dangers", "environment", "fetched", "resources", "undecided")

    def __init__(self) -> None:
        self.capabilities: set[str] = set()
        self.resources: dict[tuple[str, str, str], None] = {}
        self.dangers: dict[str, None] = {}
        self.environment = ""
        self.undecided = ""
        self.fetched: set[str] = set()
        """Files that an earlier step took from another host."""

    def does(self, capability: str) -> None:
        """One step has this capability."""
        self.capabilities.add(capability)

    def touches(self, kind: str, name: str, verb: str) -> None:
        """One step touches a resource."""
        if len(name) > RESOURCE_NAME_MAX:
            name = name[:RESOURCE_NAME_MAX]
            self.doubts("the name of a resource is too long")
        if len(self.resources) >= RESOURCES_MAX:
            self.doubts(f"it touches more than {RESOURCES_MAX} resources")
            return
        self.resources[(kind, name, verb)] = None
        if kind == "file" and verb == EXECUTE and name in self.fetched:
            self.threatens("remote-code")
        if kind in _PLACES and name:
            self.placed(name)

    def threatens(self, danger: str) -> None:
        """One step carries a danger."""
        self.dangers[danger] = None

    def doubts(self, reason: str) -> None:
        """The call cannot be read to its end; the first reason stands."""
        self.undecided = self.undecided or reason

    def placed(self, name: str) -> None:
        """A branch, host, database or profile says which environment this is."""
        if self.environment != "prod":
            self.environment = environment_of(name) or self.environment

    def joins(self, reading: Reading) -> None:
        """Everything another reading says holds for this call too."""
        self.capabilities.update(reading.does)
        for item in reading.resources:
            self.touches(item.kind, item.name, item.verb)
        for danger in reading.dangers:
            self.threatens(danger)
        if reading.environment and self.environment != "prod":
            self.environment = reading.environment
        if reading.undecided:
            self.doubts(reading.undecided)

    def reading(self) -> Reading:
        """The frozen value; a call that nothing is known of would execute something."""
        found = tuple(name for name in STRICTEST_FIRST if name in self.capabilities) or (EXECUTE,)
        return Reading(
            found[0],
            tuple(Resource(kind, name, verb) for kind, name, verb in self.resources),
            self.environment,
            tuple(self.dangers),
            found,
            self.undecided,
        )


_PLACES = frozenset(("host", "database", "ref", "cluster"))
_PROD = re.compile(r"(?:^|[^a-z0-9])(?:prod|production|prd|live)(?:[^a-z]|$)")
_STAGING = re.compile(r"(?:^|[^a-z0-9])(?:stag|staging|stage|stg|preprod|uat)(?:[^a-z]|$)")


def environment_of(name: str) -> str:
    """`prod`, `staging` or nothing, from the name of a host, branch, database or profile.

    The default branches `main` and `master` count as neither: what they deploy to is not in their
    name.
    """
    lowered = name.lower()
    if _STAGING.search(lowered):
        return "staging"
    return "prod" if _PROD.search(lowered) else ""
