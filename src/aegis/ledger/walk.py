"""Walks the records of a ledger and names what is wrong with them: steps 4 to 8 of verifying.

Part of the stand-alone verifier: standard library only, Python 3.9 or later, no import of Aegis
(see `verify`). One pass, and memory that does not grow with the number of records.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

FAULTS = {
    "empty": "there is nothing in it",
    "malformed": "it does not have the form of the specification",
    "wrong-key": "it was signed with another key than the trusted one",
    "bad-signature": "a signature does not fit the text above it",
    "hash-mismatch": "a record was changed after it was hashed (a flipped bit is enough)",
    "chain-broken": "a record does not continue its session's chain",
    "reordered": "a record stands out of order or twice",
    "head-truncated": "records are missing at the beginning",
    "record-missing": "records are missing in the middle",
    "tail-truncated": "records are missing at the end",
    "lane-missing": "one of the lanes that were signed together is not there",
    "bad-proof": "an inclusion proof does not lead to the signed root",
    "rehashed": "every record fits its own hash, but the tree is not the one that was signed",
    "index-mismatch": "a store's index columns say something else than the record",
}
"""Every fault there is, by name."""

FAULTS_MAX = 100
"""Faults reported before verification stops: the first ones matter."""

LAST = 2**62
"""Beyond every index."""

FORMAT = b"aegis/1"
KINDS = frozenset((b"decision", b"outcome", b"approval", b"admin"))
ZERO = b"0" * 64


class Fault(NamedTuple):
    """One thing that is wrong: its name, the record's index (-1: the whole), words, and the lane
    by its origin (empty: the whole).
    """

    code: str
    seq: int
    message: str
    lane: str = ""


@dataclass
class Report:
    """What verification found. `pinned` is True where a trusted key was given and matched.

    `entries`, `size` and `sessions` are sums over the `lanes`.
    """

    faults: list[Fault] = field(default_factory=list)
    entries: int = 0
    size: int = 0
    scope: str = ""
    origin: str = ""
    fingerprint: str = ""
    pinned: bool = False
    sessions: int = 0
    created: int = 0
    unsealed: int = 0
    lanes: int = 1
    lane: str = ""

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.faults

    def fault(self, code: str, seq: int, message: str) -> None:
        """Add a fault; stops the verification once there are FAULTS_MAX."""
        self.faults.append(Fault(code, seq, message, self.lane))
        if len(self.faults) >= FAULTS_MAX:
            raise Enough

    def __str__(self) -> str:
        """The report for people."""
        lines = []
        for code, seq, message, lane in self.faults:
            where = f"lane {lane}: " if lane and self.lanes > 1 else ""
            lines.append(f"{code}: {where}{f'record {seq}: ' if seq >= 0 else ''}{message}")
        what = f"{self.entries} records of a ledger of {self.size} ({self.scope or 'unreadable'})"
        if self.lanes > 1:
            what += f" in {self.lanes} lanes"
        lines.append(f"{'verified' if self.ok else 'REFUSED'}: {what}")
        if self.unsealed:
            lines.append(f"the last {self.unsealed} records are not covered by a checkpoint yet")
        if self.fingerprint:
            lines.append(f"signed by {self.origin}, key {self.fingerprint}")
            if not self.pinned:
                lines.append("WARNING: this key came with the evidence itself and proves nothing "
                             "about who signed. Compare the fingerprint with one you got "
                             "elsewhere, or pass --key or --fingerprint.")  # fmt: skip
        return "\n".join(lines)


class Claim(NamedTuple):
    """What a signed statement promises about the records of a lane, in a tree of `size`."""

    scope: str
    size: int
    start: int
    stop: int
    total: int
    marks: dict[int, bytes]
    session: bytes = b""
    before: bytes = ZERO
    head: bytes = b""


Item: TypeAlias = "tuple[bytes, bytes | None, bytes, bytes]"
"""One record as it stands somewhere: its stated leaf hash (hex), its inclusion proof (None where it
has none), its header line, and the entry behind a zero byte, as it is hashed. A plain tuple is made
in half the time."""


class Malformed(Exception):
    """The input does not have the form of the specification."""


class Enough(Exception):
    """Enough faults."""


class Walk:
    """One pass over records, against what a statement claims about them.

    `open_end` allows records after the last mark, as a live store has them.
    """

    def __init__(self, claim: Claim, report: Report, open_end: bool = False) -> None:
        self.claim = claim
        self.report = report
        self.whole = claim.scope == "full"
        self.chained = claim.scope == "session"
        self.stop = LAST if open_end else claim.stop
        self.expected = claim.start
        self.heads: dict[bytes, bytes] = {claim.session: claim.before} if self.chained else {}
        self.gaps: list[tuple[int, int]] = []
        self.late: list[int] = []
        self.jumps: list[int] = []
        self.leaves = 0
        self.loose = False
        """A record is known to be damaged or misplaced: broken chains after it are its echo."""

    def run(self, items: Iterable[Item]) -> None:
        """Steps 4 to 8. Faults go to the report; raises Enough after FAULTS_MAX of them."""
        report, heads, marks, whole = self.report, self.heads, self.claim.marks, self.whole
        hexlify, start = binascii.hexlify, ZERO if whole else None
        peaks: list[bytes] = []
        leaves = 0
        for stated, proof, header, blob in items:
            # Step 4: the record has the hash that is stated for it.
            leaf = sha256(blob).digest()
            words = header.split(b" ")
            if hexlify(leaf) != stated:
                self._damaged(words)
            elif len(words) != 5 or words[0] != FORMAT or words[2] not in KINDS:
                report.fault("malformed", self.expected, "the record's header has another form")
            else:
                # Step 5: it is the next record.
                seq = self.expected
                if words[1] == b"%d" % seq and seq < self.stop:
                    self.expected = seq + 1
                else:
                    seq = _number(words[1])
                    self._misplaced(seq)
                # Step 6: it continues its session's chain.
                session = words[3]
                if heads.get(session, start or words[4]) != words[4] or self.chained:
                    self._chain(seq, session, words[4], first=leaves == 0)
                heads[session] = stated
                # Step 7: it is a leaf of the signed tree (with a proof; else see below).
                if not whole:
                    self._proven(leaf, seq, proof)
            if whole:
                # Step 7 for a whole tree: its roots are those that were signed.
                count = leaves
                while count & 1:
                    leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
                    count >>= 1
                peaks.append(leaf)
                if leaves + 1 in marks or proof is not None:
                    self._root(leaves + 1, peaks, proof)
            leaves += 1
        self.leaves = leaves
        report.entries += leaves
        report.sessions += len(heads) if leaves else 0
        self._complete(heads.get(self.claim.session, b""))

    def _damaged(self, words: list[bytes]) -> None:
        seq = self.expected
        if self.chained:
            # the numbers of a session's records have gaps; its own is the only hint
            seq = _number(words[1]) if len(words) > 1 else -1
            self.heads[self.claim.session] = b""
        self.loose = True
        self.expected = max(self.expected, seq + 1)
        self.report.fault("hash-mismatch", seq, "the record is not what was hashed")

    def _misplaced(self, seq: int) -> None:
        if seq < self.expected:
            self.late.append(seq)
            self.gaps = [part for gap in self.gaps for part in _without(gap, seq)]
            self.loose = True
        elif not self.chained and seq > self.expected:
            self.gaps.append((self.expected, seq))
            self.loose = True
        if len(self.gaps) + len(self.late) > FAULTS_MAX:
            self._complete(b"")
            raise Enough
        self.expected = max(self.expected, seq + 1)
        if seq >= self.stop:
            self.report.fault("malformed", seq, "the record is outside the range that was signed")

    def _chain(self, seq: int, session: bytes, prev: bytes, first: bool) -> None:
        if not self.chained:
            if not self.loose:
                self.report.fault("chain-broken", seq, "`prev` is not its session's last record")
        elif session != self.claim.session:
            self.report.fault("malformed", seq, "the record is of another session")
        elif self.heads[session] not in (prev, b""):
            self.jumps.append(-1 if first else seq)

    def _proven(self, leaf: bytes, seq: int, proof: bytes | None) -> None:
        size = self.claim.size
        if not proven(leaf, seq, size, proof, self.claim.marks[size]):
            self.report.fault("bad-proof", seq, "its proof does not lead to the signed root")

    def _root(self, size: int, peaks: list[bytes], proof: bytes | None) -> None:
        if proof is not None:
            self.report.fault("malformed", size - 1, "a record of a full bundle has no proof")
        elif not (self.report.faults or self.loose) and _bag(peaks) != self.claim.marks[size]:
            what = f"the first {size} records are not those whose root was signed"
            self.report.fault("rehashed", size - 1, what)

    def _complete(self, head: bytes) -> None:
        # Step 8: nothing is missing.
        report, claim = self.report, self.claim
        if self.leaves == 0 and not self.late and not self.gaps:
            if claim.total:
                report.fault("empty", -1, "there are no records")
            return
        for seq in self.late:
            report.fault("reordered", seq, "it stands after a later record")
        for start, stop in self.gaps:
            code = "head-truncated" if start == claim.start else "record-missing"
            report.fault(code, start, f"{stop - start} records are missing from here on")
        if not self.chained:
            if self.expected < claim.stop:
                missing = claim.stop - self.expected
                report.fault("tail-truncated", self.expected, f"{missing} records are missing")
            return
        for seq in self.jumps if not self.late else ():
            code = "record-missing" if seq >= 0 else "head-truncated"
            report.fault(code, seq, "a record of the session before this one is missing")
        if head not in (claim.head, b"") and not self.late:
            report.fault("tail-truncated", self.expected, "the session has later records")
        if self.leaves != claim.total and not report.faults:
            report.fault("record-missing", -1, f"{claim.total} records were signed")


def _number(word: bytes) -> int:
    """A record's index; -1 where it is not a plain number."""
    return int(word) if len(word) < 19 and word.isdigit() else -1


def canonical(text: str | bytes, length: int) -> bytes:
    """Decode canonical base64 (RFC 4648, section 3.5) of `length` bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    wanted = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if len(raw) != length or base64.b64encode(raw) != wanted:
        raise Malformed(f"`{wanted[:60]!r}` is not the base64 of {length} bytes")
    return raw


def _without(gap: tuple[int, int], seq: int) -> list[tuple[int, int]]:
    """A gap after record `seq` turned up: none, one or two smaller gaps."""
    start, stop = gap
    if not start <= seq < stop:
        return [gap]
    return [part for part in ((start, seq), (seq + 1, stop)) if part[0] < part[1]]


def _bag(peaks: list[bytes]) -> bytes:
    """The root over complete subtrees, largest first (RFC 6962, section 2.1)."""
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = sha256(b"\x01" + peak + root).digest()
    return root


def proven(leaf: bytes, index: int, size: int, proof: bytes | None, root: bytes) -> bool:
    """Whether an audit path leads from the leaf to the signed root (RFC 9162, 2.1.3.2)."""
    if proof is None or not 0 <= index < size:
        return False
    try:
        raw = canonical(proof, len(proof) // 4 * 3 - proof.count(b"=")) if proof else b""
    except Malformed:
        return False
    if len(raw) % 32:
        return False
    node, last = leaf, size - 1
    for at in range(0, len(raw), 32):
        sibling = raw[at : at + 32]
        if last == 0:
            return False
        if index & 1 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index >>= 1
        last >>= 1
    return last == 0 and node == root
