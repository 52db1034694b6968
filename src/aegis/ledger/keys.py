"""The ledger's key on disk: made on first use, private to its owner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ..model import LedgerError
from .checkpoint import Identity, Signer

KEY_FILE: Final = "ledger.key"
"""PKCS #8 in PEM (RFC 5958, RFC 7468), mode 0600."""

PUBLIC_FILE: Final = "ledger.pub"
"""The verifier key (C2SP signed-note), one line."""

_FILE_MAX = 16 * 1024


def load_signer(directory: str | os.PathLike[str]) -> Signer:
    """The signer whose key lies in a directory; a first call makes the key.

    Raises LedgerError where the key file can be read by others, is no Ed25519 key, or cannot be
    read or written.
    """
    folder = Path(directory)
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _create(folder, path)
        signer = Signer(_read(path))
        public = folder / PUBLIC_FILE
        line = f"{signer.identity}\n"
        if not public.exists() or public.read_text() != line:
            _write(public, line.encode(), 0o644)
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}; the ledger needs its key") from None
    return signer


def signer_at(path: Path, name: str = "") -> Signer:
    """The signer whose key is one file, under a name of its own; a first call makes the key.

    Raises LedgerError as `load_signer` does.
    """
    try:
        if not path.exists():
            _create(path.parent, path)
        return Signer(_read(path), name)
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}") from None


def load_identity(path: str | os.PathLike[str]) -> Identity:
    """The public key in a file that holds a verifier key. Raises LedgerError."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_FILE_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}") from None
    return Identity.parse(text)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file only its owner can read, whole or not at all. Raises LedgerError."""
    try:
        _write(path, data, 0o600)
    except OSError as error:
        raise LedgerError(f"`{path}`: {error.strerror}") from None


def _read(path: Path) -> Ed25519PrivateKey:
    # the open file is what is checked, so nothing can be swapped in between
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            raise LedgerError(
                f"`{path}` can be read or changed by others (mode {mode & 0o777:04o}); "
                f"run `chmod 600 {path}`, and make a new ledger if somebody may have copied it"
            )
        data = file.read(_FILE_MAX)
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise LedgerError(f"`{path}` is not an unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"`{path}` is not an Ed25519 key")
    return key


def _create(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(path, pem, 0o600, replace=False)


def _write(path: Path, data: bytes, mode: int, *, replace: bool = True) -> None:
    """Write a file whole or not at all; without `replace`, a file that is there stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return  # another process was first; its key is the key
    finally:
        temporary.unlink(missing_ok=True)
