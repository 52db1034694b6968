"""The key on disk."""

import os
import stat

import pytest

from aegis.ledger.keys import KEY_FILE, PUBLIC_FILE, load_identity, load_signer
from aegis.model import LedgerError


def test_it_is_made_once_and_private(tmp_path):
    folder = tmp_path / "deep" / "ledger"
    signer = load_signer(folder)
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert load_signer(folder).identity.public == signer.identity.public
    assert load_identity(folder / PUBLIC_FILE).public == signer.identity.public
    assert sorted(os.listdir(folder)) == [KEY_FILE, PUBLIC_FILE]
    (folder / PUBLIC_FILE).write_text("somebody else")
    load_signer(folder)
    assert load_identity(folder / PUBLIC_FILE).fingerprint == signer.identity.fingerprint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_others_can_read_is_refused(tmp_path, mode):
    load_signer(tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(LedgerError, match="chmod 600"):
        load_signer(tmp_path)


RSA = (
    b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    b"-----END PUBLIC KEY-----\n"
)


@pytest.mark.parametrize("content", [b"", b"nonsense", RSA])
def test_what_is_no_key_is_refused(tmp_path, content):
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(LedgerError, match="not an unencrypted private key"):
        load_signer(tmp_path)
    assert path.read_bytes() == content


def test_another_kind_of_key_is_refused(tmp_path):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem = X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / KEY_FILE).write_bytes(pem)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(LedgerError, match="not an Ed25519 key"):
        load_signer(tmp_path)


def test_a_folder_that_cannot_be_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="the ledger needs its key"):
        load_signer(tmp_path / "file")
    with pytest.raises(LedgerError, match="No such file"):
        load_identity(tmp_path / "none.pub")
