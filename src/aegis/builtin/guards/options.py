"""What the built-in guards can be told under `options`: the table of each, and what its types
cannot say.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from ...detect import Leak, shared
from ...detect.masks import HASH, STYLES
from ...detect.tailor import countries_of, fitting, masked_types, types_of
from ...plugin.options import Complaint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ...detect.ruleset import RuleSet
    from ...plugin.options import Entry

Act = Literal["block", "review", "mask", "warn", "log"]
"""What a finding may do; `warn` and `log` let the text pass and record the finding."""

Where = Literal["mask", "record"]

CATEGORIES: dict[str, tuple[str, ...]] = {
    "injection": ("injection",),
    "pii": ("pii", "phi"),
    "secrets": ("secret",),
    "toxicity": ("toxicity",),
    "prompt_leak": ("prompt_leak",),
    "tool_poisoning": ("tool_poisoning",),
    "packs": ("confidential",),
    "argument_injection": ("argument_injection",),
}
"""Guard name to the categories of findings it reports."""

DEFAULTS = {
    "injection": "block",
    "pii": "mask",
    "secrets": "mask",
    "toxicity": "block",
    "prompt_leak": "warn",
    "tool_poisoning": "block",
    "packs": "mask",
    "argument_injection": "warn",
}
"""What a finding does where the configuration does not say."""

KEEP_MINUTES_MAX = 7 * 24 * 60
"""Longest a value may be kept: what is kept can be stolen."""

HASH_KEY_MIN = 16
"""Fewest characters of `hash_key`: a key that can be guessed gives the values away."""

NAMES_SHOWN_MAX = 40
"""Most names that a hint lists; the pages of the rules have all of them."""

REFERENCE = "secret://"
"""How a reference begins that stands for a secret where secrets are not resolved."""

_WHOLE = "what it finds cannot be masked; use block, review, warn or log"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every guard can be told: another action for single types, and the score (thousandths)
    from which `block` and `review` act.
    """

    types: dict[str, Act] = {}
    block_at: Annotated[int, Meta(ge=0, le=1000)] | None = None

    maskable = False
    """Whether a finding is a value, so that a mask can stand for it."""

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """What is wrong beside the types of the fields."""
        if entry.action == "mask" and not self.maskable:
            yield Complaint(("action",), _WHOLE)
        for name, act in self.types.items():
            if act == "mask" and not self.maskable:
                yield Complaint(("options", "types", name), _WHOLE)
        if "packs" not in entry.guards:
            # what packs bring is known when they are loaded, not here
            yield from self.unknown(entry.name)

    def unknown(self, guard: str, rules: RuleSet | None = None) -> Iterator[Complaint]:
        """Types of findings that no rule has (`rules`: beside packs; the shipped ones)."""
        if self.types:
            known = types_of(rules or shared().rules, CATEGORIES[guard])
            yield from _strange(("options", "types"), self.types, known, "type")


class LeakOptions(Options, frozen=True):
    """What replies must not hold (see `detect.leak`)."""

    canaries: tuple[str, ...] = ()
    system_prompts: tuple[str, ...] = ()
    system_messages: bool = False

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """Beside those of every guard: canaries of the wrong length, prompts that are too long."""
        yield from super().complaints(entry)
        for key, values in (("canaries", self.canaries), ("system_prompts", self.system_prompts)):
            for index, value in enumerate(values):
                try:
                    Leak(**{"canaries" if key == "canaries" else "prompts": (value,)})
                except ValueError as error:
                    yield Complaint(("options", key, index), str(error))


class ValueOptions(Options, frozen=True):
    """How values are masked, and whether they come back."""

    arguments: Where = "record"
    results: Where = "record"
    reversible: bool = False
    keep_minutes: Annotated[int, Meta(ge=1, le=KEEP_MINUTES_MAX)] | None = None
    restore_to: tuple[str, ...] = ()
    elsewhere: Literal["block", "review", "warn", "log"] | None = None
    masks: dict[str, str] = {}
    hash_key: str = ""

    maskable = True

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """Beside those of every guard: options without effect, masks that are none."""
        yield from super().complaints(entry)
        for key in ("keep_minutes", "restore_to", "elsewhere"):
            if getattr(self, key) and not self.reversible:
                wrong = "has no effect without `reversible: true`"
                yield Complaint(("options", key), wrong)
        if self.reversible and (entry.action or DEFAULTS[entry.name]) != "mask":
            yield Complaint(("options", "reversible"), "needs the action `mask`")
        yield from self._masks()

    def _masks(self) -> Iterator[Complaint]:
        if self.masks and self.reversible:
            yield Complaint(("options", "masks"), "has no effect with `reversible: true`")
        for name, style in self.masks.items():
            if style not in (*STYLES, HASH):
                hint = _hint(style, (*STYLES, HASH))
                yield Complaint(("options", "masks", name), f"unknown mask `{style[:40]}`", hint)
        hashes = HASH in self.masks.values()
        if self.hash_key and not hashes:
            yield Complaint(("options", "hash_key"), "has no effect without a mask `hash`")
        resolved = not self.hash_key.startswith(REFERENCE)
        if hashes and len(self.hash_key) < HASH_KEY_MIN and resolved:
            wrong = f"the mask `hash` needs a `hash_key` of {HASH_KEY_MIN} characters or more"
            place = ("options", "hash_key") if self.hash_key else ("options", "masks")
            yield Complaint(place, wrong, "write it as a `secret://` reference")

    def unknown(self, guard: str, rules: RuleSet | None = None) -> Iterator[Complaint]:
        """Besides: masks of types that no rule has, and masks that do not fit their type."""
        yield from super().unknown(guard, rules)
        if not self.masks:
            return
        rules = rules or shared().rules
        known = masked_types(rules, CATEGORIES[guard])
        yield from _strange(("options", "masks"), self.masks, known, "type")
        for name, style in self.masks.items():
            types = fitting(rules, style)
            if name.upper() in known and types is not None and name.upper() not in types:
                wrong = f"the mask `{style}` fits {' and '.join(sorted(types))} only"
                hint = "use last4, last2, full, label or hash"
                yield Complaint(("options", "masks", name), wrong, hint)


class PiiOptions(ValueOptions, frozen=True):
    """Whose identifiers are looked for: countries (ISO 3166-1); None: all."""

    locales: tuple[str, ...] | None = None

    def unknown(self, guard: str, rules: RuleSet | None = None) -> Iterator[Complaint]:
        """Besides: countries whose identifiers no rule knows."""
        yield from super().unknown(guard, rules)
        if not self.locales:
            return
        known = countries_of(rules or shared().rules)
        for index, name in enumerate(self.locales):
            if name.lower() not in known:
                wrong = f"no rule knows the country `{name[:40]}`"
                yield Complaint(("options", "locales", index), wrong, _hint(name.lower(), known))


class SecretOptions(ValueOptions, frozen=True):
    """As for other values; what tools return is masked where nothing is said."""

    results: Where = "mask"


class PackOptions(ValueOptions, frozen=True):
    """The rule packs in force, by name (see `kernel.packs`)."""

    use: tuple[str, ...] = ()


OPTIONS: dict[str, type[Options]] = {
    **dict.fromkeys(CATEGORIES, Options),
    "pii": PiiOptions,
    "secrets": SecretOptions,
    "prompt_leak": LeakOptions,
    "packs": PackOptions,
}
"""What each guard takes."""


def _strange(
    path: tuple[str, ...], given: Collection[str], known: Collection[str], what: str
) -> Iterator[Complaint]:
    for name in given:
        if name.upper() not in known:
            wrong = f"no rule of this guard knows the {what} `{name[:40]}`"
            yield Complaint((*path, name), wrong, _hint(name.upper(), known))


def _hint(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, 1)
    if near:
        return f"did you mean `{near[0]}`?"
    shown = sorted(known)
    more = ", …" if len(shown) > NAMES_SHOWN_MAX else ""
    return f"known: {', '.join(shown[:NAMES_SHOWN_MAX])}{more}"
