"""Reversible masking as the guard sees it: values become placeholders on their way to a model, and
one that turns up where it does not belong is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...model import Finding, Verdict
from .restorer import Restorer
from .settings import MODEL
from .vault import placeholders, shared_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...model import Action, Text
    from .settings import GuardSettings

REPLY = "reply"
"""Kind of what a model says. What it says of its own accord is masked for good; a placeholder of
another session stays one there.
"""

_TRAVELLED = {
    "placeholder": "a placeholder of masked data was handed to a tool that may not have the value; "
    "name the tool under `restore_to` if it may",
    "masked_value": "data that was masked in this session was handed to a tool that may not have "
    "it; name the tool under `restore_to` if it may",
    "foreign_placeholder": "a placeholder of another session turned up here; find out how it got "
    "out of that session",
}
"""What each rule of the category `exfiltration` says to do."""


class Reversing:
    """Masks for a while what its guards mask. Thread-safe."""

    def __init__(self, settings: Sequence[GuardSettings]) -> None:
        self._settings = {one.name: one for one in settings if one.reversible}
        self._vault = shared_vault()
        tools = [glob for one in self._settings.values() for glob in one.restore_to]
        self.restorer = Restorer(self._vault, tools)

    @property
    def idle(self) -> bool:
        """Whether nothing is masked at the moment, so that no text can hold a placeholder."""
        return not self._vault

    def masked(
        self, found: Sequence[Finding], texts: Sequence[Text], action: Action
    ) -> Iterator[Finding]:
        """The findings, with placeholders as masks where their guard asks for those, and with
        the ones about values that went to a tool.
        """
        to_model = action.protocol == MODEL
        for finding in found:
            setting = self._settings.get(finding.guard)
            text = texts[finding.text]
            if setting is None or text.kind == REPLY:
                yield finding
                continue
            value = text.text[finding.start : finding.end]
            if not to_model:
                yield finding
                if not self.restorer.performs(action) and self._vault.masked(action, value):
                    yield self._finding("masked_value", finding, setting)
            elif finding.verdict is Verdict.SANITIZE:
                name = self._vault.seal(action, finding.type, value, setting.keep)
                yield replace(finding, mask=name) if name else finding
            else:
                yield finding

    def travelled(self, texts: Sequence[Text], action: Action) -> Iterator[Finding]:
        """Placeholders where they do not belong: in a tool's arguments, in another session."""
        setting = next(iter(self._settings.values()))
        own_too = action.protocol != MODEL and not self.restorer.performs(action)
        for index, text in enumerate(texts):
            if text.kind == REPLY:
                continue
            for start, end, name in placeholders(text.text):
                if self._vault.foreign(action, name):
                    rule = "foreign_placeholder"
                elif own_too and self._vault.value(action, name) is not None:
                    rule = "placeholder"
                else:
                    continue
                type_ = name.rsplit("_", 2)[0]
                place = Finding(setting.name, rule, "", type_, index, start, end)
                yield self._finding(rule, place, setting)

    def _finding(self, rule: str, place: Finding, setting: GuardSettings) -> Finding:
        return Finding(
            place.guard, rule, "exfiltration", place.type, place.text, place.start, place.end,
            1000, "high", _VERDICTS.get(setting.elsewhere, Verdict.ALLOW), None, _TRAVELLED[rule],
        )  # fmt: skip


_VERDICTS = {"block": Verdict.BLOCK, "review": Verdict.REVIEW}
