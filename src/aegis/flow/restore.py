"""The restore step: what was masked for a model is put back for its user, and for a tool that may
have it. After everything is decided and recorded, so that no record holds a restored value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .view import PLAIN

if TYPE_CHECKING:
    from ..model import Action, Path
    from .course import Course
    from .rules import Restoring
    from .view import StreamReader


def restore_call(course: Course) -> None:
    """Put values into the arguments of a tool that may have them."""
    restore: Restoring = course.rules.restore
    action = course.action
    if not restore.performs(action):
        return
    edits: dict[Path, str] = {}
    for text in course.view.texts(action):
        restored = restore.text(text.text, action)
        if restored != text.text and not text.key:
            edits[text.path] = restored
    if edits:
        course.action = course.view.rewrite(action, edits)


def restore_reply(course: Course) -> None:
    """Put values into a model's reply: its words, and the arguments of calls that may have them."""
    view, action = course.view, course.action
    restore: Restoring = course.rules.restore
    if view.plain or restore.scan(action) is None:
        return
    edits: dict[Path, str] = {}
    for text in view.reply_texts(action, course.value):
        restored = restore.text(text.text, action)
        if restored != text.text and not text.key:
            edits[text.path] = restored
    for tool, text in view.call_texts(course.value):
        if restore.restores(tool):
            restored = in_json(restore, text.text, action)
            if restored != text.text:
                edits[text.path] = restored
    if edits:
        course.value = view.rewrite_reply(course.value, edits)


def restored_calls(course: Course, reader: StreamReader) -> dict[int, str]:
    """The arguments, with values put in, of the calls of a streamed reply that may have them."""
    restore: Restoring | None = course.rules.restore
    if restore is None or restore.scan(course.action) is None:
        return {}
    found = enumerate(reader.arguments())
    return {
        index: restored
        for index, (tool, text) in found
        if restore.restores(tool) and (restored := in_json(restore, text, course.action)) != text
    }


def in_json(restore: Restoring, text: str, action: Action) -> str:
    """JSON arguments with values put into their strings; other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return restore.text(text, action)
    texts = PLAIN.reply_texts(action, value)
    edits = {
        one.path: restored
        for one in texts
        if not one.key and (restored := restore.text(one.text, action)) != one.text
    }
    if not edits:
        return text
    return json.dumps(PLAIN.rewrite_reply(value, edits), ensure_ascii=False)
