"""The sessions of one process: what the engines of `aegis.session` remember, and for whom.

A session is remembered as long as it is among the last SESSIONS_MAX that acted. Its labels and its
alerts are kept in the state store: every process on this home knows the labels, and a process that
has not seen a session begins with its alerts. Hashes of values, patterns under way and progress are
not shared: where labels are known and the values are not, every argument that nobody vouched for
counts as labelled.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from ..flow import Admission
from ..model import Verdict
from ..model.flowmark import CONTENT, CONTROL, EXTERNAL
from ..session.behaviour import (
    FRESH,
    SECOND,
    Behaviour,
    alerted,
    event_of,
    score,
    step,
)
from ..session.dialogue import results, said, spoken
from ..session.flows import absorb, addressed, arguments, flows, labels_of
from ..session.loops import call_of, turn
from ..session.manifest import ENFORCE, NOTHING, SHADOW, advanced, drift
from ..session.memory import Memory
from ..session.sources import PII, SECRET
from ..session.tokens import TEXT_MAX, tokens
from ..tools.names import words
from .manifests import Tasks
from .state import Conduct, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..flow import Learn, Settle, Trace
    from ..model import Action
    from ..session.manifest import Manifest, Progress
    from .follow import Follow
    from .state import StateStore

SESSIONS_MAX = 4_096
"""Sessions remembered; the longest idle one is forgotten, but for its labels."""

HASHES_MAX = 2_000_000
"""Hashes of all sessions together, about 200 MB; the longest idle session gives its up first."""

HEARD_MAX = 4_096
"""Parts of a conversation known to have been heard; requests repeat them."""

REPEATED_MIN = 32
"""Tokens from which a user's message is looked at for what a tool said before."""

REREAD = 1 * SECOND
"""How old the labels of a session may be before the state is asked what others added."""

LABELS_MAX = 64
"""Most labels one session carries in the state."""


class Session:
    """What one session has seen and done. Guarded by the lock of `Sessions`."""

    __slots__ = (
        "behaviour",
        "heard",
        "labels",
        "memory",
        "name",
        "progress",
        "read_at",
        "recent",
        "released",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.released = -1
        self.memory = Memory()
        self.labels: tuple[str, ...] = ()
        self.behaviour: Behaviour = FRESH
        self.recent: tuple[tuple[int, int], ...] = ()
        self.progress: dict[str, Progress] = {}
        self.heard: set[int] = set()
        self.read_at = 0


class Sessions:
    """Answers what a flow asks about its session."""

    def __init__(self, state: StateStore, follow: Follow) -> None:
        """`own` is the session of actions that name none."""
        self._state = state
        self._tasks = Tasks(state)
        self.own = ""
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], Session] = OrderedDict()
        self._hashes = 0
        self.follow = follow

    def trace(self, effect: Trace) -> Admission:
        """What the session makes of an action: labels for the policy, and the least verdict."""
        action = effect.action
        if not self.follow.on and not self.follow.wanted and self._manifest(action) is None:
            return NOTHING_SAID
        with self._lock:
            session = self._session(action)
            if action.protocol == "llm" or action.content:
                self._listen(session, action)
            labels, told = self._flows(session, action)
            alerts, least, rule, reason = self._conduct(session, action, effect.dry)
            drifted = self._drift(session, action)
        labels += tuple(f"behaviour:{rule}" for rule in alerts)
        if drifted is not None:
            labels += drifted[0]
            if drifted[1] > least:
                least, rule, reason = drifted[1:]
        advice = ""
        if rule == _BEHAVIOUR and session.name:
            advice = f"`aegis sessions release {quote(action.actor.session)}` lets it go on"
        return Admission("", reason or told, rule, labels, advice=advice, least=least)

    def learn(self, effect: Learn) -> None:
        """Take in a result that is about to be delivered."""
        action = effect.action
        if action.protocol == "llm":
            return
        source = self.follow.source(action)
        marked = [
            (finding.category, effect.texts[finding.text].text[finding.start : finding.end])
            for finding in effect.findings
            if finding.category in _SENSITIVE and finding.text < len(effect.texts)
        ]
        if not source.labels and not marked:
            return
        with self._lock:
            session = self._session(action)
            before = len(session.memory)
            values = results(effect.value) if action.protocol == "mcp" else (effect.value,)
            for value in values:
                absorb(session.memory, value, source)
            for category, span in marked:
                found = tokens(span)
                session.memory.prose(span, found, (_SENSITIVE[category],))
                session.memory.secret(span, found, (_SENSITIVE[category],))
            labels = (*source.labels, *(_SENSITIVE[category] for category, _ in marked))
            self._label(session, labels, action.time)
            self._hashes += len(session.memory) - before
            self._bound()

    def settled(self, effect: Settle) -> None:
        """Count a performed action against its task."""
        task = effect.action.task
        if effect.status == "performed" and self._manifest(effect.action) is not None:
            with self._lock:
                progress = self._session(effect.action).progress
                done = progress.get(task, NOTHING)
                progress[task] = advanced(done, effect.usage.cost_micros)

    def asked(self, action: Action) -> None:
        """A person has to look at an action."""
        follow = self.follow
        if not follow.behaviour:
            return
        with self._lock:
            session = self._session(action)
            event = event_of(frozenset(), "", "approve", False, action.time)
            behaviour, _ = step(session.behaviour, event, follow.scores, follow.window)
            self._behaves(session, behaviour, action.time)

    def granted(self, action: Action) -> None:
        """A person has seen the arguments of an action and approved them."""
        if self.follow.on:
            with self._lock:
                session = self._session(action)
                for _, value in arguments(action.params):
                    session.memory.trust(value)

    def _session(self, action: Action) -> Session:
        actor = action.actor
        name, alone = actor.session, False
        if name == self.own and action.protocol in _ALONE:
            # a conversation that names no session is one by itself, and brings all it has heard
            name, alone = f"{name}/{action.parent or action.id}", True
        key = (actor.tenant, actor.principal, name)
        session = self._known.get(key)
        if session is None:
            shared = self.follow.shared and not alone
            session = self._known[key] = Session(key_of(*key) if shared else "")
            if len(self._known) > SESSIONS_MAX:
                self._hashes -= len(self._known.popitem(last=False)[1].memory)
        else:
            self._known.move_to_end(key)
        if session.name and action.time - session.read_at > REREAD:
            session.read_at = action.time
            foreign = tuple(
                label
                for label in self._state.session_labels(session.name)
                if label not in session.labels
            )
            if foreign:
                # labels without the values that carry them
                session.labels += foreign
                session.memory.lose(foreign)
            if self.follow.behaviour:
                self._recall(session)
        return session

    def _recall(self, session: Session) -> None:
        """Take up the alerts of a session new to this process; drop what people released."""
        kept = self._state.conduct(session.name)
        new, session.released = session.released < 0, max(session.released, 0)
        if kept is None or (not new and kept.released <= session.released):
            return
        session.released = kept.released
        alerts = kept.alerts if new else session.behaviour.alerts
        counting = tuple(alert for alert in alerts if alert.at > kept.released)
        session.behaviour, session.recent = Behaviour(alerts=counting), ()

    def _behaves(self, session: Session, behaviour: Behaviour, now: int) -> None:
        """Remember what a session does; new alerts for every process."""
        if session.name and behaviour.alerts[-1:] not in ((), session.behaviour.alerts[-1:]):
            self._state.put_conduct(Conduct(session.name, behaviour.alerts, now))
        session.behaviour = behaviour

    def _manifest(self, action: Action) -> Manifest | None:
        if not action.task:
            return None
        return self.follow.manifests.get(action.task) or self._tasks.manifest(action.task)

    def _label(self, session: Session, labels: Sequence[str], now: int) -> None:
        new = tuple(dict.fromkeys(each for each in labels if each not in session.labels))
        if new and len(session.labels) < LABELS_MAX:
            session.labels += new
            if session.name:
                self._state.label_session(session.name, new, now)

    def _bound(self) -> None:
        for session in self._known.values():
            if self._hashes <= HASHES_MAX:
                break
            self._hashes -= len(session.memory)
            session.memory.forget()

    def _listen(self, session: Session, action: Action) -> None:
        """Hear what a conversation brings that was not heard before."""
        for part in (*said(action.params), *spoken(action.content)):
            key = hash((part.tool, repr(part.value)))
            if key in session.heard:
                continue
            if len(session.heard) >= HEARD_MAX:
                session.heard.clear()
            session.heard.add(key)
            if not part.tool:
                self._hear(session, part.value)
                continue
            source = self.follow.source_of(part.tool, "tool")
            absorb(session.memory, part.value, source)
            self._label(session, source.labels, action.time)

    def _hear(self, session: Session, text: str) -> None:
        """The user's words. A long message that repeats what a tool said is not the user's: some
        frameworks hand results on that way.
        """
        found = tokens(text[:TEXT_MAX])
        labels = session.memory.labels(found) if len(found) >= REPEATED_MIN else ()
        if labels:
            session.memory.prose(text, found, labels)
        else:
            session.memory.trust(text)

    def _flows(self, session: Session, action: Action) -> tuple[tuple[str, ...], str]:
        follow = self.follow
        sinks = follow.sinks(action)
        if not sinks:
            return session.labels, ""
        if EXTERNAL not in sinks and EXTERNAL in follow.wanted and addressed(action.params):
            sinks = (EXTERNAL, *sinks)
        if follow.wanted.isdisjoint(sinks):
            return session.labels, ""
        if action.task:
            session.memory.trust(action.task)
        found = flows(session.memory, action.params)
        labels = labels_of(found, session.labels, sinks)
        told = "; ".join(
            f"`{flow.param[:80]}` {_HOW[flow.way]} data labelled `{flow.label}`"
            for flow in found[:4]
        )
        return labels, told

    def _conduct(
        self, session: Session, action: Action, dry: bool
    ) -> tuple[tuple[str, ...], Verdict, str, str]:
        follow = self.follow
        if not follow.behaviour or action.protocol == "llm":
            return (), Verdict.ALLOW, "", ""
        names = frozenset((*words(action.type), *words(action.target)))
        external = EXTERNAL in follow.sinks(action)
        event = event_of(names, action.target, action.capability, external, action.time)
        behaviour, _ = step(session.behaviour, event, follow.scores, follow.window)
        call = call_of(action.type, action.target, action.params)
        recent, loop = turn(session.recent, call, action.time)
        if loop:
            told = alerted(behaviour.alerts, [loop], action.time, follow.scores, follow.window)
            behaviour = msgspec.structs.replace(behaviour, alerts=told)
        if not dry:
            self._behaves(session, behaviour, action.time)
            session.recent = recent
        total = score(behaviour, action.time, follow.window)
        rules = tuple(dict.fromkeys(alert.rule for alert in behaviour.alerts)) if total else ()
        if not follow.kill_score or total < follow.kill_score:
            return rules, Verdict.ALLOW, "", ""
        why = f"the session's score is {total} of {follow.kill_score}: {', '.join(rules)}"
        return rules, Verdict.BLOCK, _BEHAVIOUR, why

    def _drift(
        self, session: Session, action: Action
    ) -> tuple[tuple[str, ...], Verdict, str, str] | None:
        manifest = self._manifest(action)
        if manifest is None or action.protocol == "llm":
            return None
        progress = session.progress.get(action.task, NOTHING)
        found = drift(manifest, action, progress, action.time, self.follow.matches)
        if not found:
            return None
        labels = tuple(f"drift:{each.kind}" for each in found)
        if manifest.mode == SHADOW:
            return labels, Verdict.ALLOW, "", ""
        verdict = Verdict.BLOCK if manifest.mode == ENFORCE else Verdict.REVIEW
        why = "; ".join(f"{each.kind}: {each.why}" for each in found[:4])
        return labels, verdict, f"<manifest:{action.task[:80]}>", why


NOTHING_SAID = Admission()
"""What is said where neither rules nor a task ask about sessions."""

_BEHAVIOUR = "<behaviour>"
"""The rule of what is refused because the session was stopped."""

_ALONE = ("llm", "tool")
"""Protocols of a request to a model and of the calls its reply proposes."""

_SENSITIVE = {"secret": SECRET, "pii": PII, "phi": PII}
"""What the labels of what guards find are, by category."""

_HOW = {CONTROL: "decides with", CONTENT: "carries"}
