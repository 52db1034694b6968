"""Signed notes: the checkpoint over the tree, and the key that signs it.

A note is text, a blank line, and signature lines `— <name> <base64(key id ‖ signature)>` (C2SP
signed-note); the key id is the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key) for
Ed25519. A checkpoint is a note of three lines: origin, tree size, base64 root (C2SP
tlog-checkpoint). The first line of every other text signed with the key differs from the
origin, so that no note can be taken for another.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..model import LedgerError

ALGORITHM: Final = b"\x01"
"""Ed25519, in C2SP signed-note key ids."""

NOTE_MAX: Final = 16 * 1024
"""Longest note in bytes; ours have a few hundred."""


class Identity:
    """The public half of a ledger's key: its name (the origin of its checkpoints) and bytes."""

    __slots__ = ("_key", "id", "name", "public")

    def __init__(self, public: bytes, name: str = "") -> None:
        """`public` is the 32-byte Ed25519 key; the name defaults to `aegis/<8 hex of its hash>`.

        Raises LedgerError where the key is not one.
        """
        try:
            self._key = Ed25519PublicKey.from_public_bytes(public)
        except ValueError as error:
            raise LedgerError(f"not an Ed25519 public key: {error}") from None
        self.public = public
        self.name = name or f"aegis/{sha256(public).hexdigest()[:8]}"
        self.id = sha256(self.name.encode() + b"\n" + ALGORITHM + public).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hex SHA-256 of the public key: what people compare."""
        return "sha256:" + sha256(self.public).hexdigest()

    def __str__(self) -> str:
        """The verifier key (C2SP signed-note): `<name>+<key id>+<base64(0x01 ‖ public key)>`."""
        return f"{self.name}+{self.id.hex()}+{b64encode(ALGORITHM + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Identity:
        """The identity in a verifier key. Raises LedgerError where it is malformed."""
        name, _, rest = text.strip().partition("+")
        _, _, encoded = rest.partition("+")
        try:
            raw = b64decode(encoded, validate=True)
        except Base64Error:
            raw = b""
        if len(raw) != 33 or raw[:1] != ALGORITHM:
            raise LedgerError(f"`{text.strip()[:80]}` is not a verifier key (name+id+base64)")
        identity = cls(raw[1:], name)
        if str(identity) != text.strip():
            raise LedgerError(f"the key id in `{text.strip()[:80]}` does not fit the key")
        return identity

    def open(self, note: str) -> str:
        """The text of a note that this key signed. Raises LedgerError otherwise."""
        text, separator, signatures = note.rpartition("\n\n")
        if not separator or len(note) > NOTE_MAX:
            raise LedgerError("not a signed note: no blank line before its signatures")
        text += "\n"
        for line in signatures.splitlines():
            words = line.split(" ")
            if len(words) == 3 and words[0] == "—" and words[1] == self.name:
                try:
                    blob = b64decode(words[2], validate=True)
                    if blob[:4] == self.id:
                        self._key.verify(blob[4:], text.encode())
                        return text
                except (Base64Error, InvalidSignature):
                    continue
        raise LedgerError(f"no valid signature by `{self.name}` ({self.fingerprint})")

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether this key made a bare signature over bytes (see `Signer.sign_bytes`)."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Signer:
    """The private half of a ledger's key."""

    __slots__ = ("_key", "identity")

    def __init__(self, private: Ed25519PrivateKey, name: str = "") -> None:
        self._key = private
        self.identity = Identity(private.public_key().public_bytes_raw(), name)

    @classmethod
    def generate(cls) -> Signer:
        """A signer with a fresh key."""
        return cls(Ed25519PrivateKey.generate())

    def lane(self, number: int) -> Signer:
        """The same key under the name of a lane: `<name>/<number>`; lane 0 keeps the name."""
        return self if number == 0 else Signer(self._key, f"{self.identity.name}/{number}")

    def secret(self, purpose: str) -> bytes:
        """32 bytes that only the holder of the key can make, others for each purpose (HKDF,
        RFC 5869).
        """
        return HKDF(SHA256(), 32, None, purpose.encode()).derive(self._key.private_bytes_raw())

    def sign(self, text: str) -> str:
        """The note over a text. Raises LedgerError unless it ends in a newline, as notes must."""
        if not text.endswith("\n"):
            raise LedgerError("a note's text must end in a newline")
        blob = self.identity.id + self._key.sign(text.encode())
        return f"{text}\n— {self.identity.name} {b64encode(blob).decode()}\n"

    def sign_bytes(self, data: bytes) -> bytes:
        """The bare signature over bytes. Not for the key of a ledger, which signs notes alone."""
        return self._key.sign(data)


class Checkpoint(msgspec.Struct, frozen=True, gc=False):
    """What a checkpoint says: the tree of this `size` has this `root`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in a note's text. Raises LedgerError where it is malformed."""
        lines = text.split("\n")
        try:
            parsed = cls(lines[0], int(lines[1]), b64decode(lines[2], validate=True))
        except (ValueError, IndexError):
            raise LedgerError("malformed checkpoint: wants origin, size and root") from None
        if parsed.text != text or len(parsed.root) != 32 or parsed.size < 0:
            raise LedgerError("malformed checkpoint: wants origin, size and root, three lines")
        return parsed


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """A checkpoint as stores keep it.

    `peaks` (the tree's state) and `low` (no decision before this index waits for its outcome)
    let a restart read the tail only; both are checked or re-derivable, neither is evidence.
    `at` is microseconds since the Unix epoch.
    """

    size: int
    note: str
    peaks: bytes
    low: int
    at: int
