"""Addresses of crypto currencies: what is told from any other string by its own checksum.

Where a chain's checksum is not at hand (Monero and Ethereum use Keccak), shape has to do.
"""

from __future__ import annotations

import binascii
from base64 import b32decode
from functools import reduce
from hashlib import sha256
from operator import xor

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
"""The same 58 letters in the order of the XRP ledger."""

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_STEPS = [
    reduce(xor, (one for bit, one in enumerate(_BECH32_GENERATOR) if top >> bit & 1), 0)
    for top in range(32)
]
"""What the five bits that are shifted out add."""

_BECH32_CONSTANTS = (1, 0x2BC830A3)
"""Remainders of BIP 173 and BIP 350."""

_BECH32_PREFIXES = frozenset(
    [
        "bc", "tb", "bcrt", "ltc", "tltc", "btg", "dgb", "grs", "vtc", "mona", "addr", "stake",
        "cosmos", "osmo", "terra", "juno", "kava", "inj", "sei", "celestia", "akash", "stars",
        "axelar", "secret", "band", "thor", "bnb", "one", "erd", "zs", "evmos", "neutron",
        "dydx", "agoric", "persistence", "ckb",
    ]
)  # fmt: skip
"""Human-readable parts of chains; the coding itself is used for other things too."""

_PAYLOADS = range(21, 28)
"""Bytes before the checksum: one to seven of version, twenty of hash (Bitcoin 1, Zcash 2,
Tezos 3 …); shorter or longer ones are something else."""


def _places(alphabet: str) -> bytes:
    return bytes(alphabet.find(chr(code)) & 0xFF for code in range(256))


_PLACES = _places(_BASE58)
_RIPPLE_PLACES = _places(_RIPPLE)
"""The place of each sign in its alphabet; 255: none."""


def _decoded(value: str, places: bytes) -> bytes | None:
    data = value.encode().translate(places)
    if 255 in data:
        return None
    number = 0
    for place in data:
        number = number * 58 + place
    zeros = len(data) - len(data.lstrip(b"\x00"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58check(value: str, places: bytes = _PLACES) -> bool:
    """The checksum of Bitcoin, Litecoin, Dogecoin, Dash, Tron, Zcash, Tezos and other addresses."""
    raw = _decoded(value, places)
    if raw is None or len(raw) - 4 not in _PAYLOADS:
        return False
    return sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def bech32(value: str) -> bool:
    """A Bech32 address (BIP 173, BIP 350) of a chain that is known."""
    if value.lower() != value and value.upper() != value:
        return False
    value = value.lower()
    prefix, _, coded = value.rpartition("1")
    data = [_BECH32.find(char) for char in coded]
    if prefix not in _BECH32_PREFIXES or len(data) < 6 or -1 in data:
        return False
    check = 1
    for item in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *data]:
        check = (check & 0x1FFFFFF) << 5 ^ item ^ _BECH32_STEPS[check >> 25]
    return check in _BECH32_CONSTANTS


def stellar(value: str) -> bool:
    """A Stellar account (strkey): base 32 with a CRC-16 at the end."""
    try:
        raw = b32decode(value)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == 35 and binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little")


def wallet(value: str) -> bool:
    """An address of one of the chains above, by its checksum or by a shape nothing else has."""
    lowered = value.lower()
    if lowered.startswith("0x"):
        return len(value) == 42 and len(set(lowered[2:])) > 4
    if lowered.startswith("bitcoincash:"):
        return len(value) == 54
    if len(value) == 95 and value[0] in "48":
        return not value.isalpha() and not value.islower() and not value.isupper()
    if len(value) == 56 and value[0] == "G":
        return stellar(value)
    if value[:1] == "r" and base58check(value, _RIPPLE_PLACES):
        return True
    return base58check(value) or bech32(value)


def solana(value: str) -> bool:
    """A Solana address: base 58 of exactly 32 bytes (no checksum; wants a word beside it)."""
    raw = _decoded(value, _PLACES)
    return raw is not None and len(raw) == 32 and not value.isalpha() and not value.islower()
