"""Git's wire: pkt-lines, the request of a push, and the report that answers it.

Formats: gitprotocol-common(5) for pkt-lines, gitprotocol-pack(5) for update requests, push
certificates and reports. What two readers could read differently is refused, so that what is
judged here is what the upstream does.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

import msgspec

from ....model import CallerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FLUSH = b"0000"
"""The pkt-line that ends a section."""

LINE_MAX = 65_520
"""Longest pkt-line with its four digits of length, in bytes (gitprotocol-common)."""

COMMANDS_MAX = 1_000
"""Most ref updates of one push; each is compared with the history, which costs a process."""

HEAD_MAX = 1 << 20
"""Most bytes before the pack: COMMANDS_MAX updates, a certificate and options fit in it."""

OPTIONS_MAX = 64
"""Most push options; servers know a handful."""

BAND_MAX = LINE_MAX - 5
"""Most bytes of one piece in a side band (side-band-64k)."""

SMALL_BAND_MAX = 995
"""The same for the older `side-band`: a pkt-line of at most 1000 bytes."""

_ID = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_LENGTH = re.compile(rb"[0-9a-f]{4}\Z")
_BAD_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[/.]$")


class WireError(CallerError):
    """Bytes that are no request of Git, or one that could be read in two ways."""


class Command(msgspec.Struct, frozen=True):
    """One ref update: hex object names (all zeros for none) and the full name of the ref."""

    old: str
    new: str
    ref: str


class PushRequest(msgspec.Struct, frozen=True):
    """What stands before the pack of a push. `format` is `sha1` or `sha256`; `signer` who signed
    the certificate, empty where there is none; `end` where the pack begins, in bytes.
    """

    commands: tuple[Command, ...]
    capabilities: frozenset[str]
    format: str
    options: tuple[str, ...]
    signer: str
    end: int


class Report(msgspec.Struct, frozen=True):
    """The answer to a push: lines of `report-status` without their ends, what is shown to the
    person behind `remote:`, and a fatal error in place of both.
    """

    lines: tuple[str, ...]
    messages: str = ""
    fatal: str = ""


def pkt(data: bytes) -> bytes:
    """One pkt-line."""
    return b"%04x%b" % (len(data) + 4, data)


class Lines:
    """Reads pkt-lines from a file and counts their bytes, at most `most`."""

    def __init__(self, source: IO[bytes], most: int) -> None:
        self._source = source
        self._most = most
        self.read = 0

    def next(self) -> bytes | None:
        """The next line; None for a flush. Raises WireError."""
        head = self._take(4)
        if not _LENGTH.match(head):
            raise WireError(f"byte {self.read - 4} of the request is no length of a pkt-line")
        length = int(head, 16)
        if length == 0:
            return None
        if length < 4 or length > LINE_MAX:
            raise WireError(f"byte {self.read - 4} of the request: a pkt-line of length {length}")
        return self._take(length - 4)

    def __iter__(self) -> Iterator[bytes]:
        """The lines up to the flush."""
        while (line := self.next()) is not None:
            yield line

    def _take(self, count: int) -> bytes:
        if self.read + count > self._most:
            raise WireError(f"the request holds more than {self._most} bytes before its pack")
        data = self._source.read(count)
        if len(data) < count:
            raise WireError("the request ends in the middle of a pkt-line")
        self.read += count
        return data


def read_push(source: IO[bytes]) -> PushRequest | None:
    """The request at the start of a file; None for one that asks for nothing (clients probe with
    a flush whether they may push). Raises WireError.
    """
    lines = Lines(source, HEAD_MAX)
    rows: list[bytes] = []
    capabilities: frozenset[str] = frozenset()
    signed: list[bytes] | None = None
    for line in lines:
        if line.startswith(b"shallow ") and not rows:
            _identifier(line[8:].removesuffix(b"\n"))
            continue
        if not rows:
            line, nul, said = line.partition(b"\0")
            if nul:
                capabilities = _capabilities(said)
            if line.removesuffix(b"\n") == b"push-cert":
                signed = _certificate(lines)
        rows.append(line)
        if len(rows) > COMMANDS_MAX:
            raise WireError(f"a push of more than {COMMANDS_MAX} refs; push them in several parts")
    if signed is not None and len(rows) > 1:
        raise WireError("ref updates stand outside of the push certificate")
    if not rows:
        return None
    signer, rows = ("", rows) if signed is None else _signed(signed)
    commands = tuple(_command(row) for row in rows)
    _check(commands, capabilities)
    options = _options(lines) if "push-options" in capabilities else ()
    form = "sha256" if len(commands[0].new) == 64 else "sha1"
    return PushRequest(commands, capabilities, form, options, signer, lines.read)


def _capabilities(said: bytes) -> frozenset[str]:
    if b"\0" in said:
        raise WireError("the capabilities of the push have two ends")
    return frozenset(_text(said).split())


def _certificate(lines: Lines) -> list[bytes]:
    found: list[bytes] = []
    for line in lines:
        if line.removesuffix(b"\n") == b"push-cert-end":
            return found
        found.append(line.removesuffix(b"\n"))
        if len(found) > 2 * COMMANDS_MAX:
            raise WireError(f"a push certificate of more than {2 * COMMANDS_MAX} lines")
    raise WireError("the push certificate has no end")


def _signed(lines: list[bytes]) -> tuple[str, list[bytes]]:
    """Who signed, and the rows of updates between the head and the signature."""
    if b"" not in lines or not lines[0].startswith(b"certificate version 0.1"):
        raise WireError("the push certificate has no head")
    end = lines.index(b"")
    heads = dict(line.partition(b" ")[::2] for line in lines[:end])
    rows: list[bytes] = []
    for line in lines[end + 1 :]:
        if line.startswith(b"-----BEGIN "):
            break
        rows.append(line)
    else:
        raise WireError("the push certificate has no signature")
    if not rows:
        raise WireError("the push certificate names no ref")
    return _text(heads.get(b"pusher", b"")) or "?", rows


def _command(row: bytes) -> Command:
    parts = row.removesuffix(b"\n").split(b" ", 2)
    if len(parts) != 3 or b"\0" in row:
        raise WireError(f"`{_shown(row)}` is no ref update: OLD NEW REF")
    old, new, name = _identifier(parts[0]), _identifier(parts[1]), _text(parts[2])
    if not name.startswith("refs/") or name.count("/") < 2 or _BAD_NAME.search(name):
        raise WireError(f"`{_shown(parts[2])}` is no name of a ref")
    return Command(old, new, name)


def _check(commands: tuple[Command, ...], capabilities: frozenset[str]) -> None:
    """That no two readers could take the push for different ones."""
    if len({command.ref for command in commands}) < len(commands):
        raise WireError("one ref stands there twice")
    if len({len(id) for command in commands for id in (command.old, command.new)}) > 1:
        raise WireError("object names of two formats in one push")
    stated = {name for name in capabilities if name.startswith("object-format=")} or {
        "object-format=sha1"
    }
    length = 64 if stated == {"object-format=sha256"} else 40
    if len(stated) > 1 or len(commands[0].new) != length:
        raise WireError("the object names are not of the format that the push states")


def _options(lines: Lines) -> tuple[str, ...]:
    found = tuple(_text(line.removesuffix(b"\n")) for line in lines)
    if len(found) > OPTIONS_MAX:
        raise WireError(f"more than {OPTIONS_MAX} push options")
    return found


def _identifier(data: bytes) -> str:
    if not _ID.match(data):
        raise WireError(f"`{_shown(data)}` is no name of an object")
    return data.decode()


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError(f"`{_shown(data)}` is not UTF-8") from None


def _shown(data: bytes) -> str:
    return data[:80].decode("ascii", "backslashreplace").encode("unicode_escape").decode()


def band_of(capabilities: Iterable[str]) -> int:
    """How many bytes a piece in a side band may have; 0 without side bands."""
    if "side-band-64k" in capabilities:
        return BAND_MAX
    return SMALL_BAND_MAX if "side-band" in capabilities else 0


def write_report(report: Report, capabilities: frozenset[str]) -> bytes:
    """A report as the client that stated these capabilities expects it; empty where it cannot be
    told in one.
    """
    size = band_of(capabilities)
    wanted = not capabilities.isdisjoint(("report-status", "report-status-v2"))
    body = b"".join(pkt(line.encode() + b"\n") for line in report.lines) + FLUSH if wanted else b""
    if not size:
        return b"" if report.fatal else body
    said = _banded(2, report.messages.encode(), size)
    if report.fatal:
        return said + _banded(3, report.fatal.encode(), size)
    return said + _banded(1, body, size) + FLUSH


def _banded(band: int, data: bytes, size: int) -> bytes:
    head = bytes([band])
    return b"".join(pkt(head + data[at : at + size]) for at in range(0, len(data), size))


def read_report(source: IO[bytes], capabilities: frozenset[str], most: int) -> Report:
    """What an upstream answered to a push, of at most `most` bytes. Raises WireError."""
    if not band_of(capabilities):
        return Report(tuple(_rows(source, most)))
    import io

    bands = {1: bytearray(), 2: bytearray(), 3: bytearray()}
    for line in Lines(source, most):
        if not line or line[0] not in bands:
            raise WireError("the answer has a side band that does not exist")
        bands[line[0]] += line[1:]
    messages, fatal = (bands[n].decode("utf-8", "replace") for n in (2, 3))
    if fatal:
        return Report((), messages, fatal)
    return Report(tuple(_rows(io.BytesIO(bytes(bands[1])), most)), messages)


def _rows(source: IO[bytes], most: int) -> Iterator[str]:
    if not source.read(1):
        return
    source.seek(-1, 1)
    for line in Lines(source, most):
        yield line.removesuffix(b"\n").decode("utf-8", "replace")
