"""How guards and records see a push: its refs, options, paths and new texts; a push cannot be
rewritten, for its objects are named by their content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ....flow.view import PlainView
from ....model import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....model import Action, Path

RECORDED_MAX = 100
"""Most paths, and lines of a report, that stand in a record; the number of all does, too."""

SAID_MAX = 2_000
"""How much of what an upstream says to the person is recorded, in characters."""

REWRITTEN = "rewritten"
"""The label of a push in which guards want something masked; it is not performed."""


class PushView(PlainView):
    """Pushes. Their params are made by the gate and shared with nobody."""

    private = True

    def texts(self, action: Action) -> Sequence[Text]:
        """What new objects say, and every name the push brings."""
        params = action.params
        names = [update["ref"] for update in params["updates"]]
        names += [path for _, path in params["paths"]]
        said = [Text("\n".join(names), "arguments", ("names",))]
        said += [Text(text, "arguments", ("push_options",)) for text in params["push_options"]]
        return [*said, *action.content]

    def rewrite(self, action: Action, edits: Mapping[Path, str]) -> Action:
        """Marked: the performance refuses it."""
        del edits
        return msgspec.structs.replace(action, labels=(*action.labels, REWRITTEN))

    def recorded(self, action: Action) -> Any:
        """The params with a bounded number of paths."""
        paths = action.params["paths"]
        return {**action.params, "paths": paths[:RECORDED_MAX], "paths_changed": len(paths)}

    def reply_recorded(self, value: Any) -> Any:
        """The report with a bounded number of lines."""
        lines, said = value["report"], value["messages"]
        return {"report": lines[:RECORDED_MAX], "messages": said[:SAID_MAX]}


PUSH_VIEW = PushView()
