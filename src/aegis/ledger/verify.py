"""Verifies an evidence bundle, offline: Python 3.9+ and `cryptography`, nothing else.

It imports nothing of Aegis but `walk`, which imports nothing. The two are also shipped as one
file, `tools/aegis_verify.py` (`python aegis_verify.py BUNDLE --key KEY`). The format is specified
in `spec/ledger.md`; the numbered steps are those of its section "Verifying".

Exit codes: 0 verified, 1 refused (every fault is named), 2 unusable arguments.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .walk import Claim, Enough, Malformed, Report, Walk, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .walk import Item

LINE_MAX = 1024 * 1024
"""Longest line in bytes: four times the largest record body."""

STATEMENT = "aegis-bundle/1"
SCOPES = ("full", "range", "session", "missing")

LANES_MAX = 64
"""Most lanes of a ledger."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962, section 2.1)."""


def verify(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    trusted_key: bytes | None = None,
    fingerprint: str = "",
    checkpoint: bytes | None = None,
) -> Report:
    """Verify a bundle: a path, its bytes, or an open binary file.

    `trusted_key` (32 bytes) or `fingerprint` (`sha256:<hex>`) pin the signer; without them the
    key inside the bundle is used, which shows integrity but not origin. `checkpoint` holds signed
    checkpoints kept from earlier, of one lane or of several: the ledger must contain them. Raises
    OSError for an unreadable path; everything else is a fault.
    """
    report = Report()
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return verify(file, trusted_key, fingerprint, checkpoint)
    lines = Lines(io.BytesIO(source) if isinstance(source, bytes) else source)
    try:
        public, claims = _statement(lines, report, trusted_key, fingerprint)
        kept = {} if checkpoint is None else kept_notes(checkpoint)
        for origin, notes in kept.items():
            report.lane = origin
            for note in notes:
                _kept(report, public, claims.get(origin), note)
        _sections(lines, report, public, claims, kept)
    except Malformed as error:
        report.fault("empty" if lines.empty else "malformed", -1, str(error))
    except Enough:
        pass
    return report


class Lines:
    """The lines of a bundle, one at a time, so that memory does not grow with its size."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.number = 0
        self.empty = False
        self.broken = ""
        self.ahead = b""

    def next(self) -> bytes:
        """The next line, without its newline."""
        line, self.ahead = self.ahead or self.file.readline(LINE_MAX), b""
        if not line.endswith(b"\n"):
            self.empty = not line and self.number == 0
            what = "is cut off or too long" if line else "is missing: the file ends here"
            raise Malformed(f"line {self.number + 1} {what}")
        self.number += 1
        return line[:-1]

    def note(self) -> tuple[str, bytes]:
        """A signed note of one signature: its text and its signature line."""
        text = b""
        while True:
            line = self.next()
            if not line:
                break
            text += line + b"\n"
            if len(text) > LINE_MAX:
                raise Malformed(f"line {self.number}: the note does not end")
        signature = self.next()
        if self.next():
            raise Malformed(f"line {self.number}: a blank line must follow the signature")
        try:
            return text.decode("utf-8"), signature
        except UnicodeDecodeError:
            raise Malformed(f"line {self.number}: the note is not UTF-8") from None

    def items(self) -> Iterator[Item]:
        """The records: three lines each. Ends at the end, or where something else follows."""
        readline = self.file.readline
        while True:
            line = self.ahead or readline(LINE_MAX)
            self.ahead = b""
            if line[:2] != b"= ":
                self.ahead = line
                return
            header, body = readline(LINE_MAX), readline(LINE_MAX)
            if header[-1:] != b"\n" or body[-1:] != b"\n":
                # the walk goes on to say which records are missing
                self.broken = f"line {self.number + 1}: not a whole record of three lines"
                return
            self.number += 3
            stated, space, proof = line[2:-1].partition(b" ")
            yield stated, proof if space else None, header[:-1], b"\0%b%b" % (header, body[:-1])


def _signed(report: Report, public: bytes, origin: str, text: str, line: bytes, what: str) -> None:
    """Check one signature line (C2SP signed-note, Ed25519)."""
    try:
        key_id = sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
        prefix = f"— {origin} ".encode()
        if not line.startswith(prefix):
            raise Malformed("the signature line names another signer")
        blob = canonical(line[len(prefix) :], 68)
        if blob[:4] != key_id:
            raise Malformed("the key id is not that of the key")
        Ed25519PublicKey.from_public_bytes(public).verify(blob[4:], text.encode())
    except (Malformed, ValueError) as error:
        report.fault("bad-signature", -1, f"{what}: {error}")
    except InvalidSignature:
        report.fault("bad-signature", -1, f"{what}: the text or the signature was changed")


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, tree size and root of a checkpoint (C2SP tlog-checkpoint)."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not (lines[1].isascii() and lines[1].isdigit()):
        raise Malformed("a checkpoint has three lines: origin, tree size, root")
    if len(lines[1]) > 18 or str(int(lines[1])) != lines[1]:
        raise Malformed("the checkpoint's tree size is not a plain number")
    return lines[0], int(lines[1]), canonical(lines[2], 32)


def _statement(
    lines: Lines, report: Report, trusted: bytes | None, fingerprint: str
) -> tuple[bytes, dict[str, Claim]]:
    # Step 1: read the statement.
    text, signature = lines.note()
    head, _, rest = text.partition("\n")
    if head != STATEMENT:
        raise Malformed(f"the first line must be `{STATEMENT}`")
    try:
        said = json.loads(rest)
        public = canonical(said["key"], 32)
        origin, created = said["origin"], said["created"]
        claims = {lane["origin"]: _claim(lane) for lane in said["lanes"]}
        if not isinstance(origin, str) or not _whole(created):
            raise ValueError("its origin or time is none")
        if not 0 < len(said["lanes"]) <= LANES_MAX or next(iter(claims)) != origin:
            raise ValueError("its first lane must have its origin")
        if len(claims) != len(said["lanes"]) or not all(_within(name, origin) for name in claims):
            raise ValueError("its lanes must be those of one ledger")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"the statement cannot be read: {error}") from None
    report.origin, report.created, report.lanes = origin, created, len(claims)
    report.size = sum(claim.size for claim in claims.values())
    scopes = {claim.scope for claim in claims.values()} - {"missing"}
    report.scope = scopes.pop() if len(scopes) == 1 else "range"
    report.fingerprint = "sha256:" + sha256(public).hexdigest()
    # Step 2: is it the key that is trusted?
    report.pinned = trusted == public or (not trusted and fingerprint == report.fingerprint)
    if (trusted or fingerprint) and not report.pinned:
        report.fault("wrong-key", -1, f"signed by {report.fingerprint}, which is not trusted")
    # Step 3: does its signature fit?
    _signed(report, public, origin, text, signature, "statement")
    if not any(claim.total for claim in claims.values()):
        report.fault("empty", -1, "there are no records")
    return public, claims


def _claim(said: dict[str, Any]) -> Claim:
    """What the statement says about a lane. Raises what `_statement` catches."""
    scope, session = said["scope"], said["session"]
    numbers = [said[name] for name in ("from", "to", "count", "size")]
    token, before, head = (session[name].encode() for name in ("name", "after", "head"))
    if scope not in SCOPES or not all(_whole(number) for number in numbers):
        raise ValueError("a lane's scope is unknown, or a number is not whole and positive")
    start, stop, count, size = numbers
    if not start <= stop <= size or (scope == "full" and (start, stop) != (0, size)):
        raise ValueError("a lane's range does not lie in its tree")
    if (scope == "missing" and size) or (scope != "session" and count != stop - start):
        raise ValueError("a lane's count does not fit its range")
    root = canonical(said["root"], 32)
    if size == 0 and root != EMPTY_ROOT:
        raise ValueError("a tree without records has another root")
    return Claim(scope, size, start, stop, count, {size: root}, token, before, head)


def _whole(number: object) -> bool:
    return type(number) is int and number >= 0


def _within(name: str, origin: str) -> bool:
    """Whether a lane belongs to the ledger whose first lane is `origin`."""
    return name == origin or (name.startswith(origin + "/") and _plain(name[len(origin) + 1 :]))


def _plain(number: str) -> bool:
    return number.isascii() and number.isdigit() and str(int(number[:18])) == number != "0"


def _sections(
    lines: Lines, report: Report, public: bytes, claims: dict[str, Claim], kept: Iterable[str]
) -> None:
    """Steps 3 to 8 for each lane."""
    text, signature = "", b""
    for name, claim in claims.items():
        report.lane = name
        if claim.scope == "missing":
            report.fault("lane-missing", -1, f"lane `{name}` was gone when this was exported")
            continue
        if not text:
            lines.ahead = lines.ahead or lines.file.readline(LINE_MAX)
            if not lines.ahead:
                report.fault("lane-missing", -1, f"lane `{name}` was exported and is not here")
                continue
            text, signature = lines.note()
        origin, size, root = parse_checkpoint(text)
        if origin != name:
            if origin not in claims:
                raise Malformed("a checkpoint is not that of a lane of the statement")
            report.fault("lane-missing", -1, f"lane `{name}` was exported and is not here")
            continue
        _signed(report, public, name, text, signature, "checkpoint")
        if (size, root) != (claim.size, claim.marks[claim.size]):
            raise Malformed("the statement and the checkpoint speak of different trees")
        text = ""
        Walk(claim, report).run(lines.items())
        if lines.broken:
            report.fault("malformed", -1, lines.broken)
    report.lane = ""
    if text or lines.ahead:
        report.fault("malformed", -1, f"line {lines.number + 1}: nothing may follow the last lane")
    for name in kept:
        if name not in claims or claims[name].scope == "missing":
            report.fault("lane-missing", -1, f"a kept checkpoint is of lane `{name}`")


def kept_notes(kept: bytes) -> dict[str, list[bytes]]:
    """The signed checkpoints in a file that was kept, by the origin of their lane: notes one after
    another, a blank line between. Raises Malformed.
    """
    found: dict[str, list[bytes]] = {}
    parts = [*kept.strip(b"\n").split(b"\n\n"), b""]
    for at in range(0, len(parts) - 1, 2):
        note = b"%b\n\n%b\n" % (parts[at], parts[at + 1])
        try:
            origin, _, _ = parse_checkpoint(Lines(io.BytesIO(note + b"\n")).note()[0])
        except Malformed as error:
            raise Malformed(f"kept checkpoint: {error}") from None
        found.setdefault(origin, []).append(note)
    return found


def _kept(report: Report, public: bytes, claim: Claim | None, note: bytes) -> None:
    """A checkpoint that was kept from earlier must be part of its lane's tree."""
    text, signature = Lines(io.BytesIO(note + b"\n")).note()
    origin, size, root = parse_checkpoint(text)
    _signed(report, public, origin, text, signature, "kept checkpoint")
    if claim is None or claim.scope == "missing":
        return
    if size > claim.size:
        report.fault("tail-truncated", claim.size, f"a kept checkpoint covers {size} records")
    elif size < claim.size and claim.scope != "full":
        raise Malformed("a kept checkpoint of another size can be checked on a full bundle only")
    elif claim.marks.setdefault(size, root) != root:
        report.fault("rehashed", -1, f"a kept checkpoint of size {size} has another root")


def verify_rows(
    items: Iterable[Item], notes: Iterable[bytes], public: bytes, trusted: bytes | None = None
) -> Report:
    """Verify a store: all its records from the first on, and every checkpoint it keeps.

    `public` is the key the store names as its own. Records after the last checkpoint are checked
    for their hashes and chains and counted in `Report.unsealed`.
    """
    report = Report(scope="full", fingerprint="sha256:" + sha256(public).hexdigest())
    report.pinned = trusted == public
    marks: dict[int, bytes] = {}
    try:
        if trusted and not report.pinned:
            report.fault("wrong-key", -1, f"signed by {report.fingerprint}, which is not trusted")
        for note in notes:
            text, signature = Lines(io.BytesIO(note + b"\n")).note()
            origin, size, root = parse_checkpoint(text)
            report.origin = report.origin or origin
            _signed(report, public, report.origin, text, signature, f"checkpoint {size}")
            if marks.setdefault(size, root) != root:
                report.fault("rehashed", size - 1, "two checkpoints differ about one tree")
        report.size = stop = max(marks, default=0)
        claim = Claim("full", stop, 0, stop, stop, marks)
        report.lane = report.origin
        Walk(claim, report, open_end=True).run(items)
        if not (report.entries or report.faults):
            report.fault("empty", -1, "there are no records")
        report.size = max(stop, report.entries)
        report.unsealed = max(0, report.entries - stop)
    except Malformed as error:
        report.fault("malformed", -1, str(error))
    except Enough:
        pass
    return report


def read_key(text: str) -> bytes:
    """A public key as people write it: a verifier key, hex, base64, or a file with one of them.

    Raises ValueError.
    """
    text = text.strip()
    if os.path.isfile(text):
        with open(text, encoding="utf-8", errors="replace") as file:
            text = file.read(LINE_MAX).strip()
    try:
        if len(text) == 64:
            return bytes.fromhex(text)
        # base64 of 32 or 33 bytes has 44 characters, and may itself hold plus signs
        encoded = text if len(text) == 44 else text.split("+", 2)[2]
        raw = base64.b64decode(encoded, validate=True)
        return canonical(base64.b64encode(raw[-32:]), 32)
    except (ValueError, IndexError, Malformed):
        raise ValueError("not a key: wants name+id+base64, 64 hex digits or base64") from None


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegis_verify", description="Verify an evidence bundle.")
    parser.add_argument("bundle", help="file to verify")
    parser.add_argument("--key", help="trusted public key: the content or path of ledger.pub")
    parser.add_argument("--fingerprint", default="", help="trusted key as sha256:<hex>")
    parser.add_argument("--checkpoint", help="file with signed checkpoints kept from earlier")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    try:
        key = read_key(options.key) if options.key else None
        kept = None
        if options.checkpoint:
            with open(options.checkpoint, "rb") as file:
                kept = file.read(LINE_MAX)
        report = verify(options.bundle, key, options.fingerprint, kept)
    except (OSError, ValueError) as error:
        print(f"aegis_verify: {error}", file=sys.stderr)
        return 2
    if options.json:
        said = dict(vars(report), ok=report.ok, faults=[f._asdict() for f in report.faults])
        print(json.dumps(said, indent=2, sort_keys=True))
    else:
        print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
