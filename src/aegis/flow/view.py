"""How the flow reads a particular wire: which texts a request and a result hold, which tool
calls a reply proposes, and how changed texts are put back. Views are pure; each surface brings
its own, and `PlainView` serves ordinary Python calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..model import NO_USAGE, Action, ActionError, Text, Usage, bounded, put, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model import Decision, Path


class View(Protocol):
    """Reads and rewrites one wire. `plain` says that results neither report usage nor propose
    tool calls; `private`, that its actions' params were made for this call, so that nobody else
    can change them; `read`, that the surface read its actions itself, knowing more than their words
    say: which server a statement is for.
    """

    plain: bool
    private: bool
    read: bool

    def texts(self, action: Action) -> Sequence[Text]:
        """The texts of a request."""
        ...

    def rewrite(self, action: Action, edits: Mapping[Path, str]) -> Action:
        """The request with some texts replaced."""
        ...

    def recorded(self, action: Action) -> Any:
        """What of the params stands in the record, before redaction."""
        ...

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """The texts of a result."""
        ...

    def rewrite_reply(self, value: Any, edits: Mapping[Path, str]) -> Any:
        """The result with some texts replaced."""
        ...

    def reply_recorded(self, value: Any) -> Any:
        """What of the result stands in the record, before redaction."""
        ...

    def calls(self, action: Action, value: Any) -> Sequence[Action]:
        """The tool calls a reply proposes, as child actions in order."""
        ...

    def refuse_calls(self, value: Any, refused: Mapping[int, Decision]) -> Any:
        """The reply without the refused calls, saying what was refused and why."""
        ...

    def call_texts(self, value: Any) -> Sequence[tuple[str, Text]]:
        """The proposed calls' names and arguments as text, where those are."""
        ...

    def usage(self, value: Any) -> Usage:
        """What the result says it consumed."""
        ...

    def reader(self, action: Action) -> StreamReader:
        """A reader for a streamed reply."""
        ...


class StreamReader(Protocol):
    """Reads one streamed reply, event by event. Channels are independent texts (choices).

    `kind` is what guards take the texts for. `due` says, after an event was read, that everything
    read so far is to be judged as a whole and released before the next event is asked for; so a
    reply without end needs no memory without end, and what asks for an answer gets one.
    """

    kind: str
    due: bool

    def read(self, event: Any) -> tuple[Sequence[tuple[int, str]], bool]:
        """The (channel, text) pieces of an event, and whether it carries part of a tool call."""
        ...

    def rewrite(self, event: Any, channel: int, text: str) -> Any:
        """The event with the channel's piece replaced."""
        ...

    def calls(self) -> Sequence[Action]:
        """The tool calls proposed so far, complete once the stream has ended."""
        ...

    def without_calls(self, event: Any, refused: Mapping[int, Decision]) -> Any | None:
        """The event without the pieces of refused calls; None where nothing is left of it. Asked
        after `with_arguments`, since it may number the calls anew.
        """
        ...

    def arguments(self) -> Sequence[tuple[str, str]]:
        """The name and arguments text of each proposed call, in the order of `calls`."""
        ...

    def with_arguments(self, event: Any, restored: Mapping[int, str]) -> Any:
        """The event with the arguments of some calls replaced: all of it in a call's first piece,
        nothing in the others.
        """
        ...

    def cut(self, decision: Decision) -> Sequence[Any]:
        """The events that end the reply early, saying why."""
        ...

    def usage(self) -> Usage:
        """What the events seen so far say was consumed."""
        ...

    def recorded(self) -> Any:
        """What of the reply stands in the record, before redaction."""
        ...


class PlainView:
    """Ordinary calls: params and results are JSON-like values, or opaque."""

    plain: bool = True
    private: bool = False
    read: bool = False

    def texts(self, action: Action) -> Sequence[Text]:
        """The named content, or every string of the params."""
        return action.content or texts_of(action.params)

    def rewrite(self, action: Action, edits: Mapping[Path, str]) -> Action:
        """The action with new params."""
        import msgspec

        return msgspec.structs.replace(action, params=put(action.params, dict(edits)))

    def recorded(self, action: Action) -> Any:
        """The params."""
        return action.params or None

    def reply_texts(self, action: Action, value: Any) -> Sequence[Text]:
        """Every string of the result."""
        if isinstance(value, (str, dict, list, tuple)):
            return texts_of(value, "tool_result")
        return ()

    def rewrite_reply(self, value: Any, edits: Mapping[Path, str]) -> Any:
        """The result with some strings replaced."""
        return put(value, dict(edits))

    def reply_recorded(self, value: Any) -> Any:
        """JSON-like results as they are, others (and those that stand for a huge one) by type."""
        if value is None or isinstance(value, (str, int, float)):
            return value
        try:
            bounded(value)
        except ActionError as error:
            return {"python": type(value).__qualname__, "unrecorded": str(error)}
        if isinstance(value, (dict, list, tuple)):
            return value
        return {"python": type(value).__qualname__}

    def calls(self, action: Action, value: Any) -> Sequence[Action]:
        """Ordinary results propose no calls."""
        return ()

    def refuse_calls(self, value: Any, refused: Mapping[int, Decision]) -> Any:
        """Nothing to refuse."""
        return value

    def call_texts(self, value: Any) -> Sequence[tuple[str, Text]]:
        """Ordinary results propose no calls."""
        return ()

    def usage(self, value: Any) -> Usage:
        """Ordinary results carry no usage."""
        return NO_USAGE

    def reader(self, action: Action) -> StreamReader:
        """Ordinary results do not stream."""
        raise NotImplementedError("a plain view does not stream")


PLAIN = PlainView()
