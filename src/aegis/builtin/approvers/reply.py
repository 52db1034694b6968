"""What a reply to a mail says, and whose it is. Pure: bytes in, an answer out.

Anybody can write any sender into a mail. A reply counts because of a word in its subject that one
person alone was sent; the sender, and what the receiving server found out about it, have to agree.
The answer is the whole of what was written: what was quoted is cut away, and "I do NOT approve" is
no answer, because nothing is searched for in a text.
"""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses
from hashlib import sha256

import msgspec

from ...approval import words
from ...model import CallerError
from ...plugin.channel import Forged

BYTES_MAX = 65_536
"""Most of a mail that is looked at, in bytes: an answer stands at its beginning."""

LINES_MAX = 200
"""Most lines of a reply that are looked at."""

MARK = "Reply above this line with nothing but the word approve, or the word deny."
"""What stands at the top of a mail, and so at the top of what replies quote."""

_PROGRAMS = ("x-autoreply", "x-autorespond", "x-auto-reply-from", "list-id")
"""Headers that programs put into what they write or pass on, beside the one of RFC 3834."""

_TAG = re.compile(r"\[aegis (ap_[0-9a-f]{16}) ([a-z2-7]{26})\]")
_PASS = re.compile(r"(dkim|dmarc)\s*=\s*pass\b(.*)", re.IGNORECASE | re.DOTALL)
_DOMAIN = re.compile(r"header\.(?:d|from|i)\s*=\s*@?([A-Za-z0-9.-]+)", re.IGNORECASE)


class Said(msgspec.Struct, frozen=True):
    """A reply: the request it is about, the word that came with it, its sender's address (lower
    case), the answer (None where it is none), and what makes the mail one of a kind.
    """

    approval: str
    word: str
    sender: str
    approve: bool | None
    nonce: str


def tag(approval: str, word: str) -> str:
    """What stands in a subject, for a reply to carry back."""
    return f"[aegis {approval} {word}]"


def read(data: bytes, server: str) -> Said | None:
    """What a mail says; None where it is no reply to one of ours. Raises Forged for a sender that
    `server` (its `authserv-id`, RFC 8601; empty: nobody is asked) did not find genuine, CallerError
    for a mail that cannot be read.
    """
    try:
        mail = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data[:BYTES_MAX])
        found = _TAG.findall(str(mail.get("subject", "")))
        if len(found) != 1 or _automatic(mail):
            return None
        sender = _sender(mail)
        if server and not _genuine(mail, server, sender):
            raise Forged(f"`{server}` did not find the sender of this mail genuine")
        said = _answer(_text(mail))
    except Forged:
        raise
    except Exception as error:
        # the parser breaks on hostile headers in many ways, and one mail may not hold up the others
        raise CallerError(f"the mail cannot be read: {type(error).__name__}") from None
    id = str(mail.get("message-id", "")).strip()
    approval, word = found[0]
    return Said(approval, word, sender, said, id or sha256(data).hexdigest())


def _automatic(mail: EmailMessage) -> bool:
    """Whether a program wrote it, or passed it on to many: an absence notice quotes the subject,
    too (RFC 3834; a list says its name, RFC 2919).
    """
    submitted = str(mail.get("auto-submitted", "no")).strip().lower()
    kind = str(mail.get("precedence", "")).strip().lower()
    return (
        submitted != "no"
        or kind in ("bulk", "junk", "list", "auto_reply")
        or str(mail.get("return-path", "")).strip() == "<>"
        or mail.get_content_type() == "multipart/report"
        or any(name in mail for name in _PROGRAMS)
    )


def _sender(mail: EmailMessage) -> str:
    """The one address in `From`. Raises Forged."""
    pairs = getaddresses([str(line) for line in mail.get_all("from", [])])
    if len(pairs) != 1 or "@" not in pairs[0][1]:
        raise Forged("the mail does not name one sender")
    return pairs[0][1].strip().lower()


def _genuine(mail: EmailMessage, server: str, sender: str) -> bool:
    """Whether the receiving server says that the sender's domain has signed the mail.

    Its header stands above those a sender may have forged, so the first that bears its name counts.
    """
    domain = sender.rpartition("@")[2]
    for line in mail.get_all("authentication-results", []):
        name, *results = _bare(str(line)).split(";")
        if name.split()[:1] != [server]:
            continue
        for result in results:
            passed = _PASS.match(result.strip())
            signed = _DOMAIN.search(passed[2]) if passed else None
            by = signed[1].lower() if signed else ""
            if by and (domain == by or domain.endswith(f".{by}")):
                return True
        return False
    return False


def _bare(line: str) -> str:
    """A header without its comments, which nest, and its quoted strings (RFC 5322, 3.2): both may
    hold what the sender wrote. What has no end takes everything behind it along.
    """
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for char in line:
        if escaped:
            escaped = False
        elif char == "\\" and (depth or quoted):
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and not quoted:
            depth = max(0, depth - 1)
        elif not depth and not quoted:
            kept.append(char)
    return "".join(kept)


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    return part.get_content() if part is not None else ""


def _answer(text: str) -> bool | None:
    """The answer that is all somebody wrote above what they quoted."""
    lines = [line.rstrip() for line in text.splitlines()[:LINES_MAX]]
    written: list[str] = []
    quotes = False
    for line in lines:
        quotes = line.startswith(">") or MARK in line
        if quotes or line in ("--", "-- "):
            break
        written.append(line)
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", "\n".join(written)) if part.strip()]
    # who wrote what is quoted below, and when: one paragraph, in whatever language, that ends so
    if quotes and len(paragraphs) == 2 and paragraphs[1].endswith(":"):
        paragraphs.pop()
    return words.answer(paragraphs[0]) if len(paragraphs) == 1 else None
