"""A certificate authority of one gate, which lets it open the tunnels of clients that trust it.

Its key vouches for any host to those clients, so it is made by hand, kept in a file that only its
owner may read, and never leaves this machine.
"""

from __future__ import annotations

import datetime
import os
import ssl
import tempfile
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ....model import CallerError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

YEARS = 2
"""How long an authority is good for; then it is made anew, and clients are told of it."""

LEAF_DAYS = 7
"""How long a certificate for one host is good for: longer than a gate runs between restarts."""

LEAVES_MAX = 256
"""Most hosts whose certificates are remembered; clients choose hosts, so all are forgotten then."""

_PEM = serialization.Encoding.PEM
_PRIVATE = (_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def make_authority(path: Path) -> Path:
    """Make an authority: key and certificate in `path`, the certificate alone beside it (`.crt`),
    whose path is returned. Raises CallerError where there is a file already.
    """
    public = path.with_name(path.name + ".crt")
    if path.exists() or public.exists():
        raise CallerError(f"`{path}` or `{public}` is there already; name another file")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aegis HTTP gate")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, datetime.timedelta(days=365 * YEARS))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(_PEM)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.private_bytes(*_PRIVATE) + shown)
        public.write_bytes(shown)
    except OSError as error:
        raise CallerError(f"cannot write `{error.filename}`: {error.strerror}") from None
    return public


class Authority:
    """Vouches for hosts to the clients of one gate."""

    def __init__(self, path: Path) -> None:
        """Reads what `make_authority` wrote. Raises ConfigError."""
        where = f"`gates.http.intercept_ca`: `{path}`"
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"{where} may be read by others; run `chmod 600 {path}`")
            data = path.read_bytes()
            key = serialization.load_pem_private_key(data, None)
            self._certificate = x509.load_pem_x509_certificate(data)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"{where} cannot be used: {error}; make one with `aegis gate http --make-ca FILE`"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{where} holds no key of `aegis gate http --make-ca`")
        self._key = key
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """The TLS of a server that is `host` to a client."""
        known = self._contexts.get(host)
        if known is not None:
            return known
        if len(self._contexts) >= LEAVES_MAX:
            self._contexts.clear()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        # the ssl module takes certificates from files only
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            leaf = self._leaf(host).public_bytes(_PEM)
            file.write(self._leaf_key.private_bytes(*_PRIVATE) + leaf)
            file.flush()
            context.load_cert_chain(file.name)
        self._contexts[host] = context
        return context

    def _leaf(self, host: str) -> x509.Certificate:
        # a common name holds 64 characters (RFC 5280, A.1); clients read the alternative name
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
        alternative: x509.GeneralName
        try:
            alternative = x509.IPAddress(ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        return (
            _builder(name, self._certificate.subject, datetime.timedelta(days=LEAF_DAYS))
            .public_key(self._leaf_key.public_key())
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
            .sign(self._key, hashes.SHA256())
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, lasts: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + lasts)
    )
