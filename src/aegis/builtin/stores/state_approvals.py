"""Approvals, the channels that show them, and the nonces of answers, in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...approval import APPROVED, CONSUMED, PENDING, SKEW, TASK, Request
from ...kernel.state import Post
from ...model import AegisError, Prepared
from .state_database import Database, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PENDING_MAX = 10_000
"""Most open approvals; more means nobody answers, and further ones are refused."""

PENDING_OWNER_MAX = 1_000
"""Most open approvals that one principal asked for: no key can keep all others from asking."""

POSTS_AT_ONCE = 100
"""Most posts a channel delivers between two looks at the store."""

NONCES_MAX = 200_000
"""Most nonces kept; beyond it callbacks are refused: a forgotten one could be replayed."""


_FORGOTTEN = ""
"""In the place of a channel: until when the nonces of the channel that stands there as the nonce
are forgotten."""


_POST = Prepared(Post)
REQUEST = Prepared(Request)


class ApprovalTables(Database):
    """The tables `approvals`, `grants`, `posts` and `nonces`."""

    def add_approval(self, request: Request, posts: Sequence[Post] = ()) -> bool:
        """Add a pending approval, and note which channels have to show it; False where that id
        is there already.
        """
        with self.transaction() as db:
            open_, own = db.execute(
                "SELECT count(*), coalesce(sum(owner=?), 0) FROM approvals"
                " WHERE state=? AND expires>?",
                (request.principal, PENDING, request.created),
            ).fetchone()
            if open_ >= PENDING_MAX or own >= PENDING_OWNER_MAX:
                full = open_ >= PENDING_MAX
                whose = f"{open_} approvals" if full else f"{own} approvals of this caller"
                raise AegisError(f"{whose} are open already; answer or expire some first")
            added = db.execute(
                "INSERT OR IGNORE INTO approvals"
                " (id, digest, state, created, expires, body, owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    request.id,
                    request.digest,
                    request.state,
                    request.created,
                    request.expires,
                    pack(request),
                    request.principal,
                ),
            ).rowcount
            if added:
                db.executemany(
                    "INSERT OR IGNORE INTO posts VALUES (?, ?, ?, '', 0, 0, ?)",
                    [(post.approval, post.channel, post.due, pack(post)) for post in posts],
                )
        return bool(added)

    def approval(self, id: str) -> Request | None:
        """One approval."""
        rows = self._read("SELECT state, body FROM approvals WHERE id=?", (id,))
        return _request(*rows[0]) if rows else None

    def approvals(self, state: str = "", digest: str = "", limit: int = 500) -> Sequence[Request]:
        """Approvals in a state and with a digest, newest first."""
        rows = self._read(
            "SELECT state, body FROM approvals WHERE (?='' OR state=?) AND (?='' OR digest=?)"
            " ORDER BY created DESC LIMIT ?",
            (state, state, digest, digest, limit),
        )
        return [_request(*row) for row in rows]

    def change_approval(self, id: str, change: Callable[[Request], Request]) -> Request | None:
        """Replace an approval by what `change` makes of it, in one transaction over all
        processes; None where there is no such approval. What `change` raises changes nothing.
        """
        with self.transaction() as db:
            row = db.execute("SELECT state, body FROM approvals WHERE id=?", (id,)).fetchone()
            if row is None:
                return None
            known = _request(*row)
            changed = change(known)
            if changed != known:
                db.execute(
                    "UPDATE approvals SET state=?, body=? WHERE id=?",
                    (changed.state, pack(changed), id),
                )
            if changed.state == APPROVED and changed.scope == TASK and changed.covers:
                db.execute(
                    "INSERT OR IGNORE INTO grants VALUES (?, ?, ?, 0)",
                    (id, changed.covers, changed.expires),
                )
        return changed

    def consume(self, id: str, now: int, action: str) -> bool:
        """Use up an approved, unexpired approval for an action, and remove the run that waited
        for it, in one transaction; True for exactly one caller.
        """
        with self.transaction() as db:
            row = db.execute(
                "SELECT state, body FROM approvals"
                " WHERE id=? AND state=? AND expires>? AND created<=?",
                (id, APPROVED, now, now + SKEW),
            ).fetchone()
            if row is None:
                return False
            used = msgspec.structs.replace(_request(*row), state=CONSUMED, used=action)
            db.execute(
                "UPDATE approvals SET state=?, body=? WHERE id=?", (CONSUMED, pack(used), id)
            )
            if used.run:
                db.execute("DELETE FROM runs WHERE id=?", (used.run,))
        return True

    def grant(self, covers: str, now: int, uses_max: int) -> Request | None:
        """Use, once more, an approval that was given for everything with this digest."""
        with self.transaction() as db:
            row = db.execute(
                "SELECT approval FROM grants WHERE covers=? AND expires>? AND uses<? LIMIT 1",
                (covers, now, uses_max),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE grants SET uses=uses+1 WHERE approval=?", row)
        return self.approval(row[0])

    def overdue(self, now: int) -> Sequence[str]:
        """The ids of pending approvals past their expiry."""
        rows = self._read(
            "SELECT id FROM approvals WHERE state=? AND expires<=? LIMIT ?",
            (PENDING, now, POSTS_AT_ONCE),
        )
        return [row[0] for row in rows]

    def due_posts(self, channel: str, now: int) -> Sequence[Post]:
        """The posts of a channel that are due, held by nobody, and do not show the state their
        approval is in, those that show nothing yet first.
        """
        rows = self._read(
            "SELECT p.body FROM posts p JOIN approvals a ON a.id=p.approval WHERE p.channel=?"
            " AND p.settled=0 AND p.due<=? AND p.held<=?"
            " AND p.shown<>CASE a.state WHEN ? THEN ? ELSE a.state END"
            " ORDER BY p.shown<>'', p.due LIMIT ?",
            (channel, now, now, CONSUMED, APPROVED, POSTS_AT_ONCE),
        )
        return [_POST.decode(row[0]) for row in rows]

    def hold_post(self, post: Post, now: int, until: int) -> bool:
        """Take a post as it is, for delivery until a time; True for exactly one caller."""
        return bool(
            self._write(
                "UPDATE posts SET held=? WHERE approval=? AND channel=? AND shown=? AND held<=?"
                " AND settled=0",
                (until, post.approval, post.channel, post.shown, now),
            )
        )

    def put_post(self, post: Post, again: int) -> None:
        """Store what became of a held post, and let go of it; not looked at before `again`."""
        self._write(
            "UPDATE posts SET shown=?, held=?, settled=?, body=? WHERE approval=? AND channel=?",
            (post.shown, again, post.settled, pack(post), post.approval, post.channel),
        )

    def first_use(self, channel: str, nonce: str, now: int, expires: int) -> bool:
        """Whether a channel never saw this nonce; it is kept until it `expires`.

        Where the clock was ahead and nonces were forgotten, others of that time count as seen: when
        it is set back, what was used could be used again.
        """
        with self.transaction() as db:
            db.execute(
                "INSERT INTO nonces SELECT ?, channel, max(expires) FROM nonces"
                " WHERE expires<=? AND channel!=? GROUP BY channel"
                " ON CONFLICT DO UPDATE SET expires=max(expires, excluded.expires)",
                (_FORGOTTEN, now, _FORGOTTEN),
            )
            db.execute("DELETE FROM nonces WHERE expires<=? AND channel!=?", (now, _FORGOTTEN))
            until = db.execute(
                "SELECT expires FROM nonces WHERE channel=? AND nonce=?", (_FORGOTTEN, channel)
            ).fetchone()
            if until is not None and expires <= until[0]:
                return False
            (count,) = db.execute("SELECT count(*) FROM nonces").fetchone()
            if count >= NONCES_MAX:
                raise AegisError(f"{count} answers came in a short time; try again later")
            changed = db.execute(
                "INSERT OR IGNORE INTO nonces VALUES (?, ?, ?)", (channel, nonce, expires)
            ).rowcount
        return bool(changed)


def _request(state: str, body: bytes) -> Request:
    request = REQUEST.decode(body)
    return request if request.state == state else msgspec.structs.replace(request, state=state)
